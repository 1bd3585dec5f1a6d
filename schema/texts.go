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
	// apart are the texts that are in other memory, in order.
	apart []apart
}

// apart is a text whose octets belong to at in the column's.
type apart struct {
	at     int
	octets []byte
}

// Large is the size from which octets of an adopted buffer are not copied.
const Large = 1 << 20

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

// lay is put for what may be a large part of one of the buffers, which is not copied.
func (c *Texts) lay(row int, v []byte, buffers [][]byte) {
	if len(v) >= Large && within(v, buffers) {
		c.refer(row, v)
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
}

// within reports whether b is part of one of the buffers.
func within(b []byte, buffers [][]byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for _, own := range buffers {
		if from := uintptr(unsafe.Pointer(unsafe.SliceData(own))); at >= from && at+uintptr(len(b)) <= from+uintptr(len(own)) {
			return true
		}
	}
	return false
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

// size is how many octets the texts take, with those in other memory.
func (c *Texts) size() int {
	n := len(c.octets)
	for i := range c.apart {
		n += len(c.apart[i].octets)
	}
	return n
}

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
	c.apart = c.apart[:0]
}
