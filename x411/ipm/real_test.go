package ipm

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"x400flow/x411"
)

const (
	truthDir = "../../testdata/mta/truth/apdus"
	eanDir   = "../../../shared/captures/reference/ean-1985"
)

// realContent returns the content and content type of the message in a real APDU.
func realContent(t testing.TB, name string) ([]byte, *x411.ContentType) {
	t.Helper()
	path := filepath.Join("../testdata", name)
	if rest, ok := strings.CutPrefix(name, "truth/"); ok {
		path = filepath.Join(truthDir, rest)
	}
	if rest, ok := strings.CutPrefix(name, "ean/"); ok {
		path = filepath.Join(eanDir, rest)
		if _, err := os.Stat(eanDir); err != nil && os.Getenv("CI") != "true" {
			t.Skip("the reference captures are not beside the checkout")
		}
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := new(x411.APDU)
	a.Decode(octets)
	if !a.Content.Present {
		t.Fatalf("%s has no content", name)
	}
	return a.AppendContent(nil), &a.ContentType
}

// describe tells what a content holds, one field a line.
func describe(c *Content) []string {
	var out []string
	for i := range c.Messages {
		m := &c.Messages[i]
		in := ""
		if m.Parent >= 0 {
			in = "[" + string(m.Path) + "] "
		}
		add := func(label, text string) {
			if text != "" {
				out = append(out, in+label+": "+text)
			}
		}
		add("kind", m.Kind.String())
		if m.Status != x411.StatusOK {
			s := m.Status.String() + " "
			if len(m.Failure.Path) > 0 {
				s += string(m.Failure.Path) + " "
			}
			add("status", s+m.Failure.Code.String()+" at "+strconv.Itoa(m.Failure.Offset))
		}
		add("unknown", string(m.FirstUnknown))
		add("delivery", string(m.Delivery.Text))
		add("id", string(m.ID.Text))
		add("originator", string(m.Originator.Text))
		add("intended", string(m.Intended.Text))
		for k := range m.Recipients {
			r := &m.Recipients[k]
			s := string(r.Descriptor.Text)
			if r.Requests != 0 {
				s += " " + string(r.Requests.AppendNames(nil))
			}
			if r.ReplyRequested {
				s += " reply"
			}
			if r.Precedence >= 0 {
				s += " precedence " + strconv.Itoa(int(r.Precedence))
			}
			add(r.Role.String(), s)
		}
		for k := range m.References {
			add(m.References[k].Relation.String(), string(m.References[k].ID.Text))
		}
		if m.Subject != nil {
			add("subject", strconv.Quote(string(m.Subject)))
		}
		add("expiry", string(m.ExpiryTime.Raw))
		add("reply-by", string(m.ReplyTime.Raw))
		add("importance", ImportanceName(m.Importance))
		add("sensitivity", SensitivityName(m.Sensitivity))
		if m.AutoForwardedPresent {
			add("auto-forwarded", strconv.FormatBool(m.AutoForwarded))
		}
		add("non-receipt", NonReceiptReasonName(m.NonReceiptReason))
		add("discard", DiscardReasonName(m.DiscardReason))
		add("comment", string(m.Comment))
		add("receipt", string(m.ReceiptTime.Raw))
		add("acknowledgment", AcknowledgmentName(m.Acknowledgment))
		add("supplementary", string(m.Supplementary))
		add("eits", string(m.ConversionEITs.Text))
		for k := range m.Extensions {
			x := &m.Extensions[k]
			name := x.Name
			if name == "" {
				name = string(x.OID)
			}
			s := string(x.Value)
			if x.Owner > 0 {
				s = "(" + strconv.Itoa(x.Owner) + ") " + s
			}
			if x.Err != x411.CodeNone {
				s += " ! " + x.Err.String()
			}
			add(x.Scope.String()+" extension "+name, "\""+s+"\"")
		}
		for k := range m.Parts {
			p := &m.Parts[k]
			s := p.Kind + " " + strconv.Itoa(p.Size)
			if p.Extended {
				s += " " + string(p.Type)
			}
			if len(p.Parameters) > 0 {
				s += " {" + string(p.Parameters) + "}"
			}
			if p.IsText {
				s += " " + string(p.Charset) + " " + strconv.Quote(string(p.Text))
			}
			if p.Reason != "" {
				s += " (" + p.Reason + ")"
			}
			if len(p.File.Name) > 0 {
				s += " file " + string(p.File.Name)
			}
			if p.Inner.Present() {
				s += " cms " + string(p.Inner.Type) + " " + string(p.Inner.Content) + " " + string(p.Inner.Signer)
			}
			if p.Nested >= 0 {
				s += " -> " + string(c.Messages[p.Nested].Path)
			}
			if p.Err != x411.CodeNone {
				s += " ! " + p.Err.String()
			}
			add("part "+strconv.Itoa(p.Number), s)
		}
		if m.Inner.Present() {
			add("cms", string(m.Inner.Type)+" "+string(m.Inner.Content)+" "+string(m.Inner.Signer))
		}
		if m.ATS.Source != "" {
			add("ats", m.ATS.Source+" "+string(m.ATS.Priority)+" "+string(m.ATS.FilingTime)+" "+string(m.ATS.OHI))
		}
	}
	return out
}

// TestReal compares with what the MTA that sent the messages was told to send,
// and for those of 1985 with the print that another decoder made of them in 1986.
func TestReal(t *testing.T) {
	const ean, alina = "/C=/ADMD=/PRMD=uk/DDA:=ean/DDA:=ean.vax2.cs.ucl.ac/", "/C=/ADMD=/PRMD=uk/DDA:=alina/DDA:=ean.vax2.cs.ucl.ac/"
	const ann, joe = "</C=XX/ADMD=AMHS/PRMD=TestGamma/O=Gamma Org/S=gil/G=Ann/>", "</C=XX/ADMD=AMHS/PRMD=TestBeta/O=Beta Org/S=joe/>"
	for _, test := range []struct {
		name string
		want []string
	}{
		{"ean/msg1.mpdu.ber", []string{
			"kind: ipm", "id: 420*" + ean, "originator: EAN Slave <" + ean + ">", "primary: <" + alina + "> nrn",
			`subject: "Simple basic message"`,
			`part 1: ia5-text 95 {repertoire=ia5} us-ascii "This message cntains 5 lines of text.\r\nline 1\r\nline 2\r\nline 3\r\nline 4\r\nline 5\r\nend of message\r\n"`,
		}},
		{"ean/msg2.mpdu.ber", []string{
			"kind: ipm", "id: 421*" + ean, "originator: EAN Slave <" + ean + ">", "primary: <" + alina + "> nrn",
			`subject: "forwarded message"`, "auto-forwarded: true",
			`part 1: ia5-text 71 {repertoire=ia5} us-ascii "This message contains 2 lines of text\r\nline 1\r\nline 2\r\nend of message\r\n"`,
		}},
		{"ean/msg3.mpdu.ber", []string{
			"kind: ipm", "id: 120*" + alina, "originator: alina <" + alina + ">", "primary: EAN Slave <" + ean + "> nrn",
			"replied-to: 422*" + ean, `subject: "Reply to a preceeding report"`,
			`part 1: ia5-text 41 {repertoire=ia5} us-ascii "This is a reply line to the report sent\r\n"`,
		}},
		// The octets of an earlier, longer content follow the notification.
		{"ean/msg4.mpdu.ber", []string{
			"kind: receipt-notification", "status: partial octets after the value at 153", "id: 124*" + alina,
			"originator: martina busch </C=/ADMD=/PRMD=dfn/DDA:=busch/DDA:=xps.gmd/>", "subject: 124*" + alina,
			"receipt: 851114161228-0100", "acknowledgment: automatic",
		}},
		// There is no body.
		{"ean/msg5.mpdu.ber", []string{
			"kind: ipm", "status: partial body mandatory field absent at 0", "id: 434*" + ean, "originator: EAN Slave <" + ean + ">",
			"primary: </C=/ADMD=/PRMD=cern/DDA:=steve@priam/> nrn",
			"copy: </C=/ADMD=/PRMD=uk/DDA:=CERN loop test/DDA:=ean.vax2.cs.ucl.ac/> nrn",
			`subject: "Thu Nov 14 23:14:16 GMT 1985"`, "auto-forwarded: true",
		}},
		{"ean/msg6.mpdu.ber", []string{
			"kind: receipt-notification", "status: partial octets after the value at 161", "id: 133*" + alina,
			"originator: Maurizio Lancia </C=/ADMD=/PRMD=osiride/DDA:=lancia/DDA:=iasi.cnr/>", "subject: 133*" + alina,
			"receipt: 851209070738-0800", "acknowledgment: automatic",
		}},
		{"ean/msg7.mpdu.ber", []string{
			"kind: ipm", "id: 172*" + alina, "originator: alina <" + alina + ">", "primary: <" + ean + "> nrn",
			`subject: "testing of the forward statement"`,
			`part 1: ia5-text 204 {repertoire=ia5} us-ascii "Delivery-date: Monday, March 24, 1986 at 13:34 GMT\r\nFrom: guest <guest@ean.vax2.cs.ucl.ac.uk>\r\nTo: <alina@ean.vax2.cs.ucl.ac.uk>\r\nMessage-ID: inbox:41\r\nSubject: forward test\r\n\r\nlines of information.\r\n\r\n\r\n"`,
		}},
		{"p20.01.apdu", []string{
			"kind: ipm", "id: ipm-r1*", "originator: " + ann, "primary: " + joe, `subject: "Relay one"`,
			`part 1: ia5-text 21 {repertoire=ia5} us-ascii "Relayed message one\r\n"`,
		}},
		{"p31.01.apdu", []string{
			"kind: ipm", "id: ipm-84b*", "originator: " + ann, "primary: " + joe, `subject: "Eighty four two"`,
			"part 1: ia5-text 2400 {repertoire=ia5} us-ascii " + strconv.Quote(strings.Repeat("P1 1984 two recipients\r\n", 100)),
		}},
		{"truth/n20-normal-std88-messages-and-probe.resp.03.apdu", []string{
			"kind: ipm", "id: ipm-r3*", "originator: " + ann,
			"primary: </C=XX/ADMD=AMHS/PRMD=TestAlpha/O=Alpha Org/S=nobody/>", `subject: "Non delivery expected"`,
			`part 1: ia5-text 11 {repertoire=ia5} us-ascii "bounce me\r\n"`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			octets, contentType := realContent(t, test.name)
			var c Content
			c.Decode(octets, contentType)
			compare(t, describe(&c), test.want)
		})
	}
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case got[i] != want[i]:
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
