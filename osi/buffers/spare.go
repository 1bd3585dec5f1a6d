package buffers

import (
	"sync"
	"unsafe"
)

// spare has the buffers that nobody keeps, until the collector has come by. It holds where
// each begins, which takes no memory of its own; what it has put into a class has its size.
type spare [2*(maxClass-minClass) + 1]sync.Pool // Of *byte.

// get returns a buffer of a class, nil where there is none.
func (s *spare) get(class, size int) []byte {
	first, ok := s[class].Get().(*byte)
	if !ok {
		return nil
	}
	return unsafe.Slice(first, size)
}

// put leaves a buffer whose capacity is the size of its class.
func (s *spare) put(class int, b []byte) { s[class].Put(unsafe.SliceData(b)) }
