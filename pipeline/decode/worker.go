package decode

import (
	"context"
	"crypto/sha256"
	"hash"
	"strconv"
	"time"

	"x400flow/osi/association"
	"x400flow/pipeline/record"
	"x400flow/schema"
	"x400flow/x411"
)

// linger is how long rows may wait in a shard that has nothing to do.
const linger = 500 * time.Millisecond

// maxEvidence is how many octets a problem row holds.
const maxEvidence = 4 << 10

// worker is one shard: the connections that it owns, and the rows it collects.
type worker struct {
	pool  *Pool
	shard int
	queue chan job
	job   uint64

	conns map[[16]byte]*connection
	idle  []*connection // Ended ones, for reuse.

	rec   record.Record
	ev    association.Event
	apdu  x411.APDU
	bind  x411.Bind
	batch *schema.Batch
	dirty []*connection // Those whose row in the batch's associations is due.
	row   rows
	ops   operations

	inside inside
}

// connection is what a shard keeps of one TCP connection.
type connection struct {
	id      [16]byte
	flow    association.ConnectionID
	assoc   *association.Association
	number  uint64 // Of the last record.
	dirty   bool
	ended   bool
	muted   bool
	skipped [2]run
	resumed map[[16]byte][16]byte // Transfers begun in another association.
	pending []*invocation         // Invokes whose answer has not come, in order.

	text facts
	row  schema.Association
}

// facts are the row's texts that no record or association holds.
type facts struct {
	sensor, source         []byte
	client, server         []byte
	initiator, responder   []byte
	initiatorDir           uint8
	detail                 []byte
	context, contextName   []byte
	syntaxes               []byte
	sessionID              []byte
	clientTSAP, serverTSAP []byte
	clientSSAP, serverSSAP []byte
	clientPSAP, serverPSAP []byte
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
}

func newWorker(p *Pool, shard int) *worker {
	return &worker{pool: p, shard: shard, queue: make(chan job, queueLength), conns: make(map[[16]byte]*connection)}
}

// run does the shard's jobs until there are no more.
func (w *worker) run(ctx context.Context) error {
	w.batch = w.pool.writer.Batch()
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		select {
		case j, ok := <-w.queue:
			if !ok {
				for _, c := range w.conns {
					w.pool.countClass(className(c))
				}
				return w.flush(ctx)
			}
			if j.flush != nil {
				if err := w.flush(ctx); err != nil {
					return err
				}
				close(j.flush)
				continue
			}
			if err := w.do(ctx, &j); err != nil {
				return err
			}
			w.pool.order.done(w.shard)
			if w.batch.Rows() >= w.pool.cfg.BatchRows || w.batch.Bytes() >= w.pool.cfg.BatchOctets {
				if err := w.flush(ctx); err != nil {
					return err
				}
				timer.Reset(linger)
			}
		case <-timer.C:
			if err := w.flush(ctx); err != nil {
				return err
			}
			timer.Reset(linger)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush gives the rows collected to the store.
func (w *worker) flush(ctx context.Context) error {
	for _, c := range w.dirty {
		c.dirty = false
		w.associationRow(c)
		if c.ended {
			w.forget(c)
		}
	}
	clear(w.dirty)
	w.dirty = w.dirty[:0]
	if w.batch.Rows() == 0 {
		return nil
	}
	b := w.batch
	w.batch = w.pool.writer.Batch()
	return w.pool.writer.Write(ctx, b, nil)
}

// do decodes one record.
func (w *worker) do(ctx context.Context, j *job) error {
	w.job = j.number
	rec := &w.rec
	if err := rec.Decode(j.delivery.Record.B); err != nil {
		w.pool.poison.Add(1)
		w.pool.cfg.Log.Error("record cannot be read", "octets", len(j.delivery.Record.B), "error", err)
		if w.pool.cfg.DeadLetter != nil {
			if err := w.pool.cfg.DeadLetter(ctx, &j.delivery, err); err != nil {
				return err
			}
		}
	} else {
		switch rec.Kind {
		case record.KindConnection:
			w.connection(rec)
		case record.KindHeartbeat:
			w.heartbeat(rec)
		case record.KindCapture:
			w.capture(rec)
		}
	}
	j.delivery.Record.Release()
	j.delivery.Ack()
	return nil
}

// connection takes one connection's record.
func (w *worker) connection(rec *record.Record) {
	c := w.conns[rec.Conn.ID]
	if c == nil {
		c = w.open(rec)
	}
	if rec.Number <= c.number {
		w.pool.repeats.Add(1)
		return
	}
	if !c.dirty {
		c.dirty = true
		w.dirty = append(w.dirty, c)
	}
	if missed := rec.Number - c.number - 1; missed > 0 {
		w.missed(c, rec, missed)
	}
	c.number = rec.Number
	c.muted = c.muted || rec.Muted
	for i := range rec.Items {
		w.item(c, rec, &rec.Items[i])
	}
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
		// A later connection between the same ports, or the same connection
		// after it was given up as idle, is another one.
		delete(w.conns, c.id)
		w.pool.countClass(className(c))
	}
	c.assoc.Detach()
}

func (w *worker) open(rec *record.Record) *connection {
	var c *connection
	if n := len(w.idle); n > 0 {
		c, w.idle = w.idle[n-1], w.idle[:n-1]
		a := c.assoc
		t := c.text
		for _, b := range []*[]byte{&t.initiator, &t.responder, &t.detail, &t.context, &t.contextName, &t.syntaxes,
			&t.sessionID, &t.clientTSAP, &t.serverTSAP, &t.clientSSAP, &t.serverSSAP, &t.clientPSAP, &t.serverPSAP} {
			*b = (*b)[:0]
		}
		*c = connection{assoc: a, text: t}
	} else {
		c = &connection{assoc: new(association.Association)}
	}
	c.id = rec.Conn.ID
	c.flow = flowID(rec.Conn.Client, rec.Conn.Server)
	c.assoc.Reset(association.Config{
		Connection:  c.flow,
		MaxAPDU:     w.pool.cfg.MaxAPDU,
		MaxProblems: w.pool.cfg.MaxProblems,
		Lasting:     true,
		Buffers:     &w.pool.buffers,
		Suspend:     func(a *association.Suspended) { w.suspend(c, a) },
		Resume:      func(k association.Key) (*association.Suspended, bool) { return w.resume(c, k) },
	})
	t := &c.text
	t.sensor = append(t.sensor[:0], rec.Sensor...)
	t.source = t.source[:0]
	if len(rec.Sources) > 0 {
		t.source = append(t.source, rec.Sources[0]...)
	}
	t.client = rec.Conn.Client.Addr().AppendTo(t.client[:0])
	t.server = rec.Conn.Server.Addr().AppendTo(t.server[:0])
	c.row = schema.Association{
		Association: c.id, CommunityID: []byte(communityID(rec.Conn.Client, rec.Conn.Server)),
		ClientPort: rec.Conn.Client.Port(), ServerPort: rec.Conn.Server.Port(),
		FirstSeen: rec.Conn.Start, LastSeen: rec.Conn.Start, MidStream: rec.Conn.MidStream,
		Ended: record.Open.String(), DecoderVersion: Version,
	}
	w.conns[c.id] = c
	return c
}

// forget lets a connection that has ended be reused.
func (w *worker) forget(c *connection) {
	if len(w.idle) < 1024 {
		w.idle = append(w.idle, c)
	}
}

// suspend keeps an activity for other associations. All that was received before
// is done first, here and in resume, so that what is kept, found and given up does
// not depend on how far the other shards have come.
func (w *worker) suspend(c *connection, a *association.Suspended) {
	w.pool.order.wait(w.job)
	w.pool.shelf.put(a, c.id)
}

// resume finds an activity that was suspended in another association.
func (w *worker) resume(c *connection, k association.Key) (*association.Suspended, bool) {
	w.pool.order.wait(w.job)
	a, in, ok := w.pool.shelf.take(k)
	if ok && in != c.id {
		if c.resumed == nil {
			c.resumed = make(map[[16]byte][16]byte)
		}
		c.resumed[transferID(&a.Origin)] = in
	}
	return a, ok
}

// missed tells of records that did not arrive, and makes up for the beginning
// with the preamble.
func (w *worker) missed(c *connection, rec *record.Record, n uint64) {
	if c.number == 0 {
		for i := range rec.Preamble {
			if it := &rec.Preamble[i]; it.Kind == record.TPDU {
				w.tpdu(c, rec, it)
			}
		}
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

// item takes one item of a record.
func (w *worker) item(c *connection, rec *record.Record, it *record.Item) {
	if c.row.FirstFrame == 0 {
		c.row.FirstFrame = it.Frame
	}
	c.row.LastFrame = it.Frame
	c.row.LastSeen = max(c.row.LastSeen, it.Time)
	switch it.Kind {
	case record.TPDU:
		w.endRun(c, it.Dir)
		w.tpdu(c, rec, it)
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

func (w *worker) tpdu(c *connection, rec *record.Record, it *record.Item) {
	c.assoc.TPDU(association.TPDU{
		Dir: it.Dir, Seq: it.Sequence, Offset: it.Offset, Time: it.Time, Frame: it.Frame,
		Source: it.Source, Octets: it.Octets,
	})
	w.drain(c, rec)
}

// skip adds octets to a run of octets that are in no TPKT.
func (w *worker) skip(c *connection, rec *record.Record, it *record.Item) {
	r := &c.skipped[it.Dir]
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
	r := &c.skipped[dir]
	if r.kind == 0 {
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
	// Packets only grow, and the last record, which may bring none, comes last.
	r.Version = (a.Packets + b.Packets) << 1
	if rec.End != record.Open {
		r.Version |= 1
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
