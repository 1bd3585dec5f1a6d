package kafka

import (
	"sync"
	"time"
)

// lane is a partition as one generation of the group has it: which of its records
// are acknowledged, and the watermark, up to which all are.
type lane struct {
	id int32

	mu sync.Mutex
	// open are the offsets of the records from the oldest that is not acknowledged
	// on, in order; those acknowledged meanwhile are inverted (^offset, negative).
	open []int64
	head int    // Of open.
	base uint64 // Number of the record at open[0].
	// watermark is the offset to commit, negative until there is one; committed is
	// what was committed last.
	watermark, committed int64
	moved                time.Time // When it last moved, or the first record came.
	high                 int64     // The partition's end, as the last fetch told.
	next                 int64     // The offset to fetch next, negative until the first came.
	gone                 bool      // It was taken away: acks do nothing.
}

func newLane(id int32, offset int64) *lane {
	return &lane{id: id, watermark: offset, committed: offset, high: -1, next: offset}
}

// ack acknowledges one record. Acks are reused.
type ack struct {
	lane   *lane
	number uint64
	done   func() // The ack's own method, made once.
}

var acks sync.Pool

// track notes a record that was received, and returns what acknowledges it.
func (l *lane) track(offset int64) func() {
	a, _ := acks.Get().(*ack)
	if a == nil {
		a = new(ack)
		a.done = a.call
	}
	l.mu.Lock()
	if l.watermark < 0 {
		l.watermark = offset
	}
	if l.head > 1024 && l.head*2 > len(l.open) {
		n := copy(l.open, l.open[l.head:])
		l.open = l.open[:n]
		l.base += uint64(l.head)
		l.head = 0
	}
	if l.head == len(l.open) {
		l.moved = time.Now()
	}
	l.next = offset + 1
	a.lane, a.number = l, l.base+uint64(len(l.open))
	l.open = append(l.open, offset)
	l.mu.Unlock()
	return a.done
}

func (a *ack) call() {
	l, number := a.lane, a.number
	a.lane = nil
	acks.Put(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return
	}
	i := number - l.base
	l.open[i] = ^l.open[i]
	if int(i) != l.head {
		return
	}
	for l.head < len(l.open) && l.open[l.head] < 0 {
		l.watermark = ^l.open[l.head] + 1
		l.head++
	}
	l.moved = time.Now()
}

// due returns the watermark, if it was not committed yet.
func (l *lane) due() (offset int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watermark, l.watermark > l.committed && l.watermark >= 0
}

// commits notes what was committed.
func (l *lane) commits(offset int64) {
	l.mu.Lock()
	l.committed = max(l.committed, offset)
	l.mu.Unlock()
}

// end makes acks that come later do nothing.
func (l *lane) end() {
	l.mu.Lock()
	l.gone = true
	l.open, l.head = nil, 0
	l.mu.Unlock()
}

// state returns how many records wait to be acknowledged, how long the oldest has
// waited or the watermark stood since it moved, and how many records of the
// partition are not done, negative where that is not known.
func (l *lane) state(now time.Time) (open int, age time.Duration, lag int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open = len(l.open) - l.head; open > 0 {
		age = now.Sub(l.moved)
	}
	lag = -1
	if l.high >= 0 && l.watermark >= 0 {
		lag = max(l.high-l.watermark, 0)
	}
	return open, age, lag
}

// behind tells whether the partition is known to hold records that were not fetched.
func (l *lane) behind() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next >= 0 && l.next < l.high
}

// saw notes where the partition ends.
func (l *lane) saw(high int64) {
	l.mu.Lock()
	l.high = high
	l.mu.Unlock()
}
