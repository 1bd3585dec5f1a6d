// Package bus carries TPDU stream records from sensors to decoders.
//
// A [Bus] has two implementations: bus/memory, for one process, and Kafka for
// many machines. Both deliver the records of one [Key] in the order they were
// published, and both push back: Publish blocks while what was published
// exceeds what may be in flight.
package bus

import (
	"context"

	"x400flow/pipeline/record"
)

// Key is what must stay in order and in one place: all records of the
// connections between two hosts, so that an activity resumed in another
// association (X.228 7.6) meets its first half.
type Key [32]byte

// Bus carries records.
type Bus interface {
	// Publish hands a record over; rec belongs to the bus from then on. It
	// blocks while the bus is full and returns ctx's error when that ends.
	Publish(ctx context.Context, key Key, rec *record.Buffer) error

	// Receive returns the next record, and io.EOF when the bus was closed and
	// everything was delivered.
	Receive(ctx context.Context) (Delivery, error)

	// Close tells that nothing more will be published.
	Close() error
}

// Delivery is one record received. Its receiver owns Record and releases it;
// it calls Ack, once, when everything that came of the record is durable.
type Delivery struct {
	Record *record.Buffer
	Ack    func()
}
