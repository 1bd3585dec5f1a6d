package oracle

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// facts says what is in an MTS-APDU or on a connection: a value for each field,
// such as "recipient[1].surname". A field that is absent, or empty, is not in
// it.
type facts map[string]string

func (f facts) set(field, value string) {
	if value != "" {
		f[field] = value
	}
}

// String lists the facts in order, one a line.
func (f facts) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(&b, "%s = %s\n", k, f[k])
	}
	return b.String()
}

// diff lists the fields in which got and want differ.
func diff(got, want facts) []string {
	var out []string
	for k, w := range want {
		if got[k] != w {
			out = append(out, k)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// element returns the alternative of a choice that tshark decoded.
func (n *node) choice(names ...string) *node {
	for _, name := range names {
		if k := n.kid(name); k != nil {
			return k
		}
	}
	return nil
}

// attribute is one attribute of an OR-address: its label in the text, the
// column's name, and its value.
type attribute struct{ label, column, value string }

// orName reads an ORName as tshark decoded it.
func orName(n *node) []attribute {
	var out []attribute
	add := func(label, column string, v *node) {
		if v != nil {
			out = append(out, attribute{label, column, v.text()})
		}
	}
	s := n.kid("p1.built_in_standard_attributes_element")
	add("C", "country", s.kid("p1.country_name").choice("p1.iso_3166_alpha2_code", "p1.x121_dcc_code"))
	add("ADMD", "admd", s.kid("p1.administration_domain_name").choice("p1.printable", "p1.numeric"))
	add("PRMD", "prmd", s.kid("p1.private_domain_name").choice("p1.printable", "p1.numeric"))
	add("X121", "x121", s.kid("p1.network_address"))
	add("T-ID", "terminal_id", s.kid("p1.terminal_identifier"))
	add("O", "organization", s.kid("p1.organization_name"))
	if units := s.kid("p1.organizational_unit_names"); units != nil {
		for i := range units.Kids {
			if units.Kids[i].Name == "p1.OrganizationalUnitName" {
				n := strconv.Itoa(count(out, "OU") + 1)
				add("OU"+n, "ou"+n, &units.Kids[i])
			}
		}
	}
	if ext := n.kid("p1.extension_attributes"); ext != nil {
		ext.all(func(m *node) {
			switch m.Name {
			case "p1.CommonName":
				add("CN", "common_name", m)
			case "p1.TeletexCommonName", "p1.UniversalCommonName", "p1.PDSName", "p1.PostalCode":
				out = append(out, attribute{m.Name, "", m.text()})
			}
		})
	}
	pn := s.kid("p1.personal_name_element")
	add("S", "surname", pn.kid("p1.surname"))
	add("G", "given_name", pn.kid("p1.given_name"))
	add("I", "initials", pn.kid("p1.initials"))
	add("GQ", "generation", pn.kid("p1.generation_qualifier"))
	add("N-ID", "numeric_id", s.kid("p1.numeric_user_identifier"))
	if dda := n.kid("p1.built_in_domain_defined_attributes"); dda != nil {
		for i := range dda.Kids {
			d := &dda.Kids[i]
			if d.Name == "p1.BuiltInDomainDefinedAttribute_element" {
				typ := strings.ReplaceAll(escape(d.choice("p1.printable.type", "p1.type").text()), "=", `\=`)
				out = append(out, attribute{"DDA:" + typ, "", d.choice("p1.printable.value", "p1.value").text()})
			}
		}
	}
	return out
}

func count(attributes []attribute, prefix string) (n int) {
	for _, a := range attributes {
		if strings.HasPrefix(a.label, prefix) {
			n++
		}
	}
	return n
}

// escape writes "/" and "\" as the text form of an OR-address does.
func escape(s string) string { return strings.NewReplacer(`\`, `\\`, "/", `\/`).Replace(s) }

// setName sets the text of an OR-name and its attributes.
func (f facts) setName(field string, n *node, columns string) {
	if n == nil {
		return
	}
	text := "/"
	var dda []string
	for _, a := range orName(n) {
		text += a.label + "=" + escape(a.value) + "/"
		if t, ok := strings.CutPrefix(a.label, "DDA:"); ok {
			dda = append(dda, t+"="+escape(a.value))
		} else if a.column != "" && columns != "" {
			f.set(columns+a.column, a.value)
		}
	}
	if text != "/" {
		f.set(field, text)
	}
	if columns != "" {
		f.set(columns+"dda", strings.Join(dda, "/"))
	}
}

// domain returns a global domain identifier as RFC 2156 writes it, and its
// parts.
func domain(n *node) (text, country, admd, prmd string) {
	if n == nil {
		return "", "", "", ""
	}
	text = "/"
	if p := n.kid("p1.private_domain_identifier").choice("p1.printable", "p1.numeric"); p != nil {
		prmd = p.text()
		text += "PRMD=" + escape(prmd) + "/"
	}
	admd = n.kid("p1.administration_domain_name").choice("p1.printable", "p1.numeric").text()
	country = n.kid("p1.country_name").choice("p1.iso_3166_alpha2_code", "p1.x121_dcc_code").text()
	return text + "ADMD=" + escape(admd) + "/C=" + escape(country) + "/", country, admd, prmd
}

func (f facts) setDomain(field, columns string, n *node) {
	text, country, admd, prmd := domain(n)
	f.set(field, text)
	f.set(columns+"country", country)
	f.set(columns+"admd", admd)
	f.set(columns+"prmd", prmd)
}

// setID sets an MTS identifier: text and parts.
func (f facts) setID(field, columns string, n *node) {
	if n == nil {
		return
	}
	text, country, admd, prmd := domain(n.kid("p1.global_domain_identifier_element"))
	local := n.kid("p1.local_identifier").text()
	f.set(field, "["+text+";"+local+"]")
	f.set(columns+"country", country)
	f.set(columns+"admd", admd)
	f.set(columns+"prmd", prmd)
	f.set(columns+"local", local)
}

// setTime sets a UTCTime, from its octets, as the archive shows it.
func (f facts) setTime(field string, n *node) {
	if n == nil {
		return
	}
	for _, layout := range []string{"060102150405Z", "0601021504Z", "060102150405-0700", "0601021504-0700"} {
		if t, err := time.Parse(layout, n.text()); err == nil {
			f.set(field, t.UTC().Format(time.DateTime))
			return
		}
	}
	f.set(field, "unreadable "+n.text())
}

// bits returns a bit string's set bits as the archive's columns have them: bit
// n of the number is bit n of the string.
func bits(n *node) (v uint32) {
	for i, b := range n.octets() {
		for j := range 8 {
			if b&(0x80>>j) != 0 && 8*i+j < 32 {
				v |= 1 << (8*i + j)
			}
		}
	}
	return v
}

// messageFlags and recipientFlags are the named bits that have a column.
var (
	messageFlags   = []string{"disclosure_of_other_recipients", "implicit_conversion_prohibited", "alternate_recipient_allowed", "content_return_request"}
	recipientFlags = []string{"responsibility", "originating_mta_report", "originating_mta_non_delivery_report", "originator_report", "originator_non_delivery_report"}
)

// setFlags sets the named bits that are set.
func (f facts) setFlags(prefix string, n *node, columns []string) {
	for _, name := range bitNames(n) {
		name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
		if slices.Contains(columns, name) {
			f.set(prefix+name, "1")
		}
	}
}

func (f facts) setNumber(field string, n *node) {
	if n != nil {
		f.set(field, n.Show)
	}
}

// bitNames lists the names of the bits that are set.
func bitNames(n *node) []string {
	var out []string
	if n == nil {
		return nil
	}
	for _, k := range n.Kids {
		if _, line, ok := strings.Cut(k.ShowName, " = "); ok && k.Show == "1" {
			name, _, _ := strings.Cut(line, ":")
			out = append(out, name)
		}
	}
	return out
}

// eits lists encoded information types, built-in ones first.
func eits(n *node) string {
	out := bitNames(n.kid("p1.built_in_encoded_information_types"))
	for i := range out {
		out[i], _, _ = strings.Cut(out[i], " (")
	}
	if ext := n.choice("p1.extended_encoded_information_types", "p1.external_encoded_information_types"); ext != nil {
		for _, k := range ext.Kids {
			out = append(out, eitName(k.Show))
		}
	}
	return strings.Join(out, ",")
}

// eitName is the name of an extended encoded information type of X.411 Annex A
// or X.420 Annex D, of those that occur here; else its OID.
func eitName(oid string) string {
	switch oid {
	case "2.6.3.4.2":
		return "id-eit-ia5-text"
	case "2.6.1.12.0":
		return "id-eit-file-transfer"
	}
	if rest, ok := strings.CutPrefix(oid, "1.0.10021.7.1.0."); ok {
		return "id-cs-eit-authority-" + rest
	}
	return oid
}

// setTrace sets the elements of trace or internal trace information.
func (f facts) setTrace(prefix string, n *node) {
	if n == nil {
		return
	}
	i := 0
	for k := range n.Kids {
		e := &n.Kids[k]
		if !strings.HasSuffix(e.Name, "Element_element") {
			continue
		}
		i++
		p := fmt.Sprintf("%s[%d].", prefix, i)
		f.setDomain(p+"domain", p, e.kid("p1.global_domain_identifier_element"))
		f.set(p+"mta_name", e.kid("p1.mta_name").text())
		info := e.choice("p1.domain_supplied_information_element", "p1.mta_supplied_information_element")
		f.set(p+"arrival_time_raw", info.kid("p1.arrival_time").text())
		f.setTime(p+"arrival_time", info.kid("p1.arrival_time"))
		f.set(p+"routing_action", info.kid("p1.routing_action").label())
		attempted := info.choice("p1.attempted_domain_element", "p1.attempted_element", "p1.attempted")
		if a := attempted.choice("p1.domain_element"); a != nil {
			attempted = a
		}
		if attempted != nil {
			if mta := attempted.kid("p1.mta"); mta != nil {
				f.set(p+"attempted_mta", mta.text())
			} else {
				f.setDomain(p+"attempted_domain", p+"attempted_", attempted)
			}
		}
		more := info
		if a := info.choice("p1.additional_actions_element"); a != nil {
			more = a
		}
		f.setTime(p+"deferred_time", more.kid("p1.deferred_time"))
		f.set(p+"converted_eits", eits(more.choice("p1.converted_encoded_information_types_element")))
		f.set(p+"other_actions", strings.Join(bitNames(more.kid("p1.other_actions")), ","))
	}
}

// extension returns the decoded value of an envelope's extension.
func extension(fields *node, value string) *node {
	if fields == nil {
		return nil
	}
	for i := range fields.Kids {
		if v := fields.Kids[i].kid(value); v != nil {
			return v
		}
	}
	return nil
}

// contentType sets the number or OID of a content type.
func (f facts) setContentType(n *node) {
	if n == nil {
		return
	}
	if b := n.kid("p1.built_in"); b != nil {
		f.set("content_type_number", b.Show)
	} else if x := n.choice("p1.extended", "p1.external"); x != nil {
		f.set("content_type_oid", x.Show)
	}
}

// apduFacts turns tshark's dissection of one MTS-APDU, a p1.MTS_APDU field, into
// facts.
func apduFacts(tb testing.TB, apdu *node) facts {
	tb.Helper()
	f := facts{}
	switch apdu.Show {
	case "0":
		f.set("kind", "message")
		env := apdu.path("p1.message_element", "p1.envelope_element")
		f.messageEnvelope(env)
		if p := env.kid("p1.priority"); p != nil {
			f.set("priority", p.label())
			f.set("priority_present", "1")
		} else {
			f.set("priority", "normal")
		}
		if c := apdu.path("p1.message_element", "p1.content"); c != nil {
			f.set("content_size", strconv.Itoa(len(c.octets())))
			f.set("content_sha256", fmt.Sprintf("%x", sha256.Sum256(c.octets())))
		}
	case "1":
		f.set("kind", "report")
		f.report(apdu.kid("p1.report_element"))
	case "2":
		f.set("kind", "probe")
		env := apdu.kid("p1.probe_element")
		f.messageEnvelope(env)
		f.setNumber("content_size", env.kid("p1.content_length"))
	default:
		tb.Fatalf("MTS-APDU %q", apdu.ShowName)
	}
	// What the archive derives from the fields.
	for _, level := range []string{"trace", "internal_trace"} {
		n := 0
		for f[fmt.Sprintf("%s[%d].routing_action", level, n+1)] != "" {
			n++
		}
		f.set(level+"_count", number(uint32(n)))
		if level == "trace" && n > 0 {
			f.set("origin_time", f["trace[1].arrival_time"])
			f.set("last_trace_time", f[fmt.Sprintf("trace[%d].arrival_time", n)])
		}
	}
	return f
}

func (f facts) messageEnvelope(env *node) {
	f.setID("mts_id", "mts_id_", env.choice("p1.message_identifier_element", "p1.probe_identifier_element"))
	f.setName("originator", env.kid("p1.originator_name_element"), "originator_")
	f.set("eits", eits(env.kid("p1.original_encoded_information_types_element")))
	f.setContentType(env.kid("p1.content_type"))
	f.set("content_identifier", env.kid("p1.content_identifier").text())
	if b := env.kid("p1.per_message_indicators"); b != nil {
		f.set("indicators_present", "1")
		f.set("indicator_bits", number(bits(b)))
		f.setFlags("", b, messageFlags)
	}
	f.setTime("deferred_delivery", env.kid("p1.deferred_delivery_time"))
	f.setTrace("trace", env.kid("p1.trace_information"))
	f.setTrace("internal_trace", extension(env.kid("p1.extensions"), "p1.InternalTraceInformation"))
	i := 0
	if fields := env.kid("p1.per_recipient_fields"); fields != nil {
		for k := range fields.Kids {
			r := &fields.Kids[k]
			if !strings.HasPrefix(r.Name, "p1.PerRecipient") {
				continue
			}
			i++
			p := fmt.Sprintf("recipient[%d].", i)
			f.setName(p+"recipient", r.kid("p1.recipient_name_element"), p)
			f.setNumber(p+"number", r.kid("p1.originally_specified_recipient_number"))
			f.set(p+"indicator_bits", number(bits(r.kid("p1.per_recipient_indicators"))))
			f.setFlags(p, r.kid("p1.per_recipient_indicators"), recipientFlags)
			f.set(p+"explicit_conversion", r.kid("p1.explicit_conversion").label())
		}
	}
	f.set("recipient_count", number(uint32(i)))
}

func number(v uint32) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(v), 10)
}

func (f facts) report(report *node) {
	env := report.kid("p1.envelope_element")
	f.setID("mts_id", "mts_id_", env.kid("p1.report_identifier_element"))
	f.setName("report_destination", env.kid("p1.report_destination_name_element"), "")
	f.setTrace("trace", env.kid("p1.trace_information"))
	f.setTrace("internal_trace", extension(env.kid("p1.extensions"), "p1.InternalTraceInformation"))
	c := report.choice("p1.report_content_element", "p1.content_element")
	f.setID("subject_mts_id", "subject_", c.kid("p1.subject_identifier_element"))
	f.setTrace("subject_trace", c.kid("p1.subject_intermediate_trace_information"))
	f.set("eits", eits(c.kid("p1.original_encoded_information_types_element")))
	f.setContentType(c.kid("p1.content_type"))
	f.set("content_identifier", c.kid("p1.content_identifier").text())
	i := 0
	if fields := c.choice("p1.reported_recipient_info", "p1.per_recipient_report_fields", "p1.per_recipient_fields"); fields != nil {
		for k := range fields.Kids {
			r := &fields.Kids[k]
			if !strings.HasPrefix(r.Name, "p1.PerRecipient") {
				continue
			}
			i++
			p := fmt.Sprintf("recipient[%d].", i)
			f.setName(p+"recipient", r.kid("p1.actual_recipient_name_element"), p)
			f.setNumber(p+"number", r.kid("p1.originally_specified_recipient_number"))
			f.set(p+"indicator_bits", number(bits(r.kid("p1.per_recipient_indicators"))))
			f.setFlags(p, r.kid("p1.per_recipient_indicators"), recipientFlags)
			last := r.kid("p1.last_trace_information_element")
			f.setTime(p+"arrival_time", last.kid("p1.arrival_time"))
			f.set(p+"converted_eits", eits(last.kid("p1.converted_encoded_information_types_element")))
			typ := last.choice("p1.report_type", "p1.reportType")
			if d := typ.kid("p1.delivery_element"); d != nil {
				f.set(p+"outcome", "delivered")
				f.setTime(p+"delivery_time", d.kid("p1.message_delivery_time"))
				f.set(p+"mts_user_type", "public") // X.411 8.3.1.2.1.5: when absent.
				f.set(p+"mts_user_type", d.kid("p1.type_of_MTS_user").label())
			}
			if d := typ.kid("p1.non_delivery_element"); d != nil {
				f.set(p+"outcome", "not-delivered")
				f.setNumber(p+"reason_code", d.kid("p1.non_delivery_reason_code"))
				f.set(p+"reason", d.kid("p1.non_delivery_reason_code").label())
				f.setNumber(p+"diagnostic_code", d.kid("p1.non_delivery_diagnostic_code"))
				f.set(p+"diagnostic", d.kid("p1.non_delivery_diagnostic_code").label())
			}
			f.setName(p+"intended_recipient", r.kid("p1.originally_intended_recipient_name_element"), "")
			f.set(p+"supplementary_information", r.kid("p1.supplementary_information").text())
		}
	}
	f.set("recipient_count", number(uint32(i)))
}
