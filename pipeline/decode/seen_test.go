package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"x400flow/bench/generate"
	"x400flow/osi/association"
	"x400flow/pipeline/capture"
	"x400flow/schema"
	"x400flow/x411"
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

// beginWith makes the rows of an APDU, up to the end of it.
func (w *worker) beginWith(t testing.TB, octets []byte) {
	t.Helper()
	w.begin()
	w.row.in = nil
	if s, _ := w.rows(&w.row.message, octets, &association.Origin{}); s != x411.StatusOK {
		t.Fatal(s)
	}
}

// Files in contents have their own digests, whether these are taken with those of contents,
// at once, or known of a content that came before, whenever they are taken, and whatever becomes of
// the memory that a content came in.
func TestDigestsOfFiles(t *testing.T) {
	for _, envelope := range []bool{true, false} {
		const room = 64 << 10
		w := digestWorker(Config{EnvelopeOnly: envelope}, room)
		r := rand.New(rand.NewPCG(3, 4))
		type content struct {
			octets []byte
			sums   []string
		}
		contents := make([]content, 60)
		for i := range contents {
			c := &contents[i]
			var parts [][]byte
			for range r.IntN(3) {
				n := []int{0, 1, leastFile - 1, leastFile, leastFile + 1, room / mostSeen / 2, room}[r.IntN(7)]
				file := random(r.Uint64(), n)
				part := element(0x8e, file)
				if r.IntN(8) == 0 { // In segments, so that its octets are nowhere in the content.
					part = element(0xae, element(4, file[:n/2]), element(4, file[n/2:]))
				}
				parts = append(parts, part)
				sum := sha256.Sum256(file)
				c.sums = append(c.sums, string(sum[:]))
			}
			c.octets = element(0xa0, interpersonal(nil, parts...))
		}
		var wants []string
		next, together, again, alone := 0, 0, 0, 0
		for i := range 2000 {
			if r.IntN(3) > 0 {
				next = r.IntN(len(contents))
			}
			octets := apduWith(t, contents[next].octets)
			wants = append(wants, contents[next].sums...)
			owed := len(w.digests.files)
			w.beginWith(t, octets)
			switch owed = len(w.digests.files) - owed; {
			case owed == 0:
				alone++
			case w.row.earlier != nil:
				again++
			default:
				together++
			}
			w.end()
			clear(octets)
			if i%100 != 99 {
				continue
			}
			w.settle()
			got := w.batch.BodyParts.SHA256.Strings()
			if len(got) != len(wants) {
				t.Fatalf("%d body parts, not %d", len(got), len(wants))
			}
			for row := range got {
				if got[row] != wants[row] {
					t.Fatalf("row %d: digest %x, not %x", row, got[row], wants[row])
				}
			}
			if wants = nil; !envelope {
				w.seen.forget()
			}
			w.batch.Reset()
		}
		if together < 100 || again < 100 || alone < 100 {
			t.Errorf("files of %d contents with others, of %d that came again, of %d at once", together, again, alone)
		}
	}
}

// What there may be of files in one content is bounded.
func TestManyFiles(t *testing.T) {
	file := random(1, leastFile)
	parts := make([][]byte, 3*mostFiles)
	for i := range parts {
		parts[i] = element(0x8e, file)
	}
	w := digestWorker(Config{}, maxSeen)
	w.beginWith(t, apduWith(t, element(0xa0, interpersonal(nil, parts...))))
	if n := len(w.digests.files); n != mostFiles {
		t.Errorf("%d files are owed", n)
	}
	w.end()
	w.settle()
	want := sha256.Sum256(file)
	got := w.batch.BodyParts.SHA256.Strings()
	for _, sum := range got {
		if sum != string(want[:]) {
			t.Fatalf("digest %x, not %x", sum, want)
		}
	}
	if len(got) != len(parts) {
		t.Errorf("%d body parts, not %d", len(got), len(parts))
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

// BenchmarkFile makes the rows of contents with a file in each, which come twice.
func BenchmarkFile(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, keep := range []string{"envelope", "content"} {
			b.Run(fmt.Sprintf("%d/%s", n, keep), func(b *testing.B) {
				w := digestWorker(Config{EnvelopeOnly: keep == "envelope"}, maxSeen)
				file := random(1, n)
				octets := apduWith(b, element(0xa0, interpersonal(nil, element(0x8e, file))))
				at := bytes.Index(octets, file)
				b.SetBytes(int64(2 * n))
				b.ReportAllocs()
				for b.Loop() {
					binary.BigEndian.PutUint64(octets[at:], binary.BigEndian.Uint64(octets[at:])+1)
					for range 2 {
						w.beginWith(b, octets)
						w.end()
					}
					if w.batch.Bytes() > 8<<20 {
						w.settle()
						w.seen.forget()
						w.batch.Reset()
					}
				}
			})
		}
	}
}
