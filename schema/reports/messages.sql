-- title: Messages, probes and reports
-- about: Each once, at its first sighting, in the order in which they entered the MTS. Of a report, originator is the report destination and recipients are those that it tells of.
-- param from String = 1970-01-01: Entered the MTS at this time or later, UTC.
-- param to String = 2200-01-01: Entered the MTS before this time, UTC.
-- param originator Array(String) = []: Attributes of the originator-name, such as S=Smith;O=ACME, or a part of it, in either case.
-- param recipient Array(String) = []: Attributes of a recipient-name, such as S=Smith;O=ACME, or a part of it, in either case.
-- param limit UInt64 = 1000: How many at most.
-- example: query messages -from 1996-05-01 -recipient 'S=Smith;O=ACME;C=GB'

WITH page AS
(
    SELECT
        origin_time, captured_at, apdu, kind, mts_id, content_type, priority, content_size, subject_mts_id, status,
        if(kind = 'report', report_destination, originator) AS named,
        if(sending_mta = '', source_address, sending_mta) AS sender,
        if(receiving_mta = '', destination_address, receiving_mta) AS receiver
    FROM messages
    WHERE origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
        AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
        -- The parameter holds patterns that the key is LIKE; the longest is looked for by index.
        AND (empty({originator:Array(String)}) OR if(kind = 'report', report_destination_key, originator_key) LIKE arraySort(x -> -length(x), {originator:Array(String)})[1]
            AND arrayAll(x -> if(kind = 'report', report_destination_key, originator_key) LIKE x, {originator:Array(String)}))
        AND (empty({recipient:Array(String)}) OR (origin_time, apdu) IN
        (
            SELECT origin_time, apdu FROM recipients
            WHERE origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
                AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                AND recipient_key LIKE arraySort(x -> -length(x), {recipient:Array(String)})[1]
                AND arrayAll(x -> recipient_key LIKE x, {recipient:Array(String)})
        ))
    ORDER BY origin_time, captured_at, apdu
    LIMIT 1 BY kind, if(mts_id = '', toString(apdu), mts_id)
    LIMIT {limit:UInt64}
)
SELECT
    m.origin_time AS origin_time,
    m.kind AS kind,
    m.mts_id AS mts_id,
    m.named AS originator,
    r.recipients AS recipients,
    m.content_type AS content_type,
    m.priority AS priority,
    m.content_size AS content_size,
    m.sender AS sending_mta,
    m.receiver AS receiving_mta,
    m.subject_mts_id AS subject_mts_id,
    m.status AS status
FROM page AS m
LEFT JOIN
(
    SELECT apdu, arrayMap(x -> x.2, arraySort(groupArray((position, recipient)))) AS recipients
    FROM recipients
    WHERE (origin_time, apdu) IN (SELECT origin_time, apdu FROM page)
    GROUP BY apdu
) AS r ON r.apdu = m.apdu
ORDER BY m.origin_time, m.captured_at, m.apdu;
