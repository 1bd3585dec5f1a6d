package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"x400flow/bench/ledger"
)

// message is an MTS-APDU on its way: a message, a probe or a report.
type message struct {
	kind       string
	old        bool // Nothing that X.411 of 1984 lacks.
	path       []*mta
	at         int       // Index in path of the MTA that holds it.
	ready      time.Time // When that MTA may send it on.
	rich       float64   // Share of the extensions to be used.
	local      string
	originator *address
	recipients []recipient

	eits       *ledger.EncodedInformationTypes
	eitBits    []int
	typ        int
	typOID     string
	cid        string
	priority   int // -1 where the field is left out.
	indicators []int
	noFlags    bool // Indicators left out.
	deferred   time.Time
	length     int // Probe's content-length, 0 where it is left out.
	bilateral  []bilateral
	trace      []traceElement
	internal   []traceElement
	extensions []extension
	content    content

	// Reports.
	subject     *message
	destination *address
	subjectHops []traceElement
	returned    bool
	additional  string // additional-information: billing, as X.411 of 1984 has it.
	contentExt  []extension
	envelopeExt []extension
}

type bilateral struct {
	d    *domain
	text string
}

type recipient struct {
	number     int
	name       *address
	indicators []int
	conversion int // -1 for none.
	extensions []extension

	delivered     bool
	arrival       time.Time
	delivery      time.Time
	userType      int
	reason        int
	diagnostic    int // -1 for none.
	intended      *address
	supplementary string
	converted     []int
}

type traceElement struct {
	m         *mta
	arrival   time.Time
	rerouted  bool
	attempted *mta
	deferred  time.Time
	converted []int
	other     []int
	internal  bool
}

var eitNames = [...]string{"unknown", "telex", "ia5-text", "g3-facsimile", "g4-class-1", "teletex", "videotex", "voice", "sfd", "mixed-mode"}

var indicatorNames = [...]string{"disclosure-of-other-recipients", "implicit-conversion-prohibited",
	"alternate-recipient-allowed", "content-return-request"}

var otherActionNames = [...]string{"redirected", "dl-operation"}

func names(list []int, from []string) []string {
	var out []string
	for _, n := range list {
		out = append(out, from[n])
	}
	return out
}

// originate makes a new message or probe that goes along the path.
func (w *world) originate(path []*mta, at time.Time) *message {
	r := w.rng
	w.originated++
	o := w.options
	m := &message{kind: ledger.KindMessage, path: path, ready: at, priority: -1, old: o.plain1984}
	for i := 1; i < len(path); i++ {
		if w.oldPair(path[i-1], path[i]) {
			m.old = true
		}
	}
	from, to := path[0], path[len(path)-1]
	if r.Float64() < o.ProbeRate {
		m.kind = ledger.KindProbe
	}
	if !m.old && r.Float64() < o.RichRate {
		m.rich = 0.25
	}
	newAddress := func(d *domain) *address {
		if !m.old && r.Float64() < max(0.1, m.rich*2) {
			return richAddress(r, d).seal()
		}
		return plainAddress(r, d).seal()
	}
	m.local = w.localIdentifier(from, at)
	m.originator = newAddress(from.domain)

	switch p := r.IntN(20); {
	case p < 3:
		m.eitBits = nil
	case p < 16:
		m.eitBits = []int{2}
	default:
		m.eitBits = []int{2, 3 + r.IntN(7)}
	}
	if p := r.IntN(20); p > 0 {
		m.eits = &ledger.EncodedInformationTypes{BuiltIn: names(m.eitBits, eitNames[:])}
		if m.eits.BuiltIn == nil {
			m.eits.BuiltIn = []string{}
		}
		if m.rich > 0 && p < 6 {
			m.eits.Extended = []string{"2.6.3.4.2", "1.0.10021.7.1.0." + strconv.Itoa(1+r.IntN(200))}
		}
	}
	c := &m.content
	c.seed = r.Uint64()
	c.size = o.Corpus.pick(r)
	huge := o.HugeContent > 0 && w.originated == w.hugeAt
	if huge {
		m.kind, c.size = ledger.KindMessage, o.HugeContent
	}
	c.subject = "Report " + strconv.Itoa(w.originated)
	if c.seed%3 == 0 {
		c.subject = "Wetter für " + choose(r, accented)
	}
	m.typ, c.kind = 22, contentP22
	switch p := r.IntN(40); {
	case m.old && (p > 1 || huge):
		m.typ, c.kind = 2, contentP2
	case m.old:
		m.typ, c.kind = 0, contentUnknown
	case huge: // A text, which can be as large as is asked for.
	case p == 0:
		m.typ, c.kind = 0, contentUnknown
	case p == 1:
		m.typ, m.typOID, c.kind = 0, extendedContentType, contentOctets
	case p == 2:
		m.typ, c.kind = 1, contentForeign
	case p == 3:
		m.typ, m.typOID, c.kind = 0, oidContentCMS, contentCMS
	case p == 4:
		m.typ, c.kind = contentTypeEDI, contentEDI
	case p == 5:
		m.typ, m.typOID, c.kind = 0, oidInner, contentInner
	case p < 10:
		m.typ, c.kind = 2, contentP2
	}
	if r.IntN(10) > 0 {
		m.cid = "CID " + strconv.Itoa(w.originated)
	}
	if p := r.IntN(10); p > 3 && m.kind == ledger.KindMessage {
		m.priority = (p - 4) % 3
	}
	m.noFlags = r.IntN(10) == 0
	if !m.noFlags {
		for i := range indicatorNames {
			if r.IntN(3) == 0 {
				m.indicators = append(m.indicators, i)
			}
		}
	}
	if m.kind == ledger.KindMessage && r.IntN(20) == 0 {
		m.deferred = at.Add(time.Duration(1+r.IntN(48)) * time.Hour).Truncate(time.Second)
	}
	if m.kind == ledger.KindProbe && r.IntN(4) > 0 {
		m.length = c.size
	}
	if r.IntN(25) == 0 {
		for range 1 + r.IntN(2) {
			m.bilateral = append(m.bilateral, bilateral{choose(r, w.domains), "bilateral " + strconv.Itoa(r.IntN(1000))})
		}
	}
	if !m.old {
		rate := m.rich
		if rate == 0 {
			rate = 0.01
		}
		if m.kind == ledger.KindProbe {
			m.extensions = probeExtensions(r, rate)
		} else {
			m.extensions = messageExtensions(r, from.domain, at, rate)
		}
	}

	n := 1
	if r.IntN(3) == 0 {
		n = 1 + r.IntN(o.MaxRecipients)
	}
	number := 0
	for range n {
		number++
		if r.IntN(10) == 0 {
			number++ // Other copies of the message bear the numbers left out.
		}
		rc := recipient{number: number, conversion: -1}
		d := to.domain
		responsible := true
		if r.IntN(6) == 0 {
			d = choose(r, w.domains)
			responsible = d == to.domain
		}
		rc.name = newAddress(d)
		if responsible {
			rc.indicators = append(rc.indicators, 0)
		}
		switch r.IntN(4) {
		case 0:
			rc.indicators = append(rc.indicators, 1)
		case 1:
			rc.indicators = append(rc.indicators, 1, 2)
		default:
			rc.indicators = append(rc.indicators, 2)
		}
		switch r.IntN(5) {
		case 0:
		case 1:
			rc.indicators = append(rc.indicators, 3)
		default:
			rc.indicators = append(rc.indicators, 4)
		}
		if r.IntN(30) == 0 {
			rc.conversion = [...]int{0, 8, 9, 10, 11, 12, 13, 14, 16, 17}[r.IntN(10)]
		}
		if !m.old && (m.rich > 0 || r.IntN(50) == 0) {
			rc.extensions = recipientExtensions(r, d, at, 0.1, m.kind == ledger.KindProbe)
		}
		m.recipients = append(m.recipients, rc)
	}
	if o.EveryContent > 0 && r.Float64() < o.EveryContent {
		if w.every == nil {
			w.every = everyContent()
		}
		m.carry(&w.every[w.carried%len(w.every)])
		w.carried++
	}
	m.arrive(w, at)
	return m
}

func (c Corpus) pick(r *rand.Rand) int {
	total := 0
	for _, s := range c.Steps {
		total += s.Weight
	}
	n := r.IntN(total)
	for _, s := range c.Steps {
		if n -= s.Weight; n < 0 {
			return s.Min + r.IntN(s.Max-s.Min+1)
		}
	}
	return 0
}

// localIdentifier makes the local part of an MTS identifier; MTAs differ in taste.
func (w *world) localIdentifier(m *mta, at time.Time) string {
	m.serial++
	if m.taste == 0 {
		return fmt.Sprintf("%s.%06d", m.short, m.serial)
	}
	return m.short + ":" + strconv.Itoa(m.serial) + "-" + at.UTC().Format("060102150405")
}

// arrive adds trace elements for the arrival at the MTA where the message now is: internal
// trace for each MTA, domain trace where it enters a domain (X.411 12.3.1, 14.3).
func (m *message) arrive(w *world, at time.Time) {
	r := w.rng
	here := m.path[m.at]
	at = at.Truncate(time.Second)
	el := traceElement{m: here, arrival: at}
	if r.IntN(25) == 0 {
		el.rerouted = true
		el.attempted = choose(r, w.mtas)
	}
	if r.IntN(40) == 0 {
		el.deferred = at.Add(-time.Hour)
	}
	if r.IntN(40) == 0 {
		el.converted = []int{2}
	}
	if r.IntN(40) == 0 {
		el.other = []int{r.IntN(2)}
	}
	if m.at == 0 || m.path[m.at-1].domain != here.domain {
		m.trace = append(m.trace, el)
	}
	if !m.old {
		el.internal = true
		m.internal = append(m.internal, el)
	}
}

// report makes a report on a message or probe that reached the end of its path.
func (w *world) report(s *message, at time.Time) *message {
	r := w.rng
	w.originated++
	here := s.path[s.at]
	m := &message{kind: ledger.KindReport, old: s.old, ready: at, rich: s.rich, subject: s, priority: -1,
		eits: s.eits, eitBits: s.eitBits, typ: s.typ, typOID: s.typOID, cid: s.cid, destination: s.originator}
	for i := s.at; i >= 0; i-- {
		m.path = append(m.path, s.path[i])
	}
	m.local = w.localIdentifier(here, at)
	if r.IntN(3) > 0 {
		m.subjectHops = s.trace
	}
	m.returned = s.kind == ledger.KindMessage && s.content.size < 4096 && r.IntN(6) == 0
	if r.IntN(8) == 0 {
		m.eits = nil
	}
	if r.IntN(10) == 0 {
		m.additional = "billing " + strconv.Itoa(r.IntN(1000))
	}
	if !m.old {
		rate := m.rich
		if rate == 0 {
			rate = 0.02
		}
		m.envelopeExt = reportExtensions(r, here.domain, here, at, rate)
		if r.IntN(5) == 0 {
			m.contentExt = append(m.contentExt, correlated(r))
		}
	}
	arrival := s.trace[len(s.trace)-1].arrival
	for i := range s.recipients {
		sr := &s.recipients[i]
		if i > 0 && r.IntN(3) == 0 {
			continue
		}
		rc := recipient{number: sr.number, name: sr.name, indicators: sr.indicators, arrival: arrival,
			delivered: r.IntN(3) > 0, diagnostic: -1, userType: -1, conversion: -1}
		if rc.delivered {
			rc.delivery = at.Add(-time.Duration(r.IntN(30)) * time.Second).Truncate(time.Second)
			if r.IntN(3) > 0 {
				rc.userType = r.IntN(7)
			}
		} else {
			rc.reason = r.IntN(9)
			if m.old {
				rc.reason = r.IntN(3)
			}
			if r.IntN(6) > 0 {
				rc.diagnostic = r.IntN(79)
				if m.old {
					rc.diagnostic = r.IntN(16)
				}
			}
		}
		if r.IntN(3) == 0 {
			rc.supplementary = "Line " + strconv.Itoa(r.IntN(100)) + ": no such user, please check"
		}
		if r.IntN(6) == 0 {
			rc.converted = []int{2}
		}
		if r.IntN(6) == 0 {
			rc.intended = plainAddress(r, here.domain).seal()
		}
		if !m.old && m.rich > 0 {
			rc.extensions = reportedExtensions(r, here.domain, at, 0.2)
		}
		m.recipients = append(m.recipients, rc)
	}
	m.arrive(w, at)
	return m
}

// apduWriter encodes MTS-APDUs; one belongs to each run.
type apduWriter struct {
	outer, inner encoder
	octetAligned bool            // The EXTERNAL holds the APDU as an OCTET STRING.
	carried      *ledger.Carried // What the operation encoded last carries.
}

// encode encodes m as it stands now, wrapped in an EXTERNAL unless bare, and returns the
// octets, which stay valid until the next call, and what the ledger says of them.
func (w *apduWriter) encode(m *message, bare bool, s style, explicit bool, r *rand.Rand) ([]byte, ledger.APDU) {
	e := &w.outer
	e.reset(s, r)
	l := ledger.APDU{Identifier: m.path[0].domain.identifier(m.local)}
	x, a := 0, 0
	if !bare {
		// EXTERNAL with the presentation context of the message transfer's abstract syntax.
		x = e.open(tagExternal)
		e.integer(tagInteger, contextMTSE)
		if w.octetAligned {
			e.b = append(e.b, 0x81)
			a = len(e.b)
		} else {
			a = e.open(0xa0)
		}
	}
	switch m.kind {
	case ledger.KindMessage:
		t := e.open(0xa0)
		env := e.openSet(tagSet)
		w.perMessage(m, &l, explicit)
		e.closeSet(env)
		w.contents(m, &l, tagOctetString)
		e.close(t)
	case ledger.KindProbe:
		env := e.openSet(0xa2)
		w.perMessage(m, &l, explicit)
		e.closeSet(env)
	default:
		t := e.open(0xa1)
		w.reportFields(m, &l, explicit)
		e.close(t)
	}
	if !bare {
		indefinite := e.style.indefinite
		e.style.indefinite = indefinite && !w.octetAligned
		e.close(a)
		e.style.indefinite = indefinite
		e.close(x)
	}
	return e.b, l
}

// contents appends the content in an OCTET STRING under the tag.
func (w *apduWriter) contents(m *message, l *ledger.APDU, tag byte) {
	subject := m
	if m.subject != nil {
		subject = m.subject
	}
	// The content is the originator's encoding and stays the same on all hops.
	inner := style{shuffle: subject.content.seed%8 == 0, indefinite: subject.content.seed%10 == 0}
	w.inner.reset(inner, rand.New(rand.NewPCG(subject.content.seed, 1)))
	l.Contents = subject.content.encode(&w.inner, subject, subject.trace[0].arrival)
	sum := sha256.Sum256(w.inner.b)
	l.ContentSize, l.ContentSHA256 = len(w.inner.b), hex.EncodeToString(sum[:])
	w.outer.octets(tag, w.inner.b)
	if len(l.Contents) > 0 && l.Contents[0].Kind == "ipm" {
		l.Subject = subject.content.subject
	}
}

func (w *apduWriter) contentType(m *message, l *ledger.APDU) {
	l.ContentType = &ledger.ContentType{BuiltIn: m.typ, OID: m.typOID}
	if m.typOID != "" {
		w.outer.oid(tagOID, m.typOID)
	} else {
		w.outer.integer(0x46, m.typ)
	}
}

func (w *apduWriter) encodedInformationTypes(m *message, l *ledger.APDU) {
	e := &w.outer
	l.EncodedInformationTypes = m.eits
	s := e.open(0x65)
	e.bits(0x80, 0, m.eitBits...)
	if len(m.eits.Extended) > 0 {
		x := e.open(0xa4)
		for _, o := range m.eits.Extended {
			e.oid(tagOID, o)
		}
		e.close(x)
	}
	e.close(s)
}

// perMessage appends the members of a message's or probe's envelope (X.411 figure 4).
func (w *apduWriter) perMessage(m *message, l *ledger.APDU, explicit bool) {
	e := &w.outer
	e.member()
	e.mtsIdentifier(m.path[0].domain, m.local)
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
	if len(m.bilateral) > 0 {
		e.member()
		p := e.open(0xa1)
		for _, b := range m.bilateral {
			l.Bilateral = append(l.Bilateral, e.bilateral(b))
		}
		e.close(p)
	}
	e.member()
	e.traceInformation(0x69, m.trace, &l.Trace)
	if list := w.withInternal(m.extensions, m, l); len(list) > 0 {
		e.member()
		l.Extensions = e.extensions(0xa3, list, explicit)
	}
	e.member()
	p := e.open(0xa2)
	for i := range m.recipients {
		rc := &m.recipients[i]
		lr := rc.ledger()
		s := e.openSet(tagSet)
		e.member()
		e.orName(0x60, rc.name)
		e.member()
		e.integer(0x80, rc.number)
		e.member()
		e.bits(0x81, 8, rc.indicators...)
		if rc.conversion >= 0 {
			e.member()
			e.integer(0x82, rc.conversion)
			lr.ExplicitConversion = &rc.conversion
		}
		if len(rc.extensions) > 0 {
			e.member()
			lr.Extensions = e.extensions(0xa3, rc.extensions, explicit)
		}
		e.closeSet(s)
		l.Recipients = append(l.Recipients, lr)
	}
	e.close(p)
}

// withInternal adds internal-trace-information to the extensions of an envelope.
func (w *apduWriter) withInternal(list []extension, m *message, l *ledger.APDU) []extension {
	if len(m.internal) == 0 {
		return list
	}
	out := append(make([]extension, 0, len(list)+1), list...)
	return append(out, extension{number: 38, readable: "internal-trace-information", value: func(e *encoder) {
		l.InternalTrace = nil
		e.traceInformation(tagSequence, m.internal, &l.InternalTrace)
	}})
}

func (rc *recipient) ledger() ledger.Recipient {
	lr := ledger.Recipient{Number: rc.number, Name: *rc.name.ledger, OriginatorReport: "no-report"}
	for _, b := range rc.indicators {
		switch b {
		case 0:
			lr.Responsibility = true
		case 1:
			lr.OriginatingMTA = "report"
		case 2:
			if lr.OriginatingMTA == "report" {
				lr.OriginatingMTA = "audited-report"
			} else {
				lr.OriginatingMTA = "non-delivery-report"
			}
		case 3:
			lr.OriginatorReport = "report"
		case 4:
			lr.OriginatorReport = "non-delivery-report"
		}
	}
	return lr
}

func (e *encoder) bilateral(b bilateral) ledger.Bilateral {
	m := e.open(tagSequence)
	b.d.country(e, 0x61)
	if b.d.prmd == "" {
		b.d.administration(e, 0x62)
	} else {
		p := e.open(tagSequence)
		b.d.administration(e, 0xa0)
		q := e.open(0xa1)
		b.d.private(e)
		e.close(q)
		e.close(p)
	}
	from := len(e.b)
	e.text(tagIA5, b.text)
	v := hex.EncodeToString(e.b[from:])
	e.close(m)
	return ledger.Bilateral{Domain: b.d.text(), Value: v}
}

// traceInformation appends TraceInformation or InternalTraceInformation.
func (e *encoder) traceInformation(tag byte, list []traceElement, out *[]ledger.TraceElement) {
	m := e.open(tag)
	for i := range list {
		t := &list[i]
		l := ledger.TraceElement{Domain: t.m.domain.text(), Arrival: t.arrival}
		s := e.open(tagSequence)
		t.m.domain.global(e)
		if t.internal {
			e.text(tagIA5, t.m.name)
			l.MTA = t.m.name
		}
		info := e.openSet(tagSet)
		e.member()
		e.time(0x80, t.arrival)
		e.member()
		if t.rerouted {
			l.Action = 1
		}
		e.integer(0x82, l.Action)
		if t.attempted != nil {
			e.member()
			if t.internal {
				e.text(tagIA5, t.attempted.name)
				l.AttemptedMTA = t.attempted.name
			} else {
				t.attempted.domain.global(e)
				l.Attempted = t.attempted.domain.text()
			}
		}
		if !t.deferred.IsZero() {
			e.member()
			e.time(0x81, t.deferred)
			l.Deferred = &t.deferred
		}
		if t.converted != nil {
			e.member()
			e.converted(t.converted)
			l.Converted = names(t.converted, eitNames[:])
		}
		if t.other != nil {
			e.member()
			e.bits(0x83, 0, t.other...)
			l.OtherActions = names(t.other, otherActionNames[:])
		}
		e.closeSet(info)
		e.close(s)
		*out = append(*out, l)
	}
	e.close(m)
}

func (e *encoder) converted(bits []int) {
	c := e.open(0x65)
	e.bits(0x80, 0, bits...)
	e.close(c)
}

// reportFields appends the two components of a Report (X.411 figure 4).
func (w *apduWriter) reportFields(m *message, l *ledger.APDU, explicit bool) {
	e := &w.outer
	env := e.openSet(tagSet)
	e.member()
	e.mtsIdentifier(m.path[0].domain, m.local)
	e.member()
	e.orName(0x60, m.destination)
	l.Destination = m.destination.ledger
	e.member()
	e.traceInformation(0x69, m.trace, &l.Trace)
	if list := w.withInternal(m.envelopeExt, m, l); len(list) > 0 {
		e.member()
		l.Extensions = e.extensions(0xa1, list, explicit)
	}
	e.closeSet(env)

	s := m.subject
	c := e.openSet(tagSet)
	e.member()
	e.mtsIdentifier(s.path[0].domain, s.local)
	id := s.path[0].domain.identifier(s.local)
	l.SubjectID = &id
	if len(m.subjectHops) > 0 {
		e.member()
		e.traceInformation(0x69, m.subjectHops, &l.SubjectTrace)
	}
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
	if m.returned {
		e.member()
		w.contents(m, l, 0x81)
	}
	if m.additional != "" {
		e.member()
		a := e.open(0xa2)
		e.text(tagIA5, m.additional)
		l.AdditionalInformation = hex.EncodeToString(e.b[a:])
		e.close(a)
	}
	if len(m.contentExt) > 0 {
		e.member()
		l.ContentExtensions = e.extensions(0xa3, m.contentExt, explicit)
	}
	e.member()
	p := e.open(0xa0)
	for i := range m.recipients {
		w.reported(&m.recipients[i], l, explicit)
	}
	e.close(p)
	e.closeSet(c)
}

// reported appends PerRecipientReportTransferFields.
func (w *apduWriter) reported(rc *recipient, l *ledger.APDU, explicit bool) {
	e := &w.outer
	lr := rc.ledger()
	lr.Arrival = &rc.arrival
	s := e.openSet(tagSet)
	e.member()
	e.orName(0xa0, rc.name)
	e.member()
	e.integer(0x81, rc.number)
	e.member()
	e.bits(0x82, 8, rc.indicators...)
	e.member()
	last := e.openSet(0xa3)
	e.member()
	e.time(0x80, rc.arrival)
	if rc.converted != nil {
		e.member()
		e.converted(rc.converted)
		lr.Converted = names(rc.converted, eitNames[:])
	}
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
	e.closeSet(last)
	if rc.intended != nil {
		e.member()
		e.orName(0xa4, rc.intended)
		lr.Intended = rc.intended.ledger
	}
	if rc.supplementary != "" {
		e.member()
		e.text(0x85, rc.supplementary)
		lr.Supplementary = &rc.supplementary
	}
	if len(rc.extensions) > 0 {
		e.member()
		lr.Extensions = e.extensions(0xa6, rc.extensions, explicit)
	}
	e.closeSet(s)
	l.Recipients = append(l.Recipients, lr)
}
