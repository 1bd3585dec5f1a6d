// Package mutate rewrites captures of TCP traffic so that the streams stay the
// same and everything beneath them differs: segment boundaries, repetitions, order,
// encapsulation, times. What holds of a capture's streams must hold of any rewriting.
//
// It reads classic pcap files of Ethernet frames, in both byte orders and with
// micro- or nanosecond times, and writes nanosecond ones. Frames that are not TCP in
// IPv4 without fragments or in IPv6 without extension headers pass unchanged, but for
// encapsulation and times. So do frames that were cut by a snap length.
//
// Memory is bounded by the number of connections and what each has under way, at most
// 64 kB a direction. A call belongs to one goroutine; several may go on at once.
package mutate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// Options say how to rewrite. Rates are probabilities from 0 to 1. The zero Options
// change nothing but the file's header.
type Options struct {
	Seed uint64

	// MinSegment and MaxSegment bound the TCP payload of the segments into which
	// the streams are cut anew. With MaxSegment 0 segments stay as they are.
	MinSegment, MaxSegment int

	// Duplicate is of segments, those followed by a repetition of octets sent
	// before, with boundaries of its own.
	Duplicate float64

	// Disorder is of segments, those moved behind up to Window segments of the
	// same direction, but never behind one of the other direction: as if the
	// network between sender and tap had reordered them.
	Disorder float64

	// Late is of segments, those moved behind up to Window segments of either
	// direction, perhaps behind the acknowledgement of what they carry: as if the
	// capturing machine had reordered them. Segments that open or close a connection
	// stay in place, and everything before them stays before.
	Late float64

	Window int // 1 if 0.

	// Fragment is how many octets an IPv4 packet may have; larger ones go in
	// fragments. 0 for no limit.
	Fragment int

	GRE  bool     // Put IP packets into GRE (RFC 2784) between two routers.
	VLAN []uint16 // Tags put on, outermost first.
	MPLS []uint32 // Labels put between Ethernet and IP, outermost first.

	Shift int64 // Nanoseconds added to every frame's time.
}

// maxPending bounds the octets of a direction that wait to be cut anew.
const maxPending = 1 << 16

// Rewrite reads a capture from r and writes it anew to w. The same input and
// options give the same output.
func Rewrite(w io.Writer, r io.Reader, o Options) error {
	in, err := newReader(r)
	if err != nil {
		return err
	}
	m := &rewriter{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6d7574617465)), out: newWriter(w), conns: map[key]*conn{}}
	if m.o.Window < 1 {
		m.o.Window = 1
	}
	for {
		f, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		m.at = max(m.at, f.at)
		m.take(f)
	}
	for _, c := range m.order {
		m.flush(c)
		m.letGo(c, 0)
	}
	return m.out.flush()
}

// Cut copies the frames numbered from (counted from 0) up to, not including, to.
func Cut(w io.Writer, r io.Reader, from, to int) error {
	in, err := newReader(r)
	if err != nil {
		return err
	}
	out := newWriter(w)
	for n := 0; n < to; n++ {
		f, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if n >= from {
			out.write(f.at, f.octets, f.wire)
		}
	}
	return out.flush()
}

// Count returns how many frames a capture has.
func Count(r io.Reader) (int, error) {
	in, err := newReader(r)
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		if _, err := in.next(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

// key names a connection; the lesser end comes first.
type key struct {
	a, b         [16]byte
	portA, portB uint16
}

type conn struct {
	side [2]side
	late []late
}

// side is what waits of one direction.
type side struct {
	header  []byte // Ethernet to TCP header of the last segment, options included.
	ip, tcp int    // Where these begin in header.
	seq     uint32 // Of the first pending octet.
	pending []byte
	bounds  []int // Ends of the segments as they came.
}

// late is a frame kept back until so many others have passed.
type late struct {
	octets []byte
	left   int
}

type rewriter struct {
	o      Options
	rng    *rand.Rand
	out    *writer
	at     int64
	conns  map[key]*conn
	order  []*conn
	wrap   []byte
	tunnel []byte
	id     uint16 // Identification of the last tunnel packet.
}

const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
)

// segment is where the parts of a TCP segment are in its frame.
type segment struct {
	ip, tcp, data, end int
	key                key
	side               int
	seq                uint32
	flags              byte
}

func parse(f frame) (segment, bool) {
	b := f.octets
	if len(b) < 14 || f.wire != len(b) {
		return segment{}, false
	}
	s := segment{ip: 14}
	typ := binary.BigEndian.Uint16(b[12:])
	for (typ == 0x8100 || typ == 0x88a8) && len(b) >= s.ip+4 {
		typ = binary.BigEndian.Uint16(b[s.ip+2:])
		s.ip += 4
	}
	p := b[s.ip:]
	var from, to [16]byte
	switch {
	case typ == 0x0800 && len(p) >= 20 && p[0]>>4 == 4:
		total := int(binary.BigEndian.Uint16(p[2:]))
		if p[9] != 6 || binary.BigEndian.Uint16(p[6:])&0x3fff != 0 || total > len(p) {
			return segment{}, false
		}
		s.tcp, s.end = s.ip+int(p[0]&15)*4, s.ip+total
		copy(from[12:], p[12:16])
		copy(to[12:], p[16:20])
	case typ == 0x86dd && len(p) >= 40 && p[0]>>4 == 6:
		length := int(binary.BigEndian.Uint16(p[4:]))
		if p[6] != 6 || 40+length > len(p) {
			return segment{}, false
		}
		s.tcp, s.end = s.ip+40, s.ip+40+length
		copy(from[:], p[8:24])
		copy(to[:], p[24:40])
	default:
		return segment{}, false
	}
	if s.tcp+20 > s.end {
		return segment{}, false
	}
	t := b[s.tcp:]
	s.data = s.tcp + int(t[12]>>4)*4
	if s.data < s.tcp+20 || s.data > s.end {
		return segment{}, false
	}
	s.key = key{from, to, binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])}
	if string(to[:]) < string(from[:]) || (from == to && s.key.portB < s.key.portA) {
		s.key = key{to, from, s.key.portB, s.key.portA}
		s.side = 1
	}
	s.seq = binary.BigEndian.Uint32(t[4:])
	s.flags = t[13]
	return s, true
}

// take handles the next frame of the input.
func (m *rewriter) take(f frame) {
	s, ok := parse(f)
	if !ok {
		m.put(f.octets, f.wire)
		return
	}
	c := m.conns[s.key]
	if c == nil {
		c = &conn{}
		m.conns[s.key] = c
		m.order = append(m.order, c)
	}
	m.flushSide(c, 1-s.side)
	d := &c.side[s.side]
	data := f.octets[s.data:s.end]
	// Data that comes with SYN stays with it; other data that does not follow on begins a run.
	asIs := len(data) == 0 || s.flags&flagSYN != 0 || m.o.MaxSegment == 0 && m.o.Disorder == 0 && m.o.Duplicate == 0
	if asIs || len(d.pending) > 0 && s.seq != d.seq+uint32(len(d.pending)) || len(d.pending)+len(data) > maxPending {
		m.flushSide(c, s.side)
	}
	if asIs {
		if s.flags&(flagSYN|flagFIN|flagRST) != 0 {
			m.letGo(c, 0)
			m.put(f.octets, f.wire)
		} else {
			m.pass(c, f.octets)
		}
		return
	}
	if len(d.pending) == 0 {
		d.seq = s.seq
	}
	d.header = append(d.header[:0], f.octets[:s.data]...)
	d.ip, d.tcp = s.ip, s.tcp
	d.pending = append(d.pending, data...)
	d.bounds = append(d.bounds, len(d.pending))
	if s.flags&(flagFIN|flagRST) != 0 {
		// The data goes first, then a segment that closes the connection.
		d.header[s.tcp+13] &^= flagFIN | flagRST
		m.flushSide(c, s.side)
		m.letGo(c, 0)
		d.header[s.tcp+13] = s.flags
		m.put(m.build(d, s.seq+uint32(len(data)), nil), -1)
	}
}

func (m *rewriter) flush(c *conn) {
	m.flushSide(c, 0)
	m.flushSide(c, 1)
}

type piece struct{ from, to int }

// flushSide sends what is pending of a direction.
func (m *rewriter) flushSide(c *conn, side int) {
	d := &c.side[side]
	if len(d.pending) == 0 {
		return
	}
	var pieces []piece
	if m.o.MaxSegment > 0 {
		low := max(1, min(m.o.MinSegment, m.o.MaxSegment))
		for from := 0; from < len(d.pending); {
			to := min(len(d.pending), from+low+m.rng.IntN(m.o.MaxSegment-low+1))
			pieces = append(pieces, piece{from, to})
			from = to
		}
	} else {
		from := 0
		for _, to := range d.bounds {
			pieces = append(pieces, piece{from, to})
			from = to
		}
	}
	if m.o.Disorder > 0 {
		for i := 0; i+1 < len(pieces); i++ {
			if m.rng.Float64() < m.o.Disorder {
				to := min(len(pieces)-1, i+1+m.rng.IntN(m.o.Window))
				p := pieces[i]
				copy(pieces[i:], pieces[i+1:to+1])
				pieces[to] = p
			}
		}
	}
	longest := m.o.MaxSegment
	if longest == 0 {
		longest = 1460
	}
	sent := 0
	for _, p := range pieces {
		m.pass(c, m.build(d, d.seq+uint32(p.from), d.pending[p.from:p.to]))
		sent = max(sent, p.to)
		if m.rng.Float64() < m.o.Duplicate {
			from := m.rng.IntN(sent)
			to := min(sent, from+1+m.rng.IntN(longest))
			m.pass(c, m.build(d, d.seq+uint32(from), d.pending[from:to]))
		}
	}
	d.pending, d.bounds = d.pending[:0], d.bounds[:0]
}

// build makes a frame of a direction's header with the sequence number and data.
func (m *rewriter) build(d *side, seq uint32, data []byte) []byte {
	b := append(append(make([]byte, 0, len(d.header)+len(data)), d.header...), data...)
	ip, tcp := b[d.ip:], b[d.tcp:]
	binary.BigEndian.PutUint32(tcp[4:], seq)
	binary.BigEndian.PutUint16(tcp[16:], 0)
	pseudo := uint64(6) + uint64(len(tcp))
	if ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], uint16(m.rng.Uint32()))
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], checksum(0, ip[:d.tcp-d.ip]))
		pseudo += sum(ip[12:20])
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
		pseudo += sum(ip[8:40])
	}
	binary.BigEndian.PutUint16(tcp[16:], checksum(pseudo, tcp))
	return b
}

func sum(b []byte) uint64 {
	s := uint64(0)
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func checksum(s uint64, b []byte) uint16 {
	s += sum(b)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// pass sends a frame of a connection, or keeps it back for a while.
func (m *rewriter) pass(c *conn, b []byte) {
	if m.o.Late > 0 && m.rng.Float64() < m.o.Late {
		c.late = append(c.late, late{append([]byte(nil), b...), 1 + m.rng.IntN(m.o.Window)})
		return
	}
	m.put(b, -1)
	m.letGo(c, 1)
}

// letGo counts a frame that passed those kept back and sends what has waited enough, which
// passes the others; with passed 0 it sends all.
func (m *rewriter) letGo(c *conn, passed int) {
	all := passed == 0
	for {
		for i := range c.late {
			c.late[i].left -= passed
		}
		i := slices.IndexFunc(c.late, func(l late) bool { return all || l.left <= 0 })
		if i < 0 {
			return
		}
		m.put(c.late[i].octets, -1)
		c.late = slices.Delete(c.late, i, i+1)
		passed = 1
	}
}

// put writes a frame with what encapsulation was asked for.
func (m *rewriter) put(b []byte, wire int) {
	if wire < 0 {
		wire = len(b)
	}
	typ := uint16(0)
	if len(b) >= 14 {
		typ = binary.BigEndian.Uint16(b[12:])
	}
	ip := typ == 0x0800 || typ == 0x86dd
	if m.o.GRE && ip {
		w := append(m.tunnel[:0], b[:12]...)
		w = append(w, 0x08, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
		binary.BigEndian.PutUint16(w[16:], uint16(24+len(b)-14))
		m.id++
		binary.BigEndian.PutUint16(w[18:], m.id)
		binary.BigEndian.PutUint16(w[24:], checksum(0, w[14:34]))
		w = append(append(w, 0, 0, byte(typ>>8), byte(typ)), b[14:]...)
		wire += len(w) - len(b)
		m.tunnel, b, typ = w, w, 0x0800
	}
	if m.o.Fragment > 0 && typ == 0x0800 && len(b) == wire && m.fragment(b) {
		return
	}
	m.encapsulate(b, wire, ip)
}

// fragment sends an IPv4 packet in fragments (RFC 791 section 3.2) if it is too large.
func (m *rewriter) fragment(b []byte) bool {
	ip := b[14:]
	if len(ip) < 20 {
		return false
	}
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if total > len(ip) || header < 20 || total <= max(m.o.Fragment, header+8) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
		return false
	}
	step := max(8, (m.o.Fragment-header)&^7)
	for off := 0; off < total-header; off += step {
		n := min(step, total-header-off)
		f := append(append([]byte(nil), b[:14+header]...), ip[header+off:header+off+n]...)
		p := f[14:]
		binary.BigEndian.PutUint16(p[2:], uint16(header+n))
		field := uint16(off / 8)
		if off+n < total-header {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(p[6:], field)
		binary.BigEndian.PutUint16(p[10:], 0)
		binary.BigEndian.PutUint16(p[10:], checksum(0, p[:header]))
		m.encapsulate(f, len(f), true)
	}
	return true
}

// encapsulate writes a frame with the tags and labels that were asked for.
func (m *rewriter) encapsulate(b []byte, wire int, ip bool) {
	if len(b) >= 14 && len(m.o.VLAN)+len(m.o.MPLS) > 0 {
		w := append(m.wrap[:0], b[:12]...)
		for i, v := range m.o.VLAN {
			tpid := uint16(0x8100)
			if i+1 < len(m.o.VLAN) {
				tpid = 0x88a8
			}
			w = binary.BigEndian.AppendUint16(w, tpid)
			w = binary.BigEndian.AppendUint16(w, v&0x0fff)
		}
		if ip && len(m.o.MPLS) > 0 {
			w = binary.BigEndian.AppendUint16(w, 0x8847)
			for i, l := range m.o.MPLS {
				e := l<<12 | 64
				if i == len(m.o.MPLS)-1 {
					e |= 1 << 8
				}
				w = binary.BigEndian.AppendUint32(w, e)
			}
			w = append(w, b[14:]...)
		} else {
			w = append(w, b[12:]...)
		}
		wire += len(w) - len(b)
		m.wrap, b = w, w
	}
	m.out.write(m.at+m.o.Shift, b, wire)
}

// frame is a captured frame; its octets are valid until the next is read.
type frame struct {
	at     int64
	octets []byte
	wire   int
}

type reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	unit  int64
	buf   []byte
}

// errFormat says that the input is no pcap file of Ethernet frames.
var errFormat = errors.New("mutate: not a pcap file of Ethernet frames")

func newReader(r io.Reader) (*reader, error) {
	in := &reader{r: bufio.NewReaderSize(r, 1<<16)}
	var h [24]byte
	if _, err := io.ReadFull(in.r, h[:]); err != nil {
		return nil, fmt.Errorf("mutate: file header: %w", err)
	}
	switch [4]byte(h[:4]) {
	case [4]byte{0xd4, 0xc3, 0xb2, 0xa1}:
		in.order, in.unit = binary.LittleEndian, 1000
	case [4]byte{0x4d, 0x3c, 0xb2, 0xa1}:
		in.order, in.unit = binary.LittleEndian, 1
	case [4]byte{0xa1, 0xb2, 0xc3, 0xd4}:
		in.order, in.unit = binary.BigEndian, 1000
	case [4]byte{0xa1, 0xb2, 0x3c, 0x4d}:
		in.order, in.unit = binary.BigEndian, 1
	default:
		return nil, errFormat
	}
	if in.order.Uint32(h[20:])&0xffff != 1 {
		return nil, errFormat
	}
	return in, nil
}

func (in *reader) next() (frame, error) {
	var h [16]byte
	if _, err := io.ReadFull(in.r, h[:]); err != nil {
		if err == io.EOF {
			return frame{}, io.EOF
		}
		return frame{}, fmt.Errorf("mutate: frame header: %w", err)
	}
	n := in.order.Uint32(h[8:])
	if n > 1<<20 {
		return frame{}, fmt.Errorf("mutate: frame of %d octets", n)
	}
	if cap(in.buf) < int(n) {
		in.buf = make([]byte, n)
	}
	b := in.buf[:n]
	if _, err := io.ReadFull(in.r, b); err != nil {
		return frame{}, fmt.Errorf("mutate: frame: %w", err)
	}
	at := int64(in.order.Uint32(h[0:]))*1e9 + int64(in.order.Uint32(h[4:]))*in.unit
	return frame{at, b, int(in.order.Uint32(h[12:]))}, nil
}

type writer struct {
	w   *bufio.Writer
	err error
}

func newWriter(w io.Writer) *writer {
	out := &writer{w: bufio.NewWriterSize(w, 1<<16)}
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], 0xa1b23c4d)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], 1<<18)
	binary.LittleEndian.PutUint32(h[20:], 1)
	out.put(h[:])
	return out
}

func (w *writer) put(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *writer) write(at int64, b []byte, wire int) {
	var h [16]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(at/1e9))
	binary.LittleEndian.PutUint32(h[4:], uint32(at%1e9))
	binary.LittleEndian.PutUint32(h[8:], uint32(len(b)))
	binary.LittleEndian.PutUint32(h[12:], uint32(wire))
	w.put(h[:])
	w.put(b)
}

func (w *writer) flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}
