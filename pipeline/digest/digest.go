// Package digest takes the SHA-256 (FIPS 180-4) of many octet strings, two at a time.
//
// Of one string each round of SHA-256 waits for the one before, for as long as the CPU could do
// two rounds in. Where it has instructions for SHA-256, two strings are digested in turns,
// which takes half as long; elsewhere package crypto/sha256 takes one after the other.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// List is octet strings to be digested together. The zero value is an empty list. It belongs
// to one goroutine at a time.
type List struct {
	items []item
	order []uint64 // Those that no lane has begun, the longest last.
	lanes [2]lane
}

type item struct {
	octets []byte
	sum    [sha256.Size]byte
}

// Add adds octets, which must not change until Take, and returns their number in the list.
func (l *List) Add(octets []byte) int {
	l.items = append(l.items, item{octets: octets})
	return len(l.items) - 1
}

// Octets returns those with number i.
func (l *List) Octets(i int) []byte { return l.items[i].octets }

// Move says that those with number i are in octets, too, from now on.
func (l *List) Move(i int, octets []byte) { l.items[i].octets = octets }

// Sum returns the digest of those with number i, which is there from Take to Reset.
func (l *List) Sum(i int) *[sha256.Size]byte { return &l.items[i].sum }

// Reset empties the list, and keeps its memory.
func (l *List) Reset() {
	for i := range l.items {
		l.items[i].octets = nil
	}
	l.items = l.items[:0]
}

// Take takes the digests of all, in time that grows with their octets.
func (l *List) Take() {
	if !twofold || len(l.items) < 2 {
		for i := range l.items {
			x := &l.items[i]
			x.sum = sha256.Sum256(x.octets)
		}
		return
	}
	// The longest ones first, so that none is left alone for long.
	l.order = l.order[:0]
	for i := range l.items {
		l.order = append(l.order, uint64(len(l.items[i].octets))<<32|uint64(i))
	}
	slices.Sort(l.order)
	one, two := &l.lanes[0], &l.lanes[1]
	for l.load(one) && l.load(two) {
		n := min(len(one.octets), len(two.octets)) / sha256.BlockSize
		blocks(&one.state, &two.state, &one.octets[0], &two.octets[0], n)
		one.taken(n)
		two.taken(n)
	}
	// None is left to go with it: what the other lane makes is thrown away.
	last, idle := one, two
	if last.item == nil {
		last, idle = two, one
	}
	for last.item != nil {
		n := len(last.octets) / sha256.BlockSize
		blocks(&last.state, &idle.state, &last.octets[0], &last.octets[0], n)
		last.taken(n)
	}
}

// load gives an idle lane the next item, and reports whether the lane has one.
func (l *List) load(n *lane) bool {
	if last := len(l.order) - 1; n.item == nil && last >= 0 {
		n.begin(&l.items[uint32(l.order[last])])
		l.order = l.order[:last]
	}
	return n.item != nil
}

// lane is one of two digests that are taken in turns.
type lane struct {
	state [8]uint32
	item  *item // nil where it is idle.
	// octets are whole blocks that are not taken yet: first those of the item, then its last
	// ones with the padding, in end.
	octets, padded []byte
	end            [2 * sha256.BlockSize]byte
}

// start is the state before the first block, in the order in which blocks has it.
var start = [8]uint32{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}

// places are the places of the digest's words in the state.
var places = [8]int{3, 2, 7, 6, 1, 0, 5, 4}

func (n *lane) begin(x *item) {
	n.state, n.item = start, x
	whole := len(x.octets) &^ (sha256.BlockSize - 1)
	clear(n.end[:])
	k := copy(n.end[:], x.octets[whole:])
	n.end[k] = 0x80
	size := sha256.BlockSize
	if k+1+8 > size {
		size *= 2
	}
	binary.BigEndian.PutUint64(n.end[size-8:], uint64(len(x.octets))*8)
	n.octets, n.padded = x.octets[:whole], n.end[:size]
	n.taken(0)
}

// taken passes k blocks. Behind the last one the item's digest is there.
func (n *lane) taken(k int) {
	if n.octets = n.octets[k*sha256.BlockSize:]; len(n.octets) > 0 {
		return
	}
	if n.octets, n.padded = n.padded, nil; len(n.octets) > 0 {
		return
	}
	for i, at := range places {
		binary.BigEndian.PutUint32(n.item.sum[4*i:], n.state[at])
	}
	n.item, n.octets = nil, nil
}
