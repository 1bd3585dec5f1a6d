package x411

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"

	"x400flow/osi/ber"
)

// attributeShape is how the value of an attribute is encoded.
type attributeShape uint8

const (
	shapeText           attributeShape = iota // one string of the printable repertoire
	shapeChoice                               // numeric or printable, told by the tag
	shapeTeletex                              // TeletexString
	shapeUniversal                            // UniversalOrBMPString
	shapePDS                                  // PDSParameter
	shapePersonal                             // PersonalName in any form
	shapeUnits                                // organizational unit names in any form
	shapeDDAs                                 // domain-defined attributes in any form
	shapeUnformatted                          // UnformattedPostalAddress
	shapeNetworkAddress                       // ExtendedNetworkAddress
	shapeTerminalType                         // TerminalType
)

type extensionAttribute struct {
	name  string
	kind  AttributeKind
	shape attributeShape
	form  Form
}

// extensionAttributes is ExtensionAttributeTable of X.411 Figure 2, indexed by
// extension-attribute-type.
var extensionAttributes = [...]extensionAttribute{
	1:  {"common-name", AttrCommonName, shapeText, FormPrintable},
	2:  {"teletex-common-name", AttrCommonName, shapeTeletex, FormTeletex},
	3:  {"teletex-organization-name", AttrOrganization, shapeTeletex, FormTeletex},
	4:  {"teletex-personal-name", AttrSurname, shapePersonal, FormTeletex},
	5:  {"teletex-organizational-unit-names", AttrUnit1, shapeUnits, FormTeletex},
	6:  {"teletex-domain-defined-attributes", AttrDDA, shapeDDAs, FormTeletex},
	7:  {"pds-name", AttrPDService, shapeText, FormPrintable},
	8:  {"physical-delivery-country-name", AttrPDCountry, shapeChoice, FormPrintable},
	9:  {"postal-code", AttrPDCode, shapeChoice, FormPrintable},
	10: {"physical-delivery-office-name", AttrPDOffice, shapePDS, FormPrintable},
	11: {"physical-delivery-office-number", AttrPDOfficeNumber, shapePDS, FormPrintable},
	12: {"extension-OR-address-components", AttrPDExtAddress, shapePDS, FormPrintable},
	13: {"physical-delivery-personal-name", AttrPDPersonalName, shapePDS, FormPrintable},
	14: {"physical-delivery-organization-name", AttrPDOrganization, shapePDS, FormPrintable},
	15: {"extension-physical-delivery-address-components", AttrPDExtDelivery, shapePDS, FormPrintable},
	16: {"unformatted-postal-address", AttrPDAddress, shapeUnformatted, FormPrintable},
	17: {"street-address", AttrPDStreet, shapePDS, FormPrintable},
	18: {"post-office-box-address", AttrPDBox, shapePDS, FormPrintable},
	19: {"poste-restante-address", AttrPDRestante, shapePDS, FormPrintable},
	20: {"unique-postal-name", AttrPDUnique, shapePDS, FormPrintable},
	21: {"local-postal-attributes", AttrPDLocal, shapePDS, FormPrintable},
	22: {"extended-network-address", AttrNetNumber, shapeNetworkAddress, FormNumeric},
	23: {"terminal-type", AttrTerminalType, shapeTerminalType, FormPrintable},
	24: {"universal-common-name", AttrCommonName, shapeUniversal, FormUniversal},
	25: {"universal-organization-name", AttrOrganization, shapeUniversal, FormUniversal},
	26: {"universal-personal-name", AttrSurname, shapePersonal, FormUniversal},
	27: {"universal-organizational-unit-names", AttrUnit1, shapeUnits, FormUniversal},
	28: {"universal-domain-defined-attributes", AttrDDA, shapeDDAs, FormUniversal},
	29: {"universal-physical-delivery-office-name", AttrPDOffice, shapeUniversal, FormUniversal},
	30: {"universal-physical-delivery-office-number", AttrPDOfficeNumber, shapeUniversal, FormUniversal},
	31: {"universal-extension-OR-address-components", AttrPDExtAddress, shapeUniversal, FormUniversal},
	32: {"universal-physical-delivery-personal-name", AttrPDPersonalName, shapeUniversal, FormUniversal},
	33: {"universal-physical-delivery-organization-name", AttrPDOrganization, shapeUniversal, FormUniversal},
	34: {"universal-extension-physical-delivery-address-components", AttrPDExtDelivery, shapeUniversal, FormUniversal},
	35: {"universal-unformatted-postal-address", AttrPDAddress, shapeUniversal, FormUniversal},
	36: {"universal-street-address", AttrPDStreet, shapeUniversal, FormUniversal},
	37: {"universal-post-office-box-address", AttrPDBox, shapeUniversal, FormUniversal},
	38: {"universal-poste-restante-address", AttrPDRestante, shapeUniversal, FormUniversal},
	39: {"universal-unique-postal-name", AttrPDUnique, shapeUniversal, FormUniversal},
	40: {"universal-local-postal-attributes", AttrPDLocal, shapeUniversal, FormUniversal},
}

// ExtensionAttributeName returns the standard's name of an
// extension-attribute-type, "" for an unknown one.
func ExtensionAttributeName(number int32) string {
	if number < 0 || int(number) >= len(extensionAttributes) {
		return ""
	}
	return extensionAttributes[number].name
}

var terminalTypeNames = [...]string{
	3: "telex", 4: "teletex", 5: "g3-facsimile", 6: "g4-facsimile",
	7: "ia5-terminal", 8: "videotex",
}

// orName reads the contents of e, an ORName or ORAddress under whatever tag,
// into n, or takes them from the names that are known.
func (d *decoder) orName(c *ber.Cursor, e *ber.Element, n *ORName) {
	if d.names == nil || !e.Constructed {
		d.readName(c, e, n)
		return
	}
	known, hash, wanted := d.names.find(e.Content)
	levels, elements := c.Left(e)
	if known != nil && c.Afford(e, known.levels, known.elements) {
		d.known(known, e, n)
		return
	}
	failures, unknown := d.failures, d.unknown
	d.readName(c, e, n)
	if !wanted || d.failures != failures || d.unknown != unknown {
		return
	}
	if known != nil {
		known.levels = min(known.levels, levels)
		return
	}
	_, left := c.Left(e)
	d.names.keep(hash, e.Content, n, levels, elements-left)
}

// readName reads the contents of e, an ORName or ORAddress under whatever tag,
// into n.
func (d *decoder) readName(c *ber.Cursor, e *ber.Element, n *ORName) {
	n.Present = true
	n.Octets = Range{e.Offset, e.End}
	n.Address.clear()
	first := len(d.attrs)
	in := c.Enter(e)
	var f ber.Element
	var front *knownFront
	sequences := 0
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			sequences++
			switch sequences {
			case 1:
				d.push("built-in-standard-attributes")
				plain := len(d.attrs) == first
				if plain {
					front, plain = d.plainStandard(&in, &f, &n.Address)
				}
				if !plain {
					d.anyStandard(&in, &f)
				}
				d.pop()
			case 2:
				d.push("built-in-domain-defined-attributes")
				d.domainDefined(&in, &f, FormPrintable, 0)
				d.pop()
			default:
				d.stray(&f)
			}
		case ber.TagSet:
			d.push("extension-attributes")
			d.extensionAttributeSet(&in, &f)
			d.pop()
		case ber.Context(0):
			d.push("directory-name")
			if n.DirectoryName == nil {
				d.line = d.appendName(d.line[:0], &in, &f)
				if n.DirectoryName = d.keep(d.line); n.DirectoryName == nil {
					n.DirectoryName = []byte{}
				}
			} else {
				d.fail(CodeDuplicate, f.Offset)
			}
			d.pop()
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	if sequences == 0 && in.Code() == ber.None {
		d.failIn("built-in-standard-attributes", CodeMissing, e.Offset)
	}
	d.finishName(n, d.attrs[first:len(d.attrs):len(d.attrs)], front)
}

func (d *decoder) attribute(a Attribute) {
	d.plainAttribute(a.Kind, a.Form, a.Number, a.Value, a.Raw)
	x := &d.attrs[len(d.attrs)-1]
	x.Type, x.Language = a.Type, a.Language
}

// plainAttribute is attribute for one without type and language. It is filled where it
// stays: an Attribute would be made first, and then copied.
func (d *decoder) plainAttribute(kind AttributeKind, form Form, number int32, value, raw []byte) {
	if value == nil {
		value = []byte{}
	}
	n := len(d.attrs)
	if n == cap(d.attrs) {
		d.attrs = slices.Grow(d.attrs, 1)
	}
	d.attrs = d.attrs[:n+1]
	d.attrs[n].set(kind, form, number, value, raw)
}

// set makes a an attribute without type and language.
func (a *Attribute) set(kind AttributeKind, form Form, number int32, value, raw []byte) {
	a.Kind, a.Form, a.Number, a.Type, a.Value, a.Raw, a.Language = kind, form, number, nil, value, raw, nil
}

var standardAttributeFields = FieldsOf([]field{
	{"country-name", tagCountry, 0, false},
	{"administration-domain-name", tagADMD, 1, false},
	{"network-address", ber.Context(0), 2, false},
	{"terminal-identifier", ber.Context(1), 3, false},
	{"private-domain-name", ber.Context(2), 4, false},
	{"organization-name", ber.Context(3), 5, false},
	{"numeric-user-identifier", ber.Context(4), 6, false},
	{"personal-name", ber.Context(5), 7, false},
	{"organizational-unit-names", ber.Context(6), 8, false},
})

func (d *decoder) anyStandard(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, standardAttributeFields, &seen)
		if id < 0 {
			return
		}
		switch id {
		case 0:
			d.choiceAttribute(&in, &f, AttrCountry, 0)
		case 1:
			d.choiceAttribute(&in, &f, AttrADMD, 0)
		case 2:
			d.textAttribute(&in, &f, AttrX121, FormNumeric, 0)
		case 3:
			d.textAttribute(&in, &f, AttrTerminalID, FormPrintable, 0)
		case 4:
			d.choiceAttribute(&in, &f, AttrPRMD, 0)
		case 5:
			d.textAttribute(&in, &f, AttrOrganization, FormPrintable, 0)
		case 6:
			d.textAttribute(&in, &f, AttrNumericID, FormNumeric, 0)
		case 7:
			d.personalName(&in, &f, FormPrintable, 0)
		case 8:
			d.unitNames(&in, &f, FormPrintable, 0)
		}
		d.pop()
	}
}

// plainPart says how plainStandard reads an element of standard attributes.
type plainPart struct {
	shape plainShape
	kind  AttributeKind
	front bool // Many names have the same.
}

type plainShape uint8

const (
	plainNone plainShape = iota
	plainText
	plainChoice
	plainPersonal
	plainUnits
)

// plainParts are by identifier octet.
var plainParts = [256]plainPart{
	0x61: {plainChoice, AttrCountry, true},
	0x62: {plainChoice, AttrADMD, true},
	0x80: {plainText, AttrX121, false},
	0x81: {plainText, AttrTerminalID, false},
	0x83: {plainText, AttrOrganization, true},
	0x84: {plainText, AttrNumericID, false},
	0xa2: {plainChoice, AttrPRMD, true},
	0xa5: {plainPersonal, AttrSurname, false},
	0xa6: {plainUnits, AttrUnit1, false},
}

// plainAttributes are attributes that were read by add, which stand in the fields of an address.
type plainAttributes struct {
	kinds    uint64
	sent     uint32 // Elements, by kind.
	elements int
}

// plainStandard reads standard attributes as nearly all are into the fields of a: each sent once,
// as it should be, with a length of up to five octets or indefinite, and of seven bits, so that
// nothing is converted. It reads all of them or, where it returns false, nothing. It also returns
// what is known of the first of them, nil where that is nothing.
func (d *decoder) plainStandard(c *ber.Cursor, e *ber.Element, a *ORAddress) (front *knownFront, ok bool) {
	var p plainAttributes
	in, end := e.Content, 0
	learn := false
	ok = true
	if d.names != nil {
		front, end, learn = d.names.front(in)
		if front != nil && !learn {
			front.put(a, in)
			p.kinds, p.sent, p.elements = front.kinds, uint32(front.kinds), front.elements
		} else {
			ok = p.add(in[:end], a)
		}
	}
	known, elements := p.kinds, p.elements // Of the front.
	if !ok || !p.add(in[end:], a) || !c.Afford(e, 2, p.elements) {
		*a = ORAddress{}
		return nil, false
	}
	a.kinds = p.kinds
	if learn {
		d.learn(front, in[:end], a, known, elements)
	}
	return front, true
}

// add reads the elements of in, plain standard attributes, into the fields of to. It returns false
// where one is not plain or one of its kind was read before.
func (a *plainAttributes) add(in []byte, to *ORAddress) bool {
	const printable, numeric, surname, generation = 0x13, 0x12, 0x80, 0x83
	fields := to.fields()
	kinds, sent, elements := a.kinds, a.sent, a.elements
	for p := 0; p < len(in); {
		id, start, end, next, scanned := plainHead(in, p)
		if next == 0 {
			return false
		}
		elements += scanned
		part := &plainParts[id]
		bit := uint32(1) << (part.kind & 31)
		if sent&bit != 0 {
			return false
		}
		sent |= bit
		elements++
		p = start
		switch part.shape {
		case plainNone:
			return false
		case plainText:
			v := in[p:end:end]
			if !sevenBits(in, p, end) {
				return false
			}
			fields[part.kind] = v
			kinds |= uint64(bit)
		default:
			if p == end && part.shape == plainChoice {
				return false
			}
			for i := 0; p < end; i++ {
				id, stop := short(in[:end], p)
				p += 2
				if stop == 0 {
					id, p, stop = long(in[:end], p-2)
				}
				kind := part.kind
				switch {
				case part.shape == plainPersonal && surname <= id && id <= generation:
					kind += AttributeKind(id - surname)
				case part.shape == plainUnits && id == printable && i < 4:
					kind += AttributeKind(i)
				case part.shape == plainChoice && (id == printable || id == numeric):
				default:
					return false
				}
				bit := uint64(1) << (kind & 63)
				if kinds&bit != 0 || !sevenBits(in, p, stop) {
					return false
				}
				kinds |= bit
				fields[kind] = in[p:stop:stop]
				elements++
				p = stop
			}
		}
		p = next
	}
	a.kinds, a.sent, a.elements = kinds, sent, elements
	return true
}

// sevenBits is SevenBits of what is from p to end of in: one word where it is short.
func sevenBits(in []byte, p, end int) bool {
	if n := end - p; n <= 8 && p+8 <= len(in) {
		return word(in[p:])<<(64-8*n)&0x8080808080808080 == 0
	}
	return SevenBits(in[p:end])
}

// plainHead returns the identifier octet of the element at p of in, where its contents and it itself
// end, and how many elements the reader scans to find that. It returns zeros where its length is not
// of one to five octets, or indefinite as openEnd is for, or reaches beyond in.
func plainHead(in []byte, p int) (id byte, start, end, next, scanned int) {
	if id, end = short(in, p); end > 0 {
		return id, p + 2, end, end, 0
	}
	return longHead(in, p)
}

// longHead is plainHead for an element that short is not for.
func longHead(in []byte, p int) (id byte, start, end, next, scanned int) {
	if end, scanned = openEnd(in, p); end > 0 {
		return in[p], p + 2, end, end + 2, scanned
	}
	id, start, end = long(in, p)
	return id, start, end, end, 0
}

// short returns the identifier octet of the element at p of in and where it ends, 0 where
// its length is not of one octet or reaches beyond in.
func short(in []byte, p int) (id byte, end int) {
	if p+1 >= len(in) {
		return 0, 0
	}
	l := int(in[p+1])
	if end = p + 2 + l; l >= 0x80 || end > len(in) {
		return 0, 0
	}
	return in[p], end
}

// openEnd returns where the end-of-contents octets of the element at p of in are, and how many
// elements the reader scans to find them. It returns 0 where its length is not indefinite, or
// such elements are in it as short is not for, but for those of indefinite lengths that hold
// none of these.
func openEnd(in []byte, p int) (end, scanned int) {
	if p+1 >= len(in) || in[p]&0x20 == 0 || in[p+1] != 0x80 {
		return 0, 0
	}
	inner := false
	for p += 2; p+1 < len(in); {
		id, l := in[p], int(in[p+1])
		scanned++
		switch {
		case id != 0 && l < 0x80:
			p += l
		case id == 0 && l == 0 && inner:
			inner = false
		case id == 0 && l == 0:
			return p, scanned
		case id&0x20 != 0 && l == 0x80 && !inner:
			inner = true
		default:
			return 0, 0
		}
		p += 2
	}
	return 0, 0
}

// long is short for an element whose length takes two to five octets; its contents begin at start.
func long(in []byte, p int) (id byte, start, end int) {
	if p+1 >= len(in) || in[p+1] <= 0x80 || in[p+1] > 0x84 {
		return 0, 0, 0
	}
	start = p + 2 + int(in[p+1]&0x7f)
	if start > len(in) {
		return 0, 0, 0
	}
	l := uint32(0)
	for _, b := range in[p+2 : start] {
		l = l<<8 | uint32(b)
	}
	if uint64(l) > uint64(len(in)-start) {
		return 0, 0, 0
	}
	return in[p], start, start + int(l)
}

// textAttribute reads a string of the printable or numeric repertoire.
func (d *decoder) textAttribute(c *ber.Cursor, e *ber.Element, kind AttributeKind, form Form, number int32) {
	raw, ok := d.octets(c, e)
	if ok {
		d.plainAttribute(kind, form, number, d.ascii(raw), raw)
	}
}

// choiceAttribute reads an explicitly tagged CHOICE of NumericString and
// PrintableString.
func (d *decoder) choiceAttribute(c *ber.Cursor, e *ber.Element, kind AttributeKind, number int32) {
	if !e.Constructed {
		// Implicit tagging of the CHOICE is wrong and yet unambiguous.
		d.textAttribute(c, e, kind, FormPrintable, number)
		return
	}
	var inner ber.Element
	in, ok := d.only(c, e, &inner)
	if !ok {
		return
	}
	d.choiceValue(&in, &inner, kind, number)
}

func (d *decoder) choiceValue(c *ber.Cursor, e *ber.Element, kind AttributeKind, number int32) {
	form := FormPrintable
	switch e.Tag {
	case ber.TagNumericString:
		form = FormNumeric
	case ber.TagPrintableString, ber.TagIA5String, ber.TagVisibleString:
	case ber.TagTeletexString:
		d.teletexAttribute(c, e, kind, number)
		return
	default:
		d.fail(CodeUnexpectedTag, e.Offset)
		return
	}
	d.textAttribute(c, e, kind, form, number)
}

func (d *decoder) teletexAttribute(c *ber.Cursor, e *ber.Element, kind AttributeKind, number int32) {
	raw, ok := d.octets(c, e)
	if ok {
		d.plainAttribute(kind, FormTeletex, number, d.teletex(raw), raw)
	}
}

// universal reads a UniversalOrBMPString, or a bare BMPString, UniversalString
// or UTF8String in its place, as the value of a.
func (d *decoder) universal(c *ber.Cursor, e *ber.Element, a *Attribute) bool {
	switch e.Tag {
	case ber.TagBMPString, ber.TagUniversalString, ber.TagUTF8String:
		return d.universalValue(c, e, a)
	}
	in := c.Enter(e)
	var f ber.Element
	found := false
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagBMPString, ber.TagUniversalString, ber.TagUTF8String:
			if found {
				d.failIn("character-encoding", CodeDuplicate, f.Offset)
				continue
			}
			found = d.universalValue(&in, &f, a)
		case ber.TagPrintableString:
			a.Language, _ = d.text(&in, &f)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	if !found && in.Code() == ber.None {
		d.failIn("character-encoding", CodeMissing, e.Offset)
	}
	return found
}

func (d *decoder) universalValue(c *ber.Cursor, e *ber.Element, a *Attribute) bool {
	raw, ok := d.octets(c, e)
	if !ok {
		return false
	}
	a.Raw = raw
	at := len(d.arena)
	switch e.Tag {
	case ber.TagBMPString:
		d.arena, ok = ber.AppendBMP(d.arena, raw)
	case ber.TagUniversalString:
		d.arena, ok = ber.AppendUniversal(d.arena, raw)
	default:
		d.arena = appendUTF8(d.arena, raw)
	}
	if !ok {
		d.fail(CodeBadString, e.Offset)
		return false
	}
	a.Value = d.kept(at)
	return true
}

func appendUTF8(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}

func (d *decoder) universalAttribute(c *ber.Cursor, e *ber.Element, kind AttributeKind, number int32) {
	a := Attribute{Kind: kind, Form: FormUniversal, Number: number}
	if d.universal(c, e, &a) {
		d.attribute(a)
	}
}

// formAttribute reads a value in the given form.
func (d *decoder) formAttribute(c *ber.Cursor, e *ber.Element, kind AttributeKind, form Form, number int32) {
	switch form {
	case FormTeletex:
		d.teletexAttribute(c, e, kind, number)
	case FormUniversal:
		d.universalAttribute(c, e, kind, number)
	default:
		d.textAttribute(c, e, kind, form, number)
	}
}

var personalNameFields = FieldsOf([]field{
	{"surname", ber.Context(0), 0, false},
	{"given-name", ber.Context(1), 1, false},
	{"initials", ber.Context(2), 2, false},
	{"generation-qualifier", ber.Context(3), 3, false},
})

func (d *decoder) personalName(c *ber.Cursor, e *ber.Element, form Form, number int32) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, personalNameFields, &seen)
		if id < 0 {
			return
		}
		d.formAttribute(&in, &f, AttrSurname+AttributeKind(id), form, number)
		d.pop()
	}
}

func (d *decoder) unitNames(c *ber.Cursor, e *ber.Element, form Form, number int32) {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		d.pushIndex(i)
		if i < 4 {
			d.formAttribute(&in, &f, AttrUnit1+AttributeKind(i), form, number)
		} else {
			// X.411 Annex B: ub-organizational-units is 4.
			d.stray(&f)
		}
		d.pop()
	}
	d.end(&in)
}

func (d *decoder) domainDefined(c *ber.Cursor, e *ber.Element, form Form, number int32) {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		d.pushIndex(i)
		d.domainDefinedAttribute(&in, &f, form, number)
		d.pop()
	}
	d.end(&in)
}

func (d *decoder) domainDefinedAttribute(c *ber.Cursor, e *ber.Element, form Form, number int32) {
	in := c.Enter(e)
	a := Attribute{Kind: AttrDDA, Form: form, Number: number}
	var f ber.Element
	var parts [2]Attribute
	n := 0
	for in.Next(&f) {
		if n == 2 {
			d.stray(&f)
			continue
		}
		p := &parts[n]
		switch {
		case form == FormUniversal:
			if !d.universal(&in, &f, p) {
				return
			}
		default:
			raw, ok := d.octets(&in, &f)
			if !ok {
				return
			}
			p.Raw = raw
			if form == FormTeletex || f.Tag == ber.TagTeletexString {
				p.Value = d.teletex(raw)
			} else {
				p.Value = d.ascii(raw)
			}
		}
		n++
	}
	d.end(&in)
	if n < 2 {
		if in.Code() == ber.None {
			d.failIn([]string{"type", "value"}[n], CodeMissing, e.Offset)
		}
		if n == 0 {
			return
		}
	}
	a.Type, a.Value, a.Raw, a.Language = parts[0].Value, parts[1].Value, parts[1].Raw, parts[1].Language
	d.attribute(a)
}

var extensionAttributeFields = FieldsOf([]field{
	{"extension-attribute-type", ber.Context(0), 0, true},
	{"extension-attribute-value", ber.Context(1), 1, true},
})

func (d *decoder) extensionAttributeSet(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		d.pushIndex(i)
		d.extensionAttribute(&in, &f)
		d.pop()
	}
	d.end(&in)
}

func (d *decoder) extensionAttribute(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	number, ok := plainNumber(&in, e.Content)
	if ok {
		seen = 1
	} else {
		number = -1
	}
	for seen != 3 || in.More() {
		id := d.next(&in, &f, extensionAttributeFields, &seen)
		if id < 0 {
			break
		}
		switch {
		case id == 0:
			number = d.code(&in, &f)
		case number >= 0:
			if name := ExtensionAttributeName(number); name != "" {
				d.push(name)
			} else {
				d.pushIndex(int(number))
			}
			var value ber.Element
			if inner, ok := d.only(&in, &f, &value); ok {
				d.extensionAttributeValue(&inner, &value, number)
			}
			d.pop()
		}
		d.pop()
	}
	d.complete(extensionAttributeFields, seen, e.Offset)
}

func (d *decoder) extensionAttributeValue(c *ber.Cursor, e *ber.Element, number int32) {
	if ExtensionAttributeName(number) == "" {
		d.stray(e)
		a := Attribute{Kind: AttrUnknown, Form: FormOther, Number: number, Raw: c.Raw(e)}
		d.line = d.appendAny(d.line[:0], c, e)
		a.Value = d.keep(d.line)
		d.attribute(a)
		return
	}
	t := &extensionAttributes[number]
	switch t.shape {
	case shapeText, shapeTeletex, shapeUniversal:
		d.formAttribute(c, e, t.kind, t.form, number)
	case shapeChoice:
		d.choiceValue(c, e, t.kind, number)
	case shapePDS:
		d.pdsParameter(c, e, t.kind, number)
	case shapePersonal:
		d.personalName(c, e, t.form, number)
	case shapeUnits:
		d.unitNames(c, e, t.form, number)
	case shapeDDAs:
		d.domainDefined(c, e, t.form, number)
	case shapeUnformatted:
		d.unformattedAddress(c, e, number)
	case shapeNetworkAddress:
		d.networkAddress(c, e, number)
	case shapeTerminalType:
		d.terminalType(c, e, number)
	}
}

func (d *decoder) pdsParameter(c *ber.Cursor, e *ber.Element, kind AttributeKind, number int32) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagPrintableString:
			d.textAttribute(&in, &f, kind, FormPrintable, number)
		case ber.TagTeletexString:
			d.teletexAttribute(&in, &f, kind, number)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
}

func (d *decoder) unformattedAddress(c *ber.Cursor, e *ber.Element, number int32) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			d.push("printable-address")
			d.addressLines(&in, &f, number)
			d.pop()
		case ber.TagTeletexString:
			d.teletexAttribute(&in, &f, AttrPDAddress, number)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
}

// addressLines joins the lines of a printable-address by "|".
func (d *decoder) addressLines(c *ber.Cursor, e *ber.Element, number int32) {
	in := c.Enter(e)
	var f ber.Element
	out := d.line[:0]
	for i := 0; in.Next(&f); i++ {
		line, ok := d.text(&in, &f)
		if !ok {
			continue
		}
		if i > 0 {
			out = append(out, '|')
		}
		out = append(out, line...)
	}
	d.line = out
	d.end(&in)
	d.attribute(Attribute{Kind: AttrPDAddress, Form: FormPrintable, Number: number, Value: d.keep(out), Raw: e.Content})
}

var e1634Fields = FieldsOf([]field{
	{"number", ber.Context(0), 0, true},
	{"sub-address", ber.Context(1), 1, false},
})

var presentationAddressFields = FieldsOf([]field{
	{"pSelector", ber.Context(0), 0, false},
	{"sSelector", ber.Context(1), 1, false},
	{"tSelector", ber.Context(2), 2, false},
	{"nAddresses", ber.Context(3), 3, false},
})

// networkAddress reads an ExtendedNetworkAddress: an E.163/E.164 number with
// sub-address, or a PresentationAddress (X.520 5.9).
func (d *decoder) networkAddress(c *ber.Cursor, e *ber.Element, number int32) {
	var f ber.Element
	seen := uint32(0)
	if e.Tag == ber.TagSequence {
		in := c.Enter(e)
		for {
			id := d.next(&in, &f, e1634Fields, &seen)
			if id < 0 {
				break
			}
			d.textAttribute(&in, &f, AttrNetNumber+AttributeKind(id), FormNumeric, number)
			d.pop()
		}
		d.complete(e1634Fields, seen, e.Offset)
		return
	}
	if e.Tag != ber.Context(0) {
		d.fail(CodeUnexpectedTag, e.Offset)
		return
	}
	d.line = d.appendPresentationAddress(d.line[:0], c, e)
	at := len(d.arena)
	d.arena = append(d.arena, d.line...)
	d.attribute(Attribute{Kind: AttrNetPSAP, Form: FormOther, Number: number, Value: d.kept(at), Raw: e.Content})
}

// selectorMark stands between the selectors and the network addresses.
const selectorMark = '+'

func (d *decoder) terminalType(c *ber.Cursor, e *ber.Element, number int32) {
	v := d.code(c, e)
	if v < 0 {
		return
	}
	at := len(d.arena)
	if name := nameOf(terminalTypeNames[:], int64(v)); name != "" {
		d.arena = append(d.arena, name...)
	} else {
		d.arena = appendInt(d.arena, int64(v))
	}
	d.attribute(Attribute{Kind: AttrTerminalType, Form: FormOther, Number: number, Value: d.kept(at), Raw: e.Content})
}

// chosen tells which attribute of each kind stands in the text of an address.
type chosen struct {
	index   [64]int32 // Of the attribute, by its kind, where it is one of Attributes.
	present uint64    // Bit k: there is one of the kind k, one of AttrDDA's predecessors.
	plain   uint64    // Bit k: the one of the kind k was there before, in its field.
	ddas    bool      // There are domain-defined attributes.
}

// choose chooses the forms where attrs, too, are those of an address with plain standard
// attributes in its fields, with c telling which.
func (a *ORAddress) choose(attrs []Attribute, c *chosen) {
	c.ddas, c.plain = false, a.kinds
	present := a.kinds
	for i := range attrs {
		x := &attrs[i]
		k := x.Kind & 63
		if k == AttrDDA {
			c.ddas = true
			continue
		}
		if c.plain>>k&1 != 0 {
			continue // No form is better.
		}
		if present>>k&1 != 0 {
			j := c.index[k]
			if x.Form >= attrs[j].Form || preferred(x.Form) == preferred(attrs[j].Form) {
				continue
			}
		}
		c.index[k] = int32(i)
		present |= 1 << k
		if k < fieldKinds {
			*a.field(k) = x.Value // It stays where none that is better follows.
		}
	}
	c.present = present & (1<<AttrDDA - 1)
	a.kinds = c.present
	if c.ddas {
		a.kinds |= 1 << AttrDDA
	}
}

// value returns the value of the kind k, which is present.
func (c *chosen) value(a *ORAddress, attrs []Attribute, k AttributeKind) []byte {
	if k < fieldKinds {
		return *a.field(k)
	}
	return attrs[c.index[k]].Value
}

// told returns those of attrs, in their order, of which the fields of a do not tell all: where all
// built-in attributes are plain, none of them is one of attrs.
func (c *chosen) told(a *ORAddress, attrs []Attribute) []Attribute {
	n := 0
	for i := range attrs {
		x := &attrs[i]
		if k := x.Kind; x.Number == 0 && k < fieldKinds && x.Form <= FormNumeric &&
			c.plain>>k&1 == 0 && c.index[k] == int32(i) && string(x.Raw) == string(x.Value) {
			continue
		}
		if n < i {
			attrs[n] = *x
		}
		n++
	}
	return attrs[:n:n]
}

// finishName makes the address, in which there may be plain standard attributes, of those and
// attrs, and writes text and key. What these begin with is known where front is not nil.
func (d *decoder) finishName(n *ORName, attrs []Attribute, front *knownFront) {
	c, a := &d.chosen, &n.Address
	a.choose(attrs, c)
	at := len(d.arena)
	out := d.arena
	rest := c.present
	if front != nil {
		// The first of each kind stands, unless a better form follows, and theirs are the best.
		rest &^= front.kinds
		if rest&-rest < front.kinds && rest != 0 {
			front, rest = nil, c.present // Others stand between them.
		}
	}
	if front != nil {
		out = append(out, front.text...)
	} else if rest != 0 {
		out = append(out, '/')
	}
	out, odd := d.appendValues(out, at, a, attrs, rest)
	text := out[at:] // As far as the key is made of it.
	if c.ddas {
		for i := range attrs {
			if attrs[i].Kind == AttrDDA && !repeatedDDA(attrs, i) {
				out = appendLabel(out, at, "DDA:")
				out = appendEscaped(out[:len(out)-1], attrs[i].Type, true)
				out = append(out, '=')
				out = appendEscaped(out, attrs[i].Value, false)
				out = append(out, '/')
			}
		}
	}
	if n.DirectoryName != nil {
		out = appendLabel(out, at, "DN")
		out = appendEscaped(out, n.DirectoryName, false)
		out = append(out, '/')
	}
	d.arena = out
	n.Text = d.kept(at)

	at = len(out)
	from := int32(0)
	if front != nil {
		out, from = append(out, front.key...), int32(len(front.text))
	}
	for set := odd; set != 0; set &= set - 1 {
		k := bits.TrailingZeros64(set)
		out = appendLower(out, text[from:d.oddAt[k][0]])
		out = appendKey(out, AttributeKind(k), c.value(a, attrs, AttributeKind(k)))
		from = d.oddAt[k][1]
	}
	out = appendLower(out, text[from:])
	if c.ddas {
		for i := range attrs {
			if attrs[i].Kind == AttrDDA && !repeatedDDA(attrs, i) {
				out = appendLabel(out, at, "dda:")
				out = appendFolded(out[:len(out)-1], attrs[i].Type, true)
				out = append(out, '=')
				out = appendFolded(out, attrs[i].Value, false)
				out = append(out, '/')
			}
		}
	}
	if n.DirectoryName != nil {
		out = appendLabel(out, at, "dn")
		out = appendFolded(out, n.DirectoryName, false)
		out = append(out, '/')
	}
	d.arena = out
	n.Key = d.kept(at)
	if attrs = c.told(a, attrs); len(attrs) > 0 {
		a.Attributes = attrs
	}
}

// appendValues appends the values of the kinds of set to out, the text of an address from at on,
// each between its label and a "/". Of the kinds odd tells the key has more changed than the case;
// where in the text they are is left in d.oddAt.
func (d *decoder) appendValues(out []byte, at int, a *ORAddress, attrs []Attribute, set uint64) (text []byte, odd uint64) {
	in, end := d.in, len(out)
	out = out[:cap(out)]
	for ; set != 0; set &= set - 1 {
		k := AttributeKind(bits.TrailingZeros64(set))
		v := d.chosen.value(a, attrs, k)
		n := len(v)
		if room := maxPrefix + 8 + 2*n + 1; len(out)-end < room {
			out = slices.Grow(out[:end], room)
			out = out[:cap(out)]
		}
		p := &attrPrefixes[k&63]
		*(*[maxPrefix]byte)(out[end:]) = p.text
		end += p.length
		plain := false
		if x, ok := plainShort(in, v); ok {
			binary.LittleEndian.PutUint64(out[end:], x)
			plain = true
		} else {
			plain = putPlain(out[end:], v)
		}
		if plain && (!isCountry(k) || countryOfDCC(v) == "") {
			end += n
		} else {
			odd |= 1 << k
			d.oddAt[k][0] = int32(end - at)
			end = len(appendEscaped(out[:end], v, false))
			d.oddAt[k][1] = int32(end - at)
		}
		out[end] = '/'
		end++
	}
	return out[:end], odd
}

// preferred ranks forms for the text; printable and numeric are alike, so that
// the first of them stands.
func preferred(f Form) Form {
	if f == FormNumeric {
		return FormPrintable
	}
	return f
}

// maxDDACompare bounds how many earlier attributes a domain-defined attribute is
// compared with: X.411 Annex B allows four in each form.
const maxDDACompare = 16

// repeatedDDA reports whether the teletex or universal domain-defined attribute
// i has the type of one in an earlier form.
func repeatedDDA(attrs []Attribute, i int) bool {
	if attrs[i].Form == FormPrintable {
		return false
	}
	compared := 0
	for j := range attrs {
		if attrs[j].Kind != AttrDDA || attrs[j].Form >= attrs[i].Form {
			continue
		}
		if string(attrs[j].Type) == string(attrs[i].Type) {
			return true
		}
		if compared++; compared == maxDDACompare {
			break
		}
	}
	return false
}

// plainShort returns what putPlain puts, with other octets behind it, of a value in the input in
// which eight octets from its first are. It returns false for those it is not for.
func plainShort(in, value []byte) (x uint64, ok bool) {
	n := len(value)
	if n == 0 || n >= 8 {
		return 0, false
	}
	x, ok = ahead(in, value)
	// Octets that are not its own are made plain ones.
	rest := ^uint64(0) << (8 * n & 63)
	x = x&^rest | 0x6161616161616161&rest
	return x, ok && plainWord(x)
}

// putPlain puts value into text, which has room for it. It returns false where appendEscaped makes
// something else of it, or appendFolded more than lower case.
func putPlain(text, value []byte) bool {
	n := len(value)
	at := 0
	for n >= 8 && at < n {
		i := min(at, n-8) // The last two overlap.
		x := word(value[i:])
		if !plainWord(x) {
			break
		}
		binary.LittleEndian.PutUint64(text[i:], x)
		at += 8
	}
	if at >= n {
		return n > 0
	}
	text = text[:n]
	last := byte(' ')
	for i, b := range value {
		if folded[b] == 0 && (b != ' ' || last == ' ') {
			return false
		}
		text[i], last = b, b
	}
	return last != ' '
}

// plainWord reports whether folded has all octets of x.
func plainWord(x uint64) bool {
	const each = 0x0101010101010101
	// Where no octet is above 7F the sums have the high bit of each octet that is above a space, is
	// not 7F, and is none of the three; no sum carries.
	plain := (x + 0x5f*each) &^ (x + each) & ((x ^ '/'*each) + 0x7f*each) & ((x ^ '\\'*each) + 0x7f*each) & ((x ^ '='*each) + 0x7f*each)
	return plain&^x&(0x80*each) == 0x80*each
}

// appendLower appends ASCII text in lower case.
func appendLower(dst, text []byte) []byte {
	at := len(dst)
	dst = append(dst, text...)
	v := dst[at:]
	n := len(v)
	if n < 8 {
		for i, b := range v {
			if 'A' <= b && b <= 'Z' {
				v[i] = b + 'a' - 'A'
			}
		}
		return dst
	}
	for i := 0; i < n; i += 8 {
		w := v[min(i, n-8):] // The last two overlap.
		x := word(w)
		// The high bit of each octet from A on, but not of those from the one behind Z on.
		upper := (x + 0x3f3f3f3f3f3f3f3f) &^ (x + 0x2525252525252525) & 0x8080808080808080
		binary.LittleEndian.PutUint64(w, x|upper>>2)
	}
	return dst
}

// appendLabel appends label and "=", and before the first one, at at, a "/".
func appendLabel(dst []byte, at int, label string) []byte {
	if len(dst) == at {
		dst = append(dst, '/')
	}
	dst = append(dst, label...)
	return append(dst, '=')
}

// appendEscaped appends a value with "/" and "\", and "=" where it is a type,
// escaped and control characters as spaces.
func appendEscaped(dst, value []byte, isType bool) []byte {
	for _, b := range value {
		switch {
		case b == '/' || b == '\\' || b == '=' && isType:
			dst = append(dst, '\\', b)
		case b < ' ' || b == 0x7f:
			dst = append(dst, ' ')
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// isCountry reports whether a kind's value may be a number that the key replaces.
func isCountry(k AttributeKind) bool { return k == AttrCountry || k == AttrPDCountry }

// folded is an octet in lower case, 0 for one that appendFolded looks at more closely.
var folded = func() (t [256]uint8) {
	for b := range t {
		if b > ' ' && b < 0x7f && b != '/' && b != '\\' && b != '=' {
			t[b] = uint8(b)
		}
		if b >= 'A' && b <= 'Z' {
			t[b] = uint8(b + 'a' - 'A')
		}
	}
	return t
}()

// appendKey appends the folded value of an attribute of the kind k.
func appendKey(dst []byte, k AttributeKind, value []byte) []byte {
	if isCountry(k) {
		if alpha := countryOfDCC(value); alpha != "" {
			return append(dst, alpha...)
		}
	}
	return appendFolded(dst, value, false)
}

// appendFolded appends value in lower case without leading and trailing spaces
// and with one space for a run of them, escaped as appendEscaped does.
func appendFolded(dst, value []byte, isType bool) []byte {
	start, space := len(dst), false
	for i := 0; i < len(value); {
		b := value[i]
		if f := folded[b]; f != 0 {
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, f)
			i++
			continue
		}
		if b <= ' ' || b == 0x7f {
			space = true
			i++
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		if b >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(value[i:])
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
			i += n
			continue
		}
		i++
		if b != '=' || isType {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return dst
}

// dccCountry is a run of X.121 data country codes that are assigned to one
// country (X.121 Annex D), with its ISO 3166 alpha-2 code. The table holds
// countries with X.400 services; any other code stands as it is.
type dccCountry struct {
	first, last uint16
	alpha       string
}

var dccCountries = [...]dccCountry{
	{202, 202, "gr"}, {204, 205, "nl"}, {206, 206, "be"}, {208, 209, "fr"},
	{212, 212, "mc"}, {214, 214, "es"}, {216, 216, "hu"}, {222, 222, "it"},
	{226, 226, "ro"}, {228, 228, "ch"}, {232, 232, "at"}, {234, 237, "gb"},
	{238, 238, "dk"}, {240, 240, "se"}, {242, 242, "no"}, {244, 244, "fi"},
	{250, 250, "ru"}, {255, 255, "ua"}, {260, 260, "pl"}, {262, 265, "de"},
	{268, 268, "pt"}, {270, 270, "lu"}, {272, 272, "ie"}, {274, 274, "is"},
	{278, 278, "mt"}, {280, 280, "cy"}, {284, 284, "bg"}, {286, 286, "tr"},
	{302, 303, "ca"}, {310, 316, "us"}, {334, 334, "mx"}, {404, 404, "in"},
	{425, 425, "il"}, {440, 443, "jp"}, {450, 450, "kr"}, {460, 460, "cn"},
	{505, 505, "au"}, {525, 525, "sg"}, {530, 530, "nz"}, {655, 655, "za"},
	{722, 722, "ar"}, {724, 724, "br"}, {730, 730, "cl"},
}

// dccPlaces are the places in dccCountries, from 1, by code, 0 for a code that is not in it.
var dccPlaces = func() (t [1000]uint8) {
	for i, c := range dccCountries {
		for n := c.first; n <= c.last; n++ {
			t[n] = uint8(i + 1)
		}
	}
	return t
}()

// countryOfDCC returns the lower-case alpha-2 code of the country to which a
// three-digit data country code belongs, "" where value is none that is known.
func countryOfDCC(value []byte) string {
	if len(value) != 3 {
		return ""
	}
	n := uint16(0)
	for _, b := range value {
		if b < '0' || b > '9' {
			return ""
		}
		n = n*10 + uint16(b-'0')
	}
	if place := dccPlaces[n]; place != 0 {
		return dccCountries[place-1].alpha
	}
	return ""
}

// appendPresentationAddress appends a PresentationAddress under a tag of its own: the
// selectors, then the network addresses.
func (d *decoder) appendPresentationAddress(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	var f ber.Element
	seen := uint32(0)
	var selectors [3][]byte
	in := c.Enter(e)
	// The tag may be explicit: one SEQUENCE inside.
	if t, ok := in.Peek(); ok && t == ber.TagSequence {
		outer := in
		if !outer.Next(&f) {
			d.end(&outer)
			return dst
		}
		in = outer.Enter(&f)
	}
	var addresses ber.Element
	from := in
	for {
		id := d.next(&in, &f, presentationAddressFields, &seen)
		if id < 0 {
			break
		}
		if id < 3 {
			// Explicit in X.520, implicit in some implementations.
			selectors[id], _ = d.octets(&in, &f)
		} else {
			addresses, from = f, in
		}
		d.pop()
	}
	for i, s := range selectors {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = appendHex(dst, s, len(s))
	}
	if addresses.End == 0 {
		return dst
	}
	dst = append(dst, selectorMark)
	set := from.Enter(&addresses)
	var s ber.Element
	if t, ok := set.Peek(); ok && t == ber.TagSet && set.Next(&s) {
		set = set.Enter(&s)
	}
	for n := 0; set.Next(&s); {
		if nsap, ok := d.octets(&set, &s); ok {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = appendHex(dst, nsap, len(nsap))
			n++
		}
	}
	d.end(&set)
	return dst
}
