package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/bench/mutate"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device"
	"x400flow/pipeline/capture/device/devicetest"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/tcp"
)

// A collector keeps what is published.
type collector struct {
	mu      sync.Mutex
	records []record.Record
	slow    time.Duration
}

func (c *collector) Publish(ctx context.Context, _ bus.Key, rec *record.Buffer) error {
	var r record.Record
	err := r.Decode(bytes.Clone(rec.B))
	rec.Release()
	if err != nil {
		return err
	}
	if c.slow > 0 && r.Kind == record.KindConnection {
		time.Sleep(c.slow)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, r)
	return ctx.Err()
}

func (c *collector) beats() (all []record.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.records {
		if r.Kind == record.KindHeartbeat {
			all = append(all, r)
		}
	}
	return all
}

// streams are what the records say of each connection, but for capture times and
// frame numbers. Octets between two other items are joined: how runs that are no
// TPKT are cut depends on segments.
func (c *collector) streams(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	last := map[[16]byte]uint64{}
	for _, r := range c.records {
		if r.Kind != record.KindConnection {
			continue
		}
		if r.Number != last[r.Conn.ID]+1 {
			t.Errorf("record %d of %v follows %d", r.Number, r.Conn.Client, last[r.Conn.ID])
		}
		last[r.Conn.ID] = r.Number
		key := fmt.Sprintf("%v %v %v %x", r.Conn.Client, r.Conn.Server, r.Conn.MidStream, r.Conn.ID)
		for _, it := range r.Items {
			out[key] += fmt.Sprintf("%d %d %d %d %x %d %d\n", it.Kind, it.Dir, it.Sequence, it.Offset, it.Octets, it.Lost, it.Redacted)
		}
		if r.End != record.Open {
			out[key] += fmt.Sprintf("%v %+v %v\n", r.End, r.Counters, r.Muted)
		}
	}
	return out
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	bad := 0
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if bad >= 3 {
			t.Fatal("and more")
		}
		if got[key] != want[key] {
			bad++
			g, w := got[key], want[key]
			n := 0
			for n < min(len(g), len(w)) && g[n] == w[n] {
				n++
			}
			from := max(0, n-80)
			t.Errorf("%s: at octet %d of what was told:\ngot  ...%.300s\nwant ...%.300s", key, n, g[min(from, len(g)):], w[from:])
		}
		delete(got, key)
	}
	for key := range got {
		t.Errorf("%s was never there", key)
	}
}

var sensorConfig = sensor.Config{
	Name: "test", Decoder: capture.DecoderConfig{Ports: []uint16{102}}, TCP: tcp.Config{Ports: []uint16{102}},
}

// generated makes a capture and returns its frames.
func generated(t *testing.T, set func(*generate.Options), m *mutate.Options) []capture.Frame {
	t.Helper()
	o := generate.DefaultOptions()
	o.Messages, o.Concurrent = 150, 20
	if testing.Short() {
		o.Messages = 40
	}
	o.OpenRate = 0.1
	if set != nil {
		set(&o)
	}
	var pcap bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &pcap}); err != nil {
		t.Fatal(err)
	}
	if m != nil {
		var out bytes.Buffer
		if err := mutate.Rewrite(&out, &pcap, *m); err != nil {
			t.Fatal(err)
		}
		pcap = out
	}
	return frames(t, &pcap)
}

func frames(t *testing.T, pcap io.Reader) (all []capture.Frame) {
	t.Helper()
	r, err := capture.NewReader(pcap, "generated", -1)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var f capture.Frame
		if err := r.Next(&f); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		f.Data = bytes.Clone(f.Data)
		all = append(all, f)
	}
}

// fromFile is what reading the frames from a file gives.
func fromFile(t *testing.T, frames []capture.Frame) map[string]string {
	t.Helper()
	c := new(collector)
	s := sensor.New(sensorConfig, c)
	for i := range frames {
		if err := s.Frame(t.Context(), &frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return c.streams(t)
}

// watch captures while play is carried out, and then until all is read.
func watch(t *testing.T, cfg Config, c *collector, play func()) (*Capture, error) {
	t.Helper()
	cfg.Sensor, cfg.Device.Ports, cfg.Device.Tunnels = sensorConfig, []uint16{102}, device.AllTunnels
	live, err := Open(cfg, c)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	played := make(chan struct{})
	go func() {
		defer close(played)
		defer stop()
		play()
	}()
	err = live.Run(ctx, t.Context())
	<-played
	return live, err
}

// covered holds heartbeats to what they must be: each begins where the one before
// ended, and together they tell of all frames.
func covered(t *testing.T, beats []record.Record, tap string, began, ended time.Time, frames int) {
	t.Helper()
	var sum record.Heartbeat
	var last int64
	for _, r := range beats {
		h := r.Heartbeat
		if string(r.Sources[0]) != tap {
			continue
		}
		if last != 0 && h.From != last || h.To <= h.From {
			t.Errorf("%s was watched from %d to %d after %d", tap, h.From, h.To, last)
		}
		if last == 0 && (h.From < began.UnixNano() || r.Epoch < began.UnixNano()) {
			t.Error("watched before it began")
		}
		last = h.To
		add(&sum, &h)
		sum.DroppedKernel += h.DroppedKernel
	}
	if last < ended.UnixNano() {
		t.Errorf("%s was watched until %v before the end", tap, time.Duration(ended.UnixNano()-last))
	}
	if sum.DroppedKernel != 0 || int(sum.Packets) != frames {
		t.Errorf("%s: %d frames, %d dropped; %d were sent", tap, sum.Packets, sum.DroppedKernel, frames)
	}
}

// TestSameAsFile sends captures through an interface: the records say what they
// say when the frames are read from a file.
func TestSameAsFile(t *testing.T) {
	devicetest.Namespace(t)
	devicetest.Pair(t, "tap0", "tap1", 9600)
	for _, c := range []struct {
		name    string
		sensors int
		options func(*generate.Options)
		mutate  *mutate.Options
	}{
		{name: "one sensor", sensors: 1},
		{name: "three sensors", sensors: 3},
		{name: "with loss, and not X.400", sensors: 2, options: func(o *generate.Options) { o.LossRate, o.NoiseRate = 0.002, 0.2 }},
		{name: "tags, fragments and large frames", sensors: 2, options: func(o *generate.Options) { o.MSS = 9000 },
			mutate: &mutate.Options{VLAN: []uint16{100, 7}, Fragment: 1200}},
		{name: "labels", sensors: 2, mutate: &mutate.Options{VLAN: []uint16{100}, MPLS: []uint32{1000, 16}}},
		{name: "tunnels", sensors: 3, mutate: &mutate.Options{GRE: true, Fragment: 1000}},
	} {
		if testing.Short() && c.name != "tunnels" {
			continue // The race detector's run has enough of the one with most sensors.
		}
		t.Run(c.name, func(t *testing.T) {
			devicetest.Enter(t)
			in := generated(t, c.options, c.mutate)
			send := devicetest.Sender(t, "tap1")
			var k collector
			began := time.Now()
			var ended time.Time
			live, err := watch(t, Config{Taps: []Tap{{"tap0", []string{"tap0"}}}, Sensors: c.sensors, Heartbeat: 100 * time.Millisecond}, &k, func() {
				for i := range in {
					send(in[i].Data)
				}
				ended = time.Now()
			})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, k.streams(t), fromFile(t, in))
			covered(t, k.beats(), "tap0", began, ended, len(in))
			if c.mutate != nil && c.mutate.GRE && live.moved.Load() == 0 {
				t.Error("no segment was handed to another sensor")
			}
			if c.name == "three sensors" && live.moved.Load() != 0 {
				t.Errorf("%d segments came to the wrong sensor", live.moved.Load())
			}
			for _, w := range live.workers {
				if w.sensor.Stats().Connections == 0 {
					t.Errorf("sensor %d had nothing to do", w.index)
				}
			}
		})
	}
}

// TestOpticalTap has the two directions on two interfaces.
func TestOpticalTap(t *testing.T) {
	devicetest.Namespace(t)
	send := []func([]byte){devicetest.Pair(t, "tap0", "far0", 9600), devicetest.Pair(t, "tap1", "far1", 9600)}
	in := generated(t, nil, nil)
	d := capture.NewDecoder(capture.DecoderConfig{})
	var k collector
	began := time.Now()
	var ended time.Time
	tap, err := ParseTap("tap0+tap1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = watch(t, Config{Taps: []Tap{tap}, Sensors: 2, Heartbeat: 100 * time.Millisecond}, &k, func() {
		for i := range in {
			var s capture.Segment
			side := 0
			if d.Decode(&in[i], &s) && s.Dst().Port() == 102 {
				side = 1
			}
			send[side](in[i].Data)
		}
		ended = time.Now()
	})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, k.streams(t), fromFile(t, in))
	covered(t, k.beats(), "tap0+tap1", began, ended, len(in))
}

// TestBlind has frames dropped, an interface go down and come up, the clock set,
// and the interface removed.
func TestBlind(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 9600)
	in := generated(t, nil, nil)
	k := collector{slow: 20 * time.Millisecond}
	cfg := Config{Taps: []Tap{{"tap0", []string{"tap0"}}}, Heartbeat: time.Second}
	cfg.Device.BlockSize, cfg.Device.Blocks = 4096, 2
	cfg.Sensor, cfg.Device.Ports = sensorConfig, []uint16{102}
	cfg.Sensor.MaxItems = 1
	live, err := Open(cfg, &k)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if _, err := Open(Config{Taps: []Tap{{"tap0", []string{"tap0"}}, {"tap0+tap1", []string{"tap0", "tap1"}}}}, &k); err == nil {
		t.Error("an interface was opened twice")
	}
	sent := 0
	for sent < 2000 {
		send(in[sent%len(in)].Data)
		sent++
	}
	// The clock was one hour behind until now.
	live.offset -= int64(time.Hour)
	live.taps[0].from -= int64(time.Hour)
	links := devicetest.Links(t)
	upTo := func(n int) {
		for deadline := time.Now().Add(20 * time.Second); len(k.beats()) < n && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	done := make(chan struct{})
	// When it was down for certain, and between when for a moment.
	var down, up, before, after time.Time
	go func() {
		defer close(done)
		upTo(2)
		links("link set tap0 down")
		down = time.Now()
		time.Sleep(3 * time.Second)
		up = time.Now()
		links("link set tap0 up")
		upTo(len(k.beats()) + 1)
		before = time.Now()
		links("link set tap0 down")
		links("link set tap0 up")
		after = time.Now()
		upTo(len(k.beats()) + 2)
		links("link del tap0")
	}()
	err = live.Run(t.Context(), t.Context())
	<-done
	if !errors.Is(err, device.ErrGone) {
		t.Errorf("ended with %v", err)
	}
	beats := k.beats()
	var sum record.Heartbeat
	for i, r := range beats {
		h := r.Heartbeat
		sum.Packets += h.Packets
		sum.DroppedKernel += h.DroppedKernel
		from, to := time.Unix(0, h.From), time.Unix(0, h.To)
		if from.Before(up) && to.After(down) {
			t.Errorf("heartbeat %d says that it was watching, from %v to %v, while the interface was down from %v to %v", i, from, to, down, up)
		}
		if from.Before(before) && to.After(after) {
			t.Errorf("heartbeat %d says that it was watching, from %v to %v, while the interface was down for a moment between %v and %v", i, from, to, before, after)
		}
		if i > 0 && h.From < beats[i-1].Heartbeat.To {
			t.Errorf("heartbeat %d overlaps the one before", i)
		}
	}
	if sum.DroppedKernel == 0 || sum.Packets == 0 || int(sum.DroppedKernel+sum.Packets) != sent {
		t.Errorf("%d frames were seen, %d dropped, %d sent", sum.Packets, sum.DroppedKernel, sent)
	}
	if live.steps.Load() != 1 {
		t.Errorf("the clock was set %d times", live.steps.Load())
	}
}

// TestEndUnderTraffic stops while frames keep coming.
func TestEndUnderTraffic(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 9600)
	in := generated(t, nil, nil)
	var k collector
	stopped, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		// Connections that differ from round to round.
		for round := uint32(0); ; round++ {
			for i := range in {
				select {
				case <-stopped:
					return
				default:
				}
				f := bytes.Clone(in[i].Data)
				if len(f) > 34 && f[12] == 8 {
					binary.BigEndian.PutUint16(f[28:], uint16(round))
				}
				send(f)
			}
		}
	}()
	began := time.Now()
	_, err := watch(t, Config{Taps: []Tap{{"tap0", []string{"tap0"}}}, Sensors: 2}, &k, func() { time.Sleep(500 * time.Millisecond) })
	close(stopped)
	<-sent // Before its socket is closed.
	if err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	open := map[[16]byte]bool{}
	for _, r := range k.records {
		if r.Kind == record.KindConnection {
			open[r.Conn.ID] = r.End == record.Open
		}
	}
	for id, left := range open {
		if left {
			t.Errorf("connection %x was left open", id)
		}
	}
	if n := len(k.beats()); n != 1 || len(open) == 0 {
		t.Errorf("%d heartbeats, %d connections", n, len(open))
	}
}

func TestParseTap(t *testing.T) {
	for s, want := range map[string]int{"eth1": 1, "eth1+eth2": 2, "": 0, "eth1+": 0, "eth1+eth1": 0} {
		tap, err := ParseTap(s)
		if (err == nil) != (want > 0) || len(tap.Interfaces) != want && want > 0 {
			t.Errorf("%q: %+v, %v", s, tap, err)
		}
	}
}
