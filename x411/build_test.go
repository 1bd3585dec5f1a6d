package x411

import (
	"encoding/asn1"
	"slices"
	"testing"
)

// Builders of encodings for tests, which know nothing of the package under test.

// el is one element: identifier octet id, and the parts as contents.
func el(id byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	out := []byte{id}
	switch n := len(body); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, body...)
}

// str is a string element.
func str(id byte, s string) []byte { return el(id, []byte(s)) }

// oid is an OBJECT IDENTIFIER by the encoder of the standard library, under the
// given identifier octet.
func oid(t testing.TB, id byte, arcs ...int) []byte {
	t.Helper()
	b, err := asn1.Marshal(asn1.ObjectIdentifier(arcs))
	if err != nil {
		t.Fatal(err)
	}
	b[0] = id
	return b
}

func num(id byte, v ...byte) []byte { return el(id, v) }

const (
	seq  = 0x30
	set  = 0x31
	prn  = 0x13
	ttx  = 0x14
	nmr  = 0x12
	ia5  = 0x16
	utc  = 0x17
	octs = 0x04
)

func country(s string) []byte { return el(0x61, str(prn, s)) }
func admd(s string) []byte    { return el(0x62, str(prn, s)) }

func gdi(prmd string) []byte {
	return el(0x63, country("GB"), admd(" "), str(prn, prmd))
}

func mtsID(prmd, local string) []byte { return el(0x64, gdi(prmd), str(ia5, local)) }

// orName is an ORName of a surname.
func orName(surname string) []byte { return el(0x60, standard(surname)) }

func standard(surname string) []byte {
	return el(seq, country("GB"), admd(" "), el(0xa2, str(prn, "X")), el(0xa5, str(0x80, surname)))
}

func traceInfo() []byte {
	return el(0x69, el(seq, gdi("X"), el(set, str(0x80, "9605010959Z"), num(0x82, 0))))
}

// extn is an ExtensionField of a standard extension.
func extn(number byte, criticality, value []byte) []byte {
	f := [][]byte{num(0x80, number)}
	if criticality != nil {
		f = append(f, el(0x81, criticality))
	}
	if value != nil {
		f = append(f, el(0xa2, value))
	}
	return el(seq, f...)
}

// messageWith is a bare message with extensions in its envelope and in its one
// recipient, and whatever further fields.
func messageWith(envelope, recipient [][]byte, further ...[]byte) []byte {
	fields := [][]byte{
		mtsID("X", "m.1"), orName("Smith"), num(0x46, 22), traceInfo(),
	}
	fields = append(fields, further...)
	if envelope != nil {
		fields = append(fields, el(0xa3, envelope...))
	}
	r := [][]byte{orName("Jones"), num(0x80, 1), el(0x81, []byte{3, 0xa8})}
	if recipient != nil {
		r = append(r, el(0xa3, recipient...))
	}
	fields = append(fields, el(0xa2, el(set, r...)))
	return el(0xa0, el(set, fields...), str(octs, "content"))
}

// everything is a message with every extension.
func everything(t testing.TB) []byte {
	t.Helper()
	var x [][]byte
	for _, e := range extensionCases(t) {
		if e.err == CodeNone {
			x = append(x, e.field)
		}
	}
	return messageWith(x, x[:4])
}
