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
	return redact(dst, bind, true, (*redactor).top)
}

// AppendArgumentCredentials appends to dst the ranges of argument, that of the
// operation with a local code, that hold secrets: all that is not a tag or a length
// in the argument of change-credentials, and in the change-credentials and the
// extensions of that of register-MS. Octets behind the argument are left alone. ok
// is false when it cannot be read; the caller then overwrites all of it.
func AppendArgumentCredentials(dst []Range, code int64, argument []byte) (ranges []Range, ok bool) {
	return redact(dst, argument, false, func(r *redactor, c *ber.Cursor, e *ber.Element) {
		switch o := OperationOf(code, false); {
		case o == OperationChangeCredentials:
			r.leaves(c, e)
		case o == OperationRegisterMS && e.Constructed:
			r.each(c, e, func(c *ber.Cursor, f *ber.Element) {
				if f.Tag == ber.Context(4) || f.Tag == ber.Context(10) {
					r.leaves(c, f)
				}
			})
		}
	})
}

// AppendValue appends to dst the ranges of value, one element, that hold something:
// the contents octets of all its primitive elements but object identifiers. ok is
// false when it cannot be read; the caller then overwrites all of it.
func AppendValue(dst []Range, value []byte) (ranges []Range, ok bool) {
	return redact(dst, value, true, (*redactor).values)
}

// redact has mark look for secrets in the first element of octets, which where alone
// is set must be all of them.
func redact(dst []Range, octets []byte, alone bool, mark func(r *redactor, c *ber.Cursor, e *ber.Element)) (ranges []Range, ok bool) {
	r := redactor{ranges: dst, ok: true}
	var d ber.Decoder
	d.MaxElements = ber.DefaultMinElements + 8*len(octets)
	c := d.Reset(octets)
	var e ber.Element
	if !c.Next(&e) || alone && c.More() {
		return dst, false
	}
	mark(&r, &c, &e)
	if !r.ok {
		return dst, false
	}
	return r.ranges, true
}

type redactor struct {
	ranges []Range
	ok     bool
}

// each calls f for every element in e; an e that cannot be read clears ok.
func (r *redactor) each(c *ber.Cursor, e *ber.Element, f func(c *ber.Cursor, e *ber.Element)) {
	in := c.Enter(e)
	var g ber.Element
	for r.ok && in.Next(&g) {
		f(&in, &g)
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
		r.each(c, e, func(c *ber.Cursor, f *ber.Element) {
			switch f.Tag {
			case ber.Context(0), ber.Context(2):
			case ber.Context(1):
				r.credentials(c, f)
			default:
				r.ok = false
			}
		})
	case e.Tag == ber.TagSet || e.Tag == ber.TagSequence:
		r.each(c, e, func(c *ber.Cursor, f *ber.Element) {
			switch {
			case f.Tag == ber.Context(2):
				r.credentials(c, f)
			case f.Tag == ber.Context(1) && !f.Constructed:
				r.credentials(c, f)
			case f.Tag.Class() == ber.Universal:
				// No bind has one here; it may be a password without its tag.
				r.ok = false
			}
		})
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
		r.each(&in, &inner, func(c *ber.Cursor, f *ber.Element) {
			switch f.Tag {
			case ber.Context(0), ber.Context(1), ber.Context(2):
			default:
				r.leaves(c, f)
			}
		})
	case ber.Context(1):
		r.each(&in, &inner, r.protected)
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
		r.each(c, e, func(c *ber.Cursor, f *ber.Element) {
			if f.Tag != ber.TagSequence {
				r.leaves(c, f)
			}
		})
	default:
		r.leaves(c, e)
	}
}

// segments adds the contents octets of a string, whatever the tags of its segments are: a
// wrong one does not make octets of it anything else.
func (r *redactor) segments(c *ber.Cursor, e *ber.Element) {
	if e.Constructed {
		r.each(c, e, r.segments)
		return
	}
	r.add(e.Offset+e.Header, e.Offset+e.Header+len(e.Content))
}

// leaves adds the contents octets of all primitive elements in e.
func (r *redactor) leaves(c *ber.Cursor, e *ber.Element) {
	if e.Constructed {
		r.each(c, e, r.leaves)
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
		r.each(c, e, r.values)
	case e.Tag != ber.TagOID:
		r.leaves(c, e)
	}
}

// bits adds the octets of a BIT STRING whose tag is implicit.
func (r *redactor) bits(c *ber.Cursor, e *ber.Element) {
	if e.Constructed {
		r.each(c, e, r.leaves)
		return
	}
	r.add(e.Offset+e.Header+1, e.Offset+e.Header+len(e.Content))
}

func (r *redactor) add(start, end int) {
	if start < end {
		r.ranges = append(r.ranges, Range{start, end})
	}
}
