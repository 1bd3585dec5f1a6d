-- title: Message flows from MTA to MTA
-- about: Messages, probes and reports by hour and pair of MTAs, each once per pair however often it was seen between them.
-- param from String = 1970-01-01: From this capture time on, UTC.
-- param to String = 2200-01-01: Before this capture time, UTC.
-- example: query flows -from 1996-05-01

SELECT hour, sending_mta, receiving_mta, messages, probes, reports, octets, recipients
FROM flows
WHERE hour >= toStartOfHour(parseDateTimeBestEffort({from:String}, 'UTC'))
    AND hour < parseDateTime64BestEffort({to:String}, 0, 'UTC')
ORDER BY hour, sending_mta, receiving_mta;
