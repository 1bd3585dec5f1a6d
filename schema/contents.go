package schema

import (
	"crypto/sha256"

	"github.com/google/uuid"
)

// AppendContent appends the row of a content, and returns where the batch has its octets, until
// Reset; those of its body parts come after it. Texts of these in r.Content, of Shared octets or
// more, are not copied once more. Nor is r.Content where earlier is what AppendContent returned
// for the same octets before, not nil.
func (b *Batch) AppendContent(r *Content, earlier []byte) (kept []byte) {
	contents, parts := &b.Contents.held, &b.BodyParts.held
	contents.of, contents.in = nil, nil
	if earlier != nil && len(r.Content) > 0 {
		contents.of, contents.in = r.Content, earlier
	}
	b.Contents.Append(r)
	parts.of, parts.in = nil, nil
	if len(r.Content) == 0 {
		return nil
	}
	kept = b.Contents.Content.last(len(r.Content))
	parts.of, parts.in = r.Content, kept
	return kept
}

// Place is a place in a batch: how many rows are before it of each table that has an APDU's.
type Place [13]int32

// Place sets p to where rows are appended next.
func (b *Batch) Place(p *Place) {
	for i, rows := range [len(Place{})]int{
		b.Messages.rows, b.Contents.rows, b.Recipients.rows, b.Trace.rows, b.Extensions.rows, b.Bilaterals.rows,
		b.IPMs.rows, b.IPMRecipients.rows, b.IPMReferences.rows, b.IPMExtensions.rows, b.IPMExtensionItems.rows, b.BodyParts.rows,
		b.Problems.rows,
	} {
		p[i] = int32(rows)
	}
}

// Identify sets the APDU of all rows appended between two places.
func (b *Batch) Identify(from, to *Place, apdu [16]byte) {
	for i, column := range [len(Place{})][]uuid.UUID{
		b.Messages.APDU, b.Contents.APDU, b.Recipients.APDU, b.Trace.APDU, b.Extensions.APDU, b.Bilaterals.APDU,
		b.IPMs.APDU, b.IPMRecipients.APDU, b.IPMReferences.APDU, b.IPMExtensions.APDU, b.IPMExtensionItems.APDU, b.BodyParts.APDU,
		b.Problems.APDU,
	} {
		for row := from[i]; row < to[i]; row++ {
			column[row] = apdu
		}
	}
}

// TellContent sets the digest of the content in the rows of messages and contents appended between
// two places.
func (b *Batch) TellContent(from, to *Place, sum *[sha256.Size]byte) {
	for row := from[0]; row < to[0]; row++ {
		copy(digestAt(&b.Messages.ContentSHA256, int(row)), sum[:])
	}
	for row := from[1]; row < to[1]; row++ {
		copy(digestAt(&b.Contents.SHA256, int(row)), sum[:])
	}
}

// TellFile sets the digest of a body part's octets in a row.
func (b *Batch) TellFile(row int, sum *[sha256.Size]byte) {
	copy(digestAt(&b.BodyParts.SHA256, row), sum[:])
}

// digestAt returns the digest of a row in a column of digests, where each row has one.
func digestAt(c *Texts, row int) []byte {
	const each = 1 + sha256.Size // With its length.
	return c.octets[row*each+1 : (row+1)*each]
}
