package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestService runs the command as systemd does: it is told when the sensor is ready,
// reads its configuration and stops, and hears from it in between; and SIGHUP changes
// what can be changed.
func TestService(t *testing.T) {
	dir := t.TempDir()
	notify, folder := filepath.Join(dir, "notify"), filepath.Join(dir, "captures")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", notify)
	t.Setenv("WATCHDOG_USEC", "1000000")
	said := make(chan string, 1000)
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := c.Read(b)
			if err != nil {
				close(said)
				return
			}
			said <- string(b[:n])
		}
	}()
	expect := func(prefix string) {
		t.Helper()
		for limit := time.After(30 * time.Second); ; {
			select {
			case s := <-said:
				if strings.HasPrefix(s, prefix) {
					return
				}
				if s != "WATCHDOG=1" {
					t.Errorf("%q was said, not %q", s, prefix)
				}
			case <-limit:
				t.Fatalf("%q was not said", prefix)
			}
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	options := filepath.Join(dir, "etc", "sensor.conf")
	write := func(text string) {
		t.Helper()
		// As editors do: another file in its place.
		if err := os.MkdirAll(filepath.Dir(options), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(options+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(options+".new", options); err != nil {
			t.Fatal(err)
		}
	}
	packets := filepath.Join(dir, "packets")
	write("write-pcap-limit 1G\n")
	f := follow(t, "-config", options, "-watch", folder, "-records", filepath.Join(dir, "records"), "-write-pcap", packets)
	expect("READY=1")
	if err := os.WriteFile(filepath.Join(folder, "a.pcap"), traffic(t, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	for {
		// What was read is in the file that is being written.
		names, _ := filepath.Glob(filepath.Join(packets, "*.pcapng"))
		if len(names) == 1 {
			if fi, err := os.Stat(names[0]); err == nil && fi.Size() > 1000 {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	expect("WATCHDOG=1")

	write("write-pcap-limit 2G\nwrite-pcap-age 1h\nv true\nworkers 7\n")
	if err := f.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect("RELOADING=1\nMONOTONIC_USEC=")
	expect("READY=1")
	f.says(t, `msg="configuration read" changed="v write-pcap-age write-pcap-limit"`)
	f.says(t, "change at the next start\" options=workers")
	// The file under way is finished, so that it can be taken away.
	if names, _ := filepath.Glob(filepath.Join(packets, "*.flows")); len(names) != 1 {
		t.Errorf("indexes %q", names)
	}
	write("nonsense 3\n")
	if err := f.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect("RELOADING=1")
	expect("READY=1")
	f.says(t, `msg="the configuration stays as it was"`)
	log := f.stop(t)
	expect("STOPPING=1")
	if !strings.Contains(log, "interrupted; storing what was read") || !strings.Contains(log, "Wrote ") || !strings.Contains(log, "msg=restricted") {
		t.Errorf("it said %s", log)
	}
	if fi, err := os.Stat(filepath.Join(dir, "records")); err != nil || fi.Size() < 1000 {
		t.Errorf("records: %v, %v", fi, err)
	}
}
