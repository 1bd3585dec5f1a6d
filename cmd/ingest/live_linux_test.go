package main

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/bench/mutate"
	"x400flow/cmd/cmdtest"
	"x400flow/pipeline/capture/device/devicetest"
)

// A tester runs the built program as nobody, with the right to capture and no other.
type tester struct{ *cmdtest.Sensor }

func newTester(t *testing.T) *tester {
	t.Helper()
	return &tester{cmdtest.NewSensor(t)}
}

// A running sensor.
type running struct {
	*exec.Cmd
	out  *bytes.Buffer
	done chan error
}

// start starts the program in the namespace that the test's thread is in, and
// returns when it captures.
func (s *tester) start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{s.Command(args...), new(bytes.Buffer), make(chan error, 1)}
	stderr, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	capturing := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(stderr)
		for told := false; lines.Scan(); {
			r.out.WriteString(lines.Text() + "\n")
			if !told && strings.Contains(lines.Text(), "msg=capturing") {
				told = true
				close(capturing)
			}
		}
		r.done <- r.Wait()
	}()
	t.Cleanup(func() { r.Process.Kill() })
	select {
	case <-capturing:
	case err := <-r.done:
		t.Fatalf("%v:\n%s", err, r.out)
	case <-time.After(60 * time.Second):
		t.Fatalf("it does not capture:\n%s", r.out)
	}
	return r
}

// end interrupts it, and returns what it said.
func (r *running) end(t *testing.T) string {
	t.Helper()
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.done:
		if err != nil {
			t.Fatalf("%v:\n%s", err, r.out)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("it does not end:\n%s", r.out)
	}
	return r.out.String()
}

// open makes a copy of nobody's archive, that the test may ask.
func open(t *testing.T, dir string) *cmdtest.Archive {
	t.Helper()
	cmdtest.Stop(t, dir)
	return cmdtest.NewArchive(t, dir)
}

// without are, for each table, the columns in which what an interface shows differs
// from what is read from a file: capture times, frame numbers, the source's name; and
// tables that are of these alone.
func without(t *testing.T, a *cmdtest.Archive) map[string]string {
	t.Helper()
	rows, err := a.Store.Conn().Query(t.Context(), `
		SELECT table, arrayStringConcat(groupArray(name), ', ') FROM system.columns
		WHERE database = currentDatabase() AND (type LIKE '%DateTime64(9%' OR name IN ('source', 'frame', 'first_frame', 'last_frame', 'answer_frame'))
		GROUP BY table`)
	if err != nil {
		t.Fatal(err)
	}
	but := map[string]string{}
	for rows.Next() {
		var table, columns string
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		but[table] = columns
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"coverage", "captures", "flow_days"} {
		but[table] = "*"
	}
	return but
}

// same fails where the archive has other rows than a file gave.
func same(t *testing.T, what string, a, file *cmdtest.Archive) {
	t.Helper()
	but := without(t, file)
	got, want := a.Digests(t, but), file.Digests(t, but)
	for table := range want {
		if got[table] == want[table] {
			continue
		}
		columns := "*"
		if but[table] != "" {
			columns = "* EXCEPT (" + but[table] + ")"
		}
		t.Errorf("%s: %s has %s, want %s", what, table, got[table], want[table])
		read := func(a *cmdtest.Archive) map[string]bool {
			all := map[string]bool{}
			rows, err := a.Store.Conn().Query(t.Context(), fmt.Sprintf("SELECT toString(tuple(%s)) FROM %s", columns, table))
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					t.Fatal(err)
				}
				all[s] = true
			}
			return all
		}
		have, need := read(a), read(file)
		tell := func(name string, some, others map[string]bool) {
			told := 0
			for _, s := range slices.Sorted(maps.Keys(some)) {
				if !others[s] && told < 3 {
					told++
					t.Logf("%s %.1000s", name, s)
				}
			}
		}
		tell("got  ", have, need)
		tell("want ", need, have)
	}
}

// TestLive replays captures into an interface, at growing rates: the rows are those
// of reading the files.
func TestLive(t *testing.T) {
	devicetest.Namespace(t)
	s := newTester(t)
	devicetest.Pair(t, "span0", "far0", 16000)

	var real []string
	for _, pattern := range []string{"mta/*.pcap", "reference/x400/*.pcap"} {
		names, err := filepath.Glob("../../../shared/captures/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			// It is the connection of another one, with other octets.
			if !strings.Contains(name, "grafted") {
				real = append(real, name)
			}
		}
	}
	if len(real) == 0 {
		var err error
		if real, err = filepath.Glob("../../testdata/mta/*.pcap"); err != nil || len(real) == 0 {
			t.Fatalf("no captures: %v", err)
		}
	}
	made := filepath.Join(s.Dir, "made.pcap")
	cmdtest.WriteTraffic(t, made, func(o *generate.Options) { o.Messages, o.NoiseRate, o.MSS = 150, 0.1, 8900 })
	tunnelled := filepath.Join(s.Dir, "tunnelled.pcap")
	var wrapped bytes.Buffer
	plain := cmdtest.Traffic(t, func(o *generate.Options) { o.Messages = 100 })
	if err := mutate.Rewrite(&wrapped, bytes.NewReader(plain), mutate.Options{VLAN: []uint16{7, 100}, GRE: true, Fragment: 1200}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tunnelled, wrapped.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name  string
		files []string
		rates []string
	}{
		{"real", real, []string{"--multiplier=100", "--mbps=20", "--topspeed"}},
		{"generated", []string{made}, []string{"--mbps=40", "--topspeed"}},
		{"in tunnels", []string{tunnelled}, []string{"--mbps=40"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			devicetest.Enter(t)
			file := cmdtest.NewArchive(t, cmdtest.Empty(t))
			args := []string{"-store", file.Dir, "-sensor", "test"}
			for _, name := range c.files {
				args = append(args, "-r", name)
			}
			if said, status := runIngest(t, args...); status != 0 {
				t.Fatal(said)
			}
			for _, rate := range c.rates {
				a := s.Archive(t)
				r := s.start(t, "-i", "span0", "-store", a, "-sensor", "test", "-heartbeat", "1s")
				for _, name := range c.files {
					cmdtest.Run(t, "tcpreplay", "-q", "-i", "far0", rate, name)
				}
				said := r.end(t)
				for _, words := range []string{"Captured ", " packets on span0: ", "Archived "} {
					if !strings.Contains(said, words) {
						t.Errorf("%s: it does not say %q:\n%s", rate, words, said)
					}
				}
				if strings.Contains(said, "dropped") {
					t.Errorf("%s: %s", rate, said)
				}
				same(t, rate, open(t, a), file)
			}
		})
	}
}
