package sensor

import (
	"encoding/binary"
	"hash/maphash"
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
	return &recent{window: int64(window), seed: maphash.MakeSeed(), seen: make([]digest, fewSegments)}
}

// again reports whether the same segment came before.
func (r *recent) again(s *capture.Segment) bool {
	var b [64]byte
	p := append(append(b[:0], s.Key.LoIP[:]...), s.Key.HiIP[:]...)
	p = binary.BigEndian.AppendUint16(p, s.Key.LoPort)
	p = binary.BigEndian.AppendUint16(p, s.Key.HiPort)
	p = append(p, byte(s.Flags), 0)
	if s.FromHi {
		p[len(p)-1] = 1
	}
	p = binary.BigEndian.AppendUint16(p, s.Window)
	p = binary.BigEndian.AppendUint16(p, s.ID)
	p = binary.BigEndian.AppendUint32(p, s.Seq)
	p = binary.BigEndian.AppendUint32(p, s.Ack)
	p = binary.BigEndian.AppendUint64(p, maphash.Bytes(r.seed, s.Payload))
	sum := maphash.Bytes(r.seed, p)
	d := &r.seen[sum&uint64(len(r.seen)-1)]
	if age := s.Time - d.time; age <= r.window && age >= -r.window && *d != (digest{}) {
		if d.sum == sum {
			return true
		}
		r.displaced++
	}
	*d = digest{sum, s.Time}
	if r.noted++; r.noted == len(r.seen) {
		r.grow()
	}
	return false
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
