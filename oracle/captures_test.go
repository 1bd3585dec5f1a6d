package oracle

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	mta       = "../testdata/mta/"
	truth     = mta + "truth/apdus/"
	reference = "../../shared/captures/reference/"
	ean       = reference + "ean-1985/"
)

// source is where the facts of one MTS-APDU of a capture come from.
type source struct {
	// direction is "c2s" or "s2c".
	direction string
	// file holds the delivered octets: an EXTERNAL (.apdu) or an MTS-APDU (.ber).
	// Without a file the octets are those that tshark follows through the
	// capture itself or, in X.410 mode, those of the activities.
	file string
}

// capture is one file of real X.400 traffic: one connection.
type capture struct {
	name  string
	file  string
	apdus []source
	// missing are the stream octets that the capture lacks, so that the
	// transfers with them cannot come out: direction, first, end.
	missing []string
	// alone says that it has the ends and sequence numbers of another capture, so
	// that an archive cannot hold both.
	alone bool
}

func sources(direction string, files ...string) (out []source) {
	for _, f := range files {
		out = append(out, source{direction, f})
	}
	return out
}

func eanFiles() (out []string) {
	for i := range 7 {
		out = append(out, fmt.Sprintf("%smsg%d.mpdu.ber", ean, i+1))
	}
	return out
}

// realCaptures are the captures of real X.400 implementations. The kernel lost
// segments while n02, n09 and n14 were recorded: what was delivered is known,
// but those octets are not in the captures.
func realCaptures() []capture {
	n := func(file string) string { return truth + file + ".apdu" }
	return []capture{
		{
			name: "n02", file: mta + "n02-normal-ckpt1k-window3.pcap",
			apdus:   sources("c2s", n("n02-normal-ckpt1k-window3.resp.02"), n("n02-normal-ckpt1k-window3.resp.03")),
			missing: []string{"c2s 24816-27516", "s2c 497-557"},
		},
		{
			name: "n03", file: mta + "n03-normal-twa-turns.pcap",
			apdus: slices.Concat(
				sources("c2s", n("n03-normal-twa-turns.resp.01"), n("n03-normal-twa-turns.resp.02")),
				sources("s2c", n("n03-normal-twa-turns.init.01"), n("n03-normal-twa-turns.init.02"))),
		},
		{
			name: "n09", file: mta + "n09-lowlevel-interrupt-resume-same-assoc.pcap",
			missing: []string{"c2s 22394-26654", "s2c 230-244"},
		},
		{
			name: "n14", file: mta + "n14-normal-tpdu1024-selectors-huge-ckpt8k.pcap",
			apdus: sources("c2s", n("n14-normal-tpdu1024-selectors-huge-ckpt8k.resp.02")),
			missing: []string{
				"c2s 6720-44377", "c2s 66254-98177", "c2s 116425-141196", "c2s 159913-162736",
				"c2s 170328-171352", "c2s 201916-207970", "c2s 226687-234932", "c2s 257936-271566",
				"s2c 261-767", "s2c 1082-1517", "s2c 1779-2147", "s2c 2435-2467", "s2c 2579-2595",
				"s2c 3043-3123", "s2c 3411-3539", "s2c 3891-4083",
			},
		},
		{
			name: "n20", file: mta + "n20-normal-std88-messages-and-probe.pcap",
			apdus: sources("c2s",
				n("n20-normal-std88-messages-and-probe.resp.01"), n("n20-normal-std88-messages-and-probe.resp.02"),
				n("n20-normal-std88-messages-and-probe.resp.03"), n("n20-normal-std88-messages-and-probe.resp.04"),
				n("n20-normal-std88-messages-and-probe.resp.05"), n("n20-normal-std88-messages-and-probe.resp.06")),
		},
		{name: "p01", file: mta + "p01-pp88-ping.pcap"},
		{name: "p20", file: mta + "p20-pp88-to-pp88-relay.pcap", apdus: sources("c2s", "", "")},
		{
			name: "p22", file: mta + "p22-pp88-to-rtx-reports.pcap",
			apdus: sources("c2s", n("p22-pp88-to-rtx-reports.resp.01"), n("p22-pp88-to-rtx-reports.resp.02"), n("p22-pp88-to-rtx-reports.resp.03")),
		},
		{name: "p31", file: mta + "p31-pp84-to-pp84-relay-and-report.pcap", apdus: sources("c2s", "", "")},
		{name: "n01", file: reference + "x400/n01-normal-basic-ean7.pcap", apdus: sources("c2s", eanFiles()...)},
		{name: "x01", file: reference + "x400/x01-x410-basic-ean7.pcap", apdus: sources("c2s", eanFiles()...)},
		{name: "ping", file: reference + "x400/x400-ping-success-rebuilt.pcap"},
		{name: "recover", file: reference + "x400/p772-recover-open-grafted.pcap", alone: true},
	}
}

// needTools fails without the programs that judge, and without the reference
// captures where CI promises them.
func needTools(t *testing.T) {
	t.Helper()
	for _, name := range []string{"tshark", "mergecap", "editcap"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("these tests need Wireshark's command line tools: %v", err)
		}
	}
}

func needReference(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil || !strings.HasPrefix(file, reference) {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", file)
	}
	t.Skipf("%s is missing: the reference captures are not part of the project", file)
}

// inCapture returns the MTS-APDUs and binds that tshark decodes in a capture of
// one connection, by direction.
func inCapture(tb testing.TB, file string) (apdus map[string][]*node, bind facts) {
	tb.Helper()
	type seen struct {
		apdus map[string][]*node
		bind  facts
	}
	if s, ok := dissected.Load(file); ok {
		return s.(seen).apdus, s.(seen).bind
	}
	apdus, bind = map[string][]*node{}, facts{}
	for _, p := range packets(tb, file, "-Y", "cotp") {
		direction := "s2c"
		if p.path("tcp").kid("tcp.dstport").number() == 102 {
			direction = "c2s"
		}
		p.all(func(n *node) {
			switch n.Name {
			case "p1.MTS_APDU":
				apdus[direction] = append(apdus[direction], n)
			case "p1.MTABindArgument":
				bind.set("initiator_mta", n.find("p1.authenticated.initiator-name").text())
			case "p1.MTABindResult":
				bind.set("bind_outcome", "accepted")
				bind.set("responder_mta", n.find("p1.authenticated.responder-name").text())
			case "p1.MTABindError":
				bind.set("bind_outcome", "rejected")
			case "acse.aSO_context_name":
				bind.set("application_context", n.Show)
			case "rtse.applicationProtocol":
				bind.set("application_context", n.Show)
			case "pres.mode_value":
				bind.set("mode", map[string]string{"0": "x410-1984", "1": "normal"}[n.Show])
			case "rtse.recover_element":
				bind.set("recover", "1")
			// The names of tshark's versions up to 4.0, and those since.
			case "cotp.src-tsap-bytes", "cotp.src_tsap_bytes":
				if bind["client_tsap"] == "" {
					bind.set("client_tsap", selector(n.octets()))
				}
			case "cotp.dst-tsap-bytes", "cotp.dst_tsap_bytes":
				if bind["server_tsap"] == "" {
					bind.set("server_tsap", selector(n.octets()))
				}
			}
		})
	}
	dissected.Store(file, seen{apdus, bind})
	return apdus, bind
}

// selector writes a TSAP selector as the archive does.
func selector(b []byte) string {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return fmt.Sprintf("0x%x", b)
		}
	}
	return string(b)
}

// delivered returns the octets of each MTS-APDU of c, by direction in the order
// of transfer. Those of normal mode are without the EXTERNAL around them.
func (c *capture) delivered(t *testing.T) map[string][][]byte {
	t.Helper()
	seen, bind := inCapture(t, c.file)
	var transferred map[string][][]byte
	if bind["mode"] == "x410-1984" {
		client, server := streams(t, c.file)
		transferred = map[string][][]byte{
			"c2s": transfers1984(t, join(t, client)),
			"s2c": transfers1984(t, join(t, server)),
		}
	}
	out := map[string][][]byte{}
	for _, s := range c.apdus {
		i := len(out[s.direction])
		var b []byte
		switch {
		case s.file != "":
			needReference(t, s.file)
			var err error
			if b, err = os.ReadFile(s.file); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(s.file, ".apdu") {
				b = mtsAPDU(b)
			}
			if transferred != nil && !bytes.Equal(transferred[s.direction][i], b) {
				t.Errorf("%s: transfer %d in the capture is not %s", c.name, i+1, s.file)
			}
		case transferred != nil:
			b = transferred[s.direction][i]
		case i < len(seen[s.direction]):
			// The field's value is the octets within the outermost tag.
			n := seen[s.direction][i]
			b = tlv(0xa0|byte(n.number()), n.octets())
		default:
			t.Fatalf("%s: tshark shows no MTS-APDU %s %d", c.name, s.direction, i+1)
		}
		out[s.direction] = append(out[s.direction], b)
	}
	return out
}

// expected returns what tshark says of each MTS-APDU of c, by direction in the
// order of transfer, and of its binds.
func (c *capture) expected(t *testing.T) (apdus map[string][]facts, bind facts) {
	t.Helper()
	_, bind = inCapture(t, c.file)
	delivered := c.delivered(t)
	apdus = map[string][]facts{}
	for _, s := range c.apdus {
		i := len(apdus[s.direction])
		n := dissectAPDU(t, delivered[s.direction][i]).find("p1.MTS_APDU")
		if n == nil {
			t.Fatalf("%s: tshark shows no MTS-APDU %s %d", c.name, s.direction, i+1)
		}
		f := apduFacts(t, n)
		f.set("mode", bind["mode"])
		f.set("protocol", "p1")
		f.set("sending_mta", bind["initiator_mta"])
		f.set("receiving_mta", bind["responder_mta"])
		if s.direction == "s2c" {
			f.set("sending_mta", bind["responder_mta"])
			f.set("receiving_mta", bind["initiator_mta"])
		}
		apdus[s.direction] = append(apdus[s.direction], f)
	}
	return apdus, bind
}

// What tshark follows through a capture and what it says of the delivered
// octets must be the same: the second way is then as good for what it cannot
// follow.
func TestBothWaysAgree(t *testing.T) {
	needTools(t)
	lines := acceptances(t, "capture")
	for _, c := range realCaptures() {
		t.Run(c.name, func(t *testing.T) {
			needReference(t, c.file)
			seen, _ := inCapture(t, c.file)
			want, _ := c.expected(t)
			for direction, nodes := range seen {
				if len(nodes) > len(want[direction]) {
					t.Fatalf("%s: tshark follows %d MTS-APDUs, %d were delivered", direction, len(nodes), len(want[direction]))
				}
				i := -1
				for _, n := range nodes {
					got := apduFacts(t, n)
					i++
					// Of a capture with gaps tshark follows fewer.
					for len(c.missing) > 0 && i < len(want[direction])-1 && got["mts_id"] != want[direction][i]["mts_id"] {
						i++
					}
					for _, of := range []string{"mode", "protocol", "sending_mta", "receiving_mta"} {
						got.set(of, want[direction][i][of])
					}
					apdu := fmt.Sprintf("%s %d", direction, i+1)
					for _, field := range diff(got, want[direction][i]) {
						if a := accepted(lines, c.name, apdu, field); a == nil || a.expected != "=" {
							t.Errorf("%s: %s is %q, of the delivered octets %q", apdu, field, got[field], want[direction][i][field])
						}
					}
				}
			}
			stale(t, lines, &c)
		})
	}
}

// The octets that a capture lacks are those that the table says.
func TestMissingOctets(t *testing.T) {
	needTools(t)
	for _, c := range realCaptures() {
		t.Run(c.name, func(t *testing.T) {
			needReference(t, c.file)
			client, server := streams(t, c.file)
			var got []string
			for _, h := range holes(client) {
				got = append(got, fmt.Sprintf("c2s %d-%d", h[0], h[1]))
			}
			for _, h := range holes(server) {
				got = append(got, fmt.Sprintf("s2c %d-%d", h[0], h[1]))
			}
			if !slices.Equal(got, c.missing) {
				t.Errorf("got %q, want %q", got, c.missing)
			}
		})
	}
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

// The MTAs printed the envelopes that they read: tshark says the same.
func TestPrintsAgree(t *testing.T) {
	needTools(t)
	for _, c := range realCaptures() {
		file := filepath.Join(mta, "truth/decoded", c.name+".pp-decoded-pdus.txt")
		print, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			apdus, _ := c.expected(t)
			i := 0
			for section := range strings.SplitSeq(string(print), "-------\n") {
				title, body, _ := strings.Cut(section, "\n")
				if !strings.Contains(title, "read MTA.MessageTransferEnvelope") && !strings.Contains(title, "read P1.") {
					continue
				}
				if i == len(apdus["c2s"]) {
					t.Fatalf("tshark has %d envelopes, the MTA printed more", i)
				}
				text := apdus["c2s"][i].String()
				i++
				for _, m := range quoted.FindAllStringSubmatch(body, -1) {
					if !strings.Contains(text, m[1]) {
						t.Errorf("envelope %d: the MTA read %q, which tshark lacks", i, m[1])
					}
				}
			}
			if i != len(apdus["c2s"]) {
				t.Errorf("tshark has %d envelopes, the MTA printed %d", len(apdus["c2s"]), i)
			}
		})
	}
}

// An X.400-1984 decoder of 1986 printed the EAN messages: tshark says the same.
func TestPrintsOf1986Agree(t *testing.T) {
	needTools(t)
	needReference(t, ean+"decodes-1986.txt")
	print, err := os.ReadFile(ean + "decodes-1986.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range eanFiles() {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := apduFacts(t, dissectAPDU(t, b).find("p1.MTS_APDU"))
		for _, field := range []string{"mts_id_local", "content_identifier", "mts_id_prmd"} {
			if v := f[field]; v != "" && !bytes.Contains(print, []byte(`"`+v+`"`)) {
				t.Errorf("%s: tshark has %s %q, the print of 1986 does not", file, field, v)
			}
		}
		for part := range strings.SplitSeq(f["recipient[1].dda"], "/") {
			if v := strings.TrimPrefix(part, "="); !bytes.Contains(print, []byte(`"`+v+`"`)) {
				t.Errorf("%s: tshark has a recipient's %q, the print of 1986 does not", file, v)
			}
		}
	}
}
