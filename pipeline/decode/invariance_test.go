package decode

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/bench/mutate"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/schema"
)

// passage are the columns that say how segments came by, not what streams hold.
var passage = []string{
	"version", "answered_at", "answer_frame", "first_frame", "last_frame", "frame", "captured_at", "captured_until", "time", "first_seen", "last_seen",
	"client_packets", "server_packets", "client_retransmitted_packets", "server_retransmitted_packets",
	"client_retransmitted_octets", "server_retransmitted_octets", "client_out_of_order", "server_out_of_order",
}

// TestAnySegmentation rewrites captures so that streams stay the same and
// compares the rows.
func TestAnySegmentation(t *testing.T) {
	options := map[string]mutate.Options{
		"single octets": {MinSegment: 1, MaxSegment: 1},
		"any segments":  {MinSegment: 1, MaxSegment: 3000},
		"large":         {MinSegment: 9000, MaxSegment: 30000},
		"repetitions":   {Duplicate: 0.5},
		"disorder":      {Disorder: 0.3, Window: 6, MaxSegment: 400},
		"late":          {Late: 0.2, Window: 5},
		"all of them":   {MinSegment: 1, MaxSegment: 700, Duplicate: 0.2, Disorder: 0.2, Late: 0.1, Window: 3},
		"encapsulated":  {Fragment: 576, GRE: true, VLAN: []uint16{5, 6}, MPLS: []uint32{7}},
	}
	captures := map[string][]byte{"generated": generated(t, 60, nil)}
	for _, name := range real(t) {
		captures[filepath.Base(name)] = readFile(t, name)
	}
	for name, pcap := range captures {
		want := rowsOf(t, frames(t, pcap))
		if len(want["associations_store"]) == 0 {
			t.Fatalf("%s gives no rows", name)
		}
		delete(want, "coverage_store")
		for what, o := range options {
			t.Run(name+"/"+what, func(t *testing.T) {
				for seed := range uint64(2) {
					o.Seed = seed
					var b bytes.Buffer
					if err := mutate.Rewrite(&b, bytes.NewReader(pcap), o); err != nil {
						t.Fatal(err)
					}
					got := rowsOf(t, frames(t, b.Bytes()))
					same(t, got, want, passage...)
				}
			})
		}
	}
}

// TestAnyCutting cuts records at various places and spreads them over various
// numbers of shards; every column of every row stays.
func TestAnyCutting(t *testing.T) {
	in := append(realFrames(t), frames(t, generated(t, 80, func(o *generate.Options) {
		o.RecoverRate, o.InterruptRate, o.NoiseRate, o.LossRate, o.DisorderRate = 0.3, 0.2, 0.1, 0.002, 0.02
	}))...)
	want := rowsOf(t, in)
	if n := len(want["messages_store"]); n < 90 {
		t.Fatalf("%d messages", n)
	}
	if !slices.Contains(want.column("messages_store", "resumed"), "true") {
		t.Fatal("no message was resumed")
	}
	for _, s := range []sensor.Config{
		{}, {MaxRecord: 1}, {MaxRecord: 3000}, {MaxItems: 2}, {MaxAge: time.Millisecond}, {MaxPending: 1}, {MaxPreamble: 1},
	} {
		recs := records(t, s, in)
		for _, d := range []Config{{Workers: 1}, {Workers: 4, BatchRows: 1}, {Workers: 13, BatchOctets: 1000}} {
			t.Run(fmt.Sprintf("record %d items %d age %v pending %d preamble %d workers %d",
				s.MaxRecord, s.MaxItems, s.MaxAge, s.MaxPending, s.MaxPreamble, d.Workers), func(t *testing.T) {
				got, stats := decoded(t, d, recs)
				if stats.Records != uint64(len(recs)) || stats.Poison != 0 || stats.Repeats != 0 {
					t.Errorf("%+v", stats)
				}
				same(t, got, want)
			})
		}
	}
}

// late is a gatherer that takes its time, now more and now less, so that shards get
// ahead of each other.
type late struct{ *gatherer }

func (l late) Write(ctx context.Context, b *schema.Batch, ack func()) error {
	time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	return l.gatherer.Write(ctx, b, ack)
}

// shuffled gives the records of connections in another order, but each connection's
// own as they are, and all others at the end.
func shuffled(recs [][]byte, seed uint64) (out [][]byte) {
	random := rand.New(rand.NewPCG(seed, 0))
	var others, turns [][]byte
	of := map[[16]byte][][]byte{}
	for _, b := range recs {
		if k, id, err := record.Peek(b); err == nil && k == record.KindConnection {
			of[id] = append(of[id], b)
			turns = append(turns, id[:])
		} else {
			others = append(others, b)
		}
	}
	// What is far apart stays so: a record moves by some twenty places.
	at := make(map[int]float64, len(turns))
	order := make([]int, len(turns))
	for i := range turns {
		order[i], at[i] = i, float64(i)+20*random.Float64()
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	for _, i := range order {
		id := [16]byte(turns[i])
		out = append(out, of[id][0])
		of[id] = of[id][1:]
	}
	return append(out, others...)
}

// TestResumedWhileOpen has activities resumed in another association while records of
// the first are still to come, with more of the same activity or without: as many
// shards as may be, of which some lag behind, give the rows that one gives. Others are
// resumed in their own association, which they name or do not name.
func TestResumedWhileOpen(t *testing.T) {
	t.Run("unnamed", func(t *testing.T) { resumedWhileOpen(t, func(*generate.Options) {}) })
	t.Run("named", func(t *testing.T) { resumedWhileOpen(t, func(o *generate.Options) { o.NameOwn = true }) })
	// Several connections have what may be resumed, and are told apart by nothing.
	t.Run("same", func(t *testing.T) {
		resumedWhileOpen(t, func(o *generate.Options) { o.NameOwn, o.SameReference, o.Concurrent = true, true, 40 })
	})
}

func resumedWhileOpen(t *testing.T, change func(*generate.Options)) {
	recs := records(t, sensor.Config{MaxItems: 2}, frames(t, generated(t, 120, func(o *generate.Options) {
		o.RecoverRate, o.LinkFailRate, o.SegmentRate, o.InterruptRate, o.AccessRate = 0.6, 0.5, 1, 0.4, 0
		change(o)
	})))
	surrendered, own := 0, 0
	for seed := range uint64(2) {
		in := shuffled(recs, seed)
		want, _ := decoded(t, Config{}, in)
		for _, m := range want["messages_store"] {
			switch {
			case strings.Trim(m.columns["resumed_from"], "0-") != "":
				surrendered++
			case m.columns["resumed"] == "true":
				own++
			}
		}
		for _, workers := range []int{2, 5, 16} {
			got := late{newGatherer()}
			decodedInto(t, Config{Workers: workers, BatchRows: 1}, in, got)
			same(t, got.tables, want)
			if t.Failed() {
				t.Fatalf("seed %d, %d workers", seed, workers)
			}
		}
	}
	if surrendered < 20 || own < 20 {
		t.Errorf("%d messages were resumed in another association, %d in their own", surrendered, own)
	}
}

// flows gives each connection's frames by itself.
func flows(t *testing.T, in []capture.Frame) [][]capture.Frame {
	t.Helper()
	d := capture.NewDecoder(capture.DecoderConfig{Ports: []uint16{102}})
	index := map[capture.FlowKey]int{}
	var out [][]capture.Frame
	for i := range in {
		var seg capture.Segment
		if !d.Decode(&in[i], &seg) {
			continue
		}
		n, ok := index[seg.Key]
		if !ok {
			n = len(out)
			index[seg.Key] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], in[i])
	}
	return out
}

// TestInterleavedEqualsSeparate archives connections one at a time and all
// interleaved.
func TestInterleavedEqualsSeparate(t *testing.T) {
	interleaved := frames(t, generated(t, 150, func(o *generate.Options) {
		// What is resumed in another association needs the other one.
		o.RecoverRate, o.Concurrent, o.NoiseRate, o.LossRate = 0, 40, 0.1, 0.002
	}))
	separate := flows(t, interleaved)
	if len(separate) < 20 {
		t.Fatalf("%d connections", len(separate))
	}
	want := tables{}
	for _, f := range separate {
		for table, rows := range rowsOf(t, f) {
			if want[table] == nil {
				want[table] = map[string]row{}
			}
			for k, r := range rows {
				if _, ok := want[table][k]; ok && table != "coverage_store" {
					t.Errorf("%s: %s comes of two connections", table, k)
				}
				want[table][k] = r
			}
		}
	}
	delete(want, "coverage_store")
	same(t, rowsOf(t, interleaved), want)

	// Real connections, frame by frame in turn; their times are moved to one beginning.
	var turns [][]capture.Frame
	want = tables{}
	for _, name := range real(t) {
		switch filepath.Base(name)[:3] {
		case "p01", "p22", "p31":
			continue // The same ports as p20's.
		}
		f := frames(t, readFile(t, name))
		shift := f[0].Time
		for i := range f {
			f[i].Time -= shift - 1e18
		}
		turns = append(turns, f)
		for table, rows := range rowsOf(t, f) {
			if want[table] == nil {
				want[table] = map[string]row{}
			}
			for k, r := range rows {
				want[table][k] = r
			}
		}
	}
	delete(want, "coverage_store")
	interleaved = nil
	for i := 0; ; i++ {
		n := len(interleaved)
		for _, f := range turns {
			if i < len(f) {
				interleaved = append(interleaved, f[i])
			}
		}
		if n == len(interleaved) {
			break
		}
	}
	same(t, rowsOf(t, interleaved), want)
}

// circumstances are the columns of messages that may differ where not all of their
// association was seen.
var circumstances = []string{
	"version", "inferred", "one_direction", "sending_mta", "receiving_mta", "protocol", "mode", "association", "stream_offset", "stream_end",
	"source_address", "destination_address", "source_port", "destination_port", "direction", "captured_at", "captured_until", "first_frame", "last_frame",
}

// noWrong checks that got has no message that want has not.
func noWrong(t *testing.T, got, want tables, but ...string) {
	t.Helper()
	for table, rows := range got {
		switch table {
		case "associations_store", "problems_store", "coverage_store":
			continue
		}
		for k, g := range rows {
			w, ok := want[table][k]
			if !ok {
				t.Errorf("%s: %s is of no message that the whole has: %s", table, k, brief(g))
				continue
			}
			for _, d := range differing(g, w, but) {
				t.Errorf("%s: %s: %s", table, k, d)
			}
		}
	}
}

// TestCutAtEveryOctet ends each capture at every octet of its frames, as a full
// disk or a snap length does.
func TestCutAtEveryOctet(t *testing.T) {
	for _, name := range real(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in := frames(t, readFile(t, name))
			want := rowsOf(t, in)
			step := 1
			octets := 0
			for i := range in {
				octets += len(in[i].Data)
			}
			if octets > 10_000 {
				step = octets / 10_000 * octets / 10_000
			}
			if testing.Short() {
				step *= 50
			}
			n := 0
			d := newDirect(Config{})
			for i := range in {
				// What a cut frame lacks is missing on the wire, too, or only
				// in the capture.
				for cut := range len(in[i].Data) {
					if n++; n%step != 0 && cut != 0 {
						continue
					}
					f := slices.Clone(in[:i+1])
					f[i].Data = f[i].Data[:cut]
					noWrong(t, d.rows(t, f), want)
					if t.Failed() {
						t.Fatalf("cut at octet %d of frame %d", cut, i+1)
					}
				}
			}
		})
	}
}

// TestWithoutAFrame takes any one frame out of the captures, cuts any one, and
// begins at any one.
func TestWithoutAFrame(t *testing.T) {
	for _, name := range real(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in := frames(t, readFile(t, name))
			want := rowsOf(t, in)
			d := newDirect(Config{})
			step := max(1, len(in)/150)
			for i := 0; i < len(in); i += step {
				noWrong(t, d.rows(t, slices.Delete(slices.Clone(in), i, i+1)), want, circumstances...)
				cut := slices.Clone(in)
				cut[i].Data = cut[i].Data[:len(cut[i].Data)/2]
				noWrong(t, d.rows(t, cut), want, circumstances...)
				noWrong(t, d.rows(t, in[i:]), want, circumstances...)
				if t.Failed() {
					t.Fatalf("at frame %d", i+1)
				}
			}
		})
	}
}
