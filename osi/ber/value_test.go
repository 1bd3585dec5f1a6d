package ber

import (
	"encoding/asn1"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestBool(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want, ok bool
	}{
		{"true", "ff", true, true},
		{"false", "00", false, true},
		{"any non-zero octet", "01", true, true},
		{"empty", "", false, false},
		{"two octets", "ff ff", false, false},
	} {
		if got, ok := Bool(unhex(t, test.in)); got != test.want || ok != test.ok {
			t.Errorf("%s: got %v %v", test.name, got, ok)
		}
	}
}

func TestInt64(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     int64
		ok       bool
	}{
		{"zero", "00", 0, true},
		{"127", "7f", 127, true},
		{"128", "00 80", 128, true},
		{"-1", "ff", -1, true},
		{"-128", "80", -128, true},
		{"-129", "ff 7f", -129, true},
		{"largest", "7f ff ff ff ff ff ff ff", math.MaxInt64, true},
		{"smallest", "80 00 00 00 00 00 00 00", math.MinInt64, true},
		{"largest, padded", "00 00 7f ff ff ff ff ff ff ff", math.MaxInt64, true},
		{"smallest, padded", "ff ff 80 00 00 00 00 00 00 00", math.MinInt64, true},
		{"2^63", "00 80 00 00 00 00 00 00 00", 0, false},
		{"-2^63-1", "ff 7f ff ff ff ff ff ff ff", 0, false},
		{"2^64", "01 00 00 00 00 00 00 00 00", 0, false},
		{"many zeros", strings.Repeat("00 ", 200) + "05", 5, true},
		{"empty", "", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := unhex(t, test.in)
			got, ok := Int64(in)
			if ok != test.ok || ok && got != test.want {
				t.Errorf("got %d %v, want %d %v", got, ok, test.want, test.ok)
			}
			// Agreement with encoding/asn1 wherever that takes the octets.
			der := append([]byte{2, byte(len(in))}, in...)
			var n *big.Int
			if _, err := asn1.Unmarshal(der, &n); err == nil && len(in) < 128 {
				if n.IsInt64() != ok || ok && n.Int64() != got {
					t.Errorf("got %d %v, encoding/asn1 has %v", got, ok, n)
				}
			}
		})
	}
}

func TestOctets(t *testing.T) {
	const ia5, octet = TagIA5String, TagOctetString
	for _, test := range []struct {
		name, in string
		segment  Tag
		want     string
		joined   bool
		code     Code
	}{
		{"primitive", "16 03 61 62 63", octet, "abc", false, None},
		{"constructed", "36 06 04 01 61 04 01 62", octet, "ab", true, None},
		{"constructed, universal tag of the type", "36 05 16 03 61 62 63", ia5, "abc", true, None},
		{"constructed, indefinite", "36 80 04 01 61 04 00 04 02 62 63 00 00", octet, "abc", true, None},
		{"nested", "24 80 24 04 04 02 61 62 04 01 63 24 80 04 01 64 00 00 00 00", octet, "abcd", true, None},
		{"no segments", "24 00", octet, "", true, None},
		{"implicit tag", "a3 80 04 01 61 04 01 62 00 00", octet, "ab", true, None},
		{"wrong segment", "24 05 04 01 61 05 00", octet, "a", true, BadValue},
		{"wrong segment below", "24 07 24 05 04 01 61 05 00", octet, "a", true, BadValue},
		{"cut segment", "24 04 04 05 61 62", octet, "", true, LengthExceedsParent},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			var e Element
			c := d.Reset(unhex(t, test.in))
			if !c.Next(&e) {
				t.Fatal(c.Err())
			}
			got, joined, code := c.Octets(&e, test.segment, nil)
			if string(got) != test.want || joined != test.joined || code != test.code {
				t.Errorf("got %q %v %v, want %q %v %v", got, joined, code, test.want, test.joined, test.code)
			}
		})
	}
	t.Run("scratch is used", func(t *testing.T) {
		in := unhex(t, "24 06 04 01 61 04 01 62")
		var d Decoder
		scratch := make([]byte, 0, 16)
		if n := testing.AllocsPerRun(10, func() {
			var e Element
			c := d.Reset(in)
			c.Next(&e)
			c.Octets(&e, octet, scratch)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("too deep", func(t *testing.T) {
		d := Decoder{MaxDepth: 2}
		var e Element
		c := d.Reset(unhex(t, "24 06 24 04 24 02 04 00"))
		c.Next(&e)
		if _, _, code := c.Octets(&e, octet, nil); code != TooDeep {
			t.Errorf("got %v", code)
		}
	})
}

func TestBitString(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		unused         int
		code           Code
	}{
		// X.690 8.6.4.2: '0A3B5F291CD'H in both forms.
		{"primitive", "03 07 04 0a 3b 5f 29 1c d0", "0a3b5f291cd0", 4, None},
		{"constructed", "23 80 03 03 00 0a 3b 03 05 04 5f 29 1c d0 00 00", "0a3b5f291cd0", 4, None},
		{"empty", "03 01 00", "", 0, None},
		{"constructed, empty", "23 00", "", 0, None},
		{"nested", "23 80 23 04 03 02 00 aa 03 02 01 fe 00 00", "aafe", 1, None},
		{"implicit tag, constructed", "a5 04 03 02 05 a0", "a0", 5, None},
		{"no octets", "03 00", "", 0, BadValue},
		{"eight unused", "03 02 08 00", "", 0, BadValue},
		{"unused of nothing", "03 01 01", "", 0, BadValue},
		{"unused bits before the last segment", "23 08 03 02 01 aa 03 02 00 aa", "aa", 1, BadValue},
		{"wrong segment", "23 03 04 01 aa", "", 0, BadValue},
		{"bad segment", "23 02 03 00", "", 0, BadValue},
		{"bad segment below", "23 04 23 02 03 00", "", 0, BadValue},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			var e Element
			c := d.Reset(unhex(t, test.in))
			if !c.Next(&e) {
				t.Fatal(c.Err())
			}
			got, unused, code := c.BitString(&e, nil)
			if code != test.code || code == None && (string(got) != string(unhex(t, test.want)) || unused != test.unused) {
				t.Errorf("got %x %d %v, want %s %d %v", got, unused, code, test.want, test.unused, test.code)
			}
			var b asn1.BitString
			if _, err := asn1.Unmarshal(d.Input(), &b); err == nil && (string(b.Bytes) != string(got) || b.BitLength != 8*len(got)-unused) {
				t.Errorf("got %x %d, encoding/asn1 has %x with %d bits", got, unused, b.Bytes, b.BitLength)
			}
		})
	}
}

func TestBit(t *testing.T) {
	bits := []byte{0x80, 0x01}
	for n, want := range map[int]bool{0: true, 1: false, 7: false, 8: false, 15: true, 16: false, 1000: false} {
		if Bit(bits, n) != want {
			t.Errorf("bit %d is %v", n, !want)
		}
	}
}

func TestAppendOID(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		ok             bool
	}{
		{"X.690 8.19.5, joint-iso-itu-t 100 3", "81 34 03", "2.100.3", true},
		{"P1 abstract syntax", "56 00 01 06", "2.6.0.1.6", true},
		{"0.0", "00", "0.0", true},
		{"0.39", "27", "0.39", true},
		{"1.0", "28", "1.0", true},
		{"1.39", "4f", "1.39", true},
		{"2.0", "50", "2.0", true},
		{"2.47", "7f", "2.47", true},
		{"2.48", "81 00", "2.48", true},
		{"iso member-body", "2a 86 48 86 f7 0d 01 01 0b", "1.2.840.113549.1.1.11", true},
		{"arc of 2^31", "2a 88 80 80 80 00", "1.2.2147483648", true},
		{"arc of 2^63-1", "2a ff ff ff ff ff ff ff ff 7f", "1.2.9223372036854775807", true},
		{"arc of 2^63", "2a 81 80 80 80 80 80 80 80 80 00", "", false},
		{"padded arc", "2a 80 05", "1.2.5", true},
		{"empty", "", "", false},
		{"cut", "2a 86", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := unhex(t, test.in)
			got, ok := AppendOID([]byte("x"), in)
			if string(got) != "x"+test.want || ok != test.ok {
				t.Errorf("got %s %v, want x%s %v", got, ok, test.want, test.ok)
			}
			var oid asn1.ObjectIdentifier
			if _, err := asn1.Unmarshal(append([]byte{6, byte(len(in))}, in...), &oid); err == nil && "x"+oid.String() != string(got) {
				t.Errorf("got %s, encoding/asn1 has %v", got, oid)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	utc, gen := UTCTime, GeneralizedTime
	for _, test := range []struct {
		name string
		read func([]byte) (time.Time, bool)
		in   string
		want string // RFC 3339, empty when refused
	}{
		{"UTC", utc, "960501095900Z", "1996-05-01T09:59:00Z"},
		{"UTC without seconds", utc, "9605010959Z", "1996-05-01T09:59:00Z"},
		{"UTC with an offset east", utc, "850822145100+0200", "1985-08-22T12:51:00Z"},
		{"UTC with an offset west, no seconds", utc, "8508221451-0800", "1985-08-22T22:51:00Z"},
		{"UTC with an offset into the next year", utc, "991231233000-0130", "2000-01-01T01:00:00Z"},
		{"UTC without zone", utc, "960501095900", "1996-05-01T09:59:00Z"},
		{"UTC year 49", utc, "490101000000Z", "2049-01-01T00:00:00Z"},
		{"UTC year 50", utc, "500101000000Z", "1950-01-01T00:00:00Z"},
		{"UTC 29 February 2000", utc, "000229000000Z", "2000-02-29T00:00:00Z"},
		{"UTC leap second", utc, "161231235960Z", "2017-01-01T00:00:00Z"},
		{"UTC hour 24", utc, "960501240000Z", "1996-05-02T00:00:00Z"},
		{"UTC a minute after hour 24", utc, "960501240100Z", ""},
		{"UTC hour 25", utc, "960501250000Z", ""},
		{"UTC minute 60", utc, "960501096000Z", ""},
		{"UTC second 61", utc, "960501095961Z", ""},
		{"UTC month 0", utc, "960001095900Z", ""},
		{"UTC month 13", utc, "961301095900Z", ""},
		{"UTC day 0", utc, "960500095900Z", ""},
		{"UTC 31 April", utc, "960431095900Z", ""},
		{"UTC 31 April at hour 24", utc, "960431240000Z", ""},
		{"UTC 29 February 1999", utc, "990229000000Z", ""},
		{"UTC letters", utc, "96o501095900Z", ""},
		{"UTC sign as digit", utc, "+60501095900Z", ""},
		{"UTC cut in the minutes", utc, "960501095Z", ""},
		{"UTC cut in the seconds", utc, "96050109595Z", ""},
		{"UTC cut offset", utc, "960501095900+01", "1996-05-01T08:59:00Z"},
		{"UTC offset of three digits", utc, "960501095900+010", ""},
		{"UTC offset of 24 hours", utc, "960501095900+2400", ""},
		{"UTC offset of 60 minutes", utc, "960501095900+0060", ""},
		{"UTC trailing octets", utc, "960501095900ZZ", ""},
		{"UTC empty", utc, "", ""},
		// X.690 11.7.5 and X.680 46: forms with a fraction.
		{"generalized", gen, "19920521000000Z", "1992-05-21T00:00:00Z"},
		{"generalized, tenths", gen, "19920722132100.3Z", "1992-07-22T13:21:00.3Z"},
		{"generalized, comma", gen, "19920722132100,25Z", "1992-07-22T13:21:00.25Z"},
		{"generalized, offset", gen, "19851106210627.3-0500", "1985-11-07T02:06:27.3Z"},
		{"generalized, hour only", gen, "1992072213Z", "1992-07-22T13:00:00Z"},
		{"generalized, part of an hour", gen, "1992072213.5Z", "1992-07-22T13:30:00Z"},
		{"generalized, part of a minute", gen, "199207221321.25Z", "1992-07-22T13:21:15Z"},
		{"generalized, twenty digits of a second", gen, "19920722132100.12345678901234567890Z", "1992-07-22T13:21:00.123456789Z"},
		{"generalized, no digits after the point", gen, "19920722132100.Z", ""},
		{"generalized, hour 24", gen, "19920722240000Z", "1992-07-23T00:00:00Z"},
		{"generalized, beyond hour 24", gen, "19920722240000.1Z", ""},
		{"generalized, local", gen, "19920722132100", "1992-07-22T13:21:00Z"},
		{"generalized, two-digit year", gen, "920722132100Z", ""},
		{"generalized, short", gen, "199207", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := test.read([]byte(test.in))
			s := ""
			if ok {
				s = got.Format(time.RFC3339Nano)
			}
			if s != test.want {
				t.Errorf("got %q, want %q", s, test.want)
			}
		})
	}
}

// TestEveryMonth holds the days that months have, and where they lie, against package time.
func TestEveryMonth(t *testing.T) {
	for year := range 10_000 {
		for month := 1; month <= 12; month++ {
			for _, day := range []int{1, 28, 29, 30, 31} {
				s := fmt.Appendf(nil, "%04d%02d%02d0102Z", year, month, day)
				want := time.Date(year, time.Month(month), day, 1, 2, 0, 0, time.UTC)
				exists := want.Day() == day
				if got, ok := GeneralizedTime(s); ok != exists || ok && got != want {
					t.Fatalf("%s is %v, %v; want %v, %v", s, got, ok, want, exists)
				}
				if year < 1950 || year >= 2050 {
					continue
				}
				if got, ok := UTCTime(s[2:]); ok != exists || ok && got != want {
					t.Fatalf("%s is %v, %v; want %v, %v", s[2:], got, ok, want, exists)
				}
			}
		}
	}
}

func TestAppendUniversal(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		ok             bool
	}{
		{"ascii and beyond", "00 00 00 41 00 00 20 ac 00 01 f6 00", "A€😀", true},
		{"surrogate", "00 00 d8 00", "\ufffd", true},
		{"beyond Unicode", "00 11 00 00 ff ff ff ff", "\ufffd\ufffd", true},
		{"odd", "00 00 00", "", false},
	} {
		if got, ok := AppendUniversal(nil, unhex(t, test.in)); string(got) != test.want || ok != test.ok {
			t.Errorf("%s: got %q %v", test.name, got, ok)
		}
	}
}

func TestAppendBMP(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		ok             bool
	}{
		{"ascii and beyond", "00 41 20 ac", "A€", true},
		{"surrogate pair", "d8 3d de 00 00 41", "😀A", true},
		{"lone high", "d8 3d 00 41", "\ufffdA", true},
		{"lone low", "de 00 00 41", "\ufffdA", true},
		{"high at the end", "d8 3d", "\ufffd", true},
		{"odd", "00", "", false},
	} {
		if got, ok := AppendBMP(nil, unhex(t, test.in)); string(got) != test.want || ok != test.ok {
			t.Errorf("%s: got %q %v", test.name, got, ok)
		}
	}
}

func TestTagString(t *testing.T) {
	for tag, want := range map[Tag]string{
		Context(2): "[2]", App(3): "[APPLICATION 3]", TagSequence: "[UNIVERSAL 16]", MakeTag(Private, MaxTagNumber): "[PRIVATE 1073741823]", Context(0): "[0]",
	} {
		if got := tag.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     []int // Of octet 0, 1, ...; the last is that of an octet too many.
	}{
		{"primitive", "04 03 61 62 63", []int{2, 3, 4, 5}},
		{"empty", "04 00", []int{2}},
		{"two segments", "24 07 04 01 61 04 02 62 63", []int{4, 7, 8, 9}},
		{"an empty segment first", "24 05 04 00 04 01 61", []int{6, 7}},
		{"nested, indefinite", "24 80 24 80 04 01 61 00 00 04 01 62 00 00", []int{6, 11, 14}},
		{"no octets", "24 02 04 00", []int{4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			in := unhex(t, test.in)
			c := d.Reset(in)
			var e Element
			if !c.Next(&e) {
				t.Fatal(c.Err())
			}
			octets, _, _ := c.Octets(&e, TagOctetString, nil)
			if len(octets) != len(test.want)-1 {
				t.Fatalf("%d octets, want %d", len(octets), len(test.want)-1)
			}
			for n, want := range test.want {
				at := c.Place(&e, n)
				if at != want {
					t.Errorf("octet %d is at %d, want %d", n, at, want)
				}
				if n < len(octets) && in[at] != octets[n] {
					t.Errorf("octet %d: %#x is at %d, want %#x", n, in[at], at, octets[n])
				}
			}
		})
	}
}

// Plain times, and what nearly is one, are read as any other is.
func TestPlainUTC(t *testing.T) {
	same := func(s []byte) {
		got, ok := UTCTime(s)
		want, wantOK := anyUTC(s)
		if got != want || ok != wantOK {
			t.Fatalf("%q is %v, %v, want %v, %v", s, got, ok, want, wantOK)
		}
	}
	plain := 0
	for year := range 100 {
		for month := range 14 {
			for day := range 33 {
				s := fmt.Appendf(nil, "%02d%02d%02d%02d%02d%02dZ", year, month, day, (year+day)%25, (month+day)*7%61, (year+month)*11%62)
				same(s)
				if _, ok := plainUTC((*[12]byte)(s)); ok {
					plain++
				}
			}
		}
	}
	if plain < 25_000 {
		t.Errorf("%d times were plain", plain)
	}
	for _, s := range []string{"000229235960Z", "991231235959Z", "491231000000Z", "500101000000Z", "240229240000Z"} {
		for i := range s {
			for b := range 256 {
				v := []byte(s)
				v[i] = byte(b)
				same(v)
			}
		}
	}
}
