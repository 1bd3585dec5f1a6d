package decode

import (
	"context"
	"testing"
	"testing/synctest"

	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/record"
	"x400flow/schema"
)

// stuck takes no rows until it is told to.
type stuck struct {
	fresh
	gate chan struct{}
}

func (s stuck) Write(ctx context.Context, b *schema.Batch, ack func()) error {
	<-s.gate
	return s.fresh.Write(ctx, b, ack)
}

// TestQueuedIsBounded has a shard wait for the store: what is received meanwhile is
// bounded by octets, and all of it is decoded in the end.
func TestQueuedIsBounded(t *testing.T) {
	const octets, queued, records = 10_000, 5, 60
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := memory.New(0)
		for i := range records {
			rec := &record.Buffer{B: make([]byte, 0, octets)}
			rec.B = record.Begin(rec.B, &record.Header{Kind: record.KindHeartbeat, Sensor: "s", Epoch: int64(i)})
			if err := b.Publish(ctx, [32]byte{}, rec); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		s := stuck{gate: make(chan struct{})}
		p := New(Config{BatchRows: 1, MaxQueued: queued * octets}, b, s)
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		// One was decoded, and one waits for room.
		if n := records - b.InFlight()/octets; n != 1+queued+1 {
			t.Errorf("%d records were received while the store took no rows, want %d", n, 1+queued+1)
		}
		if n := p.Stats().Queued; n != queued {
			t.Errorf("%d records are said to be queued, want %d", n, queued)
		}
		close(s.gate)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Records != records || s.Queued != 0 {
			t.Errorf("%d records of %d, and %d queued", s.Records, records, s.Queued)
		}
	})
}
