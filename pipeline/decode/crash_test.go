package decode

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"x400flow/bench/generate"
	"x400flow/osi/association"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// A decoder that is killed at any record, and whatever of its rows the store had
// then, leaves to its successor, which begins at the oldest record that was not
// acknowledged, exactly the rows of a run that nothing disturbed.

// log is one lane: records that are delivered in order, from anywhere.
type laneLog struct {
	records [][]byte
}

func (l *laneLog) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	l.records = append(l.records, bytes.Clone(rec.B))
	rec.Release()
	return nil
}

// sensed returns what a sensor publishes of a capture.
func sensed(t testing.TB, cfg sensor.Config, pcap []byte) [][]byte {
	t.Helper()
	l := new(laneLog)
	cfg.Name = cmp.Or(cfg.Name, "tap")
	cfg.Decoder.Ports = []uint16{102}
	cfg.TCP.Ports = cfg.Decoder.Ports
	cfg.Source = func(int32) string { return "test" }
	s := sensor.New(cfg, l)
	r, err := capture.NewReader(bytes.NewReader(pcap), "test", int64(len(pcap)))
	if err != nil {
		t.Fatal(err)
	}
	var f capture.Frame
	for {
		if err := r.Next(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := s.Frame(t.Context(), &f); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return l.records
}

// archived is a store: of rows that agree in what their table is sorted by, it
// keeps those of the highest version.
type archived struct {
	mu       sync.Mutex
	rows     map[string]string // By table and sorting key: the row, the version first.
	progress map[store.Reading]store.Progress
}

func newArchived() *archived {
	return &archived{rows: map[string]string{}, progress: map[store.Reading]store.Progress{}}
}

var sortedBy = map[string][]string{
	"associations_store":        {"association"},
	"messages_store":            {"apdu"},
	"recipients_store":          {"apdu", "position"},
	"trace_store":               {"apdu", "scope", "level", "seq"},
	"extensions_store":          {"apdu", "scope", "owner", "position"},
	"bilateral_store":           {"apdu", "position"},
	"contents_store":            {"apdu"},
	"ipms_store":                {"apdu", "path"},
	"ipm_recipients_store":      {"apdu", "path", "position"},
	"ipm_references_store":      {"apdu", "path", "position"},
	"ipm_extensions_store":      {"apdu", "path", "position"},
	"ipm_extension_items_store": {"apdu", "path", "extension", "number"},
	"body_parts_store":          {"apdu", "path", "position"},
	"operations_store":          {"operation"},
	"problems_store":            {"problem"},
	"coverage_store":            {"sensor", "source", "epoch", "interval_start"},
	"captures_store":            {"sha256"},
}

func value(col any, i int) string {
	switch v := col.(type) {
	case []string:
		return fmt.Sprintf("%q", v[i])
	case []uuid.UUID:
		return v[i].String()
	case []uint64:
		return fmt.Sprintf("%020d", v[i])
	case []int64:
		return fmt.Sprint(v[i])
	case schema.Times:
		return fmt.Sprint(v[i])
	case []uint32:
		return fmt.Sprint(v[i])
	case []uint16:
		return fmt.Sprint(v[i])
	case []int32:
		return fmt.Sprint(v[i])
	case []bool:
		return fmt.Sprint(v[i])
	}
	panic(fmt.Sprintf("column of type %T", col))
}

func (a *archived) insert(b *schema.Batch, without ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range b.All() {
		if p, ok := t.(*schema.Progresses); ok {
			sensors, states := texts(p, "sensor"), texts(p, "state")
			for i := range p.Rows() {
				r := store.Reading{Association: p.Association[i], Sensor: sensors[i], Epoch: p.Epoch[i], Start: p.Start[i]}
				if old := a.progress[r]; p.Number[i] >= old.Number {
					a.progress[r] = store.Progress{Number: p.Number[i], Ended: p.Ended[i], GivenUp: p.GivenUp[i], State: []byte(states[i])}
				}
			}
			continue
		}
		all := make([]any, len(t.Columns()))
		for j := range all {
			all[j] = values(t, j)
		}
		for i := range t.Rows() {
			columns := map[string]string{}
			var text strings.Builder
			for j, c := range t.Columns() {
				columns[c.Name] = value(all[j], i)
			}
			fmt.Fprintf(&text, "version=%s", columns["version"])
			for _, c := range t.Columns() {
				if c.Name != "version" && !slices.Contains(without, c.Name) {
					fmt.Fprintf(&text, " %s=%s", c.Name, columns[c.Name])
				}
			}
			if sortedBy[t.Table()] == nil {
				panic("rows of a table without a key: " + t.Table())
			}
			key := t.Table()
			for _, k := range sortedBy[t.Table()] {
				key += " " + columns[k]
			}
			if old, ok := a.rows[key]; !ok || old[:28] <= text.String()[:28] {
				a.rows[key] = text.String()
			}
		}
	}
}

// shown returns the rows that the views show.
func (a *archived) shown() map[string]string {
	rows := maps.Clone(a.rows)
	transfers := map[string]bool{}
	for k, r := range rows {
		if strings.HasPrefix(k, "messages_store ") {
			transfers[field(r, "transfer")] = true
		}
	}
	for k, r := range rows {
		if strings.HasPrefix(k, "problems_store ") && field(r, "reason") == `"unfinished"` && transfers[field(r, "transfer")] {
			delete(rows, k)
		}
	}
	return rows
}

func field(row, name string) string {
	_, rest, _ := strings.Cut(row, " "+name+"=")
	v, _, _ := strings.Cut(rest, " ")
	return v
}

// life is one decoder's life: the bus that it reads and the store it writes to.
type life struct {
	t       testing.TB
	archive *archived
	records [][]byte
	next    int
	// until is how many records are delivered before it is killed; all of them
	// for not at all.
	until int
	// leave are the records before which the lane is taken away, and given back
	// from the oldest one on that was not acknowledged.
	leave   []int
	without []string
	shard   *worker // The first.
	// buffered is the most octets that the only shard kept.
	buffered int

	mu      sync.Mutex
	acked   []bool
	pending []batch // Written and not durable.
	dead    bool
}

type batch struct {
	b   *schema.Batch
	ack func()
}

func (l *life) Receive(context.Context) (bus.Delivery, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.leave) > 0 && l.next >= l.leave[0]:
		l.leave = l.leave[1:]
		return bus.Delivery{Ack: func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.next = l.watermark()
			clear(l.acked[l.next:])
		}}, nil
	case l.next < l.until:
		i := l.next
		l.next++
		buf := record.NewBuffer()
		buf.B = append(buf.B, l.records[i]...)
		return bus.Delivery{Offset: int64(i), Record: buf, Ack: func() { l.ack(i) }}, nil
	case l.until < len(l.records):
		// What is written from here on never arrives.
		l.dead = true
	}
	return bus.Delivery{}, io.EOF
}

func (l *life) ack(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acked[i] {
		l.t.Errorf("record %d is acknowledged twice", i)
	}
	l.acked[i] = true
}

// watermark returns the oldest record that was not acknowledged.
func (l *life) watermark() int {
	i := slices.Index(l.acked, false)
	if i < 0 {
		i = len(l.acked)
	}
	return i
}

func (l *life) Batch() *schema.Batch { return new(schema.Batch) }

// Write makes a batch durable a few batches later.
func (l *life) Write(_ context.Context, b *schema.Batch, ack func()) error {
	l.mu.Lock()
	if len(l.shard.pool.workers) == 1 {
		l.buffered = max(l.buffered, l.shard.buffered)
	}
	l.pending = append(l.pending, batch{b, ack})
	l.mu.Unlock()
	l.settle(3)
	return nil
}

func (l *life) Flush(context.Context) error {
	l.settle(0)
	return nil
}

// settle makes all but some batches durable, in order.
func (l *life) settle(left int) {
	for {
		l.mu.Lock()
		if l.dead || len(l.pending) <= left {
			l.mu.Unlock()
			return
		}
		b := l.pending[0]
		l.pending = l.pending[1:]
		l.archive.insert(b.b, l.without...)
		if b.ack != nil {
			l.mu.Unlock()
			b.ack()
			continue
		}
		l.mu.Unlock()
	}
}

// lookUp is Store.Progress.
func (a *archived) lookUp(_ context.Context, readings []store.Reading) (map[store.Reading]store.Progress, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[store.Reading]store.Progress{}
	for _, r := range readings {
		if p, ok := a.progress[r]; ok {
			found[r] = p
		}
	}
	return found, nil
}

// live decodes records from one on until it is killed, and returns the record
// that its successor begins at.
func (l *life) live(cfg Config, from int) (watermark int, s Stats) {
	l.t.Helper()
	l.next = from
	l.acked = make([]bool, len(l.records))
	for i := range from {
		l.acked[i] = true
	}
	cfg.Progress = l.archive.lookUp
	p := New(cfg, l, l)
	l.shard = p.workers[0]
	if err := p.Run(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	return l.watermark(), p.Stats()
}

// undisturbed returns the rows that a single life makes.
func undisturbed(t testing.TB, cfg Config, records [][]byte, without ...string) map[string]string {
	t.Helper()
	l := &life{t: t, archive: newArchived(), records: records, until: len(records), without: without}
	l.live(cfg, 0)
	return l.archive.shown()
}

// sameRows fails for rows that differ.
func sameRows(t testing.TB, what string, got, want map[string]string) bool {
	t.Helper()
	shown := 0
	tell := func(format string, args ...any) {
		if shown++; shown <= 4 {
			t.Errorf(what+": "+format, args...)
		}
	}
	for k, w := range want {
		if g, ok := got[k]; !ok {
			tell("missing: %s\n%.900s", k, w)
		} else if g != w {
			tell("%s: %s", k, differences(g, w))
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			tell("not in the undisturbed run: %s\n%.900s", k, g)
		}
	}
	return shown == 0
}

func differences(got, want string) string {
	g, w := strings.Fields(got), strings.Fields(want)
	var b strings.Builder
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			fmt.Fprintf(&b, "%.200s, want %.200s; ", g[i], w[i])
		}
	}
	return b.String()
}

// traffic are captures that have much open at any record.
func traffic(t testing.TB) map[string][][]byte {
	t.Helper()
	all := map[string][][]byte{}
	small := sensor.Config{MaxRecord: 300, MaxAge: 100 * time.Millisecond}
	make := func(name string, messages int, cfg sensor.Config, change func(o *generate.Options)) {
		o := generate.DefaultOptions()
		o.Messages, o.PerAssociation, o.Concurrent, o.MTAs = messages, 4, 8, 5
		change(&o)
		var b bytes.Buffer
		if _, err := generate.Run(o, generate.Output{Capture: &b}); err != nil {
			t.Fatal(err)
		}
		all[name] = sensed(t, cfg, b.Bytes())
	}
	make("interleaved", 10, small, func(o *generate.Options) { o.OddRate = 0.3 })
	make("interrupted", 10, small, func(o *generate.Options) {
		o.Seed, o.SegmentRate, o.InterruptRate, o.DiscardRate, o.Concurrent = 2, 1, 0.3, 0.1, 3
	})
	make("resumed elsewhere", 10, small, func(o *generate.Options) {
		o.Seed, o.SegmentRate, o.RecoverRate, o.CutRate, o.MTAs, o.Domains = 3, 1, 0.5, 0.1, 3, 2
	})
	make("link failed", 24, small, func(o *generate.Options) {
		o.Seed, o.SegmentRate, o.RecoverRate, o.LinkFailRate, o.MTAs, o.Domains = 9, 1, 0.4, 0.8, 3, 2
	})
	make("resumed here and elsewhere", 10, small, func(o *generate.Options) {
		o.Seed, o.SegmentRate, o.RecoverRate, o.LinkFailRate, o.InterruptRate, o.MTAs, o.Domains, o.NameOwn = 11, 1, 0.4, 0.5, 0.5, 3, 2, true
	})
	make("mid-stream", 20, small, func(o *generate.Options) {
		o.Seed, o.MidStreamRate, o.OneWayRate, o.NoiseRate, o.OpenRate = 4, 0.6, 0.2, 0.2, 0.3
	})
	make("lossy", 14, small, func(o *generate.Options) {
		o.Seed, o.LossRate, o.DisorderRate, o.DuplicateRate, o.AbortRate = 5, 0.02, 0.05, 0.05, 0.2
	})
	make("operations", 5, small, func(o *generate.Options) { o.Seed, o.AccessRate, o.OddRate = 7, 0.7, 0.2 })
	beats := small
	beats.Epoch, beats.Heartbeat = 1700000000e9, 10*time.Millisecond
	make("silent", 11, beats, func(o *generate.Options) {
		o.Seed, o.SegmentRate, o.RecoverRate, o.CutRate, o.OpenRate, o.InterruptRate = 6, 1, 0.3, 0.3, 0.5, 0.2
	})
	var mta [][]byte
	names, err := filepath.Glob("../../testdata/mta/*.pcap")
	if err != nil || len(names) < 5 {
		t.Fatalf("captures not found: %v, %v", names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg := small
		cfg.MaxRecord = 2000
		mta = slices.Concat(mta, sensed(t, cfg, b))
	}
	all["real"] = mta
	return all
}

// disturbed is the configuration of the decoders that are killed: rows become
// durable in small steps. Idle is short, so that what is silent is given up.
func disturbed(n int) Config {
	return Config{Workers: 1 + n%3, BatchRows: []int{1, 5, 40, 1 << 20}[n%4], Idle: 60 * time.Millisecond}
}

func TestKilledAtEveryRecord(t *testing.T) {
	for name, records := range traffic(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := disturbed(0)
			cfg.Workers = 1
			want := undisturbed(t, cfg, records)
			step := 1
			if testing.Short() {
				step = 7
			}
			advanced, known, givenUp := 0, uint64(0), uint64(0)
			for k := 1; k < len(records); k += step {
				a := newArchived()
				first := &life{t: t, archive: a, records: records, until: k}
				w, _ := first.live(disturbed(k), 0)
				if w > k {
					t.Fatalf("killed after %d records, and %d are acknowledged", k, w)
				}
				if w > 0 {
					advanced++
				}
				second := &life{t: t, archive: a, records: records, until: len(records)}
				_, s := second.live(disturbed(k+1), w)
				known, givenUp = known+s.Known, givenUp+s.GivenUp
				if !sameRows(t, fmt.Sprintf("killed after %d of %d records, begun again at %d", k, len(records), w), a.shown(), want) {
					return
				}
			}
			t.Logf("%d records, %d rows; %d kills after the first acknowledgement, %d records decoded in silence, %d connections given up",
				len(records), len(want), advanced, known, givenUp)
			// Of the few kills of -short, which is for the race detector, all may come
			// before the first acknowledgement; the full run holds.
			if !testing.Short() && (advanced == 0 || known == 0) || (name == "silent") != (givenUp > 0) {
				t.Error("no kill struck where it was to")
			}
		})
	}
}

// Kills one after the other, some before anything became durable, and lanes
// taken away and given back meanwhile.
func TestKilledAgainAndAgain(t *testing.T) {
	for name, records := range traffic(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := disturbed(0)
			cfg.Workers = 1
			want := undisturbed(t, cfg, records)
			runs := 20
			if testing.Short() {
				runs = 4
			}
			for seed := range uint64(runs) {
				r := rand.New(rand.NewPCG(seed, 1))
				a := newArchived()
				at, lives := 0, 0
				for {
					until := len(records)
					if lives < 12 {
						until = min(at+1+r.IntN(len(records)/4), len(records))
					}
					l := &life{t: t, archive: a, records: records, until: until}
					for range r.IntN(3) {
						l.leave = append(l.leave, at+r.IntN(until-at+1))
					}
					slices.Sort(l.leave)
					at, _ = l.live(disturbed(r.IntN(12)), at)
					lives++
					if until == len(records) {
						break
					}
				}
				if !sameRows(t, fmt.Sprintf("seed %d, %d lives", seed, lives), a.shown(), want) {
					return
				}
			}
		})
	}
}

// Two sensors see the same traffic, and their records come mixed: the rows are
// those of one, wherever the decoder is killed.
func TestTwoTaps(t *testing.T) {
	o := generate.DefaultOptions()
	o.Messages, o.SegmentRate, o.RecoverRate, o.InterruptRate, o.MTAs = 12, 1, 0.3, 0.2, 4
	var pcap bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &pcap}); err != nil {
		t.Fatal(err)
	}
	// Records are cut at other places, so that numbers do not agree.
	one := sensed(t, sensor.Config{Name: "one", MaxRecord: 700}, pcap.Bytes())
	two := sensed(t, sensor.Config{Name: "two", MaxRecord: 1100}, pcap.Bytes())
	r := rand.New(rand.NewPCG(1, 2))
	var both [][]byte
	for len(one)+len(two) > 0 {
		from := &one
		if len(one) == 0 || len(two) > 0 && r.IntN(2) == 0 {
			from = &two
		}
		both, *from = append(both, (*from)[0]), (*from)[1:]
	}
	without := []string{"sensor"}
	strip := func(rows map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range rows {
			if !strings.HasPrefix(k, "coverage_store") {
				out[k] = v[28:] // Versions order sensors, too.
			}
		}
		return out
	}
	want := strip(undisturbed(t, Config{}, sensed(t, sensor.Config{Name: "one", MaxRecord: 700}, pcap.Bytes()), without...))
	for k := 7; k <= len(both); k += 13 {
		a := newArchived()
		l := &life{t: t, archive: a, records: both, until: k, without: without}
		at, _ := l.live(disturbed(k), 0)
		l = &life{t: t, archive: a, records: both, until: len(both), without: without}
		l.live(disturbed(k+1), at)
		if !sameRows(t, fmt.Sprintf("killed after %d records", k), strip(a.shown()), want) {
			return
		}
	}
}

// A sensor that reads a file and is started again sends the same records again,
// with the same numbers; they change nothing.
func TestSentAgain(t *testing.T) {
	for name, records := range traffic(t) {
		if name == "silent" {
			continue // No capture file: its epoch says so.
		}
		want := undisturbed(t, Config{}, records)
		for _, cut := range []int{len(records) / 3, len(records) / 2, len(records)} {
			again := slices.Concat(records[:cut], records)
			l := &life{t: t, archive: newArchived(), records: again, until: len(again), leave: []int{cut + len(records)/4}}
			_, s := l.live(disturbed(cut), 0)
			sameRows(t, fmt.Sprintf("%s: sent again after %d records", name, cut), l.archive.shown(), want)
			if s.Repeats+s.Known == 0 {
				t.Errorf("%s: no repeats were seen", name)
			}
		}
	}
}

// What cannot be read is given to the dead letters with the reason, and holds
// nothing.
func TestDeadLetters(t *testing.T) {
	records := traffic(t)["interleaved"]
	want := undisturbed(t, Config{}, records)
	poisoned := slices.Insert(slices.Clone(records), len(records)/2, []byte("\xffpoison"), records[0][:len(records[0])/2])
	var dead []string
	cfg := disturbed(1)
	cfg.DeadLetter = func(_ context.Context, d *bus.Delivery, reason error) error {
		dead = append(dead, fmt.Sprintf("%d: %v", d.Offset, reason))
		return nil
	}
	cfg.Workers = 1
	l := &life{t: t, archive: newArchived(), records: poisoned, until: len(poisoned)}
	l.live(cfg, 0)
	sameRows(t, "poisoned", l.archive.shown(), want)
	if len(dead) != 2 || !strings.Contains(dead[0], "malformed") {
		t.Errorf("dead letters %q", dead)
	}
	if i := len(records) / 2; !l.acked[i] || !l.acked[i+1] {
		t.Error("dead letters are not acknowledged")
	}
}

// A table that is too small, or too little room for what is not whole, lets the
// longest silent connections go. Those of which nothing is open go on where they
// were; of the others it is told.
func TestDisplaced(t *testing.T) {
	t.Run("connections", func(t *testing.T) {
		displaced(t, "interleaved", Config{Workers: 1, BatchRows: 1, MaxConnections: 3})
	})
	t.Run("octets", func(t *testing.T) {
		displaced(t, "link failed", Config{Workers: 1, BatchRows: 1, MaxAPDU: 2000, MaxBuffered: 1})
	})
}

func displaced(t *testing.T, name string, cfg Config) {
	records := traffic(t)[name]
	l := &life{t: t, archive: newArchived(), records: records, until: len(records)}
	_, s := l.live(cfg, 0)
	if s.Displaced == 0 || cfg.MaxConnections > 0 && s.Open > cfg.MaxConnections {
		t.Fatalf("%d displaced, %d open, %d octets kept", s.Displaced, s.Open, l.buffered)
	}
	if cfg.MaxBuffered > 0 && l.buffered > 2*cfg.MaxAPDU {
		t.Errorf("%d octets kept, which may be %d", l.buffered, 2*cfg.MaxAPDU)
	}
	got, want := l.archive.shown(), undisturbed(t, Config{MaxAPDU: cfg.MaxAPDU}, records)
	unfinished := 0
	for k, r := range got {
		if strings.HasPrefix(k, "problems_store ") && field(r, "reason") == `"unfinished"` {
			unfinished++
		}
		if strings.HasPrefix(k, "messages_store ") && got[k] != want[k] {
			t.Errorf("%s: %s", k, differences(got[k], want[k]))
		}
	}
	missing := 0
	for k := range want {
		if strings.HasPrefix(k, "messages_store ") && got[k] == "" {
			missing++
		}
		if strings.HasPrefix(k, "associations_store ") && got[k] == "" {
			t.Errorf("missing: %s", k)
		}
	}
	t.Logf("%d connections displaced, %d with something open; %d messages missing, %d transfers told unfinished", s.Displaced, s.GivenUp, missing, unfinished)
	if missing > 0 && unfinished == 0 {
		t.Error("messages are missing and nothing tells")
	}
}

// After each record it is asked what is open since when.
func TestOpenSinceDoesNotAllocate(t *testing.T) {
	c := &connection{assoc: new(association.Association), text: new(facts)}
	state := c.assoc.AppendState(nil)
	if n := testing.AllocsPerRun(100, func() { c.openSince(); state = c.assoc.AppendState(state[:0]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
