package ipm

import (
	"x400flow/osi/ber"
	"x400flow/x411"
	"x400flow/x411/p772"
)

// definition is an extension that X.420 defines, told by the contents octets of
// its object identifier.
type definition struct {
	oid    string
	name   string
	render x411.Renderer
}

// definitions are those of X.420 Annexes A, B and G: heading extensions under
// 2.6.1.5, security extensions under 2.6.1.18, other notification types under
// 2.6.1.19 and recipient extensions under 2.6.1.20.
var definitions = [...]definition{
	{"\x56\x01\x05\x00", "incomplete-copy", renderNull},
	{"\x56\x01\x05\x01", "languages", renderStrings},
	{"\x56\x01\x05\x02", "auto-submitted", renderAutoSubmitted},
	{"\x56\x01\x05\x03", "body-part-signatures", renderSignatures},
	{"\x56\x01\x05\x04", "ipm-security-label", renderSecurityLabel},
	{"\x56\x01\x05\x05", "authorization-time", renderTime},
	{"\x56\x01\x05\x06", "circulation-list-recipients", renderCirculation},
	{"\x56\x01\x05\x07", "distribution-codes", renderDistribution},
	{"\x56\x01\x05\x08", "extended-subject", renderUniversal},
	{"\x56\x01\x05\x09", "information-category", renderCategories},
	{"\x56\x01\x05\x0a", "manual-handling-instructions", renderUniversals},
	{"\x56\x01\x05\x0b", "originators-reference", renderUniversal},
	{"\x56\x01\x05\x0c", "precedence-policy-identifier", renderOID},
	{"\x56\x01\x12\x00", "ipm-security-request", renderSecurityRequest},
	{"\x56\x01\x12\x01", "ipn-security-response", renderSecurityResponse},
	{"\x56\x01\x13\x00", "absence-advice", renderAbsence},
	{"\x56\x01\x13\x01", "change-of-address-advice", renderNewAddress},
	{"\x56\x01\x14\x00", "circulation-list-indicator", renderNull},
	{"\x56\x01\x14\x01", "precedence", renderPrecedence},
}

// byEnd are the definitions by the last bits of the last two octets of their object
// identifiers, which no two have in common.
var byEnd = func() (t [512]*definition) {
	for i := range definitions {
		oid := definitions[i].oid
		t[end(oid[2], oid[3])] = &definitions[i]
	}
	return t
}()

func end(arc, last byte) uint { return uint(arc&31)<<4 | uint(last&15) }

// define returns what is known of an extension by the contents octets of its
// object identifier.
func define(oid []byte) *definition {
	if len(oid) != 4 {
		return nil
	}
	if d := byEnd[end(oid[2], oid[3])]; d != nil && d.oid == string(oid) {
		return d
	}
	return nil
}

// extensionSet reads a SET OF IPMSExtension.
func (c *Content) extensionSet(cur *ber.Cursor, e *ber.Element, scope Scope, owner int) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		r.PushIndex(i)
		if len(c.extensions) >= c.limits.Extensions {
			r.Fail(x411.CodeTooMany, f.Offset)
			r.Pop()
			return
		}
		if r.Is(&f, ber.TagSequence) {
			c.extension(&in, &f, scope, owner)
		}
		r.Pop()
	}
	r.End(&in)
}

// extension reads an IPMSExtension: its type, and its value unless that is NULL.
func (c *Content) extension(cur *ber.Cursor, e *ber.Element, scope Scope, owner int) {
	r := &c.r
	_, before := r.Failure()
	x := Extension{Scope: scope, Owner: owner, Offset: e.Offset}
	in := cur.Enter(e)
	var f ber.Element
	var content []byte
	switch {
	case !in.Next(&f):
		if r.End(&in); in.Code() == ber.None {
			r.FailIn("type", x411.CodeMissing, e.Offset)
		}
	case f.Tag != ber.TagOID:
		r.FailIn("type", x411.CodeUnexpectedTag, f.Offset)
	default:
		content = f.Content
		x.OID, _ = r.OID(&in, &f)
		def := define(content)
		switch {
		case def != nil:
			x.Name = def.name
		default:
			x.Name, _, _ = p772.Name(x.OID)
		}
		if in.Next(&f) {
			if f.Tag != ber.TagNull {
				x.Raw = in.Raw(&f)
				r.Push("value")
				c.extensionValue(&x, def, &in, &f)
				r.Pop()
			}
			if in.More() {
				r.Fail(x411.CodeTrailing, f.End)
			}
		}
		r.End(&in)
	}
	if _, n := r.Failure(); n != before {
		x.Err = r.Last()
	}
	c.extensions = append(c.extensions, x)
}

// extensionValue reads the value of x.
func (c *Content) extensionValue(x *Extension, def *definition, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	if def != nil {
		x.Value = r.Render(cur, e, def.render)
		return
	}
	field, ok := c.military.Decode(x.OID, x.Raw)
	if !ok {
		x.Value = r.Render(cur, e, renderAny)
		return
	}
	x.Value, x.Items = field.Text, field.Items
	if field.Failure.Code != x411.CodeNone {
		r.Fail(field.Failure.Code, e.Offset+field.Failure.Offset)
	}
}

func renderAny(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.AppendAny(dst, c, e)
}

func renderNull(r *x411.Reader, dst []byte, _ *ber.Cursor, e *ber.Element) []byte {
	r.Is(e, ber.TagNull)
	return dst
}

// renderList renders a SET OF or SEQUENCE OF, with separator between its members.
func renderList(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element, separator string, member x411.Renderer) []byte {
	if !r.Is(e, ber.TagSet, ber.TagSequence) {
		return dst
	}
	// A cursor and an element that are handed to a function that is a value would be
	// allocated where they stand here.
	return r.AppendEach(dst, c, e, separator, member)
}

// renderStrings renders a SET or SEQUENCE of strings, separated by commas.
func renderStrings(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, ",", renderString)
}

var autoSubmittedNames = []string{"not-auto-submitted", "auto-generated", "auto-replied"}

func renderAutoSubmitted(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagEnumerated, ber.TagInteger) {
		return dst
	}
	return r.AppendNamed(dst, c, e, autoSubmittedNames)
}

func renderTime(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagGeneralizedTime, ber.TagUTCTime) {
		return dst
	}
	t := r.Time(c, e)
	return x411.AppendTime(dst, &t)
}

func renderOID(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagOID) {
		return dst
	}
	oid, _ := r.OID(c, e)
	return append(dst, oid...)
}

func renderPrecedence(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagInteger, ber.TagEnumerated) {
		return dst
	}
	return r.AppendNamed(dst, c, e, nil)
}

// renderUniversal renders a UniversalOrBMPString.
func renderUniversal(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	s, _ := r.Universal(c, e)
	return x411.AppendClean(dst, s)
}

// renderUniversals renders a SEQUENCE of them, separated by "; ".
func renderUniversals(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, "; ", renderUniversal)
}

// renderSignatures renders BodyPartSignatures (X.420 A.1.4), as in
// "1 algorithm=1.2.840.113549.1.1.11; value='00'H".
func renderSignatures(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, "; ", appendBodyPartSignature)
}

func appendBodyPartSignature(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	set := c.Enter(e)
	var g ber.Element
	for set.Next(&g) {
		switch g.Tag {
		case ber.TagInteger:
			dst = append(dst, "part="...)
			dst = r.AppendNamed(dst, &set, &g, nil)
		case ber.TagSequence:
			dst = r.AppendSignature(append(dst, ' '), &set, &g)
		case ber.Context(0):
			dst = r.AppendCertificates(append(dst, " originator-certificates={"...), &set, &g)
			dst = append(dst, '}')
		case ber.Context(1):
			dst = r.AppendAssertion(append(dst, " originator-certificate-selector="...), &set, &g)
		default:
			r.Stray(&g)
		}
	}
	r.End(&set)
	return dst
}

// renderSecurityLabel renders an IPMSecurityLabel (X.420 A.1.5): the label of
// the content, of the heading and of each body part.
func renderSecurityLabel(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagSequence) {
		return dst
	}
	at := len(dst)
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			dst = appendLabel(r, x411.AppendItem(dst, at, "content"), &in, &f)
		case ber.Context(1):
			dst = appendLabel(r, x411.AppendItem(dst, at, "heading"), &in, &f)
		case ber.Context(2):
			parts := in.Enter(&f)
			for i := 1; parts.Next(&g) && !r.Full(dst); i++ {
				dst = x411.AppendItem(dst, at, "part")
				dst = append(appendInt(dst, i), ' ')
				switch g.Tag {
				case ber.Context(0):
					dst = append(dst, "unlabelled"...)
				case ber.Context(1):
					dst = appendLabel(r, dst, &parts, &g)
				default:
					r.Stray(&g)
				}
			}
			r.End(&parts)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}

func appendLabel(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	dst = append(dst, '{')
	dst = r.AppendSecurityLabel(dst, c, e)
	return append(dst, '}')
}

// appendDescriptorOf appends the text of an ORDescriptor under whatever tag.
func appendDescriptorOf(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	at := len(dst)
	var f ber.Element
	for in.Next(&f) {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		switch f.Tag {
		case ber.App(0):
			dst = append(dst, '<')
			dst = r.AppendORName(dst, &in, &f)
			dst = append(dst, '>')
		case ber.Context(0):
			s, _ := r.Teletex(&in, &f)
			dst = x411.AppendClean(dst, s)
		case ber.Context(1):
			dst = append(dst, '(')
			s, _ := r.Text(&in, &f)
			dst = x411.AppendClean(dst, s)
			dst = append(dst, ')')
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}

// renderCirculation renders a CirculationList (X.420 A.1.7): each member with
// its check mark.
func renderCirculation(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, "; ", appendMember)
}

func appendMember(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	member := c.Enter(e)
	var g ber.Element
	for member.Next(&g) {
		switch g.Tag {
		case ber.TagSet:
			dst = renderSpecifier(r, dst, &member, &g)
		case ber.TagNull:
			dst = append(dst, " checked"...)
		case ber.TagGeneralizedTime, ber.TagUTCTime:
			t := r.Time(&member, &g)
			dst = x411.AppendTime(append(dst, " checked="...), &t)
		case ber.TagSequence:
			dst = append(dst, " signed={"...)
			dst = append(appendCirculationSignature(r, dst, &member, &g), '}')
		default:
			r.Stray(&g)
		}
	}
	r.End(&member)
	return dst
}

// appendCirculationSignature appends a CirculationSignature (X.420 A.1.7): what
// was signed, which is the message's identifier and the time, the algorithm and
// the signature.
func appendCirculationSignature(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f, g ber.Element
	for first := true; in.Next(&f); first = false {
		switch {
		case f.Tag == ber.TagSequence && first:
			data := in.Enter(&f)
			for data.Next(&g) {
				switch g.Tag {
				case ber.TagSequence:
					dst = r.AppendAlgorithm(x411.AppendItem(dst, at, "data-algorithm"), &data, &g)
				case ber.App(11):
					dst = x411.AppendItem(dst, at, "this-ipm")
					dst = renderIdentifier(r, dst, &data, &g)
				case ber.TagGeneralizedTime, ber.TagUTCTime:
					t := r.Time(&data, &g)
					dst = x411.AppendTime(x411.AppendItem(dst, at, "timestamp"), &t)
				default:
					r.Stray(&g)
				}
			}
			r.End(&data)
		case f.Tag == ber.TagSequence:
			dst = r.AppendAlgorithm(x411.AppendItem(dst, at, "algorithm"), &in, &f)
		case f.Tag == ber.TagBitString:
			dst = r.AppendAny(x411.AppendItem(dst, at, "encrypted"), &in, &f)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}

// renderDistribution renders DistributionCodes (X.420 A.1.8).
func renderDistribution(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, "; ", appendDistributionCode)
}

func appendDistributionCode(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		switch f.Tag {
		case ber.TagOID:
			oid, _ := r.OID(&in, &f)
			dst = append(dst, oid...)
		case ber.Context(0):
			dst = appendDescriptorOf(r, dst, &in, &f)
		default:
			dst = renderUniversal(r, dst, &in, &f)
		}
	}
	r.End(&in)
	return dst
}

// renderCategories renders InformationCategories (X.420 A.1.10).
func renderCategories(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return renderList(r, dst, c, e, "; ", appendCategory)
}

func appendCategory(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		switch f.Tag {
		case ber.Context(0):
			oid, _ := r.OID(&in, &f)
			dst = append(dst, oid...)
		case ber.Context(1):
			s, _ := r.Universal(&in, &f)
			dst = x411.AppendQuoted(dst, s)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}

var securityRequestNames = []string{"content-non-repudiation", "content-proof", "ipn-non-repudiation", "ipn-proof"}

func renderSecurityRequest(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagBitString) {
		return dst
	}
	return r.AppendBits(dst, c, e, securityRequestNames)
}

// securityDiagnosticNames are SecurityDiagnosticCode (X.420 Annex B, security
// extensions).
var securityDiagnosticNames = []string{
	"integrity-failure-on-subject-message", "integrity-failure-on-forwarded-message",
	"moac-failure-on-subject-message", "unsupported-security-policy",
	"unsupported-algorithm-identifier", "decryption-failed", "token-error",
	"unable-to-sign-notification", "unable-to-sign-message-receipt",
	"authentication-failure-on-subject-message", "security-context-failure-message",
	"message-sequence-failure", "message-security-labelling-failure",
	"repudiation-failure-of-message", "failure-of-proof-of-message",
	"signature-key-unobtainable", "decryption-key-unobtainable", "key-failure",
	"unsupported-request-for-security-service", "inconsistent-request-for-security-service",
	"ipn-non-repudiation-provided-instead-of-content-proof", "token-decryption-failed",
	"double-enveloping-message-restoring-failure", "unauthorised-dl-member",
	"reception-security-failure", "unsuitable-alternate-recipient", "security-services-refusal",
	"unauthorised-recipient", "unknown-certification-authority-name", "unknown-dl-name",
	"unknown-originator-name", "unknown-recipient-name", "security-policy-violation",
}

// renderSecurityResponse renders an IpnSecurityResponse: which of the original's
// content and security arguments it returns, and the diagnostic.
func renderSecurityResponse(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagSet) {
		return dst
	}
	at := len(dst)
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagOctetString:
			s, _ := r.Octets(&in, &f)
			dst = x411.AppendItem(dst, at, "original-content")
			dst = append(appendInt(dst, len(s)), " octets"...)
		case ber.TagSet:
			arguments := in.Enter(&f)
			for arguments.Next(&g) {
				switch g.Tag {
				case ber.Context(0):
					dst = r.AppendSignature(append(x411.AppendItem(dst, at, "content-integrity-check"), '{'), &arguments, &g)
					dst = append(dst, '}')
				case ber.Context(1):
					dst = r.AppendSignature(append(x411.AppendItem(dst, at, "message-origin-authentication-check"), '{'), &arguments, &g)
					dst = append(dst, '}')
				case ber.Context(2):
					dst = r.AppendToken(append(x411.AppendItem(dst, at, "message-token"), '{'), &arguments, &g)
					dst = append(dst, '}')
				default:
					r.Stray(&g)
				}
			}
			r.End(&arguments)
		case ber.TagInteger:
			dst = x411.AppendItem(dst, at, "diagnostic")
			dst = r.AppendNamed(dst, &in, &f, securityDiagnosticNames)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}

// renderAbsence renders an AbsenceAdvice (X.420 8.3.1): the text of the advice
// where it is an IA5 text, else what kind it is.
func renderAbsence(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagSequence) {
		return dst
	}
	at := len(dst)
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagUTCTime, ber.TagGeneralizedTime:
			t := r.Time(&in, &f)
			dst = x411.AppendTime(x411.AppendItem(dst, at, "next-available"), &t)
		case ber.Context(0):
			part := in.Enter(&f)
			dst = x411.AppendItem(dst, at, "advice")
			for part.Next(&g) {
				if g.Tag == ber.TagIA5String {
					s, _ := r.Text(&part, &g)
					dst = x411.AppendQuoted(dst, s)
				}
			}
			r.End(&part)
		default:
			dst = x411.AppendItem(dst, at, "advice")
			if f.Tag.Class() == ber.ContextSpecific {
				dst = append(dst, basicKind(f.Tag.Number())...)
			}
		}
	}
	r.End(&in)
	return dst
}

// renderNewAddress renders a ChangeOfAddressAdvice (X.420 8.3.2).
func renderNewAddress(r *x411.Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !r.Is(e, ber.TagSequence) {
		return dst
	}
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			dst = appendDescriptorOf(r, x411.AppendItem(dst, at, "new-address"), &in, &f)
		case ber.Context(1):
			t := r.Time(&in, &f)
			dst = x411.AppendTime(x411.AppendItem(dst, at, "effective-from"), &t)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return dst
}
