// Package latest has a map that is bounded: where it is full, what was added first is
// forgotten.
package latest

import (
	"hash/maphash"
	"iter"
)

// fewEntries is what a map begins with.
const fewEntries = 64

// A Map holds values by key in the order they were added. Its memory is one array of
// entries, and one of two octets for each two entries by which they are found. It is for
// one goroutine.
type Map[K comparable, V any] struct {
	max  int
	seed maphash.Seed
	// entries is a ring, from oldest on; n of them are taken, live are not deleted.
	entries []entry[K, V]
	oldest  int
	n, live int
	index   []uint16 // Twice as many as entries: an entry's place plus one by its key's hash, or what follows.
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	deleted bool
}

// New returns an empty map of at most limit entries: a power of two from 64 to 32,768.
func New[K comparable, V any](limit int) *Map[K, V] {
	if limit < fewEntries || limit > 1<<15 || limit&(limit-1) != 0 {
		panic("latest: not a limit")
	}
	return &Map[K, V]{max: limit, seed: maphash.MakeSeed()}
}

// Len returns how many entries there are.
func (m *Map[K, V]) Len() int { return m.live }

// Add adds a value as the newest. Another one of the key is replaced.
func (m *Map[K, V]) Add(k K, v V) {
	m.Delete(k)
	if m.n == len(m.entries) {
		if m.n < m.max {
			m.grow()
		} else {
			m.Delete(m.entries[m.oldest].key)
		}
	}
	at := (m.oldest + m.n) & (len(m.entries) - 1)
	m.entries[at] = entry[K, V]{key: k, value: v}
	m.n++
	m.live++
	slot, _ := m.find(&k)
	m.index[slot] = uint16(at + 1)
}

// Get returns the value of a key.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if m.live == 0 {
		return v, false
	}
	_, at := m.find(&k)
	if at < 0 {
		return v, false
	}
	return m.entries[at].value, true
}

// Delete removes the value of a key, where there is one.
func (m *Map[K, V]) Delete(k K) {
	if m.live == 0 {
		return
	}
	slot, at := m.find(&k)
	if at < 0 {
		return
	}
	m.entries[at] = entry[K, V]{deleted: true}
	m.live--
	m.vacate(slot)
	for m.n > 0 && m.entries[m.oldest].deleted {
		m.oldest = (m.oldest + 1) & (len(m.entries) - 1)
		m.n--
	}
}

// Clear removes all, and keeps the memory.
func (m *Map[K, V]) Clear() {
	clear(m.entries)
	clear(m.index)
	m.oldest, m.n, m.live = 0, 0, 0
}

// All gives the entries from the oldest on. Any may be deleted meanwhile, and none added.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		first, n := m.oldest, m.n
		for i := range n {
			e := &m.entries[(first+i)&(len(m.entries)-1)]
			if !e.deleted && !yield(e.key, e.value) {
				return
			}
		}
	}
}

// find returns where a key stands in the index and its entry's place; where there is none,
// the empty slot that is the key's, and -1.
func (m *Map[K, V]) find(k *K) (slot, at int) {
	slot = m.home(k)
	for m.index[slot] != 0 {
		if at := int(m.index[slot]) - 1; m.entries[at].key == *k {
			return slot, at
		}
		slot = (slot + 1) & (len(m.index) - 1)
	}
	return slot, -1
}

func (m *Map[K, V]) home(k *K) int {
	return int(maphash.Comparable(m.seed, *k)) & (len(m.index) - 1)
}

// vacate empties a slot of the index, and moves up what follows so that it is found
// without the one that was there.
func (m *Map[K, V]) vacate(slot int) {
	mask := len(m.index) - 1
	for next := (slot + 1) & mask; m.index[next] != 0; next = (next + 1) & mask {
		home := m.home(&m.entries[m.index[next]-1].key)
		if (next-home)&mask >= (next-slot)&mask {
			m.index[slot] = m.index[next]
			slot = next
		}
	}
	m.index[slot] = 0
}

// grow makes room for twice as many entries.
func (m *Map[K, V]) grow() {
	was := *m
	size := max(fewEntries, 2*len(was.entries))
	m.entries, m.index = make([]entry[K, V], size), make([]uint16, 2*size)
	m.oldest, m.n, m.live = 0, 0, 0
	for k, v := range was.All() {
		m.Add(k, v)
	}
}
