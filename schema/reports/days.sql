-- title: Message flows from MTA to MTA by day
-- about: Messages, probes and reports by day and pair of MTAs, each once per pair and day however often it was seen between them. From daily totals, so that years take no longer than days.
-- param from String = 1970-01-01: From this day of capture on, UTC.
-- param to String = 2200-01-01: Before this capture time, UTC.
-- example: query days -from 1996-05-01

SELECT day, sending_mta, receiving_mta, messages, probes, reports, octets, recipients
FROM flow_days
WHERE day >= toDate(parseDateTime64BestEffort({from:String}, 0, 'UTC'))
    AND day < parseDateTime64BestEffort({to:String}, 0, 'UTC')
ORDER BY day, sending_mta, receiving_mta;
