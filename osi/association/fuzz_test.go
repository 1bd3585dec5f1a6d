package association

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"x400flow/osi/internal/captured"
)

// A fuzz input is a run of operations: an octet that says which, two octets of
// length, and so many octets.
const (
	opTPDU = 0 // 0 from the client, 1 from the server.
	opGap  = 2 // 2, 3.
	opEnd  = 4
	opDT   = 5 // 5, 6: with the header of a DT TPDU, EOT.
	opPart = 7 // 7, 8: the same without EOT.
	numOps = 9
)

func operation(in []byte, op uint8, octets []byte) []byte {
	in = append(in, op)
	in = binary.BigEndian.AppendUint16(in, uint16(len(octets)))
	return append(in, octets...)
}

// operations writes TPKTs as a fuzz input.
func operations(list []captured.TPKT, limit int) (in []byte) {
	for i := range list {
		p := &list[i]
		op := opTPDU + p.Dir
		octets := p.Octets
		switch d := data(p); {
		case p.Lost > 0:
			op, octets = opGap+p.Dir, nil
		case d != nil && p.Octets[2] == 0x80:
			op, octets = opDT+p.Dir, d
		case d != nil && p.Octets[2] == 0:
			op, octets = opPart+p.Dir, d
		}
		if len(in)+len(octets) > limit {
			break
		}
		in = operation(in, op, octets)
	}
	return append(in, opEnd, 0, 0)
}

// firstOperation returns the first operation of an input of three octets or more, its
// octets, and what comes behind.
func firstOperation(in []byte) (op byte, octets, rest []byte) {
	n := min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3)
	return in[0] % numOps, in[3 : 3+n], in[3+n:]
}

// play gives the operations to an association and calls f with each event.
func play(a *Association, in []byte, f func(*Event)) {
	var e Event
	var buf []byte
	var seq [2]uint32
	for frame := uint64(1); len(in) >= 3; frame++ {
		var op byte
		var octets []byte
		op, octets, in = firstOperation(in)
		var dir uint8
		switch op {
		case opEnd:
			a.End(0, 0)
		case opGap, opGap + 1:
			dir = op - opGap
			a.Gap(dir, seq[dir], uint64(len(octets)))
		default:
			buf = buf[:0]
			switch op {
			case opTPDU, opTPDU + 1:
				dir = op - opTPDU
			case opDT, opDT + 1:
				dir, buf = op-opDT, append(buf, 2, 0xF0, 0x80)
			default:
				dir, buf = op-opPart, append(buf, 2, 0xF0, 0)
			}
			buf = append(buf, octets...)
			a.TPDU(&TPDU{Dir: dir, Seq: seq[dir], Offset: uint64(seq[dir]), Frame: frame, Octets: buf})
		}
		seq[dir] += uint32(len(octets))
		for a.Next(&e) {
			f(&e)
		}
		// What was lent is overwritten: nothing may refer to it any more.
		a.Detach()
		for i := range buf {
			buf[i] = 0xA5
		}
	}
}

// FuzzAssociation: whatever comes, there is no panic, memory stays within bounds,
// an APDU is made of octets that came, and a used association gives what a new
// one gives, whether or not octets last.
func FuzzAssociation(f *testing.F) {
	for _, path := range captured.Captures(f) {
		f.Add(operations(captured.Single(f, path).TPKTs, 8000))
	}
	for _, c := range generated(f, 1, 12) {
		f.Add(operations(c.TPKTs, 8000))
	}
	external, apdu := mpdu(f)
	s := (&script{tb: f}).open("4141").start(0, 1).data(0, external[:100]).sync(0, 1).data(0, external[100:150]).interrupt(0).
		resume(0, 2, 1, 1, "").data(0, external[100:]).end(0, 2).release()
	f.Add(operations(s.list, 1<<16))
	s = (&script{tb: f, x410: true}).open("4141").start(0, 1).data(0, apdu[:100]).sync(0, 1).data(0, apdu[100:150]).interrupt(0).
		resume(0, 2, 1, 1, "4242").data(0, apdu[100:]).end(0, 2).release()
	f.Add(operations(s.list, 1<<16))
	used, lasting := New(Config{}), New(Config{})
	const limit = 1 << 14
	f.Fuzz(func(t *testing.T, in []byte) {
		var want []string
		apdus, octets := uint64(0), 0
		h := shelf{}
		run := func(a *Association, cfg Config) (out []string) {
			a.Reset(cfg)
			problems := 0
			play(a, in, func(e *Event) {
				switch e.Kind {
				case APDU:
					apdus++
					octets += len(e.Octets)
					if len(e.Octets) == 0 || len(e.Octets) > limit {
						t.Fatalf("an APDU of %d octets", len(e.Octets))
					}
				case Problem:
					if problems++; problems > DefaultMaxProblems {
						t.Fatal("too many problems")
					}
				}
				if e.Layer > LayerAssociation || e.Kind == 0 || e.Kind > Problem {
					t.Fatalf("%+v", e)
				}
				out = append(out, told{*e, 0}.String())
				if n := a.Buffered(); n > 8*limit+1<<18 {
					t.Fatalf("%d octets buffered", n)
				}
			})
			if a.NotX400() && a.Buffered() > 1<<18 {
				t.Fatalf("%d octets buffered of what is not X.400", a.Buffered())
			}
			return out
		}
		cfg := h.config()
		cfg.MaxAPDU = limit
		fresh := New(cfg)
		want = run(fresh, cfg)
		if facts := fresh.Facts(); facts.APDUs != apdus {
			t.Fatalf("%d APDUs, facts say %d", apdus, facts.APDUs)
		}
		fresh.Reset(Config{})
		clear(h)
		if got := run(used, cfg); !slices.Equal(got, want) {
			t.Fatalf("used: got %q, want %q", got, want)
		}
		used.Reset(Config{})
		clear(h)
		cfg.Lasting, cfg.Buffers = true, new(Buffers)
		if got := run(lasting, cfg); !slices.Equal(got, want) {
			t.Fatalf("lasting: got %q, want %q", got, want)
		}
		lasting.Reset(Config{})
	})
}

// FuzzSecrets: what is found lies within the TSDU and is what all layers find one after the
// other, nothing is changed, and the class is what an association tells.
func FuzzSecrets(f *testing.F) {
	for _, b := range captured.TSDUs(f) {
		if b[0] >= 12 && b[0] <= 16 {
			f.Add(b)
		}
	}
	var x, y Secrets
	a := new(Association)
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		ok := x.Find(in)
		byLayers(t, &x, ok, &y, in)
		if class := x.Class(); class != ClassUnknown {
			a.Reset(Config{})
			a.TPDU(&TPDU{Octets: append([]byte{2, 0xf0, 0x80}, in...)})
			if !ok || !a.Definite() || a.Class() != class {
				t.Fatalf("%t: class %s, of an association %s, definite: %t", ok, class, a.Class(), a.Definite())
			}
		}
		for _, r := range append(append([]Range{x.UserData}, x.Authentication...), x.Binds...) {
			if r.Start < 0 || r.End < r.Start || r.End > len(in) {
				t.Fatalf("%t: %v of %d", ok, r, len(in))
			}
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the TSDU was changed")
		}
	})
}

// byLayers fails unless x, which was given a TSDU and returned ok, found what is found
// layer by layer.
func byLayers(t *testing.T, x *Secrets, ok bool, y *Secrets, tsdu []byte) {
	t.Helper()
	if len(tsdu) == 0 || tsdu[0] < 12 || tsdu[0] > 16 {
		return
	}
	y.reset()
	if y.layers(tsdu) != ok || y.UserData != x.UserData || y.Class() != x.Class() ||
		!slices.Equal(y.Authentication, x.Authentication) || !slices.Equal(y.Binds, x.Binds) {
		t.Fatalf("%x: found %t %s %v %v %v, by layers %s %v %v %v", tsdu, ok, x.Class(), x.UserData, x.Authentication, x.Binds,
			y.Class(), y.UserData, y.Authentication, y.Binds)
	}
}

// TestStraight: what is found straight is what is found layer by layer, also where an octet
// is another; and most of what opens a connection is found straight.
func TestStraight(t *testing.T) {
	var x, y Secrets
	tsdus := captured.TSDUs(t)
	for _, c := range generated(t, 1, 12) { // Some are of indefinite lengths.
		for i := range c.TPKTs {
			tsdus = append(tsdus, data(&c.TPKTs[i]))
		}
	}
	opening, straight := 0, 0
	for _, tsdu := range tsdus {
		if len(tsdu) == 0 || tsdu[0] != siConnect && tsdu[0] != siAccept {
			continue
		}
		opening++
		x.reset()
		if !x.straight(tsdu) {
			continue
		}
		straight++
		b := bytes.Clone(tsdu)
		for i, was := range b {
			for _, now := range []byte{was, was ^ 1, was + 1, was - 1, was ^ 0x20, was ^ 0x80, 0, 1, 0x80, 0x81, 0x82, 0xff} {
				b[i] = now
				byLayers(t, &x, x.Find(b), &y, b)
			}
			b[i] = was
		}
		for n := range b {
			byLayers(t, &x, x.Find(b[:n]), &y, b[:n])
		}
	}
	if 2*straight < opening {
		t.Errorf("%d of %d are found straight", straight, opening)
	}
}

// TestFronts: each of the usual fronts is in some opening.
func TestFronts(t *testing.T) {
	var tsdus [][]byte
	for _, c := range generated(t, 1, 12) {
		for i := range c.TPKTs {
			if b := data(&c.TPKTs[i]); len(b) > 0 && (b[0] == siConnect || b[0] == siAccept) {
				tsdus = append(tsdus, b)
			}
		}
	}
	begins := func(h *headers) bool {
		for _, b := range tsdus {
			for at := range b {
				for end := at; end <= len(b); end++ {
					if h.begin(b[at:end]) {
						return true
					}
				}
			}
		}
		return false
	}
	for name, fronts := range map[string][]headers{"mode": modeFronts, "request": requestFronts, "response": responseFronts} {
		for i := range fronts {
			if !begins(&fronts[i]) {
				t.Errorf("%s front %d is in none of %d", name, i, len(tsdus))
			}
		}
	}
}

// TestSecrets: the ranges are the octets of the events, in every capture's bind.
func TestSecrets(t *testing.T) {
	var x Secrets
	for _, w := range captures(t) {
		var found [][]byte
		var half [2][]byte
		for i := range w.list {
			p := &w.list[i]
			d := data(p)
			if half[p.Dir] = append(half[p.Dir], d...); d == nil || p.Octets[2]&0x80 == 0 {
				continue
			}
			tsdu := half[p.Dir]
			half[p.Dir] = nil
			if !x.Find(tsdu) {
				t.Errorf("%s: TSDU in frame %d is not understood: %x", w.name, p.Frame, tsdu[:min(len(tsdu), 40)])
			}
			if tsdu[0] == 13 && !x.Class().X400() {
				t.Errorf("%s: CONNECT in frame %d is of class %s", w.name, p.Frame, x.Class())
			}
			for _, r := range x.Binds {
				found = append(found, tsdu[r.Start:r.End])
			}
			for _, r := range x.Authentication {
				if tsdu[r.Start] != 0xAC && tsdu[r.Start] != 0xAA {
					t.Errorf("%s: authentication value %x", w.name, tsdu[r.Start:r.End])
				}
			}
		}
		var want [][]byte
		for _, e := range only(w.events, BindArgument, BindResult, BindError) {
			if len(e.Octets) > 0 {
				want = append(want, e.Octets)
			}
		}
		if !slices.EqualFunc(found, want, bytes.Equal) {
			t.Errorf("%s: found %x, want %x", w.name, found, want)
		}
	}
	if x.Find(nil) != true || x.Find([]byte{13}) || x.Find([]byte{13, 200, 1}) {
		t.Error("what cannot be understood is understood")
	}
}

func BenchmarkSecrets(b *testing.B) {
	var opening [][]byte
	n := 0
	for _, tsdu := range captured.TSDUs(b) {
		if tsdu[0] >= 12 && tsdu[0] <= 16 {
			opening = append(opening, tsdu)
			n += len(tsdu)
		}
	}
	var x Secrets
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		for _, tsdu := range opening {
			x.Find(tsdu)
		}
	}
}
