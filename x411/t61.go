package x411

import "unicode/utf8"

// T.61 (TeletexString) as X.411 uses it: in G0 the teletex primary set
// (ISO-IR 102), in G1 the supplementary set (ISO-IR 103), whose column 4 holds
// diacritics that precede their letter. ISO 6937 fills the positions that T.61
// leaves open; where the two agree on nothing the ASCII character stands, as
// senders mean it.

// supplementary is the supplementary set from A0 to FF but for the diacritics of
// C0 to CF (ISO 6937). Zero means that the position is not used.
var supplementary = [96]rune{
	0x00A0, '¡', '¢', '£', '$', '¥', '#', '§', '¤', '‘', '“', '«', '←', '↑', '→', '↓',
	'°', '±', '²', '³', '×', 'µ', '¶', '·', '÷', '’', '”', '»', '¼', '½', '¾', '¿',
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	'—', '¹', '®', '©', '™', '♪', '¬', '¦', 0, 0, 0, 0, '⅛', '⅜', '⅝', '⅞',
	'Ω', 'Æ', 'Ð', 'ª', 'Ħ', 0, 'Ĳ', 'Ŀ', 'Ł', 'Ø', 'Œ', 'º', 'Þ', 'Ŧ', 'Ŋ', 'ŉ',
	'ĸ', 'æ', 'đ', 'ð', 'ħ', 'ı', 'ĳ', 'ŀ', 'ł', 'ø', 'œ', 'ß', 'þ', 'ŧ', 'ŋ', 0x00AD,
}

// diacritic is one of C0 to CF: the letters that it is composed with, what they
// become, what it is above a space, and the combining character for any other
// letter.
type diacritic struct {
	letters   string
	composed  []rune
	alone     rune
	combining rune
}

var diacritics = [16]diacritic{
	0x1: {"AEIOUaeiou", []rune("ÀÈÌÒÙàèìòù"), '`', 0x0300},
	0x2: {"ACEILNORSUYZaceilnorsuyz", []rune("ÁĆÉÍĹŃÓŔŚÚÝŹáćéíĺńóŕśúýź"), '´', 0x0301},
	0x3: {"ACEGHIJOSUWYaceghijosuwy", []rune("ÂĈÊĜĤÎĴÔŜÛŴŶâĉêĝĥîĵôŝûŵŷ"), '^', 0x0302},
	0x4: {"AINOUainou", []rune("ÃĨÑÕŨãĩñõũ"), '~', 0x0303},
	0x5: {"AEIOUaeiou", []rune("ĀĒĪŌŪāēīōū"), '¯', 0x0304},
	0x6: {"AGUagu", []rune("ĂĞŬăğŭ"), '˘', 0x0306},
	0x7: {"CEGIZcegz", []rune("ĊĖĠİŻċėġż"), '˙', 0x0307},
	0x8: {"AEIOUYaeiouy", []rune("ÄËÏÖÜŸäëïöüÿ"), '¨', 0x0308},
	// C9 is the umlaut, which T.61 told from the diaeresis of C8.
	0x9: {"AEIOUYaeiouy", []rune("ÄËÏÖÜŸäëïöüÿ"), '¨', 0x0308},
	0xA: {"AUau", []rune("ÅŮåů"), '˚', 0x030A},
	0xB: {"CGKLNRSTcgklnrst", []rune("ÇĢĶĻŅŖŞŢçģķļņŗşţ"), '¸', 0x0327},
	0xC: {"", nil, '_', 0x0332},
	0xD: {"OUou", []rune("ŐŰőű"), '˝', 0x030B},
	0xE: {"AEIUaeiu", []rune("ĄĘĮŲąęįų"), '˛', 0x0328},
	0xF: {"CDELNRSTZcdelnrstz", []rune("ČĎĚĽŇŘŠŤŽčďěľňřšťž"), 'ˇ', 0x030C},
}

// charset is what is designated to G0 or G1.
type charset uint8

const (
	setTeletex charset = iota // primary in G0, supplementary in G1
	setASCII
	setLatin1
	setUnknown
	setUnknownWide // two octets a character
)

// plainT61 reports whether s is the same in T.61 as in UTF-8.
func plainT61(s []byte) bool {
	for _, b := range s {
		if b >= 0x80 || b == '$' || b == 0x0e || b == 0x0f || b == 0x19 || b == 0x1b {
			return false
		}
	}
	return true
}

// AppendT61 appends the UTF-8 form of T.61 octets to dst. A character of a set
// that was designated by an escape sequence and is not known here becomes
// U+FFFD, as does an unused position; at most three octets are appended for each
// of s.
func AppendT61(dst, s []byte) []byte {
	g0, g1 := setTeletex, setTeletex
	shifted := false // by SO: G1 is used in the left half
	for i := 0; i < len(s); {
		b := s[i]
		switch {
		case b == 0x1b:
			n := escape(s[i:], &g0, &g1)
			i += n
			continue
		case b == 0x9b:
			i += control(s[i:])
			continue
		case b == 0x0e || b == 0x0f:
			shifted = b == 0x0e
			i++
			continue
		case b == 0x19 && i+1 < len(s):
			// SS2: one character of the supplementary set.
			var n int
			dst, n = appendSupplementary(dst, s[i+1:])
			i += 1 + n
			continue
		case b < 0x20 || b == 0x7f:
			dst = append(dst, b)
			i++
			continue
		case b >= 0x80 && b < 0xa0:
			// Partial line up and down carry no character.
			if b != 0x8b && b != 0x8c {
				dst = utf8.AppendRune(dst, utf8.RuneError)
			}
			i++
			continue
		}
		right := shifted || b >= 0xa0
		set := g0
		if right {
			set = g1
		}
		if b == ' ' && set != setUnknownWide {
			dst = append(dst, ' ') // The same in every 94-character set.
			i++
			continue
		}
		switch set {
		case setTeletex:
			n := 1
			if right {
				dst, n = appendSupplementary(dst, s[i:])
			} else {
				dst = appendPrimary(dst, b)
			}
			i += n
		case setASCII:
			dst = append(dst, b&0x7f)
			i++
		case setLatin1:
			dst = utf8.AppendRune(dst, rune(b|0x80))
			i++
		case setUnknownWide:
			dst = utf8.AppendRune(dst, utf8.RuneError)
			i += min(2, len(s)-i)
		default:
			dst = utf8.AppendRune(dst, utf8.RuneError)
			i++
		}
	}
	return dst
}

// appendPrimary appends a character of the primary set, in which 24 is the
// currency sign (ISO-IR 102).
func appendPrimary(dst []byte, b byte) []byte {
	if b == '$' {
		return utf8.AppendRune(dst, '¤')
	}
	return append(dst, b)
}

// appendSupplementary appends the character of the supplementary set that s
// begins with, in either half, and returns how many octets of s that took. A
// diacritic takes its letter along: what they compose, else the letter with the
// combining character. Without a letter, and for an unused position, U+FFFD
// stands.
func appendSupplementary(dst, s []byte) ([]byte, int) {
	c := s[0] | 0x80
	if c < 0xa0 {
		return utf8.AppendRune(dst, utf8.RuneError), 1
	}
	if c < 0xc0 || c >= 0xd0 {
		r := supplementary[c-0xa0]
		if r == 0 {
			r = utf8.RuneError
		}
		return utf8.AppendRune(dst, r), 1
	}
	d := &diacritics[c&0x0f]
	if d.combining == 0 || len(s) < 2 || s[1] < ' ' || s[1] >= 0x7f {
		return utf8.AppendRune(dst, utf8.RuneError), 1
	}
	letter := s[1]
	if letter == ' ' {
		return utf8.AppendRune(dst, d.alone), 2
	}
	for i := range len(d.letters) {
		if d.letters[i] == letter {
			return utf8.AppendRune(dst, d.composed[i]), 2
		}
	}
	dst = appendPrimary(dst, letter)
	return utf8.AppendRune(dst, d.combining), 2
}

// escape reads the escape sequence (ISO 2022) that s begins with, notes what it
// designates, and returns its length. Sequences that designate nothing to G0 or
// G1 are passed over.
func escape(s []byte, g0, g1 *charset) int {
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i == len(s) || s[i] < 0x30 || s[i] > 0x7e {
		return i
	}
	final := s[i]
	inter := s[1:i]
	wide := len(inter) > 0 && inter[0] == 0x24
	if wide {
		inter = inter[1:]
		if len(inter) == 0 {
			// ESC 24 40, 41 and 42 of the first edition mean G0.
			*g0 = setUnknownWide
			return i + 1
		}
	}
	if len(inter) == 0 {
		return i + 1
	}
	set := setUnknown
	switch {
	case wide:
		set = setUnknownWide
	case inter[0] == 0x28 && final == 0x75, // ISO-IR 102
		inter[0] == 0x29 && (final == 0x76 || final == 0x6c), // ISO-IR 103, 90
		inter[0] == 0x2d && (final == 0x4a || final == 0x52): // ISO-IR 142, 156
		set = setTeletex
	case (inter[0] == 0x28 || inter[0] == 0x29) && (final == 0x40 || final == 0x42): // ISO-IR 2, 6
		set = setASCII
	case inter[0] == 0x2d && final == 0x41: // ISO-IR 100
		set = setLatin1
	}
	switch inter[0] {
	case 0x28:
		*g0 = set
	case 0x29, 0x2d:
		*g1 = set
	}
	return i + 1
}

// control returns the length of the control sequence (CSI, ISO 6429) that s
// begins with; T.61 uses them for presentation only.
func control(s []byte) int {
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x3f {
		i++
	}
	if i < len(s) && s[i] >= 0x40 && s[i] <= 0x7e {
		i++
	}
	return i
}
