package store

import (
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"x400flow/schema"
)

func newSpare() *spare {
	return &spare{octets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "spare"}), roomy: maxRoomy}
}

// use takes some batches, fills each with rows and gives all back.
func (s *spare) use(batches int, rows func() int) {
	row := schema.Recipient{Name: schema.ORName{Text: make([]byte, 100)}}
	var taken []*schema.Batch
	for range batches {
		b := s.take()
		for range rows() {
			b.Recipients.Append(&row)
		}
		taken = append(taken, b)
	}
	for _, b := range taken {
		s.put(b)
	}
}

// TestSpareIsFlat has batches go round that differ in size, and for a while many and
// large ones: what is kept follows from what was needed lately alone.
func TestSpareIsFlat(t *testing.T) {
	s := newSpare()
	random := rand.New(rand.NewPCG(1, 2))
	few := func() int { return 500 + random.IntN(500) }
	held := func() int {
		t.Helper()
		n := 0
		for _, b := range s.batches {
			n += b.Held()
			if b.Rows() != 0 {
				t.Error("a batch that is kept has rows")
			}
		}
		if told := testutil.ToFloat64(s.octets); told != float64(n) {
			t.Errorf("%v octets are told of, %d kept", told, n)
		}
		return n
	}
	steady := func() int {
		t.Helper()
		for range lately {
			s.use(4, few)
		}
		if len(s.batches) != 4 {
			t.Errorf("%d batches are kept where 4 are used at a time", len(s.batches))
		}
		return held()
	}
	start := steady()
	for range 5 {
		if now := steady(); now > start*11/10 {
			t.Errorf("%d octets are kept, at first %d", now, start)
		}
	}
	s.use(40, func() int { return 20_000 })
	if burst := held(); len(s.batches) < 40 || burst < 20*start {
		t.Fatalf("%d batches of %d octets after the burst: too few to show anything", len(s.batches), burst)
	}
	if now := steady(); now > start*11/10 {
		t.Errorf("%d octets are kept after a burst, %d before it", now, start)
	}
}

// A batch that a large message made large, in a row or in many, is given up soon.
func TestSpareGivesUpLarge(t *testing.T) {
	s := newSpare()
	s.use(1, func() int { return 50_000 })
	large := s.batches[0].Held()
	for range 3 * lately {
		s.use(1, func() int { return 10 })
	}
	if len(s.batches) != 1 || s.batches[0].Held() > maxRoomy || large < 10*maxRoomy {
		t.Errorf("%d batches, the first of %d octets, once %d", len(s.batches), s.batches[0].Held(), large)
	}
}

// The one used last is in the processor's caches.
func TestSpareTakesTheLast(t *testing.T) {
	s := newSpare()
	a, b := s.take(), s.take()
	s.put(a)
	s.put(b)
	if s.take() != b || s.take() != a {
		t.Error("not the one that was put last")
	}
}

func TestSpareDoesNotAllocate(t *testing.T) {
	s := newSpare()
	row := schema.Recipient{Name: schema.ORName{Text: make([]byte, 100)}}
	run := func() {
		b := s.take()
		for range 1000 {
			b.Recipients.Append(&row)
		}
		s.put(b)
	}
	run()
	if n := testing.AllocsPerRun(4*lately, run); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}
