package decode

import (
	"fmt"
	"testing"
)

func TestSources(t *testing.T) {
	s := sources{numbers: make(map[string]uint32)}
	a, b := s.number([]byte("a")), s.number([]byte("b"))
	if a == b || s.number([]byte("a")) != a || string(s.name(a)) != "a" || string(s.name(b)) != "b" || s.name(b+1) != nil {
		t.Errorf("%d is %s, %d is %s", a, s.name(a), b, s.name(b))
	}
	// However many there are, they take bounded memory, and the latest are known.
	for i := range 2 * maxSources {
		name := fmt.Sprint(i)
		if n := s.number([]byte(name)); string(s.name(n)) != name {
			t.Fatalf("%s is %d, which is %s", name, n, s.name(n))
		}
	}
	if len(s.names) != maxSources || len(s.numbers) != maxSources {
		t.Errorf("%d names, %d numbers", len(s.names), len(s.numbers))
	}
	if n := testing.AllocsPerRun(10, func() { s.number([]byte("5")) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
