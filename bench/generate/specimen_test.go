package generate

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestSpecimensDump(t *testing.T) {
	for i, s := range Specimens() {
		os.WriteFile(filepath.Join("/tmp/spec", strconv.Itoa(i+1)+".pcap"), s.Capture, 0o644)
		_ = bytes.MinRead
	}
}
