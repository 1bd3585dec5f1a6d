package x411

import "bytes"

// RoutingAction is a RoutingAction (X.411 12.3.1).
type RoutingAction int32

// The routing actions.
const (
	RoutingRelayed  RoutingAction = 0
	RoutingRerouted RoutingAction = 1
)

// Priority is a Priority (X.411 8.2.1.1.1.8).
type Priority int32

// The priorities. Their numbers are not in order of urgency.
const (
	PriorityNormal    Priority = 0
	PriorityNonUrgent Priority = 1
	PriorityUrgent    Priority = 2
)

// Outcome is the alternative of a ReportType.
type Outcome uint8

// The outcomes of a report.
const (
	OutcomeNone Outcome = iota
	OutcomeDelivered
	OutcomeNotDelivered
)

// MTSUserType is a TypeOfMTSUser (X.411 8.3.1.2.1.5).
type MTSUserType int32

// NonDeliveryReason is a NonDeliveryReasonCode (X.411 8.3.1.2.1.6).
type NonDeliveryReason int32

// NonDeliveryDiagnostic is a NonDeliveryDiagnosticCode (X.411 8.3.1.2.1.7).
type NonDeliveryDiagnostic int32

// ExplicitConversion is an ExplicitConversion (X.411 8.2.1.1.1.18).
type ExplicitConversion int32

// BindErrorCode is an MTABindError (X.411 12.1.1) or mts-bind-error (8.1.1).
type BindErrorCode int32

// EITBits are BuiltInEncodedInformationTypes: bit n of the value is bit n of
// the BIT STRING.
type EITBits uint64

// PerMessageIndicators are PerMessageIndicators (X.411 8.2.1.1.1): bit n of the
// value is bit n of the BIT STRING.
type PerMessageIndicators uint32

// The per-message indicators.
const (
	DisclosureOfOtherRecipients  PerMessageIndicators = 1 << 0
	ImplicitConversionProhibited PerMessageIndicators = 1 << 1
	AlternateRecipientAllowed    PerMessageIndicators = 1 << 2
	ContentReturnRequest         PerMessageIndicators = 1 << 3
	ServiceMessage               PerMessageIndicators = 1 << 7
)

// PerRecipientIndicators are PerRecipientIndicators (X.411 12.2.1.1.1.5): bit n
// of the value is bit n of the BIT STRING.
type PerRecipientIndicators uint32

// The per-recipient indicators. Of each report pair, report asks for delivery
// and non-delivery reports.
const (
	Responsibility                  PerRecipientIndicators = 1 << 0
	OriginatingMTAReport            PerRecipientIndicators = 1 << 1
	OriginatingMTANonDeliveryReport PerRecipientIndicators = 1 << 2
	OriginatorReport                PerRecipientIndicators = 1 << 3
	OriginatorNonDeliveryReport     PerRecipientIndicators = 1 << 4
)

// OtherActions are OtherActions (X.411 12.3.1).
type OtherActions uint32

// The other actions.
const (
	Redirected  OtherActions = 1 << 0
	DLOperation OtherActions = 1 << 1
)

// Criticality is a Criticality (X.411 9.1).
type Criticality uint32

// The criticalities.
const (
	CriticalForSubmission Criticality = 1 << 0
	CriticalForTransfer   Criticality = 1 << 1
	CriticalForDelivery   Criticality = 1 << 2
)

// Name returns the standard's name of the action, "" for an unknown one.
func (v RoutingAction) Name() string { return nameOf(routingActionNames[:], int64(v)) }

// Name returns the standard's name of the priority, "" for an unknown one.
func (v Priority) Name() string { return nameOf(priorityNames[:], int64(v)) }

// Name returns delivery, non-delivery or "".
func (v Outcome) Name() string { return nameOf(outcomeNames[:], int64(v)) }

// Name returns the standard's name of the type, "" for an unknown one.
func (v MTSUserType) Name() string { return nameOf(userTypeNames[:], int64(v)) }

// Name returns the standard's name of the reason, "" for an unknown one.
func (v NonDeliveryReason) Name() string { return nameOf(reasonNames[:], int64(v)) }

// Name returns the standard's name of the diagnostic, "" for an unknown one.
func (v NonDeliveryDiagnostic) Name() string { return nameOf(diagnosticNames[:], int64(v)) }

// Name returns the standard's name of the conversion, "" for an unknown one.
func (v ExplicitConversion) Name() string { return nameOf(explicitConversionNames[:], int64(v)) }

// Name returns the standard's name of the error, "" for an unknown one.
func (v BindErrorCode) Name() string { return nameOf(bindErrorNames[:], int64(v)) }

// AppendNames appends the names of the bits that are set, separated by commas;
// a bit without a name as "bit-n".
func (v EITBits) AppendNames(dst []byte) []byte {
	return appendBitNames(dst, uint64(v), eitNames[:])
}

// AppendNames appends the names of the bits that are set, separated by commas.
func (v PerMessageIndicators) AppendNames(dst []byte) []byte {
	return appendBitNames(dst, uint64(v), perMessageNames[:])
}

// AppendNames appends the names of the bits that are set, separated by commas.
func (v PerRecipientIndicators) AppendNames(dst []byte) []byte {
	return appendBitNames(dst, uint64(v), perRecipientNames[:])
}

// AppendNames appends the names of the bits that are set, separated by commas.
func (v OtherActions) AppendNames(dst []byte) []byte {
	return appendBitNames(dst, uint64(v), otherActionNames[:])
}

// AppendNames appends the names of the bits that are set, separated by commas.
func (v Criticality) AppendNames(dst []byte) []byte {
	return appendBitNames(dst, uint64(v), criticalityNames[:])
}

// ContentTypeName returns the standard's name of a built-in content type (X.411
// 8.2.1.1.1.34), "" for an unknown one.
func ContentTypeName(builtin int32) string {
	for _, t := range contentTypes {
		if t.number == builtin {
			return t.name
		}
	}
	return ""
}

// oidName is an object identifier in dotted form and its name.
type oidName struct{ oid, name string }

func nameOfOID(table []oidName, oid []byte) string {
	for i := range table {
		if table[i].oid == string(oid) {
			return table[i].name
		}
	}
	return ""
}

var (
	// eitOIDs are the encoded information types of X.411 Annex A (id-eit) and of
	// X.420 Annex D (id-eit).
	eitOIDs = [...]oidName{
		{"2.6.3.4.0", "id-eit-unknown"}, {"2.6.3.4.1", "id-eit-telex"}, {"2.6.3.4.2", "id-eit-ia5-text"},
		{"2.6.3.4.3", "id-eit-g3-facsimile"}, {"2.6.3.4.4", "id-eit-g4-class-1"},
		{"2.6.3.4.5", "id-eit-teletex"}, {"2.6.3.4.6", "id-eit-videotex"}, {"2.6.3.4.7", "id-eit-voice"},
		{"2.6.3.4.8", "id-eit-sfd"}, {"2.6.3.4.9", "id-eit-mixed-mode"},
		{"2.6.1.12.0", "id-eit-file-transfer"}, {"2.6.1.12.1", "id-eit-voice"},
		{"2.6.1.12.1.0", "id-voice-11khz-sample"}, {"2.6.1.12.1.1", "id-voice-22khz-sample"},
		{"2.6.1.12.1.2", "id-voice-cd-quality"}, {"2.6.1.12.1.3", "id-voice-g711-mu-law"},
		{"2.6.1.12.1.4", "id-voice-g726-32k-adpcm"}, {"2.6.1.12.1.5", "id-voice-g728-16k-ld-celp"},
	}
	// contentTypeOIDs are the content types that X.411 and X.420 Annex D and
	// STANAG 4406 name by object identifiers.
	contentTypeOIDs = [...]oidName{
		{"2.6.3.3.0", "id-cont-undefined"}, {"2.6.3.3.1", "id-cont-inner-envelope"},
		{"2.6.1.10.0", "id-mct-p2-1984"}, {"2.6.1.10.1", "id-mct-p2-1988"},
		{"1.3.26.0.4406.0.4.1", "id-mct-p772"},
	}
)

// charsetEITs is id-cs-eit-authority (X.420 Annex D): what follows is a
// registration number of the International Register of Coded Character Sets.
const charsetEITs = "1.0.10021.7.1.0."

// appendEIT appends the name of an extended encoded information type, its OID
// where it has none.
func appendEIT(dst, oid []byte) []byte {
	if name := nameOfOID(eitOIDs[:], oid); name != "" {
		return append(dst, name...)
	}
	if rest, ok := bytes.CutPrefix(oid, []byte(charsetEITs)); ok {
		dst = append(dst, "id-cs-eit-authority-"...)
		return append(dst, rest...)
	}
	return append(dst, oid...)
}

func nameOf(names []string, v int64) string {
	if v >= 0 && v < int64(len(names)) {
		return names[v]
	}
	return ""
}

func appendBitNames(dst []byte, bits uint64, names []string) []byte {
	comma := false
	for n := 0; bits != 0; n, bits = n+1, bits>>1 {
		if bits&1 == 0 {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		if n < len(names) && names[n] != "" {
			dst = append(dst, names[n]...)
		} else {
			dst = appendInt(append(dst, "bit-"...), int64(n))
		}
	}
	return dst
}

var (
	routingActionNames = [...]string{"relayed", "rerouted"}
	priorityNames      = [...]string{"normal", "non-urgent", "urgent"}
	outcomeNames       = [...]string{"", "delivery", "non-delivery"}
	otherActionNames   = [...]string{"redirected", "dl-operation"}
	criticalityNames   = [...]string{"for-submission", "for-transfer", "for-delivery"}
	bindErrorNames     = [...]string{
		0: "busy", 2: "authentication-error", 3: "unacceptable-dialogue-mode",
		4: "unacceptable-security-context", 5: "inadequate-association-confidentiality",
	}
	userTypeNames = [...]string{
		"public", "private", "ms", "dl", "pdau", "physical-recipient", "other",
	}
	eitNames = [...]string{
		"unknown", "telex", "ia5-text", "g3-facsimile", "g4-class-1", "teletex",
		"videotex", "voice", "sfd", "mixed-mode",
	}
	perMessageNames = [...]string{
		"disclosure-of-other-recipients", "implicit-conversion-prohibited",
		"alternate-recipient-allowed", "content-return-request", "reserved",
		"bit-5", "bit-6", "service-message",
	}
	perRecipientNames = [...]string{
		"responsibility", "originating-MTA-report",
		"originating-MTA-non-delivery-report", "originator-report",
		"originator-non-delivery-report", "reserved-5", "reserved-6", "reserved-7",
	}
	explicitConversionNames = [...]string{
		0: "ia5-text-to-teletex", 8: "ia5-text-to-g3-facsimile",
		9: "ia5-text-to-g4-class-1", 10: "ia5-text-to-videotex",
		11: "teletex-to-ia5-text", 12: "teletex-to-g3-facsimile",
		13: "teletex-to-g4-class-1", 14: "teletex-to-videotex",
		16: "videotex-to-ia5-text", 17: "videotex-to-teletex",
	}
	contentTypes = [...]struct {
		number int32
		name   string
	}{
		{0, "unidentified"}, {1, "external"}, {2, "interpersonal-messaging-1984"},
		{22, "interpersonal-messaging-1988"}, {35, "edi-messaging"},
		{40, "voice-messaging"},
	}
	reasonNames = [...]string{
		"transfer-failure", "unable-to-transfer", "conversion-not-performed",
		"physical-rendition-not-performed", "physical-delivery-not-performed",
		"restricted-delivery", "directory-operation-unsuccessful",
		"deferred-delivery-not-performed", "transfer-failure-for-security-reason",
	}
	diagnosticNames = [...]string{
		"unrecognised-OR-name", "ambiguous-OR-name", "mts-congestion",
		"loop-detected", "recipient-unavailable", "maximum-time-expired",
		"encoded-information-types-unsupported", "content-too-long",
		"conversion-impractical", "implicit-conversion-prohibited",
		"implicit-conversion-not-subscribed", "invalid-arguments",
		"content-syntax-error", "size-constraint-violation",
		"protocol-violation", "content-type-not-supported",
		"too-many-recipients", "no-bilateral-agreement",
		"unsupported-critical-function", "conversion-with-loss-prohibited",
		"line-too-long", "page-split", "pictorial-symbol-loss",
		"punctuation-symbol-loss", "alphabetic-character-loss",
		"multiple-information-loss", "recipient-reassignment-prohibited",
		"redirection-loop-detected", "dl-expansion-prohibited",
		"no-dl-submit-permission", "dl-expansion-failure",
		"physical-rendition-attributes-not-supported",
		"undeliverable-mail-physical-delivery-address-incorrect",
		"undeliverable-mail-physical-delivery-office-incorrect-or-invalid",
		"undeliverable-mail-physical-delivery-address-incomplete",
		"undeliverable-mail-recipient-unknown",
		"undeliverable-mail-recipient-deceased",
		"undeliverable-mail-organization-expired",
		"undeliverable-mail-recipient-refused-to-accept",
		"undeliverable-mail-recipient-did-not-claim",
		"undeliverable-mail-recipient-changed-address-permanently",
		"undeliverable-mail-recipient-changed-address-temporarily",
		"undeliverable-mail-recipient-changed-temporary-address",
		"undeliverable-mail-new-address-unknown",
		"undeliverable-mail-recipient-did-not-want-forwarding",
		"undeliverable-mail-originator-prohibited-forwarding",
		"secure-messaging-error", "unable-to-downgrade",
		"unable-to-complete-transfer", "transfer-attempts-limit-reached",
		"incorrect-notification-type",
		"dl-expansion-prohibited-by-security-policy",
		"forbidden-alternate-recipient", "security-policy-violation",
		"security-services-refusal", "unauthorised-dl-member",
		"unauthorised-dl-name",
		"unauthorised-originally-intended-recipient-name",
		"unauthorised-originator-name", "unauthorised-recipient-name",
		"unreliable-system", "authentication-failure-on-subject-message",
		"decryption-failed", "decryption-key-unobtainable",
		"double-envelope-creation-failure",
		"double-enveloping-message-restoring-failure",
		"failure-of-proof-of-message", "integrity-failure-on-subject-message",
		"invalid-security-label", "key-failure", "mandatory-parameter-absence",
		"operation-security-failure", "repudiation-failure-of-message",
		"security-context-failure", "token-decryption-failed", "token-error",
		"unknown-security-label", "unsupported-algorithm-identifier",
		"unsupported-security-policy",
	}
)
