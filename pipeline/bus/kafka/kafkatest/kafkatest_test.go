package kafkatest

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestBrokers writes to three brokers, of which each is stopped, killed or
// frozen and comes back.
func TestBrokers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes most of a minute")
	}
	c := New(t, Options{Brokers: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := c.CreateTopic(ctx, "topic", 3, nil); err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{MetadataTTL: time.Second}
	defer transport.CloseIdleConnections()
	w := &kafka.Writer{
		Addr: kafka.TCP(c.Addrs()...), Topic: "topic", RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, MaxAttempts: 100, WriteTimeout: 2 * time.Second, Transport: transport,
	}
	defer w.Close()
	write := func(what string) {
		t.Helper()
		start := time.Now()
		for range 3 {
			if err := w.WriteMessages(ctx, kafka.Message{Value: []byte(what)}); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		t.Logf("%s: written after %v", what, time.Since(start).Round(time.Millisecond))
	}
	write("all there")
	b := c.Brokers()
	if err := b[1].Kill(); err != nil {
		t.Fatal(err)
	}
	write("one killed")
	if err := b[1].Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.whole(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b[2].Pause(); err != nil {
		t.Fatal(err)
	}
	write("one frozen")
	if err := b[2].Resume(); err != nil {
		t.Fatal(err)
	}
	write("all there again")
	if err := b[0].Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if b[0].Running() {
		t.Error("broker 0 runs after its stop")
	}
	write("one stopped")
}
