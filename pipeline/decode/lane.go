package decode

import "sync"

// lane is what the pool keeps of one lane of the bus. Its records are counted
// from 1, and each is held by whoever still needs it: its own rows until they
// are durable, everything that it began until that is over. What is held no
// more is acknowledged, in order, so that whoever begins at the oldest record
// that was not has all that is needed.
//
// Holds are added at once and released when the rows that follow from the
// release are durable.
type lane struct {
	number  int32
	order   *order
	resumes uint64 // The last record that may resume another connection's activity, 0 for none; the dispatcher's.

	mu    sync.Mutex
	first uint64 // The record that held[head] is.
	head  int
	held  []held
	gone  bool // Taken away: nothing is acknowledged any more.
}

// held is a record that is not acknowledged.
type held struct {
	ack   func()
	holds int32
}

// hold names a record that a release is due to.
type hold struct {
	lane   *lane
	record uint64
}

func newLane(number int32, shards int) *lane {
	return &lane{number: number, order: newOrder(shards), first: 1}
}

// add takes a record, which is held once, and returns its number.
func (l *lane) add(ack func()) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head > 1024 && l.head*2 > len(l.held) {
		l.held = append(l.held[:0], l.held[l.head:]...)
		clear(l.held[len(l.held):cap(l.held)])
		l.head = 0
	}
	l.held = append(l.held, held{ack, 1})
	return l.first + uint64(len(l.held)-l.head) - 1
}

// hold holds a record once more, which must not have been acknowledged.
func (l *lane) hold(record uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.held[l.head+int(record-l.first)].holds++
	}
}

// release gives up one hold of a record.
func (l *lane) release(record uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return
	}
	l.held[l.head+int(record-l.first)].holds--
	for l.head < len(l.held) && l.held[l.head].holds == 0 {
		ack := l.held[l.head].ack
		l.held[l.head].ack = nil
		l.head++
		l.first++
		ack()
	}
}

// takeAway ends the lane.
func (l *lane) takeAway() {
	l.mu.Lock()
	l.gone, l.held, l.head = true, nil, 0
	l.mu.Unlock()
}

// waiting returns how many records are not acknowledged.
func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) - l.head
}
