package association

import (
	"encoding/binary"

	"x400flow/osi/session"
)

// The fronts of TPDUs of class 0 that are each a TSDU of two SPDUs, of which the first is a
// GIVE TOKENS or PLEASE TOKENS without parameters (X.225 6.3.7).
const (
	frontDT      = 0x02f0             // Of any.
	frontPart    = 0x02f000           // Of one that does not end a TSDU.
	frontData    = 0x02f080_0100_0100 // DATA TRANSFER without parameters.
	frontStart   = 0x02f080_0100_2d   // ACTIVITY START.
	frontEnd     = 0x02f080_0100_29   // ACTIVITY END.
	frontEndAck  = 0x02f080_0200_2a   // ACTIVITY END ACK.
	frontSync    = 0x02f080_0100_31   // MINOR SYNC POINT.
	frontSyncAck = 0x02f080_0200_32   // MINOR SYNC ACK.
	piActivity   = 41                 // The only parameter of a START,
	piSerial     = 42                 // and of the others.

	dtSize        = 3 // Of what stands before the user data of a DT TPDU.
	serialAt      = 9 // Where a serial number stands.
	maxSerialSize = 6
)

// MaxPoint is how many octets a TPDU has at most that Point takes.
const MaxPoint = serialAt + maxSerialSize

// Point takes a TPDU that is a checkpoint, or the acknowledgement of one or of an activity's
// end, of the form that nearly all have, as two fifths of all TPDUs are. It causes no event, and
// where it stood is not asked. record is as in TPDU. For any other it returns false, having
// changed nothing, and TPDU is to take it.
func (a *Association) Point(dir uint8, record uint64, octets []byte) bool {
	dir &= 1
	d, n := &a.dir[dir], len(octets)-serialAt
	if n < 1 || n > maxSerialSize || a.general || !a.class.X400() ||
		d.open || d.skip || d.unsure || d.segment != session.None {
		return false
	}
	front := binary.BigEndian.Uint64(octets)
	// The lengths of the second SPDU and of its parameter.
	if int(front>>8&0xff) != n+2 || int(octets[serialAt-1]) != n {
		return false
	}
	number, ok := serial(octets)
	if !ok {
		return false
	}
	switch front &^ 0xff00 {
	case frontSync<<16 | piSerial:
		a.checkpoint(dir, number, true)
	case frontSyncAck<<16 | piSerial, frontEndAck<<16 | piSerial:
		a.transfer[1-dir].acknowledged = true
	default:
		return false
	}
	a.foreignData = 0
	a.record, a.from = record, record
	a.count(dir)
	return true
}

// serial reads the serial number that goes to the end of a TPDU.
func serial(octets []byte) (n uint32, ok bool) {
	for i := serialAt; i < len(octets); i++ {
		c := uint32(octets[i]) - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + c
	}
	return n, true
}

// plain takes a TPDU that is a TSDU of the forms that nearly all have once an association
// is there: the start or the end of an activity, a piece of an APDU in an RTTR, a checkpoint,
// or an acknowledgement; and one that goes on with a TSDU. For any other it returns false,
// having changed nothing, and any is to take it; of these it does what that does.
func (a *Association) plain(in *TPDU) bool {
	dir, octets := in.Dir&1, in.Octets
	d, size := &a.dir[dir], len(octets)-dtSize
	if size < 7 || a.general || !a.class.X400() || d.skip {
		return false
	}
	front := binary.BigEndian.Uint64(octets)
	if d.open {
		return front>>48 == frontDT && a.goesOn(dir, in)
	}
	if d.unsure || d.segment != session.None {
		return false
	}
	if front>>8 == frontData {
		from, to, ok := a.plainData(dir, octets[dtSize:], size)
		if !ok {
			return false
		}
		t := &a.transfer[dir]
		if !t.begun {
			in.placeInto(a.beginning(t, dir), dtSize+from)
		}
		in.placeInto(&t.last, dtSize+to-1)
		a.count(dir)
		return true
	}
	if front>>40 == frontPart {
		if !a.cfg.Lasting || size > a.cfg.MaxAPDU {
			return false
		}
		d.open, d.tsduSince = true, a.record
		a.begins(&d.tsdu)
		return a.goesOn(dir, in)
	}
	// The lengths of the second SPDU and of its parameter.
	if int(front>>8&0xff) != size-4 || int(octets[dtSize+5]) != size-6 {
		return false
	}
	switch kind := front >> 16; {
	case byte(front) == piSerial && kind != frontEnd:
		return a.Point(dir, in.Record, octets)
	case byte(front) == piSerial && size-6 <= maxSerialSize:
		if _, ok := serial(octets); !ok {
			return false
		}
		v := a.view(in, dtSize)
		a.finishTransfer(dir, v.place(2), v.sub(2, size))
	case byte(front) == piActivity && kind == frontStart && size < 0xff:
		v := a.view(in, dtSize)
		a.known(dir)
		a.begin(dir, v.place(2), v.octets[6:])
	default:
		return false
	}
	a.count(dir)
	return true
}

// goesOn is plain for a DT TPDU of class 0 that goes on with a TSDU, or ends it.
func (a *Association) goesOn(dir uint8, in *TPDU) bool {
	j, user := &a.dir[dir].tsdu, in.Octets[dtSize:]
	at := j.size()
	if !a.cfg.Lasting || a.tooLarge(j, at+len(user)) {
		return false
	}
	a.count(dir)
	a.borrow(&j.borrowed, user)
	in.placeInto(j.mark(at), dtSize)
	if in.Octets[dtSize-1]&0x80 != 0 {
		a.ended(dir, at+len(user))
	}
	return true
}

// joined is plain for a TSDU of size octets that came in several TPDUs, which all are
// borrowed. Of these data alone are.
func (a *Association) joined(dir uint8, size int) bool {
	d := &a.dir[dir]
	v := d.tsdu.front()
	if a.general || len(d.tsdu.buf) > 0 || len(v.octets) < 7 || !a.class.X400() || d.segment != session.None ||
		uint64(binary.BigEndian.Uint32(v.octets)) != frontData&0xffffffff {
		return false
	}
	from, to, ok := a.plainData(dir, v.octets, size)
	if !ok {
		return false
	}
	t := &a.transfer[dir]
	if !t.begun {
		v.placeInto(a.beginning(t, dir), from)
	}
	v.placeInto(&t.last, to-1)
	return true
}

// plainData takes a TSDU of data (X.225 8.3.11), which is size octets long and begins with
// those given; the others are borrowed in the TSDU that is being joined. It returns where in
// it the octets stand that it adds to the transfer, which has yet to be told their places, and
// false where it is not of a plain form.
func (a *Association) plainData(dir uint8, octets []byte, size int) (from, to int, ok bool) {
	t := &a.transfer[dir]
	if a.facts.Mode != ModeNormal || !t.active || t.bad != WhyNone {
		return 0, 0, false
	}
	context, from, to, ok := rttr(octets, 4, size)
	if !ok || a.defined && !a.accepted(context) || t.size()+to-from > a.cfg.MaxAPDU {
		return 0, 0, false
	}
	if len(octets) == size {
		if !zeros(octets[to:]) {
			return 0, 0, false
		}
		a.borrow(&t.borrowed, octets[from:to])
	} else {
		list := a.dir[dir].tsdu.borrowed.list
		for at, i := size, len(list)-1; at > to; i-- {
			at -= len(list[i])
			if !zeros(list[i][max(to-at, 0):]) {
				return 0, 0, false
			}
		}
		at := 0
		for _, b := range list {
			if i, k := max(from-at, 0), min(to-at, len(b)); i < k {
				a.borrow(&t.borrowed, b[i:k])
			}
			at += len(b)
		}
	}
	t.pieces++
	return from, to, true
}

// beginning returns the place of a transfer's first octet, which is told.
func (a *Association) beginning(t *transfer, dir uint8) *Place {
	t.begun = true
	t.origin.Connection, t.origin.Dir = a.cfg.Connection, dir
	return &t.origin.Place
}

// zeros reports whether b, which is short, has no other octets.
func zeros(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
	}
	if n := len(b); n >= 4 {
		return binary.LittleEndian.Uint32(b)|binary.LittleEndian.Uint32(b[n-4:]) == 0
	}
	for _, o := range b {
		if o != 0 {
			return false
		}
	}
	return true
}

// sole passes over the header of an element with the given tag that is all of b[at:end],
// which may reach beyond b, and returns where its contents begin and end. Ends of contents
// are for the caller to look at.
func sole(b []byte, at, end int, tag byte) (from, to int, ok bool) {
	if at+4 <= len(b) {
		// Nearly all lengths take two octets behind the first, or there is none.
		switch head := binary.BigEndian.Uint32(b[at:]); head >> 16 {
		case uint32(tag)<<8 | 0x82:
			return at + 4, end, at+4+int(head&0xffff) == end
		case uint32(tag)<<8 | 0x80:
			return at + 2, end - 2, tag&0x20 != 0
		}
	}
	return soleOf(b, at, end, tag)
}

// soleOf is sole for a length of any form.
func soleOf(b []byte, at, end int, tag byte) (from, to int, ok bool) {
	f := front{b: b, at: at}
	if f.tag() != tag {
		return 0, 0, false
	}
	n, ok := f.length()
	if n < 0 {
		return f.at, end - 2, ok && tag&0x20 != 0
	}
	return f.at, end, ok && f.at+n == end
}

// usualFront is what stands before the octets of an RTTR where each length takes two octets
// behind the first. Its first words are wide, but for lengths and the presentation context;
// those are open where only the octets' own length is definite, and then there are 13 octets.
const (
	usualFront             = 19
	wideMask, wideFront    = 0xff_ff_00_00_ff_ff_00_00, 0x61_82_00_00_30_82_00_00
	wideRestMask, wideRest = 0xff_ff_80_ff_ff_00_00_ff, 0x02_01_00_a0_82_00_00_04
	openMask, openFront    = 0xff_ff_ff_ff_ff_ff_80_ff, 0x61_80_30_80_02_01_00_a0
	openRest               = 0x80_04_82
)

// rttr returns where in b[at:end] the octets of an RTTR (X.228 clause 9) are that is in one
// piece and all of one PDV-list of fully encoded user data (X.226 8.4.2).
func rttr(b []byte, at, end int) (context int64, from, to int, ok bool) {
	if rest := b[at:]; len(rest) > usualFront {
		// In nearly all each length takes two octets behind the first, or there is none but of
		// the octets themselves.
		h := (*[usualFront]byte)(rest)
		first, second := binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])
		switch size := end - at; {
		case first&wideMask == wideFront && second&wideRestMask == wideRest && h[16] == 0x82 &&
			first&^wideMask == uint64(size-4)<<32|uint64(size-8) && int(second>>8&0xffff) == size-15 &&
			int(binary.BigEndian.Uint16(h[17:])) == size-usualFront:
			return int64(second >> 40 & 0xff), at + usualFront, end, size > usualFront
		case first&openMask == openFront && second>>40 == openRest && int(second>>24&0xffff) == size-13-6:
			return int64(first >> 8 & 0xff), at + 13, end - 6, size > 13+6
		}
	}
	if at, end, ok = sole(b, at, end, 0x61); !ok {
		return 0, 0, 0, false
	}
	if at, end, ok = sole(b, at, end, 0x30); !ok {
		return 0, 0, 0, false
	}
	f := front{b: b, at: at}
	if context, ok = f.contextID(); !ok {
		return 0, 0, 0, false
	}
	at = f.at
	single := b[at] // contextID has seen to it that there is one.
	if single != 0xa0 && single != 0x81 {
		return 0, 0, 0, false
	}
	if at, end, ok = sole(b, at, end, single); !ok {
		return 0, 0, 0, false
	}
	at, end, ok = sole(b, at, end, 0x04)
	return context, at, end, ok && at < end && at < len(b)
}
