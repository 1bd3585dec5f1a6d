-- The storage tables. Each holds every reading of a row until a merge keeps the
-- one with the highest version; the plain names are views (0002) that show each
-- once. Nothing in a sorting or partition key depends on who read it and when,
-- so that reading twice gives the same rows.
--
-- Columns stand one a line: the Go types are generated from here. After "--" a
-- line may say
--   null    NULL in the view where the stored value is -1, or the time 1970
--   list    an array in the view, stored as text with commas
--   hex     hexadecimal digits in the view
--   hidden  not in the view
--   default filled by the engine, not by the writer
--   string  a Go string in the row, not []byte
--   go:A.B  the name in the row
-- Partitions are months or days, from 2020 to 2039: what lies outside, as hostile
-- times may, joins the first or the last. The second word of an engine is its
-- version, the third what a cluster places rows by: part of the sorting key, so
-- that equal rows meet, and the same for all that belongs to an MTS-APDU.
-- Tables from which searches fetch rows here and there have small granules, and the
-- whole of their keys in memory: of nearly unique times alone the engine would not
-- know where in the order of a list a part begins, and would read into every part.
--
-- What is looked up by identifier has Bloom filters that let one granule in ten
-- thousand through for nothing: of ten million messages that is one, where the
-- usual 2.5% are hundreds, each of which FINAL reads with all that overlap it. By
-- apdu alone, of messages and recipients, it is one in a thousand.
-- by_journey is of what journeys and deliveries call mts_id, in the words that the
-- engine's optimizer makes of it: it writes mts_id = '' as empty(mts_id), and finds
-- no index that says it otherwise.

CREATE TABLE {{table "associations_store"}}
(
    association UUID COMMENT 'Identifies the connection: hash of its endpoints and initial sequence numbers',
    version UInt64 COMMENT 'Grows with what this row tells of: the packets of both directions, then the records, then whether the connection has ended; the highest row is shown' CODEC(ZSTD(1)),
    sensor LowCardinality(String) COMMENT 'Sensor that saw the connection' CODEC(ZSTD(1)),
    source LowCardinality(String) COMMENT 'Capture file, interface or topic that the connection was first seen in' CODEC(ZSTD(1)),
    community_id String COMMENT 'Community ID version 1 of the 5-tuple, for joining with other network monitors' CODEC(ZSTD(1)),
    client_address LowCardinality(String) COMMENT 'IP address of the side that opened the connection; where the SYN was not seen, the side that is not on the watched port' CODEC(ZSTD(1)),
    client_port UInt16 COMMENT 'TCP port of the client' CODEC(T64, ZSTD(1)),
    server_address LowCardinality(String) COMMENT 'IP address of the other side' CODEC(ZSTD(1)),
    server_port UInt16 COMMENT 'TCP port of the server, 102 by default (RFC 1006 4)' CODEC(T64, ZSTD(1)),
    first_seen DateTime64(9, 'UTC') COMMENT 'Capture time of the first segment, UTC' CODEC(T64, ZSTD(1)),
    last_seen DateTime64(9, 'UTC') COMMENT 'Capture time of the last segment, UTC' CODEC(T64, ZSTD(1)),
    first_frame UInt64 COMMENT 'Number of the frame of the first octets, from 1 within source' CODEC(T64, ZSTD(1)),
    last_frame UInt64 COMMENT 'Number of the frame of the last octets' CODEC(T64, ZSTD(1)),
    mid_stream Bool COMMENT 'The SYN was not seen: the connection was first seen in the middle' CODEC(T64, ZSTD(1)),
    inferred Bool COMMENT 'The session CONNECT was not seen: contexts and mode were inferred from the octets' CODEC(T64, ZSTD(1)),
    one_direction Bool COMMENT 'Only one direction was captured' CODEC(T64, ZSTD(1)),
    class LowCardinality(String) COMMENT 'What the connection carries: x400, encrypted, s7comm, mms, iccp, rdp, h323, unknown, empty and the like' CODEC(ZSTD(1)), -- string
    protocol LowCardinality(String) COMMENT 'The X.400 protocol: p1, p3, p7, or empty when not known (X.419 7 to 9)' CODEC(ZSTD(1)), -- string
    mode LowCardinality(String) COMMENT 'normal or x410-1984 (X.226 8.2, X.228 8.1); empty when not known' CODEC(ZSTD(1)), -- string
    application_context LowCardinality(String) COMMENT 'Application context name as OID (X.227 7.1); before 1988 the application protocol number' CODEC(ZSTD(1)),
    application_context_name LowCardinality(String) COMMENT 'Application context by name, such as mts-transfer (X.419 7.2)' CODEC(ZSTD(1)),
    abstract_syntaxes LowCardinality(String) COMMENT 'Abstract syntaxes of the presentation contexts accepted, OIDs in the order proposed (X.226 8.2)' CODEC(ZSTD(1)), -- list
    client_tsap LowCardinality(String) COMMENT 'Calling TSAP selector, as text where printable, otherwise 0x and hexadecimal digits (X.224 13.3)' CODEC(ZSTD(1)),
    server_tsap LowCardinality(String) COMMENT 'Called TSAP selector, written in the same way (X.224 13.3)' CODEC(ZSTD(1)),
    client_ssap LowCardinality(String) COMMENT 'Calling session selector, written in the same way (X.225 8.3.1)' CODEC(ZSTD(1)),
    server_ssap LowCardinality(String) COMMENT 'Called session selector, written in the same way (X.225 8.3.1)' CODEC(ZSTD(1)),
    client_psap LowCardinality(String) COMMENT 'Calling presentation selector, written in the same way (X.226 8.2)' CODEC(ZSTD(1)),
    server_psap LowCardinality(String) COMMENT 'Called presentation selector, written in the same way (X.226 8.2)' CODEC(ZSTD(1)),
    client_ap_title LowCardinality(String) COMMENT 'Calling AP-title of AARQ: a directory name as RFC 2253 writes it, an OID, or text; empty when absent (X.227 9.1)' CODEC(ZSTD(1)), -- go:ClientAPTitle
    client_ae_qualifier LowCardinality(String) COMMENT 'Calling AE-qualifier of AARQ: a relative distinguished name, a number, or text; empty when absent (X.227 9.1)' CODEC(ZSTD(1)), -- go:ClientAEQualifier
    server_ap_title LowCardinality(String) COMMENT 'Responding AP-title of AARE, or called AP-title of AARQ, written in the same way (X.227 9.1, 9.2)' CODEC(ZSTD(1)), -- go:ServerAPTitle
    server_ae_qualifier LowCardinality(String) COMMENT 'AE-qualifier that belongs to it (X.227 9.1, 9.2)' CODEC(ZSTD(1)), -- go:ServerAEQualifier
    acse String COMMENT 'What the ACSE APDUs say beside user information, such as AARQ {...}; AARE {result=accepted; ...}; RLRQ {reason=normal}; ABRT {...}; of authentication values that they are present (X.227 9)' CODEC(ZSTD(1)), -- go:ACSE
    rtse String COMMENT 'What the RTSE APDUs that open, refuse and abort say, such as RTORQ {checkpoint-size=1; ...}; RTOAC {...}; RTORJ {refuse-reason=...}; RTAB {abort-reason=...} (X.228 9)' CODEC(ZSTD(1)), -- go:RTSE
    tpdu_size UInt32 COMMENT 'Negotiated maximum TPDU size in octets (X.224 13.3.4); 0 when not known' CODEC(T64, ZSTD(1)),
    session_id String COMMENT 'Session connection identifier: user, common and additional reference, as text (X.225 8.3.1)' CODEC(ZSTD(1)),
    checkpoint_size UInt32 COMMENT 'Negotiated RTSE checkpoint size in units of 1024 octets; 0 is no checkpointing (X.228 8.1)' CODEC(T64, ZSTD(1)),
    window_size UInt32 COMMENT 'Negotiated RTSE window size in checkpoints (X.228 8.1)' CODEC(T64, ZSTD(1)),
    dialogue_mode LowCardinality(String) COMMENT 'RTSE dialogue mode: monologue, two-way-alternate, or empty (X.228 8.1)' CODEC(ZSTD(1)), -- string
    recover Bool COMMENT 'The RTSE association was opened to recover an earlier one (X.228 8.1, RTORQ recover)' CODEC(T64, ZSTD(1)),
    initiator_mta LowCardinality(String) COMMENT 'MTA-name of the initiator from the bind argument (X.411 12.1.1); in p3 and p7 its OR-name where it is a user (X.411 8.1.1)' CODEC(ZSTD(1)),
    responder_mta LowCardinality(String) COMMENT 'MTA-name of the responder from the bind result (X.411 12.1.1); in p3 its OR-name where it is a user (X.411 8.1.1)' CODEC(ZSTD(1)),
    initiator_credentials LowCardinality(String) COMMENT 'Kind of the initiator''s credentials; the credentials themselves are never stored (X.411 8.2)' CODEC(ZSTD(1)), -- string
    responder_credentials LowCardinality(String) COMMENT 'Kind of the responder''s credentials (X.411 8.2)' CODEC(ZSTD(1)), -- string
    initiator_bind String COMMENT 'What the bind argument says beside: security context, messages waiting, extensions, and of credentials that are no simple password all but secrets (X.411 8.1.1, 8.2, 12.1.1)' CODEC(ZSTD(1)),
    responder_bind String COMMENT 'What the bind result says beside, written in the same way' CODEC(ZSTD(1)),
    bind_outcome LowCardinality(String) COMMENT 'accepted, rejected, aborted, or empty when no answer was seen (X.411 12.1.1)' CODEC(ZSTD(1)), -- string
    bind_detail String COMMENT 'The bind error or the reason of rejection or abort, by name, and where the bind could not be read, why' CODEC(ZSTD(1)),
    ended LowCardinality(String) COMMENT 'How the connection ended: fin, rst, idle, evicted, replaced, capture-end, or open' CODEC(ZSTD(1)), -- string
    release LowCardinality(String) COMMENT 'How the association ended: released, user-abort, provider-abort, rejected, or empty (X.225 7, X.227 7)' CODEC(ZSTD(1)), -- string
    release_detail String COMMENT 'Of an abort or a rejection its layer and reason, by name or number, such as rtse: protocol error; empty otherwise' CODEC(ZSTD(1)),
    muted Bool COMMENT 'The sensor was certain that this is not X.400 and published counters only' CODEC(T64, ZSTD(1)),
    client_packets UInt64 COMMENT 'TCP segments from the client, until both sides had closed' CODEC(T64, ZSTD(1)),
    server_packets UInt64 COMMENT 'TCP segments from the server, until both sides had closed' CODEC(T64, ZSTD(1)),
    client_octets UInt64 COMMENT 'Stream octets from the client, each once' CODEC(T64, ZSTD(1)),
    server_octets UInt64 COMMENT 'Stream octets from the server, each once' CODEC(T64, ZSTD(1)),
    client_retransmitted_packets UInt64 COMMENT 'Segments from the client that brought nothing new' CODEC(T64, ZSTD(1)),
    server_retransmitted_packets UInt64 COMMENT 'Segments from the server that brought nothing new' CODEC(T64, ZSTD(1)),
    client_retransmitted_octets UInt64 COMMENT 'Octets from the client that had been seen before' CODEC(T64, ZSTD(1)),
    server_retransmitted_octets UInt64 COMMENT 'Octets from the server that had been seen before' CODEC(T64, ZSTD(1)),
    client_conflict_octets UInt64 COMMENT 'Repeated octets from the client that differed from the first; the first won' CODEC(T64, ZSTD(1)),
    server_conflict_octets UInt64 COMMENT 'Repeated octets from the server that differed from the first; the first won' CODEC(T64, ZSTD(1)),
    client_gaps UInt64 COMMENT 'Places where octets from the client are missing from the capture' CODEC(T64, ZSTD(1)),
    server_gaps UInt64 COMMENT 'Places where octets from the server are missing from the capture' CODEC(T64, ZSTD(1)),
    client_lost_octets UInt64 COMMENT 'Octets from the client missing from the capture' CODEC(T64, ZSTD(1)),
    server_lost_octets UInt64 COMMENT 'Octets from the server missing from the capture' CODEC(T64, ZSTD(1)),
    client_out_of_order UInt64 COMMENT 'Segments from the client out of order' CODEC(T64, ZSTD(1)),
    server_out_of_order UInt64 COMMENT 'Segments from the server out of order' CODEC(T64, ZSTD(1)),
    messages UInt64 COMMENT 'Messages transferred up to version' CODEC(T64, ZSTD(1)),
    reports UInt64 COMMENT 'Reports transferred up to version' CODEC(T64, ZSTD(1)),
    probes UInt64 COMMENT 'Probes transferred up to version' CODEC(T64, ZSTD(1)),
    operations UInt64 COMMENT 'Remote operations invoked up to version (X.229)' CODEC(T64, ZSTD(1)),
    problems UInt64 COMMENT 'Problem rows written up to version' CODEC(T64, ZSTD(1)),
    problems_suppressed UInt64 COMMENT 'Problems beyond the bound for a connection: counted, without a row' CODEC(T64, ZSTD(1)),
    decoder_version UInt32 COMMENT 'Version of the decoder that wrote the row' CODEC(T64, ZSTD(1)),
    INDEX first_seen_range first_seen TYPE minmax GRANULARITY 1,
    INDEX addresses (client_address, server_address) TYPE bloom_filter GRANULARITY 1,
    INDEX community community_id TYPE bloom_filter GRANULARITY 1,
    INDEX mtas (initiator_mta, responder_mta) TYPE set(256) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "association"}}
ORDER BY association
COMMENT 'TCP connections on the watched ports, one row for each state told; the view associations shows the latest of each.';

CREATE TABLE {{table "messages_store"}}
(
    apdu UUID COMMENT 'Identifies the MTS-APDU on its connection: hash of the 5-tuple, direction, TCP sequence number of its first octet and SHA-256 of its octets' CODEC(ZSTD(1)), -- go:APDU
    transfer UUID COMMENT 'Identifies its transfer: hash of the 5-tuple, direction and TCP sequence number of the first octet' CODEC(ZSTD(1)),
    association UUID COMMENT 'The connection that it came in: associations.association' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    origin_time DateTime64(0, 'UTC') COMMENT 'Arrival time in the first trace element, UTC, that is, when it entered the MTS (X.411 12.3.1); of a delivery without trace its submission time; 1970-01-01 00:00:00 when the APDU has none, as every submission: rows of repeated readings are told to be equal by it and apdu, and so nothing that another reading may not have seen goes into it. The answer of a submission gives submission_time, captured_at is always there, and journeys, deliveries and the reports of query show the better of these' CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'message, probe or report between MTAs (X.411 12.2); submission, probe-submission, delivery or report-delivery between a user and the MTS (X.411 8.2, 8.3); fetch of a stored message (X.413)' CODEC(ZSTD(1)), -- string
    mts_id String COMMENT 'Message, probe or report identifier in the text form of RFC 2156 4.7; of a submission the one that its result gives, of a delivery the message-delivery-identifier; empty when absent (X.411 12.2.1.1.1, 12.2.1.2, 12.2.1.3, 8.2.1.1.2, 8.3.1.1.1)' CODEC(ZSTD(1)), -- go:ID.Text
    mts_id_country LowCardinality(String) COMMENT 'Country of that identifier''s global-domain-identifier (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:ID.Country
    mts_id_admd LowCardinality(String) COMMENT 'Administration domain of that identifier''s global-domain-identifier (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:ID.ADMD
    mts_id_prmd LowCardinality(String) COMMENT 'Private domain of that identifier''s global-domain-identifier; empty when absent (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:ID.PRMD
    mts_id_local String COMMENT 'Local identifier of that identifier (X.411 8.5.5.1)' CODEC(ZSTD(1)), -- go:ID.Local
    sensor LowCardinality(String) COMMENT 'Sensor that saw it' CODEC(ZSTD(1)),
    source LowCardinality(String) COMMENT 'Capture file, interface or topic that its first octet came from' CODEC(ZSTD(1)),
    direction LowCardinality(String) COMMENT 'client-to-server or server-to-client' CODEC(ZSTD(1)), -- string
    source_address LowCardinality(String) COMMENT 'IP address of the sender' CODEC(ZSTD(1)),
    source_port UInt16 COMMENT 'TCP port of the sender' CODEC(T64, ZSTD(1)),
    destination_address LowCardinality(String) COMMENT 'IP address of the receiver' CODEC(ZSTD(1)),
    destination_port UInt16 COMMENT 'TCP port of the receiver' CODEC(T64, ZSTD(1)),
    first_frame UInt64 COMMENT 'Number of the frame of its first octet, from 1 within source' CODEC(T64, ZSTD(1)),
    last_frame UInt64 COMMENT 'Number of the frame of its last octet' CODEC(T64, ZSTD(1)),
    stream_offset UInt64 COMMENT 'Octets of its direction before its first octet' CODEC(T64, ZSTD(1)),
    stream_end UInt64 COMMENT 'Octets of its direction up to and with its last octet' CODEC(T64, ZSTD(1)),
    tcp_sequence UInt32 COMMENT 'TCP sequence number of its first octet' CODEC(ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'Capture time of its first octet, UTC' CODEC(T64, ZSTD(1)),
    captured_until DateTime64(9, 'UTC') COMMENT 'Capture time of its last octet, UTC' CODEC(T64, ZSTD(1)),
    sending_mta LowCardinality(String) COMMENT 'MTA-name of the sending side, or OR-name of a user, from the bind (X.411 12.1.1, 8.1.1); empty when not known' CODEC(ZSTD(1)),
    receiving_mta LowCardinality(String) COMMENT 'MTA-name of the receiving side, or OR-name of a user, from the bind (X.411 12.1.1, 8.1.1); empty when not known' CODEC(ZSTD(1)),
    protocol LowCardinality(String) COMMENT 'The X.400 protocol: p1, p3 or p7 (X.419 7 to 9)' CODEC(ZSTD(1)), -- string
    mode LowCardinality(String) COMMENT 'normal or x410-1984 (X.226 8.2, X.228 8.1)' CODEC(ZSTD(1)), -- string
    inferred Bool COMMENT 'The association''s opening was not seen: contexts and mode were inferred' CODEC(T64, ZSTD(1)),
    one_direction Bool COMMENT 'Only this direction was captured: the contexts proposed were taken as accepted' CODEC(T64, ZSTD(1)),
    interruptions UInt32 COMMENT 'How often the transfer was interrupted and went on (X.228 8.2)' CODEC(T64, ZSTD(1)),
    resumed Bool COMMENT 'Part of it came in an earlier activity or association (X.228 8.4)' CODEC(T64, ZSTD(1)),
    resumed_from UUID COMMENT 'The association in which its first octets came, where that is another one; zero otherwise' CODEC(ZSTD(1)),
    originator String COMMENT 'Originator-name of a message or probe as one line, such as /C=GB/ADMD= /PRMD=X/O=Y/S=Smith/; empty for reports (X.411 12.2.1.1.1)' CODEC(ZSTD(1)), -- go:Originator.Text
    originator_key String COMMENT 'Originator-name folded for comparison: case and spaces (X.402 18.4)' CODEC(ZSTD(1)), -- go:Originator.Key
    originator_country LowCardinality(String) COMMENT 'country-name, X.121 or ISO 3166 as sent of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.Country
    originator_admd LowCardinality(String) COMMENT 'administration-domain-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.ADMD
    originator_prmd LowCardinality(String) COMMENT 'private-domain-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.PRMD
    originator_organization LowCardinality(String) COMMENT 'organization-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.Organization
    originator_ou1 LowCardinality(String) COMMENT 'first (most significant) organizational-unit-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.OU1
    originator_ou2 LowCardinality(String) COMMENT 'second organizational-unit-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.OU2
    originator_ou3 LowCardinality(String) COMMENT 'third organizational-unit-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.OU3
    originator_ou4 LowCardinality(String) COMMENT 'fourth organizational-unit-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.OU4
    originator_common_name String COMMENT 'common-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.CommonName
    originator_surname String COMMENT 'personal-name, surname of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.Surname
    originator_given_name String COMMENT 'personal-name, given-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.GivenName
    originator_initials LowCardinality(String) COMMENT 'personal-name, initials of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.Initials
    originator_generation LowCardinality(String) COMMENT 'personal-name, generation-qualifier of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.Generation
    originator_x121 String COMMENT 'network-address (X.121) of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.X121
    originator_terminal_id String COMMENT 'terminal-identifier of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.TerminalID
    originator_terminal_type LowCardinality(String) COMMENT 'terminal-type, by name or number of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.TerminalType
    originator_numeric_id String COMMENT 'numeric-user-identifier of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.NumericID
    originator_dda String COMMENT 'domain-defined attributes, type=value, one after the other, separated by / as in the text of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.DDA
    originator_directory_name String COMMENT 'directory-name, as RFC 2253 writes it of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.DirectoryName
    originator_af LowCardinality(String) COMMENT 'AF-address of the originator (ICAO Doc 9880 Part II); empty when it has none' CODEC(ZSTD(1)), -- go:Originator.AF
    originator_af_form LowCardinality(String) COMMENT 'How the OR-name of the originator tells the AF-address: XF or CAAS; empty when it does not' CODEC(ZSTD(1)), -- string go:Originator.AFForm
    report_destination String COMMENT 'Report-destination-name of a report as one line; empty for others (X.411 12.2.1.3.1)' CODEC(ZSTD(1)), -- go:ReportDestination
    report_destination_key String COMMENT 'Report-destination-name folded for comparison (X.402 18.4)' CODEC(ZSTD(1)), -- go:ReportDestinationKey
    subject_mts_id String COMMENT 'Subject identifier of a report, or subject-submission-identifier of its delivery: the message or probe that it tells of in the text form of RFC 2156 4.7; empty when absent (X.411 12.2.1.3.2)' CODEC(ZSTD(1)), -- go:Subject.Text
    subject_country LowCardinality(String) COMMENT 'Country of that identifier''s global-domain-identifier (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:Subject.Country
    subject_admd LowCardinality(String) COMMENT 'Administration domain of that identifier''s global-domain-identifier (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:Subject.ADMD
    subject_prmd LowCardinality(String) COMMENT 'Private domain of that identifier''s global-domain-identifier; empty when absent (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:Subject.PRMD
    subject_local String COMMENT 'Local identifier of that identifier (X.411 8.5.5.1)' CODEC(ZSTD(1)), -- go:Subject.Local
    content_type LowCardinality(String) COMMENT 'Content type by name (of an OID: X.411 Annex A, X.420 Annex D, STANAG 4406), a number or OID where it has none; of a report, its subject''s (X.411 8.2.1.1.1.34)' CODEC(ZSTD(1)),
    content_type_number Int32 COMMENT 'Number of a built-in content type; NULL when extended or absent' CODEC(T64, ZSTD(1)), -- null
    content_type_oid LowCardinality(String) COMMENT 'OID of an extended content type; empty otherwise' CODEC(ZSTD(1)),
    content_identifier String COMMENT 'Content identifier; of a report, its subject''s (X.411 8.2.1.1.1.35)' CODEC(ZSTD(1)),
    eits LowCardinality(String) COMMENT 'Original encoded information types by name: extended ones by that of their OID (X.411 Annex A, X.420 Annex D), or by the OID; of a report, its subject''s (X.411 8.2.1.1.1.33)' CODEC(ZSTD(1)), -- list go:EITs
    eits_present Bool COMMENT 'Original encoded information types are present, be it without any type' CODEC(T64, ZSTD(1)), -- go:EITsPresent
    eits_non_basic String COMMENT 'Non-basic parameters of the EITs, readable (X.411 8.5.6)' CODEC(ZSTD(1)), -- go:EITsNonBasic
    priority LowCardinality(String) COMMENT 'normal, non-urgent or urgent; normal where it is absent; empty for probes and reports (X.411 8.2.1.1.1.8)' CODEC(ZSTD(1)), -- string
    priority_present Bool COMMENT 'The priority was sent' CODEC(T64, ZSTD(1)),
    indicators_present Bool COMMENT 'The per-message-indicators were sent (X.411 12.2.1.1.1)' CODEC(T64, ZSTD(1)),
    disclosure_of_other_recipients Bool COMMENT 'Per-message indicator (X.411 8.2.1.1.1.7)' CODEC(T64, ZSTD(1)),
    implicit_conversion_prohibited Bool COMMENT 'Per-message indicator (X.411 8.2.1.1.1.9)' CODEC(T64, ZSTD(1)),
    alternate_recipient_allowed Bool COMMENT 'Per-message indicator (X.411 8.2.1.1.1.3)' CODEC(T64, ZSTD(1)),
    content_return_request Bool COMMENT 'Per-message indicator (X.411 8.2.1.1.1.23)' CODEC(T64, ZSTD(1)),
    service_message Bool COMMENT 'Per-message indicator of domains'' service messages (X.411 8.5.4)' CODEC(T64, ZSTD(1)),
    indicator_bits UInt32 COMMENT 'All per-message indicators: bit n is bit n of the BIT STRING' CODEC(T64, ZSTD(1)),
    deferred_delivery DateTime64(0, 'UTC') COMMENT 'Deferred delivery time, UTC; NULL when absent (X.411 8.2.1.1.1.12)' CODEC(Delta, ZSTD(1)), -- null
    submission_time DateTime64(0, 'UTC') COMMENT 'Of a submission the time that its result gives, of a delivery the message-submission-time, UTC; NULL otherwise (X.411 8.2.1.1.2, 8.3.1.1.1)' CODEC(Delta, ZSTD(1)), -- null
    delivery_time DateTime64(0, 'UTC') COMMENT 'Of a delivery: message-delivery-time, UTC; NULL otherwise (X.411 8.3.1.1.1)' CODEC(Delta, ZSTD(1)), -- null
    last_trace_time DateTime64(0, 'UTC') COMMENT 'Arrival time in the last trace element, UTC; NULL when there is none (X.411 12.3.1)' CODEC(Delta, ZSTD(1)), -- null
    recipient_count UInt32 COMMENT 'Rows in recipients' CODEC(T64, ZSTD(1)),
    recipients_omitted UInt32 COMMENT 'Recipients beyond the decoder''s bound, not in recipients' CODEC(T64, ZSTD(1)),
    trace_count UInt32 COMMENT 'Elements of the trace information (X.411 12.3.1)' CODEC(T64, ZSTD(1)),
    internal_trace_count UInt32 COMMENT 'Elements of the internal trace information (X.411 12.3.2)' CODEC(T64, ZSTD(1)),
    extension_count UInt32 COMMENT 'Rows in extensions' CODEC(T64, ZSTD(1)),
    content_present Bool COMMENT 'A content, or of a report a returned content, is present' CODEC(T64, ZSTD(1)),
    content_size Int64 COMMENT 'Octets of the content, of the returned content of a report, or the content-length of a probe; NULL when there is none (X.411 8.2.1.2.1.1)' CODEC(T64, ZSTD(1)), -- null
    content_sha256 FixedString(32) COMMENT 'SHA-256 of the content, hexadecimal; zeros when there is none' CODEC(ZSTD(1)), -- hex go:ContentSHA256
    apdu_size UInt64 COMMENT 'Octets of the MTS-APDU as RTSE delivered it, the EXTERNAL of normal mode included' CODEC(T64, ZSTD(1)), -- go:APDUSize
    additional_information String COMMENT 'Additional information of a report, readable (X.411 12.2.1.3.2)' CODEC(ZSTD(1)),
    additional_information_raw String COMMENT 'Additional information of a report, the encoding of the value inside its tag (X.411 12.2.1.3.2)' CODEC(ZSTD(1)),
    security_label String COMMENT 'Message security label, readable; empty when absent (X.411 8.2.1.1.1.30)' CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'ok, or partial when a field could not be read' CODEC(ZSTD(1)), -- string
    error_layer LowCardinality(String) COMMENT 'Layer of the first failure, such as x411; empty when ok' CODEC(ZSTD(1)), -- string
    error_reason LowCardinality(String) COMMENT 'Reason of the first failure' CODEC(ZSTD(1)), -- string
    error_path String COMMENT 'Path of the field that failed first, such as message/envelope/trace-information/0/arrival-time' CODEC(ZSTD(1)),
    error_offset UInt64 COMMENT 'Octets of the APDU before that failure' CODEC(T64, ZSTD(1)),
    unknown_fields UInt32 COMMENT 'Elements that no edition of the standard defines' CODEC(T64, ZSTD(1)),
    first_unknown String COMMENT 'Path of the first of them' CODEC(ZSTD(1)),
    decoder_version UInt32 COMMENT 'Version of the decoder that wrote the row' CODEC(T64, ZSTD(1)),
    INDEX by_apdu apdu TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_transfer transfer TYPE bloom_filter GRANULARITY 1,
    INDEX by_association association TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_mts_id mts_id TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_journey if(empty(mts_id), toString(apdu), mts_id) TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_subject subject_mts_id TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX originator_words originator_key TYPE text(tokenizer = splitByNonAlpha),
    INDEX destination_words report_destination_key TYPE text(tokenizer = splitByNonAlpha),
    INDEX by_content content_sha256 TYPE bloom_filter GRANULARITY 1,
    INDEX captured_range captured_at TYPE minmax GRANULARITY 1,
    INDEX by_mta (sending_mta, receiving_mta) TYPE set(100) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu)
SETTINGS index_granularity = 1024, primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1
COMMENT 'MTS-APDUs as sighted, each reading of each; the view messages shows each once.';

CREATE TABLE {{table "recipients_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU that the recipient belongs to: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    position UInt32 COMMENT 'Place among the recipients of the MTS-APDU, from 1' CODEC(T64, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'messages.kind: message, probe, report and so on' CODEC(ZSTD(1)), -- string
    mts_id String COMMENT 'messages.mts_id of its MTS-APDU' CODEC(ZSTD(1)), -- go:MTSID
    subject_mts_id String COMMENT 'Identifier of the message or probe that the recipient belongs to: mts_id itself, or of a report its subject identifier' CODEC(ZSTD(1)), -- go:SubjectMTSID
    number Int32 COMMENT 'Originally specified recipient number; of a submission the place in it, which is the number that the MTS gives (X.411 12.2.1.1.2); NULL when absent' CODEC(T64, ZSTD(1)), -- null
    recipient String COMMENT 'Recipient-name as one line; of a report, the actual recipient name (X.411 12.2.1.1.2, 12.2.1.3.3)' CODEC(ZSTD(1)), -- go:Name.Text
    recipient_key String COMMENT 'Recipient-name folded for comparison (X.402 18.4)' CODEC(ZSTD(1)), -- go:Name.Key
    country LowCardinality(String) COMMENT 'country-name, X.121 or ISO 3166 as sent of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.Country
    admd LowCardinality(String) COMMENT 'administration-domain-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.ADMD
    prmd LowCardinality(String) COMMENT 'private-domain-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.PRMD
    organization LowCardinality(String) COMMENT 'organization-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.Organization
    ou1 LowCardinality(String) COMMENT 'first (most significant) organizational-unit-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.OU1
    ou2 LowCardinality(String) COMMENT 'second organizational-unit-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.OU2
    ou3 LowCardinality(String) COMMENT 'third organizational-unit-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.OU3
    ou4 LowCardinality(String) COMMENT 'fourth organizational-unit-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.OU4
    common_name String COMMENT 'common-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.CommonName
    surname String COMMENT 'personal-name, surname of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.Surname
    given_name String COMMENT 'personal-name, given-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.GivenName
    initials LowCardinality(String) COMMENT 'personal-name, initials of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.Initials
    generation LowCardinality(String) COMMENT 'personal-name, generation-qualifier of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.Generation
    x121 String COMMENT 'network-address (X.121) of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.X121
    terminal_id String COMMENT 'terminal-identifier of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.TerminalID
    terminal_type LowCardinality(String) COMMENT 'terminal-type, by name or number of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.TerminalType
    numeric_id String COMMENT 'numeric-user-identifier of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.NumericID
    dda String COMMENT 'domain-defined attributes, type=value, one after the other, separated by / as in the text of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.DDA
    directory_name String COMMENT 'directory-name, as RFC 2253 writes it of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.DirectoryName
    af LowCardinality(String) COMMENT 'AF-address of the recipient (ICAO Doc 9880 Part II); empty when it has none' CODEC(ZSTD(1)), -- go:Name.AF
    af_form LowCardinality(String) COMMENT 'How the OR-name of the recipient tells the AF-address: XF or CAAS; empty when it does not' CODEC(ZSTD(1)), -- string go:Name.AFForm
    responsibility Bool COMMENT 'The receiving MTA is responsible for this recipient (X.411 12.2.1.1.1.5)' CODEC(T64, ZSTD(1)),
    originating_mta_report Bool COMMENT 'The originating MTA asks for reports of delivery and non-delivery (X.411 12.2.1.1.1.6)' CODEC(T64, ZSTD(1)), -- go:OriginatingMTAReport
    originating_mta_non_delivery_report Bool COMMENT 'The originating MTA asks for reports of non-delivery (X.411 12.2.1.1.1.6)' CODEC(T64, ZSTD(1)), -- go:OriginatingMTANonDeliveryReport
    originator_report Bool COMMENT 'The originator asks for reports of delivery and non-delivery (X.411 8.2.1.1.1.22)' CODEC(T64, ZSTD(1)),
    originator_non_delivery_report Bool COMMENT 'The originator asks for reports of non-delivery (X.411 8.2.1.1.1.22)' CODEC(T64, ZSTD(1)),
    indicator_bits UInt32 COMMENT 'All per-recipient indicators: bit n is bit n of the BIT STRING' CODEC(T64, ZSTD(1)),
    explicit_conversion LowCardinality(String) COMMENT 'Explicit conversion asked for, by name; empty when absent (X.411 8.2.1.1.1.11)' CODEC(ZSTD(1)),
    outcome LowCardinality(String) COMMENT 'Of a report: delivered or not-delivered; empty otherwise (X.411 12.2.1.3.3)' CODEC(ZSTD(1)), -- string
    arrival_time DateTime64(0, 'UTC') COMMENT 'Of a report: arrival time of the subject in its last trace information, UTC; NULL when absent (X.411 12.2.1.3.3)' CODEC(Delta, ZSTD(1)), -- null
    converted_eits LowCardinality(String) COMMENT 'Of a report: converted encoded information types in the last trace information (X.411 12.2.1.3.3); of a delivery those that the content was converted to' CODEC(ZSTD(1)), -- list go:ConvertedEITs
    delivery_time DateTime64(0, 'UTC') COMMENT 'Of a delivery report, or of a delivery: message delivery time, UTC; NULL otherwise (X.411 8.3.1.1.1.2)' CODEC(Delta, ZSTD(1)), -- null
    mts_user_type LowCardinality(String) COMMENT 'Of a delivery report: type of MTS-user, public when absent; empty otherwise (X.411 8.3.1.2.1.5)' CODEC(ZSTD(1)), -- string go:MTSUserType
    reason_code Int32 COMMENT 'Of a non-delivery report: non-delivery reason code; NULL otherwise (X.411 8.3.1.2.1.6)' CODEC(T64, ZSTD(1)), -- null
    reason LowCardinality(String) COMMENT 'That code by name; a number where it has none' CODEC(ZSTD(1)),
    diagnostic_code Int32 COMMENT 'Of a non-delivery report: non-delivery diagnostic code; NULL when absent (X.411 8.3.1.2.1.7)' CODEC(T64, ZSTD(1)), -- null
    diagnostic LowCardinality(String) COMMENT 'That code by name; a number where it has none' CODEC(ZSTD(1)),
    supplementary_information String COMMENT 'Of a report: supplementary information (X.411 8.3.1.2.1.8)' CODEC(ZSTD(1)),
    intended_recipient String COMMENT 'Of a report or a delivery: originally intended recipient name as one line; empty when absent (X.411 8.3.1.1.1.4)' CODEC(ZSTD(1)), -- go:Intended
    intended_recipient_key String COMMENT 'Originally intended recipient name folded for comparison (X.402 18.4)' CODEC(ZSTD(1)), -- go:IntendedKey
    other_recipient Bool COMMENT 'A delivery names it among the other recipients: it is not delivered to that one here (X.411 8.3.1.1.1)' CODEC(T64, ZSTD(1)),
    INDEX by_apdu apdu TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_mts_id mts_id TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_journey if(empty(mts_id), toString(apdu), mts_id) TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_subject subject_mts_id TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX recipient_words recipient_key TYPE text(tokenizer = splitByNonAlpha),
    INDEX by_outcome outcome TYPE set(8) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, position)
SETTINGS index_granularity = 1024, primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1
COMMENT 'Recipients of messages, probes and reports, each reading of each; the view recipients shows each once.';

CREATE TABLE {{table "trace_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU that the element belongs to: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    scope LowCardinality(String) COMMENT 'envelope, or report-subject for the subject''s trace that a report carries (X.411 12.2.1.3.2)' CODEC(ZSTD(1)), -- string
    level LowCardinality(String) COMMENT 'domain for trace information, internal for internal trace information (X.411 12.3.1, 12.3.2)' CODEC(ZSTD(1)), -- string
    seq UInt32 COMMENT 'Place within scope and level, from 1, the oldest first' CODEC(T64, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'messages.kind: message, probe, report and so on' CODEC(ZSTD(1)), -- string
    mts_id String COMMENT 'messages.mts_id of its MTS-APDU' CODEC(ZSTD(1)), -- go:MTSID
    domain String COMMENT 'Global domain identifier as one line: /PRMD=X/ADMD=Y/C=GB/ (X.411 8.5.2)' CODEC(ZSTD(1)), -- go:Domain.Text
    country LowCardinality(String) COMMENT 'Country of that domain' CODEC(ZSTD(1)), -- go:Domain.Country
    admd LowCardinality(String) COMMENT 'Administration domain' CODEC(ZSTD(1)), -- go:Domain.ADMD
    prmd LowCardinality(String) COMMENT 'Private domain; empty when absent' CODEC(ZSTD(1)), -- go:Domain.PRMD
    mta_name LowCardinality(String) COMMENT 'MTA-name, internal trace only (X.411 12.3.2)' CODEC(ZSTD(1)),
    arrival_time DateTime64(0, 'UTC') COMMENT 'Arrival time, UTC; NULL when it could not be read (X.411 12.3.1)' CODEC(Delta, ZSTD(1)), -- null
    arrival_time_raw String COMMENT 'Arrival time as sent, a UTCTime' CODEC(ZSTD(1)),
    routing_action LowCardinality(String) COMMENT 'relayed or rerouted (X.411 12.3.1)' CODEC(ZSTD(1)), -- string
    attempted_domain String COMMENT 'Domain to which a transfer was attempted before rerouting; empty when absent (X.411 12.3.1)' CODEC(ZSTD(1)), -- go:Attempted.Text
    attempted_country LowCardinality(String) COMMENT 'Country of the attempted domain' CODEC(ZSTD(1)), -- go:Attempted.Country
    attempted_admd LowCardinality(String) COMMENT 'Administration domain of the attempted domain' CODEC(ZSTD(1)), -- go:Attempted.ADMD
    attempted_prmd LowCardinality(String) COMMENT 'Private domain of the attempted domain' CODEC(ZSTD(1)), -- go:Attempted.PRMD
    attempted_mta LowCardinality(String) COMMENT 'MTA to which a transfer was attempted, internal trace only (X.411 12.3.2)' CODEC(ZSTD(1)),
    deferred_time DateTime64(0, 'UTC') COMMENT 'Time until which delivery was deferred, UTC; NULL when absent (X.411 12.3.1)' CODEC(Delta, ZSTD(1)), -- null
    converted_eits LowCardinality(String) COMMENT 'Encoded information types after conversion (X.411 12.3.1)' CODEC(ZSTD(1)), -- list go:ConvertedEITs
    other_actions LowCardinality(String) COMMENT 'Further actions: redirected, dl-operation (X.411 12.3.1)' CODEC(ZSTD(1)), -- list
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_mts_id mts_id TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_journey if(empty(mts_id), toString(apdu), mts_id) TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_mta mta_name TYPE set(100) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, scope, level, seq)
COMMENT 'Trace information and internal trace information, element by element, each reading of each; the view trace shows each once.';

CREATE TABLE {{table "extensions_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU that the extension field belongs to: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    scope LowCardinality(String) COMMENT 'Where it stands: message, recipient, report, report-content, reported-recipient, probe, probe-recipient or trace' CODEC(ZSTD(1)), -- string
    owner UInt32 COMMENT 'recipients.position of the recipient or trace.seq of the element that it belongs to; 0 for the others' CODEC(T64, ZSTD(1)),
    position UInt32 COMMENT 'Place among the extensions of its owner, from 1' CODEC(T64, ZSTD(1)),
    number Int32 COMMENT 'Number of a standard extension; NULL for a private one (X.411 9.1)' CODEC(T64, ZSTD(1)), -- null
    oid LowCardinality(String) COMMENT 'OID of a private extension; empty for a standard one (X.411 9.1)' CODEC(ZSTD(1)), -- go:OID
    name LowCardinality(String) COMMENT 'Name of the standard extension, such as internal-trace-information; empty when not known' CODEC(ZSTD(1)), -- string
    critical_for_submission Bool COMMENT 'Criticality (X.411 9.2)' CODEC(T64, ZSTD(1)),
    critical_for_transfer Bool COMMENT 'Criticality (X.411 9.2)' CODEC(T64, ZSTD(1)),
    critical_for_delivery Bool COMMENT 'Criticality (X.411 9.2)' CODEC(T64, ZSTD(1)),
    value String COMMENT 'The value, readable; empty when it carries none' CODEC(ZSTD(1)),
    raw String COMMENT 'The encoding of the value' CODEC(ZSTD(3)),
    octet_offset UInt64 COMMENT 'Octets of the APDU before the extension field' CODEC(T64, ZSTD(1)),
    error LowCardinality(String) COMMENT 'Why the value could not be read; empty when it could' CODEC(ZSTD(1)), -- string
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_name name TYPE set(100) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, scope, owner, position)
COMMENT 'Extension fields, each reading of each; the view extensions shows each once.';

CREATE TABLE {{table "bilateral_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU that the information belongs to: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    position UInt32 COMMENT 'Place among the per-domain bilateral informations, from 1' CODEC(T64, ZSTD(1)),
    domain String COMMENT 'Domain that it is for, as one line: /PRMD=X/ADMD=Y/C=GB/ (X.411 12.2.1.1.1.7)' CODEC(ZSTD(1)), -- go:Domain.Text
    country LowCardinality(String) COMMENT 'Country of that domain' CODEC(ZSTD(1)), -- go:Domain.Country
    admd LowCardinality(String) COMMENT 'Administration domain' CODEC(ZSTD(1)), -- go:Domain.ADMD
    prmd LowCardinality(String) COMMENT 'Private domain; empty when absent' CODEC(ZSTD(1)), -- go:Domain.PRMD
    value String COMMENT 'The information, readable' CODEC(ZSTD(1)),
    raw String COMMENT 'The encoding of the information' CODEC(ZSTD(3)),
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, position)
COMMENT 'Per-domain bilateral information of messages and probes, each reading of each; the view bilateral shows each once.';

CREATE TABLE {{table "contents_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU that the content belongs to: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    kind LowCardinality(String) COMMENT 'content of a message, returned-content of a report, or none' CODEC(ZSTD(1)), -- string
    content String COMMENT 'Octets of the content; segments of a constructed one joined. Empty when kept is false' CODEC(ZSTD(3)),
    size UInt64 COMMENT 'Octets of the content' CODEC(T64, ZSTD(1)),
    sha256 FixedString(32) COMMENT 'SHA-256 of the content, hexadecimal; zeros when there is none' CODEC(ZSTD(1)), -- hex go:SHA256
    kept Bool COMMENT 'The content is kept; otherwise head and tail alone are' CODEC(T64, ZSTD(1)),
    head String COMMENT 'Octets of the APDU before the content; of a constructed content, the whole APDU' CODEC(ZSTD(3)),
    tail String COMMENT 'Octets of the APDU after the content, so that head, content and tail together are the APDU as RTSE delivered it' CODEC(ZSTD(3)),
    content_inline Bool COMMENT 'The content was constructed, or there is none: head alone is the whole APDU' CODEC(T64, ZSTD(1)),
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_sha256 sha256 TYPE bloom_filter GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu)
COMMENT 'Octets of the MTS-APDUs and their contents, each reading of each; the view contents shows each once.';

CREATE TABLE {{table "problems_store"}}
(
    problem UUID COMMENT 'Identifies the problem: hash of the 5-tuple, direction, TCP sequence number, layer and reason' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    association UUID COMMENT 'The connection: associations.association; zero where none is concerned, as where frames were dropped' CODEC(ZSTD(1)),
    transfer UUID COMMENT 'The transfer that it belongs to: messages.transfer; zero when none' CODEC(ZSTD(1)),
    apdu UUID COMMENT 'The MTS-APDU that it belongs to: messages.apdu; zero when none' CODEC(ZSTD(1)), -- go:APDU
    sensor LowCardinality(String) COMMENT 'Sensor that saw it' CODEC(ZSTD(1)),
    source LowCardinality(String) COMMENT 'Capture file, interface or topic' CODEC(ZSTD(1)),
    client_address LowCardinality(String) COMMENT 'IP address of the client of the connection' CODEC(ZSTD(1)),
    client_port UInt16 COMMENT 'TCP port of the client' CODEC(T64, ZSTD(1)),
    server_address LowCardinality(String) COMMENT 'IP address of the server of the connection' CODEC(ZSTD(1)),
    server_port UInt16 COMMENT 'TCP port of the server' CODEC(T64, ZSTD(1)),
    layer LowCardinality(String) COMMENT 'Layer that met it: capture, tcp, tpkt, cotp, session, presentation, acse, rtse, x411, x420' CODEC(ZSTD(1)), -- string
    reason LowCardinality(String) COMMENT 'What is wrong, such as gap, unfinished, truncated; dropped-frames and dropped-records where the sensor was blind or lost records from time on, until the end that detail tells' CODEC(ZSTD(1)), -- string
    path String COMMENT 'Path of the element, where there is one' CODEC(ZSTD(1)),
    direction LowCardinality(String) COMMENT 'client-to-server or server-to-client' CODEC(ZSTD(1)), -- string
    stream_offset UInt64 COMMENT 'Octets of its direction before it' CODEC(T64, ZSTD(1)),
    tcp_sequence UInt32 COMMENT 'TCP sequence number at that place' CODEC(T64, ZSTD(1)),
    frame UInt64 COMMENT 'Number of the frame that showed it, from 1 within source' CODEC(T64, ZSTD(1)),
    time DateTime64(9, 'UTC') COMMENT 'Capture time at which it showed, UTC' CODEC(T64, ZSTD(1)),
    octets String COMMENT 'Up to 4096 of the octets concerned; empty where the archive keeps envelopes only' CODEC(ZSTD(3)),
    octet_count UInt64 COMMENT 'How many octets are concerned: lost, skipped, or not understood' CODEC(T64, ZSTD(1)),
    sha256 FixedString(32) COMMENT 'SHA-256 of all octets concerned, hexadecimal; zeros when they are not known' CODEC(ZSTD(1)), -- hex go:SHA256
    detail String COMMENT 'More about it in words: what was expected, what it refers to' CODEC(ZSTD(1)),
    decoder_version UInt32 COMMENT 'Version of the decoder that wrote the row' CODEC(T64, ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX by_association association TYPE bloom_filter GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "problem"}}
ORDER BY problem
COMMENT 'What could not be decoded, each reading of each; the view problems shows each once.';

CREATE TABLE {{table "coverage_store"}}
(
    sensor LowCardinality(String) COMMENT 'Sensor' CODEC(ZSTD(1)),
    epoch DateTime64(9, 'UTC') COMMENT 'When the sensor was started, UTC; 1970-01-01 for capture files' CODEC(T64, ZSTD(1)),
    source LowCardinality(String) COMMENT 'Capture file or interface watched' CODEC(ZSTD(1)),
    interval_start DateTime64(9, 'UTC') COMMENT 'Start of the interval in capture time, UTC' CODEC(T64, ZSTD(1)),
    interval_end DateTime64(9, 'UTC') COMMENT 'End of the interval, exclusive, UTC' CODEC(T64, ZSTD(1)),
    packets UInt64 COMMENT 'Frames seen' CODEC(T64, ZSTD(1)),
    octets UInt64 COMMENT 'Octets of these frames' CODEC(T64, ZSTD(1)),
    segments UInt64 COMMENT 'TCP segments on the watched ports' CODEC(T64, ZSTD(1)),
    dropped_kernel UInt64 COMMENT 'Frames lost before they could be read: admitted by the filter and dropped by the kernel, or lost by the interface whatever was in them' CODEC(T64, ZSTD(1)),
    dropped_sensor UInt64 COMMENT 'Records that the sensor dropped, because its spool was full or the brokers do not take them' CODEC(T64, ZSTD(1)),
    gaps UInt64 COMMENT 'Places where stream octets are missing' CODEC(T64, ZSTD(1)),
    lost_octets UInt64 COMMENT 'Stream octets missing' CODEC(T64, ZSTD(1)),
    undecodable UInt64 COMMENT 'Frames whose headers could not be read' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    INDEX interval_range interval_end TYPE minmax GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "sensor"}}
ORDER BY (sensor, source, epoch, interval_start)
COMMENT 'What each sensor watched, interval by interval, each reading of each; the view coverage shows each once.';

CREATE TABLE {{table "captures_store"}}
(
    sha256 FixedString(32) COMMENT 'SHA-256 of the file as stored, hexadecimal' CODEC(ZSTD(1)), -- hex go:SHA256
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    name String COMMENT 'File name as given to ingest; - for standard input' CODEC(ZSTD(1)),
    sensor LowCardinality(String) COMMENT 'Sensor that read it' CODEC(ZSTD(1)),
    size UInt64 COMMENT 'Octets of the file as stored' CODEC(T64, ZSTD(1)),
    format LowCardinality(String) COMMENT 'pcap or pcapng, with .gz or .zst where compressed' CODEC(ZSTD(1)),
    frames UInt64 COMMENT 'Frames in the file' CODEC(T64, ZSTD(1)),
    octets UInt64 COMMENT 'Octets of these frames' CODEC(T64, ZSTD(1)),
    first_time DateTime64(9, 'UTC') COMMENT 'Capture time of the first frame, UTC' CODEC(T64, ZSTD(1)),
    last_time DateTime64(9, 'UTC') COMMENT 'Capture time of the last frame, UTC' CODEC(T64, ZSTD(1)),
    truncated Bool COMMENT 'The file ends within a frame' CODEC(T64, ZSTD(1)),
    skipped UInt64 COMMENT 'Frames that carry no TCP segment that could be read' CODEC(T64, ZSTD(1)),
    skipped_reasons String COMMENT 'Those frames by reason, reason=count, separated by commas' CODEC(ZSTD(1)),
    read_at DateTime('UTC') DEFAULT now() COMMENT 'When it was archived last, UTC' -- default
)
ENGINE = {{engine "ReplacingMergeTree" "version" "sha256"}}
ORDER BY sha256
COMMENT 'Capture files read, each reading of each; the view captures shows each once.';
