package sensor

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"x400flow/pipeline/capture"
)

// recentSegments is how many segments are remembered. At a million a second, which
// is more than one sensor takes, that is 65 ms.
const recentSegments = 1 << 16

// recent remembers the digests of the segments captured lately. A switch that
// copies what comes in at one port and goes out at another delivers the same packet
// twice; a router between the two changes the link layer, the time to live and
// checksums, none of which is looked at. A retransmitted segment has another IPv4
// identification, or none; if it is taken for a copy, its octets are there
// already, and only a counter tells the difference.
type recent struct {
	window int64
	seed   maphash.Seed
	seen   []digest
}

type digest struct {
	sum  uint64
	time int64
}

func newRecent(window time.Duration) *recent {
	return &recent{window: int64(window), seed: maphash.MakeSeed(), seen: make([]digest, recentSegments)}
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
	d := &r.seen[sum%recentSegments]
	if age := s.Time - d.time; d.sum == sum && age <= r.window && age >= -r.window {
		return true
	}
	*d = digest{sum, s.Time}
	return false
}
