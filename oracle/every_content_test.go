package oracle

import (
	"maps"
	"strings"
	"testing"
)

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
	// What tshark has no fields for: CMS, EDI and aeronautical addresses.
	for sql, want := range map[string]string{
		"SELECT DISTINCT kind || ' ' || inner_type || ' ' || signer AS v FROM ipms WHERE kind = 'cms' AND path = ''":                                "cms signed-data CN=a signer,C=GB serial=2A",
		"SELECT DISTINCT kind AS v FROM ipms WHERE startsWith(kind, 'edi') AND path = ''":                                                           "edi-message",
		"SELECT DISTINCT originator_af || ' ' || originator_af_form || ' ' || ats_priority || ' ' || ats_ohi AS v FROM ipms WHERE ats_source != ''": "EGLLZTZX XF FF INVENTED OHI",
		"SELECT arrayStringConcat(arraySort(groupUniqArray(af || ' ' || af_form)), ', ') AS v FROM ipm_recipients WHERE af != ''":                   "EDDFYFYX XF, LFPOYFYX CAAS",
	} {
		rows := a.query(t, sql)
		if len(rows) != 1 || rows[0]["v"] != want {
			t.Errorf("%s: %v, want %s", sql, rows, want)
		}
	}
	all := sightings(t, a)
	// The envelope's fields, which contents have too, are for the other corpora.
	maps.DeleteFunc(all, func(name string, _ []sighted) bool {
		return !strings.HasPrefix(name, "p22.") && !strings.HasPrefix(name, "p772.")
	})
	return all
}
