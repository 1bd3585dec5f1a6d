package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"x400flow/schema"
)

// inserter inserts blocks. It belongs to one goroutine.
type inserter struct {
	w *Writer
	// times is where times are turned into what clickhouse-go takes: it reads
	// whole numbers in a column of times as milliseconds.
	times []time.Time
	// octets is where columns are made octets for their digest.
	octets []byte
	digest hash.Hash
}

// insert makes the rows of every table of a block durable.
func (in *inserter) insert(b *block) error {
	size := float64(b.batch.Bytes())
	in.w.metrics.pending.Add(size)
	defer in.w.metrics.pending.Sub(size)
	in.w.metrics.size.Observe(float64(b.batch.Rows()))
	for _, t := range b.batch.All() {
		if t.Rows() == 0 {
			continue
		}
		if t == schema.Columnar(&b.batch.Progresses) || t == schema.Columnar(&b.batch.Captures) {
			if err := in.w.turn(b.number); err != nil {
				return err
			}
		}
		if err := in.table(t); err != nil {
			return err
		}
	}
	return nil
}

// table inserts the rows of one table, as often as it takes.
func (in *inserter) table(t schema.Columnar) error {
	m, name := in.w.metrics, label(t.Table())
	settings := clickhouse.Settings{
		// Only ever serves to repeat this very block, the answer to which was
		// lost: the token is the digest of all its values. It takes effect on
		// replicated tables. Other tables remember no tokens, on purpose: they
		// note one before the part is there, so that a crash between would make
		// the repetition a loss. There the sorting key removes what is twice.
		// A Distributed table cuts a block among the shards, always in the same way,
		// and hands the token on: a shard that has its part leaves out the
		// repetition, one that has not takes it.
		"insert_deduplication_token": in.token(t),
		// An acknowledged block is in a part on every shard concerned: neither queued
		// on disk for a shard nor in a server's memory.
		"distributed_foreground_insert": 1,
		"async_insert":                  0,
		// The partition key is bounded by itself.
		"max_partitions_per_insert_block": 0,
	}
	for attempt := 1; ; attempt++ {
		m.attempts.WithLabelValues(name).Inc()
		start := time.Now()
		err := in.attempt(t, settings)
		m.seconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
		if err == nil {
			m.inserts.WithLabelValues(name).Inc()
			m.rows.WithLabelValues(name).Add(float64(t.Rows()))
			m.octets.WithLabelValues(name).Add(float64(t.Bytes()))
			return nil
		}
		m.failures.WithLabelValues(name).Inc()
		if refused := (*RefusedError)(nil); errors.As(err, &refused) {
			return err
		}
		if permanent(err) {
			return &RefusedError{Table: name, Err: err}
		}
		if in.w.ctx.Err() == nil && in.w.o.OnRetry != nil {
			in.w.o.OnRetry(name, attempt, err)
		}
		if wait(in.w.ctx, attempt) != nil {
			return fmt.Errorf("store: %s: %w, after %d attempts: %v", name, in.w.ctx.Err(), attempt, err)
		}
	}
}

// attempt sends the rows of one table once.
func (in *inserter) attempt(t schema.Columnar, settings clickhouse.Settings) error {
	columns := t.Columns()
	names := make([]string, len(columns))
	types := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		types[i] = clickhouse.ColumnNameAndType{Name: c.Name, Type: c.Type}
	}
	ctx := clickhouse.Context(in.w.ctx, clickhouse.WithColumnNamesAndTypes(types), clickhouse.WithSettings(settings))
	batch, err := in.w.store.conn.PrepareBatch(ctx, "INSERT INTO "+t.Table()+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer batch.Close()
	for i := range columns {
		v := t.Column(i)
		if ns, ok := v.(schema.Times); ok {
			in.times = in.times[:0]
			for _, n := range ns {
				in.times = append(in.times, time.Unix(0, n))
			}
			v = in.times
		}
		if err := batch.Column(i).Append(v); err != nil {
			return &RefusedError{Table: t.Table(), Err: fmt.Errorf("column %s: %w", columns[i].Name, err)}
		}
	}
	return batch.Send()
}

// token returns the digest of a table's rows.
func (in *inserter) token(t schema.Columnar) string {
	if in.digest == nil {
		in.digest = sha256.New()
	}
	in.digest.Reset()
	in.digest.Write([]byte(t.Table()))
	for i := range t.Columns() {
		b := in.octets[:0]
		switch v := t.Column(i).(type) {
		case []string:
			for _, s := range v {
				b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
				b = append(b, s...)
				if len(b) >= 64<<10 {
					in.digest.Write(b)
					b = b[:0]
				}
			}
		case []uuid.UUID:
			b = append(b, raw(v)...)
		case []bool:
			b = append(b, raw(v)...)
		case []int32:
			b = append(b, raw(v)...)
		case []uint16:
			b = append(b, raw(v)...)
		case []uint32:
			b = append(b, raw(v)...)
		case []uint64:
			b = append(b, raw(v)...)
		case schema.Times:
			b = append(b, raw(v)...)
		}
		in.digest.Write(b)
		in.octets = b[:0]
	}
	return hex.EncodeToString(in.digest.Sum(nil))
}

// raw returns the octets of a slice, for reading while the slice stays. The
// types that it is called with have no pointers and no padding.
func raw[T uuid.UUID | bool | int32 | uint16 | uint32 | uint64 | int64](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))
}
