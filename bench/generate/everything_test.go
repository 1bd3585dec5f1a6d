package generate

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestEveryContentReadsWhole has tshark read the contents made by hand: it must
// find no fault in any.
func TestEveryContentReadsWhole(t *testing.T) {
	var capture bytes.Buffer
	binary.Write(&capture, binary.LittleEndian, []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 1 << 18, 147})
	list := everyContent()
	for _, x := range list {
		o := x.octets
		if x.typ != 22 && x.typOID != oidContentP772 {
			continue
		}
		binary.Write(&capture, binary.LittleEndian, []uint32{0, 0, uint32(len(o)), uint32(len(o))})
		capture.Write(o)
	}
	file := t.TempDir() + "/contents.pcap"
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tshark", "-n", "-r", file, "-V", "-o", `uat:user_dlts:"User 0 (DLT=147)","p22","0","","0",""`)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	frame := ""
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Frame ") {
			frame = line
		}
		for _, bad := range []string{"BER Error", "Malformed", "Internal error", "Unreassembled"} {
			if strings.Contains(line, bad) {
				t.Errorf("%s%s", frame, line)
			}
		}
	}
}
