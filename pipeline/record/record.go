// Package record is the TPDU stream record: the versioned unit that sensors
// publish and decoders read, on any bus and in record files.
//
// The wire format is protocol buffers, described in record.proto and coded by
// hand with protowire. A sensor fills a [Builder]; a decoder reads the octets
// into a [Record], which it reuses. [Writer] and [Reader] store records in a
// file, each behind its length.
//
// A decoded Record refers to the octets it was decoded from. What exceeds
// [MaxSize], [MaxItems] or the schema's version is refused.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Version is the schema's version that this package writes; it reads none above. In
// version 1 an item's time, offset and frame were varints.
const Version = 2

// MaxSize is the largest record that is written or read, in octets.
const MaxSize = 8 << 20

// MaxItems is the largest number of items in a record that is read.
const MaxItems = 1 << 16

// MaxSources is the largest number of sources in a record that is read.
const MaxSources = 256

// Kind is a record's kind.
type Kind uint8

// The kinds of record.
const (
	KindConnection Kind = 1 + iota
	KindHeartbeat
	KindCapture
)

// ItemKind is an item's kind.
type ItemKind uint8

// The kinds of item.
const (
	TPDU ItemKind = 1 + iota
	Gap
	Skipped
	Encrypted
	Cut
	Redaction
)

// EndReason says why a connection ended.
type EndReason uint8

// The reasons. Open means that the connection has not ended.
const (
	Open EndReason = iota
	FIN
	RST
	Idle
	Evicted
	Replaced
	CaptureEnd
)

var endNames = [...]string{"open", "fin", "rst", "idle", "evicted", "replaced", "capture-end"}

// String returns the reason's name as rows carry it.
func (r EndReason) String() string {
	if int(r) < len(endNames) {
		return endNames[r]
	}
	return "unknown"
}

// Item is one TPKT's content, or a place where there is none.
type Item struct {
	Kind     ItemKind
	Dir      uint8
	Resync   bool
	Sequence uint32
	Time     int64 // Nanoseconds since 1970 UTC.
	Offset   uint64
	Frame    uint64
	Octets   []byte
	Lost     uint64
	Redacted uint64
	Digest   []byte
	Source   uint32 // Index into Record.Sources.
}

// SourceOf returns the name of the capture file or interface that it comes from.
func (r *Record) SourceOf(it *Item) []byte {
	if int(it.Source) < len(r.Sources) {
		return r.Sources[it.Source]
	}
	return nil
}

// Counters count one direction of a connection from its start.
type Counters struct {
	Packets              uint64
	Octets               uint64
	RetransmittedPackets uint64
	RetransmittedOctets  uint64
	ConflictOctets       uint64
	Gaps                 uint64
	LostOctets           uint64
	OutOfOrder           uint64
}

// Connection identifies a TCP connection.
type Connection struct {
	ID        [16]byte
	Client    netip.AddrPort
	Server    netip.AddrPort
	MidStream bool
	Start     int64
}

// Heartbeat says what a sensor watched during an interval.
type Heartbeat struct {
	From, To                      int64
	Packets, Octets, Segments     uint64
	DroppedKernel, DroppedSensor  uint64
	Gaps, LostOctets, Undecodable uint64
}

// Capture says what was read from one capture file.
type Capture struct {
	SHA256      [32]byte
	Size        uint64
	Format      string
	Frames      uint64
	Octets      uint64
	First, Last int64
	Truncated   bool
}

// Record is a decoded record. Its slices refer to the decoded octets.
type Record struct {
	Kind        Kind
	Sensor      []byte
	Epoch       int64
	Sources     [][]byte
	Conn        Connection
	Number      uint64
	Time        int64
	Preamble    []Item
	PreambleCut bool
	Items       []Item
	Counters    [2]Counters
	End         EndReason
	Muted       bool
	// Within has bit d set when direction d's first TPDU goes on with a TSDU of
	// an earlier record.
	Within    uint8
	Heartbeat Heartbeat
	Capture   Capture
}

// ErrMalformed is returned for octets that are no record.
var ErrMalformed = errors.New("record: malformed")

// Field numbers of record.proto.
const (
	fVersion = 1 + iota
	fKind
	fSensor
	fEpoch
	fSource
	fConnection
	fNumber
	fTime
	fPreamble
	fPreambleCut
	fItems
	fCounters
	fEnd
	fMuted
	fHeartbeat
	fCapture
	fWithin
	fResumes
)

// field is one protobuf field: v for varint and fixed types, b for bytes.
type field struct {
	num protowire.Number
	v   uint64
	b   []byte
}

// next reads the field at the front of b. n is zero when there is none that can
// be read.
func (f *field) next(b []byte) (n int) {
	// Nearly all have one octet of tag, and those of octets one or two of length.
	if len(b) < 2 || b[0] >= 0x80 || b[0] < 8 {
		return f.any(b)
	}
	num, typ := protowire.Number(b[0]>>3), b[0]&7
	switch typ {
	case uint8(protowire.Fixed32Type):
		if len(b) < 5 {
			return 0
		}
		f.num, f.v, f.b = num, uint64(binary.LittleEndian.Uint32(b[1:])), nil
		return 5
	case uint8(protowire.Fixed64Type):
		if len(b) < 9 {
			return 0
		}
		f.num, f.v, f.b = num, binary.LittleEndian.Uint64(b[1:]), nil
		return 9
	}
	v, n := uint64(b[1]), 1
	if v >= 0x80 {
		if v, n = binary.Uvarint(b[1:]); n <= 0 {
			return f.any(b)
		}
	}
	n++ // The tag.
	switch typ {
	case uint8(protowire.VarintType):
		f.num, f.v, f.b = num, v, nil
		return n
	case uint8(protowire.BytesType):
		if v > uint64(len(b)-n) {
			return 0
		}
		f.num, f.v, f.b = num, 0, b[n:n+int(v)]
		return n + int(v)
	}
	return f.any(b)
}

// any is next for a field in any encoding.
func (f *field) any(b []byte) (n int) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || num > protowire.MaxValidNumber {
		return 0
	}
	f.num, f.v, f.b = num, 0, nil
	m := 0
	switch typ {
	case protowire.VarintType:
		f.v, m = protowire.ConsumeVarint(b[n:])
	case protowire.Fixed64Type:
		f.v, m = protowire.ConsumeFixed64(b[n:])
	case protowire.Fixed32Type:
		var v uint32
		v, m = protowire.ConsumeFixed32(b[n:])
		f.v = uint64(v)
	case protowire.BytesType:
		f.b, m = protowire.ConsumeBytes(b[n:])
	default:
		return 0 // Groups have no place in this schema.
	}
	if m < 0 {
		return 0
	}
	return n + m
}

// Decode reads b into r, reusing r's slices.
func (r *Record) Decode(b []byte) error {
	// Cleared where it is: a literal of its size would be made elsewhere and copied.
	sources, preamble, items := r.Sources[:0], r.Preamble[:0], r.Items[:0]
	*r = Record{}
	r.Sources, r.Preamble, r.Items = sources, preamble, items
	if len(b) > MaxSize {
		return fmt.Errorf("record: %d octets exceed %d", len(b), MaxSize)
	}
	touch(b)
	counters := 0
	var f field
	for len(b) > 0 {
		if b[0] == itemTag {
			if b = r.plain(b); len(b) == 0 {
				break
			}
		}
		items := &r.Items
		if b[0] == preambleTag {
			items = &r.Preamble
		}
		if tag := b[0]; (tag == itemTag || tag == preambleTag) && len(*items) < MaxItems {
			last := len(*items)
			*items = slices.Grow(*items, 1)[:last+1]
			if n := (*items)[last].plain(b, tag, r.Time); n > 0 {
				b = b[n:]
				continue
			}
			*items = (*items)[:last]
		}
		n := f.next(b)
		if n == 0 {
			return ErrMalformed
		}
		b = b[n:]
		ok := true
		switch f.num {
		case fVersion:
			if f.v > Version {
				return fmt.Errorf("record: version %d is newer than %d: update the decoder", f.v, Version)
			}
		case fKind:
			r.Kind = Kind(f.v)
		case fSensor:
			r.Sensor = f.b
		case fEpoch:
			r.Epoch = int64(f.v)
		case fSource:
			if ok = len(r.Sources) < MaxSources; ok {
				r.Sources = append(r.Sources, f.b)
			}
		case fConnection:
			ok = r.Conn.decode(f.b)
		case fNumber:
			r.Number = f.v
		case fTime:
			r.Time = int64(f.v)
		case fPreamble:
			r.Preamble, ok = decodeItem(r.Preamble, f.b, r.Time)
		case fPreambleCut:
			r.PreambleCut = f.v != 0
		case fItems:
			r.Items, ok = decodeItem(r.Items, f.b, r.Time)
		case fCounters:
			if ok = counters < 2; ok {
				ok = r.Counters[counters].decode(f.b)
				counters++
			}
		case fEnd:
			ok = decodeEnd(f.b, &r.End)
		case fMuted:
			r.Muted = f.v != 0
		case fHeartbeat:
			ok = r.Heartbeat.decode(f.b)
		case fCapture:
			ok = r.Capture.decode(f.b)
		case fWithin:
			r.Within = uint8(f.v & 3)
		}
		if !ok {
			return ErrMalformed
		}
	}
	if r.Kind < KindConnection || r.Kind > KindCapture {
		return ErrMalformed
	}
	if r.Kind == KindConnection && (!r.Conn.Client.IsValid() || !r.Conn.Server.IsValid() || r.Number == 0) {
		return ErrMalformed
	}
	return nil
}

// touch reads a word of every line of b's memory. All that follows reads b in leaps whose
// lengths are only known on the way, so that each line that is in no cache would be waited
// for; here many are on their way at a time.
//
//go:noinline
func touch(b []byte) (any uint64) {
	const line = 64
	for ; len(b) >= 16*line; b = b[16*line:] {
		m := (*[16 * line]byte)(b)
		any |= binary.LittleEndian.Uint64(m[0:]) | binary.LittleEndian.Uint64(m[1*line:]) | binary.LittleEndian.Uint64(m[2*line:]) | binary.LittleEndian.Uint64(m[3*line:]) |
			binary.LittleEndian.Uint64(m[4*line:]) | binary.LittleEndian.Uint64(m[5*line:]) | binary.LittleEndian.Uint64(m[6*line:]) | binary.LittleEndian.Uint64(m[7*line:]) |
			binary.LittleEndian.Uint64(m[8*line:]) | binary.LittleEndian.Uint64(m[9*line:]) | binary.LittleEndian.Uint64(m[10*line:]) | binary.LittleEndian.Uint64(m[11*line:]) |
			binary.LittleEndian.Uint64(m[12*line:]) | binary.LittleEndian.Uint64(m[13*line:]) | binary.LittleEndian.Uint64(m[14*line:]) | binary.LittleEndian.Uint64(m[15*line:])
	}
	for i := 0; i < len(b); i += line {
		any |= uint64(b[i])
	}
	return any
}

// plain reads the items at the front of b of which nothing stands behind their octets, which
// are nearly all, as long as there is memory for them, and returns what is behind them.
func (r *Record) plain(b []byte) []byte {
	items, next, base := r.Items[:min(cap(r.Items), MaxItems)], len(r.Items), r.Time
	for next < len(items) {
		it := &items[next]
		n := it.plain(b, itemTag, base)
		if n == 0 {
			break
		}
		next++
		b = b[n:]
	}
	r.Items = items[:next]
	return b
}

func decodeItem(items []Item, b []byte, base int64) ([]Item, bool) {
	if len(items) >= MaxItems {
		return items, false
	}
	items = append(items, Item{})
	return items, items[len(items)-1].decode(b, base)
}

// NextItem reads the first item in the fields of a connection's record from the
// first on, as far as they are made, and returns the fields behind it. ok is false when
// there is none. base is that of AppendItem.
func NextItem(fields []byte, it *Item, base int64) (rest []byte, ok bool) {
	var f field
	for len(fields) > 0 {
		if fields[0] == itemTag {
			if n := it.plain(fields, itemTag, base); n > 0 {
				return fields[n:], true
			}
		}
		n := f.next(fields)
		if n == 0 {
			break
		}
		fields = fields[n:]
		if f.num == fItems {
			*it = Item{}
			return fields, it.decode(f.b, base)
		}
	}
	return nil, false
}

const (
	itemTag     = fItems<<3 | byte(protowire.BytesType)
	preambleTag = fPreamble<<3 | byte(protowire.BytesType)
)

// plain reads the field at the front of b, if it has the given tag and an item in the form
// that AppendItem writes, with nothing behind the item's octets, and returns the field's
// length. Of any other, and where b ends with an item's front, it returns 0 and leaves it to
// decode, and what it was.
func (it *Item) plain(b []byte, tag byte, base int64) (n int) {
	b = b[:len(b):len(b)]
	if len(b) <= ItemFront {
		return 0
	}
	h := (*[ItemFront]byte)(b)
	heads, octets := binary.LittleEndian.Uint32(h[kindAt-1:]), b[ItemFront:]
	length := binary.LittleEndian.Uint32(h[ItemFront-4:])
	if h[0] != tag || heads&headsMask != headsFront || h[timeAt-1] != timeTag || h[18] != sequenceTag || h[23] != offsetTag ||
		h[32] != frameTag || h[41] != octetsTag || length&varintMask != varintFront {
		return 0
	}
	// With the bits set that say that another octet follows, carries go through them, so that
	// the item's length is told from that of its octets as it stands.
	kind, size := ItemKind(heads>>8), int(gather4(length))
	if binary.LittleEndian.Uint32(h[1:]) != length+(ItemFront-5)|varintFront || size > len(octets) || kind-TPDU > Redaction-TPDU {
		return 0
	}
	// Field by field: a whole Item would be made first, and then copied.
	it.Octets, it.Digest = octets[:size:size], nil
	it.Kind, it.Dir, it.Resync, it.Sequence = kind, uint8(heads>>24), false, binary.LittleEndian.Uint32(h[19:])
	it.Time = base + int64(binary.LittleEndian.Uint64(h[timeAt:]))
	it.Offset, it.Frame = binary.LittleEndian.Uint64(h[24:]), binary.LittleEndian.Uint64(h[33:])
	it.Lost, it.Redacted, it.Source = 0, 0, 0
	return ItemFront + size
}

// gather4 undoes spread4 of one half.
func gather4(v uint32) uint32 {
	v = v&0x007f007f | v>>1&0x3f803f80
	return v&0x00003fff | v>>2&0x0fffc000
}

// What is the same in kind and direction with their tags, and in a varint of four octets: which
// is its last.
const (
	headsMask, headsFront   = 0xfe_ff_00_ff, 2<<3<<16 | 1<<3
	varintMask, varintFront = 0x80808080, 0x808080
)

func (it *Item) decode(b []byte, base int64) bool {
	it.Time = base
	var f field
	for len(b) > 0 {
		n := f.next(b)
		if n == 0 {
			return false
		}
		varint := b[0]&7 == byte(protowire.VarintType)
		b = b[n:]
		switch f.num {
		case 1:
			it.Kind = ItemKind(f.v)
		case 2:
			if f.v > 1 {
				return false
			}
			it.Dir = uint8(f.v)
		case 3:
			if it.Time = base + int64(f.v); varint { // Of version 1.
				it.Time = base + protowire.DecodeZigZag(f.v)
			}
		case 4:
			it.Sequence = uint32(f.v)
		case 5:
			it.Offset = f.v
		case 6:
			it.Frame = f.v
		case 7:
			it.Octets = f.b
		case 8:
			it.Lost = f.v
		case 9:
			it.Redacted = f.v
		case 10:
			it.Digest = f.b
		case 11:
			it.Resync = f.v != 0
		case 12:
			it.Source = uint32(f.v)
		}
	}
	return it.Kind >= TPDU && it.Kind <= Redaction
}

func (c *Connection) decode(b []byte) bool { return c.plain(b) || c.any(b) }

// plain is decode for what BeginConnection writes of a connection over IPv4 that was seen from
// its start. Of any other it returns false.
func (c *Connection) plain(b []byte) bool {
	if len(b) != plainConnection {
		return false
	}
	h := (*[plainConnection]byte)(b)
	// Both ends are an address behind two octets, and a port of three behind one.
	client, server := binary.LittleEndian.Uint64(h[20:]), binary.LittleEndian.Uint64(h[30:])
	if h[0] != 1<<3|byte(protowire.BytesType) || int(h[1]) != len(c.ID) || h[38] != 7<<3|byte(protowire.Fixed64Type) ||
		binary.LittleEndian.Uint16(h[18:]) != 2<<3|uint16(protowire.BytesType)|4<<8 || client&portMask != portFront|3<<3<<32 ||
		binary.LittleEndian.Uint16(h[28:]) != 4<<3|uint16(protowire.BytesType)|4<<8 || server&portMask != portFront|5<<3<<32 {
		return false
	}
	copy(c.ID[:], h[2:])
	c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte(h[20:])), port3(client>>40))
	c.Server = netip.AddrPortFrom(netip.AddrFrom4([4]byte(h[30:])), port3(server>>40))
	c.Start = int64(binary.LittleEndian.Uint64(h[39:]))
	return true
}

// plainConnection is how long that is.
const plainConnection = (2 + 16) + 2*(2+4+1+3) + 9

// What is the same in an address and a port of three octets behind it: which of these is its
// last. The port's tag is between them.
const portMask, portFront = 0x80_80_80_ff_00_00_00_00, 0x00_80_80_00_00_00_00_00

// port3 reads the varint of three octets at the front of v.
func port3(v uint64) uint16 { return uint16(v&0x7f | v>>1&0x3f80 | v>>2&0x1fc000) }

// any is decode for fields in any order and encoding.
func (c *Connection) any(b []byte) bool {
	var client, server netip.Addr
	var clientPort, serverPort uint16
	var f field
	for len(b) > 0 {
		n := f.next(b)
		if n == 0 {
			return false
		}
		b = b[n:]
		ok := true
		switch f.num {
		case 1:
			if ok = len(f.b) == len(c.ID); ok {
				copy(c.ID[:], f.b)
			}
		case 2:
			client, ok = netip.AddrFromSlice(f.b)
		case 3:
			clientPort = uint16(f.v)
		case 4:
			server, ok = netip.AddrFromSlice(f.b)
		case 5:
			serverPort = uint16(f.v)
		case 6:
			c.MidStream = f.v != 0
		case 7:
			c.Start = int64(f.v)
		}
		if !ok {
			return false
		}
	}
	c.Client = netip.AddrPortFrom(client, clientPort)
	c.Server = netip.AddrPortFrom(server, serverPort)
	return true
}

func (c *Counters) decode(b []byte) bool { return c.plain(b) || c.any(b) }

// plain is decode for what Finish writes where there are but packets and octets. Of any other
// it returns false, and leaves c as it was.
func (c *Counters) plain(b []byte) bool {
	if len(b) != plainCounters {
		return false
	}
	h := (*[plainCounters]byte)(b)
	packets, octets := binary.LittleEndian.Uint32(h[1:]), binary.LittleEndian.Uint32(h[6:])
	if h[0] != 1<<3 || h[5] != 2<<3 || packets&varintMask != varintFront || octets&varintMask != varintFront {
		return false
	}
	c.Packets, c.Octets = uint64(gather4(packets)), uint64(gather4(octets))
	return true
}

// plainCounters is how long that is.
const plainCounters = 2 * (1 + 4)

// any is decode for fields in any order and encoding.
func (c *Counters) any(b []byte) bool {
	fields := [...]*uint64{
		&c.Packets, &c.Octets, &c.RetransmittedPackets, &c.RetransmittedOctets,
		&c.ConflictOctets, &c.Gaps, &c.LostOctets, &c.OutOfOrder,
	}
	return decodeUints(b, 1, fields[:])
}

// decodeUints reads a message whose fields from first on are the given numbers.
func decodeUints(b []byte, first protowire.Number, fields []*uint64) bool {
	var f field
	for len(b) > 0 {
		n := f.next(b)
		if n == 0 {
			return false
		}
		b = b[n:]
		if i := int(f.num - first); i >= 0 && i < len(fields) {
			*fields[i] = f.v
		}
	}
	return true
}

func decodeEnd(b []byte, r *EndReason) bool {
	var reason uint64
	if !decodeUints(b, 1, []*uint64{&reason}) || reason > uint64(CaptureEnd) {
		return false
	}
	*r = EndReason(reason)
	return true
}

func (h *Heartbeat) decode(b []byte) bool {
	var from, to uint64
	fields := [...]*uint64{
		&from, &to, &h.Packets, &h.Octets, &h.Segments, &h.DroppedKernel,
		&h.DroppedSensor, &h.Gaps, &h.LostOctets, &h.Undecodable,
	}
	ok := decodeUints(b, 1, fields[:])
	h.From, h.To = int64(from), int64(to)
	return ok
}

func (c *Capture) decode(b []byte) bool {
	var f field
	for len(b) > 0 {
		n := f.next(b)
		if n == 0 {
			return false
		}
		b = b[n:]
		switch f.num {
		case 1:
			if len(f.b) != len(c.SHA256) {
				return false
			}
			copy(c.SHA256[:], f.b)
		case 2:
			c.Size = f.v
		case 3:
			c.Format = string(f.b)
		case 4:
			c.Frames = f.v
		case 5:
			c.Octets = f.v
		case 6:
			c.First = int64(f.v)
		case 7:
			c.Last = int64(f.v)
		case 8:
			c.Truncated = f.v != 0
		}
	}
	return true
}

// Head is what a record says at its front.
type Head struct {
	Kind   Kind
	Sensor []byte
	Epoch  int64
	Conn   Connection // Of a connection's record.
	// Resumes says that an activity of another session connection may be resumed in it.
	Resumes bool
	Beat    Heartbeat // Of a heartbeat.
}

// Peek reads of an encoded record its kind and, of a connection's record, the
// connection's identifier.
func Peek(b []byte) (k Kind, id [16]byte, err error) {
	h, err := ReadHead(b)
	return h.Kind, h.Conn.ID, err
}

// ReadHead reads of an encoded record only what is needed to give it to the right
// place. The head refers to b.
func ReadHead(b []byte) (h Head, err error) {
	if err = h.Read(b); err != nil {
		return Head{}, err
	}
	return h, nil
}

// Read is ReadHead into h, which is empty. After an error it is of no use.
func (h *Head) Read(b []byte) error {
	var f field
	for len(b) > 0 {
		n := f.next(b)
		if n == 0 {
			return ErrMalformed
		}
		b = b[n:]
		switch f.num {
		case fKind:
			h.Kind = Kind(f.v)
		case fSensor:
			h.Sensor = f.b
		case fEpoch:
			h.Epoch = int64(f.v)
		case fResumes:
			h.Resumes = f.v != 0
		case fConnection:
			if h.Kind == KindConnection && h.Conn.decode(f.b) {
				return nil
			}
			return ErrMalformed
		case fHeartbeat:
			if !h.Beat.decode(f.b) {
				return ErrMalformed
			}
		}
	}
	if h.Kind == KindConnection || h.Kind == 0 {
		return ErrMalformed
	}
	return nil
}
