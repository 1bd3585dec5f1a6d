package cotp

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The TPDUs of real captures are marked with the file they stand in; the values
// wanted are those that tshark shows for them. The others are made after X.224.
var tpdus = []struct {
	name string
	hex  string
	n    int
	want TPDU // Without Header and User.
	user string
}{
	{"p01: CR", "0ee000000aeb00c203353931c0010b", 15,
		TPDU{Kind: CR, SrcRef: 0x0aeb, TPDUSize: 2048, CalledTSAP: []byte("591"), HaveCalled: true}, ""},
	{"p01: CC", "09d00aeb0aed00c0010b", 10,
		TPDU{Kind: CC, DstRef: 0x0aeb, SrcRef: 0x0aed, TPDUSize: 2048}, ""},
	{"n14: CR with two selectors", "1be00000088f00c107583430302d3838c207583430302d3838c0010a", 28,
		TPDU{Kind: CR, SrcRef: 0x088f, TPDUSize: 1024, CallingTSAP: []byte("X400-88"), CalledTSAP: []byte("X400-88"), HaveCalling: true, HaveCalled: true}, ""},
	{"p01: DT", "02f0800913110101c10e610c300a020101a0056203800100", 24,
		TPDU{Kind: DT, EOT: true}, "0913110101c10e610c300a020101a0056203800100"},
	{"p01: DR", "06800aed0aeb80", 7,
		TPDU{Kind: DR, DstRef: 0x0aed, SrcRef: 0x0aeb, Reason: 128}, ""},
	{"DT, not the last", "02f000aa", 4, TPDU{Kind: DT}, "aa"},
	{"DT with a number, ROA", "02f185", 3, TPDU{Kind: DT, EOT: true, Number: 5}, ""},
	{"DT of class 2", "04f0123485beef", 7, TPDU{Kind: DT, DstRef: 0x1234, EOT: true, Number: 5}, "beef"},
	{"DT of class 4, extended, with checksum", "0bf0123480000007c3020102beef", 14,
		TPDU{Kind: DT, DstRef: 0x1234, EOT: true, Number: 7, HaveChecksum: true, Checksum: 0x0102}, "beef"},
	{"DT of class 4 with checksum", "08f0123405c3020102ff", 10,
		TPDU{Kind: DT, DstRef: 0x1234, Number: 5, HaveChecksum: true, Checksum: 0x0102}, "ff"},
	{"CR of class 4, all parameters", "2ee100000001 41 c0010d c10161 c20162 c3020304 c40101 c60103 c7020102 f0020040 8804000102ff 99 03 010203 c2 00", 47,
		TPDU{Kind: CR, Credit: 1, SrcRef: 1, Class: 4, Options: 1, TPDUSize: 8192, CallingTSAP: []byte("a"), CalledTSAP: []byte{},
			HaveCalling: true, HaveCalled: true, HaveChecksum: true, Checksum: 0x0304, Version: 1, AddOptions: 3, AltClasses: []byte{1, 2},
			PreferredMax: 64 * 128, UnknownCount: 2,
			Unknown: [MaxUnknown]Parameter{{0x88, []byte{0, 1, 2, 0xff}}, {0x99, []byte{1, 2, 3}}}}, ""},
	{"CR with values out of range", "14e00000000100c00101c0020b0bf0051111111111", 21,
		TPDU{Kind: CR, SrcRef: 1, UnknownCount: 3,
			Unknown: [MaxUnknown]Parameter{{0xc0, []byte{1}}, {0xc0, []byte{11, 11}}, {0xf0, []byte{0x11, 0x11, 0x11, 0x11, 0x11}}}}, ""},
	{"DR with additional information and data", "09801111222201e00141beef", 12,
		TPDU{Kind: DR, DstRef: 0x1111, SrcRef: 0x2222, Reason: 1, Additional: []byte("A")}, "beef"},
	{"ER", "0a70111102c10402f080aa", 11,
		TPDU{Kind: ER, DstRef: 0x1111, Reason: 2, Invalid: []byte{2, 0xf0, 0x80, 0xaa}}, ""},
	{"DC", "05c011112222", 6, TPDU{Kind: DC, DstRef: 0x1111, SrcRef: 0x2222}, ""},
	{"AK", "0465111107", 5, TPDU{Kind: AK, Credit: 5, DstRef: 0x1111, Number: 7}, ""},
	{"AK, extended", "0960111100000007000a", 10, TPDU{Kind: AK, DstRef: 0x1111, Number: 7}, ""},
	{"RJ", "0455111107", 5, TPDU{Kind: RJ, Credit: 5, DstRef: 0x1111, Number: 7}, ""},
	{"EA", "0420111107", 5, TPDU{Kind: EA, DstRef: 0x1111, Number: 7}, ""},
	{"EA, extended", "0720111100000007", 8, TPDU{Kind: EA, DstRef: 0x1111, Number: 7}, ""},
	{"ED of class 0", "021080aa", 4, TPDU{Kind: ED, EOT: true}, "aa"},
}

func TestDecode(t *testing.T) {
	for _, tt := range tpdus {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, strip(tt.hex))
			var got TPDU
			got.UnknownCount = MaxUnknown // Left by another.
			n, err := Decode(in, &got)
			if err != nil || n != tt.n {
				t.Fatalf("got %d, %v, want %d", n, err, tt.n)
			}
			if !bytes.Equal(got.User, unhex(t, tt.user)) || len(got.Header) != int(in[0])+1 {
				t.Errorf("got header %x, user data %x", got.Header, got.User)
			}
			got.Header, got.User = nil, nil
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\ngot  %+v\nwant %+v", got, tt.want)
			}
			// Cut anywhere, it is no whole TPDU unless only user data is missing.
			for i := range in {
				n, err := Decode(in[:i], &got)
				if whole := i > int(in[0]); (err == nil) != whole {
					t.Errorf("cut to %d: got %d, %v", i, n, err)
				}
			}
		})
	}
}

func strip(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte(" "), nil))
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		at   int
		want Code
	}{
		{"empty", "", 0, ErrShort},
		{"one octet", "02", 1, ErrShort},
		{"length indicator 0", "00f080", 0, ErrLI},
		{"length indicator 255", "fff080", 0, ErrLI},
		{"cut", "06800aed0aeb", 6, ErrShort},
		{"DT too short", "01f0", 0, ErrLI},
		{"CR too short", "05e00000aaaa", 0, ErrLI},
		{"UD", "024000", 1, ErrKind},
		{"DR with credit", "06810aed0aeb80", 1, ErrKind},
		{"parameter beyond the header", "09e00000aaaa00c0020b", 7, ErrParameter},
		{"parameter without a length", "07e00000aaaa00c0", 7, ErrParameter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got TPDU
			n, err := Decode(unhex(t, tt.hex), &got)
			if err != error(tt.want) || n != tt.at {
				t.Errorf("got %v at %d, want %v at %d", err, n, tt.want, tt.at)
			}
		})
	}
}

// Concatenation (X.224 6.4): those without user data first.
func TestConcatenated(t *testing.T) {
	nsdu := unhex(t, "0465111107"+"05c011112222"+"02f080616263")
	var tpdu TPDU
	var kinds []string
	for len(nsdu) > 0 {
		n, err := Decode(nsdu, &tpdu)
		if err != nil {
			t.Fatalf("after %v: %v at %d", kinds, err, n)
		}
		kinds, nsdu = append(kinds, tpdu.Kind.String()), nsdu[n:]
	}
	if !reflect.DeepEqual(kinds, []string{"AK", "DC", "DT"}) || string(tpdu.User) != "abc" {
		t.Errorf("got %v, %q", kinds, tpdu.User)
	}
}

func TestCredible(t *testing.T) {
	var x TPDU
	for _, tt := range tpdus {
		in := unhex(t, strip(tt.hex))
		Decode(in, &x)
		class0 := x.DstRef == 0 || x.Kind != DT
		want := class0 && x.Kind != AK && x.Kind != EA && x.Kind != RJ
		for i := range len(in) + 1 {
			got := Credible(in[:i], len(in))
			if want && !got || !want && i == len(in) && got {
				t.Errorf("%s, first %d octets: got %v", tt.name, i, got)
			}
		}
	}
	for _, s := range []string{"0ee000010aeb00c203353931c0010b", "0ee000000aeb50c203353931c0010b", "0ee000000aeb00c204353931c0010b", "03f08000", "ff", "01", "00", "024080"} {
		if Credible(unhex(t, s), 15) {
			t.Errorf("%s is credible", s)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	cr, dt, bad := unhex(t, strip(tpdus[0].hex)), unhex(t, strip(tpdus[3].hex)), []byte{2, 0x40, 0}
	var x TPDU
	if n := testing.AllocsPerRun(100, func() {
		Decode(cr, &x)
		Decode(dt, &x)
		Decode(bad, &x)
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range tpdus {
		f.Add(unhex(f, strip(tt.hex)))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var x TPDU
		n, err := Decode(in, &x)
		connecting := err == nil && (x.Kind == CR || x.Kind == CC)
		if kind, ok := Connecting(in); ok != connecting || ok && (kind != x.Kind || n != len(in)) {
			t.Fatalf("%v connects: %t, want %t, %v and %d of %d octets", kind, ok, connecting, x.Kind, n, len(in))
		}
		if got, want := Connects(in), connecting && Credible(in, len(in)); got != want {
			t.Fatalf("connects: %t, want %t", got, want)
		}
		if len(in) > 0 && Credible(in, len(in)) && err != nil {
			t.Fatalf("credible, and %v", err)
		}
		if err != nil {
			if n > len(in) {
				t.Fatalf("offset %d of %d", n, len(in))
			}
			return
		}
		if n <= 0 || n > len(in) || len(x.Header)+len(x.User) != n || x.UnknownCount < 0 {
			t.Fatalf("%d of %d: %+v", n, len(in), x)
		}
		// What was used decodes to the same.
		var y TPDU
		if m, err := Decode(in[:n], &y); m != n || err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("again: %d, %v", m, err)
		}
	})
}

func BenchmarkDecodeDT(b *testing.B) {
	in := append(unhex(b, "02f080"), make([]byte, 2045)...)
	var x TPDU
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		Decode(in, &x)
	}
}

// What Data reads, Decode reads as well.
func TestData(t *testing.T) {
	var d TPDU
	for li := range 5 {
		for code := range 256 {
			for n := range 6 {
				nsdu := []byte{byte(li), byte(code), 0x80, 9, 9}[:max(n-1, 0)]
				for _, flip := range []byte{0, 0x80, 0x7f} {
					if len(nsdu) > 2 {
						nsdu[2] ^= flip
					}
					user, eot, ok := Data(nsdu)
					m, err := Decode(nsdu, &d)
					if want := err == nil && d.Kind == DT && li == 2; ok != want {
						t.Fatalf("% x: read: %t, want %t", nsdu, ok, want)
					}
					if ok && (m != len(nsdu) || eot != d.EOT || !bytes.Equal(user, d.User)) {
						t.Fatalf("% x: % x, EOT %t; Decode: % x, EOT %t, %d octets", nsdu, user, eot, d.User, d.EOT, m)
					}
				}
			}
		}
	}
}
