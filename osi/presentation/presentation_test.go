package presentation

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"x400flow/osi/ber"
	"x400flow/osi/internal/captured"
	"x400flow/osi/session"
)

func oid(content []byte) string {
	text, ok := ber.AppendOID(nil, content)
	if !ok {
		return fmt.Sprintf("%x?", content)
	}
	return string(text)
}

// told writes down the fields of a PPDU that are there.
func told(p *PPDU) string {
	var b strings.Builder
	b.WriteString(map[Mode]string{Unknown: "unknown", Normal: "normal", X410: "x410"}[p.Mode])
	if p.Provider {
		b.WriteString(" provider")
	}
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
	octets("calling", p.Calling)
	octets("called", p.Called)
	octets("responding", p.Responding)
	for _, c := range p.Contexts[:min(p.ContextCount, MaxContexts)] {
		fmt.Fprintf(&b, " context=%d/%s/%s", c.ID, oid(c.Abstract), oid(c.Transfer))
		if c.TransferCount != 1 {
			fmt.Fprintf(&b, "(%d)", c.TransferCount)
		}
	}
	for _, r := range p.Results[:min(p.ResultCount, MaxContexts)] {
		fmt.Fprintf(&b, " result=%d/%d/%x", r.Result, r.Reason, r.Transfer)
	}
	octets("default-abstract", p.DefaultAbstract)
	octets("default-transfer", p.DefaultTransfer)
	number("default-result", p.DefaultResult)
	number("reason", p.Reason)
	number("event", p.Event)
	octets("user", p.UserData)
	octets("rtse", p.RTSE)
	if p.Unknown > 0 {
		fmt.Fprintf(&b, " unknown=%d", p.Unknown)
	}
	return b.String()
}

// Presentation contexts 1 (ACSE, 2.2.1.0.1) and 3 (RTSE, 2.6.0.2.12) in BER.
const (
	list = "a4(30(02(01) 06(52010001) 30(06(5101))) 30(02(03) 06(5600020c) 30(06(5101)))) "
	// User data of context 1.
	user   = "61(30(02(01) a0(6100)))"
	told1  = "user=6109300702010" + "1a0026100"
	normal = "a0(80(01)) "
	x410   = "a0(80(00)) "
)

// In the order of X.226 8.2.1 to 8.2.5; what no other comment says is after the
// ASN.1 in X.226 8.2.
var ppdus = []struct {
	name string
	kind Kind
	hex  string
	want string
}{
	{"CP with all parameters", CP, "31(" + normal + "a2(80(0780) 81(aa) 82(bbbb)" + list + "88(0600) 89(060249) " + user + "))",
		"normal calling=aa called=bbbb context=1/2.2.1.0.1/2.1.1 context=3/2.6.0.2.12/2.1.1 " + told1},
	{"CP with protocol options", CP, "31(" + normal + "a2(" + list + "8b(0780) 8c(01) ae() " + user + "))",
		"normal context=1/2.2.1.0.1/2.1.1 context=3/2.6.0.2.12/2.1.1 " + told1},
	// The parts of a SET come in any order.
	{"CP, mode behind the parameters", CP, "31(a2(81(aa)) a0(80(01)))", "normal calling=aa"},
	{"CP without mode selector", CP, "31(a2(81()))", "normal calling="},
	{"CP with a CPC of primitive simply encoded data behind", CP, "31(" + normal + "a2(" + user + ")) 40(aa)", "normal " + told1},
	{"CP of indefinite length, two transfer syntaxes", CP, "3180 a080 800101 0000 a280 a480 3080 020105 060456000207 3080 06025101 06025102 0000 0000 0000 0000 0000",
		"normal context=5/2.6.0.2.7/2.1.1(2)"},
	{"CP with a default context", CP, "31(" + normal + "a2(a6(80(5600) 81(5101))))", "normal default-abstract=5600 default-transfer=5101"},
	// User data once more in another transfer syntax (CPC-type).
	{"CP with a CPC behind", CP, "31(" + normal + "a2(" + user + "))" + user, "normal " + told1},
	// X.410-1984 mode: the parameters are RTSE's, without a tag.
	{"CP in X.410 mode", CP, "31(" + x410 + "a1(80(01) 81(03)))", "x410 rtse=800101810103"},
	{"CP in X.410 mode without mode selector", CP, "31(a1(80(01)))", "x410 rtse=800101"},
	{"CPA with results", CPA, "31(" + normal + "a2(83(4142) a5(30(80(00) 81(5101)) 30(80(02) 82(01)) 30(80(01))) 88(0600)))",
		"normal responding=4142 result=0/-1/5101 result=2/1/ result=1/-1/"},
	{"CPA in X.410 mode", CPA, "31(" + x410 + "a1(80(01)))", "x410 rtse=800101"},
	{"CPR of the provider", CPR, "30(83(41) a5(30(80(02) 82(03))) 87(02) 8a(03))", "normal responding=41 result=2/3/ default-result=2 reason=3"},
	{"CPR with user data", CPR, "30(" + user + ")", "normal " + told1},
	{"CPR in X.410 mode", CPR, "31(80(01))", "x410 rtse=800101"},
	{"ARU with a context identifier list", Abort, "a0(a0(30(02(01) 06(5101)))" + user + ")", "normal " + told1},
	{"ARU in X.410 mode", Abort, "31(80(04) 81(0780))", "x410 rtse=80010481020780"},
	{"ARP", Abort, "30(80(02) 81(0d))", "normal provider reason=2 event=13"},
	{"ARP without parameters", Abort, "30()", "normal provider"},
	{"fields that are not of X.226", CP, "31(" + normal + "a2(9f2a(01) 05() 8f()) 87())", "normal unknown=4"},
}

func TestDecode(t *testing.T) {
	for _, tt := range ppdus {
		t.Run(tt.name, func(t *testing.T) {
			in := captured.Hex(t, tt.hex)
			var p PPDU
			p.ContextCount, p.ResultCount = MaxContexts, MaxContexts // Left by another.
			p.Contexts[0].ID, p.Results[0].Result = 7, 7
			if code, at := p.Decode(tt.kind, in); code != OK {
				t.Fatalf("%v at %d", code, at)
			}
			if got := told(&p); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
			if p.UserData != nil && !bytes.HasPrefix(in[p.UserStart:], p.UserData) || p.RTSE != nil && !bytes.HasPrefix(in[p.RTSEStart:], p.RTSE) {
				t.Error("the offsets of the user data are wrong")
			}
			// Nothing shorter is whole, but what stands before a CPC.
			for i := range in {
				if code, at := p.Decode(tt.kind, in[:i]); code == OK && !strings.Contains(tt.name, "CPC") {
					t.Errorf("cut to %d octets it is decoded", i)
				} else if at < 0 || at > i {
					t.Errorf("cut to %d octets it fails at %d", i, at)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		kind Kind
		hex  string
		code Code
		at   int
	}{
		{"nothing", CP, "", ErrPPDU, 0},
		{"CP that is no SET", CP, "30()", ErrPPDU, 0},
		{"CP that is primitive", CP, "1100", ErrPPDU, 0},
		{"CPR that is something else", CPR, "61()", ErrPPDU, 0},
		{"CPR tagged as ARU", CPR, "a0()", ErrPPDU, 0},
		{"neither mode", CP, "31(a0(80(02)))", ErrMode, 4},
		{"no parameters", CP, "31()", ErrMode, 0},
		{"context identifier of 9 octets", CP, "31(" + normal + "a2(a4(30(02(010203040506070809)))))", ErrValue, 13},
		{"result that is empty", CPA, "31(" + normal + "a2(a5(30(80()))))", ErrValue, 13},
		{"reason that is empty", CPR, "30(8a())", ErrValue, 2},
		{"octets behind CP's user data", CP, "31(" + normal + "a2(" + user + ")) 0500", ErrLength, 20},
		{"length beyond the end", CP, "3105 a003 8001", ErrBER + Code(ber.LengthExceedsParent), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p PPDU
			if code, at := p.Decode(tt.kind, captured.Hex(t, tt.hex)); code != tt.code || at != tt.at {
				t.Errorf("got %v at %d, want %v at %d", code, at, tt.code, tt.at)
			}
		})
	}
}

func TestUserData(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		want []string
		code Code
		at   int
	}{
		// X.226 8.4.2.
		{"single ASN.1 type", "61(30(02(03) a0(04(41))))", []string{"3 0 040141 at 9"}, OK, 0},
		{"octet-aligned", "61(30(02(03) 81(4142)))", []string{"3 1 4142 at 9"}, OK, 0},
		{"octet-aligned in segments", "61(30(02(03) a1(04(41) 24(04(42) 04(4344)))))", []string{"3 1 41424344 joined"}, OK, 0},
		{"arbitrary", "61(30(02(03) 82(04aaf0)))", []string{"3 2 aaf0 at 10 unused 4"}, OK, 0},
		{"arbitrary in segments", "61(30(02(03) a2(03(00aa) 03(04f0))))", []string{"3 2 aaf0 joined unused 4"}, OK, 0},
		{"with transfer syntax name", "61(30(06(5101) 02(03) a0(04(41))))", []string{"3 0 040141 at 13 syntax 5101"}, OK, 0},
		{"several lists", "61(30(02(01) a0(04(41))) 30(02(03) a0(04(42))))", []string{"1 0 040141 at 9", "3 0 040142 at 19"}, OK, 0},
		{"indefinite lengths", "6180 3080 020103 a080 040141 0000 0000 0000", []string{"3 0 040141 at 9"}, OK, 0},
		{"CPC: user data twice", "61(30(02(01) a0())) 61(30(02(03) a0()))", []string{"1 0  at 9", "3 0  at 18"}, OK, 0},
		// X.226 8.4.1.
		{"simply encoded", "40(040141)", []string{"-1 3 040141 at 2"}, OK, 0},
		{"simply encoded in segments", "60(04(0401) 04(41))", []string{"-1 3 040141 joined"}, OK, 0},
		{"simply encoded, nothing", "4000", []string{"-1 3  at 2"}, OK, 0},
		{"nothing", "", nil, OK, 0},
		{"not user data", "0500", nil, ErrData, 0},
		{"fully encoded, primitive", "4100", nil, ErrData, 0},
		{"list that is none", "61(0500)", nil, ErrPDV, 2},
		{"list without value", "61(30(02(01)))", nil, ErrPDV, 2},
		{"list without identifier", "61(30(a0()))", nil, ErrPDV, 2},
		{"negative identifier", "61(30(02(ff) a0()))", nil, ErrValue, 4},
		{"unknown alternative", "61(30(02(01) a3()))", nil, ErrPDV, 7},
		{"second list cut", "610c 3005 020101 a000 3008 0201 01", []string{"1 0  at 9"}, ErrBER + Code(ber.LengthExceedsParent), 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var u UserData
			for range 2 { // Twice, for what the first leaves behind.
				got := values(&u, captured.Hex(t, tt.hex))
				if u.Code() != tt.code || u.Offset() != tt.at || !slices.Equal(got, tt.want) {
					t.Errorf("got %q, %v at %d, want %q, %v at %d", got, u.Code(), u.Offset(), tt.want, tt.code, tt.at)
				}
			}
		})
	}
}

func values(u *UserData, in []byte) (out []string) {
	u.Reset(in)
	var v PDV
	for u.Next(&v) {
		s := fmt.Sprintf("%d %d %x", v.Context, v.Form, v.Octets)
		if v.Joined {
			s += " joined"
		} else {
			s += fmt.Sprintf(" at %d", v.Start)
		}
		if v.Unused > 0 {
			s += fmt.Sprintf(" unused %d", v.Unused)
		}
		if v.Transfer != nil {
			s += fmt.Sprintf(" syntax %x", v.Transfer)
		}
		out = append(out, s)
	}
	return out
}

var kinds = map[session.Kind]Kind{session.Connect: CP, session.Accept: CPA, session.Refuse: CPR, session.Abort: Abort}

// spdus calls f with each SPDU that has user data.
func spdus(tsdu []byte, f func(*session.SPDU)) {
	it := session.Iterate(tsdu)
	var s session.SPDU
	for it.Next(&s) {
		if len(s.UserData) > 0 {
			f(&s)
		}
	}
}

var tsharkFields = []string{"pres.mode_value", "pres.calling_presentation_selector", "pres.called_presentation_selector",
	"pres.responding_presentation_selector", "pres.presentation_context_identifier", "pres.abstract_syntax_name",
	"pres.Transfer_syntax_name", "pres.transfer_syntax_name", "pres.result", "pres.provider_reason", "pres.event_identifier"}

// asTshark adds what stands in an SPDU under tshark's names.
func asTshark(t *testing.T, f map[string][]string, s *session.SPDU, x410 *bool) {
	add := func(name string, have bool, v string) {
		if have {
			f[name] = append(f[name], v)
		}
	}
	user := s.UserData
	if kind, ok := kinds[s.Kind]; ok {
		var p PPDU
		if code, at := p.Decode(kind, s.UserData); code != OK {
			t.Errorf("%v: %v at %d", s.Kind, code, at)
		}
		*x410 = p.Mode == X410
		if kind == CP || kind == CPA {
			add("pres.mode_value", true, map[Mode]string{Normal: "1", X410: "0"}[p.Mode])
		}
		add("pres.calling_presentation_selector", p.Calling != nil, hex.EncodeToString(p.Calling))
		add("pres.called_presentation_selector", p.Called != nil, hex.EncodeToString(p.Called))
		add("pres.responding_presentation_selector", p.Responding != nil, hex.EncodeToString(p.Responding))
		for _, c := range p.Contexts[:p.ContextCount] {
			add("pres.presentation_context_identifier", true, fmt.Sprint(c.ID))
			add("pres.abstract_syntax_name", true, oid(c.Abstract))
			add("pres.Transfer_syntax_name", true, oid(c.Transfer))
		}
		add("pres.abstract_syntax_name", p.DefaultAbstract != nil, oid(p.DefaultAbstract))
		add("pres.transfer_syntax_name", p.DefaultTransfer != nil, oid(p.DefaultTransfer))
		for _, r := range p.Results[:p.ResultCount] {
			add("pres.result", true, fmt.Sprint(r.Result))
			add("pres.transfer_syntax_name", r.Transfer != nil, oid(r.Transfer))
			add("pres.provider_reason", r.Reason >= 0, fmt.Sprint(r.Reason))
		}
		add("pres.provider_reason", p.Reason >= 0, fmt.Sprint(p.Reason))
		add("pres.event_identifier", p.Event >= 0, fmt.Sprint(p.Event))
		user = p.UserData
	}
	if *x410 || user == nil {
		return
	}
	var u UserData
	u.Reset(user)
	var v PDV
	for u.Next(&v) {
		add("pres.presentation_context_identifier", true, fmt.Sprint(v.Context))
	}
	if u.Code() != OK {
		t.Errorf("%v: %v at %d", s.Kind, u.Code(), u.Offset())
	}
}

// TestTshark holds the PPDUs and user data of the captures, and those of the
// table, to what tshark says of them.
func TestTshark(t *testing.T) {
	for _, path := range captured.Captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			list := captured.Single(t, path).TSDUs()
			x410 := false
			for i, want := range captured.Fields(t, list, tsharkFields...) {
				got := map[string][]string{}
				spdus(list[i].Octets, func(s *session.SPDU) { asTshark(t, got, s, &x410) })
				compare(t, fmt.Sprintf("TSDU %d", i), got, want)
			}
		})
	}
	t.Run("table", func(t *testing.T) {
		var list []captured.TSDU
		for i, tt := range ppdus {
			// In version 2's Reason Code and User Data (X.225 8.3.5, 8.3.9).
			body := captured.Hex(t, tt.hex)
			n := byte(len(body))
			spdu := map[Kind][]byte{CP: {13, n + 2, 193, n}, CPA: {14, n + 2, 193, n}, CPR: {12, n + 3, 50, n + 1, 2}, Abort: {25, n + 5, 17, 1, 3, 193, n}}[tt.kind]
			list = append(list, captured.TSDU{Conn: uint8(i), Octets: append(spdu, body...)})
		}
		for i, want := range captured.Fields(t, list, tsharkFields...) {
			if disputed[ppdus[i].name] {
				continue
			}
			got := map[string][]string{}
			x410 := false
			spdus(list[i].Octets, func(s *session.SPDU) { asTshark(t, got, s, &x410) })
			compare(t, ppdus[i].name, got, want)
		}
	})
}

// disputed are the lines of the table of which tshark says more or less.
var disputed = map[string]bool{
	// It takes the selector's word for the mode, which is mandatory (X.226 8.2.1).
	"CP without mode selector":               true,
	"CP in X.410 mode without mode selector": true,
	"CP with protocol options":               true, // It reads nothing behind them.
	// Of several transfer syntaxes the first is kept, of the contexts in ARU none.
	"CP of indefinite length, two transfer syntaxes": true,
	"ARU with a context identifier list":             true,
}

func compare(t *testing.T, name string, got, want map[string][]string) {
	t.Helper()
	for _, field := range tsharkFields {
		if !slices.Equal(got[field], want[field]) {
			t.Errorf("%s: %s is %q, tshark says %q", name, field, got[field], want[field])
		}
	}
}

func TestMoreContextsThanAreKept(t *testing.T) {
	item := captured.Hex(t, "30(02(01) 06())")
	body := bytes.Repeat(item, MaxContexts+5)
	tlv := func(tag byte, b []byte) []byte {
		return append([]byte{tag, 0x82, byte(len(b) >> 8), byte(len(b))}, b...)
	}
	results := bytes.Repeat(captured.Hex(t, "30(80(00))"), MaxContexts+5)
	in := tlv(0x31, append(captured.Hex(t, normal), tlv(0xa2, append(tlv(0xa4, body), tlv(0xa5, results)...))...))
	var p PPDU
	if code, at := p.Decode(CP, in); code != OK || p.ContextCount != MaxContexts+5 || p.ResultCount != MaxContexts+5 {
		t.Errorf("%v at %d, %d contexts, %d results", code, at, p.ContextCount, p.ResultCount)
	}
}

func TestNames(t *testing.T) {
	for _, f := range []func(int64) string{AbortReason, ProviderReason} {
		if f(0) != "reason not specified" || f(-1) != "no reason given" || f(99) != "unknown reason" {
			t.Error(f(0), f(-1), f(99))
		}
	}
	if ErrMode.Error() != "presentation: neither normal nor X.410-1984 mode" || Code(0x30).String() != "unknown error" ||
		(ErrBER+Code(ber.LengthExceedsParent)).String() != ber.LengthExceedsParent.String() {
		t.Error("names of errors")
	}
}

// plainly fails where what is read of in, an item, by its plain form is not what is read
// element by element, for the same of the budget. It reports whether in has one.
func plainly(t *testing.T, in []byte, depth, elements int) (plain bool) {
	t.Helper()
	read := func(way func(*ber.Cursor, *ber.Element)) (left int) {
		d := ber.Decoder{MaxDepth: depth, MaxElements: elements}
		c := d.Reset(in)
		var item ber.Element
		if c.Next(&item) {
			way(&c, &item)
		}
		_, left = c.Left(&item)
		return left
	}
	check := func(got, want any, code Code, left, wantLeft int) {
		t.Helper()
		if code != OK || fmt.Sprint(got) != fmt.Sprint(want) || left != wantLeft {
			t.Fatalf("%x: %v, by elements %v, %v; %d elements left, %d", in, got, want, code, left, wantLeft)
		}
	}
	var p PPDU
	var context, wantContext Context
	if left := read(func(c *ber.Cursor, item *ber.Element) { plain = context.plain(c, item) }); plain {
		var code Code
		wantLeft := read(func(c *ber.Cursor, item *ber.Element) { code, _ = p.context(c, item, &wantContext) })
		check(context, wantContext, code, left, wantLeft)
		return p.Unknown == 0
	}
	var result, wantResult Result
	if left := read(func(c *ber.Cursor, item *ber.Element) { plain = result.plain(c, item) }); plain {
		var code Code
		wantLeft := read(func(c *ber.Cursor, item *ber.Element) { code, _ = p.result(c, item, &wantResult) })
		check(result, wantResult, code, left, wantLeft)
		return p.Unknown == 0
	}
	var pdv, wantPDV PDV
	if left := read(func(c *ber.Cursor, item *ber.Element) { plain = pdv.plain(c, item) }); plain {
		var u UserData
		wantLeft := read(func(c *ber.Cursor, item *ber.Element) {
			u.lists = *c
			u.list(item, &wantPDV)
		})
		check(pdv, wantPDV, u.Code(), left, wantLeft)
	}
	return plain
}

// Items of lists, and PDV-lists, that are of a plain form are read the same by it.
func TestPlain(t *testing.T) {
	for _, tt := range []struct {
		item            string
		depth, elements int
		want            bool
	}{
		{"30(02(03) 06(5600020c) 30(06(5101)))", 2, 5, true},
		{"30(02(83) 06(5600020c) 30(06(5101)))", 0, 0, true},
		{"30(02(03) 06(2b06010401868d1f8310) 30(06(5101)))", 0, 0, true},
		{"30(02(03) 06() 30(06()))", 0, 0, true},
		{"30(02(03) 06(5600020c) 30(06(5101)))", 1, 0, false},
		{"30(02(03) 06(5600020c) 30(06(5101)))", 0, 4, false},
		{"30(02(03) 06(5600020c) 30(06(5101) 06(5102)))", 0, 0, false},
		{"30(80(00) 81(5101))", 1, 3, true},
		{"30(80(00) 81(5101))", 0, 2, false},
		{"30(80(02) 82(01))", 0, 0, false},
		{"30(02(03) a0(6100))", 1, 3, true},
		{"30(02(83) a0(6100))", 0, 0, false},
		{"30(02(03) a0(6100))", 0, 2, false},
		{"30(06(5101) 02(03) a0(6100))", 0, 0, false},
	} {
		b := captured.Hex(t, tt.item)
		if got := plainly(t, b, tt.depth, tt.elements); got != tt.want {
			t.Errorf("%s: %v", tt.item, got)
		}
		for i, was := range b {
			for octet := range 256 {
				b[i] = byte(octet)
				plainly(t, b, tt.depth, tt.elements)
			}
			b[i] = was
			plainly(t, b[:i], tt.depth, tt.elements)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range ppdus {
		f.Add(uint8(tt.kind), captured.Hex(f, tt.hex))
	}
	for _, b := range captured.TSDUs(f) {
		spdus(b, func(s *session.SPDU) {
			if k, ok := kinds[s.Kind]; ok {
				f.Add(uint8(k), s.UserData)
			}
		})
	}
	f.Add(uint8(0), captured.Hex(f, "30(02(03) 06(5600020c) 30(06(5101)))"))
	f.Add(uint8(0), captured.Hex(f, "30(80(00) 81(5101))"))
	f.Add(uint8(0), captured.Hex(f, "30(02(03) a0(6100))"))
	var p, again PPDU
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		before := bytes.Clone(in)
		plainly(t, in, 0, 0)
		k := CP + Kind(kind%4)
		code, at := p.Decode(k, in)
		if at < 0 || at > len(in) {
			t.Fatalf("%v at %d of %d", code, at, len(in))
		}
		if p.UserData != nil && !bytes.HasPrefix(in[p.UserStart:], p.UserData) {
			t.Fatal("user data do not stand where they are said to")
		}
		if p.RTSE != nil && !bytes.HasPrefix(in[p.RTSEStart:], p.RTSE) {
			t.Fatal("parameters do not stand where they are said to")
		}
		// What is decoded does not depend on what was decoded before.
		again = PPDU{}
		if c, a := again.Decode(k, in); c != code || a != at || told(&again) != told(&p) {
			t.Fatalf("decoded again: %v at %d\n%s\n%s", c, a, told(&p), told(&again))
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
	})
}

func FuzzUserData(f *testing.F) {
	for _, b := range captured.TSDUs(f) {
		spdus(b, func(s *session.SPDU) { f.Add(s.UserData[:min(len(s.UserData), 4096)]) })
	}
	var u UserData
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		u.Reset(in)
		var v PDV
		octets, n := 0, 0
		for u.Next(&v) {
			if !v.Joined && v.Form != Arbitrary && !bytes.HasPrefix(in[v.Start:], v.Octets) {
				t.Fatal("a value does not stand where it is said to")
			}
			octets += len(v.Octets)
			if n++; octets > len(in) || n > len(in) {
				t.Fatalf("%d values of %d octets of %d", n, octets, len(in))
			}
		}
		if u.Offset() < 0 || u.Offset() > len(in) {
			t.Fatalf("%v at %d of %d", u.Code(), u.Offset(), len(in))
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
	})
}

func TestAllocations(t *testing.T) {
	all := captured.TSDUs(t)
	var p PPDU
	var u UserData
	var v PDV
	type unit struct {
		kind Kind
		user []byte
	}
	var units []unit
	for _, b := range all {
		spdus(b, func(s *session.SPDU) { units = append(units, unit{kinds[s.Kind], s.UserData}) })
	}
	// Joined segments take memory of u's own, once.
	run := func() {
		for i := range units {
			user := units[i].user
			if k := units[i].kind; k != 0 {
				p.Decode(k, user)
				user = p.UserData
			}
			u.Reset(user)
			for u.Next(&v) {
			}
		}
		u.Reset(segments)
		for u.Next(&v) {
		}
	}
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var segments = []byte("\x61\x0f\x30\x0d\x02\x01\x03\xa1\x08\x04\x01A\x04\x03BCD")

func BenchmarkDecode(b *testing.B) {
	for kind, name := range map[Kind]string{CP: "CP", CPA: "CPA"} {
		b.Run(name, func(b *testing.B) {
			var in []byte
			for _, u := range captured.Single(b, captured.MTA("p20-pp88-to-pp88-relay")).TSDUs() {
				spdus(u.Octets, func(s *session.SPDU) {
					if kinds[s.Kind] == kind {
						in = s.UserData
					}
				})
			}
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			var p PPDU
			for b.Loop() {
				p.Decode(kind, in)
			}
		})
	}
}

func BenchmarkUserData(b *testing.B) {
	var list [][]byte
	n := 0
	for _, u := range captured.Single(b, captured.MTA("n02-normal-ckpt1k-window3")).TSDUs() {
		spdus(u.Octets, func(s *session.SPDU) {
			if s.Kind == session.DataTransfer {
				list = append(list, s.UserData)
				n += len(s.UserData)
			}
		})
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	var u UserData
	var v PDV
	for b.Loop() {
		for _, in := range list {
			u.Reset(in)
			for u.Next(&v) {
			}
		}
	}
}
