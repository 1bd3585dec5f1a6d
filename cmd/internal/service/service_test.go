package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// asVictim makes the test's own executable a program that drains slowly.
const asVictim = "X400FLOW_TEST_AS_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		ctx, stop := Signals(context.Background())
		defer stop()
		os.Stdout.WriteString("ready\n")
		<-ctx.Done()
		os.Stdout.WriteString("draining\n")
		time.Sleep(time.Minute)
		return
	}
	os.Exit(m.Run())
}

// systemd listens as systemd would, and sets the environment that it sets.
func systemd(t *testing.T, watchdog string) <-chan string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", watchdog)
	said := make(chan string, 100)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			said <- string(b[:n])
		}
	}()
	return said
}

// next returns what was said next, but for what the watchdog is told.
func next(t *testing.T, said <-chan string) string {
	t.Helper()
	for limit := time.After(10 * time.Second); ; {
		select {
		case s := <-said:
			if s != "WATCHDOG=1" {
				return s
			}
		case <-limit:
			t.Fatal("nothing was said")
		}
	}
}

func TestStates(t *testing.T) {
	said := systemd(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	s := New(ctx, slog.New(slog.NewTextHandler(&log, nil)))
	reload := make(chan error, 1)
	s.Reload(func() error { return <-reload })
	s.Ready()
	if got := next(t, said); got != "READY=1" {
		t.Errorf("got %q", got)
	}
	for _, err := range []error{nil, errors.New("no such flag")} {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if got := next(t, said); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") || strings.HasSuffix(got, "=0") {
			t.Errorf("got %q", got)
		}
		reload <- err
		if got := next(t, said); got != "READY=1" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	if got := next(t, said); got != "STOPPING=1" {
		t.Errorf("got %q", got)
	}
	s.Close()
	if !strings.Contains(log.String(), "the configuration stays as it was") || !strings.Contains(log.String(), "no such flag") {
		t.Errorf("the log says %s", &log)
	}
}

// The watchdog is told while something gets on.
func TestWatchdog(t *testing.T) {
	said := systemd(t, "300000") // Microseconds.
	var log bytes.Buffer
	s := New(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	var done atomic.Uint64
	var waiting atomic.Bool
	waiting.Store(true)
	s.Watch(func() (uint64, bool) { return 0, false })
	s.Watch(func() (uint64, bool) { return done.Load(), waiting.Load() })
	s.Ready()
	pings := func() (n int) {
		for limit := time.After(time.Second); ; {
			select {
			case v := <-said:
				if v == "WATCHDOG=1" {
					n++
				}
			case <-limit:
				return n
			}
		}
	}
	if n := pings(); n > 2 {
		t.Errorf("%d pings of a program that hangs", n)
	}
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				done.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		}
	}()
	if n := pings(); n < 4 {
		t.Errorf("%d pings of a program that works", n)
	}
	close(stop)
	waiting.Store(false)
	pings()
	if n := pings(); n < 4 {
		t.Errorf("%d pings of a program that has nothing to do", n)
	}
	s.Close()
	if !strings.Contains(log.String(), "no stage gets on") {
		t.Errorf("the log says %s", &log)
	}
}

// Without systemd nothing is told, and nothing fails.
func TestAlone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	var log bytes.Buffer
	s := New(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	s.Ready()
	s.Close()
	if log.Len() > 0 {
		t.Errorf("the log says %s", &log)
	}
}

// The first signal asks for the end, the second does not.
func TestSecondSignal(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asVictim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	for _, want := range []string{"ready\n", "draining\n"} {
		if n, err := out.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("%q, %v", b[:n], err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
