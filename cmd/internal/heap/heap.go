// Package heap has the collector of a command that keeps a bounded amount begin when the heap
// has come to a size that follows from its flags: how far it grows then does not depend on how
// long the command runs. Left to itself the collector lets the heap be twice what was live
// last, which doubles all that is slow to come to its bound.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// first is the percentage until the first collection, which is then not before the heap has 16 MiB:
// the runtime begins with 4 MiB at 100.
const first = 400

// Keep has garbage collected when the heap comes to so many octets, or when there is as much
// garbage as usual per cent of what is live, if that is less. What is live beyond five sixths
// of the octets, as with very many connections, may have the usual garbage beside the last
// sixth: there would be little to collect, each time. Where the environment says GOGC, Keep
// does nothing; a GOMEMLIMIT holds beside it.
func Keep(octets int64, usual int) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(first)
	k := &keeper{octets, usual}
	k.again()
}

type keeper struct {
	octets int64
	usual  int
}

// again adjusts the collector after the next collection, and after each that follows. Where the
// runtime is late, or passes one over, it goes on with what was adjusted before, which is the
// usual percentage at most.
func (k *keeper) again() {
	// What nobody refers to is what the next collection finds. It has a pointer, for what
	// has none may share its memory with others that live.
	type found struct{ k *keeper }
	runtime.SetFinalizer(&found{k}, func(f *found) {
		debug.SetGCPercent(f.k.percent(live()))
		f.k.again()
	})
}

// live is how many octets the last collection left.
func live() int64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample[:])
	return int64(sample[0].Value.Uint64())
}

// percent is how much garbage there may be, in per cent of what is live. It never jumps where
// a little more is live.
func (k *keeper) percent(live int64) int {
	if live == 0 {
		return k.usual
	}
	usual := int64(k.usual)
	over := max(0, live-k.octets/6*5)
	free := max(k.octets-live, k.octets/6) + over/100*usual
	return int(min(usual, 100*free/live))
}
