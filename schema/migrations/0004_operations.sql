-- Remote operations of MTS access and MS access. The columns follow the rules of
-- 0001, the views those of 0002.

CREATE TABLE {{table "operations_store"}}
(
    operation UUID COMMENT 'Identifies the operation: hash of the 5-tuple, direction, TCP sequence number of the first octet and SHA-256 of the invoke, or of the answer where the invoke was not seen' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    association UUID COMMENT 'The connection that it came in: associations.association' CODEC(ZSTD(1)),
    apdu UUID COMMENT 'The message that its argument or result carries: messages.apdu; zero when none' CODEC(ZSTD(1)), -- go:APDU
    sensor LowCardinality(String) COMMENT 'Sensor that saw it' CODEC(ZSTD(1)),
    source LowCardinality(String) COMMENT 'Capture file, interface or topic that its first octet came from' CODEC(ZSTD(1)),
    direction LowCardinality(String) COMMENT 'Direction of the invoke: client-to-server or server-to-client' CODEC(ZSTD(1)), -- string
    protocol LowCardinality(String) COMMENT 'The X.400 protocol: p3 or p7 (X.419 8 to 10)' CODEC(ZSTD(1)), -- string
    captured_at DateTime64(9, 'UTC') COMMENT 'Capture time of the first octet of the invoke, or of the answer where the invoke was not seen, UTC' CODEC(ZSTD(1)),
    answered_at DateTime64(9, 'UTC') COMMENT 'Capture time of the first octet of the answer, UTC; NULL when none was seen' CODEC(ZSTD(1)), -- null
    frame UInt64 COMMENT 'Number of the frame of the first octet, from 1 within source' CODEC(T64, ZSTD(1)),
    answer_frame UInt64 COMMENT 'Number of the frame of the first octet of the answer; 0 when none was seen' CODEC(T64, ZSTD(1)),
    stream_offset UInt64 COMMENT 'Octets of its direction before its first octet' CODEC(T64, ZSTD(1)),
    tcp_sequence UInt32 COMMENT 'TCP sequence number of its first octet' CODEC(ZSTD(1)),
    name LowCardinality(String) COMMENT 'Operation by name, such as message-submission; empty when not known (X.419 Annexes A and C)' CODEC(ZSTD(1)), -- string
    code Int32 COMMENT 'Local operation value; NULL when there is none' CODEC(T64, ZSTD(1)), -- null
    oid LowCardinality(String) COMMENT 'Global operation value; empty when it is local' CODEC(ZSTD(1)), -- go:OID
    invoke_id String COMMENT 'Invoke identifier, in decimal; empty where NULL was sent (X.229 9.1)' CODEC(ZSTD(1)), -- go:InvokeID
    linked_id String COMMENT 'Linked identifier, in decimal; empty when absent (X.229 9.1)' CODEC(ZSTD(1)), -- go:LinkedID
    invoked Bool COMMENT 'The invoke was seen' CODEC(T64, ZSTD(1)),
    outcome LowCardinality(String) COMMENT 'result, error or reject; empty when no answer was seen (X.229 9.2 to 9.4)' CODEC(ZSTD(1)), -- string
    error LowCardinality(String) COMMENT 'Of an error its name, such as originator-invalid (X.419 Annexes A and C), of a reject the problem (X.229 9.4); a number where it has none; empty otherwise' CODEC(ZSTD(1)),
    error_code Int32 COMMENT 'Local error value, or number of the problem; NULL otherwise' CODEC(T64, ZSTD(1)), -- null
    mts_id String COMMENT 'Identifier of the message or probe that it is about, in the text form of RFC 2156 4.7; empty when none' CODEC(ZSTD(1)), -- go:MTSID
    argument String COMMENT 'The argument, readable, credentials by their kind alone; empty where it is the message of apdu, or there is none' CODEC(ZSTD(3)),
    result String COMMENT 'The result or the parameter of the error, readable: of a fetched message number and attributes beside envelope and content; empty where there is none' CODEC(ZSTD(3)),
    argument_raw String COMMENT 'Encoding of the argument, credentials overwritten; empty where it is the message of apdu' CODEC(ZSTD(3)),
    result_raw String COMMENT 'Encoding of the result or parameter; empty where it is the message of apdu, and of MS access where the archive keeps envelopes only' CODEC(ZSTD(3)),
    inferred Bool COMMENT 'The association''s opening was not seen: contexts and mode were inferred' CODEC(T64, ZSTD(1)),
    decoder_version UInt32 COMMENT 'Version of the decoder that wrote the row' CODEC(T64, ZSTD(1)),
    INDEX time_range captured_at TYPE minmax GRANULARITY 1,
    INDEX by_association association TYPE bloom_filter GRANULARITY 1,
    INDEX by_mts_id mts_id TYPE bloom_filter GRANULARITY 1,
    INDEX by_journey toString(apdu) TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_name name TYPE set(64) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "operation"}}
ORDER BY operation
COMMENT 'Remote operations, each reading of each; the view operations shows each once.';

{{view "operations"}}
COMMENT 'Remote operations of MTS access (P3) and MS access (P7): what was invoked, by whom, with what outcome. What a submission, a delivery or a fetch carries is in messages.';
