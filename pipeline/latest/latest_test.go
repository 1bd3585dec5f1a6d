package latest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAgainstPlain compares a map with a list that is searched.
func TestAgainstPlain(t *testing.T) {
	const limit = 128
	type pair struct{ k, v int }
	random := rand.New(rand.NewPCG(1, 2))
	m := New[int, int](limit)
	var want []pair
	drop := func(k int) {
		want = slices.DeleteFunc(want, func(p pair) bool { return p.k == k })
	}
	for i := range 100_000 {
		k := random.IntN(300)
		switch random.IntN(8) {
		case 0, 1:
			m.Delete(k)
			drop(k)
		case 2:
			if i%1000 == 0 {
				m.Clear()
				want = want[:0]
			}
		default:
			m.Add(k, i)
			drop(k)
			want = append(want, pair{k, i})
			// Places of deleted ones count until they are the oldest.
			want = want[len(want)-m.Len():]
		}
		if i%5 == 0 {
			if v := m.Oldest(); (v != nil) != (len(want) > 0) || v != nil && *v != want[0].v {
				t.Fatalf("the oldest is %v of %v", v, want)
			}
		}
		if random.IntN(16) == 0 {
			m.DropOldest()
			want = want[min(1, len(want)):]
		}
		if m.Len() != len(want) || m.n > limit {
			t.Fatalf("%d entries in %d places, want %d", m.Len(), m.n, len(want))
		}
		k = random.IntN(300)
		v, ok := m.Get(k)
		at := slices.IndexFunc(want, func(p pair) bool { return p.k == k })
		if ok != (at >= 0) || ok && v != want[at].v {
			t.Fatalf("%d is %d, %t", k, v, ok)
		}
		if i%100 == 0 {
			var got []pair
			for k, v := range m.All() {
				got = append(got, pair{k, v})
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	}
}

func TestOldestGoes(t *testing.T) {
	m := New[int, int](64)
	for i := range 1000 {
		m.Add(i, -i)
		if n := min(i+1, 64); m.Len() != n {
			t.Fatalf("%d entries after %d", m.Len(), i+1)
		}
	}
	for i := range 1000 {
		if v, ok := m.Get(i); ok != (i >= 936) || ok && v != -i {
			t.Errorf("%d: %d, %t", i, v, ok)
		}
	}
	for k := range m.All() {
		if k%2 == 0 {
			m.Delete(k)
		}
	}
	for k := range m.All() {
		if k%2 == 0 {
			t.Errorf("%d was deleted", k)
		}
	}
	if m.Len() != 32 {
		t.Errorf("%d entries, want 32", m.Len())
	}
}

func TestDoesNotAllocate(t *testing.T) {
	m := New[[2]string, int](64)
	i, names := 0, []string{"a", "b", "c"}
	run := func() {
		for range 1000 {
			i++
			k := [2]string{names[i%3], names[i/3%3]}
			m.Add(k, i)
			m.Get(k)
			m.Delete([2]string{names[i/2%3], "a"})
		}
	}
	if run(); testing.AllocsPerRun(10, run) != 0 {
		t.Error("a full map allocates")
	}
}
