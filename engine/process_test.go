package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"x400flow/engine"
)

func pid(t testing.TB, dir string) int {
	t.Helper()
	s, err := engine.Status(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Running || s.PID <= 1 {
		t.Fatalf("no engine holds %s: %+v", dir, s)
	}
	return s.PID
}

// waitFor polls a condition that another process brings about.
func waitFor(t testing.TB, what string, most time.Duration, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(most); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, most)
		}
	}
}

func gone(dir string) func() bool {
	return func() bool {
		s, err := engine.Status(dir)
		return err == nil && !s.Running
	}
}

// starterVariable makes the test binary dial an archive, as another program
// would, and tell the engine's process id.
const starterVariable = "ENGINE_TEST_DIAL"

func TestStarterProcess(t *testing.T) {
	dir := os.Getenv(starterVariable)
	if dir == "" {
		return // Only TestRace's children have work here.
	}
	conn, err := engine.Dialer(dir, small)(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /ping HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 512)
	n, err := conn.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.0 200") {
		t.Fatalf("%q, %v", b[:n], err)
	}
	fmt.Printf("engine=%d\n", pid(t, dir))
}

func TestRace(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	var wg sync.WaitGroup
	told := make([]string, 8)
	for i := range told {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestStarterProcess$", "-test.v")
			cmd.Env = append(os.Environ(), starterVariable+"="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("starter %d: %v\n%s", i, err, out)
			}
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "engine=") {
					told[i] = line
				}
			}
		})
	}
	wg.Wait()
	for i := range told {
		if told[i] == "" || told[i] != told[0] {
			t.Fatalf("the starters found %q", told)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "engine.log"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), " holds "); n != 1 {
		t.Errorf("%d engines held the archive:\n%s", n, log)
	}
}

func TestSocketMode(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	o := small
	o.Group = fmt.Sprint(os.Getgid())
	c, err := engine.Dialer(dir, o)(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	fi, err := os.Stat(filepath.Join(dir, "engine.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o660 {
		t.Errorf("the socket's mode is %v", fi.Mode())
	}
	// The engine leads a session of its own.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid(t, dir)))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	if f[3] != fmt.Sprint(pid(t, dir)) {
		t.Errorf("session %s, process %d", f[3], pid(t, dir))
	}
}

func TestIdleExit(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	o := small
	o.Idle = 200 * time.Millisecond
	c := openWith(t, dir, o, nil, nil)
	mustExec(t, c, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	mustExec(t, c, "INSERT INTO t VALUES (1)")
	// The driver's pooled connection is a presence.
	first := pid(t, dir)
	time.Sleep(3 * o.Idle)
	if pid(t, dir) != first {
		t.Error("the engine left with a connection open")
	}
	c.Close()
	waitFor(t, "idle exit", 20*time.Second, gone(dir))
	if _, err := os.Stat(filepath.Join(dir, "engine.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	c = openWith(t, dir, o, nil, nil)
	if n := count(t, c, "SELECT count() FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if pid(t, dir) == first {
		t.Error("the same process")
	}
}

// Clients that come just when the engine wants to leave are served.
func TestIdleExitAgainstDials(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	o := small
	o.Idle = 60 * time.Millisecond
	c := openWith(t, dir, o, nil, nil)
	mustExec(t, c, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	c.Close()
	for i := range 25 {
		time.Sleep(time.Duration(50+2*i) * time.Millisecond)
		c := openWith(t, dir, o, nil, nil)
		mustExec(t, c, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		c.Close()
	}
	c = openWith(t, dir, o, nil, nil)
	if n := count(t, c, "SELECT uniqExact(a) FROM t"); n != 25 {
		t.Errorf("%d rows, want 25", n)
	}
}

// rowsOf sends one batch of n rows, whose key is (writer, batch, row).
func rowsOf(ctx context.Context, c driver.Conn, writer, batch uint32, n int) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes([]clickhouse.ColumnNameAndType{
		{Name: "w", Type: "UInt32"}, {Name: "b", Type: "UInt32"}, {Name: "r", Type: "UInt32"}, {Name: "s", Type: "String"},
	}))
	b, err := c.PrepareBatch(ctx, "INSERT INTO t (w, b, r, s)")
	if err != nil {
		return err
	}
	w, bb, r, s := make([]uint32, n), make([]uint32, n), make([]uint32, n), make([]string, n)
	for i := range n {
		w[i], bb[i], r[i] = writer, batch, uint32(i)
		s[i] = string(binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15))
	}
	for i, col := range []any{w, bb, r, s} {
		if err := b.Column(i).Append(col); err != nil {
			return err
		}
	}
	return b.Send()
}

const rowsTable = "CREATE TABLE IF NOT EXISTS t (w UInt32, b UInt32, r UInt32, s String) ENGINE = MergeTree ORDER BY (w, b, r)"

func TestConcurrentInsertsAndQueries(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := open(t, dir, nil)
	mustExec(t, c, rowsTable)
	const writers, batches, rows = 4, 10, 2000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			c := open(t, dir, nil)
			for b := range batches {
				if err := rowsOf(t.Context(), c, uint32(w), uint32(b), rows); err != nil {
					t.Errorf("writer %d, batch %d: %v", w, b, err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			c := open(t, dir, clickhouse.Settings{"readonly": 2})
			for {
				select {
				case <-stop:
					return
				default:
				}
				var n, partial uint64
				// A batch is there whole or not at all.
				if err := c.QueryRow(t.Context(), "SELECT count(), countIf(c != 2000) FROM (SELECT w, b, count() AS c FROM t GROUP BY w, b)").Scan(&n, &partial); err != nil {
					t.Errorf("reader: %v", err)
					return
				}
				if partial != 0 {
					t.Errorf("%d of %d batches are partial", partial, n)
					return
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	if n := count(t, c, "SELECT count() FROM t"); n != writers*batches*rows {
		t.Errorf("%d rows, want %d", n, writers*batches*rows)
	}
}

// SIGKILL at any moment: what was acknowledged is there, once; what was not is
// there once or not at all, and whole.
func TestKillUnderInserts(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	o := small
	c := openWith(t, dir, o, nil, nil)
	mustExec(t, c, rowsTable)
	const writers, rows, kills = 3, 1000, 6
	ctx, cancel := context.WithCancel(t.Context())
	var acked [writers]atomic.Uint32
	lost := [writers]map[uint32]bool{}
	var wg sync.WaitGroup
	for w := range writers {
		lost[w] = map[uint32]bool{}
		wg.Go(func() {
			c := openWith(t, dir, o, nil, nil)
			for b := uint32(0); ctx.Err() == nil; b++ {
				// A batch whose fate is unknown is not sent again: its absence and its
				// presence must both be whole.
				if err := rowsOf(t.Context(), c, uint32(w), b, rows); err != nil {
					lost[w][b] = true
				} else {
					acked[w].Add(1)
				}
			}
		})
	}
	killed := 0
	for i := range kills {
		before := acked[0].Load() + acked[1].Load() + acked[2].Load()
		waitFor(t, "inserts going on", 30*time.Second, func() bool {
			return acked[0].Load()+acked[1].Load()+acked[2].Load() > before+uint32(5+3*i)
		})
		if s, err := engine.Status(dir); err == nil && s.Running && s.PID > 1 {
			if err := syscall.Kill(s.PID, syscall.SIGKILL); err == nil {
				killed++
			}
		}
	}
	before := acked[0].Load() + acked[1].Load() + acked[2].Load()
	waitFor(t, "inserts after the last kill", 30*time.Second, func() bool {
		return acked[0].Load()+acked[1].Load()+acked[2].Load() > before+10
	})
	cancel()
	wg.Wait()
	if killed < kills/2 {
		t.Errorf("%d kills of %d met an engine", killed, kills)
	}
	got := map[[2]uint32][2]uint64{}
	rs, err := c.Query(t.Context(), "SELECT w, b, count(), uniqExact(r) FROM t GROUP BY w, b")
	if err != nil {
		t.Fatal(err)
	}
	for rs.Next() {
		var w, b uint32
		var n, u uint64
		if err := rs.Scan(&w, &b, &n, &u); err != nil {
			t.Fatal(err)
		}
		got[[2]uint32{w, b}] = [2]uint64{n, u}
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	total, unknown := 0, 0
	for w := range writers {
		for b := range acked[w].Load() + uint32(len(lost[w])) {
			n, there := got[[2]uint32{uint32(w), b}]
			delete(got, [2]uint32{uint32(w), b})
			switch {
			case there && n == [2]uint64{rows, rows}:
				total++
			case !there && lost[w][b]:
				unknown++
			default:
				t.Errorf("writer %d, batch %d (acknowledged: %v): %v rows, distinct", w, b, !lost[w][b], n)
			}
		}
	}
	if len(got) != 0 {
		t.Errorf("rows nobody wrote: %v", got)
	}
	t.Logf("%d batches there, %d lost without acknowledgement, %d kills", total, unknown, killed)
}

// SIGTERM: running inserts are finished and acknowledged, the next client gets a
// new engine.
func TestTerminate(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := open(t, dir, nil)
	mustExec(t, c, rowsTable)
	first := pid(t, dir)
	// The insert waits within the engine while its rows are computed.
	done := make(chan error, 1)
	go func() {
		done <- c.Exec(context.WithoutCancel(t.Context()), "INSERT INTO t SELECT 1, 1, number, toString(sleepEachRow(0.1)) FROM numbers(10) SETTINGS max_block_size = 1")
	}()
	waitFor(t, "the insert", 10*time.Second, func() bool {
		return count(t, c, "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO t SELECT%'") == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := engine.Stop(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the running insert: %v", err)
	}
	if err := syscall.Kill(first, 0); err == nil {
		// Its parent, this process, collects it in the background.
		waitFor(t, "the end of the process", 5*time.Second, func() bool { return syscall.Kill(first, 0) != nil })
	}
	if n := count(t, open(t, dir, nil), "SELECT count() FROM t"); n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
	log, err := os.ReadFile(filepath.Join(dir, "engine.log"))
	if err != nil || !strings.Contains(string(log), "leaving: terminated") || !strings.Contains(string(log), "closed") {
		t.Errorf("the log: %q, %v", log, err)
	}
	if err := engine.Stop(ctx, t.TempDir()); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
}

// A query that would run for ever does not keep an engine from leaving.
func TestTerminateUnderQuery(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := open(t, dir, nil)
	mustExec(t, c, "SELECT 1")
	done := make(chan error, 1)
	go func() {
		done <- c.Exec(context.WithoutCancel(t.Context()), "SELECT count() FROM numbers(1000000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_threads = 1")
	}()
	waitFor(t, "the query", 10*time.Second, func() bool {
		return count(t, c, "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'") == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := engine.Stop(ctx, dir); err != nil {
		t.Error(err)
	}
	var ex *clickhouse.Exception
	if err := <-done; !errors.As(err, &ex) || ex.Code != 394 {
		t.Errorf("the query: %v", err)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-deep-directory/", 12), "archive")
	stopAtEnd(t, dir)
	if len(dir) < 200 {
		t.Fatal("not long enough")
	}
	c := open(t, dir, nil)
	mustExec(t, c, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	mustExec(t, c, "INSERT INTO t VALUES (1)")
	if n := count(t, c, "SELECT count() FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestTwoArchives(t *testing.T) {
	t.Parallel()
	one, two := archive(t), archive(t)
	c1, c2 := open(t, one, nil), open(t, two, nil)
	mustExec(t, c1, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	mustExec(t, c2, "CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a")
	mustExec(t, c1, "INSERT INTO t VALUES (1), (2)")
	mustExec(t, c2, "INSERT INTO t VALUES ('x')")
	if a, b := count(t, c1, "SELECT count() FROM t"), count(t, c2, "SELECT count() FROM t"); a != 2 || b != 1 {
		t.Errorf("%d and %d rows, want 2 and 1", a, b)
	}
	if pid(t, one) == pid(t, two) {
		t.Error("one engine for both")
	}
}

// A start that cannot succeed says why, and is not tried for ever.
func TestNoLibrary(t *testing.T) {
	t.Setenv("CHDB_LIB_PATH", filepath.Join(t.TempDir(), "libchdb.so"))
	_, err := engine.Dialer(t.TempDir(), small)(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), os.Getenv("CHDB_LIB_PATH")) || !strings.Contains(err.Error(), "make libchdb") {
		t.Errorf("got %v", err)
	}
	// A file that is no library is found out by the engine itself.
	if err := os.WriteFile(os.Getenv("CHDB_LIB_PATH"), []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = engine.Dialer(t.TempDir(), small)(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "libchdb.so") {
		t.Errorf("got %v", err)
	}
	t.Setenv("CHDB_LIB_PATH", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err = engine.Library()
	if err == nil || !strings.Contains(err.Error(), os.Getenv("XDG_CACHE_HOME")) || !strings.Contains(err.Error(), "make libchdb") {
		t.Errorf("got %v", err)
	}
}

// A result of ten million rows passes through in pieces: neither the engine's Go
// side, which re-encodes it, nor libchdb gathers it.
func TestStreamTenMillion(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := open(t, dir, nil)
	const query = "SELECT number, repeat('x', 90) AS s FROM numbers("
	// That all rows arrive, in order, the driver can tell.
	rows, err := c.Query(t.Context(), query+"500000)")
	if err != nil {
		t.Fatal(err)
	}
	var n, v uint64
	var s string
	for ; rows.Next(); n++ {
		if err := rows.Scan(&v, &s); err != nil || v != n || len(s) != 90 {
			t.Fatalf("row %d: %d, %q, %v", n, v, s, err)
		}
	}
	if rows.Err() != nil || n != 500000 {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
	base := resident(t, pid(t, dir))
	res, err := client(t, dir).Post("http://engine/?default_format=Native&client_protocol_version=54460", "", strings.NewReader(query+"10000000)"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var size, peak uint64
	b := make([]byte, 8<<20)
	for {
		n, err := io.ReadFull(res.Body, b)
		size += uint64(n)
		peak = max(peak, resident(t, pid(t, dir)))
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// Eight octets of number, one of length, ninety of string; and block headers.
	if want := uint64(10000000 * 99); size < want || size > want+want/1000 {
		t.Errorf("%d octets, want %d and a little", size, want)
	}
	t.Logf("resident before %d MiB, at most %d MiB", base>>20, peak>>20)
	if peak > base+400<<20 {
		t.Errorf("resident memory grew from %d to %d MiB", base>>20, peak>>20)
	}
}

// resident reads a process's resident memory in bytes.
func resident(t testing.TB, pid int) uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, rss uint64
	if _, err := fmt.Sscan(string(b), &size, &rss); err != nil {
		t.Fatal(err)
	}
	return rss * uint64(os.Getpagesize())
}

// A socket that a dead engine left is no obstacle.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "engine.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	mustExec(t, open(t, dir, nil), "SELECT 1")
}
