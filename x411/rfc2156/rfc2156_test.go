package rfc2156

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"strings"
	"testing"

	"x400flow/x411"
	"x400flow/x411/ipm"
)

// A real message, read back with net/mail.
func TestReal(t *testing.T) {
	octets, err := os.ReadFile("../testdata/p20.01.apdu")
	if err != nil {
		t.Fatal(err)
	}
	var a x411.APDU
	a.Decode(octets)
	var c ipm.Content
	c.Decode(a.AppendContent(nil), &a.ContentType)
	var out bytes.Buffer
	left, err := Write(&out, &a, &c)
	if err != nil || len(left) != 0 {
		t.Fatalf("left out %v, error %v", left, err)
	}
	m, err := mail.ReadMessage(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct{ name, want string }{
		{"From", `<"/C=XX/ADMD=AMHS/PRMD=TestGamma/O=Gamma Org/S=gil/G=Ann/"@x400.invalid>`},
		{"To", `<"/C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/S=joe/"@x400.invalid>`},
		{"Subject", "Relay one"}, {"Message-ID", "<ipm-r1*@x400.invalid>"},
		{"X400-MTS-Identifier", "[/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]"},
		{"Date", "Wed, 01 May 1996 09:59:00 +0000"},
	} {
		if got := m.Header.Get(f.name); got != f.want {
			t.Errorf("%s: %q, want %q", f.name, got, f.want)
		}
	}
	for _, name := range []string{"From", "To"} {
		if _, err := m.Header.AddressList(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, _ := io.ReadAll(m.Body); string(b) != "Relayed message one\r\n" {
		t.Errorf("body %q", b)
	}
}

func element(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append([]byte{tag, 0x82, byte(len(content) >> 8), byte(len(content))}, content...)
}

func str(tag byte, s string) []byte { return element(tag, []byte(s)) }

// A message with what Internet mail has and has not.
func TestParts(t *testing.T) {
	id := element(0x6b, str(0x13, "id"))
	user := element(0x60, element(0x30), element(0x30, element(0x30, str(0x13, "RFC-822"), str(0x13, "ann(a)x.org"))))
	inner := element(0x30, element(0x31, id, element(0xa8, str(0x14, "inner"))), element(0x30, element(0xa0, element(0x31), str(0x16, "in"))))
	content := element(0xa0, element(0x31, id, element(0xa0, user, str(0x80, "Ann \xc8U")),
		element(0xa8, str(0x14, "Gr\xc8u\xfbe")), str(0x89, "960501100000Z"), str(0x8c, "\x02"),
		element(0xaf, element(0x30, []byte{6, 3, 0x2a, 3, 4}))),
		element(0x30, element(0xa0, element(0x31), str(0x16, "text\r\n")), str(0x8e, "\x00\x01"),
			element(0xa9, element(0x31), inner), element(0xa3, element(0x31), element(0x30))))
	var c ipm.Content
	c.Decode(content, &x411.ContentType{Builtin: 22})
	var out bytes.Buffer
	left, err := Write(&out, &x411.APDU{}, &c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(left, "|"), "heading extension 1.2.3.4|body part 4, g3-facsimile, 0 octets"; got != want {
		t.Errorf("left out %s, want %s", got, want)
	}
	m, err := mail.ReadMessage(&out)
	if err != nil {
		t.Fatal(err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Address != "ann@x.org" || from[0].Name != "Ann Ü" {
		t.Errorf("from %v, %v", from, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Grüße" {
		t.Errorf("subject %q, %v", subject, err)
	}
	for name, want := range map[string]string{"Importance": "high", "Expires": "Wed, 01 May 1996 10:00:00 +0000", "Discarded-X400-IPMS-Extensions": "1.2.3.4"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "=_x400flow_0_"; params["boundary"] != want {
		t.Errorf("boundary %q, want %q", params["boundary"], want)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var got []string
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		if kind == "message/rfc822" {
			nested, err := mail.ReadMessage(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(nested.Body)
			b = []byte(nested.Header.Get("Subject") + " " + string(text))
		}
		got = append(got, kind+" "+strings.TrimSpace(string(b)))
	}
	want := "text/plain text|application/octet-stream AAE=|message/rfc822 inner in|text/plain [Body part 4 of kind g3-facsimile, 0 octets, is left out.]"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("parts %s\nwant %s", s, want)
	}
}

// A value with line ends makes no fields of its own.
func TestNoInjection(t *testing.T) {
	id := element(0x6b, str(0x13, "id\r\nBcc: x@y"))
	content := element(0xa0, element(0x31, id, element(0xa0, str(0x80, "Ann\r\nBcc: x@y")), element(0xa8, str(0x14, "s\r\nBcc: x@y"))), element(0x30))
	var c ipm.Content
	c.Decode(content, &x411.ContentType{Builtin: 22})
	var out bytes.Buffer
	if _, err := Write(&out, &x411.APDU{}, &c); err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(&out)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Bcc"); got != "" {
		t.Errorf("Bcc: %s", got)
	}
}
