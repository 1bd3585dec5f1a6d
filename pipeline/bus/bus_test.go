package bus

import (
	"bytes"
	"net/netip"
	"testing"
)

// TestKeyOf: a key has the lower address first, as octets sort, whichever is given first.
func TestKeyOf(t *testing.T) {
	var addrs []netip.Addr
	for _, s := range []string{
		"192.0.2.1", "192.0.2.2", "10.0.0.255", "::", "::1", "1::", "0:0:0:1::", "::ffff:192.0.2.1",
		"2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	for _, a := range addrs {
		for _, b := range addrs {
			lo, hi := a.As16(), b.As16()
			if bytes.Compare(lo[:], hi[:]) > 0 {
				lo, hi = hi, lo
			}
			if got, want := KeyOf(a, b), Key(append(lo[:], hi[:]...)); got != want {
				t.Errorf("%v, %v: got %x, want %x", a, b, got, want)
			}
		}
	}
}
