package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"x400flow/cmd/cmdtest"
)

// TestWritePcap keeps the packets of all connections, or of those with problems, as
// the archive tells them apart.
func TestWritePcap(t *testing.T) {
	dir := t.TempDir()
	capture := filepath.Join(dir, "traffic.pcap")
	if err := os.WriteFile(capture, traffic(t, 60), 0o600); err != nil {
		t.Fatal(err)
	}
	// flows are the connections in captures as tshark tells them.
	flows := func(captures ...string) (all []string) {
		t.Helper()
		for _, name := range captures {
			out, err := exec.Command("tshark", "-r", name, "-Y", "tcp.port == 102", "-T", "fields", "-E", "occurrence=l",
				"-e", "ip.addr", "-e", "ipv6.addr", "-e", "tcp.port", "-e", "ip.src", "-e", "ipv6.src", "-e", "tcp.srcport", "-e", "ip.dst", "-e", "ipv6.dst", "-e", "tcp.dstport").Output()
			if err != nil {
				t.Fatalf("tshark: %v", err)
			}
			for line := range strings.Lines(string(out)) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				a, b := f[3]+f[4]+" "+f[5], f[6]+f[7]+" "+f[8]
				all = append(all, min(a, b)+" "+max(a, b))
			}
		}
		return all
	}
	sorted := func(s []string) []string {
		s = slices.Clone(s)
		slices.Sort(s)
		return s
	}
	distinct := func(s []string) []string { return slices.Compact(sorted(s)) }
	for _, of := range []string{"all", "problems"} {
		a := cmdtest.NewArchive(t, cmdtest.Empty(t))
		packets := filepath.Join(dir, of)
		said, status := runIngest(t, "-r", capture, "-store", a.Dir, "-write-pcap", packets, "-write-pcap-of", of, "-write-pcap-file", "200K")
		if status != 0 {
			t.Fatal(said)
		}
		names, err := filepath.Glob(filepath.Join(packets, "*.pcapng"))
		if err != nil || len(names) < 2 {
			t.Fatalf("%s: files %q, %v", of, names, err)
		}
		got := flows(names...)
		if of == "all" {
			if want := flows(capture); !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("kept %d packets, want %d", len(got), len(want))
			}
			continue
		}
		var want []string
		rows, err := a.Store.Conn().Query(t.Context(), `SELECT DISTINCT concat(least(c, s), ' ', greatest(c, s)) FROM
(SELECT concat(client_address, ' ', toString(client_port)) AS c, concat(server_address, ' ', toString(server_port)) AS s FROM associations WHERE problems > 0)`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		all := distinct(flows(capture))
		if want = distinct(want); len(want) < 2 || len(want) >= len(all) {
			t.Fatalf("%d of %d connections have problems", len(want), len(all))
		}
		if got := distinct(got); !slices.Equal(got, want) {
			t.Errorf("kept %d connections, want %d\n%q\n%q", len(got), len(want), got, want)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"-write-pcap-of none", "must be all or problems"}, {"-write-pcap-of problems", "goes with -write-pcap"},
		{"-write-pcap-limit 1M", "must hold a file"}, {"-write-pcap-age 0s", "must be above 0"}, {"-sandbox none", "must be on, off or require"},
	} {
		if said, status := runIngest(t, append(strings.Fields(c.args), "-r", capture)...); status != 2 || !strings.Contains(said, c.want) {
			t.Errorf("%s: status %d: %s", c.args, status, said)
		}
	}
}
