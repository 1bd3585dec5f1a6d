package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/store"
	"x400flow/pipeline/tcp"
)

// watching are the flags that say which folder is followed, and how.
type watching struct {
	dir      string
	finished bool
	quiet    time.Duration
	state    string
}

func (w *watching) define(flags *flag.FlagSet) {
	flags.StringVar(&w.dir, "watch", "", "`folder` into which one capture program rotates files: read those that are there and those that come, until interrupted")
	flags.BoolVar(&w.finished, "watch-finished", false, "with -watch: read files when they are finished, not while they grow")
	flags.DurationVar(&w.quiet, "watch-quiet", capture.DefaultQuiet, "`time` without a change after which a file counts as finished though none comes after it")
	flags.StringVar(&w.state, "watch-state", "", "`file` that keeps which files were read, where no archive tells (-bus, -records)")
}

func (w *watching) check(o *options) error {
	switch {
	case w.dir == "" && (w.state != "" || w.finished):
		return errors.New("-watch-state and -watch-finished go with -watch")
	case w.dir == "":
		return nil
	case len(o.read) > 0:
		return errors.New("-watch and -r: one of them")
	case w.quiet <= 0:
		return fmt.Errorf("-watch-quiet %v: must be above 0", w.quiet)
	case w.state != "" && o.bus.URL == "":
		return errors.New("-watch-state goes with -bus: an archive knows which files were read")
	}
	return nil
}

// A resumption is what a watching goes on with after a restart: which files were
// read to their end, and which connections go on in later ones. A nil one is
// that of a reading that is no watching.
type resumption struct {
	path string // Of the file that keeps it; empty: the archive does.
	log  *slog.Logger

	files map[[sha256.Size]byte]int64 // Capture time of the last frame.
	open  map[capture.FlowKey]int64   // Capture time of the first segment.
	due   []due                       // To be written when the records before it have left.
}

// due is a state that is true when so many records have left the memory.
type due struct {
	records uint64
	state   []byte
}

// state is a resumption as its file has it.
type state struct {
	Files []stateFile `json:"files"`
	Open  []stateFlow `json:"open"`
}

type stateFile struct {
	SHA256 string `json:"sha256"`
	Last   int64  `json:"last"` // Nanoseconds since 1970 UTC.
}

type stateFlow struct {
	A     netip.AddrPort `json:"a"`
	B     netip.AddrPort `json:"b"`
	Start int64          `json:"start"`
}

// maxStateFiles bounds the files of which a state tells; the oldest are forgotten.
const maxStateFiles = 100_000

// openWatch begins to follow a folder, where the archive or the state left off.
func openWatch(ctx context.Context, o *options, st *store.Store, log *slog.Logger) (source, *resumption, error) {
	r := &resumption{path: o.watch.state, log: log, files: map[[sha256.Size]byte]int64{}, open: map[capture.FlowKey]int64{}}
	cfg := capture.WatchConfig{Dir: o.watch.dir, Finished: o.watch.finished, Quiet: o.watch.quiet, Log: log}
	switch {
	case o.reread:
	case st != nil:
		if err := r.archivedFiles(ctx, st); err != nil {
			return nil, nil, err
		}
		cfg.Since = func(from int64) (int64, error) { return r.archivedFlows(ctx, st, o, from) }
	case r.path != "":
		if err := r.load(); err != nil {
			return nil, nil, err
		}
		cfg.Since = func(int64) (int64, error) { return r.since(), nil }
	default:
		log.Warn("files will be read again after a restart: -watch-state names a file that keeps which were")
	}
	cfg.Known = func(sum [sha256.Size]byte) (int64, bool) {
		last, ok := r.files[sum]
		return last, ok
	}
	w, err := capture.Watch(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("-watch: %w", err)
	}
	return w, r, nil
}

// archivedFiles asks the archive for the files that were read.
func (r *resumption) archivedFiles(ctx context.Context, st *store.Store) error {
	rows, err := st.Conn().Query(ctx, "SELECT sha256, last_time FROM captures")
	if err != nil {
		return err
	}
	for rows.Next() {
		var digest string
		var last time.Time
		if err := rows.Scan(&digest, &last); err != nil {
			return errors.Join(err, rows.Close())
		}
		var sum [sha256.Size]byte
		if b, err := hex.DecodeString(digest); err == nil && copy(sum[:], b) == len(sum) {
			r.files[sum] = last.UnixNano()
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// archivedFlows asks the archive for the connections that began before the first new
// frame and may go on after it, or ended just before, and returns when the first of them began.
func (r *resumption) archivedFlows(ctx context.Context, st *store.Store, o *options, from int64) (int64, error) {
	if len(r.files) == 0 {
		return math.MaxInt64, nil
	}
	var newest int64
	for _, last := range r.files {
		newest = max(newest, last)
	}
	// One that was silent so long is over, whatever its row says.
	alive := min(from, newest) - int64(o.idle)
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{
		"sensor": o.sensor, "from": fmt.Sprint(from), "alive": fmt.Sprint(alive), "recent": fmt.Sprint(min(from, newest) - int64(tcp.Remembered)),
	}))
	rows, err := st.Conn().Query(ctx, `SELECT client_address, client_port, server_address, server_port, min(first_seen)
FROM associations
WHERE sensor = {sensor:String} AND toUnixTimestamp64Nano(first_seen) < {from:Int64}
  AND toUnixTimestamp64Nano(last_seen) >= {alive:Int64}
  AND (ended = 'open' OR toUnixTimestamp64Nano(last_seen) >= {recent:Int64})
GROUP BY ALL`)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		var a, b string
		var ap, bp uint16
		var first time.Time
		if err := rows.Scan(&a, &ap, &b, &bp, &first); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		client, err := netip.ParseAddr(a)
		server, err2 := netip.ParseAddr(b)
		if err := errors.Join(err, err2); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		r.open[capture.KeyOf(netip.AddrPortFrom(client, ap), netip.AddrPortFrom(server, bp))] = first.UnixNano()
	}
	return r.since(), errors.Join(rows.Err(), rows.Close())
}

// since returns when the first connection began that goes on.
func (r *resumption) since() int64 {
	since := int64(math.MaxInt64)
	for _, start := range r.open {
		since = min(since, start)
	}
	return since
}

// continues reports whether a segment that was read before is of a connection that
// goes on.
func (r *resumption) continues(s *capture.Segment) bool {
	start, ok := r.open[s.Key]
	return ok && s.Time >= start
}

// load reads the state, if there is one.
func (r *resumption) load() error {
	b, err := os.ReadFile(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("-watch-state: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("-watch-state %s: %w; without it all files are read again", r.path, err)
	}
	for _, f := range s.Files {
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(f.SHA256)); err != nil || n != len(sum) {
			return fmt.Errorf("-watch-state %s: %q is no digest", r.path, f.SHA256)
		}
		r.files[sum] = f.Last
	}
	for _, f := range s.Open {
		if f.A.Addr().Is4() != f.B.Addr().Is4() || !f.A.IsValid() || !f.B.IsValid() {
			return fmt.Errorf("-watch-state %s: %v and %v are no connection", r.path, f.A, f.B)
		}
		r.open[capture.KeyOf(f.A, f.B)] = f.Start
	}
	return nil
}

// ended notes that a file was read to its end.
func (r *resumption) ended(file *capture.File, s *sensor.Sensor, way *outlet) error {
	if r == nil || r.path == "" || !file.Done {
		return nil
	}
	for len(r.files) >= maxStateFiles {
		var oldest [sha256.Size]byte
		last := int64(math.MaxInt64)
		for sum, t := range r.files {
			if t < last {
				oldest, last = sum, t
			}
		}
		delete(r.files, oldest)
	}
	r.files[file.SHA256] = file.Last
	var now state
	for sum, last := range r.files {
		now.Files = append(now.Files, stateFile{hex.EncodeToString(sum[:]), last})
	}
	s.Open(func(key capture.FlowKey, start int64) {
		now.Open = append(now.Open, stateFlow{key.Lo(), key.Hi(), start})
	})
	b, err := json.Marshal(&now)
	if err != nil {
		return err
	}
	r.due = append(r.due, due{way.Accepted(), append(b, '\n')})
	r.settle(way)
	return nil
}

// settle writes what is due.
func (r *resumption) settle(way *outlet) {
	if r == nil || len(r.due) == 0 || way.Left() < r.due[0].records {
		return
	}
	n := 1
	for n < len(r.due) && way.Left() >= r.due[n].records {
		n++
	}
	b := r.due[n-1].state
	r.due = r.due[n:]
	if way.Drops() > 0 {
		return // What was dropped is not to be skipped.
	}
	if err := write(r.path, b); err != nil {
		r.log.Error("which files were read cannot be kept; they will be read again after a restart", "error", err)
	}
}

// write replaces a file as a whole.
func write(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
