// Package stages measures each stage of the way from a capture to rows beside a
// yardstick that does the same, or less.
//
// A [Case] does one round of a stage's work, as often as it is asked. Go's own
// benchmarks run cases (benchmarks_test.go), and so does bench/cmd/x400bench, which
// gives every case a process of its own, in turns, and prints a table. Other
// people's libraries that serve as yardsticks are imported here and nowhere else.
package stages

import (
	"context"
	"fmt"
)

// Count is what one round did.
type Count struct {
	Units  int64 // Of the case's Unit.
	Octets int64
	Rows   int64 // Of all tables, where rows come out.
}

// Case is one thing to be measured.
type Case struct {
	Name string
	// Group are the cases that are compared.
	Group string
	Unit  string
	// Yardstick says that it is what a stage is measured by.
	Yardstick bool
	// External says that another program does the work.
	External bool
	// Warm is how many rounds it takes until all memory is there; 0 is one.
	Warm int
	// Open prepares rounds. Each does the same work.
	Open func(ctx context.Context, c *Corpus) (Run, error)
}

// Run is a case under way.
type Run struct {
	// Prepare, if not nil, comes before each round and is not measured.
	Prepare func() error
	Round   func() (Count, error)
	// Close, if not nil, ends it.
	Close func() error
}

// Cases are all cases, those of a group beside each other.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{captureCases(), berCases(), traceCases(), decodeCases(), nativeCases(), kafkaCases()} {
		all = append(all, group...)
	}
	return all
}

// Find returns the case of a name.
func Find(name string) (Case, error) {
	for _, c := range Cases() {
		if c.Name == name {
			return c, nil
		}
	}
	return Case{}, fmt.Errorf("no case %q", name)
}
