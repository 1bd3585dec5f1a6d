package x411

import "x400flow/osi/ber"

// Renderers of what X.509 defines and X.411 carries. Keys, signatures and
// encrypted data are told by algorithm and size; of a signature the first octets
// are written.

// renderAlgorithm renders an AlgorithmIdentifier as its object identifier and,
// in parentheses, its parameters.
func renderAlgorithm(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	return d.appendAlgorithm(dst, c, e)
}

func (d *decoder) appendAlgorithm(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		switch {
		case i == 0:
			if !d.is(&f, ber.TagOID) {
				return dst
			}
			oid, _ := d.oid(&in, &f)
			dst = append(dst, oid...)
		case f.Tag != ber.TagNull:
			dst = append(dst, " ("...)
			dst = d.appendAny(dst, &in, &f)
			dst = append(dst, ')')
		}
	}
	d.end(&in)
	return dst
}

// renderSignature renders a SIGNATURE (X.509 Annex A): an AlgorithmIdentifier
// and a BIT STRING.
func renderSignature(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	return d.appendSignature(dst, c, e)
}

// appendSignature appends a SIGNATURE under whatever tag.
func (d *decoder) appendSignature(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			dst = appendItem(dst, at, "algorithm")
			dst = d.appendAlgorithm(dst, &in, &f)
		case ber.TagBitString:
			dst = appendItem(dst, at, "value")
			if bits, unused, ok := d.bitString(&in, &f); ok {
				dst = appendBits(dst, bits, unused)
			}
		default:
			// SIGNED: the signed data stand first.
			dst = appendItem(dst, at, "data")
			dst = d.appendAny(dst, &in, &f)
		}
	}
	d.end(&in)
	return dst
}

// renderCertificates renders Certificates: the user certificate and how many
// octets of certification path follow.
func renderCertificates(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	return d.appendCertificates(dst, c, e)
}

func (d *decoder) appendCertificates(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i == 0 {
			d.push("userCertificate")
			dst = d.appendCertificate(dst, &in, &f)
			d.pop()
			continue
		}
		dst = appendItem(dst, at, "certification-path")
		dst = appendInt(dst, int64(f.End-f.Offset))
		dst = append(dst, " octets"...)
	}
	d.end(&in)
	return dst
}

// appendCertificate appends serial number, issuer, subject, validity and
// signature algorithm of a Certificate (X.509 clause 7).
func (d *decoder) appendCertificate(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	outer := c.Enter(e)
	var tbs ber.Element
	if !outer.Next(&tbs) {
		d.end(&outer)
		return dst
	}
	in := outer.Enter(&tbs)
	var f, g ber.Element
	names := 0
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0): // version
		case ber.TagInteger:
			dst = appendItem(dst, at, "serial")
			dst = appendHex(dst, f.Content, maxHex)
		case ber.TagSequence:
			names++
			switch names {
			case 1:
				dst = appendItem(dst, at, "algorithm")
				dst = d.appendAlgorithm(dst, &in, &f)
			case 2:
				dst = appendItem(dst, at, "issuer")
				dst = d.appendName(dst, &in, &f)
			case 3:
				v := in.Enter(&f)
				for i := 0; v.Next(&g) && i < 2; i++ {
					dst = appendItem(dst, at, [...]string{"not-before", "not-after"}[i])
					dst = d.appendCertificateTime(dst, &v, &g)
				}
				d.end(&v)
			case 4:
				dst = appendItem(dst, at, "subject")
				dst = d.appendName(dst, &in, &f)
			}
		}
	}
	d.end(&in)
	return dst
}

func (d *decoder) appendCertificateTime(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	t := Time{Raw: e.Content}
	if e.Tag == ber.TagGeneralizedTime {
		t.At, _ = ber.GeneralizedTime(e.Content)
	} else {
		t = d.time(c, e)
	}
	return appendTime(dst, &t)
}

// renderExtendedCertificates renders ExtendedCertificates, separated by " | ".
func renderExtendedCertificates(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSet, ber.TagSequence) {
		return dst
	}
	return d.appendExtendedCertificates(dst, c, e)
}

func (d *decoder) appendExtendedCertificates(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, " | "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		switch f.Tag {
		case ber.Context(0):
			dst = append(dst, "directory-entry="...)
			dst = d.appendName(dst, &in, &f)
		case ber.Context(1):
			dst = d.appendCertificates(dst, &in, &f)
		default:
			d.stray(&f)
		}
		d.pop()
	}
	d.end(&in)
	return dst
}

var selectorNames = []string{
	"encryption-recipient", "encryption-originator", "content-integrity-check",
	"token-signature", "message-origin-authentication",
}

// renderSelectors renders CertificateSelectors.
func renderSelectors(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSet) {
		return dst
	}
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		n := f.Tag.Number()
		if f.Tag.Class() != ber.ContextSpecific || int(n) >= len(selectorNames) {
			d.stray(&f)
			continue
		}
		dst = appendItem(dst, at, selectorNames[n])
		dst = d.appendAssertion(dst, &in, &f)
	}
	d.end(&in)
	return dst
}

var assertionNames = []string{
	"serialNumber", "issuer", "subjectKeyIdentifier", "authorityKeyIdentifier",
	"certificateValid", "privateKeyValid", "subjectPublicKeyAlgID", "keyUsage",
	"subjectAltName", "policy", "pathToName", "subject", "nameConstraints",
}

// appendAssertion appends a CertificateAssertion (X.509 12.7.2) as
// "{serialNumber=01, issuer=CN=...}".
func (d *decoder) appendAssertion(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	dst = append(dst, '{')
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		n := f.Tag.Number()
		if f.Tag.Class() != ber.ContextSpecific || int(n) >= len(assertionNames) {
			dst = d.appendAny(dst, &in, &f)
			continue
		}
		dst = append(dst, assertionNames[n]...)
		dst = append(dst, '=')
		switch {
		case n == 1 || n == 11:
			dst = d.appendName(dst, &in, &f)
		case f.Constructed:
			dst = d.appendList(dst, &in, &f)
		case n == 0 || n == 2:
			dst = appendHex(dst, f.Content, maxHex)
		default:
			dst = appendOpaque(dst, f.Content)
		}
	}
	d.end(&in)
	return append(dst, '}')
}

// renderToken renders a Token (X.411 8.5.10). An asymmetric token is told in
// full but for what is encrypted; any other by its type and encoding.
func renderToken(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSequence) {
		return dst
	}
	return d.appendToken(dst, c, e)
}

func (d *decoder) appendToken(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	var oid []byte
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			dst = appendItem(dst, at, "type")
			oid, _ = d.oid(&in, &f)
			dst = append(dst, oid...)
		case ber.Context(1):
			var t ber.Element
			tc, ok := d.only(&in, &f, &t)
			if !ok {
				break
			}
			if string(oid) == asymmetricToken {
				d.push("asymmetric-token")
				dst = d.appendAsymmetricToken(dst, at, &tc, &t)
				d.pop()
			} else {
				dst = appendItem(dst, at, "token")
				dst = d.appendAny(dst, &tc, &t)
			}
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

// asymmetricToken is id-tok-asymmetricToken (X.411 Annex A, id-tok 0).
const asymmetricToken = "2.6.3.6.0"

func (d *decoder) appendAsymmetricToken(dst []byte, at int, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		switch {
		case i == 0:
			dst = d.appendTokenData(dst, at, &in, &f)
		case f.Tag == ber.TagSequence:
			dst = appendItem(dst, at, "algorithm")
			dst = d.appendAlgorithm(dst, &in, &f)
		case f.Tag == ber.TagBitString:
			dst = appendItem(dst, at, "signature")
			if bits, unused, ok := d.bitString(&in, &f); ok {
				dst = appendBits(dst, bits, unused)
			}
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

func (d *decoder) appendTokenData(dst []byte, at int, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			dst = appendItem(dst, at, "signature-algorithm")
			dst = d.appendAlgorithm(dst, &in, &f)
		case tagORName:
			dst = appendItem(dst, at, "recipient")
			dst = d.appendORName(dst, &in, &f)
		case ber.Context(3):
			dst = appendItem(dst, at, "mta")
			dst = d.appendMTA(dst, &in, &f)
		case ber.TagUTCTime:
			dst = appendItem(dst, at, "time")
			t := d.time(&in, &f)
			dst = appendTime(dst, &t)
		case ber.Context(0):
			dst = appendItem(dst, at, "signed-data")
			dst = d.appendSignedData(dst, &in, &f)
		case ber.Context(1):
			dst = appendItem(dst, at, "encryption-algorithm")
			dst = d.appendAlgorithm(dst, &in, &f)
		case ber.Context(2):
			dst = appendItem(dst, at, "encrypted-data")
			if bits, _, ok := d.bitString(&in, &f); ok {
				dst = appendInt(dst, int64(len(bits)))
				dst = append(dst, " octets"...)
			}
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

// appendMTA appends an MTANameAndOptionalGDI under whatever tag.
func (d *decoder) appendMTA(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case tagDomain:
			var g DomainIdentifier
			d.domain(&in, &f, &g)
			dst = append(append(dst, g.Text...), ' ')
		case ber.TagIA5String:
			s, _ := d.text(&in, &f)
			dst = appendClean(dst, s)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

var tokenDataNames = []string{
	1: "bind-token-signed-data", 2: "message-token-signed-data",
	3: "message-token-encrypted-data", 4: "bind-token-encrypted-data",
}

// appendSignedData appends a TokenData: its type and, of a message token, the
// fields of MessageTokenSignedData.
func (d *decoder) appendSignedData(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	kind := int64(-1)
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			v, ok := d.integer(&in, &f)
			if !ok {
				return dst
			}
			kind = v
			if name := nameOf(tokenDataNames, v); name != "" {
				dst = append(dst, name...)
			} else {
				dst = appendInt(dst, v)
			}
		case ber.Context(1):
			var v ber.Element
			vc, ok := d.only(&in, &f, &v)
			if !ok {
				break
			}
			dst = append(dst, " {"...)
			switch kind {
			case -1:
				// Keys may stand in it.
				d.stray(&v)
				d.key(&vc, &v)
			case 1:
				// A random number is of no use to a reader.
				dst = append(dst, "random"...)
			case 2, 3:
				dst = d.appendMessageTokenData(dst, &vc, &v, kind == 3)
			case 4:
				dst = append(dst, "present"...)
			default:
				dst = d.appendAny(dst, &vc, &v)
			}
			dst = append(dst, '}')
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

// key notes where a key stands, for [APDU.Keys].
func (d *decoder) key(c *ber.Cursor, e *ber.Element) {
	r := redactor{ranges: d.keys, ok: true}
	if r.bits(c, e); !r.ok {
		r.ranges = append(d.keys, Range{e.Offset + e.Header, e.End})
	}
	d.keys = r.ranges
}

// appendMessageTokenData appends MessageTokenSignedData, or MessageTokenEncryptedData
// that its sender left unencrypted, but for its keys (X.411 8.5.10).
func (d *decoder) appendMessageTokenData(dst []byte, c *ber.Cursor, e *ber.Element, encrypted bool) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch {
		case f.Tag == ber.Context(0) && encrypted:
			dst = append(appendItem(dst, at, "content-confidentiality-key"), "present"...)
			d.key(&in, &f)
		case f.Tag == ber.Context(0):
			dst = d.appendAlgorithm(appendItem(dst, at, "content-confidentiality-algorithm-identifier"), &in, &f)
		case f.Tag == ber.Context(1):
			dst = append(d.appendSignature(append(appendItem(dst, at, "content-integrity-check"), '{'), &in, &f), '}')
		case f.Tag == ber.Context(2):
			dst = append(d.appendSecurityLabel(append(appendItem(dst, at, "message-security-label"), '{'), &in, &f), '}')
		case f.Tag == ber.Context(3) && encrypted:
			dst = append(appendItem(dst, at, "content-integrity-key"), "present"...)
			d.key(&in, &f)
		case f.Tag == ber.Context(3):
			dst = d.appendNamed(appendItem(dst, at, "proof-of-delivery-request"), &in, &f, proofOfDeliveryRequestNames)
		case f.Tag == ber.Context(4):
			v, _ := d.integer(&in, &f)
			dst = appendInt(appendItem(dst, at, "message-sequence-number"), v)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}

// proofOfDeliveryRequestNames are those of ProofOfDeliveryRequest (X.411
// 8.2.1.1.2.13).
var proofOfDeliveryRequestNames = []string{"proof-of-delivery-not-requested", "proof-of-delivery-requested"}

// renderBodyPartTokens renders BodyPartTokens and ForwardedContentToken (X.420
// Annex E): for each body part "part n {what its token holds}". Of an encrypted
// key the size alone is told.
func renderBodyPartTokens(d *decoder, dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !d.is(e, ber.TagSet, ber.TagSequence) {
		return dst
	}
	return d.appendBodyPartTokens(dst, c, e)
}

func (d *decoder) appendBodyPartTokens(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f, g ber.Element
	// Declared out here because what is declared within a loop and handed to
	// the same function would be allocated.
	var part, inner ber.Cursor
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if d.full(dst) {
			return dst
		}
		d.pushIndex(i)
		dst = append(dst, "part"...)
		part = in.Enter(&f)
		for part.Next(&g) {
			switch g.Tag {
			case ber.TagInteger:
				dst = append(dst, ' ')
				if v, ok := d.integer(&part, &g); ok {
					dst = appendInt(dst, v)
				}
			case ber.TagSequence:
				dst = append(dst, " {"...)
				dst = append(d.appendToken(dst, &part, &g), '}')
			case ber.Context(0):
				dst = append(dst, " {"...)
				dst = append(d.appendBodyPartTokens(dst, &part, &g), '}')
			case ber.TagSet:
				dst = append(dst, " {"...)
				// An EncryptionToken begins with an AlgorithmIdentifier or a
				// BIT STRING or a tag of its own, the tokens of an inner
				// message with a SET.
				inner = part.Enter(&g)
				if t, ok := inner.Peek(); ok && t == ber.TagSet {
					dst = d.appendBodyPartTokens(dst, &part, &g)
				} else {
					dst = d.appendEncryptionToken(dst, &part, &g)
				}
				dst = append(dst, '}')
			default:
				d.stray(&g)
			}
		}
		d.end(&part)
		d.pop()
	}
	d.end(&in)
	return dst
}

// appendEncryptionToken appends an EncryptionToken (X.420 Annex E).
func (d *decoder) appendEncryptionToken(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			dst = appendItem(dst, at, "encryption-algorithm")
			dst = d.appendAlgorithm(dst, &in, &f)
		case ber.TagBitString:
			dst = appendItem(dst, at, "encrypted-key")
			if bits, _, ok := d.bitString(&in, &f); ok {
				dst = appendInt(dst, int64(len(bits)))
				dst = append(dst, " octets"...)
			}
		case ber.Context(0):
			dst = appendItem(dst, at, "recipient-certificate-selector")
			dst = d.appendAssertion(dst, &in, &f)
		case ber.Context(1):
			dst = appendItem(dst, at, "recipient-certificate")
			dst = append(dst, '{')
			dst = append(d.appendCertificates(dst, &in, &f), '}')
		case ber.Context(2):
			dst = appendItem(dst, at, "originator-certificate-selector")
			dst = d.appendAssertion(dst, &in, &f)
		case ber.Context(3):
			dst = appendItem(dst, at, "originator-certificates")
			dst = append(dst, '{')
			dst = append(d.appendExtendedCertificates(dst, &in, &f), '}')
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return dst
}
