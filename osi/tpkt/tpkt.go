// Package tpkt cuts one direction of a TCP stream into TPKTs (RFC 1006
// section 6, RFC 2126 section 4.3) and finds the next one where octets are
// missing or damaged.
//
// Runs of octets go in with [Framer.Push], lost ones with [Framer.Gap]; units
// come out of [Framer.Next]. Nothing is left out in silence: octets that are in
// no TPKT come out as units too.
//
// # Resynchronisation
//
// In step, a TPKT begins where the one before ended, and version 3, a length of 7
// or more and a TPDU of any class behind it are enough to believe it. A gap inside a TPKT whose header
// was seen leaves the place of the next one known; it is believed if a credible
// TPDU of class 0 follows its header. Otherwise, and in a stream first seen in
// the middle, the framer seeks a header (version 3, reserved 0, length 7 or
// more) that a credible TPDU follows and, once the TPKT is whole, that is
// followed by another header as far as octets are there to tell. A header whose
// TPKT is not whole yet is waited for, unless two whole TPKTs in a row are found
// behind it.
//
// A direction in which [NotTPKTOctets] went by without anything credible is
// called NotTPKT. The search goes on (a look for an octet 3 costs little): a
// long loss in real traffic must not end its decoding.
//
// A direction that begins with a TLS record, or goes over to TLS with a
// ClientHello or ServerHello, is not looked into from there on.
//
// Unit.Data is borrowed from the run, or from the framer's own buffer of at
// most 64 KiB, until the next call of Next, Push, Gap or Drop. A Framer is for
// one goroutine.
package tpkt

import (
	"bytes"
	"encoding/binary"

	"x400flow/osi/buffers"
	"x400flow/osi/cotp"
)

// HeaderLen is the length of a TPKT header (RFC 1006 section 6).
const HeaderLen = 4

// MinLen and MaxLen are the lengths of the shortest and the longest TPKT,
// header included (RFC 1006 section 6).
const (
	MinLen = 7
	MaxLen = 65535
)

// PutHeader writes the header of a TPKT of total octets, header included, at the front
// of b.
func PutHeader(b []byte, total int) {
	b[0], b[1] = 3, 0
	binary.BigEndian.PutUint16(b[2:], uint16(total))
}

// NotTPKTOctets is how much goes by without a credible TPKT until a direction
// is called NotTPKT.
const NotTPKTOctets = 64 << 10

// MaxPiece is the most octets in a unit of kind Skipped.
const MaxPiece = 4096

// maxHeld lets a whole TPKT and the header after it be looked at together.
const maxHeld = MaxLen + HeaderLen

// Kind is a unit's kind.
type Kind uint8

// The kinds of unit.
const (
	// TPDU is the content of one TPKT: an NSDU, one or more TPDUs.
	TPDU Kind = 1 + iota
	// Skipped is a piece of octets that are in no TPKT.
	Skipped
	// Encrypted is a piece of a direction that uses TLS.
	Encrypted
	// Cut is the beginning of a TPKT, without its header, whose rest was lost
	// or never came. It may be empty.
	Cut
)

// A Unit is a TPKT's content, or octets that are none.
type Unit struct {
	Kind   Kind
	Resync bool   // Of TPDU: the first after octets were lost, skipped or not seen.
	Data   []byte // See Kind.
	Offset uint64 // Stream offset of the first octet of Data.
	First  uint64 // Stream offset of the TPKT's header, of TPDU and Cut; else Offset.
}

// State is what a Framer takes its direction for.
type State uint8

// The states.
const (
	Unknown State = iota // Nothing credible seen yet.
	InSync               // TPKTs follow each other.
	Resync               // Seeking the next credible TPKT.
	NotTPKT              // Much went by and nothing was credible; still seeking.
	TLS                  // The direction uses TLS.
)

// A Framer cuts one direction. The zero value is ready for a stream seen from
// its start.
type Framer struct {
	// What each run needs comes first: of many connections it comes from memory.
	state    State
	resync   bool   // The next TPDU is the first after a break.
	boundary bool   // In Resync: a header is expected at pos.
	accepted bool   // A TPKT begins after skip.
	final    bool   // Nothing follows what is held, but lost octets are missing there.
	buf      []byte // Held octets are buf[r:]; they stand before in.
	r        int
	skip     int    // Octets at the front found to be in no TPKT.
	pos      uint64 // Stream offset of the first octet not given yet.
	want     int    // In step, the length of the TPKT of which the beginning is held; 0 where that is not known.

	in         []byte // What is left of the last run.
	pool       *buffers.Pool
	skipTo     uint64 // In Resync, if above pos: where a header is expected.
	skipped    uint64 // Octets skipped since the last TPDU.
	nextSearch uint64 // Stream offset below whose reach a search behind the front is not repeated.
	lost       uint64
}

// Start makes a zero framer ready. Those of one goroutine may share a pool, which lends
// the buffer while octets are held; with nil each has one of its own, and keeps it. A
// stream first seen in the middle begins by seeking a TPKT.
func (f *Framer) Start(midStream bool, pool *buffers.Pool) {
	f.pool = pool
	if midStream {
		f.state, f.resync = Resync, true
	}
}

// giveBack returns the buffer to the pool if nothing is held.
func (f *Framer) giveBack() {
	if f.pool != nil && cap(f.buf) > 0 && f.held() == 0 {
		f.pool.Put(f.buf)
		f.buf, f.r = nil, 0
	}
}

// Push gives the run of octets that stands at stream offset off. It must
// follow what was pushed or lost before, and stay unchanged until Next has
// returned false, before which Push must not be called again.
func (f *Framer) Push(off uint64, data []byte) {
	if len(f.in) != 0 || f.final {
		panic("tpkt: Push before Next returned false")
	}
	if f.held() == 0 {
		f.pos = off
	}
	f.in = data
}

// Gap tells that lost octets are missing after what was pushed. What is held
// comes out of Next.
func (f *Framer) Gap(lost uint64) {
	f.final = true
	f.lost += lost
}

// End tells that nothing follows: what is held comes out of Next. A Push may
// follow nevertheless; it is taken as one after a gap.
func (f *Framer) End() { f.Gap(0) }

// State returns what the direction is taken for.
func (f *Framer) State() State { return f.state }

// Empty reports whether nothing is held: End would bring nothing out of Next.
func (f *Framer) Empty() bool { return len(f.buf) == f.r && len(f.in) == 0 }

// Size returns how many octets of memory the framer holds.
func (f *Framer) Size() int { return cap(f.buf) }

func (f *Framer) held() int { return len(f.buf) - f.r }

// hold moves octets of the run into the buffer until it holds n, or all.
func (f *Framer) hold(n int) {
	if n <= f.held() || len(f.in) == 0 {
		return // Moving the held octets for nothing would cost their square.
	}
	if f.r > 0 {
		f.buf = f.buf[:copy(f.buf, f.buf[f.r:])]
		f.r = 0
	}
	if m := min(n-len(f.buf), len(f.in)); m > 0 {
		if need := len(f.buf) + m; f.pool != nil && need > cap(f.buf) {
			// With room for the rest, but an announced length alone takes no memory.
			was := f.buf
			f.buf = append(f.pool.Get(max(need, min(n, 4*need)))[:0], was...)
			if cap(was) > 0 {
				f.pool.Put(was)
			}
		}
		f.buf = append(f.buf, f.in[:m]...)
		f.in = f.in[m:]
	}
}

// front returns the octets that can be looked at in one piece: the held ones,
// or the run's.
func (f *Framer) front() []byte {
	if f.held() > 0 {
		return f.buf[f.r:]
	}
	return f.in
}

// take gives away the first n octets of front.
func (f *Framer) take(n int) []byte {
	f.pos += uint64(n)
	if f.held() == 0 {
		b := f.in[:n]
		f.in = f.in[n:]
		return b
	}
	b := f.buf[f.r : f.r+n]
	f.r += n
	if f.r == len(f.buf) {
		// b stays readable: the buffer is written to by the next call only.
		f.buf, f.r = f.buf[:0], 0
	}
	return b
}

// Aligned reports whether the next run begins with a TPKT of which nothing is to be told
// but what it holds. Then those that [Data] finds at its front need not be pushed.
func (f *Framer) Aligned() bool {
	return f.state == InSync && f.idle()
}

// idle reports whether nothing is held, left out or to be told.
func (f *Framer) idle() bool { return !f.resync && f.Empty() && f.skip == 0 && !f.final }

// Whole reports whether a run is one TPKT, where one may begin and there is nothing to tell
// but what it holds. Then it need not be pushed, and the next run is in step with it.
func (f *Framer) Whole(run []byte) bool {
	if f.state > InSync || !f.idle() {
		return false
	}
	switch total := Data(run); {
	case total > 0:
		if total != len(run) {
			return false
		}
	case !connecting(run):
		if total, verdict := header(run, f.state != InSync); verdict != whole || total != len(run) {
			return false
		}
	}
	f.state, f.skipped = InSync, 0
	return true
}

// connecting reports whether a run is one TPKT with a CR or CC TPDU that would be believed
// anywhere.
func connecting(run []byte) bool {
	if len(run) < HeaderLen {
		return false
	}
	front := binary.BigEndian.Uint32(run)
	return front>>16 == 3<<8 && int(front&0xffff) == len(run) && cotp.Connects(run[HeaderLen:])
}

// Begin takes a run, where Aligned, whose octets from stream offset off on are the
// beginning of a TPKT that [Data] knows and no more.
func (f *Framer) Begin(off uint64, run []byte) {
	f.pos, f.in, f.want = off, run, Data(run)
	f.hold(f.want)
}

// Begun returns what is held of a TPKT that [Data] knows, whose length is total, where
// there would be nothing else to tell: Begin's inverse, with Drop. Otherwise total is 0.
func (f *Framer) Begun() (off uint64, octets []byte, total int) {
	if f.state != InSync || f.resync || f.want == 0 || len(f.in) != 0 || f.skip != 0 || f.final {
		return 0, nil, 0
	}
	return f.pos, f.buf[f.r:], Data(f.buf[f.r:])
}

// Drop forgets what is held, as what Begun returned, which somebody else has then.
func (f *Framer) Drop() {
	f.buf, f.r, f.want = f.buf[:0], 0, 0
	f.giveBack()
}

// Data returns what the TPKT at the front of a run, of which the end may be missing, says its
// length is, if it has a DT TPDU of class 0 in it, as nearly all have; otherwise 0. One of less
// than MinLen is none. Where a TPKT is to be expected, nothing else needs to be asked.
func Data(run []byte) int {
	if len(run) < MinLen {
		return 0
	}
	h := (*[MinLen]byte)(run)
	rest := binary.BigEndian.Uint32(h[2:]) // Behind the version: its length, and how the TPDU begins.
	if binary.LittleEndian.Uint16(h[:]) != 3 || uint16(rest) != 2<<8|uint16(cotp.DT) {
		return 0
	}
	return int(rest >> 16)
}

// Next fills u with the next unit and reports whether there was one.
func (f *Framer) Next(u *Unit) bool {
	if f.state == InSync && len(f.buf) == f.r && f.skip == 0 {
		if total := Data(f.in); total >= MinLen && total <= len(f.in) {
			f.give(u, total)
			return true
		}
	}
	if f.want > 0 {
		f.hold(f.want)
		switch {
		case f.held() >= f.want:
			f.give(u, f.want)
			f.want = 0
			return true
		case !f.final:
			return false
		}
		f.want = 0
	}
	for {
		if f.held() == 0 && len(f.in) == 0 {
			if f.final {
				f.breakHere()
			}
			f.giveBack()
			return false
		}
		switch {
		case f.state == TLS:
			*u = Unit{Kind: Encrypted, Offset: f.pos, First: f.pos}
			u.Data = f.take(len(f.front()))
			return true
		case f.skip > 0:
			n := min(f.skip, MaxPiece)
			f.skip -= n
			f.giveSkipped(u, n)
			return true
		case f.accepted:
			f.accepted = false
			f.state, f.boundary = InSync, false
		case f.skipTo > f.pos:
			n := int(min(f.skipTo-f.pos, uint64(len(f.front())), MaxPiece))
			f.giveSkipped(u, n)
			f.boundary = f.pos == f.skipTo
			return true
		case f.state == InSync || f.state == Unknown || f.boundary:
			if given, more := f.step(u); given || !more {
				return given
			}
		default:
			if !f.seek() {
				return false
			}
		}
	}
}

// give gives a TPKT's content.
func (f *Framer) give(u *Unit, total int) {
	u.Kind, u.Resync, u.First, u.Offset = TPDU, f.resync, f.pos, f.pos+HeaderLen
	u.Data = f.take(total)[HeaderLen:]
	f.resync, f.skipped = false, 0
}

func (f *Framer) giveSkipped(u *Unit, n int) {
	*u = Unit{Kind: Skipped, Offset: f.pos, First: f.pos}
	u.Data = f.take(n)
	f.skipped += uint64(n)
	if f.skipped >= NotTPKTOctets && f.state == Resync {
		f.state = NotTPKT
	}
}

// breakHere passes over the gap once all before it has been given.
func (f *Framer) breakHere() {
	lost := f.lost
	f.final, f.lost = false, 0
	if lost == 0 {
		return
	}
	f.pos += lost
	f.boundary = f.skipTo == f.pos && f.skipTo != 0
	f.resync = true
	if f.state == Unknown || f.state == InSync {
		f.state = Resync
	}
}

// step reads the TPKT that is expected at the front. It reports whether it
// gave a unit, and if not, whether Next should go on.
func (f *Framer) step(u *Unit) (given, more bool) {
	if f.held() > 0 {
		f.hold(HeaderLen + 3)
	}
	v := f.front()
	strict := f.state != InSync
	total, verdict := header(v, strict)
	if verdict != impossible && f.held() > 0 && total > 0 {
		f.hold(total)
		v = f.front()
		total, verdict = header(v, strict)
	}
	if verdict == impossible {
		switch t := tls(v, f.state == Unknown); {
		case t == whole:
			f.state = TLS
			return false, true
		case t == partial && !f.final:
			if f.held() > 0 || len(v) < tlsHelloLen {
				f.hold(tlsHelloLen)
			}
			if len(f.in) > 0 {
				return false, true
			}
			return false, false
		}
		f.state, f.boundary, f.skipTo, f.resync = Resync, false, 0, true
		return false, true
	}
	if verdict == whole {
		f.give(u, total)
		f.state, f.boundary, f.skipTo = InSync, false, 0
		return true, true
	}
	if !f.final {
		if f.state == InSync && len(v) >= HeaderLen+3 && v[1] == 0 {
			f.want = total // Nothing that is still to come could speak against it.
		}
		f.hold(max(total, HeaderLen+3)) // Which is more than there is.
		return false, false
	}
	// The rest is lost. If the header was seen, the next one's place is known.
	n := len(v)
	if n < HeaderLen {
		f.skip = n
		return false, true
	}
	first := f.pos
	*u = Unit{Kind: Cut, Resync: f.resync, First: first, Offset: first + HeaderLen}
	u.Data = f.take(n)[HeaderLen:]
	f.state, f.resync, f.boundary, f.skipTo = Resync, true, false, first+uint64(total)
	return true, true
}

// How a TPKT looks from its first octets.
type verdict uint8

const (
	impossible verdict = iota
	partial            // Nothing speaks against it.
	whole
)

// header judges the octets at a place where a TPKT may begin. It returns the
// TPKT's length once that is known. If strict, a credible TPDU must follow.
func header(v []byte, strict bool) (total int, _ verdict) {
	if len(v) == 0 {
		return 0, partial
	}
	if v[0] != 3 {
		return 0, impossible
	}
	if len(v) < HeaderLen {
		if strict && len(v) > 1 && v[1] != 0 {
			return 0, impossible
		}
		return 0, partial
	}
	total = int(binary.BigEndian.Uint16(v[2:]))
	if total < MinLen {
		return 0, impossible
	}
	// The reserved octet is zero. One who writes something else there is
	// believed only in step, and if what follows is surely a TPDU.
	nsdu, length := v[HeaderLen:], total-HeaderLen
	believed := cotp.Plausible
	if strict || v[1] != 0 {
		believed = cotp.Credible
	}
	if strict && v[1] != 0 || !believed(nsdu, length) {
		return 0, impossible
	}
	if len(v) < total {
		return total, partial
	}
	return total, whole
}

// tlsHelloLen is how much of a TLS record shows that it is a hello: the record
// header (RFC 8446 section 5.1) and the handshake type (section 4).
const tlsHelloLen = 6

// tls judges whether v begins a TLS stream. At the start of a stream a
// handshake record's type and major version suffice.
func tls(v []byte, start bool) verdict {
	if len(v) == 0 || v[0] != 0x16 || len(v) > 1 && v[1] != 3 {
		return impossible
	}
	if start && len(v) > 1 {
		return whole
	}
	if len(v) > 2 && v[2] > 4 {
		return impossible
	}
	if len(v) < tlsHelloLen {
		return partial
	}
	if n := binary.BigEndian.Uint16(v[3:]); n < 4 || n > 1<<14+2048 || v[5] != 1 && v[5] != 2 {
		return impossible
	}
	return whole
}

// seek looks for a TPKT in what is at hand. It reports whether Next should go
// on, and if so has set skip or accepted.
func (f *Framer) seek() bool {
	if f.held() > 0 {
		f.hold(maxHeld)
	}
	v := f.front()
	at, found := first(v, f.final)
	if !found && at == 0 {
		// A TPKT that is not whole may begin here. To look behind it for every
		// few octets would cost their square.
		if end := f.pos + uint64(len(v)); end >= f.nextSearch {
			f.nextSearch = end + uint64(max(64, len(v)/8))
			at, found = chained(v)
		}
	}
	if found || at > 0 {
		f.skip, f.accepted = at, found
		return true
	}
	f.hold(maxHeld)
	return false
}

// first returns the place of the first TPKT in v that can be believed or, if v
// may grow, may become one; or else len(v). It is found if it can be believed.
func first(v []byte, final bool) (at int, found bool) {
	for i := 0; i < len(v); i++ {
		j := bytes.IndexByte(v[i:], 3)
		if j < 0 {
			break
		}
		i += j
		switch total, verdict := header(v[i:], true); verdict {
		case partial:
			if !final {
				return i, false
			}
		case whole:
			if _, next := header(v[i+total:], true); next != impossible {
				return i, true
			}
		}
	}
	return len(v), false
}

// chained returns the place of the first of two whole TPKTs in a row.
func chained(v []byte) (at int, found bool) {
	for i := 1; i < len(v); i++ {
		j := bytes.IndexByte(v[i:], 3)
		if j < 0 {
			break
		}
		i += j
		total, verdict := header(v[i:], true)
		if verdict != whole {
			continue
		}
		next, verdict := header(v[i+total:], true)
		if verdict != whole {
			continue
		}
		if _, verdict = header(v[i+total+next:], true); verdict != impossible {
			return i, true
		}
	}
	return 0, false
}
