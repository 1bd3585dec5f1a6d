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
// It is bounded: 512 names, of which none takes more than two kilobytes, as many beginnings of less
// than one, and half as many domains of less than half a kilobyte and object identifiers of less than that. While few of the names are found, only a sixteenth of all is looked for, so that
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
	hashes [4]uint64
	names  [4]knownName
	kept   uint8 // Which was kept last.
}

// knownName is an OR-name that was read.
type knownName struct {
	// octets are the contents octets of the name, memory what else its parts are of.
	octets, memory []byte
	kinds          uint64
	fields         [fieldKinds]span // Of those that there are, in the order of their kinds.
	parts          []knownPart
	directory      span
	text, key      span
	// levels and elements are how many there must be left to read it.
	levels, elements int
}

// knownPart is one of the Attributes of a name.
type knownPart struct {
	kind                      AttributeKind
	form                      Form
	number                    int32
	typ, value, raw, language span
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
	kinds             uint64               // Bit k: there is one of the kind k.
	fields            [maxFrontFields]span // Of these, in the order of their kinds.
	elements          int
}

// maxFrontFields is how many kinds of attributes a front may have.
const maxFrontFields = 4

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
	// Which of the places it is cannot be foretold: no jump hangs on it.
	i := 0
	if s.hashes[1] == hash {
		i = 1
	}
	if s.hashes[2] == hash {
		i = 2
	}
	if s.hashes[3] == hash {
		i = 3
	}
	if n := &s.names[i]; s.hashes[i] == hash && string(n.octets) == string(octets) {
		k.credit = min(k.credit+2, maxCredit)
		return n, hash, true
	}
	k.credit = max(k.credit-1, 0)
	return nil, hash, true
}

// keep keeps n, whose contents are octets and have the hash.
func (k *NameCache) keep(hash uint64, octets []byte, n *ORName, levels, elements int) {
	attrs := n.Address.Attributes
	if len(attrs) > maxNameParts || len(n.DirectoryName)+len(n.Text)+len(n.Key) > maxNameText {
		return
	}
	s := &k.sets[hash%nameSets]
	s.kept = (s.kept + 1) % uint8(len(s.names))
	s.hashes[s.kept] = hash
	x := &s.names[s.kept]
	x.levels, x.elements, x.kinds = levels, elements, n.Address.kinds
	if x.octets == nil {
		s.grow()
	}
	x.octets, x.memory = append(x.octets[:0], octets...), x.memory[:0]
	fields, present := n.Address.Fields()
	i := 0
	for ; present != 0; present &= present - 1 {
		x.place(&x.fields[i], octets, fields[bits.TrailingZeros64(present)])
		i++
	}
	x.parts = slices.Grow(x.parts[:0], len(attrs))[:len(attrs)]
	for i := range attrs {
		a, p := &attrs[i], &x.parts[i]
		p.kind, p.form, p.number = a.Kind, a.Form, a.Number
		x.place(&p.typ, octets, a.Type)
		x.place(&p.value, octets, a.Value)
		x.place(&p.raw, octets, a.Raw)
		x.place(&p.language, octets, a.Language)
	}
	x.place(&x.directory, octets, n.DirectoryName)
	x.place(&x.text, octets, n.Text)
	x.place(&x.key, octets, n.Key)
}

// grow makes room in s for as much as nearly all names need, so that what a place has does not grow
// with each name in it that is the largest so far.
func (s *nameSet) grow() {
	const octets, memory, parts = 256, 512, 4
	b, p := make([]byte, len(s.names)*(octets+memory)), make([]knownPart, len(s.names)*parts)
	for i := range s.names {
		x := &s.names[i]
		x.octets, x.memory, x.parts = b[:0:octets], b[octets:octets:octets+memory], p[:0:parts]
		b, p = b[octets+memory:], p[parts:]
	}
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
	octets, memory := e.Content, d.kept(at)
	n.Address.clear()
	n.Address.kinds = x.kinds
	fields, present := n.Address.Fields()
	for i := 0; present != 0; present &= present - 1 {
		fields[bits.TrailingZeros64(present)] = x.fields[i].of(octets, memory)
		i++
	}
	if len(x.parts) > 0 {
		d.attrs = slices.Grow(d.attrs, len(x.parts))[:first+len(x.parts)]
		attrs := d.attrs[first:len(d.attrs):len(d.attrs)]
		n.Address.Attributes = attrs
		for i := range attrs {
			p, a := &x.parts[i], &attrs[i]
			a.set(p.kind, p.form, p.number, p.value.of(octets, memory), p.raw.of(octets, memory))
			a.Type, a.Language = p.typ.of(octets, memory), p.language.of(octets, memory)
		}
	}
	n.Present = true
	n.Octets = Range{e.Offset, e.End}
	n.DirectoryName = x.directory.of(octets, memory)
	n.Text, n.Key = x.text.of(octets, memory), x.key.of(octets, memory)
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

// learn keeps in x the elements octets, which are the attributes of a that kinds tells.
func (d *decoder) learn(x *knownFront, octets []byte, a *ORAddress, kinds uint64, elements int) {
	var n ORName
	n.Address.kinds = kinds
	x.kinds, x.elements = kinds, elements
	for i, set := 0, kinds; set != 0; set &= set - 1 {
		k := AttributeKind(bits.TrailingZeros64(set))
		v := *a.field(k)
		*n.Address.field(k) = v
		at, _ := within(octets, v)
		x.fields[i] = span{at, int16(len(v))}
		i++
	}
	arena := d.arena
	d.finishName(&n, nil, nil)
	d.arena = arena // Its texts do not stay there.
	x.octets, x.text, x.key = append(x.octets[:0], octets...), append(x.text[:0], n.Text...), append(x.key[:0], n.Key...)
}

// put puts the attributes of x into the fields of a. They are read from in, which begins with
// the octets of x.
func (x *knownFront) put(a *ORAddress, in []byte) {
	fields := a.fields()
	for i, set := 0, x.kinds; set != 0; set &= set - 1 {
		fields[bits.TrailingZeros64(set)] = x.fields[i].in(in)
		i++
	}
}

// of returns what s is, in octets or in memory.
func (s span) of(octets, memory []byte) []byte {
	if s.at < 0 {
		s.at, octets = ^s.at, memory
	}
	return s.in(octets)
}

// in returns what of octets s is.
func (s span) in(octets []byte) []byte {
	if s.length < 0 {
		return nil
	}
	end := int(s.at) + int(s.length)
	return octets[s.at:end:end]
}
