package store

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/schema"
)

// spare keeps batches to be used again: as many, and as large ones, as were needed lately.
// Left to themselves, all would in time become as large as the largest block of rows that
// ever was has made one.
type spare struct {
	octets prometheus.Gauge
	// roomy is what a batch may hold beyond twice what was needed: little in each table.
	roomy int

	mu sync.Mutex
	// batches are taken from the end, so that few go round, and what is in the
	// processor's caches.
	batches []*schema.Batch
	// idle is how many there were at the least since need turned: so many, from the
	// first, were not needed.
	idle int
	need need
}

// maxRoomy bounds spare.roomy.
const maxRoomy = 1 << 20

// take returns an empty batch.
func (s *spare) take() *schema.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.batches) - 1
	if n < 0 {
		return new(schema.Batch)
	}
	b := s.batches[n]
	s.batches[n] = nil
	s.batches = s.batches[:n]
	s.idle = min(s.idle, n)
	s.octets.Sub(float64(b.Held()))
	return b
}

// put keeps a batch for others, or leaves it to the collector.
func (s *spare) put(b *schema.Batch) {
	used := b.Bytes()
	b.Reset()
	held := b.Held()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.need.add(used) {
		for _, b := range s.batches[:s.idle] {
			s.octets.Sub(float64(b.Held()))
		}
		n := copy(s.batches, s.batches[s.idle:])
		clear(s.batches[n:])
		s.batches = s.batches[:n]
		s.idle = n
	}
	if held <= 2*s.need.most()+s.roomy {
		s.batches = append(s.batches, b)
		s.octets.Add(float64(held))
	}
}

// need is how much was needed at most, of the last lately uses or up to twice as many.
type need struct{ before, now, uses int }

const lately = 32

// add counts a use, and reports whether as many are forgotten as it began with.
func (n *need) add(v int) (turned bool) {
	if n.uses == lately {
		n.before, n.now, n.uses = n.now, 0, 0
		turned = true
	}
	n.now = max(n.now, v)
	n.uses++
	return turned
}

func (n *need) most() int { return max(n.before, n.now) }
