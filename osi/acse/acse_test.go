package acse

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"x400flow/osi/ber"
	"x400flow/osi/internal/captured"
	"x400flow/osi/presentation"
	"x400flow/osi/session"
)

func oid(content []byte) string {
	text, ok := ber.AppendOID(nil, content)
	if !ok {
		return fmt.Sprintf("%x?", content)
	}
	return string(text)
}

// told writes down the fields of an APDU that are there.
func told(a *APDU, in []byte) string {
	var b strings.Builder
	b.WriteString(a.Kind.String())
	octets := func(name string, v []byte) {
		if v != nil {
			fmt.Fprintf(&b, " %s=%x", name, v)
		}
	}
	number := func(name string, v int64) {
		if v >= 0 {
			fmt.Fprintf(&b, " %s=%d", name, v)
		}
	}
	if a.ApplicationContext != nil {
		fmt.Fprintf(&b, " context=%s", oid(a.ApplicationContext))
	}
	octets("called", a.CalledAPTitle)
	octets("called-ae", a.CalledAEQualifier)
	octets("calling", a.CallingAPTitle)
	octets("calling-ae", a.CallingAEQualifier)
	octets("mechanism", a.Mechanism)
	if r := a.Authentication; r.End > r.Start {
		fmt.Fprintf(&b, " authentication=%x", in[r.Start:r.End])
	}
	number("result", a.Result)
	number("source", int64(a.Source))
	number("diagnostic", a.Diagnostic)
	number("reason", a.Reason)
	number("abort-source", a.AbortSource)
	for i := range min(a.ExternalCount, MaxExternals) {
		x := &a.Externals[i]
		fmt.Fprintf(&b, " external=%s/%d/%d/%x", oid(x.Direct), x.Indirect, x.Form, x.Octets)
		if x.Segmented {
			b.WriteString("+")
		}
	}
	if a.Unknown > 0 {
		fmt.Fprintf(&b, " unknown=%d", a.Unknown)
	}
	return strings.ReplaceAll(b.String(), " source=0", "")
}

const (
	context = "a1(06(56000106)) "
	// X.208 clause 34: EXTERNAL with both references, a single ASN.1 type.
	user = "be(28(06(5101) 02(03) a0(b0(80(01)))))"
)

// After the ASN.1 of X.227 clause 9.
var apdus = []struct {
	name, hex, want string
}{
	{"AARQ, least", "60(" + context + ")", "AARQ context=2.6.0.1.6"},
	{"AARQ with all fields", "60(80(0780) " + context + "a2(06(2a03)) a3(02(01)) a4(02(02)) a5(02(03)) a6(30()) a7(02(04)) a8(02(05)) a9(02(06)) 8a(0780) 8b(520303) ac(80(736563726574)) 9d(41) " + user + ")",
		"AARQ context=2.6.0.1.6 called=06022a03 called-ae=020101 calling=3000 calling-ae=020104 mechanism=520303 authentication=ac088006736563726574 external=2.1.1/3/0/b003800101"},
	{"AARQ of indefinite length", "6080 a180 060456000106 0000 be80 2880 06025101 020103 a080 b000 0000 0000 0000 0000", "AARQ context=2.6.0.1.6 external=2.1.1/3/0/b000"},
	{"AARE, accepted", "61(" + context + "a2(02(00)) a3(a1(02(00))) " + user + ")", "AARE context=2.6.0.1.6 result=0 source=1 diagnostic=0 external=2.1.1/3/0/b003800101"},
	{"AARE, rejected by the user", "61(" + context + "a2(02(01)) a3(a1(02(0d))))", "AARE context=2.6.0.1.6 result=1 source=1 diagnostic=13"},
	{"AARE, rejected for the moment by the provider", "61(" + context + "a2(02(02)) a3(a2(02(02))))", "AARE context=2.6.0.1.6 result=2 source=2 diagnostic=2"},
	{"AARE with all fields", "61(80(0780) " + context + "a2(02(00)) a3(a1(02(00))) a4(06(2a03)) a5(02(01)) a6(02(02)) a7(02(03)) 88(0780) 89(520303) aa(80(41)) 9d(41) " + user + ")",
		"AARE context=2.6.0.1.6 called=06022a03 called-ae=020101 mechanism=520303 authentication=aa03800141 result=0 source=1 diagnostic=0 external=2.1.1/3/0/b003800101"},
	{"RLRQ", "62(80(01) " + user + ")", "RLRQ reason=1 external=2.1.1/3/0/b003800101"},
	{"RLRQ, empty", "62()", "RLRQ"},
	{"RLRE", "63(80(1e))", "RLRE reason=30"},
	{"ABRT by the user", "64(80(00) " + "be(28(02(03) a0(b6(80(06))))))", "ABRT abort-source=0 external=?/3/0/b603800106"},
	{"ABRT by the provider", "64(80(01) 81(03))", "ABRT reason=3 abort-source=1"},
	// X.208 clause 34: the other alternatives of EXTERNAL, a descriptor.
	{"externals in other forms", "62(be(28(06(5101) 07(41) 81(4142)) 28(02(03) 82(0041)) 28(02(05) a1(04(41) 04(42)))))",
		"RLRQ external=2.1.1/-1/1/4142 external=?/3/2/0041 external=?/5/1/040141040142+"},
	{"more externals than are kept", "62(be(" + strings.Repeat("28(02(03) a0())", MaxExternals+2) + "))", "RLRQ" + strings.Repeat(" external=?/3/0/", MaxExternals)},
	{"fields that are not of X.227", "60(" + context + "91(41) 05() bf2a(0500) be(0500 28(02(03) a0() a3())))", "AARQ context=2.6.0.1.6 external=?/3/0/ unknown=5"},
}

func TestDecode(t *testing.T) {
	for _, tt := range apdus {
		t.Run(tt.name, func(t *testing.T) {
			in := captured.Hex(t, tt.hex)
			a := APDU{Unknown: 7, ExternalCount: 3, Reason: 5} // Left by another.
			if code, at := a.Decode(in); code != OK {
				t.Fatalf("%v at %d", code, at)
			}
			if got := told(&a, in); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
			for i := range min(a.ExternalCount, MaxExternals) {
				if x := &a.Externals[i]; !bytes.HasPrefix(in[x.Start:], x.Octets) {
					t.Error("an EXTERNAL's value does not stand where it is said to")
				}
			}
			for i := range in {
				if code, at := a.Decode(in[:i]); code == OK || at < 0 || at > i {
					t.Errorf("cut to %d octets: %v at %d", i, code, at)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, hex string
		code      Code
		at        int
	}{
		{"nothing", "", ErrAPDU, 0},
		{"universal tag", "30()", ErrAPDU, 0},
		{"A-DATA and above", "65()", ErrAPDU, 0},
		{"primitive", "4000", ErrAPDU, 0},
		{"application context that is empty", "60(a1())", ErrValue, 2},
		{"application context that is no OID", "60(a1(02(01)))", ErrValue, 4},
		{"result of 9 octets", "61(a2(02(010203040506070809)))", ErrValue, 4},
		{"diagnostic of no source", "61(a3(a3(02(01))))", ErrValue, 4},
		{"diagnostic that is empty", "61(a3(a1()))", ErrValue, 4},
		{"reason that is empty", "62(80())", ErrValue, 2},
		{"indirect reference that is empty", "62(be(28(02())))", ErrValue, 6},
		{"cut", "6005a103", ErrBER + Code(ber.LengthExceedsParent), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a APDU
			if code, at := a.Decode(captured.Hex(t, tt.hex)); code != tt.code || at != tt.at {
				t.Errorf("got %v at %d, want %v at %d", code, at, tt.code, tt.at)
			}
		})
	}
}

var ppdus = map[session.Kind]presentation.Kind{session.Connect: presentation.CP, session.Accept: presentation.CPA,
	session.Refuse: presentation.CPR, session.Abort: presentation.Abort}

// values returns the presentation data values of SPDUs that carry ACSE's.
func values(tsdu []byte) (out [][]byte) {
	it := session.Iterate(tsdu)
	var s session.SPDU
	for it.Next(&s) {
		user := s.UserData
		switch s.Kind {
		case session.Connect, session.Accept, session.Refuse, session.Abort:
			var p presentation.PPDU
			if code, _ := p.Decode(ppdus[s.Kind], s.UserData); code != presentation.OK || p.Mode == presentation.X410 {
				continue
			}
			user = p.UserData
		case session.Finish, session.Disconnect, session.NotFinished:
		default:
			continue
		}
		var u presentation.UserData
		var v presentation.PDV
		for u.Reset(user); u.Next(&v); {
			if len(v.Octets) > 0 {
				out = append(out, v.Octets)
			}
		}
	}
	return out
}

var tsharkFields = []string{"acse.aSO_context_name", "acse.result", "acse.service_user", "acse.service_provider", "acse.reason",
	"acse.abort_source", "acse.abort_diagnostic", "acse.direct_reference", "acse.indirect_reference", "acse.encoding"}

func asTshark(a *APDU) map[string][]string {
	f := map[string][]string{}
	add := func(name string, have bool, v any) {
		if have {
			f[name] = append(f[name], fmt.Sprint(v))
		}
	}
	add("acse.aSO_context_name", a.ApplicationContext != nil, oid(a.ApplicationContext))
	add("acse.result", a.Result >= 0, a.Result)
	add("acse.service_user", a.Source == 1, a.Diagnostic)
	add("acse.service_provider", a.Source == 2, a.Diagnostic)
	add("acse.reason", a.Kind != ABRT && a.Reason >= 0, a.Reason)
	add("acse.abort_source", a.AbortSource >= 0, a.AbortSource)
	add("acse.abort_diagnostic", a.Kind == ABRT && a.Reason >= 0, a.Reason)
	for i := range min(a.ExternalCount, MaxExternals) {
		x := &a.Externals[i]
		add("acse.direct_reference", x.Direct != nil, oid(x.Direct))
		add("acse.indirect_reference", x.Indirect >= 0, x.Indirect)
		add("acse.encoding", true, x.Form)
	}
	return f
}

func compare(t *testing.T, name string, got, want map[string][]string) {
	t.Helper()
	for _, field := range tsharkFields {
		if !slices.Equal(got[field], want[field]) {
			t.Errorf("%s: %s is %q, tshark says %q", name, field, got[field], want[field])
		}
	}
}

// TestTshark holds the APDUs of the captures, and those of the table, to what
// tshark says of them.
func TestTshark(t *testing.T) {
	seen := map[Kind]int{}
	for _, path := range captured.Captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			list := captured.Single(t, path).TSDUs()
			list = slices.DeleteFunc(list, func(u captured.TSDU) bool { return u.Octets[0] == 1 }) // GIVE TOKENS, data.
			for i, want := range captured.Fields(t, list, tsharkFields...) {
				all := values(list[i].Octets)
				if len(all) == 0 {
					all = append(all, nil)
				}
				var a APDU
				code, at := a.Decode(all[0])
				if all[0] != nil && code != OK {
					t.Errorf("TSDU %d: %v at %d", i, code, at)
				}
				seen[a.Kind]++
				compare(t, fmt.Sprintf("TSDU %d", i), asTshark(&a), want)
			}
		})
	}
	for _, k := range []Kind{AARQ, AARE, RLRQ, RLRE} {
		if seen[k] == 0 {
			t.Errorf("no capture has %v", k)
		}
	}
	t.Run("table", func(t *testing.T) {
		// Each behind a CP that defines its context, in a connection of its own.
		connect := captured.Hex(t, "0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101))) 30(02(03) 06(5600020c) 30(06(5101))))))]]")
		wrap := map[byte]string{0x60: "0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101)))) 61(30(02(01) a0(%s)))))]]",
			0x61: "0e[c1[31(a0(80(01)) a2(61(30(02(01) a0(%s)))))]]", 0x62: "09[c1[61(30(02(01) a0(%s)))]]",
			0x63: "0a[c1[61(30(02(01) a0(%s)))]]", 0x64: "19[11[03] c1[a0(61(30(02(01) a0(%s))))]]"}
		var list []captured.TSDU
		for i, tt := range apdus {
			list = append(list, captured.TSDU{Conn: uint8(i), Octets: connect})
			list = append(list, captured.TSDU{Conn: uint8(i), Octets: captured.Hex(t, fmt.Sprintf(wrap[captured.Hex(t, tt.hex)[0]], tt.hex))})
		}
		for i, want := range captured.Fields(t, list, tsharkFields...) {
			if i%2 == 0 || disputed[apdus[i/2].name] {
				continue
			}
			var a APDU
			a.Decode(captured.Hex(t, apdus[i/2].hex))
			compare(t, apdus[i/2].name, asTshark(&a), want)
		}
	})
}

// disputed are the lines of the table of which tshark says more or less.
var disputed = map[string]bool{
	"more externals than are kept": true,
	"fields that are not of X.227": true, // It reads nothing behind them.
}

func TestNames(t *testing.T) {
	// X.227 9.2, Associate-source-diagnostic.
	for _, tt := range []struct {
		source uint8
		n      int64
		want   string
	}{{1, 0, "null"}, {1, 2, "application context name not supported"}, {1, 13, "authentication failure"}, {1, 14, "authentication required"},
		{1, 15, "unknown reason"}, {2, 2, "no common ACSE version"}, {2, 3, "unknown reason"}, {1, -1, "unknown reason"}} {
		if got := Diagnostic(tt.source, tt.n); got != tt.want {
			t.Errorf("diagnostic %d of source %d: %q, want %q", tt.n, tt.source, got, tt.want)
		}
	}
	if None.String() != "none" || ABRT.String() != "ABRT" || ErrAPDU.Error() != "acse: not an ACSE APDU" || Code(0x30).String() != "unknown error" {
		t.Error("names")
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range apdus {
		if !strings.Contains(tt.name, "more externals") {
			f.Add(captured.Hex(f, tt.hex))
		}
	}
	for _, b := range captured.TSDUs(f) {
		for _, v := range values(b) {
			f.Add(v)
		}
	}
	var a, again APDU
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		code, at := a.Decode(in)
		if at < 0 || at > len(in) {
			t.Fatalf("%v at %d of %d", code, at, len(in))
		}
		if r := a.Authentication; r.Start < 0 || r.End < r.Start || r.End > len(in) {
			t.Fatalf("authentication value at %v of %d", r, len(in))
		}
		for i := range min(a.ExternalCount, MaxExternals) {
			if x := &a.Externals[i]; !bytes.HasPrefix(in[x.Start:], x.Octets) {
				t.Fatal("an EXTERNAL's value does not stand where it is said to")
			}
		}
		again = APDU{}
		if c, p := again.Decode(in); c != code || p != at || told(&again, in) != told(&a, in) {
			t.Fatalf("decoded again: %v at %d\n%s\n%s", c, p, told(&a, in), told(&again, in))
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
	})
}

func real(tb testing.TB) (out [][]byte) {
	for _, b := range captured.TSDUs(tb) {
		out = append(out, values(b)...)
	}
	return out
}

func TestAllocations(t *testing.T) {
	all := real(t)
	var a APDU
	if n := testing.AllocsPerRun(10, func() {
		for _, in := range all {
			a.Decode(in)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	all := real(b)
	n := 0
	for _, in := range all {
		n += len(in)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	var a APDU
	for b.Loop() {
		for _, in := range all {
			a.Decode(in)
		}
	}
}
