// Package rose decodes the headers of remote operations APDUs (X.229 clause 9,
// X.880 8.2), and tells the bind and unbind values of the RO-notation (X.229
// 7.2) by their tags.
//
// Arguments, results and parameters are not looked into. Both codings of the
// alternatives are read: the implicit one of X.229 and X.880 and the explicit
// one of X.410-1984.
//
// Refused, with a [Code] and an offset: octets that are not BER, or not one of
// these. Nothing is copied or allocated: an APDU refers to its input.
package rose

import "x400flow/osi/ber"

// Kind is the alternative of ROSEapdus.
type Kind uint8

// The kinds of APDU.
const (
	None           Kind = iota
	Invoke              // ROIV [1].
	Result              // RORS [2].
	Error               // ROER [3].
	Reject              // RORJ [4].
	BindArgument        // [16].
	BindResult          // [17].
	BindError           // [18].
	UnbindArgument      // [19].
	UnbindResult        // [20].
	UnbindError         // [21].
)

var kindNames = [...]string{"none", "invoke", "result", "error", "reject", "bind-argument", "bind-result", "bind-error",
	"unbind-argument", "unbind-result", "unbind-error"}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// APDU is one decoded APDU. Its slices refer to the input of Decode.
type APDU struct {
	Kind Kind
	// InvokeID is 0 and NoInvokeID true where NULL was sent.
	InvokeID, LinkedID    int64
	NoInvokeID, HasLinked bool
	// Code is the operation or error value where it is local and HasCode is set;
	// OID is set instead where it is global.
	Code    int64
	HasCode bool
	OID     []byte
	// Argument is the argument, result, parameter, or value of a bind: all
	// elements that follow the header, at ArgumentStart in the input.
	Argument      []byte
	ArgumentStart int
	// ProblemKind and Problem are Reject's: the tag (0 general, 1 invoke, 2
	// return result, 3 return error) and the number.
	ProblemKind uint8
	Problem     int64
}

// Code says why octets could not be decoded.
type Code uint8

// The error codes. Those from ErrBER on are package ber's codes.
const (
	OK       Code = iota
	ErrAPDU       // Not a ROSE APDU.
	ErrValue      // A field that is missing, or whose value is not one of its type.
	ErrBER   Code = 0x40
)

var codeNames = [...]string{"no error", "not a ROSE APDU", "field is missing or has a value not of its type"}

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
func (c Code) Error() string { return "rose: " + c.String() }

func berCode(c ber.Code) Code {
	if c == ber.None {
		return OK
	}
	return ErrBER + Code(c)
}

// kinds is the kinds by the number of their context tag.
var kinds = [22]Kind{1: Invoke, 2: Result, 3: Error, 4: Reject, 16: BindArgument, 17: BindResult, 18: BindError,
	19: UnbindArgument, 20: UnbindResult, 21: UnbindError}

// Decode decodes in, one APDU. On failure at is the offset of the octet at
// fault.
func (a *APDU) Decode(in []byte) (code Code, at int) {
	*a = APDU{}
	var d ber.Decoder
	top := d.Reset(in)
	var e ber.Element
	if !top.Next(&e) {
		if top.Code() == ber.None {
			return ErrAPDU, 0
		}
		return berCode(top.Code()), top.ErrOffset()
	}
	if e.Tag.Class() != ber.ContextSpecific || e.Tag.Number() >= uint32(len(kinds)) || kinds[e.Tag.Number()] == None {
		return ErrAPDU, e.Offset
	}
	a.Kind = kinds[e.Tag.Number()]
	if a.Kind >= BindArgument {
		a.Argument, a.ArgumentStart = e.Content, e.Offset+e.Header
		return OK, 0
	}
	if !e.Constructed {
		return ErrAPDU, e.Offset
	}
	fields := top.Enter(&e)
	if t, ok := fields.Peek(); ok && t == ber.TagSequence {
		// X.410-1984 tags the alternatives explicitly.
		if !fields.Next(&e) {
			return berCode(fields.Code()), fields.ErrOffset()
		}
		fields = fields.Enter(&e)
	}
	return a.header(&fields, e.Offset, in)
}

func (a *APDU) header(fields *ber.Cursor, start int, in []byte) (Code, int) {
	var e ber.Element
	if !fields.Next(&e) {
		return a.missing(fields, start)
	}
	switch e.Tag {
	case ber.TagInteger:
		n, ok := ber.Int64(e.Content)
		if !ok {
			return ErrValue, e.Offset
		}
		a.InvokeID = n
	case ber.TagNull:
		a.NoInvokeID = true
	default:
		return ErrValue, e.Offset
	}
	switch a.Kind {
	case Invoke:
		if t, ok := fields.Peek(); ok && (t == ber.Context(0) || t == ber.Context(1)) {
			if !fields.Next(&e) {
				return a.missing(fields, start)
			}
			if t == ber.Context(0) {
				if a.LinkedID, a.HasLinked = ber.Int64(e.Content); !a.HasLinked {
					return ErrValue, e.Offset
				}
			}
		}
	case Result:
		if !fields.Next(&e) {
			return berCode(fields.Code()), fields.ErrOffset() // A result without value.
		}
		if e.Tag != ber.TagSequence || !e.Constructed {
			return ErrValue, e.Offset
		}
		inner := fields.Enter(&e)
		return a.value(&inner, e.Offset, in[:e.Offset+e.Header+len(e.Content)])
	case Reject:
		if !fields.Next(&e) {
			return a.missing(fields, start)
		}
		n, ok := ber.Int64(e.Content)
		if e.Tag.Class() != ber.ContextSpecific || e.Tag.Number() > 3 || !ok {
			return ErrValue, e.Offset
		}
		a.ProblemKind, a.Problem = uint8(e.Tag.Number()), n
		return OK, 0
	}
	return a.value(fields, start, in)
}

// value reads an operation or error value and what follows it.
func (a *APDU) value(fields *ber.Cursor, start int, in []byte) (Code, int) {
	var e ber.Element
	if !fields.Next(&e) {
		return a.missing(fields, start)
	}
	switch e.Tag {
	case ber.TagInteger:
		if a.Code, a.HasCode = ber.Int64(e.Content); !a.HasCode {
			return ErrValue, e.Offset
		}
	case ber.TagOID:
		a.OID = e.Content
	default:
		return ErrValue, e.Offset
	}
	a.ArgumentStart = fields.Offset()
	end := a.ArgumentStart
	for fields.Next(&e) {
		end = e.End
	}
	a.Argument = in[a.ArgumentStart:end]
	return berCode(fields.Code()), fields.ErrOffset()
}

func (a *APDU) missing(fields *ber.Cursor, start int) (Code, int) {
	if fields.Code() != ber.None {
		return berCode(fields.Code()), fields.ErrOffset()
	}
	return ErrValue, start
}
