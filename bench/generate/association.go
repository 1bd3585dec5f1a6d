package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"time"

	"x400flow/bench/ledger"
)

// association is one connection's script.
type association struct {
	w        *world
	rng      *rand.Rand
	c        *conn
	l        ledger.Association
	setup    setup
	normal   bool
	chunk    int // User data octets in a DT TPDU.
	ref      [2]uint16
	tsdu     []byte
	activity [2]int // Last activity identifier of each side.
	ended    bool
	apdu     *apduWriter
	segments bool
	pieces   int // Octets of an RTTR where checkpoints are used.
}

// transfer is the state of an APDU's transfer, through all of its activities.
type transfer struct {
	octets []byte
	apdu   ledger.APDU
	kind   string
	how    string
	first  *ledger.Connection // Where it began, once it is going on elsewhere.
	begun  bool
	seq    uint32
	start  time.Time
	whole  bool
	doubt  bool // What is missing can be done without.
	offset int  // Octets up to the checkpoint from which to go on.
	serial int  // That checkpoint's number.
	oldID  int  // Activity identifier of the part before.
	sent   int  // Most octets sent so far.
}

func newAssociation(w *world, p plan) *association {
	w.opened++
	a := &association{w: w, rng: rand.New(rand.NewPCG(w.options.Seed, uint64(w.opened)<<8|1)), activity: [2]int{0, 0}}
	r, o := a.rng, &w.options
	c := &conn{o: o, rng: r, delay: 2, now: max(w.clock, p.ready.UnixNano()) + r.Int64N(50_000_000), mss: o.MSS}
	c.v6 = p.a.v6.IsValid() && p.b.v6.IsValid()
	c.timestamps = r.Float64() < o.TimestampsRate
	c.tiny = r.Float64() < o.TinyRate
	p.a.port++
	if p.a.port < 1024 {
		p.a.port = 1024
	}
	from, to := p.a.v4, p.b.v4
	if c.v6 {
		from, to = p.a.v6, p.b.v6
	}
	c.side[client] = side{addr: netip.AddrPortFrom(from, p.a.port), mac: p.a.mac, isn: r.Uint32(), ipid: uint16(r.Uint32()), clock: r.Uint32()}
	c.side[server] = side{addr: netip.AddrPortFrom(to, 102), mac: p.b.mac, isn: r.Uint32(), ipid: uint16(r.Uint32()), clock: r.Uint32()}
	if r.Float64() < o.WrapRate {
		c.side[client].isn = -uint32(1 + r.IntN(3000))
		c.side[server].isn = -uint32(1 + r.IntN(300))
	}
	if r.Float64() < o.OneWayRate {
		c.side[r.IntN(2)].deaf = true
		a.l.OneDirection = true
	} else if r.Float64() < o.MidStreamRate {
		c.blind = true
		c.blindFor = 1 + r.IntN(24)
		a.l.MidStream = true
	}
	a.c = c
	a.l.ID = w.opened
	a.l.Connection = c.identity()
	a.l.Opened = time.Unix(0, c.now).UTC()
	return a
}

func (a *association) clock() time.Time { return time.Unix(0, a.c.now).UTC() }

// run plays the association; it is the body of a coroutine.
func (a *association) run(p plan, yield func(frame) bool) {
	a.c.yield = yield
	a.c.open()
	switch {
	case p.noise:
		a.noise()
	case p.access != nil:
		a.apdu = a.w.writer()
		a.converseAccess(p)
		a.w.writers = append(a.w.writers, a.apdu)
	default:
		a.apdu = a.w.writer()
		a.converse(p)
		a.w.writers = append(a.w.writers, a.apdu)
	}
	a.c.flush(client)
	a.c.flush(server)
	a.c.letGo()
	a.finish()
}

// finish completes the ledger's entry.
func (a *association) finish() {
	c, l := a.c, &a.l
	l.Closed = a.clock()
	l.HandshakeSeen = c.handshake == 2
	cs, ss := &c.side[client], &c.side[server]
	l.MissingClient, l.MissingServer = cs.missing(), ss.missing()
	l.PacketsClient, l.PacketsServer = cs.packets, ss.packets
	l.OctetsClient, l.OctetsServer = cs.octets, ss.octets
	l.StreamClient, l.StreamServer = int(cs.sent), int(ss.sent)
	l.RepeatedClient, l.RepeatedServer = cs.repeated, ss.repeated
	a.w.write(ledger.Entry{Association: l})
}

// tpdu writes one TPDU in its TPKT (RFC 1006 section 6).
func (a *association) tpdu(d int, b ...byte) {
	n := len(b) + 4
	a.c.write(d, append([]byte{3, 0, byte(n >> 8), byte(n)}, b...))
}

// send writes a TSDU as DT TPDUs (X.224 13.7) and returns the stream offset of its octet at.
func (a *association) send(d int, b []byte, at int) int64 {
	var where int64
	for off := 0; ; off += a.chunk {
		n := min(len(b)-off, a.chunk)
		eot := byte(0x80)
		if off+n < len(b) {
			eot = 0
		}
		total := n + 7
		if at >= off && at < off+n {
			where = a.c.position(d) + 7 + int64(at-off)
		}
		a.c.write(d, []byte{3, 0, byte(total >> 8), byte(total), 2, 0xf0, eot})
		a.c.write(d, b[off:off+n])
		if eot != 0 {
			return where
		}
	}
}

// say sends what fill appends as a TSDU.
func (a *association) say(d int, fill func(b []byte) []byte) {
	a.tsdu = fill(a.tsdu[:0])
	a.send(d, a.tsdu, 0)
	if a.rng.IntN(2) == 0 {
		a.c.flush(d)
	}
}

// answer lets the other side say something now.
func (a *association) answer(d int, fill func(b []byte) []byte) {
	a.c.turn(1 - d)
	a.say(d, fill)
	a.c.turn(d)
}

// transport sets up COTP class 0.
func (a *association) transport(called []byte) {
	r := a.rng
	a.ref = [2]uint16{uint16(1 + r.IntN(65535)), uint16(1 + r.IntN(65535))}
	size := byte(0)
	if p := r.IntN(6); p > 0 {
		size = byte(0x09 + p - 1) // 512 to 8192.
	}
	cr := []byte{0, 0xe0, 0, 0, byte(a.ref[0] >> 8), byte(a.ref[0]), 0}
	if r.IntN(2) == 0 {
		calling := []byte("CALLER")
		cr = appendParam(cr, 0xc1, calling)
		a.l.CallingTSAP = hex.EncodeToString(calling)
	}
	if len(called) > 0 {
		cr = appendParam(cr, 0xc2, called)
		a.l.CalledTSAP = hex.EncodeToString(called)
	}
	cc := []byte{0, 0xd0, byte(a.ref[0] >> 8), byte(a.ref[0]), byte(a.ref[1] >> 8), byte(a.ref[1]), 0}
	// Without a size a TPDU of RFC 1006 may fill its TPKT (section 5).
	a.chunk = 65535 - 7
	if size != 0 {
		cr = appendParam(cr, 0xc0, []byte{size})
		// The called side may choose a smaller one.
		if r.IntN(4) == 0 {
			size = max(0x09, size-1)
		}
		cc = appendParam(cc, 0xc0, []byte{size})
		a.l.TPDUSize = 1 << size
		a.chunk = 1<<size - 3
	}
	cr[0], cc[0] = byte(len(cr)-1), byte(len(cc)-1)
	a.tpdu(client, cr...)
	a.c.turn(client)
	a.tpdu(server, cc...)
	a.c.turn(server)
}

// converse is an X.400 association from beginning to end.
func (a *association) converse(p plan) {
	w, r, c := a.w, a.rng, a.c
	o := &w.options
	a.normal = !w.oldPair(p.a, p.b)
	l := &a.l
	l.Class, l.Mode = ledger.ClassX400, ledger.ModeNormal
	if !a.normal {
		l.Mode = ledger.ModeX410
	}
	a.transport(p.b.tsap)

	s := &a.setup
	*s = setup{normal: a.normal, ref: w.ref(p.a, a.clock(), a.normal), version: 3, initiator: p.a, respond: p.b, window: 3, wideness: 3,
		octetPassword: p.a.octetPass, indefinite: p.a.indefinite, applicationNumber: 12, rejectContext: r.IntN(12) == 0}
	if !a.normal {
		s.version = byte(1 + r.IntN(3))
		if s.version == 2 {
			s.version = 3
		}
		if r.IntN(2) == 0 {
			s.applicationNumber = 1
		}
		l.ApplicationNumber = s.applicationNumber
	} else {
		l.ApplicationContext = oidTransfer
	}
	if r.IntN(2) == 0 {
		s.maximum = 0x07f9
	}
	if r.Float64() < o.SegmentRate {
		s.checkpoint = 1 + r.IntN(63)
		s.accepted = 1 + r.IntN(min(4, s.checkpoint))
		s.window = 1 + r.IntN(5)
		s.wideness = 1 + r.IntN(s.window)
		a.segments = true
		a.pieces = s.accepted * 1024
		if r.IntN(3) == 0 {
			a.pieces = 100 + r.IntN(a.pieces-100)
		}
	}
	a.apdu.octetAligned = false
	if r.Float64() < o.OddRate {
		s.bareBind, s.wide, s.concatenate = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
		s.anonymous = !s.bareBind && r.IntN(3) == 0
		s.octetAligned, s.segmented = r.IntN(2) == 0, r.IntN(2) == 0
		a.apdu.octetAligned = a.normal && r.IntN(2) == 0
	}
	s.twoWay = r.Float64() < o.TwoWayRate || (p.resume != nil && p.resume.from != p.a)
	if a.normal && r.IntN(4) == 0 {
		s.callingP, s.calledP = []byte("pA"), []byte("pMTA")
		l.CallingPSEL, l.CalledPSEL = hex.EncodeToString(s.callingP), hex.EncodeToString(s.calledP)
	}
	if r.IntN(4) == 0 {
		s.callingS, s.calledS = []byte("sA"), []byte("sMTA")
		l.CallingSSEL, l.CalledSSEL = hex.EncodeToString(s.callingS), hex.EncodeToString(s.calledS)
	}
	if p.resume != nil && r.IntN(3) > 0 {
		s.recover = &p.resume.ref
		l.Recover = true
	}
	refused := p.resume == nil && r.Float64() < o.RefuseRate
	l.TwoWayAlternate, l.CheckpointSize, l.WindowSize = s.twoWay, s.accepted, s.wideness

	from := c.position(client)
	a.say(client, s.connect)
	c.turn(client)
	l.ConnectSeen = c.side[client].captured(from, c.position(client))
	named := s.recover == nil && !s.anonymous
	if named {
		l.InitiatorMTA = p.a.name
		w.summary.Secrets++
	}
	from = c.position(server)
	if refused {
		code := []int{0, 2, 3, 4, 5}[r.IntN(5)]
		if !a.normal {
			code = []int{0, 2, 3}[r.IntN(3)]
		}
		a.say(server, func(b []byte) []byte { return s.refuse(b, code) })
		c.turn(server)
		l.AcceptSeen = c.side[server].captured(from, c.position(server))
		l.Bind, l.BindError, l.Ended = "refused", &code, "refused"
		c.close(r.IntN(2))
		return
	}
	s.octetPassword = p.b.octetPass
	s.indefinite = p.b.indefinite
	a.say(server, s.accept)
	c.turn(server)
	s.indefinite = p.a.indefinite
	l.AcceptSeen = c.side[server].captured(from, c.position(server))
	if s.recover == nil {
		l.Bind = "accepted"
	}
	if named {
		l.ResponderMTA = p.b.name
		w.summary.Secrets++
	}

	if p.resume != nil {
		d := client
		if p.resume.from != p.a {
			d = server
			a.passTurn(server)
		}
		a.transferAll(d, p.resume.m, &p.resume.transfer, &p.resume.ref)
		if d == server && !a.ended {
			a.passTurn(client)
		}
	}
	for n := 1 + r.IntN(2*o.PerAssociation-1); n > 0 && !a.ended && !c.stopped; n-- {
		m := w.next(p.a, p.b, a.clock())
		if m == nil {
			break
		}
		a.transferNew(client, m)
		c.wait(1_000_000, 60_000_000)
		if s.twoWay && !a.ended && r.IntN(3) == 0 {
			back := w.next(p.b, p.a, a.clock())
			if back == nil {
				continue
			}
			a.passTurn(server)
			a.transferNew(server, back)
			if !a.ended {
				a.passTurn(client)
			}
		}
	}
	if a.ended || c.stopped {
		return
	}
	if r.Float64() < o.AbortRate {
		a.breakOff(r.IntN(2))
		return
	}
	if r.Float64() < o.OpenRate {
		l.Ended = "open"
		return
	}
	l.Ended = "release"
	a.say(client, s.finish)
	a.answer(server, s.disconnect)
	if r.Float64() >= o.FinishRate {
		a.tpdu(client, 6, 0x80, byte(a.ref[1]>>8), byte(a.ref[1]), byte(a.ref[0]>>8), byte(a.ref[0]), 0x80)
		c.flush(client)
		c.close(client)
		return
	}
	c.close(r.IntN(2))
}

// passTurn gives the data token to a side (X.228 8.6, 8.7): the other one owns it.
func (a *association) passTurn(d int) {
	if a.rng.IntN(2) == 0 || d == server {
		a.say(d, func(b []byte) []byte { return a.setup.pleaseTurn(b, a.rng.IntN(4)) })
		a.c.turn(d)
	}
	a.say(1-d, func(b []byte) []byte { return appendSPDU(b, siGiveConfirm, nil) })
	a.answer(d, func(b []byte) []byte { return appendSPDU(b, siGiveAck, nil) })
}

// breakOff ends the association by an abort or a reset from a side.
func (a *association) breakOff(d int) {
	a.ended = true
	switch a.rng.IntN(3) {
	case 0:
		a.l.Ended = "reset"
		a.c.reset(d)
		return
	case 1:
		a.l.Ended = "user-abort"
		a.say(d, func(b []byte) []byte { return a.setup.userAbort(b, 6) })
	default:
		a.l.Ended = "provider-abort"
		a.say(d, a.setup.providerAbort)
	}
	a.c.turn(d)
	a.c.close(1 - d)
}

// transferNew sends a message from a side.
func (a *association) transferNew(d int, m *message) {
	o := &a.w.options
	r := a.rng
	var s style
	switch p := r.Float64(); {
	case p < o.IndefiniteRate:
		s.indefinite = true
	case p < o.IndefiniteRate+o.NonMinimalRate:
		s.nonMinimal = true
	}
	s.constructed = r.Float64() < o.ConstructedRate
	s.allSegmented = r.Float64() < o.ConstructedAllRate
	s.shuffle = r.Float64() < o.ShuffleRate
	t := &transfer{kind: m.kind, how: "single", whole: true}
	t.octets, t.apdu = a.apdu.encode(m, !a.normal, s, m.path[m.at].explicit, r)
	a.transferAll(d, m, t, nil)
	if !a.ended && r.Float64() < o.RepeatRate {
		again := &transfer{kind: m.kind, how: "repeated", whole: true, octets: t.octets, apdu: t.apdu}
		a.transferAll(d, nil, again, nil)
	}
}

// transferAll sends an APDU in as many activities as it takes. A message whose transfer is
// completed moves on; m is nil where it did so before.
func (a *association) transferAll(d int, m *message, t *transfer, old *sessionRef) {
	c, w, r := a.c, a.w, a.rng
	o := &w.options
	s := &c.side[d]
	a.activity[d]++
	id := a.activity[d]
	serial, offset := t.serial, t.offset
	c.flush(d)
	from := c.position(d)
	var start []byte // ACTIVITY START in one TSDU with the first DATA TRANSFER.
	if t.begun {
		a.say(d, func(b []byte) []byte { return activityResume(b, t.oldID, serial, id, old) })
	} else {
		t.start = a.clock()
		if a.setup.concatenate {
			start = activityStart(nil, id)
		} else {
			a.say(d, func(b []byte) []byte { return activityStart(b, id) })
		}
	}

	// What will befall this activity, and after which piece.
	fate, after := "", 0
	if pieces := a.remaining(t); a.segments && pieces > 1 && m != nil {
		switch p := r.Float64(); {
		case p < o.InterruptRate:
			fate = "interrupt"
		case p < o.InterruptRate+o.RecoverRate:
			fate = "recover"
		case p < o.InterruptRate+o.RecoverRate+o.DiscardRate:
			fate = "discard"
		case p < o.InterruptRate+o.RecoverRate+o.DiscardRate+o.CutRate:
			fate = "cut"
		}
		after = 1 + r.IntN(pieces-1)
		if t.how == "single" {
			t.how = "segmented"
		}
	}
	indefinite := r.IntN(2) == 0
	// The last checkpoint confirmed and the octets before it; the octets before the last one sent.
	acked, kept, mark := t.serial, t.offset, t.offset
	// Where these checkpoints end in the stream.
	keptEnd, markEnd := c.position(d), c.position(d)
	confirm := func() {
		a.answer(1-d, func(b []byte) []byte { return serialSPDU(please(b), siMinorSyncAck, serial) })
		acked, kept, keptEnd = serial, mark, markEnd
	}
	for n := 1; ; n++ {
		size := len(t.octets) - offset
		if a.segments {
			size = min(size, a.pieces)
		}
		var at int
		a.tsdu, at = a.setup.data(append(a.tsdu[:0], start...), t.octets[offset:offset+size], indefinite)
		where := a.send(d, a.tsdu, at)
		start = nil
		if r.IntN(2) == 0 {
			c.flush(d)
		}
		if !t.begun {
			t.begun = true
			t.seq = s.isn + 1 + uint32(where)
		}
		offset += size
		t.sent = max(t.sent, offset)
		if offset == len(t.octets) {
			break
		}
		if fate != "" && n > after {
			// Octets after the last checkpoint were sent, and will be again.
			break
		}
		serial, mark = serial+1, offset
		a.say(d, func(b []byte) []byte { return serialSPDU(give(b), siMinorSync, serial) })
		markEnd = c.position(d)
		if fate != "" && n == after && r.IntN(2) == 0 {
			break
		}
		if serial-acked >= a.setup.wideness || r.IntN(3) == 0 {
			confirm()
		}
	}
	if (fate == "interrupt" || fate == "recover") && acked == 0 {
		confirm() // Without a confirmed checkpoint there is nothing to resume from.
	}

	switch fate {
	case "interrupt":
		if r.IntN(3) == 0 {
			a.c.turn(d)
			a.say(1-d, func(b []byte) []byte { return reasonSPDU(please(b), siException, 5) })
			a.c.turn(1 - d)
		}
		a.say(d, func(b []byte) []byte { return reasonSPDU(give(b), 25, 0) })
		a.answer(1-d, func(b []byte) []byte { return appendSPDU(please(b), siInterruptAck, nil) })
		t.see(s, from, keptEnd, c.position(d))
		t.offset, t.serial, t.oldID, t.how = kept, acked, id, "resumed"
		c.wait(1_000_000, 100_000_000)
		var own *sessionRef
		if o.NameOwn {
			own = &a.setup.ref
		}
		a.transferAll(d, m, t, own)
		return
	case "recover":
		a.c.flush(d)
		t.see(s, from, keptEnd, c.position(d))
		switch {
		case a.l.ConnectSeen:
		case a.l.AcceptSeen:
			t.doubt = true
		default:
			t.whole = false
		}
		if t.first == nil {
			id := c.identity()
			t.first = &id
		}
		t.offset, t.serial, t.oldID, t.how = kept, acked, id, "recovered"
		// The octets belong to this association's encoder.
		t.octets = append([]byte(nil), t.octets...)
		x := &suspended{from: m.path[m.at], to: m.path[m.at+1], initiator: a.setup.initiator, responder: a.setup.respond,
			m: m, transfer: *t, ref: a.setup.ref}
		if o.LinkFailRate > 0 && r.Float64() < o.LinkFailRate {
			// Nobody notices at once.
			a.ended, a.l.Ended = true, "open"
			x.ready = a.clock().Add(5 * time.Second)
		} else {
			a.breakOff(r.IntN(2))
		}
		w.suspended = append(w.suspended, x)
		return
	case "discard":
		a.say(d, func(b []byte) []byte { return reasonSPDU(give(b), siDiscard, 0) })
		a.answer(1-d, func(b []byte) []byte { return appendSPDU(please(b), siDiscardAck, nil) })
		a.incomplete(d, t, "discarded")
		a.retry(m)
		return
	case "cut":
		a.c.flush(d)
		a.breakOff(r.IntN(2))
		why := "aborted"
		if a.l.Ended == "reset" {
			why = "reset"
		}
		a.incomplete(d, t, why)
		a.retry(m)
		return
	}

	serial++
	a.say(d, func(b []byte) []byte { return serialSPDU(give(b), siActivityEnd, serial) })
	c.flush(d)
	end := a.clock()
	t.see(s, from, c.position(d), c.position(d))
	a.answer(1-d, func(b []byte) []byte { return serialSPDU(please(b), siEndAck, serial) })
	sum := sha256.Sum256(t.octets)
	sighting := &ledger.Sighting{Association: a.l.ID, Connection: c.identity(), Direction: direction(d), Seq: t.seq, Began: t.first,
		SHA256: hex.EncodeToString(sum[:]), Size: len(t.octets), Started: t.start, Ended: end, Whole: t.whole && !t.doubt, Doubtful: t.whole && t.doubt, Transfer: t.how,
		BindSeen: a.l.ConnectSeen, Kind: t.kind, APDU: t.apdu}
	a.l.Sightings++
	w.write(ledger.Entry{Sighting: sighting})
	if m != nil {
		w.arrived(m, end)
	}
}

// see notes what the capture has of an activity: from its beginning to the checkpoint where it
// will be resumed, and from there to its end.
func (t *transfer) see(s *side, from, checkpoint, to int64) {
	t.whole = t.whole && s.captured(from, checkpoint)
	t.doubt = t.doubt || !s.captured(checkpoint, to)
}

// remaining counts the pieces that are still to be sent.
func (a *association) remaining(t *transfer) int {
	if !a.segments {
		return 1
	}
	return (len(t.octets) - t.offset + a.pieces - 1) / a.pieces
}

// retry gives half of the messages that were not transferred another chance.
func (a *association) retry(m *message) {
	if a.rng.IntN(2) == 0 {
		m.ready = a.clock()
		a.w.enqueue(m)
	}
}

func (a *association) incomplete(d int, t *transfer, why string) {
	a.w.write(ledger.Entry{Incomplete: &ledger.Incomplete{Association: a.l.ID, Connection: a.c.identity(), Direction: direction(d),
		Seq: t.seq, Began: t.first, Why: why, Kind: t.kind, Identifier: t.apdu.Identifier.Text, Sent: t.sent, Size: len(t.octets)}})
}

func direction(d int) ledger.Direction {
	if d == client {
		return ledger.ToServer
	}
	return ledger.ToClient
}
