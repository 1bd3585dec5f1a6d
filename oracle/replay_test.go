package oracle

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"x400flow/bench/ledger"
)

// tables are the views that people query, with the columns that say who read
// what and when rather than what was said.
var tables = map[string][]string{
	"associations": {"source", "first_frame", "last_frame"},
	"messages":     {"source", "first_frame", "last_frame"},
	"recipients":   nil,
	"trace":        nil,
	"extensions":   nil,
	"bilateral":    nil,
	"contents":     nil,
	"ipms":         nil, "ipm_recipients": nil, "ipm_references": nil, "ipm_extensions": nil, "ipm_extension_items": nil,
	"body_parts": nil,
	"problems":   {"source", "frame"},
	"coverage":   {"source"},
}

// digest returns the number of rows and a digest of all columns of every table,
// without provenance where that may differ.
func (a archive) digest(tb testing.TB, provenance bool) map[string]string {
	tb.Helper()
	out := map[string]string{}
	for table, except := range tables {
		columns := "*"
		if !provenance && len(except) > 0 {
			columns = "* EXCEPT (" + strings.Join(except, ", ") + ")"
		}
		r := a.query(tb, "SELECT count() AS n, sum(cityHash64(toString(tuple(t.*)))) AS digest FROM (SELECT "+columns+" FROM "+table+") AS t")
		out[table] = r[0]["n"] + " rows " + r[0]["digest"]
	}
	r := a.query(tb, "SELECT count() AS n, sum(cityHash64(toString(tuple(t.*)))) AS digest FROM (SELECT * EXCEPT (read_at) FROM captures) AS t")
	out["captures"] = r[0]["n"] + " rows " + r[0]["digest"]
	return out
}

// sameDigest compares tables, all of them or those named.
func sameDigest(t *testing.T, what string, got, want map[string]string, but ...string) {
	t.Helper()
	for table, w := range want {
		if got[table] != w && !slices.Contains(but, table) {
			t.Errorf("%s: %s has %s, want %s", what, table, got[table], w)
		}
	}
}

// content lists what the archive says, by association and direction, without
// provenance.
func (a archive) content(tb testing.TB) map[string][]facts {
	tb.Helper()
	out := map[string][]facts{}
	for _, r := range a.query(tb, "SELECT association, concat(client_address, ':', toString(client_port), ' ', server_address) AS ends FROM associations ORDER BY ends, first_seen") {
		for direction, list := range a.apdus(tb, r["association"]) {
			out[r["ends"]+" "+direction] = append(out[r["ends"]+" "+direction], list...)
		}
	}
	return out
}

// sameContent compares what two archives say, but for some fields.
func sameContent(t *testing.T, got, want map[string][]facts, but ...string) {
	t.Helper()
	for where, w := range want {
		g := got[where]
		if len(g) != len(w) {
			t.Errorf("%s: %d MTS-APDUs, want %d", where, len(g), len(w))
			continue
		}
		for i := range w {
			for _, field := range diff(g[i], w[i]) {
				if !slices.Contains(but, field) {
					t.Errorf("%s %d: %s is %q, want %q", where, i+1, field, g[i][field], w[i][field])
				}
			}
		}
	}
	for where := range got {
		if _, ok := want[where]; !ok {
			t.Errorf("%s: %d MTS-APDUs, want none", where, len(got[where]))
		}
	}
}

// own lists the captures that the project has.
func own(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(mta + "*.pcap")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no captures in testdata: %v", err)
	}
	return files
}

// tool runs one of Wireshark's tools.
func tool(tb testing.TB, name string, args ...string) {
	tb.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func TestReadingTwiceChangesNothing(t *testing.T) {
	a := newArchive(t)
	a.ingest(t, own(t)...)
	want := a.digest(t, true)
	if strings.HasPrefix(want["messages"], "0 ") {
		t.Fatal("no messages")
	}
	a.ingest(t, own(t)...)
	sameDigest(t, "read again", a.digest(t, true), want)
	a.ingestWith(t, []string{"-reread"}, own(t)...)
	sameDigest(t, "decoded again", a.digest(t, true), want)
}

// Two overlapping cuts of a capture say together what the whole says, in whichever
// order they are read, at once or one after the other: only what counts packets,
// and where the capture has what, is each reading's own.
func TestOverlappingCuts(t *testing.T) {
	needTools(t)
	const whole = mta + "n20-normal-std88-messages-and-probe.pcap"
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.pcap"), filepath.Join(dir, "second.pcap")
	tool(t, "editcap", "-F", "pcap", "-r", whole, first, "1-45")
	tool(t, "editcap", "-F", "pcap", "-r", whole, second, "38-66")
	want, head := newArchive(t), newArchive(t)
	want.ingest(t, whole)
	head.ingest(t, first)
	if all, begun := len(want.allAPDUs(t)), len(head.allAPDUs(t)); begun == 0 || begun >= all {
		t.Fatalf("the first cut has %d of %d messages", begun, all)
	}
	const connections = "SELECT * EXCEPT (version, source, first_frame, last_frame, client_packets, server_packets, client_octets, server_octets) FROM associations"
	for _, order := range [][]string{{first, second}, {second, first}, {second, first, second}} {
		got := newArchive(t)
		for _, f := range order {
			got.ingest(t, f)
		}
		sameDigest(t, strings.Join(order, ", "), got.digest(t, false), want.digest(t, false), "associations", "coverage", "captures")
		sameContent(t, got.content(t), want.content(t))
		if g, w := got.query(t, connections), want.query(t, connections); !reflect.DeepEqual(g, w) {
			t.Errorf("connections: got %v, want %v", g, w)
		}
	}
	once := newArchive(t)
	once.ingest(t, first, second)
	// Frames that stand in both files are retransmissions there.
	sameDigest(t, "at once", once.digest(t, false), want.digest(t, false), "associations", "coverage", "captures")
	sameContent(t, once.content(t), want.content(t))
}

// Records written to a file and decoded from there give the same rows.
func TestRecordsGiveTheSameRows(t *testing.T) {
	direct := newArchive(t)
	direct.ingest(t, own(t)...)
	records := filepath.Join(t.TempDir(), "mta.records")
	args := []string{"-sensor", "oracle", "-port", "102,1720,3389", "-records", records}
	for _, f := range own(t) {
		args = append(args, "-r", f)
	}
	command(t, "ingest", args...)
	replayed := newArchive(t)
	command(t, "decode", "-store", replayed.dir, "-r", records)
	// Which files were read is known where they are read.
	sameDigest(t, "from records", replayed.digest(t, true), direct.digest(t, true), "captures")
}

// Associations that interleave packet by packet give the rows that they give
// alone.
func TestInterleavedEqualsSeparate(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	var shifted []string
	// Those whose 4-tuples differ, all moved to one beginning.
	for i, name := range []string{"n02-normal-ckpt1k-window3", "n03-normal-twa-turns", "n09-lowlevel-interrupt-resume-same-assoc", "n20-normal-std88-messages-and-probe", "p20-pp88-to-pp88-relay"} {
		file := mta + name + ".pcap"
		began, err := strconv.ParseFloat(fields(t, file, "frame.number==1", "frame.time_epoch")[0][0], 64)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, strconv.Itoa(i)+".pcap")
		tool(t, "editcap", "-F", "pcap", "-t", strconv.FormatFloat(8e8-began, 'f', 6, 64), file, out)
		shifted = append(shifted, out)
	}
	merged := filepath.Join(dir, "merged.pcap")
	tool(t, "mergecap", append([]string{"-F", "pcap", "-w", merged}, shifted...)...)
	separate, together := newArchive(t), newArchive(t)
	for _, f := range shifted {
		separate.ingest(t, f)
	}
	together.ingest(t, merged)
	sameContent(t, together.content(t), separate.content(t))
	sameDigest(t, "interleaved", together.digest(t, false), separate.digest(t, false), "captures", "coverage")
}

// secrets returns the credentials in the binds of the captures, as tshark finds
// them.
func secrets(tb testing.TB, files []string) []string {
	tb.Helper()
	found := map[string]bool{}
	for _, file := range files {
		for _, p := range packets(tb, file, "-Y", "p1") {
			p.all(func(n *node) {
				if n.Name == "p1.initiator_credentials" || n.Name == "p1.responder_credentials" {
					n.all(func(m *node) {
						if m.Name == "p1.octet_string" || m.Name == "p1.ia5_string" {
							found[m.text()] = true
						}
					})
				}
			})
		}
	}
	var out []string
	for s := range found {
		if len(s) >= 4 && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// No credential of a bind is in anything that the commands write: records,
// archive, logs, rows.
func TestNoSecretGetsOut(t *testing.T) {
	needTools(t)
	var files []string
	for _, c := range realCaptures() {
		if _, err := os.Stat(c.file); err == nil {
			files = append(files, c.file)
		}
	}
	generated, _, words := generate(t, "-n", "60", "-seed", "11", "-set", "AccessRate=0.5")
	words = append(words, secrets(t, files)...)
	for _, known := range []string{"pw-alpha", "pw-beta"} {
		if !slices.Contains(words, known) {
			t.Fatalf("tshark does not find %q in the captures: %q", known, words)
		}
	}
	files = append(files, generated)

	search := func(where string, b []byte) {
		for _, w := range words {
			// In the clear, as hexadecimal digits in both cases, and with colons.
			for _, form := range []string{w, fmt.Sprintf("%x", w), fmt.Sprintf("%X", w), strings.ReplaceAll(fmt.Sprintf("% x", w), " ", ":")} {
				if strings.Contains(string(b), form) {
					t.Errorf("%s holds the credential %q", where, w)
				}
			}
		}
	}
	var input []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		input = append(input, b...)
	}
	for _, w := range words {
		if !strings.Contains(string(input), w) {
			t.Fatalf("the captures do not hold %q", w)
		}
	}

	records := filepath.Join(t.TempDir(), "records")
	args := []string{"-v", "-sensor", "oracle", "-records", records}
	for _, f := range files {
		args = append(args, "-r", f)
	}
	stdout, stderr := command(t, "ingest", args...)
	search("what ingest -records says", []byte(stdout+stderr))
	b, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	search("the record file", b)

	a := newArchive(t)
	search("what ingest says", []byte(a.ingestWith(t, []string{"-v"}, files...)))
	for table := range tables {
		out, errs := command(t, "query", "-store", a.dir, "-format", "TabSeparatedRaw", "SELECT * FROM "+table)
		search("table "+table, []byte(out+errs))
	}
	for _, report := range []string{"flows", "days", "messages", "undelivered", "coverage", "problems"} {
		out, errs := command(t, "query", "-store", a.dir, report)
		search("query "+report, []byte(out+errs))
	}
	id := a.query(t, "SELECT mts_id FROM recipients WHERE outcome != '' AND mts_id != '' ORDER BY mts_id LIMIT 1")[0]["mts_id"]
	out, errs := command(t, "query", "-store", a.dir, "trace", id)
	search("query trace", []byte(out+errs))
	replayed := newArchive(t)
	out, errs = command(t, "decode", "-store", replayed.dir, "-r", records)
	search("what decode says", []byte(out+errs))
	err = filepath.WalkDir(a.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // Parts come and go while the engine merges.
		}
		if b, err := os.ReadFile(path); err == nil {
			search(path, b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A capture cut anywhere gives no message that the whole does not give. The cuts
// are a sample: the decoders' own tests cut at every octet.
func TestCutCaptures(t *testing.T) {
	const cuts = 4
	want := realArchive(t).allAPDUs(t)
	cut := newArchive(t)
	dir := t.TempDir()
	for _, file := range own(t) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range cuts {
			// Not at multiples of anything in the file.
			n := 24 + (len(whole)-24)*(2*i+1)/(2*cuts) + i%3
			name := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(file)))
			if err := os.WriteFile(name, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			cut.ingest(t, name)
		}
	}
	got := cut.allAPDUs(t)
	for id, f := range got {
		w, ok := want[id]
		if !ok {
			t.Errorf("a cut gives a message that the whole has not:\n%s", f)
			continue
		}
		for _, field := range diff(f, w) {
			t.Errorf("%s: %s is %q, of the whole %q", f["mts_id"], field, f[field], w[field])
		}
	}
	if len(got) < 10 {
		t.Errorf("the cuts give only %d messages", len(got))
	}
}

// generate writes a capture with its ledger and returns both, and the
// credentials in it.
func generate(tb testing.TB, args ...string) (capture string, l *ledger.Ledger, credentials []string) {
	tb.Helper()
	dir := tb.TempDir()
	capture, file := filepath.Join(dir, "generated.pcap"), filepath.Join(dir, "generated.jsonl")
	command(tb, "x400gen", append([]string{"-o", capture, "-ledger", file}, args...)...)
	b, err := os.ReadFile(capture)
	if err != nil {
		tb.Fatal(err)
	}
	found := map[string]bool{}
	rest := string(b)
	for {
		i := strings.Index(rest, "SECRET-")
		if i < 0 {
			break
		}
		rest = rest[i:]
		end := strings.IndexFunc(rest, func(r rune) bool { return r != '-' && !(r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r))) })
		if end < 0 {
			end = len(rest)
		}
		found[rest[:end]] = true
		rest = rest[end:]
	}
	for s := range found {
		credentials = append(credentials, s)
	}
	slices.Sort(credentials)
	if len(credentials) == 0 {
		tb.Fatal("the generated binds bear no credentials")
	}
	return capture, readLedger(tb, file), credentials
}
