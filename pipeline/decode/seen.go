package decode

import (
	"bytes"
	"hash/maphash"

	"x400flow/x411"
)

// A content is relayed as it is, so that where traffic into and out of an MTA is seen, or
// over several hops, each comes more than once, soon after. It is then known by comparing it
// with one that came before, which takes a small part of the time that its digest takes, and
// is not put into a batch again. Contents that a batch has are compared there. Where they are not
// put into a batch, a shard keeps the latest ones, which also wait there for their digests.
const (
	// leastSeen is the size from which contents are looked for.
	leastSeen = 1 << 10
	// seenFront and seenBack are the octets of a content that tell which may be equal.
	seenFront, seenBack = 256, 64
	// mostSeen is the part of the memory for contents that one may have.
	mostSeen = 8
	// maxSeen bounds that memory, in which each has leastHeld at least.
	maxSeen   = 2 << 20
	leastHeld = 1 << 10
)

// seen are contents that came lately, of those in the same place the newest.
type seen struct {
	room int // Octets of memory.
	seed maphash.Seed
	list []seenContent // nil before the first.

	// The buffers that contents are in have numbers from first to next, and octets in all. They
	// are in held, round and round.
	held                []heldBuffer // nil before the first.
	first, next, octets int
}

// heldBuffer is a buffer and where the content in it is found, nil where it is not.
type heldBuffer struct {
	buffer []byte
	of     *seenContent
}

// seenContent is a content that is in octets. Unless a batch has these, they are in the buffer with
// number from, and there as long as that is.
type seenContent struct {
	hash   uint64
	octets []byte
	from   int
	sum    contentSum
	// file is the digest of the last file in it that was digested with contents, of those at
	// fileAt.
	file   contentSum
	fileAt x411.Range
}

// find returns the place of a content, nil where it is too short to be looked for, and whether
// it is there.
func (s *seen) find(content []byte) (x *seenContent, again bool) {
	n := len(content)
	if n < leastSeen {
		return nil, false
	}
	if s.list == nil {
		s.seed, s.list = maphash.MakeSeed(), make([]seenContent, max(s.room/leastSeen, 1))
	}
	// It is of few octets, since contents that may be equal are compared.
	hash := maphash.Bytes(s.seed, content[:seenFront]) + maphash.Bytes(s.seed, content[n-seenBack:])
	x = &s.list[hash%uint64(len(s.list))]
	if x.hash == hash && x.from >= s.first && bytes.Equal(x.octets, content) {
		return x, true
	}
	*x = seenContent{hash: hash, sum: contentSum{number: -1}, file: contentSum{number: -1}}
	return x, false
}

// charge is how much memory a buffer counts as.
func charge(buffer []byte) int { return max(cap(buffer), leastHeld) }

// fits reports whether a buffer may be held: it can be much larger than its content.
func (s *seen) fits(buffer []byte) bool { return charge(buffer) <= s.room/2 }

// full reports whether another one must go before a buffer is held.
func (s *seen) full(buffer []byte) bool { return s.octets+charge(buffer) > s.room }

// hold holds a buffer of the content that is found at x, and returns its number.
func (s *seen) hold(buffer []byte, x *seenContent) int {
	if s.held == nil {
		s.held = make([]heldBuffer, s.room/leastHeld)
	}
	s.held[s.next%len(s.held)] = heldBuffer{buffer, x}
	s.octets += charge(buffer)
	s.next++
	return s.next - 1
}

// drop returns the oldest buffer, which is held no more. What told of it would keep its memory.
func (s *seen) drop() (buffer []byte) {
	at := &s.held[s.first%len(s.held)]
	buffer = at.buffer
	if x := at.of; x != nil && x.from == s.first {
		x.octets = nil
	}
	*at = heldBuffer{}
	s.octets -= charge(buffer)
	s.first++
	return buffer
}

// forget forgets contents that were in a batch.
func (s *seen) forget() { clear(s.list) }
