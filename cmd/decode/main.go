// Decode turns TPDU stream records into the rows of an archive.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"x400flow/cmd/internal/config"
	"x400flow/cmd/internal/confine"
	"x400flow/cmd/internal/heap"
	"x400flow/cmd/internal/service"
	"x400flow/engine"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/kafka"
	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/record"
	"x400flow/pipeline/store"
)

const usage = `Decode turns TPDU stream records into the rows of an archive.

  ingest -r mta.pcap -records mta.records   writes records
  decode -r mta.records -store ./archive    archives them
  decode -r - < mta.records                 from standard input
  decode -bus kafka://broker:9092/x400.tpdus   what sensors publish, until it is interrupted
  decode -again -store ./archive            decodes what an older version archived anew

The rows are those that ingest -r mta.pcap -store ./archive makes.

`

type options struct {
	read    string
	bus     config.Bus
	group   string
	session time.Duration
	store   config.Store
	monitor config.Monitor
	keep    string
	workers int
	// maxConns, buffered and idle bound what is kept of connections that do not end.
	maxConns int
	buffered config.Size
	rows     config.Size
	idle     time.Duration
	again    bool
	all      bool
	drain    time.Duration
	sandbox  confine.Flag
	flags    *flag.FlagSet
}

// readyWithin is how long rows may wait for the archive before the program says
// that it is not ready.
const readyWithin = 2 * time.Minute

// define returns the flags that set o.
func (o *options) define() *flag.FlagSet {
	o.buffered, o.rows = decode.DefaultMaxBuffered, store.DefaultMemory
	flags := flag.NewFlagSet("decode", flag.ContinueOnError)
	flags.StringVar(&o.read, "r", "", "record `file`, or - for standard input")
	o.bus.Define(flags)
	flags.StringVar(&o.group, "group", "x400flow", "Kafka consumer `group`: its members share the work")
	flags.DurationVar(&o.session, "session-timeout", kafka.DefaultSessionTimeout, "`time` after which a member that fell silent loses its share")
	o.store.Define(flags)
	o.store.DefineSchema(flags)
	o.monitor.Define(flags)
	flags.StringVar(&o.keep, "keep", "content", "`what` of a message to keep: content, or envelope: no text and no octets of contents, but headings, sizes and digests")
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "decoding `goroutines`")
	flags.IntVar(&o.maxConns, "max-connections", decode.DefaultMaxConnections, "most TCP `connections` kept at once; what is open of the longest silent one is given up")
	flags.Var(&o.buffered, "transfer-memory", "most `octets` kept of transfers that are not whole, and a quarter of it of those that are suspended; what is open of the longest silent connection is given up, and what was suspended first; room for two of 256M is there always")
	flags.Var(&o.rows, "row-memory", "most `octets` of rows on their way to the archive, about; one large message may take more")
	flags.DurationVar(&o.idle, "idle", decode.DefaultIdle, "capture `time` after which what is open of a silent connection is given up; above the sensors' -idle")
	flags.BoolVar(&o.again, "again", false, "decode the octets in the archive anew where an older decoder made the rows, and replace these")
	flags.BoolVar(&o.all, "all", false, "with -again: whichever decoder made the rows")
	flags.DurationVar(&o.drain, "drain", 30*time.Second, "with -bus: `time` that storing what was received may take after an interruption")
	o.sandbox.Define(flags)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
		fmt.Fprint(flags.Output(), config.Usage)
	}
	o.flags = flags
	return flags
}

func main() {
	engine.Main()
	var o options
	flags := o.define()
	err := config.Parse(flags, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = o.check(flags)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "decode: %v\nTry: decode -h\n", err)
		os.Exit(2)
	}
	log := slog.New(monitor.Sample(slog.NewTextHandler(os.Stderr, nil)))
	held, err := confine.Enter(o.sandbox, o.plan(flags))
	if err != nil {
		fmt.Fprintf(os.Stderr, "decode: %v\n", err)
		os.Exit(1)
	}
	if o.bus.URL != "" {
		held.Log(log, slog.LevelInfo)
	}
	ctx, stop := service.Signals(context.Background())
	err = run(ctx, &o, log, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "decode: %v\n", err)
		os.Exit(1)
	}
}

func (o *options) check(flags *flag.FlagSet) error {
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: the record file is named with -r", flags.Arg(0))
	case o.again && o.read != "":
		return errors.New("-again reads the archive, -r a record file: not both")
	case o.bus.URL != "" && (o.read != "" || o.again):
		return errors.New("-bus, -r and -again: one of them")
	case o.group == "":
		return errors.New("-group: must not be empty")
	case o.session < time.Second:
		return fmt.Errorf("-session-timeout %v: must be a second at least", o.session)
	case o.all && !o.again:
		return errors.New("-all goes with -again")
	case o.read == "" && o.bus.URL == "" && !o.again:
		return errors.New("nothing to read: name a record file with -r or a topic with -bus")
	case o.keep != "content" && o.keep != "envelope":
		return fmt.Errorf("-keep %s: must be content or envelope", o.keep)
	case o.workers < 1:
		return fmt.Errorf("-workers %d: must be at least 1", o.workers)
	case o.maxConns < 1:
		return fmt.Errorf("-max-connections %d: must be at least 1", o.maxConns)
	case o.drain <= 0:
		return fmt.Errorf("-drain %v: must be above 0", o.drain)
	case o.sandbox.Check() != nil:
		return o.sandbox.Check()
	case o.idle <= 0:
		return fmt.Errorf("-idle %v: must be above 0", o.idle)
	}
	return nil
}

// reload reads the configuration anew. Renewed certificates are read in any case;
// everything else changes at the next start.
func (o *options) reload(log *slog.Logger) error {
	var n options
	flags := n.define()
	if err := config.Parse(flags, os.Args[1:]); err != nil {
		return err
	}
	if err := n.check(flags); err != nil {
		return err
	}
	if changed := config.Changed(o.flags, flags); len(changed) > 0 {
		log.Warn("some options change at the next start", "options", strings.Join(changed, " "))
	}
	return nil
}

// plan says what the run is to have access to.
func (o *options) plan(flags *flag.FlagSet) confine.Plan {
	p := confine.Plan{Network: o.bus.URL != "", Listen: o.monitor.Listen}
	if o.read != "" && o.read != "-" {
		p.Read = append(p.Read, o.read)
	}
	p.ReadBeside(flags.Lookup("config").Value.String())
	p.ReadBeside(o.store.Files()...)
	p.ReadBeside(o.bus.Files()...)
	o.store.Plan(&p)
	return p
}

func run(ctx context.Context, o *options, log *slog.Logger, out io.Writer) error {
	if o.again {
		return again(ctx, o, out)
	}
	// Up to three quarters of -row-memory are live, records on the bus and records that wait to
	// be decoded, and some 8 MiB beside these.
	heap.Keep(int64(o.rows)/4*3+memory.DefaultLimit+decode.DefaultMaxQueued+32<<20, 100)
	if o.bus.URL != "" {
		return runBus(ctx, o, log, out)
	}
	in := os.Stdin
	if o.read != "-" {
		f, err := os.Open(o.read)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	r, err := record.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", o.read, err)
	}
	o.monitor.Log = log
	mon, err := monitor.Start(o.monitor.Options)
	if err != nil {
		return err
	}
	defer mon.Close()
	st, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer st.Close()
	wo, batch := store.Within(int(o.rows))
	wo.Registerer, wo.Log = mon.Registerer(), log
	writer := st.NewWriter(ctx, wo)
	b := memory.New(0)
	pool := decode.New(decode.Config{
		Workers: o.workers, EnvelopeOnly: o.keep == "envelope", BatchOctets: batch, Log: log, MaxConnections: o.maxConns, MaxBuffered: int(o.buffered), Idle: o.idle, Settled: st.Reunite,
	}, b, writer)
	mon.Registerer().MustRegister(pool.Collector())
	mon.Watch("store", readyWithin, writer.Progress)
	counting := ctx
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := pool.Run(ctx); err != nil {
			return err
		}
		return writer.Close(ctx)
	})
	var damaged error
	g.Go(func() error {
		defer b.Close()
		for {
			rec := record.NewBuffer()
			if err := r.Next(rec); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				// What came before is archived all the same.
				damaged = fmt.Errorf("%s: %w", o.read, err)
				return nil
			}
			if err := b.Publish(ctx, bus.Key{}, rec); err != nil {
				return err
			}
		}
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if _, err := st.CountDays(counting, time.Time{}); err != nil {
		log.Warn("totals of days are not up to date", "error", err)
	}
	s := pool.Stats()
	fmt.Fprintf(out, "Read %d records; archived %d messages, %d reports and %d probes into %s; %d problems.\n",
		s.Records, s.Messages, s.Reports, s.Probes, o.store.Target, s.Problems)
	if damaged != nil {
		return damaged
	}
	if s.Poison > 0 {
		return fmt.Errorf("%d records could not be read", s.Poison)
	}
	return nil
}

// open opens the archive and brings its schema up to date.
func open(ctx context.Context, o *options) (*store.Store, error) {
	so, err := o.store.Options()
	if err != nil {
		return nil, err
	}
	so.Program = "decode"
	st, err := store.Open(so)
	if err != nil {
		return nil, err
	}
	if err := st.Migrate(ctx, o.store.Migration()); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// again decodes what is archived anew.
func again(ctx context.Context, o *options, out io.Writer) error {
	st, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer st.Close()
	s, err := decode.Again(ctx, st, o.all)
	if err != nil {
		return err
	}
	if s.Decoded > 0 {
		if err := st.Supersede(ctx); err != nil {
			return err
		}
		if _, err := st.CountDays(ctx, time.Time{}); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "Decoded %d APDUs anew; %d cannot be, because their contents were not kept, and %d are not understood by this decoder.\n",
		s.Decoded, s.Without, s.Failed)
	return nil
}
