// Package rtse decodes the APDUs of the reliable transfer service element
// (X.228, ISO 9066-2), in normal and in X.410-1984 mode.
//
// In normal mode an APDU is a presentation data value and has a tag; Decode
// reads it. In X.410-1984 mode those that open, refuse and abort an association
// are components of presentation parameters (X.228 clause 9, comment on
// RTSE-apdus); DecodeComponents reads them. Transferred data then have no APDU at
// all: the session user data are octets of the APDU that the user transfers.
//
// Refused, with a [Code] and an offset: octets that are not BER, not an RTSE
// APDU, or without their connection data. Unknown fields are counted.
//
// Nothing is copied or allocated, but for the segments of a constructed octet
// string and the ends of nested elements, which stand in memory that the APDU keeps
// for reuse. An APDU refers to its input and is for one goroutine.
package rtse

import (
	"encoding/hex"
	"strconv"

	"x400flow/osi/ber"
)

// Kind is an APDU's kind.
type Kind uint8

// The kinds of APDU (X.228 clause 9).
const (
	None  Kind = iota
	RTORQ      // Open request, 7.1.
	RTOAC      // Open accept, 7.1.
	RTORJ      // Open reject, 7.1.
	RTTP       // Turn please, 7.4.
	RTTR       // Transfer, 7.3.
	RTAB       // Abort, 7.8.
)

var kindNames = [...]string{"none", "RTORQ", "RTOAC", "RTORJ", "RTTP", "RTTR", "RTAB"}

// String returns the standard's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Data is the alternative of ConnectionData.
type Data uint8

// The alternatives.
const (
	Absent Data = iota
	Open
	Recover
)

// Application protocols of X.410-1984 mode (X.228 clause 9).
const (
	Protocol1984 = 1  // mts-transfer-protocol-1984.
	Protocol1988 = 12 // mts-transfer-protocol.
)

// Identifier is a SessionConnectionIdentifier: contents octets.
type Identifier struct {
	Calling, Common, Additional []byte
}

// APDU is a decoded APDU. Absent numbers have their default or, without one, -1.
type APDU struct {
	Kind Kind
	// End is the offset behind the APDU; octets may follow in a value that is
	// octet-aligned.
	End int

	CheckpointSize int64 // In units of 1024 octets; 0: no checkpoints.
	WindowSize     int64
	DialogueMode   int64 // 0 monologue, 1 two-way alternate.
	Protocol       int64
	// Data says which alternative the connection data are. The user's octets
	// (Open), a whole element, are User; Session is the association to Recover.
	Data    Data
	Session Identifier
	// User is also the user data of RTORJ and RTAB; UserStart its offset.
	User      []byte
	UserStart int

	Reason    int64 // RTORJ's refuse reason, RTAB's abort reason.
	Reflected []byte
	Priority  int64 // RTTP.

	// Octets is RTTR's. The first and the last of them are at Start and Last in
	// the input, and unless Joined all between them are.
	Octets      []byte
	Start, Last int
	Joined      bool

	Unknown int

	d       ber.Decoder
	scratch []byte
}

// Code says why octets could not be decoded.
type Code uint8

// The error codes. Those from ErrBER on are package ber's codes.
const (
	OK       Code = iota
	ErrAPDU       // Not an RTSE APDU.
	ErrValue      // A field whose value is not one of its type.
	ErrData       // No connection data.
	ErrBER   Code = 0x40
)

var codeNames = [...]string{"no error", "not an RTSE APDU", "field has a value not of its type", "connection data are missing"}

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
func (c Code) Error() string { return "rtse: " + c.String() }

func berCode(c ber.Code) Code {
	if c == ber.None {
		return OK
	}
	return ErrBER + Code(c)
}

// RefuseReason returns what RTORJ's reason means.
func RefuseReason(n int64) string { return name(refuseReasons[:], n) }

// AbortReason returns what RTAB's reason means.
func AbortReason(n int64) string { return name(abortReasons[:], n) }

var refuseReasons = [...]string{"RTS busy", "cannot recover", "validation failure", "unacceptable dialogue mode"}

var abortReasons = [...]string{"local system problem", "invalid parameter", "unrecognized activity", "temporary problem",
	"protocol error", "permanent problem", "user error", "transfer completed"}

// AppendText appends what the APDU says, but for connection data, as
// "RTORQ {checkpoint-size=1; window-size=3; dialogue-mode=monologue}".
func (a *APDU) AppendText(dst []byte) []byte {
	dst = append(append(dst, a.Kind.String()...), " {"...)
	at := len(dst)
	item := func(name string) {
		if len(dst) > at {
			dst = append(dst, "; "...)
		}
		dst = append(append(dst, name...), '=')
	}
	count := func(name string, n int64) {
		item(name)
		dst = strconv.AppendInt(dst, n, 10)
	}
	switch a.Kind {
	case RTORQ, RTOAC:
		count("checkpoint-size", a.CheckpointSize)
		count("window-size", a.WindowSize)
		if a.Kind == RTORQ {
			item("dialogue-mode")
			if a.DialogueMode >= 0 && a.DialogueMode < int64(len(dialogueModes)) {
				dst = append(dst, dialogueModes[a.DialogueMode]...)
			} else {
				dst = strconv.AppendInt(dst, a.DialogueMode, 10)
			}
		}
		if a.Protocol >= 0 {
			count("application-protocol", a.Protocol)
			if name := protocolName(a.Protocol); name != "" {
				dst = append(append(append(dst, " ("...), name...), ')')
			}
		}
		switch a.Data {
		case Open:
			item("connection-data")
			dst = append(dst, "open"...)
		case Recover:
			item("recover")
			dst = appendGraphic(dst, a.Session.Calling)
			dst = appendGraphic(append(dst, ", "...), a.Session.Common)
			if len(a.Session.Additional) > 0 {
				dst = appendGraphic(append(dst, ", "...), a.Session.Additional)
			}
		}
	case RTORJ:
		if a.Reason >= 0 {
			item("refuse-reason")
			dst = append(dst, RefuseReason(a.Reason)...)
		}
	case RTAB:
		if a.Reason >= 0 {
			item("abort-reason")
			dst = append(dst, AbortReason(a.Reason)...)
		}
		if len(a.Reflected) > 1 {
			item("reflected-parameter")
			dst = appendGraphic(dst, a.Reflected[1:]) // The first octet counts unused bits.
		}
		if len(a.User) > 0 {
			count("user-data-octets", int64(len(a.User)))
		}
	case RTTP:
		count("priority", a.Priority)
	}
	return append(dst, '}')
}

var dialogueModes = [...]string{"monologue", "twa"}

func protocolName(n int64) string {
	switch n {
	case Protocol1984:
		return "mts-transfer-protocol-1984"
	case Protocol1988:
		return "mts-transfer-protocol"
	}
	return ""
}

// maxText bounds how many octets of a value are written.
const maxText = 64

// appendGraphic appends octets as text where all are graphic ASCII, else as
// hexadecimal digits after 0x.
func appendGraphic(dst, octets []byte) []byte {
	octets = octets[:min(len(octets), maxText)]
	for _, b := range octets {
		if b < ' ' || b > '~' {
			return hex.AppendEncode(append(dst, "0x"...), octets)
		}
	}
	return append(dst, octets...)
}

func name(names []string, n int64) string {
	if n >= 0 && n < int64(len(names)) {
		return names[n]
	}
	if n == -1 {
		return "no reason given"
	}
	return "unknown reason"
}

// maxScratch bounds the memory that is kept from one APDU to the next: seldom is anything
// large sent in segments.
const maxScratch = 256 << 10

// maxSpans is how many ends of nested elements of indefinite length are kept.
const maxSpans = 8

func (a *APDU) reset() {
	if cap(a.scratch) > maxScratch {
		a.scratch = nil
	}
	a.d.Remember(maxSpans)
	a.Kind, a.End = None, 0
	a.CheckpointSize, a.WindowSize, a.DialogueMode, a.Protocol = 0, 3, 0, -1
	a.Data, a.Session, a.User, a.UserStart = Absent, Identifier{}, nil, 0
	a.Reason, a.Reflected, a.Priority = -1, nil, -1
	a.Octets, a.Start, a.Last, a.Joined = nil, 0, 0, false
	a.Unknown = 0
}

// Decode decodes the APDU at the front of in. On failure at is the offset of
// the octet at fault.
func (a *APDU) Decode(in []byte) (code Code, at int) {
	a.reset()
	top := a.d.Reset(in)
	var e ber.Element
	if !top.Next(&e) {
		if top.Code() == ber.None {
			return ErrAPDU, 0
		}
		return berCode(top.Code()), top.ErrOffset()
	}
	a.End = e.End
	switch e.Tag {
	case ber.TagOctetString:
		octets, joined, c := top.Octets(&e, ber.TagOctetString, a.scratch[:0])
		if c != ber.None {
			return berCode(c), e.Offset
		}
		if joined {
			a.scratch = octets
		}
		if octets == nil {
			octets = in[:0] // No segments.
		}
		a.Kind, a.Octets, a.Joined = RTTR, octets, joined
		a.Start, a.Last = top.Place(&e, 0), top.Place(&e, max(len(octets)-1, 0))
		return OK, 0
	case ber.TagInteger:
		a.Kind = RTTP
		return number(&a.Priority, e.Content), e.Offset
	case ber.Context(16):
		a.Kind = RTORQ
	case ber.Context(17):
		a.Kind = RTOAC
	case ber.Context(18):
		a.Kind = RTORJ
	case ber.Context(22):
		a.Kind = RTAB
	default:
		return ErrAPDU, e.Offset
	}
	fields := top.Enter(&e)
	return a.components(&fields, e.Offset)
}

// DecodeComponents decodes the contents octets of an APDU of the given kind,
// the components of its SET.
func (a *APDU) DecodeComponents(kind Kind, in []byte) (code Code, at int) {
	a.reset()
	a.Kind, a.End = kind, len(in)
	fields := a.d.Reset(in)
	return a.components(&fields, 0)
}

func (a *APDU) components(fields *ber.Cursor, start int) (Code, int) {
	var e ber.Element
	for fields.Next(&e) {
		code, at := OK, e.Offset
		n := uint32(0xFF)
		if e.Tag.Class() == ber.ContextSpecific {
			n = e.Tag.Number()
		}
		switch {
		case a.Kind <= RTOAC && n == 0:
			code = number(&a.CheckpointSize, e.Content)
		case a.Kind <= RTOAC && n == 1:
			code = number(&a.WindowSize, e.Content)
		case a.Kind == RTORQ && n == 2:
			code = number(&a.DialogueMode, e.Content)
		case a.Kind == RTORQ && n == 3, a.Kind == RTOAC && n == 2:
			code, at = a.connection(fields, &e)
		case a.Kind == RTORQ && n == 4:
			code = number(&a.Protocol, e.Content)
		case n == 0:
			code = number(&a.Reason, e.Content)
		case a.Kind == RTORJ && n == 1, a.Kind == RTAB && n == 2:
			a.User, a.UserStart = e.Content, e.Offset+e.Header
		case n == 1:
			a.Reflected = e.Content
		default:
			a.Unknown++
		}
		if code != OK {
			return code, at
		}
	}
	if c := fields.Code(); c != ber.None {
		return berCode(c), fields.ErrOffset()
	}
	if a.Kind <= RTOAC && a.Data == Absent {
		return ErrData, start
	}
	return OK, 0
}

// connection reads a ConnectionData, which is a CHOICE and so stands in a tag of
// its own.
func (a *APDU) connection(c *ber.Cursor, data *ber.Element) (Code, int) {
	inner := c.Enter(data)
	var e ber.Element
	if !inner.Next(&e) {
		if inner.Code() != ber.None {
			return berCode(inner.Code()), inner.ErrOffset()
		}
		return ErrData, data.Offset
	}
	switch e.Tag {
	case ber.Context(0):
		a.Data, a.User, a.UserStart = Open, e.Content, e.Offset+e.Header
	case ber.Context(1):
		a.Data = Recover
		parts := inner.Enter(&e)
		var p ber.Element
		for parts.Next(&p) {
			switch p.Tag {
			case ber.TagTeletexString, ber.TagOctetString:
				a.Session.Calling = p.Content
			case ber.TagUTCTime:
				a.Session.Common = p.Content
			case ber.Context(0):
				a.Session.Additional = p.Content
			default:
				a.Unknown++
			}
		}
		return berCode(parts.Code()), parts.ErrOffset()
	default:
		return ErrData, e.Offset
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
