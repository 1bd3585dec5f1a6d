package decode

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/schema"
)

// TestIdleConnections: an association that is open and idle takes little memory, once
// it has carried messages.
func TestIdleConnections(t *testing.T) {
	const connections, most = 1000, 6 << 10
	// The same connection from many clients.
	var in []capture.Frame
	one := frames(t, readFile(t, "../../testdata/mta/n20-normal-std88-messages-and-probe.pcap"))
	opener := [4]byte(one[0].Data[26:30])
	for k := range connections {
		for _, f := range one {
			f.Data = append([]byte(nil), f.Data...)
			client := 26
			if opener != [4]byte(f.Data[26:30]) {
				client = 30
			}
			binary.BigEndian.PutUint16(f.Data[client+2:], uint16(k))
			in = append(in, f)
		}
	}
	all := records(t, sensor.Config{MaxItems: 4}, in)
	in = nil
	open := all[:0]
	for _, r := range all {
		if head, err := record.ReadHead(r); err == nil && head.Kind == record.KindConnection {
			open = append(open, r)
		}
	}
	d := &direct{w: New(Config{}, nil, new(forgetful)).workers[0]}
	d.w.batch = new(schema.Batch)
	ctx := context.Background()
	give := func(from, to int) {
		for _, r := range open[from:to] {
			var rec record.Record
			if err := rec.Decode(r); err != nil {
				t.Fatal(err)
			}
			if rec.End != record.Open {
				continue
			}
			buf := record.NewBuffer()
			buf.B = append(buf.B, r...)
			if err := d.Publish(ctx, bus.Key{}, buf); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.w.flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	half := len(open) / 2
	give(0, half)
	before, had := heap(), len(d.w.conns)
	give(half, len(open))
	after, have := heap(), len(d.w.conns)
	if have-had < connections/3 {
		t.Fatalf("%d connections, then %d", had, have)
	}
	each := int64(after-before) / int64(have-had)
	t.Logf("%d octets a connection", each)
	if each > most {
		t.Errorf("%d octets a connection, %d are allowed", each, most)
	}
	runtime.KeepAlive(open)
}

// forgetful takes rows and forgets them.
type forgetful struct{ free *schema.Batch }

func (f *forgetful) Batch() *schema.Batch {
	if f.free == nil {
		return new(schema.Batch)
	}
	return f.free
}

func (f *forgetful) Write(_ context.Context, b *schema.Batch, ack func()) error {
	b.Reset()
	if f.free = b; ack != nil {
		ack()
	}
	return nil
}

func (*forgetful) Flush(context.Context) error { return nil }
