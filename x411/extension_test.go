package x411

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"x400flow/osi/ber"
)

type extensionCase struct {
	name  string
	field []byte
	value string
	crit  Criticality
	err   Code
}

// algorithm is an AlgorithmIdentifier of RSA with a NULL parameter.
func algorithm(t testing.TB) []byte {
	return el(seq, oid(t, 6, 1, 2, 840, 113549, 1, 1, 4), el(5))
}

func signature(t testing.TB) []byte {
	return el(seq, algorithm(t), el(3, []byte{0, 0xde, 0xad, 0xbe, 0xef}))
}

// certificate is a certificate made by the standard library.
func certificate(t testing.TB) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(0x1234),
		Subject:      pkix.Name{Country: []string{"GB"}, Organization: []string{"Y"}, CommonName: "Ann Smith"},
		NotBefore:    time.Date(1999, 1, 2, 3, 4, 5, 0, time.UTC),
		NotAfter:     time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func label(t testing.TB, id byte) []byte {
	return el(id, oid(t, 6, 1, 3, 26, 1), num(2, 4), str(prn, "NOFORN"),
		el(set, el(seq, oid(t, 0x80, 1, 3, 26, 2), el(0xa1, num(2, 5))),
			el(seq, oid(t, 0x80, 1, 3, 26, 3), el(0xa1, el(seq, str(ia5, "EYES"), el(1, []byte{0xff}))))))
}

const labelText = `policy=1.3.26.1; classification=secret; privacy-mark=NOFORN; categories=1.3.26.2 (5), 1.3.26.3 ({"EYES", TRUE})`

// extensionCases are all extensions of X.411 with values encoded by hand after
// X.411 Figure 2. tshark 4.0 reads the values of 1 to 40, 42 and 45 as they are
// given here; those of 36, 41, 43, 44 and 46 it does not decode.
func extensionCases(t testing.TB) []extensionCase {
	t.Helper()
	enum := func(v byte) []byte { return num(10, v) }
	const smith = "/C=GB/ADMD= /PRMD=X/S=Smith/"
	const certText = "serial=1234; algorithm=1.3.101.112; issuer=CN=Ann Smith,O=Y,C=GB; not-before=1999-01-02T03:04:05Z; " +
		"not-after=2051-01-02T03:04:05Z; subject=CN=Ann Smith,O=Y,C=GB"
	const signText = "algorithm=1.2.840.113549.1.1.4; value='DEADBEEF'H"
	cert := certificate(t)
	token := el(seq, oid(t, 0x80, 2, 6, 3, 6, 0), el(0xa1, el(seq,
		el(seq, algorithm(t), orName("Smith"), str(utc, "9605010959Z"),
			el(0xa0, num(0x80, 2), el(0xa1, el(seq, el(0xa0, oid(t, 6, 1, 3, 14, 3, 2, 7)),
				el(0xa1, algorithm(t), el(3, []byte{0, 1})), label(t, 0xa2), num(0x83, 1), num(0x84, 7)))),
			el(0xa1, oid(t, 6, 1, 3, 14, 3, 2, 7)), el(0x82, []byte{0, 1, 2, 3})),
		algorithm(t), el(3, []byte{0, 0xab, 0xcd}))))
	const tokenText = "type=2.6.3.6.0; signature-algorithm=1.2.840.113549.1.1.4; recipient=" + smith +
		"; time=1996-05-01T09:59:00Z; signed-data=message-token-signed-data {content-confidentiality-algorithm-identifier=1.3.14.3.2.7; " +
		"content-integrity-check={algorithm=1.2.840.113549.1.1.4; value='01'H}; message-security-label={" + labelText +
		"}; proof-of-delivery-request=proof-of-delivery-requested; message-sequence-number=7}; encryption-algorithm=1.3.14.3.2.7; encrypted-data=3 octets; " +
		"algorithm=1.2.840.113549.1.1.4; signature='ABCD'H"
	// Of what an EncryptionToken may hold, all.
	encryption := el(set, algorithm(t), el(3, []byte{0, 1, 2}), el(0xa0, num(0x80, 1)), el(0xa1, cert), el(0xa2, num(0x80, 2)), el(0xa3, el(0xa1, cert)))
	const encryptionText = "encryption-algorithm=1.2.840.113549.1.1.4; encrypted-key=2 octets; recipient-certificate-selector={serialNumber=01}; " +
		"recipient-certificate={" + certText + "}; originator-certificate-selector={serialNumber=02}; originator-certificates={" + certText + "}"
	nameAndTime := func(surname, at string) []byte { return el(seq, orName(surname), str(utc, at)) }
	internal := el(seq,
		el(seq, gdi("X"), str(ia5, "mta-1"), el(set, str(0x80, "960501095900Z"), num(0x82, 0))),
		el(seq, gdi("Y"), str(ia5, "mta-2"), el(set, str(0x80, "960501110000+0100"), num(0x82, 1), str(ia5, "mta-3"),
			str(0x81, "9605011300Z"), el(0x65, el(0x80, []byte{5, 0x20})), el(0x83, []byte{6, 0xc0}))))
	return []extensionCase{
		{"recipient-reassignment-prohibited", extn(1, []byte{5, 0x20}, enum(1)), "recipient-reassignment-prohibited", CriticalForDelivery, 0},
		{"originator-requested-alternate-recipient", extn(2, []byte{7, 0x80}, orName("Smith")), smith, CriticalForSubmission, 0},
		{"dl-expansion-prohibited", extn(3, nil, enum(0)), "dl-expansion-allowed", 0, 0},
		{"conversion-with-loss-prohibited", extn(4, []byte{6, 0xc0}, enum(1)), "conversion-with-loss-prohibited", CriticalForSubmission | CriticalForTransfer, 0},
		{"latest-delivery-time", extn(5, nil, str(utc, "960501120000+0200")), "1996-05-01T10:00:00Z", 0, 0},
		{"requested-delivery-method", extn(6, nil, el(seq, num(2, 1), num(2, 3), num(2, 77))), "mhs-delivery,telex-delivery,77", 0, 0},
		{"physical-forwarding-prohibited", extn(7, nil, enum(1)), "physical-forwarding-prohibited", 0, 0},
		{"physical-forwarding-address-request", extn(8, nil, enum(1)), "physical-forwarding-address-requested", 0, 0},
		{"physical-delivery-modes", extn(9, nil, el(3, []byte{0, 0x21})), "express-mail,bureau-fax-delivery", 0, 0},
		{"registered-mail-type", extn(10, nil, num(2, 2)), "registered-mail-to-addressee-in-person", 0, 0},
		{"recipient-number-for-advice", extn(11, nil, str(ttx, "+44 \xc8u")), "+44 ü", 0, 0},
		{"physical-rendition-attributes", extn(12, nil, oid(t, 6, 2, 6, 3, 5, 0)), "2.6.3.5.0", 0, 0},
		{"originator-return-address", extn(13, nil, el(seq, standard("Smith"))), smith, 0, 0},
		{"physical-delivery-report-request", extn(14, nil, num(2, 3)), "return-of-notification-by-MHS-and-PDS", 0, 0},
		{"originator-certificate", extn(15, nil, el(seq, cert)), certText, 0, 0},
		{"message-token", extn(16, nil, token), tokenText, 0, 0},
		{"content-confidentiality-algorithm-identifier", extn(17, nil, el(seq, oid(t, 6, 1, 3, 14, 3, 2, 7), str(octs, "\x01\x02"))), "1.3.14.3.2.7 ('0102'H)", 0, 0},
		{"content-integrity-check", extn(18, nil, signature(t)), signText, 0, 0},
		{"message-origin-authentication-check", extn(19, nil, signature(t)), signText, 0, 0},
		{"message-security-label", extn(20, nil, label(t, set)), labelText, 0, 0},
		{"proof-of-submission-request", extn(21, nil, enum(1)), "proof-of-submission-requested", 0, 0},
		{"proof-of-delivery-request", extn(22, nil, enum(1)), "proof-of-delivery-requested", 0, 0},
		{"content-correlator", extn(23, nil, str(ia5, "ref 1")), "ref 1", 0, 0},
		{"content-correlator", extn(23, nil, str(octs, "\x00\x01")), "'0001'H", 0, 0},
		{"probe-origin-authentication-check", extn(24, nil, signature(t)), signText, 0, 0},
		{"redirection-history", extn(25, nil, el(seq,
			el(seq, nameAndTime("Smith", "9605010959Z"), enum(0)), el(seq, nameAndTime("Jones", "9605011000Z"), enum(4)))),
			smith + " 1996-05-01T09:59:00Z recipient-assigned-alternate-recipient; /C=GB/ADMD= /PRMD=X/S=Jones/ 1996-05-01T10:00:00Z alias", 0, 0},
		{"dl-expansion-history", extn(26, nil, el(seq, nameAndTime("Smith", "9605010959Z"))), smith + " 1996-05-01T09:59:00Z", 0, 0},
		{"physical-forwarding-address", extn(27, nil, orName("Smith")), smith, 0, 0},
		{"recipient-certificate", extn(28, nil, el(seq, cert, el(seq, el(seq)))), certText + "; certification-path=4 octets", 0, 0},
		{"proof-of-delivery", extn(29, nil, signature(t)), signText, 0, 0},
		{"originator-and-DL-expansion-history", extn(30, nil, el(seq, nameAndTime("Smith", "9605010959Z"), nameAndTime("List", "9605011000Z"))),
			smith + " 1996-05-01T09:59:00Z; /C=GB/ADMD= /PRMD=X/S=List/ 1996-05-01T10:00:00Z", 0, 0},
		{"reporting-DL-name", extn(31, nil, orName("Smith")), smith, 0, 0},
		{"reporting-MTA-certificate", extn(32, nil, el(seq, cert)), certText, 0, 0},
		{"report-origin-authentication-check", extn(33, nil, signature(t)), signText, 0, 0},
		{"originating-MTA-certificate", extn(34, nil, el(seq, cert)), certText, 0, 0},
		{"proof-of-submission", extn(35, nil, signature(t)), signText, 0, 0},
		{"forwarding-request", extn(36, nil, num(2, 17)), "17", 0, 0},
		{"trace-information", extn(37, nil, traceInfo()), "/PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed", 0, 0},
		{"internal-trace-information", extn(38, nil, internal), "/PRMD=X/ADMD= /C=GB/ mta-1 1996-05-01T09:59:00Z relayed; " +
			"/PRMD=Y/ADMD= /C=GB/ mta-2 1996-05-01T10:00:00Z rerouted attempted-mta=mta-3 deferred=1996-05-01T13:00:00Z " +
			"converted=ia5-text redirected,dl-operation", 0, 0},
		{"reporting-MTA-name", extn(39, nil, el(seq, gdi("X"), str(ia5, "mta-1"), el(0xa0, el(seq, rdn(t, prn, "mta", 2, 5, 4, 3))))),
			"/PRMD=X/ADMD= /C=GB/ mta-1 DN=CN=mta", 0, 0},
		{"multiple-originator-certificates", extn(40, nil, el(set, el(0xa0, el(seq, rdn(t, prn, "dir", 2, 5, 4, 3))), el(0xa1, cert))),
			"directory-entry=CN=dir | " + certText, 0, 0},
		{"blind-copy-recipients", extn(41, nil, el(seq, el(set, el(0xa0, str(0x80, "S. Smith"), orName("Smith")), el(0x81, []byte{5, 0x20})),
			el(set, el(0xa0, str(0x80, "M\xc8uller"))))), smith + `; "Müller"`, 0, 0},
		{"dl-exempted-recipients", extn(42, nil, el(set, orName("Smith"), orName("Jones"))), smith + "; /C=GB/ADMD= /PRMD=X/S=Jones/", 0, 0},
		{"body-part-encryption-token", extn(43, nil, el(set, el(set, num(2, 1), encryption), el(set, num(2, 2), el(0xa0, el(set, num(2, 1), encryption))))),
			"part 1 {" + encryptionText + "}; part 2 {part 1 {" + encryptionText + "}}", 0, 0},
		{"forwarded-content-token", extn(44, nil, el(set, el(set, num(2, 1), token), el(set, num(2, 2), el(set, el(set, num(2, 1), token))))),
			"part 1 {" + tokenText + "}; part 2 {part 1 {" + tokenText + "}}", 0, 0},
		{"certificate-selectors", extn(45, nil, el(set, el(0xa0, num(0x80, 1), el(0xa1, el(seq, rdn(t, prn, "CA", 2, 5, 4, 3)))), el(0xa4, num(0x80, 2), str(0x82, "\x09")))),
			"encryption-recipient={serialNumber=01, issuer=CN=CA}; message-origin-authentication={serialNumber=02, subjectKeyIdentifier=09}", 0, 0},
		{"certificate-selectors-override", extn(46, nil, el(set, el(0xa1, num(0x80, 1)))), "encryption-originator={serialNumber=01}", 0, 0},

		{"", extn(99, nil, str(prn, "x")), `"x"`, 0, 0},
		{"message-security-label", el(seq, el(0xa0, num(2, 20)), el(0xa2, label(t, set))), labelText, 0, 0},
		{"content-correlator", el(seq, num(0x80, 23), el(0xa1, el(3, []byte{0, 0x40}), el(3, []byte{5, 0}))), "", CriticalForTransfer, 0},
		{"content-correlator", extn(23, nil, el(5)), "", 0, 0},
		{"private", el(seq, oid(t, 0x83, 1, 3, 26, 9), el(0xa2, num(2, 9))), "9", 0, 0},
		{"private", el(seq, el(0xa3, oid(t, 6, 1, 3, 26, 9)), el(0xa2, el(seq, num(2, 9), el(5)))), "{9, NULL}", 0, 0},

		{"priority-level-qualifier", el(seq, oid(t, 0x83, 1, 3, 26, 0, 4406, 0, 8, 0), el(0xa2, num(10, 1))), "high", 0, 0},

		{"latest-delivery-time", extn(5, nil, str(utc, "soon")), "soon", 0, CodeBadTime},
		{"recipient-reassignment-prohibited", extn(1, nil, str(prn, "x")), "", 0, CodeUnexpectedTag},
		{"message-security-label", extn(20, nil, el(set, num(2, 2), el(6, []byte{0x80}))), "classification=restricted; policy=", 0, CodeBadOID},
		{"originator-certificate", extn(15, nil, el(seq, el(seq, el(seq, num(2, 1), []byte{0x30, 9})))), "serial=01", 0, berCode(ber.LengthExceedsParent)},
		{"content-correlator", extn(23, nil, str(octs, strings.Repeat("x", 20000))), strings.Repeat("x", DefaultText), 0, CodeTooLong},
	}
}

// Each extension reads by itself in a message's envelope and in its recipient,
// and one that fails leaves the rest of the message alone.
func TestExtensions(t *testing.T) {
	var a APDU
	for _, tt := range extensionCases(t) {
		title := tt.name + " " + tt.err.String()
		t.Run(title, func(t *testing.T) {
			check := func(x *Extension) {
				t.Helper()
				if tt.name == "private" {
					if x.Number != -1 || string(x.OID) != "1.3.26.9" || x.Name != "" {
						t.Errorf("number %d, OID %s, name %s", x.Number, x.OID, x.Name)
					}
				} else if x.Name != tt.name || (x.OID != nil) != (tt.name == "priority-level-qualifier") {
					t.Errorf("name %q, want %q", x.Name, tt.name)
				}
				if string(x.Value) != tt.value {
					t.Errorf("value\n got %s\nwant %s", x.Value, tt.value)
				}
				if x.Critical != tt.crit || x.Err != tt.err {
					t.Errorf("criticality %v, error %v, want %v and %v", x.Critical, x.Err, tt.crit, tt.err)
				}
				if len(x.Value) > 0 && len(x.Raw) < 2 {
					t.Errorf("raw % x", x.Raw)
				}
			}
			in := messageWith([][]byte{tt.field, extn(3, nil, num(10, 1))}, [][]byte{extn(22, nil, num(10, 1)), tt.field})
			status := a.Decode(in)
			if want := map[bool]Status{true: StatusOK, false: StatusPartial}[tt.err == 0]; status != want {
				t.Fatalf("%v: %s", status, a.Failure.Error())
			}
			if len(a.Extensions) != 2 || len(a.Recipients) != 1 || len(a.Recipients[0].Extensions) != 2 {
				t.Fatalf("%d extensions, %d recipients", len(a.Extensions), len(a.Recipients))
			}
			check(&a.Extensions[0])
			check(&a.Recipients[0].Extensions[1])
			if x := &a.Extensions[1]; string(x.Value) != "dl-expansion-prohibited" || x.Err != CodeNone {
				t.Errorf("the next extension: %+v", x)
			}
			if string(a.Recipients[0].Name.Text) != "/C=GB/ADMD= /PRMD=X/S=Jones/" || string(a.Content.Octets) != "content" {
				t.Errorf("recipient %s, content %s", a.Recipients[0].Name.Text, a.Content.Octets)
			}
			if in[a.Extensions[0].Offset] != seq {
				t.Errorf("offset %d", a.Extensions[0].Offset)
			}
			if tt.err != 0 && !strings.HasPrefix(string(a.Failure.Path), "message/envelope/") {
				t.Errorf("path %s", a.Failure.Path)
			}
			if (tt.name == "internal-trace-information") != (len(a.InternalTrace) == 2) {
				t.Errorf("%d elements of internal trace", len(a.InternalTrace))
			}
		})
	}
}

// Every number of the standard's table has a case.
func TestEveryExtensionHasACase(t *testing.T) {
	have := map[string]bool{}
	for _, tt := range extensionCases(t) {
		have[tt.name] = true
	}
	for n := int32(1); n <= 46; n++ {
		if name := ExtensionName(n); name == "" || !have[name] {
			t.Errorf("extension %d, %q, has no case", n, name)
		}
	}
	if ExtensionName(0) != "" || ExtensionName(47) != "" || ExtensionName(-1) != "" {
		t.Error("names outside the table")
	}
}

// The keys of a message token that were to be encrypted are pointed at, and nothing
// reads otherwise when they are overwritten.
func TestKeysOfTokens(t *testing.T) {
	long := bytes.Repeat([]byte("key"), 50)
	data := func(parts ...[]byte) []byte {
		return el(seq, oid(t, 0x80, 2, 6, 3, 6, 0), el(0xa1, el(seq,
			el(seq, algorithm(t), orName("Smith"), str(utc, "9605010959Z"), el(0xa0, parts...)), algorithm(t), el(3, []byte{0, 0xab}))))
	}
	open := el(0xa1, el(seq, el(0x80, []byte{0}, long), label(t, 0xa2), el(0xa3, el(3, []byte("\x00key-1")), el(3, []byte("\x00key-2"))), num(0x84, 7)))
	for _, c := range []struct {
		name  string
		value []byte
		keys  []string
		told  string
	}{
		{"in the clear", data(num(0x80, 3), open), []string{string(long), "key-1", "key-2"}, "content-integrity-key=present"},
		{"a type that is late", data(el(0xa1, el(seq, str(0x80, "-key"))), num(0x80, 3)), []string{"-key"}, "signed-data= {}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := messageWith([][]byte{extn(16, nil, c.value)}, nil)
			var a APDU
			a.Decode(in)
			var got []string
			for _, r := range a.Keys() {
				got = append(got, string(r.Of(in)))
			}
			if !slices.Equal(got, c.keys) {
				t.Errorf("keys %q, want %q", got, c.keys)
			}
			value := string(a.Extensions[0].Value)
			if !strings.Contains(value, c.told) || strings.Contains(value, "key-") {
				t.Errorf("value %s", value)
			}
			keys := slices.Clone(a.Keys())
			for _, r := range keys {
				for i := range r.Of(in) {
					in[r.Start+i] = '*'
				}
			}
			a.Decode(in)
			if string(a.Extensions[0].Value) != value || !slices.Equal(a.Keys(), keys) {
				t.Errorf("overwritten it reads as %s", a.Extensions[0].Value)
			}
		})
	}
}

// frontAlike reads the first fields of the first element of octets as those of an ExtensionField
// that are plain and as any, and compares what comes of those that are. It returns how many are.
func frontAlike(t *testing.T, octets []byte, depth, spent int) (fields int) {
	t.Helper()
	var d decoder
	open := func() (ber.Cursor, ber.Element) {
		c := d.start(octets, &Limits{Depth: depth})
		var e ber.Element
		c.Next(&e)
		c.Spend(spent)
		return c.Enter(&e), e
	}
	in, e := open()
	if e.End == 0 {
		return 0
	}
	number, ok := plainNumber(&in, e.Content)
	if !ok {
		return 0
	}
	fields = 1
	between := in.Offset()
	critical, plain := plainCriticality(&in, e.Content[3:])
	_, left := in.Left(&e)

	long, e := open()
	var f ber.Element
	seen := uint32(0)
	if id := d.next(&long, &f, extensionFieldFields, &seen); id != 0 || d.code(&long, &f) != number || long.Offset() != between {
		t.Errorf("%x: number %d to %d; field %d to %d", octets, number, between, id, long.Offset())
	}
	if plain {
		fields = 2
		id := d.next(&long, &f, extensionFieldFields, &seen)
		if v, _ := d.flags(&long, &f); id != 1 || Criticality(v) != critical {
			t.Errorf("%x: criticality %x; field %d, %x", octets, critical, id, v)
		}
	}
	if _, n := long.Left(&e); d.failures > 0 || d.unknown > 0 || long.Offset() != in.Offset() || left != n {
		t.Errorf("%x: to %d, %d elements may follow, not to %d, %d", octets, in.Offset(), left, long.Offset(), n)
	}
	return fields
}

// The number and the criticality that an extension begins with are read alike in one go.
func TestPlainExtensionFront(t *testing.T) {
	plain := 0
	for _, tt := range extensionCases(t) {
		plain += frontAlike(t, tt.field, 0, 0)
	}
	if plain < 40 {
		t.Errorf("%d fields are plain", plain)
	}
	octets := el(seq, num(0x80, 20), el(0x81, []byte{5, 0x60}), el(0xa2, num(2, 1)))
	if n := frontAlike(t, octets, 0, 0); n != 2 {
		t.Errorf("%d fields are plain", n)
	}
	for i := range octets {
		for v := range 256 {
			changed := slices.Clone(octets)
			changed[i] = byte(v)
			frontAlike(t, changed, 0, 0)
			frontAlike(t, changed[:i+1], 0, 0)
		}
	}
	for depth := range 3 {
		frontAlike(t, octets, depth, 0)
	}
	for left := range 5 {
		frontAlike(t, octets, 0, ber.DefaultMinElements+8*len(octets)-1-left)
	}
}

func FuzzPlainExtensionFront(f *testing.F) {
	for _, tt := range extensionCases(f) {
		f.Add(tt.field, byte(0), uint16(0))
	}
	f.Fuzz(func(t *testing.T, octets []byte, depth byte, spent uint16) {
		frontAlike(t, octets, int(depth), int(spent))
	})
}
