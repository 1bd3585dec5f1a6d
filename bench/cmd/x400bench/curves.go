package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"x400flow/bench/generate"
	"x400flow/bench/stages"
	"x400flow/pipeline/store"
)

// enough messages, or octets, make a flow's figures independent of what starts it.
const (
	enough       = 5000
	enoughOctets = 40 << 20
)

// copied is how many octets the buffer of a connection has in the growth curve's
// yardstick: as many as one takes that is in the middle of a message.
const copied = 20 << 10

// taken is a flow, and whether it is to be taken once, since its memory is wanted.
type taken struct {
	stages.Flow
	Once bool
}

// flow takes one flow in this process.
func flow(ctx context.Context, o *options, out io.Writer) error {
	var f taken
	if err := json.Unmarshal([]byte(o.flow), &f); err != nil {
		return err
	}
	var r result
	cpu, began := cpuTime(), time.Now()
	for warm := false; r.Units < enough; warm = true {
		n, err := f.Run(ctx)
		if err != nil {
			return err
		}
		if !warm && n.Units < enough && !f.Once {
			// Little work: what the process itself takes would be most of it.
			cpu, began = cpuTime(), time.Now()
			continue
		}
		r.Units, r.Octets, r.Rows = r.Units+n.Units, r.Octets+n.Octets, r.Rows+n.Rows
		if r.Octets > enoughOctets || f.Once {
			break
		}
	}
	r.CPU, r.Wall, r.Peak = cpuTime()-cpu, time.Since(began), peak()
	r.Idle = idle()
	return json.NewEncoder(out).Encode(r)
}

// flowApart takes a flow in a process of its own.
func flowApart(ctx context.Context, f stages.Flow, cores int) (r result, err error) {
	return takenApart(ctx, taken{Flow: f}, cores)
}

func takenApart(ctx context.Context, f taken, cores int) (r result, err error) {
	b, err := json.Marshal(f)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-flow", string(b))
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores))
	cmd.Stderr = os.Stderr
	b, err = cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%+v: %w", f, err)
	}
	return r, json.Unmarshal(b, &r)
}

// best takes a flow as often as asked; the one counts that took the least CPU time.
func bestFlow(ctx context.Context, o *options, f stages.Flow, cores int) (best result, err error) {
	for i := range o.rounds {
		r, err := flowApart(ctx, f, cores)
		if err != nil {
			return best, err
		}
		if i == 0 || r.CPU < best.CPU {
			best = r
		}
	}
	return best, nil
}

// made generates a capture, unless it is there.
func made(o *options, name string, g generate.Options) (string, error) {
	name = filepath.Join(o.dir, name+".pcap")
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	_, err := stages.Generate(name, "", g)
	return name, err
}

// memoryCurve shows what memory does not grow with.
func memoryCurve(ctx context.Context, o *options, out io.Writer) error {
	if !o.match.MatchString("memory") {
		return nil
	}
	ingest, err := buildIngest(ctx, o)
	if err != nil {
		return err
	}
	// A quarter of it is for activities that are suspended: of these, those that are never
	// resumed are as many more as the capture is longer.
	const transfers = "16M"
	into := func(capture, keep string) (*wholeResult, error) {
		return archived(ctx, o, func(dir string, _ *store.Store) (*exec.Cmd, error) {
			return exec.CommandContext(ctx, ingest, "-r", capture, "-store", dir, "-keep", keep, "-memory", o.memoryOf, "-transfer-memory", transfers), nil
		})
	}
	length := o.length
	if length <= 0 {
		length = max(o.messages/2, 1)
	}
	fmt.Fprintf(out, "\nMemory, `-keep envelope -memory %s -transfer-memory %s`, into the archive:\n\n| capture | MB | peak MB ingest | peak MB engine |\n|---|---:|---:|---:|\n", o.memoryOf, transfers)
	for _, times := range []int{1, 4, 16} {
		g := stages.Options(length * times)
		// Connections that never end are as many more as the capture is longer; what one takes is shown below.
		g.OpenRate = 0
		name, err := made(o, fmt.Sprintf("length-%d", times), g)
		if err != nil {
			return err
		}
		r, err := into(name, "envelope")
		if err != nil {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %d times as long | %.0f | %.0f | %.0f |\n", times, float64(info.Size())/1e6, float64(r.peakClient)/1e6, float64(r.peakEngine)/1e6)
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	fmt.Fprint(out, "\nIngest collects garbage when its heap comes to three quarters of `-memory` and 24 MiB.\n")
	const huge = 100 << 20
	fmt.Fprint(out, "\nOne message of 100 MB:\n\n| from capture to | keep | peak MB | without it | copies |\n|---|---|---:|---:|---:|\n")
	g := stages.Sized(20, 2000)
	small, err := made(o, "small", g)
	if err != nil {
		return err
	}
	g.HugeContent = huge
	large, err := made(o, "huge", g)
	if err != nil {
		return err
	}
	for _, envelope := range []bool{true, false} {
		without, err := takenApart(ctx, taken{stages.Flow{Capture: small, Workers: 1, Envelope: envelope}, true}, 1)
		if err != nil {
			return err
		}
		with, err := takenApart(ctx, taken{stages.Flow{Capture: large, Workers: 1, Envelope: envelope}, true}, 1)
		if err != nil {
			return err
		}
		keep := map[bool]string{true: "envelope", false: "content"}[envelope]
		fmt.Fprintf(out, "| columns | %s | %.0f | %.0f | %.1f |\n", keep, float64(with.Peak)/1e6, float64(without.Peak)/1e6, float64(with.Peak-without.Peak)/huge)
		alone, err := into(small, keep)
		if err != nil {
			return err
		}
		whole, err := into(large, keep)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| the archive | %s | %.0f | %.0f | %.1f |\n", keep, float64(whole.peakClient)/1e6, float64(alone.peakClient)/1e6, float64(whole.peakClient-alone.peakClient)/huge)
	}
	return os.Remove(large)
}

// growthCurve shows what time does not grow with, and how it shrinks with workers.
func growthCurve(ctx context.Context, o *options, out io.Writer) error {
	if !o.match.MatchString("growth") {
		return nil
	}
	name, err := made(o, "small", stages.Sized(20, 2000))
	if err != nil {
		return err
	}
	fmt.Fprint(out, "\nGrowth, from capture to columns: interleaved connections, `-keep envelope`, one core:\n\n"+
		"| connections | messages | CPU µs a message | peak MB | of it a connection, kB | *copied, µs a message* | *peak MB* |\n|---:|---:|---:|---:|---:|---:|---:|\n")
	base := int64(0)
	// As many messages with few connections as with 40,000 of them, so that what memory's
	// first use takes is spread over many.
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		r, err := bestFlow(ctx, o, stages.Flow{Capture: name, Copies: n, Again: max(40_000/n-1, 0), Workers: 1, Envelope: true}, 1)
		if err != nil {
			return err
		}
		if base == 0 {
			base = r.Peak
		}
		// What the machine takes to do as little as can be with these octets in as many places.
		c, err := bestFlow(ctx, o, stages.Flow{Capture: name, Copies: n, Again: max(40_000/n-1, 0), Copied: copied}, 1)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %d | %d | %.1f | %.0f | %.1f | %.2f | %.0f |\n", n, r.Units, r.perUnit()/1e3, float64(r.Peak)/1e6, float64(r.Peak-base)/float64(n)/1e3,
			float64(c.CPU)/float64(c.Octets)*float64(r.Octets)/float64(r.Units)/1e3, float64(c.Peak)/1e6)
	}
	fmt.Fprintf(out, "\nCopied: the same frames, each behind the one before in a buffer of %d kB that its connection has, and nothing else.\n", copied>>10)
	fmt.Fprint(out, "\nSizes of contents, `-keep content`, one core:\n\n| octets | messages | CPU µs a message | CPU ns an octet | peak MB |\n|---:|---:|---:|---:|---:|\n")
	for _, size := range []int{1000, 10_000, 100_000, 1_000_000, 10_000_000} {
		messages := min(2000, max(5, 60_000_000/size))
		name, err := made(o, fmt.Sprintf("size-%d", size), stages.Sized(messages, size))
		if err != nil {
			return err
		}
		r, err := bestFlow(ctx, o, stages.Flow{Capture: name, Workers: 1}, 1)
		if err != nil {
			return err
		}
		if err := os.Remove(name); err != nil {
			return err
		}
		fmt.Fprintf(out, "| %d | %d | %.1f | %.2f | %.0f |\n", size, r.Units, r.perUnit()/1e3, float64(r.CPU)/float64(r.Octets), float64(r.Peak)/1e6)
	}
	return nil
}

// workers shows what two workers reach beside two processes.
func workers(ctx context.Context, o *options, out io.Writer) error {
	if !o.match.MatchString("workers") || runtime.NumCPU() < 2 {
		return nil
	}
	fmt.Fprint(out, "\nTwo workers beside two processes with one each, by CPU time and by the clock; idle is how much of two cores' time the two workers "+
		"had nothing to do, whatever else the machine did:\n\n"+
		"| traffic | two workers, messages/s CPU | two processes | ratio | by the clock | idle |\n|---|---:|---:|---:|---:|---:|\n")
	for _, v := range []struct {
		name   string
		change func(*generate.Options)
	}{
		{"nine MTAs", func(*generate.Options) {}},
		{"one address pair has all", func(g *generate.Options) { g.MTAs, g.Domains = 2, 2 }},
	} {
		// Long ones: until memory has grown to what it will be, two workers take more for a
		// message, since each has its own.
		g := stages.Options(o.messages * 8)
		g.Concurrent = 20
		v.change(&g)
		name, err := made(o, "workers-"+strconv.Itoa(g.MTAs), g)
		if err != nil {
			return err
		}
		f := stages.Flow{Capture: name, Workers: 2, Envelope: true}
		var two, apart result
		for i := range o.rounds {
			a, err := flowApart(ctx, f, 2)
			if err != nil {
				return err
			}
			b, err := twoProcesses(ctx, f)
			if err != nil {
				return err
			}
			if i == 0 || a.CPU < two.CPU {
				two.Units, two.CPU = a.Units, a.CPU
			}
			if i == 0 || b.CPU < apart.CPU {
				apart.Units, apart.CPU = b.Units, b.CPU
			}
			if i == 0 || a.Wall < two.Wall {
				two.Wall = a.Wall
			}
			if i == 0 || a.Idle < two.Idle {
				two.Idle = a.Idle
			}
			if i == 0 || b.Wall < apart.Wall {
				apart.Wall = b.Wall
			}
		}
		fmt.Fprintf(out, "| %s | %s | %s | %.0f%% | %.0f%% | %.0f%% |\n", v.name, short(float64(two.Units)/two.CPU.Seconds()), short(float64(apart.Units)/apart.CPU.Seconds()),
			100*apart.perUnit()/two.perUnit(), 100*float64(two.Units)/two.Wall.Seconds()/(float64(apart.Units)/apart.Wall.Seconds()), 100*two.Idle)
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// twoProcesses takes a flow in two processes at once, with one core each.
func twoProcesses(ctx context.Context, f stages.Flow) (sum result, err error) {
	f.Workers = 1
	type answer struct {
		r   result
		err error
	}
	answers := make(chan answer)
	for range 2 {
		go func() {
			r, err := flowApart(ctx, f, 1)
			answers <- answer{r, err}
		}()
	}
	for range 2 {
		a := <-answers
		if a.err != nil {
			err = a.err
		}
		sum.Units, sum.CPU, sum.Wall = sum.Units+a.r.Units, sum.CPU+a.r.CPU, max(sum.Wall, a.r.Wall)
	}
	return sum, err
}
