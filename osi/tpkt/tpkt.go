// Package tpkt cuts one direction of a TCP stream into TPKTs (RFC 1006
// section 6, RFC 2126 section 4.3) and finds the next one where octets are
// missing.
//
// Runs of octets go in with [Framer.Push], lost ones with [Framer.Gap]; units
// come out of [Framer.Next]. Unit.Data is borrowed from the run or from the
// framer until the next call of Next, Push or Gap. Nothing is left out in
// silence: octets that are no TPKT come out as units too.
package tpkt

// HeaderLen is the length of a TPKT header (RFC 1006 section 6).
const HeaderLen = 4

// MaxLen is the length of the longest TPKT, its header included.
const MaxLen = 65535

// Kind is a unit's kind.
type Kind uint8

// The kinds of unit.
const (
	// TPDU is the content of one TPKT: one or more TPDUs.
	TPDU Kind = 1 + iota
	// Skipped is a piece of octets that are not in a TPKT.
	Skipped
	// Encrypted is a piece of octets of a direction that began with a TLS record.
	Encrypted
	// Cut is the beginning of a TPKT whose rest was lost or never came.
	Cut
)

// A Unit is a TPKT's content, or octets that are none.
type Unit struct {
	Kind   Kind
	Data   []byte
	Offset uint64 // Stream offset of the first octet of Data.
	First  uint64 // Stream offset of the TPKT's header, where Kind is TPDU or Cut; else Offset.
	Resync bool   // The first TPDU after octets were lost or skipped.
}

// State is what a Framer takes its direction for.
type State uint8

// The states.
const (
	Unknown State = iota // Nothing credible seen yet.
	InSync               // TPKTs follow each other.
	Resync               // Seeking the next credible TPKT.
	NotTPKT              // Much was read and nothing was credible; still seeking.
	TLS                  // The direction began with TLS records.
)

// A Framer cuts one direction. The zero value is ready for a stream seen from
// its start.
type Framer struct {
}

// Reset makes the framer new; it keeps its buffer. A stream first seen in the
// middle begins by seeking a TPKT.
func (f *Framer) Reset(midStream bool) {}

// Push gives the run of octets that stands at stream offset off. It must
// follow what was pushed or lost before, and stay unchanged until Next has
// returned false.
func (f *Framer) Push(off uint64, data []byte) {}

// Gap tells that lost octets are missing at this place. Units that it causes
// come out of Next.
func (f *Framer) Gap(lost uint64) {}

// End tells that nothing follows: what is held of an unfinished TPKT comes out
// of Next as Cut.
func (f *Framer) End() {}

// Next fills u with the next unit and reports whether there was one.
func (f *Framer) Next(u *Unit) bool { return false }

// State returns what the direction is taken for.
func (f *Framer) State() State { return Unknown }
