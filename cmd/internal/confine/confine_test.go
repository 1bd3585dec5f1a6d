//go:build linux

package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// asProbe makes the test's own executable one that restricts itself and tries what it
// may.
const asProbe = "X400FLOW_TEST_AS_PROBE"

// task is what a probe is told.
type task struct {
	Flag   Flag
	Plan   Plan
	Inside string // A folder that it is given to be written.
	Read   string // A file that it is given to be read.
	Secret string // A file that it is not given.
	Listen string // An address that somebody listens on.
}

func TestMain(m *testing.M) {
	if v := os.Getenv(asProbe); v != "" {
		if len(os.Args) > 1 && os.Args[1] == "child" {
			fmt.Println(probe(func(t task) error { _, err := os.ReadFile(t.Secret); return err }, v))
			return
		}
		for range 4 {
			go func() { runtime.LockOSThread(); select {} }() // Threads, before and after.
		}
		var t task
		if err := json.Unmarshal([]byte(v), &t); err != nil {
			panic(err)
		}
		h, err := Enter(t.Flag, t.Plan)
		if err != nil {
			fmt.Println("enter", err)
			os.Exit(1)
		}
		for range 4 {
			go func() { runtime.LockOSThread(); select {} }()
		}
		try(h, t)
		return
	}
	os.Exit(m.Run())
}

func probe(f func(task) error, v string) error {
	var t task
	if err := json.Unmarshal([]byte(v), &t); err != nil {
		return err
	}
	return f(t)
}

// try tells, a line each, what came of the attempts.
func try(h *Held, t task) {
	say := func(what string, err error) {
		result := "may"
		switch {
		case errors.Is(err, fs.ErrPermission): // EACCES of Landlock, EPERM of seccomp.
			result = "may not"
		case err != nil:
			result = err.Error()
		}
		fmt.Printf("%s: %s\n", what, result)
	}
	read := func(name string) error { _, err := os.ReadFile(name); return err }
	say("read what is given", read(t.Read))
	say("read the secret", read(t.Secret))
	say("read the name server", read("/etc/hosts"))
	say("list the root", func() error { _, err := os.ReadDir("/"); return err }())
	say("write beside what is given", os.WriteFile(t.Read+".new", nil, 0o600))
	say("write over what is given", os.WriteFile(t.Read, nil, 0o600))
	say("write in the folder", os.WriteFile(filepath.Join(t.Inside, "a"), []byte("a"), 0o600))
	say("rename to another folder in it", errors.Join(os.MkdirAll(filepath.Join(t.Inside, "d"), 0o700), os.Rename(filepath.Join(t.Inside, "a"), filepath.Join(t.Inside, "d", "a"))))
	say("rename out of it", os.Rename(filepath.Join(t.Inside, "d", "a"), t.Secret))
	say("truncate the secret", os.Truncate(t.Secret, 0))
	say("remove the secret", os.Remove(t.Secret))
	say("connect", func() error {
		c, err := net.Dial("tcp", t.Listen)
		if err == nil {
			c.Close()
		}
		return err
	}())
	listen := func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Bind(fd, &unix.SockaddrInet4{Port: 0, Addr: [4]byte{127, 0, 0, 1}})
	}
	say("listen", listen())
	socket := func(family, kind int) error {
		fd, err := unix.Socket(family, kind, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	say("make a packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW))
	say("make a netlink socket", socket(unix.AF_NETLINK, unix.SOCK_RAW))
	say("make a unix socket", socket(unix.AF_UNIX, unix.SOCK_STREAM))
	if t.Flag != "off" {
		say("mount", unix.Mount("none", t.Inside, "tmpfs", 0, ""))
		say("become another user", syscall.Setuid(1))
		say("look into another process", unix.PtraceAttach(os.Getppid()))
	}
	say("signal another process", unix.Kill(os.Getppid(), 0))
	say("execute another program", exec.Command("/bin/true").Run())
	out, err := exec.Command("/proc/self/exe", "child").CombinedOutput()
	say("execute itself", err)
	fmt.Printf("child: %s", out)
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) < 5 {
		fmt.Println("threads", tasks, err)
	}
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if err != nil {
			fmt.Println(name, err)
			continue
		}
		for line := range strings.Lines(string(b)) {
			for _, what := range []string{"NoNewPrivs:", "Seccomp:", "CapEff:", "CapPrm:", "CapInh:", "CapAmb:"} {
				if strings.HasPrefix(line, what) {
					fmt.Println("thread", strings.Join(strings.Fields(line), " "))
				}
			}
		}
	}
	if sockets := h.Sockets(); sockets != nil {
		fd, err := sockets()
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: 1})
		}
		say("use a packet socket that was made before", err)
		_, err = sockets()
		fmt.Println("another:", err)
	}
	fmt.Println("held:", strings.Join(h.Restrictions, "; "))
}

// run runs a probe, and returns the distinct lines that it said.
func run(t *testing.T, change func(*exec.Cmd, *task)) map[string]bool {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	k := task{Flag: "require", Inside: filepath.Join(dir, "inside"), Read: filepath.Join(dir, "read"), Secret: filepath.Join(dir, "secret"), Listen: l.Addr().String()}
	for _, name := range []string{k.Read, k.Secret} {
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k.Plan = Plan{Read: []string{k.Read, filepath.Join(dir, "missing")}, Write: []string{k.Inside}}
	cmd := exec.Command(os.Args[0])
	change(cmd, &k)
	b, err := json.Marshal(&k)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), asProbe+"="+string(b))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		said[strings.TrimSpace(line)] = true
	}
	if b, err := os.ReadFile(k.Secret); k.Flag != "off" && (err != nil || string(b) != "x") {
		t.Errorf("the secret is %q, %v", b, err)
	}
	return said
}

func check(t *testing.T, said map[string]bool, want ...string) {
	t.Helper()
	for _, w := range want {
		if !said[w] {
			t.Errorf("it does not say %q", w)
		}
	}
	if t.Failed() {
		for line := range said {
			t.Log(line)
		}
	}
}

// needLandlock fails, or skips where the kernel cannot do it and no CI runs.
func needLandlock(t *testing.T) {
	t.Helper()
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 4 {
		if os.Getenv("CI") != "" {
			t.Fatalf("Landlock version %d, %v", abi, err)
		}
		t.Skipf("the kernel has Landlock version %d, %v", abi, err)
	}
}

var restricted = []string{
	"read what is given: may", "read the secret: may not", "read the name server: may", "list the root: may not", "write beside what is given: may not",
	"write over what is given: may not", "write in the folder: may", "rename to another folder in it: may", "rename out of it: may not",
	"truncate the secret: may not", "remove the secret: may not", "listen: may not", "make a packet socket: may not", "make a netlink socket: may",
	"make a unix socket: may", "mount: may not", "become another user: may not", "look into another process: may not", "execute another program: may not",
	"execute itself: may", "thread NoNewPrivs: 1", "thread Seccomp: 2", "thread CapInh: 0000000000000000", "thread CapAmb: 0000000000000000",
}

func TestRestricted(t *testing.T) {
	needLandlock(t)
	said := run(t, func(*exec.Cmd, *task) {})
	check(t, said, append(restricted, "connect: may not")...)
	for line := range said {
		// Of root's, those on files are left.
		if strings.HasPrefix(line, "thread ") && !strings.HasSuffix(line, " 1") && !strings.HasSuffix(line, " 2") &&
			!strings.HasSuffix(line, " 0000000000000000") && !strings.HasSuffix(line, " 000000000000000f") {
			t.Error(line)
		}
		if strings.HasPrefix(line, "child:") && !strings.Contains(line, "permission denied") {
			t.Error(line)
		}
	}
	check(t, run(t, func(_ *exec.Cmd, k *task) { k.Plan.Network = true }), append(restricted, "connect: may")...)
}

// Without a sandbox everything is as it was.
func TestOff(t *testing.T) {
	check(t, run(t, func(_ *exec.Cmd, k *task) { k.Flag = "off" }),
		"read the secret: may", "connect: may", "listen: may", "execute another program: may", "thread NoNewPrivs: 0", "held:")
}

// TestUnprivileged is the case it is for: a user without rights, and a program with
// the one capability.
func TestUnprivileged(t *testing.T) {
	needLandlock(t)
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("setting file capabilities needs root")
		}
		t.Skip("setting file capabilities needs root")
	}
	said := run(t, func(cmd *exec.Cmd, k *task) {
		dir := filepath.Dir(k.Read)
		for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		program := filepath.Join(dir, "probe")
		if out, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err := exec.Command("setcap", "cap_net_raw=ep", program).CombinedOutput(); err != nil {
			t.Fatalf("setcap: %v: %s", err, out)
		}
		if err := errors.Join(os.Mkdir(k.Inside, 0o700), os.Chown(k.Inside, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		k.Plan.Sockets = 1
		cmd.Path, cmd.Args[0] = program, program
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	check(t, said, append(restricted, "connect: may not", "signal another process: may not", "thread CapEff: 0000000000000000", "thread CapPrm: 0000000000000000",
		"use a packet socket that was made before: may", "another: no packet socket is left")...)
	for line := range said {
		if strings.HasPrefix(line, "thread Cap") && !strings.HasSuffix(line, " 0000000000000000") {
			t.Error(line)
		}
		if strings.HasPrefix(line, "held:") && !strings.Contains(line, "no capabilities; Landlock ") {
			t.Error(line)
		}
	}
}

func TestMarker(t *testing.T) {
	for _, v := range []string{"{}", "1"} {
		if _, err := entered(v); err == nil || !strings.Contains(err.Error(), "not to be set") {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestFlag(t *testing.T) {
	for f, ok := range map[Flag]bool{"on": true, "off": true, "require": true, "": false, "yes": false} {
		if err := f.Check(); (err == nil) != ok {
			t.Errorf("%q: %v", f, err)
		}
	}
}
