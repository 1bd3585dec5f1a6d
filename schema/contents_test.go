package schema

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/uuid"
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

// Contents that come again have their octets, and so have the body parts in them, whatever
// becomes of the memory that they came in; what comes again is not copied.
func TestContentsThatComeAgain(t *testing.T) {
	long := random(1, 3*maxJoined)
	alike := bytes.Clone(long)
	alike[len(alike)/2]++
	list := [][]byte{
		random(2, 5000), long, random(2, 5000), alike, long, alike, {}, random(3, 1000), random(3, 1000),
		random(5, maxDoubled), random(2, 5001), random(5, maxDoubled), random(2, 5000),
	}
	var b Batch
	in := make([]byte, 0, len(long))
	for round := range 3 {
		var texts []string
		kept := make(map[string][]byte)
		for i, want := range list {
			content := append(in[:0], want...)
			earlier := kept[string(want)]
			got := b.AppendContent(&Content{Content: content}, earlier)
			if !bytes.Equal(got, want) {
				t.Fatalf("round %d, content %d: other octets are returned", round, i)
			}
			if len(earlier) >= Shared && unsafe.SliceData(got) != unsafe.SliceData(earlier) {
				t.Errorf("round %d, content %d is copied again", round, i)
			}
			kept[string(want)] = got
			part := content[min(10, len(content)):]
			b.BodyParts.Append(&BodyPart{Text: part, Octets: content})
			texts = append(texts, string(part))
			clear(content)
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
	b.AppendContent(&Content{Content: one}, nil)
	b.AppendContent(&Content{Content: two}, nil)
	b.BodyParts.Append(&BodyPart{Text: one[1:]})
	want := string(one[1:])
	clear(one)
	if got := b.BodyParts.Text.Strings(); got[0] != want {
		t.Error("the text changed")
	}
}

// Identifiers and digests that come later stand in the rows between two places, and only there.
func TestPlaces(t *testing.T) {
	var b Batch
	var places []Place
	place := func() {
		var p Place
		b.Place(&p)
		places = append(places, p)
	}
	for i := range 5 {
		place()
		for range i {
			b.Recipients.Append(&Recipient{})
			b.BodyParts.Append(&BodyPart{})
		}
		b.AppendContent(&Content{Content: random(uint64(i), 10)}, nil)
		b.Messages.Append(&Message{})
		b.Problems.Append(&Problem{})
	}
	place()
	for i := range 5 {
		if i != 2 {
			sum := sha256.Sum256([]byte{byte(i)})
			b.Identify(&places[i], &places[i+1], [16]byte{byte(i + 1)})
			b.TellContent(&places[i], &places[i+1], &sum)
		}
	}
	at := func(column []uuid.UUID, row, i int) {
		t.Helper()
		want := uuid.UUID{byte(i + 1)}
		if i == 2 {
			want = uuid.UUID{}
		}
		if column[row] != want {
			t.Errorf("row %d, of %d: %v", row, i, column[row])
		}
	}
	row := 0
	for i := range 5 {
		for range i {
			at(b.Recipients.APDU, row, i)
			at(b.BodyParts.APDU, row, i)
			row++
		}
		at(b.Messages.APDU, i, i)
		at(b.Contents.APDU, i, i)
		at(b.Problems.APDU, i, i)
		want := sha256.Sum256([]byte{byte(i)})
		if i == 2 {
			want = [sha256.Size]byte{}
		}
		for _, column := range []*Texts{&b.Messages.ContentSHA256, &b.Contents.SHA256} {
			if got := column.Strings()[i]; got != string(want[:]) {
				t.Errorf("row %d: digest %x", i, got)
			}
		}
	}
}

// Each table that has the APDU of a message in its rows has a place, but operations, which have
// an identifier of their own, and whose answers tell of an APDU that is identified.
func TestPlacesOfAllTables(t *testing.T) {
	var b Batch
	n := 0
	for _, table := range b.All() {
		for _, c := range table.Columns() {
			if c.Name == "apdu" && table != Columnar(&b.Operations) {
				n++
			}
		}
	}
	if n != len(Place{}) {
		t.Errorf("%d tables have an APDU, and a place has %d", n, len(Place{}))
	}
}

func TestContentAllocations(t *testing.T) {
	var b Batch
	content := random(1, 20_000)
	other := random(2, 20_000)
	append2 := func() {
		for range 3 {
			for _, c := range [][]byte{content, other} {
				r := Content{Content: c}
				kept := b.AppendContent(&r, nil)
				b.BodyParts.Append(&BodyPart{Text: c[5:]})
				b.AppendContent(&r, kept)
			}
		}
		b.Reset()
	}
	append2()
	if n := testing.AllocsPerRun(20, append2); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
