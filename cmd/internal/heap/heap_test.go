package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const m = 1 << 20
	for _, c := range []struct {
		octets, live int64
		usual, want  int
	}{
		{60 * m, 0, 100, 100},
		{60 * m, 20 * m, 100, 100},  // As much garbage as is live, and 20 more fit.
		{60 * m, 30 * m, 100, 100},  // It is full.
		{60 * m, 40 * m, 100, 50},   // 20 are left.
		{60 * m, 36 * m, 50, 50},    // 24 are left, of which the usual is less.
		{60 * m, 48 * m, 100, 25},   // 12 are left.
		{60 * m, 50 * m, 100, 20},   // 10 are, as many as always.
		{60 * m, 54 * m, 100, 25},   // 4 more are live, beside which there may be 4 more.
		{60 * m, 4096 * m, 100, 99}, // Nearly all is beyond.
		{60 * m, 4096 * m, 50, 49},
		{60 * m, 54 * m, 50, 22},
	} {
		k := keeper{c.octets, c.usual}
		if p := k.percent(c.live); p != c.want {
			t.Errorf("%d of %d octets live, usually %d%%: %d%%, want %d%%", c.live, c.octets, c.usual, p, c.want)
		}
	}
}

// A little more that is live is a little more that there is in all.
func TestNothingJumps(t *testing.T) {
	const m = 1 << 20
	for _, usual := range []int{50, 100} {
		k := keeper{60 * m, usual}
		at := func(live int64) int64 { return live + live*int64(k.percent(live))/100 }
		for live := int64(20 * m); live < 1000*m; live += m / 4 {
			// Percentages are whole ones.
			if more := at(live+m/4) - at(live); more < -live/100-m || more > live/100+m {
				t.Fatalf("usually %d%%: a heap of %d where %d are live, %d more with %d more", usual, at(live), live, more, m/4)
			}
		}
	}
}

// now is the percentage that is in force.
func now() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}

// Who sets GOGC is heard.
func TestEnvironment(t *testing.T) {
	before := debug.SetGCPercent(300)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "300")
	Keep(64<<20, 100)
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // Finalizers come after it.
	}
	if p := now(); p != 300 {
		t.Errorf("%d per cent", p)
	}
}

// What is live grows, and shrinks, and the collector begins accordingly.
func TestKeep(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "")
	Keep(256<<20, 100)
	if p := now(); p != first {
		t.Errorf("%d per cent at first", p)
	}
	for _, c := range []struct{ live, least, most int }{
		{160, 50, 60}, // 96 are left.
		{180, 35, 43},
		{230, 20, 35}, // More than five sixths are live.
		{64, 100, 100},
		{1, 100, 100},
		{160, 50, 60}, // It goes on.
	} {
		held := make([]byte, c.live<<20)
		// The finalizer of what an earlier collection found may run still.
		var p int
		for range 100 {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
			if p = now(); p >= c.least && p <= c.most {
				break
			}
		}
		if p < c.least || p > c.most {
			t.Errorf("%d MiB live: %d per cent, want %d to %d", c.live, p, c.least, c.most)
		}
		runtime.KeepAlive(held)
	}
}
