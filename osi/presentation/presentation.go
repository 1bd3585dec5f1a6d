// Package presentation decodes the PPDUs of the presentation protocol (X.226,
// ISO 8823): in normal mode those that open, refuse and abort a connection, and
// user data, fully and simply encoded; in X.410-1984 mode those that open,
// refuse and abort one. In X.410-1984 mode data have no PPDU: the session user
// data are the RTSE's.
//
// A [PPDU] decodes one PPDU, a [UserData] walks the presentation data values of
// one User-data. Which PPDU it is, the session SPDU that carries it says (X.226
// 8.3 to 8.5); the octets do not.
//
// Refused, with a [Code] and an offset: octets that are not BER, or not the
// PPDU asked for. Unknown fields are skipped and counted; of context lists the
// first [MaxContexts] are kept, all are counted.
//
// Nothing is copied but for constructed strings, which UserData joins in memory
// of its own and reuses; nothing is allocated otherwise but once, for the ends of
// elements. What is given refers to the input. A PPDU and a UserData are for one
// goroutine.
package presentation

import "x400flow/osi/ber"

// Kind is a PPDU's kind.
type Kind uint8

// The kinds of PPDU that Decode reads.
const (
	CP    Kind = 1 + iota // Connect, X.226 8.2.1: S-CONNECT request.
	CPA                   // Connect accept, X.226 8.2.2: S-CONNECT response.
	CPR                   // Connect reject, X.226 8.2.3.
	Abort                 // ARU or ARP, X.226 8.2.4, 8.2.5: S-U-ABORT.
)

// Mode is the mode of the protocol (X.226 5.2).
type Mode uint8

// The modes.
const (
	Unknown Mode = iota
	Normal
	X410
)

// MaxContexts is how many presentation contexts of a list are kept.
const MaxContexts = 32

// Context is an item of a presentation context definition list. Names are the
// contents octets of OBJECT IDENTIFIERs.
type Context struct {
	ID            int64
	Abstract      []byte
	Transfer      []byte // The first of them.
	TransferCount int
}

// The values of Result.Result (X.226 8.2.2).
const (
	Acceptance        = 0
	UserRejection     = 1
	ProviderRejection = 2
)

// Result is an item of a presentation context definition result list. It stands
// in the place of the context that it answers.
type Result struct {
	Result   int64
	Reason   int64 // Provider-reason, -1 without.
	Transfer []byte
}

// PPDU is a decoded PPDU. Fields that are absent are nil, or -1 where they are
// numbers.
type PPDU struct {
	Kind Kind
	Mode Mode
	// Provider tells ARP from ARU.
	Provider bool

	Calling, Called, Responding []byte // Presentation selectors.
	Contexts                    [MaxContexts]Context
	ContextCount                int
	Results                     [MaxContexts]Result
	ResultCount                 int
	DefaultAbstract             []byte
	DefaultTransfer             []byte
	DefaultResult               int64
	Reason                      int64 // Provider-reason of CPR, Abort-reason of ARP.
	Event                       int64 // Event-identifier of ARP.

	// UserData is the User-data element with all that follows it (CPC), in normal
	// mode; UserStart is its offset in the input.
	UserData  []byte
	UserStart int
	// RTSE is the SET of the X.410-1984 mode parameters, contents octets only:
	// the components of RTORQ, RTOAC, RTORJ or RTAB (X.228 clause 9). RTSEStart
	// is their offset.
	RTSE      []byte
	RTSEStart int

	Unknown int // Fields that are not of X.226.

	d ber.Decoder
}

// maxSpans is how many ends of nested elements of indefinite length are kept: two for
// each of seven contexts, and those around them.
const maxSpans = 20

// Form is the alternative in which a presentation data value is sent (X.226
// 8.4.2).
type Form uint8

// The forms.
const (
	SingleASN1   Form = iota // [0], one value of an ASN.1 type.
	OctetAligned             // [1], one or more values.
	Arbitrary                // [2], bits.
	Simple                   // Simply-encoded-data, in the default or the only context.
)

// PDV is one PDV-list of user data.
type PDV struct {
	Context  int64 // -1 in simply encoded data.
	Transfer []byte
	Form     Form
	// Octets is the value: a whole element for SingleASN1. It begins at Start in
	// the input and, unless Joined, when it was put together from segments, stands
	// there without interruption; see [UserData.Place].
	Octets []byte
	Start  int
	Joined bool
	Unused int // Unused bits of Arbitrary.
}

const (
	tagSimple = 0 // [APPLICATION 0].
	tagFully  = 1 // [APPLICATION 1].
)

// Code says why octets could not be decoded.
type Code uint8

// The error codes. Those from ErrBER on are package ber's codes.
const (
	OK        Code = iota
	ErrPPDU        // Not the PPDU that the session service asks for.
	ErrMode        // Neither normal nor X.410-1984 mode.
	ErrValue       // A field whose value is not one of its type.
	ErrData        // Not User-data.
	ErrPDV         // A PDV-list without context identifier or values.
	ErrLength      // User-data goes on behind its end.
	ErrBER    Code = 0x40
)

var codeNames = [...]string{
	"no error", "not the PPDU of this session service", "neither normal nor X.410-1984 mode", "field has a value not of its type",
	"not user data", "incomplete PDV list", "octets behind the user data",
}

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
func (c Code) Error() string { return "presentation: " + c.String() }

func berCode(c ber.Code) Code {
	if c == ber.None {
		return OK
	}
	return ErrBER + Code(c)
}

// AbortReason returns what ARP's Abort-reason means (X.226 8.2.5).
func AbortReason(n int64) string { return name(abortReasons[:], n) }

// ProviderReason returns what CPR's Provider-reason means (X.226 8.2.3).
func ProviderReason(n int64) string { return name(providerReasons[:], n) }

var abortReasons = [...]string{"reason not specified", "unrecognized PPDU", "unexpected PPDU", "unexpected session service primitive",
	"unrecognized PPDU parameter", "unexpected PPDU parameter", "invalid PPDU parameter value"}

var providerReasons = [...]string{"reason not specified", "temporary congestion", "local limit exceeded",
	"called presentation address unknown", "protocol version not supported", "default context not supported",
	"user data not readable", "no access point available"}

func name(names []string, n int64) string {
	if n >= 0 && n < int64(len(names)) {
		return names[n]
	}
	if n == -1 {
		return "no reason given"
	}
	return "unknown reason"
}
