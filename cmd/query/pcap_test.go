package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// told is what tshark tells of a capture.
type told struct {
	streams, identifiers []string // Each of them once.
	packets              string   // Time, sequence number and length of each.
}

func dissect(t *testing.T, capture string) (c told) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", capture, "-T", "fields", "-e", "tcp.stream", "-e", "p1.local_identifier",
		"-e", "frame.time_epoch", "-e", "tcp.seq_raw", "-e", "tcp.len").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.SplitN(line, "\t", 3)
		c.streams = append(c.streams, f[0])
		if f[1] != "" {
			c.identifiers = append(c.identifiers, strings.Split(f[1], ",")...)
		}
		c.packets += f[2]
	}
	slices.Sort(c.streams)
	slices.Sort(c.identifiers)
	c.streams, c.identifiers = slices.Compact(c.streams), slices.Compact(c.identifiers)
	return c
}

// TestPcap cuts out the packets of each message of the demonstration. tshark, which
// knows nothing of the archive, finds the message in them, and no other.
func TestPcap(t *testing.T) {
	archive := demonstration(t)
	out := filepath.Join(t.TempDir(), "out.pcapng")
	const from = "../../testdata/mta"
	known := map[string]told{}
	for line := range strings.Lines(run(t, "-store", archive, "SELECT DISTINCT source FROM associations")) {
		source := strings.TrimSpace(line)
		known[source] = dissect(t, filepath.Join(from, source))
	}
	n := 0
	for line := range strings.Lines(run(t, "-store", archive, "SELECT apdu, kind, mts_id_local, source FROM messages ORDER BY captured_at")) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		apdu, kind, local, source := f[0], f[1], f[2], f[3]
		if kind == "report" {
			continue // It names its subject as well.
		}
		run(t, "-store", archive, "pcap", apdu, "-o", out, "-from", from)
		found := dissect(t, out)
		if !slices.Equal(found.streams, []string{"0"}) {
			t.Errorf("%s: packets of several connections: %q", local, found.streams)
		}
		if !slices.Contains(known[source].identifiers, local) {
			continue // In the whole capture, tshark does not find it either.
		}
		if !slices.Equal(found.identifiers, []string{local}) {
			t.Errorf("%s: tshark finds %q", local, found.identifiers)
		}
		n++
	}
	if n < 13 {
		t.Errorf("%d messages", n)
	}

	// A connection is cut out whole: it is all of its capture.
	for line := range strings.Lines(run(t, "-store", archive, "SELECT association, source FROM associations")) {
		association, source, _ := strings.Cut(strings.TrimSpace(line), "\t")
		run(t, "-store", archive, "pcap", association, "-o", out, "-from", from)
		if got, want := dissect(t, out).packets, known[source].packets; got != want {
			t.Errorf("%s: got\n%.300s\nwant\n%.300s", source, got, want)
		}
	}
	if fi, err := os.Stat(out); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}

	for _, test := range []struct{ args, want string }{
		{"r9.none -o x", "no message, probe or report has the identifier r9.none"},
		{"00000000-0000-0000-0000-000000000001 -o x", "a connection is named by"},
		{"r9.none", "-o names the file"},
		{"-o x", "takes one argument"},
		{"[/PRMD=uk/ADMD=/C=/;860324133448] -o x", "which is not here: name the folder"},
		{"[/PRMD=uk/ADMD=/C=/;860324133448] -o x -from " + t.TempDir(), "none of the packets"},
		{"[/PRMD=uk/ADMD=/C=/;860324133448] -o x -from none", "-from: "},
	} {
		_, _, err := ask(t, t.Context(), "", append([]string{"-store", archive, "pcap"}, strings.Fields(test.args)...)...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.args, err, test.want)
		}
		if _, err := os.Stat("x"); err == nil {
			t.Errorf("%s: left a file", test.args)
			os.Remove("x")
		}
	}
}
