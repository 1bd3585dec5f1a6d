package association

import "testing"

// Each buffer goes where it is found again by those whom it is large enough for.
func TestBuffers(t *testing.T) {
	a := New(Config{Buffers: new(Buffers)})
	for _, n := range []int{1, minBuffer, minBuffer + 1, 5000, maxBuffer, maxBuffer + 1, 200_000, maxShared, maxShared + 1} {
		b := a.take(n)
		if cap(b) < n || n <= maxShared && cap(b) > max(2*n, minBuffer) || len(b) != 0 {
			t.Errorf("%d octets of room for %d", cap(b), n)
		}
		a.recycle(b)
		// A part of one is not taken for the whole.
		a.recycle(b[1:1:cap(b)])
		for range 3 {
			if c := a.take(n); cap(c) < n {
				t.Errorf("again, %d octets of room for %d", cap(c), n)
			}
		}
	}
}

func TestTotal(t *testing.T) {
	for _, c := range []struct {
		octets string
		want   int
	}{
		{"\x61\x83\x01\x00\x00\x30", 5 + 0x10000 + maxTrailer},
		{"\x61\x80\x30\x80\x02\x01\x03\xa0\x80\x04\x84\x06\x40\x00\x00abc", 15 + 0x6400000 + maxTrailer},
		{"\x28\x80\x02\x01\x03\xa0\x82\x10\x00", 9 + 0x1000 + maxTrailer},
		{"\x30\x03\x02\x01\x05", 0},
		{"\x61\x80\x30\x80", 0},
		{"\x61\x84\xff\xff\xff\xff", 0},
		{"", 0},
	} {
		if got := total([]byte(c.octets)); got != c.want {
			t.Errorf("%x: got %d, want %d", c.octets, got, c.want)
		}
	}
	if got := totalTSDU([]byte("\x01\x00\x01\x00\x61\x82\x10\x00\x30")); got != 4+4+0x1000+maxTrailer {
		t.Errorf("TSDU: got %d", got)
	}
}
