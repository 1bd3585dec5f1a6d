package store

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"x400flow/schema"
)

// tripper notes the last request.
type tripper struct {
	length int64
	query  string
}

func (t *tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	t.length, t.query = r.ContentLength, r.URL.RawQuery
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// An insert says how long its body is, unless clickhouse-go compresses it; a greeting under
// the same context stays as it is.
func TestInsertTellsLength(t *testing.T) {
	for _, c := range []struct {
		name, url, encoding string
		d                   delivery
		length              int64
		query               string
	}{
		{"an insert", "http://engine/?query=INSERT", "", delivery{7, false}, 7, "query=INSERT"},
		{"packed", "http://engine/?query=INSERT", "", delivery{7, true}, 7, "decompress=1&query=INSERT"},
		{"of another length", "http://engine/?query=INSERT", "gzip", delivery{7, false}, 0, "query=INSERT"},
		{"a greeting", "http://engine/?readonly=2", "", delivery{7, true}, 0, "readonly=2"},
	} {
		var got tripper
		ctx := delivering(t.Context(), insertSettings(), c.d)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, io.MultiReader(bytes.NewReader(make([]byte, 7))))
		if err != nil {
			t.Fatal(err)
		}
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		if _, err := (telling{&got, new(atomic.Bool)}).RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		if got.length != c.length || got.query != c.query {
			t.Errorf("%s: length %d, query %s; want %d, %s", c.name, got.length, got.query, c.length, c.query)
		}
	}
}

// Ready rows are inserted as a writer's are, from wherever they come.
func TestInsertReady(t *testing.T) {
	s := archive(t)
	var b schema.Batch
	b.Coverage.Append(&schema.Interval{Sensor: []byte("ready"), Packets: 5})
	statement, native := "", []byte(nil)
	for _, parts := range (schema.Block{&b}).All() {
		statement, native = "INSERT INTO "+parts[0].Table(), schema.AppendNative(native, parts...)
	}
	if err := s.Insert(t.Context(), statement, io.MultiReader(bytes.NewReader(native)), int64(len(native))); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s, "SELECT packets FROM coverage WHERE sensor = 'ready'"); len(got) != 1 || got[0] != "5" {
		t.Errorf("the archive has %q", got)
	}
}
