package association

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bench "x400flow/bench/generate"
	"x400flow/bench/ledger"
	"x400flow/osi/internal/captured"
	"x400flow/osi/session"
)

// whole is what the uncut captures give; the tests below hold what becomes of
// them to it, and TestTruth holds it to what the receiving stack delivered.
type whole struct {
	name   string
	list   []captured.TPKT
	events []told
	// spans is, for each APDU, the TPKTs from its ACTIVITY START (or the one that
	// it was resumed from) to its ACTIVITY END.
	spans []span
}

type span struct {
	dir        uint8
	from, to   int
	sum        string
	interrupts bool
}

// read returns what a connection gives.
func read(name string, list []captured.TPKT) whole {
	w := whole{name: name, list: list}
	a := New(Config{})
	began := [2]int{-1, -1}
	var half [2][]byte
	for i := range w.list {
		p := &w.list[i]
		if d := data(p); d == nil {
			half[p.Dir] = nil
		} else if half[p.Dir] = append(half[p.Dir], d...); p.Octets[2]&0x80 != 0 {
			it := session.Iterate(half[p.Dir])
			var s session.SPDU
			for it.Next(&s) {
				if s.Kind == session.ActivityStart {
					began[p.Dir] = i
				}
			}
			half[p.Dir] = nil
		}
		for _, e := range feed(a, w.list[i:i+1]) {
			w.events = append(w.events, e)
			if e.Kind == APDU {
				w.spans = append(w.spans, span{e.Dir, began[e.Dir], i, sum(e.Octets), e.Interruptions > 0})
			}
		}
	}
	w.events = append(w.events, finish(a)...)
	return w
}

func holed(list []captured.TPKT) bool {
	return slices.ContainsFunc(list, func(p captured.TPKT) bool { return p.Lost > 0 })
}

// captures returns the captures that lack nothing, and generated associations
// with rarer forms.
func captures(tb testing.TB) (out []whole) {
	tb.Helper()
	for _, path := range captured.Captures(tb) {
		if list := captured.Single(tb, path).TPKTs; !holed(list) {
			out = append(out, read(strings.TrimSuffix(filepath.Base(path), ".pcap"), list))
		}
	}
	for _, g := range generated(tb, 1, 12) {
		w := read(fmt.Sprintf("generated %v", g.Client), g.TPKTs)
		elsewhere := slices.ContainsFunc(w.events, func(e told) bool { return e.Kind == Problem && e.Code == uint8(ErrResume) })
		if len(w.list) < 80 && len(w.spans) > 0 && !elsewhere {
			out = append(out, w)
		}
	}
	return out
}

// generated returns the connections of a small run of the generator that are
// X.400's.
func generated(tb testing.TB, seed uint64, messages int) []*captured.Stream {
	tb.Helper()
	file, _ := generate(tb, seed, messages, 0)
	return captured.Read(tb, file)
}

func generate(tb testing.TB, seed uint64, messages int, loss float64) (capture []byte, l *ledger.Ledger) {
	tb.Helper()
	o := bench.DefaultOptions()
	o.Seed, o.Messages, o.Concurrent = seed, messages, 1
	o.X410Rate, o.TwoWayRate, o.OddRate, o.SegmentRate = 0.3, 0.3, 0.4, 0.8
	o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate = 0.3, 0.1, 0.1, 0.1
	o.LossRate = loss
	var file, ledgerFile bytes.Buffer
	if _, err := bench.Run(o, bench.Output{Capture: &file, Ledger: &ledgerFile}); err != nil {
		tb.Fatal(err)
	}
	l, err := ledger.ReadAll(&ledgerFile)
	if err != nil {
		tb.Fatal(err)
	}
	return file.Bytes(), l
}

// data returns the user data of a TPKT's DT TPDU.
func data(p *captured.TPKT) []byte {
	if len(p.Octets) < 3 || p.Octets[0] != 2 || p.Octets[1] != 0xF0 {
		return nil
	}
	return p.Octets[3:]
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func sums(events []told) (out []string) {
	for _, e := range only(events, APDU) {
		out = append(out, sum(e.Octets))
	}
	return out
}

// TestTruth compares the APDUs with those that the receiving stack delivered.
func TestTruth(t *testing.T) {
	// The captures lack segments of these.
	missing := map[string]int{"n02-normal-ckpt1k-window3": 1, "n09-lowlevel-interrupt-resume-same-assoc": 1,
		"n14-normal-tpdu1024-selectors-huge-ckpt8k": 1}
	n := 0
	for _, path := range captured.Captures(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".pcap")
		w := read(name, captured.Single(t, path).TPKTs)
		want := map[string]int{}
		for dir, list := range captured.Truth(t, name) {
			for _, a := range list {
				want[fmt.Sprint(dir, a.SHA256)]++
			}
		}
		if len(want) == 0 {
			continue // There the MTAs' own prints are compared with the archive.
		}
		for _, e := range only(w.events, APDU) {
			n++
			k := fmt.Sprint(e.Dir, sum(e.Octets))
			if want[k]--; want[k] < 0 {
				t.Errorf("%s: an APDU of %d octets that is none", name, len(e.Octets))
			}
			if want[k] == 0 {
				delete(want, k)
			}
		}
		if strings.HasPrefix(name, "n09") {
			// The test program told the part before the interruption and the rest.
			if len(want) != 1 && len(want) != 2 {
				t.Errorf("%s: %v", name, want)
			}
			continue
		}
		if len(want) != missing[name] || len(want) > 0 && !holed(w.list) {
			t.Errorf("%s: not delivered: %v", name, want)
		}
	}
	if n != 16 {
		t.Errorf("%d APDUs", n)
	}
}

// TestLedger compares the APDUs with the generator's ledger: with and without
// losses, in interrupted activities and those resumed in other associations.
func TestLedger(t *testing.T) {
	for seed := range uint64(6) {
		loss := 0.0
		if seed >= 3 {
			loss = 0.003
		}
		capture, l := generate(t, seed, 150, loss)
		want, doubtful := map[string]int{}, map[string]bool{}
		for _, s := range l.Sightings {
			k := fmt.Sprint(s.Client, s.Server, s.Direction, s.SHA256)
			if s.Whole {
				want[k]++
			}
			doubtful[k] = doubtful[k] || s.Doubtful
		}
		h := shelf{}
		for _, c := range captured.Read(t, capture) {
			a := New(h.config())
			got := append(feed(a, c.TPKTs), finish(a)...)
			a.Reset(Config{})
			for _, e := range only(got, APDU) {
				dir := [...]ledger.Direction{ledger.ToServer, ledger.ToClient}[e.Dir]
				k := fmt.Sprint(c.Client, c.Server, dir, sum(e.Octets))
				if want[k]--; want[k] < 0 && !doubtful[k] {
					t.Errorf("seed %d: %v: %v is not in the ledger", seed, c.Client, e)
				}
			}
			if loss == 0 {
				for _, e := range only(got, Problem) {
					t.Errorf("seed %d: %v: %v", seed, c.Client, e)
				}
			}
		}
		for k, n := range want {
			if n > 0 && !doubtful[k] {
				t.Errorf("seed %d: %s is not delivered", seed, k)
			}
		}
	}
}

// The seven messages of 1985 were sent in both modes; the captures have them
// octet by octet.
func TestMessagesOf1985(t *testing.T) {
	for _, w := range captures(t) {
		if !strings.Contains(w.name, "ean7") {
			continue
		}
		got := only(w.events, APDU)
		if len(got) != 7 {
			t.Errorf("%s: %d APDUs, want 7", w.name, len(got))
		}
		for i := range got {
			want := readFile(t, captured.Reference(t, fmt.Sprintf("ean-1985/msg%d.mpdu.ber", i+1)))
			if !bytes.HasSuffix(got[i].Octets, want) || len(got[i].Octets) > len(want)+16 {
				t.Errorf("%s: APDU %d has %d octets, want those of the message, %d", w.name, i+1, len(got[i].Octets), len(want))
			}
		}
	}
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Every capture ends in order, without a problem, and its events tell what its
// README says of it.
func TestCaptures(t *testing.T) {
	want := map[string]string{
		"p01-pp88-ping":                     "connect|bind-argument|accept|bind-result|release",
		"n03-normal-twa-turns":              "connect|bind-argument|accept|bind-result|apdu|turn-please|turn-give|apdu|apdu|turn-please|turn-give|apdu|release",
		"p31-pp84-to-pp84-relay-and-report": "connect|bind-argument|accept|bind-result|apdu|apdu|release",
		"p772-recover-open-grafted":         "connect|bind-argument",
		"x400-ping-success-rebuilt":         "connect|bind-argument|accept|bind-result|release",
	}
	for _, w := range captures(t) {
		var kinds []string
		for _, e := range w.events {
			kinds = append(kinds, e.Kind.String())
			if e.Kind == Problem {
				t.Errorf("%s: %v", w.name, e)
			}
			if e.Inferred {
				t.Errorf("%s: %v is inferred", w.name, e)
			}
		}
		if got := strings.Join(kinds, "|"); want[w.name] != "" && got != want[w.name] {
			t.Errorf("%s: got %s, want %s", w.name, got, want[w.name])
		}
		if last := w.events[len(w.events)-1]; last.class != ClassP1 {
			t.Errorf("%s: class %v", w.name, last.class)
		}
	}
}

// recut writes a connection's TSDUs in other TPDUs: cut says how many octets the
// next one gets.
func recut(list []captured.TPKT, cut func(tsdu, left int) int) (out []captured.TPKT) {
	var half [2][]byte
	n := 0
	for i := range list {
		p := list[i]
		d := data(&p)
		if d == nil {
			out = append(out, p)
			continue
		}
		half[p.Dir] = append(half[p.Dir], d...)
		if p.Octets[2]&0x80 == 0 {
			continue
		}
		b := half[p.Dir]
		half[p.Dir] = nil
		n++
		for {
			k := min(max(cut(n, len(b)), 0), len(b))
			q := p
			q.Octets = append([]byte{2, 0xF0, 0}, b[:k]...)
			if b = b[k:]; len(b) == 0 {
				q.Octets[2] = 0x80
			}
			out = append(out, q)
			if len(b) == 0 {
				break
			}
		}
	}
	return out
}

// TestAnyTPDUs: however the TSDUs are cut into TPDUs, the events are the same.
func TestAnyTPDUs(t *testing.T) {
	for _, w := range captures(t) {
		want := lines(w.events)
		check := func(what string, cut func(tsdu, left int) int) {
			t.Helper()
			a := New(Config{Lasting: len(what)%2 == 0})
			got := append(feed(a, recut(w.list, cut)), finish(a)...)
			if !slices.Equal(lines(got), want) {
				t.Errorf("%s, %s:\ngot  %q\nwant %q", w.name, what, lines(got), want)
			}
		}
		check("one octet each", func(int, int) int { return 1 })
		check("whole", func(_, left int) int { return left })
		// Each TSDU at every octet boundary, all of them at once.
		longest := 0
		for _, n := range lengths(w.list) {
			longest = max(longest, n)
		}
		if len(w.list) > 100 {
			longest = min(longest, 200)
		}
		for k := range longest + 1 {
			again := 0
			check(fmt.Sprintf("cut behind octet %d", k), func(tsdu, left int) int {
				if again == tsdu {
					return left
				}
				again = tsdu
				return k // 0 makes an empty TPDU.
			})
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			check("random", func(_, left int) int { return r.IntN(min(left, 1500) + 1) })
		}
	}
}

func lengths(list []captured.TPKT) (out []int) {
	recut(list, func(_, left int) int {
		out = append(out, left)
		return left
	})
	return out
}

// TestCutAnywhere: a connection that breaks off after any octet gives the APDUs
// that had ended, and no other.
func TestCutAnywhere(t *testing.T) {
	for _, w := range captures(t) {
		octets := 0
		for i := range w.list {
			octets += len(w.list[i].Octets)
		}
		step := 1
		if octets > 8000 {
			step = octets / 4000
		}
		a := New(Config{})
		for i := range w.list {
			want := 0
			for _, s := range w.spans {
				if s.to < i {
					want++
				}
			}
			p := w.list[i]
			whole := p.Octets
			for n := i % step; n < len(whole); n += step {
				// A TPKT that is cut short, as no framer would give it.
				a.Reset(Config{})
				got := feed(a, w.list[:i])
				p.Octets = whole[:n]
				got = append(got, feed(a, []captured.TPKT{p})...)
				got = append(got, finish(a)...)
				if s := sums(got); len(s) != want || !slices.Equal(s, sums(w.events)[:want]) {
					t.Fatalf("%s cut in TPKT %d to %d octets: %d APDUs, want %d", w.name, i, n, len(s), want)
				}
			}
			if len(w.list) > 100 && i > 60 {
				break // Of the longest capture, the beginning.
			}
		}
	}
}

// TestFromTheMiddle: seen from any TPKT on, the APDUs whose activity began there
// or later are delivered, and no other.
func TestFromTheMiddle(t *testing.T) {
	for _, w := range captures(t) {
		connect := slices.IndexFunc(w.list, func(p captured.TPKT) bool { return len(data(&p)) > 0 })
		for from := range w.list {
			a := New(Config{})
			got := append(feed(a, w.list[from:]), finish(a)...)
			var want []string
			for _, s := range w.spans {
				if s.from >= from {
					want = append(want, s.sum)
				}
			}
			if s := sums(got); !slices.Equal(s, want) {
				t.Errorf("%s from TPKT %d: %d APDUs, want %d\n%q", w.name, from, len(s), len(want), lines(got))
			}
			for _, e := range only(got, APDU) {
				if e.Inferred != (from > connect) {
					t.Errorf("%s from TPKT %d: %v", w.name, from, e)
				}
				if e.class != ClassP1 {
					t.Errorf("%s from TPKT %d: class %v", w.name, from, e.class)
				}
			}
			for _, e := range only(got, Problem) {
				// The rest of a TSDU, and the rest of an activity resumed, are told.
				if e.Layer != LayerAssociation {
					t.Errorf("%s from TPKT %d: %v", w.name, from, e)
				}
			}
		}
	}
}

// TestOneTPKTMissing: without any one TPKT, whose loss is told, the APDUs that it
// was no part of are delivered, and no other.
func TestOneTPKTMissing(t *testing.T) {
	for _, w := range captures(t) {
		for lost := range w.list {
			a := New(Config{})
			got := feed(a, w.list[:lost])
			a.Gap(w.list[lost].Dir, w.list[lost].Seq, uint64(len(w.list[lost].Octets)))
			got = append(got, drain(a)...)
			got = append(got, feed(a, w.list[lost+1:])...)
			got = append(got, finish(a)...)
			all, need := map[string]int{}, 0
			for _, s := range w.spans {
				all[s.sum]++
				if s.dir != w.list[lost].Dir || lost < s.from || lost > s.to {
					need++
				}
			}
			s := sums(got)
			for _, x := range s {
				if all[x]--; all[x] < 0 {
					t.Errorf("%s without TPKT %d: an APDU that is none", w.name, lost)
				}
			}
			// Of an interrupted activity, what came after the checkpoint may be lost.
			resumed := slices.ContainsFunc(w.spans, func(s span) bool { return s.interrupts })
			if len(s) < need || len(s) > need && !resumed {
				t.Errorf("%s without TPKT %d of direction %d: %d APDUs, want %d\n%q", w.name, lost, w.list[lost].Dir, len(s), need, lines(got))
			}
		}
	}
}

// TestOneDirection: each direction alone gives the APDUs that were sent in it.
func TestOneDirection(t *testing.T) {
	for _, w := range captures(t) {
		for dir := range uint8(2) {
			var list []captured.TPKT
			for _, p := range w.list {
				if p.Dir == dir {
					list = append(list, p)
				}
			}
			if !slices.ContainsFunc(list, func(p captured.TPKT) bool { return data(&p) != nil }) {
				continue
			}
			a := New(Config{})
			got := append(feed(a, list), finish(a)...)
			var want []string
			for _, s := range w.spans {
				if s.dir == dir {
					want = append(want, s.sum)
				}
			}
			if s := sums(got); !slices.Equal(s, want) {
				t.Errorf("%s, direction %d: %d APDUs, want %d\n%q", w.name, dir, len(s), len(want), lines(got))
			}
			f := a.Facts()
			if !f.OneDirection || f.Inferred != (dir == 1) || dir == 0 && !f.Proposed || dir == 1 && (f.Proposed || f.Initiator != 0) {
				t.Errorf("%s, direction %d: %+v", w.name, dir, f)
			}
			for _, c := range f.Contexts {
				if dir == 0 && (c.Answered || c.Accepted) {
					t.Errorf("%s: a context was answered", w.name)
				}
			}
		}
	}
}

// TestInterleaved: associations that go on at the same time, with memory in
// common and used again and again, give what they give alone.
func TestInterleaved(t *testing.T) {
	all := captures(t)
	buffers := new(Buffers)
	list := make([]*Association, len(all))
	for i := range list {
		list[i] = New(Config{Buffers: buffers, Lasting: i%2 == 0})
	}
	for range 3 {
		got := make([][]told, len(all))
		for step := 0; ; step++ {
			more := false
			for i := range all {
				if step < len(all[i].list) {
					got[i] = append(got[i], feed(list[i], all[i].list[step:step+1])...)
					more = true
				}
			}
			if !more {
				break
			}
		}
		for i := range all {
			got[i] = append(got[i], finish(list[i])...)
			if !slices.Equal(lines(got[i]), lines(all[i].events)) {
				t.Errorf("%s: got %q, want %q", all[i].name, lines(got[i]), lines(all[i].events))
			}
			list[i].Reset(Config{Buffers: buffers, Lasting: i%2 == 0})
		}
	}
}

// The Origin and Last of an APDU are where its first and last octet stand.
func TestPlaces(t *testing.T) {
	for _, w := range captures(t) {
		var stream [2][]byte
		for _, p := range w.list {
			if n := int(p.Offset) + len(p.Octets) - len(stream[p.Dir]); n > 0 {
				stream[p.Dir] = append(stream[p.Dir], make([]byte, n)...)
			}
			copy(stream[p.Dir][p.Offset:], p.Octets)
		}
		base := func(dir uint8) uint32 {
			i := slices.IndexFunc(w.list, func(p captured.TPKT) bool { return p.Dir == dir })
			return w.list[i].Seq - uint32(w.list[i].Offset)
		}
		for _, e := range only(w.events, APDU) {
			s := stream[e.Dir]
			first, last := e.Origin.Offset, e.Last.Offset
			if s[first] != e.Octets[0] || s[last] != e.Octets[len(e.Octets)-1] || last < first {
				t.Errorf("%s: APDU of %d octets from %d to %d", w.name, len(e.Octets), first, last)
			}
			if n := min(len(e.Octets), 64); e.Pieces == 1 && !bytes.Equal(s[first:int(first)+n], e.Octets[:n]) {
				t.Errorf("%s: the APDU does not stand at %d", w.name, first)
			}
			if e.Origin.Seq != base(e.Dir)+uint32(first) || e.Last.Seq != base(e.Dir)+uint32(last) || e.Origin.Frame == 0 || e.Origin.Frame > e.Last.Frame {
				t.Errorf("%s: %+v, %+v", w.name, e.Origin, e.Last)
			}
		}
	}
}
