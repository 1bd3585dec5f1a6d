package p772

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"x400flow/x411"
)

// el is one element: identifier octet id, and the parts as contents.
func el(id byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{id, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{id, 0x81, byte(n)}, body...)
	default:
		return append([]byte{id, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func str(id byte, s string) []byte { return el(id, []byte(s)) }

func num(id byte, v ...byte) []byte { return el(id, v) }

func oid(t testing.TB, id byte, dotted string) []byte {
	t.Helper()
	var arcs asn1.ObjectIdentifier
	for _, s := range strings.Split(dotted, ".") {
		n := 0
		fmt.Sscan(s, &n)
		arcs = append(arcs, n)
	}
	b, err := asn1.Marshal(arcs)
	if err != nil {
		t.Fatal(err)
	}
	b[0] = id
	return b
}

const (
	seq = 0x30
	set = 0x31
	prn = 0x13
	ia5 = 0x16
	utc = 0x17
)

func orName(surname string) []byte {
	return el(0x60, el(seq, el(0x61, str(prn, "GB")), el(0x62, str(prn, " ")), el(0xa5, str(0x80, surname))))
}

func label(t testing.TB, id byte, classification byte, mark string) []byte {
	return el(id, oid(t, 6, "1.3.26.0.4406.0.5.1"), num(2, classification), str(prn, mark))
}

type fieldCase struct {
	name  string // The field's.
	oid   string
	value []byte
	text  string
	items []Item
	// shark are p772's fields as tshark shows them, in order: name=show of those
	// with a value.
	shark []string
	// how says how the value is handed to tshark.
	how int
}

const (
	inHeading = iota
	inData
	inParameters
)

func one(name, text string, n int64) []Item { return []Item{{name, 0, []byte(text), n}} }

func it(name string, position int, text string, n int64) Item {
	return Item{name, position, []byte(text), n}
}

// cases are all types of STANAG 4406 as wireshark's modules have them, encoded by
// hand.
func cases(t testing.TB) []fieldCase {
	t.Helper()
	const h, b = headingPrefix, bodyPartPrefix
	lists := el(seq,
		el(set, num(0x80, 0), el(0xa1, orName("List"), str(0x80, "All ships"), str(0x81, "+44 1")), num(0x82, 0), num(0x83, 2)),
		el(set, num(0x80, 1), el(0xa1, str(0x80, "Copy list"))))
	listItems := []Item{
		it("type", 1, "primary-address-list", 0), it("list-name", 1, "/C=GB/ADMD= /S=List/", -1),
		it("list-name-free-form", 1, "All ships", -1), it("list-name-telephone", 1, "+44 1", -1),
		it("notification-request", 1, "action", 0), it("reply-request", 1, "both", 2),
		it("type", 2, "copy-address-list", 1), it("list-name-free-form", 2, "Copy list", -1),
	}
	const listText = "type=primary-address-list; list-name=/C=GB/ADMD= /S=List/; list-name-free-form=All ships; " +
		"list-name-telephone=+44 1; notification-request=action; reply-request=both | type=copy-address-list; list-name-free-form=Copy list"
	envelope := el(0xa1, orName("Ann"), num(0x80, 22), num(0x47, 2), el(0xa3, orName("Cat")),
		slices.Concat([]byte{0xa4}, orName("Bob")[1:]), str(0x87, "960501095900Z"), str(0x88, "id 1"))
	parameters := el(set, str(0x80, "960501100000Z"), envelope)
	parameterItems := []Item{
		it("delivery-time", 0, "1996-05-01T10:00:00Z", -1), it("originator-name", 0, "/C=GB/ADMD= /S=Ann/", -1),
		it("content-type", 0, "22", 22), it("priority", 0, "urgent", 2), it("other-recipient-names", 1, "/C=GB/ADMD= /S=Cat/", -1),
		it("this-recipient-name", 0, "/C=GB/ADMD= /S=Bob/", -1), it("message-submission-time", 0, "1996-05-01T09:59:00Z", -1),
		it("content-identifier", 0, "id 1", -1),
	}
	const parameterText = "delivery-time=1996-05-01T10:00:00Z; originator-name=/C=GB/ADMD= /S=Ann/; content-type=22; priority=urgent | " +
		"other-recipient-names=/C=GB/ADMD= /S=Cat/ | this-recipient-name=/C=GB/ADMD= /S=Bob/; " +
		"message-submission-time=1996-05-01T09:59:00Z; content-identifier=id 1"
	return []fieldCase{
		{"primary-precedence", h + "0", num(2, 4), "flash", one("primary-precedence", "flash", 4), []string{"PrimaryPrecedence=4"}, inHeading},
		{"copy-precedence", h + "1", num(2, 1), "routine", one("copy-precedence", "routine", 1), []string{"CopyPrecedence=1"}, inHeading},
		{"copy-precedence", h + "1", num(2, 30), "30", one("copy-precedence", "30", 30), []string{"CopyPrecedence=30"}, inHeading},
		{"message-type", h + "2", el(set, num(0x80, 2), str(0x81, "NORTH STAR")), "type=project; identifier=NORTH STAR",
			[]Item{it("type", 0, "project", 2), it("identifier", 0, "NORTH STAR", -1)},
			[]string{"type=2", "identifier=NORTH STAR"}, inHeading},
		{"address-list-indicator", h + "3", lists, listText, listItems,
			[]string{"AddressListDesignatorSeq=2", "type=0", "notificationRequest=0", "replyRequest=2", "type=1"}, inHeading},
		{"exempted-address", h + "4", el(seq, el(set, orName("Out")), el(set, str(0x80, "Nobody"))),
			"address=/C=GB/ADMD= /S=Out/ | address-free-form=Nobody",
			[]Item{it("address", 1, "/C=GB/ADMD= /S=Out/", -1), it("address-free-form", 2, "Nobody", -1)},
			[]string{"ExemptedAddressSeq=2"}, inHeading},
		{"extended-authorisation-info", h + "5", str(utc, "960501095900Z"), "1996-05-01T09:59:00Z",
			one("extended-authorisation-info", "1996-05-01T09:59:00Z", -1), []string{"ExtendedAuthorisationInfo=96-05-01 09:59:00 (UTC)"}, inHeading},
		{"distribution-codes", h + "6", el(set, el(0xa0, str(prn, "ABC"), str(prn, "NATO1")),
			el(0xa1, el(seq, oid(t, 6, "1.2.3.4"), num(2, 5)))),
			"sic=ABC | sic=NATO1 | dist-extension=1.2.3.4 (5)",
			[]Item{it("sic", 1, "ABC", -1), it("sic", 2, "NATO1", -1), it("dist-extension", 1, "1.2.3.4 (5)", -1)},
			[]string{"sics=2", "Sic=ABC", "Sic=NATO1", "dist_Extensions=1", "dist_type=1.2.3.4"}, inHeading},
		{"handling-instructions", h + "7", el(seq, str(prn, "ROUTE VIA A"), str(prn, "B")), "handling-instruction=ROUTE VIA A | handling-instruction=B",
			[]Item{it("handling-instruction", 1, "ROUTE VIA A", -1), it("handling-instruction", 2, "B", -1)},
			[]string{"HandlingInstructions=2", "MilitaryString=ROUTE VIA A", "MilitaryString=B"}, inHeading},
		{"message-instructions", h + "8", el(seq, str(prn, "ZNR")), "message-instruction=ZNR",
			[]Item{it("message-instruction", 1, "ZNR", -1)}, []string{"MessageInstructions=1", "MilitaryString=ZNR"}, inHeading},
		{"codress-message", h + "9", num(2, 17), "17", one("codress-message", "17", 17), []string{"CodressMessage=17"}, inHeading},
		{"originator-reference", h + "10", str(prn, "OPS 12"), "OPS 12", one("originator-reference", "OPS 12", -1), []string{"OriginatorReference=OPS 12"}, inHeading},
		{"other-recipients-indicator", h + "11", el(seq, el(set, num(0x80, 0), str(0x81, "HMS A")), el(set, num(0x80, 1), str(0x81, "HMS B"))),
			"type=primary; designator=HMS A | type=copy; designator=HMS B",
			[]Item{it("type", 1, "primary", 0), it("designator", 1, "HMS A", -1), it("type", 2, "copy", 1), it("designator", 2, "HMS B", -1)},
			[]string{"OtherRecipientDesignatorSeq=2", "type=0", "designator=HMS A", "type=1", "designator=HMS B"}, inHeading},
		{"pilot-forwarding-info", h + "12", el(seq, el(seq, num(0x80, 3), el(0xa1, el(set, orName("Pilot"))),
			el(0xa3, str(prn, "HANDLE"), str(prn, "WITH CARE")))),
			"pilot-precedence=immediate; pilot-recipient=/C=GB/ADMD= /S=Pilot/; pilot-handling=HANDLE; pilot-handling=WITH CARE",
			[]Item{it("pilot-precedence", 1, "immediate", 3), it("pilot-recipient", 1, "/C=GB/ADMD= /S=Pilot/", -1),
				it("pilot-handling", 1, "HANDLE", -1), it("pilot-handling", 1, "WITH CARE", -1)},
			[]string{"PilotInformationSeq=1", "pilotPrecedence=3", "pilotRecipient=1", "pilotHandling=2", "MilitaryString=HANDLE", "MilitaryString=WITH CARE"}, inHeading},
		{"pilot-forwarding-info", h + "12", el(seq, el(seq, label(t, 0xa2, 3, "PILOT"))),
			"pilot-security=policy=1.3.26.0.4406.0.5.1; classification=confidential; privacy-mark=PILOT",
			[]Item{it("pilot-security", 1, "policy=1.3.26.0.4406.0.5.1; classification=confidential; privacy-mark=PILOT", -1)},
			[]string{"PilotInformationSeq=1"}, inHeading},
		{"acp127-message-identifier", h + "13", str(prn, "RHABC 123 1210930"), "RHABC 123 1210930",
			one("acp127-message-identifier", "RHABC 123 1210930", -1), []string{"Acp127MessageIdentifier=RHABC 123 1210930"}, inHeading},
		{"originator-plad", h + "14", str(prn, "CINCFLEET"), "CINCFLEET", one("originator-plad", "CINCFLEET", -1), []string{"OriginatorPlad=CINCFLEET"}, inHeading},
		{"acp127-notification-request", h + "15", num(3, 5, 0x60), "acp127-pn,acp127-tn", one("acp127-notification-request", "acp127-pn,acp127-tn", 6),
			[]string{"Acp127NotificationType=60", "Acp127NotificationType.acp127.nn=0", "Acp127NotificationType.acp127.pn=1", "Acp127NotificationType.acp127.tn=1"}, inHeading},
		{"acp127-notification-response", h + "16", el(set, num(0x80, 5, 0x80), str(0x81, "960501095900Z"),
			slices.Concat([]byte{0xa2}, lists[1:]), str(0x83, "SHIP"), str(0x84, "NONE")),
			"acp127-notification-type=acp127-nn; receipt-time=1996-05-01T09:59:00Z | " + listText + " | acp127-recipient=SHIP; acp127-supp-info=NONE",
			append(append([]Item{it("acp127-notification-type", 0, "acp127-nn", 1), it("receipt-time", 0, "1996-05-01T09:59:00Z", -1)}, listItems...),
				it("acp127-recipient", 0, "SHIP", -1), it("acp127-supp-info", 0, "NONE", -1)),
			[]string{"acp127_notification_type=80", "Acp127NotificationType.acp127.nn=1", "Acp127NotificationType.acp127.pn=0",
				"Acp127NotificationType.acp127.tn=0", "receipt_time=96-05-01 09:59:00 (UTC)", "addressListIndicator=2", "type=0", "notificationRequest=0",
				"replyRequest=2", "type=1", "acp127_recipient=SHIP", "acp127_supp_info=NONE"}, inHeading},
		{"information-labels", h + "17", el(seq, label(t, 0xa0, 4, "C"), label(t, 0xa1, 1, "H"),
			el(0xa2, el(set, label(t, 0xa0, 5, "B"), num(0x81, 2)))),
			"content-security-label=policy=1.3.26.0.4406.0.5.1; classification=secret; privacy-mark=C; " +
				"heading-security-label=policy=1.3.26.0.4406.0.5.1; classification=unclassified; privacy-mark=H | " +
				"body-part-security-label=policy=1.3.26.0.4406.0.5.1; classification=top-secret; privacy-mark=B; body-part-sequence-number=2",
			[]Item{it("content-security-label", 0, "policy=1.3.26.0.4406.0.5.1; classification=secret; privacy-mark=C", -1),
				it("heading-security-label", 0, "policy=1.3.26.0.4406.0.5.1; classification=unclassified; privacy-mark=H", -1),
				it("body-part-security-label", 1, "policy=1.3.26.0.4406.0.5.1; classification=top-secret; privacy-mark=B", -1),
				it("body-part-sequence-number", 1, "2", 2)},
			[]string{"body_part_security_labels=1", "body_part_sequence_number=2"}, inHeading},
		{"priority-level-qualifier", priorityLevel, num(10, 1), "high", one("priority-level-qualifier", "high", 1), []string{"PriorityLevelQualifier=1"}, inHeading},

		{"adatp3", b + "0", str(0x80, "MSGID/X//\r\n"), "MSGID/X//\r\n", one("line-oriented", "MSGID/X//\r\n", -1),
			[]string{"ADatP3Data=0", "lineOriented=MSGID/X//\n"}, inData},
		{"adatp3", b + "0", el(0xa1, str(ia5, "A"), str(ia5, "B")), "set-oriented=A | set-oriented=B",
			[]Item{it("set-oriented", 1, "A", -1), it("set-oriented", 2, "B", -1)},
			[]string{"ADatP3Data=1", "setOriented=2", "setOriented_item=A", "setOriented_item=B"}, inData},
		{"corrections", b + "1", str(ia5, "FOR A READ B"), "FOR A READ B", one("corrections", "FOR A READ B", -1), []string{"CorrectionsData=FOR A READ B"}, inData},
		{"adatp3-parameters", b + "2", num(2, 3), "3", one("adatp3-parameters", "3", 3), []string{"ADatP3Parameters=3"}, inParameters},
		{"corrections-parameters", b + "3", num(2, 1), "1", one("corrections-parameters", "1", 1), []string{"CorrectionsParameters=1"}, inParameters},
		{"forwarded-encrypted", b + "6", num(3, 0, 0xab, 0xcd), "2 octets", one("forwarded-encrypted", "2 octets", 2), []string{"ForwardedEncryptedData=ab:cd"}, inData},
		{"forwarded-encrypted-parameters", b + "7", parameters, parameterText, parameterItems, []string{"delivery_time=96-05-01 10:00:00 (UTC)"}, inParameters},
		{"mm-message-parameters", b + "10", parameters, parameterText, parameterItems, []string{"delivery_time=96-05-01 10:00:00 (UTC)"}, inParameters},
		{"acp127-data", b + "12", str(ia5, "ZZ"), "ZZ", one("acp127-data", "ZZ", -1), []string{"ACP127DataData=ZZ"}, inData},
		{"acp127-data-parameters", b + "13", num(2, 0), "0", one("acp127-data-parameters", "0", 0), []string{"ACP127DataParameters=0"}, inParameters},
	}
}

func TestDecode(t *testing.T) {
	var d Decoder
	d.Reset()
	var fields []Field
	list := cases(t)
	for _, c := range list {
		f, ok := d.Decode([]byte(c.oid), c.value)
		if !ok {
			t.Fatalf("%s: OID %s is not known", c.name, c.oid)
		}
		fields = append(fields, f)
	}
	// All fields stay valid until Reset.
	for i, c := range list {
		f := &fields[i]
		if f.Name != c.name || f.Failure.Code != x411.CodeNone || f.Unknown != 0 {
			t.Errorf("%s: got %s, failure %v, %d unknown", c.name, f.Name, f.Failure.Error(), f.Unknown)
		}
		if string(f.Text) != c.text {
			t.Errorf("%s: text\n got %s\nwant %s", c.name, f.Text, c.text)
		}
		if !slices.EqualFunc(f.Items, c.items, func(a, b Item) bool {
			return a.Name == b.Name && a.Position == b.Position && a.Number == b.Number && bytes.Equal(a.Text, b.Text)
		}) {
			t.Errorf("%s: items\n got %+v\nwant %+v", c.name, f.Items, c.items)
		}
	}
	for _, other := range []string{"", "1.2.3", headingPrefix, headingPrefix + "18", headingPrefix + "07", bodyPartPrefix + "5", bodyPartPrefix + "100"} {
		if _, ok := d.Decode([]byte(other), num(2, 1)); ok {
			t.Errorf("OID %q is taken for one of STANAG 4406", other)
		}
	}
	if f, ok := d.Decode([]byte(contentP772), []byte{0xa0, 0}); !ok || f.Kind != KindMessage || len(f.Octets) != 2 {
		t.Errorf("forwarded content: %+v, %v", f, ok)
	}
}

func TestDamaged(t *testing.T) {
	for _, c := range []struct {
		name, oid string
		value     []byte
		code      x411.Code
		path      string
		text      string
	}{
		{"no value", "0", nil, x411.CodeMissing, "primary-precedence", ""},
		{"another type", "0", str(prn, "x"), x411.CodeUnexpectedTag, "primary-precedence", ""},
		{"octets behind", "0", []byte{2, 1, 1, 5, 0}, x411.CodeTrailing, "primary-precedence", "routine"},
		{"one bad element", "11", el(seq, el(set, num(0x80), str(0x81, "A")), num(2, 1), el(set, num(0x80, 1))),
			x411.CodeBadNumber, "other-recipients-indicator/0", "designator=A | type=copy"},
		{"bad time", "5", str(utc, "yesterday"), x411.CodeBadTime, "extended-authorisation-info", "yesterday"},
		{"truncated", "6", []byte{0x31, 4, 0xa0, 9, 0x13, 1}, x411.CodeBER + 2, "distribution-codes", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			d.Reset()
			f, ok := d.Decode([]byte(headingPrefix+c.oid), c.value)
			if !ok || f.Failure.Code != c.code || string(f.Failure.Path) != c.path || string(f.Text) != c.text {
				t.Errorf("got failure %v, text %q", f.Failure.Error(), f.Text)
			}
		})
	}
}

func TestBounded(t *testing.T) {
	var d Decoder
	d.Reset()
	long := el(0x82)[:0]
	for range MaxItems + 10 {
		long = append(long, 0x13, 1, 'A')
	}
	f, _ := d.Decode([]byte(headingPrefix+"7"), el(seq, long))
	if len(f.Items) != MaxItems || f.More != 10 || f.Failure.Code != x411.CodeNone {
		t.Errorf("%d items, %d more, %v", len(f.Items), f.More, f.Failure.Error())
	}
	if len(f.Text) > x411.DefaultText+1000 {
		t.Errorf("text of %d octets", len(f.Text))
	}
}

// wrap puts a value where tshark looks for it: into the heading, a body part or a
// notification.
func wrap(t testing.TB, c *fieldCase) []byte {
	identifier := el(0x6b, orName("Ann"), str(prn, "1"))
	type1 := func(dotted string) []byte { return oid(t, 6, dotted) }
	heading, body := el(set, identifier), el(seq)
	switch c.how {
	case inHeading:
		heading = el(set, identifier, el(0xaf, el(seq, type1(c.oid), c.value)))
	case inData:
		body = el(seq, el(0xaf, el(0x28, type1(c.oid), el(0xa0, c.value))))
	case inParameters:
		// What data go with the parameters does not matter to tshark.
		body = el(seq, el(0xaf, el(0xa0, type1(c.oid), el(0xa0, c.value)), el(0x28, type1(bodyPartPrefix+"12"), el(0xa0, str(ia5, "")))))
	}
	return el(0xa0, heading, body)
}

// TestTshark compares the same octets with tshark's reading.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("tshark is not installed, so there is nobody to compare with")
	}
	list := cases(t)
	var capture bytes.Buffer
	header := []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 1 << 16, 147} // DLT_USER0
	binary.Write(&capture, binary.LittleEndian, header)
	for i := range list {
		p := wrap(t, &list[i])
		binary.Write(&capture, binary.LittleEndian, []uint32{uint32(i), 0, uint32(len(p)), uint32(len(p))})
		capture.Write(p)
	}
	file := filepath.Join(t.TempDir(), "p772.pcap")
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-r", file, "-n", "-T", "pdml", "-o", `uat:user_dlts:"User 0 (DLT=147)","p772","0","","0",""`).Output()
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		Name string `xml:"name,attr"`
		Show string `xml:"show,attr"`
		Kids []byte `xml:",innerxml"`
	}
	var packets struct {
		Packets []node `xml:"packet"`
	}
	if err := xml.Unmarshal(out, &packets); err != nil {
		t.Fatal(err)
	}
	if len(packets.Packets) != len(list) {
		t.Fatalf("tshark shows %d packets of %d", len(packets.Packets), len(list))
	}
	for i, p := range packets.Packets {
		var got []string
		dec := xml.NewDecoder(bytes.NewReader(p.Kids))
		for {
			token, err := dec.Token()
			if err != nil {
				break
			}
			start, ok := token.(xml.StartElement)
			if !ok || start.Name.Local != "field" {
				continue
			}
			var name, show string
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "name":
					name = a.Value
				case "show":
					show = a.Value
				}
			}
			if name == "_ws.malformed" {
				t.Errorf("%s: malformed to tshark", list[i].name)
			}
			if rest, ok := strings.CutPrefix(name, "p772."); ok && show != "" &&
				!strings.HasSuffix(rest, "_element") && rest != "InformationObject" {
				got = append(got, rest+"="+show)
			}
		}
		// Of a case of parameters, the data.
		got = slices.DeleteFunc(got, func(s string) bool { return s == "ACP127DataData=" })
		if c := &list[i]; !slices.Equal(got, c.shark) {
			t.Errorf("%s: tshark\n got %q\nwant %q", c.name, got, c.shark)
		}
	}
}

func TestAllocations(t *testing.T) {
	list := cases(t)
	var oids [][]byte
	for i := range list {
		oids = append(oids, []byte(list[i].oid))
	}
	var d Decoder
	if n := testing.AllocsPerRun(50, func() {
		d.Reset()
		for i := range list {
			d.Decode(oids[i], list[i].value)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range cases(f) {
		f.Add([]byte(c.oid), c.value)
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, oid, value []byte) {
		d.Reset()
		first, ok := d.Decode(oid, value)
		if !ok {
			return
		}
		if len(first.Items) > MaxItems {
			t.Fatalf("%d items", len(first.Items))
		}
		text, items := string(first.Text), len(first.Items)
		second, _ := d.Decode(oid, value)
		if string(second.Text) != text || len(second.Items) != items || string(first.Text) != text {
			t.Fatalf("a second reading differs: %q and %q", text, second.Text)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	list := cases(b)
	octets := 0
	var oids [][]byte
	for i := range list {
		octets += len(list[i].value)
		oids = append(oids, []byte(list[i].oid))
	}
	var d Decoder
	b.SetBytes(int64(octets))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset()
		for i := range list {
			d.Decode(oids[i], list[i].value)
		}
	}
}
