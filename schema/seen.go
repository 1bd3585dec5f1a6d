package schema

import (
	"bytes"
	"crypto/sha256"
	"hash/maphash"
	"unsafe"
)

// A content is relayed as it is, so that where traffic into and out of an MTA is seen, or
// over several hops, each comes more than once, soon after. It is then known by comparing
// it with one that the batch has, which takes a small part of the time that its digest takes,
// and is not copied again.
const (
	// LeastSeen is the size from which contents are looked for.
	LeastSeen = 1 << 10
	// seenContents is how many are remembered.
	seenContents = 512
	// seenFront and seenBack are the octets of a content that tell which may be equal.
	seenFront, seenBack = 256, 64
)

// seen are contents that a batch has, of those in the same place the newest.
type seen struct {
	seed maphash.Seed
	list []seenContent // nil before the first.

	// The content digested last, its place, nil where it is too short, and hash; and its octets
	// as the batch has them already, or nil.
	content []byte
	at      *seenContent
	hash    uint64
	sum     [sha256.Size]byte
	earlier []byte
}

type seenContent struct {
	hash   uint64
	octets []byte // As the batch has them.
	digest [sha256.Size]byte
}

// Fingerprint tells which contents, of LeastSeen octets or more, may be equal. It is of few
// octets, since those that may be are compared.
func Fingerprint(seed maphash.Seed, content []byte) uint64 {
	return maphash.Bytes(seed, content[:seenFront]) + maphash.Bytes(seed, content[len(content)-seenBack:])
}

// Digest returns the SHA-256 of a content, which is taken anew only when the batch
// does not have that content.
func (b *Batch) Digest(content []byte) [sha256.Size]byte {
	s := &b.seen
	s.content, s.at, s.earlier = content, nil, nil
	if len(content) < LeastSeen {
		return sha256.Sum256(content)
	}
	if s.list == nil {
		s.seed, s.list = maphash.MakeSeed(), make([]seenContent, seenContents)
	}
	s.hash = Fingerprint(s.seed, content)
	s.at = &s.list[s.hash%seenContents]
	if s.at.hash == s.hash && bytes.Equal(s.at.octets, content) {
		s.earlier, s.sum = s.at.octets, s.at.digest
	} else {
		s.sum = sha256.Sum256(content)
	}
	return s.sum
}

// AppendContent appends the row of a content; those of its body parts come after it.
// Texts of these in r.Content, of Shared octets or more, are not copied once more. Nor is
// r.Content if Digest was called for it last and found that the batch has it.
func (b *Batch) AppendContent(r *Content) {
	s := &b.seen
	last := len(r.Content) > 0 && len(r.Content) == len(s.content) && unsafe.SliceData(r.Content) == unsafe.SliceData(s.content)
	contents, parts := &b.Contents.held, &b.BodyParts.held
	contents.of, contents.in = nil, nil
	if last && s.earlier != nil {
		contents.of, contents.in = r.Content, s.earlier
	}
	b.Contents.Append(r)
	parts.of, parts.in = nil, nil
	if len(r.Content) == 0 {
		return
	}
	kept := b.Contents.Content.last(len(r.Content))
	parts.of, parts.in = r.Content, kept
	if last && s.at != nil {
		*s.at = seenContent{s.hash, kept, s.sum}
	}
}

// reset forgets the contents.
func (s *seen) reset() {
	clear(s.list)
	s.content, s.at, s.earlier = nil, nil, nil
}
