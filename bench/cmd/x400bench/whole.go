package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"x400flow/bench/stages"
	"x400flow/engine"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// archives is the folder for archives, within that for captures.
const archives = "archives"

// engineIdle is how long an engine stays for the next run.
const engineIdle = 10 * time.Minute

// longer is how many times as long as the stages' corpus the captures are that go into
// the archive: with that one alone, a quarter of the time would go to memory's first use.
// With envelopes a run is short, and few blocks are made, so that there would be no merges.
var longer = map[string]int{"envelope": 8, "content": 4}

// mergesEnd is how long no part is merged when merges are taken to have ended.
const mergesEnd = time.Second

// whole measures ingest from a capture to rows in the archive, on all cores, beside
// the engine alone with the same rows. best holds what the stages took.
func whole(ctx context.Context, o *options, best map[string]*result, out io.Writer) error {
	if !o.match.MatchString("whole") {
		return nil
	}
	ingest, err := buildIngest(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nFrom capture to rows in the archive, ingest and engine together, %d cores; merges that go on afterwards:\n\n", runtime.NumCPU())
	fmt.Fprint(out, "| run | capture MB | wall s | CPU s | of it engine | cores busy | merges, CPU s | messages/s | MB/s | peak MB ingest, engine |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	var verdicts strings.Builder
	for _, keep := range []string{"envelope", "content"} {
		corpus, err := stages.MakeOne(o.dir, longer[keep]*o.messages)
		if err != nil {
			return err
		}
		messages := float64(corpus.Summary.Messages + corpus.Summary.Reports + corpus.Summary.Probes)
		blocks, err := writeBlocks(ctx, o, corpus, keep == "envelope")
		if err != nil {
			return err
		}
		var run, alone *wholeResult
		for range o.rounds {
			r, err := archivedAndMerged(ctx, o, func(dir string, _ *store.Store) (*exec.Cmd, error) {
				return exec.CommandContext(ctx, ingest, "-r", corpus.Capture, "-store", dir, "-keep", keep), nil
			})
			if err != nil {
				return err
			}
			a, err := engineAlone(ctx, o, blocks)
			if err != nil {
				return err
			}
			if run == nil || r.all() < run.all() {
				run = r
			}
			if alone == nil || a.all() < alone.all() {
				alone = a
			}
		}
		decoding := "records to columns, " + keep + "s"
		busy, busyDecoding, err := besideDecoding(ctx, o, decoding, blocks)
		if err != nil {
			return err
		}
		// The engine alone counts without the client that hands it the files.
		own := time.Duration(0)
		for _, stage := range []string{"capture to records, copies looked for", "SHA-256 of the capture", decoding, "columns to Native"} {
			r := best[stage]
			switch {
			case r == nil:
				own = -1 << 62
			case r.Unit == "row":
				own += time.Duration(r.perUnit() * float64(blocks.rows))
			case r.Unit == "message":
				own += time.Duration(r.perUnit() * messages)
			default:
				own += time.Duration(r.perUnit() * float64(corpus.Summary.Packets))
			}
		}
		line := func(name string, r *wholeResult) {
			size := float64(corpus.Summary.CaptureSize) / 1e6
			fmt.Fprintf(out, "| %s | %.0f | %.2f | %.2f | %.2f | %.0f%% | %.2f | %s | %.0f | %.0f, %.0f |\n", name, size, r.wall.Seconds(), r.cpu().Seconds(), r.engine.Seconds(),
				100*r.cpu().Seconds()/r.wall.Seconds()/float64(runtime.NumCPU()), r.merges.Seconds(), short(messages/r.wall.Seconds()),
				size/r.wall.Seconds(), float64(r.peakClient)/1e6, float64(r.peakEngine)/1e6)
		}
		line("`-keep "+keep+"`", run)
		line("*engine alone, ready Native files*", alone)
		line("*the same, while a process decodes on one core*", busy)
		if own > 0 {
			// How much is merged before a run ends is a matter of chance, and of how long it takes.
			fmt.Fprintf(&verdicts, "\n`-keep %s`: %.2f s of CPU, with merges to their end, are %.2f times engine alone (%.2f s) and stages' own (%.2f s); to be 1.15 at most.\n",
				keep, run.all().Seconds(), run.all().Seconds()/(alone.all()+own).Seconds(), alone.all().Seconds(), own.Seconds())
			// In the run the parts share memory and caches, which each has for itself above.
			engineDearer, stagesDearer := busy.all().Seconds()/alone.all().Seconds(), busyDecoding.perUnit()/best[decoding].perUnit()
			fmt.Fprintf(&verdicts, "`-keep %s`: while both run side by side, decoding takes %.2f times as much and the engine %.2f times; of the parts so, the run is %.2f times.\n",
				keep, stagesDearer, engineDearer, run.all().Seconds()/(busy.all().Seconds()+own.Seconds()*stagesDearer))
		}
		if t := best["tshark"]; t != nil {
			want := map[string]int{"envelope": 50, "content": 20}[keep]
			fmt.Fprintf(&verdicts, "`-keep %s`: %.1f times tshark's messages a second, %.1f times by CPU time; to be %d at least.\n", keep,
				t.Wall.Seconds()/float64(t.Units)*messages/run.wall.Seconds(), t.perUnit()*messages/float64(run.cpu()), want)
		}
	}
	_, err = io.WriteString(out, verdicts.String())
	return err
}

// engineAlone measures the engine with rows that are ready.
func engineAlone(ctx context.Context, o *options, blocks *blocks) (*wholeResult, error) {
	return archivedAndMerged(ctx, o, func(_ string, st *store.Store) (*exec.Cmd, error) { return nil, insertBlocks(ctx, st, blocks) })
}

// besideDecoding measures the engine alone while a process beside it decodes the stages'
// corpus all the time, and what that one takes meanwhile.
func besideDecoding(ctx context.Context, o *options, decoding string, blocks *blocks) (*wholeResult, *result, error) {
	var ended atomic.Bool
	beside := new(result)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for !ended.Load() {
			r, err := apart(ctx, o, decoding)
			if err != nil {
				return err
			}
			beside.CPU += r.CPU
			beside.Units += r.Units
		}
		return nil
	})
	r, err := engineAlone(ctx, o, blocks)
	ended.Store(true)
	return r, beside, errors.Join(err, g.Wait())
}

// buildIngest builds the command as it is shipped.
func buildIngest(ctx context.Context, o *options) (string, error) {
	name := filepath.Join(o.dir, "ingest")
	if b, err := exec.CommandContext(ctx, "go", "build", "-pgo", "bench/ingest.pgo", "-o", name, "x400flow/cmd/ingest").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ingest: %w: %s", err, b)
	}
	return name, nil
}

// wholeResult is what a run into an archive took.
type wholeResult struct {
	wall, client, engine   time.Duration
	merges                 time.Duration // The engine's CPU time afterwards.
	peakClient, peakEngine int64
}

func (r *wholeResult) cpu() time.Duration { return r.client + r.engine }
func (r *wholeResult) all() time.Duration { return r.cpu() + r.merges }

// archived runs a command, or what fill does itself, on a new archive whose engine is
// up and whose tables are there.
func archived(ctx context.Context, o *options, fill func(dir string, st *store.Store) (*exec.Cmd, error)) (*wholeResult, error) {
	return intoArchive(ctx, o, fill, func(context.Context, *store.Store) error { return nil })
}

// archivedAndMerged does so, and waits until no parts are merged any more.
func archivedAndMerged(ctx context.Context, o *options, fill func(dir string, st *store.Store) (*exec.Cmd, error)) (*wholeResult, error) {
	return intoArchive(ctx, o, fill, merged)
}

// merged returns when no parts have been merged for a while.
func merged(ctx context.Context, st *store.Store) error {
	for last := time.Now(); time.Since(last) < mergesEnd; time.Sleep(mergesEnd / 5) {
		var n uint64
		if err := st.Conn().QueryRow(ctx, "SELECT count() FROM system.merges").Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			last = time.Now()
		}
	}
	return nil
}

func intoArchive(ctx context.Context, o *options, fill func(dir string, st *store.Store) (*exec.Cmd, error), then func(context.Context, *store.Store) error) (r *wholeResult, err error) {
	// Archives stay until the end: ext4 looks long for an inode where files were
	// deleted in the last minutes, and a part of a table has many files.
	all := filepath.Join(o.dir, archives)
	if err := os.MkdirAll(all, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(all, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Stop(context.WithoutCancel(ctx), dir)) }()
	st, err := store.Open(store.Options{Target: dir, Program: "x400bench", Engine: engine.Options{Idle: engineIdle}})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if err := st.Migrate(ctx, store.MigrateOptions{}); err != nil {
		return nil, err
	}
	state, err := engine.Status(dir)
	if err != nil {
		return nil, err
	}
	pid := strconv.Itoa(state.PID)
	before, err := cpuOf(pid)
	if err != nil {
		return nil, err
	}
	r = new(wholeResult)
	began := time.Now()
	cmd, err := fill(dir, st)
	if err != nil {
		return nil, err
	}
	if cmd != nil {
		if r.peakClient, err = runWatched(cmd); err != nil {
			return nil, err
		}
		r.client = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	r.wall = time.Since(began)
	after, err := cpuOf(pid)
	if err != nil {
		return nil, err
	}
	r.engine, r.peakEngine = after-before, statusOf(pid, "VmHWM:")
	if err := then(ctx, st); err != nil {
		return nil, err
	}
	later, err := cpuOf(pid)
	r.merges = later - after
	return r, err
}

// cpuOf is the CPU time that a process has had.
func cpuOf(pid string) (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%s/stat has %d fields", pid, len(f))
	}
	var ticks int64
	for _, s := range f[11:13] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil // USER_HZ.
}

// blocks are the files of the rows of a corpus, in Native format.
type blocks struct {
	files []blockFile
	rows  int64
}

type blockFile struct {
	name, statement string
	octets          int64
}

// writeBlocks writes the rows of the corpus to files, in blocks as the store makes them.
func writeBlocks(ctx context.Context, o *options, corpus *stages.Corpus, envelope bool) (*blocks, error) {
	all := new(blocks)
	var block schema.Block
	var failed error
	var native []byte
	flush := func() {
		for _, parts := range block.All() {
			native = schema.AppendNative(native[:0], parts...)
			f := blockFile{name: filepath.Join(o.dir, fmt.Sprintf("block-%v-%03d.native", envelope, len(all.files))), octets: int64(len(native))}
			var names []string
			for _, c := range parts[0].Columns() {
				names = append(names, c.Name)
			}
			f.statement = "INSERT INTO " + parts[0].Table() + " (" + strings.Join(names, ", ") + ")"
			if err := os.WriteFile(f.name, native, 0o644); err != nil {
				failed = err
			}
			all.files = append(all.files, f)
		}
		all.rows += int64(block.Rows())
		block = nil
	}
	err := stages.Rows(ctx, corpus, envelope, func(b *schema.Batch) {
		block = append(block, b)
		if block.Bytes() >= store.DefaultBytes || block.Rows() >= store.DefaultRows {
			flush()
		}
	})
	flush()
	return all, errors.Join(err, failed)
}

// insertBlocks inserts the files as a store's writer does, and as many at a time.
func insertBlocks(ctx context.Context, st *store.Store, all *blocks) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(store.DefaultInserters)
	for _, f := range all.files {
		g.Go(func() error {
			r, err := os.Open(f.name)
			if err != nil {
				return err
			}
			defer r.Close()
			return st.Insert(ctx, f.statement, r, f.octets)
		})
	}
	return g.Wait()
}
