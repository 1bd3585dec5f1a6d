package sensor

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"x400flow/pipeline/record"
)

// A connection without a TPDU, told when it is given up, names the file that it
// was seen in, not the one that is being read then.
func TestSourceOfEmptyConnection(t *testing.T) {
	pcap, err := os.ReadFile("../../testdata/mta/p01-pp88-ping.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const header, first = 24, 16
	cut := func(frames int, second uint32) string {
		b := slices.Clone(pcap)
		end := header
		for range frames {
			binary.LittleEndian.PutUint32(b[end:], second)
			end += first + int(binary.LittleEndian.Uint32(b[end+8:]))
		}
		name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.pcap", second))
		if err := os.WriteFile(name, b[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	// SYN, SYN ACK and ACK alone in the second of several captures.
	n03, err := os.ReadFile("../../testdata/mta/n03-normal-twa-turns.pcap")
	if err != nil {
		t.Fatal(err)
	}
	empty := cut(3, 1000)
	pcap = n03
	records, _ := sense(t, Config{}, append([]string{cut(2, 500), empty}, captures(t)...)...)
	found := 0
	for _, b := range records {
		var r record.Record
		if err := r.Decode(b); err != nil {
			t.Fatal(err)
		}
		if r.Kind != record.KindConnection || r.Conn.Start != 1000e9+r.Conn.Start%1e9 {
			continue
		}
		found++
		var sources []string
		for _, s := range r.Sources {
			sources = append(sources, string(s))
		}
		if !slices.Equal(sources, []string{"1000.pcap"}) {
			t.Errorf("sources %q", sources)
		}
	}
	if found != 1 {
		t.Errorf("%d records of the connection", found)
	}
}
