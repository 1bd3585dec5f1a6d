package sensor

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
)

// discard is a bus that keeps nothing.
type discard struct{}

func (discard) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	rec.Release()
	return nil
}

// heap returns the octets that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestManyConnections has 200,000 associations at once, opened and idle, of which
// each has a TPKT under way in one direction: they fit in 1 GiB.
func TestManyConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the race detector takes several times the memory")
	}
	const connections = 200_000
	w := newWire(2000).open()
	w.packet(0, flagACK, []byte{3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0})
	w.packet(1, flagACK, []byte{3, 0, 0, 11, 6, 0xd0, 0, 1, 0, 2, 0})
	w.send(0, opening(t, "p20", 0), 2048, 1400).send(1, opening(t, "p20", 1), 2048, 1400)
	w.packet(0, flagACK, append([]byte{3, 0, 1, 0, 2, 0xf0, 0x80}, make([]byte, 100)...)) // 107 of 256 octets.
	clock := int64(0)
	before := heap()
	cfg := Config{Clock: func() int64 { return clock }, Decoder: capture.DecoderConfig{Ports: []uint16{102}}}
	cfg.TCP.MaxConns = 1 << 18
	s := New(cfg, discard{})
	for i := range connections {
		for j := range w.frames {
			f := w.frames[j]
			// Addresses tell the connections apart: 10.x.x.x and 11.x.x.x.
			client, server := uint32(10<<24+i), uint32(11<<24+i)
			if binary.BigEndian.Uint16(f.Data[20:]) == 102 {
				client, server = server, client
			}
			binary.BigEndian.PutUint32(f.Data[12:], client)
			binary.BigEndian.PutUint32(f.Data[16:], server)
			f.Time += int64(i)
			if err := s.Frame(t.Context(), &f); err != nil {
				t.Fatal(err)
			}
		}
		clock += int64(time.Millisecond)
	}
	if err := s.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	used := heap() - before
	t.Logf("%d octets a connection, %d MiB in all; state %d", used/connections, used>>20, s.state)
	if c := s.Table(); c.Conns != connections || c.Evicted != 0 {
		t.Errorf("%+v", c)
	}
	if used > 1<<30 {
		t.Errorf("%d MiB for %d connections", used>>20, connections)
	}
	runtime.KeepAlive(s)
}

// TestFloodOfBogusTPKTs has thousands of connections that each announce a TPKT of
// 64 KiB, send most of it, and rest: what is kept of them stays bounded, and the
// association that was idle before is still there after.
func TestFloodOfBogusTPKTs(t *testing.T) {
	const limit = 8 << 20
	real := newWire(2000).open()
	real.packet(0, flagACK, []byte{3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0})
	real.packet(1, flagACK, []byte{3, 0, 0, 11, 6, 0xd0, 0, 1, 0, 2, 0})
	real.send(0, opening(t, "p20", 0), 2048, 1400).send(1, opening(t, "p20", 1), 2048, 1400)
	before := len(real.frames)
	real.send(0, data(50), 1000, 1000)

	cfg := Config{MaxState: limit, Decoder: capture.DecoderConfig{Ports: []uint16{102}}}
	k := new(keep)
	s := New(cfg, k)
	feed := func(frames []capture.Frame) {
		for i := range frames {
			if err := s.Frame(t.Context(), &frames[i]); err != nil {
				t.Fatal(err)
			}
			if s.state > limit+1<<20 {
				t.Fatalf("%d octets are kept", s.state)
			}
		}
	}
	feed(real.frames[:before])
	for i := range 3000 {
		w := newWire(uint16(3000 + i)).open()
		w.packet(0, flagACK, []byte{3, 0, 0xff, 0xff, 2, 0xf0, 0x80})
		for range 40 {
			w.packet(0, flagACK, make([]byte, 1400))
		}
		feed(w.frames)
	}
	feed(real.frames[before:])
	if err := s.End(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if c := s.Table(); c.Evicted < 2000 || c.Opened != 3001 {
		t.Errorf("%+v", c) // It is visible.
	}
	var last record.Record
	for _, b := range k.records {
		var r record.Record
		if err := r.Decode(b); err != nil {
			t.Fatal(err)
		}
		if r.Conn.Client.Port() == 2000 {
			last = r
		}
	}
	if last.End != record.CaptureEnd || last.Conn.MidStream || len(last.Items) == 0 {
		t.Errorf("the association ended as %v, with %d items last", last.End, len(last.Items))
	}
}
