package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"x400flow/bench/ledger"
)

// access is what an association between a user and the MTS (P3) or a message store (P7) is
// like (X.419 8, 9).
type access struct {
	user, mta *mta
	name      *address // The user's.
	store     bool     // P7.
	forced    bool     // The MTS opens it.
	rtse      bool
	edition   int // 88 or 94.
	owner     int // Who has the turn, with RTSE.
	invokes   [2]int
}

// Presentation contexts of an access association.
const (
	contextBind           = 3
	contextSubmission     = 5
	contextDelivery       = 7 // P3; in P7 message retrieval.
	contextAdministration = 9
	contextMSSubmission   = 11
)

// contexts are the presentation contexts after ACSE's, with their abstract syntaxes (X.419
// Annexes A and C).
func (x *access) contexts() [][2]any {
	arc := func(n int) string { return "2.6.0.2." + strconv.Itoa(n) }
	pick := func(old, young int) string {
		if x.edition == 88 {
			return arc(old)
		}
		return arc(young)
	}
	var list [][2]any
	switch {
	case x.store && x.rtse:
		list = append(list, [2]any{contextBind, arc(10)})
	case x.store:
		list = append(list, [2]any{contextBind, pick(9, 17)})
	case x.rtse:
		list = append(list, [2]any{contextBind, arc(8)})
	default:
		list = append(list, [2]any{contextBind, arc(11)})
	}
	list = append(list, [2]any{contextSubmission, arc(1)})
	if x.store {
		list = append(list, [2]any{contextDelivery, pick(5, 15)}, [2]any{contextMSSubmission, arc(13)})
	} else {
		list = append(list, [2]any{contextDelivery, pick(2, 14)})
	}
	return append(list, [2]any{contextAdministration, pick(6, 16)})
}

// applicationContext is the association's (X.419 Annexes A and C).
func (x *access) applicationContext() string {
	arc := 0
	switch {
	case x.store && x.rtse:
		arc = 5
	case x.store:
		arc = 4
	case x.rtse:
		arc = 2
	}
	if x.forced {
		arc++
	}
	if x.edition == 94 {
		arc += 7
	}
	return "2.6.0.1." + strconv.Itoa(arc)
}

// planAccess plans an association of a user.
func (w *world) planAccess(now time.Time) plan {
	r := w.rng
	if w.users == nil {
		for i, m := range w.mtas {
			u := &mta{index: i, name: "user of " + m.name, short: "u" + strconv.Itoa(i), domain: m.domain, port: uint16(1024 + r.IntN(60000)),
				octetPass: r.IntN(2) == 0, indefinite: r.IntN(3) == 0, tsap: []byte("UA")}
			u.v4 = netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i + 1)})
			u.mac = [6]byte{2, 0, 0x5e, 1, byte(i >> 8), byte(i)}
			w.users = append(w.users, u)
		}
	}
	m := choose(r, w.mtas)
	x := &access{mta: m, user: w.users[m.index], name: plainAddress(r, m.domain).seal(), rtse: r.IntN(2) == 0,
		store: r.IntN(3) == 0, edition: 94}
	if r.IntN(2) == 0 {
		x.edition = 88
	}
	x.forced = !x.store && r.IntN(3) == 0
	p := plan{a: x.user, b: m, access: x, ready: now}
	if x.forced {
		p.a, p.b = m, x.user
	}
	return p
}

// userSide is the user's side; the MTS or the store has the other.
func (x *access) userSide() int {
	if x.forced {
		return server
	}
	return client
}

// bind appends MTSBindArgument and -Result or MSBindArgument and -Result (X.411 8.1.1, X.413).
func (x *access) bind(e *encoder, tag byte, byUser, result bool) {
	b := e.open(tag)
	s := e.openSet(tagSet)
	who := x.mta
	switch {
	case byUser:
		who = x.user
		if !x.store || !result {
			e.member()
			e.orName(0x60, x.name)
		}
	case !x.store:
		e.member()
		e.text(0x80, x.mta.name)
	}
	e.member()
	c := e.open(0xa2)
	if who.octetPass {
		e.primitive(tagOctetString, []byte(who.secret()))
	} else {
		e.text(tagIA5, who.secret())
	}
	e.close(c)
	e.closeSet(s)
	e.close(b)
}

// cp appends the CP PPDU with AARQ, and RTORQ where RTSE is used.
func (x *access) cp(s *setup) []byte {
	e := s.encoder()
	m := e.open(tagSet)
	mode(e, 1)
	n := e.open(0xa2)
	d := e.open(0xa4)
	for _, c := range append([][2]any{{contextACSE, oidACSE}}, x.contexts()...) {
		i := e.open(tagSequence)
		e.integer(tagInteger, c[0].(int))
		e.oid(tagOID, c[1].(string))
		t := e.open(tagSequence)
		e.oid(tagOID, oidBER)
		e.close(t)
		e.close(i)
	}
	e.close(d)
	done := pdv(e, contextACSE)
	a := e.open(0x60)
	c := e.open(0xa1)
	e.oid(tagOID, x.applicationContext())
	e.close(c)
	information := userInformation(e)
	if x.rtse {
		q := e.open(0xb0)
		e.integer(0x82, 1) // Two-way alternate.
		cd := e.open(0xa3)
		o := e.open(0xa0)
		x.bind(e, 0xb0, !x.forced, false)
		e.close(o)
		e.close(cd)
		e.close(q)
	} else {
		x.bind(e, 0xb0, !x.forced, false)
	}
	information()
	e.close(a)
	done()
	e.close(n)
	e.close(m)
	return e.b
}

func (x *access) results(e *encoder) {
	r := e.open(0xa5)
	for range 1 + len(x.contexts()) {
		i := e.open(tagSequence)
		e.integer(0x80, 0)
		e.oid(0x81, oidBER)
		e.close(i)
	}
	e.close(r)
}

// aare appends AARE around what write appends.
func (x *access) aare(e *encoder, result int, write func()) {
	done := pdv(e, contextACSE)
	a := e.open(0x61)
	c := e.open(0xa1)
	e.oid(tagOID, x.applicationContext())
	e.close(c)
	r := e.open(0xa2)
	e.integer(tagInteger, result)
	e.close(r)
	d := e.open(0xa3)
	u := e.open(0xa1)
	e.integer(tagInteger, result)
	e.close(u)
	e.close(d)
	information := userInformation(e)
	write()
	information()
	e.close(a)
	done()
}

// cpa appends the CPA PPDU.
func (x *access) cpa(s *setup) []byte {
	e := s.encoder()
	m := e.open(tagSet)
	mode(e, 1)
	n := e.open(0xa2)
	x.results(e)
	x.aare(e, 0, func() {
		if !x.rtse {
			x.bind(e, 0xb1, x.forced, true)
			return
		}
		q := e.open(0xb1)
		cd := e.open(0xa2)
		o := e.open(0xa0)
		x.bind(e, 0xb1, x.forced, true)
		e.close(o)
		e.close(cd)
		e.close(q)
	})
	e.close(n)
	e.close(m)
	return e.b
}

// cpr appends the CPR PPDU that refuses the bind with an MTSBindError or MS bind error.
func (x *access) cpr(s *setup, code int) []byte {
	e := s.encoder()
	n := e.open(tagSequence)
	x.results(e)
	x.aare(e, 1, func() {
		failure := func() {
			b := e.open(0xb2)
			if x.store {
				e.integer(tagEnumerated, code)
			} else {
				e.integer(tagInteger, code)
			}
			e.close(b)
		}
		if !x.rtse {
			failure()
			return
		}
		q := e.open(0xb2)
		d := e.open(0xa1)
		failure()
		e.close(d)
		e.close(q)
	})
	e.close(n)
	return e.b
}

// converseAccess is an access association from beginning to end.
func (a *association) converseAccess(p plan) {
	w, r, c, x := a.w, a.rng, a.c, p.access
	l := &a.l
	l.Class, l.Mode, l.ApplicationContext = ledger.ClassX400, ledger.ModeNormal, x.applicationContext()
	a.normal = true
	a.transport(p.b.tsap)
	s := &a.setup
	*s = setup{normal: true, ref: w.ref(p.a, a.clock(), true), version: 2, initiator: p.a, respond: p.b, window: 3, wideness: 3,
		indefinite: p.a.indefinite, access: x, twoWay: x.rtse}
	l.TwoWayAlternate = x.rtse
	if x.rtse {
		l.WindowSize = 3
	}
	from := c.position(client)
	a.say(client, s.connect)
	c.turn(client)
	l.ConnectSeen = c.side[client].captured(from, c.position(client))
	userName := x.name.ledger.Text
	l.InitiatorMTA = userName
	if x.forced {
		l.InitiatorMTA = x.mta.name
	}
	w.summary.Secrets++
	from = c.position(server)
	if r.Float64() < w.options.RefuseRate {
		code := []int{0, 1}[r.IntN(2)]
		if !x.store {
			code = []int{0, 2, 3, 4, 5}[r.IntN(5)]
		}
		a.say(server, func(b []byte) []byte { return s.refuse(b, code) })
		c.turn(server)
		l.AcceptSeen = c.side[server].captured(from, c.position(server))
		l.Bind, l.BindError, l.Ended = "refused", &code, "refused"
		c.close(r.IntN(2))
		return
	}
	a.say(server, s.accept)
	c.turn(server)
	l.AcceptSeen = c.side[server].captured(from, c.position(server))
	l.Bind = "accepted"
	switch {
	case x.store:
	case x.forced:
		l.ResponderMTA = userName
	default:
		l.ResponderMTA = x.mta.name
	}
	w.summary.Secrets++

	for range 2 + r.IntN(5) {
		if x.store {
			a.storeOperation(x)
		} else {
			a.mtsOperation(x)
		}
		c.wait(1_000_000, 60_000_000)
	}
	if x.rtse && x.owner != client {
		a.passTurn(client)
	}
	if r.Float64() < w.options.AbortRate {
		l.Ended = "reset"
		a.ended = true
		c.reset(r.IntN(2))
		return
	}
	l.Ended = "release"
	a.say(client, s.finish)
	a.answer(server, s.disconnect)
	c.close(r.IntN(2))
}

// operation is one that is being played.
type operation struct {
	l       ledger.Operation
	context int
	by      int // The side that invokes it.
}

// rose sends a ROSE APDU in a presentation context from a side and returns where its first
// octet stood and its digest.
func (a *association) rose(x *access, d, context int, octets []byte) (seq uint32, sum string) {
	digest := sha256.Sum256(octets)
	s := &a.c.side[d]
	if !x.rtse {
		e := a.setup.encoder()
		e.b = append(e.b, siGiveTokens, 0, siGiveTokens, 0)
		done := pdv(e, context)
		at := len(e.b)
		e.raw(octets...)
		done()
		if i := len(e.b) - len(octets); !a.setup.indefinite {
			at = i // Closing definite lengths moved it.
		}
		where := a.send(d, e.b, at)
		a.c.flush(d)
		a.c.turn(d)
		return s.isn + 1 + uint32(where), hex.EncodeToString(digest[:])
	}
	if x.owner != d {
		a.passTurn(d)
		x.owner = d
	}
	e := a.setup.encoder()
	m := e.open(tagExternal)
	e.integer(tagInteger, context)
	v := e.open(0xa0)
	e.raw(octets...)
	e.close(v)
	e.close(m)
	a.activity[d]++
	id := a.activity[d]
	a.say(d, func(b []byte) []byte { return activityStart(b, id) })
	var at int
	a.tsdu, at = a.setup.data(a.tsdu[:0], e.b, a.rng.IntN(2) == 0)
	where := a.send(d, a.tsdu, at)
	a.say(d, func(b []byte) []byte { return serialSPDU(give(b), siActivityEnd, 1) })
	a.answer(1-d, func(b []byte) []byte { return serialSPDU(please(b), siEndAck, 1) })
	return s.isn + 1 + uint32(where), hex.EncodeToString(digest[:])
}

// fresh readies the association's encoder for an APDU.
func (a *association) fresh() *encoder {
	var s style
	s.indefinite = a.rng.Float64() < a.w.options.IndefiniteRate
	s.shuffle = a.rng.Float64() < a.w.options.ShuffleRate
	e := &a.apdu.outer
	e.reset(s, a.rng)
	return e
}

// invoke sends an invoke.
func (a *association) invoke(x *access, by, context, code int, name string, argument func(e *encoder)) *operation {
	x.invokes[by]++
	o := &operation{context: context, by: by}
	o.l = ledger.Operation{Association: a.l.ID, Connection: a.c.identity(), Direction: direction(by), Protocol: "p3", Name: name, Code: code, InvokeID: x.invokes[by]}
	if x.store {
		o.l.Protocol = "p7"
	}
	e := a.fresh()
	m := e.open(0xa1)
	e.integer(tagInteger, o.l.InvokeID)
	e.integer(tagInteger, code)
	argument(e)
	e.close(m)
	seq, sum := a.rose(x, by, context, e.b)
	o.l.Seq = seq
	o.l.Carried = a.apdu.carried
	a.apdu.carried = nil
	if k := o.l.Carried; k != nil {
		k.Direction, k.Seq, k.SHA256, k.Size = o.l.Direction, seq, sum, len(e.b)
	}
	return o
}

// result answers with a result.
func (a *association) result(x *access, o *operation, result func(e *encoder)) {
	o.l.Outcome = "result"
	e := a.fresh()
	m := e.open(0xa2)
	e.integer(tagInteger, o.l.InvokeID)
	s := e.open(tagSequence)
	e.integer(tagInteger, o.l.Code)
	result(e)
	e.close(s)
	e.close(m)
	seq, sum := a.rose(x, 1-o.by, o.context, e.b)
	if k := a.apdu.carried; k != nil {
		k.Direction, k.Seq, k.SHA256, k.Size = direction(1-o.by), seq, sum, len(e.b)
		o.l.Carried = k
		a.apdu.carried = nil
	}
	a.w.write(ledger.Entry{Operation: &o.l})
}

// failure answers with an error.
func (a *association) failure(x *access, o *operation, code int, name string, parameter func(e *encoder)) {
	o.l.Outcome, o.l.Error = "error", name
	e := a.fresh()
	m := e.open(0xa3)
	e.integer(tagInteger, o.l.InvokeID)
	e.integer(tagInteger, code)
	parameter(e)
	e.close(m)
	a.rose(x, 1-o.by, o.context, e.b)
	a.w.write(ledger.Entry{Operation: &o.l})
}

// reject answers with a reject of the invoke: mistyped-argument (X.229 9.4).
func (a *association) reject(x *access, o *operation) {
	o.l.Outcome, o.l.Error = "reject", "mistyped-argument"
	e := a.fresh()
	m := e.open(0xa4)
	e.integer(tagInteger, o.l.InvokeID)
	e.integer(0x81, 2)
	e.close(m)
	a.rose(x, 1-o.by, o.context, e.b)
	a.w.write(ledger.Entry{Operation: &o.l})
}

func null(e *encoder) { e.raw(tagNull, 0) }

// submit plays message-submission or probe-submission.
func (a *association) submit(x *access, context int) {
	w, r := a.w, a.rng
	if w.budget == 0 {
		return
	}
	w.budget--
	at := a.clock()
	m := w.originate(w.route(x.mta, choose(r, x.mta.peers)), at)
	m.originator = x.name
	for i := range m.recipients {
		m.recipients[i].number = i + 1
		if !m.old && r.IntN(4) == 0 {
			m.recipients[i].extensions = append(m.recipients[i].extensions, contentExtension(r, x.mta.domain))
		}
	}
	if !m.old && r.IntN(4) == 0 {
		// STANAG 4406's priority-level-qualifier.
		level := r.IntN(2)
		m.extensions = append(m.extensions, extension{oid: "1.3.26.0.4406.0.8.0", readable: "priority-level-qualifier",
			value: func(e *encoder) { e.integer(tagEnumerated, level) }})
	}
	code, name := 3, "message-submission"
	if m.kind == ledger.KindProbe {
		code, name = 4, "probe-submission"
	}
	var only []extension // Those that end at the MTS.
	if !m.old && m.kind == ledger.KindMessage && r.IntN(3) == 0 {
		only = append(only, flag(21, "proof-of-submission-requested"))
	}
	if x.store && m.kind == ledger.KindMessage && r.IntN(3) == 0 {
		n := 1 + r.IntN(100)
		only = append(only, extension{number: 36, readable: "forwarding-request " + strconv.Itoa(n), value: func(e *encoder) { e.integer(tagInteger, n) }})
	}
	o := a.invoke(x, x.userSide(), context, code, name, func(e *encoder) { a.apdu.submission(e, m, only) })
	switch r.IntN(8) {
	case 0:
		a.failure(x, o, 3, "recipient-improperly-specified", func(e *encoder) {
			s := e.open(tagSequence)
			e.orName(0x60, m.recipients[0].name)
			e.close(s)
		})
		return
	case 1:
		a.failure(x, o, 2, "originator-invalid", null)
		return
	case 2:
		a.reject(x, o)
		return
	}
	given := x.mta.domain.identifier(m.local)
	submitted := m.trace[0].arrival
	o.l.Identifier = given.Text
	if k := o.l.Carried; k != nil {
		k.Identifier, k.Submitted = given, &submitted
	}
	a.result(x, o, func(e *encoder) {
		s := e.openSet(tagSet)
		e.member()
		e.mtsIdentifier(x.mta.domain, m.local)
		e.member()
		e.time(0x80, submitted)
		if m.cid != "" {
			e.member()
			e.text(0x4a, m.cid)
		}
		if r.IntN(4) == 0 {
			e.member()
			e.extensions(0xa1, []extension{certified(r, 34, "originating-MTA-certificate"), signed(r, 35, "proof-of-submission")}, false)
		}
		e.closeSet(s)
	})
	w.enqueue(m)
}

// mtsOperation plays one operation of MTS access.
func (a *association) mtsOperation(x *access) {
	r := a.rng
	user, mts := x.userSide(), 1-x.userSide()
	switch r.IntN(11) {
	case 0, 1, 2:
		a.submit(x, contextSubmission)
	case 3, 4:
		if m := a.take(ledger.KindMessage); m != nil {
			o := a.invoke(x, mts, contextDelivery, 5, "message-delivery", func(e *encoder) { a.apdu.delivery(e, m, a.clock(), r, true) })
			o.l.Identifier = o.l.Carried.Identifier.Text
			if r.IntN(6) == 0 {
				a.failure(x, o, 1, "delivery-control-violated", null)
				return
			}
			a.result(x, o, func(e *encoder) {
				s := e.open(tagSet)
				if r.IntN(2) == 0 {
					e.certificates(0xa0, r.IntN(1e6), noise(r, 32))
					p := e.open(0xa1)
					e.algorithm(tagSequence)
					e.primitive(tagBitString, append([]byte{0}, noise(r, 32)...))
					e.close(p)
				}
				e.close(s)
			})
		}
	case 5:
		if m := a.take(ledger.KindReport); m != nil {
			o := a.invoke(x, mts, contextDelivery, 6, "report-delivery", func(e *encoder) { a.apdu.reportDelivery(e, m) })
			o.l.Identifier = o.l.Carried.SubjectID.Text
			a.result(x, o, null)
		}
	case 6:
		local := "cancelled." + strconv.Itoa(r.IntN(1000))
		o := a.invoke(x, user, contextSubmission, 7, "cancel-deferred-delivery", func(e *encoder) { e.mtsIdentifier(x.mta.domain, local) })
		o.l.Identifier = x.mta.domain.identifier(local).Text
		if r.IntN(2) == 0 {
			a.failure(x, o, 8, "deferred-delivery-cancellation-rejected", null)
		} else {
			a.result(x, o, null)
		}
	case 7:
		by, context, name := mts, contextSubmission, "submission-control"
		if r.IntN(2) == 0 {
			by, context, name = user, contextDelivery, "delivery-control"
		}
		o := a.invoke(x, by, context, 2, name, func(e *encoder) {
			s := e.openSet(tagSet)
			e.member()
			e.primitive(0x80, []byte{0xff})
			e.member()
			e.bits(0x81, 0, 1)
			e.member()
			e.integer(0x82, 100_000)
			e.member()
			e.integer(0x47, 2)
			e.closeSet(s)
		})
		a.result(x, o, func(e *encoder) {
			s := e.openSet(tagSet)
			e.member()
			e.bits(0x80, 0, 0)
			e.member()
			e.bits(0x81, 0, 0, 2)
			e.closeSet(s)
		})
	case 8:
		o := a.invoke(x, user, contextAdministration, 1, "register", func(e *encoder) {
			s := e.openSet(tagSet)
			e.member()
			e.orName(0x60, x.name)
			e.member()
			v := e.open(0xa0)
			n := e.open(0xa0)
			e.text(tagNumeric, "23421234567")
			e.close(n)
			e.close(v)
			e.closeSet(s)
		})
		if r.IntN(3) == 0 {
			a.failure(x, o, 10, "register-rejected", null)
		} else {
			a.result(x, o, null)
		}
	default:
		o := a.invoke(x, user, contextAdministration, 8, "change-credentials", func(e *encoder) {
			s := e.openSet(tagSet)
			a.changed(e, x, e.member)
			e.closeSet(s)
		})
		if r.IntN(3) == 0 {
			a.failure(x, o, 6, "new-credentials-unacceptable", null)
		} else {
			a.result(x, o, null)
		}
	}
}

// contentExtension makes one of the extensions of a recipient that X.420 defines (Annex E).
func contentExtension(r *rand.Rand, d *domain) extension {
	key := noise(r, 16)
	switch r.IntN(3) {
	case 0:
		a := plainAddress(r, d).seal()
		return extension{number: 41, readable: a.ledger.Text, value: func(e *encoder) {
			m := e.open(tagSequence)
			s := e.open(tagSet)
			n := e.open(0xa0)
			e.orName(0x60, a)
			e.close(n)
			e.close(s)
			e.close(m)
		}}
	case 1:
		return extension{number: 43, readable: "body-part-encryption-token", value: func(e *encoder) {
			m := e.open(tagSet)
			s := e.open(tagSet)
			e.integer(tagInteger, 1)
			t := e.open(tagSet)
			e.algorithm(tagSequence)
			e.primitive(tagBitString, append([]byte{0}, key...))
			e.close(t)
			e.close(s)
			e.close(m)
		}}
	default:
		return extension{number: 44, readable: "forwarded-content-token", value: func(e *encoder) {
			m := e.open(tagSet)
			s := e.open(tagSet)
			e.integer(tagInteger, 1)
			t := e.open(tagSequence)
			e.oid(0x80, "1.3.6.1.4.1.99999.400.7")
			v := e.open(0xa1)
			e.primitive(tagOctetString, key)
			e.close(v)
			e.close(t)
			e.close(s)
			e.close(m)
		}}
	}
}

// changed appends the old and the new credentials.
func (a *association) changed(e *encoder, x *access, member func()) {
	for i, tag := range [...]byte{0xa0, 0xa1} {
		member()
		c := e.open(tag)
		secret := x.user.secret() + strconv.Itoa(i)
		if a.rng.IntN(2) == 0 {
			e.primitive(tagOctetString, []byte(secret))
		} else {
			e.text(tagIA5, secret)
		}
		e.close(c)
		a.w.summary.Secrets++
	}
}

// take takes a message or report for delivery, nil where there is none.
func (a *association) take(kind string) *message {
	w := a.w
	for i, m := range w.local {
		if m.kind == kind {
			w.local = append(w.local[:i], w.local[i+1:]...)
			return m
		}
	}
	return nil
}

// storeOperation plays one operation of MS access.
func (a *association) storeOperation(x *access) {
	r := a.rng
	user := x.userSide()
	// X.413 tags explicitly.
	number := func(tag byte, n int) func(e *encoder) {
		return func(e *encoder) {
			m := e.open(tag)
			e.integer(tagInteger, n)
			e.close(m)
		}
	}
	call := func(code int, name string, argument, result func(e *encoder)) {
		o := a.invoke(x, user, contextDelivery, code, name, argument)
		if r.IntN(5) == 0 {
			a.failure(x, o, 28, "sequence-number-error", func(e *encoder) {
				s := e.open(tagSet)
				v := e.open(0xa1)
				list := e.open(tagSet)
				one := e.open(tagSet)
				number(0xa0, 0)(e) // invalid-sequence-number
				number(0xa1, 1+r.IntN(100))(e)
				e.close(one)
				e.close(list)
				e.close(v)
				e.close(s)
			})
			return
		}
		a.result(x, o, result)
	}
	set := func(fields ...func(e *encoder)) func(e *encoder) {
		return func(e *encoder) {
			s := e.openSet(tagSet)
			for _, f := range fields {
				e.member()
				f(e)
			}
			e.closeSet(s)
		}
	}
	numbers := func(tag byte) func(e *encoder) {
		return func(e *encoder) {
			m := e.open(tag)
			s := e.open(tagSet)
			e.integer(tagInteger, 1+r.IntN(100))
			e.close(s)
			e.close(m)
		}
	}
	selector := func(e *encoder) {
		m := e.open(0xa1)
		s := e.open(tagSet)
		e.close(s)
		e.close(m)
	}
	switch r.IntN(9) {
	case 0, 1:
		a.submit(x, contextMSSubmission)
	case 2:
		call(20, "summarize", set(selector), set(number(0xa1, r.IntN(100))))
	case 3:
		call(21, "list", set(selector), func(e *encoder) { s := e.open(tagSet); e.close(s) })
	case 4, 5:
		m := a.take(ledger.KindMessage)
		if m == nil {
			return
		}
		o := a.invoke(x, user, contextDelivery, 22, "fetch", set(number(0xa2, 1+r.IntN(100))))
		o.l.Identifier = m.path[0].domain.identifier(m.local).Text
		a.result(x, o, set(func(e *encoder) { a.apdu.entry(e, m, a.clock(), r) }))
	case 6:
		call(23, "delete", set(numbers(0xa2)), null)
	case 7:
		o := a.invoke(x, user, contextDelivery, 24, "register-MS", set(func(e *encoder) {
			c := e.open(0xa4)
			s := e.open(tagSequence)
			a.changed(e, x, func() {})
			e.close(s)
			e.close(c)
		}))
		a.result(x, o, null)
	default:
		o := a.invoke(x, 1-user, contextDelivery, 25, "alert", set(number(0xa0, 1+r.IntN(8))))
		a.result(x, o, null)
	}
}

// submission appends a MessageSubmissionArgument or ProbeSubmissionArgument (X.411 8.2.1).
func (w *apduWriter) submission(e *encoder, m *message, only []extension) {
	k := &ledger.Carried{Kind: ledger.KindSubmission}
	w.carried = k
	l := &k.APDU
	fields := func(tag byte, list byte) {
		s := e.openSet(tag)
		e.member()
		e.orName(0x60, m.originator)
		l.Originator = m.originator.ledger
		if m.eits != nil {
			e.member()
			w.encodedInformationTypes(m, l)
		}
		e.member()
		w.contentType(m, l)
		if m.cid != "" {
			e.member()
			e.text(0x4a, m.cid)
			l.ContentIdentifier = &m.cid
		}
		if m.priority >= 0 {
			e.member()
			e.integer(0x47, m.priority)
			l.Priority = &m.priority
		}
		if !m.noFlags {
			e.member()
			e.bits(0x48, 0, m.indicators...)
			l.Indicators, l.IndicatorsSent = names(m.indicators, indicatorNames[:]), true
		}
		if !m.deferred.IsZero() {
			e.member()
			e.time(0x80, m.deferred)
			l.DeferredDelivery = &m.deferred
		}
		if m.length > 0 {
			e.member()
			e.integer(0x80, m.length)
			l.ContentLength = &m.length
		}
		if all := append(only, m.extensions...); len(all) > 0 {
			e.member()
			l.Extensions = e.extensions(0xa2, all, false)
		}
		e.member()
		p := e.open(list)
		for i := range m.recipients {
			rc := &m.recipients[i]
			all := rc.ledger()
			lr := ledger.Recipient{Number: i + 1, Name: all.Name, OriginatorReport: all.OriginatorReport}
			s := e.openSet(tagSet)
			e.member()
			e.orName(0x60, rc.name)
			e.member()
			var request []int
			for _, b := range rc.indicators {
				if b >= 3 {
					request = append(request, b)
				}
			}
			e.bits(0x80, 0, request...)
			if rc.conversion >= 0 {
				e.member()
				e.integer(0x81, rc.conversion)
				lr.ExplicitConversion = &rc.conversion
			}
			if len(rc.extensions) > 0 {
				e.member()
				lr.Extensions = e.extensions(0xa2, rc.extensions, false)
			}
			e.closeSet(s)
			l.Recipients = append(l.Recipients, lr)
		}
		e.close(p)
		e.closeSet(s)
	}
	if m.kind == ledger.KindProbe {
		k.Kind = ledger.KindProbeSubmission
		fields(tagSet, 0xa3)
		return
	}
	s := e.open(tagSequence)
	fields(tagSet, 0xa1)
	w.contents(m, l, tagOctetString)
	e.close(s)
}

// delivery appends a MessageDeliveryArgument (X.411 8.3.1.1), or without the content a
// MessageDeliveryEnvelope.
func (w *apduWriter) delivery(e *encoder, m *message, at time.Time, r *rand.Rand, content bool) {
	k := &ledger.Carried{Kind: ledger.KindDelivery}
	w.carried = k
	l := &k.APDU
	at = at.Truncate(time.Second)
	submitted := m.trace[0].arrival
	k.Delivered, k.Submitted = &at, &submitted
	l.Identifier = m.path[0].domain.identifier(m.local)
	q := e.open(tagSequence)
	e.mtsIdentifier(m.path[0].domain, m.local)
	e.time(tagUTCTime, at)
	s := e.openSet(tagSet)
	e.member()
	l.ContentType = &ledger.ContentType{BuiltIn: m.typ, OID: m.typOID}
	if m.typOID != "" {
		e.oid(tagOID, m.typOID)
	} else {
		e.integer(0x80, m.typ)
	}
	e.member()
	e.orName(0x60, m.originator)
	l.Originator = m.originator.ledger
	if m.eits != nil {
		e.member()
		t := e.open(0xa1)
		e.bits(0x80, 0, m.eitBits...)
		if len(m.eits.Extended) > 0 {
			y := e.open(0xa4)
			for _, o := range m.eits.Extended {
				e.oid(tagOID, o)
			}
			e.close(y)
		}
		e.close(t)
		l.EncodedInformationTypes = m.eits
	}
	if m.priority >= 0 {
		e.member()
		e.integer(0x47, m.priority)
		l.Priority = &m.priority
	}
	if r.IntN(3) == 0 {
		e.member()
		e.bits(0x82, 0, 1)
		l.Indicators, l.IndicatorsSent = []string{"implicit-conversion-prohibited"}, true
	}
	this := ledger.Recipient{Number: -1, Name: *m.recipients[0].name.ledger}
	others := m.recipients[1:]
	if len(others) > 0 {
		e.member()
		o := e.open(0xa3)
		for i := range others {
			e.orName(0x60, others[i].name)
		}
		e.close(o)
	}
	e.member()
	e.orName(0xa4, m.recipients[0].name)
	if r.IntN(4) == 0 {
		e.member()
		e.orName(0xa5, m.originator)
		this.Intended = m.originator.ledger
	}
	l.Recipients = append(l.Recipients, this)
	for i := range others {
		l.Recipients = append(l.Recipients, ledger.Recipient{Number: -1, Name: *others[i].name.ledger})
	}
	if r.IntN(4) == 0 {
		e.member()
		c := e.open(0xa6)
		e.bits(0x80, 0, 5)
		e.close(c)
		k.Converted = []string{"teletex"}
	}
	e.member()
	e.time(0x87, submitted)
	if m.cid != "" {
		e.member()
		e.text(0x88, m.cid)
		l.ContentIdentifier = &m.cid
	}
	list := append([]extension{}, m.extensions...)
	if r.IntN(2) == 0 {
		list = append(list, extension{number: 37, readable: "trace-information", value: func(e *encoder) {
			l.Trace = nil
			e.traceInformation(0x69, m.trace, &l.Trace)
		}})
	}
	if len(list) > 0 {
		e.member()
		l.Extensions = e.extensions(0xa9, list, false)
	}
	e.closeSet(s)
	if content {
		w.contents(m, l, tagOctetString)
	}
	e.close(q)
}

// reportDelivery appends a ReportDeliveryArgument (X.411 8.3.1.2).
func (w *apduWriter) reportDelivery(e *encoder, m *message) {
	k := &ledger.Carried{Kind: ledger.KindReportDelivery}
	w.carried = k
	l := &k.APDU
	about := m.subject
	s := e.openSet(tagSet)
	e.member()
	e.mtsIdentifier(about.path[0].domain, about.local)
	id := about.path[0].domain.identifier(about.local)
	l.SubjectID = &id
	if m.cid != "" {
		e.member()
		e.text(0x4a, m.cid)
		l.ContentIdentifier = &m.cid
	}
	e.member()
	w.contentType(m, l)
	if m.eits != nil {
		e.member()
		w.encodedInformationTypes(m, l)
	}
	if len(m.envelopeExt) > 0 {
		e.member()
		l.Extensions = e.extensions(0xa1, m.envelopeExt, false)
	}
	if m.returned {
		e.member()
		w.contents(m, l, 0x80)
	}
	e.member()
	p := e.open(tagSequence)
	for i := range m.recipients {
		w.deliveredReport(e, &m.recipients[i], l)
	}
	e.close(p)
	e.closeSet(s)
}

// deliveredReport appends PerRecipientReportDeliveryFields.
func (w *apduWriter) deliveredReport(e *encoder, rc *recipient, l *ledger.APDU) {
	lr := ledger.Recipient{Number: -1, Name: *rc.name.ledger}
	s := e.openSet(tagSet)
	e.member()
	e.orName(0xa0, rc.name)
	e.member()
	typ := e.open(0xa1)
	if rc.delivered {
		lr.Outcome, lr.Delivered = "delivered", &rc.delivery
		d := e.openSet(0xa0)
		e.member()
		e.time(0x80, rc.delivery)
		if rc.userType >= 0 {
			e.member()
			e.integer(0x81, rc.userType)
			lr.UserType = &rc.userType
		}
		e.closeSet(d)
	} else {
		lr.Outcome, lr.Reason = "not-delivered", &rc.reason
		d := e.openSet(0xa1)
		e.member()
		e.integer(0x80, rc.reason)
		if rc.diagnostic >= 0 {
			e.member()
			e.integer(0x81, rc.diagnostic)
			lr.Diagnostic = &rc.diagnostic
		}
		e.closeSet(d)
	}
	e.close(typ)
	if rc.converted != nil {
		e.member()
		e.converted(rc.converted)
		lr.Converted = names(rc.converted, eitNames[:])
	}
	if rc.intended != nil {
		e.member()
		e.orName(0xa2, rc.intended)
		lr.Intended = rc.intended.ledger
	}
	if rc.supplementary != "" {
		e.member()
		e.text(0x83, rc.supplementary)
		lr.Supplementary = &rc.supplementary
	}
	if len(rc.extensions) > 0 {
		e.member()
		lr.Extensions = e.extensions(0xa4, rc.extensions, false)
	}
	e.closeSet(s)
	l.Recipients = append(l.Recipients, lr)
}

// entry appends the entry-information of a FetchResult: a delivered message's envelope and
// content (X.413).
func (w *apduWriter) entry(e *encoder, m *message, at time.Time, r *rand.Rand) {
	i := e.open(0xa0)
	n := e.open(tagSequence)
	e.integer(tagInteger, 1+r.IntN(100))
	s := e.open(tagSet)
	a := e.open(tagSequence)
	e.oid(tagOID, "2.6.4.3.18") // id-att-message-delivery-envelope
	v := e.open(tagSequence)
	w.delivery(e, m, at, r, false)
	e.close(v)
	e.close(a)
	w.carried.Kind = ledger.KindFetch
	a = e.open(tagSequence)
	e.oid(tagOID, "2.6.4.3.1") // id-att-content
	v = e.open(tagSequence)
	w.contents(m, &w.carried.APDU, tagOctetString)
	e.close(v)
	e.close(a)
	e.close(s)
	e.close(n)
	e.close(i)
}
