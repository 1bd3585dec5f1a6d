package kafka

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		url, brokers, topic, user string
	}{
		{"kafka://host:9092,host2:9093/x400.tpdus", "host:9092 host2:9093", "x400.tpdus", ""},
		{"kafka://alice@host/t", "host:9092", "t", "alice"},
		{"kafka://a%40b@[::1]:1,[fe80::1]/t", "[::1]:1 [fe80::1]:9092", "t", "a@b"},
	} {
		c, err := ParseURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if got := strings.Join(c.Brokers, " "); got != tt.brokers || c.Topic != tt.topic || c.User != tt.user {
			t.Errorf("%s: got %+v", tt.url, c)
		}
	}
	for _, url := range []string{
		"", "host:9092/t", "http://host/t", "kafka:///t", "kafka://host", "kafka://host/", "kafka://host:0/t", "kafka://host:x/t",
		"kafka://host,/t", "kafka://host/a b", "kafka://host/a/b", "kafka://host/..", "kafka://host/" + strings.Repeat("t", 245),
		"kafka://alice:hunter2@host/t",
	} {
		_, err := ParseURL(url)
		if err == nil {
			t.Errorf("%s: no error", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestWatermarkAnyOrder acknowledges in random order and compares with a count.
func TestWatermarkAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		l := newLane(0, 100)
		type open struct {
			offset int64
			ack    func()
		}
		var waiting []open
		var offsets []int64
		next := int64(100)
		for len(offsets) < 5000 || len(waiting) > 0 {
			if len(offsets) < 5000 && rng.IntN(2) == 0 {
				next += rng.Int64N(3) // Offsets have holes.
				waiting = append(waiting, open{next, l.track(next)})
				offsets = append(offsets, next)
				next++
			} else if len(waiting) > 0 {
				i := rng.IntN(min(len(waiting), 200))
				waiting[i].ack()
				waiting = slices.Delete(waiting, i, i+1)
			}
			want := int64(100)
			switch {
			case len(waiting) == 0 && len(offsets) > 0:
				want = offsets[len(offsets)-1] + 1
			case len(waiting) > 0:
				// The offset after the last one before the oldest that waits.
				if i, _ := slices.BinarySearch(offsets, waiting[0].offset); i > 0 {
					want = offsets[i-1] + 1
				}
			}
			if got, _ := l.due(); got != want {
				t.Fatalf("watermark %d, want %d", got, want)
			}
			if n, _, _ := l.state(time.Now()); len(waiting) == 0 && n != 0 {
				t.Fatalf("%d records open, none waits", n)
			}
		}
	}
}

func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(0, -2)
		if _, ok := l.due(); ok {
			t.Error("a lane without records has something to commit")
		}
		a, b := l.track(5), l.track(6)
		l.saw(10)
		time.Sleep(time.Minute)
		b()
		if n, age, lag := l.state(time.Now()); n != 2 || age != time.Minute || lag != 5 {
			t.Errorf("%d open, age %v, lag %d", n, age, lag)
		}
		a()
		if n, age, lag := l.state(time.Now()); n != 0 || age != 0 || lag != 3 {
			t.Errorf("%d open, age %v, lag %d", n, age, lag)
		}
		if offset, ok := l.due(); offset != 7 || !ok {
			t.Errorf("due %d, %v", offset, ok)
		}
		l.commits(7)
		if _, ok := l.due(); ok {
			t.Error("due although committed")
		}
		late := l.track(7)
		l.end()
		late()
		if offset, ok := l.due(); ok {
			t.Errorf("an ack after the end moved the watermark to %d", offset)
		}
	})
}

func TestAckDoesNotAllocate(t *testing.T) {
	l := newLane(0, 0)
	offset := int64(0)
	if n := testing.AllocsPerRun(10_000, func() {
		l.track(offset)()
		offset++
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func TestQueue(t *testing.T) {
	rec := func(n int) *record.Buffer { return &record.Buffer{B: make([]byte, n)} }
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(100)
		ctx, cancel := context.WithCancel(t.Context())
		// A record above the limit passes where there is no other.
		if err := q.push(ctx, bus.Delivery{Lane: 1, Record: rec(500)}); err != nil {
			t.Fatal(err)
		}
		pushed := 0
		go func() {
			for range 4 {
				if q.push(ctx, bus.Delivery{Lane: int32(pushed % 2), Offset: int64(pushed), Record: rec(40)}) == nil {
					pushed++
				}
			}
		}()
		synctest.Wait()
		if pushed != 0 || q.held() != 500 {
			t.Fatalf("pushed %d, held %d octets", pushed, q.held())
		}
		if d, err := q.pop(ctx); err != nil || len(d.Record.B) != 500 {
			t.Fatalf("got %v, %v", d, err)
		}
		synctest.Wait()
		if pushed != 2 || q.held() != 80 {
			t.Fatalf("pushed %d, held %d octets", pushed, q.held())
		}
		// Lane 0's record goes, word of it comes after lane 1's, and there is room.
		q.revoke(0, func() {})
		synctest.Wait()
		if pushed != 3 {
			t.Errorf("pushed %d", pushed)
		}
		var got []int32
		for range 3 {
			d, err := q.pop(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Lane)
			if (d.Record == nil) != (len(got) == 2) {
				t.Errorf("delivery %d: %v", len(got), d)
			}
		}
		if !slices.Equal(got, []int32{1, 0, 0}) {
			t.Errorf("lanes %v", got)
		}
		synctest.Wait()
		q.close(nil)
		if d, err := q.pop(ctx); err != nil || d.Record == nil {
			t.Errorf("what was there before the close: %v, %v", d, err)
		}
		if _, err := q.pop(ctx); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
		cancel()
		if _, err := q.pop(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := q.push(t.Context(), bus.Delivery{Record: rec(1)}); err != io.EOF {
			t.Errorf("push after the close: %v", err)
		}
	})
	// Receivers that wait are woken.
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(100)
		got := make(chan error, 2)
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			go func() {
				_, err := q.pop(ctx)
				got <- err
			}()
		}
		synctest.Wait()
		q.revoke(3, func() {})
		if err := <-got; err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestWaves looks at how a batch is cut so that no lane gets two batches at once.
func TestWaves(t *testing.T) {
	p, err := NewProducer(ProducerConfig{
		Config:     Config{Brokers: []string{"127.0.0.1:1"}, Topic: "t"},
		MaxMessage: 200_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.lanes, p.wave = []int{0, 1, 2}, []*set{{}, {}, {}}
	rng := rand.New(rand.NewPCG(3, 4))
	var batch []bus.Message
	for i := range 4000 {
		size := 1 + rng.IntN(p.MaxRecord())
		if i > 200 {
			size = 1 // Many small ones, that the number bounds.
		}
		m := bus.Message{Record: &record.Buffer{B: bytes.Repeat([]byte{byte(i)}, size)}}
		if rng.IntN(10) > 0 {
			m.Key[31] = byte(1 + rng.IntN(50))
		}
		batch = append(batch, m)
	}
	lanes := make(map[bus.Key]int)
	for len(batch) > 0 {
		n := p.fill(batch)
		if n < 1 {
			t.Fatal("an empty wave")
		}
		everywhere := make(map[int]int)
		var octets [3]int
		for lane, s := range p.wave {
			last := -1
			for _, i := range s.of {
				if i <= last || i >= n {
					t.Fatalf("message %d after %d, of %d", i, last, n)
				}
				last = i
				of := &batch[i]
				r, err := s.ReadRecord()
				if err != nil {
					t.Fatal(err)
				}
				value, _ := io.ReadAll(r.Value)
				if !bytes.Equal(value, of.Record.B) {
					t.Fatal("a message of the wave is another record's")
				}
				octets[lane] += len(value)
				if of.Key == (bus.Key{}) {
					everywhere[i]++
					if r.Key != nil {
						t.Error("a message without a key has one")
					}
					continue
				}
				key, _ := io.ReadAll(r.Key)
				octets[lane] += len(key)
				if !bytes.Equal(key, of.Key[:]) {
					t.Errorf("key %x, want %x", key, of.Key)
				}
				if old, ok := lanes[of.Key]; ok && old != lane {
					t.Errorf("a key is in lanes %d and %d", old, lane)
				}
				lanes[of.Key] = lane
			}
			if _, err := s.ReadRecord(); err != io.EOF {
				t.Errorf("more than %d records", len(s.of))
			}
		}
		for i, times := range everywhere {
			if times != 3 {
				t.Errorf("message %d without a key goes to %d lanes", i, times)
			}
		}
		if most := slices.Max(octets[:]); most > p.limit {
			t.Errorf("%d octets for one lane, more than %d", most, p.limit)
		}
		batch = batch[n:]
	}
	if len(lanes) < 30 {
		t.Errorf("%d keys", len(lanes))
	}
}
