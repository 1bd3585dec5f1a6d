-- Daily totals, so that years of flows are not counted anew from every message. A
-- sum that is kept while rows come in would count twice what is read twice. So the
-- engine only notes, day by day, how many rows were inserted, and the store counts
-- a day from its messages, each once, and keeps the totals beside that number
-- (pipeline/store, CountDays). Totals are shown while the number is still the same;
-- days that got rows since are counted when they are asked for.

CREATE TABLE {{table "flow_inserts_store"}}
(
    day Date COMMENT 'Day of capture, UTC',
    rows UInt64 COMMENT 'How many rows of messages_store were inserted for it, each reading of each; it never falls' CODEC(T64, ZSTD(1))
)
ENGINE = {{engine "SummingMergeTree" "rows" "day"}}
ORDER BY day
COMMENT 'How many rows were inserted into messages_store by day of capture, filled by the engine.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{name "flow_inserts_noted"}} TO {{local "flow_inserts_store"}}
(
    day Date COMMENT 'Day of capture, UTC',
    rows UInt64 COMMENT 'Rows of an insert for it'
)
AS SELECT toDate(captured_at) AS day, count() AS rows
FROM {{local "messages_store"}}
GROUP BY day
COMMENT 'Fills flow_inserts_store as messages_store is.';

CREATE TABLE {{table "flow_days_store"}}
(
    day Date COMMENT 'Day of capture, UTC',
    sending_mta String COMMENT 'MTA-name of the sending side (X.411 12.1.1); its address where the bind was not seen' CODEC(ZSTD(1)),
    receiving_mta String COMMENT 'MTA-name of the receiving side (X.411 12.1.1); its address where the bind was not seen' CODEC(ZSTD(1)),
    rows UInt64 COMMENT 'flow_inserts_store.rows of the day when it was counted: no more of it was known then' CODEC(T64, ZSTD(1)),
    messages UInt64 COMMENT 'Messages, each once' CODEC(T64, ZSTD(1)),
    probes UInt64 COMMENT 'Probes, each once' CODEC(T64, ZSTD(1)),
    reports UInt64 COMMENT 'Reports, each once' CODEC(T64, ZSTD(1)),
    octets UInt64 COMMENT 'Octets of these MTS-APDUs, each once' CODEC(T64, ZSTD(1)),
    recipients UInt64 COMMENT 'Recipients of these messages and probes, and those that the reports tell of' CODEC(T64, ZSTD(1))
)
ENGINE = {{engine "ReplacingMergeTree" "rows" "day"}}
ORDER BY (day, sending_mta, receiving_mta)
COMMENT 'Totals of days that were counted; a row without MTAs stands for the day itself. The view flow_days shows them.';

{{flows "flow_days_now" "day"}}
COMMENT 'flow_days counted from messages alone: the same, slower.';

CREATE OR REPLACE VIEW {{name "flow_days"}}
(
    day Date COMMENT 'Day of the sighting, capture time, UTC',
    sending_mta String COMMENT 'MTA-name of the sending side (X.411 12.1.1); its address where the bind was not seen',
    receiving_mta String COMMENT 'MTA-name of the receiving side (X.411 12.1.1); its address where the bind was not seen',
    messages UInt64 COMMENT 'Messages, each once',
    probes UInt64 COMMENT 'Probes, each once',
    reports UInt64 COMMENT 'Reports, each once',
    octets UInt64 COMMENT 'Octets of these MTS-APDUs, each once',
    recipients UInt64 COMMENT 'Recipients of these messages and probes, and those that the reports tell of'
)
AS SELECT day, sending_mta, receiving_mta, messages, probes, reports, octets, recipients
FROM flow_days_store FINAL
WHERE (day, rows) GLOBAL IN (SELECT day, sum(rows) FROM flow_inserts_store GROUP BY day) AND messages + probes + reports > 0
UNION ALL
SELECT day, sending_mta, receiving_mta, messages, probes, reports, octets, recipients
FROM flow_days_now
WHERE day GLOBAL IN
(
    SELECT day FROM (SELECT day, sum(rows) AS inserted FROM flow_inserts_store GROUP BY day)
    WHERE (day, inserted) GLOBAL NOT IN (SELECT day, rows FROM flow_days_store)
)
COMMENT 'Traffic from MTA to MTA by day, each message once per pair and day however often it was seen between them. Kept as totals, so that years are quickly asked for.';
