package schema

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/google/uuid"
)

// AppendNative appends the rows of a table, of which each batch has some, as one block
// in ClickHouse's Native format, with the columns' names and types. Times whose type
// counts seconds lose the rest.
func AppendNative(b []byte, parts ...Columnar) []byte {
	rows := 0
	for _, t := range parts {
		rows += t.Rows()
	}
	columns := parts[0].Columns()
	b = binary.AppendUvarint(b, uint64(len(columns)))
	b = binary.AppendUvarint(b, uint64(rows))
	for i := range columns {
		b = appendText(b, columns[i].Name)
		b = appendText(b, columns[i].Type)
		for _, t := range parts {
			b = appendColumn(b, &columns[i], t.Column(i))
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendColumn(b []byte, c *Column, values any) []byte {
	switch v := values.(type) {
	case *Texts:
		return v.appendTo(b)
	case []uuid.UUID:
		// Two little-endian halves.
		for i := range v {
			b = binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(v[i][:8]))
			b = binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(v[i][8:]))
		}
		return b
	case []bool:
		return appendNumbers(b, v)
	case []int32:
		return appendNumbers(b, v)
	case []int64:
		return appendNumbers(b, v)
	case []uint16:
		return appendNumbers(b, v)
	case []uint32:
		return appendNumbers(b, v)
	case []uint64:
		return appendNumbers(b, v)
	case Times:
		if c.Type == wholeSeconds {
			for _, ns := range v {
				b = binary.LittleEndian.AppendUint64(b, uint64(ns/1e9))
			}
			return b
		}
		return appendNumbers(b, v)
	}
	panic(fmt.Sprintf("schema: column %s is a %T", c.Name, values))
}

// wholeSeconds is the type of times that a protocol gives in seconds.
const wholeSeconds = "DateTime64(0, 'UTC')"

// numbers are the values whose memory is what ClickHouse reads, on little-endian
// machines, which are all that it runs on. They have no pointers and no padding, so
// their memory may be read as octets, which appendNumbers does before it returns.
type numbers interface {
	~bool | ~int32 | ~uint16 | ~uint32 | ~uint64 | ~int64
}

func appendNumbers[T numbers](b []byte, v []T) []byte {
	if len(v) == 0 {
		return b
	}
	return append(b, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))...)
}
