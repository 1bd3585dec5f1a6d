package association

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// shape is how eight octets look, those of mask.
type shape struct{ mask, octets uint64 }

// looks returns the shape of at most eight octets, written as two hexadecimal digits each. "low" is
// an octet of seven bits; what is written otherwise, and what is behind them, may be any octets.
func looks(octets string) (x shape) {
	for i, s := range strings.Fields(octets) {
		if s == "low" {
			x.mask |= 0x80 << (8 * i)
		} else if o, err := strconv.ParseUint(s, 16, 8); err == nil {
			x.mask |= 0xff << (8 * i)
			x.octets |= o << (8 * i)
		}
	}
	return x
}

// fits reports whether b begins with eight octets that look so.
func (x *shape) fits(b []byte) bool {
	return len(b) >= 8 && binary.LittleEndian.Uint64(b)&x.mask == x.octets
}

// headers is how the headers of nested elements look, with what stands between them: eight octets
// after the other.
type headers struct {
	shapes []nested
	octets int // All of them.
	ends   int // The octets of the ends of contents that belong to them, behind all else.
	most   int // With more octets, some length would not be as it is written.
}

// nested is a shape in which lengths are. For each octet that there is from the first header to the
// end, so much is to be added to the shape's octets: one for each length.
type nested struct {
	shape
	lengths uint64
}

// fewest is how many octets must be there for headers to be looked at, which are no more.
const fewest = 64

// nesting returns the headers that are written as for looks, with an L for the length of each
// element that goes to the end, and an I where it is indefinite.
func nesting(octets string) (h headers) {
	fields := strings.Fields(octets)
	h.octets, h.most = len(fields), maxStraight
	for i, s := range fields {
		if i%8 == 0 {
			h.shapes = append(h.shapes, nested{shape: looks(strings.Join(fields[i:min(i+8, len(fields))], " "))})
		}
		x := &h.shapes[i/8]
		switch s {
		case "L":
			longest := 0x7f
			if fields[i-1] == "81" {
				longest = 0xff
			}
			h.most = min(h.most, i+1+longest)
			x.mask |= 0xff << (i % 8 * 8)
			x.octets -= uint64(i+1) << (i % 8 * 8)
			x.lengths |= 1 << (i % 8 * 8)
		case "I":
			x.mask |= 0xff << (i % 8 * 8)
			x.octets += 0x80 << (i % 8 * 8)
			h.ends += 2
		}
	}
	return h
}

// begin reports whether b begins with such headers.
func (h *headers) begin(b []byte) bool {
	if len(b) < fewest || len(b) > h.most {
		return false
	}
	front, n := (*[fewest]byte)(b), uint64(len(b))
	for i := range h.shapes {
		x := &h.shapes[i]
		if binary.LittleEndian.Uint64(front[i&(fewest/8-1)*8:])&x.mask != x.octets+n*x.lengths {
			return false
		}
	}
	return true
}

// pass passes over the first of some headers with which b[at:end] begins. It returns where what is in
// them begins and ends, or at and end where it begins with none of these.
func pass(b []byte, at, end int, some []headers) (in, to int, ok bool) {
	rest := b[at:end]
	for i := range some {
		if h := &some[i]; h.begin(rest) {
			return at + h.octets, end - h.ends, true
		}
	}
	return at, end, false
}
