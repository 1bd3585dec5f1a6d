// Package devicetest gives tests network namespaces with interfaces in them.
package devicetest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace puts the test into a network namespace of its own, until it ends.
// The test must not use other goroutines for what is to happen in it.
func Namespace(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	// The thread is never unlocked, so it ends with the goroutine.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	// IPv6 would speak by itself.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	IP(t, "link set lo up")
	mu.Lock()
	defer mu.Unlock()
	name := t.Name()
	namespaces[name] = current(t)
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		delete(namespaces, name)
	})
}

// Enter puts another goroutine of a test, or that of a subtest, into the network
// namespace that the test is in.
func Enter(t testing.TB) {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for name := t.Name(); ; {
		if fd, ok := namespaces[name]; ok {
			runtime.LockOSThread()
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				t.Fatal(err)
			}
			return
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			t.Fatal("no test around it is in a namespace")
		}
		name = name[:i]
	}
}

// Links returns what runs ip commands in the namespace of the test, from any
// goroutine, one at a time.
func Links(t testing.TB) func(args string) {
	t.Helper()
	ask, answer := make(chan string), make(chan error)
	fd := current(t)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		for args := range ask {
			if err == nil {
				var out []byte
				if out, err = exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
					err = fmt.Errorf("ip %s: %w: %s", args, err, out)
				}
			}
			answer <- err
		}
	}()
	t.Cleanup(func() { close(ask) })
	return func(args string) {
		t.Helper()
		ask <- args
		if err := <-answer; err != nil {
			t.Error(err)
		}
	}
}

// Namespaces of tests under way, by name.
var (
	mu         sync.Mutex
	namespaces = map[string]int{}
)

// current opens the namespace that the thread is in, until the test ends.
func current(t testing.TB) int {
	t.Helper()
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// IP runs the ip command of iproute2.
func IP(t testing.TB, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// Pair makes two interfaces that are joined, and returns what sends frames out
// of the second.
func Pair(t testing.TB, a, b string, mtu int) (send func(frame []byte)) {
	t.Helper()
	IP(t, "link add "+a+" type veth peer name "+b)
	for _, name := range []string{a, b} {
		IP(t, fmt.Sprintf("link set %s mtu %d up", name, mtu))
	}
	return Sender(t, b)
}

// Sender returns what sends frames out of an interface. It may be called by any
// goroutine.
func Sender(t testing.TB, name string) func(frame []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	nic, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return func(frame []byte) {
		t.Helper()
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: nic.Index, Halen: 6}); err != nil {
			t.Fatal(err)
		}
	}
}
