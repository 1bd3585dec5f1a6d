package x411

import "x400flow/osi/ber"

// AppendCredentials appends to dst the ranges of bind that hold secrets: the
// octets of simple passwords, of a protected password's signature (from which a
// password can be guessed) and of its random numbers, each segment of a
// constructed string by itself. Within strong credentials a bind token,
// certificates and certificate selectors are kept, and anything else is a
// secret. Tags and lengths are never in a range, nor the octet of a BIT STRING
// that counts unused bits, so that the bind reads as before when the ranges are
// overwritten.
//
// ok is false when bind is no bind of [Bind.Decode]'s forms, is damaged, is
// followed by further octets, or has credentials of an unknown form; the caller
// then overwrites all of it.
func AppendCredentials(dst []Range, bind []byte) (ranges []Range, ok bool) {
	if r, ok := simplePassword(bind); ok {
		return append(dst, r), true
	}
	return redact(dst, bind, true, inBind)
}

// simplePassword returns where the password stands in a bind that is, as nearly all are, an
// argument or result of a name and a simple password, all with lengths of one octet. ok is
// false for any other.
func simplePassword(bind []byte) (r Range, ok bool) {
	at, end := 0, len(bind)
	if end < 10 {
		return r, false
	}
	if bind[0] == 0xb0 || bind[0] == 0xb1 {
		at, end = into(bind, 0, end)
	}
	if at+8 > end || bind[at] != 0xa1 {
		return r, false
	}
	at, end = into(bind, at, end)
	if at+4 > end || bind[at] != 0x80 || bind[at+1] >= 0x80 {
		return r, false
	}
	at += 2 + int(bind[at+1])
	if at+4 > end || bind[at] != 0xa1 {
		return r, false
	}
	at, end = into(bind, at, end)
	if at+2 >= end || bind[at] != byte(ber.TagIA5String) && bind[at] != byte(ber.TagOctetString) ||
		bind[at+1] >= 0x80 || at+2+int(bind[at+1]) != end {
		return r, false
	}
	for _, o := range bind[end:] {
		if o != 0 {
			return r, false // No end of contents.
		}
	}
	return Range{at + 2, end}, true
}

// into returns where the contents of an element begin and end that goes to end; the latter is
// 0 where it does not. Behind contents of indefinite length two octets are for the caller to
// look at.
func into(b []byte, at, end int) (in, to int) {
	switch n := int(b[at+1]); {
	case n == 0x80:
		return at + 2, end - 2
	case n < 0x80 && at+2+n == end:
		return at + 2, end
	}
	return 0, 0
}

// AppendArgumentCredentials appends to dst the ranges of argument, that of the
// operation with a local code, that hold secrets: all that is not a tag or a length
// in the argument of change-credentials, and in the change-credentials and the
// extensions of that of register-MS. Octets behind the argument are left alone. ok
// is false when it cannot be read; the caller then overwrites all of it.
func AppendArgumentCredentials(dst []Range, code int64, argument []byte) (ranges []Range, ok bool) {
	rule := inNothing
	switch OperationOf(code, false) {
	case OperationChangeCredentials:
		rule = inLeaves
	case OperationRegisterMS:
		rule = inRegisterMS
	}
	return redact(dst, argument, false, rule)
}

// AppendValue appends to dst the ranges of value, one element, that hold something:
// the contents octets of all its primitive elements but object identifiers. ok is
// false when it cannot be read; the caller then overwrites all of it.
func AppendValue(dst []Range, value []byte) (ranges []Range, ok bool) {
	return redact(dst, value, true, inValues)
}

// redact looks by rule for secrets in the first element of octets, which where alone is
// set must be all of them.
func redact(dst []Range, octets []byte, alone bool, rule rule) (ranges []Range, ok bool) {
	r := redactor{ranges: dst, ok: true}
	var d ber.Decoder
	d.MaxElements = ber.DefaultMinElements + 8*len(octets)
	c := d.Reset(octets)
	var e ber.Element
	if !c.Next(&e) || alone && c.More() {
		return dst, false
	}
	r.take(rule, &c, &e)
	if !r.ok {
		return dst, false
	}
	return r.ranges, true
}

type redactor struct {
	ranges []Range
	ok     bool
}

// A rule says how secrets are looked for in an element. It is no function value, since
// what these are given would be allocated for every bind.
type rule uint8

const (
	inNothing    rule = iota
	inBind            // An argument, result or error, as Bind.Decode takes it.
	inTaggedBind      // Elements of a bind in [1].
	inSetBind         // Elements of a bind in a SET or SEQUENCE.
	inStrong          // Elements of strong credentials.
	inProtected       // Elements of protected credentials.
	inSignature       // Elements of their signature.
	inRegisterMS      // An argument of register-MS.
	inRegistered      // Its elements.
	inSegments        // A string.
	inLeaves          // Any element: all of it.
	inValues          // Any element: all of it but object identifiers.
)

// take adds the secrets in e, of which rule tells what it is.
func (r *redactor) take(rule rule, c *ber.Cursor, e *ber.Element) {
	switch rule {
	case inBind:
		r.top(c, e)
	case inTaggedBind:
		switch e.Tag {
		case ber.Context(0), ber.Context(2):
		case ber.Context(1):
			r.credentials(c, e)
		default:
			r.ok = false
		}
	case inSetBind:
		switch {
		case e.Tag == ber.Context(2):
			r.credentials(c, e)
		case e.Tag == ber.Context(1) && !e.Constructed:
			r.credentials(c, e)
		case e.Tag.Class() == ber.Universal:
			// No bind has one here; it may be a password without its tag.
			r.ok = false
		}
	case inStrong:
		switch e.Tag {
		case ber.Context(0), ber.Context(1), ber.Context(2):
		default:
			r.leaves(c, e)
		}
	case inProtected:
		r.protected(c, e)
	case inSignature:
		if e.Tag != ber.TagSequence {
			r.leaves(c, e)
		}
	case inRegisterMS:
		if e.Constructed {
			r.each(c, e, inRegistered)
		}
	case inRegistered:
		if e.Tag == ber.Context(4) || e.Tag == ber.Context(10) {
			r.leaves(c, e)
		}
	case inSegments:
		r.segments(c, e)
	case inLeaves:
		r.leaves(c, e)
	case inValues:
		r.values(c, e)
	}
}

// each takes every element in e by rule; an e that cannot be read clears ok.
func (r *redactor) each(c *ber.Cursor, e *ber.Element, rule rule) {
	in := c.Enter(e)
	var g ber.Element
	for r.ok && in.Next(&g) {
		r.take(rule, &in, &g)
	}
	if in.Code() != ber.None {
		r.ok = false
	}
}

// one returns the only element in e.
func (r *redactor) one(c *ber.Cursor, e *ber.Element) (in ber.Cursor, inner ber.Element) {
	in = c.Enter(e)
	if !in.Next(&inner) || in.More() {
		r.ok = false
	}
	return in, inner
}

func (r *redactor) top(c *ber.Cursor, e *ber.Element) {
	if e.Tag == ber.Context(0) {
		in, inner := r.one(c, e)
		if r.ok {
			r.wrapped(&in, &inner)
		}
		return
	}
	r.wrapped(c, e)
}

func (r *redactor) wrapped(c *ber.Cursor, e *ber.Element) {
	switch e.Tag {
	case ber.Context(roseArgument), ber.Context(roseResult), ber.Context(roseError):
		in, inner := r.one(c, e)
		if r.ok && !(e.Tag == ber.Context(roseError) && inner.Tag == ber.TagSet) {
			// The SET of an error is MS access's qualified-error (X.413).
			r.value(&in, &inner)
		}
		return
	}
	r.value(c, e)
}

func (r *redactor) value(c *ber.Cursor, e *ber.Element) {
	switch {
	case (e.Tag == ber.TagNull || e.Tag == ber.TagInteger || e.Tag == ber.TagEnumerated) && !e.Constructed:
	case e.Tag == ber.Context(1):
		r.each(c, e, inTaggedBind)
	case e.Tag == ber.TagSet || e.Tag == ber.TagSequence:
		r.each(c, e, inSetBind)
	default:
		r.ok = false
	}
}

func (r *redactor) credentials(c *ber.Cursor, e *ber.Element) {
	if !e.Constructed {
		r.add(e.Offset+e.Header, e.End)
		return
	}
	in, inner := r.one(c, e)
	if !r.ok {
		return
	}
	switch inner.Tag {
	case ber.TagIA5String, ber.TagOctetString:
		r.segments(&in, &inner)
	case ber.Context(0):
		r.each(&in, &inner, inStrong)
	case ber.Context(1):
		r.each(&in, &inner, inProtected)
	default:
		r.ok = false
	}
}

// protected takes the secrets of one element of a ProtectedPassword (X.411 8.2):
// all but the times and the algorithm.
func (r *redactor) protected(c *ber.Cursor, e *ber.Element) {
	switch e.Tag {
	case ber.Context(0), ber.Context(1):
	case ber.Context(2), ber.Context(3):
		r.bits(c, e)
	case ber.TagSequence:
		r.each(c, e, inSignature)
	default:
		r.leaves(c, e)
	}
}

// segments adds the contents octets of a string, whatever the tags of its segments are: a
// wrong one does not make octets of it anything else.
func (r *redactor) segments(c *ber.Cursor, e *ber.Element) {
	if e.Constructed {
		r.each(c, e, inSegments)
		return
	}
	r.add(e.Offset+e.Header, e.Offset+e.Header+len(e.Content))
}

// leaves adds the contents octets of all primitive elements in e.
func (r *redactor) leaves(c *ber.Cursor, e *ber.Element) {
	if e.Constructed {
		r.each(c, e, inLeaves)
		return
	}
	if e.Tag == ber.TagBitString {
		r.bits(c, e)
		return
	}
	r.add(e.Offset+e.Header, e.Offset+e.Header+len(e.Content))
}

// values adds the contents octets of all primitive elements in e but object
// identifiers.
func (r *redactor) values(c *ber.Cursor, e *ber.Element) {
	switch {
	case e.Constructed:
		r.each(c, e, inValues)
	case e.Tag != ber.TagOID:
		r.leaves(c, e)
	}
}

// bits adds the octets of a BIT STRING whose tag is implicit.
func (r *redactor) bits(c *ber.Cursor, e *ber.Element) {
	if e.Constructed {
		r.each(c, e, inLeaves)
		return
	}
	r.add(e.Offset+e.Header+1, e.Offset+e.Header+len(e.Content))
}

func (r *redactor) add(start, end int) {
	if start < end {
		r.ranges = append(r.ranges, Range{start, end})
	}
}
