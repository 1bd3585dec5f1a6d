package generate

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestEncoder compares encodings with those in X.690 and in the real captures.
func TestEncoder(t *testing.T) {
	for _, c := range []struct {
		name  string
		style style
		write func(e *encoder)
		want  string
	}{
		{"INTEGER 0", style{}, func(e *encoder) { e.integer(tagInteger, 0) }, "02 01 00"},
		{"INTEGER 127", style{}, func(e *encoder) { e.integer(tagInteger, 127) }, "02 01 7f"},
		{"INTEGER 128", style{}, func(e *encoder) { e.integer(tagInteger, 128) }, "02 02 00 80"},
		{"INTEGER 1234", style{}, func(e *encoder) { e.integer(0x80, 1234) }, "80 02 04 d2"}, // n20, probe's content-length
		{"INTEGER -128", style{}, func(e *encoder) { e.integer(tagInteger, -128) }, "02 01 80"},
		{"INTEGER -129", style{}, func(e *encoder) { e.integer(tagInteger, -129) }, "02 02 ff 7f"},
		{"OBJECT IDENTIFIER", style{}, func(e *encoder) { e.oid(tagOID, "2.100.3") }, "06 03 81 34 03"}, // X.690 8.19.5
		{"abstract syntax", style{}, func(e *encoder) { e.oid(tagOID, oidACSE) }, "06 04 52 01 00 01"},  // n20
		{"abstract syntax of RTSE", style{}, func(e *encoder) { e.oid(tagOID, oidRTSE) }, "06 04 56 00 02 0c"},
		{"transfer syntax", style{}, func(e *encoder) { e.oid(tagOID, oidBER) }, "06 02 51 01"},
		{"EITs", style{}, func(e *encoder) { e.bits(0x80, 0, 2) }, "80 02 05 20"},             // n20
		{"no EITs", style{}, func(e *encoder) { e.bits(0x80, 0) }, "80 01 00"},                // p22
		{"indicators", style{}, func(e *encoder) { e.bits(0x81, 8, 0, 2, 4) }, "81 02 00 a8"}, // p31: 81 02 00 a8
		{"definite", style{}, func(e *encoder) { e.close(e.open(tagSequence)) }, "30 00"},
		{"indefinite", style{indefinite: true}, func(e *encoder) { e.close(e.open(tagSequence)) }, "30 80 00 00"},
		{"long", style{}, func(e *encoder) {
			m := e.open(tagSequence)
			e.primitive(tagOctetString, make([]byte, 200))
			e.close(m)
		}, "30 81 cb 04 81 c8 " + strings.TrimSpace(strings.Repeat("00 ", 200))},
		{"country of the captures", style{}, func(e *encoder) { (&domain{c: "XX"}).country(e, 0x61) }, "61 04 13 02 58 58"},
		{"MTS identifier of n20", style{}, func(e *encoder) {
			e.mtsIdentifier(&domain{c: "XX", admd: "AMHS", prmd: "TestGamma"}, "r1.000001")
		}, "64 26 63 19 61 04 13 02 58 58 62 06 13 04 41 4d 48 53 13 09 54 65 73 74 47 61 6d 6d 61 16 09 72 31 2e 30 30 30 30 30 31"},
		{"originator of n20", style{}, func(e *encoder) {
			e.orName(0x60, &address{d: &domain{c: "XX", admd: "AMHS", prmd: "TestGamma"}, o: "Gamma Org", s: "gil", g: "Ann"})
		}, "60 34 30 32 61 04 13 02 58 58 62 06 13 04 41 4d 48 53 a2 0b 13 09 54 65 73 74 47 61 6d 6d 61 83 09 47 61 6d 6d 61 20 4f 72 67 a5 0a 80 03 67 69 6c 81 03 41 6e 6e"},
		{"domain-defined attributes of n20", style{}, func(e *encoder) {
			e.orName(0x60, &address{d: &domain{c: "XX", admd: "AMHS", prmd: "TestBeta"}, o: "Beta Org", s: "ann", g: "Mary", ou: []string{"Ops", "Night"}})
		}, "60 41 30 3f 61 04 13 02 58 58 62 06 13 04 41 4d 48 53 a2 0a 13 08 54 65 73 74 42 65 74 61 83 08 42 65 74 61 20 4f 72 67 a5 0b 80 03 61 6e 6e 81 04 4d 61 72 79 a6 0c 13 03 4f 70 73 13 05 4e 69 67 68 74"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &encoder{}
			e.reset(c.style, rand.New(rand.NewPCG(1, 2)))
			c.write(e)
			if got, want := hex.EncodeToString(e.b), strings.ReplaceAll(c.want, " ", ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestSetupOctets compares PDUs with those of the real captures, octet by octet.
func TestSetupOctets(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"ACTIVITY START", activityStart(nil, 1), "01 00 2d 05 29 03 02 01 01"},
		{"MINOR SYNC POINT", serialSPDU(give(nil), siMinorSync, 2), "01 00 31 03 2a 01 32"},
		{"MINOR SYNC ACK", serialSPDU(please(nil), siMinorSyncAck, 2), "02 00 32 03 2a 01 32"},
		{"ACTIVITY INTERRUPT", reasonSPDU(give(nil), 25, 0), "01 00 19 03 32 01 00"},
		{"ACTIVITY INTERRUPT ACK", appendSPDU(please(nil), siInterruptAck, nil), "02 00 1a 00"},
		{"ACTIVITY RESUME", activityResume(nil, 1, 2, 2, nil), "01 00 1d 0f 21 08 29 03 02 01 01 2a 01 32 29 03 02 01 02"},
		{"ACTIVITY END", serialSPDU(give(nil), siActivityEnd, 1), "01 00 29 03 2a 01 31"},
		{"ACTIVITY END ACK", serialSPDU(please(nil), siEndAck, 1), "02 00 2a 03 2a 01 31"},
		{"PLEASE TOKENS", (&setup{normal: true}).pleaseTurn(nil, 2), "02 11 10 01 01 c1 0c 61 0a 30 08 02 01 03 a0 03 02 01 02"},
		{"FINISH", (&setup{normal: true}).finish(nil), "09 13 11 01 01 c1 0e 61 0c 30 0a 02 01 01 a0 05 62 03 80 01 00"},
		{"DISCONNECT", (&setup{normal: true}).disconnect(nil), "0a 10 c1 0e 61 0c 30 0a 02 01 01 a0 05 63 03 80 01 00"},
		{"FINISH of 1984", (&setup{}).finish(nil), "09 03 11 01 01"},
		{"DISCONNECT of 1984", (&setup{}).disconnect(nil), "0a 00"},
	} {
		if got, want := hex.EncodeToString(c.got), strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s is %s, the captures have %s", c.name, got, want)
		}
	}
}

func TestAddressText(t *testing.T) {
	d := &domain{c: "GB", admd: " ", prmd: "X"}
	for _, c := range []struct {
		a    address
		want string
	}{
		{address{d: d, o: "Y", ou: []string{"Z"}, cn: "n", s: "Smith", g: "Ann"}, "/C=GB/ADMD= /PRMD=X/O=Y/OU1=Z/CN=n/S=Smith/G=Ann/"},
		{address{d: d, noPRMD: true, x121: "234", tid: "T", ttype: 3}, "/C=GB/ADMD= /X121=234/T-ID=T/T-TY=telex/"},
		{address{d: d, s: "a/b", i: "I", q: "Q", nid: "12"}, `/C=GB/ADMD= /PRMD=X/S=a\/b/I=I/GQ=Q/N-ID=12/`},
		{address{d: d, cn: `a\b=c`, dda: [][2]string{{"p=q", "r=s/t"}}}, `/C=GB/ADMD= /PRMD=X/CN=a\\b=c/DDA:p\=q=r=s\/t/`},
		{address{d: d, postal: []postal{{9, "123"}, {17, "Street"}, {16, "a|b"}}}, "/C=GB/ADMD= /PRMD=X/PD-STREET=Street/PD-ADDRESS=a|b/PD-CODE=123/"},
		{address{d: d, directory: [][2]string{{"2.5.4.6", "GB"}, {"2.5.4.3", "n"}}}, "/C=GB/ADMD= /PRMD=X/DN=CN=n,C=GB/"},
	} {
		if got := c.a.seal().ledger.Text; got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	if got, want := (&domain{c: "US", admd: "MCI/X", prmd: "Gov$Mail"}).identifier("l$1").Text, "[/PRMD=Gov$$Mail/ADMD=MCI$/X/C=US/;l$1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
