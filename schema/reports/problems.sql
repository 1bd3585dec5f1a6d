-- title: What could not be decoded
-- about: Problems by layer and reason, then the latest one by one.
-- param from String = : From this capture time on, UTC; if empty, the last 31 days in which there were problems.
-- param to String = 2200-01-01: Before this capture time, UTC.
-- param limit UInt64 = 100: How many at most one by one.
-- example: query problems -limit 20

-- statement: By layer and reason
-- As the view problems, but that what an unfinished transfer became is looked for
-- from 31 days before on, for which messages have an index.
WITH parseDateTime64BestEffort(if({from:String} = '', (SELECT toString(greatest(max(time) - toIntervalDay(31), toDateTime64(0, 9, 'UTC'))) FROM problems_store), {from:String}), 9, 'UTC') AS since
SELECT
    layer, reason,
    count() AS problems,
    sum(octet_count) AS octets,
    uniqExact(association) AS associations,
    min(time) AS first_time,
    max(time) AS last_time
FROM (
    SELECT * FROM problems_store FINAL
    WHERE time >= since AND time < parseDateTime64BestEffort({to:String}, 9, 'UTC')
        AND NOT (reason = 'unfinished' AND transfer GLOBAL IN
        (
            SELECT transfer FROM messages_store
            WHERE captured_at >= since - toIntervalDay(31)
                AND transfer GLOBAL IN (SELECT transfer FROM problems_store WHERE reason = 'unfinished' AND transfer != toUUID('00000000-0000-0000-0000-000000000000'))
        ))
)
GROUP BY layer, reason
ORDER BY problems DESC, layer, reason;

-- statement: The latest
WITH parseDateTime64BestEffort(if({from:String} = '', (SELECT toString(greatest(max(time) - toIntervalDay(31), toDateTime64(0, 9, 'UTC'))) FROM problems_store), {from:String}), 9, 'UTC') AS since
SELECT
    time, layer, reason, path, detail,
    concat(client_address, ' port ', toString(client_port)) AS client,
    concat(server_address, ' port ', toString(server_port)) AS server,
    direction, stream_offset, octet_count, hex(substring(octets, 1, 16)) AS first_octets, source, frame, problem
FROM (
    SELECT * FROM problems_store FINAL
    WHERE time >= since AND time < parseDateTime64BestEffort({to:String}, 9, 'UTC')
        AND NOT (reason = 'unfinished' AND transfer GLOBAL IN
        (
            SELECT transfer FROM messages_store
            WHERE captured_at >= since - toIntervalDay(31)
                AND transfer GLOBAL IN (SELECT transfer FROM problems_store WHERE reason = 'unfinished' AND transfer != toUUID('00000000-0000-0000-0000-000000000000'))
        ))
)
ORDER BY time DESC, problem
LIMIT {limit:UInt64};
