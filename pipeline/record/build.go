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
	if it.Kind == TPDU && len(it.Octets) > 0 && it.Lost|it.Redacted|uint64(it.Source) == 0 && len(it.Digest) == 0 && !it.Resync {
		b = AppendTPDU(b, it.Dir, it.Time-base, it.Sequence, it.Offset, it.Frame, it.Octets)
		return b, len(b) - len(it.Octets)
	}
	return appendItemField(b, fItems, it, base)
}

// AppendTPDU is AppendItem for an item of kind TPDU of the first source of which nothing
// is to be said but what it is given, with a time relative to the record's.
func AppendTPDU(b []byte, dir uint8, time int64, sequence uint32, offset, frame uint64, octets []byte) []byte {
	at := len(b)
	end := at + TPDUFront + len(octets)
	if end > cap(b) {
		b = slices.Grow(b, end-at)
	}
	b = b[:end]
	if !PutTPDU(b[at:], dir, time, sequence, offset, frame) {
		b, _ = appendFields(b[:at], fItems, TPDU, dir, time, sequence, offset, frame, octets, 0)
		return b
	}
	copy(b[at+TPDUFront:], octets)
	return b
}

// TPDUFront is what stands before the octets in an item that PutTPDU makes.
const TPDUFront = 31

// PutTPDU makes such an item of octets that stand in the record already, from
// item[TPDUFront] on. Nearly all items are such, so numbers are coded in as many octets as
// nearly all take, whatever their value: then each has its place. It reports false, and
// has done nothing, where one takes more.
func PutTPDU(item []byte, dir uint8, time int64, sequence uint32, offset, frame uint64) bool {
	size, t := uint64(len(item)-3), protowire.EncodeZigZag(time)
	if size>>14|t>>35|(offset|frame)>>28 != 0 {
		return false
	}
	h := (*[TPDUFront]byte)(item)
	// Several varints are made at once, side by side in a word.
	places := spread2(spread4(offset|frame<<32)) | 0x00808080_00808080
	rest := spread2(spread4(t&(1<<28-1))|size<<32|uint64(len(item)-TPDUFront)<<48) | 0x0080_0080_80808080
	h[0] = itemTag
	binary.LittleEndian.PutUint16(h[1:], uint16(rest>>32))
	binary.LittleEndian.PutUint32(h[3:], 1<<3|uint32(TPDU)<<8|2<<3<<16|uint32(dir&1)<<24)
	h[7] = 3 << 3
	binary.LittleEndian.PutUint32(h[8:], uint32(rest))
	h[12] = byte(t >> 28)
	h[13] = 4<<3 | byte(protowire.Fixed32Type)
	binary.LittleEndian.PutUint32(h[14:], sequence)
	h[18] = 5 << 3
	binary.LittleEndian.PutUint32(h[19:], uint32(places))
	h[23] = 6 << 3
	binary.LittleEndian.PutUint32(h[24:], uint32(places>>32))
	h[28] = 7<<3 | byte(protowire.BytesType)
	binary.LittleEndian.PutUint16(h[29:], uint16(rest>>48))
	return true
}

// spread4 makes of the low 28 bits of each half of v two groups of 14 bits, 16 bits apart.
func spread4(v uint64) uint64 { return v&0x3fff_0000_3fff | v<<2&0x3fff_0000_3fff_0000 }

// spread2 makes of each group of 14 bits two of 7, 8 bits apart: what the octets of a
// varint hold beside their highest bit, which says that another follows.
func spread2(v uint64) uint64 { return v&0x007f_007f_007f_007f | v<<1&0x7f00_7f00_7f00_7f00 }

// AppendPreamble appends it as an item of earlier records.
func AppendPreamble(b []byte, it *Item, base int64) []byte {
	out, _ := appendItemField(b, fPreamble, it, base)
	return out
}

func appendItemField(b []byte, num protowire.Number, it *Item, base int64) (out []byte, octets int) {
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
	b, octets = appendFields(b, num, it.Kind, it.Dir, it.Time-base, it.Sequence, it.Offset, it.Frame, it.Octets, more)
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

// maxFront is the most that stands before an item's octets, and what putUint may need
// behind it.
const maxFront = (1 + 5) + 2 + 2 + (1 + 10) + (1 + 4) + 2*(1+10) + (1 + 5) + wide

// appendFields appends an item up to its octets; time is relative, and more octets are
// to follow.
func appendFields(b []byte, num protowire.Number, kind ItemKind, dir uint8, time int64, sequence uint32,
	offset, frame uint64, octets []byte, more int) (out []byte, start int) {
	b = slices.Grow(b, maxFront+len(octets))
	at := len(b)
	h := (*[maxFront]byte)(b[at : at+maxFront])
	// The item's length comes first and is known last. It takes as many octets as that
	// of its own octets nearly always; where not, what follows is moved.
	room := 1
	if len(octets) >= 0x80 {
		room = 2
	}
	n := 1 + room
	binary.LittleEndian.PutUint32(h[n:], 1<<3|uint32(kind)<<8|2<<3<<16|uint32(dir&1)<<24)
	h[n+4] = 3 << 3
	n += 5
	n += putUint(h[n:], protowire.EncodeZigZag(time))
	h[n] = 4<<3 | byte(protowire.Fixed32Type)
	binary.LittleEndian.PutUint32(h[n+1:], sequence)
	n += 5
	if offset != 0 {
		h[n] = 5 << 3
		n += 1 + putUint(h[n+1:], offset)
	}
	if frame != 0 {
		h[n] = 6 << 3
		n += 1 + putUint(h[n+1:], frame)
	}
	if len(octets) > 0 {
		h[n] = 7<<3 | byte(protowire.BytesType)
		n += 1 + putUint(h[n+1:], uint64(len(octets)))
	}
	size := n - 1 - room + len(octets) + more
	h[0] = byte(num)<<3 | byte(protowire.BytesType)
	if room == 1 && size < 1<<7 {
		h[1] = byte(size)
	} else if room == 2 && size < 1<<14 {
		h[1], h[2] = byte(size)|0x80, byte(size>>7)
	} else {
		takes := protowire.SizeVarint(uint64(size))
		n = 1 + takes + copy(h[1+takes:], h[1+room:n])
		binary.PutUvarint(h[1:], uint64(size))
	}
	start = at + n
	return append(b[:start], octets...), start
}

// wide is how many octets putUint writes at once at most.
const wide = 8

// putUint writes a varint at the front of b, in which there are wide octets more than
// that takes, whatever becomes of them, and returns its length. The loop over octets of
// encoding/binary costs several times as much, most where lengths change from item
// to item.
func putUint(b []byte, v uint64) int {
	switch {
	case v < 1<<7:
		b[0] = byte(v)
		return 1
	case v < 1<<14:
		binary.LittleEndian.PutUint16(b, uint16(v&0x7f|v<<1&0x7f00|0x80))
		return 2
	case v < 1<<28:
		n := 4
		w := uint32(v&0x7f | v<<1&0x7f00 | v<<2&0x7f0000 | v<<3&0x7f000000)
		if w < 1<<24 {
			n, w = 3, w|0x8080
		} else {
			w |= 0x808080
		}
		binary.LittleEndian.PutUint32(b, w)
		return n
	case v < 1<<35:
		binary.LittleEndian.PutUint64(b, v&0x7f|v<<1&0x7f00|v<<2&0x7f0000|v<<3&0x7f000000|v<<4&0x7f00000000|0x80808080)
		return 5
	}
	return binary.PutUvarint(b, v)
}

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
