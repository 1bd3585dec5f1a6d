// Package buffers lends memory for octets that are held for a while.
//
// A [Pool] keeps what is given back, up to a bound, and lends it again, so that
// the many small and short loans of a goroutine cost neither an allocation nor
// the collector's time. What is lent holds octets of earlier loans.
package buffers

import "math/bits"

const (
	minClass = 6  // 64 octets.
	maxClass = 16 // 64 KiB.
	// maxKept bounds the octets that a pool keeps.
	maxKept = 8 << 20
)

// A Pool lends buffers in sizes that are powers of two, from 64 octets to 64 KiB.
// Larger ones are made and left to the collector. The zero value is ready; it
// belongs to one goroutine.
type Pool struct {
	// Each bounds the buffers of a size that are kept; 0: only the octets of all are bounded.
	Each int

	free [maxClass + 1 - minClass][][]byte
	kept int
}

func class(n int) int { return max(minClass, bits.Len(uint(n-1))) }

// Get returns a buffer of n > 0 octets, of any value.
func (p *Pool) Get(n int) []byte {
	if n > 1<<maxClass {
		return make([]byte, n)
	}
	c := class(n)
	list := &p.free[c-minClass]
	if k := len(*list); k > 0 {
		b := (*list)[k-1]
		(*list)[k-1] = nil
		*list = (*list)[:k-1]
		p.kept -= cap(b)
		return b[:n]
	}
	return make([]byte, n, 1<<c)
}

// Put takes back a buffer that Get returned. Others are left to the collector.
func (p *Pool) Put(b []byte) {
	c := class(cap(b))
	if c > maxClass || cap(b) != 1<<c || p.kept+cap(b) > maxKept {
		return
	}
	list := &p.free[c-minClass]
	if p.Each > 0 && len(*list) >= p.Each {
		return
	}
	*list = append(*list, b)
	p.kept += cap(b)
}
