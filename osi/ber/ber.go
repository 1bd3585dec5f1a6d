// Package ber reads ASN.1 values in the Basic Encoding Rules (X.690 clause 8)
// without copying and without allocating.
//
// A [Decoder] holds one input and the limits under which it is read; a [Cursor]
// walks the elements of one level of it. Definite, indefinite and non-minimal
// lengths are read, as are long-form tags and constructed strings. DER and CER
// restrictions are not enforced: real X.400 traffic uses all of BER's freedom.
//
// What is refused: a tag number above [MaxTagNumber], a length that reaches
// beyond the enclosing element, nesting deeper than the Decoder's MaxDepth, and
// more elements than its element budget. The budget also pays for the scan that
// finds the end of an indefinite-length element, so the work done on any input
// is bounded by its size.
//
// Everything an [Element] points to is the caller's input: it lives as long as
// that input does and must not be written to. A Decoder and its cursors belong
// to one goroutine at a time.
package ber

import "math"

// Class is the class of a tag (X.690 8.1.2.2).
type Class uint8

// The four tag classes.
const (
	Universal Class = iota
	Application
	ContextSpecific
	Private
)

// Tag is a tag's class and number in one comparable value. The constructed bit
// is not part of it: BER lets the sender choose it for strings.
type Tag uint32

// MaxTagNumber is the largest tag number that is accepted.
const MaxTagNumber = 1<<30 - 1

// maxTagOctets bounds the subsequent octets of a long tag: five hold 30 bits;
// more than that can only be padding, which X.690 8.1.2.4.2 c forbids.
const maxTagOctets = 5

// MakeTag returns the tag of class c and number n.
func MakeTag(c Class, n uint32) Tag { return Tag(uint32(c)<<30 | n&MaxTagNumber) }

// Context returns the context-specific tag [n].
func Context(n uint32) Tag { return MakeTag(ContextSpecific, n) }

// App returns the application-wide tag [APPLICATION n].
func App(n uint32) Tag { return MakeTag(Application, n) }

// Class returns the tag's class.
func (t Tag) Class() Class { return Class(t >> 30) }

// Number returns the tag's number within its class.
func (t Tag) Number() uint32 { return uint32(t) & MaxTagNumber }

// Universal tags (X.680 8.4).
const (
	TagEndOfContents    Tag = 0
	TagBoolean          Tag = 1
	TagInteger          Tag = 2
	TagBitString        Tag = 3
	TagOctetString      Tag = 4
	TagNull             Tag = 5
	TagOID              Tag = 6
	TagObjectDescriptor Tag = 7
	TagExternal         Tag = 8
	TagReal             Tag = 9
	TagEnumerated       Tag = 10
	TagUTF8String       Tag = 12
	TagSequence         Tag = 16
	TagSet              Tag = 17
	TagNumericString    Tag = 18
	TagPrintableString  Tag = 19
	TagTeletexString    Tag = 20
	TagVideotexString   Tag = 21
	TagIA5String        Tag = 22
	TagUTCTime          Tag = 23
	TagGeneralizedTime  Tag = 24
	TagGraphicString    Tag = 25
	TagVisibleString    Tag = 26
	TagGeneralString    Tag = 27
	TagUniversalString  Tag = 28
	TagBMPString        Tag = 30
)

// String writes the tag as ASN.1 notation does: [2], [APPLICATION 3],
// [UNIVERSAL 16], [PRIVATE 1].
func (t Tag) String() string { return string(t.Append(nil)) }

// Append appends the notation of [Tag.String] to dst.
func (t Tag) Append(dst []byte) []byte {
	dst = append(dst, '[')
	switch t.Class() {
	case Universal:
		dst = append(dst, "UNIVERSAL "...)
	case Application:
		dst = append(dst, "APPLICATION "...)
	case Private:
		dst = append(dst, "PRIVATE "...)
	}
	return append(appendUint(dst, uint64(t.Number())), ']')
}

// Code says why reading stopped.
type Code uint8

// Why reading stopped. None means that it has not.
const (
	None Code = iota
	Truncated
	LengthExceedsParent
	LengthTooLong
	TagTooLong
	IndefinitePrimitive
	MissingEndOfContents
	UnexpectedEndOfContents
	TooDeep
	TooManyElements
	BadValue
)

var codeText = [...]string{
	None:                    "no error",
	Truncated:               "the octets end inside a tag or length",
	LengthExceedsParent:     "length reaches beyond the enclosing element",
	LengthTooLong:           "length has more than eight octets",
	TagTooLong:              "tag number exceeds 30 bits",
	IndefinitePrimitive:     "indefinite length on a primitive element",
	MissingEndOfContents:    "no end-of-contents octets",
	UnexpectedEndOfContents: "end-of-contents octets in a definite-length element",
	TooDeep:                 "nested too deeply",
	TooManyElements:         "too many elements",
	BadValue:                "contents are not a value of the type",
}

// String returns the code as a short English phrase.
func (c Code) String() string {
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return "unknown code"
}

// Error is a Code and the offset, from the first octet of the Decoder's input,
// at which it was noticed.
type Error struct {
	Code   Code
	Offset int
}

// Error implements error.
func (e *Error) Error() string {
	return "ber: " + e.Code.String() + " at octet " + string(appendUint(nil, uint64(e.Offset)))
}

// Default limits of a zero Decoder.
const (
	DefaultMaxDepth    = 64
	DefaultMinElements = 4096
)

// Decoder is one input and what has been spent on reading it. The zero value
// is ready for Reset.
type Decoder struct {
	// MaxDepth bounds nesting; zero means DefaultMaxDepth, and more than 32,767
	// is taken as that.
	MaxDepth int
	// MaxElements bounds how many element headers may be read; zero means
	// DefaultMinElements plus one for every octet of the input, several times
	// what a well-formed value needs even when nested indefinite lengths make
	// the same header be read more than once.
	MaxElements int

	in     []byte
	budget int

	// spans are the ends of the element of indefinite length scanned last and of those
	// within, by their start, as many as there is room for. All lie before scanned; span
	// is the one behind the one that was found last.
	spans   []span
	scanned int
	span    int
}

// Reset starts the decoder on in and returns a cursor over its elements.
// Cursors and elements of the previous input must no longer be used.
func (d *Decoder) Reset(in []byte) Cursor {
	d.in = in
	d.spans, d.scanned = d.spans[:0], 0
	depth := d.MaxDepth
	if depth <= 0 {
		depth = DefaultMaxDepth
	}
	depth = min(depth, math.MaxInt16)
	d.budget = d.MaxElements
	if d.budget <= 0 {
		d.budget = DefaultMinElements + len(in)
	}
	return Cursor{d: d, end: len(in), state: state(depth) * level}
}

// Input returns the octets that the decoder was last Reset to.
func (d *Decoder) Input() []byte { return d.in }

// Head is what identifier and length octets say of an element beside how long it is.
type Head struct {
	// Tag is class and number.
	Tag Tag
	// Constructed is bit 6 of the identifier octet.
	Constructed bool
	// Indefinite says that the length was of the indefinite form.
	Indefinite bool

	_ uint16 // Fills a word: the compiler copies it in one step then.
}

// Element is one tag-length-value triple of the input.
type Element struct {
	// Content is the contents octets, without the end-of-contents octets of an
	// indefinite length. It refers to the input.
	Content []byte
	// Offset is where the identifier octet stands in the input.
	Offset int
	// Header is the length of identifier and length octets.
	Header int
	// End is the offset of the octet after the element, end-of-contents
	// octets included.
	End int
	Head

	state state // Of the cursor that read it.
}

// Cursor walks the elements of one level. It is a value: a copy walks on
// independently. After the first error it yields nothing more.
type Cursor struct {
	// The compiler keeps a value of up to four words, each a field, in registers:
	// with more, entering an element would build the cursor in memory twice.
	d   *Decoder
	pos int
	// end is where the level ends. After an error it is the complement of the
	// error's offset, and so below pos: there is one end to test for.
	end int
	// state is how many levels there may be below this one and, in its low octet,
	// the Code.
	state state
}

type state int32

// level is one level of a state, which is negative when there is none.
const level state = 1 << 8

func (s state) code() Code  { return Code(s) }
func (s state) levels() int { return int(s >> 8) }

// More reports whether octets are left and no error has occurred.
func (c *Cursor) More() bool { return c.pos < c.end }

// Offset returns where the next element begins.
func (c *Cursor) Offset() int { return c.pos }

// Code returns why the cursor stopped, None when it has not or when it came
// to the end.
func (c *Cursor) Code() Code { return c.state.code() }

// Err returns the cursor's error, or nil. It allocates; hot paths ask Code.
func (c *Cursor) Err() error {
	if c.state.code() == None {
		return nil
	}
	return &Error{c.state.code(), ^c.end}
}

// ErrOffset returns the offset that belongs to Code, 0 for None.
func (c *Cursor) ErrOffset() int {
	if c.state.code() == None {
		return 0
	}
	return ^c.end
}

// Fail stops the cursor with code at offset, so that a caller's own finding
// travels the same way as the reader's. The first failure is kept.
func (c *Cursor) Fail(code Code, offset int) {
	if c.state.code() == None {
		c.stop(code, offset)
	}
}

// Peek returns the tag of the next element without reading it; ok is false at
// the end or when no tag can be read.
func (c *Cursor) Peek() (t Tag, ok bool) {
	if !c.More() {
		return 0, false
	}
	in := c.d.in[:c.end]
	b := in[c.pos]
	if b&0x1f != 0x1f {
		return Tag(uint32(b>>6)<<30 | uint32(b&0x1f)), true
	}
	t, _, code := longTag(in, c.pos)
	return t, code == None
}

// heads are the Heads of elements whose tag takes one octet, by that octet, and openHeads the
// same of those of indefinite lengths.
var heads, openHeads = func() (of, open [256]Head) {
	for id := range of {
		of[id] = Head{Tag: MakeTag(Class(id>>6), uint32(id&0x1f)), Constructed: id&0x20 != 0}
		open[id] = of[id]
		open[id].Indefinite = true
	}
	return of, open
}()

// shortLengths are, by an element's first octet, what a length of one octet is below:
// zero where another octet of the tag follows, and for end-of-contents octets.
var shortLengths = func() (of [256]uint8) {
	for id := range of {
		if id != 0 && id&0x1f != 0x1f {
			of[id] = 0x80
		}
	}
	return of
}()

// Next reads the next element into e. It returns false at the end of the level
// and on an error, which Code tells apart.
func (c *Cursor) Next(e *Element) bool {
	d, p, end := c.d, c.pos, c.end
	if p >= end {
		return false
	}
	if d.budget--; d.budget < 0 {
		return c.stop(TooManyElements, p)
	}
	in := d.in[:end]
	if p+1 >= len(in) {
		return c.long(e, p)
	}
	id, l := in[p], int(in[p+1])
	start := p + 2
	if most := int(shortLengths[id]); l >= most {
		// Nearly all others have a length of two octets more, or an indefinite one.
		if most == 0 || l != 0x82 || p+3 >= len(in) {
			if most > 0 && l == 0x80 {
				return c.indefinite(e, p, start, id)
			}
			return c.long(e, p)
		}
		l = int(in[p+2])<<8 | int(in[p+3])
		start = p + 4
	}
	q := start + l
	if q > len(in) {
		return c.long(e, p)
	}
	e.Offset = p
	e.Header = start - p
	e.End = q
	e.Content = in[start:q:q]
	e.Head = heads[id]
	e.state = c.state
	c.pos = q
	return true
}

// long is Next for an element whose tag takes more than one octet, or its length another
// number of octets than nearly all have.
func (c *Cursor) long(e *Element, p int) bool {
	in := c.d.in[:c.end]
	at, b := p, in[p]
	tag := heads[b].Tag
	p++
	if b&0x1f == 0x1f {
		var code Code
		if tag, p, code = longTag(in, at); code != None {
			return c.stop(code, at)
		}
	}
	if p >= len(in) {
		return c.stop(Truncated, p)
	}
	l := int(in[p])
	p++
	if l == 0x80 {
		if !c.indefinite(e, at, p, b) {
			return false
		}
		e.Tag = tag
		return true
	}
	if l > 0x80 {
		n, q, code := longLength(in, p, l&0x7f)
		if code != None {
			return c.stop(code, p-1)
		}
		l, p = n, q
	}
	if l > len(in)-p {
		return c.stop(LengthExceedsParent, at)
	}
	if b == 0 && l == 0 {
		return c.stop(UnexpectedEndOfContents, at)
	}
	e.Offset, e.Header, e.End = at, p-at, p+l
	e.Content = in[p:e.End]
	e.Head = heads[b]
	e.Tag = tag
	e.state = c.state
	c.pos = e.End
	return true
}

// Enter returns a cursor over the contents of e, an element that a cursor of
// the same decoder yielded. Entering a primitive element gives a cursor that
// has failed with BadValue.
func (c *Cursor) Enter(e *Element) Cursor {
	in := c.EnterEncoding(e)
	if !e.Constructed {
		in.end, in.state = ^e.Offset, state(BadValue)
	}
	return in
}

// EnterEncoding is Enter for an element whose contents octets are themselves an
// encoding though it may be primitive, as the octet-aligned alternative of an
// EXTERNAL (X.690 8.18).
func (c *Cursor) EnterEncoding(e *Element) Cursor {
	start := e.Offset + e.Header
	end, s := start+len(e.Content), e.state-level
	if s < 0 {
		end, s = ^e.Offset, state(TooDeep)
	}
	return Cursor{c.d, start, end, s}
}

// Raw returns the whole element: identifier, length and contents octets, and
// the end-of-contents octets of an indefinite length.
func (c *Cursor) Raw(e *Element) []byte { return c.d.in[e.Offset:e.End] }

// Left returns how many levels there may be below the cursor that read e, and
// how many elements may still be read.
func (c *Cursor) Left(e *Element) (levels, elements int) {
	return e.state.levels(), c.d.budget
}

// Spend takes n elements off the budget, for a caller that knows what is in them and does
// not read them again.
func (c *Cursor) Spend(n int) { c.d.budget -= n }

// Afford is Spend for a caller that reads so many elements of e by itself, in so many levels
// below the cursor that read e. Where there may not be as many it reports false, and nothing
// is taken.
func (c *Cursor) Afford(e *Element, levels, elements int) bool {
	if e.state.levels() < levels || c.d.budget < elements {
		return false
	}
	c.Spend(elements)
	return true
}

// Pass goes on behind the next n octets, which are so many elements that the caller has read by
// itself. Where these may not be read it reports false, and nothing is taken.
func (c *Cursor) Pass(n, elements int) bool {
	if n > c.end-c.pos || c.d.budget < elements {
		return false
	}
	c.pos += n
	c.Spend(elements)
	return true
}

func (c *Cursor) stop(code Code, offset int) bool {
	c.state, c.end = c.state>>8<<8|state(code), ^offset
	return false
}

// indefinite is Next for an element at p of indefinite length, whose contents begin at start and
// whose first octet is id. Where that is not all of its tag, the caller is to put that in.
func (c *Cursor) indefinite(e *Element, p, start int, id byte) bool {
	d := c.d
	if id&0x20 == 0 {
		return c.stop(IndefinitePrimitive, p)
	}
	end, ok := d.known(p)
	if !ok {
		var code Code
		var at int
		if end, code, at = d.scan(p, start, c.end, c.state.levels()); code != None {
			return c.stop(code, at)
		}
	}
	e.Offset, e.Header, e.End = p, start-p, end
	e.Content = d.in[start : end-2 : end-2]
	e.Head = openHeads[id]
	e.state = c.state
	c.pos = end
	return true
}

// span is an element of indefinite length that has been scanned.
type span struct {
	start int
	// end is the offset after the end-of-contents octets; until those are found, the
	// index of the span around this one, -1 for none.
	end int
	// cost is what finding the end took off the budget; until it is found, what was
	// left of that.
	cost int
}

// Remember makes room for n ends of elements of indefinite length. With it the scan
// for the end of one keeps the ends of those within, which are then not scanned again
// when they are come to: without, or where there are more, every level of nested
// indefinite lengths scans all that is within. What is read and what that takes off the
// budget is the same. The room is kept over Reset.
func (d *Decoder) Remember(n int) {
	if cap(d.spans) < n {
		d.spans, d.scanned = make([]span, 0, n), 0
	}
}

// known returns the end of the element of indefinite length at start, where that has
// been found before, and spends what finding it took.
func (d *Decoder) known(start int) (end int, ok bool) {
	// Elements are mostly come to in their order, and all of them.
	i, spans := d.span, d.spans
	if i >= len(spans) || spans[i].start != start {
		if i = d.search(start); i < 0 {
			return 0, false
		}
	}
	s := &spans[i]
	if s.cost > d.budget {
		return 0, false
	}
	d.span = i + 1
	d.budget -= s.cost
	return s.end, true
}

// search returns which of the spans begins at start, -1 where none does.
func (d *Decoder) search(start int) int {
	if start >= d.scanned {
		return -1
	}
	i, spans := d.span, d.spans
	if i >= len(spans) || spans[i].start > start {
		i = 0
	}
	for i < len(spans) && spans[i].start < start {
		i++
	}
	if d.span = i; i == len(spans) || spans[i].start != start {
		return -1
	}
	return i
}

// scan finds the end of the element of indefinite length at start, whose contents begin
// at p, by walking over the headers up to the matching end-of-contents octets. No octet
// from limit on is looked at. It is not put into those that call it, where most ends are known.
//
//go:noinline
func (d *Decoder) scan(start, p, limit, levels int) (end int, code Code, at int) {
	in, budget := d.in[:limit:limit], d.budget
	// Of the open elements those that there was no room for, so many more, are the innermost.
	spans, n, inner, more := d.spans[:cap(d.spans)], 0, -1, 1
	if len(spans) > 0 {
		spans[0] = span{start, inner, budget}
		n, inner, more = 1, 0, 0
	}
	for levels--; ; {
		if p >= len(in)-1 {
			return d.unscanned(budget, MissingEndOfContents, start)
		}
		if budget--; budget < 0 {
			return d.unscanned(budget+1, TooManyElements, p)
		}
		b, l := in[p], in[p+1]
		next := p + 2
		switch {
		case l < shortLengths[b]:
			if next += int(l); next > len(in) {
				return d.unscanned(budget, LengthExceedsParent, p)
			}
			p = next
			continue
		case b|l == 0:
			p = next
			levels++
			if more > 0 {
				more--
			} else {
				s := &spans[inner]
				inner, s.end, s.cost = s.end, p, s.cost-budget
			}
			if inner < 0 && more == 0 {
				// All of them lie before its end.
				d.budget, d.spans, d.scanned, d.span = budget, spans[:n], p, 0
				return p, None, 0
			}
			continue
		case l != 0x80 || b&0x20 == 0 || b&0x1f == 0x1f:
			var indefinite bool
			if next, indefinite, code = longHeader(in, p); code != None {
				return d.unscanned(budget, code, next)
			}
			if !indefinite {
				p = next
				continue
			}
		}
		if levels--; levels < 0 {
			return d.unscanned(budget, TooDeep, p)
		}
		if n < len(spans) {
			spans[n] = span{p, inner, budget}
			inner = n
			n++
		} else {
			more++
		}
		p = next
	}
}

// unscanned is what scan returns after an error: no end is known then.
func (d *Decoder) unscanned(budget int, code Code, at int) (end int, _ Code, _ int) {
	d.budget, d.spans, d.scanned, d.span = budget, d.spans[:0], 0, 0
	return 0, code, at
}

// longHeader reads any identifier and length, and returns where the contents end or, where the
// length is of the indefinite form, where they begin. Otherwise it is where code belongs. It is
// one call for all that is seldom: around each the loop of scan puts what it has aside.
//
//go:noinline
func longHeader(in []byte, p int) (next int, indefinite bool, code Code) {
	at := p
	if p++; in[at]&0x1f == 0x1f {
		if _, p, code = longTag(in, at); code != None {
			return at, false, code
		}
		if p >= len(in) {
			return p, false, Truncated
		}
	}
	l := int(in[p])
	p++
	switch {
	case l == 0x80 && in[at]&0x20 == 0:
		return at, false, IndefinitePrimitive
	case l == 0x80:
		return p, true, None
	case l > 0x80:
		if l, p, code = longLength(in, p, l&0x7f); code != None {
			return at, false, code
		}
	}
	if l > len(in)-p {
		return at, false, LengthExceedsParent
	}
	return p + l, false, None
}

// longTag reads a high-tag-number identifier (X.690 8.1.2.4) at p.
func longTag(in []byte, p int) (t Tag, next int, code Code) {
	class := Class(in[p] >> 6)
	n := uint32(0)
	limit := p + 1 + maxTagOctets
	for p++; p < len(in); p++ {
		if n > MaxTagNumber>>7 || p == limit {
			return 0, 0, TagTooLong
		}
		b := in[p]
		n = n<<7 | uint32(b&0x7f)
		if b < 0x80 {
			return MakeTag(class, n), p + 1, None
		}
	}
	return 0, 0, Truncated
}

// longLength reads n subsequent length octets (X.690 8.1.3.5) at p. Leading
// zero octets are legal in BER and skipped.
func longLength(in []byte, p, n int) (l, next int, code Code) {
	if n == 0x7f {
		return 0, 0, LengthTooLong // X.690 8.1.3.5 c: reserved.
	}
	if n > len(in)-p {
		return 0, 0, Truncated
	}
	end := p + n
	v := uint64(0)
	switch n {
	case 1:
		v = uint64(in[p])
	case 2: // Up to here nearly all.
		v = uint64(in[p])<<8 | uint64(in[p+1])
	default:
		for p < end && in[p] == 0 {
			p++
		}
		if end-p > 8 {
			return 0, 0, LengthTooLong
		}
		for ; p < end; p++ {
			v = v<<8 | uint64(in[p])
		}
	}
	if v > uint64(len(in)) {
		return 0, 0, LengthExceedsParent
	}
	return int(v), end, None
}

func appendUint(dst []byte, v uint64) []byte {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return append(dst, b[i:]...)
		}
	}
}
