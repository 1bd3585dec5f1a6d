package x411

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"

	"x400flow/osi/ber"
)

// NameCache holds OR-names that were read before, by their octets: an originator and the
// recipients of a message come again in its content, and all of them wherever else the
// message passes. So it does domains, of which there are few. It gives exactly what reading
// gives. Names and domains in which something was wrong or unknown are not in it.
//
// Of the other names most begin as some do, with the same country, domains and organization:
// these are looked up by themselves. Object identifiers are few as well.
//
// It is bounded: 256 names, of which none takes more than two kilobytes, as many domains of less
// than half a kilobyte and object identifiers of less than that, and twice as many beginnings of
// less than one. While few of the names are found, only a sixteenth of all is looked for, so that
// names that are all different cost little; which one changes, so that no name is passed over for
// ever. Decoders of one goroutine may share one. The zero value is ready for use.
type NameCache struct {
	seed maphash.Seed
	sets []nameSet
	// credit is what names found have earned and those not found have not yet spent.
	credit int
	passed uint64 // Names that were not looked for.

	domains []knownDomain
	fronts  []knownFront
	oids    []knownOID
}

const (
	nameSets      = 128
	maxCredit     = 512
	maxNameOctets = 512 // Of the contents of a name.
	maxNameText   = 768 // Of its directory name, text and key.
	maxNameParts  = 24  // Attributes.
	perTurn       = 256 // Names that are passed over until others are looked for.

	domainBits = 8 // Of the number of a domain's place.
	minDomain  = 8 // Octets of the contents of a domain.
	maxDomain  = 96

	frontBits = 9 // Of the number of a front's place.
	minFront  = 8 // Octets of its elements.
	maxFront  = 128

	oidBits = 8 // Of the number of an object identifier's place.
	minOID  = 4 // Octets of its contents.
	maxOID  = 32
)

// hashOdd is what the poor hashes of domains, fronts and object identifiers multiply by.
const hashOdd = 0x9e3779b97f4a7c15

// nameSet are the places that names with one remainder of their hashes have.
type nameSet struct {
	names  [2]knownName
	recent uint8 // Which was found or kept last.
}

// knownName is an OR-name that was read.
type knownName struct {
	hash uint64
	// octets are the contents octets of the name, memory what else its parts are of.
	octets, memory []byte
	parts          []knownPart
	plain          int // So many parts, the first, are plain standard attributes.
	kinds          uint64
	directory      span
	text, key      span
	// levels and elements are how many there must be left to read it.
	levels, elements int
}

// knownPart is an attribute of a name.
type knownPart struct {
	kind    AttributeKind
	form    Form
	inField bool // It stands in a field of the address, too.
	number  int32
	value   span
	// Only kind, form and value are set in a plain one.
	typ, raw, language span
}

// knownDomain is a GlobalDomainIdentifier that was read.
type knownDomain struct {
	// octets are the contents octets, in which the parts are.
	octets, text        []byte
	country, admd, prmd span
	// levels and elements are how many there must be left to read it.
	levels, elements int
}

// knownFront are the attributes that standard attributes begin with: those of a country,
// domains and an organization, each once and plain.
type knownFront struct {
	// hash is that of the octets that were looked for last.
	hash uint64
	// octets are the elements. An address of no others has the text and the key.
	octets, text, key []byte
	parts             []frontPart
	kinds             uint64 // Bit k: there is one of the kind k.
	elements          int
}

// frontPart is one attribute of a front.
type frontPart struct {
	kind  AttributeKind
	form  Form
	value span
}

// knownOID is an object identifier that was read: its contents octets and its dotted form.
type knownOID struct{ octets, text []byte }

// span is where a text of a known name is: from at on in its contents octets, or from ^at
// on in its memory. Nil has the length -1.
type span struct{ at, length int16 }

// find returns the hash of a name's contents, and the name if it is there. wanted says that
// it should be kept if it is not.
func (k *NameCache) find(octets []byte) (known *knownName, hash uint64, wanted bool) {
	if len(octets) == 0 || len(octets) > maxNameOctets {
		return nil, 0, false
	}
	if k.sets == nil {
		k.seed, k.sets, k.credit = maphash.MakeSeed(), make([]nameSet, nameSets), maxCredit
	}
	hash = maphash.Bytes(k.seed, octets)
	if k.credit == 0 && hash>>60 != k.passed/perTurn%16 {
		k.passed++
		return nil, hash, false
	}
	s := &k.sets[hash%nameSets]
	for i := range s.names {
		if n := &s.names[i]; n.hash == hash && string(n.octets) == string(octets) {
			s.recent = uint8(i)
			k.credit = min(k.credit+2, maxCredit)
			return n, hash, true
		}
	}
	k.credit = max(k.credit-1, 0)
	return nil, hash, true
}

// keep keeps n, whose contents are octets and have the hash, with c telling what stands in
// fields.
func (k *NameCache) keep(hash uint64, octets []byte, n *ORName, c *chosen, levels, elements int) {
	attrs := n.Address.Attributes
	if len(attrs) > maxNameParts || len(n.DirectoryName)+len(n.Text)+len(n.Key) > maxNameText {
		return
	}
	s := &k.sets[hash%nameSets]
	s.recent ^= 1
	x := &s.names[s.recent]
	x.hash, x.levels, x.elements, x.kinds = hash, levels, elements, n.Address.kinds
	x.octets, x.memory = append(x.octets[:0], octets...), x.memory[:0]
	x.parts, x.plain = slices.Grow(x.parts[:0], len(attrs))[:len(attrs)], c.plain
	plain := attrs[:c.plain]
	for i := range x.parts[:len(plain)] {
		a, p := &plain[i], &x.parts[i]
		at, _ := within(octets, a.Value)
		p.kind, p.form, p.value.at, p.value.length = a.Kind, a.Form, at, int16(len(a.Value))
	}
	for i := c.plain; i < len(attrs); i++ {
		a, p := &attrs[i], &x.parts[i]
		p.kind, p.form, p.number, p.inField = a.Kind, a.Form, a.Number, c.inField(i, a.Kind)
		x.place(&p.value, octets, a.Value)
		x.place(&p.typ, octets, a.Type)
		x.place(&p.raw, octets, a.Raw)
		x.place(&p.language, octets, a.Language)
	}
	x.place(&x.directory, octets, n.DirectoryName)
	x.place(&x.text, octets, n.Text)
	x.place(&x.key, octets, n.Key)
}

// place puts into s where v is, which it keeps unless that is in octets. It is put field by
// field where it stays: what was just written in parts is slow to read as a whole.
func (x *knownName) place(s *span, octets, v []byte) {
	if v == nil {
		s.at, s.length = 0, -1
		return
	}
	s.length = int16(len(v))
	if at, ok := within(octets, v); ok {
		s.at = at
		return
	}
	s.at = ^int16(len(x.memory))
	x.memory = append(x.memory, v...)
}

// known makes n the name x, which e is.
func (d *decoder) known(x *knownName, e *ber.Element, n *ORName) {
	at, first := len(d.arena), len(d.attrs)
	d.arena = append(d.arena, x.memory...)
	memory := d.kept(at)
	of := func(s span) []byte {
		if s.at < 0 {
			return span{^s.at, s.length}.in(memory)
		}
		return s.in(e.Content)
	}
	d.attrs = slices.Grow(d.attrs, len(x.parts))[:first+len(x.parts)]
	attrs := d.attrs[first:len(d.attrs):len(d.attrs)]
	n.Address = ORAddress{}
	n.Address.kinds = x.kinds
	if len(attrs) > 0 {
		n.Address.Attributes = attrs
	}
	plain := x.parts[:x.plain]
	for i := range attrs[:len(plain)] {
		p, a := &plain[i], &attrs[i]
		v := p.value.in(e.Content)
		a.set(p.kind, p.form, 0, v, v)
		if p.kind < fieldKinds {
			*n.Address.field(p.kind) = v
		}
	}
	for i := x.plain; i < len(attrs); i++ {
		p, a := &x.parts[i], &attrs[i]
		v := of(p.value)
		a.set(p.kind, p.form, p.number, v, of(p.raw))
		a.Type, a.Language = of(p.typ), of(p.language)
		if p.inField {
			*n.Address.field(p.kind) = v
		}
	}
	n.Present = true
	n.Octets = Range{e.Offset, e.End}
	n.DirectoryName, n.Text, n.Key = of(x.directory), of(x.text), of(x.key)
}

// domain returns the place of a domain whose contents are octets, nil where it has none.
func (k *NameCache) domain(octets []byte) *knownDomain {
	n := len(octets)
	if n < minDomain || n > maxDomain {
		return nil
	}
	if k.domains == nil {
		k.domains = make([]knownDomain, 1<<domainBits)
	}
	// A poor hash does for the few domains that there are. Where two have one place, what was
	// saved is lost, and no more.
	x := word(octets) ^ bits.RotateLeft64(word(octets[n/2-4:]), 21) ^ bits.RotateLeft64(word(octets[n-8:]), 42)
	return &k.domains[x*hashOdd>>(64-domainBits)]
}

// keep makes x the domain g, whose contents are octets, if its parts are in these.
func (x *knownDomain) keep(octets []byte, g *DomainIdentifier, levels, elements int) {
	parts := [...][]byte{g.Country, g.ADMD, g.PRMD}
	var spans [len(parts)]span
	for i, v := range parts {
		if v == nil {
			spans[i].length = -1
			continue
		}
		at, ok := within(octets, v)
		if !ok {
			return
		}
		spans[i] = span{at, int16(len(v))}
	}
	x.octets, x.text = append(x.octets[:0], octets...), append(x.text[:0], g.Text...)
	x.country, x.admd, x.prmd = spans[0], spans[1], spans[2]
	x.levels, x.elements = levels, elements
}

// knownDomain makes g the domain x, whose contents are octets.
func (d *decoder) knownDomain(x *knownDomain, octets []byte, g *DomainIdentifier) {
	at := len(d.arena)
	d.arena = append(d.arena, x.text...)
	g.Text = d.kept(at)
	g.Country, g.ADMD, g.PRMD = x.country.in(octets), x.admd.in(octets), x.prmd.in(octets)
}

// oid returns the place of an object identifier whose contents are octets, nil where it has none.
func (k *NameCache) oid(octets []byte) *knownOID {
	n := len(octets)
	if n < minOID || n > maxOID {
		return nil
	}
	if k.oids == nil {
		k.oids = make([]knownOID, 1<<oidBits)
	}
	// As poor a hash as that of domains.
	first, last := binary.LittleEndian.Uint32(octets), binary.LittleEndian.Uint32(octets[n-4:])
	return &k.oids[(uint64(first)<<32|uint64(last))*hashOdd>>(64-oidBits)]
}

// front returns the place of what the elements in begin with, nil where that has none, and where
// its elements end. learn says that they should be kept there, otherwise they are.
func (k *NameCache) front(in []byte) (x *knownFront, end int, learn bool) {
	for end < len(in) && plainParts[in[end]].front {
		_, next := short(in, end)
		if next == 0 {
			if next, _ = openEnd(in, end); next == 0 {
				break
			}
			next += 2
		}
		end = next
	}
	if end < minFront || end > maxFront {
		return nil, 0, false
	}
	if k.fronts == nil {
		k.fronts = make([]knownFront, 1<<frontBits)
	}
	octets := in[:end]
	hash := word(octets[end-8:])
	for v := octets; len(v) > 8; v = v[8:] {
		hash = bits.RotateLeft64(hash*hashOdd, 29) ^ word(v)
	}
	hash *= hashOdd
	x = &k.fronts[hash>>(64-frontBits)]
	if x.hash != hash {
		// What comes once would only cost.
		x.hash = hash
		return nil, 0, false
	}
	return x, end, string(x.octets) != string(octets)
}

// learn keeps in x the elements octets, which attrs are.
func (d *decoder) learn(x *knownFront, octets []byte, attrs []Attribute, elements int) {
	var n ORName
	arena := d.arena
	d.finishName(&n, attrs, nil, 0)
	d.arena = arena // Its texts do not stay there.
	x.octets, x.text, x.key = append(x.octets[:0], octets...), append(x.text[:0], n.Text...), append(x.key[:0], n.Key...)
	x.parts, x.kinds, x.elements = x.parts[:0], 0, elements
	for i := range attrs {
		a := &attrs[i]
		at, _ := within(octets, a.Value)
		x.parts = append(x.parts, frontPart{a.Kind, a.Form, span{at, int16(len(a.Value))}})
		x.kinds |= 1 << a.Kind
	}
}

// put makes the attributes of x the first of p. They are read from in, which begins with
// the octets of x.
func (x *knownFront) put(p *plainAttributes, in []byte) {
	for i := range x.parts {
		q := &x.parts[i]
		v := q.value.in(in)
		p.attrs[i].set(q.kind, q.form, 0, v, v)
	}
	p.n, p.sent, p.elements = len(x.parts), uint32(x.kinds), x.elements
}

// in returns what of octets s is.
func (s span) in(octets []byte) []byte {
	if s.length < 0 {
		return nil
	}
	end := int(s.at) + int(s.length)
	return octets[s.at:end:end]
}
