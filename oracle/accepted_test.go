package oracle

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// acceptance is a line of accepted.txt: a difference that the standard decides
// against tshark.
type acceptance struct {
	line int
	// judge is what differs from what: "capture" is what tshark follows through
	// the capture against what it says of the delivered octets, "archive" the
	// archive against the latter.
	judge string
	// capture, apdu and field name the place: apdu is a direction and a number,
	// or "connection". A field that ends in "*" stands for all that begin so.
	capture, apdu, field string
	clause               string
	// octets are the encoding that decides, which the MTS-APDU has.
	octets []byte
	// expected is the value that the standard demands; "=" where it is what
	// tshark says of the delivered octets.
	expected string
	why      string
	used     bool
}

// acceptances reads the lines of accepted.txt for one judge.
func acceptances(tb testing.TB, judge string) []*acceptance {
	tb.Helper()
	b, err := os.ReadFile("accepted.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var out []*acceptance
	for i, line := range strings.Split(string(b), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(line, " | ")
		if len(part) != 8 {
			tb.Fatalf("accepted.txt:%d: %d parts, want 8", i+1, len(part))
		}
		octets, err := hex.DecodeString(strings.ReplaceAll(part[5], " ", ""))
		if err != nil || len(octets) == 0 {
			tb.Fatalf("accepted.txt:%d: octets %q: %v", i+1, part[5], err)
		}
		if part[0] != "capture" && part[0] != "archive" {
			tb.Fatalf("accepted.txt:%d: no judge %q", i+1, part[0])
		}
		if !slices.ContainsFunc(realCaptures(), func(c capture) bool { return c.name == part[1] }) {
			tb.Fatalf("accepted.txt:%d: no capture %q", i+1, part[1])
		}
		if part[0] == judge {
			out = append(out, &acceptance{
				line: i + 1, judge: part[0], capture: part[1], apdu: part[2], field: part[3], clause: part[4],
				octets: octets, expected: part[6], why: part[7],
			})
		}
	}
	return out
}

// accepted finds the line for a difference, and marks it used.
func accepted(lines []*acceptance, capture, apdu, field string) *acceptance {
	for _, a := range lines {
		prefix, star := strings.CutSuffix(a.field, "*")
		if a.capture == capture && a.apdu == apdu && (a.field == field || star && strings.HasPrefix(field, prefix)) {
			a.used = true
			return a
		}
	}
	return nil
}

// stale fails for each line of a capture that nothing needed, and for each whose
// octets are not in the MTS-APDU.
func stale(t *testing.T, lines []*acceptance, c *capture) {
	t.Helper()
	for _, a := range lines {
		if a.capture != c.name {
			continue
		}
		if !a.used {
			t.Errorf("accepted.txt:%d no longer applies: %s %s %s", a.line, a.capture, a.apdu, a.field)
			continue
		}
		direction, number, _ := strings.Cut(a.apdu, " ")
		n, err := strconv.Atoi(number)
		delivered := c.delivered(t)[direction]
		if err != nil || n < 1 || n > len(delivered) {
			t.Errorf("accepted.txt:%d: there is no MTS-APDU %s", a.line, a.apdu)
		} else if !bytes.Contains(delivered[n-1], a.octets) {
			t.Errorf("accepted.txt:%d: MTS-APDU %s does not have the octets % x", a.line, a.apdu, a.octets)
		}
	}
}
