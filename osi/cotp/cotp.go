// Package cotp decodes the TPDUs of the connection-oriented transport protocol
// (X.224, ISO 8073), of class 0 as RFC 1006 uses it; the headers of other
// classes are recognised and skipped.
//
// [Decode] never allocates. What it gives refers to its input. UNIT DATA of
// the connectionless protocol is out of scope. Decode may be called
// concurrently.
package cotp

// Kind is a TPDU's kind (X.224 13.1).
type Kind uint8

// The kinds of TPDU, with the codes of X.224 table 8 (the credit bits zero).
const (
	CR Kind = 0xE0 // Connection request, 13.3.
	CC Kind = 0xD0 // Connection confirm, 13.4.
	DR Kind = 0x80 // Disconnect request, 13.5.
	DC Kind = 0xC0 // Disconnect confirm, 13.6.
	DT Kind = 0xF0 // Data, 13.7.
	ED Kind = 0x10 // Expedited data, 13.8.
	AK Kind = 0x60 // Data acknowledgement, 13.9.
	EA Kind = 0x20 // Expedited data acknowledgement, 13.10.
	RJ Kind = 0x50 // Reject, 13.11.
	ER Kind = 0x70 // TPDU error, 13.12.
)

// A Parameter is a variable part's parameter that has no field of its own.
type Parameter struct {
	Code  uint8
	Value []byte
}

// MaxUnknown is the number of unknown parameters kept; the others are counted.
const MaxUnknown = 8

// A TPDU is one decoded TPDU. Its slices refer to the input of Decode.
type TPDU struct {
	Kind    Kind
	Class   uint8 // CR and CC: the preferred or selected class.
	Options uint8 // CR and CC: the low four bits of the class octet.
	Credit  uint8
	DstRef  uint16
	SrcRef  uint16
	Reason  uint8 // DR: reason (13.5.3 d). ER: reject cause (13.12.3 c).
	EOT     bool  // DT and ED: end of the TSDU.
	Number  uint32

	TPDUSize                int    // Octets; 0 where the parameter is absent.
	PreferredMax            uint32 // Octets; 0 where the parameter is absent.
	CallingTSAP             []byte
	CalledTSAP              []byte
	HaveCalling, HaveCalled bool
	Version                 uint8
	HaveChecksum            bool
	Checksum                uint16
	AltClasses              []byte
	AddOptions              uint8
	Invalid                 []byte // ER: the rejected TPDU's header.
	Additional              []byte // DR: additional information.

	Unknown      [MaxUnknown]Parameter
	UnknownCount int

	Header []byte // The header, its length indicator included.
	User   []byte // The user data.
}

// Code is a decoding error.
type Code uint8

// Error codes.
const (
	ErrShort Code = 1 + iota
	ErrLI
	ErrCode
	ErrParameter
)

func (c Code) Error() string { return "cotp error" }

// Decode decodes the first TPDU of an NSDU. It returns the number of octets
// that the TPDU takes, so that concatenated ones can be decoded in turn. On
// failure the error is a Code and n is the offset of the octet at fault.
func Decode(nsdu []byte, t *TPDU) (n int, err error) { return 0, ErrShort }
