package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"x400flow/bench/mutate"
	"x400flow/cmd/cmdtest"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/spool"
)

// following is a run of ingest that follows a folder.
type following struct {
	cmd    *exec.Cmd
	out    string // A file.
	exited chan error
}

func follow(t *testing.T, args ...string) *following {
	t.Helper()
	f := &following{cmd: ingest(args...), exited: make(chan error, 1)}
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	f.cmd.Stdout, f.cmd.Stderr, f.out = out, out, out.Name()
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.exited <- f.cmd.Wait() }()
	t.Cleanup(func() {
		if f.cmd.ProcessState == nil {
			f.cmd.Process.Kill()
			<-f.exited
		}
	})
	return f
}

// stop interrupts it, and returns what it said.
func (f *following) stop(t *testing.T) string {
	t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%v: %s", err, f.said(t))
	}
	if err := <-f.exited; err != nil {
		t.Fatalf("%v: %s", err, f.said(t))
	}
	return f.said(t)
}

// said returns what it has said so far.
func (f *following) said(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(f.out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// says waits until it has said something.
func (f *following) says(t *testing.T, what string) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !strings.Contains(f.said(t), what); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it does not say %q: %s", what, f.said(t))
		}
	}
}

// TestWatch follows a folder that a capture program fills, undisturbed and killed
// again and again, with connections that go on from file to file.
func TestWatch(t *testing.T) {
	pcap := traffic(t, 80)
	frames, err := mutate.Count(bytes.NewReader(pcap))
	if err != nil {
		t.Fatal(err)
	}
	const files = 4
	folder := filepath.Join(t.TempDir(), "captures")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var parts [files][]byte
	for i := range parts {
		var b bytes.Buffer
		if err := mutate.Cut(&b, bytes.NewReader(pcap), frames*i/files, frames*(i+1)/files); err != nil {
			t.Fatal(err)
		}
		parts[i] = b.Bytes()
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".pcap")), parts[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := func(a *cmdtest.Archive) []string {
		return []string{"-watch", folder, "-watch-quiet", "500ms", "-store", a.Dir, "-sensor", "test", "-block", "300"}
	}
	calm := cmdtest.NewArchive(t, cmdtest.Empty(t))
	f := follow(t, args(calm)...)
	calm.Await(t, "SELECT count() FROM captures", files)
	said := f.stop(t)
	if !strings.Contains(said, fmt.Sprintf("Read %d packets of %d captures", frames, files)) || strings.Contains(said, "interrupted: ") {
		t.Errorf("it said %s", said)
	}
	want := calm.Digests(t, nil)
	whole := cmdtest.NewArchive(t, cmdtest.Empty(t))
	if said, status := runIngest(t, "-r", folder, "-store", whole.Dir, "-sensor", "test"); status != 0 {
		t.Fatal(said)
	}
	for table, digest := range whole.Digests(t, nil) {
		// Connections that are open are open, where nothing says that no more comes.
		if table != "associations" && table != "problems" && table != "coverage" && digest != want[table] {
			t.Errorf("%s is %s, and %s where the files are read at once", table, want[table], digest)
		}
	}

	t.Run("again", func(t *testing.T) {
		f := follow(t, args(calm)...)
		f.says(t, "archived=")
		said := f.stop(t)
		var archived, again, fresh int
		if _, err := fmt.Sscanf(said[strings.Index(said, "archived="):], "archived=%d \"read again\"=%d new=%d", &archived, &again, &fresh); err != nil || archived+again != files || fresh != 0 {
			t.Errorf("%d archived, %d read again, %d new, %v: %s", archived, again, fresh, err, said)
		}
		cmdtest.Same(t, "watched again", calm.Digests(t, nil), want)
	})

	t.Run("killed", func(t *testing.T) {
		for name := range parts {
			if err := os.Remove(filepath.Join(folder, fmt.Sprint(name, ".pcap"))); err != nil {
				t.Fatal(err)
			}
		}
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		a := cmdtest.NewArchive(t, cmdtest.Empty(t))
		f := follow(t, args(a)...)
		for i, b := range parts {
			file, err := os.Create(filepath.Join(folder, fmt.Sprint(i, ".pcap")))
			if err != nil {
				t.Fatal(err)
			}
			for len(b) > 0 {
				n := min(len(b), 1+rng.IntN(len(parts[i])/3))
				if _, err := file.Write(b[:n]); err != nil {
					t.Fatal(err)
				}
				b = b[n:]
				time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
				if rng.IntN(5) == 0 {
					f.cmd.Process.Kill()
					<-f.exited
					f = follow(t, args(a)...)
				}
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			if i%2 == 1 {
				a.Await(t, fmt.Sprint("SELECT count() FROM captures WHERE name LIKE '%/", i, ".pcap' AND sha256 = '", fmt.Sprintf("%x", sha256.Sum256(parts[i])), "'"), 1)
				f.cmd.Process.Kill()
				<-f.exited
				f = follow(t, args(a)...)
			}
		}
		for i := range parts {
			a.Await(t, fmt.Sprint("SELECT count() FROM captures WHERE sha256 = '", fmt.Sprintf("%x", sha256.Sum256(parts[i])), "'"), 1)
		}
		f.says(t, "archived=")
		f.stop(t)
		got := a.Digests(t, nil)
		// Files that fell silent before they were whole have a row of what they were.
		delete(got, "captures")
		for table := range got {
			if got[table] != want[table] {
				t.Errorf("%s is %s, want %s", table, got[table], want[table])
			}
		}
	})
}

// TestWatchState keeps which files were read where no archive does.
func TestWatchState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	key := capture.KeyOf(netip.MustParseAddrPort("[2001:db8::1]:4000"), netip.MustParseAddrPort("[2001:db8::2]:102"))
	sender := &gate{}
	p, err := spool.Open(spool.Config{BatchAge: time.Millisecond}, sender)
	if err != nil {
		t.Fatal(err)
	}
	way := &outlet{Publisher: p}
	r := &resumption{path: path, log: slog.New(slog.DiscardHandler), files: map[[sha256.Size]byte]int64{}}
	s := sensor.New(sensor.Config{}, p)
	frame := capture.Frame{Data: bytes.Clone(synFrame), Length: len(synFrame), Time: 5e9, Link: capture.LinkEthernet, Number: 1}
	if err := s.Frame(t.Context(), &frame); err != nil {
		t.Fatal(err)
	}
	file := capture.File{Name: "a", Done: true, SHA256: sha256.Sum256([]byte("a")), Last: 7e9}
	if err := errors.Join(s.EndFile(t.Context(), 0, &file), r.ended(&file, s, way)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	r.settle(way)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("it tells of what the brokers have not got: %v", err)
	}
	sender.open()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.settle(way)
	next := &resumption{path: path, files: map[[sha256.Size]byte]int64{}, open: map[capture.FlowKey]int64{}}
	if err := next.load(); err != nil {
		t.Fatal(err)
	}
	if next.files[file.SHA256] != 7e9 || len(next.files) != 1 || next.open[key] != 5e9 || next.since() != 5e9 {
		t.Errorf("files %v, open %v", next.files, next.open)
	}
	for at, want := range map[int64]bool{5e9: true, 5e9 - 1: false} {
		if got := next.continues(&capture.Segment{Key: key, Time: at}); got != want {
			t.Errorf("at %d: %v", at, got)
		}
	}
	for _, bad := range []string{"{", `{"files":[{"sha256":"ab"}]}`, `{"open":[{"a":"1.2.3.4:1","b":"[::1]:2"}]}`, `{"open":[{"start":1}]}`} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := next.load(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// synFrame opens a connection over IPv6.
var synFrame = func() []byte {
	b := append(make([]byte, 12), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64)
	for _, end := range []byte{1, 2} {
		b = append(append(b, 0x20, 1, 0x0d, 0xb8), make([]byte, 12)...)
		b[len(b)-1] = end
	}
	b = append(b, 4000>>8, 4000&0xff, 0, 102, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2)
	return append(b, make([]byte, 6)...)
}()

// gate sends nothing until it is opened.
type gate struct {
	mu     sync.Mutex
	opened bool
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = true
}

func (g *gate) Send(_ context.Context, batch []bus.Message) (left []bus.Message, refused int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.opened {
		return batch, 0, errors.New("closed")
	}
	for i := range batch {
		batch[i].Record.Release()
	}
	return nil, 0, nil
}
