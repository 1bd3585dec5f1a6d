package rtse

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"x400flow/osi/acse"
	"x400flow/osi/ber"
	"x400flow/osi/internal/captured"
	"x400flow/osi/presentation"
	"x400flow/osi/session"
)

// told writes down the fields of an APDU that are there or have no default.
func told(a *APDU) string {
	var b strings.Builder
	b.WriteString(a.Kind.String())
	octets := func(name string, v []byte) {
		if v != nil {
			fmt.Fprintf(&b, " %s=%x", name, v)
		}
	}
	number := func(name string, v, absent int64) {
		if v != absent {
			fmt.Fprintf(&b, " %s=%d", name, v)
		}
	}
	number("checkpoint", a.CheckpointSize, 0)
	number("window", a.WindowSize, 3)
	number("dialogue", a.DialogueMode, 0)
	number("protocol", a.Protocol, -1)
	b.WriteString([...]string{"", " open", " recover"}[a.Data])
	octets("calling", a.Session.Calling)
	octets("common", a.Session.Common)
	octets("additional", a.Session.Additional)
	octets("user", a.User)
	number("reason", a.Reason, -1)
	octets("reflected", a.Reflected)
	number("priority", a.Priority, -1)
	octets("octets", a.Octets)
	if a.Joined {
		b.WriteString(" joined")
	}
	number("unknown", int64(a.Unknown), 0)
	return b.String()
}

// After the ASN.1 of X.228 clause 9.
var apdus = []struct {
	name, hex, want string
}{
	{"RTORQ, defaults", "b0(a3(a0(3100)))", "RTORQ open user=3100"},
	{"RTORQ with all fields", "b0(80(3f) 81(07) 82(01) a3(a0(b0(0500))) 84(0c))", "RTORQ checkpoint=63 window=7 dialogue=1 protocol=12 open user=b0020500"},
	{"RTORQ, recover", "b0(a3(a1(14(416e6e) 17(3035313030313134353130385a) 80(61))))",
		"RTORQ recover calling=416e6e common=3035313030313134353130385a additional=61"},
	{"RTORQ, recover, reference an OCTET STRING", "b0(a3(a1(04(00) 17(39363035303131305a))))", "RTORQ recover calling=00 common=39363035303131305a"},
	{"RTORQ of indefinite length", "b080 800101 a380 a080 3100 0000 0000 0000", "RTORQ checkpoint=1 open user=3100"},
	{"RTOAC, defaults", "b1(a2(a0(3100)))", "RTOAC open user=3100"},
	{"RTOAC with all fields", "b1(80(01) 81(02) a2(a1(14(41) 17(42))))", "RTOAC checkpoint=1 window=2 recover calling=41 common=42"},
	{"RTORJ", "b2(80(03))", "RTORJ reason=3"},
	{"RTORJ with user data", "b2(80(02) a1(b2(0500)))", "RTORJ user=b2020500 reason=2"},
	{"RTORJ, empty", "b2()", "RTORJ"},
	{"RTTP", "02(05)", "RTTP priority=5"},
	{"RTTR", "04(4142)", "RTTR octets=4142"},
	{"RTTR, empty", "04()", "RTTR octets="},
	{"RTTR without segments", "24()", "RTTR octets= joined"},
	{"RTTR in segments", "24(04(41) 24(04(42) 04()) 04(43))", "RTTR octets=414243 joined"},
	{"RTTR in segments of indefinite length", "2480 040141 0000", "RTTR octets=41 joined"},
	{"RTAB", "b6(80(04) 81(07aa80) a2(0500))", "RTAB user=0500 reason=4 reflected=07aa80"},
	{"fields that are not of X.228", "b0(85(01) 05() a3(a1(14(41) 17(42) 05())))", "RTORQ recover calling=41 common=42 unknown=3"},
}

func TestDecode(t *testing.T) {
	for _, tt := range apdus {
		t.Run(tt.name, func(t *testing.T) {
			in := captured.Hex(t, tt.hex)
			a := APDU{Kind: RTAB, Unknown: 7, User: []byte{1}, Joined: true} // Left by another.
			if code, at := a.Decode(in); code != OK {
				t.Fatalf("%v at %d", code, at)
			}
			if got := told(&a); got != tt.want || a.End != len(in) {
				t.Errorf("\ngot  %s, %d octets\nwant %s, %d", got, a.End, tt.want, len(in))
			}
			if a.User != nil && !bytes.HasPrefix(in[a.UserStart:], a.User) || a.Octets != nil && !a.Joined && !bytes.HasPrefix(in[a.Start:], a.Octets) {
				t.Error("octets do not stand where they are said to")
			}
			// In octet-aligned values others follow.
			if code, _ := a.Decode(append(bytes.Clone(in), 4, 1, 0)); code != OK || a.End != len(in) {
				t.Errorf("before another APDU: %v, %d octets, want %d", code, a.End, len(in))
			}
			for i := range in {
				if code, at := a.Decode(in[:i]); code == OK || at < 0 || at > i {
					t.Errorf("cut to %d octets: %v at %d", i, code, at)
				}
			}
			// X.228 clause 9: in X.410-1984 mode the same components without the tag.
			if tag := in[0]; tag >= 0xb0 && in[1] != 0x80 {
				var c APDU
				kind := map[byte]Kind{0xb0: RTORQ, 0xb1: RTOAC, 0xb2: RTORJ, 0xb6: RTAB}[tag]
				if code, at := c.DecodeComponents(kind, in[2:]); code != OK || told(&c) != tt.want {
					t.Errorf("components: %v at %d, %s", code, at, told(&c))
				}
				if c.User != nil && !bytes.HasPrefix(in[2+c.UserStart:], c.User) {
					t.Error("components: user data do not stand where they are said to")
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
		{"other universal type", "05()", ErrAPDU, 0},
		{"other context tag", "b3()", ErrAPDU, 0},
		{"RTORQ without connection data", "b0(80(01))", ErrData, 0},
		{"RTOAC without connection data", "b1()", ErrData, 0},
		{"connection data that are empty", "b0(a3())", ErrData, 2},
		{"connection data of no alternative", "b0(a3(a2()))", ErrData, 4},
		{"checkpoint size that is empty", "b0(80())", ErrValue, 2},
		{"reason of 9 octets", "b6(80(010203040506070809))", ErrValue, 2},
		{"priority that is empty", "0200", ErrValue, 0},
		{"RTTR with a segment that is none", "24(02(01))", ErrBER + Code(ber.BadValue), 0},
		{"cut", "b005a300", ErrBER + Code(ber.LengthExceedsParent), 0},
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

// value is RTSE's octets in an SPDU.
type value struct {
	kind       Kind // Set where they are the components of X.410-1984 mode.
	components bool
	octets     []byte
}

// values returns them. x410 is the connection's mode.
func values(tsdu []byte, x410 *bool) (out []value) {
	it := session.Iterate(tsdu)
	var s session.SPDU
	for it.Next(&s) {
		if len(s.UserData) == 0 {
			continue
		}
		user, opening := s.UserData, false
		if kind := map[session.Kind]presentation.Kind{session.Connect: presentation.CP, session.Accept: presentation.CPA,
			session.Refuse: presentation.CPR, session.Abort: presentation.Abort}[s.Kind]; kind != 0 {
			var p presentation.PPDU
			p.Decode(kind, s.UserData)
			*x410 = p.Mode == presentation.X410
			if *x410 {
				rtse := map[presentation.Kind]Kind{presentation.CP: RTORQ, presentation.CPA: RTOAC, presentation.CPR: RTORJ, presentation.Abort: RTAB}[kind]
				out = append(out, value{rtse, true, p.RTSE})
				continue
			}
			user, opening = p.UserData, true
		} else if s.Kind != session.DataTransfer && s.Kind != session.PleaseTokens {
			continue
		}
		if *x410 {
			if s.Kind == session.PleaseTokens {
				out = append(out, value{octets: user})
			}
			continue
		}
		var u presentation.UserData
		var v presentation.PDV
		for u.Reset(user); u.Next(&v); {
			octets := v.Octets
			if opening {
				var a acse.APDU
				if code, _ := a.Decode(octets); code != acse.OK || a.ExternalCount == 0 {
					continue
				}
				octets = a.Externals[0].Octets
			}
			out = append(out, value{octets: octets})
		}
	}
	return out
}

func (v *value) decode(a *APDU) (Code, int) {
	if v.components {
		return a.DecodeComponents(v.kind, v.octets)
	}
	return a.Decode(v.octets)
}

var tsharkFields = []string{"rtse.checkpointSize", "rtse.windowSize", "rtse.dialogueMode", "rtse.connectionDataRQ", "rtse.connectionDataAC",
	"rtse.applicationProtocol", "rtse.refuseReason", "rtse.abortReason", "rtse.rttp_apdu"}

func asTshark(f map[string][]string, a *APDU) {
	add := func(name string, have bool, v any) {
		if have {
			f[name] = append(f[name], fmt.Sprint(v))
		}
	}
	// It says what was sent; a default that was sent is not told apart.
	add("rtse.checkpointSize", a.CheckpointSize != 0, a.CheckpointSize)
	add("rtse.windowSize", a.WindowSize != 3, a.WindowSize)
	add("rtse.dialogueMode", a.DialogueMode != 0, a.DialogueMode)
	add("rtse.connectionDataRQ", a.Kind == RTORQ, a.Data-Open)
	add("rtse.connectionDataAC", a.Kind == RTOAC, a.Data-Open)
	add("rtse.applicationProtocol", a.Protocol >= 0, a.Protocol)
	add("rtse.refuseReason", a.Kind == RTORJ && a.Reason >= 0, a.Reason)
	add("rtse.abortReason", a.Kind == RTAB && a.Reason >= 0, a.Reason)
	add("rtse.rttp_apdu", a.Kind == RTTP, a.Priority)
}

func compare(t *testing.T, name string, got, want map[string][]string) {
	t.Helper()
	if slices.Equal(want["rtse.windowSize"], []string{"3"}) {
		delete(want, "rtse.windowSize")
	}
	if slices.Equal(want["rtse.dialogueMode"], []string{"0"}) {
		delete(want, "rtse.dialogueMode")
	}
	for _, field := range tsharkFields {
		if !slices.Equal(got[field], want[field]) {
			t.Errorf("%s: %s is %.80q, tshark says %.80q", name, field, got[field], want[field])
		}
	}
}

// TestTshark holds the APDUs of the captures, and those of the table, to what
// tshark says of them, but for RTTR, whose octets it joins: the association's
// tests compare those with what was delivered.
func TestTshark(t *testing.T) {
	seen := map[Kind]int{}
	for _, path := range captured.Captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			list := captured.Single(t, path).TSDUs()
			x410 := false
			for _, u := range list {
				for _, v := range values(u.Octets, &x410) {
					var a APDU
					if code, at := v.decode(&a); code != OK {
						t.Errorf("%v at %d of %x", code, at, v.octets)
					}
					seen[a.Kind]++
				}
			}
			list = slices.DeleteFunc(list, func(u captured.TSDU) bool { return u.Octets[0] == 1 }) // GIVE TOKENS, data.
			for i, want := range captured.Fields(t, list, tsharkFields...) {
				got := map[string][]string{}
				for _, v := range values(list[i].Octets, &x410) {
					var a APDU
					v.decode(&a)
					asTshark(got, &a)
				}
				compare(t, fmt.Sprintf("TSDU %d", i), got, want)
			}
		})
	}
	for _, k := range []Kind{RTORQ, RTOAC, RTTP, RTTR} {
		if seen[k] == 0 {
			t.Errorf("no capture has %v", k)
		}
	}
	t.Run("table", func(t *testing.T) {
		// Each behind a CP that defines its context, in a connection of its own.
		const contexts = "0d[c1[31(a0(80(01)) a2(a4(30(02(01) 06(52010001) 30(06(5101))) 30(02(03) 06(5600020c) 30(06(5101)))) %s))]]"
		associate := func(tag, more, apdu string) string {
			return "61(30(02(01) a0(" + tag + "(a1(06(56000106)) " + more + "be(28(06(5101) 02(03) a0(" + apdu + ")))))))"
		}
		var list []captured.TSDU
		for i, tt := range apdus {
			list = append(list, captured.TSDU{Conn: uint8(i), Octets: captured.Hex(t, fmt.Sprintf(contexts, ""))})
			var tsdu string
			switch captured.Hex(t, tt.hex)[0] {
			case 0xb0:
				tsdu = fmt.Sprintf(contexts, associate("60", "", tt.hex))
			case 0xb1, 0xb2:
				tsdu = "0e[c1[31(a0(80(01)) a2(" + associate("61", "a2(02(00)) a3(a1(02(00))) ", tt.hex) + "))]]"
			case 0xb6:
				tsdu = "19[11[03] c1[a0(61(30(02(01) a0(64(80(00) be(28(06(5101) 02(03) a0(" + tt.hex + "))))))))]]"
			case 0x02:
				tsdu = "02[c1[61(30(02(03) a0(" + tt.hex + ")))]]"
			default:
				tsdu = "0100 0100 61(30(02(03) a0(" + tt.hex + ")))"
			}
			list = append(list, captured.TSDU{Conn: uint8(i), Octets: captured.Hex(t, tsdu)})
		}
		for i, want := range captured.Fields(t, list, tsharkFields...) {
			if i%2 == 0 || disputed[apdus[i/2].name] {
				continue
			}
			var a APDU
			a.Decode(captured.Hex(t, apdus[i/2].hex))
			got := map[string][]string{}
			asTshark(got, &a)
			compare(t, apdus[i/2].name, got, want)
		}
	})
}

// disputed are the lines of the table of which tshark says more or less.
var disputed = map[string]bool{}

func TestNames(t *testing.T) {
	// X.228 clause 9, RefuseReason and AbortReason.
	for n, want := range []string{"RTS busy", "cannot recover", "validation failure", "unacceptable dialogue mode", "unknown reason"} {
		if got := RefuseReason(int64(n)); got != want {
			t.Errorf("refuse reason %d: %q, want %q", n, got, want)
		}
	}
	for n, want := range []string{"local system problem", "invalid parameter", "unrecognized activity", "temporary problem",
		"protocol error", "permanent problem", "user error", "transfer completed", "unknown reason"} {
		if got := AbortReason(int64(n)); got != want {
			t.Errorf("abort reason %d: %q, want %q", n, got, want)
		}
	}
	if AbortReason(-1) != "no reason given" || Kind(99).String() != "unknown" || ErrData.Error() != "rtse: connection data are missing" ||
		Code(0x30).String() != "unknown error" {
		t.Error("names")
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range apdus {
		f.Add(uint8(0), captured.Hex(f, tt.hex))
	}
	x410 := false
	for _, b := range captured.TSDUs(f) {
		for _, v := range values(b, &x410) {
			f.Add(uint8(v.kind), v.octets[:min(len(v.octets), 4096)])
		}
	}
	var a, again APDU
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		before := bytes.Clone(in)
		decode := func(a *APDU) (Code, int) {
			if k := Kind(kind % 8); k == RTORQ || k == RTOAC || k == RTORJ || k == RTAB {
				return a.DecodeComponents(k, in)
			}
			return a.Decode(in)
		}
		code, at := decode(&a)
		if at < 0 || at > len(in) || a.End < 0 || a.End > len(in) || code == OK && len(in) > 0 && a.End == 0 {
			t.Fatalf("%v at %d, end at %d of %d", code, at, a.End, len(in))
		}
		if a.User != nil && !bytes.HasPrefix(in[a.UserStart:], a.User) || a.Octets != nil && !a.Joined && !bytes.HasPrefix(in[a.Start:], a.Octets) {
			t.Fatal("octets do not stand where they are said to")
		}
		if len(a.Octets) > len(in) {
			t.Fatalf("%d octets of %d", len(a.Octets), len(in))
		}
		again = APDU{}
		if c, p := decode(&again); c != code || p != at || told(&again) != told(&a) {
			t.Fatalf("decoded again: %v at %d\n%s\n%s", c, p, told(&a), told(&again))
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
	})
}

func real(tb testing.TB) (out []value) {
	x410 := false
	for _, b := range captured.TSDUs(tb) {
		out = append(out, values(b, &x410)...)
	}
	return out
}

func TestAllocations(t *testing.T) {
	all := append(real(t), value{octets: captured.Hex(t, "24(04(41) 04(4243))")})
	var a APDU
	if n := testing.AllocsPerRun(10, func() {
		for i := range all {
			all[i].decode(&a)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	all := real(b)
	n := 0
	for i := range all {
		n += len(all[i].octets)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	var a APDU
	for b.Loop() {
		for i := range all {
			all[i].decode(&a)
		}
	}
}
