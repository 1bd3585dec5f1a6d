package decode

import "sync"

// order knows which jobs of a lane are not done yet. Jobs are numbered in the
// order in which they were received, and every shard does its own in that order.
//
// It exists for one case: an activity that is resumed in another association
// (X.228 7.6) finds its first half in a table that all shards share, or open in a
// connection of another one, and what it finds must not depend on how far the other
// shards have come. So it waits until all that was received earlier over the same lane
// is done; and all that is received later waits for it, where a record's head says that
// an activity of another session connection may be resumed in it. One that names none is
// looked for in its own association alone, which one shard has. Others wait for nobody.
// That cannot deadlock: of the shards that wait, the one whose job was received first
// waits for none of the others.
type order struct {
	mu      sync.Mutex
	moved   sync.Cond
	waiting int
	stopped bool
	shards  []fifo
}

// fifo holds the numbers of a shard's jobs that are not done.
type fifo struct {
	jobs []uint64
	head int
}

func newOrder(shards int) *order {
	o := &order{shards: make([]fifo, shards)}
	o.moved.L = &o.mu
	return o
}

// add tells that a job was given to a shard.
func (o *order) add(shard int, job uint64) {
	o.mu.Lock()
	f := &o.shards[shard]
	if f.head > 64 && f.head*2 > len(f.jobs) {
		f.jobs = append(f.jobs[:0], f.jobs[f.head:]...)
		f.head = 0
	}
	f.jobs = append(f.jobs, job)
	o.mu.Unlock()
}

// done tells that a shard has done its oldest job.
func (o *order) done(shard int) {
	o.mu.Lock()
	o.shards[shard].head++
	if o.waiting > 0 {
		o.moved.Broadcast()
	}
	o.mu.Unlock()
}

// wait returns when every job before the given one is done. It returns false
// when they will not be, because the shards were stopped.
func (o *order) wait(job uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting++
	for !o.stopped && !o.past(job) {
		o.moved.Wait()
	}
	o.waiting--
	return !o.stopped
}

// stop ends every wait.
func (o *order) stop() {
	o.mu.Lock()
	o.stopped = true
	o.moved.Broadcast()
	o.mu.Unlock()
}

// queued returns how many jobs are not done.
func (o *order) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, f := range o.shards {
		n += len(f.jobs) - f.head
	}
	return n
}

func (o *order) past(job uint64) bool {
	for i := range o.shards {
		if f := &o.shards[i]; f.head < len(f.jobs) && f.jobs[f.head] < job {
			return false
		}
	}
	return true
}
