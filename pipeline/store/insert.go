package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"

	"x400flow/schema"
)

// inserter inserts blocks. It belongs to one goroutine.
type inserter struct {
	w *Writer
	// native is a table's rows as they travel, packed the same compressed.
	native, packed []byte
	packer         *compress.Writer
	// need is of native: what the largest table of a block takes.
	need    need
	largest int
}

// insert makes the rows of every table of a block durable.
func (in *inserter) insert(b *block) error {
	if len(b.batches) == 0 {
		return nil
	}
	in.w.metrics.pending.Add(float64(b.bytes))
	defer in.w.metrics.pending.Sub(float64(b.bytes))
	in.w.metrics.size.Observe(float64(b.rows))
	in.largest = 0
	for _, parts := range b.batches.All() {
		switch parts[0].(type) {
		case *schema.Progresses, *schema.Captures:
			if err := in.w.turn(b.number); err != nil {
				return err
			}
		}
		if err := in.table(parts); err != nil {
			return err
		}
	}
	in.need.add(in.largest)
	in.trim(2 * in.need.most())
	return nil
}

// table inserts the rows of one table, as often as it takes.
func (in *inserter) table(parts []schema.Columnar) error {
	t := parts[0]
	m, name := in.w.metrics, label(t.Table())
	rows, octets := 0, 0
	for _, p := range parts {
		rows += p.Rows()
		octets += p.Bytes()
	}
	in.largest = max(in.largest, octets)
	in.native = schema.AppendNative(slices.Grow(in.native[:0], octets), parts...)
	settings := clickhouse.Settings{
		// An acknowledged block is in a part on every shard concerned: neither queued
		// on disk for a shard nor in a server's memory.
		"distributed_foreground_insert": 1,
		"async_insert":                  0,
		// The partition key is bounded by itself.
		"max_partitions_per_insert_block": 0,
	}
	body, ctx := in.native, in.w.ctx
	if in.w.store.remote {
		// Only ever serves to repeat this very block, the answer to which was
		// lost: the token is the digest of all its values. It takes effect on
		// replicated tables. Other tables remember no tokens, on purpose: they
		// note one before the part is there, so that a crash between would make
		// the repetition a loss. There the sorting key removes what is twice.
		// A Distributed table cuts a block among the shards, always in the same way,
		// and hands the token on: a shard that has its part leaves out the
		// repetition, one that has not takes it.
		settings["insert_deduplication_token"] = token(t.Table(), in.native)
		var err error
		if body, ctx, err = in.pack(); err != nil {
			return &RefusedError{Table: name, Err: err}
		}
	}
	defer in.trim(maxKept)
	for attempt := 1; ; attempt++ {
		m.attempts.WithLabelValues(name).Inc()
		start := time.Now()
		err := in.attempt(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), t, body)
		m.seconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
		if err == nil {
			m.inserts.WithLabelValues(name).Inc()
			m.rows.WithLabelValues(name).Add(float64(rows))
			m.octets.WithLabelValues(name).Add(float64(octets))
			return nil
		}
		m.failures.WithLabelValues(name).Inc()
		if refused := (*RefusedError)(nil); errors.As(err, &refused) {
			return err
		}
		if permanent(err) {
			return &RefusedError{Table: name, Err: err}
		}
		if in.w.ctx.Err() == nil {
			in.w.retries.Add(1)
			in.w.o.Log.Warn("insert failed; trying again", "table", name, "attempt", attempt, "error", err)
		}
		if wait(in.w.ctx, attempt) != nil {
			return fmt.Errorf("store: %s: %w, after %d attempts: %v", name, in.w.ctx.Err(), attempt, err)
		}
	}
}

// attempt sends the rows of one table once.
func (in *inserter) attempt(ctx context.Context, t schema.Columnar, body []byte) error {
	columns := t.Columns()
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return in.w.store.conn.InsertFormat(ctx, "Native", "INSERT INTO "+t.Table()+" ("+strings.Join(names, ", ")+")", bytes.NewReader(body))
}

// packedAtOnce is how many octets are compressed together.
const packedAtOnce = 1 << 20

// pack compresses the rows for the network, as the target says, in ClickHouse's own
// framing, and returns the context that says so to sayPacked. Other compressions are
// clickhouse-go's.
func (in *inserter) pack() ([]byte, context.Context, error) {
	c := in.w.store.options.Compression
	if c == nil || c.Method != clickhouse.CompressionLZ4 && c.Method != clickhouse.CompressionZSTD {
		return in.native, in.w.ctx, nil
	}
	if in.packer == nil {
		in.packer = compress.NewWriter(compress.Level(c.Level), compress.Method(c.Method))
	}
	in.packed = in.packed[:0]
	for piece := range slices.Chunk(in.native, packedAtOnce) {
		if err := in.packer.Compress(piece); err != nil {
			return nil, nil, err
		}
		in.packed = append(in.packed, in.packer.Data...)
	}
	return in.packed, context.WithValue(in.w.ctx, packed{}, true), nil
}

// packed marks the context of an insert whose body is compressed.
type packed struct{}

// sayPacked tells the server of such a body. A setting of the statement would not do:
// clickhouse-go has it in its greeting of a new connection, too.
type sayPacked struct{ next http.RoundTripper }

func (s sayPacked) RoundTrip(r *http.Request) (*http.Response, error) {
	if q := r.URL.Query(); r.Context().Value(packed{}) != nil && q.Has("query") {
		r = r.Clone(r.Context())
		q.Set("decompress", "1")
		r.URL.RawQuery = q.Encode()
	}
	return s.next.RoundTrip(r)
}

// maxKept bounds the memory that is kept from one table to the next: that for a large
// message is given up.
const maxKept = 64 << 20

// trim gives up memory beyond so many octets.
func (in *inserter) trim(most int) {
	for _, b := range []*[]byte{&in.native, &in.packed} {
		if cap(*b) > most {
			*b = nil
		}
	}
}

// token returns the digest of a table's rows.
func token(table string, native []byte) string {
	h := sha256.New()
	h.Write([]byte(table))
	h.Write(native)
	return hex.EncodeToString(h.Sum(nil))
}
