package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"x400flow/pipeline/record"
)

// Files in the directory.
const (
	lockName    = "lock"
	droppedName = "dropped" // Records dropped that no heartbeat has told of.
	segmentExt  = ".records"
)

// Bounds of a segment's size.
const (
	minSegment = 64 << 10
	maxSegment = 16 << 20
)

// errFull is why a record is dropped.
var errFull = errors.New("the spool is full")

// disk is a queue of records in files. Each segment is a record file; they are
// numbered, the last is written, the first is read, and one that was sent is
// removed. A segment is read from its beginning after a restart, so that records
// may be sent twice.
type disk struct {
	dir    string
	log    *slog.Logger
	lock   *os.File
	limit  int64 // Octets of all segments.
	size   int64 // Octets of a segment before the next begins.
	octets int64 // Of all segments.

	segments []segment // Not yet sent; in order.
	next     uint64    // Number of the next.
	// out is the last segment, open for writing, or nil.
	out     *os.File
	unsaved bool // Something was written since the last sync.
	frame   []byte

	// in reads the first segment, through part.
	in   *record.Reader
	file *os.File
	part *part
	// ended says that what was read last was the first segment's end, damaged that
	// what follows cannot be read.
	ended, damaged bool
}

type segment struct {
	number uint64
	size   int64
}

// part lets a file be read as far as it is written.
type part struct {
	f    *os.File
	read int64
	size int64
}

func (p *part) Read(b []byte) (int, error) {
	if rest := p.size - p.read; int64(len(b)) > rest {
		b = b[:rest]
	}
	if len(b) == 0 {
		return 0, io.EOF
	}
	n, err := p.f.Read(b)
	p.read += int64(n)
	return n, err
}

func openDisk(dir string, limit int64, log *slog.Logger) (d *disk, dropped uint64, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, 0, err
	}
	d = &disk{dir: dir, log: log, limit: limit, size: min(max(limit/8, minSegment), maxSegment)}
	d.lock, err = os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, 0, err
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(d.lock.Fd(), unix.F_OFD_SETLK, &lk); err != nil {
		d.lock.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, 0, errors.New("another sensor uses it: give each its own -spool")
		}
		return nil, 0, fmt.Errorf("locking: %w", err)
	}
	if err := d.find(); err != nil {
		d.lock.Close()
		return nil, 0, err
	}
	name := filepath.Join(dir, droppedName)
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.lock.Close()
		return nil, 0, err
	default:
		if dropped, err = strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64); err != nil {
			log.Error("spool: the count of dropped records cannot be read", "file", name, "error", err)
		}
		if err := os.Remove(name); err != nil {
			d.lock.Close()
			return nil, 0, err
		}
	}
	return d, dropped, nil
}

// find finds the segments that an earlier run left.
func (d *disk) find() error {
	entries, err := os.ReadDir(d.dir) // Sorted by name, and so by number.
	if err != nil {
		return err
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), segmentExt)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || d.name(n) != filepath.Join(d.dir, e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		d.segments = append(d.segments, segment{n, info.Size()})
		d.octets += info.Size()
		d.next = n
	}
	d.next++
	return nil
}

func (d *disk) name(n uint64) string {
	return filepath.Join(d.dir, fmt.Sprintf("%016d%s", n, segmentExt))
}

func (d *disk) empty() bool { return len(d.segments) == 0 }

// write appends a record. Where it does not fit, nothing of it stays.
func (d *disk) write(rec []byte) error {
	if len(rec) > record.MaxSize {
		return fmt.Errorf("record: %d octets exceed %d", len(rec), record.MaxSize)
	}
	begins := d.out == nil || d.segments[len(d.segments)-1].size >= d.size
	d.frame = d.frame[:0]
	if begins {
		d.frame = record.AppendFileHeader(d.frame)
	}
	d.frame = record.AppendFramed(d.frame, rec)
	if d.octets+int64(len(d.frame)) > d.limit {
		return errFull
	}
	if begins {
		if err := d.begin(); err != nil {
			return err
		}
	}
	last := &d.segments[len(d.segments)-1]
	if _, err := d.out.Write(d.frame); err != nil {
		d.undo(last)
		return err
	}
	last.size += int64(len(d.frame))
	d.octets += int64(len(d.frame))
	if d.part != nil && len(d.segments) == 1 {
		d.part.size = last.size
	}
	d.unsaved = true
	return nil
}

// begin begins a segment.
func (d *disk) begin() error {
	if err := d.closeOut(); err != nil {
		return err
	}
	f, err := os.OpenFile(d.name(d.next), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	d.out = f
	d.segments = append(d.segments, segment{number: d.next})
	d.next++
	return nil
}

// undo takes back what a failed write left.
func (d *disk) undo(last *segment) {
	err := d.out.Truncate(last.size)
	if err == nil && last.size > 0 {
		return
	}
	// A segment without a record, or one that cannot be cut: its end is where it is
	// known to be good, and nothing more is written to it.
	if err != nil {
		d.log.Error("spool: cannot cut a segment after a failed write", "file", d.out.Name(), "error", err)
	}
	name := d.out.Name()
	if err := d.out.Close(); err != nil {
		d.log.Error("spool: closing a segment", "file", name, "error", err)
	}
	d.out = nil
	if last.size == 0 {
		d.segments = d.segments[:len(d.segments)-1]
		if err := os.Remove(name); err != nil {
			d.log.Error("spool: removing an empty segment", "file", name, "error", err)
		}
	}
}

func (d *disk) closeOut() error {
	if d.out == nil {
		return nil
	}
	err := d.sync()
	err = errors.Join(err, d.out.Close())
	d.out = nil
	return err
}

// sync forces what was written onto the disk, and that the segments are there.
func (d *disk) sync() error {
	if d.out == nil || !d.unsaved {
		return nil
	}
	d.unsaved = false
	if err := d.out.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// read returns records from the first segment, about as many octets as given; none
// at its end. The disk must not be empty, and what was read must be settled, with
// sent, before the next read. An error, but for damage, leaves the segment to be
// read again.
func (d *disk) read(octets int) (records []*record.Buffer, err error) {
	first := &d.segments[0]
	if d.in == nil {
		f, err := os.Open(d.name(first.number))
		if err != nil {
			d.ended = errors.Is(err, fs.ErrNotExist)
			d.damaged = d.ended
			return nil, err
		}
		d.file = f
		d.part = &part{f: f, size: first.size}
		if d.in, err = record.NewReader(d.part); err != nil {
			d.ended, d.damaged = true, true
			if first.size == 0 {
				return nil, nil // It was just begun when its writer died.
			}
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	for octets > 0 {
		rec := record.NewBuffer()
		err := d.in.Next(rec)
		if err == nil {
			records = append(records, rec)
			octets -= len(rec.B)
			continue
		}
		rec.Release()
		d.ended = true
		if errors.Is(err, io.EOF) {
			break
		}
		d.damaged = true
		if errors.Is(err, io.ErrUnexpectedEOF) {
			// Its writer died in the middle of it.
			d.log.Warn("spool: the last record of a segment is not whole", "file", d.file.Name(), "error", err)
			break
		}
		return records, fmt.Errorf("%s: %w", d.file.Name(), err)
	}
	return records, nil
}

// sent settles what was read last. A segment that is at its end is removed, unless
// it has grown meanwhile.
func (d *disk) sent() {
	if !d.ended || !d.damaged && d.in.Offset() < d.part.size {
		d.ended = false
		return
	}
	first := d.segments[0]
	if d.file != nil {
		d.file.Close() // It was only read.
	}
	d.in, d.file, d.part = nil, nil, nil
	d.ended, d.damaged = false, false
	if len(d.segments) == 1 && d.out != nil {
		d.out.Close() // What is in it is sent.
		d.out, d.unsaved = nil, false
	}
	if err := os.Remove(d.name(first.number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Error("spool: a segment that was sent cannot be removed; another run will send it again", "error", err)
	}
	d.octets -= first.size
	d.segments = append(d.segments[:0], d.segments[1:]...)
}

// close leaves the directory to the next run, and tells it what was dropped and not
// told of.
func (d *disk) close(dropped uint64) error {
	err := d.closeOut()
	if d.file != nil {
		d.file.Close() // It was only read.
	}
	if dropped > 0 {
		text := strconv.FormatUint(dropped, 10) + "\n"
		if e := os.WriteFile(filepath.Join(d.dir, droppedName), []byte(text), 0o640); e != nil {
			err = errors.Join(err, fmt.Errorf("%d records were dropped and no heartbeat tells of it: %w", dropped, e))
		}
	}
	return errors.Join(err, d.lock.Close())
}
