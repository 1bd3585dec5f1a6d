package decode

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"x400flow/bench/generate"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/schema"
)

// real lists the captures of real traffic; see testdata/mta/README.md.
func real(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("../../testdata/mta/*.pcap")
	if err != nil || len(names) < 9 {
		t.Fatalf("captures not found: %v, %v", names, err)
	}
	return names
}

// frames reads a capture into memory.
func frames(t testing.TB, pcap []byte) []capture.Frame {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(pcap), "test", int64(len(pcap)))
	if err != nil {
		t.Fatal(err)
	}
	var out []capture.Frame
	var f capture.Frame
	for {
		if err := r.Next(&f); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		f.Data = bytes.Clone(f.Data)
		out = append(out, f)
	}
}

// realFrames are the frames of all real captures, one after the other.
func realFrames(t testing.TB) []capture.Frame {
	var all []capture.Frame
	for _, name := range real(t) {
		all = append(all, frames(t, readFile(t, name))...)
	}
	return all
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// generated is a capture with all that the generator knows.
func generated(t testing.TB, messages int, change func(o *generate.Options)) []byte {
	t.Helper()
	o := generate.DefaultOptions()
	o.Messages, o.OddRate, o.PerAssociation, o.AccessRate = messages, 0.2, 4, 0.2
	if change != nil {
		change(&o)
	}
	var b bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &b}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sense gives frames to a sensor that publishes on b, and ends it.
func sense(t testing.TB, cfg sensor.Config, b bus.Publisher, in []capture.Frame) {
	cfg.Name = "test"
	cfg.Decoder.Ports = []uint16{102}
	cfg.TCP.Ports = cfg.Decoder.Ports
	cfg.Source = func(int32) string { return "test" }
	s := sensor.New(cfg, b)
	ctx := context.Background()
	for i := range in {
		if err := s.Frame(ctx, &in[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

// records returns what a sensor makes of frames.
func records(t testing.TB, cfg sensor.Config, in []capture.Frame) [][]byte {
	t.Helper()
	b := new(recorder)
	sense(t, cfg, b, in)
	return b.records
}

// recorder is a bus that keeps what is published.
type recorder struct{ records [][]byte }

func (r *recorder) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	r.records = append(r.records, bytes.Clone(rec.B))
	rec.Release()
	return nil
}

// decoded returns the rows and counts that a pool makes of records.
func decoded(t testing.TB, cfg Config, records [][]byte) (tables, Stats) {
	t.Helper()
	got := newGatherer()
	stats := decodedInto(t, cfg, records, got)
	return got.tables, stats
}

// decodedInto has a pool decode records into a sink.
func decodedInto(t testing.TB, cfg Config, records [][]byte, into Sink) Stats {
	t.Helper()
	b := memory.New(1 << 30)
	p := New(cfg, b, into)
	go func() {
		for _, rec := range records {
			buf := record.NewBuffer()
			buf.B = append(buf.B, rec...)
			if err := b.Publish(context.Background(), bus.Key{}, buf); err != nil {
				panic(err)
			}
		}
		b.Close()
	}()
	if err := p.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p.Stats()
}

// direct is a bus whose other end is one shard, without a queue between.
type direct struct {
	w    *worker
	sink *gatherer
}

func newDirect(cfg Config) *direct {
	d := &direct{sink: newGatherer()}
	d.w = New(cfg, nil, d.sink).workers[0]
	d.w.batch = d.sink.Batch()
	return d
}

func (d *direct) Publish(ctx context.Context, _ bus.Key, rec *record.Buffer) error {
	j, _, _ := d.w.pool.job(d.w.pool.lane(ctx, 0), bus.Delivery{Record: rec, Ack: func() {}})
	j.lane.order.add(0, j.number)
	d.w.jobs = append(d.w.jobs[:0], j)
	_, err := d.w.doAll(ctx)
	return err
}

// rows returns the rows of frames. It may be called again.
func (d *direct) rows(t testing.TB, in []capture.Frame) tables {
	t.Helper()
	sense(t, sensor.Config{}, d, in)
	if err := d.w.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.again()
	got := d.sink.tables
	d.sink.tables = newTables()
	return got
}

// rowsOf returns the rows of frames.
func rowsOf(t testing.TB, in []capture.Frame) tables {
	t.Helper()
	return newDirect(Config{}).rows(t, in)
}

// tables are rows by table and by what the table is sorted by: of rows that
// agree in that, ClickHouse keeps the one of the highest version.
type tables map[string]map[string]row

type row struct {
	version uint64
	columns map[string]string
}

// keys are the sorting keys of the tables, as the migrations have them.
var keys = sync.OnceValue(func() map[string][]string {
	files, err := filepath.Glob("../../schema/migrations/*.sql")
	if err != nil || len(files) == 0 {
		panic("no migrations")
	}
	table := regexp.MustCompile(`(?s)CREATE TABLE \{\{table "(\w+)"\}\}.*?\nORDER BY ([^\n;]+)`)
	out := map[string][]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		for _, m := range table.FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = strings.Split(strings.Trim(m[2], "()"), ", ")
		}
	}
	return out
})

// gatherer takes rows and keeps them as text.
type gatherer struct {
	mu     sync.Mutex
	tables tables
	free   *schema.Batch
}

func newGatherer() *gatherer { return &gatherer{tables: newTables()} }

func newTables() tables {
	ts := tables{}
	for name := range keys() {
		ts[name] = map[string]row{}
	}
	return ts
}

func (c *gatherer) Batch() *schema.Batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.free; b != nil {
		c.free = nil
		return b
	}
	return new(schema.Batch)
}

func (c *gatherer) Flush(context.Context) error { return nil }
func (c *gatherer) Write(_ context.Context, b *schema.Batch, ack func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range b.All() {
		columns := t.Columns()
		all := make([]any, len(columns))
		for j := range columns {
			all[j] = values(t, j)
		}
		for i := range t.Rows() {
			r := row{columns: make(map[string]string, len(columns))}
			for j, col := range columns {
				r.columns[col.Name] = text1(all[j], i)
				if v, ok := all[j].([]uint64); ok && col.Name == "version" {
					r.version = v[i]
				}
			}
			key := make([]string, len(keys()[t.Table()]))
			for j, name := range keys()[t.Table()] {
				key[j] = r.columns[name]
			}
			k := strings.Join(key, " ")
			if old, ok := c.tables[t.Table()][k]; !ok || r.version >= old.version {
				c.tables[t.Table()][k] = r
			}
		}
	}
	b.Reset()
	c.free = b
	if ack != nil {
		ack()
	}
	return nil
}

// texts returns the values of a column of texts.
func texts(table schema.Columnar, column string) []string {
	i := slices.IndexFunc(table.Columns(), func(c schema.Column) bool { return c.Name == column })
	return table.Column(i).(*schema.Texts).Strings()
}

// values returns a column for text1 and value, its texts decoded once.
func values(table schema.Columnar, i int) any {
	column := table.Column(i)
	if t, ok := column.(*schema.Texts); ok {
		return t.Strings()
	}
	return column
}

// text1 returns a value of a column as text, a long one as its digest.
func text1(column any, i int) string {
	switch v := column.(type) {
	case []string:
		if len(v[i]) > 256 {
			return fmt.Sprintf("%d octets %x", len(v[i]), sha256.Sum256([]byte(v[i])))
		}
		return strings.Clone(v[i])
	case []uuid.UUID:
		return v[i].String()
	case []bool:
		return strconv.FormatBool(v[i])
	case []int32:
		return strconv.FormatInt(int64(v[i]), 10)
	case []int64:
		return strconv.FormatInt(v[i], 10)
	case []uint16:
		return strconv.FormatUint(uint64(v[i]), 10)
	case []uint32:
		return strconv.FormatUint(uint64(v[i]), 10)
	case []uint64:
		return strconv.FormatUint(v[i], 10)
	case schema.Times:
		return strconv.FormatInt(v[i], 10)
	}
	panic(fmt.Sprintf("a column of %T", column))
}

// same compares rows, but for some columns, and tells the first few differences.
func same(t testing.TB, got, want tables, but ...string) {
	t.Helper()
	differences := 0
	tell := func(format string, args ...any) {
		t.Helper()
		if differences++; differences <= 10 {
			t.Errorf(format, args...)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(want)) {
		for k, w := range want[table] {
			g, ok := got[table][k]
			if !ok {
				tell("%s: %s is missing: %v", table, k, brief(w))
				continue
			}
			for _, d := range differing(g, w, but) {
				tell("%s: %s: %s", table, k, d)
			}
		}
		for k, g := range got[table] {
			if _, ok := want[table][k]; !ok {
				tell("%s: %s is not expected: %v", table, k, brief(g))
			}
		}
	}
	if differences > 10 {
		t.Errorf("%d differences in all", differences)
	}
}

func differing(got, want row, but []string) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(want.columns)) {
		if g, w := got.columns[name], want.columns[name]; g != w && !slices.Contains(but, name) {
			out = append(out, fmt.Sprintf("%s is %q, want %q", name, g, w))
		}
	}
	return out
}

// brief is what of a row tells which it is.
func brief(r row) string {
	var out []string
	for _, name := range []string{"mts_id", "client_port", "layer", "reason", "detail", "direction", "stream_offset"} {
		if v := r.columns[name]; v != "" {
			out = append(out, name+"="+v)
		}
	}
	return strings.Join(out, " ")
}

// column returns a column of a table, sorted.
func (ts tables) column(table, name string) []string {
	var out []string
	for _, r := range ts[table] {
		out = append(out, r.columns[name])
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}
