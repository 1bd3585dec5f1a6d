package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"x400flow/bench/ledger"
)

// ledgerRuns are captures of generated traffic, with which of the generator's
// options.
var ledgerRuns = []struct {
	name string
	args []string
	// complete says that the capture has every octet, in whatever order: then
	// the only problems are the transfers that did not come to their end.
	complete bool
}{
	{"undisturbed", strings.Fields("-n 150 -seed 1 -set NoiseRate=0.1"), true},
	{"office", strings.Fields("-n 40 -seed 2 -corpus office"), true},
	{"two modes and turns", strings.Fields("-n 60 -seed 4 -set X410Rate=0.5 -set TwoWayRate=0.5 -set OddRate=0.5 -set RichRate=0.6"), true},
	{"forms of BER", strings.Fields("-n 60 -seed 5 -set IndefiniteRate=0.5 -set NonMinimalRate=0.3 -set ConstructedRate=0.5 -set ConstructedAllRate=0.5 -set ShuffleRate=0.5"), true},
	{"broken transfers", strings.Fields("-n 120 -seed 6 -set SegmentRate=1 -set InterruptRate=0.2 -set RecoverRate=0.15 -set DiscardRate=0.1 -set CutRate=0.1 -set RepeatRate=0.1 -set AbortRate=0.1 -set RefuseRate=0.1 -set OpenRate=0.05"), true},
	{"disorder", strings.Fields("-n 60 -seed 7 -set DisorderRate=0.1 -set LateRate=0.1 -set DuplicateRate=0.1 -set TinyRate=0.2 -set WrapRate=0.5 -set MSS=300 -set IPv6Rate=0.5"), true},
	{"link failures", strings.Fields("-n 120 -seed 8 -set SegmentRate=1 -set RecoverRate=0.3 -set LinkFailRate=0.7"), true},
	{"lossy", strings.Fields("-n 200 -seed 3 -set LossRate=0.01"), false},
	{"users", strings.Fields("-n 120 -seed 10 -set AccessRate=0.6 -set RichRate=0.5 -set RefuseRate=0.05 -set ShuffleRate=0.3 -set IndefiniteRate=0.3"), true},
	{"middle and one way", strings.Fields("-n 150 -seed 8 -set MidStreamRate=0.4 -set OneWayRate=0.3"), false},
	{"snapped", strings.Fields("-n 100 -seed 9 -set SnapLen=1400"), false},
}

// TestArchiveEqualsLedger archives generated traffic and compares it with the
// generator's ledger: every column of every table, but those that say who read
// what and when, by digest.
func TestArchiveEqualsLedger(t *testing.T) {
	needTools(t)
	for _, run := range ledgerRuns {
		t.Run(run.name, func(t *testing.T) {
			capture, l, _ := generate(t, run.args...)
			a := newArchive(t)
			a.ingest(t, capture)
			equalsLedger(t, a, l, run.complete)
		})
	}
}

// Two taps see the same traffic, one a little later, whichever is read first:
// the archive has each message once, as one tap alone gives it.
func TestTwoTaps(t *testing.T) {
	needTools(t)
	tap := t.TempDir() + "/tap.pcap"
	capture, l, _ := generate(t, "-n", "60", "-seed", "12", "-set", "AccessRate=0.3", "-tap", tap)
	alone := newArchive(t)
	alone.ingest(t, capture)
	for _, order := range [][2]string{{capture, tap}, {tap, capture}} {
		a := newArchive(t)
		for _, file := range order {
			command(t, "ingest", "-store", a.dir, "-sensor", map[bool]string{true: "oracle", false: "other"}[file == capture], "-r", file)
		}
		equalsLedger(t, a, l, true)
		// What was captured first is shown, so all that the first tap says of
		// messages.
		sameDigest(t, "two taps", a.digest(t, true), alone.digest(t, true), "associations", "coverage", "captures", "problems")
	}
}

// unjudged are the columns that the ledger does not tell: what is provenance,
// and what is told elsewhere.
var unjudged = map[string]string{
	"associations": `association version sensor source first_frame last_frame first_seen last_seen muted decoder_version
		community_id abstract_syntaxes session_id initiator_credentials responder_credentials
		client_gaps server_gaps client_lost_octets server_lost_octets client_out_of_order server_out_of_order
		problems problems_suppressed
		client_ap_title client_ae_qualifier server_ap_title server_ae_qualifier acse rtse initiator_bind responder_bind release_detail`,
	"messages": `apdu transfer association sensor source first_frame last_frame stream_offset stream_end
		captured_at captured_until decoder_version interruptions
		eits_non_basic additional_information security_label`,
	"recipients": `apdu captured_at`,
	"trace":      `apdu captured_at arrival_time_raw`,
	"extensions": `apdu captured_at value octet_offset`,
	"bilateral":  `apdu captured_at value`,
	"contents":   `apdu captured_at content head tail content_inline`,
	"operations": `operation association apdu sensor source captured_at answered_at frame answer_frame stream_offset code oid
		linked_id error_code argument result argument_raw result_raw decoder_version`,
	"problems": `problem association transfer apdu sensor source path frame time octets octet_count sha256 detail
		stream_offset decoder_version`,
}

// judged are the tables that the ledger tells of; coverage and captures are
// provenance altogether.
var judged = []string{"associations", "messages", "recipients", "trace", "extensions", "bilateral", "contents", "operations", "problems"}

// columns returns the columns of the tables with their types.
func (a archive) columns(tb testing.TB) map[string]map[string]string {
	tb.Helper()
	out := map[string]map[string]string{}
	for _, r := range a.query(tb, "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()") {
		if out[r["table"]] == nil {
			out[r["table"]] = map[string]string{}
		}
		out[r["table"]][r["name"]] = r["type"]
	}
	return out
}

// fact turns a row into facts, without the columns named: zeros that stand for
// what is absent are not in it.
func fact(r row, types map[string]string, but []string) facts {
	f := facts{}
	for column, v := range r {
		typ, ok := types[column]
		switch {
		case !ok || slices.Contains(but, column):
		case v == "0" && !strings.HasPrefix(typ, "Nullable"),
			typ == "UUID" && strings.Trim(v, "0-") == "",
			column == "sha256" || strings.HasSuffix(column, "_sha256"):
			if strings.Trim(v, "0-") != "" {
				f.set(column, v)
			}
		case strings.HasPrefix(typ, "DateTime64") && v == time.Unix(0, 0).UTC().Format(time.DateTime):
		default:
			f.set(column, v)
		}
	}
	return f
}

// sumOfAPDU is the SHA-256 of an APDU, as the ledger has it, of what contents keep.
const sumOfAPDU = "lower(hex(SHA256(if(content_inline, head, concat(head, content, tail)))))"

// key names a sighting: the digest of the APDU and where its first octet stood.
func key(sha256 string, seq uint32) string {
	return strings.ToLower(sha256) + " " + strconv.FormatUint(uint64(seq), 10)
}

// equalsLedger compares an archive with the ledger.
func equalsLedger(t *testing.T, a archive, l *ledger.Ledger, complete bool) {
	t.Helper()
	got, associations := archiveTables(t, a)
	want := ledgerTables(t, l, complete, got, associations)
	for _, table := range judged {
		if digest(got[table]) == digest(want[table]) {
			if len(want[table]) == 0 && table != "problems" && table != "bilateral" && table != "operations" {
				t.Errorf("%s: nothing to compare", table)
			}
			continue
		}
		shown := 0
		for _, k := range slices.Sorted(maps.Keys(want[table])) {
			g, ok := got[table][k]
			if !ok {
				if shown++; shown < 15 {
					t.Errorf("%s: %s is missing: %s", table, k, strings.ReplaceAll(want[table][k].String(), "\n", "; "))
				}
				continue
			}
			for _, column := range diff(g, want[table][k]) {
				if shown++; shown < 15 {
					t.Errorf("%s: %s: %s is %q, the ledger has %q", table, k, column, g[column], want[table][k][column])
				}
			}
		}
		for _, k := range slices.Sorted(maps.Keys(got[table])) {
			if _, ok := want[table][k]; !ok {
				if shown++; shown < 15 {
					t.Errorf("%s: the ledger has no %s: %s", table, k, strings.ReplaceAll(got[table][k].String(), "\n", "; "))
				}
			}
		}
		t.Errorf("%s: %d differences in %d rows", table, shown, len(want[table]))
	}
}

// digest is a digest of rows, whatever their order.
func digest(rows map[string]facts) [sha256.Size]byte {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(h, "%s\n%s\n", k, rows[k])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// archiveTables returns the rows of the archive by table and key, and the
// identifiers of its associations by their ends, in order of time.
func archiveTables(t *testing.T, a archive) (tables map[string]map[string]facts, associations map[string][]string) {
	t.Helper()
	types := a.columns(t)
	tables, associations = map[string]map[string]facts{}, map[string][]string{}
	but := map[string][]string{}
	for _, table := range judged {
		tables[table] = map[string]facts{}
		but[table] = strings.Fields(unjudged[table])
		for _, c := range but[table] {
			if types[table][c] == "" {
				t.Errorf("%s has no column %s", table, c)
			}
		}
	}
	ends := map[string]string{}
	for _, r := range a.query(t, "SELECT * FROM associations ORDER BY first_seen") {
		e := net.JoinHostPort(r["client_address"], r["client_port"]) + " " + net.JoinHostPort(r["server_address"], r["server_port"])
		associations[e] = append(associations[e], r["association"])
		k := fmt.Sprintf("%s %d", e, len(associations[e]))
		ends[r["association"]] = k
		tables["associations"][k] = fact(r, types["associations"], but["associations"])
	}
	keys, sums := map[string]string{}, map[string]string{}
	for _, r := range a.query(t, "SELECT apdu, "+sumOfAPDU+" AS sum FROM contents WHERE kept") {
		sums[r["apdu"]] = r["sum"]
	}
	for _, r := range a.query(t, "SELECT * REPLACE (lower(hex(additional_information_raw)) AS additional_information_raw) FROM messages") {
		seq, err := strconv.ParseUint(r["tcp_sequence"], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		k := key(sums[r["apdu"]], uint32(seq))
		keys[r["apdu"]] = k
		f := fact(r, types["messages"], but["messages"])
		f.set("association", ends[r["association"]])
		if strings.Trim(r["resumed_from"], "0-") != "" {
			f.set("resumed_from", ends[r["resumed_from"]])
		}
		tables["messages"][k] = f
	}
	for table, place := range map[string][]string{
		"recipients": {"position"}, "trace": {"scope", "level", "seq"},
		"extensions": {"scope", "owner", "position"}, "bilateral": {"position"}, "contents": nil,
	} {
		columns := "*"
		if types[table]["raw"] != "" {
			columns = "* REPLACE (lower(hex(raw)) AS raw)"
		}
		for _, r := range a.query(t, "SELECT "+columns+" FROM "+table) {
			k := keys[r["apdu"]]
			if k == "" {
				t.Errorf("%s has a row of %s, which is not in messages", table, r["apdu"])
			}
			for _, c := range place {
				k += " " + r[c]
			}
			tables[table][k] = fact(r, types[table], but[table])
		}
	}
	for _, r := range a.query(t, "SELECT * FROM operations") {
		k := fmt.Sprintf("%s %s %s", ends[r["association"]], r["direction"], r["tcp_sequence"])
		tables["operations"][k] = fact(r, types["operations"], but["operations"])
		tables["operations"][k].set("carried", keys[r["apdu"]])
	}
	for _, r := range a.query(t, "SELECT * FROM problems") {
		k := fmt.Sprintf("%s %s", ends[r["association"]], r["problem"])
		if r["reason"] == "unfinished" {
			k = fmt.Sprintf("%s %s %s", net.JoinHostPort(r["client_address"], r["client_port"]), r["direction"], r["tcp_sequence"])
		}
		tables["problems"][k] = fact(r, types["problems"], but["problems"])
	}
	// The octets that are kept are the content that is told. They are the APDU, since
	// their digest is what the ledger knows it by.
	for _, r := range a.query(t, `SELECT apdu FROM contents INNER JOIN messages USING apdu WHERE NOT kept
		OR kind != 'none' AND lower(hex(SHA256(content))) != content_sha256`) {
		t.Errorf("contents: the octets of %s are not the content", keys[r["apdu"]])
	}
	return tables, associations
}

// codes returns the names of a field's numbers as tshark has them.
var codes = sync.OnceValue(func() map[string]map[string]string {
	out := map[string]map[string]string{}
	for line := range strings.Lines(string(tsharkValues())) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(part) == 4 && part[0] == "V" {
			if out[part[1]] == nil {
				out[part[1]] = map[string]string{}
			}
			out[part[1]][part[2]] = part[3]
		}
	}
	return out
})

// addressColumns are the columns of the attributes of an OR-address.
var addressColumns = map[string]string{
	"C": "country", "ADMD": "admd", "PRMD": "prmd", "X121": "x121", "T-ID": "terminal_id", "T-TY": "terminal_type", "O": "organization",
	"OU1": "ou1", "OU2": "ou2", "OU3": "ou3", "OU4": "ou4", "CN": "common_name", "S": "surname", "G": "given_name",
	"I": "initials", "GQ": "generation", "N-ID": "numeric_id",
}

func (f facts) setAddress(field, key, prefix string, name *ledger.Address) {
	if name == nil {
		return
	}
	f.set(field, name.Text)
	f.set(key, name.Key)
	if prefix == "-" {
		return
	}
	var dda []string
	for _, at := range name.Attributes {
		if c := addressColumns[at.Type]; c != "" {
			f.set(prefix+c, at.Value)
		} else if typ, ok := strings.CutPrefix(at.Type, "DDA:"); ok {
			dda = append(dda, typ+"="+at.Value)
		}
	}
	f.set(prefix+"dda", strings.Join(dda, "/"))
	f.set(prefix+"directory_name", name.Directory)
}

func (f facts) setInstant(field string, t *time.Time) {
	if t != nil {
		f.set(field, t.UTC().Format(time.DateTime))
	}
}

func (f facts) setLedgerID(field, columns string, id *ledger.MTSIdentifier) {
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

// setDomainText sets a domain from its text, /PRMD=X/ADMD=Y/C=GB/, in which "$"
// stands before a character that means something.
func (f facts) setDomainText(field, columns, text string) {
	f.set(field, text)
	var parts []string
	part, escaped := "", false
	for _, c := range text {
		switch {
		case c == '$' && !escaped:
			escaped = true
			continue
		case c == '/' && !escaped:
			parts = append(parts, part)
			part = ""
		default:
			part += string(c)
		}
		escaped = false
	}
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		if column := map[string]string{"PRMD": "prmd", "ADMD": "admd", "C": "country"}[name]; column != "" {
			f.set(columns+column, value)
		}
	}
}

// ledgerTables returns what the archive must hold by the ledger. Where the
// ledger leaves open whether something is there, that of got decides.
func ledgerTables(t *testing.T, l *ledger.Ledger, complete bool, got map[string]map[string]facts, present map[string][]string) map[string]map[string]facts {
	t.Helper()
	tables := map[string]map[string]facts{}
	for _, table := range judged {
		tables[table] = map[string]facts{}
	}
	ends := map[int]string{}
	byID := map[int]*ledger.Association{}
	opened := map[string]int{}
	byConnection := map[ledger.Connection]string{}
	kinds := map[int]map[string]int{}
	garbage := map[string]bool{}
	for _, as := range slices.SortedFunc(slices.Values(l.Associations), func(a, b ledger.Association) int { return a.Opened.Compare(b.Opened) }) {
		if as.PacketsClient+as.PacketsServer == 0 {
			continue // It is not in the capture.
		}
		e := as.Client.String() + " " + as.Server.String()
		opened[e]++
		ends[as.ID] = fmt.Sprintf("%s %d", e, opened[e])
		byID[as.ID] = &as
		byConnection[as.Connection] = ends[as.ID]
		kinds[as.ID] = map[string]int{}
		garbage[fmt.Sprint(as.Client.Addr(), " ", as.Client.Port())] = as.Class == ledger.ClassGarbage
	}
	whole := 0
	for i := range l.Sightings {
		s := &l.Sightings[i]
		k := key(s.SHA256, s.Seq)
		if _, ok := got["messages"][k]; !s.Whole && !(s.Doubtful && ok) {
			continue
		}
		whole++
		kinds[s.Association][s.Kind]++
		f := facts{}
		as := byID[s.Association]
		f.set("association", ends[s.Association])
		if s.Began != nil {
			f.set("resumed_from", byConnection[*s.Began])
		}
		addSighting(tables, k, f, s, as, got["messages"][k])
	}
	for i := range l.Operations {
		kinds[l.Operations[i].Association]["operation"]++
		addOperation(tables, &l.Operations[i], byID[l.Operations[i].Association], ends, got)
	}
	if whole < 30 {
		t.Errorf("only %d sightings are whole", whole)
	}
	for id, as := range byID {
		k := ends[id]
		if w := ledgerAssociation(as, kinds[id], got["associations"][k]); w != nil {
			tables["associations"][k] = w
		}
	}
	if !complete {
		// What the gaps did is not in the ledger.
		tables["problems"] = got["problems"]
		return tables
	}
	for k, f := range got["problems"] {
		// Octets that are no protocol at all are told with their number.
		if f["layer"] == "tpkt" && f["reason"] == "not-tpkt" && garbage[f["client_address"]+" "+f["client_port"]] {
			tables["problems"][k] = f
		}
	}
	for i := range l.Incomplete {
		x := &l.Incomplete[i]
		at := x.Connection
		if x.Began != nil {
			at = *x.Began
		}
		f := facts{}
		f.set("client_address", at.Client.Addr().String())
		f.set("client_port", strconv.Itoa(int(at.Client.Port())))
		f.set("server_address", at.Server.Addr().String())
		f.set("server_port", strconv.Itoa(int(at.Server.Port())))
		f.set("direction", map[ledger.Direction]string{ledger.ToServer: "client-to-server", ledger.ToClient: "server-to-client"}[x.Direction])
		f.set("layer", "rtse")
		f.set("reason", "unfinished")
		f.set("tcp_sequence", strconv.FormatUint(uint64(x.Seq), 10))
		tables["problems"][fmt.Sprintf("%s %s %d", at.Client, f["direction"], x.Seq)] = f
	}
	return tables
}

// ledgerAssociation returns what the archive must say of an association. What
// depends on octets that the capture lacks is as the archive has it.
func ledgerAssociation(as *ledger.Association, kinds map[string]int, got facts) facts {
	f := facts{}
	f.set("client_address", as.Client.Addr().String())
	f.set("client_port", strconv.Itoa(int(as.Client.Port())))
	f.set("server_address", as.Server.Addr().String())
	f.set("server_port", strconv.Itoa(int(as.Server.Port())))
	f.set("client_packets", number(uint32(as.PacketsClient)))
	f.set("server_packets", number(uint32(as.PacketsServer)))
	if got["ended"] == "fin" && atoi(got["client_packets"])+atoi(got["server_packets"])+1 == as.PacketsClient+as.PacketsServer {
		// The second FIN ended it; its acknowledgement came after that.
		f.set("client_packets", got["client_packets"])
		f.set("server_packets", got["server_packets"])
	}
	f.set("messages", number(uint32(kinds["message"])))
	f.set("probes", number(uint32(kinds["probe"])))
	f.set("reports", number(uint32(kinds["report"])))
	f.set("operations", number(uint32(kinds["operation"])))
	open := func(columns string) {
		for _, c := range strings.Fields(columns) {
			delete(f, c)
			f.set(c, got[c])
		}
	}
	if as.MidStream || as.OneDirection {
		// The end of a connection may come without its beginning.
		open("client_packets server_packets")
	}
	if as.MidStream {
		f.set("mid_stream", "1")
	}
	if as.MissingClient+as.MissingServer > 0 {
		open("client_octets server_octets client_retransmitted_octets server_retransmitted_octets client_retransmitted_packets server_retransmitted_packets ended release")
	} else {
		f.set("client_octets", number(uint32(as.StreamClient)))
		f.set("server_octets", number(uint32(as.StreamServer)))
		f.set("client_retransmitted_octets", number(uint32(as.OctetsClient-as.StreamClient)))
		f.set("server_retransmitted_octets", number(uint32(as.OctetsServer-as.StreamServer)))
		f.set("client_retransmitted_packets", number(uint32(as.RepeatedClient)))
		f.set("server_retransmitted_packets", number(uint32(as.RepeatedServer)))
		if as.OctetsClient > as.StreamClient || as.OctetsServer > as.StreamServer {
			// Which segments brought nothing new depends on their order.
			open("client_retransmitted_packets server_retransmitted_packets")
		}
		f.set("release", map[string]string{"release": "released", "refused": "rejected", "user-abort": "user-abort", "provider-abort": "provider-abort"}[as.Ended])
		f.set("ended", map[string]string{"reset": "rst", "open": "capture-end"}[as.Ended])
		if f["ended"] == "" {
			f.set("ended", "fin")
		}
	}
	if !as.ConnectSeen || !as.AcceptSeen {
		if as.Class != ledger.ClassX400 && as.MissingClient+as.MissingServer == 0 {
			f.set("class", className(as.Class))
			open("inferred one_direction client_tsap server_tsap tpdu_size client_ssap server_ssap client_psap server_psap")
			open("application_context application_context_name mode protocol")
			return f
		}
		open(`class protocol mode inferred one_direction application_context application_context_name
			client_tsap server_tsap client_ssap server_ssap client_psap server_psap tpdu_size checkpoint_size window_size
			dialogue_mode recover initiator_mta responder_mta bind_outcome bind_detail`)
		return f
	}
	f.set("class", className(as.Class))
	if as.Class != ledger.ClassX400 {
		open("client_tsap server_tsap tpdu_size client_ssap server_ssap client_psap server_psap application_context mode")
		return f
	}
	f.set("client_tsap", hexSelector(as.CallingTSAP))
	f.set("server_tsap", hexSelector(as.CalledTSAP))
	f.set("client_ssap", hexSelector(as.CallingSSEL))
	f.set("server_ssap", hexSelector(as.CalledSSEL))
	f.set("client_psap", hexSelector(as.CallingPSEL))
	f.set("server_psap", hexSelector(as.CalledPSEL))
	f.set("tpdu_size", number(uint32(as.TPDUSize)))
	if as.MidStream || as.MissingClient+as.MissingServer > 0 {
		open("client_tsap server_tsap tpdu_size") // The opening of transport may not be there.
	}
	f.set("protocol", protocol(as))
	f.set("mode", map[string]string{ledger.ModeNormal: "normal", ledger.ModeX410: "x410-1984"}[as.Mode])
	f.set("application_context", as.ApplicationContext)
	f.set("application_context_name", contextNames[as.ApplicationContext])
	if as.Mode == ledger.ModeX410 {
		f.set("application_context", strconv.Itoa(as.ApplicationNumber))
	}
	f.set("checkpoint_size", number(uint32(as.CheckpointSize)))
	f.set("window_size", number(uint32(as.WindowSize)))
	f.set("dialogue_mode", map[bool]string{true: "two-way-alternate", false: "monologue"}[as.TwoWayAlternate])
	if protocol(as) != "p1" && !as.TwoWayAlternate {
		delete(f, "dialogue_mode") // Users' associations have it with RTSE, and only then.
	}
	f.set("initiator_mta", as.InitiatorMTA)
	f.set("responder_mta", as.ResponderMTA)
	f.set("bind_outcome", map[string]string{"accepted": "accepted", "refused": "rejected"}[as.Bind])
	if as.BindError != nil {
		names := codes()["p1.MTABindError"]
		if as.Mode == ledger.ModeX410 {
			names = codes()["rtse.refuseReason"] // X.410 of 1984 has it there.
		}
		if protocol(as) == "p7" {
			names = msBindErrors
		}
		f.set("bind_detail", names[strconv.Itoa(*as.BindError)])
		if strings.EqualFold(strings.ReplaceAll(got["bind_detail"], " ", ""), f["bind_detail"]) {
			f.set("bind_detail", got["bind_detail"])
		}
		open("checkpoint_size window_size") // Proposed, and never agreed on.
	}
	if as.Recover {
		f.set("recover", "1")
		open("bind_outcome") // Its answer is no bind's.
	}
	return f
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// hexSelector writes a selector, given in hexadecimal digits, as the archive does.
func hexSelector(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		return "unreadable in the ledger: " + digits
	}
	return selector(b)
}

func className(class string) string {
	return map[string]string{
		ledger.ClassX400: "x400", ledger.ClassS7: "s7comm", ledger.ClassMMS: "mms",
		ledger.ClassEncrypted: "encrypted", ledger.ClassGarbage: "unknown",
	}[class]
}

// addSighting adds what the archive must say of a sighting to the tables; got is
// what it says.
func addSighting(tables map[string]map[string]facts, k string, f facts, s *ledger.Sighting, as *ledger.Association, got facts) {
	source, destination := s.Client, s.Server
	sender, receiver := as.InitiatorMTA, as.ResponderMTA
	if !as.ConnectSeen {
		sender = ""
	}
	if !as.AcceptSeen {
		receiver = ""
	}
	f.set("direction", "client-to-server")
	if s.Direction == ledger.ToClient {
		f.set("direction", "server-to-client")
		source, destination = destination, source
		sender, receiver = receiver, sender
	}
	set := func(prefix string, e netip.AddrPort) {
		f.set(prefix+"address", e.Addr().String())
		f.set(prefix+"port", strconv.Itoa(int(e.Port())))
	}
	set("source_", source)
	set("destination_", destination)
	f.set("tcp_sequence", number(s.Seq))
	f.set("sending_mta", sender)
	f.set("receiving_mta", receiver)
	f.set("protocol", protocol(as))
	f.set("mode", map[string]string{ledger.ModeNormal: "normal", ledger.ModeX410: "x410-1984"}[as.Mode])
	if !as.ConnectSeen {
		f.set("inferred", "1")
	}
	if as.OneDirection || as.MidStream && got["one_direction"] != "" {
		// Until the other side's octets are seen, there is one direction.
		f.set("one_direction", "1")
	}
	if s.Transfer == "resumed" || s.Transfer == "recovered" {
		f.set("resumed", "1")
	}
	f.set("status", "ok")
	f.set("kind", s.Kind)
	f.set("apdu_size", strconv.Itoa(s.Size))
	f.setLedgerID("mts_id", "mts_id_", &s.Identifier)
	f.setAddress("originator", "originator_key", "originator_", s.Originator)
	f.setAddress("report_destination", "report_destination_key", "-", s.Destination)
	f.setLedgerID("subject_mts_id", "subject_", s.SubjectID)
	if e := s.EncodedInformationTypes; e != nil {
		names := slices.Clone(e.BuiltIn)
		for _, oid := range e.Extended {
			names = append(names, eitName(oid))
		}
		f.set("eits", strings.Join(names, ","))
		f.set("eits_present", "1")
	}
	if c := s.ContentType; c != nil {
		f.set("content_type", c.OID)
		if c.OID == "2.6.3.3.1" {
			f.set("content_type", "id-cont-inner-envelope") // X.411 Annex A.
		}
		f.set("content_type_oid", c.OID)
		if c.OID == "" {
			f.set("content_type_number", strconv.Itoa(c.BuiltIn))
			f.set("content_type", codes()["p1.built_in"][strconv.Itoa(c.BuiltIn)])
		}
	}
	if s.ContentIdentifier != nil {
		f.set("content_identifier", *s.ContentIdentifier)
	}
	switch s.Kind {
	case ledger.KindMessage, ledger.KindSubmission, ledger.KindDelivery, ledger.KindFetch:
		f.set("priority", "normal")
	}
	if s.Priority != nil {
		f.set("priority", codes()["p1.priority"][strconv.Itoa(*s.Priority)])
		f.set("priority_present", "1")
	}
	f.setIndicators(s.Indicators, messageIndicators)
	if s.IndicatorsSent {
		f.set("indicators_present", "1")
	}
	f.setInstant("deferred_delivery", s.DeferredDelivery)
	if s.ContentLength != nil {
		f["content_size"] = strconv.Itoa(*s.ContentLength)
	}
	body := facts{"kind": "none", "kept": "1"}
	if s.ContentSHA256 != "" {
		f["content_size"] = strconv.Itoa(s.ContentSize)
		f.set("content_sha256", s.ContentSHA256)
		f.set("content_present", "1")
		body.set("kind", "content")
		if s.Kind == ledger.KindReport || s.Kind == ledger.KindReportDelivery {
			body.set("kind", "returned-content")
		}
		body.set("size", number(uint32(s.ContentSize)))
		body.set("sha256", s.ContentSHA256)
	}
	f.set("additional_information_raw", s.AdditionalInformation)
	if n := len(s.Trace); n > 0 {
		f.setInstant("origin_time", &s.Trace[0].Arrival)
		f.setInstant("last_trace_time", &s.Trace[n-1].Arrival)
	}
	f.set("trace_count", number(uint32(len(s.Trace))))
	f.set("internal_trace_count", number(uint32(len(s.InternalTrace))))
	f.set("recipient_count", number(uint32(len(s.Recipients))))
	extensions := len(s.Extensions) + len(s.ContentExtensions)
	for i := range s.Recipients {
		extensions += len(s.Recipients[i].Extensions)
	}
	f.set("extension_count", number(uint32(extensions)))
	tables["messages"][k] = f

	child := func(table string, place ...any) facts {
		c := facts{}
		c.set("origin_time", f["origin_time"])
		at := k
		for _, p := range place {
			at += " " + fmt.Sprint(p)
		}
		tables[table][at] = c
		return c
	}
	maps.Copy(child("contents"), body)
	for i, b := range s.Bilateral {
		c := child("bilateral", i+1)
		c.set("position", strconv.Itoa(i+1))
		c.setDomainText("domain", "", b.Domain)
		c.set("raw", strings.ToLower(b.Value))
	}
	addTrace := func(scope, level string, list []ledger.TraceElement) {
		for i, e := range list {
			c := child("trace", scope, level, i+1)
			c.set("scope", scope)
			c.set("level", level)
			c.set("seq", strconv.Itoa(i+1))
			c.set("kind", s.Kind)
			c.set("mts_id", s.Identifier.Text)
			c.setDomainText("domain", "", e.Domain)
			c.set("mta_name", e.MTA)
			c.setInstant("arrival_time", &e.Arrival)
			c.set("routing_action", codes()["p1.routing_action"][strconv.Itoa(e.Action)])
			c.setDomainText("attempted_domain", "attempted_", e.Attempted)
			c.set("attempted_mta", e.AttemptedMTA)
			c.setInstant("deferred_time", e.Deferred)
			c.set("converted_eits", strings.Join(e.Converted, ","))
			c.set("other_actions", strings.Join(e.OtherActions, ","))
		}
	}
	addTrace("envelope", "domain", s.Trace)
	addTrace("envelope", "internal", s.InternalTrace)
	addTrace("report-subject", "domain", s.SubjectTrace)
	addExtensions := func(scope string, owner int, list []ledger.Extension) {
		for i, e := range list {
			c := child("extensions", scope, owner, i+1)
			c.set("scope", scope)
			c.set("owner", number(uint32(owner)))
			c.set("position", strconv.Itoa(i+1))
			c.set("oid", e.OID)
			if e.OID == "" {
				c.set("number", strconv.Itoa(e.Number))
				c.set("name", codes()["p1.standard_extension"][strconv.Itoa(e.Number)])
				if e.Number == 46 {
					c.set("name", "certificate-selectors-override") // X.411 Annex A; tshark's list ends before.
				}
			} else if e.OID == "1.3.26.0.4406.0.8.0" {
				c.set("name", "priority-level-qualifier") // STANAG 4406 Annex A.
			}
			for _, x := range e.Criticality {
				c.set("critical_"+strings.ReplaceAll(x, "-", "_"), "1")
			}
			c.set("raw", strings.ToLower(e.Value))
		}
	}
	scope, recipientScope := "message", "recipient"
	switch s.Kind {
	case ledger.KindProbe, ledger.KindProbeSubmission:
		scope, recipientScope = "probe", "probe-recipient"
	case ledger.KindReport, ledger.KindReportDelivery:
		scope, recipientScope = "report", "reported-recipient"
	}
	addExtensions(scope, 0, s.Extensions)
	addExtensions("report-content", 0, s.ContentExtensions)
	for i := range s.Recipients {
		r := &s.Recipients[i]
		addExtensions(recipientScope, i+1, r.Extensions)
		addRecipient(child("recipients", i+1), i+1, s, r)
	}
}

// messageIndicators and recipientIndicators are the places of the named bits
// (X.411 8.2.1.1.1 and 12.2.1.1.1.5).
var (
	messageIndicators = map[string]int{
		"disclosure_of_other_recipients": 0, "implicit_conversion_prohibited": 1, "alternate_recipient_allowed": 2,
		"content_return_request": 3, "service_message": 7,
	}
	recipientIndicators = map[string]int{
		"responsibility": 0, "originating_mta_report": 1, "originating_mta_non_delivery_report": 2,
		"originator_report": 3, "originator_non_delivery_report": 4,
	}
)

// setIndicators sets the columns of the named bits, and that of all together.
func (f facts) setIndicators(names []string, places map[string]int) {
	v := uint32(0)
	for _, name := range names {
		column := strings.ReplaceAll(name, "-", "_")
		f.set(column, "1")
		v |= 1 << places[column]
	}
	f.set("indicator_bits", number(v))
}

func addRecipient(f facts, position int, s *ledger.Sighting, r *ledger.Recipient) {
	f.set("position", strconv.Itoa(position))
	f.set("kind", s.Kind)
	f.set("mts_id", s.Identifier.Text)
	f.set("subject_mts_id", s.Identifier.Text)
	if s.SubjectID != nil {
		f.set("subject_mts_id", s.SubjectID.Text)
	}
	if r.Number >= 0 {
		f["number"] = strconv.Itoa(r.Number)
	}
	f.setAddress("recipient", "recipient_key", "", &r.Name)
	var bits []string
	if r.Responsibility {
		bits = append(bits, "responsibility")
	}
	// X.411 12.2.1.1.1.6: both bits ask for an audited report.
	if r.OriginatingMTA == "report" || r.OriginatingMTA == "audited-report" {
		bits = append(bits, "originating_mta_report")
	}
	if r.OriginatingMTA == "non-delivery-report" || r.OriginatingMTA == "audited-report" {
		bits = append(bits, "originating_mta_non_delivery_report")
	}
	if r.OriginatorReport == "report" {
		bits = append(bits, "originator_report")
	}
	if r.OriginatorReport == "non-delivery-report" {
		bits = append(bits, "originator_non_delivery_report")
	}
	f.setIndicators(bits, recipientIndicators)
	name := func(field string, code *int) string {
		if code == nil {
			return ""
		}
		if n := codes()[field][strconv.Itoa(*code)]; n != "" {
			return n
		}
		return strconv.Itoa(*code)
	}
	f.set("explicit_conversion", name("p1.explicit_conversion", r.ExplicitConversion))
	f.set("outcome", r.Outcome)
	f.setInstant("arrival_time", r.Arrival)
	f.set("converted_eits", strings.Join(r.Converted, ","))
	f.setInstant("delivery_time", r.Delivered)
	if r.Outcome == "delivered" {
		f.set("mts_user_type", "public") // X.411 8.3.1.2.1.5: when absent.
		f.set("mts_user_type", name("p1.type_of_MTS_user", r.UserType))
	}
	if r.Reason != nil {
		f["reason_code"] = strconv.Itoa(*r.Reason)
		f.set("reason", name("p1.non_delivery_reason_code", r.Reason))
	}
	if r.Diagnostic != nil {
		f["diagnostic_code"] = strconv.Itoa(*r.Diagnostic)
		f.set("diagnostic", name("p1.non_delivery_diagnostic_code", r.Diagnostic))
	}
	f.setAddress("intended_recipient", "intended_recipient_key", "-", r.Intended)
	if r.Supplementary != nil {
		f.set("supplementary_information", *r.Supplementary)
	}
}

// readLedger reads a ledger file.
func readLedger(tb testing.TB, name string) *ledger.Ledger {
	tb.Helper()
	file, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	l, err := ledger.ReadAll(file)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}
