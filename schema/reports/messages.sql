-- title: Messages, probes and reports
-- about: Each once, at its first sighting, in the order in which they entered the MTS. Of a report, originator is the report destination and recipients are those that it tells of.
-- param from String = 1970-01-01: Entered the MTS at this time or later, UTC.
-- param to String = 2200-01-01: Entered the MTS before this time, UTC.
-- param originator Array(String) = []: Attributes of the originator-name, such as S=Smith;O=ACME, or a part of it, in either case.
-- param recipient Array(String) = []: Attributes of a recipient-name, such as S=Smith;O=ACME, or a part of it, in either case.
-- param limit UInt64 = 1000: How many at most.
-- example: query messages -from 1996-05-01 -recipient 'S=Smith;O=ACME;C=GB'

SELECT
    m.origin_time AS origin_time,
    m.kind AS kind,
    m.mts_id AS mts_id,
    if(m.kind = 'report', m.report_destination, m.originator) AS originator,
    r.recipients AS recipients,
    m.content_type AS content_type,
    m.priority AS priority,
    m.content_size AS content_size,
    if(m.sending_mta = '', m.source_address, m.sending_mta) AS sending_mta,
    if(m.receiving_mta = '', m.destination_address, m.receiving_mta) AS receiving_mta,
    m.subject_mts_id AS subject_mts_id,
    m.status AS status
FROM messages AS m
LEFT JOIN
(
    SELECT apdu, arrayMap(x -> x.2, arraySort(groupArray((position, recipient)))) AS recipients
    FROM recipients
    WHERE origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
        AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
    GROUP BY apdu
) AS r ON r.apdu = m.apdu
WHERE m.origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
    AND m.origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
    -- The parameter holds patterns that the key is LIKE; the longest is looked for by index.
    AND (empty({originator:Array(String)}) OR if(m.kind = 'report', m.report_destination_key, m.originator_key) LIKE arraySort(x -> -length(x), {originator:Array(String)})[1]
        AND arrayAll(x -> if(m.kind = 'report', m.report_destination_key, m.originator_key) LIKE x, {originator:Array(String)}))
    AND (empty({recipient:Array(String)}) OR m.apdu IN
    (
        SELECT apdu FROM recipients
        WHERE origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
            AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
            AND recipient_key LIKE arraySort(x -> -length(x), {recipient:Array(String)})[1]
            AND arrayAll(x -> recipient_key LIKE x, {recipient:Array(String)})
    ))
ORDER BY m.origin_time, m.captured_at, m.apdu
LIMIT 1 BY m.kind, if(m.mts_id = '', toString(m.apdu), m.mts_id)
LIMIT {limit:UInt64};
