package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/engine"
	"x400flow/pipeline/store"
)

func TestMain(m *testing.M) {
	engine.Main()
	if os.Getenv(asIngest) != "" {
		main()
		return
	}
	if os.Getenv(asPeer) != "" {
		if err := bePeer(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const (
	// killPoints is how often each victim is killed.
	killPoints = 10
	// messages is how many are sent; hops make more of them.
	messages = 400
	// block is how many rows ingest inserts at a time: some forty blocks in
	// all, each of all tables.
	block = "200"
)

// TestKill kills ingest, the engine, or both, at random points of an archiving,
// starts again what died, and compares the archive with an undisturbed one.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes a minute")
	}
	bin := build(t)
	capture := filepath.Join(t.TempDir(), "traffic.pcap")
	writeTraffic(t, capture, messages)
	empty := template(t, bin)
	calm := newArchive(t, bin, capture, empty)
	if out, err := calm.command().CombinedOutput(); err != nil {
		t.Fatalf("undisturbed: %v\n%s", err, out)
	}
	want, all := calm.digests(t), calm.messages(t)
	if all < messages {
		t.Fatalf("%d messages archived undisturbed", all)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d; %d messages", seed, all)
	for i, victim := range []string{"ingest", "engine", "both"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel() // Much of the time goes by in starting processes.
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			struck := 0
			// A kill that comes after 95% of the rows proves nothing, so it does
			// not count.
			for try := 0; struck < killPoints && try < 5*killPoints; try++ {
				if at := 0.05 + 0.85*rng.Float64(); killAt(t, bin, capture, empty, victim, at, all, want) {
					struck++
				}
			}
			if struck < killPoints {
				t.Errorf("only %d of %d kills struck work in flight", struck, killPoints)
			}
		})
	}
}

// killAt kills the victim when the given part of the messages is archived. It
// reports whether that struck between 5% and 95% of them.
func killAt(t *testing.T, bin, capture, empty, victim string, at float64, all uint64, want map[string]string) bool {
	t.Helper()
	a := newArchive(t, bin, capture, empty)
	cmd := a.command()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	seen := uint64(0)
	var err error
	over := false
	for seen < uint64(at*float64(all)) && !over {
		select {
		case err = <-exited:
			over = true
		case <-time.After(5 * time.Millisecond):
			seen = a.messagesNow(t)
		}
	}
	if !over {
		if victim != "ingest" {
			state, err := engine.Status(a.dir)
			if err != nil || !state.Running {
				t.Fatalf("no engine to kill: %+v, %v", state, err)
			}
			if err := syscall.Kill(state.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		if victim != "engine" {
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
		err = <-exited
	}
	struck := !over && seen >= all/20 && seen <= all*95/100
	if victim == "engine" || over {
		if err != nil {
			t.Fatalf("ingest did not survive: %v\n%s", err, &out)
		}
	} else {
		if left := a.messages(t); left > all*95/100 {
			struck = false
		}
		if out, err := a.command().CombinedOutput(); err != nil {
			t.Fatalf("started again: %v\n%s", err, out)
		}
	}
	if got := a.digests(t); !reflect.DeepEqual(got, want) {
		for table := range want {
			if got[table] != want[table] {
				t.Errorf("killed %s at %.0f%%: %s is %s, want %s", victim, 100*at, table, got[table], want[table])
			}
		}
	}
	if err := engine.Stop(context.Background(), a.dir); err != nil {
		t.Error(err)
	}
	return struck
}

// build builds ingest.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "ingest")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return bin
}

func writeTraffic(t *testing.T, name string, messages int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := generate.DefaultOptions()
	o.Messages = messages
	o.LossRate = 0.001
	o.DisorderRate = 0.01
	if _, err := generate.Run(o, generate.Output{Capture: f}); err != nil {
		t.Fatal(err)
	}
}

// archive is an archive that a capture is archived into.
type archive struct {
	dir, bin, capture string
	store             *store.Store
}

// template makes an archive that has the tables and nothing in them. Copies of
// it start faster than tables are made.
func template(t *testing.T, bin string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "empty")
	st, err := store.Open(store.Options{Target: dir, Engine: engine.Options{Executable: bin}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(st.Migrate(t.Context(), store.MigrateOptions{}), st.Close(), engine.Stop(context.Background(), dir))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func newArchive(t *testing.T, bin, capture, empty string) *archive {
	t.Helper()
	a := &archive{dir: filepath.Join(t.TempDir(), "archive"), bin: bin, capture: capture}
	// With links as they are: ClickHouse's own lead to its own folders.
	if out, err := exec.Command("cp", "-a", empty, a.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	st, err := store.Open(store.Options{Target: a.dir, ReadOnly: true, Engine: engine.Options{Executable: bin}})
	if err != nil {
		t.Fatal(err)
	}
	a.store = st
	t.Cleanup(func() {
		st.Close()
		if err := engine.Stop(context.Background(), a.dir); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *archive) command() *exec.Cmd {
	return exec.Command(a.bin, "-r", a.capture, "-store", a.dir, "-sensor", "test", "-block", block)
}

// messages counts the messages in the archive.
func (a *archive) messages(t *testing.T) (n uint64) {
	t.Helper()
	// After a kill, connections to the old engine break before new ones are made.
	var err error
	for range 10 {
		if err = a.store.Conn().QueryRow(t.Context(), "SELECT count() FROM messages").Scan(&n); err == nil {
			return n
		}
	}
	t.Fatal(err)
	return 0
}

// messagesNow counts them while the archive comes to be, 0 until it is there.
func (a *archive) messagesNow(t *testing.T) (n uint64) {
	if state, err := engine.Status(a.dir); err != nil || !state.Running {
		return 0
	}
	// Cheaper than counting what is shown; in a first run nothing is twice.
	if err := a.store.Conn().QueryRow(t.Context(),
		"SELECT sum(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'messages_store' AND active").Scan(&n); err != nil {
		return 0
	}
	return n
}

// digests returns for each table the number of its rows and a digest of all
// columns but the time of reading.
func (a *archive) digests(t *testing.T) map[string]string {
	t.Helper()
	digests := make(map[string]string)
	for _, table := range []string{
		"associations", "messages", "recipients", "trace", "extensions", "bilateral", "contents", "problems", "coverage", "captures",
	} {
		var rows, digest uint64
		columns := "*"
		if table == "captures" {
			columns = "* EXCEPT read_at"
		}
		sql := fmt.Sprintf("SELECT count(), groupBitXor(cityHash64(toString(tuple(%s)))) FROM %s", columns, table)
		if err := a.store.Conn().QueryRow(t.Context(), sql).Scan(&rows, &digest); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		digests[table] = fmt.Sprintf("%d rows, digest %016x", rows, digest)
	}
	return digests
}
