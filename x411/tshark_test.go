package x411

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// node is an element of tshark's PDML.
type node struct {
	Name     string `xml:"name,attr"`
	ShowName string `xml:"showname,attr"`
	Show     string `xml:"show,attr"`
	Value    string `xml:"value,attr"`
	Kids     []node `xml:",any"`
}

// tsharkReads returns tshark's dissection of values of one syntax, each in a
// packet of its own. tshark is told that an object identifier stands for the
// syntax, and given the values as heading extensions of that type.
func tsharkReads(t *testing.T, syntax string, values [][]byte) []node {
	t.Helper()
	var extensions [][]byte
	for _, v := range values {
		extensions = append(extensions, el(seq, oid(t, 6, 1, 2, 3, 4), v))
	}
	return tsharkReadsExtensions(t, extensions, "-o", `uat:oid:"1.2.3.4","value","`+syntax+`"`)
}

// tsharkReadsExtensions returns tshark's dissection of heading extensions.
func tsharkReadsExtensions(t *testing.T, extensions [][]byte, args ...string) []node {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("tshark is not installed, so there is nobody to compare with")
	}
	var capture bytes.Buffer
	binary.Write(&capture, binary.LittleEndian, []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 1 << 18, 147}) // DLT_USER0
	for _, x := range extensions {
		heading := el(set, el(0x6b, str(prn, "1")), el(0xaf, x))
		p := el(0xa0, heading, el(seq))
		binary.Write(&capture, binary.LittleEndian, []uint32{0, 0, uint32(len(p)), uint32(len(p))})
		capture.Write(p)
	}
	file := filepath.Join(t.TempDir(), "values.pcap")
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tshark", append([]string{"-r", file, "-n", "-T", "pdml",
		"-o", `uat:user_dlts:"User 0 (DLT=147)","p22","0","","0",""`}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var pdml struct {
		Packets []node `xml:"packet"`
	}
	if err := xml.Unmarshal(out, &pdml); err != nil {
		t.Fatal(err)
	}
	if len(pdml.Packets) != len(extensions) {
		t.Fatalf("tshark shows %d of %d values", len(pdml.Packets), len(extensions))
	}
	return pdml.Packets
}

// all calls f for n and all below it.
func (n *node) all(f func(*node)) {
	f(n)
	for i := range n.Kids {
		n.Kids[i].all(f)
	}
}

// leaf is what tshark says of a field that has no parts: the name of its value
// or of its bit, or the value as this package writes it; "" of a bit that is
// not set.
func (n *node) leaf() string {
	show := n.Show
	if _, bit, ok := strings.Cut(n.ShowName, " = "); ok && (show == "0" || show == "1") {
		if show == "0" {
			return ""
		}
		name, _, _ := strings.Cut(bit, ": ")
		return name
	}
	if _, label, ok := strings.Cut(n.ShowName, ": "); ok {
		if name, ok := strings.CutSuffix(label, " ("+show+")"); ok && name != "Unknown" {
			return name
		}
	}
	if hex := strings.ReplaceAll(show, ":", ""); hex == n.Value && len(show) > 2 {
		return strings.ToUpper(hex)
	}
	for _, layout := range []string{"06-01-02 15:04:05 (UTC)", "06-01-02 15:04 (UTC)", "06-01-02 15:04:05 (UTC-0700)",
		"2006-01-02 15:04:05 (UTC)", "Jan  2, 2006 15:04:05.000000000 MST"} {
		if at, err := time.Parse(layout, show); err == nil {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return show
}

// untold are tshark's fields that a value leaves out or tells otherwise.
var untold = map[string]string{
	"x509af.version":          "of a certificate: of no use to a reader",
	"x509af.subjectPublicKey": "keys are not told",
	"x509af.encrypted":        "a certificate's signature",
	"x509if.oid":              "an attribute type is told by its keyword (RFC 2253)",
	"p1.encrypted_data":       "encrypted data are told by their size",
	"p1.encrypted_key":        "encrypted data are told by their size",
}

// Each extension's value has everything that tshark reads in the same octets.
func TestTsharkReadsExtensions(t *testing.T) {
	cases := extensionCases(t)
	var values [][]byte
	for i := range cases {
		values = append(values, messageWith([][]byte{cases[i].field}, nil))
	}
	leaves := 0
	for i, packet := range tsharkReads(t, "P1 Message", values) {
		c := &cases[i]
		if c.err != CodeNone {
			continue
		}
		var field *node
		packet.all(func(n *node) {
			if n.Name == "p1.ExtensionField_element" && field == nil {
				field = n
			}
		})
		if field == nil {
			t.Errorf("%s: tshark finds no extension", c.name)
			continue
		}
		field.all(func(n *node) {
			switch {
			case len(n.Kids) > 0 || n.Show == "" || n.Name == "p1.extension.type" || n.Name == "p1.private_extension" ||
				strings.HasPrefix(n.Name, "p1.Criticality.") || !strings.ContainsRune(n.Name, '.') ||
				strings.HasPrefix(n.Name, "ber.") || strings.HasPrefix(n.Name, "_ws.") || untold[n.Name] != "":
				return
			case n.Name == "p1.standard_extension":
				// tshark has no name for 46, of 1999, and takes a type that is tagged
				// explicitly for a number.
				if n.leaf() != c.name && n.leaf() != n.Show {
					t.Errorf("%s: tshark calls it %s", c.name, n.leaf())
				}
			default:
				leaves++
				if !strings.Contains(c.value, n.leaf()) {
					t.Errorf("%s: tshark reads %s as %q (%s), which is not in\n%s", c.name, n.Name, n.leaf(), n.ShowName, c.value)
				}
			}
		})
	}
	if leaves < 200 {
		t.Errorf("only %d values were compared", leaves)
	}
}

// The names of reasons and diagnostics are those that tshark has for the numbers.
func TestTsharkNamesCodes(t *testing.T) {
	const reasons, diagnostics = 9, 79
	var recipients [][]byte
	for n := range diagnostics {
		recipients = append(recipients, el(set, el(0xa0, standard("Smith")), num(0x81, byte(n+1)), el(0x82, []byte{3, 0xa8}),
			el(0xa3, str(0x80, "9605010959Z"), el(0xa1, el(0xa1, num(0x80, byte(n%reasons)), num(0x81, byte(n)))))))
	}
	report := el(0xa1, el(set, mtsID("X", "r.1"), orName("Smith"), traceInfo()), el(set, mtsID("X", "m.1"), el(0xa0, recipients...)))
	var a APDU
	if a.Decode(report) != StatusOK || len(a.Recipients) != diagnostics {
		t.Fatalf("%d recipients, %s", len(a.Recipients), a.Failure.Error())
	}
	i := 0
	reason := ""
	tsharkReads(t, "P1 Message", [][]byte{report})[0].all(func(n *node) {
		switch n.Name {
		case "p1.non_delivery_reason_code":
			reason = n.leaf()
		case "p1.non_delivery_diagnostic_code":
			r := &a.Recipients[i]
			if r.Reason.Name() != reason || r.Diagnostic.Name() != n.leaf() || reason == "" {
				t.Errorf("%d: %s and %s, tshark has %s and %s", i, r.Reason.Name(), r.Diagnostic.Name(), reason, n.leaf())
			}
			i++
		}
	})
	if i != diagnostics {
		t.Errorf("tshark reads %d codes", i)
	}
}

// The envelopes of MTS access have everything that tshark reads in the same
// octets, which it knows as attributes of stored messages (X.413 Annex C).
func TestTsharkReadsEnvelopes(t *testing.T) {
	cases := argumentCases(t)
	attributes := map[Kind]int{KindSubmission: 59, KindProbeSubmission: 69, KindDelivery: 18, KindReportDelivery: 34}
	var extensions [][]byte
	var kinds []argumentCase
	for _, c := range cases {
		arc, ok := attributes[c.kind]
		if !ok {
			continue
		}
		var a APDU
		if a.DecodeArgument(c.kind, c.argument) != StatusOK {
			t.Fatal(a.Failure.Error())
		}
		envelope := a.Envelope.Of(c.argument)
		switch c.kind {
		case KindDelivery:
			envelope = el(seq, envelope)
		case KindReportDelivery:
			// The returned content stands beside the envelope's fields.
			content, head := a.Content.Encoding, 2
			if c.argument[1] > 0x80 {
				head += int(c.argument[1] & 0x7f)
			}
			envelope = el(set, c.argument[head:content.Start], c.argument[content.End:])
		}
		extensions = append(extensions, el(seq, oid(t, 6, 2, 6, 4, 3, arc), envelope))
		kinds = append(kinds, c)
	}
	for i, packet := range tsharkReadsExtensions(t, extensions) {
		c := &kinds[i]
		all := strings.Join(c.want, "\n")
		leaves := 0
		packet.all(func(n *node) {
			if len(n.Kids) > 0 || n.Show == "" || !strings.HasPrefix(n.Name, "p1.") || n.Name == "p1.extension.type" || strings.HasPrefix(n.Name, "p1.Criticality.") {
				return
			}
			leaves++
			leaf := n.leaf()
			switch n.Name {
			case "p1.content_length":
				leaf = "content-length: " + leaf
			case "p1.built_in":
				leaf = "content-type: " + leaf
			case "p1.extended":
				leaf = "content-type: " + map[string]string{"2.6.1.10.1": "id-mct-p2-1988"}[leaf] // X.420 Annex D.
			case "p1.originator_report_request":
				return
			}
			if strings.HasPrefix(n.Name, "p1.OriginatorReportRequest.") && leaf != "" {
				leaf = "originator-" + leaf // As an MTA's indicators are called.
			}
			if !strings.Contains(all, leaf) {
				t.Errorf("%v: tshark reads %s as %q (%s), which is not in\n%s", c.kind, n.Name, leaf, n.ShowName, all)
			}
		})
		if leaves < 12 {
			t.Errorf("%v: tshark reads only %d values", c.kind, leaves)
		}
	}
}
