package x411

import (
	"slices"
	"testing"
)

// tlv is a parsed encoding of single-octet tags, which is all that the messages
// under test have.
type tlv struct {
	id       byte
	value    []byte
	children []tlv
}

func parse(t testing.TB, in []byte) []tlv {
	t.Helper()
	var out []tlv
	for len(in) > 0 {
		e, rest := parseOne(t, in)
		out, in = append(out, e), rest
	}
	return out
}

func parseOne(t testing.TB, in []byte) (tlv, []byte) {
	t.Helper()
	e := tlv{id: in[0]}
	n, head := int(in[1]), 2
	if n == 0x80 {
		in = in[2:]
		for in[0] != 0 || in[1] != 0 {
			var child tlv
			child, in = parseOne(t, in)
			e.children = append(e.children, child)
		}
		return e, in[2:]
	}
	if n > 0x80 {
		head += n & 0x7f
		n = 0
		for _, b := range in[2:head] {
			n = n<<8 | int(b)
		}
	}
	e.value = in[head : head+n]
	if e.id&0x20 != 0 {
		e.children = parse(t, e.value)
	}
	return e, in[head+n:]
}

// coding is one of BER's ways to say the same (X.690 clause 8).
type coding struct {
	indefinite bool // lengths of constructed elements
	long       bool // lengths in four octets
	segments   bool // universal strings constructed
	reversed   bool // SETs
}

func (k coding) encode(es []tlv) []byte {
	var out []byte
	for i := range es {
		out = append(out, k.one(&es[i])...)
	}
	return out
}

func (k coding) one(e *tlv) []byte {
	if e.id&0x20 == 0 {
		if k.segments && len(e.value) > 1 && slices.Contains([]byte{0x04, 0x12, 0x13, 0x14, 0x16}, e.id) {
			half := len(e.value) / 2
			return k.wrap(e.id|0x20, slices.Concat(k.wrap(0x04, e.value[:half]), k.wrap(0x04, e.value[half:])))
		}
		return k.wrap(e.id, e.value)
	}
	children := e.children
	if k.reversed && (e.id == 0x31 || e.id == 0xa5) {
		children = slices.Clone(children)
		slices.Reverse(children)
	}
	return k.wrap(e.id, k.encode(children))
}

func (k coding) wrap(id byte, body []byte) []byte {
	switch n := len(body); {
	case k.indefinite && id&0x20 != 0:
		return slices.Concat([]byte{id, 0x80}, body, []byte{0, 0})
	case k.long:
		return slices.Concat([]byte{id, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body)
	case n >= 0x80:
		return slices.Concat([]byte{id, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, body)
	default:
		return slices.Concat([]byte{id, byte(n)}, body)
	}
}

// An APDU is the same in whatever way BER allows to encode it.
func TestEveryCodingIsTheSame(t *testing.T) {
	inputs := map[string][]byte{"everything": everything(t), "report": report(t)}
	for _, name := range realNames(t) {
		if in := realOctets(t, name); len(in) < 10000 {
			inputs[name] = in
		}
	}
	codings := map[string]coding{
		"indefinite":             {indefinite: true},
		"long lengths":           {long: true},
		"segments":               {segments: true},
		"reversed sets":          {reversed: true},
		"indefinite segments":    {indefinite: true, segments: true},
		"everything at once":     {indefinite: true, segments: true, reversed: true, long: true},
		"as parsed and put back": {},
	}
	for name, in := range inputs {
		var want APDU
		want.Decode(in)
		tree := parse(t, in)
		for title, k := range codings {
			t.Run(name+" "+title, func(t *testing.T) {
				var got APDU
				got.Decode(k.encode(tree))
				if got.Status != want.Status {
					t.Fatalf("%v, %s", got.Status, got.Failure.Error())
				}
				compare(t, describe(&got), describe(&want))
				if string(got.AppendContent(nil)) != string(want.AppendContent(nil)) || got.Content.Size != want.Content.Size {
					t.Error("contents differ")
				}
				if k.reversed {
					return
				}
				for i := range want.Extensions {
					// Sizes and raw octets are those of the coding.
					if x, y := &got.Extensions[i], &want.Extensions[i]; x.Number != 28 && x.Err == CodeNone &&
						string(x.Value) != string(y.Value) {
						t.Errorf("extension %d\n got %s\nwant %s", x.Number, x.Value, y.Value)
					}
				}
			})
		}
	}
}

// Whatever octet is replaced, the decoder stays within its bounds and its
// promises.
func TestReplacedOctets(t *testing.T) {
	var a APDU
	var b Bind
	for _, in := range [][]byte{realOctets(t, "p20.01.apdu"), realOctets(t, "p31.02.apdu"), report(t), messageWith(nil, nil),
		external(orNamesMessage(t))} {
		for i := range in {
			old := in[i]
			for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff, old ^ 0x20, old + 1, old - 1} {
				in[i] = v
				status := a.Decode(in)
				b.Decode(in, BindArgument)
				if (status == StatusOK) != (a.Failure.Code == CodeNone) {
					t.Fatalf("octet %d as %02x: %v with %v", i, v, status, a.Failure.Code)
				}
				for _, r := range []Range{a.Octets, a.Envelope, a.Content.Encoding, a.Content.Contents, a.Originator.Octets} {
					if r.Start < 0 || r.End < r.Start || r.End > len(in) {
						t.Fatalf("octet %d as %02x: range %v", i, v, r)
					}
				}
				if a.Failure.Offset > len(in) {
					t.Fatalf("octet %d as %02x: offset %d", i, v, a.Failure.Offset)
				}
			}
			in[i] = old
		}
	}
}

// orNamesMessage is a message with every case of OR-name in it.
func orNamesMessage(t testing.TB) []byte {
	var names [][]byte
	for _, tt := range orNameCases(t) {
		names = append(names, tt.octets)
	}
	return messageWith([][]byte{extn(42, nil, el(set, names...))}, nil)
}

// What is spent on an input is bounded by its size: octets made to be read many
// times over are given up, not worked through.
func TestWorkIsBounded(t *testing.T) {
	deep := func(n int) []byte {
		var in []byte
		for range n {
			in = append(in, 0x30, 0x80)
		}
		return in
	}
	for name, in := range map[string][]byte{
		"nested indefinite lengths": append([]byte{0xa0, 0x80, 0x31, 0x80}, deep(1<<16)...),
		"many empty recipients":     el(0xa0, el(set, el(0xa2, make([]byte, 0), repeat(el(set), 30000)))),
		"many extensions":           el(0xa0, el(set, el(0xa3, repeat(el(seq), 30000)))),
		"many names":                messageWith([][]byte{extn(42, nil, el(set, repeat(el(0x60, el(seq)), 10000)))}, nil),
		"many attributes":           el(0xa0, el(set, name(el(seq), repeatDDA(5000)))),
	} {
		t.Run(name, func(t *testing.T) {
			var a APDU
			if a.Decode(in) == StatusOK && name != "many names" {
				t.Error("status ok")
			}
			if n := len(a.d.arena); n > 64*len(in)+4096 {
				t.Errorf("%d octets of text from %d", n, len(in))
			}
		})
	}
}

func repeat(e []byte, n int) []byte { return slices.Repeat(e, n) }

func repeatDDA(n int) []byte {
	return el(seq, repeat(el(seq, str(ttx, "t"), str(ttx, "v")), n))
}
