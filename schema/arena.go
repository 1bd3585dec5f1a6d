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
	chunks [][]byte
	// at is the chunk that is filled; those after it are empty.
	at int
	// size is the number of octets held.
	size int
	// adopted are buffers of which large strings are not copied.
	adopted [][]byte
}

// Large is the size from which octets of an adopted buffer are not copied.
const Large = 1 << 20

const (
	chunkSize = 64 << 10
	// keptChunks bounds what reset keeps, in octets.
	keptChunks = 64 << 20
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
	for a.at < len(a.chunks) {
		c := a.chunks[a.at]
		if cap(c)-len(c) >= n {
			a.chunks[a.at] = c[:len(c)+n]
			return a.chunks[a.at][len(c) : len(c)+n : len(c)+n]
		}
		// What is left of a chunk is given up, unless a large string would waste
		// most of one: that gets its own, before it.
		if n > chunkSize/4 && a.at+1 >= len(a.chunks) {
			break
		}
		a.at++
	}
	c := make([]byte, n, max(n, chunkSize))
	a.chunks = append(a.chunks, c)
	a.at = len(a.chunks) - 1
	return c[:n:n]
}

// reset forgets the octets and keeps the memory, within bounds.
func (a *arena) reset() {
	kept := 0
	for i, c := range a.chunks {
		if kept += cap(c); kept > keptChunks {
			clear(a.chunks[i:])
			a.chunks = a.chunks[:i]
			break
		}
		a.chunks[i] = c[:0]
	}
	a.at, a.size = 0, 0
	clear(a.adopted)
	a.adopted = a.adopted[:0]
}
