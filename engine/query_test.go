package engine_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestSelectInsertErrors(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := open(t, dir, nil)
	v, err := c.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("server %s", v)
	mustExec(t, c, "CREATE TABLE t (a UInt32, s String, l LowCardinality(String)) ENGINE = MergeTree ORDER BY a")

	// Columns appended whole; the table's LowCardinality column comes as String.
	ctx := clickhouse.Context(t.Context(), clickhouse.WithColumnNamesAndTypes([]clickhouse.ColumnNameAndType{
		{Name: "a", Type: "UInt32"}, {Name: "s", Type: "String"}, {Name: "l", Type: "String"},
	}))
	b, err := c.PrepareBatch(ctx, "INSERT INTO t (a, s, l)")
	if err != nil {
		t.Fatal(err)
	}
	for i, col := range []any{[]uint32{1, 2, 3}, []string{"x", "", "it's \x00 \\"}, []string{"p", "p", "q"}} {
		if err := b.Column(i).Append(col); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Send(); err != nil {
		t.Fatal(err)
	}
	// Rows, with the types asked of the server.
	b, err = c.PrepareBatch(t.Context(), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Append(uint32(4), "four", "p"); err != nil {
		t.Fatal(err)
	}
	if err := b.Send(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "INSERT INTO t VALUES (5, 'fi''ve', 'q'), (6, concat('s', 'ix'), 'q');")
	mustExec(t, c, "INSERT INTO t SELECT 7, 'seven', 'p'")

	rows, err := c.Query(t.Context(), "SELECT a, s, l FROM t ORDER BY a")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var a uint32
		var s, l string
		if err := rows.Scan(&a, &s, &l); err != nil {
			t.Fatal(err)
		}
		got = append(got, s+"/"+l)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"x/p", "/p", "it's \x00 \\/q", "four/p", "fi've/q", "six/q", "seven/p"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	// A result of no rows.
	rows, err = c.Query(t.Context(), "SELECT a FROM t WHERE a > 100")
	if err != nil {
		t.Fatal(err)
	}
	if rows.Next() || rows.Err() != nil {
		t.Errorf("a result of no rows: %v", rows.Err())
	}

	for _, tc := range []struct {
		name, sql string
		code      int32
		says      string
	}{
		{"syntax", "SELEC 1", 62, "Syntax error"},
		{"table", "SELECT * FROM nowhere", 60, "nowhere"},
		{"column", "SELECT nothing FROM t", 47, "nothing"},
		{"setting", "SELECT 1 SETTINGS no_such_setting = 1", 115, "no_such_setting"},
		{"value", "INSERT INTO t VALUES ('x', 1, 2)", 6, ""},
		{"two statements", "SELECT 1; SELECT 2", 62, "Multi-statements"},
		{"empty", " -- nothing\n", 62, "Empty query"},
		{"before the first row", "SELECT throwIf(number = 2, 'too far') FROM numbers(10)", 395, "too far"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := c.Exec(t.Context(), tc.sql)
			var ex *clickhouse.Exception
			if !errors.As(err, &ex) {
				t.Fatalf("got %v, want an exception", err)
			}
			if ex.Code != tc.code || !strings.Contains(ex.Message, tc.says) {
				t.Errorf("got %d %q, want %d %q", ex.Code, ex.Message, tc.code, tc.says)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	c := open(t, archive(t), nil)
	ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{
		"n": "7", "s": "a'b\\\\c", "d": "default", "list": "['x','y']",
	}))
	var n uint8
	var s, db string
	var list []string
	if err := c.QueryRow(ctx, "SELECT {n:UInt8}, {s:String}, {list:Array(String)}, name FROM system.databases WHERE name = {d:String}").Scan(&n, &s, &list, &db); err != nil {
		t.Fatal(err)
	}
	if n != 7 || s != `a'b\c` || len(list) != 2 || list[1] != "y" || db != "default" {
		t.Errorf("got %d %q %q %q", n, s, list, db)
	}
	// The driver's own binding.
	var x uint8
	if err := c.QueryRow(t.Context(), "SELECT toUInt8({x:UInt8})", clickhouse.Named("x", 9)).Scan(&x); err != nil || x != 9 {
		t.Errorf("got %d, %v", x, err)
	}
	err := c.QueryRow(t.Context(), "SELECT {missing:String}").Scan(&s)
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) || ex.Code != 456 {
		t.Errorf("an unset parameter: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	w := open(t, dir, nil)
	mustExec(t, w, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	mustExec(t, w, "INSERT INTO t VALUES (1)")
	for _, level := range []int{1, 2} {
		c := open(t, dir, clickhouse.Settings{"readonly": level})
		for _, sql := range []string{
			"INSERT INTO t VALUES (2)",
			"INSERT INTO t SELECT 2",
			"CREATE TABLE u (a UInt32) ENGINE = MergeTree ORDER BY a",
			"DROP TABLE t",
			"TRUNCATE TABLE t",
			"ALTER TABLE t DELETE WHERE 1",
			"OPTIMIZE TABLE t FINAL",
			"SYSTEM FLUSH LOGS",
			"SET readonly = 0",
			"SELECT 1 SETTINGS readonly = 0",
			"INSERT INTO t SETTINGS readonly = 0 VALUES (2)",
			"INSERT INTO t SETTINGS readonly = 0 SELECT 2",
			"WITH 2 AS x INSERT INTO t SELECT x",
			"EXPLAIN SELECT 1 SETTINGS readonly = 0; INSERT INTO t SELECT 2",
			"CREATE FUNCTION f AS x -> x",
			"KILL QUERY WHERE 1",
		} {
			if err := c.Exec(t.Context(), sql); err == nil {
				t.Errorf("readonly %d let through: %s", level, sql)
			}
		}
		b, err := c.PrepareBatch(t.Context(), "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Append(uint32(3)); err != nil {
			t.Fatal(err)
		}
		err = b.Send()
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != 164 {
			t.Errorf("readonly %d, a batch: %v", level, err)
		}
		if n := count(t, c, "SELECT count() FROM t"); n != 1 {
			t.Errorf("readonly %d: %d rows, want 1", level, n)
		}
	}
	// What one session was forbidden another is not.
	mustExec(t, w, "INSERT INTO t VALUES (4)")
}

// What leads out of the archive is refused to readers and writers alike.
func TestNothingOutside(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	out := dir + "/outfile"
	for _, settings := range []clickhouse.Settings{nil, {"readonly": 2}, {"readonly": 1}} {
		c := open(t, dir, settings)
		for _, sql := range []string{
			"SELECT * FROM file('/etc/hostname', 'TSV', 'a String')",
			"SELECT file('/etc/hostname')",
			"SELECT `file`('/etc/hostname')",
			"SELECT \"fi\\x6ce\"('/etc/hostname')",
			"SELECT FILE /* x */ ('/etc/hostname')",
			"SELECT * APPLY file FROM (SELECT '/etc/hostname')",
			"SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
			"SELECT * FROM `/etc/hostname`",
			"SELECT * FROM default.`/etc/hostname`",
			"SELECT 1 INTO OUTFILE '" + out + "'",
			"SELECT 1.file('/etc/hostname')",
			"SELECT file#!x\n('/etc/hostname')",
			"SELECT 1 INTO -- x\n OUTFILE $$" + out + "$$",
			"INSERT INTO t FROM INFILE '/etc/hostname' FORMAT TSV",
			"SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
			"SELECT * FROM remote('127.0.0.1:1', system.one)",
			"INSERT INTO FUNCTION file('" + out + "', 'TSV', 'a String') SELECT 'x'",
			"CREATE TABLE f (a String) ENGINE = File(TSV, '/etc/hostname')",
			"CREATE TEMPORARY TABLE f (a String) ENGINE = File(TSV, '/etc/hostname')",
			"CREATE FUNCTION f AS x -> file(x)",
			"INSERT INTO FUNCTION null('a String') VALUES (file('/etc/hostname'))",
			"CREATE USER eve",
			"GRANT FILE ON *.* TO default",
			"SYSTEM SHUTDOWN",
		} {
			err := c.Exec(t.Context(), sql)
			var ex *clickhouse.Exception
			// ACCESS_DENIED or READONLY, not some other reason to fail.
			if !errors.As(err, &ex) || ex.Code != 497 && ex.Code != 164 {
				t.Errorf("settings %v: %s: %v", settings, sql, err)
			}
		}
	}
	// What ClickHouse may read otherwise than the engine does is not let through to
	// it.
	c := open(t, dir, nil)
	for _, sql := range []string{
		"SELECT ‘'’, file(‘/etc/hostname’), ‘'’",
		"SELECT “'”, file('/etc/hostname')",
		"SELECT file\u00a0('/etc/hostname')",
		"SELECT 1 INTO\u2003OUTFILE '" + out + "'",
		"SELECT 1 INTO\x00OUTFILE '" + out + "'",
		"SELECT 1 /* /* */ INTO OUTFILE '" + out + "' -- */",
		"SELECT x'\\' INTO OUTFILE '" + out + "' -- '",
		"SELECT 1 AS a$x$, file('/etc/hostname') -- $x$",
		"SELECT $x$ $x$, file('/etc/hostname')",
		"SELECT * FROM executable('x', 'TSV', 'a String')",
		"EXECUTE AS default SELECT file('/etc/hostname')",
	} {
		if err := c.Exec(t.Context(), sql); err == nil {
			t.Errorf("let through: %s", sql)
		}
	}
	for _, mark := range []string{"//", "#", "##", "#\t", "# ", "#!", "--", "--\t", "---", "/*/", "/**/", "−−", "—", "\\", "%%", "%", "{}", "rem", "!", "@", "$", "~"} {
		for _, sql := range []string{
			"SELECT 1 " + mark + " '\n INTO OUTFILE '" + out + "' -- '",
			"SELECT 1 " + mark + "'\n INTO OUTFILE '" + out + "' -- '",
			"SELECT 1 " + mark + " INTO OUTFILE '" + out + "'\n",
			"SELECT 1 " + mark + "\n INTO OUTFILE '" + out + "'\n",
		} {
			_ = c.Exec(t.Context(), sql)
			if _, err := os.Stat(out); err == nil {
				t.Fatalf("a file was written by: %s", sql)
			}
		}
	}
	if err := c.Exec(t.Context(), "SELECT 1 SETTINGS dialect = 'prql'"); err == nil {
		t.Error("another dialect")
	}
	// In quotes and comments anything goes.
	var s string
	if err := c.QueryRow(t.Context(), "SELECT '‘file(’ naïve' -- ‘\n /* “ */").Scan(&s); err != nil || s != "‘file(’ naïve" {
		t.Errorf("got %q, %v", s, err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c := open(t, archive(t), nil)
	for _, sql := range []string{
		// No piece of the result before its end.
		"SELECT count() FROM numbers_mt(1000000000000) WHERE NOT ignore(sipHash64(number))",
		// Many pieces.
		"SELECT number, repeat('x', 100) FROM numbers(1000000000000)",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		rows, err := c.Query(ctx, sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", sql, err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("%s: cancelled after %v", sql, d)
		}
		// The query itself ends too, not only the wait for it.
		deadline := time.Now().Add(20 * time.Second)
		for count(t, c, "SELECT count() FROM system.processes WHERE query LIKE '%000000000000%' AND query NOT LIKE '%processes%'") > 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%s: still running", sql)
			}
		}
	}
}

func TestExceptionMidStream(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	for _, compression := range []*clickhouse.Compression{nil, {Method: clickhouse.CompressionLZ4}, {Method: clickhouse.CompressionZSTD}, {Method: clickhouse.CompressionGZIP}} {
		c := openWith(t, dir, small, nil, compression)
		rows, err := c.Query(t.Context(), "SELECT number, throwIf(number = 1000000, 'too far') FROM numbers(2000000)")
		if err != nil {
			t.Fatal(err)
		}
		var n uint64
		for rows.Next() {
			n++
		}
		var ex *clickhouse.Exception
		if err := rows.Err(); !errors.As(err, &ex) || ex.Code != 395 || !strings.Contains(ex.Message, "too far") {
			t.Errorf("%v, after %d rows: %v", compression, n, err)
		}
		if n == 0 || n > 1000000 {
			t.Errorf("%d rows before the exception", n)
		}
	}
}
