package generate

import (
	"math/rand/v2"
	"strconv"

	"x400flow/bench/ledger"
)

// Contents that are told by their kind, and of CMS by type and signers: what X.400
// carries besides interpersonal messages.

const (
	oidData      = "1.2.840.113549.1.7.1"
	oidSigned    = "1.2.840.113549.1.7.2"
	oidEnveloped = "1.2.840.113549.1.7.3"

	contentTypeEDI = 35 // X.411 8.5.8: edi-messaging.
	// oidInner is id-cont-inner-envelope (X.411 Annex A): a content that is an MTS-APDU.
	oidInner = "2.6.3.3.1"
)

// signer is a SignerInfo (RFC 5652 5.3) of a signer who is told by issuer and serial
// number, or by a key identifier.
func (e *encoder) signer(byKey bool, signature []byte) {
	si := e.open(tagSequence)
	if byKey {
		e.integer(tagInteger, 3)
		e.primitive(0x80, []byte{0xca, 0xfe})
	} else {
		e.integer(tagInteger, 1)
		sid := e.open(tagSequence)
		e.name("a signer")
		e.integer(tagInteger, 42)
		e.close(sid)
	}
	e.algorithm(tagSequence)
	e.algorithm(tagSequence)
	e.primitive(tagOctetString, signature)
	e.close(si)
}

// What the archive tells of the signers that signer writes.
const (
	signerByName = "CN=a signer,C=GB serial=2A"
	signerByKey  = "key=CAFE"
)

// contentInfo writes a ContentInfo (RFC 5652 3) of a type whose SEQUENCE begins with a
// version, and goes on with what inside writes.
func (e *encoder) contentInfo(oid string, version int, inside func()) {
	info := e.open(tagSequence)
	e.oid(tagOID, oid)
	x := e.open(0xa0)
	d := e.open(tagSequence)
	e.integer(tagInteger, version)
	inside()
	e.close(d)
	e.close(x)
	e.close(info)
}

// signedData writes a ContentInfo of signed data (RFC 5652 5.1) with what inside
// writes as EncapsulatedContentInfo, and the signers.
func (e *encoder) signedData(r *rand.Rand, inside func(), byKey ...bool) {
	e.contentInfo(oidSigned, 1, func() {
		algorithms := e.open(tagSet)
		e.close(algorithms)
		encapsulated := e.open(tagSequence)
		inside()
		e.close(encapsulated)
		signers := e.open(tagSet)
		for _, k := range byKey {
			e.signer(k, noise(r, 32))
		}
		e.close(signers)
	})
}

// inOctets writes an OCTET STRING of a definite length around what write appends, and
// returns how many octets these are.
func (e *encoder) inOctets(write func()) int {
	e.b = append(e.b, tagOctetString)
	at := len(e.b)
	write()
	size := len(e.b) - at
	var l [8]byte
	length := e.appendLength(l[:0], size)
	e.b = append(e.b, length...)
	copy(e.b[at+len(length):], e.b[at:at+size])
	copy(e.b[at:], length)
	return size
}

// secured writes a content of the Cryptographic Message Syntax (RFC 5652): signed
// data around octets or around an interpersonal message, or enveloped data.
func (w *interpersonal) secured(c *content) {
	e, r := w.e, w.rng
	l := ledger.Interpersonal{Kind: "cms", InnerType: "signed-data", InnerContent: oidData, Signer: signerByName, Signers: 1}
	k := w.entry("", "cms")
	switch c.seed % 3 {
	case 0:
		e.signedData(r, func() {
			e.oid(tagOID, oidData)
			o := e.open(0xa0)
			e.primitive(tagOctetString, appendText(nil, r, c.size))
			e.close(o)
		}, false)
	case 1:
		l.InnerContent, l.Signer, l.Signers = "2.6.1.10.1", signerByKey, 2
		e.signedData(r, func() {
			e.oid(tagOID, l.InnerContent)
			o := e.open(0xa0)
			e.inOctets(func() {
				m := e.open(0xa0)
				w.ipm("c", c.size, c.subject)
				e.close(m)
			})
			e.close(o)
		}, true, false)
	default:
		l.InnerType, l.Signer, l.Signers = "enveloped-data", "", 0
		e.contentInfo(oidEnveloped, 0, func() {
			recipients := e.open(tagSet)
			e.close(recipients)
			encrypted := e.open(tagSequence)
			e.oid(tagOID, oidData)
			e.algorithm(tagSequence)
			e.primitive(0x80, noise(r, c.size))
			e.close(encrypted)
		})
	}
	w.out[k] = l
}

// edi writes a content of which no more than the outermost tag is X.435's: an EDIM, or
// an EDIN.
func (w *interpersonal) edi(c *content) {
	e := w.e
	tag, kind := byte(0xa0), "edi-message"
	if c.seed%2 == 0 {
		tag, kind = 0xa1, "edi-notification"
	}
	w.entry("", kind)
	x := e.open(tag)
	e.primitive(tagOctetString, append([]byte("UNB+UNOA:1+SENDER+RECEIVER+"), strconv.Itoa(c.size)...))
	e.close(x)
}

// enveloped writes a content that is itself an MTS-APDU, as m was when it was
// submitted.
func (w *interpersonal) enveloped(c *content) {
	w.entry("", "inner-envelope")
	inner := *w.m
	inner.typ, inner.typOID, inner.extensions, inner.internal, inner.trace = 22, "", nil, nil, w.m.trace[:1]
	inner.content = content{kind: contentP22, seed: c.seed, size: c.size, subject: c.subject}
	var aw apduWriter
	b, _ := aw.encode(&inner, true, style{}, false, w.rng)
	w.e.raw(b...)
}
