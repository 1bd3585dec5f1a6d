package store

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/schema"
)

// WriterOptions bounds a writer. Zero fields mean the defaults.
type WriterOptions struct {
	// Rows (of all tables) and Bytes are how much is inserted together.
	// Defaults 200,000 and 64 MiB. A batch is never cut.
	Rows  int
	Bytes int
	// Age is how long a batch may wait for others before its block is inserted
	// all the same, as soon as an inserter is free. Default 1 s.
	Age time.Duration
	// Queue is how many batches may wait for their block. Default 16.
	Queue int
	// Inserters is how many blocks are inserted at a time. Default 2.
	Inserters int
	// Registerer, if not nil, gets the metrics. It takes those of one writer.
	Registerer prometheus.Registerer
	// Log is told of every attempt that failed and will be repeated. Nil: nobody is.
	Log *slog.Logger
}

// Defaults of WriterOptions.
const (
	DefaultRows      = 200_000
	DefaultBytes     = 64 << 20
	DefaultAge       = time.Second
	DefaultQueue     = 16
	DefaultInserters = 2
)

// DefaultMemory is for Within what a writer takes by default, and its callers do.
const DefaultMemory = 512 << 20

// Within returns options with which the rows that wait, that are collected and that are
// inserted take about three quarters of so many octets, with the room in their columns
// that has no rows. They are for batches of batch octets each: so small that under load
// each is full before it is due by age, and all are alike, whatever the load; so large
// that columns are not mostly such room.
func Within(octets int) (o WriterOptions, batch int) {
	return WriterOptions{Bytes: max(octets/8, 1<<20), Queue: 8}, max(octets/64, 128<<10)
}

// Writer inserts batches. Of each block the tables are inserted in the order of
// schema.Batch.All, so that what belongs to a message is there before it. The
// rows of progress and captures, which say what is in the archive, wait until
// everything written before them is durable.
type Writer struct {
	store   *Store
	o       WriterOptions
	metrics *metrics

	ctx    context.Context
	cancel context.CancelCauseFunc
	in     chan item
	out    chan *block
	done   sync.WaitGroup
	// spare are batches to be used again.
	spare spare

	// closing guards in: Write sends under its read side, Close closes under its
	// write side.
	closing sync.RWMutex
	closed  bool

	// written counts what Write took, durable what of it is durable.
	written, durable atomic.Uint64
	// retries counts the attempts that failed and were repeated.
	retries atomic.Uint64

	// mu guards what tells which blocks are durable.
	mu sync.Mutex
	// moved is closed and made anew when first moves.
	moved chan struct{}
	// first is the number of the oldest block that is not durable; finished are
	// later ones that are.
	first    uint64
	finished map[uint64]*block
}

// item is what Write hands to the collector. An item without a batch is a flush.
type item struct {
	batch  *schema.Batch
	octets int // Of the batch.
	ack    func()
}

// block is what is inserted together.
type block struct {
	number      uint64
	batches     schema.Block
	rows, bytes int
	// writes counts the calls of Write that it holds.
	writes uint64
	acks   []func()
}

// NewWriter starts a writer, which ends when ctx does, by Close, or when the
// archive refuses its rows for good.
func (s *Store) NewWriter(ctx context.Context, o WriterOptions) *Writer {
	if o.Rows <= 0 {
		o.Rows = DefaultRows
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Age <= 0 {
		o.Age = DefaultAge
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Inserters <= 0 {
		o.Inserters = DefaultInserters
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Writer{
		store:    s,
		o:        o,
		metrics:  newMetrics(&o),
		in:       make(chan item, o.Queue),
		out:      make(chan *block),
		moved:    make(chan struct{}),
		finished: map[uint64]*block{},
	}
	w.spare.octets = w.metrics.spare
	// As much as the least batch that Within is for.
	w.spare.roomy = min(o.Bytes/8, maxRoomy)
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.done.Go(w.collect)
	for range o.Inserters {
		w.done.Go(w.insertBlocks)
	}
	return w
}

// Batch returns an empty batch, a used one where there is one.
func (w *Writer) Batch() *schema.Batch { return w.spare.take() }

// Write hands b over; it belongs to the writer from then on. It blocks while the
// queue is full. ack, if not nil, is called once when every row of b is durable,
// and never if one is not; it must not block. Acks are called in the order of
// Write. The error is the one that stopped the writer, or ctx's: then b was not
// taken.
func (w *Writer) Write(ctx context.Context, b *schema.Batch, ack func()) error {
	octets := b.Bytes()
	err := w.send(ctx, item{batch: b, octets: octets, ack: ack})
	if err == nil {
		w.written.Add(1)
		w.metrics.waiting.Add(float64(octets))
	}
	return err
}

// Progress returns how many batches are durable, and whether others were written
// that are not.
func (w *Writer) Progress() (durable uint64, waiting bool) {
	durable = w.durable.Load()
	return durable, w.written.Load() > durable
}

// Retries returns how many attempts to insert failed and are repeated.
func (w *Writer) Retries() uint64 { return w.retries.Load() }

// Flush inserts what was written and returns when it is durable.
func (w *Writer) Flush(ctx context.Context) error {
	durable := make(chan struct{})
	if err := w.send(ctx, item{ack: func() { close(durable) }}); err != nil {
		return err
	}
	select {
	case <-durable:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ctx.Done():
		// Both may have come.
		select {
		case <-durable:
			return nil
		default:
			return context.Cause(w.ctx)
		}
	}
}

func (w *Writer) send(ctx context.Context, it item) error {
	w.closing.RLock()
	defer w.closing.RUnlock()
	if err := w.Err(); err != nil {
		return err
	}
	if w.closed {
		return errClosed
	}
	select {
	case w.in <- it:
		w.metrics.queued.Set(float64(len(w.in)))
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// Close flushes and ends the writer. When ctx ends first, what is not durable is
// given up.
func (w *Writer) Close(ctx context.Context) error {
	err := w.Flush(ctx)
	if err == errClosed {
		return nil
	}
	if err != nil {
		w.cancel(err)
	}
	w.closing.Lock()
	if !w.closed {
		w.closed = true
		close(w.in)
	}
	w.closing.Unlock()
	w.done.Wait()
	w.cancel(errClosed)
	return err
}

// Err returns the error that stopped the writer, nil while it works.
func (w *Writer) Err() error { return context.Cause(w.ctx) }

// Done is closed when the writer has stopped.
func (w *Writer) Done() <-chan struct{} { return w.ctx.Done() }

// collect makes blocks of batches. One that is due by age goes on taking batches until an
// inserter is free: more inserts of fewer rows would cost an archive that is behind more.
func (w *Writer) collect() {
	defer close(w.out)
	var cur *block
	var number uint64
	var due, whole bool // Of cur: it may go, it takes no more.
	age := time.NewTimer(w.o.Age)
	age.Stop()
	defer age.Stop()
	for {
		in, out := w.in, w.out
		if !due {
			out = nil
		}
		if whole {
			in = nil
		}
		select {
		case it, ok := <-in:
			if !ok {
				// Close has flushed; what came after that is without a promise.
				if cur != nil {
					select {
					case w.out <- cur:
					case <-w.ctx.Done():
					}
				}
				return
			}
			w.metrics.queued.Set(float64(len(w.in)))
			if cur == nil {
				cur = &block{number: number}
				number++
				age.Reset(w.o.Age)
			}
			if it.batch != nil {
				cur.writes++
				cur.batches = append(cur.batches, it.batch)
				cur.rows += it.batch.Rows()
				cur.bytes += it.octets
			}
			if it.ack != nil {
				cur.acks = append(cur.acks, it.ack)
			}
			whole = it.batch == nil || cur.rows >= w.o.Rows || cur.bytes >= w.o.Bytes
			due = due || whole
		case out <- cur:
			age.Stop()
			cur, due, whole = nil, false, false
		case <-age.C:
			due = true
		case <-w.ctx.Done():
			return
		}
	}
}

// insertBlocks inserts blocks one after the other.
func (w *Writer) insertBlocks() {
	in := inserter{w: w}
	for {
		select {
		case b, ok := <-w.out:
			if !ok {
				return
			}
			if err := in.insert(b); err != nil {
				w.cancel(err)
				return
			}
			w.metrics.waiting.Sub(float64(b.bytes))
			w.finish(b)
		case <-w.ctx.Done():
			return
		}
	}
}

// finish notes that b is durable, and acknowledges what has nothing undurable
// before it. Acks are called under the lock, which keeps them in order.
func (w *Writer) finish(b *block) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished[b.number] = b
	for {
		next, ok := w.finished[w.first]
		if !ok {
			break
		}
		delete(w.finished, w.first)
		w.first++
		w.durable.Add(next.writes)
		for _, ack := range next.acks {
			ack()
		}
	}
	close(w.moved)
	w.moved = make(chan struct{})
}

// turn returns when every block before number is durable.
func (w *Writer) turn(number uint64) error {
	for {
		w.mu.Lock()
		first, moved := w.first, w.moved
		w.mu.Unlock()
		if first >= number {
			return nil
		}
		select {
		case <-moved:
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		}
	}
}
