package decode

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"x400flow/bench/generate"
	"x400flow/pipeline/capture"
	"x400flow/schema"
)

// random returns octets that are the same each time.
func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// digestWorker is a worker whose memory for contents is of room octets.
func digestWorker(cfg Config, room int) *worker {
	w := contentWorker(cfg)
	w.seen.room = room
	return w
}

// take1 makes the rows of a content alone, as those of an APDU are made.
func (w *worker) take1(content []byte) {
	w.begin()
	w.row.content = content
	w.digest(content)
	r := schema.Content{}
	if !w.pool.cfg.EnvelopeOnly {
		r.Content = content
	}
	if kept := w.batch.AppendContent(&r, w.row.earlier); !w.pool.cfg.EnvelopeOnly {
		w.lasts(kept)
	}
	w.batch.Messages.Append(&schema.Message{})
	w.end()
}

// Contents that come again, that look like others, or whose memory was used for others
// meanwhile, have their own digests, whenever these are taken, and whatever becomes of the
// memory that they came in.
func TestDigestsOfContents(t *testing.T) {
	for _, envelope := range []bool{true, false} {
		const room = 64 << 10
		w := digestWorker(Config{EnvelopeOnly: envelope}, room)
		r := rand.New(rand.NewPCG(1, 2))
		in := make([]byte, 0, room)
		var wants []string
		again := 0
		for i := range 5000 {
			n := []int{0, leastSeen - 1, leastSeen, leastSeen + 1, 3000, room/mostSeen - 1, room / mostSeen, room/mostSeen + 1, room}[r.IntN(9)]
			want := random(uint64(n+r.IntN(2)), n)
			if r.IntN(3) == 0 && n > 0 {
				want[n/2]++ // Looks like another.
			}
			content := append(in[:0], want...)
			w.take1(content)
			if w.row.earlier != nil {
				again++
			}
			clear(content)
			sum := sha256.Sum256(want)
			wants = append(wants, string(sum[:]))
			if i%400 != 399 {
				continue
			}
			w.settle()
			for _, column := range []*schema.Texts{&w.batch.Messages.ContentSHA256, &w.batch.Contents.SHA256} {
				for row, got := range column.Strings() {
					if got != wants[row] {
						t.Fatalf("row %d: digest %x, not %x", row, got, wants[row])
					}
				}
			}
			if wants = nil; !envelope {
				w.seen.forget()
			}
			w.batch.Reset()
		}
		if again < 100 {
			t.Errorf("%d contents came again", again)
		}
		if n := w.seen.octets; envelope && (n < room/2 || n > room) || !envelope && n != 0 {
			t.Errorf("%d octets are held", n)
		}
	}
}

// What waits for its digest is held.
func TestSeenRoom(t *testing.T) {
	const room = 16 << 10
	w := digestWorker(Config{EnvelopeOnly: true}, room)
	for i := range 1000 {
		w.take1(random(uint64(i), room/mostSeen-i%7))
		if d, s := &w.digests, &w.seen; d.oldest >= 0 && d.oldest < s.first || s.octets > room {
			t.Fatalf("content %d: the oldest one without a digest is %d, the first held %d; %d octets are held", i, d.oldest, s.first, s.octets)
		}
	}
}

// Messages have the same rows whether their contents are in the batch or held, in little memory or
// much, and in which buffer.
func TestDigestsOfMessages(t *testing.T) {
	for _, in := range [][]capture.Frame{
		realFrames(t),
		frames(t, generated(t, 300, func(o *generate.Options) { o.Corpus, o.MaxHops = generate.OfficeCorpus, 6 })),
	} {
		want := newDirect(Config{}).rows(t, in)
		for _, room := range []int{1000, 20_000, 200_000, maxSeen} {
			d := newDirect(Config{EnvelopeOnly: true})
			d.w.seen.room = room
			for range 2 {
				got := d.rows(t, in)
				for _, table := range []string{"messages_store", "recipients_store", "trace_store"} {
					same(t, tables{table: got[table]}, tables{table: want[table]})
				}
			}
			if n := d.w.seen.octets; n > room || n == 0 && room >= maxSeen {
				t.Errorf("%d octets are held, of %d", n, room)
			}
		}
	}
}

func TestDigestAllocations(t *testing.T) {
	for _, envelope := range []bool{true, false} {
		w := digestWorker(Config{EnvelopeOnly: envelope}, maxSeen)
		contents := [][]byte{random(1, 20_000), random(2, 20_000)}
		next := 0
		all := func() {
			for range 2 {
				for _, c := range contents {
					c[next%len(c)]++
					next++
					w.take1(c)
					w.take1(c)
				}
			}
			w.settle()
			w.seen.forget()
			w.batch.Reset()
		}
		for range maxSeen / 20_000 {
			all() // Until all memory is there.
		}
		if n := testing.AllocsPerRun(100, all); n > 0 {
			t.Errorf("%v allocations", n)
		}
	}
}
