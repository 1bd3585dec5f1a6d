-- title: When each sensor was watching
-- about: Stretches of time without a hole, by sensor and source, with what was lost in them. What lies between two stretches was not watched.
-- param from String = : Intervals that end after this capture time, UTC; if empty, those of the last 31 days that were watched.
-- param to String = 2200-01-01: Intervals that start before this capture time, UTC.
-- example: query coverage -from 1996-05-01

SELECT
    sensor, source,
    min(interval_start) AS watched_from,
    max(interval_end) AS watched_to,
    sum(packets) AS packets,
    sum(segments) AS segments,
    sum(dropped_kernel) AS dropped_kernel,
    sum(dropped_sensor) AS dropped_sensor,
    sum(gaps) AS gaps,
    sum(lost_octets) AS lost_octets,
    sum(undecodable) AS undecodable
FROM
(
    SELECT *, sum(starts) OVER (PARTITION BY sensor, source ORDER BY interval_start, interval_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS stretch
    FROM
    (
        -- An interval begins a stretch when all before it ended earlier.
        SELECT *, interval_start > max(interval_end) OVER (PARTITION BY sensor, source ORDER BY interval_start, interval_end ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS starts
        FROM coverage
        WHERE interval_end > parseDateTime64BestEffort(if({from:String} = '', (SELECT toString(greatest(max(interval_end) - toIntervalDay(31), toDateTime64(0, 9, 'UTC'))) FROM coverage_store), {from:String}), 9, 'UTC')
            AND interval_start < parseDateTime64BestEffort({to:String}, 9, 'UTC')
    )
)
GROUP BY sensor, source, stretch
ORDER BY sensor, source, watched_from;
