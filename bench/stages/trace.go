package stages

import (
	"context"
	"encoding/asn1"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	asn1ber "github.com/go-asn1-ber/asn1-ber"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"x400flow/osi/ber"
)

// tracePasses is how often a round reads the trace informations.
const tracePasses = 5000

// traceElement is a TraceInformationElement (X.411 figure 4), of which encoding/asn1
// makes the type. The time is a text, since it refuses times with the offset +0000,
// which real ones have.
type traceElement struct {
	Domain   globalDomain        `asn1:"application,tag:3"`
	Supplied suppliedInformation `asn1:"set"`
}

type globalDomain struct {
	Country string `asn1:"application,explicit,tag:1,printable"`
	ADMD    string `asn1:"application,explicit,tag:2,printable"`
	PRMD    string `asn1:"optional,printable"`
}

type suppliedInformation struct {
	Arrival   string          `asn1:"tag:0,ia5"`
	Action    asn1.Enumerated `asn1:"tag:2"`
	Attempted globalDomain    `asn1:"optional,application,tag:3"`
}

// traceReader reads the elements of a trace information.
type traceReader func([]byte) ([]traceElement, error)

func traceCases() []Case {
	const name = "BER, trace information"
	return []Case{
		{Name: name, Group: name, Unit: "trace element", Open: traces(new(traceCursor).read)},
		{Name: "cryptobyte, trace information", Group: name, Unit: "trace element", Yardstick: true, Open: traces(readTraceString)},
		{Name: "encoding/asn1, trace information", Group: name, Unit: "trace element", Yardstick: true, Open: traces(readTraceStandard)},
		{Name: "go-asn1-ber, trace information", Group: name, Unit: "trace element", Yardstick: true, Open: traces(readTracePackets)},
	}
}

// traces reads the trace informations of the real APDUs.
func traces(read traceReader) func(context.Context, *Corpus) (Run, error) {
	return func(_ context.Context, c *Corpus) (Run, error) {
		in, err := realTraces(c.Real)
		if err != nil {
			return Run{}, err
		}
		return Run{Round: func() (n Count, err error) {
			for range tracePasses {
				for _, b := range in {
					elements, err := read(b)
					if err != nil {
						return n, err
					}
					n.Units += int64(len(elements))
					n.Octets += int64(len(b))
				}
			}
			return n, nil
		}}, nil
	}
}

// realTraces are the trace informations of the APDUs in dir which have definite
// lengths only: the yardsticks can read no others.
func realTraces(dir string) (traces [][]byte, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.apdu"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if definite(b) {
			var d ber.Decoder
			traces = appendTraces(traces, d.Reset(b))
		}
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("no trace information in %s", dir)
	}
	return traces, nil
}

func appendTraces(traces [][]byte, c ber.Cursor) [][]byte {
	var e ber.Element
	for c.Next(&e) {
		switch {
		case e.Tag == ber.App(9) && e.Constructed:
			traces = append(traces, c.Raw(&e))
		case e.Constructed:
			traces = appendTraces(traces, c.Enter(&e))
		}
	}
	return traces
}

var errTrace = errors.New("not a trace information")

// traceCursor reads with the cursor, as package x411 does: what it reads is of the input,
// and memory is used again. One copy of the input serves all texts.
type traceCursor struct {
	d        ber.Decoder
	text     string
	elements []traceElement
}

func (r *traceCursor) read(in []byte) ([]traceElement, error) {
	r.text = string(in)
	r.elements = r.elements[:0]
	c := r.d.Reset(in)
	var e ber.Element
	if !c.Next(&e) || e.Tag != ber.App(9) {
		return nil, errTrace
	}
	elements := c.Enter(&e)
	for elements.Next(&e) {
		if e.Tag != ber.TagSequence {
			return nil, errTrace
		}
		r.elements = append(r.elements, traceElement{})
		fields := elements.Enter(&e)
		if !r.element(&fields, &r.elements[len(r.elements)-1]) || fields.Code() != ber.None {
			return nil, errTrace
		}
	}
	if elements.Code() != ber.None {
		return nil, errTrace
	}
	return r.elements, nil
}

func (r *traceCursor) element(c *ber.Cursor, t *traceElement) bool {
	var e ber.Element
	if !c.Next(&e) || e.Tag != ber.App(3) || !r.domain(c.Enter(&e), &t.Domain) || !c.Next(&e) || e.Tag != ber.TagSet {
		return false
	}
	in := c.Enter(&e)
	for in.Next(&e) {
		switch e.Tag {
		case ber.Context(0):
			t.Supplied.Arrival = r.string(&e)
		case ber.Context(2):
			v, ok := ber.Int64(e.Content)
			if !ok {
				return false
			}
			t.Supplied.Action = asn1.Enumerated(v)
		case ber.App(3):
			if !r.domain(in.Enter(&e), &t.Supplied.Attempted) {
				return false
			}
		}
	}
	return in.Code() == ber.None
}

func (r *traceCursor) domain(c ber.Cursor, g *globalDomain) bool {
	var e, v ber.Element
	for c.Next(&e) {
		switch e.Tag {
		case ber.App(1), ber.App(2):
			in := c.Enter(&e)
			if !in.Next(&v) {
				return false
			}
			if e.Tag == ber.App(1) {
				g.Country = r.string(&v)
			} else {
				g.ADMD = r.string(&v)
			}
		default:
			g.PRMD = r.string(&e)
		}
	}
	return c.Code() == ber.None
}

func (r *traceCursor) string(e *ber.Element) string {
	at := e.Offset + e.Header
	return r.text[at : at+len(e.Content)]
}

func readTraceStandard(in []byte) (elements []traceElement, err error) {
	_, err = asn1.UnmarshalWithParams(in, &elements, "application,tag:9")
	return elements, err
}

// application is the tag [APPLICATION n] of a constructed element.
func application(n uint8) cbasn1.Tag { return cbasn1.Tag(0x60 | n) }

func readTraceString(in []byte) (elements []traceElement, err error) {
	s := cryptobyte.String(in)
	var list, fields, domain, supplied cryptobyte.String
	if !s.ReadASN1(&list, application(9)) {
		return nil, errTrace
	}
	for !list.Empty() {
		var t traceElement
		if !list.ReadASN1(&fields, cbasn1.SEQUENCE) || !fields.ReadASN1(&domain, application(3)) ||
			!readDomainString(domain, &t.Domain) || !fields.ReadASN1(&supplied, cbasn1.SET) {
			return nil, errTrace
		}
		for !supplied.Empty() {
			var v cryptobyte.String
			var tag cbasn1.Tag
			if !supplied.ReadAnyASN1(&v, &tag) {
				return nil, errTrace
			}
			switch tag {
			case cbasn1.Tag(0).ContextSpecific():
				t.Supplied.Arrival = string(v)
			case cbasn1.Tag(2).ContextSpecific():
				if len(v) != 1 {
					return nil, errTrace
				}
				t.Supplied.Action = asn1.Enumerated(v[0])
			case application(3):
				if !readDomainString(v, &t.Supplied.Attempted) {
					return nil, errTrace
				}
			}
		}
		elements = append(elements, t)
	}
	return elements, nil
}

func readDomainString(s cryptobyte.String, g *globalDomain) bool {
	for !s.Empty() {
		var v, text cryptobyte.String
		var tag, of cbasn1.Tag
		if !s.ReadAnyASN1(&v, &tag) {
			return false
		}
		switch tag {
		case application(1), application(2):
			if !v.ReadAnyASN1(&text, &of) {
				return false
			}
			if tag == application(1) {
				g.Country = string(text)
			} else {
				g.ADMD = string(text)
			}
		default:
			g.PRMD = string(v)
		}
	}
	return true
}

func readTracePackets(in []byte) (elements []traceElement, err error) {
	list, err := asn1ber.DecodePacketErr(in)
	if err != nil {
		return nil, err
	}
	for _, fields := range list.Children {
		var t traceElement
		if len(fields.Children) != 2 || !readDomainPackets(fields.Children[0], &t.Domain) {
			return nil, errTrace
		}
		for _, f := range fields.Children[1].Children {
			switch {
			case f.ClassType == asn1ber.ClassContext && f.Tag == 0:
				t.Supplied.Arrival = f.Data.String()
			case f.ClassType == asn1ber.ClassContext && f.Tag == 2:
				v, err := asn1ber.ParseInt64(f.Data.Bytes())
				if err != nil {
					return nil, err
				}
				t.Supplied.Action = asn1.Enumerated(v)
			case f.ClassType == asn1ber.ClassApplication && f.Tag == 3:
				if !readDomainPackets(f, &t.Supplied.Attempted) {
					return nil, errTrace
				}
			}
		}
		elements = append(elements, t)
	}
	return elements, nil
}

func readDomainPackets(p *asn1ber.Packet, g *globalDomain) bool {
	for _, f := range p.Children {
		switch {
		case f.ClassType != asn1ber.ClassApplication:
			g.PRMD = f.Data.String()
		case len(f.Children) != 1:
			return false
		case f.Tag == 1:
			g.Country = f.Children[0].Data.String()
		case f.Tag == 2:
			g.ADMD = f.Children[0].Data.String()
		}
	}
	return true
}
