package x411

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"x400flow/osi/ber"
)

// decodeName reads one ORName.
func decodeName(t testing.TB, octets []byte) (*ORName, *decoder) {
	t.Helper()
	d, n := new(decoder), new(ORName)
	c := d.start(octets, &Limits{})
	var e ber.Element
	if !c.Next(&e) {
		t.Fatalf("no element: %v", c.Err())
	}
	d.orName(&c, &e, n)
	return n, d
}

// attr is an ExtensionAttribute.
func attr(number byte, value []byte) []byte {
	return el(seq, num(0x80, number), el(0xa1, value))
}

// pds is a PDSParameter with both forms where they are not empty.
func pds(printable, teletex string) []byte {
	var p [][]byte
	if printable != "" {
		p = append(p, str(prn, printable))
	}
	if teletex != "" {
		p = append(p, str(ttx, teletex))
	}
	return el(set, p...)
}

// bmp is a UniversalOrBMPString of two octets a character under id.
func bmp(id byte, s string) []byte { return el(id, str(0x1e, bmpOctets(s))) }

func bmpOctets(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r >> 8))
		b.WriteByte(byte(r))
	}
	return b.String()
}

// ucs4 is one of four octets a character.
func ucs4(id byte, s string) []byte {
	var b strings.Builder
	for _, r := range s {
		b.Write([]byte{0, byte(r >> 16), byte(r >> 8), byte(r)})
	}
	return el(id, str(0x1c, b.String()), str(prn, "de"))
}

// name is an ORName of standard attributes, domain-defined attributes and
// extension attributes; nil ones are left out.
func name(standard, dda []byte, extension ...[]byte) []byte {
	parts := [][]byte{standard}
	if dda != nil {
		parts = append(parts, dda)
	}
	if extension != nil {
		parts = append(parts, el(set, extension...))
	}
	return el(0x60, parts...)
}

func dda(id byte, pairs ...string) []byte {
	var p [][]byte
	for i := 0; i < len(pairs); i += 2 {
		p = append(p, el(seq, str(id, pairs[i]), str(id, pairs[i+1])))
	}
	return el(seq, p...)
}

func rdn(t testing.TB, id byte, value string, arcs ...int) []byte {
	return el(set, el(seq, oid(t, 0x06, arcs...), str(id, value)))
}

type orNameCase struct {
	name   string
	octets []byte
	text   string
	key    string
}

// orNameCases have tags and types of X.411 Figure 2, labels of RFC 2156 section
// 4.2 and the order of the package documentation.
func orNameCases(t testing.TB) []orNameCase {
	gb := el(seq, country("GB"))
	return []orNameCase{
		{"mnemonic", name(el(seq, country("GB"), admd(" "), el(0xa2, str(prn, "X")), str(0x83, "Y"),
			el(0xa5, str(0x80, "Smith"), str(0x81, "Ann"), str(0x82, "AB"), str(0x83, "Jr")),
			el(0xa6, str(prn, "Z"), str(prn, "Z2"), str(prn, "Z3"), str(prn, "Z4"))), nil,
			attr(1, str(prn, "Ann Smith"))),
			"/C=GB/ADMD= /PRMD=X/O=Y/OU1=Z/OU2=Z2/OU3=Z3/OU4=Z4/CN=Ann Smith/S=Smith/G=Ann/I=AB/GQ=Jr/",
			"/c=gb/admd=/prmd=x/o=y/ou1=z/ou2=z2/ou3=z3/ou4=z4/cn=ann smith/s=smith/g=ann/i=ab/gq=jr/"},
		{"attributes in any order", name(el(seq, el(0xa5, str(0x81, "Ann"), str(0x80, "Smith")), str(0x83, "Y"),
			country("GB")), nil), "/C=GB/O=Y/S=Smith/G=Ann/", "/c=gb/o=y/s=smith/g=ann/"},
		{"numeric", name(el(seq, el(0x61, str(nmr, "234")), el(0x62, str(nmr, "400")), el(0xa2, str(nmr, "7")),
			str(0x84, "0123")), nil), "/C=234/ADMD=400/PRMD=7/N-ID=0123/", "/c=gb/admd=400/prmd=7/n-id=0123/"},
		{"terminal", name(el(seq, str(0x80, "23421920100515"), str(0x81, "TERM 1")), nil, attr(23, num(2, 5))),
			"/X121=23421920100515/T-ID=TERM 1/T-TY=g3-facsimile/", "/x121=23421920100515/t-id=term 1/t-ty=g3-facsimile/"},
		{"unknown terminal type", name(gb, nil, attr(23, num(2, 99))), "/C=GB/T-TY=99/", "/c=gb/t-ty=99/"},
		{"domain-defined", name(gb, dda(prn, "RFC-822", "a(a)b.c", "X=Y/Z", `1\2/3=4`)),
			`/C=GB/DDA:RFC-822=a(a)b.c/DDA:X\=Y\/Z=1\\2\/3=4/`, `/c=gb/dda:rfc-822=a(a)b.c/dda:x\=y\/z=1\\2\/3=4/`},
		{"domain-defined in three forms", name(gb, dda(prn, "T", "p"),
			attr(6, dda(ttx, "T", "t", "U", "\xc8u")),
			attr(28, el(seq, el(seq, bmp(set, "U"), bmp(set, "u")), el(seq, bmp(set, "V"), bmp(set, "Ж"))))),
			"/C=GB/DDA:T=p/DDA:U=ü/DDA:V=Ж/", "/c=gb/dda:t=p/dda:u=ü/dda:v=ж/"},
		{"escapes", name(el(seq, str(0x83, "a/b\\c")), nil), `/O=a\/b\\c/`, `/o=a\/b\\c/`},
		{"control characters", name(el(seq, str(0x83, "a\x00b\r\n")), nil), "/O=a b  /", "/o=a b/"},
		{"spaces", name(el(seq, str(0x83, "  A   B ")), nil), "/O=  A   B /", "/o=a b/"},
		{"octets above 7F in a printable string", name(el(seq, str(0x83, "M\xfcller")), nil), "/O=M\ufffdller/", "/o=m\ufffdller/"},
		{"empty values", name(el(seq, country(""), admd(""), el(0xa2, str(prn, "uk"))), dda(prn, "", "ean")),
			"/C=/ADMD=/PRMD=uk/DDA:=ean/", "/c=/admd=/prmd=uk/dda:=ean/"},
		{"teletex only", name(gb, nil, attr(2, str(ttx, "M\xc8uller")), attr(3, str(ttx, "\xc2Eire")),
			attr(5, el(seq, str(ttx, "\xca\x41"), str(ttx, "b"))),
			attr(4, el(set, str(0x80, "\xcfS"), str(0x81, "\xcac"), str(0x82, "\xe1"), str(0x83, "II")))),
			"/C=GB/O=Éire/OU1=Å/OU2=b/CN=Müller/S=Š/G=c\u030a/I=Æ/GQ=II/",
			"/c=gb/o=éire/ou1=å/ou2=b/cn=müller/s=š/g=c\u030a/i=æ/gq=ii/"},
		{"universal only", name(gb, nil, attr(24, ucs4(set, "Müller")), attr(25, bmp(set, "Éire")),
			attr(27, el(seq, bmp(set, "Å"), bmp(set, "b"))),
			attr(26, el(set, bmp(0xa0, "Ж"), bmp(0xa1, "g"), bmp(0xa2, "i"), bmp(0xa3, "q")))),
			"/C=GB/O=Éire/OU1=Å/OU2=b/CN=Müller/S=Ж/G=g/I=i/GQ=q/",
			"/c=gb/o=éire/ou1=å/ou2=b/cn=müller/s=ж/g=g/i=i/gq=q/"},
		{"the printable form is preferred", name(el(seq, str(0x83, "Mueller"), el(0xa6, str(prn, "p"))), nil,
			attr(25, bmp(set, "Müller")), attr(3, str(ttx, "M\xc8uller")), attr(24, bmp(set, "cn-u")),
			attr(2, str(ttx, "cn-t")), attr(5, el(seq, str(ttx, "x"), str(ttx, "y")))),
			"/O=Mueller/OU1=p/OU2=y/CN=cn-t/", "/o=mueller/ou1=p/ou2=y/cn=cn-t/"},
		{"postal, printable", name(gb, nil,
			attr(7, str(prn, "SERV")), attr(8, str(prn, "DE")), attr(9, str(prn, "D-1")),
			attr(10, pds("Office", "")), attr(11, pds("7", "")), attr(12, pds("Ext", "")),
			attr(13, pds("Person", "")), attr(14, pds("Org", "")), attr(15, pds("Deliv", "")),
			attr(16, el(set, el(seq, str(prn, "Line 1"), str(prn, "Line 2")), str(ttx, "tt"))),
			attr(17, pds("Street 1/2", "")), attr(18, pds("Box", "")), attr(19, pds("Rest", "")),
			attr(20, pds("Uniq", "")), attr(21, pds("Local", ""))),
			`/C=GB/PD-PN=Person/PD-O=Org/PD-STREET=Street 1\/2/PD-BOX=Box/PD-RESTANTE=Rest/PD-UNIQUE=Uniq/` +
				`PD-LOCAL=Local/PD-ADDRESS=Line 1|Line 2/PD-OFFICE=Office/PD-OFFICE-NUM=7/PD-CODE=D-1/PD-C=DE/` +
				`PD-EXT-ADDRESS=Ext/PD-EXT-DELIVERY=Deliv/PD-SERVICE=SERV/`,
			`/c=gb/pd-pn=person/pd-o=org/pd-street=street 1\/2/pd-box=box/pd-restante=rest/pd-unique=uniq/` +
				`pd-local=local/pd-address=line 1|line 2/pd-office=office/pd-office-num=7/pd-code=d-1/pd-c=de/` +
				`pd-ext-address=ext/pd-ext-delivery=deliv/pd-service=serv/`},
		{"postal, teletex and universal", name(gb, nil,
			attr(8, str(nmr, "262")), attr(9, str(nmr, "10115")),
			attr(10, pds("", "t10")), attr(17, pds("p17", "t17")), attr(16, el(set, str(ttx, "t16"))),
			attr(29, bmp(set, "u10")), attr(30, bmp(set, "u11")), attr(31, bmp(set, "u12")),
			attr(32, bmp(set, "u13")), attr(33, bmp(set, "u14")), attr(34, bmp(set, "u15")),
			attr(35, bmp(set, "u16")), attr(36, bmp(set, "u17")), attr(37, bmp(set, "u18")),
			attr(38, bmp(set, "u19")), attr(39, bmp(set, "u20")), attr(40, bmp(set, "u21"))),
			"/C=GB/PD-PN=u13/PD-O=u14/PD-STREET=p17/PD-BOX=u18/PD-RESTANTE=u19/PD-UNIQUE=u20/PD-LOCAL=u21/" +
				"PD-ADDRESS=t16/PD-OFFICE=t10/PD-OFFICE-NUM=u11/PD-CODE=10115/PD-C=262/PD-EXT-ADDRESS=u12/PD-EXT-DELIVERY=u15/",
			"/c=gb/pd-pn=u13/pd-o=u14/pd-street=p17/pd-box=u18/pd-restante=u19/pd-unique=u20/pd-local=u21/" +
				"pd-address=t16/pd-office=t10/pd-office-num=u11/pd-code=10115/pd-c=de/pd-ext-address=u12/pd-ext-delivery=u15/"},
		{"E.164 number", name(gb, nil, attr(22, el(seq, str(0x80, "441234567"), str(0x81, "99")))),
			"/C=GB/NET-NUM=441234567/NET-SUB=99/", "/c=gb/net-num=441234567/net-sub=99/"},
		{"PSAP address", name(gb, nil, attr(22, el(0xa0, el(0xa0, str(octs, "\x01")), el(0xa1, str(octs, "\x02\xab")),
			el(0xa2, str(octs, "T")), el(0xa3, el(set, str(octs, "\x49\x00"), str(octs, "\x47")))))),
			"/C=GB/NET-PSAP=01.02AB.54+4900,47/", "/c=gb/net-psap=01.02ab.54+4900,47/"},
		{"directory name", el(0x60, gb, el(0xa0, el(seq,
			rdn(t, prn, "GB", 2, 5, 4, 6), rdn(t, ttx, "M\xc8u, Co", 2, 5, 4, 10),
			el(set, el(seq, oid(t, 6, 2, 5, 4, 3), str(0x0c, "Ann/ ")), el(seq, oid(t, 6, 1, 2, 3), num(2, 7)))))),
			`/C=GB/DN=CN=Ann\/\\ +1.2.3=#020107,O=Mü\\, Co,C=GB/`, `/c=gb/dn=cn=ann\/\\ +1.2.3=#020107,o=mü\\, co,c=gb/`},
		{"directory name alone", el(0x60, el(seq), el(0xa0, el(seq, rdn(t, prn, "X", 2, 5, 4, 3)))), "/DN=CN=X/", "/dn=cn=x/"},
		{"nothing", el(0x60, el(seq)), "", ""},
		{"explicit attribute type", name(gb, nil, el(seq, el(0xa0, num(2, 1)), el(0xa1, str(prn, "cn")))),
			"/C=GB/CN=cn/", "/c=gb/cn=cn/"},
		{"constructed string", name(el(seq, el(0xa3, str(octs, "ab"), el(0x24, str(octs, "c"), str(octs, "d")))), nil),
			"/O=abcd/", "/o=abcd/"},
		{"constructed of its own type", name(el(seq, el(0xa3, str(prn, "ab"), str(prn, "cd"))), nil), "/O=abcd/", "/o=abcd/"},
		{"indefinite lengths", []byte{0x60, 0x80, 0x30, 0x80, 0x61, 0x80, 0x13, 2, 'G', 'B', 0, 0, 0xa5, 0x80, 0x80, 1, 'S', 0, 0, 0, 0, 0, 0},
			"/C=GB/S=S/", "/c=gb/s=s/"},
	}
}

func TestORNameText(t *testing.T) {
	for _, tt := range orNameCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			n, d := decodeName(t, tt.octets)
			if d.failures > 0 || d.unknown > 0 {
				t.Errorf("failure %s, unknown %s", d.failure.Error(), d.firstUnknown)
			}
			if string(n.Text) != tt.text {
				t.Errorf("text\n got %q\nwant %q", n.Text, tt.text)
			}
			if string(n.Key) != tt.key {
				t.Errorf("key\n got %q\nwant %q", n.Key, tt.key)
			}
		})
	}
}

// Two ways of writing one name have one key.
func TestORNameKeyEquivalence(t *testing.T) {
	tests := []struct {
		name string
		a, b []byte
		same bool
	}{
		{"case and spaces", name(el(seq, str(0x83, "ACME  ltd")), nil), name(el(seq, str(0x83, " Acme Ltd ")), nil), true},
		{"country by number", name(el(seq, el(0x61, str(nmr, "208"))), nil), name(el(seq, country("FR")), nil), true},
		{"one-space and empty ADMD", name(el(seq, admd(" ")), nil), name(el(seq, admd("")), nil), true},
		{"absent and empty ADMD", name(el(seq), nil), name(el(seq, admd("")), nil), false},
		{"another value", name(el(seq, str(0x83, "A B")), nil), name(el(seq, str(0x83, "AB")), nil), false},
		{"a slash is no separator", name(el(seq, str(0x83, "A/S=B")), nil),
			name(el(seq, str(0x83, "A"), el(0xa5, str(0x80, "B"))), nil), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := decodeName(t, tt.a)
			b, _ := decodeName(t, tt.b)
			if got := string(a.Key) == string(b.Key); got != tt.same {
				t.Errorf("%q and %q", a.Key, b.Key)
			}
		})
	}
}

func TestORAddressParts(t *testing.T) {
	n, _ := decodeName(t, name(el(seq, country("GB"), admd(" "), str(0x83, "Mueller")), dda(prn, "A", "B"),
		attr(3, str(ttx, "M\xc8uller")), attr(24, ucs4(set, "ü")), attr(99, num(2, 5))))
	a := &n.Address
	if string(a.Country) != "GB" || string(a.ADMD) != " " || a.PRMD != nil || string(a.Organization) != "Mueller" ||
		string(a.CommonName) != "ü" {
		t.Errorf("%q %q %q %q %q", a.Country, a.ADMD, a.PRMD, a.Organization, a.CommonName)
	}
	want := []Attribute{
		{Kind: AttrDDA, Type: []byte("A"), Value: []byte("B"), Raw: []byte("B")},
		{Kind: AttrOrganization, Form: FormTeletex, Number: 3, Value: []byte("Müller"), Raw: []byte("M\xc8uller")},
		{Kind: AttrCommonName, Form: FormUniversal, Number: 24, Value: []byte("ü"), Raw: []byte("\x00\x00\x00\xfc"), Language: []byte("de")},
		{Kind: AttrUnknown, Form: FormOther, Number: 99, Value: []byte("5"), Raw: []byte{2, 1, 5}},
	}
	sameAttributes(t, a.Attributes, want)
	if string(n.Text) != "/C=GB/ADMD= /O=Mueller/CN=ü/DDA:A=B/" {
		t.Errorf("text %q", n.Text)
	}
}

func sameAttributes(t *testing.T, got, want []Attribute) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d attributes: %+v", len(got), got)
	}
	for i, w := range want {
		g := got[i]
		if g.Kind != w.Kind || g.Form != w.Form || g.Number != w.Number || string(g.Type) != string(w.Type) ||
			string(g.Value) != string(w.Value) || string(g.Raw) != string(w.Raw) || string(g.Language) != string(w.Language) {
			t.Errorf("attribute %d\n got %+v\nwant %+v", i, g, w)
		}
	}
}

// Of built-in attributes those are told beside the fields whose octets are not the values there.
func TestOtherAttributes(t *testing.T) {
	tests := []struct {
		name   string
		octets []byte
		want   []Attribute
	}{
		{"as they should be", name(el(seq, country("GB"), str(0x83, "Y"), el(0xa5, str(0x80, "S"))), nil), nil},
		{"joined", name(el(seq, country("GB"), el(0xa3, str(octs, "ab"), str(octs, "c"))), nil), nil},
		{"behind another attribute", el(0x60, el(set, attr(1, str(prn, "cn"))), el(seq, country("GB"), str(0x83, "Y"))),
			[]Attribute{{Kind: AttrCommonName, Number: 1, Value: []byte("cn"), Raw: []byte("cn")}}},
		{"above 7F", name(el(seq, country("GB"), str(0x83, "M\xfcller"), str(0x84, "1")), nil),
			[]Attribute{{Kind: AttrOrganization, Value: []byte("M\ufffdller"), Raw: []byte("M\xfcller")}}},
		{"teletex", name(el(seq, el(0x61, str(ttx, "GB")), str(0x83, "Y")), dda(prn, "A", "B")), []Attribute{
			{Kind: AttrCountry, Form: FormTeletex, Value: []byte("GB"), Raw: []byte("GB")},
			{Kind: AttrDDA, Type: []byte("A"), Value: []byte("B"), Raw: []byte("B")}}},
		{"in another's place", el(0x60, el(set, attr(1, str(prn, "cn")), attr(8, str(prn, "DE"))), el(seq, country("GB")), el(seq)), []Attribute{
			{Kind: AttrCommonName, Number: 1, Value: []byte("cn"), Raw: []byte("cn")},
			{Kind: AttrPDCountry, Number: 8, Value: []byte("DE"), Raw: []byte("DE")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := decodeName(t, tt.octets)
			sameAttributes(t, n.Address.Attributes, tt.want)
		})
	}
}

// A damaged attribute costs only itself.
func TestDamagedORName(t *testing.T) {
	tests := []struct {
		name   string
		octets []byte
		text   string
		path   string
		code   Code
	}{
		{"country of another type", name(el(seq, el(0x61, num(2, 1)), str(0x83, "Y")), nil), "/O=Y/",
			"built-in-standard-attributes/country-name", CodeUnexpectedTag},
		{"duplicate", name(el(seq, str(0x83, "Y"), str(0x83, "Z")), nil), "/O=Y/",
			"built-in-standard-attributes/organization-name", CodeDuplicate},
		{"odd BMPString", name(el(seq, str(0x83, "Y")), nil, attr(24, el(set, str(0x1e, "abc"))), attr(7, str(prn, "S"))),
			"/O=Y/PD-SERVICE=S/", "extension-attributes/0/extension-attribute-value/universal-common-name", CodeBadString},
		{"primitive personal name", name(el(seq, str(0x83, "Y"), str(0x85, "abc")), nil), "/O=Y/",
			"built-in-standard-attributes/personal-name", berCode(ber.BadValue)},
		{"no standard attributes", el(0x60), "", "built-in-standard-attributes", CodeMissing},
		{"attribute without value", name(el(seq, str(0x83, "Y")), nil, el(seq, num(0x80, 1))), "/O=Y/",
			"extension-attributes/0/extension-attribute-value", CodeMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, d := decodeName(t, tt.octets)
			if string(n.Text) != tt.text {
				t.Errorf("text %q, want %q", n.Text, tt.text)
			}
			if d.failure.Code != tt.code || string(d.failure.Path) != tt.path {
				t.Errorf("%v at %s, want %v at %s", d.failure.Code, d.failure.Path, tt.code, tt.path)
			}
		})
	}
}

// Each octet of ASCII at each place.
func TestAppendLower(t *testing.T) {
	for b := range byte(0x80) {
		text := strings.Repeat(string(rune(b)), 17)
		for n := range text {
			if got := appendLower([]byte("X"), []byte(text[:n])); string(got) != "X"+strings.ToLower(text[:n]) {
				t.Fatalf("%q in lower case is %q", text[:n], got)
			}
		}
	}
}

func FuzzORName(f *testing.F) {
	for _, tt := range orNameCases(f) {
		f.Add(tt.octets)
	}
	var a APDU
	for _, file := range realNames(f) {
		in := realOctets(f, file)
		a.Decode(in)
		for _, n := range []*ORName{&a.Originator, &a.Destination} {
			if n.Present {
				f.Add(n.Octets.Of(in))
			}
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		var d decoder
		c := d.start(octets, &Limits{})
		var e ber.Element
		if !c.Next(&e) {
			return
		}
		var n ORName
		d.orName(&c, &e, &n)
		if !utf8.Valid(n.Text) || !utf8.Valid(n.Key) {
			t.Errorf("no UTF-8: %q %q", n.Text, n.Key)
		}
		if len(n.Text) > 0 && (n.Text[0] != '/' || n.Text[len(n.Text)-1] != '/') {
			t.Errorf("text %q", n.Text)
		}
		fields, present := n.Address.Fields()
		ddas := false
		for k := range fields {
			if (fields[k] != nil) != (present>>k&1 != 0) {
				t.Errorf("field %d is %q, of those present %x", k, fields[k], present)
			}
		}
		for i := range n.Address.Attributes {
			ddas = ddas || n.Address.Attributes[i].Kind == AttrDDA
		}
		if present>>fieldKinds != 0 || n.Address.HasDDAs() != ddas {
			t.Errorf("of fields %x present, domain-defined attributes %v", present, !ddas)
		}
		if len(n.Text) > 16*len(octets)+1024 {
			t.Errorf("%d octets of text from %d", len(n.Text), len(octets))
		}
		if (len(n.Text) == 0) != (len(n.Key) == 0) {
			t.Errorf("text %q, key %q", n.Text, n.Key)
		}
	})
}

// plainAlike reads each constructed element in octets as standard attributes that are plain
// and as any, and compares what comes of those that are. It returns how many are.
func plainAlike(t *testing.T, octets []byte, depth, spent int) (plain int) {
	t.Helper()
	eachElement(octets, func(octets []byte) {
		var short, long decoder
		var names [2]ORName
		var left [2]int
		taken := false
		for i, d := range []*decoder{&short, &long} {
			c := d.start(octets, &Limits{Depth: depth})
			var e ber.Element
			if !c.Next(&e) {
				return
			}
			c.Spend(spent)
			if i == 0 {
				_, taken = d.plainStandard(&c, &e, &names[i].Address)
			} else {
				d.anyStandard(&c, &e)
			}
			_, left[i] = c.Left(&e)
			d.finishName(&names[i], d.attrs, nil)
		}
		if !taken {
			if !reflect.DeepEqual(names[0].Address, ORAddress{}) {
				t.Errorf("%x: address %+v of what is not plain", octets, names[0].Address)
			}
			return
		}
		plain++
		if !reflect.DeepEqual(names[0], names[1]) {
			t.Errorf("%x:\nplain %+v\nany   %+v", octets, names[0], names[1])
		}
		if long.failures > 0 || long.unknown > 0 {
			t.Errorf("%x is plain: %s, unknown %s", octets, long.failure.Error(), long.firstUnknown)
		}
		if left[0] != left[1] {
			t.Errorf("%x: %d elements may follow, not %d", octets, left[0], left[1])
		}
	})
	return plain
}

// Standard attributes that are read as plain ones are as they are otherwise; with
// everything as it should be they are plain, in definite, long and indefinite lengths.
func TestPlainStandard(t *testing.T) {
	whole := el(seq, country("GB"), admd(" "), str(0x80, "234"), str(0x81, "T"), el(0xa2, str(nmr, "4711")), str(0x83, "Y"),
		str(0x84, "0123"), el(0xa5, str(0x80, "Smith"), str(0x81, "Ann"), str(0x82, "AB"), str(0x83, "Jr")),
		el(0xa6, str(prn, "Z"), str(prn, "Z2"), str(prn, "Z3"), str(prn, "Z4")))
	for _, octets := range [][]byte{whole, coding{indefinite: true}.encode(parse(t, whole)), coding{long: true}.encode(parse(t, whole))} {
		var d decoder
		c := d.start(octets, &Limits{})
		var e ber.Element
		if !c.Next(&e) {
			t.Fatal(c.Err())
		}
		var a ORAddress
		if _, ok := d.plainStandard(&c, &e, &a); !ok || bits.OnesCount64(a.kinds) != 15 {
			t.Errorf("%x: attributes %x", octets, a.kinds)
		}
		for i := range octets {
			for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff, octets[i] ^ 0x20, octets[i] + 1, octets[i] - 1, 0x12, 0x13, 0x83, 0xa6} {
				changed := slices.Clone(octets)
				changed[i] = v
				plainAlike(t, changed, 0, 0)
			}
		}
		for depth := 1; depth < 6; depth++ {
			plainAlike(t, octets, depth, 0)
		}
		for left := range 60 {
			plainAlike(t, octets, 0, ber.DefaultMinElements+8*len(octets)-1-left)
		}
	}
	plain := 0
	for _, file := range realNames(t) {
		plain += plainAlike(t, realOctets(t, file), 0, 0)
	}
	for _, in := range fuzzed(t) {
		plainAlike(t, in, 0, 0)
	}
	if plain < 50 {
		t.Errorf("%d elements of what was captured are plain", plain)
	}
}

// Each octet beyond ASCII is found, wherever it is, and nothing beside what is asked for counts.
func TestShortSevenBits(t *testing.T) {
	for n := range 20 {
		for i := range n {
			in := make([]byte, n)
			in[i] = 0x80
			for p := range n + 1 {
				for end := p; end <= n; end++ {
					if got, want := sevenBits(in, p, end), i < p || i >= end; got != want {
						t.Fatalf("%x from %d to %d: %v", in, p, end, got)
					}
				}
			}
		}
	}
}

func FuzzPlainStandard(f *testing.F) {
	for _, tt := range orNameCases(f) {
		f.Add(tt.octets, byte(0), uint16(0))
	}
	f.Add(coding{long: true}.encode(parse(f, standard("Smith"))), byte(0), uint16(0))
	f.Fuzz(func(t *testing.T, octets []byte, depth byte, spent uint16) {
		plainAlike(t, octets, int(depth), int(spent))
	})
}

// What is called plain is what escaping leaves alone and folding makes lower case of,
// by the library's own functions.
func TestPlainValues(t *testing.T) {
	const octets = "aZ9 /\\=\x00\x1f\x7f\x80é.-"
	for n := range 20000 {
		var v []byte
		for m := n; m > 0; m /= len(octets) + 1 {
			if i := m % (len(octets) + 1); i > 0 {
				v = append(v, octets[i-1])
			}
		}
		words := strings.Join(strings.Fields(string(v)), " ")
		simple := words == string(v) && words != "" && !strings.ContainsAny(words, "/\\=\x00\x1f\x7f") && !strings.ContainsFunc(words, func(r rune) bool { return r > 0x7f })
		// Before other octets of the input, and by itself.
		in := append(v[:len(v):len(v)], "\x00\xff/ =\x7f\\\x80"...)
		x, short := plainShort(in, in[:len(v):len(v)])
		if short && (!simple || string(binary.LittleEndian.AppendUint64(nil, x)[:len(v)]) != string(v)) {
			t.Errorf("%q is put as %x", v, x)
		}
		if _, ok := plainShort(v, v); ok || !short && simple && len(v) < 8 && !strings.Contains(words, " ") {
			t.Errorf("%q is short: %v, %v", v, short, ok)
		}
		text := make([]byte, len(v))
		if plain := putPlain(text, v); plain != simple {
			t.Fatalf("%q: plain is %v", v, plain)
		}
		if !simple {
			continue
		}
		if string(text) != string(v) {
			t.Errorf("%q is put as %q", v, text)
		}
		if got := appendEscaped(nil, v, true); string(got) != string(v) {
			t.Errorf("%q escaped is %q", v, got)
		}
		if got := appendFolded(nil, v, true); string(got) != strings.ToLower(string(v)) {
			t.Errorf("%q folded is %q", v, got)
		}
		if got := appendLower(nil, v); string(got) != strings.ToLower(string(v)) {
			t.Errorf("%q in lower case is %q", v, got)
		}
	}
}

// Each octet at each place of a word, beside others.
func TestPlainWord(t *testing.T) {
	for _, other := range []byte("a \x00\x7f\x80\xff/") {
		for b := range 256 {
			for at := range 8 {
				v := bytes.Repeat([]byte{other}, 8)
				v[at] = byte(b)
				if got, want := plainWord(word(v)), folded[b] != 0 && folded[other] != 0; got != want {
					t.Errorf("%q is plain: %v", v, got)
				}
			}
		}
	}
}

// TestCountryOfDCC looks for the country of every data country code in each run of codes.
func TestCountryOfDCC(t *testing.T) {
	for n := range uint16(1000) {
		want := ""
		for _, c := range dccCountries {
			if n >= c.first && n <= c.last {
				want = c.alpha
			}
		}
		if got := countryOfDCC(fmt.Appendf(nil, "%03d", n)); got != want {
			t.Errorf("%03d is %q, want %q", n, got, want)
		}
	}
}

// TestAddressFields gives each kind of attribute its own field.
func TestAddressFields(t *testing.T) {
	var a ORAddress
	fields := [...]*[]byte{
		AttrCountry: &a.Country, AttrADMD: &a.ADMD, AttrPRMD: &a.PRMD, AttrX121: &a.X121, AttrTerminalID: &a.TerminalID,
		AttrOrganization: &a.Organization, AttrUnit1: &a.Units[0], AttrUnit2: &a.Units[1], AttrUnit3: &a.Units[2],
		AttrUnit4: &a.Units[3], AttrCommonName: &a.CommonName, AttrSurname: &a.Surname, AttrGivenName: &a.GivenName,
		AttrInitials: &a.Initials, AttrGeneration: &a.Generation, AttrNumericID: &a.NumericID, AttrTerminalType: &a.TerminalType,
	}
	if len(fields) != int(fieldKinds) {
		t.Fatalf("%d fields", len(fields))
	}
	for k, want := range fields {
		if got := a.field(AttributeKind(k)); got != want {
			t.Errorf("%s has another field", AttributeKind(k).Label())
		}
	}
}
