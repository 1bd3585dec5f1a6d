package capture

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// captures returns the capture files that the tests may read: the project's own
// and, where they are at hand, the reference ones beside the project.
func captures(t testing.TB) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	own, err := filepath.Glob(filepath.Join(root, "testdata", "mta", "*.pcap"))
	if err != nil || len(own) == 0 {
		t.Fatalf("no captures in testdata: %v", err)
	}
	var ref []string
	for _, dir := range []string{"x400", "third-party"} {
		m, _ := filepath.Glob(filepath.Join(root, "..", "shared", "captures", "reference", dir, "*.pcap*"))
		ref = append(ref, m...)
	}
	if len(ref) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the reference captures are missing")
		}
		t.Log("the reference captures are not at hand; only the project's own are read")
	}
	return append(own, ref...)
}

// tshark runs tshark and returns its lines. The test is skipped where there is
// none, but not in CI.
func tshark(t testing.TB, args ...string) []string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is missing")
		}
		t.Skip("tshark is not installed; it is the other opinion of this test")
	}
	cmd := exec.Command(path, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines
}

// Every frame's number, time and lengths, and every TCP segment's ports,
// sequence number, flags and payload length, as tshark sees them.
func TestReferenceCapturesAgainstTshark(t *testing.T) {
	for _, name := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			lines := tshark(t, "-r", name, "-T", "fields",
				"-o", "tcp.relative_sequence_numbers:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE",
				"-o", "ip.defragment:TRUE", "-o", "tcp.analyze_sequence_numbers:FALSE",
				"-e", "frame.number", "-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len",
				"-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "tcp.seq_raw", "-e", "tcp.ack_raw", "-e", "tcp.flags", "-e", "tcp.len")
			r, err := Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			d := NewDecoder(DecoderConfig{})
			var f Frame
			var s Segment
			n := 0
			for {
				if err := r.Next(&f); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if n >= len(lines) {
					t.Fatalf("more frames than tshark's %d", len(lines))
				}
				want := strings.Split(lines[n], "\t")
				n++
				got := []string{
					strconv.FormatUint(f.Number, 10),
					strconv.FormatInt(f.Time/1e9, 10) + "." + padNano(f.Time%1e9),
					strconv.Itoa(len(f.Data)), strconv.Itoa(f.Length),
					"", "", "", "", "", "",
				}
				if d.Decode(&f, &s) {
					got[4] = strconv.Itoa(int(s.Src().Port()))
					got[5] = strconv.Itoa(int(s.Dst().Port()))
					got[6] = strconv.FormatUint(uint64(s.Seq), 10)
					got[7] = strconv.FormatUint(uint64(s.Ack), 10)
					got[8] = strconv.Itoa(int(s.Flags))
					got[9] = strconv.Itoa(len(s.Payload) + s.Missing)
				}
				if want[8] != "" {
					v, err := strconv.ParseUint(want[8], 0, 16)
					if err != nil {
						t.Fatal(err)
					}
					want[8] = strconv.Itoa(int(v & 0xff))
				}
				for i := range want {
					if i == 7 && want[8] != "" && s.Flags&ACK == 0 {
						continue // tshark shows 0.
					}
					if got[i] != want[i] {
						t.Fatalf("frame %d, field %d: got %q, want %q\ngot  %q\nwant %q", n, i, got[i], want[i], got, want)
					}
				}
			}
			if n != len(lines) {
				t.Errorf("got %d frames, want %d", n, len(lines))
			}
			file := r.File()
			sum, size, err := Digest(name)
			if err != nil {
				t.Fatal(err)
			}
			if !file.Done || file.Truncated || file.SHA256 != sum || file.Size != size {
				t.Errorf("got %+v, want digest %x, size %d", file, sum, size)
			}
			c := d.Counters()
			if c.Frames != c.Segments+c.NotIP+c.NotTCP+c.OtherPort+c.Fragments+c.UnknownLink+c.Short+c.Malformed+c.TooDeep {
				t.Errorf("the counters do not add up: %+v", c)
			}
		})
	}
}

func padNano(n int64) string {
	s := strconv.FormatInt(n, 10)
	return strings.Repeat("0", 9-len(s)) + s
}
