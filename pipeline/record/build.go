package record

import (
	"encoding/binary"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// Buffer holds one encoded record. It has one owner at a time: who is handed
// a Buffer either passes it on or gives it back with Release.
type Buffer struct {
	B []byte
}

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, 4096)} }}

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
	return appendItemField(b, fItems, it, base)
}

// AppendPreamble appends it as an item of earlier records.
func AppendPreamble(b []byte, it *Item, base int64) []byte {
	out, _ := appendItemField(b, fPreamble, it, base)
	return out
}

func appendItemField(b []byte, num protowire.Number, it *Item, base int64) (out []byte, octets int) {
	// What stands before the octets is laid out here, and before it the item's length,
	// which it is a part of. Fields that few items have stand behind the octets.
	const front = 1 + 5 // Tag and length.
	var h [front + 2 + 2 + (1 + 10) + (1 + 4) + 2*(1+10) + (1 + 5)]byte
	n := front
	h[n], h[n+1], h[n+2], h[n+3] = 1<<3, byte(it.Kind), 2<<3, it.Dir&1
	h[n+4] = 3 << 3
	n += 5
	n += binary.PutUvarint(h[n:], protowire.EncodeZigZag(it.Time-base))
	h[n] = 4<<3 | byte(protowire.Fixed32Type)
	binary.LittleEndian.PutUint32(h[n+1:], it.Sequence)
	n += 5
	if it.Offset != 0 {
		h[n] = 5 << 3
		n += 1 + binary.PutUvarint(h[n+1:], it.Offset)
	}
	if it.Frame != 0 {
		h[n] = 6 << 3
		n += 1 + binary.PutUvarint(h[n+1:], it.Frame)
	}
	if len(it.Octets) > 0 {
		h[n] = 7<<3 | byte(protowire.BytesType)
		n += 1 + binary.PutUvarint(h[n+1:], uint64(len(it.Octets)))
	}
	size := n - front + len(it.Octets)
	more := it.Lost|it.Redacted|uint64(it.Source) != 0 || len(it.Digest) > 0 || it.Resync
	if more {
		size += sizeUint(it.Lost) + sizeUint(it.Redacted) + sizeUint(uint64(it.Source))
		if len(it.Digest) > 0 {
			size += 1 + protowire.SizeBytes(len(it.Digest))
		}
		if it.Resync {
			size += 2
		}
	}
	at := front - 1 - protowire.SizeVarint(uint64(size))
	h[at] = byte(num)<<3 | byte(protowire.BytesType)
	binary.PutUvarint(h[at+1:], uint64(size))
	b = append(b, h[at:n]...)
	octets = len(b)
	b = append(b, it.Octets...)
	if !more {
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
// fixed64 and the others varints.
func appendUints(b []byte, num protowire.Number, values []uint64, fixed int) []byte {
	n := 0
	for i, v := range values {
		switch {
		case i < fixed:
			n += 9
		case v != 0:
			n += sizeUint(v)
		}
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(n))
	for i, v := range values {
		if i < fixed {
			b = appendFixed(b, protowire.Number(i+1), int64(v))
		} else {
			b = appendUint(b, protowire.Number(i+1), v)
		}
	}
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
