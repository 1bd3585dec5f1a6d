package x411

import "x400flow/osi/ber"

// Values reads values of types that X.411 defines where other standards use
// them: heading extensions and body parts of what a message carries. It is what
// decoders of contents are built on. The zero value is ready after [Values.Reset].
//
// What its methods return is valid until the next Reset, as long as the octets
// read are not changed. Methods that append write to the caller's slice. A
// failure is noted with its path, the first of each [Values.Start] is told by
// [Values.Failure]; reading goes on behind it. In steady state nothing
// allocates.
type Values struct{ d decoder }

// Reset forgets all that was read.
func (v *Values) Reset(l Limits) { v.d.start(nil, &l) }

// Start returns a cursor over the elements of in. Cursors and elements of the
// octets read before must no longer be used; texts stay valid.
func (v *Values) Start(in []byte) ber.Cursor {
	d := &v.d
	d.in = in
	d.depth, d.failure, d.failures, d.last = 0, Failure{}, 0, CodeNone
	d.unknown, d.firstUnknown = 0, nil
	d.ber.MaxElements = ber.DefaultMinElements + 8*len(in)
	return d.ber.Reset(in)
}

// Failure returns the first failure since Start; its Code is CodeNone where
// there was none.
func (v *Values) Failure() Failure { return v.d.failure }

// Unknown returns how many elements were [Values.Stray] since Start, and the
// path of the first.
func (v *Values) Unknown() (n int, first []byte) { return v.d.unknown, v.d.firstUnknown }

// Push makes name a step of the path to what is read next.
func (v *Values) Push(name string) { v.d.push(name) }

// PushIndex makes i, counted from 0, a step of the path to what is read next.
func (v *Values) PushIndex(i int) { v.d.pushIndex(i) }

// Pop takes the last step from the path.
func (v *Values) Pop() { v.d.pop() }

// Fail notes a failure at offset of the octets given to Start.
func (v *Values) Fail(code Code, offset int) { v.d.fail(code, offset) }

// Stray counts an element that the standard does not define where it stands.
func (v *Values) Stray(e *ber.Element) { v.d.stray(e) }

// End notes the failure that stopped c, if one did.
func (v *Values) End(c *ber.Cursor) { v.d.end(c) }

// Is reports whether e has the tag t and notes a failure if not.
func (v *Values) Is(e *ber.Element, t ber.Tag) bool { return v.d.is(e, t) }

// Only reads the one element that an explicit tag e holds into inner, and returns the
// cursor that it came from.
func (v *Values) Only(c *ber.Cursor, e, inner *ber.Element) (in ber.Cursor, ok bool) {
	return v.d.only(c, e, inner)
}

// Integer returns the value of an INTEGER or ENUMERATED under whatever tag.
func (v *Values) Integer(c *ber.Cursor, e *ber.Element) (int64, bool) { return v.d.integer(c, e) }

// Flags returns the first 64 bits of a BIT STRING under whatever tag, bit n of
// the value being bit n of the string.
func (v *Values) Flags(c *ber.Cursor, e *ber.Element) (uint64, bool) { return v.d.flags(c, e) }

// BitString returns the octets of a BIT STRING under whatever tag and how many
// bits of the last are unused.
func (v *Values) BitString(c *ber.Cursor, e *ber.Element) (bits []byte, unused int, ok bool) {
	return v.d.bitString(c, e)
}

// Octets returns the contents of a string under whatever tag, segments joined.
func (v *Values) Octets(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return v.d.octets(c, e) }

// Text returns a string of the IA5, printable, numeric or visible repertoire,
// under whatever tag, as UTF-8.
func (v *Values) Text(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return v.d.text(c, e) }

// Teletex returns a TeletexString, under whatever tag, as UTF-8.
func (v *Values) Teletex(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	s, ok := v.d.octets(c, e)
	if !ok {
		return nil, false
	}
	return v.d.teletex(s), true
}

// OID returns an OBJECT IDENTIFIER in dotted form.
func (v *Values) OID(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return v.d.oid(c, e) }

// Time returns a UTCTime under whatever tag.
func (v *Values) Time(c *ber.Cursor, e *ber.Element) Time { return v.d.time(c, e) }

// AppendTime appends a UTCTime as RFC 3339 writes it, or as sent where it is no
// time.
func (v *Values) AppendTime(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	t := v.d.time(c, e)
	return appendTime(dst, &t)
}

// ORName reads an ORName under whatever tag.
func (v *Values) ORName(c *ber.Cursor, e *ber.Element, n *ORName) { v.d.orName(c, e, n) }

// AppendSecurityLabel appends a SecurityLabel, under whatever tag, as the value
// of the extension message-security-label has it.
func (v *Values) AppendSecurityLabel(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return v.d.appendSecurityLabel(dst, c, e)
}

// AppendAny appends a value whose type is not known, readable.
func (v *Values) AppendAny(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return v.d.appendAny(dst, c, e)
}

// Keep copies text to memory that stays valid until Reset.
func (v *Values) Keep(text []byte) []byte { return v.d.keep(text) }
