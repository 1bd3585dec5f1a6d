package ber

import (
	"bytes"
	"testing"
	"time"
)

func seed(f *testing.F) {
	for _, a := range realAPDUs(f) {
		// The long contents teach the fuzzer nothing.
		f.Add(a.octets[:min(len(a.octets), 800)])
		if len(a.octets) <= 800 {
			f.Add(a.octets)
		}
	}
	for _, s := range []string{"30800404000000000000", "9f83ffffff7f00", "04880000000000000001aa", "2380030300 0a3b0305045f291cd00000"} {
		f.Add(unhex(f, s))
	}
}

// FuzzWalk holds the cursor against the plain reader: where that one accepts
// the octets the trees are the same, and where it refuses them so does the
// walk. Elements tile their parent, and the work is bounded by the budget.
func FuzzWalk(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:min(len(in), 1<<14)]
		nodes, _, ok := parseNaive(in, 0, len(in), false, 0)
		d := Decoder{MaxElements: (DefaultMaxDepth + 2) * (len(in) + 2)}
		for _, n := range []int{1, 3, 64} {
			sameRemembering(t, in, n, 0, 0, 0, 0)
			if len(in) > 0 { // Its octets serve as the choice of what is entered.
				b := uint64(in[len(in)/2])
				sameRemembering(t, in, n, 0, len(in)/3+1, b, b>>3)
			}
		}
		d.Remember(len(in) % 50)
		c := d.Reset(in)
		if ok {
			sameTree(t, &c, nodes)
			return
		}
		elements, octets := tile(t, &c)
		if c.Code() == None {
			t.Fatal("accepted what the plain reader refuses")
		}
		if elements > len(in) || octets > len(in) {
			t.Fatalf("%d elements and %d octets of contents from %d", elements, octets, len(in))
		}
	})
}

// tile is walk with the check that each level's elements follow one another
// without a hole and stay within the level.
func tile(t *testing.T, c *Cursor) (elements, octets int) {
	t.Helper()
	at := c.pos
	var e Element
	for c.Next(&e) {
		elements++
		if e.Offset != at || e.End <= at || e.End > c.end || c.Offset() != e.End {
			t.Fatalf("element %d..%d after %d in a level ending at %d", e.Offset, e.End, at, c.end)
		}
		trailer := 0
		if e.Indefinite {
			trailer = 2
		}
		if e.Header < 2 || e.Header+len(e.Content)+trailer != e.End-e.Offset || !bytes.Equal(c.Raw(&e), c.d.in[e.Offset:e.End]) {
			t.Fatalf("header %d, contents %d, trailer %d of %d octets", e.Header, len(e.Content), trailer, e.End-e.Offset)
		}
		at = e.End
		if !e.Constructed {
			octets += len(e.Content)
			continue
		}
		in := c.Enter(&e)
		n, o := tile(t, &in)
		elements, octets = elements+n, octets+o
		if in.Code() != None {
			c.Fail(in.Code(), in.ErrOffset())
			break
		}
	}
	return elements, octets
}

// rewrite appends the elements below c with minimal tags and definite minimal
// lengths.
func rewrite(dst []byte, c *Cursor) []byte {
	var e Element
	for c.Next(&e) {
		body := e.Content
		first := byte(e.Tag.Class()) << 6
		if e.Constructed {
			in := c.Enter(&e)
			body = rewrite(nil, &in)
			if in.Code() != None {
				c.Fail(in.Code(), in.ErrOffset())
				return dst
			}
			first |= 0x20
		}
		// In one octet [UNIVERSAL 0] would be the end of contents.
		if n := e.Tag.Number(); n < 31 && e.Tag != 0 {
			dst = append(dst, first|byte(n))
		} else {
			dst = append(dst, first|0x1f)
			for shift := 28; shift >= 0; shift -= 7 {
				if n>>shift != 0 && shift > 0 {
					dst = append(dst, 0x80|byte(n>>shift&0x7f))
				}
			}
			dst = append(dst, byte(n&0x7f))
		}
		switch n := len(body); {
		case n < 0x80:
			dst = append(dst, byte(n))
		case n < 0x10000:
			dst = append(dst, 0x82, byte(n>>8), byte(n))
		default:
			dst = append(dst, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		}
		dst = append(dst, body...)
	}
	return dst
}

// FuzzRewrite: the same values in definite lengths are read again as the same
// elements, and writing those again changes nothing.
func FuzzRewrite(f *testing.F) {
	seed(f)
	f.Add([]byte{0x30, 0x80, 0x1f, 0, 0, 2, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:min(len(in), 1<<14)]
		var d, d2, d3 Decoder
		c := d.Reset(in)
		once := rewrite(nil, &c)
		if c.Code() != None {
			return
		}
		c2 := d2.Reset(once)
		twice := rewrite(nil, &c2)
		if c2.Err() != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v: %x became %x", c2.Err(), once, twice)
		}
		c = d.Reset(in)
		c3 := d3.Reset(once)
		n, o := walk(&c)
		if n3, o3 := walk(&c3); n3 != n || o3 != o {
			t.Fatalf("%d elements with %d octets became %d with %d", n, o, n3, o3)
		}
	})
}

// FuzzValues: no contents octets make a value reader panic, and what it
// accepts is within its type's range.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"", "\x00", "960501095900Z", "19920722132100.3-0500", "\x56\x00\x01\x06", "\x00\x80\x00\x00\x00\x00\x00\x00\x00", "\x04\x0a\x3b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		Bool(in)
		Int64(in)
		Bit(in, len(in))
		tm, ok := UTCTime(in)
		if any, ok2 := anyUTC(in); ok != ok2 || tm != any {
			t.Errorf("UTCTime %q is %v, %v, the general way %v, %v", in, tm, ok, any, ok2)
		}
		if ok {
			if y := tm.Year(); y < 1949 || y > 2050 {
				t.Errorf("UTCTime %q is in %d", in, y)
			}
			again, ok := UTCTime([]byte(tm.Format("060102150405Z")))
			if y := tm.Year(); y >= 1950 && y < 2050 && (!ok || !again.Equal(tm.Truncate(time.Second))) {
				t.Errorf("UTCTime %q is %v, then %v", in, tm, again)
			}
		}
		if tm, ok := GeneralizedTime(in); ok {
			if y := tm.Year(); y < -1 || y > 10000 {
				t.Errorf("GeneralizedTime %q is in %d", in, y)
			}
		}
		if oid, ok := AppendOID(nil, in); ok && (len(oid) < 3 || len(oid) > 4*len(in)+2) {
			t.Errorf("%x is %s", in, oid)
		}
		if s, ok := AppendUniversal(nil, in); ok && len(s) > len(in) {
			t.Errorf("%x is %q", in, s)
		}
		if s, ok := AppendBMP(nil, in); ok && 2*len(s) > 3*len(in) {
			t.Errorf("%x is %q", in, s)
		}
		var d Decoder
		var e Element
		for c := d.Reset(in); c.Next(&e); {
			if s, _, code := c.Octets(&e, TagOctetString, nil); code == None && len(s) > len(e.Content) {
				t.Errorf("%d octets from %d", len(s), len(e.Content))
			}
			if bits, unused, code := c.BitString(&e, nil); code == None && (unused > 7 || len(bits) == 0 && unused != 0) {
				t.Errorf("%d octets with %d bits unused", len(bits), unused)
			}
		}
	})
}
