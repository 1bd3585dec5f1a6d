package association

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"x400flow/osi/internal/captured"
)

// told is an event with its octets copied, and the class at its time.
type told struct {
	Event
	class Class
}

// String says what an event tells, but for where it stood.
func (e told) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Kind, [...]string{"c2s", "s2c"}[e.Dir])
	switch e.Kind {
	case Unfinished:
		fmt.Fprintf(&b, " %s", e.Why)
	case Problem:
		fmt.Fprintf(&b, " %s: %s", e.Layer, e.Text())
	case Abort, Refusal, BindError:
		if e.Layer != LayerNone {
			fmt.Fprintf(&b, " %s", e.Layer)
		}
		if e.Text() != "" {
			fmt.Fprintf(&b, ": %s", e.Text())
		}
	}
	if e.Reason >= 0 {
		fmt.Fprintf(&b, " reason=%d", e.Reason)
	}
	if len(e.Octets) > 0 && e.Kind != Problem {
		if len(e.Octets) > 8 {
			sum := sha256.Sum256(e.Octets)
			fmt.Fprintf(&b, " %d octets %x", len(e.Octets), sum[:4])
		} else {
			fmt.Fprintf(&b, " %x", e.Octets)
		}
	}
	if len(e.Activity) > 0 {
		fmt.Fprintf(&b, " activity=%x", e.Activity)
	}
	if e.Kind == APDU || e.Kind == Unfinished {
		fmt.Fprintf(&b, " pieces=%d", e.Pieces)
	}
	if e.Context != 0 {
		fmt.Fprintf(&b, " context=%d", e.Context)
	}
	if e.Interruptions > 0 {
		fmt.Fprintf(&b, " interruptions=%d", e.Interruptions)
	}
	for _, f := range []struct {
		is   bool
		name string
	}{{e.Acknowledged, "acknowledged"}, {e.Elsewhere, "elsewhere"}, {e.Suspended, "suspended"}, {e.Recover, "recover"},
		{e.Refused, "refused"}, {e.Inferred, "inferred"}} {
		if f.is {
			b.WriteString(" " + f.name)
		}
	}
	return b.String()
}

func lines(events []told) (out []string) {
	for _, e := range events {
		out = append(out, e.String())
	}
	return out
}

func tpdu(p *captured.TPKT) TPDU {
	return TPDU{Dir: p.Dir, Seq: p.Seq, Offset: p.Offset, Time: p.Time, Frame: p.Frame, Octets: p.Octets}
}

// feed gives TPDUs to an association and returns its events.
func feed(a *Association, list []captured.TPKT) (out []told) {
	for i := range list {
		if p := &list[i]; p.Lost > 0 {
			a.Gap(p.Dir, p.Seq, p.Lost)
		} else {
			in := tpdu(p)
			a.TPDU(&in)
		}
		out = append(out, drain(a)...)
	}
	return out
}

func finish(a *Association) []told {
	a.End(0, 0)
	return drain(a)
}

func drain(a *Association) (out []told) {
	var e Event
	for a.Next(&e) {
		e.Octets, e.Activity, e.Session = bytes.Clone(e.Octets), bytes.Clone(e.Activity), bytes.Clone(e.Session)
		e.Abstract, e.ROSE.Argument = bytes.Clone(e.Abstract), bytes.Clone(e.ROSE.Argument)
		out = append(out, told{e, a.Class()})
	}
	return out
}

func only(events []told, kinds ...EventKind) (out []told) {
	for _, e := range events {
		for _, k := range kinds {
			if e.Kind == k {
				out = append(out, e)
			}
		}
	}
	return out
}

// script writes the TPDUs of a connection.
type script struct {
	tb   testing.TB
	x410 bool
	list []captured.TPKT
	seq  [2]uint32
}

// raw adds a TPKT's content.
func (s *script) raw(dir uint8, octets []byte) *script {
	s.seq[dir] += 4
	s.list = append(s.list, captured.TPKT{Dir: dir, Seq: s.seq[dir], Offset: uint64(s.seq[dir]), Time: int64(len(s.list)), Frame: uint64(len(s.list) + 1), Octets: octets})
	s.seq[dir] += uint32(len(octets))
	return s
}

// tsdu adds a TSDU in one DT TPDU.
func (s *script) tsdu(dir uint8, format string, args ...any) *script {
	s.tb.Helper()
	return s.raw(dir, append([]byte{2, 0xF0, 0x80}, captured.Hex(s.tb, fmt.Sprintf(format, args...))...))
}

const (
	ids = "01[0a[14(%[1]s)] 0b[17(3936303530313030303030305a)]] 05[13[00] 16[02] 1a[00]] 14[0249] "
	// Presentation contexts 1, ACSE, 3, RTSE, and 5, MTS transfer.
	contexts = "a4(30(02(01) 06(52010001) 30(06(5101))) 30(02(03) 06(5600020c) 30(06(5101))) 30(02(05) 06(56000207) 30(06(5101)))) "
	accepted = "a5(30(80(00) 81(5101)) 30(80(00) 81(5101)) 30(80(00) 81(5101))) "
)

// open adds CONNECT and ACCEPT of the session connection that a reference names.
func (s *script) open(ref string) *script {
	s.tb.Helper()
	return s.connect(ref, "a0(b0(31()))").accept(accepted)
}

// connect adds a CONNECT with RTORQ's connection data.
func (s *script) connect(ref, data string) *script {
	s.tb.Helper()
	if s.x410 {
		return s.tsdu(0, "0d["+ids+"c1[31(a0(80(00)) a1(80(01) a3(%[2]s) 84(0c)))]]", ref, data)
	}
	return s.tsdu(0, "0d["+ids+"c1[31(a0(80(01)) a2("+contexts+"61(30(02(01) a0(60(a1(06(56000106)) be(28(06(5101) 02(03) a0(b0(80(01) a3(%[2]s)))))))))))]]", ref, data)
}

func (s *script) accept(results string) *script {
	s.tb.Helper()
	if s.x410 {
		return s.tsdu(1, "0e["+ids+"c1[31(a0(80(00)) a1(80(01) a2(a0(31()))))]]", "41")
	}
	return s.tsdu(1, "0e["+ids+"c1[31(a0(80(01)) a2(%[2]s 61(30(02(01) a0(61(a1(06(56000106)) a2(02(00)) a3(a1(02(00))) be(28(06(5101) 02(03) a0(b1(a2(a0(b1(31())))))))))))))]]", "41", results)
}

func (s *script) start(dir, id uint8) *script { return s.tsdu(dir, "0100 2d[29[0201%02x]]", id) }

func (s *script) data(dir uint8, octets []byte) *script {
	s.tb.Helper()
	if s.x410 {
		return s.tsdu(dir, "0100 0100 %x", octets)
	}
	return s.tsdu(dir, "0100 0100 61(30(02(03) a0(04(%x))))", octets)
}

func digits(n int) string { return hex.EncodeToString([]byte(fmt.Sprint(n))) }

func (s *script) sync(dir uint8, n int) *script {
	return s.tsdu(dir, "0100 31[2a[%s]]", digits(n)).tsdu(1-dir, "0200 32[2a[%s]]", digits(n))
}

func (s *script) end(dir uint8, n int) *script {
	return s.tsdu(dir, "0100 29[2a[%s]]", digits(n)).tsdu(1-dir, "0200 2a[2a[%s]]", digits(n))
}

func (s *script) interrupt(dir uint8) *script {
	return s.tsdu(dir, "0100 19[32[05]]").tsdu(1-dir, "0200 1a00")
}

// resume adds an ACTIVITY RESUME; ref names the session connection of the old
// activity, if it was another.
func (s *script) resume(dir, id, old uint8, serial int, ref string) *script {
	link := ""
	if ref != "" {
		link = "0a[14(" + ref + ")] 0b[17(3936303530313030303030305a)] "
	}
	return s.tsdu(dir, "0100 1d[21[%s29[0201%02x] 2a[%s]] 29[0201%02x]]", link, old, digits(serial), id)
}

func (s *script) release() *script {
	if s.x410 {
		return s.tsdu(0, "0900").tsdu(1, "0a00")
	}
	return s.tsdu(0, "09[c1[61(30(02(01) a0(62(80(00)))))]]").tsdu(1, "0a[c1[61(30(02(01) a0(63(80(00)))))]]")
}

// shelf keeps what associations suspend.
type shelf map[Key]*Suspended

func (h shelf) config() Config {
	return Config{
		Suspend: func(s *Suspended) { h[s.Key] = s },
		Resume: func(k Key) (*Suspended, bool) {
			s, ok := h[k]
			delete(h, k)
			return s, ok
		},
	}
}
