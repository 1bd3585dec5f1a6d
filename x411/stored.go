package x411

import "x400flow/osi/ber"

// storedAttribute is an attribute of a stored message (X.413 Annex C, id-att): how its
// values are told, as the value of an extension where extension is its number.
type storedAttribute struct {
	name      string
	extension int8
	shape     partShape
	names     []string // Of the values of an INTEGER or ENUMERATED.
}

// Names of values (X.413 6.3, 11.2).
var (
	entryTypeNames       = []string{"delivered-message", "delivered-report", "returned-content", "submitted-message", "submitted-probe", "draft-message", "auto-action-event"}
	retrievalStatusNames = []string{"new", "listed", "processed"}
	reportSummaryNames   = []string{"no-report-requested", "no-report-received", "report-outstanding", "delivery-cancelled",
		"delivery-report-from-another-recipient", "non-delivery-report-from-another-recipient",
		"delivery-report-from-intended-recipient", "non-delivery-report-from-intended-recipient"}
	signatureStatusNames = []string{"signature-absent", "verification-in-progress", "verification-succeeded", "verification-not-possible",
		"content-converted", "signature-encrypted", "algorithm-not-supported", "certificate-not-obtainable", "verification-failed"}
	// verifiedNames are what a SignatureVerificationStatus tells of, by tag.
	verifiedNames = []string{"content-integrity-check", "message-origin-authentication-check", "message-token",
		"report-origin-authentication-check", "proof-of-delivery", "proof-of-submission"}
)

// storedAttributes are the attributes of id-att, by the last arc of their type.
var storedAttributes = [...]storedAttribute{
	0: {name: "child-sequence-numbers", shape: partInteger}, 1: {name: "content", shape: partElsewhere},
	2: {name: "content-confidentiality-algorithm-identifier", extension: 17}, 3: {name: "content-correlator", extension: 23},
	4: {name: "content-identifier", shape: partText}, 5: {name: "content-integrity-check", extension: 18}, 6: {name: "content-length", shape: partInteger},
	7: {name: "content-returned", shape: partBoolean}, 8: {name: "content-type", shape: partContentType}, 9: {name: "conversion-with-loss-prohibited", extension: 4},
	10: {name: "converted-EITs", shape: partEIT}, 11: {name: "creation-time", extension: 5}, 12: {name: "delivered-EITs", shape: partEIT},
	13: {name: "delivery-flags", shape: partIndicators}, 14: {name: "dl-expansion-history", shape: partExpansion}, 15: {name: "retrieval-status", names: retrievalStatusNames},
	16: {name: "entry-type", names: entryTypeNames}, 17: {name: "originally-intended-recipient-name", shape: partName},
	18: {name: "message-delivery-envelope", shape: partElsewhere}, 19: {name: "message-identifier", shape: partMTSIdentifier},
	20: {name: "message-delivery-time", extension: 5}, 21: {name: "message-origin-authentication-check", extension: 19},
	22: {name: "message-security-label", extension: 20}, 23: {name: "message-submission-time", extension: 5}, 24: {name: "message-token", extension: 16},
	25: {name: "original-EITs", shape: partEIT}, 26: {name: "originator-certificate", extension: 15}, 27: {name: "originator-name", shape: partName},
	28: {name: "other-recipient-names", shape: partName}, 29: {name: "parent-sequence-number", shape: partInteger},
	30: {name: "per-recipient-report-delivery-fields", shape: partReported}, 31: {name: "priority", shape: partPriority},
	32: {name: "proof-of-delivery-request", extension: 22}, 33: {name: "redirection-history", shape: partRedirectionReason},
	34: {name: "report-delivery-envelope", shape: partElsewhere}, 35: {name: "reporting-DL-name", extension: 31}, 36: {name: "reporting-MTA-certificate", extension: 32},
	37: {name: "report-origin-authentication-check", extension: 33}, 38: {name: "security-classification", shape: partClassification},
	39: {name: "sequence-number", shape: partInteger}, 40: {name: "subject-submission-identifier", shape: partMTSIdentifier}, 41: {name: "this-recipient-name", shape: partName},
	42: {name: "ac-correlated-report-list", shape: partReports}, 43: {name: "ac-report-summary", names: reportSummaryNames}, 44: {name: "ac-uncorrelated-report-list", shape: partReport}, 46: {name: "auto-action-error"},
	47: {name: "auto-action-registration-identifier", shape: partInteger}, 48: {name: "auto-action-subject-entry", shape: partInteger}, 49: {name: "auto-action-type", shape: partObject}, 50: {name: "deferred-delivery-cancellation-time", extension: 5},
	51: {name: "deferred-delivery-time", extension: 5}, 52: {name: "deletion-time", extension: 5}, 53: {name: "dl-expansion-prohibited", extension: 3},
	54: {name: "internal-trace-information", shape: partTrace}, 55: {name: "latest-delivery-time", extension: 5}, 56: {name: "marked-for-deletion"},
	57: {name: "message-group-name", shape: partGroup}, 58: {name: "message-notes", shape: partString},
	59: {name: "message-submission-envelope", shape: partElsewhere}, 60: {name: "ms-originated"}, 61: {name: "ms-submission-error"}, 62: {name: "originating-MTA-certificate", extension: 34},
	63: {name: "originator-report-request", shape: partReportRequest}, 64: {name: "originator-return-address", extension: 13},
	65: {name: "per-message-indicators", shape: partIndicators}, 66: {name: "per-recipient-message-submission-fields", shape: partSubmitted},
	67: {name: "per-recipient-probe-submission-fields", shape: partSubmitted}, 68: {name: "probe-origin-authentication-check", extension: 24},
	69: {name: "probe-submission-envelope", shape: partProbe}, 70: {name: "proof-of-submission", extension: 35}, 71: {name: "recipient-names", shape: partName},
	72: {name: "recipient-reassignment-prohibited", extension: 1}, 73: {name: "storage-period", shape: partInteger}, 74: {name: "storage-time", extension: 5},
	75: {name: "trace-information", shape: partTrace}, 76: {name: "ac-report-subject-entry", shape: partInteger}, 77: {name: "locally-originated"}, 78: {name: "dl-exempted-recipients", shape: partName},
	79: {name: "signature-verification-status", shape: partVerification}, 80: {name: "certificate-selectors", extension: 45}, 81: {name: "multiple-originator-certificates", extension: 40},
	82: {name: "recipient-certificate", extension: 40},
}

// attributeArc is the contents octets of id-att, 2.6.4.3.
const attributeArc = "\x56\x04\x03"

// entry appends an EntryInformation (X.413): its number, and its attributes by name.
// Of attributes that neither X.411 nor X.413 nor Attribute knows it tells how many
// octets they have, since they may be of the content.
func (p *Parameter) entry(c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	d.out = append(d.out, '{')
	at := len(d.out)
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagInteger:
			d.out = appendItem(d.out, at, "sequence-number")
			v, _ := d.integer(&in, &f)
			d.out = appendInt(d.out, v)
		case ber.TagSet:
			attributes := in.Enter(&f)
			for i := 0; attributes.Next(&g) && !d.full(d.out); i++ {
				d.pushIndex(i)
				p.attribute(at, &attributes, &g)
				d.pop()
			}
			d.end(&attributes)
		default:
			d.out = d.appendAny(appendItem(d.out, at, "value-count-exceeded"), &in, &f)
		}
	}
	d.end(&in)
	d.out = append(d.out, '}')
}

// attribute appends an Attribute: its values, separated by " | ".
func (p *Parameter) attribute(at int, c *ber.Cursor, e *ber.Element) {
	d := &p.r.d
	in := c.Enter(e)
	var t, values, v ber.Element
	if !in.Next(&t) || t.Tag != ber.TagOID || !in.Next(&values) {
		d.end(&in)
		return
	}
	x := storedAttribute{}
	var render Renderer
	if arc := t.Content; len(arc) == len(attributeArc)+1 && string(arc[:len(attributeArc)]) == attributeArc && int(arc[len(attributeArc)]) < len(storedAttributes) {
		x = storedAttributes[arc[len(attributeArc)]]
	} else if p.Attribute != nil {
		x.name, render = p.Attribute(arc)
	}
	if x.name == "" {
		oid, _ := d.oid(&in, &t)
		if len(d.out) > at {
			d.out = append(d.out, "; "...)
		}
		d.out = append(append(d.out, oid...), '=')
		d.out = append(appendInt(d.out, int64(values.End-values.Offset)), " octets"...)
		return
	}
	d.push(x.name)
	d.out = appendItem(d.out, at, x.name)
	list := in.Enter(&values)
	for i := 0; list.Next(&v) && !d.full(d.out); i++ {
		if i > 0 {
			d.out = append(d.out, " | "...)
		}
		switch {
		case x.extension > 0 || render != nil:
			// They stand in the decoder because a function that is a value would
			// otherwise have them allocated.
			d.valueIn, d.value = list, v
			if render != nil {
				d.out = render(&p.r, d.out, &d.valueIn, &d.value)
			} else {
				d.out = standardExtensions[x.extension].render(d, d.out, &d.valueIn, &d.value)
			}
		case x.names != nil:
			d.out = d.appendNamed(d.out, &list, &v, x.names)
		case v.Tag != ber.TagNull:
			p.value(x.shape, &list, &v)
		}
	}
	d.end(&list)
	d.pop()
}

// appendReportType appends the ReportType that the tag e holds.
func (d *decoder) appendReportType(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	var inner ber.Element
	in, ok := d.only(c, e, &inner)
	if !ok {
		return dst
	}
	r := Recipient{UserType: -1, Reason: -1, Diagnostic: -1}
	d.reportType(&in, &inner, &r)
	dst = append(dst, r.Outcome.Name()...)
	switch r.Outcome {
	case OutcomeDelivered:
		dst = appendTime(append(dst, ' '), &r.DeliveryTime)
		dst = append(append(dst, ' '), r.UserType.Name()...)
	case OutcomeNotDelivered:
		dst = append(append(dst, ' '), r.Reason.Name()...)
		dst = append(append(dst, ' '), r.Diagnostic.Name()...)
	}
	return dst
}
