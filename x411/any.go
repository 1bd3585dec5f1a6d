package x411

import (
	"x400flow/osi/ber"
)

// maxHex bounds how many octets of an opaque value are written in hexadecimal.
const maxHex = 64

// full reports whether the value rendered in dst has reached the bound on text.
func (d *decoder) full(dst []byte) bool { return len(dst) > d.textLimit }

// appendAny appends a readable rendering of a value whose type is not known: as
// ASN.1 value notation where the tag is universal (X.680), else as the tag and
// what it holds. Octets are written in hexadecimal, up to a bound.
func (d *decoder) appendAny(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if d.full(dst) {
		return dst
	}
	if e.Tag.Class() != ber.Universal {
		dst = append(e.Tag.Append(dst), ' ')
		if !e.Constructed {
			return appendOpaque(dst, e.Content)
		}
		return d.appendList(dst, c, e)
	}
	switch e.Tag {
	case ber.TagSequence, ber.TagSet, ber.TagExternal:
		return d.appendList(dst, c, e)
	case ber.TagBoolean:
		if v, ok := ber.Bool(e.Content); ok && !e.Constructed {
			if v {
				return append(dst, "TRUE"...)
			}
			return append(dst, "FALSE"...)
		}
	case ber.TagInteger, ber.TagEnumerated:
		if v, ok := ber.Int64(e.Content); ok && !e.Constructed {
			return appendInt(dst, v)
		}
	case ber.TagNull:
		return append(dst, "NULL"...)
	case ber.TagOID:
		if !e.Constructed {
			if out, ok := d.appendOID(dst, e.Content); ok {
				return out
			}
		}
	case ber.TagBitString:
		if bits, unused, ok := d.bitString(c, e); ok {
			return appendBits(dst, bits, unused)
		}
		return dst
	case ber.TagOctetString:
		s, ok := d.octets(c, e)
		if !ok {
			return dst
		}
		return appendOpaque(dst, s)
	}
	if isString(e.Tag) {
		s, ok := d.anyString(c, e)
		if !ok {
			return dst
		}
		return appendQuoted(dst, s)
	}
	if e.Constructed {
		return d.appendList(append(e.Tag.Append(dst), ' '), c, e)
	}
	return appendOpaque(append(e.Tag.Append(dst), ' '), e.Content)
}

func (d *decoder) appendList(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	dst = append(dst, '{')
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if d.full(dst) {
			return dst
		}
		dst = d.appendAny(dst, &in, &f)
	}
	d.end(&in)
	return append(dst, '}')
}

// appendOpaque appends octets as a quoted string where all are graphic ASCII,
// else as hexadecimal digits between quotes.
func appendOpaque(dst, s []byte) []byte {
	if len(s) > 0 && graphic(s) {
		return appendQuoted(dst, s)
	}
	dst = append(dst, '\'')
	dst = appendHex(dst, s, maxHex)
	return append(dst, "'H"...)
}

func graphic(s []byte) bool {
	for _, b := range s {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// appendQuoted appends a string as X.680 writes one: in quotation marks, those
// inside doubled.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		i := 0
		for i < len(s) && s[i] != '"' {
			i++
		}
		dst = appendClean(dst, s[:i])
		if i == len(s) {
			return append(dst, '"')
		}
		dst = append(dst, `""`...)
		s = s[i+1:]
	}
}

func appendBits(dst, bits []byte, unused int) []byte {
	dst = append(dst, '\'')
	dst = appendHex(dst, bits, maxHex)
	dst = append(dst, "'H"...)
	if unused != 0 {
		dst = append(dst, " ("...)
		dst = appendInt(dst, int64(len(bits)*8-unused))
		dst = append(dst, " bits)"...)
	}
	return dst
}
