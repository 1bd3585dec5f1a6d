// Package schema is the archive's schema: its migrations, views and ready-made
// reports in SQL, and for each storage table one Go type of a row and one of a
// batch of columns.
//
// What the tables mean is told by their COMMENTs, and by docs/schema.md, which is
// made from them.
//
// # Rows and batches
//
// A row, such as [Message], only carries values to Append, which copies them:
// the row and the octets that its fields refer to belong to the caller and may be
// reused at once. Times are nanoseconds since 1970 UTC, 0 when absent. A batch,
// such as [Messages], owns what was appended until Reset. In steady state
// Append does not allocate. A batch belongs to one goroutine at a time.
package schema

import (
	"slices"
	"unsafe"
)

//go:generate go run ./generate

// Times are times in nanoseconds since 1970 UTC.
type Times []int64

// Column is a column as it is handed to ClickHouse.
type Column struct {
	Name string
	// Type is plain: the engine converts it to that of the table.
	Type string
}

// Columnar is a batch of one table's rows.
type Columnar interface {
	Table() string
	Rows() int
	Bytes() int
	Held() int
	Columns() []Column
	Column(i int) any
	Reset()
}

// MTSIdentifier is an MTSIdentifier (X.411 8.5.5.1) in a row.
type MTSIdentifier struct {
	Text, Country, ADMD, PRMD, Local []byte
}

// Domain is a GlobalDomainIdentifier (X.411 8.5.2) in a row.
type Domain struct {
	Text, Country, ADMD, PRMD []byte
}

// Batch holds rows of every table.
type Batch struct {
	Bilaterals        Bilaterals
	Extensions        Extensions
	Trace             Trace
	Recipients        Recipients
	Contents          Contents
	IPMRecipients     IPMRecipients
	IPMReferences     IPMReferences
	IPMExtensionItems IPMExtensionItems
	IPMExtensions     IPMExtensions
	BodyParts         BodyParts
	IPMs              IPMs
	Messages          Messages
	Operations        Operations
	Problems          Problems
	Associations      Associations
	Coverage          Coverage
	Progresses        Progresses
	Captures          Captures
}

// Tables is the number of tables.
const Tables = 18

// All returns the batches of the tables in the order in which they are to be
// inserted: what belongs to a message before the message, so that a message that
// is visible is complete; associations, whose counters tell of messages, after
// them; progress and captures, which say what is in the archive, last.
func (b *Batch) All() [Tables]Columnar {
	return [Tables]Columnar{
		&b.Bilaterals, &b.Extensions, &b.Trace, &b.Recipients, &b.Contents,
		&b.IPMRecipients, &b.IPMReferences, &b.IPMExtensionItems, &b.IPMExtensions, &b.BodyParts, &b.IPMs,
		&b.Messages, &b.Operations, &b.Problems, &b.Associations, &b.Coverage, &b.Progresses, &b.Captures,
	}
}

// Adopt makes buffer the batch's until Reset: contents in it, of Large octets or more, are
// not copied when their rows are appended. Nobody may write to it any more.
func (b *Batch) Adopt(buffer []byte) {
	b.Contents.held.adopted = append(b.Contents.held.adopted, buffer[:cap(buffer)])
}

// Reset forgets the rows of every table and keeps the memory.
func (b *Batch) Reset() {
	for _, t := range b.All() {
		t.Reset()
	}
}

// Held returns about how much memory Reset keeps, whatever rows there are.
func (b *Batch) Held() int {
	n := 0
	for _, t := range b.All() {
		n += t.Held()
	}
	return n
}

// Rows returns the number of rows of all tables.
func (b *Batch) Rows() int {
	n := 0
	for _, t := range b.All() {
		n += t.Rows()
	}
	return n
}

// Bytes returns about how much memory the rows take.
func (b *Batch) Bytes() int {
	n := 0
	for _, t := range b.All() {
		n += t.Bytes()
	}
	return n
}

// Block is batches whose rows are inserted together.
type Block []*Batch

// Rows returns the number of rows of all tables.
func (k Block) Rows() int {
	n := 0
	for _, b := range k {
		n += b.Rows()
	}
	return n
}

// Bytes returns about how much memory the rows take.
func (k Block) Bytes() int {
	n := 0
	for _, b := range k {
		n += b.Bytes()
	}
	return n
}

// All returns, for each table that has rows, the batches that have them, in the order of
// Batch.All.
func (k Block) All() [][]Columnar {
	var tables [Tables][]Columnar
	for _, b := range k {
		for i, t := range b.All() {
			if t.Rows() > 0 {
				tables[i] = append(tables[i], t)
			}
		}
	}
	return slices.DeleteFunc(tables[:], func(parts []Columnar) bool { return parts == nil })
}

// Knowledge says how much was known when a row was made. It orders the rows of
// repeated readings.
type Knowledge struct {
	// Opened says that the association's opening was seen, Both that both
	// directions were captured.
	Opened, Both bool
	// Decoder is the decoder's version, below 4096.
	Decoder uint32
	// CapturedAt is the capture time of the first octet in nanoseconds since 1970.
	CapturedAt int64
	// Sensor is the sensor's name.
	Sensor []byte
}

// Version returns the version of a row: richer knowledge first, then the newer
// decoder, then the earlier sighting, then some order among sensors, so that the
// row that stays does not depend on the order of reading.
func (k Knowledge) Version() uint64 {
	var v uint64
	if k.Opened {
		v |= 2
	}
	if k.Both {
		v |= 1
	}
	const msBits, sensorBits = 42, 8
	v = v<<12 | uint64(min(k.Decoder, 1<<12-1))
	ms := uint64(min(max(k.CapturedAt/1e6, 0), 1<<msBits-1))
	v = v<<msBits | (1<<msBits - 1 - ms)
	// FNV-1a, folded.
	h := uint32(2166136261)
	for _, c := range k.Sensor {
		h = (h ^ uint32(c)) * 16777619
	}
	return v<<sensorBits | uint64((h^h>>8^h>>16^h>>24)&(1<<sensorBits-1))
}

// leastRows is how many rows a table's columns have room for at first.
const leastRows = 16

// more returns a column with room for half as many rows again.
func more[T any](column []T) []T {
	n := max(len(column)/2, leastRows)
	return slices.Grow(column, n)[:len(column)+n]
}

// at returns the place of a row in a column of numbers, without a look at bounds: all those
// of a table are as long as the one that Append looks at.
func at[T any](column []T, row int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(column)), uintptr(row)*unsafe.Sizeof(column[0])))
}
