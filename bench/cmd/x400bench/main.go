// X400bench measures the stages from capture to archive beside yardsticks, and
// prints tables.
//
//	x400bench                      everything; make bench
//	x400bench -only 'BER|Native'   the groups whose names match
//	x400bench -only 'whole|memory|growth|workers'   into the archive; what memory and time grow with; two workers
//	x400bench -messages 20000      of a larger corpus
//	x400bench -case ch-go          one case, as JSON; -cpuprofile writes its profile
//
// Every case runs in a process of its own on one core (GOMAXPROCS=1), those of a group in
// turns; of the repetitions the one that took the least CPU time counts. CPU time,
// user and system, is what rates and ratios are of: it is the same on a machine that
// has other things to do, as far as caches allow.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"time"

	"x400flow/bench/stages"
	"x400flow/engine"
)

type options struct {
	dir      string
	real     string
	messages int
	length   int
	memoryOf string
	each     time.Duration
	rounds   int
	only     string
	match    *regexp.Regexp
	profile  string
	memory   string
	one      string
	flow     string
	pgo      string
}

func main() {
	engine.Main()
	var o options
	flag.StringVar(&o.dir, "dir", "", "`folder` for captures, kept; default: a temporary one")
	flag.StringVar(&o.real, "real", "testdata/mta/truth/apdus", "`folder` of real MTS-APDUs")
	flag.IntVar(&o.messages, "messages", 3000, "messages and probes that the corpus originates")
	flag.IntVar(&o.length, "length", 0, "messages in the shortest of the captures that show memory; 0: half of -messages")
	flag.StringVar(&o.memoryOf, "memory", "16M", "ingest's -memory where memory is shown: what fills while the shortest capture is read")
	flag.DurationVar(&o.each, "each", 700*time.Millisecond, "CPU `time` of a measurement, at least")
	flag.IntVar(&o.rounds, "rounds", 3, "repetitions of each measurement")
	flag.StringVar(&o.only, "only", "", "regular `expression`: the groups to measure")
	flag.StringVar(&o.one, "case", "", "measure this case alone, in this process")
	flag.StringVar(&o.flow, "flow", "", "take this flow, as JSON, in this process")
	flag.StringVar(&o.pgo, "pgo", "", "write a profile of the way from the corpus to Native blocks, for the compiler, to this `file`")
	flag.StringVar(&o.profile, "cpuprofile", "", "write the CPU profile of -case or -flow to this `file`")
	flag.StringVar(&o.memory, "memprofile", "", "write where -case or -flow allocates, every allocation, to this `file`")
	flag.Parse()
	if o.memory != "" {
		runtime.MemProfileRate = 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, &o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "x400bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, out io.Writer) error {
	if o.flow != "" {
		return profiled(o, func() error { return flow(ctx, o, out) })
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "x400bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	var err error
	if o.match, err = regexp.Compile(o.only); err != nil {
		return err
	}
	corpus, err := stages.Make(o.dir, o.messages, o.real)
	if err != nil {
		return err
	}
	if o.pgo != "" {
		return profile(ctx, o, corpus)
	}
	if o.one != "" {
		return one(ctx, o, corpus, out)
	}
	defer os.RemoveAll(filepath.Join(o.dir, archives))
	best, err := table(ctx, o, corpus, out)
	if err != nil {
		return err
	}
	if err := whole(ctx, o, best, out); err != nil {
		return err
	}
	if err := memoryCurve(ctx, o, out); err != nil {
		return err
	}
	if err := growthCurve(ctx, o, out); err != nil {
		return err
	}
	return workers(ctx, o, out)
}

// profile takes the corpus from capture to Native blocks, with and without contents
// and with and without disorder, under the profiler.
func profile(ctx context.Context, o *options, corpus *stages.Corpus) (err error) {
	f, err := os.Create(o.pgo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for from := cpuTime(); cpuTime()-from < o.each; {
		for _, flow := range []stages.Flow{
			{Capture: corpus.Capture, Workers: 1, Native: true},
			{Capture: corpus.Capture, Workers: 1, Native: true, Envelope: true},
			{Capture: corpus.Lossy, Workers: 1, Native: true, Problems: true},
		} {
			if _, err := flow.Run(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// one measures one case here.
func one(ctx context.Context, o *options, corpus *stages.Corpus, out io.Writer) error {
	c, err := stages.Find(o.one)
	if err != nil {
		return err
	}
	return profiled(o, func() error {
		r, err := measure(ctx, c, corpus, o.each)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	})
}

// profiled calls f under the profilers that were asked for.
func profiled(o *options, f func() error) (err error) {
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if o.memory != "" {
		defer func() {
			if f, e := os.Create(o.memory); e == nil {
				err = errors.Join(err, pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
			} else {
				err = errors.Join(err, e)
			}
		}()
	}
	return f()
}
