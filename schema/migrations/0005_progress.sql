-- What a decoder needs to go on where another stopped. It is a table of its own
-- because a connection may be seen by several sensors, whose records have
-- numbers of their own.

CREATE TABLE {{table "progress_store"}}
(
    association UUID COMMENT 'The connection: associations.association',
    sensor LowCardinality(String) COMMENT 'Sensor whose records are told of',
    epoch DateTime64(9, 'UTC') COMMENT 'When that sensor was started, UTC; 1970-01-01 for capture files' CODEC(Delta, ZSTD(1)),
    start DateTime64(9, 'UTC') COMMENT 'Capture time of the first segment that it saw of the connection, UTC' CODEC(Delta, ZSTD(1)),
    version UInt64 COMMENT 'Orders what is told of a connection: the highest row is shown' CODEC(Delta, ZSTD(1)), -- hidden
    number UInt64 COMMENT 'Record of the connection up to which every row is in the archive, but for those of transfers that were open then' CODEC(Delta, ZSTD(1)),
    ended Bool COMMENT 'That record was the connection''s last',
    given_up Bool COMMENT 'The connection fell silent after that record; what was open is told as unfinished',
    state String COMMENT 'What the decoder knew then: counters of associations, contexts, names' CODEC(ZSTD(1)), -- hidden
    written DateTime('UTC') DEFAULT now() COMMENT 'When it was written, UTC; rows expire 30 days later' -- default
)
ENGINE = {{engine "ReplacingMergeTree" "version" "association"}}
ORDER BY (association, sensor, epoch, start)
TTL written + toIntervalDay(30)
COMMENT 'Up to which record of a connection the archive tells, for decoders that go on there, each state of each; the view progress shows the latest. Empty where nothing is read from Kafka.';

{{view "progress"}}
COMMENT 'Up to which record of each connection the archive tells, one row a connection and sensor, for decoders that go on there.';
