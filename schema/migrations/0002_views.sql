-- What people query. The function view makes a view of a storage table, column by column;
-- what follows it belongs to the same statement. Reading FINAL, a view shows of
-- each row the reading with the highest version only. The sorting keys begin with
-- what the partition follows from, so that equal rows always share a partition.
-- On a cluster a storage table is Distributed: FINAL is done by each shard, which
-- has all readings of a row, and what is looked up in another table is GLOBAL,
-- looked up once for all shards. A view is a query of its own, so the server that
-- was asked joins views.

{{view "associations"}}
WHERE association GLOBAL NOT IN
(
    -- A connection first seen in the middle, when another reading saw more of it.
    SELECT late.association
    FROM (SELECT association, mid_stream, client_address, client_port, server_address, server_port, first_seen, last_seen FROM associations_store FINAL) AS early
    INNER JOIN (SELECT association, client_address, client_port, server_address, server_port, first_seen, last_seen FROM associations_store FINAL WHERE mid_stream) AS late
    ON late.client_address = early.client_address AND late.client_port = early.client_port
        AND late.server_address = early.server_address AND late.server_port = early.server_port
    WHERE late.association != early.association
        AND early.first_seen <= late.last_seen AND late.first_seen <= early.last_seen
        AND (NOT early.mid_stream OR (early.first_seen, early.association) < (late.first_seen, late.association))
)
COMMENT 'TCP connections on the watched ports, each once, as last told; visible while open. One first seen in the middle is hidden when another reading of the same time saw it earlier.';

{{view "messages"}}
COMMENT 'MTS-APDUs as sighted on a connection: messages, probes and reports (X.411 12.2), and what users submit, get delivered and fetch (X.411 8, X.413). The same message on another connection is another row, with the same mts_id; journeys shows it once.';

{{view "recipients"}}
COMMENT 'Recipients of messages and probes, and those that reports tell of (X.411 12.2.1.1.2, 12.2.1.3.3). Inserted before their message: a visible message has all of them.';

{{view "trace"}}
COMMENT 'Trace information and internal trace information, element by element (X.411 12.3.1, 12.3.2).';

{{view "extensions"}}
COMMENT 'Extension fields of messages, probes, reports and their recipients and trace elements (X.411 9).';

{{view "bilateral"}}
COMMENT 'Per-domain bilateral information of messages and probes (X.411 12.2.1.1.1.7).';

{{view "contents"}}
COMMENT 'Octets of the MTS-APDUs: content and what stands around it. if(content_inline, head, concat(head, content, tail)) is the APDU as RTSE delivered it, where kept.';

{{view "problems"}}
WHERE NOT (reason = 'unfinished' AND transfer GLOBAL IN
(
    SELECT transfer FROM messages_store
    WHERE transfer GLOBAL IN (SELECT transfer FROM problems_store WHERE reason = 'unfinished' AND transfer != toUUID('00000000-0000-0000-0000-000000000000'))
))
COMMENT 'What could not be decoded, with up to 4096 of its octets. An unfinished transfer is hidden once its message is there, from another reading or a resumed activity.';

{{view "coverage"}}
COMMENT 'What each sensor watched, interval by interval, and what it lost: were we watching?';

{{view "captures"}}
COMMENT 'Capture files read, by digest.';

CREATE OR REPLACE VIEW {{name "journeys"}}
(
    mts_id String COMMENT 'Message or probe identifier in the text form of RFC 2156 4.7; where it could not be read, messages.apdu of the sighting',
    kind LowCardinality(String) COMMENT 'message or probe (X.411 12.2)',
    origin_time DateTime64(0, 'UTC') COMMENT 'Arrival time in the first trace element, UTC (X.411 12.3.1); where no trace was seen the submission time that a result or a delivery gives, and without that the capture time of the first sighting',
    refused LowCardinality(String) COMMENT 'Of a submission that the MTS did not take: the error or reject problem, by name (X.411 8.2.1.1.3); of a sighting without identifier alone',
    originator String COMMENT 'Originator-name as one line (X.411 12.2.1.1.1)',
    originator_key String COMMENT 'Originator-name folded for comparison (X.402 18.4)',
    content_type LowCardinality(String) COMMENT 'Content type by name (X.411 8.2.1.1.1.34)',
    content_identifier String COMMENT 'Content identifier (X.411 8.2.1.1.1.35)',
    priority LowCardinality(String) COMMENT 'normal, non-urgent or urgent; empty for a probe (X.411 8.2.1.1.1.8)',
    content_size Nullable(Int64) COMMENT 'Octets of the content, or the content-length of a probe, of the largest sighting; NULL when there is none',
    sightings UInt64 COMMENT 'Rows of messages: connections and transfers that it was seen in',
    first_captured DateTime64(9, 'UTC') COMMENT 'Capture time of its first octet anywhere, UTC',
    last_captured DateTime64(9, 'UTC') COMMENT 'Capture time of its last octet anywhere, UTC',
    path Array(String) COMMENT 'MTA pairs that it was seen between, as "A -> B", in order of capture time; addresses where the bind was not seen',
    trace_domains Array(String) COMMENT 'Domains of the longest trace information seen, oldest first (X.411 12.3.1)',
    trace_mtas Array(String) COMMENT 'MTA-names of the longest internal trace information seen, oldest first (X.411 12.3.2)',
    recipients Array(String) COMMENT 'Recipient-names on all copies, in order of text',
    reports UInt64 COMMENT 'Reports that tell of it, each once; where none was seen between MTAs those that users got or fetched, each sighting',
    delivered UInt64 COMMENT 'Recipients reported delivered, each once',
    not_delivered UInt64 COMMENT 'Recipients reported not delivered, each once'
)
AS SELECT
    m.mts_id AS mts_id,
    m.kind AS kind,
    m.origin_time AS origin_time,
    toString(o.error) AS refused,
    m.originator AS originator,
    m.originator_key AS originator_key,
    m.content_type AS content_type,
    m.content_identifier AS content_identifier,
    m.priority AS priority,
    m.content_size AS content_size,
    m.sightings AS sightings,
    m.first_captured AS first_captured,
    m.last_captured AS last_captured,
    m.path AS path,
    t.domains AS trace_domains,
    t.mtas AS trace_mtas,
    r.recipients AS recipients,
    p.reports AS reports,
    p.delivered AS delivered,
    p.not_delivered AS not_delivered
FROM
(
    SELECT
        if(s.mts_id = '', toString(s.apdu), s.mts_id) AS mts_id,
        if(countIf(s.kind IN ('probe', 'probe-submission')) > 0, 'probe', 'message') AS kind,
        -- A submission has no trace; what its result says is as good.
        coalesce(nullIf(minIf(s.origin_time, s.origin_time > toDateTime64(0, 0, 'UTC')), toDateTime64(0, 0, 'UTC')), min(s.submission_time), toDateTime64(min(s.captured_at), 0, 'UTC')) AS origin_time,
        any(s.originator) AS originator,
        any(s.originator_key) AS originator_key,
        any(s.content_type) AS content_type,
        any(s.content_identifier) AS content_identifier,
        any(s.priority) AS priority,
        max(s.content_size) AS content_size,
        count() AS sightings,
        min(s.captured_at) AS first_captured,
        max(s.captured_until) AS last_captured,
        arrayDistinct(arrayMap(x -> x.2, arraySort(groupArray((s.captured_at,
            concat(if(s.sending_mta = '', s.source_address, s.sending_mta), ' -> ', if(s.receiving_mta = '', s.destination_address, s.receiving_mta))))))) AS path
    FROM messages AS s
    -- A fetch may be of a stored report.
    WHERE s.kind NOT IN ('report', 'report-delivery') AND s.subject_mts_id = ''
    GROUP BY mts_id
) AS m
LEFT JOIN
(
    SELECT
        if(s.mts_id = '', toString(s.apdu), s.mts_id) AS mts_id,
        arraySort(groupUniqArray(s.recipient)) AS recipients
    FROM recipients AS s
    WHERE s.kind NOT IN ('report', 'report-delivery') AND s.outcome = ''
    GROUP BY mts_id
) AS r ON r.mts_id = m.mts_id
LEFT JOIN
(
    SELECT
        mts_id,
        argMax(domains, (length(domains), domains)) AS domains,
        argMax(mtas, (length(mtas), mtas)) AS mtas
    FROM
    (
        SELECT
            if(s.mts_id = '', toString(s.apdu), s.mts_id) AS mts_id,
            arrayMap(x -> x.2, arraySort(groupArrayIf((s.seq, s.domain), s.level = 'domain'))) AS domains,
            arrayMap(x -> x.2, arraySort(groupArrayIf((s.seq, toString(s.mta_name)), s.level = 'internal'))) AS mtas
        FROM trace AS s
        WHERE s.scope = 'envelope' AND s.kind NOT IN ('report', 'report-delivery')
        GROUP BY mts_id, s.apdu
    )
    GROUP BY mts_id
) AS t ON t.mts_id = m.mts_id
LEFT JOIN
(
    -- What users get or fetch of a report has neither its identifier nor numbers of
    -- recipients: it counts where the report itself was not seen.
    SELECT
        s.subject_mts_id AS mts_id,
        countIf(s.kind = 'report') > 0 AS transferred,
        if(transferred, uniqExactIf(if(s.mts_id = '', toString(s.apdu), s.mts_id), s.kind = 'report'), uniqExact(s.apdu)) AS reports,
        if(transferred, uniqExactIf((s.number, if(isNull(s.number), s.recipient_key, '')), s.outcome = 'delivered' AND s.kind = 'report'),
            uniqExactIf(s.recipient_key, s.outcome = 'delivered')) AS delivered,
        if(transferred, uniqExactIf((s.number, if(isNull(s.number), s.recipient_key, '')), s.outcome = 'not-delivered' AND s.kind = 'report'),
            uniqExactIf(s.recipient_key, s.outcome = 'not-delivered')) AS not_delivered
    FROM recipients AS s
    WHERE s.outcome != ''
    GROUP BY mts_id
) AS p ON p.mts_id = m.mts_id
LEFT JOIN
(
    SELECT toString(s.apdu) AS mts_id, any(s.error) AS error
    FROM operations AS s
    WHERE s.outcome IN ('error', 'reject') AND s.apdu != toUUID('00000000-0000-0000-0000-000000000000')
    GROUP BY mts_id
) AS o ON o.mts_id = m.mts_id
COMMENT 'Messages and probes, each once, however many taps and hops saw it: its sightings, hops, recipients and reports. Submissions that were refused have no identifier and stand each for itself.';

{{flows "flows" "hour"}}
COMMENT 'Traffic from MTA to MTA by hour, each message once per pair and hour however often it was seen between them. Months and years are quicker by day: flow_days.';

CREATE OR REPLACE VIEW {{name "hops"}}
(
    mts_id String COMMENT 'Message, probe or report identifier in the text form of RFC 2156 4.7',
    kind LowCardinality(String) COMMENT 'message, probe or report (X.411 12.2)',
    level LowCardinality(String) COMMENT 'domain for trace information, internal for internal trace information (X.411 12.3.1, 12.3.2)',
    seq UInt32 COMMENT 'Place of the later element, from 2',
    from_domain String COMMENT 'Global domain identifier of the earlier element (X.411 8.5.2)',
    from_mta LowCardinality(String) COMMENT 'MTA-name of the earlier element, internal trace only',
    to_domain String COMMENT 'Global domain identifier of the later element',
    to_mta LowCardinality(String) COMMENT 'MTA-name of the later element, internal trace only',
    from_time Nullable(DateTime64(0, 'UTC')) COMMENT 'Arrival time of the earlier element, UTC (X.411 12.3.1)',
    to_time Nullable(DateTime64(0, 'UTC')) COMMENT 'Arrival time of the later element, UTC (X.411 12.3.1)',
    delay Nullable(Int64) COMMENT 'Seconds between them; negative where clocks differ',
    sightings UInt64 COMMENT 'MTS-APDUs whose trace has both elements'
)
AS SELECT
    mts_id, kind, level, seq, from_domain, from_mta, to_domain, to_mta, from_time, to_time,
    dateDiff('second', from_time, to_time) AS delay,
    count() AS sightings
FROM
(
    SELECT
        mts_id, kind, apdu, level,
        step.1.1 AS from_domain, step.1.2 AS from_mta, step.1.3 AS from_time,
        step.2.1 AS to_domain, step.2.2 AS to_mta, step.2.3 AS to_time, step.2.4 AS seq
    FROM
    (
        -- Not a window function: no condition passes it, so that the steps of one
        -- message would be looked for in the whole trace.
        SELECT
            mts_id, kind, apdu, level,
            arrayMap(x -> (x.2, x.3, x.4, x.1), arraySort(x -> x.1, groupArray((seq, domain, mta_name, arrival_time)))) AS elements
        FROM trace
        WHERE scope = 'envelope'
        GROUP BY mts_id, kind, apdu, level
    )
    ARRAY JOIN arrayZip(arrayPopBack(elements), arrayPopFront(elements)) AS step
)
GROUP BY mts_id, kind, level, seq, from_domain, from_mta, to_domain, to_mta, from_time, to_time
COMMENT 'Latency between successive trace arrivals, each hop of a message once however many MTS-APDUs carry it.';

CREATE OR REPLACE VIEW {{name "deliveries"}}
(
    mts_id String COMMENT 'Message or probe identifier in the text form of RFC 2156 4.7',
    kind LowCardinality(String) COMMENT 'message or probe (X.411 12.2)',
    origin_time DateTime64(0, 'UTC') COMMENT 'Arrival time in the first trace element, UTC (X.411 12.3.1); where no trace was seen as in journeys',
    originator String COMMENT 'Originator-name as one line (X.411 12.2.1.1.1)',
    content_identifier String COMMENT 'Content identifier (X.411 8.2.1.1.1.35)',
    number Nullable(Int32) COMMENT 'Originally specified recipient number (X.411 12.2.1.1.2)',
    recipient String COMMENT 'Recipient-name as one line',
    recipient_key String COMMENT 'Recipient-name folded for comparison (X.402 18.4)',
    report_requested Bool COMMENT 'The originator asked for reports of delivery (X.411 8.2.1.1.1.22)',
    outcome LowCardinality(String) COMMENT 'delivered, not-delivered, or empty when no report was seen (X.411 12.2.1.3.3)',
    reason LowCardinality(String) COMMENT 'Non-delivery reason (X.411 8.3.1.2.1.6)',
    diagnostic LowCardinality(String) COMMENT 'Non-delivery diagnostic (X.411 8.3.1.2.1.7)',
    supplementary_information String COMMENT 'Supplementary information of the report (X.411 8.3.1.2.1.8)',
    reported_recipient String COMMENT 'Actual recipient name of the report; another than recipient after redirection or expansion',
    delivery_time Nullable(DateTime64(0, 'UTC')) COMMENT 'Message delivery time, UTC (X.411 8.3.1.1.1.2)',
    delay Nullable(Int64) COMMENT 'Seconds from origin_time to delivery_time',
    report_mts_id String COMMENT 'Identifier of the report; the last one where there are several',
    report_time Nullable(DateTime64(0, 'UTC')) COMMENT 'Arrival time in the first trace element of the report, UTC',
    reports UInt64 COMMENT 'Reports that tell of this recipient'
)
AS SELECT
    r.mts_id AS mts_id,
    r.kind AS kind,
    r.origin_time AS origin_time,
    r.originator AS originator,
    r.content_identifier AS content_identifier,
    r.number AS number,
    r.recipient AS recipient,
    r.recipient_key AS recipient_key,
    r.report_requested AS report_requested,
    p.told.1 AS outcome,
    p.told.2 AS reason,
    p.told.3 AS diagnostic,
    p.told.4 AS supplementary_information,
    p.told.5 AS reported_recipient,
    p.told.6 AS delivery_time,
    dateDiff('second', r.origin_time, p.told.6) AS delay,
    p.told.7 AS report_mts_id,
    if(p.reports = 0, NULL, p.told.8) AS report_time,
    p.reports AS reports
FROM
(
    -- Copies of a message repeat its recipients; the number tells them apart
    -- where there is one.
    SELECT
        s.journey AS mts_id,
        if(isNull(s.number), concat('k', s.recipient_key), concat('n', toString(s.number))) AS target,
        if(countIf(s.kind IN ('probe', 'probe-submission')) > 0, 'probe', 'message') AS kind,
        coalesce(nullIf(minIf(s.origin_time, s.origin_time > toDateTime64(0, 0, 'UTC')), toDateTime64(0, 0, 'UTC')), min(m.submission_time), toDateTime64(min(s.captured_at), 0, 'UTC')) AS origin_time,
        any(m.originator) AS originator,
        any(m.content_identifier) AS content_identifier,
        any(s.number) AS number,
        any(s.recipient) AS recipient,
        any(s.recipient_key) AS recipient_key,
        max(s.originator_report) AS report_requested
    -- Joined by the identifier too, so that a condition on it is one on both.
    FROM
    (
        SELECT *, if(mts_id = '', toString(apdu), mts_id) AS journey
        FROM recipients
        WHERE kind IN ('message', 'probe', 'submission', 'probe-submission')
    ) AS s
    INNER JOIN
    (
        SELECT apdu, if(mts_id = '', toString(apdu), mts_id) AS journey, originator, content_identifier, submission_time
        FROM messages
        WHERE kind IN ('message', 'probe', 'submission', 'probe-submission')
    ) AS m ON m.apdu = s.apdu AND m.journey = s.journey
    GROUP BY mts_id, target
) AS r
LEFT JOIN
(
    SELECT
        s.subject_mts_id AS mts_id,
        -- A report that gives no number is found by name.
        arrayJoin(if(isNull(s.number), [concat('k', s.recipient_key)], [concat('n', toString(s.number)), concat('k', s.recipient_key)])) AS target,
        argMax((toString(s.outcome), toString(s.reason), toString(s.diagnostic), s.supplementary_information, s.recipient, s.delivery_time, s.mts_id, s.origin_time), (s.origin_time, s.mts_id)) AS told,
        uniqExact(if(s.mts_id = '', toString(s.apdu), s.mts_id)) AS reports
    FROM recipients AS s
    WHERE s.kind = 'report'
    GROUP BY mts_id, target
) AS p ON p.mts_id = r.mts_id AND p.target = r.target
COMMENT 'Recipients of messages and probes, each once, with what the last report said of them.';
