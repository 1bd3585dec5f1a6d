// Package capture turns capture files into TCP segments: it reads frames in
// capture-time order and undoes link layers, tunnels and IP fragments.
//
// [Reader] reads one pcap or pcapng file, gzip or zstd compressed or plain,
// recognised by content. [Source] reads several as one stream. [Decoder] takes
// a [Frame] and gives the TCP [Segment] in it, if there is one on a wanted
// port, and counts everything it does not give.
//
// The formats are read here and not by gopacket's pcapgo, because pcapgo stops
// at files that are legal or that other programs read (a packet longer on disk
// than on the wire, a time resolution of whole seconds), allocates for the
// options of a packet, copies each packet, and does not tell a file that was
// cut from one that ended. It is the other opinion in the tests. Headers are
// read here as well: each is a few lines, and a layer decoder that fills a
// struct for each layer costs several times as much. Frames of interfaces come
// from package device.
//
// Refused: files of other formats, packets larger than [MaxRecord], pcapng
// blocks larger than [MaxBlock] (where they matter). A file that ends inside a
// record ends there; that is told by [File.Truncated] and is no error.
// Checksums are never verified: captures taken at the sender hold packets whose
// checksums the card fills in later.
//
// Frame.Data belongs to the reader until its next call of Next, and
// Segment.Payload refers to Frame.Data or to the decoder's reassembly buffer,
// until the next call of Decode. Readers, sources and decoders are for one
// goroutine each.
package capture

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// MaxBlock is the largest pcapng block that is looked into.
const MaxBlock = 16 << 20

// LinkType is a link-layer header type as pcap numbers them.
type LinkType uint16

// The link types that Decoder understands.
const (
	LinkNull       LinkType = 0
	LinkEthernet   LinkType = 1
	LinkPPP        LinkType = 9
	LinkRawBSD     LinkType = 12
	LinkRawOpenBSD LinkType = 14
	LinkPPPHDLC    LinkType = 50
	LinkPPPoE      LinkType = 51
	LinkRaw        LinkType = 101
	LinkCHDLC      LinkType = 104
	LinkLoop       LinkType = 108
	LinkSLL        LinkType = 113
	LinkIPv4       LinkType = 228
	LinkIPv6       LinkType = 229
	LinkSLL2       LinkType = 276
)

// A Frame is one captured packet. Data is borrowed until the next call of the
// reader that gave it.
type Frame struct {
	Data   []byte
	Length int      // Length on the wire; Data may be shorter by the snap length.
	Time   int64    // Capture time, nanoseconds since 1970 UTC.
	Number uint64   // Number in its file, from 1.
	File   int32    // Index into Source.Files; 0 for a Reader used alone.
	Link   LinkType // Link-layer header type of Data.
	Iface  uint32   // Number of its interface in a section of pcapng.
	Known  bool     // It is archived already; see WatchConfig.Since.
}

// File says what was read from one capture file.
type File struct {
	Name        string
	TotalSize   int64             // Octets as stored; -1 where unknown (a pipe).
	Size        int64             // Octets read so far, as stored (compressed).
	SHA256      [sha256.Size]byte // Of the octets as stored; set when Done.
	Done        bool              // The file was read to its end.
	Truncated   bool              // The last record (or compressed stream) was cut short.
	Format      string            // "pcap", "pcapng", with ".gz" or ".zst".
	Frames      uint64
	Octets      uint64 // Captured octets of all frames.
	First, Last int64  // Earliest and latest capture time.
}

// FlowKey identifies a TCP connection's two ends without regard to direction.
// It is comparable. Lo is the end that sorts first by address, then port. VLAN
// and tunnel identifiers are not part of it.
type FlowKey struct {
	LoIP, HiIP     [16]byte // IPv4 addresses stand in the first four octets.
	LoPort, HiPort uint16
	Family         uint16 // 4 or 6
}

// KeyOf returns the key of the connection between two ends, which are of the same
// family.
func KeyOf(a, b netip.AddrPort) (k FlowKey) {
	k.set(!a.Addr().Is4(), a.Addr().AsSlice(), a.Port(), b.Addr().AsSlice(), b.Port())
	return k
}

// Ends4 returns what Headers.Ends returns of a segment that Hi or Lo sent, of a connection
// over IPv4.
func (k *FlowKey) Ends4(fromHi bool) (addrs uint64, ports uint32) {
	src, dst := binary.LittleEndian.Uint32(k.LoIP[:]), binary.LittleEndian.Uint32(k.HiIP[:])
	srcPort, dstPort := bits.ReverseBytes16(k.LoPort), bits.ReverseBytes16(k.HiPort)
	if fromHi {
		src, dst, srcPort, dstPort = dst, src, dstPort, srcPort
	}
	return uint64(src) | uint64(dst)<<32, uint32(srcPort) | uint32(dstPort)<<16
}

// Lo returns the end that sorts first.
func (k *FlowKey) Lo() netip.AddrPort { return netip.AddrPortFrom(k.addr(&k.LoIP), k.LoPort) }

// Hi returns the end that sorts second.
func (k *FlowKey) Hi() netip.AddrPort { return netip.AddrPortFrom(k.addr(&k.HiIP), k.HiPort) }

func (k *FlowKey) addr(a *[16]byte) netip.Addr {
	if k.Family == 4 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	return netip.AddrFrom16(*a)
}

// SpreadFactor is 2^32 divided by the golden ratio: multiplied with it, addresses
// that differ little differ in the upper bits.
const SpreadFactor = 0x9e3779b1

// Spread returns a number below 65536 that is the same for all segments between
// two hosts, to spread pairs of hosts over workers. Kernel programs calculate the
// same (pipeline/capture/device).
func (k *FlowKey) Spread() uint32 {
	x := uint32(0)
	for i := 0; i < 16; i += 4 {
		x ^= binary.BigEndian.Uint32(k.LoIP[i:]) ^ binary.BigEndian.Uint32(k.HiIP[i:])
	}
	return x * SpreadFactor >> 16
}

// Flags are TCP's control bits (RFC 9293 section 3.1).
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// A Segment is one TCP segment. Payload is borrowed until the next call of
// Decoder.Decode or of the reader that gave the frame.
type Segment struct {
	Key     FlowKey
	FromHi  bool // Sent by Key.Hi to Key.Lo.
	Flags   Flags
	Window  uint16
	ID      uint16 // Of the IPv4 packet that it came in (RFC 791 section 3.1); 0 over IPv6.
	Seq     uint32
	Ack     uint32
	Payload []byte
	Missing int    // Payload octets that were on the wire but not captured, after Payload.
	Time    int64  // Capture time, nanoseconds since 1970 UTC.
	Frame   uint64 // Number of the frame (the last fragment's) in its file.
	File    int32
}

// Plain fills s with the segment in f that Decoder.Plain returned.
func (s *Segment) Plain(f *Frame, h *Headers, payload []byte) {
	s.FromHi = h.key(&s.Key)
	numbers := h.Numbers()
	s.Seq, s.Ack, s.Flags = uint32(numbers>>32), uint32(numbers), h.Flags()
	s.Window, s.ID = h.Window(), h.ID()
	s.Payload, s.Missing = payload, 0
	s.Time, s.Frame, s.File = f.Time, f.Number, f.File
}

// Src returns the sender.
func (s *Segment) Src() netip.AddrPort {
	if s.FromHi {
		return s.Key.Hi()
	}
	return s.Key.Lo()
}

// Dst returns the receiver.
func (s *Segment) Dst() netip.AddrPort {
	if s.FromHi {
		return s.Key.Lo()
	}
	return s.Key.Hi()
}
