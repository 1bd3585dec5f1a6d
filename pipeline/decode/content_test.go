package decode

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"x400flow/bench/generate"
	"x400flow/osi/association"
	"x400flow/pipeline/sensor"
	"x400flow/schema"
	"x400flow/x411"
)

// contentWorker is a worker without a store.
func contentWorker(cfg Config) *worker {
	w := New(cfg, nil, nil).workers[0]
	w.batch = new(schema.Batch)
	return w
}

// apduWith is a real APDU with its content replaced.
func apduWith(t testing.TB, content []byte) []byte {
	t.Helper()
	octets := realAPDU(t)
	var a x411.APDU
	if a.Decode(octets) != x411.StatusOK {
		t.Fatal(a.Failure.Error())
	}
	envelope := octets[a.Envelope.Start:a.Envelope.End]
	return element(0xa0, envelope, element(4, content))
}

func realAPDU(t testing.TB) []byte {
	t.Helper()
	octets, err := os.ReadFile("../../x411/testdata/p31.01.apdu")
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func element(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append([]byte{tag, 0x83, byte(len(content) >> 16), byte(len(content) >> 8), byte(len(content))}, content...)
}

// interpersonal is an IPM with a heading and body parts.
func interpersonal(heading []byte, parts ...[]byte) []byte {
	id := element(0x6b, element(0x13, []byte("id")))
	return append(element(0x31, id, heading), element(0x30, parts...)...)
}

func ia5(text string) []byte { return element(0xa0, element(0x31), element(0x16, []byte(text))) }

// A real message of 1984 gives the rows that its sender meant.
func TestContentRows(t *testing.T) {
	w := contentWorker(Config{})
	if s, _ := w.rows(&schema.Message{}, realAPDU(t), nil); s != x411.StatusOK {
		t.Fatal(s)
	}
	b := w.batch
	if b.IPMs.Rows() != 1 || b.IPMRecipients.Rows() != 1 || b.BodyParts.Rows() != 1 || b.Problems.Rows() != 0 {
		t.Fatalf("%d messages, %d recipients, %d body parts, %d problems", b.IPMs.Rows(), b.IPMRecipients.Rows(), b.BodyParts.Rows(), b.Problems.Rows())
	}
	text := strings.Repeat("P1 1984 two recipients\r\n", 100)
	for _, c := range []struct{ name, got, want string }{
		{"kind", texts(&b.IPMs, "kind")[0], "ipm"}, {"subject", texts(&b.IPMs, "subject")[0], "Eighty four two"},
		{"ipm_id", texts(&b.IPMs, "ipm_id")[0], "ipm-84b*"}, {"originator", texts(&b.IPMs, "originator_name")[0], "/C=XX/ADMD=AMHS/PRMD=TestGamma/O=Gamma Org/S=gil/G=Ann/"},
		{"recipient", texts(&b.IPMRecipients, "recipient")[0], "/C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/S=joe/"},
		{"role", texts(&b.IPMRecipients, "role")[0], "primary"}, {"text", texts(&b.BodyParts, "text")[0], text}, {"charset", texts(&b.BodyParts, "charset")[0], "us-ascii"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
	content := texts(&b.Contents, "content")[0]
	at, n := b.BodyParts.ContentOffset[0], b.BodyParts.ContentLength[0]
	if content[at:at+n] != text {
		t.Errorf("the place of the body part in the content holds %q", content[at:at+n])
	}
}

// Damage in a forwarded message leaves the message and its envelope whole, and is
// told in a problem row. Without bodies the rows tell of them and hold none.
func TestContentDamage(t *testing.T) {
	inner := element(0x30, interpersonal(element(0x8c), ia5("inner text")))
	octets := apduWith(t, element(0xa0, interpersonal(nil, element(0xa9, element(0x31), inner), ia5("PRI: FF\r\nFT: 201234\r\nouter text"))))
	for _, envelope := range []bool{false, true} {
		w := contentWorker(Config{EnvelopeOnly: envelope})
		m := &schema.Message{SourceAddress: []byte("192.0.2.1"), DestinationAddress: []byte("192.0.2.2"), Direction: direction(0)}
		if s, _ := w.rows(m, octets, &association.Origin{}); s != x411.StatusOK {
			t.Fatal(s)
		}
		w.innerProblems(nil, m)
		b := w.batch
		if got, want := strings.Join(texts(&b.IPMs, "status"), " "), "ok partial"; got != want || m.Status != "ok" {
			t.Errorf("statuses %s and %s, want %s and ok", got, m.Status, want)
		}
		if b.Problems.Rows() != 1 || texts(&b.Problems, "layer")[0] != "x420" || texts(&b.Problems, "path")[0] != "body/1/heading/importance" {
			t.Errorf("problems %v %v %v", texts(&b.Problems, "layer"), texts(&b.Problems, "reason"), texts(&b.Problems, "path"))
		}
		if got, want := strings.Join(texts(&b.BodyParts, "kind"), " "), "message ia5-text ia5-text"; got != want {
			t.Errorf("body parts %s, want %s", got, want)
		}
		if got, want := strings.Join(texts(&b.IPMs, "path"), "|"), "|1"; got != want || texts(&b.BodyParts, "nested_path")[0] != "1" {
			t.Errorf("paths %s, nested %s", got, texts(&b.BodyParts, "nested_path")[0])
		}
		all := strings.Join(texts(&b.BodyParts, "text"), "|")
		if envelope != !strings.Contains(all, "text") {
			t.Errorf("envelope only is %v, and the texts are %q", envelope, all)
		}
		if ats := texts(&b.IPMs, "ats_priority")[0]; envelope != (ats == "") {
			t.Errorf("envelope only is %v, and the priority %q", envelope, ats)
		}
		if b.BodyParts.Size[1] != uint64(len("PRI: FF\r\nFT: 201234\r\nouter text")) {
			t.Errorf("size %d", b.BodyParts.Size[1])
		}
		for _, s := range [][]string{texts(&b.Problems, "octets"), texts(&b.BodyParts, "octets"), texts(&b.Contents, "content")} {
			if envelope && strings.Join(s, "") != "" {
				t.Errorf("octets of a body: %q", s)
			}
		}
	}
}

func TestContentRowsDoNotAllocate(t *testing.T) {
	for _, cfg := range []Config{{}, {EnvelopeOnly: true}} {
		w := contentWorker(cfg)
		octets := realAPDU(t)
		m := &schema.Message{}
		run := func() {
			w.batch.Reset()
			*m = schema.Message{}
			w.rows(m, octets, &association.Origin{})
		}
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("envelope only is %v: %v allocations", cfg.EnvelopeOnly, n)
		}
	}
}

// The rows of a message of 2,400 octets of text, envelope, heading and body.
func BenchmarkRows(b *testing.B) {
	w := contentWorker(Config{})
	octets, err := os.ReadFile("../../x411/testdata/p31.01.apdu")
	if err != nil {
		b.Fatal(err)
	}
	m := &schema.Message{}
	b.SetBytes(int64(len(octets)))
	b.ReportAllocs()
	for b.Loop() {
		w.batch.Reset()
		*m = schema.Message{}
		w.rows(m, octets, &association.Origin{})
	}
}

// A large content is not copied into its columns: they hold the buffer that the APDU was
// joined in, which nothing overwrites while the rows are there.
func TestLargeContent(t *testing.T) {
	const large = 3 << 20
	in := frames(t, generated(t, 12, func(o *generate.Options) { o.HugeContent = large }))
	d := newDirect(Config{BatchOctets: 1 << 30})
	got := d.rows(t, in)
	found := 0
	for _, r := range got["contents_store"] {
		if size, _ := strconv.Atoi(r.columns["size"]); size < large {
			continue
		}
		found++
		if want := fmt.Sprintf("%s octets %x", r.columns["size"], r.columns["sha256"]); r.columns["content"] != want && r.columns["kind"] == "content" && r.columns["content_inline"] == "false" {
			t.Errorf("the content is %s, want %s", r.columns["content"], want)
		}
	}
	if found == 0 {
		t.Error("no large content")
	}
	cut, _ := decoded(t, Config{BatchOctets: 1}, records(t, sensor.Config{MaxItems: 50}, in))
	same(t, cut, got)
}
