package engine

import (
	"strings"
	"testing"
)

func TestAnalyse(t *testing.T) {
	for _, tc := range []struct {
		name, src string
		follows   bool
		want      statement
		code      int
	}{
		{name: "select", src: "SELECT 1", want: statement{sql: "SELECT 1", first: "SELECT"}},
		{name: "semicolon and comment", src: "select 1 ; -- x", want: statement{sql: "select 1 ", first: "SELECT"}},
		{name: "format", src: "SELECT 1 FORMAT JSON", want: statement{sql: "SELECT 1 FORMAT JSON", first: "SELECT", outFormat: "JSON", formatAt: 9}},
		{name: "format, settings", src: "SELECT 1 FORMAT JSON SETTINGS a=1;", want: statement{sql: "SELECT 1 FORMAT JSON SETTINGS a=1", first: "SELECT", outFormat: "JSON", formatAt: 9}},
		{name: "a column named format", src: "SELECT format FROM t ORDER BY format DESC", want: statement{sql: "SELECT format FROM t ORDER BY format DESC", first: "SELECT"}},
		{name: "format within", src: "SELECT (SELECT 1 FORMAT CSV)", want: statement{sql: "SELECT (SELECT 1 FORMAT CSV)", first: "SELECT"}},
		{name: "two", src: "SELECT 1; SELECT 2", code: 62},
		{name: "empty", src: " /* x */ ", code: 62},
		{name: "open string", src: "SELECT 'x\\'", code: 62},
		{name: "open comment", src: "SELECT 1 /* x", code: 62},
		{name: "strings", src: `SELECT ';''', "a;""", ` + "`;\\``" + `, $x$;$x$, ';'`, want: statement{first: "SELECT", sql: `SELECT ';''', "a;""", ` + "`;\\``" + `, $x$;$x$, ';'`}},
		{name: "values", src: "INSERT INTO t (a) VALUES (1)", want: statement{sql: "INSERT INTO t (a) ", first: "INSERT", data: true, inFormat: "Values", dataAt: 24}},
		{name: "format with data", src: "insert into d.`t;` format CSV\r\n1\n", want: statement{sql: "insert into d.`t;` ", first: "INSERT", data: true, inFormat: "CSV", dataAt: 31}},
		{name: "names like keywords", src: "INSERT INTO values.format (select, format) FORMAT CSV 1", want: statement{sql: "INSERT INTO values.format (select, format) ", first: "INSERT", data: true, inFormat: "CSV", dataAt: 54}},
		{name: "settings", src: "INSERT INTO t SETTINGS a = 'FORMAT', b = 1 FORMAT Native", follows: true, want: statement{sql: "INSERT INTO t ", first: "INSERT", data: true, inFormat: "Native", settings: " SETTINGS a = 'FORMAT', b = 1 ", dataAt: 56}},
		{name: "no format, data follow", src: "INSERT INTO t (a)", follows: true, want: statement{sql: "INSERT INTO t (a)", first: "INSERT", data: true, inFormat: "Values", dataAt: 17}},
		{name: "no format, none follow", src: "INSERT INTO t (a)", want: statement{sql: "INSERT INTO t (a)", first: "INSERT"}},
		{name: "insert select", src: "INSERT INTO t SELECT 1", follows: true, want: statement{sql: "INSERT INTO t SELECT 1", first: "INSERT"}},
		{name: "function", src: "INSERT INTO FUNCTION null('a String') VALUES ('x')", want: statement{sql: "INSERT INTO FUNCTION null('a String') ", first: "INSERT", data: true, inFormat: "Values", dataAt: 44}},
		{name: "infile", src: "INSERT INTO t FROM INFILE 'x' FORMAT CSV", code: 497},
		{name: "outfile", src: "SELECT 1 INTO/**/OUTFILE 'x'", code: 497},
		{name: "tables named so", src: "SELECT infile FROM outfile, infile", want: statement{sql: "SELECT infile FROM outfile, infile", first: "SELECT"}},
		{name: "file", src: "SELECT file('x')", code: 497},
		{name: "a column named file", src: "SELECT file, (file) FROM captures WHERE file IN ('x')", want: statement{first: "SELECT", sql: "SELECT file, (file) FROM captures WHERE file IN ('x')"}},
		{name: "file applied", src: "SELECT * APPLY ( `file` ) FROM t", code: 497},
		{name: "quotation marks of another kind", src: "SELECT ‘x’", code: 62},
		{name: "spaces of another kind", src: "SELECT\u00a01", code: 62},
		{name: "a word after a number", src: "SELECT 1e5, 0x1F, 1.5", want: statement{first: "SELECT", sql: "SELECT 1e5, 0x1F, 1.5"}},
		{name: "file in disguise", src: "SELECT `\\x66ile`('x')", code: 497},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := analyse(tc.src, tc.follows)
			if tc.code != 0 {
				if e, ok := err.(*exception); !ok || e.code != tc.code {
					t.Errorf("got %v, want code %d", err, tc.code)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
}

func TestParseException(t *testing.T) {
	for _, tc := range []struct {
		text string
		want exception
	}{
		{"Code: 47. DB::Exception: Unknown x. (UNKNOWN_IDENTIFIER)", exception{47, "Code: 47. DB::Exception: Unknown x. (UNKNOWN_IDENTIFIER)"}},
		{"Code: 164. DB::Exception: Code: 164. DB::Exception: No. (READONLY) (version 26.5.1.1). (READONLY)", exception{164, "Code: 164. DB::Exception: No. (READONLY)"}},
		{"Error: out of luck", exception{1002, "Code: 1002. DB::Exception: out of luck (UNKNOWN_EXCEPTION)"}},
	} {
		if got := parseException(tc.text); *got != tc.want {
			t.Errorf("%s: got %+v", tc.text, got)
		}
	}
}

// FuzzAnalyse: whatever comes, what is found lies within it, in order, and a
// statement passed on is one: cut once, it is not cut again.
func FuzzAnalyse(f *testing.F) {
	for _, s := range []string{
		"SELECT 1", "INSERT INTO t (a) SETTINGS a=1 FORMAT CSV\n1", "SELECT 'a''b' /* c */ -- d\n;", "INSERT INTO FUNCTION f('x') VALUES (1)",
		"SELECT $x$ ; $x$, \"a\\\"\" FORMAT JSON SETTINGS a=1;", "INSERT INTO values.format FORMAT Native;\x00\x01", "WITH x AS (SELECT 1) SELECT * FROM x",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, src string, follows bool) {
		s, err := analyse(src, follows)
		if err != nil {
			return
		}
		if !strings.HasPrefix(src, s.sql) {
			t.Fatalf("sql %q is not the beginning of %q", s.sql, src)
		}
		if s.data {
			if s.dataAt < len(s.sql) || s.dataAt > len(src) || s.inFormat == "" || !strings.HasPrefix(src[len(s.sql):], strings.TrimPrefix(s.settings, " ")) {
				t.Fatalf("%q: %+v", src, s)
			}
			return
		}
		if s.outFormat != "" && (s.formatAt < 0 || s.formatAt >= len(s.sql) || !strings.Contains(s.sql[s.formatAt:], s.outFormat)) {
			t.Fatalf("%q: %+v", src, s)
		}
		again, err := analyse(s.sql, follows)
		if err != nil || again.sql != s.sql || again.outFormat != s.outFormat {
			t.Fatalf("%q: %+v, then %+v, %v", src, s, again, err)
		}
	})
}
