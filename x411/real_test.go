package x411

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	truthDir = "../testdata/mta/truth/apdus"
	eanDir   = "../../shared/captures/reference/ean-1985"
)

// realOctets returns the octets of a real APDU: "truth/..." is one delivered by the
// receiving stack, "ean/..." a message of 1985, anything else is in testdata.
func realOctets(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if rest, ok := strings.CutPrefix(name, "truth/"); ok {
		path = filepath.Join(truthDir, rest)
	}
	if rest, ok := strings.CutPrefix(name, "ean/"); ok {
		path = filepath.Join(eanDir, rest)
		if _, err := os.Stat(eanDir); err != nil && os.Getenv("CI") != "true" {
			t.Skip("the reference captures are not beside the checkout")
		}
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// joined returns the APDU of capture n09, which was delivered in two pieces: the
// activity was interrupted and resumed.
func joined(t testing.TB) []byte {
	t.Helper()
	const base = "truth/n09-lowlevel-interrupt-resume-same-assoc.resp."
	return slices.Concat(realOctets(t, base+"01.apdu"), realOctets(t, base+"02.apdu"))
}

// realNames are all real APDUs but the pieces of n09.
func realNames(t testing.TB) []string {
	t.Helper()
	var names []string
	for dir, prefix := range map[string]string{truthDir: "truth/", "testdata": ""} {
		files, err := filepath.Glob(filepath.Join(dir, "*.apdu"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no APDUs in %s: %v", dir, err)
		}
		for _, f := range files {
			if !strings.HasPrefix(filepath.Base(f), "n09") {
				names = append(names, prefix+filepath.Base(f))
			}
		}
	}
	slices.Sort(names)
	return names
}

// describe tells the fields of a decoded APDU, one a line, in the order of the
// standard.
func describe(a *APDU) []string {
	var out []string
	add := func(label string, text []byte) {
		if len(text) > 0 {
			out = append(out, label+": "+string(text))
		}
	}
	add("id", a.ID.Text)
	add("originator", a.Originator.Text)
	add("destination", a.Destination.Text)
	if a.OriginalEITs.Present {
		out = append(out, "eits: "+string(a.OriginalEITs.Text))
	}
	add("content-type", a.ContentType.Text)
	add("content-id", a.ContentID)
	if a.PriorityPresent {
		out = append(out, "priority: "+a.Priority.Name())
	}
	add("indicators", a.Indicators.AppendNames(nil))
	if a.ContentLength >= 0 {
		out = append(out, "content-length: "+string(appendInt(nil, a.ContentLength)))
	}
	for i := range a.Trace {
		out = append(out, "trace: "+string(a.Trace[i].append(nil)))
	}
	for i := range a.InternalTrace {
		out = append(out, "internal: "+string(a.InternalTrace[i].append(nil)))
	}
	for i := range a.Extensions {
		x := &a.Extensions[i]
		out = append(out, "extension: "+x.Name+" "+string(x.Critical.AppendNames(nil)))
	}
	add("subject", a.SubjectID.Text)
	for i := range a.SubjectTrace {
		out = append(out, "intermediate: "+string(a.SubjectTrace[i].append(nil)))
	}
	for i := range a.Recipients {
		r := &a.Recipients[i]
		out = append(out, "recipient "+string(appendInt(nil, r.Number))+": "+string(r.Name.Text)+
			" "+string(r.Indicators.AppendNames(nil)))
		if r.Outcome != OutcomeNone {
			out = append(out, "  "+r.Outcome.Name()+" "+r.Reason.Name()+" "+r.Diagnostic.Name()+
				" arrived "+r.ArrivalTime.At.Format(time.RFC3339))
		}
		if r.ConvertedEITs.Present {
			out = append(out, "  converted: "+string(r.ConvertedEITs.Text))
		}
		add("  supplementary", r.Supplementary)
	}
	return out
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d\n got %q\nwant %q", i, g, w)
		}
	}
}

// The expected values of p20 and p31 are typed from the prints of the receiving
// MTA, testdata/mta/truth/decoded; those of n20 and p22 from tshark's reading of
// the captures of the same name; those of ean from decodes-1986.txt.
func TestRealAPDUs(t *testing.T) {
	const (
		gamma = "/C=XX/ADMD=AMHS/PRMD=TestGamma/O=Gamma Org/S=gil/G=Ann/"
		joe   = "/C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/S=joe/"
		hop1  = "/PRMD=TestGamma/ADMD=AMHS/C=XX/ 1996-05-01T09:59:00Z relayed"
		hop2  = "/PRMD=TestAlpha/ADMD=AMHS/C=XX/ 1996-05-01T10:00:00Z relayed"
		mta1  = "/PRMD=TestGamma/ADMD=AMHS/C=XX/ gamma-mta 1996-05-01T09:59:00Z relayed"
		mta2  = "/PRMD=TestAlpha/ADMD=AMHS/C=XX/ alpha.test 1996-05-01T10:00:00Z relayed"
	)
	tests := []struct {
		name    string
		kind    Kind
		unknown int
		content int
		want    []string
	}{
		{name: "p20.01.apdu", kind: KindMessage, content: 170, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]",
			"originator: " + gamma,
			"eits: ia5-text",
			"content-type: interpersonal-messaging-1988",
			"content-id: r1cid",
			"indicators: disclosure-of-other-recipients",
			"trace: " + hop1, "trace: " + hop2,
			"internal: " + mta1, "internal: " + mta2,
			"extension: internal-trace-information ",
			"recipient 1: " + joe + " responsibility,originating-MTA-report,originator-report",
		}},
		{name: "p20.02.apdu", kind: KindMessage, content: 6638, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;r2.000002]",
			"originator: " + gamma,
			"eits: ",
			"content-type: interpersonal-messaging-1988",
			"content-id: r2cid",
			"priority: urgent",
			"trace: " + hop1, "trace: " + hop2,
			"internal: " + mta1, "internal: " + mta2,
			"extension: internal-trace-information ",
			"recipient 1: " + joe + " responsibility,originating-MTA-report,originator-report",
			"recipient 2: /C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/OU1=Ops/OU2=Night/S=ann/G=Mary/" +
				" responsibility,originating-MTA-report,originator-report",
		}},
		{name: "p31.01.apdu", kind: KindMessage, content: 2563, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;m84b.1]",
			"originator: " + gamma,
			"eits: ",
			"content-type: interpersonal-messaging-1984",
			"content-id: 84cid2",
			"priority: non-urgent",
			"trace: " + hop1, "trace: " + hop2,
			// '10101000'B
			"recipient 1: " + joe + " responsibility,originating-MTA-non-delivery-report,originator-non-delivery-report",
			"recipient 2: /C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/S=ann/G=Mary/" +
				" responsibility,originating-MTA-non-delivery-report,originator-non-delivery-report",
		}},
		{name: "p31.02.apdu", kind: KindReport, want: []string{
			"id: [/PRMD=TestAlpha/ADMD=AMHS/C=XX/;alpha.test.162:01.04.96.10.00.00]",
			"destination: " + gamma,
			"content-id: 84cid3",
			"trace: " + hop2,
			"subject: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;m84c.1]",
			"intermediate: " + hop1, "intermediate: " + hop2,
			"recipient 1: /C=XX/ADMD=AMHS/PRMD=TestAlpha/O=Alpha Org/S=nobody/" +
				" responsibility,originating-MTA-non-delivery-report,originator-non-delivery-report",
			"  non-delivery unable-to-transfer unrecognised-OR-name arrived 1996-05-01T10:00:00Z",
			"  converted: ",
			"  supplementary: Unknown local user 'nobody'",
		}},
		{name: "truth/n20-normal-std88-messages-and-probe.resp.01.apdu", kind: KindMessage, content: 170, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]",
			"originator: " + gamma,
			"eits: ia5-text",
			"content-type: interpersonal-messaging-1988",
			"content-id: r1cid",
			"priority: normal",
			"indicators: disclosure-of-other-recipients",
			"trace: " + hop1,
			"internal: " + mta1,
			"extension: internal-trace-information ",
			"recipient 1: " + joe + " responsibility,originating-MTA-report,originator-report,originator-non-delivery-report",
		}},
		{name: "truth/n20-normal-std88-messages-and-probe.resp.03.apdu", kind: KindMessage, content: 177, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;r3.000003]",
			"originator: " + gamma,
			"content-type: interpersonal-messaging-1988",
			"content-id: r3cid",
			"priority: normal",
			"trace: " + hop1,
			"internal: " + mta1,
			"extension: internal-trace-information ",
			"recipient 1: /C=XX/ADMD=AMHS/PRMD=TestAlpha/O=Alpha Org/S=nobody/ responsibility,originating-MTA-report,originator-report,originator-non-delivery-report",
		}},
		{name: "truth/n20-normal-std88-messages-and-probe.resp.06.apdu", kind: KindProbe, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;pr1.000006]",
			"originator: " + gamma,
			"content-type: interpersonal-messaging-1988",
			"content-id: p1",
			"content-length: 1234",
			"trace: " + hop1,
			"recipient 1: " + joe + " responsibility,originating-MTA-report,originator-report,originator-non-delivery-report",
		}},
		{name: "truth/n20-normal-std88-messages-and-probe.resp.02.apdu", kind: KindMessage, content: 6638, want: []string{
			"id: [/PRMD=TestGamma/ADMD=AMHS/C=XX/;r2.000002]",
			"originator: " + gamma,
			"content-type: interpersonal-messaging-1988",
			"content-id: r2cid",
			"priority: urgent",
			"trace: " + hop1,
			"internal: " + mta1,
			"extension: internal-trace-information ",
			"recipient 1: " + joe + " responsibility,originating-MTA-report,originator-report,originator-non-delivery-report",
			"recipient 2: /C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/OU1=Ops/OU2=Night/S=ann/G=Mary/" +
				" responsibility,originating-MTA-non-delivery-report,originator-report,originator-non-delivery-report",
		}},
		{name: "truth/p22-pp88-to-rtx-reports.resp.01.apdu", kind: KindReport, want: []string{
			"id: [/PRMD=TestAlpha/ADMD=AMHS/C=XX/;alpha.test.053:01.04.96.10.00.00]",
			"destination: " + joe,
			"eits: ",
			"content-type: interpersonal-messaging-1988",
			"content-id: r4cid",
			"trace: " + hop2,
			"internal: " + mta2,
			"extension: internal-trace-information ",
			"subject: [/PRMD=TestBeta/ADMD=AMHS/C=XX/;r4.000004]",
			"intermediate: /PRMD=TestBeta/ADMD=AMHS/C=XX/ 1996-05-01T09:59:00Z relayed",
			"intermediate: " + hop2,
			"recipient 1: /C=XX/ADMD=AMHS/PRMD=TestAlpha/O=Alpha Org/S=nobody/" +
				" responsibility,originating-MTA-report,originator-report",
			"  non-delivery unable-to-transfer unrecognised-OR-name arrived 1996-05-01T10:00:00Z",
			"  converted: ",
			"  supplementary: Unknown local user 'nobody'",
		}},
		{name: "ean/msg1.mpdu.ber", kind: KindMessage, content: 342, want: []string{
			"id: [/PRMD=uk/ADMD=/C=/;851106103311]",
			"originator: /C=/ADMD=/PRMD=uk/DDA:=ean/DDA:=ean.vax2.cs.ucl.ac/",
			"eits: ia5-text",
			"content-type: interpersonal-messaging-1984",
			"content-id: 420",
			"priority: normal",
			"trace: /PRMD=uk/ADMD=/C=/ 1985-11-06T10:33:11Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/ responsibility,originator-non-delivery-report",
		}},
		{name: "ean/msg2.mpdu.ber", kind: KindMessage, content: 314, want: []string{
			"id: [/PRMD=uk/ADMD=/C=/;851106163413]",
			"originator: /C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/",
			"eits: telex",
			"content-type: interpersonal-messaging-1984",
			"content-id: 421",
			"priority: normal",
			"trace: /PRMD=uk/ADMD=/C=/ 1985-11-06T16:34:14Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=guest/DDA:=ean.vax2.cs.ucl.ac/ responsibility,originator-non-delivery-report",
		}},
		{name: "ean/msg3.mpdu.ber", kind: KindMessage, content: 354, want: []string{
			"id: [/PRMD=uk/ADMD=/C=/;851106170431]",
			"originator: /C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/",
			"eits: ia5-text",
			"content-type: interpersonal-messaging-1984",
			"content-id: 120",
			"priority: normal",
			"trace: /PRMD=uk/ADMD=/C=/ 1985-11-06T17:04:31Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=ean/DDA:=ean.vax2.cs.ucl.ac/ responsibility,originator-non-delivery-report",
		}},
		// Arrival at 14/11/85 23:41:38 -0100.
		{name: "ean/msg5.mpdu.ber", kind: KindMessage, content: 297, want: []string{
			"id: [/PRMD=cern/ADMD=/C=/;851115004138]",
			"originator: /C=/ADMD=/PRMD=cern/DDA:=steve/DDA:=priam/",
			"eits: telex",
			"content-type: interpersonal-messaging-1984",
			"content-id: 434",
			"priority: normal",
			"trace: /PRMD=cern/ADMD=/C=/ 1985-11-15T00:41:38Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=alina@ean.vax2.cs.ucl.ac/ responsibility,originator-non-delivery-report",
		}},
		// The 1986 decoder, too, stopped at the empty SET in this envelope.
		{name: "ean/msg4.mpdu.ber", kind: KindMessage, unknown: 2, content: 266, want: []string{
			"id: [/PRMD=dfn/ADMD=/C=/;851114171228]",
			"originator: /C=/ADMD=/PRMD=dfn/DDA:=busch/DDA:=xps.gmd/",
			"content-type: interpersonal-messaging-1984",
			"priority: normal",
			"trace: /PRMD=dfn/ADMD=/C=/ 1985-11-14T17:12:28Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/ responsibility",
		}},
		{name: "ean/msg6.mpdu.ber", kind: KindMessage, unknown: 2, content: 181, want: []string{
			"id: [/PRMD=osiride/ADMD=/C=italy/;851209150738]",
			"originator: /C=/ADMD=/PRMD=osiride/DDA:=lancia/DDA:=iasi.cnr/",
			"content-type: interpersonal-messaging-1984",
			"priority: normal",
			"trace: /PRMD=osiride/ADMD=/C=italy/ 1985-12-09T15:07:38Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/ responsibility",
		}},
		{name: "ean/msg7.mpdu.ber", kind: KindMessage, content: 470, want: []string{
			"id: [/PRMD=uk/ADMD=/C=/;860324133448]",
			"originator: /C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/",
			"eits: ia5-text",
			"content-type: interpersonal-messaging-1984",
			"content-id: 172",
			"priority: normal",
			"trace: /PRMD=uk/ADMD=/C=/ 1986-03-24T13:34:48Z relayed",
			"recipient 1: /C=/ADMD=/PRMD=uk/DDA:=ean/DDA:=ean.vax2.cs.ucl.ac/ responsibility,originator-non-delivery-report",
		}},
	}
	var a APDU
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			octets := realOctets(t, tt.name)
			if got := a.Decode(octets); got != StatusOK {
				t.Errorf("status %v, %v", got, a.Failure.Error())
			}
			if a.Kind != tt.kind || a.UnknownFields != tt.unknown {
				t.Errorf("kind %v, %d unknown fields (%s)", a.Kind, a.UnknownFields, a.FirstUnknown)
			}
			if a.Content.Size != tt.content {
				t.Errorf("content of %d octets, want %d", a.Content.Size, tt.content)
			}
			if got := len(a.AppendContent(nil)); got != tt.content {
				t.Errorf("AppendContent gives %d octets, want %d", got, tt.content)
			}
			compare(t, describe(&a), tt.want)
		})
	}
}

// Every real APDU is read to its end, and its ranges lie where they should.
func TestAllRealAPDUs(t *testing.T) {
	var a APDU
	check := func(t *testing.T, octets []byte) {
		t.Helper()
		if a.Decode(octets) != StatusOK {
			t.Fatalf("%v: %s", a.Status, a.Failure.Error())
		}
		if a.External.Present != (octets[0] == 0x28) {
			t.Errorf("external %v", a.External)
		}
		if a.External.Present && a.External.ContextID != 5 {
			t.Errorf("context %d", a.External.ContextID)
		}
		if !a.External.Present && a.Octets != (Range{0, len(octets)}) {
			t.Errorf("octets %v of %d", a.Octets, len(octets))
		}
		if tag := octets[a.Octets.Start]; tag&0xfc != 0xa0 {
			t.Errorf("MTS-APDU begins with %02x", tag)
		}
		if a.Envelope.Start < a.Octets.Start || a.Envelope.End > a.Octets.End {
			t.Errorf("envelope %v, APDU %v", a.Envelope, a.Octets)
		}
		if len(a.Recipients) == 0 || len(a.Trace) == 0 || len(a.ID.Text) == 0 {
			t.Errorf("%d recipients, %d trace elements, identifier %q", len(a.Recipients), len(a.Trace), a.ID.Text)
		}
		if c := &a.Content; c.Present {
			if !c.Constructed && string(c.Contents.Of(octets)) != string(c.Octets) {
				t.Error("content range")
			}
			if octets[c.Encoding.Start]&^0x20 != 0x04 {
				t.Errorf("content begins with %02x", octets[c.Encoding.Start])
			}
		}
	}
	for _, name := range realNames(t) {
		t.Run(name, func(t *testing.T) { check(t, realOctets(t, name)) })
	}
	t.Run("n09 joined", func(t *testing.T) {
		octets := joined(t)
		if len(octets) != 26116 {
			t.Fatalf("%d octets", len(octets))
		}
		check(t, octets)
	})
	for i := range 7 {
		name := "ean/msg" + string(rune('1'+i)) + ".mpdu.ber"
		t.Run(name, func(t *testing.T) { check(t, realOctets(t, name)) })
	}
}

// A message sent with the same content in definite and in indefinite lengths is
// the same message.
func TestIndefiniteLengths(t *testing.T) {
	var definite, indefinite APDU
	definite.Decode(realOctets(t, "ean/msg1.mpdu.ber"))
	indefinite.Decode(realOctets(t, "truth/n02-normal-ckpt1k-window3.resp.03.apdu"))
	compare(t, describe(&indefinite), describe(&definite))
	if !indefinite.Content.Constructed || definite.Content.Constructed {
		t.Fatalf("constructed %v and %v", indefinite.Content.Constructed, definite.Content.Constructed)
	}
	if string(indefinite.AppendContent(nil)) != string(definite.Content.Octets) {
		t.Error("contents differ")
	}
}

// No cut of a real APDU passes for a whole one.
func TestCutAPDUs(t *testing.T) {
	var a APDU
	for _, name := range realNames(t) {
		octets := realOctets(t, name)
		step := 1
		if len(octets) > 10000 {
			step = 997
		}
		for n := 0; n < len(octets); n += step {
			if s := a.Decode(octets[:n:n]); s == StatusOK {
				t.Fatalf("%s cut at %d of %d: %v", name, n, len(octets), s)
			}
			if a.Failure.Code == CodeNone || a.Failure.Offset > n {
				t.Fatalf("%s cut at %d: %v", name, n, a.Failure)
			}
		}
	}
}

// In steady state Decode allocates nothing.
func TestDecodeAllocations(t *testing.T) {
	names := realNames(t)
	inputs := make([][]byte, 0, len(names))
	for _, name := range names {
		inputs = append(inputs, realOctets(t, name))
	}
	inputs = append(inputs, everything(t))
	var a APDU
	run := func() {
		for _, in := range inputs {
			a.Decode(in)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations for %d APDUs", n, len(inputs))
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, bb := range []struct{ name, file string }{
		{"message", "truth/n20-normal-std88-messages-and-probe.resp.01.apdu"},
		{"report", "truth/p22-pp88-to-rtx-reports.resp.01.apdu"},
		{"probe", "truth/n20-normal-std88-messages-and-probe.resp.06.apdu"},
		{"1984", "p31.01.apdu"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			in := realOctets(b, bb.file)
			var a APDU
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				a.Decode(in)
			}
		})
	}
}
