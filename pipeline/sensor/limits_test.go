package sensor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/tcp"
)

// data is a session GIVE TOKENS with DATA TRANSFER.
func data(n int) []byte { return append([]byte{1, 0, 1, 0}, make([]byte, n)...) }

func TestEnds(t *testing.T) {
	frame := func(w *wire, dir int, flags byte) *wire { w.packet(dir, flags, nil); return w }
	for name, c := range map[string]struct {
		frames func() []capture.Frame
		cfg    tcp.Config
		want   record.EndReason
	}{
		"fin": {func() []capture.Frame {
			w := newWire(2000).open().send(0, data(5), 100, 100)
			return frame(frame(frame(w, 0, flagFIN), 1, flagFIN), 0, flagACK).frames
		}, tcp.Config{}, record.FIN},
		"rst":            {func() []capture.Frame { return frame(newWire(2000).open(), 1, flagRST).frames }, tcp.Config{}, record.RST},
		"end of capture": {func() []capture.Frame { return newWire(2000).open().frames }, tcp.Config{}, record.CaptureEnd},
		"idle": {func() []capture.Frame {
			w := newWire(2000).open()
			later := newWire(2001)
			later.now = w.now + int64(time.Hour)
			return append(w.frames, later.open().frames...)
		}, tcp.Config{IdleTimeout: time.Minute}, record.Idle},
		"evicted": {func() []capture.Frame { return append(newWire(2000).open().frames, newWire(2001).open().frames...) },
			tcp.Config{MaxConns: 1}, record.Evicted},
		"replaced": {func() []capture.Frame {
			w := newWire(2000).open().send(0, data(5), 100, 100)
			w.next = [2]uint32{70000, 80000}
			return w.open().frames
		}, tcp.Config{}, record.Replaced},
	} {
		t.Run(name, func(t *testing.T) {
			records := published(t, Config{TCP: c.cfg}, c.frames())
			last := records[0]
			for _, r := range records {
				if r.Conn.ID == last.Conn.ID {
					last = r
				}
			}
			if last.End != c.want || last.Conn.Client.Port() != 2000 {
				t.Errorf("%v of %v, want %v", last.End, last.Conn.Client, c.want)
			}
			if p := last.Counters[0].Packets; p < 2 {
				t.Errorf("%d packets", p)
			}
		})
	}
}

// TestGapIsTold loses a segment: the record says where and how much.
func TestGapIsTold(t *testing.T) {
	w := newWire(2000).open()
	for range 20 {
		w.send(0, data(50), 1000, 1000)
		w.packet(1, flagACK, nil)
	}
	frames := slices.Delete(slices.Clone(w.frames), 7, 8)
	var gaps []record.Item
	tpdus := 0
	for _, r := range published(t, Config{}, frames) {
		for _, it := range r.Items {
			switch it.Kind {
			case record.Gap:
				gaps = append(gaps, it)
			case record.TPDU:
				tpdus++
			}
		}
	}
	if len(gaps) != 1 || gaps[0].Lost != 61 || gaps[0].Offset != 2*61 || gaps[0].Sequence != 1001+2*61 || tpdus != 19 {
		t.Errorf("%d TPDUs, gaps %+v", tpdus, gaps)
	}
}

// TestCutAfterCut loses the ends of two TPKTs, one behind the other. The beginning of the second
// is told as the first octets behind lost ones.
func TestCutAfterCut(t *testing.T) {
	w := newWire(2000).open()
	send := func(segment int) {
		w.send(0, data(50), 1000, segment)
		w.packet(1, flagACK, nil)
	}
	send(61)
	send(40)
	send(40)
	for range 20 {
		send(61)
	}
	frames := slices.Delete(slices.Delete(slices.Clone(w.frames), 9, 10), 6, 7)
	type item struct {
		kind         record.ItemKind
		offset, lost uint64
		octets       int
		resync       bool
	}
	var got []item
	for _, r := range published(t, Config{}, frames) {
		for _, it := range r.Items {
			if it.Dir == 0 && it.Offset < 4*61 {
				got = append(got, item{it.Kind, it.Offset, it.Lost, len(it.Octets), it.Resync})
			}
		}
	}
	// A TPKT of 61 octets has a header of 4; the first 40 octets of a cut one came.
	want := []item{
		{record.TPDU, 4, 0, 57, false},
		{record.Cut, 61 + 4, 0, 36, false}, {record.Gap, 61 + 40, 21, 0, false},
		{record.Cut, 2*61 + 4, 0, 36, true}, {record.Gap, 2*61 + 40, 21, 0, false},
		{record.TPDU, 3*61 + 4, 0, 57, true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestHeartbeats(t *testing.T) {
	w := newWire(2000).open()
	at := []time.Duration{0, 59 * time.Second, 60 * time.Second, 200 * time.Second}
	base := start - start%int64(time.Minute)
	frames := w.frames[:3]
	for range at[3:] {
		frames = append(frames, capture.Frame{Data: []byte{0x45}, Length: 60, Link: capture.LinkRaw})
	}
	var octets uint64
	for i := range frames {
		frames[i].Time = base + int64(at[i])
		octets += uint64(len(frames[i].Data))
	}
	s, k := run(t, Config{Name: "tap", Epoch: 7, Source: func(int32) string { return "a.pcap" }}, frames)
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var got []record.Heartbeat
	for _, b := range k.records {
		var r record.Record
		if err := r.Decode(b); err != nil {
			t.Fatal(err)
		}
		if r.Kind == record.KindHeartbeat {
			got = append(got, r.Heartbeat)
			if string(r.Sensor) != "tap" || r.Epoch != 7 || string(r.Sources[0]) != "a.pcap" {
				t.Errorf("%+v", r)
			}
		}
	}
	m := int64(time.Minute)
	want := []record.Heartbeat{
		{From: base, To: base + m, Packets: 2, Octets: 80, Segments: 2},
		{From: base + m, To: base + 2*m, Packets: 1, Octets: 40, Segments: 1},
		{From: base + 3*m, To: base + 4*m, Packets: 1, Octets: 1, Undecodable: 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestPreamble has each record bear what came up to the session ACCEPT, within
// bounds.
func TestPreamble(t *testing.T) {
	connect, accept := opening(t, "p20", 0), opening(t, "p20", 1)
	w := newWire(2000).open()
	w.packet(0, flagACK, []byte{3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0})
	w.packet(1, flagACK, []byte{3, 0, 0, 11, 6, 0xd0, 0, 1, 0, 2, 0})
	w.send(0, connect, 50, 1000).send(1, accept, 5000, 1000)
	for range 5 {
		w.send(0, data(100), 1000, 1000)
	}
	opened := 2 + (len(connect)+49)/50 + 1
	for _, c := range []struct {
		max, want int
		cut       bool
	}{{0, opened, false}, {1, 0, true}, {30, 2, true}} {
		records := published(t, Config{MaxItems: 1, MaxPreamble: c.max}, w.frames)
		last := records[len(records)-1]
		if len(last.Preamble) != c.want || last.PreambleCut != c.cut {
			t.Errorf("at most %d octets: %d items, cut %v; want %d, %v", c.max, len(last.Preamble), last.PreambleCut, c.want, c.cut)
		}
		size := 0
		for _, it := range last.Preamble {
			size += len(it.Octets)
		}
		if c.max > 0 && size > c.max {
			t.Errorf("%d octets, at most %d", size, c.max)
		}
	}
	// First seen in the middle: what comes before an ACCEPT that never comes is
	// not collected for ever.
	records := published(t, Config{MaxItems: 1}, w.frames[len(w.frames)-5:])
	if last := records[len(records)-1]; len(last.Preamble) > 1 {
		t.Errorf("%d items in the preamble of a connection seen from the middle", len(last.Preamble))
	}
}

// TestBeginningWaits: a record in which no TPKT is whole yet waits for the rest, unless there
// is no room for it.
func TestBeginningWaits(t *testing.T) {
	for _, general := range []bool{false, true} {
		for _, pending := range []int{0, 1} {
			w := newWire(2000).open()
			w.send(0, opening(t, "p20", 0), 5000, 1000).send(1, opening(t, "p20", 1), 5000, 1000)
			w.send(0, data(100), 1000, 1000)
			s, k := run(t, Config{MaxPending: pending, general: general}, w.frames)
			flush := func(want int, what string) {
				t.Helper()
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(k.records) != want {
					t.Errorf("general %t, %d pending: %d records behind %s, want %d", general, pending, len(k.records), what, want)
				}
			}
			give := func(frames []capture.Frame) {
				for i := range frames {
					if err := s.Frame(t.Context(), &frames[i]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			before, opened := len(w.frames), len(k.records)
			w.send(0, data(1500), 5000, 1000)
			give(w.frames[before : before+1])
			if pending == 1 {
				opened++
			}
			flush(opened, "a beginning")
			give(w.frames[before+1:])
			flush(opened+1, "a TPKT")
			var r record.Record
			if err := r.Decode(k.records[opened]); err != nil || len(r.Items) != 1 || len(r.Items[0].Octets) != 3+len(data(1500)) {
				t.Errorf("general %t, %d pending: %d items, %v", general, pending, len(r.Items), err)
			}
			if s.pending != 0 || len(s.dirty) != 0 {
				t.Errorf("%d octets of %d connections are left", s.pending, len(s.dirty))
			}
		}
	}
}

// TestPreamblesLeaveRoom has many connections at once, whose preambles alone are as much
// as may be pending: each record has several items all the same.
func TestPreamblesLeaveRoom(t *testing.T) {
	const connections, rounds = 50, 20
	connect, accept := opening(t, "p20", 0), opening(t, "p20", 1)
	var wires []*wire
	opened := 0
	for i := range connections {
		w := newWire(uint16(2000 + i)).open()
		w.send(0, connect, 2048, 1400).send(1, accept, 2048, 1400)
		opened = len(w.frames)
		for range rounds {
			w.send(0, data(10), 1000, 1000)
		}
		wires = append(wires, w)
	}
	k := new(keep)
	s := New(Config{
		MaxPending: connections * (len(connect) + len(accept)), MaxAge: time.Hour,
		Decoder: capture.DecoderConfig{Ports: []uint16{102}},
	}, k)
	before := 0
	for i := range opened + rounds {
		if i == opened {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			before = len(k.records)
		}
		for _, w := range wires {
			if err := s.Frame(t.Context(), &w.frames[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(k.records) - before; n > connections*rounds/2 {
		t.Errorf("%d records of %d items", n, connections*rounds)
	}
	read(t, k.records)
}

// TestPendingEach has many connections send in turns: what waits is bounded by how many
// they are.
func TestPendingEach(t *testing.T) {
	const connections, rounds, each = 50, 40, 300
	var wires []*wire
	for i := range connections {
		w := newWire(uint16(2000 + i)).open()
		for range rounds {
			w.send(0, data(10), 1000, 1000)
		}
		wires = append(wires, w)
	}
	k := new(keep)
	s := New(Config{
		MaxPending: 1, PendingEach: each, MaxAge: time.Hour,
		Decoder: capture.DecoderConfig{Ports: []uint16{102}},
	}, k)
	most := 0
	for i := range wires[0].frames {
		for _, w := range wires {
			if err := s.Frame(t.Context(), &w.frames[i]); err != nil {
				t.Fatal(err)
			}
			most = max(most, s.pending)
		}
	}
	if most > connections*each+1 || most < connections*each/2 {
		t.Errorf("%d octets were pending at most, of %d that may be", most, connections*each+1)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(k.records); n > connections*rounds/4 {
		t.Errorf("%d records of %d items", n, connections*rounds)
	}
	read(t, k.records)
}

// TestMuted stops publishing what is certainly not X.400, and goes on counting.
func TestMuted(t *testing.T) {
	w := newWire(2000).open()
	w.packet(0, flagACK, []byte{3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0})
	w.packet(1, flagACK, []byte{3, 0, 0, 11, 6, 0xd0, 0, 1, 0, 2, 0})
	for range 200 { // S7comm: protocol identifier 0x32, job.
		w.send(0, append([]byte{0x32, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0xf0, 0, 0, 1, 0, 1, 1, 0xe0}, make([]byte, 500)...), 1000, 2000)
	}
	s, k := run(t, Config{}, w.frames)
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	octets := 0
	var r record.Record
	for _, b := range k.records {
		octets += len(b)
	}
	if err := r.Decode(k.records[0]); err != nil {
		t.Fatal(err)
	}
	if s.Stats().Muted != 1 || !r.Muted || octets > 4000 {
		t.Errorf("muted %d (%v), %d octets published", s.Stats().Muted, r.Muted, octets)
	}
	if r.Counters[0].Packets != 203 || r.Counters[0].Octets < 100_000 {
		t.Errorf("%+v", r.Counters[0])
	}
}

// TestUnfinishedBindsAreGivenUp holds openings that never end, beyond the limit.
func TestUnfinishedBindsAreGivenUp(t *testing.T) {
	const limit = 100_000
	s, k := run(t, Config{MaxPending: limit}, nil)
	most := 0
	for i := range uint16(200) {
		w := newWire(1000 + i).open()
		// A TPDU without EOT: the TSDU goes on.
		tpdu := append([]byte{3, 0, 0x10, 0, 2, 0xf0, 0}, bytes.Repeat([]byte("secret"), 700)...)[:0x1000]
		tpdu[7] = 13
		w.packet(0, flagACK, tpdu)
		for j := range w.frames {
			if err := s.Frame(t.Context(), &w.frames[j]); err != nil {
				t.Fatal(err)
			}
			most = max(most, s.pending)
		}
	}
	if most > limit+10_000 {
		t.Errorf("%d octets were pending, at most %d", most, limit)
	}
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s.pending != 0 || s.Stats().BlindOctets < 190*4000 {
		t.Errorf("%d octets are pending after the end, %d were overwritten", s.pending, s.Stats().BlindOctets)
	}
	for _, b := range k.records {
		if bytes.Contains(b, []byte("secretsecretsecret")) {
			t.Fatal("what was held is published as it was")
		}
	}
}

// TestConnectionsAreGivenUp holds TPKTs that never end and openings that are
// long, on more connections than there is memory for.
func TestConnectionsAreGivenUp(t *testing.T) {
	const limit = 1 << 20
	s, k := run(t, Config{MaxState: limit}, nil)
	most := 0
	for i := range uint16(300) {
		w := newWire(1000 + i).open()
		w.send(0, opening(t, "p20", 0), 5000, 5000)
		w.packet(0, flagACK, append([]byte{3, 0, 0xff, 0, 2, 0xf0, 0}, make([]byte, 10_000)...))
		for j := range w.frames {
			if err := s.Frame(t.Context(), &w.frames[j]); err != nil {
				t.Fatal(err)
			}
			most = max(most, s.state)
		}
	}
	if most > limit || most < limit/2 {
		t.Errorf("at most %d octets were kept, the limit is %d", most, limit)
	}
	if n := s.Table().Evicted; n < 100 {
		t.Errorf("%d connections were given up", n)
	}
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s.state != 0 {
		t.Errorf("%d octets are counted after the end", s.state)
	}
	ends := map[record.EndReason]uint64{}
	var r record.Record
	for _, b := range k.records {
		if err := r.Decode(b); err != nil {
			t.Fatal(err)
		}
		if r.Kind == record.KindConnection {
			ends[r.End]++
		}
	}
	if ends[record.Evicted] != s.Table().Evicted || ends[record.Evicted]+ends[record.CaptureEnd] != 300 {
		t.Errorf("%v", ends)
	}
}

// null is a bus that takes records and forgets them.
type null struct{ records int }

func (n *null) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	n.records++
	rec.Release()
	return nil
}

// TestInOrderDoesNotAllocate gives segments of an association under way.
func TestInOrderDoesNotAllocate(t *testing.T) {
	w := newWire(2000).open()
	w.send(0, opening(t, "p20", 0), 5000, 5000).send(1, opening(t, "p20", 1), 5000, 5000)
	for range 2000 {
		w.send(0, data(1000), 5000, 5000)
	}
	cfg := Config{Source: func(int32) string { return "a.pcap" }}
	cfg.Decoder.Ports = []uint16{102}
	out := new(null)
	s := New(cfg, out)
	i := 0
	next := func() {
		if err := s.Frame(t.Context(), &w.frames[i]); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 500 {
		next()
	}
	if n := testing.AllocsPerRun(1400, next); n != 0 {
		t.Errorf("%v allocations a segment", n)
	}
	if out.records < 10 {
		t.Errorf("%d records", out.records)
	}
}

// BenchmarkCapture makes records of the largest real capture.
func BenchmarkCapture(b *testing.B) {
	name := "../../testdata/mta/n14-normal-tpdu1024-selectors-huge-ckpt8k.pcap"
	info, err := os.Stat(name)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	cfg := Config{Source: func(int32) string { return name }}
	cfg.Decoder.Ports = []uint16{102}
	for b.Loop() {
		r, err := capture.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		s := New(cfg, new(null))
		var f capture.Frame
		for {
			if err := r.Next(&f); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			if err := s.Frame(b.Context(), &f); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.End(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
