package sensor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
)

// start is the capture time of the first frame of a wire.
const start = int64(1_700_000_000_000_000_000)

// A wire makes the frames of one connection.
type wire struct {
	port   uint16 // The client's.
	now    int64
	next   [2]uint32
	frames []capture.Frame
}

func newWire(port uint16) *wire { return &wire{port: port, now: start, next: [2]uint32{1000, 5000}} }

// packet appends an IPv4 packet with a TCP segment and returns it.
func (w *wire) packet(dir int, flags byte, payload []byte) *capture.Frame {
	b := make([]byte, 40, 40+len(payload))
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(40+len(payload)))
	b[8], b[9] = 64, 6
	src, dst := []byte{192, 0, 2, 1}, []byte{192, 0, 2, 2}
	from, to := w.port, uint16(102)
	if dir == 1 {
		src, dst, from, to = dst, src, to, from
	}
	copy(b[12:], src)
	copy(b[16:], dst)
	binary.BigEndian.PutUint16(b[20:], from)
	binary.BigEndian.PutUint16(b[22:], to)
	binary.BigEndian.PutUint32(b[24:], w.next[dir])
	binary.BigEndian.PutUint32(b[28:], w.next[1-dir])
	b[32], b[33] = 0x50, flags
	b = append(b, payload...)
	w.next[dir] += uint32(len(payload))
	if flags&3 != 0 { // SYN and FIN count.
		w.next[dir]++
	}
	w.now += int64(time.Millisecond)
	w.frames = append(w.frames, capture.Frame{
		Data: b, Length: len(b), Time: w.now, Number: uint64(len(w.frames) + 1), Link: capture.LinkRaw,
	})
	return &w.frames[len(w.frames)-1]
}

const (
	flagFIN = 0x11
	flagSYN = 0x02
	flagRST = 0x14
	flagACK = 0x10
)

func (w *wire) open() *wire {
	w.packet(0, flagSYN, nil)
	w.packet(1, flagSYN|flagACK, nil)
	w.packet(0, flagACK, nil)
	return w
}

// send sends a TSDU in TPDUs of at most tpdu octets of user data, which are cut
// into segments of at most segment octets.
func (w *wire) send(dir int, tsdu []byte, tpdu, segment int) *wire {
	var stream []byte
	for {
		n := min(tpdu, len(tsdu))
		eot := byte(0x80)
		if n < len(tsdu) {
			eot = 0
		}
		stream = append(stream, 3, 0, byte((n+7)>>8), byte(n+7), 2, 0xf0, eot)
		stream = append(stream, tsdu[:n]...)
		if tsdu = tsdu[n:]; len(tsdu) == 0 {
			break
		}
	}
	for len(stream) > 0 {
		n := min(segment, len(stream))
		w.packet(dir, flagACK, stream[:n])
		stream = stream[n:]
	}
	return w
}

// keep is a bus that keeps records.
type keep struct{ records [][]byte }

func (k *keep) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	k.records = append(k.records, bytes.Clone(rec.B))
	rec.Release()
	return nil
}

// run gives frames to a sensor, without ending it.
func run(t testing.TB, cfg Config, frames []capture.Frame) (*Sensor, *keep) {
	t.Helper()
	cfg.Decoder.Ports = []uint16{102}
	cfg.TCP.Ports = cfg.Decoder.Ports
	k := new(keep)
	s := New(cfg, k)
	for i := range frames {
		if err := s.Frame(t.Context(), &frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	return s, k
}

// published returns the decoded records of connections that a sensor makes of
// frames.
func published(t testing.TB, cfg Config, frames []capture.Frame) []record.Record {
	t.Helper()
	s, k := run(t, cfg, frames)
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s.pending != 0 || len(s.dirty) != 0 {
		t.Errorf("%d octets of %d connections are left", s.pending, len(s.dirty))
	}
	var out []record.Record
	for _, b := range k.records {
		var r record.Record
		if err := r.Decode(b); err != nil {
			t.Fatal(err)
		}
		if r.Kind == record.KindConnection {
			out = append(out, r)
		}
	}
	return out
}

// users joins the user data of the DT TPDUs of a direction, and with it whatever
// else was published of it, preambles included.
func users(records []record.Record, dir uint8) (tsdus, all []byte) {
	for i := range records {
		r := &records[i]
		for j, it := range append(append([]record.Item(nil), r.Preamble...), r.Items...) {
			switch {
			case it.Dir != dir:
			case it.Kind == record.TPDU && len(it.Octets) >= 3 && it.Octets[1] == 0xf0:
				all = append(all, it.Octets[3:]...)
				if j >= len(r.Preamble) {
					tsdus = append(tsdus, it.Octets[3:]...)
				}
			default:
				all = append(all, it.Octets...)
			}
		}
	}
	return tsdus, all
}

// opening returns the session CONNECT (dir 0) or ACCEPT (dir 1) of a real capture.
func opening(t testing.TB, name string, dir int) []byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/mta/" + name + "*.pcap")
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	r, err := capture.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := capture.NewDecoder(capture.DecoderConfig{Ports: []uint16{102}})
	var f capture.Frame
	var s capture.Segment
	for {
		if err := r.Next(&f); errors.Is(err, io.EOF) {
			t.Fatalf("%s has no opening of direction %d", name, dir)
		} else if err != nil {
			t.Fatal(err)
		}
		if !d.Decode(&f, &s) {
			continue
		}
		p := s.Payload
		if len(p) > 8 && p[5] == 0xf0 && p[6] == 0x80 && p[7] == byte(13+dir) && int(binary.BigEndian.Uint16(p[2:])) == len(p) {
			return bytes.Clone(p[7:])
		}
	}
}

// A node is a BER element.
type node struct {
	id       byte
	value    []byte
	children []*node
}

// parse reads BER whose tags are of one octet.
func parse(t testing.TB, b []byte) (nodes []*node) {
	t.Helper()
	for len(b) > 0 {
		n, rest := parseOne(t, b)
		nodes, b = append(nodes, n), rest
	}
	return nodes
}

func parseOne(t testing.TB, b []byte) (n *node, rest []byte) {
	t.Helper()
	n = &node{id: b[0]}
	length, at := int(b[1]), 2
	switch {
	case length == 0x80:
		rest = b[2:]
		for rest[0] != 0 || rest[1] != 0 {
			var child *node
			child, rest = parseOne(t, rest)
			n.children = append(n.children, child)
		}
		return n, rest[2:]
	case length > 0x80:
		at += length - 0x80
		length = 0
		for _, c := range b[2:at] {
			length = length<<8 | int(c)
		}
	}
	if n.id&0x20 != 0 {
		n.children = parse(t, b[at:at+length])
	} else {
		n.value = bytes.Clone(b[at : at+length])
	}
	return n, b[at+length:]
}

// style is how to encode.
type style struct {
	indefinite, long bool
	chop             int // Strings in constructed form, segments of so many octets.
}

func (n *node) append(b []byte, s style) []byte {
	id, children := n.id, n.children
	if s.chop > 0 && (id == 4 || id == 22) && len(n.value) > s.chop {
		id |= 0x20
		for v := n.value; len(v) > 0; {
			k := min(s.chop, len(v))
			children = append(children, &node{id: n.id, value: v[:k]})
			v = v[k:]
		}
		s.chop = 0
	}
	if id&0x20 == 0 {
		return append(appendLength(append(b, id), len(n.value), s.long), n.value...)
	}
	var inner []byte
	for _, c := range children {
		inner = c.append(inner, s)
	}
	if s.indefinite {
		return append(append(append(b, id, 0x80), inner...), 0, 0)
	}
	return append(appendLength(append(b, id), len(inner), s.long), inner...)
}

func appendLength(b []byte, n int, long bool) []byte {
	switch {
	case long:
		return append(b, 0x84, 0, 0, byte(n>>8), byte(n))
	case n < 128:
		return append(b, byte(n))
	}
	return append(b, 0x82, byte(n>>8), byte(n))
}

// each calls f for every node.
func each(nodes []*node, f func(n *node)) {
	for _, n := range nodes {
		f(n)
		each(n.children, f)
	}
}

// rewrap puts other user data into a session CONNECT or ACCEPT.
func rewrap(t testing.TB, spdu []byte, change func(user []*node) []byte) []byte {
	t.Helper()
	body := spdu[2:]
	if spdu[1] == 0xff {
		body = spdu[4:]
	}
	var out []byte
	for len(body) > 0 {
		id, n, at := body[0], int(body[1]), 2
		if n == 0xff {
			n, at = int(binary.BigEndian.Uint16(body[2:])), 4
		}
		v := body[at : at+n]
		if id == 193 {
			v = change(parse(t, v))
		}
		out = append(out, id, 0xff, byte(len(v)>>8), byte(len(v)))
		out = append(out, v...)
		body = body[at+n:]
	}
	return append([]byte{spdu[0], 0xff, byte(len(out) >> 8), byte(len(out))}, out...)
}

func encode(nodes []*node, s style) (b []byte) {
	for _, n := range nodes {
		b = n.append(b, s)
	}
	return b
}

// grams reports which four octets of a secret stand in b.
func grams(b []byte, secret string) string {
	for i := range len(secret) - 3 {
		if strings.Contains(string(b), secret[i:i+4]) {
			return secret[i : i+4]
		}
	}
	return ""
}
