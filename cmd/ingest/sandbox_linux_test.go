package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"x400flow/cmd/cmdtest"
	"x400flow/engine"
	"x400flow/pipeline/capture/device/devicetest"
)

// TestLiveRestricted has a sensor on an interface that has given up everything, in each
// of its threads, and archives and keeps packets all the same. So has its engine.
func TestLiveRestricted(t *testing.T) {
	devicetest.Namespace(t)
	s := newTester(t)
	devicetest.Pair(t, "span0", "far0", 16000)
	a := s.Archive(t)
	packets := filepath.Join(s.Dir, "packets")
	if err := errors.Join(os.Mkdir(packets, 0o700), os.Chown(packets, cmdtest.Nobody, cmdtest.Nobody)); err != nil {
		t.Fatal(err)
	}
	r := s.start(t, "-i", "span0", "-store", a, "-sensor", "test", "-sandbox", "require", "-write-pcap", packets, "-capture-workers", "2")
	cmdtest.Run(t, "tcpreplay", "-q", "-i", "far0", "--mbps=20", "../../testdata/mta/p20-pp88-to-pp88-relay.pcap")
	state, err := engine.Status(a)
	if err != nil || !state.Running {
		t.Fatalf("engine %+v, %v", state, err)
	}
	for name, pid := range map[string]int{"sensor": r.Process.Pid, "engine": state.PID} {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		if err != nil || len(threads) < 3 {
			t.Fatalf("%s: threads %q, %v", name, threads, err)
		}
		for _, thread := range threads {
			b, err := os.ReadFile(thread)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
				continue // It ended.
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(b), "\n")
			for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapAmb:\t0000000000000000"} {
				if !slices.Contains(lines, want) {
					t.Errorf("%s: %s: not %q", name, thread, want)
				}
			}
		}
	}
	said := r.end(t)
	if !strings.Contains(said, "no new privileges; no capabilities; Landlock ") || !strings.Contains(said, "Archived 2 messages") {
		t.Errorf("it says %s", said)
	}
	names, err := filepath.Glob(filepath.Join(packets, "*.pcapng"))
	if err != nil || len(names) != 1 {
		t.Fatalf("packets in %q, %v", names, err)
	}
	out, err := exec.Command("tshark", "-r", names[0], "-Y", "p1", "-T", "fields", "-e", "frame.interface_name").Output()
	if err != nil || !strings.HasPrefix(string(out), "span0\n") {
		t.Errorf("tshark finds %q, %v", out, err)
	}
}

// TestFullDisk fills the disk of the archive while rows go into it: the run waits, says
// so, and goes on when there is room, and the archive is what it would have been.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=96m,mode=700"); err != nil {
		if os.Getenv("CI") != "" || !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip("mounting a small file system needs root")
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	capture := filepath.Join(t.TempDir(), "traffic.pcap")
	cmdtest.WriteTraffic(t, capture, cmdtest.Damaged(400))
	calm := cmdtest.NewArchive(t, cmdtest.Empty(t))
	if said, status := runIngest(t, "-r", capture, "-store", calm.Dir, "-sensor", "test"); status != 0 {
		t.Fatal(said)
	}
	want := calm.Digests(t, nil)

	dir := filepath.Join(disk, "archive")
	cmdtest.Copy(t, cmdtest.Empty(t), dir)
	cmdtest.StopAtEnd(t, dir)
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	const room = 5 << 20 // So little that the engine takes no rows, and enough for it to answer.
	if err := os.WriteFile(ballast, make([]byte, int(st.Bavail)*int(st.Bsize)-room), 0o600); err != nil {
		t.Fatal(err)
	}
	f := follow(t, "-r", capture, "-store", dir, "-sensor", "test", "-block", "500")
	f.says(t, "insert failed; trying again")
	time.Sleep(time.Second)
	select {
	case err := <-f.exited:
		t.Fatalf("it gave up: %v\n%s", err, f.said(t))
	default:
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := <-f.exited; err != nil {
		t.Fatalf("%v\n%s", err, f.said(t))
	}
	cmdtest.Stop(t, dir)
	if said := f.said(t); !strings.Contains(strings.ToLower(said), "space") {
		t.Errorf("it does not say what is missing: %s", said)
	}
	cmdtest.Same(t, "the disk was full", cmdtest.OpenArchive(t, dir).Digests(t, nil), want)
}

// TestWatchRestricted has a symbolic link made in a watched folder that leads where the
// sandbox forbids: the log says why it is not read, and what is in the folder still is.
func TestWatchRestricted(t *testing.T) {
	const real = "../../testdata/mta/p20-pp88-to-pp88-relay.pcap"
	elsewhere, dir := t.TempDir(), t.TempDir()
	octets, err := os.ReadFile(real)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(elsewhere, "early.pcap"), filepath.Join(elsewhere, "late.pcap")} {
		if err := os.WriteFile(name, octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(elsewhere, "early.pcap"), filepath.Join(dir, "early.pcap")); err != nil {
		t.Fatal(err)
	}
	a := cmdtest.NewArchive(t, cmdtest.Empty(t))
	f := follow(t, "-watch", dir, "-store", a.Dir, "-sensor", "test", "-sandbox", "require", "-v")
	f.says(t, "msg=watching")
	if err := os.Symlink(filepath.Join(elsewhere, "late.pcap"), filepath.Join(dir, "late.pcap")); err != nil {
		t.Fatal(err)
	}
	f.says(t, "a sandboxed sensor follows symbolic links that were there when it started")
	if said := f.stop(t); !strings.Contains(said, "Archived 2 messages") {
		t.Errorf("it says %s", said)
	}
}
