package memory

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

var (
	_ bus.Publisher = (*Bus)(nil)
	_ bus.Receiver  = (*Bus)(nil)
)

func rec(n int) *record.Buffer { return &record.Buffer{B: make([]byte, n)} }

func TestOrderAndEnd(t *testing.T) {
	b := New(0)
	ctx := t.Context()
	for i := range 3 {
		if err := b.Publish(ctx, bus.Key{}, rec(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.InFlight(); got != 6 {
		t.Errorf("%d octets in flight, want 6", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		d, err := b.Receive(ctx)
		if err != nil || len(d.Record.B) != i+1 || d.Lane != 0 || d.Offset != int64(i) {
			t.Fatalf("delivery %d: %v, %v", i, d, err)
		}
	}
	if _, err := b.Receive(ctx); err != io.EOF {
		t.Errorf("after the last: %v", err)
	}
	if got := b.InFlight(); got != 0 {
		t.Errorf("%d octets in flight at the end", got)
	}
}

func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		ctx, cancel := context.WithCancel(t.Context())
		// A record above the limit passes when nothing else is in flight.
		if err := b.Publish(ctx, bus.Key{}, rec(1000)); err != nil {
			t.Fatal(err)
		}
		published := 0
		var err error
		go func() {
			for ; published < 3 && err == nil; published++ {
				err = b.Publish(ctx, bus.Key{}, rec(60))
			}
		}()
		synctest.Wait()
		if published != 0 {
			t.Fatal("published although the bus was full")
		}
		for want := 1; want <= 2; want++ {
			if _, err := b.Receive(ctx); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if published != want {
				t.Fatalf("published %d, want %d", published, want)
			}
		}
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("publisher got %v", err)
		}
		if _, err := b.Receive(ctx); err != nil {
			t.Errorf("what was published is not delivered: %v", err)
		}
		if _, err := b.Receive(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("receiver got %v", err)
		}
	})
}
