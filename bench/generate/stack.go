package generate

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"
)

// Presentation context identifiers as the initiators here propose them.
const (
	contextACSE = 1
	contextRTSE = 3
	contextMTSE = 5
)

// Object identifiers (X.227, X.228, X.419 annex A).
const (
	oidBER       = "2.1.1"
	oidACSE      = "2.2.1.0.1"
	oidRTSE      = "2.6.0.2.12"
	oidMTSE      = "2.6.0.2.7"
	oidTransfer  = "2.6.0.1.6"
	oidTransfer2 = "2.6.0.1.7" // Alternative transfer protocol's application context.
)

// Session SPDU identifiers (X.225 8.3), the ones in use here.
const (
	siGiveTokens      = 1
	siPleaseTokens    = 2
	siFinish          = 9
	siDisconnect      = 10
	siRefuse          = 12
	siConnect         = 13
	siAccept          = 14
	siGiveConfirm     = 21
	siGiveAck         = 22
	siAbort           = 25
	siInterruptAck    = 26
	siResume          = 29
	siActivityEnd     = 41
	siEndAck          = 42
	siActivityStart   = 45
	siException       = 48
	siMinorSync       = 49
	siMinorSyncAck    = 50
	siDiscard         = 57
	siDiscardAck      = 58
	functionalUnits   = 0x0249 // Half-duplex, minor synchronize, activity management, exceptions.
	pgiConnection     = 1
	pgiConnectAccept  = 5
	piCalledReference = 9
	piCalling         = 10
	piCommon          = 11
	piAdditional      = 12
	piTokenItem       = 16
	piDisconnect      = 17
	piOptions         = 19
	piRequirements    = 20
	piMaximumSize     = 21
	piVersion         = 22
	piTokenSetting    = 26
	pgiLinking        = 33
	piActivity        = 41
	piSerial          = 42
	piReason          = 50
	piCallingSelector = 51
	piCalledSelector  = 52
	pgiUserData       = 193
	pgiExtendedData   = 194
)

// appendLI appends a length indicator (X.225 8.2.5).
func appendLI(b []byte, n int) []byte {
	if n < 255 {
		return append(b, byte(n))
	}
	return append(b, 0xff, byte(n>>8), byte(n))
}

func appendParam(b []byte, pi byte, v []byte) []byte {
	b = append(b, pi)
	b = appendLI(b, len(v))
	return append(b, v...)
}

func appendSPDU(b []byte, si byte, params []byte) []byte {
	b = append(b, si)
	b = appendLI(b, len(params))
	return append(b, params...)
}

// sessionRef is a session connection identifier (X.225 8.3.1.2, X.228 8.1).
type sessionRef struct {
	calling    string
	at         time.Time
	additional string
	t61        bool // The reference is a T61String, else an OCTET STRING.
}

func (s *sessionRef) callingOctets() []byte {
	tag := byte(tagOctetString)
	if s.t61 {
		tag = tagTeletex
	}
	return append([]byte{tag, byte(len(s.calling))}, s.calling...)
}

func (s *sessionRef) commonOctets() []byte {
	return append([]byte{tagUTCTime, 13}, utc(s.at)...)
}

// appendRef appends the reference's parameters.
func (s *sessionRef) append(b []byte, pi byte) []byte {
	b = appendParam(b, pi, s.callingOctets())
	b = appendParam(b, piCommon, s.commonOctets())
	if s.additional != "" {
		b = appendParam(b, piAdditional, append([]byte{tagTeletex, byte(len(s.additional))}, s.additional...))
	}
	return b
}

// setup is what the two sides of an association tell each other when it opens.
type setup struct {
	normal             bool
	ref                sessionRef
	version            byte // Session protocol versions, a bit each.
	maximum            int  // TSDU maximum size, 0 for none.
	callingS, calledS  []byte
	callingP, calledP  []byte
	initiator, respond *mta
	checkpoint, window int // What the initiator proposes.
	accepted, wideness int // What the responder chooses.
	twoWay             bool
	recover            *sessionRef
	octetPassword      bool
	applicationNumber  int
	indefinite         bool // PPDUs in the indefinite form.
	rejectContext      bool // An additional context is proposed and refused.
	bareBind           bool // The bind lacks the tags [16], [17], [18].
	anonymous          bool // The bind is the unauthenticated alternative, which names nobody.
	wide               bool // So many contexts that user data is extended.
	concatenate        bool // Extended concatenation of SPDUs.
	octetAligned       bool // Data values as OCTET STRINGs.
	segmented          bool // RTTR in segments.
	access             *access
}

func (s *setup) encoder() *encoder { return &encoder{style: style{indefinite: s.indefinite}} }

// secret is what an MTA gives for a password.
func (m *mta) secret() string { return "SECRET-" + m.short }

func (s *setup) credentials(e *encoder, m *mta) {
	// MTABindArgument and -Result: NULL or authenticated [1] SET (X.411 figure 2, 12.1.1).
	if s.anonymous {
		e.raw(tagNull, 0)
		return
	}
	a := e.open(0xa1)
	e.text(0x80, m.name)
	c := e.open(0xa1)
	if s.octetPassword {
		e.primitive(tagOctetString, []byte(m.secret()))
	} else {
		e.text(tagIA5, m.secret())
	}
	e.close(c)
	e.close(a)
}

// rtorqFields appends the components of RTORQ (X.228 9.1.1).
func (s *setup) rtorqFields(e *encoder) {
	if s.checkpoint > 0 {
		e.integer(0x80, s.checkpoint)
	}
	if s.window != 3 {
		e.integer(0x81, s.window)
	}
	if s.twoWay {
		e.integer(0x82, 1)
	}
	c := e.open(0xa3)
	if s.recover != nil {
		r := e.open(0xa1)
		e.raw(s.recover.callingOctets()...)
		e.raw(s.recover.commonOctets()...)
		if s.recover.additional != "" {
			e.text(0x80, s.recover.additional)
		}
		e.close(r)
	} else {
		o := e.open(0xa0)
		if s.normal && !s.bareBind {
			b := e.open(0xb0) // bind argument [16] (X.219 annex A)
			s.credentials(e, s.initiator)
			e.close(b)
		} else {
			s.credentials(e, s.initiator)
		}
		e.close(o)
	}
	e.close(c)
	if !s.normal {
		e.integer(0x84, s.applicationNumber)
	}
}

// rtoacFields appends the components of RTOAC (X.228 9.1.2).
func (s *setup) rtoacFields(e *encoder) {
	if s.accepted > 0 {
		e.integer(0x80, s.accepted)
	}
	if s.wideness != 3 {
		e.integer(0x81, s.wideness)
	}
	c := e.open(0xa2)
	if s.recover != nil {
		r := e.open(0xa1)
		e.raw(s.recover.callingOctets()...)
		e.raw(s.recover.commonOctets()...)
		if s.recover.additional != "" {
			e.text(0x80, s.recover.additional)
		}
		e.close(r)
	} else {
		o := e.open(0xa0)
		if s.normal && !s.bareBind {
			b := e.open(0xb1)
			s.credentials(e, s.respond)
			e.close(b)
		} else {
			s.credentials(e, s.respond)
		}
		e.close(o)
	}
	e.close(c)
}

// pdv opens fully encoded user data with one value (X.226 8.4.2); the returned function closes it.
func pdv(e *encoder, context int) func() {
	u := e.open(0x61)
	l := e.open(tagSequence)
	e.integer(tagInteger, context)
	v := e.open(0xa0)
	return func() { e.close(v); e.close(l); e.close(u) }
}

// userInformation opens ACSE's user-information with an EXTERNAL of RTSE's context.
func userInformation(e *encoder) func() {
	u := e.open(0xbe)
	x := e.open(tagExternal)
	e.oid(tagOID, oidBER)
	e.integer(tagInteger, contextRTSE)
	v := e.open(0xa0)
	return func() { e.close(v); e.close(x); e.close(u) }
}

func mode(e *encoder, n int) {
	m := e.open(0xa0)
	e.integer(0x80, n)
	e.close(m)
}

// cp appends the CP PPDU (X.226 8.2.1) with AARQ and RTORQ in it.
func (s *setup) cp() []byte {
	if s.access != nil {
		return s.access.cp(s)
	}
	e := s.encoder()
	m := e.open(tagSet)
	if !s.normal {
		mode(e, 0)
		x := e.open(0xa1)
		s.rtorqFields(e)
		e.close(x)
		e.close(m)
		return e.b
	}
	mode(e, 1)
	n := e.open(0xa2)
	if s.callingP != nil {
		e.primitive(0x81, s.callingP)
	}
	if s.calledP != nil {
		e.primitive(0x82, s.calledP)
	}
	d := e.open(0xa4)
	contexts := []struct {
		id  int
		oid string
	}{{contextACSE, oidACSE}, {contextRTSE, oidRTSE}, {contextMTSE, oidMTSE}}
	for i := range s.refusedContexts() {
		contexts = append(contexts, struct {
			id  int
			oid string
		}{7 + 2*i, "1.3.6.1.4.1.99999.400." + strconv.Itoa(1+i)})
	}
	for _, c := range contexts {
		i := e.open(tagSequence)
		e.integer(tagInteger, c.id)
		e.oid(tagOID, c.oid)
		t := e.open(tagSequence)
		e.oid(tagOID, oidBER)
		e.close(t)
		e.close(i)
	}
	e.close(d)
	done := pdv(e, contextACSE)
	a := e.open(0x60)
	c := e.open(0xa1)
	e.oid(tagOID, oidTransfer)
	e.close(c)
	information := userInformation(e)
	q := e.open(0xb0)
	s.rtorqFields(e)
	e.close(q)
	information()
	e.close(a)
	done()
	e.close(n)
	e.close(m)
	return e.b
}

// refusedContexts is how many contexts are proposed that the responder refuses.
func (s *setup) refusedContexts() int {
	switch {
	case s.wide:
		return 14
	case s.rejectContext:
		return 1
	}
	return 0
}

func (s *setup) results(e *encoder) {
	r := e.open(0xa5)
	for range 3 {
		i := e.open(tagSequence)
		e.integer(0x80, 0)
		e.oid(0x81, oidBER)
		e.close(i)
	}
	for range s.refusedContexts() {
		i := e.open(tagSequence)
		e.integer(0x80, 2)
		e.integer(0x82, 1)
		e.close(i)
	}
	e.close(r)
}

// aare appends AARE (X.227 7.1.3) around what write appends.
func (s *setup) aare(e *encoder, result, diagnostic int, write func()) {
	done := pdv(e, contextACSE)
	a := e.open(0x61)
	c := e.open(0xa1)
	e.oid(tagOID, oidTransfer)
	e.close(c)
	r := e.open(0xa2)
	e.integer(tagInteger, result)
	e.close(r)
	d := e.open(0xa3)
	u := e.open(0xa1)
	e.integer(tagInteger, diagnostic)
	e.close(u)
	e.close(d)
	information := userInformation(e)
	write()
	information()
	e.close(a)
	done()
}

// cpa appends the CPA PPDU (X.226 8.2.2).
func (s *setup) cpa() []byte {
	if s.access != nil {
		return s.access.cpa(s)
	}
	e := s.encoder()
	m := e.open(tagSet)
	if !s.normal {
		mode(e, 0)
		x := e.open(0xa1)
		s.rtoacFields(e)
		e.close(x)
		e.close(m)
		return e.b
	}
	mode(e, 1)
	n := e.open(0xa2)
	if s.calledP != nil {
		e.primitive(0x83, s.calledP)
	}
	s.results(e)
	s.aare(e, 0, 0, func() {
		q := e.open(0xb1)
		s.rtoacFields(e)
		e.close(q)
	})
	e.close(n)
	e.close(m)
	return e.b
}

// cpr appends the CPR PPDU (X.226 8.2.3) that refuses the bind with an MTABindError.
func (s *setup) cpr(code int) []byte {
	if s.access != nil {
		return s.access.cpr(s, code)
	}
	e := s.encoder()
	if !s.normal {
		// RTORJ with RTSE's own refuse reason: X.410-1984 has no other.
		m := e.open(tagSet)
		e.integer(0x80, code)
		e.close(m)
		return e.b
	}
	n := e.open(tagSequence)
	s.results(e)
	s.aare(e, 1, 1, func() {
		q := e.open(0xb2)
		d := e.open(0xa1)
		b := e.open(0xb2) // bind error [18] (X.219 annex A)
		e.integer(tagInteger, code)
		e.close(b)
		e.close(d)
		e.close(q)
	})
	e.close(n)
	return e.b
}

func appendUserData(b []byte, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	if len(v) > 512 {
		return appendParam(b, pgiExtendedData, v)
	}
	return appendParam(b, pgiUserData, v)
}

// options are the protocol options: able to receive extended concatenated SPDUs, or not.
func (s *setup) options() []byte {
	if s.concatenate {
		return []byte{1}
	}
	return []byte{0}
}

// units are the session functional units: those of RTSE, or duplex alone (X.225 Table 21).
func (s *setup) units() uint16 {
	if s.access != nil && !s.access.rtse {
		return 2
	}
	return functionalUnits
}

// connect appends the CONNECT SPDU (X.225 8.3.1).
func (s *setup) connect(b []byte) []byte {
	p := appendParam(nil, pgiConnection, s.ref.append(nil, piCalling))
	item := appendParam(nil, piOptions, s.options())
	if s.maximum > 0 {
		item = appendParam(item, piMaximumSize, []byte{byte(s.maximum >> 8), byte(s.maximum), byte(s.maximum >> 8), byte(s.maximum)})
	}
	item = appendParam(item, piVersion, []byte{s.version})
	item = appendParam(item, piTokenSetting, []byte{0})
	p = appendParam(p, pgiConnectAccept, item)
	p = appendParam(p, piRequirements, binary.BigEndian.AppendUint16(nil, s.units()))
	if s.callingS != nil {
		p = appendParam(p, piCallingSelector, s.callingS)
	}
	if s.calledS != nil {
		p = appendParam(p, piCalledSelector, s.calledS)
	}
	return appendSPDU(b, siConnect, appendUserData(p, s.cp()))
}

// accept appends the ACCEPT SPDU (X.225 8.3.2).
func (s *setup) accept(b []byte) []byte {
	p := appendParam(nil, pgiConnection, s.ref.append(nil, piCalledReference))
	item := appendParam(nil, piOptions, s.options())
	item = appendParam(item, piVersion, []byte{2})
	item = appendParam(item, piTokenSetting, []byte{0})
	p = appendParam(p, pgiConnectAccept, item)
	p = appendParam(p, piRequirements, binary.BigEndian.AppendUint16(nil, s.units()))
	return appendSPDU(b, siAccept, appendUserData(p, s.cpa()))
}

// refuse appends the REFUSE SPDU (X.225 8.3.3) with reason 2, rejection by the called user.
func (s *setup) refuse(b []byte, code int) []byte {
	p := appendParam(nil, piDisconnect, []byte{1})
	p = appendParam(p, piVersion, []byte{2})
	p = appendParam(p, piReason, append([]byte{2}, s.cpr(code)...))
	return appendSPDU(b, siRefuse, p)
}

// acse appends user data with an RLRQ or RLRE of reason normal.
func (s *setup) release(tag byte) []byte {
	if !s.normal {
		return nil
	}
	e := s.encoder()
	done := pdv(e, contextACSE)
	m := e.open(tag)
	e.integer(0x80, 0)
	e.close(m)
	done()
	return e.b
}

// finish and disconnect append FINISH and DISCONNECT (X.225 8.3.4, 8.3.5).
func (s *setup) finish(b []byte) []byte {
	return appendSPDU(b, siFinish, appendUserData(appendParam(nil, piDisconnect, []byte{1}), s.release(0x62)))
}

func (s *setup) disconnect(b []byte) []byte {
	return appendSPDU(b, siDisconnect, appendUserData(nil, s.release(0x63)))
}

// userAbort appends ABORT (X.225 8.3.7) by the user, with RTAB in it.
func (s *setup) userAbort(b []byte, reason int) []byte {
	e := s.encoder()
	if s.normal {
		m := e.open(0xa0)
		l := e.open(0xa0)
		for _, c := range [...]int{contextACSE, contextRTSE} {
			i := e.open(tagSequence)
			e.integer(tagInteger, c)
			e.oid(tagOID, oidBER)
			e.close(i)
		}
		e.close(l)
		done := pdv(e, contextACSE)
		a := e.open(0x64)
		e.integer(0x80, 0)
		information := userInformation(e)
		q := e.open(0xb6)
		e.integer(0x80, reason)
		e.close(q)
		information()
		e.close(a)
		done()
		e.close(m)
	} else {
		m := e.open(tagSet)
		e.integer(0x80, reason)
		e.close(m)
	}
	return appendSPDU(b, siAbort, appendUserData(appendParam(nil, piDisconnect, []byte{3}), e.b))
}

// providerAbort appends ABORT by the presentation provider: ARP (X.226 8.2.5).
func (s *setup) providerAbort(b []byte) []byte {
	if !s.normal {
		// A session protocol error, which has no user data.
		return appendSPDU(b, siAbort, appendParam(nil, piDisconnect, []byte{5}))
	}
	e := s.encoder()
	m := e.open(tagSequence)
	e.integer(0x80, 1)
	e.integer(0x81, 5)
	e.close(m)
	return appendSPDU(b, siAbort, appendUserData(appendParam(nil, piDisconnect, []byte{3}), e.b))
}

// give and please append the category 0 SPDU that precedes others in their TSDU (X.225 7.1.2).
func give(b []byte) []byte   { return append(b, siGiveTokens, 0) }
func please(b []byte) []byte { return append(b, siPleaseTokens, 0) }

func activityID(n int) []byte {
	e := encoder{}
	e.integer(tagInteger, n)
	return e.b
}

func activityStart(b []byte, id int) []byte {
	return appendSPDU(give(b), siActivityStart, appendParam(nil, piActivity, activityID(id)))
}

// activityResume appends ACTIVITY RESUME (X.225 8.3.30). The old session connection identifier is
// named where the activity began in another association, and with Options.NameOwn always.
func activityResume(b []byte, oldID, serial, id int, old *sessionRef) []byte {
	var link []byte
	if old != nil {
		link = old.append(link, piCalling)
	}
	link = appendParam(link, piActivity, activityID(oldID))
	link = appendParam(link, piSerial, strconv.AppendInt(nil, int64(serial), 10))
	p := appendParam(nil, pgiLinking, link)
	p = appendParam(p, piActivity, activityID(id))
	return appendSPDU(give(b), siResume, p)
}

func serialSPDU(b []byte, si byte, serial int) []byte {
	return appendSPDU(b, si, appendParam(nil, piSerial, strconv.AppendInt(nil, int64(serial), 10)))
}

func reasonSPDU(b []byte, si, reason byte) []byte {
	return appendSPDU(b, si, appendParam(nil, piReason, []byte{reason}))
}

// pleaseTurn appends PLEASE TOKENS for the data token with RTTP of a priority (X.228 8.6).
func (s *setup) pleaseTurn(b []byte, priority int) []byte {
	e := s.encoder()
	if s.normal {
		done := pdv(e, contextRTSE)
		e.integer(tagInteger, priority)
		done()
	} else {
		e.integer(tagInteger, priority)
	}
	return appendSPDU(b, siPleaseTokens, appendUserData(appendParam(nil, piTokenItem, []byte{1}), e.b))
}

// data appends DATA TRANSFER with a piece of an APDU, and tells where in b the piece begins.
func (s *setup) data(b []byte, piece []byte, indefinite bool) ([]byte, int) {
	if len(b) == 0 {
		b = give(b)
	}
	b = append(b, siGiveTokens, 0) // SI 1 after a category 0 SPDU is DATA TRANSFER.
	if !s.normal {
		return append(b, piece...), len(b)
	}
	// RTTR, an OCTET STRING, in fully encoded user data.
	e := encoder{b: b, style: style{indefinite: indefinite}}
	if s.segmented {
		// RTTR in two segments.
		e.style.indefinite = false
		done := pdv(&e, contextRTSE)
		m := e.open(tagOctetString | 0x20)
		half := (len(piece) + 1) / 2
		e.primitive(tagOctetString, piece[:half])
		if half < len(piece) {
			e.primitive(tagOctetString, piece[half:])
		}
		e.close(m)
		done()
		return e.b, bytes.Index(e.b[len(b):], piece[:half]) + len(b)
	}
	if indefinite && !s.octetAligned {
		done := pdv(&e, contextRTSE)
		e.b = append(e.b, tagOctetString)
		e.b = e.appendLength(e.b, len(piece))
		at := len(e.b)
		e.b = append(e.b, piece...)
		done()
		return e.b, at
	}
	// The lengths are known beforehand, so a large piece is copied but once.
	var l [8]byte
	size := func(n int) int { return len(e.appendLength(l[:0], n)) }
	octets := 1 + size(len(piece)) + len(piece)
	value := 1 + size(octets) + octets
	list := 3 + value
	e.b = append(e.b, 0x61)
	e.b = e.appendLength(e.b, 1+size(list)+list)
	e.b = append(e.b, tagSequence)
	e.b = e.appendLength(e.b, list)
	e.b = append(e.b, tagInteger, 1, contextRTSE)
	if s.octetAligned {
		e.b = append(e.b, 0x81)
	} else {
		e.b = append(e.b, 0xa0)
	}
	e.b = e.appendLength(e.b, octets)
	e.b = append(e.b, tagOctetString)
	e.b = e.appendLength(e.b, len(piece))
	at := len(e.b)
	return append(e.b, piece...), at
}
