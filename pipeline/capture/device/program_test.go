package device

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"golang.org/x/net/bpf"

	"x400flow/bench/generate"
	"x400flow/pipeline/capture"
)

// vm is the filter as golang.org/x/net/bpf carries it out.
func vm(t testing.TB, link capture.LinkType, ports []uint16, tunnels Tunnels) *bpf.VM {
	t.Helper()
	raw, err := Filter(link, ports, tunnels)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 4096 {
		t.Errorf("%d instructions: the kernel takes 4096", len(raw))
	}
	program, all := bpf.Disassemble(raw)
	if !all {
		t.Fatal("the filter cannot be disassembled")
	}
	m, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func admits(t testing.TB, m *bpf.VM, frame []byte) bool {
	t.Helper()
	n, err := m.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// The parts of frames, each a header and what is in it.

func ethernet(kind uint16, in []byte) []byte {
	return append(binary.BigEndian.AppendUint16(append([]byte{2, 0, 0, 0, 0, 1}, 2, 0, 0, 0, 0, 2), kind), in...)
}

func tag(tpid, id, kind uint16, in []byte) (uint16, []byte) {
	b := binary.BigEndian.AppendUint16(nil, id)
	return tpid, append(binary.BigEndian.AppendUint16(b, kind), in...)
}

func tcp(from, to uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0)
	return append(b, "payload"...)
}

func udp(to uint16, in []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x30, 0x39}, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(in)))
	return append(append(b, 0, 0), in...)
}

func ipv4(protocol byte, fragment uint16, options int, in []byte) []byte {
	b := []byte{byte(0x45 + options), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+4*options+len(in)))
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, 64, protocol, 0, 0, 10, 1, 2, 3, 10, 3, 2, 1)
	return append(append(b, make([]byte, 4*options)...), in...)
}

func ipv6(next byte, in []byte) []byte {
	b := []byte{0x60, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(in)))
	b = append(b, next, 64)
	b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
	b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
	return append(b, in...)
}

func vlan(depth int, kind uint16, in []byte) []byte {
	for i := range depth {
		kind, in = tag([]uint16{0x8100, 0x88a8, 0x9100}[i%3], 100, kind, in)
	}
	return ethernet(kind, in)
}

func vxlan(in []byte) []byte  { return append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, in...) }
func geneve(in []byte) []byte { return append([]byte{0, 0, 0x65, 0x58, 0, 0, 7, 0}, in...) }
func gtp(in []byte) []byte    { return append([]byte{0x30, 255, 0, byte(len(in)), 0, 0, 0, 1}, in...) }
func gre(kind uint16, in []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, 0}, kind), in...)
}

func TestFilter(t *testing.T) {
	wanted, other := ipv4(6, 0, 0, tcp(40000, 102)), ipv4(6, 0, 0, tcp(40000, 443))
	erspan := gre(0x88be, append([]byte{0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0}, ethernet(0x0800, wanted)...))
	erspan[0] = 0x10 // With a sequence number.
	for _, c := range []struct {
		name    string
		frame   []byte
		segment bool    // The decoder finds one.
		tunnel  Tunnels // The frame is admitted if this is enabled.
		reject  bool
	}{
		{name: "to the port", frame: ethernet(0x0800, wanted), segment: true},
		{name: "from the port", frame: ethernet(0x0800, ipv4(6, 0, 0, tcp(102, 40000))), segment: true},
		{name: "another port", frame: ethernet(0x0800, other), reject: true},
		{name: "second port", frame: ethernet(0x0800, ipv4(6, 0, 0, tcp(40000, 1102))), segment: true},
		{name: "IP options", frame: ethernet(0x0800, ipv4(6, 0, 10, tcp(40000, 102))), segment: true},
		{name: "IP options, another port", frame: ethernet(0x0800, ipv4(6, 0, 10, tcp(40000, 443))), reject: true},
		{name: "IPv6", frame: ethernet(0x86dd, ipv6(6, tcp(40000, 102))), segment: true},
		{name: "IPv6, another port", frame: ethernet(0x86dd, ipv6(6, tcp(40000, 443))), reject: true},
		{name: "IPv6 extension", frame: ethernet(0x86dd, ipv6(0, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, tcp(40000, 102)...))), segment: true},
		{name: "ARP", frame: ethernet(0x0806, make([]byte, 46)), reject: true},
		{name: "ICMP", frame: ethernet(0x0800, ipv4(1, 0, 0, make([]byte, 64))), reject: true},
		{name: "DNS", frame: ethernet(0x0800, ipv4(17, 0, 0, udp(53, make([]byte, 64)))), reject: true},
		{name: "VLAN", frame: vlan(1, 0x0800, wanted), segment: true},
		{name: "QinQ", frame: vlan(2, 0x86dd, ipv6(6, tcp(40000, 102))), segment: true},
		{name: "QinQ, another port", frame: vlan(2, 0x0800, other), reject: true},
		{name: "four tags", frame: vlan(4, 0x0800, wanted), segment: true},
		{name: "six tags", frame: vlan(6, 0x0800, wanted), segment: true},
		{name: "first fragment", frame: ethernet(0x0800, ipv4(6, 0x2000, 0, tcp(40000, 102)[:24]))},
		{name: "later fragment", frame: ethernet(0x0800, ipv4(6, 3, 0, make([]byte, 24)))},
		{name: "fragment of ICMP", frame: ethernet(0x0800, ipv4(1, 3, 0, make([]byte, 24))), reject: true},
		{name: "IPv6 fragment", frame: ethernet(0x86dd, ipv6(44, append([]byte{6, 0, 0, 1, 0, 0, 0, 1}, make([]byte, 24)...)))},
		{name: "SNAP", frame: ethernet(uint16(8+len(wanted)), append([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, wanted...)), segment: true},
		{name: "spanning tree", frame: ethernet(38, append([]byte{0x42, 0x42, 3}, make([]byte, 40)...)), reject: true},
		{name: "MPLS", frame: ethernet(0x8847, append([]byte{0, 0, 0x10, 64, 0, 0, 0x11, 64}, wanted...)), segment: true, tunnel: MPLS},
		{name: "PPPoE", frame: ethernet(0x8864, append([]byte{0x11, 0, 0, 1, 0, byte(2 + len(wanted)), 0, 0x21}, wanted...)), segment: true, tunnel: PPPoE},
		{name: "GRE", frame: ethernet(0x0800, ipv4(47, 0, 0, gre(0x0800, wanted))), segment: true, tunnel: GRE},
		{name: "GRE over IPv6", frame: ethernet(0x86dd, ipv6(47, gre(0x0800, wanted))), segment: true, tunnel: GRE},
		{name: "ERSPAN II", frame: vlan(1, 0x0800, ipv4(47, 0, 0, erspan)), segment: true, tunnel: GRE},
		{name: "IP in IP", frame: ethernet(0x0800, ipv4(4, 0, 0, wanted)), segment: true, tunnel: IPIP},
		{name: "6in4", frame: ethernet(0x0800, ipv4(41, 0, 0, ipv6(6, tcp(102, 40000)))), segment: true, tunnel: IPIP},
		{name: "VXLAN", frame: ethernet(0x0800, ipv4(17, 0, 0, udp(4789, vxlan(ethernet(0x0800, wanted))))), segment: true, tunnel: VXLAN},
		{name: "VXLAN over IPv6", frame: ethernet(0x86dd, ipv6(17, udp(8472, vxlan(vlan(1, 0x0800, wanted))))), segment: true, tunnel: VXLAN},
		{name: "VXLAN in fragments", frame: ethernet(0x0800, ipv4(17, 0x2000, 0, udp(4789, vxlan(ethernet(0x0800, wanted)))[:64])), tunnel: VXLAN | Geneve | GTP},
		{name: "Geneve", frame: ethernet(0x0800, ipv4(17, 0, 0, udp(6081, geneve(ethernet(0x0800, wanted))))), segment: true, tunnel: Geneve},
		{name: "GTP", frame: ethernet(0x0800, ipv4(17, 0, 0, udp(2152, gtp(wanted)))), segment: true, tunnel: GTP},
		{name: "MPLS over IP", frame: ethernet(0x0800, ipv4(137, 0, 0, append([]byte{0, 0, 0x11, 64}, wanted...))), segment: true, tunnel: MPLS},
		{name: "cut", frame: ethernet(0x0800, wanted)[:30], reject: true},
		{name: "empty", reject: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ports := []uint16{102, 1102}
			d := capture.NewDecoder(capture.DecoderConfig{Ports: ports})
			var s capture.Segment
			if got := d.Decode(&capture.Frame{Data: c.frame, Length: len(c.frame), Link: capture.LinkEthernet}, &s); got != c.segment {
				t.Fatalf("the decoder finds a segment: %v, want %v (%+v)", got, c.segment, d.Counters())
			}
			if got := admits(t, vm(t, capture.LinkEthernet, ports, AllTunnels), c.frame); got == c.reject {
				t.Errorf("admitted: %v", got)
			}
			if got := admits(t, vm(t, capture.LinkEthernet, ports, NoTunnels), c.frame); got == (c.reject || c.tunnel != 0) {
				t.Errorf("admitted without tunnels: %v", got)
			}
			for i, name := range tunnelNames {
				one, err := ParseTunnels(name)
				if err != nil || one != 1<<i {
					t.Fatalf("%s: %v, %v", name, one, err)
				}
				if got := admits(t, vm(t, capture.LinkEthernet, ports, one), c.frame); c.tunnel != 0 && got != (one&c.tunnel != 0) {
					t.Errorf("admitted with %s: %v", name, got)
				}
			}
		})
	}
	if admits(t, vm(t, capture.LinkRaw, []uint16{102}, NoTunnels), other) || !admits(t, vm(t, capture.LinkRaw, []uint16{102}, NoTunnels), wanted) ||
		!admits(t, vm(t, capture.LinkRaw, []uint16{102}, NoTunnels), ipv6(6, tcp(102, 5))) {
		t.Error("raw IP is admitted by other rules")
	}
	if !admits(t, vm(t, capture.LinkEthernet, nil, NoTunnels), ethernet(0x0800, other)) {
		t.Error("no ports are not all ports")
	}
	if _, err := ParseTunnels("gre,l2tp"); err == nil {
		t.Error("an unknown tunnel was taken")
	}
}

// FuzzFilter holds the filter to its promise: what it rejects holds no segment.
func FuzzFilter(f *testing.F) {
	o := generate.DefaultOptions()
	o.Messages = 3
	var pcap bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &pcap}); err != nil {
		f.Fatal(err)
	}
	r, err := capture.NewReader(&pcap, "generated", -1)
	if err != nil {
		f.Fatal(err)
	}
	var fr capture.Frame
	for range 40 {
		if err := r.Next(&fr); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(fr.Data))
	}
	wanted := ipv4(6, 0, 0, tcp(40000, 102))
	f.Add(vlan(3, 0x0800, ipv4(47, 0, 2, gre(0x0800, wanted))))
	f.Add(ethernet(0x0800, ipv4(17, 0, 0, udp(4789, vxlan(ethernet(0x0800, wanted))))))
	f.Add(ethernet(0x86dd, ipv6(0, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, tcp(40000, 102)...))))
	ports := []uint16{102}
	links := map[capture.LinkType]*bpf.VM{}
	for _, link := range []capture.LinkType{capture.LinkEthernet, capture.LinkRaw} {
		links[link] = vm(f, link, ports, AllTunnels)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for link, m := range links {
			d := capture.NewDecoder(capture.DecoderConfig{Ports: ports})
			var s capture.Segment
			found := d.Decode(&capture.Frame{Data: frame, Length: len(frame), Link: link}, &s)
			if c := d.Counters(); (found || c.Fragments > 0) && !admits(t, m, frame) {
				t.Errorf("link type %d: rejected, but %+v", link, c)
			}
		}
	})
}
