package generate

import (
	"bytes"
	"testing"
)

// TestSpecimens: they are the same in every run, each has a name of its own, and both
// sides say something. What they hold tshark and the archive are asked for in package
// oracle.
func TestSpecimens(t *testing.T) {
	first, again := Specimens(), Specimens()
	if len(first) < 20 || len(first) != len(again) {
		t.Fatalf("%d specimens, then %d", len(first), len(again))
	}
	names := map[string]bool{}
	for i, s := range first {
		if names[s.Name] {
			t.Errorf("two specimens are called %s", s.Name)
		}
		names[s.Name] = true
		if !bytes.Equal(s.Capture, again[i].Capture) {
			t.Errorf("%s differs from run to run", s.Name)
		}
		octets := map[uint16]int{}
		for _, p := range packets(t, s.Capture) {
			octets[p.from.Port()] += len(p.whole)
		}
		if len(octets) != 2 || octets[102] == 0 {
			t.Errorf("%s: octets by port: %v", s.Name, octets)
		}
	}
}
