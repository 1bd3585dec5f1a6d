package capture

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
)

// SourceConfig says what a Source reads and how.
type SourceConfig struct {
	// Paths are files, folders (their files, one level deep) and "-" for Stdin.
	Paths []string
	Stdin io.Reader
	// MaxOpen bounds the files open at once; only files that overlap in time
	// need to be. Where more do, the excess is read later than its time.
	// Zero means 64.
	MaxOpen int
	// Skip, if set, is asked with each file's digest before the file is read.
	// It costs a second pass over the files, which then need no digest in the
	// first. It is not asked for Stdin.
	Skip func(name string, size int64, sum [sha256.Size]byte) bool
	// SkipSize, if set, says whether Skip is to be asked about files of so many octets;
	// others are digested while they are read.
	SkipSize func(size int64) bool
}

// A SkippedFile was found but is not read.
type SkippedFile struct {
	Name string
	Err  error // nil where SourceConfig.Skip said so.
}

// A Source reads several capture files as one, in capture-time order: files
// are ordered by the time of their first frame, and where they overlap, their
// frames are merged by time. Within a file the order is the file's own, even if
// its clock was set back.
type Source struct {
	maxOpen int
	files   []sourceFile // In order of their first frame.
	next    int          // The first of files not opened yet.
	open    openFiles    // A heap by the time of each one's next frame.
	last    *sourceFile  // Gave the last frame and must move on.
	alone   *Reader      // Last's, where no other file is left with whose frames its are compared.
	skipped []SkippedFile

	read  atomic.Int64
	total int64
}

type sourceFile struct {
	index  int
	name   string
	size   int64
	first  int64 // Time of the first frame.
	stdin  bool
	reader *Reader
	frame  Frame // The next to give.
	info   File
	err    error

	// What Skip was asked with, and of how many octets; none where digested is 0.
	sum      [sha256.Size]byte
	digested int64
}

// openFiles is a heap.
type openFiles []*sourceFile

func (h openFiles) Len() int { return len(h) }
func (h openFiles) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].frame.Time, h[j].frame.Time), cmp.Compare(h[i].index, h[j].index)) < 0
}
func (h openFiles) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *openFiles) Push(x any)   { *h = append(*h, x.(*sourceFile)) }
func (h *openFiles) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// OpenSource finds the files, looks at the first frame of each, and orders
// them. A named file that is no capture is an error; one that is found in a
// folder is left out and told by Skipped.
func OpenSource(cfg SourceConfig) (*Source, error) {
	s := &Source{maxOpen: cmp.Or(cfg.MaxOpen, 64)}
	seen := map[string]bool{}
	for _, p := range cfg.Paths {
		if p == "-" {
			if cfg.Stdin == nil || seen["-"] {
				s.Close()
				return nil, errors.New("standard input can be read once")
			}
			seen["-"] = true
			if err := s.addStdin(cfg.Stdin); err != nil {
				s.Close()
				return nil, err
			}
			continue
		}
		st, err := os.Stat(p)
		if err != nil {
			s.Close()
			return nil, err
		}
		if !st.IsDir() {
			if err := s.add(p, &cfg, seen, st); err != nil {
				s.Close()
				return nil, err
			}
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			s.Close()
			return nil, err
		}
		for _, e := range entries {
			name := filepath.Join(p, e.Name())
			st, err := os.Stat(name)
			if err != nil || !st.Mode().IsRegular() {
				continue // Neither deeper folders nor pipes found by chance.
			}
			if err := s.add(name, &cfg, seen, st); err != nil {
				s.skipped = append(s.skipped, SkippedFile{name, err})
			}
		}
	}
	slices.SortStableFunc(s.files, func(a, b sourceFile) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.name, b.name))
	})
	for i := range s.files {
		f := &s.files[i]
		f.index = i
		if s.total >= 0 && f.size >= 0 {
			s.total += f.size
		} else {
			s.total = -1
		}
	}
	return s, nil
}

func (s *Source) addStdin(in io.Reader) error {
	r, err := NewReader(in, "-", -1)
	if err != nil {
		return err
	}
	return s.addOpen(sourceFile{name: "-", size: -1, stdin: true, reader: r})
}

// addOpen adds a file that can be read only once and so stays open.
func (s *Source) addOpen(f sourceFile) error {
	f.err = f.reader.Next(&f.frame)
	if f.err != nil && f.err != io.EOF {
		f.reader.Close()
		return f.err
	}
	f.first = f.frame.Time
	s.files = append(s.files, f)
	return nil
}

func (s *Source) add(name string, cfg *SourceConfig, seen map[string]bool, st os.FileInfo) error {
	id := name
	if abs, err := filepath.Abs(name); err == nil {
		id = abs
	}
	if seen[id] {
		return nil // Named itself, and found in a folder.
	}
	seen[id] = true
	if !st.Mode().IsRegular() {
		r, err := Open(name)
		if err != nil {
			return err
		}
		return s.addOpen(sourceFile{name: name, size: -1, reader: r})
	}
	var sum [sha256.Size]byte
	var size int64
	if cfg.Skip != nil && (cfg.SkipSize == nil || cfg.SkipSize(st.Size())) {
		var err error
		if sum, size, err = Digest(name); err != nil {
			return err
		}
		if cfg.Skip(name, size, sum) {
			s.skipped = append(s.skipped, SkippedFile{Name: name})
			return nil
		}
	}
	r, err := open(name, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	var f Frame
	if err := r.Next(&f); err != nil && err != io.EOF {
		return err
	}
	s.files = append(s.files, sourceFile{name: name, size: r.file.TotalSize, first: f.Time, sum: sum, digested: size})
	return nil
}

// Next fills f with the next frame in capture-time order. It returns io.EOF
// after the last. An error other than that is a file's: it ended early, and
// Next may be called again for the others.
func (s *Source) Next(f *Frame) error {
	if r := s.alone; r != nil {
		if r.buffered(f) { // By itself, so that the compiler makes no value of both.
			return nil
		}
	}
	return s.nextOf(f)
}

// nextOf is Next for any frame.
func (s *Source) nextOf(f *Frame) error {
	if n := s.last; s.alone != nil {
		if n.read(f) {
			return nil
		}
		s.alone = nil
		if err := s.ended(n); err != nil {
			return err
		}
	} else if n != nil {
		if err := s.advance(n); err != nil {
			return err
		}
	}
	for s.next < len(s.files) {
		n := &s.files[s.next]
		if len(s.open) > 0 && (len(s.open) >= s.maxOpen || n.first > s.open[0].frame.Time) {
			break
		}
		s.next++
		if err := s.start(n); err != nil {
			return err
		}
	}
	if len(s.open) == 0 {
		return io.EOF
	}
	s.last = s.open[0]
	if len(s.open) == 1 && s.next == len(s.files) {
		s.alone = s.last.reader
	}
	*f = s.last.frame
	f.File = int32(s.last.index)
	return nil
}

// start opens a file and reads its first frame.
func (s *Source) start(n *sourceFile) error {
	if n.reader == nil {
		var sum hash.Hash
		if n.digested == 0 {
			sum = sha256.New()
		}
		r, err := open(n.name, sum)
		if err != nil {
			n.info = File{Name: n.name, TotalSize: n.size}
			return err
		}
		n.reader = r
		n.read(&n.frame)
	}
	n.reader.index = int32(n.index)
	s.read.Add(n.reader.raw.n.Load())
	n.reader.raw.all = &s.read
	if n.err != nil {
		return s.finish(n)
	}
	heap.Push(&s.open, n)
	return nil
}

// read reads the next frame, and reports whether there was one.
func (n *sourceFile) read(f *Frame) bool {
	n.err = n.reader.Next(f)
	return n.err == nil
}

// advance reads the next frame of the file at the top of the heap.
func (s *Source) advance(n *sourceFile) error {
	if !n.read(&n.frame) {
		return s.ended(n)
	}
	s.last = nil
	if len(s.open) > 1 {
		heap.Fix(&s.open, 0)
	}
	return nil
}

// ended takes the file at the top of the heap away.
func (s *Source) ended(n *sourceFile) error {
	s.last = nil
	heap.Pop(&s.open)
	return s.finish(n)
}

func (s *Source) finish(n *sourceFile) error {
	n.info = n.reader.File()
	n.reader.Close()
	n.reader = nil
	if n.info.Done && n.digested > 0 {
		if n.info.SHA256 = n.sum; n.info.Size != n.digested {
			// It has grown since.
			sum, size, err := digest(n.name, n.info.Size)
			if err == nil && size != n.info.Size {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				n.info.Done = false
				return fmt.Errorf("capture: digest of %s: %w", n.name, err)
			}
			n.info.SHA256 = sum
		}
	}
	if n.err == io.EOF {
		return nil
	}
	return fmt.Errorf("capture: %w", n.err)
}

// Name returns the name of the file with the index that frames carry.
func (s *Source) Name(file int32) string { return s.files[file].name }

// Files says what was read so far, in the order of Frame.File.
func (s *Source) Files() []File {
	out := make([]File, len(s.files))
	for i := range s.files {
		f := &s.files[i]
		switch {
		case f.reader != nil:
			out[i] = f.reader.File()
		case f.info.Name != "":
			out[i] = f.info
		default:
			out[i] = File{Name: f.name, TotalSize: f.size}
		}
	}
	return out
}

// Skipped says which files are not read.
func (s *Source) Skipped() []SkippedFile { return s.skipped }

// Progress returns the octets read so far, as stored, and how many there are
// in all; total is -1 when a pipe is among the files. It may be called by
// another goroutine.
func (s *Source) Progress() (read, total int64) { return s.read.Load(), s.total }

// Close closes all files.
func (s *Source) Close() error {
	var errs []error
	for i := range s.files {
		if r := s.files[i].reader; r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(errs...)
}
