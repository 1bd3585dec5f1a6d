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
	octets []byte // The first end of them are the texts', what is behind is room.
	end    int
	rows   int
	// apart are the texts that are in other memory, in order; nil until there was one: a row
	// passes many columns, which should have few cache lines.
	apart *[]apart
}

// apart is a text whose octets belong to at in the column's. total is how many it and those
// before it have.
type apart struct {
	at     int
	octets []byte
	total  int
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
	// word is how many octets put moves at a time, two words for a start.
	word = 16
	// few are the rows without a text, before one, that put makes.
	few = 16
	// shortRoom is what put may write.
	shortRoom = few + 1 + short
	// page is a part of what memory is mapped by.
	page = 4096
)

// words are octets that put moves, each word in one go. More at a time would be a call of
// memmove.
type words [4][word]byte

// put makes v, which is not empty, the text that is the last of rows, those between the one
// before and it empty. Nearly all texts are short and have room. Most have two words or less,
// and of these it moves two, since which of several ways a length takes is often foretold
// wrong. It does so without a look at bounds: all that it writes is within the shortRoom octets
// behind the column's, of which those behind v's are written over by the next text. It reads
// up to two words behind v, but only where they are in the page that v is in, and nobody sees
// them: what package runtime does for hashes.
//
//go:norace
//go:nocheckptr
func put(c *Texts, rows int, v string) {
	n, k, more := c.end, len(v), rows-c.rows
	at := unsafe.Pointer(unsafe.StringData(v))
	if k >= short || uint(more-1) > few || len(c.octets)-n < shortRoom || int(uintptr(at)%page)+k > page-2*word {
		c.put(rows, v)
		return
	}
	c.end, c.rows = n+more+k, rows
	b := unsafe.Add(unsafe.Pointer(unsafe.SliceData(c.octets)), n)
	*(*[few]byte)(b) = [few]byte{}
	b = unsafe.Add(b, more)
	*(*byte)(unsafe.Add(b, -1)) = byte(k)
	to, from := (*words)(b), (*words)(at)
	to[0] = from[0]
	to[1] = from[1]
	if k > 2*word {
		to[2] = from[2]
		to[3] = from[3]
		if k > 4*word {
			to, from = (*words)(unsafe.Add(b, k-4*word)), (*words)(unsafe.Add(at, k-4*word))
			to[0] = from[0]
			to[1] = from[1]
			to[2] = from[2]
			to[3] = from[3]
		}
	}
}

// text is what put takes for octets, which it only reads: as a slice has it, pointer and
// length are the first of its words.
func text(v *[]byte) string { return *(*string)(unsafe.Pointer(v)) }

// digest is text for a digest.
func digest(v *[32]byte) string { return unsafe.String(&v[0], len(v)) }

// put is put for a text of any length, after any number of rows.
//
//go:noinline
func (c *Texts) put(rows int, v string) {
	if len(v) > maxJoined {
		c.refer(rows, []byte(v))
		return
	}
	at := c.begin(rows, len(v), len(v))
	c.end = at + copy(c.octets[at:], v)
}

// begin writes the length n of the text that is the last of rows, and returns what is behind
// it, where it makes room for some octets.
func (c *Texts) begin(rows, n, room int) int {
	c.pad(rows - 1)
	if need := c.end + binary.MaxVarintLen64 + room; need > len(c.octets) {
		c.grow(need)
	}
	c.rows = rows
	c.end += binary.PutUvarint(c.octets[c.end:], uint64(n))
	return c.end
}

// lay is put for what may be in memory that the batch has, and is not copied then.
func (c *Texts) lay(rows int, v []byte, h *held) {
	if in := h.find(v); in != nil {
		c.refer(rows, in)
	} else {
		put(c, rows, text(&v))
	}
}

// refer makes v, which is written no more, the text that is the last of rows.
func (c *Texts) refer(rows int, v []byte) {
	if c.apart == nil {
		c.apart = new([]apart)
	}
	*c.apart = append(*c.apart, apart{c.begin(rows, len(v), 0), v, c.elsewhere() + len(v)})
}

// last returns the memory of the last text, which has n octets.
func (c *Texts) last(n int) []byte {
	if x := c.lastApart(); x != nil && x.at == c.end {
		return x.octets
	}
	return c.octets[c.end-n : c.end]
}

// within returns where in buffer b is, and whether it is part of it.
func within(b, buffer []byte) (at int, ok bool) {
	from, to := uintptr(unsafe.Pointer(unsafe.SliceData(buffer))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return int(to - from), to >= from && to+uintptr(len(b)) <= from+uintptr(len(buffer))
}

// grow makes room for n octets, texts and what follows them. It makes the memory itself
// because append would touch all of it.
func (c *Texts) grow(n int) {
	if n > maxDoubled {
		n += n / 2
	} else {
		n = max(n, 2*len(c.octets), minTexts)
	}
	b := make([]byte, n)
	copy(b, c.octets[:c.end])
	c.octets = b
}

// pad adds the empty texts that are missing, so that there are rows.
func (c *Texts) pad(rows int) *Texts {
	if n := rows - c.rows; n > 0 {
		if c.end+n > len(c.octets) {
			c.grow(c.end + n)
		}
		clear(c.octets[c.end : c.end+n])
		c.end += n
		c.rows = rows
	}
	return c
}

// size is how many octets the texts have, with those in other memory.
func (c *Texts) size() int { return c.end + c.elsewhere() }

func (c *Texts) elsewhere() int {
	if x := c.lastApart(); x != nil {
		return x.total
	}
	return 0
}

// lastApart is the last of the texts that are in other memory, nil where there is none.
func (c *Texts) lastApart() *apart {
	if c.apart == nil || len(*c.apart) == 0 {
		return nil
	}
	return &(*c.apart)[len(*c.apart)-1]
}

// held is how many octets of memory reset keeps.
func (c *Texts) held() int { return len(c.octets) }

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
	c.end, c.rows = 0, 0
	if c.apart != nil {
		clear(*c.apart)
		*c.apart = (*c.apart)[:0]
	}
}
