package association

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"x400flow/osi/internal/captured"
)

// Memory is bounded whatever is sent.
func TestBounds(t *testing.T) {
	external, _ := mpdu(t)
	t.Run("a transfer", func(t *testing.T) {
		a := New(Config{MaxAPDU: 1 << 12})
		s := (&script{tb: t}).open("41").start(0, 1)
		for range 20 {
			s.data(0, external)
		}
		got := feed(a, s.end(0, 1).start(0, 2).data(0, external).end(0, 1).list)
		if u := only(got, Unfinished); len(u) != 1 || u[0].Why != TooLarge || len(only(got, APDU)) != 1 {
			t.Errorf("%q", lines(got))
		}
	})
	t.Run("a TSDU", func(t *testing.T) {
		a := New(Config{MaxAPDU: 1 << 12})
		s := (&script{tb: t}).open("41").start(0, 1)
		part := append([]byte{2, 0xF0, 0}, make([]byte, 1<<12)...)
		s.raw(0, append([]byte{2, 0xF0, 0}, captured.Hex(t, "0100 0100 61 83 100000")...))
		for range 100 {
			s.raw(0, part)
		}
		s.raw(0, []byte{2, 0xF0, 0x80}).end(0, 1).start(0, 2).data(0, external).end(0, 1)
		got := feed(a, s.list)
		if n := a.Buffered(); n > 1<<18 {
			t.Errorf("%d octets buffered", n)
		}
		if u := only(got, Unfinished); len(u) != 1 || u[0].Why != TooLarge || len(only(got, APDU)) != 1 || len(only(got, Problem)) != 1 {
			t.Errorf("%q", lines(got))
		}
	})
	t.Run("suspended activities", func(t *testing.T) {
		h := shelf{}
		cfg := h.config()
		cfg.MaxAPDU, cfg.MaxSuspended = 4096, 100
		a := New(cfg)
		s := (&script{tb: t}).open("41")
		for i := range uint8(50) {
			s.start(0, i).data(0, external).sync(0, 1).interrupt(0)
		}
		feed(a, s.list)
		if n := a.Buffered(); n > 3*4096 {
			t.Errorf("%d octets buffered", n)
		}
		finish(a)
		a.Reset(Config{})
		if len(h) != 50 {
			t.Errorf("%d activities handed over, want 50", len(h))
		}
	})
	t.Run("facts", func(t *testing.T) {
		a := New(Config{})
		s := (&script{tb: t}).open("41")
		for range 5000 {
			feed(a, s.list)
		}
		if n := cap(a.arena); n > 2*maxArena {
			t.Errorf("facts take %d octets", n)
		}
	})
	t.Run("problems", func(t *testing.T) {
		a := New(Config{MaxProblems: 5})
		s := (&script{tb: t}).open("41")
		for range 50 {
			s.tsdu(0, "0100 0300")
		}
		got := feed(a, s.list)
		if f := a.Facts(); len(only(got, Problem)) != 5 || f.Problems != 50 || f.ProblemsLeftOut != 45 {
			t.Errorf("%d problems, %+v", len(only(got, Problem)), f)
		}
	})
	t.Run("time for places", func(t *testing.T) {
		// A value in segments of one octet, full of empty transfer APDUs.
		const n = 1 << 16
		segments := bytes.Repeat([]byte{4, 1, 4, 4, 1, 0}, n)
		tlv := func(tag byte, parts ...[]byte) []byte {
			b := bytes.Join(parts, nil)
			return append([]byte{tag, 0x83, byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
		}
		tsdu := append([]byte{1, 0, 1, 0}, tlv(0x61, tlv(0x30, []byte{2, 1, 3}, tlv(0xa1, segments)))...)
		s := (&script{tb: t}).open("41").start(0, 1).raw(0, append([]byte{2, 0xF0, 0x80}, tsdu...)).data(0, external).end(0, 1)
		begin := time.Now()
		got := only(feed(New(Config{}), s.list), APDU)
		if len(got) != 1 || got[0].Pieces != n+1 {
			t.Errorf("%q", lines(got))
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
	})
	t.Run("events of one TSDU", func(t *testing.T) {
		a := New(Config{})
		feed(a, (&script{tb: t}).open("41").list)
		got := feed(a, (&script{tb: t}).tsdu(0, "0100 %s", strings.Repeat("2d05 29030201012d00", 5000)).list)
		if len(got) > maxEvents+1 {
			t.Errorf("%d events", len(got))
		}
	})
}

// In steady state nothing is allocated for an APDU, in one piece or in many.
func TestAllocations(t *testing.T) {
	external, apdu := mpdu(t)
	for _, x410 := range []bool{false, true} {
		octets := external
		if x410 {
			octets = apdu
		}
		play := func(name string, f func(s *script)) {
			for _, lasting := range []bool{false, true} {
				t.Run(fmt.Sprintf("X.410 %t, %s, lasting %t", x410, name, lasting), func(t *testing.T) {
					a := New(Config{Lasting: lasting})
					feed(a, (&script{tb: t, x410: x410}).open("41").list)
					s := &script{tb: t, x410: x410}
					f(s)
					var e Event
					apdus := 0
					run := func() {
						for i := range s.list {
							in := tpdu(&s.list[i])
							a.TPDU(&in)
							for a.Next(&e) {
								if e.Kind == APDU {
									apdus++
								}
							}
						}
						a.Detach()
					}
					if n := testing.AllocsPerRun(100, run); n != 0 {
						t.Errorf("%v allocations", n)
					}
					if apdus != 101 {
						t.Errorf("%d APDUs", apdus)
					}
				})
			}
		}
		play("in one piece", func(s *script) { s.start(0, 1).data(0, octets).end(0, 1) })
		play("with checkpoints", func(s *script) {
			s.start(0, 1).data(0, octets[:200]).sync(0, 1).data(0, octets[200:400]).sync(0, 2).data(0, octets[400:]).end(0, 3)
		})
		play("in many TPDUs", func(s *script) {
			s.start(0, 1).data(0, octets).end(0, 1)
			s.list = recut(s.list, func(int, int) int { return 50 })
		})
	}
}

func BenchmarkAssociation(b *testing.B) {
	for _, name := range []string{"n20-normal-std88-messages-and-probe", "p31-pp84-to-pp84-relay-and-report", "p01-pp88-ping"} {
		b.Run(name, func(b *testing.B) {
			list := captured.Single(b, captured.MTA(name)).TPKTs
			n := 0
			for i := range list {
				n += len(list[i].Octets)
			}
			a := New(Config{})
			var e Event
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				a.Reset(Config{})
				for i := range list {
					in := tpdu(&list[i])
					a.TPDU(&in)
					for a.Next(&e) {
					}
				}
				a.End(0, 0)
				for a.Next(&e) {
				}
			}
		})
	}
}
