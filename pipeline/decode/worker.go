package decode

import (
	"context"
	"crypto/sha256"
	"hash"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"time"

	"x400flow/osi/association"
	"x400flow/pipeline/latest"
	"x400flow/pipeline/record"
	"x400flow/pipeline/store"
	"x400flow/schema"
	"x400flow/x411"
	"x400flow/x411/ipm"
)

// linger is how long rows may wait in a shard that has nothing to do.
const linger = 500 * time.Millisecond

// A connection's row in a batch replaces those in earlier ones. So while it goes on, and
// the shard has something to do, it is told only when both have gone by since it got
// something: refresh of capture time, and linger by the clock.
const refresh = int64(time.Second)

// To count what a batch has takes as long as a few TPDUs do. So it is looked at so many
// times until it has its octets, and often enough for rows that each come of leastRow
// octets of a record.
const (
	looks    = 64
	leastRow = 8
)

// tellings is after how many connections that were told of it is looked at again: the rows
// of one take a few kilobytes.
const tellings = 16

// maxEvidence is how many octets a problem row holds.
const maxEvidence = 4 << 10

// worker is one shard: the connections that it owns, and the rows it collects.
type worker struct {
	pool  *Pool
	shard int
	queue chan job
	jobs  []job // Taken from the queue.
	job   *job  // In hand.

	// mu is held while a job is done, though not while that waits for others.
	mu    sync.Mutex
	busy  *connection // The one whose record that job is.
	conns map[connKey]*connection
	// sessions are the newest of the connections of which something is open.
	sessions map[sessionKey]*namesake
	// The connections by when they were last heard of: last.next is the longest
	// silent.
	last           connection
	limit          int           // Connections kept.
	room, buffered int           // Octets kept for what is open: how many may be, and are.
	idle           []*connection // Ended ones, for reuse.
	spare          sync.Pool     // More of them, until the collector has come by.
	// ended has the last record of connections that ended lately, so that records
	// that are delivered twice are known as such.
	ended *latest.Map[connKey, uint64]

	// What the archive told of connections that are not known yet.
	asked  map[connKey]bool
	found  map[store.Reading]store.Progress
	forgot bool   // A connection was let go whose rows may not be durable yet.
	state  []byte // Scratch for rows of progress.

	rec          record.Record
	tpdu         association.TPDU // The last one of rec.
	source       int64            // Its source in rec, -1 before the first.
	silent       record.Record    // What is told of a connection without a record of it.
	ev           association.Event
	scratch      association.Scratch // Of all connections.
	names        x411.NameCache
	apdu         x411.APDU
	bind         x411.Bind
	control      x411.Reader
	acse         [len(acseFields)]acseTold
	batch        *schema.Batch
	untold       connection // Connections whose row is due, by since: untold.later is the first.
	time         int64      // Capture time of the last record.
	begun        time.Time  // When the batch was.
	worked       bool       // Since the timer last ran out.
	look, unseen int        // After how many octets of records to see whether the batch is full, and how many came.
	releases     []hold     // Due when the batch is durable.
	row          rows
	derived      derived
	seen         seen
	digests      digests
	ops          operations
	hash         hash.Hash
	digested     []byte

	inside inside
}

// maxEnded bounds the connections that ended of which a shard remembers the last record.
const maxEnded = 4096

// connKey tells connections apart, as each sensor sees them. Its start does
// where one that was given up as silent goes on, under the same identifier.
type connKey struct {
	lane   *lane
	sensor string
	epoch  int64
	start  int64
	id     [16]byte
}

func (k *connKey) reading() store.Reading {
	return store.Reading{Association: k.id, Sensor: k.sensor, Epoch: k.epoch, Start: k.start}
}

// maxNamesakes bounds the connections of a shard in which an activity is looked for.
const maxNamesakes = 64

// sessionKey is a session connection identifier by its hash, among those that a
// sensor sees. What is found by it is compared in full.
type sessionKey struct {
	lane   *lane
	sensor string
	hash   uint64
}

// connection is what a shard keeps of one TCP connection.
type connection struct {
	key     connKey
	flow    association.ConnectionID
	config  association.Config
	assoc   *association.Association
	number  uint64 // Of the last record.
	heard   int64  // Capture time of the last record.
	ended   bool
	muted   bool
	givenUp bool
	skipped [2]*run               // nil before the first.
	resumed map[[16]byte][16]byte // Transfers begun in another association.
	pending []*invocation         // Invokes whose answer has not come, in order.

	// Until quiet ends, after record told.Number, rows are in the archive.
	quiet     bool
	stateless bool // told.State cannot be read.
	// pendingThen is how many invokes were pending when told.State was written.
	pendingThen int
	told        store.Progress

	held uint64 // The lane's record that is held for what is open, 0 for none.
	// sessions are its places in worker.sessions while held is not 0.
	sessions   [2]namesake
	buffered   int // Octets kept for what is open, as counted in worker.buffered.
	prev, next *connection

	// Among the worker's untold ones since capture time and clock, before all when it
	// has ended; later is nil where no row is due.
	earlier, later *connection
	since          int64
	sinceClock     time.Time

	text *facts
	row  schema.Association

	// What assoc calls; they stay when the connection is reused.
	suspend func(*association.Suspended)
	resume  func(association.Key) (*association.Suspended, bool)
}

// facts are the row's texts that no record or association holds.
type facts struct {
	// What does not change, in memory of one piece, fixed.
	sensor, client, server, community, fixed []byte

	source               []byte
	initiator, responder []byte
	initiatorDir         uint8
	detail, release      []byte
	initiatorBind        []byte
	responderBind        []byte
}

// derived are the row's texts that are made of an association's facts each time it is told.
// They are a worker's, not each connection's: those of many are in no cache.
type derived struct {
	titles                 [4][]byte
	acse                   []byte
	context, contextName   []byte
	syntaxes               []byte
	sessionID              []byte
	clientTSAP, serverTSAP []byte
	clientSSAP, serverSSAP []byte
	clientPSAP, serverPSAP []byte
}

// all are the texts that grow with what a connection tells.
func (t *facts) all() [7]*[]byte {
	return [...]*[]byte{&t.initiator, &t.responder, &t.detail, &t.release, &t.initiatorBind, &t.responderBind, &t.source}
}

// usualFixed is what most connections' fixed texts take, with addresses of IPv4.
const usualFixed = 96

// fix makes the texts that do not change.
func (t *facts) fix(rec *record.Record) {
	b := append(slices.Grow(t.fixed[:0], usualFixed), rec.Sensor...)
	sensor := len(b)
	b = rec.Conn.Client.Addr().AppendTo(b)
	client := len(b)
	b = rec.Conn.Server.Addr().AppendTo(b)
	server := len(b)
	b = appendCommunityID(b, rec.Conn.Client, rec.Conn.Server)
	t.fixed, t.sensor, t.client, t.server, t.community = b, b[:sensor], b[sensor:client], b[client:server], b[server:]
}

// reset empties the texts and keeps their memory.
func (t *facts) reset() {
	for _, b := range t.all() {
		*b = (*b)[:0]
	}
	t.initiatorDir = 0
}

// kept is how many octets reset keeps.
func (t *facts) kept() int {
	n := 0
	for _, b := range t.all() {
		n += cap(*b)
	}
	return n
}

// run is a run of octets that are in no TPKT.
type run struct {
	kind     record.ItemKind
	first    record.Item // Its octets are in evidence.
	source   []byte
	octets   uint64
	digest   hash.Hash
	whole    bool // digest is over all octets.
	evidence []byte
	since    uint64 // The lane's record that it began in.
}

func newWorker(p *Pool, shard int) *worker {
	w := &worker{
		pool: p, shard: shard, queue: make(chan job, queueLength), conns: make(map[connKey]*connection), ended: latest.New[connKey, uint64](maxEnded),
		sessions: make(map[sessionKey]*namesake), asked: make(map[connKey]bool), found: make(map[store.Reading]store.Progress),
		limit: max(p.cfg.MaxConnections/p.cfg.Workers, 1),
		room:  max(p.cfg.MaxBuffered/p.cfg.Workers, 2*p.cfg.MaxAPDU),
		look:  min(p.cfg.BatchOctets/looks, p.cfg.BatchRows*leastRow),
		seen:  seen{room: min(p.cfg.BatchOctets, maxSeen)},
	}
	w.digests.now = nothing
	w.digests.reset()
	w.ready()
	w.last.prev, w.last.next = &w.last, &w.last
	w.untold.earlier, w.untold.later = &w.untold, &w.untold
	w.begun = time.Now()
	w.ops.argument.Attribute, w.ops.result.Attribute = ipm.Attribute, ipm.Attribute
	return w
}

// run does the shard's jobs until there are no more.
func (w *worker) run(ctx context.Context) error {
	w.batch = w.pool.writer.Batch()
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		select {
		case j, ok := <-w.queue:
			w.jobs = w.jobs[:0]
			if ok {
				w.jobs = append(w.jobs, j)
			}
			for more := ok; more && len(w.jobs) < queueLength; {
				// As many as there are, so that the archive is asked, and the dispatcher
				// woken, once for all.
				select {
				case j, ok = <-w.queue:
					if more = ok; ok {
						w.jobs = append(w.jobs, j)
					}
				default:
					more = false
				}
			}
			w.worked = true
			flushed, err := w.doAll(ctx)
			if err != nil {
				return err
			}
			if !ok {
				for _, c := range w.conns {
					w.pool.countClass(className(c))
				}
				return w.between(ctx, true)
			}
			if flushed {
				timer.Reset(linger)
			}
		case <-timer.C:
			if err := w.between(ctx, !w.worked); err != nil {
				return err
			}
			w.worked = false
			timer.Reset(linger)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// doAll does the jobs taken from the queue.
func (w *worker) doAll(ctx context.Context) (flushed bool, err error) {
	defer clear(w.jobs)
	if w.pool.cfg.Progress != nil {
		if err := w.ask(ctx, w.jobs); err != nil {
			return false, err
		}
	}
	for i := range w.jobs {
		j := &w.jobs[i]
		w.mu.Lock()
		w.job = j
		switch j.kind {
		case jobRecord:
			if j.after != 0 {
				// It may take what is open in this record's connection, or find no such
				// thing that only begins here.
				w.waitBefore(j.after + 1)
			}
			err = w.do(ctx, j)
			w.pool.queued.Release(j.octets)
		case jobBeat:
			w.beat(&j.beat)
		case jobFlush:
			err = w.flush(ctx)
		case jobLeave:
			if err = w.flush(ctx); err == nil {
				w.leave(j.lane)
			}
		}
		w.busy = nil
		w.mu.Unlock()
		if err == nil {
			// A job that was done while the others were stopped did not have what
			// it waited for.
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		if j.done != nil {
			close(j.done)
			continue
		}
		j.lane.order.done(w.shard)
		if w.unseen < w.look {
			continue
		}
		if w.unseen = 0; w.full(1) {
			if err := w.between(ctx, false); err != nil {
				return false, err
			}
			flushed = true
		}
	}
	return flushed, nil
}

// full reports whether the batch has as many times the rows or octets that it is
// to have.
func (w *worker) full(times int) bool {
	return w.batch.Rows() >= times*w.pool.cfg.BatchRows || w.batch.Bytes() >= times*w.pool.cfg.BatchOctets
}

// flush gives the rows collected to the store, and those of all connections that
// are due.
func (w *worker) flush(ctx context.Context) error { return w.handOver(ctx, true) }

// between is handOver between jobs. What it tells of connections must not change
// meanwhile: another shard may resume an activity of theirs.
func (w *worker) between(ctx context.Context, all bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.handOver(ctx, all)
}

// handOver gives the rows collected to the store, and those of connections that
// are overdue, or of all. Where a bus outlives the decoder it is always all: what
// is acknowledged must be in the connections' progress.
func (w *worker) handOver(ctx context.Context, all bool) error {
	all = all || w.pool.cfg.Progress != nil
	now := time.Now()
	told := 0
	for c := w.untold.later; c != &w.untold && (all || w.overdue(c, now)); c = w.untold.later {
		if told++; told%tellings == 1 && w.full(2) {
			// What is acknowledged waits for the last batch.
			if err := w.write(ctx, nil); err != nil {
				return err
			}
		}
		w.tell(c)
		if c.ended {
			w.reuse(c)
		}
	}
	w.begun = now
	if w.batch.Rows() == 0 && len(w.releases) == 0 {
		return nil
	}
	due := w.releases
	w.releases = nil
	release := func() {
		for _, h := range due {
			h.lane.release(h.record)
		}
	}
	if earlyAck {
		release()
		release = nil
	}
	return w.write(ctx, release)
}

// overdue reports whether the row of a connection has waited long enough. Capture
// time goes back where another capture begins.
func (w *worker) overdue(c *connection, now time.Time) bool {
	if c.ended {
		return true
	}
	waited := w.time - c.since
	return (waited >= refresh || waited <= -refresh) && now.Sub(c.sinceClock) >= linger
}

func (w *worker) write(ctx context.Context, ack func()) error {
	w.settle()
	if !w.pool.cfg.EnvelopeOnly {
		w.seen.forget()
	}
	b := w.batch
	w.batch = w.pool.writer.Batch()
	return w.pool.writer.Write(ctx, b, ack)
}

// tell appends the rows that say how far a connection has come, if they are due.
func (w *worker) tell(c *connection) {
	if c.later == nil {
		return
	}
	c.drop()
	w.associationRow(c)
	w.progressRow(c)
}

// do decodes one record.
func (w *worker) do(ctx context.Context, j *job) error {
	rec := &w.rec
	w.source, w.tpdu.Record = -1, j.number
	w.unseen += len(j.delivery.Record.B)
	err := rec.Decode(j.delivery.Record.B)
	if err == nil && rec.Kind == record.KindConnection && j.key.lane == nil {
		err = record.ErrMalformed
	}
	if err != nil {
		w.pool.poison.Add(1)
		w.pool.cfg.Log.Error("record cannot be read", "lane", j.lane.number, "offset", j.delivery.Offset,
			"octets", len(j.delivery.Record.B), "error", err)
		if w.pool.cfg.DeadLetter != nil {
			if err := w.pool.cfg.DeadLetter(ctx, &j.delivery, err); err != nil {
				return err
			}
		}
	} else {
		switch rec.Kind {
		case record.KindConnection:
			if err := w.connection(ctx, j); err != nil {
				return err
			}
		case record.KindHeartbeat:
			w.heartbeat(rec)
			w.beat(&j.beat)
		case record.KindCapture:
			w.capture(rec)
		}
	}
	j.delivery.Record.Release()
	w.releases = append(w.releases, hold{j.lane, j.number})
	return nil
}

// connection takes one connection's record.
func (w *worker) connection(ctx context.Context, j *job) error {
	rec := &w.rec
	c := w.conns[j.key]
	if c == nil {
		if last, ok := w.ended.Get(j.key); ok && rec.Number <= last {
			w.pool.repeats.Add(1)
			return nil
		}
		var err error
		if c, err = w.open(ctx, j); err != nil {
			return err
		}
	}
	if rec.Number <= c.number {
		w.pool.repeats.Add(1)
		return nil
	}
	if c.quiet && rec.Number > c.told.Number {
		w.restore(c)
	}
	w.touch(c)
	w.time = rec.Time
	w.busy = c
	if c.quiet {
		w.pool.known.Add(1)
	} else {
		w.markDirty(c)
	}
	if missed := rec.Number - c.number - 1; missed > 0 {
		w.missed(c, rec, missed)
	}
	c.number = rec.Number
	c.heard = max(c.heard, rec.Time)
	c.muted = c.muted || rec.Muted
	c.givenUp = false
	w.items(c, rec)
	c.counters(rec)
	if rec.End != record.Open {
		for dir := range c.skipped {
			w.endRun(c, uint8(dir))
		}
		c.assoc.End(association.EndReason(rec.End), c.row.LastSeen)
		w.drain(c, rec)
		w.unanswered(c, 0)
		c.ended = true
		c.row.Ended = rec.End.String()
		w.ended.Add(c.key, c.number)
		if !c.quiet {
			w.pool.countClass(className(c))
		}
		c.assoc.Detach()
		if c.later != nil {
			// To be told with this batch: many at a time are told faster than each by itself.
			c.drop()
			c.queue(&w.untold, w.untold.later)
		}
		w.remove(c)
		return nil
	}
	c.assoc.Detach()
	if c.quiet && c.number == c.told.Number && !c.told.GivenUp {
		w.restore(c)
	}
	w.releases = w.hold(c, w.releases)
	w.makeRoom(c)
	return nil
}

// makeRoom counts the octets that are kept of a connection. Where those of all are
// too many, the longest silent ones that keep any are let go.
func (w *worker) makeRoom(c *connection) {
	w.count(c)
	for c := w.last.next; w.buffered > w.room && c != &w.last; {
		next := c.next
		if c.buffered > 0 {
			w.displace(c)
		}
		c = next
	}
}

func (w *worker) count(c *connection) {
	n := c.assoc.Buffered()
	w.buffered += n - c.buffered
	c.buffered = n
}

// hold holds the record that the oldest of what is open of a connection began
// in. What began before is held no longer: its release is due.
func (w *worker) hold(c *connection, due []hold) []hold {
	since, _ := c.openSince()
	if since == c.held {
		return due
	}
	if since != 0 {
		c.key.lane.hold(since)
	}
	w.index(c, since != 0)
	if c.held != 0 {
		due = append(due, hold{c.key.lane, c.held})
	}
	c.held = since
	return due
}

// index has a connection found by its session connection, or no longer.
func (w *worker) index(c *connection, open bool) {
	for i := range c.sessions {
		w.leaveSession(&c.sessions[i])
	}
	if !open {
		return
	}
	if id := c.assoc.Facts().SessionID; len(id) > 0 {
		w.joinSession(&c.sessions[0], c, maphash.Bytes(w.pool.seed, id))
	}
	// A sender may name it by where it was begun, too.
	if id := c.assoc.Begun(); id != "" {
		w.joinSession(&c.sessions[1], c, maphash.String(w.pool.seed, id))
	}
}

// namesake is a connection's place among those whose session connection has the same
// identifier. X.228 8.1 has each differ, by the MTA's name and the time; but two that one
// MTA opens in the same second may not, where it adds nothing else.
type namesake struct {
	key          sessionKey
	of           *connection // nil where it has no place.
	older, newer *namesake
}

func (w *worker) joinSession(s *namesake, c *connection, id uint64) {
	*s = namesake{key: sessionKey{c.key.lane, c.key.sensor, id}, of: c}
	if s.older = w.sessions[s.key]; s.older != nil {
		s.older.newer = s
	}
	w.sessions[s.key] = s
}

func (w *worker) leaveSession(s *namesake) {
	switch {
	case s.of == nil:
		return
	case s.newer != nil:
		s.newer.older = s.older
	case s.older != nil:
		w.sessions[s.key] = s.older
	default:
		delete(w.sessions, s.key)
	}
	if s.older != nil {
		s.older.newer = s.newer
	}
	*s = namesake{}
}

// wait returns when all that was received before the job in hand is done. Other
// shards may take what is open of this one's connections meanwhile, but for the
// one that it is busy with.
func (w *worker) wait() bool { return w.waitBefore(w.job.number) }

// waitBefore is wait for what was received before another record of the lane.
func (w *worker) waitBefore(number uint64) bool {
	w.mu.Unlock()
	defer w.mu.Lock()
	return w.job.lane.order.wait(number)
}

// openSince returns the lane's record in which the oldest of what is open
// began. Whatever a connection keeps for rows to come belongs here.
func (c *connection) openSince() (since uint64, open bool) {
	since, open = c.assoc.OpenSince()
	for i := range c.skipped {
		// Of octets that are encrypted, or of no concern, there is no row.
		if r := c.skipped[i]; r != nil && r.kind != 0 && r.kind != record.Encrypted && !c.assoc.NotX400() && (!open || r.since < since) {
			since, open = r.since, true
		}
	}
	for _, v := range c.pending {
		if !open || v.since < since {
			since, open = v.since, true
		}
	}
	return since, open
}

// markDirty has the connection's row told in this batch or a later one.
func (w *worker) markDirty(c *connection) {
	if c.later != nil {
		return
	}
	c.since, c.sinceClock = w.time, w.begun
	c.queue(w.untold.earlier, &w.untold)
}

// queue puts the connection between two of the untold ones.
func (c *connection) queue(earlier, later *connection) {
	c.earlier, c.later = earlier, later
	earlier.later, later.earlier = c, c
}

// drop takes it from among them.
func (c *connection) drop() {
	c.earlier.later, c.later.earlier = c.later, c.earlier
	c.earlier, c.later = nil, nil
}

// touch puts a connection behind all that are longer silent.
func (w *worker) touch(c *connection) {
	if c.next != nil {
		c.prev.next, c.next.prev = c.next, c.prev
	}
	c.prev, c.next = w.last.prev, &w.last
	c.prev.next, c.next.prev = c, c
}

// remove forgets a connection, of which nothing is open that it holds a record
// for. It has ended or is told.
func (w *worker) remove(c *connection) {
	if c.held != 0 {
		w.releases = append(w.releases, hold{c.key.lane, c.held})
		c.held = 0
	}
	w.index(c, false)
	if c.next != nil {
		c.prev.next, c.next.prev = c.next, c.prev
		c.prev, c.next = nil, nil
	}
	w.forgo(c, 0)
	w.buffered -= c.buffered
	c.buffered = 0
	delete(w.conns, c.key)
	w.pool.open.Add(-1)
	if c.later == nil {
		w.reuse(c)
	}
}

// leave forgets all that is kept of a lane, which another decoder goes on with.
func (w *worker) leave(l *lane) {
	for key, c := range w.conns {
		if key.lane == l {
			c.assoc.Forget()
			c.held = 0
			w.remove(c)
		}
	}
	for key := range w.ended.All() {
		if key.lane == l {
			w.ended.Delete(key)
		}
	}
}

// beat gives up what is open of connections, and what is suspended, that a
// sensor has not heard of for too long.
func (w *worker) beat(b *beat) {
	if b.epoch == 0 {
		return // Capture files are read in any order, and again.
	}
	l, silent := w.job.lane, b.to-int64(w.pool.cfg.Idle)
	waited := false
	for c := w.last.next; c != &w.last; {
		next := c.next
		if c.key.lane == l && c.key.sensor == b.sensor && c.key.epoch != 0 && c.key.epoch <= b.epoch &&
			c.heard < silent && !c.givenUp {
			if c.held != 0 && !waited {
				// What was received earlier may resume what is open.
				waited = true
				w.wait()
			}
			if c.held != 0 {
				w.giveUp(c, b.to)
			} else if w.pool.cfg.Progress != nil && c.later == nil {
				// Should more come of it, the archive tells.
				w.forgot = true
				w.remove(c)
			}
		}
		c = next
	}
	if w.shard != 0 {
		return
	}
	old := func(e *shelved) bool {
		return e.keys[0].lane == l && e.keys[0].sensor == b.sensor && e.epoch != 0 && e.epoch <= b.epoch && e.seen < silent
	}
	// What other shards have yet to do may resume one.
	if w.pool.shelf.any(old) && w.wait() {
		w.releases = w.pool.shelf.prune(old, w.releases)
	}
}

// giveUp tells that what is open of a connection will not come to its end. What
// can be resumed in another association is suspended.
func (w *worker) giveUp(c *connection, now int64) {
	w.pool.givenUp.Add(1)
	heard := c.heard
	c.heard = now // The shelf is to count the silence from here.
	w.busy = c
	w.breakOff(c)
	w.busy = nil
	c.heard = heard
	c.givenUp = true
	c.row.Version |= 1
	if !c.quiet {
		w.markDirty(c)
	} else if c.number == c.told.Number {
		w.restore(c)
	}
	w.releases = w.hold(c, w.releases)
}

func (w *worker) breakOff(c *connection) {
	w.silent.Sources = append(w.silent.Sources[:0], c.text.source)
	for dir := range c.skipped {
		w.endRun(c, uint8(dir))
	}
	c.assoc.End(association.EndReason(record.Open), c.row.LastSeen)
	w.drain(c, &w.silent)
	w.unanswered(c, 0)
	c.assoc.Detach()
}

// displace lets a connection go, for another.
func (w *worker) displace(c *connection) {
	w.pool.displaced.Add(1)
	if c.held != 0 {
		w.giveUp(c, c.heard)
	}
	w.tell(c)
	w.forgot = true
	w.remove(c)
}

func (w *worker) open(ctx context.Context, j *job) (*connection, error) {
	rec := &w.rec
	told, found, err := w.progress(ctx, j.key)
	if err != nil {
		return nil, err
	}
	for len(w.conns) >= w.limit {
		w.displace(w.last.next)
	}
	var c *connection
	fresh := false
	if n := len(w.idle); n > 0 {
		c, w.idle = w.idle[n-1], w.idle[:n-1]
	} else if c, _ = w.spare.Get().(*connection); c == nil {
		fresh = true
		c = &connection{assoc: new(association.Association), text: new(facts)}
		c.suspend = func(a *association.Suspended) { w.suspend(c, a) }
		c.resume = func(k association.Key) (*association.Suspended, bool) { return w.resume(c, k) }
	}
	c.key = j.key
	c.flow = flowID(rec.Conn.Client, rec.Conn.Server)
	c.config = association.Config{
		Connection:  c.flow,
		MaxAPDU:     w.pool.cfg.MaxAPDU,
		MaxProblems: w.pool.cfg.MaxProblems,
		Lasting:     true,
		Buffers:     &w.pool.buffers,
		Scratch:     &w.scratch,
		Suspend:     c.suspend,
		Resume:      c.resume,
	}
	if fresh {
		c.assoc.Reset(c.config)
	} else {
		c.assoc.Configure(c.config) // reuse has Reset it.
	}
	t := c.text
	t.fix(rec)
	t.source = t.source[:0]
	if len(rec.Sources) > 0 {
		t.source = append(t.source, rec.Sources[0]...)
	}
	r := &c.row // Of a new connection, or cleared by reuse.
	r.Association, r.CommunityID = c.key.id, t.community
	r.ClientPort, r.ServerPort = rec.Conn.Client.Port(), rec.Conn.Server.Port()
	r.FirstSeen, r.LastSeen, r.MidStream = rec.Conn.Start, rec.Conn.Start, rec.Conn.MidStream
	r.Ended, r.DecoderVersion = record.Open.String(), Version
	w.conns[c.key] = c
	w.pool.open.Add(1)
	w.touch(c)
	if found {
		c.told = told
		w.goOn(c)
	}
	return c, nil
}

// maxIdle bounds the ended connections that a shard keeps for reuse. As many are in use at
// a time as end within one batch of rows. Where very many end at once, more are reused, but
// those the collector takes.
const maxIdle = 1024

// maxIdleOctets is the most memory that one of them keeps: most need a fourth of it. A
// connection that needed more, for long names, is left to the collector.
const maxIdleOctets = 16 << 10

// reuse lets a connection's memory be reused.
func (w *worker) reuse(c *connection) {
	c.assoc.Reset(c.config)
	if c.assoc.Kept()+c.text.kept() > maxIdleOctets {
		return
	}
	c.text.reset()
	// Cleared where it is: a literal of its size would be made elsewhere and copied.
	assoc, text, suspend, resume := c.assoc, c.text, c.suspend, c.resume
	*c = connection{}
	c.assoc, c.text, c.suspend, c.resume = assoc, text, suspend, resume
	if len(w.idle) < maxIdle {
		w.idle = append(w.idle, c)
	} else {
		w.spare.Put(c)
	}
}

// suspend keeps an activity for other associations. All that was received before
// is done first, here and in resume, so that what is kept, found and given up does
// not depend on how far the other shards have come.
func (w *worker) suspend(c *connection, a *association.Suspended) {
	if !w.wait() {
		a.Release()
		return
	}
	key := func(k association.Key) shelfKey { return shelfKey{c.key.lane, c.key.sensor, k} }
	w.releases = w.pool.shelf.put(&shelved{
		activity: a, keys: [2]shelfKey{key(a.Key), key(a.First)}, association: c.key.id,
		epoch: c.key.epoch, source: string(c.text.source), seen: max(c.heard, c.row.LastSeen),
	}, w.releases)
}

// resume finds an activity that was suspended in another association, or that is
// open in one whose end was not seen, since the network between the two failed
// (X.228 7.8.3).
func (w *worker) resume(c *connection, k association.Key) (*association.Suspended, bool) {
	if !w.wait() {
		return nil, false
	}
	a, in, ok := w.pool.shelf.take(shelfKey{c.key.lane, c.key.sensor, k})
	if !ok {
		if a, in, ok = w.surrender(c, k); !ok {
			return nil, false
		}
	}
	w.releases = append(w.releases, hold{c.key.lane, a.Since})
	if in != c.key.id {
		if c.resumed == nil {
			c.resumed = make(map[[16]byte][16]byte)
		}
		c.resumed[transferID(&a.Origin)] = in
	}
	return a, ok
}

// surrender takes an activity from the connection that it is open in, whichever
// shard has that, and holds its record. Of several, it is the one in which something is
// open since the latest record, so that it does not depend on how many shards there are.
func (w *worker) surrender(c *connection, k association.Key) (a *association.Suspended, in [16]byte, ok bool) {
	key := sessionKey{c.key.lane, c.key.sensor, maphash.String(w.pool.seed, k.Session)}
	// No two shards wait for each other.
	w.mu.Unlock()
	defer w.mu.Lock()
	var shard *worker
	var first *connection
	for _, o := range w.pool.workers {
		o.mu.Lock()
		n := 0
		for s := o.sessions[key]; s != nil && n < maxNamesakes; s = s.older {
			n++
			if s.of != o.busy && (first == nil || s.of.held > first.held) && s.of.assoc.Holds(k) {
				shard, first = o, s.of
			}
		}
		o.mu.Unlock()
	}
	if first == nil {
		return nil, in, false
	}
	// The others do nothing that was received later before this is done.
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if a, ok = first.assoc.Surrender(k); ok {
		in = first.key.id
		key.lane.hold(a.Since)
		w.releases = shard.hold(first, w.releases)
		shard.count(first)
	}
	return a, in, ok
}

// preamble makes up for the beginning of a connection.
func (w *worker) preamble(c *connection, rec *record.Record) {
	for i := range rec.Preamble {
		if it := &rec.Preamble[i]; it.Kind == record.TPDU {
			w.take(c, rec, it)
		}
	}
}

// missed tells of records that did not arrive, and makes up for the beginning
// with the preamble.
func (w *worker) missed(c *connection, rec *record.Record, n uint64) {
	if c.number == 0 {
		w.preamble(c, rec)
	}
	for dir := range uint8(2) {
		var at record.Item
		for i := range rec.Items {
			if rec.Items[i].Dir == dir {
				at = rec.Items[i]
				break
			}
		}
		c.assoc.Gap(dir, at.Sequence, 0)
		w.drain(c, rec)
		at.Dir, at.Octets = dir, nil
		w.problem(c, &finding{
			layer: "record", reason: "records-missing", item: &at, source: rec.SourceOf(&at),
			detail: w.row.texts.reset().str("records missing before number ").uint(rec.Number).str(": ").uint(n).bytes(),
		})
	}
}

// items takes the items of a record.
func (w *worker) items(c *connection, rec *record.Record) {
	r, items := &c.row, rec.Items
	for i := 0; i < len(items) && r.FirstFrame == 0; i++ {
		r.FirstFrame = items[i].Frame
	}
	if n := len(items); n > 0 {
		r.LastFrame = items[n-1].Frame
	}
	for i := range items {
		it := &items[i]
		if it.Time > r.LastSeen {
			r.LastSeen = it.Time
		}
		if it.Time > c.heard {
			c.heard = it.Time
		}
		if it.Kind != record.TPDU {
			w.other(c, rec, it)
			continue
		}
		if c.skipped[it.Dir&1] != nil {
			w.endRun(c, it.Dir)
		}
		w.take(c, rec, it)
	}
}

// other takes an item that is no TPDU.
func (w *worker) other(c *connection, rec *record.Record, it *record.Item) {
	switch it.Kind {
	case record.Gap:
		w.endRun(c, it.Dir)
		c.assoc.Gap(it.Dir, it.Sequence, it.Lost)
		w.drain(c, rec)
		if !c.assoc.NotX400() {
			w.problem(c, &finding{layer: "tcp", reason: "gap", item: it, source: rec.SourceOf(it), octets: it.Lost})
		}
	case record.Skipped, record.Encrypted, record.Cut:
		w.skip(c, rec, it)
	case record.Redaction:
		w.problem(c, &finding{
			layer: "sensor", reason: "bind-undecodable", item: it, source: rec.SourceOf(it), octets: it.Redacted,
			digest: it.Digest, detail: []byte("credentials could not be located, so all user data was overwritten"),
		})
	}
}

func (w *worker) take(c *connection, rec *record.Record, it *record.Item) {
	if len(it.Octets) <= association.MaxPoint && c.assoc.Point(it.Dir, w.tpdu.Record, it.Octets) {
		return
	}
	if int64(it.Source) != w.source {
		w.source, w.tpdu.Source = int64(it.Source), w.pool.sources.number(rec.SourceOf(it))
	}
	in := &w.tpdu // Field by field: a value would be made elsewhere and copied.
	in.Dir, in.Seq, in.Offset, in.Time, in.Frame, in.Octets = it.Dir, it.Sequence, it.Offset, it.Time, it.Frame, it.Octets
	if c.assoc.TPDU(in) {
		w.drain(c, rec)
	}
}

// skip adds octets to a run of octets that are in no TPKT.
func (w *worker) skip(c *connection, rec *record.Record, it *record.Item) {
	r := c.skipped[it.Dir]
	if r == nil {
		r = new(run)
		c.skipped[it.Dir] = r
	}
	if r.kind != 0 && r.kind != it.Kind {
		w.endRun(c, it.Dir)
	}
	if r.kind == 0 {
		if it.Kind == record.Encrypted {
			c.assoc.SetClass(association.ClassEncrypted)
		}
		if r.digest == nil {
			r.digest = sha256.New()
		}
		r.digest.Reset()
		r.kind, r.first, r.octets, r.whole, r.evidence = it.Kind, *it, 0, true, r.evidence[:0]
		r.since = w.job.number
		r.first.Octets, r.first.Digest = nil, nil
		r.source = append(r.source[:0], rec.SourceOf(it)...)
	}
	if it.Kind == record.Skipped {
		c.assoc.Outside(it.Octets)
	}
	r.octets += uint64(len(it.Octets)) + it.Lost
	r.whole = r.whole && it.Lost == 0 && it.Redacted == 0
	if room := maxEvidence - len(r.evidence); room > 0 {
		r.evidence = append(r.evidence, it.Octets[:min(room, len(it.Octets))]...)
	}
	r.digest.Write(it.Octets)
}

// endRun tells of the run that ends.
func (w *worker) endRun(c *connection, dir uint8) {
	r := c.skipped[dir]
	if r == nil || r.kind == 0 {
		return
	}
	kind := r.kind
	r.kind = 0
	if c.assoc.NotX400() {
		return
	}
	reason := "not-tpkt"
	switch kind {
	case record.Encrypted:
		return // Its class says so.
	case record.Cut:
		reason = "cut-tpkt"
	}
	f := finding{layer: "tpkt", reason: reason, item: &r.first, source: r.source, octets: r.octets, evidence: r.evidence}
	if r.whole {
		f.digest = r.digest.Sum(w.row.digest[:0])
	}
	w.problem(c, &f)
}

// counters takes over what the record counts.
func (c *connection) counters(rec *record.Record) {
	a, b, r := &rec.Counters[0], &rec.Counters[1], &c.row
	r.ClientPackets, r.ServerPackets = a.Packets, b.Packets
	r.ClientOctets, r.ServerOctets = a.Octets-a.RetransmittedOctets, b.Octets-b.RetransmittedOctets
	r.ClientRetransmittedPackets, r.ServerRetransmittedPackets = a.RetransmittedPackets, b.RetransmittedPackets
	r.ClientRetransmittedOctets, r.ServerRetransmittedOctets = a.RetransmittedOctets, b.RetransmittedOctets
	r.ClientConflictOctets, r.ServerConflictOctets = a.ConflictOctets, b.ConflictOctets
	r.ClientGaps, r.ServerGaps = a.Gaps, b.Gaps
	r.ClientLostOctets, r.ServerLostOctets = a.LostOctets, b.LostOctets
	r.ClientOutOfOrder, r.ServerOutOfOrder = a.OutOfOrder, b.OutOfOrder
	// Packets only grow; records without new ones, such as the last, come after.
	// The last one's version does not show where records are cut.
	const last = 1<<21 - 1
	r.Version = (a.Packets+b.Packets)<<21 | min(c.number<<1, last-1)
	if rec.End != record.Open {
		r.Version |= last
	}
}

// className is the connection's class as rows carry it.
func className(c *connection) string {
	if class := c.assoc.Class(); class.X400() {
		return "x400"
	} else if class == association.ClassUndecodable {
		return association.ClassUnknown.String()
	} else {
		return class.String()
	}
}

// protocolName is the X.400 protocol as rows carry it.
func protocolName(class association.Class) string {
	switch class {
	case association.ClassP1, association.ClassP3, association.ClassP7:
		return class.String()
	}
	return ""
}

// text builds a short text in reused memory.
type text struct{ b []byte }

func (t *text) reset() *text          { t.b = t.b[:0]; return t }
func (t *text) str(s string) *text    { t.b = append(t.b, s...); return t }
func (t *text) octets(s []byte) *text { t.b = append(t.b, s...); return t }
func (t *text) uint(v uint64) *text   { t.b = strconv.AppendUint(t.b, v, 10); return t }
func (t *text) int(v int64) *text     { t.b = strconv.AppendInt(t.b, v, 10); return t }
func (t *text) bytes() []byte         { return t.b }
