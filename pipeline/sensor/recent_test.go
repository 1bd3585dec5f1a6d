package sensor

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"x400flow/pipeline/capture"
)

// TestCopiesAreAlikeInAll looks for a segment again that differs from one that came in one
// thing only. Were one left out of the digest, a segment would be lost.
func TestCopiesAreAlikeInAll(t *testing.T) {
	for _, key := range []capture.FlowKey{
		capture.KeyOf(netip.MustParseAddrPort("192.0.2.1:102"), netip.MustParseAddrPort("198.51.100.7:40000")),
		capture.KeyOf(netip.MustParseAddrPort("[2001:db8::1]:102"), netip.MustParseAddrPort("[2001:db8:0:1::2]:40000")),
	} {
		differs := map[string]func(*capture.Segment){
			"direction":      func(s *capture.Segment) { s.FromHi = !s.FromHi },
			"lower port":     func(s *capture.Segment) { s.Key.LoPort++ },
			"higher port":    func(s *capture.Segment) { s.Key.HiPort++ },
			"ports swapped":  func(s *capture.Segment) { s.Key.LoPort, s.Key.HiPort = s.Key.HiPort, s.Key.LoPort },
			"hosts swapped":  func(s *capture.Segment) { s.Key.LoIP, s.Key.HiIP = s.Key.HiIP, s.Key.LoIP },
			"flags":          func(s *capture.Segment) { s.Flags |= capture.PSH },
			"window":         func(s *capture.Segment) { s.Window++ },
			"identification": func(s *capture.Segment) { s.ID++ },
			"sequence":       func(s *capture.Segment) { s.Seq++ },
			"acknowledged":   func(s *capture.Segment) { s.Ack++ },
			"both numbers":   func(s *capture.Segment) { s.Seq, s.Ack = s.Ack, s.Seq },
			"payload":        func(s *capture.Segment) { s.Payload = []byte("the same lengtH") },
			"shorter":        func(s *capture.Segment) { s.Payload = s.Payload[:len(s.Payload)-1] },
			"no payload":     func(s *capture.Segment) { s.Payload = nil },
		}
		octets := len(key.LoIP)
		if key.Family == 4 {
			octets = 4
		}
		for i := range octets {
			differs["octet "+string(rune('a'+i))+" of the lower host"] = func(s *capture.Segment) { s.Key.LoIP[i]++ }
			differs["octet "+string(rune('a'+i))+" of the higher host"] = func(s *capture.Segment) { s.Key.HiIP[i]++ }
		}
		for name, differ := range differs {
			r := newRecent(50 * time.Millisecond)
			seg := capture.Segment{
				Key: key, Flags: capture.ACK, Window: 512, ID: 7, Seq: 1000, Ack: 2000,
				Payload: []byte("the same length"), Time: 1e18,
			}
			other := seg
			other.Time++
			differ(&other)
			if r.again(&seg) || r.again(&other) {
				t.Errorf("%v: %s: taken for a copy", key.Lo(), name)
			}
			if copied := seg; !r.again(&copied) && r.displaced == 0 {
				t.Errorf("%v: %s: a copy is not found beside the other", key.Lo(), name)
			}
		}
	}
}

// TestCopiesOfEitherForm: a packet that is decoded straight through is found again where it
// comes with more tags than are.
func TestCopiesOfEitherForm(t *testing.T) {
	packet := newWire(40000).packet(0, 0x18, []byte("an SPDU"))
	frame := func(tags int) *capture.Frame {
		f := *packet
		f.Link = capture.LinkEthernet
		f.Data = slices.Concat(make([]byte, 12), bytes.Repeat([]byte{0x81, 0, 0, 7}, tags), []byte{8, 0}, packet.Data)
		f.Length = len(f.Data)
		return &f
	}
	plain, tagged := frame(0), frame(3)
	d := capture.NewDecoder(capture.DecoderConfig{Ports: []uint16{102}})
	r := newRecent(50 * time.Millisecond)
	if h, payload := d.Plain(plain); h == nil || r.again4(h, payload, plain.Time) {
		t.Fatal("a plain frame is not, or came before")
	}
	if h, _ := d.Plain(tagged); h != nil {
		t.Fatal("three tags are plain")
	}
	var seg capture.Segment
	if !d.Decode(tagged, &seg) || !r.again(&seg) {
		t.Error("the copy is not found")
	}
	seg.FromHi = !seg.FromHi
	if r.again(&seg) {
		t.Error("the other direction is taken for a copy")
	}
}
