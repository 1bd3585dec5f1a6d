package schema

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"testing"
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

// Contents that come again, and those that look like others, have their own digests and
// octets, and so have the body parts in them, whatever becomes of the memory that they
// came in; what comes again is not copied.
func TestContentsThatComeAgain(t *testing.T) {
	long := random(1, 3*maxJoined)
	alike := bytes.Clone(long)
	alike[len(alike)/2]++
	list := [][]byte{
		random(2, 5000), long, random(2, 5000), alike, long, alike, {}, random(3, LeastSeen), random(3, LeastSeen),
		random(4, LeastSeen-1), random(4, LeastSeen-1), random(5, maxDoubled), random(2, 5001), random(5, maxDoubled), random(2, 5000),
	}
	var b Batch
	in := make([]byte, 0, len(long))
	for round := range 3 {
		var texts []string
		again := 0
		for i, want := range list {
			content := append(in[:0], want...)
			digest := b.Digest(content)
			if digest != sha256.Sum256(want) {
				t.Fatalf("round %d, content %d: wrong digest", round, i)
			}
			if b.seen.earlier != nil {
				again++
			}
			b.AppendContent(&Content{Content: content, SHA256: digest})
			part := content[min(10, len(content)):]
			b.BodyParts.Append(&BodyPart{Text: part, Octets: content})
			texts = append(texts, string(part))
			clear(content)
		}
		if again != 4 { // Of two that look alike, the newest is remembered.
			t.Errorf("round %d: %d contents came again, not 4", round, again)
		}
		var contents []string
		for _, c := range list {
			contents = append(contents, string(c))
		}
		if !slices.Equal(b.Contents.Content.Strings(), contents) || !slices.Equal(b.BodyParts.Octets.pad(b.BodyParts.rows).Strings(), contents) {
			t.Errorf("round %d: contents changed", round)
		}
		if !slices.Equal(b.BodyParts.Text.pad(b.BodyParts.rows).Strings(), texts) {
			t.Errorf("round %d: texts changed", round)
		}
		if n := b.BodyParts.Held(); n > 64<<10 {
			t.Errorf("round %d: body parts hold %d octets of their own", round, n)
		}
		b.Reset()
	}
}

// A body part whose content was not appended last is copied.
func TestTextOfAnotherContent(t *testing.T) {
	var b Batch
	one, two := random(1, 2*Shared), random(2, 2*Shared)
	b.AppendContent(&Content{Content: one})
	b.AppendContent(&Content{Content: two})
	b.BodyParts.Append(&BodyPart{Text: one[1:]})
	want := string(one[1:])
	clear(one)
	if got := b.BodyParts.Text.Strings(); got[0] != want {
		t.Error("the text changed")
	}
}

func TestDigestAllocations(t *testing.T) {
	var b Batch
	content := random(1, 20_000)
	other := random(2, 20_000)
	append2 := func() {
		for range 3 {
			for _, c := range [][]byte{content, other} {
				r := Content{Content: c, SHA256: b.Digest(c)}
				b.AppendContent(&r)
				b.BodyParts.Append(&BodyPart{Text: c[5:]})
			}
		}
		b.Reset()
	}
	append2()
	if n := testing.AllocsPerRun(20, append2); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
