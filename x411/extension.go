package x411

import (
	"x400flow/osi/ber"
)

// renderer appends the readable value of an extension, whose encoding is e.
type renderer func(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte

type extensionDef struct {
	name   string
	render renderer
}

// standardExtensions are the standard extensions by number (X.411 9.2 and Figure
// 2; 36 is of X.413, 41, 43 and 44 of X.420).
var standardExtensions = [...]extensionDef{
	1:  {"recipient-reassignment-prohibited", renderNamed("recipient-reassignment-allowed", "recipient-reassignment-prohibited")},
	2:  {"originator-requested-alternate-recipient", renderORName},
	3:  {"dl-expansion-prohibited", renderNamed("dl-expansion-allowed", "dl-expansion-prohibited")},
	4:  {"conversion-with-loss-prohibited", renderNamed("conversion-with-loss-allowed", "conversion-with-loss-prohibited")},
	5:  {"latest-delivery-time", renderTime},
	6:  {"requested-delivery-method", renderDeliveryMethods},
	7:  {"physical-forwarding-prohibited", renderNamed("physical-forwarding-allowed", "physical-forwarding-prohibited")},
	8:  {"physical-forwarding-address-request", renderNamed("physical-forwarding-address-not-requested", "physical-forwarding-address-requested")},
	9:  {"physical-delivery-modes", renderDeliveryModes},
	10: {"registered-mail-type", renderNamed("non-registered-mail", "registered-mail", "registered-mail-to-addressee-in-person")},
	11: {"recipient-number-for-advice", renderTeletex},
	12: {"physical-rendition-attributes", renderOID},
	13: {"originator-return-address", renderORName},
	14: {"physical-delivery-report-request", renderNamed("return-of-undeliverable-mail-by-PDS", "return-of-notification-by-PDS", "return-of-notification-by-MHS", "return-of-notification-by-MHS-and-PDS")},
	15: {"originator-certificate", renderCertificates},
	16: {"message-token", renderToken},
	17: {"content-confidentiality-algorithm-identifier", renderAlgorithm},
	18: {"content-integrity-check", renderSignature},
	19: {"message-origin-authentication-check", renderSignature},
	20: {"message-security-label", renderSecurityLabel},
	21: {"proof-of-submission-request", renderNamed("proof-of-submission-not-requested", "proof-of-submission-requested")},
	22: {"proof-of-delivery-request", renderNamed("proof-of-delivery-not-requested", "proof-of-delivery-requested")},
	23: {"content-correlator", renderCorrelator},
	24: {"probe-origin-authentication-check", renderSignature},
	25: {"redirection-history", renderRedirectionHistory},
	26: {"dl-expansion-history", renderNamesAndTimes},
	27: {"physical-forwarding-address", renderORName},
	28: {"recipient-certificate", renderCertificates},
	29: {"proof-of-delivery", renderSignature},
	30: {"originator-and-DL-expansion-history", renderNamesAndTimes},
	31: {"reporting-DL-name", renderORName},
	32: {"reporting-MTA-certificate", renderCertificates},
	33: {"report-origin-authentication-check", renderSignature},
	34: {"originating-MTA-certificate", renderCertificates},
	35: {"proof-of-submission", renderSignature},
	36: {"forwarding-request", renderAny},
	37: {"trace-information", renderTrace},
	38: {"internal-trace-information", renderTrace},
	39: {"reporting-MTA-name", renderReportingMTA},
	40: {"multiple-originator-certificates", renderExtendedCertificates},
	41: {"blind-copy-recipients", renderBlindCopies},
	42: {"dl-exempted-recipients", renderORNames},
	43: {"body-part-encryption-token", renderBodyPartTokens},
	44: {"forwarded-content-token", renderBodyPartTokens},
	45: {"certificate-selectors", renderSelectors},
	46: {"certificate-selectors-override", renderSelectors},
}

const (
	extensionTrace         = 37
	extensionInternalTrace = 38
)

// privateExtension is a private extension that a standard defines.
type privateExtension struct {
	oid string
	def extensionDef
}

var privateExtensions = [...]privateExtension{
	// STANAG 4406 Annex A, id-nato-mmhs-mmts.
	{"1.3.26.0.4406.0.8.0", extensionDef{"priority-level-qualifier", renderNamed("low", "high")}},
}

// ExtensionName returns the standard's name of a standard extension, "" for an
// unknown number.
func ExtensionName(number int32) string {
	if number < 0 || int(number) >= len(standardExtensions) {
		return ""
	}
	return standardExtensions[number].name
}

var extensionFieldFields = FieldsOf([]field{
	{"type", ber.Context(0), 0, true},
	{"type", ber.Context(3), 0, true},
	{"criticality", ber.Context(1), 1, false},
	{"value", ber.Context(2), 2, false},
})

// extension reads one ExtensionField (X.411 9.1) into x. Where it has a value, that is
// left in d.value and d.valueIn.
func (d *decoder) extension(c *ber.Cursor, e *ber.Element, x *Extension) (hasValue bool) {
	*x = Extension{}
	x.Number, x.Offset = -1, e.Offset
	failures := d.failures
	fields := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	// Nearly all begin so.
	if n, ok := plainNumber(&fields, e.Content); ok {
		x.Number, x.Name, seen = n, ExtensionName(n), 1
		if x.Critical, ok = plainCriticality(&fields, e.Content[3:]); ok {
			seen |= 2
		}
	}
	for seen != 7 || fields.More() {
		id := d.next(&fields, &f, extensionFieldFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			if f.Tag == ber.Context(3) {
				x.OID, _ = d.oid(&fields, &f)
			} else {
				x.Number = d.code(&fields, &f)
				x.Name = ExtensionName(x.Number)
			}
		case 1:
			v, _ := d.flags(&fields, &f)
			x.Critical = Criticality(v)
		case 2:
			d.valueIn, hasValue = d.only(&fields, &f, &d.value)
		}
		d.pop()
	}
	d.complete(extensionFieldFields, seen, e.Offset)
	render := renderer(renderAny)
	if x.Name != "" {
		render = standardExtensions[x.Number].render
	}
	for i := range privateExtensions {
		if p := &privateExtensions[i]; p.oid == string(x.OID) {
			x.Name, render = p.def.name, p.def.render
		}
	}
	if hasValue {
		x.Raw = d.valueIn.Raw(&d.value)
		d.push("value")
		d.out = d.out[:0]
		// The default value of a field is NULL; some senders write it out.
		if d.value.Tag != ber.TagNull {
			d.out = render(d, d.out, &d.valueIn, &d.value)
		}
		if len(d.out) > d.textLimit {
			d.out = cutText(d.out, d.textLimit)
			d.fail(CodeTooLong, d.value.Offset)
		}
		x.Value = d.keep(d.out)
		d.pop()
	}
	if d.failures != failures {
		x.Err = d.last
	}
	return hasValue
}

// plainNumber reads what in, the contents of a SEQUENCE that c has entered, begins with where that is
// a type of the tag [0], a number of one octet. Otherwise it reads nothing.
func plainNumber(c *ber.Cursor, in []byte) (number int32, ok bool) {
	if len(in) < 3 || in[0] != 0x80 || in[1] != 1 || in[2] >= 0x80 || !c.Pass(3, 1) {
		return 0, false
	}
	return int32(in[2]), true
}

// plainCriticality reads what in, which c has come to, begins with where that is a criticality of one
// octet. Otherwise it reads nothing.
func plainCriticality(c *ber.Cursor, in []byte) (v Criticality, ok bool) {
	if len(in) < 4 || in[0] != 0x81 || in[1] != 2 || in[2] > 7 || !c.Pass(4, 1) {
		return 0, false
	}
	return Criticality(flagsOf(in[3:4], int(in[2]))), true
}

// cutText cuts s to at most n octets without cutting a character.
func cutText(s []byte, n int) []byte {
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// renderNamed returns the renderer of an INTEGER or ENUMERATED with names.
func renderNamed(names ...string) renderer {
	return func(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
		if !d.is(e, ber.TagEnumerated, ber.TagInteger) {
			return dst
		}
		return d.appendNamed(dst, c, e, names)
	}
}

// is reports whether e has one of the tags and notes a failure if not.
func (d *decoder) is(e *ber.Element, t ber.Tag, or ...ber.Tag) bool {
	if e.Tag == t {
		return true
	}
	for _, o := range or {
		if e.Tag == o {
			return true
		}
	}
	d.fail(CodeUnexpectedTag, e.Offset)
	return false
}

func (d *decoder) appendNamed(dst []byte, c *ber.Cursor, e *ber.Element, names []string) []byte {
	v, ok := d.integer(c, e)
	if !ok {
		return dst
	}
	if name := nameOf(names, v); name != "" {
		return append(dst, name...)
	}
	return appendInt(dst, v)
}

func renderAny(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return d.appendAny(dst, c, e)
}

func renderTime(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagUTCTime, ber.TagGeneralizedTime) {
		return dst
	}
	t := d.time(c, e)
	return appendTime(dst, &t)
}

func renderORName(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, tagORName, ber.TagSequence) {
		return dst
	}
	return d.appendORName(dst, c, e)
}

// appendORName appends the text of an OR-name, whatever its tag.
func (d *decoder) appendORName(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	var n ORName
	d.orName(c, e, &n)
	return append(dst, n.Text...)
}

// renderORNames renders a SET or SEQUENCE of OR-names, separated by "; ".
func renderORNames(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSet, ber.TagSequence) {
		return dst
	}
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		if d.is(&f, tagORName) {
			dst = d.appendORName(dst, &in, &f)
		}
		d.pop()
	}
	d.end(&in)
	return dst
}

// renderBlindCopies renders a SEQUENCE OF RecipientSpecifier (X.420 7.1.1), each
// by the formal name, or else the free-form name, of its OR-descriptor.
func renderBlindCopies(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence, ber.TagSet) {
		return dst
	}
	in := c.Enter(e)
	var f, g, h ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		specifier := in.Enter(&f)
		for specifier.Next(&g) {
			if g.Tag != ber.Context(0) {
				continue // What is asked of the recipient.
			}
			at := len(dst)
			descriptor := specifier.Enter(&g)
			for descriptor.Next(&h) {
				switch h.Tag {
				case tagORName:
					dst = d.appendORName(dst[:at], &descriptor, &h)
				case ber.Context(0):
					if len(dst) > at {
						continue
					}
					if s, ok := d.octets(&descriptor, &h); ok {
						dst = appendQuoted(dst, d.teletex(s))
					}
				}
			}
			d.end(&descriptor)
		}
		d.end(&specifier)
		d.pop()
	}
	d.end(&in)
	return dst
}

var deliveryMethodNames = []string{
	"any-delivery-method", "mhs-delivery", "physical-delivery", "telex-delivery",
	"teletex-delivery", "g3-facsimile-delivery", "g4-facsimile-delivery",
	"ia5-terminal-delivery", "videotex-delivery", "telephone-delivery",
}

func renderDeliveryMethods(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if e.Tag == ber.TagInteger {
		return d.appendNamed(dst, c, e, deliveryMethodNames) // 1988 before its corrigenda
	}
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		if d.full(dst) {
			return dst
		}
		dst = d.appendNamed(dst, &in, &f, deliveryMethodNames)
	}
	d.end(&in)
	return dst
}

var deliveryModeNames = []string{
	"ordinary-mail", "special-delivery", "express-mail", "counter-collection",
	"counter-collection-with-telephone-advice", "counter-collection-with-telex-advice",
	"counter-collection-with-teletex-advice", "bureau-fax-delivery",
}

func renderDeliveryModes(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagBitString) {
		return dst
	}
	v, ok := d.flags(c, e)
	if !ok {
		return dst
	}
	return appendBitNames(dst, v, deliveryModeNames)
}

func renderTeletex(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagTeletexString, ber.TagPrintableString, ber.TagNumericString) {
		return dst
	}
	s, ok := d.anyString(c, e)
	if !ok {
		return dst
	}
	return appendClean(dst, s)
}

func renderOID(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagOID) {
		return dst
	}
	oid, _ := d.oid(c, e)
	return append(dst, oid...)
}

func renderCorrelator(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	switch e.Tag {
	case ber.TagIA5String:
		s, _ := d.text(c, e)
		return appendClean(dst, s)
	case ber.TagOctetString:
		s, ok := d.octets(c, e)
		if !ok {
			return dst
		}
		if len(s) > 0 && graphic(s) {
			return append(dst, s...)
		}
		return appendOpaque(dst, s)
	}
	// 1988 made it any type.
	return d.appendAny(dst, c, e)
}

// appendItem appends "; " after an earlier item, then name and "=".
func appendItem(dst []byte, at int, name string) []byte {
	if len(dst) > at {
		dst = append(dst, "; "...)
	}
	dst = append(dst, name...)
	return append(dst, '=')
}

var classificationNames = []string{
	"unmarked", "unclassified", "restricted", "confidential", "secret", "top-secret",
}

// renderSecurityLabel renders a SecurityLabel (X.411 8.5.9), as in
// "policy=1.3.26.1; classification=secret; privacy-mark=NOFORN;
// categories=1.3.26.2 (5)".
func renderSecurityLabel(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSet) {
		return dst
	}
	return d.appendSecurityLabel(dst, c, e)
}

func (d *decoder) appendSecurityLabel(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagOID:
			dst = appendItem(dst, at, "policy")
			oid, _ := d.oid(&in, &f)
			dst = append(dst, oid...)
		case ber.TagInteger:
			dst = appendItem(dst, at, "classification")
			dst = d.appendNamed(dst, &in, &f, classificationNames)
		case ber.TagPrintableString, ber.TagUTF8String, ber.TagTeletexString:
			dst = appendItem(dst, at, "privacy-mark")
			s, _ := d.anyString(&in, &f)
			dst = appendClean(dst, s)
		case ber.TagSet:
			dst = appendItem(dst, at, "categories")
			dst = d.appendCategories(dst, &in, &f)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

func (d *decoder) appendCategories(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if d.full(dst) {
			return dst
		}
		dst = d.appendTyped(dst, &in, &f)
	}
	d.end(&in)
	return dst
}

// appendTyped appends a SEQUENCE of type [0] (an object identifier) and value
// [1] as "type (value)".
func (d *decoder) appendTyped(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			oid, _ := d.oid(&in, &f)
			dst = append(dst, oid...)
		case ber.Context(1):
			var v ber.Element
			if vc, ok := d.only(&in, &f, &v); ok {
				dst = append(dst, " ("...)
				dst = d.appendAny(dst, &vc, &v)
				dst = append(dst, ')')
			}
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

var redirectionReasonNames = []string{
	"recipient-assigned-alternate-recipient", "originator-requested-alternate-recipient",
	"recipient-MD-assigned-alternate-recipient", "directory-look-up", "alias",
}

// renderRedirectionHistory renders each redirection as "name time reason".
func renderRedirectionHistory(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		dst = d.appendRedirection(dst, &in, &f)
		d.pop()
	}
	d.end(&in)
	return dst
}

// appendRedirection appends a Redirection.
func (d *decoder) appendRedirection(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			dst = d.appendNameAndTime(dst, &in, &f)
		case ber.TagEnumerated, ber.TagInteger:
			dst = append(dst, ' ')
			dst = d.appendNamed(dst, &in, &f, redirectionReasonNames)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

// appendNameAndTime appends an OR-name and the time that follows it, as in
// IntendedRecipientName, DLExpansion and OriginatorAndDLExpansion.
func (d *decoder) appendNameAndTime(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		switch f.Tag {
		case tagORName:
			dst = d.appendORName(dst, &in, &f)
		case ber.TagUTCTime, ber.TagGeneralizedTime:
			t := d.time(&in, &f)
			dst = appendTime(dst, &t)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

func renderNamesAndTimes(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		if d.is(&f, ber.TagSequence) {
			dst = d.appendNameAndTime(dst, &in, &f)
		}
		d.pop()
	}
	d.end(&in)
	return dst
}

// renderTrace renders trace and internal trace elements, separated by "; ", and leaves those
// that it has read in d.trace.
func renderTrace(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	d.trace = d.trace[:0]
	if !d.is(e, ber.TagSequence, tagTrace) {
		return dst
	}
	_, before := c.Left(e)
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		if d.is(&f, ber.TagSequence) {
			d.trace = append(d.trace, TraceElement{})
			t := &d.trace[len(d.trace)-1]
			d.traceElement(&in, &f, t)
			dst = t.append(dst)
		}
		d.pop()
	}
	d.end(&in)
	_, left := c.Left(e)
	d.traceCost = before - left
	return dst
}

// append appends "domain mta time action" and what else the element holds.
func (t *TraceElement) append(dst []byte) []byte {
	dst = append(dst, t.Domain.Text...)
	if t.MTAName != nil {
		dst = append(dst, ' ')
		dst = appendClean(dst, t.MTAName)
	}
	dst = append(dst, ' ')
	dst = appendTime(dst, &t.ArrivalTime)
	dst = append(dst, ' ')
	if name := t.RoutingAction.Name(); name != "" {
		dst = append(dst, name...)
	} else {
		dst = appendInt(dst, int64(t.RoutingAction))
	}
	if t.AttemptedMTA != nil {
		dst = append(dst, " attempted-mta="...)
		dst = appendClean(dst, t.AttemptedMTA)
	}
	if len(t.AttemptedDomain.Text) > 0 {
		dst = append(dst, " attempted-domain="...)
		dst = append(dst, t.AttemptedDomain.Text...)
	}
	if t.DeferredTime.Present() {
		dst = append(dst, " deferred="...)
		dst = appendTime(dst, &t.DeferredTime)
	}
	if t.ConvertedEITs.Present {
		dst = append(dst, " converted="...)
		dst = append(dst, t.ConvertedEITs.Text...)
	}
	if t.OtherActions != 0 {
		dst = append(dst, ' ')
		dst = t.OtherActions.AppendNames(dst)
	}
	return dst
}

// renderReportingMTA renders a ReportingMTAName as "domain mta DN=name".
func renderReportingMTA(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		switch f.Tag {
		case tagDomain:
			var g DomainIdentifier
			d.domain(&in, &f, &g)
			dst = append(dst, g.Text...)
		case ber.TagIA5String, ber.TagPrintableString:
			s, _ := d.text(&in, &f)
			dst = appendClean(dst, s)
		case ber.Context(0):
			dst = append(dst, "DN="...)
			dst = d.appendName(dst, &in, &f)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}
