package association

import (
	"bytes"
	"encoding/binary"
)

// maxStraight bounds the TSDUs that straight takes. None of the layers' limits on depth and
// on the number of elements is met within it.
const maxStraight = 1 << 10

// normalMode is a mode-value (X.226 8.2.1).
var normalMode = []byte{0x80, 1, 1}

// straight is Find for a CONNECT or ACCEPT of the form that nearly all have: in normal
// mode, with RTSE's connection data in one EXTERNAL and without an ACSE authentication
// value. It passes through all layers at once and keeps only what is to be found. Where
// it returns true each layer would have understood the TSDU and given the same; where
// it returns false that is not known.
//
// The functions that it is made of take where in b something is to stand and return what
// is behind it; where something else stands, that is behind b's end, and nothing stands
// there.
func (s *Secrets) straight(tsdu []byte) bool {
	if len(tsdu) > maxStraight {
		return false
	}
	at, to := sessionData(tsdu)
	b := tsdu[:to]
	s.UserData = Range{at, to}
	at, set := enter(b, at, 0x31)
	at, mode := enter(b, at, 0xa0)
	if !bytes.HasPrefix(b[min(at, to):], normalMode) {
		return false
	}
	at = leave(b, at+len(normalMode), mode)
	at, normal := enter(b, at, 0xa2)
fields:
	for {
		switch tag(b, at) {
		case 0x80, 0x81, 0x82, 0x83, 0x88, 0x89: // Version, selectors, requirements.
			at = value(b, at, b[at])
		case 0xa4:
			at = s.definitions(b, at)
		case 0xa5:
			at = results(b, at)
		default:
			break fields
		}
	}
	at, data := enter(b, at, 0x61)
	at, list := enter(b, at, 0x30)
	context := at
	if at = integer(b, at, 0x02); at > to || b[context+2] >= 0x80 {
		return false
	}
	at, single := enter(b, at, 0xa0)
	if tsdu[0] == siConnect {
		at = s.request(b, at)
	} else {
		at = s.response(b, at)
	}
	at = leave(b, at, single)
	at = leave(b, at, list)
	at = leave(b, at, data)
	at = leave(b, at, normal)
	s.values = 1
	return leave(b, at, set) == to
}

// definitions reads a Context-list.
func (s *Secrets) definitions(b []byte, at int) int {
	at, list := enter(b, at, 0xa4)
	for more(b, at, list) {
		if s.contexts == len(s.abstract) {
			return nowhere(b)
		}
		var item, names int
		at, item = enter(b, at, 0x30)
		name := integer(b, at, 0x02)
		if at = value(b, name, 0x06); at > len(b) {
			return at
		}
		s.abstract[s.contexts] = b[name+2 : at]
		s.contexts++
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

// request reads an AARQ with RTORQ in it.
func (s *Secrets) request(b []byte, at int) int {
	at, apdu := enter(b, at, 0x60)
	for {
		switch tag(b, at) {
		case 0xa1:
			at = s.name(b, at)
			continue
		case 0x80, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0x8a, 0x8b: // Version, titles, requirements, mechanism.
			at = skip(b, at)
			continue
		}
		at = s.user(b, at, 0xb0, 0xa3)
		return leave(b, at, apdu)
	}
}

// response reads an AARE with RTOAC in it.
func (s *Secrets) response(b []byte, at int) int {
	at, apdu := enter(b, at, 0x61)
	for {
		var outer, inner int
		switch tag(b, at) {
		case 0xa1:
			at = s.name(b, at)
			continue
		case 0xa2:
			at, outer = enter(b, at, 0xa2)
			at = integer(b, at, 0x02)
			at = leave(b, at, outer)
			continue
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
			continue
		case 0x80, 0xa4, 0xa5, 0xa6, 0xa7, 0x88, 0x89: // Version, titles, requirements, mechanism.
			at = skip(b, at)
			continue
		}
		at = s.user(b, at, 0xb1, 0xa2)
		return leave(b, at, apdu)
	}
}

// name reads an application context's name.
func (s *Secrets) name(b []byte, at int) int {
	at, outer := enter(b, at, 0xa1)
	start := at + 2
	if at = value(b, at, 0x06); at > len(b) {
		return at
	}
	s.context = b[start:at]
	return leave(b, at, outer)
}

// user reads the user information, an EXTERNAL with RTORQ or RTOAC in it, of which apdu is
// the tag and data that of the connection data.
func (s *Secrets) user(b []byte, at int, apdu, data byte) int {
	at, user := enter(b, at, 0xbe)
	at, external := enter(b, at, 0x28)
	if tag(b, at) == 0x06 {
		at = value(b, at, 0x06)
	}
	at = integer(b, at, 0x02)
	at, single := enter(b, at, 0xa0)
	at, open := enter(b, at, apdu)
	for t := tag(b, at); t == 0x80 || t == 0x81 || t == 0x82 && apdu == 0xb0; t = tag(b, at) {
		at = integer(b, at, t) // Checkpoint size, window size, dialogue mode.
	}
	at, connection := enter(b, at, data)
	at, bind := enter(b, at, 0xa0)
	start := at
	for more(b, at, bind) {
		at = skip(b, at)
	}
	if at > start {
		s.Binds = append(s.Binds, Range{start, at})
	}
	at = leave(b, at, bind)
	at = leave(b, at, connection)
	at = leave(b, at, open)
	at = leave(b, at, single)
	at = leave(b, at, external)
	return leave(b, at, user)
}

// The session parameters that hold others or user data (X.225 8.3.1, 8.3.4).
const (
	pgiConnection = 1
	pgiAccept     = 5
	pgiUserData   = 193
	pgiExtended   = 194
)

// parameterSizes is how long the other session parameters are that sessionData knows, by
// identifier: 0 where it does not, anySize where all will do.
var parameterSizes = [256]uint8{
	9: anySize, 10: anySize, 11: anySize, 12: anySize, // Of the connection identifier.
	16: 1, 19: 1, 20: 2, 21: 4, 22: 1, 26: 1,
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
	for group := 0; at < end; {
		limit := end
		if at < group {
			limit = group
		}
		from, to := parameter(b, at, limit)
		if to == 0 {
			return 0, 0
		}
		switch code := b[at]; {
		case parameterSizes[code] == anySize || parameterSizes[code] > 0 && int(parameterSizes[code]) == to-from:
			at = to
		case (code == pgiConnection || code == pgiAccept) && at >= group:
			at, group = from, to
		case (code == pgiUserData || code == pgiExtended) && stop == 0:
			start, stop, at = from, to, to
		default:
			return 0, 0
		}
	}
	return start, stop
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
	if uint(at)+1 >= uint(len(b)) || b[at] != tag {
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
	if uint(at)+1 < uint(len(b)) && b[at] == tag && b[at+1] < 0x80 {
		if at += 2 + int(b[at+1]); at <= len(b) {
			return at
		}
	}
	return nowhere(b)
}

// integer passes over an INTEGER.
func integer(b []byte, at int, tag byte) int {
	if next := value(b, at, tag); next > at+2 && next <= at+10 {
		return next
	}
	return nowhere(b)
}

// maxSkippedDepth bounds what skip takes.
const maxSkippedDepth = 16

// skip passes over any element whose tag takes one octet.
func skip(b []byte, at int) int {
	for depth := 0; ; {
		id := tag(b, at)
		in, end := contents(b, at+1)
		switch {
		case id == 0 && in == end && end == at+2 && depth > 0:
			depth--
			at = end
		case in > len(b) || id&0x1f == 0x1f || end == 0 && (id&0x20 == 0 || depth == maxSkippedDepth):
			return nowhere(b)
		case end == 0:
			depth++
			at = in
		default:
			at = end
		}
		if depth == 0 {
			return at
		}
	}
}
