package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"

	"x400flow/schema"
)

// inserter inserts blocks. It belongs to one goroutine.
type inserter struct {
	w *Writer
	// native is what of a table's rows is not in its batches as it travels, packed all of
	// them compressed.
	native, packed []byte
	packer         *compress.Writer
	// need is of packed.
	need need
}

// encoded is the rows of one table as they travel.
type encoded struct {
	table, statement string
	native           [][]byte
	rows, octets     int
}

// insert makes the rows of every table of a block durable, and gives the batches back:
// until then their memory is what is sent.
func (in *inserter) insert(b *block) error {
	in.w.metrics.pending.Add(float64(b.bytes))
	defer in.w.metrics.pending.Sub(float64(b.bytes))
	if len(b.batches) > 0 {
		in.w.metrics.size.Observe(float64(b.rows))
	}
	packed := 0
	for _, parts := range b.batches.All() {
		switch parts[0].(type) {
		case *schema.Progresses, *schema.Captures:
			// They tell what is in the archive, and wait until it is.
			if err := in.w.turn(b.number); err != nil {
				return err
			}
		}
		t := in.encode(parts)
		if err := in.send(&t); err != nil {
			return err
		}
		packed = max(packed, len(in.packed))
	}
	for _, batch := range b.batches {
		in.w.spare.put(batch)
	}
	b.batches = nil
	in.need.add(packed)
	if cap(in.packed) > 2*in.need.most() {
		in.packed = nil
	}
	return nil
}

// encode encodes the rows of a table.
func (in *inserter) encode(parts []schema.Columnar) encoded {
	t := encoded{table: parts[0].Table()}
	var names []string
	for _, c := range parts[0].Columns() {
		names = append(names, c.Name)
	}
	t.statement = "INSERT INTO " + t.table + " (" + strings.Join(names, ", ") + ")"
	for _, p := range parts {
		t.rows += p.Rows()
		t.octets += p.Bytes()
	}
	in.native, t.native = schema.AppendNativePieces(in.native[:0], parts...)
	return t
}

// insertSettings returns the settings with which rows are inserted.
func insertSettings() clickhouse.Settings {
	return clickhouse.Settings{
		// An acknowledged block is in a part on every shard concerned: neither queued
		// on disk for a shard nor in a server's memory.
		"distributed_foreground_insert": 1,
		"async_insert":                  0,
		// The partition key is bounded by itself.
		"max_partitions_per_insert_block": 0,
		// Rows of a block that are readings of the same are left to merges and to FINAL, which
		// see to those of different blocks anyway: looking for them costs as much as a
		// fifth of an insert, and there hardly are any.
		"optimize_on_insert": 0,
	}
}

// send inserts the rows of one table, as often as it takes.
func (in *inserter) send(t *encoded) error {
	m, name := in.w.metrics, label(t.table)
	settings := insertSettings()
	body, packed := t.native, false
	if in.w.store.remote {
		// Only ever serves to repeat this very block, the answer to which was
		// lost: the token is the digest of all its values. It takes effect on
		// replicated tables. Other tables remember no tokens, on purpose: they
		// note one before the part is there, so that a crash between would make
		// the repetition a loss. There the sorting key removes what is twice.
		// A Distributed table cuts a block among the shards, always in the same way,
		// and hands the token on: a shard that has its part leaves out the
		// repetition, one that has not takes it.
		settings["insert_deduplication_token"] = token(t.table, t.native)
		var err error
		if body, packed, err = in.pack(t.native); err != nil {
			return &RefusedError{Table: name, Err: err}
		}
	}
	for attempt := 1; ; attempt++ {
		m.attempts.WithLabelValues(name).Inc()
		start := time.Now()
		err := in.w.store.insert(in.w.ctx, settings, t.statement, &reader{pieces: body}, delivery{octets(body), packed})
		m.seconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
		if err == nil {
			m.inserts.WithLabelValues(name).Inc()
			m.rows.WithLabelValues(name).Add(float64(t.rows))
			m.octets.WithLabelValues(name).Add(float64(t.octets))
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

// packedAtOnce is how many octets are compressed together.
const packedAtOnce = 1 << 20

// pack compresses the rows for the network, as the target says, in ClickHouse's own
// framing, and reports whether it did. Other compressions are clickhouse-go's.
func (in *inserter) pack(native [][]byte) (body [][]byte, packed bool, err error) {
	c := in.w.store.options.Compression
	if c == nil || c.Method != clickhouse.CompressionLZ4 && c.Method != clickhouse.CompressionZSTD {
		return native, false, nil
	}
	if in.packer == nil {
		in.packer = compress.NewWriter(compress.Level(c.Level), compress.Method(c.Method))
	}
	in.packed = in.packed[:0]
	for _, piece := range native {
		for part := range slices.Chunk(piece, packedAtOnce) {
			if err := in.packer.Compress(part); err != nil {
				return nil, false, err
			}
			in.packed = append(in.packed, in.packer.Data...)
		}
	}
	return [][]byte{in.packed}, true, nil
}

// reader reads pieces, of which many are short: it fills what it is given.
type reader struct {
	pieces [][]byte
	at     int // Octets of the first that were read.
}

func (r *reader) Read(p []byte) (n int, err error) {
	for n < len(p) && len(r.pieces) > 0 {
		k := copy(p[n:], r.pieces[0][r.at:])
		n, r.at = n+k, r.at+k
		if r.at == len(r.pieces[0]) {
			r.pieces, r.at = r.pieces[1:], 0
		}
	}
	if len(r.pieces) == 0 && n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Insert inserts rows that are ready, in Native format and so many octets, with the settings
// of a Writer. The statement is "INSERT INTO table (columns)".
func (s *Store) Insert(ctx context.Context, statement string, rows io.Reader, octets int64) error {
	return s.insert(ctx, insertSettings(), statement, rows, delivery{octets, false})
}

func (s *Store) insert(ctx context.Context, settings clickhouse.Settings, statement string, rows io.Reader, d delivery) error {
	return s.conn.InsertFormat(delivering(ctx, settings, d), "Native", statement, rows)
}

// delivering returns a context for clickhouse-go, from which telling knows d.
func delivering(ctx context.Context, settings clickhouse.Settings, d delivery) context.Context {
	return context.WithValue(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), delivery{}, d)
}

// delivery is what clickhouse-go does not know of the body of an insert. A zero one is
// its key in the context of the request.
type delivery struct {
	octets int64
	// packed says that it is compressed in ClickHouse's own framing.
	packed bool
}

// telling completes the requests of inserts. A setting of the statement would not do to tell
// of such compression: clickhouse-go has it in its greeting of a new connection, too.
type telling struct {
	next     http.RoundTripper
	answered *atomic.Bool // By the server, once at least.
}

// RoundTrip implements http.RoundTripper.
func (t telling) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	if d, ok := r.Context().Value(delivery{}).(delivery); ok && q.Has("query") {
		r = r.Clone(r.Context())
		if r.Header.Get("Content-Encoding") == "" {
			// Of unknown length it would be sent in chunks, each with three system calls.
			r.ContentLength = d.octets
		}
		if d.packed {
			q.Set("decompress", "1")
			r.URL.RawQuery = q.Encode()
		}
	}
	answer, err := t.next.RoundTrip(r)
	if err == nil {
		t.answered.Store(true)
	} else if r.URL.Scheme == "https" && !t.answered.Load() && ended(err) {
		err = fmt.Errorf("%w: the server ended the connection without an answer, as one may that does not take this client's certificate (-store-cert)", err)
	}
	return answer, err
}

// ended reports whether err is the end of a connection. In TLS 1.3 a client takes the
// handshake to be over before the server has seen its certificate; of the server's reason
// nothing arrives where its end of the connection is faster.
func ended(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	// Net/http's error for an end before the first octet of a request is its own.
	return strings.Contains(err.Error(), "server closed idle connection")
}

// octets returns how many octets pieces have.
func octets(pieces [][]byte) (n int64) {
	for _, p := range pieces {
		n += int64(len(p))
	}
	return n
}

// token returns the digest of a table's rows.
func token(table string, native [][]byte) string {
	h := sha256.New()
	h.Write([]byte(table))
	for _, piece := range native {
		h.Write(piece)
	}
	return hex.EncodeToString(h.Sum(nil))
}
