package decode

import (
	"context"
	"runtime"
	"testing"

	"x400flow/bench/generate"
	"x400flow/pipeline/sensor"
	"x400flow/schema"
)

// fresh takes rows and keeps no memory.
type fresh struct{}

func (fresh) Batch() *schema.Batch { return new(schema.Batch) }

func (fresh) Write(_ context.Context, _ *schema.Batch, ack func()) error {
	if ack != nil {
		ack()
	}
	return nil
}

func (fresh) Flush(context.Context) error { return nil }

// TestMemoryIsFlat has connections come and go, each round others, now and then with a
// large message: what a shard keeps from round to round does not grow.
func TestMemoryIsFlat(t *testing.T) {
	const rounds, early = 16, 8
	d := newDirect(Config{})
	d.w.pool.writer = fresh{}
	heap := func() int {
		runtime.GC()
		runtime.GC() // What is in pools goes with the second.
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	at := 0
	for round := range rounds {
		// The TSDU that came last may still be there.
		large := round%4 == 1
		in := frames(t, generated(t, 100, func(o *generate.Options) {
			o.Seed = uint64(round + 1)
			o.OpenRate, o.CutRate, o.DiscardRate, o.RecoverRate = 0, 0, 0, 0
			o.ConstructedRate = 0.5
			if large {
				o.Corpus = generate.OfficeCorpus
				o.HugeContent = 4 << 20
			}
		}))
		sense(t, sensor.Config{}, d, in)
		if err := d.w.flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := len(d.w.conns); n > 0 {
			t.Fatalf("%d connections have not ended", n)
		}
		in = nil
		switch now := heap(); {
		case round == early-1:
			at = now
		case round >= early && !large && now > at+1<<20:
			t.Errorf("after round %d %d kB are live, after round %d %d", round+1, now>>10, early, at>>10)
		}
	}
	for _, c := range d.w.idle {
		if n := c.assoc.Kept() + c.text.kept(); n > maxIdleOctets {
			t.Errorf("a connection that is not used keeps %d octets", n)
		}
	}
	if s := d.w.pool.Stats(); s.Messages < rounds*100 || len(d.w.idle) == 0 {
		t.Errorf("%d messages, %d connections for reuse: nothing is shown", s.Messages, len(d.w.idle))
	}
}
