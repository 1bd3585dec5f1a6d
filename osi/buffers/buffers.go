// Package buffers lends memory for octets that are held for a while.
//
// A [Pool] keeps what is given back and lends it again, so that the many small and short
// loans of a goroutine cost neither an allocation nor the collector's time. What it keeps
// itself is bounded; more than that, of very many at once, is left to the collector, and
// lent until that has come by. What is lent holds octets of earlier loans.
package buffers

import "math/bits"

const (
	minClass = 6  // 64 octets.
	maxClass = 16 // 64 KiB.
	// maxKept bounds the octets that a pool keeps.
	maxKept = 8 << 20
)

// A Pool lends buffers in sizes that are powers of two and those half way between, from 64
// octets to 64 KiB. Larger ones are made and left to the collector. The zero value is ready;
// it belongs to one goroutine.
type Pool struct {
	// Each bounds the buffers of a size that are kept; 0: only the octets of all are bounded.
	Each int

	free  [2*(maxClass-minClass) + 1][][]byte
	kept  int
	spare spare
}

// class returns the class of the smallest buffers that hold n octets, and their size.
func class(n int) (class, size int) {
	k := max(minClass, bits.Len(uint(n-1)))
	if half := 3 << (k - 2); n <= half && k > minClass {
		return 2*(k-minClass) - 1, half
	}
	return 2 * (k - minClass), 1 << k
}

// Get returns a buffer of n > 0 octets, of any value.
func (p *Pool) Get(n int) []byte {
	if n > 1<<maxClass {
		return make([]byte, n)
	}
	c, size := class(n)
	list := &p.free[c]
	if k := len(*list); k > 0 {
		b := (*list)[k-1]
		(*list)[k-1] = nil
		*list = (*list)[:k-1]
		p.kept -= cap(b)
		return b[:n]
	}
	if b := p.spare.get(c, size); b != nil {
		return b[:n]
	}
	return make([]byte, n, size)
}

// Put takes back a buffer that Get returned. Others are left to the collector.
func (p *Pool) Put(b []byte) {
	if cap(b) == 0 || cap(b) > 1<<maxClass {
		return
	}
	c, size := class(cap(b))
	if cap(b) != size {
		return
	}
	list := &p.free[c]
	if p.kept+size > maxKept || p.Each > 0 && len(*list) >= p.Each {
		p.spare.put(c, b)
		return
	}
	*list = append(*list, b)
	p.kept += size
}
