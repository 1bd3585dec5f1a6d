package association

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"x400flow/osi/internal/captured"
	"x400flow/osi/presentation"
	"x400flow/osi/rose"
	"x400flow/osi/session"
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

// User data of more than 10240 octets go on in CONNECT DATA OVERFLOWs once the
// acceptor has asked for them (X.225 8.3.1.18, 8.3.2, 8.3.3).
func TestDataOverflow(t *testing.T) {
	whole := (&script{tb: t}).open("41")
	want := lines(feed(New(Config{}), whole.list))
	it := session.Iterate(data(&whole.list[0]))
	var spdu session.SPDU
	if !it.Next(&spdu) {
		t.Fatal(it.Code())
	}
	user := spdu.UserData
	s := (&script{tb: t}).tsdu(0, "0d["+ids+"3c[01] c1[%[2]x]]", "41", user[:20]).tsdu(1, "1000").
		tsdu(0, "0f[19[00] c1[%x]]", user[20:30]).tsdu(0, "0f[19[02] c1[%x]]", user[30:])
	s.list = append(s.list, whole.list[1])
	a := New(Config{})
	if got := lines(feed(a, s.list)); !slices.Equal(got, want) || a.Class() != ClassP1 {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Without RTSE a bind is ACSE's user information and operations are presentation
// data values (X.229 8.1, X.419 clause 8); with it, each is an APDU transferred.
func TestOperations(t *testing.T) {
	const (
		open   = "0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101))) 30(02(03) 06(56000201) 30(06(5101)))) 61(30(02(01) a0(60(a1(06(5600%s)) be(28(02(03) a0(%s)))))))))]]"
		accept = "0e[c1[31(a0(80(01)) a2(a5(30(80(00) 81(5101)) 30(80(00) 81(5101))) 61(30(02(01) a0(61(a1(06(5600%s)) a2(02(00)) a3(a1(02(00))) be(28(02(03) a0(%s)))))))))]]"
		invoke = "a1(02(07) 02(03) 31(80(41)))"
	)
	check := func(s *script, class Class, operation string) {
		t.Helper()
		a := New(Config{})
		got := append(feed(a, s.list), finish(a)...)
		want := []string{"connect c2s", "bind-argument c2s b0023100", "accept s2c", "bind-result s2c b1023100", operation}
		if !slices.Equal(lines(got), want) || a.Class() != class || a.Facts().Operations != 1 {
			t.Errorf("class %v\ngot  %q\nwant %q", a.Class(), lines(got), want)
		}
		op := got[len(got)-1].ROSE
		if op.Kind != rose.Invoke || op.InvokeID != 7 || op.Code != 3 || !bytes.Equal(op.Argument, captured.Hex(t, "31(80(41))")) {
			t.Errorf("%+v", op)
		}
	}
	s := (&script{tb: t}).tsdu(0, open, "0100", "b0(31())").tsdu(1, accept, "0100", "b1(31())").tsdu(0, "0100 0100 61(30(02(03) a0("+invoke+")))")
	sum := told{Event: Event{Octets: captured.Hex(t, invoke), Reason: -1}}.String()[len("none c2s "):]
	check(s, ClassP3, "operation c2s "+sum+" context=3")
	s = (&script{tb: t}).tsdu(0, open, "0102", "b0(a3(a0(b0(31()))))").tsdu(1, accept, "0102", "b1(a2(a0(b1(31()))))").
		start(0, 1).data(0, captured.Hex(t, "28(02(03) a0("+invoke+"))")).end(0, 1)
	check(s, ClassP3, "operation c2s "+sum+" activity=020101 context=3")
}
