package association

import (
	"strconv"
	"strings"
	"testing"
)

// TestHeaders: headers are found where they are whole and their lengths those of what is
// there, however long that is, and nowhere else.
func TestHeaders(t *testing.T) {
	for _, written := range []string{
		"61 L 30 L 02 01 low a0 L 60 L a1 06 06 04 56",
		"31 81 L a0 03 80 01 01 a2 L",
		"31 81 L a0 .. 80 01 01 a2 81 L",
		"61 I 30 I 02 01 low a0 I 00 00",
		"31 L",
	} {
		h := nesting(written)
		fields := strings.Fields(written)
		first, ends, most := 0x7f, 0, maxStraight
		for i, s := range fields {
			switch s {
			case "81":
				first = 0xff
			case "L":
				most = min(most, i+1+first)
				first = 0x7f
			case "I":
				ends += 2
			}
		}
		if h.octets != len(fields) || h.ends != ends {
			t.Errorf("%s: %d octets, ends %d", written, h.octets, h.ends)
		}
		for n := range maxStraight + 2 {
			b := make([]byte, n)
			for i, s := range fields[:min(len(fields), n)] {
				switch s {
				case "L":
					b[i] = byte(n - i - 1)
				case "I":
					b[i] = 0x80
				case "low":
					b[i] = byte(n) & 0x7f
				case "..":
					b[i] = byte(n)
				default:
					o, err := strconv.ParseUint(s, 16, 8)
					if err != nil {
						t.Fatal(err)
					}
					b[i] = byte(o)
				}
			}
			want := n >= fewest && n <= most
			at, end, ok := pass(append([]byte{1, 2}, append(b, 3)...), 2, 2+n, []headers{nesting("41 L"), h})
			if ok != want || ok && (at != 2+len(fields) || end != 2+n-ends) || !ok && (at != 2 || end != 2+n) {
				t.Fatalf("%s, %d octets: %d to %d, %t", written, n, at, end, ok)
			}
			for i := range b[:min(len(fields), n)] {
				for bit := range 8 {
					b[i] ^= 1 << bit
					free := fields[i] == ".." || fields[i] == "low" && bit < 7
					if h.begin(b) != (want && free) {
						t.Fatalf("%s, %d octets: bit %d of octet %d", written, n, bit, i)
					}
					b[i] ^= 1 << bit
				}
			}
		}
	}
}
