package engine_test

import (
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// Every column type of the schema goes in as a Native file at revision 0 and
// comes back re-encoded; what is stored is told by ClickHouse itself, as text.
func TestTypes(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	when := time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)
	str := func(s string) *string { return &s }
	id := uuid.MustParse("61f0c404-5cb3-11e7-907b-a6006ad3dba0")
	for i, tc := range []struct {
		sql    string
		values []any
		text   string // TSV, one value a line.
	}{
		{"UInt8", []any{uint8(0), uint8(255)}, "0\n255\n"},
		{"UInt16", []any{uint16(1), uint16(65535)}, "1\n65535\n"},
		{"UInt32", []any{uint32(1), uint32(4294967295)}, "1\n4294967295\n"},
		{"UInt64", []any{uint64(1), uint64(18446744073709551615)}, "1\n18446744073709551615\n"},
		{"Int32", []any{int32(-2147483648), int32(7)}, "-2147483648\n7\n"},
		{"Int64", []any{int64(-9223372036854775808), int64(7)}, "-9223372036854775808\n7\n"},
		{"Float64", []any{float64(0.5), float64(-1e300)}, "0.5\n-1e300\n"},
		{"Bool", []any{true, false}, "true\nfalse\n"},
		{"String", []any{"", "a\tb\x00\xff"}, "\na\\tb\\0\xff\n"},
		{"FixedString(16)", []any{"0123456789abcdef", "fedcba9876543210"}, "0123456789abcdef\nfedcba9876543210\n"},
		{"FixedString(32)", []any{strings.Repeat("x", 32), strings.Repeat("y", 32)}, strings.Repeat("x", 32) + "\n" + strings.Repeat("y", 32) + "\n"},
		{"LowCardinality(String)", []any{"p", "q", "p"}, "p\nq\np\n"},
		{"LowCardinality(Nullable(String))", []any{str("p"), (*string)(nil)}, "p\n\\N\n"},
		{"Array(String)", []any{[]string{}, []string{"a", "b'c"}}, "[]\n['a','b\\'c']\n"},
		{"Array(LowCardinality(String))", []any{[]string{"a", "a"}, []string{}}, "['a','a']\n[]\n"},
		{"Array(UInt32)", []any{[]uint32{1, 2}, []uint32{}}, "[1,2]\n[]\n"},
		{"Nullable(String)", []any{str("x"), (*string)(nil)}, "x\n\\N\n"},
		{"DateTime64(9, 'UTC')", []any{when, time.Unix(0, 1).UTC()}, "2024-02-29 23:59:59.123456789\n1970-01-01 00:00:00.000000001\n"},
		{"Nullable(DateTime64(9, 'UTC'))", []any{&when, (*time.Time)(nil)}, "2024-02-29 23:59:59.123456789\n\\N\n"},
		{"DateTime('UTC')", []any{when.Truncate(time.Second)}, "2024-02-29 23:59:59\n"},
		{"Date", []any{when.Truncate(24 * time.Hour)}, "2024-02-29\n"},
		{"Enum8('a' = -1, 'b' = 5)", []any{"b", "a"}, "b\na\n"},
		{"UUID", []any{id}, "61f0c404-5cb3-11e7-907b-a6006ad3dba0\n"},
		{"IPv4", []any{net.ParseIP("192.0.2.7").To4()}, "192.0.2.7\n"},
		{"IPv6", []any{net.ParseIP("2001:db8::1"), net.ParseIP("::ffff:192.0.2.7")}, "2001:db8::1\n::ffff:192.0.2.7\n"},
		{"Map(String, String)", []any{map[string]string{"k": "v"}, map[string]string{}}, "{'k':'v'}\n{}\n"},
		{"Tuple(UInt8, String)", []any{[]any{uint8(1), "x"}}, "(1,'x')\n"},
		{"Array(Tuple(String, Array(UInt8)))", []any{[][]any{{"a", []uint8{1, 2}}}}, "[('a',[1,2])]\n"},
	} {
		t.Run(tc.sql, func(t *testing.T) {
			compression := []*clickhouse.Compression{
				nil, {Method: clickhouse.CompressionLZ4}, {Method: clickhouse.CompressionZSTD},
				{Method: clickhouse.CompressionGZIP}, {Method: clickhouse.CompressionDeflate}, {Method: clickhouse.CompressionBrotli, Level: 1},
			}[i%6]
			c := openWith(t, dir, small, nil, compression)
			mustExec(t, c, "DROP TABLE IF EXISTS v")
			mustExec(t, c, "CREATE TABLE v (n UInt32, v "+tc.sql+") ENGINE = MergeTree ORDER BY n")
			b, err := c.PrepareBatch(t.Context(), "INSERT INTO v")
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range tc.values {
				if err := b.Append(uint32(i), v); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Send(); err != nil {
				t.Fatal(err)
			}
			res, err := client(t, dir).Post("http://engine/?default_format=TSV", "", strings.NewReader("SELECT v FROM v ORDER BY n"))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(text) != tc.text {
				t.Errorf("stored %q, want %q (%v)", text, tc.text, err)
			}
			rows, err := c.Query(t.Context(), "SELECT v FROM v ORDER BY n")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			// The driver's own names leave things out; so the response is looked at.
			a := do(t, client(t, dir), "POST", "http://engine/?default_format=Native&client_protocol_version=54460", "SELECT v FROM v")
			kind := tc.sql
			if kind == "DateTime('UTC')" {
				// At revision 0 ClickHouse itself leaves out the time zone of this one
				// type; the engine's own is UTC.
				kind = "DateTime"
			}
			if head := "\x01v" + string(binary.AppendUvarint(nil, uint64(len(kind)))) + kind + "\x00"; !strings.Contains(a.body, head) {
				t.Errorf("the type got lost: %.60q", a.body)
			}
			n := 0
			for ; rows.Next() && n < len(tc.values); n++ {
				p := reflect.New(rows.ColumnTypes()[0].ScanType())
				if err := rows.Scan(p.Interface()); err != nil {
					t.Fatal(err)
				}
				got, want := p.Elem().Interface(), tc.values[n]
				if a, ok := got.(net.IP); ok && a.Equal(want.(net.IP)) {
					continue
				}
				if a, ok := got.(time.Time); ok && a.Equal(want.(time.Time)) {
					continue
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("value %d: got %#v, want %#v", n, got, want)
				}
			}
			if rows.Err() != nil || n != len(tc.values) {
				t.Errorf("%d values, want %d (%v)", n, len(tc.values), rows.Err())
			}
		})
	}
}
