-- title: Recipients reported undelivered
-- about: Each recipient that a report calls not delivered, with reason and diagnostic, each report once however often it was seen.
-- param from String = 1970-01-01: Reports made at this time or later, UTC.
-- param to String = 2200-01-01: Reports made before this time, UTC.
-- param limit UInt64 = 1000: How many at most.
-- example: query undelivered -from 1996-05-01

SELECT
    r.origin_time AS report_time,
    r.subject_mts_id AS mts_id,
    m.originator AS originator,
    r.recipient AS recipient,
    r.reason AS reason,
    r.diagnostic AS diagnostic,
    r.supplementary_information AS supplementary_information,
    r.mts_id AS report_mts_id
FROM recipients AS r
LEFT JOIN
(
    SELECT mts_id, any(originator) AS originator
    FROM messages
    WHERE kind != 'report' AND mts_id IN
    (
        SELECT subject_mts_id FROM recipients
        WHERE kind = 'report' AND outcome = 'not-delivered'
            AND origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
            AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
    )
    GROUP BY mts_id
) AS m ON m.mts_id = r.subject_mts_id
WHERE r.kind = 'report' AND r.outcome = 'not-delivered'
    AND r.origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC')
    AND r.origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
ORDER BY r.origin_time, r.subject_mts_id, r.position, r.apdu
LIMIT 1 BY if(r.mts_id = '', toString(r.apdu), r.mts_id), r.position
LIMIT {limit:UInt64};
