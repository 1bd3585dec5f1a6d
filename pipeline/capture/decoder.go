package capture

import "time"

// DecoderConfig says which segments a Decoder gives.
type DecoderConfig struct {
	// Ports are matched against both ports of the TCP header. None means all.
	Ports []uint16
	// Limits of the fragment table. Zero means the default.
	MaxFragmentOctets int           // 16 MiB
	MaxDatagrams      int           // 4096
	FragmentTimeout   time.Duration // 60 s of capture time
}

// Counters count frames by what became of them. Each frame counts once in
// Frames and once in one of the others.
type Counters struct {
	Frames    uint64
	Segments  uint64 // Given to the caller.
	NotIP     uint64
	NotTCP    uint64
	OtherPort uint64
	Fragments uint64 // Held back as a piece of a datagram not yet whole.

	// Undecodable frames by reason.
	UnknownLink uint64 // Link type not supported.
	Short       uint64 // Cut inside a header.
	Malformed   uint64 // A header contradicts itself.
	TooDeep     uint64 // More encapsulations than are followed.

	// Of the datagrams that came in fragments (not of frames).
	Reassembled        uint64
	FragmentsLost      uint64 // Fragments given up: incomplete at timeout, eviction or end.
	DatagramsLost      uint64
	FragmentsOverlap   uint64 // Fragments that overlapped others; the first octets win.
	FragmentsMalformed uint64
}

// A Decoder finds the TCP segment in a frame.
type Decoder struct {
	counters Counters
}

// NewDecoder returns a Decoder.
func NewDecoder(cfg DecoderConfig) *Decoder { return &Decoder{} }

// Decode undoes f's link layer, tunnels and fragments. It reports whether that
// gave a TCP segment on a wanted port, and if so fills s.
func (d *Decoder) Decode(f *Frame, s *Segment) bool { return false }

// Counters returns what was counted so far.
func (d *Decoder) Counters() Counters { return d.counters }
