package sensor

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
)

// What may come behind the first segment of a TPKT, by bits of the octet before it, of
// which the lowest is its direction.
const (
	opLate = 2 << iota // The rest comes behind the next TPKT of the other direction.
	opWait             // More than Config.MaxAge goes by in the middle of the rest.
	opFile             // The rest is in another file.
	opLost             // The rest is not captured, nor anything that follows.
)

// segments are the frames of a connection with the TPKTs that in describes, of which each
// is such an octet, a length of two octets and so many octets of NSDU. Each TPKT is sent
// in segments of first octets and of the rest. If split, the first octet of each is sent by
// itself. All frames have one number.
func segments(in []byte, first int, split bool) *wire {
	w := newWire(1100).open()
	times, files := make([]int64, len(w.frames)), make([]int32, len(w.frames))
	now, file := int64(0), int32(0)
	send := func(dir int, octets []byte) {
		if len(octets) > 0 {
			w.packet(dir, flagACK, octets)
			times, files = append(times, now), append(files, file)
		}
	}
	var late [2][]byte
	for len(in) >= 3 {
		op, dir := in[0], int(in[0]&1)
		n := min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3)
		nsdu := in[3 : 3+n]
		in = in[3+n:]
		tpkt := append([]byte{3, 0, byte((n + 4) >> 8), byte(n + 4)}, nsdu...)
		send(dir, late[dir])
		front, rest := tpkt[:min(first, len(tpkt))], tpkt[min(first, len(tpkt)):]
		if split {
			send(dir, front[:1])
			front = front[1:]
		}
		send(dir, front)
		send(1-dir, late[1-dir])
		late = [2][]byte{}
		if op&opFile != 0 && len(rest) > 0 {
			file ^= 1
		}
		switch {
		case op&opLost != 0:
			// A gap is told after some segments, of which there are more if split.
			in = nil
		case op&opLate != 0:
			late[dir] = rest
		case op&opWait != 0 && len(rest) > 1:
			now += 2 * int64(DefaultMaxAge)
			send(dir, rest[:len(rest)/2])
			send(dir, rest[len(rest)/2:])
		default:
			send(dir, rest)
		}
	}
	for dir, rest := range late {
		send(dir, rest)
	}
	for i := range w.frames {
		w.frames[i].Time, w.frames[i].Number, w.frames[i].File = start+times[i], 1, files[i]
	}
	return w
}

// TestStraight: frames that are taken straight through give what they give if none is. Each
// capture is read twice at once, as one whose frames come from two ports of a switch.
func TestStraight(t *testing.T) {
	for _, name := range captures(t) {
		for _, names := range [][]string{{name}, {name, again(t, name)}} {
			for _, duplicates := range []time.Duration{0, time.Second} {
				var kept [2][]capture.FlowKey
				var records [2][][]byte
				var stats [2]Stats
				for i := range records {
					cfg := Config{Duplicates: duplicates, MaxRecord: 5000, Keep: func(_ *capture.Frame, key *capture.FlowKey) {
						kept[i] = append(kept[i], *key)
					}}
					if i == 1 {
						cfg.Elsewhere = func(*capture.Segment) bool { return false }
					}
					records[i], stats[i] = sense(t, cfg, names...)
				}
				if !reflect.DeepEqual(records[0], records[1]) {
					t.Errorf("%v, %v: other records", names, duplicates)
				}
				if stats[0] != stats[1] {
					t.Errorf("%v, %v: %+v, else %+v", names, duplicates, stats[0], stats[1])
				}
				if len(kept[0]) == 0 || !slices.Equal(kept[0], kept[1]) {
					t.Errorf("%v, %v: other frames are kept", names, duplicates)
				}
				if found := stats[0].Duplicates > 0; found != (duplicates > 0 && len(names) > 1) {
					t.Errorf("%v, %v: %d duplicates", names, duplicates, stats[0].Duplicates)
				}
			}
		}
	}
}

// again is a copy of a capture.
func again(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), "again-"+filepath.Base(name))
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// ethernet is the frames of a wire as plain ones.
func ethernet(frames []capture.Frame) []capture.Frame {
	out := slices.Clone(frames)
	for i := range out {
		f := &out[i]
		f.Data = slices.Concat(make([]byte, 12), []byte{8, 0}, f.Data)
		f.Length, f.Link = len(f.Data), capture.LinkEthernet
	}
	return out
}

// FuzzPlain: TPKTs that are taken the short way where that can be, whole or in pieces, from
// frames that are taken straight through, give the records that they give if nothing is.
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
		f.Add(in, byte(0), uint16(1<<15))
		f.Add(in, byte(7), uint16(20))
		// Once more, with operations that carry credentials behind the bind.
		for _, code := range []byte{codeChangeCredentials, codeRegisterMS, 3} {
			op := []byte{2, 0xf0, 0x80, 1, 0, 1, 0, 0x61, 18, 0x30, 16, 2, 1, 3, 0xa0, 11, 0xa1, 9, 2, 1, 1, 2, 1, code, 0x30, 1, 0x41}
			in = append(append(in, 0, 0, byte(len(op))), op...)
		}
		f.Add(in, byte(0x41), uint16(1<<15))
		f.Add(in, byte(0x41), uint16(12))
		// Data in both directions, with all that may come in between.
		data := func(op byte) {
			dt := append([]byte{2, 0xf0, op >> 4 << 7, 1, 0, 1, 0}, bytes.Repeat([]byte{op}, 90)...)
			in = append(append(in, op, 0, byte(len(dt))), dt...)
		}
		for op := range byte(opLost) {
			data(op)
		}
		for _, op := range []byte{0, opLost} {
			data(op)
			f.Add(in, byte(3), uint16(30))
			f.Add(in, byte(0x3f), uint16(8))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, limits byte, first uint16) {
		cfg := Config{MaxItems: 1 + int(limits&0x3f), MaxHeld: 16 << (limits >> 6 * 2)}
		size := 2 + int(first)
		got := published(t, cfg, ethernet(segments(in, size, false).frames))
		cfg.general = true
		want := published(t, cfg, segments(in, size, true).frames)
		for i := range want {
			for _, it := range want[i].Items {
				if it.Kind == record.Skipped || it.Kind == record.Encrypted {
					t.Skip() // Octets in no TPKT are given as they come.
				}
			}
		}
		for _, r := range [2][]record.Record{got, want} {
			for i := range r {
				r[i].Counters = [2]record.Counters{} // The segments.
			}
		}
		if reflect.DeepEqual(got, want) {
			return
		}
		for i := range min(len(got), len(want)) {
			for k := range min(len(got[i].Items), len(want[i].Items)) {
				if g, w := got[i].Items[k], want[i].Items[k]; !reflect.DeepEqual(g, w) {
					t.Fatalf("record %d, item %d: got %+v\nwant %+v", i, k, g, w)
				}
			}
		}
		t.Fatalf("got %+v\nwant %+v", got, want)
	})
}
