package ipm

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"x400flow/osi/ber"
	"x400flow/x411"
)

var (
	charsetASCII     = []byte("us-ascii")
	charsetT61       = []byte("T.61")
	charsetVideotex  = []byte("T.101")
	charsetBMP       = []byte("iso-10646-ucs-2")
	charsetUniversal = []byte("iso-10646-ucs-4")
	charsetUTF8      = []byte("utf-8")
	charsetUTF16     = []byte("utf-16be")
	charsetISO6937   = []byte("iso_6937")
)

// A set is a character set of the ISO International Register.
type set struct {
	// name is IANA's where it has one.
	name         string
	registration int
	// final is the last octet of the escape sequence that designates it.
	final byte
	shape shape
	// table is for the right half of a table of 96 characters.
	table *charmap.Charmap
	// variants stand at national for a set of 94 characters.
	variants string
}

type shape uint8

const (
	shape94 shape = iota
	shape96
	shapeKatakana
	shapeThai
	shapeT61Left
	shapeT61Right
	shapeJIS0208
	shapeJIS0212
	shapeGB2312
	shapeKSC5601
	shapeUnknown
)

func (s shape) wide() bool { return s >= shapeJIS0208 && s <= shapeKSC5601 }

// national are the positions at which sets of 94 characters differ (ISO 646).
const national = "#$@[\\]^`{|}~"

var ascii = &set{name: "us-ascii", registration: 6, final: 'B'}

var sets = [...]*set{
	ascii,
	{name: "iso-646.irv", registration: 2, final: '@', variants: "#¤@[\\]^`{|}‾"},
	{name: "iso646-gb", registration: 4, final: 'A', variants: "£$@[\\]^`{|}‾"},
	{name: "iso646-se", registration: 10, final: 'G', variants: "#¤@ÄÖÅ^`äöå‾"},
	{name: "iso646-se2", registration: 11, final: 'H', variants: "#¤ÉÄÖÅÜéäöåü"},
	{name: "iso646-jp", registration: 14, final: 'J', variants: "#$@[¥]^`{|}‾"},
	{name: "iso646-it", registration: 15, final: 'Y', variants: "£$§°çé^ùàòèì"},
	{name: "iso646-pt", registration: 16, final: 'L', variants: "#$§ÃÇÕ^`ãçõ°"},
	{name: "iso646-es", registration: 17, final: 'Z', variants: "£$§¡Ñ¿^`°ñç~"},
	{name: "iso646-de", registration: 21, final: 'K', variants: "#$§ÄÖÜ^`äöüß"},
	{name: "iso646-fr1", registration: 25, final: 'R', variants: "£$à°ç§^`éùè¨"},
	{name: "iso646-no", registration: 60, final: '`', variants: "#$@ÆØÅ^`æøå‾"},
	{name: "iso646-fr", registration: 69, final: 'f', variants: "£$à°ç§^µéùè¨"},
	{name: "jis_x0201", registration: 13, final: 'I', shape: shapeKatakana},
	{name: "T.61", registration: 102, final: 'u', shape: shapeT61Left},
	{name: "T.61", registration: 103, final: 'v', shape: shapeT61Right},
	{name: "iso-8859-1", registration: 100, final: 'A', shape: shape96, table: charmap.ISO8859_1},
	{name: "iso-8859-2", registration: 101, final: 'B', shape: shape96, table: charmap.ISO8859_2},
	{name: "iso-8859-3", registration: 109, final: 'C', shape: shape96, table: charmap.ISO8859_3},
	{name: "iso-8859-4", registration: 110, final: 'D', shape: shape96, table: charmap.ISO8859_4},
	{name: "iso-8859-5", registration: 144, final: 'L', shape: shape96, table: charmap.ISO8859_5},
	{name: "iso-8859-6", registration: 127, final: 'G', shape: shape96, table: charmap.ISO8859_6},
	{name: "iso-8859-7", registration: 126, final: 'F', shape: shape96, table: charmap.ISO8859_7},
	{name: "iso-8859-8", registration: 138, final: 'H', shape: shape96, table: charmap.ISO8859_8},
	{name: "iso-8859-9", registration: 148, final: 'M', shape: shape96, table: charmap.ISO8859_9},
	{name: "iso-8859-10", registration: 157, final: 'V', shape: shape96, table: charmap.ISO8859_10},
	{name: "iso-8859-11", registration: 166, final: 'T', shape: shapeThai},
	{name: "iso-8859-13", registration: 179, final: 'Y', shape: shape96, table: charmap.ISO8859_13},
	{name: "iso-8859-14", registration: 199, final: '_', shape: shape96, table: charmap.ISO8859_14},
	{name: "iso-8859-15", registration: 203, final: 'b', shape: shape96, table: charmap.ISO8859_15},
	{name: "iso-8859-16", registration: 226, final: 'f', shape: shape96, table: charmap.ISO8859_16},
	{name: "jis_c6226-1978", registration: 42, final: '@', shape: shapeJIS0208},
	{name: "jis_x0208", registration: 87, final: 'B', shape: shapeJIS0208},
	{name: "jis_x0212", registration: 159, final: 'D', shape: shapeJIS0212},
	{name: "gb_2312-80", registration: 58, final: 'A', shape: shapeGB2312},
	{name: "ks_c_5601", registration: 149, final: 'C', shape: shapeKSC5601},
}

var (
	unknownSet   = &set{name: "unknown", shape: shapeUnknown}
	undesignated = &set{name: "iso-8859-1", registration: 100, shape: shape96, table: charmap.ISO8859_1}
)

// registered returns the set of a registration number, nil when it is not known.
func registered(n int) *set {
	for _, s := range sets {
		if s.registration == n {
			return s
		}
	}
	return nil
}

// designated returns the set that an escape sequence designates.
func designated(final byte, wide, right96 bool) *set {
	for _, s := range sets {
		is96 := s.shape == shape96 || s.shape == shapeThai
		if s.final == final && s.shape.wide() == wide && is96 == right96 {
			return s
		}
	}
	return unknownSet
}

// converter turns a GeneralString (ISO 2022) into UTF-8.
type converter struct {
	// charset and reason tell of the last conversion.
	charset []byte
	reason  string

	g      [4]*set
	left   int // Which of g is in the left half, which in the right one.
	right  int
	used   [8]*set
	n      int
	jis    transform.Transformer
	gb, ks transform.Transformer
}

const (
	reasonUnknownSet = "a character set that is not known here"
	reasonNoSet      = "octets above 7F without a character set, read as ISO 8859-1"
	reasonOdd        = "octets left over after the last character"
)

// convert appends the text of s, registered says which sets its parameters name.
// It is false, and reason set, where a set is not known.
func (v *converter) convert(dst, s, registrations []byte) ([]byte, bool) {
	v.reason, v.n, v.charset = "", 0, v.charset[:0]
	v.g = [4]*set{ascii, nil, nil, nil}
	v.left, v.right = 0, 1
	whole := v.initial(registrations)
	if bytes.IndexByte(s, 0x1b) < 0 && whole != nil {
		return v.whole(dst, s, whole)
	}
	shift := -1 // A single shift to this set.
	for i := 0; i < len(s); {
		b := s[i]
		switch {
		case b == 0x1b:
			n, coding := v.escape(s[i:])
			i += n
			if coding != nil {
				end := returnTo(s[i:], coding)
				out, ok := v.whole(dst, s[i:i+end], coding)
				if !ok {
					return dst, false
				}
				dst = out
				i += end
			}
			continue
		case b == 0x0e:
			v.left = 1
		case b == 0x0f:
			v.left = 0
		case b == 0x19 || b == 0x8e:
			shift = 2
		case b == 0x8f:
			shift = 3
		case b < 0x21 || b == 0x7f && v.shapeOf(v.left) != shape96:
			dst = append(dst, b)
		case b >= 0x80 && b < 0xa0:
			dst = utf8.AppendRune(dst, rune(b))
		default:
			set := v.g[v.left]
			if b >= 0xa0 {
				set = v.g[v.right]
			}
			if shift >= 0 {
				set = v.g[shift]
				shift = -1
			}
			if set == nil {
				if b < 0x80 {
					v.reason = reasonUnknownSet
					return dst, false
				}
				set, v.reason = undesignated, reasonNoSet
			}
			out, n, ok := v.character(dst, s[i:], set)
			if !ok {
				return dst, false
			}
			dst = out
			i += n
			continue
		}
		i++
	}
	v.name()
	return dst, true
}

func (v *converter) shapeOf(g int) shape {
	if v.g[g] == nil {
		return shapeUnknown
	}
	return v.g[g].shape
}

// initial designates what the registrations name where no escape sequence does:
// many senders leave these out. It returns a coding that the whole string is in.
func (v *converter) initial(registrations []byte) []byte {
	n, hasASCII := 0, false
	var whole []byte
	var left, right *set
	teletex := 0
	for i := 0; i <= len(registrations); i++ {
		if i < len(registrations) && registrations[i] != ',' {
			n = n*10 + int(registrations[i]&15)
			continue
		}
		switch n {
		case 2, 6:
			hasASCII = true
		case 102, 103:
			teletex++
		case 162, 174, 176:
			whole = charsetBMP
		case 163, 175, 177:
			whole = charsetUniversal
		case 190, 191, 192, 196:
			whole = charsetUTF8
		case 193, 194, 195:
			whole = charsetUTF16
		}
		if s := registered(n); s != nil && n != 6 && n != 2 {
			switch s.shape {
			case shape94:
				left = s
			case shape96, shapeThai, shapeT61Right, shapeKatakana, shapeGB2312, shapeKSC5601:
				if right == nil {
					right = s
				}
			case shapeJIS0208:
				right = s
			}
		}
		n = 0
	}
	if left != nil && !hasASCII {
		v.g[0] = left
	}
	v.g[1] = right
	if whole == nil && teletex == 2 && !hasASCII && (right == nil || right.shape == shapeT61Right) {
		whole = charsetT61
	}
	return whole
}

// returnTo returns how many octets of s are in a coding that an escape sequence
// switched to.
func returnTo(s, coding []byte) int {
	back := []byte("\x1b%@")
	switch {
	case &coding[0] == &charsetBMP[0], &coding[0] == &charsetUTF16[0], &coding[0] == &charsetUniversal[0]:
		return len(s) // The octets of ESC may be part of characters.
	}
	if i := bytes.Index(s, back); i >= 0 {
		return i
	}
	return len(s)
}

// whole appends octets that are all in one coding.
func (v *converter) whole(dst, s, coding []byte) ([]byte, bool) {
	v.charset = append(v.charset[:0], coding...)
	ok := true
	switch &coding[0] {
	case &charsetBMP[0], &charsetUTF16[0]:
		dst, ok = ber.AppendBMP(dst, s)
	case &charsetUniversal[0]:
		dst, ok = ber.AppendUniversal(dst, s)
	case &charsetT61[0]:
		dst = x411.AppendT61(dst, s)
	case &charsetISO6937[0]:
		dst = x411.AppendT61(dst, s)
	default:
		dst = appendValid(dst, s)
	}
	if !ok {
		v.reason = reasonOdd
	}
	return dst, ok
}

// escape reads the escape sequence that s begins with and returns its length,
// and a coding where it switches to one.
func (v *converter) escape(s []byte) (n int, coding []byte) {
	n = 1
	for n < len(s) && s[n] >= 0x20 && s[n] < 0x30 {
		n++
	}
	if n == len(s) {
		return n, nil
	}
	middle, final := s[1:n], s[n]
	n++
	if len(middle) == 0 {
		switch final {
		case 'n': // LS2
			v.left = 2
		case 'o': // LS3
			v.left = 3
		case '~': // LS1R
			v.right = 1
		case '}': // LS2R
			v.right = 2
		case '|': // LS3R
			v.right = 3
		}
		return n, nil
	}
	if middle[0] == '%' {
		switch {
		case len(middle) == 1 && final == 'G', len(middle) == 2 && final >= 'G' && final <= 'I':
			return n, charsetUTF8
		case len(middle) == 2 && (final == '@' || final == 'C' || final == 'E'):
			return n, charsetBMP
		case len(middle) == 2 && (final == 'A' || final == 'D' || final == 'F'):
			return n, charsetUniversal
		case len(middle) == 2 && final >= 'J' && final <= 'L':
			return n, charsetUTF16
		}
		return n, nil
	}
	wide := middle[0] == '$'
	to := middle[len(middle)-1]
	if wide && len(middle) == 1 {
		to = '('
	}
	switch to {
	case '(', ')', '*', '+':
		v.g[to-'('] = designated(final, wide, false)
	case '-', '.', '/':
		v.g[1+to-'-'] = designated(final, wide, true)
	}
	// Anything else, such as the control sets of ESC 2/1, changes no graphic
	// characters.
	return n, nil
}

// character appends the character of set that s begins with.
func (v *converter) character(dst, s []byte, set *set) (out []byte, n int, ok bool) {
	v.use(set)
	b := s[0]
	low := b & 0x7f
	switch set.shape {
	case shape94:
		if low == 0x20 || low == 0x7f {
			return append(dst, ' '), 1, true
		}
		if set.variants != "" {
			if k := strings.IndexByte(national, low); k >= 0 {
				return utf8.AppendRune(dst, nth(set.variants, k)), 1, true
			}
		}
		return append(dst, low), 1, true
	case shape96:
		return utf8.AppendRune(dst, set.table.DecodeByte(low|0x80)), 1, true
	case shapeThai:
		r := rune(0x0e00 + int(low) - 0x20)
		switch {
		case low == 0x20:
			r = 0xa0
		case low > 0x7b, low > 0x5a && low < 0x5f:
			r = utf8.RuneError
		}
		return utf8.AppendRune(dst, r), 1, true
	case shapeKatakana:
		if low < 0x21 || low > 0x5f {
			return utf8.AppendRune(dst, utf8.RuneError), 1, true
		}
		return utf8.AppendRune(dst, 0xff61+rune(low)-0x21), 1, true
	case shapeT61Left:
		return x411.AppendT61(dst, []byte{low}), 1, true
	case shapeT61Right:
		// A diacritic precedes its letter.
		pair := [2]byte{low | 0x80, 0}
		if low >= 0x40 && low < 0x50 && len(s) > 1 {
			pair[1] = s[1] & 0x7f
			return x411.AppendT61(dst, pair[:]), 2, true
		}
		return x411.AppendT61(dst, pair[:1]), 1, true
	case shapeUnknown:
		v.reason = reasonUnknownSet
		return dst, 0, false
	}
	if len(s) < 2 {
		v.reason = reasonOdd
		return dst, 0, false
	}
	return v.wide(dst, b|0x80, s[1]|0x80, set), 2, true
}

func nth(s string, k int) rune {
	for _, r := range s {
		if k == 0 {
			return r
		}
		k--
	}
	return utf8.RuneError
}

// wide appends a character of two octets, which the EUC form of its set has too.
func (v *converter) wide(dst []byte, b1, b2 byte, set *set) []byte {
	src := [3]byte{b1, b2}
	in := src[:2]
	var t *transform.Transformer
	switch set.shape {
	case shapeJIS0208, shapeJIS0212:
		if t = &v.jis; *t == nil {
			*t = japanese.EUCJP.NewDecoder()
		}
		if set.shape == shapeJIS0212 {
			src = [3]byte{0x8f, b1, b2}
			in = src[:]
		}
	case shapeGB2312:
		if t = &v.gb; *t == nil {
			*t = simplifiedchinese.GBK.NewDecoder()
		}
	default:
		if t = &v.ks; *t == nil {
			*t = korean.EUCKR.NewDecoder()
		}
	}
	(*t).Reset()
	var text [2 * utf8.UTFMax]byte
	n, _, err := (*t).Transform(text[:], in, true)
	if err != nil || n == 0 {
		return utf8.AppendRune(dst, utf8.RuneError)
	}
	return append(dst, text[:n]...)
}

func (v *converter) use(set *set) {
	for i := range v.n {
		if v.used[i] == set {
			return
		}
	}
	if v.n < len(v.used) {
		v.used[v.n] = set
		v.n++
	}
}

// name makes the charset of the sets that were used.
func (v *converter) name() {
	for i := range v.n {
		s := v.used[i]
		if s == ascii && (v.n > 1 || len(v.charset) > 0) {
			continue
		}
		if bytes.Contains(v.charset, []byte(s.name)) {
			continue
		}
		if len(v.charset) > 0 {
			v.charset = append(v.charset, '+')
		}
		v.charset = append(v.charset, s.name...)
	}
	if len(v.charset) == 0 {
		v.charset = append(v.charset, charsetASCII...)
	}
}

// appendLatin1 appends octets that are ISO 8859-1.
func appendLatin1(dst, s []byte) []byte {
	for _, b := range s {
		dst = utf8.AppendRune(dst, rune(b))
	}
	return dst
}

// appendValid appends UTF-8, with U+FFFD for what is none.
func appendValid(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}
