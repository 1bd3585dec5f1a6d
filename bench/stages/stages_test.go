package stages

import (
	"strings"
	"testing"
)

const realAPDUs = "../../testdata/mta/truth/apdus"

// BenchmarkStages runs every case on a small corpus, for benchstat; tables with
// ratios come from bench/cmd/x400bench.
func BenchmarkStages(b *testing.B) {
	corpus, err := Make(b.TempDir(), 300, realAPDUs)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range Cases() {
		b.Run(c.Name, func(b *testing.B) {
			run, err := c.Open(b.Context(), corpus)
			if err != nil {
				b.Fatal(err)
			}
			if run.Close != nil {
				defer run.Close()
			}
			var n Count
			b.ReportAllocs()
			for b.Loop() {
				if run.Prepare != nil {
					b.StopTimer()
					if err := run.Prepare(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				if n, err = run.Round(); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(n.Octets)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n.Units), "ns/"+c.Unit)
		})
	}
}

// Every case does what it says, and the same in each round.
func TestCases(t *testing.T) {
	corpus, err := Make(t.TempDir(), 40, realAPDUs)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Cases() {
		if strings.Contains(c.Name, "Apache Kafka") {
			continue // As with kfake, whose addresses are others; the bus's own tests have a real broker.
		}
		t.Run(c.Name, func(t *testing.T) {
			run, err := c.Open(t.Context(), corpus)
			if err != nil {
				t.Fatal(err)
			}
			var units []int64
			for range 2 {
				if run.Prepare != nil {
					if err := run.Prepare(); err != nil {
						t.Fatal(err)
					}
				}
				n, err := run.Round()
				if err != nil {
					t.Fatal(err)
				}
				if n.Units <= 0 || n.Octets <= 0 {
					t.Errorf("a round of %+v", n)
				}
				units = append(units, n.Units)
			}
			if run.Close != nil {
				if err := run.Close(); err != nil {
					t.Error(err)
				}
			}
			// What is decoded in one round may be counted in the next.
			if units[0] != units[1] && c.Unit != "message" {
				t.Errorf("rounds of %d and %d %ss", units[0], units[1], c.Unit)
			}
		})
	}
}
