// Package tcp puts TCP segments (RFC 9293) back into ordered octets and tells
// what is missing.
//
// [Table.Segment] takes a segment; the events that it caused are then polled
// with [Table.Next] until that returns false:
//
//	table.Segment(&seg)
//	for table.Next(&ev) {
//		switch ev.Kind { ... }
//	}
//
// Event.Data is borrowed from the segment or from the table until the next
// call of Next. A Table is for one goroutine.
package tcp

import (
	"net/netip"
	"time"

	"x400flow/pipeline/capture"
)

// Dir is a direction within a connection.
type Dir uint8

// The two directions.
const (
	ToServer Dir = iota // From client to server.
	ToClient            // From server to client.
)

// Config holds a table's limits. A zero field means its default.
type Config struct {
	// Ports tell the server of a connection whose SYN was not seen.
	Ports []uint16
	// MaxConns bounds the connections held. Default 65536.
	MaxConns int
	// MaxConnOctets bounds what one connection holds out of order. Default 1 MiB.
	MaxConnOctets int
	// MaxOctets bounds what all connections hold out of order. Default 256 MiB.
	MaxOctets int
	// IdleTimeout, in capture time, closes a connection that says nothing. Default 6 h.
	IdleTimeout time.Duration
}

// Kind is an event's kind.
type Kind uint8

// The kinds of event. A connection begins with Open and ends with Close.
const (
	Open  Kind = 1 + iota
	Data       // A run of octets that follows the last Data or Gap of its direction.
	Gap        // Octets that the capture does not hold.
	Close      // The connection's last event; its Conn is not used again.
)

// Reason says why a connection was closed.
type Reason uint8

// The reasons.
const (
	ReasonFIN      Reason = 1 + iota // Both sides sent FIN.
	ReasonRST                        // A valid RST.
	ReasonIdle                       // Silent for Config.IdleTimeout.
	ReasonEvicted                    // Given up to stay within the limits.
	ReasonReplaced                   // A new connection between the same ports.
	ReasonEnd                        // End of the capture.
)

var reasonNames = [...]string{"", "fin", "rst", "idle", "evicted", "replaced", "end"}

// String returns the reason's name as rows carry it.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Counters count one direction of a connection.
type Counters struct {
	Packets              uint64 // Segments, empty ones included.
	Octets               uint64 // Payload octets captured, retransmissions included.
	Delivered            uint64 // Octets given in Data events.
	Lost                 uint64 // Octets told in Gap events.
	Gaps                 uint64
	RetransmittedPackets uint64 // Segments that brought nothing new, or something again.
	RetransmittedOctets  uint64
	ConflictOctets       uint64 // Octets sent again with another value, as far as the first were still held.
	OutOfOrder           uint64 // Segments that came before one they follow.
	LateOctets           uint64 // Octets that came after their Gap was told, or before the start seen.
	IgnoredRST           uint64 // RSTs outside the window.
}

// A Conn is one connection.
type Conn[T any] struct {
	// State is the user's.
	State T

	ID             uint64 // Number in order of first sight, from 1.
	Key            capture.FlowKey
	Client, Server netip.AddrPort
	// MidStream says that the SYN was not seen.
	MidStream bool
	// ISN is the initial sequence number of each direction, if HaveISN.
	ISN      [2]uint32
	HaveISN  [2]bool
	Start    int64 // Time of the first segment, nanoseconds since 1970 UTC.
	Last     int64 // Latest time of a segment.
	Counters [2]Counters
}

// An Event is something that happened to a connection. Data is borrowed until
// the next call of Next.
type Event[T any] struct {
	Kind   Kind
	Dir    Dir    // Of Data and Gap.
	Reason Reason // Of Close.
	Conn   *Conn[T]
	Data   []byte
	Lost   uint64 // Octets missing, of Gap.
	Seq    uint32 // TCP sequence number of the first octet of Data or Gap.
	Offset uint64 // Octets of this direction before it, from its start or the first one seen.
	Time   int64  // Capture time of the segment that brought the octets.
	Frame  uint64 // Its frame number and file.
	File   int32
}

// TableCounters count what concerns no single connection.
type TableCounters struct {
	Opened, Closed uint64
	Idle, Evicted  uint64
	EvictedOctets  uint64 // Octets held out of order and given up with their connection.
	Stray          uint64 // Segments that opened no connection (RST, or an ACK after the end).
	Held           int    // Octets held now.
	Conns          int    // Connections held now.
}

// A Table holds connections and puts their segments in order.
type Table[T any] struct {
}

// NewTable returns an empty table.
func NewTable[T any](cfg Config) *Table[T] { return &Table[T]{} }

// Segment takes a segment in. All events of the one before must have been
// polled; those that were not are lost.
func (t *Table[T]) Segment(s *capture.Segment) {}

// Advance tells the table the capture time where no segment does, so that
// idle connections are closed.
func (t *Table[T]) Advance(now int64) {}

// End tells that the capture has ended: what is held is given with its gaps,
// and every connection is closed, in the order they were first seen.
func (t *Table[T]) End() {}

// Next fills ev with the next event and reports whether there was one.
func (t *Table[T]) Next(ev *Event[T]) bool { return false }

// Counters returns the table's own counters.
func (t *Table[T]) Counters() TableCounters { return TableCounters{} }
