package x411

import (
	"bytes"
	"testing"
	"time"
	"unicode/utf8"
)

// The expected characters are those of ISO 6937 and of the code charts ISO-IR
// 102 and 103.
func TestT61(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"ASCII", "Hello", "Hello"},
		{"currency sign", "5 $", "5 ¤"},
		{"dollar and number sign", "\xa4 \xa6", "$ #"},
		{"umlaut precedes its letter", "M\xc8uller Stra\xfbe", "Müller Straße"},
		{"the other umlaut", "\xc9o", "ö"},
		{"acute, grave, circumflex, tilde", "\xc2e\xc1e\xc3e\xc4n", "éèêñ"},
		{"ring, cedilla, caron, ogonek", "\xcaA\xcbc\xcfz\xcea", "Åçžą"},
		{"letters of the right half", "\xe1\xe9\xf9\xf1\xec\xf5\xf8", "ÆØøæÞıł"},
		{"diacritic and space", "\xc2 \xc8 ", "´¨"},
		{"letter that is not composed", "\xc2q", "q\u0301"},
		{"diacritic at the end", "a\xc2", "a\ufffd"},
		{"diacritic before another", "\xc2\xc8u", "\ufffdü"},
		{"unused position", "\xe5\xc0", "\ufffd\ufffd"},
		{"C1 controls", "a\x8bb\x80", "ab\ufffd"},
		{"line end", "a\r\nb", "a\r\nb"},
		{"ISO 8859-1 designated", "\x1b\x2d\x41M\xfcller", "Müller"},
		{"ASCII designated to the left", "\x1b\x28\x42$", "$"},
		{"Greek is not known", "\x1b\x2d\x46\xe1 b", "\ufffd b"},
		{"left half of an unknown set", "\x1b\x28\x4ea b", "\ufffd \ufffd"},
		{"two-octet set", "\x1b\x24\x42\x30\x21\x30\x22\x1b\x28\x42ok", "\ufffd\ufffdok"},
		{"shift out", "M\x0eHu\x0fuller", "Müuller"},
		{"single shift", "M\x19Huller", "Müller"},
		{"control sequence", "a\x9b31mb", "ab"},
		{"escape at the end", "a\x1b", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendT61(nil, []byte(tt.in))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzT61(f *testing.F) {
	f.Add([]byte("M\xc8uller"))
	f.Add([]byte("\x1b\x24\x42\x30\x21\x1b\x28\x42ok\x0e\x19"))
	f.Fuzz(func(t *testing.T, s []byte) {
		out := AppendT61(nil, s)
		if !utf8.Valid(out) {
			t.Errorf("%q gives %q", s, out)
		}
		if len(out) > 3*len(s) {
			t.Errorf("%d octets give %d", len(s), len(out))
		}
		if plainT61(s) && string(out) != string(s) {
			t.Errorf("plain %q gives %q", s, out)
		}
	})
}

// TestSevenBits sets the high bit of each octet of strings of every length in turn.
func TestSevenBits(t *testing.T) {
	for n := range 600 {
		s := bytes.Repeat([]byte{0x7f}, n)
		if !SevenBits(s) {
			t.Errorf("%d octets of 7F are not of seven bits", n)
		}
		for i := range s {
			s[i] = 0x80
			if SevenBits(s) {
				t.Errorf("%d octets with 80 as number %d are of seven bits", n, i)
			}
			s[i] = 0x7f
		}
	}
	if !SevenBits(nil) {
		t.Error("none is not of seven bits")
	}
}

// TestAppendClean cleans texts of octets of every sort octet by octet too.
func TestAppendClean(t *testing.T) {
	texts := []string{"", "plain text", "\x00a\x1f\x7fb\n", "M\u00fcller \xff\xc3", "\u20ac", "a\xe2\x82", "\x80\x80", " \t~"}
	for _, b := range []byte{0, 0x1f, ' ', 'a', '~', 0x7f, 0x80, 0xa0, 0xff} {
		for n := range 20 {
			text := []byte("~~~~~~~ ~~~~~~~~   ~"[:n])
			for i := range text {
				old := text[i]
				text[i] = b
				texts = append(texts, string(text))
				text[i] = old
			}
		}
	}
	for _, text := range texts {
		want := ""
		for _, r := range text {
			if r < ' ' || r == 0x7f {
				r = ' '
			}
			want += string(r)
		}
		if got := appendClean([]byte("x"), []byte(text)); string(got) != "x"+want {
			t.Errorf("%q is %q, want %q", text, got[1:], want)
		}
	}
}

// TestAppendTime writes times as package time does.
func TestAppendTime(t *testing.T) {
	at := time.Date(1984, time.February, 29, 23, 59, 58, 7, time.UTC)
	for _, at := range []time.Time{
		at, at.AddDate(-1984, 0, 0), at.AddDate(-1985, 0, 0), at.AddDate(8015, 0, 0), at.AddDate(8016, 0, 0),
		at.AddDate(0, 8, 15).Add(-20 * time.Hour), at.AddDate(-1900, 0, 0), at.In(time.FixedZone("", 3600)),
		time.Unix(0, 0).UTC(), time.Time{}.Add(time.Second),
	} {
		if got, want := string(appendTime(nil, &Time{At: at})), at.Format(time.RFC3339); got != want {
			t.Errorf("%v is %s, want %s", at, got, want)
		}
	}
	if got := string(appendTime(nil, &Time{Raw: []byte("9\x00Z")})); got != "9 Z" {
		t.Errorf("what is no time is %s", got)
	}
}
