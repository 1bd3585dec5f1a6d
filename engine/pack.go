package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/sys/unix"
)

// spool is a body, or part of one, in a file of its own.
type spool struct {
	path string
	size int64
}

// spool writes head and then the rest of body into a file.
func (h *handler) spool(head []byte, body io.Reader) (*spool, error) {
	f, err := os.CreateTemp(h.temp, "insert-*")
	if err != nil {
		return nil, err
	}
	s := &spool{path: f.Name()}
	n, err := io.Copy(f, io.MultiReader(bytes.NewReader(head), body))
	s.size = n
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		s.remove()
		return nil, bodyError(err)
	}
	return s, nil
}

func (s *spool) remove() {
	if s != nil {
		_ = os.Remove(s.path)
	}
}

// clause is the end of an INSERT that reads the file.
func (s *spool) clause(settings, format string) string {
	return "\nFROM INFILE " + quote(s.path) + " COMPRESSION 'none'" + settings + "\nFORMAT " + format
}

// errBodyTooLarge says that a body unpacks to more than it may.
var errBodyTooLarge = errors.New("the body is larger than the engine takes")

// bodyError tells a body that is too large from one that could not be kept for
// now, which is to be sent again, and from one that broke off.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, errBodyTooLarge) {
		return &exception{code: 307, text: "Code: 307. DB::Exception: " + errBodyTooLarge.Error() + " (TOO_MANY_BYTES)"}
	}
	var local *fs.PathError
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return &exception{code: 243, text: "Code: 243. DB::Exception: keeping the body: " + err.Error() + " (NOT_ENOUGH_SPACE)"}
	case errors.As(err, &local):
		return &exception{code: 75, text: "Code: 75. DB::Exception: keeping the body: " + err.Error() + " (CANNOT_WRITE_TO_FILE_DESCRIPTOR)"}
	}
	return badRequest("reading the body: %v", err)
}

// capped gives errBodyTooLarge after n octets.
type capped struct {
	r io.Reader
	n int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n -= int64(n); c.n < 0 {
		return 0, errBodyTooLarge
	}
	return n, err
}

// unpack returns the body of r as its client meant it.
func unpack(r *http.Request, most int64) (io.ReadCloser, error) {
	var body io.Reader = http.MaxBytesReader(nil, r.Body, most)
	closer := func() error { return nil }
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, bodyError(err)
		}
		body = z
	case "deflate":
		z, err := zlib.NewReader(body)
		if err != nil {
			return nil, bodyError(err)
		}
		body = z
	case "br":
		body = brotli.NewReader(body)
	case "zstd":
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, bodyError(err)
		}
		body, closer = z, func() error { z.Close(); return nil }
	case "lz4":
		body = lz4.NewReader(body)
	default:
		return nil, badRequest("Content-Encoding %q is not known", enc)
	}
	if truthy(r.URL.Query().Get("decompress")) {
		// ClickHouse's own framing.
		body = &plainEOF{r: compress.NewReader(body)}
	}
	return struct {
		io.Reader
		io.Closer
	}{&capped{body, most}, closeFunc(closer)}, nil
}

// plainEOF unwraps an io.EOF, which most callers want bare, and remembers it:
// ch-go's reader gives its last block again to who reads past the end.
type plainEOF struct {
	r   io.Reader
	err error
}

func (e *plainEOF) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.r.Read(p)
	if err != nil && errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	e.err = err
	return n, err
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

// readPrefix reads up to most octets, and tells whether that is all there is.
func readPrefix(r io.Reader, most int) (b []byte, whole bool, err error) {
	b, err = io.ReadAll(io.LimitReader(r, int64(most)))
	if err != nil {
		return nil, false, bodyError(err)
	}
	return b, len(b) < most, nil
}

// packer writes a result as the client wants it packed.
type packer struct {
	name   string // Content-Encoding.
	native bool   // ClickHouse's own framing (compress=1).
	method compress.Method
	level  compress.Level

	w      io.Writer
	zip    io.WriteCloser
	flush  func() error
	blocks *compress.Writer
}

// maxPackedBlock is how much goes into one block of ClickHouse's framing.
const maxPackedBlock = 1 << 20

func choosePacker(r *http.Request) packer {
	p := r.URL.Query()
	if truthy(p.Get("compress")) {
		k := packer{native: true, method: compress.LZ4}
		if strings.EqualFold(p.Get("network_compression_method"), "ZSTD") {
			k.method = compress.ZSTD
			if n, err := strconv.Atoi(p.Get("network_zstd_compression_level")); err == nil && n > 0 {
				k.level = compress.Level(n)
			}
		}
		return k
	}
	if v := p.Get("enable_http_compression"); v != "" && !truthy(v) {
		return packer{}
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.ReplaceAll(q, " ", "") == "q=0" {
			continue
		}
		switch name {
		case "gzip", "deflate", "br", "zstd":
			return packer{name: name}
		}
	}
	return packer{}
}

func (p *packer) start(w http.ResponseWriter) error {
	p.w = w
	switch {
	case p.native:
		p.blocks = compress.NewWriter(p.level, p.method)
		return nil
	case p.name == "":
		return nil
	}
	w.Header().Set("Content-Encoding", p.name)
	switch p.name {
	case "gzip":
		z, err := gzip.NewWriterLevel(w, 3)
		if err != nil {
			return err
		}
		p.zip, p.flush = z, z.Flush
	case "deflate":
		z, err := zlib.NewWriterLevel(w, 3)
		if err != nil {
			return err
		}
		p.zip, p.flush = z, z.Flush
	case "br":
		z := brotli.NewWriterLevel(w, 3)
		p.zip, p.flush = z, z.Flush
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		p.zip, p.flush = z, z.Flush
	}
	return nil
}

func (p *packer) write(b []byte) error {
	switch {
	case p.native:
		for len(b) > 0 {
			n := min(len(b), maxPackedBlock)
			if err := p.blocks.Compress(b[:n]); err != nil {
				return err
			}
			if _, err := p.w.Write(p.blocks.Data); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	case p.zip != nil:
		if _, err := p.zip.Write(b); err != nil {
			return err
		}
		return p.flush()
	}
	_, err := p.w.Write(b)
	return err
}

func (p *packer) end() error {
	if p.zip != nil {
		return p.zip.Close()
	}
	return nil
}
