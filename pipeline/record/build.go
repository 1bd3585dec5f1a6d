package record

import (
	"encoding/binary"
	"net/netip"
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

// Extend makes the record longer by n octets, whatever they are, and returns where they begin.
func (b *Buffer) Extend(n int) (at int) {
	at = len(b.B)
	if at+n > cap(b.B) {
		b.B = slices.Grow(b.B, n)
	}
	b.B = b.B[:at+n]
	return at
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
	b = binary.AppendUvarint(append(b, fSource<<3|byte(protowire.BytesType)), uint64(len(name)))
	return append(b, name...)
}

// AppendResumes appends that no activity of another session connection is resumed in a
// connection's record, before BeginConnection. A 1 put at out[at] says that one may be.
func AppendResumes(b []byte) (out []byte, at int) {
	b = protowire.AppendTag(b, fResumes, protowire.VarintType)
	return append(b, 0), len(b)
}

// maxConnection is the most that BeginConnection appends.
const maxConnection = (1 + 1) + (2 + 16) + 2*(2+16+1+3) + 2 + 9 + (1 + 10) + 9

// BeginConnection appends what a connection's record says before its items.
// The time is what the items' times are relative to, so it must come first.
func BeginConnection(b []byte, c *Connection, number uint64, base int64) []byte {
	b = slices.Grow(b, maxConnection)
	at := len(b)
	h := (*[maxConnection]byte)(b[at : at+maxConnection])
	h[0] = fConnection<<3 | byte(protowire.BytesType) // Then its length, which takes an octet.
	h[2], h[3] = 1<<3|byte(protowire.BytesType), byte(len(c.ID))
	n := 4 + copy(h[4:], c.ID[:])
	n += putEnd(h[n:], 2, c.Client)
	n += putEnd(h[n:], 4, c.Server)
	if c.MidStream {
		h[n], h[n+1] = 6<<3, 1
		n += 2
	}
	n += putFixed(h[n:], 7, c.Start)
	h[1] = byte(n - 2)
	h[n] = fNumber << 3
	n += 1 + binary.PutUvarint(h[n+1:], number)
	n += putFixed(h[n:], fTime, base)
	return b[:at+n]
}

// putEnd writes an address and the port, which has the next field number, at the front of
// b, and returns their length. Ports are coded in three octets whatever their value.
func putEnd(b []byte, num byte, end netip.AddrPort) int {
	h := (*[2 + 16 + 4]byte)(b)
	addr, p := end.Addr(), uint32(end.Port())
	port := uint32(num+1)<<3 | p&0x7f<<8 | p<<9&0x7f0000 | p>>14<<24 | 0x808000
	if addr.Is4() {
		octets := addr.As4()
		h[0], h[1] = num<<3|byte(protowire.BytesType), byte(len(octets))
		binary.LittleEndian.PutUint64(h[2:], uint64(binary.LittleEndian.Uint32(octets[:]))|uint64(port)<<32)
		return 2 + 4 + 4
	}
	octets := addr.As16()
	h[0], h[1] = num<<3|byte(protowire.BytesType), byte(len(octets))
	copy(h[2:], octets[:])
	binary.LittleEndian.PutUint32(h[2+16:], port)
	return 2 + 16 + 4
}

func putFixed(b []byte, num byte, v int64) int {
	b[0] = num<<3 | byte(protowire.Fixed64Type)
	binary.LittleEndian.PutUint64(b[1:], uint64(v))
	return 9
}

// AppendWithin appends Record.Within to a connection's record.
func AppendWithin(b []byte, within uint8) []byte {
	if within != 0 {
		b = appendUint(b, fWithin, uint64(within))
	}
	return b
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

// AppendRead is AppendPreamble, but for the item's source, of what NextItem read from the fields
// given, where times are relative to one base, with another base.
func AppendRead(b, fields []byte, it *Item, from, base int64) []byte {
	if len(fields) != ItemFront+len(it.Octets) || fields[0] != itemTag {
		it.Source = 0
		return AppendPreamble(b, it, base)
	}
	// Nothing stands behind its octets, as is nearly always so.
	at := len(b)
	b = append(b, fields...)
	h := (*[ItemFront]byte)(b[at:])
	h[0] = preambleTag
	binary.LittleEndian.PutUint64(h[timeAt:], binary.LittleEndian.Uint64(h[timeAt:])+uint64(from-base))
	return b
}

// AppendEarlier appends items that AppendPreamble made with one base to a record whose base is
// less by an amount.
func AppendEarlier(b, items []byte, by int64) []byte {
	at := len(b)
	b = append(b, items...)
	for rest := b[at:]; len(rest) > 0; {
		h := (*[ItemFront]byte)(rest)
		time := h[timeAt : timeAt+8]
		binary.LittleEndian.PutUint64(time, binary.LittleEndian.Uint64(time)+uint64(by))
		rest = rest[5+gather4(binary.LittleEndian.Uint32(h[1:])):]
	}
	return b
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
	h := (*[ItemFront]byte)(b[octets-ItemFront:])
	putKind(h, tag, it.Kind, len(it.Octets), more)
	putPlace(h, it.Dir, it.Time-base, it.Sequence, it.Offset, it.Frame)
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
func (b *Buffer) AppendTPDU(dir uint8, time int64, sequence uint32, offset, frame uint64, octets []byte) {
	// As by Extend, in the order in which the compiler sees that all is within bounds.
	free := cap(b.B) - len(b.B)
	if free <= ItemFront || free-ItemFront < len(octets) {
		b.appendGrown(dir, time, sequence, offset, frame, octets)
		return
	}
	item := b.B[len(b.B):cap(b.B)]
	b.B = b.B[:len(b.B)+ItemFront+len(octets)]
	h := (*[ItemFront]byte)(item)
	putKind(h, itemTag, TPDU, len(octets), 0)
	putPlace(h, dir, time, sequence, offset, frame)
	copy(item[ItemFront:][:len(octets)], octets)
}

// appendGrown is AppendTPDU where there is no room.
//
//go:noinline
func (b *Buffer) appendGrown(dir uint8, time int64, sequence uint32, offset, frame uint64, octets []byte) {
	b.B = slices.Grow(b.B, ItemFront+len(octets)+1)
	b.AppendTPDU(dir, time, sequence, offset, frame, octets)
}

// PutTPDU makes such an item of octets that stand in the record already, from
// item[ItemFront] on.
func PutTPDU(item []byte, dir uint8, time int64, sequence uint32, offset, frame uint64) {
	h := (*[ItemFront]byte)(item)
	putKind(h, itemTag, TPDU, len(item)-ItemFront, 0)
	putPlace(h, dir, time, sequence, offset, frame)
}

// ItemFront is what stands before an item's octets. All that vary have a fixed length, and
// both lengths are coded in four octets whatever they are, so that each field has its place.
const ItemFront = 46

// putKind puts an item's front, of so many octets and with so many more behind them, but for
// what putPlace puts there. Both together are less than MaxSize.
func putKind(h *[ItemFront]byte, tag byte, kind ItemKind, octets, more int) {
	// Both varints are made at once, side by side in a word.
	lengths := spread4(uint64(ItemFront-5+octets+more) | uint64(octets)<<32)
	binary.LittleEndian.PutUint64(h[0:], uint64(tag)|uint64(uint32(lengths))<<8|1<<3<<40|uint64(kind)<<48|2<<3<<56)
	h[41] = octetsTag
	binary.LittleEndian.PutUint32(h[42:], uint32(lengths>>32))
}

// putPlace puts the fields that say where an item comes from.
func putPlace(h *[ItemFront]byte, dir uint8, time int64, sequence uint32, offset, frame uint64) {
	binary.LittleEndian.PutUint16(h[8:], uint16(dir&1)|uint16(timeTag)<<8)
	binary.LittleEndian.PutUint64(h[timeAt:], uint64(time))
	binary.LittleEndian.PutUint64(h[18:], uint64(sequenceTag)|uint64(sequence)<<8|uint64(offsetTag)<<40) // Two more octets than that.
	binary.LittleEndian.PutUint64(h[24:], offset)
	h[32] = frameTag
	binary.LittleEndian.PutUint64(h[33:], frame)
}

// Where an item's kind and time stand.
const kindAt, timeAt = 6, 10

// spread4 makes a varint of four octets of each half of v: the groups of seven bits are moved
// apart, and but for the last get the bit that says that another follows. Each half is below 1<<28.
//
// What is moved by a bit is added once more, by two bits thrice.
func spread4(v uint64) uint64 {
	v += 3 * (v & 0x0fffc000_0fffc000)
	v += v & 0x3f803f80_3f803f80
	return v | 0x00808080_00808080
}

// The tags of an item's fields.
const (
	timeTag     = 3<<3 | byte(protowire.Fixed64Type)
	sequenceTag = 4<<3 | byte(protowire.Fixed32Type)
	offsetTag   = 5<<3 | byte(protowire.Fixed64Type)
	frameTag    = 6<<3 | byte(protowire.Fixed64Type)
	octetsTag   = 7<<3 | byte(protowire.BytesType)
)

// maxFinish is the most that Finish appends.
const maxFinish = 2*(2+8*(1+10)) + 4 + 2 + 2

// Finish ends a connection's record.
func Finish(b []byte, counters *[2]Counters, end EndReason, muted, preambleCut bool) []byte {
	b = slices.Grow(b, maxFinish)
	at := len(b)
	h := (*[maxFinish]byte)(b[at : at+maxFinish])
	n := putCounters(h, counters)
	if end != Open {
		binary.LittleEndian.PutUint32(h[n:], fEnd<<3|uint32(protowire.BytesType)|2<<8|1<<3<<16|uint32(end)<<24)
		n += 4
	}
	if muted {
		h[n], h[n+1] = fMuted<<3, 1
		n += 2
	}
	if preambleCut {
		h[n], h[n+1] = fPreambleCut<<3, 1
		n += 2
	}
	return b[:at+n]
}

// arePlain reports whether there are no more packets and octets than fit into four octets, and
// nothing else, as is nearly always so.
func (c *Counters) arePlain() bool {
	return (c.Packets|c.Octets)>>28|c.RetransmittedPackets|c.RetransmittedOctets|c.ConflictOctets|c.Gaps|c.LostOctets|c.OutOfOrder == 0
}

// putCounters writes the counters of both directions at the front of h, and returns their
// length.
func putCounters(h *[maxFinish]byte, counters *[2]Counters) int {
	if !counters[0].arePlain() || !counters[1].arePlain() {
		n := putAnyCounters(h[:], &counters[0])
		return n + putAnyCounters(h[n:], &counters[1])
	}
	// Both are coded in four octets whatever they are.
	const size = 2 + plainCounters
	for i := range counters {
		c, h := &counters[i], h[i*size:]
		v := spread4(c.Packets | c.Octets<<32)
		const front = fCounters<<3 | uint64(protowire.BytesType) | plainCounters<<8 | 1<<3<<16 | 2<<3<<56
		binary.LittleEndian.PutUint64(h, front|v<<32>>8)
		binary.LittleEndian.PutUint32(h[8:], uint32(v>>32))
	}
	return 2 * size
}

// putAnyCounters writes the counters of a direction, whatever they are, at the front of b, and
// returns their length, which itself takes an octet.
func putAnyCounters(b []byte, c *Counters) int {
	b[0] = fCounters<<3 | byte(protowire.BytesType)
	n := 2
	for i, v := range [...]uint64{
		c.Packets, c.Octets, c.RetransmittedPackets, c.RetransmittedOctets,
		c.ConflictOctets, c.Gaps, c.LostOctets, c.OutOfOrder,
	} {
		if v != 0 {
			b[n] = byte(1+i) << 3
			n += 1 + binary.PutUvarint(b[n+1:], v)
		}
	}
	b[1] = byte(n - 2)
	return n
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
