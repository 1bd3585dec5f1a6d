package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"x400flow/bench/stages"
)

// target is what a stage is to reach.
type target struct {
	stage string
	// than is the yardstick's name; empty for a rate.
	than string
	what string
	// reached tells by how much; 1 is what is called for.
	reached func(stage, yardstick *result) float64
}

func times(n float64) func(stage, yardstick *result) float64 {
	return func(s, y *result) float64 { return y.perUnit() / s.perUnit() / n }
}

func perSecond(rate float64, of func(*result) int64) func(s, _ *result) float64 {
	return func(s, _ *result) float64 { return float64(of(s)) / s.CPU.Seconds() / rate }
}

var targets = []target{
	{"capture to records, in order", "gopacket TCP, in order", "3 times gopacket", times(3)},
	{"capture to records, in order", "memory copy", "a fifth of a memory copy", times(1. / 5)},
	{"capture to records, 1% loss and disorder", "gopacket TCP, 1% loss and disorder", "as fast as gopacket", times(1)},
	{"BER, real APDUs", "", "1 GB/s", perSecond(1e9, func(r *result) int64 { return r.Octets })},
	{"BER, envelopes in definite lengths", "", "100 million TLV/s", perSecond(1e8, func(r *result) int64 { return r.Units })},
	{"BER, envelopes in definite lengths", "encoding/asn1", "40 times encoding/asn1", times(40)},
	{"BER, trace information", "encoding/asn1, trace information", "40 times encoding/asn1, filling a struct", times(40)},
	{"records to columns, envelopes", "tshark", "100 times tshark", times(100)},
	{"records to columns, envelopes", "", "900,000 rows/s", perSecond(9e5, func(r *result) int64 { return r.Rows })},
	{"records to columns, contents", "tshark", "40 times tshark", times(40)},
	{"columns to Native", "ch-go", "80% of ch-go", times(0.8)},
	{"publish to kfake", "franz-go, publish to kfake", "80% of franz-go", times(0.8)},
	{"consume from kfake", "franz-go, consume from kfake", "80% of franz-go", times(0.8)},
	{"publish to Apache Kafka", "franz-go, publish to Apache Kafka", "1.3 times franz-go's CPU time", times(1 / 1.3)},
	{"consume from Apache Kafka", "franz-go, consume from Apache Kafka", "1.3 times franz-go's CPU time", times(1 / 1.3)},
}

// table measures every group, prints the table and returns each case's best.
func table(ctx context.Context, o *options, corpus *stages.Corpus, out io.Writer) (map[string]*result, error) {
	head(o, corpus, out)
	var groups []string
	cases := map[string][]stages.Case{}
	for _, c := range stages.Cases() {
		if !o.match.MatchString(c.Group) {
			continue
		}
		if cases[c.Group] == nil {
			groups = append(groups, c.Group)
		}
		cases[c.Group] = append(cases[c.Group], c)
	}
	fmt.Fprint(out, "| case | per second | ns | allocations | MB/s | rows/s | peak MB | wall/CPU |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	best := map[string]*result{}
	for _, g := range groups {
		for range o.rounds {
			for _, c := range cases[g] {
				if c.External && best[c.Name] != nil {
					continue // Takes long, and is far away.
				}
				fmt.Fprintf(os.Stderr, "\r\x1b[K%s", c.Name)
				r, err := apart(ctx, o, c.Name)
				if err != nil {
					return nil, err
				}
				if b := best[c.Name]; b == nil || r.perUnit() < b.perUnit() {
					best[c.Name] = &r
				}
			}
		}
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		for _, c := range cases[g] {
			row(out, c, best[c.Name])
		}
	}
	fmt.Fprint(out, "\n| stage | must reach | reached |\n|---|---|---:|\n")
	for _, t := range targets {
		s, y := best[t.stage], best[t.than]
		if s == nil || t.than != "" && y == nil {
			continue
		}
		by := t.reached(s, y)
		verdict := "yes"
		if by < 1 {
			verdict = "**no**"
		}
		fmt.Fprintf(out, "| %s | %s | %s, %.0f%% of it |\n", t.stage, t.what, verdict, 100*by)
	}
	return best, nil
}

// head says what was measured, and where.
func head(o *options, corpus *stages.Corpus, out io.Writer) {
	s := corpus.Summary
	fmt.Fprintf(out, "%s, %d cores, %s; %s %s/%s.\n", cpuName(), runtime.NumCPU(), memory(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(out, "Corpus: `-messages %d`, %d messages, %d reports and %d probes in %d packets, %.1f MB; SHA-256 `%s`.\n\n",
		o.messages, s.Messages, s.Reports, s.Probes, s.Packets, float64(s.CaptureSize)/1e6, corpus.SHA256)
}

func row(out io.Writer, c stages.Case, r *result) {
	name, unit := c.Name, c.Unit+"s"
	if c.Yardstick {
		name = "*" + name + "*"
	}
	sec := r.CPU.Seconds()
	allocations := fmt.Sprintf("%.2g", float64(r.Mallocs)/float64(r.Units))
	if c.External {
		allocations = ""
	}
	rows := ""
	if r.Rows > 0 {
		rows = short(float64(r.Rows) / sec)
	}
	fmt.Fprintf(out, "| %s | %s %s | %s | %s | %.0f | %s | %.0f | %.2f |\n", name, short(float64(r.Units)/sec), unit, short(r.perUnit()),
		allocations, float64(r.Octets)/1e6/sec, rows, float64(r.Peak)/1e6, r.Wall.Seconds()/sec)
}

// short writes a number with three digits that matter.
func short(v float64) string {
	switch {
	case v >= 1e8:
		return fmt.Sprintf("%.0fM", v/1e6)
	case v >= 1e7:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e5:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// cpuName is the processor's name.
func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// memory is the machine's.
func memory() string {
	b, _ := os.ReadFile("/proc/meminfo")
	if f := strings.Fields(string(b)); len(f) > 1 && slices.Contains(f, "MemTotal:") {
		var kB float64
		if _, err := fmt.Sscan(f[1], &kB); err == nil {
			return fmt.Sprintf("%.0f GB", kB/1e6)
		}
	}
	return "memory unknown"
}
