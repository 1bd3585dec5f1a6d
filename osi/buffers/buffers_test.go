package buffers

import (
	"runtime/debug"
	"testing"
)

func TestPool(t *testing.T) {
	var p Pool
	for _, c := range []struct{ n, size int }{{1, 64}, {64, 64}, {65, 96}, {97, 128}, {1460, 1536}, {1537, 2048}, {1 << 16, 1 << 16}, {1<<16 + 1, 1<<16 + 1}} {
		b := p.Get(c.n)
		if len(b) != c.n || cap(b) < c.size {
			t.Errorf("Get(%d): %d octets of %d", c.n, len(b), cap(b))
		}
		b[0] = 7
		p.Put(b)
		again := p.Get(c.n)
		if kept := &again[0] == &b[0]; kept != (c.n <= 1<<16) {
			t.Errorf("%d octets: lent again: %t", c.n, kept)
		}
	}
}

func TestOthersAreNotKept(t *testing.T) {
	var p Pool
	for _, n := range []int{0, 1, 63, 100, 1<<16 - 1, 1 << 17} {
		p.Put(make([]byte, 0, n))
	}
	if p.kept != 0 {
		t.Errorf("%d octets are kept", p.kept)
	}
}

func TestBound(t *testing.T) {
	var p Pool
	var lent [][]byte
	for range 2 * maxKept >> 16 {
		lent = append(lent, p.Get(1<<16))
	}
	for _, b := range lent {
		p.Put(b)
	}
	if p.kept != maxKept {
		t.Errorf("%d octets are kept, want %d", p.kept, maxKept)
	}
}

func TestEach(t *testing.T) {
	p := Pool{Each: 2}
	for range 3 {
		p.Put(make([]byte, 64))
		p.Put(make([]byte, 128))
	}
	if p.kept != 2*(64+128) {
		t.Errorf("%d octets are kept", p.kept)
	}
}

// TestSpare has more given back than is kept: what is beyond the bound is lent again, too,
// as long as the collector has not come by.
func TestSpare(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	p := Pool{Each: 2}
	given := map[*byte]bool{}
	for range 20 {
		b := make([]byte, 3000, 3072)
		given[&b[0]] = true
		p.Put(b)
	}
	again := 0
	for range 20 {
		b := p.Get(2500)
		if len(b) != 2500 || cap(b) != 3072 {
			t.Fatalf("%d octets of %d", len(b), cap(b))
		}
		if given[&b[0]] {
			again++
			delete(given, &b[0]) // Nobody else has it now.
		}
	}
	// The race detector has some forgotten.
	if again <= p.Each {
		t.Errorf("%d are lent again", again)
	}
	if b := p.Get(2500); given[&b[0]] {
		t.Error("more are lent than there are")
	}
}

func TestDoesNotAllocate(t *testing.T) {
	var p Pool
	run := func() {
		a, b := p.Get(1000), p.Get(3000)
		p.Put(a)
		p.Put(b)
	}
	if run(); testing.AllocsPerRun(100, run) != 0 {
		t.Error("a loan allocates")
	}
}
