package packets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"x400flow/pipeline/capture"
)

// frame is a TCP segment from a numbered host to the server, with some octets.
func frame(host byte, at int64, octets int) *capture.Frame {
	b := append(make([]byte, 12), 8, 0, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(40+octets))
	b = append(b, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, host, 10, 0, 1, 1)
	b = append(b, 4000>>8, 4000&0xff, 0, 102, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0, 0, 0, 0, 0, 0)
	b = append(b, bytes.Repeat([]byte{host}, octets)...)
	return &capture.Frame{Data: b, Length: len(b), Time: at, Link: capture.LinkEthernet, Number: 1}
}

func keyOf(host byte) capture.FlowKey {
	return capture.KeyOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), 4000), netip.MustParseAddrPort("10.0.1.1:102"))
}

// keep gives a Writer frames of several hosts in turn, one a second.
func keep(w *Writer, from, n, octets int, hosts ...byte) {
	for i := range n {
		h := hosts[i%len(hosts)]
		key := keyOf(h)
		w.Write(frame(h, int64(from+i)*1e9, octets), "eth1", &key)
	}
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, prefix+"*"+extension))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// read returns the frames of captures, each as "second host", by another's reader.
func read(t *testing.T, names ...string) (out []string) {
	t.Helper()
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for {
			data, info, err := r.ReadPacketData()
			if err != nil {
				break
			}
			out = append(out, fmt.Sprint(info.Timestamp.Unix(), " ", data[29]))
		}
		f.Close()
	}
	return out
}

func cut(t *testing.T, wants []Want, names ...string) []string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.pcapng")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Cut(f, names, wants)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return nil // Without interfaces.
	}
	got := read(t, out)
	if n != uint64(len(got)) {
		t.Errorf("%d packets were told, %d written", n, len(got))
	}
	return got
}

func TestWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packets")
	w, err := Open(Config{Dir: dir, Limits: Limits{File: 20_000}})
	if err != nil {
		t.Fatal(err)
	}
	keep(w, 1000, 100, 900, 1, 2, 3) // Some 97 kB.
	w.Write(frame(4, 2000e9, 10), "eth2", nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, files(t, dir)[0]: 0o600, files(t, dir)[0] + indexExtension: 0o600} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
	names := files(t, dir)
	if len(names) != 6 {
		t.Fatalf("files %v", names)
	}
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(1000+i, " ", 1+i%3))
	}
	if got := read(t, names...); !slices.Equal(got, append(want, "2000 4")) {
		t.Errorf("got %v", got)
	}
	// tshark reads them, with the interfaces' names.
	out, err := exec.Command("tshark", "-r", names[5], "-T", "fields", "-e", "frame.interface_name", "-e", "frame.time_epoch").Output()
	if err != nil || string(out) != "eth2\t2000.000000000\n" {
		t.Errorf("tshark says %q, %v", out, err)
	}

	wants := []Want{{keyOf(2), []Window{{1010e9, 1030e9}, {1090e9, 1095e9}}}}
	expected := []string{"1010 2", "1013 2", "1016 2", "1019 2", "1022 2", "1025 2", "1028 2", "1091 2", "1094 2"}
	if got := cut(t, wants, names...); !slices.Equal(got, expected) {
		t.Errorf("got %v", got)
	}
	// An index only saves reading.
	for i, spoil := range []func(string) error{
		os.Remove,
		func(name string) error { return os.WriteFile(name, []byte("x400flow flows 1\nfile 1"), 0o600) },
		func(name string) error {
			return os.WriteFile(name, []byte("x400flow flows 1\nfile 100 200\n10.0.0.1:1 10.0.0.2:2 1 2 3 4 5\n"), 0o600)
		},
	} {
		if err := spoil(names[i] + indexExtension); err != nil {
			t.Fatal(err)
		}
	}
	if got := cut(t, wants, names...); !slices.Equal(got, expected) {
		t.Errorf("without indexes: %v", got)
	}
	// And where it says that nothing is there, nothing is read.
	if err := os.Truncate(names[4], 0); err != nil {
		t.Fatal(err)
	}
	if got := cut(t, []Want{{keyOf(9), []Window{{0, 1 << 62}}}}, names[3], names[5]); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestOpenToOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v", err)
	}
}

// A fragmented datagram's parts are found with the last of them.
func TestFragments(t *testing.T) {
	whole := frame(7, 1000e9, 64)
	ip := whole.Data[14:]
	part := func(from, to int, more byte, id byte) *capture.Frame {
		b := append(bytes.Clone(whole.Data[:14]), ip[:20]...)
		b = append(b, ip[20+from:20+to]...)
		binary.BigEndian.PutUint16(b[16:], uint16(20+to-from))
		b[19], b[20], b[21] = id, more<<5, byte(from/8)
		return &capture.Frame{Data: b, Length: len(b), Time: 1000e9, Link: capture.LinkEthernet}
	}
	dir := filepath.Join(t.TempDir(), "packets")
	w, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	key := keyOf(7)
	w.Write(part(0, 24, 1, 1), "eth1", nil)
	w.Write(part(0, 24, 1, 2), "eth1", nil) // Of another datagram, which stays in parts.
	keep(w, 1000, 3, 10, 8)
	w.Write(part(24, 48, 1, 1), "eth1", nil)
	w.Write(part(48, 84, 0, 1), "eth1", &key)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wants := []Want{{key, []Window{{0, 1 << 62}}}}
	for range 2 {
		if got := cut(t, wants, files(t, dir)...); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		os.Remove(files(t, dir)[0] + indexExtension)
	}
}

func TestLimits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packets")
	w, err := Open(Config{Dir: dir, Limits: Limits{File: 10_000, Total: 50_000}})
	if err != nil {
		t.Fatal(err)
	}
	keep(w, 1000, 200, 900, 1)
	w.clean()
	names := files(t, dir)
	total := int64(0)
	for _, name := range names {
		for _, n := range []string{name, name + indexExtension} {
			if fi, err := os.Stat(n); err == nil {
				total += fi.Size()
			}
		}
	}
	if total > 50_000 || total < 30_000 {
		t.Errorf("%d octets in %d files", total, len(names))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The latest are those that stay.
	if got := read(t, files(t, dir)...); got[len(got)-1] != "1199 1" {
		t.Errorf("got %v", got)
	}
	indexes, _ := filepath.Glob(filepath.Join(dir, "*"+indexExtension))
	if len(indexes) != len(files(t, dir)) {
		t.Errorf("%d indexes of %d files", len(indexes), len(files(t, dir)))
	}

	// The next run knows of them, and removes what is too old.
	old := time.Now().Add(-time.Hour)
	first := files(t, dir)[0]
	if err := os.Chtimes(first, old, old); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "."+prefix+"half"+extension)
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err = Open(Config{Dir: dir, Limits: Limits{Age: 30 * time.Minute}}); err != nil {
		t.Fatal(err)
	}
	w.clean()
	if _, err := os.Stat(first); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old file is there: %v", err)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file is there: %v", err)
	}
	if len(files(t, dir)) < 2 {
		t.Error("young files are not there")
	}
	w.Limit(Limits{Total: 1, File: 1})
	w.clean()
	if n := len(files(t, dir)); n > 0 {
		t.Errorf("%d files beyond the new limit", n)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestProblems(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packets")
	w, err := Open(Config{Dir: dir, Limits: Limits{File: 10_000}, Problems: true})
	if err != nil {
		t.Fatal(err)
	}
	keep(w, 1000, 60, 900, 1, 2, 3)
	w.Trouble(keyOf(2))
	keep(w, 2000, 30, 900, 3)
	w.Reopen()
	w.sift(false) // It is too early.
	if got := read(t, files(t, dir)...); len(got) < 70 {
		t.Errorf("%d packets before it is known which are wanted", len(got))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, files(t, dir)...)
	if len(got) != 20 || slices.ContainsFunc(got, func(s string) bool { return !strings.HasSuffix(s, " 2") }) {
		t.Errorf("kept %v", got)
	}
	if cut := cut(t, []Want{{keyOf(2), []Window{{0, 1 << 62}}}}, files(t, dir)...); !slices.Equal(cut, got) {
		t.Errorf("cut out %v", cut)
	}
	for _, name := range files(t, dir) {
		if x, err := readIndex(name); err != nil || len(x.flows) != 1 {
			t.Errorf("%s: %+v, %v", name, x, err)
		}
	}
}

// A full disk costs the packets that find no room, and no file is damaged.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("none", mount, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		if os.Getenv("CI") != "" || !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip("mounting a small file system needs root")
	}
	defer unix.Unmount(mount, unix.MNT_DETACH)
	var log strings.Builder
	w, err := Open(Config{Dir: mount, Limits: Limits{File: 64 << 10}, Log: logTo(&log)})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock() // The clock is the test's.
	w.resting = time.Time{}
	w.mu.Unlock()
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 150<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		keep(w, 1000+20*i, 20, 900, 1)
		w.mu.Lock()
		w.flush()
		w.mu.Unlock()
	}
	w.mu.Lock()
	missed, resting := w.missed, !w.resting.IsZero()
	w.mu.Unlock()
	before := read(t, files(t, mount)...)
	if !resting || missed == 0 || uint64(len(before))+missed != 200 {
		t.Fatalf("resting %v, %d left out, %d kept", resting, missed, len(before))
	}
	if !strings.Contains(log.String(), "packets cannot be kept") || !strings.Contains(log.String(), "no space left") {
		t.Errorf("the log says %s", &log)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.resting = time.Now()
	w.mu.Unlock()
	keep(w, 5000, 20, 900, 1)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, files(t, mount)...); len(got) != len(before)+20 || got[len(got)-1] != "5019 1" {
		t.Errorf("%d packets, %d before: %v", len(got), len(before), got[len(got)-1])
	}
	if !strings.Contains(log.String(), "packets are kept again") {
		t.Errorf("the log says %s", &log)
	}
	for _, name := range files(t, mount) {
		r, err := capture.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var f capture.Frame
		for err == nil {
			err = r.Next(&f)
		}
		if r.File().Truncated || !r.File().Done {
			t.Errorf("%s is cut within a packet", name)
		}
		r.Close()
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	w, err := Open(Config{Dir: filepath.Join(t.TempDir(), "packets")})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f, key := frame(1, 1e9, 1000), keyOf(1)
	w.Write(f, "eth1", &key)
	w.mu.Lock()
	w.buf = slices.Grow(w.buf, 2*buffered)
	w.mu.Unlock()
	if n := testing.AllocsPerRun(1000, func() { w.Write(f, "eth1", &key) }); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	w, err := Open(Config{Dir: filepath.Join(b.TempDir(), "packets"), Limits: Limits{Total: 256 << 20}})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	f, key := frame(1, 1e9, 1000), keyOf(1)
	b.SetBytes(int64(len(f.Data)))
	b.ReportAllocs()
	for b.Loop() {
		w.Write(f, "eth1", &key)
	}
}

// Whatever stands in an index, it is read in bounded time and memory, and names
// places in the file alone.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(magic + "\nfile 20 100\nfragments 20 30 1 2 3\n10.0.0.1:1 10.0.0.2:2 20 40 1 2 3\n[::1]:1 [::2]:2 30 100 1 2 3\n"))
	f.Add([]byte(magic + "\nfile 20 100\n1 2 3 4 5 6 7\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseIndex(bytes.NewReader(b))
		if err != nil {
			return
		}
		for k, s := range x.flows {
			if s.from < x.header || s.to > x.size || s.from > s.to {
				t.Errorf("%v at %+v", k, s)
			}
		}
		if again := x.encode(); len(again) > len(b)+1000 {
			t.Errorf("%d octets of %d", len(again), len(b))
		}
	})
}

func logTo(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
