package decode

import (
	"slices"
	"sync"

	"x400flow/osi/association"
)

// shelf keeps the activities that are suspended, until they are resumed in
// another association. It is bounded in octets, but for what was put there last; what was
// put there first is given up first. Every entry holds the record in which its activity began.
//
// The activities of lanes and of sensors have nothing to do with each other: two
// sensors that see the same traffic each see all of it.
type shelf struct {
	mu      sync.Mutex
	limit   int
	octets  int
	entries map[shelfKey]*shelved
	oldest  []*shelved // In the order they were put there; taken ones have no activity.
	evicted uint64
}

type shelfKey struct {
	lane   *lane
	sensor string
	association.Key
}

type shelved struct {
	activity    *association.Suspended
	keys        [2]shelfKey // By where it was interrupted last, and where it began.
	association [16]byte
	epoch       int64
	source      string
	seen        int64 // Capture time of what was last heard of it.
	size        int
}

func newShelf(limit int) *shelf {
	return &shelf{limit: limit, entries: make(map[shelfKey]*shelved)}
}

// put keeps an activity that was suspended in an association. It returns the
// holds that are due to be released.
func (s *shelf) put(e *shelved, due []hold) []hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.keys[0].lane.hold(e.activity.Since)
	// An empty activity takes room, too.
	e.size = e.activity.Size() + 256
	for _, k := range e.keys {
		if old := s.entries[k]; old != nil && old != e {
			due = s.drop(old, due)
		}
		s.entries[k] = e
	}
	s.oldest = append(s.oldest, e)
	s.octets += e.size
	for s.octets > s.limit && s.octets > e.size {
		first := s.oldest[0]
		s.oldest = s.oldest[1:]
		if first.activity != nil {
			due = s.drop(first, due)
			s.evicted++
		}
	}
	if len(s.oldest) > 64+2*len(s.entries) {
		s.oldest = slices.DeleteFunc(s.oldest, func(e *shelved) bool { return e.activity == nil })
	}
	return due
}

func (s *shelf) drop(e *shelved, due []hold) []hold {
	a := s.remove(e)
	due = append(due, hold{e.keys[0].lane, a.Since})
	a.Release()
	return due
}

func (s *shelf) remove(e *shelved) (a *association.Suspended) {
	for _, k := range e.keys {
		if s.entries[k] == e {
			delete(s.entries, k)
		}
	}
	s.octets -= e.size
	a, e.activity = e.activity, nil
	return a
}

// take gives an activity back and forgets it. Its hold is due to be released.
func (s *shelf) take(k shelfKey) (a *association.Suspended, in [16]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		return nil, in, false
	}
	return s.remove(e), e.association, true
}

// prune gives up the activities that which is true of, in the order they were
// put there.
func (s *shelf) prune(which func(e *shelved) bool, due []hold) []hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.oldest[:0]
	for _, e := range s.oldest {
		switch {
		case e.activity == nil:
		case which(e):
			due = s.drop(e, due)
		default:
			kept = append(kept, e)
		}
	}
	clear(s.oldest[len(kept):])
	s.oldest = kept
	return due
}

// any reports whether there is an activity that which is true of.
func (s *shelf) any(which func(e *shelved) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if which(e) {
			return true
		}
	}
	return false
}

// kept returns how many octets there are, and how many activities were given up for them.
func (s *shelf) kept() (octets int, evicted uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.octets, s.evicted
}
