-- title: Message flows from MTA to MTA by hour
-- about: Messages, probes and reports by hour and pair of MTAs, each once per pair and hour however often it was seen between them. The report days has longer ranges.
-- param from String = : From this capture time on, UTC; if empty, the last seven days in which something was captured.
-- param to String = 2200-01-01: Before this capture time, UTC.
-- example: query flows -from 1996-05-01

SELECT hour, sending_mta, receiving_mta, messages, probes, reports, octets, recipients
FROM flows
WHERE hour >= toStartOfHour(parseDateTimeBestEffort(if({from:String} = '', (SELECT toString(greatest(max(toDateTime64(day, 0, 'UTC')) - toIntervalDay(6), toDateTime64(0, 0, 'UTC'))) FROM flow_inserts_store), {from:String}), 'UTC'))
    AND hour < parseDateTime64BestEffort({to:String}, 0, 'UTC')
ORDER BY hour, sending_mta, receiving_mta;
