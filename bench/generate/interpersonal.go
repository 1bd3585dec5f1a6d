package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"x400flow/bench/ledger"
)

// interpersonal writes the contents of X.420 and notes for the ledger what is in
// them. Every choice comes from rng, which the content's seed made.
type interpersonal struct {
	e   *encoder
	rng *rand.Rand
	m   *message
	at  time.Time
	// old leaves out what X.420 of 1984 lacks.
	old bool
	// rate is how likely each feature is.
	rate float64
	out  []ledger.Interpersonal
}

const maxForwarded = 3 // How deep messages are forwarded.

func (w *interpersonal) maybe() bool { return w.rng.Float64() < w.rate }

// rarely is maybe twice over.
func (w *interpersonal) rarely() bool {
	if !w.maybe() {
		return false
	}
	return w.maybe()
}

// object writes an InformationObject (X.420 7) whose first text has the size.
func (w *interpersonal) object(c *content) {
	if w.rarely() {
		n := w.e.openSet(0xa1)
		w.notification()
		w.e.closeSet(n)
		return
	}
	ipm := w.e.open(0xa0)
	w.ipm("", c.size, c.subject)
	w.e.close(ipm)
}

func (w *interpersonal) entry(path, kind string) int {
	w.out = append(w.out, ledger.Interpersonal{Path: path, Kind: kind})
	return len(w.out) - 1
}

// identifier writes an IPMIdentifier under the tag and returns its text (RFC 2156
// section 4.7.3).
func (w *interpersonal) identifier(tag byte, local string, user *address) string {
	id := w.e.open(tag)
	text := local + "*"
	if user != nil {
		w.e.orName(0x60, user)
		text += user.ledger.Text
	}
	w.e.text(tagPrintable, local)
	w.e.close(id)
	return text
}

// descriptor writes the fields of an ORDescriptor and returns its text.
func (w *interpersonal) descriptor(a *address) string {
	var parts []string
	if w.maybe() {
		name := "Jörg Müller"
		w.e.text(0x80, t61(name))
		parts = append(parts, name)
	}
	w.e.orName(0x60, a)
	parts = append(parts, "<"+a.ledger.Text+">")
	if w.maybe() {
		w.e.text(0x81, "+44 20 7946 0000")
		parts = append(parts, "(+44 20 7946 0000)")
	}
	return strings.Join(parts, " ")
}

var requestNames = [...]string{"rn", "nrn", "ipm-return"}

// ipm writes the heading and body of an IPM.
func (w *interpersonal) ipm(path string, size int, subject string) {
	e, r := w.e, w.rng
	k := w.entry(path, "ipm")
	h := e.openSet(tagSet)
	e.member()
	l := ledger.Interpersonal{Path: path, Kind: "ipm", Subject: &subject}
	l.ID = w.identifier(0x6b, "ipm-"+w.m.local, w.m.originator)
	e.member()
	o := e.open(0xa0)
	l.Originator = w.descriptor(w.m.originator)
	e.close(o)
	if w.maybe() {
		e.member()
		f := e.open(0xa1)
		d := e.open(tagSet)
		l.Recipients = append(l.Recipients, ledger.IPMRecipient{Role: "authorizing-user", Text: w.descriptor(w.m.originator)})
		e.close(d)
		e.close(f)
	}
	e.member()
	p := e.open(0xa2)
	for i := range w.m.recipients {
		l.Recipients = append(l.Recipients, w.specifier("primary", w.m.recipients[i].name, i == 0, &l))
	}
	e.close(p)
	for i, role := range []string{"copy", "blind-copy"} {
		if w.maybe() {
			e.member()
			f := e.open(0xa3 + byte(i))
			l.Recipients = append(l.Recipients, w.specifier(role, w.m.originator, true, &l))
			e.close(f)
		}
	}
	if w.maybe() {
		e.member()
		l.References = append(l.References, ledger.IPMReference{Relation: "replied-to", ID: w.identifier(0xa5, "asked", w.m.originator)})
	}
	for i, relation := range []string{"obsoleted", "related"} {
		if w.maybe() {
			e.member()
			f := e.open(0xa6 + byte(i))
			for n := range 1 + r.IntN(2) {
				l.References = append(l.References, ledger.IPMReference{Relation: relation, ID: w.identifier(0x6b, relation+" "+strconv.Itoa(n), nil)})
			}
			e.close(f)
		}
	}
	e.member()
	s := e.open(0xa8)
	e.text(tagTeletex, t61(subject))
	e.close(s)
	if w.maybe() {
		e.member()
		t := w.at.Add(240 * time.Hour).Truncate(time.Second)
		e.time(0x89, t)
		l.Expiry = &t
	}
	if w.maybe() {
		e.member()
		t := w.at.Add(24 * time.Hour).Truncate(time.Second)
		e.time(0x8a, t)
		l.ReplyBy = &t
	}
	if w.maybe() {
		e.member()
		f := e.open(0xab)
		d := e.open(tagSet)
		l.Recipients = append(l.Recipients, ledger.IPMRecipient{Role: "reply-recipient", Text: w.descriptor(w.m.originator)})
		e.close(d)
		e.close(f)
	}
	if w.maybe() {
		e.member()
		v := r.IntN(3)
		e.integer(0x8c, v)
		l.Importance = [...]string{"low", "normal", "high"}[v]
	}
	if w.maybe() {
		e.member()
		v := r.IntN(3)
		e.integer(0x8d, v+1)
		l.Sensitivity = [...]string{"personal", "private", "company-confidential"}[v]
	}
	if w.maybe() {
		e.member()
		e.primitive(0x8e, []byte{0xff})
		l.AutoForwarded = true
	}
	if !w.old && w.maybe() {
		e.member()
		f := e.open(0xaf)
		for _, x := range w.headingExtensions() {
			l.Extensions = append(l.Extensions, w.extension(x))
		}
		e.close(f)
	}
	e.closeSet(h)
	body := e.open(tagSequence)
	l.Parts = w.body(path, size)
	e.close(body)
	w.out[k] = l
}

// specifier writes a RecipientSpecifier (X.420 7.1.3).
func (w *interpersonal) specifier(role string, a *address, asked bool, l *ledger.Interpersonal) ledger.IPMRecipient {
	e := w.e
	out := ledger.IPMRecipient{Role: role}
	s := e.openSet(tagSet)
	e.member()
	d := e.open(0xa0)
	out.Text = w.descriptor(a)
	e.close(d)
	if asked && w.maybe() {
		n := w.rng.IntN(len(requestNames))
		e.member()
		e.bits(0x81, 3, n)
		out.Requests = []string{requestNames[n]}
	}
	if w.maybe() {
		e.member()
		e.primitive(0x82, []byte{0xff})
		out.ReplyRequested = true
	}
	if !w.old && w.maybe() {
		e.member()
		f := e.open(0xa3)
		precedence := [...]int{107, 71, 57, 28, 14}[w.rng.IntN(5)]
		out.Precedence = &precedence
		for _, x := range []ipmExtension{
			{"2.6.1.20.1", strconv.Itoa(precedence), func(e *encoder) { e.integer(tagInteger, precedence) }},
			{"2.6.1.20.0", "", nil},
			{"2.6.1.18.0", "content-proof", func(e *encoder) { e.bits(tagBitString, 4, 1) }},
		} {
			l.Extensions = append(l.Extensions, w.extension(x))
		}
		e.close(f)
	}
	e.closeSet(s)
	return out
}

// ipmExtension is an IPMSExtension to be sent (X.420 Annex A); readable is empty
// where it is not one word.
type ipmExtension struct {
	oid, readable string
	value         func(e *encoder)
}

func (w *interpersonal) extension(x ipmExtension) ledger.IPMExtension {
	e := w.e
	f := e.open(tagSequence)
	e.oid(tagOID, x.oid)
	if x.value != nil {
		x.value(e)
	}
	e.close(f)
	return ledger.IPMExtension{OID: x.oid, Readable: x.readable}
}

// headingExtensions are the heading extensions of X.420 Annex A, of STANAG 4406,
// and a private one.
func (w *interpersonal) headingExtensions() []ipmExtension {
	at := w.at.UTC()
	general := at.Format("20060102150405") + "Z"
	sender := w.m.originator
	all := []ipmExtension{
		{"2.6.1.5.0", "", nil},
		{"2.6.1.5.1", "en,de", func(e *encoder) {
			m := e.open(tagSet)
			e.text(tagPrintable, "en")
			e.text(tagPrintable, "de")
			e.close(m)
		}},
		{"2.6.1.5.2", "auto-generated", func(e *encoder) { e.integer(tagEnumerated, 1) }},
		{"2.6.1.5.3", "", func(e *encoder) {
			m := e.open(tagSet)
			s := e.open(tagSet)
			e.integer(tagInteger, 1)
			e.signature([]byte("signature"))
			e.close(s)
			e.close(m)
		}},
		{"2.6.1.5.4", "", func(e *encoder) {
			m := e.open(tagSequence)
			e.securityLabel(0xa0, 3, "INVENTED MARK")
			e.close(m)
		}},
		{"2.6.1.5.5", at.Format(time.RFC3339), func(e *encoder) { e.text(0x18, general) }},
		{"2.6.1.5.6", "", func(e *encoder) {
			m := e.open(tagSequence)
			for i := range 2 {
				c := e.open(tagSet)
				s := e.open(tagSet)
				d := e.open(0xa0)
				e.orName(0x60, sender)
				e.close(d)
				e.close(s)
				if i == 0 {
					e.raw(tagNull, 0)
				} else {
					e.text(0x18, general)
				}
				e.close(c)
			}
			e.close(m)
		}},
		{"2.6.1.5.7", "1.3.6.1.4.1.99999.400.5 ABC", func(e *encoder) {
			m := e.open(tagSequence)
			c := e.open(tagSequence)
			e.oid(tagOID, "1.3.6.1.4.1.99999.400.5")
			e.universal(tagSet, formUniversal, "ABC")
			e.close(c)
			e.close(m)
		}},
		{"2.6.1.5.8", "Ωmega", func(e *encoder) { e.universal(tagSet, formUniversal, "Ωmega") }},
		{"2.6.1.5.9", `1.3.6.1.4.1.99999.400.6 "News"`, func(e *encoder) {
			m := e.open(tagSequence)
			c := e.open(tagSequence)
			e.oid(0x80, "1.3.6.1.4.1.99999.400.6")
			e.universal(0xa1, formUniversal, "News")
			e.close(c)
			e.close(m)
		}},
		{"2.6.1.5.10", "burn; file", func(e *encoder) {
			m := e.open(tagSequence)
			e.universal(tagSet, formUniversal, "burn")
			e.universal(tagSet, formUniversal, "file")
			e.close(m)
		}},
		{"2.6.1.5.11", "ref/1", func(e *encoder) { e.universal(tagSet, formUniversal, "ref/1") }},
		{"2.6.1.5.12", "1.3.6.1.4.1.99999.400.7", func(e *encoder) { e.oid(tagOID, "1.3.6.1.4.1.99999.400.7") }},
		{"1.3.26.0.4406.0.2.0", "immediate", func(e *encoder) { e.integer(tagInteger, 3) }},
		{"1.3.26.0.4406.0.2.10", "REF 1", func(e *encoder) { e.text(tagPrintable, "REF 1") }},
		{"1.3.6.1.4.1.99999.400.4", "", func(e *encoder) { e.text(tagIA5, "private") }},
	}
	var list []ipmExtension
	for _, x := range all {
		if w.rng.IntN(3) == 0 {
			list = append(list, x)
		}
	}
	return list
}

// body writes the body parts; the first is an IA5 text of the size.
func (w *interpersonal) body(path string, size int) []ledger.BodyPart {
	kinds := []func(path string, number int) ledger.BodyPart{
		w.teletex, w.facsimile, w.videotex, w.national, w.forwarded, w.mixed,
	}
	if !w.old {
		// The parameters of an encrypted body part were for further study in 1984.
		kinds = append(kinds, w.encrypted, w.bilateral, w.generalText, w.file, w.voice, w.forwardedContent, w.forwardedNotification, w.signed)
	}
	list := []ledger.BodyPart{w.ia5(size, path == "" && w.rarely())}
	for len(list) < 6 && w.maybe() {
		list = append(list, kinds[w.rng.IntN(len(kinds))](path, len(list)+1))
	}
	return list
}

// digest is SHA-256 in hexadecimal digits.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// text is a body part that is a text, converted to UTF-8.
func text(kind string, size int, charset string, utf8 []byte) ledger.BodyPart {
	return ledger.BodyPart{Kind: kind, Size: size, Charset: charset, TextSHA256: digest(utf8)}
}

// ia5 writes an IA5 text; an ATS message begins with its header (ICAO Doc 9880).
func (w *interpersonal) ia5(size int, ats bool) ledger.BodyPart {
	e := w.e
	var b []byte
	if ats {
		b = append(b, "PRI: FF\r\nFT: "+w.at.UTC().Format("021504")+"\r\nOHI: INVENTED\r\n\r\n"...)
	}
	b = appendText(b, w.rng, size)
	p := e.open(0xa0)
	ps := e.open(tagSet)
	e.integer(0x80, 5)
	e.close(ps)
	e.primitive(tagIA5, b)
	e.close(p)
	out := text("ia5-text", len(b), "us-ascii", b)
	if ats {
		out.ATS = "FF"
	}
	return out
}

func (w *interpersonal) teletex(string, int) ledger.BodyPart {
	e := w.e
	pages := []string{"Grüße aus Köln", "façade"}
	p := e.open(0xa5)
	ps := e.openSet(tagSet)
	e.member()
	e.integer(0x80, len(pages))
	e.member()
	e.primitive(0x81, []byte{0xff})
	e.closeSet(ps)
	d := e.open(tagSequence)
	size := 0
	for _, s := range pages {
		e.text(tagTeletex, t61(s))
		size += len(t61(s))
	}
	e.close(d)
	e.close(p)
	return text("teletex", size, "T.61", []byte(strings.Join(pages, "\f")))
}

func (w *interpersonal) facsimile(string, int) ledger.BodyPart {
	e := w.e
	p := e.open(0xa3)
	ps := e.openSet(tagSet)
	e.member()
	e.integer(0x80, 1)
	e.member()
	e.bits(0x81, 32, 8, 9)
	e.closeSet(ps)
	d := e.open(tagSequence)
	e.primitive(tagBitString, append([]byte{0}, noise(w.rng, 40)...))
	e.close(d)
	e.close(p)
	return ledger.BodyPart{Kind: "g3-facsimile", Size: 40}
}

func (w *interpersonal) videotex(string, int) ledger.BodyPart {
	e := w.e
	p := e.open(0xa6)
	ps := e.open(tagSet)
	e.integer(0x80, 1)
	e.close(ps)
	e.primitive(0x15, []byte("videotex"))
	e.close(p)
	return ledger.BodyPart{Kind: "videotex", Size: 8, Charset: "T.101"}
}

func (w *interpersonal) encrypted(string, int) ledger.BodyPart {
	e := w.e
	p := e.open(0xa8)
	ps := e.open(tagSet)
	e.algorithm(tagSequence)
	e.close(ps)
	e.primitive(tagBitString, append([]byte{0}, noise(w.rng, 32)...))
	e.close(p)
	return ledger.BodyPart{Kind: "encrypted", Size: 32}
}

func (w *interpersonal) national(string, int) ledger.BodyPart {
	e := w.e
	p := e.open(0xa7)
	e.text(tagIA5, "national")
	e.close(p)
	return ledger.BodyPart{Kind: "nationally-defined", Size: -1}
}

func (w *interpersonal) mixed(string, int) ledger.BodyPart {
	p := w.e.open(0xab)
	w.e.close(p)
	return ledger.BodyPart{Kind: "mixed-mode", Size: -1}
}

func (w *interpersonal) bilateral(string, int) ledger.BodyPart {
	b := appendText(nil, w.rng, 60)
	w.e.primitive(0x8e, b)
	return ledger.BodyPart{Kind: "bilaterally-defined", Size: len(b)}
}

// below is the path of a message in a body part of the one at path.
func below(path string, number int) string {
	if path != "" {
		path += "."
	}
	return path + strconv.Itoa(number)
}

// deliveryFields writes MessageParameters (X.420 7.3.7).
func (w *interpersonal) deliveryFields(tag byte) {
	e := w.e
	ps := e.openSet(tag)
	e.member()
	e.time(0x80, w.at)
	e.member()
	env := e.openSet(0xa1)
	e.member()
	e.integer(0x80, 22)
	e.member()
	e.orName(0x60, w.m.originator)
	e.member()
	e.orName(0xa4, w.m.originator)
	e.member()
	e.time(0x87, w.at.Add(-time.Minute))
	e.closeSet(env)
	e.closeSet(ps)
}

// forwarded writes a message body part, or where it would be too deep another
// one.
func (w *interpersonal) forwarded(path string, number int) ledger.BodyPart {
	if strings.Count(path, ".") >= maxForwarded-1 || w.old {
		return w.teletex(path, number)
	}
	e := w.e
	p := e.open(0xa9)
	w.deliveryFields(tagSet)
	d := e.open(tagSequence)
	nested := below(path, number)
	w.ipm(nested, 80, "Forwarded")
	e.close(d)
	e.close(p)
	return ledger.BodyPart{Kind: "message", Size: -1, Nested: nested}
}

// extended writes an ExtendedBodyPart (X.420 7.3.12).
func (w *interpersonal) extended(data string, value func(), parameters string, params func()) {
	e := w.e
	p := e.open(0xaf)
	if parameters != "" {
		x := e.open(0xa0)
		e.oid(tagOID, parameters)
		v := e.open(0xa0)
		params()
		e.close(v)
		e.close(x)
	}
	x := e.open(tagExternal)
	e.oid(tagOID, data)
	v := e.open(0xa0)
	value()
	e.close(v)
	e.close(x)
	e.close(p)
}

func (w *interpersonal) generalText(string, int) ledger.BodyPart {
	e := w.e
	s := "Smørrebrød på café"
	octets := make([]byte, 0, len(s))
	for _, r := range s {
		octets = append(octets, byte(r)) // ISO 8859-1.
	}
	w.extended("2.6.1.4.11", func() { e.primitive(0x1b, octets) }, "2.6.1.11.11", func() {
		m := e.open(tagSet)
		for _, n := range []int{1, 6, 100} {
			e.integer(tagInteger, n)
		}
		e.close(m)
	})
	return text("general-text", len(octets), "iso-8859-1", []byte(s))
}

func (w *interpersonal) file(string, int) ledger.BodyPart {
	e := w.e
	b := appendText(nil, w.rng, 100)
	w.extended("2.6.1.4.12", func() {
		d := e.open(tagSequence)
		x := e.open(tagExternal)
		e.primitive(0x81, b)
		e.close(x)
		e.close(d)
	}, "2.6.1.11.12", func() {
		ps := e.open(tagSequence)
		ct := e.open(0xa1)
		dt := e.open(0xa0)
		e.oid(tagOID, "1.0.8571.5.3")
		e.close(dt)
		e.close(ct)
		at := e.open(0xa4)
		name := e.open(0xa0)
		e.text(0x19, "report.bin")
		e.close(name)
		created := e.open(0xa4)
		e.text(0x81, w.at.UTC().Format("20060102150405")+"Z")
		e.close(created)
		size := e.open(0xad)
		e.integer(0x81, len(b))
		e.close(size)
		e.close(at)
		e.close(ps)
	})
	return ledger.BodyPart{Kind: "file-transfer", Size: len(b), FileName: "report.bin"}
}

func (w *interpersonal) voice(string, int) ledger.BodyPart {
	e := w.e
	w.extended("2.6.1.4.16", func() { e.primitive(tagOctetString, noise(w.rng, 50)) }, "2.6.1.11.16", func() {
		ps := e.open(tagSequence)
		e.integer(0x80, 7)
		e.oid(0x81, "2.6.1.12.1.3")
		e.close(ps)
	})
	return ledger.BodyPart{Kind: "voice", Size: 50}
}

func (w *interpersonal) forwardedContent(path string, number int) ledger.BodyPart {
	if strings.Count(path, ".") >= maxForwarded-1 {
		return w.voice(path, number)
	}
	e := w.e
	nested := below(path, number)
	size := 0
	w.extended("2.6.1.4.17.2.6.1.10.1", func() {
		size = e.inOctets(func() {
			c := e.open(0xa0)
			w.ipm(nested, 60, "Forwarded content")
			e.close(c)
		})
	}, "2.6.1.11.17.2.6.1.10.1", func() {
		ps := e.open(tagSet)
		e.time(0x80, w.at)
		e.close(ps)
	})
	return ledger.BodyPart{Kind: "content", Size: size, Nested: nested}
}

func (w *interpersonal) forwardedNotification(path string, number int) ledger.BodyPart {
	nested := below(path, number)
	w.extended("2.6.1.4.15", func() {
		n := w.e.openSet(tagSet)
		w.receipt(nested)
		w.e.closeSet(n)
	}, "", nil)
	return ledger.BodyPart{Kind: "notification", Size: -1, Nested: nested}
}

// signed writes a body part of signed data (RFC 5652 5.1) with one signer.
func (w *interpersonal) signed(string, int) ledger.BodyPart {
	e := w.e
	saved := e.style
	e.style = style{}
	w.extended("2.6.1.4.18", func() {
		e.signedData(w.rng, func() {
			e.oid(tagOID, oidData)
			c := e.open(0xa0)
			e.primitive(tagOctetString, noise(w.rng, 20))
			e.close(c)
		}, false)
	}, "", nil)
	e.style = saved
	return ledger.BodyPart{Kind: "pkcs7", Size: -1, Signer: signerByName}
}

// notification writes the fields of a notification of some kind (X.420 8).
func (w *interpersonal) notification() {
	e, r := w.e, w.rng
	switch r.IntN(3) {
	case 0:
		w.receipt("")
		return
	case 1:
		k := w.entry("", "non-receipt-notification")
		l := w.common("non-receipt-notification")
		e.member()
		choice := e.open(0xa0)
		f := e.openSet(0xa0)
		e.member()
		n := r.IntN(2)
		e.integer(0x80, n)
		l.NonReceiptReason = [...]string{"ipm-discarded", "ipm-auto-forwarded"}[n]
		if n == 0 {
			e.member()
			d := r.IntN(4)
			e.integer(0x81, d)
			l.DiscardReason = [...]string{"ipm-expired", "ipm-obsoleted", "user-subscription-terminated", "not-used"}[d]
		} else {
			e.member()
			e.text(0x82, "on to another")
			l.Comment = "on to another"
		}
		if w.maybe() {
			e.member()
			ipm := e.open(0xa3)
			w.ipm("r", 100, "Returned")
			e.close(ipm)
		}
		e.closeSet(f)
		e.close(choice)
		w.out[k] = l
		return
	}
	if w.old {
		w.receipt("")
		return
	}
	k := w.entry("", "other-notification")
	l := w.common("other-notification")
	e.member()
	choice := e.open(0xa0)
	f := e.open(0xa2)
	l.Extensions = append(l.Extensions, w.extension(ipmExtension{"2.6.1.19.0", "", func(e *encoder) {
		m := e.open(tagSequence)
		p := e.open(0xa0)
		ps := e.open(tagSet)
		e.close(ps)
		e.text(tagIA5, "away")
		e.close(p)
		e.time(tagUTCTime, w.at)
		e.close(m)
	}}), w.extension(ipmExtension{"2.6.1.19.1", "", func(e *encoder) {
		m := e.open(tagSequence)
		d := e.open(0xa0)
		e.orName(0x60, w.m.originator)
		e.close(d)
		e.time(0x81, w.at)
		e.close(m)
	}}))
	e.close(f)
	e.close(choice)
	w.out[k] = l
}

// common writes the fields that all notifications have.
func (w *interpersonal) common(kind string) ledger.Interpersonal {
	e := w.e
	l := ledger.Interpersonal{Kind: kind}
	e.member()
	l.ID = w.identifier(0x6b, "subject of "+w.m.local, w.m.originator)
	l.References = []ledger.IPMReference{{Relation: "subject", ID: l.ID}}
	if w.maybe() {
		e.member()
		d := e.open(0xa1)
		l.Originator = w.descriptor(w.m.originator)
		e.close(d)
	}
	if w.maybe() {
		e.member()
		d := e.open(0xa2)
		l.Intended = w.descriptor(w.m.originator)
		e.close(d)
	}
	if w.maybe() {
		e.member()
		f := e.open(0x65)
		e.bits(0x80, 3, 2)
		e.close(f)
		l.ConversionEITs = []string{"ia5-text"}
	}
	return l
}

func (w *interpersonal) receipt(path string) {
	e := w.e
	k := w.entry(path, "receipt-notification")
	l := w.common("receipt-notification")
	l.Path = path
	e.member()
	choice := e.open(0xa0)
	f := e.openSet(0xa1)
	e.member()
	t := w.at.Truncate(time.Second)
	e.time(0x80, t)
	l.Receipt = &t
	l.Acknowledgment = "manual"
	if w.maybe() {
		e.member()
		e.integer(0x81, 1)
		l.Acknowledgment = "automatic"
	}
	if w.maybe() {
		e.member()
		e.text(0x82, "read aloud")
		l.Supplementary = "read aloud"
	}
	e.closeSet(f)
	e.close(choice)
	w.out[k] = l
}
