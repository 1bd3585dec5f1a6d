package ipm

import (
	"slices"

	"x400flow/osi/ber"
	"x400flow/x411"
)

var tagIPMIdentifier = ber.App(11)

// source is where a message that is still to be read stands.
type source struct {
	form form
	// cur yielded elem; for formContent it stands before the content's element.
	cur  ber.Cursor
	elem ber.Element
	// syntax is how a content is to be read.
	syntax syntax
	// joined says that offsets are those of octets joined from segments.
	joined bool
}

type form uint8

const (
	formContent form = iota
	formIPM          // elem is an IPM.
	formIPN          // elem is an IPN.
	formInfo         // elem is an InformationObject.
)

type syntax uint8

const (
	syntaxUnknown syntax = iota
	syntaxIPM
	syntaxEDI
	syntaxInner
)

// Content types (X.420 Annex C, X.435 Annex, STANAG 4406 Annex A) in dotted form.
const (
	oidP2   = "2.6.1.10.0"
	oidP22  = "2.6.1.10.1"
	oidP772 = "1.3.26.0.4406.0.4.1"
	oidEDI  = "2.6.7."
	// oidInner is a content that is itself an MTS-APDU (X.411 8.2.1.1.1.34).
	oidInner = "2.6.3.3.1"
)

func builtinSyntax(n int32) syntax {
	switch n {
	case 2, 22:
		return syntaxIPM
	case 35:
		return syntaxEDI
	}
	return syntaxUnknown
}

func oidSyntax(oid []byte) syntax {
	switch string(oid) {
	case oidP2, oidP22, oidP772:
		return syntaxIPM
	case oidInner:
		return syntaxInner
	}
	if len(oid) > len(oidEDI) && string(oid[:len(oidEDI)]) == oidEDI {
		return syntaxEDI
	}
	return syntaxUnknown
}

func syntaxOf(t *x411.ContentType) syntax {
	if t.OID != nil {
		return oidSyntax(t.OID)
	}
	return builtinSyntax(t.Builtin)
}

// typeName returns the name of a content type given by object identifier, as
// package x411 has it, or the identifier.
func typeName(oid []byte) []byte {
	switch string(oid) {
	case oidP2:
		return nameP2
	case oidP22:
		return nameP22
	case oidP772:
		return nameP772
	}
	return oid
}

var (
	nameP2   = []byte("id-mct-p2-1984")
	nameP22  = []byte("id-mct-p2-1988")
	nameP772 = []byte("id-mct-p772")
)

func orDefault(v, fallback int) int {
	if v > 0 {
		return v
	}
	return fallback
}

func reuse[T any](s []T, keep int) []T {
	if cap(s) > keep {
		return nil
	}
	return s[:0]
}

// Decode reads octets, a content of type t, and returns the status of the
// content itself; those of the messages in it are in Messages.
func (c *Content) Decode(octets []byte, t *x411.ContentType) x411.Status {
	l := &c.limits
	*l = Limits{
		Messages: orDefault(c.Limits.Messages, DefaultMessages), Nesting: orDefault(c.Limits.Nesting, DefaultNesting),
		Recipients: orDefault(c.Limits.Recipients, DefaultRecipients), Parts: orDefault(c.Limits.Parts, DefaultParts),
		Extensions: orDefault(c.Limits.Extensions, DefaultExtensions), References: orDefault(c.Limits.References, DefaultReferences),
		Text: orDefault(c.Limits.Text, DefaultText), Arena: orDefault(c.Limits.Arena, DefaultArena),
		Depth: orDefault(c.Limits.Depth, DefaultDepth),
	}
	// The divisors are about the sizes of the elements.
	c.Messages = reuse(c.Messages, l.Arena/8192)
	c.sources = reuse(c.sources, l.Arena/256)
	c.recipients = reuse(c.recipients, l.Arena/1024)
	c.references = reuse(c.references, l.Arena/1024)
	c.extensions = reuse(c.extensions, l.Arena/192)
	c.parts = reuse(c.parts, l.Arena/768)
	c.joins = 0
	c.military.Reset()
	c.r.Use(c.Names)
	cur := c.r.Start(octets, &x411.Limits{Text: l.Text, Arena: l.Arena, Depth: l.Depth})
	m := c.add(-1)
	m.Type = t.Text
	m.Size, m.Octets = len(octets), x411.Range{Start: 0, End: len(octets)}
	c.sources[0] = source{form: formContent, cur: cur, syntax: syntaxOf(t)}
	for i := 0; i < len(c.Messages); i++ {
		c.message(i)
	}
	return c.Messages[0].Status
}

// add appends a message that lies in the one called parent.
func (c *Content) add(parent int) *Message {
	n := len(c.Messages)
	c.Messages = slices.Grow(c.Messages, 1)[:n+1]
	c.sources = append(c.sources, source{})
	m := &c.Messages[n] // Made where it stays.
	*m = Message{}
	m.Parent, m.Importance, m.Sensitivity = parent, -1, -1
	m.NonReceiptReason, m.DiscardReason, m.Acknowledgment = -1, -1, -1
	return m
}

// nest appends the message that lies in a body part, or with number 0 at the
// place called by letter, of the message i, and returns its index: -1 where the
// limits forbid it.
func (c *Content) nest(i, number int, letter byte, s source, offset int) int {
	if c.Messages[i].Depth+1 > c.limits.Nesting {
		c.r.Fail(x411.CodeTooNested, offset)
		return -1
	}
	if len(c.Messages) >= c.limits.Messages {
		c.r.Fail(x411.CodeTooMany, offset)
		return -1
	}
	m := c.add(i)
	outer := &c.Messages[i]
	m.Depth = outer.Depth + 1
	at := len(c.r.Arena())
	path := append(c.r.Arena(), outer.Path...)
	if len(path) > at {
		path = append(path, '.')
	}
	if number > 0 {
		path = appendInt(path, number)
	} else {
		path = append(path, letter)
	}
	c.r.SetArena(path)
	m.Path = c.r.Kept(at)
	m.Type = outer.Type
	s.joined = s.joined || c.sources[i].joined
	if s.form != formContent {
		m.Size = s.elem.End - s.elem.Offset
		if !s.joined {
			m.Octets = x411.Range{Start: s.elem.Offset, End: s.elem.End}
		}
	}
	k := len(c.Messages) - 1
	c.sources[k] = s
	return k
}

// message reads the message i.
func (c *Content) message(i int) {
	r := &c.r
	s := c.sources[i]
	prefix := c.Messages[i].Path
	if len(prefix) > 0 {
		at := len(r.Arena())
		a := append(r.Arena(), "body/"...)
		r.SetArena(append(a, prefix...))
		prefix = r.Kept(at)
	}
	r.Restart(prefix)
	first := [...]int{len(c.recipients), len(c.references), len(c.extensions), len(c.parts)}
	c.base = first[0]
	status := x411.StatusFailed
	switch s.form {
	case formContent:
		status = c.content(i, &s)
	case formInfo:
		status = c.informationObject(i, &s.cur, &s.elem)
	case formIPM:
		status = c.ipm(i, &s.cur, &s.elem)
	case formIPN:
		status = c.ipn(i, &s.cur, &s.elem)
	}
	m := &c.Messages[i]
	m.Recipients = c.recipients[first[0]:len(c.recipients):len(c.recipients)]
	m.References = c.references[first[1]:len(c.references):len(c.references)]
	m.Extensions = c.extensions[first[2]:len(c.extensions):len(c.extensions)]
	m.Parts = c.parts[first[3]:len(c.parts):len(c.parts)]
	m.Failure, _ = r.Failure()
	m.UnknownFields, m.FirstUnknown = r.Unknown()
	if status == x411.StatusOK && m.Failure.Code != x411.CodeNone {
		status = x411.StatusPartial
	}
	m.Status = status
	c.ats(m)
}

// content reads the octets of a content.
func (c *Content) content(i int, s *source) x411.Status {
	r := &c.r
	var e ber.Element
	if s.syntax == syntaxInner {
		c.Messages[i].Kind = KindInnerEnvelope
		return x411.StatusOK
	}
	if s.syntax == syntaxUnknown {
		// CMS is told by its object identifier, whatever the type says.
		if s.cur.More() {
			look := s.cur
			var inner Inner
			if look.Next(&e) && c.cms(i, &look, &e, &inner, !look.More()) {
				c.Messages[i].Kind, c.Messages[i].Inner = KindCMS, inner
			}
		}
		return x411.StatusOK
	}
	if !s.cur.Next(&e) {
		if r.End(&s.cur); s.cur.Code() == ber.None {
			r.Fail(x411.CodeNotContent, 0)
		}
		return x411.StatusFailed
	}
	status := x411.StatusOK
	switch {
	case s.syntax == syntaxIPM:
		status = c.informationObject(i, &s.cur, &e)
	case e.Tag == ber.Context(0):
		c.Messages[i].Kind = KindEDIMessage
	case e.Tag == ber.Context(1):
		c.Messages[i].Kind = KindEDINotification
	default:
		r.Fail(x411.CodeNotContent, e.Offset)
		return x411.StatusFailed
	}
	if s.cur.More() {
		r.Fail(x411.CodeTrailing, s.cur.Offset())
	}
	return status
}

// informationObject reads an InformationObject (X.420 7): ipm [0] or ipn [1].
func (c *Content) informationObject(i int, cur *ber.Cursor, e *ber.Element) x411.Status {
	switch e.Tag {
	case ber.Context(0):
		return c.ipm(i, cur, e)
	case ber.Context(1):
		return c.ipn(i, cur, e)
	}
	c.r.Fail(x411.CodeNotContent, e.Offset)
	return x411.StatusFailed
}

var ipmFields = x411.FieldsOf([]x411.Field{
	{Name: "heading", Tag: ber.TagSet, ID: 0, Mandatory: true},
	{Name: "body", Tag: ber.TagSequence, ID: 1, Mandatory: true},
})

// ipm reads an IPM under whatever tag.
func (c *Content) ipm(i int, cur *ber.Cursor, e *ber.Element) x411.Status {
	r := &c.r
	c.Messages[i].Kind = KindIPM
	in := cur.Enter(e)
	status := x411.StatusFailed
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, ipmFields, &seen)
		if id < 0 {
			break
		}
		if id == 0 {
			status = x411.StatusOK
			c.heading(i, &in, &f)
		} else {
			c.body(i, &in, &f)
		}
		r.Pop()
	}
	r.Complete(ipmFields, seen, e.Offset)
	return status
}

// headingFields is Heading (X.420 7.2; the same tags in X.420 of 1984).
var headingFields = x411.FieldsOf([]x411.Field{
	{Name: "this-IPM", Tag: tagIPMIdentifier, ID: 0, Mandatory: true},
	{Name: "originator", Tag: ber.Context(0), ID: 1},
	{Name: "authorizing-users", Tag: ber.Context(1), ID: 2},
	{Name: "primary-recipients", Tag: ber.Context(2), ID: 3},
	{Name: "copy-recipients", Tag: ber.Context(3), ID: 4},
	{Name: "blind-copy-recipients", Tag: ber.Context(4), ID: 5},
	{Name: "replied-to-IPM", Tag: ber.Context(5), ID: 6},
	{Name: "obsoleted-IPMs", Tag: ber.Context(6), ID: 7},
	{Name: "related-IPMs", Tag: ber.Context(7), ID: 8},
	{Name: "subject", Tag: ber.Context(8), ID: 9},
	{Name: "expiry-time", Tag: ber.Context(9), ID: 10},
	{Name: "reply-time", Tag: ber.Context(10), ID: 11},
	{Name: "reply-recipients", Tag: ber.Context(11), ID: 12},
	{Name: "importance", Tag: ber.Context(12), ID: 13},
	{Name: "sensitivity", Tag: ber.Context(13), ID: 14},
	{Name: "auto-forwarded", Tag: ber.Context(14), ID: 15},
	{Name: "extensions", Tag: ber.Context(15), ID: 16},
})

func (c *Content) heading(i int, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	m := &c.Messages[i]
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, headingFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			c.identifier(&in, &f, &m.ID)
		case 1:
			c.descriptor(&in, &f, &m.Originator)
		case 2, 3, 4, 5, 12:
			role := RoleReply
			if id < 12 {
				role = Role(id - 2)
			}
			c.recipientList(&in, &f, role)
		case 6:
			c.reference(&in, &f, RelationRepliedTo)
		case 7, 8:
			c.referenceList(&in, &f, Relation(id-6))
		case 9:
			m.Subject = c.subject(&in, &f)
		case 10:
			m.ExpiryTime = r.Time(&in, &f)
		case 11:
			m.ReplyTime = r.Time(&in, &f)
		case 13:
			m.Importance = r.Code(&in, &f)
		case 14:
			m.Sensitivity = r.Code(&in, &f)
		case 15:
			m.AutoForwarded, m.AutoForwardedPresent = r.Bool(&in, &f), true
		case 16:
			c.extensionSet(&in, &f, ScopeHeading, 0)
		}
		r.Pop()
	}
	r.Complete(headingFields, seen, e.Offset)
}

// subject reads the subject, whose type has an explicit tag; implicit tagging is
// wrong and yet unambiguous.
func (c *Content) subject(cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	if !e.Constructed {
		s, _ := r.Teletex(cur, e)
		return s
	}
	var inner ber.Element
	in, ok := r.Only(cur, e, &inner)
	if !ok {
		return nil
	}
	s, ok := r.String(&in, &inner)
	if ok && s == nil {
		s = []byte{}
	}
	return s
}

var identifierFields = x411.FieldsOf([]x411.Field{
	{Name: "user", Tag: ber.App(0), ID: 0},
	{Name: "user-relative-identifier", Tag: ber.TagPrintableString, ID: 1, Mandatory: true},
	{Name: "user-relative-identifier", Tag: ber.TagIA5String, ID: 1, Mandatory: true},
})

// identifier reads the contents of an IPMIdentifier under whatever tag.
func (c *Content) identifier(cur *ber.Cursor, e *ber.Element, id *Identifier) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		n := r.Next(&in, &f, identifierFields, &seen)
		if n < 0 {
			break
		}
		if n == 0 {
			r.ORName(&in, &f, &id.User)
		} else {
			id.Local, _ = r.Text(&in, &f)
		}
		r.Pop()
	}
	r.Complete(identifierFields, seen, e.Offset)
	at := len(r.Arena())
	r.SetArena(appendIdentifier(r.Arena(), id))
	id.Text = r.Kept(at)
}

func appendIdentifier(dst []byte, id *Identifier) []byte {
	dst = x411.AppendClean(dst, id.Local)
	dst = append(dst, '*')
	return append(dst, id.User.Text...)
}

func (c *Content) reference(cur *ber.Cursor, e *ber.Element, relation Relation) {
	if len(c.references) >= c.limits.References {
		c.r.Fail(x411.CodeTooMany, e.Offset)
		return
	}
	c.references = append(c.references, Reference{Relation: relation})
	c.identifier(cur, e, &c.references[len(c.references)-1].ID)
}

func (c *Content) referenceList(cur *ber.Cursor, e *ber.Element, relation Relation) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		r.PushIndex(i)
		if r.Is(&f, tagIPMIdentifier) {
			c.reference(&in, &f, relation)
		}
		r.Pop()
	}
	r.End(&in)
}

var descriptorFields = x411.FieldsOf([]x411.Field{
	{Name: "formal-name", Tag: ber.App(0), ID: 0},
	{Name: "free-form-name", Tag: ber.Context(0), ID: 1},
	{Name: "telephone-number", Tag: ber.Context(1), ID: 2},
})

// descriptor reads the contents of an ORDescriptor under whatever tag.
func (c *Content) descriptor(cur *ber.Cursor, e *ber.Element, d *Descriptor) {
	r := &c.r
	d.Present = true
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, descriptorFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			r.ORName(&in, &f, &d.Name)
		case 1:
			d.FreeForm, _ = r.Teletex(&in, &f)
		case 2:
			d.Telephone, _ = r.Text(&in, &f)
		}
		r.Pop()
	}
	at := len(r.Arena())
	r.SetArena(appendDescriptor(r.Arena(), d))
	d.Text = r.Kept(at)
}

func appendDescriptor(dst []byte, d *Descriptor) []byte {
	at := len(dst)
	if len(d.FreeForm) > 0 {
		dst = x411.AppendClean(dst, d.FreeForm)
	}
	if d.Name.Present {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		dst = append(dst, '<')
		dst = append(dst, d.Name.Text...)
		dst = append(dst, '>')
	}
	if len(d.Telephone) > 0 {
		if len(dst) > at {
			dst = append(dst, ' ')
		}
		dst = append(dst, '(')
		dst = x411.AppendClean(dst, d.Telephone)
		dst = append(dst, ')')
	}
	return dst
}

// recipientList reads a SEQUENCE of RecipientSpecifier, or of ORDescriptor for
// authorizing users and reply recipients.
func (c *Content) recipientList(cur *ber.Cursor, e *ber.Element, role Role) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		r.PushIndex(i)
		switch {
		case len(c.recipients) >= c.limits.Recipients:
			r.Fail(x411.CodeTooMany, f.Offset)
			r.Pop()
			return
		case r.Is(&f, ber.TagSet, ber.TagSequence):
			k := len(c.recipients)
			c.recipients = slices.Grow(c.recipients, 1)[:k+1]
			x := &c.recipients[k] // Made where it stays.
			*x = Recipient{}
			x.Role, x.Precedence = role, -1
			if role == RoleAuthorizing || role == RoleReply {
				c.descriptor(&in, &f, &x.Descriptor)
			} else {
				c.specifier(&in, &f, x)
			}
		}
		r.Pop()
	}
	r.End(&in)
}

// specifierFields is RecipientSpecifier (X.420 7.1.3). The last one is of P772
// and private use.
var specifierFields = x411.FieldsOf([]x411.Field{
	{Name: "recipient", Tag: ber.Context(0), ID: 0, Mandatory: true},
	{Name: "notification-requests", Tag: ber.Context(1), ID: 1},
	{Name: "reply-requested", Tag: ber.Context(2), ID: 2},
	{Name: "recipient-extensions", Tag: ber.Context(3), ID: 3},
})

func (c *Content) specifier(cur *ber.Cursor, e *ber.Element, x *Recipient) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, specifierFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			c.descriptor(&in, &f, &x.Descriptor)
		case 1:
			v, _ := r.Flags(&in, &f)
			x.Requests = NotificationRequests(v)
		case 2:
			x.ReplyRequested = r.Bool(&in, &f)
		case 3:
			n := len(c.extensions)
			c.extensionSet(&in, &f, ScopeRecipient, len(c.recipients)-c.base)
			for k := n; k < len(c.extensions); k++ {
				if c.extensions[k].Name == "precedence" {
					x.Precedence = precedenceOf(c.extensions[k].Value)
				}
			}
		}
		r.Pop()
	}
	r.Complete(specifierFields, seen, e.Offset)
}

// precedenceOf reads what renderPrecedence wrote.
func precedenceOf(text []byte) int32 {
	v := int32(0)
	for _, b := range text {
		if b < '0' || b > '9' || v > 1<<24 {
			return -1
		}
		v = v*10 + int32(b-'0')
	}
	if len(text) == 0 {
		return -1
	}
	return v
}

// ipnFields is IPN (X.420 8).
var ipnFields = x411.FieldsOf([]x411.Field{
	{Name: "choice", Tag: ber.Context(0), ID: 0, Mandatory: true},
	{Name: "subject-ipm", Tag: tagIPMIdentifier, ID: 1, Mandatory: true},
	{Name: "ipn-originator", Tag: ber.Context(1), ID: 2},
	{Name: "ipm-intended-recipient", Tag: ber.Context(2), ID: 3},
	{Name: "conversion-eits", Tag: ber.App(5), ID: 4},
	{Name: "notification-extensions", Tag: ber.Context(3), ID: 5},
})

func (c *Content) ipn(i int, cur *ber.Cursor, e *ber.Element) x411.Status {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, ipnFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			var choice ber.Element
			if inner, ok := r.Only(&in, &f, &choice); ok {
				c.notification(i, &inner, &choice)
			}
		case 1:
			n := len(c.references)
			c.reference(&in, &f, RelationSubject)
			if len(c.references) > n {
				c.Messages[i].ID = c.references[n].ID
			}
		case 2:
			c.descriptor(&in, &f, &c.Messages[i].Originator)
		case 3:
			c.descriptor(&in, &f, &c.Messages[i].Intended)
		case 4:
			r.EITs(&in, &f, &c.Messages[i].ConversionEITs)
		case 5:
			c.extensionSet(&in, &f, ScopeNotification, 0)
		}
		r.Pop()
	}
	r.Complete(ipnFields, seen, e.Offset)
	if c.Messages[i].Kind == KindUnknown {
		return x411.StatusFailed
	}
	return x411.StatusOK
}

// nonReceiptFields is NonReceiptFields (X.420 8.1), receiptFields ReceiptFields
// (8.2).
var (
	nonReceiptFields = x411.FieldsOf([]x411.Field{
		{Name: "non-receipt-reason", Tag: ber.Context(0), ID: 0, Mandatory: true},
		{Name: "discard-reason", Tag: ber.Context(1), ID: 1},
		{Name: "auto-forward-comment", Tag: ber.Context(2), ID: 2},
		{Name: "returned-ipm", Tag: ber.Context(3), ID: 3},
		{Name: "nrn-extensions", Tag: ber.Context(4), ID: 4},
	})
	receiptFields = x411.FieldsOf([]x411.Field{
		{Name: "receipt-time", Tag: ber.Context(0), ID: 0, Mandatory: true},
		{Name: "acknowledgment-mode", Tag: ber.Context(1), ID: 1},
		{Name: "suppl-receipt-info", Tag: ber.Context(2), ID: 2},
		{Name: "rn-extensions", Tag: ber.Context(3), ID: 3},
	})
)

func (c *Content) notification(i int, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	switch e.Tag {
	case ber.Context(0):
		c.Messages[i].Kind = KindNonReceipt
		r.Push("non-receipt-fields")
		c.nonReceipt(i, cur, e)
		r.Pop()
	case ber.Context(1):
		c.Messages[i].Kind = KindReceipt
		r.Push("receipt-fields")
		c.receipt(i, cur, e)
		r.Pop()
	case ber.Context(2):
		c.Messages[i].Kind = KindOtherNotification
		r.Push("other-notification-type-fields")
		c.extensionSet(cur, e, ScopeOtherNotification, 0)
		r.Pop()
	default:
		r.Fail(x411.CodeUnexpectedTag, e.Offset)
	}
}

func (c *Content) nonReceipt(i int, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, nonReceiptFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			c.Messages[i].NonReceiptReason = r.Code(&in, &f)
		case 1:
			c.Messages[i].DiscardReason = r.Code(&in, &f)
		case 2:
			c.Messages[i].Comment, _ = r.Text(&in, &f)
		case 3:
			c.Messages[i].Returned = true
			c.nest(i, 0, 'r', source{form: formIPM, cur: in, elem: f}, f.Offset)
		case 4:
			c.extensionSet(&in, &f, ScopeNonReceipt, 0)
		}
		r.Pop()
	}
	r.Complete(nonReceiptFields, seen, e.Offset)
}

func (c *Content) receipt(i int, cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	m := &c.Messages[i]
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, receiptFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			m.ReceiptTime = r.Time(&in, &f)
		case 1:
			m.Acknowledgment = r.Code(&in, &f)
		case 2:
			m.Supplementary, _ = r.Text(&in, &f)
		case 3:
			c.extensionSet(&in, &f, ScopeReceipt, 0)
		}
		r.Pop()
	}
	r.Complete(receiptFields, seen, e.Offset)
}

func appendInt(dst []byte, v int) []byte {
	if v >= 10 {
		dst = appendInt(dst, v/10)
	}
	return append(dst, byte('0'+v%10))
}
