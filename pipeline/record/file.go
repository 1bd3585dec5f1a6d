package record

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// magic begins a record file; the digit is the file format's version, not the
// records'.
const magic = "x400flow records 1\n"

// AppendFileHeader appends what a record file begins with.
func AppendFileHeader(b []byte) []byte { return append(b, magic...) }

// AppendFramed appends a record as it stands in a record file. It must not exceed
// MaxSize.
func AppendFramed(b, rec []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(rec)))
	return append(b, rec...)
}

// Writer writes a record file: the line "x400flow records 1", then each record
// behind its length as a 4-octet big-endian number.
type Writer struct {
	w *bufio.Writer
}

// NewWriter begins a record file in w.
func NewWriter(w io.Writer) (*Writer, error) {
	bw := bufio.NewWriterSize(w, 1<<18)
	_, err := bw.WriteString(magic)
	return &Writer{bw}, err
}

// Write writes one record.
func (w *Writer) Write(rec []byte) error {
	if len(rec) > MaxSize {
		return fmt.Errorf("record: %d octets exceed %d", len(rec), MaxSize)
	}
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(rec)))
	if _, err := w.w.Write(n[:]); err != nil {
		return err
	}
	_, err := w.w.Write(rec)
	return err
}

// Flush writes what is buffered.
func (w *Writer) Flush() error { return w.w.Flush() }

// Reader reads a record file.
type Reader struct {
	r   *bufio.Reader
	off int64
}

// NewReader begins reading a record file from r.
func NewReader(r io.Reader) (*Reader, error) {
	br := bufio.NewReaderSize(r, 1<<18)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(br, head); err != nil || string(head) != magic {
		return nil, errors.New("not a record file: it does not begin with \"x400flow records 1\"; ingest -records FILE writes one")
	}
	return &Reader{r: br, off: int64(len(magic))}, nil
}

// Offset returns how many octets were read.
func (r *Reader) Offset() int64 { return r.off }

// Next reads the next record into b. It returns io.EOF at the end, and
// io.ErrUnexpectedEOF, wrapped with the offset, where the file was cut short.
func (r *Reader) Next(b *Buffer) error {
	var head [4]byte
	if n, err := io.ReadFull(r.r, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("record at octet %d: %w", r.off, io.ErrUnexpectedEOF)
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > MaxSize {
		return fmt.Errorf("record at octet %d: %d octets exceed %d: the file is damaged", r.off, n, MaxSize)
	}
	if cap(b.B) < n {
		b.B = make([]byte, n)
	}
	b.B = b.B[:n]
	if _, err := io.ReadFull(r.r, b.B); err != nil {
		return fmt.Errorf("record at octet %d: %w", r.off, io.ErrUnexpectedEOF)
	}
	r.off += int64(4 + n)
	return nil
}
