package tcp

import "slices"

// A held piece is octets ahead of their turn, from a segment.
type heldPiece struct {
	from, to int64  // Stream offsets.
	cut      int64  // Octets after it that the snap length cut off.
	need     int64  // What of the other direction its sender had: given before it.
	data     []byte // to-from octets, in a buffer of the table's pool.
	nth      uint64 // The connection's segment count when it came.
	at       int64  // When it came, by the table's clock.
	time     int64  // Capture time.
	frame    uint64
	file     int32
}

// pieceCost is what a held piece costs besides its buffer.
const pieceCost = 104

// maxGaps bounds the gaps that a direction remembers, to tell late octets from
// retransmitted ones.
const maxGaps = 8

type span struct{ from, to int64 }

// A half is one direction of a connection. Its octets are numbered from the
// one after the SYN, or the first one seen, which is 0. What each segment needs comes
// first, in a cache line.
type half struct {
	known   bool   // A segment was seen: the fields below mean something.
	done    bool   // The FIN was reached.
	fin     bool   // The FIN was seen, at finAt.
	lags    bool   // What the other side acknowledged did not come: it is waited for no more.
	flows   bool   // It goes, nothing is held in the connection, and no FIN was seen in it.
	base    uint32 // Sequence number of octet 0.
	wild    int32  // Segments in a row that were far from next.
	next    int64  // The next octet to give.
	acked   int64  // The other side has all before it.
	ackedAt int64  // When acked moved.

	held  []heldPiece // In order, without overlap.
	cost  int         // Of held.
	finAt int64
	cutTo int64  // The snap length cut off what is between next and it.
	gaps  []span // The last ones.
	since uint64 // Segment count when the FIN came, for the hole before it.
	when  int64  // Its time.
}

func (h *half) seq(off int64) uint32 { return h.base + uint32(off) }

// goes reports whether all that a further segment's octets are asked is whether they are next.
func (h *half) goes() bool { return h.known && !h.lags && h.wild == 0 }

// offset returns the stream offset nearest to next that a sequence number may
// mean.
func (h *half) offset(seq uint32) int64 {
	return h.next + int64(int32(seq-h.seq(h.next)))
}

// end returns the end of what was seen.
func (h *half) end() int64 {
	e := h.next
	if n := len(h.held); n > 0 {
		e = h.held[n-1].to
	}
	return e
}

// late reports how many octets of [from, to), which are before next, were told
// as lost or stand before the start.
func (h *half) late(from, to int64) uint64 {
	var n int64
	if from < 0 {
		n = min(to, 0) - from
	}
	for _, g := range h.gaps {
		if o := min(to, g.to) - max(from, g.from); o > 0 {
			n += o
		}
	}
	return uint64(min(n, to-from))
}

func (h *half) remember(from, to int64) {
	if n := len(h.gaps); n > 0 && h.gaps[n-1].to == from {
		h.gaps[n-1].to = to
		return
	}
	if len(h.gaps) == maxGaps {
		h.gaps = slices.Delete(h.gaps, 0, 1)
	}
	h.gaps = append(h.gaps, span{from, to})
}
