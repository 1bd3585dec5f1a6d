package x411

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"x400flow/osi/ber"
)

// external wraps an MTS-APDU as normal mode RTSE does.
func external(apdu []byte) []byte { return el(0x28, num(2, 5), el(0xa0, apdu)) }

// All fields of a message's envelope and recipient that the captures lack.
func TestMessageFields(t *testing.T) {
	bilateral := el(0xa1,
		el(seq, country("GB"), admd("GOLD"), str(octs, "\x01\x02")),
		el(seq, country("GB"), el(seq, el(0xa0, str(prn, "GOLD")), el(0xa1, str(nmr, "42"))), el(seq, num(2, 7))))
	recipient := el(set, orName("Jones"), num(0x80, 2), el(0x81, []byte{0, 0xff}), num(0x82, 8))
	in := el(0xa0, el(set,
		el(0x64, el(0x63, country("GB"), admd("a/b=$c"), str(nmr, "12")), str(ia5, "m.1")), orName("Smith"),
		el(0x65, el(0x80, []byte{6, 0x28, 0x40}), el(0x81, []byte{0, 0, 0xc0}), el(0xa2, str(0x80, "ab"), str(0x82, "\x01")),
			el(0xa4, oid(t, 6, 2, 6, 3, 4, 2), oid(t, 6, 1, 3, 6))),
		oid(t, 6, 2, 6, 3, 3, 1), str(0x4a, "cid"), num(0x47, 2), el(0x48, []byte{0, 0xff}), str(0x80, "9605020000Z"), bilateral,
		el(0x69, el(seq, gdi("X"), el(set, str(0x80, "960501095900Z"), num(0x82, 1), gdi("Z"), str(0x81, "9605011200Z"),
			el(0x65, el(0x80, []byte{5, 0x20})), el(0x83, []byte{6, 0x40})))),
		el(0xa2, recipient)), str(octs, "content"))
	var a APDU
	if a.Decode(in) != StatusOK || a.UnknownFields != 0 {
		t.Fatalf("%s, unknown %s", a.Failure.Error(), a.FirstUnknown)
	}
	compare(t, describe(&a), []string{
		"id: [/PRMD=12/ADMD=a$/b$=$$c/C=GB/;m.1]",
		"originator: /C=GB/ADMD= /PRMD=X/S=Smith/",
		"eits: ia5-text,g4-class-1,mixed-mode,id-eit-ia5-text,1.3.6",
		"content-type: id-cont-inner-envelope",
		"content-id: cid",
		"priority: urgent",
		"indicators: disclosure-of-other-recipients,implicit-conversion-prohibited,alternate-recipient-allowed," +
			"content-return-request,reserved,bit-5,bit-6,service-message",
		"trace: /PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z rerouted attempted-domain=/PRMD=Z/ADMD= /C=GB/ " +
			"deferred=1996-05-01T12:00:00Z converted=ia5-text dl-operation",
		"recipient 2: /C=GB/ADMD= /PRMD=X/S=Jones/ responsibility,originating-MTA-report,originating-MTA-non-delivery-report," +
			"originator-report,originator-non-delivery-report,reserved-5,reserved-6,reserved-7",
	})
	if got := string(a.OriginalEITs.NonBasic); got != `g3-facsimile=two-dimensional,fine-resolution; teletex.graphic-character-sets="ab"; teletex.page-formats='01'H` {
		t.Errorf("non-basic parameters %s", got)
	}
	if a.ContentType.Builtin != -1 || string(a.ContentType.OID) != "2.6.3.3.1" {
		t.Errorf("content type %+v", a.ContentType)
	}
	if got := a.Recipients[0].ExplicitConversion.Name(); got != "ia5-text-to-g3-facsimile" {
		t.Errorf("explicit conversion %s", got)
	}
	if got := a.DeferredDelivery.At.Format("2006-01-02T15:04Z07:00"); got != "1996-05-02T00:00Z" {
		t.Errorf("deferred until %s", got)
	}
	if len(a.Bilateral) != 2 {
		t.Fatalf("%d bilateral", len(a.Bilateral))
	}
	b := a.Bilateral[0]
	if string(b.Domain.Country) != "GB" || string(b.Domain.Text) != "/ADMD=GOLD/C=GB/" || b.Domain.PRMD != nil || string(b.Text) != "'0102'H" {
		t.Errorf("%q %q %q", b.Domain.Text, b.Domain.PRMD, b.Text)
	}
	b = a.Bilateral[1]
	if string(b.Domain.ADMD) != "GOLD" || string(b.Domain.Text) != "/PRMD=42/ADMD=GOLD/C=GB/" || string(b.Text) != "{7}" || string(b.Value) != "\x30\x03\x02\x01\x07" {
		t.Errorf("%q %q %q", b.Domain.Text, b.Text, b.Value)
	}
}

// A report with a delivered and a non-delivered recipient and all optional
// fields.
func report(t testing.TB) []byte {
	delivered := el(set, el(0xa0, standard("Smith")), num(0x81, 1), el(0x82, []byte{0, 0x88}),
		el(0xa3, str(0x80, "9605010959Z"), el(0x65, el(0x80, []byte{5, 0x20})), el(0xa1, el(0xa0, str(0x80, "9605011001Z"), num(0x81, 2)))),
		el(0xa4, standard("Meant")), str(0x85, "Delivered to store"), el(0xa6, extn(27, nil, orName("Forward"))))
	deliveredPublic := el(set, el(0xa0, standard("Public")), num(0x81, 2), el(0x82, []byte{0, 0x88}),
		el(0xa3, str(0x80, "9605010959Z"), el(0xa1, el(0xa0, str(0x80, "9605011001Z")))))
	failed := el(set, el(0xa0, standard("Jones")), num(0x81, 3), el(0x82, []byte{0, 0x88}),
		el(0xa3, str(0x80, "9605010959Z"), el(0xa1, el(0xa1, num(0x80, 5), num(0x81, 33)))))
	noDiagnostic := el(set, el(0xa0, standard("None")), num(0x81, 4), el(0x82, []byte{0, 0x88}),
		el(0xa3, str(0x80, "9605010959Z"), el(0xa1, el(0xa1, num(0x80, 100)))))
	return external(el(0xa1,
		el(set, mtsID("X", "r.1"), orName("Smith"), traceInfo(), el(0xa1, extn(31, nil, orName("List")))),
		el(set, mtsID("X", "m.1"), traceInfo(), el(0x65, el(0x80, []byte{5, 0x20})), num(0x46, 22), str(0x4a, "cid"),
			el(0xa1, str(octs, "returned "), str(octs, "content")), el(0xa2, str(prn, "tariff 7")), el(0xa3, extn(23, nil, str(ia5, "ref"))),
			el(0xa0, delivered, deliveredPublic, failed, noDiagnostic))))
}

func TestReportFields(t *testing.T) {
	var a APDU
	if a.Decode(report(t)) != StatusOK || a.UnknownFields != 0 {
		t.Fatalf("%s, unknown %s", a.Failure.Error(), a.FirstUnknown)
	}
	compare(t, describe(&a), []string{
		"id: [/PRMD=X/ADMD= /C=GB/;r.1]",
		"destination: /C=GB/ADMD= /PRMD=X/S=Smith/",
		"eits: ia5-text",
		"content-type: interpersonal-messaging-1988",
		"content-id: cid",
		"trace: /PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed",
		"extension: reporting-DL-name ",
		"subject: [/PRMD=X/ADMD= /C=GB/;m.1]",
		"intermediate: /PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed",
		"recipient 1: /C=GB/ADMD= /PRMD=X/S=Smith/ responsibility,originator-non-delivery-report",
		"  delivery   arrived 1996-05-01T09:59:00Z",
		"  converted: ia5-text",
		"  supplementary: Delivered to store",
		"recipient 2: /C=GB/ADMD= /PRMD=X/S=Public/ responsibility,originator-non-delivery-report",
		"  delivery   arrived 1996-05-01T09:59:00Z",
		"recipient 3: /C=GB/ADMD= /PRMD=X/S=Jones/ responsibility,originator-non-delivery-report",
		"  non-delivery restricted-delivery undeliverable-mail-physical-delivery-office-incorrect-or-invalid arrived 1996-05-01T09:59:00Z",
		"recipient 4: /C=GB/ADMD= /PRMD=X/S=None/ responsibility,originator-non-delivery-report",
		"  non-delivery   arrived 1996-05-01T09:59:00Z",
	})
	r := &a.Recipients[0]
	if got := r.DeliveryTime.At.Format("15:04"); got != "10:01" || r.UserType.Name() != "ms" || r.Reason != -1 || r.Diagnostic != -1 {
		t.Errorf("delivered at %s to %v, %d/%d", got, r.UserType, r.Reason, r.Diagnostic)
	}
	if string(r.Intended.Text) != "/C=GB/ADMD= /PRMD=X/S=Meant/" || len(r.Extensions) != 1 ||
		string(r.Extensions[0].Value) != "/C=GB/ADMD= /PRMD=X/S=Forward/" {
		t.Errorf("intended %s, extensions %v", r.Intended.Text, r.Extensions)
	}
	if got := a.Recipients[1].UserType.Name(); got != "public" {
		t.Errorf("default user type %q", got)
	}
	if n := a.Recipients[3]; n.Reason != 100 || n.Diagnostic != -1 || n.UserType != -1 {
		t.Errorf("%d %d %d", n.Reason, n.Diagnostic, n.UserType)
	}
	if string(a.AppendContent(nil)) != "returned content" || a.Content.Size != 16 {
		t.Errorf("returned content %q of %d", a.AppendContent(nil), a.Content.Size)
	}
	if string(a.AdditionalText) != `"tariff 7"` || string(a.AdditionalInformation) != "\x13\x08tariff 7" {
		t.Errorf("additional information %q, % x", a.AdditionalText, a.AdditionalInformation)
	}
	if len(a.ContentExtensions) != 1 || string(a.ContentExtensions[0].Value) != "ref" {
		t.Errorf("content extensions %v", a.ContentExtensions)
	}
}

func TestExternalForms(t *testing.T) {
	bare := messageWith(nil, nil)
	tests := []struct {
		name   string
		octets []byte
		status Status
		code   Code
		want   External
	}{
		{"bare", bare, StatusOK, 0, External{ContextID: -1}},
		{"single ASN.1 type", external(bare), StatusOK, 0, External{Present: true, ContextID: 5}},
		{"octet-aligned", el(0x28, num(2, 3), el(0x81, bare)), StatusOK, 0, External{Present: true, ContextID: 3, OctetAligned: true}},
		{"direct reference and descriptor", el(0x28, oid(t, 6, 2, 6, 0, 2, 7), str(7, "P1"), el(0xa0, bare)), StatusOK, 0,
			External{Present: true, ContextID: -1, DirectReference: []byte("2.6.0.2.7")}},
		{"octet-aligned in segments", el(0x28, num(2, 3), el(0xa1, str(octs, string(bare)))), StatusFailed, CodeBadExternal,
			External{Present: true, ContextID: 3, OctetAligned: true}},
		{"arbitrary", el(0x28, num(2, 3), el(0x82, []byte{0}, bare)), StatusFailed, CodeBadExternal, External{Present: true, ContextID: 3}},
		{"empty", el(0x28), StatusFailed, CodeBadExternal, External{Present: true, ContextID: -1}},
		{"two APDUs", el(0x28, num(2, 5), el(0xa0, bare, bare)), StatusPartial, CodeTrailing, External{Present: true, ContextID: 5}},
		{"octets after it", append(external(bare), 0), StatusPartial, CodeTrailing, External{Present: true, ContextID: 5}},
		{"another value", el(0x28, num(2, 5), el(0xa0, num(2, 1))), StatusFailed, CodeNotAPDU, External{Present: true, ContextID: 5}},
		{"another tag", el(0xa3, bare), StatusFailed, CodeNotAPDU, External{ContextID: -1}},
		{"primitive", str(0x80, "x"), StatusFailed, CodeNotAPDU, External{ContextID: -1}},
		{"nothing", nil, StatusFailed, CodeNotAPDU, External{ContextID: -1}},
		{"no envelope", el(0xa0, str(octs, "x")), StatusFailed, CodeMissing, External{ContextID: -1}},
		{"text", []byte("GET / HTTP/1.1\r\n"), StatusFailed, berCode(ber.LengthExceedsParent), External{ContextID: -1}},
	}
	var a APDU
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := a.Decode(tt.octets); got != tt.status || a.Failure.Code != tt.code {
				t.Errorf("%v, %s; want %v, %v", got, a.Failure.Error(), tt.status, tt.code)
			}
			x := a.External
			if x.Present != tt.want.Present || x.ContextID != tt.want.ContextID || x.OctetAligned != tt.want.OctetAligned ||
				string(x.DirectReference) != string(tt.want.DirectReference) {
				t.Errorf("%+v", x)
			}
			if tt.status == StatusOK && string(a.Octets.Of(tt.octets)) != string(bare) {
				t.Errorf("octets %v", a.Octets)
			}
		})
	}
}

// A damaged field costs itself, and is told with path and offset.
func TestDamage(t *testing.T) {
	badTrace := func(s string) []byte {
		return el(0x69, el(seq, gdi("X"), el(set, str(0x80, "960501095900Z"), num(0x82, 0))),
			el(seq, gdi("Y"), el(set, str(0x80, s), num(0x82, 0))))
	}
	base := func(fields ...[]byte) []byte {
		return external(el(0xa0, el(set, slices.Concat(fields...)), str(octs, "content")))
	}
	rcpt := el(0xa2, el(set, orName("Jones"), num(0x80, 1), el(0x81, []byte{3, 0xa8})))
	id, from, ct := mtsID("X", "m.1"), orName("Smith"), num(0x46, 22)
	tests := []struct {
		name   string
		octets []byte
		code   Code
		path   string
		at     string // what stands at the offset
	}{
		{"arrival time", base(id, from, ct, badTrace("yesterday"), rcpt), CodeBadTime,
			"message/envelope/trace-information/1/arrival-time", "\x80\x09yesterday"},
		{"no content type", base(id, from, traceInfo(), rcpt), CodeMissing, "message/envelope/content-type", "\x31"},
		{"no recipients", base(id, from, ct, traceInfo(), el(0xa2)), CodeMissing, "message/envelope/per-recipient-fields", "\xa2\x00"},
		{"identifier twice", base(id, id, from, ct, traceInfo(), rcpt), CodeDuplicate, "message/envelope/message-identifier", "\x64"},
		{"priority without octets", base(id, from, ct, el(0x47), traceInfo(), rcpt), CodeBadNumber, "message/envelope/priority", "\x47\x00"},
		{"indicators without octets", base(id, from, ct, el(0x48), traceInfo(), rcpt), CodeBadBits, "message/envelope/per-message-indicators", "\x48\x00"},
		{"recipient number", base(id, from, ct, traceInfo(), el(0xa2, el(set, orName("Jones"), str(0x80, "123456789"), el(0x81, []byte{3, 0xa8})))),
			CodeBadNumber, "message/envelope/per-recipient-fields/0/originally-specified-recipient-number", "\x80\x09"},
		{"content type OID", base(id, from, el(6, []byte{0x80}), traceInfo(), rcpt), CodeBadOID, "message/envelope/content-type", "\x06\x01\x80"},
		{"extension without type", base(id, from, ct, traceInfo(), rcpt, el(0xa3, el(seq, el(0xa2, num(2, 1))))), CodeMissing,
			"message/envelope/extensions/0/type", "\x30"},
		{"domain of a number", base(el(0x64, el(0x63, el(0x61, num(2, 1)), admd("")), str(ia5, "l")), from, ct, traceInfo(), rcpt), CodeUnexpectedTag,
			"message/envelope/message-identifier/global-domain-identifier/country-name", "\x02\x01\x01"},
		{"length too long inside", base(id, from, ct, traceInfo(), el(0xa3, []byte{0x30, 0x7f, 0x80}), rcpt), berCode(ber.LengthExceedsParent),
			"message/envelope/extensions", "\x30\x7f"},
		{"constructed content of another type", external(el(0xa0, el(set, id, from, ct, traceInfo(), rcpt), el(0x24, num(2, 1)))), CodeBadString,
			"message/content", "\x02\x01\x01"},
		{"no content", external(el(0xa0, el(set, id, from, ct, traceInfo(), rcpt))), CodeMissing, "message/content", "\xa0"},
	}
	var a APDU
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := a.Decode(tt.octets); got != StatusPartial {
				t.Errorf("status %v", got)
			}
			if a.Failure.Code != tt.code || string(a.Failure.Path) != tt.path {
				t.Errorf("%s\nwant %v at %s", a.Failure.Error(), tt.code, tt.path)
			}
			if !strings.HasPrefix(string(tt.octets[a.Failure.Offset:]), tt.at) {
				t.Errorf("offset %d: % x", a.Failure.Offset, tt.octets[a.Failure.Offset:])
			}
			if string(a.Originator.Text) != "/C=GB/ADMD= /PRMD=X/S=Smith/" {
				t.Errorf("originator %s", a.Originator.Text)
			}
		})
	}
}

func TestUnknownFields(t *testing.T) {
	var a APDU
	in := messageWith(nil, nil, str(0x8c, "new"))
	if a.Decode(in) != StatusOK || a.UnknownFields != 1 || string(a.FirstUnknown) != "message/envelope/[12]" {
		t.Errorf("%v, %d unknown, first %s", a.Status, a.UnknownFields, a.FirstUnknown)
	}
}

func TestLimits(t *testing.T) {
	var fields, x [][]byte
	for range 10 {
		fields = append(fields, el(set, orName("Jones"), num(0x80, 1), el(0x81, []byte{3, 0xa8})))
		x = append(x, extn(23, nil, str(ia5, "ref")))
	}
	one := traceInfo()[2:]
	in := el(0xa0, el(set, mtsID("X", "m.1"), orName("Smith"), num(0x46, 22), el(0x69, one, one, one), el(0xa3, x...), el(0xa2, fields...)),
		str(octs, "content"))
	a := APDU{Limits: Limits{Recipients: 3, Trace: 2, Extensions: 4, Text: 2}}
	a.Decode(in)
	if len(a.Recipients) != 3 || a.MoreRecipients != 7 || len(a.Trace) != 2 || a.MoreTrace != 1 ||
		len(a.Extensions) != 4 || a.MoreExtensions != 6 {
		t.Errorf("%d+%d recipients, %d+%d trace, %d+%d extensions", len(a.Recipients), a.MoreRecipients,
			len(a.Trace), a.MoreTrace, len(a.Extensions), a.MoreExtensions)
	}
	if string(a.Extensions[0].Value) != "re" || a.Failure.Code != CodeTooLong {
		t.Errorf("%q, %v", a.Extensions[0].Value, a.Failure.Code)
	}
	a.Limits = Limits{Depth: 3}
	if a.Decode(in); a.Failure.Code != berCode(ber.TooDeep) {
		t.Errorf("%s", a.Failure.Error())
	}
	// What a large APDU needed is let go of.
	a.Limits = Limits{Arena: 1024}
	a.Decode(in)
	a.Decode(in[:2])
	if cap(a.d.arena) > 1024 || cap(a.Recipients) > 1 {
		t.Errorf("%d octets and %d recipients kept", cap(a.d.arena), cap(a.Recipients))
	}
}

// One object gives what a fresh one gives, whatever it decoded before.
func TestReuse(t *testing.T) {
	inputs := [][]byte{everything(t), report(t), messageWith(nil, nil), nil, joined(t)}
	var a APDU
	for i := range inputs {
		for j := range inputs {
			a.Decode(inputs[i])
			a.Decode(inputs[j])
			var fresh APDU
			fresh.Decode(inputs[j])
			compare(t, describe(&a), describe(&fresh))
			if a.Status != fresh.Status || a.Failure.Code != fresh.Failure.Code || a.Content.Size != fresh.Content.Size ||
				len(a.Extensions) != len(fresh.Extensions) || a.PriorityPresent != fresh.PriorityPresent {
				t.Errorf("%d after %d differs", j, i)
			}
		}
	}
}

// texts counts the octets of names that Decode makes of an input.
func texts(a *APDU) int {
	n := len(a.ID.Text) + len(a.Originator.Text) + len(a.Originator.Key)
	for i := range a.Recipients {
		n += len(a.Recipients[i].Name.Text)
	}
	return n
}

// ownInternalTrace returns the octets that the internal trace of an envelope was read of,
// nil where they are not all of it or there may be others.
func ownInternalTrace(a *APDU) (own []byte) {
	for i := range a.Extensions {
		if x := &a.Extensions[i]; x.Number == extensionInternalTrace {
			if own != nil || x.Err != CodeNone || len(x.Raw) == 0 || x.Raw[0] != seq {
				return nil
			}
			own = x.Raw
		}
	}
	return own
}

func FuzzAPDU(f *testing.F) {
	for _, name := range realNames(f) {
		if in := realOctets(f, name); len(in) < 4096 {
			f.Add(in)
		}
	}
	f.Add(everything(f))
	f.Add(report(f))
	var a, again APDU
	f.Fuzz(func(t *testing.T, in []byte) {
		status := a.Decode(in)
		if (status == StatusOK) != (a.Failure.Code == CodeNone) {
			t.Errorf("status %v with %v", status, a.Failure.Code)
		}
		if status != StatusFailed && a.Kind == KindNone {
			t.Error("no kind")
		}
		if a.Failure.Offset < 0 || a.Failure.Offset > len(in) {
			t.Errorf("offset %d of %d", a.Failure.Offset, len(in))
		}
		for _, r := range []Range{a.Octets, a.Envelope, a.Content.Encoding, a.Content.Contents, a.Originator.Octets} {
			if r.Start < 0 || r.End < r.Start || r.End > len(in) {
				t.Errorf("range %v of %d", r, len(in))
			}
		}
		if got := len(a.AppendContent(nil)); status == StatusOK && got != a.Content.Size {
			t.Errorf("content of %d octets, told %d", got, a.Content.Size)
		}
		for _, s := range [][]byte{a.ID.Text, a.Originator.Text, a.Destination.Text, a.ContentID, a.ContentType.Text, a.AdditionalText, a.Failure.Path} {
			if !utf8.Valid(s) {
				t.Errorf("no UTF-8: %q", s)
			}
		}
		for i := range a.Extensions {
			if x := &a.Extensions[i]; !utf8.Valid(x.Value) || len(x.Value) > DefaultText {
				t.Errorf("extension %d: %q", x.Number, x.Value)
			}
		}
		if own := ownInternalTrace(&a); own != nil {
			// It was read for the extension's text: reading it for itself gives the same.
			again.reset()
			c := again.d.start(own, &again.Limits)
			var e ber.Element
			c.Next(&e)
			if again.InternalTrace = again.trace(&c, &e, again.InternalTrace); again.d.failures == 0 {
				for i := range a.InternalTrace {
					a.InternalTrace[i].Octets = Range{}
				}
				for i := range again.InternalTrace {
					again.InternalTrace[i].Octets = Range{}
				}
				if !reflect.DeepEqual(again.InternalTrace, a.InternalTrace) {
					t.Errorf("internal trace %+v, want %+v", a.InternalTrace, again.InternalTrace)
				}
			}
		}
		if texts(&a) > 64*len(in)+4096 {
			t.Errorf("%d octets of text from %d", texts(&a), len(in))
		}
		// A message in an EXTERNAL is the message.
		if status == StatusOK && !a.External.Present && len(in) < 60000 {
			if again.Decode(external(in)) != StatusOK {
				t.Fatalf("in an EXTERNAL: %s", again.Failure.Error())
			}
			compare(t, describe(&again), describe(&a))
		}
	})
}

// recipientAlike reads each constructed element in octets as a recipient, with its plain ones
// read in one go and without, and compares what comes of it.
func recipientAlike(t *testing.T, octets []byte, depth, spent int) {
	t.Helper()
	general := *recipientFields
	eachElement(octets, func(octets []byte) {
		var decoders [2]decoder
		var recipients [2]Recipient
		var left [2]int
		for i, fields := range []*Fields{recipientFields, &general} {
			d := &decoders[i]
			c := d.start(octets, &Limits{Depth: depth})
			var e ber.Element
			if !c.Next(&e) {
				return
			}
			c.Spend(spent)
			a := APDU{d: d}
			a.recipient(&c, &e, &recipients[i], fields)
			_, left[i] = c.Left(&e)
		}
		plain, any := &decoders[0], &decoders[1]
		if !reflect.DeepEqual(recipients[0], recipients[1]) {
			t.Errorf("%x:\nplain %+v\nany   %+v", octets, recipients[0], recipients[1])
		}
		if plain.failure.Error() != any.failure.Error() || plain.failures != any.failures || plain.unknown != any.unknown || plain.depth != any.depth {
			t.Errorf("%x: failure %s, want %s", octets, plain.failure.Error(), any.failure.Error())
		}
		if max(0, left[0]) != max(0, left[1]) {
			t.Errorf("%x: %d elements may follow, not %d", octets, left[0], left[1])
		}
	})
}

// Recipients that are read as plain ones are as they are otherwise.
func TestPlainRecipient(t *testing.T) {
	whole := el(set, orName("Jones"), el(0x80, []byte{1}), el(0x81, []byte{3, 0xa8}))
	for _, octets := range [][]byte{whole, coding{indefinite: true}.encode(parse(t, whole))} {
		for i := range octets {
			for _, v := range []byte{0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, octets[i] ^ 0x20, octets[i] + 1, octets[i] - 1} {
				changed := slices.Clone(octets)
				changed[i] = v
				recipientAlike(t, changed, 0, 0)
			}
		}
		for left := range 30 {
			recipientAlike(t, octets, 0, ber.DefaultMinElements+8*len(octets)-1-left)
		}
	}
	for _, file := range realNames(t) {
		recipientAlike(t, realOctets(t, file), 0, 0)
	}
}

func FuzzPlainRecipient(f *testing.F) {
	f.Add(el(set, orName("Jones"), el(0x80, []byte{1}), el(0x81, []byte{3, 0xa8})), byte(0), uint16(0))
	f.Add(el(set, orName("Jones"), el(0x80, []byte{1}), el(0x81, []byte{3, 0xa8}), el(0xa3, extn(5, nil, num(10, 1)))), byte(0), uint16(0))
	f.Fuzz(func(t *testing.T, octets []byte, depth byte, spent uint16) {
		recipientAlike(t, octets, int(depth), int(spent))
	})
}
