// Package memory is the bus within one process: a bounded queue.
//
// The bound is in octets, because records differ in size a thousandfold. A
// [Bus] may be used by any number of publishers and receivers at once.
package memory

import (
	"context"
	"errors"
	"io"
	"sync"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

// DefaultLimit is the octets in flight that a Bus of limit 0 allows.
const DefaultLimit = 32 << 20

// maxRecords bounds the records in flight whatever their size.
const maxRecords = 4096

var errClosed = errors.New("bus is closed")

// Bus is an in-process bus.
type Bus struct {
	queue chan *record.Buffer
	done  chan struct{}
	close sync.Once

	mu     sync.Mutex
	offset int64 // Of the next record delivered.
	octets int
	limit  int
	room   chan struct{} // Told when octets leave and somebody waits.
	waits  int           // Publishers that wait, or are about to look again.
}

// New returns a bus that lets limit octets be in flight; zero means
// DefaultLimit.
func New(limit int) *Bus {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Bus{
		queue: make(chan *record.Buffer, maxRecords),
		done:  make(chan struct{}),
		limit: limit,
		room:  make(chan struct{}, 1),
	}
}

// Publish implements bus.Publisher. The key has no meaning here: there is one place.
func (b *Bus) Publish(ctx context.Context, _ bus.Key, rec *record.Buffer) error {
	for {
		b.mu.Lock()
		// A record above the limit goes alone.
		if b.octets == 0 || b.octets+cap(rec.B) <= b.limit {
			b.octets += cap(rec.B)
			b.tell() // There may be room for another that waits.
			b.mu.Unlock()
			break
		}
		b.waits++
		b.mu.Unlock()
		var err error
		select {
		case <-b.room:
		case <-b.done:
			err = errClosed
		case <-ctx.Done():
			err = ctx.Err()
		}
		b.mu.Lock()
		b.waits--
		if err != nil {
			b.tell() // What it was told is for another.
		}
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
	select { // There mostly is room, and one channel is much less to ask than three.
	case b.queue <- rec:
		return nil
	default:
	}
	select {
	case b.queue <- rec:
		return nil
	case <-b.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Receive implements bus.Receiver. An Ack does nothing here.
func (b *Bus) Receive(ctx context.Context) (bus.Delivery, error) {
	select {
	case rec := <-b.queue:
		return b.deliver(rec), nil
	default:
	}
	select {
	case rec := <-b.queue:
		return b.deliver(rec), nil
	case <-ctx.Done():
		return bus.Delivery{}, ctx.Err()
	case <-b.done:
		// What was queued before the close is still delivered.
		select {
		case rec := <-b.queue:
			return b.deliver(rec), nil
		default:
			return bus.Delivery{}, io.EOF
		}
	}
}

// tell lets one of the publishers that wait look again.
func (b *Bus) tell() {
	if b.waits > 0 {
		select {
		case b.room <- struct{}{}:
		default:
		}
	}
}

func (b *Bus) deliver(rec *record.Buffer) bus.Delivery {
	b.mu.Lock()
	b.octets -= cap(rec.B)
	offset := b.offset
	b.offset++
	b.tell()
	b.mu.Unlock()
	return bus.Delivery{Offset: offset, Record: rec, Ack: func() {}}
}

// InFlight returns the octets published and not yet received.
func (b *Bus) InFlight() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.octets
}

// Close tells that nothing more will be published. Publishers must have returned.
func (b *Bus) Close() error {
	b.close.Do(func() { close(b.done) })
	return nil
}
