package capture

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Defaults of a WatchConfig's zero fields.
const (
	DefaultQuiet = 30 * time.Second
	DefaultPoll  = 250 * time.Millisecond
)

// ErrWait says that there is no frame for now. It is no failure: the next call of
// Next looks again.
var ErrWait = errors.New("no frame for now")

// An EndOfFile says that a file was read to its end. It is no failure: the next
// call of Next goes on with the next file. A file that grows all the same is told
// of again.
type EndOfFile struct {
	Index int32
	File  File
	// Damage, if not nil, says why the file could not be read further.
	Damage error
}

func (e *EndOfFile) Error() string { return e.File.Name + ": end of file" }

// WatchConfig says what a Watcher follows and how.
type WatchConfig struct {
	// Dir is the folder into which one capture program rotates its files.
	Dir string
	// Finished reads files only when they are finished, not while they grow.
	Finished bool
	// Quiet is how long a file has to stay unchanged to be finished where none
	// comes after it, and a compressed one in any case.
	Quiet time.Duration
	// Poll is how often the folder and the growing file are looked at.
	Poll time.Duration
	// Known, if not nil, is asked with the digest of each file that is there at the
	// start whether it is archived already, and the capture time of its last frame.
	// It costs a second pass over them.
	Known func(sum [sha256.Size]byte) (last int64, known bool)
	// Since, if not nil, is asked then for the capture time of the first frame that
	// is needed again, given that of the first frame that is new (math.MaxInt64
	// where there is none): known files that reach beyond it are read, and their
	// frames marked as known. math.MaxInt64 needs none.
	Since func(from int64) (int64, error)
	Log   *slog.Logger
}

// A Watcher reads the capture files of a folder one after the other, in the order
// of their first frames, and those that come into it later. The newest is read
// while it grows. A file is finished when a later one is there, or when it stays
// unchanged for WatchConfig.Quiet.
//
// Files are known by name, inode, size and time of change, so that one whose name
// a capture program uses again is a new file. Names that begin with a dot are left
// alone. The folder is polled, since shares over the network announce no changes.
type Watcher struct {
	cfg   WatchConfig
	known map[string]stamp // Files that were read or need not be, as they were then.
	queue []waiting        // Files to be read, in order.
	files []File           // By Frame.File; the last may be under way.
	begun bool

	reader  *Reader // Of the last of files, nil when that is done.
	tail    *tail
	name    string
	first   int64     // Capture time of its first frame.
	again   bool      // It is archived already.
	got     bool      // It had a frame.
	size    int64     // When it was looked at last.
	changed time.Time // When it was last seen to have changed.
	told    int64     // Its size when EndOfFile was last given of it, -1 before.
	gone    bool      // It was removed or overwritten.
	scanned time.Time

	read atomic.Int64
}

// stamp is what a change of a file changes.
type stamp struct {
	inode uint64
	size  int64
	time  time.Time
}

func stampOf(fi os.FileInfo) stamp {
	s := stamp{size: fi.Size(), time: fi.ModTime()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

// waiting is a file to be read.
type waiting struct {
	name   string
	stamp  stamp
	first  int64
	empty  bool // It has no frame yet.
	packed bool
	again  bool // It is archived already.
}

// tail reads a file that may grow.
type tail struct {
	f     *os.File
	read  *atomic.Int64
	at    int64
	ended bool // What is there is all.
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.f.Read(p)
	t.at += int64(n)
	t.read.Add(int64(n))
	if n == 0 && err == io.EOF && !t.ended {
		return 0, ErrWait
	}
	return n, err
}

// Watch begins to follow a folder.
func Watch(cfg WatchConfig) (*Watcher, error) {
	cfg.Quiet, cfg.Poll = cmp.Or(cfg.Quiet, DefaultQuiet), cmp.Or(cfg.Poll, DefaultPoll)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if fi, err := os.Stat(cfg.Dir); err != nil {
		return nil, err
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("%s is no folder", cfg.Dir)
	}
	w := &Watcher{cfg: cfg, known: map[string]stamp{}}
	if err := w.scan(); err != nil {
		return nil, err
	}
	return w, nil
}

// Next fills f with the next frame. ErrWait and *EndOfFile are no failures; an
// error other than these is final.
func (w *Watcher) Next(f *Frame) error {
	if w.reader == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	err := w.reader.Next(f)
	if err == ErrWait {
		// Octets that came before it was known that no more do, are read first.
		if err = w.look(); err == nil {
			err = w.reader.Next(f)
		}
	}
	if err == nil {
		f.File, f.Known = int32(len(w.files)-1), w.again
		if !w.got {
			w.got, w.first = true, f.Time
		}
		return nil
	}
	var end *EndOfFile
	if err == ErrWait || errors.As(err, &end) {
		return err
	}
	return w.finish(err)
}

// open begins the next file, or waits a little when there is none.
func (w *Watcher) open() error {
	if err := w.scanIfDue(); err != nil {
		return err
	}
	for len(w.queue) > 0 {
		next := w.queue[0]
		last := len(w.queue) == 1
		if last && (w.cfg.Finished || next.packed) && time.Since(next.stamp.time) < w.cfg.Quiet {
			break
		}
		w.queue = w.queue[1:]
		file, err := os.Open(next.name)
		if errors.Is(err, os.ErrNotExist) {
			w.cfg.Log.Warn("file was removed before it was read", "file", next.name)
			continue
		}
		if err != nil {
			w.cfg.Log.Error("file cannot be read", "file", next.name, "error", err)
			w.known[next.name] = next.stamp
			continue
		}
		t := &tail{f: file, read: &w.read, ended: next.packed}
		r, err := NewReader(t, next.name, -1)
		if err != nil {
			// Its beginning was good a moment ago.
			file.Close()
			continue
		}
		r.closer = file
		delete(w.known, next.name)
		w.again = next.again
		w.reader, w.tail, w.name, w.got, w.gone = r, t, next.name, false, false
		w.first, w.size, w.changed, w.told = next.first, next.stamp.size, next.stamp.time, -1
		w.files = append(w.files, File{Name: next.name, TotalSize: -1})
		return nil
	}
	time.Sleep(w.cfg.Poll)
	return ErrWait
}

// look finds out whether the file under way is finished. It returns nil if what is
// there now is to be read to its end, otherwise ErrWait, after waiting a little, or
// EndOfFile.
func (w *Watcher) look() error {
	if err := w.scanIfDue(); err != nil {
		return err
	}
	now := time.Now()
	if fi, err := w.tail.f.Stat(); err != nil {
		w.gone = true
	} else if s := stampOf(fi); s.size != w.size {
		w.gone = w.gone || s.size < w.tail.at // A ring of files has come round.
		w.size, w.changed = s.size, now
	}
	later := slices.ContainsFunc(w.queue, func(c waiting) bool { return c.empty || !w.got || c.first >= w.first })
	if later || w.gone {
		w.tail.ended = true
		return nil
	}
	if now.Sub(w.changed) >= w.cfg.Quiet && w.told != w.size && !w.again {
		w.told = w.size
		return w.end(w.reader.sofar(), nil)
	}
	time.Sleep(w.cfg.Poll)
	return ErrWait
}

// finish closes the file under way.
func (w *Watcher) finish(err error) error {
	file := w.reader.File()
	if fi, serr := w.tail.f.Stat(); serr == nil && !w.gone {
		w.known[w.name] = stampOf(fi)
	}
	w.reader.Close()
	w.reader = nil
	if err == io.EOF {
		err = nil
		if file.Size == w.told || w.again {
			// It was told of when it fell silent, or by an earlier run.
			w.files[len(w.files)-1] = file
			return ErrWait
		}
	}
	return w.end(file, err)
}

func (w *Watcher) end(file File, err error) error {
	w.files[len(w.files)-1] = file
	return &EndOfFile{Index: int32(len(w.files) - 1), File: file, Damage: err}
}

func (w *Watcher) scanIfDue() error {
	if time.Since(w.scanned) < w.cfg.Poll {
		return nil
	}
	return w.scan()
}

// scan looks for files to be read.
func (w *Watcher) scan() error {
	defer func() { w.begun, w.scanned = true, time.Now() }()
	entries, err := os.ReadDir(w.cfg.Dir)
	if err != nil {
		return fmt.Errorf("watching: %w", err)
	}
	there := make(map[string]stamp, len(entries))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := filepath.Join(w.cfg.Dir, e.Name())
		fi, err := os.Stat(name)
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		there[name] = stampOf(fi)
	}
	for name := range w.known {
		if _, ok := there[name]; !ok {
			delete(w.known, name)
		}
	}
	if w.reader != nil {
		// Removed, or its name given to another file.
		if fi, err := w.tail.f.Stat(); err == nil && there[w.name].inode != stampOf(fi).inode {
			w.gone = true
		} else {
			delete(there, w.name)
		}
	}
	w.queue = slices.DeleteFunc(w.queue, func(c waiting) bool { return there[c.name] != c.stamp })
	for _, c := range w.queue {
		delete(there, c.name)
	}
	var found []waiting
	for name, s := range there {
		if w.known[name] == s {
			continue
		}
		c := waiting{name: name, stamp: s}
		if err := c.peek(); err != nil {
			level := slog.LevelWarn
			if errors.Is(err, ErrFormat) || errors.Is(err, ErrWait) || errors.Is(err, os.ErrNotExist) {
				level = slog.LevelDebug // Folders hold other files, too, or it is just being begun.
			}
			says := "file is not read"
			if fi, lerr := os.Lstat(name); errors.Is(err, os.ErrPermission) && lerr == nil && fi.Mode()&os.ModeSymlink != 0 {
				says += "; a sandboxed sensor follows symbolic links that were there when it started: start it anew, or see -sandbox"
			}
			w.cfg.Log.Log(context.Background(), level, says, "file", name, "error", err)
			w.known[name] = s
			continue
		}
		if c.packed && time.Since(s.time) < w.cfg.Quiet {
			continue // It may not be whole yet.
		}
		found = append(found, c)
	}
	slices.SortFunc(found, byFirst)
	if !w.begun && w.cfg.Known != nil {
		if found, err = w.needed(found); err != nil {
			return err
		}
	}
	w.queue = append(w.queue, found...)
	slices.SortStableFunc(w.queue, byFirst)
	return nil
}

// byFirst orders files by their first frame; those without one are the newest.
func byFirst(a, b waiting) int {
	switch {
	case a.empty != b.empty:
		if a.empty {
			return 1
		}
		return -1
	case a.empty:
		return cmp.Or(a.stamp.time.Compare(b.stamp.time), cmp.Compare(a.name, b.name))
	}
	return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.name, b.name))
}

// peek looks at the file's beginning.
func (c *waiting) peek() error {
	r, err := Open(c.name)
	if err != nil {
		return err
	}
	defer r.Close()
	c.packed = r.in != io.Reader(r.raw)
	var f Frame
	if err := r.Next(&f); err != nil && err != io.EOF {
		var damaged *DamagedError
		if !errors.As(err, &damaged) {
			return err
		}
		// Reading it will tell.
		return nil
	}
	c.first, c.empty = f.Time, f.Number == 0
	return nil
}

// needed returns which of the files at the start are to be read.
func (w *Watcher) needed(found []waiting) ([]waiting, error) {
	last := make([]int64, len(found))
	from := int64(math.MaxInt64)
	for i := range found {
		c := &found[i]
		sum, _, err := Digest(c.name)
		if err != nil {
			continue // Reading it will tell.
		}
		if last[i], c.again = w.cfg.Known(sum); !c.again && !c.empty {
			from = min(from, c.first)
		}
	}
	since := int64(math.MaxInt64)
	if w.cfg.Since != nil {
		var err error
		if since, err = w.cfg.Since(from); err != nil {
			return nil, err
		}
	}
	read, again, archived := found[:0], 0, 0
	for i, c := range found {
		if c.again && last[i] < since {
			w.known[c.name] = c.stamp
			archived++
			continue
		}
		if c.again {
			again++
		}
		read = append(read, c)
	}
	w.cfg.Log.Info("watching", "folder", w.cfg.Dir, "archived", archived, "read again", again, "new", len(read)-again)
	return read, nil
}

// Name returns the name of the file with the index that frames carry.
func (w *Watcher) Name(index int32) string { return w.files[index].Name }

// Files says what was read so far, in the order of Frame.File.
func (w *Watcher) Files() []File {
	out := slices.Clone(w.files)
	if w.reader != nil {
		out[len(out)-1] = w.reader.File()
	}
	return out
}

// Progress returns the octets read so far; how many there will be is not known.
func (w *Watcher) Progress() (read, total int64) { return w.read.Load(), -1 }

// Close closes what is open.
func (w *Watcher) Close() error {
	if w.reader == nil {
		return nil
	}
	err := w.reader.Close()
	w.reader = nil
	return err
}
