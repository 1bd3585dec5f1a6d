-- title: Recipients reported undelivered
-- about: Each recipient that a report calls not delivered, with reason and diagnostic, each report once however often it was seen. originator is whom the report is for: the originator of the message, or who stands for him after a distribution list (X.411 12.2.1.3.1).
-- param from String = 1970-01-01: Reports made at this time or later, UTC.
-- param to String = 2200-01-01: Reports made before this time, UTC.
-- param limit UInt64 = 100: How many at most.
-- example: query undelivered -from 1996-05-01

-- Which reports is read in the order of the sorting key, up to the limit, in which
-- parts are read as they are needed, and then what they say as the views show it.
WITH
    (
        SELECT groupArray((origin_time, apdu))
        FROM
        (
            SELECT origin_time, apdu
            FROM recipients_store
            WHERE kind = 'report' AND outcome = 'not-delivered'
                AND origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
                AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
            ORDER BY origin_time, apdu
            LIMIT 1 BY if(mts_id = '', toString(apdu), mts_id), position
            LIMIT {limit:UInt64}
        )
    ) AS page
SELECT
    r.origin_time AS report_time,
    r.subject_mts_id AS mts_id,
    m.report_destination AS originator,
    r.recipient AS recipient,
    r.reason AS reason,
    r.diagnostic AS diagnostic,
    r.supplementary_information AS supplementary_information,
    r.mts_id AS report_mts_id
FROM (SELECT * FROM recipients WHERE (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(page) AS x))) AS r
LEFT JOIN (SELECT apdu, report_destination FROM messages WHERE (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(page) AS x))) AS m ON m.apdu = r.apdu
WHERE r.kind = 'report' AND r.outcome = 'not-delivered'
ORDER BY r.origin_time, r.apdu, r.position
LIMIT 1 BY if(r.mts_id = '', toString(r.apdu), r.mts_id), r.position
LIMIT {limit:UInt64}
SETTINGS read_in_order_use_virtual_row = 1, read_in_order_use_virtual_row_per_block = 1, max_block_size = 2048;
