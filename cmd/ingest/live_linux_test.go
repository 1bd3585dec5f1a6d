package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/bench/mutate"
	"x400flow/engine"
	"x400flow/pipeline/capture/device/devicetest"
)

// nobody is the user that the sensor runs as.
const nobody = 65534

// A tester runs the built program as nobody, with the right to capture and no
// other.
type tester struct {
	bin   string // With file capabilities.
	dir   string // nobody's.
	lib   string // libchdb, where nobody may read it.
	empty string // An archive with nothing in it.
}

func newTester(t *testing.T) *tester {
	t.Helper()
	dir, err := os.MkdirTemp("", "x400flow-live-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &tester{bin: filepath.Join(dir, "ingest"), dir: dir, lib: filepath.Join(dir, "libchdb.so"), empty: template(t, os.Args[0])}
	lib, err := engine.Library()
	if err != nil {
		t.Fatal(err)
	}
	if os.Link(lib, s.lib) != nil { // Another file system.
		command(t, "cp", lib, s.lib)
	}
	if err := os.Rename(build(t), s.bin); err != nil {
		command(t, "cp", build(t), s.bin)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(s.bin, 0o755)); err != nil {
		t.Fatal(err)
	}
	command(t, "setcap", "cap_net_raw=ep", s.bin)
	return s
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if !strings.Contains(name, "/") {
		if path, err := exec.LookPath(name); err == nil {
			cmd.Path, cmd.Err = path, nil
		} else if _, err := os.Stat("/usr/sbin/" + name); err == nil {
			cmd.Path, cmd.Err = "/usr/sbin/"+name, nil
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// archive makes an archive that nobody may write.
func (s *tester) archive(t *testing.T) *archive {
	t.Helper()
	dir := filepath.Join(s.dir, strings.ReplaceAll(t.Name(), "/", "-")+strconv.Itoa(int(time.Now().UnixNano()%1e9)))
	command(t, "cp", "-a", s.empty, dir)
	command(t, "chown", "-R", strconv.Itoa(nobody), dir)
	t.Cleanup(func() {
		if err := engine.Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return &archive{dir: dir, bin: os.Args[0]}
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
	r := &running{exec.Command(s.bin, args...), new(bytes.Buffer), make(chan error, 1)}
	r.Env = append(os.Environ(), "CHDB_LIB_PATH="+s.lib, "HOME="+s.dir)
	r.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
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

// open makes a copy of the archive that the test may ask.
func (a *archive) open(t *testing.T) *archive {
	t.Helper()
	if err := engine.Stop(context.Background(), a.dir); err != nil {
		t.Fatal(err)
	}
	return newArchive(t, os.Args[0], "", a.dir)
}

// without are, for each table, the columns in which what an interface shows differs
// from what is read from a file: capture times, frame numbers, the source's name.
func (a *archive) without(t *testing.T) map[string]string {
	t.Helper()
	rows, err := a.store.Conn().Query(t.Context(), `
		SELECT table, arrayStringConcat(groupArray(name), ', ') FROM system.columns
		WHERE database = currentDatabase() AND (startsWith(type, 'DateTime64(9') OR name IN ('source', 'frame', 'first_frame', 'last_frame'))
		AND table IN ('associations', 'messages', 'recipients', 'trace', 'extensions', 'bilateral', 'contents', 'problems')
		GROUP BY table`)
	if err != nil {
		t.Fatal(err)
	}
	but := map[string]string{"coverage": "*", "captures": "*"}
	for rows.Next() {
		var table, columns string
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		but[table] = columns
	}
	return but
}

// same fails where the archive has other rows than a file gave.
func (a *archive) same(t *testing.T, file *archive, what string) {
	t.Helper()
	without := file.without(t)
	got, want := a.digestsBut(t, without), file.digestsBut(t, without)
	for table := range want {
		if got[table] == want[table] {
			continue
		}
		t.Errorf("%s: %s has %s, want %s", what, table, got[table], want[table])
		read := func(a *archive) map[string]bool {
			all := map[string]bool{}
			rows, err := a.store.Conn().Query(t.Context(), fmt.Sprintf("SELECT toString(tuple(* EXCEPT (%s))) FROM %s", without[table], table))
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
	made := filepath.Join(s.dir, "made.pcap")
	writeCapture(t, made, func(o *generate.Options) { o.Messages, o.NoiseRate, o.MSS = 150, 0.1, 8900 }, nil)
	tunnelled := filepath.Join(s.dir, "tunnelled.pcap")
	writeCapture(t, tunnelled, func(o *generate.Options) { o.Messages = 100 }, &mutate.Options{VLAN: []uint16{7, 100}, GRE: true, Fragment: 1200})

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
			file := newArchive(t, os.Args[0], "", s.empty)
			args := []string{"-store", file.dir, "-sensor", "test"}
			for _, name := range c.files {
				args = append(args, "-r", name)
			}
			if said, status := runIngest(t, args...); status != 0 {
				t.Fatal(said)
			}
			for _, rate := range c.rates {
				a := s.archive(t)
				r := s.start(t, "-i", "span0", "-store", a.dir, "-sensor", "test", "-heartbeat", "1s")
				for _, name := range c.files {
					command(t, "tcpreplay", "-q", "-i", "far0", rate, name)
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
				a.open(t).same(t, file, rate)
			}
		})
	}
}

func writeCapture(t *testing.T, name string, set func(*generate.Options), m *mutate.Options) {
	t.Helper()
	o := generate.DefaultOptions()
	set(&o)
	var pcap bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &pcap}); err != nil {
		t.Fatal(err)
	}
	out := pcap
	if m != nil {
		out = bytes.Buffer{}
		if err := mutate.Rewrite(&out, &pcap, *m); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
