package ber

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// node is an element as the plain reading of X.690 8.1 below finds it.
type node struct {
	class      byte
	number     uint64
	start, end int
	content    [2]int
	children   []node
	primitive  bool
	indefinite bool
}

// parseNaive reads elements up to end, or up to the end-of-contents octets
// when toEOC is set, in the plainest way: recursion, no limits but the depth.
func parseNaive(in []byte, p, end int, toEOC bool, depth int) (nodes []node, next int, ok bool) {
	for {
		if p == end {
			return nodes, p, !toEOC
		}
		if end-p < 2 || depth > DefaultMaxDepth {
			return nil, 0, false
		}
		if in[p] == 0 && in[p+1] == 0 {
			return nodes, p + 2, toEOC
		}
		n := node{class: in[p] >> 6, number: uint64(in[p] & 0x1f), start: p, primitive: in[p]&0x20 == 0}
		if p++; n.number == 0x1f {
			n.number = 0
			for i := 0; ; i++ {
				if p == end || i == 5 {
					return nil, 0, false
				}
				n.number = n.number<<7 | uint64(in[p]&0x7f)
				p++
				if in[p-1] < 0x80 {
					break
				}
			}
			if n.number > MaxTagNumber {
				return nil, 0, false
			}
		}
		if p == end {
			return nil, 0, false
		}
		l := uint64(in[p])
		p++
		switch {
		case l == 0x80:
			n.indefinite = true
		case l == 0xff:
			return nil, 0, false
		case l > 0x80:
			k := int(l & 0x7f)
			if end-p < k {
				return nil, 0, false
			}
			digits := bytes.TrimLeft(in[p:p+k], "\x00")
			if len(digits) > 8 {
				return nil, 0, false
			}
			l = 0
			for _, b := range digits {
				l = l<<8 | uint64(b)
			}
			p += k
		}
		n.content[0] = p
		switch {
		case n.indefinite:
			if n.primitive {
				return nil, 0, false
			}
			if n.children, p, ok = parseNaive(in, p, end, true, depth+1); !ok {
				return nil, 0, false
			}
			n.content[1] = p - 2
		case l > uint64(end-p) || in[n.start] == 0 && l == 0:
			return nil, 0, false
		default:
			n.content[1] = p + int(l)
			if !n.primitive {
				if n.children, _, ok = parseNaive(in, p, n.content[1], false, depth+1); !ok {
					return nil, 0, false
				}
			}
			p = n.content[1]
		}
		n.end = p
		nodes = append(nodes, n)
	}
}

// sameTree compares the elements that a cursor yields with nodes.
func sameTree(tb testing.TB, c *Cursor, nodes []node) {
	tb.Helper()
	var e Element
	for _, n := range nodes {
		tag, ok := c.Peek()
		if !ok || !c.Next(&e) {
			tb.Fatalf("element at %d: %v", n.start, c.Err())
		}
		if tag != e.Tag || e.Tag.Class() != Class(n.class) || uint64(e.Tag.Number()) != n.number ||
			e.Constructed == n.primitive || e.Indefinite != n.indefinite ||
			e.Offset != n.start || e.End != n.end || e.Offset+e.Header != n.content[0] ||
			!bytes.Equal(e.Content, c.d.in[n.content[0]:n.content[1]]) {
			tb.Fatalf("got %+v, want %+v", e, n)
		}
		if e.Constructed {
			in := c.Enter(&e)
			sameTree(tb, &in, n.children)
		}
	}
	if c.Next(&e) || c.Err() != nil {
		tb.Fatalf("more than %d elements, or %v", len(nodes), c.Err())
	}
}

func TestRealAgainstNaive(t *testing.T) {
	for _, a := range realAPDUs(t) {
		nodes, _, ok := parseNaive(a.octets, 0, len(a.octets), false, 0)
		if !ok {
			t.Fatalf("%s: the naive reader refuses it", a.name)
		}
		var d Decoder
		c := d.Reset(a.octets)
		sameTree(t, &c, nodes)
	}
}

// sameAsCryptobyte walks c and s together: cryptobyte reads DER's lengths, thus
// only the APDUs that are wholly of definite, minimal length.
func sameAsCryptobyte(t *testing.T, c *Cursor, s cryptobyte.String) {
	t.Helper()
	var e Element
	for c.Next(&e) {
		var body cryptobyte.String
		var tag asn1.Tag
		if !s.ReadAnyASN1(&body, &tag) {
			t.Fatalf("cryptobyte stops before octet %d", e.Offset)
		}
		if byte(tag) != d0(e) || !bytes.Equal(body, e.Content) {
			t.Fatalf("octet %d: %v with %x, cryptobyte has %x with %x", e.Offset, e.Tag, e.Content, tag, body)
		}
		if e.Constructed {
			in := c.Enter(&e)
			sameAsCryptobyte(t, &in, body)
		}
	}
	if c.Err() != nil || !s.Empty() {
		t.Fatalf("%v, %d octets left in cryptobyte", c.Err(), len(s))
	}
}

// d0 is the identifier octet of an element with a short tag.
func d0(e Element) byte {
	b := byte(e.Tag.Class())<<6 | byte(e.Tag.Number())
	if e.Constructed {
		b |= 0x20
	}
	return b
}

func TestRealAgainstCryptobyte(t *testing.T) {
	compared := 0
	for _, a := range realAPDUs(t) {
		if !definite(a.octets) {
			continue
		}
		compared++
		var d Decoder
		c := d.Reset(a.octets)
		sameAsCryptobyte(t, &c, a.octets)
	}
	if compared < 5 {
		t.Errorf("only %d APDUs could be compared", compared)
	}
}

// definite reports whether cryptobyte can walk all of in.
func definite(in []byte) bool {
	s := cryptobyte.String(in)
	for !s.Empty() {
		var body cryptobyte.String
		var tag asn1.Tag
		if !s.ReadAnyASN1(&body, &tag) || tag&0x20 != 0 && !definite(body) {
			return false
		}
	}
	return true
}
