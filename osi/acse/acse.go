// Package acse decodes the APDUs of the association control service element
// (X.227, ISO 8650-1).
//
// Refused, with a [Code] and an offset: octets that are not BER or not an ACSE
// APDU, and fields whose value is not of their type. Unknown fields are counted
// and skipped.
//
// Nothing is copied: constructed octet strings in user information are left as
// they are and marked. An APDU refers to its input and is for one goroutine. Nothing
// is allocated but once, for the ends of elements, by an APDU's first Decode.
package acse

import "x400flow/osi/ber"

// Kind is an APDU's kind, the number of its [APPLICATION] tag (X.227 clause 9).
type Kind uint8

// The kinds of APDU.
const (
	AARQ Kind = 0 // X.227 9.1.
	AARE Kind = 1 // X.227 9.2.
	RLRQ Kind = 2 // X.227 9.3.
	RLRE Kind = 3 // X.227 9.4.
	ABRT Kind = 4 // X.227 9.5.
	None Kind = 0xFF
)

var kindNames = [...]string{"AARQ", "AARE", "RLRQ", "RLRE", "ABRT"}

// String returns the standard's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "none"
}

// MaxExternals is how many EXTERNALs of the user information are kept.
const MaxExternals = 4

// External is an EXTERNAL of the user information (X.208 clause 34).
type External struct {
	Direct   []byte // Contents octets of an OBJECT IDENTIFIER; nil when absent.
	Indirect int64  // Presentation context identifier; -1 when absent.
	// Form is 0 for a single ASN.1 type, 1 for octet-aligned, 2 for arbitrary.
	Form uint8
	// Octets is the value, a whole element for Form 0, and Start its offset in
	// the input. Segmented says that it is the segments of a constructed string.
	Octets    []byte
	Start     int
	Segmented bool
}

// Range is a run of octets of the input: input[Start:End].
type Range struct{ Start, End int }

// APDU is a decoded APDU. Absent fields are nil, or -1 where they are numbers.
type APDU struct {
	Kind Kind
	// Fields are all fields before the user information, which is the last.
	Fields []byte
	// ApplicationContext is the contents octets of an OBJECT IDENTIFIER.
	ApplicationContext []byte
	// Titles and qualifiers are whole elements: the CHOICE's alternative.
	// Responding ones of AARE stand in the called fields.
	CalledAPTitle, CalledAEQualifier   []byte
	CallingAPTitle, CallingAEQualifier []byte
	Mechanism                          []byte
	// Authentication is where the authentication value stands, its tag included;
	// empty when absent.
	Authentication Range
	// Result is AARE's, Diagnostic its result-source-diagnostic, whose source is
	// 1 for the service user and 2 for the provider.
	Result, Diagnostic int64
	Source             uint8
	// Reason is that of RLRQ and RLRE; in ABRT the abort diagnostic.
	Reason int64
	// AbortSource is 0 for the service user, 1 for the provider.
	AbortSource   int64
	Externals     [MaxExternals]External
	ExternalCount int
	Unknown       int

	d ber.Decoder
}

// maxSpans is how many ends of nested elements of indefinite length are kept.
const maxSpans = 16

func (a *APDU) reset() {
	// One more than were counted may have been begun.
	clear(a.Externals[:min(a.ExternalCount+1, MaxExternals)])
	a.Kind, a.Fields, a.ApplicationContext = None, nil, nil
	a.CalledAPTitle, a.CalledAEQualifier = nil, nil
	a.CallingAPTitle, a.CallingAEQualifier = nil, nil
	a.Mechanism, a.Authentication = nil, Range{}
	a.Result, a.Diagnostic, a.Source = -1, -1, 0
	a.Reason, a.AbortSource = -1, -1
	a.ExternalCount, a.Unknown = 0, 0
}

// Code says why octets could not be decoded.
type Code uint8

// The error codes. Those from ErrBER on are package ber's codes.
const (
	OK       Code = iota
	ErrAPDU       // Not an ACSE APDU.
	ErrValue      // A field whose value is not one of its type.
	ErrBER   Code = 0x40
)

var codeNames = [...]string{"no error", "not an ACSE APDU", "field has a value not of its type"}

// String returns the code as a short English phrase.
func (c Code) String() string {
	if c >= ErrBER {
		return ber.Code(c - ErrBER).String()
	}
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "unknown error"
}

// Error implements error.
func (c Code) Error() string { return "acse: " + c.String() }

func berCode(c ber.Code) Code {
	if c == ber.None {
		return OK
	}
	return ErrBER + Code(c)
}

// Diagnostic returns what AARE's result-source-diagnostic means (X.227 9.2).
func Diagnostic(source uint8, n int64) string {
	names := userDiagnostics[:]
	if source == 2 {
		names = providerDiagnostics[:]
	}
	if n >= 0 && n < int64(len(names)) {
		return names[n]
	}
	return "unknown reason"
}

var userDiagnostics = [...]string{"null", "no reason given", "application context name not supported",
	"calling AP title not recognized", "calling AP invocation identifier not recognized",
	"calling AE qualifier not recognized", "calling AE invocation identifier not recognized",
	"called AP title not recognized", "called AP invocation identifier not recognized",
	"called AE qualifier not recognized", "called AE invocation identifier not recognized",
	"authentication mechanism name not recognized", "authentication mechanism name required",
	"authentication failure", "authentication required"}

var providerDiagnostics = [...]string{"null", "no reason given", "no common ACSE version"}

// Decode decodes in, one APDU. On failure at is the offset of the octet at
// fault, and a holds what could be read.
func (a *APDU) Decode(in []byte) (code Code, at int) {
	a.reset()
	a.d.Remember(maxSpans)
	top := a.d.Reset(in)
	var e ber.Element
	if !top.Next(&e) {
		if top.Code() == ber.None {
			return ErrAPDU, 0
		}
		return berCode(top.Code()), top.ErrOffset()
	}
	if e.Tag.Class() != ber.Application || e.Tag.Number() > uint32(ABRT) || !e.Constructed {
		return ErrAPDU, e.Offset
	}
	a.Kind = Kind(e.Tag.Number())
	fields := top.Enter(&e)
	start := e.Offset + e.Header
	for fields.Next(&e) {
		if e.Tag != ber.Context(userInformation) {
			a.Fields = in[start:e.End]
		}
		if e.Tag.Class() != ber.ContextSpecific || e.Tag.Number() >= uint32(len(fieldTable[0])) {
			a.Unknown++
			continue
		}
		code, at := a.field(fieldTable[a.Kind][e.Tag.Number()], &fields, &e)
		if code != OK {
			return code, at
		}
	}
	return berCode(fields.Code()), fields.ErrOffset()
}

// field names what a context tag means in an APDU.
type field uint8

const (
	fUnknown field = iota
	fSkip
	fContext
	fCalledTitle
	fCalledQualifier
	fCallingTitle
	fCallingQualifier
	fMechanism
	fAuthentication
	fResult
	fDiagnostic
	fReason
	fAbortSource
	fUser
)

// userInformation is the number of the user information's tag in each APDU.
const userInformation = 30

var fieldTable = [5][31]field{
	AARQ: {0: fSkip, 1: fContext, 2: fCalledTitle, 3: fCalledQualifier, 4: fSkip, 5: fSkip, 6: fCallingTitle,
		7: fCallingQualifier, 8: fSkip, 9: fSkip, 10: fSkip, 11: fMechanism, 12: fAuthentication, 13: fSkip,
		14: fSkip, 15: fSkip, 16: fSkip, 29: fSkip, 30: fUser},
	AARE: {0: fSkip, 1: fContext, 2: fResult, 3: fDiagnostic, 4: fCalledTitle, 5: fCalledQualifier, 6: fSkip,
		7: fSkip, 8: fSkip, 9: fMechanism, 10: fAuthentication, 11: fSkip, 12: fSkip, 13: fSkip, 14: fSkip,
		29: fSkip, 30: fUser},
	RLRQ: {0: fReason, 13: fSkip, 14: fSkip, 30: fUser},
	RLRE: {0: fReason, 13: fSkip, 14: fSkip, 30: fUser},
	ABRT: {0: fAbortSource, 1: fReason, 13: fSkip, 14: fSkip, 30: fUser},
}

func (a *APDU) field(f field, c *ber.Cursor, e *ber.Element) (Code, int) {
	switch f {
	case fUnknown:
		a.Unknown++
	case fMechanism:
		a.Mechanism = e.Content
	case fAuthentication:
		a.Authentication = Range{e.Offset, e.End}
	case fCalledTitle:
		a.CalledAPTitle = e.Content
	case fCalledQualifier:
		a.CalledAEQualifier = e.Content
	case fCallingTitle:
		a.CallingAPTitle = e.Content
	case fCallingQualifier:
		a.CallingAEQualifier = e.Content
	case fReason:
		return number(&a.Reason, e.Content), e.Offset
	case fAbortSource:
		return number(&a.AbortSource, e.Content), e.Offset
	case fContext, fResult, fDiagnostic:
		inner := c.Enter(e)
		var v ber.Element
		if !inner.Next(&v) {
			return ErrValue, e.Offset
		}
		switch {
		case f == fContext:
			if v.Tag != ber.TagOID {
				return ErrValue, v.Offset
			}
			a.ApplicationContext = v.Content
		case f == fResult:
			return number(&a.Result, v.Content), v.Offset
		default:
			if v.Tag != ber.Context(1) && v.Tag != ber.Context(2) {
				return ErrValue, v.Offset
			}
			a.Source = uint8(v.Tag.Number())
			n := inner.Enter(&v)
			if !n.Next(&v) {
				return ErrValue, v.Offset
			}
			return number(&a.Diagnostic, v.Content), v.Offset
		}
	case fUser:
		return a.user(c, e)
	}
	return OK, 0
}

func number(dst *int64, content []byte) Code {
	n, ok := ber.Int64(content)
	if !ok {
		return ErrValue
	}
	*dst = n
	return OK
}

// user reads the user information, a SEQUENCE OF EXTERNAL.
func (a *APDU) user(c *ber.Cursor, list *ber.Element) (Code, int) {
	items := c.Enter(list)
	var item, e ber.Element
	var spare External
	for items.Next(&item) {
		if item.Tag != ber.TagExternal {
			a.Unknown++
			continue
		}
		x := &spare
		if a.ExternalCount < MaxExternals {
			x = &a.Externals[a.ExternalCount]
		}
		*x = External{Indirect: -1}
		fields := items.Enter(&item)
		for fields.Next(&e) {
			switch e.Tag {
			case ber.TagOID:
				x.Direct = e.Content
			case ber.TagInteger:
				n, ok := ber.Int64(e.Content)
				if !ok {
					return ErrValue, e.Offset
				}
				x.Indirect = n
			case ber.TagObjectDescriptor:
			case ber.Context(0):
				x.Form, x.Octets, x.Start = 0, e.Content, e.Offset+e.Header
			case ber.Context(1):
				x.Form, x.Octets, x.Start, x.Segmented = 1, e.Content, e.Offset+e.Header, e.Constructed
			case ber.Context(2):
				x.Form, x.Octets, x.Start, x.Segmented = 2, e.Content, e.Offset+e.Header, e.Constructed
			default:
				a.Unknown++
			}
		}
		if fields.Code() != ber.None {
			return berCode(fields.Code()), fields.ErrOffset()
		}
		a.ExternalCount++
	}
	return berCode(items.Code()), items.ErrOffset()
}
