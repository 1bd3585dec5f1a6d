package decode

import (
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"

	"x400flow/pipeline/store"
	"x400flow/schema"
)

// A bus that outlives its decoders delivers again what an earlier decoder had
// not come to the end of, from the oldest record on that something open began
// in. The connections' rows of progress say up to which record their other rows
// are in the archive. So when a connection is met for the first time, its
// records up to there are decoded in silence, for what they leave open; from
// there on the connection goes on as the row of progress has it.
//
// What the first of these records finds under way began before the oldest
// record delivered, so it had come to its end by the record that the progress
// tells of.

// stateForm is the form of a row's state. It grows with every change of it.
const stateForm = 2

// state passes the parts of a connection's state that are texts and numbers.
func (c *connection) state(text func(*[]byte), number func(*uint64)) {
	t, r := c.text, &c.row
	for _, v := range [...]*[]byte{&t.source, &t.initiator, &t.responder, &t.detail, &t.release, &t.initiatorBind, &t.responderBind} {
		text(v)
	}
	for _, v := range [...]*string{&r.InitiatorCredentials, &r.ResponderCredentials, &r.BindOutcome, &r.Ended, &r.Release} {
		b := []byte(*v)
		text(&b)
		*v = string(b)
	}
	first, last, heard, dir := uint64(r.FirstSeen), uint64(r.LastSeen), uint64(c.heard), uint64(t.initiatorDir)
	pending := uint64(len(c.pending))
	var flags uint64
	for i, v := range [...]bool{r.Recover, c.muted} {
		if v {
			flags |= 1 << i
		}
	}
	for _, v := range [...]*uint64{&first, &last, &heard, &dir, &flags, &pending, &r.Version, &r.FirstFrame, &r.LastFrame,
		&r.Messages, &r.Reports, &r.Probes, &r.Operations, &r.Problems, &r.ProblemsSuppressed,
		&r.ClientPackets, &r.ServerPackets, &r.ClientOctets, &r.ServerOctets,
		&r.ClientRetransmittedPackets, &r.ServerRetransmittedPackets,
		&r.ClientRetransmittedOctets, &r.ServerRetransmittedOctets,
		&r.ClientConflictOctets, &r.ServerConflictOctets, &r.ClientGaps, &r.ServerGaps,
		&r.ClientLostOctets, &r.ServerLostOctets, &r.ClientOutOfOrder, &r.ServerOutOfOrder} {
		number(v)
	}
	c.pendingThen = int(min(pending, maxPending))
	r.FirstSeen, r.LastSeen, c.heard, t.initiatorDir = int64(first), int64(last), int64(heard), uint8(dir)
	r.Recover, c.muted = flags&1 != 0, flags&2 != 0
}

// appendState appends all that setState needs.
func (c *connection) appendState(b []byte) []byte {
	b = append(b, stateForm)
	c.state(
		func(v *[]byte) { b = protowire.AppendBytes(b, *v) },
		func(v *uint64) { b = protowire.AppendVarint(b, *v) },
	)
	return c.assoc.AppendState(b)
}

// setState makes the connection what it was when appendState gave b. It returns
// false when b is of another form.
func (c *connection) setState(b []byte) bool {
	if len(b) == 0 || b[0] != stateForm {
		return false
	}
	b = b[1:]
	bad := false
	take := func(n int) {
		if n < 0 {
			b, bad = nil, true
			return
		}
		b = b[n:]
	}
	c.state(
		func(v *[]byte) {
			s, n := protowire.ConsumeBytes(b)
			*v = append((*v)[:0], s...)
			take(n)
		},
		func(v *uint64) {
			u, n := protowire.ConsumeVarint(b)
			*v = u
			take(n)
		},
	)
	return !bad && c.assoc.SetState(b)
}

// progressRow appends how far the archive tells of the connection, once the
// batch is in it.
func (w *worker) progressRow(c *connection) {
	if w.pool.cfg.Progress == nil {
		return
	}
	w.state = c.appendState(w.state[:0])
	p := schema.Progress{
		Association: c.key.id, Sensor: c.text.sensor, Epoch: c.key.epoch, Start: c.key.start,
		Version: c.number << 1, Number: c.number, Ended: c.ended, GivenUp: c.givenUp, State: w.state,
	}
	if c.ended || c.givenUp {
		p.Version |= 1
	}
	w.batch.Progresses.Append(&p)
}

// ask looks up in the archive the connections of jobs that are not known here.
func (w *worker) ask(ctx context.Context, jobs []job) error {
	clear(w.asked)
	clear(w.found)
	var readings []store.Reading
	for i := range jobs {
		j := &jobs[i]
		if j.kind != jobRecord || j.key.lane == nil || w.conns[j.key] != nil {
			continue
		}
		if _, ended := w.ended.Get(j.key); ended || w.asked[j.key] {
			continue
		}
		w.asked[j.key] = true
		readings = append(readings, j.key.reading())
	}
	return w.lookUp(ctx, readings)
}

func (w *worker) lookUp(ctx context.Context, readings []store.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	if w.forgot {
		// What is asked for may be what this shard has just let go.
		if err := w.flush(ctx); err != nil {
			return err
		}
		if err := w.pool.writer.Flush(ctx); err != nil {
			return err
		}
		w.forgot = false
	}
	for attempt := 1; ; attempt++ {
		found, err := w.pool.cfg.Progress(ctx, readings)
		if err == nil {
			for r, p := range found {
				w.found[r] = p
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.pool.cfg.Log.Warn("progress of connections cannot be looked up; trying again",
			"connections", len(readings), "attempt", attempt, "error", err)
		select {
		case <-time.After(min(100*time.Millisecond<<min(attempt, 6), 5*time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// progress returns what the archive tells of a connection that is met for the
// first time.
func (w *worker) progress(ctx context.Context, key connKey) (p store.Progress, ok bool, err error) {
	if w.pool.cfg.Progress == nil {
		return p, false, nil
	}
	if !w.asked[key] {
		w.asked[key] = true
		if err := w.lookUp(ctx, []store.Reading{key.reading()}); err != nil {
			return p, false, err
		}
	}
	p, ok = w.found[key.reading()]
	delete(w.asked, key)
	return p, ok, nil
}

// goOn begins a connection that the archive tells of in its middle.
func (w *worker) goOn(c *connection) {
	rec := &w.rec
	if rec.Number > c.told.Number+1 {
		// Records are missing: they were published and neither delivered nor
		// archived. As connection tells.
		w.known(c)
		w.restore(c)
		return
	}
	c.quiet = true
	c.number = rec.Number - 1
	w.known(c)
	c.heard = 0 // So that it falls silent in the silence when it did.
	for dir := range uint8(2) {
		if rec.Within&(1<<dir) != 0 {
			c.assoc.Within(dir)
		}
	}
	if rec.Number == c.told.Number+1 {
		w.restore(c)
	}
}

// known gives a connection what the archive tells of it.
func (w *worker) known(c *connection) {
	if c.stateless = !c.setState(c.told.State); !c.stateless {
		return
	}
	w.pool.cfg.Log.Warn("what another version of the decoder knew of a connection cannot be read; its counters begin anew",
		"association", uuid.UUID(c.key.id), "sensor", c.key.sensor)
	c.assoc.Reset(c.config)
	quiet := c.quiet
	c.quiet = true
	w.preamble(c, &w.rec)
	c.quiet = quiet
}

// restore ends the silence: all that follows is new to the archive.
// Where the connection was given up after that record, it comes when it is given
// up again.
func (w *worker) restore(c *connection) {
	if !c.stateless {
		c.setState(c.told.State)
		w.forgo(c, c.pendingThen) // Others had given way to later ones.
	}
	c.number = c.told.Number
	c.givenUp = c.told.GivenUp
	c.quiet = false
	c.told = store.Progress{}
}
