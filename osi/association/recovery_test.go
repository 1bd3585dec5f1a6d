package association

import (
	"bytes"
	"fmt"
	"testing"
)

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
