package x411

import "x400flow/osi/ber"

// DecodeArgument reads the argument of an operation that carries an envelope, as
// rose.APDU.Argument has it: KindSubmission a MessageSubmissionArgument,
// KindProbeSubmission a ProbeSubmissionArgument, KindDelivery a
// MessageDeliveryArgument and KindReportDelivery a ReportDeliveryArgument (X.411
// 8.2.1, 8.3.1), where MS access has the same with further fields (X.413);
// KindFetch is the result of MS access's fetch. It returns the status, which is
// also in a.Status. All that is said of [APDU.Decode] holds.
func (a *APDU) DecodeArgument(kind Kind, argument []byte) Status {
	a.reset()
	d := a.d
	d.names = a.Names
	c := d.start(argument, &a.Limits)
	a.Status = StatusFailed
	d.push(kind.String())
	var e ber.Element
	if c.Next(&e) {
		a.Octets = Range{e.Offset, e.End}
		a.argument(kind, &c, &e)
		if c.More() {
			d.fail(CodeTrailing, c.Offset())
		}
	} else if d.end(&c); d.failures == 0 {
		d.fail(CodeNotAPDU, 0)
	}
	a.Failure = d.failure
	a.UnknownFields = d.unknown
	a.FirstUnknown = d.firstUnknown
	if a.Status == StatusOK && d.failure.Code != CodeNone {
		a.Status = StatusPartial
	}
	return a.Status
}

func (a *APDU) argument(kind Kind, c *ber.Cursor, e *ber.Element) {
	d := a.d
	want := ber.TagSet
	if kind == KindSubmission || kind == KindDelivery {
		want = ber.TagSequence
	}
	if e.Tag != want || !e.Constructed {
		d.fail(CodeNotAPDU, e.Offset)
		return
	}
	a.Kind = kind
	switch kind {
	case KindSubmission:
		a.message(c, e, submissionFields, messageSubmissionFields)
	case KindProbeSubmission:
		a.Status = StatusOK
		a.Envelope = a.Octets
		a.envelope(c, e, probeSubmissionFields)
	case KindDelivery:
		a.delivery(c, e)
	case KindReportDelivery:
		a.Status = StatusOK
		a.Envelope = a.Octets
		a.reportContent(c, e, reportDeliveryFields)
	case KindFetch:
		a.fetch(c, e)
	default:
		d.fail(CodeNotAPDU, e.Offset)
	}
}

var submissionFields = FieldsOf([]field{
	{"envelope", ber.TagSet, 0, true},
	{"content", ber.TagOctetString, 1, true},
	{"submission-options", ber.Context(4), 2, false}, // X.413 of 1994.
})

// messageSubmissionFields is MessageSubmissionEnvelope (X.411 8.2.1.1.1).
var messageSubmissionFields = FieldsOf([]field{
	{"originator-name", tagORName, 1, true},
	{"original-encoded-information-types", tagEITs, 2, false},
	{"content-type", tagContentType, 3, true},
	{"content-type", ber.TagOID, 3, true},
	{"content-identifier", tagContentID, 4, false},
	{"priority", tagPriority, 5, false},
	{"per-message-indicators", tagIndicators, 6, false},
	{"deferred-delivery-time", ber.Context(0), 7, false},
	{"per-recipient-fields", ber.Context(1), 13, true},
	{"extensions", ber.Context(2), 11, false},
})

// probeSubmissionFields is ProbeSubmissionEnvelope (X.411 8.2.1.2.1), with X.413's
// submission-options.
var probeSubmissionFields = FieldsOf([]field{
	{"originator-name", tagORName, 1, true},
	{"original-encoded-information-types", tagEITs, 2, false},
	{"content-type", tagContentType, 3, true},
	{"content-type", ber.TagOID, 3, true},
	{"content-identifier", tagContentID, 4, false},
	{"content-length", ber.Context(0), 12, false},
	{"per-message-indicators", tagIndicators, 6, false},
	{"per-recipient-fields", ber.Context(3), 13, true},
	{"extensions", ber.Context(2), 11, false},
	{"submission-options", ber.Context(4), 14, false},
})

// submittedRecipientFields is PerRecipientMessageSubmissionFields and
// PerRecipientProbeSubmissionFields (X.411 8.2.1.1.1, 8.2.1.2.1). Its ids are
// those of recipientFields.
var submittedRecipientFields = FieldsOf([]field{
	{"recipient-name", tagORName, 0, true},
	{"originator-report-request", ber.Context(0), 2, true},
	{"explicit-conversion", ber.Context(1), 3, false},
	{"extensions", ber.Context(2), 4, false},
})

// deliveryEnvelopeFields is MessageDeliveryArgument, the fields of a
// MessageDeliveryEnvelope and the content (X.411 8.3.1.1.1).
var deliveryEnvelopeFields = FieldsOf([]field{
	{"message-delivery-identifier", tagMTSIdentifier, 0, true},
	{"message-delivery-time", ber.TagUTCTime, 1, true},
	{"other-fields", ber.TagSet, 2, true},
	{"content", ber.TagOctetString, 3, true},
})

func (a *APDU) delivery(c *ber.Cursor, e *ber.Element) {
	d := a.d
	seen := a.deliveryEnvelope(c, e)
	d.complete(deliveryEnvelopeFields, seen, e.Offset)
}

// deliveryEnvelope reads a MessageDeliveryEnvelope and a content behind it, and
// returns what was there.
func (a *APDU) deliveryEnvelope(c *ber.Cursor, e *ber.Element) (seen uint32) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	for {
		id := d.next(&in, &f, deliveryEnvelopeFields, &seen)
		if id < 0 {
			return seen
		}
		switch id {
		case 0:
			a.Status = StatusOK
			d.identifier(&in, &f, &a.ID)
		case 1:
			a.DeliveryTime = d.time(&in, &f)
		case 2:
			a.Status = StatusOK
			a.Envelope = Range{e.Offset + e.Header, f.End}
			a.deliveryFields(&in, &f)
		case 3:
			a.content(&in, &f)
		}
		d.pop()
	}
}

// otherDeliveryFields is OtherMessageDeliveryFields (X.411 Figure 2).
var otherDeliveryFields = FieldsOf([]field{
	{"content-type", ber.Context(0), 0, true},
	{"content-type", ber.TagOID, 0, true},
	{"originator-name", tagORName, 1, true},
	{"original-encoded-information-types", ber.Context(1), 2, false},
	{"priority", tagPriority, 3, false},
	{"delivery-flags", ber.Context(2), 4, false},
	{"other-recipient-names", ber.Context(3), 5, false},
	{"this-recipient-name", ber.Context(4), 6, true},
	{"originally-intended-recipient-name", ber.Context(5), 7, false},
	{"converted-encoded-information-types", ber.Context(6), 8, false},
	{"message-submission-time", ber.Context(7), 9, true},
	{"content-identifier", ber.Context(8), 10, false},
	{"extensions", ber.Context(9), 11, false},
})

func (a *APDU) deliveryFields(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var f, others ber.Element
	var intended ORName
	this := -1
	seen := uint32(0)
	for {
		id := d.next(&in, &f, otherDeliveryFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.contentType(&in, &f, &a.ContentType)
		case 1:
			d.orName(&in, &f, &a.Originator)
		case 2:
			d.eits(&in, &f, &a.OriginalEITs)
		case 3:
			a.Priority = Priority(d.code(&in, &f))
			a.PriorityPresent = true
		case 4:
			v, ok := d.flags(&in, &f)
			// DeliveryFlags has the one bit, at the same place.
			a.Indicators, a.IndicatorsPresent = PerMessageIndicators(v), ok
		case 5:
			others = f // Behind this recipient, wherever it stands in the SET.
		case 6:
			this = len(a.Recipients)
			r := a.addRecipient(&f)
			d.orName(&in, &f, &r.Name)
		case 7:
			d.orName(&in, &f, &intended)
		case 8:
			d.eits(&in, &f, &a.ConvertedEITs)
		case 9:
			a.SubmissionTime = d.time(&in, &f)
		case 10:
			a.ContentID, _ = d.text(&in, &f)
		case 11:
			a.Extensions = a.extensionSet(&in, &f, true)
		}
		d.pop()
	}
	d.complete(otherDeliveryFields, seen, e.Offset)
	if this >= 0 {
		a.Recipients[this].Intended = intended
	}
	if others.End > 0 {
		d.push("other-recipient-names")
		a.otherRecipients(&in, &others)
		d.pop()
	}
}

func (a *APDU) otherRecipients(c *ber.Cursor, e *ber.Element) {
	d := a.d
	limit := orDefault(a.Limits.Recipients, DefaultRecipients)
	names := c.Enter(e)
	var f ber.Element
	for i := 0; names.Next(&f); i++ {
		if len(a.Recipients) >= limit {
			a.MoreRecipients++
			continue
		}
		d.pushIndex(i)
		if d.is(&f, tagORName) {
			r := a.addRecipient(&f)
			r.Other = true
			d.orName(&names, &f, &r.Name)
		}
		d.pop()
	}
	d.end(&names)
}

// reportDeliveryFields is ReportDeliveryArgument (X.411 8.3.1.2.1). Its ids are
// those of reportContentFields.
var reportDeliveryFields = FieldsOf([]field{
	{"subject-submission-identifier", tagMTSIdentifier, 0, true},
	{"original-encoded-information-types", tagEITs, 2, false},
	{"content-type", tagContentType, 3, false},
	{"content-type", ber.TagOID, 3, false},
	{"content-identifier", tagContentID, 4, false},
	{"per-recipient-fields", ber.TagSequence, 9, true},
	{"returned-content", ber.Context(0), 6, false},
	{"extensions", ber.Context(1), 10, false},
})

// deliveredReportFields is PerRecipientReportDeliveryFields (X.411 8.3.1.2.1).
// Its ids are those of recipientFields.
var deliveredReportFields = FieldsOf([]field{
	{"actual-recipient-name", ber.Context(0), 0, true},
	{"report-type", ber.Context(1), 8, true},
	{"converted-encoded-information-types", tagEITs, 9, false},
	{"originally-intended-recipient-name", ber.Context(2), 6, false},
	{"supplementary-information", ber.Context(3), 7, false},
	{"extensions", ber.Context(4), 4, false},
})

// The attribute types of a stored message (X.413 Annex C: id-att) that give a
// message.
const (
	attributeContent            = "2.6.4.3.1"
	attributeDeliveryEnvelope   = "2.6.4.3.18"
	attributeReportEnvelope     = "2.6.4.3.34"
	attributeSubmissionEnvelope = "2.6.4.3.59"
)

// fetch reads a FetchResult (X.413): the message or report in the attributes of
// the entry. Status is StatusFailed where they have neither envelope nor
// content.
func (a *APDU) fetch(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		if f.Tag != ber.Context(0) {
			continue // What else matches, and where to go on.
		}
		d.push("entry-information")
		// X.413 tags explicitly.
		var entry ber.Element
		if ec, ok := d.only(&in, &f, &entry); ok && d.is(&entry, ber.TagSequence) {
			a.entry(&ec, &entry)
		}
		d.pop()
	}
	d.end(&in)
	if a.Status == StatusFailed && d.failures == 0 {
		d.fail(CodeMissing, e.Offset)
	}
}

// entry reads an EntryInformation: its number, and its attributes.
func (a *APDU) entry(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		if f.Tag != ber.TagSet {
			continue
		}
		attributes := in.Enter(&f)
		for i := 0; attributes.Next(&g); i++ {
			d.pushIndex(i)
			a.attribute(&attributes, &g)
			d.pop()
		}
		d.end(&attributes)
	}
	d.end(&in)
}

// attribute reads one Attribute of a stored message: a type and a SEQUENCE OF its
// values, of which these have one.
func (a *APDU) attribute(c *ber.Cursor, e *ber.Element) {
	d := a.d
	in := c.Enter(e)
	var t, values, v ber.Element
	if !in.Next(&t) || t.Tag != ber.TagOID || !in.Next(&values) {
		d.end(&in)
		return
	}
	oid, _ := d.oid(&in, &t)
	one := in.Enter(&values)
	if !one.Next(&v) {
		d.end(&one)
		return
	}
	switch string(oid) {
	case attributeContent:
		if v.Tag == ber.TagOctetString {
			a.Status = StatusOK
			a.content(&one, &v)
		}
	case attributeDeliveryEnvelope:
		if d.is(&v, ber.TagSequence) {
			d.push("message-delivery-envelope")
			a.deliveryEnvelope(&one, &v)
			d.pop()
		}
	case attributeSubmissionEnvelope:
		if d.is(&v, ber.TagSet) {
			a.Status = StatusOK
			a.Envelope = Range{v.Offset, v.End}
			d.push("message-submission-envelope")
			a.envelope(&one, &v, messageSubmissionFields)
			d.pop()
		}
	case attributeReportEnvelope:
		if d.is(&v, ber.TagSet) {
			a.Status = StatusOK
			a.StoredReport = true
			a.Envelope = Range{v.Offset, v.End}
			d.push("report-delivery-envelope")
			a.reportContent(&one, &v, reportDeliveryFields)
			d.pop()
		}
	}
}
