// Package live watches network interfaces with several sensors and says what was
// watched.
//
// The kernel spreads an interface's frames over the sensors' rings by the
// addresses of their outermost IP header ([device]). A sensor undoes tunnels and
// fragments; where the addresses inside say so, it hands the segment to another.
// So all connections between two hosts reach the same sensor, whatever they are
// wrapped in, and their records are published in the order of capture, which an
// activity that is resumed in another association needs.
//
// A [Tap] is one or more interfaces that show one link, such as the two fibres of
// an optical tap. Each sensor reads its rings of all interfaces in the order of
// capture times. A ring that shows nothing may still be about to: the kernel
// hands over blocks, so frames of the others wait a moment for it.
//
// # Being blind
//
// At intervals, and when an interface goes down, when the clock is set, and at
// the end, a heartbeat of each tap is published: from when to when it was
// watched, what was seen, and what the kernel, the interface and the sensor lost
// meanwhile. It is published after everything that was captured before its end,
// so that nothing that it vouches for is lost if the program is killed. Between the
// heartbeats of two runs is the time when nobody watched.
//
// # Limits
//
// Those of [Config.Sensor] are for all sensors together and are divided among
// them; what exceeds a share is given up although others have room.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
)

// DefaultHeartbeat is the interval of coverage.
const DefaultHeartbeat = 10 * time.Second

// lookEvery is how often interfaces and the clock are looked at.
const lookEvery = time.Second

// step is by how much the clock must have been set to be told.
const step = 500 * time.Millisecond

// A Tap is interfaces that show one link.
type Tap struct {
	Name       string
	Interfaces []string
}

// ParseTap reads the name of an interface, or of several joined with +.
func ParseTap(s string) (Tap, error) {
	t := Tap{s, strings.Split(s, "+")}
	for i, name := range t.Interfaces {
		if name == "" {
			return Tap{}, fmt.Errorf("%q names no interface", s)
		}
		if slices.Contains(t.Interfaces[:i], name) {
			return Tap{}, fmt.Errorf("%q names %s twice", s, name)
		}
	}
	return t, nil
}

// Config says what is watched and how.
type Config struct {
	Taps []Tap
	// Sensors is how many share the work, 1 by default.
	Sensors int
	// Device is how each interface is captured; name and number of handles are
	// set here.
	Device device.Config
	// Sensor is how each sensor works. Source, Epoch, Clock and Elsewhere are set
	// here; limits are for all.
	Sensor sensor.Config
	// Heartbeat is the interval of coverage.
	Heartbeat time.Duration
	// Filter, if not nil, makes the filter of each sensor.
	Filter     func() (*capture.Filter, error)
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// A Capture watches taps.
type Capture struct {
	cfg     Config
	bus     bus.Publisher
	workers []*worker
	taps    []*tap
	began   time.Time // With the monotonic clock's reading.
	offset  int64     // Of the wall clock to the monotonic one when last looked at.
	reading atomic.Int32
	moved   atomic.Uint64 // Segments handed to another sensor.
	steps   atomic.Uint64
	beats   atomic.Uint64
	looked  int64     // The wall clock when the interfaces were last looked at but once.
	last    *question // What is answered of it is told when Run ends, if not before.
}

type tap struct {
	Tap
	nics    []*nic
	frames  atomic.Uint64    // Captured; numbers them.
	from    int64            // When the interval under way began; 0 while it is not watched.
	dropped uint64           // Told in heartbeats so far.
	rest    record.Heartbeat // Seen while it was down, for the next.
}

type nic struct {
	name    string
	index   int
	handles []device.Handle
	missed  uint64 // By the interface before it was opened.
	mu      sync.Mutex
	stats   device.Stats // Of all handles, and
	lost    uint64       // by the interface, when last looked at.
	running bool
	changes uint32 // Of its carrier, when last looked at.
	flapped bool   // They were more than the time before.
}

// Open opens all interfaces. Frames are captured from then on.
func Open(cfg Config, b bus.Publisher) (*Capture, error) {
	cfg.Sensors = max(cfg.Sensors, 1)
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Capture{cfg: cfg, bus: b, began: time.Now()}
	c.offset = c.began.UnixNano()
	c.looked = c.offset
	for _, t := range cfg.Taps {
		one := &tap{Tap: t}
		c.taps = append(c.taps, one)
		for _, name := range t.Interfaces {
			for _, other := range c.taps {
				if slices.ContainsFunc(other.nics, func(n *nic) bool { return n.name == name }) {
					return nil, errors.Join(fmt.Errorf("interface %s is named twice", name), c.Close())
				}
			}
			st, err := device.Look(name)
			if err == nil {
				d := cfg.Device
				d.Interface, d.Handles = name, cfg.Sensors
				n := &nic{name: name, index: st.Index, missed: st.Missed, running: st.Running, changes: st.Changes}
				one.nics = append(one.nics, n)
				n.handles, err = device.Open(d)
			}
			if err != nil {
				return nil, errors.Join(err, c.Close())
			}
			if !st.Running {
				cfg.Log.Warn("interface is down; it is watched when it comes up", "interface", name)
			}
		}
		if one.watching() {
			one.from = time.Now().UnixNano() // Frames are captured from here on.
		}
	}
	share := func(v *int) {
		if *v > 0 {
			*v = max(1, *v/cfg.Sensors)
		}
	}
	s := cfg.Sensor
	for _, v := range []*int{&s.TCP.MaxConns, &s.TCP.MaxOctets, &s.MaxState, &s.MaxPending} {
		share(v)
	}
	s.Epoch = c.began.UnixNano()
	s.Source = func(file int32) string { return c.taps[file].Name }
	for i := range cfg.Sensors {
		w := &worker{capture: c, index: i, ask: make(chan *question, 1)}
		if cfg.Filter != nil {
			var err error
			if w.filter, err = cfg.Filter(); err != nil {
				return nil, errors.Join(err, c.Close())
			}
		}
		for file, t := range c.taps {
			for _, n := range t.nics {
				if i < len(n.handles) {
					w.inputs = append(w.inputs, input{handle: n.handles[i], tap: t, file: int32(file)})
					w.handles = append(w.handles, n.handles[i])
				}
			}
		}
		own := s
		own.Clock = func() int64 { return w.now }
		if cfg.Sensors > 1 {
			own.Elsewhere = w.elsewhere
		}
		w.sensor = sensor.New(own, b)
		c.workers = append(c.workers, w)
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(c)
	}
	return c, nil
}

// Turns counts how often the sensor that looked least often looked for frames, which
// each does many times a second unless what it publishes finds no room. It may be
// called by another goroutine.
func (c *Capture) Turns() uint64 {
	least := uint64(math.MaxUint64)
	for _, w := range c.workers {
		least = min(least, w.turns.Load())
	}
	return least
}

// Close closes the interfaces.
func (c *Capture) Close() error {
	var errs []error
	for _, t := range c.taps {
		for _, n := range t.nics {
			for _, h := range n.handles {
				errs = append(errs, h.Close())
			}
		}
	}
	return errors.Join(errs...)
}

// Run captures until ctx ends or an interface is removed. What was captured until
// then is published under drain, as the end of every connection.
func (c *Capture) Run(ctx, drain context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	drain, giveUp := context.WithCancelCause(drain)
	defer giveUp(nil)
	c.reading.Store(int32(len(c.workers)))
	var workers sync.WaitGroup
	for _, w := range c.workers {
		workers.Go(func() {
			if err := w.run(ctx, drain); err != nil {
				// The others cannot go on: they may wait for this one.
				giveUp(err)
				stop(err)
			}
		})
	}
	cause := c.watch(ctx, drain)
	stop(cause)
	end := time.Now().UnixNano()
	workers.Wait()
	if err := context.Cause(drain); err != nil {
		return err
	}
	counts := make([]record.Heartbeat, len(c.taps))
	for _, w := range c.workers {
		w.count(counts)
	}
	if c.last != nil {
		c.last.sum(counts)
	}
	if err := c.look(); err != nil && cause == nil {
		c.cfg.Log.Warn("counters of the interfaces cannot be read", "error", err)
	}
	if err := c.publish(drain, counts, end); err != nil {
		return err
	}
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// watch looks at the interfaces and publishes heartbeats, until ctx ends or an
// interface is gone.
func (c *Capture) watch(ctx, drain context.Context) error {
	tick := time.NewTicker(min(lookEvery, c.cfg.Heartbeat))
	defer tick.Stop()
	beaten := time.Since(c.began)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		// An interface that runs when it is looked at ran at this time, unless it says
		// that it changed.
		now := time.Since(c.began)
		if err := c.look(); err != nil {
			return err
		}
		offset := time.Now().UnixNano() - int64(now)
		jump := time.Duration(offset - c.offset)
		stepped := jump > step || jump < -step
		changed := slices.ContainsFunc(c.taps, func(t *tap) bool { return t.watching() != (t.from != 0) || t.flapped() })
		if !stepped && !changed && now-beaten < c.cfg.Heartbeat-lookEvery/2 {
			c.offset, c.looked = offset, int64(now)+offset
			continue
		}
		// By the clock as it was.
		until := int64(now) + c.offset
		counts, err := c.question(ctx, int64(now), until)
		if err != nil {
			return err
		}
		if err := c.publish(drain, counts, until); err != nil {
			return err
		}
		beaten = now
		if stepped {
			c.steps.Add(1)
			c.cfg.Log.Warn("the clock was set; coverage begins anew", "by", jump)
		}
		c.offset, c.looked = offset, int64(now)+offset
		for _, t := range c.taps {
			switch up := t.watching(); {
			case up && (stepped || t.from == 0 || t.flapped()):
				if t.from == 0 {
					c.cfg.Log.Info("interface is up", "tap", t.Name)
				} else if t.flapped() {
					c.cfg.Log.Warn("interface was down for a moment; coverage begins anew", "tap", t.Name)
				}
				t.from = int64(now) + offset
			case !up && t.from != 0:
				t.from = 0
				c.cfg.Log.Warn("interface is down: nothing is captured", "tap", t.Name)
			}
		}
	}
}

// look brings counters and states of the interfaces up to date.
func (c *Capture) look() error {
	for _, t := range c.taps {
		for _, n := range t.nics {
			var sum device.Stats
			for _, h := range n.handles {
				st, err := h.Stats()
				if err != nil {
					return err
				}
				sum.Frames += st.Frames
				sum.Dropped += st.Dropped
				sum.Freezes += st.Freezes
			}
			st, err := device.Look(n.name)
			if err == nil && st.Index != n.index {
				err = fmt.Errorf("interface %s: %w, and another has its name", n.name, device.ErrGone)
			}
			n.mu.Lock()
			n.stats = sum
			n.running = err == nil && st.Running
			n.flapped = err == nil && st.Changes != n.changes
			n.changes = st.Changes
			if err == nil && st.Missed >= n.missed {
				n.lost = st.Missed - n.missed
			}
			n.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// watching reports whether all of the tap's interfaces run.
func (t *tap) watching() bool {
	return !slices.ContainsFunc(t.nics, func(n *nic) bool { return !n.running })
}

// flapped reports whether one of them went down, if only for a moment, since they were looked at before.
func (t *tap) flapped() bool {
	return slices.ContainsFunc(t.nics, func(n *nic) bool { return n.flapped })
}

// question asks all sensors to publish what was captured before now, and
// returns what they saw of each tap.
func (c *Capture) question(ctx context.Context, now, wall int64) ([]record.Heartbeat, error) {
	q := &question{now: now, wall: wall, answers: make(chan []record.Heartbeat, len(c.workers))}
	c.last = q
	for _, w := range c.workers {
		w.ask <- q // There is room: each question was answered before the next.
	}
	sum := make([]record.Heartbeat, len(c.taps))
	for n := 0; n < len(c.workers); n++ {
		select {
		case one := <-q.answers:
			q.got = append(q.got, one)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	q.sum(sum)
	c.last = nil
	return sum, nil
}

// sum adds all answers that there are.
func (q *question) sum(to []record.Heartbeat) {
	for len(q.answers) > 0 {
		q.got = append(q.got, <-q.answers)
	}
	for _, one := range q.got {
		for i := range one {
			add(&to[i], &one[i])
		}
	}
}

func add(to, h *record.Heartbeat) {
	to.Packets += h.Packets
	to.Octets += h.Octets
	to.Segments += h.Segments
	to.Gaps += h.Gaps
	to.LostOctets += h.LostOctets
	to.Undecodable += h.Undecodable
}

// publish publishes the heartbeats of the interval that ends now, or for a tap that went
// down meanwhile, at the last time that it was seen to run.
func (c *Capture) publish(ctx context.Context, counts []record.Heartbeat, until int64) error {
	for i, t := range c.taps {
		h := &counts[i]
		add(h, &t.rest)
		end := until
		if !t.watching() || t.flapped() {
			end = min(until, c.looked)
		}
		if t.from == 0 || end <= t.from {
			t.rest = *h
			continue
		}
		t.rest = record.Heartbeat{}
		h.From, h.To = t.from, end
		t.from = end
		dropped := uint64(0)
		for _, n := range t.nics {
			dropped += n.stats.Dropped + n.lost
		}
		h.DroppedKernel, t.dropped = dropped-t.dropped, dropped
		if i == 0 && c.cfg.Sensor.Dropped != nil {
			h.DroppedSensor = c.cfg.Sensor.Dropped()
		}
		if h.DroppedKernel > 0 {
			c.cfg.Log.Warn("frames were dropped before they could be read; see docs/operations.md on larger rings",
				"tap", t.Name, "frames", h.DroppedKernel, "of", h.Packets+h.DroppedKernel)
		}
		buf := record.NewBuffer()
		buf.B = record.Begin(buf.B, &record.Header{Kind: record.KindHeartbeat, Sensor: c.cfg.Sensor.Name, Epoch: c.began.UnixNano()})
		buf.B = record.AppendSource(buf.B, t.Name)
		buf.B = record.AppendHeartbeat(buf.B, h)
		if err := c.bus.Publish(ctx, bus.Key{}, buf); err != nil {
			return err
		}
		c.beats.Add(1)
	}
	return nil
}

// Summary is what was captured.
type Summary struct {
	Frames   capture.Counters
	Sensor   sensor.Stats
	Evicted  uint64
	Captured uint64 // Frames that the kernel admitted, dropped ones included.
	Dropped  uint64 // Of them, those that the kernel dropped, and those that interfaces lost.
}

// Summary returns what was captured. It is for when Run has returned.
func (c *Capture) Summary() Summary {
	var s Summary
	for _, w := range c.workers {
		s.Frames.Add(w.sensor.Frames())
		s.Sensor.Add(w.sensor.Stats())
		s.Evicted += w.sensor.Table().Evicted
	}
	for _, t := range c.taps {
		for _, n := range t.nics {
			s.Captured += n.stats.Frames
			s.Dropped += n.stats.Dropped + n.lost
		}
	}
	return s
}
