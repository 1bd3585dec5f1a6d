package sensor

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/tcp"
)

// TestTick has time pass without frames, while the clock of capture times is set.
func TestTick(t *testing.T) {
	var clock int64
	w := newWire(2000).open().send(0, data(5), 100, 100)
	for i := range w.frames {
		w.frames[i].Time += int64(i%2) * int64(100*24*time.Hour)
	}
	s, k := run(t, Config{Clock: func() int64 { return clock }, TCP: tcp.Config{IdleTimeout: time.Hour}}, w.frames)
	tick := func(later time.Duration) []record.Record {
		t.Helper()
		clock += int64(later)
		if err := s.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		out := make([]record.Record, len(k.records))
		for i, b := range k.records {
			if err := out[i].Decode(b); err != nil {
				t.Fatal(err)
			}
		}
		k.records = nil
		return out
	}
	if got := tick(DefaultMaxAge); len(got) != 0 {
		t.Errorf("published %d records before they are due", len(got))
	}
	got := tick(1)
	if len(got) != 1 || got[0].End != record.Open || len(got[0].Items) != 1 || got[0].Conn.Start != w.frames[0].Time {
		t.Fatalf("%+v", got)
	}
	id := got[0].Conn.ID
	if got := tick(59 * time.Minute); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := tick(time.Minute); len(got) != 1 || got[0].End != record.Idle || got[0].Conn.ID != id || got[0].Number != 2 {
		t.Errorf("%+v", got)
	}
	if h := s.Watched(0); h.Packets != uint64(len(w.frames)) || h.Segments != h.Packets {
		t.Errorf("%+v", h)
	}
	if h := s.Watched(0); h != (record.Heartbeat{}) {
		t.Errorf("told twice: %+v", h)
	}
	if err := s.End(t.Context(), nil); err != nil || len(k.records) != 0 {
		t.Errorf("%v, %d records", err, len(k.records))
	}
}

// TestElsewhere spreads connections over two sensors; each counts what it was
// given frames of.
func TestElsewhere(t *testing.T) {
	clock := func() int64 { return 0 }
	one, two := new(keep), new(keep)
	b := New(Config{Clock: clock}, two)
	a := New(Config{Clock: clock, Elsewhere: func(s *capture.Segment) bool {
		if s.Key.LoPort != 2001 && s.Key.HiPort != 2001 {
			return false
		}
		if err := b.Segment(t.Context(), s); err != nil {
			t.Error(err)
		}
		return true
	}}, one)
	var frames []capture.Frame
	for _, port := range []uint16{2000, 2001} {
		frames = append(frames, newWire(port).open().send(0, data(5), 100, 100).frames...)
	}
	for i := range frames {
		if err := a.Frame(t.Context(), &frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	for port, k := range map[uint16]*keep{2000: one, 2001: two} {
		s := map[uint16]*Sensor{2000: a, 2001: b}[port]
		if err := s.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		var r record.Record
		if len(k.records) != 1 || r.Decode(k.records[0]) != nil || r.Conn.Client.Port() != port || len(r.Items) != 1 {
			t.Errorf("%d: %d records, %+v", port, len(k.records), r)
		}
	}
	if h := a.Watched(0); h.Segments != uint64(len(frames)) {
		t.Errorf("%+v", h)
	}
	if h := b.Watched(0); h.Segments != 0 {
		t.Errorf("%+v", h)
	}
}

// TestDuplicates captures every packet twice, the second time behind a router and
// with a VLAN tag.
func TestDuplicates(t *testing.T) {
	w := newWire(2000).open().send(0, data(5), 100, 100).send(1, data(500), 100, 60)
	var frames []capture.Frame
	for i, f := range w.frames {
		binary.BigEndian.PutUint16(f.Data[4:], uint16(i)) // Identification.
		again := f
		again.Data = slices.Concat(make([]byte, 12), []byte{0x81, 0, 0, 7, 8, 0}, f.Data)
		again.Data[18+8]--     // Time to live.
		again.Data[18+10] ^= 1 // Checksum.
		again.Link = capture.LinkEthernet
		again.Length = len(again.Data)
		again.Time += int64(3 * time.Millisecond)
		frames = append(frames, f, again)
	}
	frames = append(frames, frames[len(frames)-1])
	frames[len(frames)-1].Time += int64(time.Second) // This one is sent again.
	s, _ := run(t, Config{Duplicates: 50 * time.Millisecond}, frames)
	if st := s.Stats(); st.Duplicates != uint64(len(w.frames)) {
		t.Errorf("%d of %d left out", st.Duplicates, len(w.frames))
	}
	last := published(t, Config{Duplicates: 50 * time.Millisecond}, frames)
	plain := published(t, Config{}, w.frames)
	n, want := last[len(last)-1].Counters, plain[len(plain)-1].Counters
	want[1].Packets++
	want[1].RetransmittedPackets++
	want[1].Octets += n[1].RetransmittedOctets
	want[1].RetransmittedOctets = n[1].RetransmittedOctets
	if n != want || n[1].RetransmittedOctets == 0 {
		t.Errorf("got  %+v\nwant %+v", n, want)
	}
	kept := published(t, Config{}, frames)
	if n := kept[len(kept)-1].Counters; n[1].RetransmittedPackets < 5 {
		t.Errorf("without: %+v", n)
	}
}

func TestDuplicatesDoNotAllocate(t *testing.T) {
	r := newRecent(time.Second)
	s := capture.Segment{Payload: make([]byte, 1460)}
	if n := testing.AllocsPerRun(1000, func() {
		s.Seq++
		if r.again(&s) {
			t.Fatal("again")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestDuplicatesAtAnyRate repeats each segment when as many others have come as come
// within the window.
func TestDuplicatesAtAnyRate(t *testing.T) {
	const window = 50 * time.Millisecond
	for _, between := range []int{1, 100, 1000} {
		r := newRecent(window)
		again := func(n int) bool {
			return r.again(&capture.Segment{Seq: uint32(n), Time: int64(n) * int64(window) / int64(between+1)})
		}
		const segments = 100_000
		found, left := 0, 0
		for n := range segments {
			if again(n) {
				t.Fatalf("%d between: segment %d is no copy", between, n)
			}
			if n < segments/2 {
				continue // The table grows.
			}
			copied := capture.Segment{Seq: uint32(n - between), Time: int64(n) * int64(window) / int64(between+1)}
			if r.again(&copied) {
				found++
			} else {
				left++
			}
		}
		if left > found/10 {
			t.Errorf("%d between: %d copies were found, %d were not", between, found, left)
		}
		if most := 256 * (between + 8); len(r.seen) > max(most, fewSegments) {
			t.Errorf("%d between: room for %d segments", between, len(r.seen))
		}
	}
}
