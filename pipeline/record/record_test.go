package record

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema compiles record.proto, so that another implementation of protocol
// buffers can read what this package writes.
func schema(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	text, err := os.ReadFile("record.proto")
	if err != nil {
		t.Fatal(err)
	}
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"record.proto": string(text)}),
	}}
	files, err := c.Compile(context.Background(), "record.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Record")
}

var (
	sampleConn = Connection{
		ID:     [16]byte{1, 2, 3, 15: 9},
		Client: netip.MustParseAddrPort("127.0.0.11:1024"),
		Server: netip.MustParseAddrPort("[2001:db8::1]:102"),
		Start:  1_795_491_074_759_476_000,
	}
	sampleItems = []Item{
		{Kind: TPDU, Dir: 0, Sequence: 0xffff_fff0, Time: 1_795_491_074_759_476_000, Frame: 4, Octets: []byte{2, 0xf0, 0x80, 1, 0}, Resync: true},
		{Kind: Gap, Dir: 1, Sequence: 7, Time: 1_795_491_074_000_000_000, Offset: 1 << 40, Frame: 1 << 33, Octets: []byte{}, Lost: 12345, Source: 1},
		{Kind: Redaction, Dir: 1, Sequence: 8, Time: 1_795_491_075_000_000_000, Offset: 3, Frame: 9, Octets: []byte{}, Redacted: 200, Digest: bytes.Repeat([]byte{0xab}, 32)},
	}
	sampleCounters = [2]Counters{{1, 2, 3, 4, 5, 6, 7, 8}, {Packets: 1 << 50}}
)

func sample() []byte {
	b := Begin(nil, &Header{Kind: KindConnection, Sensor: "tap1", Epoch: 42})
	b = BeginConnection(b, &sampleConn, 3, sampleConn.Start)
	b = AppendSource(b, "a.pcap")
	b = AppendPreamble(b, &sampleItems[0], sampleConn.Start)
	b = AppendSource(b, "b.pcap")
	for i := range sampleItems {
		b, _ = AppendItem(b, &sampleItems[i], sampleConn.Start)
	}
	return Finish(b, &sampleCounters, RST, true, true)
}

func TestRoundTrip(t *testing.T) {
	var got Record
	if err := got.Decode(sample()); err != nil {
		t.Fatal(err)
	}
	want := Record{
		Kind: KindConnection, Sensor: []byte("tap1"), Epoch: 42,
		Sources: [][]byte{[]byte("a.pcap"), []byte("b.pcap")}, Conn: sampleConn, Number: 3,
		Time: sampleConn.Start, Preamble: sampleItems[:1], PreambleCut: true, Items: sampleItems,
		Counters: sampleCounters, End: RST, Muted: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if s := got.SourceOf(&got.Items[1]); string(s) != "b.pcap" {
		t.Errorf("source of the second item is %q", s)
	}
}

// TestSchema reads what Builder wrote with the protobuf library and record.proto.
func TestSchema(t *testing.T) {
	md := schema(t)
	m := dynamicpb.NewMessage(md)
	if err := proto.Unmarshal(sample(), m); err != nil {
		t.Fatal(err)
	}
	if u := m.GetUnknown(); len(u) > 0 {
		t.Errorf("fields that record.proto lacks: %x", []byte(u))
	}
	field := func(m protoreflect.Message, name string) protoreflect.Value {
		t.Helper()
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			t.Fatalf("no field %s", name)
		}
		return m.Get(fd)
	}
	if v := field(m, "epoch").Int(); v != 42 {
		t.Errorf("epoch %d", v)
	}
	if n := field(m, "items").List().Len(); n != len(sampleItems) {
		t.Fatalf("%d items", n)
	}
	for i, want := range sampleItems {
		it := field(m, "items").List().Get(i).Message()
		if u := it.GetUnknown(); len(u) > 0 {
			t.Errorf("item %d: fields that record.proto lacks: %x", i, []byte(u))
		}
		got := Item{
			Kind: ItemKind(field(it, "kind").Enum()), Dir: uint8(field(it, "direction").Uint()),
			Time:     field(m, "time").Int() + field(it, "time").Int(),
			Sequence: uint32(field(it, "sequence").Uint()), Offset: field(it, "offset").Uint(),
			Frame: field(it, "frame").Uint(), Octets: field(it, "octets").Bytes(),
			Lost: field(it, "lost").Uint(), Redacted: field(it, "redacted").Uint(),
			Digest: field(it, "digest").Bytes(), Resync: field(it, "resynchronised").Bool(),
			Source: uint32(field(it, "source").Uint()),
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("item %d: got %+v, want %+v", i, got, want)
		}
	}
	conn := field(m, "connection").Message()
	if a := field(conn, "client_address").Bytes(); !bytes.Equal(a, []byte{127, 0, 0, 11}) {
		t.Errorf("client address %v", a)
	}
	if p := field(conn, "client_port").Uint(); p != 1024 {
		t.Errorf("client port %d", p)
	}
	if n := field(conn, "start").Int(); n != sampleConn.Start {
		t.Errorf("start %d", n)
	}
	if v := field(field(m, "counters").List().Get(1).Message(), "packets").Uint(); v != 1<<50 {
		t.Errorf("packets %d", v)
	}
	if v := field(field(m, "end").Message(), "reason").Enum(); EndReason(v) != RST {
		t.Errorf("end %d", v)
	}
}

func TestHeartbeatAndCapture(t *testing.T) {
	h := Heartbeat{From: 60, To: 120, Packets: 1, Octets: 2, Segments: 3, DroppedKernel: 4, DroppedSensor: 5, Gaps: 6, LostOctets: 7, Undecodable: 8}
	var r Record
	if err := r.Decode(AppendHeartbeat(Begin(nil, &Header{Kind: KindHeartbeat}), &h)); err != nil || r.Heartbeat != h {
		t.Errorf("got %+v, %v", r.Heartbeat, err)
	}
	c := Capture{SHA256: [32]byte{1, 31: 2}, Size: 9, Format: "pcapng.zst", Frames: 3, Octets: 4, First: -5, Last: 6, Truncated: true}
	if err := r.Decode(AppendCapture(Begin(nil, &Header{Kind: KindCapture}), &c)); err != nil || r.Capture != c {
		t.Errorf("got %+v, %v", r.Capture, err)
	}
}

func TestPeek(t *testing.T) {
	var r Record
	if err := r.Decode(sample()); err != nil {
		t.Fatal(err)
	}
	if h, err := ReadHead(sample()); h.Kind != KindConnection || h.Conn != sampleConn || string(h.Sensor) != string(r.Sensor) || h.Epoch != r.Epoch || err != nil {
		t.Errorf("got %+v, %v", h, err)
	}
	resumes, at := AppendResumes(Begin(nil, &Header{Kind: KindConnection}))
	resumes = BeginConnection(resumes, &sampleConn, 3, sampleConn.Start)
	for i := range byte(2) {
		resumes[at] = i
		if h, err := ReadHead(resumes); h.Resumes != (i == 1) || h.Conn != sampleConn || err != nil {
			t.Errorf("got %+v, %v", h, err)
		}
	}
	if h, err := ReadHead(Begin(nil, &Header{Kind: KindCapture})); h.Kind != KindCapture || err != nil {
		t.Errorf("got %+v, %v", h, err)
	}
	beat := Heartbeat{From: 60, To: 120}
	if h, err := ReadHead(AppendHeartbeat(Begin(nil, &Header{Kind: KindHeartbeat}), &beat)); h.Kind != KindHeartbeat || h.Beat != beat || err != nil {
		t.Errorf("got %+v, %v", h, err)
	}
	if k, id, err := Peek(sample()); k != KindConnection || id != sampleConn.ID || err != nil {
		t.Errorf("got %v %x %v", k, id, err)
	}
	if _, err := ReadHead([]byte{0xff}); err == nil {
		t.Error("no error for what is no record")
	}
}

func TestRefused(t *testing.T) {
	item := Item{Kind: TPDU}
	many := BeginConnection(Begin(nil, &Header{Kind: KindConnection}), &sampleConn, 1, 0)
	for range MaxItems + 1 {
		many, _ = AppendItem(many, &item, 0)
	}
	for name, b := range map[string][]byte{
		"empty":         nil,
		"newer version": {fVersion << 3, Version + 1, fKind << 3, 1},
		"no kind":       {fVersion << 3, 1},
		"no connection": {fVersion << 3, 1, fKind << 3, 1, fNumber << 3, 1},
		"cut":           sample()[:20],
		"too many":      many,
		"too large":     make([]byte, MaxSize+1),
	} {
		if err := new(Record).Decode(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFile(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range [][]byte{sample(), {}, []byte("x")} {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	r, err := NewReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuffer()
	for i, want := range [][]byte{sample(), {}, []byte("x")} {
		if err := r.Next(b); err != nil || !bytes.Equal(b.B, want) {
			t.Fatalf("record %d: %x, %v", i, b.B, err)
		}
	}
	if err := r.Next(b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(whole[1:])); err == nil {
		t.Error("a file without its first octet was taken for a record file")
	}
	r, err = NewReader(bytes.NewReader(whole[:len(magic)+10]))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Next(b); err == nil || err == io.EOF {
		t.Errorf("a cut file gave %v", err)
	}
}

func TestNoAllocations(t *testing.T) {
	buf := NewBuffer()
	var r Record
	h := Header{Kind: KindConnection, Sensor: "tap1"}
	octets := bytes.Repeat([]byte{0x55}, 1000)
	n := testing.AllocsPerRun(100, func() {
		b := Begin(buf.B[:0], &h)
		b = BeginConnection(b, &sampleConn, 1, 5)
		b = AppendSource(b, "a.pcap")
		for i := range uint64(50) {
			b, _ = AppendItem(b, &Item{Kind: TPDU, Octets: octets, Frame: i}, 5)
		}
		buf.B = Finish(b, &sampleCounters, FIN, false, false)
		if err := r.Decode(buf.B); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample())
	many := BeginConnection(Begin(nil, &Header{Kind: KindConnection}), &sampleConn, 1, 7)
	for i := range 20 {
		it := Item{Kind: TPDU, Time: int64(i), Offset: uint64(i), Frame: 1 << i, Octets: make([]byte, 20*i)}
		many, _ = AppendItem(many, &it, 7)
		many = AppendPreamble(many, &it, 7)
	}
	f.Add(many)
	plain := BeginConnection(Begin(nil, &Header{Kind: KindConnection}), &sampleConn, 1, 7)
	for i := range 20 {
		plain = appendTPDU(plain, uint8(i&1), 1<<i, 1<<31, 1<<i, uint64(i), make([]byte, 20*i))
	}
	f.Add(plain)
	f.Add(version1())
	f.Add([]byte("\x10\x03\xbd\xbd\xbd\xbd00000")) // A field number that is none.
	f.Add(AppendHeartbeat(Begin(nil, &Header{Kind: KindHeartbeat}), &Heartbeat{From: 1}))
	f.Add(AppendCapture(Begin(nil, &Header{Kind: KindCapture}), &Capture{Size: 1}))
	md := schema(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The second time there is memory for the items, so that more are read in a row.
		var r Record
		first := r.Decode(b)
		if err := r.Decode(b); (err == nil) != (first == nil) {
			t.Fatalf("%v, the second time %v", first, err)
		} else if err != nil {
			return
		}
		// What this reader takes, the protobuf library takes too, strings being
		// UTF-8 aside.
		m := dynamicpb.NewMessage(md)
		if err := proto.Unmarshal(b, m); err != nil && !bytes.Contains([]byte(err.Error()), []byte("UTF-8")) {
			t.Errorf("accepted what protobuf refuses: %v", err)
		}
		// Items read the short way are what the fields say.
		var items, preamble []Item
		var f, base field
		for rest := b; len(rest) > 0; {
			n := f.any(rest)
			switch rest = rest[n:]; f.num {
			case fTime:
				base = f
			case fItems:
				items = append(items, Item{})
				items[len(items)-1].decode(f.b, int64(base.v))
			case fPreamble:
				preamble = append(preamble, Item{})
				preamble[len(preamble)-1].decode(f.b, int64(base.v))
			}
		}
		if len(items)+len(r.Items) > 0 && !reflect.DeepEqual(items, r.Items) {
			t.Errorf("items %+v, field by field %+v", r.Items, items)
		}
		if len(preamble)+len(r.Preamble) > 0 && !reflect.DeepEqual(preamble, r.Preamble) {
			t.Errorf("preamble %+v, field by field %+v", r.Preamble, preamble)
		}
		octets := 0
		for i := range r.Items {
			octets += len(r.Items[i].Octets)
		}
		if octets > len(b) {
			t.Errorf("%d octets in items of %d", octets, len(b))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	rec := sample()
	var r Record
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Decode(rec); err != nil {
			b.Fatal(err)
		}
	}
}

// A field read the short way is what protowire reads, cut anywhere.
func TestFields(t *testing.T) {
	for _, num := range []protowire.Number{1, 7, 15, 16, 2047} {
		for shift := range 64 {
			v := uint64(1)<<shift | uint64(shift)
			long := make([]byte, shift*shift*5)
			for _, b := range [][]byte{
				protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v),
				protowire.AppendFixed32(protowire.AppendTag(nil, num, protowire.Fixed32Type), uint32(v)),
				protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), v),
				protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), long),
				append(protowire.AppendTag(nil, num, protowire.VarintType), 0x80, 0x80, 0),
			} {
				for end := range len(b) + 1 {
					if end > 16 && end < len(b)-2 {
						continue
					}
					var got, want field
					n, m := got.next(b[:end]), want.any(b[:end])
					if n != m || n > 0 && (got.num != want.num || got.v != want.v || !bytes.Equal(got.b, want.b)) {
						t.Fatalf("% x: %d octets, %d, %d; want %d octets, %d, %d", b[:min(end, 16)], n, got.num, got.v, m, want.num, want.v)
					}
				}
			}
		}
	}
}

// checkPlain reads the item at the front of b in one pass, which must give what it is field by
// field, or leave it. n is 0 then.
func checkPlain(t *testing.T, b []byte, base int64) (got Item, n int) {
	t.Helper()
	b = b[:len(b):len(b)]
	was := Item{Kind: 9, Resync: true, Lost: 1, Redacted: 1, Digest: b, Source: 1} // Of an earlier record.
	got = was
	tag := itemTag
	if len(b) > 0 && b[0] == preambleTag {
		tag = preambleTag
	}
	if n = got.plain(b, tag, base); n == 0 {
		if !reflect.DeepEqual(got, was) {
			t.Fatalf("% x: left, and changed to %+v", b[:min(len(b), 60)], got)
		}
		return got, 0
	}
	var f field
	var want Item
	m := f.any(b)
	if b[0] != tag || n != m || !want.decode(f.b, base) || !reflect.DeepEqual(got, want) {
		t.Fatalf("% x: %d octets, %+v; field by field %d, %+v", b[:60], n, got, m, want)
	}
	return got, n
}

// numbers are of all lengths, and about where one begins.
func numbers(f func(v uint64)) {
	for bit := range 64 {
		for _, v := range []uint64{1<<bit - 1, 1 << bit, 0x9e3779b97f4a7c15 >> bit} {
			f(v)
		}
	}
}

// Items are read in one pass as they were written, unless something stands behind their octets.
func TestPlain(t *testing.T) {
	const base = 1_500_000_000_000_000_000
	check := func(want Item) {
		t.Helper()
		b, at := AppendItem([]byte{0xaa}, &want, base)
		if !bytes.Equal(b[at:at+len(want.Octets)], want.Octets) {
			t.Fatalf("%+v: its octets are not at %d", want, at)
		}
		b = b[1:]
		var f field
		var read Item
		if n := f.any(b); n != len(b) || f.num != fItems || !read.decode(f.b, base) || !reflect.DeepEqual(read, want) {
			t.Fatalf("got %+v, want %+v", read, want)
		}
		more := want.Lost|want.Redacted|uint64(want.Source) != 0 || want.Resync || len(want.Digest) > 0
		if _, n := checkPlain(t, b, base); n > 0 && len(want.Octets) == 0 {
			t.Fatalf("%+v: read with nothing behind its front", want)
		}
		got, n := checkPlain(t, append(b, 0xaa), base)
		if n > 0 == more || n > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if more || want.Kind != TPDU {
			return
		}
		b = b[:n]
		if tpdu := appendTPDU(nil, want.Dir, want.Time-base, want.Sequence, want.Offset, want.Frame, want.Octets); !bytes.Equal(tpdu, b) {
			t.Fatalf("% x, as a TPDU % x", b[:ItemFront], tpdu[:ItemFront])
		}
	}
	numbers(func(v uint64) {
		octets := []byte{1, 2, 3}
		check(Item{Kind: TPDU, Dir: uint8(v & 1), Sequence: uint32(v), Time: int64(base + v), Offset: v, Frame: ^v, Octets: octets})
		check(Item{Kind: Redaction, Dir: 1, Sequence: uint32(v), Time: int64(base - v), Offset: v, Frame: v, Octets: octets[:0]})
		if v == 0 {
			return
		}
		check(Item{Kind: Gap, Time: 5, Offset: v, Lost: v, Octets: octets[:0]})
		check(Item{Kind: Skipped, Time: 5, Offset: v, Redacted: v, Digest: octets, Resync: true, Source: uint32(v), Octets: octets})
	})
	for _, n := range []int{0, 1, 86, 87, 127, 128, 16342, 16343, 16383, 16384, 65531, 1<<21 - 42, 1<<21 - 41, 1 << 21, MaxSize - ItemFront} {
		check(Item{Kind: TPDU, Dir: 1, Sequence: 7, Time: base + 123_456_789, Offset: 4, Frame: 1, Octets: bytes.Repeat([]byte{0x55}, n)})
	}
}

// TestAppendTPDURoom: a TPDU is the same whatever room the buffer has, and takes no more
// where there is enough.
func TestAppendTPDURoom(t *testing.T) {
	octets := []byte{1, 2, 3, 4, 5}
	want := appendTPDU([]byte{0xaa}, 1, 2, 3, 4, 5, octets)
	for room := range 2 * len(want) {
		buf := Buffer{append(make([]byte, 0, 1+room), 0xaa)}
		buf.AppendTPDU(1, 2, 3, 4, 5, octets)
		if !bytes.Equal(buf.B, want) {
			t.Fatalf("room for %d: % x, want % x", room, buf.B, want)
		}
		if room >= len(want)-1 && cap(buf.B) != 1+room {
			t.Errorf("room for %d was made %d", room, cap(buf.B)-1)
		}
	}
}

// Items with any octet before theirs another, cut anywhere, are read in one pass as
// field by field, or left.
func TestPlainChanged(t *testing.T) {
	for _, size := range []int{0, 1, 100, 128, 20_000} {
		octets := bytes.Repeat([]byte{0x55}, size)
		numbers(func(v uint64) {
			b := appendTPDU(nil, uint8(v&1), int64(v), uint32(v), v, ^v, octets)
			for at := range ItemFront {
				for _, change := range []byte{1, 2, 0x10, 0x80, 0xff} {
					b[at] ^= change
					checkPlain(t, b, 5)
					b[at] ^= change
				}
			}
			for end := range min(len(b), 200) {
				if _, n := checkPlain(t, b[:end], 5); n > 0 {
					t.Fatalf("% x cut at %d is an item of %d octets", b, end, n)
				}
			}
		})
	}
}

// No more items are read than a record may have, and what is behind them stays.
func TestPlainMost(t *testing.T) {
	b := bytes.Repeat(appendTPDU(nil, 1, 2, 3, 4, 5, nil), MaxItems+1)
	r := Record{Items: make([]Item, 0, MaxItems+1)}
	if rest := r.plain(b); len(rest) != ItemFront || len(r.Items) != MaxItems {
		t.Errorf("%d items, %d octets are left", len(r.Items), len(rest))
	}
}

// version1 is a record of version 1, in which numbers of an item were varints.
func version1() []byte {
	b := BeginConnection([]byte{fVersion << 3, 1, fKind << 3, byte(KindConnection)}, &sampleConn, 3, 1000)
	item := []byte{1 << 3, byte(TPDU), 2 << 3, 1, 3 << 3}
	item = protowire.AppendVarint(item, protowire.EncodeZigZag(-7))
	item = protowire.AppendFixed32(append(item, sequenceTag), 0xfffffff0)
	item = protowire.AppendVarint(append(item, 5<<3), 1<<40)
	item = protowire.AppendVarint(append(item, 6<<3), 9)
	item = protowire.AppendBytes(append(item, octetsTag), []byte{2, 0xf0, 0x80})
	return protowire.AppendBytes(append(b, itemTag), item)
}

func TestVersion1(t *testing.T) {
	var r Record
	if err := r.Decode(version1()); err != nil {
		t.Fatal(err)
	}
	want := []Item{{Kind: TPDU, Dir: 1, Time: 993, Sequence: 0xfffffff0, Offset: 1 << 40, Frame: 9, Octets: []byte{2, 0xf0, 0x80}}}
	if !reflect.DeepEqual(r.Items, want) {
		t.Errorf("got %+v, want %+v", r.Items, want)
	}
}

func BenchmarkAppendItem(b *testing.B) {
	it := Item{Kind: TPDU, Dir: 1, Sequence: 0xffff_fff0, Time: 123_456_789, Offset: 1 << 20, Frame: 1 << 17, Octets: make([]byte, 512)}
	var out []byte
	b.SetBytes(int64(len(it.Octets)))
	b.ReportAllocs()
	for b.Loop() {
		out, _ = AppendItem(out[:0], &it, 0)
	}
}

// What a record says of its connection and of its end is read as it was, and takes no more
// room than was made for it.
func TestBeginAndFinish(t *testing.T) {
	ends := []netip.AddrPort{
		sampleConn.Client, sampleConn.Server,
		netip.MustParseAddrPort("[::ffff:10.1.2.3]:65535"), netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("255.1.2.3:127"),
	}
	for shift := range 64 {
		for _, v := range []uint64{1<<shift - 1, 1 << shift, 0x9e3779b97f4a7c15 >> shift} {
			want := Record{
				Kind: KindConnection, Number: max(v, 1), Time: ^int64(v), End: EndReason(shift) % (CaptureEnd + 1),
				Muted: v&4 != 0, PreambleCut: v&8 != 0,
				Conn: Connection{
					ID: [16]byte{1, 15: byte(shift)}, Client: ends[shift%len(ends)], Server: ends[shift/len(ends)%len(ends)],
					MidStream: v&1 != 0, Start: int64(v),
				},
				Counters: [2]Counters{{Packets: v, Octets: v >> 3}, {v, v, v, v, v, v, v, v}},
			}
			if v&2 != 0 {
				c := &want.Counters[1]
				*c = Counters{Packets: v >> 5, Octets: v}
				*[]*uint64{&c.RetransmittedPackets, &c.RetransmittedOctets, &c.ConflictOctets, &c.Gaps, &c.LostOctets, &c.OutOfOrder}[shift%6] = v & 0x100
			}
			b := BeginConnection(Begin(nil, &Header{Kind: KindConnection}), &want.Conn, want.Number, want.Time)
			b = Finish(b[:len(b):len(b)], &want.Counters, want.End, want.Muted, want.PreambleCut)
			var got Record
			if err := got.Decode(b); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
			}
		}
	}
}

// A connection over IPv4 is read by its places as field by field, or left; any octet of it may
// be another, and it may be cut anywhere.
func TestPlainConnection(t *testing.T) {
	was := Connection{ID: [16]byte{9}, Start: 9, MidStream: true}
	check := func(b []byte) bool {
		t.Helper()
		got, want := was, was
		ok := got.plain(b)
		if !ok {
			want = was
		} else if !want.any(b) {
			t.Fatalf("% x is read, but not field by field", b)
		}
		if got != want {
			t.Fatalf("% x: got %+v, want %+v", b, got, want)
		}
		return ok
	}
	c := Connection{ID: [16]byte{1, 15: 2}}
	numbers(func(v uint64) {
		c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(v), 1, 2, byte(v >> 8)}), uint16(v))
		c.Server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(v), 4, 5, byte(v >> 7)}), ^uint16(v))
		c.Start = int64(v)
		b := BeginConnection(nil, &c, 1, 2)[2:][:plainConnection]
		if !check(b) {
			t.Fatalf("% x is left", b)
		}
		for at := range b {
			for _, change := range []byte{1, 2, 0x10, 0x80, 0xff} {
				b[at] ^= change
				check(b)
				b[at] ^= change
			}
			check(b[:at])
		}
		check(append(b, 6<<3, 1))
	})
	c.MidStream = true
	if b := BeginConnection(nil, &c, 1, 2)[2:]; check(b[:plainConnection+2]) {
		t.Error("one of which the start was not seen is plain")
	}
}

// Packets and octets are read by their places as field by field, or left.
func TestPlainCounters(t *testing.T) {
	was := Counters{Packets: 9, Octets: 9, Gaps: 9}
	check := func(b []byte) bool {
		t.Helper()
		got, want := was, was
		ok := got.plain(b)
		if ok && !want.any(b) {
			t.Fatalf("% x is read, but not field by field", b)
		}
		if got != want {
			t.Fatalf("% x: got %+v, want %+v", b, got, want)
		}
		return ok
	}
	numbers(func(v uint64) {
		b := Finish(nil, &[2]Counters{{Packets: v, Octets: v / 3}, {Packets: 1}}, Open, false, false)[2:]
		if v < 1<<28 && !check(b[:plainCounters]) {
			t.Fatalf("% x is left", b)
		}
		b = b[:plainCounters]
		for at := range b {
			for _, change := range []byte{1, 2, 0x10, 0x80, 0xff} {
				b[at] ^= change
				check(b)
				b[at] ^= change
			}
			check(b[:at])
		}
	})
}

// Items of earlier records are the same with another base.
func TestAppendEarlier(t *testing.T) {
	for shift := range 64 {
		v := int64(1)<<shift | int64(shift)
		for _, by := range []int64{0, 5, -5, v, -v, math.MaxInt64, math.MinInt64} {
			want := []Item{
				{Kind: TPDU, Dir: 1, Sequence: uint32(v), Time: v, Offset: uint64(v), Frame: uint64(v), Octets: bytes.Repeat([]byte{0x55}, 1+shift*shift)},
				{Kind: TPDU, Sequence: 1, Time: -v, Frame: uint64(v), Octets: []byte{1}, Resync: true},
				{Kind: Gap, Time: 5, Octets: []byte{}, Lost: uint64(v)},
				{Kind: TPDU, Time: 5, Octets: bytes.Repeat([]byte{0x55}, 16_300+shift*1000)},
			}[:shift%5]
			var kept []byte
			for i := range want {
				// As an item of its own record, of another source, it becomes the same.
				from, own := len(kept), want[i]
				own.Source = uint32(shift % 2)
				fields, _ := AppendItem(AppendSource(nil, "a.pcap")[:shift%3/2*8], &own, v)
				rest, ok := NextItem(fields, &own, v)
				if !ok || len(rest) > 0 {
					t.Fatalf("% x is no item", fields[:min(len(fields), 40)])
				}
				again := AppendRead(nil, fields, &own, v, 0)
				kept = AppendPreamble(kept, &want[i], 0)
				if !bytes.Equal(again, kept[from:]) {
					t.Fatalf("got % x\nwant % x", again[:min(len(again), 80)], kept[from:][:min(len(kept)-from, 80)])
				}
				want[i].Time += by
			}
			b := AppendEarlier([]byte{0xaa}, kept, by)
			var got []Item
			for b = b[1:]; len(b) > 0; {
				var f field
				var it Item
				n := f.any(b)
				if n == 0 || f.num != fPreamble || !it.decode(f.b, 0) {
					t.Fatalf("% x is no item", b[:min(len(b), 40)])
				}
				got, b = append(got, it), b[n:]
			}
			if !slices.EqualFunc(got, want, func(a, b Item) bool { return reflect.DeepEqual(a, b) }) {
				t.Fatalf("by %d: got %+v\nwant %+v", by, got, want)
			}
		}
	}
}

// appendTPDU is Buffer.AppendTPDU for a record in b.
func appendTPDU(b []byte, dir uint8, time int64, sequence uint32, offset, frame uint64, octets []byte) []byte {
	buf := Buffer{b}
	buf.AppendTPDU(dir, time, sequence, offset, frame, octets)
	return buf.B
}
