package schema

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/google/uuid"
)

// AppendNative appends the rows of a table, of which each batch has some, as one block
// in ClickHouse's Native format, with the columns' names and types. Times whose type
// counts seconds lose the rest.
func AppendNative(b []byte, parts ...Columnar) []byte {
	n := native{b: b}
	n.block(parts)
	return n.b
}

// AppendNativePieces is AppendNative without a copy of what travels as it is in memory:
// the block is the pieces, of which those that are not columns' memory are the b that it
// returns. They are valid until that or one of the parts is written to again.
func AppendNativePieces(b []byte, parts ...Columnar) ([]byte, [][]byte) {
	n := native{b: b, from: len(b), cuts: true}
	n.block(parts)
	n.cut()
	return n.b, n.pieces
}

// minPiece is how many octets of a column are a piece of their own; fewer are copied.
const minPiece = 512

// native is a block that is being written.
type native struct {
	b []byte
	// cuts says that columns' memory becomes pieces of its own, from is where in b the
	// next piece begins.
	cuts   bool
	from   int
	pieces [][]byte
}

func (n *native) block(parts []Columnar) {
	rows, room := 0, 0
	for _, t := range parts {
		rows += t.Rows()
		room += t.Bytes()
	}
	columns := parts[0].Columns()
	if !n.cuts {
		n.b = slices.Grow(n.b, room)
	}
	n.b = binary.AppendUvarint(n.b, uint64(len(columns)))
	n.b = binary.AppendUvarint(n.b, uint64(rows))
	for i := range columns {
		n.b = appendText(n.b, columns[i].Name)
		n.b = appendText(n.b, columns[i].Type)
		for _, t := range parts {
			n.column(&columns[i], t.Column(i))
		}
	}
}

func (n *native) texts(c *Texts) {
	at := 0
	if c.apart != nil {
		for _, x := range *c.apart {
			n.octets(c.octets[at:x.at])
			at = x.at
			n.octets(x.octets)
		}
	}
	n.octets(c.octets[at:c.end])
}

// octets writes what travels as it is.
func (n *native) octets(b []byte) {
	if !n.cuts || len(b) < minPiece {
		n.b = append(n.b, b...)
		return
	}
	n.cut()
	n.pieces = append(n.pieces, b)
}

// cut makes a piece of what was written since the last.
func (n *native) cut() {
	if end := len(n.b); end > n.from {
		n.pieces = append(n.pieces, n.b[n.from:end:end])
		n.from = end
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (n *native) column(c *Column, values any) {
	switch v := values.(type) {
	case *Texts:
		n.texts(v)
	case []uuid.UUID:
		// Two little-endian halves.
		for i := range v {
			n.b = binary.LittleEndian.AppendUint64(n.b, binary.BigEndian.Uint64(v[i][:8]))
			n.b = binary.LittleEndian.AppendUint64(n.b, binary.BigEndian.Uint64(v[i][8:]))
		}
	case []bool:
		n.octets(memory(v))
	case []int32:
		n.octets(memory(v))
	case []int64:
		n.octets(memory(v))
	case []uint16:
		n.octets(memory(v))
	case []uint32:
		n.octets(memory(v))
	case []uint64:
		n.octets(memory(v))
	case Times:
		if c.Type == wholeSeconds {
			for _, ns := range v {
				n.b = binary.LittleEndian.AppendUint64(n.b, uint64(ns/1e9))
			}
			return
		}
		n.octets(memory(v))
	default:
		panic(fmt.Sprintf("schema: column %s is a %T", c.Name, values))
	}
}

// wholeSeconds is the type of times that a protocol gives in seconds.
const wholeSeconds = "DateTime64(0, 'UTC')"

// numbers are the values whose memory is what ClickHouse reads, on little-endian
// machines, which are all that it runs on. They have no pointers and no padding, so
// their memory may be read as octets.
type numbers interface {
	~bool | ~int32 | ~uint16 | ~uint32 | ~uint64 | ~int64
}

// memory returns the memory of numbers.
func memory[T numbers](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))
}
