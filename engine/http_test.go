package engine_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"

	"x400flow/engine"
)

// answer is what a client of the HTTP interface sees.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func do(t testing.TB, c *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b), err}
}

func get(q string, more ...string) string {
	v := url.Values{"query": {q}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return "http://engine/?" + v.Encode()
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := client(t, dir)
	mustExec(t, open(t, dir, nil), "CREATE TABLE t (a UInt32, s String) ENGINE = MergeTree ORDER BY a")
	for _, tc := range []struct {
		name, method, url, body string
		status                  int
		want                    string // The body; with a leading ~, a part of it.
		header                  map[string]string
	}{
		{name: "ping", method: "GET", url: "http://engine/ping", want: "Ok.\n", status: 200},
		{name: "root", method: "GET", url: "http://engine/", want: "Ok.\n", status: 200},
		{name: "elsewhere", method: "GET", url: "http://engine/x", want: "There is no handle /x\n", status: 404},
		{name: "method", method: "DELETE", url: "http://engine/", want: "method not allowed\n", status: 405},
		{name: "GET", method: "GET", url: get("SELECT 1, 'x'"), want: "1\tx\n", status: 200,
			header: map[string]string{"X-ClickHouse-Format": "TabSeparated", "Content-Type": "text/tab-separated-values; charset=UTF-8"}},
		{name: "query id", method: "GET", url: get("SELECT 1", "query_id", "mine"), want: "1\n", status: 200, header: map[string]string{"X-ClickHouse-Query-Id": "mine"}},
		{name: "GET changes nothing", method: "GET", url: get("INSERT INTO t VALUES (9, '')"), want: "~READONLY", status: 500},
		{name: "GET changes nothing, whatever it says", method: "GET", url: get("INSERT INTO t VALUES (9, '')", "readonly", "0"), want: "~READONLY", status: 500},
		{name: "format clause", method: "GET", url: get("SELECT 1 AS x FORMAT JSONEachRow"), want: "{\"x\":1}\n", status: 200,
			header: map[string]string{"X-ClickHouse-Format": "JSONEachRow", "Content-Type": "application/x-ndjson; charset=UTF-8"}},
		{name: "default format", method: "POST", url: "http://engine/?default_format=CSVWithNames", body: "SELECT 1 AS x", want: "\"x\"\n1\n", status: 200},
		{name: "several columns", method: "POST", url: "http://engine/?default_format=JSONCompact", body: "SELECT number FROM numbers(2) FORMAT TSV", want: "0\n1\n", status: 200},
		{name: "setting", method: "POST", url: "http://engine/?max_threads=3&max_block_size=7", body: "SELECT getSetting('max_threads'), getSetting('max_block_size')", want: "3\t7\n", status: 200},
		{name: "unknown setting", method: "POST", url: "http://engine/?no_such=3", body: "SELECT 1", want: "~no_such", status: 404},
		{name: "no setting at all", method: "POST", url: "http://engine/?a%3D1,b=3", body: "SELECT 1", want: "~not the name of a setting", status: 500},
		{name: "setting with a quote", method: "POST", url: "http://engine/?max_threads=" + url.QueryEscape("1', readonly='0"), body: "SELECT 1", want: "~Code: ", status: 400},
		{name: "database", method: "POST", url: "http://engine/?database=system", body: "SELECT currentDatabase(), count() FROM one", want: "system\t1\n", status: 200},
		{name: "unknown database", method: "POST", url: "http://engine/?database=no%60where", body: "SELECT 1", want: "~UNKNOWN_DATABASE", status: 404},
		{name: "parameter", method: "POST", url: "http://engine/?param_x=" + url.QueryEscape("a'b"), body: "SELECT {x:String}", want: "a\\'b\n", status: 200},
		{name: "syntax", method: "POST", url: "http://engine/", body: "SELECT FROM FROM", want: "~(SYNTAX_ERROR) (version ", status: 400, header: map[string]string{"X-ClickHouse-Exception-Code": "62"}},
		{name: "unterminated", method: "POST", url: "http://engine/", body: "SELECT 'x", want: "~Syntax error", status: 400},
		{name: "VALUES", method: "POST", url: "http://engine/", body: "INSERT INTO t (a, s) VALUES (1, 'o''ne'), (2, lower('TWO'));", status: 200},
		{name: "VALUES in the URL, data in the body", method: "POST", url: get("INSERT INTO t VALUES"), body: "(3, ';')", status: 200},
		{name: "no format, data in the body", method: "POST", url: get("INSERT INTO t (a, s)"), body: "(4, 'four')", status: 200},
		{name: "CSV in one", method: "POST", url: "http://engine/", body: "INSERT INTO t FORMAT CSV\n5,\"fi,ve\"\n6,six\n", status: 200},
		{name: "CSV in the body", method: "POST", url: get("INSERT INTO t (s, a) FORMAT CSV"), body: "seven,7\n", status: 200},
		{name: "JSONEachRow", method: "POST", url: get("INSERT INTO t FORMAT JSONEachRow"), body: `{"a":8,"s":"eight"}{"s":"nine","a":9}`, status: 200,
			header: map[string]string{"X-ClickHouse-Summary": "~\"written_rows\":\"2\""}},
		{name: "TSV with settings", method: "POST", url: get("INSERT INTO t SETTINGS input_format_tsv_empty_as_default = 1 FORMAT TSV"), body: "10\tten\n", status: 200},
		{name: "SELECT", method: "POST", url: "http://engine/", body: "INSERT INTO t SELECT 11, 'eleven'", status: 200},
		{name: "bad data", method: "POST", url: get("INSERT INTO t FORMAT CSV"), body: "x,y\n", want: "~Code: ", status: 400},
		{name: "no data", method: "POST", url: get("INSERT INTO t FORMAT CSV"), status: 200},
		{name: "what was stored", method: "POST", url: "http://engine/", body: "SELECT a, s FROM t ORDER BY a FORMAT CSV", status: 200,
			want: "1,\"o'ne\"\n2,\"two\"\n3,\";\"\n4,\"four\"\n5,\"fi,ve\"\n6,\"six\"\n7,\"seven\"\n8,\"eight\"\n9,\"nine\"\n10,\"ten\"\n11,\"eleven\"\n"},
		{name: "SHOW", method: "POST", url: "http://engine/", body: "SHOW TABLES", want: "t\n", status: 200},
		{name: "DESCRIBE", method: "POST", url: "http://engine/?default_format=CSV", body: "DESCRIBE TABLE t", want: "~\"a\",\"UInt32\"", status: 200},
		{name: "EXPLAIN", method: "POST", url: "http://engine/", body: "EXPLAIN AST SELECT 1", want: "~SelectQuery", status: 200},
		{name: "WITH", method: "POST", url: "http://engine/", body: "WITH 1 AS x SELECT x", want: "1\n", status: 200},
		{name: "parenthesis", method: "POST", url: "http://engine/", body: "(SELECT 1) UNION ALL (SELECT 1);;", want: "1\n1\n", status: 200},
		{name: "time zone", method: "POST", url: "http://engine/", body: "SELECT toDateTime(0), timezone()", want: "1970-01-01 00:00:00\tUTC\n", status: 200, header: map[string]string{"X-ClickHouse-Timezone": "UTC"}},
		{name: "a column named file", method: "POST", url: "http://engine/?param_p=b", body: "SELECT file || '\\'' || {p:String}, file FROM (SELECT 'a' AS file) -- x", want: "a\\'b\ta\n", status: 200},
		{name: "comments", method: "POST", url: "http://engine/", body: "/* ; */ -- ;\n SELECT ';' # ;\n", want: ";\n", status: 200},
		{name: "query goes on in the body", method: "POST", url: get("SELECT 1,"), body: "2", want: "1\t2\n", status: 200},
		{name: "query too long", method: "POST", url: "http://engine/", body: "SELECT '" + strings.Repeat("x", 1<<20) + "'", want: "~Max query size", status: 400},
		{name: "wait", method: "POST", url: "http://engine/?wait_end_of_query=1", body: "SELECT throwIf(number = 3000000, 'late') FROM numbers(4000000)", want: "~late", status: 500},
		{name: "wait, and good", method: "POST", url: "http://engine/?wait_end_of_query=1", body: "SELECT 5", want: "5\n", status: 200},
		{name: "JSON whole", method: "POST", url: "http://engine/?default_format=JSONCompactEachRow", body: "SELECT 1, [2]", want: "[1, [2]]\n", status: 200},
		{name: "no rows, but a frame", method: "POST", url: "http://engine/?default_format=CSVWithNames", body: "SELECT a FROM t WHERE a > 100", want: "\"a\"\n", status: 200},
		{name: "bad protocol version", method: "POST", url: "http://engine/?client_protocol_version=x", body: "SELECT 1", want: "~not a number", status: 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := do(t, c, tc.method, tc.url, tc.body)
			if a.err != nil || a.status != tc.status {
				t.Errorf("status %d, want %d (%v): %.300q", a.status, tc.status, a.err, a.body)
			}
			if part, ok := strings.CutPrefix(tc.want, "~"); ok && !strings.Contains(a.body, part) || !ok && a.body != tc.want {
				t.Errorf("got %.300q, want %q", a.body, tc.want)
			}
			for k, v := range tc.header {
				if part, ok := strings.CutPrefix(v, "~"); ok && !strings.Contains(a.header.Get(k), part) || !ok && a.header.Get(k) != v {
					t.Errorf("%s: %q, want %q", k, a.header.Get(k), v)
				}
			}
			if a.header.Get("X-ClickHouse-Server-Display-Name") == "" {
				t.Error("no display name")
			}
		})
	}
}

// A format that puts a frame around the rows puts one, however many blocks there
// are.
func TestFramedFormats(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := client(t, dir)
	const q = "SELECT number AS n FROM numbers(300000)"
	for _, settings := range []string{"", "&readonly=1", "&readonly=2"} {
		for _, sql := range []string{q + " FORMAT JSON", q + "\nFORMAT /* x */ JSON SETTINGS max_block_size = 1000; -- end", q + " SETTINGS max_block_size = 1000 -- end"} {
			if settings == "&readonly=1" && strings.Contains(sql, "SETTINGS") {
				continue
			}
			a := do(t, c, "POST", "http://engine/?default_format=JSON"+settings, sql)
			var v struct {
				Data []struct{ N json.Number }
				Rows int
			}
			if err := json.Unmarshal([]byte(a.body), &v); err != nil {
				t.Fatalf("%s: status %d, %v: %.300s", sql, a.status, err, a.body)
			}
			if v.Rows != 300000 || len(v.Data) != v.Rows || v.Data[299999].N != "299999" {
				t.Errorf("%s: %d rows, %d said", sql, len(v.Data), v.Rows)
			}
		}
	}
	a := do(t, c, "POST", "http://engine/?default_format=CSVWithNames", q)
	if strings.Count(a.body, "n") != 1 || strings.Count(a.body, "\n") != 300001 {
		t.Errorf("%d headers, %d lines", strings.Count(a.body, "n"), strings.Count(a.body, "\n"))
	}
	a = do(t, c, "POST", "http://engine/?default_format=JSONEachRow&output_format_json_array_of_rows=1", q)
	if err := json.Unmarshal([]byte(a.body), &[]any{}); err != nil {
		t.Error(err)
	}
	a = do(t, c, "POST", "http://engine/?default_format=JSON", "SELECT throwIf(number = 3000000, 'late') FROM numbers(4000000)")
	if a.status != 500 || a.header.Get("X-ClickHouse-Exception-Code") != "395" {
		t.Errorf("status %d: %.300s", a.status, a.body)
	}
	a = do(t, c, "POST", "http://engine/?default_format=TSV", "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k")
	if a.body != "0\t5\n1\t5\n\n0\t10\n" {
		t.Errorf("totals: %q", a.body)
	}
	// The names of formats know no case; nothing else than a name is taken for one.
	a = do(t, c, "POST", "http://engine/?default_format=native&client_protocol_version=54460", "SELECT 1")
	if !strings.HasPrefix(a.body, "\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x011\x05UInt8\x00\x01") {
		t.Errorf("got %q", a.body)
	}
	if a := do(t, c, "POST", "http://engine/?default_format=JSON%3BSELECT", "SELECT 1"); a.status == 200 {
		t.Errorf("got %q", a.body)
	}
	left, err := filepath.Glob(filepath.Join(dir, "engine.tmp", "*-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestHTTPPacking(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := client(t, dir)
	a := do(t, c, "POST", "http://engine/?enable_http_compression=1", "SELECT number FROM numbers(200000)", "Accept-Encoding", "gzip;q=1.0, br")
	if a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("header %v", a.header)
	}
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || bytes.Count(b, []byte("\n")) != 200000 || !bytes.HasSuffix(b, []byte("\n199999\n")) {
		t.Errorf("%d octets, %v", len(b), err)
	}
	a = do(t, c, "POST", "http://engine/?enable_http_compression=0", "SELECT 1", "Accept-Encoding", "gzip")
	if a.body != "1\n" {
		t.Errorf("got %q", a.body)
	}
	mustExec(t, open(t, dir, nil), "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	io.WriteString(w, "INSERT INTO t FORMAT TSV\n1\n2\n")
	w.Close()
	if a := do(t, c, "POST", "http://engine/", buf.String(), "Content-Encoding", "gzip"); a.status != 200 {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if a := do(t, c, "POST", "http://engine/", "SELECT 1", "Content-Encoding", "rot13"); a.status == 200 {
		t.Error("an unknown encoding passed")
	}
	if a := do(t, c, "POST", "http://engine/", "SELECT sum(a) FROM t"); a.body != "3\n" {
		t.Errorf("got %q", a.body)
	}
}

// The response ends without its proper end, so that no client takes it for
// whole, and with the exception framed as ClickHouse frames it.
func TestHTTPMidStream(t *testing.T) {
	t.Parallel()
	c := client(t, archive(t))
	a := do(t, c, "POST", "http://engine/", "SELECT throwIf(number = 3000000, 'too far') FROM numbers(4000000)")
	if a.status != 200 || !errors.Is(a.err, io.ErrUnexpectedEOF) {
		t.Errorf("status %d, %v", a.status, a.err)
	}
	tag := a.header.Get("X-ClickHouse-Exception-Tag")
	_, block, found := strings.Cut(a.body, "\r\n__exception__\r\n"+tag+"\r\nCode: 395.")
	if len(tag) != 16 || !found || !strings.HasSuffix(block, " "+tag+"\r\n__exception__\r\n") {
		t.Errorf("tag %q, body ends %q", tag, a.body[max(0, len(a.body)-400):])
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	o := small
	o.MaxBody = 1 << 20
	c := openWith(t, dir, o, nil, nil)
	mustExec(t, c, "CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY tuple()")
	// Large as it comes, and large only when unpacked.
	h := client(t, dir)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.Copy(z, io.MultiReader(strings.NewReader("INSERT INTO t FORMAT TSV\n"), io.LimitReader(zeros{}, 64<<20)))
	z.Close()
	if bomb.Len() > 1<<20 {
		t.Fatal("no bomb")
	}
	for name, a := range map[string]answer{
		"large":    do(t, h, "POST", get("INSERT INTO t FORMAT TSV"), strings.Repeat("x", 2<<20)),
		"unpacked": do(t, h, "POST", "http://engine/", bomb.String(), "Content-Encoding", "gzip"),
	} {
		if a.status != 413 || !strings.Contains(a.body, "TOO_MANY_BYTES") {
			t.Errorf("%s: status %d: %.200q", name, a.status, a.body)
		}
	}
	if n := count(t, c, "SELECT count() FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestExternalTables(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	c := open(t, dir, clickhouse.Settings{"readonly": 2})
	table, err := ext.NewTable("wanted", ext.Column("id", "UInt32"), ext.Column("name", "String"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := table.Append(uint32(i*10), strings.Repeat("x", i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := clickhouse.Context(t.Context(), clickhouse.WithExternalTable(table))
	var n uint64
	var longest string
	if err := c.QueryRow(ctx, "SELECT sum(number), max(name) FROM numbers(100) AS n JOIN wanted ON number = id").Scan(&n, &longest); err != nil {
		t.Fatal(err)
	}
	if n != 30 || longest != "xx" {
		t.Errorf("got %d, %q", n, longest)
	}
	// By hand, with a structure that tries to be more than one.
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	p, _ := w.CreateFormFile("x", "x")
	io.WriteString(p, "1\n")
	w.Close()
	for structure, good := range map[string]bool{"a UInt8": true, "a UInt8); DROP TABLE t; --": false, "a String DEFAULT file('/etc/hostname')": false} {
		a := do(t, client(t, dir), "POST", get("SELECT count() FROM x", "x_structure", structure, "x_format", "TSV"), body.String(), "Content-Type", w.FormDataContentType())
		if (a.status == 200 && a.body == "1\n") != good {
			t.Errorf("%s: status %d: %s", structure, a.status, a.body)
		}
	}
}

// clickhouse-go's raw formats.
func TestQueryFormat(t *testing.T) {
	t.Parallel()
	c := open(t, archive(t), nil)
	r, err := c.QueryFormat(t.Context(), "Parquet", "SELECT number FROM numbers(10)")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || !bytes.HasPrefix(b, []byte("PAR1")) || !bytes.HasSuffix(b, []byte("PAR1")) {
		t.Errorf("%d octets, %v", len(b), err)
	}
	r, err = c.QueryFormat(t.Context(), "TabSeparated", "SELECT throwIf(number = 3000000, 'too far') FROM numbers(4000000)")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, r)
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) || ex.Code != 395 {
		t.Errorf("got %v", err)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	mustExec(t, open(t, dir, nil), "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	ro := small
	ro.ReadOnly = true
	for _, tc := range []struct {
		o     engine.Options
		wrote bool
	}{{small, true}, {ro, false}} {
		srv := httptest.NewServer(engine.Proxy(dir, tc.o))
		defer srv.Close()
		// A client over TCP, as Grafana's, with settings of its own.
		addr := strings.TrimPrefix(srv.URL, "http://")
		c, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{addr}, Settings: clickhouse.Settings{"max_execution_time": 30}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n := count(t, c, "SELECT count() FROM t"); n != 0 {
			t.Errorf("%d rows", n)
		}
		if err := c.Exec(t.Context(), "INSERT INTO t VALUES (1)"); (err == nil) != tc.wrote {
			t.Errorf("read-only %v: %v", tc.o.ReadOnly, err)
		}
		for _, q := range []string{"/?readonly=0", "/?readonly=0&readonly=2", "/?readonly=2&readonly=0", "/?readonly=0;", "/?%72eadonly=0"} {
			a := do(t, srv.Client(), "POST", srv.URL+q, "TRUNCATE TABLE t")
			if (a.status == 200) != tc.wrote && (a.status == 200 || !tc.o.ReadOnly && !strings.Contains(q, "readonly=2&") && !strings.HasSuffix(q, ";")) {
				t.Errorf("read-only %v, %s: status %d: %s", tc.o.ReadOnly, q, a.status, a.body)
			}
		}
		// An exception in the middle of a result comes through.
		var ex *clickhouse.Exception
		rows, err := c.Query(t.Context(), "SELECT number, throwIf(number = 1000000, 'too far') FROM numbers(2000000)")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
		}
		if err := rows.Err(); !errors.As(err, &ex) || ex.Code != 395 {
			t.Errorf("mid-stream: %v", err)
		}
		if a := do(t, srv.Client(), "GET", srv.URL+"/ping", ""); a.body != "Ok.\n" {
			t.Errorf("ping: %+v", a)
		}
	}
}
