package oracle

import (
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
	for _, file := range files {
		of := cells[filepath.Base(file)]
		for _, p := range packets(t, file) {
			out.add(&p, of)
		}
		for column, list := range of {
			for _, cell := range list {
				if strings.Contains(cell, "unspoken") {
					t.Errorf("%s: %s has %s", file, column, cell)
				}
			}
		}
	}
	// What the contents say is another test's.
	maps.DeleteFunc(out, func(field string, _ []sighted) bool {
		return !slices.ContainsFunc(covered, func(p string) bool { return strings.HasPrefix(field, p+".") })
	})
	return out
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
