package x411

import "x400flow/osi/ber"

// Operation is an operation of MTS access (X.411 8, X.419 9) or of MS access
// (X.413, X.419 10).
type Operation uint8

// The operations. OperationUnknown is one with a code that neither has.
const (
	OperationUnknown Operation = iota
	OperationRegister
	OperationSubmissionControl
	OperationDeliveryControl
	OperationMessageSubmission
	OperationProbeSubmission
	OperationMessageDelivery
	OperationReportDelivery
	OperationCancelDeferredDelivery
	OperationChangeCredentials
	OperationSummarize
	OperationList
	OperationFetch
	OperationDelete
	OperationRegisterMS
	OperationAlert
	OperationModify
)

var operationNames = [...]string{
	OperationUnknown: "", OperationRegister: "register",
	OperationSubmissionControl: "submission-control", OperationDeliveryControl: "delivery-control",
	OperationMessageSubmission: "message-submission", OperationProbeSubmission: "probe-submission",
	OperationMessageDelivery: "message-delivery", OperationReportDelivery: "report-delivery",
	OperationCancelDeferredDelivery: "cancel-deferred-delivery",
	OperationChangeCredentials:      "change-credentials",
	OperationSummarize:              "summarize", OperationList: "list", OperationFetch: "fetch",
	OperationDelete: "delete", OperationRegisterMS: "register-MS", OperationAlert: "alert",
	OperationModify: "modify",
}

// String returns the standard's name of the operation, "" for an unknown one.
func (o Operation) String() string {
	if int(o) < len(operationNames) {
		return operationNames[o]
	}
	return ""
}

// operationCodes are the operations by their local code (X.419 Annexes A and C).
var operationCodes = [...]Operation{
	1: OperationRegister, 2: OperationSubmissionControl, 3: OperationMessageSubmission,
	4: OperationProbeSubmission, 5: OperationMessageDelivery, 6: OperationReportDelivery,
	7: OperationCancelDeferredDelivery, 8: OperationChangeCredentials, 20: OperationSummarize,
	21: OperationList, 22: OperationFetch, 23: OperationDelete, 24: OperationRegisterMS,
	25: OperationAlert, 26: OperationModify,
}

// OperationOf returns the operation of a local code. delivery says that it was
// invoked in the context of the message delivery service element, which gives
// code 2 another meaning than the message submission one.
func OperationOf(code int64, delivery bool) Operation {
	if code < 0 || code >= int64(len(operationCodes)) {
		return OperationUnknown
	}
	if code == 2 && delivery {
		return OperationDeliveryControl
	}
	return operationCodes[code]
}

// Envelope returns the kind of envelope that the operation's argument is, as
// [APDU.DecodeArgument] takes it; KindNone where it is none.
func (o Operation) Envelope() Kind {
	switch o {
	case OperationMessageSubmission:
		return KindSubmission
	case OperationProbeSubmission:
		return KindProbeSubmission
	case OperationMessageDelivery:
		return KindDelivery
	case OperationReportDelivery:
		return KindReportDelivery
	}
	return KindNone
}

// errorNames are the errors by their local code (X.419 Annexes A and C).
var errorNames = [...]string{
	1: "submission-control-violated", 2: "originator-invalid", 3: "recipient-improperly-specified",
	4: "element-of-service-not-subscribed", 5: "old-credentials-incorrectly-specified",
	6: "new-credentials-unacceptable", 7: "message-submission-identifier-invalid",
	8: "deferred-delivery-cancellation-rejected", 10: "register-rejected",
	11: "inconsistent-request", 12: "security-error", 13: "unsupported-critical-function",
	14: "control-violates-registration", 15: "remote-bind-error", 16: "operation-refused",
	21: "attribute-error", 22: "auto-action-request-error", 23: "delete-error",
	24: "fetch-restriction-error", 25: "range-error", 26: "security-error", 27: "service-error",
	28: "sequence-number-error", 29: "invalid-parameters-error", 30: "message-group-error",
	31: "ms-extension-error", 32: "register-ms-error", 33: "modify-error", 34: "entry-class-error",
}

// The local codes of errors whose name or parameter needs looking at.
const (
	errorControlViolated  = 1
	errorRecipientInvalid = 3
	errorSecurity         = 12
	errorOperationRefused = 16
)

// ErrorName returns the standard's name of an error that the operation may give,
// by its local code; "" for an unknown one.
func (o Operation) ErrorName(code int64) string {
	if code == errorControlViolated && (o == OperationMessageDelivery || o == OperationReportDelivery) {
		return "delivery-control-violated"
	}
	return nameOf(errorNames[:], code)
}

// RejectProblem returns X.229's name of a problem in a reject (X.229 9.4.1), whose
// kind is 0 general, 1 invoke, 2 return result, 3 return error; "" for an unknown
// one.
func RejectProblem(kind uint8, problem int64) string {
	if int(kind) < len(rejectProblems) {
		return nameOf(rejectProblems[kind], problem)
	}
	return ""
}

var rejectProblems = [...][]string{
	{"unrecognized-APDU", "mistyped-APDU", "badly-structured-APDU"},
	{"duplicate-invocation", "unrecognized-operation", "mistyped-argument", "resource-limitation",
		"initiator-releasing", "unrecognized-linked-ID", "linked-response-unexpected",
		"unexpected-child-operation"},
	{"unrecognized-invocation", "result-response-unexpected", "mistyped-result"},
	{"unrecognized-invocation", "error-response-unexpected", "unrecognized-error", "unexpected-error",
		"mistyped-parameter"},
}

// Parameter is what the argument, result or error parameter of an operation says,
// where it is no envelope. It never holds a password. The memory rules are those
// of [APDU].
type Parameter struct {
	// Attribute, where it is set, knows the attributes of stored messages that neither
	// X.411 nor X.413 defines: it returns name and renderer of one by the contents
	// octets of its object identifier, "" for one that it does not know.
	Attribute func(oid []byte) (name string, render Renderer)

	Status  Status
	Failure Failure
	// ID is the message- or probe-submission-identifier: of a submission's result,
	// or of the argument of cancel-deferred-delivery.
	ID MTSIdentifier
	// Time is the message- or probe-submission-time of a submission's result.
	Time Time
	// Text tells all of it as "name=value" separated by "; "; of credentials it
	// tells their kind. It is empty where there is no value, or NULL.
	Text          []byte
	UnknownFields int
	FirstUnknown  []byte

	r    Reader
	list []byte
}

// Keys returns where the input holds keys, as [APDU.Keys] does.
func (p *Parameter) Keys() []Range { return p.r.d.keys }

// part is one element of a parameter and how it is told.
type part struct {
	name  string
	tag   ber.Tag
	shape partShape
}

type partShape uint8

const (
	partAny partShape = iota
	partInteger
	partBoolean
	partName
	partTime
	partText
	partOperations
	partMessages
	partPriority
	partEITs
	partContentTypes
	partLabels
	partCredentials
	partSecret
	partExtensions
	partCertificates
	partSignature
	partEntryClass
	partIdentifier
	partMTSIdentifier // One that the operation is not about.
	partElsewhere     // Told as a message.
	partContentType
	partEIT
	partIndicators
	partReportRequest
	partConversion
	partReportType
	partExpansion
	partRedirectionReason
	partTrace
	partClassification
	partObjects
	partSourceType
	partRegistrations
	partRegisteredExtensions
	partAddress
	partX121
	partPresentation
	partConstraints
	partOIDs
	partPriorities
	partClasses
	partClass
	partRestrictions
	partRestriction
	partRedirections
	partRedirection
	partControls
	partRegistered
	partEntry
	partEntries
	partReported
	partSubmitted
	partProbe
	partRecipients
	partSpan
	partRegistrationBits
	partReports
	partReport
	partObject
	partString
	partGroup
	partVerification
)

// Names of bits and codes (X.411 Figure 2, X.413 6).
var (
	operationBits      = []string{"probe-submission-or-report-delivery", "message-submission-or-message-delivery"}
	waitingMessageBits = []string{"long-content", "low-priority", "other-security-labels"}
	reportRequestBits  = []string{3: "report", 4: "non-delivery-report"}
	entryClassNames    = []string{"delivery", "submission", "draft", "stored-message", "delivery-log", "submission-log",
		"message-log", "auto-action-log"}
	securityProblemNames = []string{
		"assemby-instructions-conflict-with-security-services", "authentication-problem",
		"authentication-failure-on-subject-message", "confidentiality-association-problem",
		"decryption-failed", "decryption-key-unobtainable", "failure-of-proof-of-message",
		"forbidden-user-security-label-register", "incompatible-change-with-original-security-context",
		"integrity-failure-on-subject-message", "invalid-security-label", "invalid-security-label-update",
		"key-failure", "mandatory-parameter-absence", "operation-security-failure", "redirection-prohibited",
		"refused-alternate-recipient-name", "repudiation-failure-of-message",
		"responder-credentials-checking-problem", "security-context-failure", "security-context-problem",
		"security-policy-violation", "security-services-refusal", "token-decryption-failed", "token-error",
		"unable-to-aggregate-security-labels", "unauthorised-dl-name", "unauthorised-entry-class",
		"unauthorised-originally-intended-recipient-name", "unauthorised-originator-name",
		"unauthorised-recipient-name", "unauthorised-security-label-update", "unauthorised-user-name",
		"unknown-security-label", "unsupported-algorithm-identifier", "unsupported-security-policy",
	}
	refusedArgumentNames = []string{
		"user-name", "user-address", "deliverable-content-types", "deliverable-maximum-content-length",
		"deliverable-encoded-information-types-constraints", "deliverable-security-labels",
		"recipient-assigned-redirections", "restricted-delivery", "retrieve-registrations",
		10: "restrict", 11: "permissible-operations", 12: "permissible-lowest-priority",
		13: "permissible-encoded-information-types", 14: "permissible-content-types",
		15: "permissible-maximum-content-length", 16: "permissible-security-context",
	}
	objectNames        = []string{"messages", "reports", "both"}
	sourceTypeBits     = []string{"originated-by", "redirected-by", "dl-expanded-by"}
	registrationBits   = []string{"user-name", "user-address", "deliverable-class", "default-delivery-controls", "redirections", "restricted-delivery"}
	refusalReasonNames = []string{"facility-unavailable", "facility-not-subscribed", "parameter-unacceptable"}
)

// argumentParts are the arguments that are a SET, by operation; resultParts the
// results.
var (
	controlParts = []part{
		{"restrict", ber.Context(0), partBoolean},
		{"permissible-operations", ber.Context(1), partOperations},
		{"permissible-maximum-content-length", ber.Context(2), partInteger},
		{"permissible-lowest-priority", tagPriority, partPriority},
		{"permissible-content-types", ber.Context(4), partContentTypes},
		{"permissible-encoded-information-types", tagEITs, partEITs}, // 1988.
		{"permissible-encoded-information-types", ber.TagSequence, partConstraints},
		{"permissible-security-context", ber.Context(5), partLabels},
		{"extensions", ber.Context(6), partExtensions},
	}
	waitingParts = []part{
		{"waiting-operations", ber.Context(0), partOperations},
		{"waiting-messages", ber.Context(1), partMessages},
		{"waiting-content-types", ber.Context(2), partContentTypes},
		{"waiting-encoded-information-types", tagEITs, partEITs},
		{"extensions", ber.Context(6), partExtensions},
	}
	registerParts = []part{
		{"user-name", tagORName, partName},
		{"user-address", ber.Context(0), partAddress},
		{"deliverable-class", ber.TagSet, partClasses},
		{"deliverable-encoded-information-types", tagEITs, partEITs}, // 1988.
		{"deliverable-maximum-content-length", ber.Context(1), partAny},
		{"default-delivery-controls", ber.Context(2), partControls},
		{"redirections", ber.Context(3), partRedirections},
		{"restricted-delivery", ber.Context(4), partRestrictions},
		{"retrieve-registrations", ber.Context(5), partRegistrations},
		{"extensions", ber.Context(6), partExtensions},
	}
	submissionResultParts = []part{
		{"message-submission-identifier", tagMTSIdentifier, partIdentifier},
		{"message-submission-time", ber.Context(0), partTime},
		{"content-identifier", tagContentID, partText},
		{"extensions", ber.Context(1), partExtensions},
		{"ms-result", ber.Context(4), partAny},
	}
	argumentParts = [...][]part{
		OperationRegister:          registerParts,
		OperationSubmissionControl: controlParts,
		OperationDeliveryControl:   controlParts,
		OperationChangeCredentials: {
			{"old-credentials", ber.Context(0), partCredentials},
			{"new-credentials", ber.Context(1), partCredentials},
		},
		OperationSummarize: {
			{"entry-class", ber.Context(0), partEntryClass},
			{"selector", ber.Context(1), partAny},
			{"summary-requests", ber.Context(2), partAny},
			{"summarize-extensions", ber.Context(3), partAny},
		},
		OperationList: {
			{"entry-class", ber.Context(0), partEntryClass},
			{"selector", ber.Context(1), partAny},
			{"requested-attributes", ber.Context(3), partAny},
			{"list-extensions", ber.Context(4), partAny},
		},
		OperationFetch: {
			{"entry-class", ber.Context(0), partEntryClass},
			{"search", ber.Context(1), partAny},
			{"precise", ber.Context(2), partInteger},
			{"requested-attributes", ber.Context(3), partAny},
			{"fetch-extensions", ber.Context(4), partAny},
		},
		OperationDelete: {
			{"entry-class", ber.Context(0), partEntryClass},
			{"selector", ber.Context(1), partAny},
			{"sequence-numbers", ber.Context(2), partAny},
			{"delete-extensions", ber.Context(3), partAny},
		},
		OperationRegisterMS: {
			{"auto-action-registrations", ber.Context(0), partAny},
			{"auto-action-deregistrations", ber.Context(1), partAny},
			{"list-attribute-defaults", ber.Context(2), partAny},
			{"fetch-attribute-defaults", ber.Context(3), partAny},
			{"change-credentials", ber.Context(4), partSecret},
			{"user-security-labels", ber.Context(5), partLabels},
			{"ua-registrations", ber.Context(6), partAny},
			{"submission-defaults", ber.Context(7), partAny},
			{"message-group-registrations", ber.Context(8), partAny},
			{"registration-status-request", ber.Context(9), partAny},
			// These may hold a protected-change-credentials.
			{"register-ms-extensions", ber.Context(10), partSecret},
		},
		OperationAlert: {
			{"alert-registration-identifier", ber.Context(0), partInteger},
			{"new-entry", ber.Context(2), partAny},
		},
		OperationModify: {
			{"entry-class", ber.Context(0), partEntryClass},
			{"selector", ber.Context(1), partAny},
			{"specific-entries", ber.Context(2), partAny},
			{"modifications", ber.Context(3), partAny},
			{"modify-extensions", ber.Context(4), partAny},
		},
	}
	resultParts = [...][]part{
		OperationRegister: {
			{"registered-information", ber.Context(0), partRegistered},
			{"extensions", ber.Context(1), partExtensions},
		},
		OperationSubmissionControl: waitingParts,
		OperationDeliveryControl:   waitingParts,
		OperationMessageSubmission: submissionResultParts,
		OperationProbeSubmission:   submissionResultParts,
		OperationMessageDelivery: {
			{"recipient-certificate", ber.Context(0), partCertificates},
			{"proof-of-delivery", ber.Context(1), partSignature},
			{"extensions", ber.Context(2), partExtensions},
		},
		OperationSummarize: {
			{"next", ber.Context(0), partInteger},
			{"count", ber.Context(1), partInteger},
			{"span", ber.Context(2), partSpan},
			{"summaries", ber.Context(3), partAny},
			{"summarize-result-extensions", ber.Context(4), partAny},
		},
		OperationList: {
			{"next", ber.Context(0), partInteger},
			{"requested", ber.Context(1), partEntries},
			{"list-result-extensions", ber.Context(2), partAny},
		},
		OperationFetch: {
			{"entry-information", ber.Context(0), partEntry},
			{"list", ber.Context(1), partAny},
			{"next", ber.Context(2), partInteger},
			{"fetch-result-extensions", ber.Context(3), partAny},
		},
		OperationDelete: {
			{"entries-deleted", ber.Context(0), partAny},
			{"delete-result-extensions", ber.Context(1), partAny},
		},
		OperationRegisterMS: {
			{"auto-action-registrations", ber.Context(0), partAny},
			{"list-attribute-defaults", ber.Context(1), partAny},
			{"fetch-attribute-defaults", ber.Context(2), partAny},
			{"ua-registrations", ber.Context(3), partAny},
			{"submission-defaults", ber.Context(4), partAny},
			{"message-group-registrations", ber.Context(5), partAny},
			{"register-ms-result-extensions", ber.Context(6), partAny},
		},
		OperationModify: {
			{"entries-modified", ber.Context(0), partAny},
			{"modify-result-extensions", ber.Context(1), partAny},
		},
	}
)

// nestedParts are the SETs and SEQUENCEs within these, by shape.
var nestedParts = [...][]part{
	partReport:      {{"report-entry", ber.Context(0), partInteger}, {"position", ber.Context(1), partInteger}},
	partX121:        {{"x121-address", ber.TagNumericString, partText}, {"tsap-id", ber.TagPrintableString, partText}},
	partConstraints: {{"unacceptable-eits", ber.Context(0), partOIDs}, {"acceptable-eits", ber.Context(1), partOIDs}, {"exclusively-acceptable-eits", ber.Context(2), partOIDs}},
	partClass: {
		{"content-types", ber.Context(0), partContentTypes},
		{"maximum-content-length", ber.Context(1), partInteger},
		{"encoded-information-types-constraints", ber.Context(2), partConstraints},
		{"security-labels", ber.Context(3), partLabels},
		{"priority", ber.Context(4), partPriorities},
		{"objects", ber.Context(5), partObjects},
		{"applies-only-to", ber.Context(6), partRestrictions},
		{"extensions", ber.Context(7), partExtensions},
	},
	partRestriction: {
		{"permitted", ber.TagBoolean, partBoolean},
		{"source-type", ber.TagBitString, partSourceType},
		{"exact-match", ber.Context(0), partName},
		{"pattern-match", ber.Context(1), partName},
	},
	partRedirection: {
		{"redirection-classes", ber.Context(0), partClasses},
		{"recipient-assigned-alternate-recipient", ber.Context(1), partName},
	},
	partReported: {
		{"actual-recipient-name", ber.Context(0), partName},
		{"report-type", ber.Context(1), partReportType},
		{"converted-encoded-information-types", tagEITs, partEITs},
		{"originally-intended-recipient-name", ber.Context(2), partName},
		{"supplementary-information", ber.Context(3), partText},
		{"extensions", ber.Context(4), partExtensions},
	},
	partSubmitted: {
		{"recipient-name", tagORName, partName},
		{"originator-report-request", ber.Context(0), partReportRequest},
		{"explicit-conversion", ber.Context(1), partConversion},
		{"extensions", ber.Context(2), partExtensions},
	},
	partProbe: {
		{"originator-name", tagORName, partName},
		{"original-encoded-information-types", tagEITs, partEITs},
		{"content-type", tagContentType, partContentType},
		{"content-type", ber.TagOID, partContentType},
		{"content-identifier", tagContentID, partText},
		{"content-length", ber.Context(0), partInteger},
		{"per-message-indicators", tagIndicators, partIndicators},
		{"extensions", ber.Context(2), partExtensions},
		{"per-recipient-fields", ber.Context(3), partRecipients},
	},
	partRegistrations: {
		{"standard-parameters", ber.Context(0), partRegistrationBits},
		{"extensions", ber.Context(1), partRegisteredExtensions},
	},
	partSpan: {{"lowest", ber.Context(0), partInteger}, {"highest", ber.Context(1), partInteger}},
}

// Argument reads the argument of an operation; those of [Operation.Envelope] are
// for [APDU.DecodeArgument].
func (p *Parameter) Argument(o Operation, octets []byte) Status {
	var parts []part
	if int(o) < len(argumentParts) {
		parts = argumentParts[o]
	}
	if o == OperationCancelDeferredDelivery {
		parts = cancelParts
	}
	return p.decode("argument", parts, octets)
}

// cancelParts is CancelDeferredDeliveryArgument, which is an MTS identifier
// itself.
var cancelParts = []part{{"message-submission-identifier", tagMTSIdentifier, partIdentifier}}

// Result reads the result of an operation.
func (p *Parameter) Result(o Operation, octets []byte) Status {
	var parts []part
	if int(o) < len(resultParts) {
		parts = resultParts[o]
	}
	return p.decode("result", parts, octets)
}

// Error reads the parameter of an error by its local code; a negative code stands
// for one that is not local.
func (p *Parameter) Error(code int64, octets []byte) Status {
	p.start(octets)
	d := &p.r.d
	c := d.ber.Reset(octets)
	d.push("error")
	var e ber.Element
	if c.Next(&e) {
		switch {
		case e.Tag == ber.TagNull:
		case code == errorSecurity && e.Tag == ber.TagInteger:
			d.out = d.appendNamed(d.out, &c, &e, securityProblemNames)
		case code == errorRecipientInvalid && e.Tag == ber.TagSequence:
			d.out = renderORNames(d, d.out, &c, &e)
		case code == errorOperationRefused && e.Tag == ber.TagSet:
			p.refused(&c, &e)
		default:
			d.out = d.appendAny(d.out, &c, &e)
		}
	}
	p.finish(&c)
	return p.Status
}

func (p *Parameter) start(octets []byte) {
	*p = Parameter{Attribute: p.Attribute, r: p.r, list: p.list}
	var limits Limits
	p.r.d.start(octets, &limits)
}

// finish makes the text of what is in d.out, and tells how it went.
func (p *Parameter) finish(c *ber.Cursor) {
	d := &p.r.d
	d.end(c)
	if len(d.out) > d.textLimit {
		d.out = append(cutText(d.out, d.textLimit), "..."...)
	}
	p.Text = d.keep(d.out)
	p.Failure, p.UnknownFields, p.FirstUnknown = d.failure, d.unknown, d.firstUnknown
	if d.failures > 0 {
		p.Status = StatusPartial
	}
}

func (p *Parameter) decode(name string, parts []part, octets []byte) Status {
	p.start(octets)
	d := &p.r.d
	c := d.ber.Reset(octets)
	d.push(name)
	var e ber.Element
	for c.Next(&e) {
		switch {
		case e.Tag == ber.TagNull:
		case e.Tag == ber.TagSet && parts != nil:
			p.set(parts, &c, &e)
		case len(parts) == 1 && parts[0].tag == e.Tag:
			p.part(0, &parts[0], &c, &e)
		default:
			// The results of 1994 that consist of extensions alone, and what no
			// edition has.
			d.out = d.appendAny(d.out, &c, &e)
		}
	}
	p.finish(&c)
	return p.Status
}

func (p *Parameter) set(parts []part, c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	at := len(d.out)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		x := (*part)(nil)
		for i := range parts {
			if parts[i].tag == f.Tag {
				x = &parts[i]
				break
			}
		}
		if x == nil {
			d.stray(&f)
			continue
		}
		if d.full(d.out) {
			break
		}
		p.part(at, x, &in, &f)
	}
	d.end(&in)
}

// nested appends a SET or SEQUENCE within a value.
func (p *Parameter) nested(shape partShape, c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	d.out = append(d.out, '{')
	p.set(nestedParts[shape], c, e)
	d.out = append(d.out, '}')
}

// each appends the elements in e, each of the shape, separated by " | ".
func (p *Parameter) each(shape partShape, c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f) && !d.full(d.out); i++ {
		if i > 0 {
			d.out = append(d.out, " | "...)
		}
		d.pushIndex(i)
		p.value(shape, &in, &f)
		d.pop()
	}
	d.end(&in)
}

// within returns the element that the tag e holds, or e itself where it has a
// universal tag: X.413 tags explicitly, X.411 does not.
func (d *decoder) within(c *ber.Cursor, e *ber.Element) (in ber.Cursor, inner ber.Element, ok bool) {
	if e.Tag.Class() == ber.Universal {
		return *c, *e, true
	}
	in, ok = d.only(c, e, &inner)
	return in, inner, ok
}

// part appends one item of those that begin at.
func (p *Parameter) part(at int, x *part, c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	d.push(x.name)
	d.out = appendItem(d.out, at, x.name)
	p.value(x.shape, c, e)
	d.pop()
}

// value appends a value of the shape, under whatever tag.
func (p *Parameter) value(shape partShape, c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	switch shape {
	case partInteger:
		if v, ok := d.integer(c, e); ok {
			d.out = appendInt(d.out, v)
		}
	case partBoolean:
		if v, ok := ber.Bool(e.Content); ok && v {
			d.out = append(d.out, "true"...)
		} else {
			d.out = append(d.out, "false"...)
		}
	case partName:
		d.out = d.appendORName(d.out, c, e)
	case partTime:
		p.Time = d.time(c, e)
		d.out = appendTime(d.out, &p.Time)
	case partText:
		s, _ := d.text(c, e)
		d.out = appendClean(d.out, s)
	case partOperations:
		v, _ := d.flags(c, e)
		d.out = appendBitNames(d.out, v, operationBits)
	case partMessages:
		v, _ := d.flags(c, e)
		d.out = appendBitNames(d.out, v, waitingMessageBits)
	case partPriority:
		d.out = d.appendNamed(d.out, c, e, priorityNames[:])
	case partEntryClass:
		d.out = d.appendNamed(d.out, c, e, entryClassNames)
	case partEITs:
		var t EITs
		d.eits(c, e, &t)
		d.out = append(d.out, t.Text...)
	case partIdentifier:
		d.identifier(c, e, &p.ID)
		d.out = append(d.out, p.ID.Text...)
	case partContentTypes:
		p.contentTypes(c, e)
	case partLabels:
		p.labels(c, e)
	case partCredentials:
		p.credentials(c, e)
	case partSecret:
		d.out = append(d.out, "present"...)
	case partExtensions:
		p.extensions(c, e)
	case partCertificates:
		d.out = d.appendCertificates(d.out, c, e)
	case partSignature:
		d.out = d.appendSignature(d.out, c, e)
	case partMTSIdentifier:
		var id MTSIdentifier
		d.identifier(c, e, &id)
		d.out = append(d.out, id.Text...)
	case partElsewhere:
		d.out = append(appendInt(d.out, int64(e.End-e.Offset)), " octets"...)
	case partContentType:
		var t ContentType
		d.contentType(c, e, &t)
		d.out = append(d.out, t.Text...)
	case partEIT:
		if d.is(e, ber.TagOID) {
			oid, _ := d.oid(c, e)
			d.out = appendEIT(d.out, oid)
		}
	case partOIDs:
		p.each(partEIT, c, e)
	case partIndicators:
		v, _ := d.flags(c, e)
		d.out = appendBitNames(d.out, v, perMessageNames[:])
	case partReportRequest:
		v, _ := d.flags(c, e)
		d.out = appendBitNames(d.out, v, reportRequestBits)
	case partSourceType:
		v, _ := d.flags(c, e)
		d.out = appendBitNames(d.out, v, sourceTypeBits)
	case partRegistrationBits:
		v, _ := d.flags(c, e)
		d.out = appendBitNames(d.out, v, registrationBits)
	case partConversion:
		d.out = d.appendNamed(d.out, c, e, explicitConversionNames[:])
	case partClassification:
		d.out = d.appendNamed(d.out, c, e, classificationNames)
	case partObjects:
		d.out = d.appendNamed(d.out, c, e, objectNames)
	case partReportType:
		d.out = d.appendReportType(d.out, c, e)
	case partExpansion:
		d.out = d.appendNameAndTime(d.out, c, e)
	case partRedirectionReason:
		d.out = d.appendRedirection(d.out, c, e)
	case partTrace:
		var t TraceElement
		d.traceElement(c, e, &t)
		d.out = t.append(d.out)
	case partRegisteredExtensions:
		in := c.Enter(e)
		var f ber.Element
		for i := 0; in.Next(&f) && !d.full(d.out); i++ {
			if i > 0 {
				d.out = append(d.out, ',')
			}
			if f.Tag == ber.Context(3) {
				oid, _ := d.oid(&in, &f)
				d.out = append(d.out, oid...)
			} else if name := ExtensionName(d.code(&in, &f)); name != "" {
				d.out = append(d.out, name...)
			}
		}
		d.end(&in)
	case partObject:
		oid, _ := d.oid(c, e)
		d.out = append(d.out, oid...)
	case partString:
		s, _ := d.anyString(c, e)
		d.out = appendClean(d.out, s)
	case partGroup:
		in := c.Enter(e)
		var f ber.Element
		for i := 0; in.Next(&f) && !d.full(d.out); i++ {
			if i > 0 {
				d.out = append(d.out, '/')
			}
			p.value(partString, &in, &f)
		}
		d.end(&in)
	case partReports:
		// A CHOICE of NULL [0] and SEQUENCE OF PerRecipientReport [1].
		if e.Tag == ber.Context(0) {
			d.out = append(d.out, "no-correlated-reports"...)
			break
		}
		var inner ber.Element
		if in, ok := d.only(c, e, &inner); ok {
			p.each(partReport, &in, &inner)
		}
	case partVerification:
		d.out = append(d.out, '{')
		at, in := len(d.out), c.Enter(e)
		var f ber.Element
		for in.Next(&f) {
			name := ""
			if f.Tag.Class() == ber.ContextSpecific {
				name = nameOf(verifiedNames, int64(f.Tag.Number()))
			}
			if name == "" {
				d.stray(&f)
				continue
			}
			d.out = d.appendNamed(appendItem(d.out, at, name), &in, &f, signatureStatusNames)
		}
		d.end(&in)
		d.out = append(d.out, '}')
	case partAddress:
		var inner ber.Element
		if in, ok := d.only(c, e, &inner); ok {
			if inner.Tag == ber.Context(0) {
				p.nested(partX121, &in, &inner)
			} else {
				p.value(partPresentation, &in, &inner)
			}
		}
	case partPresentation:
		d.out = d.appendPresentationAddress(d.out, c, e)
	case partPriorities:
		p.each(partPriority, c, e)
	case partClasses:
		p.each(partClass, c, e)
	case partRestrictions:
		p.each(partRestriction, c, e)
	case partRedirections:
		p.each(partRedirection, c, e)
	case partRecipients:
		p.each(partSubmitted, c, e)
	case partEntries, partEntry, partSpan:
		in, inner, ok := d.within(c, e)
		switch {
		case !ok:
		case shape == partEntries:
			p.each(partEntry, &in, &inner)
		case shape == partEntry:
			p.entry(&in, &inner)
		default:
			p.nested(partSpan, &in, &inner)
		}
	case partControls, partRegistered:
		d.out = append(d.out, '{')
		switch {
		case shape == partRegistered:
			p.set(registerParts, c, e)
		case e.Tag == ber.TagSet:
			p.set(controlParts, c, e)
		default:
			var inner ber.Element
			if in, ok := d.only(c, e, &inner); ok {
				p.set(controlParts, &in, &inner)
			}
		}
		d.out = append(d.out, '}')
	case partX121, partConstraints, partClass, partRestriction, partRedirection, partReported, partSubmitted, partProbe, partRegistrations, partReport:
		p.nested(shape, c, e)
	default:
		if e.Constructed {
			d.out = d.appendList(d.out, c, e)
		} else if e.Tag.Class() == ber.Universal {
			d.out = d.appendAny(d.out, c, e)
		} else {
			d.out = appendOpaque(d.out, e.Content)
		}
	}
}

func (p *Parameter) contentTypes(c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f) && !d.full(d.out); i++ {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		var t ContentType
		d.contentType(&in, &f, &t)
		d.out = append(d.out, t.Text...)
	}
	d.end(&in)
}

func (p *Parameter) labels(c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	in := c.Enter(e)
	var f ber.Element
	if peek := in; peek.Next(&f) && f.Tag == ber.TagSet && !peek.More() {
		// X.413 tags explicitly, so this may be the SET itself, of labels.
		if labels := in.Enter(&f); labels.More() {
			if t, _ := labels.Peek(); t == ber.TagSet {
				in = labels
			}
		}
	}
	for i := 0; in.Next(&f) && !d.full(d.out); i++ {
		if i > 0 {
			d.out = append(d.out, " | "...)
		}
		d.out = renderSecurityLabel(d, d.out, &in, &f)
	}
	d.end(&in)
}

// credentials tells the kind of Credentials (X.411 8.2) and reads nothing of
// their contents.
func (p *Parameter) credentials(c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	kind := CredentialsUnknown
	if !e.Constructed {
		kind = CredentialsSimpleIA5 // X.411 of 1984.
	} else {
		in := c.Enter(e)
		switch t, _ := in.Peek(); t {
		case ber.TagIA5String:
			kind = CredentialsSimpleIA5
		case ber.TagOctetString:
			kind = CredentialsSimpleOctets
		case ber.Context(0):
			kind = CredentialsStrong
		case ber.Context(1):
			kind = CredentialsProtected
		}
	}
	d.out = append(d.out, kind.String()...)
}

func (p *Parameter) extensions(c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	// An extension's value is rendered in d.out.
	p.list = append(p.list[:0], d.out...)
	p.list = d.appendExtensions(p.list, c, e)
	d.out = append(d.out[:0], p.list...)
}

// appendExtensions appends a SET OF ExtensionField, each as "name {value}". dst is not
// d.out.
func (d *decoder) appendExtensions(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f) && !d.full(dst); i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		d.pushIndex(i)
		var x Extension
		d.extension(&in, &f, &x)
		d.pop()
		switch {
		case x.Name != "":
			dst = append(dst, x.Name...)
		case x.OID != nil:
			dst = append(dst, x.OID...)
		default:
			dst = appendInt(dst, int64(x.Number))
		}
		dst = append(dst, " {"...)
		dst = append(append(dst, x.Value...), '}')
	}
	d.end(&in)
	return dst
}

// refused reads a RefusedOperation.
func (p *Parameter) refused(c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(1):
			d.out = appendItem(d.out, 0, "refused-argument")
			d.out = d.appendNamed(d.out, &in, &f, refusedArgumentNames)
		case ber.Context(2):
			d.out = appendItem(d.out, 0, "refusal-reason")
			d.out = d.appendNamed(d.out, &in, &f, refusalReasonNames)
		default:
			d.out = appendItem(d.out, 0, "refused-extension")
			d.out = d.appendAny(d.out, &in, &f)
		}
	}
	d.end(&in)
}
