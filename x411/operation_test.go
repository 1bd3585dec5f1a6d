package x411

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// submittedRecipient is PerRecipientMessageSubmissionFields.
func submittedRecipient(surname string, report byte, further ...[]byte) []byte {
	return el(set, slices.Concat([][]byte{orName(surname), num(0x80, 3, report)}, further)...)
}

func submissionEnvelope(further ...[]byte) []byte {
	return el(set, slices.Concat([][]byte{
		orName("Smith"), el(0x65, el(0x80, []byte{5, 0x20})), num(0x46, 22), str(0x4a, "id 7"), num(0x47, 2), num(0x48, 4, 0xe0),
		str(0x80, "960502000000Z"),
		el(0xa1, submittedRecipient("Jones", 0x10, num(0x81, 8), el(0xa2, extn(22, nil, num(10, 1)))), submittedRecipient("Brown", 0x08)),
		el(0xa2, extn(3, nil, num(10, 1))),
	}, further)...)
}

func deliveredFields(further ...[]byte) []byte {
	return el(set, slices.Concat([][]byte{
		num(0x80, 22), orName("Smith"), el(0xa1, el(0x80, []byte{5, 0x20})), num(0x47, 1), num(0x82, 6, 0x40),
		el(0xa3, orName("Brown"), orName("Green")), el(0xa4, standard("Jones")), el(0xa5, standard("Intended")),
		el(0xa6, el(0x80, []byte{4, 0x10})), str(0x87, "960501095900Z"), str(0x88, "id 7"),
		el(0xa9, extn(37, nil, traceInfo()), extn(20, nil, el(set, num(2, 2)))),
	}, further)...)
}

func reportedByDelivery() []byte {
	return el(seq,
		el(set, el(0xa0, standard("Jones")), el(0xa1, el(0xa0, str(0x80, "960501101500Z"), num(0x81, 1))), el(0x65, el(0x80, []byte{5, 0x20}))),
		el(set, el(0xa0, standard("Brown")), el(0xa1, el(0xa1, num(0x80, 1), num(0x81, 0))), el(0xa2, standard("Intended")), str(0x83, "no such user")))
}

type argumentCase struct {
	kind     Kind
	argument []byte
	want     []string
}

func argumentCases(t testing.TB) []argumentCase {
	delivery := el(seq, mtsID("X", "m.1"), str(utc, "960501101500Z"), deliveredFields(), str(octs, "content"))
	return []argumentCase{
		{KindSubmission, el(seq, submissionEnvelope(), str(octs, "content")), []string{
			"originator: /C=GB/ADMD= /PRMD=X/S=Smith/", "content-type: interpersonal-messaging-1988", "content-id: id 7",
			"eits: ia5-text", "priority: urgent", "indicators: disclosure-of-other-recipients,implicit-conversion-prohibited,alternate-recipient-allowed",
			"deferred: 1996-05-02T00:00:00Z", "extension: dl-expansion-prohibited=dl-expansion-prohibited",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Jones/ originator-report ia5-text-to-g3-facsimile proof-of-delivery-request=proof-of-delivery-requested",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Brown/ originator-non-delivery-report", "content: content",
		}},
		{KindProbeSubmission, el(set, orName("Smith"), oid(t, 6, 2, 6, 1, 10, 1), num(0x80, 3, 0xe8), num(0x48, 5, 0x20),
			el(0xa3, submittedRecipient("Jones", 0)), el(0xa2, extn(4, nil, num(10, 1)))), []string{
			"originator: /C=GB/ADMD= /PRMD=X/S=Smith/", "content-type: id-mct-p2-1988", "content-length: 1000",
			"indicators: alternate-recipient-allowed", "extension: conversion-with-loss-prohibited=conversion-with-loss-prohibited",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Jones/",
		}},
		{KindDelivery, delivery, []string{
			"id: [/PRMD=X/ADMD= /C=GB/;m.1]", "originator: /C=GB/ADMD= /PRMD=X/S=Smith/", "content-type: interpersonal-messaging-1988",
			"content-id: id 7", "eits: ia5-text", "converted: g3-facsimile", "priority: non-urgent", "indicators: implicit-conversion-prohibited",
			"submitted: 1996-05-01T09:59:00Z", "delivered: 1996-05-01T10:15:00Z", "trace: /PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed",
			"extension: trace-information=/PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed", "extension: message-security-label=classification=restricted",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Jones/ intended /C=GB/ADMD= /PRMD=X/S=Intended/", "recipient: /C=GB/ADMD= /PRMD=X/S=Brown/ other",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Green/ other", "content: content",
		}},
		{KindReportDelivery, el(set, mtsID("X", "m.1"), str(0x4a, "id 7"), num(0x46, 22), el(0x65, el(0x80, []byte{5, 0x20})),
			el(0xa1, extn(31, nil, orName("List"))), reportedByDelivery(), str(0x80, "returned")), []string{
			"subject: [/PRMD=X/ADMD= /C=GB/;m.1]", "content-type: interpersonal-messaging-1988", "content-id: id 7", "eits: ia5-text",
			"extension: reporting-DL-name=/C=GB/ADMD= /PRMD=X/S=List/",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Jones/ delivery 1996-05-01T10:15:00Z private converted ia5-text",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Brown/ non-delivery unable-to-transfer unrecognised-OR-name intended /C=GB/ADMD= /PRMD=X/S=Intended/ no such user",
			"content: returned",
		}},
		{KindFetch, el(set, el(0xa0, el(seq, num(2, 5), el(set,
			el(seq, oid(t, 6, 2, 6, 4, 3, 1), el(seq, str(octs, "content"))),
			el(seq, oid(t, 6, 2, 6, 4, 3, 18), el(seq, el(seq, mtsID("X", "m.1"), str(utc, "960501101500Z"), deliveredFields()))),
			el(seq, oid(t, 6, 2, 6, 4, 3, 16), el(seq, num(2, 0)))))), el(0xa2, num(2, 6))), []string{
			"id: [/PRMD=X/ADMD= /C=GB/;m.1]", "originator: /C=GB/ADMD= /PRMD=X/S=Smith/", "content-type: interpersonal-messaging-1988",
			"content-id: id 7", "eits: ia5-text", "converted: g3-facsimile", "priority: non-urgent", "indicators: implicit-conversion-prohibited",
			"submitted: 1996-05-01T09:59:00Z", "delivered: 1996-05-01T10:15:00Z", "trace: /PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed",
			"extension: trace-information=/PRMD=X/ADMD= /C=GB/ 1996-05-01T09:59:00Z relayed", "extension: message-security-label=classification=restricted",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Jones/ intended /C=GB/ADMD= /PRMD=X/S=Intended/", "recipient: /C=GB/ADMD= /PRMD=X/S=Brown/ other",
			"recipient: /C=GB/ADMD= /PRMD=X/S=Green/ other", "content: content",
		}},
	}
}

// told lists what an APDU holds.
func told(a *APDU) []string {
	var out []string
	add := func(name string, v []byte) {
		if len(v) > 0 {
			out = append(out, name+": "+string(v))
		}
	}
	add("id", a.ID.Text)
	add("subject", a.SubjectID.Text)
	add("originator", a.Originator.Text)
	add("content-type", a.ContentType.Text)
	add("content-id", a.ContentID)
	if a.ContentLength >= 0 {
		out = append(out, fmt.Sprint("content-length: ", a.ContentLength))
	}
	add("eits", a.OriginalEITs.Text)
	add("converted", a.ConvertedEITs.Text)
	if a.PriorityPresent {
		out = append(out, "priority: "+a.Priority.Name())
	}
	add("indicators", a.Indicators.AppendNames(nil))
	for _, x := range []struct {
		name string
		t    *Time
	}{{"deferred", &a.DeferredDelivery}, {"submitted", &a.SubmissionTime}, {"delivered", &a.DeliveryTime}} {
		if x.t.Present() {
			add(x.name, appendTime(nil, x.t))
		}
	}
	for i := range a.Trace {
		add("trace", a.Trace[i].append(nil))
	}
	extensions := func(list []Extension) (s string) {
		for i := range list {
			s += " " + list[i].Name + "=" + string(list[i].Value)
		}
		return s
	}
	for i := range a.Extensions {
		out = append(out, "extension:"+extensions(a.Extensions[i:i+1]))
	}
	for i := range a.Recipients {
		r := &a.Recipients[i]
		s := "recipient: " + string(r.Name.Text)
		if n := r.Indicators.AppendNames(nil); len(n) > 0 {
			s += " " + string(n)
		}
		if r.ExplicitConversion >= 0 {
			s += " " + r.ExplicitConversion.Name()
		}
		switch r.Outcome {
		case OutcomeDelivered:
			s += " delivery " + string(appendTime(nil, &r.DeliveryTime)) + " " + r.UserType.Name()
		case OutcomeNotDelivered:
			s += " non-delivery " + r.Reason.Name() + " " + r.Diagnostic.Name()
		}
		if r.ConvertedEITs.Present {
			s += " converted " + string(r.ConvertedEITs.Text)
		}
		if r.Intended.Present {
			s += " intended " + string(r.Intended.Text)
		}
		if r.Other {
			s += " other"
		}
		if r.Supplementary != nil {
			s += " " + string(r.Supplementary)
		}
		out = append(out, s+extensions(r.Extensions))
	}
	if a.Content.Present {
		add("content", a.AppendContent(nil))
	}
	return out
}

func TestArguments(t *testing.T) {
	var a APDU
	for _, tt := range argumentCases(t) {
		t.Run(tt.kind.String(), func(t *testing.T) {
			if a.DecodeArgument(tt.kind, tt.argument) != StatusOK || a.Kind != tt.kind || a.UnknownFields != 0 {
				t.Fatalf("%v, %s, unknown %s", a.Status, a.Failure.Error(), a.FirstUnknown)
			}
			if got := told(&a); !slices.Equal(got, tt.want) {
				t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			if a.Content.Present {
				if got := string(a.Content.Encoding.Of(tt.argument)[2:]); got != string(a.Content.Octets) {
					t.Errorf("content stands at %q", got)
				}
			}
		})
	}
}

// An argument that is damaged costs no more than what is damaged.
func TestDamagedArguments(t *testing.T) {
	var a APDU
	for _, tt := range []struct {
		name     string
		kind     Kind
		argument []byte
		status   Status
		code     Code
		path     string
	}{
		{"nothing", KindSubmission, nil, StatusFailed, CodeNotAPDU, "submission"},
		{"another type", KindDelivery, el(set), StatusFailed, CodeNotAPDU, "delivery"},
		{"no content", KindSubmission, el(seq, submissionEnvelope()), StatusPartial, CodeMissing, "submission/content"},
		{"no envelope", KindSubmission, el(seq, str(octs, "x")), StatusFailed, CodeMissing, "submission/envelope"},
		{"bad time", KindDelivery, el(seq, mtsID("X", "1"), str(utc, "x"), deliveredFields(), str(octs, "c")), StatusPartial, CodeBadTime, "delivery/message-delivery-time"},
		{"recipient twice", KindDelivery, el(seq, mtsID("X", "1"), str(utc, "9605010000Z"), deliveredFields(el(0xa4, standard("Two"))), str(octs, "c")),
			StatusPartial, CodeDuplicate, "delivery/other-fields/this-recipient-name"},
		{"octets behind", KindProbeSubmission, append(el(set, orName("Smith"), num(0x46, 2), el(0xa3, submittedRecipient("J", 0))), 5, 0), StatusPartial, CodeTrailing, "probe-submission"},
		{"nothing stored", KindFetch, el(set, el(0xa2, num(2, 6))), StatusFailed, CodeMissing, "fetch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a.DecodeArgument(tt.kind, tt.argument) != tt.status || a.Failure.Code != tt.code || string(a.Failure.Path) != tt.path {
				t.Errorf("%v, %s", a.Status, a.Failure.Error())
			}
		})
	}
}

type parameterCase struct {
	name   string
	decode func(p *Parameter, octets []byte) Status
	octets []byte
	text   string
	id     string
}

func parameterCases(t testing.TB) []parameterCase {
	argument := func(o Operation) func(*Parameter, []byte) Status {
		return func(p *Parameter, b []byte) Status { return p.Argument(o, b) }
	}
	result := func(o Operation) func(*Parameter, []byte) Status {
		return func(p *Parameter, b []byte) Status { return p.Result(o, b) }
	}
	failure := func(code int64) func(*Parameter, []byte) Status {
		return func(p *Parameter, b []byte) Status { return p.Error(code, b) }
	}
	stored := func(typ string, values ...[]byte) []byte {
		var arcs []int
		for _, a := range strings.Split(typ, ".") {
			n, err := strconv.Atoi(a)
			if err != nil {
				t.Fatal(err)
			}
			arcs = append(arcs, n)
		}
		return el(seq, oid(t, 6, arcs...), el(seq, values...))
	}
	controls := el(set, num(0x80, 0xff), num(0x81, 6, 0xc0), num(0x82, 3, 0xe8), num(0x47, 2), el(0xa4, num(0x46, 22), oid(t, 6, 2, 6, 1, 10, 0)),
		el(0x65, el(0x80, []byte{5, 0x20})), el(0xa5, el(set, num(2, 4)), el(set, num(2, 5))), el(0xa6, el(seq, oid(t, 0x83, 1, 2, 3), el(0xa2, num(2, 7)))))
	const controlText = "restrict=true; permissible-operations=probe-submission-or-report-delivery,message-submission-or-message-delivery; " +
		"permissible-maximum-content-length=1000; permissible-lowest-priority=urgent; permissible-content-types=interpersonal-messaging-1988,id-mct-p2-1984; " +
		"permissible-encoded-information-types=ia5-text; permissible-security-context=classification=secret | classification=top-secret; extensions=1.2.3 {7}"
	waiting := el(set, num(0x80, 6, 0x40), num(0x81, 5, 0xa0), el(0xa2, num(0x46, 2)), el(0x65, el(0x80, []byte{5, 0x20})))
	const waitingText = "waiting-operations=message-submission-or-message-delivery; waiting-messages=long-content,other-security-labels; " +
		"waiting-content-types=interpersonal-messaging-1984; waiting-encoded-information-types=ia5-text"
	const id = "[/PRMD=X/ADMD= /C=GB/;m.1]"
	submitted := el(set, mtsID("X", "m.1"), str(0x80, "960501095900Z"), str(0x4a, "id 7"), el(0xa1, extn(35, nil, signature(t))))
	const submittedText = "message-submission-identifier=" + id + "; message-submission-time=1996-05-01T09:59:00Z; content-identifier=id 7; " +
		"extensions=proof-of-submission {algorithm=1.2.840.113549.1.1.4; value='DEADBEEF'H}"
	return []parameterCase{
		{"submission-control", argument(OperationSubmissionControl), controls, controlText, ""},
		{"delivery-control", argument(OperationDeliveryControl), controls, controlText, ""},
		{"cancel-deferred-delivery", argument(OperationCancelDeferredDelivery), mtsID("X", "m.1"), "message-submission-identifier=" + id, id},
		{"register", argument(OperationRegister), el(set, orName("Smith"), el(0xa0, el(0xa0, str(nmr, "1234"))), el(0xa5, num(0x80, 2, 0x40))),
			`user-name=/C=GB/ADMD= /PRMD=X/S=Smith/; user-address={x121-address=1234}; retrieve-registrations={standard-parameters=user-address}`, ""},
		{"change-credentials", argument(OperationChangeCredentials), el(set, el(0xa0, str(ia5, "sesame")), el(0xa1, str(octs, "open"))),
			"old-credentials=simple-ia5-string; new-credentials=simple-octet-string", ""},
		{"summarize", argument(OperationSummarize), el(set, el(0xa0, num(10, 4)), el(0xa1, el(set))), "entry-class=delivery-log; selector={{}}", ""},
		{"list", argument(OperationList), el(set, el(0xa1, el(set)), el(0xa3, el(set, oid(t, 6, 2, 6, 4, 3, 1)))), "selector={{}}; requested-attributes={{2.6.4.3.1}}", ""},
		{"fetch", argument(OperationFetch), el(set, el(0xa2, num(2, 5))), "precise=5", ""},
		{"delete", argument(OperationDelete), el(set, el(0xa2, el(set, num(2, 5), num(2, 6)))), "sequence-numbers={{5, 6}}", ""},
		{"register-MS", argument(OperationRegisterMS), el(set, el(0xa4, el(seq, el(0xa0, str(ia5, "sesame")), el(0xa1, str(ia5, "open")))), el(0xa5, el(set, el(set, num(2, 1)), el(set, num(2, 2))))),
			"change-credentials=present; user-security-labels=classification=unclassified | classification=restricted", ""},
		{"alert", argument(OperationAlert), el(set, el(0xa0, num(2, 1)), el(0xa2, el(seq, num(2, 9)))), "alert-registration-identifier=1; new-entry={{9}}", ""},
		{"modify", argument(OperationModify), el(set, el(0xa2, el(seq, num(2, 9))), el(0xa3, el(seq))), "specific-entries={{9}}; modifications={{}}", ""},

		{"submission-control result", result(OperationSubmissionControl), waiting, waitingText, ""},
		{"delivery-control result", result(OperationDeliveryControl), waiting, waitingText, ""},
		{"submission result", result(OperationMessageSubmission), submitted, submittedText, id},
		{"probe result", result(OperationProbeSubmission), submitted, submittedText, id},
		{"delivery result", result(OperationMessageDelivery), el(set, el(0xa1, signature(t)[2:])), "proof-of-delivery=algorithm=1.2.840.113549.1.1.4; value='DEADBEEF'H", ""},
		{"NULL", result(OperationChangeCredentials), el(5), "", ""},
		{"nothing", result(OperationReportDelivery), nil, "", ""},
		{"register result", result(OperationRegister), el(set, el(0xa0, orName("Smith"))), "registered-information={user-name=/C=GB/ADMD= /PRMD=X/S=Smith/}", ""},
		{"summarize result", result(OperationSummarize), el(set, el(0xa1, num(2, 12))), "count=12", ""},
		{"list result", result(OperationList), el(set, el(0xa1, el(seq, el(seq, num(2, 5))))), "requested={sequence-number=5}", ""},
		{"attributes of X.413", result(OperationList), el(set, el(0xa1, el(seq, el(seq, num(2, 5), el(set,
			stored("2.6.4.3.16", num(2, 1)), stored("2.6.4.3.15", num(2, 2)), stored("2.6.4.3.43", num(10, 2)), stored("2.6.4.3.56", el(5)),
			stored("2.6.4.3.57", el(seq, str(0x1b, "a"), str(0x1b, "b"))), stored("2.6.4.3.58", str(0x1b, "note")), stored("2.6.4.3.49", oid(t, 6, 1, 2, 3)),
			stored("2.6.4.3.42", el(0xa1, el(seq, el(seq, el(0xa0, num(2, 7)), el(0xa1, num(2, 2)))))), stored("2.6.4.3.42", el(0xa0, el(5))),
			stored("2.6.4.3.79", el(set, el(0xa0, num(2, 2)), el(0xa3, num(2, 8)))), stored("2.6.4.3.31", num(0x47, 2), num(0x47, 0)),
			stored("2.6.1.8.0", el(seq))))))),
			"requested={sequence-number=5; entry-type=delivered-report; retrieval-status=processed; ac-report-summary=report-outstanding; marked-for-deletion=; " +
				"message-group-name=a/b; message-notes=note; auto-action-type=1.2.3; ac-correlated-report-list={report-entry=7; position=2}; " +
				"ac-correlated-report-list=no-correlated-reports; signature-verification-status={content-integrity-check=verification-succeeded; " +
				"report-origin-authentication-check=verification-failed}; priority=urgent | normal; 2.6.1.8.0=4 octets}", ""},
		{"fetch result", result(OperationFetch), el(set, el(0xa2, num(2, 6))), "next=6", ""},
		{"delete result", result(OperationDelete), el(set, el(0xa0, el(seq, num(2, 5)))), "entries-deleted={{5}}", ""},
		{"modify result", result(OperationModify), el(set, el(0xa0, el(seq, num(2, 5)))), "entries-modified={{5}}", ""},

		{"security-error", failure(12), num(2, 1), "authentication-problem", ""},
		{"recipient-improperly-specified", failure(3), el(seq, orName("Smith"), orName("Jones")), "/C=GB/ADMD= /PRMD=X/S=Smith/; /C=GB/ADMD= /PRMD=X/S=Jones/", ""},
		{"operation-refused", failure(16), el(set, num(0x81, 10), num(0x82, 1)), "refused-argument=restrict; refusal-reason=facility-not-subscribed", ""},
		{"no parameter", failure(4), el(5), "", ""},
		{"sequence-number-error", failure(28), el(set, el(0xa0, num(2, 5))), "{[0] {5}}", ""},
	}
}

func TestParameters(t *testing.T) {
	var p Parameter
	for _, tt := range parameterCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			if tt.decode(&p, tt.octets) != StatusOK || p.UnknownFields != 0 {
				t.Errorf("%v: %s, unknown %s", p.Status, p.Failure.Error(), p.FirstUnknown)
			}
			if string(p.Text) != tt.text || string(p.ID.Text) != tt.id {
				t.Errorf("identifier %s, text\n got %s\nwant %s", p.ID.Text, p.Text, tt.text)
			}
			for _, secret := range []string{"sesame", "open"} {
				if strings.Contains(string(p.Text), secret) {
					t.Errorf("a password is told: %s", p.Text)
				}
			}
		})
	}
}

func TestOperationNames(t *testing.T) {
	for code, want := range map[int64]string{1: "register", 2: "submission-control", 3: "message-submission", 4: "probe-submission",
		5: "message-delivery", 6: "report-delivery", 7: "cancel-deferred-delivery", 8: "change-credentials", 9: "", 20: "summarize", 26: "modify", 27: "", -1: ""} {
		if got := OperationOf(code, false).String(); got != want {
			t.Errorf("%d: %q, want %q", code, got, want)
		}
	}
	if OperationOf(2, true) != OperationDeliveryControl {
		t.Error("code 2 in the context of delivery is delivery-control")
	}
	if OperationMessageDelivery.ErrorName(1) != "delivery-control-violated" || OperationMessageSubmission.ErrorName(1) != "submission-control-violated" ||
		OperationFetch.ErrorName(28) != "sequence-number-error" || OperationFetch.ErrorName(9) != "" {
		t.Error("names of errors")
	}
	if RejectProblem(1, 1) != "unrecognized-operation" || RejectProblem(3, 9) != "" || RejectProblem(9, 0) != "" {
		t.Error("names of problems")
	}
}

func TestOperationAllocations(t *testing.T) {
	arguments, parameters := argumentCases(t), parameterCases(t)
	var a APDU
	var p Parameter
	run := func() {
		for i := range arguments {
			a.DecodeArgument(arguments[i].kind, arguments[i].argument)
		}
		for i := range parameters {
			parameters[i].decode(&p, parameters[i].octets)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzOperation(f *testing.F) {
	for _, c := range argumentCases(f) {
		f.Add(uint8(c.kind), uint8(0), c.argument)
	}
	for _, c := range parameterCases(f) {
		f.Add(uint8(0), uint8(7), c.octets)
	}
	var a APDU
	var p Parameter
	f.Fuzz(func(t *testing.T, kind, operation uint8, octets []byte) {
		status := a.DecodeArgument(Kind(kind), octets)
		if status != StatusFailed && a.Content.Present && a.Content.Encoding.End > len(octets) {
			t.Fatalf("content at %v of %d octets", a.Content.Encoding, len(octets))
		}
		if status == StatusPartial && a.Failure.Code == CodeNone {
			t.Fatal("partial without a failure")
		}
		o := Operation(operation)
		for range 2 {
			p.Argument(o, octets)
			p.Result(o, octets)
			p.Error(int64(operation), octets)
			if len(p.Text) > DefaultText+8 {
				t.Fatalf("text of %d octets", len(p.Text))
			}
		}
	})
}

func BenchmarkDecodeArgument(b *testing.B) {
	for _, c := range argumentCases(b) {
		b.Run(c.kind.String(), func(b *testing.B) {
			var a APDU
			b.SetBytes(int64(len(c.argument)))
			b.ReportAllocs()
			for b.Loop() {
				a.DecodeArgument(c.kind, c.argument)
			}
		})
	}
}
