package sensor

import (
	"encoding/binary"
	"reflect"
	"testing"

	"x400flow/pipeline/record"
)

// segments are the frames of a connection with the TPKTs that in describes, of which each
// is a direction, a length of two octets and so many octets of NSDU. Each TPKT is sent
// in segments of first octets and of the rest. All frames are of one time and number.
func segments(in []byte, first int) *wire {
	w := newWire(1100).open()
	for len(in) >= 3 {
		dir := int(in[0] & 1)
		n := min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3)
		nsdu := in[3 : 3+n]
		in = in[3+n:]
		tpkt := append([]byte{3, 0, byte((n + 4) >> 8), byte(n + 4)}, nsdu...)
		w.packet(dir, flagACK, tpkt[:min(first, len(tpkt))])
		if first < len(tpkt) {
			w.packet(dir, flagACK, tpkt[first:])
		}
	}
	for i := range w.frames {
		w.frames[i].Time, w.frames[i].Number = start, 1
	}
	return w
}

// FuzzPlain: TPKTs that come each in one segment, and are taken the short way where that
// can be, give the records that they give if none does.
func FuzzPlain(f *testing.F) {
	for _, name := range captures(f) {
		records, _ := sense(f, Config{}, name)
		var in []byte
		for _, s := range read(f, records) {
			for _, it := range s.items {
				if it.Kind == record.TPDU && len(in) < 3<<10 {
					in = append(in, it.Dir)
					in = binary.BigEndian.AppendUint16(in, uint16(len(it.Octets)))
					in = append(in, it.Octets...)
				}
			}
		}
		f.Add(in, byte(0))
		f.Add(in, byte(7))
		// Once more, with operations that carry credentials behind the bind.
		for _, code := range []byte{codeChangeCredentials, codeRegisterMS, 3} {
			op := []byte{2, 0xf0, 0x80, 1, 0, 1, 0, 0x61, 18, 0x30, 16, 2, 1, 3, 0xa0, 11, 0xa1, 9, 2, 1, 1, 2, 1, code, 0x30, 1, 0x41}
			in = append(append(in, 0, 0, byte(len(op))), op...)
		}
		f.Add(in, byte(0x41))
	}
	f.Fuzz(func(t *testing.T, in []byte, limits byte) {
		cfg := Config{MaxItems: 1 + int(limits&0x3f), MaxHeld: 16 << (limits >> 6 * 2)}
		got, want := published(t, cfg, segments(in, 1<<16).frames), published(t, cfg, segments(in, 1).frames)
		for _, r := range [2][]record.Record{got, want} {
			for i := range r {
				r[i].Counters = [2]record.Counters{} // The segments.
				for _, it := range r[i].Items {
					if it.Kind != record.TPDU && it.Kind != record.Redaction {
						t.Skip() // Octets in no TPKT are given as they come.
					}
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}
