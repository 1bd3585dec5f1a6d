package oracle

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specimens "x400flow/bench/generate"
)

// specimenValues returns what tshark shows of whole captures, read one connection at
// a time, with what the archive tells of that connection.
func specimenValues(t *testing.T) values {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i, s := range specimens.Specimens() {
		files = append(files, filepath.Join(dir, strconv.Itoa(i+1)+".pcap"))
		if err := os.WriteFile(files[i], s.Capture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := newArchive(t)
	a.ingest(t, files...)
	cells := connectionRows(t, a)
	if len(cells) != len(files) {
		t.Fatalf("the archive has %d connections of %d", len(cells), len(files))
	}
	out := values{}
	complaints := map[string]string{}
	for _, file := range files {
		of := cells[filepath.Base(file)]
		for _, p := range packets(t, file) {
			out.add(&p, of)
			p.all(func(n *node) {
				if n.Name == "_ws.expert" && (strings.HasPrefix(n.ShowName, "Expert Info (Error") || strings.Contains(n.ShowName, "/Malformed)")) {
					complaints[n.ShowName] = filepath.Base(file)
				}
			})
		}
	}
	for table := range tables {
		// Octets too, which some columns show as hexadecimal digits.
		out, errs := command(t, "query", "-store", a.dir, "-format", "TabSeparatedRaw", "SELECT * FROM "+table)
		all := strings.ToUpper(out + errs)
		for _, secret := range []string{"UNSPOKEN", fmt.Sprintf("%X", "UNSPOKEN")} {
			if at := strings.Index(all, secret); at >= 0 {
				t.Errorf("%s has %q", table, all[at:min(at+100, len(all))])
			}
		}
	}
	for _, m := range mistaken {
		met := len(complaints)
		maps.DeleteFunc(complaints, func(message, _ string) bool { return strings.Contains(message, m.message) })
		if met == len(complaints) {
			t.Errorf("tshark no longer says %q (%s)", m.message, m.clause)
		}
	}
	for message, file := range complaints {
		t.Errorf("%s: %s", file, message)
	}
	if n := a.query(t, "SELECT count() AS n FROM problems")[0]["n"]; n != "0" {
		t.Errorf("%s problems", n)
	}
	// What the contents say is another test's.
	maps.DeleteFunc(out, func(field string, _ []sighted) bool {
		return !slices.ContainsFunc(covered, func(p string) bool { return strings.HasPrefix(field, p+".") })
	})
	return out
}

// mistaken are tshark's complaints about specimens that the standard decides.
var mistaken = []struct{ message, clause string }{
	{"Unknown field in SET class:CONTEXT(2) tag:2", "X.228 7.8: user data of RTAB, which tshark does not dissect"},
	{"Unknown field in SET class:CONTEXT(2) tag:3", "X.411 8.3.1.3.2: refused-extension, which tshark does not dissect"},
	{"Missing field in SET class:Unknown(99) tag:-1 expected", "the same refused-extension"},
	{"Unknown field in SET class:CONTEXT(2) tag:6", "X.411 8.3.1.3.1: extensions of delivery-control, which tshark takes for submission-control"},
	{"can't get spdu type from session dissector", "X.228 9: data in X.410-1984 mode, which tshark does not dissect"},
	{"No OID supplied to call_ber_oid_callback", "X.411 8.5.10: the EXTERNAL of a bind token, whose context tshark does not look up there"},
	{"SEQUENCE OF expected but class:UNIVERSAL(0) Constructed tag:16 was unexpected", "X.413: tags taken over from X.411 stay implicit; tshark takes the submission for one to a message store"},
	{"UTCTime expected but class:UNIVERSAL(0) Constructed tag:", "X.413: the same"},
	{"Malformed Packet (Exception occurred)", "X.413: the same"},
}

// connectionRows returns the values of each column of each table that tells of a
// connection, by the name of the capture that has it.
func connectionRows(t *testing.T, a archive) map[string]map[string][]string {
	t.Helper()
	out := map[string]map[string][]string{}
	sources := map[string]string{}
	for _, r := range a.query(t, "SELECT * EXCEPT (association), toString(association) AS id FROM associations") {
		name := filepath.Base(r["source"])
		sources[r["id"]] = name
		out[name] = map[string][]string{}
		tell(out[name], "associations", r)
	}
	apdus := rowsOf(t, a)
	for _, r := range a.query(t, "SELECT apdu, association FROM messages") {
		of := out[sources[r["association"]]]
		for column, list := range apdus[r["apdu"]] {
			of[column] = append(of[column], list...)
		}
	}
	for table, octets := range map[string]string{"operations": "argument_raw, result_raw", "problems": "octets"} {
		for _, r := range a.query(t, "SELECT * EXCEPT ("+octets+") FROM "+table) {
			tell(out[sources[r["association"]]], table, r)
		}
	}
	return maps.Clone(out)
}
