package decode

import "sync"

// maxSources bounds the names of files and interfaces that are remembered.
const maxSources = 1 << 16

// sources numbers the names of files and interfaces: records number their own, and
// what is told of a transfer may have come in several records, of several
// connections. The names are those used last; an older number means a newer name
// then.
type sources struct {
	mu      sync.RWMutex
	numbers map[string]uint32
	names   [][]byte
	next    uint32
}

// number returns a name's number.
func (s *sources) number(name []byte) uint32 {
	s.mu.RLock()
	n, ok := s.numbers[string(name)]
	s.mu.RUnlock()
	if ok {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.numbers[string(name)]; ok {
		return n
	}
	n = s.next
	s.next = (s.next + 1) % maxSources
	if int(n) == len(s.names) {
		s.names = append(s.names, nil)
	} else {
		delete(s.numbers, string(s.names[n]))
	}
	s.names[n] = append([]byte(nil), name...)
	s.numbers[string(name)] = n
	return n
}

// name returns the name of a number, nil where there is none.
func (s *sources) name(n uint32) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if int(n) >= len(s.names) {
		return nil
	}
	return s.names[n]
}
