package generate

import (
	"math/rand/v2"
	"strconv"
	"time"

	"x400flow/bench/ledger"
)

// content describes a message's content; the octets are made when they are sent, from the seed.
type content struct {
	kind    contentKind
	seed    uint64
	size    int // Octets of text or data.
	subject string
	whole   []byte // Of contentWhole.
}

type contentKind uint8

const (
	contentP2      contentKind = iota // Interpersonal message of 1984.
	contentP22                        // Interpersonal message of 1988.
	contentOctets                     // An OCTET STRING of an extended content type.
	contentUnknown                    // An OCTET STRING of the built-in type unidentified.
	contentForeign                    // EXTERNAL of the built-in type external.
	contentCMS                        // Signed or enveloped data (RFC 5652).
	contentEDI                        // EDI message or notification (X.435).
	contentInner                      // An MTS-APDU.
	contentWhole                      // Octets made beforehand, see everyContent.
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

// plainRate and featuredRate are how likely each feature of a content is: most
// contents are plain, and the others have much in them.
const (
	plainRate    = 0.08
	featuredRate = 0.4
)

// encode appends the octets of the content of m to e, which is the content's own
// encoder, and returns what is in it; of contentWhole nothing.
func (c *content) encode(e *encoder, m *message, at time.Time) []ledger.Interpersonal {
	r := rand.New(rand.NewPCG(c.seed, 0x636f6e74656e74))
	switch c.kind {
	case contentOctets, contentUnknown:
		e.primitive(tagOctetString, appendText(nil, r, c.size))
		return []ledger.Interpersonal{{Kind: "unknown"}}
	case contentWhole:
		e.raw(c.whole...)
		return nil
	case contentForeign:
		x := e.open(tagExternal)
		e.oid(tagOID, "1.3.6.1.4.1.99999.400.8")
		e.primitive(0x81, appendText(nil, r, c.size))
		e.close(x)
		return []ledger.Interpersonal{{Kind: "unknown"}}
	}
	w := interpersonal{e: e, rng: r, m: m, at: at, old: c.kind == contentP2, rate: plainRate}
	if c.seed%4 == 0 {
		w.rate = featuredRate
	}
	switch c.kind {
	case contentCMS:
		w.secured(c)
	case contentEDI:
		w.edi(c)
	case contentInner:
		w.enveloped(c)
	default:
		w.object(c)
	}
	return w.out
}
