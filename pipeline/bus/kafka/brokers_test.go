package kafka

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/kafka/kafkatest"
)

// TestBrokersGoAndCome kills one of three brokers and freezes another under
// traffic: nothing is lost, and each key's records stay in order.
func TestBrokersGoAndCome(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts three brokers")
	}
	k := kafkatest.New(t, kafkatest.Options{Brokers: 3})
	c := Config{Brokers: k.Addrs(), Topic: "t", Timeout: 2 * time.Second, Log: logTo(t)}
	if _, err := Prepare(t.Context(), c, &Create{Partitions: 6, Replication: 3}); err != nil {
		t.Fatal(err)
	}
	p := producer(t, ProducerConfig{Config: c})
	r := consumer(t, c, "g")
	const keys = 50
	var sent, seen atomic.Uint64 // Rounds: a record of each key.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var batch []bus.Message
			for key := range byte(keys) {
				batch = append(batch, numbered(key+1, sent.Load()))
			}
			for len(batch) > 0 {
				var err error
				if batch, _, err = p.Send(t.Context(), batch); err != nil {
					time.Sleep(rand.N(100 * time.Millisecond))
				}
			}
			sent.Add(1)
		}
	}()
	received := make(chan struct{})
	go func() {
		defer close(received)
		var next [keys]uint64
		// What a lane has shown before it was taken away may come again from the
		// watermark on; within one owning, only repeats go back.
		repeats := 0
		for {
			d, err := r.Receive(t.Context())
			if err != nil {
				t.Logf("%d repeats; %v", repeats, err)
				return
			}
			if d.Record != nil {
				key, n := d.Record.B[0]-1, binary.BigEndian.Uint64(d.Record.B[1:])
				switch {
				case n > next[key]:
					t.Errorf("key %d: record %d, want %d", key, n, next[key])
					next[key] = n + 1
				case n < next[key]:
					repeats++
				default:
					next[key]++
				}
				least := next[0]
				for _, n := range next {
					least = min(least, n)
				}
				seen.Store(least)
				d.Record.Release()
			}
			d.Ack()
		}
	}()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s: not within 90 s; %d rounds sent, %d received", what, sent.Load(), seen.Load())
				return
			}
		}
	}
	onward := func(what string) {
		t.Helper()
		start, from := time.Now(), sent.Load()
		until(what, func() bool { return seen.Load() > from+50 })
		t.Logf("%s: goes on after %v", what, time.Since(start).Round(time.Millisecond))
	}
	onward("all there")
	brokers := k.Brokers()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	check(brokers[0].Kill())
	onward("one killed")
	check(brokers[0].Start(t.Context()))
	onward("it is back")
	check(brokers[1].Pause())
	onward("one frozen")
	check(brokers[1].Resume())
	onward("it goes on")
	close(stop)
	<-stopped
	until("all is received", func() bool { return seen.Load() == sent.Load() })
	check(r.Close())
	<-received
}
