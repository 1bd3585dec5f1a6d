package decode

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"x400flow/osi/association"
	"x400flow/osi/session"
	"x400flow/pipeline/record"
	"x400flow/schema"
	"x400flow/x411"
	"x400flow/x411/ipm"
)

// rows is what making rows reuses.
type rows struct {
	texts   text
	joined  []byte       // A content that came in segments.
	content []byte       // The content of the APDU.
	earlier []byte       // The same octets as they are known already, nil where they are not.
	seen    *seenContent // Where the content is found when it comes again, nil where it is not.
	// in is the association in whose memory the content is, if it can be kept there.
	in      *association.Association
	keyless []byte // A copy without the keys that it showed.
	digest  [sha256.Size]byte
	message schema.Message
	rcpt    schema.Recipient
	trace   schema.TraceElement
	ext     schema.Extension
	body    schema.Content
	base    int // Octets of the APDU before what its envelope was decoded of.
	// unanswered says that the result of the submission was not seen, so that a
	// reading that saw it knows more.
	unanswered bool
	dda        [2]text
	number     [3]text
}

// finding is what a problem row says.
type finding struct {
	layer, reason string
	item          *record.Item // Where.
	source        []byte
	octets        uint64 // How many octets are concerned.
	evidence      []byte // They, or the first of them.
	digest        []byte // Their SHA-256, where known.
	path          []byte
	detail        []byte
	transfer      [16]byte
	apdu          [16]byte
	// id identifies it where it may have begun on another connection; otherwise it
	// follows from the item. What is told elsewhere than where it began is shown
	// only where that is not told.
	id        [16]byte
	elsewhere bool
}

// problem appends a problem row, unless the connection has had its share.
func (w *worker) problem(c *connection, f *finding) {
	if c.quiet {
		return
	}
	if c.row.Problems >= uint64(w.pool.cfg.MaxProblems) {
		c.row.ProblemsSuppressed++
		return
	}
	c.row.Problems++
	w.pool.problems.Add(1)
	if w.pool.cfg.Trouble != nil {
		client, err := netip.ParseAddr(string(c.text.client))
		server, err2 := netip.ParseAddr(string(c.text.server))
		if err == nil && err2 == nil {
			w.pool.cfg.Trouble(netip.AddrPortFrom(client, c.row.ClientPort), netip.AddrPortFrom(server, c.row.ServerPort))
		}
	}
	if f.id == [16]byte{} {
		f.id = problemID(c.flow, f.item.Dir, f.item.Sequence, f.layer, f.reason)
	}
	p := schema.Problem{
		Problem:     f.id,
		Association: c.key.id, Transfer: f.transfer, APDU: f.apdu,
		Version: f.octets<<16 | Version,
		Sensor:  c.text.sensor, Source: f.source,
		ClientAddress: c.text.client, ClientPort: c.row.ClientPort,
		ServerAddress: c.text.server, ServerPort: c.row.ServerPort,
		Layer: f.layer, Reason: f.reason, Path: f.path, Direction: direction(f.item.Dir),
		StreamOffset: f.item.Offset, TCPSequence: f.item.Sequence, Frame: f.item.Frame, Time: f.item.Time,
		Octets: f.evidence[:min(len(f.evidence), maxEvidence)], OctetCount: f.octets,
		Detail: f.detail, DecoderVersion: Version,
	}
	if w.pool.cfg.EnvelopeOnly {
		p.Octets = nil // They may be those of a content.
	}
	if !f.elsewhere {
		p.Version |= 1 << 63
	}
	copy(p.SHA256[:], f.digest)
	w.batch.Problems.Append(&p)
}

func direction(dir uint8) string {
	if dir == association.FromServer {
		return "server-to-client"
	}
	return "client-to-server"
}

// drain takes the association's events.
func (w *worker) drain(c *connection, rec *record.Record) {
	ev := &w.ev
	for c.assoc.Next(ev) {
		if c.quiet && ev.Kind != association.Operation {
			continue // Its rows are in the archive, and so is what follows from it.
		}
		switch ev.Kind {
		case association.BindArgument:
			c.text.initiatorDir = ev.Dir
			c.row.Recover = c.row.Recover || ev.Recover
			if len(ev.Octets) > 0 {
				w.bound(c, x411.BindArgument)
			}
		case association.BindResult:
			w.bound(c, x411.BindResult)
			c.row.BindOutcome = "accepted"
		case association.BindError:
			w.bound(c, x411.BindError)
			c.row.BindOutcome, c.row.Release = "rejected", "rejected"
		case association.Accept:
			if c.row.BindOutcome == "" {
				c.row.BindOutcome = "accepted"
			}
		case association.Refusal:
			c.row.BindOutcome, c.row.Release = "rejected", "rejected"
			c.detail(ev.Text())
			c.over(ev)
		case association.Release:
			if !ev.Refused {
				c.row.Release = "released"
			}
		case association.Abort:
			c.row.Release = "user-abort"
			if ev.Layer != association.LayerUser && ev.Layer != association.LayerRTSE && ev.Layer != association.LayerACSE {
				c.row.Release = "provider-abort"
			}
			c.over(ev)
			if c.row.BindOutcome == "" {
				c.row.BindOutcome = "aborted"
				c.detail(ev.Text())
			}
		case association.APDU:
			w.transferred(c)
		case association.Operation:
			w.operation(c)
		case association.Unfinished:
			w.unfinished(c, rec)
		case association.Problem:
			at := place(&ev.At, ev.Dir)
			f := finding{
				layer: ev.Layer.String(), reason: ev.Text(), item: &at, source: w.pool.sources.name(at.Source),
				octets: uint64(len(ev.Octets)), evidence: ev.Octets,
			}
			if len(ev.Octets) > 0 {
				w.row.digest = sha256.Sum256(ev.Octets)
				f.digest = w.row.digest[:]
			}
			switch {
			case len(ev.Activity) > 0:
				f.detail = w.activity(w.row.texts.reset(), "").bytes()
			case ev.Layer == association.LayerAssociation && ev.Code == uint8(association.ErrContext):
				f.detail = w.row.texts.reset().str("context ").int(ev.Reason).bytes()
			}
			w.problem(c, &f)
		}
		if len(ev.Octets) > maxScratch {
			w.letGo()
		}
	}
}

// letGo forgets a large APDU. Decoders keep their lists, and behind the ends of these refer
// to what they decoded before.
func (w *worker) letGo() {
	w.ev = association.Event{}
	w.ready()
	w.row.joined, w.row.keyless, w.row.content = nil, nil, nil
	w.row.message, w.row.body = schema.Message{}, schema.Content{}
}

// ready makes decoders that hold nothing. They share the names that are known, with control.
func (w *worker) ready() {
	w.apdu = x411.APDU{Names: &w.names}
	w.inside = inside{content: ipm.Content{Names: &w.names}}
	w.control.Use(&w.names)
}

// activity names the event's activity and the session connection that it was
// started in.
func (w *worker) activity(t *text, separator string) *text {
	if len(w.ev.Activity) > 0 {
		t.str(separator).str("activity ").selector(w.ev.Activity)
		separator = ", "
	}
	if len(w.ev.Session) > 0 {
		t.str(separator).str("session connection ").selector(w.ev.Session)
	}
	return t
}

// detail keeps the first reason that a bind failed.
func (c *connection) detail(text string) {
	if len(c.text.detail) == 0 {
		c.text.detail = append(c.text.detail, text...)
	}
}

// over keeps why the association ended.
func (c *connection) over(ev *association.Event) {
	t := text{c.text.release[:0]}
	t.str(ev.Layer.String())
	switch {
	case ev.Text() != "":
		t.str(": ").str(ev.Text())
	case ev.Reason >= 0:
		t.str(": ").int(ev.Reason)
	}
	c.text.release = t.bytes()
}

// place makes an item of a place, for problem rows.
func place(p *association.Place, dir uint8) record.Item {
	return record.Item{Dir: dir, Sequence: p.Seq, Offset: p.Offset, Time: p.Time, Frame: p.Frame, Source: p.Source}
}

// bound takes a part of the MTA bind.
func (w *worker) bound(c *connection, role x411.BindRole) {
	ev, b := &w.ev, &w.bind
	if len(ev.Octets) == 0 {
		return
	}
	decode := b.Decode
	if c.assoc.Class() == association.ClassP7 {
		decode = b.DecodeMS
	}
	if decode(ev.Octets, role) != x411.StatusOK {
		at := place(&ev.At, ev.Dir)
		w.row.digest = sha256.Sum256(ev.Octets)
		w.problem(c, &finding{
			layer: x411.Layer, reason: b.Failure.Code.String(), path: b.Failure.Path, item: &at,
			source: w.pool.sources.name(at.Source), octets: uint64(len(ev.Octets)), evidence: ev.Octets, digest: w.row.digest[:],
		})
		if b.Status == x411.StatusFailed {
			return
		}
	}
	name := b.Name
	if b.User.Present {
		name = b.User.Text
	}
	switch b.Role {
	case x411.BindArgument:
		c.text.initiator = append(c.text.initiator[:0], name...)
		c.row.InitiatorCredentials = b.Credentials.String()
		c.text.initiatorBind = append(c.text.initiatorBind[:0], b.Text...)
	case x411.BindResult:
		c.text.responder = append(c.text.responder[:0], name...)
		c.row.ResponderCredentials = b.Credentials.String()
		c.text.responderBind = append(c.text.responderBind[:0], b.Text...)
	case x411.BindError:
		if name := b.ErrorName(); name != "" {
			c.detail(name)
		} else {
			c.detail("bind error " + strconv.Itoa(int(b.Error)))
		}
	}
}

// unfinished tells of a transfer that did not come to its end.
func (w *worker) unfinished(c *connection, rec *record.Record) {
	ev := &w.ev
	if ev.Pieces == 0 && len(ev.Octets) == 0 && rec.End == record.CaptureEnd {
		// The capture ends between the start of an activity and its first octet.
		// The transfer lies in what follows, if anywhere.
		return
	}
	w.pool.unfinished.Add(1)
	at := place(&ev.Origin.Place, ev.Dir)
	t := w.row.texts.reset().str(ev.Why.String())
	if ev.Reason >= 0 {
		t.str(", reason ").int(ev.Reason).str(": ").str(session.ActivityReason(uint8(ev.Reason)))
	}
	w.activity(t, ", ")
	w.row.digest = sha256.Sum256(ev.Octets)
	w.problem(c, &finding{
		layer: "rtse", reason: "unfinished", item: &at, source: w.pool.sources.name(at.Source), octets: uint64(len(ev.Octets)),
		evidence: ev.Octets, digest: w.row.digest[:], transfer: transferID(&ev.Origin), detail: t.bytes(),
		id: problemID(ev.Origin.Connection, ev.Origin.Dir, ev.Origin.Seq, "rtse", "unfinished"), elsewhere: ev.Elsewhere,
	})
}

// transferred takes an APDU that RTSE delivered.
func (w *worker) transferred(c *connection) {
	ev, m := &w.ev, &w.row.message
	w.pool.resumed.Add(uint64(ev.Interruptions - ev.Untold))
	w.sighted(c, m)
	if len(ev.Octets) >= schema.Large && !w.pool.cfg.EnvelopeOnly {
		if b := c.assoc.Keep(ev); b != nil {
			w.batch.Adopt(b)
		}
	}
	w.begin()
	defer w.end()
	w.row.in = c.assoc
	status, octets := w.rows(m, ev.Octets, &ev.Origin)
	if status != x411.StatusOK {
		a := &w.apdu
		at := place(&ev.Origin.Place, ev.Dir)
		w.row.digest = sha256.Sum256(ev.Octets)
		w.problem(c, &finding{
			layer: x411.Layer, reason: a.Failure.Code.String(), path: a.Failure.Path, item: &at,
			source: m.Source, octets: uint64(len(octets)), evidence: octets, digest: w.row.digest[:],
			transfer: m.Transfer, apdu: m.APDU,
			detail: w.row.texts.reset().str("at octet ").int(int64(a.Failure.Offset)).str(" of the APDU").bytes(),
		})
	}
	if status == x411.StatusFailed {
		return
	}
	w.innerProblems(c, m)
	switch w.apdu.Kind {
	case x411.KindMessage:
		c.row.Messages++
		w.pool.messages.Add(1)
	case x411.KindProbe:
		c.row.Probes++
		w.pool.probes.Add(1)
	case x411.KindReport:
		c.row.Reports++
		w.pool.reports.Add(1)
	}
}

// sighted fills in where m, the APDU of the event, was seen, but for its identifier.
func (w *worker) sighted(c *connection, m *schema.Message) {
	ev := &w.ev
	facts := c.assoc.Facts()
	*m = schema.Message{}
	m.Transfer, m.Association = transferID(&ev.Origin), c.key.id
	m.Sensor, m.Source, m.Direction = c.text.sensor, w.pool.sources.name(ev.Origin.Source), direction(ev.Dir)
	m.FirstFrame, m.LastFrame = ev.Origin.Frame, ev.Last.Frame
	m.StreamOffset, m.StreamEnd, m.TCPSequence = ev.Origin.Offset, ev.Last.Offset+1, ev.Origin.Seq
	m.CapturedAt, m.CapturedUntil = ev.Origin.Time, ev.Last.Time
	m.SourceAddress, m.SourcePort = c.text.client, c.row.ClientPort
	m.DestinationAddress, m.DestinationPort = c.text.server, c.row.ServerPort
	m.SendingMTA, m.ReceivingMTA = c.text.initiator, c.text.responder
	m.Protocol, m.Mode = protocolName(c.assoc.Class()), modeName(facts.Mode)
	m.Inferred, m.OneDirection, m.Interruptions = ev.Inferred, facts.OneDirection, uint32(ev.Interruptions)
	m.Resumed = ev.Interruptions > 0
	if ev.Dir == association.FromServer {
		m.SourceAddress, m.DestinationAddress = m.DestinationAddress, m.SourceAddress
		m.SourcePort, m.DestinationPort = m.DestinationPort, m.SourcePort
	}
	if ev.Dir != c.text.initiatorDir {
		m.SendingMTA, m.ReceivingMTA = m.ReceivingMTA, m.SendingMTA
	}
	if ev.Elsewhere {
		m.ResumedFrom = c.resumed[m.Transfer]
	}
}

// rows decodes an APDU and appends its rows; m says where it came from, and unless
// origin is nil it is given its identifier. An APDU that cannot be decoded at all gives
// none. It is called between begin and end. shown are the octets that may be shown.
func (w *worker) rows(m *schema.Message, octets []byte, origin *association.Origin) (status x411.Status, shown []byte) {
	w.row.base, w.row.unanswered = 0, false
	status = w.apdu.Decode(octets)
	w.content()
	w.row.in = nil
	if origin != nil {
		var content x411.Range
		if x := &w.apdu.Content; x.Present && !x.Constructed {
			content = x.Contents
		}
		w.identify(m, origin, octets, content)
	}
	if status == x411.StatusFailed {
		return status, octets
	}
	if keys := w.apdu.Keys(); len(keys) > 0 {
		octets = w.without(keys, 0, octets)
		w.apdu.Decode(octets)
		w.content()
	}
	return w.envelope(m, octets), octets
}

// content finds the content of the APDU decoded, and has it digested.
func (w *worker) content() {
	x := &w.apdu.Content
	if w.row.content, w.row.earlier = nil, nil; !x.Present {
		w.digests.now.content = contentSum{number: -1}
		return
	}
	if w.row.content = x.Octets; x.Constructed {
		w.row.joined = w.apdu.AppendContent(w.row.joined[:0])
		w.row.content, w.row.in = w.row.joined, nil
	}
	w.digest(w.row.content)
}

// without returns a copy of octets in which keys, told from base, are overwritten. It
// lives until the next call.
func (w *worker) without(keys []x411.Range, base int, octets []byte) []byte {
	w.row.keyless = append(w.row.keyless[:0], octets...)
	overwrite(w.row.keyless[base:], keys)
	return w.row.keyless
}

func overwrite(octets []byte, ranges []x411.Range) {
	for _, r := range ranges {
		for i := range r.Of(octets) {
			octets[r.Start+i] = '*'
		}
	}
}

// envelope appends the rows of the envelope decoded, after content; octets are the APDU
// that it came in.
func (w *worker) envelope(m *schema.Message, octets []byte) x411.Status {
	a := &w.apdu
	w.inside.present = false
	status := a.Status
	m.Version = schema.Knowledge{
		Opened: !m.Inferred, Both: !m.OneDirection && !w.row.unanswered, Decoder: Version, CapturedAt: m.CapturedAt, Sensor: m.Sensor,
	}.Version()
	m.DecoderVersion = Version
	m.Kind, m.Status = a.Kind.String(), status.String()
	identifier(&m.ID, &a.ID)
	m.ContentType, m.ContentTypeNumber, m.ContentTypeOID = a.ContentType.Text, a.ContentType.Builtin, a.ContentType.OID
	m.ContentIdentifier, m.DeferredDelivery = a.ContentID, instant(&a.DeferredDelivery)
	m.EITs, m.EITsPresent, m.EITsNonBasic = a.OriginalEITs.Text, a.OriginalEITs.Present, a.OriginalEITs.NonBasic
	m.AdditionalInformation, m.AdditionalInformationRaw = a.AdditionalText, a.AdditionalInformation
	m.APDUSize, m.ContentPresent, m.ContentSize = uint64(len(octets)), a.Content.Present, -1
	if a.Content.Present {
		m.ContentSize = int64(a.Content.Size)
	}
	m.RecipientCount, m.RecipientsOmitted = uint32(len(a.Recipients)), uint32(a.MoreRecipients)
	m.TraceCount, m.InternalTraceCount = uint32(len(a.Trace)), uint32(len(a.InternalTrace))
	m.UnknownFields, m.FirstUnknown = uint32(a.UnknownFields), a.FirstUnknown
	m.SubmissionTime, m.DeliveryTime = instant(&a.SubmissionTime), instant(&a.DeliveryTime)
	if a.Kind == x411.KindDelivery || a.Kind == x411.KindFetch {
		m.OriginTime = seconds(m.SubmissionTime)
	}
	if len(a.Trace) > 0 {
		m.OriginTime = seconds(instant(&a.Trace[0].ArrivalTime))
		m.LastTraceTime = instant(&a.Trace[len(a.Trace)-1].ArrivalTime)
	}
	if status != x411.StatusOK {
		m.ErrorLayer, m.ErrorReason = x411.Layer, a.Failure.Code.String()
		m.ErrorPath, m.ErrorOffset = a.Failure.Path, uint64(w.row.base+a.Failure.Offset)
	}
	switch {
	case a.Report():
		m.ReportDestination, m.ReportDestinationKey = a.Destination.Text, a.Destination.Key
		identifier(&m.Subject, &a.SubjectID)
	case a.Kind == x411.KindProbe || a.Kind == x411.KindProbeSubmission:
		m.ContentSize = max(a.ContentLength, -1)
	default:
		m.Priority, m.PriorityPresent = a.Priority.Name(), a.PriorityPresent
	}
	if !a.Report() {
		orName(&m.Originator, &a.Originator, &w.row.dda[0])
		w.indicators(m)
	}
	for i := range a.Extensions {
		if x := &a.Extensions[i]; x.Name == "message-security-label" {
			m.SecurityLabel = x.Value
		}
	}
	w.children(m)
	w.contents(m, octets)
	w.batch.Messages.Append(m)
	return status
}

func (w *worker) indicators(m *schema.Message) {
	a := &w.apdu
	m.IndicatorsPresent = a.IndicatorsPresent
	m.IndicatorBits = uint32(a.Indicators)
	m.DisclosureOfOtherRecipients = a.Indicators&x411.DisclosureOfOtherRecipients != 0
	m.ImplicitConversionProhibited = a.Indicators&x411.ImplicitConversionProhibited != 0
	m.AlternateRecipientAllowed = a.Indicators&x411.AlternateRecipientAllowed != 0
	m.ContentReturnRequest = a.Indicators&x411.ContentReturnRequest != 0
	m.ServiceMessage = a.Indicators&x411.ServiceMessage != 0
}

// children appends the rows that belong to m.
func (w *worker) children(m *schema.Message) {
	a, b := &w.apdu, w.batch
	scope := "message"
	recipientScope := "recipient"
	switch a.Kind {
	case x411.KindProbe, x411.KindProbeSubmission:
		scope, recipientScope = "probe", "probe-recipient"
	case x411.KindReport, x411.KindReportDelivery:
		scope, recipientScope = "report", "reported-recipient"
	}
	for i := range a.Bilateral {
		x := &a.Bilateral[i]
		r := schema.Bilateral{
			APDU: m.APDU, OriginTime: m.OriginTime, CapturedAt: m.CapturedAt, Version: m.Version, Position: uint32(i + 1),
			Value: x.Text, Raw: x.Value,
		}
		domain(&r.Domain, &x.Domain)
		b.Bilaterals.Append(&r)
	}
	w.extensions(m, a.Extensions, scope, 0)
	w.extensions(m, a.ContentExtensions, "report-content", 0)
	w.traces(m, a.Trace, "envelope", "domain")
	w.traces(m, a.InternalTrace, "envelope", "internal")
	w.traces(m, a.SubjectTrace, "report-subject", "domain")
	subject := a.ID.Text
	if a.Report() {
		subject = a.SubjectID.Text
	}
	for i := range a.Recipients {
		w.recipient(m, &a.Recipients[i], uint32(i+1), subject)
		w.extensions(m, a.Recipients[i].Extensions, recipientScope, uint32(i+1))
	}
}

func (w *worker) recipient(m *schema.Message, x *x411.Recipient, position uint32, subject []byte) {
	r := &w.row.rcpt
	*r = schema.Recipient{}
	r.APDU, r.OriginTime, r.CapturedAt, r.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
	r.Position, r.Kind, r.MTSID, r.SubjectMTSID = position, m.Kind, m.ID.Text, subject
	r.Number = int32(x.Number)
	orName(&r.Name, &x.Name, &w.row.dda[1])
	r.Responsibility = x.Indicators&x411.Responsibility != 0
	r.OriginatingMTAReport = x.Indicators&x411.OriginatingMTAReport != 0
	r.OriginatingMTANonDeliveryReport = x.Indicators&x411.OriginatingMTANonDeliveryReport != 0
	r.OriginatorReport = x.Indicators&x411.OriginatorReport != 0
	r.OriginatorNonDeliveryReport = x.Indicators&x411.OriginatorNonDeliveryReport != 0
	r.IndicatorBits, r.ReasonCode, r.DiagnosticCode = uint32(x.Indicators), -1, -1
	if x.ExplicitConversion >= 0 {
		r.ExplicitConversion = named(&w.row.number[0], x.ExplicitConversion.Name(), int64(x.ExplicitConversion))
	}
	r.OtherRecipient = x.Other
	if !w.apdu.Report() && (w.apdu.Kind == x411.KindDelivery || w.apdu.Kind == x411.KindFetch) {
		r.Intended, r.IntendedKey = x.Intended.Text, x.Intended.Key
		if !x.Other {
			r.DeliveryTime, r.ConvertedEITs = instant(&w.apdu.DeliveryTime), w.apdu.ConvertedEITs.Text
		}
	}
	if w.apdu.Report() {
		r.ArrivalTime, r.ConvertedEITs = instant(&x.ArrivalTime), x.ConvertedEITs.Text
		r.SupplementaryInformation = x.Supplementary
		r.Intended, r.IntendedKey = x.Intended.Text, x.Intended.Key
		switch x.Outcome {
		case x411.OutcomeDelivered:
			r.Outcome = "delivered"
			r.DeliveryTime = instant(&x.DeliveryTime)
			if r.MTSUserType = x.UserType.Name(); x.UserType < 0 {
				r.MTSUserType = "public"
			}
		case x411.OutcomeNotDelivered:
			r.Outcome = "not-delivered"
			r.ReasonCode = int32(x.Reason)
			r.Reason = named(&w.row.number[1], x.Reason.Name(), int64(x.Reason))
			if x.Diagnostic >= 0 {
				r.DiagnosticCode = int32(x.Diagnostic)
				r.Diagnostic = named(&w.row.number[2], x.Diagnostic.Name(), int64(x.Diagnostic))
			}
		}
	}
	w.batch.Recipients.Append(r)
}

func (w *worker) traces(m *schema.Message, elements []x411.TraceElement, scope, level string) {
	for i := range elements {
		x := &elements[i]
		t := &w.row.trace // Each field is set, so that it need not be cleared.
		t.APDU, t.OriginTime, t.CapturedAt, t.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
		t.Scope, t.Level, t.Seq, t.Kind, t.MTSID = scope, level, uint32(i+1), m.Kind, m.ID.Text
		domain(&t.Domain, &x.Domain)
		domain(&t.Attempted, &x.AttemptedDomain)
		t.MTAName, t.ArrivalTime = x.MTAName, instant(&x.ArrivalTime)
		t.ArrivalTimeRaw, t.RoutingAction = x.ArrivalTime.Raw, x.RoutingAction.Name()
		t.AttemptedMTA, t.DeferredTime, t.ConvertedEITs = x.AttemptedMTA, instant(&x.DeferredTime), x.ConvertedEITs.Text
		t.OtherActions = x.OtherActions.AppendNames(w.row.number[0].reset().b)
		w.row.number[0].b = t.OtherActions
		w.batch.Trace.Append(t)
	}
}

func (w *worker) extensions(m *schema.Message, list []x411.Extension, scope string, owner uint32) {
	for i := range list {
		x := &list[i]
		e := &w.row.ext // Each field is set, so that it need not be cleared.
		e.APDU, e.OriginTime, e.CapturedAt, e.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
		e.Scope, e.Owner, e.Position, e.Number, e.OID, e.Name = scope, owner, uint32(i+1), x.Number, x.OID, x.Name
		e.CriticalForSubmission = x.Critical&x411.CriticalForSubmission != 0
		e.CriticalForTransfer = x.Critical&x411.CriticalForTransfer != 0
		e.CriticalForDelivery = x.Critical&x411.CriticalForDelivery != 0
		e.Value, e.Raw, e.OctetOffset, e.Error = x.Value, x.Raw, uint64(w.row.base+x.Offset), ""
		if x.Err != x411.CodeNone {
			e.Error = x.Err.String()
		}
		w.batch.Extensions.Append(e)
		m.ExtensionCount++
	}
}

// contents appends the row that holds m's octets.
func (w *worker) contents(m *schema.Message, in []byte) {
	a := &w.apdu
	k := &w.row.body
	*k = schema.Content{}
	k.APDU, k.OriginTime, k.CapturedAt, k.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
	k.Kind, k.Kept, k.Head, k.ContentInline = "none", true, in, true
	if a.Content.Present {
		k.Kind = "content"
		if a.Report() {
			k.Kind = "returned-content"
		}
		octets := w.row.content
		cut := a.Content.Contents
		if a.Content.Constructed {
			cut = a.Content.Encoding
		}
		k.Size = uint64(len(octets))
		k.Kept = !w.pool.cfg.EnvelopeOnly
		if k.Kept {
			k.Content = octets
		}
		if !k.Kept || !a.Content.Constructed {
			k.Head, k.Tail, k.ContentInline = in[:w.row.base+cut.Start], in[w.row.base+cut.End:], false
		}
	}
	kept := w.batch.AppendContent(k, w.row.earlier)
	if a.Content.Present {
		if k.Kept {
			w.lasts(kept)
		}
		w.inner(m, w.row.content)
	}
}

// maxScratch bounds the APDUs of which memory is kept for others.
const maxScratch = 1 << 20

// associationRow appends the row of a connection as it stands.
func (w *worker) associationRow(c *connection) {
	f, t, d, r := c.assoc.Facts(), c.text, &w.derived, &c.row
	class := c.assoc.Class()
	d.context, d.contextName = d.context[:0], d.contextName[:0]
	if len(f.ApplicationContext) > 0 {
		d.context, _ = w.control.AppendOID(d.context, f.ApplicationContext)
		d.contextName = append(d.contextName, contextName(d.context)...)
	} else if f.Mode == association.ModeX410 && f.ApplicationProtocol >= 0 {
		d.context = strconv.AppendInt(d.context, f.ApplicationProtocol, 10)
	}
	d.syntaxes = d.syntaxes[:0]
	for i := range f.Contexts {
		if x := &f.Contexts[i]; x.Accepted || !x.Answered {
			if len(d.syntaxes) > 0 {
				d.syntaxes = append(d.syntaxes, ',')
			}
			d.syntaxes, _ = w.control.AppendOID(d.syntaxes, x.Abstract)
		}
	}
	selector := func(dst *[]byte, v []byte) []byte {
		*dst = appendSelector((*dst)[:0], v)
		return *dst
	}
	r.Sensor, r.Source = t.sensor, t.source
	r.ClientAddress, r.ServerAddress = t.client, t.server
	r.Inferred, r.OneDirection = f.Inferred, f.OneDirection
	r.Class, r.Protocol, r.Mode = className(c), protocolName(class), modeName(f.Mode)
	r.ApplicationContext, r.ApplicationContextName, r.AbstractSyntaxes = d.context, d.contextName, d.syntaxes
	r.ClientTSAP, r.ServerTSAP = selector(&d.clientTSAP, f.CallingTSAP), selector(&d.serverTSAP, f.CalledTSAP)
	r.ClientSSAP, r.ServerSSAP = selector(&d.clientSSAP, f.CallingSSAP), selector(&d.serverSSAP, f.CalledSSAP)
	r.ClientPSAP, r.ServerPSAP = selector(&d.clientPSAP, f.CallingPSAP), selector(&d.serverPSAP, f.CalledPSAP)
	r.TPDUSize = uint32(f.TPDUSize)
	r.SessionID = selector(&d.sessionID, f.SessionID)
	if f.RTSE {
		r.CheckpointSize, r.WindowSize = uint32(max(f.CheckpointSize, 0)), uint32(max(f.WindowSize, 0))
		r.DialogueMode = "monologue"
		if f.TwoWayAlternate {
			r.DialogueMode = "two-way-alternate"
		}
	}
	r.InitiatorMTA, r.ResponderMTA, r.BindDetail = t.initiator, t.responder, t.detail
	r.InitiatorBind, r.ResponderBind, r.ReleaseDetail = t.initiatorBind, t.responderBind, t.release
	for i, v := range [...][]byte{f.CallingAPTitle, f.CallingAEQualifier, f.CalledAPTitle, f.CalledAEQualifier} {
		d.titles[i] = w.appendTitle(d.titles[i][:0], v)
	}
	r.ClientAPTitle, r.ClientAEQualifier, r.ServerAPTitle, r.ServerAEQualifier = d.titles[0], d.titles[1], d.titles[2], d.titles[3]
	d.acse = w.appendACSE(d.acse[:0], f)
	r.ACSE, r.RTSE = d.acse, f.RTSEText
	r.Muted = c.muted
	suppressed := r.ProblemsSuppressed
	r.ProblemsSuppressed += f.ProblemsLeftOut
	w.batch.Associations.Append(r)
	r.ProblemsSuppressed = suppressed
}

func (w *worker) heartbeat(rec *record.Record) {
	h := &rec.Heartbeat
	w.batch.Coverage.Append(&schema.Interval{
		Sensor: rec.Sensor, Epoch: rec.Epoch, Source: rec.SourceOf(&record.Item{}),
		IntervalStart: h.From, IntervalEnd: h.To, Packets: h.Packets, Octets: h.Octets, Segments: h.Segments,
		DroppedKernel: h.DroppedKernel, DroppedSensor: h.DroppedSensor, Gaps: h.Gaps, LostOctets: h.LostOctets,
		Undecodable: h.Undecodable, Version: h.Packets,
	})
	if h.DroppedKernel > 0 {
		w.blind(rec, "dropped-frames", h.DroppedKernel, "frames, dropped by the kernel or lost by the interface")
	}
	if h.DroppedSensor > 0 {
		w.blind(rec, "dropped-records", h.DroppedSensor, "records, dropped by the sensor because its spool had no room or the brokers did not take them")
	}
}

// blind appends a problem row that says of a heartbeat's interval what was lost.
func (w *worker) blind(rec *record.Record, reason string, n uint64, what string) {
	h := &rec.Heartbeat
	source := rec.SourceOf(&record.Item{})
	text := func(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000 UTC") }
	w.pool.problems.Add(1)
	w.batch.Problems.Append(&schema.Problem{
		Problem: blindID(rec.Sensor, source, rec.Epoch, h.From, reason), Version: n<<16 | Version,
		Sensor: rec.Sensor, Source: source, Layer: "capture", Reason: reason, Time: h.From,
		Detail:         fmt.Appendf(nil, "from %s to %s: %d %s", text(h.From), text(h.To), n, what),
		DecoderVersion: Version,
	})
}

func (w *worker) capture(rec *record.Record) {
	k := &rec.Capture
	// The file was read to its end: nothing suspended in it is resumed any more.
	name := rec.SourceOf(&record.Item{})
	w.releases = w.pool.shelf.prune(func(e *shelved) bool {
		return e.keys[0].lane == w.job.lane && e.keys[0].sensor == string(rec.Sensor) && e.epoch == 0 && e.source == string(name)
	}, w.releases)
	w.batch.Captures.Append(&schema.Capture{
		SHA256: k.SHA256, Version: Version, Name: rec.SourceOf(&record.Item{}), Sensor: rec.Sensor, Size: k.Size,
		Format: []byte(k.Format), Frames: k.Frames, Octets: k.Octets, FirstTime: k.First, LastTime: k.Last,
		Truncated: k.Truncated,
	})
}

func modeName(m association.Mode) string {
	if m == association.ModeUnknown {
		return ""
	}
	return m.String()
}

// contextName names the application contexts of X.419 Annex A.
func contextName(oid []byte) string {
	switch string(oid) {
	case "2.6.0.1.0":
		return "mts-access"
	case "2.6.0.1.1":
		return "mts-forced-access"
	case "2.6.0.1.2":
		return "mts-reliable-access"
	case "2.6.0.1.3":
		return "mts-forced-reliable-access"
	case "2.6.0.1.4":
		return "ms-access"
	case "2.6.0.1.5":
		return "ms-reliable-access"
	case "2.6.0.1.6":
		return "mts-transfer"
	case "2.6.0.1.7":
		return "mts-access-94"
	case "2.6.0.1.8":
		return "mts-forced-access-94"
	case "2.6.0.1.9":
		return "mts-reliable-access-94"
	case "2.6.0.1.10":
		return "mts-forced-reliable-access-94"
	case "2.6.0.1.11":
		return "ms-access-94"
	case "2.6.0.1.12":
		return "ms-reliable-access-94"
	}
	return ""
}

// identifier and domain fill in columns where they are: a value would be made elsewhere
// and copied.
func identifier(to *schema.MTSIdentifier, id *x411.MTSIdentifier) {
	to.Text, to.Country, to.ADMD, to.PRMD, to.Local = id.Text, id.Domain.Country, id.Domain.ADMD, id.Domain.PRMD, id.Local
}

func domain(to *schema.Domain, d *x411.DomainIdentifier) {
	to.Text, to.Country, to.ADMD, to.PRMD = d.Text, d.Country, d.ADMD, d.PRMD
}

// orName fills in the columns of an OR-name; dda is where its domain-defined
// attributes are put together.
func orName(to *schema.ORName, n *x411.ORName, dda *text) {
	a := &n.Address
	to.Attributes, to.Present = a.Fields()
	if dda.reset(); a.HasDDAs() {
		for i := range a.Attributes {
			if x := &a.Attributes[i]; x.Kind == x411.AttrDDA {
				if len(dda.b) > 0 {
					dda.b = append(dda.b, '/')
				}
				dda.octets(x.Type).str("=").octets(x.Value)
			}
		}
	}
	to.Text, to.Key, to.DDA, to.DirectoryName = n.Text, n.Key, dda.bytes(), n.DirectoryName
	to.AF, to.AFForm = ipm.AFAddress(a)
}

// named is a code's name, or its number where it has none.
func named(t *text, name string, code int64) []byte {
	if name != "" {
		return t.reset().str(name).bytes()
	}
	return t.reset().int(code).bytes()
}

// instant is a time in nanoseconds since 1970, 0 where there is none.
func instant(t *x411.Time) int64 {
	if t.At.IsZero() {
		return 0
	}
	return t.At.UnixNano()
}

// seconds cuts a time to whole seconds, as columns hold it.
func seconds(ns int64) int64 { return ns - ns%1e9 }

// appendSelector appends a selector as text where it is printable, else 0x and
// hexadecimal digits.
func appendSelector(dst, v []byte) []byte {
	for _, b := range v {
		if b < 0x20 || b > 0x7e {
			const digits = "0123456789abcdef"
			dst = append(dst, "0x"...)
			for _, b := range v {
				dst = append(dst, digits[b>>4], digits[b&15])
			}
			return dst
		}
	}
	return append(dst, v...)
}

// selector appends octets that may be text.
func (t *text) selector(v []byte) *text { t.b = appendSelector(t.b, v); return t }
