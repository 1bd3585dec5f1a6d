package buffers

import "testing"

func TestPool(t *testing.T) {
	var p Pool
	for _, c := range []struct{ n, size int }{{1, 64}, {64, 64}, {65, 128}, {1460, 2048}, {1 << 16, 1 << 16}, {1<<16 + 1, 1<<16 + 1}} {
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
