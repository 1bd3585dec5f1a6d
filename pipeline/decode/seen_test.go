package decode

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"x400flow/schema"
)

// random returns octets that are the same each time.
func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Contents that come again, that look like others, or whose memory was used for others
// meanwhile, have their own digests.
func TestDigestOfContentsSeen(t *testing.T) {
	const room = 64 << 10
	s := seen{room: room}
	r := rand.New(rand.NewPCG(1, 2))
	in := make([]byte, 0, room)
	again := 0
	for i := range 5000 {
		n := []int{0, schema.LeastSeen - 1, schema.LeastSeen, schema.LeastSeen + 1, 3000, room/mostSeen - 1, room / mostSeen, room/mostSeen + 1, room}[r.IntN(9)]
		want := random(uint64(n+r.IntN(2)), n)
		if r.IntN(3) == 0 && n > 0 {
			want[n/2]++ // Looks like another.
		}
		content := append(in[:0], want...)
		before := s.credit
		if got := s.digest(content); got != sha256.Sum256(want) {
			t.Fatalf("content %d of %d octets: wrong digest", i, n)
		}
		if s.credit > before && s.memory != nil {
			again++
		}
		clear(content)
	}
	if again < 100 {
		t.Errorf("%d contents came again", again)
	}
	if len(s.memory) != room {
		t.Errorf("%d octets of memory", len(s.memory))
	}
}

// Where none comes again, few are kept; where all do again, they are found again.
func TestSeenCredit(t *testing.T) {
	s := seen{room: maxSeen}
	for i := range maxSeenCredit + 1000 {
		s.digest(random(uint64(i), schema.LeastSeen))
	}
	if kept := s.next / schema.LeastSeen; kept < maxSeenCredit || kept > maxSeenCredit+1000/4 {
		t.Errorf("%d contents were kept", kept)
	}
	list := make([][]byte, 100)
	for i := range list {
		list[i] = random(uint64(1e6+i), schema.LeastSeen)
	}
	before := 0
	for range 20 {
		before = s.next
		for _, content := range list {
			if s.digest(bytes.Clone(content)) != sha256.Sum256(content) {
				t.Fatal("wrong digest")
			}
		}
	}
	if s.next-before > len(list)/4*schema.LeastSeen { // Two of one place take turns.
		t.Errorf("%d octets were kept again", s.next-before)
	}
}

func TestSeenAllocations(t *testing.T) {
	s := seen{room: maxSeen}
	contents := [][]byte{random(1, 20_000), random(2, 20_000)}
	next := 0
	all := func() {
		for range 2 {
			for _, c := range contents {
				c[next%len(c)]++
				next++
				s.digest(c)
				s.digest(c)
			}
		}
	}
	all()
	if n := testing.AllocsPerRun(100, all); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A single content that comes again is found, however long none did.
func TestSeenAgain(t *testing.T) {
	s := seen{room: maxSeen}
	for i := range maxSeenCredit + 1000 {
		s.digest(random(uint64(i), schema.LeastSeen))
	}
	content := random(1e6, schema.LeastSeen)
	for range 16*seenTurn + 2 {
		s.digest(content)
	}
	if s.credit == 0 {
		t.Error("a content that came again was passed over all the time")
	}
}
