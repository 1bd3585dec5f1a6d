package association

import (
	"bytes"
	"slices"

	"x400flow/osi/ber"
	"x400flow/osi/rose"
)

// transfer is an APDU on its way, or the activity that is to bring one (X.228
// 7.3).
type transfer struct {
	active bool
	// headless says that the beginning was not seen.
	headless bool
	// bad says why it can no longer become an APDU; octets are not kept then.
	bad Why

	origin    Origin
	begun     bool // origin is set.
	last      Place
	at        Place    // Of the SPDU that began the activity, or the first data.
	buf       []byte   // The pieces so far that are owned,
	borrowed  borrowed // and those behind them that are not.
	hold      []byte   // The buffer that buf is in, where it begins before that.
	pieces    int
	exception int64 // Reason of an exception report, -1 without.

	checkpoints   []checkpoint
	serial        uint32 // Of the next checkpoint.
	interruptions int
	untold        int
	acknowledged  bool
	elsewhere     bool
	activity      []byte
	first         Key // Where it was started, if it was resumed.
	since         uint64
}

// keptCheckpoints bounds the memory that an association keeps for those of its next
// transfer. Otherwise each of thousands would grow to what the largest needed. More is
// the Scratch's, one list at a time.
const keptCheckpoints = 32

// maxCheckpoints is how many checkpoints are remembered: a sender resumes from
// one that was acknowledged, and windows are much smaller (X.228 6.1.4).
const maxCheckpoints = 1024

// maxHeadless is how much is kept, as evidence, of a transfer whose beginning
// was not seen.
const maxHeadless = 4096

// clear makes a new transfer of an old one, keeping its memory. It is emptied where it is:
// a literal would be made elsewhere and copied.
func (t *transfer) clear() {
	checkpoints, activity := t.checkpoints[:0], t.activity[:0]
	*t = transfer{}
	t.checkpoints, t.activity = checkpoints, activity
}

// size is how many octets came so far.
func (t *transfer) size() int { return len(t.buf) + t.borrowed.size }

// octets returns what came so far, as it stands in a TPDU if that is all.
func (a *Association) octets(t *transfer) []byte {
	if len(t.borrowed.list) == 1 && len(t.buf) == 0 {
		return t.borrowed.list[0]
	}
	a.own1(t)
	return t.buf
}

// begin starts an activity.
func (a *Association) begin(dir uint8, at Place, activity []byte) *transfer {
	t := &a.transfer[dir]
	if t.active {
		a.unfinished(dir, Superseded, at)
	}
	a.endTransfer(t)
	t.clear()
	t.active, t.at, t.last, t.exception, t.serial, t.since = true, at, at, -1, 1, a.from
	t.activity = append(t.activity, activity...)
	a.foreignData = 0
	return t
}

// headless begins a transfer of which only a later part was seen.
func (a *Association) headless(dir uint8, at Place) *transfer {
	t := a.begin(dir, at, nil)
	t.headless, t.bad = true, Lost
	return t
}

// source says where the octets of a piece are.
type source uint8

const (
	volatile source = iota // Where the next value will be.
	inTPDU                 // In the TPDU.
	inTSDU                 // In a TSDU or SSDU that was joined.
	inSSDU
)

// piece adds octets to the transfer.
func (a *Association) piece(dir uint8, octets []byte, first, last Place, from source) {
	t := &a.transfer[dir]
	if !t.begun {
		t.begun = true
		t.origin = Origin{a.cfg.Connection, dir, first}
	}
	t.pieces++
	if t.bad != WhyNone {
		if t.headless && len(t.buf) < maxHeadless {
			a.add(t, octets[:min(len(octets), maxHeadless-len(t.buf))])
		}
		return
	}
	t.last = last
	size := t.size()
	if size+len(octets) > a.cfg.MaxAPDU {
		t.bad = TooLarge
		return
	}
	d := &a.dir[dir]
	switch {
	case from == inTPDU:
		a.borrow(&t.borrowed, octets)
	case from == inTSDU && size == 0:
		a.adopt(t, octets, &d.tsdu)
	case from == inSSDU && size == 0:
		a.adopt(t, octets, &d.ssdu)
	default:
		a.own1(t)
		a.add(t, octets)
	}
}

// adopt makes the transfer the owner of the buffer in which its first piece was joined.
// What else is in there is still to be read, so what is appended to the piece goes
// elsewhere.
func (a *Association) adopt(t *transfer, octets []byte, j *joiner) {
	if j.buf == nil {
		// Another transfer of the same TSDU has it.
		a.add(t, octets)
		return
	}
	a.give(t)
	t.buf, t.hold = octets[:len(octets):len(octets)], j.buf
	j.buf = nil
}

// add appends octets to those that the transfer owns.
func (a *Association) add(t *transfer, octets []byte) {
	if n := len(t.buf) + len(octets); n > cap(t.buf) {
		front := t.buf
		if len(front) == 0 {
			front = octets
		}
		buf := a.grow(t.buf, n, front, total)
		a.give(t)
		t.buf = buf
	}
	t.buf = append(t.buf, octets...)
}

// give leaves the buffer of a transfer to the events that refer to it.
func (a *Association) give(t *transfer) {
	if t.hold != nil {
		a.giveBack(t.hold)
	} else {
		a.giveBack(t.buf)
	}
	t.buf, t.hold = nil, nil
}

// own1 makes a transfer the owner of its octets.
func (a *Association) own1(t *transfer) {
	if t.borrowed.size == 0 {
		return
	}
	buf, moved := a.collect(t.buf, &t.borrowed, total)
	if moved {
		a.give(t)
	}
	t.buf = buf
}

// Detach ends the loan of all octets given so far where Config.Lasting is set:
// what is still needed of them is copied. Memory that only events needed is given back.
func (a *Association) Detach() {
	a.settle()
	a.detach()
}

func (a *Association) detach() {
	for i := range a.transfer {
		a.own1(&a.transfer[i])
		a.copyTSDU(&a.dir[i])
	}
}

// damage says that a transfer under way can no longer become an APDU.
func (a *Association) damage(dir uint8, why Why) {
	if t := &a.transfer[dir]; t.active && t.bad == WhyNone {
		t.bad = why
	}
}

// checkpoint takes a MINOR SYNC POINT.
func (a *Association) checkpoint(dir uint8, serial uint32, have bool) {
	t := &a.transfer[dir]
	if !t.active || t.bad != WhyNone {
		return
	}
	if !have {
		serial = t.serial
	}
	if len(t.checkpoints) == maxCheckpoints {
		n := copy(t.checkpoints, t.checkpoints[maxCheckpoints/2:])
		t.checkpoints = t.checkpoints[:n]
	}
	if n := len(t.checkpoints); n == keptCheckpoints && n == cap(t.checkpoints) {
		few := t.checkpoints
		t.checkpoints = append(slices.Grow(a.checkpoints, 2*n), few...)
		a.checkpoints, a.few = nil, few[:0]
	}
	t.checkpoints = append(t.checkpoints, checkpoint{serial, t.size()})
	t.serial = serial + 1
}

// rewind drops what came after a checkpoint; ok is false where that one is not
// known. Serial number 0 is before the first.
func (t *transfer) rewind(serial uint32) (ok bool) {
	n := len(t.checkpoints)
	for n > 0 && t.checkpoints[n-1].serial != serial {
		n--
	}
	at := 0
	if n > 0 {
		at = t.checkpoints[n-1].at
	} else if serial != 0 {
		return false
	}
	t.checkpoints = t.checkpoints[:n]
	t.serial = serial + 1
	t.buf = t.buf[:at]
	return true
}

// finishTransfer takes an ACTIVITY END (X.228 7.3.4): the APDU is complete.
func (a *Association) finishTransfer(dir uint8, at Place, v view) {
	t := &a.transfer[dir]
	if !t.active {
		if a.facts.Inferred || !a.facts.Proposed || a.facts.APDUs+a.facts.UnfinishedAPDUs == 0 && !a.established {
			a.headless(dir, at)
			a.unfinished(dir, Lost, at)
			return
		}
		a.own(ErrEndless, dir, v, 0)
		return
	}
	if t.bad == WhyNone && t.size() == 0 {
		t.bad = Empty
	}
	if t.bad != WhyNone {
		a.unfinished(dir, t.bad, at)
		return
	}
	octets := a.octets(t)
	context := a.deliver(octets)
	if context > 0 && a.defined && !a.accepted(context) {
		a.own(ErrContext, dir, v, 0).Reason = context
	}
	a.facts.APDUs++
	e := a.emit(APDU, dir, at)
	a.describe(e, t)
	e.Octets = octets
	if context > 0 {
		e.Context = context
		e.Abstract = a.abstract(context)
	}
	if a.class == ClassP3 || a.class == ClassP7 {
		a.operation(e, octets)
	}
	before := len(a.lent)
	if a.endTransfer(t); len(a.lent) > before {
		e.lent = len(a.lent)
	}
}

// Keep leaves the buffer that the octets of the event drained last are in to the
// caller, who may keep it and must not write to it; nil when they are in a TPDU.
func (a *Association) Keep(e *Event) (buffer []byte) {
	if e.lent == 0 {
		return nil
	}
	b := &a.lent[e.lent-1]
	buffer, *b = *b, nil
	return buffer
}

// describe fills in what an event says of a transfer.
func (a *Association) describe(e *Event, t *transfer) {
	e.Origin, e.Last, e.Pieces, e.Since = t.origin, t.last, t.pieces, t.since
	if !t.begun {
		e.Origin = Origin{a.cfg.Connection, e.Dir, t.at}
		e.Last = t.at
	}
	e.Untold = t.untold
	e.Interruptions, e.Elsewhere, e.Acknowledged = t.interruptions, t.elsewhere, t.acknowledged
	e.Activity, e.Session = a.lend(t.activity), a.facts.SessionID
}

// endTransfer leaves the buffer to the events that refer to it.
func (a *Association) endTransfer(t *transfer) {
	a.give(t)
	a.forgo(&t.borrowed)
	if cap(t.checkpoints) > keptCheckpoints {
		a.checkpoints, t.checkpoints, a.few = t.checkpoints[:0], a.few, nil
	}
	t.active = false
}

// lend copies octets for the life of the events.
func (a *Association) lend(b []byte) []byte {
	n := len(a.names)
	a.names, a.owed = append(a.names, b...), true
	return a.names[n:len(a.names):len(a.names)]
}

// unfinished tells of a transfer that was broken off for good.
func (a *Association) unfinished(dir uint8, why Why, at Place) {
	t := &a.transfer[dir]
	if t.headless {
		why = Lost
	}
	a.tellUnfinished(dir, why, at, t)
	a.endTransfer(t)
}

func (a *Association) tellUnfinished(dir uint8, why Why, at Place, t *transfer) *Event {
	a.facts.UnfinishedAPDUs++
	if len(a.events) >= maxEvents {
		a.facts.ProblemsLeftOut++
		a.spill = Event{}
		return &a.spill
	}
	e := a.emit(Unfinished, dir, at)
	a.describe(e, t)
	e.Why, e.Octets, e.Reason = why, a.octets(t), t.exception
	e.text = why.String()
	return e
}

// suspend tells of a transfer that was broken off and may be resumed, and keeps
// what was received up to its last checkpoint.
func (a *Association) suspend(dir uint8, why Why, at Place) {
	t := &a.transfer[dir]
	if t.headless {
		a.unfinished(dir, why, at)
		return
	}
	a.own1(t)
	e := a.tellUnfinished(dir, why, at, t)
	e.Suspended = true
	a.keepSuspended(a.toSuspended(t, dir))
	t.active = false
}

// toSuspended makes a Suspended of a transfer, which loses its octets.
func (a *Association) toSuspended(t *transfer, dir uint8) *Suspended {
	n := 0
	if len(t.checkpoints) > 0 {
		n = t.checkpoints[len(t.checkpoints)-1].at
	}
	n = min(n, len(t.buf))
	// The octets behind the checkpoint belong to the event that tells of the
	// interruption: a resumed transfer must not write over them.
	octets, hold := t.buf[:n:n], t.hold
	if max(cap(t.buf), cap(hold)) > 2*n+minBuffer {
		octets, hold = append(make([]byte, 0, n), octets...), nil
		a.give(t)
	}
	t.buf, t.hold = nil, nil
	s := &Suspended{
		Key:           Key{string(a.facts.SessionID), string(t.activity)},
		First:         t.first,
		Origin:        t.origin,
		Interruptions: t.interruptions + 1,
		untold:        t.untold,
		mode:          a.facts.Mode,
		Since:         t.since,
		begun:         t.begun,
		elsewhere:     t.elsewhere,
		dir:           dir,
		pieces:        t.pieces,
		last:          t.last,
		octets:        octets,
		hold:          hold,
		checkpoints:   append([]checkpoint(nil), t.checkpoints...),
		buffers:       a.cfg.Buffers,
	}
	if s.First == (Key{}) {
		s.First = s.Key
	}
	return s
}

// keepSuspended keeps a suspended activity. All of them together may have as many
// octets as one transfer.
func (a *Association) keepSuspended(s *Suspended) {
	size := s.Size()
	for _, old := range a.suspended {
		size += old.Size()
	}
	for n := len(a.suspended); n > 0 && (n >= a.cfg.MaxSuspended || size > a.cfg.MaxAPDU); n-- {
		size -= a.suspended[0].Size()
		a.giveUp(a.suspended[0])
		a.suspended = append(a.suspended[:0], a.suspended[1:]...)
	}
	a.suspended = append(a.suspended, s)
}

// giveUp hands over what this association no longer keeps.
func (a *Association) giveUp(s *Suspended) {
	if s.Key.Session != "" && a.cfg.Suspend != nil {
		a.handover = append(a.handover, s)
	}
}

// share hands over all that is suspended, since this association is over.
func (a *Association) share() {
	for i, s := range a.suspended {
		a.giveUp(s)
		a.suspended[i] = nil
	}
	a.suspended = a.suspended[:0]
}

// resume takes an ACTIVITY RESUME (X.228 7.8.3).
func (a *Association) resume(dir uint8, at Place, v view) {
	s := &a.spdu
	key := Key{Session: string(sessionID(nil, &s.Link)), Activity: string(s.OldActivity)}
	if t := &a.transfer[dir]; t.active && string(t.activity) == key.Activity && (key.Session == "" || key.Session == string(a.facts.SessionID)) {
		// It was interrupted, and that was not captured.
		a.suspend(dir, Interrupted, at)
	}
	t := a.begin(dir, at, s.Activity)
	old, elsewhere := a.find(key, dir), false
	if old == nil && key.Session != "" && a.cfg.Resume != nil {
		if found, ok := a.cfg.Resume(key); ok {
			old, elsewhere = found, true
		}
	}
	if old == nil {
		t.bad = NotResumable
		if s.HasLinkSerial {
			t.serial = s.LinkSerial + 1
		}
		e := a.own(ErrResume, dir, v, 0)
		a.name(e, key)
		return
	}
	if a.facts.Mode == ModeUnknown && old.mode != ModeUnknown {
		a.facts.Mode, a.facts.RTSE, a.facts.Inferred = old.mode, true, true
	}
	t.buf, t.hold, t.checkpoints = old.octets, old.hold, append(t.checkpoints[:0], old.checkpoints...)
	t.begun, t.origin, t.last, t.pieces = old.begun, old.Origin, old.last, old.pieces
	t.untold = old.untold
	t.interruptions, t.elsewhere, t.first = old.Interruptions, elsewhere || old.elsewhere, old.First
	t.since = min(t.since, old.Since)
	if !s.HasLinkSerial || !t.rewind(s.LinkSerial) {
		t.bad = NotResumable
		e := a.own(ErrCheckpoint, dir, v, 0)
		a.name(e, key)
	}
}

// name puts a key into an event.
func (a *Association) name(e *Event, key Key) {
	e.Activity = a.lend([]byte(key.Activity))
	e.Session = a.lend([]byte(key.Session))
	if key.Session == "" {
		e.Session = a.facts.SessionID
	}
}

// find looks for, and forgets, an activity that was suspended here.
func (a *Association) find(key Key, dir uint8) *Suspended {
	for i := len(a.suspended) - 1; i >= 0; i-- {
		s := a.suspended[i]
		if s.dir != dir || !s.is(key) {
			continue
		}
		a.suspended = append(a.suspended[:i], a.suspended[i+1:]...)
		return s
	}
	return nil
}

// is reports whether s is meant by key. Without a session the key is of the same
// association.
func (s *Suspended) is(key Key) bool {
	return key.Activity == s.Key.Activity && (key.Session == "" || key.Session == s.Key.Session) ||
		key.Activity == s.First.Activity && (key.Session == "" || key.Session == s.First.Session)
}

// Begun returns the session connection in which an activity that is under way
// was begun, where that is another.
func (a *Association) Begun() (session string) {
	for i := range a.transfer {
		if t := &a.transfer[i]; t.active && t.first.Session != "" {
			return t.first.Session
		}
	}
	return ""
}

// Holds reports whether Surrender would find a transfer.
func (a *Association) Holds(k Key) bool {
	interrupted, under := a.held(k)
	return interrupted >= 0 || under >= 0
}

// held returns the place of the interrupted transfer that a key names, or the direction
// of the one under way, and -1 for what there is not.
func (a *Association) held(k Key) (interrupted, under int) {
	for i, s := range a.suspended {
		if s.is(k) {
			return i, -1
		}
	}
	if k.Session == "" {
		return -1, -1
	}
	for dir := range a.transfer {
		t := &a.transfer[dir]
		if t.active && !t.headless &&
			(k.Session == string(a.facts.SessionID) && k.Activity == string(t.activity) || k == t.first) {
			return -1, dir
		}
	}
	return -1, -1
}

// Surrender gives away a transfer that is interrupted or under way, because it
// was resumed in another association before the end of this one was seen.
func (a *Association) Surrender(k Key) (*Suspended, bool) {
	interrupted, under := a.held(k)
	switch {
	case interrupted >= 0:
		s := a.suspended[interrupted]
		a.suspended = append(a.suspended[:interrupted], a.suspended[interrupted+1:]...)
		return s, true
	case under >= 0:
		t := &a.transfer[under]
		a.detach()
		s := a.toSuspended(t, uint8(under))
		s.untold++
		t.active = false
		return s, true
	}
	return nil, false
}

// deliver looks at a complete APDU: it returns the presentation context of the
// EXTERNAL that it is in normal mode, 0 without, and tells the class where the
// opening was not seen.
func (a *Association) deliver(octets []byte) (context int64) {
	if a.class.X400() && a.class != ClassX400 {
		if a.facts.Mode != ModeNormal {
			return 0
		}
		if context, ok := indirect(octets); ok {
			return context
		}
	}
	var d ber.Decoder
	c := d.Reset(octets)
	var e, f ber.Element
	if !c.Next(&e) {
		return 0
	}
	apdu, inner := e, c
	var aligned ber.Decoder
	if a.facts.Mode == ModeNormal && e.Tag == ber.TagExternal && e.Constructed {
		inner = c.Enter(&e)
		apdu = ber.Element{}
		fields := inner
		for fields.Next(&f) {
			switch f.Tag {
			case ber.TagInteger:
				context, _ = ber.Int64(f.Content)
			case ber.Context(0):
				inner = fields.Enter(&f)
				inner.Next(&apdu)
			case ber.Context(1):
				// Octet-aligned; in segments only where the class is not known yet.
				value := f.Content
				if f.Constructed && (!a.class.X400() || a.class == ClassX400) {
					value, _, _ = fields.Octets(&f, ber.TagOctetString, nil)
				}
				inner = aligned.Reset(value)
				inner.Next(&apdu)
			}
		}
	}
	if a.class.X400() && a.class != ClassX400 || !apdu.Constructed {
		return context
	}
	// MTS-APDU: message [0] and report [1] are SEQUENCEs of SETs, probe [2] is a
	// SET, none of whose members has a universal tag (X.411 12.2). ROSE: invoke
	// [1], result [2] and so on begin with an INTEGER.
	in := inner.Enter(&apdu)
	t, ok := in.Peek()
	switch {
	case !ok:
	case apdu.Tag.Class() != ber.ContextSpecific:
	case apdu.Tag.Number() <= 2 && t == ber.TagSet, apdu.Tag.Number() == 2 && t.Class() != ber.Universal:
		a.setClass(ClassP1, true)
	case apdu.Tag.Number() >= 1 && apdu.Tag.Number() <= 4 && (t == ber.TagInteger || t == ber.TagSequence):
		a.setClass(ClassP3, false)
	}
	return context
}

// indirect returns the presentation context of an EXTERNAL whose first field that is, in
// one octet, as in nearly all (X.690 8.18). The end of the value, which may be of
// indefinite length and long, is not looked for.
func indirect(octets []byte) (context int64, ok bool) {
	f := front{b: octets}
	if f.tag() != 0x28 || !f.enter() {
		return 0, false
	}
	return f.contextID()
}

// operation makes an Operation of an APDU event whose octets are a ROSE APDU,
// within an EXTERNAL or not.
func (a *Association) operation(e *Event, octets []byte) {
	value := octets
	if bytes.HasPrefix(octets, []byte{0x28}) {
		var d ber.Decoder
		c := d.Reset(octets)
		var x, f ber.Element
		if !c.Next(&x) {
			return
		}
		in := c.Enter(&x)
		for in.Next(&f) {
			if f.Tag == ber.Context(0) || f.Tag == ber.Context(1) && !f.Constructed {
				value = f.Content
			}
		}
	}
	var r rose.APDU
	if code, _ := r.Decode(value); code != rose.OK {
		return
	}
	a.facts.APDUs--
	a.facts.Operations++
	e.Kind, e.ROSE, e.Octets = Operation, r, value
}
