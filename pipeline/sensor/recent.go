package sensor

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"time"

	"x400flow/pipeline/capture"
)

// How many segments are remembered, at first and at most. At a million a second, which
// is more than one sensor takes, the most is 65 ms. A table of so many is in no near
// cache, and each segment looks at another place, so it grows with the rate only.
const (
	fewSegments  = 1 << 10
	mostSegments = 1 << 16
	// crowd is the share of the segments that push out one within the window, from
	// which the table grows.
	crowd = 1. / 32
)

// recent remembers the digests of the segments captured lately. A switch that
// copies what comes in at one port and goes out at another delivers the same packet
// twice; a router between the two changes the link layer, the time to live and
// checksums, none of which is looked at. A retransmitted segment has another IPv4
// identification, or none; if it is taken for a copy, its octets are there
// already, and only a counter tells the difference.
type recent struct {
	window int64
	seed   maphash.Seed
	keys   [8]uint64
	seen   []digest // A power of two.
	// noted counts segments since the table was made, or as many as it holds; displaced,
	// those of them that pushed out another within the window.
	noted, displaced int
}

type digest struct {
	sum  uint64
	time int64
}

func newRecent(window time.Duration) *recent {
	r := &recent{window: int64(window), seed: maphash.MakeSeed(), seen: make([]digest, fewSegments)}
	for i := range r.keys {
		r.keys[i] = rand.Uint64()
	}
	return r
}

// again reports whether the same segment came before.
func (r *recent) again(s *capture.Segment) bool { return r.note(r.sum(s), s.Time) }

// again4 is again for a segment that Decoder.Plain returned.
func (r *recent) again4(h *capture.Headers, payload []byte, time int64) bool {
	addrs, ports := h.Ends()
	return r.note(r.sum4(addrs, ports, h.Numbers(), h.Window(), h.ID(), payload, h.Flags()), time)
}

// note notes a segment's digest, and reports whether it was noted before.
func (r *recent) note(sum uint64, time int64) bool {
	d := &r.seen[sum&uint64(len(r.seen)-1)]
	if age := time - d.time; age <= r.window && age >= -r.window && *d != (digest{}) {
		if d.sum == sum {
			return true
		}
		r.displaced++
	}
	*d = digest{sum, time}
	if r.noted++; r.noted == len(r.seen) {
		r.grow()
	}
	return false
}

// sum returns a segment's digest. Its place in the table depends on the headers alone,
// so that it need not be waited for until the payload is digested.
func (r *recent) sum(s *capture.Segment) uint64 {
	if s.Key.Family == 4 {
		addrs, ports := s.Key.Ends4(s.FromHi)
		return r.sum4(addrs, ports, uint64(s.Seq)<<32|uint64(s.Ack), s.Window, s.ID, s.Payload, s.Flags)
	}
	k := &r.keys
	word := binary.LittleEndian.Uint64
	ports := uint64(s.Key.LoPort)<<48 | uint64(s.Key.HiPort)<<32 | uint64(s.Window)<<16 | uint64(s.ID)
	from := uint64(s.Flags)
	if s.FromHi {
		from |= 1 << 8
	}
	head := fold(word(s.Key.LoIP[:])^k[0], word(s.Key.LoIP[8:])^k[1]) ^
		fold(word(s.Key.HiIP[:])^k[2], word(s.Key.HiIP[8:])^k[3]) ^
		fold(ports^k[4], uint64(s.Seq)<<32|uint64(s.Ack)^k[5])
	return fold(head^k[6], from^k[7]) ^ maphash.Bytes(r.seed, s.Payload)&^(mostSegments-1)
}

// sum4 is sum for a segment over IPv4.
func (r *recent) sum4(addrs uint64, ports uint32, numbers uint64, window, id uint16, payload []byte, flags capture.Flags) uint64 {
	k := &r.keys
	rest := uint64(flags)<<32 | uint64(window)<<16 | uint64(id)
	return fold(addrs^k[0], uint64(ports)^k[1]) ^ fold(numbers^k[2], rest^k[3]) ^ maphash.Bytes(r.seed, payload)&^(mostSegments-1)
}

// fold multiplies, and puts the two halves of the product together.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// grow doubles the table if it is crowded.
func (r *recent) grow() {
	if float64(r.displaced) > crowd*float64(r.noted) && len(r.seen) < mostSegments {
		old := r.seen
		r.seen = make([]digest, 2*len(old))
		for _, d := range old {
			r.seen[d.sum&uint64(len(r.seen)-1)] = d
		}
	}
	r.noted, r.displaced = 0, 0
}
