package stages

import (
	"bytes"
	"context"
	"encoding/asn1"
	"fmt"
	"os"
	"path/filepath"

	asn1ber "github.com/go-asn1-ber/asn1-ber"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"x400flow/osi/ber"
)

// passes is how often a round walks the APDUs: one pass takes microseconds, of which
// measuring it would be a good part.
const passes = 200

// smallAPDU is the size up to which an APDU is nearly all envelope, which costs most
// for each octet.
const smallAPDU = 1000

func berCases() []Case {
	const all, small = "BER, real APDUs", "BER, envelopes in definite lengths"
	return []Case{
		{Name: all, Group: all, Unit: "TLV", Open: walks(false, new(walker).walk)},
		{Name: small, Group: small, Unit: "TLV", Open: walks(true, new(walker).walk)},
		{Name: "cryptobyte", Group: small, Unit: "TLV", Yardstick: true, Open: walks(true, walkCryptobyte)},
		{Name: "encoding/asn1", Group: small, Unit: "TLV", Yardstick: true, Open: walks(true, walkStandard)},
		{Name: "go-asn1-ber", Group: small, Unit: "TLV", Yardstick: true, Open: walks(true, walkPackets)},
	}
}

// walks walks the real APDUs, of which the encodings in definite lengths alone are
// what the yardsticks can read.
func walks(small bool, walk func([]byte) int) func(context.Context, *Corpus) (Run, error) {
	return func(_ context.Context, c *Corpus) (Run, error) {
		names, err := filepath.Glob(filepath.Join(c.Real, "*.apdu"))
		if err != nil || len(names) == 0 {
			return Run{}, fmt.Errorf("no APDUs in %s: %v", c.Real, err)
		}
		var in [][]byte
		var n Count
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				return Run{}, err
			}
			if small && (len(b) > smallAPDU || !definite(b)) {
				continue
			}
			in = append(in, b)
			n.Octets += int64(len(b))
			n.Units += int64(walkCursor(b))
		}
		return Run{Round: func() (Count, error) {
			units := 0
			for range passes {
				for _, b := range in {
					units += walk(b)
				}
			}
			// One yardstick refuses some of the APDUs.
			if int64(units) < n.Units*passes*4/5 {
				return n, fmt.Errorf("%d elements, others have %d", units, n.Units*passes)
			}
			return Count{Units: int64(units), Octets: n.Octets * passes}, nil
		}}, nil
	}
}

func definite(b []byte) bool {
	var d ber.Decoder
	c := d.Reset(b)
	return definiteBelow(&c)
}

func definiteBelow(c *ber.Cursor) bool {
	var e ber.Element
	for c.Next(&e) {
		if e.Indefinite {
			return false
		}
		if e.Constructed {
			if in := c.Enter(&e); !definiteBelow(&in) {
				return false
			}
		}
	}
	return c.Code() == ber.None
}

// walker counts the elements of encodings, level by level, as decoders do. Its
// decoder is used again, as theirs are.
type walker struct{ d ber.Decoder }

func (w *walker) walk(b []byte) int {
	return walkLevel(w.d.Reset(b))
}

func walkLevel(c ber.Cursor) (n int) {
	var e ber.Element
	for c.Next(&e) {
		n++
		if e.Constructed {
			n += walkLevel(c.Enter(&e))
		}
	}
	return n
}

func walkCursor(b []byte) int { return new(walker).walk(b) }

func walkCryptobyte(b []byte) int { return walkString(b) }

func walkString(s cryptobyte.String) (n int) {
	for !s.Empty() {
		var body cryptobyte.String
		var tag cbasn1.Tag
		if !s.ReadAnyASN1(&body, &tag) {
			return n
		}
		n++
		if tag&0x20 != 0 {
			n += walkString(body)
		}
	}
	return n
}

func walkStandard(in []byte) (n int) {
	for len(in) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(in, &v)
		if err != nil {
			return n
		}
		n++
		if v.IsCompound {
			n += walkStandard(v.Bytes)
		}
		in = rest
	}
	return n
}

func walkPackets(in []byte) int {
	n := 0
	for r := bytes.NewReader(in); r.Len() > 0; {
		p, err := asn1ber.ReadPacket(r)
		if err != nil {
			return n
		}
		n += count(p)
	}
	return n
}

func count(p *asn1ber.Packet) int {
	n := 1
	for _, c := range p.Children {
		n += count(c)
	}
	return n
}
