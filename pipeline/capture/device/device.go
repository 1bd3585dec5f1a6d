// Package device captures frames from network interfaces: on Linux from
// AF_PACKET rings (TPACKET_V3), elsewhere through libpcap, in builds with cgo
// and the tag pcap.
//
// [Open] returns an interface's handles, among which its frames are spread by
// address pair. [Handle.Next] gives the frames that are there and never waits;
// [Wait] does, for any of several handles. A handle is for one goroutine; its
// counters may be asked for by another.
//
// The kernel decides by a program (see [Filter]) which frames are copied into
// the ring at all. It admits a little more than what is wanted: fragments, and
// everything in a tunnel.
//
// A VLAN tag that the interface or the kernel has taken off is put back, in
// place. Frames may be larger than the interface's MTU, where it joins segments
// (GRO, LRO) or is to cut them (TSO); a frame larger than a block of the ring is
// cut, and its Length says so.
//
// # Why the ring is read here
//
// gopacket/gopacket, the maintained fork of google/gopacket, has a ring reader
// that needs no cgo. It would not do: it cannot ask for the interface's own
// time stamps, since the socket is not accessible; it binds the socket before
// a filter is attached and a fan-out group joined, so that frames of other
// flows and those of all rings come first; its counters have 32 bits; it takes
// a lock for each frame, allocates for each tagged one, and copies it where the
// tag is to be put back; and it does not tell a frame that leaves from one that
// comes. What remains is the reading of three structures whose layout is fixed.
// The system calls are those of golang.org/x/sys, the filter is assembled by
// golang.org/x/net/bpf.
package device

import (
	"errors"
	"time"

	"x400flow/pipeline/capture"
)

// Config says how an interface is captured. All fields but Interface have
// defaults.
type Config struct {
	Interface string
	// Handles is how many share the interface's frames, 1 by default.
	Handles int
	// Socket, if not nil, gives the AF_PACKET sockets, of type SOCK_RAW and without
	// a protocol, which become the handles'; making them takes CAP_NET_RAW.
	Socket func() (int, error)
	// BlockSize and Blocks are octets and number of the blocks of each
	// handle's ring. The kernel hands over whole blocks.
	BlockSize, Blocks int
	// Retire is after how long it hands over one that is not full.
	Retire time.Duration
	// Promiscuous takes frames for other stations, too.
	Promiscuous bool
	// HardwareTime takes the interface's own time stamp of a frame where it has
	// made one (see hwstamp_ctl of linuxptp); its clock must run in UTC.
	HardwareTime bool
	// Ports and Tunnels are what the kernel admits; see Filter.
	Ports   []uint16
	Tunnels Tunnels
}

// Defaults of a Config's zero fields.
const (
	DefaultBlockSize = 1 << 20
	DefaultBlocks    = 64
	DefaultRetire    = 20 * time.Millisecond
)

// Stats count from when a handle was opened.
type Stats struct {
	Frames  uint64 // Admitted by the kernel, dropped ones included.
	Dropped uint64 // Admitted and dropped: the ring was full.
	Freezes uint64 // Times that the ring was full.
}

// Status says how an interface is.
type Status struct {
	Index   int
	Running bool // It is up and has its carrier.
	// Changes is how often the carrier came or went since the interface was made; 0 where
	// the system does not count.
	Changes uint32
	// Missed are frames that the interface lost before the kernel saw them,
	// since it was made, whatever was in them.
	Missed uint64
}

// A Handle gives a share of an interface's frames.
type Handle interface {
	// Next fills f with the next frame, and reports false where none is there.
	// Data is borrowed until the next call. Link, Time, Length and Data are set.
	Next(f *capture.Frame) (bool, error)
	// Stats returns what was counted so far.
	Stats() (Stats, error)
	Close() error
}

// ErrGone says that an interface was removed.
var ErrGone = errors.New("the interface was removed")
