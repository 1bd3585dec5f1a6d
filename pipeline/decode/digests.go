package decode

import (
	"crypto/sha256"
	"encoding/binary"

	"x400flow/osi/association"
	"x400flow/pipeline/digest"
	"x400flow/schema"
	"x400flow/x411"
)

// What identifies APDUs, their contents, and files in these are digested later than rows are
// made of them, many at a time, since package digest then takes half the time. Until then these
// rows have zeros in the place of identifier and digests, and the octets are kept: contents
// where they are seen (see seen), what identifies an APDU beside its content in a copy. Before
// a batch is handed over, nothing is owed to it any more.
const (
	// mostOwed is how many APDUs are digested together. More are no faster, and their octets
	// would no longer be in a near cache.
	mostOwed = 64
	// maxOwed is the size from which what identifies an APDU beside its content is digested at
	// once, and maxCopied bounds all that is copied.
	maxOwed, maxCopied = 64 << 10, 512 << 10
	// leastFile is the size from which the octets of a body part are digested with contents:
	// their content is then one that is looked for. mostFiles bounds how many are.
	leastFile, mostFiles = leastSeen, 4 * mostOwed
)

// digests are those that are owed to rows of the batch.
type digests struct {
	contents digest.List
	// places are where contents are found that come again, or those that files are in, nil
	// where they are not.
	places []*seenContent
	files  []owedFile
	apdus  digest.List
	octets []byte // What identifies APDUs.
	list   []owed
	oldest int // The number of the first buffer of seen that one of contents is in, -1 for none.

	now owed // That of the APDU in hand.
	// fleeting is the number of a content whose octets are there only as long as the APDU in
	// hand, -1 for none.
	fleeting int
}

// owed is what the rows of one APDU, from and to there, are without.
type owed struct {
	from, to schema.Place
	// content is the digest that the rows tell of.
	content contentSum
	// What identifies the APDU is octets[start:end], with room at hole for the digest named,
	// unless that is 0. With start and end equal it is identified already.
	start, hole, end int
	named            contentSum
	number           int // In digests.apdus, once it is there.
}

// owedFile is the digest with number in digests.contents that the row of a body part is without.
type owedFile struct{ row, number int }

// contentSum is the SHA-256 of a content, or of a file in it: that with number in
// digests.contents, when it is there, or if number is -1, sum.
type contentSum struct {
	number int
	sum    [sha256.Size]byte
}

// nothing is owed to the rows of an APDU without a content that is identified.
var nothing = owed{content: contentSum{number: -1}, named: contentSum{number: -1}}

// begin begins an APDU, whose rows follow until end.
func (w *worker) begin() {
	d := &w.digests
	d.now = nothing
	w.batch.Place(&d.now.from)
	d.fleeting = -1
}

// digest has the digest of a content told by the rows of the APDU.
func (w *worker) digest(content []byte) {
	d, s := &w.digests, &w.seen
	x, again := s.find(content)
	w.row.seen = x
	if w.row.earlier = nil; again {
		d.now.content, w.row.earlier = x.sum, x.octets
		return
	}
	from := -1
	if w.pool.cfg.EnvelopeOnly {
		content, from = w.holdContent(content, x)
	}
	number := d.contents.Add(content)
	d.places = append(d.places, x)
	d.now.content = contentSum{number: number}
	if from < 0 {
		d.fleeting = number
	} else if x != nil {
		x.octets, x.from, x.sum = content, from, d.now.content
	}
}

// file returns the digest that the next row of a body part is to tell, of octets that are at
// a place of the content; zeros where it is told later.
func (w *worker) file(octets []byte, at x411.Range) [sha256.Size]byte {
	d, x, content := &w.digests, w.row.seen, w.row.content
	var file contentSum
	switch n := d.now.content.number; {
	case len(octets) < leastFile || at.Len() != len(octets) || at.End > len(content) || &content[at.Start] != &octets[0] ||
		len(d.files) == mostFiles:
		return sha256.Sum256(octets)
	case w.row.earlier == nil && n >= 0:
		file.number = d.contents.Add(at.Of(d.contents.Octets(n)))
		d.places = append(d.places, x)
		x.file, x.fileAt = file, at
	case x.fileAt == at: // The content came before.
		file = x.file
	default:
		return sha256.Sum256(octets)
	}
	if file.number >= 0 {
		d.files = append(d.files, owedFile{w.batch.BodyParts.Rows(), file.number})
	}
	return file.sum
}

// holdContent holds a content in the buffer that it came in, or in a copy, and returns its octets
// there and the buffer's number; -1 where it is too large.
func (w *worker) holdContent(content []byte, x *seenContent) (held []byte, number int) {
	d, s := &w.digests, &w.seen
	if max(len(content), leastHeld) > s.room/mostSeen {
		return content, -1
	}
	var buffer []byte
	if w.row.in != nil {
		buffer = w.row.in.Keep(&w.ev)
	}
	if buffer == nil || !s.fits(buffer) {
		buffer = append(w.scratch.Take(len(content), &w.pool.buffers), content...)
		content = buffer
	}
	for s.full(buffer) {
		if s.first == d.oldest {
			w.settle()
		}
		w.scratch.Recycle(s.drop(), &w.pool.buffers)
	}
	if number = s.hold(buffer, x); d.oldest < 0 {
		d.oldest = number
	}
	return content, number
}

// lasts says that the content in hand is also in octets, which last as long as the batch.
func (w *worker) lasts(octets []byte) {
	d := &w.digests
	if d.fleeting < 0 {
		return
	}
	d.contents.Move(d.fleeting, octets)
	if x := d.places[d.fleeting]; x != nil {
		x.octets, x.from, x.sum = octets, w.seen.first, d.now.content
	}
	d.fleeting = -1
}

// identify has the APDU in hand, m, identified by where its first octet stood and by its octets,
// of which those of the content are told by their digest: most octets of traffic are
// those of contents, and digesting them twice would be most of the decoder's work.
// content is empty where there is none.
func (w *worker) identify(m *schema.Message, o *association.Origin, octets []byte, content x411.Range) {
	d := &w.digests
	if len(octets)-content.Len() > maxOwed {
		w.settle()
		m.APDU = w.identifier(o, octets, content, &d.now.content.sum)
		return
	}
	before, after := around(octets, content)
	b := appendOrigin(d.octets, o, len(before))
	d.now.start = len(d.octets)
	b = append(b, before...)
	if content.Len() > 0 {
		d.now.hole, d.now.named = len(b), d.now.content
		b = append(append(b, d.now.named.sum[:]...), after...)
	}
	d.octets, d.now.end = b, len(b)
}

// identifier is what identifies an APDU, taken at once; sum is the digest of its content.
func (w *worker) identifier(o *association.Origin, octets []byte, content x411.Range, sum *[sha256.Size]byte) (id [16]byte) {
	if w.hash == nil {
		w.hash = sha256.New()
	}
	h := w.hash
	h.Reset()
	before, after := around(octets, content)
	b := appendOrigin(w.digested[:0], o, len(before))
	h.Write(b)
	h.Write(before)
	if content.Len() > 0 {
		h.Write(append(b[:0], sum[:]...))
		h.Write(after)
	}
	w.digested = h.Sum(b[:0])
	copy(id[:], w.digested)
	return id
}

// around returns the octets of an APDU before and after its content; all are before where there
// is none.
func around(octets []byte, content x411.Range) (before, after []byte) {
	if content.Len() == 0 {
		return octets, nil
	}
	return octets[:content.Start], octets[content.End:]
}

// appendOrigin appends where an APDU stood, as its identifier is made of it, and how many octets
// of it follow before its content, which says where that stood.
func appendOrigin(dst []byte, o *association.Origin, before int) []byte {
	dst = append(dst, o.Connection[:]...)
	dst = append(dst, o.Dir)
	dst = binary.BigEndian.AppendUint32(dst, o.Seq)
	return binary.BigEndian.AppendUint64(dst, uint64(before))
}

// end ends an APDU.
func (w *worker) end() {
	d := &w.digests
	w.batch.Place(&d.now.to)
	d.list = append(d.list, d.now)
	d.now = nothing
	if d.fleeting >= 0 || len(d.list) == mostOwed || len(d.octets) > maxCopied {
		w.settle()
	}
}

// settle gives the batch what is owed to it.
func (w *worker) settle() {
	d := &w.digests
	d.take()
	for i := range d.list {
		o := &d.list[i]
		w.batch.TellContent(&o.from, &o.to, &o.content.sum)
		if o.end > o.start {
			w.batch.Identify(&o.from, &o.to, [16]byte(d.apdus.Sum(o.number)[:]))
		}
	}
	for _, f := range d.files {
		w.batch.TellFile(f.row, d.contents.Sum(f.number))
	}
	d.reset()
}

// take takes all digests that are owed.
func (d *digests) take() {
	d.contents.Take()
	for i, x := range d.places {
		if x == nil {
			continue
		}
		// Else another content has its place, or this is of a file.
		if x.sum.number == i {
			d.know(&x.sum)
		}
		if x.file.number == i {
			d.know(&x.file)
		}
	}
	d.know(&d.now.content)
	d.know(&d.now.named)
	for i := range d.list {
		o := &d.list[i]
		d.know(&o.content)
		if o.hole > 0 {
			d.know(&o.named)
			copy(d.octets[o.hole:], o.named.sum[:])
		}
		if o.end > o.start {
			o.number = d.apdus.Add(d.octets[o.start:o.end])
		}
	}
	d.apdus.Take()
}

// know sets a digest that was taken.
func (d *digests) know(s *contentSum) {
	if s.number >= 0 {
		s.sum, s.number = *d.contents.Sum(s.number), -1
	}
}

// reset forgets what was owed, but for what identifies the APDU in hand.
func (d *digests) reset() {
	d.contents.Reset()
	clear(d.places)
	d.places = d.places[:0]
	d.files = d.files[:0]
	d.apdus.Reset()
	d.list = d.list[:0]
	d.oldest, d.fleeting = -1, -1
	o := &d.now
	n := copy(d.octets, d.octets[o.start:o.end])
	d.octets = d.octets[:n]
	if o.hole > 0 {
		o.hole -= o.start
	}
	o.start, o.end = 0, n
}
