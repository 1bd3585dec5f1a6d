package oracle

import "testing"

// everyContent returns what tshark shows of messages whose contents between them
// have every field of X.420 and STANAG 4406 that a content can have.
func everyContent(t *testing.T) values {
	capture, _, _ := generate(t, "-n", "60", "-seed", "7", "-corpus", "small",
		"-set", "EveryContent=1", "-set", "X410Rate=0", "-set", "MaxHops=1", "-set", "ProbeRate=0", "-set", "ReportRate=0")
	a := newArchive(t)
	a.ingest(t, capture)
	for _, r := range a.query(t, "SELECT layer, path, reason, detail FROM problems") {
		t.Errorf("a problem: %v", r)
	}
	return sightings(t, a)
}
