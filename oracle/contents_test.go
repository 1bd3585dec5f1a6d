package oracle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"x400flow/bench/ledger"
)

// contentArchive archives generated traffic whose contents have everything that
// X.420 defines.
func contentArchive(t *testing.T) (archive, *ledger.Ledger) {
	t.Helper()
	capture, l, _ := generate(t, "-n", "300", "-seed", "33", "-corpus", "small",
		"-set", "RichRate=0.5", "-set", "IndefiniteRate=0.3", "-set", "ShuffleRate=0.3", "-set", "ConstructedRate=0.3", "-set", "X410Rate=0.1")
	a := newArchive(t)
	a.ingest(t, capture)
	return a, l
}

// TestContentsEqualLedger compares what the archive has of contents with what the
// generator put into them: messages and body parts by their place, and the
// recipients, references and extensions of each message in whatever order, since
// the members of its SETs may have any.
func TestContentsEqualLedger(t *testing.T) {
	needTools(t)
	a, l := contentArchive(t)
	opaque := map[string]bool{}
	for i := range l.Sightings {
		for _, x := range l.Sightings[i].Contents {
			for _, e := range x.Extensions {
				opaque[e.OID] = opaque[e.OID] || e.Readable == ""
			}
		}
	}
	got := archivedContents(t, a, opaque)
	want := map[string]facts{}
	kinds := map[string]int{}
	for i := range l.Sightings {
		s := &l.Sightings[i]
		if !s.Whole || len(s.Contents) == 0 {
			continue
		}
		k := key(s.SHA256, s.Seq)
		for n := range s.Contents {
			ledgerContent(want, kinds, k, s, &s.Contents[n])
		}
	}
	shown := 0
	for k, w := range want {
		if shown > 20 {
			t.Fatal("and more")
		}
		g, ok := got[k]
		if !ok {
			t.Errorf("%s is missing: %s", k, strings.ReplaceAll(w.String(), "\n", "; "))
			shown++
			continue
		}
		if w["size"] == "-1" {
			w["size"] = g["size"] // That of an encoding.
		}
		for _, column := range diff(g, w) {
			t.Errorf("%s: %s is %q, the ledger has %q", k, column, g[column], w[column])
			shown++
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok && shown < 20 {
			t.Errorf("the ledger has no %s: %s", k, strings.ReplaceAll(g.String(), "\n", "; "))
			shown++
		}
	}
	// The corpus has one of everything.
	for _, kind := range []string{
		"ipm", "receipt-notification", "non-receipt-notification", "other-notification",
		"cms", "signed-data", "enveloped-data", "edi-message", "edi-notification", "inner-envelope", "unknown",
		"ia5-text", "teletex", "g3-facsimile", "videotex", "encrypted", "nationally-defined", "message", "mixed-mode", "bilaterally-defined",
		"general-text", "file-transfer", "voice", "content", "notification", "pkcs7",
		"authorizing-user", "primary", "copy", "blind-copy", "reply-recipient", "replied-to", "obsoleted", "related", "subject",
		"2.6.1.5.0", "2.6.1.5.1", "2.6.1.5.2", "2.6.1.5.3", "2.6.1.5.4", "2.6.1.5.5", "2.6.1.5.6", "2.6.1.5.7", "2.6.1.5.8", "2.6.1.5.9",
		"2.6.1.5.10", "2.6.1.5.11", "2.6.1.5.12", "2.6.1.18.0", "2.6.1.19.0", "2.6.1.19.1", "2.6.1.20.0", "2.6.1.20.1", "1.3.26.0.4406.0.2.0",
	} {
		if kinds[kind] == 0 {
			t.Errorf("the corpus has no %s", kind)
		}
	}
	if n := a.query(t, "SELECT count() AS n FROM problems WHERE layer = 'x420'")[0]["n"]; n != "0" {
		t.Errorf("%s problems in contents", n)
	}
}

// archivedContents returns the rows of contents by the key of the MTS-APDU, the
// path of the message, and the place within it.
// Values of extensions that are opaque are left out.
func archivedContents(t *testing.T, a archive, opaque map[string]bool) map[string]facts {
	t.Helper()
	keys := map[string]string{}
	for _, r := range a.query(t, "SELECT apdu, "+sumOfAPDU+" AS apdu_sha256, tcp_sequence FROM contents INNER JOIN messages USING apdu") {
		seq, err := strconv.ParseUint(r["tcp_sequence"], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		keys[r["apdu"]] = key(r["apdu_sha256"], uint32(seq))
	}
	out := map[string]facts{}
	add := func(table, sql string, place ...string) {
		for _, r := range a.query(t, sql) {
			k := keys[r["apdu"]] + " " + table + " " + r["path"]
			for _, p := range place {
				k += " " + r[p]
				delete(r, p)
			}
			delete(r, "apdu")
			delete(r, "path")
			f := facts{}
			for column, v := range r {
				f.set(column, v)
			}
			if table == "extension" && opaque[f["oid"]] {
				delete(f, "value")
			}
			if len(place) == 0 && table != "message" {
				k, f = anywhere(out, k, f)
			}
			out[k] = f
		}
	}
	add("message", `SELECT apdu, path, kind, inner_type, inner_content, signer, if(signers = 0, '', toString(signers)) AS signers, mts_id, returned, status, ipm_id, originator, subject, importance, sensitivity, auto_forwarded,
		expiry_time, reply_time, intended_recipient, conversion_eits, non_receipt_reason, discard_reason, auto_forward_comment,
		receipt_time, acknowledgment_mode, suppl_receipt_info, returned_ipm, ats_priority FROM ipms`)
	add("recipient", `SELECT apdu, path, role, descriptor, notification_requests, reply_requested, precedence FROM ipm_recipients`)
	add("reference", `SELECT apdu, path, relation, ipm_id FROM ipm_references`)
	add("extension", `SELECT apdu, path, oid, value, error FROM ipm_extensions`)
	add("part", `SELECT apdu, path, position, kind, toString(size) AS size, charset, lower(hex(SHA256(text))) AS text_sha256, file_name, nested_path, signer, error FROM body_parts`, "position")
	return out
}

// anywhere puts all facts of a row into its key, with a number where it comes
// again.
func anywhere(rows map[string]facts, key string, f facts) (string, facts) {
	key += " " + strings.ReplaceAll(f.String(), "\n", "; ")
	for n := 1; ; n++ {
		k := key + " #" + strconv.Itoa(n)
		if _, ok := rows[k]; !ok {
			return k, facts{}
		}
	}
}

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// ledgerContent adds what the ledger says of one message.
func ledgerContent(want map[string]facts, kinds map[string]int, key string, s *ledger.Sighting, x *ledger.Interpersonal) {
	at := func(table string, position int) string {
		k := key + " " + table + " " + x.Path
		if position > 0 {
			k += " " + strconv.Itoa(position)
		}
		return k
	}
	kinds[x.Kind]++
	f := facts{}
	f.set("kind", x.Kind)
	f.set("status", "ok")
	f.set("mts_id", s.Identifier.Text)
	if s.Kind == ledger.KindReport {
		f.set("mts_id", s.SubjectID.Text)
		f.set("returned", "1")
	}
	f.set("inner_type", x.InnerType)
	f.set("inner_content", x.InnerContent)
	f.set("signer", x.Signer)
	if x.Signers > 0 {
		f.set("signers", strconv.Itoa(x.Signers))
	}
	kinds[x.InnerType]++
	f.set("ipm_id", x.ID)
	f.set("originator", x.Originator)
	if x.Subject != nil {
		f.set("subject", *x.Subject)
	}
	f.set("importance", x.Importance)
	f.set("sensitivity", x.Sensitivity)
	if x.AutoForwarded {
		f.set("auto_forwarded", "1")
	}
	for column, v := range map[string]*time.Time{"expiry_time": x.Expiry, "reply_time": x.ReplyBy, "receipt_time": x.Receipt} {
		f.setInstant(column, v)
	}
	f.set("intended_recipient", x.Intended)
	f.set("conversion_eits", strings.Join(x.ConversionEITs, ","))
	f.set("non_receipt_reason", x.NonReceiptReason)
	f.set("discard_reason", x.DiscardReason)
	f.set("auto_forward_comment", x.Comment)
	f.set("acknowledgment_mode", x.Acknowledgment)
	f.set("suppl_receipt_info", x.Supplementary)
	if slices.ContainsFunc(s.Contents, func(y ledger.Interpersonal) bool { return x.Path == "" && y.Path == "r" }) {
		f.set("returned_ipm", "1")
	}
	if len(x.Parts) > 0 {
		f.set("ats_priority", x.Parts[0].ATS)
	}
	want[at("message", 0)] = f
	for _, r := range x.Recipients {
		kinds[r.Role]++
		f := facts{}
		f.set("role", r.Role)
		f.set("descriptor", r.Text)
		f.set("notification_requests", strings.Join(r.Requests, ","))
		if r.ReplyRequested {
			f.set("reply_requested", "1")
		}
		if r.Precedence != nil {
			f.set("precedence", strconv.Itoa(*r.Precedence))
		}
		k, none := anywhere(want, at("recipient", 0), f)
		want[k] = none
	}
	for _, r := range x.References {
		kinds[r.Relation]++
		f := facts{}
		f.set("relation", r.Relation)
		f.set("ipm_id", r.ID)
		k, none := anywhere(want, at("reference", 0), f)
		want[k] = none
	}
	for _, e := range x.Extensions {
		kinds[e.OID]++
		f := facts{}
		f.set("oid", e.OID)
		f.set("value", e.Readable)
		k, none := anywhere(want, at("extension", 0), f)
		want[k] = none
	}
	for i, p := range x.Parts {
		kinds[p.Kind]++
		f := facts{}
		f.set("kind", p.Kind)
		f.set("size", fmt.Sprint(p.Size))
		f.set("charset", p.Charset)
		if f.set("text_sha256", p.TextSHA256); p.TextSHA256 == "" {
			f.set("text_sha256", emptySHA256)
		}
		f.set("file_name", p.FileName)
		f.set("nested_path", p.Nested)
		f.set("signer", p.Signer)
		want[at("part", i+1)] = f
	}
}
