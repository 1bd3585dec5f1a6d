package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"x400flow/engine"
	"x400flow/schema"
)

// gate stands between a store and the engine, as a network does.
type gate struct {
	next http.Handler
	// before may answer an insert into the table itself, or spoil its answer; it
	// returns whether it did. n counts the inserts into that table.
	before func(table string, n int, w http.ResponseWriter, r *http.Request) bool

	mu     sync.Mutex
	tables []string
	count  map[string]int
	tokens map[string][]string
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query().Get("query")
	if f := strings.Fields(q); len(f) > 2 && f[0] == "INSERT" {
		table := f[2]
		g.mu.Lock()
		g.tables = append(g.tables, table)
		g.count[table]++
		n := g.count[table]
		g.tokens[table] = append(g.tokens[table], r.URL.Query().Get("insert_deduplication_token"))
		g.mu.Unlock()
		if g.before != nil && g.before(table, n, w, r) {
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

// lost runs a request and loses the answer.
func (g *gate) lost(w http.ResponseWriter, r *http.Request) {
	g.next.ServeHTTP(httptest.NewRecorder(), r)
	cut(w)
}

// cut cuts the connection.
func cut(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

// behind opens an archive with its schema behind a gate. The archive itself is
// returned, too.
func behind(t *testing.T) (*Store, *Store, *gate) {
	t.Helper()
	direct := archive(t)
	g := &gate{next: engine.Proxy(direct.name, engineOptions), count: map[string]int{}, tokens: map[string][]string{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	s, err := Open(Options{Target: "clickhouse://default@" + strings.TrimPrefix(server.URL, "http://") + "/default", Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, direct, g
}

// oneOfEach fills a row into every table.
func oneOfEach(b *schema.Batch, n byte) {
	id := [16]byte{15: n}
	b.Bilaterals.Append(&schema.Bilateral{APDU: id})
	b.Extensions.Append(&schema.Extension{APDU: id})
	b.Trace.Append(&schema.TraceElement{APDU: id})
	b.Recipients.Append(&schema.Recipient{APDU: id})
	b.Contents.Append(&schema.Content{APDU: id})
	b.Messages.Append(&schema.Message{APDU: id})
	b.Problems.Append(&schema.Problem{Problem: id})
	b.Associations.Append(&schema.Association{Association: id, Ended: "fin"})
	b.Coverage.Append(&schema.Interval{Sensor: []byte{'a' + n}})
	b.Progresses.Append(&schema.Progress{Association: id, Sensor: []byte("s")})
	b.Captures.Append(&schema.Capture{SHA256: [32]byte{n}})
}

var order = []string{
	"bilateral_store", "extensions_store", "trace_store", "recipients_store", "contents_store",
	"messages_store", "problems_store", "associations_store", "coverage_store", "progress_store", "captures_store",
}

func TestWriterOrder(t *testing.T) {
	s, direct, g := behind(t)
	insert(t, s, func(b *schema.Batch) { oneOfEach(b, 1) })
	if !slices.Equal(g.tables, order) {
		t.Errorf("inserted in the order %q, want %q", g.tables, order)
	}
	for _, table := range order {
		if got := query(t, direct, "SELECT count() FROM "+table); got[0] != "1" {
			t.Errorf("%s: %s rows, want 1", table, got[0])
		}
	}
}

// Three tables fail in every way once; what is there is what was written.
func TestWriterRetries(t *testing.T) {
	s, direct, g := behind(t)
	failing := []string{"recipients_store", "messages_store", "captures_store"}
	g.before = func(table string, n int, w http.ResponseWriter, r *http.Request) bool {
		if !slices.Contains(failing, table) {
			return false
		}
		switch n {
		case 1:
			cut(w)
		case 2:
			http.Error(w, "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)", http.StatusInternalServerError)
		case 3:
			g.lost(w, r)
		case 4:
			http.Error(w, "bad gateway", http.StatusBadGateway)
		default:
			return false
		}
		return true
	}
	var told bytes.Buffer
	reg := prometheus.NewRegistry()
	w := s.NewWriter(t.Context(), WriterOptions{Registerer: reg, Log: slog.New(slog.NewTextHandler(&told, nil))})
	b := w.Batch()
	oneOfEach(b, 1)
	if err := w.Write(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range order {
		view := strings.TrimSuffix(table, "_store")
		if got := query(t, direct, "SELECT count() FROM "+view); got[0] != "1" {
			t.Errorf("%s: %s rows, want 1", view, got[0])
		}
		if got := slices.Compact(slices.Clone(g.tokens[table])); len(got) != 1 || len(got[0]) != 64 {
			t.Errorf("%s: tokens %q, want the same for every attempt", table, got)
		}
		failed := 0.0
		if slices.Contains(failing, table) {
			failed = 4
		}
		for metric, want := range map[*prometheus.CounterVec]float64{
			w.metrics.attempts: failed + 1, w.metrics.failures: failed, w.metrics.inserts: 1, w.metrics.rows: 1,
		} {
			if got := testutil.ToFloat64(metric.WithLabelValues(view)); got != want {
				t.Errorf("%s: counted %v, want %v", view, got, want)
			}
		}
	}
	lines := strings.Count(told.String(), "insert failed; trying again")
	if want := 4 * len(failing); lines != want || w.Retries() != uint64(want) {
		t.Errorf("told of %d attempts that failed and counted %d, want %d", lines, w.Retries(), want)
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n == 0 {
		t.Errorf("%d metrics gathered, %v", n, err)
	}
}

func TestWriterRefused(t *testing.T) {
	s := archive(t)
	exec(t, s, "ALTER TABLE trace_store DROP COLUMN routing_action")
	w := s.NewWriter(t.Context(), WriterOptions{})
	b := w.Batch()
	oneOfEach(b, 1)
	if err := w.Write(t.Context(), b, func() { t.Error("acknowledged") }); err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if err := w.Flush(t.Context()); !errors.As(err, &refused) || refused.Table != "trace" {
		t.Errorf("Flush: %v, want a RefusedError of trace", err)
	}
	if err := w.Write(t.Context(), new(schema.Batch), nil); !errors.As(err, &refused) {
		t.Errorf("Write: %v, want a RefusedError", err)
	}
	if err := w.Close(t.Context()); !errors.As(err, &refused) {
		t.Errorf("Close: %v, want a RefusedError", err)
	}
	if got := query(t, s, "SELECT count() FROM messages"); got[0] != "0" {
		t.Errorf("%s messages without their trace", got[0])
	}
}

// Many small batches become few inserts, and acks come in order.
func TestWriterMerges(t *testing.T) {
	s, direct, g := behind(t)
	w := s.NewWriter(t.Context(), WriterOptions{Rows: 1000, Age: time.Hour, Inserters: 3})
	const batches = 200
	var acks []int
	for i := range batches {
		b := w.Batch()
		for j := range 20 {
			b.Messages.Append(&schema.Message{APDU: [16]byte{0: byte(i), 1: byte(j)}, ID: schema.MTSIdentifier{Text: fmt.Appendf(nil, "%d.%d", i, j)}})
		}
		if err := w.Write(t.Context(), b, func() { acks = append(acks, i) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(acks) != batches || !slices.IsSorted(acks) {
		t.Errorf("acknowledged %v", acks)
	}
	if got := query(t, direct, "SELECT count(), uniqExact(mts_id) FROM messages"); got[0] != "4000 | 4000" {
		t.Errorf("got %s messages", got[0])
	}
	if n := g.count["messages_store"]; n > 8 {
		t.Errorf("%d inserts for %d batches", n, batches)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := w.Write(t.Context(), new(schema.Batch), nil); err == nil {
		t.Error("Write after Close")
	}
}

// What is due by age, but has no inserter, goes on being collected.
func TestWriterCollectsWhileBusy(t *testing.T) {
	s, direct, g := behind(t)
	began, release := make(chan struct{}), make(chan struct{})
	g.before = func(_ string, n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			close(began)
			<-release
		}
		return false
	}
	const age, batches = 5 * time.Millisecond, 6
	w := s.NewWriter(t.Context(), WriterOptions{Age: age, Inserters: 1})
	for i := range batches {
		b := w.Batch()
		b.Messages.Append(&schema.Message{APDU: [16]byte{byte(i)}})
		if err := w.Write(t.Context(), b, nil); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-began
		}
		time.Sleep(2 * age)
	}
	close(release)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, direct, "SELECT count() FROM messages"); got[0] != fmt.Sprint(batches) {
		t.Errorf("%s messages, want %d", got[0], batches)
	}
	if n := g.count["messages_store"]; n != 2 {
		t.Errorf("%d inserts, want 2: the first batch, and those that came meanwhile", n)
	}
}

// The row that says that a capture was read waits for the rows read from it.
func TestWriterCapturesLast(t *testing.T) {
	s, direct, g := behind(t)
	release := make(chan struct{})
	g.before = func(table string, n int, w http.ResponseWriter, r *http.Request) bool {
		if table == "messages_store" && n == 1 {
			<-release
		}
		return false
	}
	w := s.NewWriter(t.Context(), WriterOptions{Rows: 1, Inserters: 4})
	first, second, third := w.Batch(), w.Batch(), w.Batch()
	first.Messages.Append(&schema.Message{APDU: [16]byte{1}})
	second.Captures.Append(&schema.Capture{Name: []byte("c")})
	third.Problems.Append(&schema.Problem{Problem: [16]byte{1}})
	passed := make(chan struct{})
	for _, b := range []*schema.Batch{first, second, third} {
		if err := w.Write(t.Context(), b, nil); err != nil {
			t.Fatal(err)
		}
	}
	// The third block overtakes the first, the second must not.
	go func() {
		for query(t, direct, "SELECT count() FROM problems")[0] != "1" {
			select {
			case <-t.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
		close(passed)
	}()
	<-passed
	if got := query(t, direct, "SELECT count() FROM captures"); got[0] != "0" {
		t.Error("the capture is recorded before its message")
	}
	close(release)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, direct, "SELECT (SELECT count() FROM captures), (SELECT count() FROM messages)"); got[0] != "1 | 1" {
		t.Errorf("got %s", got[0])
	}
}

// While the archive is away, Write blocks once the queue is full, and nothing is
// acknowledged; afterwards everything is there.
func TestWriterBackPressure(t *testing.T) {
	s, direct, g := behind(t)
	away := make(chan struct{})
	g.before = func(_ string, _ int, w http.ResponseWriter, _ *http.Request) bool {
		select {
		case <-away:
			return false
		default:
			cut(w)
			return true
		}
	}
	w := s.NewWriter(t.Context(), WriterOptions{Rows: 1, Queue: 2, Inserters: 1})
	written := byte(0)
	for {
		b := w.Batch()
		oneOfEach(b, written)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := w.Write(ctx, b, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if written++; written > 10 {
			t.Fatal("Write never blocks")
		}
	}
	if durable, waiting := w.Progress(); durable != 0 || !waiting {
		t.Errorf("%d batches durable, waiting %v; want 0, true", durable, waiting)
	}
	close(away)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if durable, waiting := w.Progress(); durable != uint64(written) || waiting {
		t.Errorf("%d batches durable, waiting %v; want %d, false", durable, waiting, written)
	}
	if got := query(t, direct, "SELECT count() FROM messages"); got[0] != fmt.Sprint(written) {
		t.Errorf("%s messages, want %d", got[0], written)
	}
}

// A writer whose context ends gives up retrying.
func TestWriterContextEnds(t *testing.T) {
	s, _, g := behind(t)
	tried := make(chan struct{}, 100)
	g.before = func(_ string, _ int, w http.ResponseWriter, _ *http.Request) bool {
		tried <- struct{}{}
		cut(w)
		return true
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := s.NewWriter(ctx, WriterOptions{})
	b := w.Batch()
	oneOfEach(b, 1)
	if err := w.Write(t.Context(), b, func() { t.Error("acknowledged") }); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-tried
		cancel()
	}()
	if err := w.Close(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v, want %v", err, context.Canceled)
	}
}

func TestBackoff(t *testing.T) {
	last := time.Duration(0)
	for n := 1; n < 100; n++ {
		d := backoff(n)
		if d < last || d > lastBackoff || d <= 0 {
			t.Errorf("backoff(%d) = %v after %v", n, d, last)
		}
		last = d
	}
	if last != lastBackoff {
		t.Errorf("backoff ends at %v, want %v", last, lastBackoff)
	}
}

func TestOpenTargets(t *testing.T) {
	for _, test := range []struct {
		target, name, fails string
	}{
		{"clickhouse://ann@db:8123/x400", "db:8123/x400", ""},
		{"clickhouse://ann:sec%20ret@db:8123/x400", "", "a password stands in the target"},
		{"clickhouse://ann@db:8123/x400?password=sec ret", "", "a password stands in the target"},
		{"clickhouse://db:8443/x400?secure=true", "db:8443/x400", ""},
		{"clickhouse://ann@db1:8123,db2:8123,db3:8124/x400?insert_quorum=2", "db1:8123,db2:8123,db3:8124/x400", ""},
		{"kafka://db:9092/topic", "", "no scheme"},
		{"", "", "no target"},
		{"clickhouse://ann:sec ret@%zz/", "", "no URL"},
	} {
		s, err := Open(Options{Target: test.target})
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), " ret@") || strings.Contains(err.Error(), "20ret") {
				t.Errorf("%s: %v, want an error with %q", test.target, err, test.fails)
			}
			continue
		}
		if err != nil || s.Name() != test.name {
			t.Errorf("%s: %v, %v; want %s", test.target, s, err, test.name)
		}
	}
}
