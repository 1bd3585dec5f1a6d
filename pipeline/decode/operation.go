package decode

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"x400flow/osi/association"
	"x400flow/osi/ber"
	"x400flow/osi/rose"
	"x400flow/pipeline/record"
	"x400flow/schema"
	"x400flow/x411"
)

// Bounds of the invokes of one connection that await their answers. The oldest
// gives way, and stands without an answer.
const (
	maxPending       = 64
	maxPendingOctets = 8 << 20
)

// invocation is an invoke, kept until its answer comes.
type invocation struct {
	message  schema.Message // Where it was seen; its octets, but for source, are the connection's.
	source   []byte
	octets   []byte // The APDU.
	place    record.Item
	rose     rose.APDU // Refers to octets.
	op       x411.Operation
	inferred bool
	since    uint64 // The lane's record that it began in.
}

// operations is what making rows of operations reuses.
type operations struct {
	argument, result x411.Parameter
	row              schema.Operation
	oid, err         []byte
	id, linked       []byte
	free             []*invocation
	answered         schema.Message // A message that a result carries.
}

// operation takes a ROSE APDU (X.229): an invoke waits for its answer, and an
// answer completes its invoke.
func (w *worker) operation(c *connection) {
	ev := &w.ev
	switch ev.ROSE.Kind {
	case rose.Invoke:
		c.row.Operations++
		w.invoked(c)
	case rose.Result, rose.Error, rose.Reject:
		// A user may reject an answer, too; the problem says what (X.229 9.4).
		dir := 1 - ev.Dir
		if ev.ROSE.Kind == rose.Reject && ev.ROSE.ProblemKind >= 2 {
			dir = ev.Dir
		}
		at := place(&ev.Origin.Place, ev.Dir)
		for i, v := range c.pending {
			if v.place.Dir == dir && v.rose.InvokeID == ev.ROSE.InvokeID && !v.rose.NoInvokeID && !ev.ROSE.NoInvokeID {
				c.pending = slices.Delete(c.pending, i, i+1)
				w.completed(c, v, &ev.ROSE, &at)
				w.release(v)
				return
			}
		}
		w.completed(c, nil, &ev.ROSE, &at)
	}
}

// invoked keeps an invoke.
func (w *worker) invoked(c *connection) {
	ev := &w.ev
	size := len(ev.Octets)
	for i := 0; i < len(c.pending); {
		v := c.pending[i]
		if v.place.Dir == ev.Dir && v.rose.InvokeID == ev.ROSE.InvokeID {
			// The identifier is used anew: its answer was missed.
			c.pending = slices.Delete(c.pending, i, i+1)
			w.completed(c, v, nil, nil)
			w.release(v)
			continue
		}
		size += len(v.octets)
		i++
	}
	keep := len(c.pending)
	for keep > 0 && (keep >= maxPending || size > maxPendingOctets) {
		size -= len(c.pending[len(c.pending)-keep].octets)
		keep--
	}
	w.unanswered(c, keep)
	v := w.invocation()
	w.sighted(c, &v.message)
	v.message.APDU = w.identifier(&ev.Origin, ev.Octets, x411.Range{}, nil)
	v.source = append(v.source[:0], v.message.Source...)
	v.message.Source = v.source
	v.octets = append(v.octets[:0], ev.Octets...)
	v.rose = rose.APDU{}
	v.rose.Decode(v.octets)
	v.place = place(&ev.Origin.Place, ev.Dir)
	v.op = x411.OperationOf(operationCode(&v.rose), c.delivers(ev))
	v.inferred, v.since = ev.Inferred, ev.Since
	c.pending = append(c.pending, v)
}

// invocation returns an empty invocation.
func (w *worker) invocation() *invocation {
	if n := len(w.ops.free); n > 0 {
		v := w.ops.free[n-1]
		w.ops.free = w.ops.free[:n-1]
		return v
	}
	return new(invocation)
}

// maxReleased bounds the octets of an invocation that is used again.
const maxReleased = 64 << 10

// release keeps an invocation for reuse, unless it holds much.
func (w *worker) release(v *invocation) {
	if len(w.ops.free) < maxPending && cap(v.octets) <= maxReleased {
		w.ops.free = append(w.ops.free, v)
	}
}

// unanswered lets the oldest invokes stand without an answer until keep are left.
func (w *worker) unanswered(c *connection, keep int) {
	n := len(c.pending) - keep
	for _, v := range c.pending[:max(n, 0)] {
		w.completed(c, v, nil, nil)
		w.release(v)
	}
	if n > 0 {
		c.pending = slices.Delete(c.pending, 0, n)
	}
}

// forgo forgets the oldest invokes, without rows, until keep are left.
func (w *worker) forgo(c *connection, keep int) {
	n := max(len(c.pending)-keep, 0)
	for _, v := range c.pending[:n] {
		w.release(v)
	}
	c.pending = slices.Delete(c.pending, 0, n)
}

func operationCode(r *rose.APDU) int64 {
	if !r.HasCode {
		return -1
	}
	return r.Code
}

// The last arcs of what X.419 Annex A defines under 2.6.0.1 and 2.6.0.2: the
// abstract syntaxes of message submission and delivery, and the application
// contexts in which the MTS is the initiator.
const (
	syntaxSubmission = 1
	syntaxDelivery88 = 2
	syntaxDelivery94 = 14
)

var forcedAccess = [...]int{1, 3, 8, 10}

// delivers reports whether an invoke belongs to message delivery rather than to
// message submission. Where its abstract syntax does not say so (with RTSE it may
// be that of all), the invoker of delivery-control does: the user (X.411 8.3).
func (c *connection) delivers(ev *association.Event) bool {
	switch lastArc(ev.Abstract, 2) {
	case syntaxSubmission:
		return false
	case syntaxDelivery88, syntaxDelivery94:
		return true
	}
	f := c.assoc.Facts()
	byUser := ev.Dir == f.Initiator
	if slices.Contains(forcedAccess[:], lastArc(f.ApplicationContext, 1)) {
		byUser = !byUser
	}
	return byUser
}

// lastArc returns the arc below 2.6.0.under, -1 for another object identifier.
func lastArc(oid []byte, under byte) int {
	if len(oid) != 4 || !bytes.HasPrefix(oid, []byte{0x56, 0, under}) {
		return -1
	}
	return int(oid[3])
}

// completed appends the rows of an operation: of invoke v, which may be nil where
// it was not seen, and of its answer, which may be nil, too.
func (w *worker) completed(c *connection, v *invocation, answer *rose.APDU, at *record.Item) {
	if c.quiet {
		return
	}
	o := &w.ops.row
	*o = schema.Operation{Association: c.key.id, Sensor: c.text.sensor, Code: -1, ErrorCode: -1, DecoderVersion: Version,
		Protocol: protocolName(c.assoc.Class())}
	invoke, op := answer, x411.OperationUnknown
	if v != nil {
		invoke, op = &v.rose, v.op
		o.Operation, o.Source, o.Direction = v.message.APDU, v.source, v.message.Direction
		o.CapturedAt, o.Frame = v.message.CapturedAt, v.message.FirstFrame
		o.StreamOffset, o.TCPSequence = v.message.StreamOffset, v.message.TCPSequence
		o.Invoked, o.Inferred = true, v.inferred
	} else {
		o.Operation = w.identifier(&w.ev.Origin, w.ev.Octets, x411.Range{}, nil)
		o.Source, o.Direction = w.pool.sources.name(at.Source), direction(1-at.Dir)
		o.CapturedAt, o.Frame, o.StreamOffset, o.TCPSequence = at.Time, at.Frame, at.Offset, at.Sequence
		o.Inferred = w.ev.Inferred
		if answer.Kind == rose.Result {
			op = x411.OperationOf(operationCode(answer), false)
		}
	}
	if o.Name = op.String(); invoke.Kind != rose.Error && invoke.Kind != rose.Reject {
		if invoke.HasCode {
			o.Code = int32(max(min(invoke.Code, 1<<31-1), -1))
		}
		w.ops.oid, _ = ber.AppendOID(w.ops.oid[:0], invoke.OID)
		o.OID = w.ops.oid
	}
	if !invoke.NoInvokeID {
		w.ops.id = strconv.AppendInt(w.ops.id[:0], invoke.InvokeID, 10)
		o.InvokeID = w.ops.id
	}
	if invoke.HasLinked {
		w.ops.linked = strconv.AppendInt(w.ops.linked[:0], invoke.LinkedID, 10)
		o.LinkedID = w.ops.linked
	}
	if answer != nil {
		w.answered(c, o, op, answer, at)
	}
	if v != nil {
		w.argument(c, o, v, answer)
	}
	o.Version = schema.Knowledge{
		Opened: !o.Inferred, Both: v != nil && answer != nil, Decoder: Version, CapturedAt: o.CapturedAt, Sensor: o.Sensor,
	}.Version()
	w.batch.Operations.Append(o)
}

// answered takes over what an answer says.
func (w *worker) answered(c *connection, o *schema.Operation, op x411.Operation, answer *rose.APDU, at *record.Item) {
	o.AnsweredAt, o.AnswerFrame = at.Time, at.Frame
	p := &w.ops.result
	if o.ResultRaw = answer.Argument; w.pool.cfg.EnvelopeOnly && op >= x411.OperationSummarize {
		o.ResultRaw = nil // They may have a content's attributes.
	}
	var status x411.Status
	switch answer.Kind {
	case rose.Result:
		o.Outcome = "result"
		if op == x411.OperationFetch && w.fetched(c, o, answer) {
			return
		}
		status = p.Result(op, answer.Argument)
		o.MTSID = p.ID.Text
	case rose.Error:
		o.Outcome = "error"
		code := operationCode(answer)
		name := op.ErrorName(code)
		switch {
		case name != "":
			w.ops.err = append(w.ops.err[:0], name...)
		case answer.HasCode:
			w.ops.err = strconv.AppendInt(w.ops.err[:0], code, 10)
		default:
			w.ops.err, _ = ber.AppendOID(w.ops.err[:0], answer.OID)
		}
		o.Error, o.ErrorCode = w.ops.err, int32(max(min(code, 1<<31-1), -1))
		status = p.Error(code, answer.Argument)
	case rose.Reject:
		o.Outcome = "reject"
		if name := x411.RejectProblem(answer.ProblemKind, answer.Problem); name != "" {
			w.ops.err = append(w.ops.err[:0], name...)
		} else {
			w.ops.err = strconv.AppendInt(w.ops.err[:0], answer.Problem, 10)
		}
		o.Error, o.ErrorCode = w.ops.err, int32(max(min(answer.Problem, 1<<31-1), -1))
		return
	}
	o.Result = p.Text
	shown := answer.Argument
	if keys := p.Keys(); len(keys) > 0 {
		shown = w.without(keys, 0, shown)
		if len(o.ResultRaw) > 0 {
			o.ResultRaw = shown
		}
	}
	if status != x411.StatusOK {
		w.misread(c, &p.Failure, at, w.pool.sources.name(at.Source), shown, [16]byte{})
	}
}

// argument takes over what the argument of an invoke says: that of a submission
// or delivery as a message.
func (w *worker) argument(c *connection, o *schema.Operation, v *invocation, answer *rose.APDU) {
	kind := v.op.Envelope()
	if kind == x411.KindNone || w.apdu.DecodeArgument(kind, v.rose.Argument) == x411.StatusFailed {
		p := &w.ops.argument
		status := p.Argument(v.op, v.rose.Argument)
		overwrite(v.rose.Argument, p.Keys())
		o.Argument, o.ArgumentRaw = p.Text, v.rose.Argument
		if len(o.MTSID) == 0 {
			o.MTSID = p.ID.Text
		}
		failure := &p.Failure
		if kind != x411.KindNone {
			status, failure = x411.StatusFailed, &w.apdu.Failure
		}
		if status != x411.StatusOK {
			w.misread(c, failure, &v.place, v.source, v.rose.Argument, [16]byte{})
		}
		return
	}
	a, m := &w.apdu, &v.message
	overwrite(v.rose.Argument, a.Keys())
	if kind == x411.KindSubmission || kind == x411.KindProbeSubmission {
		if answer != nil && answer.Kind == rose.Result {
			a.ID, a.SubmissionTime = w.ops.result.ID, w.ops.result.Time
		}
		w.numbered()
	}
	w.row.base, w.row.unanswered = v.rose.ArgumentStart, answer == nil
	w.begin()
	w.content()
	status := w.envelope(m, v.octets)
	w.innerProblems(c, m)
	w.end()
	o.APDU, o.MTSID = m.APDU, m.ID.Text
	if kind == x411.KindReportDelivery {
		o.MTSID = m.Subject.Text
	}
	if status != x411.StatusOK {
		w.misread(c, &a.Failure, &v.place, v.source, v.rose.Argument, m.APDU)
	}
}

// numbered numbers the recipients of a submission, as the MTS does: in their order
// (X.411 12.2.1.1.2).
func (w *worker) numbered() {
	for i := range w.apdu.Recipients {
		w.apdu.Recipients[i].Number = int64(i + 1)
	}
}

// fetched makes a message of a stored one that a fetch returns, and reports
// whether there is one.
func (w *worker) fetched(c *connection, o *schema.Operation, answer *rose.APDU) bool {
	a, m := &w.apdu, &w.ops.answered
	if a.DecodeArgument(x411.KindFetch, answer.Argument) == x411.StatusFailed {
		return false
	}
	octets, result := w.ev.Octets, answer.Argument
	if keys := a.Keys(); len(keys) > 0 {
		octets = w.without(keys, answer.ArgumentStart, octets)
		result = octets[answer.ArgumentStart:][:len(result)]
		a.DecodeArgument(x411.KindFetch, result)
	}
	p := &w.ops.result
	p.Result(x411.OperationFetch, result)
	o.Result = p.Text
	w.sighted(c, m)
	m.APDU = w.identifier(&w.ev.Origin, w.ev.Octets, x411.Range{}, nil)
	w.row.base, w.row.unanswered = answer.ArgumentStart, false
	w.begin()
	w.content()
	status := w.envelope(m, octets)
	w.innerProblems(c, m)
	w.end()
	o.APDU, o.ResultRaw = m.APDU, nil
	// The rows' octets are overwritten by what is decoded next.
	id := m.ID.Text
	if a.Report() {
		id = m.Subject.Text
	}
	w.ops.err = append(w.ops.err[:0], id...)
	o.MTSID = w.ops.err
	if status != x411.StatusOK {
		at := place(&w.ev.Origin.Place, w.ev.Dir)
		w.misread(c, &a.Failure, &at, m.Source, result, m.APDU)
	}
	return true
}

// misread tells of an argument, result or parameter that could not be read in
// full.
func (w *worker) misread(c *connection, f *x411.Failure, at *record.Item, source, octets []byte, apdu [16]byte) {
	w.row.digest = sha256.Sum256(octets)
	w.problem(c, &finding{
		layer: x411.Layer, reason: f.Code.String(), path: f.Path, item: at, source: source,
		octets: uint64(len(octets)), evidence: octets, digest: w.row.digest[:], apdu: apdu,
		detail: w.row.texts.reset().str("at octet ").int(int64(f.Offset)).str(" of the argument, result or parameter").bytes(),
	})
}

// operationKind is the kind of envelope that an operation carried, by the name
// that rows have; KindNone for an MTS-APDU.
func operationKind(name string) x411.Kind {
	for k := x411.KindSubmission; k <= x411.KindFetch; k++ {
		if k.String() == name {
			return k
		}
	}
	return x411.KindNone
}

// operationAgain decodes anew, between begin and end, what an operation carried; octets are its
// ROSE APDU.
// The identifier and time of a submission came from its result.
func (w *worker) operationAgain(m *schema.Message, kind x411.Kind, id *schema.MTSIdentifier, submitted *time.Time, octets []byte) x411.Status {
	var r rose.APDU
	a := &w.apdu
	if code, _ := r.Decode(octets); code != rose.OK || a.DecodeArgument(kind, r.Argument) == x411.StatusFailed {
		return x411.StatusFailed
	}
	overwrite(r.Argument, a.Keys())
	w.row.base, w.row.unanswered = r.ArgumentStart, false
	if kind == x411.KindSubmission || kind == x411.KindProbeSubmission {
		a.ID = x411.MTSIdentifier{Text: id.Text, Local: id.Local}
		a.ID.Domain.Country, a.ID.Domain.ADMD, a.ID.Domain.PRMD = id.Country, id.ADMD, id.PRMD
		w.row.unanswered = len(id.Text) == 0
		if submitted != nil {
			a.SubmissionTime.At = *submitted
		}
		w.numbered()
	}
	w.content()
	return w.envelope(m, octets)
}
