package decode

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"x400flow/osi/association"
	"x400flow/schema"
	"x400flow/x411"
)

// An APDU is identified by its place and each of its octets, in the same way whether
// contents are kept or not.
func TestIdentifier(t *testing.T) {
	octets := apduWith(t, []byte("the content"))
	origin := association.Origin{Connection: association.ConnectionID{1, 2, 3}, Dir: 1}
	origin.Seq = 0xfedcba98
	identifier := func(cfg Config, octets []byte) [16]byte {
		w := contentWorker(cfg)
		w.begin()
		w.rows(&schema.Message{}, octets, &origin)
		w.batch.Problems.Append(&schema.Problem{}) // An APDU that cannot be decoded has no other row.
		w.end()
		w.settle()
		return w.batch.Problems.APDU[0]
	}
	var a x411.APDU
	if a.Decode(octets) != x411.StatusOK || !a.Content.Present || a.Content.Constructed {
		t.Fatal("the APDU has no content in one piece")
	}
	place := slices.Concat(origin.Connection[:], []byte{1, 0xfe, 0xdc, 0xba, 0x98})
	at, digest := a.Content.Contents, sha256.Sum256(a.Content.Octets)
	sum := sha256.Sum256(slices.Concat(place, binary.BigEndian.AppendUint64(nil, uint64(at.Start)), octets[:at.Start], digest[:], octets[at.End:]))
	want := [16]byte(sum[:16])
	for _, cfg := range []Config{{}, {EnvelopeOnly: true}} {
		if got := identifier(cfg, octets); got != want {
			t.Errorf("identifier %x, want %x", got, want)
		}
	}
	seen := map[[16]byte]int{want: -1}
	for i := range octets {
		other := slices.Clone(octets)
		other[i] ^= 1
		id := identifier(Config{}, other)
		if j, ok := seen[id]; ok {
			t.Fatalf("a change of octet %d and one of octet %d have one identifier", i, j)
		}
		seen[id] = i
	}
	// What is no APDU, has no content, or has it in segments is digested as it is.
	for _, other := range [][]byte{{0x30, 0x80}, realAPDU(t), element(0xa0, octets[a.Envelope.Start:a.Envelope.End])} {
		sum := sha256.Sum256(slices.Concat(place, binary.BigEndian.AppendUint64(nil, uint64(len(other))), other))
		if got, want := identifier(Config{}, other), [16]byte(sum[:16]); got != want {
			t.Errorf("identifier %x of % x, want %x", got, other[:2], want)
		}
	}
}
