-- title: Messages by subject and text
-- about: Interpersonal messages whose subject and texts have what is looked for, forwarded ones too, in the order in which they entered the MTS, each once. Give a subject, a text, or both.
-- param from String = 1970-01-01: Entered the MTS at this time or later, UTC; what says nothing of that, such as a submission, was captured then.
-- param to String = 2200-01-01: Entered the MTS before this time, UTC; or was captured before it.
-- param subject String = : A part of the subject, in either case.
-- param text String = : A part of the text of a body part, in either case.
-- param limit UInt64 = 100: How many sightings at most.
-- example: query search -subject weather -text 'gale warning'

-- What has it is found by index, in the storage tables, in the order of the sorting
-- key, up to the limit, in which parts are read as they are needed. It is then read
-- once more: the reading of each that the views would show.
-- The indexes are of words, and are asked for a part of one. What is looked for may
-- have spaces and letters beyond ASCII, of which an index knows nothing; so they are
-- asked for its two longest runs of ASCII letters and digits, besides: for the
-- longest again where the second is too short for an index to answer, which would
-- read every text.
WITH
    arraySort(x -> -length(x), extractAll(lowerUTF8({subject:String}), '[a-z0-9]+')) AS subject_runs,
    arraySort(x -> -length(x), extractAll(lowerUTF8({text:String}), '[a-z0-9]+')) AS text_runs,
    concat('%', subject_runs[1], '%') AS subject_run,
    concat('%', subject_runs[if(length(subject_runs[2]) < 4, 1, 2)], '%') AS subject_run2,
    concat('%', text_runs[1], '%') AS text_run,
    concat('%', text_runs[if(length(text_runs[2]) < 4, 1, 2)], '%') AS text_run2,
    concat('%', replaceRegexpAll(lowerUTF8({subject:String}), '[%_\\\\]', '\\\\\\0'), '%') AS of_subject,
    concat('%', replaceRegexpAll(lowerUTF8({text:String}), '[%_\\\\]', '\\\\\\0'), '%') AS of_text,
    (
        SELECT groupArray((origin_time, apdu))
        FROM
        (
            SELECT origin_time, apdu
            FROM ipms_store
            WHERE {subject:String} != ''
                AND (origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC') AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                    OR origin_time = toDateTime64(0, 0, 'UTC') AND captured_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND captured_at < parseDateTime64BestEffort({to:String}, 9, 'UTC'))
                AND lowerUTF8(subject) LIKE subject_run
                AND lowerUTF8(subject) LIKE subject_run2
                AND lowerUTF8(subject) LIKE of_subject
            ORDER BY origin_time, apdu
            LIMIT 1 BY apdu
            LIMIT if({text:String} = '', {limit:UInt64}, 1000000000)
        )
    ) AS with_subject,
    (
        SELECT groupArray((origin_time, apdu))
        FROM
        (
            SELECT origin_time, apdu
            FROM body_parts_store
            WHERE {text:String} != ''
                AND (origin_time >= parseDateTime64BestEffort({from:String}, 0, 'UTC') AND origin_time < parseDateTime64BestEffort({to:String}, 0, 'UTC')
                    OR origin_time = toDateTime64(0, 0, 'UTC') AND captured_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND captured_at < parseDateTime64BestEffort({to:String}, 9, 'UTC'))
                AND ({subject:String} = '' OR (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(with_subject) AS x)))
                AND lowerUTF8(text) LIKE text_run
                AND lowerUTF8(text) LIKE text_run2
                AND lowerUTF8(text) LIKE of_text
            ORDER BY origin_time, apdu
            LIMIT 1 BY apdu
            LIMIT {limit:UInt64}
        )
    ) AS with_text,
    if({text:String} = '', with_subject, with_text) AS page
SELECT
    -- Of a submission that of its capture.
    if(i.origin_time = toDateTime64(0, 0, 'UTC'), toDateTime64(i.captured_at, 0, 'UTC'), i.origin_time) AS origin_time,
    i.mts_id AS mts_id,
    i.path AS path,
    i.originator AS originator,
    i.subject AS subject,
    replaceRegexpAll(substringUTF8(p.found, greatest(1, toInt64(positionCaseInsensitiveUTF8(p.found, {text:String})) - 30), 90), '\\s+', ' ') AS excerpt
FROM
(
    SELECT * FROM ipms_store
    WHERE (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(page) AS x))
    ORDER BY version DESC
    LIMIT 1 BY origin_time, apdu, path
) AS i
LEFT JOIN
(
    SELECT apdu, path, argMinIf(text, position, lowerUTF8(text) LIKE of_text) AS found
    FROM
    (
        SELECT * FROM body_parts_store
        WHERE (origin_time, apdu) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(page) AS x))
        ORDER BY version DESC
        LIMIT 1 BY origin_time, apdu, path, position
    )
    GROUP BY apdu, path
) AS p ON p.apdu = i.apdu AND p.path = i.path
WHERE ({subject:String} = '' OR lowerUTF8(i.subject) LIKE of_subject)
    AND ({text:String} = '' OR p.found != '')
ORDER BY i.origin_time, i.apdu, i.path
LIMIT 1 BY if(i.mts_id = '', toString(i.apdu), i.mts_id), i.path
SETTINGS read_in_order_use_virtual_row = 1, read_in_order_use_virtual_row_per_block = 1, max_block_size = 2048;
