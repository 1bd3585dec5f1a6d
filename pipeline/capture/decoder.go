package capture

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"time"
)

// DecoderConfig says which segments a Decoder gives.
type DecoderConfig struct {
	// Ports are matched against both ports of the TCP header. None means all.
	Ports []uint16
	// Limits of the table of IP fragments. Zero means the default.
	MaxFragmentOctets int           // 16 MiB
	MaxDatagrams      int           // 4096
	FragmentTimeout   time.Duration // 60 s of capture time
}

// Counters count frames by what became of them. Each frame counts once in
// Frames and once in one of the others down to TooDeep.
type Counters struct {
	Frames    uint64
	Segments  uint64 // Given to the caller.
	NotIP     uint64
	NotTCP    uint64
	OtherPort uint64
	Fragments uint64 // Held back as a piece of a datagram not yet whole, or refused as one.

	// Undecodable frames by reason.
	UnknownLink uint64 // Link type not supported.
	Short       uint64 // Cut inside a header.
	Malformed   uint64 // A header contradicts itself.
	TooDeep     uint64 // More encapsulations than are followed.

	// Of the datagrams that came in fragments (not of frames).
	Reassembled        uint64
	DatagramsLost      uint64 // Given up: incomplete at timeout or eviction.
	FragmentsLost      uint64 // Their fragments.
	FragmentsOverlap   uint64 // Fragments that overlapped others; the first octets win.
	FragmentsMalformed uint64 // Refused: beyond the largest datagram, or against the end told before.
}

// Add adds what another decoder counted.
func (c *Counters) Add(o Counters) {
	for _, v := range [...]struct {
		to   *uint64
		more uint64
	}{
		{&c.Frames, o.Frames}, {&c.Segments, o.Segments}, {&c.NotIP, o.NotIP}, {&c.NotTCP, o.NotTCP},
		{&c.OtherPort, o.OtherPort}, {&c.Fragments, o.Fragments}, {&c.UnknownLink, o.UnknownLink}, {&c.Short, o.Short},
		{&c.Malformed, o.Malformed}, {&c.TooDeep, o.TooDeep}, {&c.Reassembled, o.Reassembled},
		{&c.DatagramsLost, o.DatagramsLost}, {&c.FragmentsLost, o.FragmentsLost},
		{&c.FragmentsOverlap, o.FragmentsOverlap}, {&c.FragmentsMalformed, o.FragmentsMalformed},
	} {
		*v.to += v.more
	}
}

// maxDepth bounds the headers that are undone in one frame. A tag, a tunnel and
// an extension header count one each.
const maxDepth = 32

// A Decoder finds the TCP segment in a frame. It does not allocate, save for
// fragments.
type Decoder struct {
	port      uint16 // The first of those wanted,
	wire      uint16 // and as a number whose octets are in the other order.
	ports     [1 << 16 / 64]uint64
	counters  Counters
	fragments fragments

	outcome *uint64 // What the last frame without a segment was counted as.

	// The packet in hand.
	frame *Frame
	seg   *Segment
	cut   int // Octets of it that are missing after those at hand.
	depth int
	v6    bool // Addresses of the innermost IP header.
	src   []byte
	dst   []byte
	id    uint16 // IPv4 identification of it.

	datagram fragmentKey // Of the last fragment.
}

// NewDecoder returns a Decoder.
func NewDecoder(cfg DecoderConfig) *Decoder {
	d := &Decoder{}
	if len(cfg.Ports) > 0 {
		d.port, d.wire = cfg.Ports[0], bits.ReverseBytes16(cfg.Ports[0])
	}
	for _, p := range cfg.Ports {
		d.ports[p/64] |= 1 << (p % 64)
	}
	if len(cfg.Ports) == 0 {
		for i := range d.ports {
			d.ports[i] = ^uint64(0)
		}
	}
	d.fragments = fragments{
		maxOctets:    cmp.Or(cfg.MaxFragmentOctets, 16<<20),
		maxDatagrams: cmp.Or(cfg.MaxDatagrams, 4096),
		timeout:      int64(cmp.Or(cfg.FragmentTimeout, time.Minute)),
		counters:     &d.counters,
		table:        map[fragmentKey]*datagram{},
	}
	return d
}

// Counters returns what was counted so far.
func (d *Decoder) Counters() Counters { return d.counters }

// A Datagram identifies an IP datagram that came in fragments. It is comparable.
type Datagram struct{ key fragmentKey }

// Datagram returns that of the last fragment that was decoded.
func (d *Decoder) Datagram() Datagram { return Datagram{d.datagram} }

// PendingDatagrams returns how many datagrams wait for fragments.
func (d *Decoder) PendingDatagrams() int { return len(d.fragments.table) }

// Decode undoes f's link layer, tunnels and fragments. It reports whether that
// gave a TCP segment on a wanted port, and if so fills s.
func (d *Decoder) Decode(f *Frame, s *Segment) bool {
	if h, payload := d.Plain(f); h != nil {
		s.Plain(f, h, payload)
		return true
	}
	d.counters.Frames++
	if d.plain6(f, s) {
		d.counters.Segments++
		return true
	}
	n := d.general(f, s)
	*n++
	if n == &d.counters.Segments {
		return true
	}
	d.outcome = n
	return false
}

// general decodes any frame and returns the counter that it belongs to.
func (d *Decoder) general(f *Frame, s *Segment) *uint64 {
	d.frame, d.seg = f, s
	d.cut = max(0, f.Length-len(f.Data))
	d.depth = 0
	d.fragments.recycle()
	return d.link(f.Link, f.Data)
}

// Where the headers of a plain frame without tags begin, and where they end at least.
const (
	plainIP  = 14
	plainTCP = plainIP + 20
	plainEnd = plainTCP + 20

	plainTCP6 = plainIP + 40
	plainEnd6 = plainTCP6 + 20
)

// Headers are those of a plain segment, IPv4's and TCP's. Each number is read where it is
// wanted: all together would not stay in registers.
type Headers [plainEnd - plainIP]byte

const tcpAt = plainTCP - plainIP

// Ends returns both addresses and both ports as they stand there, the sender's first.
func (h *Headers) Ends() (addrs uint64, ports uint32) {
	return binary.LittleEndian.Uint64(h[12:]), binary.LittleEndian.Uint32(h[tcpAt:])
}

// Key returns the key of the segment's connection, and whether Key.Hi sent it.
func (h *Headers) Key() (key FlowKey, fromHi bool) {
	fromHi = h.key(&key)
	return key, fromHi
}

func (h *Headers) key(k *FlowKey) (fromHi bool) {
	return k.set4(uint64(binary.BigEndian.Uint32(h[12:]))<<16|uint64(binary.BigEndian.Uint16(h[tcpAt:])),
		uint64(binary.BigEndian.Uint32(h[16:]))<<16|uint64(binary.BigEndian.Uint16(h[tcpAt+2:])))
}

// Numbers returns the sequence number above that which is acknowledged.
func (h *Headers) Numbers() uint64 { return binary.BigEndian.Uint64(h[tcpAt+4:]) }

func (h *Headers) Flags() Flags   { return Flags(h[tcpAt+13]) }
func (h *Headers) Window() uint16 { return binary.BigEndian.Uint16(h[tcpAt+14:]) }
func (h *Headers) ID() uint16     { return binary.BigEndian.Uint16(h[4:]) }

// Plain decodes what nearly all frames are, straight through: a TCP segment on a wanted
// port in an IPv4 packet without options, not a fragment and not cut, in an Ethernet
// frame. It returns its headers and its payload, which belong to the frame. Of any other
// frame it returns nil, and it has done nothing; that is for Decode.
func (d *Decoder) Plain(f *Frame) (h *Headers, payload []byte) {
	b := f.Data
	if f.Link != LinkEthernet || len(b) < plainEnd {
		return nil, nil
	}
	if plainFront(b) != etherPlain {
		h, payload = d.untagged(f)
		return h, payload[:len(payload):len(payload)]
	}
	// What is compared as a whole is read in the order of the processor's octets.
	h = (*Headers)(b[plainIP:])
	at, end := plainTCP+int(h[tcpAt+12]>>2&^3), plainIP+int(binary.BigEndian.Uint16(h[2:]))
	ports := binary.LittleEndian.Uint32(h[tcpAt:])
	// No fragment, and whatever time to live.
	if binary.LittleEndian.Uint32(h[6:])&0xff00_ff3f != protoTCP<<24 || at < plainEnd || at > end || end > len(b) ||
		uint16(ports>>16) != d.wire && uint16(ports) != d.wire && !d.wanted(bits.ReverseBytes16(uint16(ports)), bits.ReverseBytes16(uint16(ports>>16))) {
		return nil, nil
	}
	d.counters.Frames++
	d.counters.Segments++
	return h, b[at:end:end]
}

// plainFront is what a frame says of its content up to the length of an IP header, and
// etherPlain what a plain one says.
func plainFront(b []byte) uint32 { return binary.LittleEndian.Uint32(b[12:]) & 0xff_ffff }

const etherPlain = 0x45<<16 | etherIPv4&0xff<<8 | etherIPv4>>8

// untagged is Plain for a frame with VLAN tags.
//
//go:noinline
func (d *Decoder) untagged(f *Frame) (h *Headers, payload []byte) {
	n := tagged(f.Data)
	inner := Frame{Data: f.Data[n:], Link: f.Link}
	if len(inner.Data) < plainEnd || plainFront(inner.Data) != etherPlain {
		return nil, nil
	}
	return d.Plain(&inner)
}

// tagged returns how many octets of VLAN tags stand before the EtherType of a frame's
// content, of the two tags that it may have to be plain.
func tagged(b []byte) int {
	n := 0
	for n < 8 && len(b) >= 14+n && isTag(binary.BigEndian.Uint16(b[12+n:])) {
		n += 4
	}
	return n
}

// plain6 decodes what nearly all frames with an IPv6 packet are, straight through, without
// an extension header. Of any other it reports false and has done nothing.
func (d *Decoder) plain6(f *Frame, s *Segment) bool {
	if f.Link != LinkEthernet {
		return false
	}
	b := f.Data[tagged(f.Data):]
	if len(b) < plainEnd6 {
		return false
	}
	h := (*[plainEnd6]byte)(b)
	n := int(binary.BigEndian.Uint16(h[plainIP+4:]))
	if binary.BigEndian.Uint16(h[12:]) != etherIPv6 || h[plainIP]>>4 != 6 || h[plainIP+6] != protoTCP || n > len(b)-plainTCP6 {
		return false
	}
	header := int(h[plainTCP6+12]>>4) * 4
	src, dst := binary.BigEndian.Uint16(h[plainTCP6:]), binary.BigEndian.Uint16(h[plainTCP6+2:])
	if header < plainEnd6-plainTCP6 || n < header || !d.wanted(src, dst) {
		return false
	}
	s.Seq, s.Ack = binary.BigEndian.Uint32(h[plainTCP6+4:]), binary.BigEndian.Uint32(h[plainTCP6+8:])
	s.Flags = Flags(h[plainTCP6+13])
	s.Window, s.ID = binary.BigEndian.Uint16(h[plainTCP6+14:]), 0
	s.Payload, s.Missing = b[plainTCP6+header:plainTCP6+n], 0
	s.Time, s.Frame, s.File = f.Time, f.Number, f.File
	s.FromHi = s.Key.set(true, h[plainIP+8:plainIP+24], src, h[plainIP+24:plainTCP6], dst)
	return true
}

// wanted reports whether one of two ports is to be looked at.
func (d *Decoder) wanted(src, dst uint16) bool {
	// Most often there is one, and it is that of servers.
	return dst == d.port || src == d.port || (d.ports[src/64]>>(src%64)|d.ports[dst/64]>>(dst%64))&1 != 0
}

// Undecodable reports whether the last frame that gave no segment has headers that
// cannot be read.
func (d *Decoder) Undecodable() bool {
	c := &d.counters
	return d.outcome == &c.Short || d.outcome == &c.Malformed || d.outcome == &c.TooDeep
}

// Fragment reports whether the last frame that gave no segment is part of an IP
// datagram.
func (d *Decoder) Fragment() bool { return d.outcome == &d.counters.Fragments }

// The functions below each undo one header and go on with what is inside. They
// return the counter that the frame belongs to.

func (d *Decoder) deeper() bool {
	d.depth++
	return d.depth <= maxDepth
}

func (d *Decoder) link(t LinkType, b []byte) *uint64 {
	switch t {
	case LinkEthernet:
		return d.ethernet(b)
	case LinkRaw, LinkRawBSD, LinkRawOpenBSD:
		return d.rawIP(b)
	case LinkIPv4:
		return d.ipv4(b)
	case LinkIPv6:
		return d.ipv6(b)
	case LinkNull, LinkLoop:
		if len(b) < 4 {
			return &d.counters.Short
		}
		// NULL's family is in the byte order of the machine that captured.
		family := binary.BigEndian.Uint32(b)
		if family > 0xffff {
			family = binary.LittleEndian.Uint32(b)
		}
		switch family {
		case 2:
			return d.ipv4(b[4:])
		case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD, FreeBSD and Darwin.
			return d.ipv6(b[4:])
		}
		return &d.counters.NotIP
	case LinkSLL:
		if len(b) < 16 {
			return &d.counters.Short
		}
		return d.cooked(binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[14:]), b[16:])
	case LinkSLL2:
		if len(b) < 20 {
			return &d.counters.Short
		}
		return d.cooked(binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b), b[20:])
	case LinkPPP, LinkPPPHDLC:
		return d.ppp(b)
	case LinkPPPoE:
		return d.pppoe(b)
	case LinkCHDLC:
		if len(b) < 4 {
			return &d.counters.Short
		}
		return d.etherType(binary.BigEndian.Uint16(b[2:]), b[4:])
	}
	return &d.counters.UnknownLink
}

// cooked goes on after a Linux cooked header, whose protocol field depends on
// the device's ARPHRD type.
func (d *Decoder) cooked(device, protocol uint16, b []byte) *uint64 {
	const netlink, gre = 824, 778
	switch device {
	case netlink:
		return &d.counters.NotIP
	case gre:
		return d.grePayload(protocol, b, false)
	}
	return d.etherType(protocol, b)
}

func (d *Decoder) rawIP(b []byte) *uint64 {
	if len(b) == 0 {
		return &d.counters.Short
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b)
	case 6:
		return d.ipv6(b)
	}
	return &d.counters.NotIP
}

func (d *Decoder) ethernet(b []byte) *uint64 {
	if !d.deeper() {
		return &d.counters.TooDeep
	}
	if len(b) < 14 {
		return &d.counters.Short
	}
	return d.etherType(binary.BigEndian.Uint16(b[12:]), b[14:])
}

// EtherTypes.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// isTag reports whether an EtherType is of IEEE 802.1Q or of its double tags.
func isTag(t uint16) bool { return t == 0x8100 || t == 0x88a8 || t == 0x9100 || t == 0x9200 }

// etherType goes on with the protocol that an EtherType names.
func (d *Decoder) etherType(t uint16, b []byte) *uint64 {
	for {
		if !d.deeper() {
			return &d.counters.TooDeep
		}
		switch {
		case t == etherIPv4:
			return d.ipv4(b)
		case t == etherIPv6:
			return d.ipv6(b)
		case isTag(t):
			if len(b) < 4 {
				return &d.counters.Short
			}
			t, b = binary.BigEndian.Uint16(b[2:]), b[4:]
			continue
		case t == 0x8847 || t == 0x8848:
			return d.mpls(b)
		case t == 0x8864:
			return d.pppoe(b)
		}
		if t <= 1500 {
			// IEEE 802.3: a length, LLC, and with SNAP an EtherType after all.
			if len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 && b[3]|b[4]|b[5] == 0 {
				t, b = binary.BigEndian.Uint16(b[6:]), b[8:]
				if t > 1500 {
					continue
				}
			}
		}
		return &d.counters.NotIP
	}
}

// mpls undoes a label stack (RFC 3032). What is inside is not told: by custom
// the first four bits tell IP from a pseudowire (RFC 4928).
func (d *Decoder) mpls(b []byte) *uint64 {
	for {
		if !d.deeper() {
			return &d.counters.TooDeep
		}
		if len(b) < 4 {
			return &d.counters.Short
		}
		bottom := b[2]&1 != 0
		b = b[4:]
		if bottom {
			break
		}
	}
	if len(b) == 0 {
		return &d.counters.Short
	}
	// An Ethernet address may begin with 4 or 6 as well; that an EtherType, an
	// IP version and a header length stand in its place by chance is less likely.
	if credibleEthernet(b) {
		return d.ethernet(b)
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b)
	case 6:
		return d.ipv6(b)
	case 0: // A control word (RFC 4385).
		if len(b) > 4 && credibleEthernet(b[4:]) {
			return d.ethernet(b[4:])
		}
	}
	return &d.counters.NotIP
}

func credibleIPv4(b []byte) bool {
	if len(b) < 20 || b[0]>>4 != 4 || b[0]&0x0f < 5 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	return n == 0 || n >= int(b[0]&0x0f)*4
}

func credibleIPv6(b []byte) bool {
	return len(b) >= 40 && b[0]>>4 == 6
}

// credibleEthernet reports whether b looks like an Ethernet frame that leads to
// IP.
func credibleEthernet(b []byte) bool {
	for i := 12; len(b) > i+2; i += 4 {
		switch t := binary.BigEndian.Uint16(b[i:]); {
		case t == etherIPv4:
			return credibleIPv4(b[i+2:])
		case t == etherIPv6:
			return credibleIPv6(b[i+2:])
		case !isTag(t):
			return false
		}
	}
	return false
}

// pppoe undoes a PPPoE session header (RFC 2516 section 4).
func (d *Decoder) pppoe(b []byte) *uint64 {
	if len(b) < 6 {
		return &d.counters.Short
	}
	if b[0] != 0x11 || b[1] != 0 {
		return &d.counters.NotIP
	}
	return d.ppp(b[6:])
}

// ppp undoes PPP's header (RFC 1661 section 2, RFC 1662 section 3.1), whose
// address, control and first protocol octet may be left out.
func (d *Decoder) ppp(b []byte) *uint64 {
	if !d.deeper() {
		return &d.counters.TooDeep
	}
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 {
		return &d.counters.Short
	}
	p := uint16(b[0])
	if p&1 != 0 {
		b = b[1:]
	} else {
		p, b = binary.BigEndian.Uint16(b), b[2:]
	}
	switch p {
	case 0x0021:
		return d.ipv4(b)
	case 0x0057:
		return d.ipv6(b)
	case 0x0281, 0x0283:
		return d.mpls(b)
	}
	return &d.counters.NotIP
}

// trim cuts b to the length that the IP header tells: what follows is padding
// or a frame check sequence. A length of 0 stands in packets captured before
// the card segmented them; they reach to the end of the frame.
func (d *Decoder) trim(b []byte, total int) []byte {
	switch {
	case total == 0:
		return b
	case total <= len(b):
		d.cut = 0
		return b[:total]
	}
	d.cut = total - len(b)
	return b
}

func (d *Decoder) ipv4(b []byte) *uint64 {
	if !d.deeper() {
		return &d.counters.TooDeep
	}
	if len(b) < 20 {
		return &d.counters.Short
	}
	header := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || header < 20 || total != 0 && total < header {
		return &d.counters.Malformed
	}
	b = d.trim(b, total)
	if len(b) < header {
		return &d.counters.Short
	}
	d.v6, d.src, d.dst = false, b[12:16], b[16:20]
	d.id = binary.BigEndian.Uint16(b[4:])
	protocol := b[9]
	if frag := binary.BigEndian.Uint16(b[6:]); frag&0x3fff != 0 {
		if !mayCarryTCP(protocol) {
			return &d.counters.NotTCP
		}
		k := fragmentKey{id: uint32(binary.BigEndian.Uint16(b[4:])), family: 4, protocol: protocol}
		copy(k.src[:], d.src)
		copy(k.dst[:], d.dst)
		d.datagram = k
		g := d.fragments.add(&k, int(frag&0x1fff)*8, frag&0x2000 != 0, protocol, b[header:], d.cut, d.frame.Time)
		if g == nil {
			return &d.counters.Fragments
		}
		d.cut = 0
		return d.protocol(g.next, g.octets())
	}
	return d.protocol(protocol, b[header:])
}

// mayCarryTCP reports whether fragments of a protocol are worth holding.
func mayCarryTCP(protocol uint8) bool {
	switch protocol {
	case protoTCP, protoUDP, protoIPv4, protoIPv6, protoGRE, protoMPLS, protoAH,
		protoHopByHop, protoRouting, protoDestination, protoFragment:
		return true
	}
	return false
}

func (d *Decoder) ipv6(b []byte) *uint64 {
	if !d.deeper() {
		return &d.counters.TooDeep
	}
	if len(b) < 40 {
		return &d.counters.Short
	}
	if b[0]>>4 != 6 {
		return &d.counters.Malformed
	}
	// A payload length of 0 is a jumbogram (RFC 2675) or one not segmented
	// yet: both reach to the end of the frame.
	if n := int(binary.BigEndian.Uint16(b[4:])); n != 0 {
		b = d.trim(b, 40+n)
	}
	d.v6, d.src, d.dst, d.id = true, b[8:24], b[24:40], 0
	return d.protocol(b[6], b[40:])
}

// IP protocol numbers.
const (
	protoHopByHop    = 0
	protoIPv4        = 4
	protoTCP         = 6
	protoUDP         = 17
	protoIPv6        = 41
	protoRouting     = 43
	protoFragment    = 44
	protoGRE         = 47
	protoAH          = 51
	protoDestination = 60
	protoMobility    = 135
	protoMPLS        = 137
	protoHIP         = 139
	protoShim6       = 140
)

// protocol goes on with what an IP header carries, IPv6's extension headers
// (RFC 8200 section 4) among it.
func (d *Decoder) protocol(p uint8, b []byte) *uint64 {
	for {
		switch p {
		case protoTCP:
			return d.tcp(b)
		case protoUDP:
			return d.udp(b)
		case protoIPv4:
			return d.ipv4(b)
		case protoIPv6:
			return d.ipv6(b)
		case protoGRE:
			return d.gre(b)
		case protoMPLS:
			return d.mpls(b)
		case protoHopByHop, protoRouting, protoDestination, protoMobility, protoHIP, protoShim6, protoAH:
			if p != protoAH && !d.v6 {
				return &d.counters.NotTCP
			}
			if !d.deeper() {
				return &d.counters.TooDeep
			}
			if len(b) < 8 {
				return &d.counters.Short
			}
			n := int(b[1])*8 + 8
			if p == protoAH { // RFC 4302 section 2.2: in units of 4 octets, less 2.
				n = int(b[1])*4 + 8
			}
			if n > len(b) {
				return &d.counters.Short
			}
			p, b = b[0], b[n:]
		case protoFragment:
			if !d.v6 {
				return &d.counters.NotTCP
			}
			if !d.deeper() {
				return &d.counters.TooDeep
			}
			if len(b) < 8 {
				return &d.counters.Short
			}
			next, frag := b[0], binary.BigEndian.Uint16(b[2:])
			if frag&0xfff9 == 0 { // An atomic fragment (RFC 6946).
				p, b = next, b[8:]
				continue
			}
			if !mayCarryTCP(next) {
				return &d.counters.NotTCP
			}
			k := fragmentKey{id: binary.BigEndian.Uint32(b[4:]), family: 6}
			copy(k.src[:], d.src)
			copy(k.dst[:], d.dst)
			d.datagram = k
			g := d.fragments.add(&k, int(frag&0xfff8), frag&1 != 0, next, b[8:], d.cut, d.frame.Time)
			if g == nil {
				return &d.counters.Fragments
			}
			d.cut = 0
			p, b = g.next, g.octets()
		default:
			return &d.counters.NotTCP
		}
	}
}

// udp looks for tunnels over UDP: VXLAN (RFC 7348), Geneve (RFC 8926) and GTP-U
// (3GPP TS 29.281).
func (d *Decoder) udp(b []byte) *uint64 {
	if len(b) < 8 {
		return &d.counters.NotTCP
	}
	port, body := binary.BigEndian.Uint16(b[2:]), b[8:]
	switch port {
	case 4789, 8472:
		if len(body) >= 8 && body[0]&0x08 != 0 && body[7] == 0 {
			return d.ethernet(body[8:])
		}
	case 6081:
		if len(body) >= 8 && body[0]>>6 == 0 {
			n := 8 + int(body[0]&0x3f)*4
			if n <= len(body) {
				return d.grePayload(binary.BigEndian.Uint16(body[2:]), body[n:], false)
			}
		}
	case 2152:
		// Version 1, GTP, G-PDU; a further header of at least 4 octets if any
		// of the flags E, S, PN is set.
		if len(body) >= 8 && body[0]&0xf0 == 0x30 && body[1] == 255 {
			n := 8
			if body[0]&0x07 != 0 {
				n = 12
				for next := byteAt(body, 11); body[0]&0x04 != 0 && next != 0; {
					if !d.deeper() {
						return &d.counters.TooDeep
					}
					units := int(byteAt(body, n)) * 4
					if units == 0 || n+units > len(body) {
						return &d.counters.Short
					}
					n += units
					next = body[n-1]
				}
			}
			if n < len(body) {
				return d.rawIP(body[n:])
			}
		}
	}
	return &d.counters.NotTCP
}

func byteAt(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// gre undoes GRE (RFC 2784, RFC 2890, and version 1 of RFC 2637).
func (d *Decoder) gre(b []byte) *uint64 {
	if !d.deeper() {
		return &d.counters.TooDeep
	}
	if len(b) < 4 {
		return &d.counters.Short
	}
	flags, t := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	const checksum, routing, key, sequence, ack = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
	version := flags & 7
	if version > 1 || flags&routing != 0 {
		return &d.counters.NotTCP // Source routes were withdrawn by RFC 2784.
	}
	n := 4
	if flags&checksum != 0 {
		n += 4
	}
	if flags&key != 0 {
		n += 4
	}
	if flags&sequence != 0 {
		n += 4
	}
	if version == 1 && flags&ack != 0 {
		n += 4
	}
	if len(b) < n {
		return &d.counters.Short
	}
	return d.grePayload(t, b[n:], flags&sequence != 0)
}

// grePayload goes on with what GRE's protocol type names.
func (d *Decoder) grePayload(t uint16, b []byte, sequenced bool) *uint64 {
	switch t {
	case 0x6558: // Transparent Ethernet bridging.
		return d.ethernet(b)
	case 0x88be: // ERSPAN: type I has no header and no sequence number, type II has both.
		if !sequenced {
			return d.ethernet(b)
		}
		if len(b) < 8 {
			return &d.counters.Short
		}
		if b[0]>>4 != 1 {
			return &d.counters.NotIP
		}
		return d.ethernet(b[8:])
	case 0x22eb: // ERSPAN type III: 12 octets, 8 more if its last bit is set.
		if len(b) < 12 {
			return &d.counters.Short
		}
		if b[0]>>4 != 2 {
			return &d.counters.NotIP
		}
		n, kind := 12, b[10]>>2&0x1f
		if b[11]&1 != 0 {
			n += 8
		}
		switch {
		case len(b) < n:
			return &d.counters.Short
		case kind == 0:
			return d.ethernet(b[n:])
		case kind == 2:
			return d.rawIP(b[n:])
		}
		return &d.counters.NotIP
	case 0x880b:
		return d.ppp(b)
	}
	return d.etherType(t, b)
}

// tcp reads the TCP header (RFC 9293 section 3.1).
func (d *Decoder) tcp(b []byte) *uint64 {
	if len(b) < 4 {
		return &d.counters.Short
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if !d.wanted(src, dst) {
		return &d.counters.OtherPort
	}
	if len(b) < 20 {
		return &d.counters.Short
	}
	header := int(b[12]>>4) * 4
	payload := len(b) + d.cut - header // On the wire.
	if header < 20 || payload < 0 {
		return &d.counters.Malformed
	}
	s := d.seg
	s.Seq, s.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.Flags = Flags(b[13])
	s.Window, s.ID = binary.BigEndian.Uint16(b[14:]), d.id
	s.Payload = b[min(header, len(b)):]
	s.Missing = payload - len(s.Payload)
	s.Time, s.Frame, s.File = d.frame.Time, d.frame.Number, d.frame.File
	s.FromHi = s.Key.set(d.v6, d.src, src, d.dst, dst)
	return &d.counters.Segments
}

// set makes k the key of a segment between two ends and reports whether the
// sender is Hi.
func (k *FlowKey) set(v6 bool, src []byte, srcPort uint16, dst []byte, dstPort uint16) (fromHi bool) {
	if !v6 {
		return k.set4(uint64(binary.BigEndian.Uint32(src))<<16|uint64(srcPort), uint64(binary.BigEndian.Uint32(dst))<<16|uint64(dstPort))
	}
	a, b := binary.BigEndian.Uint64(src), binary.BigEndian.Uint64(dst)
	if a == b {
		a, b = binary.BigEndian.Uint64(src[8:]), binary.BigEndian.Uint64(dst[8:])
	}
	if a == b {
		a, b = uint64(srcPort), uint64(dstPort)
	}
	if fromHi = a > b; fromHi {
		src, srcPort, dst, dstPort = dst, dstPort, src, srcPort
	}
	k.LoIP, k.HiIP, k.LoPort, k.HiPort, k.Family = [16]byte(src), [16]byte(dst), srcPort, dstPort, 6
	return fromHi
}

// set4 is set over IPv4. An end is one number here, its address above its port: which is
// greater is as good as random.
func (k *FlowKey) set4(src, dst uint64) (fromHi bool) {
	lo, hi := min(src, dst), max(src, dst)
	k.LoIP, k.HiIP = [16]byte{}, [16]byte{}
	binary.BigEndian.PutUint32(k.LoIP[:], uint32(lo>>16))
	binary.BigEndian.PutUint32(k.HiIP[:], uint32(hi>>16))
	k.LoPort, k.HiPort, k.Family = uint16(lo), uint16(hi), 4
	return src > dst
}
