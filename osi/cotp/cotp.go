// Package cotp decodes the TPDUs of the connection-oriented transport protocol
// (X.224, ISO 8073), of class 0 as RFC 1006 uses it. The headers of classes 1
// to 4 are recognised and skipped.
//
// [Decode] reads one TPDU of those that are concatenated in an NSDU. It does not
// allocate. What it gives refers to its input and lives as long.
//
// Refused, with a [Code] and the offset of the octet at fault: a length
// indicator of 0 or 255 or beyond the input, an unknown TPDU code, a header
// too short for its fixed part, a parameter that reaches beyond the header.
// UNIT DATA of the connectionless protocol is out of scope. Whether a TPDU
// suits the state of its connection is for the caller to judge.
//
// Decode may be called concurrently.
package cotp

import "encoding/binary"

// Kind is a TPDU's kind: its code (X.224 table 8) with the credit bits zero.
type Kind uint8

// The kinds of TPDU.
const (
	CR Kind = 0xE0 // Connection request, X.224 13.3.
	CC Kind = 0xD0 // Connection confirm, X.224 13.4.
	DR Kind = 0x80 // Disconnect request, X.224 13.5.
	DC Kind = 0xC0 // Disconnect confirm, X.224 13.6.
	DT Kind = 0xF0 // Data, X.224 13.7.
	ED Kind = 0x10 // Expedited data, X.224 13.8.
	AK Kind = 0x60 // Data acknowledgement, X.224 13.9.
	EA Kind = 0x20 // Expedited data acknowledgement, X.224 13.10.
	RJ Kind = 0x50 // Reject, X.224 13.11.
	ER Kind = 0x70 // TPDU error, X.224 13.12.
)

var kindNames = [16]string{0x1: "ED", 0x2: "EA", 0x5: "RJ", 0x6: "AK", 0x7: "ER", 0x8: "DR", 0xC: "DC", 0xD: "CC", 0xE: "CR", 0xF: "DT"}

// String returns the standard's abbreviation.
func (k Kind) String() string {
	if n := kindNames[k>>4]; n != "" && k&0x0F == 0 {
		return n
	}
	return "unknown"
}

// Parameter codes of the variable part (X.224 13.3.4, 13.5.4, 13.12.4).
const (
	paramTPDUSize     = 0xC0
	paramCalling      = 0xC1 // In ER: the invalid TPDU.
	paramCalled       = 0xC2
	paramChecksum     = 0xC3
	paramVersion      = 0xC4
	paramOptions      = 0xC6
	paramAltClasses   = 0xC7
	paramPreferredMax = 0xF0
	paramDRInfo       = 0xE0
)

// A Parameter of the variable part that has no field of its own, or whose
// value is not one that its field can hold.
type Parameter struct {
	Code  uint8
	Value []byte
}

// MaxUnknown is the number of such parameters that a TPDU keeps. All are counted.
const MaxUnknown = 8

// A TPDU is one decoded TPDU. Its slices refer to the input of Decode.
type TPDU struct {
	Kind    Kind
	EOT     bool  // DT and ED: the last of a TSDU.
	Class   uint8 // CR and CC: the preferred or selected class.
	Options uint8 // CR and CC: the low four bits of the class octet.
	Credit  uint8 // Of CR, CC, AK and RJ; 0 in classes 0 and 1.
	Reason  uint8 // DR: the reason (X.224 13.5.3). ER: the reject cause (X.224 13.12.3).
	// Version and AddOptions are 0 where the parameter is absent.
	Version    uint8
	AddOptions uint8
	// DstRef and SrcRef are 0 in TPDUs that do not carry them.
	DstRef uint16
	SrcRef uint16
	// Number is the TPDU-NR of DT and ED, the YR-TU-NR of AK, EA and RJ.
	Number uint32

	TPDUSize     int    // Octets; 0 where the parameter is absent.
	PreferredMax uint32 // Octets; 0 where the parameter is absent.

	// HaveCalling and HaveCalled tell an empty selector from an absent one.
	HaveCalling, HaveCalled, HaveChecksum bool
	Checksum                              uint16
	CallingTSAP                           []byte
	CalledTSAP                            []byte
	AltClasses                            []byte
	Invalid                               []byte // ER: the rejected TPDU, as far as it is given.
	Additional                            []byte // DR: additional information.

	Unknown      [MaxUnknown]Parameter
	UnknownCount int

	Header []byte // The header, its length indicator included.
	User   []byte // What follows the header.
}

// Code says what is wrong with a TPDU.
type Code uint8

// The error codes.
const (
	ErrShort     Code = 1 + iota // The length indicator reaches beyond the input.
	ErrLI                        // A length indicator of 0 or 255, or too short for the fixed part.
	ErrKind                      // Not a TPDU code.
	ErrParameter                 // A parameter reaches beyond the header.
)

var codeNames = [...]string{"cotp: no error", "cotp: TPDU cut short", "cotp: bad length indicator", "cotp: unknown TPDU code", "cotp: parameter reaches beyond the header"}

// Error returns the code's meaning.
func (c Code) Error() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "cotp: unknown error"
}

// fixed is the length indicator that a TPDU's fixed part needs, by the high
// four bits of its code; 0 where there is no such TPDU.
var fixed = [16]uint8{0x1: 2, 0x2: 4, 0x5: 4, 0x6: 4, 0x7: 4, 0x8: 6, 0xC: 5, 0xD: 6, 0xE: 6, 0xF: 2}

// kindOf returns the kind that a code octet means. Only CR, CC, AK and RJ have
// credit bits; the low bit of DT's code asks for an acknowledgement.
func kindOf(c uint8) (Kind, bool) {
	k := Kind(c & 0xF0)
	switch k {
	case CR, CC, AK, RJ:
		return k, true
	case DT:
		return k, c&0x0E == 0
	case DR, DC, ED, EA, ER:
		return k, c&0x0F == 0
	}
	return 0, false
}

// Data reads an NSDU that is one DT TPDU of class 0, as nearly all are, and does no
// more than Decode would: it gives the same user data and EOT. ok is false for any
// other, which Decode is to tell.
func Data(nsdu []byte) (user []byte, eot, ok bool) {
	// The user data reaches to the end of the NSDU (X.224 13.7).
	if len(nsdu) < 3 || nsdu[0] != 2 || nsdu[1]&^1 != uint8(DT) {
		return nil, false, false
	}
	user, eot = DataOf(nsdu)
	return user, eot, true
}

// DataOf is Data for an NSDU that is known to be such.
func DataOf(nsdu []byte) (user []byte, eot bool) {
	const front = 3
	return nsdu[front:], nsdu[front-1]&0x80 != 0
}

// Connecting returns the kind of an NSDU that is a CR or CC TPDU and that Decode would
// read; nothing can follow either (X.224 6.4). ok is false for any other.
func Connecting(nsdu []byte) (kind Kind, ok bool) {
	if len(nsdu) < 7 {
		return 0, false
	}
	kind = Kind(nsdu[1] & 0xF0)
	li := int(nsdu[0])
	return kind, (kind == CR || kind == CC) && li >= 6 && li < 255 && li < len(nsdu) && fit(nsdu[:li+1], 7)
}

// Connects reports whether an NSDU is a CR or CC TPDU that is [Credible].
func Connects(nsdu []byte) bool {
	kind, ok := Connecting(nsdu)
	return ok && len(nsdu)-int(nsdu[0])-1 <= maxSmallUser && nsdu[6]>>4 <= maxClass && (kind == CC || nsdu[2]|nsdu[3] == 0)
}

// Decode decodes the first TPDU of an NSDU. It returns the number of octets
// that the TPDU takes; further ones may follow (X.224 6.4). On failure err is
// a Code, n is the offset of the octet at fault, and t holds what stood before
// it.
func Decode(nsdu []byte, t *TPDU) (n int, err error) {
	t.reset()
	n, code := t.decode(nsdu)
	if code != 0 {
		return n, code
	}
	return n, nil
}

func (t *TPDU) reset() {
	// The array of unknown parameters is only cleared as far as it was used:
	// most TPDUs are DT and have none.
	for i := range min(t.UnknownCount, MaxUnknown) {
		t.Unknown[i] = Parameter{}
	}
	t.UnknownCount = 0
	t.Kind, t.EOT, t.Class, t.Options, t.Credit, t.Reason = 0, false, 0, 0, 0, 0
	t.Version, t.AddOptions, t.DstRef, t.SrcRef, t.Number = 0, 0, 0, 0, 0
	t.TPDUSize, t.PreferredMax = 0, 0
	t.HaveCalling, t.HaveCalled, t.HaveChecksum, t.Checksum = false, false, false, 0
	t.CallingTSAP, t.CalledTSAP, t.AltClasses, t.Invalid, t.Additional = nil, nil, nil, nil, nil
	t.Header, t.User = nil, nil
}

func (t *TPDU) decode(b []byte) (int, Code) {
	if len(b) < 2 {
		return len(b), ErrShort
	}
	li := int(b[0])
	if li == 0 || li == 255 {
		return 0, ErrLI
	}
	kind, ok := kindOf(b[1])
	if !ok {
		return 1, ErrKind
	}
	t.Kind = kind
	if li+1 > len(b) {
		return len(b), ErrShort
	}
	if li < int(fixed[kind>>4]) {
		return 0, ErrLI
	}
	h := b[:li+1]
	t.Header = h

	var variable int // Where the variable part begins.
	var code Code
	switch kind {
	case DT, ED:
		// The length tells the format: 2 in classes 0 and 1; with DST-REF and
		// one octet of number, or four in the extended format, above.
		switch {
		case li < 4:
			t.EOT, t.Number = h[2]&0x80 != 0, uint32(h[2]&0x7F)
			variable = 3
		case li == 7 || li == 11:
			t.DstRef = binary.BigEndian.Uint16(h[2:])
			v := binary.BigEndian.Uint32(h[4:])
			t.EOT, t.Number = v&(1<<31) != 0, v&^(1<<31)
			variable = 8
		default:
			t.DstRef = binary.BigEndian.Uint16(h[2:])
			t.EOT, t.Number = h[4]&0x80 != 0, uint32(h[4]&0x7F)
			variable = 5
		}
		t.User = b[li+1:]
		if variable == len(h) {
			return len(b), 0
		}
		variable, code = t.parameters(h, variable)
		return pick(len(b), variable, code)
	case CR, CC:
		t.Credit = b[1] & 0x0F
		t.DstRef = binary.BigEndian.Uint16(h[2:])
		t.SrcRef = binary.BigEndian.Uint16(h[4:])
		t.Class, t.Options = h[6]>>4, h[6]&0x0F
		t.User = b[li+1:]
		variable, code = t.parameters(h, 7)
		return pick(len(b), variable, code)
	case DR:
		t.DstRef = binary.BigEndian.Uint16(h[2:])
		t.SrcRef = binary.BigEndian.Uint16(h[4:])
		t.Reason = h[6]
		t.User = b[li+1:]
		variable, code = t.parameters(h, 7)
		return pick(len(b), variable, code)
	case DC:
		t.DstRef = binary.BigEndian.Uint16(h[2:])
		t.SrcRef = binary.BigEndian.Uint16(h[4:])
		variable = 6
	case ER:
		t.DstRef = binary.BigEndian.Uint16(h[2:])
		t.Reason = h[4]
		variable = 5
	case AK, RJ:
		t.DstRef = binary.BigEndian.Uint16(h[2:])
		if li >= 9 && b[1]&0x0F == 0 {
			// Extended format: four octets of number, two of credit.
			t.Number = binary.BigEndian.Uint32(h[4:])
			variable = 10
		} else {
			t.Credit = b[1] & 0x0F
			t.Number = uint32(h[4])
			variable = 5
		}
	case EA:
		t.DstRef = binary.BigEndian.Uint16(h[2:])
		if li == 7 || li == 11 {
			t.Number = binary.BigEndian.Uint32(h[4:])
			variable = 8
		} else {
			t.Number = uint32(h[4])
			variable = 5
		}
	}
	variable, code = t.parameters(h, variable)
	return pick(li+1, variable, code)
}

// pick returns the octets used, or the place of the fault.
func pick(used, at int, code Code) (int, Code) {
	if code != 0 {
		return at, code
	}
	return used, 0
}

// parameters reads the variable part of header h from i on (X.224 13.2.3).
func (t *TPDU) parameters(h []byte, i int) (int, Code) {
	for i < len(h) {
		if i+2 > len(h) || i+2+int(h[i+1]) > len(h) {
			return i, ErrParameter
		}
		code, v := h[i], h[i+2:i+2+int(h[i+1])]
		if !t.parameter(code, v) {
			if t.UnknownCount < MaxUnknown {
				t.Unknown[t.UnknownCount] = Parameter{code, v}
			}
			t.UnknownCount++
		}
		i += 2 + len(v)
	}
	return i, 0
}

// fit reports whether none of the parameters from i on reaches beyond header h.
func fit(h []byte, i int) bool {
	for i+1 < len(h) {
		i += 2 + int(h[i+1])
	}
	return i == len(h)
}

// parameter puts a parameter into its field, if it has one that can hold it.
func (t *TPDU) parameter(code uint8, v []byte) bool {
	switch {
	case code == paramChecksum && len(v) == 2:
		t.Checksum, t.HaveChecksum = binary.BigEndian.Uint16(v), true
		return true
	case t.Kind == CR || t.Kind == CC:
	case t.Kind == ER && code == paramCalling:
		t.Invalid = v
		return true
	case t.Kind == DR && code == paramDRInfo:
		t.Additional = v
		return true
	default:
		return false
	}
	switch code {
	case paramTPDUSize:
		// 128 to 8192 octets are 7 to 13 (X.224 13.3.4 b). RFC 1006 section 5
		// leaves the larger ones to implementations; up to 65536 are met.
		if len(v) != 1 || v[0] < 7 || v[0] > 16 {
			return false
		}
		t.TPDUSize = 1 << v[0]
	case paramPreferredMax:
		// In units of 128 octets (X.224 13.3.4 c).
		if len(v) == 0 || len(v) > 4 {
			return false
		}
		var n uint64
		for _, o := range v {
			n = n<<8 | uint64(o)
		}
		if n >= 1<<25 {
			return false
		}
		t.PreferredMax = uint32(n * 128)
	case paramCalling:
		t.CallingTSAP, t.HaveCalling = v, true
	case paramCalled:
		t.CalledTSAP, t.HaveCalled = v, true
	case paramVersion:
		if len(v) != 1 {
			return false
		}
		t.Version = v[0]
	case paramOptions:
		if len(v) != 1 {
			return false
		}
		t.AddOptions = v[0]
	case paramAltClasses:
		t.AltClasses = v
	default:
		return false
	}
	return true
}

// Plausible reports whether an NSDU of the given length may begin with the
// octets in prefix, as a TPDU of any class. Where prefix is too short to tell,
// it is plausible.
func Plausible(prefix []byte, length int) bool {
	if length < 3 {
		return false
	}
	if len(prefix) == 0 {
		return true
	}
	li := int(prefix[0])
	if li < 2 || li == 255 || li+1 > length {
		return false
	}
	if len(prefix) < 2 {
		return true
	}
	kind, ok := kindOf(prefix[1])
	return ok && li >= int(fixed[kind>>4])
}

// maxClass is the highest class of transport (X.224 13.3.3).
const maxClass = 4

// maxSmallUser is the most user data that a class 0 TPDU other than DT may
// carry: DR's 64 octets (X.224 13.5.5), and room for who sends more.
const maxSmallUser = 128

// Credible reports whether an NSDU of the given length may well begin with the
// octets in prefix, as a TPDU of class 0. It is stricter than Decode: it serves
// to find a place to resume in a damaged stream. Where prefix is too short to
// tell, it is credible.
func Credible(prefix []byte, length int) bool {
	if !Plausible(prefix, length) {
		return false
	}
	if len(prefix) < 2 {
		return true
	}
	prefix = prefix[:min(len(prefix), length)]
	li := int(prefix[0])
	kind, _ := kindOf(prefix[1])
	switch kind {
	case DT, ED:
		return li == 2
	case CR, CC, DR, DC, ER:
	default:
		return false
	}
	if length-li-1 > maxSmallUser {
		return false
	}
	if kind == CR && len(prefix) >= 4 && (prefix[2] != 0 || prefix[3] != 0) {
		return false // DST-REF is zero (X.224 13.3.3).
	}
	if (kind == CR || kind == CC) && len(prefix) >= 7 && prefix[6]>>4 > maxClass {
		return false
	}
	return len(prefix) <= li || fit(prefix[:li+1], int(fixed[kind>>4])+1)
}
