package main

import (
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakes(t *testing.T) {
	for want, o := range map[string]options{
		"name a record file with -r":     {keep: "content", workers: 1},
		"-all goes with -again":          {read: "x", all: true, keep: "content", workers: 1},
		"not both":                       {read: "x", again: true, keep: "content", workers: 1},
		"-keep most":                     {read: "x", keep: "most", workers: 1},
		"-workers 0: must be at least 1": {read: "x", keep: "content"},
	} {
		if o.group == "" {
			o.group = "x400flow"
		}
		o.session = 1 << 40
		if err := o.check(flag.NewFlagSet("decode", flag.ContinueOnError)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("these are no records at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		text:                    "notes.txt: not a record file: it does not begin with",
		filepath.Join(dir, "x"): "x: no such file",
	} {
		o := options{read: name, keep: "content", workers: 1}
		o.store.Target = filepath.Join(dir, "archive")
		err := run(t.Context(), &o, slog.New(slog.DiscardHandler), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "archive")); err == nil {
		t.Error("a mistake made an archive")
	}
}
