package engine_test

import (
	"strings"
	"testing"
	"time"

	"x400flow/engine"
)

// What a schema needs is allowed, and the settings of the engine hold.
func TestWhatIsAllowed(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	o := small
	o.Fsync = true
	o.MaxMemory = 1 << 30
	o.Threads = 3
	c := openWith(t, dir, o, nil, nil)
	for _, sql := range []string{
		"CREATE DATABASE IF NOT EXISTS other COMMENT 'x'",
		"CREATE TABLE s (id FixedString(32), v UInt64 COMMENT 'v', at DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(3)), l LowCardinality(String), INDEX i l TYPE bloom_filter GRANULARITY 1, PROJECTION p (SELECT l, count() GROUP BY l)) ENGINE = ReplacingMergeTree(v) PARTITION BY toYYYYMM(at) ORDER BY id TTL toDateTime(at) + INTERVAL 10 YEAR SETTINGS index_granularity = 1024, deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild' COMMENT 'c'",
		"CREATE VIEW v AS SELECT * FROM s FINAL",
		"CREATE OR REPLACE VIEW v AS SELECT id FROM s FINAL",
		"CREATE VIEW pv AS SELECT * FROM s WHERE v = {n:UInt64}",
		"CREATE TABLE agg (l String, n AggregateFunction(uniq, String), m SimpleAggregateFunction(max, UInt64)) ENGINE = AggregatingMergeTree ORDER BY l",
		"CREATE MATERIALIZED VIEW mv TO agg AS SELECT l, uniqState(toString(id)) AS n, max(v) AS m FROM s GROUP BY l",
		"CREATE DICTIONARY d (k UInt64, n String) PRIMARY KEY k SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(0)",
		"CREATE FUNCTION double AS x -> x * 2",
		"CREATE TEMPORARY TABLE tmp (a UInt8)",
		"INSERT INTO s SELECT toString(number), number, now64(9), 'l' FROM numbers(10)",
		"INSERT INTO s SELECT toString(number), number + 1, now64(9), 'l' FROM numbers(10)",
		"SELECT double(3), uniqMerge(n) FROM agg",
		"SELECT * FROM pv(n = 3)",
		"SELECT dictGetOrDefault('d', 'n', 1, 'x')",
		"OPTIMIZE TABLE s FINAL",
		"ALTER TABLE s ADD COLUMN w String DEFAULT 'w' COMMENT 'w' AFTER v",
		"ALTER TABLE s MODIFY COMMENT 'new'",
		"ALTER TABLE s UPDATE w = 'u' WHERE v = 3 SETTINGS mutations_sync = 2",
		"ALTER TABLE s MATERIALIZE INDEX i SETTINGS mutations_sync = 2",
		"DELETE FROM s WHERE v = 5",
		"RENAME TABLE s TO s2",
		"EXCHANGE TABLES s2 AND agg",
		"EXCHANGE TABLES s2 AND agg",
		"CHECK TABLE s2",
		"SELECT * FROM merge('default', '^s')",
		"SELECT * FROM system.parts",
		"SELECT * FROM system.tables FORMAT Null",
		"SELECT * FROM system.columns FORMAT Null",
		"SELECT * FROM generateRandom('a UInt8') LIMIT 1",
		"SELECT * FROM values('a UInt8', 1, 2)",
		"SHOW CREATE TABLE v",
		"EXPLAIN PIPELINE SELECT * FROM s2",
		"SYSTEM STOP MERGES",
		"SYSTEM START MERGES",
		"SYSTEM RELOAD DICTIONARIES",
		"DROP TABLE s2 SYNC",
		"DROP DATABASE other",
	} {
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	h := client(t, dir)
	for sql, want := range map[string]string{
		"SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'":                           "1\n",
		"SELECT value FROM system.merge_tree_settings WHERE name = 'max_cleanup_delay_period'":                     "2\n",
		"SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'":                          "1073741824\n",
		"SELECT getSetting('max_threads')":                                                                         "3\n",
		"SELECT getSetting('query_profiler_cpu_time_period_ns'), getSetting('query_profiler_real_time_period_ns')": "0\t0\n",
	} {
		if a := do(t, h, "POST", "http://engine/", sql); a.body != want {
			t.Errorf("%s: got %q, want %q", sql, a.body, want)
		}
	}
	// The memory cap holds, and the engine lives on.
	a := do(t, h, "POST", "http://engine/", "SELECT length(groupArray(repeat('x', 1000) || toString(number))) FROM numbers(10000000)")
	if !strings.Contains(a.body, "MEMORY_LIMIT_EXCEEDED") {
		t.Errorf("status %d: %.300s", a.status, a.body)
	}
	mustExec(t, c, "SELECT 1")
}

// With Fsync a merge reaches the disk, since what it merged is deleted.
func TestMergesReachTheDisk(t *testing.T) {
	t.Parallel()
	for _, fsync := range []bool{false, true} {
		o := small
		o.Fsync = fsync
		c := openWith(t, archive(t), o, nil, nil)
		mustExec(t, c, "CREATE TABLE s (id UInt64, text String) ENGINE = MergeTree ORDER BY id")
		for range 2 {
			mustExec(t, c, "INSERT INTO s SELECT number, toString(number) FROM numbers(1000)")
		}
		const synced = "SELECT toUInt64(sum(value)) FROM system.events WHERE event = 'FileSync'"
		before := count(t, c, synced)
		mustExec(t, c, "OPTIMIZE TABLE s FINAL")
		if n := count(t, c, "SELECT count() FROM system.parts WHERE table = 's' AND active"); n != 1 {
			t.Fatalf("%d parts after a merge", n)
		}
		if n := count(t, c, synced) - before; (n > 0) != fsync {
			t.Errorf("Fsync %v: a merge reached the disk with %d files", fsync, n)
		}
	}
}

// Deep nesting is refused, not a crash: libchdb measures its stack.
func TestDeepQueries(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	h := client(t, dir)
	for _, sql := range []string{
		"SELECT " + strings.Repeat("(", 50000) + "1" + strings.Repeat(")", 50000),
		"SELECT " + strings.Repeat("[", 50000) + "1" + strings.Repeat("]", 50000),
		"SELECT " + strings.Repeat("not ", 50000) + "1",
		"SELECT 1" + strings.Repeat(" + 1", 50000),
		strings.Repeat("SELECT * FROM (", 5000) + "SELECT 1" + strings.Repeat(")", 5000),
		"SELECT " + strings.Repeat("abs(", 900) + "1" + strings.Repeat(")", 900),
	} {
		for _, settings := range []string{"", "&max_parser_depth=1000000&max_query_size=10000000&max_ast_depth=1000000&max_ast_elements=10000000&max_expanded_ast_elements=10000000"} {
			a := do(t, h, "POST", "http://engine/?max_execution_time=20"+settings, sql)
			if settings != "" && a.status != 500 || a.status != 200 && a.header.Get("X-ClickHouse-Exception-Code") == "" {
				t.Errorf("%.30s: status %d: %.200s", sql, a.status, a.body)
			}
		}
	}
	first := pid(t, dir)
	if a := do(t, h, "POST", "http://engine/", "SELECT 1"); a.body != "1\n" || pid(t, dir) != first {
		t.Errorf("the engine died: %v", a)
	}
}

// BenchmarkInsert measures batches of rows through the driver.
func BenchmarkInsert(b *testing.B) {
	dir := archive(b)
	c := open(b, dir, nil)
	mustExec(b, c, rowsTable)
	const rows = 20000
	b.SetBytes(rows * (3*4 + 9))
	n := uint32(0)
	for b.Loop() {
		if err := rowsOf(b.Context(), c, 1, n, rows); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkStart measures how long a query takes whose engine is not there yet.
func BenchmarkStart(b *testing.B) {
	dir := archive(b)
	for b.Loop() {
		c := open(b, dir, nil)
		mustExec(b, c, "SELECT 1")
		c.Close()
		if err := engine.Stop(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQuery measures a small query.
func BenchmarkQuery(b *testing.B) {
	c := open(b, archive(b), nil)
	var v uint8
	began := time.Now()
	for b.Loop() {
		if err := c.QueryRow(b.Context(), "SELECT 1").Scan(&v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "queries/s")
}
