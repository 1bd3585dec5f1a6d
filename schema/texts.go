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

// put makes v the text of a row, those between the last one and it empty.
func put[T string | []byte](c *Texts, row int, v T) {
	if len(v) > maxJoined {
		c.refer(row, append([]byte(nil), v...))
		return
	}
	if c.rows != row {
		c.pad(row)
	}
	n := len(c.octets)
	if need := n + binary.MaxVarintLen64 + len(v); need > cap(c.octets) {
		c.grow(need)
	}
	c.rows = row + 1
	if len(v) < 0x80 { // Most, and one octet tells their length.
		c.octets = c.octets[:n+1+len(v)]
		c.octets[n] = byte(len(v))
		copy(c.octets[n+1:], v)
		return
	}
	c.octets = append(binary.AppendUvarint(c.octets, uint64(len(v))), v...)
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
