// Package store is the one client of the archive: clickhouse-go over HTTP,
// whether the archive is a directory that package engine holds or a ClickHouse
// server.
//
// A [Store] runs queries, applies the migrations of package schema and opens
// [Writer]s. It is safe for concurrent use.
package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"x400flow/engine"
	"x400flow/schema"
)

// Options says which archive and how it is talked to.
type Options struct {
	// Target is a directory, such as ./archive, or a server:
	// clickhouse://user@host:8123/database.
	Target string
	// Password is the server's. It is never part of an error.
	Password string
	// Engine is how the directory's engine is started.
	Engine engine.Options
	// ReadOnly makes every statement run with the setting readonly=2.
	ReadOnly bool
	// Program names the program in the server's query log.
	Program string
}

// Store is an archive, opened.
type Store struct {
	conn driver.Conn
}

// Open prepares the connection; nothing is dialled before the first statement.
func Open(ctx context.Context, o Options) (*Store, error) { panic("to come") }

// Close closes the connections.
func (s *Store) Close() error { panic("to come") }

// Conn is the connection, for statements of the caller's own.
func (s *Store) Conn() driver.Conn { return s.conn }

// Migrate brings the archive to the schema of this program. Several programs may
// try at once.
func (s *Store) Migrate(ctx context.Context, o schema.Form) error { panic("to come") }

// CheckVersion returns a *VersionError unless the archive has the schema of this
// program.
func (s *Store) CheckVersion(ctx context.Context) error { panic("to come") }

// WriterOptions bounds a writer. Zero fields mean the defaults.
type WriterOptions struct {
	// Rows and Bytes are how much is collected before it is inserted.
	Rows  int
	Bytes int
	// Queue is how many batches may wait.
	Queue int
	// Registerer, if not nil, gets the metrics.
	Registerer prometheus.Registerer
}

// Writer inserts batches.
type Writer struct{}

// NewWriter starts a writer, which ends with ctx or by Close.
func (s *Store) NewWriter(ctx context.Context, o WriterOptions) *Writer { panic("to come") }

// Batch returns an empty batch, recycled where possible.
func (w *Writer) Batch() *schema.Batch { panic("to come") }

// Write hands b over; it belongs to the writer from then on. It blocks while the
// queue is full. ack, if not nil, is called once when every row of b is durable,
// and never if one is not; it must not block. Batches become durable, and acks
// are called, in the order of Write. The error is the one that stopped the
// writer, or ctx's.
func (w *Writer) Write(ctx context.Context, b *schema.Batch, ack func()) error { panic("to come") }

// Flush inserts what was written and returns when it is durable.
func (w *Writer) Flush(ctx context.Context) error { panic("to come") }

// Close flushes and ends the writer.
func (w *Writer) Close(ctx context.Context) error { panic("to come") }

// Err returns the error that stopped the writer, nil while it works.
func (w *Writer) Err() error { panic("to come") }
