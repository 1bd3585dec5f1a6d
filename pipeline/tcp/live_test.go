package tcp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"x400flow/pipeline/capture"
)

// from makes a SYN of a client port.
func from(w *wire, port uint16, flags capture.Flags, payload string) *capture.Segment {
	s := w.up(flags, 100, 0, payload)
	if flags&syn == 0 {
		s.Seq++
	}
	s.Key.LoPort = port
	return &s
}

// TestFloodSparesConnections has a flood of SYNs, then one of empty connections,
// fill the table: those with octets stay, however long they have been silent.
func TestFloodSparesConnections(t *testing.T) {
	const limit = 100
	table := NewTable[int](Config{MaxConns: limit})
	w, l := newWire(), &log{t: t}
	feed := func(s *capture.Segment) {
		take(table, s)
		l.poll(table)
	}
	for port := range uint16(10) {
		feed(from(w, port+1, syn, ""))
		feed(from(w, port+1, ack, "x"))
	}
	w.later(5 * time.Hour)
	for port := range uint16(1000) {
		feed(from(w, port+1000, syn, ""))
	}
	for port := range uint16(1000) {
		feed(from(w, port+3000, syn, ""))
		feed(from(w, port+3000, ack, ""))
	}
	for port := range uint16(10) {
		feed(from(w, port+1, ack, "x")) // Still followed: a repetition.
	}
	for i := range 10 {
		c := l.conns[i]
		if n := c.Counters[ToServer]; n.Packets != 3 || n.RetransmittedPackets != 1 {
			t.Errorf("connection %d: %+v", c.ID, n)
		}
	}
	if c := table.Counters(); c.Conns != limit || c.Evicted != 2010-limit || c.Opened != 2010 {
		t.Errorf("%+v", c)
	}
	// What is set apart stays when the others go.
	table.Prefer(l.conns[3])
	for port := range uint16(200) {
		feed(from(w, port+5000, syn|ack, "y"))
	}
	if table.conns.get(&l.conns[3].Key) != l.conns[3] || table.conns.get(&l.conns[4].Key) != nil {
		t.Error("another connection gave way than the longest silent one that was not set apart")
	}
}

// TestUnanswered ages what never became a connection, and nothing else.
func TestUnanswered(t *testing.T) {
	table := NewTable[int](Config{})
	w, l := newWire(), &log{t: t}
	for _, s := range []*capture.Segment{from(w, 1, syn, ""), from(w, 2, syn, ""), from(w, 2, ack, ""), from(w, 3, ack, "x")} {
		take(table, s)
		l.poll(table)
	}
	table.Advance(w.now + int64(4*time.Minute))
	l.poll(table)
	if c := table.Counters(); c.Conns != 3 {
		t.Errorf("%+v", c)
	}
	table.Advance(w.now + int64(5*time.Hour))
	l.poll(table)
	if c := table.Counters(); c.Conns != 2 || c.Idle != 1 || c.Unanswered != 1 {
		t.Errorf("%+v", c)
	}
	table.Advance(w.now + int64(7*time.Hour))
	l.poll(table)
	if c := table.Counters(); c.Conns != 0 || c.Idle != 3 || c.Unanswered != 1 {
		t.Errorf("%+v", c)
	}
}

// TestAdvanceTellsHoles has nothing come after a hole.
func TestAdvanceTellsHoles(t *testing.T) {
	table := NewTable[int](Config{})
	w, l := newWire(), &log{t: t}
	for _, s := range []capture.Segment{
		w.up(syn, 99, 0, ""), w.up(ack, 100, 0, "ab"), w.up(ack, 104, 0, "ef"), w.up(ack, 110, 0, "kl"),
	} {
		take(table, &s)
		l.poll(table)
	}
	table.Advance(w.now + int64(59*time.Second))
	l.poll(table)
	if got := strings.Join(l.lines, "; "); got != "1 open; 1 > ab" {
		t.Error(got)
	}
	table.Advance(w.now + int64(61*time.Second))
	l.poll(table)
	if got := strings.Join(l.lines, "; "); got != "1 open; 1 > ab; 1 > gap 2; 1 > ef; 1 > gap 4; 1 > kl" {
		t.Error(got)
	}
	if c := table.Counters(); c.Held != 0 || c.Conns != 1 {
		t.Errorf("%+v", c)
	}
}

// TestClockIsNotCaptureTime sets the capturing machine's clock, forth and back,
// by more than any timeout.
func TestClockIsNotCaptureTime(t *testing.T) {
	var clock int64
	table := NewTable[int](Config{Clock: func() int64 { return clock }})
	w, l := newWire(), &log{t: t}
	seq := uint32(100)
	feed := func(jump time.Duration, lost bool) {
		clock += int64(time.Millisecond)
		w.later(jump)
		if lost {
			seq += 3
		}
		s := w.up(ack, seq, 0, "abc")
		seq += 3
		take(table, &s)
		l.poll(table)
	}
	feed(0, false)
	feed(100*24*time.Hour, false)
	feed(-300*24*time.Hour, false)
	feed(0, true) // A hole, which is waited for.
	feed(10*time.Hour, false)
	if got := strings.Join(l.lines, "; "); got != "1 open; 1 > abcabcabc" {
		t.Error(got)
	}
	if len(l.conns) != 1 || l.conns[0].Last != w.now {
		t.Errorf("%d connections", len(l.conns))
	}
	clock += int64(time.Minute)
	table.Advance(clock)
	l.poll(table)
	if got := strings.Join(l.lines, "; "); got != "1 open; 1 > abcabcabc; 1 > gap 3; 1 > abcabc" {
		t.Error(got)
	}
	clock += int64(6 * time.Hour)
	table.Advance(clock)
	l.poll(table)
	if c := table.Counters(); c.Idle != 1 || c.Conns != 0 {
		t.Errorf("%+v", c)
	}
}

// TestOneOctetSegments floods the table with segments of one octet, in the worst
// order: what is held stays bounded, and so does the work.
func TestOneOctetSegments(t *testing.T) {
	const limit = 1 << 20
	table := NewTable[int](Config{MaxOctets: limit, MaxConnOctets: 1 << 18})
	w := newWire()
	const n = 200_000
	began := time.Now()
	for i := range uint32(n) {
		s := w.up(ack, 1<<24-2*i, 0, "x")
		if i < 64 {
			s = w.up(syn, 1<<23, 0, "")
		}
		binary.BigEndian.PutUint16(s.Key.LoIP[2:], uint16(i%64)) // Of many connections.
		take(table, &s)
		for ev := table.Next(); ev != nil; ev = table.Next() {
		}
		if held := table.Counters().Held; held > limit {
			t.Fatalf("%d octets are held", held)
		}
	}
	if c := table.Counters(); c.Conns != 64 || c.GivenUp == 0 {
		t.Errorf("%+v", c)
	}
	t.Log(fmt.Sprintf("%.0f ns a segment", float64(time.Since(began))/n), table.Counters())
	// 10 µs each would be a tenth of what one core can take of a 1 Gbit/s link.
	if per := time.Since(began) / n; per > 100*time.Microsecond && !testing.Short() {
		t.Errorf("%v a segment", per)
	}
}
