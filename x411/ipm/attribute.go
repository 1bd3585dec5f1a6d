package ipm

import (
	"x400flow/osi/ber"
	"x400flow/x411"
)

type attribute struct {
	name   string
	render x411.Renderer
}

// The attributes of an interpersonal message in a message store (X.420 Annex C), by
// the last arc of their type: summary, heading and correlation attributes under
// 2.6.1.6, 2.6.1.7 and 2.6.1.13. The body and its parts are under 2.6.1.8 to 2.6.1.12.
var (
	summaryAttributes = [...]attribute{
		{"ipm-entry-type", named("ipm", "rn", "nrn", "on")}, {"ipm-synopsis", renderAny}, {"body-parts-summary", renderAny},
		{"ipm-auto-discarded", renderBool},
	}
	headingAttributes = [...]attribute{
		{"heading", renderAny}, {"this-ipm", renderIdentifier}, {"originator", appendDescriptorOf}, {"replied-to-IPM", renderIdentifier},
		{"subject", renderString}, {"expiry-time", renderTime}, {"reply-time", renderTime}, {"importance", named(importanceNames...)},
		{"sensitivity", named(sensitivityNames...)}, {"auto-forwarded", renderBool}, {"authorizing-users", appendDescriptorOf},
		{"primary-recipients", renderSpecifier}, {"copy-recipients", renderSpecifier}, {"blind-copy-recipients", renderSpecifier},
		{"obsoleted-IPMs", renderIdentifier}, {"related-IPMs", renderIdentifier}, {"reply-recipients", appendDescriptorOf},
		{"incomplete-copy", renderNull}, {"languages", renderString}, {"rn-requestors", appendDescriptorOf},
		{"nrn-requestors", appendDescriptorOf}, {"reply-requestors", appendDescriptorOf}, {"auto-submitted", renderAutoSubmitted},
		{"body-part-signatures", renderSignatures}, {"ipm-security-label", renderSecurityLabel}, {"body-part-security-label", renderPartLabel},
		{"body-part-encryption-token", renderTokens}, {"authorization-time", renderTime}, {"circulation-list-recipients", appendMember},
		{"distribution-codes", appendDistributionCode}, {"extended-subject", renderUniversal}, {"information-category", appendCategory},
		{"manual-handling-instructions", renderUniversal}, {"originators-reference", renderUniversal},
		{"precedence-policy-identifier", renderOID}, {"forwarded-content-token", renderTokens}, {"forwarded-token", renderToken},
		{"precedence", renderPrecedence}, {"body-part-signature-verification-status", renderVerification},
	}
	correlationAttributes = [...]attribute{
		{"ac-correlated-delivered-ipns", renderAny}, {"ac-correlated-delivered-replies", renderAny},
		{"ac-delivered-ipn-summary", named(deliveredNames...)}, {"ac-delivered-replies-summary", named("no-reply-requested", "reply-outstanding", "reply-received")}, {"ac-forwarded-ipms", renderAny},
		{"ac-forwarding-ipms", renderAny}, {"ac-ipm-recipients", appendDescriptorOf}, {"ac-obsoleted-ipms", renderAny},
		{"ac-obsoleting-ipms", renderAny}, {"ac-related-ipms", renderAny}, {"ac-relating-ipms", renderAny}, {"ac-replied-to-ipm", renderAny},
		{"ac-replying-ipms", renderAny}, {"revised-reply-time", renderTime}, {"ac-submitted-ipn-status", named(submittedNames...)},
		{"ac-submitted-ipns", renderAny}, {"ac-submitted-reply-status", named("no-reply-requested", "no-reply-intended", "reply-pending", "reply-sent")},
		{"ac-subject-ipm", renderAny},
		{"recipient-category", named("primary-recipient", "copy-recipient", "blind-copy-recipient", "category-unknown", "circulation-list")},
	}
)

// Attribute returns name and renderer of an attribute of a stored message by the
// contents octets of its object identifier, for [x411.Parameter]; the name is empty
// where X.420 defines none, or one of the body.
func Attribute(oid []byte) (name string, render x411.Renderer) {
	if len(oid) != 4 || oid[0] != 0x56 || oid[1] != 1 {
		return "", nil
	}
	var list []attribute
	switch oid[2] {
	case 6:
		list = summaryAttributes[:]
	case 7:
		list = headingAttributes[:]
	case 13:
		list = correlationAttributes[:]
	}
	if int(oid[3]) >= len(list) {
		return "", nil
	}
	return list[oid[3]].name, list[oid[3]].render
}

// named returns the renderer of an INTEGER or ENUMERATED with names.
func named(names ...string) x411.Renderer {
	return func(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
		return r.AppendNamed(dst, c, e, names)
	}
}

// Names of DeliveredIPNStatus and SubmittedIPNStatus (X.420 Annex C).
var (
	deliveredNames = []string{0: "no-ipn-requested", 3: "an-requested", 5: "nrn-requested", 10: "rn-requested", 13: "an-received",
		15: "ipm-auto-forwarded", 20: "ipm-discarded", 25: "rn-received"}
	submittedNames = []string{0: "no-ipn-requested", 5: "nrn-requested", 10: "nrn-with-ipm-return-requested", 15: "rn-requested",
		20: "rn-with-ipm-return-requested", 25: "ipm-auto-forwarded", 30: "ipm-discarded", 35: "rn-sent"}
)

func renderBool(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if r.Bool(c, e) {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

func renderString(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	s, _ := r.String(c, e)
	return x411.AppendClean(dst, s)
}

// renderPartLabel renders a BodyPartSecurityLabel (X.420 A.1.5).
func renderPartLabel(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if e.Tag == ber.Context(0) {
		return append(dst, "unlabelled"...)
	}
	return r.AppendSecurityLabel(dst, c, e)
}

// renderVerification renders a BodyPartSignatureVerification (X.420 Annex C).
func renderVerification(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, "; ", appendVerification)
}

func appendVerification(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			dst = r.AppendNamed(x411.AppendItem(dst, at, "part"), &in, &f, nil)
		case ber.Context(1):
			dst = r.AppendSignatureStatus(x411.AppendItem(dst, at, "signature"), &in, &f)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}

func renderTokens(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.AppendBodyPartTokens(dst, c, e)
}

func renderToken(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.AppendToken(dst, c, e)
}

// renderIdentifier renders an IPMIdentifier (X.420 7.1.1).
func renderIdentifier(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	var user, local ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.App(0):
			user = f
		case ber.TagPrintableString:
			local = f
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	if local.End > 0 {
		s, _ := r.Text(&in, &local)
		dst = x411.AppendClean(dst, s)
	}
	dst = append(dst, '*')
	if user.End > 0 {
		dst = r.AppendORName(dst, &in, &user)
	}
	return dst
}

// renderSpecifier renders whom a RecipientSpecifier names (X.420 7.1.3).
func renderSpecifier(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		if f.Tag == ber.Context(0) {
			dst = appendDescriptorOf(r, dst, &in, &f)
		}
	}
	r.End(&in)
	return dst
}
