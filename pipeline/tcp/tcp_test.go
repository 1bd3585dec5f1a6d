package tcp

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"x400flow/pipeline/capture"
)

// A wire makes segments of one connection.
type wire struct {
	client, server netip.AddrPort
	now            int64
	frame          uint64
}

func newWire() *wire {
	return &wire{
		client: netip.MustParseAddrPort("192.0.2.1:40000"),
		server: netip.MustParseAddrPort("192.0.2.2:102"),
		now:    1e18,
	}
}

const (
	fin = capture.FIN
	syn = capture.SYN
	rst = capture.RST
	ack = capture.ACK
)

func (w *wire) segment(d Dir, flags capture.Flags, seq, acked uint32, payload string) capture.Segment {
	w.frame++
	w.now += int64(time.Millisecond)
	s := capture.Segment{Flags: flags, Seq: seq, Ack: acked, Payload: []byte(payload), Time: w.now, Frame: w.frame}
	a, b := w.client.Addr().As4(), w.server.Addr().As4()
	copy(s.Key.LoIP[:], a[:])
	copy(s.Key.HiIP[:], b[:])
	s.Key.LoPort, s.Key.HiPort, s.Key.Family = w.client.Port(), w.server.Port(), 4
	s.FromHi = d == ToClient
	return s
}

func (w *wire) up(flags capture.Flags, seq, acked uint32, payload string) capture.Segment {
	return w.segment(ToServer, flags, seq, acked, payload)
}

func (w *wire) down(flags capture.Flags, seq, acked uint32, payload string) capture.Segment {
	return w.segment(ToClient, flags, seq, acked, payload)
}

func (w *wire) later(d time.Duration) { w.now += int64(d) }

// take gives a table a segment, the short way where it can be, and queues the event that
// this is.
func take(t *Table[int], s *capture.Segment) {
	c, d, offset, ok := inOrder(t, s)
	if !ok {
		t.Segment(s)
		return
	}
	t.begin()
	if len(s.Payload) > 0 {
		t.queue = append(t.queue, Event[int]{
			Kind: Data, Dir: d, Conn: c, Data: s.Payload, Seq: s.Seq, Offset: offset, Time: s.Time, Frame: s.Frame, File: s.File,
		})
	}
}

// inOrder gives a table a segment to take in the short way, after finding its connection
// in one of two.
func inOrder(t *Table[int], s *capture.Segment) (c *Conn[int], d Dir, offset uint64, ok bool) {
	if s.Frame%2 != 0 && s.Key.Family == 4 {
		h := headers(s)
		if c, d = t.Last4(&h); c == nil {
			c, d = t.Find4(&h)
		}
	} else {
		c, d = t.Find(&s.Key, s.FromHi)
	}
	if c == nil || s.Missing != 0 {
		return nil, 0, 0, false
	}
	offset, ok = t.InOrder(c, d, t.clock(s.Time), uint64(s.Seq)<<32|uint64(s.Ack), s.Flags, len(s.Payload), s.Time, s.Frame, s.File)
	return c, d, offset, ok
}

// headers are those of a segment over IPv4, as far as they tell whose it is.
func headers(s *capture.Segment) (h capture.Headers) {
	for i, end := range []netip.AddrPort{s.Src(), s.Dst()} {
		ip := end.Addr().As4()
		copy(h[12+4*i:], ip[:])
		binary.BigEndian.PutUint16(h[20+2*i:], end.Port())
	}
	return h
}

// A log is what a table said, in a form that can be compared. Runs that follow
// each other in a direction are joined.
type log struct {
	lines []string
	conns []*Conn[int]
	next  map[*Conn[int]]*[2]uint64
	t     testing.TB
}

func (l *log) poll(table *Table[int]) {
	l.t.Helper()
	if l.next == nil {
		l.next = map[*Conn[int]]*[2]uint64{}
	}
	for ev := table.Next(); ev != nil; ev = table.Next() {
		id := ev.Conn.ID
		arrow := [...]string{">", "<"}[ev.Dir]
		switch ev.Kind {
		case Open:
			l.lines = append(l.lines, fmt.Sprintf("%d open", id))
			l.conns = append(l.conns, ev.Conn)
			l.next[ev.Conn] = &[2]uint64{}
		case Close:
			l.lines = append(l.lines, fmt.Sprintf("%d close %s", id, ev.Reason))
			// Its memory is used again.
			last := *ev.Conn
			l.conns[slices.Index(l.conns, ev.Conn)] = &last
		case Data, Gap:
			// The invariant of all tests: offsets follow each other.
			if n := &l.next[ev.Conn][ev.Dir]; *n != ev.Offset {
				l.t.Fatalf("connection %d %s: offset %d after %d", id, arrow, ev.Offset, *n)
			} else {
				*n += uint64(len(ev.Data)) + ev.Lost
			}
			h := &ev.Conn.half[ev.Dir]
			if ev.Seq != h.base+uint32(ev.Offset) {
				l.t.Fatalf("sequence number %d at offset %d from %d", ev.Seq, ev.Offset, h.base)
			}
			prefix := fmt.Sprintf("%d %s ", id, arrow)
			if ev.Kind == Gap {
				l.lines = append(l.lines, fmt.Sprintf("%sgap %d", prefix, ev.Lost))
				continue
			}
			if n := len(l.lines); n > 0 && strings.HasPrefix(l.lines[n-1], prefix) && !strings.HasPrefix(l.lines[n-1], prefix+"gap") {
				l.lines[n-1] += string(ev.Data)
				continue
			}
			l.lines = append(l.lines, prefix+string(ev.Data))
		}
	}
}

func TestTable(t *testing.T) {
	type step func(w *wire) capture.Segment
	up := func(flags capture.Flags, seq, acked uint32, p string) step {
		return func(w *wire) capture.Segment { return w.up(flags, seq, acked, p) }
	}
	down := func(flags capture.Flags, seq, acked uint32, p string) step {
		return func(w *wire) capture.Segment { return w.down(flags, seq, acked, p) }
	}
	wait := func(d time.Duration, s step) step {
		return func(w *wire) capture.Segment { w.later(d); return s(w) }
	}
	cut := func(missing int, s step) step {
		return func(w *wire) capture.Segment { x := s(w); x.Missing = missing; return x }
	}
	shake := []step{up(syn, 99, 0, ""), down(syn|ack, 499, 100, ""), up(ack, 100, 500, "")}
	join := func(parts ...[]step) []step { return slices.Concat(parts...) }
	acks := func(n int, acked uint32) (out []step) {
		for range n {
			out = append(out, down(ack, 500, acked, ""))
		}
		return out
	}
	tests := []struct {
		name  string
		cfg   Config
		steps []step
		want  []string
		up    Counters // Packets and Octets are not compared.
		table TableCounters
	}{
		{
			name: "plain",
			steps: join(shake, []step{up(ack, 100, 500, "CR"), down(ack, 500, 102, "CC"), up(ack|fin, 102, 502, ""),
				down(ack|fin, 502, 103, ""), up(ack, 103, 503, "")}),
			want:  []string{"1 open", "1 > CR", "1 < CC", "1 close fin"},
			up:    Counters{Delivered: 2},
			table: TableCounters{Opened: 1, Closed: 1, Stray: 1},
		},
		{
			name:  "out of order",
			steps: join(shake, []step{up(ack, 102, 500, "cd"), up(ack, 104, 500, "ef"), up(ack, 100, 500, "ab")}),
			want:  []string{"1 open", "1 > abcdef", "1 close end"},
			up:    Counters{Delivered: 6, OutOfOrder: 2},
		},
		{
			name:  "retransmitted, and more",
			steps: join(shake, []step{up(ack, 100, 500, "abc"), up(ack, 100, 500, "abc"), up(ack, 101, 500, "bcde")}),
			want:  []string{"1 open", "1 > abcde", "1 close end"},
			up:    Counters{Delivered: 5, RetransmittedPackets: 2, RetransmittedOctets: 5},
		},
		{
			name:  "overlap with what is held: the first wins",
			steps: join(shake, []step{up(ack, 102, 500, "cd"), up(ack, 101, 500, "bXYe"), up(ack, 100, 500, "a")}),
			want:  []string{"1 open", "1 > abcde", "1 close end"},
			up:    Counters{Delivered: 5, OutOfOrder: 2, RetransmittedPackets: 1, RetransmittedOctets: 2, ConflictOctets: 2},
		},
		{
			name:  "in order across a held piece",
			steps: join(shake, []step{up(ack, 102, 500, "c"), up(ack, 104, 500, "e"), up(ack, 100, 500, "abCdEfg")}),
			want:  []string{"1 open", "1 > abcdefg", "1 close end"},
			up:    Counters{Delivered: 7, OutOfOrder: 2, RetransmittedPackets: 1, RetransmittedOctets: 2, ConflictOctets: 2},
		},
		{
			name: "keep-alive probes with and without an octet",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(ack, 101, 500, ""), up(ack, 101, 500, "\x00"),
				up(ack, 102, 500, "cd")}),
			want: []string{"1 open", "1 > abcd", "1 close end"},
			up:   Counters{Delivered: 4, RetransmittedPackets: 1, RetransmittedOctets: 1},
		},
		{
			name:  "Fast Open: data with the SYN",
			steps: []step{up(syn, 99, 0, "CR"), down(syn|ack, 499, 102, "CC"), up(ack, 102, 502, "x")},
			want:  []string{"1 open", "1 > CR", "1 < CC", "1 > x", "1 close end"},
			up:    Counters{Delivered: 3},
		},
		{
			name:  "SYN repeated, and answered anew",
			steps: []step{up(syn, 99, 0, ""), up(syn, 99, 0, ""), down(syn|ack, 499, 100, ""), down(syn|ack, 799, 100, ""), up(ack, 100, 800, "a"), down(ack, 800, 101, "b")},
			want:  []string{"1 open", "1 > a", "1 < b", "1 close end"},
			up:    Counters{Delivered: 1, RetransmittedPackets: 1},
		},
		{
			name: "ports used again at once",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(syn, 7777, 0, ""), down(syn|ack, 8888, 7778, ""),
				up(ack, 7778, 8889, "cd")}),
			want:  []string{"1 open", "1 > ab", "1 close replaced", "2 open", "2 > cd", "2 close end"},
			table: TableCounters{Opened: 2, Closed: 2, Replaced: 1},
		},
		{
			name: "ports used again after the end",
			steps: join(shake, []step{up(ack|fin, 100, 500, "ab"), down(ack|fin, 500, 103, ""), up(ack, 103, 501, ""),
				up(syn, 200, 0, ""), up(ack, 201, 0, "cd")}),
			want:  []string{"1 open", "1 > ab", "1 close fin", "2 open", "2 > cd", "2 close end"},
			table: TableCounters{Opened: 2, Closed: 2, Stray: 1},
		},
		{
			name: "another connection whose SYN was not seen",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(ack, 2e9, 3e9, "v"), up(ack, 2e9+1, 3e9, "w"), up(ack, 2e9+2, 3e9, "x"),
				up(ack, 2e9+3, 3e9, "y"), up(ack, 2e9+4, 3e9, "z")}),
			want:  []string{"1 open", "1 > ab", "1 close replaced", "2 open", "2 > yz", "2 close end"},
			table: TableCounters{Opened: 2, Closed: 2, Replaced: 1},
		},
		{
			name:  "from the middle, the server speaking",
			cfg:   Config{Ports: []uint16{102}},
			steps: []step{down(ack, 500, 100, "b"), up(ack, 100, 501, "c"), up(ack, 90, 501, "lateoctets")},
			want:  []string{"1 open", "1 < b", "1 > c", "1 close end"},
			up:    Counters{Delivered: 1, RetransmittedPackets: 1, LateOctets: 10},
		},
		{
			name:  "from the middle, with a keep-alive probe",
			steps: []step{up(ack, 99, 500, ""), down(ack, 500, 100, ""), up(ack, 100, 500, "ab")},
			want:  []string{"1 open", "1 > ab", "1 close end"},
			up:    Counters{Delivered: 2},
		},
		{
			name:  "SYN captured after the data",
			steps: []step{up(ack, 100, 500, "ab"), up(syn, 99, 0, ""), up(ack, 102, 500, "cd")},
			want:  []string{"1 open", "1 > abcd", "1 close end"},
			up:    Counters{Delivered: 4},
		},
		{
			name: "lost and acknowledged: told after patience",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(ack, 105, 500, "f")}, acks(9, 106),
				[]step{up(ack, 102, 500, "cde"), up(ack, 106, 500, "g")}),
			want: []string{"1 open", "1 > ab", "1 > gap 3", "1 > fg", "1 close end"},
			up:   Counters{Delivered: 4, Lost: 3, Gaps: 1, OutOfOrder: 1, RetransmittedPackets: 1, LateOctets: 3},
		},
		{
			name: "acknowledged before it was captured: not lost",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(ack, 105, 500, "f")}, acks(3, 106),
				[]step{up(ack, 102, 500, "cde"), up(ack, 106, 500, "g")}),
			want: []string{"1 open", "1 > abcdefg", "1 close end"},
			up:   Counters{Delivered: 7, OutOfOrder: 1},
		},
		{
			name: "lost and acknowledged: told after a second",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(ack, 105, 500, "f"), down(ack, 500, 106, ""),
				wait(time.Second, up(ack, 106, 500, "g"))}),
			want: []string{"1 open", "1 > ab", "1 > gap 3", "1 > fg", "1 close end"},
			up:   Counters{Delivered: 4, Lost: 3, Gaps: 1, OutOfOrder: 2},
		},
		{
			name:  "never acknowledged: waited for",
			steps: join(shake, []step{up(ack, 105, 500, "f"), wait(59*time.Second, up(ack, 106, 500, "g")), up(ack, 100, 500, "abcde")}),
			want:  []string{"1 open", "1 > abcdefg", "1 close end"},
			up:    Counters{Delivered: 7, OutOfOrder: 2},
		},
		{
			name:  "never acknowledged: given up in the end",
			steps: join(shake, []step{up(ack, 105, 500, "f"), wait(time.Minute, up(ack, 106, 500, "g"))}),
			want:  []string{"1 open", "1 > gap 5", "1 > fg", "1 close end"},
			up:    Counters{Delivered: 2, Lost: 5, Gaps: 1, OutOfOrder: 2},
		},
		{
			name:  "limit of one connection",
			cfg:   Config{MaxConnOctets: 200},
			steps: join(shake, []step{up(ack, 105, 500, "f"), up(ack, 107, 500, "h")}),
			want:  []string{"1 open", "1 > gap 5", "1 > f", "1 > gap 1", "1 > h", "1 close end"},
			up:    Counters{Delivered: 2, Lost: 6, Gaps: 2, OutOfOrder: 2},
			table: TableCounters{Opened: 1, Closed: 1, GivenUp: 1},
		},
		{
			name:  "limit of all connections",
			cfg:   Config{MaxOctets: 200},
			steps: join(shake, []step{up(ack, 105, 500, "f"), up(ack, 107, 500, "h")}),
			want:  []string{"1 open", "1 > gap 5", "1 > f", "1 > gap 1", "1 > h", "1 close end"},
			table: TableCounters{Opened: 1, Closed: 1, GivenUp: 1},
		},
		{
			name:  "RST in the window",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), down(rst|ack, 500, 102, ""), up(ack, 102, 500, "late")}),
			want:  []string{"1 open", "1 > ab", "1 close rst"},
			up:    Counters{Delivered: 2},
			table: TableCounters{Opened: 1, Closed: 1, Stray: 1},
		},
		{
			name:  "RST outside the window",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), up(rst, 4e9, 0, ""), up(ack, 102, 500, "cd")}),
			want:  []string{"1 open", "1 > abcd", "1 close end"},
			up:    Counters{Delivered: 4, IgnoredRST: 1},
		},
		{
			name:  "refused",
			steps: []step{up(syn, 99, 0, ""), down(rst|ack, 0, 100, "")},
			want:  []string{"1 open", "1 close rst"},
		},
		{
			name:  "RST before anything",
			steps: []step{up(rst, 99, 0, "")},
			want:  nil,
			table: TableCounters{Stray: 1},
		},
		{
			name: "half closed: the other side goes on",
			steps: join(shake, []step{up(ack|fin, 100, 500, "ab"), down(ack, 500, 103, "more"), down(ack, 504, 103, "and more"),
				down(ack|fin, 512, 103, "")}),
			want: []string{"1 open", "1 > ab", "1 < moreand more", "1 close fin"},
		},
		{
			name:  "FIN before missing data, which comes",
			steps: join(shake, []step{up(ack|fin, 104, 500, "ef"), down(ack|fin, 500, 100, ""), up(ack, 100, 501, "abcd")}),
			want:  []string{"1 open", "1 > abcdef", "1 close fin"},
			up:    Counters{Delivered: 6, OutOfOrder: 1},
		},
		{
			name:  "FIN before missing data, which never comes",
			steps: join(shake, []step{up(ack|fin, 104, 500, "ef"), down(ack|fin, 500, 107, "")}),
			want:  []string{"1 open", "1 > gap 4", "1 > ef", "1 close fin"},
			up:    Counters{Delivered: 2, Lost: 4, Gaps: 1, OutOfOrder: 1},
		},
		{
			name:  "data after the FIN",
			steps: join(shake, []step{up(ack|fin, 100, 500, "ab"), up(ack, 102, 500, "cd")}),
			want:  []string{"1 open", "1 > ab", "1 close end"},
			up:    Counters{Delivered: 2, Ignored: 1},
		},
		{
			name:  "acknowledged at the end and never seen",
			steps: join(shake, []step{up(ack, 100, 500, "ab"), down(ack, 500, 112, "")}),
			want:  []string{"1 open", "1 > ab", "1 > gap 10", "1 close end"},
			up:    Counters{Delivered: 2, Lost: 10, Gaps: 1},
		},
		{
			name: "cut by the snap length",
			steps: join(shake, []step{cut(3, up(ack, 100, 500, "ab")), cut(3, up(ack, 105, 500, "fg"))}, acks(9, 100),
				[]step{up(ack, 110, 500, "k")}),
			want: []string{"1 open", "1 > ab", "1 > gap 3", "1 > fg", "1 > gap 3", "1 > k", "1 close end"},
			up:   Counters{Delivered: 5, Lost: 6, Gaps: 2, OutOfOrder: 2},
		},
		{
			name:  "cut by the snap length, sent again whole",
			steps: join(shake, []step{cut(3, up(ack, 100, 500, "ab")), cut(3, up(ack, 105, 500, "fg")), up(ack, 100, 500, "abcdefghij")}),
			want:  []string{"1 open", "1 > abcdefghij", "1 close end"},
			up:    Counters{Delivered: 10, OutOfOrder: 1, RetransmittedPackets: 1, RetransmittedOctets: 4},
		},
		{
			name:  "headers only",
			steps: join(shake, []step{cut(10, up(ack, 100, 500, "")), cut(10, up(ack, 110, 500, "")), up(ack|fin, 120, 500, ""), down(ack|fin, 500, 121, "")}),
			want:  []string{"1 open", "1 > gap 20", "1 close fin"},
			up:    Counters{Lost: 20, Gaps: 1, OutOfOrder: 1},
		},
		{
			name:  "idle, and going on",
			cfg:   Config{IdleTimeout: time.Hour},
			steps: join(shake, []step{up(ack, 100, 500, "ab"), wait(time.Hour, up(ack, 102, 500, "cd"))}),
			want:  []string{"1 open", "1 > ab", "1 close idle", "2 open", "2 > cd", "2 close end"},
			table: TableCounters{Opened: 2, Closed: 2, Idle: 1},
		},
		{
			name:  "the clock set back",
			cfg:   Config{IdleTimeout: time.Hour},
			steps: join(shake, []step{wait(-24*time.Hour, up(ack, 100, 500, "ab")), wait(-24*time.Hour, up(ack, 102, 500, "cd")), wait(30*time.Minute, up(ack, 104, 500, "ef"))}),
			want:  []string{"1 open", "1 > abcdef", "1 close end"},
			up:    Counters{Delivered: 6},
		},
		{
			name:  "one direction captured",
			steps: []step{up(syn, 99, 0, ""), up(ack, 100, 500, "ab"), up(ack|fin, 102, 600, "")},
			want:  []string{"1 open", "1 > ab", "1 close fin"},
			up:    Counters{Delivered: 2},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, start := range []uint32{0, 1<<32 - 103, 1<<31 - 103} {
				table := NewTable[int](tt.cfg)
				w := newWire()
				l := &log{t: t}
				for _, s := range tt.steps {
					// The same at every place of the sequence space.
					seg := s(w)
					seg.Seq += start
					seg.Ack += start
					take(table, &seg)
					l.poll(table)
				}
				table.End()
				l.poll(table)
				if !slices.Equal(l.lines, tt.want) {
					t.Fatalf("start %d:\ngot  %q\nwant %q", start, l.lines, tt.want)
				}
				if len(l.conns) > 0 && tt.up != (Counters{}) {
					got := l.conns[0].Counters[ToServer]
					got.Packets, got.Octets = 0, 0
					if got != tt.up {
						t.Errorf("start %d:\ngot  %+v\nwant %+v", start, got, tt.up)
					}
				}
				got := table.Counters()
				if tt.table != (TableCounters{}) && got != tt.table {
					t.Errorf("got %+v, want %+v", got, tt.table)
				}
				if got.Held != 0 || table.heldOldest != nil || table.conns.len() != 0 {
					t.Errorf("something is left: %+v", got)
				}
			}
		})
	}
}

// TestAnswerBeforeRequest captures what a server says before what it answers.
func TestAnswerBeforeRequest(t *testing.T) {
	open := func(w *wire) []capture.Segment {
		return []capture.Segment{w.up(syn, 99, 0, ""), w.down(syn|ack, 199, 100, ""), w.up(ack, 100, 200, "")}
	}
	for name, c := range map[string]struct {
		segments func(w *wire) []capture.Segment
		want     []string
	}{
		"swapped": {
			func(w *wire) []capture.Segment {
				return append(open(w), w.down(ack, 200, 103, "yes"), w.up(ack, 100, 200, "may"), w.up(ack, 103, 203, "on"))
			},
			[]string{"1 open", "1 > may", "1 < yes", "1 > on", "1 close end"},
		},
		"both ways": {
			func(w *wire) []capture.Segment {
				return append(open(w), w.up(ack, 103, 203, "on"), w.down(ack, 200, 103, "yes"), w.up(ack, 100, 200, "may"))
			},
			[]string{"1 open", "1 > may", "1 < yes", "1 > on", "1 close end"},
		},
		"never captured": {
			func(w *wire) []capture.Segment {
				out := append(open(w), w.down(ack, 200, 103, "yes"))
				for range Patience {
					out = append(out, w.down(ack, 203, 103, ""))
				}
				return append(out, w.up(ack, 103, 203, "on"))
			},
			[]string{"1 open", "1 < yes", "1 > gap 3", "1 > on", "1 close end"},
		},
		"nor a second later": {
			func(w *wire) []capture.Segment {
				out := append(open(w), w.down(ack, 200, 103, "yes"))
				w.later(time.Second)
				return append(out, w.down(ack, 203, 103, "?"))
			},
			[]string{"1 open", "1 < yes?", "1 > gap 3", "1 close end"},
		},
		"one direction alone": {
			func(w *wire) []capture.Segment {
				return []capture.Segment{w.down(ack, 200, 103, "yes"), w.down(ack, 203, 109, "no")}
			},
			[]string{"1 open", "1 < yesno", "1 close end"},
		},
		"the end of the capture": {
			func(w *wire) []capture.Segment { return append(open(w), w.down(ack, 200, 103, "yes")) },
			[]string{"1 open", "1 < yes", "1 > gap 3", "1 close end"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable[int](Config{Ports: []uint16{102}})
			l := &log{t: t}
			for _, s := range c.segments(newWire()) {
				take(table, &s)
				l.poll(table)
			}
			table.End()
			l.poll(table)
			if !slices.Equal(l.lines, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(l.lines, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	w := newWire()
	tests := []struct {
		name  string
		ports []uint16
		seg   capture.Segment
		mid   bool
		isn   [2]bool
	}{
		{"SYN", nil, w.up(syn, 9, 0, ""), false, [2]bool{true, false}},
		{"SYN and ACK", nil, w.down(syn|ack, 9, 5, ""), false, [2]bool{true, true}},
		{"port in the list", []uint16{102}, w.down(ack, 9, 5, "x"), true, [2]bool{}},
		{"lower port", nil, w.up(ack, 9, 5, "x"), true, [2]bool{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := NewTable[int](Config{Ports: tt.ports})
			take(table, &tt.seg)
			ev := table.Next()
			if ev == nil || ev.Kind != Open {
				t.Fatal("no connection was opened")
			}
			c := ev.Conn
			if c.Client != w.client || c.Server != w.server || c.MidStream != tt.mid || c.HaveISN != tt.isn {
				t.Errorf("got %v to %v, mid stream %v, ISN known %v", c.Client, c.Server, c.MidStream, c.HaveISN)
			}
		})
	}
}

func TestEvictionOfTheLongestIdle(t *testing.T) {
	table := NewTable[int](Config{MaxConns: 2, Ports: []uint16{102}})
	l := &log{t: t}
	w := newWire()
	send := func(port uint16, seq uint32, p string) {
		s := w.up(ack, seq, 0, p)
		s.Key.LoPort = port
		take(table, &s)
		l.poll(table)
	}
	send(1, 10, "a")
	send(2, 10, "b")
	send(1, 11, "c")
	send(3, 10, "d") // The second is the longest idle.
	send(2, 11, "e") // It goes on, in the place of the first.
	table.End()
	l.poll(table)
	want := []string{"1 open", "1 > a", "2 open", "2 > b", "1 > c", "2 close evicted", "3 open", "3 > d",
		"1 close evicted", "4 open", "4 > e", "3 close end", "4 close end"}
	if !slices.Equal(l.lines, want) {
		t.Errorf("got  %q\nwant %q", l.lines, want)
	}
	if c := table.Counters(); c.Evicted != 2 || c.Conns != 0 {
		t.Errorf("got %+v", c)
	}
}

// A piece of a stream on its way.
type sent struct {
	dir      Dir
	from, to int
}

// scatter cuts a stream into segments of random size with repetitions, and
// overlaps, and brings them out of order within a distance.
func scatter(r *rand.Rand, dir Dir, n, largest, distance int) []sent {
	type placed struct {
		sent
		at float64
	}
	var out []placed
	i := 0.0
	for from := 0; from < n; i++ {
		to := min(n, from+1+r.IntN(largest))
		s := sent{dir, max(0, from-r.IntN(2)*r.IntN(largest)), to}
		for range 1 + r.IntN(8)/6 + r.IntN(30)/29 {
			out = append(out, placed{s, i + r.Float64()*float64(distance)})
		}
		from = to
	}
	slices.SortStableFunc(out, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	segs := make([]sent, len(out))
	for i, p := range out {
		segs[i] = p.sent
	}
	return segs
}

// Whatever the segmentation, duplication and order, the octets are the same
// and nothing is missing.
func TestAnySegmentationGivesTheSameOctets(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		streams := [2][]byte{make([]byte, 1+r.IntN(5000)), make([]byte, 1+r.IntN(5000))}
		for i := range streams {
			for j := range streams[i] {
				streams[i][j] = byte(r.Uint32())
			}
		}
		isn := [2]uint32{r.Uint32(), r.Uint32()}
		if seed%2 == 0 {
			isn[0] = -uint32(r.IntN(5000)) // Wraps within the stream.
		}
		largest := []int{1, 3, 100, 1460, 9000}[r.IntN(5)]
		segs := [2][]sent{
			scatter(r, ToServer, len(streams[0]), largest, 1+r.IntN(6)),
			scatter(r, ToClient, len(streams[1]), largest, 1+r.IntN(6)),
		}
		table := NewTable[int](Config{})
		w := newWire()
		var got [2][]byte
		var reason Reason
		poll := func() {
			for ev := table.Next(); ev != nil; ev = table.Next() {
				switch ev.Kind {
				case Data:
					if uint64(len(got[ev.Dir])) != ev.Offset {
						t.Fatalf("seed %d: offset %d after %d octets", seed, ev.Offset, len(got[ev.Dir]))
					}
					got[ev.Dir] = append(got[ev.Dir], ev.Data...)
				case Gap:
					t.Fatalf("seed %d: gap of %d at %d", seed, ev.Lost, ev.Offset)
				case Close:
					reason = ev.Reason
				}
			}
		}
		s := w.up(syn, isn[0], 0, "")
		take(table, &s)
		poll()
		s = w.down(syn|ack, isn[1], isn[0]+1, "")
		take(table, &s)
		poll()
		// Each side acknowledges what has come to it, as a receiver would.
		var recv [2]receiver
		for len(segs[0])+len(segs[1]) > 0 {
			d := r.IntN(2)
			if len(segs[d]) == 0 {
				d = 1 - d
			}
			p := segs[d][0]
			segs[d] = segs[d][1:]
			recv[d].take(p)
			seg := w.segment(Dir(d), ack, isn[d]+1+uint32(p.from), isn[1-d]+1+uint32(recv[1-d].next), "")
			seg.Payload = bytes.Clone(streams[d][p.from:p.to])
			take(table, &seg)
			poll()
		}
		for d := range 2 {
			seg := w.segment(Dir(d), ack|fin, isn[d]+1+uint32(len(streams[d])), isn[1-d]+1, "")
			take(table, &seg)
			poll()
		}
		for d := range streams {
			if !bytes.Equal(got[d], streams[d]) {
				t.Fatalf("seed %d: direction %d differs", seed, d)
			}
		}
		if reason != ReasonFIN || table.Counters().Held != 0 {
			t.Fatalf("seed %d: closed by %v, %+v", seed, reason, table.Counters())
		}
	}
}

type receiver struct {
	next int
	held []sent
}

func (r *receiver) take(p sent) {
	r.held = append(r.held, p)
	for moved := true; moved; {
		moved = false
		for _, h := range r.held {
			if h.from <= r.next && h.to > r.next {
				r.next, moved = h.to, true
			}
		}
	}
}

// Where segments are missing, the gaps are exact and all else is given.
func TestLossGivesExactGaps(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		stream := make([]byte, 1+r.IntN(20000))
		for j := range stream {
			stream[j] = byte(r.Uint32())
		}
		isn := r.Uint32()
		segs := scatter(r, ToServer, len(stream), 1+r.IntN(500), 1+r.IntN(6))
		lost := make([]bool, len(stream))
		for i := range lost {
			lost[i] = true
		}
		table := NewTable[int](Config{})
		w := newWire()
		at := 0
		poll := func() {
			for ev := table.Next(); ev != nil; ev = table.Next() {
				switch ev.Kind {
				case Data:
					if int(ev.Offset) != at || !bytes.Equal(ev.Data, stream[at:at+len(ev.Data)]) {
						t.Fatalf("seed %d: wrong octets at %d", seed, at)
					}
					for i := range ev.Data {
						if lost[at+i] {
							t.Fatalf("seed %d: octet %d was not sent", seed, at+i)
						}
					}
					at += len(ev.Data)
				case Gap:
					for i := range int(ev.Lost) {
						if !lost[at+i] {
							t.Fatalf("seed %d: octet %d was sent and told as lost", seed, at+i)
						}
					}
					at += int(ev.Lost)
				}
			}
		}
		s := w.up(syn, isn, 0, "")
		take(table, &s)
		poll()
		s = w.down(syn|ack, 0, isn+1, "")
		take(table, &s)
		poll()
		var recv receiver
		for _, p := range segs {
			recv.take(p)
			if r.IntN(10) > 0 {
				for i := p.from; i < p.to; i++ {
					lost[i] = false
				}
				s := w.up(ack, isn+1+uint32(p.from), 1, "")
				s.Payload = stream[p.from:p.to]
				take(table, &s)
				poll()
			}
			s := w.down(ack, 1, isn+1+uint32(recv.next), "")
			take(table, &s)
			poll()
		}
		table.End()
		poll()
		if at != len(stream) {
			t.Fatalf("seed %d: got %d octets of %d", seed, at, len(stream))
		}
	}
}

func TestInOrderDoesNotAllocate(t *testing.T) {
	table := NewTable[int](Config{})
	w := newWire()
	payload := strings.Repeat("x", 1000)
	up, down := w.up(ack, 100, 500, payload), w.down(ack, 500, 1100, "")
	down.Time = up.Time
	take(table, &up)
	take(table, &down)
	n := testing.AllocsPerRun(1000, func() {
		up.Seq += 1000
		down.Ack += 1000
		for _, s := range []*capture.Segment{&up, &down} {
			if _, _, _, ok := inOrder(table, s); !ok {
				t.Fatal("a segment that is not next")
			}
		}
	})
	if n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

// TestFind4: the ends in a plain segment's headers find what its key does, in either
// direction, of hosts that differ or not, and nothing over IPv6; and where it is the last
// connection and its hosts differ, it is found as that.
func TestFind4(t *testing.T) {
	w := newWire()
	for _, ends := range [][2]string{
		{"192.0.2.1:40000", "192.0.2.2:102"}, {"192.0.2.1:102", "192.0.2.2:40000"}, {"192.0.2.1:102", "192.0.2.2:102"},
		{"192.0.2.1:102", "192.0.2.1:40000"}, {"0.0.0.0:0", "0.0.0.0:0"},
	} {
		w.client, w.server = netip.MustParseAddrPort(ends[0]), netip.MustParseAddrPort(ends[1])
		for _, flags := range []capture.Flags{syn, syn | ack, ack} {
			table := NewTable[int](Config{})
			other := w.segment(ToServer, flags, 7, 0, "")
			other.Key.Family = 6
			table.Segment(&other)
			opening := w.segment(ToServer, flags, 7, 0, "")
			h := headers(&opening)
			for _, find := range []func(*capture.Headers) (*Conn[int], Dir){table.Find4, table.Last4} {
				if c, _ := find(&h); c != nil {
					t.Errorf("%v: found as one over IPv6", ends)
				}
			}
			table.Segment(&opening)
			for range 2 { // As the last and as another one.
				for _, d := range []Dir{ToServer, ToClient} {
					s := w.segment(d, ack, 8, 1, "")
					s.FromHi = s.FromHi && w.client != w.server
					h := headers(&s)
					want, wantDir := table.Find(&s.Key, s.FromHi)
					got, gotDir := table.Find4(&h)
					if want == nil || got != want || gotDir != wantDir {
						t.Errorf("%v: got %p, %d, want %p, %d", ends, got, gotDir, want, wantDir)
					}
					last, lastDir := table.Last4(&h)
					if found := last != nil; found && (last != want || lastDir != wantDir) || !found && table.last == want && w.client.Addr() != w.server.Addr() {
						t.Errorf("%v: the last is %p, %d, want %p, %d", ends, last, lastDir, want, wantDir)
					}
				}
				table.Segment(&other)
			}
		}
	}
}

func BenchmarkInOrder(b *testing.B) {
	table := NewTable[int](Config{})
	w := newWire()
	up := w.up(ack, 100, 500, strings.Repeat("x", 1460))
	table.Segment(&up)
	for table.Next() != nil {
	}
	b.SetBytes(1460)
	b.ReportAllocs()
	for b.Loop() {
		up.Seq += 1460
		if _, _, _, ok := inOrder(table, &up); !ok {
			b.Fatal("a segment that is not next")
		}
	}
}

func BenchmarkManyConnections(b *testing.B) {
	table := NewTable[int](Config{})
	w := newWire()
	up := w.up(ack, 100, 500, strings.Repeat("x", 1460))
	seqs := make([]uint32, 10000)
	b.SetBytes(1460)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		up.Key.LoPort = uint16(i)
		up.Seq = seqs[i]
		seqs[i] += 1460
		take(table, &up)
		for ev := table.Next(); ev != nil; ev = table.Next() {
		}
		if i++; i == len(seqs) {
			i = 0
		}
	}
}

func BenchmarkOutOfOrder(b *testing.B) {
	table := NewTable[int](Config{})
	w := newWire()
	up := w.up(ack, 100, 500, strings.Repeat("x", 1460))
	b.SetBytes(2 * 1460)
	b.ReportAllocs()
	for b.Loop() {
		up.Seq += 1460
		take(table, &up)
		for ev := table.Next(); ev != nil; ev = table.Next() {
		}
		up.Seq -= 1460
		take(table, &up)
		for ev := table.Next(); ev != nil; ev = table.Next() {
		}
		up.Seq += 2920
	}
}

// The first event of a connection says in which file and frame it was seen.
func TestOpenIsOfItsSegment(t *testing.T) {
	table := NewTable[int](Config{Ports: []uint16{102}})
	w := newWire()
	for range 3 {
		w.frame++
	}
	s := w.up(syn, 100, 0, "")
	s.File = 7
	take(table, &s)
	ev := table.Next()
	if ev == nil || ev.Kind != Open {
		t.Fatal("no connection was opened")
	}
	if ev.File != 7 || ev.Frame != s.Frame {
		t.Errorf("opened in file %d, frame %d, want 7, %d", ev.File, ev.Frame, s.Frame)
	}
}

// A connection that is set apart while its last octets are in hand is closed all the
// same, once, and the others stay.
func TestPreferOfClosed(t *testing.T) {
	table := NewTable[int](Config{Ports: []uint16{102}, MaxConns: 2})
	var closed []uint64
	w := newWire()
	for i := range 5 {
		w.client = netip.AddrPortFrom(w.client.Addr(), uint16(40000+i))
		s := w.up(ack, 100, 500, "x")
		take(table, &s)
		for ev := table.Next(); ev != nil; ev = table.Next() {
			if ev.Kind == Close {
				closed = append(closed, ev.Conn.ID)
				table.Prefer(ev.Conn)
			}
		}
	}
	if want := []uint64{1, 2, 3}; !slices.Equal(closed, want) {
		t.Errorf("closed %v, want %v", closed, want)
	}
	n := 0
	for range table.all() {
		n++
	}
	if n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// The memory of a connection that ended is that of another, which begins anew.
func TestMemoryIsUsedAgain(t *testing.T) {
	table := NewTable[int](Config{Ports: []uint16{102}})
	w := newWire()
	opened := 0
	round := func() {
		for _, s := range []capture.Segment{w.up(syn, 99, 0, ""), w.up(ack, 100, 500, "hello"), w.up(rst, 105, 0, "")} {
			take(table, &s)
			for ev := table.Next(); ev != nil; ev = table.Next() {
				c := ev.Conn
				if ev.Kind == Open {
					if opened++; c.ID != uint64(opened) || c.MidStream || c.segments != 1 || c.Counters != [2]Counters{{Packets: 1}} || c.closed {
						t.Fatalf("not new: %+v", c)
					}
					if opened > 1 && c.State != opened-1 {
						t.Fatalf("state %d, want that of connection %d", c.State, opened-1)
					}
					c.State = opened
				}
			}
		}
	}
	for range 3 {
		round()
	}
	var s capture.Segment
	if n := testing.AllocsPerRun(100, func() {
		s = w.up(syn, 99, 0, "")
		take(table, &s)
		s = w.up(rst, 100, 0, "")
		take(table, &s)
	}); n != 0 {
		t.Errorf("%v allocations a connection", n)
	}
}
