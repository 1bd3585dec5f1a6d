package association

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// shape is how eight octets look, those of mask.
type shape struct{ mask, octets uint64 }

// looks returns the shape of at most eight octets, written as two hexadecimal digits each. What
// is written otherwise, and what is behind them, may be any octets.
func looks(octets string) (x shape) {
	for i, s := range strings.Fields(octets) {
		if o, err := strconv.ParseUint(s, 16, 8); err == nil {
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

// headers is how the headers of nested elements look, with what stands between them.
type headers struct {
	shapes  []shape
	lengths []int // Where those stand of elements that go to the end, as the first does.
	octets  int
}

// nesting returns the headers that are written as for looks, with an L for the length of each
// element that goes to the end.
func nesting(octets string) (h headers) {
	fields := strings.Fields(octets)
	for i, s := range fields {
		if i%8 == 0 {
			h.shapes = append(h.shapes, looks(strings.Join(fields[i:min(i+8, len(fields))], " ")))
		}
		if s == "L" {
			h.lengths = append(h.lengths, i)
		}
	}
	h.octets = len(fields)
	return h
}

// begin reports whether b begins with such headers, of elements that go to its end with lengths
// of one octet. Some octets must follow, of which it tells nothing.
func (h *headers) begin(b []byte) bool {
	if len(b) > 2+0x7f {
		return false // The first length has several octets; all others are less.
	}
	rest := b
	for i := range h.shapes {
		if !h.shapes[i].fits(rest) {
			return false
		}
		rest = rest[8:]
	}
	for _, i := range h.lengths {
		if i >= len(b) || int(b[i]) != len(b)-i-1 {
			return false
		}
	}
	return true
}
