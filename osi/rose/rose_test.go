package rose

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"x400flow/osi/ber"
	"x400flow/osi/internal/captured"
)

// told writes down the fields of an APDU that are there.
func told(a *APDU) string {
	var b strings.Builder
	b.WriteString(a.Kind.String())
	if a.Kind < BindArgument {
		if a.NoInvokeID {
			b.WriteString(" id=null")
		} else {
			fmt.Fprintf(&b, " id=%d", a.InvokeID)
		}
	}
	if a.HasLinked {
		fmt.Fprintf(&b, " linked=%d", a.LinkedID)
	}
	if a.HasCode {
		fmt.Fprintf(&b, " code=%d", a.Code)
	}
	if a.OID != nil {
		fmt.Fprintf(&b, " oid=%x", a.OID)
	}
	if a.Kind == Reject {
		fmt.Fprintf(&b, " problem=%d/%d", a.ProblemKind, a.Problem)
	}
	if len(a.Argument) > 0 {
		fmt.Fprintf(&b, " argument=%x", a.Argument)
	}
	return b.String()
}

// After the ASN.1 of X.229 clause 9 and X.880 8.2, in hand-made values: the
// captures have no operations.
var apdus = []struct {
	name, hex, want string
}{
	// X.411 has MTS operations with local values: 3 is message-submission.
	{"invoke", "a1(02(01) 02(03) 31(80(41)))", "invoke id=1 code=3 argument=3103800141"},
	{"invoke without argument", "a1(02(7f) 02(00))", "invoke id=127 code=0"},
	{"invoke, linked", "a1(02(02) 80(01) 02(03) 05())", "invoke id=2 linked=1 code=3 argument=0500"},
	{"invoke, not linked, as X.880 may say it", "a1(02(02) 81() 02(03) 05())", "invoke id=2 code=3 argument=0500"},
	{"invoke of a global operation", "a1(02(02) 06(2a03) 05())", "invoke id=2 oid=2a03 argument=0500"},
	{"invoke with a negative identifier", "a1(02(ff) 02(03))", "invoke id=-1 code=3"},
	{"invoke of indefinite length", "a180 020101 020103 3180 800141 0000 0000", "invoke id=1 code=3 argument=31808001410000"},
	// X.410-1984 tags the alternatives explicitly.
	{"invoke, explicit", "a1(30(02(01) 02(03) 31()))", "invoke id=1 code=3 argument=3100"},
	{"result", "a2(02(01) 30(02(03) 31(80(41))))", "result id=1 code=3 argument=3103800141"},
	{"result without value", "a2(02(01))", "result id=1"},
	{"result of indefinite length", "a280 020101 3080 020103 3100 0000 0000", "result id=1 code=3 argument=3100"},
	{"result, explicit", "a2(30(02(01) 30(02(03) 31())))", "result id=1 code=3 argument=3100"},
	{"error", "a3(02(01) 02(06) 0a(02))", "error id=1 code=6 argument=0a0102"},
	{"error without parameter", "a3(02(01) 02(06))", "error id=1 code=6"},
	{"reject", "a4(02(01) 81(02))", "reject id=1 problem=1/2"},
	{"reject of what could not be read", "a4(05() 80(00))", "reject id=null problem=0/0"},
	// X.229 7.2.
	{"bind argument", "b0(31())", "bind-argument argument=3100"},
	{"bind result", "b1(31())", "bind-result argument=3100"},
	{"bind error", "b2(0a(01))", "bind-error argument=0a0101"},
	{"unbind argument", "b3(05())", "unbind-argument argument=0500"},
	{"unbind result", "b4()", "unbind-result"},
	{"unbind error", "b5()", "unbind-error"},
}

func TestDecode(t *testing.T) {
	for _, tt := range apdus {
		t.Run(tt.name, func(t *testing.T) {
			in := captured.Hex(t, tt.hex)
			a := APDU{HasLinked: true, HasCode: true, OID: []byte{1}, NoInvokeID: true} // Left by another.
			if code, at := a.Decode(in); code != OK {
				t.Fatalf("%v at %d", code, at)
			}
			if got := told(&a); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
			if !bytes.HasPrefix(in[a.ArgumentStart:], a.Argument) {
				t.Error("the argument does not stand where it is said to")
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
		{"message of P1", "a0(31())", ErrAPDU, 0},
		{"tag above", "b6()", ErrAPDU, 0},
		{"universal", "30()", ErrAPDU, 0},
		{"primitive", "8100", ErrAPDU, 0},
		{"invoke, empty", "a1()", ErrValue, 0},
		{"report of P1", "a1(31() 31())", ErrValue, 2},
		{"invoke without operation", "a1(02(01))", ErrValue, 0},
		{"invoke identifier of 9 octets", "a1(02(010203040506070809))", ErrValue, 2},
		{"linked identifier that is empty", "a1(02(01) 80())", ErrValue, 5},
		{"operation of another type", "a1(02(01) 04(41))", ErrValue, 5},
		{"result that is no sequence", "a2(02(01) 31())", ErrValue, 5},
		{"result, empty", "a2(02(01) 30())", ErrValue, 5},
		{"reject of no kind", "a4(02(01) 84(00))", ErrValue, 5},
		{"reject without problem", "a4(02(01))", ErrValue, 0},
		{"cut", "a1050201", ErrBER + Code(ber.LengthExceedsParent), 0},
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

func TestNames(t *testing.T) {
	if Kind(99).String() != "unknown" || ErrAPDU.Error() != "rose: not a ROSE APDU" || Code(0x30).String() != "unknown error" {
		t.Error("names")
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range apdus {
		f.Add(captured.Hex(f, tt.hex))
	}
	for _, name := range []string{"n20-normal-std88-messages-and-probe.resp.01", "p22-pp88-to-rtx-reports.resp.01"} {
		f.Add(captured.TruthAPDU(f, name))
	}
	var a, again APDU
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		code, at := a.Decode(in)
		if at < 0 || at > len(in) {
			t.Fatalf("%v at %d of %d", code, at, len(in))
		}
		if !bytes.HasPrefix(in[a.ArgumentStart:], a.Argument) {
			t.Fatal("the argument does not stand where it is said to")
		}
		again = APDU{}
		if c, p := again.Decode(in); c != code || p != at || told(&again) != told(&a) {
			t.Fatalf("decoded again: %v at %d\n%s\n%s", c, p, told(&a), told(&again))
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
	})
}

func TestAllocations(t *testing.T) {
	var all [][]byte
	for _, tt := range apdus {
		all = append(all, captured.Hex(t, tt.hex))
	}
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
	in := captured.Hex(b, "a1(02(01) 02(03) 31("+strings.Repeat("04(4142434445464748) ", 100)+"))")
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var a APDU
	for b.Loop() {
		a.Decode(in)
	}
}
