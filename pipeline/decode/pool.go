// Package decode turns TPDU stream records into the archive's rows: it gives
// each connection's records to one of several shards, feeds them to the
// connection's association (osi/association), decodes the APDUs that come out
// (x411) and fills columns (schema) for the store.
//
// Rows follow from records alone. There is no clock in what they say, and
// neither the number of shards nor where records are cut changes them.
//
// The octets of a record are borrowed by the association until the record is
// done; what an unfinished transfer still needs is copied then. Columns copy
// what is appended to them.
package decode

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"x400flow/osi/association"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
	"x400flow/schema"
)

// Version is the decoder's version, which rows bear: of two rows that say the
// same thing the one of the newer decoder is shown. It grows with every change
// of what rows say.
const Version = 2

// Defaults of a Config's zero fields.
const (
	DefaultBatchRows    = 20_000
	DefaultBatchOctets  = 16 << 20
	DefaultMaxSuspended = 256 << 20
	DefaultMaxProblems  = 256
	DefaultMaxAPDU      = association.DefaultMaxAPDU
	queueLength         = 32
)

// Config says how a Pool works.
type Config struct {
	// Workers is the number of shards. At least 1.
	Workers int
	// EnvelopeOnly leaves contents out of the archive, and the octets of what
	// could not be decoded, since they may be a content's; size and digest are
	// kept of both.
	EnvelopeOnly bool
	// BatchRows and BatchOctets are how much a shard collects before it gives
	// it to the store.
	BatchRows   int
	BatchOctets int
	// MaxSuspended bounds the octets of suspended activities, MaxAPDU those of
	// one transfer.
	MaxSuspended int
	MaxAPDU      int
	// Settled, if not nil, is called when all that was read before a capture's end
	// is durable, before the capture's row says that it is.
	Settled func(context.Context) error
	// MaxProblems bounds the problem rows of one connection.
	MaxProblems int
	// DeadLetter, if not nil, is given the records that cannot be read.
	DeadLetter bus.DeadLetter
	Log        *slog.Logger
}

// Stats count what was decoded.
type Stats struct {
	Records     uint64
	Repeats     uint64 // Records that had been seen before.
	Poison      uint64 // Records that could not be read.
	Messages    uint64
	Probes      uint64
	Reports     uint64
	Problems    uint64 // Problem rows.
	Unfinished  uint64 // Of them, transfers that did not come to their end at first.
	Resumed     uint64 // Of these, those whose message came all the same, after a resumption.
	Connections map[string]uint64
	Evicted     uint64 // Suspended activities given up to stay within the bound.
}

// Sink is where rows go, with what store.Writer's methods promise.
type Sink interface {
	Batch() *schema.Batch
	Write(ctx context.Context, b *schema.Batch, ack func()) error
	Flush(ctx context.Context) error
}

// Pool decodes what a bus delivers.
type Pool struct {
	cfg     Config
	bus     bus.Receiver
	writer  Sink
	order   *order
	shelf   *shelf
	buffers association.Buffers
	workers []*worker

	records, repeats, poison                                 atomic.Uint64
	messages, probes, reports, problems, unfinished, resumed atomic.Uint64
	mu                                                       sync.Mutex
	classes                                                  map[string]uint64
}

// job is one record on its way to a shard.
type job struct {
	number   uint64
	delivery bus.Delivery
	flush    chan struct{} // Closed when all before it is with the store; no record then.
}

// New returns a pool that reads b and writes to w.
func New(cfg Config, b bus.Receiver, w Sink) *Pool {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&cfg.Workers, 1)
	def(&cfg.BatchRows, DefaultBatchRows)
	def(&cfg.BatchOctets, DefaultBatchOctets)
	def(&cfg.MaxSuspended, DefaultMaxSuspended)
	def(&cfg.MaxAPDU, DefaultMaxAPDU)
	def(&cfg.MaxProblems, DefaultMaxProblems)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		cfg: cfg, bus: b, writer: w, order: newOrder(cfg.Workers), shelf: newShelf(cfg.MaxSuspended),
		classes: make(map[string]uint64),
	}
	for i := range cfg.Workers {
		p.workers = append(p.workers, newWorker(p, i))
	}
	return p
}

// Run decodes until the bus is closed and everything is durable, or until ctx
// ends or the store fails. It is called once.
func (p *Pool) Run(ctx context.Context) error {
	g, working := errgroup.WithContext(ctx)
	for _, w := range p.workers {
		g.Go(func() error { return w.run(working) })
	}
	g.Go(func() error {
		err := p.dispatch(working)
		for _, w := range p.workers {
			close(w.queue)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return p.writer.Flush(ctx)
}

// dispatch gives records to shards.
func (p *Pool) dispatch(ctx context.Context) error {
	for number := uint64(1); ; number++ {
		d, err := p.bus.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.Record == nil {
			if err := p.settle(ctx); err != nil {
				return err
			}
			d.Ack()
			continue
		}
		p.records.Add(1)
		kind, id, err := record.Peek(d.Record.B)
		if err != nil {
			p.poison.Add(1)
			p.cfg.Log.Error("record cannot be read", "octets", len(d.Record.B), "error", err)
			if p.cfg.DeadLetter != nil {
				if err := p.cfg.DeadLetter(ctx, &d, err); err != nil {
					return err
				}
			}
			d.Record.Release()
			d.Ack()
			continue
		}
		if kind == record.KindCapture {
			// A capture's row says that everything in it is archived, so
			// everything has to be, first.
			if err := p.settle(ctx); err != nil {
				return err
			}
			if p.cfg.Settled != nil {
				if err := p.cfg.Settled(ctx); err != nil {
					return err
				}
			}
		}
		shard := 0
		if kind == record.KindConnection {
			shard = int(id[0]) % len(p.workers)
		}
		p.order.add(shard, number)
		select {
		case p.workers[shard].queue <- job{number: number, delivery: d}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle returns when all that was dispatched is durable.
func (p *Pool) settle(ctx context.Context) error {
	for _, w := range p.workers {
		flushed := make(chan struct{})
		select {
		case w.queue <- job{flush: flushed}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-flushed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.writer.Flush(ctx)
}

// Stats returns what was counted so far. Connections are counted by class when
// they end.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	classes := maps.Clone(p.classes)
	p.mu.Unlock()
	return Stats{
		Records: p.records.Load(), Repeats: p.repeats.Load(), Poison: p.poison.Load(),
		Messages: p.messages.Load(), Probes: p.probes.Load(), Reports: p.reports.Load(),
		Problems: p.problems.Load(), Unfinished: p.unfinished.Load(), Resumed: p.resumed.Load(), Connections: classes,
		Evicted: p.shelf.evictions(),
	}
}

func (p *Pool) countClass(class string) {
	p.mu.Lock()
	p.classes[class]++
	p.mu.Unlock()
}

// shelf keeps the activities that are suspended, until they are resumed in
// another association. It is bounded in octets; what was put there first is
// given up first.
type shelf struct {
	mu      sync.Mutex
	limit   int
	octets  int
	entries map[association.Key]*shelved
	oldest  []*shelved // In the order they were put there; taken ones have no activity.
	evicted uint64
}

type shelved struct {
	activity    *association.Suspended
	keys        [2]association.Key
	association [16]byte
	size        int
}

func newShelf(limit int) *shelf {
	return &shelf{limit: limit, entries: make(map[association.Key]*shelved)}
}

// put keeps an activity that was suspended in an association.
func (s *shelf) put(a *association.Suspended, in [16]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// An empty activity takes room, too.
	e := &shelved{activity: a, keys: [2]association.Key{a.Key, a.First}, association: in, size: a.Size() + 256}
	for _, k := range e.keys {
		if old := s.entries[k]; old != nil && old != e {
			s.take1(old).Release()
		}
		s.entries[k] = e
	}
	s.oldest = append(s.oldest, e)
	s.octets += e.size
	for s.octets > s.limit {
		e := s.oldest[0]
		s.oldest = s.oldest[1:]
		if e.activity != nil {
			s.take1(e).Release()
			s.evicted++
		}
	}
	if len(s.oldest) > 64+2*len(s.entries) {
		s.oldest = slices.DeleteFunc(s.oldest, func(e *shelved) bool { return e.activity == nil })
	}
}

// take gives an activity back and forgets it. It is known by where it was
// interrupted last and by where it began.
func (s *shelf) take(k association.Key) (a *association.Suspended, in [16]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		return nil, in, false
	}
	return s.take1(e), e.association, true
}

func (s *shelf) take1(e *shelved) (a *association.Suspended) {
	for _, k := range e.keys {
		if s.entries[k] == e {
			delete(s.entries, k)
		}
	}
	s.octets -= e.size
	a, e.activity = e.activity, nil
	return a
}

func (s *shelf) evictions() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evicted
}
