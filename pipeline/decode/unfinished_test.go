package decode

import (
	"regexp"
	"strings"
	"testing"

	"x400flow/bench/generate"
)

// A resume whose first half was not captured is a problem that names the activity
// and the session connection it was started in; so is what the first half
// became, and the two name the same.
func TestFirstHalfIsNamed(t *testing.T) {
	in := frames(t, generated(t, 60, func(o *generate.Options) {
		o.SegmentRate, o.RecoverRate, o.Concurrent = 1, 0.5, 1
	}))
	named := regexp.MustCompile(`activity \S+, session connection \S.*$`)
	var halves, resumed []string
	for _, flow := range flows(t, in) { // Each by itself, so that nothing is found.
		for _, r := range rowsOf(t, flow)["problems_store"] {
			detail := r.columns["detail"]
			name := named.FindString(detail)
			switch r.columns["reason"] {
			case "activity to be resumed is not known":
				if name != detail || name == "" {
					t.Errorf("it is named %q", detail)
				}
				resumed = append(resumed, name)
			case "unfinished":
				if name == "" {
					t.Errorf("the unfinished one is named %q", detail)
				}
				halves = append(halves, name)
			}
		}
	}
	if len(resumed) == 0 {
		t.Fatal("nothing was resumed")
	}
	all := strings.Join(halves, "\n")
	for _, name := range resumed {
		if !strings.Contains(all, name) {
			t.Errorf("no first half is named %q", name)
		}
	}
}
