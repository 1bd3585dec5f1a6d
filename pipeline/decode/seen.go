package decode

import (
	"bytes"
	"crypto/sha256"
	"hash/maphash"

	"x400flow/schema"
)

// A content that comes again (see schema.Batch.Digest) is known by comparing it with one that
// came before. Where contents are not put into a batch, a shard keeps the latest ones for that.
const (
	// mostSeen is the part of the memory for contents that one may have.
	mostSeen = 8
	// maxSeen bounds that memory.
	maxSeen = 4 << 20
	// seenContents is how many are remembered.
	seenContents = 4096
	// seenEarns is how many contents may be kept for one that is found: to compare one takes
	// a tenth of the time that its digest takes, and so does keeping one. Without credit only
	// a sixteenth of all is looked for and kept, another one after seenTurn were passed over.
	seenEarns     = 8
	maxSeenCredit = 512
	seenTurn      = 256
)

// seen are contents that came lately.
type seen struct {
	room   int // Octets of memory, 0 for none.
	seed   maphash.Seed
	memory []byte // nil before the first. What is kept follows each other, round and round.
	next   int    // Octets of memory used so far, in all rounds.
	list   []seenContent
	credit int
	passed uint64 // Contents that were not looked for.
}

// seenContent is a content that began at from, counted as next is. It is there until the
// memory is used again.
type seenContent struct {
	hash       uint64
	from, size int
	digest     [sha256.Size]byte
}

// digest returns the SHA-256 of a content.
func (s *seen) digest(content []byte) [sha256.Size]byte {
	n := len(content)
	if n < schema.LeastSeen || n > s.room/mostSeen {
		return sha256.Sum256(content)
	}
	if s.memory == nil {
		s.seed, s.credit = maphash.MakeSeed(), maxSeenCredit
		s.memory, s.list = make([]byte, s.room), make([]seenContent, seenContents)
	}
	hash := schema.Fingerprint(s.seed, content)
	if s.credit == 0 && hash>>60 != s.passed/seenTurn%16 {
		s.passed++
		return sha256.Sum256(content)
	}
	x := &s.list[hash%seenContents]
	if x.hash == hash && x.size == n && s.next-x.from <= s.room {
		if at := x.from % s.room; bytes.Equal(s.memory[at:at+n], content) {
			s.credit = min(s.credit+seenEarns, maxSeenCredit)
			return x.digest
		}
	}
	s.credit = max(s.credit-1, 0)
	at := s.next % s.room
	if at+n > s.room {
		s.next += s.room - at
		at = 0
	}
	copy(s.memory[at:], content)
	x.hash, x.from, x.size, x.digest = hash, s.next, n, sha256.Sum256(content)
	s.next += n
	return x.digest
}
