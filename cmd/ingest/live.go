package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"x400flow/cmd/internal/config"
	"x400flow/cmd/internal/confine"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device"
	"x400flow/pipeline/live"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/sensor"
)

// tapping are the flags that say which interfaces are watched, and how.
type tapping struct {
	names     list
	taps      []live.Tap
	sensors   int
	ring      config.Size
	block     config.Size
	retire    time.Duration
	promisc   bool
	hardware  bool
	tunnels   string
	admitted  device.Tunnels
	heartbeat time.Duration
}

func (l *tapping) define(flags *flag.FlagSet) {
	l.ring, l.block = 64<<20, device.DefaultBlockSize
	flags.Var(&l.names, "i", "`interface` to watch until interrupted; several times for several, and eth1+eth2 for one link whose directions come on two")
	flags.IntVar(&l.sensors, "capture-workers", min(runtime.GOMAXPROCS(0), 8), "with -i: `goroutines` among which frames are spread by the hosts at both ends")
	flags.Var(&l.ring, "ring", "with -i: `octets` of each interface's ring, shared out among the workers")
	flags.Var(&l.block, "ring-block", "with -i: `octets` of a ring's blocks, which the kernel hands over whole; larger frames are cut")
	flags.DurationVar(&l.retire, "ring-retire", device.DefaultRetire, "with -i: `time` after which it hands over a block that is not full")
	flags.BoolVar(&l.promisc, "promiscuous", true, "with -i: take frames for other stations, too")
	flags.BoolVar(&l.hardware, "hardware-time", false, "with -i: take the interface's own time stamps where it makes any (hwstamp_ctl); its clock must run in UTC")
	flags.StringVar(&l.tunnels, "tunnels", "all", "with -i: `tunnels` that the kernel lets pass, for the port to be looked for in them: all, none, or some of mpls,pppoe,gre,ipip,vxlan,geneve,gtp")
	flags.DurationVar(&l.heartbeat, "heartbeat", live.DefaultHeartbeat, "with -i: `interval` of coverage")
}

// on reports whether interfaces are watched.
func (l *tapping) on() bool { return len(l.names) > 0 }

// sockets is how many packet sockets are needed.
func (l *tapping) sockets() int {
	n := 0
	for _, t := range l.taps {
		n += len(t.Interfaces) * l.sensors
	}
	return n
}

func (l *tapping) check(o *options) error {
	if !l.on() {
		return nil
	}
	if len(o.read) > 0 || o.watch.dir != "" {
		return errors.New("-i, -r and -watch: one of them")
	}
	for _, name := range l.names {
		t, err := live.ParseTap(name)
		if err != nil {
			return fmt.Errorf("-i %w", err)
		}
		l.taps = append(l.taps, t)
	}
	var err error
	if l.admitted, err = device.ParseTunnels(l.tunnels); err != nil {
		return fmt.Errorf("-tunnels: %w", err)
	}
	switch {
	case l.sensors < 1 || l.sensors > 256:
		return fmt.Errorf("-capture-workers %d: must be from 1 to 256", l.sensors)
	case l.block < 1<<16 || l.block&(l.block-1) != 0 || l.block > 1<<30:
		return fmt.Errorf("-ring-block %v: must be a power of two from 64K to 1G", &l.block)
	case l.ring/l.block/config.Size(l.sensors) < 2:
		return fmt.Errorf("-ring %v: has no room for 2 blocks of %v for each of %d workers", &l.ring, &l.block, l.sensors)
	case l.retire < time.Millisecond || l.retire > 10*time.Second:
		return fmt.Errorf("-ring-retire %v: must be from 1ms to 10s", l.retire)
	case l.heartbeat < time.Second:
		return fmt.Errorf("-heartbeat %v: must be at least 1s", l.heartbeat)
	}
	return nil
}

// A tapped is the intake from interfaces.
type tapped struct {
	*live.Capture
	o *options
}

// openTaps opens the interfaces, which are captured from then on.
func openTaps(o *options, held *confine.Held, cfg sensor.Config, to bus.Publisher, mon *monitor.Monitor, log *slog.Logger) (*tapped, error) {
	c := live.Config{
		Taps: o.live.taps, Sensors: o.live.sensors, Sensor: cfg, Heartbeat: o.live.heartbeat,
		Device: device.Config{
			BlockSize: int(o.live.block), Blocks: int(o.live.ring/o.live.block) / o.live.sensors, Retire: o.live.retire,
			Socket: held.Sockets(), Promiscuous: o.live.promisc, HardwareTime: o.live.hardware, Ports: o.ports, Tunnels: o.live.admitted,
		},
		Log: log, Registerer: mon.Registerer(),
	}
	if o.filter != "" {
		c.Filter = func() (*capture.Filter, error) { return capture.NewFilter(o.filter) }
	}
	l, err := live.Open(c, to)
	if err != nil {
		return nil, err
	}
	return &tapped{l, o}, nil
}

func (t *tapped) run(ctx, drain context.Context) (ended, err error) {
	ended = t.Run(ctx, drain)
	if drain.Err() != nil {
		return nil, ended
	}
	return ended, nil // What was captured is published: it may be stored.
}

func (t *tapped) turns() (uint64, bool) { return t.Turns(), true }

func (t *tapped) result(out io.Writer) read {
	s := t.Summary()
	fmt.Fprintf(out, "Captured %s on %s: %d TCP segments on port %s.\n",
		count(s.Frames.Frames, "packet"), strings.ReplaceAll(t.o.live.names.String(), " ", ", "), s.Frames.Segments, t.o.ports.String())
	if s.Dropped > 0 {
		fmt.Fprintf(out, "%s dropped before they could be read (-ring makes room for more): see coverage.\n", count(s.Dropped, "packet was", "packets were"))
	}
	if s.Sensor.Duplicates > 0 {
		fmt.Fprintf(out, "%s left out that had been captured just before.\n", count(s.Sensor.Duplicates, "segment was", "segments were"))
	}
	return read{frames: s.Frames, sensor: s.Sensor, evicted: s.Evicted}
}
