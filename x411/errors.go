package x411

import "x400flow/osi/ber"

// Code says why a field could not be read.
type Code uint8

// The codes of this layer. Those of the encoding follow from CodeBER on, in
// the order of package ber.
const (
	CodeNone Code = iota
	// CodeNotAPDU: the octets are neither an MTS-APDU nor an EXTERNAL with one.
	CodeNotAPDU
	// CodeNotBind: the octets are no bind argument, result or error.
	CodeNotBind
	// CodeTrailing: octets follow the value.
	CodeTrailing
	// CodeMissing: a mandatory field is absent.
	CodeMissing
	// CodeDuplicate: a field comes twice; the first one counts.
	CodeDuplicate
	// CodeUnexpectedTag: another type stands where the field should be.
	CodeUnexpectedTag
	// CodeBadTime: a UTCTime cannot be read.
	CodeBadTime
	// CodeBadNumber: an INTEGER or ENUMERATED is empty or out of range.
	CodeBadNumber
	// CodeBadOID: an OBJECT IDENTIFIER cannot be read.
	CodeBadOID
	// CodeBadString: a character string or its segments cannot be read.
	CodeBadString
	// CodeBadBits: a BIT STRING cannot be read.
	CodeBadBits
	// CodeBadExternal: the EXTERNAL does not hold one MTS-APDU.
	CodeBadExternal
	// CodeTooLong: a text exceeds Limits.Text and was cut.
	CodeTooLong
	// CodeNotContent: the octets are no value of the content type.
	CodeNotContent
	// CodeTooNested: forwarded messages are nested deeper than the limit.
	CodeTooNested
	// CodeTooMany: there are more than the limit allows; the rest is counted.
	CodeTooMany

	// CodeBER plus a ber.Code is a failure of the encoding.
	CodeBER Code = 64
)

var codeText = [...]string{
	CodeNone:          "no error",
	CodeNotAPDU:       "no MTS-APDU",
	CodeNotBind:       "no MTA bind",
	CodeTrailing:      "octets after the value",
	CodeMissing:       "mandatory field absent",
	CodeDuplicate:     "field comes twice",
	CodeUnexpectedTag: "unexpected tag",
	CodeBadTime:       "not a UTCTime",
	CodeBadNumber:     "not a number in range",
	CodeBadOID:        "not an object identifier",
	CodeBadString:     "not a character string",
	CodeBadBits:       "not a bit string",
	CodeBadExternal:   "not an EXTERNAL with one MTS-APDU",
	CodeTooLong:       "text longer than the limit",
	CodeNotContent:    "not a value of the content type",
	CodeTooNested:     "nested deeper than the limit",
	CodeTooMany:       "more than the limit",
}

// String returns the code as a short English phrase.
func (c Code) String() string {
	if c >= CodeBER {
		return ber.Code(c - CodeBER).String()
	}
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return "unknown code"
}

func berCode(c ber.Code) Code { return CodeBER + Code(c) }
