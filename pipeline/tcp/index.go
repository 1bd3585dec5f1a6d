package tcp

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"math/rand/v2"

	"x400flow/pipeline/capture"
)

// fewPlaces is what an index begins with.
const fewPlaces = 64

// An index finds connections by their keys. Its places hold hashes, and what follows from the
// hash is where a search begins: with thousands of connections nearly each segment's is one
// cache line that comes from memory. The key is compared in the connection, which is wanted
// anyway.
type index[T any] struct {
	secret [2]uint64 // What hashes over IPv4 depend on.
	seed   maphash.Seed
	places []place[T] // A power of two, of which half are empty at least.
	n      int

	key     capture.FlowKey // The key over IPv6 that was hashed last,
	keyHash uint64          // and its hash: who found nothing goes on to put it.
}

// place is empty where it has no connection.
type place[T any] struct {
	hash uint64 // Of the connection's key. Others may have the same.
	conn *Conn[T]
}

func newIndex[T any]() index[T] {
	x := index[T]{secret: [2]uint64{rand.Uint64(), rand.Uint64()}, seed: maphash.MakeSeed(), places: make([]place[T], fewPlaces)}
	x.keyHash = maphash.Comparable(x.seed, x.key)
	return x
}

func (x *index[T]) hash(k *capture.FlowKey) uint64 {
	if k.Family == 4 {
		return x.hash4(k.Ends4(false))
	}
	if !same(&x.key, k) {
		x.key, x.keyHash = *k, maphash.Comparable(x.seed, *k)
	}
	return x.keyHash
}

// hash4 is hash for the ends of a connection over IPv4, of which either may come first.
func (x *index[T]) hash4(addrs uint64, ports uint32) uint64 {
	a, b := addrs<<32>>16|uint64(uint16(ports)), addrs>>32<<16|uint64(ports>>16)
	hi, lo := bits.Mul64(min(a, b)^x.secret[0], max(a, b)^x.secret[1])
	return hi ^ lo
}

// len returns how many connections there are.
func (x *index[T]) len() int { return x.n }

// get returns the connection that has a key, nil where none has.
func (x *index[T]) get(k *capture.FlowKey) *Conn[T] { return x.at(x.hash(k), k) }

func (x *index[T]) at(hash uint64, k *capture.FlowKey) *Conn[T] {
	for i := x.home(hash); ; i = x.next(i) {
		p := &x.places[i]
		if p.conn == nil || p.hash == hash && same(&p.conn.Key, k) {
			return p.conn
		}
	}
}

// get4 is get for the ends of a segment over IPv4 as they stand in its headers, with the
// segment's direction. Connections whose ends are alike it does not find.
func (x *index[T]) get4(addrs uint64, ports uint32) (c *Conn[T], d Dir) {
	hash := x.hash4(addrs, ports)
	for i := x.home(hash); ; i = x.next(i) {
		p := &x.places[i]
		if c = p.conn; c == nil {
			return nil, 0
		}
		if p.hash != hash || !c.v4 {
			continue
		}
		for d := range c.addrs {
			if addrs == c.addrs[d] && ports == c.ports[d] {
				return c, Dir(d)
			}
		}
	}
}

// home is where the search for a hash begins, next where it goes on.
func (x *index[T]) home(hash uint64) int { return int(hash) & (len(x.places) - 1) }
func (x *index[T]) next(i int) int       { return (i + 1) & (len(x.places) - 1) }

// put adds a connection whose key none has, with its hash.
func (x *index[T]) put(hash uint64, c *Conn[T]) {
	if x.n++; 2*x.n > len(x.places) {
		was := x.places
		x.places = make([]place[T], 2*len(was))
		for _, p := range was {
			if p.conn != nil {
				x.fill(p)
			}
		}
	}
	x.fill(place[T]{hash, c})
}

// fill puts p into the first empty place.
func (x *index[T]) fill(p place[T]) {
	i := x.home(p.hash)
	for x.places[i].conn != nil {
		i = x.next(i)
	}
	x.places[i] = p
}

// drop removes a connection that was put there with a hash.
func (x *index[T]) drop(hash uint64, c *Conn[T]) {
	i := x.home(hash)
	for x.places[i].conn != c {
		i = x.next(i)
	}
	// What follows moves up, if the search for it passes the place.
	mask := len(x.places) - 1
	for k := x.next(i); x.places[k].conn != nil; k = x.next(k) {
		if (k-x.home(x.places[k].hash))&mask >= (k-i)&mask {
			x.places[i] = x.places[k]
			i = k
		}
	}
	x.places[i] = place[T]{}
	x.n--
}

// all are the connections, in no order.
func (x *index[T]) all() iter.Seq[*Conn[T]] {
	return func(yield func(*Conn[T]) bool) {
		for i := range x.places {
			if c := x.places[i].conn; c != nil && !yield(c) {
				return
			}
		}
	}
}

// same is a == b without a call.
func same(a, b *capture.FlowKey) bool {
	return a.LoPort == b.LoPort && a.HiPort == b.HiPort && a.LoIP == b.LoIP && a.HiIP == b.HiIP && a.Family == b.Family
}
