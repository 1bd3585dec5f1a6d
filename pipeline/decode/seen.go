package decode

import (
	"bytes"
	"hash/maphash"
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
	// maxSeen bounds that memory, and by it how many are looked for.
	maxSeen = 4 << 20
)

// seen are contents that came lately, of those in the same place the newest.
type seen struct {
	room   int    // Octets of memory.
	memory []byte // nil before the first. What is kept follows each other, round and round.
	next   int    // Octets of memory used so far, in all rounds.
	seed   maphash.Seed
	list   []seenContent // nil before the first.
}

// seenContent is a content that is in octets. In a shard's own memory it began at from,
// counted as next is, and is there until that memory is used again.
type seenContent struct {
	hash   uint64
	octets []byte
	from   int
	sum    contentSum
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
	if x.hash == hash && s.next-x.from <= s.room && bytes.Equal(x.octets, content) {
		return x, true
	}
	*x = seenContent{hash: hash, sum: contentSum{number: -1}}
	return x, false
}

// fits reports whether keep takes a content of n octets.
func (s *seen) fits(n int) bool { return n <= s.room/mostSeen }

// after returns where memory of n octets begins, counted as next is, if it is the next.
func (s *seen) after(n int) int {
	if at := s.next % s.room; at+n > s.room {
		return s.next + s.room - at
	}
	return s.next
}

// keep copies a content, and returns the copy and where it begins.
func (s *seen) keep(content []byte) (kept []byte, from int) {
	if s.memory == nil {
		s.memory = make([]byte, s.room)
	}
	from = s.after(len(content))
	s.next = from + len(content)
	kept = s.memory[from%s.room:][:len(content):len(content)]
	copy(kept, content)
	return kept, from
}

// forget forgets contents that were in a batch.
func (s *seen) forget() { clear(s.list) }
