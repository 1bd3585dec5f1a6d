package association

import (
	"math/bits"
	"slices"
	"sort"
	"sync"

	"x400flow/osi/acse"
	"x400flow/osi/buffers"
	"x400flow/osi/cotp"
	"x400flow/osi/presentation"
	"x400flow/osi/rtse"
	"x400flow/osi/session"
)

// Scratch is what an Association needs while it takes a TPDU and until the events
// of that are drained. The zero value is ready. It belongs to one goroutine.
type Scratch struct {
	events []Event
	next   int
	spill  Event    // What a left-out problem is written to.
	lent   [][]byte // Buffers that events refer to.
	names  []byte   // Identifiers that events refer to.
	owed   bool     // Some of these are there.
	text   []byte

	free  buffers.Pool
	marks [][]mark   // Without a view.
	lists [][][]byte // Of no borrowed.

	// Lists of no transfer: for more than keptCheckpoints, and the one that a transfer had
	// that needed more.
	checkpoints, few []checkpoint

	tpdu cotp.TPDU
	one  [1]mark
	spdu session.SPDU
	ppdu presentation.PPDU
	data presentation.UserData
	pdv  presentation.PDV
	acse acse.APDU
	rtse rtse.APDU
}

// Buffers of a Scratch are those of a pool, from minBuffer to maxBuffer; those of
// Config.Buffers are powers of two up to maxShared. Larger ones, which are seldom, are as large as need be
// and left to the collector.
const (
	minBuffer = 1 << 10
	maxBuffer = 64 << 10
	maxShared = 16 << 20
	classes   = 8 // Of Config.Buffers.
	// maxFree bounds the buffers of a size, and the lists of marks, that are kept.
	maxFree  = 4
	maxMarks = 1024
)

// class returns the class of the smallest buffers of Config.Buffers that hold n octets.
func class(n int) int { return bits.Len(uint(n-1)/maxBuffer) - 1 }

// Take returns an empty buffer with room for n octets, a large one of others.
func (s *Scratch) Take(n int, others *Buffers) []byte {
	switch {
	case n <= maxBuffer:
		return s.free.Get(max(n, minBuffer))[:0]
	case n > maxShared:
		return make([]byte, 0, n)
	}
	k := class(n)
	if b := others.get(k); b != nil {
		return b
	}
	return make([]byte, 0, 2*maxBuffer<<k)
}

// Recycle keeps a buffer that Take or [Association.Keep] returned, for others.
func (s *Scratch) Recycle(b []byte, others *Buffers) {
	if cap(b) <= maxBuffer {
		s.free.Put(b)
	} else {
		others.put(b)
	}
}

func (a *Association) take(n int) []byte { return a.Take(n, a.cfg.Buffers) }

func (a *Association) recycle(b []byte) { a.Recycle(b, a.cfg.Buffers) }

// giveBack keeps a buffer until the events are drained, and then for others.
func (a *Association) giveBack(b []byte) {
	if cap(b) > 0 {
		a.lent, a.owed = append(a.lent, b), true
	}
}

// grow copies b to a buffer with room for n octets. expect tells of the first octets of
// the whole how many there will be; as long as few of them have come, that is not believed.
func (a *Association) grow(b []byte, n int, front []byte, expect func([]byte) int) []byte {
	size := n // Up to maxShared, it is the next size that take has.
	if n > maxBuffer/2 {
		if e := expect(front); e > n && e <= 8*n {
			size = e
		} else if n > maxShared/2 {
			size = n + n/2
		}
	}
	return append(a.take(size), b...)
}

// maxHeaders bounds the headers that total looks at: those of a value in a PDV-list of
// user data are five.
const maxHeaders = 16

// total returns how many octets the encoding takes that begins with octets, as the first
// definite length tells that reaches beyond them; 0 when none does.
func total(octets []byte) int {
	f := front{b: octets}
	for range maxHeaders {
		n, ok := f.length()
		switch {
		case !ok:
			return 0
		case n < 0:
		case n > len(octets)-f.at:
			return f.at + n + maxTrailer
		default:
			f.at += n
		}
	}
	return 0
}

// maxTrailer is what may follow the longest value: ends of contents.
const maxTrailer = 64

// totalTSDU returns how many octets a TSDU will have that begins with octets: those
// of its user data.
func totalTSDU(octets []byte) int {
	at, ok := DataStart(octets)
	if !ok || at >= len(octets) {
		return 0
	}
	if n := total(octets[at:]); n > 0 {
		return at + n
	}
	return 0
}

// unknown is how long an SSDU will be.
func unknown([]byte) int { return 0 }

// Buffers keeps the memory of large transfers for reuse. It is safe for
// concurrent use; the zero value is ready, and so is a nil pointer, which keeps
// nothing.
type Buffers struct {
	pools [classes]sync.Pool // Of *[]byte.
	// headers are pointers without octets, for put.
	headers sync.Pool
}

// get returns a buffer without octets in it, nil when there is none to reuse.
func (b *Buffers) get(class int) []byte {
	if b == nil {
		return nil
	}
	p, ok := b.pools[class].Get().(*[]byte)
	if !ok {
		return nil
	}
	octets := (*p)[:0]
	*p = nil
	b.headers.Put(p)
	return octets
}

// put keeps a buffer's memory for another transfer.
func (b *Buffers) put(octets []byte) {
	if b == nil || cap(octets) < 2*maxBuffer || cap(octets) > maxShared {
		return
	}
	p, ok := b.headers.Get().(*[]byte)
	if !ok {
		p = new([]byte)
	}
	*p = octets[:0]
	b.pools[class(cap(octets)+1)-1].Put(p)
}

// mark says where octets from at on, in a view's whole array, stood.
type mark struct {
	at int
	Place
}

// view is octets and where each of them stood. The marks are those of the whole
// of which octets begins at base.
type view struct {
	octets []byte
	base   int
	marks  []mark
}

// sub returns octets[from:to] as a view.
func (v *view) sub(from, to int) view {
	return view{v.octets[from:to], v.base + from, v.marks}
}

// place returns where octet i stood. i may be len(octets): the octet behind.
func (v *view) place(i int) (p Place) {
	v.placeInto(&p, i)
	return p
}

// placeInto puts into p where octet i stood, field by field: what was just written in
// parts is slow to read as a whole.
func (v *view) placeInto(p *Place, i int) {
	i += v.base
	n := len(v.marks) - 1
	if n < 0 {
		*p = Place{}
		return
	}
	if v.marks[n].at > i {
		n = sort.Search(len(v.marks), func(k int) bool { return v.marks[k].at > i }) - 1
		n = max(n, 0)
	}
	m := &v.marks[n]
	p.Seq, p.Offset = m.Seq+uint32(i-m.at), m.Offset+uint64(i-m.at)
	p.Time, p.Frame, p.Source = m.Time, m.Frame, m.Source
}

// placeInto puts into p where octet i of the TPDU stood, as the view's does.
func (in *TPDU) placeInto(p *Place, i int) {
	p.Seq, p.Offset = in.Seq+uint32(i), in.Offset+uint64(i)
	p.Time, p.Frame, p.Source = in.Time, in.Frame, in.Source
}

// last returns where the last octet stood.
func (v *view) last() Place { return v.place(max(len(v.octets)-1, 0)) }

// borrowed are octets of TPDUs that last until Detach, in order. Between two uses it
// has no memory.
type borrowed struct {
	list [][]byte
	size int // Of all.
}

// borrow adds octets.
func (a *Association) borrow(b *borrowed, octets []byte) {
	if len(octets) == 0 {
		return
	}
	if b.list == nil {
		if n := len(a.lists); n > 0 {
			b.list, a.lists[n-1] = a.lists[n-1], nil
			a.lists = a.lists[:n-1]
		}
	}
	b.list = append(b.list, octets)
	b.size += len(octets)
}

// forgo empties b.
func (a *Association) forgo(b *borrowed) {
	if n := cap(b.list); n > 0 && n <= maxMarks && len(a.lists) < maxFree {
		clear(b.list)
		a.lists = append(a.lists, b.list[:0])
	}
	*b = borrowed{}
}

// collect returns buf with what is borrowed behind it, and empties b. expect is as in
// grow; moved says that the octets are in another buffer now.
func (a *Association) collect(buf []byte, b *borrowed, expect func([]byte) int) (out []byte, moved bool) {
	n := len(buf) + b.size
	if moved = n > cap(buf); moved {
		front := buf
		if len(front) == 0 {
			front = b.list[0]
		}
		buf = a.grow(buf, n, front, expect)
	}
	for _, octets := range b.list {
		buf = append(buf, octets...)
	}
	a.forgo(b)
	return buf, moved
}

// joiner puts views together. Between two of them it has no memory.
type joiner struct {
	buf      []byte
	borrowed borrowed // What comes behind buf, and is not copied yet.
	marks    []mark
}

func (j *joiner) size() int { return len(j.buf) + j.borrowed.size }

// begins makes j empty.
func (a *Association) begins(j *joiner) {
	a.ends(j)
	if n := len(a.marks); n > 0 {
		j.marks, a.marks[n-1] = a.marks[n-1], nil
		a.marks = a.marks[:n-1]
	}
}

// ends gives the memory of j back; the octets are lent to the events of the call.
func (a *Association) ends(j *joiner) {
	a.giveBack(j.buf)
	a.forgo(&j.borrowed)
	if n := cap(j.marks); n > 0 && n <= maxMarks && len(a.marks) < maxFree {
		a.marks = append(a.marks, j.marks[:0])
	}
	*j = joiner{}
}

// join adds v to j; expect is as in grow.
func (a *Association) join(j *joiner, v view, expect func([]byte) int) {
	at := len(j.buf)
	if n := at + len(v.octets); n > cap(j.buf) {
		old := j.buf
		j.buf = a.grow(old, n, old, expect)
		a.giveBack(old)
	}
	v.placeInto(j.mark(at), 0)
	// The other marks that fall into v.
	for i := range v.marks {
		m := &v.marks[i]
		if k := m.at - v.base; k > 0 && k < len(v.octets) {
			j.marks = append(j.marks, mark{at + k, m.Place})
		}
	}
	j.buf = append(j.buf, v.octets...)
}

// mark notes that octet at of the whole is the first one of a TPDU or view, and returns its
// place, which is told.
func (j *joiner) mark(at int) *Place {
	n := len(j.marks)
	if n == cap(j.marks) {
		j.marks = slices.Grow(j.marks, 1)
	}
	j.marks = j.marks[:n+1]
	m := &j.marks[n]
	m.at = at
	return &m.Place
}

func (j *joiner) view() view { return view{j.buf, 0, j.marks} }

// front returns the first octets.
func (j *joiner) front() view {
	if len(j.buf) > 0 || len(j.borrowed.list) == 0 {
		return j.view()
	}
	return view{j.borrowed.list[0], 0, j.marks}
}

// whole returns the TSDU that is being joined, all of it in one piece.
func (a *Association) whole(d *direction) view {
	a.copyTSDU(d)
	return d.tsdu.view()
}

// copyTSDU ends the loan of what a TSDU consists of.
func (a *Association) copyTSDU(d *direction) {
	j := &d.tsdu
	if j.borrowed.size == 0 {
		return
	}
	buf, moved := a.collect(j.buf, &j.borrowed, totalTSDU)
	if moved {
		a.giveBack(j.buf)
	}
	j.buf = buf
}

// holds reports whether v is of what was joined in j.
func (j *joiner) holds(v view) bool {
	return len(v.marks) > 0 && len(j.marks) > 0 && &v.marks[0] == &j.marks[0]
}
