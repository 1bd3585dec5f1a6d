package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"x400flow/bench/stages"
)

// result is what was measured of one case in one process.
type result struct {
	Name    string
	Unit    string
	Units   int64
	Octets  int64
	Rows    int64
	CPU     time.Duration // Of this process and of those it ran.
	Wall    time.Duration
	Mallocs uint64
	Peak    int64   // Octets resident at most, of the process that worked.
	Idle    float64 // Of a flow: the part of its cores' time in which it had nothing to do.
}

// perUnit is the CPU time of a unit in nanoseconds.
func (r *result) perUnit() float64 { return float64(r.CPU) / float64(r.Units) }

// measure runs rounds of a case until they have taken so much CPU time.
func measure(ctx context.Context, c stages.Case, corpus *stages.Corpus, atLeast time.Duration) (r result, err error) {
	run, err := c.Open(ctx, corpus)
	if err != nil {
		return r, err
	}
	if run.Close != nil {
		defer func() { err = errors.Join(err, run.Close()) }()
	}
	r.Name, r.Unit = c.Name, c.Unit
	if !c.External {
		for range max(1, c.Warm) {
			if _, _, err := round(&run); err != nil {
				return r, err
			}
		}
		runtime.GC()
		// Peak is from here.
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			return r, fmt.Errorf("the peak of memory cannot be told: %w", err)
		}
	}
	for r.CPU < atLeast {
		n, took, err := round(&run)
		if err != nil {
			return r, err
		}
		r.Units, r.Octets, r.Rows = r.Units+n.Units, r.Octets+n.Octets, r.Rows+n.Rows
		r.CPU, r.Wall, r.Mallocs = r.CPU+took.CPU, r.Wall+took.Wall, r.Mallocs+took.Mallocs
	}
	r.Peak = peak()
	if c.External {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
			return r, err
		}
		r.Peak = u.Maxrss << 10
	}
	return r, nil
}

// round does one round and tells what it took.
func round(run *stages.Run) (n stages.Count, took result, err error) {
	if run.Prepare != nil {
		if err := run.Prepare(); err != nil {
			return n, took, err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	n, err = run.Round()
	took.CPU, took.Wall = cpuTime()-cpu, time.Since(began)
	runtime.ReadMemStats(&after)
	took.Mallocs = after.Mallocs - before.Mallocs
	return n, took, err
}

// cpuTime is what this process and its children that have ended took of the CPUs.
func cpuTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// idle is the part of the cores' time since its start in which this process had nothing
// that could run. Time that it could not have because others ran is none of it.
func idle() float64 {
	runtime.GC() // Brings what is counted up to date.
	s := []metrics.Sample{{Name: "/cpu/classes/idle:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64() / s[1].Value.Float64()
}

// peak is the most memory that was resident, in octets.
func peak() int64 { return statusOf("self", "VmHWM:") }

// statusOf reads a size from a process's status; 0 where it has none.
func statusOf(pid, field string) int64 {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}

// apart measures a case in a process of its own, on one core.
func apart(ctx context.Context, o *options, name string, more ...string) (r result, err error) {
	args := append([]string{"-case", name, "-dir", o.dir, "-messages", strconv.Itoa(o.messages), "-real", o.real,
		"-each", o.each.String()}, more...)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, json.Unmarshal(out, &r)
}

// runWatched runs a command and returns the most memory that was resident of it, in
// octets. What the system says of children that have ended is of no use: it begins with
// what was resident of this process when it made the child.
func runWatched(cmd *exec.Cmd) (peak int64, err error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			peak = max(peak, statusOf(strconv.Itoa(cmd.Process.Pid), "VmHWM:"))
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%s: %w: %s", cmd, err, &said)
			}
			return peak, err
		}
	}
}
