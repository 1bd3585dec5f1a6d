package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"math/bits"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MaxRecord is the most octets that one packet may have. Capture programs write
// at most 256 KiB.
const MaxRecord = 1 << 20

// readSize is how much is read at once: half of what a core's second cache commonly
// holds. An octet costs less the more are read by one call.
const readSize = 512 << 10

// readBuffers are what closed readers read into: of a folder each file is opened twice.
var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// maxIfaces bounds the interfaces of a pcapng section.
const maxIfaces = 1 << 16

// maxZstdWindow bounds the memory that a zstd stream may ask for.
const maxZstdWindow = 256 << 20

// ErrFormat says that a file is no capture in a format that is read.
var ErrFormat = errors.New("not a pcap or pcapng file")

// A DamagedError says that a capture file contradicts itself. The frames before
// are good; no more can be read.
type DamagedError struct {
	Name   string
	Offset int64 // In the uncompressed file.
	What   string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s: damaged at octet %d: %s", e.Name, e.Offset, e.What)
}

type format uint8

const (
	pcap format = 1 + iota
	pcapng
)

// An iface is a pcapng interface.
type iface struct {
	link    LinkType
	snaplen uint32
	perSec  uint64 // Clock ticks in a second; 0 where they cannot be counted.
	offset  int64  // Seconds to add.
}

// A Reader reads the frames of one capture file. Compression and format are
// recognised by content. Frames refer to the reader's buffer, without a copy.
type Reader struct {
	file   File
	raw    *meter
	closer io.Closer
	zstd   *zstd.Decoder
	in     io.Reader // Uncompressed.

	buf  []byte // What was read last, with room for more behind it.
	used int    // Octets of it.
	upto int64  // Uncompressed offset behind buf.
	rerr error  // What ended in.

	format format
	order  byteOrder
	err    error

	// pcap
	scale     int64 // Nanoseconds in a unit of the fraction.
	recordLen int
	ready     []byte // What of buf frames are taken from straight; see buffered.
	index     int32  // What frames carry as their file.
	swapped   uint8  // Order of the two lengths: 0 as now, 1 swapped, 2 to be guessed.
	link      LinkType

	// pcapng
	rest     int64 // Octets to pass over before the next block.
	ifaces   []iface
	skipping bool // The section's version is not known.
}

type byteOrder bool

const (
	little byteOrder = false
	big    byteOrder = true
)

func (o byteOrder) u16(b []byte) uint16 {
	if o == big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o byteOrder) u32(b []byte) uint32 {
	if o == big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o byteOrder) u64(b []byte) uint64 {
	if o == big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// A meter counts and digests what is read through it.
type meter struct {
	r   io.Reader
	n   atomic.Int64
	all *atomic.Int64 // Counts it too, if not nil.
	sum hash.Hash     // nil where somebody else has the digest.
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.sum != nil {
		m.sum.Write(p[:n])
	}
	m.n.Add(int64(n))
	if m.all != nil {
		m.all.Add(int64(n))
	}
	return n, err
}

// Open opens a capture file.
func Open(name string) (*Reader, error) { return open(name, sha256.New()) }

// open is Open with the digest that is to be made of what is read; nil for none.
func open(name string, sum hash.Hash) (*Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	size := int64(-1)
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		size = st.Size()
	}
	r, err := newReader(f, name, size, sum)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.closer = f
	return r, nil
}

// NewReader reads a capture from r. The name is for messages; size is the
// number of octets that r will give, or -1 where that is not known.
func NewReader(r io.Reader, name string, size int64) (*Reader, error) {
	return newReader(r, name, size, sha256.New())
}

func newReader(r io.Reader, name string, size int64, sum hash.Hash) (*Reader, error) {
	rd := &Reader{
		file: File{Name: name, TotalSize: size},
		raw:  &meter{r: r, sum: sum},
		buf:  readBuffers.Get().(*[readSize]byte)[:0],
	}
	rd.in = rd.raw
	if err := rd.begin(); err != nil {
		rd.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rd, nil
}

// begin recognises compression and format and reads the file header.
func (r *Reader) begin() error {
	suffix := ""
	head, _ := r.peek(4)
	switch {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		suffix = ".gz"
		gz, err := gzip.NewReader(r.stored())
		if err != nil {
			return err
		}
		r.in = gz
	case len(head) >= 4 && (binary.LittleEndian.Uint32(head) == 0xfd2fb528 || binary.LittleEndian.Uint32(head)&^0xf == 0x184d2a50):
		suffix = ".zst"
		// One thread: several files may be open, and decoding is not what
		// holds the pipeline up.
		zr, err := zstd.NewReader(r.stored(), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return err
		}
		r.in, r.zstd = zr, zr
	}
	if suffix != "" {
		r.buf, r.used, r.upto, r.rerr = r.buf[:0], 0, 0, nil
		head, _ = r.peek(4)
	}
	if len(head) < 4 {
		if r.rerr != nil && r.rerr != io.EOF {
			return r.rerr
		}
		return ErrFormat
	}
	switch m := binary.BigEndian.Uint32(head); m {
	case 0x0a0d0d0a:
		r.format = pcapng
		r.file.Format = "pcapng" + suffix
		// The first block is read with the first frame; look here only
		// whether it may be one.
		if b, _ := r.peek(12); len(b) < 12 || !isByteOrderMagic(b[8:]) {
			return ErrFormat
		}
		return nil
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0xa1b2cd34, 0x34cdb2a1:
		r.format = pcap
		r.file.Format = "pcap" + suffix
		r.order = byteOrder(m>>24 == 0xa1)
		r.scale, r.recordLen = 1000, 16
		switch r.order.u32(head) {
		case 0xa1b23c4d:
			r.scale = 1
		case 0xa1b2cd34: // A variant of old Linux systems: 8 octets more.
			r.recordLen = 24
		}
	default:
		return ErrFormat
	}
	b, err := r.peek(24)
	if len(b) < 24 {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return ErrFormat
		}
		return err
	}
	major, minor := r.order.u16(b[4:]), r.order.u16(b[6:])
	if major != 2 {
		return fmt.Errorf("pcap version %d.%d: %w", major, minor, ErrFormat)
	}
	// Before version 2.3 the two lengths stood the other way round, and in 2.3
	// some writers still had them so.
	switch {
	case minor < 3:
		r.swapped = 1
	case minor == 3:
		r.swapped = 2
	}
	// The upper bits of the network field tell of frame check sequences.
	r.link = LinkType(r.order.u32(b[20:]))
	r.use(24)
	return nil
}

// stored gives the octets as stored from their beginning, the ones already
// read included.
func (r *Reader) stored() io.Reader {
	head := bytes.NewReader(bytes.Clone(r.left()))
	if r.rerr != nil {
		return head
	}
	return io.MultiReader(head, r.raw)
}

func isByteOrderMagic(b []byte) bool {
	m := binary.BigEndian.Uint32(b)
	return m == 0x1a2b3c4d || m == 0x4d3c2b1a
}

// peek returns the next n octets, or what there is of them and why there are
// no more. The slice is valid until the next call.
func (r *Reader) peek(n int) ([]byte, error) {
	if left := r.left(); len(left) >= n {
		return left[:n], nil
	}
	return r.fill(n)
}

func (r *Reader) fill(n int) ([]byte, error) {
	for len(r.left()) < n {
		if r.rerr != nil {
			return r.left(), r.rerr
		}
		// What is left moves to the front where the whole has no room behind it.
		if r.used == len(r.buf) || n > cap(r.buf)-r.used {
			r.buf = r.buf[:copy(r.buf, r.left())]
			r.used = 0
		}
		if len(r.buf) == cap(r.buf) {
			// Grown by doubling as octets arrive, so that a length alone
			// does not take memory.
			r.buf = slices.Grow(r.buf, len(r.buf))
		}
		m, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+m]
		r.upto += int64(m)
		if err == ErrWait {
			return r.left(), err // There may be more later.
		}
		r.rerr = err
	}
	return r.left()[:n], nil
}

// left is what was read and not used yet.
func (r *Reader) left() []byte { return r.buf[r.used:] }

func (r *Reader) use(n int) { r.used += n }

// offset returns the uncompressed offset of what is left.
func (r *Reader) offset() int64 { return r.upto - int64(len(r.left())) }

// discard passes over n octets, without holding them. What it could not pass over
// yet is r.rest.
func (r *Reader) discard(n int64) error {
	r.rest = n
	for n > 0 {
		if len(r.left()) == 0 {
			if _, err := r.peek(1); err != nil {
				return err
			}
		}
		m := min(n, int64(len(r.left())))
		r.use(int(m))
		n -= m
		r.rest = n
	}
	return nil
}

// Next fills f with the next frame. It returns io.EOF at the end; a file cut
// short ends where it was cut, and File.Truncated says so. Any other error is
// final too, but for ErrWait, which comes from the reader given to NewReader.
func (r *Reader) Next(f *Frame) error {
	if r.buffered(f) {
		return nil
	}
	return r.next(f)
}

// buffered reads what nearly all frames are, straight through: a record of a usual pcap file
// that was not cut and is in the buffer, with more behind it. Of any other it reports false
// and has done nothing.
func (r *Reader) buffered(f *Frame) bool {
	const header = 16
	// Written so that the compiler sees what is within bounds, and with one way out for
	// what is not usual.
	if b, at := r.ready, r.used; len(b)-at > header {
		left := b[at:len(b):len(b)]
		h := (*[header]byte)(left)
		n := int(binary.LittleEndian.Uint32(h[8:]))
		left = left[header:]
		if n < len(left) && n == int(binary.LittleEndian.Uint32(h[12:])) {
			time := int64(binary.LittleEndian.Uint32(h[:]))*1e9 + int64(binary.LittleEndian.Uint32(h[4:]))*r.scale
			f.Data, f.Length, f.Time = left[:n:n], n, time
			f.Link, f.Iface, f.File = r.link, 0, r.index
			f.Number = r.file.count(n, time)
			r.used = at + header + n
			return true
		}
	}
	return false
}

// prepare says what buffered may take: of a usual file, which is little-endian, with headers
// of 16 octets and the lengths in order, once the first frame was read. It is so little that
// no frame in it is larger than MaxRecord.
func (r *Reader) prepare() {
	r.ready = nil
	if r.format == pcap && r.order == little && r.recordLen == 16 && r.swapped == 0 && r.file.Frames > 0 {
		r.ready = r.buf[:min(len(r.buf), MaxRecord)]
	}
}

// count counts a frame, and returns its number.
func (c *File) count(octets int, time int64) uint64 {
	c.Frames++
	c.Octets += uint64(octets)
	switch {
	case time >= c.Last:
		c.Last = time
	case time < c.First:
		c.First = time
	}
	return c.Frames
}

// next is Next for any frame.
func (r *Reader) next(f *Frame) (err error) {
	switch {
	case r.err != nil:
		return r.err
	case r.format == pcap:
		err = r.nextPcap(f)
	default:
		err = r.nextBlock(f)
	}
	switch {
	case err == nil:
		if r.file.Frames == 0 {
			r.file.First, r.file.Last = f.Time, f.Time
		}
		f.Number, f.File = r.file.count(len(f.Data), f.Time), r.index
	case err != ErrWait:
		r.err, r.ready = r.finish(err), nil
		return r.err
	}
	r.prepare()
	return err
}

// finish turns what ended the reading into what Next returns, and reads the
// rest of the file as stored, for its digest.
func (r *Reader) finish(err error) error {
	var damaged *DamagedError
	switch {
	case err == io.EOF && len(r.left()) > 0, err == io.ErrUnexpectedEOF:
		r.file.Truncated = true
		err = io.EOF
	case err == io.EOF:
	case errors.As(err, &damaged):
	default:
		err = fmt.Errorf("%s: at octet %d: %w", r.file.Name, r.offset(), err)
	}
	if _, cerr := io.Copy(io.Discard, r.raw); cerr != nil && err == io.EOF {
		err = fmt.Errorf("%s: %w", r.file.Name, cerr)
	}
	r.file.Done = err == io.EOF || damaged != nil
	if r.raw.sum != nil {
		r.raw.sum.Sum(r.file.SHA256[:0])
	}
	return err
}

func (r *Reader) damaged(what string) error {
	return &DamagedError{Name: r.file.Name, Offset: r.offset(), What: what}
}

func (r *Reader) nextPcap(f *Frame) error {
	h, err := r.peek(r.recordLen)
	if err != nil {
		return err
	}
	sec, frac := r.order.u32(h), r.order.u32(h[4:])
	n, length := r.order.u32(h[8:]), r.order.u32(h[12:])
	if r.swapped == 1 || r.swapped == 2 && n > length {
		n, length = length, n
	}
	if n > MaxRecord {
		return r.damaged("a record of " + fmt.Sprint(n) + " octets")
	}
	whole := r.recordLen + int(n)
	if h, err = r.peek(whole); err != nil {
		return err
	}
	f.Data = h[r.recordLen:whole]
	f.Length = max(int(n), int(min(length, math.MaxInt32)))
	f.Time = int64(sec)*1e9 + int64(frac)*r.scale
	f.Link, f.Iface = r.link, 0
	r.use(whole)
	return nil
}

// Block types of pcapng.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2
	blockSimple    = 3
	blockEnhanced  = 6
)

// nextBlock reads blocks up to the next packet.
func (r *Reader) nextBlock(f *Frame) error {
	for {
		if r.rest > 0 {
			if err := r.discard(r.rest); err != nil {
				return eof(err)
			}
		}
		h, err := r.peek(8)
		if err != nil {
			return err
		}
		kind := r.order.u32(h)
		if kind == blockSection {
			if err := r.section(); err != nil {
				return err
			}
			continue
		}
		total := int64(r.order.u32(h[4:]))
		if total < 12 || total%4 != 0 {
			return r.damaged(fmt.Sprintf("a block of %d octets", total))
		}
		wanted := !r.skipping && (kind == blockEnhanced || kind == blockPacket || kind == blockSimple || kind == blockInterface)
		if !wanted {
			// Custom blocks and secrets may be of any length.
			if err := r.discard(total); err != nil {
				return eof(err)
			}
			continue
		}
		if total > MaxBlock {
			return r.damaged(fmt.Sprintf("a block of %d octets", total))
		}
		b, err := r.peek(int(total))
		if err != nil {
			return err
		}
		if int64(r.order.u32(b[total-4:])) != total {
			return r.damaged("a block's two lengths differ")
		}
		body := b[8 : total-4]
		if kind == blockInterface {
			if err := r.interfaceBlock(body); err != nil {
				return err
			}
			r.use(int(total))
			continue
		}
		if err := r.packetBlock(kind, body, f); err != nil {
			return err
		}
		r.use(int(total))
		return nil
	}
}

// eof makes the end of the file inside a block one that was not expected.
func eof(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// section begins a section: its byte order may differ from the one before, and
// it has interfaces of its own.
func (r *Reader) section() error {
	b, err := r.peek(16)
	if err != nil {
		return err
	}
	switch binary.BigEndian.Uint32(b[8:]) {
	case 0x1a2b3c4d:
		r.order = big
	case 0x4d3c2b1a:
		r.order = little
	default:
		return r.damaged("a section without byte order")
	}
	total := int64(r.order.u32(b[4:]))
	if total < 28 || total%4 != 0 || total > MaxBlock {
		return r.damaged(fmt.Sprintf("a section header of %d octets", total))
	}
	r.skipping = r.order.u16(b[12:]) != 1
	r.ifaces = r.ifaces[:0]
	return eof(r.discard(total))
}

func (r *Reader) interfaceBlock(b []byte) error {
	if len(b) < 8 || len(r.ifaces) >= maxIfaces {
		return r.damaged("an interface that cannot be")
	}
	i := iface{link: LinkType(r.order.u16(b)), snaplen: r.order.u32(b[4:]), perSec: 1e6}
	for o := b[8:]; len(o) >= 4; {
		code, n := r.order.u16(o), int(r.order.u16(o[2:]))
		if code == 0 || 4+n > len(o) {
			break
		}
		v := o[4 : 4+n]
		switch {
		case code == 9 && n >= 1: // if_tsresol
			e := v[0] & 0x7f
			switch {
			case v[0]&0x80 != 0 && e < 64:
				i.perSec = 1 << e
			case v[0]&0x80 == 0 && e < 20:
				i.perSec = 1
				for range e {
					i.perSec *= 10
				}
			default:
				i.perSec = 0 // Finer than 64 bits hold a second of.
			}
		case code == 14 && n >= 8: // if_tsoffset
			i.offset = int64(r.order.u64(v))
		}
		o = o[min(len(o), 4+(n+3)&^3):]
	}
	r.ifaces = append(r.ifaces, i)
	return nil
}

func (r *Reader) packetBlock(kind uint32, b []byte, f *Frame) error {
	var id, n, length, ticks uint64
	switch kind {
	case blockSimple:
		if len(b) < 4 || len(r.ifaces) == 0 {
			return r.damaged("a packet without an interface")
		}
		length = uint64(r.order.u32(b))
		b = b[4:]
		n = min(length, uint64(len(b)))
		if s := r.ifaces[0].snaplen; s != 0 {
			n = min(n, uint64(s))
		}
	default:
		if len(b) < 20 {
			return r.damaged("a packet block without room for its header")
		}
		id = uint64(r.order.u32(b))
		if kind == blockPacket {
			id = uint64(r.order.u16(b)) // A count of drops follows it.
		}
		ticks = uint64(r.order.u32(b[4:]))<<32 | uint64(r.order.u32(b[8:]))
		n, length = uint64(r.order.u32(b[12:])), uint64(r.order.u32(b[16:]))
		b = b[20:]
		if n > uint64(len(b)) {
			return r.damaged("a packet larger than its block")
		}
	}
	if id >= uint64(len(r.ifaces)) {
		return r.damaged(fmt.Sprintf("a packet of interface %d of %d", id, len(r.ifaces)))
	}
	if n > MaxRecord {
		return r.damaged(fmt.Sprintf("a packet of %d octets", n))
	}
	i := &r.ifaces[id]
	f.Data = b[:n]
	f.Length = int(max(n, min(length, math.MaxInt32)))
	f.Link, f.Iface = i.link, uint32(id)
	f.Time = r.file.Last // A simple packet block has no time: with what stood before.
	if kind != blockSimple {
		f.Time = i.time(ticks)
	}
	return nil
}

// time converts clock ticks to nanoseconds.
func (i *iface) time(ticks uint64) int64 {
	var ns int64
	switch i.perSec {
	case 1e6:
		if ticks > math.MaxInt64/1000 {
			return 0
		}
		ns = int64(ticks) * 1000
	case 1e9:
		ns = int64(ticks)
	case 0:
		return 0
	default:
		hi, lo := bits.Mul64(ticks%i.perSec, 1e9)
		frac, _ := bits.Div64(hi, lo, i.perSec)
		sec := ticks / i.perSec
		if sec >= math.MaxInt64/1_000_000_000 {
			return 0
		}
		ns = int64(sec)*1e9 + int64(frac)
	}
	if o := i.offset; o != 0 && o > -1e10 && o < 1e10 {
		return ns + o*1e9
	}
	return ns
}

// File says what was read so far.
func (r *Reader) File() File {
	f := r.file
	f.Size = r.raw.n.Load()
	return f
}

// sofar says what was read so far as if that were all, of a file whose octets
// have all been read.
func (r *Reader) sofar() File {
	f := r.File()
	r.raw.sum.Sum(f.SHA256[:0])
	f.Done, f.Truncated = true, len(r.left()) > 0 || r.rest > 0
	return f
}

// Close closes the file, if Open opened it. What the last frame holds is another reader's
// then.
func (r *Reader) Close() error {
	if cap(r.buf) == readSize {
		readBuffers.Put((*[readSize]byte)(r.buf[:readSize]))
	}
	r.buf, r.used, r.ready = nil, 0, nil
	if r.err == nil {
		r.err = os.ErrClosed
	}
	if r.zstd != nil {
		r.zstd.Close()
		r.zstd = nil
	}
	if r.closer != nil {
		c := r.closer
		r.closer = nil
		return c.Close()
	}
	return nil
}

// Digest returns a file's SHA-256 and size as stored.
func Digest(name string) (sum [sha256.Size]byte, size int64, err error) {
	return digest(name, math.MaxInt64)
}

// digest is Digest of at most so many octets.
func digest(name string, most int64) (sum [sha256.Size]byte, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(f, most))
	h.Sum(sum[:0])
	return sum, size, err
}
