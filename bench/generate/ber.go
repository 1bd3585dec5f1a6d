package generate

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// style says in which of BER's ways (X.690 8) an encoder writes. The zero style
// is the minimal definite form.
type style struct {
	indefinite   bool // Constructed encodings in the indefinite form.
	nonMinimal   bool // Lengths in more octets than needed.
	constructed  bool // OCTET STRINGs in segments.
	allSegmented bool // Character and BIT STRINGs in segments too.
	shuffle      bool // Members of SETs in any order.
}

// encoder appends BER to b. Lengths are put in when an element is closed; content
// moves to make room, which costs little because elements nest a few levels only.
type encoder struct {
	b       []byte
	style   style
	rng     *rand.Rand // Only drawn from where the style leaves a choice.
	members []int      // Starts of the members of the open SETs.
	scratch []byte
}

func (e *encoder) reset(s style, rng *rand.Rand) {
	e.b, e.style, e.rng, e.members = e.b[:0], s, rng, e.members[:0]
}

// open begins a constructed element; close ends it.
func (e *encoder) open(tag byte) int {
	e.b = append(e.b, tag)
	if e.style.indefinite {
		e.b = append(e.b, 0x80)
	}
	return len(e.b)
}

func (e *encoder) close(start int) {
	if e.style.indefinite {
		e.b = append(e.b, 0, 0)
		return
	}
	var l [8]byte
	length := e.appendLength(l[:0], len(e.b)-start)
	n := len(length)
	e.b = append(e.b, length...)
	copy(e.b[start+n:], e.b[start:len(e.b)-n])
	copy(e.b[start:], length)
}

func (e *encoder) appendLength(b []byte, n int) []byte {
	width := 0
	for v := n; v > 0; v >>= 8 {
		width++
	}
	if n < 0x80 {
		width = 0
	}
	if e.style.nonMinimal {
		width = max(width, 1) + e.rng.IntN(3)
	}
	if width == 0 {
		return append(b, byte(n))
	}
	b = append(b, 0x80|byte(width))
	for i := width - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

// set is an open SET whose members may be put in another order.
type set struct{ start, first int }

func (e *encoder) openSet(tag byte) set {
	return set{start: e.open(tag), first: len(e.members)}
}

// member marks the beginning of the next member of the innermost open SET.
func (e *encoder) member() { e.members = append(e.members, len(e.b)) }

func (e *encoder) closeSet(s set) {
	if m := e.members[s.first:]; e.style.shuffle && len(m) > 1 {
		order := e.rng.Perm(len(m))
		e.scratch = append(e.scratch[:0], e.b[m[0]:]...)
		base, out := m[0], m[0]
		for _, i := range order {
			end := len(e.b)
			if i+1 < len(m) {
				end = m[i+1]
			}
			out += copy(e.b[out:], e.scratch[m[i]-base:end-base])
		}
	}
	e.members = e.members[:s.first]
	e.close(s.start)
}

func (e *encoder) raw(b ...byte) { e.b = append(e.b, b...) }

// primitive appends a primitive element.
func (e *encoder) primitive(tag byte, v []byte) {
	e.b = append(e.b, tag)
	e.b = e.appendLength(e.b, len(v))
	e.b = append(e.b, v...)
}

// text appends a character string.
func (e *encoder) text(tag byte, v string) {
	if e.style.allSegmented && len(v) > 1 && e.rng.IntN(2) == 0 {
		e.segments(tag, []byte(v), 0x04)
		return
	}
	e.b = append(e.b, tag)
	e.b = e.appendLength(e.b, len(v))
	e.b = append(e.b, v...)
}

// octets appends an OCTET STRING, in segments where the style says so.
func (e *encoder) octets(tag byte, v []byte) {
	if e.style.constructed && len(v) > 1 {
		e.segments(tag, v, 0x04)
		return
	}
	e.primitive(tag, v)
}

// segments appends a string in the constructed form. The segments bear the tag of
// the universal type (X.690 8.6.4, 8.7.3): that of OCTET STRING for character
// strings too, because these are defined as if [UNIVERSAL x] IMPLICIT OCTET STRING
// stood there (X.690 8.23.1).
func (e *encoder) segments(tag byte, v []byte, inner byte) {
	m := e.open(tag | 0x20)
	for len(v) > 0 {
		n := min(len(v), 1+e.rng.IntN(1024))
		e.primitive(inner, v[:n])
		v = v[n:]
	}
	e.close(m)
}

func (e *encoder) integer(tag byte, v int) {
	var b [9]byte
	n := len(b)
	for {
		n--
		b[n] = byte(v)
		next := v >> 8
		if (next == 0 && b[n] < 0x80) || (next == -1 && b[n] >= 0x80) {
			break
		}
		v = next
	}
	e.primitive(tag, b[n:])
}

// bits appends a BIT STRING with the named bits set, of at least size bits.
func (e *encoder) bits(tag byte, size int, set ...int) {
	for _, s := range set {
		size = max(size, s+1)
	}
	v := make([]byte, 1+(size+7)/8, max(8, 1+(size+7)/8))
	v[0] = byte((8 - size%8) % 8)
	for _, s := range set {
		v[1+s/8] |= 0x80 >> (s % 8)
	}
	if e.style.allSegmented && e.rng.IntN(2) == 0 {
		// One segment only: a BIT STRING's other segments hold whole octets.
		m := e.open(tag | 0x20)
		e.primitive(0x03, v)
		e.close(m)
		return
	}
	e.primitive(tag, v)
}

// oid appends an OBJECT IDENTIFIER given in dotted form.
func (e *encoder) oid(tag byte, dotted string) {
	var arcs [32]uint64
	n := 0
	for part := range strings.SplitSeq(dotted, ".") {
		arcs[n], _ = strconv.ParseUint(part, 10, 64)
		n++
	}
	var buf [64]byte
	v := buf[:0]
	arcs[1] += arcs[0] * 40
	for _, a := range arcs[1:n] {
		var tmp [10]byte
		i := len(tmp) - 1
		tmp[i] = byte(a & 0x7f)
		for a >>= 7; a > 0; a >>= 7 {
			i--
			tmp[i] = 0x80 | byte(a&0x7f)
		}
		v = append(v, tmp[i:]...)
	}
	e.primitive(tag, v)
}

// Universal tags (X.680 8.4) and others in use here.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagEnumerated  = 0x0a
	tagNumeric     = 0x12
	tagPrintable   = 0x13
	tagTeletex     = 0x14
	tagIA5         = 0x16
	tagUTCTime     = 0x17
	tagUniversal   = 0x1c
	tagBMP         = 0x1e
	tagSequence    = 0x30
	tagSet         = 0x31
	tagExternal    = 0x28
)
