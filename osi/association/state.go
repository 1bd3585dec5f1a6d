package association

import (
	"x400flow/osi/cotp"
	"x400flow/osi/session"
)

// Association is the stack of one association. Its first Reset makes a zero one ready.
type Association struct {
	*scratch
	cfg         Config
	facts       Facts
	class       Class
	sure        bool // The class is definite.
	foreignData int  // Data that nothing of X.400 fits, while the class is open.
	markers     int  // TSDUs that were searched for what tells ICCP from MMS.

	problems int // Problem events so far.

	dir       [2]direction
	transfer  [2]transfer
	suspended []*Suspended // Interrupted here and not resumed.
	handover  []*Suspended // To be given to Config.Suspend once events are drained.

	arena                  []byte // What Facts refers to, and before it others that are full.
	defined                bool   // Facts.Contexts is the list that was proposed.
	finish                 Place  // Of a FINISH that awaits its answer.
	finishing, established bool
	confirmed              bool // A CC was seen.
	agreed                 bool // An RTOAC was seen.
	finishDir              uint8

	record uint64 // Of the TPDU in hand.
	from   uint64 // Of the first octet of the TSDU or SSDU in hand.

	general bool // plain takes nothing: a test's, that holds it to tsdu.
}

type scratch = Scratch

// direction is the state of one direction below RTSE.
type direction struct {
	tsdu    joiner
	open    bool // A TSDU is being joined.
	skip    bool // The rest of a TSDU is being passed over.
	unsure  bool // Octets are missing: where a TSDU begins is not known.
	begun   bool // A TPDU with data was seen.
	ssdu    joiner
	segment session.Kind // Of the SSDU that is being joined.

	tsduSince, ssduSince uint64 // The records that they began in.
}

// New returns an Association.
func New(cfg Config) *Association {
	a := &Association{}
	a.Reset(cfg)
	return a
}

// Reset makes a new Association of an old one, keeping its memory. What is
// suspended is handed over first.
func (a *Association) Reset(cfg Config) {
	if a.scratch != nil {
		a.settle()
		a.share()
		for i := range a.dir {
			a.endOpen(i)
		}
		a.settle()
	}
	a.Configure(cfg)
	contexts := a.facts.Contexts[:0]
	a.facts = Facts{}
	a.facts.ApplicationProtocol, a.facts.Contexts = -1, contexts
	a.class, a.sure, a.foreignData, a.markers = ClassEmpty, false, 0, 0
	a.problems = 0
	for i := range a.dir {
		a.dir[i] = direction{}
		a.transfer[i].clear()
	}
	a.arena = a.arena[:0]
	a.defined, a.finishing, a.established, a.confirmed, a.agreed = false, false, false, false, false
}

// Configure is Reset for an Association that has taken nothing since it was Reset last.
func (a *Association) Configure(cfg Config) {
	if a.scratch == nil || cfg.Scratch != a.cfg.Scratch {
		if a.scratch = cfg.Scratch; a.scratch == nil {
			a.scratch = new(Scratch)
		}
		a.free.Each = maxFree
	}
	if cfg.MaxAPDU <= 0 {
		cfg.MaxAPDU = DefaultMaxAPDU
	}
	if cfg.MaxSuspended <= 0 {
		cfg.MaxSuspended = DefaultMaxSuspended
	}
	if cfg.MaxProblems <= 0 {
		cfg.MaxProblems = DefaultMaxProblems
	}
	a.cfg = cfg
}

// Forget forgets what is open, without events and without handing anything over.
func (a *Association) Forget() {
	a.settle()
	for i := range a.dir {
		a.endOpen(i)
	}
	for i, s := range a.suspended {
		s.Release()
		a.suspended[i] = nil
	}
	a.suspended = a.suspended[:0]
}

// endOpen forgets what is open in direction i.
func (a *Association) endOpen(i int) {
	d := &a.dir[i]
	d.open = false
	a.ends(&d.tsdu)
	a.endSSDU(d)
	a.endTransfer(&a.transfer[i])
}

// endSSDU forgets the SSDU that is being joined.
func (a *Association) endSSDU(d *direction) {
	d.segment = session.None
	a.ends(&d.ssdu)
}

// settle takes back what events referred to, and hands over what was suspended. Most TPDUs
// cause no event.
func (a *Association) settle() {
	if a.owed || len(a.handover) > 0 {
		a.takeBack()
	}
}

func (a *Association) takeBack() {
	a.events, a.next = a.events[:0], 0
	for i, b := range a.lent {
		a.recycle(b)
		a.lent[i] = nil
	}
	a.lent, a.names, a.owed = a.lent[:0], a.names[:0], false
	a.hand()
}

func (a *Association) hand() {
	for i, s := range a.handover {
		if a.cfg.Suspend != nil {
			a.cfg.Suspend(s)
		} else {
			s.Release()
		}
		a.handover[i] = nil
	}
	a.handover = a.handover[:0]
}

// Next puts the next event into ev. It returns false when there is none.
func (a *Association) Next(ev *Event) bool {
	if a.next >= len(a.events) {
		a.hand()
		return false
	}
	*ev = a.events[a.next]
	a.next++
	return true
}

// TPDU takes the next TPKT's content. Where it returns true, Next has something to do, be it
// only to hand over what was suspended, and events must be drained.
func (a *Association) TPDU(in *TPDU) (pending bool) {
	a.settle()
	a.record, a.from = in.Record, in.Record
	if !a.plain(in) {
		a.any(in)
	}
	if !a.cfg.Lasting {
		a.detach()
	}
	return len(a.events)|len(a.handover) != 0 // settle has left none of before.
}

// any takes what plain does not.
func (a *Association) any(in *TPDU) {
	dir := in.Dir & 1
	if a.NotX400() {
		a.count(dir)
		if !a.sure {
			a.refine(in.Octets)
		}
		return
	}
	if user, eot, ok := cotp.Data(in.Octets); ok {
		a.count(dir)
		v := a.view(in, len(in.Octets)-len(user))
		a.dt(dir, &v, eot)
	} else {
		a.transports(dir, a.view(in, 0))
	}
}

// view returns the octets of the TPDU in hand from one on.
func (a *Association) view(in *TPDU, from int) view {
	m := &a.one[0] // Field by field, as in placeInto.
	m.at, m.Seq, m.Offset, m.Time, m.Frame, m.Source = 0, in.Seq, in.Offset, in.Time, in.Frame, in.Source
	return view{in.Octets[from:], from, a.one[:]}
}

// transports takes the TPDUs of a TPKT whatever they are.
func (a *Association) transports(dir uint8, v view) {
	a.recognise(v)
	for off := 0; off < len(v.octets) && !a.NotX400(); {
		n, err := cotp.Decode(v.octets[off:], &a.tpdu)
		if err != nil {
			code, _ := err.(cotp.Code)
			if a.class == ClassEmpty {
				a.class = ClassUndecodable
			}
			a.problem(LayerCOTP, uint8(code), code.Error(), dir, v.sub(off, len(v.octets)), n)
			a.lose(dir)
			break
		}
		if n <= 0 {
			break
		}
		a.transport(dir, v.sub(off, off+n))
		off += n
	}
}

// count keeps the facts that hold for every class.
func (a *Association) count(dir uint8) {
	a.facts.TPDUs[dir]++
	if !a.dir[dir].begun {
		a.begun(dir)
	}
}

// begun notes that a direction has a TPDU.
func (a *Association) begun(dir uint8) {
	a.dir[dir].begun = true
	a.facts.OneDirection = !a.dir[1-dir].begun
}

// transport takes one decoded TPDU, a.tpdu.
func (a *Association) transport(dir uint8, v view) {
	t := &a.tpdu
	a.begun(dir)
	switch t.Kind {
	case cotp.CR, cotp.CC:
		if t.Kind == cotp.CR || len(a.facts.CallingTSAP) == 0 {
			a.facts.CallingTSAP = a.keep(t.CallingTSAP)
		}
		if t.Kind == cotp.CR || len(a.facts.CalledTSAP) == 0 {
			a.facts.CalledTSAP = a.keep(t.CalledTSAP)
		}
		// What was confirmed stands, though the request be captured after it.
		a.confirmed = a.confirmed || t.Kind == cotp.CC
		if t.TPDUSize != 0 && (t.Kind == cotp.CC || !a.confirmed) {
			a.facts.TPDUSize = t.TPDUSize
		}
	case cotp.DT, cotp.ED:
		a.facts.TPDUs[dir]++
		user := v.sub(len(v.octets)-len(t.User), len(v.octets))
		a.dt(dir, &user, t.EOT)
	case cotp.DR:
		if !a.facts.Proposed && !a.facts.Inferred && a.facts.TPDUs == [2]uint64{} {
			e := a.emit(Refusal, dir, v.place(0))
			e.Layer, e.Reason, e.text = LayerCOTP, int64(t.Reason), "transport connection refused"
		}
	case cotp.ER:
		e := a.emit(Abort, dir, v.place(0))
		e.Layer, e.Reason, e.text = LayerCOTP, int64(t.Reason), "transport protocol error"
	}
}

// dt takes the user data of one DT TPDU.
func (a *Association) dt(dir uint8, v *view, eot bool) {
	d := &a.dir[dir]
	if d.skip {
		d.skip = !eot
		return
	}
	if d.unsure && !d.open {
		// Octets are missing before: this may be the middle of a TSDU.
		if !Begins(v.octets, eot) {
			d.skip = !eot
			return
		}
		d.unsure = false
	}
	if len(v.octets) == 0 && !eot {
		return
	}
	if !d.open {
		if a.open(v.octets); a.NotX400() {
			return
		}
		if eot {
			if len(v.octets) > 0 {
				a.tsdu(dir, *v)
			}
			return
		}
		d.open, d.tsduSince = true, a.record
		a.begins(&d.tsdu)
	}
	size := d.tsdu.size() + len(v.octets)
	if a.tooLarge(&d.tsdu, size) {
		a.own(ErrTSDUSize, dir, a.whole(d), 0)
		a.damage(dir, TooLarge)
		d.open, d.skip = false, !eot
		a.ends(&d.tsdu)
		return
	}
	if a.cfg.Lasting {
		a.borrow(&d.tsdu.borrowed, v.octets)
		v.placeInto(d.tsdu.mark(size-len(v.octets)), 0)
	} else {
		a.join(&d.tsdu, *v, totalTSDU)
	}
	if eot {
		a.ended(dir, size)
	}
}

// tooLarge reports whether a TSDU that is being joined may not grow to so many octets.
func (a *Association) tooLarge(j *joiner, size int) bool {
	return size > a.cfg.MaxAPDU+1<<16 || len(j.marks) > 1<<20
}

// ended takes the TSDU that was joined, of which all size octets are there.
func (a *Association) ended(dir uint8, size int) {
	d := &a.dir[dir]
	d.open = false
	a.from = d.tsduSince
	if !a.joined(dir, size) {
		a.tsdu(dir, a.whole(d))
	}
	a.ends(&d.tsdu)
	a.from = a.record
}

// Begins reports whether the user data of a DT TPDU that follows a gap is the
// beginning of a TSDU.
func Begins(octets []byte, eot bool) bool {
	it := session.Iterate(octets)
	var s session.SPDU
	for it.Next(&s) {
		if s.UnknownCount > 0 {
			return false
		}
	}
	return it.Code() == session.OK && (eot || s.Kind == session.DataTransfer)
}

// lose forgets the TSDU that a direction was in the middle of: octets of it are
// missing.
func (a *Association) lose(dir uint8) {
	d := &a.dir[dir]
	if d.open {
		a.own(ErrTSDUCut, dir, a.whole(d), d.tsdu.size())
		a.ends(&d.tsdu)
	}
	a.endSSDU(d)
	d.open, d.skip, d.unsure = false, false, true
	a.damage(dir, Lost)
}

// Gap says that octets of a direction are missing before its next TPDU, lost of
// them where that is known. seq is the sequence number of the first of them.
func (a *Association) Gap(dir uint8, seq uint32, lost uint64) {
	a.settle()
	if !a.NotX400() {
		a.lose(dir & 1)
	}
}

// End says that the connection ended at the given capture time. Should more of
// it come all the same, what is in the middle of a TSDU is passed over.
func (a *Association) End(reason EndReason, time int64) {
	a.settle()
	if a.NotX400() {
		return
	}
	for dir := range uint8(2) {
		d := &a.dir[dir]
		if d.open {
			a.own(ErrTSDUCut, dir, a.whole(d), d.tsdu.size())
			a.ends(&d.tsdu)
			d.open, d.unsure = false, true
		}
		a.endSSDU(d)
	}
	if a.finishing {
		// The answer was not captured.
		a.finishing = false
		a.release(a.finishDir, a.finish, false)
	}
	a.close(Ended, Place{Time: time})
}

// OpenSince returns the smallest TPDU.Record in which something began that is
// open: a TSDU, a segmented SSDU, an activity or a suspended one. What came in
// earlier records has no part in any later event.
func (a *Association) OpenSince() (record uint64, open bool) {
	since := func(r uint64) {
		if !open || r < record {
			record, open = r, true
		}
	}
	for i := range a.dir {
		d := &a.dir[i]
		if d.open {
			since(d.tsduSince)
		}
		if d.segment != session.None {
			since(d.ssduSince)
		}
		if t := &a.transfer[i]; t.active {
			since(t.since)
		}
	}
	for _, s := range a.suspended {
		since(s.Since)
	}
	for _, s := range a.handover {
		since(s.Since)
	}
	return record, open
}

// What is kept of a value for Facts, and how large the arena grows. Selectors
// have 32 octets at most; titles may be long names.
const (
	maxKept  = 4 << 10
	minArena = 512
	maxArena = 64 << 10
)

// keep copies octets into the arena that Facts refers to.
func (a *Association) keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	b = b[:min(len(b), maxKept)]
	if len(a.arena)+len(b) > cap(a.arena) {
		// The old one goes when nothing refers to it any more, if a peer opens
		// connections again and again.
		a.arena = make([]byte, 0, min(max(2*cap(a.arena), 2*len(b), minArena), maxArena))
	}
	n := len(a.arena)
	a.arena = append(a.arena, b...)
	return a.arena[n:len(a.arena):len(a.arena)]
}

// Facts returns what is known so far. It is valid until Reset.
func (a *Association) Facts() *Facts { return &a.facts }

// Kept returns about how many octets of memory Reset keeps beside those of Scratch.
func (a *Association) Kept() int {
	const each = 88 // Of a presentation context; what refers to others takes less.
	n := cap(a.arena) + each*(cap(a.facts.Contexts)+cap(a.suspended)+cap(a.handover))
	for i := range a.transfer {
		t := &a.transfer[i]
		n += 16*cap(t.checkpoints) + cap(t.activity)
	}
	return n
}

// Buffered returns how many octets of memory the association holds for
// unfinished transfers and TSDUs.
func (a *Association) Buffered() int {
	n := 0
	for i := range a.dir {
		t := &a.transfer[i]
		n += cap(a.dir[i].tsdu.buf) + cap(a.dir[i].ssdu.buf) + max(cap(t.buf), cap(t.hold))
	}
	for _, s := range a.suspended {
		n += s.Size()
	}
	return n
}
