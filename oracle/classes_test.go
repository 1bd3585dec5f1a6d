package oracle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wanted is a line of classes.txt.
type wanted struct {
	capture, client, server string
	classes                 []string
}

func classes(tb testing.TB) (out []wanted) {
	tb.Helper()
	b, err := os.ReadFile("classes.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(line, "\t")
		if len(part) != 4 {
			tb.Fatalf("classes.txt: %q", line)
		}
		out = append(out, wanted{part[0], part[1], part[2], strings.Split(part[3], "|")})
	}
	return out
}

// TestNotX400: from captures of other protocols comes no message and no problem
// that is blamed on X.400, and each connection has its class.
func TestNotX400(t *testing.T) {
	needTools(t)
	files, err := filepath.Glob(reference + "third-party/*")
	if err != nil {
		t.Fatal(err)
	}
	table := classes(t)
	if len(files) == 0 {
		needReference(t, reference+"third-party/ndpi-rdp.pcap")
	}
	type key struct{ capture, client, server string }
	got := map[key][]string{}
	for _, group := range apart(files, table) {
		a := newArchive(t)
		a.ingest(t, group...)
		for _, r := range a.query(t, "SELECT source, class, concat(client_address, ':', toString(client_port)) AS client, concat(server_address, ':', toString(server_port)) AS server FROM associations ORDER BY first_seen") {
			k := key{filepath.Base(r["source"]), r["client"], r["server"]}
			got[k] = append(got[k], r["class"])
		}
		for _, r := range a.query(t, "SELECT source, kind, mts_id FROM messages") {
			t.Errorf("%s: %s %s", r["source"], r["kind"], r["mts_id"])
		}
		for _, r := range a.query(t, "SELECT source, layer, reason, detail FROM problems WHERE layer IN ('session', 'presentation', 'acse', 'rtse', 'x411')") {
			t.Errorf("%s: problem %s %s: %s", r["source"], r["layer"], r["reason"], r["detail"])
		}
	}
	for _, w := range table {
		k := key{w.capture, w.client, w.server}
		if len(got[k]) == 0 {
			t.Errorf("%s: no connection from %s to %s, want class %v", w.capture, w.client, w.server, w.classes)
			continue
		}
		for _, class := range got[k] {
			if !slices.Contains(w.classes, class) {
				t.Errorf("%s: %s to %s is %s, want %v", w.capture, w.client, w.server, class, w.classes)
			}
		}
		delete(got, k)
	}
	for k, class := range got {
		t.Errorf("%s: %s to %s is %v: classes.txt does not know it", k.capture, k.client, k.server, class)
	}
}

// apart puts the captures into groups in which no pair of addresses and ports
// comes twice. Some captures are cuts of one: their connection is the same, and
// an archive tells it once.
func apart(files []string, table []wanted) (groups [][]string) {
	connections := map[string][]wanted{}
	for _, w := range table {
		connections[w.capture] = append(connections[w.capture], w)
	}
	var taken []map[string]bool
	for _, file := range files {
		var ends []string
		for _, w := range connections[filepath.Base(file)] {
			ends = append(ends, w.client+" "+w.server)
		}
		g := slices.IndexFunc(taken, func(in map[string]bool) bool {
			return !slices.ContainsFunc(ends, func(e string) bool { return in[e] })
		})
		if g < 0 {
			g = len(groups)
			groups, taken = append(groups, nil), append(taken, map[string]bool{})
		}
		groups[g] = append(groups[g], file)
		for _, e := range ends {
			taken[g][e] = true
		}
	}
	return groups
}

// The table says what tshark says.
func TestClassesAreTsharks(t *testing.T) {
	needTools(t)
	said := map[string]string{"s7comm": "s7comm", "mms": "mms", "iccp": "mms", "rdp": "rdp", "h323": "q931"}
	byFile := map[string][]wanted{}
	for _, w := range classes(t) {
		byFile[w.capture] = append(byFile[w.capture], w)
	}
	for capture, want := range byFile {
		file := reference + "third-party/" + capture
		needReference(t, file)
		seen := map[string]string{}
		for _, r := range fields(t, file, "tcp", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "frame.protocols") {
			source, destination := r[0]+":"+r[1], r[2]+":"+r[3]
			seen[source+" "+destination] += r[4] + ":"
			seen[destination+" "+source] += r[4] + ":"
		}
		for _, w := range want {
			protocols := seen[w.client+" "+w.server]
			if protocols == "" {
				t.Errorf("%s: tshark has no connection from %s to %s", capture, w.client, w.server)
			}
			if len(w.classes) > 1 && w.classes[0] != "iccp" {
				continue // What tshark does not say.
			}
			for class, protocol := range said {
				has := strings.Contains(protocols, ":"+protocol+":")
				if slices.Contains(w.classes, class) != has && !(class == "iccp" || class == "mms") {
					t.Errorf("%s: %s to %s is %v, tshark has %s: %v", capture, w.client, w.server, w.classes, protocol, has)
				}
				if class == "mms" && has != slices.Contains(w.classes, "mms") {
					t.Errorf("%s: %s to %s is %v, tshark has mms: %v", capture, w.client, w.server, w.classes, has)
				}
			}
		}
	}
}
