// Package captured gives the tests of the osi packages the octets of real
// captures: connections cut into TPKTs, TSDUs, and what tshark says of the same
// frames.
//
// Its TCP is enough for these captures and nothing else, and shares no code with
// the pipeline's or with the decoders under test. Three of them (n02, n09, n14)
// lack segments.
package captured

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TPKT is the content of one TPKT (RFC 1006 section 6) or, where Lost is set,
// what the capture lacks.
type TPKT struct {
	Dir    uint8 // 0 from the client, 1 from the server.
	Seq    uint32
	Offset uint64
	Time   int64
	Frame  uint64 // The frame that brought its last octet.
	Lost   uint64
	Octets []byte
}

// TSDU is the user data of DT TPDUs of class 0, put together.
type TSDU struct {
	Conn   uint8 // For Fields: which connection it belongs to.
	Dir    uint8
	Frame  uint64 // The frame that brought its last octet.
	Octets []byte
}

// Stream is one TCP connection.
type Stream struct {
	Client, Server netip.AddrPort
	TPKTs          []TPKT

	// What is not yet a whole TPKT, by direction.
	half   [2][]byte
	next   [2]uint32
	base   [2]uint32
	synced [2]bool
	ahead  [2][]segment
}

type segment struct {
	seq     uint32
	payload []byte
	time    int64
	frame   uint64
}

// repository is the root as seen from the packages two folders below it.
const repository = "../.."

// MTA returns the path of a capture in testdata/mta, given without its suffix.
func MTA(name string) string { return filepath.Join(repository, "testdata", "mta", name+".pcap") }

// Captures returns the paths of all captures of X.400: those in testdata/mta
// and, where they are beside the repository, the reference ones.
func Captures(tb testing.TB) []string {
	tb.Helper()
	own, err := filepath.Glob(MTA("*"))
	if err != nil || len(own) == 0 {
		tb.Fatalf("no captures in testdata/mta: %v", err)
	}
	others, err := filepath.Glob(filepath.Join(repository, "..", "shared", "captures", "reference", "x400", "*.pcap"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(others) == 0 && os.Getenv("CI") == "true" {
		tb.Fatal("the reference captures are missing")
	}
	return append(own, others...)
}

// Reference returns the path of a file that is read where it stands beside the
// repository. The test is skipped where it is missing, but fails in CI.
func Reference(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(repository, "..", "shared", "captures", "reference", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("a reference capture is missing: %v", err)
		}
		tb.Skipf("the reference captures are not beside the repository: %v", err)
	}
	return path
}

// Truth returns the APDUs that the receiving stack delivered to its users,
// from testdata/mta/truth: by direction, in order.
func Truth(tb testing.TB, name string) (out [2][]APDU) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "testdata", "mta", "truth", "index.json"))
	if err != nil {
		tb.Fatal(err)
	}
	type side struct {
		APDUs []APDU `json:"apdus"`
	}
	var index map[string]map[string]json.RawMessage
	if err := json.Unmarshal(b, &index); err != nil {
		tb.Fatal(err)
	}
	for dir, who := range []string{"received_by_responder", "received_by_initiator"} {
		raw, ok := index[name][who]
		if !ok {
			continue
		}
		var s side
		if err := json.Unmarshal(raw, &s); err != nil {
			tb.Fatal(err)
		}
		out[dir] = s.APDUs
	}
	return out
}

// APDU is an APDU in the index of the truth.
type APDU struct {
	File   string `json:"file"`
	Octets int    `json:"octets"`
	SHA256 string `json:"sha256"`
}

// TruthAPDU returns the octets of one of those APDUs, by its name without suffix.
func TruthAPDU(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "testdata", "mta", "truth", "apdus", name+".apdu"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

type packetSource interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// Streams cuts a capture file into connections and TPKTs.
func Streams(tb testing.TB, path string) []*Stream {
	tb.Helper()
	f, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return Read(tb, f)
}

// Single returns the only connection of a capture.
func Single(tb testing.TB, path string) *Stream {
	tb.Helper()
	all := Streams(tb, path)
	if len(all) != 1 {
		tb.Fatalf("%s has %d connections, want 1", path, len(all))
	}
	return all[0]
}

// Read is like Streams, for the octets of a pcap or pcapng file.
func Read(tb testing.TB, file []byte) []*Stream {
	tb.Helper()
	var src packetSource
	var link layers.LinkType
	if len(file) > 4 && binary.LittleEndian.Uint32(file) == 0x0A0D0D0A {
		r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
		if err != nil {
			tb.Fatal(err)
		}
		src, link = r, r.LinkType()
	} else {
		r, err := pcapgo.NewReader(bytes.NewReader(file))
		if err != nil {
			tb.Fatal(err)
		}
		src, link = r, r.LinkType()
	}
	type key struct{ a, b netip.AddrPort }
	open := map[key]*Stream{}
	var all []*Stream
	for frame := uint64(1); ; frame++ {
		raw, info, err := src.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			break // A capture that is cut off.
		}
		p := gopacket.NewPacket(raw, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		tcp, ok := p.TransportLayer().(*layers.TCP)
		if !ok {
			continue
		}
		src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
		dst, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Dst().Raw())
		from := netip.AddrPortFrom(src.Unmap(), uint16(tcp.SrcPort))
		to := netip.AddrPortFrom(dst.Unmap(), uint16(tcp.DstPort))
		if tcp.SYN && !tcp.ACK {
			delete(open, key{from, to})
		}
		s, dir := open[key{from, to}], uint8(0)
		if s == nil {
			if s = open[key{to, from}]; s != nil {
				dir = 1
			}
		}
		if s == nil {
			// Without a SYN the lower port is the server's.
			s = &Stream{Client: from, Server: to}
			if from.Port() < to.Port() && !tcp.SYN || tcp.SYN && tcp.ACK {
				s.Client, s.Server, dir = to, from, 1
			}
			open[key{s.Client, s.Server}] = s
			all = append(all, s)
		}
		if tcp.SYN {
			s.next[dir], s.base[dir], s.synced[dir] = tcp.Seq+1, tcp.Seq+1, true
			continue
		}
		payload := tcp.Payload
		if ip, ok := p.NetworkLayer().(*layers.IPv4); ok {
			// Ethernet pads short frames.
			payload = payload[:min(len(payload), max(int(ip.Length)-int(ip.IHL)*4-int(tcp.DataOffset)*4, 0))]
		}
		if len(payload) > 0 {
			s.segment(dir, segment{tcp.Seq, slices.Clone(payload), info.Timestamp.UnixNano(), frame})
		}
	}
	for _, s := range all {
		for dir := range uint8(2) {
			s.flush(dir)
		}
	}
	return all
}

// flush gives what stands behind holes at the end of the capture.
func (s *Stream) flush(dir uint8) {
	for len(s.ahead[dir]) > 0 {
		g := s.ahead[dir][0]
		s.TPKTs = append(s.TPKTs, TPKT{Dir: dir, Seq: s.next[dir], Offset: uint64(s.next[dir] - s.base[dir]), Time: g.time, Frame: g.frame, Lost: uint64(g.seq - s.next[dir])})
		s.half[dir], s.next[dir] = nil, g.seq
		s.ahead[dir] = s.ahead[dir][1:]
		s.segment(dir, g)
	}
}

// patience is how many segments behind a hole say that it will stay.
const patience = 12

func (s *Stream) segment(dir uint8, g segment) {
	if !s.synced[dir] {
		s.next[dir], s.base[dir], s.synced[dir] = g.seq, g.seq, true
	}
	s.ahead[dir] = append(s.ahead[dir], g)
	slices.SortStableFunc(s.ahead[dir], func(a, b segment) int { return cmp.Compare(int32(a.seq-b.seq), 0) })
	for len(s.ahead[dir]) > 0 {
		g := s.ahead[dir][0]
		skip := int32(s.next[dir] - g.seq)
		if skip < 0 {
			if len(s.ahead[dir]) < patience {
				return
			}
			s.TPKTs = append(s.TPKTs, TPKT{Dir: dir, Seq: s.next[dir], Offset: uint64(s.next[dir] - s.base[dir]), Time: g.time, Frame: g.frame, Lost: uint64(-skip)})
			s.half[dir], s.next[dir], skip = nil, g.seq, 0
		}
		s.ahead[dir] = s.ahead[dir][1:]
		if int(skip) < len(g.payload) {
			s.half[dir] = append(s.half[dir], g.payload[skip:]...)
			s.next[dir] += uint32(len(g.payload)) - uint32(skip)
			s.cut(dir, g)
		}
	}
}

// cut takes the whole TPKTs off the octets of a direction.
func (s *Stream) cut(dir uint8, g segment) {
	for len(s.half[dir]) >= 4 {
		h := s.half[dir]
		n := int(binary.BigEndian.Uint16(h[2:]))
		if h[0] != 3 || h[1] != 0 || n < 7 {
			s.half[dir] = nil // Behind a hole; a segment will begin with one.
			return
		}
		if len(h) < n {
			return
		}
		seq := s.next[dir] - uint32(len(h)) + 4
		s.TPKTs = append(s.TPKTs, TPKT{
			Dir: dir, Seq: seq, Offset: uint64(seq - s.base[dir]), Time: g.time, Frame: g.frame, Octets: h[4:n:n],
		})
		s.half[dir] = h[n:]
	}
}

// TSDUs puts the data of a connection's DT TPDUs together (X.224 13.7, class 0:
// one TPDU in a TPKT).
func (s *Stream) TSDUs() []TSDU {
	var out []TSDU
	var half [2][]byte
	var unsure [2]bool // What follows may be the rest of a TSDU.
	for i := range s.TPKTs {
		p := &s.TPKTs[i]
		if p.Lost > 0 {
			half[p.Dir], unsure[p.Dir] = nil, true
			continue
		}
		if len(p.Octets) < 3 || p.Octets[0] != 2 || p.Octets[1] != 0xF0 {
			continue
		}
		if unsure[p.Dir] {
			unsure[p.Dir] = p.Octets[2]&0x80 == 0
			continue
		}
		half[p.Dir] = append(half[p.Dir], p.Octets[3:]...)
		if p.Octets[2]&0x80 != 0 {
			out = append(out, TSDU{Dir: p.Dir, Frame: p.Frame, Octets: half[p.Dir]})
			half[p.Dir] = nil
		}
	}
	return out
}

// TSDUs returns those of all captures of X.400, for the seeds of fuzz targets.
func TSDUs(tb testing.TB) [][]byte {
	tb.Helper()
	var out [][]byte
	for _, path := range Captures(tb) {
		for _, s := range Streams(tb, path) {
			for _, u := range s.TSDUs() {
				out = append(out, u.Octets)
			}
		}
	}
	return out
}

// Fields returns what tshark says of TSDUs: for each of them
// the values of each of the fields in the order in which they stand there.
//
// Each TSDU is given to it as one TPDU in one frame: tshark joins segments of
// both directions of a connection into one TSDU where they are interleaved.
func Fields(tb testing.TB, tsdus []TSDU, names ...string) []map[string][]string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tsdus.pcap")
	if err := os.WriteFile(path, frames(tb, tsdus), 0o600); err != nil {
		tb.Fatal(err)
	}
	args := []string{"-n", "-r", path, "-T", "json", "--no-duplicate-keys"}
	for _, name := range names {
		args = append(args, "-e", name)
	}
	args = append(args, "-e", "frame.number")
	cmd := exec.Command("tshark", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+tb.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		tb.Fatalf("tshark %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	var list []struct {
		Source struct {
			Layers map[string][]string `json:"layers"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		tb.Fatalf("tshark's answer: %v", err)
	}
	if len(list) != len(tsdus) {
		tb.Fatalf("tshark tells of %d frames, want %d", len(list), len(tsdus))
	}
	out := make([]map[string][]string, len(list))
	for i := range list {
		out[i] = list[i].Source.Layers
		delete(out[i], "frame.number")
	}
	return out
}

// frames returns a pcap file of TSDUs, each in a TCP segment of its own.
func frames(tb testing.TB, tsdus []TSDU) []byte {
	tb.Helper()
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeRaw); err != nil {
		tb.Fatal(err)
	}
	var seqs [256][2]uint32
	buf := gopacket.NewSerializeBuffer()
	for i := range tsdus {
		u := &tsdus[i]
		n := len(u.Octets) + 7
		if n > 65000 {
			tb.Fatalf("a TSDU of %d octets does not fit into a frame", n)
		}
		payload := append([]byte{3, 0, byte(n >> 8), byte(n), 2, 0xF0, 0x80}, u.Octets...)
		seq := &seqs[u.Conn]
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: []byte{10, 0, 0, 1 + u.Dir}, DstIP: []byte{10, 0, 0, 2 - u.Dir}}
		tcp := &layers.TCP{SrcPort: 1024 + layers.TCPPort(u.Conn), DstPort: 102, Seq: 1 + seq[u.Dir], Ack: 1 + seq[1-u.Dir], ACK: true, PSH: true, Window: 65535}
		if u.Dir == 1 {
			tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
		}
		seq[u.Dir] += uint32(n)
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, ip, tcp, gopacket.Payload(payload)); err != nil {
			tb.Fatal(err)
		}
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
		if err := w.WritePacket(info, buf.Bytes()); err != nil {
			tb.Fatal(err)
		}
	}
	return file.Bytes()
}

// Hex returns the octets that s has in hexadecimal. Between parentheses stands
// the content of a BER element, before which its length is put: 30(02(05)) is
// 30 03 02 01 05. Brackets do the same for session's parameters.
func Hex(tb testing.TB, s string) []byte {
	tb.Helper()
	var out []byte
	var open []int
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ':
		case '(', '[':
			open = append(open, len(out))
		case ')', ']':
			at := open[len(open)-1]
			open = open[:len(open)-1]
			n := len(out) - at
			length := []byte{byte(n)}
			switch {
			case c == ')' && n > 255:
				length = []byte{0x82, byte(n >> 8), byte(n)}
			case c == ')' && n > 127:
				length = []byte{0x81, byte(n)}
			case c == ']' && n > 254:
				length = []byte{0xFF, byte(n >> 8), byte(n)}
			}
			out = slices.Insert(out, at, length...)
		default:
			b, err := hex.DecodeString(s[i:min(i+2, len(s))])
			if err != nil {
				tb.Fatalf("%s: %v", s, err)
			}
			out = append(out, b...)
			i++
		}
	}
	if len(open) > 0 {
		tb.Fatalf("%s: a parenthesis is open", s)
	}
	return out
}
