package kafka

import (
	"context"
	"io"
	"sync"

	"x400flow/pipeline/bus"
)

// queue holds what was fetched and not yet received. It is bounded in octets, so
// that who does not receive stops the fetching.
type queue struct {
	mu     sync.Mutex
	moved  sync.Cond
	items  []bus.Delivery
	head   int
	octets int
	limit  int
	err    error // What Receive returns when there is nothing more.
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.moved.L = &q.mu
	return q
}

// push appends a record. It blocks while the queue is full; a record above the
// limit goes alone.
func (q *queue) push(ctx context.Context, d bus.Delivery) error {
	n := len(d.Record.B)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.wait(ctx, func() bool { return q.octets == 0 || q.octets+n <= q.limit || q.err != nil }); err != nil {
		return err
	}
	if q.err != nil {
		return q.err
	}
	q.octets += n
	q.items = append(q.items, d)
	q.moved.Broadcast()
	return nil
}

// revoke throws a lane's records away and appends the word that it is taken away.
func (q *queue) revoke(lane int32, ack func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	keep := q.items[:q.head]
	for _, d := range q.items[q.head:] {
		if d.Lane == lane && d.Record != nil {
			q.octets -= len(d.Record.B)
			d.Record.Release()
			continue
		}
		keep = append(keep, d)
	}
	clear(q.items[len(keep):])
	q.items = append(keep, bus.Delivery{Lane: lane, Ack: ack})
	q.moved.Broadcast()
}

// pop returns the next delivery.
func (q *queue) pop(ctx context.Context) (bus.Delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.wait(ctx, func() bool { return q.head < len(q.items) || q.err != nil }); err != nil {
		return bus.Delivery{}, err
	}
	if q.head == len(q.items) {
		return bus.Delivery{}, q.err
	}
	d := q.items[q.head]
	q.items[q.head] = bus.Delivery{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	if d.Record != nil {
		q.octets -= len(d.Record.B)
		q.moved.Broadcast()
	}
	return d, nil
}

// wait returns when ready does, or ctx ends.
func (q *queue) wait(ctx context.Context, ready func() bool) error {
	if ready() {
		return ctx.Err()
	}
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		q.moved.Broadcast()
		q.mu.Unlock()
	})
	defer stop()
	for !ready() && ctx.Err() == nil {
		q.moved.Wait()
	}
	return ctx.Err()
}

// close lets receivers have what is there, and then err.
func (q *queue) close(err error) {
	if err == nil {
		err = io.EOF
	}
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.moved.Broadcast()
	q.mu.Unlock()
}

// held returns the octets in the queue.
func (q *queue) held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.octets
}
