package tcp

import (
	"testing"
	"time"

	"x400flow/pipeline/capture"
)

// What is remembered of connections that ended follows from how many ended lately, and
// not from how many ever did.
func TestTombsOfLately(t *testing.T) {
	table := NewTable[struct{}](Config{})
	second := int64(0)
	end := func(connections int, every time.Duration) {
		for range connections {
			second += int64(every)
			var key capture.FlowKey
			key.LoPort, key.HiPort = uint16(second/int64(every)), 102
			seg := capture.Segment{Key: key, Flags: capture.SYN, Time: second}
			table.Segment(&seg)
			seg.Flags, seg.FromHi, seg.Seq, seg.Ack = capture.RST|capture.ACK, true, 0, 1
			table.Segment(&seg)
			for table.Next() != nil {
			}
		}
	}
	end(5000, 10*time.Millisecond)
	if n := table.tombs.Len(); n != 5000 {
		t.Errorf("%d remembered of 5000 that ended within a minute", n)
	}
	end(20_000, time.Millisecond)
	if n := table.tombs.Len(); n != maxTombs {
		t.Errorf("%d remembered, want %d at most", n, maxTombs)
	}
	end(20_000, 100*time.Millisecond)
	if n := table.tombs.Len(); n < 2400 || n > 2402 {
		t.Errorf("%d remembered of ten a second", n)
	}
	end(3000, time.Second)
	if n := table.tombs.Len(); n != sureTombs {
		t.Errorf("%d remembered of one a second, want %d", n, sureTombs)
	}
}
