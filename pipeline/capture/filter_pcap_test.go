//go:build pcap

package capture

import (
	"errors"
	"io"
	"testing"
)

func TestFilter(t *testing.T) {
	if _, err := NewFilter("tcp prot 102"); err == nil {
		t.Error("an expression that is none was taken")
	}
	const name = "../../testdata/mta/p01-pp88-ping.pcap"
	for expr, want := range map[string]func(frames int) int{
		"tcp port 102": func(n int) int { return n },
		"udp":          func(int) int { return 0 },
	} {
		filter, err := NewFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		frames, passed := 0, 0
		var f Frame
		for {
			if err := r.Next(&f); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			frames++
			if ok, err := filter.Match(&f); err != nil {
				t.Fatal(err)
			} else if ok {
				passed++
			}
		}
		if frames == 0 || passed != want(frames) {
			t.Errorf("%s: %d of %d frames pass, want %d", expr, passed, frames, want(frames))
		}
	}
}
