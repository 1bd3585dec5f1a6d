// Package mutate rewrites captures of TCP traffic so that the streams stay the
// same and everything beneath them differs: other segment boundaries,
// repetitions, another order, other encapsulation.
package mutate

import "io"

// Options say how to rewrite. Rates are probabilities from 0 to 1.
type Options struct {
	Seed       uint64
	MinSegment int     // Smallest TCP payload; 0 keeps the segments as they are.
	MaxSegment int     // Largest TCP payload.
	Duplicate  float64 // Of segments, followed by a repetition with other boundaries.
	Disorder   float64 // Of segments, moved behind some that follow.
	Window     int     // How many segments of its connection a moved one passes at most.
	VLAN       []uint16
	MPLS       []uint32
	Shift      int64 // Nanoseconds added to every frame's time.
}

// Rewrite reads a pcap capture of Ethernet frames from r and writes it anew to w.
func Rewrite(w io.Writer, r io.Reader, o Options) error { return nil }
