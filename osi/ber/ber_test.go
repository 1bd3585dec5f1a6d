package ber

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unhex reads hexadecimal octets with spaces between them.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// apdu is one delivered APDU of the real captures.
type apdu struct {
	name   string
	octets []byte
}

// realAPDUs reads the octets that independent implementations delivered. The
// two halves of an interrupted transfer are joined, as neither alone is a
// value.
func realAPDUs(tb testing.TB) []apdu {
	tb.Helper()
	names, err := filepath.Glob("../../testdata/mta/truth/apdus/*.apdu")
	if err != nil || len(names) == 0 {
		tb.Fatalf("no APDUs in testdata: %v", err)
	}
	slices.Sort(names)
	var out []apdu
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		if strings.Contains(name, "n09") && strings.HasSuffix(name, ".02.apdu") {
			last := &out[len(out)-1]
			last.octets = append(last.octets, b...)
			continue
		}
		out = append(out, apdu{filepath.Base(name), b})
	}
	return out
}

// dump writes the elements below c one after another: tag, a length and a
// brace for each constructed one, the contents for each primitive one.
func dump(c *Cursor) string {
	var b strings.Builder
	var e Element
	for c.Next(&e) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Tag.String())
		if e.Indefinite {
			b.WriteByte('~')
		}
		if !e.Constructed {
			fmt.Fprintf(&b, "%x", e.Content)
			continue
		}
		in := c.Enter(&e)
		b.WriteString("{" + dump(&in) + "}")
		if in.Code() != None {
			c.Fail(in.Code(), in.ErrOffset())
			break
		}
	}
	return b.String()
}

func TestElements(t *testing.T) {
	const u, a, p = "[UNIVERSAL ", "[APPLICATION ", "[PRIVATE "
	for _, test := range []struct{ name, in, want string }{
		{"no octets", "", ""},
		// X.690 8.2.1, 8.9.3, 8.6.4.2, 8.8.2: the examples of the standard.
		{"BOOLEAN TRUE", "01 01 ff", u + "1]ff"},
		{"NULL", "05 00", u + "5]"},
		{"sequence of IA5String and BOOLEAN", "30 0a 16 05 53 6d 69 74 68 01 01 ff", u + "16]{" + u + "22]536d697468 " + u + "1]ff}"},
		{"BIT STRING primitive", "03 07 04 0a 3b 5f 29 1c d0", u + "3]040a3b5f291cd0"},
		{"BIT STRING constructed", "23 80 03 03 00 0a 3b 03 05 04 5f 29 1c d0 00 00", u + "3]~{" + u + "3]000a3b " + u + "3]045f291cd0}"},
		// X.690 8.14.3, Type1 ::= VisibleString "Jones" and its five taggings.
		{"Type1", "1a 05 4a 6f 6e 65 73", u + "26]4a6f6e6573"},
		{"Type2", "43 05 4a 6f 6e 65 73", a + "3]4a6f6e6573"},
		{"Type3", "a2 07 43 05 4a 6f 6e 65 73", "[2]{" + a + "3]4a6f6e6573}"},
		{"Type4", "67 07 43 05 4a 6f 6e 65 73", a + "7]{" + a + "3]4a6f6e6573}"},
		{"Type5", "82 05 4a 6f 6e 65 73", "[2]4a6f6e6573"},
		{"ISO646String in three parts", "3a 09 04 03 4a 6f 6e 04 02 65 73", u + "26]{" + u + "4]4a6f6e " + u + "4]6573}"},
		{"private class", "c1 00 e1 02 c1 00", p + "1] " + p + "1]{" + p + "1]}"},
		{"length in one octet of two", "04 81 01 aa", u + "4]aa"},
		{"length with leading zeros", "04 83 00 00 01 aa", u + "4]aa"},
		{"length in eight octets", "04 88 00 00 00 00 00 00 00 01 aa", u + "4]aa"},
		{"length in nine octets, one zero", "04 89 00 00 00 00 00 00 00 00 01 aa", u + "4]aa"},
		{"tag 30", "9e 00", "[30]"},
		{"tag 31", "9f 1f 00", "[31]"},
		{"tag 127", "9f 7f 00", "[127]"},
		{"tag 128", "9f 81 00 00", "[128]"},
		{"tag 2^30-1", "9f 83 ff ff ff 7f 00", "[1073741823]"},
		{"long form of a low tag", "bf 02 02 05 00", "[2]{" + u + "5]}"},
		{"padded tag", "9f 80 80 05 00", "[5]"},
		{"indefinite, empty", "30 80 00 00", u + "16]~{}"},
		{"indefinite in indefinite", "30 80 a0 80 05 00 00 00 02 01 07 00 00", u + "16]~{[0]~{" + u + "5]} " + u + "2]07}"},
		{"definite in indefinite holding zeros", "30 80 04 04 00 00 00 00 00 00", u + "16]~{" + u + "4]00000000}"},
		{"indefinite in definite", "30 06 a1 80 05 00 00 00", u + "16]{[1]~{" + u + "5]}}"},
		{"indefinite with long tag and long length in it", "30 80 9f 1f 81 01 aa 00 00", u + "16]~{[31]aa}"},
		{"two at the top", "05 00 05 00", u + "5] " + u + "5]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			c := d.Reset(unhex(t, test.in))
			got := dump(&c)
			if err := c.Err(); err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if c.More() || c.Offset() != len(d.Input()) {
				t.Errorf("stopped at octet %d of %d", c.Offset(), len(d.Input()))
			}
		})
	}
}

func TestElementErrors(t *testing.T) {
	for _, test := range []struct {
		name, in string
		code     Code
		offset   int
	}{
		{"tag alone", "30", Truncated, 1},
		{"long tag cut", "9f 81", Truncated, 0},
		{"long tag without length", "9f 1f", Truncated, 2},
		{"length cut", "04 82 01", Truncated, 1},
		{"contents cut", "05 00 04 03 aa bb", LengthExceedsParent, 2},
		{"child beyond its parent", "30 03 04 02 aa bb", LengthExceedsParent, 2},
		{"length of 2^63", "04 88 80 00 00 00 00 00 00 00 aa", LengthExceedsParent, 1},
		{"length of 2^64-1", "04 88 ff ff ff ff ff ff ff ff aa", LengthExceedsParent, 1},
		{"length of nine octets", "04 89 01 00 00 00 00 00 00 00 00", LengthTooLong, 1},
		{"reserved length ff", "04 ff" + strings.Repeat(" 00", 130), LengthTooLong, 1},
		{"tag 2^30", "9f 84 80 80 80 00 00", TagTooLong, 0},
		{"tag with endless padding", "9f" + strings.Repeat(" 80", 40) + " 01 00", TagTooLong, 0},
		{"primitive indefinite", "04 80 00 00", IndefinitePrimitive, 0},
		{"primitive indefinite below", "30 80 04 80 00 00 00 00", IndefinitePrimitive, 2},
		{"no end of contents", "30 80 05 00", MissingEndOfContents, 0},
		{"half an end of contents", "30 80 05 00 00", MissingEndOfContents, 0},
		{"end of contents beyond the parent", "30 04 30 80 05 00 00 00", MissingEndOfContents, 2},
		{"end of contents at the top", "05 00 00 00", UnexpectedEndOfContents, 2},
		{"end of contents in definite", "30 04 05 00 00 00", UnexpectedEndOfContents, 4},
		{"below indefinite: tag alone", "30 80 9f 81", Truncated, 2},
		{"below indefinite: long tag without length", "30 80 9f 1f", Truncated, 4},
		{"below indefinite: length cut", "30 80 04 82", Truncated, 2},
		{"below indefinite: contents cut", "30 80 04 05 00 00", LengthExceedsParent, 2},
		{"below indefinite: tag too long", "30 80 9f 84 80 80 80 00 00 00 00", TagTooLong, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			c := d.Reset(unhex(t, test.in))
			got := dump(&c)
			if c.Code() != test.code || c.ErrOffset() != test.offset {
				t.Errorf("got %q (%v at %d), want %v at %d", got, c.Code(), c.ErrOffset(), test.code, test.offset)
			}
			var e Element
			if c.Next(&e) || c.More() {
				t.Error("the cursor went on after its error")
			}
			if _, ok := c.Peek(); ok {
				t.Error("the cursor peeked after its error")
			}
			want := fmt.Sprintf("ber: %s at octet %d", test.code, test.offset)
			if err := c.Err(); err == nil || err.Error() != want {
				t.Errorf("Err() = %v, want %s", err, want)
			}
		})
	}
}

func TestCodeTexts(t *testing.T) {
	seen := map[string]Code{}
	for c := None; c <= BadValue; c++ {
		s := c.String()
		if prior, twice := seen[s]; s == "" || twice {
			t.Errorf("code %d has the text %q of code %d", c, s, prior)
		}
		seen[s] = c
	}
	if got := (BadValue + 1).String(); got != "unknown code" {
		t.Errorf("got %q", got)
	}
}

func TestDepth(t *testing.T) {
	for _, form := range []struct {
		name string
		make func(n int) []byte
	}{
		{"definite", func(n int) []byte {
			b := []byte{5, 0}
			for range n {
				l := len(b)
				b = append([]byte{0xa0, 0x82, byte(l >> 8), byte(l)}, b...)
			}
			return b
		}},
		{"indefinite", func(n int) []byte {
			b := bytes.Repeat([]byte{0xa0, 0x80}, n)
			b = append(b, 5, 0)
			return append(b, make([]byte, 2*n)...)
		}},
	} {
		for _, max := range []int{1, 2, DefaultMaxDepth, 200} {
			for _, test := range []struct {
				depth int
				want  Code
			}{{max, None}, {max + 1, TooDeep}, {max + 1000, TooDeep}} {
				t.Run(fmt.Sprintf("%s/%d in %d", form.name, test.depth, max), func(t *testing.T) {
					d := Decoder{MaxDepth: max, MaxElements: 1 << 20}
					c := d.Reset(form.make(test.depth))
					dump(&c)
					if c.Code() != test.want {
						t.Errorf("got %v, want %v", c.Code(), test.want)
					}
				})
			}
		}
	}
	t.Run("the default is used", func(t *testing.T) {
		var d Decoder
		c := d.Reset(append(bytes.Repeat([]byte{0xa0, 0x80}, 1<<20), make([]byte, 2<<20)...))
		var e Element
		if c.Next(&e) || c.Code() != TooDeep {
			t.Errorf("got %v", c.Code())
		}
	})
}

func TestBudget(t *testing.T) {
	nulls := bytes.Repeat([]byte{5, 0}, 10)
	for _, test := range []struct {
		name string
		in   []byte
		max  int
		want Code
	}{
		{"as many as there are", nulls, 10, None},
		{"one too few", nulls, 9, TooManyElements},
		{"indefinite, scan and walk", slices.Concat([]byte{0x30, 0x80}, nulls, []byte{0, 0}), 22, None},
		{"indefinite, one too few", slices.Concat([]byte{0x30, 0x80}, nulls, []byte{0, 0}), 21, TooManyElements},
		{"indefinite, spent within the scan", slices.Concat([]byte{0x30, 0x80}, nulls, []byte{0, 0}), 5, TooManyElements},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Decoder{MaxElements: test.max}
			c := d.Reset(test.in)
			dump(&c)
			if c.Code() != test.want {
				t.Errorf("got %v, want %v", c.Code(), test.want)
			}
		})
	}
	t.Run("the default ends a quadratic walk", func(t *testing.T) {
		// Every level of nested indefinite lengths scans all that is within.
		in := bytes.Repeat([]byte{0xa0, 0x80}, 60)
		in = append(in, bytes.Repeat([]byte{5, 0}, 50_000)...)
		in = append(in, make([]byte, 120)...)
		var d Decoder
		c := d.Reset(in)
		dump(&c)
		if c.Code() != TooManyElements {
			t.Errorf("got %v", c.Code())
		}
	})
}

// The default budget must never stand in the way of real traffic: none of the
// real APDUs may need a third of it.
func TestBudgetSuffices(t *testing.T) {
	for _, a := range realAPDUs(t) {
		d := Decoder{MaxElements: (DefaultMinElements + len(a.octets)) / 3}
		c := d.Reset(a.octets)
		walk(&c)
		if c.Code() != None {
			t.Errorf("%s: %v", a.name, c.Err())
		}
	}
}

func TestEnterPrimitive(t *testing.T) {
	var d Decoder
	c := d.Reset([]byte{4, 2, 5, 0})
	var e, inner Element
	if !c.Next(&e) {
		t.Fatal(c.Err())
	}
	in := c.Enter(&e)
	if in.Next(&inner) || in.Code() != BadValue || c.Code() != None {
		t.Errorf("inner %v, outer %v", in.Code(), c.Code())
	}
}

func TestFailKeepsTheFirst(t *testing.T) {
	var d Decoder
	c := d.Reset([]byte{5, 0})
	c.Fail(BadValue, 1)
	c.Fail(TooDeep, 2)
	if c.Code() != BadValue || c.ErrOffset() != 1 {
		t.Errorf("got %v at %d", c.Code(), c.ErrOffset())
	}
}

func TestPeek(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     Tag
		ok       bool
	}{
		{"nothing", "", 0, false},
		{"short", "a2 00", Context(2), true},
		{"long", "7f 81 00 00", App(128), true},
		{"long, cut", "7f 81", 0, false},
		{"too long", "7f 84 80 80 80 00 00", 0, false},
		{"no length needed", "c3", MakeTag(Private, 3), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			c := d.Reset(unhex(t, test.in))
			if got, ok := c.Peek(); ok != test.ok || ok && got != test.want {
				t.Errorf("got %v %v, want %v %v", got, ok, test.want, test.ok)
			}
		})
	}
}

// walk counts the elements at every level and the octets of primitive
// contents, stopping at the first error, which it leaves in c.
func walk(c *Cursor) (elements, octets int) {
	var e Element
	var in Cursor // One for all of the level: in a recursive function it escapes from within the loop.
	for c.Next(&e) {
		elements++
		if !e.Constructed {
			octets += len(e.Content)
			continue
		}
		in = c.Enter(&e)
		n, o := walk(&in)
		elements += n
		octets += o
		if in.Code() != None {
			c.Fail(in.Code(), in.ErrOffset())
			break
		}
	}
	return elements, octets
}

// A real APDU cut at any octet is an error and never yields more elements than
// the whole has.
func TestCutAtEveryOctet(t *testing.T) {
	for _, a := range realAPDUs(t) {
		t.Run(a.name, func(t *testing.T) {
			var d Decoder
			c := d.Reset(a.octets)
			whole, _ := walk(&c)
			if c.Err() != nil || whole < 10 {
				t.Fatalf("%d elements, %v", whole, c.Err())
			}
			step := 1 + len(a.octets)/4000
			for cut := 1; cut < len(a.octets); cut += step {
				c := d.Reset(a.octets[:cut])
				if n, _ := walk(&c); c.Code() == None || n >= whole {
					t.Fatalf("cut at %d: %d elements of %d, %v", cut, n, whole, c.Code())
				}
			}
		})
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	real := realAPDUs(t)
	var d Decoder
	d.Remember(100)
	if n := testing.AllocsPerRun(20, func() {
		for _, a := range real {
			c := d.Reset(a.octets)
			walk(&c)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// sameRemembering walks in with a decoder that remembers up to n ends and with one that
// scans every element anew: both must yield the same, fail at the same place and have
// spent the same. skip has bit i set where the i-th constructed element, counted to 64
// and from there anew, is not entered, and again where it is entered twice.
func sameRemembering(tb testing.TB, in []byte, n, depth, elements int, skip, again uint64) {
	tb.Helper()
	plain := Decoder{MaxDepth: depth, MaxElements: elements}
	keeping := plain
	keeping.Remember(n)
	i := 0
	var both func(a, b Cursor)
	both = func(a, b Cursor) {
		var e, f Element
		for {
			ok := a.Next(&e)
			if got := b.Next(&f); got != ok || a.Code() != b.Code() || a.ErrOffset() != b.ErrOffset() || plain.budget != keeping.budget {
				tb.Fatalf("%d spans: at %d %v, %v with %d left; want %v, %v with %d",
					n, f.Offset, got, b.Err(), keeping.budget, ok, a.Err(), plain.budget)
			}
			if !ok {
				return
			}
			if e.Offset != f.Offset || e.Header != f.Header || e.End != f.End || e.Head != f.Head || e.state != f.state ||
				len(e.Content) != len(f.Content) || a.pos != b.pos {
				tb.Fatalf("%d spans: got %+v, want %+v", n, f, e)
			}
			if !e.Constructed {
				continue
			}
			bit := uint64(1) << (i % 64)
			i++
			if skip&bit == 0 {
				both(a.Enter(&e), b.Enter(&f))
			}
			if again&bit != 0 {
				both(a.Enter(&e), b.Enter(&f))
			}
		}
	}
	// The second input must find nothing of the first.
	for range 2 {
		i = 0
		both(plain.Reset(in), keeping.Reset(in))
	}
}

func TestRemember(t *testing.T) {
	deep := append(bytes.Repeat([]byte{0xa0, 0x80}, 40), make([]byte, 80)...)
	inputs := [][]byte{
		deep,
		slices.Concat([]byte{0x30, 0x80}, deep, []byte{4, 1, 7}, deep, []byte{0, 0}, deep),
		// The last of many within is cut off.
		slices.Concat([]byte{0x30, 0x80}, deep, deep[:70]),
		unhex(t, "30800404000000000000"),
		unhex(t, "3080a080a1800500000004800000"),
		unhex(t, "3080300aa080a1800500000000000000"),
		unhex(t, "30 80 a0 80 00 00 a0 80 a1 80 00 00 00 00 a2 80 a3 80 00 00 00 00 00 00"),
	}
	for _, a := range realAPDUs(t) {
		inputs = append(inputs, a.octets)
	}
	for _, in := range inputs {
		for _, n := range []int{1, 2, 3, 40, 1000} {
			for _, skip := range []uint64{0, 2, 1 << 5, 0xaaaaaaaaaaaaaaaa} {
				for _, again := range []uint64{0, 1 << 3, 6} {
					sameRemembering(t, in, n, 0, 0, skip, again)
				}
			}
			sameRemembering(t, in, n, 3, 0, 0, 0)
			// Wherever the budget ends it does so at the same place.
			for elements := 1; elements < 300; elements++ {
				sameRemembering(t, in, n, 0, elements, 0, 1)
			}
		}
	}
}

// With room for what is nested every octet is scanned once, not once per level.
func TestRememberScansOnce(t *testing.T) {
	in := append(bytes.Repeat([]byte{0xa0, 0x80}, 60), make([]byte, 120)...)
	var d Decoder
	d.Remember(60)
	c := d.Reset(in)
	var e Element
	for level := range 60 {
		if !c.Next(&e) || !e.Indefinite {
			t.Fatalf("level %d: %v", level, c.Err())
		}
		if level == 0 {
			if len(d.spans) != 60 {
				t.Fatalf("%d ends are kept", len(d.spans))
			}
			// What has been scanned is not looked at again.
			for i := 120; i < len(in)-2; i++ {
				in[i] = 0xff
			}
		}
		if e.End != len(in)-2*level {
			t.Fatalf("level %d ends at %d", level, e.End)
		}
		c = c.Enter(&e)
	}
	if c.Next(&e) || c.Err() != nil {
		t.Fatal(c.Err())
	}
}

// What the caller has read by itself is passed where it is within the level and the budget.
func TestPass(t *testing.T) {
	in := []byte{0x30, 6, 2, 1, 5, 2, 1, 6, 2, 1, 7}
	tests := []struct {
		octets, elements, budget int
		want                     bool
	}{{3, 1, 10, true}, {6, 2, 10, true}, {7, 2, 10, false}, {6, 2, 2, false}, {6, 2, 3, true}, {0, 0, 1, true}}
	for _, tt := range tests {
		d := Decoder{MaxElements: tt.budget}
		c := d.Reset(in)
		var e Element
		if !c.Next(&e) {
			t.Fatal(c.Err())
		}
		level := c.Enter(&e)
		_, before := level.Left(&e)
		got := level.Pass(tt.octets, tt.elements)
		_, left := level.Left(&e)
		offset, spent := 2, 0
		if tt.want {
			offset, spent = 2+tt.octets, tt.elements
		}
		if got != tt.want || level.Offset() != offset || before-left != spent {
			t.Errorf("%d octets, %d elements of %d: %v, to %d, %d spent", tt.octets, tt.elements, tt.budget, got, level.Offset(), before-left)
		}
	}
	var d Decoder
	c := d.Reset(in)
	if c.Fail(BadValue, 0); c.Pass(0, 0) {
		t.Error("octets behind a failure were passed")
	}
}
