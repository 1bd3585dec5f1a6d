package oracle

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchiveEqualsTshark archives each real capture through the commands and
// compares every field of every MTS-APDU and of the binds with what tshark says.
func TestArchiveEqualsTshark(t *testing.T) {
	needTools(t)
	lines := acceptances(t, "archive")
	for _, c := range realCaptures() {
		t.Run(c.name, func(t *testing.T) {
			needReference(t, c.file)
			want, bind := c.expected(t)
			a := realArchive(t)
			if c.alone {
				a = newArchive(t)
				a.ingest(t, c.file)
			}
			associations := a.query(t, "SELECT * FROM associations WHERE endsWith(source, '"+filepath.Base(c.file)+"')")
			if len(associations) != 1 {
				t.Fatalf("%d associations, want 1", len(associations))
			}
			as := associations[0]
			if as["class"] != "x400" {
				t.Errorf("the class is %q", as["class"])
			}
			gotBind := facts{}
			for _, column := range []string{"initiator_mta", "responder_mta", "application_context", "bind_outcome", "mode", "recover", "client_tsap", "server_tsap"} {
				gotBind.set(column, as[column])
			}
			compare(t, lines, c.name, "connection", gotBind, bind)

			got := a.apdus(t, as["association"])
			for _, direction := range []string{"c2s", "s2c"} {
				if len(got[direction]) != len(want[direction]) {
					t.Errorf("%s: %d MTS-APDUs, want %d", direction, len(got[direction]), len(want[direction]))
					continue
				}
				for i, w := range want[direction] {
					compare(t, lines, c.name, fmt.Sprintf("%s %d", direction, i+1), got[direction][i], w)
				}
			}
			stale(t, lines, &c)
			checkProblems(t, a, &c)
		})
	}
}

// compare tells how the archive differs from tshark where no line accepts it.
func compare(t *testing.T, lines []*acceptance, capture, apdu string, got, want facts) {
	t.Helper()
	for _, field := range diff(got, want) {
		a := accepted(lines, capture, apdu, field)
		if a == nil {
			t.Errorf("%s: %s is %q, tshark says %q", apdu, field, got[field], want[field])
		} else if got[field] != a.expected {
			t.Errorf("%s: %s is %q, accepted.txt:%d demands %q", apdu, field, got[field], a.line, a.expected)
		}
	}
}

// eanContent is what is wrong with contents that EAN sent in 1985: octets of an
// earlier content stand behind two notifications, and a message has no body (the
// decoder of 1986 printed none either).
var eanContent = map[string]bool{"x420 octets after the value ": true, "x420 mandatory field absent body": true}

// checkProblems: a capture without missing octets has no problems; one with
// them has a gap for each.
func checkProblems(t *testing.T, a archive, c *capture) {
	t.Helper()
	gaps := map[string]int{}
	for _, r := range a.query(t, "SELECT layer, reason, path, direction, detail FROM problems WHERE endsWith(source, '"+filepath.Base(c.file)+"')") {
		if r["reason"] == "gap" {
			gaps[r["direction"]]++
		} else if eanContent[r["layer"]+" "+r["reason"]+" "+r["path"]] {
			continue
		} else if len(c.missing) == 0 {
			t.Errorf("problem %s %s: %s", r["layer"], r["reason"], r["detail"])
		}
	}
	want := map[string]int{}
	for _, m := range c.missing {
		if strings.HasPrefix(m, "c2s") {
			want["client-to-server"]++
		} else {
			want["server-to-client"]++
		}
	}
	for _, direction := range []string{"client-to-server", "server-to-client"} {
		if gaps[direction] != want[direction] {
			t.Errorf("%d gaps %s, want %d", gaps[direction], direction, want[direction])
		}
	}
}
