package generate

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"x400flow/bench/ledger"
)

// frame is one packet on the wire. Its octets belong to the connection and are valid until
// the connection is asked for its next frame.
type frame struct {
	at     int64 // Nanoseconds since the epoch.
	octets []byte
}

// span is a range of a stream's octets.
type span struct{ from, to int64 }

// side is one end of a TCP connection, with the stream that it sends.
type side struct {
	addr     netip.AddrPort
	mac      [6]byte
	isn      uint32
	ipid     uint16
	clock    uint32 // Of the timestamps option.
	pending  []byte // Written and not yet sent.
	sent     int64  // Stream octets sent.
	acked    int64  // Stream octets that the other side acknowledged.
	unacked  int    // Segments since the last acknowledgement.
	tail     []byte // The last octets sent, for repetitions.
	lost     []span // What the capture lacks.
	deaf     bool   // The capture lacks this direction altogether.
	packets  int
	octets   int
	repeated int
}

// conn is a TCP connection as a capture shows it.
type conn struct {
	o          *Options
	rng        *rand.Rand
	now        int64
	side       [2]side // Client, server.
	yield      func(frame) bool
	v6         bool
	timestamps bool
	mss        int
	tiny       bool
	buf        []byte
	held       []frame // The frame that disorder keeps back, if any.
	release    int     // Frames to pass before it goes.
	heldSide   int     // Its direction.
	late       bool    // It may be passed by the other direction's frames too.
	delay      int     // Segments that an acknowledgement waits for.
	settled    bool    // The handshake is over: what follows may be lost or disordered.
	blind      bool    // The capture has not begun.
	stopped    bool    // The reader went away.
	handshake  int     // SYNs seen.
	blindFor   int     // Segments with data until the capture begins.
}

const (
	client = 0
	server = 1
)

const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10
)

func (c *conn) wait(min, max int64) { c.now += min + c.rng.Int64N(max-min+1) }

func (c *conn) open() {
	c.wait(1000, 200_000)
	c.packet(client, flagSYN, 0)
	c.wait(100_000, 2_000_000)
	c.packet(server, flagSYN|flagACK, 0)
	c.wait(20_000, 500_000)
	c.packet(client, flagACK, 0)
	c.settled = true
}

// write queues octets of a direction's stream. What the other direction had queued goes first,
// because it was said earlier.
func (c *conn) write(d int, b []byte) {
	if len(c.side[1-d].pending) > 0 {
		c.flush(1 - d)
	}
	s := &c.side[d]
	s.pending = append(s.pending, b...)
	if len(s.pending) >= 1<<16 {
		c.send(d, false)
	}
}

// position is the offset in the stream of the next octet to be written.
func (c *conn) position(d int) int64 { return c.side[d].sent + int64(len(c.side[d].pending)) }

func (c *conn) flush(d int) { c.send(d, true) }

// turn flushes a direction and lets the other side take a while to answer.
func (c *conn) turn(d int) {
	c.flush(d)
	c.wait(50_000, 3_000_000)
}

// send cuts pending octets into segments; without all, only into full ones.
func (c *conn) send(d int, all bool) {
	s := &c.side[d]
	p := s.pending
	for len(p) > 0 {
		n := min(len(p), c.mss)
		if c.tiny && c.rng.IntN(3) > 0 {
			n = min(len(p), 1+c.rng.IntN(8))
		}
		if n < c.mss && !c.tiny && !all {
			break
		}
		flags := flagACK
		if n == len(p) {
			flags |= flagPSH
		}
		c.wait(2_000, 40_000)
		c.data(d, flags, p[:n])
		p = p[n:]
	}
	s.pending = append(s.pending[:0], p...)
}

// data sends one segment with new octets, and what follows from it.
func (c *conn) data(d, flags int, b []byte) {
	s := &c.side[d]
	o := c.o
	lost := c.settled && o.LossRate > 0 && c.rng.Float64() < o.LossRate
	from := s.sent
	if lost {
		s.lose(span{from, from + int64(len(b))})
	}
	s.keep(b)
	s.sent += int64(len(b))
	if !lost {
		c.segment(d, flags, from, b, true)
	}
	if c.blind {
		if c.blindFor--; c.blindFor <= 0 {
			c.blind = false
		}
	}
	if s.unacked++; s.unacked >= c.delay {
		c.acknowledge(1 - d)
		c.delay = 2 + c.rng.IntN(6)
	}
	if o.DuplicateRate > 0 && c.rng.Float64() < o.DuplicateRate {
		c.repeat(d)
	}
}

func (s *side) lose(x span) {
	if n := len(s.lost); n > 0 && s.lost[n-1].to >= x.from {
		s.lost[n-1].to = max(s.lost[n-1].to, x.to)
		return
	}
	s.lost = append(s.lost, x)
}

// captured reports whether every octet of the range is in the capture.
func (s *side) captured(from, to int64) bool {
	if s.deaf && to > from {
		return false
	}
	for i := len(s.lost) - 1; i >= 0; i-- {
		if s.lost[i].to <= from {
			return true
		}
		if s.lost[i].from < to {
			return false
		}
	}
	return true
}

func (s *side) missing() int {
	if s.deaf {
		return int(s.sent)
	}
	n := int64(0)
	for _, l := range s.lost {
		n += l.to - l.from
	}
	return int(n)
}

const tailSize = 4096

func (s *side) keep(b []byte) {
	s.tail = append(s.tail, b...)
	if len(s.tail) > 4*tailSize {
		s.tail = append(s.tail[:0], s.tail[len(s.tail)-tailSize:]...)
	}
}

// acknowledge sends a segment without data.
func (c *conn) acknowledge(d int) {
	c.wait(1_000, 50_000)
	c.packet(d, flagACK, c.side[d].sent)
}

// repeat sends octets again, with boundaries of their own (a retransmission that was not needed,
// or one that joins what was sent in parts). Octets that the capture lacks are not among them.
func (c *conn) repeat(d int) {
	s := &c.side[d]
	if len(s.tail) == 0 {
		return
	}
	back := 1 + c.rng.IntN(min(len(s.tail), tailSize))
	n := 1 + c.rng.IntN(min(back, c.mss))
	from := s.sent - int64(back)
	if !s.captured(from, from+int64(n)) {
		return
	}
	c.wait(1_000, 300_000)
	s.repeated++
	c.segment(d, flagACK|flagPSH, from, s.tail[len(s.tail)-back:len(s.tail)-back+n], false)
}

// segment puts a segment with data into the capture, if the capture sees it.
func (c *conn) segment(d, flags int, from int64, b []byte, fresh bool) {
	s := &c.side[d]
	if c.blind || s.deaf {
		if c.blind && fresh {
			s.lose(span{from, from + int64(len(b))})
		}
		if !fresh {
			s.repeated--
		}
		c.side[1-d].acked = c.side[1-d].sent
		c.side[1-d].unacked = 0
		return
	}
	c.build(d, flags, from, b)
	if snap := c.o.SnapLen; snap > 0 && len(c.buf) > snap {
		cut := min(len(b), len(c.buf)-snap)
		if fresh {
			s.lose(span{from + int64(len(b)-cut), from + int64(len(b))})
		}
		s.octets -= cut
	}
	s.octets += len(b)
	s.packets++
	c.emit(d)
}

// packet sends a segment without data; offset is the stream offset of its sequence number.
func (c *conn) packet(d, flags int, offset int64) {
	if c.blind || c.side[d].deaf {
		return
	}
	c.build(d, flags, offset, nil)
	c.side[d].packets++
	if flags&flagSYN != 0 {
		c.handshake++
	}
	c.emit(d)
}

// build makes the frame in c.buf: Ethernet, IP, TCP.
func (c *conn) build(d, flags int, offset int64, data []byte) {
	s, t := &c.side[d], &c.side[1-d]
	if flags&flagACK != 0 {
		t.acked, t.unacked = t.sent, 0
	}
	b := c.buf[:0]
	b = append(b, t.mac[:]...)
	b = append(b, s.mac[:]...)
	options := 0
	switch {
	case flags&flagSYN != 0 && c.timestamps:
		options = 20
	case flags&flagSYN != 0:
		options = 4
	case c.timestamps:
		options = 12
	}
	length := 20 + options + len(data)
	s.ipid++
	if c.v6 {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, byte(length>>8), byte(length), 6, 64)
	} else {
		total := 20 + length
		b = append(b, 0x08, 0x00, 0x45, 0, byte(total>>8), byte(total), byte(s.ipid>>8), byte(s.ipid), 0x40, 0, 64, 6, 0, 0)
	}
	ip := 14
	from, to := s.addr.Addr().AsSlice(), t.addr.Addr().AsSlice()
	b = append(b, from...)
	b = append(b, to...)
	if !c.v6 {
		binary.BigEndian.PutUint16(b[ip+10:], ^fold(sum(0, b[ip:])))
	}
	tcp := len(b)
	seq := s.isn + 1 + uint32(offset)
	if flags&flagSYN != 0 {
		seq = s.isn
	}
	ack := uint32(0)
	if flags&flagACK != 0 {
		ack = t.isn + 1 + uint32(t.sent)
		if flags&flagSYN != 0 {
			ack = t.isn + 1
		}
	}
	b = binary.BigEndian.AppendUint16(b, s.addr.Port())
	b = binary.BigEndian.AppendUint16(b, t.addr.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, byte((20+options)/4)<<4, byte(flags), 0xfa, 0xf0, 0, 0, 0, 0)
	if flags&flagSYN != 0 {
		b = append(b, 2, 4, 0x05, 0xb4)
		if c.timestamps {
			b = append(b, 4, 2)
		}
	}
	if c.timestamps {
		s.clock++
		stamp := s.clock + uint32(c.now/1e6)
		if flags&flagSYN == 0 {
			b = append(b, 1, 1)
		}
		b = append(b, 8, 10)
		b = binary.BigEndian.AppendUint32(b, stamp)
		echo := uint32(0)
		if flags&flagACK != 0 {
			echo = t.clock + uint32(c.now/1e6)
		}
		b = binary.BigEndian.AppendUint32(b, echo)
		if flags&flagSYN != 0 {
			b = append(b, 1, 3, 3, 7)
		}
	}
	b = append(b, data...)
	pseudo := sum(uint64(6)+uint64(length), from)
	pseudo = sum(pseudo, to)
	binary.BigEndian.PutUint16(b[tcp+16:], ^fold(sum(pseudo, b[tcp:])))
	c.buf = b
}

// sum adds big-endian 16-bit words, for the internet checksum (RFC 1071).
func sum(s uint64, b []byte) uint64 {
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		s += v>>48 + v>>32&0xffff + v>>16&0xffff + v&0xffff
		b = b[8:]
	}
	for len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// emit hands the frame in c.buf on, or keeps it back for a few frames.
func (c *conn) emit(d int) {
	if c.stopped {
		return
	}
	if len(c.held) > 0 && d != c.heldSide && !c.late {
		c.letGo()
	}
	if rate := c.o.DisorderRate + c.o.LateRate; c.settled && rate > 0 && len(c.held) == 0 {
		if p := c.rng.Float64(); p < rate {
			c.held = append(c.held, frame{octets: append([]byte(nil), c.buf...)})
			c.release, c.heldSide, c.late = 1+c.rng.IntN(4), d, p >= c.o.DisorderRate
			return
		}
	}
	c.stopped = !c.yield(frame{at: c.now, octets: c.buf})
	if len(c.held) > 0 {
		if c.release--; c.release <= 0 {
			c.letGo()
		}
	}
}

// letGo sends what disorder kept back.
func (c *conn) letGo() {
	for _, f := range c.held {
		if !c.stopped {
			c.now += 1000
			c.stopped = !c.yield(frame{at: c.now, octets: f.octets})
		}
	}
	c.held = c.held[:0]
}

// close ends the connection with FIN from the given side first.
func (c *conn) close(d int) {
	c.flush(d)
	c.flush(1 - d)
	c.letGo()
	c.settled = false
	c.wait(10_000, 2_000_000)
	c.packet(d, flagFIN|flagACK, c.side[d].sent)
	c.side[d].sent++
	c.wait(50_000, 1_000_000)
	c.packet(1-d, flagFIN|flagACK, c.side[1-d].sent)
	c.side[1-d].sent++
	c.wait(20_000, 500_000)
	c.packet(d, flagACK, c.side[d].sent)
	c.side[0].sent--
	c.side[1].sent--
}

// reset breaks the connection.
func (c *conn) reset(d int) {
	c.flush(d)
	c.letGo()
	c.settled = false
	c.wait(10_000, 2_000_000)
	c.packet(d, flagRST|flagACK, c.side[d].sent)
}

func (c *conn) identity() ledger.Connection {
	return ledger.Connection{Client: c.side[client].addr, Server: c.side[server].addr,
		ClientISN: c.side[client].isn, ServerISN: c.side[server].isn}
}
