// Package spool is the sensor's way out: what is published waits in memory for a
// batch, and on disk while the brokers cannot be reached.
//
// A [Publisher] sends batches one after the other, so that records leave in the
// order in which they came. When sending fails for a while, what is not sent goes
// to disk, and so does all that is published from then on, behind it; what is on
// disk is sent first. When nothing is left there, records pass through memory
// again. What a sensor that died left on disk is sent by the next.
//
// The disk is used up to a bound. What does not fit, because of the bound or
// because the disk is full, is dropped and counted, exactly: the count is for the
// next heartbeat to carry (TakeDropped), and the records' numbers tell decoders
// which connections lost something. There is room again as soon as a segment is
// sent.
//
// Without a directory, Publish blocks while brokers cannot be reached.
package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

// Sender makes records durable elsewhere.
type Sender interface {
	// Send tries once. It releases the records that are durable and those that
	// never can be, counts the latter, and returns the others, in order.
	Send(ctx context.Context, batch []bus.Message) (left []bus.Message, refused int, err error)
}

// Sync says when what was written is forced onto the disk.
type Sync uint8

// The policies: never leaves it to the system, so that a machine's crash may cost
// what was written in the last half minute, a process's crash nothing.
const (
	SyncInterval Sync = iota
	SyncNever
	SyncAlways
)

// ParseSync reads a policy's name.
func ParseSync(s string) (Sync, error) {
	switch s {
	case "interval":
		return SyncInterval, nil
	case "never":
		return SyncNever, nil
	case "always":
		return SyncAlways, nil
	}
	return 0, fmt.Errorf("%q: must be never, interval or always", s)
}

// Defaults of a Config's zero fields.
const (
	DefaultMaxDisk     = 1 << 30
	DefaultMaxQueued   = 32 << 20
	DefaultBatchOctets = 2 << 20
	DefaultBatchAge    = 50 * time.Millisecond
	DefaultPatience    = 3 * time.Second
	DefaultSyncEvery   = time.Second
)

// Config says how a Publisher works.
type Config struct {
	// Dir is where records are put while they cannot be sent; empty: nowhere. It is
	// for one Publisher at a time.
	Dir string
	// MaxDisk bounds the octets there.
	MaxDisk int64
	// Sync is when they are forced onto the disk, SyncEvery the interval.
	Sync      Sync
	SyncEvery time.Duration
	// MaxQueued bounds the octets that wait in memory.
	MaxQueued int
	// A batch is sent when it has BatchOctets or its first record is BatchAge old.
	BatchOctets int
	BatchAge    time.Duration
	// Patience is how long sending may fail before records go to disk; where the
	// memory's bound is reached before, they go at once.
	Patience time.Duration
	// MayWait says that what is published comes from files: where there is no room
	// it waits, and nothing is dropped but at the end.
	MayWait bool
	Log     *slog.Logger
	// Registerer, if not nil, gets the metrics.
	Registerer prometheus.Registerer
}

// Publisher implements bus.Publisher. Any number of goroutines may publish.
type Publisher struct {
	cfg     Config
	sender  Sender
	metrics *metrics

	mu     sync.Mutex
	queue  []bus.Message
	octets int
	oldest time.Time // When queue[0] came.
	// disk is nil without a directory. While it holds anything, what is published
	// goes there.
	disk     *disk
	dropped  uint64 // Not yet taken.
	drops    uint64 // In all.
	done     uint64 // Sent, or put on disk.
	failures uint64 // Of sending.
	sending  int    // In the batch under way.
	onDisk   bool   // That batch is from the disk.
	accepted uint64 // Published in all.
	pressed  bool   // Somebody waits for room.
	closing  bool
	syncedAt time.Time

	wake    chan struct{} // One signal for the sending goroutine.
	room    chan struct{} // Closed and made anew when there is room.
	stop    context.CancelFunc
	stopped chan struct{}
}

var _ bus.Publisher = (*Publisher)(nil)

// Open begins to send what a former Publisher left in the directory, and what is
// published.
func Open(cfg Config, sender Sender) (*Publisher, error) {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&cfg.MaxQueued, DefaultMaxQueued)
	def(&cfg.BatchOctets, DefaultBatchOctets)
	duration(&cfg.BatchAge, DefaultBatchAge)
	duration(&cfg.Patience, DefaultPatience)
	duration(&cfg.SyncEvery, DefaultSyncEvery)
	if cfg.MaxDisk <= 0 {
		cfg.MaxDisk = DefaultMaxDisk
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{
		cfg: cfg, sender: sender,
		wake: make(chan struct{}, 1), room: make(chan struct{}), stopped: make(chan struct{}),
	}
	p.metrics = newMetrics(p)
	if cfg.Dir != "" {
		d, dropped, err := openDisk(cfg.Dir, cfg.MaxDisk, cfg.Log)
		if err != nil {
			return nil, fmt.Errorf("spool %s: %w", cfg.Dir, err)
		}
		p.disk = d
		p.dropped, p.drops = dropped, dropped
		if !d.empty() {
			cfg.Log.Info("sending what an earlier run left in the spool", "dir", cfg.Dir, "octets", d.octets)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go p.run(ctx)
	return p, nil
}

// Publish implements bus.Publisher. With a directory it drops what finds no room
// there, unless that may wait, and without one it blocks.
func (p *Publisher) Publish(ctx context.Context, key bus.Key, rec *record.Buffer) error {
	for {
		p.mu.Lock()
		if p.closing {
			p.mu.Unlock()
			return errors.New("spool: closed")
		}
		// What waits in memory while something is on disk found no room there.
		if p.disk != nil && !p.disk.empty() && len(p.queue) == 0 && p.spool(&bus.Message{Key: key, Record: rec}) {
			p.accepted++
			p.mu.Unlock()
			p.signal()
			return nil
		}
		// A record above the limit goes alone.
		if p.octets == 0 || p.octets+len(rec.B) <= p.cfg.MaxQueued {
			if len(p.queue) == 0 {
				p.oldest = time.Now()
			}
			p.accepted++
			p.queue = append(p.queue, bus.Message{Key: key, Record: rec})
			before := p.octets
			p.octets += len(rec.B)
			due := before == 0 || before < p.cfg.BatchOctets && p.octets >= p.cfg.BatchOctets
			p.mu.Unlock()
			if due {
				p.signal()
			}
			return nil
		}
		p.pressed = true
		room := p.room
		p.mu.Unlock()
		p.signal()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Publisher) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// spool puts a message on disk, or drops it; false says that it is to wait. The
// caller holds mu.
func (p *Publisher) spool(m *bus.Message) bool {
	var err error
	if p.cfg.MayWait && p.closing && p.drops > 0 {
		// Records of a connection that follow would hide from a second reading
		// that this one is missing.
		err = errFull
	} else {
		err = p.disk.write(m.Record.B)
	}
	switch {
	case err == nil:
		p.done++
		p.metrics.spooled.Inc()
		if p.cfg.Sync == SyncAlways {
			p.sync()
		}
	case p.cfg.MayWait && !p.closing:
		p.cfg.Log.Warn("no room in the spool; reading waits for the brokers", "spool", p.cfg.Dir, "error", err)
		return false
	default:
		p.drop(m.Record.B)
		p.cfg.Log.Error("record dropped", "spool", p.cfg.Dir, "dropped", p.drops, "error", err)
	}
	m.Record.Release()
	return true
}

// drop counts a record that is lost. What a heartbeat has carried is to be carried
// again. The caller holds mu.
func (p *Publisher) drop(rec []byte) {
	n := uint64(1)
	if kind, _, err := record.Peek(rec); err == nil && kind == record.KindHeartbeat {
		var r record.Record
		if r.Decode(rec) == nil {
			n += r.Heartbeat.DroppedSensor
		}
	}
	p.dropped += n
	p.drops++
	p.metrics.dropped.Inc()
}

// sync forces what was written onto the disk. The caller holds mu.
func (p *Publisher) sync() {
	if err := p.disk.sync(); err != nil {
		p.cfg.Log.Error("spool cannot be forced onto the disk", "dir", p.cfg.Dir, "error", err)
	}
	p.syncedAt = time.Now()
}

// syncIfDue syncs when the interval is over. The caller holds mu.
func (p *Publisher) syncIfDue() {
	if p.disk != nil && p.cfg.Sync == SyncInterval && time.Since(p.syncedAt) >= p.cfg.SyncEvery {
		p.sync()
	}
}

// TakeDropped returns how many records were dropped since it was called last. The
// caller tells of them in a record of its own; where that is dropped, they count
// again.
func (p *Publisher) TakeDropped() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.dropped
	p.dropped = 0
	return n
}

// Drops returns how many records were dropped in all, by this run.
func (p *Publisher) Drops() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drops
}

// Waiting returns the octets that are not sent, in memory and on disk.
func (p *Publisher) Waiting() (memory int, disk int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.disk != nil {
		disk = p.disk.octets
	}
	return p.octets, disk
}

// Progress returns how many records were sent or put on disk, and whether any wait
// to be.
func (p *Publisher) Progress() (done uint64, waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done, len(p.queue) > 0 || p.sending > 0 || p.disk != nil && !p.disk.empty()
}

// Accepted returns how many records were published. Records leave in order, so all
// of them have left the memory when Left has grown to the same number.
func (p *Publisher) Accepted() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Left returns how many records are no longer in memory: they are with the brokers
// or on disk, or they were dropped.
func (p *Publisher) Left() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.accepted - uint64(len(p.queue))
	if !p.onDisk {
		n -= uint64(p.sending)
	}
	return n
}

// Failures returns how often a batch was sent to no avail.
func (p *Publisher) Failures() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failures
}

// Close sends what waits, until ctx ends; what is not sent then stays on disk for
// the next run, or is lost where there is no directory. The error says so.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.signal()
	select {
	case <-p.stopped:
	case <-ctx.Done():
		p.stop()
		<-p.stopped
	}
	p.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.disk == nil {
		if len(p.queue) > 0 {
			return fmt.Errorf("%d records were not sent and are lost", len(p.queue))
		}
		return nil
	}
	left := !p.disk.empty()
	octets := p.disk.octets
	if err := p.disk.close(p.dropped); err != nil {
		return fmt.Errorf("spool %s: %w", p.cfg.Dir, err)
	}
	if left {
		return fmt.Errorf("%d octets of records wait in the spool %s: the next run sends them", octets, p.cfg.Dir)
	}
	return nil
}

// run sends until Close, and everything is sent, or ctx ends.
func (p *Publisher) run(ctx context.Context) {
	defer close(p.stopped)
	for {
		batch, fromDisk := p.next(ctx)
		if batch == nil {
			break
		}
		left := p.send(ctx, batch, fromDisk)
		if fromDisk {
			if ctx.Err() != nil {
				release(left)
				return // It is still on disk.
			}
			p.mu.Lock()
			p.disk.sent()
			p.sending = 0
			p.mu.Unlock()
			continue
		}
		p.mu.Lock()
		p.sending = 0
		if len(left) > 0 {
			p.toDisk(left)
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toDisk(nil)
}

// release gives records back that are not needed.
func release(batch []bus.Message) {
	for i := range batch {
		batch[i].Record.Release()
	}
}

// toDisk puts what could not be sent, and what waits behind it, on disk; without
// one it goes back to the queue. The caller holds mu.
func (p *Publisher) toDisk(left []bus.Message) {
	if p.disk == nil {
		p.queue = append(left, p.queue...)
		for i := range left {
			p.octets += len(left[i].Record.B)
		}
		return
	}
	if len(left)+len(p.queue) == 0 {
		return
	}
	all := append(left, p.queue...)
	n := 0
	for n < len(all) && p.spool(&all[n]) {
		n++
	}
	p.queue, p.octets = append(p.queue[:0:0], all[n:]...), 0
	for i := range p.queue {
		p.octets += len(p.queue[i].Record.B)
	}
	if p.octets < p.cfg.MaxQueued {
		p.makeRoom()
	}
}

// makeRoom wakes who waits in Publish. The caller holds mu.
func (p *Publisher) makeRoom() {
	p.pressed = false
	close(p.room)
	p.room = make(chan struct{})
}

// next returns the next batch: what is on disk, else what is in memory when it is
// large or old enough. It returns nil when there is nothing left and p is closing,
// or ctx ended.
func (p *Publisher) next(ctx context.Context) (batch []bus.Message, fromDisk bool) {
	for {
		if ctx.Err() != nil {
			return nil, false
		}
		p.mu.Lock()
		wait := time.Hour
		switch {
		case p.disk != nil && !p.disk.empty():
			batch, err := p.fromDisk()
			if len(batch) > 0 {
				p.sending, p.onDisk = len(batch), true
				p.mu.Unlock()
				return batch, true
			}
			if err == nil {
				p.mu.Unlock()
				continue // A segment ended.
			}
			p.cfg.Log.Error("spool cannot be read; trying again", "dir", p.cfg.Dir, "error", err)
			wait = time.Second
		case len(p.queue) > 0:
			wait = p.cfg.BatchAge - time.Since(p.oldest)
			if p.closing || p.octets >= p.cfg.BatchOctets || wait <= 0 {
				n, size := 0, 0
				for n < len(p.queue) && (n == 0 || size+len(p.queue[n].Record.B) <= p.cfg.BatchOctets) {
					size += len(p.queue[n].Record.B)
					n++
				}
				batch := append([]bus.Message(nil), p.queue[:n]...)
				p.queue = append(p.queue[:0], p.queue[n:]...)
				p.octets -= size
				p.sending, p.onDisk = n, false
				p.oldest = time.Now()
				p.makeRoom()
				p.mu.Unlock()
				return batch, false
			}
		case p.closing:
			p.mu.Unlock()
			return nil, false
		}
		p.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// fromDisk reads the next batch. The caller holds mu.
func (p *Publisher) fromDisk() ([]bus.Message, error) {
	p.syncIfDue()
	records, err := p.disk.read(p.cfg.BatchOctets)
	bad := 0
	if err != nil && p.disk.damaged {
		p.cfg.Log.Error("spool is damaged; the rest of the file is lost", "dir", p.cfg.Dir, "error", err)
		bad, err = 1, nil
	}
	batch := make([]bus.Message, 0, len(records))
	var r record.Record
	for _, rec := range records {
		key, err := keyOf(&r, rec.B)
		if err != nil {
			bad++
			rec.Release()
			continue
		}
		batch = append(batch, bus.Message{Key: key, Record: rec})
	}
	if bad > 0 {
		p.dropped += uint64(bad)
		p.drops += uint64(bad)
		p.metrics.dropped.Add(float64(bad))
		p.cfg.Log.Error("records in the spool cannot be read and are dropped", "dir", p.cfg.Dir, "records", bad)
	}
	if len(batch) == 0 && err == nil {
		p.disk.sent()
	}
	return batch, err
}

// keyOf returns the key that a record was published with.
func keyOf(r *record.Record, rec []byte) (bus.Key, error) {
	if err := r.Decode(rec); err != nil {
		return bus.Key{}, err
	}
	if r.Kind != record.KindConnection {
		return bus.Key{}, nil
	}
	return bus.KeyOf(r.Conn.Client.Addr(), r.Conn.Server.Addr()), nil
}

// Bounds of the wait before sending is tried again.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// send sends a batch. It tries until all is sent or ctx ends; a batch from memory
// also until its time is up, where there is a disk to put it on.
func (p *Publisher) send(ctx context.Context, batch []bus.Message, fromDisk bool) (left []bus.Message) {
	start := time.Now()
	failing := false
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		n := len(batch)
		left, refused, err := p.sender.Send(ctx, batch)
		p.mu.Lock()
		if len(left) > 0 {
			p.failures++
		}
		p.done += uint64(n - len(left))
		p.dropped += uint64(refused)
		p.drops += uint64(refused)
		p.mu.Unlock()
		p.metrics.dropped.Add(float64(refused))
		if len(left) == 0 {
			if failing {
				p.cfg.Log.Info("records are sent again")
			}
			p.metrics.failing.Set(0)
			return nil
		}
		failing = true
		p.metrics.failing.Set(1)
		p.metrics.retries.Inc()
		p.cfg.Log.Warn("records cannot be sent; trying again", "records", len(left), "error", err)
		if ctx.Err() != nil {
			return left
		}
		if !fromDisk && p.disk != nil {
			p.mu.Lock()
			over := p.pressed || p.closing || time.Since(start) >= p.cfg.Patience
			p.mu.Unlock()
			if over {
				p.cfg.Log.Warn("records go to the spool until they can be sent", "dir", p.cfg.Dir, "error", err)
				return left
			}
			wait = min(wait, p.cfg.Patience)
		}
		batch = left
		t := time.NewTimer(wait/2 + rand.N(wait/2+1))
		for over := false; !over; {
			select {
			case <-t.C:
				over = true
			case <-p.wake:
				// Who fills the memory meanwhile does not wait for the timer.
				p.mu.Lock()
				over = !fromDisk && p.disk != nil && p.pressed
				p.syncIfDue()
				p.mu.Unlock()
			case <-ctx.Done():
				over = true
			}
		}
		t.Stop()
		p.mu.Lock()
		p.syncIfDue()
		p.mu.Unlock()
	}
}

type metrics struct {
	spooled, dropped, retries prometheus.Counter
	failing                   prometheus.Gauge
}

func newMetrics(p *Publisher) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "x400flow", Subsystem: "spool", Name: name, Help: help})
	}
	m := &metrics{
		spooled: counter("records_total", "Records put on disk because they could not be sent."),
		dropped: counter("dropped_records_total", "Records dropped because there was no room on disk, or nobody takes them."),
		retries: counter("send_retries_total", "Attempts to send a batch that failed and are repeated."),
		failing: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "x400flow", Subsystem: "spool", Name: "failing",
			Help: "1 while records cannot be sent."}),
	}
	if r := p.cfg.Registerer; r != nil {
		gauge := func(name, help string, f func() float64) prometheus.Collector {
			return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "x400flow", Subsystem: "spool", Name: name, Help: help}, f)
		}
		r.MustRegister(m.spooled, m.dropped, m.retries, m.failing,
			gauge("queued_octets", "Octets of records that wait in memory.", func() float64 {
				n, _ := p.Waiting()
				return float64(n)
			}),
			gauge("octets", "Octets on disk.", func() float64 {
				_, n := p.Waiting()
				return float64(n)
			}))
	}
	return m
}
