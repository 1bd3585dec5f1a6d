package capture

import "slices"

// maxDatagram is the largest IP payload.
const maxDatagram = 65535

// maxFragments bounds the separate pieces that a datagram may be in.
const maxFragments = 1024

// datagramCost is what a datagram costs besides its octets.
const datagramCost = 256

// Datagrams kept for use again are bounded in number and size: their buffers
// count as held as soon as they are used.
const (
	maxSpare       = 16
	maxSpareOctets = 4096
)

type fragmentKey struct {
	src, dst [16]byte
	id       uint32
	family   uint8
	protocol uint8 // Of IPv4; IPv6's identification is for all protocols.
}

// A piece is a range of octets that has come.
type piece struct{ from, to int }

// A datagram is an IP payload that is being put together.
type datagram struct {
	key       fragmentKey
	buf       []byte
	pieces    []piece // In order; none touches the next.
	end       int     // Its length, -1 while the last fragment has not come.
	next      uint8   // What the first fragment says it carries.
	fragments uint64
	time      int64 // Of the first to come.

	older, newer *datagram // In the table.
}

// octets returns the whole payload.
func (g *datagram) octets() []byte { return g.buf[:g.end] }

// fragments is a bounded table of datagrams in order of age.
type fragments struct {
	maxOctets    int
	maxDatagrams int
	timeout      int64
	counters     *Counters

	table          map[fragmentKey]*datagram
	oldest, newest *datagram
	octets         int
	done           []*datagram // Given to the caller, for use again at the next frame.
	spare          []*datagram
}

// add puts a fragment in and returns its datagram if that is whole now. The
// datagram is the caller's until recycle. Where fragments overlap, the octets
// that came first win (RFC 5722 would drop the datagram; a receiver that does
// not is better shown than hidden).
func (t *fragments) add(k *fragmentKey, off int, more bool, next uint8, b []byte, cut int, now int64) *datagram {
	t.expire(now)
	end := off + len(b)
	if end > maxDatagram || more && (len(b)+cut)%8 != 0 || len(b) == 0 {
		t.counters.FragmentsMalformed++
		return nil
	}
	g := t.table[*k]
	if g == nil {
		g = t.make()
		g.key, g.time = *k, now
		t.table[*k] = g
		g.older = t.newest
		if t.newest != nil {
			t.newest.newer = g
		} else {
			t.oldest = g
		}
		t.newest = g
		t.octets += datagramCost
	}
	known := 0
	if n := len(g.pieces); n > 0 {
		known = g.pieces[n-1].to
	}
	wireEnd := end + cut
	if g.end >= 0 && (wireEnd > g.end || !more && wireEnd != g.end) || g.end < 0 && !more && known > wireEnd || len(g.pieces) >= maxFragments {
		t.counters.FragmentsMalformed++
		return nil
	}
	g.fragments++
	if !more {
		g.end = wireEnd
	}
	if off == 0 {
		g.next = next
	}
	before := cap(g.buf)
	if end > len(g.buf) {
		if end > cap(g.buf) {
			g.buf = slices.Grow(g.buf, end-len(g.buf))
		}
		g.buf = g.buf[:end]
	}
	t.octets += cap(g.buf) - before
	if g.insert(off, b) {
		t.counters.FragmentsOverlap++
	}
	if g.end >= 0 && len(g.pieces) == 1 && g.pieces[0] == (piece{0, g.end}) {
		t.counters.Reassembled++
		t.remove(g)
		t.done = append(t.done, g)
		return g
	}
	for t.octets > t.maxOctets || len(t.table) > t.maxDatagrams {
		t.lose(t.oldest)
	}
	return nil
}

// insert copies the octets that are new and reports whether some were not.
func (g *datagram) insert(off int, b []byte) (overlap bool) {
	end := off + len(b)
	// The pieces that touch or overlap the new one become one with it.
	i, _ := slices.BinarySearchFunc(g.pieces, off, func(p piece, off int) int {
		if p.to < off {
			return -1
		}
		return 1
	})
	j, at := i, off
	merged := piece{off, end}
	for ; j < len(g.pieces) && g.pieces[j].from <= end; j++ {
		p := g.pieces[j]
		if p.from > at {
			copy(g.buf[at:p.from], b[at-off:])
		}
		if p.to > off && p.from < end {
			overlap = true
		}
		at = max(at, p.to)
		merged.from = min(merged.from, p.from)
		merged.to = max(merged.to, p.to)
	}
	if at < end {
		copy(g.buf[at:end], b[at-off:])
	}
	g.pieces = slices.Replace(g.pieces, i, j, merged)
	return overlap
}

// expire gives up datagrams that have waited too long. A clock that was set
// back far makes them wait anew.
func (t *fragments) expire(now int64) {
	for g := t.oldest; g != nil; g = t.oldest {
		age := now - g.time
		if age < -t.timeout {
			g.time = now
		}
		if age <= t.timeout {
			return
		}
		t.lose(g)
	}
}

func (t *fragments) lose(g *datagram) {
	t.counters.DatagramsLost++
	t.counters.FragmentsLost += g.fragments
	t.remove(g)
	t.keep(g)
}

func (t *fragments) remove(g *datagram) {
	delete(t.table, g.key)
	if g.older != nil {
		g.older.newer = g.newer
	} else {
		t.oldest = g.newer
	}
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		t.newest = g.older
	}
	g.older, g.newer = nil, nil
	t.octets -= datagramCost + cap(g.buf)
}

// recycle takes back what add gave.
func (t *fragments) recycle() {
	for i, g := range t.done {
		t.keep(g)
		t.done[i] = nil
	}
	t.done = t.done[:0]
}

func (t *fragments) keep(g *datagram) {
	if len(t.spare) < maxSpare && cap(g.buf) <= maxSpareOctets {
		t.spare = append(t.spare, g)
	}
}

func (t *fragments) make() *datagram {
	g := &datagram{}
	if n := len(t.spare); n > 0 {
		g, t.spare = t.spare[n-1], t.spare[:n-1]
	}
	*g = datagram{buf: g.buf[:0], pieces: g.pieces[:0], end: -1}
	t.octets += cap(g.buf)
	return g
}
