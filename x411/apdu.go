package x411

import (
	"time"

	"x400flow/osi/ber"
)

// Kind is the alternative of MTS-APDU (X.411 12.2), or the operation of MTS
// access (X.411 8.2, 8.3) or MS access (X.413) that an envelope is of.
type Kind uint8

// The kinds of MTS-APDU, and of what an operation carries. KindNone is what
// octets are that are none of them.
const (
	KindNone Kind = iota
	KindMessage
	KindReport
	KindProbe
	KindSubmission
	KindProbeSubmission
	KindDelivery
	KindReportDelivery
	KindFetch
)

var kindNames = [...]string{"none", "message", "report", "probe",
	"submission", "probe-submission", "delivery", "report-delivery", "fetch"}

// String returns message, report, probe, submission, probe-submission, delivery,
// report-delivery or fetch, and none for KindNone.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "none"
}

// Report reports whether a has the fields of a report: those on recipients, and
// the subject's identifier.
func (k Kind) Report() bool { return k == KindReport || k == KindReportDelivery }

// Report reports whether a has the fields of a report.
func (a *APDU) Report() bool { return a.Kind.Report() || a.StoredReport }

// Status says how much of the octets was understood.
type Status uint8

// The statuses. StatusOK means that every field was read, StatusPartial that
// Failure tells of the first that was not, StatusFailed that there is no
// MTS-APDU (or bind) to speak of.
const (
	StatusOK Status = iota
	StatusPartial
	StatusFailed
)

// String returns ok, partial or failed.
func (s Status) String() string {
	switch s {
	case StatusOK:
		return "ok"
	case StatusPartial:
		return "partial"
	}
	return "failed"
}

// Layer is the name of this package's layer in a Failure.
const Layer = "x411"

// Failure is what went wrong first.
type Failure struct {
	// Code is the reason; CodeNone means that nothing went wrong.
	Code Code
	// Offset is where, counted from the first octet given to Decode.
	Offset int
	// Path names the field, as in
	// message/envelope/trace-information/0/arrival-time. Elements of a
	// SEQUENCE OF or SET OF are counted from 0, unknown fields are written as
	// tags. It lives as long as the decoded object's other octets.
	Path []byte
}

// Error implements error; hot paths look at Code.
func (f *Failure) Error() string {
	var dst []byte
	dst = append(dst, Layer...)
	dst = append(dst, ": "...)
	dst = append(dst, f.Path...)
	dst = append(dst, ": "...)
	dst = append(dst, f.Code.String()...)
	dst = append(dst, " at octet "...)
	return string(appendInt(dst, int64(f.Offset)))
}

// Range is a run of octets of the input: input[Start:End].
type Range struct {
	Start, End int
}

// Len returns how many octets the range has.
func (r Range) Len() int { return r.End - r.Start }

// Of returns the octets of in that the range stands for.
func (r Range) Of(in []byte) []byte { return in[r.Start:r.End] }

// Time is a UTCTime (X.411 8.5.4) as sent and understood.
type Time struct {
	// At is the instant in UTC; the zero time when the field is absent or
	// damaged.
	At time.Time
	// Raw is the contents as sent, such as 960501095900Z; nil when the field
	// is absent.
	Raw []byte
}

// Present reports whether the field was there, be it damaged.
func (t *Time) Present() bool { return t.Raw != nil }

// DomainIdentifier is a GlobalDomainIdentifier (X.411 Figure 2).
type DomainIdentifier struct {
	Country []byte
	ADMD    []byte
	PRMD    []byte // nil when absent
	// Text is "/PRMD=TestGamma/ADMD=AMHS/C=XX/", empty when the whole
	// identifier is absent.
	Text []byte
}

// MTSIdentifier is an MTSIdentifier (X.411 8.5.5.1) with its parts.
type MTSIdentifier struct {
	Domain DomainIdentifier
	Local  []byte
	// Text is "[/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]", empty when the
	// identifier is absent.
	Text []byte
}

// EITs is an EncodedInformationTypes (X.411 8.5.7).
type EITs struct {
	// Present says that the field was there, be it without any type.
	Present bool
	// Builtin has bit n set for bit n of the BIT STRING.
	Builtin EITBits
	// OIDs are the extended types in dotted form.
	OIDs [][]byte
	// NonBasic is a readable text of the non-basic parameters, nil when there
	// are none.
	NonBasic []byte
	// Text lists the types by name, extended ones by the name of their OID, or
	// by the OID where the standards give none:
	// "ia5-text,id-eit-ia5-text,1.2.3.4". It is empty when there are none.
	Text []byte
}

// ContentType is a ContentType (X.411 8.5.8).
type ContentType struct {
	// Present says that the field was there.
	Present bool
	// Builtin is the number of a built-in content type, -1 otherwise.
	Builtin int32
	// OID is an extended content type in dotted form, nil otherwise.
	OID []byte
	// Text is the standard's name, such as interpersonal-messaging-1988, the
	// number where it has none, or the OID (by name where X.411 or X.420 name
	// it).
	Text []byte
}

// TraceElement is an element of TraceInformation (X.411 12.3.1) or of
// InternalTraceInformation (X.411 12.3.2).
type TraceElement struct {
	Domain DomainIdentifier
	// MTAName is set in internal trace only.
	MTAName     []byte
	ArrivalTime Time
	// RoutingAction is RoutingRelayed or RoutingRerouted, -1 when absent.
	RoutingAction RoutingAction
	// AttemptedDomain has an empty Text when absent.
	AttemptedDomain DomainIdentifier
	// AttemptedMTA is set in internal trace only.
	AttemptedMTA  []byte
	DeferredTime  Time
	ConvertedEITs EITs
	OtherActions  OtherActions
	// Octets is where the element stands in the input.
	Octets Range
}

// BilateralInformation is a PerDomainBilateralInformation (X.411 12.2.1.1.1).
type BilateralInformation struct {
	// Domain is the domain that it is meant for.
	Domain DomainIdentifier
	// Value is the information's encoding, its type being a bilateral matter.
	Value []byte
	// Text is a readable rendering of Value.
	Text []byte
}

// Extension is an ExtensionField (X.411 9.1).
type Extension struct {
	// Number identifies a standard extension; -1 for a private one.
	Number int32
	// OID identifies a private extension in dotted form; nil for a standard
	// one.
	OID []byte
	// Name is the standard's name, such as message-security-label; empty when
	// the number is unknown. A private extension has one where STANAG 4406
	// gives it.
	Name string
	// Critical is the criticality.
	Critical Criticality
	// Value is the readable value; see the renderers in this package. It is
	// empty when the extension carries none (its type being NULL).
	Value []byte
	// Raw is the encoding of the value, nil when it is absent.
	Raw []byte
	// Offset is where the ExtensionField stands in the input.
	Offset int
	// Err is why the value could not be read, CodeNone when it could.
	Err Code
}

// Recipient is a recipient of a message or probe (X.411 12.2.1.1.2) or one
// reported on (X.411 12.2.1.3.3). Of a submission the Indicators are the
// originator-report-request, which has the same bits; of a delivery the first
// recipient is this-recipient-name, and Intended may be set.
type Recipient struct {
	// Name is the recipient-name; in a report the actual-recipient-name.
	Name ORName
	// Number is the originally-specified-recipient-number, -1 when absent.
	Number     int64
	Indicators PerRecipientIndicators
	// ExplicitConversion is -1 when absent.
	ExplicitConversion ExplicitConversion
	Extensions         []Extension
	// Octets is where the per-recipient fields stand in the input.
	Octets Range

	// What follows is set in reports only.

	// Outcome says which ReportType it is.
	Outcome Outcome
	// ArrivalTime and ConvertedEITs are of the last-trace-information.
	ArrivalTime   Time
	ConvertedEITs EITs
	// DeliveryTime and UserType belong to OutcomeDelivered; UserType is -1
	// otherwise (absent, it is public by default).
	DeliveryTime Time
	UserType     MTSUserType
	// Reason and Diagnostic belong to OutcomeNotDelivered; -1 otherwise or
	// when absent.
	Reason     NonDeliveryReason
	Diagnostic NonDeliveryDiagnostic
	// Intended is the originally-intended-recipient-name.
	Intended ORName
	// Supplementary is the supplementary-information, nil when absent.
	Supplementary []byte

	// Other says that a delivery names it among its other-recipient-names: it is
	// not delivered to that one.
	Other bool
}

// Content is the content of a message, or the returned content of a report.
type Content struct {
	// Present says that there is one.
	Present bool
	// Octets is the content where it stands as one piece in the input; nil
	// when Constructed.
	Octets []byte
	// Constructed says that the content came in segments; AppendContent joins
	// them.
	Constructed bool
	// Size is the number of octets of the content.
	Size int
	// Encoding is where the element, identifier and length octets included,
	// stands in the input.
	Encoding Range
	// Contents is where the element's contents octets stand in the input.
	// Where Constructed is false they are the content.
	Contents Range
}

// External is the EXTERNAL in which normal mode RTSE delivers an MTS-APDU
// (X.228, X.419 7.2).
type External struct {
	Present bool
	// ContextID is the indirect-reference, the presentation context
	// identifier; -1 when absent.
	ContextID int64
	// DirectReference is the abstract syntax in dotted form, nil when absent.
	DirectReference []byte
	// OctetAligned says that the octet-aligned alternative was used.
	OctetAligned bool
}

// Limits bounds what an APDU holds. Zero fields mean the defaults.
type Limits struct {
	// Recipients, Trace (domain and internal elements together) and Extensions
	// bound how many are kept; the others are counted.
	Recipients int
	Trace      int
	Extensions int
	// Text bounds the octets of one rendered value.
	Text int
	// Arena bounds the octets kept for the next Decode.
	Arena int
	// Depth bounds the nesting of the encoding.
	Depth int
}

// The defaults of Limits. X.411 Annex B allows 32767 recipients and 512
// transfers.
const (
	DefaultRecipients = 32767
	DefaultTrace      = 2048
	DefaultExtensions = 65536
	DefaultText       = 16 << 10
	DefaultArena      = 4 << 20
	DefaultDepth      = 64
)

// APDU is one decoded MTS-APDU. The zero value is ready for use. See the package
// documentation for how long what it refers to lives.
type APDU struct {
	// Limits is read by Decode and left alone.
	Limits Limits
	// Names, unless nil, is where OR-names are looked up before they are read.
	Names *NameCache

	Kind    Kind
	Status  Status
	Failure Failure
	// UnknownFields counts elements that no edition defines where they stand;
	// FirstUnknown is the path of the first.
	UnknownFields int
	FirstUnknown  []byte

	// External is what wraps the MTS-APDU in normal mode.
	External External
	// Octets is where the MTS-APDU stands in the input.
	Octets Range
	// Envelope is where the transfer envelope stands in the input.
	Envelope Range
	// StoredReport says of KindFetch that what was fetched is a report.
	StoredReport bool

	// ID is the message-, probe- or report-identifier.
	ID MTSIdentifier
	// Originator is the originator-name of a message or probe.
	Originator ORName
	// Destination is the report-destination-name of a report.
	Destination ORName
	// OriginalEITs, ContentType and ContentID are per-message fields of a
	// message or probe; in a report they are those of its content, which
	// repeats the subject's.
	OriginalEITs EITs
	ContentType  ContentType
	ContentID    []byte
	// Priority is normal where it is absent; PriorityPresent tells. Only a
	// message has one.
	Priority        Priority
	PriorityPresent bool
	// Indicators are the per-message-indicators of a message or probe.
	Indicators        PerMessageIndicators
	IndicatorsPresent bool
	// DeferredDelivery is a message's deferred-delivery-time.
	DeferredDelivery Time
	// SubmissionTime and DeliveryTime are the message-submission-time and the
	// message-delivery-time of a delivery (X.411 8.3.1.1.1). ConvertedEITs are
	// its converted-encoded-information-types.
	SubmissionTime Time
	DeliveryTime   Time
	ConvertedEITs  EITs
	Bilateral      []BilateralInformation
	// ContentLength is a probe's content-length, -1 when absent.
	ContentLength int64

	// Trace is the trace-information, oldest element first.
	Trace []TraceElement
	// InternalTrace is the internal-trace-information extension, which is
	// also among Extensions.
	InternalTrace []TraceElement
	// Extensions are those of the message, probe or report envelope.
	Extensions []Extension
	Recipients []Recipient

	// Content is a message's content, or a report's returned-content.
	Content Content

	// SubjectID, SubjectTrace, AdditionalInformation and ContentExtensions
	// are of the report's content.
	SubjectID    MTSIdentifier
	SubjectTrace []TraceElement
	// AdditionalInformation is its encoding (1984: billing information),
	// AdditionalText a readable rendering.
	AdditionalInformation []byte
	AdditionalText        []byte
	ContentExtensions     []Extension

	// MoreRecipients, MoreTrace, MoreExtensions and MoreBilateral count what
	// exceeded Limits.
	MoreRecipients int
	MoreTrace      int
	MoreExtensions int
	MoreBilateral  int

	d          *decoder
	extensions []Extension
}

// Decode reads octets as RTSE delivered them and returns the status, which is
// also in a.Status.
func (a *APDU) Decode(octets []byte) Status {
	a.decode(octets)
	return a.Status
}

// Keys returns where the input holds keys that message tokens show: their sender was
// to encrypt them (X.411 8.5.10). Neither tags nor lengths are in a range, so that
// the APDU reads as before when the ranges are overwritten. It lives until the next
// Decode.
func (a *APDU) Keys() []Range {
	if a.d == nil {
		return nil
	}
	return a.d.keys
}

// AppendContent appends the content to dst, joining the segments of a
// constructed one. It may be called until the next Decode.
func (a *APDU) AppendContent(dst []byte) []byte {
	if !a.Content.Constructed {
		return append(dst, a.Content.Octets...)
	}
	var d ber.Decoder
	d.MaxDepth = a.d.depthLimit
	c := d.Reset(a.d.in[a.Content.Encoding.Start:a.Content.Encoding.End])
	var e ber.Element
	if !c.Next(&e) {
		return dst
	}
	out, _, _ := c.Octets(&e, ber.TagOctetString, dst)
	return out
}
