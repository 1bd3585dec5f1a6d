package ber

import (
	"encoding/binary"
	"slices"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Bool returns the value of a BOOLEAN's contents octets (X.690 8.2).
func Bool(content []byte) (v, ok bool) {
	if len(content) != 1 {
		return false, false
	}
	return content[0] != 0, true
}

// Int64 returns the value of an INTEGER's or ENUMERATED's contents octets
// (X.690 8.3). Redundant leading octets are accepted; ok is false when there
// are no octets or the value needs more than 64 bits.
func Int64(content []byte) (v int64, ok bool) {
	if len(content) == 0 {
		return 0, false
	}
	v = int64(int8(content[0]))
	for i, b := range content[1:] {
		if i >= 7 && (v > 1<<55-1 || v < -1<<55) {
			return 0, false
		}
		v = v<<8 | int64(b)
	}
	return v, true
}

// Octets returns the octets of a string element: its contents octets where it
// is primitive, and where it is constructed the concatenation of its segments
// appended to scratch (X.690 8.7.3, 8.23.3). What is returned refers to the
// input in the first case and to scratch's array in the second; joined tells
// which. Segments bear the universal tag segment, and may be constructed
// themselves.
func (c *Cursor) Octets(e *Element, segment Tag, scratch []byte) (octets []byte, joined bool, code Code) {
	if !e.Constructed {
		return e.Content, false, None
	}
	out, _, code := c.join(e, segment, slices.Grow(scratch, len(e.Content)))
	return out, true, code
}

// Place returns the offset in the input of octet n, from 0, of an OCTET STRING
// element that Octets has read, in whichever segment it is. Where the string
// has not so many octets it is the offset behind it.
func (c *Cursor) Place(e *Element, n int) int {
	if !e.Constructed {
		return e.Offset + e.Header + min(n, len(e.Content))
	}
	at, _ := c.place(e, n)
	return at
}

// place returns the place of octet n, or how many octets of n are left behind e.
func (c *Cursor) place(e *Element, n int) (at, left int) {
	in := c.Enter(e)
	var s Element
	for in.Next(&s) {
		switch {
		case !s.Constructed && n < len(s.Content):
			return s.Offset + s.Header + n, -1
		case !s.Constructed:
			n -= len(s.Content)
		default:
			if at, n = in.place(&s, n); n < 0 {
				return at, n
			}
		}
	}
	return e.End, n
}

func (c *Cursor) join(e *Element, segment Tag, dst []byte) ([]byte, int, Code) {
	in := c.Enter(e)
	var s Element
	for in.Next(&s) {
		if s.Tag != segment {
			return dst, s.Offset, BadValue
		}
		if !s.Constructed {
			dst = append(dst, s.Content...)
			continue
		}
		var at int
		var code Code
		if dst, at, code = in.join(&s, segment, dst); code != None {
			return dst, at, code
		}
	}
	return dst, in.ErrOffset(), in.Code()
}

// BitString returns the bits of a BIT STRING element (X.690 8.6), most
// significant bit of the first octet first, and how many bits of the last octet
// are unused. A constructed one is joined in scratch, as Octets does.
func (c *Cursor) BitString(e *Element, scratch []byte) (bits []byte, unused int, code Code) {
	if !e.Constructed {
		return bitSegment(e.Content)
	}
	return c.joinBits(e, scratch, 0)
}

func bitSegment(content []byte) (bits []byte, unused int, code Code) {
	if len(content) == 0 || content[0] > 7 || len(content) == 1 && content[0] != 0 {
		return nil, 0, BadValue
	}
	return content[1:], int(content[0]), None
}

func (c *Cursor) joinBits(e *Element, dst []byte, unused int) ([]byte, int, Code) {
	in := c.Enter(e)
	var s Element
	for in.Next(&s) {
		// Only the last segment may leave bits unused (X.690 8.6.4).
		if s.Tag != TagBitString || unused != 0 {
			return dst, unused, BadValue
		}
		if s.Constructed {
			var code Code
			if dst, unused, code = in.joinBits(&s, dst, unused); code != None {
				return dst, unused, code
			}
			continue
		}
		bits, u, code := bitSegment(s.Content)
		if code != None {
			return dst, 0, code
		}
		dst, unused = append(dst, bits...), u
	}
	return dst, unused, in.Code()
}

// Bit reports whether bit n of a BIT STRING's bits is set; bits beyond its end
// are not (X.680 22.7: named bit lists carry no trailing zero bits).
func Bit(bits []byte, n int) bool {
	return n>>3 < len(bits) && bits[n>>3]&(0x80>>(n&7)) != 0
}

// AppendOID appends the dotted form of an OBJECT IDENTIFIER's contents octets
// (X.690 8.19) to dst. ok is false, and dst is returned as it came, when they
// are empty, cut short, or hold an arc of more than 63 bits.
func AppendOID(dst, content []byte) (out []byte, ok bool) {
	if len(content) == 0 || content[len(content)-1] >= 0x80 {
		return dst, false
	}
	out = dst
	arc, first := uint64(0), true
	for _, b := range content {
		if arc > 1<<56-1 {
			return dst, false
		}
		arc = arc<<7 | uint64(b&0x7f)
		if b >= 0x80 {
			continue
		}
		if first {
			first = false
			root := min(arc/40, 2)
			out = append(out, byte('0'+root))
			arc -= root * 40
		}
		// Most arcs have one digit.
		if arc < 10 {
			out = append(out, '.', byte('0'+arc))
		} else {
			out = appendUint(append(out, '.'), arc)
		}
		arc = 0
	}
	return out, true
}

// UTCTime returns the time of a UTCTime's contents octets (X.680 47,
// YYMMDDhhmm[ss](Z|+hhmm|-hhmm)), in UTC. Years from 50 on are of the 1900s.
// The zone may be missing, as old implementations leave it out; then UTC is
// taken.
func UTCTime(content []byte) (time.Time, bool) {
	if len(content) == 13 && content[12] == 'Z' {
		if seconds, ok := plainUTC((*[12]byte)(content)); ok {
			return time.Unix(seconds, 0).UTC(), true
		}
	}
	return anyUTC(content)
}

func anyUTC(content []byte) (time.Time, bool) {
	year, ok := twoDigits(content, 0)
	if !ok {
		return time.Time{}, false
	}
	if year < 50 {
		year += 100
	}
	return clock(1900+year, content, 2)
}

// plainUTC returns the seconds since 1970 of a UTCTime as nearly all are, with seconds and
// Z, which is left out here. It reads all digits at once, and knows no hour 24.
func plainUTC(s *[12]byte) (seconds int64, ok bool) {
	const zeros, six, odd, pairs = 0x3030303030303030, 0x0606060606060606, 0xf0f0f0f0f0f0f0f0, 0x00ff00ff00ff00ff
	date := binary.LittleEndian.Uint64(s[:8]) ^ zeros
	clock := uint64(binary.LittleEndian.Uint32(s[8:])) ^ zeros>>32
	// What is no digit has one of the four high bits, or gets it.
	if (date|(date+six)|clock|(clock+six>>32))&odd != 0 {
		return 0, false
	}
	date = date&pairs*10 + date>>8&pairs
	clock = clock&pairs*10 + clock>>8&pairs
	year, month, day, hour := int(date&0xff), int(date>>16&0xff), int(date>>32&0xff), int(date>>48)
	minute, second := int(clock&0xff), int(clock>>16)
	if year < 50 {
		year += 100
	}
	// Each fourth year from 1950 to 2049 is a leap year.
	leap := year&3 == 0
	if month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	before, days := beforeMonth[month], beforeMonth[month+1]-beforeMonth[month]
	if leap && month >= 2 {
		if month == 2 {
			days++
		} else {
			before++
		}
	}
	if day < 1 || day > days {
		return 0, false
	}
	days = (year-70)*365 + (year-69)>>2 + before + day - 1
	return int64(((days*24+hour)*60+minute)*60 + second), true
}

// GeneralizedTime returns the time of a GeneralizedTime's contents octets
// (X.680 46), in UTC. Minutes, seconds and their fraction may be missing; a
// missing zone, which means local time there, is taken as UTC.
func GeneralizedTime(content []byte) (time.Time, bool) {
	century, ok1 := twoDigits(content, 0)
	year, ok2 := twoDigits(content, 2)
	if !ok1 || !ok2 {
		return time.Time{}, false
	}
	return clock(100*century+year, content, 4)
}

// clock reads what follows the year: the fraction is one of the last unit
// that is written (X.680 46.2 b and c), and second 60 is a leap second.
func clock(year int, s []byte, p int) (time.Time, bool) {
	month, ok1 := twoDigits(s, p)
	day, ok2 := twoDigits(s, p+2)
	hour, ok3 := twoDigits(s, p+4)
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month) {
		return time.Time{}, false
	}
	p += 6
	unit := time.Hour
	minute, ok := twoDigits(s, p)
	second := 0
	if ok {
		p += 2
		unit = time.Minute
		if second, ok = twoDigits(s, p); ok {
			p += 2
			unit = time.Second
		}
	}
	fraction := time.Duration(0)
	if p < len(s) && (s[p] == '.' || s[p] == ',') {
		p++
		start := p
		for ; p < len(s) && s[p] >= '0' && s[p] <= '9'; p++ {
			unit /= 10
			fraction += time.Duration(s[p]-'0') * unit
		}
		if p == start {
			return time.Time{}, false
		}
	}
	// ISO 8601 calls the end of a day hour 24.
	if minute > 59 || second > 60 || hour > 24 || hour == 24 && (minute != 0 || second != 0 || fraction != 0) {
		return time.Time{}, false
	}
	offset := 0
	switch {
	case p == len(s):
	case s[p] == 'Z' && p+1 == len(s):
	case (s[p] == '+' || s[p] == '-') && (len(s) == p+5 || len(s) == p+3):
		h, ok := twoDigits(s, p+1)
		m := 0
		if ok && len(s) == p+5 {
			m, ok = twoDigits(s, p+3)
		}
		if !ok || h > 23 || m > 59 {
			return time.Time{}, false
		}
		offset = (h*60 + m) * 60
		if s[p] == '-' {
			offset = -offset
		}
	default:
		return time.Time{}, false
	}
	// All is in its range: time.Date would bring it there by several divisions.
	seconds := ((daysBefore(year, month)+day-1)*24+hour)*3600 + minute*60 + second
	return time.Unix(int64(seconds-offset), int64(fraction)).UTC(), true
}

// beforeMonth are the days of a year without a leap day before each month, from 1.
var beforeMonth = [14]int{1: 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// daysOf returns how many days a month has.
func daysOf(year, month int) int {
	if month == 2 && isLeap(year) {
		return 29
	}
	return beforeMonth[month+1] - beforeMonth[month]
}

// daysBefore returns the days from the beginning of 1970 to that of a month of a year
// from 0 on.
func daysBefore(year, month int) int {
	n := beforeMonth[month]
	if month > 2 && isLeap(year) {
		n++
	}
	// Counted from 400 years before the year 1, so that no quotient is negative.
	y := uint(year + 399)
	return n + int(365*y+y/4-y/100+y/400) - (146_097 + 719_162)
}

// twoDigits returns the number that the two octets at p are, with ok false where they
// are not both there or not both digits.
func twoDigits(s []byte, p int) (v int, ok bool) {
	if p+2 > len(s) {
		return 0, false
	}
	tens, units := s[p]-'0', s[p+1]-'0'
	if tens > 9 || units > 9 {
		return 0, false
	}
	return int(tens)*10 + int(units), true
}

// AppendUniversal appends the UTF-8 form of a UniversalString's octets (UCS-4,
// big endian; X.690 8.23.7) to dst. Values outside Unicode become U+FFFD.
func AppendUniversal(dst, octets []byte) ([]byte, bool) {
	if len(octets)%4 != 0 {
		return dst, false
	}
	for ; len(octets) > 0; octets = octets[4:] {
		r := rune(utf8.RuneError)
		if v := binary.BigEndian.Uint32(octets); v <= utf8.MaxRune {
			r = rune(v)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}

// AppendBMP appends the UTF-8 form of a BMPString's octets (UCS-2, big endian;
// X.690 8.23.8) to dst. Surrogate pairs, which some senders use, are joined.
func AppendBMP(dst, octets []byte) ([]byte, bool) {
	if len(octets)%2 != 0 {
		return dst, false
	}
	for ; len(octets) > 0; octets = octets[2:] {
		r := rune(binary.BigEndian.Uint16(octets))
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if len(octets) >= 4 {
				low = rune(binary.BigEndian.Uint16(octets[2:]))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				octets = octets[2:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}
