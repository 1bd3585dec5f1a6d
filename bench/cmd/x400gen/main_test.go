package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"x400flow/bench/ledger"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	args := []string{"-n", "20", "-seed", "3", "-o", "-", "-ledger", filepath.Join(dir, "l.jsonl"), "-tap", filepath.Join(dir, "t.pcap"),
		"-set", "LossRate=0.01", "-set", "MTAs=5"}
	if err := run(args, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "l.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := ledger.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if l.Summary.Seed != 3 || int(l.Summary.CaptureSize) != stdout.Len() || l.Summary.Messages == 0 {
		t.Errorf("summary %+v of a capture of %d octets", l.Summary, stdout.Len())
	}
	if !strings.Contains(stderr.String(), `"seed":3`) {
		t.Errorf("standard error: %s", stderr.String())
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-corpus", "other"}, {"-set", "LossRate"}, {"-set", "Nothing=1"}, {"-set", "MTAs=x"}, {"-set", "Start=now"}, {"-o", "-", "-set", "MTAs=1"},
		{"-o", "/nonexistent/file"},
	} {
		if err := run(args, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
