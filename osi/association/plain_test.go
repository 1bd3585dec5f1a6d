package association

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"x400flow/osi/internal/captured"
)

// plainly plays the operations of a fuzz input and returns all that the association
// tells: events with the places of what they tell of, what is open and the facts. Every
// so many operations, Detach ends the loan of what was given so far.
func plainly(a *Association, in []byte, every int) (out []string) {
	var e Event
	var lent [][]byte
	var seq [2]uint32
	for frame := uint64(1); len(in) >= 3; frame++ {
		var op byte
		var octets []byte
		op, octets, in = firstOperation(in)
		dir := (op + op/opDT) & 1
		switch op {
		case opEnd:
			a.End(0, int64(frame))
		case opGap, opGap + 1:
			a.Gap(dir, seq[dir], uint64(len(octets)))
		default:
			b := append([]byte(nil), octets...)
			switch {
			case op >= opPart:
				b = append([]byte{2, 0xF0, 0}, octets...)
			case op >= opDT:
				b = append([]byte{2, 0xF0, 0x80}, octets...)
			}
			lent = append(lent, b)
			if !a.Point(dir, frame, b) {
				a.TPDU(&TPDU{Dir: dir, Seq: seq[dir], Offset: uint64(seq[dir]), Time: int64(frame), Frame: frame, Record: frame, Octets: b})
			}
			seq[dir] += uint32(len(b))
		}
		before := len(out)
		for a.Next(&e) {
			x := fmt.Sprintf("%v %+v %+v %+v %x %x %x", told{e, 0}, e.At, e.Origin, e.Last, e.Octets, e.Session, e.Abstract)
			out = append(out, fmt.Sprintf("%s %d %d %t", x, e.Since, e.Code, e.Inferred))
		}
		if len(out) > before || len(in) < 3 {
			since, open := a.OpenSince()
			out = append(out, fmt.Sprintf("%v %d %t %x", a.Class(), since, open, a.AppendState(nil)))
		}
		if !a.cfg.Lasting || frame%uint64(every) == 0 {
			a.Detach()
			// What was lent is overwritten: nothing may refer to it any more.
			for _, b := range lent {
				for i := range b {
					b[i] = 0xA5
				}
			}
			lent = lent[:0]
		}
	}
	return append(out, fmt.Sprintf("%+v", *a.Facts()))
}

// FuzzPlain: what plain takes is told as tsdu tells it, whether octets last or not.
func FuzzPlain(f *testing.F) {
	for _, path := range captured.Captures(f) {
		f.Add(operations(captured.Single(f, path).TPKTs, 8000), uint8(3))
	}
	for _, c := range generated(f, 1, 12) {
		f.Add(operations(c.TPKTs, 8000), uint8(7))
	}
	external, _ := mpdu(f)
	s := (&script{tb: f}).open("4141").start(0, 1).data(0, external[:100]).sync(0, 1).data(0, external[100:150]).interrupt(0).
		resume(0, 2, 1, 1, "").data(0, external[100:]).end(0, 2).release()
	f.Add(operations(s.list, 1<<16), uint8(1))
	f.Add(operations(recut(s.list, func(int, int) int { return 30 }), 1<<16), uint8(4))
	f.Fuzz(func(t *testing.T, in []byte, every uint8) {
		in = in[:min(len(in), 1<<14)]
		for _, cfg := range []Config{{MaxAPDU: 1 << 14}, {MaxAPDU: 1 << 14, Lasting: true, Buffers: new(Buffers)}} {
			run := func(general bool) []string {
				h := shelf{}
				cfg.Suspend, cfg.Resume = h.config().Suspend, h.config().Resume
				a := New(cfg)
				a.general = general
				return plainly(a, in, 1+int(every))
			}
			got, want := run(false), run(true)
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("lasting %t: got  %s\nwant %s", cfg.Lasting, got[i], want[i])
				}
			}
			if len(got) != len(want) {
				t.Fatalf("lasting %t: told %d, in general %d", cfg.Lasting, len(got), len(want))
			}
		}
	})
}

// The forms that plain takes, and some that are like them, cut anywhere.
func TestPlain(t *testing.T) {
	octets := fmt.Sprintf("%x", bytes.Repeat([]byte{0xAB}, 300))
	tests := []struct {
		name string
		tsdu string
		want bool
	}{
		{"definite", "0100 0100 61(30(02(03) a0(04(" + octets + "))))", true},
		{"octet-aligned", "0100 0100 61(30(02(03) 81(04(" + octets + "))))", true},
		{"indefinite", "0100 0100 6180 3080 020103 a080 04(" + octets + ") 0000 0000 0000", true},
		{"mixed", "0100 0100 6180 30(02(03) a080 04(" + octets + ") 0000) 0000", true},
		{"of one octet", "0100 0100 61(30(02(03) a0(04(ab))))", true},
		{"checkpoint", "0100 31[2a[313233]]", true},
		{"acknowledgement", "0200 32[2a[31]]", true},
		{"of no octet", "0100 0100 61(30(02(03) a0(04())))", false},
		{"not defined", "0100 0100 61(30(02(07) a0(04(" + octets + "))))", false},
		{"two RTTRs", "0100 0100 61(30(02(03) 81(04(" + octets + ") 04(ab))))", false},
		{"two PDV-lists", "0100 0100 61(30(02(03) a0(04(ab))) 30(02(03) a0(04(ab))))", false},
		{"segments", "0100 0100 61(30(02(03) a0(24(04(ab) 04(ab)))))", false},
		{"not the end", "0100 0100 6180 3080 020103 a080 04(" + octets + ") 0000 0000 0001", false},
		{"octets behind", "0100 0100 61(30(02(03) a0(04(" + octets + ")))) 00", false},
		{"end is missing", "0100 0100 6180 3080 020103 a080 04(" + octets + ") 0000 0000", false},
		{"a transfer syntax", "0100 0100 61(30(06(5101) 02(03) a0(04(ab))))", false},
		{"turn please", "0100 0100 61(30(02(03) a0(02(01))))", false},
		{"token item", "01[10[00]] 0100 61(30(02(03) a0(04(" + octets + "))))", false},
		{"checkpoint of two kinds", "0100 31[0f[01] 2a[31]]", false},
		{"checkpoint without digits", "0100 31[2a[3a]]", false},
		{"long serial number", "0100 31[2a[31323334353637]]", false},
		{"end of activity", "0100 29[2a[31]]", true},
		{"its acknowledgement", "0200 2a[2a[31]]", true},
		{"beginning of activity", "0100 2d[29[020102]]", true},
		{"beginning with user data", "0100 2d[29[020102] c1[ab]]", false},
		{"beginning without identifier", "0100 2d[2a[31]]", false},
	}
	begin := (&script{tb: t}).open("4141").start(0, 1).list
	for _, test := range tests {
		whole := captured.Hex(t, test.tsdu)
		for cut := 0; cut < len(whole); cut++ {
			a := New(Config{Lasting: true})
			feed(a, begin)
			s := (&script{tb: t})
			if cut > 0 {
				s.raw(0, append([]byte{2, 0xF0, 0}, whole[:cut]...))
				feed(a, s.list)
			}
			// The headers are looked for in the first TPDU alone.
			want := test.want && (cut == 0 || cut > 40 && len(whole) > 40)
			if cut > 0 && cut <= 40 && test.want {
				continue
			}
			before := [2]any{a.transfer[0].size(), a.transfer[0].pieces}
			got := false
			if cut > 0 {
				a.borrow(&a.dir[0].tsdu.borrowed, whole[cut:])
				got = a.joined(0, len(whole))
			} else {
				got = a.plain(&TPDU{Octets: append([]byte{2, 0xF0, 0x80}, whole...)})
			}
			if got != want {
				t.Errorf("%s, cut at %d: %t", test.name, cut, got)
			} else if after := [2]any{a.transfer[0].size(), a.transfer[0].pieces}; !got && !reflect.DeepEqual(before, after) {
				t.Errorf("%s, cut at %d: %v became %v", test.name, cut, before, after)
			}
		}
	}
}
