package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/sensor"
)

// progress shows a bar while captures are read, when it goes to a terminal.
type progress struct {
	stop chan struct{}
	wait sync.WaitGroup
}

func newProgress(out *os.File, src source, pool *decode.Pool) *progress {
	p := &progress{stop: make(chan struct{})}
	if src == nil || !term.IsTerminal(int(out.Fd())) {
		return p
	}
	_, total := src.Progress()
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true),
		progressbar.OptionSetPredictTime(total > 0), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	p.wait.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		start := time.Now()
		for {
			select {
			case <-p.stop:
				bar.Finish()
				return
			case <-tick.C:
				if pool != nil {
					st := pool.Stats()
					n := float64(st.Messages + st.Probes + st.Reports)
					bar.Describe(fmt.Sprintf("%.0f messages/s", n/time.Since(start).Seconds()))
				}
				read, _ := src.Progress()
				bar.Set64(read)
			}
		}
	})
	return p
}

func (p *progress) done() {
	close(p.stop)
	p.wait.Wait()
}

// read is what an intake read.
type read struct {
	frames  capture.Counters
	sensor  sensor.Stats
	evicted uint64
}

// result says what was read of captures, and counts it.
func (r *reading) result(out io.Writer) read {
	frames := r.sensor.Frames()
	files, truncated := 0, 0
	for _, f := range r.src.Files() {
		files++
		if f.Truncated {
			truncated++
		}
	}
	fmt.Fprintf(out, "Read %s of %s: %d TCP segments on port %s.\n",
		count(frames.Frames, "packet"), count(uint64(files), "capture"), frames.Segments, r.o.ports.String())
	if truncated > 0 {
		fmt.Fprintf(out, "%s cut short within its last packet.\n", count(uint64(truncated), "capture is", "captures are"))
	}
	return read{frames: frames, sensor: r.sensor.Stats(), evicted: r.sensor.Table().Evicted}
}

// summary says what was read and what came of it.
func summary(out io.Writer, in intake, pool *decode.Pool, o *options) {
	all := in.result(out)
	frames, stats := all.frames, all.sensor
	if bad := frames.UnknownLink + frames.Short + frames.Malformed + frames.TooDeep; bad > 0 {
		fmt.Fprintf(out, "%s could not be read: %d of unknown link types, %d cut short, %d malformed, %d encapsulated too deeply.\n",
			count(bad, "packet"), frames.UnknownLink, frames.Short, frames.Malformed, frames.TooDeep)
	}
	if all.evicted > 0 {
		fmt.Fprintf(out, "%s given up to stay within the limits (see -max-connections, -connection-memory).\n", count(all.evicted, "connection was", "connections were"))
	}
	gaps := "no gaps"
	if stats.Gaps > 0 {
		gaps = fmt.Sprintf("%s (%s missing from the captures)", count(stats.Gaps, "gap"), count(stats.LostOctets, "octet"))
	}
	if o.bus.URL != "" {
		fmt.Fprintf(out, "Sent %s of %s to %s; %s.\n", count(stats.Records, "record"), count(stats.Connections, "connection"), o.bus.URL, gaps)
		return
	}
	if pool == nil {
		fmt.Fprintf(out, "Wrote %s of %s to %s; %s.\n", count(stats.Records, "record"), count(stats.Connections, "connection"), o.records, gaps)
		return
	}
	st := pool.Stats()
	var classes []string
	total := uint64(0)
	for _, class := range slices.Sorted(maps.Keys(st.Connections)) {
		classes = append(classes, fmt.Sprintf("%d %s", st.Connections[class], class))
		total += st.Connections[class]
	}
	fmt.Fprintf(out, "Archived %s, %s and %s in %s (%s) into %s.\n",
		count(st.Messages, "message"), count(st.Reports, "report"), count(st.Probes, "probe"),
		count(total, "connection"), strings.Join(classes, ", "), o.store.Target)
	if st.Problems > 0 {
		fmt.Fprintf(out, "%s, of which %s that did not come to their end; %s: query -store %s problems\n",
			count(st.Problems-st.Resumed, "problem"), count(st.Unfinished-st.Resumed, "transfer"), gaps, o.store.Target)
	} else {
		fmt.Fprintf(out, "No problems, %s.\n", gaps)
	}
	if st.Poison > 0 {
		fmt.Fprintf(out, "%s could not be read.\n", count(st.Poison, "record"))
	}
}

// count writes a number and what it counts, in the plural where it is not one.
func count(n uint64, one string, many ...string) string {
	if n == 1 {
		return "1 " + one
	}
	if len(many) > 0 {
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
