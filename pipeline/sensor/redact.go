package sensor

import (
	"crypto/sha256"

	"x400flow/osi/association"
	"x400flow/osi/cotp"
	"x400flow/osi/session"
	"x400flow/pipeline/record"
	"x400flow/pipeline/tcp"
	"x400flow/x411"
)

// Credentials travel in the user data of the session CONNECT, ACCEPT and REFUSE
// SPDUs. A TSDU that begins with one of them is held in its record until it is
// whole; then the credentials in it are overwritten where they stand. What
// cannot be decoded is overwritten altogether, and its length and SHA-256 are
// kept. So are octets outside of any TPKT, but for the first few that show what
// they are, as long as their direction has not come past its bind.

// shown is how many octets of unframed octets before a bind are left as they
// are: enough to recognise a protocol, too few to hold a name and a password.
const shown = 16

// Session SPDU identifiers (X.225 8.3) of the SPDUs that may carry credentials.
const (
	siREFUSE          = 12
	siCONNECT         = 13
	siACCEPT          = 14
	siCONNECTOverflow = 15
	siOVERFLOWAccept  = 16
)

// tsdu follows the TSDUs of one direction.
type tsdu struct {
	settled bool    // A TSDU without credentials has passed, or a bind was redacted.
	unsure  bool    // Octets are missing before: this may be the middle of a bind or operation.
	rest    bool    // The argument of one goes on in the direction's next TSDU, or may do so.
	current current // The TSDU under way.
	held    []chunk // Its user data that is held back.
	last    place   // Where the last of that came from.
	resumes bool    // A TSDU of which octets are in the record under way may resume another connection's activity.
}

// current is what is known of a TSDU under way.
type current struct {
	open    bool // Between its first octet and the TPDU with EOT.
	begun   bool // Its first octet was seen.
	first   byte // That octet.
	blind   bool // Too large to hold: overwrite all of it.
	judged  bool // Its first octets have told whether they invoke an operation that carries credentials.
	cleared bool // They do not.
	secret  bool // They do.
	resumes bool // It may resume another connection's activity.
	size    int  // Octets held.
}

// place says where an item came from.
type place struct {
	sequence uint32
	file     int32
	time     int64
	offset   uint64
	frame    uint64
}

// chunk is user data within a record: where it stands, and in which item.
type chunk struct {
	at, len int
}

// scratch is what redaction reuses.
type scratch struct {
	tpdu   cotp.TPDU
	joined []byte
	ranges []x411.Range
	finder association.Secrets
	looked bool // Finder has looked into the TSDU in hand.
}

// opening looks into a TSDU that came in one DT TPDU, the first of its connection, and
// returns what the connection carries, or ClassUnknown where that is not clear from it.
// What find looks for in it is found then.
func (x *scratch) opening(t *tsdu, nsdu []byte) association.Class {
	user, eot, ok := cotp.Data(nsdu)
	if !ok || !eot || len(user) == 0 || user[0] != siCONNECT || t.current.open || t.unsure || !x.finder.Find(user) {
		return association.ClassUnknown
	}
	x.looked = true
	return x.finder.Class()
}

// held reports whether a TSDU keeps the record from being published.
func (st *conn) held() bool { return len(st.dir[0].tsdu.held)+len(st.dir[1].tsdu.held) > 0 }

// mayResume reports whether another connection's activity may be resumed in the record
// under way, which is about to be published.
func (st *conn) mayResume() bool {
	may := st.preambleResumes
	for i := range st.dir {
		t := &st.dir[i].tsdu
		may = may || t.resumes
		t.resumes = t.current.resumes
	}
	return may
}

func credentialSPDU(si byte) bool { return si >= siREFUSE && si <= siOVERFLOWAccept }

// track follows the TPDUs of one TPKT's content, whose octets stand at at in the record and at
// an offset of the event's direction, and redacts the TSDUs that they complete.
func (s *Sensor) track(ev *tcp.Event[conn], offset uint64, nsdu []byte, at int) {
	c, dir := ev.Conn, uint8(ev.Dir&1)
	st := &c.State
	d := &st.dir[dir]
	t := &d.tsdu
	if user, eot, ok := cotp.Data(nsdu); !ok {
		if _, alone := cotp.Connecting(nsdu); !alone {
			s.follow(c, dir, chunk{at, len(nsdu)})
		}
	} else if eot || !t.current.cleared {
		s.data(c, dir, chunk{at + len(nsdu) - len(user), len(user)}, eot)
	} else {
		return // More of a TSDU that holds no credentials: most octets are that.
	}
	if len(t.held) == 0 && st.undecodable == 0 {
		return
	}
	here := place{sequence: d.base + uint32(offset), file: ev.File, time: ev.Time, offset: offset, frame: ev.Frame}
	if len(t.held) > 0 {
		t.last = here
	}
	s.tellRedaction(c, dir, &here)
}

// tellRedaction tells of a TSDU that was overwritten altogether, if one was.
func (s *Sensor) tellRedaction(c *openConn, dir uint8, at *place) {
	st := &c.State
	if st.undecodable == 0 {
		return
	}
	s.trouble(c)
	s.append(c, &record.Item{
		Kind: record.Redaction, Dir: dir, Sequence: at.sequence, Time: at.time,
		Offset: at.offset, Frame: at.frame, Redacted: uint64(st.undecodable), Digest: st.digest[:],
	}, at.file)
	st.undecodable = 0
}

// follow is track for any TPDUs but a single DT.
func (s *Sensor) follow(c *openConn, dir uint8, at chunk) {
	st := &c.State
	nsdu := st.rec.B[at.at : at.at+at.len]
	t := &st.dir[dir].tsdu
	tpdu := &s.secrets.tpdu
	for off := 0; off < len(nsdu); {
		n, err := cotp.Decode(nsdu[off:], tpdu)
		if err != nil || n <= 0 {
			// Undecodable here, so whatever it is will not be decoded later
			// either; but its octets would be shown as evidence.
			if !t.settled || t.unsure {
				keep := t.keep(len(nsdu) - off)
				s.blind(st, chunk{at.at + off + keep, len(nsdu) - off - keep})
			}
			return
		}
		if tpdu.Kind == cotp.DT {
			user := chunk{at.at + off + n - len(tpdu.User), len(tpdu.User)}
			s.data(c, dir, user, tpdu.EOT)
		}
		off += n
	}
}

// tokened is pass for the most frequent of all TSDUs, and reports false for any other.
func (t *tsdu) tokened(nsdu []byte) bool {
	user, eot := cotp.DataOf(nsdu)
	return eot && !t.current.open && association.Tokened(user)
}

// pass takes an NSDU that is known to be one DT TPDU, as data would, of a direction that is
// settled and sure, and reports true; or it reports false and has done nothing, where the
// TSDU may carry credentials.
func (t *tsdu) pass(nsdu []byte) bool {
	user, eot := cotp.DataOf(nsdu)
	x := &t.current
	if !x.open {
		return t.passFirst(user, eot)
	}
	if !x.cleared {
		return false
	}
	if eot {
		*x = current{}
	}
	return true
}

// passFirst is pass for the first octets of a TSDU.
func (t *tsdu) passFirst(user []byte, eot bool) bool {
	if !association.Usual(user, eot) {
		return t.passUnusual(user, eot)
	}
	if !eot {
		t.current = current{open: true, begun: true, first: user[0], judged: true, cleared: true}
	}
	return true
}

// passUnusual is pass for the first octets of a TSDU that need a closer look.
func (t *tsdu) passUnusual(user []byte, eot bool) bool {
	if len(user) == 0 || credentialSPDU(user[0]) {
		return false
	}
	if v, more := association.FindInvocation(user); more && !eot || carriesCredentials(v.Code) {
		return false
	}
	resumes := session.MayResume(user, eot)
	t.resumes = t.resumes || resumes
	if !eot {
		t.current = current{open: true, begun: true, first: user[0], judged: true, cleared: true, resumes: resumes}
	}
	return true
}

// data takes one DT TPDU's user data.
func (s *Sensor) data(c *openConn, dir uint8, user chunk, eot bool) {
	st := &c.State
	t := &st.dir[dir].tsdu
	x := &t.current
	x.open = true
	if !x.begun && user.len > 0 {
		octets := st.rec.B[user.at : user.at+user.len]
		x.begun, x.first, x.resumes = true, octets[0], session.MayResume(octets, eot)
		t.resumes = t.resumes || x.resumes
		if t.unsure && !st.muted && !association.Begins(octets, eot) {
			// The association will pass over it as well.
			x.first, x.blind = siCONNECT, true
		}
	}
	switch {
	case !x.begun || x.cleared:
	case !credentialSPDU(x.first):
		s.operation(st, t, user, eot)
	case user.len == 0:
	case x.blind:
		s.blind(st, user)
	default:
		t.hold(user)
		if x.size > s.cfg.MaxHeld {
			s.giveUp(st, t)
		}
	}
	if !eot {
		return
	}
	first, begun := x.first, x.begun && !(t.unsure && x.blind)
	if len(t.held) > 0 {
		s.redact(st, t)
		t.held = t.held[:0]
	}
	t.settled, t.unsure = t.settled || begun, t.unsure && !begun
	*x = current{}
	if begun && !st.preambleDone {
		s.opened(c, dir, first)
	}
}

// hold holds user data back.
func (t *tsdu) hold(user chunk) {
	t.held = append(t.held, user)
	t.current.size += user.len
}

// drop holds nothing back any more.
func (t *tsdu) drop() { t.held, t.current.size = t.held[:0], 0 }

// The local codes of the operations that carry credentials (X.419).
const (
	codeChangeCredentials = 8
	codeRegisterMS        = 24
)

func carriesCredentials(code int64) bool {
	return code == codeChangeCredentials || code == codeRegisterMS
}

// operation holds a TSDU of data until it is clear whether it carries credentials.
// If it does they are overwritten when it is whole.
func (s *Sensor) operation(st *conn, t *tsdu, user chunk, eot bool) {
	x := &t.current
	if x.blind && user.len > 0 {
		s.blind(st, user)
		return
	}
	if !x.judged {
		v, more := association.FindInvocation(s.join(st, t, user))
		x.secret = carriesCredentials(v.Code)
		t.rest = t.rest && !v.Begins
		x.judged = !more || eot
	}
	if x.cleared = x.judged && !x.secret && !t.rest; x.cleared {
		t.drop()
		return
	}
	if user.len > 0 {
		t.hold(user)
	}
	switch {
	case !x.judged:
	case x.size > s.cfg.MaxHeld:
		s.giveUp(st, t)
	case eot:
		s.redactOperation(st, t)
	}
}

// redactOperation overwrites the credentials in the argument held, or what of it
// is there.
func (s *Sensor) redactOperation(st *conn, t *tsdu) {
	x := &s.secrets
	whole := s.join(st, t, chunk{})
	if t.rest && !t.current.secret {
		at, data := association.DataStart(whole)
		if !data {
			// A checkpoint may stand between; another SPDU ends the transfer. What
			// is none is what follows a gap.
			known, goesOn := association.Control(whole)
			t.rest, at = goesOn, 0
			if known {
				at = len(whole)
			}
		}
		if at < len(whole) {
			s.overwrite(st, t, x411.Range{Start: at, End: len(whole)})
		}
	} else {
		v, _ := association.FindInvocation(whole)
		ranges, ok := x411.AppendArgumentCredentials(x.ranges[:0], v.Code, whole[v.Argument:])
		if !ok {
			// It is damaged, or goes on in the next TSDU.
			t.rest = v.RTSE
			ranges = append(x.ranges[:0], x411.Range{End: len(whole) - v.Argument})
			s.stats.BlindOctets += uint64(len(whole) - v.Argument)
		}
		for _, r := range ranges {
			s.overwrite(st, t, x411.Range{Start: r.Start + v.Argument, End: r.End + v.Argument})
		}
		x.ranges = ranges
		s.stats.Redactions++
	}
	clear(x.joined)
	t.drop()
}

// join returns the octets held and those of more, in one piece.
func (s *Sensor) join(st *conn, t *tsdu, more chunk) []byte {
	if len(t.held) == 0 {
		return st.rec.B[more.at:][:more.len]
	}
	if len(t.held) == 1 && more.len == 0 {
		return st.rec.B[t.held[0].at:][:t.held[0].len]
	}
	x := &s.secrets
	x.joined = x.joined[:0]
	for _, h := range t.held {
		x.joined = append(x.joined, st.rec.B[h.at:h.at+h.len]...)
	}
	x.joined = append(x.joined, st.rec.B[more.at:more.at+more.len]...)
	return x.joined
}

// opened moves the preamble on after a whole TSDU.
func (s *Sensor) opened(c *openConn, dir uint8, first byte) {
	if first == siCONNECT || first == siCONNECTOverflow || first == siOVERFLOWAccept {
		return
	}
	// ACCEPT or REFUSE ends the preamble; anything else says that the
	// connection was first seen in the middle.
	s.markPreamble(c)
	c.State.preambleDone = true
}

// breakTSDU ends a TSDU whose rest will not come.
func (s *Sensor) breakTSDU(c *openConn, dir tcp.Dir) {
	st := &c.State
	t := &st.dir[dir].tsdu
	// The front of a transfer may be what is missing. In P1 no operation is transferred.
	rest := t.rest || t.current.secret || st.access
	if len(t.held) > 0 {
		// What is held of data may be the front of an operation with credentials.
		rest = rest || !credentialSPDU(t.current.first)
		s.blindHeld(st, t)
		st.undecodable = 0 // The gap or the end that follows tells.
	}
	t.unsure, t.rest, t.current = true, rest, current{}
}

// keep returns how many of n octets that cannot be read may be shown.
func (t *tsdu) keep(n int) int {
	if t.current.open || t.unsure {
		return 0
	}
	return min(n, shown)
}

// redact overwrites the credentials in the TSDU held.
func (s *Sensor) redact(st *conn, t *tsdu) {
	x := &s.secrets
	whole := s.join(st, t, chunk{})
	ranges, ok := s.find(st, whole)
	if !ok {
		s.blindHeld(st, t)
		return
	}
	for _, r := range ranges {
		s.overwrite(st, t, r)
	}
	if len(ranges) > 0 {
		s.stats.Redactions++
	}
	clear(x.joined)
}

// find returns where credentials stand in a TSDU: in a bind that cannot be decoded,
// anywhere. ok is false when not even a bind can be found.
func (s *Sensor) find(st *conn, whole []byte) (ranges []x411.Range, ok bool) {
	x := &s.secrets
	x.ranges = x.ranges[:0]
	if !x.looked && !x.finder.Find(whole) {
		return nil, false
	}
	for _, r := range x.finder.Authentication {
		// Its tags and lengths stay: what follows it is to be read.
		before := len(x.ranges)
		out, ok := x411.AppendValue(x.ranges, whole[r.Start:r.End])
		if !ok {
			out = append(out[:before], x411.Range{End: r.End - r.Start})
		}
		shift(out[before:], r.Start)
		x.ranges = out
	}
	for _, r := range x.finder.Binds {
		before := len(x.ranges)
		out, ok := x411.AppendCredentials(x.ranges, whole[r.Start:r.End])
		if !ok {
			out = append(out[:before], x411.Range{End: r.End - r.Start})
			s.stats.BlindOctets += uint64(r.End - r.Start)
			st.undecodable, st.digest = r.End-r.Start, sha256.Sum256(whole[r.Start:r.End])
		}
		shift(out[before:], r.Start)
		x.ranges = out
	}
	return x.ranges, true
}

// shift makes ranges of what begins at an offset ranges of the whole.
func shift(ranges []x411.Range, by int) {
	for i := range ranges {
		ranges[i].Start += by
		ranges[i].End += by
	}
}

// overwrite overwrites a range of the TSDU held, in the chunks it falls into.
func (s *Sensor) overwrite(st *conn, t *tsdu, r x411.Range) {
	pos := 0
	for _, h := range t.held {
		from, to := max(r.Start-pos, 0), min(r.End-pos, h.len)
		if from < to {
			stars(st.rec.B[h.at+from : h.at+to])
		}
		pos += h.len
	}
}

// blindHeld overwrites all that is held, but for what shows the SPDU.
func (s *Sensor) blindHeld(st *conn, t *tsdu) {
	digest := sha256.New()
	for _, h := range t.held {
		digest.Write(st.rec.B[h.at : h.at+h.len])
	}
	digest.Sum(st.digest[:0])
	st.undecodable = t.current.size
	for i, h := range t.held {
		if i == 0 {
			n := min(shown, h.len)
			h.at, h.len = h.at+n, h.len-n
		}
		s.blind(st, h)
	}
	t.drop()
}

// giveUp overwrites all that is held of a TSDU, and what will still come of it.
func (s *Sensor) giveUp(st *conn, t *tsdu) {
	if len(t.held) > 0 {
		s.blindHeld(st, t)
		t.current.blind = true
	}
}

func (s *Sensor) blind(st *conn, c chunk) {
	s.stats.BlindOctets += uint64(c.len)
	stars(st.rec.B[c.at : c.at+c.len])
}

// redactUnframed overwrites octets that are in no TPKT, but for the first of a
// direction.
func (s *Sensor) redactUnframed(it *record.Item, keep int) {
	if keep == len(it.Octets) {
		return
	}
	sum := sha256.Sum256(it.Octets)
	it.Digest = sum[:]
	it.Redacted = uint64(len(it.Octets) - keep)
	s.stats.BlindOctets += it.Redacted
	s.secrets.joined = append(s.secrets.joined[:0], it.Octets...)
	stars(s.secrets.joined[keep:])
	it.Octets = s.secrets.joined
}

func stars(b []byte) {
	for i := range b {
		b[i] = '*'
	}
}
