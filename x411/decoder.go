package x411

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"

	"x400flow/osi/ber"
)

// Universal tags of single-octet SEQUENCE and SET and the application tags of
// X.411 Figure 2.
var (
	tagORName        = ber.App(0)
	tagCountry       = ber.App(1)
	tagADMD          = ber.App(2)
	tagDomain        = ber.App(3)
	tagMTSIdentifier = ber.App(4)
	tagEITs          = ber.App(5)
	tagContentType   = ber.App(6)
	tagPriority      = ber.App(7)
	tagIndicators    = ber.App(8)
	tagTrace         = ber.App(9)
	tagContentID     = ber.App(10)
)

// Field is one element of a SET or SEQUENCE. Several fields with the same ID
// are alternatives of a CHOICE.
type Field struct {
	Name      string
	Tag       ber.Tag
	ID        uint8 // Below 32.
	Mandatory bool
}

type field = Field

// Fields are those of a SET or SEQUENCE.
type Fields struct {
	list []Field
	// places are the places of fields in list, from 1, by placeOf the tag, 0 where no
	// field has it: where in the list a tag is cannot be foretold.
	places    [4 << placeBits]uint8
	mandatory uint32 // By ID.
}

// placeBits is how many bits the number of a field's tag may have.
const placeBits = 5

// placeOf returns where the place of a tag's field is, which is beyond all of them for a
// number of more bits.
func placeOf(t ber.Tag) uint32 { return bits.RotateLeft32(uint32(t), 2) }

// FieldsOf returns the fields of a list. Of several with one tag the first counts.
func FieldsOf(list []Field) *Fields {
	f := &Fields{list: list}
	for i := range list {
		x := &list[i]
		if x.Tag.Number()>>placeBits != 0 || x.ID > 31 {
			panic("x411: field " + x.Name + " has a large tag or ID")
		}
		if p := &f.places[placeOf(x.Tag)]; *p == 0 {
			*p = uint8(i + 1)
		}
		if x.Mandatory {
			f.mandatory |= 1 << x.ID
		}
	}
	return f
}

// Name returns the name of the first field with an ID, "" where there is none.
func (f *Fields) Name(id int) string {
	for i := range f.list {
		if int(f.list[i].ID) == id {
			return f.list[i].Name
		}
	}
	return ""
}

// find returns the field with a tag, nil when there is none.
func (f *Fields) find(t ber.Tag) *Field {
	at := placeOf(t)
	if at >= uint32(len(f.places)) {
		return nil
	}
	place := f.places[at]
	if place == 0 {
		return nil
	}
	return &f.list[place-1]
}

// segment is one step of the path to the value being read; kind says which of the
// others it is.
type segment struct {
	name  string
	tag   ber.Tag
	index int
	kind  segmentKind
}

type segmentKind uint8

const (
	segmentName segmentKind = iota
	segmentIndex
	segmentTag
)

const maxPath = 32

// maxSpans is how many ends of nested elements of indefinite length are kept; what is
// nested in more is scanned again.
const maxSpans = 128

// decoder is the state that reading an APDU and a bind have in common.
type decoder struct {
	ber        ber.Decoder
	in         []byte
	depthLimit int
	textLimit  int

	// arena holds converted text. It only grows during one decode; where it
	// must move, slices of the old array stay valid.
	arena []byte
	// out is where a value is rendered before it is kept in the arena, line
	// where a part of an OR-name is.
	out   []byte
	line  []byte
	oids  [][]byte
	attrs []Attribute
	rdns  []ber.Element
	names *NameCache

	// chosen and oddAt are of the OR-name read last. They stand here because they need
	// not be cleared.
	chosen chosen
	oddAt  [64][2]int32

	// value and valueIn are the value of the extension being read and the
	// cursor that gave it. They stand here because a renderer is called through
	// the table, for which they would otherwise be allocated.
	value   ber.Element
	valueIn ber.Cursor

	// member and memberIn are the same of a list in it: lists do not stand in lists.
	member   ber.Element
	memberIn ber.Cursor

	// trace are the elements of the trace rendered last, traceCost how many elements
	// of the encoding were read for them.
	trace     []TraceElement
	traceCost int

	keys []Range

	// prefix stands before every path.
	prefix []byte
	path   [maxPath]segment
	depth  int

	failure  Failure
	failures int
	last     Code

	unknown      int
	firstUnknown []byte
}

// start readies the decoder for in and returns a cursor over its elements.
func (d *decoder) start(in []byte, l *Limits) ber.Cursor {
	d.depthLimit = orDefault(l.Depth, DefaultDepth)
	d.textLimit = orDefault(l.Text, DefaultText)
	keep := orDefault(l.Arena, DefaultArena)
	d.in = in
	d.arena = reuse(d.arena, keep)
	d.out = reuse(d.out, keep)
	d.line = reuse(d.line, keep)
	d.oids = reuse(d.oids, keep/24)
	d.attrs = reuse(d.attrs, keep/128)
	d.rdns = reuse(d.rdns, keep/96)
	d.trace = reuse(d.trace, keep/640)
	d.keys = reuse(d.keys, keep/16)
	d.prefix = nil
	d.depth = 0
	d.failure = Failure{}
	d.failures = 0
	d.last = CodeNone
	d.unknown = 0
	d.firstUnknown = nil
	d.ber.MaxDepth = d.depthLimit
	// A header nested in n indefinite lengths counts n times before it is read; the
	// deepest attributes of an envelope stand in about ten.
	d.ber.MaxElements = ber.DefaultMinElements + 8*len(in)
	d.ber.Remember(maxSpans)
	return d.ber.Reset(in)
}

func orDefault(v, fallback int) int {
	if v > 0 {
		return v
	}
	return fallback
}

// reuse empties s, letting go of an array of more than keep elements.
func reuse[T any](s []T, keep int) []T {
	if cap(s) > keep {
		return nil
	}
	return s[:0]
}

func (d *decoder) push(name string) {
	if uint(d.depth) < maxPath {
		s := &d.path[d.depth]
		s.name, s.kind = name, segmentName
	}
	d.depth++
}

func (d *decoder) pushIndex(i int) {
	if uint(d.depth) < maxPath {
		s := &d.path[d.depth]
		s.index, s.kind = i, segmentIndex
	}
	d.depth++
}

func (d *decoder) pushTag(t ber.Tag) {
	if d.depth < maxPath {
		s := &d.path[d.depth]
		s.tag, s.kind = t, segmentTag
	}
	d.depth++
}

func (d *decoder) pop() { d.depth-- }

// keepPath writes the path to the arena.
func (d *decoder) keepPath() []byte {
	at := len(d.arena)
	d.arena = append(d.arena, d.prefix...)
	for i := range min(d.depth, maxPath) {
		if len(d.arena) > at {
			d.arena = append(d.arena, '/')
		}
		switch s := &d.path[i]; s.kind {
		case segmentName:
			d.arena = append(d.arena, s.name...)
		case segmentIndex:
			d.arena = appendInt(d.arena, int64(s.index))
		default:
			d.arena = s.tag.Append(d.arena)
		}
	}
	return d.kept(at)
}

// kept returns what was appended to the arena since at.
func (d *decoder) kept(at int) []byte { return d.arena[at:len(d.arena):len(d.arena)] }

// keep copies text to the arena; nil for an empty one.
func (d *decoder) keep(text []byte) []byte {
	if len(text) == 0 {
		return nil
	}
	at := len(d.arena)
	d.arena = append(d.arena, text...)
	return d.kept(at)
}

// fail notes a failure at offset; the first one is told.
func (d *decoder) fail(code Code, offset int) {
	d.failures++
	d.last = code
	if d.failure.Code == CodeNone {
		d.failure = Failure{Code: code, Offset: offset, Path: d.keepPath()}
	}
}

// failIn notes a failure in the field called name.
func (d *decoder) failIn(name string, code Code, offset int) {
	d.push(name)
	d.fail(code, offset)
	d.pop()
}

// stray counts an element that no edition defines at its place.
func (d *decoder) stray(e *ber.Element) {
	d.unknown++
	if d.firstUnknown == nil {
		d.pushTag(e.Tag)
		d.firstUnknown = d.keepPath()
		d.pop()
	}
}

// end notes the failure that stopped c, if one did. It is small enough to be inlined:
// every level ends with it.
func (d *decoder) end(c *ber.Cursor) {
	if c.Code() != ber.None {
		d.stopped(c)
	}
}

func (d *decoder) stopped(c *ber.Cursor) { d.fail(berCode(c.Code()), c.ErrOffset()) }

// next reads the next element of c that fields names, pushes its name and
// returns its id; the caller pops. Elements without a field are counted,
// repeated fields noted. At the end of c it returns -1.
func (d *decoder) next(c *ber.Cursor, e *ber.Element, fields *Fields, seen *uint32) int {
	for c.Next(e) {
		f := fields.find(e.Tag)
		if f == nil {
			d.stray(e)
			continue
		}
		bit := uint32(1) << (f.ID & 31)
		if *seen&bit != 0 {
			d.failIn(f.Name, CodeDuplicate, e.Offset)
			continue
		}
		*seen |= bit
		d.push(f.Name)
		return int(f.ID)
	}
	d.end(c)
	return -1
}

// complete notes the mandatory fields that the element at offset lacks.
func (d *decoder) complete(fields *Fields, seen uint32, offset int) {
	if fields.mandatory&^seen == 0 {
		return
	}
	for i := range fields.list {
		if f := &fields.list[i]; f.Mandatory && seen&(1<<f.ID) == 0 {
			d.failIn(f.Name, CodeMissing, offset)
			seen |= 1 << f.ID
		}
	}
}

// only reads the one element that an explicit tag e holds into inner, and returns the
// cursor that it came from.
func (d *decoder) only(c *ber.Cursor, e, inner *ber.Element) (in ber.Cursor, ok bool) {
	in = c.Enter(e)
	if !in.Next(inner) {
		if in.Code() == ber.None {
			d.fail(CodeMissing, e.Offset)
		} else {
			d.end(&in)
		}
		return in, false
	}
	if in.More() {
		d.fail(CodeTrailing, inner.End)
	}
	return in, true
}

// integer returns the value of an INTEGER or ENUMERATED whose tag is implicit.
// Some implementations tag it explicitly: a constructed element holding one
// universal INTEGER is taken for that.
func (d *decoder) integer(c *ber.Cursor, e *ber.Element) (int64, bool) {
	if e.Constructed {
		var inner ber.Element
		_, ok := d.only(c, e, &inner)
		if !ok {
			return 0, false
		}
		if inner.Constructed || inner.Tag != ber.TagInteger && inner.Tag != ber.TagEnumerated {
			d.fail(CodeUnexpectedTag, inner.Offset)
			return 0, false
		}
		return d.integerOf(&inner)
	}
	return d.integerOf(e)
}

func (d *decoder) integerOf(e *ber.Element) (int64, bool) {
	v, ok := ber.Int64(e.Content)
	if !ok {
		d.fail(CodeBadNumber, e.Offset)
	}
	return v, ok
}

// code returns an integer that is a non-negative code number, -1 where it is
// not.
func (d *decoder) code(c *ber.Cursor, e *ber.Element) int32 {
	v, ok := d.integer(c, e)
	if !ok {
		return -1
	}
	if v < 0 || v > 1<<31-1 {
		d.fail(CodeBadNumber, e.Offset)
		return -1
	}
	return int32(v)
}

// octets returns the contents of a string, joined in the arena where it is
// constructed. Segments should bear the tag OCTET STRING (X.690 8.23.6), but
// X.409 of 1984 let them repeat the string's own type; both are read.
func (d *decoder) octets(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	if !e.Constructed {
		return e.Content, true
	}
	return d.joined(c, e)
}

// joined is octets for a constructed string.
func (d *decoder) joined(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	in := c.Enter(e)
	tag, ok := in.Peek()
	if !ok {
		d.end(&in)
		return nil, in.Code() == ber.None
	}
	if !isString(tag) {
		d.fail(CodeBadString, e.Offset)
		return nil, false
	}
	at := len(d.arena)
	joined, _, code := c.Octets(e, tag, d.arena)
	if code != ber.None {
		d.fail(CodeBadString, e.Offset)
		return nil, false
	}
	d.arena = joined
	return d.kept(at), true
}

// isString reports whether t is a universal string type.
func isString(t ber.Tag) bool {
	return t == ber.TagOctetString || t == ber.TagUTF8String ||
		t >= ber.TagNumericString && t <= ber.TagIA5String ||
		t >= ber.TagUTCTime && t <= ber.TagBMPString
}

// text returns a string of the IA5, printable, numeric or visible repertoire
// as UTF-8. Octets above 7F become U+FFFD.
func (d *decoder) text(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	s, ok := d.octets(c, e)
	if !ok {
		return nil, false
	}
	return d.ascii(s), true
}

func (d *decoder) ascii(s []byte) []byte {
	if s == nil {
		return []byte{}
	}
	if SevenBits(s) {
		return s
	}
	at := len(d.arena)
	for _, b := range s {
		d.arena = appendASCII(d.arena, b)
	}
	return d.kept(at)
}

// SevenBits reports whether no octet of s is above 7F: 512 at a time, as texts are most of
// what there is, and short ones at once.
func SevenBits(s []byte) bool {
	const high = 0x8080808080808080
	for ; len(s) >= 512; s = s[512:] {
		b := (*[512]byte)(s)
		if (ofEight(b[:64])|ofEight(b[64:128])|ofEight(b[128:192])|ofEight(b[192:256])|
			ofEight(b[256:320])|ofEight(b[320:384])|ofEight(b[384:448])|ofEight(b[448:]))&high != 0 {
			return false
		}
	}
	v := uint64(0)
	for ; len(s) >= 64; s = s[64:] {
		v |= ofEight(s)
	}
	for ; len(s) >= 8; s = s[8:] {
		v |= word(s)
	}
	switch n := len(s); {
	case n >= 4:
		// The two overlap, as those of the next case do.
		v |= uint64(binary.LittleEndian.Uint32(s) | binary.LittleEndian.Uint32(s[n-4:]))
	case n > 0:
		v |= uint64(s[0] | s[n>>1] | s[n-1])
	}
	return v&high == 0
}

func word(s []byte) uint64 { return binary.LittleEndian.Uint64(s) }

// ofEight returns the bits that any of eight words has.
func ofEight(s []byte) uint64 {
	return word(s) | word(s[8:]) | word(s[16:]) | word(s[24:]) |
		word(s[32:]) | word(s[40:]) | word(s[48:]) | word(s[56:])
}

func appendASCII(dst []byte, b byte) []byte {
	if b < utf8.RuneSelf {
		return append(dst, b)
	}
	return utf8.AppendRune(dst, utf8.RuneError)
}

// teletex returns a TeletexString as UTF-8.
func (d *decoder) teletex(s []byte) []byte {
	if plainT61(s) {
		return s
	}
	at := len(d.arena)
	d.arena = AppendT61(d.arena, s)
	return d.kept(at)
}

// oid returns an OBJECT IDENTIFIER in dotted form; explicit tagging is read as
// integer does.
func (d *decoder) oid(c *ber.Cursor, e *ber.Element) ([]byte, bool) {
	content := e.Content
	if e.Constructed {
		var inner ber.Element
		_, ok := d.only(c, e, &inner)
		if !ok {
			return nil, false
		}
		if inner.Tag != ber.TagOID {
			d.fail(CodeUnexpectedTag, inner.Offset)
			return nil, false
		}
		content = inner.Content
	}
	at := len(d.arena)
	out, ok := d.appendOID(d.arena, content)
	if !ok {
		d.fail(CodeBadOID, e.Offset)
		return nil, false
	}
	d.arena = out
	return d.kept(at), true
}

// appendOID does what ber.AppendOID does, with an object identifier that is known, or becomes so.
func (d *decoder) appendOID(dst, content []byte) (out []byte, ok bool) {
	var x *knownOID
	if d.names != nil {
		x = d.names.oid(content)
	}
	if x != nil && string(x.octets) == string(content) {
		return append(dst, x.text...), true
	}
	if out, ok = ber.AppendOID(dst, content); ok && x != nil {
		x.octets, x.text = append(x.octets[:0], content...), append(x.text[:0], out[len(dst):]...)
	}
	return out, ok
}

// time returns a UTCTime.
func (d *decoder) time(c *ber.Cursor, e *ber.Element) Time {
	raw, ok := d.octets(c, e)
	if !ok {
		return Time{}
	}
	if raw == nil {
		raw = []byte{}
	}
	t := Time{Raw: raw}
	if t.At, ok = ber.UTCTime(raw); ok {
		return t
	}
	// A few implementations send a GeneralizedTime's contents.
	if len(raw) > 13 {
		if t.At, ok = ber.GeneralizedTime(raw); ok {
			return t
		}
	}
	t.At = time.Time{}
	d.fail(CodeBadTime, e.Offset)
	return t
}

// bitString returns the bits of a BIT STRING whose tag is implicit and the
// number of unused ones.
func (d *decoder) bitString(c *ber.Cursor, e *ber.Element) (bits []byte, unused int, ok bool) {
	at := len(d.arena)
	bits, unused, code := c.BitString(e, d.arena)
	if code != ber.None {
		d.fail(CodeBadBits, e.Offset)
		return nil, 0, false
	}
	if e.Constructed {
		d.arena = bits
		bits = d.kept(at)
	}
	return bits, unused, true
}

// flags returns the first 64 bits of a BIT STRING, bit n of the value being bit
// n of the string. Unused bits count as zero.
func (d *decoder) flags(c *ber.Cursor, e *ber.Element) (uint64, bool) {
	octets, unused, ok := d.bitString(c, e)
	if !ok {
		return 0, false
	}
	return flagsOf(octets, unused), true
}

// flagsOf returns the first 64 of bits whose last octet has unused ones.
func flagsOf(octets []byte, unused int) uint64 {
	v := uint64(0)
	for i, b := range octets[:min(8, len(octets))] {
		v |= uint64(bits.Reverse8(b)) << (8 * i)
	}
	return v & (1<<min(64, len(octets)*8-unused) - 1)
}

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// appendHex appends octets as upper-case hexadecimal digits, at most bound
// octets of them and then an ellipsis.
func appendHex(dst, octets []byte, bound int) []byte {
	const digits = "0123456789ABCDEF"
	cut := len(octets) > bound
	if cut {
		octets = octets[:bound]
	}
	for _, b := range octets {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	if cut {
		dst = append(dst, "..."...)
	}
	return dst
}

// appendTime appends t as RFC 3339 does, or its raw octets where they are no
// time.
func appendTime(dst []byte, t *Time) []byte {
	if t.At.IsZero() {
		return appendClean(dst, t.Raw)
	}
	year, month, day := t.At.Date()
	if year < 0 || year > 9999 || t.At.Location() != time.UTC {
		return t.At.AppendFormat(dst, time.RFC3339)
	}
	hour, minute, second := t.At.Clock()
	b := [...]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: 'Z'}
	putTwo(b[:], year/100)
	putTwo(b[2:], year%100)
	putTwo(b[5:], int(month))
	putTwo(b[8:], day)
	putTwo(b[11:], hour)
	putTwo(b[14:], minute)
	putTwo(b[17:], second)
	return append(dst, b[:]...)
}

// putTwo puts the two digits of n, which is below 100.
func putTwo(b []byte, n int) { b[0], b[1] = byte('0'+uint(n)/10), byte('0'+uint(n)%10) }

// appendClean appends text with control characters replaced by spaces and
// octets that are no UTF-8 by U+FFFD.
func appendClean(dst, text []byte) []byte {
	for {
		n := cleanFront(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return dst
		}
		text = text[n:]
		if text[0] < utf8.RuneSelf {
			dst = append(dst, ' ')
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[n:]
	}
}

// cleanFront returns how many octets of text, the first, appendClean takes as they are.
func cleanFront(text []byte) int {
	n := 0
	for len(text)-n >= 8 {
		// Each octet has its high bit where it is above 7F, where it is 7F, or where it is
		// below a space. What a sum carries comes of an octet above 7F.
		x := word(text[n:])
		if (x|(x+0x0101010101010101)|^(x+0x6060606060606060))&0x8080808080808080 != 0 {
			break
		}
		n += 8
	}
	for n < len(text) && isClean[text[n]] {
		n++
	}
	return n
}

// isClean tells of an octet whether appendClean takes it as it is, whatever is beside it.
var isClean = func() (t [256]bool) {
	for b := ' '; b < 0x7f; b++ {
		t[b] = true
	}
	return t
}()
