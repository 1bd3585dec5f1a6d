// Package bus carries TPDU stream records from sensors to decoders.
//
// Two packages implement it: bus/memory, for one process, and bus/kafka, for
// many machines. Both deliver the records of one [Key] in the order they were
// published, and both push back: Publish blocks while what was published
// exceeds what may be in flight, and nothing more is fetched while what was
// fetched waits to be received.
package bus

import (
	"context"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"x400flow/pipeline/record"
)

// Key is what must stay in order and in one place: all records of the
// connections between two hosts, so that an activity resumed in another
// association (X.228 7.6) meets its first half.
//
// The zero Key is that of heartbeats and captures. Their records reach every
// lane, so that every decoder sees time pass; their rows are idempotent.
type Key [32]byte

// KeyOf returns the key of the connections between two hosts, whichever is the
// client.
func KeyOf(a, b netip.Addr) (k Key) {
	lo, hi := a.As16(), b.As16()
	// The higher one is what remains less than nothing when it is taken from the other.
	_, less := bits.Sub64(binary.BigEndian.Uint64(hi[8:]), binary.BigEndian.Uint64(lo[8:]), 0)
	if _, less = bits.Sub64(binary.BigEndian.Uint64(hi[:]), binary.BigEndian.Uint64(lo[:]), less); less != 0 {
		lo, hi = hi, lo
	}
	copy(k[:16], lo[:])
	copy(k[16:], hi[:])
	return k
}

// Message is a record with its key.
type Message struct {
	Key    Key
	Record *record.Buffer
}

// Publisher is the sensors' side.
type Publisher interface {
	// Publish hands a record over; rec belongs to the bus from then on. It
	// blocks while the bus is full and returns ctx's error when that ends.
	Publish(ctx context.Context, key Key, rec *record.Buffer) error
}

// Receiver is the decoders' side.
type Receiver interface {
	// Receive returns the next delivery, and io.EOF when the bus was closed and
	// everything was delivered.
	Receive(ctx context.Context) (Delivery, error)
}

// Delivery is one record received, or, where Record is nil, word that a lane is
// being taken away.
type Delivery struct {
	// Lane is the Kafka partition; 0 in process. Records of one lane are in
	// order, lanes are independent of one another.
	Lane int32
	// Offset is the record's place in its lane, which tells records apart; it
	// grows, with holes.
	Offset int64
	// Record is the receiver's, who releases it. Where it is nil, the lane is
	// taken away: the receiver finishes or forgets all that it keeps of the
	// lane's records, without telling rows of it as given up, and then calls
	// Ack. Records of the lane that come later begin anew.
	Record *record.Buffer
	// Ack is called once, when everything that came of the record is durable
	// and nothing that it began is open. Acks may come in any order; an Ack of
	// a lane that was taken away meanwhile does nothing.
	Ack func()
}

// DeadLetter puts away a record that cannot be read, with the reason, where it
// can be looked at; it returns when that is durable. The caller still releases
// the record and calls Ack.
type DeadLetter func(ctx context.Context, d *Delivery, reason error) error
