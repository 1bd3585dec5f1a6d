package ipm

import (
	"x400flow/osi/ber"
	"x400flow/x411"
)

// cmsType is a content type of the Cryptographic Message Syntax (RFC 5652), told
// by the contents octets of its object identifier.
type cmsType struct {
	oid  string
	name []byte
}

var cmsTypes = [...]cmsType{
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", []byte("data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", []byte("signed-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", []byte("enveloped-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x04", []byte("signed-and-enveloped-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x05", []byte("digested-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06", []byte("encrypted-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x02", []byte("authenticated-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09", []byte("compressed-data")},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17", []byte("auth-enveloped-data")},
}

// cms looks whether e is a ContentInfo and reads its type, its signers and what
// type of content is inside. Nothing that it meets is a failure: it is not what
// this package decodes. What signed data hold of a content that it does decode
// becomes a message within message i, where nest says so.
func (c *Content) cms(i int, cur *ber.Cursor, e *ber.Element, out *Inner, nest bool) bool {
	if e.Tag != ber.TagSequence || !e.Constructed {
		return false
	}
	r := &c.r
	in := cur.Enter(e)
	var oid, f, value ber.Element
	if !in.Next(&oid) || oid.Tag != ber.TagOID {
		return false
	}
	for k := range cmsTypes {
		if cmsTypes[k].oid == string(oid.Content) {
			out.Type = cmsTypes[k].name
		}
	}
	if out.Type == nil {
		return false
	}
	if !in.Next(&f) || f.Tag != ber.Context(0) || !f.Constructed {
		return true
	}
	explicit := in.Enter(&f)
	if !explicit.Next(&value) || value.Tag != ber.TagSequence || !value.Constructed {
		return true
	}
	fields := explicit.Enter(&value)
	sets := 0
	for fields.Next(&f) {
		switch {
		case f.Tag == ber.TagSequence && out.Content == nil && f.Constructed && infoFirst(out.Type):
			// EncapsulatedContentInfo or EncryptedContentInfo.
			info := fields.Enter(&f)
			var g ber.Element
			if info.Next(&g) && g.Tag == ber.TagOID {
				out.Content, _ = r.OID(&info, &g)
			}
			if nest && string(out.Type) == "signed-data" && oidSyntax(out.Content) != syntaxUnknown {
				c.encapsulated(i, &info, out.Content)
			}
		case f.Tag == ber.TagSet && string(out.Type) == "signed-data" && f.Constructed:
			// The first SET is of digest algorithms, the second of SignerInfo.
			if sets++; sets == 2 {
				c.signers(&fields, &f, out)
			}
		}
	}
	return true
}

// infoFirst reports whether the first SEQUENCE of a type is the information on
// what is inside; in the others an AlgorithmIdentifier precedes it.
func infoFirst(name []byte) bool {
	switch string(name) {
	case "signed-data", "enveloped-data", "encrypted-data", "auth-enveloped-data":
		return true
	}
	return false
}

// encapsulated makes a message of an eContent [0] OCTET STRING.
func (c *Content) encapsulated(i int, info *ber.Cursor, oid []byte) {
	var g, s ber.Element
	if !info.Next(&g) || g.Tag != ber.Context(0) || !g.Constructed {
		return
	}
	explicit := info.Enter(&g)
	if !explicit.Next(&s) || s.Tag != ber.TagOctetString {
		return
	}
	octets, ok := c.r.Octets(&explicit, &s)
	if !ok {
		return
	}
	if k := c.inside(i, 0, 'c', &explicit, &s, octets, oid); k >= 0 {
		c.Messages[k].Type = typeName(oid)
	}
}

func (c *Content) signers(cur *ber.Cursor, e *ber.Element, out *Inner) {
	r := &c.r
	in := cur.Enter(e)
	var f, g, h ber.Element
	for in.Next(&f) {
		out.Signers++
		if out.Signers > 1 || f.Tag != ber.TagSequence || !f.Constructed {
			continue
		}
		info := in.Enter(&f)
		for n := 0; n < 2 && info.Next(&g); n++ {
			if n == 0 {
				continue // The version.
			}
			text := c.scratch[:0]
			switch g.Tag {
			case ber.TagSequence:
				id := info.Enter(&g)
				if id.Next(&h) {
					text = r.AppendName(text, &id, &h)
				}
				if id.Next(&h) && h.Tag == ber.TagInteger {
					text = x411.AppendHex(append(text, " serial="...), h.Content, 32)
				}
			case ber.Context(0):
				text = x411.AppendHex(append(text, "key="...), g.Content, 32)
			}
			c.scratch = text
			out.Signer = r.Keep(text)
		}
	}
}
