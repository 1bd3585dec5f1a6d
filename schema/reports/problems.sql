-- title: What could not be decoded
-- about: Problems by layer and reason, then the latest one by one.
-- param from String = : From this capture time on, UTC; if empty, the last 31 days in which there were problems.
-- param to String = 2200-01-01: Before this capture time, UTC.
-- param limit UInt64 = 100: How many at most one by one.
-- example: query problems -limit 20

-- statement: By layer and reason
SELECT
    layer, reason,
    count() AS problems,
    sum(octet_count) AS octets,
    uniqExact(association) AS associations,
    min(time) AS first_time,
    max(time) AS last_time
FROM problems
WHERE time >= parseDateTime64BestEffort(if({from:String} = '', (SELECT toString(greatest(max(time) - toIntervalDay(31), toDateTime64(0, 9, 'UTC'))) FROM problems_store), {from:String}), 9, 'UTC')
    AND time < parseDateTime64BestEffort({to:String}, 9, 'UTC')
GROUP BY layer, reason
ORDER BY problems DESC, layer, reason;

-- statement: The latest
SELECT
    time, layer, reason, path, detail,
    concat(client_address, ' port ', toString(client_port)) AS client,
    concat(server_address, ' port ', toString(server_port)) AS server,
    direction, stream_offset, octet_count, hex(substring(octets, 1, 16)) AS first_octets, source, frame, problem
FROM problems
WHERE time >= parseDateTime64BestEffort(if({from:String} = '', (SELECT toString(greatest(max(time) - toIntervalDay(31), toDateTime64(0, 9, 'UTC'))) FROM problems_store), {from:String}), 9, 'UTC')
    AND time < parseDateTime64BestEffort({to:String}, 9, 'UTC')
ORDER BY time DESC, problem
LIMIT {limit:UInt64};
