package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/cmd/cmdtest"
)

// ask runs the command with something on standard input and returns what it
// wrote and said.
func ask(t *testing.T, ctx context.Context, input string, args ...string) (answer, said string, err error) {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(input), 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	var messages bytes.Buffer
	failed := command(ctx, args, from, to, &messages)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), messages.String(), failed
}

func TestQuery(t *testing.T) {
	dir := demonstration(t)
	ctx := t.Context()
	sqlFile := filepath.Join(t.TempDir(), "monthly.sql")
	if err := os.WriteFile(sqlFile, []byte("-- A comment.\nSELECT count()\nFROM associations;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const names = "SELECT DISTINCT initiator_mta AS mta, 'a\tb' AS x FROM associations ORDER BY mta"
	for _, c := range []struct {
		name   string
		input  string
		args   []string
		answer string
	}{
		{"in a pipe", "", []string{names}, "alpha-mta\ta\\tb\nmta-a.example\ta\\tb\n"},
		{"CSV with names", "", []string{"-format", "CSVWithNames", names}, "\"mta\",\"x\"\n\"alpha-mta\",\"a\tb\"\n\"mta-a.example\",\"a\tb\"\n"},
		{"JSON, a row a line", "", []string{"-format", "JSONEachRow", "SELECT count() AS n FROM associations"}, "{\"n\":9}\n"},
		{"parameters", "", []string{"-p", "a=7", "-p", "b=x'y=z", "SELECT {a:UInt8} + 1, {b:String}"}, "8\tx\\'y=z\n"},
		{"a semicolon", "", []string{"SELECT 1 ; "}, "1\n"},
		{"a file", "", []string{"-file", sqlFile}, "9\n"},
		{"standard input", "SELECT 2\n", nil, "2\n"},
		{"standard input, named", "SELECT 3;", []string{"-"}, "3\n"},
		{"much", "", []string{"SELECT count() FROM (SELECT number FROM numbers(1000000))"}, "1000000\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, said, err := ask(t, ctx, c.input, append([]string{"-store", dir}, c.args...)...)
			if err != nil || answer != c.answer || said != "" {
				t.Errorf("got %q, %q, %v; want %q", answer, said, err, c.answer)
			}
		})
	}

	t.Run("a large result", func(t *testing.T) {
		answer, _, err := ask(t, ctx, "", "-store", dir, "SELECT number FROM numbers(3000000)")
		if n := strings.Count(answer, "\n"); err != nil || n != 3_000_000 {
			t.Errorf("%d rows, %v", n, err)
		}
	})

	for _, c := range []struct {
		name  string
		args  []string
		want  string
		usage bool
	}{
		{"unknown column", []string{"SELECT no_such FROM messages"}, "no_such", false},
		{"syntax", []string{"SELECT FROM WHERE"}, "Syntax error", false},
		{"in the middle of the result", []string{"SELECT throwIf(number = 2000000, 'too far') FROM numbers(3000000)"}, "too far", false},
		{"a word", []string{"flow"}, `"flow" is neither a report nor SQL; reports are`, true},
		{"two arguments", []string{"SELECT 1", "2"}, "put the SQL in quotes", true},
		{"a file and an argument", []string{"-file", sqlFile, "SELECT 1"}, "both -file and an argument", true},
		{"no such file", []string{"-file", sqlFile + ".none"}, "monthly.sql.none: no such file", true},
		{"nothing", nil, "no SQL on standard input", true},
		{"parameter", []string{"SELECT {a:UInt8}"}, "`a`", false},
		{"format", []string{"-format", "Papyrus", "SELECT 1"}, "Papyrus", false},
		{"insertion", []string{"INSERT INTO captures_store (sha256) VALUES ('x')"}, "readonly", false},
		{"deletion", []string{"TRUNCATE TABLE messages_store"}, "readonly", false},
		{"setting", []string{"SELECT 1 SETTINGS readonly = 0"}, "readonly", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ask(t, ctx, "", append([]string{"-store", dir}, c.args...)...)
			var usage *usageError
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &usage) != c.usage {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, stack := range []string{"Stack trace", "0x0", "libchdb", "goroutine"} {
				if strings.Contains(err.Error(), stack) {
					t.Errorf("it has a stack: %v", err)
				}
			}
		})
	}

	t.Run("no archive", func(t *testing.T) {
		none := filepath.Join(t.TempDir(), "none")
		_, _, err := ask(t, ctx, "", "-store", none, "SELECT 1")
		if err == nil || !strings.Contains(err.Error(), "there is no archive at "+none+": name one with -store, or make one with ingest") {
			t.Error(err)
		}
		if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
			t.Error("asking made an archive")
		}
	})

	t.Run("write", func(t *testing.T) {
		for _, sql := range []string{
			"CREATE TABLE notes (n UInt8) ENGINE = MergeTree ORDER BY n", "INSERT INTO notes SELECT 5", "DROP TABLE notes",
		} {
			if _, _, err := ask(t, ctx, "", "-store", dir, "-write", sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})

	t.Run("help", func(t *testing.T) {
		_, said, err := ask(t, ctx, "", "-h")
		if err != nil {
			t.Errorf("got %v", err)
		}
		for _, want := range []string{"query 'SELECT", "-p who=smith", "query flows", "query serve", "-format", "-write", "undelivered"} {
			if !strings.Contains(said, want) {
				t.Errorf("-h does not say %q:\n%s", want, said)
			}
		}
		if _, said, err = ask(t, ctx, "", "trace", "-h"); err != nil || !strings.Contains(said, "query trace '[/") {
			t.Errorf("%q, %v", said, err)
		}
		// The examples are right.
		for _, example := range strings.Split(usage, "\n") {
			if i := strings.Index(example, "query '"); i >= 0 {
				sql := example[i+len("query '") : strings.LastIndex(example, "'")]
				if _, _, err := ask(t, ctx, "", "-store", dir, sql); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
		}
	})

	t.Run("cancelled", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		const forever = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
		if _, _, err := ask(t, short, "", "-store", dir, forever); err == nil || !errors.Is(short.Err(), context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("it took %v", d)
		}
		// The engine, too, has left off.
		for i := 0; ; i++ {
			answer, _, err := ask(t, ctx, "", "-store", dir, "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number) = 1%' AND query NOT LIKE '%processes%'")
			if err != nil {
				t.Fatal(err)
			}
			if answer == "0\n" {
				break
			}
			if i == 100 {
				t.Fatal("the engine goes on with what was cancelled")
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// TestQueryWhileIngestWrites runs two of each on one archive.
func TestQueryWhileIngestWrites(t *testing.T) {
	dir := demonstration(t)
	var writing sync.WaitGroup
	for i := range 2 {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.pcap", i))
		cmdtest.WriteTraffic(t, name, func(o *generate.Options) { o.Seed, o.Messages = uint64(i+5), 150 })
		ingest := cmdtest.Command(t, "ingest", "-r", name, "-store", dir, "-sensor", name, "-block", "100")
		writing.Go(func() {
			if out, err := ingest.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	written := make(chan struct{})
	go func() { writing.Wait(); close(written) }()
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			last := 0
			for done := false; !done; {
				select {
				case <-written:
					done = true
				default:
				}
				// What is visible is complete, and stays.
				answer, _, err := ask(t, t.Context(), "", "-store", dir,
					"SELECT count(), countIf(recipient_count > 0 AND apdu NOT IN (SELECT apdu FROM recipients)) FROM messages")
				var n, incomplete int
				if _, serr := fmt.Sscan(answer, &n, &incomplete); err != nil || serr != nil || incomplete != 0 || n < last {
					t.Errorf("%q after %d messages, %v", answer, last, err)
					return
				}
				last = n
			}
			if last < 300 {
				t.Errorf("%d messages in the end", last)
			}
		})
	}
	asking.Wait()
	<-written
}
