package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Frames are made by gopacket's encoders, which know nothing of this package.

func pack(t testing.TB, parts ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, parts...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

var (
	mac1 = net.HardwareAddr{0x02, 0, 0, 0, 0, 1}
	mac2 = net.HardwareAddr{0x02, 0, 0, 0, 0, 2}
	// Addresses that begin with 4 and 6, to be mistaken for IP behind MPLS.
	mac4 = net.HardwareAddr{0x45, 0, 0, 0, 0, 4}
	mac6 = net.HardwareAddr{0x60, 0, 0, 0, 0, 6}
)

func eth(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: mac1, DstMAC: mac2, EthernetType: t}
}

func ip4(p layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: p, SrcIP: net.IP{192, 0, 2, 9}, DstIP: net.IP{192, 0, 2, 1}}
}

func ip6(p layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::2")}
}

func tcpHeader() *layers.TCP {
	return &layers.TCP{SrcPort: 4001, DstPort: 102, Seq: 0x01020304, Ack: 0x05060708, ACK: true, PSH: true, Window: 4096,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}}
}

const body = "the payload of a segment"

type raw []byte

func (r raw) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	p, err := b.PrependBytes(len(r))
	copy(p, r)
	return err
}
func (r raw) LayerType() gopacket.LayerType { return gopacket.LayerTypePayload }

func inner4(t testing.TB) []byte {
	return pack(t, ip4(layers.IPProtocolTCP), tcpHeader(), gopacket.Payload(body))
}

func inner6(t testing.TB) []byte {
	return pack(t, ip6(layers.IPProtocolTCP), tcpHeader(), gopacket.Payload(body))
}

func innerEth(t testing.TB) []byte {
	return pack(t, eth(layers.EthernetTypeIPv4), raw(inner4(t)))
}

func tag(t layers.EthernetType) *layers.Dot1Q { return &layers.Dot1Q{VLANIdentifier: 7, Type: t} }

func label(bottom bool) *layers.MPLS { return &layers.MPLS{Label: 1000, TTL: 9, StackBottom: bottom} }

func options(next layers.IPProtocol) raw {
	return raw{byte(next), 0, 1, 4, 0, 0, 0, 0}
}

func TestEncapsulations(t *testing.T) {
	const v4, v6 = layers.EthernetTypeIPv4, layers.EthernetTypeIPv6
	erspan := eth(v4)
	outer := func(p layers.IPProtocol) []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{eth(v4), ip4(p)}
	}
	in4, in6, inEth := raw(inner4(t)), raw(inner6(t)), raw(innerEth(t))
	udp := func(port layers.UDPPort) gopacket.SerializableLayer {
		return &layers.UDP{SrcPort: 9999, DstPort: port}
	}
	from := func(dst net.HardwareAddr) raw {
		return pack(t, &layers.Ethernet{SrcMAC: mac1, DstMAC: dst, EthernetType: v4}, in4)
	}
	tests := []struct {
		name   string
		link   LinkType
		layers []gopacket.SerializableLayer
	}{
		{"Ethernet", LinkEthernet, []gopacket.SerializableLayer{eth(v4), in4}},
		{"Ethernet, IPv6", LinkEthernet, []gopacket.SerializableLayer{eth(v6), in6}},
		{"VLAN", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeDot1Q), tag(v4), in4}},
		{"QinQ 88a8", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeQinQ), tag(layers.EthernetTypeDot1Q), tag(v6), in6}},
		{"QinQ 9100", LinkEthernet, []gopacket.SerializableLayer{eth(0x9100), tag(layers.EthernetTypeDot1Q), tag(v4), in4}},
		{"SNAP", LinkEthernet, []gopacket.SerializableLayer{eth(100), raw{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, in4}},
		{"MPLS", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(true), in4}},
		{"MPLS, three labels, IPv6", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(false), label(false), label(true), in6}},
		{"MPLS pseudowire", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(true), inEth}},
		{"MPLS pseudowire with control word", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(true), raw{0, 0, 0, 5}, inEth}},
		{"MPLS pseudowire to an address that begins with 4", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(true), from(mac4)}},
		{"MPLS pseudowire to an address that begins with 6", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(true), from(mac6)}},
		{"VLAN in MPLS pseudowire", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeMPLSUnicast), label(true), raw{0, 0, 0, 0}, eth(layers.EthernetTypeDot1Q), tag(v4), in4}},
		{"cooked", LinkSLL, []gopacket.SerializableLayer{raw{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, in4}},
		{"cooked, VLAN", LinkSLL, []gopacket.SerializableLayer{raw{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0}, tag(v6), in6}},
		{"cooked 2", LinkSLL2, []gopacket.SerializableLayer{raw{0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, in6}},
		{"cooked 2, GRE device", LinkSLL2, []gopacket.SerializableLayer{raw{0x08, 0x00, 0, 0, 0, 0, 0, 2, 3, 10, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, in4}},
		{"raw, IPv4", LinkRaw, []gopacket.SerializableLayer{in4}},
		{"raw, IPv6", LinkRaw, []gopacket.SerializableLayer{in6}},
		{"raw 12", LinkRawBSD, []gopacket.SerializableLayer{in4}},
		{"raw 14", LinkRawOpenBSD, []gopacket.SerializableLayer{in6}},
		{"IPv4", LinkIPv4, []gopacket.SerializableLayer{in4}},
		{"IPv6", LinkIPv6, []gopacket.SerializableLayer{in6}},
		{"loopback, little", LinkNull, []gopacket.SerializableLayer{raw{2, 0, 0, 0}, in4}},
		{"loopback, big", LinkNull, []gopacket.SerializableLayer{raw{0, 0, 0, 2}, in4}},
		{"loopback, Darwin's IPv6", LinkNull, []gopacket.SerializableLayer{raw{30, 0, 0, 0}, in6}},
		{"loop", LinkLoop, []gopacket.SerializableLayer{raw{0, 0, 0, 24}, in6}},
		{"PPP", LinkPPP, []gopacket.SerializableLayer{raw{0xff, 3, 0, 0x21}, in4}},
		{"PPP, compressed", LinkPPP, []gopacket.SerializableLayer{raw{0x57}, in6}},
		{"PPPoE", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypePPPoESession),
			&layers.PPPoE{Version: 1, Type: 1, SessionId: 3}, &layers.PPP{PPPType: layers.PPPTypeIPv4}, in4}},
		{"Cisco HDLC", LinkCHDLC, []gopacket.SerializableLayer{raw{0x0f, 0, 8, 0}, in4}},
		{"GRE", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: v4}, in4)},
		{"GRE with key, sequence and checksum", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: v6, KeyPresent: true, SeqPresent: true, ChecksumPresent: true}, in6)},
		{"GRE, transparent Ethernet", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeTransparentEthernetBridging}, inEth)},
		{"GRE in IPv6", LinkEthernet, []gopacket.SerializableLayer{eth(v6), ip6(layers.IPProtocolGRE), &layers.GRE{Protocol: v4}, in4}},
		{"ERSPAN I", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeERSPAN}, inEth)},
		{"ERSPAN II", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeERSPAN, SeqPresent: true, Seq: 5},
			&layers.ERSPANII{Version: 1, SessionID: 3}, erspan, in4)},
		{"ERSPAN III", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: 0x22eb, SeqPresent: true}, raw{0x20, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0}, inEth)},
		{"ERSPAN III with platform header", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: 0x22eb, SeqPresent: true},
			raw{0x20, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9}, inEth)},
		{"ERSPAN III of IP", LinkEthernet, append(outer(layers.IPProtocolGRE), &layers.GRE{Protocol: 0x22eb, SeqPresent: true}, raw{0x20, 0, 0, 1, 0, 0, 0, 9, 0, 0, 8, 0}, in6)},
		{"VXLAN", LinkEthernet, append(outer(layers.IPProtocolUDP), udp(4789), &layers.VXLAN{ValidIDFlag: true, VNI: 77}, inEth)},
		{"Geneve", LinkEthernet, append(outer(layers.IPProtocolUDP), udp(6081), raw{1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0}, inEth)},
		{"GTP-U", LinkEthernet, append(outer(layers.IPProtocolUDP), udp(2152), raw{0x30, 255, 0, 0, 0, 0, 0, 1}, in4)},
		{"GTP-U with extension header", LinkEthernet, append(outer(layers.IPProtocolUDP), udp(2152), raw{0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 1, 0}, in6)},
		{"IP in IP", LinkEthernet, append(outer(layers.IPProtocolIPv4), in4)},
		{"6in4", LinkEthernet, append(outer(layers.IPProtocolIPv6), in6)},
		{"4in6", LinkEthernet, []gopacket.SerializableLayer{eth(v6), ip6(layers.IPProtocolIPv4), in4}},
		{"MPLS in IP", LinkEthernet, append(outer(layers.IPProtocolMPLSInIP), label(true), in4)},
		{"IPv4 options", LinkEthernet, []gopacket.SerializableLayer{eth(v4), func() gopacket.SerializableLayer {
			h := ip4(layers.IPProtocolTCP)
			h.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
			return h
		}(), tcpHeader(), gopacket.Payload(body)}},
		{"IPv6 extension headers", LinkEthernet, []gopacket.SerializableLayer{eth(v6), ip6(layers.IPProtocolIPv6HopByHop),
			options(layers.IPProtocolIPv6Destination), options(layers.IPProtocolIPv6Routing),
			raw{byte(layers.IPProtocolAH), 0, 0, 0, 0, 0, 0, 0},
			raw{byte(layers.IPProtocolTCP), 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, tcpHeader(), gopacket.Payload(body)}},
		{"atomic fragment", LinkEthernet, []gopacket.SerializableLayer{eth(v6), ip6(layers.IPProtocolIPv6Fragment), raw{6, 0, 0, 0, 0, 0, 0, 1}, tcpHeader(), gopacket.Payload(body)}},
		{"all at once", LinkEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeQinQ), tag(layers.EthernetTypeDot1Q), tag(layers.EthernetTypeMPLSUnicast),
			label(false), label(true), ip4(layers.IPProtocolUDP), udp(4789), &layers.VXLAN{ValidIDFlag: true}, eth(layers.EthernetTypeDot1Q), tag(v4),
			ip4(layers.IPProtocolGRE), &layers.GRE{Protocol: v6}, in6}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := pack(t, tt.layers...)
			d := NewDecoder(DecoderConfig{Ports: []uint16{102}})
			var s Segment
			// Padding behind the IP packet is not payload.
			for _, trailer := range []int{0, 7, 46} {
				f := Frame{Data: append(bytes.Clone(frame), make([]byte, trailer)...), Time: 5, Number: 6, File: 7, Link: tt.link}
				f.Length = len(f.Data)
				if !d.Decode(&f, &s) {
					t.Fatalf("no segment: %+v", d.Counters())
				}
				check(t, &s)
			}
			// Cut anywhere: no panic, no payload made up, and what is missing
			// is told.
			for n := range frame {
				f := Frame{Data: frame[:n:n], Length: len(frame), Link: tt.link}
				if d.Decode(&f, &s) {
					if !bytes.HasPrefix([]byte(body), s.Payload) || len(s.Payload)+s.Missing != len(body) {
						t.Fatalf("cut to %d of %d: payload %q, %d missing", n, len(frame), s.Payload, s.Missing)
					}
				} else if n >= len(frame)-len(body) {
					t.Fatalf("cut to %d of %d: no segment", n, len(frame))
				}
			}
			f := Frame{Data: frame, Length: len(frame), Link: tt.link}
			if n := testing.AllocsPerRun(10, func() {
				if !d.Decode(&f, &s) {
					t.Fatal("no segment")
				}
			}); n != 0 {
				t.Errorf("got %v allocations", n)
			}
			c := d.Counters()
			if c.Frames != c.Segments+c.NotIP+c.NotTCP+c.OtherPort+c.Fragments+c.UnknownLink+c.Short+c.Malformed+c.TooDeep {
				t.Errorf("the counters do not add up: %+v", c)
			}
		})
	}
}

func check(t *testing.T, s *Segment) {
	t.Helper()
	src, dst := "192.0.2.9:4001", "192.0.2.1:102"
	if s.Key.Family == 6 {
		src, dst = "[2001:db8::1]:4001", "[2001:db8::2]:102"
	}
	if s.Src().String() != src || s.Dst().String() != dst {
		t.Errorf("got %v to %v, want %v to %v", s.Src(), s.Dst(), src, dst)
	}
	if string(s.Payload) != body || s.Missing != 0 {
		t.Errorf("got payload %q, %d missing", s.Payload, s.Missing)
	}
	if s.Seq != 0x01020304 || s.Ack != 0x05060708 || s.Flags != ACK|PSH || s.Window != 4096 || s.Time != 5 || s.Frame != 6 || s.File != 7 {
		t.Errorf("got %+v", s)
	}
}

func TestFlowKeyIsSymmetric(t *testing.T) {
	addrs := [][]byte{{1, 2, 3, 4}, {1, 2, 3, 5}, {200, 0, 0, 1}}
	var a, b FlowKey
	for _, x := range addrs {
		for _, y := range addrs {
			for _, p := range []uint16{1, 102} {
				for _, q := range []uint16{1, 102} {
					hiA, hiB := a.set(false, x, p, y, q), b.set(false, y, q, x, p)
					if a != b || hiA == hiB && !(bytes.Equal(x, y) && p == q) {
						t.Errorf("%v:%d, %v:%d: %v %v, %v %v", x, p, y, q, a, hiA, b, hiB)
					}
				}
			}
		}
	}
	var six FlowKey
	six.set(true, append([]byte{1, 2, 3, 4}, make([]byte, 12)...), 1, append([]byte{1, 2, 3, 5}, make([]byte, 12)...), 102)
	four := FlowKey{}
	four.set(false, []byte{1, 2, 3, 4}, 1, []byte{1, 2, 3, 5}, 102)
	if six == four {
		t.Error("IPv6 addresses are taken for IPv4's")
	}
}

func TestWhatIsNotUsedIsCounted(t *testing.T) {
	in4 := raw(inner4(t))
	v4 := layers.EthernetTypeIPv4
	deep := []gopacket.SerializableLayer{eth(v4)}
	for range 40 {
		deep = append(deep, ip4(layers.IPProtocolIPv4))
	}
	bad := bytes.Clone(in4)
	bad[0] = 0x44
	badTCP := bytes.Clone(in4)
	badTCP[20+12] = 0x40
	udp := &layers.UDP{SrcPort: 102, DstPort: 102}
	tests := []struct {
		name string
		link LinkType
		data []byte
		want Counters
	}{
		{"ARP", LinkEthernet, pack(t, eth(layers.EthernetTypeARP), raw(make([]byte, 28))), Counters{NotIP: 1}},
		{"GOOSE", LinkEthernet, pack(t, eth(0x88b8), raw(make([]byte, 28))), Counters{NotIP: 1}},
		{"UDP", LinkEthernet, pack(t, eth(v4), ip4(layers.IPProtocolUDP), udp), Counters{NotTCP: 1}},
		{"no next header", LinkEthernet, pack(t, eth(layers.EthernetTypeIPv6), ip6(layers.IPProtocolNoNextHeader)), Counters{NotTCP: 1}},
		{"other port", LinkEthernet, pack(t, eth(v4), ip4(layers.IPProtocolTCP), &layers.TCP{SrcPort: 1, DstPort: 2}), Counters{OtherPort: 1}},
		{"link type", 147, in4, Counters{UnknownLink: 1}},
		{"empty", LinkEthernet, nil, Counters{Short: 1}},
		{"IP header too short", LinkRaw, bad, Counters{Malformed: 1}},
		{"TCP header too short", LinkRaw, badTCP, Counters{Malformed: 1}},
		{"too deep", LinkEthernet, pack(t, append(deep, in4)...), Counters{TooDeep: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(DecoderConfig{Ports: []uint16{102}})
			f := Frame{Data: tt.data, Length: len(tt.data), Link: tt.link}
			var s Segment
			if d.Decode(&f, &s) {
				t.Fatal("got a segment")
			}
			tt.want.Frames = 1
			if got := d.Counters(); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A packet that the card was to segment has no length in its IP header.
func TestLengthZero(t *testing.T) {
	for _, in := range [][]byte{inner4(t), inner6(t)} {
		b := bytes.Clone(in)
		if b[0]>>4 == 4 {
			b[2], b[3] = 0, 0
		} else {
			b[4], b[5] = 0, 0
		}
		d := NewDecoder(DecoderConfig{})
		var s Segment
		f := Frame{Data: b, Length: len(b) + 10, Link: LinkRaw, Time: 5, Number: 6, File: 7}
		if !d.Decode(&f, &s) || string(s.Payload) != body || s.Missing != 10 {
			t.Errorf("got payload %q, %d missing", s.Payload, s.Missing)
		}
	}
}

// A fragment of an IP packet, from its payload.
type fragment struct {
	off  int
	data []byte
	more bool
}

// cutUp cuts a payload into fragments of a multiple of 8 octets.
func cutUp(b []byte, size int) (out []fragment) {
	for off := 0; off < len(b); off += size {
		end := min(len(b), off+size)
		out = append(out, fragment{off, b[off:end], end < len(b)})
	}
	return out
}

func frame4(t testing.TB, id uint16, p layers.IPProtocol, g fragment) []byte {
	h := ip4(p)
	h.Id = id
	h.FragOffset = uint16(g.off / 8)
	if g.more {
		h.Flags = layers.IPv4MoreFragments
	}
	return pack(t, eth(layers.EthernetTypeIPv4), h, gopacket.Payload(g.data))
}

func frame6(t testing.TB, id uint32, p layers.IPProtocol, g fragment) []byte {
	x := raw{byte(p), 0, 0, 0, 0, 0, 0, 0}
	off := uint16(g.off)
	if g.more {
		off |= 1
	}
	binary.BigEndian.PutUint16(x[2:], off)
	binary.BigEndian.PutUint32(x[4:], id)
	return pack(t, eth(layers.EthernetTypeIPv6), ip6(layers.IPProtocolIPv6Fragment), options(layers.IPProtocolTCP)[:0], x, gopacket.Payload(g.data))
}

func TestFragments(t *testing.T) {
	tcp4 := pack(t, tcpHeader(), gopacket.Payload(body))
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}, {3, 0, 6, 1, 5, 2, 4}, {0, 0, 1, 1, 2, 3, 4, 5, 5, 6}} {
		for _, v6 := range []bool{false, true} {
			d := NewDecoder(DecoderConfig{Ports: []uint16{102}})
			var s Segment
			got := 0
			pieces := cutUp(tcp4, 8)
			if len(pieces) != 7 {
				t.Fatalf("%d fragments", len(pieces))
			}
			for i, k := range order {
				data := frame4(t, 7, layers.IPProtocolTCP, pieces[k])
				if v6 {
					data = frame6(t, 7, layers.IPProtocolTCP, pieces[k])
				}
				// Short frames are padded.
				data = append(data, make([]byte, 10)...)
				f := Frame{Data: data, Length: len(data), Time: 5, Number: 6, File: 7, Link: LinkEthernet}
				if d.Decode(&f, &s) {
					got++
					check(t, &s)
					if i != len(order)-1 {
						t.Errorf("whole after %d of %v", i+1, order)
					}
				}
			}
			c := d.Counters()
			if got != 1 || c.Reassembled != 1 || c.Fragments != uint64(len(order)-1) || d.PendingDatagrams() != 0 || d.fragments.octets != 0 {
				t.Errorf("IPv6 %v, order %v: got %d segments, %+v", v6, order, got, c)
			}
		}
	}
}

// A tunnel's packet in fragments, in which there is a packet in fragments.
func TestFragmentsInFragments(t *testing.T) {
	in := pack(t, tcpHeader(), gopacket.Payload(body))
	d := NewDecoder(DecoderConfig{Ports: []uint16{102}})
	var s Segment
	got := 0
	for i, g := range cutUp(in, 24) {
		outer := pack(t, &layers.GRE{Protocol: layers.EthernetTypeTransparentEthernetBridging}, raw(frame4(t, 1, layers.IPProtocolTCP, g)))
		for _, h := range cutUp(outer, 16) {
			data := frame6(t, uint32(100+i), layers.IPProtocolGRE, h)
			f := Frame{Data: data, Length: len(data), Time: 5, Number: 6, File: 7, Link: LinkEthernet}
			if d.Decode(&f, &s) {
				got++
				check(t, &s)
			}
		}
	}
	if got != 1 {
		t.Errorf("got %d segments: %+v", got, d.Counters())
	}
}

func TestFragmentOverlapFirstWins(t *testing.T) {
	d := NewDecoder(DecoderConfig{})
	in := pack(t, tcpHeader(), gopacket.Payload(body))
	evil := bytes.Repeat([]byte{'!'}, len(in))
	var s Segment
	const end = 48
	got := false
	for _, g := range []fragment{{8, in[8:32], true}, {0, append(bytes.Clone(in[:8]), evil[8:40]...)[:40], true}, {40, in[40:end], true}, {24, evil[24:48], true}, {end, in[end:], false}} {
		data := frame4(t, 1, layers.IPProtocolTCP, g)
		f := Frame{Data: data, Length: len(data), Link: LinkEthernet}
		got = d.Decode(&f, &s)
		if got {
			break
		}
	}
	// Octets 32 to 40 came first with the second fragment.
	want := bytes.Clone([]byte(body))
	copy(want, "!!!!!!!!")
	if !got || !bytes.Equal(s.Payload, want) {
		t.Errorf("got %q, want %q: %+v", s.Payload, want, d.Counters())
	}
	if c := d.Counters(); c.FragmentsOverlap != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestFragmentTableIsBounded(t *testing.T) {
	d := NewDecoder(DecoderConfig{MaxDatagrams: 10, MaxFragmentOctets: 20000, FragmentTimeout: time.Second})
	var s Segment
	now := int64(0)
	send := func(id uint16, g fragment) bool {
		data := frame4(t, id, layers.IPProtocolTCP, g)
		f := Frame{Data: data, Length: len(data), Link: LinkEthernet, Time: now}
		return d.Decode(&f, &s)
	}
	for id := range uint16(100) {
		send(id, fragment{8, make([]byte, 8), true})
		if n := d.PendingDatagrams(); n > 10 {
			t.Fatalf("%d datagrams", n)
		}
	}
	if c := d.Counters(); c.DatagramsLost != 90 || c.FragmentsLost != 90 {
		t.Errorf("got %+v", c)
	}
	for id := range uint16(100) {
		send(id, fragment{0, make([]byte, 1024), true})
		send(id, fragment{64000, make([]byte, 1024), true})
		if d.fragments.octets > 20000 {
			t.Fatalf("%d octets", d.fragments.octets)
		}
	}
	now = 5e9
	send(999, fragment{0, make([]byte, 8), true})
	if n := d.PendingDatagrams(); n != 1 {
		t.Errorf("%d datagrams after the timeout", n)
	}
	before := d.Counters().FragmentsMalformed
	send(999, fragment{16, make([]byte, 8), false})
	for _, g := range []fragment{
		{65528, make([]byte, 16), true}, // Beyond the largest datagram.
		{24, make([]byte, 8), true},     // Beyond the end.
		{8, make([]byte, 8), false},     // Another end.
		{8, make([]byte, 7), true},      // Not a multiple of 8.
	} {
		if send(999, g) {
			t.Error("got a segment")
		}
	}
	if n := d.Counters().FragmentsMalformed - before; n != 4 {
		t.Errorf("%d were refused", n)
	}
}

// Any order, duplication and overlap of fragments gives the payload back.
func TestAnyFragmentation(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		payload := make([]byte, 1+r.IntN(3000))
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		in := pack(t, tcpHeader(), gopacket.Payload(payload))
		pieces := cutUp(in, 8*(1+r.IntN(60)))
		for range r.IntN(5) {
			off := r.IntN(len(in)) / 8 * 8
			if end := min(len(in)/8*8, off+8*r.IntN(50)); end > off {
				pieces = append(pieces, fragment{off, in[off:end], true})
			}
		}
		r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		d := NewDecoder(DecoderConfig{})
		var s Segment
		got := false
		for _, g := range pieces {
			data := frame4(t, 1, layers.IPProtocolTCP, g)
			f := Frame{Data: data, Length: len(data), Link: LinkEthernet}
			if d.Decode(&f, &s) {
				if !bytes.Equal(s.Payload, payload) {
					t.Fatalf("seed %d: the payload differs", seed)
				}
				got = true
			}
		}
		if !got {
			t.Fatalf("seed %d: no segment: %+v", seed, d.Counters())
		}
	}
}

// TestPlainPorts: a plain frame, with two tags or fewer, is one from or to any wanted port.
func TestPlainPorts(t *testing.T) {
	for _, ports := range [][]uint16{nil, {102}, {102, 0x6600, 7}} {
		d := NewDecoder(DecoderConfig{Ports: ports})
		for _, ends := range [][2]uint16{{4001, 102}, {102, 4001}, {102, 102}, {0x6600, 5}, {5, 0x6600}, {7, 5}, {5, 7}, {5, 6}, {0, 5}} {
			header := tcpHeader()
			header.SrcPort, header.DstPort = layers.TCPPort(ends[0]), layers.TCPPort(ends[1])
			inner := pack(t, ip4(layers.IPProtocolTCP), header, gopacket.Payload(body))
			wanted := len(ports) == 0 || slices.Contains(ports, ends[0]) || slices.Contains(ports, ends[1])
			for tags := range 4 {
				front := []gopacket.SerializableLayer{eth(layers.EthernetTypeIPv4), tag(layers.EthernetTypeIPv4), raw(inner)}
				if tags == 0 {
					front = []gopacket.SerializableLayer{front[0], raw(inner)}
				} else {
					front[0] = eth(layers.EthernetTypeDot1Q)
				}
				for range tags - 1 {
					front = slices.Insert(front, 1, gopacket.SerializableLayer(tag(layers.EthernetTypeDot1Q)))
				}
				data := pack(t, front...)
				before := d.Counters()
				h, payload := d.Plain(&Frame{Data: data, Length: len(data), Link: LinkEthernet})
				if found := h != nil; found != (wanted && tags < 3) || found && string(payload) != body {
					t.Errorf("ports %v, %d tags, from %d to %d: %v, %q", ports, tags, ends[0], ends[1], found, payload)
				}
				if after := d.Counters(); (after != before) != (h != nil) {
					t.Errorf("ports %v, %d tags, from %d to %d: %+v", ports, tags, ends[0], ends[1], after)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, link := range []LinkType{LinkEthernet, LinkRaw, LinkSLL, LinkSLL2, LinkNull, LinkPPP} {
		f.Add(uint16(link), innerEth(f), 0)
	}
	f.Add(uint16(LinkEthernet), pack(f, eth(layers.EthernetTypeMPLSUnicast), label(true), raw(innerEth(f))), 9)
	f.Add(uint16(LinkEthernet), pack(f, eth(layers.EthernetTypeIPv4), ip4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeERSPAN, SeqPresent: true}, &layers.ERSPANII{Version: 1}, raw(innerEth(f))), 0)
	f.Add(uint16(LinkEthernet), pack(f, eth(layers.EthernetTypeIPv4), ip4(layers.IPProtocolUDP), &layers.UDP{DstPort: 4789}, &layers.VXLAN{ValidIDFlag: true}, raw(innerEth(f))), 0)
	f.Add(uint16(LinkEthernet), frame6(f, 1, layers.IPProtocolTCP, fragment{0, inner4(f)[20:28], true}), 0)
	d := NewDecoder(DecoderConfig{MaxDatagrams: 8, MaxFragmentOctets: 1 << 17})
	f.Add(uint16(LinkEthernet), pack(f, eth(layers.EthernetTypeDot1Q), tag(layers.EthernetTypeIPv4), raw(inner4(f))), 0)
	f.Add(uint16(LinkEthernet), pack(f, eth(layers.EthernetTypeQinQ), tag(layers.EthernetTypeDot1Q), tag(layers.EthernetTypeIPv6), raw(inner6(f))), 0)
	f.Add(uint16(LinkEthernet), pack(f, eth(layers.EthernetTypeIPv6), raw(inner6(f))), 0)
	straight := NewDecoder(DecoderConfig{})
	f.Fuzz(func(t *testing.T, link uint16, data []byte, more int) {
		var s Segment
		fr := Frame{Data: slices.Clip(data), Length: len(data) + max(0, more%100000), Link: LinkType(link)}
		h, payload := straight.Plain(&fr)
		if h != nil {
			s.Plain(&fr, h, payload)
		}
		if h != nil || straight.plain6(&fr, &s) {
			// What is decoded straight through is decoded as any other.
			var same Segment
			if n := d.general(&fr, &same); n != &d.counters.Segments || !reflect.DeepEqual(s, same) {
				t.Fatalf("%+v, and in general %+v", s, same)
			}
		}
		before := d.Counters()
		ok := d.Decode(&fr, &s)
		c := d.Counters()
		if ok && (s.Missing < 0 || len(s.Payload) > 1<<16+len(data) || s.Key.Family != 4 && s.Key.Family != 6) {
			t.Fatalf("%+v", s)
		}
		if c.Frames != before.Frames+1 || (c.Segments != before.Segments) != ok ||
			c.Frames != c.Segments+c.NotIP+c.NotTCP+c.OtherPort+c.Fragments+c.UnknownLink+c.Short+c.Malformed+c.TooDeep {
			t.Fatalf("%+v", c)
		}
		if d.fragments.octets > 1<<17 || d.PendingDatagrams() > 8 {
			t.Fatalf("%d octets in %d datagrams", d.fragments.octets, d.PendingDatagrams())
		}
	})
}

// All frames of the project's own captures, held in memory.
func frames(t testing.TB) (list []Frame, octets int64) {
	for _, name := range captures(t)[:9] {
		r, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var f Frame
		for r.Next(&f) != io.EOF {
			f.Data = bytes.Clone(f.Data)
			list = append(list, f)
			octets += int64(len(f.Data))
		}
		r.Close()
	}
	return list, octets
}

func BenchmarkDecode(b *testing.B) {
	list, octets := frames(b)
	d := NewDecoder(DecoderConfig{Ports: []uint16{102}})
	var s Segment
	b.SetBytes(octets)
	b.ReportAllocs()
	for b.Loop() {
		for i := range list {
			d.Decode(&list[i], &s)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/frame")
}

// The same with gopacket's decoders, into layers that are used again.
func BenchmarkDecodeGopacket(b *testing.B) {
	list, octets := frames(b)
	var (
		e    layers.Ethernet
		v4   layers.IPv4
		v6   layers.IPv6
		tcp  layers.TCP
		load gopacket.Payload
		got  []gopacket.LayerType
	)
	p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &e, &v4, &v6, &tcp, &load)
	p.IgnoreUnsupported = true
	b.SetBytes(octets)
	b.ReportAllocs()
	for b.Loop() {
		for i := range list {
			p.DecodeLayers(list[i].Data, &got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/frame")
}
