package schema

import (
	"syscall"
	"testing"
)

// Nothing is read of the page behind a text's, wherever in its page the text is.
func TestTextsAtPageEnd(t *testing.T) {
	b, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(b)
	for i := range b[:page] {
		b[i] = byte(i * 7)
	}
	if err := syscall.Mprotect(b[page:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2*short; n++ {
		for behind := range 3 * word {
			c := Texts{octets: make([]byte, 4*shortRoom)}
			v := b[page-behind-n : page-behind]
			put(&c, 2, text(&v))
			if got := c.Strings(); len(got) != 2 || got[0] != "" || got[1] != string(v) {
				t.Fatalf("%d octets, %d before the end of a page: %q, want %q", n, behind, got, v)
			}
		}
	}
}
