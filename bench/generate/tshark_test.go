package generate

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"x400flow/bench/ledger"
)

func needTshark(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("tshark is not installed, so there is nobody to compare with")
	}
}

// separate cuts a capture into one for each association, because tshark keeps RTSE's state in
// globals and mixes associations up.
func separate(t *testing.T, g result) map[int][]byte {
	t.Helper()
	out := map[int][]byte{}
	for _, p := range packets(t, g.capture) {
		id, opened := 0, int64(0)
		for i := range g.ledger.Associations {
			a := &g.ledger.Associations[i]
			if at := a.Opened.UnixNano(); (a.Client == p.from && a.Server == p.to || a.Client == p.to && a.Server == p.from) &&
				at <= p.at && at > opened {
				id, opened = a.ID, at
			}
		}
		if out[id] == nil {
			out[id] = slices.Clone(g.capture[:24])
		}
		out[id] = append(out[id], p.whole...)
	}
	return out
}

func tshark(t *testing.T, capture []byte, args ...string) []byte {
	t.Helper()
	f := filepath.Join(t.TempDir(), "c.pcap")
	if err := os.WriteFile(f, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-r", f, "-n", "-o", "tcp.desegment_tcp_streams:TRUE", "-o", "tcp.reassemble_out_of_order:TRUE"}, args...)
	cmd := exec.Command("tshark", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.Bytes())
	}
	return out
}

// complaints are the frames in which tshark finds something malformed or in error.
func complaints(t *testing.T, capture []byte) []string {
	t.Helper()
	out := tshark(t, capture, "-Y", "_ws.malformed || _ws.expert.severity == error || (_ws.expert.group == malformed)",
		"-T", "fields", "-e", "frame.number", "-e", "tcp.stream", "-e", "_ws.col.Protocol", "-e", "_ws.expert.message")
	var list []string
	for l := range strings.Lines(string(out)) {
		list = append(list, strings.TrimSpace(l))
	}
	return list
}

// kinds are kinds of traffic, each by the options that change from a plain association. Missing
// are X.410-1984 mode, whose data tshark does not decode, and interrupted, resumed, recovered and
// discarded activities, whose octets it joins as if they were one; TestTransfers reads these.
var kinds = []struct {
	name string
	set  func(o *Options)
}{
	{"single", func(o *Options) {}},
	{"segmented", func(o *Options) { o.SegmentRate = 1 }},
	{"large contents", func(o *Options) { o.SegmentRate, o.Messages, o.Corpus = 0.7, 20, OfficeCorpus }},
	{"indefinite lengths", func(o *Options) { o.IndefiniteRate = 1 }},
	{"non-minimal lengths", func(o *Options) { o.NonMinimalRate = 1 }},
	{"constructed octet strings", func(o *Options) { o.ConstructedRate, o.IndefiniteRate = 1, 0.5 }},
	{"sets in any order", func(o *Options) { o.ShuffleRate = 1 }},
	{"extensions and addresses of 1988", func(o *Options) { o.RichRate, o.ReportRate = 1, 0.8 }},
	{"two-way alternate", func(o *Options) { o.TwoWayRate = 1 }},
	{"refusals and aborts", func(o *Options) { o.RefuseRate, o.AbortRate, o.PerAssociation = 0.4, 0.5, 1 }},
	{"probes and reports", func(o *Options) { o.ProbeRate, o.ReportRate = 0.6, 1 }},
	{"repeated", func(o *Options) { o.SegmentRate, o.RepeatRate = 0.5, 0.4 }},
	{"IPv6", func(o *Options) { o.IPv6Rate = 1 }},
	{"tiny segments", func(o *Options) { o.TinyRate, o.Messages = 1, 15 }},
	{"disorder and repetitions", func(o *Options) { o.DisorderRate, o.DuplicateRate = 0.1, 0.1 }},
	{"sequence numbers that wrap", func(o *Options) { o.WrapRate = 1 }},
	{"formats of 1984", func(o *Options) { o.plain1984, o.ReportRate = true, 0.8 }},
	{"rare forms", func(o *Options) { o.OddRate = 1 }},
	{"noise", func(o *Options) { o.NoiseRate, o.Messages = 0.8, 10 }},
}

// users is traffic of users with the MTS and message stores, which tshark reads but for what
// mistaken names.
func users(o *Options) { o.AccessRate, o.Messages, o.RichRate = 0.8, 40, 0.5 }

// mistaken are tshark's complaints about MS access. X.413's module tags explicitly, but for the
// types that it takes from X.411, whose tags stay implicit ("This imported type has IMPLICIT
// tags", X.413 on COMPONENTS OF); tshark expects the tags of the copied components explicitly: of
// the recipients of a probe-submission, whose SETs it meets where it expects the SEQUENCE OF them
// (X.411 8.2.1.2.1), and of the extensions of a submission's result.
var mistaken = []string{
	"SEQUENCE OF expected but class:UNIVERSAL(0) Constructed tag:16 was unexpected",
	"SET OF expected but class:UNIVERSAL(0) Constructed tag:17 was unexpected",
	"UTCTime expected but class:UNIVERSAL(0) Constructed tag:18 was unexpected",
	"Malformed Packet (Exception occurred)",
}

// isMistaken reports whether a line of complaints has none but mistaken ones.
func isMistaken(complaint string) bool {
	_, list, ok := strings.Cut(complaint, "\tP7\t")
	for _, m := range strings.Split(list, ",") {
		ok = ok && slices.Contains(mistaken, strings.TrimPrefix(m, "BER Error: "))
	}
	return ok
}

func TestTsharkReadsUsers(t *testing.T) {
	needTshark(t)
	exact := 0
	for _, seed := range []uint64{301, 320} {
		o := plainOptions()
		o.Seed = seed
		users(&o)
		g := generate(t, o)
		for _, c := range complaints(t, g.capture) {
			if !isMistaken(c) {
				t.Errorf("seed %d: %s", o.Seed, c)
			}
		}
		// Each operation is there, under its code, with its outcome. Of the abstract syntaxes that
		// X.419 defines tshark 4.0 knows all that MTS access without RTSE has, and few of the others.
		want, all := map[int]map[string]int{}, map[int]bool{}
		for i := range g.ledger.Associations {
			switch as := &g.ledger.Associations[i]; as.ApplicationContext {
			case "2.6.0.1.0", "2.6.0.1.1", "2.6.0.1.7", "2.6.0.1.8":
				all[as.ID] = true
			}
		}
		for i := range g.ledger.Operations {
			x := &g.ledger.Operations[i]
			w := want[x.Association]
			if w == nil {
				w = map[string]int{}
				want[x.Association] = w
			}
			w[fmt.Sprintf("invoke %d %d", x.InvokeID, x.Code)]++
			switch x.Outcome {
			case "result":
				w[fmt.Sprintf("returnResult %d %d", x.InvokeID, x.Code)]++
			case "error":
				w[fmt.Sprintf("returnError %d", x.InvokeID)]++
			}
		}
		captures := separate(t, g)
		for id, w := range want {
			var doc struct {
				Packets []element `xml:"packet"`
			}
			if err := xml.Unmarshal(tshark(t, captures[id], "-Y", "ros", "-T", "pdml"), &doc); err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for i := range doc.Packets {
				for _, kind := range []string{"invoke", "returnResult", "returnError"} {
					for _, x := range doc.Packets[i].all("ros." + kind + "_element") {
						k := kind + " " + x.one("ros.present").Show
						if kind != "returnError" {
							k += " " + x.one("ros.opcode").Show
						}
						got[k]++
					}
				}
			}
			if all[id] {
				exact++
			}
			for k := range w {
				if got[k] != w[k] && (all[id] || got[k] > w[k]) {
					t.Errorf("seed %d: association %d: %d of %s, tshark reads %d", o.Seed, id, w[k], k, got[k])
				}
			}
			for k := range got {
				if w[k] == 0 {
					t.Errorf("seed %d: association %d: tshark reads %s", o.Seed, id, k)
				}
			}
		}
	}
	if exact < 5 {
		t.Errorf("only %d associations that tshark reads", exact)
	}
}

func plainOptions() Options {
	o := DefaultOptions()
	o.Messages, o.Concurrent, o.MaxRecipients = 25, 1, 4
	o.X410Rate, o.TwoWayRate, o.RichRate, o.SegmentRate = 0, 0, 0.1, 0
	o.IndefiniteRate, o.NonMinimalRate, o.ConstructedRate, o.ShuffleRate = 0, 0, 0, 0
	o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate, o.RepeatRate = 0, 0, 0, 0, 0
	o.RefuseRate, o.AbortRate, o.OpenRate, o.IPv6Rate, o.WrapRate = 0, 0, 0, 0, 0
	return o
}

func TestTsharkFindsNothingMalformed(t *testing.T) {
	needTshark(t)
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			o := plainOptions()
			o.Seed = uint64(100 + i)
			k.set(&o)
			g := generate(t, o)
			list := complaints(t, g.capture)
			for _, c := range list {
				// A bind without ROSE's tag begins like a RO-INVOKE to tshark.
				if k.name == "rare forms" && strings.HasSuffix(c, "\tROS\tBER Error: Wrong field in SEQUENCE: expected class:UNIVERSAL(0) tag:2(INTEGER) but found class:CONTEXT(2) tag:1") {
					continue
				}
				t.Errorf("%s", c)
			}
			if len(list) > 0 && os.Getenv("X400GEN_KEEP") != "" {
				os.WriteFile(filepath.Join(os.Getenv("X400GEN_KEEP"), strings.ReplaceAll(k.name, " ", "-")+".pcap"), g.capture, 0o600)
			}
		})
	}
}

// element is an element of PDML.
type element struct {
	Name   string    `xml:"name,attr"`
	Show   string    `xml:"show,attr"`
	Fields []element `xml:"field"`
	Protos []element `xml:"proto"`
}

// all returns the descendants with the name, the element itself not among them.
func (e *element) all(name string) []*element {
	var list []*element
	for _, children := range [...][]element{e.Fields, e.Protos} {
		for i := range children {
			if children[i].Name == name {
				list = append(list, &children[i])
			}
			list = append(list, children[i].all(name)...)
		}
	}
	return list
}

func (e *element) one(name string) *element {
	if list := e.all(name); len(list) > 0 {
		return list[0]
	}
	return &element{}
}

// outside returns a copy of the element without its descendants of the names.
func (e *element) outside(names ...string) *element {
	c := *e
	c.Fields = nil
	for i := range e.Fields {
		if !slices.Contains(names, e.Fields[i].Name) {
			c.Fields = append(c.Fields, *e.Fields[i].outside(names...))
		}
	}
	return &c
}

// apdus reads the MTS-APDUs that tshark found in a capture.
func apdus(t *testing.T, capture []byte) []element {
	t.Helper()
	out := tshark(t, capture, "-Y", "p1.MTS_APDU", "-T", "pdml")
	d := xml.NewDecoder(bufio.NewReader(bytes.NewReader(out)))
	var list []element
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "packet" {
			var p element
			if err := d.DecodeElement(&p, &s); err != nil {
				t.Fatal(err)
			}
			for i := range p.Protos {
				if p.Protos[i].Name == "p1" && len(p.Protos[i].all("p1.MTS_APDU")) > 0 {
					list = append(list, p.Protos[i])
				}
			}
		}
	}
}

func shows(list []*element) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, e.Show)
	}
	return out
}

func times(list []ledger.TraceElement) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, e.Arrival.Format("06-01-02 15:04:05 (UTC)"))
	}
	return out
}

func optional(n *int) []string {
	if n == nil {
		return []string{}
	}
	return []string{strconv.Itoa(*n)}
}

// TestTsharkAgrees compares what tshark reads in captures with what the ledger says.
func TestTsharkAgrees(t *testing.T) {
	needTshark(t)
	for i, k := range kinds {
		if k.name == "noise" {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			o := plainOptions()
			o.Seed = uint64(200 + i)
			o.ReportRate = max(o.ReportRate, 0.4)
			k.set(&o)
			g := generate(t, o)
			seen := apdus(t, g.capture)
			if len(seen) != len(g.ledger.Sightings) {
				t.Fatalf("tshark sees %d APDUs, the ledger has %d", len(seen), len(g.ledger.Sightings))
			}
			for n := range seen {
				compare(t, &seen[n], &g.ledger.Sightings[n])
				if t.Failed() {
					t.Fatalf("at APDU %d", n)
				}
			}
		})
	}
}

func compare(t *testing.T, p *element, s *ledger.Sighting) {
	t.Helper()
	equal := func(what string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s %s: %s is %q to tshark and %q to the ledger", s.Kind, s.Identifier.Text, what, got, want)
		}
	}
	kind := map[string]string{"0": "message", "1": "report", "2": "probe"}[p.one("p1.MTS_APDU").Show]
	equal("kind", []string{kind}, []string{s.Kind})
	id := p.one(map[string]string{"message": "p1.message_identifier_element", "probe": "p1.probe_identifier_element",
		"report": "p1.report_identifier_element"}[s.Kind])
	equal("local identifier", shows(id.all("p1.local_identifier")), []string{s.Identifier.Local})
	domain := []string{s.Identifier.ADMD}
	if s.Identifier.PRMD != nil {
		domain = append(domain, *s.Identifier.PRMD)
	}
	equal("domain", append(shows(id.all("p1.printable")), shows(id.all("p1.numeric"))...), domain)

	// What stands directly in the envelope or in the report's content, not in what those contain.
	envelope := p.outside("p1.extensions", "p1.per_recipient_fields", "p1.content", "p1.returned_content", "p1.subject_intermediate_trace_information", "p22", "p2")
	// A report has its own trace and that of its subject; tshark names the subject's differently.
	arrivals := shows(envelope.one("p1.trace_information").all("p1.arrival_time"))
	equal("trace", arrivals, times(s.Trace))
	var builtIn, oid []string
	if c := s.ContentType; c != nil {
		if c.OID != "" {
			oid = []string{c.OID}
		} else {
			builtIn = []string{strconv.Itoa(c.BuiltIn)}
		}
	}
	ct := shows(envelope.all("p1.built_in"))
	if oid == nil {
		equal("content type", ct, builtIn)
	} else {
		equal("content type", shows(envelope.all("p1.extended")), oid)
	}
	equal("priority", shows(envelope.all("p1.priority")), optional(s.Priority))
	var cid []string
	if s.ContentIdentifier != nil {
		cid = []string{*s.ContentIdentifier}
	}
	equal("content identifier", append([]string(nil), shows(envelope.all("p1.content_identifier"))...), cid)

	// Names of printable strings; tshark leaves implicit T.61 ones undecoded.
	surname := func(a *ledger.Address) []string {
		v, ok := a.Get("S")
		if !ok || strings.ContainsFunc(v, func(r rune) bool { return r > 0x7e }) {
			return nil
		}
		return []string{v}
	}
	if want := surname(s.Originator); want != nil {
		equal("originator's surname", shows(p.one("p1.originator_name_element").all("p1.surname")), want)
	}
	if want := surname(s.Destination); want != nil {
		equal("destination's surname", shows(p.one("p1.report_destination_name_element").all("p1.surname")), want)
	}

	name := map[string]string{"message": "p1.PerRecipientMessageTransferFields_element", "probe": "p1.PerRecipientProbeTransferFields_element",
		"report": "p1.PerRecipientReportTransferFields_element"}[s.Kind]
	recipients := p.all(name)
	if len(recipients) != len(s.Recipients) {
		t.Errorf("%d recipients to tshark, %d to the ledger", len(recipients), len(s.Recipients))
		return
	}
	for i, e := range recipients {
		r := &s.Recipients[i]
		e = e.outside("p1.extensions")
		equal("recipient number", shows(e.all("p1.originally_specified_recipient_number")), []string{strconv.Itoa(r.Number)})
		bit := func(b bool) []string {
			if b {
				return []string{"1"}
			}
			return []string{"0"}
		}
		equal("responsibility", shows(e.all("p1.PerRecipientIndicators.responsibility")), bit(r.Responsibility))
		equal("originator report", shows(e.all("p1.PerRecipientIndicators.originator.report")), bit(r.OriginatorReport == "report"))
		if want := surname(&r.Name); want != nil && r.Intended == nil {
			equal("recipient's surname", shows(e.all("p1.surname")), want)
		}
		equal("reason", shows(e.all("p1.non_delivery_reason_code")), optional(r.Reason))
		equal("diagnostic", shows(e.all("p1.non_delivery_diagnostic_code")), optional(r.Diagnostic))
		equal("user type", shows(e.all("p1.type_of_MTS_user")), optional(r.UserType))
		var supplementary []string
		if r.Supplementary != nil {
			supplementary = []string{*r.Supplementary}
		}
		equal("supplementary information", append([]string(nil), shows(e.all("p1.supplementary_information"))...), supplementary)
		if r.Delivered != nil {
			equal("delivery time", shows(e.all("p1.message_delivery_time")), []string{r.Delivered.Format("06-01-02 15:04:05 (UTC)")})
		}
		if r.Arrival != nil {
			equal("last arrival", shows(e.all("p1.arrival_time")), []string{r.Arrival.Format("06-01-02 15:04:05 (UTC)")})
		}
		if !slices.ContainsFunc(r.Extensions, func(x ledger.Extension) bool { return x.Coding == "explicit" }) {
			var numbers []string
			for _, x := range r.Extensions {
				if x.OID == "" {
					numbers = append(numbers, strconv.Itoa(x.Number))
				}
			}
			equal("recipient's extensions", append([]string(nil), shows(recipients[i].all("p1.standard_extension"))...), numbers)
		}
	}
	explicit := func(x ledger.Extension) bool { return x.Coding == "explicit" }
	if !slices.ContainsFunc(s.Extensions, explicit) && len(s.ContentExtensions) == 0 {
		var numbers []string
		for _, x := range s.Extensions {
			if x.OID == "" {
				numbers = append(numbers, strconv.Itoa(x.Number))
			}
		}
		bare := p.outside("p1.per_recipient_fields", "p22")
		equal("extensions", append([]string(nil), shows(bare.all("p1.standard_extension"))...), numbers)
		if len(s.InternalTrace) > 0 {
			equal("internal trace", shows(bare.one("p1.InternalTraceInformation").all("p1.arrival_time")), times(s.InternalTrace))
		}
	}
}

// readSetup gives a line for each TPDU that sets an association up, each preceded by a line feed.
func readSetup(t *testing.T, capture []byte) string {
	return "\n" + string(tshark(t, capture, "-Y", "cotp.type == 0x0d || ses.type == 12 || ses.type == 13 || ses.type == 14", "-T", "fields", "-E", "aggregator= ",
		"-e", "tcp.stream", "-e", "ses.type", "-e", "cotp.tpdu_size", "-e", "rtse.checkpointSize", "-e", "pres.mode_value", "-e", "acse.aSO_context_name",
		"-e", "rtse.recover_element", "-e", "p1.authenticated.initiator-name", "-e", "p1.authenticated.responder-name", "-e", "p1.MTABindError",
		"-e", "rtse.refuseReason", "-e", "p1.ia5_string", "-e", "p1.octet_string"))
}

// TestTsharkReadsBinds compares what tshark says of COTP, session, RTSE and the bind, in both modes.
func TestTsharkReadsBinds(t *testing.T) {
	needTshark(t)
	o := plainOptions()
	o.RefuseRate, o.RecoverRate, o.SegmentRate, o.TwoWayRate, o.PerAssociation, o.RichRate = 0.3, 0.9, 1, 0.3, 3, 0
	o.X410Rate, o.Messages, o.Corpus = 0.4, 12, Corpus{Steps: []CorpusStep{{Weight: 1, Min: 5000, Max: 9000}}}
	g := generate(t, o)
	var out string
	for id, c := range separate(t, g) {
		out += strings.ReplaceAll(readSetup(t, c), "\n0\t", "\n"+strconv.Itoa(id)+"\t")
	}
	type side map[string]string
	seen := map[int]side{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) < 2 {
			continue
		}
		n, err := strconv.Atoi(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if seen[n] == nil {
			seen[n] = side{}
		}
		for i, name := range []string{"tpdu", "checkpoint", "mode", "context", "recover", "initiator", "responder", "error", "reason", "ia5", "octets"} {
			if v := f[i+2]; v != "" {
				seen[n][name+" "+f[1]] = v
			}
		}
	}
	slices.SortFunc(g.ledger.Associations, func(a, b ledger.Association) int { return a.ID - b.ID })
	var recovered, refused, old int
	for _, a := range g.ledger.Associations {
		s := seen[a.ID]
		equal := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("association %d (%s): %s is %q to tshark and %q to the ledger", a.ID, a.Mode, what, got, want)
			}
		}
		number := func(n int) string {
			if n == 0 {
				return ""
			}
			return strconv.Itoa(n)
		}
		equal("TPDU size", s["tpdu "], number(a.TPDUSize))
		equal("initiator", s["initiator 13"], a.InitiatorMTA)
		equal("responder", s["responder 14"], a.ResponderMTA)
		equal("application context", s["context 13"], a.ApplicationContext)
		if a.Bind != "refused" {
			equal("checkpoint size", s["checkpoint 14"], number(a.CheckpointSize))
		}
		mode := "1"
		if a.Mode == ledger.ModeX410 {
			mode, old = "0", old+1
		}
		equal("mode", s["mode 13"], mode)
		_, isRecover := s["recover 13"]
		equal("recover", fmt.Sprint(isRecover), fmt.Sprint(a.Recover))
		if a.Recover {
			recovered++
		} else if secret := s["ia5 13"] + s["octets 13"]; !strings.Contains(secret, "SECRET-") && !strings.HasPrefix(secret, "5345435245542d") {
			t.Errorf("association %d: the password is %q", a.ID, secret)
		}
		if a.Bind == "refused" {
			refused++
			if a.Mode == ledger.ModeNormal {
				equal("bind error", s["error 12"], fmt.Sprint(*a.BindError))
			}
		}
	}
	if recovered == 0 || refused == 0 || old == 0 {
		t.Errorf("%d recover, %d refused, %d of 1984", recovered, refused, old)
	}
}
