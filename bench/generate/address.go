package generate

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"x400flow/bench/ledger"
)

// form is the string type in which an attribute with several forms is sent.
type form uint8

const (
	formPrintable form = iota
	formTeletex
	formUniversal // BMPString.
	formFourOctet // UniversalString.
)

// domain is a management domain.
type domain struct {
	c, admd     string
	prmd        string // Empty where the domain is an ADMD.
	numericC    bool   // Country by its X.121 code.
	numericPRMD bool
}

func (d *domain) text() string {
	s := "/"
	if d.prmd != "" {
		s += "PRMD=" + dollar(d.prmd) + "/"
	}
	return s + "ADMD=" + dollar(d.admd) + "/C=" + dollar(d.c) + "/"
}

func (d *domain) identifier(local string) ledger.MTSIdentifier {
	id := ledger.MTSIdentifier{C: d.c, ADMD: d.admd, Local: local, Text: "[" + d.text() + ";" + local + "]"}
	if d.prmd != "" {
		prmd := d.prmd
		id.PRMD = &prmd
	}
	return id
}

func (d *domain) country(e *encoder, tag byte) {
	m := e.open(tag)
	if d.numericC {
		e.text(tagNumeric, d.c)
	} else {
		e.text(tagPrintable, d.c)
	}
	e.close(m)
}

func (d *domain) administration(e *encoder, tag byte) {
	m := e.open(tag)
	e.text(tagPrintable, d.admd)
	e.close(m)
}

func (d *domain) private(e *encoder) {
	if d.numericPRMD {
		e.text(tagNumeric, d.prmd)
	} else {
		e.text(tagPrintable, d.prmd)
	}
}

// global appends a GlobalDomainIdentifier (X.411 figure 2).
func (d *domain) global(e *encoder) {
	m := e.open(0x63)
	d.country(e, 0x61)
	d.administration(e, 0x62)
	if d.prmd != "" {
		d.private(e)
	}
	e.close(m)
}

// mtsIdentifier appends an MTSIdentifier.
func (e *encoder) mtsIdentifier(d *domain, local string) {
	m := e.open(0x64)
	d.global(e)
	e.text(tagIA5, local)
	e.close(m)
}

// postal is one physical delivery attribute: an extension attribute 7 to 21.
type postal struct {
	number int
	value  string
}

var postalKeywords = [...]string{
	7: "PD-SERVICE", 8: "PD-C", 9: "PD-CODE", 10: "PD-OFFICE", 11: "PD-OFFICE-NUM", 12: "PD-EXT-ADDRESS",
	13: "PD-PN", 14: "PD-O", 15: "PD-EXT-DELIVERY", 16: "PD-ADDRESS", 17: "PD-STREET", 18: "PD-BOX",
	19: "PD-RESTANTE", 20: "PD-UNIQUE", 21: "PD-LOCAL",
}

// postalOrder is the order of the postal attributes in the text.
var postalOrder = [...]int{13, 14, 17, 18, 19, 20, 21, 16, 10, 11, 9, 8, 12, 15, 7}

// terminalTypes are TerminalType's names from 3 on (X.411 figure 2).
var terminalTypes = [...]string{"telex", "teletex", "g3-facsimile", "g4-facsimile", "ia5-terminal", "videotex"}

// address is an OR-address as it is sent.
type address struct {
	d               *domain
	noPRMD          bool
	x121, tid, nid  string
	o               string
	ou              []string
	cn              string
	s, g, i, q      string
	cnTeletex       string // A teletex form beside the printable common name.
	oForm, nameForm form
	ouForm, cnForm  form
	ddaForm         form
	dda             [][2]string
	ttype           int // Terminal type, 0 for none.
	netNumber       string
	postal          []postal
	directory       [][2]string // Object identifier and value, most significant part first.
	ledger          *ledger.Address
}

// extended reports whether the address has attributes that X.411 of 1984 lacks.
func (a *address) extended() bool {
	return a.cn != "" || a.ttype != 0 || a.netNumber != "" || len(a.postal) > 0 || len(a.directory) > 0 ||
		a.oForm|a.nameForm|a.ouForm|a.ddaForm != formPrintable
}

// escape puts a backslash before the characters that separate attributes.
func escape(s string) string { return mark(s, `/\`, '\\') }

// dollar puts a dollar sign before the special characters of RFC 2156 section 4.2.
func dollar(s string) string { return mark(s, "/=$", '$') }

func mark(s, special string, with byte) string {
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b.WriteByte(with)
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// seal computes the ledger's form of the address.
func (a *address) seal() *address {
	l := &ledger.Address{Attributes: make([]ledger.Attribute, 0, 8)}
	add := func(typ, v string) {
		if v != "" {
			l.Attributes = append(l.Attributes, ledger.Attribute{Type: typ, Value: v})
		}
	}
	l.Attributes = append(l.Attributes, ledger.Attribute{Type: "C", Value: a.d.c}, ledger.Attribute{Type: "ADMD", Value: a.d.admd})
	if !a.noPRMD {
		add("PRMD", a.d.prmd)
	}
	add("X121", a.x121)
	add("T-ID", a.tid)
	add("O", a.o)
	for i, u := range a.ou {
		add("OU"+strconv.Itoa(i+1), u)
	}
	add("CN", a.cn)
	add("S", a.s)
	add("G", a.g)
	add("I", a.i)
	add("GQ", a.q)
	add("N-ID", a.nid)
	if a.ttype != 0 {
		add("T-TY", terminalTypes[a.ttype-3])
	}
	for _, n := range postalOrder {
		for _, p := range a.postal {
			if p.number == n {
				add(postalKeywords[n], p.value)
			}
		}
	}
	add("NET-NUM", a.netNumber)
	for _, d := range a.dda {
		l.Attributes = append(l.Attributes, ledger.Attribute{Type: "DDA:" + d[0], Value: d[1]})
	}
	for i := len(a.directory) - 1; i >= 0; i-- {
		if l.Directory != "" {
			l.Directory += ","
		}
		l.Directory += directoryKeywords[a.directory[i][0]] + "=" + a.directory[i][1]
	}
	l.Text, l.Key = layOut(l, false), layOut(l, true)
	a.ledger = l
	return a
}

// layOut writes the attributes and the directory name as text, the values folded for
// comparison or as they are (X.402 18.4).
func layOut(l *ledger.Address, fold bool) string {
	with := func(s string) string {
		if fold {
			return strings.ToLower(strings.Join(strings.Fields(s), " "))
		}
		return s
	}
	var b strings.Builder
	for _, at := range l.Attributes {
		b.WriteByte('/')
		if t, ok := strings.CutPrefix(at.Type, "DDA:"); ok {
			b.WriteString(with("DDA:") + mark(with(t), `/\=`, '\\'))
		} else {
			b.WriteString(with(at.Type))
		}
		v := with(at.Value)
		if fold && at.Type == "C" && v == "310" {
			v = "us" // X.121's code for the United States; no other numeric one is generated.
		}
		b.WriteString("=" + escape(v))
	}
	b.WriteByte('/')
	if l.Directory != "" {
		b.WriteString(with("DN=") + escape(with(l.Directory)) + "/")
	}
	return b.String()
}

var directoryKeywords = map[string]string{"2.5.4.6": "C", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.3": "CN"}

// t61 gives UTF-8 in T.61: a diacritic stands before its letter.
func t61(s string) string {
	var b []byte
	for _, r := range s {
		switch r {
		case 'ü':
			b = append(b, 0xc8, 'u')
		case 'ö':
			b = append(b, 0xc8, 'o')
		case 'ä':
			b = append(b, 0xc8, 'a')
		case 'é':
			b = append(b, 0xc2, 'e')
		case 'è':
			b = append(b, 0xc1, 'e')
		case 'ñ':
			b = append(b, 0xc4, 'n')
		case 'å':
			b = append(b, 0xca, 'a')
		case 'Å':
			b = append(b, 0xca, 'A')
		case 'ç':
			b = append(b, 0xcb, 'c')
		case 'ø':
			b = append(b, 0xf9)
		case 'æ':
			b = append(b, 0xf1)
		case 'ß':
			b = append(b, 0xfb)
		default:
			b = append(b, byte(r))
		}
	}
	return string(b)
}

// universal appends a UniversalOrBMPString (X.411 figure 2): a SET under the given tag.
func (e *encoder) universal(tag byte, f form, v string) {
	m := e.open(tag)
	var b []byte
	for _, r := range v {
		if f == formFourOctet {
			b = append(b, 0, byte(r>>16))
		}
		b = append(b, byte(r>>8), byte(r))
	}
	if f == formFourOctet {
		e.primitive(tagUniversal, b)
	} else {
		e.primitive(tagBMP, b)
	}
	if len(v)%2 == 0 {
		e.text(tagPrintable, "de") // iso-639-language-code
	}
	e.close(m)
}

// attribute appends an ExtensionAttribute whose value write appends.
func (e *encoder) attribute(number int, write func()) {
	m := e.open(tagSequence)
	e.integer(0x80, number)
	v := e.open(0xa1)
	write()
	e.close(v)
	e.close(m)
}

// orName appends an ORName under the tag ([APPLICATION 0] is 60).
func (e *encoder) orName(tag byte, a *address) {
	m := e.open(tag)
	e.orAddressFields(a)
	if len(a.directory) > 0 {
		d := e.open(0xa0)
		s := e.open(tagSequence)
		for _, r := range a.directory {
			rdn := e.open(tagSet)
			ava := e.open(tagSequence)
			e.oid(tagOID, r[0])
			e.text(tagPrintable, r[1])
			e.close(ava)
			e.close(rdn)
		}
		e.close(s)
		e.close(d)
	}
	e.close(m)
}

// orAddressFields appends the three components of an ORAddress.
func (e *encoder) orAddressFields(a *address) {
	m := e.open(tagSequence)
	a.d.country(e, 0x61)
	a.d.administration(e, 0x62)
	if a.x121 != "" {
		e.text(0x80, a.x121)
	}
	if a.tid != "" {
		e.text(0x81, a.tid)
	}
	if a.d.prmd != "" && !a.noPRMD {
		p := e.open(0xa2)
		a.d.private(e)
		e.close(p)
	}
	if a.o != "" && a.oForm == formPrintable {
		e.text(0x83, a.o)
	}
	if a.nid != "" {
		e.text(0x84, a.nid)
	}
	if a.s != "" && a.nameForm == formPrintable {
		p := e.openSet(0xa5)
		for i, v := range [...]string{a.s, a.g, a.i, a.q} {
			if v != "" {
				e.member()
				e.text(0x80|byte(i), v)
			}
		}
		e.closeSet(p)
	}
	if len(a.ou) > 0 && a.ouForm == formPrintable {
		p := e.open(0xa6)
		for _, u := range a.ou {
			e.text(tagPrintable, u)
		}
		e.close(p)
	}
	e.close(m)
	if len(a.dda) > 0 && a.ddaForm == formPrintable {
		p := e.open(tagSequence)
		for _, d := range a.dda {
			q := e.open(tagSequence)
			e.text(tagPrintable, d[0])
			e.text(tagPrintable, d[1])
			e.close(q)
		}
		e.close(p)
	}
	if !a.extended() {
		return
	}
	ext := e.openSet(tagSet)
	e.extensionAttributes(a)
	e.closeSet(ext)
}

func (e *encoder) extensionAttributes(a *address) {
	// pick appends a string attribute in its form's extension attribute; numbers
	// are those of the printable, teletex and universal form.
	pick := func(f form, v string, printable, teletex, universal int) {
		if v == "" {
			return
		}
		switch f {
		case formPrintable:
			if printable != 0 {
				e.member()
				e.attribute(printable, func() { e.text(tagPrintable, v) })
			}
		case formTeletex:
			e.member()
			e.attribute(teletex, func() { e.text(tagTeletex, t61(v)) })
		default:
			e.member()
			e.attribute(universal, func() { e.universal(tagSet, f, v) })
		}
	}
	pick(a.cnForm, a.cn, 1, 2, 24)
	pick(formTeletex, a.cnTeletex, 0, 2, 0)
	pick(a.oForm, a.o, 0, 3, 25)
	if a.s != "" && a.nameForm != formPrintable {
		e.member()
		number := 4
		if a.nameForm != formTeletex {
			number = 26
		}
		e.attribute(number, func() {
			m := e.open(tagSet)
			for i, v := range [...]string{a.s, a.g, a.i, a.q} {
				switch {
				case v == "":
				case number == 4:
					e.text(0x80|byte(i), t61(v))
				default:
					e.universal(0xa0|byte(i), a.nameForm, v)
				}
			}
			e.close(m)
		})
	}
	if len(a.ou) > 0 && a.ouForm != formPrintable {
		e.member()
		number := 5
		if a.ouForm != formTeletex {
			number = 27
		}
		e.attribute(number, func() {
			m := e.open(tagSequence)
			for _, u := range a.ou {
				if number == 5 {
					e.text(tagTeletex, t61(u))
				} else {
					e.universal(tagSet, a.ouForm, u)
				}
			}
			e.close(m)
		})
	}
	if len(a.dda) > 0 && a.ddaForm != formPrintable {
		e.member()
		number := 6
		if a.ddaForm != formTeletex {
			number = 28
		}
		e.attribute(number, func() {
			m := e.open(tagSequence)
			for _, d := range a.dda {
				q := e.open(tagSequence)
				for _, v := range d {
					if number == 6 {
						e.text(tagTeletex, t61(v))
					} else {
						e.universal(tagSet, a.ddaForm, v)
					}
				}
				e.close(q)
			}
			e.close(m)
		})
	}
	for _, p := range a.postal {
		e.member()
		e.attribute(p.number, func() {
			switch p.number {
			case 7:
				e.text(tagPrintable, p.value)
			case 8, 9:
				tag := byte(tagPrintable)
				if p.value[0] >= '0' && p.value[0] <= '9' && p.number == 9 {
					tag = tagNumeric
				}
				e.text(tag, p.value)
			case 16:
				m := e.open(tagSet)
				s := e.open(tagSequence)
				for line := range strings.SplitSeq(p.value, "|") {
					e.text(tagPrintable, line)
				}
				e.close(s)
				e.close(m)
			default: // PDSParameter
				m := e.open(tagSet)
				if t := t61(p.value); t != p.value {
					e.text(tagTeletex, t)
				} else {
					e.text(tagPrintable, p.value)
				}
				e.close(m)
			}
		})
	}
	if a.netNumber != "" {
		e.member()
		e.attribute(22, func() {
			m := e.open(tagSequence)
			e.text(0x80, a.netNumber)
			e.close(m)
		})
	}
	if a.ttype != 0 {
		e.member()
		e.attribute(23, func() { e.integer(tagInteger, a.ttype) })
	}
}

var (
	surnames = []string{"Smith", "Jones", "Garcia", "Martin", "Rossi", "Novak", "Kowalski", "Andersen", "Virtanen", "Silva",
		"O'Brien", "van der Berg", "Smith-Jones", "Ito", "Nguyen", "Popescu", "Dubois", "Horvath", "Ivanova", "Meyer"}
	accented   = []string{"Müller", "Groß", "Lefèvre", "Muñoz", "Åkesson", "Sørensen", "François", "Bäcker", "Köhler", "René"}
	givenNames = []string{"Ann", "Bob", "Carla", "David", "Eva", "Frank", "Greta", "Hugo", "Ines", "Jan", "Karin", "Luis"}
	orgs       = []string{"Acme Ltd", "Met Office", "Gamma Org", "Port Authority", "Trade Ministry", "Shipping", "Bank", "University"}
	units      = []string{"Sales", "Operations", "Forecast", "Night Desk", "R and D", "Accounts", "Registry", "Unit 7"}
	roles      = []string{"duty officer", "postmaster", "EDI gateway", "helpdesk", "forecast/aviation", "A=B", "watch"}
)

func choose[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// plainAddress makes an address of a user of the domain as X.411 of 1984 knows them.
func plainAddress(r *rand.Rand, d *domain) *address {
	a := &address{d: d, o: choose(r, orgs)}
	switch r.IntN(12) {
	case 0:
		// An organisational role without a personal name.
		a.ou = []string{choose(r, units), choose(r, units)}
	case 1:
		// A terminal (X.402 18.5.4).
		a.x121, a.tid, a.o = fmt.Sprintf("2%09d", r.IntN(1e9)), "TERM"+strconv.Itoa(r.IntN(1000)), ""
	case 2:
		// A numeric address (X.402 18.5.3).
		a.nid, a.o = fmt.Sprintf("%07d", r.IntN(1e7)), ""
	default:
		a.s, a.g = choose(r, surnames), choose(r, givenNames)
		switch r.IntN(5) {
		case 0:
			a.g = ""
		case 1:
			a.i = string(rune('A' + r.IntN(26)))
		case 2:
			a.i, a.q = "JQ", "III"
		}
		for range r.IntN(3) {
			a.ou = append(a.ou, choose(r, units))
		}
	}
	if r.IntN(15) == 0 {
		a.dda = append(a.dda, [2]string{"RFC-822", "user" + strconv.Itoa(r.IntN(1000)) + "(a)example.org"})
	}
	if r.IntN(40) == 0 {
		a.dda = append(a.dda, [2]string{"dept/room", "4=A/" + strconv.Itoa(r.IntN(100))})
	}
	return a
}

// richAddress makes an address with attributes that came in 1988 or later.
func richAddress(r *rand.Rand, d *domain) *address {
	a := plainAddress(r, d)
	anyForm := func() form { return form(1 + r.IntN(3)) }
	switch r.IntN(6) {
	case 0:
		a.cn = choose(r, roles)
		if r.IntN(3) == 0 {
			a.cnTeletex = a.cn + " ä"
		}
	case 1:
		a.cn, a.cnForm = choose(r, accented), anyForm()
	case 2:
		if a.s != "" {
			a.s, a.g, a.nameForm = choose(r, accented), "", anyForm()
		}
	case 3:
		if a.o != "" {
			a.o, a.oForm = choose(r, accented)+" GmbH", anyForm()
		}
	case 4:
		if len(a.ou) > 0 {
			a.ouForm = anyForm()
			a.ou[0] = choose(r, accented)
		}
	case 5:
		a.dda, a.ddaForm = [][2]string{{"raum", choose(r, accented)}}, anyForm()
	}
	if r.IntN(10) == 0 {
		a.postal = []postal{{7, "PDS ONE"}, {8, "GB"}, {9, strconv.Itoa(10000 + r.IntN(80000))}}
		for n := 10; n <= 21; n++ {
			if r.IntN(3) == 0 {
				v := "Line " + strconv.Itoa(r.IntN(1000))
				switch n {
				case 16:
					v += "|12 Long Street|Town"
				case 17:
					v = "Hauptstraße " + strconv.Itoa(r.IntN(1000))
				}
				a.postal = append(a.postal, postal{n, v})
			}
		}
	}
	if a.x121 != "" && r.IntN(2) == 0 {
		a.ttype = 3 + r.IntN(6)
	}
	if r.IntN(20) == 0 {
		a.netNumber = fmt.Sprintf("49%08d", r.IntN(1e8))
	}
	if r.IntN(8) == 0 {
		a.directory = [][2]string{{"2.5.4.6", "GB"}, {"2.5.4.10", choose(r, orgs)}, {"2.5.4.3", choose(r, surnames)}}
	}
	return a
}
