-- What messages carry: interpersonal messages and notifications (X.420). The form
-- is that of 0001; the views are at the end. A content has one row in ipms, each
-- message that it forwards or returns another; path tells them apart.

CREATE TABLE {{table "ipms_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU whose content it is of: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    path LowCardinality(String) COMMENT 'Where the message is within the content: empty for the content itself, 2 for what its second body part holds, 2.1 for what the first part of that holds; r stands for a message that a notification returns, c for what signed data hold' CODEC(ZSTD(1)),
    depth UInt32 COMMENT 'How many messages it lies within; 0 for the content itself' CODEC(T64, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'ipm, receipt-notification, non-receipt-notification, other-notification; of contents that are not decoded edi-message, edi-notification, cms, inner-envelope or unknown (X.420 7, 8; X.435; RFC 5652)' CODEC(ZSTD(1)), -- string
    mts_id String COMMENT 'messages.mts_id of its MTS-APDU; of a returned content, the subject of the report' CODEC(ZSTD(1)), -- go:MTSID
    returned Bool COMMENT 'It is the content that a report returns' CODEC(T64, ZSTD(1)),
    content_type LowCardinality(String) COMMENT 'Its content type by name, or as OID; that of the message around it where it says none' CODEC(ZSTD(1)),
    size UInt64 COMMENT 'Octets of its encoding' CODEC(T64, ZSTD(1)),
    status LowCardinality(String) COMMENT 'ok, partial: a field could not be read, or failed' CODEC(ZSTD(1)), -- string
    error_reason LowCardinality(String) COMMENT 'Reason of the first failure; empty when status is ok' CODEC(ZSTD(1)), -- string
    error_path String COMMENT 'Field of the first failure' CODEC(ZSTD(1)),
    error_offset UInt64 COMMENT 'Octets of the content before it' CODEC(T64, ZSTD(1)),
    unknown_fields UInt32 COMMENT 'Fields that no edition defines' CODEC(T64, ZSTD(1)),
    first_unknown String COMMENT 'Path of the first of them' CODEC(ZSTD(1)),
    ipm_id String COMMENT 'this-IPM, of a notification subject-ipm: local identifier, *, OR-name, as RFC 2156 4.7.3 writes it (X.420 7.1.1)' CODEC(ZSTD(1)), -- go:IPMID
    ipm_id_user String COMMENT 'OR-name of that identifier; empty when absent' CODEC(ZSTD(1)), -- go:IPMIDUser
    ipm_id_local String COMMENT 'Local identifier of that identifier' CODEC(ZSTD(1)), -- go:IPMIDLocal
    originator String COMMENT 'originator, of a notification ipn-originator: free-form name, <OR-name> and (telephone number), as far as they are there (X.420 7.1.2, 7.2.2, 8.0.2)' CODEC(ZSTD(1)), -- go:OriginatorDescriptor
    originator_name String COMMENT 'Formal name of the originator as one line' CODEC(ZSTD(1)), -- go:Originator.Text
    originator_key String COMMENT 'Formal name folded for comparison (X.402 18.4)' CODEC(ZSTD(1)), -- go:Originator.Key
    originator_country LowCardinality(String) COMMENT 'country-name of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.Country
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
    originator_dda String COMMENT 'domain-defined attributes, type=value, separated by / of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.DDA
    originator_directory_name String COMMENT 'directory-name, as RFC 2253 writes it of the originator; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Originator.DirectoryName
    originator_af LowCardinality(String) COMMENT 'AF-address of the originator (ICAO Doc 9880 Part II); empty when it has none' CODEC(ZSTD(1)), -- go:Originator.AF
    originator_af_form LowCardinality(String) COMMENT 'How the OR-name tells the AF-address: XF or CAAS' CODEC(ZSTD(1)), -- go:Originator.AFForm string
    originator_free_form String COMMENT 'Free-form name of the originator' CODEC(ZSTD(1)),
    originator_telephone String COMMENT 'Telephone number of the originator' CODEC(ZSTD(1)),
    subject String COMMENT 'Subject (X.420 7.2.9)' CODEC(ZSTD(1)),
    extended_subject String COMMENT 'Subject of the extended-subject extension (X.420 A.1.9)' CODEC(ZSTD(1)),
    replied_to String COMMENT 'Identifier of the message that it replies to; empty when absent (X.420 7.2.6)' CODEC(ZSTD(1)),
    importance LowCardinality(String) COMMENT 'low, normal or high; empty when absent, which means normal (X.420 7.2.13)' CODEC(ZSTD(1)),
    sensitivity LowCardinality(String) COMMENT 'personal, private or company-confidential; empty when absent (X.420 7.2.14)' CODEC(ZSTD(1)),
    auto_forwarded Bool COMMENT 'It was forwarded automatically (X.420 7.2.15)' CODEC(T64, ZSTD(1)),
    auto_submitted LowCardinality(String) COMMENT 'auto-generated or auto-replied; empty when absent (X.420 A.1.3)' CODEC(ZSTD(1)),
    expiry_time DateTime64(0, 'UTC') COMMENT 'Expiry time, UTC; NULL when absent (X.420 7.2.10)' CODEC(Delta, ZSTD(1)), -- null
    reply_time DateTime64(0, 'UTC') COMMENT 'Reply time: by when a reply is asked for, UTC; NULL when absent (X.420 7.2.11)' CODEC(Delta, ZSTD(1)), -- null
    languages LowCardinality(String) COMMENT 'Languages (X.420 A.1.2)' CODEC(ZSTD(1)), -- list
    originators_reference String COMMENT 'Reference of the originator (X.420 A.1.12; STANAG 4406 originator-reference)' CODEC(ZSTD(1)),
    precedence_policy LowCardinality(String) COMMENT 'Precedence policy as OID (X.420 A.1.13)' CODEC(ZSTD(1)),
    security_label String COMMENT 'ipm-security-label, readable (X.420 A.1.5)' CODEC(ZSTD(1)),
    primary_precedence LowCardinality(String) COMMENT 'Primary precedence by name (STANAG 4406, ACP 123)' CODEC(ZSTD(1)),
    copy_precedence LowCardinality(String) COMMENT 'Copy precedence by name (STANAG 4406, ACP 123)' CODEC(ZSTD(1)),
    message_type LowCardinality(String) COMMENT 'Message type (STANAG 4406, ACP 123)' CODEC(ZSTD(1)),
    recipient_count UInt32 COMMENT 'Rows of ipm_recipients' CODEC(T64, ZSTD(1)),
    body_part_count UInt32 COMMENT 'Rows of body_parts' CODEC(T64, ZSTD(1)),
    extension_count UInt32 COMMENT 'Rows of ipm_extensions' CODEC(T64, ZSTD(1)),
    delivery_time DateTime64(0, 'UTC') COMMENT 'Of a forwarded message: delivery time, UTC; NULL when not told (X.420 7.3.7)' CODEC(Delta, ZSTD(1)), -- null
    delivery_mts_id String COMMENT 'Of a forwarded message: MTS identifier of its delivery (X.420 Annex F)' CODEC(ZSTD(1)), -- go:DeliveryMTSID
    delivery_originator String COMMENT 'Of a forwarded message: originator-name of its delivery envelope' CODEC(ZSTD(1)),
    delivery_recipient String COMMENT 'Of a forwarded message: this-recipient-name of its delivery envelope' CODEC(ZSTD(1)),
    submission_time DateTime64(0, 'UTC') COMMENT 'Of a forwarded message: submission time in its delivery envelope, UTC; NULL when not told' CODEC(Delta, ZSTD(1)), -- null
    delivery_envelope String COMMENT 'Of a forwarded message: all that is told of its delivery, name=value separated by ; (X.411 8.3.1.1.1)' CODEC(ZSTD(1)),
    intended_recipient String COMMENT 'Of a notification: ipm-intended-recipient (X.420 8.0.3)' CODEC(ZSTD(1)),
    conversion_eits LowCardinality(String) COMMENT 'Of a notification: encoded information types of a conversion (X.420 8.0.4)' CODEC(ZSTD(1)), -- list go:ConversionEITs
    non_receipt_reason LowCardinality(String) COMMENT 'Of a non-receipt notification: reason by name (X.420 8.1.1)' CODEC(ZSTD(1)),
    discard_reason LowCardinality(String) COMMENT 'Of a non-receipt notification: why it was discarded (X.420 8.1.2)' CODEC(ZSTD(1)),
    auto_forward_comment String COMMENT 'Of a non-receipt notification: comment on forwarding (X.420 8.1.3)' CODEC(ZSTD(1)),
    receipt_time DateTime64(0, 'UTC') COMMENT 'Of a receipt notification: receipt time, UTC; NULL otherwise (X.420 8.2.1)' CODEC(Delta, ZSTD(1)), -- null
    acknowledgment_mode LowCardinality(String) COMMENT 'Of a receipt notification: manual or automatic (X.420 8.2.2)' CODEC(ZSTD(1)),
    suppl_receipt_info String COMMENT 'Of a receipt notification: supplementary information (X.420 8.2.3)' CODEC(ZSTD(1)),
    returned_ipm Bool COMMENT 'Of a non-receipt notification: the message is returned, as row with path r (X.420 8.1.4)' CODEC(T64, ZSTD(1)), -- go:ReturnedIPM
    inner_type LowCardinality(String) COMMENT 'Of cms: its type, such as signed-data (RFC 5652)' CODEC(ZSTD(1)),
    inner_content LowCardinality(String) COMMENT 'Of cms: type of what is inside, as OID' CODEC(ZSTD(1)),
    signer String COMMENT 'Of cms: first signer, by issuer and serial number or by key identifier' CODEC(ZSTD(1)),
    signers UInt32 COMMENT 'Of cms: how many signers' CODEC(T64, ZSTD(1)),
    ats_source LowCardinality(String) COMMENT 'Where an ATS message tells its priority and filing time: header of its text, extended heading fields, or empty (ICAO Doc 9880 Part II)' CODEC(ZSTD(1)), -- string go:ATSSource
    ats_priority LowCardinality(String) COMMENT 'ATS message priority: SS, DD, FF, GG or KK' CODEC(ZSTD(1)), -- go:ATSPriority
    ats_filing_time LowCardinality(String) COMMENT 'ATS filing time as written: DDhhmm, or RFC 3339 from a heading field' CODEC(ZSTD(1)), -- go:ATSFilingTime
    ats_ohi String COMMENT 'ATS optional heading information' CODEC(ZSTD(1)), -- go:ATSOHI
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_mts_id mts_id TYPE bloom_filter(0.0001) GRANULARITY 1,
    INDEX by_ipm_id ipm_id TYPE bloom_filter GRANULARITY 1,
    INDEX by_originator originator_key TYPE bloom_filter GRANULARITY 1,
    INDEX subject_words lowerUTF8(subject) TYPE text(tokenizer = splitByNonAlpha)
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, path)
SETTINGS index_granularity = 1024, primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1
COMMENT 'Interpersonal messages and notifications, and other contents, each reading of each; the view ipms shows each once.';

CREATE TABLE {{table "ipm_recipients_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU whose content it is of: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    path LowCardinality(String) COMMENT 'Where the message is within the content: empty for the content itself, 2 for what its second body part holds, 2.1 for what the first part of that holds; r stands for a message that a notification returns, c for what signed data hold' CODEC(ZSTD(1)),
    position UInt32 COMMENT 'Place among the recipients of its message, from 1' CODEC(T64, ZSTD(1)),
    role LowCardinality(String) COMMENT 'authorizing-user, primary, copy, blind-copy or reply-recipient (X.420 7.2)' CODEC(ZSTD(1)), -- string
    descriptor String COMMENT 'Free-form name, <OR-name> and (telephone number), as far as they are there (X.420 7.1.2)' CODEC(ZSTD(1)),
    recipient String COMMENT 'Formal name as one line' CODEC(ZSTD(1)), -- go:Name.Text
    recipient_key String COMMENT 'Formal name folded for comparison (X.402 18.4)' CODEC(ZSTD(1)), -- go:Name.Key
    country LowCardinality(String) COMMENT 'country-name of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.Country
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
    dda String COMMENT 'domain-defined attributes, type=value, separated by / of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.DDA
    directory_name String COMMENT 'directory-name, as RFC 2253 writes it of the recipient; empty when absent (X.411 8.5.5, X.402 18)' CODEC(ZSTD(1)), -- go:Name.DirectoryName
    af LowCardinality(String) COMMENT 'AF-address (ICAO Doc 9880 Part II); empty when it has none' CODEC(ZSTD(1)), -- go:Name.AF
    af_form LowCardinality(String) COMMENT 'How the OR-name tells the AF-address: XF or CAAS' CODEC(ZSTD(1)), -- go:Name.AFForm string
    free_form_name String COMMENT 'Free-form name' CODEC(ZSTD(1)),
    telephone_number String COMMENT 'Telephone number' CODEC(ZSTD(1)),
    notification_requests LowCardinality(String) COMMENT 'rn, nrn, ipm-return, an-supported, suppress-an (X.420 7.1.3)' CODEC(ZSTD(1)), -- list
    reply_requested Bool COMMENT 'A reply is asked for (X.420 7.1.3)' CODEC(T64, ZSTD(1)),
    precedence Int32 COMMENT 'Precedence of the precedence extension; NULL when absent (X.420 A.2.2)' CODEC(T64, ZSTD(1)), -- null
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_recipient recipient_key TYPE bloom_filter GRANULARITY 1,
    INDEX recipient_grams recipient_key TYPE ngrambf_v1(4, 8192, 3, 0) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, path, position)
COMMENT 'Recipients that headings name, each reading of each; the view ipm_recipients shows each once.';

CREATE TABLE {{table "ipm_references_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU whose content it is of: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    path LowCardinality(String) COMMENT 'Where the message is within the content: empty for the content itself, 2 for what its second body part holds, 2.1 for what the first part of that holds; r stands for a message that a notification returns, c for what signed data hold' CODEC(ZSTD(1)),
    position UInt32 COMMENT 'Place among the references of its message, from 1' CODEC(T64, ZSTD(1)),
    relation LowCardinality(String) COMMENT 'replied-to, obsoleted, related, or subject of a notification (X.420 7.2.6 to 7.2.8, 8.0.1)' CODEC(ZSTD(1)), -- string
    ipm_id String COMMENT 'Identifier of the other message: ipms.ipm_id' CODEC(ZSTD(1)), -- go:IPMID
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_ipm_id ipm_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, path, position)
COMMENT 'References of messages to other messages, each reading of each; the view ipm_references shows each once.';

CREATE TABLE {{table "ipm_extensions_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU whose content it is of: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    path LowCardinality(String) COMMENT 'Where the message is within the content: empty for the content itself, 2 for what its second body part holds, 2.1 for what the first part of that holds; r stands for a message that a notification returns, c for what signed data hold' CODEC(ZSTD(1)),
    position UInt32 COMMENT 'Place among the extensions of its message, from 1' CODEC(T64, ZSTD(1)),
    scope LowCardinality(String) COMMENT 'heading, recipient, notification, receipt, non-receipt, other-notification, or file for those of a file transfer body part' CODEC(ZSTD(1)), -- string
    owner UInt32 COMMENT 'ipm_recipients.position for scope recipient, body_parts.position for scope file, otherwise 0' CODEC(T64, ZSTD(1)),
    oid LowCardinality(String) COMMENT 'Type as OID' CODEC(ZSTD(1)), -- go:OID
    name LowCardinality(String) COMMENT 'Standard name, such as languages or primary-precedence; empty when not known' CODEC(ZSTD(1)), -- string
    value String COMMENT 'The value, readable; empty when it carries none' CODEC(ZSTD(1)),
    raw String COMMENT 'The encoding of the value' CODEC(ZSTD(3)),
    octet_offset UInt64 COMMENT 'Octets of the content before the extension' CODEC(T64, ZSTD(1)),
    error LowCardinality(String) COMMENT 'Why the value could not be read; empty when it could' CODEC(ZSTD(1)), -- string
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_name name TYPE set(100) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, path, position)
COMMENT 'Extensions of headings, recipients and notifications (X.420 Annex A, STANAG 4406), each reading of each; the view ipm_extensions shows each once.';

CREATE TABLE {{table "ipm_extension_items_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU whose content it is of: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    path LowCardinality(String) COMMENT 'Where the message is within the content: empty for the content itself, 2 for what its second body part holds, 2.1 for what the first part of that holds; r stands for a message that a notification returns, c for what signed data hold' CODEC(ZSTD(1)),
    extension UInt32 COMMENT 'ipm_extensions.position of the extension' CODEC(T64, ZSTD(1)),
    number UInt32 COMMENT 'Place among the items of that extension, from 1' CODEC(T64, ZSTD(1)),
    extension_name LowCardinality(String) COMMENT 'Name of the extension, such as message-instructions' CODEC(ZSTD(1)), -- string
    name LowCardinality(String) COMMENT 'Name of the item, such as sic' CODEC(ZSTD(1)), -- string
    element UInt32 COMMENT 'Place of the element of a list that the item belongs to, from 1; 0 where there is no list' CODEC(T64, ZSTD(1)),
    value String COMMENT 'The value, readable' CODEC(ZSTD(1)),
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_name name TYPE set(100) GRANULARITY 1,
    INDEX by_value value TYPE bloom_filter GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, path, extension, number)
COMMENT 'Parts of extensions of military messages (STANAG 4406, ACP 123), each reading of each; the view ipm_extension_items shows each once.';

CREATE TABLE {{table "body_parts_store"}}
(
    apdu UUID COMMENT 'The MTS-APDU whose content it is of: messages.apdu' CODEC(ZSTD(1)), -- go:APDU
    origin_time DateTime64(0, 'UTC') COMMENT 'messages.origin_time of that MTS-APDU, repeated here so that a time range needs no join' CODEC(Delta, ZSTD(1)),
    captured_at DateTime64(9, 'UTC') COMMENT 'messages.captured_at of that MTS-APDU, UTC; retention counts from here' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'Orders the rows of repeated readings: the highest is shown' CODEC(ZSTD(1)), -- hidden
    path LowCardinality(String) COMMENT 'Where the message is within the content: empty for the content itself, 2 for what its second body part holds, 2.1 for what the first part of that holds; r stands for a message that a notification returns, c for what signed data hold' CODEC(ZSTD(1)),
    position UInt32 COMMENT 'Place in the body, from 1' CODEC(T64, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'ia5-text, teletex, general-text, message, file-transfer and so on (X.420 7.3, Annexes B to F); extended for a type that is not known' CODEC(ZSTD(1)), -- string
    extended Bool COMMENT 'It was sent as an externally-defined body part (X.420 7.3.12)' CODEC(T64, ZSTD(1)),
    type_oid LowCardinality(String) COMMENT 'Type of an externally-defined body part as OID' CODEC(ZSTD(1)), -- go:TypeOID
    parameters String COMMENT 'Parameters, readable; passwords left out' CODEC(ZSTD(1)),
    size UInt64 COMMENT 'Octets of the data' CODEC(T64, ZSTD(1)),
    sha256 FixedString(32) COMMENT 'SHA-256 of the data, hexadecimal; zeros of a text, and of a message, whose parts have their own' CODEC(ZSTD(1)), -- hex go:SHA256
    content_offset UInt64 COMMENT 'Octets of contents.content before the data; 0 where content_length is 0' CODEC(T64, ZSTD(1)),
    content_length UInt64 COMMENT 'Octets of contents.content from there; 0 where the data came in pieces' CODEC(T64, ZSTD(1)),
    is_text Bool COMMENT 'It is a text' CODEC(T64, ZSTD(1)),
    charset LowCardinality(String) COMMENT 'What the text was converted from: us-ascii, T.61, iso-8859-1, utf-8 and so on; several joined by +' CODEC(ZSTD(1)),
    registrations LowCardinality(String) COMMENT 'Of general-text: registration numbers of its character sets (X.420 Annex B)' CODEC(ZSTD(1)), -- list
    text String COMMENT 'The text as UTF-8; empty where it could not be converted' CODEC(ZSTD(3)),
    text_reason LowCardinality(String) COMMENT 'Why the text could not be converted, or what was read though it should not be there; empty otherwise' CODEC(ZSTD(1)), -- string
    octets String COMMENT 'Octets of a text with a text_reason' CODEC(ZSTD(3)),
    pages Int32 COMMENT 'Pages; NULL when not known' CODEC(T64, ZSTD(1)), -- null
    duration Int32 COMMENT 'Seconds of voice; NULL when not known' CODEC(T64, ZSTD(1)), -- null
    file_name String COMMENT 'Pathname of a file, its parts separated by / (X.420 Annex D)' CODEC(ZSTD(1)),
    file_size UInt64 COMMENT 'Size that the file attributes state, octets; 0 when absent' CODEC(T64, ZSTD(1)),
    file_created DateTime64(0, 'UTC') COMMENT 'Creation time of the file, UTC; NULL when absent' CODEC(Delta, ZSTD(1)), -- null
    file_modified DateTime64(0, 'UTC') COMMENT 'Last modification of the file, UTC; NULL when absent' CODEC(Delta, ZSTD(1)), -- null
    file_application LowCardinality(String) COMMENT 'Application of the file: OID or text' CODEC(ZSTD(1)),
    file_document_type LowCardinality(String) COMMENT 'Document type of the file as OID (ISO 8571-2)' CODEC(ZSTD(1)),
    inner_type LowCardinality(String) COMMENT 'Of pkcs7: its type, such as signed-data (RFC 5652)' CODEC(ZSTD(1)),
    inner_content LowCardinality(String) COMMENT 'Of pkcs7: type of what is inside, as OID' CODEC(ZSTD(1)),
    signer String COMMENT 'Of pkcs7: first signer' CODEC(ZSTD(1)),
    nested_path LowCardinality(String) COMMENT 'ipms.path of the message that it holds; empty when there is none' CODEC(ZSTD(1)),
    error LowCardinality(String) COMMENT 'Why a field could not be read; empty when all could' CODEC(ZSTD(1)), -- string
    INDEX by_apdu apdu TYPE bloom_filter GRANULARITY 1,
    INDEX by_sha256 sha256 TYPE bloom_filter GRANULARITY 1,
    INDEX text_words lowerUTF8(text) TYPE text(tokenizer = splitByNonAlpha),
    INDEX by_file_name lowerUTF8(file_name) TYPE ngrambf_v1(3, 8192, 3, 0) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "version" "apdu"}}
PARTITION BY {{partition}}
ORDER BY (origin_time, apdu, path, position)
SETTINGS index_granularity = 1024, primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1
COMMENT 'Body parts, each reading of each; the view body_parts shows each once.';

{{view "ipms"}}
COMMENT 'Interpersonal messages and notifications (X.420), one row each: contents of messages, what they forward, and what reports return. Other contents have a row that tells their kind.';

{{view "ipm_recipients"}}
COMMENT 'Recipients, authorizing users and reply recipients that headings name (X.420 7.2).';

{{view "ipm_references"}}
COMMENT 'References of messages to other messages (X.420 7.2.6 to 7.2.8).';

{{view "ipm_extensions"}}
COMMENT 'Extensions of headings, recipients and notifications (X.420 Annex A, STANAG 4406).';

{{view "ipm_extension_items"}}
COMMENT 'Parts of extensions of military messages, one row a part: subject indicator codes, address lists and the like (STANAG 4406, ACP 123).';

{{view "body_parts"}}
COMMENT 'Body parts (X.420 7.3), texts as UTF-8. hasAllTokens(lowerUTF8(text), ''gale warning'') is searched by index, and so is LIKE ''%arnin%'' for a part of a word, of at least four ASCII letters or digits.';
