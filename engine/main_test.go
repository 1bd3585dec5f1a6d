package engine_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"x400flow/cmd/cmdtest"
	"x400flow/engine"
)

func TestMain(m *testing.M) {
	runConfigured()
	engine.Main()
	if _, err := engine.Library(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cmdtest.Main(m)
}

// archive makes a directory whose engine is stopped when the test ends.
func archive(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	stopAtEnd(t, dir)
	return dir
}

func stopAtEnd(t testing.TB, dir string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := engine.Stop(ctx, dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			if b, err := os.ReadFile(dir + "/engine.log"); err == nil {
				t.Logf("engine.log:\n%s", b)
			}
		}
	})
}

// small keeps what the tests start light.
var small = engine.Options{MaxMemory: 2 << 30, Threads: 2}

func open(t testing.TB, dir string, settings clickhouse.Settings) driver.Conn {
	t.Helper()
	return openWith(t, dir, small, settings, nil)
}

func openWith(t testing.TB, dir string, o engine.Options, settings clickhouse.Settings, compression *clickhouse.Compression) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{"engine:8123"},
		DialContext: engine.Dialer(dir, o),
		Settings:    settings,
		Compression: compression,
		ReadTimeout: 60 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// client speaks plain HTTP over the socket.
func client(t testing.TB, dir string) *http.Client {
	t.Helper()
	dial := engine.Dialer(dir, small)
	tr := &http.Transport{
		DialContext:        func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) },
		DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func mustExec(t testing.TB, c driver.Conn, sql string, args ...any) {
	t.Helper()
	if err := c.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func count(t testing.TB, c driver.Conn, sql string) uint64 {
	t.Helper()
	var n uint64
	if err := c.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}
