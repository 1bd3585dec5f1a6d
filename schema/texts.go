package schema

import (
	"encoding/binary"
	"unsafe"
)

// Texts is a column of texts as they travel in ClickHouse's Native format: each after
// its length. What is empty is added only when a text comes behind it, or when the
// column is asked for, so that the many columns that a row has no value for cost it
// nothing.
type Texts struct {
	octets []byte
	rows   int
	// apart are the texts that are in other memory, in order, and elsewhere their octets.
	apart     []apart
	elsewhere int
}

// apart is a text whose octets belong to at in the column's.
type apart struct {
	at     int
	octets []byte
}

// Large is the size from which octets of an adopted buffer are not copied.
const Large = 1 << 20

// Shared is the size from which octets that the batch has already are not copied again: a
// shorter text is sooner copied than sent by itself.
const Shared = 4 << 10

// held is memory that a batch has until Reset, and that nobody writes to.
type held struct {
	adopted [][]byte
	of, in  []byte // The octets of the one are there in the other, too.
}

// find returns the memory in which the octets of v are, nil where they are to be copied.
func (h *held) find(v []byte) []byte {
	if len(v) < Shared {
		return nil
	}
	if at, ok := within(v, h.of); ok {
		return h.in[at : at+len(v)]
	}
	if len(v) >= Large {
		for _, buffer := range h.adopted {
			if _, ok := within(v, buffer); ok {
				return v
			}
		}
	}
	return nil
}

func (h *held) reset() {
	clear(h.adopted)
	*h = held{adopted: h.adopted[:0]}
}

const (
	minTexts = 64
	// maxDoubled is the size from which a column grows by half.
	maxDoubled = 64 << 10
	// maxJoined is the length from which a text is in memory of its own, which reset gives
	// up: it is seldom as large again.
	maxJoined = 256 << 10
)

const (
	// short is the length below which a text's own is told by one octet, as that of most.
	short = 0x80
	// few are the rows without a text, before one, that put makes.
	few = 8
	// shortRoom is what put may write.
	shortRoom = few + 1 + short
)

// put makes v the text of a row, those between the last one and it empty. Nearly all texts
// are short and have room: of these it writes few words, with octets behind them that the
// next text is written over. It does so without a look at bounds: all that it writes is
// within the shortRoom octets behind the column's, and all that it reads within v, of which
// words from the front and from the end overlap.
func put(c *Texts, row int, v []byte) {
	n, k, empty := len(c.octets), len(v), row-c.rows
	if k >= short || uint(empty) > few || cap(c.octets)-n < shortRoom {
		c.put(row, v)
		return
	}
	to := unsafe.Add(unsafe.Pointer(unsafe.SliceData(c.octets)), n)
	*(*[few]byte)(to) = [few]byte{}
	*(*byte)(unsafe.Add(to, empty)) = byte(k)
	to = unsafe.Add(to, empty+1)
	c.octets, c.rows = c.octets[:n+empty+1+k], row+1
	from := unsafe.Pointer(unsafe.SliceData(v))
	switch {
	case k > 16:
		move16(to, from, 0)
		if k > 32 {
			move16(to, from, 16)
			if k > 64 {
				move16(to, from, 32)
				move16(to, from, 48)
				move16(to, from, k-64)
				move16(to, from, k-48)
			}
			move16(to, from, k-32)
		}
		move16(to, from, k-16)
	case k >= 8:
		*(*[8]byte)(to) = *(*[8]byte)(from)
		*(*[8]byte)(unsafe.Add(to, k-8)) = *(*[8]byte)(unsafe.Add(from, k-8))
	case k >= 4:
		*(*[4]byte)(to) = *(*[4]byte)(from)
		*(*[4]byte)(unsafe.Add(to, k-4)) = *(*[4]byte)(unsafe.Add(from, k-4))
	case k > 0:
		*(*byte)(to) = *(*byte)(from)
		*(*byte)(unsafe.Add(to, k/2)) = *(*byte)(unsafe.Add(from, k/2))
		*(*byte)(unsafe.Add(to, k-1)) = *(*byte)(unsafe.Add(from, k-1))
	}
}

// move16 copies the 16 octets at at. More at a time would be a call of memmove.
func move16(to, from unsafe.Pointer, at int) {
	*(*[16]byte)(unsafe.Add(to, at)) = *(*[16]byte)(unsafe.Add(from, at))
}

// putString is put for what is not octets.
func putString(c *Texts, row int, v string) {
	put(c, row, unsafe.Slice(unsafe.StringData(v), len(v)))
}

// put is put for a text of any length, after any number of rows.
//
//go:noinline
func (c *Texts) put(row int, v []byte) {
	if len(v) > maxJoined {
		c.refer(row, append([]byte(nil), v...))
		return
	}
	c.pad(row)
	if need := len(c.octets) + binary.MaxVarintLen64 + len(v); need > cap(c.octets) {
		c.grow(need)
	}
	c.octets = append(binary.AppendUvarint(c.octets, uint64(len(v))), v...)
	c.rows = row + 1
}

// lay is put for what may be in memory that the batch has, and is not copied then.
func (c *Texts) lay(row int, v []byte, h *held) {
	if in := h.find(v); in != nil {
		c.refer(row, in)
	} else {
		put(c, row, v)
	}
}

// refer makes v, which is written no more, the text of a row.
func (c *Texts) refer(row int, v []byte) {
	c.pad(row)
	c.octets = binary.AppendUvarint(c.octets, uint64(len(v)))
	c.rows++
	c.apart = append(c.apart, apart{len(c.octets), v})
	c.elsewhere += len(v)
}

// last returns the memory of the last text, which has n octets.
func (c *Texts) last(n int) []byte {
	if k := len(c.apart) - 1; k >= 0 && c.apart[k].at == len(c.octets) {
		return c.apart[k].octets
	}
	return c.octets[len(c.octets)-n:]
}

// within returns where in buffer b is, and whether it is part of it.
func within(b, buffer []byte) (at int, ok bool) {
	from, to := uintptr(unsafe.Pointer(unsafe.SliceData(buffer))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return int(to - from), to >= from && to+uintptr(len(b)) <= from+uintptr(len(buffer))
}

// grow makes room for n octets. It makes the memory itself because append would touch all
// of it.
func (c *Texts) grow(n int) {
	if n > maxDoubled {
		n += n / 2
	} else {
		n = max(n, 2*cap(c.octets), minTexts)
	}
	b := make([]byte, len(c.octets), n)
	copy(b, c.octets)
	c.octets = b
}

// pad adds the empty texts that are missing before a row.
func (c *Texts) pad(row int) *Texts {
	if n := row - c.rows; n > 0 {
		if len(c.octets)+n > cap(c.octets) {
			c.grow(len(c.octets) + n)
		}
		c.octets = c.octets[:len(c.octets)+n]
		clear(c.octets[len(c.octets)-n:])
		c.rows = row
	}
	return c
}

// size is how many octets the texts have, with those in other memory.
func (c *Texts) size() int { return len(c.octets) + c.elsewhere }

// Len returns how many texts there are.
func (c *Texts) Len() int { return c.rows }

// Strings returns copies of the texts.
func (c *Texts) Strings() []string {
	list := make([]string, 0, c.rows)
	var whole native
	whole.texts(c)
	for b := whole.b; len(b) > 0; {
		n, k := binary.Uvarint(b)
		list = append(list, string(b[k:k+int(n)]))
		b = b[k+int(n):]
	}
	return list
}

// reset forgets the texts and keeps the column's own memory.
func (c *Texts) reset() {
	c.octets, c.rows = c.octets[:0], 0
	clear(c.apart)
	c.apart, c.elsewhere = c.apart[:0], 0
}
