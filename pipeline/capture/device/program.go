package device

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/bpf"

	"x400flow/pipeline/capture"
)

// Tunnels are encapsulations that the filter admits whatever is in them, for
// the port to be matched once they are undone.
type Tunnels uint16

// The tunnels.
const (
	MPLS Tunnels = 1 << iota // Label stacks (RFC 3032), over Ethernet and IP.
	PPPoE
	GRE // ERSPAN as well.
	IPIP
	VXLAN
	Geneve
	GTP

	NoTunnels  Tunnels = 0
	AllTunnels         = MPLS | PPPoE | GRE | IPIP | VXLAN | Geneve | GTP
)

var tunnelNames = [...]string{"mpls", "pppoe", "gre", "ipip", "vxlan", "geneve", "gtp"}

// ParseTunnels reads names separated by commas, all, or none.
func ParseTunnels(s string) (Tunnels, error) {
	switch s {
	case "all":
		return AllTunnels, nil
	case "none":
		return NoTunnels, nil
	}
	var t Tunnels
	for name := range strings.SplitSeq(s, ",") {
		i := slices.Index(tunnelNames[:], strings.TrimSpace(name))
		if i < 0 {
			return 0, fmt.Errorf("%q is no tunnel: all, none, or some of %s", name, strings.Join(tunnelNames[:], ","))
		}
		t |= 1 << i
	}
	return t, nil
}

// maxPorts bounds the ports that the kernel compares one by one; with more, it
// admits all TCP segments.
const maxPorts = 256

// Filter returns the program by which the kernel decides about frames of a link
// type. It rejects only what [capture.Decoder] cannot find a segment on one of
// the ports in, not even together with other frames: it admits fragments, and
// the tunnels given. No ports are all ports.
func Filter(link capture.LinkType, ports []uint16, tunnels Tunnels) ([]bpf.RawInstruction, error) {
	p := &program{ports: ports, tunnels: tunnels}
	switch link {
	case capture.LinkEthernet:
		p.ethernet()
	case capture.LinkRaw:
		p.raw()
	default:
		return nil, fmt.Errorf("frames of link type %d are not captured", link)
	}
	return bpf.Assemble(p.code)
}

// A program is BPF in the making. X is where the header in hand begins.
type program struct {
	ports   []uint16
	tunnels Tunnels
	code    []bpf.Instruction
}

// maxAdmitted is what is captured of a frame: all of it.
const maxAdmitted = capture.MaxRecord

func (p *program) add(ins ...bpf.Instruction) { p.code = append(p.code, ins...) }

func (p *program) admit()  { p.add(bpf.RetConstant{Val: maxAdmitted}) }
func (p *program) reject() { p.add(bpf.RetConstant{Val: 0}) }

// byteAt, wordAt load what stands at an offset from X.
func (p *program) byteAt(off uint32) { p.add(bpf.LoadIndirect{Off: off, Size: 1}) }
func (p *program) wordAt(off uint32) { p.add(bpf.LoadIndirect{Off: off, Size: 2}) }

// forward moves X by n.
func (p *program) forward(n uint32) {
	p.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n}, bpf.TAX{})
}

// when does then where A is one of the values; otherwise the program goes on
// behind it. Conditional jumps reach 255 instructions only, so they jump over
// one that reaches farther.
func (p *program) when(then func(), values ...uint32) {
	if len(values) == 0 {
		return
	}
	for i, v := range values {
		// To the body, which stands behind the other comparisons and the jump
		// over it.
		p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1},
			bpf.Jump{Skip: uint32(2*(len(values)-1-i) + 1)})
	}
	p.body(then)
}

// body adds what is jumped over by what comes to it in order.
func (p *program) body(then func()) {
	over := len(p.code)
	p.add(bpf.Jump{})
	then()
	p.code[over] = bpf.Jump{Skip: uint32(len(p.code) - over - 1)}
}

// whenBits does then where A has one of the bits.
func (p *program) whenBits(bits uint32, then func()) {
	p.add(bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: bits, SkipTrue: 1}, bpf.Jump{Skip: 1})
	p.body(then)
}

// maxTags is how many VLAN tags are looked behind; frames with more are
// admitted.
const maxTags = 4

// tagTypes are the EtherTypes of VLAN tags.
var tagTypes = []uint32{0x8100, 0x88a8, 0x9100, 0x9200}

func (p *program) ethernet() {
	// X is at the EtherType.
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 12})
	p.wordAt(0)
	for range maxTags {
		p.when(func() {
			p.forward(4)
			p.wordAt(0)
		}, tagTypes...)
	}
	p.when(p.admit, tagTypes...)
	p.when(func() { p.forward(2); p.ipv4() }, 0x0800)
	p.when(func() { p.forward(2); p.ipv6() }, 0x86dd)
	if p.tunnels&MPLS != 0 {
		p.when(p.admit, 0x8847, 0x8848)
	}
	if p.tunnels&PPPoE != 0 {
		p.when(p.admit, 0x8864)
	}
	// IEEE 802.3 with LLC and SNAP, perhaps.
	p.add(bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 1500, SkipFalse: 1}, bpf.RetConstant{Val: 0})
	p.wordAt(2)
	p.when(p.admit, 0xaaaa)
	p.reject()
}

func (p *program) raw() {
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	p.byteAt(0)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	p.when(p.ipv4, 0x40)
	p.when(p.ipv6, 0x60)
	p.reject()
}

// inside are the IP protocols that are admitted whatever is in them: the
// extension headers of IPv6, and AH.
func (p *program) inside(v6 bool) []uint32 {
	all := []uint32{51}
	if v6 {
		all = append(all, 0, 43, 44, 60, 135, 139, 140)
	}
	if p.tunnels&IPIP != 0 {
		all = append(all, 4, 41)
	}
	if p.tunnels&GRE != 0 {
		all = append(all, 47)
	}
	if p.tunnels&MPLS != 0 {
		all = append(all, 137)
	}
	return all
}

// udpPorts are the destination ports of tunnels over UDP.
func (p *program) udpPorts() []uint32 {
	var all []uint32
	if p.tunnels&VXLAN != 0 {
		all = append(all, 4789, 8472)
	}
	if p.tunnels&Geneve != 0 {
		all = append(all, 6081)
	}
	if p.tunnels&GTP != 0 {
		all = append(all, 2152)
	}
	return all
}

// ipv4 decides about a packet whose header begins at X.
func (p *program) ipv4() {
	p.wordAt(6)
	p.whenBits(0x3fff, func() { // A fragment.
		p.byteAt(9)
		p.when(p.admit, 6)
		if len(p.udpPorts()) > 0 {
			p.when(p.admit, 17)
		}
		p.when(p.admit, p.inside(true)...) // What the decoder holds fragments of.
		p.reject()
	})
	p.byteAt(9)
	p.when(func() { p.behindIPv4(); p.tcp() }, 6)
	p.when(func() { p.behindIPv4(); p.udp() }, 17)
	p.when(p.admit, p.inside(false)...)
	p.reject()
}

// behindIPv4 moves X from an IPv4 header behind it.
func (p *program) behindIPv4() {
	p.byteAt(0)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
}

func (p *program) ipv6() {
	p.byteAt(6)
	p.when(func() { p.forward(40); p.tcp() }, 6)
	p.when(func() { p.forward(40); p.udp() }, 17)
	p.when(p.admit, p.inside(true)...)
	p.reject()
}

func (p *program) tcp() {
	if len(p.ports) == 0 || len(p.ports) > maxPorts {
		p.admit()
		return
	}
	for _, off := range []uint32{0, 2} {
		p.wordAt(off)
		for _, port := range p.ports {
			p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1})
			p.admit()
		}
	}
	p.reject()
}

func (p *program) udp() {
	p.wordAt(2)
	p.when(p.admit, p.udpPorts()...)
	p.reject()
}

// Where the kernel's fan-out program finds the network header, as offsets below
// 0 (SKF_NET_OFF of linux/filter.h).
const networkHeader = 0xfff00000

// fanout returns the program by which the kernel spreads an interface's frames
// over its rings: by the addresses of the outermost IP header, without regard
// to direction, and so that fragments go where their datagram goes. It gives what
// [capture.FlowKey.Spread] gives; the kernel takes it modulo the rings. What it
// cannot read goes to the first ring.
func fanout() ([]bpf.RawInstruction, error) {
	p := &program{}
	p.add(bpf.LoadExtension{Num: bpf.ExtProto})
	for _, off := range []uint32{networkHeader, networkHeader + 4} {
		p.when(func() { p.spread(off+12, 2) }, 0x0800)
		p.when(func() { p.spread(off+8, 8) }, 0x86dd)
		if off != networkHeader {
			break
		}
		// The kernel has taken one tag off; another stands before the header.
		p.when(func() { p.add(bpf.LoadAbsolute{Off: networkHeader + 2, Size: 2}) }, tagTypes...)
	}
	p.add(bpf.RetConstant{Val: 0})
	return bpf.Assemble(p.code)
}

// spread mixes n words of 4 octets, the two addresses.
func (p *program) spread(off, n uint32) {
	p.add(bpf.LoadAbsolute{Off: off, Size: 4})
	for i := uint32(1); i < n; i++ {
		p.add(bpf.TAX{}, bpf.LoadAbsolute{Off: off + 4*i, Size: 4}, bpf.ALUOpX{Op: bpf.ALUOpXor})
	}
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: capture.SpreadFactor}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16}, bpf.RetA{})
}
