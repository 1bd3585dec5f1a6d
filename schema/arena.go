package schema

import "unsafe"

// An arena holds the octets of a batch's strings. Its zero value is ready.
//
// This file and native.go have the package's unsafe code. The invariant here: a chunk's octets
// are written once, between its length and its capacity, before the string over
// them is made, and never moved or written again until reset. reset makes every
// string over them invalid; the batch that owns the arena empties its columns
// in the same call, and its documentation tells those who took a column. The
// octets of an adopted buffer are written no more by anybody.
type arena struct {
	// Short strings and longer ones have chunks of their own: a long one among short
	// ones would leave chunks behind that it has no room in.
	short, long chunks
	// size is the number of octets held.
	size int
	// alone says that strings are in memory of their own, which reset gives up.
	alone bool
	// adopted are buffers of which large strings are not copied.
	adopted [][]byte
}

// Large is the size from which octets of an adopted buffer are not copied.
const Large = 1 << 20

// What strings are in: short ones, up to a quarter of it, in chunks of shortChunk,
// longer ones in chunks of longChunk, and those beyond that in memory of their own.
const (
	shortChunk = 16 << 10
	longChunk  = 256 << 10
)

// copy returns a string with the octets of b.
func (a *arena) copy(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) >= Large && a.has(b) {
		a.size += len(b)
		return unsafe.String(unsafe.SliceData(b), len(b))
	}
	p := a.room(len(b))
	copy(p, b)
	return unsafe.String(unsafe.SliceData(p), len(p))
}

// has reports whether b is part of an adopted buffer.
func (a *arena) has(b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for _, own := range a.adopted {
		if from := uintptr(unsafe.Pointer(unsafe.SliceData(own))); at >= from && at+uintptr(len(b)) <= from+uintptr(len(own)) {
			return true
		}
	}
	return false
}

// copyString returns a copy of s.
func (a *arena) copyString(s string) string {
	if s == "" {
		return ""
	}
	p := a.room(len(s))
	copy(p, s)
	return unsafe.String(unsafe.SliceData(p), len(p))
}

// room returns n octets that nobody else has.
func (a *arena) room(n int) []byte {
	a.size += n
	switch {
	case n <= shortChunk/4:
		return a.short.room(n, shortChunk)
	case n <= longChunk:
		return a.long.room(n, longChunk)
	}
	a.alone = true
	return make([]byte, n)
}

// held returns how many octets reset keeps.
func (a *arena) held() int { return len(a.short.list)*shortChunk + len(a.long.list)*longChunk }

// foreign reports whether strings are in memory that reset gives up.
func (a *arena) foreign() bool { return a.alone || len(a.adopted) > 0 }

// reset forgets the octets and keeps the chunks.
func (a *arena) reset() {
	a.short.reset()
	a.long.reset()
	a.size, a.alone = 0, false
	clear(a.adopted)
	a.adopted = a.adopted[:0]
}

// chunks are of one size.
type chunks struct {
	list [][]byte
	// at is the chunk that is filled; those after it are empty.
	at int
}

// room returns n octets of chunks of so many each. What is left of a chunk that has
// no room is given up.
func (c *chunks) room(n, size int) []byte {
	for ; c.at < len(c.list); c.at++ {
		if k := c.list[c.at]; cap(k)-len(k) >= n {
			c.list[c.at] = k[:len(k)+n]
			return c.list[c.at][len(k) : len(k)+n : len(k)+n]
		}
	}
	k := make([]byte, n, size)
	c.list = append(c.list, k)
	return k[:n:n]
}

func (c *chunks) reset() {
	for i := range c.list {
		c.list[i] = c.list[i][:0]
	}
	c.at = 0
}
