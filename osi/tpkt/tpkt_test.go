package tpkt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"x400flow/osi/buffers"
)

// The client's octets of a real association (capture p01): CR, session CONNECT
// with a bind, FINISH, DR.
var client = []string{
	"0ee000000aeb00c203353931c0010b",
	"02f0800db701170a041402766d0b0f170d3936303530313130303030305a050f130100150407f907f91601031a010014020249c1873180a003800101a27ca433300f020101060452010001300406025101300f02010306045600020c300406025101300f02010506045600020730040602510161453043020101a03e603ca106060456000106be32283006025101020103a027b02580013f820101a31da01bb019a1178009616c7068612d6d7461a10a040870772d616c7068610000",
	"02f0800913110101c10e610c300a020101a0056203800100",
	"06800aed0aeb80",
}

func tpkts(t testing.TB) (list [][]byte, stream []byte) {
	t.Helper()
	for _, s := range client {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
		stream = append(stream, packet(b)...)
	}
	return list, stream
}

func packet(nsdu []byte) []byte {
	n := len(nsdu) + HeaderLen
	return append([]byte{3, 0, byte(n >> 8), byte(n)}, nsdu...)
}

// feed polls a framer and checks that units follow each other without a hole.
type feed struct {
	t     testing.TB
	f     Framer
	at    uint64 // Where the next unit begins.
	in    uint64
	lines []string
	tpdus [][]byte
}

func (x *feed) poll() {
	x.t.Helper()
	var u Unit
	for n := 0; x.f.Next(&u); n++ {
		if u.First != x.at {
			x.t.Fatalf("unit of kind %d at %d, want %d", u.Kind, u.First, x.at)
		}
		switch u.Kind {
		case TPDU, Cut:
			if u.Offset != u.First+HeaderLen {
				x.t.Fatalf("content at %d of a TPKT at %d", u.Offset, u.First)
			}
		default:
			if u.Offset != u.First || len(u.Data) == 0 {
				x.t.Fatalf("unit %+v", u)
			}
		}
		x.at = u.Offset + uint64(len(u.Data))
		name := map[Kind]string{TPDU: "tpdu", Skipped: "skipped", Encrypted: "encrypted", Cut: "cut"}[u.Kind]
		if u.Resync {
			name = "resync " + name
		}
		if u.Kind == TPDU {
			x.tpdus = append(x.tpdus, bytes.Clone(u.Data))
		}
		// Pieces of one kind are joined.
		if n := len(x.lines); n > 0 && u.Kind != TPDU && u.Kind != Cut {
			var have int
			if k, _ := fmt.Sscanf(x.lines[n-1], name+" %d", &have); k == 1 {
				x.lines[n-1] = fmt.Sprintf("%s %d", name, have+len(u.Data))
				continue
			}
		}
		x.lines = append(x.lines, fmt.Sprintf("%s %d", name, len(u.Data)))
	}
}

func (x *feed) push(b []byte) {
	x.t.Helper()
	before, short := len(x.lines), x.f
	x.f.Push(x.in, b)
	x.in += uint64(len(b))
	x.poll()
	// One TPKT that need not be pushed is given, and leaves the framer, as if it was.
	if short.Whole(b) {
		want := fmt.Sprintf("tpdu %d", len(b)-HeaderLen)
		if got := x.lines[before:]; len(got) != 1 || got[0] != want || !bytes.Equal(x.tpdus[len(x.tpdus)-1], b[HeaderLen:]) {
			x.t.Fatalf("% x is whole, and pushed gives %q", b, got)
		}
		if short.in, short.pos = x.f.in, x.f.pos; !reflect.DeepEqual(short, x.f) {
			x.t.Fatalf("% x leaves %+v, and pushed %+v", b, short, x.f)
		}
	}
}

func (x *feed) gap(n uint64) {
	x.t.Helper()
	x.f.Gap(n)
	x.poll()
	if x.at != x.in {
		x.t.Fatalf("%d octets given of %d before a gap", x.at, x.in)
	}
	x.in += n
	x.at += n
}

func (x *feed) end() {
	x.t.Helper()
	x.f.End()
	x.poll()
	if x.at != x.in {
		x.t.Fatalf("%d octets given of %d", x.at, x.in)
	}
}

func TestFramer(t *testing.T) {
	list, stream := tpkts(t)
	cr, dt := packet(list[0]), packet(list[2])
	hello := append([]byte{0x16, 3, 1, 0, 100, 1}, make([]byte, 99)...)
	garbage := bytes.Repeat([]byte{3, 0, 9, 9, 0x42}, 20)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	tests := []struct {
		name  string
		mid   bool
		in    [][]byte // nil is a gap of 100.
		want  []string
		state State
	}{
		{"plain", false, [][]byte{stream}, []string{"tpdu 15", "tpdu 188", "tpdu 24", "tpdu 7"}, InSync},
		{"nothing", false, nil, nil, Unknown},
		{"from the middle of a TPKT", true, [][]byte{stream[5:]}, []string{"skipped 14", "resync tpdu 188", "tpdu 24", "tpdu 7"}, InSync},
		{"from the middle, at a header", true, [][]byte{stream}, []string{"resync tpdu 15", "tpdu 188", "tpdu 24", "tpdu 7"}, InSync},
		{"garbage first", false, [][]byte{garbage, stream}, []string{"skipped 100", "resync tpdu 15", "tpdu 188", "tpdu 24", "tpdu 7"}, InSync},
		{"garbage between", false, [][]byte{cr, garbage, dt, dt}, []string{"tpdu 15", "skipped 100", "resync tpdu 24", "tpdu 24"}, InSync},
		{"gap between", false, [][]byte{cr, nil, dt}, []string{"tpdu 15", "resync tpdu 24"}, InSync},
		{"gap within, its end known", false, [][]byte{cr, packet(append([]byte{2, 0xf0, 0}, make([]byte, 197)...))[:50], nil, make([]byte, 54), dt},
			[]string{"tpdu 15", "cut 46", "skipped 54", "resync tpdu 24"}, InSync},
		{"gap from within to beyond", false, [][]byte{cr, packet(append([]byte{2, 0xf0, 0}, make([]byte, 97)...))[:50], nil, dt},
			[]string{"tpdu 15", "cut 46", "resync tpdu 24"}, InSync},
		{"gap in a header", false, [][]byte{cr, {3, 0, 0}, nil, dt}, []string{"tpdu 15", "skipped 3", "resync tpdu 24"}, InSync},
		{"cut by the end", false, [][]byte{cr, dt[:9]}, []string{"tpdu 15", "cut 5"}, Resync},
		{"reserved octet set, a TPDU behind it", false, [][]byte{cr, {3, 1, 0, 7, 2, 0xf0, 0x80}}, []string{"tpdu 15", "tpdu 3"}, InSync},
		{"no TPDU inside", false, [][]byte{cr, packet([]byte("hello")), dt}, []string{"tpdu 15", "skipped 9", "resync tpdu 24"}, InSync},
		{"too short a length", false, [][]byte{cr, {3, 0, 0, 6, 2, 0xf0}, dt}, []string{"tpdu 15", "skipped 6", "resync tpdu 24"}, InSync},
		{"TLS", false, [][]byte{hello, cr}, []string{"encrypted 124"}, TLS},
		{"TLS, octet by octet", false, [][]byte{hello[:1], hello[1:2], hello[2:]}, []string{"encrypted 105"}, TLS},
		{"TLS after a connect", false, [][]byte{cr, hello[:4], hello[4:]}, []string{"tpdu 15", "encrypted 105"}, TLS},
		{"like TLS after a connect", false, [][]byte{cr, {0x16, 3, 1, 0, 100, 9}, dt}, []string{"tpdu 15", "skipped 6", "resync tpdu 24"}, InSync},
		{"not TPKT", false, [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, NotTPKTOctets)}, []string{fmt.Sprintf("skipped %d", NotTPKTOctets+18)}, NotTPKT},
		{"TPKT after all", false, [][]byte{make([]byte, 2*NotTPKTOctets), stream}, []string{fmt.Sprintf("skipped %d", 2*NotTPKTOctets), "resync tpdu 15", "tpdu 188", "tpdu 24", "tpdu 7"}, InSync},
		{"a header that is none, waited for, and TPKTs behind it", true, [][]byte{join([]byte{3, 0, 0xff, 0xff, 2, 0xf0, 0x80}, stream)},
			[]string{"skipped 7", "resync tpdu 15", "tpdu 188", "tpdu 24", "tpdu 7"}, InSync},
		{"a header that is none, and an end", true, [][]byte{join([]byte{3, 0, 0xff, 0xff, 2, 0xf0, 0x80}, cr)},
			[]string{"skipped 7", "resync tpdu 15"}, InSync},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := &feed{t: t}
			x.f.Start(tt.mid, new(buffers.Pool))
			for _, b := range tt.in {
				if b == nil {
					x.gap(100)
				} else {
					x.push(b)
				}
			}
			x.end()
			if !slices.Equal(x.lines, tt.want) {
				t.Errorf("\ngot  %q\nwant %q", x.lines, tt.want)
			}
			if x.f.State() != tt.state {
				t.Errorf("got state %d, want %d", x.f.State(), tt.state)
			}
		})
	}
}

// Wherever the stream is cut into runs, the TPDUs are the same.
func TestCutAtEveryOctet(t *testing.T) {
	list, stream := tpkts(t)
	for _, mid := range []bool{false, true} {
		for i := range stream {
			for _, j := range []int{i, i + 1, i + 4, len(stream)} {
				j = min(j, len(stream))
				x := &feed{t: t}
				x.f.Start(mid, new(buffers.Pool))
				x.push(stream[:i])
				x.push(stream[i:j])
				x.push(stream[j:])
				x.end()
				if !slices.EqualFunc(x.tpdus, list, bytes.Equal) {
					t.Fatalf("cut at %d and %d: got %q", i, j, x.lines)
				}
			}
		}
		x := &feed{t: t}
		x.f.Start(mid, new(buffers.Pool))
		for i := range stream {
			x.push(stream[i : i+1])
		}
		x.end()
		if !slices.EqualFunc(x.tpdus, list, bytes.Equal) {
			t.Fatalf("octet by octet: got %q", x.lines)
		}
	}
}

// Whatever is missing, every TPDU that is whole comes out, and nothing that is
// none.
func TestGapEverywhere(t *testing.T) {
	list, stream := tpkts(t)
	for i := range stream {
		for j := i + 1; j <= len(stream); j++ {
			x := &feed{t: t}
			x.push(stream[:i])
			x.gap(uint64(j - i))
			x.push(stream[j:])
			x.end()
			var want [][]byte
			at := 0
			for _, p := range list {
				end := at + HeaderLen + len(p)
				if end <= i || at >= j {
					want = append(want, p)
				}
				at = end
			}
			if !slices.EqualFunc(x.tpdus, want, bytes.Equal) {
				t.Fatalf("without %d to %d: got %q", i, j, x.lines)
			}
		}
	}
}

// Random losses in a long stream of random content: only what was hit is lost.
func TestResynchronisationInRandomContent(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		var stream []byte
		var list [][]byte
		for range 60 {
			p := []byte{2, 0xf0, 0x80}
			for range r.IntN(4000) {
				p = append(p, byte(r.Uint32()))
			}
			list = append(list, p)
			stream = append(stream, packet(p)...)
		}
		lost := make([]bool, len(stream)+1)
		for range 5 {
			i := r.IntN(len(stream))
			for j := i; j < min(len(stream), i+r.IntN(5000)); j++ {
				lost[j] = true
			}
		}
		x := &feed{t: t}
		for i := 0; i < len(stream); {
			j := i
			for j < len(stream) && lost[j] == lost[i] && (lost[i] || j < i+1460) {
				j++
			}
			if lost[i] {
				x.gap(uint64(j - i))
			} else {
				x.push(stream[i:j])
			}
			i = j
		}
		x.end()
		var want [][]byte
		at := 0
		for _, p := range list {
			end := at + HeaderLen + len(p)
			if !slices.Contains(lost[at:end], true) {
				want = append(want, p)
			}
			at = end
		}
		if !slices.EqualFunc(x.tpdus, want, bytes.Equal) {
			t.Errorf("seed %d: got %d TPDUs, want %d", seed, len(x.tpdus), len(want))
		}
	}
}

// The beginning of a TPKT may be given apart, with a header made anew.
func TestBegin(t *testing.T) {
	list, stream := tpkts(t)
	at := len(packet(list[0])) // The CONNECT, and the FINISH behind it.
	total := len(packet(list[1]))
	if n := Data(stream[at:]); n != total {
		t.Fatalf("a TPKT of %d octets, want %d", n, total)
	}
	for i, want := range []int{0, total, len(packet(list[2])), 0} {
		if n := Data(packet(list[i])[:7]); n != want {
			t.Errorf("TPKT %d: %d octets, want %d", i, n, want)
		}
	}
	if n := Data(stream[at : at+6]); n != 0 {
		t.Errorf("a TPKT of %d octets in six", n)
	}
	for cut := MinLen; cut <= total; cut++ {
		x := &feed{t: t}
		x.f.Start(false, new(buffers.Pool))
		x.push(stream[:at])
		if !x.f.Aligned() {
			t.Fatal("not aligned behind a TPKT")
		}
		run := bytes.Clone(stream[at : at+cut])
		clear(run[:HeaderLen])
		PutHeader(run, total)
		if off, octets, n := x.f.Begun(); n != 0 {
			t.Fatalf("%d octets of %d were begun at %d", len(octets), n, off)
		}
		x.f.Begin(uint64(at), run)
		clear(run) // It is not kept.
		if x.f.Aligned() {
			t.Fatal("aligned in a TPKT")
		}
		off, octets, n := x.f.Begun()
		if off != uint64(at) || n != total || !bytes.Equal(octets, stream[at:at+cut]) {
			t.Fatalf("%d octets of %d were begun at %d", len(octets), n, off)
		}
		octets = bytes.Clone(octets)
		if x.f.Drop(); !x.f.Aligned() {
			t.Fatal("not aligned without what was begun")
		}
		x.f.Begin(uint64(at), octets)
		x.in += uint64(cut)
		x.push(stream[at+cut:])
		x.end()
		if !slices.EqualFunc(x.tpdus, list, bytes.Equal) {
			t.Fatalf("%d octets given apart: got %q", cut, x.lines)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	_, stream := tpkts(t)
	var f Framer
	f.Start(false, new(buffers.Pool))
	var u Unit
	off := uint64(0)
	run := func() {
		for _, b := range [][]byte{stream, stream[:50], stream[50:]} {
			f.Push(off, b)
			off += uint64(len(b))
			for f.Next(&u) {
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func FuzzFramer(f *testing.F) {
	_, stream := tpkts(f)
	f.Add(stream, []byte{5, 100, 0x83, 200}, false)
	f.Add(stream[7:], []byte{1, 1, 1, 0x81}, true)
	f.Add(append([]byte{0x16, 3, 1, 0, 9, 1}, stream...), []byte{2}, false)
	f.Fuzz(func(t *testing.T, in, cuts []byte, mid bool) {
		x := &feed{t: t}
		x.f.Start(mid, new(buffers.Pool))
		whole := &feed{t: t}
		whole.f.Start(mid, nil)
		gaps := false
		rest := in
		for _, c := range cuts {
			n := min(int(c&0x7f), len(rest))
			x.push(rest[:n])
			rest = rest[n:]
			if c&0x80 != 0 {
				x.gap(uint64(c))
				gaps = true
			}
		}
		x.push(rest)
		x.end()
		if gaps || mid {
			return
		}
		// In step, runs do not matter. (While seeking, what is believed may
		// depend on what is there to tell.)
		whole.push(in)
		whole.end()
		if !slices.ContainsFunc(whole.lines, func(s string) bool { return s[0] == 's' || s[0] == 'r' }) && !slices.Equal(x.lines, whole.lines) {
			t.Errorf("\ngot  %q\nwant %q", x.lines, whole.lines)
		}
	})
}

func benchmark(b *testing.B, stream []byte, mid bool) {
	var f Framer
	var u Unit
	var pool buffers.Pool
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		f.Drop()
		f = Framer{}
		f.Start(mid, &pool)
		off := uint64(0)
		for s := stream; len(s) > 0; {
			n := min(1460, len(s))
			f.Push(off, s[:n])
			off += uint64(n)
			s = s[n:]
			for f.Next(&u) {
			}
		}
	}
}

func BenchmarkInSync(b *testing.B) {
	one := packet(append([]byte{2, 0xf0, 0x80}, make([]byte, 2045)...))
	benchmark(b, bytes.Repeat(one, 100), false)
}

func BenchmarkNotTPKT(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	stream := make([]byte, 200000)
	for i := range stream {
		stream[i] = byte(r.Uint32())
	}
	benchmark(b, stream, false)
}

// Much that begins like a TPKT and is none.
func BenchmarkHostile(b *testing.B) {
	stream := bytes.Repeat([]byte{3, 0, 0xff, 0xff, 2, 0xf0, 0x80}, 200000/7)
	benchmark(b, stream, true)
}
