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
	hash    uint32
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
func (m *Map[K, V]) Add(k K, v V) { m.AddHashed(m.hash(&k), &k, v) }

// Get returns the value of a key.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if m.live > 0 {
		if at := m.GetHashed(m.hash(&k), &k); at != nil {
			return *at, true
		}
	}
	return v, false
}

// Delete removes the value of a key, where there is one.
func (m *Map[K, V]) Delete(k K) {
	if m.live > 0 {
		m.DeleteHashed(m.hash(&k), &k)
	}
}

// AddHashed is Add for who has a hash of the key, and has one for each call of the map.
func (m *Map[K, V]) AddHashed(hash uint32, k *K, v V) {
	m.DeleteHashed(hash, k)
	if m.n == len(m.entries) {
		if m.n < m.max {
			m.grow()
		} else {
			m.DropOldest()
		}
	}
	at := (m.oldest + m.n) & (len(m.entries) - 1)
	e := &m.entries[at] // Field by field: a whole entry would be made first, and then copied.
	e.key, e.value, e.hash, e.deleted = *k, v, hash, false
	m.n++
	m.live++
	m.enter(hash, at)
}

// GetHashed is Get with a hash. The value is the map's; it is nil where there is none.
func (m *Map[K, V]) GetHashed(hash uint32, k *K) *V {
	if m.live > 0 {
		if _, at := m.find(hash, k); at >= 0 {
			return &m.entries[at].value
		}
	}
	return nil
}

// DeleteHashed is Delete with a hash.
func (m *Map[K, V]) DeleteHashed(hash uint32, k *K) {
	if m.live > 0 {
		if slot, at := m.find(hash, k); at >= 0 {
			m.delete(slot, at)
		}
	}
}

// Oldest returns the value that was added first of those that are there, nil where none is.
func (m *Map[K, V]) Oldest() *V {
	if m.live == 0 {
		return nil
	}
	return &m.entries[m.oldest].value
}

// DropOldest removes the value that was added first, where there is one.
func (m *Map[K, V]) DropOldest() {
	if m.live == 0 {
		return
	}
	slot := m.home(m.entries[m.oldest].hash)
	for int(m.index[slot]) != m.oldest+1 {
		slot = (slot + 1) & (len(m.index) - 1)
	}
	m.delete(slot, m.oldest)
}

// delete removes the entry at a place that is found in a slot of the index.
func (m *Map[K, V]) delete(slot, at int) {
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

// find returns where a key stands in the index and its entry's place, or -1 where there is
// none.
func (m *Map[K, V]) find(hash uint32, k *K) (slot, at int) {
	slot = m.home(hash)
	for m.index[slot] != 0 {
		at := int(m.index[slot]) - 1
		if e := &m.entries[at]; e.hash == hash && e.key == *k {
			return slot, at
		}
		slot = (slot + 1) & (len(m.index) - 1)
	}
	return slot, -1
}

func (m *Map[K, V]) hash(k *K) uint32 { return uint32(maphash.Comparable(m.seed, *k)) }

// home is the slot of the index where a hash is looked for first.
func (m *Map[K, V]) home(hash uint32) int { return int(hash) & (len(m.index) - 1) }

// enter puts the place of an entry that has a hash into the index.
func (m *Map[K, V]) enter(hash uint32, at int) {
	slot := m.home(hash)
	for m.index[slot] != 0 {
		slot = (slot + 1) & (len(m.index) - 1)
	}
	m.index[slot] = uint16(at + 1)
}

// vacate empties a slot of the index, and moves up what follows so that it is found
// without the one that was there.
func (m *Map[K, V]) vacate(slot int) {
	mask := len(m.index) - 1
	for next := (slot + 1) & mask; m.index[next] != 0; next = (next + 1) & mask {
		home := m.home(m.entries[m.index[next]-1].hash)
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
	m.oldest, m.n = 0, 0
	for i := range was.n {
		if e := &was.entries[(was.oldest+i)&(len(was.entries)-1)]; !e.deleted {
			m.entries[m.n] = *e
			m.enter(e.hash, m.n)
			m.n++
		}
	}
}
