package ber

import "testing"

// benchInput is the real APDUs without those that are one long content: what
// is left is envelopes, the traffic that costs most per octet.
func benchInput(b *testing.B, keep func([]byte) bool) (in [][]byte, octets, elements int) {
	b.Helper()
	var d Decoder
	for _, a := range realAPDUs(b) {
		if !keep(a.octets) {
			continue
		}
		in = append(in, a.octets)
		octets += len(a.octets)
		c := d.Reset(a.octets)
		n, _ := walk(&c)
		elements += n
	}
	return in, octets, elements
}

func perTLV(b *testing.B, elements int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(elements), "ns/TLV")
}

// flat walks all levels without recursion, as a decoder with a table does.
func flat(c Cursor) int {
	var stack [DefaultMaxDepth + 1]Cursor
	var e Element
	n, sp := 0, 0
	cur := &stack[0]
	*cur = c
	for {
		for cur.Next(&e) {
			n++
			if e.Constructed {
				sp++
				stack[sp] = cur.Enter(&e)
				cur = &stack[sp]
			}
		}
		if sp == 0 {
			return n
		}
		sp--
		cur = &stack[sp]
	}
}

func BenchmarkWalk(b *testing.B) {
	small := func(in []byte) bool { return len(in) < 1000 }
	for _, set := range []struct {
		name string
		keep func([]byte) bool
	}{
		{"all", func([]byte) bool { return true }},
		{"small", small},
		{"small definite", func(in []byte) bool { return small(in) && definite(in) }},
		{"small indefinite", func(in []byte) bool { return small(in) && !definite(in) }},
	} {
		in, octets, elements := benchInput(b, set.keep)
		b.Run(set.name, func(b *testing.B) {
			b.SetBytes(int64(octets))
			b.ReportAllocs()
			var d Decoder
			for b.Loop() {
				n := 0
				for _, a := range in {
					c := d.Reset(a)
					k, _ := walk(&c)
					n += k
				}
				if n != elements {
					b.Fatal(n)
				}
			}
			perTLV(b, elements)
		})
		b.Run(set.name+"/flat", func(b *testing.B) {
			b.SetBytes(int64(octets))
			var d Decoder
			for b.Loop() {
				n := 0
				for _, a := range in {
					n += flat(d.Reset(a))
				}
				if n != elements {
					b.Fatal(n)
				}
			}
			perTLV(b, elements)
		})
	}
}

func BenchmarkTime(b *testing.B) {
	s := []byte("960501095900Z")
	for b.Loop() {
		UTCTime(s)
	}
}

func BenchmarkOID(b *testing.B) {
	oid := []byte{0x56, 0, 1, 6}
	dst := make([]byte, 0, 64)
	for b.Loop() {
		AppendOID(dst, oid)
	}
}
