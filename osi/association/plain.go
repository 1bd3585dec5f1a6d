package association

import (
	"encoding/binary"

	"x400flow/osi/session"
)

// The fronts of TSDUs of two SPDUs, of which the first is a GIVE TOKENS or PLEASE
// TOKENS without parameters (X.225 6.3.7).
const (
	frontData    = 0x0100_0100 // DATA TRANSFER without parameters.
	frontStart   = 0x0100_2d   // ACTIVITY START.
	frontEnd     = 0x0100_29   // ACTIVITY END.
	frontEndAck  = 0x0200_2a   // ACTIVITY END ACK.
	frontSync    = 0x0100_31   // MINOR SYNC POINT.
	frontSyncAck = 0x0200_32   // MINOR SYNC ACK.
	piActivity   = 41          // The only parameter of a START,
	piSerial     = 42          // and of the others.

	maxSerialSize = 6
)

// plain takes a TSDU of the forms that nearly all have once an association is there: the
// start or the end of an activity, a piece of an APDU in an RTTR, a checkpoint, or an
// acknowledgement. It is size octets long
// and begins with those of v; the others are borrowed in the TSDU that is being joined. For
// any other plain returns false, having changed nothing, and tsdu is to take it; of these
// it does what tsdu does.
func (a *Association) plain(dir uint8, v *view, size int) bool {
	d, b := &a.dir[dir], v.octets
	if a.general || len(b) < 7 || !a.class.X400() || d.segment != session.None || len(d.tsdu.buf) > 0 {
		return false
	}
	if binary.BigEndian.Uint32(b) == frontData {
		return a.plainData(dir, v, size)
	}
	if len(b) != size || int(b[3]) != size-4 || int(b[5]) != size-6 {
		return false
	}
	kind := binary.BigEndian.Uint32(b) >> 8
	if b[4] == piActivity && kind == frontStart && size < 0xff {
		a.known(dir)
		a.begin(dir, v.place(2), b[6:])
		return true
	}
	if b[4] != piSerial || size-6 > maxSerialSize {
		return false
	}
	serial := uint32(0)
	for _, c := range b[6:] {
		if c < '0' || c > '9' {
			return false
		}
		serial = serial*10 + uint32(c-'0')
	}
	switch kind {
	case frontEnd:
		a.finishTransfer(dir, v.place(2), v.sub(2, size))
	case frontSync:
		a.foreignData = 0
		a.checkpoint(dir, serial, true)
	case frontSyncAck, frontEndAck:
		a.foreignData = 0
		a.transfer[1-dir].acknowledged = true
	default:
		return false
	}
	return true
}

// plainData is plain for data (X.225 8.3.11).
func (a *Association) plainData(dir uint8, v *view, size int) bool {
	t := &a.transfer[dir]
	if a.facts.Mode != ModeNormal || !t.active || t.bad != WhyNone {
		return false
	}
	var n nested
	n.b, n.at, n.end = v.octets, 4, size
	context, ok := n.transfer()
	if !ok || a.defined && !a.accepted(context) || t.size()+n.end-n.at > a.cfg.MaxAPDU {
		return false
	}
	if len(v.octets) == size {
		if !zeros(v.octets[n.end:]) {
			return false
		}
		a.borrow(&t.borrowed, v.octets[n.at:n.end])
	} else {
		list := a.dir[dir].tsdu.borrowed.list
		for at, i := size, len(list)-1; at > n.end; i-- {
			at -= len(list[i])
			if !zeros(list[i][max(n.end-at, 0):]) {
				return false
			}
		}
		at := 0
		for _, b := range list {
			from, to := max(n.at-at, 0), min(n.end-at, len(b))
			at += len(b)
			if from < to {
				a.borrow(&t.borrowed, b[from:to])
			}
		}
	}
	if !t.begun {
		t.begun = true
		t.origin.Connection, t.origin.Dir = a.cfg.Connection, dir
		v.placeInto(&t.origin.Place, n.at)
	}
	t.pieces++
	v.placeInto(&t.last, n.end-1)
	return true
}

// zeros reports whether b, which is short, has no other octets.
func zeros(b []byte) bool {
	for _, o := range b {
		if o != 0 {
			return false
		}
	}
	return true
}

// nested reads the headers of elements each of which is all that the one around it
// contains, so that all end together. end is where the contents of the innermost end, and
// ends of contents begin: their octets are for the caller to look at.
type nested struct {
	front
	end int
}

// enter passes over the header of an element with the given tag.
func (n *nested) enter(tag byte) bool {
	if n.tag() != tag {
		return false
	}
	size, ok := n.length()
	if ok && size < 0 && tag&0x20 != 0 {
		n.end -= 2
		return true
	}
	return ok && n.at+size == n.end
}

// transfer passes over what stands before the octets of an RTTR (X.228 clause 9) that is
// in one piece and all of one PDV-list of fully encoded user data (X.226 8.4.2).
func (n *nested) transfer() (context int64, ok bool) {
	if !n.enter(0x61) || !n.enter(0x30) {
		return 0, false
	}
	if context, ok = n.contextID(); !ok {
		return 0, false
	}
	return context, (n.enter(0xa0) || n.enter(0x81)) && n.enter(0x04) && n.at < n.end && n.at < len(n.b)
}
