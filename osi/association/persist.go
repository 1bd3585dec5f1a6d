package association

import (
	"encoding/binary"

	"x400flow/osi/acse"
	"x400flow/osi/presentation"
	"x400flow/osi/session"
)

// stateForm is the form of what AppendState writes. It grows with every change
// of it.
const stateForm = 2

// coder writes values to b, or reads them from it.
type coder struct {
	b       []byte
	reading bool
	bad     bool // b was not what had been written.
}

func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int | ~int64](c *coder, v *T) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, uint64(*v))
		return
	}
	u, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return
	}
	*v, c.b = T(u), c.b[n:]
}

func (c *coder) flags(list ...*bool) {
	var bits uint32
	for i, v := range list {
		if *v {
			bits |= 1 << i
		}
	}
	number(c, &bits)
	if c.reading {
		for i, v := range list {
			*v = bits&(1<<i) != 0
		}
	}
}

// octets tells nil from empty.
func (c *coder) octets(a *Association, v *[]byte) {
	var n uint64
	if *v != nil {
		n = uint64(len(*v)) + 1
	}
	number(c, &n)
	switch {
	case !c.reading:
		c.b = append(c.b, *v...)
	case n == 0:
		*v = nil
	case n-1 > uint64(len(c.b)):
		c.b, c.bad = nil, true
	default:
		*v = a.keep(c.b[:n-1])
		c.b = c.b[n-1:]
	}
}

func (c *coder) place(p *Place) {
	number(c, &p.Seq)
	number(c, &p.Offset)
	number(c, &p.Time)
	number(c, &p.Frame)
	number(c, &p.Source)
}

// openings are what of an association is open: whatever is, can be had by decoding
// again from OpenSince on.
type openings struct{ tsdu, ssdu, transfer [2]bool }

// code passes all that outlives what is open.
func (a *Association) code(c *coder, open *openings) {
	form := uint8(stateForm)
	if number(c, &form); form != stateForm {
		c.bad = true
		return
	}
	f := &a.facts
	number(c, &a.class)
	number(c, &a.foreignData)
	number(c, &a.markers)
	number(c, &a.problems)
	number(c, &a.finishDir)
	c.flags(&a.sure, &a.defined, &a.finishing, &a.established, &a.confirmed, &a.agreed,
		&f.RTSE, &f.TwoWayAlternate, &f.Proposed, &f.Accepted, &f.Refused, &f.Inferred, &f.OneDirection,
		&f.Released, &f.Aborted)
	c.place(&a.finish)
	for i := range a.dir {
		d := &a.dir[i]
		c.flags(&d.skip, &d.unsure, &d.begun, &open.tsdu[i], &open.ssdu[i], &open.transfer[i])
		number(c, &f.TPDUs[i])
	}
	for _, v := range [...]*[]byte{&f.CallingTSAP, &f.CalledTSAP, &f.CallingSSAP, &f.CalledSSAP, &f.CallingPSAP, &f.CalledPSAP,
		&f.RespondingPSAP, &f.SessionID, &f.ApplicationContext, &f.CallingAPTitle, &f.CallingAEQualifier,
		&f.CalledAPTitle, &f.CalledAEQualifier, &f.ACSE[acse.AARQ], &f.ACSE[acse.AARE], &f.ACSE[acse.RLRQ], &f.ACSE[acse.RLRE],
		&f.ACSE[acse.ABRT], &f.RTSEText} {
		c.octets(a, v)
	}
	number(c, &f.TPDUSize)
	number(c, &f.SessionVersion)
	number(c, &f.SessionRequirements)
	number(c, &f.Mode)
	number(c, &f.ApplicationProtocol)
	number(c, &f.CheckpointSize)
	number(c, &f.WindowSize)
	number(c, &f.Initiator)
	for _, v := range [...]*uint64{&f.APDUs, &f.UnfinishedAPDUs, &f.Operations, &f.Problems, &f.ProblemsLeftOut,
		&f.ForeignTSDUs, &f.UnknownParameters} {
		number(c, v)
	}
	n := uint64(len(f.Contexts))
	number(c, &n)
	if c.reading {
		f.Contexts = f.Contexts[:0]
		if n > presentation.MaxContexts {
			c.bad = true
			return
		}
	}
	for i := range int(n) {
		if c.reading {
			f.Contexts = append(f.Contexts, Context{})
		}
		x := &f.Contexts[i]
		number(c, &x.ID)
		c.octets(a, &x.Abstract)
		c.octets(a, &x.Transfer)
		c.flags(&x.Accepted, &x.Answered)
		number(c, &x.Result)
		number(c, &x.Reason)
	}
}

// AppendState appends to b what SetState needs to know of the association
// beside what is open. It does not allocate where b has room.
func (a *Association) AppendState(b []byte) []byte {
	var open openings
	for i := range a.dir {
		d := &a.dir[i]
		open.tsdu[i], open.ssdu[i], open.transfer[i] = d.open, d.segment != session.None, a.transfer[i].active
	}
	c := coder{b: b}
	a.code(&c, &open)
	return c.b
}

// SetState makes of an association one that has come as far as that whose
// AppendState gave state. What is open stays, as far as it was open there. It
// returns false, and the association is of no use until Reset, when state is of
// another form. Events must have been drained.
func (a *Association) SetState(state []byte) bool {
	a.settle()
	a.arena = a.arena[:0]
	c := coder{b: state, reading: true}
	var open openings
	a.code(&c, &open)
	if c.bad || len(c.b) > 0 {
		return false
	}
	for i := range a.dir {
		d, t := &a.dir[i], &a.transfer[i]
		if d.open = d.open && open.tsdu[i]; !d.open {
			a.ends(&d.tsdu)
		}
		if !open.ssdu[i] {
			a.endSSDU(d)
		}
		if t.active = t.active && open.transfer[i]; !t.active {
			a.endTransfer(t)
		}
	}
	return true
}

// Within says that the next TPDU of a direction goes on with a TSDU whose
// beginning is not given; the rest of it is passed over.
func (a *Association) Within(dir uint8) {
	if d := &a.dir[dir&1]; !d.open {
		d.skip = true
	}
}
