package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"x400flow/cmd/cmdtest"
)

var update = flag.Bool("update", false, "write the answers into docs/cookbook.md")

func TestMain(m *testing.M) { cmdtest.Main(m) }

// demonstration archives the captures that make run archives.
func demonstration(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "archive")
	cmd := cmdtest.Command(t, "ingest", "-store", dir, "-sensor", "demo")
	cmd.Dir = "../../testdata/mta"
	captures, err := filepath.Glob(filepath.Join(cmd.Dir, "*.pcap"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("captures in %s: %v, %v", cmd.Dir, captures, err)
	}
	for _, c := range captures {
		cmd.Args = append(cmd.Args, "-r", filepath.Base(c))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ingest: %v\n%s", err, out)
	}
	cmdtest.StopAtEnd(t, dir)
	return dir
}

var question = regexp.MustCompile("(?s)(\n## [^\n]+\n.*?```sql\n)(.*?)(```\n)(\n```text\n.*?```\n)?")

// TestCookbook runs the questions of docs/cookbook.md and compares the answers
// with those that stand there.
func TestCookbook(t *testing.T) {
	name := "../../docs/cookbook.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := demonstration(t)
	n := 0
	out := question.ReplaceAllFunc(text, func(b []byte) []byte {
		n++
		m := question.FindSubmatch(b)
		title, _, _ := strings.Cut(strings.TrimPrefix(string(m[1]), "\n## "), "\n")
		var stdout, stderr bytes.Buffer
		cmd := cmdtest.Command(t, "query", "-store", dir, "-format", "PrettyCompactMonoBlock", string(m[2]))
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", title, err, &stderr)
			return b
		}
		answer := "\n```text\n" + stdout.String() + "```\n"
		if !*update && answer != string(m[4]) {
			t.Errorf("%s: the answer is\n%s\nbut docs/cookbook.md says%s\n(go test ./cmd/query -update writes it there)", title, answer, m[4])
		}
		return []byte(string(m[1]) + string(m[2]) + string(m[3]) + answer)
	})
	if n != 23 {
		t.Errorf("%d questions, want 23", n)
	}
	if *update {
		if err := os.WriteFile(name, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
