package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"x400flow/bench/generate"
	"x400flow/bench/mutate"
	"x400flow/cmd/cmdtest"
)

// asIngest makes the test's own executable the command.
const asIngest = "X400FLOW_TEST_AS_INGEST"

// ingest is the command with arguments.
func ingest(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asIngest+"=1")
	return cmd
}

// runIngest runs ingest and returns what it said and its exit status.
func runIngest(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	out, err := ingest(args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return string(out), status
}

func TestUsage(t *testing.T) {
	said, status := runIngest(t, "-h")
	if status != 0 {
		t.Errorf("-h: status %d", status)
	}
	for _, want := range []string{"ingest -r mta.pcap", "tcpdump -i eth0 -U -w - | ingest -r -", "-records", "-port", "-store", "-keep", "(default 102)"} {
		if !strings.Contains(said, want) {
			t.Errorf("-h does not say %q:\n%s", want, said)
		}
	}
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("this is no capture, however long it may be"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "archive")
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, 2, "name a capture with -r"},
		{[]string{"mta.pcap"}, 2, `unexpected argument "mta.pcap"`},
		{[]string{"-r", "x", "-port", "102,0"}, 2, `"0" is no port number`},
		{[]string{"-r", "x", "-keep", "all"}, 2, "-keep all: must be content or envelope"},
		{[]string{"-r", "x", "-workers", "0"}, 2, "-workers 0"},
		{[]string{"-r", "x", "-tcp-memory", "much"}, 2, `"much" is no size such as 512M`},
		{[]string{"-r", "x", "-speed", "9"}, 2, "-speed"},
		{[]string{"-r", "x", "-records", dir + "/r", "-engine-fsync"}, 2, "-engine-fsync: goes with an archive"},
		{[]string{"-r", "x", "-records", dir + "/r", "-engine-memory", "4G"}, 2, "-engine-memory: goes with an archive in a directory"},
		{[]string{"-r", "x", "-bus", "kafka://h/t", "-socket-group", "nobody"}, 2, "-socket-group: goes with an archive in a directory"},
		{[]string{"-r", dir + "/none.pcap", "-records", dir + "/r"}, 1, "none.pcap: no such file"},
		{[]string{"-r", text, "-records", dir + "/r"}, 1, "notes.txt: not a pcap or pcapng file"},
		{[]string{"-r", dir, "-records", dir + "/r"}, 1, "no captures found"},
		{[]string{"-r", "../../testdata/mta", "-records", dir + "/none/r"}, 1, "none/r: no such file"},
		{[]string{"-r", "../../testdata/mta", "-records", dir + "/r", "-f", "tcp"}, 1, "-tags pcap"},
	} {
		said, status := runIngest(t, append(c.args, "-store", store)...)
		if status != c.status || !strings.Contains(said, c.want) || strings.Contains(said, "goroutine ") {
			t.Errorf("%v: status %d, want %d with %q:\n%s", c.args, status, c.status, c.want, said)
		}
	}
	said, status = runIngest(t, "-r", "x", "-store", "clickhouse://h/db", "-engine-memory", "4G")
	if status != 2 || !strings.Contains(said, "-engine-memory: goes with an archive in a directory") {
		t.Errorf("-engine-memory and a server: status %d: %s", status, said)
	}
	if _, err := os.Stat(store); !errors.Is(err, os.ErrNotExist) {
		t.Error("a mistake in the command line made an archive")
	}
}

// cut cuts a capture into parts of frames and writes them compressed in turn.
func cut(t *testing.T, dir string, capture []byte, parts int) {
	t.Helper()
	n, err := mutate.Count(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		var part bytes.Buffer
		if err := mutate.Cut(&part, bytes.NewReader(capture), n*i/parts, n*(i+1)/parts); err != nil {
			t.Fatal(err)
		}
		// Names in another order than time.
		name, b := filepath.Join(dir, fmt.Sprintf("part%d.pcap", (i*7)%parts)), part.Bytes()
		if i%2 == 1 {
			var gz bytes.Buffer
			w := gzip.NewWriter(&gz)
			w.Write(b)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			name, b = name+".gz", gz.Bytes()
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// provenance is what differs where a capture came in parts or through a pipe.
var provenance = map[string]string{
	"associations": "source, first_frame, last_frame", "messages": "source, first_frame, last_frame", "problems": "source, frame",
	"operations": "source, frame, answer_frame", "coverage": "*", "captures": "*",
}

// traffic is a capture of n messages with lost segments and connections of others.
func traffic(t *testing.T, n int) []byte {
	t.Helper()
	return cmdtest.Traffic(t, func(o *generate.Options) { o.Messages, o.LossRate, o.NoiseRate = n, 0.001, 0.1 })
}

// TestArchiving archives one capture in every way and again.
func TestArchiving(t *testing.T) {
	pcap := traffic(t, 120)
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "traffic.pcap"), filepath.Join(dir, "rotated")
	if err := os.WriteFile(file, pcap, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	cut(t, folder, pcap, 5)
	if err := os.WriteFile(filepath.Join(folder, "README"), []byte("five parts of a capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := cmdtest.NewArchive(t, cmdtest.Empty(t))
	said, status := runIngest(t, "-r", file, "-store", a.Dir, "-sensor", "test")
	if status != 0 {
		t.Fatal(said)
	}
	for _, want := range []string{" packets of 1 capture: ", " TCP segments on port 102.", "Archived ", " messages, ", " reports and ", " connections (", " x400", "problem", "gap"} {
		if !strings.Contains(said, want) {
			t.Errorf("the closing summary lacks %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "\r") || strings.Contains(said, "messages/s") {
		t.Errorf("a progress bar where there is no terminal: %q", said)
	}
	var messages uint64
	if i := strings.Index(said, "Archived "); i >= 0 {
		fmt.Sscanf(said[i:], "Archived %d messages", &messages)
	}
	const countKept = countMessages + " WHERE kind = 'message'"
	if kept := a.Number(t, countKept); kept != messages || kept < 100 {
		t.Errorf("%d messages are archived, %d were told", kept, messages)
	}

	want, all := a.Digests(t, nil), a.Number(t, countMessages)
	t.Run("again", func(t *testing.T) {
		said, status := runIngest(t, "-r", file, "-store", a.Dir, "-sensor", "test")
		if status != 0 || !strings.Contains(said, "Nothing new: every capture named is in "+a.Dir+" already") {
			t.Errorf("status %d: %s", status, said)
		}
		if said, status := runIngest(t, "-reread", "-r", file, "-store", a.Dir, "-sensor", "test"); status != 0 {
			t.Error(said)
		}
		cmdtest.Same(t, "read again", a.Digests(t, nil), want)
	})

	plain := a.Digests(t, provenance)
	check := func(t *testing.T, b *cmdtest.Archive) {
		t.Helper()
		cmdtest.Same(t, t.Name(), b.Digests(t, provenance), plain)
	}
	t.Run("rotated", func(t *testing.T) {
		b := cmdtest.NewArchive(t, cmdtest.Empty(t))
		said, status := runIngest(t, "-r", folder, "-store", b.Dir, "-sensor", "test")
		if status != 0 || !strings.Contains(said, " of 5 captures: ") {
			t.Errorf("status %d: %s", status, said)
		}
		check(t, b)
	})
	t.Run("standard input, interrupted, again", func(t *testing.T) {
		b := cmdtest.NewArchive(t, cmdtest.Empty(t))
		cmd := ingest("-r", "-", "-store", b.Dir, "-sensor", "test", "-block", "300")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(pcap[:len(pcap)*2/3]); err != nil {
			t.Fatal(err)
		}
		// The pipe has no more and does not end.
		for b.Arrived(t) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		in.Close()
		if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "interrupted: what was read so far is stored") {
			t.Errorf("%v:\n%s", err, &out)
		}
		some := b.Number(t, countMessages)
		if some == 0 || some >= all {
			t.Errorf("%d APDUs of %d after the interruption", some, all)
		}
		if said, status := runIngest(t, "-r", file, "-store", b.Dir, "-sensor", "test"); status != 0 {
			t.Fatal(said)
		}
		// Connections that the interruption closed were first seen through the
		// pipe; what they carried is the same.
		got := b.Digests(t, provenance)
		for _, table := range []string{"messages", "recipients", "trace", "extensions", "contents"} {
			if got[table] != plain[table] {
				t.Errorf("%s: %s, want %s", table, got[table], plain[table])
			}
		}
	})
	t.Run("a file, interrupted, again", func(t *testing.T) {
		b := cmdtest.NewArchive(t, cmdtest.Empty(t))
		fifo := filepath.Join(dir, "fifo")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		// The capture's name is that of the file which is read afterwards.
		f := follow(t, "-r", fifo, "-store", b.Dir, "-sensor", "test", "-block", "300")
		in, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(pcap[:len(pcap)/2]); err != nil {
			t.Fatal(err)
		}
		for b.Arrived(t) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		f.says(t, "interrupted; storing what was read") // What comes sooner it may read to the end.
		in.Write(pcap[len(pcap)/2:])                    // It ends at a frame, not in a read.
		in.Close()
		if err := <-f.exited; err == nil || !strings.Contains(f.said(t), "interrupted: what was read so far is stored") {
			t.Errorf("%v:\n%s", err, f.said(t))
		}
		if said, status := runIngest(t, "-r", file, "-store", b.Dir, "-sensor", "test"); status != 0 {
			t.Fatal(said)
		}
		check(t, b)
	})
	t.Run("damaged among others", func(t *testing.T) {
		b := cmdtest.NewArchive(t, cmdtest.Empty(t))
		bad := filepath.Join(dir, "bad.pcap")
		// A record that says it is larger than any.
		if err := os.WriteFile(bad, append(pcap[:24:24], bytes.Repeat([]byte{0xff}, 100)...), 0o600); err != nil {
			t.Fatal(err)
		}
		good := filepath.Join(dir, "good")
		if err := os.Mkdir(good, 0o700); err != nil {
			t.Fatal(err)
		}
		// It goes wrong behind good frames.
		worse := append(bytes.Clone(pcap[:24+16+54]), bytes.Repeat([]byte{0xff}, 100)...)
		if err := errors.Join(os.WriteFile(filepath.Join(good, "worse.pcap"), worse, 0o600), os.Link(file, filepath.Join(good, "traffic.pcap"))); err != nil {
			t.Fatal(err)
		}
		if said, status := runIngest(t, "-r", bad, "-store", b.Dir); status != 1 || !strings.Contains(said, "bad.pcap: damaged at octet 24") {
			t.Errorf("status %d: %s", status, said)
		}
		said, status := runIngest(t, "-r", good, "-store", b.Dir, "-sensor", "test")
		if status != 1 || !strings.Contains(said, "worse.pcap: damaged at octet") || !strings.Contains(said, "Archived ") {
			t.Errorf("status %d: %s", status, said)
		}
		if n := b.Number(t, countKept); n != messages {
			t.Errorf("%d messages beside a damaged capture, want %d", n, messages)
		}
	})
}

// An engine that is there without -engine-fsync is not taken for one with it.
func TestFsync(t *testing.T) {
	file := filepath.Join(t.TempDir(), "traffic.pcap")
	if err := os.WriteFile(file, traffic(t, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	a := cmdtest.NewArchive(t, cmdtest.Empty(t))
	if said, status := runIngest(t, "-r", file, "-store", a.Dir, "-engine-fsync"); status != 0 {
		t.Fatal(said)
	}
	if n := a.Number(t, "SELECT toUInt64(sum(value)) FROM system.events WHERE event = 'FileSync'"); n < 20 {
		t.Errorf("%d files reached the disk", n)
	}
	cmdtest.Stop(t, a.Dir)
	a.Number(t, countMessages) // Starts an engine as a query would.
	said, status := runIngest(t, "-reread", "-r", file, "-store", a.Dir, "-engine-fsync")
	if status != 1 || !strings.Contains(said, a.Dir+": its ClickHouse runs without fsync_after_insert") {
		t.Errorf("status %d: %s", status, said)
	}
}

// TestPipeThatRests has a message archived though no frame follows it.
func TestPipeThatRests(t *testing.T) {
	pcap, err := os.ReadFile("../../testdata/mta/p20-pp88-to-pp88-relay.pcap")
	if err != nil {
		t.Fatal(err)
	}
	n, err := mutate.Count(bytes.NewReader(pcap))
	if err != nil {
		t.Fatal(err)
	}
	a := cmdtest.NewArchive(t, cmdtest.Empty(t))
	cmd := ingest("-r", "-", "-store", a.Dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var part bytes.Buffer
	// All but the ends of the connections.
	if err := mutate.Cut(&part, bytes.NewReader(pcap), 0, n-4); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(part.Bytes()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); a.Arrived(t) < 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what came through the pipe waits for more")
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestProgress has the bar on a terminal.
func TestProgress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	cmdtest.StopAtEnd(t, dir)
	cmd := ingest("-r", "-", "-store", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	terminal, other, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	cmd.Stdout, cmd.Stderr = other, other
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other.Close()
	seen := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(terminal) // It ends with EIO.
		seen <- string(b)
	}()
	pcap := traffic(t, 60)
	for len(pcap) > 0 {
		n := min(len(pcap), 100_000)
		if _, err := in.Write(pcap[:n]); err != nil {
			t.Fatal(err)
		}
		pcap = pcap[n:]
		time.Sleep(150 * time.Millisecond)
	}
	time.Sleep(600 * time.Millisecond) // Three turns of the bar.
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	said := <-seen
	for _, want := range []string{"messages/s", "B", "Archived "} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q on the terminal:\n%q", want, said)
		}
	}
}
