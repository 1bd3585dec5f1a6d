package association

import (
	"encoding/binary"

	"x400flow/osi/session"
)

// Invocation is the front of a ROSE invoke in a TSDU of data, as far as it shows
// in the octets at hand.
type Invocation struct {
	// Code is the local operation value, -1 where the TSDU holds no such thing.
	Code int64
	// Argument is the offset of the first octet behind Code.
	Argument int
	// RTSE says that it stands in an RTTR, so that its rest may follow in further
	// TSDUs.
	RTSE bool
	// Begins says that the TSDU begins with a ROSE APDU, an invoke or another, behind
	// the headers that stand before one: it is no piece of what began earlier.
	Begins bool
}

// FindInvocation looks for the front of a ROSE invoke with a local operation value
// at the front of a TSDU: behind session, presentation and, where there are, RTSE
// and EXTERNAL. more says that the octets end before it can be told. No length is
// trusted, since tsdu need not be whole. It is for finding what must not be
// published before anything else has been decoded.
func FindInvocation(tsdu []byte) (v Invocation, more bool) {
	f := front{b: tsdu}
	v.Code = -1
	if !f.session() {
		return v, f.short
	}
	// User data (X.226 8.4): fully encoded, simply encoded, or none of X.410 mode.
	headed := false
	switch f.tag() {
	case 0x61:
		headed = true
		if !f.enter() || f.tag() != 0x30 || !f.enter() {
			return v, f.short
		}
		if f.tag() == 0x06 && !f.skip() {
			return v, f.short
		}
		if f.tag() != 0x02 || !f.skip() {
			return v, f.short
		}
		if t := f.tag(); t != 0xa0 && t != 0x81 && t != 0xa1 || !f.enter() {
			return v, f.short
		}
	case 0x60, 0x40:
		if !f.enter() {
			return v, f.short
		}
	}
	for f.tag() == 0x04 || f.tag() == 0x24 {
		v.RTSE = true
		if !f.enter() {
			return v, f.short
		}
	}
	external := f.tag() == 0x28
	if external {
		if !f.enter() {
			return v, f.short
		}
		for f.tag() == 0x06 || f.tag() == 0x02 || f.tag() == 0x07 {
			if !f.skip() {
				return v, f.short
			}
		}
		if t := f.tag(); t != 0xa0 && t != 0x81 && t != 0xa1 || !f.enter() {
			return v, f.short
		}
	}
	// A single tag shows nothing where any octets of a transfer may stand.
	v.Begins = (external || headed && !v.RTSE) && f.tag() >= 0xa1 && f.tag() <= 0xa4
	if f.tag() != 0xa1 || !f.enter() {
		return v, f.short
	}
	if f.tag() == 0x30 && !f.enter() { // X.410 tags it explicitly.
		return v, f.short
	}
	if t := f.tag(); t != 0x02 && t != 0x05 || !f.skip() {
		return v, f.short
	}
	if t := f.tag(); (t == 0x80 || t == 0xa0 || t == 0x81) && !f.skip() {
		return v, f.short
	}
	if f.tag() != 0x02 {
		return v, f.short
	}
	n, ok := f.length()
	if !ok || n < 1 || n > 4 {
		return v, f.short
	}
	if n > len(f.b)-f.at {
		return v, true
	}
	v.Code = 0
	for _, o := range f.b[f.at : f.at+n] {
		v.Code = v.Code<<8 | int64(o)
	}
	v.Argument = f.at + n
	v.Begins = true
	return v, false
}

// Usual reports whether the octets of a TSDU's front show at once, as those of nearly all
// do, that it is no bind, that FindInvocation finds no operation in it, or in what may follow,
// and that session.MayResume is false: it is one SPDU that stands alone or with tokens, but
// no ACTIVITY RESUME, or a transfer with what is no invoke at its front. whole says that
// these are all its octets. False says nothing.
func Usual(tsdu []byte, whole bool) bool {
	if len(tsdu) < telling || string(tsdu[:4]) != giveTokens+dataTransfer || tsdu[4] != 0x61 {
		return whole && (Tokened(tsdu) || alone(tsdu))
	}
	h := (*[telling]byte)(tsdu)
	var at int
	var ok bool
	switch {
	case definiteFront.fits(h[4:]) && definiteRest.fits(h[12:]):
		at, ok = behind(h, 4+16)
	case indefiniteFront.fits(h[4:]) && indefiniteRest.fits(h[12:]):
		at, ok = behind(h, 4+10)
	case smallFront.fits(h[4:]) && smallRest.fits(h[12:]):
		at, ok = behind(h, 4+13)
	default:
		at, ok = behindTransfer(h)
	}
	if !ok {
		return false
	}
	switch h[at] {
	case 0x04, 0x24, 0xa1:
		return false
	case 0x28:
		if at, ok = behind(h, at+1); !ok || h[at] != 0x02 || h[at+1] != 1 || h[at+3] != 0xa0 {
			return false
		}
		if at, ok = behind(h, at+4); ok && h[at] == 0xa1 {
			// The SET is a report's: X.411's APDU of one has the tag of an invoke.
			at, ok = behind(h, at+1)
			return ok && h[at] == 0x31
		}
		return ok
	}
	return true
}

// telling is how many octets Usual looks at: up to the tag that tells, with lengths of five.
const telling = 4 + 6 + 6 + 3 + 6 + 6 + 6 + 3 + 6 + 6 + 1

// SPDUs without parameters.
const (
	giveTokens   = "\x01\x00"
	dataTransfer = "\x01\x00"
)

// The fronts that nearly all have behind dataTransfer, up to the length of an RTTR.
var (
	definiteFront   = looks("61 82 .. .. 30 82 .. ..")
	definiteRest    = looks("02 01 .. a0 82 .. .. 04")
	indefiniteFront = looks("61 80 30 80 02 01 .. a0")
	indefiniteRest  = looks("80 04")
	smallFront      = looks("61 81 .. 30 81 .. 02 01")
	smallRest       = looks(".. a0 81 .. 04")
)

// Tokened is Usual for the most frequent of all TSDUs: those with a GIVE TOKENS or PLEASE TOKENS
// without parameters and one other SPDU, such as a MINOR SYNC POINT.
func Tokened(tsdu []byte) bool {
	return len(tsdu) >= 4 && tsdu[0]-1 < 2 && tsdu[1] == 0 && int(tsdu[3]) == len(tsdu)-4 && tsdu[3] != 0xff &&
		tsdu[2] != siDataTransfer && tsdu[2] != siActivityResume
}

// alone reports whether a TSDU is one SPDU that neither opens a session connection nor resumes
// an activity.
func alone(tsdu []byte) bool {
	return len(tsdu) >= 2 && int(tsdu[1]) == len(tsdu)-2 && tsdu[1] != 0xff &&
		(tsdu[0] < siRefuse || tsdu[0] > siOverflowAccept) && tsdu[0] != siActivityResume
}

// behindTransfer returns what is behind the headers in front of what is transferred, in an
// RTTR or not.
func behindTransfer(h *[telling]byte) (at int, ok bool) {
	if at, ok = behind(h, 5); !ok || h[at] != 0x30 {
		return 0, false
	}
	if at, ok = behind(h, at+1); !ok || h[at] != 0x02 || h[at+1] != 1 || h[at+3] != 0xa0 {
		return 0, false
	}
	if at, ok = behind(h, at+4); ok && h[at] == 0x04 {
		return behind(h, at+1)
	}
	return at, ok
}

// behind returns what is behind a length of at most five octets.
func behind(h *[telling]byte, at int) (next int, ok bool) {
	l := int(h[at])
	if l <= 0x80 {
		return at + 1, true
	}
	return at + 1 + l&0x7f, l <= 0x84
}

// DataStart returns where the user information of a TSDU begins that is a DATA
// TRANSFER (X.225 8.3.11); ok is false for another.
func DataStart(tsdu []byte) (at int, ok bool) {
	f := front{b: tsdu}
	ok = f.session()
	return f.at, ok
}

// Control reports whether a TSDU consists of SPDUs without anything that it does
// not know, and whether a transfer goes on behind it: it is a MINOR SYNC POINT or
// its acknowledgement (X.225 8.3.20, 8.3.21), interrupts or resumes an activity, or
// gives or asks for tokens alone.
func Control(tsdu []byte) (known, goesOn bool) {
	it := session.Iterate(tsdu)
	goesOn = true
	var s session.SPDU
	for it.Next(&s) {
		switch s.Kind {
		case session.MinorSyncPoint, session.MinorSyncAck, session.PleaseTokens, session.GiveTokens,
			session.ActivityInterrupt, session.ActivityInterruptAck, session.ActivityResume:
		case session.None:
			return false, true
		default:
			goesOn = false
		}
		if s.UnknownCount > 0 {
			return false, true
		}
	}
	return it.Code() == session.OK, goesOn
}

// front reads headers from octets that may end anywhere.
type front struct {
	b     []byte
	at    int
	short bool // The octets ended.
}

// tag returns the next identifier octet, 0 at the end.
func (f *front) tag() byte {
	if f.at >= len(f.b) {
		f.short = true
		return 0
	}
	return f.b[f.at]
}

// session passes over the SPDUs in front of the user information of a DATA
// TRANSFER (X.225 8.2.2).
func (f *front) session() bool {
	// Nearly all have a GIVE TOKENS without parameters and no parameters themselves.
	if b := f.b; len(b) >= 4 && binary.BigEndian.Uint32(b) == 0x01000100 {
		f.at = 4
		return true
	}
	for i := range 2 {
		if len(f.b)-f.at < 2 {
			f.short = true
			return false
		}
		si, li := f.b[f.at], int(f.b[f.at+1])
		if i == 0 && si != 1 && si != 2 || i == 1 && si != 1 {
			return false
		}
		f.at += 2
		if li == 0xff {
			if len(f.b)-f.at < 2 {
				f.short = true
				return false
			}
			li = int(f.b[f.at])<<8 | int(f.b[f.at+1])
			f.at += 2
		}
		if f.at += li; f.at > len(f.b) {
			f.short = true
			return false
		}
	}
	return true
}

// length reads a length, -1 for the indefinite form.
func (f *front) length() (n int, ok bool) {
	if len(f.b)-f.at < 2 {
		f.short = true
		return 0, false
	}
	l := int(f.b[f.at+1])
	f.at += 2
	switch {
	case l < 0x80:
		return l, true
	case l == 0x80:
		return -1, true
	case l > 0x88:
		return 0, false
	}
	for range l & 0x7f {
		if f.at >= len(f.b) {
			f.short = true
			return 0, false
		}
		if n = n<<8 | int(f.b[f.at]); n > 1<<31 {
			return 0, false
		}
		f.at++
	}
	return n, true
}

// enter passes over a header.
func (f *front) enter() bool {
	if i := f.at + 1; i < len(f.b) && f.b[i] <= 0x80 {
		f.at += 2
		return true
	}
	_, ok := f.length()
	return ok
}

// contextID reads a presentation context identifier of one octet, as nearly all have.
func (f *front) contextID() (id int64, ok bool) {
	i := f.at
	if len(f.b)-i < 4 || f.b[i] != 0x02 || f.b[i+1] != 1 || f.b[i+2] >= 0x80 {
		return 0, false
	}
	f.at += 3
	return int64(f.b[i+2]), true
}

// maxSkipped bounds a value that is passed over: an identifier, a number.
const maxSkipped = 32

// skip passes over a small primitive value.
func (f *front) skip() bool {
	n, ok := f.length()
	if !ok || n < 0 || n > maxSkipped {
		return false
	}
	if f.at += n; f.at > len(f.b) {
		f.short = true
		return false
	}
	return true
}
