// X400queries measures how fast an archive answers: it makes one of so many
// messages, runs every ready-made report over its default range and searches by
// recipient, word and identifier, and prints what each took.
//
//	x400queries -messages 10000000 -ingest bin/ingest -store /tmp/queries
//
// The archive's messages begin as generated traffic that -ingest decodes, and are
// multiplied in SQL: each copy with identifiers, times, names, subjects and texts
// of its own. At last 5% of the messages, with all that belongs to them, are
// inserted again, and merges are held back, so that these duplicates stay for
// queries to remove. An archive that is there is measured as it is.
//
// docs/performance.md has the results.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"x400flow/engine"
	"x400flow/pipeline/store"
)

type options struct {
	dir      string
	ingest   string
	query    string
	messages int
	seed     int
	days     int
	threads  int
	runs     int
	only     string
}

func main() {
	engine.Main()
	o := options{}
	flag.StringVar(&o.dir, "store", "", "archive `directory`, made unless it is there")
	flag.StringVar(&o.ingest, "ingest", "bin/ingest", "`program` that archives the first messages")
	flag.StringVar(&o.query, "query", "bin/query", "`program` that shows a message and lists messages")
	flag.IntVar(&o.messages, "messages", 10_000_000, "how many messages, probes and reports, in round `number`s of the seed's")
	flag.IntVar(&o.seed, "seed", 30_000, "how many messages to generate and decode; all others are made of these and their reports")
	flag.IntVar(&o.days, "days", 730, "over how many `days` they are spread")
	flag.IntVar(&o.threads, "threads", 2, "threads of a query")
	flag.IntVar(&o.runs, "runs", 5, "how often each query is run warm")
	flag.StringVar(&o.only, "only", "", "measure only what has this `text` in its name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "x400queries: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, out io.Writer) error {
	if o.dir == "" {
		return fmt.Errorf("-store says where the archive is to be")
	}
	started := engine.Options{Threads: o.threads, Idle: time.Minute}
	if err := makeArchive(ctx, o, started); err != nil {
		return fmt.Errorf("%w (what was made so far stays in %s: the same command goes on with it)", err, o.dir)
	}
	st, err := store.Open(store.Options{Target: o.dir, Program: "x400queries", Engine: started})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.CheckVersion(ctx); err != nil {
		return err
	}
	if err := describe(ctx, st, out); err != nil {
		return err
	}
	return measureAll(ctx, st, o, started, out)
}

// one returns the only value of a query.
func one[T any](ctx context.Context, conn driver.Conn, sql string) (v T, err error) {
	if err = conn.QueryRow(ctx, sql).Scan(&v); err != nil {
		err = fmt.Errorf("%w in %s", err, sql)
	}
	return v, err
}

// with returns a context whose statements have the settings.
func with(ctx context.Context, s clickhouse.Settings) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(s))
}
