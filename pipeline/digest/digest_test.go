package digest

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// check digests pieces together, twice, and compares with package crypto/sha256.
func check(t *testing.T, l *List, pieces [][]byte) {
	t.Helper()
	for range 2 {
		for i, p := range pieces {
			if n := l.Add(p); n != i {
				t.Fatalf("number %d, not %d", n, i)
			}
		}
		l.Take()
		for i, p := range pieces {
			if got, want := *l.Sum(i), sha256.Sum256(p); got != want {
				t.Fatalf("piece %d of %d, of %d octets: %x, not %x", i, len(pieces), len(p), got, want)
			}
		}
		l.Reset()
	}
}

// random returns octets that are the same each time.
func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Each length with each other, with all places of the end in a block.
func TestLengths(t *testing.T) {
	octets := random(400)
	var l List
	for n := range 200 {
		for m := range 200 {
			check(t, &l, [][]byte{octets[:n], octets[200 : 200+m]})
		}
	}
}

// Lists of any length, with few long pieces among short ones, and of one piece.
func TestLists(t *testing.T) {
	octets := random(300_000)
	r := rand.New(rand.NewPCG(3, 4))
	var l List
	check(t, &l, nil)
	for n := range 100 {
		pieces := make([][]byte, n)
		for i := range pieces {
			size := []int{100, 3000, 3000, 3000, 40_000, 200_000}[r.IntN(6)]
			at := r.IntN(len(octets) - size)
			pieces[i] = octets[at : at+r.IntN(size+1)]
		}
		check(t, &l, pieces)
	}
	check(t, &l, [][]byte{octets})
}

// Nothing is allocated once there is memory, and none of what was digested is held.
func TestAllocations(t *testing.T) {
	octets := random(20_000)
	var l List
	all := func() {
		for i := range 50 {
			l.Add(octets[i*i:])
		}
		l.Take()
		l.Reset()
	}
	all()
	if n := testing.AllocsPerRun(10, all); n > 0 {
		t.Errorf("%v allocations", n)
	}
	for _, x := range l.items[:cap(l.items)] {
		if x.octets != nil {
			t.Fatal("octets are held after Reset")
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte("abc"), uint16(1), uint16(2))
	f.Add(random(1000), uint16(64), uint16(130))
	f.Fuzz(func(t *testing.T, octets []byte, from, to uint16) {
		a, b := int(from)%(len(octets)+1), int(to)%(len(octets)+1)
		check(t, new(List), [][]byte{octets[:a], octets[a:], octets[:b], octets[b:], octets})
	})
}

// Contents of 15 kB on average, together and one after the other.
func BenchmarkTake(b *testing.B) {
	octets := random(200_000)
	var pieces [][]byte
	r := rand.New(rand.NewPCG(5, 6))
	total := 0
	for i := range 32 {
		n := 1000 + r.IntN(3000)
		if i%8 == 0 {
			n = 100_000
		}
		pieces = append(pieces, octets[:n])
		total += n
	}
	b.Run("together", func(b *testing.B) {
		b.SetBytes(int64(total))
		b.ReportAllocs()
		var l List
		for b.Loop() {
			for _, p := range pieces {
				l.Add(p)
			}
			l.Take()
			l.Reset()
		}
	})
	b.Run("crypto/sha256", func(b *testing.B) {
		b.SetBytes(int64(total))
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range pieces {
				sha256.Sum256(p)
			}
		}
	})
}
