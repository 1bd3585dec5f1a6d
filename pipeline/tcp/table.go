package tcp

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"x400flow/osi/buffers"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/latest"
)

const (
	// far is how far ahead of what was seen a segment may be. TCP's window is
	// at most 1 GiB, but none that is met comes near this.
	far = 1 << 26
	// old is how far behind a retransmission may be.
	old = 1 << 24
	// near is the tolerance for a RST ahead of what was seen, whose window is
	// not known, and for a SYN that was captured late.
	near = 1 << 20
	// maxWild segments in a row that are far from where their direction stands
	// are another connection between the same ports.
	maxWild = 4
	// maxTombs bounds the closed connections that are remembered, sureTombs is how many
	// are whatever the time: one packet's wrong time does not forget them.
	maxTombs  = 16384
	sureTombs = 1024
	// tombTime is how long they are.
	tombTime = int64(Remembered)
	// maxSpare bounds the connections whose memory is kept for others. That of more is
	// used again until the collector has come by.
	maxSpare = 64
	// coveredTime resolves a hole that was acknowledged where no segments do.
	coveredTime = int64(time.Second)
)

// A tomb remembers where a closed connection ended, so that what still comes of
// it opens no other.
type tomb struct {
	start int64
	time  int64
	known [2]bool // By direction from Lo, from Hi.
	seq   [2]uint32
}

// A stage is how far a connection has come. It decides who gives way first.
type stage uint8

const (
	opening stage = iota // Nothing but SYNs was seen.
	silent               // No octets were.
	talking
	preferred // By the user.
	stages
)

// A list is connections in order of their last segment.
type list[T any] struct{ oldest, newest *Conn[T] }

// A Table holds connections and puts their segments in order.
type Table[T any] struct {
	cfg      Config
	idle     [stages]int64
	gapAfter int64
	conns    index[T]
	last     *Conn[T] // Had the last segment.
	nextID   uint64

	order                  [stages]list[T]
	heldOldest, heldNewest *Conn[T]
	held                   int
	pool                   buffers.Pool

	tombs *latest.Map[capture.FlowKey, tomb]

	queue   []Event[T]
	polled  int
	release [][]byte   // Buffers that queued events refer to.
	closed  []*Conn[T] // Connections whose Close is queued.
	spare   []*Conn[T] // Memory for new connections.
	more    sync.Pool  // Of *Conn[T], where spare is full.

	now    int64 // Time of the segment in hand.
	latest int64 // The highest that it was.
	due    int64 // No connection's time is up before, unless the clock was set back.

	counters TableCounters
}

// NewTable returns an empty table.
func NewTable[T any](cfg Config) *Table[T] {
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 65536)
	cfg.MaxConnOctets = cmp.Or(cfg.MaxConnOctets, 1<<20)
	cfg.MaxOctets = cmp.Or(cfg.MaxOctets, 256<<20)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, 6*time.Hour)
	cfg.HandshakeTimeout = min(cmp.Or(cfg.HandshakeTimeout, 5*time.Minute), cfg.IdleTimeout)
	cfg.GapTimeout = cmp.Or(cfg.GapTimeout, time.Minute)
	idle := int64(cfg.IdleTimeout)
	return &Table[T]{
		cfg:      cfg,
		idle:     [stages]int64{int64(cfg.HandshakeTimeout), idle, idle, idle},
		gapAfter: int64(cfg.GapTimeout),
		conns:    newIndex[T](),
		tombs:    latest.New[capture.FlowKey, tomb](maxTombs),
	}
}

// Counters returns the table's own counters.
func (t *Table[T]) Counters() TableCounters {
	c := t.counters
	c.Held, c.Conns = t.held, t.conns.len()
	return c
}

// Each calls f with each connection of which segments to come depend on those that
// came: that is held, or that ended less than Remembered ago, in no order.
func (t *Table[T]) Each(f func(key capture.FlowKey, start int64)) {
	for c := range t.conns.all() {
		f(c.Key, c.Start)
	}
	for key, g := range t.tombs.All() {
		if t.now-g.time <= tombTime {
			f(key, g.start)
		}
	}
}

// Next returns the next event, nil when there is none. It is the table's, and stays
// until the next call of Segment, Advance, Evict or End.
func (t *Table[T]) Next() *Event[T] {
	if t.polled >= len(t.queue) {
		t.queue, t.polled = t.queue[:0], 0
		return nil
	}
	ev := &t.queue[t.polled]
	t.polled++
	return ev
}

// begin forgets the events of the call before.
func (t *Table[T]) begin() {
	// What refers to memory that is used again anyway need not be cleared.
	t.queue, t.polled = t.queue[:0], 0
	if len(t.release) > 0 || len(t.closed) > 0 {
		t.reuse()
	}
}

// reuse takes back what the events of the call before referred to.
func (t *Table[T]) reuse() {
	for i, b := range t.release {
		t.pool.Put(b)
		t.release[i] = nil
	}
	t.release = t.release[:0]
	for i, c := range t.closed {
		if len(t.spare) < maxSpare {
			t.spare = append(t.spare, c)
		} else {
			t.more.Put(c)
		}
		t.closed[i] = nil
	}
	t.closed = t.closed[:0]
	clear(t.queue[:cap(t.queue)])
	if cap(t.queue) > 1<<12 {
		t.queue = nil
	}
}

// Advance tells the table the time where no segment does, so that idle
// connections are closed and holes that have waited long enough are told. As with
// Segment, the events are polled after it.
func (t *Table[T]) Advance(now int64) {
	t.begin()
	t.pass(now)
	for c := t.heldOldest; c != nil && now-c.heldAt >= t.gapAfter; {
		next := c.heldNewer
		for t.settle(c, ToServer) || t.settle(c, ToClient) {
		}
		t.maybeClose(c)
		c = next
	}
}

// End tells that the capture has ended: what is held is given with its gaps,
// and every connection is closed, in the order they were first seen.
func (t *Table[T]) End() {
	t.begin()
	all := slices.SortedFunc(t.conns.all(), func(a, b *Conn[T]) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range all {
		t.close(c, ReasonEnd)
	}
}

// Segment takes a segment in. All events of the one before must have been
// polled; those that were not are lost.
func (t *Table[T]) Segment(s *capture.Segment) {
	t.begin()
	t.pass(t.clock(s.Time))
	c := t.last
	if c == nil || !same(&c.Key, &s.Key) {
		hash := t.conns.hash(&s.Key)
		if c = t.conns.at(hash, &s.Key); c == nil {
			if s.Flags&capture.RST != 0 || s.Flags&capture.SYN == 0 && t.afterEnd(s, hash) {
				t.counters.Stray++
				return
			}
			c = t.open(s, hash)
		}
	}
	if s.Flags&capture.SYN != 0 && !t.syn(c, s) {
		t.counters.Replaced++
		t.close(c, ReasonReplaced)
		c = t.open(s, c.hash)
		t.syn(c, s)
	}
	if t.segment(c, s) {
		return
	}
	// Four times far from where the connection stands: another one, whose SYN
	// was not seen.
	t.counters.Replaced++
	t.close(c, ReasonReplaced)
	t.segment(t.open(s, c.hash), s)
}

// clock returns the time that a segment brings which was captured at one.
func (t *Table[T]) clock(captured int64) int64 {
	if t.cfg.Clock != nil {
		return t.cfg.Clock()
	}
	return captured
}

// afterEnd reports whether s belongs to a connection that was closed.
func (t *Table[T]) afterEnd(s *capture.Segment, hash uint64) bool {
	g := t.tombs.GetHashed(uint32(hash), &s.Key)
	if g == nil || t.now-g.time > tombTime {
		return false
	}
	d := 0
	if s.FromHi {
		d = 1
	}
	if !g.known[d] {
		return len(s.Payload) == 0 && s.Missing == 0
	}
	ahead := int32(s.Seq - g.seq[d])
	return ahead >= -old && ahead <= near
}

// Evict gives up the connection that has been silent longest of those with
// octets, for a caller whose own limits are reached. Its events wait in Next. It
// reports whether there was one.
func (t *Table[T]) Evict() bool { return t.evict(talking, preferred, silent, opening) }

func (t *Table[T]) evict(order ...stage) bool {
	for _, s := range order {
		if c := t.order[s].oldest; c != nil {
			t.counters.Evicted++
			t.close(c, ReasonEvicted)
			return true
		}
	}
	return false
}

// Prefer sets a connection apart: it gives way when no other is left that could.
// One that was closed meanwhile, whose last octets are in hand, stays closed.
func (t *Table[T]) Prefer(c *Conn[T]) {
	if !c.closed {
		t.last = c
		t.move(c, preferred)
	}
}

// move brings a connection to a stage, if it is not beyond, and to its newest end.
func (t *Table[T]) move(c *Conn[T], s stage) {
	s = max(s, c.stage)
	if t.order[s].newest == c {
		return
	}
	t.remove(c)
	c.stage = s
	t.append(c)
}

// open makes a connection of which s is the first segment, with its key's hash.
func (t *Table[T]) open(s *capture.Segment, hash uint64) *Conn[T] {
	if t.conns.len() >= t.cfg.MaxConns {
		t.evict(opening, silent, talking, preferred)
	}
	t.tombs.DeleteHashed(uint32(hash), &s.Key)
	t.nextID++
	t.counters.Opened++
	t.due = min(t.due, t.now+t.idle[opening])
	var c *Conn[T]
	if n := len(t.spare); n > 0 {
		c, t.spare[n-1], t.spare = t.spare[n-1], nil, t.spare[:n-1]
	} else if c, _ = t.more.Get().(*Conn[T]); c == nil {
		c = new(Conn[T])
	}
	c.renew()
	c.ID, c.Key, c.hash = t.nextID, s.Key, hash
	c.Start, c.Last, c.seen, c.frame, c.file = s.Time, s.Time, t.now, s.Frame, s.File
	switch syn, ack := s.Flags&capture.SYN != 0, s.Flags&capture.ACK != 0; {
	case syn && !ack:
		c.clientHi = s.FromHi
	case syn:
		c.clientHi = !s.FromHi
	default:
		c.MidStream = true
		c.clientHi = t.guessClient(s)
	}
	c.Client, c.Server = s.Key.Lo(), s.Key.Hi()
	if c.clientHi {
		c.Client, c.Server = c.Server, c.Client
	}
	c.addrs[ToServer], c.ports[ToServer] = s.Key.Ends4(c.clientHi)
	c.addrs[ToClient], c.ports[ToClient] = s.Key.Ends4(!c.clientHi)
	c.v4 = s.Key.Family == 4 && c.Client != c.Server
	t.conns.put(hash, c)
	t.last = c
	t.append(c)
	t.emit(Event[T]{Kind: Open, Conn: c})
	return c
}

// renew clears what an earlier connection left, but for State, which is large and which
// the user clears.
func (c *Conn[T]) renew() {
	c.clientHi, c.closed, c.holds, c.stage = false, false, false, opening
	c.segments, c.heldAt = 0, 0
	// One by one: together they would be made elsewhere first, and then copied.
	c.half = [2]half{}
	c.ackedThen = [Patience][2]int64{}
	c.Counters = [2]Counters{}
	c.MidStream, c.ISN, c.HaveISN = false, [2]uint32{}, [2]bool{}
	c.older, c.newer, c.heldOlder, c.heldNewer = nil, nil, nil, nil
}

// guessClient reports whether Hi is the client of a connection whose SYN was
// not seen: the server's port is in the list, else it is the lower one.
func (t *Table[T]) guessClient(s *capture.Segment) (hi bool) {
	lo, hiServes := slices.Contains(t.cfg.Ports, s.Key.LoPort), slices.Contains(t.cfg.Ports, s.Key.HiPort)
	switch {
	case lo != hiServes:
		return lo
	case s.Key.LoPort != s.Key.HiPort:
		return s.Key.LoPort < s.Key.HiPort
	}
	return s.FromHi // Who speaks first.
}

// dir returns the direction of what the higher end sent, or the lower.
func (c *Conn[T]) dir(fromHi bool) Dir {
	if fromHi == c.clientHi {
		return ToServer
	}
	return ToClient
}

// syn looks at a SYN's initial sequence number. It reports false where the SYN
// begins another connection than c.
func (t *Table[T]) syn(c *Conn[T], s *capture.Segment) bool {
	d := c.dir(s.FromHi) & 1
	h, o := &c.half[d], &c.half[d^1]
	ack := s.Flags&capture.ACK != 0
	switch {
	case h.known && c.HaveISN[d] && c.ISN[d] == s.Seq:
		c.Counters[d].RetransmittedPackets++
		return true
	case h.known && !c.HaveISN[d] && uint32(h.base-s.Seq-1) < near && !h.fin:
		// Captured after segments that follow it.
		c.ISN[d], c.HaveISN[d] = s.Seq, true
		return true
	case h.known:
		// A server that answers a repeated SYN may choose anew; otherwise the
		// ports are used again.
		if !ack || h.next != 0 || len(h.held) != 0 || h.fin || !o.known || !c.HaveISN[1-d] || s.Ack != c.ISN[1-d]+1 {
			return false
		}
		*h = half{}
		for i := range c.ackedThen {
			c.ackedThen[i][d] = 0
		}
	case ack && c.HaveISN[1-d]:
		// Fast Open acknowledges data with the SYN (RFC 7413), so that the
		// number may be above the first.
		if uint32(s.Ack-c.ISN[1-d]-1) > near {
			return false
		}
	case !ack && o.next > 0:
		return false
	}
	h.known, h.base = true, s.Seq+1
	c.ISN[d], c.HaveISN[d] = s.Seq, true
	if ack && !o.known {
		o.known, o.base = true, s.Ack
		c.ISN[1-d], c.HaveISN[1-d] = s.Ack-1, true
	}
	return true
}

// Find returns the connection that is held by a key, nil where none is, and the direction
// of what the higher end sends in it, or the lower.
func (t *Table[T]) Find(k *capture.FlowKey, fromHi bool) (c *Conn[T], d Dir) {
	if c = t.last; c == nil || !same(&c.Key, k) {
		if c = t.conns.get(k); c == nil {
			return nil, 0
		}
	}
	return c, c.dir(fromHi)
}

// Last4 is Find4 for a segment of the connection that had the last one, as most are; of any
// other it returns nil.
func (t *Table[T]) Last4(h *capture.Headers) (c *Conn[T], d Dir) {
	addrs, ports := h.Ends()
	if c = t.last; c != nil {
		if addrs != c.addrs[ToServer] {
			d = ToClient
		}
		if addrs != c.addrs[d] || ports != c.ports[d] || !c.v4 {
			c = nil
		}
	}
	return c, d
}

// Find4 is Find for a segment that capture.Decoder.Plain returned.
func (t *Table[T]) Find4(h *capture.Headers) (c *Conn[T], d Dir) {
	addrs, ports := h.Ends()
	if uint32(addrs) == uint32(addrs>>32) && uint16(ports) == uint16(ports>>16) {
		key, fromHi := h.Key()
		return t.Find(&key, fromHi)
	}
	return t.conns.get4(addrs, ports)
}

// InOrder takes a segment in if it is what nearly all are: n octets that are next in their
// direction, or none, in a connection in which nothing waits. It does what Segment would,
// without looking for what is not there and without queuing an event. numbers are the
// sequence number above that which it acknowledges; now is the time by Config.Clock, or
// where there is none that of the frame. It returns the octets' place. Where ok is
// false it has done nothing: that segment is for Segment.
func (t *Table[T]) InOrder(c *Conn[T], d Dir, now int64, numbers uint64, flags capture.Flags, n int,
	time int64, frame uint64, file int32) (offset uint64, ok bool) {

	i := uint(d & 1)
	h, o := &c.half[i], &c.half[i^1]
	ahead := int32(uint32(numbers) - o.seq(o.next))
	// At one place, so that the compiler makes no value of it.
	if now >= t.due || now < t.latest || flags&(capture.SYN|capture.FIN|capture.RST|capture.ACK) != capture.ACK || len(t.queue) > 0 ||
		!h.flows || uint32(numbers>>32) != h.seq(h.next) ||
		ahead > 0 && o.known { // What the sender had is to come first.

		return 0, false
	}
	t.now, t.latest = now, now
	c.saw(now, time, frame, file)
	if t.last != c || c.stage < talking {
		stage := silent
		if n > 0 {
			stage = talking
		}
		t.spoke(c, stage)
	}
	k := &c.Counters[i]
	k.Packets++
	k.Octets += uint64(n)
	k.Delivered += uint64(n)
	if acked := o.next + int64(ahead); acked > o.acked && o.known {
		o.acked, o.ackedAt = acked, now
	}
	offset = uint64(h.next)
	h.next += int64(n)
	return offset, true
}

// Seq returns the TCP sequence number of an octet that was given, or is next.
func (c *Conn[T]) Seq(d Dir, offset uint64) uint32 { return c.half[d&1].seq(int64(offset)) }

// saw notes the connection's last segment.
func (c *Conn[T]) saw(now, time int64, frame uint64, file int32) {
	c.seen, c.Last, c.frame, c.file = now, time, frame, file
	c.segments++
	c.ackedThen[c.segments%Patience] = [...]int64{c.half[0].acked, c.half[1].acked}
}

// spoke notes which connection had the last segment, and what it has come to.
func (t *Table[T]) spoke(c *Conn[T], at stage) {
	if t.last != c || at > c.stage { // Else it is the newest of its stage already.
		t.last = c
		t.move(c, at)
	}
}

// segment puts a segment into its connection. It reports false, having done
// nothing, where the segment shows that this is another connection.
func (t *Table[T]) segment(c *Conn[T], s *capture.Segment) bool {
	d := c.dir(s.FromHi) & 1
	h, o, n := &c.half[d], &c.half[d^1], &c.Counters[d]
	seq := s.Seq
	if s.Flags&capture.SYN != 0 {
		seq++
	}
	if s.Flags&capture.RST == 0 && !h.known {
		h.known, h.base = true, seq
	}
	var from int64
	ignore := false
	carries := len(s.Payload) > 0 || s.Missing > 0
	if h.known {
		from = h.offset(seq)
		if from == 1 && carries && h.next == 0 && len(h.held) == 0 && !c.HaveISN[d] {
			// The start was an empty keep-alive probe, whose number is one less
			// than the next octet's.
			h.base++
			h.acked = max(0, h.acked-1)
			from = 0
		}
		if (carries || s.Flags&capture.FIN != 0) && s.Flags&capture.RST == 0 {
			switch ignore = from > h.end()+far || from+int64(len(s.Payload)+s.Missing) < h.next-old; {
			case !ignore:
				h.wild = 0
			case carries:
				if h.wild++; h.wild >= maxWild {
					return false
				}
			}
		}
	}

	stage := opening
	switch {
	case carries:
		stage = talking
	case s.Flags&(capture.SYN|capture.RST) == 0:
		stage = silent
	}
	c.saw(t.now, s.Time, s.Frame, s.File)
	t.spoke(c, stage)
	n.Packets++
	n.Octets += uint64(len(s.Payload))

	if s.Flags&capture.RST != 0 {
		if validRST(h, o, s) {
			t.close(c, ReasonRST)
		} else {
			n.IgnoredRST++
		}
		return true
	}
	if s.Flags&capture.ACK != 0 && o.known {
		if a := o.offset(s.Ack); a > o.acked && a <= o.end()+far {
			o.acked, o.ackedAt = a, t.now
		}
	}
	if ignore {
		n.Ignored++
	} else {
		if carries {
			t.payload(c, d, from, s)
		}
		if s.Flags&capture.FIN != 0 {
			switch at := from + int64(len(s.Payload)+s.Missing); {
			case h.fin && at == h.finAt:
				if !carries {
					n.RetransmittedPackets++
				}
			case h.fin || at < h.end():
				n.Ignored++
			default:
				h.fin, h.finAt = true, at
				h.since, h.when = c.segments, t.now
			}
		}
	}
	if len(h.held) > 0 || h.fin && !h.done {
		t.settle(c, d)
	}
	if len(o.held) > 0 || o.fin && !o.done {
		// What one direction gives may be what the other waits for.
		for t.settle(c, 1-d) && len(h.held) > 0 && t.settle(c, d) {
		}
	}
	if t.held > t.cfg.MaxOctets {
		t.shed()
	}
	still := !h.fin && !o.fin && len(h.held) == 0 && len(o.held) == 0
	h.flows, o.flows = still && h.goes(), still && o.goes()
	if h.fin || o.fin {
		t.maybeClose(c)
	}
	return true
}

// validRST follows RFC 9293 section 3.10.7: the sequence number must be in the
// window, and what answers a SYN must acknowledge it.
func validRST(h, o *half, s *capture.Segment) bool {
	if !h.known {
		if s.Flags&capture.ACK == 0 || !o.known {
			return true
		}
		a := o.offset(s.Ack)
		return a >= 0 && a <= o.end()+near
	}
	at := h.offset(s.Seq)
	from := h.next
	if h.acked > 0 {
		from = min(from, h.acked)
	}
	// Many stacks take the number from what they last acknowledged, or probe
	// one octet before.
	return at >= from-1 && at <= max(h.end(), h.cutTo, h.acked)+near
}

// payload gives a segment's octets or holds them.
func (t *Table[T]) payload(c *Conn[T], d Dir, from int64, s *capture.Segment) {
	h, n := &c.half[d], &c.Counters[d]
	b, cut := s.Payload, int64(s.Missing)
	to := from + int64(len(b))
	if h.fin && to+cut > h.finAt {
		n.Ignored++
		if from >= h.finAt {
			return
		}
		to = min(to, h.finAt)
		b = b[:to-from]
		cut = h.finAt - to
	}
	need := t.need(c, d, s)
	if from == h.next && len(h.held) == 0 && need <= c.half[1-d].next {
		if len(b) > 0 {
			t.data(c, d, b, s.Time, s.Frame, s.File)
		}
		if cut > 0 {
			h.cutTo = to + cut
		}
		return
	}
	if from < h.next && len(b) > 0 {
		again := min(to, h.next) - from
		late := h.late(from, from+again)
		n.LateOctets += late
		n.RetransmittedOctets += uint64(again) - late
		n.RetransmittedPackets++
	} else if from > h.next {
		n.OutOfOrder++
	}
	repeated := from < h.next
	x := max(from, h.next)
	i := 0
	if x > h.next && len(h.held) > 0 {
		// Pieces before x do not matter.
		i, _ = slices.BinarySearchFunc(h.held, x, func(p heldPiece, x int64) int {
			if p.to <= x {
				return -1
			}
			return 1
		})
	}
	for x < to {
		limit := to
		if i < len(h.held) {
			limit = min(limit, h.held[i].from)
		}
		if x < limit {
			part := b[x-from : limit-from]
			i -= t.drain(c, d, i) // What was compared, and stands before x.
			if x == h.next && need <= c.half[1-d].next {
				t.data(c, d, part, s.Time, s.Frame, s.File)
				if cut > 0 && limit == to {
					h.cutTo = max(h.cutTo, to+cut)
				}
			} else {
				p := t.hold(c, d, i, x, part, s)
				p.need = need
				if limit == to {
					p.cut = cut
				}
				i++
			}
			x = limit
			continue
		}
		// Octets that are held already: the first win.
		p := &h.held[i]
		limit = min(to, p.to)
		n.ConflictOctets += differing(b[x-from:limit-from], p.data[x-p.from:limit-p.from])
		n.RetransmittedOctets += uint64(limit - x)
		if !repeated {
			repeated = true
			n.RetransmittedPackets++
		}
		x = limit
		i++
	}
	t.drain(c, d, len(h.held))
	// What the snap length cut off right after the octets given needs no piece
	// to remember it.
	if cut > 0 && to <= max(h.next, h.cutTo) {
		h.cutTo = max(h.cutTo, to+cut)
	}
}

// need returns how many octets of the other direction the sender of s had: they
// come before those of s, also where s was captured first.
func (t *Table[T]) need(c *Conn[T], d Dir, s *capture.Segment) int64 {
	o := &c.half[1-d]
	if s.Flags&capture.ACK == 0 || !o.known || o.lags || c.Counters[1-d].Packets == 0 {
		return 0
	}
	a := o.offset(s.Ack)
	if o.fin {
		a = min(a, o.finAt)
	}
	if a > o.end()+far {
		return 0
	}
	return a
}

func differing(a, b []byte) (n uint64) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// hold copies octets ahead of their turn to place i.
func (t *Table[T]) hold(c *Conn[T], d Dir, i int, from int64, b []byte, s *capture.Segment) *heldPiece {
	h := &c.half[d]
	buf := t.pool.Get(len(b))
	copy(buf, b)
	h.held = slices.Insert(h.held, i, heldPiece{
		from: from, to: from + int64(len(b)), data: buf, nth: c.segments,
		at: t.now, time: s.Time, frame: s.Frame, file: s.File,
	})
	h.cost += cap(buf) + pieceCost
	t.held += cap(buf) + pieceCost
	t.touchHeld(c)
	return &h.held[i]
}

// data gives octets that are next.
func (t *Table[T]) data(c *Conn[T], d Dir, b []byte, time int64, frame uint64, file int32) {
	h := &c.half[d]
	c.Counters[d].Delivered += uint64(len(b))
	t.queue = append(t.queue, Event[T]{
		Kind: Data, Dir: d, Conn: c, Data: b, Seq: h.seq(h.next), Offset: uint64(h.next), Time: time, Frame: frame, File: file,
	})
	h.next += int64(len(b))
	h.lags = false
}

// drain gives the held pieces whose turn it is, at most n, and returns how many.
func (t *Table[T]) drain(c *Conn[T], d Dir, n int) int {
	h, o := &c.half[d], &c.half[1-d]
	i := 0
	for ; i < n && h.held[i].from == h.next && h.held[i].need <= o.next; i++ {
		p := &h.held[i]
		t.data(c, d, p.data, p.time, p.frame, p.file)
		if p.cut > 0 {
			h.cutTo = max(h.cutTo, p.to+p.cut)
		}
		t.release = append(t.release, p.data)
		h.cost -= cap(p.data) + pieceCost
		t.held -= cap(p.data) + pieceCost
		*p = heldPiece{}
	}
	if i == 0 {
		return 0
	}
	h.held = h.held[i:]
	if len(h.held) == 0 {
		h.held = nil
		if len(c.half[1-d].held) == 0 {
			t.removeHeld(c)
		}
	}
	return i
}

// gap tells the octets up to to as lost.
func (t *Table[T]) gap(c *Conn[T], d Dir, to int64) {
	h, n := &c.half[d], &c.Counters[d]
	lost := to - h.next
	n.Gaps++
	n.Lost += uint64(lost)
	t.emit(Event[T]{Kind: Gap, Dir: d, Conn: c, Lost: uint64(lost), Seq: h.seq(h.next), Offset: uint64(h.next)})
	h.remember(h.next, to)
	h.next = to
}

// emit queues an event that no octets brought. Its place is the connection's
// last segment, whatever made it: others do not matter to what is told of one.
func (t *Table[T]) emit(ev Event[T]) {
	ev.Time, ev.Frame, ev.File = ev.Conn.Last, ev.Conn.frame, ev.Conn.file
	t.queue = append(t.queue, ev)
}

// settle gives what need not wait any more, tells holes that will not be filled,
// and notes the FIN. It reports whether the direction went on.
func (t *Table[T]) settle(c *Conn[T], d Dir) bool {
	h, o := &c.half[d], &c.half[1-d]
	was := h.next
	for len(h.held) > 0 {
		if t.drain(c, d, len(h.held)) > 0 {
			continue
		}
		p := &h.held[0]
		over := h.cost > t.cfg.MaxConnOctets
		if p.from == h.next {
			// It waits for the other direction only.
			if !over && t.now-p.at < coveredTime && c.segments-p.nth < Patience {
				break
			}
			p.need, o.lags = 0, true
			continue
		}
		if !over && !t.hopeless(c, d, p.from, p.nth, p.at) {
			break
		}
		if over {
			t.counters.GivenUp++
		}
		t.gap(c, d, p.from)
	}
	if h.fin && !h.done && len(h.held) == 0 {
		if h.next < h.finAt && t.hopeless(c, d, h.finAt, h.since, h.when) {
			t.gap(c, d, h.finAt)
		}
		h.done = h.next >= h.finAt
	}
	return h.next > was
}

// hopeless reports whether the hole that ends at to, after which something was
// seen as the nth segment, will stay.
func (t *Table[T]) hopeless(c *Conn[T], d Dir, to int64, nth uint64, seen int64) bool {
	waited := t.now - seen
	if waited >= t.gapAfter {
		return true
	}
	if waited < coveredTime && c.segments-nth < Patience {
		return false
	}
	// The acknowledgement, too, may have been captured before what it
	// acknowledges.
	h := &c.half[d]
	return h.cutTo >= to || c.ackedThen[(c.segments+1)%Patience][d] >= to ||
		h.acked >= to && t.now-h.ackedAt >= coveredTime
}

// maybeClose closes a connection whose both sides have said all.
func (t *Table[T]) maybeClose(c *Conn[T]) {
	for d := range c.half {
		h := &c.half[d]
		if h.done || h.fin && h.acked > h.finAt && c.half[1-d].fin {
			continue // The other side has it all, if the capture has not.
		}
		if !h.fin && c.Counters[d].Packets == 0 && c.half[1-d].done {
			continue // One direction was captured.
		}
		return
	}
	t.close(c, ReasonFIN)
}

// shed gives up holes of the connections that have waited longest, to come back
// under the limit for all.
func (t *Table[T]) shed() {
	for t.held > t.cfg.MaxOctets && t.heldOldest != nil {
		c := t.heldOldest
		t.counters.GivenUp++
		t.flush(c)
	}
}

// flush gives all that is held, and the holes in it. What one direction waits
// for in the other comes first, as far as that can be.
func (t *Table[T]) flush(c *Conn[T]) {
	for {
		next := -1
		for d := range c.half {
			t.drain(c, Dir(d), len(c.half[d].held))
			if held := c.half[d].held; len(held) > 0 && (next < 0 || held[0].need <= c.half[1-d].next) {
				next = d
			}
		}
		if next < 0 {
			return
		}
		h := &c.half[next]
		p := &h.held[0]
		if p.from > h.next {
			t.gap(c, Dir(next), p.from)
		}
		p.need = 0
	}
}

// close ends a connection.
func (t *Table[T]) close(c *Conn[T], reason Reason) {
	if len(c.half[0].held)+len(c.half[1].held) > 0 {
		t.flush(c)
	}
	for i := range c.half {
		d, h := Dir(i), &c.half[i]
		to := max(h.next, h.cutTo)
		switch {
		case h.fin:
			to = max(h.next, h.finAt)
		case h.acked-to > 1 && h.acked-to <= old:
			// Acknowledged and not seen. One octet alone may be a FIN.
			to = h.acked
		}
		if to > h.next {
			t.gap(c, d, to)
		}
	}
	t.counters.Closed++
	t.emit(Event[T]{Kind: Close, Conn: c, Reason: reason})
	t.conns.drop(c.hash, c)
	if t.last == c {
		t.last = nil
	}
	t.remove(c)
	c.closed = true
	t.closed = append(t.closed, c)
	if reason != ReasonIdle && reason != ReasonEvicted {
		t.bury(c) // Those that were only given up may go on.
	}
}

func (t *Table[T]) bury(c *Conn[T]) {
	g := tomb{start: c.Start, time: t.now}
	for i := range c.half {
		h := &c.half[i]
		k := i // Direction from Lo is 0: the client's, unless the client is Hi.
		if c.clientHi {
			k = 1 - i
		}
		g.known[k], g.seq[k] = h.known, h.seq(h.next)
	}
	for t.tombs.Len() >= sureTombs && t.now-t.tombs.Oldest().time > tombTime {
		t.tombs.DropOldest()
	}
	t.tombs.AddHashed(uint32(c.hash), &c.Key, g)
}

// pass tells the time, and closes connections that have been silent too long.
func (t *Table[T]) pass(now int64) {
	t.now = now
	if now >= t.due || now < t.latest {
		t.expire()
	}
	t.latest = max(t.latest, now)
}

// expire closes connections whose time is up. Connections are in order of arrival;
// where the clock was set back, waiting begins anew.
func (t *Table[T]) expire() {
	t.due = math.MaxInt64
	for s := range t.order {
		for c := t.order[s].oldest; c != nil; c = t.order[s].oldest {
			if c.seen > t.now && c.seen-t.now > int64(time.Minute) {
				c.seen = t.now
			}
			if t.now-c.seen < t.idle[s] {
				t.due = min(t.due, c.seen+t.idle[s])
				break
			}
			t.counters.Idle++
			if c.stage == opening {
				t.counters.Unanswered++
			}
			t.close(c, ReasonIdle)
		}
	}
}

// append puts c at the newest end of its stage.
func (t *Table[T]) append(c *Conn[T]) {
	l := &t.order[c.stage]
	c.older, c.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = c
	} else {
		l.oldest = c
	}
	l.newest = c
}

func (t *Table[T]) remove(c *Conn[T]) {
	l := &t.order[c.stage]
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		l.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		l.newest = c.older
	}
	c.older, c.newer = nil, nil
}

func (t *Table[T]) touchHeld(c *Conn[T]) {
	c.heldAt = t.now
	if c.holds {
		if t.heldNewest == c {
			return
		}
		t.removeHeld(c)
	}
	c.holds = true
	c.heldOlder, c.heldNewer = t.heldNewest, nil
	if t.heldNewest != nil {
		t.heldNewest.heldNewer = c
	} else {
		t.heldOldest = c
	}
	t.heldNewest = c
}

func (t *Table[T]) removeHeld(c *Conn[T]) {
	if !c.holds {
		return
	}
	c.holds = false
	if c.heldOlder != nil {
		c.heldOlder.heldNewer = c.heldNewer
	} else {
		t.heldOldest = c.heldNewer
	}
	if c.heldNewer != nil {
		c.heldNewer.heldOlder = c.heldOlder
	} else {
		t.heldNewest = c.heldOlder
	}
	c.heldOlder, c.heldNewer = nil, nil
}
