package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"x400flow/engine"
)

// The disk is full, several times, while rows are inserted and merged: what was
// acknowledged is there afterwards, read from the disk anew, and queries are
// answered all the while.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("a small disk takes root to make: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	dir := filepath.Join(disk, "archive")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, dir)
	c := open(t, dir, nil)
	mustExec(t, c, rowsTable)
	const writers, rows, times = 3, 1000, 5
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var acked, refused atomic.Uint32
	var there [writers]map[uint32]bool
	var wg sync.WaitGroup
	for w := range writers {
		there[w] = map[uint32]bool{}
		wg.Go(func() {
			c := open(t, dir, nil)
			for b := uint32(0); ctx.Err() == nil; b++ {
				if err := rowsOf(t.Context(), c, uint32(w), b, rows); err != nil {
					refused.Add(1)
				} else {
					there[w][b] = true
					acked.Add(1)
				}
			}
		})
	}
	for range times {
		before := acked.Load()
		waitFor(t, "inserts going on", time.Minute, func() bool { return acked.Load() > before+20 })
		failed := refused.Load()
		balloon := filepath.Join(disk, "balloon")
		f, err := os.Create(balloon)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 256<<10)
		waitFor(t, "inserts refused", time.Minute, func() bool {
			for {
				if _, err := f.Write(block); err != nil {
					return refused.Load() > failed+10
				}
			}
		})
		// With a little room the engine answers queries, and refuses rows.
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(info.Size() - 10<<20); err != nil {
			t.Fatal(err)
		}
		var n uint64
		waitFor(t, "a query's answer", time.Minute, func() bool {
			return c.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n) == nil && n > 0
		})
		if err := rowsOf(t.Context(), c, 99, 0, 1); err == nil || !strings.Contains(err.Error(), "nothing is written until there are 24 MiB") {
			t.Errorf("an insert on a full disk: %v", err)
		}
		if err := errors.Join(f.Close(), os.Remove(balloon)); err != nil {
			t.Fatal(err)
		}
	}
	before := acked.Load()
	waitFor(t, "inserts after the last time", time.Minute, func() bool { return acked.Load() > before+20 })
	cancel()
	wg.Wait()
	// The next engine reads everything from the disk.
	if err := engine.Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	rs, err := c.Query(t.Context(), "SELECT w, b, count(), uniqExact(r), uniqExact(s) FROM t GROUP BY w, b")
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for rs.Next() {
		var w, b uint32
		var n, u, s uint64
		if err := rs.Scan(&w, &b, &n, &u, &s); err != nil {
			t.Fatal(err)
		}
		if n != rows || u != rows || s != rows {
			t.Errorf("writer %d, batch %d: %d rows, %d and %d distinct", w, b, n, u, s)
		}
		if there[w][b] {
			delete(there[w], b)
			got++
		}
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	for w := range there {
		if n := len(there[w]); n > 0 {
			t.Errorf("writer %d: %d batches were acknowledged and are not there", w, n)
		}
	}
	t.Logf("%d batches acknowledged and there, %d refused", got, refused.Load())
}
