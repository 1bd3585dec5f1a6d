package capture

import (
	"crypto/sha256"
	"errors"
	"io"
)

var errTODO = errors.New("not written yet")

// A Reader reads the frames of one capture file.
type Reader struct{}

// Open opens a capture file.
func Open(name string) (*Reader, error) { return nil, errTODO }

// NewReader reads a capture from r. The name is for messages; size is the
// number of octets that r will give, or -1.
func NewReader(r io.Reader, name string, size int64) (*Reader, error) { return nil, errTODO }

// Next fills f with the next frame. It returns io.EOF at the end, a truncated
// last record included.
func (r *Reader) Next(f *Frame) error { return errTODO }

// File says what was read so far.
func (r *Reader) File() File { return File{} }

// Close closes the file, if Open opened it.
func (r *Reader) Close() error { return nil }

// A Source reads several capture files as one, in capture-time order.
type Source struct{}

// OpenSource finds the files and orders them by their first frame.
func OpenSource(cfg SourceConfig) (*Source, error) { return nil, errTODO }

// Next fills f with the next frame in capture-time order. It returns io.EOF
// after the last.
func (s *Source) Next(f *Frame) error { return errTODO }

// Files says what was read so far, in the order of Frame.File.
func (s *Source) Files() []File { return nil }

// Progress returns the octets read so far, as stored, and how many there are
// in all; total is -1 when a pipe is among the files. It may be called by
// another goroutine.
func (s *Source) Progress() (read, total int64) { return 0, -1 }

// Close closes all files.
func (s *Source) Close() error { return nil }

// Digest returns a file's SHA-256 and size.
func Digest(name string) (sum [sha256.Size]byte, size int64, err error) {
	return sum, 0, errTODO
}
