package tcp

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"x400flow/pipeline/capture"
)

// TestIndexAlike has three connections whose keys have one hash, and takes them out in
// each order.
func TestIndexAlike(t *testing.T) {
	const hash = 7
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		x := newIndex[int]()
		conns := make([]*Conn[int], 3)
		for i := range conns {
			conns[i] = &Conn[int]{Key: capture.FlowKey{LoPort: uint16(i)}}
			x.put(hash, conns[i])
		}
		held := map[*Conn[int]]bool{conns[0]: true, conns[1]: true, conns[2]: true}
		for _, i := range order {
			x.drop(hash, conns[i])
			delete(held, conns[i])
			for _, c := range conns {
				if got := x.at(hash, &c.Key); (got == c) != held[c] || got != nil && got != c {
					t.Fatalf("%v: without %d, %v is found as %v", order, i, c.Key, got)
				}
			}
			n := 0
			for c := range x.all() {
				if n++; !held[c] {
					t.Fatalf("%v: %v is still there", order, c.Key)
				}
			}
			if n != len(held) || x.len() != n {
				t.Fatalf("%v: %d connections, of %d, for %d", order, n, x.len(), len(held))
			}
		}
	}
}

// TestIndex adds and removes connections whose hashes have few values, near the end of the
// places, and holds the index to a map.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	x, held := newIndex[int](), map[capture.FlowKey]*Conn[int]{}
	hash := func(k *capture.FlowKey) uint64 { return ^uint64(k.LoPort % 7) }
	for round := range 20_000 {
		k := capture.FlowKey{LoPort: uint16(random.IntN(300))}
		if random.IntN(300) < 20+round/100 { // Many at first, few in the end.
			if c := held[k]; c != nil {
				x.drop(hash(&k), c)
				delete(held, k)
			}
		} else if held[k] == nil {
			c := &Conn[int]{Key: k}
			x.put(hash(&k), c)
			held[k] = c
		}
		if k.LoPort = uint16(random.IntN(300)); x.at(hash(&k), &k) != held[k] {
			t.Fatalf("round %d: %v is found as %v", round, k, x.at(hash(&k), &k))
		}
	}
	n := 0
	for c := range x.all() {
		if n++; held[c.Key] != c {
			t.Fatalf("%v is still there", c.Key)
		}
	}
	if n != len(held) || x.len() != n || n == 0 {
		t.Fatalf("%d connections, of %d, for %d", n, x.len(), len(held))
	}
}

// TestLines says which parts of a connection lie in cache lines of their own.
func TestLines(t *testing.T) {
	// The allocator puts so much before a value with pointers of more than 512 octets.
	const header, line = 8, 64
	var c Conn[[64]byte]
	for name, at := range map[string]uintptr{
		"segments": unsafe.Offsetof(c.segments), "half": unsafe.Offsetof(c.half), "ackedThen": unsafe.Offsetof(c.ackedThen),
		"Counters": unsafe.Offsetof(c.Counters), "State": unsafe.Offsetof(c.State),
	} {
		if (header+at)%line != 0 {
			t.Errorf("%s begins %d octets behind a line's beginning", name, (header+at)%line)
		}
	}
	if n := unsafe.Sizeof(half{}); n%line != 0 {
		t.Errorf("a direction has %d octets", n)
	}
}
