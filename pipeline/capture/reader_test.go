package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A file that is written by hand.
type file struct {
	bytes.Buffer
	order binary.ByteOrder
}

func (f *file) put(values ...any) *file {
	for _, v := range values {
		if b, ok := v.([]byte); ok {
			f.Write(b)
			continue
		}
		if err := binary.Write(f, f.order, v); err != nil {
			panic(err)
		}
	}
	return f
}

// block appends a pcapng block.
func (f *file) block(kind uint32, values ...any) *file {
	b := (&file{order: f.order}).put(values...)
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
	n := uint32(b.Len() + 12)
	return f.put(kind, n, b.Bytes(), n)
}

func (f *file) section() *file {
	return f.block(blockSection, uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1))
}

func (f *file) option(code uint16, v []byte) []byte {
	b := (&file{order: f.order}).put(code, uint16(len(v)), v)
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
	return b.Bytes()
}

func (f *file) enhanced(id uint32, ticks uint64, length int, data string) *file {
	pad := make([]byte, -len(data)&3)
	return f.block(blockEnhanced, id, uint32(ticks>>32), uint32(ticks), uint32(len(data)), uint32(length), []byte(data), pad,
		f.option(2, []byte{0, 0, 0, 1}), f.option(1, []byte("comment")), f.option(0, nil))
}

func ng(order binary.ByteOrder) *file { return &file{order: order} }

func pcapFile(order binary.ByteOrder, magic uint32, minor uint16) *file {
	return ng(order).put(magic, uint16(2), minor, uint32(0), uint32(0), uint32(65535), uint32(1))
}

// read gives the frames of a capture, one a line: link type, time, lengths, octets.
func read(t testing.TB, in io.Reader) (lines []string, f File, err error) {
	t.Helper()
	r, err := NewReader(in, "test", -1)
	if err != nil {
		return nil, File{}, err
	}
	defer r.Close()
	var fr Frame
	for {
		if err = r.Next(&fr); err != nil {
			break
		}
		if fr.Number != uint64(len(lines)+1) {
			t.Fatalf("frame number %d after %d", fr.Number, len(lines))
		}
		lines = append(lines, fmt.Sprintf("%d %d %d %s", fr.Link, fr.Time, fr.Length, fr.Data))
	}
	if again := r.Next(&fr); again != err {
		t.Errorf("got %v, then %v", err, again)
	}
	if err == io.EOF {
		err = nil
	}
	return lines, r.File(), err
}

func TestFormats(t *testing.T) {
	big, little := binary.BigEndian, binary.LittleEndian
	two := []string{"1 1500000001000002000 3 abc", "1 1500000002000003000 9 de"}
	classic := func(o binary.ByteOrder, magic uint32, a, b uint32) *file {
		return pcapFile(o, magic, 4).put(uint32(1500000001), a, uint32(3), uint32(3), []byte("abc"), uint32(1500000002), b, uint32(2), uint32(9), []byte("de"))
	}
	ticks := uint64(1500000001000002)
	const s = 1000000000
	bothOrders := func(o binary.ByteOrder) *file {
		f := ng(o).section().block(blockInterface, uint16(1), uint16(0), uint32(0))
		f.enhanced(0, ticks, 3, "abc").enhanced(0, ticks+1000001, 9, "de")
		return f
	}
	tests := []struct {
		name   string
		in     *file
		format string
		want   []string
	}{
		{"micro, little", classic(little, 0xa1b2c3d4, 2, 3), "pcap", two},
		{"micro, big", classic(big, 0xa1b2c3d4, 2, 3), "pcap", two},
		{"nano, little", classic(little, 0xa1b23c4d, 2000, 3000), "pcap", two},
		{"nano, big", classic(big, 0xa1b23c4d, 2000, 3000), "pcap", two},
		{"none", pcapFile(little, 0xa1b2c3d4, 4), "pcap", nil},
		{"old lengths", pcapFile(little, 0xa1b2c3d4, 2).put(uint32(1), uint32(2), uint32(9), uint32(2), []byte("de")), "pcap", []string{"1 1000002000 9 de"}},
		{"variant with longer records", pcapFile(big, 0xa1b2cd34, 4).put(uint32(1), uint32(2), uint32(2), uint32(9), uint64(0), []byte("de")), "pcap", []string{"1 1000002000 9 de"}},
		{"longer on disk than on the wire", pcapFile(little, 0xa1b2c3d4, 4).put(uint32(1), uint32(2), uint32(2), uint32(1), []byte("de")), "pcap", []string{"1 1000002000 2 de"}},
		{"frame check sequence told", ng(little).put(uint32(0xa1b2c3d4), uint16(2), uint16(4), uint64(0), uint32(99), uint32(0x24000000|113)).put(uint32(1), uint32(0), uint32(1), uint32(1), []byte("x")), "pcap", []string{"113 1000000000 1 x"}},
		{"ng, little", bothOrders(little), "pcapng", two},
		{"ng, big", bothOrders(big), "pcapng", two},
		{"ng without packets", ng(big).section(), "pcapng", nil},
		{"ng, resolutions and link types", ng(little).section().
			block(blockInterface, uint16(101), uint16(0), uint32(0), ng(little).option(2, []byte("eth")), ng(little).option(9, []byte{9}), ng(little).option(0, nil)).
			block(blockInterface, uint16(276), uint16(0), uint32(0), ng(little).option(9, []byte{0})).
			block(blockInterface, uint16(1), uint16(0), uint32(0), ng(little).option(9, []byte{0x80 | 10}), ng(little).option(14, []byte{100, 0, 0, 0, 0, 0, 0, 0})).
			block(blockInterface, uint16(1), uint16(0), uint32(0), ng(little).option(9, []byte{12})).
			enhanced(0, 5*s+7, 1, "a").enhanced(1, 5, 1, "b").enhanced(2, 5<<10|512, 1, "c").enhanced(3, 5*s*1000+7000, 1, "d"),
			"pcapng", []string{"101 5000000007 1 a", "276 5000000000 1 b", "1 105500000000 1 c", "1 5000000007 1 d"}},
		{"ng, other kinds of packet block", ng(little).section().
			block(blockInterface, uint16(1), uint16(0), uint32(4)).
			block(blockPacket, uint16(0), uint16(9), uint32(0), uint32(5000000), uint32(2), uint32(8), []byte("op")).
			block(blockSimple, uint32(3), []byte("sim")).
			block(blockSimple, uint32(8), []byte("long")),
			"pcapng", []string{"1 5000000000 8 op", "1 5000000000 3 sim", "1 5000000000 8 long"}},
		{"ng, unknown blocks", ng(little).section().block(0x0bad, make([]byte, 40)).block(blockInterface, uint16(1), uint16(0), uint32(0)).
			block(0x80000bad, make([]byte, 1<<20)).enhanced(0, 1, 1, "a").block(5, uint32(0), uint64(0)).block(4, uint32(0)).block(10, uint32(0), uint32(0)),
			"pcapng", []string{"1 1000 1 a"}},
		{"ng, sections of different byte order", func() *file {
			f := bothOrders(little)
			f.order = big
			f.section().block(blockInterface, uint16(113), uint16(0), uint32(0)).enhanced(0, 1, 1, "x")
			f.order = little
			return f.section().block(blockInterface, uint16(1), uint16(0), uint32(0)).enhanced(0, 2, 1, "y")
		}(), "pcapng", append(append([]string{}, two...), "113 1000 1 x", "1 2000 1 y")},
		{"ng, a section of a later version", ng(little).section().block(blockInterface, uint16(1), uint16(0), uint32(0)).enhanced(0, 1, 1, "x").
			block(blockSection, uint32(0x1a2b3c4d), uint16(9), uint16(0), int64(-1)).block(blockEnhanced, uint32(99)).
			section().block(blockInterface, uint16(1), uint16(0), uint32(0)).enhanced(0, 2, 1, "y"), "pcapng", []string{"1 1000 1 x", "1 2000 1 y"}},
		{"ng, an empty packet", ng(little).section().block(blockInterface, uint16(1), uint16(0), uint32(0)).enhanced(0, 1, 0, ""), "pcapng", []string{"1 1000 0 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stored := tt.in.Bytes()
			for suffix, compressed := range map[string][]byte{"": stored, ".gz": gz(t, stored), ".zst": zst(t, stored)} {
				got, f, err := read(t, bytes.NewReader(compressed))
				if err != nil {
					t.Fatal(err)
				}
				if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
					t.Errorf("%s:\ngot  %q\nwant %q", suffix, got, tt.want)
				}
				if f.Format != tt.format+suffix || f.Truncated || !f.Done || f.SHA256 != sha256.Sum256(compressed) || f.Size != int64(len(compressed)) {
					t.Errorf("got %+v", f)
				}
			}
			// Octet by octet, as from a slow pipe.
			if got, _, err := read(t, oneByOne{bytes.NewReader(stored)}); err != nil || strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("octet by octet: got %q, %v", got, err)
			}
			// Cut anywhere after the file header, but for the inside of a block
			// of a mega-octet: the frames before, and that it was cut.
			for n := 28; n < len(stored); n++ {
				if n > 1000 && n < len(stored)-1000 {
					n += 99_991
					continue
				}
				got, f, err := read(t, bytes.NewReader(stored[:n]))
				if err != nil {
					t.Fatalf("cut to %d: %v", n, err)
				}
				if len(got) > len(tt.want) || strings.Join(got, "\n") != strings.Join(tt.want[:len(got)], "\n") {
					t.Fatalf("cut to %d: got %q", n, got)
				}
				if len(got) < len(tt.want) && !f.Truncated && !endsWhole(stored, n, tt.format) {
					t.Fatalf("cut to %d: not told", n)
				}
			}
		})
	}
}

// endsWhole reports whether a record ends at n.
func endsWhole(b []byte, n int, format string) bool {
	if format == "pcap" {
		return true // Told apart by the frames; see TestTruncated.
	}
	var o binary.ByteOrder = binary.LittleEndian
	at := 0
	for at < n {
		if isByteOrderMagic(b[at+8:]) {
			o = binary.LittleEndian
			if b[at+8] == 0x1a {
				o = binary.BigEndian
			}
		}
		at += int(o.Uint32(b[at+4:]))
	}
	return at == n
}

type oneByOne struct{ r io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func gz(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	// In two members, as from concatenated files.
	w.Write(b[:len(b)/2])
	w.Close()
	w.Reset(&out)
	w.Write(b[len(b)/2:])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zst(t testing.TB, b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestTruncated(t *testing.T) {
	f := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 4)
	for i := range 3 {
		f.put(uint32(i), uint32(0), uint32(100), uint32(100), bytes.Repeat([]byte{byte(i)}, 100))
	}
	stored := f.Bytes()
	for n := 24; n <= len(stored); n++ {
		got, file, err := read(t, bytes.NewReader(stored[:n]))
		whole := (n-24)%116 == 0
		if err != nil || len(got) != (n-24)/116 || file.Truncated == whole || !file.Done || file.SHA256 != sha256.Sum256(stored[:n]) {
			t.Fatalf("cut to %d: got %d frames, %+v, %v", n, len(got), file, err)
		}
	}
	// A compressed stream that was cut is told as well.
	noise := make([]byte, 500_000) // Of more than one block.
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	f.put(uint32(9), uint32(0), uint32(len(noise)), uint32(len(noise)), noise)
	for _, c := range [][]byte{gz(t, f.Bytes()), zst(t, f.Bytes())} {
		got, file, err := read(t, bytes.NewReader(c[:len(c)-1000]))
		if err != nil || len(got) > 3 || !file.Truncated {
			t.Errorf("got %d frames, %+v, %v", len(got), file, err)
		}
	}
}

func TestRefused(t *testing.T) {
	little := binary.LittleEndian
	idb := func() *file { return ng(little).section().block(blockInterface, uint16(1), uint16(0), uint32(0)) }
	tests := []struct {
		name    string
		in      []byte
		damaged bool
	}{
		{"empty", nil, false},
		{"text", []byte("this is no capture, but long enough to be one"), false},
		{"header cut", pcapFile(little, 0xa1b2c3d4, 4).Bytes()[:20], false},
		{"version 3", ng(little).put(uint32(0xa1b2c3d4), uint16(3), uint16(0), make([]byte, 16)).Bytes(), false},
		{"compressed text", gz(t, []byte("this is no capture either, also long enough")), false},
		{"ng without byte order", ng(little).put(uint32(blockSection), uint32(28), make([]byte, 20)).Bytes(), false},
		{"record too long", pcapFile(little, 0xa1b2c3d4, 4).put(uint32(1), uint32(1), uint32(0xffffffff), uint32(1)).Bytes(), true},
		{"block too short", idb().put(uint32(6), uint32(8), make([]byte, 40)).Bytes(), true},
		{"block of odd length", idb().put(uint32(6), uint32(33), make([]byte, 40)).Bytes(), true},
		{"block too long", idb().put(uint32(6), uint32(0xfffffffc), make([]byte, 40)).Bytes(), true},
		{"lengths differ", idb().put(uint32(6), uint32(36), make([]byte, 24), uint32(40)).Bytes(), true},
		{"no interface", ng(little).section().enhanced(0, 1, 1, "x").Bytes(), true},
		{"interface not there", idb().enhanced(1, 1, 1, "x").Bytes(), true},
		{"packet larger than its block", idb().block(blockEnhanced, uint32(0), uint64(0), uint32(9), uint32(9), []byte("x")).Bytes(), true},
		{"simple packet without interface", ng(little).section().block(blockSimple, uint32(1), []byte("x")).Bytes(), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, f, err := read(t, bytes.NewReader(tt.in))
			var damaged *DamagedError
			if errors.As(err, &damaged) != tt.damaged || !tt.damaged && !errors.Is(err, ErrFormat) {
				t.Errorf("got %v", err)
			}
			if tt.damaged && f.SHA256 != sha256.Sum256(tt.in) {
				t.Error("the digest is not of the whole file")
			}
		})
	}
}

// A length alone does not take memory.
func TestLengthAloneTakesNoMemory(t *testing.T) {
	in := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 4).put(uint32(1), uint32(1), uint32(MaxRecord), uint32(1)).Bytes()
	r, err := NewReader(bytes.NewReader(in), "test", -1)
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	if err := r.Next(&f); err != io.EOF || !r.File().Truncated || cap(r.buf) > readSize {
		t.Errorf("got %v with %d octets", err, cap(r.buf))
	}
}

// The reader and gopacket's agree on all captures, and on what gopacket writes.
func TestAgainstPcapgo(t *testing.T) {
	for _, name := range captures(t) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var other gopacket.ZeroCopyPacketDataSource
		var magic [4]byte
		if _, err := f.ReadAt(magic[:], 0); err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint32(magic[:]) == blockSection { // Names may deceive.
			other, err = pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		} else {
			other, err = pcapgo.NewReader(f)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var fr Frame
		for n := 1; ; n++ {
			data, ci, werr := other.ZeroCopyReadPacketData()
			gerr := r.Next(&fr)
			if gerr != werr {
				t.Fatalf("%s, frame %d: got %v, want %v", name, n, gerr, werr)
			}
			if gerr != nil {
				break
			}
			if !bytes.Equal(fr.Data, data) || fr.Time != ci.Timestamp.UnixNano() || fr.Length != ci.Length {
				t.Fatalf("%s, frame %d: got %+v, want %+v", name, n, fr, ci)
			}
		}
		r.Close()
	}
	var out bytes.Buffer
	w, err := pcapgo.NewNgWriter(&out, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeRaw, TimestampResolution: 3})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1500000000, 123456789)
	for i, k := range []int{0, id, 0} {
		ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: i + 1, Length: 9, InterfaceIndex: k}
		if err := w.WritePacket(ci, []byte("abc")[:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	got, _, err := read(t, &out)
	want := []string{"1 1500000000123456789 9 a", "101 1500000000123456789 9 ab", "1 1500000000123456789 9 abc"}
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReaderDoesNotAllocate(t *testing.T) {
	f := ng(binary.LittleEndian).section().block(blockInterface, uint16(1), uint16(0), uint32(0))
	for i := range 2000 {
		f.enhanced(0, uint64(i), 1000, strings.Repeat("x", 1000))
	}
	r, err := NewReader(&f.Buffer, "test", -1)
	if err != nil {
		t.Fatal(err)
	}
	var fr Frame
	r.Next(&fr)
	if n := testing.AllocsPerRun(1500, func() {
		if err := r.Next(&fr); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

// writeCapture makes a file with a frame at each of the times, in seconds.
func writeCapture(t *testing.T, name string, times ...int) {
	t.Helper()
	f := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 4)
	for _, at := range times {
		data := fmt.Sprintf("%s@%d", filepath.Base(name), at)
		f.put(uint32(at), uint32(0), uint32(len(data)), uint32(len(data)), []byte(data))
	}
	stored := f.Bytes()
	if strings.HasSuffix(name, ".gz") {
		stored = gz(t, stored)
	}
	if err := os.WriteFile(name, stored, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readSource(t *testing.T, s *Source) (got []string) {
	t.Helper()
	var f Frame
	count := map[int32]uint64{}
	for {
		err := s.Next(&f)
		if err == io.EOF {
			return got
		}
		if err != nil {
			got = append(got, "error")
			continue
		}
		if count[f.File]++; f.Number != count[f.File] {
			t.Errorf("frame %d of file %d, want %d", f.Number, f.File, count[f.File])
		}
		got = append(got, string(f.Data))
	}
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "rotated")
	if err := os.MkdirAll(filepath.Join(sub, "deeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	// The names' order is not the frames'.
	writeCapture(t, filepath.Join(sub, "c"), 10, 11, 12)
	writeCapture(t, filepath.Join(sub, "b.gz"), 12, 13, 14)
	writeCapture(t, filepath.Join(sub, "a"), 15, 9, 16)
	writeCapture(t, filepath.Join(sub, "empty"))
	writeCapture(t, filepath.Join(sub, "deeper", "not-read"), 1)
	if err := os.WriteFile(filepath.Join(sub, "README"), []byte("no capture at all, this"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeCapture(t, filepath.Join(dir, "over"), 11, 13, 17)
	stdin := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 4).put(uint32(13), uint32(5), uint32(5), uint32(5), []byte("stdin"))

	s, err := OpenSource(SourceConfig{Paths: []string{sub, filepath.Join(dir, "over"), filepath.Join(sub, "c"), "-"}, Stdin: &stdin.Buffer})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := readSource(t, s)
	want := []string{"c@10", "c@11", "over@11", "c@12", "b.gz@12", "over@13", "b.gz@13", "stdin", "b.gz@14", "a@15", "a@9", "a@16", "over@17"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("\ngot  %q\nwant %q", got, want)
	}
	files := s.Files()
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f.Name))
		if f.Name == "-" {
			continue
		}
		sum, size, err := Digest(f.Name)
		if err != nil || sum != f.SHA256 || size != f.Size || !f.Done {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if strings.Join(names, " ") != "empty c over b.gz - a" {
		t.Errorf("got files %q", names)
	}
	if sk := s.Skipped(); len(sk) != 1 || filepath.Base(sk[0].Name) != "README" || !errors.Is(sk[0].Err, ErrFormat) {
		t.Errorf("skipped %+v", sk)
	}
	if _, total := s.Progress(); total != -1 {
		t.Errorf("total %d with a pipe", total)
	}
}

func TestSourceSkipsByDigest(t *testing.T) {
	dir := t.TempDir()
	writeCapture(t, filepath.Join(dir, "a"), 1)
	writeCapture(t, filepath.Join(dir, "b"), 2)
	known, size, err := Digest(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenSource(SourceConfig{Paths: []string{dir}, Skip: func(_ string, n int64, sum [sha256.Size]byte) bool { return n == size && sum == known }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := readSource(t, s); strings.Join(got, " ") != "b@2" {
		t.Errorf("got %q", got)
	}
	if sk := s.Skipped(); len(sk) != 1 || sk[0].Err != nil {
		t.Errorf("skipped %+v", sk)
	}
	if n, total := s.Progress(); n != total || n == 0 {
		t.Errorf("progress %d of %d", n, total)
	}
}

func TestSourceErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenSource(SourceConfig{Paths: []string{filepath.Join(dir, "none")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	text := filepath.Join(dir, "text")
	os.WriteFile(text, []byte("named, and no capture at all"), 0o600)
	if _, err := OpenSource(SourceConfig{Paths: []string{text}}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v", err)
	}
	// A damaged file does not keep the others from being read.
	bad := filepath.Join(dir, "bad")
	f := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 4).put(uint32(1), uint32(0), uint32(1), uint32(1), []byte("x"), uint32(2), uint32(0), uint32(0xfffffff), uint32(1))
	os.WriteFile(bad, f.Bytes(), 0o600)
	writeCapture(t, filepath.Join(dir, "good"), 3)
	s, err := OpenSource(SourceConfig{Paths: []string{bad, filepath.Join(dir, "good")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := readSource(t, s); strings.Join(got, " ") != "x error good@3" {
		t.Errorf("got %q", got)
	}
}

func TestSourceBoundsOpenFiles(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		writeCapture(t, filepath.Join(dir, fmt.Sprint(i)), i, 100+i)
	}
	s, err := OpenSource(SourceConfig{Paths: []string{dir}, MaxOpen: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var f Frame
	n := 0
	for s.Next(&f) == nil {
		n++
		if len(s.open) > 3 {
			t.Fatalf("%d files open", len(s.open))
		}
	}
	if n != 20 {
		t.Errorf("got %d frames", n)
	}
}

func FuzzReader(f *testing.F) {
	little := binary.LittleEndian
	f.Add(pcapFile(little, 0xa1b2c3d4, 4).put(uint32(1), uint32(2), uint32(2), uint32(9), []byte("de")).Bytes())
	some := pcapFile(little, 0xa1b2c3d4, 4)
	for _, sec := range []uint32{5, 7, 6, 4, 8} {
		some.put(sec, uint32(2), uint32(2), uint32(2), []byte("de")).put(sec, uint32(2), uint32(0), uint32(0))
	}
	f.Add(some.put(uint32(9), uint32(2), uint32(1), uint32(9), []byte("d")).Bytes())
	f.Add(pcapFile(binary.BigEndian, 0xa1b23c4d, 3).put(uint32(1), uint32(2), uint32(2), uint32(9), []byte("de")).Bytes())
	ngFile := ng(little).section().block(blockInterface, uint16(1), uint16(0), uint32(4), ng(little).option(9, []byte{0x8a}), ng(little).option(14, make([]byte, 8))).
		enhanced(0, 1, 5, "ab").block(blockSimple, uint32(3), []byte("sim")).block(99, uint32(1)).block(blockPacket, make([]byte, 20))
	ngFile.order = binary.BigEndian
	f.Add(ngFile.section().Bytes())
	f.Add(gz(f, ngFile.Bytes()))
	f.Add(zst(f, ngFile.Bytes()))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader(bytes.NewReader(in), "fuzz", int64(len(in)))
		if err != nil {
			return
		}
		defer r.Close()
		var fr Frame
		total := 0
		for {
			if err = r.Next(&fr); err != nil {
				break
			}
			if fr.Length < len(fr.Data) || len(fr.Data) > MaxRecord {
				t.Fatalf("%d octets of %d", len(fr.Data), fr.Length)
			}
			total++
			if total > 1<<16 {
				break
			}
		}
		if err == io.EOF && r.File().SHA256 != sha256.Sum256(in) {
			t.Fatal("the digest is not of the whole input")
		}
		again, whole, aerr := read(t, oneByOne{bytes.NewReader(in)})
		if total <= 1<<16 && len(again) != total {
			t.Fatalf("got %d frames, then %d (%v)", total, len(again), aerr)
		}
		// Then no record was in the buffer to its end when it was asked for.
		if lines, file, _ := read(t, bytes.NewReader(in)); !slices.Equal(lines, again) || file != whole {
			t.Fatalf("got %q of %+v, then %q of %+v", lines, file, again, whole)
		}
	})
}

func benchmarkReader(b *testing.B, stored []byte) {
	b.SetBytes(int64(len(stored)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(stored), "bench", -1)
		if err != nil {
			b.Fatal(err)
		}
		var f Frame
		for r.Next(&f) == nil {
		}
		r.Close()
	}
}

func BenchmarkReader(b *testing.B) {
	f := pcapFile(binary.LittleEndian, 0xa1b2c3d4, 4)
	n := ng(binary.LittleEndian).section().block(blockInterface, uint16(1), uint16(0), uint32(0))
	list, _ := frames(b)
	for _, fr := range list {
		f.put(uint32(1), uint32(1), uint32(len(fr.Data)), uint32(len(fr.Data)), fr.Data)
		n.enhanced(0, 1, len(fr.Data), string(fr.Data))
	}
	b.Run("pcap", func(b *testing.B) { benchmarkReader(b, f.Bytes()) })
	b.Run("pcapng", func(b *testing.B) { benchmarkReader(b, n.Bytes()) })
	b.Run("gzip", func(b *testing.B) { benchmarkReader(b, gz(b, f.Bytes())) })
	b.Run("zstd", func(b *testing.B) { benchmarkReader(b, zst(b, f.Bytes())) })
}
