-- title: One message from hop to hop
-- about: The sightings of a message, probe or report, its recipients, each hop with its delay, the reports on it, and the operations of users that name it.
-- param mts_id String: MTS identifier as messages.mts_id has it.
-- example: query trace '[/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]'

-- statement: Envelope, at each sighting
-- The index on identifiers is asked once, in messages; all else is found by key.
SELECT
    captured_at, kind, mts_id,
    if(kind = 'report', report_destination, originator) AS originator,
    subject_mts_id, content_type, content_identifier, eits, priority, deferred_delivery, content_size,
    if(sending_mta = '', source_address, sending_mta) AS sending_mta,
    if(receiving_mta = '', destination_address, receiving_mta) AS receiving_mta,
    status, error_path, sensor, source, first_frame, last_frame, apdu
FROM messages
WHERE (origin_time, apdu) GLOBAL IN (SELECT origin_time, apdu FROM messages_store WHERE mts_id = {mts_id:String}) AND mts_id = {mts_id:String}
ORDER BY captured_at, apdu;

-- statement: Recipients
SELECT
    number, recipient, responsibility, originator_report, originator_non_delivery_report, explicit_conversion,
    outcome, delivery_time, reason, diagnostic, supplementary_information, intended_recipient
FROM recipients
WHERE (origin_time, apdu) GLOBAL IN (SELECT origin_time, apdu FROM messages_store WHERE mts_id = {mts_id:String}) AND mts_id = {mts_id:String}
ORDER BY origin_time, apdu, position
LIMIT 1 BY number, recipient_key, outcome;

-- statement: Hops, with the seconds since the one before
SELECT
    level, seq, domain, mta_name, arrival_time,
    if(seq = 1, NULL, dateDiff('second', previous, arrival_time)) AS delay,
    routing_action, attempted_domain, attempted_mta, deferred_time, other_actions,
    count() AS sightings
FROM
(
    SELECT *, lagInFrame(arrival_time) OVER (PARTITION BY apdu, level ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS previous
    FROM trace
    WHERE (origin_time, apdu) GLOBAL IN (SELECT origin_time, apdu FROM messages_store WHERE mts_id = {mts_id:String}) AND mts_id = {mts_id:String} AND scope = 'envelope'
)
GROUP BY level, seq, domain, mta_name, arrival_time, previous, routing_action, attempted_domain, attempted_mta, deferred_time, other_actions
ORDER BY level, seq, arrival_time, domain, mta_name;

-- statement: Reports on it
SELECT
    if(origin_time = toDateTime64(0, 0, 'UTC'), toDateTime64(captured_at, 0, 'UTC'), origin_time) AS report_time, mts_id AS report_mts_id, number, recipient, outcome, delivery_time, reason, diagnostic,
    supplementary_information, intended_recipient
FROM recipients
WHERE (origin_time, apdu) GLOBAL IN (SELECT origin_time, apdu FROM messages_store WHERE subject_mts_id = {mts_id:String})
    AND subject_mts_id = {mts_id:String} AND outcome != ''
ORDER BY origin_time, mts_id, position, apdu
LIMIT 1 BY mts_id, position;

-- statement: Operations on it
SELECT
    captured_at, protocol, name, outcome, error, answered_at, argument, result, association
FROM operations
WHERE mts_id = {mts_id:String}
ORDER BY captured_at, operation;
