package association

import "encoding/binary"

// maxStraight bounds the TSDUs that straight takes. None of the layers' limits on depth and
// on the number of elements is met within it.
const maxStraight = 1 << 10

// What nearly all have at their places.
var (
	normalMode     = looks("a0 03 80 01 01")          // X.226 8.2.1
	definition     = looks("30 0f 02 01 .. 06 04 ..") // A context,
	definitionRest = looks(".. .. .. 30 04 06 02 ..") // and its only transfer syntax.
	result         = looks("30 07 80 01 .. 81 02 ..")

	// The same in indefinite lengths.
	openDefinition     = looks("30 80 02 01 .. 06 04 ..")
	openDefinitionRest = looks(".. .. .. 30 80 06 02 ..")
	openDefinitionEnds = looks(".. 00 00 00 00")
	openResult         = looks("30 80 80 01 .. 81 02 ..")
	openResultEnds     = looks(".. 00 00")

	// A CP or CPA up to its parameters.
	modeFronts = []headers{
		nesting("31 81 L a0 03 80 01 01 a2 81 L"),
		nesting("31 81 L a0 03 80 01 01 a2 L"),
		nesting("31 L a0 03 80 01 01 a2 L"),
		nesting("31 I a0 80 80 01 01 00 00 a2 I"),
	}

	// User data up to the front of an RTORQ in an AARQ, or of an RTOAC in an AARE.
	requestFronts = []headers{
		nesting("61 L 30 L 02 01 low a0 L 60 L a1 06 06 04 56 00 01 low " +
			"be L 28 L 06 02 .. .. 02 01 .. a0 L b0 L"),
		nesting("61 I 30 I 02 01 low a0 I 60 I a1 80 06 04 56 00 01 low 00 00 " +
			"be I 28 I 06 02 .. .. 02 01 .. a0 I b0 I"),
	}
	responseFronts = []headers{
		nesting("61 L 30 L 02 01 low a0 L 61 L a1 06 06 04 56 00 01 low a2 03 02 01 .. a3 05 a1 03 02 01 .. " +
			"be L 28 L 06 02 .. .. 02 01 .. a0 L b1 L"),
		nesting("61 I 30 I 02 01 low a0 I 61 I a1 80 06 04 56 00 01 low 00 00 a2 80 02 01 .. 00 00 a3 80 a1 80 02 01 .. 00 00 00 00 " +
			"be I 28 I 06 02 .. .. 02 01 .. a0 I b1 I"),
	}
)

// protocolAt is where in requestFronts what follows acPrefix stands.
const protocolAt = 18

// straight is Find for a CONNECT or ACCEPT of the form that nearly all have: in normal
// mode, with an application context of X.400, with RTSE's connection data in one EXTERNAL
// and without an ACSE authentication value. It passes through all layers at once and keeps
// only what is to be found. Where it returns true each layer would have understood the TSDU
// and given the same; where it returns false that is not known.
//
// The functions that it is made of take where in b something is to stand and return what
// is behind it; where something else stands, that is behind b's end, and nothing stands
// there.
func (s *Secrets) straight(tsdu []byte) bool {
	if len(tsdu) > maxStraight {
		return false
	}
	start, to := sessionData(tsdu)
	b := tsdu[:to]
	at, end, ok := pass(b, start, to, modeFronts)
	if !ok {
		at, end = nest(b, at, end, "\x31")
		at, end = nest(b, mode(b, at), end, "\xa2")
	}
fields:
	for {
		switch tag(b, at) {
		case 0x80, 0x81, 0x82, 0x83, 0x88, 0x89: // Version, selectors, requirements.
			at = value(b, at, b[at])
		case 0xa4:
			at = definitions(b, at)
		case 0xa5:
			at = results(b, at)
		default:
			break fields
		}
	}
	if at > end {
		return false
	}
	connect, fronts, data, class := true, requestFronts, "\xa3\xa0", ClassUnknown
	if tsdu[0] != siConnect {
		connect, fronts, data = false, responseFronts, "\xa2\xa0"
	}
	front := at
	if at, end, ok = pass(b, at, end, fronts); !ok {
		at, end, class = userData(b, at, end, connect)
	} else if connect {
		class = applicationClass(int(b[front+protocolAt]))
	}
	for t := tag(b, at); t == 0x80 || t == 0x81 || t == 0x82 && connect; t = tag(b, at) {
		at = integer(b, at, t) // Checkpoint size, window size, dialogue mode.
	}
	at, end = nest(b, at, end, data)
	bind := at
	for at < end {
		at = skip(b, at)
	}
	if at != end || !zeros(b[at:]) {
		return false
	}
	if connect {
		if class == ClassUnknown {
			return false
		}
		s.class = class
	}
	s.UserData, s.values = Range{start, to}, 1
	if bind < end {
		s.Binds = append(s.Binds, Range{bind, end})
	}
	return true
}

// nest passes over the headers of elements with the given tags, each of which is all that is
// in the one before it, and the first of which goes to end. It returns where the contents of
// the last begin and end. Behind these are the ends of contents of those with indefinite
// lengths, which are for the caller to look at.
func nest(b []byte, at, end int, tags string) (in, to int) {
	for _, t := range []byte(tags) {
		if at < 0 || at >= len(b)-1 || b[at] != t {
			return nowhere(b), 0
		}
		n := int(b[at+1])
		if at += 2; n < 0x80 && at+n == end {
			continue
		}
		if n == 0x80 {
			end -= 2
			continue
		}
		var stop int
		if at, stop = contents(b, at-1); stop != end {
			return nowhere(b), 0
		}
	}
	return at, end
}

// mode reads the normal mode.
func mode(b []byte, at int) int {
	if at < len(b) && normalMode.fits(b[at:]) {
		return at + 5
	}
	at, mode := enter(b, at, 0xa0)
	value := at
	if at = integer(b, at, 0x80); at != value+3 || b[value+2] != 1 {
		return nowhere(b)
	}
	return leave(b, at, mode)
}

// definitions reads a Context-list.
func definitions(b []byte, at int) int {
	at, list := enter(b, at, 0xa4)
	for more(b, at, list) {
		if at+24 <= len(b) {
			h := (*[24]byte)(b[at:])
			if definition.fits(h[:]) && definitionRest.fits(h[8:]) {
				at += 17
				continue
			}
			if openDefinition.fits(h[:]) && openDefinitionRest.fits(h[8:]) && openDefinitionEnds.fits(h[16:]) {
				at += 21
				continue
			}
		}
		var item, names int
		at, item = enter(b, at, 0x30)
		at = integer(b, at, 0x02)
		at = value(b, at, 0x06)
		at, names = enter(b, at, 0x30)
		for more(b, at, names) {
			at = value(b, at, 0x06)
		}
		at = leave(b, at, names)
		at = leave(b, at, item)
	}
	return leave(b, at, list)
}

// results reads a Result-list.
func results(b []byte, at int) int {
	at, list := enter(b, at, 0xa5)
	for more(b, at, list) {
		if at+16 <= len(b) {
			h := (*[16]byte)(b[at:])
			if result.fits(h[:]) {
				at += 9
				continue
			}
			if openResult.fits(h[:]) && openResultEnds.fits(h[8:]) {
				at += 11
				continue
			}
		}
		var item int
		at, item = enter(b, at, 0x30)
		at = integer(b, at, 0x80)
		if tag(b, at) == 0x81 {
			at = value(b, at, 0x81)
		}
		if tag(b, at) == 0x82 {
			at = integer(b, at, 0x82)
		}
		at = leave(b, at, item)
	}
	return leave(b, at, list)
}

// userData reads what requestFront and responseFront are of any such user data, and returns
// the class that the application context tells.
func userData(b []byte, at, end int, connect bool) (in, to int, class Class) {
	at, end = nest(b, at, end, "\x61\x30")
	context := at
	if at = integer(b, at, 0x02); at > len(b) || b[context+2] >= 0x80 {
		return nowhere(b), 0, class
	}
	at, end = nest(b, at, end, "\xa0")
	if connect {
		at, end = nest(b, at, end, "\x60")
		at, class = request(b, at)
		at, end = information(b, at, end, "\xa0\xb0")
	} else {
		at, end = nest(b, at, end, "\x61")
		at = response(b, at)
		at, end = information(b, at, end, "\xa0\xb1")
	}
	return at, end, class
}

// request reads an AARQ up to the user information.
func request(b []byte, at int) (next int, class Class) {
	for class = ClassUnknown; ; {
		switch tag(b, at) {
		case 0xa1:
			at, class = name(b, at)
		case 0x80, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0x8a, 0x8b: // Version, titles, requirements, mechanism.
			at = skip(b, at)
		default:
			return at, class
		}
	}
}

// response reads an AARE up to the user information.
func response(b []byte, at int) int {
	for {
		var outer, inner int
		switch tag(b, at) {
		case 0xa1:
			at, _ = name(b, at)
		case 0xa2:
			at, outer = enter(b, at, 0xa2)
			at = integer(b, at, 0x02)
			at = leave(b, at, outer)
		case 0xa3:
			at, outer = enter(b, at, 0xa3)
			source := byte(0xa1)
			if tag(b, at) == 0xa2 {
				source = 0xa2
			}
			at, inner = enter(b, at, source)
			at = integer(b, at, 0x02)
			at = leave(b, at, inner)
			at = leave(b, at, outer)
		case 0x80, 0xa4, 0xa5, 0xa6, 0xa7, 0x88, 0x89: // Version, titles, requirements, mechanism.
			at = skip(b, at)
		default:
			return at
		}
	}
}

// name reads an application context's name.
func name(b []byte, at int) (next int, class Class) {
	at, outer := enter(b, at, 0xa1)
	start := at + 2
	class = ClassUnknown
	if at = value(b, at, 0x06); at <= len(b) {
		if arc := under(b[start:at], acPrefix); arc >= 0 {
			class = applicationClass(arc)
		}
	}
	return leave(b, at, outer), class
}

// information reads the user information, an EXTERNAL in which are the tags given, of the
// single ASN.1 type and of the APDU.
func information(b []byte, at, end int, tags string) (in, to int) {
	at, end = nest(b, at, end, "\xbe\x28")
	if tag(b, at) == 0x06 {
		at = value(b, at, 0x06)
	}
	return nest(b, integer(b, at, 0x02), end, tags)
}

// The session parameters that hold others or user data (X.225 8.3.1, 8.3.4).
const (
	pgiConnection = 1
	pgiAccept     = 5
	pgiUserData   = 193
	pgiExtended   = 194
)

// parameterSizes is how long the other session parameters are that sessionData knows, and
// one more, by identifier: 0 where it does not know them, anySize where all will do.
var parameterSizes = [256]uint8{
	9: anySize, 10: anySize, 11: anySize, 12: anySize, // Of the connection identifier.
	16: 2, 19: 2, 20: 3, 21: 5, 22: 2, 26: 2,
	51: anySize, 52: anySize, // Selectors.
}

const anySize = 0xff

// sessionData returns where the user data of the SPDU begin and end that all of b is;
// both are 0 where there are none, or others.
func sessionData(b []byte) (start, stop int) {
	at, end := parameter(b, 0, len(b))
	if end != len(b) {
		return 0, 0
	}
	limit, group := end, false // Of the group under way.
	for {
		for at < limit {
			if at < 0 || at >= len(b)-1 {
				return 0, 0
			}
			code, n := b[at], b[at+1]
			from, to := at+2, at+2+int(n)
			if n == 0xff {
				if from, to = parameter(b, at, limit); to == 0 {
					return 0, 0
				}
			}
			switch size := parameterSizes[code]; {
			case size == anySize || size == n+1 && size > 0:
				at = to
			case (code == pgiConnection || code == pgiAccept) && !group && to <= limit:
				at, limit, group = from, to, true
			case (code == pgiUserData || code == pgiExtended) && stop == 0:
				start, stop, at = from, to, to
			default:
				return 0, 0
			}
		}
		switch {
		case at > limit:
			return 0, 0
		case !group:
			return start, stop
		}
		limit, group = end, false
	}
}

// parameter returns where the value of the SPDU or parameter at at begins and ends (X.225
// 8.2.3); both are 0 where that would be behind end.
func parameter(b []byte, at, end int) (from, to int) {
	if from = at + 2; from > end {
		return 0, 0
	}
	n := int(b[at+1])
	if n == 0xff {
		if from += 2; from > end {
			return 0, 0
		}
		n = int(binary.BigEndian.Uint16(b[at+2:]))
	}
	if to = from + n; to > end {
		return 0, 0
	}
	return from, to
}

// nowhere is where nothing stands.
func nowhere(b []byte) int { return len(b) + 1 }

// tag returns the identifier octet at at, 0 where there is none.
func tag(b []byte, at int) byte {
	if uint(at) < uint(len(b)) {
		return b[at]
	}
	return 0
}

// enter passes over the header of an element and returns where its contents begin and
// end; the latter is 0 where end-of-contents octets will tell.
func enter(b []byte, at int, tag byte) (in, end int) {
	if at < 0 || at >= len(b)-1 || b[at] != tag {
		return nowhere(b), 0
	}
	in = at + 2
	if end = in + int(b[at+1]); b[at+1] < 0x80 && end <= len(b) {
		return in, end
	}
	return contents(b, at+1)
}

// contents reads a length of up to three octets.
func contents(b []byte, at int) (in, end int) {
	if uint(at) >= uint(len(b)) {
		return nowhere(b), 0
	}
	n := int(b[at])
	at++
	switch {
	case n == 0x80:
		return at, 0
	case n == 0x81 && at < len(b):
		n = int(b[at])
		at++
	case n == 0x82 && at+1 < len(b):
		n = int(binary.BigEndian.Uint16(b[at:]))
		at += 2
	case n > 0x80:
		return nowhere(b), 0
	}
	if end = at + n; end > len(b) {
		return nowhere(b), 0
	}
	return at, end
}

// more reports whether another element is in one whose contents end at end.
func more(b []byte, at, end int) bool {
	if end > 0 {
		return at < end
	}
	return at+1 < len(b) && (b[at] != 0 || b[at+1] != 0)
}

// leave ends an element. Nothing may be left in it, nor may what was in it have reached
// behind it.
func leave(b []byte, at, end int) int {
	switch {
	case end > 0 && at == end:
		return at
	case end == 0 && at+1 < len(b) && b[at] == 0 && b[at+1] == 0:
		return at + 2
	}
	return nowhere(b)
}

// value passes over a primitive element with a length of one octet.
func value(b []byte, at int, tag byte) int {
	if at >= 0 && at < len(b)-1 && b[at] == tag && b[at+1] < 0x80 {
		if at += 2 + int(b[at+1]); at <= len(b) {
			return at
		}
	}
	return nowhere(b)
}

// integer passes over an INTEGER.
func integer(b []byte, at int, tag byte) int {
	if at >= 0 && at < len(b)-1 && b[at] == tag && b[at+1]-1 < 8 {
		if at += 2 + int(b[at+1]); at <= len(b) {
			return at
		}
	}
	return nowhere(b)
}

// maxSkippedDepth bounds what skip takes.
const maxSkippedDepth = 16

// skip passes over any element whose tag takes one octet.
func skip(b []byte, at int) int {
	for depth := 0; ; {
		if at < 0 || at >= len(b)-1 {
			return nowhere(b)
		}
		id, n := b[at], b[at+1]
		switch {
		case id == 0:
			if n != 0 || depth == 0 {
				return nowhere(b)
			}
			at += 2
			depth--
		case id&0x1f == 0x1f:
			return nowhere(b)
		case n < 0x80:
			at += 2 + int(n)
		case n > 0x80:
			_, at = contents(b, at+1)
			if at == 0 {
				return nowhere(b)
			}
		case id&0x20 == 0 || depth == maxSkippedDepth:
			return nowhere(b)
		default:
			at += 2
			depth++
		}
		if depth == 0 {
			return min(at, nowhere(b))
		}
	}
}
