package decode

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

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
		if n := len(w.seen.memory); envelope && n != room || !envelope && n != 0 {
			t.Errorf("%d octets of memory", n)
		}
	}
}

// The memory of a content that waits for its digest is not used for another.
func TestSeenRoom(t *testing.T) {
	const room = 16 << 10
	w := digestWorker(Config{EnvelopeOnly: true}, room)
	for i := range 1000 {
		w.take1(random(uint64(i), room/mostSeen-i%7))
		d := &w.digests
		if d.oldest >= 0 && w.seen.next-d.oldest > room {
			t.Fatalf("content %d: memory from %d to %d is in use, of %d octets", i, d.oldest, w.seen.next, room)
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
		all()
		if n := testing.AllocsPerRun(100, all); n > 0 {
			t.Errorf("%v allocations", n)
		}
	}
}
