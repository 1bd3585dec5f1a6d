package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"x400flow/engine"
	"x400flow/schema"
)

// engineOptions suit a test.
var engineOptions = engine.Options{MaxMemory: 2 << 30}

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

// open opens an archive of its own, without a schema.
func open(t *testing.T) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "archive")
	s, err := Open(Options{Target: dir, Engine: engineOptions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := engine.Stop(ctx, dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, err := os.ReadFile(filepath.Join(dir, "engine.log"))
			t.Logf("what the engine logged, %v:\n%s", err, log)
		}
	})
	return s
}

// archive opens an archive of its own with its schema.
func archive(t *testing.T) *Store {
	t.Helper()
	s := open(t)
	if err := s.Migrate(t.Context(), MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// exec runs a statement.
func exec(t *testing.T, s *Store, sql string) {
	t.Helper()
	if err := s.Conn().Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns the rows of a statement, each with its values in ClickHouse's
// text form, separated by " | ".
func query(t *testing.T, s *Store, sql string) []string {
	t.Helper()
	return queryAs(t, s, "TSV", sql)
}

// queryAs is query in a format of its own.
func queryAs(t *testing.T, s *Store, format, sql string) []string {
	t.Helper()
	r, err := s.Conn().QueryFormat(t.Context(), format, strings.TrimSuffix(strings.TrimSpace(sql), ";"))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer r.Close()
	text := readAll(t, r)
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\t", " | "), "\n"), "\n")
}

// insert writes rows and waits until they are durable.
func insert(t *testing.T, s *Store, fill func(b *schema.Batch)) {
	t.Helper()
	w := s.NewWriter(t.Context(), WriterOptions{})
	b := w.Batch()
	fill(b)
	if err := w.Write(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
