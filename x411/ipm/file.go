package ipm

import (
	"unicode/utf8"

	"x400flow/osi/ber"
	"x400flow/x411"
)

// fileFields is FileTransferParameters (X.420 Annex D).
var fileFields = x411.FieldsOf([]x411.Field{
	{Name: "related-stored-file", Tag: ber.Context(0), ID: 0},
	{Name: "contents-type", Tag: ber.Context(1), ID: 1},
	{Name: "environment", Tag: ber.Context(2), ID: 2},
	{Name: "compression", Tag: ber.Context(3), ID: 3},
	{Name: "file-attributes", Tag: ber.Context(4), ID: 4},
	{Name: "extensions", Tag: ber.Context(5), ID: 5},
})

// oidUnstructuredText is the document type of an unstructured text file (ISO
// 8571-2 FTAM-1).
const oidUnstructuredText = "1.0.8571.5.1"

func (c *Content) fileParameters(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	p.File.Present = true
	in := cur.Enter(e)
	out := c.scratch[:0]
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, fileFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			out = c.relatedFiles(out, &in, &f)
		case 1:
			out = c.contentsType(out, p, &in, &f)
		case 2:
			out = c.environment(out, p, &in, &f)
		case 3:
			out = r.AppendAny(x411.AppendItem(out, 0, "compression"), &in, &f)
		case 4:
			out = c.fileAttributes(out, p, &in, &f)
		case 5:
			c.extensionSet(&in, &f, ScopeFile, p.Number)
		}
		r.Pop()
	}
	c.scratch = out
	p.Parameters = r.Keep(out)
}

var relationshipNames = []string{"unspecified", "new-file", "replacement", "extension"}

// relatedFiles reads RelatedStoredFile, a SET OF files each with its relationship,
// an item each.
func (c *Content) relatedFiles(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	in := cur.Enter(e)
	var f, g ber.Element
	for in.Next(&f) && !r.Full(out) {
		out = x411.AppendItem(out, 0, "related-stored-file")
		file := in.Enter(&f)
		for n := 0; file.Next(&g); n++ {
			switch {
			case n == 0 && g.Tag == ber.Context(0):
				out = c.pathnameAndVersion(out, &file, &g)
			case n == 0 && g.Tag == ber.Context(1):
				out = c.crossReference(out, &file, &g)
			case n == 1 && g.Tag == ber.Context(0):
				out = r.AppendNamed(append(out, " relationship="...), &file, &g, relationshipNames)
			case n == 1 && g.Tag == ber.Context(1):
				out = c.graphicString(append(out, " relationship="...), &file, &g)
			default:
				r.Stray(&g)
			}
		}
		r.End(&file)
	}
	r.End(&in)
	return out
}

// pathnameAndVersion reads a PathnameandVersion.
func (c *Content) pathnameAndVersion(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			// The Pathname-Attribute is a CHOICE of incomplete and complete.
			var path ber.Element
			if v, ok := r.Only(&in, &f, &path); ok {
				out = c.graphicStrings(out, &v, &path, "/")
			}
		case ber.Context(1):
			out = c.graphicString(append(out, " version="...), &in, &f)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return out
}

// crossReference reads a CrossReference.
func (c *Content) crossReference(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	in := cur.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			out = r.AppendAny(append(out, "cross-reference="...), &in, &f)
		case ber.Context(1):
			out = append(out, " message="...)
			message := in.Enter(&f)
			for message.Next(&g) {
				switch g.Tag {
				case ber.Context(0):
					out = append(r.AppendORName(append(out, '<'), &message, &g), '>')
				case ber.Context(1):
					s, _ := r.Text(&message, &g)
					out = x411.AppendQuoted(out, s)
				default:
					r.Stray(&g)
				}
			}
			r.End(&message)
		case ber.Context(2):
			out = r.AppendNamed(append(out, " part="...), &in, &f, nil)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return out
}

// contentsType reads a Contents-Type-Attribute: document-type [0] or
// constraint-set-and-abstract-syntax [1].
func (c *Content) contentsType(out []byte, p *BodyPart, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	var choice ber.Element
	in, ok := r.Only(cur, e, &choice)
	if !ok {
		return out
	}
	inner := in.Enter(&choice)
	var f ber.Element
	for n := 0; inner.Next(&f); n++ {
		switch {
		case f.Tag == ber.TagOID && choice.Tag == ber.Context(0):
			p.File.DocumentType, _ = r.OID(&inner, &f)
			out = append(x411.AppendItem(out, 0, "document-type"), p.File.DocumentType...)
		case f.Tag == ber.TagOID:
			name := "constraint-set"
			if n > 0 {
				name = "abstract-syntax"
			}
			oid, _ := r.OID(&inner, &f)
			out = append(x411.AppendItem(out, 0, name), oid...)
		case f.Tag == ber.Context(0):
			out = r.AppendAny(x411.AppendItem(out, 0, "parameter"), &inner, &f)
		default:
			r.Stray(&f)
		}
	}
	r.End(&inner)
	return out
}

// environment reads an EnvironmentParameter.
func (c *Content) environment(out []byte, p *BodyPart, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0), ber.Context(1):
			name := "application"
			if f.Tag == ber.Context(1) {
				name = "machine"
			}
			out = x411.AppendItem(out, 0, name)
			at := len(out)
			out = c.generalIdentifier(out, &in, &f)
			if f.Tag == ber.Context(0) {
				p.File.Application = r.Keep(out[at:])
			}
		case ber.Context(2):
			oid, _ := r.OID(&in, &f)
			out = append(x411.AppendItem(out, 0, "operating-system"), oid...)
		case ber.Context(3):
			out = c.graphicStrings(x411.AppendItem(out, 0, "user-visible-string"), &in, &f, " ")
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	return out
}

// generalIdentifier reads a GeneralIdentifier: registered-identifier [0] or
// descriptive-identifier [1].
func (c *Content) generalIdentifier(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	var choice ber.Element
	in, ok := r.Only(cur, e, &choice)
	if !ok {
		return out
	}
	if choice.Tag == ber.Context(0) {
		oid, _ := r.OID(&in, &choice)
		return append(out, oid...)
	}
	return c.graphicStrings(out, &in, &choice, " ")
}

// graphicStrings appends the strings of a SEQUENCE OF GraphicString.
func (c *Content) graphicStrings(out []byte, cur *ber.Cursor, e *ber.Element, separator string) []byte {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for n := 0; in.Next(&f) && !r.Full(out); n++ {
		if n > 0 {
			out = append(out, separator...)
		}
		out = c.graphicString(out, &in, &f)
	}
	r.End(&in)
	return out
}

// graphicString appends a GraphicString. What is neither ASCII nor has escape
// sequences is read as UTF-8 where it is that, else as ISO 8859-1: that is what
// systems put there.
func (c *Content) graphicString(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	s, ok := c.r.Octets(cur, e)
	if !ok {
		return out
	}
	for _, b := range s {
		if b == 0x1b {
			at := len(c.r.Arena())
			if text, ok := c.text.convert(c.r.Arena(), s, nil); ok {
				out = x411.AppendClean(out, text[at:])
				return out
			}
		}
	}
	if utf8.Valid(s) {
		return x411.AppendClean(out, s)
	}
	at := len(c.r.Arena())
	text := appendLatin1(c.r.Arena(), s)
	return x411.AppendClean(out, text[at:])
}

// The tags of FileAttributes (X.420 Annex D, after ISO 8571-4).
var fileAttributeNames = [...]string{
	1: "permitted-actions", 3: "storage-account", 4: "created", 5: "modified", 6: "read",
	7: "attributes-modified", 8: "creator", 9: "last-modifier", 10: "last-reader",
	11: "last-attribute-modifier", 12: "availability", 13: "size", 14: "future-size",
	15: "access-control", 16: "legal-qualifications", 17: "private-use", 22: "extensions",
}

var permittedActionNames = []string{
	"read", "insert", "replace", "extend", "erase", "read-attribute", "change-attribute", "delete-object",
	"traversal", "reverse-traversal", "random-order",
}

func (c *Content) fileAttributes(out []byte, p *BodyPart, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for in.Next(&f) && !r.Full(out) {
		number := f.Tag.Number()
		if f.Tag.Class() != ber.ContextSpecific && f.Tag != ber.App(23) {
			r.Stray(&f)
			continue
		}
		if number == 0 || number == 23 {
			// incomplete-pathname or complete-pathname, which ISO 8571-4 tags
			// [APPLICATION 23] and X.420 [23].
			out = x411.AppendItem(out, 0, "pathname")
			at := len(out)
			if f.Constructed {
				out = c.graphicStrings(out, &in, &f, "/")
			} else {
				out = c.graphicString(out, &in, &f)
			}
			p.File.Name = r.Keep(out[at:])
			continue
		}
		if int(number) >= len(fileAttributeNames) || fileAttributeNames[number] == "" {
			r.Stray(&f)
			continue
		}
		name := fileAttributeNames[number]
		r.Push(name)
		switch number {
		case 1:
			out = r.AppendBits(x411.AppendItem(out, 0, name), &in, &f, permittedActionNames)
		case 15:
			out = c.accessControl(x411.AppendItem(out, 0, name), &in, &f)
		case 16, 17, 22:
			out = r.AppendAny(x411.AppendItem(out, 0, name), &in, &f)
		default:
			// A CHOICE of no-value-available [0] and a value, which is [1] in ISO
			// 8571-4.
			var value ber.Element
			v, ok := r.Only(&in, &f, &value)
			if !ok || value.Tag == ber.Context(0) && len(value.Content) == 0 {
				break
			}
			out = c.attributeValue(x411.AppendItem(out, 0, name), p, number, &v, &value)
		}
		r.Pop()
	}
	r.End(&in)
	return out
}

func (c *Content) attributeValue(out []byte, p *BodyPart, number uint32, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	switch number {
	case 4, 5, 6, 7:
		t := r.Time(cur, e)
		switch number {
		case 4:
			p.File.Created = t
		case 5:
			p.File.Modified = t
		}
		return x411.AppendTime(out, &t)
	case 13, 14:
		v, ok := r.Integer(cur, e)
		if !ok || v < 0 {
			return out
		}
		if number == 13 {
			p.File.Size = v
		}
		return appendInt(out, int(v))
	case 12:
		return r.AppendAny(out, cur, e)
	}
	return c.graphicString(out, cur, e)
}

// accessControl appends an Access-Control-Attribute without its passwords.
func (c *Content) accessControl(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	var choice ber.Element
	in, ok := r.Only(cur, e, &choice)
	if !ok || !choice.Constructed {
		return append(out, "no-value-available"...)
	}
	set := in.Enter(&choice)
	var f, g ber.Element
	for n := 0; set.Next(&f) && !r.Full(out); n++ {
		if n > 0 {
			out = append(out, ", "...)
		}
		element := set.Enter(&f)
		for element.Next(&g) {
			switch g.Tag {
			case ber.Context(0):
				out = r.AppendBits(out, &element, &g, permittedActionNames)
			case ber.Context(2):
				out = c.graphicString(append(out, " for "...), &element, &g)
			case ber.Context(3):
				out = append(out, " with passwords"...)
			case ber.Context(1), ber.Context(4):
			default:
				r.Stray(&g)
			}
		}
		r.End(&element)
	}
	r.End(&set)
	return out
}

// file reads FileTransferData: a SEQUENCE OF EXTERNAL whose octets together are
// the file.
func (c *Content) file(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	c.data(i, p, cur, e)
	if !e.Constructed {
		return
	}
	in := cur.Enter(e)
	var f ber.Element
	size, pieces := 0, 0
	var first []byte
	var at x411.Range
	for in.Next(&f) {
		if !r.Is(&f, ber.TagExternal) {
			continue
		}
		var x external
		if !c.external(&in, &f, &x) {
			continue
		}
		octets, ok := r.Octets(&x.cur, &x.value)
		if !ok {
			continue
		}
		if pieces++; pieces == 1 {
			first = octets
			if !x.value.Constructed && !c.sources[i].joined {
				at = x411.Range{Start: x.value.Offset + x.value.Header, End: x.value.Offset + x.value.Header + len(octets)}
			}
		}
		size += len(octets)
	}
	r.End(&in)
	p.Size = size
	if pieces != 1 {
		return
	}
	p.Data, p.DataAt = first, at
	if string(p.File.DocumentType) == oidUnstructuredText {
		p.IsText = true
		if !utf8.Valid(first) {
			p.Reason = "the file's character set is not told and it is not UTF-8"
			return
		}
		p.Text, p.Charset = first, charsetUTF8
	}
}
