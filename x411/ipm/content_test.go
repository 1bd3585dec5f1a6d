package ipm

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"x400flow/x411"
)

var p22 = &x411.ContentType{Present: true, Builtin: 22, Text: []byte("interpersonal-messaging-1988")}

// el is one element in the definite form.
func el(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	b := []byte{tag}
	switch n := len(content); {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, content...)
}

func str(tag byte, s string) []byte { return el(tag, []byte(s)) }

// oid is an OBJECT IDENTIFIER (X.690 8.19).
func oid(tag byte, dotted string) []byte {
	var arcs []uint64
	for a := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.ParseUint(a, 10, 64)
		if err != nil {
			panic(err)
		}
		arcs = append(arcs, n)
	}
	arcs = append([]uint64{arcs[0]*40 + arcs[1]}, arcs[2:]...)
	var b []byte
	for _, a := range arcs {
		var digits []byte
		for first := true; first || a > 0; first = false {
			d := byte(a & 0x7f)
			if len(digits) > 0 {
				d |= 0x80
			}
			digits = append([]byte{d}, digits...)
			a >>= 7
		}
		b = append(b, digits...)
	}
	return el(tag, b)
}

func name(surname string) []byte {
	return el(0x60, el(0x30, el(0x61, str(0x13, "GB")), el(0x62, str(0x13, " ")), el(0xa5, str(0x80, surname))))
}

func descriptor(tag byte, surname string) []byte { return el(tag, name(surname)) }

func ipmID(tag byte, local string) []byte { return el(tag, str(0x13, local)) }

func extension(id string, value ...[]byte) []byte {
	return el(0x30, append([][]byte{oid(6, id)}, value...)...)
}

func universal(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r>>8), byte(r))
	}
	return el(0x31, el(0x1e, b))
}

// message is an InformationObject with an IPM of these heading fields, beside its
// identifier, and body parts.
func message(heading []byte, parts ...[]byte) []byte { return el(0xa0, bareIPM(heading, parts...)) }

func bareIPM(heading []byte, parts ...[]byte) []byte {
	return append(el(0x31, ipmID(0x6b, "id"), heading), el(0x30, parts...)...)
}

func ia5Part(text string) []byte { return el(0xa0, el(0x31), str(0x16, text)) }

// extendedPart is an externally-defined body part whose data is one value.
func extendedPart(id string, data []byte, params ...[]byte) []byte {
	var p []byte
	if len(params) > 0 {
		p = el(0xa0, params...)
	}
	return el(0xaf, p, el(0x28, oid(6, id), el(0xa0, data)))
}

func decoded(t testing.TB, octets []byte) *Content {
	t.Helper()
	c := new(Content)
	c.Decode(octets, p22)
	return c
}

// body returns the lines of describe after those that every message has.
func lines(c *Content) []string {
	var out []string
	for _, l := range describe(c) {
		if l != "kind: ipm" && l != "id: id*" {
			out = append(out, l)
		}
	}
	return out
}

// TestHeading has every heading field (X.420 7.2) and extension (Annex A).
func TestHeading(t *testing.T) {
	const smith, jones = "</C=GB/ADMD= /S=Smith/>", "</C=GB/ADMD= /S=Jones/>"
	for _, test := range []struct {
		name    string
		heading []byte
		want    []string
	}{
		{"originator", el(0xa0, name("Smith"), str(0x80, "Jos\xc2e"), str(0x81, "+44 1")),
			[]string{"originator: José " + smith + " (+44 1)"}},
		{"free form alone", el(0xa0, str(0x80, "Ann")), []string{"originator: Ann"}},
		{"authorizing users", el(0xa1, descriptor(0x31, "Smith"), descriptor(0x31, "Jones")),
			[]string{"authorizing-user: " + smith, "authorizing-user: " + jones}},
		{"recipients", bytes.Join([][]byte{
			el(0xa2, el(0x31, descriptor(0xa0, "Smith"), el(0x81, []byte{5, 0xe0}), el(0x82, []byte{0xff}))),
			el(0xa3, el(0x31, descriptor(0xa0, "Jones"), el(0x81, []byte{3, 0x18}))),
			el(0xa4, el(0x31, descriptor(0xa0, "Smith"))),
		}, nil), []string{
			"primary: " + smith + " rn,nrn,ipm-return reply", "copy: " + jones + " an-supported,suppress-an", "blind-copy: " + smith,
		}},
		{"references", bytes.Join([][]byte{
			ipmID(0xa5, "one"), el(0xa6, ipmID(0x6b, "two"), ipmID(0x6b, "three")), el(0xa7, ipmID(0x6b, "four")),
		}, nil), []string{"replied-to: one*", "obsoleted: two*", "obsoleted: three*", "related: four*"}},
		{"subject", el(0xa8, str(0x14, "Gr\xc8u\xfbe")), []string{`subject: "Grüße"`}},
		{"empty subject", el(0xa8, str(0x14, "")), []string{`subject: ""`}},
		{"times", append(str(0x89, "960501100000Z"), str(0x8a, "9605021000+0200")...),
			[]string{"expiry: 960501100000Z", "reply-by: 9605021000+0200"}},
		{"reply recipients", el(0xab, descriptor(0x31, "Jones")), []string{"reply-recipient: " + jones}},
		{"flags", bytes.Join([][]byte{el(0x8c, []byte{2}), el(0x8d, []byte{3}), el(0x8e, []byte{1})}, nil),
			[]string{"importance: high", "sensitivity: company-confidential", "auto-forwarded: true"}},
		{"incomplete copy", el(0xaf, extension("2.6.1.5.0")), []string{`heading extension incomplete-copy: ""`}},
		{"incomplete copy with NULL", el(0xaf, extension("2.6.1.5.0", el(5))), []string{`heading extension incomplete-copy: ""`}},
		{"languages", el(0xaf, extension("2.6.1.5.1", el(0x31, str(0x13, "en"), str(0x13, "de")))), []string{`heading extension languages: "en,de"`}},
		{"auto-submitted", el(0xaf, extension("2.6.1.5.2", el(10, []byte{2}))), []string{`heading extension auto-submitted: "auto-replied"`}},
		{"signatures", el(0xaf, extension("2.6.1.5.3", el(0x31, el(0x31, el(2, []byte{1}), el(0x30, el(0x30, oid(6, "1.2.3")), el(3, []byte{0, 0xab})))))),
			[]string{`heading extension body-part-signatures: "part=1 algorithm=1.2.3; value='AB'H"`}},
		{"security label", el(0xaf, extension("2.6.1.5.4", el(0x30, el(0xa0, oid(6, "1.2.3"), el(2, []byte{4})), el(0xa1, el(2, []byte{1})), el(0xa2, el(0x80), el(0xa1, el(2, []byte{2})))))),
			[]string{`heading extension ipm-security-label: "content={policy=1.2.3; classification=secret}; heading={classification=unclassified}; part=1 unlabelled; part=2 {classification=restricted}"`}},
		{"authorization time", el(0xaf, extension("2.6.1.5.5", str(0x18, "19960501100000Z"))), []string{`heading extension authorization-time: "1996-05-01T10:00:00Z"`}},
		{"circulation list", el(0xaf, extension("2.6.1.5.6", el(0x30, el(0x31, el(0x31, descriptor(0xa0, "Smith")), el(5)), el(0x31, el(0x31, descriptor(0xa0, "Jones")), str(0x18, "19960501100000Z"))))),
			[]string{`heading extension circulation-list-recipients: "` + smith + ` checked; ` + jones + ` checked=1996-05-01T10:00:00Z"`}},
		{"distribution codes", el(0xaf, extension("2.6.1.5.7", el(0x30, el(0x30, oid(6, "1.2.3"), universal("ABC"), el(0xa0, name("Smith")))))),
			[]string{`heading extension distribution-codes: "1.2.3 ABC ` + smith + `"`}},
		{"extended subject", el(0xaf, extension("2.6.1.5.8", universal("Ωmega"))), []string{`heading extension extended-subject: "Ωmega"`}},
		{"information category", el(0xaf, extension("2.6.1.5.9", el(0x30, el(0x30, oid(0x80, "1.2.3"), append([]byte{0xa1}, universal("News")[1:]...))))),
			[]string{`heading extension information-category: "1.2.3 "News""`}},
		{"manual handling", el(0xaf, extension("2.6.1.5.10", el(0x30, universal("burn"), universal("eat")))), []string{`heading extension manual-handling-instructions: "burn; eat"`}},
		{"originator's reference", el(0xaf, extension("2.6.1.5.11", universal("ref/1"))), []string{`heading extension originators-reference: "ref/1"`}},
		{"precedence policy", el(0xaf, extension("2.6.1.5.12", oid(6, "1.2.3"))), []string{`heading extension precedence-policy-identifier: "1.2.3"`}},
		{"precedence of STANAG 4406", el(0xaf, extension("1.3.26.0.4406.0.2.0", el(2, []byte{3}))), []string{`heading extension primary-precedence: "immediate"`}},
		{"private", el(0xaf, extension("1.2.3.4", el(0x30, el(2, []byte{7}), str(0x16, "x")))), []string{`heading extension 1.2.3.4: "{7, "x"}"`}},
		{"recipient extensions", el(0xa2, el(0x31, descriptor(0xa0, "Smith")), el(0x31, descriptor(0xa0, "Jones"),
			el(0xa3, extension("2.6.1.20.1", el(2, []byte{57})), extension("2.6.1.20.0"), extension("2.6.1.18.0", el(3, []byte{4, 0x50}))))),
			[]string{"primary: " + smith, "primary: " + jones + " precedence 57", `recipient extension precedence: "(2) 57"`,
				`recipient extension circulation-list-indicator: "(2) "`, `recipient extension ipm-security-request: "(2) content-proof,ipn-proof"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			compare(t, lines(decoded(t, message(test.heading))), test.want)
		})
	}
}

// TestNotifications has every field of a notification (X.420 8).
func TestNotifications(t *testing.T) {
	common := bytes.Join([][]byte{
		ipmID(0x6b, "subj"), el(0xa1, name("Smith")), el(0xa2, name("Jones")), el(0x65, el(0x80, []byte{0, 0x20})),
		el(0xa3, extension("2.6.1.18.1", el(0x31, el(0x31, el(0xa0, el(0x30, oid(6, "1.2.3")), el(3, []byte{0, 1}))), el(2, []byte{5})))),
	}, nil)
	head := func(kind string) []string {
		return []string{"kind: " + kind, "id: subj*", "originator: </C=GB/ADMD= /S=Smith/>", "intended: </C=GB/ADMD= /S=Jones/>", "subject: subj*"}
	}
	tail := []string{"eits: ia5-text", `notification extension ipn-security-response: "content-integrity-check={algorithm=1.2.3; value='01'H}; diagnostic=decryption-failed"`}
	for _, test := range []struct {
		name   string
		choice []byte
		want   []string
	}{
		{"receipt", el(0xa1, str(0x80, "960501100000Z"), el(0x81, []byte{1}), str(0x82, "read"), el(0xa3, extension("1.2.3"))),
			append(head("receipt-notification"), append([]string{"receipt: 960501100000Z", "acknowledgment: automatic", "supplementary: read"},
				append([]string{tail[0], `receipt extension 1.2.3: ""`}, tail[1:]...)...)...)},
		{"non-receipt", el(0xa0, el(0x80, []byte{0}), el(0x81, []byte{2}), str(0x82, "gone"), el(0xa3, bareIPM(nil, ia5Part("back"))), el(0xa4, extension("1.2.3"))),
			append(append(head("non-receipt-notification"), "non-receipt: ipm-discarded", "discard: user-subscription-terminated", "comment: gone",
				tail[0], `non-receipt extension 1.2.3: ""`, tail[1]), `[r] kind: ipm`, `[r] id: id*`, `[r] part 1: ia5-text 4 us-ascii "back"`)},
		{"absence", el(0xa2, extension("2.6.1.19.0", el(0x30, ia5Part("away"), str(0x17, "960501100000Z"))),
			extension("2.6.1.19.1", el(0x30, el(0xa0, name("Smith")), str(0x81, "960501100000Z")))),
			append(head("other-notification"), tail[0],
				`other-notification extension absence-advice: "advice="away"; next-available=1996-05-01T10:00:00Z"`,
				`other-notification extension change-of-address-advice: "new-address=</C=GB/ADMD= /S=Smith/>; effective-from=1996-05-01T10:00:00Z"`, tail[1])},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := decoded(t, el(0xa1, el(0xa0, test.choice), common))
			compare(t, describe(c), test.want)
		})
	}
}

// TestBodyParts has every kind of body part (X.420 7.3 and Annexes B to F).
func TestBodyParts(t *testing.T) {
	const contentP2 = "2.6.1.4.17.2.6.1.10.0"
	delivery := el(0x31, str(0x80, "960501100000Z"), el(0xa1, el(0x80, []byte{22}), name("Smith"), descriptorName(0xa4, "Jones"), str(0x87, "960501095900Z"), str(0x4a, "cid")))
	const told = "delivery-time=1996-05-01T10:00:00Z; content-type=interpersonal-messaging-1988; originator-name=/C=GB/ADMD= /S=Smith/; this-recipient-name=/C=GB/ADMD= /S=Jones/; message-submission-time=1996-05-01T09:59:00Z; content-identifier="
	forwarded := []string{"[1] kind: ipm"}
	for _, test := range []struct {
		name string
		part []byte
		want []string
	}{
		{"ia5", el(0xa0, el(0x31, el(0x80, []byte{2})), str(0x16, "A B")), []string{`part 1: ia5-text 3 {repertoire=ita2} us-ascii "A B"`}},
		{"ia5 in segments", el(0xa0, el(0x31), el(0x36, str(4, "A"), str(4, "B"))), []string{`part 1: ia5-text 2 us-ascii "AB"`}},
		{"ia5 with 8 bits", el(0xa0, el(0x31), str(0x16, "caf\xe9")), []string{`part 1: ia5-text 4 us-ascii "café" (octets above 7F in IA5 text, read as ISO 8859-1)`}},
		{"telex", str(0x81, "xyz"), []string{"part 1: telex 3"}},
		{"g3", el(0xa3, el(0x31, el(0x80, []byte{2})), el(0x30, el(3, []byte{0, 1, 2}), el(3, []byte{0, 3}))), []string{"part 1: g3-facsimile 3 {number-of-pages=2}"}},
		{"g4", el(0xa4, el(0x30)), []string{"part 1: g4-class1 4"}},
		{"teletex", el(0xa5, el(0x31, el(0x80, []byte{2}), el(0x81, []byte{1})), el(0x30, str(0x14, "\xc8u"), str(0x14, "B"))),
			[]string{`part 1: teletex 3 {number-of-pages=2; telex-compatible=true} T.61 "ü\fB"`}},
		{"videotex", el(0xa6, el(0x31, el(0x80, []byte{1})), str(0x15, "v")), []string{`part 1: videotex 1 {syntax=data-syntax1} T.101 "" (videotex is not converted)`}},
		{"nationally defined", el(0xa7, str(4, "xyz")), []string{"part 1: nationally-defined 7"}},
		{"encrypted", el(0xa8, el(0x31, el(0x30, oid(6, "1.2.3"))), el(3, []byte{0, 9, 9})), []string{"part 1: encrypted 2 {algorithm=1.2.3}"}},
		{"message", el(0xa9, el(0x31), el(0x30, bareIPM(nil, ia5Part("in")))), append([]string{"part 1: message 20 -> 1"}, forwarded[0], "[1] id: id*", `[1] part 1: ia5-text 2 us-ascii "in"`)},
		{"message with delivery", el(0xa9, delivery, el(0x30, bareIPM(nil))),
			[]string{"part 1: message 12 {" + told + "cid} -> 1", "[1] kind: ipm", "[1] delivery: " + told + "cid", "[1] id: id*"}},
		{"mixed mode", el(0xab, el(0x30)), []string{"part 1: mixed-mode 4"}},
		{"bilaterally defined", str(0x8e, "abc"), []string{"part 1: bilaterally-defined 3"}},
		{"unknown tag", str(0x94, "abc"), []string{"part 1: other 3"}},
		{"extended ia5", extendedPart("2.6.1.4.0", str(0x16, "x"), oid(6, "2.6.1.11.0"), el(0xa0, el(0x31, el(0x80, []byte{5})))),
			[]string{`part 1: ia5-text 1 2.6.1.4.0 {repertoire=ia5} us-ascii "x"`}},
		{"general text", extendedPart("2.6.1.4.11", str(0x1b, "caf\xe9"), oid(6, "2.6.1.11.11"), el(0xa0, el(0x31, el(2, []byte{1}), el(2, []byte{6}), el(2, []byte{100})))),
			[]string{`part 1: general-text 4 2.6.1.4.11 {1,6,100} iso-8859-1 "café"`}},
		{"file transfer", extendedPart("2.6.1.4.12", el(0x30, el(0x28, el(0x81, []byte("data")))), oid(6, "2.6.1.11.12"), el(0xa0, el(0x30,
			el(0xa1, el(0xa0, oid(6, "1.0.8571.5.1"))),
			el(0xa2, el(0xa0, el(0xa1, str(0x19, "Word")))),
			el(0xa4, el(0xa0, str(0x19, "letter.txt")), el(0xa4, str(0x81, "19960501100000Z")), el(0xad, el(0x81, []byte{4})),
				el(0xaf, el(0xa1, el(0x30, el(0x80, []byte{7, 0x80}), el(0xa3, el(0xa0, str(0x19, "SECRET")))))))))),
			[]string{`part 1: file-transfer 4 2.6.1.4.12 {document-type=1.0.8571.5.1; application=Word; pathname=letter.txt; created=1996-05-01T10:00:00Z; size=4; access-control=read with passwords} utf-8 "data" file letter.txt`}},
		{"voice", extendedPart("2.6.1.4.16", str(4, "abc"), oid(6, "2.6.1.11.16"), el(0xa0, el(0x30, el(0x80, []byte{9}), oid(0x81, "1.2.3"), str(0x82, "hm")))),
			[]string{"part 1: voice 3 2.6.1.4.16 {voice-message-duration=9; voice-encoding-type=1.2.3; supplementary-information=hm}"}},
		{"notification", extendedPart("2.6.1.4.15", el(0x31, ipmID(0x6b, "s"), el(0xa0, el(0xa1, str(0x80, "960501100000Z"))))),
			[]string{"part 1: notification 26 2.6.1.4.15 -> 1", "[1] kind: receipt-notification", "[1] id: s*", "[1] subject: s*", "[1] receipt: 960501100000Z"}},
		{"content", extendedPart(contentP2, el(4, message(nil, ia5Part("in")))),
			[]string{"part 1: content 20 " + contentP2 + " -> 1", "[1] kind: ipm", "[1] id: id*", `[1] part 1: ia5-text 2 us-ascii "in"`}},
		{"content without its octet string", extendedPart(contentP2, message(nil, ia5Part("in"))),
			[]string{"part 1: content 20 " + contentP2 + " -> 1", "[1] kind: ipm", "[1] id: id*", `[1] part 1: ia5-text 2 us-ascii "in"`}},
		{"related files", extendedPart("2.6.1.4.12", el(0x30), oid(6, "2.6.1.11.12"), el(0xa0, el(0x30, el(0xa0,
			el(0x30, el(0xa0, el(0xa0, el(0xa0, str(0x19, "a"), str(0x19, "b"))), str(0x81, "v2")), el(0x80, []byte{2})),
			el(0x30, el(0xa1, str(0x80, "x"), el(0xa1, descriptorName(0xa0, "Smith"), str(0x81, "m")), el(0x82, []byte{7})), str(0x81, "like it")))))),
			[]string{`part 1: file-transfer 0 2.6.1.4.12 {related-stored-file=a/b version=v2 relationship=replacement; related-stored-file=cross-reference=[0] "x" message=</C=GB/ADMD= /S=Smith/>"m" part=7 relationship=like it}`}},
		{"content in segments", extendedPart(contentP2, segmented(message(nil, ia5Part("in")))),
			[]string{"part 1: content 20 " + contentP2 + " -> 1", "[1] kind: ipm", "[1] id: id*", `[1] part 1: ia5-text 2 us-ascii "in"`}},
		{"content of another type", extendedPart("2.6.1.4.17.1.2.3", str(4, "abc")), []string{"part 1: content 3 2.6.1.4.17.1.2.3 -> 1", "[1] kind: unknown"}},
		{"military message", extendedPart("1.3.26.0.4406.0.7.9", el(0x30, bareIPM(nil))), []string{"part 1: mm-message 12 1.3.26.0.4406.0.7.9 -> 1", "[1] kind: ipm", "[1] id: id*"}},
		{"pkcs7", extendedPart("2.6.1.4.18", signedData("1.2.840.113549.1.7.1", []byte("x"))), []string{"part 1: pkcs7 68 2.6.1.4.18 cms signed-data 1.2.840.113549.1.7.1 CN=Ann serial=2A"}},
		{"UTF-8 of a private type", extendedPart("1.2.3", str(0x0c, "é")), []string{`part 1: extended 2 1.2.3 utf-8 "é"`}},
		{"BMP of a private type", extendedPart("1.2.3", el(0x1e, []byte{0x20, 0xac})), []string{`part 1: extended 2 1.2.3 iso-10646-ucs-2 "€"`}},
		{"octets of a private type", el(0xaf, el(0x28, oid(6, "1.2.3"), str(0x81, "abc"))), []string{"part 1: extended 3 1.2.3"}},
		{"report", extendedPart("2.6.1.4.14", el(0x31)), []string{"part 1: report 2 2.6.1.4.14"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := lines(decoded(t, message(nil, test.part)))
			var kept []string
			for _, l := range got {
				if !strings.HasPrefix(l, "unknown: ") {
					kept = append(kept, l)
				}
			}
			compare(t, kept, test.want)
		})
	}
}

func descriptorName(tag byte, surname string) []byte {
	return append([]byte{tag}, name(surname)[1:]...)
}

// segmented is an OCTET STRING in segments of three octets.
func segmented(octets []byte) []byte {
	var parts [][]byte
	for len(octets) > 0 {
		n := min(3, len(octets))
		parts = append(parts, el(4, octets[:n]))
		octets = octets[n:]
	}
	return el(0x24, parts...)
}

// signedData is a ContentInfo with SignedData (RFC 5652 5.1) of one signer.
func signedData(content string, octets []byte) []byte {
	issuer := el(0x30, el(0x31, el(0x30, oid(6, "2.5.4.3"), str(0x13, "Ann"))))
	signer := el(0x30, el(2, []byte{1}), el(0x30, issuer, el(2, []byte{42})))
	return el(0x30, oid(6, "1.2.840.113549.1.7.2"), el(0xa0, el(0x30, el(2, []byte{1}), el(0x31),
		el(0x30, oid(6, content), el(0xa0, el(4, octets))), el(0x31, signer))))
}

// TestOtherContents has contents that are not interpersonal messages.
func TestOtherContents(t *testing.T) {
	other := &x411.ContentType{Present: true, Builtin: -1, OID: []byte("1.2.840.113549.1.9.16.1.6")}
	edi := &x411.ContentType{Present: true, Builtin: 35}
	for _, test := range []struct {
		name   string
		octets []byte
		typ    *x411.ContentType
		want   []string
	}{
		{"edi message", el(0xa0, el(0x31)), edi, []string{"kind: edi-message"}},
		{"edi notification", el(0xa1, el(0x31)), edi, []string{"kind: edi-notification"}},
		{"signed", signedData("1.2.840.113549.1.7.1", []byte("x")), other, []string{"kind: cms", "cms: signed-data 1.2.840.113549.1.7.1 CN=Ann serial=2A"}},
		{"signed message", signedData("2.6.1.10.1", message(nil, ia5Part("hi"))), other,
			[]string{"kind: cms", "cms: signed-data 2.6.1.10.1 CN=Ann serial=2A", "[c] kind: ipm", "[c] id: id*", `[c] part 1: ia5-text 2 us-ascii "hi"`}},
		{"unknown", []byte("abc"), other, []string{"kind: unknown"}},
		{"empty", nil, other, []string{"kind: unknown"}},
		{"no message", []byte{0x31, 0}, p22, []string{"kind: unknown", "status: failed not a value of the content type at 0"}},
		{"nothing", nil, p22, []string{"kind: unknown", "status: failed not a value of the content type at 0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Content
			c.Decode(test.octets, test.typ)
			compare(t, describe(&c), test.want)
		})
	}
}

// TestInnerDamage has damage in a forwarded message leave the outer one whole.
func TestInnerDamage(t *testing.T) {
	inner := el(0x30, el(0x31, ipmID(0x6b, "in"), el(0x8c)), el(0x30))
	c := decoded(t, message(nil, el(0xa9, el(0x31), inner), ia5Part("after")))
	if got := c.Messages[0].Status; got != x411.StatusOK {
		t.Errorf("outer status %v", got)
	}
	m := &c.Messages[1]
	if m.Status != x411.StatusPartial || string(m.Failure.Path) != "body/1/heading/importance" {
		t.Errorf("inner status %v at %s", m.Status, m.Failure.Path)
	}
	if len(c.Messages[0].Parts) != 2 || string(c.Messages[0].Parts[1].Text) != "after" {
		t.Errorf("the parts after the damage are gone: %v", describe(c))
	}
}

// TestBounds has more of everything than the limits allow.
func TestBounds(t *testing.T) {
	deep := message(nil, ia5Part("x"))
	for range 40 {
		deep = message(nil, el(0xa9, el(0x31), el(0x30, deep[2+lengthOctets(deep):])))
	}
	c := decoded(t, deep)
	if n := len(c.Messages); n != DefaultNesting+1 {
		t.Errorf("%d messages, want %d", n, DefaultNesting+1)
	}
	last := &c.Messages[len(c.Messages)-1]
	if last.Failure.Code != x411.CodeTooNested {
		t.Errorf("failure %v", last.Failure.Code)
	}
	many := &Content{Limits: Limits{Recipients: 2, Parts: 3, Extensions: 1, References: 1, Messages: 2}}
	many.Decode(message(bytes.Join([][]byte{
		el(0xa2, el(0x31, descriptor(0xa0, "A")), el(0x31, descriptor(0xa0, "B")), el(0x31, descriptor(0xa0, "C"))),
		el(0xa7, ipmID(0x6b, "1"), ipmID(0x6b, "2")), el(0xaf, extension("1.2.3"), extension("1.2.4")),
	}, nil), el(0xa9, el(0x31), el(0x30, bareIPM(nil))), el(0xa9, el(0x31), el(0x30, bareIPM(nil))), ia5Part("c"), ia5Part("d")), p22)
	m := &many.Messages[0]
	if len(m.Recipients) != 2 || len(m.References) != 1 || len(m.Extensions) != 1 || len(m.Parts) != 3 || len(many.Messages) != 2 {
		t.Errorf("%d recipients, %d references, %d extensions, %d parts, %d messages",
			len(m.Recipients), len(m.References), len(m.Extensions), len(m.Parts), len(many.Messages))
	}
	if m.Failure.Code != x411.CodeTooMany {
		t.Errorf("failure %v", m.Failure.Code)
	}
}

func lengthOctets(b []byte) int {
	if b[1] >= 0x80 {
		return int(b[1] & 0x7f)
	}
	return 0
}

// TestGeneralText converts what the international register says of each set.
func TestGeneralText(t *testing.T) {
	for _, test := range []struct {
		registrations, octets, want, charset, reason string
	}{
		{"", "plain", "plain", "us-ascii", ""},
		{"1,6,100", "caf\xe9", "café", "iso-8859-1", ""},
		{"1,6", "\x1b-Acaf\xe9", "café", "iso-8859-1", ""},
		{"1,6,101", "\xb1\xe6", "ąć", "iso-8859-2", ""},
		{"1,6,144", "\xbc\xd8\xe0", "Мир", "iso-8859-5", ""},
		{"1,6,126", "\xe1\xe2", "αβ", "iso-8859-7", ""},
		{"1,6,138", "\xe0", "א", "iso-8859-8", ""},
		{"1,6,127", "\xc7", "ا", "iso-8859-6", ""},
		{"1,6,148", "\xfd", "ı", "iso-8859-9", ""},
		{"1,6,203", "\xa4", "€", "iso-8859-15", ""},
		{"1,6,166", "\xa1\xdf", "ก฿", "iso-8859-11", ""},
		{"", "\x1b-Bx\xb1\x1b-Fy\xe1", "xąyα", "iso-8859-2+iso-8859-7", ""},
		{"", "a\x0e\xe9", "aé", "us-ascii+iso-8859-1", reasonNoSet},
		{"21", "[{~", "Ääß", "iso646-de", ""},
		{"", "\x1b(K[{\x1b(B[", "Ää[", "iso646-de", ""},
		{"", "\x1b$B$\"\x1b(Ba", "あa", "jis_x0208", ""},
		{"", "\x1b$A0!", "啊", "gb_2312-80", ""},
		{"", "\x1b$)C\xb0\xa1", "가", "ks_c_5601", ""},
		{"", "\x1b(I1", "ｱ", "jis_x0201", ""},
		{"196", "caf\xc3\xa9", "café", "utf-8", ""},
		{"", "\x1b%Gcaf\xc3\xa9\x1b%@x", "caféx", "utf-8", ""},
		{"162", "\x00A\x20\xac", "A€", "iso-10646-ucs-2", ""},
		{"163", "\x00\x01\xf6\x00", "😀", "iso-10646-ucs-4", ""},
		{"102,103", "\xc8u", "ü", "T.61", ""},
		{"6,103", "a\xc8u\xfb", "aüß", "T.61", ""},
		{"", "\xe9", "é", "iso-8859-1", reasonNoSet},
		{"", "\x1b(1x", "", "", reasonUnknownSet},
		{"162", "abc", "", "", reasonOdd},
	} {
		var v converter
		got, ok := v.convert(nil, []byte(test.octets), []byte(test.registrations))
		if ok != (test.want != "") || ok && (string(got) != test.want || test.charset != "us-ascii+iso-8859-1" && string(v.charset) != test.charset) || v.reason != test.reason {
			t.Errorf("%q with %s: %q %s %q, want %q %s %q", test.octets, test.registrations, got, v.charset, v.reason, test.want, test.charset, test.reason)
		}
	}
}

// TestATS reads ATS-message-headers (ICAO Doc 9880 Part II) and extended heading
// fields.
func TestATS(t *testing.T) {
	for _, test := range []struct {
		name string
		in   []byte
		want string
	}{
		{"header", message(nil, ia5Part("PRI: FF\r\nFT: 201234\r\nOHI: EXTRA 1\r\n\r\ntext")), "header FF 201234 EXTRA 1"},
		{"header in control characters", message(nil, ia5Part("\x01PRI: SS\r\nFT: 010000\r\n\r\n\x02text")), "header SS 010000 "},
		{"no priority", message(nil, ia5Part("PRI: XX\r\nFT: 201234\r\n")), "   "},
		{"no time", message(nil, ia5Part("PRI: FF\r\nFT: 999999\r\n")), "   "},
		{"text that tells of one", message(nil, ia5Part("Hello\r\nPRI: FF\r\nFT: 201234\r\n")), "   "},
		{"extended", message(append(el(0xa2, el(0x31, descriptor(0xa0, "A"), el(0xa3, extension("2.6.1.20.1", el(2, []byte{107}))))),
			el(0xaf, extension("2.6.1.5.12", oid(6, "1.3.27.8.0.0")), extension("2.6.1.5.5", str(0x18, "20260501100000Z")), extension("2.6.1.5.11", universal("OHI")))...)),
			"extended SS 2026-05-01T10:00:00Z OHI"},
	} {
		a := decoded(t, test.in).Messages[0].ATS
		if got := fmt.Sprintf("%s %s %s %s", a.Source, a.Priority, a.FilingTime, a.OHI); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestAFAddress(t *testing.T) {
	for _, test := range []struct {
		address  x411.ORAddress
		af, form string
	}{
		{x411.ORAddress{ADMD: []byte("ICAO"), PRMD: []byte("GB"), Organization: []byte("AFTN"), Units: [4][]byte{[]byte("EGLLZPZX")}}, "EGLLZPZX", "XF"},
		{x411.ORAddress{ADMD: []byte("ICAO"), PRMD: []byte("FRANCE"), Organization: []byte("LFFF"), Units: [4][]byte{[]byte("LFPG")}, CommonName: []byte("LFPGYFYX")}, "LFPGYFYX", "CAAS"},
		{x411.ORAddress{ADMD: []byte("ICAO"), Organization: []byte("LFFF"), Units: [4][]byte{[]byte("LFBO")}, CommonName: []byte("LFPGYFYX")}, "", ""},
		{x411.ORAddress{Organization: []byte("ACME"), Units: [4][]byte{[]byte("EGLLZPZX")}}, "", ""},
		{x411.ORAddress{Organization: []byte("AFTN"), Units: [4][]byte{[]byte("EGLL1PZX")}}, "", ""},
	} {
		af, form := AFAddress(&test.address)
		if string(af) != test.af || form != test.form {
			t.Errorf("%s %s, want %s %s", af, form, test.af, test.form)
		}
	}
}

// all is a content with much in it.
func all() []byte {
	return message(bytes.Join([][]byte{
		descriptor(0xa0, "Smith"), el(0xa2, el(0x31, descriptor(0xa0, "Jones"), el(0x81, []byte{6, 0x40}))), ipmID(0xa5, "one"),
		el(0xa8, str(0x14, "Gr\xc8u\xfbe")), str(0x89, "960501100000Z"), el(0x8c, []byte{2}),
		el(0xaf, extension("2.6.1.5.1", el(0x31, str(0x13, "en"))), extension("2.6.1.5.8", universal("Ωmega"))),
	}, nil), ia5Part(strings.Repeat("line of text\r\n", 100)),
		el(0xa5, el(0x31), el(0x30, str(0x14, "\xc8u"))),
		extendedPart("2.6.1.4.11", str(0x1b, "caf\xe9"), oid(6, "2.6.1.11.11"), el(0xa0, el(0x31, el(2, []byte{100})))),
		el(0xa9, el(0x31), el(0x30, bareIPM(descriptor(0xa0, "Smith"), ia5Part("in")))))
}

func TestDecodeAllocatesNothing(t *testing.T) {
	octets := all()
	var c Content
	if c.Decode(octets, p22) != x411.StatusOK {
		t.Fatal(c.Messages[0].Failure.Error())
	}
	if n := testing.AllocsPerRun(100, func() { c.Decode(octets, p22) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(all(), 22)
	f.Add(el(0xa1, ipmID(0x6b, "s"), el(0xa0, el(0xa0, el(0x80, []byte{0}), el(0xa3, bareIPM(nil, ia5Part("back")))))), 22)
	f.Add(signedData("2.6.1.10.1", message(nil, ia5Part("hi"))), 0)
	f.Add(message(nil, extendedPart("2.6.1.4.17.2.6.1.10.0", segmented(message(nil, ia5Part("in"))))), 2)
	f.Add(message(nil, extendedPart("2.6.1.4.12", el(0x30, el(0x28, el(0x81, []byte("data")))), oid(6, "2.6.1.11.12"), el(0xa0, el(0x30, el(0xa4, el(0xa0, str(0x19, "n"))))))), 22)
	f.Add(message(nil, extendedPart("2.6.1.4.17.2.6.1.10.0", message(nil, ia5Part("in")))), 22)
	f.Add(message(nil, extendedPart("2.6.1.4.12", el(0x30), oid(6, "2.6.1.11.12"), el(0xa0, el(0x30, el(0xa0,
		el(0x30, el(0xa0, el(0xa0, el(0xa0, str(0x19, "a"))), str(0x81, "v2")), el(0x80, []byte{2})),
		el(0x30, el(0xa1, str(0x80, "x"), el(0xa1, str(0x81, "m")), el(0x82, []byte{7})), str(0x81, "like it"))))))), 22)
	f.Add(message(el(0xaf, extension("2.6.1.5.6", el(0x30, el(0x31, el(0x31, el(0xa0, name("Smith"))),
		el(0x30, el(0x30, el(0x30, oid(6, "1.2.3")), ipmID(0x6b, "s"), str(0x18, "19960501100000Z")), el(0x30, oid(6, "1.2.3")), el(3, []byte{0, 1}))))))), 22)
	for _, name := range []string{"p20.01.apdu", "p31.01.apdu"} {
		octets, _ := realContent(f, name)
		f.Add(octets, 22)
	}
	var c Content
	f.Fuzz(func(t *testing.T, octets []byte, builtin int) {
		typ := &x411.ContentType{Present: true, Builtin: int32(builtin & 63)}
		before := bytes.Clone(octets)
		status := c.Decode(octets, typ)
		if !bytes.Equal(before, octets) {
			t.Fatal("the input was changed")
		}
		if len(c.Messages) == 0 || len(c.Messages) > DefaultMessages {
			t.Fatalf("%d messages", len(c.Messages))
		}
		first := strings.Join(describe(&c), "\n")
		for i := range c.Messages {
			m := &c.Messages[i]
			if m.Parent >= i || m.Depth > DefaultNesting {
				t.Fatalf("message %d: parent %d, depth %d", i, m.Parent, m.Depth)
			}
			if m.Octets.Start < 0 || m.Octets.End > len(octets) || m.Octets.Start > m.Octets.End {
				t.Fatalf("message %d at %v of %d", i, m.Octets, len(octets))
			}
			for k := range m.Parts {
				p := &m.Parts[k]
				if !utf8.Valid(p.Text) {
					t.Fatalf("text %q", p.Text)
				}
				if p.DataAt.Len() > 0 && !bytes.Equal(p.DataAt.Of(octets), p.Data) {
					t.Fatalf("part %d of %d: data at %v are others", k, i, p.DataAt)
				}
			}
		}
		// Reading again with what the first reading left gives the same.
		if again := c.Decode(octets, typ); again != status || strings.Join(describe(&c), "\n") != first {
			t.Fatal("two readings differ")
		}
	})
}

func FuzzGeneralText(f *testing.F) {
	f.Add([]byte("\x1b$B$\"\x1b(Ba\x0e\xe9"), []byte("1,6,100"))
	f.Add([]byte("\x1b%G\xc3\xa9\x1b%@x"), []byte(""))
	f.Fuzz(func(t *testing.T, s, registrations []byte) {
		var v converter
		out, ok := v.convert(nil, s, registrations)
		if ok && !utf8.Valid(out) {
			t.Fatalf("%q", out)
		}
		if len(out) > 6*len(s)+8 {
			t.Fatalf("%d octets of %d", len(out), len(s))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, octets := range map[string][]byte{
		"small": message(descriptor(0xa0, "Smith"), ia5Part("hello")), "all": all(),
	} {
		b.Run(name, func(b *testing.B) {
			var c Content
			b.SetBytes(int64(len(octets)))
			b.ReportAllocs()
			for b.Loop() {
				c.Decode(octets, p22)
			}
		})
	}
}

// Attributes of a stored message (X.420 Annex C), by the last arcs of their type.
func TestAttributes(t *testing.T) {
	user := el(0x60, el(0x30, el(0x61, str(0x13, "GB"))))
	id := el(0x6b, user, str(0x13, "local"))
	descriptor := []byte(nil)
	descriptor = append(descriptor, str(0x80, "Ann")...)
	descriptor = append(descriptor, user...)
	for _, c := range []struct {
		group, arc byte
		value      []byte
		want       string
	}{
		{6, 0, el(10, []byte{2}), "ipm-entry-type=nrn"}, {6, 3, el(1, []byte{0xff}), "ipm-auto-discarded=true"},
		{7, 1, id, "this-ipm=local*/C=GB/"}, {7, 2, el(0x31, descriptor), "originator=Ann </C=GB/>"},
		{7, 4, str(0x14, "report"), "subject=report"}, {7, 5, str(0x17, "960501095900Z"), "expiry-time=1996-05-01T09:59:00Z"},
		{7, 7, el(10, []byte{2}), "importance=high"}, {7, 8, el(10, []byte{3}), "sensitivity=company-confidential"}, {7, 9, el(1, []byte{0}), "auto-forwarded=false"},
		{7, 11, el(0x31, el(0xa0, descriptor)), "primary-recipients=Ann </C=GB/>"}, {7, 17, el(5), "incomplete-copy="},
		{7, 18, str(0x13, "en"), "languages=en"}, {7, 25, el(0x80), "body-part-security-label=unlabelled"},
		{7, 28, el(0x31, el(0x31, el(0xa0, descriptor)), el(5)), "circulation-list-recipients=Ann </C=GB/> checked"},
		{7, 37, el(2, []byte{57}), "precedence=57"}, {7, 38, el(0x31, el(0x31, el(0x80, []byte{1}), el(0x81, []byte{8}))), "body-part-signature-verification-status=part=1; signature=verification-failed"},
		{13, 14, el(2, []byte{15}), "ac-submitted-ipn-status=rn-requested"}, {13, 14, el(2, []byte{16}), "ac-submitted-ipn-status=16"},
		{13, 3, el(2, []byte{1}), "ac-delivered-replies-summary=reply-outstanding"}, {13, 18, el(2, []byte{4}), "recipient-category=circulation-list"},
	} {
		p := x411.Parameter{Attribute: Attribute}
		entry := el(0x31, el(0xa1, el(0x30, el(0x30, el(2, []byte{1}), el(0x31, el(0x30, el(6, []byte{0x56, 1, c.group, c.arc}), el(0x30, c.value)))))))
		if p.Result(x411.OperationList, entry); string(p.Text) != "requested={sequence-number=1; "+c.want+"}" || p.Status != x411.StatusOK {
			t.Errorf("%v: %s, want %s", p.Status, p.Text, c.want)
		}
	}
	for _, oid := range [][]byte{nil, {0x56, 1, 8, 0}, {0x56, 1, 7, 39}, {0x56, 1, 6, 4}, {0x56, 1, 13, 200}, {0x56, 2, 7, 1}, {0x56, 1, 7, 1, 1}} {
		if name, _ := Attribute(oid); name != "" {
			t.Errorf("% x is %s", oid, name)
		}
	}
}

// TestDefine finds each extension that is defined, and no other.
func TestDefine(t *testing.T) {
	names := map[string]string{}
	for i := range definitions {
		names[definitions[i].oid] = definitions[i].name
	}
	if len(names) != len(definitions) {
		t.Errorf("%d object identifiers of %d extensions", len(names), len(definitions))
	}
	for arc := range 256 {
		for last := range 256 {
			for _, oid := range []string{"\x56\x01", "\x56\x02", "\x57\x01", "\x56", "\x56\x01\x05"} {
				oid += string([]byte{byte(arc), byte(last)})
				name := ""
				if d := define([]byte(oid)); d != nil {
					name = d.name
				}
				if name != names[oid] {
					t.Fatalf("%x is %q, want %q", oid, name, names[oid])
				}
			}
		}
	}
}
