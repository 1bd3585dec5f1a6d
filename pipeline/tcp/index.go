package tcp

import (
	"hash/maphash"
	"iter"

	"x400flow/pipeline/capture"
)

// An index finds connections by their keys. A map by the keys themselves would hold them
// in places some cache lines long, which with thousands of connections come from memory
// for each segment. Here the places hold hashes; the key is compared in the connection,
// which is wanted anyway.
type index[T any] struct {
	seed  maphash.Seed
	first map[uint64]*Conn[T] // By hash of the key. Others of the same hash are Conn.alike.
	n     int
}

func newIndex[T any]() index[T] {
	return index[T]{seed: maphash.MakeSeed(), first: make(map[uint64]*Conn[T])}
}

func (x *index[T]) hash(k *capture.FlowKey) uint64 { return maphash.Comparable(x.seed, *k) }

// len returns how many connections there are.
func (x *index[T]) len() int { return x.n }

// get returns the connection that has a key, nil where none has.
func (x *index[T]) get(k *capture.FlowKey) *Conn[T] { return x.at(x.hash(k), k) }

func (x *index[T]) at(hash uint64, k *capture.FlowKey) *Conn[T] {
	c := x.first[hash]
	for c != nil && !same(&c.Key, k) {
		c = c.alike
	}
	return c
}

// add adds a connection whose key none has.
func (x *index[T]) add(c *Conn[T]) { x.put(x.hash(&c.Key), c) }

func (x *index[T]) put(hash uint64, c *Conn[T]) {
	c.alike = x.first[hash]
	x.first[hash] = c
	x.n++
}

// remove removes a connection that was added.
func (x *index[T]) remove(c *Conn[T]) { x.drop(x.hash(&c.Key), c) }

func (x *index[T]) drop(hash uint64, c *Conn[T]) {
	if f := x.first[hash]; f != c {
		for f.alike != c {
			f = f.alike
		}
		f.alike = c.alike
	} else if c.alike != nil {
		x.first[hash] = c.alike
	} else {
		delete(x.first, hash)
	}
	c.alike = nil
	x.n--
}

// all are the connections, in no order.
func (x *index[T]) all() iter.Seq[*Conn[T]] {
	return func(yield func(*Conn[T]) bool) {
		for _, c := range x.first {
			for ; c != nil; c = c.alike {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// same is a == b without a call.
func same(a, b *capture.FlowKey) bool {
	return a.LoPort == b.LoPort && a.HiPort == b.HiPort && a.LoIP == b.LoIP && a.HiIP == b.HiIP && a.Family == b.Family
}
