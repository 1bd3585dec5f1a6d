package association

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"x400flow/osi/internal/captured"
	"x400flow/osi/presentation"
)

// The answer to a context definition list decides what data may be in (X.226
// 8.2.2). Where it was not captured, the proposals stand.
func TestContextResults(t *testing.T) {
	external, _ := mpdu(t)
	tests := []struct {
		name, results string
		want          string
		context       Context
	}{
		{"accepted", accepted, "apdu", Context{ID: 3, Accepted: true, Answered: true, Reason: -1}},
		{"RTSE's refused by the provider", "a5(30(80(00) 81(5101)) 30(80(02) 82(01)) 30(80(00) 81(5101)))", "problem|unfinished",
			Context{ID: 3, Answered: true, Result: presentation.ProviderRejection, Reason: 1}},
		{"the user's refused", "a5(30(80(00) 81(5101)) 30(80(00) 81(5101)) 30(80(01)))", "problem|apdu",
			Context{ID: 3, Accepted: true, Answered: true, Reason: -1}},
		{"no list", "", "apdu", Context{ID: 3, Result: -1, Reason: -1}},
		{"fewer results than proposals", "a5(30(80(00) 81(5101)))", "apdu", Context{ID: 3, Result: -1, Reason: -1}},
		{"no answer", "none", "apdu", Context{ID: 3, Result: -1, Reason: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{tb: t}
			s.connect("41", "a0(b0(31()))")
			if tt.results != "none" {
				s.accept(tt.results)
			}
			a := New(Config{})
			got := feed(a, s.start(0, 1).data(0, external).end(0, 1).list)
			var kinds []string
			for _, e := range only(got, Problem, APDU, Unfinished) {
				kinds = append(kinds, e.Kind.String())
				if e.Kind == Problem && (e.Code != uint8(ErrContext) || e.Reason != 3 && e.Reason != 5) {
					t.Errorf("%v", e)
				}
			}
			if k := strings.Join(kinds, "|"); k != tt.want {
				t.Errorf("got %s, want %s", k, tt.want)
			}
			c := a.Facts().Contexts[1]
			if !bytes.Equal(c.Abstract, []byte{0x56, 0, 2, 12}) || !bytes.Equal(c.Transfer, []byte{0x51, 1}) {
				t.Errorf("context %+v", c)
			}
			c.Abstract, c.Transfer = nil, nil
			if fmt.Sprint(c) != fmt.Sprint(tt.context) {
				t.Errorf("got %+v, want %+v", c, tt.context)
			}
		})
	}
}

// Refusals, each by another layer.
func TestRefusals(t *testing.T) {
	aare := func(source, diagnostic, user string) string {
		return "30(61(30(02(01) a0(61(a1(06(56000106)) a2(02(01)) a3(" + source + "(02(" + diagnostic + "))) " + user + ")))))"
	}
	reject := func(rtorj string) string { return aare("a1", "01", "be(28(06(5101) 02(03) a0("+rtorj+")))") }
	tests := []struct {
		name, hex, want string
	}{
		{"by session", "0c[11[01] 32[81]]", "refusal s2c session: session selector unknown reason=129"},
		{"by session, for no reason", "0c00", "refusal s2c session: no reason given"},
		{"by the session user", "0c[32[01]]", "refusal s2c user: rejected by called session user: temporary congestion reason=1"},
		{"by presentation", "0c[32[02 30(8a(03))]]", "refusal s2c presentation: called presentation address unknown reason=3"},
		{"by ACSE's user", "0c[32[02 " + aare("a1", "0d", "") + "]]", "refusal s2c acse: authentication failure reason=13"},
		{"by ACSE's provider", "0c[32[02 " + aare("a2", "02", "") + "]]", "refusal s2c acse: no common ACSE version reason=2"},
		{"by RTSE", "0c[32[02 " + reject("b2(80(00))") + "]]", "refusal s2c rtse: RTS busy reason=0"},
		{"by the MTA", "0c[32[02 " + reject("b2(80(02) a1(b2(0a(02))))") + "]]", "bind-error s2c user reason=2 b2030a0102"},
		{"in an ACCEPT", "0e[c1[31(a0(80(01)) a2(61(30(02(01) a0(61(a2(02(01)) a3(a1(02(01))) be(28(02(03) a0(b2(80(03)))))))))))]]",
			"refusal s2c rtse: unacceptable dialogue mode reason=3"},
		{"in X.410 mode", "0c[32[02 31(80(02) a1(0a(01)))]]", "bind-error s2c user reason=2 0a0101"},
		{"in X.410 mode, by RTSE", "0c[32[02 31(80(01))]]", "refusal s2c rtse: cannot recover reason=1"},
		{"user data that are no CPR", "0c[32[02 0500]]", "problem s2c presentation: presentation: not the PPDU of this session service|refusal s2c user 0500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Config{})
			s := (&script{tb: t}).connect("41", "a0(b0(31()))").tsdu(1, "%s", tt.hex)
			got := append(feed(a, s.list), finish(a)...)
			if l := lines(got)[2:]; strings.Join(l, "|") != tt.want {
				t.Errorf("got %q, want %q", l, tt.want)
			}
		})
	}
	t.Run("by transport", func(t *testing.T) {
		a := New(Config{})
		s := (&script{tb: t}).raw(0, captured.Hex(t, "06e00000000100")).raw(1, captured.Hex(t, "06800001000001"))
		if l := lines(append(feed(a, s.list), finish(a)...)); !slices.Equal(l, []string{"refusal s2c cotp: transport connection refused reason=1"}) {
			t.Errorf("got %q", l)
		}
	})
}

// An activity goes on in another association (X.228 7.8.3): the shelf that both
// use knows it by the old session connection and activity identifiers.
func TestElsewhere(t *testing.T) {
	external, apdu := mpdu(t)
	for _, x410 := range []bool{false, true} {
		octets := external
		if x410 {
			octets = apdu
		}
		for _, ending := range []string{"connection ends", "interrupted", "aborted"} {
			for _, opened := range []bool{true, false} {
				t.Run(fmt.Sprintf("X.410 %t, %s, opening seen %t", x410, ending, opened), func(t *testing.T) {
					h := shelf{}
					cfg := h.config()
					cfg.Connection[0] = 1
					first := New(cfg)
					s := (&script{tb: t, x410: x410}).open("4141").start(0, 1).data(0, octets[:100]).sync(0, 1).data(0, octets[100:200]).sync(0, 2).data(0, octets[200:250])
					switch ending {
					case "interrupted":
						s.interrupt(0)
					case "aborted":
						s.tsdu(1, "19[11[01]]")
					}
					got := append(feed(first, s.list), finish(first)...)
					first.Reset(Config{})
					if u := only(got, Unfinished); len(u) != 1 || !u[0].Suspended {
						t.Fatalf("%q", lines(got))
					}
					if len(h) != 1 {
						t.Fatalf("%d activities on the shelf", len(h))
					}
					for k, v := range h {
						// 84 header, length, contents: the ASN.1 header is off.
						if k.Session != "\x02AA\x0d960501000000Z\x00" || k.Activity != "\x02\x01\x01" || v.Size() < 200 || !bytes.Equal(v.Octets(), octets[:200]) {
							t.Errorf("key %q, %d octets", k, len(v.Octets()))
						}
					}
					cfg.Connection[0] = 2
					second := New(cfg)
					r := &script{tb: t, x410: x410}
					if opened {
						r.connect("4242", "a1(14(4141) 17(3936303530313030303030305a))").accept(accepted)
					}
					r.resume(0, 1, 1, 1, "4141").data(0, octets[100:]).end(0, 2)
					got = append(feed(second, r.list), finish(second)...)
					done := only(got, APDU)
					if len(done) != 1 || !bytes.Equal(done[0].Octets, octets) || !done[0].Elsewhere || done[0].Interruptions != 1 ||
						done[0].Origin.Connection[0] != 1 || done[0].Inferred == opened || len(only(got, Problem)) != 0 {
						t.Errorf("%q", lines(got))
					}
					if opened {
						bind := only(got, BindArgument)
						if len(bind) != 1 || !bind[0].Recover || string(bind[0].Session) != "\x02AA\x0d960501000000Z\x00" {
							t.Errorf("%+v", bind)
						}
					}
					if len(h) != 0 {
						t.Error("it is still on the shelf")
					}
				})
			}
		}
	}
	t.Run("not found", func(t *testing.T) {
		a := New(shelf{}.config())
		got := append(feed(a, (&script{tb: t}).open("4242").resume(0, 1, 1, 1, "4141").data(0, external[100:]).end(0, 2).list), finish(a)...)
		p := only(got, Problem)
		if len(only(got, APDU)) != 0 || len(p) != 1 || p[0].Code != uint8(ErrResume) || string(p[0].Session) != "\x02AA\x0d960501000000Z\x00" || string(p[0].Activity) != "\x02\x01\x01" {
			t.Errorf("%q, %+v", lines(got), p)
		}
	})
	t.Run("surrendered", func(t *testing.T) {
		// The other association resumes before the end of the first was seen.
		a := New(Config{Lasting: true})
		feed(a, (&script{tb: t}).open("4141").start(0, 1).data(0, external[:100]).sync(0, 1).data(0, external[100:120]).list)
		if _, ok := a.Surrender(Key{Session: "x", Activity: "\x02\x01\x01"}); ok {
			t.Error("surrendered to another's key")
		}
		s, ok := a.Surrender(Key{Session: "\x02AA\x0d960501000000Z\x00", Activity: "\x02\x01\x01"})
		if !ok || !bytes.Equal(s.Octets(), external[:100]) {
			t.Errorf("%t, %+v", ok, s)
		}
		if got := finish(a); len(only(got, Unfinished, APDU)) != 0 {
			t.Errorf("%q", lines(got))
		}
		s.Release()
	})
}

// Several associations may follow each other in one transport connection.
func TestNewSessionConnection(t *testing.T) {
	external, _ := mpdu(t)
	s := (&script{tb: t}).open("4141").start(0, 1).data(0, external[:100]).sync(0, 1).open("4242").resume(0, 2, 1, 1, "4141").data(0, external[100:]).end(0, 2)
	a := New(Config{})
	got := append(feed(a, s.list), finish(a)...)
	// Nobody said that it was interrupted, but the session connection that it was
	// in is over.
	if u, d := only(got, Unfinished), only(got, APDU); len(u) != 1 || u[0].Why != Superseded || !u[0].Suspended || len(d) != 1 || !bytes.Equal(d[0].Octets, external) {
		t.Errorf("%q", lines(got))
	}
	if f := a.Facts(); len(f.Contexts) != 3 || string(f.SessionID[:3]) != "\x02BB" {
		t.Errorf("%+v", f)
	}
}

// Classes of connections that are not X.400, by their first octets.
func TestClasses(t *testing.T) {
	dt := func(hex string) string { return "02f080" + hex }
	report := dt("0100 0100 61(30(02(03) a0(a3(a0(a1(80(525054)) a0(81(08)))))))")
	tests := []struct {
		name   string
		tpkts  []string
		want   Class
		sure   bool
		notX4  bool
		quiet  bool
		beside string // Octets outside of TPKTs.
	}{
		{name: "nothing", want: ClassEmpty, quiet: true},
		{name: "CR alone", tpkts: []string{"06e00000000100"}, want: ClassEmpty, quiet: true},
		{name: "S7comm", tpkts: []string{dt("32010000020000080000f0000001000101e0")}, want: ClassS7, sure: true, notX4: true, quiet: true},
		{name: "S7comm-plus", tpkts: []string{dt("7201002f")}, want: ClassS7Plus, sure: true, notX4: true, quiet: true},
		{name: "RDP, cookie", tpkts: []string{"26e00000000000 436f6f6b69653a206d737473686173683d616161610d0a 0100080003000000"}, want: ClassRDP, sure: true, notX4: true, quiet: true},
		{name: "RDP, negotiation", tpkts: []string{"0ee00000000000 0100080003000000"}, want: ClassRDP, sure: true, notX4: true, quiet: true},
		{name: "T.125", tpkts: []string{dt("7f6582018e")}, want: ClassRDP, sure: true, notX4: true, quiet: true},
		{name: "H.225", beside: "030000a0080277f405", want: ClassH323, sure: true, notX4: true, quiet: true},
		{name: "H.225, a part", beside: "0300002b0802", want: ClassH323, sure: true, notX4: true, quiet: true},
		{name: "octets of nothing", beside: "0300002b0803", want: ClassUnknown, quiet: true},
		{name: "MMS above session", tpkts: []string{dt("0d[c1[31(a0(80(01)) a2(a4(30(02(03) 06(28ca220201) 30(06(5101))))))]]")}, want: ClassMMS, notX4: true, quiet: true},
		{name: "MMS above transport", tpkts: []string{dt("a8(80(001f) 81(03) 82(03) 83(08) a4(80(01)))")}, want: ClassMMS, notX4: true, quiet: true},
		{name: "MMS, answer", tpkts: []string{dt("a9(81(03) 82(03) a4(80(01)))")}, want: ClassMMS, notX4: true, quiet: true},
		{name: "MMS from the middle, unconfirmed", tpkts: []string{report}, want: ClassMMS, notX4: true, quiet: true},
		{name: "MMS from the middle, one request", tpkts: []string{dt("0100 0100 61(30(02(03) a0(a0(02(01) a6(a0())))))")}, want: ClassUnknown, quiet: true},
		{name: "ICCP", tpkts: []string{report, dt("0100 0100 61(30(02(03) a0(a0(02(01) a4(1a(54415345325f56657273696f6e))))))")}, want: ClassICCP, sure: true, notX4: true, quiet: true},
		{name: "another application", tpkts: []string{dt("0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101)))) 61(30(02(01) a0(60(a1(06(2a03)))))) ))]]")}, want: ClassACSE, sure: true, notX4: true, quiet: true},
		{name: "P3", tpkts: []string{dt("0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101)))) 61(30(02(01) a0(60(a1(06(56000100)) be(28(02(03) a0(b0(31())))))))) ))]]")}, want: ClassP3, sure: true, quiet: true},
		{name: "P7", tpkts: []string{dt("0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101)))) 61(30(02(01) a0(60(a1(06(56000104)) be(28(02(03) a0(b0(31())))))))) ))]]")}, want: ClassP7, sure: true, quiet: true},
		{name: "garbage", tpkts: []string{dt("ffff"), dt("ffff"), dt("ffff"), dt("ffff")}, want: ClassUndecodable, sure: true, notX4: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Config{})
			s := &script{tb: t}
			for _, h := range tt.tpkts {
				s.raw(0, captured.Hex(t, h))
			}
			if tt.beside != "" {
				a.Outside(captured.Hex(t, tt.beside))
			}
			got := feed(a, s.list)
			if a.Class() != tt.want || a.Definite() != tt.sure || a.NotX400() != tt.notX4 {
				t.Errorf("%v, definite %t, not X.400 %t, want %v, %t, %t", a.Class(), a.Definite(), a.NotX400(), tt.want, tt.sure, tt.notX4)
			}
			if p := only(got, Problem); tt.quiet != (len(p) == 0) {
				t.Errorf("problems %q", lines(p))
			}
			if a.NotX400() && a.Buffered() != 0 {
				t.Errorf("%d octets buffered", a.Buffered())
			}
		})
	}
}

// X.410-1984 mode tells the class by the application protocol; an ACCEPT does not
// forget it.
func TestX410Class(t *testing.T) {
	a := New(Config{})
	feed(a, (&script{tb: t, x410: true}).open("41").list)
	if a.Class() != ClassP1 || !a.Definite() {
		t.Errorf("class %v", a.Class())
	}
}

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
							a.TPDU(tpdu(&s.list[i]))
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
					a.TPDU(tpdu(&list[i]))
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
