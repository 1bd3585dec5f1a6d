// Package tcp puts TCP segments (RFC 9293) back into ordered octets and tells
// what is missing.
//
// [Table.Segment] takes a segment; the events that it caused are then polled
// with [Table.Next] until that returns false:
//
//	table.Segment(&seg)
//	for ev := table.Next(); ev != nil; ev = table.Next() {
//		switch ev.Kind { ... }
//	}
//
// A segment in order is passed on as it is, without a copy or an allocation;
// one ahead of its turn is copied and held. Where octets come twice, the first
// win; the others are counted, and compared as far as the first are still held.
// What is given does not depend on how a stream was cut into segments, nor on
// their order as long as nothing has to be given up.
//
// Between the directions, octets come after those of the other direction that
// their sender had acknowledged when he sent them, even where they were captured
// first; a capturing machine may swap a request and its answer. For octets that
// never come [Patience] segments are waited, or one second.
//
// # Missing segments
//
// Octets that the capture does not hold are told by Gap, once, as soon as they
// can no longer be expected: the receiver has acknowledged them (or the capture
// cut them off at its snap length) and the connection has gone on for [Patience]
// segments or one second since octets after the hole were seen; or
// nobody sent them again for [Config.GapTimeout] of capture time; or the limits
// of what may be held are reached; or the connection ends. Octets that come
// after their Gap was told are dropped and counted as late.
//
// # Connections seen from the middle
//
// The first segment seen in a direction is its start, whatever its sequence
// number; what comes later and stands before it is dropped and counted as late.
// The first segment after a connection's end does not open another one, unless
// it is a SYN, or far from where the old one ended.
//
// # Limits
//
// Where there are too many connections, those of which nothing but SYNs was seen
// give way first, then those without octets, then the others, the longest silent
// of each; last those that the user has set apart with [Table.Prefer].
//
// # Not done
//
// Acknowledgements are believed if they are near. Timestamps (PAWS) and
// checksums are not looked at, urgent data is data. VLAN and tunnel identifiers
// do not tell connections apart.
//
// An Event, and what it refers to, is borrowed from the table or from the segment
// until the next call of Segment, Advance, Evict or End. After that the memory of a
// connection whose Close was given is another one's. A Table is for one goroutine.
package tcp

import (
	"net/netip"
	"time"

	"x400flow/pipeline/capture"
)

// Patience is the number of segments of a connection that may pass between two
// that were captured the wrong way round.
const Patience = 8

// Remembered is how long a connection that ended is remembered, so that what is
// still to come of it opens no other: twice the maximum segment lifetime.
const Remembered = 4 * time.Minute

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
	// MaxConnOctets bounds what one connection holds out of order, memory for
	// keeping it included. Default 1 MiB.
	MaxConnOctets int
	// MaxOctets bounds what all connections hold out of order. Default 256 MiB.
	MaxOctets int
	// IdleTimeout, in capture time, closes a connection that says nothing. Default 6 h.
	IdleTimeout time.Duration
	// HandshakeTimeout, in capture time, closes a connection of which nothing but
	// SYNs was seen. Default 5 min, longer than any system repeats them.
	HandshakeTimeout time.Duration
	// GapTimeout, in capture time, is how long a missing segment is waited for
	// that nobody acknowledged, as where one direction was captured. Default 60 s.
	GapTimeout time.Duration
	// Clock, if not nil, is what these times are measured by instead, in
	// nanoseconds: live capture has one that is never set.
	Clock func() int64
}

// Kind is an event's kind.
type Kind uint8

// The kinds of event. A connection begins with Open and ends with Close.
const (
	Open  Kind = 1 + iota
	Data       // A run of octets that follows the last Data or Gap of its direction.
	Gap        // Octets that the capture does not hold.
	Close      // The connection's last event.
)

// Reason says why a connection was closed.
type Reason uint8

// The reasons.
const (
	ReasonFIN      Reason = 1 + iota // Both sides sent FIN, or the only side seen.
	ReasonRST                        // A valid RST.
	ReasonIdle                       // Silent for Config.IdleTimeout.
	ReasonEvicted                    // Given up to stay within Config.MaxConns.
	ReasonReplaced                   // A new connection between the same ports.
	ReasonEnd                        // End of the capture.
)

var reasonNames = [...]string{"", "fin", "rst", "idle", "evicted", "replaced", "end"}

// String returns the reason's name.
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
	RetransmittedPackets uint64 // Segments with octets, SYN or FIN that came before.
	RetransmittedOctets  uint64
	ConflictOctets       uint64 // Octets sent again with another value, as far as the first were still held.
	OutOfOrder           uint64 // Segments ahead of their turn.
	LateOctets           uint64 // Octets that came after their Gap was told, or from before the start seen.
	Ignored              uint64 // Segments far outside the window, or after the FIN.
	IgnoredRST           uint64 // RSTs outside the window.

	_ [4]uint64 // So that those of a direction are where a shift says.
}

// A Conn is one connection. With thousands of them each field comes from memory, a cache
// line at a time: so what every segment needs comes first, and none of the parts that
// belong together lies across two lines, in memory of the allocator's, which puts eight
// octets before a value of this size.
type Conn[T any] struct {
	Key          capture.FlowKey
	older, newer *Conn[T] // Of its stage, by last segment.

	segments uint64
	Last     int64  // Time of the last segment.
	seen     int64  // When the last segment came, or less where the clock was set back.
	frame    uint64 // Of the last segment.
	file     int32
	stage    stage
	clientHi bool
	closed   bool // Its Close was queued.
	v4       bool // It is over IPv4, and its ends differ.
	// What capture.Headers.Ends returns of each direction's segments, if v4.
	addrs [2]uint64
	ports [2]uint32

	half [2]half
	// ackedThen is half.acked as it was before each of the last segments.
	ackedThen [Patience][2]int64
	Counters  [2]Counters

	// State is the user's. That of a new connection is zero, or as it was left by one
	// that was closed.
	State T

	ID     uint64 // Number in order of first sight, from 1.
	Start  int64  // Time of the first segment, nanoseconds since 1970 UTC.
	hash   uint64 // Of Key, by the table's index.
	holds  bool
	heldAt int64 // When it last came to hold some.

	Client, Server netip.AddrPort
	// MidStream says that neither SYN was seen when the connection was opened.
	MidStream bool
	// ISN is the initial sequence number of each direction, if HaveISN.
	ISN     [2]uint32
	HaveISN [2]bool

	heldOlder *Conn[T] // Among those that hold octets, by when they last came to hold some.
	heldNewer *Conn[T]
}

// An Event is something that happened to a connection.
type Event[T any] struct {
	Kind   Kind
	Dir    Dir    // Of Data and Gap.
	Reason Reason // Of Close.
	Conn   *Conn[T]
	Data   []byte
	Lost   uint64 // Octets missing, of Gap.
	Seq    uint32 // TCP sequence number of the first octet of Data or Gap.
	Offset uint64 // Octets of this direction before it, from its SYN or the first one seen.
	Time   int64  // Capture time of the segment that brought the octets; else of the connection's last.
	Frame  uint64 // Its frame number and file.
	File   int32
}

// TableCounters count what concerns no single connection.
type TableCounters struct {
	Opened, Closed uint64
	Idle, Evicted  uint64
	Unanswered     uint64 // Of Idle, those of which nothing but SYNs was seen.
	Replaced       uint64
	Stray          uint64 // Segments that opened no connection: RST, or what follows an end.
	GivenUp        uint64 // Times that a connection's holes were told early to stay within the limits.
	Held           int    // Octets held out of order now, memory for keeping them included.
	Conns          int    // Connections held now.
}
