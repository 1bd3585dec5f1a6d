package x411

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"x400flow/osi/ber"
)

// readTwice reads the first element of octets as a domain and as a name, each with what k
// knows and without, and compares all that came of it.
func readTwice(t *testing.T, k *NameCache, octets []byte, depth, spent int) (known bool) {
	t.Helper()
	for _, domain := range []bool{true, false} {
		known = twice(t, k, octets, depth, spent, domain)
	}
	return known
}

// twice is readTwice for a domain or a name.
func twice(t *testing.T, k *NameCache, octets []byte, depth, spent int, domain bool) (known bool) {
	t.Helper()
	var with, without decoder
	with.names = k
	var names [2]ORName
	var domains [2]DomainIdentifier
	var left [2]int
	for i, d := range []*decoder{&with, &without} {
		c := d.start(octets, &Limits{Depth: depth})
		var e ber.Element
		if !c.Next(&e) {
			return false
		}
		c.Spend(spent)
		switch {
		case domain:
			d.domain(&c, &e, &domains[i])
		case i == 0 && e.Constructed:
			known = isKnown(k, e.Content)
			fallthrough
		default:
			d.orName(&c, &e, &names[i])
		}
		_, left[i] = c.Left(&e)
	}
	if !reflect.DeepEqual(names[0], names[1]) {
		t.Errorf("%x:\nwith    %+v\nwithout %+v", octets, names[0], names[1])
	}
	if !reflect.DeepEqual(domains[0], domains[1]) {
		t.Errorf("%x:\nwith    %+v\nwithout %+v", octets, domains[0], domains[1])
	}
	if !reflect.DeepEqual(with.failure, without.failure) || with.failures != without.failures || with.last != without.last {
		t.Errorf("%x: failures %v, %d, without %v, %d", octets, with.failure, with.failures, without.failure, without.failures)
	}
	if with.unknown != without.unknown || !bytes.Equal(with.firstUnknown, without.firstUnknown) || with.depth != without.depth {
		t.Errorf("%x: unknown %d, without %d", octets, with.unknown, without.unknown)
	}
	if left[0] != left[1] {
		t.Errorf("%x: %d elements may follow, without %d", octets, left[0], left[1])
	}
	return known
}

func isKnown(k *NameCache, octets []byte) bool {
	for _, s := range k.sets {
		for _, n := range s.names {
			if len(octets) > 0 && string(n.octets) == string(octets) {
				return true
			}
		}
	}
	return false
}

// eachElement calls f with every constructed element in octets.
// It returns whether they are whole.
func eachElement(octets []byte, f func([]byte)) (whole bool) {
	var d ber.Decoder
	var walk func(c ber.Cursor)
	walk = func(c ber.Cursor) {
		var e ber.Element
		for c.Next(&e) {
			if e.Constructed {
				f(c.Raw(&e))
				walk(c.Enter(&e))
			}
		}
		whole = whole && c.Err() == nil
	}
	whole = true
	walk(d.Reset(octets))
	return whole
}

// fuzzed returns the inputs of the fuzz targets that are kept.
func fuzzed(t testing.TB) (all [][]byte) {
	t.Helper()
	files, err := filepath.Glob("testdata/fuzz/*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if quoted, ok := strings.CutPrefix(line, "[]byte("); ok {
				octets, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				all = append(all, []byte(octets))
			}
		}
	}
	return all
}

// All that is built like a name in what was captured, and what was found by fuzzing, is read
// alike whether it is known or not.
func TestKnownNames(t *testing.T) {
	inputs := fuzzed(t)
	for _, file := range realNames(t) {
		inputs = append(inputs, realOctets(t, file))
	}
	for _, tt := range orNameCases(t) {
		inputs = append(inputs, tt.octets)
	}
	var k NameCache
	known := 0
	for _, in := range inputs {
		eachElement(in, func(octets []byte) {
			for range 3 {
				k.credit = maxCredit
				if readTwice(t, &k, octets, 0, 0) {
					known++
				}
			}
		})
	}
	if known < 100 {
		t.Errorf("%d names were known", known)
	}
}

// What is known is known to be allowed: a name that nests too deeply at another place, or
// that has more elements than may still be read, fails there as if it were not known.
func TestKnownNameBounds(t *testing.T) {
	for _, tt := range orNameCases(t) {
		for depth := 1; depth < 12; depth++ {
			var k NameCache
			readTwice(t, &k, tt.octets, 0, 0)
			readTwice(t, &k, tt.octets, depth, 0)
			readTwice(t, &k, tt.octets, depth, 0)
			readTwice(t, &k, tt.octets, 0, 0)
		}
		all := ber.DefaultMinElements + 8*len(tt.octets)
		for left := range 40 {
			var k NameCache
			readTwice(t, &k, tt.octets, 0, 0)
			readTwice(t, &k, tt.octets, 0, all-1-left)
		}
	}
}

// Domains that are read again are found, but where two have one place, and for them no more
// is allowed than for others.
func TestKnownDomains(t *testing.T) {
	var k NameCache
	found := 0
	for range 2 {
		for i := range 20 {
			for _, octets := range [][]byte{
				el(0x63, country("GB"), admd(" "), str(prn, fmt.Sprintf("PRMD %d", i))),
				el(0x63, country("GB"), admd(fmt.Sprintf("%d", i)), str(nmr, "4711")),
				el(0x63, country("GB"), admd(fmt.Sprintf("GOLD %d", i))),
			} {
				if x := k.domain(octets[2:]); string(x.octets) == string(octets[2:]) {
					found++
				}
				twice(t, &k, octets, 0, 0, true)
				for depth := 1; depth < 5; depth++ {
					twice(t, &k, octets, depth, 0, true)
				}
				for left := range 20 {
					twice(t, &k, octets, 0, ber.DefaultMinElements+8*len(octets)-1-left, true)
				}
			}
		}
	}
	if found < 45 {
		t.Errorf("%d of 60 domains were found", found)
	}
	if len(k.domains) != 1<<domainBits {
		t.Errorf("%d places", len(k.domains))
	}
}

// traceAlike reads each constructed element in octets as a trace element that is plain, once k
// knows its domain, and as any, and compares what comes of those that are. It returns how many are.
func traceAlike(t *testing.T, k *NameCache, octets []byte, depth, spent int) (plain int) {
	t.Helper()
	eachElement(octets, func(octets []byte) {
		var short, long decoder
		short.names, long.names = k, k
		var traces [2]TraceElement
		var left [2]int
		taken := false
		for i, d := range []*decoder{&long, &short} {
			c := d.start(octets, &Limits{Depth: depth})
			var e ber.Element
			if !c.Next(&e) || !e.Constructed {
				return
			}
			c.Spend(spent)
			if i == 0 {
				d.anyTrace(&c, &e, &traces[i])
			} else {
				taken = d.plainTrace(&c, &e, &traces[i])
			}
			_, left[i] = c.Left(&e)
		}
		if !taken {
			if !reflect.DeepEqual(traces[1], TraceElement{}) {
				t.Errorf("%x: %+v of what is not plain", octets, traces[1])
			}
			return
		}
		plain++
		if !reflect.DeepEqual(traces[0], traces[1]) {
			t.Errorf("%x:\nplain %+v\nany   %+v", octets, traces[1], traces[0])
		}
		if long.failures > 0 || long.unknown > 0 {
			t.Errorf("%x is plain: %s, unknown %s", octets, long.failure.Error(), long.firstUnknown)
		}
		if left[0] != left[1] {
			t.Errorf("%x: %d elements may follow, not %d", octets, left[1], left[0])
		}
	})
	return plain
}

// Trace elements that are read as plain ones are as they are otherwise.
func TestPlainTrace(t *testing.T) {
	domain := el(0x63, country("GB"), admd(" "), str(prn, "Gamma"))
	arrival, action := str(0x80, "960501095900Z"), el(0x82, []byte{1})
	supplied := el(set, arrival, action)
	more := el(set, str(0x81, "960502000000Z"), action, str(ia5, "mta-2"), arrival)
	whole := [][]byte{el(seq, domain, supplied), el(seq, domain, str(ia5, "mta-1"), supplied), el(seq, domain, str(prn, ""), supplied),
		el(seq, domain, el(set, action, arrival)), el(seq, domain, str(ia5, "mta-1"), more)}
	others := el(0x83, []byte{6, 0xc0})
	types := el(0x65, el(0x80, []byte{5, 0x20}))
	whole = append(whole, el(seq, domain, el(set, arrival, others, action)))
	for _, octets := range whole {
		whole = append(whole, coding{indefinite: true}.encode(parse(t, octets)), coding{long: true}.encode(parse(t, octets)))
	}
	// Types are read in one way alone, and indefinite lengths in indefinite ones that are in such otherwise.
	typed, tried := el(seq, domain, el(set, types, arrival, action, others)), el(seq, domain, el(set, arrival, action, domain))
	whole = append(whole, typed, coding{indefinite: true}.encode(parse(t, typed)), tried, coding{long: true}.encode(parse(t, tried)))
	var k NameCache
	for _, octets := range whole {
		if plain := traceAlike(t, &k, octets, 0, 0); plain != 1 {
			t.Errorf("%x: %d are plain", octets, plain)
		}
		for i := range octets {
			for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff, octets[i] ^ 0x20, octets[i] + 1, octets[i] - 1, 0x13, 0x16, 0x30, 0x81} {
				changed := slices.Clone(octets)
				changed[i] = v
				traceAlike(t, &k, changed, 0, 0)
				traceAlike(t, &k, octets, 0, 0)
			}
		}
		for depth := 1; depth < 6; depth++ {
			traceAlike(t, &k, octets, depth, 0)
		}
		for left := range 50 {
			traceAlike(t, &k, octets, 0, ber.DefaultMinElements+8*len(octets)-1-left)
		}
	}
	plain := 0
	for _, file := range realNames(t) {
		plain += traceAlike(t, &k, realOctets(t, file), 0, 0)
	}
	for _, in := range fuzzed(t) {
		traceAlike(t, &k, in, 0, 0)
	}
	if plain < 5 {
		t.Errorf("%d elements of what was captured are plain", plain)
	}
}

func FuzzPlainTrace(f *testing.F) {
	f.Add(el(seq, el(0x63, country("GB"), admd(" ")), str(ia5, "mta-1"), el(set, str(0x80, "960501095900Z"), el(0x82, []byte{1}))), byte(0), uint16(0))
	f.Add(traceInfo(), byte(0), uint16(0))
	f.Add(coding{indefinite: true}.encode(parse(f, traceInfo())), byte(0), uint16(0))
	var k NameCache
	f.Fuzz(func(t *testing.T, octets []byte, depth byte, spent uint16) {
		traceAlike(t, &k, octets, 0, 0)
		traceAlike(t, &k, octets, int(depth), int(spent))
	})
}

// A cache does not grow, and names that all differ are soon not looked for any more; once
// they come again, they are, however few they are.
func TestNameCacheBounds(t *testing.T) {
	for _, names := range []int{1, 5, 50} {
		nameCacheBounds(t, names)
	}
}

func nameCacheBounds(t *testing.T, names int) {
	var k NameCache
	name := func(i int) []byte {
		return el(seq, el(seq, el(0x61, str(prn, "GB")), str(0x83, fmt.Sprintf("Organization %d", i))))
	}
	read := func(i int) (looked bool) {
		var d decoder
		d.names = &k
		octets := name(i)
		c := d.start(octets, &Limits{})
		var e ber.Element
		var n ORName
		if !c.Next(&e) {
			t.Fatal(c.Err())
		}
		known, _, wanted := k.find(e.Content)
		d.orName(&c, &e, &n)
		return known != nil || wanted
	}
	looked := 0
	for i := range 20000 {
		if read(i) {
			looked++
		}
	}
	if looked > 20000/8 {
		t.Errorf("%d of 20000 different names were looked for", looked)
	}
	if len(k.sets) != nameSets {
		t.Errorf("%d sets", len(k.sets))
	}
	looked = 0
	for i := range 20000 {
		if read(i % names) {
			looked++
		}
	}
	if looked < 10000 {
		t.Errorf("%d of 20000 reads of %d names were looked for", looked, names)
	}
}

// readByFront is readTwice for octets that are not known as a whole, and may begin as others do.
func readByFront(t *testing.T, k *NameCache, octets []byte, depth, spent int) {
	t.Helper()
	for range 3 {
		clear(k.sets)
		twice(t, k, octets, depth, spent, false)
	}
}

// What begins as other names is read as it is otherwise, wherever its other attributes have their
// places.
func TestKnownFronts(t *testing.T) {
	inputs := fuzzed(t)
	for _, file := range realNames(t) {
		inputs = append(inputs, realOctets(t, file))
	}
	front := [][]byte{country("GB"), admd(" Gold=400"), el(0xa2, str(prn, "P/MD")), str(0x83, "Met  Office")}
	personal := el(0xa5, str(0x80, "Smith"), str(0x81, "Ann"))
	inputs = append(inputs,
		el(seq, el(seq, front[0], front[1], front[2], front[3], personal)),
		el(seq, el(seq, front[0], front[1], str(0x80, "234"), str(0x81, "T"), front[2], front[3])),
		el(seq, el(seq, front[1], front[0], front[3], front[2], personal, el(0xa6, str(prn, "Z")))),
		el(seq, el(seq, front[0], front[3], front[2], front[1])),
		el(seq, el(seq, front[0], front[3], personal, front[2], front[1])),
		el(seq, el(seq, front[0], front[1], front[0], personal)),
		el(seq, el(seq, country("GB"), admd(""), el(0xa2, str(nmr, "4711")), str(0x83, ""))),
		el(seq, el(seq, country("234"), admd(" "), str(0x83, "\xe9"))),
	)
	for _, tt := range orNameCases(t) {
		inputs = append(inputs, tt.octets)
	}
	for _, in := range inputs {
		if len(in) < 1<<12 && eachElement(in, func([]byte) {}) {
			inputs = append(inputs, coding{indefinite: true}.encode(parse(t, in)))
		}
	}
	var k NameCache
	for _, in := range inputs {
		eachElement(in, func(octets []byte) { readByFront(t, &k, octets, 0, 0) })
	}
	learnt := 0
	for i := range k.fronts {
		if k.fronts[i].kinds != 0 {
			learnt++
		}
	}
	if learnt < 10 || len(k.fronts) != 1<<frontBits {
		t.Errorf("%d fronts in %d places", learnt, len(k.fronts))
	}
	for _, in := range inputs[len(inputs)-20:] {
		for depth := 1; depth < 6; depth++ {
			readByFront(t, &k, in, depth, 0)
		}
		for left := range 30 {
			readByFront(t, &k, in, 0, ber.DefaultMinElements+8*len(in)-1-left)
		}
	}
}

// oidAlike reads the first element of octets as an object identifier, with what k knows and without,
// and compares what came of it.
func oidAlike(t *testing.T, k *NameCache, octets []byte) {
	t.Helper()
	var with, without decoder
	with.names = k
	var texts, values [2][]byte
	var oks [2]bool
	for i, d := range []*decoder{&with, &without} {
		c := d.start(octets, &Limits{})
		var e ber.Element
		if !c.Next(&e) {
			return
		}
		texts[i], oks[i] = d.oid(&c, &e)
		values[i] = d.appendAny(nil, &c, &e)
	}
	if oks[0] != oks[1] || !reflect.DeepEqual(texts[0], texts[1]) || !bytes.Equal(with.arena, without.arena) {
		t.Errorf("%x: %q, %v, without %q, %v", octets, texts[0], oks[0], texts[1], oks[1])
	}
	if !reflect.DeepEqual(values[0], values[1]) {
		t.Errorf("%x: %q, without %q", octets, values[0], values[1])
	}
	if !reflect.DeepEqual(with.failure, without.failure) || with.failures != without.failures {
		t.Errorf("%x: failures %v, %d, without %v, %d", octets, with.failure, with.failures, without.failure, without.failures)
	}
}

// An object identifier that is known is read as it is otherwise, also where others had its place.
func TestKnownOIDs(t *testing.T) {
	var k NameCache
	for n := range maxOID + 2 {
		for last := range 300 {
			content := bytes.Repeat([]byte{0x7f}, n)
			for i := 0; i < min(n, 2); i++ {
				content[n-1-i] = byte(last >> (8 * i)) // Cut short where the last octet says so.
			}
			for _, octets := range [][]byte{el(0x06, content), el(0xa0, el(0x06, content))} {
				for range 2 {
					oidAlike(t, &k, octets)
				}
			}
		}
	}
	if len(k.oids) != 1<<oidBits {
		t.Errorf("%d places", len(k.oids))
	}
	for _, x := range k.oids {
		if n := len(x.octets); n > 0 && n < minOID || cap(x.octets) > 2*maxOID || cap(x.text) > 256 {
			t.Errorf("%x is kept in %d octets, its text in %d", x.octets, cap(x.octets), cap(x.text))
		}
	}
	content := []byte{0x56, 0x06, 0x01, 0x0a, 0x00}
	oidAlike(t, &k, el(0x06, content))
	if x := k.oid(content); string(x.octets) != string(content) || string(x.text) != "2.6.6.1.10.0" {
		t.Errorf("%x is kept as %x, %s", content, x.octets, x.text)
	}
}

func FuzzNameCache(f *testing.F) {
	for _, tt := range orNameCases(f) {
		f.Add(tt.octets, byte(0), uint16(0))
	}
	for _, in := range fuzzed(f) {
		f.Add(in, byte(9), uint16(4000))
	}
	var k, fronts NameCache
	f.Fuzz(func(t *testing.T, octets []byte, depth byte, spent uint16) {
		for range 2 {
			k.credit = maxCredit
			readTwice(t, &k, octets, 0, 0)
			readTwice(t, &k, octets, int(depth), int(spent))
		}
		readByFront(t, &fronts, octets, 0, 0)
		readByFront(t, &fronts, octets, int(depth), int(spent))
		for range 2 {
			oidAlike(t, &k, octets)
			oidAlike(t, &k, el(0x06, octets))
		}
	})
}

func BenchmarkNameCache(b *testing.B) {
	var octets [][]byte
	for i := range 4096 {
		octets = append(octets, el(seq, el(seq, el(0x61, str(prn, "GB")), el(0x62, str(prn, "GOLD 400")), str(0x83, "Shipping"),
			el(0xa5, str(0x80, "van der Berg"), str(0x81, "Greta"), str(0x82, "O")), el(0xa6, str(prn, fmt.Sprintf("Forecast %d", i))))))
	}
	for _, bb := range []struct {
		name  string
		cache bool
		names int
	}{{"none", false, 4096}, {"all different", true, 4096}, {"100 names", true, 100}} {
		b.Run(bb.name, func(b *testing.B) {
			var d decoder
			if bb.cache {
				d.names = new(NameCache)
			}
			i := 0
			b.ReportAllocs()
			b.SetBytes(int64(len(octets[0])))
			for b.Loop() {
				c := d.start(octets[i%bb.names], &Limits{})
				i++
				var e ber.Element
				var n ORName
				c.Next(&e)
				d.orName(&c, &e, &n)
			}
		})
	}
}
