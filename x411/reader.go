package x411

import "x400flow/osi/ber"

// Reader reads values of X.411's types for the packages that decode what MTS-APDUs
// carry (x411/ipm and the like). It is the state of one decode: limits, the arena
// in which converted text is kept, the path to the value being read, and the
// first failure.
//
// What a method returns is a slice of the input or of the reader's arena, and
// lives until the next Start. In steady state nothing is allocated. The zero
// value is ready for Start.
type Reader struct{ d decoder }

// Use has OR-names looked up in names before they are read, unless that is nil.
func (r *Reader) Use(names *NameCache) { r.d.names = names }

// A Renderer appends a readable form of the value of e, which c has come to, to dst and
// returns the result. Failures are noted in r.
type Renderer func(r *Reader, dst []byte, c *ber.Cursor, e *ber.Element) []byte

// Start readies the reader for in and returns a cursor over its elements.
func (r *Reader) Start(in []byte, l *Limits) ber.Cursor { return r.d.start(in, l) }

// Failure returns the first failure since Start or Restart, and how many there
// were.
func (r *Reader) Failure() (first Failure, n int) { return r.d.failure, r.d.failures }

// Last returns the code of the last failure.
func (r *Reader) Last() Code { return r.d.last }

// Unknown returns how many elements no edition defines, and the path of the
// first.
func (r *Reader) Unknown() (n int, first []byte) { return r.d.unknown, r.d.firstUnknown }

// Restart forgets failures and unknown elements, so that those of another part
// of the input can be told apart, and sets what stands before every path.
func (r *Reader) Restart(prefix []byte) {
	d := &r.d
	d.prefix, d.depth = prefix, 0
	d.failure, d.failures, d.last = Failure{}, 0, CodeNone
	d.unknown, d.firstUnknown = 0, nil
}

// Push adds a name to the path, PushIndex a number, PushTag a tag; Pop takes
// away what was added last.
func (r *Reader) Push(name string)     { r.d.push(name) }
func (r *Reader) PushIndex(i int)      { r.d.pushIndex(i) }
func (r *Reader) PushTag(t ber.Tag)    { r.d.pushTag(t) }
func (r *Reader) Pop()                 { r.d.pop() }
func (r *Reader) Stray(e *ber.Element) { r.d.stray(e) }

// Fail notes a failure at offset; FailIn one in the field called name.
func (r *Reader) Fail(code Code, offset int)                { r.d.fail(code, offset) }
func (r *Reader) FailIn(name string, code Code, offset int) { r.d.failIn(name, code, offset) }

// End notes the failure that stopped c, if one did.
func (r *Reader) End(c *ber.Cursor) { r.d.end(c) }

// Next reads the next element of c that fields names, pushes its name and
// returns its ID; the caller pops. Elements without a field are counted,
// repeated ones noted as failures. At the end of c it returns -1. seen has bit n
// set for the ID n.
func (r *Reader) Next(c *ber.Cursor, e *ber.Element, fields *Fields, seen *uint32) int {
	return r.d.next(c, e, fields, seen)
}

// Complete notes the mandatory fields that the element at offset lacks.
func (r *Reader) Complete(fields *Fields, seen uint32, offset int) {
	r.d.complete(fields, seen, offset)
}

// Only reads the one element that an explicit tag e holds into inner, and returns the
// cursor that it came from.
func (r *Reader) Only(c *ber.Cursor, e, inner *ber.Element) (in ber.Cursor, ok bool) {
	return r.d.only(c, e, inner)
}

// Is reports whether e has one of the tags and notes a failure if not.
func (r *Reader) Is(e *ber.Element, t ber.Tag, or ...ber.Tag) bool { return r.d.is(e, t, or...) }

// Integer returns the value of an INTEGER or ENUMERATED whatever its tag.
func (r *Reader) Integer(c *ber.Cursor, e *ber.Element) (int64, bool) { return r.d.integer(c, e) }

// Code returns an integer that is a non-negative code number, -1 where it is
// not.
func (r *Reader) Code(c *ber.Cursor, e *ber.Element) int32 { return r.d.code(c, e) }

// Bool returns the value of a BOOLEAN whatever its tag.
func (r *Reader) Bool(c *ber.Cursor, e *ber.Element) bool {
	content := e.Content
	if e.Constructed {
		var inner ber.Element
		_, ok := r.d.only(c, e, &inner)
		if !ok {
			return false
		}
		content = inner.Content
	}
	v, ok := ber.Bool(content)
	if !ok {
		r.d.fail(CodeBadNumber, e.Offset)
	}
	return v
}

// Octets returns the contents of a string, joined where it is constructed.
func (r *Reader) Octets(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return r.d.octets(c, e) }

// Text returns a string of the IA5, printable, numeric or visible repertoire as
// UTF-8. Octets above 7F become U+FFFD.
func (r *Reader) Text(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return r.d.text(c, e) }

// Teletex returns a TeletexString, whatever its tag, as UTF-8.
func (r *Reader) Teletex(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	s, ok := r.d.octets(c, e)
	if !ok {
		return nil, false
	}
	if s == nil {
		return []byte{}, true
	}
	return r.d.teletex(s), true
}

// String returns a string of any universal character string type as UTF-8.
func (r *Reader) String(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return r.d.anyString(c, e) }

// Universal returns a UniversalOrBMPString as UTF-8.
func (r *Reader) Universal(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	var a Attribute
	ok := r.d.universal(c, e, &a)
	return a.Value, ok
}

// OID returns an OBJECT IDENTIFIER, whatever its tag, in dotted form.
func (r *Reader) OID(c *ber.Cursor, e *ber.Element) ([]byte, bool) { return r.d.oid(c, e) }

// AppendOID does what [ber.AppendOID] does. Where Use was given names it knows what it appended lately.
func (r *Reader) AppendOID(dst, content []byte) (out []byte, ok bool) {
	return r.d.appendOID(dst, content)
}

// Time returns a UTCTime or GeneralizedTime, whatever its tag.
func (r *Reader) Time(c *ber.Cursor, e *ber.Element) Time { return r.d.time(c, e) }

// Flags returns the first 64 bits of a BIT STRING, bit n of the value being bit
// n of the string.
func (r *Reader) Flags(c *ber.Cursor, e *ber.Element) (uint64, bool) { return r.d.flags(c, e) }

// Bits returns the bits of a BIT STRING and the number of unused ones.
func (r *Reader) Bits(c *ber.Cursor, e *ber.Element) (bits []byte, unused int, ok bool) {
	return r.d.bitString(c, e)
}

// ORName reads the contents of e, an ORName under whatever tag, into n.
func (r *Reader) ORName(c *ber.Cursor, e *ber.Element, n *ORName) { r.d.orName(c, e, n) }

// MTSIdentifier reads the contents of e, an MTSIdentifier under whatever tag.
func (r *Reader) MTSIdentifier(c *ber.Cursor, e *ber.Element, id *MTSIdentifier) {
	r.d.identifier(c, e, id)
}

// EITs reads the contents of e, an EncodedInformationTypes under whatever tag.
func (r *Reader) EITs(c *ber.Cursor, e *ber.Element, t *EITs) { r.d.eits(c, e, t) }

// ContentType reads a content type: an OBJECT IDENTIFIER, or the number of a
// built-in type under whatever other tag.
func (r *Reader) ContentType(c *ber.Cursor, e *ber.Element, t *ContentType) {
	r.d.contentType(c, e, t)
}

// Extension reads an ExtensionField (X.411 9.1).
func (r *Reader) Extension(c *ber.Cursor, e *ber.Element) Extension {
	var x Extension
	r.d.extension(c, e, &x)
	return x
}

// Keep copies text to the arena; nil for an empty one.
func (r *Reader) Keep(text []byte) []byte { return r.d.keep(text) }

// Arena returns the arena for appending; what it then is goes to SetArena, and
// Kept returns what was appended since at, the arena's length before.
func (r *Reader) Arena() []byte        { return r.d.arena }
func (r *Reader) SetArena(a []byte)    { r.d.arena = a }
func (r *Reader) Kept(at int) []byte   { return r.d.kept(at) }
func (r *Reader) Full(dst []byte) bool { return r.d.full(dst) }

// Render calls render for a value of e and keeps what it wrote, cut to
// Limits.Text octets.
func (r *Reader) Render(c *ber.Cursor, e *ber.Element, render Renderer) []byte {
	d := &r.d
	// The value stands in the reader because a function that is a value would
	// otherwise have it allocated.
	d.valueIn, d.value = *c, *e
	out := render(r, d.out[:0], &d.valueIn, &d.value)
	d.out = out
	if len(out) > d.textLimit {
		out = cutText(out, d.textLimit)
		d.fail(CodeTooLong, e.Offset)
	}
	return d.keep(out)
}

// Append methods append a readable value to dst and return the result.

// AppendAny appends a value whose type is not known, as ASN.1 value notation.
func (r *Reader) AppendAny(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendAny(dst, c, e)
}

// AppendNamed appends the name of a code, its number where it has none.
func (r *Reader) AppendNamed(dst []byte, c *ber.Cursor, e *ber.Element, names []string) []byte {
	return r.d.appendNamed(dst, c, e, names)
}

// AppendORName appends the text of an ORName, whatever its tag.
func (r *Reader) AppendORName(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendORName(dst, c, e)
}

// AppendEach appends the members of e by render, with separator between them, until
// the value is as long as one may be.
func (r *Reader) AppendEach(dst []byte, c *ber.Cursor, e *ber.Element, separator string, render Renderer) []byte {
	d := &r.d
	in := c.Enter(e)
	for i := 0; in.Next(&d.member) && !d.full(dst); i++ {
		if i > 0 {
			dst = append(dst, separator...)
		}
		d.pushIndex(i)
		d.memberIn = in
		dst = render(r, dst, &d.memberIn, &d.member)
		d.pop()
	}
	d.end(&in)
	return dst
}

// AppendName appends the text of a directory name.
func (r *Reader) AppendName(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendName(dst, c, e)
}

// AppendRDN appends the text of a relative distinguished name, whatever its tag.
func (r *Reader) AppendRDN(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendRDN(dst, c, e)
}

// AppendList appends the elements that e consists of, as ASN.1 value notation.
func (r *Reader) AppendList(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendList(dst, c, e)
}

// AppendG3Parameters appends the names of G3FacsimileNonBasicParameters that are set
// (X.411 8.5.6).
func (r *Reader) AppendG3Parameters(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	if bits, unused, ok := r.d.bitString(c, e); ok {
		dst = appendNamedBits(dst, bits, unused, g3Names)
	}
	return dst
}

// AppendTeletexParameters appends TeletexNonBasicParameters (X.411 8.5.6), one behind
// the other as AppendItem does, each name beginning with "teletex.".
func (r *Reader) AppendTeletexParameters(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendTeletexParameters(dst, c, e)
}

// AppendSecurityLabel appends a SecurityLabel under whatever tag.
func (r *Reader) AppendSecurityLabel(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendSecurityLabel(dst, c, e)
}

// AppendAlgorithm appends an AlgorithmIdentifier.
func (r *Reader) AppendAlgorithm(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendAlgorithm(dst, c, e)
}

// AppendSignature appends a SIGNATURE (X.509 Annex A) under whatever tag.
func (r *Reader) AppendSignature(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendSignature(dst, c, e)
}

// AppendToken appends a Token (X.411 8.5.10) under whatever tag.
func (r *Reader) AppendToken(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendToken(dst, c, e)
}

// AppendSignatureStatus appends the name of a SignatureStatus (X.413 11.2).
func (r *Reader) AppendSignatureStatus(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendNamed(dst, c, e, signatureStatusNames)
}

// AppendBodyPartTokens appends BodyPartTokens or a ForwardedContentToken (X.420 Annex
// E) under whatever tag.
func (r *Reader) AppendBodyPartTokens(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendBodyPartTokens(dst, c, e)
}

// AppendAssertion appends a CertificateAssertion (X.509 12.7.2) under whatever tag.
func (r *Reader) AppendAssertion(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendAssertion(dst, c, e)
}

// AppendCertificates appends ExtendedCertificates (X.411 8.5) under whatever tag.
func (r *Reader) AppendCertificates(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	return r.d.appendExtendedCertificates(dst, c, e)
}

// AppendBits appends the names of the bits of a BIT STRING that are set.
func (r *Reader) AppendBits(dst []byte, c *ber.Cursor, e *ber.Element, names []string) []byte {
	v, ok := r.d.flags(c, e)
	if !ok {
		return dst
	}
	return appendBitNames(dst, v, names)
}

// AppendTime appends t as RFC 3339 does, or as sent where it is no time.
func AppendTime(dst []byte, t *Time) []byte { return appendTime(dst, t) }

// AppendItem appends "; " where dst has more than at octets, then name and "=".
func AppendItem(dst []byte, at int, name string) []byte { return appendItem(dst, at, name) }

// AppendClean appends text with control characters replaced by spaces.
func AppendClean(dst, text []byte) []byte { return appendClean(dst, text) }

// AppendQuoted appends a string as X.680 writes one.
func AppendQuoted(dst, s []byte) []byte { return appendQuoted(dst, s) }

// AppendHex appends octets as upper-case hexadecimal digits, at most bound of
// them and then an ellipsis.
func AppendHex(dst, octets []byte, bound int) []byte { return appendHex(dst, octets, bound) }

// NameOf returns names[v], "" where there is none.
func NameOf(names []string, v int64) string { return nameOf(names, v) }

// AppendBitNames appends the names of the bits that are set, separated by
// commas; a bit without a name as "bit-n".
func AppendBitNames(dst []byte, bits uint64, names []string) []byte {
	return appendBitNames(dst, bits, names)
}
