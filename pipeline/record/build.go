package record

import (
	"encoding/binary"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// Buffer holds one encoded record. It has one owner at a time: who is handed
// a Buffer either passes it on or gives it back with Release.
type Buffer struct {
	B []byte
}

// fewOctets is what a buffer begins with: where very many connections are in the middle of a
// record, each has little.
const fewOctets = 1280

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, fewOctets)} }}

// maxPooled bounds the buffers in the pool. In time each becomes as large as the largest
// record for which it was taken, so this is what sensors make by default, with room for
// the TPDU that came last; larger records are rare.
const maxPooled = 128 << 10

// NewBuffer returns an empty buffer from the pool.
func NewBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Release gives the buffer back. It must not be used afterwards.
func (b *Buffer) Release() {
	if cap(b.B) > maxPooled {
		return
	}
	b.B = b.B[:0]
	buffers.Put(b)
}

// Header is what a record says before its items.
type Header struct {
	Kind   Kind
	Sensor string
	Epoch  int64
}

// Begin starts a record in b.
func Begin(b []byte, h *Header) []byte {
	b = appendUint(b, fVersion, Version)
	b = appendUint(b, fKind, uint64(h.Kind))
	b = appendString(b, fSensor, h.Sensor)
	return appendFixed(b, fEpoch, h.Epoch)
}

// AppendSource appends the name of a further source. The first has index 0.
func AppendSource(b []byte, name string) []byte {
	b = protowire.AppendTag(b, fSource, protowire.BytesType)
	return protowire.AppendString(b, name)
}

// AppendResumes appends that no activity of another session connection is resumed in a
// connection's record, before BeginConnection. A 1 put at out[at] says that one may be.
func AppendResumes(b []byte) (out []byte, at int) {
	b = protowire.AppendTag(b, fResumes, protowire.VarintType)
	return append(b, 0), len(b)
}

// BeginConnection appends what a connection's record says before its items.
// The time is what the items' times are relative to, so it must come first;
// the preamble is items that AppendItem made with base 0.
func BeginConnection(b []byte, c *Connection, number uint64, base int64) []byte {
	client, server := c.Client.Addr().As16(), c.Server.Addr().As16()
	clientOctets, serverOctets := client[:], server[:]
	if c.Client.Addr().Is4() {
		clientOctets = client[12:]
	}
	if c.Server.Addr().Is4() {
		serverOctets = server[12:]
	}
	n := 2 + len(clientOctets) + 2 + len(serverOctets) + 2 + len(c.ID) + 2*(1+3) + 9
	if c.MidStream {
		n += 2
	}
	b = protowire.AppendTag(b, fConnection, protowire.BytesType)
	// Ports are coded in three octets whatever their value, so that the length
	// above holds.
	b = protowire.AppendVarint(b, uint64(n))
	b = appendBytes(b, 1, c.ID[:])
	b = appendBytes(b, 2, clientOctets)
	b = appendPort(b, 3, c.Client.Port())
	b = appendBytes(b, 4, serverOctets)
	b = appendPort(b, 5, c.Server.Port())
	if c.MidStream {
		b = appendUint(b, 6, 1)
	}
	b = appendFixed(b, 7, c.Start)
	b = appendUint(b, fNumber, number)
	return appendFixed(b, fTime, base)
}

// AppendWithin appends Record.Within to a connection's record.
func AppendWithin(b []byte, within uint8) []byte {
	if within == 0 {
		return b
	}
	b = protowire.AppendTag(b, fWithin, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(within))
}

// AppendItem appends it to the record begun in b with the given base time, and
// returns where its octets stand in b, so that they can still be overwritten.
func AppendItem(b []byte, it *Item, base int64) (out []byte, octets int) {
	return appendItem(b, itemTag, it, base)
}

// AppendPreamble appends it as an item of earlier records.
func AppendPreamble(b []byte, it *Item, base int64) []byte {
	out, _ := appendItem(b, preambleTag, it, base)
	return out
}

func appendItem(b []byte, tag byte, it *Item, base int64) (out []byte, octets int) {
	// Fields that few items have stand behind the octets.
	more := 0
	if it.Lost|it.Redacted|uint64(it.Source) != 0 || len(it.Digest) > 0 || it.Resync {
		more = sizeUint(it.Lost) + sizeUint(it.Redacted) + sizeUint(uint64(it.Source))
		if len(it.Digest) > 0 {
			more += 1 + protowire.SizeBytes(len(it.Digest))
		}
		if it.Resync {
			more += 2
		}
	}
	octets = len(b) + ItemFront
	b = slices.Grow(b, ItemFront+len(it.Octets)+more)[:octets]
	putFront((*[ItemFront]byte)(b[octets-ItemFront:]), tag, it.Kind, it.Dir, it.Time-base, it.Sequence, it.Offset, it.Frame, len(it.Octets), more)
	b = append(b, it.Octets...)
	if more == 0 {
		return b, octets
	}
	b = appendUint(b, 8, it.Lost)
	b = appendUint(b, 9, it.Redacted)
	if len(it.Digest) > 0 {
		b = appendBytes(b, 10, it.Digest)
	}
	if it.Resync {
		b = appendUint(b, 11, 1)
	}
	return appendUint(b, 12, uint64(it.Source)), octets
}

// AppendTPDU is AppendItem for an item of kind TPDU of the first source of which nothing
// is to be said but what it is given, with a time relative to the record's.
func AppendTPDU(b []byte, dir uint8, time int64, sequence uint32, offset, frame uint64, octets []byte) []byte {
	at := len(b)
	end := at + ItemFront + len(octets)
	if end > cap(b) {
		b = slices.Grow(b, end-at)
	}
	b = b[:end]
	putFront((*[ItemFront]byte)(b[at:]), itemTag, TPDU, dir, time, sequence, offset, frame, len(octets), 0)
	copy(b[at+ItemFront:], octets)
	return b
}

// PutTPDU makes such an item of octets that stand in the record already, from
// item[ItemFront] on.
func PutTPDU(item []byte, dir uint8, time int64, sequence uint32, offset, frame uint64) {
	putFront((*[ItemFront]byte)(item), itemTag, TPDU, dir, time, sequence, offset, frame, len(item)-ItemFront, 0)
}

// ItemFront is what stands before an item's octets. All that vary have a fixed length, and
// both lengths are coded in four octets whatever they are, so that each field has its place.
const ItemFront = 46

// putFront puts it, of an item of so many octets and with so many more behind them. Both
// together are less than MaxSize.
func putFront(h *[ItemFront]byte, tag byte, kind ItemKind, dir uint8, time int64, sequence uint32, offset, frame uint64, octets, more int) {
	// Both varints are made at once, side by side in a word: of each, the groups of seven bits
	// are moved apart, and but for the last get the bit that says that another follows.
	lengths := uint64(ItemFront-5+octets+more) | uint64(octets)<<32
	lengths = lengths&0x3fff_0000_3fff | lengths<<2&0x3fff_0000_3fff_0000
	lengths = lengths&0x007f_007f_007f_007f | lengths<<1&0x7f00_7f00_7f00_7f00 | 0x00808080_00808080
	binary.LittleEndian.PutUint64(h[0:], uint64(tag)|uint64(uint32(lengths))<<8|1<<3<<40|uint64(kind)<<48|2<<3<<56)
	binary.LittleEndian.PutUint16(h[8:], uint16(dir&1)|uint16(timeTag)<<8)
	binary.LittleEndian.PutUint64(h[10:], uint64(time))
	binary.LittleEndian.PutUint64(h[18:], uint64(sequenceTag)|uint64(sequence)<<8|uint64(offsetTag)<<40) // Two more octets than that.
	binary.LittleEndian.PutUint64(h[24:], offset)
	h[32] = frameTag
	binary.LittleEndian.PutUint64(h[33:], frame)
	h[41] = octetsTag
	binary.LittleEndian.PutUint32(h[42:], uint32(lengths>>32))
}

// The tags of an item's fields.
const (
	timeTag     = 3<<3 | byte(protowire.Fixed64Type)
	sequenceTag = 4<<3 | byte(protowire.Fixed32Type)
	offsetTag   = 5<<3 | byte(protowire.Fixed64Type)
	frameTag    = 6<<3 | byte(protowire.Fixed64Type)
	octetsTag   = 7<<3 | byte(protowire.BytesType)
)

// Finish ends a connection's record.
func Finish(b []byte, counters *[2]Counters, end EndReason, muted, preambleCut bool) []byte {
	for i := range counters {
		c := &counters[i]
		b = appendUints(b, fCounters, []uint64{
			c.Packets, c.Octets, c.RetransmittedPackets, c.RetransmittedOctets,
			c.ConflictOctets, c.Gaps, c.LostOctets, c.OutOfOrder,
		}, 0)
	}
	if end != Open {
		b = appendUints(b, fEnd, []uint64{uint64(end)}, 0)
	}
	if muted {
		b = appendUint(b, fMuted, 1)
	}
	if preambleCut {
		b = appendUint(b, fPreambleCut, 1)
	}
	return b
}

// AppendHeartbeat appends what a heartbeat record says.
func AppendHeartbeat(b []byte, h *Heartbeat) []byte {
	return appendUints(b, fHeartbeat, []uint64{
		uint64(h.From), uint64(h.To), h.Packets, h.Octets, h.Segments, h.DroppedKernel,
		h.DroppedSensor, h.Gaps, h.LostOctets, h.Undecodable,
	}, 2)
}

// AppendCapture appends what a capture record says.
func AppendCapture(b []byte, c *Capture) []byte {
	var m []byte
	m = appendBytes(m, 1, c.SHA256[:])
	m = appendUint(m, 2, c.Size)
	m = appendString(m, 3, c.Format)
	m = appendUint(m, 4, c.Frames)
	m = appendUint(m, 5, c.Octets)
	m = appendFixed(m, 6, c.First)
	m = appendFixed(m, 7, c.Last)
	if c.Truncated {
		m = appendUint(m, 8, 1)
	}
	return appendBytes(b, fCapture, m)
}

// appendUints appends a message of numbers, of which the first fixed ones are
// fixed64 and the others varints. They are ten at most, so that its length takes an octet.
func appendUints(b []byte, num protowire.Number, values []uint64, fixed int) []byte {
	b = append(protowire.AppendTag(b, num, protowire.BytesType), 0)
	from := len(b)
	for i, v := range values {
		if i < fixed {
			b = appendFixed(b, protowire.Number(i+1), int64(v))
		} else {
			b = appendUint(b, protowire.Number(i+1), v)
		}
	}
	b[from-1] = byte(len(b) - from)
	return b
}

// sizeUint is what appendUint takes for a field number below 16.
func sizeUint(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(v)
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	if num < 16 && v < 0x80 {
		return append(b, byte(num)<<3, byte(v))
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return binary.AppendUvarint(b, v)
}

func appendFixed(b []byte, num protowire.Number, v int64) []byte {
	b = protowire.AppendTag(b, num, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, uint64(v))
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

func appendString(b []byte, num protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, v)
}

// appendPort codes a port in three varint octets.
func appendPort(b []byte, num protowire.Number, port uint16) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return append(b, byte(port)|0x80, byte(port>>7)|0x80, byte(port>>14))
}
