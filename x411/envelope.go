package x411

import (
	"slices"

	"x400flow/osi/ber"
)

// reset empties a but for its limits and what can be used again. The divisors
// are about the sizes of the elements.
func (a *APDU) reset() {
	if a.d == nil {
		a.d = new(decoder)
	}
	keep := orDefault(a.Limits.Arena, DefaultArena)
	// Cleared where it is: a literal would be made elsewhere and copied.
	limits, names, d := a.Limits, a.Names, a.d
	bilateral, recipients, extensions := reuse(a.Bilateral, keep/128), reuse(a.Recipients, keep/2048), reuse(a.extensions, keep/176)
	trace, internal, subject := reuse(a.Trace, keep/640), reuse(a.InternalTrace, keep/640), reuse(a.SubjectTrace, keep/640)
	*a = APDU{}
	a.Limits, a.Names, a.d = limits, names, d
	a.Bilateral, a.Recipients, a.extensions = bilateral, recipients, extensions
	a.Trace, a.InternalTrace, a.SubjectTrace = trace, internal, subject
	a.External.ContextID, a.ContentType.Builtin, a.ContentLength = -1, -1, -1
}

func (a *APDU) decode(octets []byte) {
	a.reset()
	d := a.d
	d.names = a.Names
	c := d.start(octets, &a.Limits)
	a.Status = StatusFailed
	var e ber.Element
	if c.Next(&e) {
		if e.Tag == ber.TagExternal {
			a.external(&c, &e)
		} else {
			a.mtsAPDU(&c, &e)
		}
		if c.More() {
			d.fail(CodeTrailing, c.Offset())
		}
	} else if d.end(&c); d.failures == 0 {
		d.fail(CodeNotAPDU, 0)
	}
	a.Failure = d.failure
	a.UnknownFields = d.unknown
	a.FirstUnknown = d.firstUnknown
	// mtsAPDU has set StatusOK where there is an envelope.
	if a.Status == StatusOK && d.failure.Code != CodeNone {
		a.Status = StatusPartial
	}
}

// external reads the EXTERNAL (X.690 8.18) that wraps the MTS-APDU in normal
// mode.
func (a *APDU) external(c *ber.Cursor, e *ber.Element) {
	d := a.d
	a.External.Present = true
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagOID:
			a.External.DirectReference, _ = d.oid(&in, &f)
		case ber.TagInteger:
			if v, ok := d.integer(&in, &f); ok {
				a.External.ContextID = v
			}
		case ber.TagObjectDescriptor:
		case ber.Context(0), ber.Context(1):
			a.External.OctetAligned = f.Tag == ber.Context(1)
			var value ber.Cursor
			if f.Constructed == a.External.OctetAligned {
				d.failIn("external", CodeBadExternal, f.Offset)
				return
			}
			value = in.EnterEncoding(&f)
			var v ber.Element
			if value.Next(&v) {
				a.mtsAPDU(&value, &v)
				if value.More() {
					d.failIn("external", CodeTrailing, value.Offset())
				}
			} else {
				d.push("external")
				if d.end(&value); value.Code() == ber.None {
					d.fail(CodeBadExternal, f.Offset)
				}
				d.pop()
			}
			if in.More() {
				d.failIn("external", CodeTrailing, in.Offset())
			}
			return
		default:
			d.failIn("external", CodeBadExternal, f.Offset)
			return
		}
	}
	d.push("external")
	if d.end(&in); in.Code() == ber.None {
		d.fail(CodeBadExternal, e.Offset)
	}
	d.pop()
}

// mtsAPDU reads e as an MTS-APDU (X.411 12.2). Status becomes StatusOK where it
// has an envelope.
func (a *APDU) mtsAPDU(c *ber.Cursor, e *ber.Element) {
	d := a.d
	a.Octets = Range{e.Offset, e.End}
	if !e.Constructed {
		d.fail(CodeNotAPDU, e.Offset)
		return
	}
	switch e.Tag {
	case ber.Context(0):
		a.Kind = KindMessage
		d.push("message")
		a.message(c, e, messageFields, messageEnvelopeFields)
		d.pop()
	case ber.Context(1):
		a.Kind = KindReport
		d.push("report")
		a.report(c, e)
		d.pop()
	case ber.Context(2):
		a.Kind = KindProbe
		d.push("probe")
		a.Envelope = a.Octets
		a.Status = StatusOK
		a.envelope(c, e, probeEnvelopeFields)
		d.pop()
	default:
		d.fail(CodeNotAPDU, e.Offset)
	}
}

var messageFields = FieldsOf([]field{
	{"envelope", ber.TagSet, 0, true},
	{"content", ber.TagOctetString, 1, true},
})

// message reads a message or a submission, with the given fields and those of its
// envelope.
func (a *APDU) message(c *ber.Cursor, e *ber.Element, fields, envelope *Fields) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, fields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			a.Status = StatusOK
			a.Envelope = Range{f.Offset, f.End}
			a.envelope(&in, &f, envelope)
		case 1:
			a.content(&in, &f)
		}
		d.pop()
	}
	d.complete(fields, seen, e.Offset)
}

// messageEnvelopeFields is MessageTransferEnvelope (X.411 12.2.1.1). All envelopes of
// messages and probes have the same ids.
var messageEnvelopeFields = FieldsOf([]field{
	{"message-identifier", tagMTSIdentifier, 0, true},
	{"originator-name", tagORName, 1, true},
	{"original-encoded-information-types", tagEITs, 2, false},
	{"content-type", tagContentType, 3, true},
	{"content-type", ber.TagOID, 3, true},
	{"content-identifier", tagContentID, 4, false},
	{"priority", tagPriority, 5, false},
	{"per-message-indicators", tagIndicators, 6, false},
	{"deferred-delivery-time", ber.Context(0), 7, false},
	{"per-domain-bilateral-information", ber.Context(1), 8, false},
	{"per-recipient-fields", ber.Context(2), 9, true},
	{"trace-information", tagTrace, 10, true},
	{"extensions", ber.Context(3), 11, false},
})

// probeEnvelopeFields is ProbeTransferEnvelope (X.411 12.2.1.2).
var probeEnvelopeFields = FieldsOf([]field{
	{"probe-identifier", tagMTSIdentifier, 0, true},
	{"originator-name", tagORName, 1, true},
	{"original-encoded-information-types", tagEITs, 2, false},
	{"content-type", tagContentType, 3, true},
	{"content-type", ber.TagOID, 3, true},
	{"content-identifier", tagContentID, 4, false},
	{"per-message-indicators", tagIndicators, 6, false},
	{"content-length", ber.Context(0), 12, false},
	{"per-domain-bilateral-information", ber.Context(1), 8, false},
	{"per-recipient-fields", ber.Context(2), 9, true},
	{"trace-information", tagTrace, 10, true},
	{"extensions", ber.Context(3), 11, false},
})

// envelope reads the envelope of a message or a probe, with the given fields.
func (a *APDU) envelope(c *ber.Cursor, e *ber.Element, fields *Fields) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, fields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.identifier(&in, &f, &a.ID)
		case 1:
			d.orName(&in, &f, &a.Originator)
		case 2:
			d.eits(&in, &f, &a.OriginalEITs)
		case 3:
			d.contentType(&in, &f, &a.ContentType)
		case 4:
			a.ContentID, _ = d.text(&in, &f)
		case 5:
			a.Priority = Priority(d.code(&in, &f))
			a.PriorityPresent = true
		case 6:
			v, ok := d.flags(&in, &f)
			a.Indicators, a.IndicatorsPresent = PerMessageIndicators(v), ok
		case 7:
			a.DeferredDelivery = d.time(&in, &f)
		case 8:
			a.bilateral(&in, &f)
		case 9:
			a.recipients(&in, &f, recipientFields)
		case 10:
			a.Trace = a.trace(&in, &f, a.Trace)
		case 11:
			a.Extensions = a.extensionSet(&in, &f, true)
		case 12:
			if v, ok := d.integer(&in, &f); ok {
				a.ContentLength = v
			}
		case 13:
			a.recipients(&in, &f, submittedRecipientFields)
		}
		d.pop()
	}
	d.complete(fields, seen, e.Offset)
}

// content reads a Content: an OCTET STRING under whatever tag.
func (a *APDU) content(c *ber.Cursor, e *ber.Element) {
	t := &a.Content
	t.Present = true
	t.Encoding = Range{e.Offset, e.End}
	start := e.Offset + e.Header
	t.Contents = Range{start, start + len(e.Content)}
	if !e.Constructed {
		t.Octets = e.Content
		t.Size = len(e.Content)
		return
	}
	t.Constructed = true
	t.Size = a.segments(c, e)
}

// segments returns how many octets the segments of e hold together.
func (a *APDU) segments(c *ber.Cursor, e *ber.Element) int {
	d := a.d
	in := c.Enter(e)
	var s ber.Element
	n := 0
	for in.Next(&s) {
		switch {
		case s.Tag != ber.TagOctetString:
			d.fail(CodeBadString, s.Offset)
			return n
		case s.Constructed:
			n += a.segments(&in, &s)
		default:
			n += len(s.Content)
		}
	}
	d.end(&in)
	return n
}

var identifierFields = FieldsOf([]field{
	{"global-domain-identifier", tagDomain, 0, true},
	{"local-identifier", ber.TagIA5String, 1, true},
	{"local-identifier", ber.TagPrintableString, 1, true},
})

// identifier reads the contents of an MTSIdentifier under whatever tag.
func (d *decoder) identifier(c *ber.Cursor, e *ber.Element, id *MTSIdentifier) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		n := d.next(&in, &f, identifierFields, &seen)
		if n < 0 {
			break
		}
		if n == 0 {
			d.domain(&in, &f, &id.Domain)
		} else {
			id.Local, _ = d.text(&in, &f)
		}
		d.pop()
	}
	d.complete(identifierFields, seen, e.Offset)
	at := len(d.arena)
	d.arena = append(d.arena, '[')
	d.arena = append(d.arena, id.Domain.Text...)
	d.arena = append(d.arena, ';')
	d.arena = append(d.arena, id.Local...)
	d.arena = append(d.arena, ']')
	id.Text = d.kept(at)
}

var domainFields = FieldsOf([]field{
	{"country-name", tagCountry, 0, true},
	{"administration-domain-name", tagADMD, 1, true},
	{"private-domain-identifier", ber.TagPrintableString, 2, false},
	{"private-domain-identifier", ber.TagNumericString, 2, false},
	{"private-domain-identifier", ber.Context(2), 2, false},
})

// domain reads the contents of e, a GlobalDomainIdentifier under whatever tag, or takes them
// from the domains that are known.
func (d *decoder) domain(c *ber.Cursor, e *ber.Element, g *DomainIdentifier) {
	var x *knownDomain
	if d.names != nil && e.Constructed {
		x = d.names.domain(e.Content)
	}
	if x == nil {
		d.readDomain(c, e, g)
		return
	}
	known := string(x.octets) == string(e.Content)
	levels, elements := c.Left(e)
	if known && c.Afford(e, x.levels, x.elements) {
		d.knownDomain(x, e.Content, g)
		return
	}
	failures, unknown := d.failures, d.unknown
	d.readDomain(c, e, g)
	if d.failures != failures || d.unknown != unknown {
		return
	}
	if known {
		x.levels = min(x.levels, levels)
		return
	}
	_, left := c.Left(e)
	x.keep(e.Content, g, levels, elements-left)
}

// readDomain reads the contents of a GlobalDomainIdentifier under whatever tag.
func (d *decoder) readDomain(c *ber.Cursor, e *ber.Element, g *DomainIdentifier) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		n := d.next(&in, &f, domainFields, &seen)
		if n < 0 {
			break
		}
		switch n {
		case 0:
			g.Country = d.domainName(&in, &f)
		case 1:
			g.ADMD = d.domainName(&in, &f)
		case 2:
			g.PRMD = d.domainName(&in, &f)
		}
		d.pop()
	}
	d.complete(domainFields, seen, e.Offset)
	d.domainText(g)
}

// domainText makes the text of a domain from its parts.
func (d *decoder) domainText(g *DomainIdentifier) {
	at := len(d.arena)
	out := append(d.arena, '/')
	if g.PRMD != nil {
		out = append(out, "PRMD="...)
		out = appendStdPrintable(out, g.PRMD)
		out = append(out, '/')
	}
	out = append(out, "ADMD="...)
	out = appendStdPrintable(out, g.ADMD)
	out = append(out, "/C="...)
	out = appendStdPrintable(out, g.Country)
	d.arena = append(out, '/')
	g.Text = d.kept(at)
}

// appendStdPrintable appends a value as RFC 2156 section 4.2 writes a
// std-printablestring: "/", "=" and "$" preceded by "$".
func appendStdPrintable(dst, s []byte) []byte {
	n := 0
	for n < len(s) && stdPlain[s[n]] {
		n++
	}
	dst = append(dst, s[:n]...)
	if n == len(s) {
		return dst // Nearly always.
	}
	for _, b := range s[n:] {
		switch {
		case b == '/' || b == '=' || b == '$':
			dst = append(dst, '$', b)
		case b < ' ' || b == 0x7f:
			dst = append(dst, ' ')
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// stdPlain tells of an octet whether appendStdPrintable takes it as it is.
var stdPlain = func() (t [256]bool) {
	for b := range t {
		t[b] = b >= ' ' && b != 0x7f && b != '/' && b != '=' && b != '$'
	}
	return t
}()

// domainName reads a CHOICE of NumericString and PrintableString, by itself or
// under one explicit tag.
func (d *decoder) domainName(c *ber.Cursor, e *ber.Element) []byte {
	if e.Constructed && e.Tag.Class() != ber.Universal {
		var inner ber.Element
		in, ok := d.only(c, e, &inner)
		if !ok {
			return nil
		}
		if !d.is(&inner, ber.TagPrintableString, ber.TagNumericString, ber.TagIA5String) {
			return nil
		}
		s, _ := d.text(&in, &inner)
		return s
	}
	s, _ := d.text(c, e)
	return s
}

// contentType reads a ContentType: [APPLICATION 6] INTEGER or an OBJECT
// IDENTIFIER.
func (d *decoder) contentType(c *ber.Cursor, e *ber.Element, t *ContentType) {
	t.Present = true
	t.Builtin = -1
	if e.Tag == ber.TagOID {
		t.OID, _ = d.oid(c, e)
		if t.Text = t.OID; nameOfOID(contentTypeOIDs[:], t.OID) != "" {
			at := len(d.arena)
			d.arena = append(d.arena, nameOfOID(contentTypeOIDs[:], t.OID)...)
			t.Text = d.kept(at)
		}
		return
	}
	if t.Builtin = d.code(c, e); t.Builtin < 0 {
		return
	}
	at := len(d.arena)
	if name := ContentTypeName(t.Builtin); name != "" {
		d.arena = append(d.arena, name...)
	} else {
		d.arena = appendInt(d.arena, int64(t.Builtin))
	}
	t.Text = d.kept(at)
}

var eitFields = FieldsOf([]field{
	{"built-in-encoded-information-types", ber.Context(0), 0, true},
	// EAN of 1985 sends the BIT STRING with its own tag.
	{"built-in-encoded-information-types", ber.TagBitString, 0, true},
	{"g3-facsimile", ber.Context(1), 1, false},
	{"teletex", ber.Context(2), 2, false},
	// X.411 of 1984.
	{"presentation-capabilities", ber.Context(3), 3, false},
	{"extended-encoded-information-types", ber.Context(4), 4, false},
})

var g3Names = []string{
	8: "two-dimensional", 9: "fine-resolution", 20: "unlimited-length",
	21: "b4-length", 22: "a3-width", 23: "b4-width", 25: "t6-coding",
	30: "uncompressed", 37: "width-middle-864-of-1728",
	38: "width-middle-1216-of-1728", 44: "resolution-type",
	45: "resolution-400x400", 46: "resolution-300x300", 47: "resolution-8x15",
	49: "edi", 50: "dtm", 51: "bft", 58: "mixed-mode", 60: "character-mode",
	65: "twelve-bits", 66: "preferred-huffmann", 67: "full-colour", 68: "jpeg",
	71: "processable-mode-26",
}

var teletexParameterNames = []string{
	"graphic-character-sets", "control-character-sets", "page-formats",
	"miscellaneous-terminal-capabilities", "private-use",
}

// eits reads the contents of an EncodedInformationTypes under whatever tag.
func (d *decoder) eits(c *ber.Cursor, e *ber.Element, t *EITs) {
	if v, ok := plainEITs(e.Content); ok && e.Constructed && c.Afford(e, 1, 1) {
		d.builtinEITs(t, EITBits(v))
		return
	}
	d.anyEITs(c, e, t)
}

// plainEITs returns the types where in, the contents of an EncodedInformationTypes, are nothing but
// built-in ones, in one octet.
func plainEITs(in []byte) (v int64, ok bool) {
	if len(in) != 4 || in[0] != 0x80 || in[1] != 2 || in[2] > 7 {
		return 0, false
	}
	return int64(flagsOf(in[3:], int(in[2]))), true
}

// builtinEITs makes t the built-in types v and no others.
func (d *decoder) builtinEITs(t *EITs, v EITBits) {
	t.Present, t.Builtin = true, v
	n := len(d.oids)
	t.OIDs = d.oids[n:n:n]
	at := len(d.arena)
	d.arena = v.AppendNames(d.arena)
	t.Text = d.kept(at)
}

func (d *decoder) anyEITs(c *ber.Cursor, e *ber.Element, t *EITs) {
	t.Present = true
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	first := len(d.oids)
	out := d.line[:0]
	for {
		id := d.next(&in, &f, eitFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			v, _ := d.flags(&in, &f)
			t.Builtin = EITBits(v)
		case 1:
			if bits, unused, ok := d.bitString(&in, &f); ok && anyBit(bits) {
				out = appendItem(out, 0, "g3-facsimile")
				out = appendNamedBits(out, bits, unused, g3Names)
			}
		case 2:
			out = d.appendTeletexParameters(out, &in, &f)
		case 3:
			out = appendItem(out, 0, "presentation-capabilities")
			if f.Constructed {
				out = d.appendList(out, &in, &f)
			} else {
				out = appendOpaque(out, f.Content)
			}
		case 4:
			set := in.Enter(&f)
			var g ber.Element
			for i := 0; set.Next(&g); i++ {
				d.pushIndex(i)
				if d.is(&g, ber.TagOID) {
					if oid, ok := d.oid(&set, &g); ok {
						d.oids = append(d.oids, oid)
					}
				}
				d.pop()
			}
			d.end(&set)
		}
		d.pop()
	}
	d.complete(eitFields, seen, e.Offset)
	d.line = out
	t.NonBasic = d.keep(out)
	t.OIDs = d.oids[first:len(d.oids):len(d.oids)]

	at := len(d.arena)
	d.arena = t.Builtin.AppendNames(d.arena)
	for _, oid := range t.OIDs {
		if len(d.arena) > at {
			d.arena = append(d.arena, ',')
		}
		d.arena = appendEIT(d.arena, oid)
	}
	t.Text = d.kept(at)
}

func anyBit(bits []byte) bool {
	for _, b := range bits {
		if b != 0 {
			return true
		}
	}
	return false
}

// maxNamedBits bounds how many bits of a BIT STRING are told by name or number.
const maxNamedBits = 128

func appendNamedBits(dst, bits []byte, unused int, names []string) []byte {
	comma := false
	for n := range min(maxNamedBits, len(bits)*8-unused) {
		if !ber.Bit(bits, n) {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		if name := nameOf(names, int64(n)); name != "" {
			dst = append(dst, name...)
		} else {
			dst = appendInt(append(dst, "bit-"...), int64(n))
		}
	}
	return dst
}

func (d *decoder) appendTeletexParameters(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		n := f.Tag.Number()
		if f.Tag.Class() != ber.ContextSpecific || int(n) >= len(teletexParameterNames) {
			d.stray(&f)
			continue
		}
		s, ok := d.octets(&in, &f)
		if !ok {
			continue
		}
		dst = appendItem(dst, 0, "teletex.")
		dst = append(dst[:len(dst)-1], teletexParameterNames[n]...)
		dst = append(dst, '=')
		dst = appendOpaque(dst, s)
	}
	d.end(&in)
	return dst
}

// trace reads the contents of a TraceInformation under whatever tag and appends
// its elements to dst.
func (a *APDU) trace(c *ber.Cursor, e *ber.Element, dst []TraceElement) []TraceElement {
	d := a.d
	limit := orDefault(a.Limits.Trace, DefaultTrace)
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if len(a.Trace)+len(a.InternalTrace)+len(a.SubjectTrace)+i >= limit {
			a.MoreTrace++
			continue
		}
		d.pushIndex(i)
		if d.is(&f, ber.TagSequence) {
			dst = append(dst, TraceElement{})
			d.traceElement(&in, &f, &dst[len(dst)-1])
		}
		d.pop()
	}
	d.end(&in)
	return dst
}

// rendered returns the trace of which x, just read, has the text. dst is empty, and is used
// for that or another.
func (a *APDU) rendered(x *Extension, dst []TraceElement) []TraceElement {
	d := a.d
	kept := len(a.Trace) + len(a.InternalTrace) + len(a.SubjectTrace)
	_, left := d.valueIn.Left(&d.value)
	if x.Err == CodeNone && d.traceCost <= left && kept+len(d.trace) <= orDefault(a.Limits.Trace, DefaultTrace) {
		d.valueIn.Spend(d.traceCost)
		dst, d.trace = d.trace, dst
		return dst
	}
	// Not all of it was read, or not all of it is wanted. What is wrong inside has been
	// told already.
	told, unknown := d.failures, d.unknown
	d.push("value")
	dst = a.trace(&d.valueIn, &d.value, dst)
	d.pop()
	d.failures, d.unknown = told, unknown
	return dst
}

var traceElementFields = FieldsOf([]field{
	{"global-domain-identifier", tagDomain, 0, true},
	{"mta-name", ber.TagIA5String, 1, false},
	{"mta-name", ber.TagPrintableString, 1, false},
	{"supplied-information", ber.TagSet, 2, true},
})

var suppliedInformationFields = FieldsOf([]field{
	{"arrival-time", ber.Context(0), 0, true},
	{"deferred-time", ber.Context(1), 1, false},
	{"routing-action", ber.Context(2), 2, true},
	{"other-actions", ber.Context(3), 3, false},
	{"attempted-domain", tagDomain, 4, false},
	{"attempted-mta", ber.TagIA5String, 5, false},
	{"converted-encoded-information-types", tagEITs, 6, false},
})

// traceElement reads a TraceInformationElement or an
// InternalTraceInformationElement, which differ by the latter's MTA-name.
func (d *decoder) traceElement(c *ber.Cursor, e *ber.Element, t *TraceElement) {
	t.Octets = Range{e.Offset, e.End}
	if !d.plainTrace(c, e, t) {
		d.anyTrace(c, e, t)
	}
}

// plainTrace is traceElement for one as most are: of a domain that is known, at most with an
// MTA-name of seven bits, with a time of arrival, an action and perhaps other times, names, actions,
// domains and types of these forms, and with lengths that plainHead is for. It reads all of it or,
// where it returns false, nothing.
func (d *decoder) plainTrace(c *ber.Cursor, e *ber.Element, t *TraceElement) bool {
	const domain, printable, ia5, set, converted = 0x63, 0x13, 0x16, 0x31, 0x65
	const arrival, deferred, action, others = 0x80, 0x81, 0x82, 0x83
	in := e.Content
	if len(in) == 0 || in[0] != domain || d.names == nil {
		return false
	}
	_, p, end, next, scanned := plainHead(in, 0)
	octets := in[p:end]
	x := d.names.domain(octets)
	if x == nil || string(x.octets) != string(octets) {
		return false
	}
	levels, elements := max(2, x.levels+1), x.elements+2+scanned
	id, p, end, next, scanned := plainHead(in, next)
	var name []byte
	if id == ia5 || id == printable {
		if name = in[p:end:end]; !SevenBits(name) {
			return false
		}
		elements++
		id, p, end, next, scanned = plainHead(in, next)
	}
	if id != set || next != len(in) {
		return false
	}
	elements += scanned
	var arrived, held, attempted, attemptedDomain []byte
	var y *knownDomain
	acted, acts, types := RoutingAction(-1), int64(-1), int64(-1)
	for ; p < end; elements++ {
		id, start, stop, next, scanned := plainHead(in[:end], p)
		v := in[start:stop:stop]
		switch {
		case id == arrival && arrived == nil:
			arrived = v
		case id == action && acted < 0 && len(v) == 1 && v[0] < 0x80:
			acted = RoutingAction(v[0])
		case id == deferred && held == nil:
			held = v
		case id == ia5 && attempted == nil:
			if attempted = v; !SevenBits(v) {
				return false
			}
		case id == others && acts < 0 && len(v) == 2 && v[0] <= 7:
			acts = int64(flagsOf(v[1:], int(v[0])))
		case id == converted && types < 0:
			var ok bool
			if types, ok = plainEITs(v); !ok {
				return false
			}
			levels = max(levels, 3)
			elements++
		case id == domain && y == nil:
			if y = d.names.domain(v); y == nil || string(y.octets) != string(v) {
				return false
			}
			attemptedDomain = v
			levels = max(levels, y.levels+2)
			elements += y.elements
		default:
			return false
		}
		elements += scanned
		p = next
	}
	at, ok := ber.UTCTime(arrived)
	if !ok || acted < 0 {
		return false
	}
	deferral := Time{Raw: held}
	if held != nil {
		if deferral.At, ok = ber.UTCTime(held); !ok {
			return false
		}
	}
	if !c.Afford(e, levels, elements) {
		return false
	}
	if held != nil {
		t.DeferredTime = deferral
	}
	d.knownDomain(x, octets, &t.Domain)
	t.MTAName, t.AttemptedMTA = name, attempted
	t.ArrivalTime.At, t.ArrivalTime.Raw = at, arrived
	t.RoutingAction = acted
	if acts >= 0 {
		t.OtherActions = OtherActions(acts)
	}
	if types >= 0 {
		d.builtinEITs(&t.ConvertedEITs, EITBits(types))
	}
	if y != nil {
		d.knownDomain(y, attemptedDomain, &t.AttemptedDomain)
	}
	return true
}

func (d *decoder) anyTrace(c *ber.Cursor, e *ber.Element, t *TraceElement) {
	t.RoutingAction = -1
	in := c.Enter(e)
	var f, g ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, traceElementFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.domain(&in, &f, &t.Domain)
			d.pop()
			continue
		case 1:
			t.MTAName, _ = d.text(&in, &f)
			d.pop()
			continue
		}
		// The step of DomainSuppliedInformation is left out of paths.
		d.pop()
		set := in.Enter(&f)
		supplied := uint32(0)
		for {
			id := d.next(&set, &g, suppliedInformationFields, &supplied)
			if id < 0 {
				break
			}
			switch id {
			case 0:
				t.ArrivalTime = d.time(&set, &g)
			case 1:
				t.DeferredTime = d.time(&set, &g)
			case 2:
				t.RoutingAction = RoutingAction(d.code(&set, &g))
			case 3:
				v, _ := d.flags(&set, &g)
				t.OtherActions = OtherActions(v)
			case 4:
				d.domain(&set, &g, &t.AttemptedDomain)
			case 5:
				t.AttemptedMTA, _ = d.text(&set, &g)
			case 6:
				d.eits(&set, &g, &t.ConvertedEITs)
			}
			d.pop()
		}
		d.complete(suppliedInformationFields, supplied, f.Offset)
	}
	d.complete(traceElementFields, seen, e.Offset)
}

// bilateral reads per-domain-bilateral-information.
func (a *APDU) bilateral(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i >= orDefault(a.Limits.Trace, DefaultTrace) {
			a.MoreBilateral++
			continue
		}
		d.pushIndex(i)
		if d.is(&f, ber.TagSequence) {
			a.Bilateral = append(a.Bilateral, BilateralInformation{})
			d.bilateralElement(&in, &f, &a.Bilateral[len(a.Bilateral)-1])
		}
		d.pop()
	}
	d.end(&in)
}

var bilateralDomainFields = FieldsOf([]field{
	{"administration-domain-name", ber.Context(0), 0, true},
	{"private-domain-identifier", ber.Context(1), 1, true},
})

// bilateralElement reads a PerDomainBilateralInformation. Its third element may
// be of any type, so position decides.
func (d *decoder) bilateralElement(c *ber.Cursor, e *ber.Element, b *BilateralInformation) {
	in := c.Enter(e)
	var f ber.Element
	i := 0
	for ; in.Next(&f); i++ {
		switch i {
		case 0:
			d.push("country-name")
			if d.is(&f, tagCountry) {
				b.Domain.Country = d.domainName(&in, &f)
			}
			d.pop()
		case 1:
			d.push("domain")
			if f.Tag == ber.TagSequence {
				private := in.Enter(&f)
				var g ber.Element
				seen := uint32(0)
				for {
					id := d.next(&private, &g, bilateralDomainFields, &seen)
					if id < 0 {
						break
					}
					if id == 0 {
						b.Domain.ADMD = d.domainName(&private, &g)
					} else {
						b.Domain.PRMD = d.domainName(&private, &g)
					}
					d.pop()
				}
				d.complete(bilateralDomainFields, seen, f.Offset)
			} else if d.is(&f, tagADMD) {
				b.Domain.ADMD = d.domainName(&in, &f)
			}
			d.pop()
		case 2:
			d.push("bilateral-information")
			b.Value = in.Raw(&f)
			d.out = d.appendAny(d.out[:0], &in, &f)
			b.Text = d.keep(d.out)
			d.pop()
		default:
			d.stray(&f)
		}
	}
	d.domainText(&b.Domain)
	d.end(&in)
	if i < 3 && in.Code() == ber.None {
		d.failIn("bilateral-information", CodeMissing, e.Offset)
	}
}

// extensionSet reads a SET OF ExtensionField and returns its elements. In the
// envelope, internal trace is read into its own slice, too.
func (a *APDU) extensionSet(c *ber.Cursor, e *ber.Element, envelope bool) []Extension {
	d := a.d
	first := len(a.extensions)
	limit := orDefault(a.Limits.Extensions, DefaultExtensions)
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if len(a.extensions) >= limit {
			a.MoreExtensions++
			continue
		}
		d.pushIndex(i)
		if d.is(&f, ber.TagSequence) {
			n := len(a.extensions)
			a.extensions = slices.Grow(a.extensions, 1)[:n+1]
			x := &a.extensions[n]
			ok := d.extension(&in, &f, x)
			if ok && envelope && x.Number == extensionInternalTrace && len(a.InternalTrace) == 0 &&
				d.value.Tag == ber.TagSequence {
				a.InternalTrace = a.rendered(x, a.InternalTrace)
			}
			if ok && a.Kind >= KindSubmission && x.Number == extensionTrace && len(a.Trace) == 0 && d.value.Tag == tagTrace {
				// A delivery tells the trace in this way.
				a.Trace = a.rendered(x, a.Trace)
			}
		}
		d.pop()
	}
	d.end(&in)
	return a.extensions[first:len(a.extensions):len(a.extensions)]
}

// recipientFields is PerRecipientMessageTransferFields and
// PerRecipientProbeTransferFields (X.411 12.2.1.1, 12.2.1.2).
var recipientFields = FieldsOf([]field{
	{"recipient-name", tagORName, 0, true},
	{"originally-specified-recipient-number", ber.Context(0), 1, true},
	{"per-recipient-indicators", ber.Context(1), 2, true},
	{"explicit-conversion", ber.Context(2), 3, false},
	{"extensions", ber.Context(3), 4, false},
})

// reportedRecipientFields is PerRecipientReportTransferFields (X.411 12.2.1.3).
var reportedRecipientFields = FieldsOf([]field{
	{"actual-recipient-name", ber.Context(0), 0, true},
	{"originally-specified-recipient-number", ber.Context(1), 1, true},
	{"per-recipient-indicators", ber.Context(2), 2, true},
	{"last-trace-information", ber.Context(3), 5, true},
	{"originally-intended-recipient-name", ber.Context(4), 6, false},
	{"supplementary-information", ber.Context(5), 7, false},
	{"extensions", ber.Context(6), 4, false},
})

// recipients reads per-recipient-fields, each with the given fields.
func (a *APDU) recipients(c *ber.Cursor, e *ber.Element, fields *Fields) {
	d := a.d
	limit := orDefault(a.Limits.Recipients, DefaultRecipients)
	in := c.Enter(e)
	var f ber.Element
	i := 0
	for ; in.Next(&f); i++ {
		if len(a.Recipients) >= limit {
			a.MoreRecipients++
			continue
		}
		d.pushIndex(i)
		if d.is(&f, ber.TagSet, ber.TagSequence) {
			a.recipient(&in, &f, a.addRecipient(&f), fields)
		}
		d.pop()
	}
	d.end(&in)
	if i == 0 && in.Code() == ber.None {
		d.fail(CodeMissing, e.Offset)
	}
}

// addRecipient appends a recipient, whose fields or name e is.
func (a *APDU) addRecipient(e *ber.Element) *Recipient {
	n := len(a.Recipients)
	a.Recipients = slices.Grow(a.Recipients, 1)[:n+1]
	r := &a.Recipients[n] // Made where it stays.
	*r = Recipient{}
	r.Number, r.ExplicitConversion, r.UserType, r.Reason, r.Diagnostic = -1, -1, -1, -1, -1
	r.Octets = Range{e.Offset, e.End}
	return r
}

func (a *APDU) recipient(c *ber.Cursor, e *ber.Element, r *Recipient, fields *Fields) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, fields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.orName(&in, &f, &r.Name)
			if seen == 1 && fields == recipientFields && d.plainRecipient(&in, e, &f, r) {
				d.pop()
				return
			}
		case 1:
			if v, ok := d.integer(&in, &f); ok {
				r.Number = v
			}
		case 2:
			v, _ := d.flags(&in, &f)
			r.Indicators = PerRecipientIndicators(v)
		case 3:
			r.ExplicitConversion = ExplicitConversion(d.code(&in, &f))
		case 4:
			r.Extensions = a.extensionSet(&in, &f, false)
		case 5:
			d.lastTrace(&in, &f, r)
		case 6:
			d.orName(&in, &f, &r.Intended)
		case 7:
			r.Supplementary, _ = d.text(&in, &f)
		case 8:
			var t ber.Element
			if tc, ok := d.only(&in, &f, &t); ok {
				d.reportType(&tc, &t, r)
			}
		case 9:
			d.eits(&in, &f, &r.ConvertedEITs)
		}
		d.pop()
	}
	d.complete(fields, seen, e.Offset)
}

// plainRecipient reads what follows the name f of the recipient e where that is, as of nearly
// all, a number of one octet and indicators of one, and nothing else. Otherwise it returns false.
func (d *decoder) plainRecipient(c *ber.Cursor, e, f *ber.Element, r *Recipient) bool {
	rest := e.Content[f.End-e.Offset-e.Header:]
	if len(rest) != 7 || rest[0] != 0x80 || rest[1] != 1 || rest[3] != 0x81 || rest[4] != 2 || rest[5] > 7 {
		return false
	}
	if !c.Afford(f, 0, 2) {
		return false
	}
	r.Number = int64(int8(rest[2]))
	r.Indicators = PerRecipientIndicators(flagsOf(rest[6:], int(rest[5])))
	return true
}

var lastTraceFields = FieldsOf([]field{
	{"arrival-time", ber.Context(0), 0, true},
	{"report-type", ber.Context(1), 1, true},
	{"converted-encoded-information-types", tagEITs, 2, false},
})

// lastTrace reads a LastTraceInformation (X.411 12.2.1.3.1.7).
func (d *decoder) lastTrace(c *ber.Cursor, e *ber.Element, r *Recipient) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, lastTraceFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			r.ArrivalTime = d.time(&in, &f)
		case 1:
			// The tag of a CHOICE is explicit.
			var t ber.Element
			if tc, ok := d.only(&in, &f, &t); ok {
				d.reportType(&tc, &t, r)
			}
		case 2:
			d.eits(&in, &f, &r.ConvertedEITs)
		}
		d.pop()
	}
	d.complete(lastTraceFields, seen, e.Offset)
}

var deliveryFields = FieldsOf([]field{
	{"message-delivery-time", ber.Context(0), 0, true},
	{"type-of-MTS-user", ber.Context(1), 1, false},
})

var nonDeliveryFields = FieldsOf([]field{
	{"non-delivery-reason-code", ber.Context(0), 0, true},
	{"non-delivery-diagnostic-code", ber.Context(1), 1, false},
	// X.411 of 1984 kept supplementary information here.
	{"supplementary-information", ber.Context(2), 2, false},
})

func (d *decoder) reportType(c *ber.Cursor, e *ber.Element, r *Recipient) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	switch e.Tag {
	case ber.Context(0):
		r.Outcome = OutcomeDelivered
		r.UserType = 0 // X.411 Figure 2: DEFAULT public.
		d.push("delivery")
		for {
			id := d.next(&in, &f, deliveryFields, &seen)
			if id < 0 {
				break
			}
			if id == 0 {
				r.DeliveryTime = d.time(&in, &f)
			} else {
				r.UserType = MTSUserType(d.code(&in, &f))
			}
			d.pop()
		}
		d.complete(deliveryFields, seen, e.Offset)
		d.pop()
	case ber.Context(1):
		r.Outcome = OutcomeNotDelivered
		d.push("non-delivery")
		for {
			id := d.next(&in, &f, nonDeliveryFields, &seen)
			if id < 0 {
				break
			}
			switch id {
			case 0:
				r.Reason = NonDeliveryReason(d.code(&in, &f))
			case 1:
				r.Diagnostic = NonDeliveryDiagnostic(d.code(&in, &f))
			case 2:
				r.Supplementary, _ = d.text(&in, &f)
			}
			d.pop()
		}
		d.complete(nonDeliveryFields, seen, e.Offset)
		d.pop()
	default:
		d.fail(CodeUnexpectedTag, e.Offset)
	}
}

// report reads the two SETs of a Report (X.411 12.2.1.3).
func (a *APDU) report(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	sets := 0
	for in.Next(&f) {
		switch {
		case f.Tag == ber.TagSet && sets == 0:
			sets++
			a.Status = StatusOK
			a.Envelope = Range{f.Offset, f.End}
			d.push("envelope")
			a.reportEnvelope(&in, &f)
			d.pop()
		case f.Tag == ber.TagSet && sets == 1:
			sets++
			d.push("content")
			a.reportContent(&in, &f, reportContentFields)
			d.pop()
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	if sets == 0 && in.Code() == ber.None {
		d.failIn("envelope", CodeMissing, e.Offset)
	}
	if sets == 1 && in.Code() == ber.None {
		d.failIn("content", CodeMissing, e.Offset)
	}
}

var reportEnvelopeFields = FieldsOf([]field{
	{"report-identifier", tagMTSIdentifier, 0, true},
	{"report-destination-name", tagORName, 1, true},
	{"trace-information", tagTrace, 2, true},
	{"extensions", ber.Context(1), 3, false},
})

func (a *APDU) reportEnvelope(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, reportEnvelopeFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.identifier(&in, &f, &a.ID)
		case 1:
			d.orName(&in, &f, &a.Destination)
		case 2:
			a.Trace = a.trace(&in, &f, a.Trace)
		case 3:
			a.Extensions = a.extensionSet(&in, &f, true)
		}
		d.pop()
	}
	d.complete(reportEnvelopeFields, seen, e.Offset)
}

var reportContentFields = FieldsOf([]field{
	{"subject-identifier", tagMTSIdentifier, 0, true},
	{"subject-intermediate-trace-information", tagTrace, 1, false},
	{"original-encoded-information-types", tagEITs, 2, false},
	{"content-type", tagContentType, 3, false},
	{"content-type", ber.TagOID, 3, false},
	{"content-identifier", tagContentID, 4, false},
	{"per-recipient-fields", ber.Context(0), 5, true},
	{"returned-content", ber.Context(1), 6, false},
	{"additional-information", ber.Context(2), 7, false},
	{"extensions", ber.Context(3), 8, false},
})

// reportContent reads what a report says of its subject, with the given fields.
func (a *APDU) reportContent(c *ber.Cursor, e *ber.Element, fields *Fields) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, fields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.identifier(&in, &f, &a.SubjectID)
		case 1:
			a.SubjectTrace = a.trace(&in, &f, a.SubjectTrace)
		case 2:
			d.eits(&in, &f, &a.OriginalEITs)
		case 3:
			d.contentType(&in, &f, &a.ContentType)
		case 4:
			a.ContentID, _ = d.text(&in, &f)
		case 5:
			a.recipients(&in, &f, reportedRecipientFields)
		case 6:
			a.content(&in, &f)
		case 7:
			a.AdditionalInformation = f.Content
			d.out = d.out[:0]
			if f.Constructed {
				value := in.Enter(&f)
				var g ber.Element
				for i := 0; value.Next(&g); i++ {
					if i > 0 {
						d.out = append(d.out, ", "...)
					}
					d.out = d.appendAny(d.out, &value, &g)
				}
				d.end(&value)
			} else {
				d.out = appendOpaque(d.out, f.Content)
			}
			a.AdditionalText = d.keep(d.out)
		case 8:
			a.ContentExtensions = a.extensionSet(&in, &f, false)
		case 9:
			a.recipients(&in, &f, deliveredReportFields)
		case 10:
			a.Extensions = a.extensionSet(&in, &f, true)
		}
		d.pop()
	}
	d.complete(fields, seen, e.Offset)
}
