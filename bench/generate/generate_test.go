package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"go/build"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"x400flow/bench/ledger"
)

// everything turns on all that the generator can do.
func everything() Options {
	o := DefaultOptions()
	o.Messages = 400
	o.NoiseRate, o.LossRate, o.DisorderRate, o.DuplicateRate = 0.1, 0.01, 0.1, 0.1
	o.TinyRate, o.MidStreamRate, o.OneWayRate = 0.1, 0.05, 0.05
	o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate = 0.1, 0.1, 0.1, 0.15
	o.ConstructedAllRate, o.AbortRate, o.RefuseRate, o.OpenRate = 0.1, 0.1, 0.1, 0.05
	o.TwoWayRate, o.RepeatRate, o.OddRate, o.LateRate = 0.3, 0.1, 0.2, 0.05
	return o
}

type result struct {
	capture, tap []byte
	ledger       *ledger.Ledger
	summary      ledger.Summary
}

func generate(t testing.TB, o Options) result {
	t.Helper()
	var capture, tap, lines bytes.Buffer
	s, err := Run(o, Output{Capture: &capture, Tap: &tap, Ledger: &lines})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.ReadAll(&lines)
	if err != nil {
		t.Fatal(err)
	}
	return result{capture.Bytes(), tap.Bytes(), l, s}
}

// TestImports holds the generator apart from the code that it tests.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	var walk func(path string)
	walk = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		dir := "../../" + strings.TrimPrefix(path, "x400flow/")
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if rest, ok := strings.CutPrefix(i, "x400flow/"); ok {
				if !strings.HasPrefix(rest, "bench/") {
					t.Errorf("%s imports %s", path, i)
					continue
				}
				walk(i)
			} else if strings.Contains(strings.Split(i, "/")[0], ".") {
				t.Errorf("%s imports %s from outside the standard library", path, i)
			}
		}
	}
	for _, p := range []string{"generate", "ledger", "mutate", "cmd/x400gen"} {
		walk("x400flow/bench/" + p)
	}
}

func TestDeterminism(t *testing.T) {
	o := everything()
	digest := func(seed uint64) [3][32]byte {
		o.Seed = seed
		h := [3]bytes.Buffer{}
		if _, err := Run(o, Output{&h[0], &h[1], &h[2]}); err != nil {
			t.Fatal(err)
		}
		return [3][32]byte{sha256.Sum256(h[0].Bytes()), sha256.Sum256(h[1].Bytes()), sha256.Sum256(h[2].Bytes())}
	}
	first := digest(5)
	if again := digest(5); again != first {
		t.Error("the same seed gives other octets")
	}
	other := digest(6)
	for i := range other {
		if other[i] == first[i] {
			t.Error("another seed gives the same octets")
		}
	}
}

func TestLedgerCounts(t *testing.T) {
	g := generate(t, everything())
	s := g.ledger.Summary
	count := map[string]int{}
	whole := 0
	transfers := map[string]int{}
	for _, x := range g.ledger.Sightings {
		count[x.Kind]++
		transfers[x.Transfer]++
		if x.Whole {
			whole++
		}
	}
	if count["message"] != s.Messages || count["probe"] != s.Probes || count["report"] != s.Reports || whole != s.Whole {
		t.Errorf("counted %v, %d whole; the summary says %+v", count, whole, s)
	}
	for _, kind := range []string{"single", "segmented", "resumed", "recovered", "repeated"} {
		if transfers[kind] == 0 {
			t.Errorf("no transfer is %s: %v", kind, transfers)
		}
	}
	if whole == len(g.ledger.Sightings) || whole < len(g.ledger.Sightings)/4 {
		t.Errorf("%d of %d sightings are whole", whole, len(g.ledger.Sightings))
	}
	whys := map[string]int{}
	for _, x := range g.ledger.Incomplete {
		whys[x.Why]++
	}
	for _, why := range []string{"discarded", "aborted", "reset"} {
		if whys[why] == 0 {
			t.Errorf("no transfer was %s: %v", why, whys)
		}
	}
	ended, classes, binds := map[string]int{}, map[string]int{}, map[string]int{}
	for _, a := range g.ledger.Associations {
		ended[a.Ended]++
		classes[a.Class]++
		binds[a.Bind]++
	}
	for _, want := range []string{"release", "refused", "user-abort", "provider-abort", "reset", "open", "fin"} {
		if ended[want] == 0 {
			t.Errorf("no association ended by %s: %v", want, ended)
		}
	}
	for _, want := range []string{ledger.ClassX400, ledger.ClassS7, ledger.ClassMMS, ledger.ClassEncrypted, ledger.ClassGarbage} {
		if classes[want] == 0 || classes[want] != s.Associations[want] {
			t.Errorf("%d associations are %s; the summary says %d", classes[want], want, s.Associations[want])
		}
	}
	if binds["accepted"] == 0 || binds["refused"] == 0 {
		t.Errorf("binds: %v", binds)
	}
	if len(g.capture) != int(s.CaptureSize) {
		t.Errorf("the capture has %d octets; the summary says %d", len(g.capture), s.CaptureSize)
	}
}

// packet is a TCP segment read back from a capture by this test's own reader.
type packet struct {
	at       int64
	from, to netip.AddrPort
	seq, ack uint32
	flags    byte
	data     []byte
	cut      int // Octets that the snap length cut off.
	whole    []byte
}

func packets(t testing.TB, capture []byte) []packet {
	t.Helper()
	var list []packet
	for b := capture[24:]; len(b) > 0; {
		n, wire := int(binary.LittleEndian.Uint32(b[8:])), int(binary.LittleEndian.Uint32(b[12:]))
		p := packet{at: int64(binary.LittleEndian.Uint32(b))*1e9 + int64(binary.LittleEndian.Uint32(b[4:])), whole: b[:16+n]}
		f := b[16 : 16+n]
		b = b[16+n:]
		ip := 14
		var from, to netip.Addr
		tcp, end := 0, 0
		switch binary.BigEndian.Uint16(f[12:]) {
		case 0x0800:
			from, to = netip.AddrFrom4([4]byte(f[ip+12:])), netip.AddrFrom4([4]byte(f[ip+16:]))
			tcp, end = ip+20, ip+int(binary.BigEndian.Uint16(f[ip+2:]))
		case 0x86dd:
			from, to = netip.AddrFrom16([16]byte(f[ip+8:])), netip.AddrFrom16([16]byte(f[ip+24:]))
			tcp, end = ip+40, ip+40+int(binary.BigEndian.Uint16(f[ip+4:]))
		default:
			t.Fatal("frame of unknown type")
		}
		if end != wire {
			t.Fatalf("the frame has %d octets and its packet ends at %d", wire, end)
		}
		p.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(f[tcp:]))
		p.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(f[tcp+2:]))
		p.seq, p.ack = binary.BigEndian.Uint32(f[tcp+4:]), binary.BigEndian.Uint32(f[tcp+8:])
		p.flags = f[tcp+13]
		header := tcp + int(f[tcp+12]>>4)*4
		if header <= n {
			p.data = f[header:n]
		}
		p.cut = end - max(n, header)
		list = append(list, p)
	}
	return list
}

// streams joins the octets that a capture has of each connection's directions. Octets that
// it lacks stay out of known.
type stream struct {
	octets           []byte
	known            []bool
	packets, payload int
}

func streams(t testing.TB, list []packet, l *ledger.Ledger) map[int][2]*stream {
	t.Helper()
	out := map[int][2]*stream{}
	type key struct{ from, to netip.AddrPort }
	// A 4-tuple may be used again: the association is the last one opened before the packet.
	by := map[key][]*ledger.Association{}
	for i := range l.Associations {
		a := &l.Associations[i]
		out[a.ID] = [2]*stream{{octets: make([]byte, a.StreamClient), known: make([]bool, a.StreamClient)},
			{octets: make([]byte, a.StreamServer), known: make([]bool, a.StreamServer)}}
		by[key{a.Client, a.Server}] = append(by[key{a.Client, a.Server}], a)
	}
	for _, p := range list {
		d, k := client, key{p.from, p.to}
		if p.to.Port() != 102 {
			d, k = server, key{p.to, p.from}
		}
		var a *ledger.Association
		for _, c := range by[k] {
			if c.Opened.UnixNano() <= p.at && (a == nil || c.Opened.After(a.Opened)) {
				a = c
			}
		}
		if a == nil {
			t.Fatalf("a packet of %v belongs to no association", k)
		}
		s := out[a.ID][d]
		s.packets++
		s.payload += len(p.data)
		isn := a.ClientISN
		if d == server {
			isn = a.ServerISN
		}
		off := int(p.seq - isn - 1)
		for i, c := range p.data {
			if off+i >= len(s.octets) {
				t.Fatalf("association %d: octet %d is beyond the stream's %d", a.ID, off+i, len(s.octets))
			}
			if s.known[off+i] && s.octets[off+i] != c {
				t.Fatalf("association %d: octet %d comes with two values", a.ID, off+i)
			}
			s.octets[off+i], s.known[off+i] = c, true
		}
	}
	return out
}

// TestLedgerTellsOfCapture reads the capture back and compares what the ledger says of packets,
// octets, and what is missing.
func TestLedgerTellsOfCapture(t *testing.T) {
	for _, snap := range []int{0, 700} {
		o := everything()
		o.SnapLen = snap
		g := generate(t, o)
		list := packets(t, g.capture)
		if len(list) != g.summary.Packets {
			t.Errorf("%d packets, the summary says %d", len(list), g.summary.Packets)
		}
		for i := 1; i < len(list); i++ {
			if list[i].at < list[i-1].at {
				t.Fatalf("packet %d is earlier than the one before it", i)
			}
		}
		all := streams(t, list, g.ledger)
		for _, a := range g.ledger.Associations {
			for d, want := range [][3]int{{a.PacketsClient, a.OctetsClient, a.MissingClient}, {a.PacketsServer, a.OctetsServer, a.MissingServer}} {
				s := all[a.ID][d]
				missing := 0
				for _, k := range s.known {
					if !k {
						missing++
					}
				}
				if got := [3]int{s.packets, s.payload, missing}; got != want {
					t.Errorf("snap %d, association %d, side %d: packets, octets, missing %v; the ledger says %v", snap, a.ID, d, got, want)
				}
			}
		}
		// The octet at an APDU's sequence number is the APDU's first.
		n := 0
		for _, x := range g.ledger.Sightings {
			if x.Began != nil || !x.Whole {
				continue
			}
			d, isn := client, x.ClientISN
			if x.Direction == ledger.ToClient {
				d, isn = server, x.ServerISN
			}
			first := all[x.Association][d].octets[x.Seq-isn-1]
			if first != 0x28 && first&0xfc != 0xa0 {
				t.Errorf("association %d: an APDU begins with %02x", x.Association, first)
			}
			n++
		}
		if n == 0 {
			t.Error("no whole sighting")
		}
	}
}

func TestTapHasTheSameFrames(t *testing.T) {
	g := generate(t, everything())
	a, b := packets(t, g.capture), packets(t, g.tap)
	if len(a) != len(b) {
		t.Fatalf("%d and %d packets", len(a), len(b))
	}
	for i := range a {
		if !bytes.Equal(a[i].whole[16:], b[i].whole[16:]) || b[i].at <= a[i].at {
			t.Fatalf("packet %d differs", i)
		}
	}
}

func TestHugeContent(t *testing.T) {
	o := DefaultOptions()
	o.Messages, o.HugeContent = 4, 20<<20
	l := &bytes.Buffer{}
	s, err := Run(o, Output{Capture: io.Discard, Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	if s.CaptureSize < 20<<20 {
		t.Errorf("the capture has %d octets", s.CaptureSize)
	}
	all, err := ledger.ReadAll(l)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all.Sightings, func(x ledger.Sighting) bool { return x.ContentSize >= 20<<20 }) {
		t.Error("no message has the huge content")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, spoil := range map[string]func(o *Options){
		"one MTA":    func(o *Options) { o.MTAs = 1 },
		"no corpus":  func(o *Options) { o.Corpus = Corpus{} },
		"no domains": func(o *Options) { o.Domains = 0 },
	} {
		o := DefaultOptions()
		spoil(&o)
		if _, err := Run(o, Output{Capture: io.Discard}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	o := DefaultOptions()
	o.Messages = 2000
	s, err := Run(o, Output{Capture: io.Discard, Ledger: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(s.CaptureSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(o, Output{Capture: io.Discard, Ledger: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}
