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
	"hash/maphash"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"x400flow/osi/association"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// maxNames bounds the names of sensors that are remembered.
const maxNames = 4096

// Version is the decoder's version, which rows bear: of two rows that say the
// same thing the one of the newer decoder is shown. It grows with every change
// of what rows say.
const Version = 2

// Defaults of a Config's zero fields.
const (
	DefaultBatchRows   = 20_000
	DefaultBatchOctets = 16 << 20
	DefaultMaxProblems = 256
	DefaultMaxAPDU     = association.DefaultMaxAPDU
	// DefaultMaxConnections is twice what a sensor has by default.
	DefaultMaxConnections = 131072
	DefaultMaxBuffered    = 2 << 30
	DefaultMaxQueued      = 32 << 20
	// DefaultIdle is above what a sensor has by default, which tells of silence
	// itself while it lives.
	DefaultIdle = 7 * time.Hour
	queueLength = 32
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
	// MaxAPDU bounds the octets of one transfer.
	MaxAPDU int
	// Settled, if not nil, is called when all that was read before a capture's end
	// is durable, before the capture's row says that it is.
	Settled func(context.Context) error
	// Vouch has what came before a heartbeat durable before the row of coverage is
	// that says that it was watched: what is in memory only, on a bus that delivers
	// nothing again, is then not vouched for.
	Vouch bool
	// MaxProblems bounds the problem rows of one connection.
	MaxProblems int
	// MaxConnections bounds the connections that are kept; what is open of the
	// longest silent one is given up for another.
	MaxConnections int
	// MaxBuffered bounds the octets kept of transfers and TSDUs that are not
	// whole; what is open of the longest silent connection is given up. Each worker
	// has its share of it, and room for two of MaxAPDU at least. A quarter of it bounds
	// the activities that are suspended, but for the one that was suspended last.
	MaxBuffered int
	// MaxQueued bounds the octets of the records that were received and are not
	// decoded; a larger one is taken alone.
	MaxQueued int
	// Idle is the silence after which what is open of a connection, or is
	// suspended, is given up: as told by the heartbeats of its sensor or, once
	// that was started anew, of its successor. Capture files tell of no silence.
	Idle time.Duration
	// Progress, if not nil, says that the bus delivers again what an earlier
	// decoder left unfinished, and looks up how far the archive tells of
	// connections; Store.Progress does.
	Progress func(context.Context, []store.Reading) (map[store.Reading]store.Progress, error)
	// Trouble, if not nil, is told of connections with problems.
	Trouble func(client, server netip.AddrPort)
	// DeadLetter, if not nil, is given the records that cannot be read.
	DeadLetter bus.DeadLetter
	Log        *slog.Logger
}

// Stats count what was decoded.
type Stats struct {
	Records     uint64
	Repeats     uint64 // Records that had been seen before.
	Known       uint64 // Records whose rows an earlier decoder had made.
	Poison      uint64 // Records that could not be read.
	Messages    uint64
	Probes      uint64
	Reports     uint64
	Problems    uint64 // Problem rows.
	Unfinished  uint64 // Of them, transfers that did not come to their end at first.
	Resumed     uint64 // Of these, those whose message came all the same, after a resumption.
	Connections map[string]uint64
	Suspended   int    // Octets of suspended activities.
	Evicted     uint64 // Suspended activities given up to stay within the bound.
	GivenUp     uint64 // Connections of which something open was given up.
	Displaced   uint64 // Connections let go to stay within the bound.
	Open        int    // Connections kept.
	Queued      int    // Records and heartbeats that shards have not done yet.
	Waiting     int    // Records not acknowledged.
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
	shelf   *shelf
	sources sources
	buffers association.Buffers
	workers []*worker
	queued  *semaphore.Weighted // Octets of records, of Config.MaxQueued.
	names   map[string]string   // Of sensors; the dispatcher's.
	seed    maphash.Seed        // Of the workers' sessions.

	records, repeats, known, poison                          atomic.Uint64
	messages, probes, reports, problems, unfinished, resumed atomic.Uint64
	givenUp, displaced                                       atomic.Uint64
	open                                                     atomic.Int64
	mu                                                       sync.Mutex
	classes                                                  map[string]uint64
	lanes                                                    map[int32]*lane
}

// job is one thing for a shard to do.
type job struct {
	kind     jobKind
	lane     *lane
	number   uint64 // The lane's record.
	delivery bus.Delivery
	octets   int64         // Of Pool.queued, that the record has.
	key      connKey       // Of a connection's record.
	after    uint64        // The last record of the lane before it that may resume another connection's activity, 0 for none.
	beat     beat          // Of jobBeat, and of a heartbeat's record.
	done     chan struct{} // Of jobFlush and jobLeave, closed when they are done.
}

type jobKind uint8

const (
	jobRecord jobKind = iota
	jobBeat           // A sensor's heartbeat, which every shard is told of.
	jobFlush          // All rows are to be with the store.
	jobLeave          // The same, and all that is kept of the lane forgotten.
)

// beat tells that a sensor has watched up to some capture time.
type beat struct {
	sensor string
	epoch  int64
	to     int64
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
	def(&cfg.MaxAPDU, DefaultMaxAPDU)
	def(&cfg.MaxProblems, DefaultMaxProblems)
	def(&cfg.MaxConnections, DefaultMaxConnections)
	def(&cfg.MaxBuffered, DefaultMaxBuffered)
	def(&cfg.MaxQueued, DefaultMaxQueued)
	if cfg.Idle <= 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		cfg: cfg, bus: b, writer: w, shelf: newShelf(cfg.MaxBuffered / 4), queued: semaphore.NewWeighted(int64(cfg.MaxQueued)),
		seed: maphash.MakeSeed(), classes: make(map[string]uint64), lanes: make(map[int32]*lane),
		names: make(map[string]string), sources: sources{numbers: make(map[string]uint32)},
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
	defer context.AfterFunc(working, p.stopWaiting)()
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

// stopWaiting wakes the shards that wait for others, which have stopped.
func (p *Pool) stopWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lanes {
		l.order.stop()
	}
}

// dispatch gives records to shards.
func (p *Pool) dispatch(ctx context.Context) error {
	for {
		d, err := p.bus.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		l := p.lane(ctx, d.Lane)
		if d.Record == nil {
			if err := p.leave(ctx, l); err != nil {
				return err
			}
			d.Ack()
			continue
		}
		j, shard, kind := p.job(l, d)
		switch kind {
		case record.KindHeartbeat:
			if p.cfg.Vouch {
				if err := p.settle(ctx, jobFlush, l); err != nil {
					return err
				}
			}
			for i := 1; i < len(p.workers); i++ {
				if err := p.give(ctx, i, job{kind: jobBeat, lane: l, number: j.number, beat: j.beat}); err != nil {
					return err
				}
			}
		case record.KindCapture:
			// A capture's row says that everything in it is archived, so
			// everything has to be, first.
			if err := p.settle(ctx, jobFlush, l); err != nil {
				return err
			}
			if p.cfg.Settled != nil {
				if err := p.cfg.Settled(ctx); err != nil {
					return err
				}
			}
		}
		// What a record takes is its buffer, which may have been a longer one's.
		j.octets = int64(min(cap(d.Record.B), p.cfg.MaxQueued))
		if err := p.queued.Acquire(ctx, j.octets); err != nil {
			return err
		}
		if err := p.give(ctx, shard, j); err != nil {
			return err
		}
		p.records.Add(1)
	}
}

// job makes a job of a record, and says which shard's it is.
func (p *Pool) job(l *lane, d bus.Delivery) (j job, shard int, kind record.Kind) {
	j = job{lane: l, delivery: d, number: l.add(d.Ack)}
	var head record.Head // Read where it is: it is too large to be handed about.
	if head.Read(d.Record.B) != nil {
		return j, 0, 0 // The shard will find the same.
	}
	switch head.Kind {
	case record.KindConnection:
		shard = int(head.Conn.ID[0]) % len(p.workers)
		j.key = connKey{l, p.name(head.Sensor), head.Epoch, head.Conn.Start, head.Conn.ID}
		j.after = l.resumes
		if head.Resumes {
			l.resumes = j.number
		}
	case record.KindHeartbeat:
		j.beat = beat{p.name(head.Sensor), head.Epoch, head.Beat.To}
	}
	return j, shard, head.Kind
}

// give gives a shard a job.
func (p *Pool) give(ctx context.Context, shard int, j job) error {
	j.lane.order.add(shard, j.number)
	queue := p.workers[shard].queue
	select { // There mostly is room, and one channel is much less to ask than two.
	case queue <- j:
		return nil
	default:
	}
	select {
	case queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// name returns a sensor's name, of which there are few.
func (p *Pool) name(octets []byte) string {
	if name, ok := p.names[string(octets)]; ok {
		return name
	}
	if len(p.names) >= maxNames {
		clear(p.names)
	}
	name := string(octets)
	p.names[name] = name
	return name
}

// lane returns the lane of a number.
func (p *Pool) lane(ctx context.Context, number int32) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[number]
	if l == nil {
		l = newLane(number, len(p.workers))
		if ctx.Err() != nil {
			l.order.stop()
		}
		p.lanes[number] = l
	}
	return l
}

// leave gives a lane up: what is complete is made durable, the rest forgotten.
func (p *Pool) leave(ctx context.Context, l *lane) error {
	if err := p.settle(ctx, jobLeave, l); err != nil {
		return err
	}
	p.shelf.prune(func(e *shelved) bool { return e.keys[0].lane == l }, nil)
	l.takeAway()
	p.mu.Lock()
	delete(p.lanes, l.number)
	p.mu.Unlock()
	return nil
}

// settle returns when all that was dispatched is durable.
func (p *Pool) settle(ctx context.Context, kind jobKind, l *lane) error {
	for _, w := range p.workers {
		j := job{kind: kind, lane: l, done: make(chan struct{})}
		select {
		case w.queue <- j:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-j.done:
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
	queued, waiting := 0, 0
	for _, l := range p.lanes {
		queued += l.order.queued()
		waiting += l.waiting()
	}
	p.mu.Unlock()
	suspended, evicted := p.shelf.kept()
	return Stats{
		Records: p.records.Load(), Repeats: p.repeats.Load(), Known: p.known.Load(), Poison: p.poison.Load(),
		Messages: p.messages.Load(), Probes: p.probes.Load(), Reports: p.reports.Load(),
		Problems: p.problems.Load(), Unfinished: p.unfinished.Load(), Resumed: p.resumed.Load(), Connections: classes,
		Suspended: suspended, Evicted: evicted, GivenUp: p.givenUp.Load(), Displaced: p.displaced.Load(),
		Open: int(p.open.Load()), Queued: queued, Waiting: waiting,
	}
}

func (p *Pool) countClass(class string) {
	p.mu.Lock()
	p.classes[class]++
	p.mu.Unlock()
}
