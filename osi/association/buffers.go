package association

import "sort"

// maxSpare is the largest buffer that an Association keeps for itself; larger
// ones go to Config.Buffers.
const maxSpare = 64 << 10

// get returns a buffer without octets in it, nil when there is none to reuse.
func (b *Buffers) get() []byte {
	if b == nil {
		return nil
	}
	p, ok := b.pool.Get().(*[]byte)
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
	if b == nil || cap(octets) == 0 {
		return
	}
	p, ok := b.headers.Get().(*[]byte)
	if !ok {
		p = new([]byte)
	}
	*p = octets[:0]
	b.pool.Put(p)
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
func (v view) sub(from, to int) view {
	return view{v.octets[from:to], v.base + from, v.marks}
}

// place returns where octet i stood. i may be len(octets): the octet behind.
func (v view) place(i int) Place {
	i += v.base
	n := len(v.marks) - 1
	if n < 0 {
		return Place{}
	}
	if n > 0 {
		n = sort.Search(len(v.marks), func(k int) bool { return v.marks[k].at > i }) - 1
		n = max(n, 0)
	}
	m := &v.marks[n]
	p := m.Place
	p.Seq += uint32(i - m.at)
	p.Offset += uint64(i - m.at)
	return p
}

// last returns where the last octet stood.
func (v view) last() Place { return v.place(max(len(v.octets)-1, 0)) }

// joiner puts views together.
type joiner struct {
	buf   []byte
	marks []mark
}

func (j *joiner) reset(large *Buffers) {
	if cap(j.buf) > maxSpare {
		large.put(j.buf)
		j.buf = nil
	}
	if cap(j.marks) > 1024 {
		j.marks = nil
	}
	j.buf, j.marks = j.buf[:0], j.marks[:0]
}

func (j *joiner) add(v view, large *Buffers) {
	at := len(j.buf)
	if n := at + len(v.octets); n > cap(j.buf) && n > maxSpare {
		if b := large.get(); cap(b) >= n {
			j.buf = append(b, j.buf...)
		} else {
			large.put(b)
		}
	}
	j.marks = append(j.marks, mark{at, v.place(0)})
	// The other marks that fall into v.
	for i := range v.marks {
		m := &v.marks[i]
		if k := m.at - v.base; k > 0 && k < len(v.octets) {
			j.marks = append(j.marks, mark{at + k, m.Place})
		}
	}
	j.buf = append(j.buf, v.octets...)
}

func (j *joiner) view() view { return view{j.buf, 0, j.marks} }
