-- title: Messages, probes and reports
-- about: Each once, at its first sighting, in the order in which they entered the MTS. Of a report, originator is the report destination and recipients are those that it tells of.
-- param from String = 1970-01-01: Entered the MTS at this time or later, UTC; what says nothing of that, such as a submission, was captured then.
-- param to String = 2200-01-01: Entered the MTS before this time, UTC; or was captured before it.
-- param originator Array(String) = []: Attributes of the originator-name, such as S=Smith;O=ACME, or a part of it, in either case.
-- param recipient Array(String) = []: Attributes of a recipient-name, such as S=Smith;O=ACME, or a part of it, in either case.
-- param limit UInt64 = 100: How many at most.
-- example: query messages -from 1996-05-01 -recipient 'S=Smith;O=ACME;C=GB'

-- The parameters of names hold patterns that the key is LIKE. Their whole words are
-- looked for by index, or, where they have none, parts of words, and in the storage
-- tables, since FINAL would read far more. When the last message of the page entered
-- is looked for first, in the order of the sorting key, in which parts are read as
-- they are needed; of what came up to then each is taken at its first sighting. What
-- was found is then read once more: the reading of each that the views would show.
WITH
    (
        SELECT arrayFilter(x -> length(x) > 1, arrayFlatten(arrayMap(x -> tokens(substring(x, position(x, '=') + 1), 'splitByNonAlpha'),
            arrayFilter(x -> x LIKE '\\%/%=%/\\%', {originator:Array(String)}))))
    ) AS from_words,
    (
        SELECT arrayFilter(x -> length(x) > 1, arrayFlatten(arrayMap(x -> tokens(substring(x, position(x, '=') + 1), 'splitByNonAlpha'),
            arrayFilter(x -> x LIKE '\\%/%=%/\\%', {recipient:Array(String)}))))
    ) AS to_words,
    (
        SELECT max(origin_time)
        FROM
        (
            SELECT origin_time
            FROM recipients_store
            WHERE NOT empty({recipient:Array(String)}) AND empty({originator:Array(String)})
                AND (origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC') AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                    OR origin_time = toDateTime64(0, 0, 'UTC') AND captured_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND captured_at < parseDateTime64BestEffort({to:String}, 9, 'UTC'))
                AND (empty(to_words) OR hasAllTokens(recipient_key, to_words))
                AND (NOT empty(to_words) OR recipient_key LIKE {recipient:Array(String)}[1]) AND arrayAll(x -> recipient_key LIKE x, {recipient:Array(String)})
            ORDER BY origin_time, apdu
            LIMIT 1 BY kind, if(mts_id = '', toString(apdu), mts_id)
            LIMIT {limit:UInt64}
        )
    ) AS last_mail,
    (
        SELECT groupArray((origin_time, apdu))
        FROM
        (
            SELECT origin_time, apdu
            FROM recipients_store
            WHERE NOT empty({recipient:Array(String)}) AND (NOT empty({originator:Array(String)}) OR origin_time <= last_mail)
                AND (origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC') AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                    OR origin_time = toDateTime64(0, 0, 'UTC') AND captured_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND captured_at < parseDateTime64BestEffort({to:String}, 9, 'UTC'))
                AND (empty(to_words) OR hasAllTokens(recipient_key, to_words))
                AND (NOT empty(to_words) OR recipient_key LIKE {recipient:Array(String)}[1]) AND arrayAll(x -> recipient_key LIKE x, {recipient:Array(String)})
            ORDER BY origin_time, captured_at, apdu
            LIMIT 1 BY kind, if(mts_id = '', toString(apdu), mts_id)
            LIMIT if(empty({originator:Array(String)}), {limit:UInt64}, 1000000000)
        )
    ) AS mail,
    (
        SELECT max(origin_time)
        FROM
        (
            SELECT origin_time
            FROM messages_store
            WHERE empty({recipient:Array(String)})
                AND (origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC') AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                    OR origin_time = toDateTime64(0, 0, 'UTC') AND captured_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND captured_at < parseDateTime64BestEffort({to:String}, 9, 'UTC'))
                AND (empty({originator:Array(String)})
                    OR if(empty(from_words), originator_key LIKE {originator:Array(String)}[1], hasAllTokens(originator_key, from_words))
                    OR if(empty(from_words), report_destination_key LIKE {originator:Array(String)}[1], hasAllTokens(report_destination_key, from_words)))
                AND (empty({originator:Array(String)}) OR arrayAll(x -> concat(originator_key, report_destination_key) LIKE x, {originator:Array(String)}))
            ORDER BY origin_time, apdu
            LIMIT 1 BY kind, if(mts_id = '', toString(apdu), mts_id)
            LIMIT {limit:UInt64}
        )
    ) AS last_sent,
    (
        SELECT groupArray((origin_time, apdu))
        FROM
        (
            SELECT origin_time, apdu
            FROM messages_store
            WHERE (empty({recipient:Array(String)}) OR NOT empty({originator:Array(String)})) AND (NOT empty({recipient:Array(String)}) OR origin_time <= last_sent)
                AND (origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC') AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                    OR origin_time = toDateTime64(0, 0, 'UTC') AND captured_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND captured_at < parseDateTime64BestEffort({to:String}, 9, 'UTC'))
                AND (empty({recipient:Array(String)}) OR (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(mail) AS x)))
                AND (empty({originator:Array(String)})
                    OR if(empty(from_words), originator_key LIKE {originator:Array(String)}[1], hasAllTokens(originator_key, from_words))
                    OR if(empty(from_words), report_destination_key LIKE {originator:Array(String)}[1], hasAllTokens(report_destination_key, from_words)))
                AND (empty({originator:Array(String)}) OR arrayAll(x -> concat(originator_key, report_destination_key) LIKE x, {originator:Array(String)}))
            ORDER BY origin_time, captured_at, apdu
            LIMIT 1 BY kind, if(mts_id = '', toString(apdu), mts_id)
            LIMIT {limit:UInt64}
        )
    ) AS sent,
    if(empty({recipient:Array(String)}) OR NOT empty({originator:Array(String)}), sent, mail) AS page
SELECT
    -- Of a submission the time that its result gives, else that of its capture.
    if(m.origin_time = toDateTime64(0, 0, 'UTC'), if(m.submission_time = toDateTime64(0, 0, 'UTC'), toDateTime64(m.captured_at, 0, 'UTC'), m.submission_time), m.origin_time) AS origin_time,
    m.kind AS kind,
    m.mts_id AS mts_id,
    if(m.kind = 'report', m.report_destination, m.originator) AS originator,
    r.recipients AS recipients,
    m.content_type AS content_type,
    m.priority AS priority,
    nullIf(m.content_size, -1) AS content_size,
    if(m.sending_mta = '', m.source_address, m.sending_mta) AS sending_mta,
    if(m.receiving_mta = '', m.destination_address, m.receiving_mta) AS receiving_mta,
    m.subject_mts_id AS subject_mts_id,
    m.status AS status
FROM
(
    SELECT * FROM messages_store
    WHERE (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(page) AS x))
    ORDER BY version DESC
    LIMIT 1 BY origin_time, apdu
) AS m
LEFT JOIN
(
    SELECT
        apdu,
        arrayMap(x -> x.2, arraySort(groupArray((position, recipient)))) AS recipients,
        max(empty({recipient:Array(String)}) OR arrayAll(x -> recipient_key LIKE x, {recipient:Array(String)})) AS named
    FROM
    (
        SELECT * FROM recipients_store
        WHERE (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(page) AS x))
        ORDER BY version DESC
        LIMIT 1 BY origin_time, apdu, position
    )
    GROUP BY apdu
) AS r ON r.apdu = m.apdu
WHERE (empty({recipient:Array(String)}) OR r.named)
    AND (empty({originator:Array(String)}) OR arrayAll(x -> concat(m.originator_key, m.report_destination_key) LIKE x, {originator:Array(String)}))
ORDER BY m.origin_time, m.captured_at, m.apdu
LIMIT 1 BY m.kind, if(m.mts_id = '', toString(m.apdu), m.mts_id)
SETTINGS read_in_order_use_virtual_row = 1, read_in_order_use_virtual_row_per_block = 1, max_block_size = 2048;
