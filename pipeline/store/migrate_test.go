package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"x400flow/engine"
	"x400flow/schema"
)

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMigrateTwice(t *testing.T) {
	s := open(t)
	var none *VersionError
	if err := s.CheckVersion(t.Context()); !errors.As(err, &none) || none.Have != 0 {
		t.Fatalf("an empty archive: %v, want a VersionError with Have 0", err)
	}
	for range 2 {
		if err := s.Migrate(t.Context(), MigrateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := s.CheckVersion(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range all {
		want = append(want, m.Name)
	}
	if got := query(t, s, "SELECT name FROM schema_migrations ORDER BY number"); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestMigrateConcurrently(t *testing.T) {
	s := open(t)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			// Each is a program of its own.
			o, err := Open(Options{Target: s.name, Engine: engineOptions})
			if err != nil {
				errs[i] = err
				return
			}
			defer o.Close()
			errs[i] = o.Migrate(t.Context(), MigrateOptions{})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckVersion(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s, "SELECT count() FROM messages"); got[0] != "0" {
		t.Errorf("%s messages in a new archive", got[0])
	}
}

func TestMigrateNewerArchive(t *testing.T) {
	s := archive(t)
	exec(t, s, "INSERT INTO schema_migrations (number, name) VALUES (99, 'later')")
	var v *VersionError
	if err := s.CheckVersion(t.Context()); !errors.As(err, &v) || v.Have != 99 {
		t.Errorf("CheckVersion: %v, want a VersionError with Have 99", err)
	}
	if err := s.Migrate(t.Context(), MigrateOptions{}); !errors.As(err, &v) {
		t.Errorf("Migrate: %v, want a VersionError", err)
	}
}

func TestMigrateChangedMigration(t *testing.T) {
	s := archive(t)
	exec(t, s, "INSERT INTO schema_migrations (number, name, digest) VALUES (1, 'tables', 'other')")
	if err := s.Migrate(t.Context(), MigrateOptions{}); err == nil || !strings.Contains(err.Error(), "not the one that was applied") {
		t.Errorf("got %v", err)
	}
}

func TestRetention(t *testing.T) {
	s := open(t)
	ttl := func() []string {
		return query(t, s, "SELECT name, extract(create_table_query, 'TTL ([^\\n]*?) (?:SETTINGS|COMMENT)') FROM system.tables WHERE database = currentDatabase() AND create_table_query LIKE '% TTL %' AND name != 'progress_store' ORDER BY name")
	}
	contents := func(days int) (all []string) {
		for _, table := range []string{"body_parts", "contents", "ipm_extension_items", "ipm_extensions", "ipm_recipients", "ipm_references", "ipms"} {
			all = append(all, fmt.Sprintf("%s_store | toDateTime(captured_at) + toIntervalDay(%d)", table, days))
		}
		return all
	}
	for _, step := range []struct {
		name      string
		retention schema.Retention
		want      []string
	}{
		{"none", nil, nil},
		{"contents", schema.Retention{"contents": 30}, contents(30)},
		{"left alone", nil, contents(30)},
		{"changed", schema.Retention{"contents": 31, "problems": 7}, append(contents(31), "problems_store | toDateTime(time) + toIntervalDay(7)")},
		{"taken away", schema.Retention{}, nil},
	} {
		if err := s.Migrate(t.Context(), MigrateOptions{Retention: step.retention}); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := ttl(); !slices.Equal(got, step.want) {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
	if err := s.Migrate(t.Context(), MigrateOptions{Retention: schema.Retention{"mesages": 1}}); err == nil {
		t.Error("an unknown table was accepted")
	}
}

func TestEverythingHasComments(t *testing.T) {
	s := archive(t)
	if got := query(t, s, "SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = ''"); got != nil {
		t.Errorf("tables without a comment: %q", got)
	}
	if got := query(t, s, "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''"); got != nil {
		t.Errorf("columns without a comment: %q", got)
	}
	if got := query(t, s, "SELECT count() > 300 FROM system.columns WHERE database = currentDatabase()"); got[0] != "1" {
		t.Error("few columns")
	}
}

// The Go types are generated from the migrations' text; here the engine says
// what it made of it.
func TestRowsFitTheTables(t *testing.T) {
	s := archive(t)
	var b schema.Batch
	for _, c := range b.All() {
		var want []string
		for _, col := range c.Columns() {
			want = append(want, col.Name)
		}
		got := query(t, s, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '"+c.Table()+"' AND default_kind = '' ORDER BY position")
		if !slices.Equal(got, want) {
			t.Errorf("%s: columns %q, want %q", c.Table(), got, want)
		}
	}
}

func TestPartitionsOfDays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	openAs := func(f schema.Form) *Store {
		s, err := Open(Options{Target: dir, Form: f, Engine: engineOptions})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := openAs(schema.Form{Partition: schema.Day})
	t.Cleanup(func() {
		if err := engine.Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context(), MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	insert(t, s, func(b *schema.Batch) {
		for i := range 3 {
			b.Messages.Append(&schema.Message{APDU: [16]byte{byte(i)}, OriginTime: time.Date(2024, 2, 28+i, 1, 0, 0, 0, time.UTC).UnixNano()})
		}
	})
	if got := query(t, s, "SELECT partition FROM system.parts WHERE active AND table = 'messages_store' ORDER BY 1"); !slices.Equal(got, []string{"20240228", "20240229", "20240301"}) {
		t.Errorf("partitions %q", got)
	}
	if err := openAs(schema.Form{}).Migrate(t.Context(), MigrateOptions{}); err != nil {
		t.Errorf("without -partition: %v", err)
	}
	if err := openAs(schema.Form{Partition: schema.Month}).Migrate(t.Context(), MigrateOptions{}); err == nil || !strings.Contains(err.Error(), "partitions of a day") {
		t.Errorf("with partitions of a month: %v", err)
	}
	if _, err := Open(Options{Target: dir, Form: schema.Form{Cluster: "x400"}}); err == nil || !strings.Contains(err.Error(), "-cluster x400 goes with a server") {
		t.Errorf("a directory as a cluster: %v", err)
	}
}
