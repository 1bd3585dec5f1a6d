package generate

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// content describes a message's content; the octets are made when they are sent, from the seed.
type content struct {
	kind    contentKind
	seed    uint64
	size    int // Octets of text or data.
	subject string
}

type contentKind uint8

const (
	contentP2      contentKind = iota // Interpersonal message of 1984.
	contentP22                        // Interpersonal message of 1988.
	contentOctets                     // An OCTET STRING of an extended content type.
	contentUnknown                    // An OCTET STRING of the built-in type unidentified.
	contentForeign                    // EXTERNAL of the built-in type external.
)

const extendedContentType = "1.3.6.1.4.1.99999.400.9"

// words are the stock of text; every line of it is distinct through its number.
const prose = "the quick brown fox jumps over the lazy dog and reports the weather at the port of arrival "

// appendText appends n octets of lines of IA5 text.
func appendText(b []byte, r *rand.Rand, n int) []byte {
	end := len(b) + n
	line := r.IntN(1000)
	for len(b) < end {
		b = strconv.AppendInt(b, int64(line), 10)
		b = append(b, ' ')
		from := r.IntN(40)
		b = append(b, prose[from:from+40]...)
		b = append(b, '\r', '\n')
		line++
	}
	b = b[:end]
	if n > 1 {
		b[end-2], b[end-1] = '\r', '\n'
	}
	return b
}

// encodeContent appends the octets of the content of m to e, which is the content's own encoder.
func (c *content) encode(e *encoder, m *message, at time.Time) {
	r := rand.New(rand.NewPCG(c.seed, 0x636f6e74656e74))
	switch c.kind {
	case contentOctets, contentUnknown:
		e.primitive(tagOctetString, appendText(nil, r, c.size))
		return
	case contentForeign:
		x := e.open(tagExternal)
		e.oid(tagOID, "1.3.6.1.4.1.99999.400.8")
		e.primitive(0x81, appendText(nil, r, c.size))
		e.close(x)
		return
	}
	// InformationObject: ipm [0] IPM (X.420 7).
	ipm := e.open(0xa0)
	h := e.openSet(tagSet)
	e.member()
	id := e.open(0x6b)
	e.orName(0x60, m.originator)
	e.text(tagPrintable, "ipm-"+m.local)
	e.close(id)
	e.member()
	o := e.open(0xa0)
	e.orName(0x60, m.originator)
	e.close(o)
	e.member()
	p := e.open(0xa2)
	for i := range m.recipients {
		rs := e.open(tagSet)
		n := e.open(0xa0)
		e.orName(0x60, m.recipients[i].name)
		e.close(n)
		if i == 0 && c.seed%4 == 0 {
			e.bits(0x81, 3, 0, 1)
		}
		e.close(rs)
	}
	e.close(p)
	e.member()
	s := e.open(0xa8)
	e.text(tagTeletex, t61(c.subject))
	e.close(s)
	if c.seed%5 == 0 {
		e.member()
		e.time(0x89, at.Add(240*time.Hour))
	}
	if c.seed%7 == 0 {
		e.member()
		e.integer(0x8c, int(c.seed%3))
	}
	e.closeSet(h)
	body := e.open(tagSequence)
	parts := 1
	if c.seed%6 == 0 && c.size > 200 {
		parts = 2
	}
	for i := range parts {
		n := c.size / parts
		if i == 0 {
			n = c.size - n*(parts-1)
		}
		if c.kind == contentP22 && c.seed%9 == 0 && i == 1 {
			// Bilaterally defined body part (X.420 7.3.9).
			e.primitive(0x8e, appendText(nil, r, n))
			continue
		}
		ia5 := e.open(0xa0)
		ps := e.open(tagSet)
		e.integer(0x80, 5)
		e.close(ps)
		e.b = append(e.b, tagIA5)
		e.b = e.appendLength(e.b, n)
		e.b = appendText(e.b, r, n)
		e.close(ia5)
	}
	e.close(body)
	e.close(ipm)
}
