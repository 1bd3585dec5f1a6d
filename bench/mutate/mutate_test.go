package mutate

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"x400flow/bench/generate"
)

// captures are the real ones and a generated one.
func captures(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/mta/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in testdata: %v", err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = b
	}
	o := generate.DefaultOptions()
	o.Messages, o.IPv6Rate = 60, 0.5
	var b bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &b}); err != nil {
		t.Fatal(err)
	}
	out["generated"] = b.Bytes()
	return out
}

// streams joins what each direction of each connection says. A connection ends at its second
// SYN, so that a 4-tuple used again is another one.
func streams(t *testing.T, capture []byte) (map[string][]byte, int) {
	t.Helper()
	in, err := newReader(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	isn := map[string]uint32{}
	epoch := map[string]int{}
	n := 0
	for {
		f, err := in.next()
		if err != nil {
			break
		}
		n++
		s, ok := parse(f)
		if !ok {
			t.Fatalf("frame %d is no TCP segment", n)
		}
		conn := fmt.Sprintf("%x", s.key)
		if s.flags&(flagSYN|0x10) == flagSYN {
			epoch[conn]++
		}
		k := fmt.Sprintf("%s %d %d", conn, epoch[conn], s.side)
		if s.flags&flagSYN != 0 {
			isn[k] = s.seq + 1
			continue
		}
		base, ok := isn[k]
		if !ok {
			t.Fatalf("frame %d: no SYN before it", n)
		}
		data := f.octets[s.data:s.end]
		from := int(s.seq - base)
		b := out[k]
		if need := from + len(data); need > len(b) {
			b = append(b, make([]byte, need-len(b))...)
		}
		copy(b[from:], data)
		out[k] = b
	}
	return out, n
}

func TestRewriteKeepsStreams(t *testing.T) {
	options := map[string]Options{
		"nothing":          {},
		"single octets":    {MinSegment: 1, MaxSegment: 1},
		"any segments":     {MinSegment: 1, MaxSegment: 3000},
		"large segments":   {MinSegment: 9000, MaxSegment: 30000},
		"repetitions":      {Duplicate: 0.5},
		"disorder":         {Disorder: 0.5, Window: 6, MaxSegment: 100},
		"late":             {Late: 0.2, Window: 5},
		"all of them":      {MinSegment: 1, MaxSegment: 700, Duplicate: 0.2, Disorder: 0.2, Late: 0.1, Window: 8, Shift: 5e9},
		"disorder as sent": {Disorder: 1, Window: 2},
	}
	for name, capture := range captures(t) {
		want, frames := streams(t, capture)
		for what, o := range options {
			t.Run(name+"/"+what, func(t *testing.T) {
				for seed := range uint64(3) {
					o.Seed = seed
					var b, again bytes.Buffer
					if err := Rewrite(&b, bytes.NewReader(capture), o); err != nil {
						t.Fatal(err)
					}
					got, n := streams(t, b.Bytes())
					for k := range want {
						if !bytes.Equal(got[k], want[k]) {
							t.Errorf("seed %d: stream %s differs", seed, k)
						}
					}
					if len(got) != len(want) {
						t.Errorf("seed %d: %d streams, expected %d", seed, len(got), len(want))
					}
					if what == "nothing" && n != frames || what == "single octets" && n < 2*frames {
						t.Errorf("%d frames of %d", n, frames)
					}
					if err := Rewrite(&again, bytes.NewReader(capture), o); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(again.Bytes(), b.Bytes()) {
						t.Error("the same seed gives other octets")
					}
				}
			})
		}
	}
}

// TestNothingIsNothing holds that the zero Options keep every frame.
func TestNothingIsNothing(t *testing.T) {
	for name, capture := range captures(t) {
		var b bytes.Buffer
		if err := Rewrite(&b, bytes.NewReader(capture), Options{}); err != nil {
			t.Fatal(err)
		}
		x, _ := newReader(bytes.NewReader(capture))
		y, err := newReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			f, errF := x.next()
			g, errG := y.next()
			if errF != nil || errG != nil {
				if errF != errG {
					t.Errorf("%s: %v and %v after %d frames", name, errF, errG, n)
				}
				break
			}
			if f.at != g.at || f.wire != g.wire {
				t.Fatalf("%s: frame %d differs", name, n)
			}
			if !bytes.Equal(f.octets, g.octets) {
				t.Fatalf("%s: frame %d has other octets", name, n)
			}
		}
	}
}

func TestCut(t *testing.T) {
	capture := captures(t)["generated"]
	n, err := Count(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := Cut(&a, bytes.NewReader(capture), 0, n*2/3); err != nil {
		t.Fatal(err)
	}
	if err := Cut(&b, bytes.NewReader(capture), n/3, n); err != nil {
		t.Fatal(err)
	}
	na, _ := Count(bytes.NewReader(a.Bytes()))
	nb, _ := Count(bytes.NewReader(b.Bytes()))
	if na != n*2/3 || nb != n-n/3 {
		t.Errorf("cuts of %d frames have %d and %d", n, na, nb)
	}
	if !bytes.HasPrefix(capture[24:], a.Bytes()[24:]) || !bytes.HasSuffix(capture, b.Bytes()[24:]) {
		t.Error("the cuts' frames are not the capture's")
	}
}

// TestEncapsulation has tshark look under VLAN tags and MPLS labels.
func TestEncapsulation(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("tshark is not installed, so there is nobody to compare with")
	}
	capture := captures(t)["p20-pp88-to-pp88-relay.pcap"]
	tshark := func(b []byte, args ...string) []string {
		f := filepath.Join(t.TempDir(), "c.pcap")
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("tshark", append([]string{"-r", f, "-n", "-T", "fields"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	want := tshark(capture, "-Y", "p1", "-e", "p1.local_identifier")
	var b bytes.Buffer
	o := Options{VLAN: []uint16{100, 7}, MPLS: []uint32{16, 99}, MinSegment: 10, MaxSegment: 400}
	if err := Rewrite(&b, bytes.NewReader(capture), o); err != nil {
		t.Fatal(err)
	}
	if got := tshark(b.Bytes(), "-Y", "p1", "-e", "p1.local_identifier"); !slices.Equal(got, want) {
		t.Errorf("identifiers %q, expected %q", got, want)
	}
	for what, o := range map[string]Options{
		"fragments":     {Fragment: 300},
		"tunnel":        {GRE: true, MinSegment: 10, MaxSegment: 400},
		"all of it":     {GRE: true, Fragment: 200, VLAN: []uint16{5}, MPLS: []uint32{17}},
		"tiny fragment": {Fragment: 1},
	} {
		var b bytes.Buffer
		if err := Rewrite(&b, bytes.NewReader(capture), o); err != nil {
			t.Fatal(err)
		}
		if got := tshark(b.Bytes(), "-o", "ip.defragment:TRUE", "-Y", "p1", "-e", "p1.local_identifier"); !slices.Equal(got, want) {
			t.Errorf("%s: identifiers %q, expected %q", what, got, want)
		}
		if bad := tshark(b.Bytes(), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", "ip.checksum.status == 0", "-e", "frame.number"); len(bad) > 1 || bad[0] != "" {
			t.Errorf("%s: wrong checksums in frames %q", what, bad)
		}
	}
	for _, row := range tshark(b.Bytes(), "-e", "ieee8021ad.id", "-e", "vlan.id", "-e", "mpls.label") {
		if row != "100\t7\t16,99" {
			t.Fatalf("tags and labels are %q", row)
		}
	}
	if bad := tshark(b.Bytes(), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y",
		"(tcp.checksum.status == 0 || ip.checksum.status == 0) && tcp.len > 0", "-e", "frame.number"); len(bad) > 1 || bad[0] != "" {
		t.Errorf("wrong checksums in frames %q", bad)
	}
}

func TestRefusals(t *testing.T) {
	good := captures(t)["p01-pp88-ping.pcap"]
	for name, b := range map[string][]byte{
		"empty":         {},
		"not pcap":      bytes.Repeat([]byte("x"), 100),
		"cut in header": good[:30],
		"cut in frame":  good[:60],
	} {
		if err := Rewrite(&bytes.Buffer{}, bytes.NewReader(b), Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	b, err := os.ReadFile("../../testdata/mta/p01-pp88-ping.pcap")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		o := Options{Seed: seed, MinSegment: 1, MaxSegment: 50, Duplicate: 0.3, Disorder: 0.3, Late: 0.2, Window: 3, VLAN: []uint16{1}}
		var out bytes.Buffer
		if Rewrite(&out, bytes.NewReader(b), o) != nil {
			return
		}
		if _, err := Count(&out); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
