package association

import (
	"testing"

	"x400flow/osi/internal/captured"
)

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
				beside := captured.Hex(t, tt.beside)
				// As it is when all but what tells is overwritten.
				for i := Telling(beside); tt.notX4 && i < len(beside); i++ {
					beside[i] = '*'
				}
				a.Outside(beside)
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
