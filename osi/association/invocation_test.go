package association

import (
	"bytes"
	"testing"

	"x400flow/osi/session"
)

// tlv is one element, its length in the short form or of two octets.
func tlv(id byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	if len(body) < 0x80 {
		return append([]byte{id, byte(len(body))}, body...)
	}
	return append([]byte{id, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestFindInvocation(t *testing.T) {
	gtdt := []byte{1, 0, 1, 0}
	argument := tlv(0x31, tlv(0xa0, tlv(0x16, []byte("sesame"))))
	invoke := tlv(0xa1, tlv(2, []byte{0, 200}), tlv(2, []byte{8}), argument)
	old := tlv(0xa1, tlv(0x30, tlv(2, []byte{1}), tlv(2, []byte{8}), argument))
	linked := tlv(0xa1, tlv(2, []byte{1}), tlv(0x80, []byte{4}), tlv(2, []byte{0x81}), argument)
	pdv := func(v []byte) []byte { return tlv(0x61, tlv(0x30, tlv(2, []byte{3}), tlv(0xa0, v))) }
	aligned := tlv(0x61, tlv(0x30, tlv(6, []byte{0x51, 1}), tlv(2, []byte{3}), tlv(0x81, invoke)))
	external := tlv(0x28, tlv(2, []byte{5}), tlv(0xa0, invoke))
	indefinite := []byte{0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80, 0xa1, 0x80, 2, 1, 1, 2, 1, 24, 0x31, 0x80}
	for _, c := range []struct {
		name   string
		tsdu   []byte
		code   int64
		rtse   bool
		begins bool
	}{
		{"without RTSE", append(gtdt[:4:4], pdv(invoke)...), 8, false, true},
		{"octet aligned", append(gtdt[:4:4], aligned...), 8, false, true},
		{"simply encoded", append(gtdt[:4:4], tlv(0x60, invoke)...), 8, false, true},
		{"in an RTTR", append(gtdt[:4:4], pdv(tlv(4, invoke))...), 8, true, true},
		{"in an RTTR and an EXTERNAL", append(gtdt[:4:4], pdv(tlv(4, external))...), 8, true, true},
		{"in a constructed RTTR", append(gtdt[:4:4], pdv(tlv(0x24, tlv(4, external)))...), 8, true, true},
		{"X.410 mode", append(gtdt[:4:4], old...), 8, false, true},
		{"enclosure item", append([]byte{1, 0, 1, 3, 25, 1, 3}, pdv(invoke)...), 8, false, true},
		{"linked, a code above 127", append(gtdt[:4:4], pdv(linked)...), 0x81, false, true},
		{"indefinite lengths", append(gtdt[:4:4], indefinite...), 24, false, true},
		{"a result", append(gtdt[:4:4], pdv(tlv(0xa2, tlv(2, []byte{1})))...), -1, false, true},
		{"a report", append(gtdt[:4:4], pdv(tlv(4, tlv(0x28, tlv(2, []byte{5}), tlv(0xa0, tlv(0xa1, tlv(0x31, []byte{5, 0}))))))...), -1, true, true},
		{"a piece", append(gtdt[:4:4], pdv(tlv(4, tlv(0xa1, []byte("sesame"))))...), -1, true, false},
		{"a piece in X.410 mode", append(gtdt[:4:4], tlv(0xa2, []byte("sesame"))...), -1, false, false},
		{"a checkpoint", []byte{1, 0, 49, 3, 42, 1, '1'}, -1, false, false},
		{"garbage", bytes.Repeat([]byte{0xff}, 40), -1, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, more := FindInvocation(c.tsdu)
			if v.Code != c.code || v.Begins != c.begins || more || c.code >= 0 && v.RTSE != c.rtse {
				t.Errorf("%+v, %v", v, more)
			}
			if c.code >= 0 && c.tsdu[v.Argument] != 0x31 {
				t.Errorf("argument at %d", v.Argument)
			}
			if Usual(c.tsdu, true) && c.code >= 0 {
				t.Error("no invocation at once")
			}
			// Every shorter front says that more is needed, or the same.
			for n := range len(c.tsdu) {
				w, more := FindInvocation(c.tsdu[:n])
				if !more && w.Code != c.code {
					t.Errorf("the first %d octets: %+v", n, w)
				}
			}
		})
	}
}

// TestUsual shows what nearly all TSDUs are found by.
func TestUsual(t *testing.T) {
	transfer := func(length byte, octets ...byte) []byte {
		header := func(tag byte) []byte {
			switch length {
			case 0x80:
				return []byte{tag, 0x80}
			case 0x81:
				return []byte{tag, 0x81, 0xf0}
			}
			return []byte{tag, 0x84, 0, 0, 1, 0}
		}
		b := bytes.Join([][]byte{{1, 0, 1, 0}, header(0x61), header(0x30), {2, 1, 3}, header(0xa0), header(4)}, nil)
		return append(append(b, octets...), make([]byte, 40)...)
	}
	for _, length := range []byte{0x80, 0x81, 0x84} {
		for first := range 256 {
			want := first != 0x04 && first != 0x24 && first != 0x28 && first != 0xa1
			if got := Usual(transfer(length, byte(first)), false); got != want {
				t.Errorf("%#x after lengths %#x: %v", first, length, got)
			}
			want = first != 0xa1 // What is behind it is no SET.
			if got := Usual(transfer(length, 0x28, 0x82, 1, 0, 2, 1, 5, 0xa0, 0x80, byte(first)), false); got != want {
				t.Errorf("%#x in an EXTERNAL after lengths %#x: %v", first, length, got)
			}
		}
	}
	for _, external := range [][]byte{{0x28, 0x80, 6, 2, 0x51, 1, 2, 1, 5, 0xa0, 0x80, 0xa0}, {0x28, 0x80, 2, 2, 1, 5, 0xa0, 0x80, 0xa0},
		{0x28, 0x80, 2, 1, 5, 0x81, 0x80, 0xa0}, {0x28, 0x85, 0, 0, 0, 1, 0, 2, 1, 5, 0xa0, 0x80, 0xa0}} {
		if Usual(transfer(0x80, external...), false) {
			t.Errorf("% x", external)
		}
	}
	if report := transfer(0x82, 0x28, 0x80, 2, 1, 5, 0xa0, 0x80, 0xa1, 0x83, 0, 1, 0, 0x31); !Usual(report, false) {
		t.Errorf("a report: % x", report)
	}
	for _, checkpoint := range [][]byte{{1, 0, 49, 3, 42, 1, '1'}, {2, 0, 50, 3, 42, 1, '1'}, {1, 0, 41, 3, 42, 1, '1'}} {
		if !Usual(checkpoint, true) {
			t.Errorf("% x", checkpoint)
		}
		if Usual(checkpoint, false) || Usual(checkpoint[:6], true) {
			t.Errorf("% x, and more", checkpoint)
		}
	}
	for _, alone := range [][]byte{{2, 0}, {2, 3, 16, 1, 1}, {21, 0}, {22, 0}, {9, 1, 0}, {10, 3, 0xc1, 1, 0}, {25, 3, 17, 1, 3}} {
		if !Usual(alone, true) {
			t.Errorf("% x", alone)
		}
		if Usual(alone, false) || Usual(append(alone, 0), true) {
			t.Errorf("% x, and more", alone)
		}
	}
	for si := range byte(64) {
		want := (si < 12 || si > 16) && si != 29
		if got := Usual([]byte{si, 3, 17, 1, 0}, true); got != want {
			t.Errorf("SPDU %d: %v", si, got)
		}
	}
	if Usual([]byte{1, 0, 1, 0}, true) || Usual(nil, true) || Usual([]byte{9}, true) {
		t.Error("too short to tell")
	}
	if Usual([]byte{1, 0, 29, 3, 42, 1, '1'}, true) {
		t.Error("an activity is resumed")
	}
}

func FuzzFindInvocation(f *testing.F) {
	f.Add([]byte{1, 0, 1, 0, 0xa1, 9, 2, 1, 1, 2, 1, 8, 0x31, 1, 0})
	f.Add([]byte{2, 0, 50, 3, 42, 1, '1'})
	for _, first := range []byte{0xa0, 0xa1, 0x04, 0x28} {
		invoke := tlv(first, tlv(2, []byte{1}), tlv(2, []byte{8}), make([]byte, 30))
		f.Add(append([]byte{1, 0, 1, 0}, tlv(0x61, tlv(0x30, tlv(2, []byte{3}), tlv(0xa0, invoke)))...))
		f.Add(append([]byte{1, 0, 1, 0}, tlv(0x61, tlv(0x30, tlv(2, []byte{3}), tlv(0xa0, tlv(4, invoke))))...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, more := FindInvocation(b)
		if v.Code >= 0 && (v.Argument < 4 || v.Argument > len(b)) {
			t.Fatalf("argument at %d of %d", v.Argument, len(b))
		}
		for _, whole := range []bool{false, true} {
			bind := len(b) > 0 && b[0] >= siRefuse && b[0] <= siOverflowAccept
			if (Usual(b, whole) || whole && Tokened(b)) && (v.Code >= 0 || more && !whole || bind || session.MayResume(b, whole)) {
				t.Fatalf("usual, but %+v, %v", v, more)
			}
		}
		DataStart(b)
		Control(b)
	})
}

func BenchmarkFindInvocation(b *testing.B) {
	tsdu := append([]byte{1, 0, 1, 0}, tlv(0x61, tlv(0x30, tlv(2, []byte{3}), tlv(0xa0, tlv(4, tlv(0x28, tlv(2, []byte{5}), tlv(0xa0, tlv(0xa0, make([]byte, 1000))))))))...)
	b.SetBytes(int64(len(tsdu)))
	b.ReportAllocs()
	for b.Loop() {
		FindInvocation(tsdu)
	}
}

func TestAccessArgument(t *testing.T) {
	invoke := func(code byte, argument []byte) []byte {
		return tlv(0xa1, tlv(2, []byte{1}), tlv(2, []byte{code}), argument)
	}
	name, id := tlv(0x60, tlv(0x30)), tlv(0x64, tlv(0x63))
	content := tlv(4, []byte("x"))
	for _, c := range []struct {
		name  string
		value []byte
		want  bool
	}{
		{"message-submission", invoke(3, tlv(0x30, tlv(0x31, tlv(0x46, []byte{2}), name), content)), true},
		{"message-delivery", invoke(5, tlv(0x30, id, content)), true},
		{"report-delivery", invoke(6, tlv(0x31, tlv(0xa1), id)), true},
		{"a CMIP get", invoke(3, tlv(0x30, tlv(6, []byte{0x52, 1}), tlv(0xa2, tlv(0x30)))), false},
		{"without content", invoke(3, tlv(0x30, tlv(0x31, name))), false},
		{"another operation", invoke(7, id), false},
		{"a result", tlv(0xa2, tlv(2, []byte{1}), tlv(0x30, tlv(2, []byte{5}), tlv(0x30, id))), false},
		{"an MMS request", tlv(0xa0, tlv(2, []byte{1}), tlv(0xa4, tlv(0xa1))), false},
		{"cut", invoke(5, tlv(0x30, id, content))[:9], false},
	} {
		if got := accessArgument(c.value); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestControl(t *testing.T) {
	for _, c := range []struct {
		name          string
		tsdu          []byte
		known, goesOn bool
	}{
		{"a checkpoint", []byte{1, 0, 49, 3, 42, 1, '1'}, true, true},
		{"its acknowledgement", []byte{2, 0, 50, 3, 42, 1, '1'}, true, true},
		{"an interruption", []byte{1, 0, 25, 0}, true, true},
		{"a resumption", []byte{1, 0, 29, 14, 33, 9, 41, 1, 1, 11, 1, '1', 42, 1, '2', 41, 1, 2}, true, true},
		{"the activity's end", []byte{1, 0, 41, 3, 42, 1, '1'}, true, false},
		{"the middle of something", []byte("rest of a password"), false, true},
	} {
		if known, goesOn := Control(c.tsdu); known != c.known || goesOn != c.goesOn {
			t.Errorf("%s: %v, %v", c.name, known, goesOn)
		}
	}
}
