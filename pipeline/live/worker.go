package live

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
)

const (
	// batch is how many frames are read between looks at the clock.
	batch = 256
	// wait is how long a sensor sleeps at most: it is not woken by the others.
	wait = 20 * time.Millisecond
	// tickEvery is how often a sensor is told that time passes.
	tickEvery = 100 * time.Millisecond
	// inboxLimit bounds the octets of segments that wait for another sensor.
	inboxLimit = 8 << 20
	// aheadLimit is by how much a capture time may be ahead of the clock without
	// being of another clock.
	aheadLimit = time.Second
)

// A worker feeds one sensor.
type worker struct {
	capture *Capture
	index   int
	sensor  *sensor.Sensor
	filter  *capture.Filter
	inputs  []input
	handles []device.Handle
	inbox   inbox
	ask     chan *question
	asked   *question // Not answered yet.
	reached bool      // All before it was read.

	turns  atomic.Uint64
	now    int64 // Monotonic, since Capture.began.
	ticked int64
	drain  context.Context // Of Run, for what a sensor calls.
	err    error           // Met there.
}

// An input is one ring and the frame at its front.
type input struct {
	handle device.Handle
	tap    *tap
	file   int32
	frame  capture.Frame
	ready  bool // There is one.
}

// A question asks for what was captured until a time.
type question struct {
	now, wall int64
	reached   atomic.Int32 // Sensors that have read all before.
	answers   chan []record.Heartbeat
	got       [][]record.Heartbeat
}

// run reads until ctx ends, then what was captured until that moment, and ends
// all connections.
func (w *worker) run(ctx, drain context.Context) error {
	w.drain = drain
	last, since := int64(0), int64(0) // When reading is to end, by the wall clock and by now.
	done := false
	for {
		w.turns.Add(1)
		w.now = int64(time.Since(w.capture.began))
		if last == 0 && ctx.Err() != nil {
			last, since = time.Now().UnixNano(), w.now
		}
		n, err := w.take()
		if err != nil {
			return err
		}
		if !done {
			more, err := w.read(drain, last)
			if err != nil {
				return err
			}
			n += more
		}
		if w.err != nil {
			return w.err
		}
		if w.now-w.ticked >= int64(tickEvery) {
			w.ticked = w.now
			if err := w.sensor.Tick(drain); err != nil {
				return err
			}
		}
		if err := w.answer(drain); err != nil {
			return err
		}
		if err := drain.Err(); err != nil {
			return context.Cause(drain)
		}
		switch {
		case n > 0:
		case last != 0 && !done && w.upTo(last, since):
			done = true
			w.capture.reading.Add(-1)
		case done && w.capture.reading.Load() == 0:
			// Nobody gives any segment away any more.
			if _, err := w.take(); err != nil {
				return err
			}
			return w.sensor.End(drain, nil)
		case done:
			time.Sleep(time.Millisecond)
		case len(w.handles) == 0:
			time.Sleep(wait)
		default:
			if err := device.Wait(w.handles, wait); err != nil {
				return err
			}
		}
	}
}

// upTo reports whether all is read that was captured before a time, given by the
// wall clock and by now.
func (w *worker) upTo(wall, now int64) bool {
	late := w.now >= now+int64(w.lag())
	for i := range w.inputs {
		if in := &w.inputs[i]; in.ready && in.frame.Time < wall || !in.ready && !late {
			return false
		}
	}
	return true
}

// read gives the sensor frames, at most a batch, and returns how many. Those
// captured after last, if that is not 0, are left.
func (w *worker) read(ctx context.Context, last int64) (int, error) {
	for n := 0; n < batch; n++ {
		in, err := w.next()
		if err != nil || in == nil || last != 0 && in.frame.Time >= last {
			return n, err
		}
		in.ready = false
		f := &in.frame
		f.File, f.Number = in.file, in.tap.frames.Add(1)
		if w.filter != nil {
			if ok, err := w.filter.Match(f); err != nil {
				return n, err
			} else if !ok {
				continue
			}
		}
		if err := w.sensor.Frame(ctx, f); err != nil {
			return n, err
		}
	}
	return batch, nil
}

// next returns the input whose frame was captured first, or nil if none is
// there, or if an input without one may yet have an earlier one.
func (w *worker) next() (*input, error) {
	var first *input
	empty := false
	for i := range w.inputs {
		in := &w.inputs[i]
		if !in.ready {
			var err error
			if in.ready, err = in.handle.Next(&in.frame); err != nil {
				return nil, err
			}
		}
		if !in.ready {
			empty = true
		} else if first == nil || in.frame.Time < first.frame.Time {
			first = in
		}
	}
	if first != nil && empty && len(w.inputs) > 1 {
		// A time that cannot be, by this clock, is not waited for.
		age := time.Duration(time.Now().UnixNano() - first.frame.Time)
		if age < w.lag() && age > -aheadLimit {
			return nil, nil
		}
	}
	return first, nil
}

// lag is after how long a frame is in a block that the kernel has handed over: a
// block is retired by a timer that runs since the one before was.
func (w *worker) lag() time.Duration {
	retire := w.capture.cfg.Device.Retire
	if retire <= 0 {
		retire = device.DefaultRetire
	}
	return 2*retire + 10*time.Millisecond
}

// answer answers a question once all that was captured before is published.
func (w *worker) answer(ctx context.Context) error {
	if w.asked == nil {
		select {
		case w.asked = <-w.ask:
			w.reached = false
		default:
			return nil
		}
	}
	q := w.asked
	if !w.reached {
		if !w.upTo(q.wall, q.now) {
			return nil
		}
		w.reached = true
		q.reached.Add(1)
	}
	if int(q.reached.Load()) < len(w.capture.workers) {
		return nil // Others may still give segments to this one.
	}
	w.asked = nil
	if _, err := w.take(); err != nil {
		return err
	}
	if err := w.sensor.Flush(ctx); err != nil {
		return err
	}
	counts := make([]record.Heartbeat, len(w.capture.taps))
	w.count(counts)
	q.answers <- counts
	return nil
}

// count adds what was seen of each tap since the last count.
func (w *worker) count(to []record.Heartbeat) {
	for i := range to {
		h := w.sensor.Watched(int32(i))
		add(&to[i], &h)
	}
}

// elsewhere gives a segment to the sensor that it belongs to, unless it is this
// one's.
func (w *worker) elsewhere(s *capture.Segment) bool {
	all := w.capture.workers
	to := all[int(s.Key.Spread())%len(all)]
	if to == w {
		return false
	}
	w.capture.moved.Add(1)
	for !to.inbox.put(s) {
		// The other may be waiting for room here.
		n, err := w.take()
		if err == nil {
			err = w.drain.Err()
		}
		if err != nil {
			w.err = err
			return true
		}
		if n == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return true
}

// take gives the sensor what others had for it.
func (w *worker) take() (int, error) {
	segments, octets := w.inbox.take()
	for i := range segments {
		s := &segments[i]
		s.Payload = octets[s.at : s.at+s.size]
		if err := w.sensor.Segment(w.drain, &s.Segment); err != nil {
			return 0, err
		}
	}
	return len(segments), nil
}

// An inbox is where segments wait for a sensor.
type inbox struct {
	mu       sync.Mutex
	segments []segment
	octets   []byte
	// What was taken last, for use again.
	spare  []segment
	spared []byte
}

// A segment has its payload at a place in the inbox's octets.
type segment struct {
	capture.Segment
	at, size int
}

// put copies a segment in, and reports false where there is no room.
func (b *inbox) put(s *capture.Segment) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	const each = 256
	if len(b.octets)+len(b.segments)*each > inboxLimit {
		return false
	}
	b.segments = append(b.segments, segment{*s, len(b.octets), len(s.Payload)})
	b.segments[len(b.segments)-1].Payload = nil
	b.octets = append(b.octets, s.Payload...)
	return true
}

// take returns all. It belongs to the caller until the next call.
func (b *inbox) take() ([]segment, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.segments) == 0 {
		return nil, nil
	}
	segments, octets := b.segments, b.octets
	b.segments, b.octets = b.spare[:0], b.spared[:0]
	b.spare, b.spared = segments, octets
	return segments, octets
}
