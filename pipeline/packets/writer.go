package packets

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/pipeline/capture"
)

// Limits say how much is kept. Zero fields mean the defaults.
type Limits struct {
	// File is how many octets a file has before the next begins, about.
	File int64
	// Total is how many octets all files may have; the oldest are removed.
	Total int64
	// Age is how long a file is kept.
	Age time.Duration
}

// Defaults of Limits and Config.
const (
	DefaultFile  = 64 << 20
	DefaultTotal = 10 << 30
	DefaultAge   = 7 * 24 * time.Hour
	DefaultGrace = 10 * time.Minute
)

func (l Limits) withDefaults() Limits {
	l.File, l.Total, l.Age = cmp.Or(l.File, DefaultFile), cmp.Or(l.Total, DefaultTotal), cmp.Or(l.Age, DefaultAge)
	return l
}

// Config says what a Writer keeps and where.
type Config struct {
	// Dir is made for its owner alone, and must be so.
	Dir string
	Limits
	// Problems keeps the packets of connections that Trouble told of, and drops the
	// others when Grace is over since their file was finished.
	Problems bool
	Grace    time.Duration
	Log      *slog.Logger
	// Registerer, if not nil, gets the metrics.
	Registerer prometheus.Registerer
}

const (
	// buffered is how many octets wait to be written, housekeeping how long.
	buffered     = 256 << 10
	housekeeping = time.Second
	// span of a file, so that what is in it has an index soon.
	maxSpan = 10 * time.Minute
	// retry is how long keeping rests after an error.
	retry = 5 * time.Second
	// maxFlows bounds the connections of a file, and maxTroubles those with problems
	// that are remembered.
	maxFlows    = 1 << 16
	maxTroubles = 1 << 16
	maxIfaces   = 256
)

// Writer keeps frames. Everything is safe for concurrent use.
type Writer struct {
	cfg Config

	mu      sync.Mutex
	limits  Limits
	ifaces  []iface
	file    *os.File // Nil before the first frame of a file.
	name    string
	opened  time.Time
	index   index
	buf     []byte
	written int64     // Octets of the file that are in it.
	resting time.Time // Until then nothing is kept.
	missed  uint64    // Frames since the last error.
	closed  []closed  // Finished files, in order.
	trouble map[capture.FlowKey]time.Time

	stop chan struct{}
	done sync.WaitGroup

	kept, dropped prometheus.Counter
	failing       prometheus.Gauge
}

// closed is a finished file.
type closed struct {
	name  string
	size  int64 // With its index.
	at    time.Time
	whole bool // To be looked through for connections with problems.
}

// Open makes the folder and begins to keep.
func Open(cfg Config) (*Writer, error) {
	cfg.Grace = cmp.Or(cfg.Grace, DefaultGrace)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	fi, err := os.Stat(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %04o): it is to hold raw packets with any credentials in them; chmod 700 %s", cfg.Dir, fi.Mode().Perm(), cfg.Dir)
	}
	w := &Writer{
		cfg: cfg, limits: cfg.Limits.withDefaults(), stop: make(chan struct{}), trouble: map[capture.FlowKey]time.Time{},
		kept:    prometheus.NewCounter(prometheus.CounterOpts{Name: "x400flow_packets_kept_total", Help: "Frames written to -write-pcap."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "x400flow_packets_dropped_total", Help: "Frames that were to be written to -write-pcap and were not, as its disk is full or fails."}),
		failing: prometheus.NewGauge(prometheus.GaugeOpts{Name: "x400flow_packets_failing", Help: "1 while frames cannot be written to -write-pcap."}),
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(cfg.Dir, e.Name())
		if strings.HasPrefix(e.Name(), "."+prefix) {
			os.Remove(name) // Half of a file, of a run that was killed.
		}
		if fi, err := e.Info(); err == nil && own(e.Name()) {
			c := closed{name: name, size: fi.Size(), at: fi.ModTime()}
			if x, err := os.Stat(name + indexExtension); err == nil {
				c.size += x.Size()
			}
			w.closed = append(w.closed, c)
		}
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(w.kept, w.dropped, w.failing)
	}
	w.done.Go(w.keepHouse)
	return w, nil
}

func own(name string) bool {
	return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, extension)
}

// Write keeps a frame that came by the named source. key is its connection's, nil
// for a part of an IP datagram.
func (w *Writer) Write(f *capture.Frame, source string, key *capture.FlowKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.resting.IsZero() {
		if time.Now().Before(w.resting) {
			w.missed++
			w.dropped.Inc()
			return
		}
		w.resting = time.Time{}
	}
	number, known := w.iface(source, f.Link)
	if w.file != nil && (!known || w.index.size >= w.limits.File || len(w.index.flows) >= maxFlows) {
		w.finish()
	}
	if w.file == nil {
		if err := w.begin(f.Time); err != nil {
			w.fail(err)
			return
		}
	}
	from := w.index.size
	w.buf = appendPacket(w.buf, number, f)
	w.index.size += int64(blockHeaders + (len(f.Data)+3)&^3)
	s := &w.index.fragments
	if key != nil {
		if s = w.index.flows[*key]; s == nil {
			s = new(span)
			w.index.flows[*key] = s
		}
	}
	s.add(from, w.index.size, f.Time)
	w.kept.Inc()
	if len(w.buf) >= buffered {
		w.flush()
	}
}

// iface returns the number of an interface in the file, and whether the file
// has it.
func (w *Writer) iface(source string, link capture.LinkType) (number int, known bool) {
	i := iface{source, link}
	if n := slices.Index(w.ifaces, i); n >= 0 {
		return n, true
	}
	if len(w.ifaces) >= maxIfaces {
		w.ifaces = w.ifaces[:0] // Names of files, of which there is no end.
	}
	w.ifaces = append(w.ifaces, i)
	return len(w.ifaces) - 1, false
}

// begin begins a file.
func (w *Writer) begin(at int64) error {
	stamp := time.Unix(0, at).UTC().Format("20060102T150405.000000000Z")
	for n := 0; ; n++ {
		name := filepath.Join(w.cfg.Dir, prefix+stamp+extension)
		if n > 0 {
			name = filepath.Join(w.cfg.Dir, fmt.Sprintf("%s%s-%d%s", prefix, stamp, n, extension))
		}
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		w.file, w.name, w.opened, w.written = file, name, time.Now(), 0
		w.buf = append(w.buf[:0], header(w.ifaces)...)
		w.index = index{header: int64(len(w.buf)), size: int64(len(w.buf)), flows: map[capture.FlowKey]*span{}}
		return nil
	}
}

// flush writes what is buffered. It reports whether there is still a file.
func (w *Writer) flush() bool {
	if w.file == nil {
		return false
	}
	if len(w.buf) == 0 {
		return true
	}
	if _, err := w.file.Write(w.buf); err != nil {
		w.fail(err)
		return false
	}
	w.written += int64(len(w.buf))
	w.buf = w.buf[:0]
	if w.missed > 0 {
		w.cfg.Log.Info("packets are kept again", "folder", w.cfg.Dir, "left out", w.missed)
	}
	w.missed = 0
	w.failing.Set(0)
	return true
}

// fail rests after an error. What is in the file stays there, cut to whole packets.
func (w *Writer) fail(err error) {
	w.resting = time.Now().Add(retry)
	w.failing.Set(1)
	lost := uint64(1)
	if w.file != nil {
		lost = 0
		for rest := w.buf; len(rest) >= blockHeaders; {
			if rest[0] == 6 {
				lost++
			}
			rest = rest[min(len(rest), int(uint32(rest[4])|uint32(rest[5])<<8|uint32(rest[6])<<16|uint32(rest[7])<<24)):]
		}
		terr := w.file.Truncate(w.written)
		cerr := w.file.Close()
		if w.written == 0 {
			os.Remove(w.name)
		} else {
			// Without an index it is read whole.
			w.closed = append(w.closed, closed{name: w.name, size: w.written, at: time.Now(), whole: w.cfg.Problems})
		}
		err = errors.Join(err, terr, cerr)
		w.file, w.buf = nil, w.buf[:0]
	}
	w.missed += lost
	w.dropped.Add(float64(lost))
	w.cfg.Log.Error("packets cannot be kept; trying again soon", "folder", w.cfg.Dir, "left out", w.missed, "error", err)
}

// finish closes the file and writes its index.
func (w *Writer) finish() {
	if !w.flush() {
		return
	}
	name, x := w.name, w.index
	err := w.file.Close()
	w.file = nil
	c := closed{name: name, size: x.size, at: time.Now(), whole: w.cfg.Problems}
	n, ierr := replace(name+indexExtension, x.encode())
	c.size += n
	w.closed = append(w.closed, c)
	if err := errors.Join(err, ierr); err != nil {
		w.cfg.Log.Error("packets were kept without an index", "file", name, "error", err)
	}
}

// replace writes a file as a whole.
func replace(name string, b []byte) (int64, error) {
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name))
	err := os.WriteFile(part, b, 0o600)
	if err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		os.Remove(part)
		return 0, err
	}
	return int64(len(b)), nil
}

// Trouble tells that a connection has a problem.
func (w *Writer) Trouble(key capture.FlowKey) {
	if !w.cfg.Problems {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.trouble[key]; !ok && len(w.trouble) >= maxTroubles {
		var oldest capture.FlowKey
		at := time.Now()
		for k, t := range w.trouble {
			if t.Before(at) {
				oldest, at = k, t
			}
		}
		delete(w.trouble, oldest)
	}
	w.trouble[key] = time.Now()
}

// Limit sets other limits.
func (w *Writer) Limit(l Limits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits = l.withDefaults()
}

// Reopen finishes the file under way; the next frame begins another.
func (w *Writer) Reopen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finish()
}

// Close finishes the file under way.
func (w *Writer) Close() error {
	close(w.stop)
	w.done.Wait()
	w.mu.Lock()
	w.finish()
	resting := !w.resting.IsZero() && w.missed > 0
	missed := w.missed
	w.mu.Unlock()
	w.sift(true)
	w.clean()
	if resting {
		return fmt.Errorf("%s: the last %d packets could not be kept", w.cfg.Dir, missed)
	}
	return nil
}

// keepHouse writes what waits, and removes what is not to be kept.
func (w *Writer) keepHouse() {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			w.mu.Lock()
			if w.flush() && time.Since(w.opened) >= maxSpan {
				w.finish()
			}
			w.mu.Unlock()
			w.sift(false)
			w.clean()
		}
	}
}

// clean removes the oldest files while there are too many octets or they are too old.
func (w *Writer) clean() {
	w.mu.Lock()
	var remove []string
	total := w.index.size
	if w.file == nil {
		total = 0
	}
	for _, c := range w.closed {
		total += c.size
	}
	for len(w.closed) > 0 && (total > w.limits.Total || time.Since(w.closed[0].at) > w.limits.Age) {
		total -= w.closed[0].size
		remove = append(remove, w.closed[0].name)
		w.closed = w.closed[1:]
	}
	w.mu.Unlock()
	for _, name := range remove {
		err := os.Remove(name)
		if xerr := os.Remove(name + indexExtension); !errors.Is(xerr, os.ErrNotExist) {
			err = errors.Join(err, xerr)
		}
		if err != nil {
			w.cfg.Log.Error("old packets cannot be removed", "error", err)
		}
	}
}

// sift drops the packets of connections without problems from files that are old
// enough, or from all.
func (w *Writer) sift(all bool) {
	for {
		w.mu.Lock()
		i := slices.IndexFunc(w.closed, func(c closed) bool { return c.whole && (all || time.Since(c.at) >= w.cfg.Grace) })
		if i < 0 {
			w.mu.Unlock()
			return
		}
		name := w.closed[i].name
		wanted := make(map[capture.FlowKey]bool, len(w.trouble))
		for k := range w.trouble {
			wanted[k] = true
		}
		w.mu.Unlock()
		size, err := siftFile(name, wanted)
		if err != nil {
			w.cfg.Log.Error("packets of connections without problems are kept, too", "file", name, "error", err)
		}
		w.mu.Lock()
		i = slices.IndexFunc(w.closed, func(c closed) bool { return c.name == name })
		switch {
		case err != nil:
			w.closed[i].whole = false
		case size == 0:
			w.closed = slices.Delete(w.closed, i, i+1)
		default:
			w.closed[i].whole, w.closed[i].size = false, size
		}
		w.mu.Unlock()
	}
}

// siftFile leaves only the wanted connections in a file, and removes it where that is
// none. It returns what the file and its index take.
func siftFile(name string, wanted map[capture.FlowKey]bool) (int64, error) {
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name))
	out, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer os.Remove(part)
	defer out.Close()
	x := index{flows: map[capture.FlowKey]*span{}}
	c := newCutter(out, func(key *capture.FlowKey, _ int64) bool { return wanted[*key] })
	c.put = func(from, to, at int64, key *capture.FlowKey) {
		s := &x.fragments
		if key != nil {
			if s = x.flows[*key]; s == nil {
				s = new(span)
				x.flows[*key] = s
			}
		}
		s.add(from, to, at)
	}
	if err := c.file(name); err != nil {
		return 0, err
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	if c.frames == 0 {
		err := os.Remove(name)
		if xerr := os.Remove(name + indexExtension); !errors.Is(xerr, os.ErrNotExist) {
			err = errors.Join(err, xerr)
		}
		return 0, err
	}
	x.header, x.size = c.header, c.size
	if err := errors.Join(out.Close(), os.Rename(part, name)); err != nil {
		return 0, err
	}
	n, err := replace(name+indexExtension, x.encode())
	return x.size + n, err
}
