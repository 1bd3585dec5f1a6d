package decode

import (
	"sync"
	"testing"
	"testing/synctest"
)

func TestOrderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder(3)
		o.add(0, 1)
		o.add(1, 2)
		o.add(0, 3)
		o.add(2, 4)
		o.add(1, 5)
		passed := false
		go func() {
			o.wait(4) // As shard 2, doing job 4.
			passed = true
		}()
		for _, step := range []struct {
			shard int
			want  bool
		}{{0, false}, {0, false}, {1, true}} {
			o.done(step.shard)
			synctest.Wait()
			if passed != step.want {
				t.Fatalf("after shard %d: passed %v, want %v", step.shard, passed, step.want)
			}
		}
	})
}

// TestOrderNoDeadlock has every job of every shard wait for all before it.
func TestOrderNoDeadlock(t *testing.T) {
	const shards, jobs = 4, 1000
	o := newOrder(shards)
	queues := make([]chan uint64, shards)
	for i := range queues {
		queues[i] = make(chan uint64, 2)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	last := uint64(0)
	for i, q := range queues {
		wg.Go(func() {
			for job := range q {
				o.wait(job)
				mu.Lock()
				if job != last+1 {
					t.Errorf("job %d after %d", job, last)
				}
				last = job
				mu.Unlock()
				o.done(i)
			}
		})
	}
	for job := uint64(1); job <= jobs; job++ {
		shard := int(job*job%7) % shards
		o.add(shard, job)
		queues[shard] <- job
	}
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
}
