package oracle

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"x400flow/bench/ledger"
)

// TestArchiveEqualsLedger archives generated traffic and compares it with the
// generator's ledger: associations, MTS-APDUs with every field, transfers that
// never became messages.
func TestArchiveEqualsLedger(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
	}{
		{"undisturbed", []string{"-n", "150", "-seed", "1"}},
		{"office", []string{"-n", "60", "-seed", "2", "-corpus", "office"}},
		{"lossy", []string{"-n", "200", "-seed", "3", "-set", "LossRate=0.01"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			capture, name, _ := generate(t, test.args...)
			file, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			l, err := ledger.ReadAll(file)
			if err != nil {
				t.Fatal(err)
			}
			a := newArchive(t)
			a.ingest(t, capture)
			compareLedger(t, a, l)
		})
	}
}

// key names a sighting: the digest of the APDU and where its first octet stood.
func key(sha256 string, seq uint32) string {
	return strings.ToLower(sha256) + " " + strconv.FormatUint(uint64(seq), 10)
}

func compareLedger(t *testing.T, a archive, l *ledger.Ledger) {
	t.Helper()
	all := a.allAPDUs(t)
	extensions := map[string]facts{}
	for _, r := range a.query(t, `SELECT apdu, scope, owner, position, number, oid, critical_for_submission, critical_for_transfer, critical_for_delivery, lower(hex(raw)) AS raw FROM extensions WHERE scope != 'trace'`) {
		if extensions[r["apdu"]] == nil {
			extensions[r["apdu"]] = facts{}
		}
		place := r["scope"]
		if r["owner"] != "0" {
			place = "recipient[" + r["owner"] + "]"
		} else if place == "probe" || place == "report" {
			place = "message"
		}
		criticality := ""
		for _, c := range []string{"submission", "transfer", "delivery"} {
			if r["critical_for_"+c] == "1" {
				criticality += " for-" + c
			}
		}
		number := r["number"]
		if r["oid"] != "" {
			number = r["oid"]
		}
		extensions[r["apdu"]][fmt.Sprintf("%s.extension[%s]", place, r["position"])] = number + criticality + " " + r["raw"]
	}
	got := map[string]facts{}
	for _, r := range a.query(t, "SELECT apdu, apdu_sha256, tcp_sequence FROM messages") {
		seq, err := strconv.ParseUint(r["tcp_sequence"], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		f := all[r["apdu"]]
		for k, v := range extensions[r["apdu"]] {
			f[k] = v
		}
		got[key(r["apdu_sha256"], uint32(seq))] = ledgerView(f)
	}
	whole := 0
	shown := 0
	for i := range l.Sightings {
		s := &l.Sightings[i]
		k := key(s.SHA256, s.Seq)
		g, ok := got[k]
		delete(got, k)
		if !s.Whole {
			if ok {
				t.Errorf("%s %s was not whole and is a message", s.Kind, s.Identifier.Text)
			}
			continue
		}
		whole++
		if !ok {
			if shown++; shown < 20 {
				t.Errorf("%s %s (%s, association %d) is missing", s.Kind, s.Identifier.Text, s.Transfer, s.Association)
			}
			continue
		}
		want := ledgerFacts(s)
		for _, field := range diff(g, want) {
			if shown++; shown < 60 {
				t.Errorf("%s %s: %s is %q, the ledger has %q", s.Kind, s.Identifier.Text, field, g[field], want[field])
			}
		}
	}
	for k, f := range got {
		t.Errorf("a message that the ledger has not: %s %s", k, f["mts_id"])
	}
	if whole < 50 {
		t.Errorf("only %d sightings are whole", whole)
	}
	if shown > 0 {
		t.Logf("%d differences in %d sightings", shown, whole)
	}

	type ends struct{ client, server string }
	connections := map[ends][]row{}
	for _, r := range a.query(t, "SELECT * FROM associations ORDER BY first_seen") {
		e := ends{net.JoinHostPort(r["client_address"], r["client_port"]), net.JoinHostPort(r["server_address"], r["server_port"])}
		connections[e] = append(connections[e], r)
	}
	for _, as := range l.Associations {
		e := ends{as.Client.String(), as.Server.String()}
		list := connections[e]
		if len(list) == 0 {
			if as.PacketsClient+as.PacketsServer > 0 {
				t.Errorf("association %d, %v, is missing", as.ID, e)
			}
			continue
		}
		r := list[0]
		connections[e] = list[1:]
		if !as.ConnectSeen || !as.AcceptSeen {
			continue
		}
		want := facts{}
		want.set("class", map[string]string{
			ledger.ClassX400: "x400", ledger.ClassS7: "s7comm", ledger.ClassMMS: "mms",
			ledger.ClassEncrypted: "encrypted", ledger.ClassGarbage: "unknown",
		}[as.Class])
		if as.Class == ledger.ClassX400 {
			want.set("mode", map[string]string{ledger.ModeNormal: "normal", ledger.ModeX410: "x410-1984"}[as.Mode])
			want.set("application_context", as.ApplicationContext)
			if as.Mode == ledger.ModeX410 {
				want.set("application_context", strconv.Itoa(as.ApplicationNumber))
			}
			want.set("initiator_mta", as.InitiatorMTA)
			want.set("responder_mta", as.ResponderMTA)
			want.set("bind_outcome", map[string]string{"accepted": "accepted", "refused": "rejected"}[as.Bind])
			if as.Recover {
				want.set("recover", "1")
			}
		}
		g := facts{}
		for _, column := range []string{"class", "mode", "application_context", "initiator_mta", "responder_mta", "bind_outcome", "recover"} {
			if column == "class" || as.Class == ledger.ClassX400 {
				g.set(column, r[column])
			}
		}
		for _, field := range diff(g, want) {
			if field == "bind_outcome" && want[field] == "" {
				continue // A recovering association's answer is no bind's.
			}
			t.Errorf("association %d, %v: %s is %q, the ledger has %q", as.ID, e, field, g[field], want[field])
		}
	}
}

// ledgerView leaves out what the ledger does not tell: names beside codes, raw
// forms, bits beside flags, what comes from the association.
func ledgerView(f facts) facts {
	out := facts{}
	for k, v := range f {
		column := k[strings.LastIndexByte(k, '.')+1:]
		switch column {
		case "arrival_time_raw", "indicator_bits", "indicators_present", "reason", "diagnostic", "mts_user_type",
			"explicit_conversion", "sending_mta", "receiving_mta", "mode", "protocol", "originator_dda", "dda",
			"attempted_country", "attempted_admd", "attempted_prmd", "origin_time", "last_trace_time":
			continue
		}
		if strings.Contains(k, "trace[") && (column == "country" || column == "admd" || column == "prmd") {
			continue
		}
		out[k] = v
	}
	return out
}

// ledgerFacts turns a ledger's entry into facts.
func ledgerFacts(s *ledger.Sighting) facts {
	f := facts{}
	f.set("kind", s.Kind)
	setID := func(field, columns string, id *ledger.MTSIdentifier) {
		if id == nil {
			return
		}
		f.set(field, id.Text)
		f.set(columns+"country", id.C)
		f.set(columns+"admd", id.ADMD)
		if id.PRMD != nil {
			f.set(columns+"prmd", *id.PRMD)
		}
		f.set(columns+"local", id.Local)
	}
	columns := map[string]string{
		"C": "country", "ADMD": "admd", "PRMD": "prmd", "X121": "x121", "T-ID": "terminal_id", "O": "organization",
		"OU1": "ou1", "OU2": "ou2", "OU3": "ou3", "OU4": "ou4", "CN": "common_name", "S": "surname", "G": "given_name",
		"I": "initials", "GQ": "generation", "N-ID": "numeric_id",
	}
	setName := func(field, prefix string, name *ledger.Address) {
		if name == nil {
			return
		}
		f.set(field, name.Text)
		if prefix == "-" {
			return
		}
		for _, at := range name.Attributes {
			if c := columns[at.Type]; c != "" {
				f.set(prefix+c, at.Value)
			}
		}
	}
	setTime := func(field string, t *time.Time) {
		if t != nil {
			f.set(field, t.UTC().Format(time.DateTime))
		}
	}
	setTrace := func(name string, list []ledger.TraceElement) {
		for i, e := range list {
			p := fmt.Sprintf("%s[%d].", name, i+1)
			f.set(p+"domain", e.Domain)
			f.set(p+"mta_name", e.MTA)
			setTime(p+"arrival_time", &e.Arrival)
			f.set(p+"routing_action", []string{"relayed", "rerouted"}[e.Action])
			f.set(p+"attempted_domain", e.Attempted)
			f.set(p+"attempted_mta", e.AttemptedMTA)
			setTime(p+"deferred_time", e.Deferred)
			f.set(p+"converted_eits", strings.Join(e.Converted, ","))
			f.set(p+"other_actions", strings.Join(e.OtherActions, ","))
		}
	}
	setExtensions := func(place string, list []ledger.Extension) {
		for i, e := range list {
			number := e.OID
			if number == "" {
				number = strconv.Itoa(e.Number)
			}
			value := e.Value
			if _, err := hex.DecodeString(value); err != nil {
				value = "unreadable in the ledger"
			}
			criticality := ""
			for _, c := range e.Criticality {
				criticality += " " + c
			}
			f[fmt.Sprintf("%s.extension[%d]", place, i+1)] = number + criticality + " " + strings.ToLower(value)
		}
	}
	setID("mts_id", "mts_id_", &s.Identifier)
	setName("originator", "originator_", s.Originator)
	if e := s.EncodedInformationTypes; e != nil {
		names := slices.Clone(e.BuiltIn)
		for _, oid := range e.Extended {
			names = append(names, eitName(oid))
		}
		f.set("eits", strings.Join(names, ","))
	}
	if c := s.ContentType; c != nil {
		if c.OID != "" {
			f.set("content_type_oid", c.OID)
		} else {
			f.set("content_type_number", strconv.Itoa(c.BuiltIn))
		}
	}
	if s.ContentIdentifier != nil {
		f.set("content_identifier", *s.ContentIdentifier)
	}
	if s.Kind == ledger.KindMessage {
		f.set("priority", "normal")
	}
	if s.Priority != nil {
		f.set("priority", []string{"normal", "non-urgent", "urgent"}[*s.Priority])
		f.set("priority_present", "1")
	}
	for _, name := range s.Indicators {
		f.set(strings.ReplaceAll(name, "-", "_"), "1")
	}
	setTime("deferred_delivery", s.DeferredDelivery)
	if s.ContentLength != nil {
		f.set("content_size", strconv.Itoa(*s.ContentLength))
	}
	if s.ContentSHA256 != "" {
		f.set("content_size", strconv.Itoa(s.ContentSize))
		f.set("content_sha256", s.ContentSHA256)
	}
	setTrace("trace", s.Trace)
	setTrace("internal_trace", s.InternalTrace)
	setTrace("subject_trace", s.SubjectTrace)
	f.set("trace_count", number(uint32(len(s.Trace))))
	f.set("internal_trace_count", number(uint32(len(s.InternalTrace))))
	f.set("recipient_count", number(uint32(len(s.Recipients))))
	setExtensions("message", s.Extensions)
	setExtensions("report-content", s.ContentExtensions)
	setName("report_destination", "-", s.Destination)
	setID("subject_mts_id", "subject_", s.SubjectID)
	for i := range s.Recipients {
		r := &s.Recipients[i]
		p := fmt.Sprintf("recipient[%d].", i+1)
		f.set(p+"number", strconv.Itoa(r.Number))
		setName(p+"recipient", p, &r.Name)
		if r.Responsibility {
			f.set(p+"responsibility", "1")
		}
		// X.411 12.2.1.1.1.6: both bits ask for an audited report.
		if r.OriginatingMTA == "report" || r.OriginatingMTA == "audited-report" {
			f.set(p+"originating_mta_report", "1")
		}
		if r.OriginatingMTA == "non-delivery-report" || r.OriginatingMTA == "audited-report" {
			f.set(p+"originating_mta_non_delivery_report", "1")
		}
		if r.OriginatorReport == "report" {
			f.set(p+"originator_report", "1")
		}
		if r.OriginatorReport == "non-delivery-report" {
			f.set(p+"originator_non_delivery_report", "1")
		}
		setExtensions(strings.TrimSuffix(p, "."), r.Extensions)
		f.set(p+"outcome", r.Outcome)
		setTime(p+"arrival_time", r.Arrival)
		f.set(p+"converted_eits", strings.Join(r.Converted, ","))
		setTime(p+"delivery_time", r.Delivered)
		if r.Reason != nil {
			f.set(p+"reason_code", strconv.Itoa(*r.Reason))
		}
		if r.Diagnostic != nil {
			f.set(p+"diagnostic_code", strconv.Itoa(*r.Diagnostic))
		}
		setName(p+"intended_recipient", "-", r.Intended)
		if r.Supplementary != nil {
			f.set(p+"supplementary_information", *r.Supplementary)
		}
	}
	return f
}
