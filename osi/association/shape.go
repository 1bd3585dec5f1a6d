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
