package ipm

import (
	"bytes"
	"slices"

	"x400flow/osi/ber"
	"x400flow/x411"
)

// basicKinds are the alternatives of BodyPart by tag (X.420 7.2; 1, 2, 4, 10 and
// 11 as X.420 of 1984 calls what later editions left out or renamed).
var basicKinds = [...]string{
	0: "ia5-text", 1: "telex", 2: "voice", 3: "g3-facsimile", 4: "g4-class1",
	5: "teletex", 6: "videotex", 7: "nationally-defined", 8: "encrypted",
	9: "message", 10: "simple-formattable-document", 11: "mixed-mode",
	13: "iso6937-text", 14: "bilaterally-defined",
}

func basicKind(tag uint32) string {
	if int(tag) < len(basicKinds) && basicKinds[tag] != "" {
		return basicKinds[tag]
	}
	return "other"
}

// extendedKind is an extended body part type, told by its object identifier in
// dotted form.
type extendedKind struct {
	oid  string
	kind string
}

// extendedKinds are those of X.420 Annexes B to F (2.6.1.4), and of STANAG 4406
// Annex A.
var extendedKinds = [...]extendedKind{
	{"2.6.1.4.0", "ia5-text"}, {"2.6.1.4.2", "g3-facsimile"}, {"2.6.1.4.3", "g4-class1"},
	{"2.6.1.4.4", "teletex"}, {"2.6.1.4.5", "videotex"}, {"2.6.1.4.6", "encrypted"},
	{"2.6.1.4.7", "message"}, {"2.6.1.4.8", "mixed-mode"}, {"2.6.1.4.9", "bilaterally-defined"},
	{"2.6.1.4.10", "nationally-defined"}, {"2.6.1.4.11", "general-text"}, {"2.6.1.4.12", "file-transfer"},
	{"2.6.1.4.14", "report"}, {"2.6.1.4.15", "notification"}, {"2.6.1.4.16", "voice"},
	{"2.6.1.4.18", "pkcs7"},
	{"1.3.26.0.4406.0.7.0", "adatp3"}, {"1.3.26.0.4406.0.7.1", "corrections"},
	{"1.3.26.0.4406.0.7.6", "forwarded-encrypted"}, {"1.3.26.0.4406.0.7.9", "mm-message"},
	{"1.3.26.0.4406.0.7.12", "acp127-data"},
}

// oidContentPart is what the type of a forwarded content begins with (X.420
// Annex F); the content type follows.
const oidContentPart = "2.6.1.4.17."

func kindOf(oid []byte) string {
	for i := range extendedKinds {
		if extendedKinds[i].oid == string(oid) {
			return extendedKinds[i].kind
		}
	}
	if len(oid) > len(oidContentPart) && string(oid[:len(oidContentPart)]) == oidContentPart {
		return "content"
	}
	return "extended"
}

func (c *Content) body(i int, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for n := 1; in.Next(&f); n++ {
		r.PushIndex(n)
		if len(c.parts) >= c.limits.Parts {
			r.Fail(x411.CodeTooMany, f.Offset)
			r.Pop()
			return
		}
		_, before := r.Failure()
		if c.delivery.Present {
			c.delivery = Delivery{}
		}
		k := len(c.parts)
		c.parts = slices.Grow(c.parts, 1)[:k+1]
		p := &c.parts[k] // Made where it stays.
		*p = BodyPart{}
		p.Number, p.Pages, p.Duration, p.Nested, p.File.Size = n, -1, -1, -1, -1
		c.bodyPart(i, p, &in, &f)
		if _, failures := r.Failure(); failures != before {
			c.parts[k].Err = r.Last()
		}
		r.Pop()
	}
	r.End(&in)
}

func (c *Content) bodyPart(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	if e.Tag.Class() != ber.ContextSpecific {
		p.Kind = "other"
		r.Stray(e)
		c.data(i, p, cur, e)
		return
	}
	if e.Tag == ber.Context(15) {
		p.Extended = true
		c.extended(i, p, cur, e)
		return
	}
	p.Kind = basicKind(e.Tag.Number())
	switch p.Kind {
	case "g4-class1", "mixed-mode", "nationally-defined", "bilaterally-defined", "other":
		// There are no parameters.
		c.value(i, p, cur, e)
		return
	}
	if !e.Constructed {
		// X.420 of 1984 left some of these for further study.
		c.data(i, p, cur, e)
		return
	}
	in := cur.Enter(e)
	var f ber.Element
	n := 0
	for ; in.Next(&f); n++ {
		switch n {
		case 0:
			r.Push("parameters")
			c.parameters(i, p, &in, &f)
			r.Pop()
		case 1:
			r.Push("data")
			c.value(i, p, &in, &f)
			r.Pop()
		default:
			r.Stray(&f)
		}
	}
	if r.End(&in); n < 2 && in.Code() == ber.None {
		r.FailIn("data", x411.CodeMissing, e.Offset)
	}
}

// data keeps the octets of an element: the contents of a string, the encoding of
// anything else.
func (c *Content) data(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	if !e.Constructed {
		p.Data = e.Content
		p.at(e.Offset+e.Header, len(e.Content))
	} else {
		p.Data = cur.Raw(e)
		p.at(e.Offset, len(p.Data))
	}
	if c.sources[i].joined {
		p.DataAt = x411.Range{}
	}
	p.Size = len(p.Data)
}

func (p *BodyPart) at(start, n int) { p.DataAt = x411.Range{Start: start, End: start + n} }

// stringData keeps the octets of a string under whatever tag.
func (c *Content) stringData(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) bool {
	if !e.Constructed {
		c.data(i, p, cur, e)
		return true
	}
	s, ok := c.r.Octets(cur, e)
	p.Data, p.DataAt, p.Size = s, x411.Range{}, len(s)
	return ok
}

// value reads the data of a body part of p.Kind, under whatever tag.
func (c *Content) value(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	switch p.Kind {
	case "ia5-text", "corrections", "acp127-data":
		if c.stringData(i, p, cur, e) {
			c.ia5(p)
		}
	case "adatp3":
		c.lines(i, p, cur, e)
	case "teletex":
		c.pages(i, p, cur, e)
	case "general-text", "iso6937-text":
		if c.stringData(i, p, cur, e) {
			c.generalText(p, e.Tag)
		}
	case "videotex":
		if c.stringData(i, p, cur, e) {
			p.IsText, p.Reason = true, "videotex is not converted"
			p.Charset = charsetVideotex
		}
	case "bilaterally-defined", "voice":
		c.stringData(i, p, cur, e)
	case "encrypted", "forwarded-encrypted":
		if bits, _, ok := c.r.Bits(cur, e); ok {
			p.Data, p.Size = bits, len(bits)
			if !e.Constructed && !c.sources[i].joined {
				p.at(e.Offset+e.Header+1, len(bits))
			}
		}
	case "g3-facsimile":
		c.facsimile(i, p, cur, e)
	case "file-transfer":
		c.file(i, p, cur, e)
	case "message", "mm-message":
		c.data(i, p, cur, e)
		p.Nested = c.forward(i, p, source{form: formIPM, cur: *cur, elem: *e}, e.Offset)
	case "notification":
		c.data(i, p, cur, e)
		p.Nested = c.forward(i, p, source{form: formIPN, cur: *cur, elem: *e}, e.Offset)
	case "content":
		c.forwardedContent(i, p, cur, e)
	case "pkcs7":
		c.data(i, p, cur, e)
		c.cms(i, cur, e, &p.Inner, false)
	default:
		c.data(i, p, cur, e)
		// Whatever is a character string is text.
		switch e.Tag {
		case ber.TagUTF8String, ber.TagBMPString, ber.TagUniversalString, ber.TagIA5String, ber.TagVisibleString,
			ber.TagPrintableString, ber.TagGeneralString, ber.TagGraphicString, ber.TagTeletexString:
			if c.stringData(i, p, cur, e) {
				c.generalText(p, e.Tag)
			}
		}
	}
}

// pages reads TeletexData: a SEQUENCE of TeletexString, a page each.
func (c *Content) pages(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	c.data(i, p, cur, e)
	p.IsText, p.Charset = true, charsetT61
	in := cur.Enter(e)
	var f ber.Element
	size, n := 0, int64(0)
	at := len(r.Arena())
	out := r.Arena()
	for ; in.Next(&f); n++ {
		s := f.Content
		if f.Constructed {
			// Joined after what is kept already, then replaced by its text.
			r.SetArena(out)
			var ok bool
			if s, ok = r.Octets(&in, &f); !ok {
				return
			}
			out = r.Arena()[:len(out)]
			c.scratch = append(c.scratch[:0], s...)
			s = c.scratch
		}
		size += len(s)
		if n > 0 {
			out = append(out, '\f')
		}
		out = x411.AppendT61(out, s)
	}
	r.SetArena(out)
	r.End(&in)
	p.Text, p.Size = r.Kept(at), size
	if p.Pages < 0 {
		p.Pages = n
	}
	if bytes.ContainsRune(p.Text, '\uFFFD') {
		p.Reason = "characters without a meaning in T.61"
	}
}

// lines reads ADatP3Data (STANAG 4406 Annex A): lineOriented [0] IA5String or
// setOriented [1] SEQUENCE OF IA5String.
func (c *Content) lines(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	if e.Tag != ber.Context(1) {
		if c.stringData(i, p, cur, e) {
			c.ia5(p)
		}
		return
	}
	c.data(i, p, cur, e)
	in := cur.Enter(e)
	var f ber.Element
	at := len(r.Arena())
	out := r.Arena()
	for n := 0; in.Next(&f); n++ {
		if n > 0 {
			out = append(out, '\r', '\n')
		}
		out = appendLatin1(out, f.Content)
	}
	r.SetArena(out)
	r.End(&in)
	p.IsText, p.Charset, p.Text = true, charsetASCII, r.Kept(at)
}

// facsimile reads G3FacsimileData: a SEQUENCE of BIT STRING, a page each.
func (c *Content) facsimile(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	c.data(i, p, cur, e)
	in := cur.Enter(e)
	var f ber.Element
	size, n := 0, int64(0)
	for ; in.Next(&f); n++ {
		size += max(len(f.Content)-1, 0)
	}
	r.End(&in)
	p.Size = size
	if p.Pages < 0 {
		p.Pages = n
	}
}

// forward makes the message of a body part.
func (c *Content) forward(i int, p *BodyPart, s source, offset int) int {
	k := c.nest(i, p.Number, 0, s, offset)
	if k >= 0 {
		m := &c.Messages[k]
		m.Delivery = c.delivery
		if p.Kind == "mm-message" {
			m.Type = nameP772
		}
		if t := &c.delivery.ContentType; t.Present && len(t.Text) > 0 {
			m.Type = t.Text
		}
	}
	return k
}

// forwardedContent reads a Content (X.420 Annex F): an OCTET STRING that holds a
// content of the type that the body part's type ends with. Some leave the OCTET
// STRING out and have the InformationObject itself there.
func (c *Content) forwardedContent(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	oid := p.Type[min(len(oidContentPart), len(p.Type)):]
	bare := oidSyntax(oid) == syntaxIPM && e.Constructed
	switch {
	case bare && e.Tag == ber.Context(0):
		c.data(i, p, cur, e)
		p.Nested = c.forward(i, p, source{form: formIPM, cur: *cur, elem: *e}, e.Offset)
	case bare && e.Tag == ber.Context(1):
		c.data(i, p, cur, e)
		p.Nested = c.forward(i, p, source{form: formIPN, cur: *cur, elem: *e}, e.Offset)
	case c.stringData(i, p, cur, e):
		p.Nested = c.inside(i, p.Number, 0, cur, e, p.Data, oid)
	default:
		return
	}
	if p.Nested >= 0 {
		m := &c.Messages[p.Nested]
		m.Delivery = c.delivery
		m.Type = typeName(oid)
	}
}

// inside makes the message of a content that stands in the OCTET STRING e, whose
// octets they are.
func (c *Content) inside(i, number int, letter byte, cur *ber.Cursor, e *ber.Element, octets, oid []byte) int {
	s := source{form: formContent, syntax: oidSyntax(oid)}
	if !e.Constructed {
		s.cur = cur.EnterEncoding(e)
	} else {
		s.cur = c.again(octets)
		s.joined = true
	}
	k := c.nest(i, number, letter, s, e.Offset)
	if k >= 0 {
		m := &c.Messages[k]
		m.Size = len(octets)
		if !c.sources[k].joined {
			m.Octets = x411.Range{Start: e.Offset + e.Header, End: e.Offset + e.Header + len(octets)}
		}
	}
	return k
}

// again returns a cursor over octets that were joined.
func (c *Content) again(octets []byte) ber.Cursor {
	if c.joins == len(c.joined) {
		c.joined = append(c.joined, new(ber.Decoder))
	}
	d := c.joined[c.joins]
	c.joins++
	d.MaxDepth = c.limits.Depth
	d.MaxElements = ber.DefaultMinElements + 8*len(octets)
	return d.Reset(octets)
}

// external is what an EXTERNAL (X.690 8.18) holds: under a single-ASN1-type one
// value, which cur yielded; otherwise octets.
type external struct {
	oid    []byte // In dotted form.
	cur    ber.Cursor
	value  ber.Element
	single bool
}

func (c *Content) external(cur *ber.Cursor, e *ber.Element, x *external) bool {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagOID:
			x.oid, _ = r.OID(&in, &f)
		case ber.TagInteger, ber.TagObjectDescriptor:
		case ber.Context(0):
			var ok bool
			x.cur, ok = r.Only(&in, &f, &x.value)
			x.single = true
			return ok
		case ber.Context(1), ber.Context(2):
			x.cur, x.value = in, f
			return true
		default:
			r.Fail(x411.CodeBadExternal, f.Offset)
			return false
		}
	}
	if r.End(&in); in.Code() == ber.None {
		r.Fail(x411.CodeBadExternal, e.Offset)
	}
	return false
}

// extended reads an ExtendedBodyPart (X.420 7.3.12).
func (c *Content) extended(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	p.Kind = "extended"
	in := cur.Enter(e)
	var f ber.Element
	var params, data external
	hasParams, hasData := false, false
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			r.Push("parameters")
			hasParams = c.external(&in, &f, &params)
			r.Pop()
			p.ParametersType = params.oid
		case ber.TagExternal:
			r.Push("data")
			hasData = c.external(&in, &f, &data)
			r.Pop()
			p.Type = data.oid
			p.Kind = kindOf(p.Type)
			// The parameters are read by the type of the data, and before them.
			if hasParams {
				r.Push("parameters")
				c.parameters(i, p, &params.cur, &params.value)
				r.Pop()
				hasParams = false
			}
			if hasData {
				r.Push("data")
				c.externalValue(i, p, &data)
				r.Pop()
			}
		default:
			r.Stray(&f)
		}
	}
	if r.End(&in); !hasData && in.Code() == ber.None {
		r.FailIn("data", x411.CodeMissing, e.Offset)
	}
}

// externalValue reads the data of an extended body part.
func (c *Content) externalValue(i int, p *BodyPart, x *external) {
	if x.single {
		c.value(i, p, &x.cur, &x.value)
		return
	}
	switch p.Kind {
	case "bilaterally-defined", "voice", "general-text", "ia5-text", "extended", "pkcs7":
		// The octets are the data themselves, or an encoding of it.
		c.stringData(i, p, &x.cur, &x.value)
	}
	if x.value.Constructed {
		if p.Data == nil {
			c.stringData(i, p, &x.cur, &x.value)
		}
		return
	}
	// octet-aligned may hold an encoding of the data's type.
	in := x.cur.EnterEncoding(&x.value)
	var f ber.Element
	if in.Next(&f) && !in.More() {
		switch p.Kind {
		case "extended", "bilaterally-defined", "voice":
			return // Of no known type, or of any.
		}
		c.value(i, p, &in, &f)
		return
	}
	if p.Data == nil {
		c.stringData(i, p, &x.cur, &x.value)
	}
}

// ia5 makes the text of an IA5 text body part. Octets above 7F do not belong
// there; those who send them mean ISO 8859-1.
func (c *Content) ia5(p *BodyPart) {
	p.IsText, p.Charset = true, charsetASCII
	p.Text = p.Data
	if p.Text == nil {
		p.Text = []byte{}
	}
	if !x411.SevenBits(p.Data) {
		r := &c.r
		at := len(r.Arena())
		r.SetArena(appendLatin1(r.Arena(), p.Data))
		p.Text = r.Kept(at)
		p.Reason = "octets above 7F in IA5 text, read as ISO 8859-1"
	}
}

// generalText makes the text of a string of the type that the tag tells; any
// other tag means a GeneralString.
func (c *Content) generalText(p *BodyPart, tag ber.Tag) {
	r := &c.r
	p.IsText = true
	at := len(r.Arena())
	var out []byte
	ok := true
	switch tag {
	case ber.TagBMPString:
		p.Charset = charsetBMP
		out, ok = ber.AppendBMP(r.Arena(), p.Data)
	case ber.TagUniversalString:
		p.Charset = charsetUniversal
		out, ok = ber.AppendUniversal(r.Arena(), p.Data)
	case ber.TagUTF8String:
		p.Charset = charsetUTF8
		out = appendValid(r.Arena(), p.Data)
	case ber.TagIA5String, ber.TagVisibleString, ber.TagPrintableString:
		c.ia5(p)
		return
	case ber.TagTeletexString:
		p.Charset = charsetT61
		out = x411.AppendT61(r.Arena(), p.Data)
	default:
		if p.Kind == "iso6937-text" {
			out, ok = c.text.whole(r.Arena(), p.Data, charsetISO6937)
		} else {
			out, ok = c.text.convert(r.Arena(), p.Data, p.Registrations)
		}
		if !ok {
			p.Reason = c.text.reason
			return
		}
		r.SetArena(out)
		p.Text = r.Kept(at)
		p.Charset = r.Keep(c.text.charset)
		p.Reason = c.text.reason
		return
	}
	if !ok {
		p.Reason = "octets left over after the last character"
		return
	}
	r.SetArena(out)
	p.Text = r.Kept(at)
}

// parameters reads the parameters of a body part of p.Kind.
func (c *Content) parameters(i int, p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	switch p.Kind {
	case "message", "mm-message", "notification", "content", "forwarded-encrypted":
		c.deliveryParameters(cur, e)
		p.Parameters = c.delivery.Text
	case "file-transfer":
		c.fileParameters(i, p, cur, e)
	case "general-text":
		c.registrations(p, cur, e)
	case "ia5-text", "g3-facsimile", "teletex", "videotex", "encrypted", "voice":
		c.fields(p, cur, e)
	default:
		p.Parameters = c.r.Render(cur, e, renderAny)
	}
}

var (
	repertoireNames     = []string{2: "ita2", 5: "ia5"}
	videotexSyntaxNames = []string{"ids", "data-syntax1", "data-syntax2", "data-syntax3"}
)

// fields reads parameters that are a SET or SEQUENCE of tagged fields.
func (c *Content) fields(p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	in := cur.Enter(e)
	out := c.scratch[:0]
	var f ber.Element
	for in.Next(&f) {
		switch {
		case p.Kind == "ia5-text" && f.Tag == ber.Context(0):
			out = r.AppendNamed(x411.AppendItem(out, 0, "repertoire"), &in, &f, repertoireNames)
		case p.Kind == "videotex" && f.Tag == ber.Context(0):
			out = r.AppendNamed(x411.AppendItem(out, 0, "syntax"), &in, &f, videotexSyntaxNames)
		case (p.Kind == "g3-facsimile" || p.Kind == "teletex") && f.Tag == ber.Context(0):
			if v, ok := r.Integer(&in, &f); ok {
				p.Pages = max(v, -1)
				out = appendInt(x411.AppendItem(out, 0, "number-of-pages"), int(max(v, 0)))
			}
		case p.Kind == "teletex" && f.Tag == ber.Context(1):
			out = x411.AppendItem(out, 0, "telex-compatible")
			out = appendBool(out, r.Bool(&in, &f))
		case p.Kind == "g3-facsimile" && f.Tag == ber.Context(1):
			out = r.AppendG3Parameters(x411.AppendItem(out, 0, "non-basic-parameters"), &in, &f)
		case p.Kind == "teletex" && f.Tag == ber.Context(2):
			out = r.AppendTeletexParameters(out, &in, &f)
		case p.Kind == "encrypted" && f.Tag == ber.TagSequence:
			out = r.AppendAlgorithm(x411.AppendItem(out, 0, "algorithm"), &in, &f)
		case p.Kind == "encrypted" && f.Tag == ber.TagSet:
			out = append(x411.AppendItem(out, 0, "originator-certificates"), "present"...)
		case p.Kind == "voice" && f.Tag == ber.Context(0):
			if v, ok := r.Integer(&in, &f); ok {
				p.Duration = max(v, -1)
				out = appendInt(x411.AppendItem(out, 0, "voice-message-duration"), int(max(v, 0)))
			}
		case p.Kind == "voice" && f.Tag == ber.Context(1):
			oid, _ := r.OID(&in, &f)
			out = append(x411.AppendItem(out, 0, "voice-encoding-type"), oid...)
		case p.Kind == "voice" && f.Tag == ber.Context(2):
			s, _ := r.Text(&in, &f)
			out = x411.AppendClean(x411.AppendItem(out, 0, "supplementary-information"), s)
		default:
			r.Stray(&f)
		}
	}
	r.End(&in)
	c.scratch = out
	p.Parameters = r.Keep(out)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

// registrations reads GeneralTextParameters: a SET OF CharacterSetRegistration.
func (c *Content) registrations(p *BodyPart, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	in := cur.Enter(e)
	out := c.scratch[:0]
	var f ber.Element
	for in.Next(&f) && !r.Full(out) {
		if !r.Is(&f, ber.TagInteger) {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = r.AppendNamed(out, &in, &f, nil)
	}
	r.End(&in)
	c.scratch = out
	p.Registrations = r.Keep(out)
	p.Parameters = p.Registrations
}
