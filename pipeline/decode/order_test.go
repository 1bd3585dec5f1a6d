package decode

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"

	"x400flow/bench/generate"
	"x400flow/bench/mutate"
	"x400flow/osi/association"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
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

// TestResumesAreTold has associations read records, as they are published and, for
// those seen from the middle, with the preamble alone: where one asks for an activity
// of another, the record says that it may, and few others do.
func TestResumesAreTold(t *testing.T) {
	pcap := generated(t, 150, func(o *generate.Options) {
		o.RecoverRate, o.LinkFailRate, o.SegmentRate, o.InterruptRate, o.MidStreamRate, o.LossRate = 0.6, 0.3, 1, 0.3, 0.2, 0.002
	})
	var tiny bytes.Buffer
	if err := mutate.Rewrite(&tiny, bytes.NewReader(pcap), mutate.Options{MinSegment: 1, MaxSegment: 40}); err != nil {
		t.Fatal(err)
	}
	for _, capture := range [][]byte{pcap, tiny.Bytes()} {
		for _, cfg := range []sensor.Config{{}, {MaxItems: 1}, {MaxItems: 3}, {MaxRecord: 500}} {
			in := frames(t, capture)
			told, asked, all := 0, 0, 0
			of := map[[16]byte]*association.Association{}
			var head record.Head
			resume := func(association.Key) (*association.Suspended, bool) {
				asked++
				if !head.Resumes {
					t.Errorf("a record of %v resumes an activity and does not say so", head.Conn.Client)
				}
				return nil, false
			}
			for _, b := range records(t, cfg, in) {
				var err error
				if head, err = record.ReadHead(b); err != nil {
					t.Fatal(err)
				}
				if head.Kind != record.KindConnection {
					continue
				}
				if all++; head.Resumes {
					told++
				}
				var rec record.Record
				if err := rec.Decode(b); err != nil {
					t.Fatal(err)
				}
				late := new(association.Association)
				late.Reset(association.Config{MaxAPDU: DefaultMaxAPDU, Resume: resume})
				read(late, rec.Preamble)
				if rec.Number == 1 {
					a := new(association.Association)
					a.Reset(association.Config{MaxAPDU: DefaultMaxAPDU, Resume: resume})
					of[head.Conn.ID] = a
				}
				read(of[head.Conn.ID], rec.Items)
			}
			if asked < 10 || told > asked+all/10 {
				t.Errorf("%d of %d records may resume an activity, where one was asked for %d times", told, all, asked)
			}
		}
	}
}

// read has an association read items.
func read(a *association.Association, items []record.Item) {
	var ev association.Event
	for i := range items {
		switch it := &items[i]; it.Kind {
		case record.TPDU:
			a.TPDU(&association.TPDU{Dir: it.Dir, Seq: it.Sequence, Offset: it.Offset, Time: it.Time, Frame: it.Frame, Octets: it.Octets})
		case record.Gap:
			a.Gap(it.Dir, it.Sequence, it.Lost)
		case record.Skipped:
			a.Outside(it.Octets)
		}
		for a.Next(&ev) {
		}
	}
	a.Detach()
}
