package tcp

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"x400flow/pipeline/capture"
)

// captures returns the capture files that the tests may read.
func captures(t testing.TB) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	own, err := filepath.Glob(filepath.Join(root, "testdata", "mta", "*.pcap"))
	if err != nil || len(own) == 0 {
		t.Fatalf("no captures in testdata: %v", err)
	}
	var ref []string
	for _, dir := range []string{"x400", "third-party"} {
		m, _ := filepath.Glob(filepath.Join(root, "..", "shared", "captures", "reference", dir, "*.pcap*"))
		ref = append(ref, m...)
	}
	if len(ref) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the reference captures are missing")
		}
		t.Log("the reference captures are not at hand; only the project's own are read")
	}
	return append(own, ref...)
}

type stream struct {
	conn *Conn[int]
	data [2][]byte
	lost [2]uint64
}

// reassemble gives the connections of a capture file, in order.
func reassemble(t testing.TB, name string) []*stream {
	t.Helper()
	r, err := capture.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := capture.NewDecoder(capture.DecoderConfig{})
	table := NewTable[int](Config{Ports: []uint16{102}})
	var f capture.Frame
	var s capture.Segment
	var all []*stream
	byConn := map[*Conn[int]]*stream{}
	poll := func() {
		for ev := table.Next(); ev != nil; ev = table.Next() {
			switch ev.Kind {
			case Open:
				byConn[ev.Conn] = &stream{conn: ev.Conn}
				all = append(all, byConn[ev.Conn])
			case Data:
				x := byConn[ev.Conn]
				x.data[ev.Dir] = append(x.data[ev.Dir], ev.Data...)
			case Gap:
				byConn[ev.Conn].lost[ev.Dir] += ev.Lost
			case Close:
				last := *ev.Conn
				byConn[ev.Conn].conn = &last
			}
		}
	}
	for {
		if err := r.Next(&f); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if d.Decode(&f, &s) {
			take(table, &s)
			poll()
		}
	}
	table.End()
	poll()
	return all
}

// The octets of every connection, as tshark follows them. Connections in which
// octets are missing are compared no further than there.
func TestReferenceStreamsAgainstTshark(t *testing.T) {
	path, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is missing")
		}
		t.Skip("tshark is not installed; it is the other opinion of this test")
	}
	for _, name := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			streams := joinRetries(reassemble(t, name))
			if len(streams) > 60 {
				streams = streams[:60]
			}
			args := []string{"-q", "-r", name}
			for i := range streams {
				args = append(args, "-z", fmt.Sprintf("follow,tcp,raw,%d", i))
			}
			out, err := exec.Command(path, args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			followed := parseFollow(t, string(out))
			for i, s := range streams {
				want, ok := followed[fmt.Sprint(i)]
				if !ok {
					t.Fatalf("tshark has no stream %d", i)
				}
				got := s.data
				if want.nodes[0] != s.conn.Client.String() {
					got[0], got[1] = got[1], got[0]
				}
				for d := range got {
					if s.lost[d] != 0 {
						t.Logf("stream %d: %d octets lost", i, s.lost[d])
						continue
					}
					if !bytes.Equal(got[d], want.data[d]) {
						t.Errorf("stream %d, %s: got %d octets, want %d", i, want.nodes[d], len(got[d]), len(want.data[d]))
					}
				}
			}
		})
	}
}

// joinRetries makes one of the attempts of a client that was refused and tries
// again with the same initial sequence number: tshark counts them as one.
func joinRetries(in []*stream) (out []*stream) {
	for _, s := range in {
		i := slices.IndexFunc(out, func(o *stream) bool {
			return o.conn.Key == s.conn.Key && o.conn.HaveISN[ToServer] && s.conn.HaveISN[ToServer] && o.conn.ISN[ToServer] == s.conn.ISN[ToServer]
		})
		if i < 0 {
			out = append(out, s)
		}
	}
	return out
}

type followed struct {
	nodes [2]string
	data  [2][]byte
}

func parseFollow(t *testing.T, out string) map[string]*followed {
	all := map[string]*followed{}
	var f *followed
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "Filter: tcp.stream eq "):
			f = &followed{}
			all[strings.TrimPrefix(line, "Filter: tcp.stream eq ")] = f
		case strings.HasPrefix(line, "Node 0: "):
			f.nodes[0] = node(line)
		case strings.HasPrefix(line, "Node 1: "):
			f.nodes[1] = node(line)
		case line == "" || line[0] == '=' || strings.HasPrefix(line, "Follow:"):
		default:
			d := 0
			if line[0] == '\t' {
				d, line = 1, line[1:]
			}
			b, err := hex.DecodeString(line)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			// tshark writes this among the octets, even for the one octet before
			// a keep-alive probe's.
			if bytes.HasPrefix(b, []byte("[")) && bytes.HasSuffix(b, []byte(" bytes missing in capture file]\x00")) {
				continue
			}
			f.data[d] = append(f.data[d], b...)
		}
	}
	return all
}

// node gives tshark's address in netip's form.
func node(line string) string {
	a := strings.SplitN(line, ": ", 2)[1]
	if i := strings.LastIndexByte(a, ':'); strings.Count(a, ":") > 1 && !strings.HasPrefix(a, "[") {
		return "[" + a[:i] + "]" + a[i:]
	}
	return a
}

// The same file read again gives the same events.
func TestSameInputSameEvents(t *testing.T) {
	for _, name := range captures(t)[:3] {
		a, b := reassemble(t, name), reassemble(t, name)
		if !slices.EqualFunc(a, b, func(x, y *stream) bool {
			return cmp.Compare(x.conn.ID, y.conn.ID) == 0 && bytes.Equal(x.data[0], y.data[0]) && bytes.Equal(x.data[1], y.data[1]) &&
				x.conn.Counters == y.conn.Counters
		}) {
			t.Errorf("%s: two readings differ", name)
		}
	}
}

// sameTables compares the events and connections of two tables.
func sameTables(t *testing.T, a, b *Table[int]) {
	t.Helper()
	if len(a.queue) != len(b.queue) || !reflect.DeepEqual(a.Counters(), b.Counters()) || a.conns.len() != b.conns.len() {
		t.Fatalf("%d events, %+v, and in general %d, %+v", len(a.queue), a.Counters(), len(b.queue), b.Counters())
	}
	for i := range a.queue {
		x, y := a.queue[i], b.queue[i]
		if x.Conn.ID != y.Conn.ID {
			t.Fatalf("event %d is of connection %d, and in general of %d", i, x.Conn.ID, y.Conn.ID)
		}
		x.Conn, y.Conn = nil, nil
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("event %d is %+v, and in general %+v", i, x, y)
		}
	}
	for c := range a.conns.all() {
		o := b.conns.get(&c.Key)
		if o == nil || c.ID != o.ID || c.Counters != o.Counters || !reflect.DeepEqual(c.half, o.half) || c.ackedThen != o.ackedThen ||
			c.Last != o.Last || c.seen != o.seen || c.segments != o.segments || c.stage != o.stage || c.frame != o.frame {
			t.Fatalf("%+v, and in general %+v", c, o)
		}
	}
}

// Whatever segments say, nothing panics, what is held stays within the limits,
// offsets follow each other, and every connection that is opened is closed.
func FuzzTable(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 0, 18, 1, 0, 0, 0, 16, 0, 1, 5, 0})
	f.Add(bytes.Repeat([]byte{16, 3, 200, 9, 7, 17, 250, 4, 1, 2}, 40))
	f.Fuzz(func(t *testing.T, script []byte) {
		cfg := Config{MaxConns: 3, MaxConnOctets: 2000, MaxOctets: 3000}
		table, other := NewTable[int](cfg), NewTable[int](cfg)
		w := newWire()
		l := &log{t: t}
		payload := bytes.Repeat([]byte("0123456789"), 100)
		for len(script) >= 5 {
			b := script[:5]
			script = script[5:]
			s := w.segment(Dir(b[1]&1), capture.Flags(b[0]&0x3f), 0, 0, "")
			s.Key.LoPort = uint16(b[1] >> 6)
			// Numbers near the start, and now and then far away.
			s.Seq, s.Ack = uint32(b[2])*8-100, uint32(b[3])*8-100
			if b[1]&2 != 0 {
				s.Seq <<= 24
			}
			if b[1]&4 != 0 {
				s.Missing = int(b[4])
			}
			if b[1]&8 != 0 {
				w.later(1 << (b[4] & 63))
			}
			if b[1]&16 != 0 {
				s.Payload = payload[:int(b[4])*3]
			}
			take(table, &s)
			// What InOrder takes is taken as Segment takes it.
			other.Segment(&s)
			sameTables(t, table, other)
			l.poll(table)
			if b[1]&32 != 0 {
				table.Advance(s.Time + int64(b[4])*int64(time.Second))
				other.Advance(s.Time + int64(b[4])*int64(time.Second))
				sameTables(t, table, other)
				l.poll(table)
			}
			c := table.Counters()
			if c.Held > cfg.MaxOctets || c.Conns > cfg.MaxConns || c.Opened-c.Closed != uint64(c.Conns) {
				t.Fatalf("%+v", c)
			}
			for c := range table.all() {
				cost := 0
				for d := range c.half {
					h := &c.half[d]
					at := h.next
					sum := 0
					for _, p := range h.held {
						if p.from < at || p.to-p.from != int64(len(p.data)) {
							t.Fatalf("held %d to %d after %d", p.from, p.to, at)
						}
						at = p.to
						sum += cap(p.data) + pieceCost
					}
					if sum != h.cost {
						t.Fatalf("cost %d, want %d", h.cost, sum)
					}
					if len(h.held) > 0 && h.held[0].from == h.next && h.held[0].need <= c.half[1-d].next {
						t.Fatalf("held from %d though it is next", h.next)
					}
					cost += sum
				}
				if c.holds != (cost > 0) {
					t.Fatalf("holds %v with %d octets", c.holds, cost)
				}
			}
		}
		table.End()
		l.poll(table)
		if c := table.Counters(); c.Held != 0 || c.Conns != 0 || c.Opened != c.Closed {
			t.Fatalf("%+v", c)
		}
	})
}

// all gives every connection, stage by stage, and holds the order to what it is.
func (t *Table[T]) all() iter.Seq[*Conn[T]] {
	return func(yield func(*Conn[T]) bool) {
		n := 0
		for s := range t.order {
			for c := t.order[s].oldest; c != nil; c = c.newer {
				if n++; int(c.stage) != s {
					panic("a connection in the list of another stage")
				}
				if !yield(c) {
					return
				}
			}
		}
		if n != t.conns.len() {
			panic("a connection is in no list")
		}
	}
}
