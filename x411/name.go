package x411

import "x400flow/osi/ber"

// dnKeyword is the keyword of an attribute type, told by the contents octets of
// its object identifier.
type dnKeyword struct {
	oid     string
	keyword string
}

// dnKeywords are those of RFC 2253 section 2.3 and RFC 4519, which X.520
// defines under 2.5.4.
var dnKeywords = [...]dnKeyword{
	{"\x55\x04\x03", "CN"},
	{"\x55\x04\x04", "SN"},
	{"\x55\x04\x05", "SERIALNUMBER"},
	{"\x55\x04\x06", "C"},
	{"\x55\x04\x07", "L"},
	{"\x55\x04\x08", "ST"},
	{"\x55\x04\x09", "STREET"},
	{"\x55\x04\x0a", "O"},
	{"\x55\x04\x0b", "OU"},
	{"\x55\x04\x0c", "T"},
	{"\x55\x04\x0d", "DESCRIPTION"},
	{"\x55\x04\x11", "POSTALCODE"},
	{"\x55\x04\x12", "POSTOFFICEBOX"},
	{"\x55\x04\x14", "TELEPHONENUMBER"},
	{"\x55\x04\x29", "NAME"},
	{"\x55\x04\x2a", "GN"},
	{"\x55\x04\x2b", "INITIALS"},
	{"\x55\x04\x2c", "GENERATIONQUALIFIER"},
	{"\x55\x04\x2e", "DNQUALIFIER"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "EMAIL"},
}

// appendName appends the text of a directory name (X.501 9.2): of e itself
// where it is an RDNSequence, else of the one that the tag e holds.
func (d *decoder) appendName(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if e.Tag != ber.TagSequence {
		var inner ber.Element
		in, ok := d.only(c, e, &inner)
		if !ok {
			return dst
		}
		if inner.Tag != ber.TagSequence {
			d.fail(CodeUnexpectedTag, inner.Offset)
			return dst
		}
		return d.appendRDNs(dst, &in, &inner)
	}
	return d.appendRDNs(dst, c, e)
}

func (d *decoder) appendRDNs(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	d.rdns = d.rdns[:0]
	for in.Next(&f) {
		d.rdns = append(d.rdns, f)
	}
	d.end(&in)
	for i := len(d.rdns) - 1; i >= 0; i-- {
		if i < len(d.rdns)-1 {
			dst = append(dst, ',')
		}
		d.pushIndex(i)
		dst = d.appendRDN(dst, &in, &d.rdns[i])
		d.pop()
	}
	return dst
}

func (d *decoder) appendRDN(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f, oid, value ber.Element
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, '+')
		}
		pair := in.Enter(&f)
		if !pair.Next(&oid) || oid.Tag != ber.TagOID || !pair.Next(&value) {
			if pair.Code() != ber.None {
				d.end(&pair)
			} else {
				d.fail(CodeMissing, f.Offset)
			}
			continue
		}
		dst = d.appendAttributeType(dst, &oid)
		dst = append(dst, '=')
		dst = d.appendAttributeValue(dst, &pair, &value)
	}
	d.end(&in)
	return dst
}

func (d *decoder) appendAttributeType(dst []byte, e *ber.Element) []byte {
	for i := range dnKeywords {
		if dnKeywords[i].oid == string(e.Content) {
			return append(dst, dnKeywords[i].keyword...)
		}
	}
	out, ok := d.appendOID(dst, e.Content)
	if !ok {
		d.fail(CodeBadOID, e.Offset)
		return append(dst, '?')
	}
	return out
}

func (d *decoder) appendAttributeValue(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if !isString(e.Tag) || e.Tag == ber.TagOctetString {
		return appendHex(append(dst, '#'), c.Raw(e), maxHex)
	}
	s, ok := d.anyString(c, e)
	if !ok {
		return dst
	}
	for i, b := range s {
		switch b {
		case ',', '+', '"', '\\', '<', '>', ';':
			dst = append(dst, '\\')
		case '#':
			if i == 0 {
				dst = append(dst, '\\')
			}
		case ' ':
			if i == 0 || i == len(s)-1 {
				dst = append(dst, '\\')
			}
		}
		dst = append(dst, b)
	}
	return dst
}

// anyString returns a string of any universal character string type as UTF-8.
func (d *decoder) anyString(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	switch e.Tag {
	case ber.TagBMPString, ber.TagUniversalString, ber.TagUTF8String:
		var a Attribute
		ok := d.universalValue(c, e, &a)
		return a.Value, ok
	case ber.TagTeletexString, ber.TagVideotexString, ber.TagGraphicString, ber.TagGeneralString:
		raw, ok := d.octets(c, e)
		if !ok {
			return nil, false
		}
		return d.teletex(raw), true
	}
	return d.text(c, e)
}
