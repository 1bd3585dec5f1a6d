// Package cmdtest is for tests that run the project's commands: it builds them,
// makes captures for them and compares the archives that they write.
package cmdtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/engine"
	"x400flow/pipeline/store"
)

// Main is the TestMain of a package whose tests use Build, Command or Empty: it
// removes what they made. The test's executable can be an engine.
func Main(m *testing.M) {
	engine.Main()
	code := m.Run()
	made.Lock()
	defer made.Unlock()
	if made.dir != "" {
		if err := os.RemoveAll(made.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// made is what all tests of a package share.
var made struct {
	sync.Mutex
	dir   string
	built map[string]bool
	empty string
}

// folder is where that lies. made must be locked.
func folder(tb testing.TB) string {
	tb.Helper()
	if made.dir == "" {
		dir, err := os.MkdirTemp("", "x400flow-cmdtest-")
		if err != nil {
			tb.Fatal(err)
		}
		made.dir, made.built = dir, map[string]bool{}
	}
	return made.dir
}

// Build builds commands, each once in a package's tests, and returns the folder
// that they are in.
func Build(tb testing.TB, names ...string) string {
	tb.Helper()
	made.Lock()
	defer made.Unlock()
	dir := filepath.Join(folder(tb), "bin")
	args := []string{"build", "-o", dir + "/"}
	for _, name := range names {
		if !made.built[name] {
			args = append(args, "x400flow/cmd/"+name)
		}
	}
	if len(args) == 3 {
		return dir
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, name := range names {
		made.built[name] = true
	}
	return dir
}

// Command is a command, built, with arguments.
func Command(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	return exec.Command(filepath.Join(Build(tb, name), name), args...)
}

// Traffic is a generated capture, with what set changes of the generator's default
// options.
func Traffic(tb testing.TB, set func(*generate.Options)) []byte {
	tb.Helper()
	o := generate.DefaultOptions()
	set(&o)
	var b bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &b}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// WriteTraffic writes such a capture to a file.
func WriteTraffic(tb testing.TB, name string, set func(*generate.Options)) {
	tb.Helper()
	if err := os.WriteFile(name, Traffic(tb, set), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// Damaged are options for messages in traffic of which some segments are lost and
// some are out of order.
func Damaged(messages int) func(*generate.Options) {
	return func(o *generate.Options) { o.Messages, o.LossRate, o.DisorderRate = messages, 0.001, 0.01 }
}

// Empty is an archive that has its tables and nothing in them, made once in a
// package's tests. No engine may be started on it: NewArchive copies it.
func Empty(tb testing.TB) string {
	tb.Helper()
	made.Lock()
	defer made.Unlock()
	if made.empty != "" {
		return made.empty
	}
	dir := filepath.Join(folder(tb), "empty")
	st, err := store.Open(store.Options{Target: dir})
	if err != nil {
		tb.Fatal(err)
	}
	err = errors.Join(st.Migrate(tb.Context(), store.MigrateOptions{}), st.Close(), engine.Stop(context.Background(), dir))
	if err != nil {
		tb.Fatal(err)
	}
	made.empty = dir
	return dir
}

// Archive is an archive that a command writes and the test reads. The package's
// TestMain must call Main, or engine.Main.
type Archive struct {
	Dir   string
	Store *store.Store
}

// NewArchive makes a copy of an archive on which there is no engine; where from is
// empty, the archive is a folder that is still to be made. Its engine is stopped
// when the test ends.
func NewArchive(tb testing.TB, from string) *Archive {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "archive")
	if from != "" {
		Copy(tb, from, dir)
	}
	return OpenArchive(tb, dir)
}

// Copy copies an archive on which there is no engine.
func Copy(tb testing.TB, from, to string) {
	tb.Helper()
	// With links as they are: ClickHouse's own lead to its own folders.
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
}

// OpenArchive opens an archive where it is. Its engine is stopped when the test
// ends.
func OpenArchive(tb testing.TB, dir string) *Archive {
	tb.Helper()
	st, err := store.Open(store.Options{Target: dir, ReadOnly: true})
	if err != nil {
		tb.Fatal(err)
	}
	a := &Archive{dir, st}
	StopAtEnd(tb, dir)
	tb.Cleanup(func() { st.Close() })
	return a
}

// StopAtEnd stops the engine of an archive when the test ends.
func StopAtEnd(tb testing.TB, dir string) {
	tb.Cleanup(func() { Stop(tb, dir) })
}

// Stop stops the engine of an archive, if there is one.
func Stop(tb testing.TB, dir string) {
	tb.Helper()
	if err := engine.Stop(context.Background(), dir); err != nil {
		tb.Error(err)
	}
}

// Number asks the archive for a number.
func (a *Archive) Number(tb testing.TB, sql string) (n uint64) {
	tb.Helper()
	// Where an engine was killed, connections to it break before new ones are made.
	var err error
	for range 10 {
		if err = a.Store.Conn().QueryRow(tb.Context(), sql).Scan(&n); err == nil {
			return n
		}
	}
	tb.Fatalf("%s: %v", sql, err)
	return 0
}

// Await asks the archive for a number, until that is as wanted.
func (a *Archive) Await(tb testing.TB, sql string, want uint64) {
	tb.Helper()
	var n uint64
	var err error
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if err = a.Store.Conn().QueryRow(tb.Context(), sql).Scan(&n); err == nil && n == want {
			return
		}
	}
	tb.Fatalf("%s: %d, want %d; %v", sql, n, want, err)
}

// Arrived is how many rows of messages were inserted, 0 until there is an engine.
// It is cheaper than counting what is shown, and counts twice what is read twice.
func (a *Archive) Arrived(tb testing.TB) (n uint64) {
	tb.Helper()
	if state, err := engine.Status(a.Dir); err != nil || !state.Running {
		return 0
	}
	if err := a.Store.Conn().QueryRow(tb.Context(),
		"SELECT sum(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'messages_store' AND active").Scan(&n); err != nil {
		return 0
	}
	return n
}

// Digests returns for each table that an archive shows the number of its rows and
// a digest of their columns, but those that but names of the table, separated by
// commas; a table of which it names * is left out. So are, always, the time at
// which a capture was read, and what decoders note for themselves (progress).
func (a *Archive) Digests(tb testing.TB, but map[string]string) map[string]string {
	tb.Helper()
	digests := make(map[string]string)
	for _, table := range a.tables(tb) {
		left := but[table]
		switch {
		case left == "*" || table == "progress":
			continue
		case table == "captures" && left == "":
			left = "read_at"
		case table == "captures":
			left += ", read_at"
		}
		columns := "*"
		if left != "" {
			columns = "* EXCEPT (" + left + ")"
		}
		var rows, digest uint64
		sql := fmt.Sprintf("SELECT count(), groupBitXor(cityHash64(toString(tuple(%s)))) FROM %s", columns, table)
		if err := a.Store.Conn().QueryRow(tb.Context(), sql).Scan(&rows, &digest); err != nil {
			tb.Fatalf("%s: %v", table, err)
		}
		digests[table] = fmt.Sprintf("%d rows, digest %016x", rows, digest)
	}
	return digests
}

// tables are the names under which an archive shows its tables.
func (a *Archive) tables(tb testing.TB) (names []string) {
	tb.Helper()
	rows, err := a.Store.Conn().Query(tb.Context(), `SELECT name FROM system.tables
		WHERE database = currentDatabase() AND concat(name, '_store') IN (SELECT name FROM system.tables WHERE database = currentDatabase())`)
	if err != nil {
		tb.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			tb.Fatal(err)
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		tb.Fatal(err)
	}
	return names
}

// Same fails the test where digests are not as wanted, or where there is nothing to
// compare.
func Same(tb testing.TB, what string, got, want map[string]string) {
	tb.Helper()
	if rows := want["messages"]; rows == "" || strings.HasPrefix(rows, "0 ") {
		tb.Errorf("%s: no messages: this proves nothing", what)
	}
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if got[table] != want[table] {
			tb.Errorf("%s: %s has %s, want %s", what, table, got[table], want[table])
		}
	}
	for table := range got {
		if want[table] == "" {
			tb.Errorf("%s: %s is not in what was wanted", what, table)
		}
	}
}
