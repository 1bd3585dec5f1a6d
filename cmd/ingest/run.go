package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"x400flow/cmd/internal/confine"
	"x400flow/cmd/internal/heap"
	"x400flow/cmd/internal/service"
	"x400flow/engine"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/store"
	"x400flow/pipeline/tcp"
)

// readyWithin is how long rows may wait for the archive before the program says
// that it is not ready.
const readyWithin = 2 * time.Minute

// run reads the captures into the archive or into a record file.
func run(ctx context.Context, o *options, held *confine.Held, log *slog.Logger, out *os.File) error {
	o.monitor.Log = log
	mon, err := monitor.Start(o.monitor.Options)
	if err != nil {
		return err
	}
	defer mon.Close()
	var st *store.Store
	if o.records == "" && o.bus.URL == "" {
		so, err := o.store.Options()
		if err != nil {
			return err
		}
		so.Program = "ingest"
		so.Engine = engine.Options{Group: o.group, MaxMemory: uint64(o.engine), Fsync: o.fsync}
		if st, err = store.Open(so); err != nil {
			return err
		}
		defer st.Close()
		if err := st.Migrate(ctx, o.store.Migration()); err != nil {
			return o.early(ctx, err)
		}
		if o.fsync {
			if err := syncs(ctx, st); err != nil {
				return o.early(ctx, err)
			}
		}
	}
	var src source
	var res *resumption
	if !o.live.on() {
		if src, res, err = openSource(ctx, o, st, log); err != nil {
			return o.early(ctx, err)
		}
		if src == nil {
			fmt.Fprintf(out, "Nothing new: every capture named is in %s already (-reread reads them again).\n", o.store.Target)
			return nil
		}
		defer src.Close()
	}
	var filter *capture.Filter
	if o.filter != "" {
		if filter, err = capture.NewFilter(o.filter); err != nil {
			return err
		}
	}

	kept, err := o.packets.open(mon, log)
	if err != nil {
		return err
	}
	name := func(file int32) string { return o.live.taps[file].Name }
	if src != nil {
		name = src.Name
	}
	keep, trouble := kept.hooks(name)
	if st != nil {
		trouble = nil // Decoders know better.
	}

	heap.Keep(o.heap())
	b := memory.New(o.onBus())
	var to bus.Publisher = b
	var dropped func() uint64
	var way *outlet
	if o.bus.URL != "" {
		if way, err = openOutlet(ctx, o, mon, log); err != nil {
			return o.early(ctx, err)
		}
		to, dropped = way, way.TakeDropped
	}
	var epoch int64
	switch {
	case way != nil && (o.watch.dir != "" || slices.Contains(o.read, "-")):
		// Files are not read from the first each time, nor records cut at the same
		// places; of what comes through a pipe something may have been dropped.
		epoch = time.Now().UnixNano()
	case o.watch.dir != "":
		// Not 0: the end of a file is not the end of what is suspended in it. The same
		// in each run, so that intervals that are read again have the same rows.
		epoch = 1
	}
	cfg := sensor.Config{
		Name:    o.sensor,
		Epoch:   epoch,
		Decoder: capture.DecoderConfig{Ports: o.ports},
		TCP: tcp.Config{
			Ports: o.ports, MaxConns: o.maxConns, MaxConnOctets: int(o.tcpConn), MaxOctets: int(o.tcpOctets),
			IdleTimeout: o.idle,
		},
		MaxRecord:  int(o.leaving.record),
		MaxPending: o.pending(), PendingEach: sensor.UsualPendingEach,
		MaxState:   int(o.connState),
		Duplicates: o.duplicates,
		Dropped:    dropped,
		Continues:  res.continues,
		Keep:       keep,
		Trouble:    trouble,
		Metrics:    sensor.NewMetrics(mon.Registerer()),
	}
	var in intake
	if o.live.on() {
		taps, err := openTaps(o, held, cfg, to, mon, log)
		if err != nil {
			return o.early(ctx, err)
		}
		defer taps.Close()
		log.Info("capturing", "interfaces", o.live.names.String())
		in = taps
	} else {
		cfg.Source = name
		in = &reading{o: o, src: src, sensor: sensor.New(cfg, to), filter: filter, way: way, resumption: res, log: log}
	}
	// What was read is stored even when the reading is interrupted.
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var late atomic.Bool // What was read was not all stored in time.
	stopGrace := context.AfterFunc(ctx, func() {
		time.AfterFunc(o.drain, func() {
			late.Store(true)
			cancel()
		})
	})
	defer stopGrace()

	counting := drain
	g, drain := errgroup.WithContext(drain)
	var writer *store.Writer
	var pool *decode.Pool
	switch {
	case way != nil:
	case st == nil:
		g.Go(func() error { return writeRecords(drain, o.records, b) })
	default:
		wo, batch := store.Within(int(o.memory))
		wo.Rows, wo.Registerer, wo.Log = o.block, mon.Registerer(), log
		if !o.lasts() {
			wo.Queue = fewQueued
			if lie(o.read) {
				wo.Age = filesAge
			}
		}
		writer = st.NewWriter(drain, wo)
		pool = decode.New(decode.Config{
			Workers: o.workers, EnvelopeOnly: o.keep == "envelope", Log: log,
			BatchRows: min(o.block, decode.DefaultBatchRows), BatchOctets: batch, MaxQueued: o.queued(), MaxBuffered: int(o.transfers), Settled: st.Reunite, Vouch: o.live.on(), Trouble: kept.trouble(),
		}, b, writer)
		mon.Registerer().MustRegister(pool.Collector())
		mon.Watch("store", readyWithin, writer.Progress)
		defer st.KeepCounting(ctx, log)()
		g.Go(func() error {
			if err := pool.Run(drain); err != nil {
				return err
			}
			return writer.Close(drain)
		})
	}
	if o.lasts() {
		srv := service.New(ctx, log)
		defer srv.Close()
		srv.Reload(func() error { return o.reload(kept, log) })
		srv.Watch(in.turns)
		// While the archive or the brokers are away, reading may have to wait.
		if writer != nil {
			srv.Watch(func() (uint64, bool) { return writer.Retries(), true })
		}
		if way != nil {
			srv.Watch(func() (uint64, bool) { return way.Failures(), true })
		}
		srv.Ready()
	}
	p := newProgress(out, src, pool)
	var ended error
	g.Go(func() error {
		defer b.Close()
		var err error
		ended, err = in.run(ctx, drain)
		if way != nil {
			err = errors.Join(err, way.close(drain, o.drain))
			res.settle(way)
		}
		return err
	})
	err = g.Wait()
	if err != nil && late.Load() {
		err = fmt.Errorf("not all that was read could be stored within -drain %v: %w", o.drain, err)
	}
	err = errors.Join(err, kept.close())
	p.done()
	if err != nil {
		return err
	}
	if st != nil && pool != nil {
		if _, err := st.CountDays(counting, time.Time{}); err != nil {
			log.Warn("totals of days are not up to date", "error", err)
		}
	}
	summary(out, in, pool, o)
	return ended
}

// syncs returns an error unless the archive has what it acknowledges on disk: an engine
// that was there already is as whoever started it wanted it.
func syncs(ctx context.Context, st *store.Store) error {
	var on string
	const ask = "SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'"
	if err := st.Conn().QueryRow(ctx, ask).Scan(&on); err != nil {
		return fmt.Errorf("-engine-fsync: %w", err)
	}
	if on != "1" {
		return fmt.Errorf("%s: its ClickHouse runs without fsync_after_insert: it was started without -engine-fsync, and leaves half a minute after the last command that uses it; a server's is set in its own configuration", st.Name())
	}
	return nil
}

// Rows take three quarters of -memory, records what is left: an eighth those that are not
// published, half of that each those on the bus and those that wait to be decoded. Where
// captures are read, a bus this long keeps nothing from being lost, and records are no
// longer in a cache when their turn comes.
func (o *options) pending() int { return o.share(8) }
func (o *options) queued() int  { return o.share(16) }
func (o *options) onBus() int {
	if o.lasts() {
		return o.share(16)
	}
	return o.share(128)
}

// heap is the size of the heap at which garbage is collected, and how much garbage there may
// be in per cent of what is live. When all is full that may be, up to three quarters of
// -memory are live, and some 12 MiB that do not depend on it; what is suspended, which
// -transfer-memory bounds, comes on top.
func (o *options) heap() (octets int64, usual int) {
	octets, usual = int64(o.memory)/4*3+24<<20, 100
	if o.live.on() {
		// What is kept of connections lives for hours: letting as much garbage gather
		// would double it.
		usual = 50
	}
	return octets, usual
}

// fewQueued is how many batches of rows wait where captures are read: beside the block that
// is being collected, more keep nobody busy, and are memory to be touched for the first time.
const fewQueued = 2

// filesAge is how long rows wait for others where captures are read that lie there: so long
// that blocks are full on a slow or busy machine, too. More and smaller parts cost the
// archive more.
const filesAge = 15 * time.Second

// lie reports whether captures are all files and folders: rows of a pipe do not wait long.
func lie(captures []string) bool {
	return !slices.ContainsFunc(captures, func(name string) bool {
		st, err := os.Stat(name)
		return err != nil || !st.Mode().IsRegular() && !st.IsDir()
	})
}

// share is one of so many parts of -memory, a megabyte at least.
func (o *options) share(parts int) int { return max(int(o.memory)/parts, 1<<20) }

var errInterrupted = errors.New("interrupted: what was read so far is stored; run the same command again to go on")

// early returns err, which came before anything was read, or what to say instead
// where the reason is an interruption.
func (o *options) early(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case o.lasts():
		return nil
	}
	return errors.New("interrupted before anything was read")
}

// lasts reports whether only an interruption ends the run, which is then no failure.
func (o *options) lasts() bool { return o.watch.dir != "" || o.live.on() }

// An intake gives sensors what was captured.
type intake interface {
	// run returns when all is published. ended says why not all was read, err why
	// what was read could not be published.
	run(ctx, drain context.Context) (ended, err error)
	// turns counts how often it looked for more, which it does whether there is any.
	turns() (n uint64, waiting bool)
	// result says what was read, and counts it.
	result(out io.Writer) read
}

// source is where frames come from.
type source interface {
	// Next fills f with the next frame. io.EOF is the end of all; capture.ErrWait
	// and capture.EndOfFile are no failures.
	Next(f *capture.Frame) error
	// Name is what rows say of a frame's File.
	Name(file int32) string
	Files() []capture.File
	Progress() (read, total int64)
	Close() error
}

// reading is the goroutine that gives frames to the sensor.
type reading struct {
	o          *options
	src        source
	sensor     *sensor.Sensor
	filter     *capture.Filter
	way        *outlet
	resumption *resumption
	log        *slog.Logger
	looks      atomic.Uint64
}

func (r *reading) turns() (uint64, bool) { return r.looks.Load(), true }

// run gives every frame to the sensor. It stops when ctx ends; what the sensor
// holds is then published under drain. ended says why not all was read: it was
// interrupted, or captures are damaged, in which case the others are read.
func (r *reading) run(ctx, drain context.Context) (ended, err error) {
	// What came through a pipe does not wait for what comes.
	r.o.idling = func() error { return r.sensor.Flush(drain) }
	var f capture.Frame
	var end *capture.EndOfFile
	for n := 0; ; n++ {
		err := error(nil)
		if n&1023 == 0 {
			r.looks.Add(1)
			err = ctx.Err()
		}
		if err == nil {
			err = r.src.Next(&f)
		}
		switch {
		case err == nil:
		case errors.Is(err, capture.ErrWait):
			if ctx.Err() != nil {
				return r.interrupted(drain)
			}
			r.looks.Add(1)
			// What came does not wait for what comes.
			if err := r.sensor.Flush(drain); err != nil {
				return ended, err
			}
			r.resumption.settle(r.way)
			continue
		case errors.As(err, &end):
			if end.Damage != nil {
				r.log.Error("capture cannot be read further", "file", end.File.Name, "error", end.Damage)
			}
			if err := r.endFile(drain, end); err != nil {
				return ended, err
			}
			continue
		case errors.Is(err, io.EOF):
			files := r.src.Files()
			if r.way != nil && r.way.Drops() > 0 {
				files = nil // They are not archived as a whole.
			}
			return ended, r.sensor.End(drain, files)
		case ctx.Err() != nil:
			return r.interrupted(drain)
		case r.o.lasts():
			return ended, err
		default:
			ended = errors.Join(ended, err)
			continue
		}
		if r.filter != nil {
			if ok, err := r.filter.Match(&f); err != nil {
				return ended, err
			} else if !ok {
				continue
			}
		}
		if err := r.sensor.Frame(drain, &f); err != nil {
			return ended, err
		}
	}
}

// interrupted publishes what the sensor holds.
func (r *reading) interrupted(drain context.Context) (ended, err error) {
	switch {
	case r.o.lasts():
		// The next run goes on.
		return nil, r.sensor.Flush(drain)
	case slices.Contains(r.o.read, "-"):
		// What came through a pipe cannot be read again, so connections end here.
		return errInterrupted, r.sensor.End(drain, nil)
	case r.way != nil:
		// A record cut here would bear the number of the longer one that the
		// next reading makes, and decoders would take that for a repeat.
		return errInterrupted, nil
	}
	// The files can be read again, so connections are left open, as a crash would.
	return errInterrupted, r.sensor.Flush(drain)
}

// endFile tells that a watched file was read to its end.
func (r *reading) endFile(ctx context.Context, end *capture.EndOfFile) error {
	file := end.File
	if r.way != nil && r.way.Drops() > 0 {
		file.Done = false // It may not be archived as a whole.
	}
	if err := r.sensor.EndFile(ctx, end.Index, &file); err != nil {
		return err
	}
	return r.resumption.ended(&file, r.sensor, r.way)
}

// interruptible reads from in until ctx ends, also where in has nothing to give.
type interruptible struct {
	ctx  context.Context
	in   io.Reader
	idle func() error // Called by Read when nothing has come for a while.
	got  chan chunk   // nil before the first Read.
	want chan struct{}
	rest chunk
}

type chunk struct {
	octets []byte
	err    error
}

func (r *interruptible) Read(p []byte) (int, error) {
	if r.got == nil {
		r.got, r.want = make(chan chunk), make(chan struct{}, 1)
		// It may stay in its last read until the program ends.
		go func() {
			buf := make([]byte, 256<<10)
			for range r.want {
				n, err := r.in.Read(buf)
				r.got <- chunk{buf[:n], err}
			}
		}()
	}
	if len(r.rest.octets) == 0 && r.rest.err == nil {
		r.want <- struct{}{}
		for came := false; !came; {
			wait := time.NewTimer(sensor.DefaultMaxAge)
			select {
			case r.rest = <-r.got:
				came = true
			case <-r.ctx.Done():
				return 0, r.ctx.Err()
			case <-wait.C:
				if err := r.idle(); err != nil {
					return 0, err
				}
			}
			wait.Stop()
		}
	}
	n := copy(p, r.rest.octets)
	if r.rest.octets = r.rest.octets[n:]; len(r.rest.octets) > 0 {
		return n, nil
	}
	return n, r.rest.err
}

// writeRecords writes what comes over the bus to a record file.
func writeRecords(ctx context.Context, name string, b bus.Receiver) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	w, err := record.NewWriter(file)
	if err != nil {
		return err
	}
	for {
		d, err := b.Receive(ctx)
		if errors.Is(err, io.EOF) {
			if err := w.Flush(); err != nil {
				return err
			}
			return file.Close()
		}
		if err != nil {
			return err
		}
		if err := w.Write(d.Record.B); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		d.Record.Release()
		d.Ack()
	}
}

// openSource opens what is to be read, or returns nil if all of it is in the archive.
func openSource(ctx context.Context, o *options, st *store.Store, log *slog.Logger) (source, *resumption, error) {
	if o.watch.dir != "" {
		return openWatch(ctx, o, st, log)
	}
	src, err := openCaptures(ctx, o, st, log)
	if src == nil {
		return nil, nil, err // Not a nil pointer in an interface.
	}
	return src, nil, err
}

// openCaptures opens the captures, unless all of them are in the archive; then
// it returns nil. If one is not, all are read, because connections continue
// across files.
func openCaptures(ctx context.Context, o *options, st *store.Store, log *slog.Logger) (*capture.Source, error) {
	cfg := capture.SourceConfig{Paths: o.read, Stdin: &interruptible{ctx: ctx, in: os.Stdin, idle: func() error {
		if o.idling == nil {
			return nil // Nothing was read yet.
		}
		return o.idling()
	}}}
	if st != nil && !o.reread && !slices.Contains(o.read, "-") {
		known, err := archived(ctx, st)
		if err != nil {
			return nil, err
		}
		old := 0
		cfg.SkipSize = func(size int64) bool { return known[size] != nil }
		cfg.Skip = func(_ string, size int64, sum [sha256.Size]byte) bool {
			if !slices.Contains(known[size], hex.EncodeToString(sum[:])) {
				return false
			}
			old++
			return true
		}
		src, err := capture.OpenSource(cfg)
		if err != nil {
			return nil, err
		}
		left := len(src.Files())
		if old == 0 {
			return opened(src, log)
		}
		if err := src.Close(); err != nil {
			return nil, err
		}
		if left == 0 {
			return nil, nil
		}
		log.Info("some captures are archived already; all are read again, because connections may continue across files",
			"archived", old, "new", left)
		cfg.Skip = nil
	}
	src, err := capture.OpenSource(cfg)
	if err != nil {
		return nil, err
	}
	return opened(src, log)
}

// opened says what of a folder is not read.
func opened(src *capture.Source, log *slog.Logger) (*capture.Source, error) {
	for _, f := range src.Skipped() {
		level := slog.LevelWarn
		if errors.Is(f.Err, capture.ErrFormat) {
			level = slog.LevelDebug // Folders hold other files, too.
		}
		log.Log(context.Background(), level, "file is not read", "file", f.Name, "error", f.Err)
	}
	if len(src.Files()) == 0 {
		src.Close()
		return nil, errors.New("no captures found: folders are searched one level deep for pcap and pcapng files")
	}
	return src, nil
}

// archived returns the digests of the captures in the archive, by their size.
func archived(ctx context.Context, st *store.Store) (map[int64][]string, error) {
	rows, err := st.Conn().Query(ctx, "SELECT size, sha256 FROM captures")
	if err != nil {
		return nil, err
	}
	known := make(map[int64][]string)
	for rows.Next() {
		var size uint64
		var sum string
		if err := rows.Scan(&size, &sum); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		known[int64(size)] = append(known[int64(size)], strings.ToLower(sum))
	}
	return known, errors.Join(rows.Err(), rows.Close())
}
