package oracle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var writeCoverage = flag.Bool("coverage", false, "write docs/coverage.md")

const coverageDocument = "../docs/coverage.md"

// coverageTables are the tables whose rows belong to an MTS-APDU. Their octet
// columns are left out: what tshark reads must be told, not only kept.
var coverageTables = map[string]string{
	"messages": "", "recipients": "", "trace": "", "extensions": "raw", "bilateral": "raw",
	"ipms": "", "ipm_recipients": "", "ipm_references": "", "ipm_extensions": "raw", "ipm_extension_items": "", "body_parts": "octets",
}

// A sighting of a value: the texts that it may stand in a column as, and the
// columns of the rows that tell of the MTS-APDU or the connection that it was in.
type sighted struct {
	texts []string
	cells map[string][]string
	test  string
}

// values are what tshark shows of a corpus, by field. A field that was only seen
// with parts has none.
type values map[string][]sighted

// coverage is what was found out about one of tshark's fields.
type coverage struct {
	name, typ string
	// seen counts the values of the corpora that tshark shows, distinct those
	// that differ, read those that a column gave back.
	seen, distinct, read int
	// met says that it was seen, if only with parts.
	met     bool
	columns []string
	tests   []string
	why     *explanation
}

// An explanation is a line of coverage.txt: why no column gives back a field.
type explanation struct {
	line              int
	pattern, why      string
	matches, explains int
}

// The protocols of which each field must be decoded or explained.
var covered = []string{"rtse", "acse", "ros", "p1", "p22", "p772"}

// corpora are what the fields are looked for in, by the name of their test.
var corpora = []struct {
	name   string
	values func(t *testing.T) values
}{
	{"traffic", func(t *testing.T) values {
		a, _ := contentArchive(t)
		return sightings(t, a)
	}},
	{"contents", everyContent},
	{"specimens", specimenValues},
}

// TestCoverage reads each value that tshark 4.0 shows of generated traffic back by
// SQL, and holds docs/coverage.md to what it finds: no field that is decoded there
// may be lost, and what is not decoded stands in coverage.txt with the reason.
//
// A field counts as decoded when columns gave back every value of it, each as a
// whole or between separators, and when there were values enough, or long enough,
// or a column of the field's own name, for that not to be chance.
func TestCoverage(t *testing.T) {
	needTools(t)
	order := []string{"rtse", "acse", "ros", "p1", "x411", "p22", "p772"}
	list := tsharkFields(t, order)
	all, read := values{}, 0
	for _, c := range corpora {
		t.Run(c.name, func(t *testing.T) {
			read++
			for field, seen := range c.values(t) {
				for i := range seen {
					seen[i].test = c.name
				}
				all[field] = append(all[field], seen...)
			}
		})
	}
	if read < len(corpora) {
		return // go test -run chose one of them.
	}
	why := explanations(t)
	for _, c := range list {
		seen, met := all[c.name]
		c.met = met
		judge(c, seen)
		explain(t, why, c)
	}
	for _, x := range why {
		if x.explains == 0 {
			t.Errorf("coverage.txt:%d explains nothing: of %d fields %s none needs it", x.line, x.matches, x.pattern)
		}
	}
	text := coverageText(order, list)
	if *writeCoverage {
		if err := os.WriteFile(coverageDocument, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	document, err := os.ReadFile(coverageDocument)
	if err != nil {
		t.Fatal(err)
	}
	claimed := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]* \\| decoded \\|").FindAllStringSubmatch(string(document), -1)
	if len(claimed) < 100 {
		t.Errorf("docs/coverage.md tells of %d decoded fields only", len(claimed))
	}
	now := map[string]*coverage{}
	for _, c := range list {
		now[c.name] = c
	}
	for _, m := range claimed {
		if c := now[m[1]]; c == nil || c.status() != decoded {
			t.Errorf("%s is no longer read back by SQL: docs/coverage.md is wrong (go test ./oracle -run TestCoverage -coverage writes it anew)", m[1])
		}
	}
}

// explanations reads coverage.txt.
func explanations(t *testing.T) (list []*explanation) {
	t.Helper()
	b, err := os.ReadFile("coverage.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(b), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, why, ok := strings.Cut(line, " | ")
		if _, err := path.Match(pattern, ""); err != nil || !ok || why == "" {
			t.Fatalf("coverage.txt:%d: want a field and the reason, separated by \" | \"", i+1)
		}
		list = append(list, &explanation{line: i + 1, pattern: pattern, why: why})
	}
	return list
}

// explain finds the line that says why a field is not decoded.
func explain(t *testing.T, why []*explanation, c *coverage) {
	t.Helper()
	for _, x := range why {
		if ok, _ := path.Match(x.pattern, c.name); !ok {
			continue
		}
		x.matches++
		if s := c.status(); s == decoded || s == structure {
			if x.pattern == c.name {
				t.Errorf("coverage.txt:%d: %s is %s", x.line, c.name, s)
			}
			continue
		}
		x.explains++
		c.why = x
		if strings.HasPrefix(x.why, "secret") && c.read > 0 {
			t.Errorf("%s: columns have it", c.name)
		}
		return
	}
	protocol, _, _ := strings.Cut(c.name, ".")
	if s := c.status(); slices.Contains(covered, protocol) && s != decoded && s != structure {
		t.Errorf("%s: %s, and coverage.txt does not say why", c.name, s)
	}
}

// tsharkFields returns the fields of the protocols that tshark -G fields lists.
func tsharkFields(t *testing.T, protocols []string) []*coverage {
	t.Helper()
	out, err := exec.Command("tshark", "-G", "fields").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []*coverage
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if part[0] != "F" || len(part) < 5 || !slices.Contains(protocols, part[4]) || seen[part[2]] {
			continue
		}
		seen[part[2]] = true
		list = append(list, &coverage{name: part[2], typ: part[3]})
	}
	if len(list) < 800 {
		t.Fatalf("tshark lists %d fields only", len(list))
	}
	return list
}

// sightings returns the values that tshark shows of the MTS-APDUs and contents in
// the archive, by field. tshark is given an MTS-APDU as the value of a heading
// extension, whose type it is told to be one, so that nothing of session and RTSE
// comes between.
func sightings(t *testing.T, a archive) values {
	t.Helper()
	rows := rowsOf(t, a)
	var capture bytes.Buffer
	binary.Write(&capture, binary.LittleEndian, []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 1 << 18, 147}) // DLT_USER0
	var apdus []string
	for _, r := range a.query(t, "SELECT apdu, hex(if(content_inline, head, concat(head, content, tail))) AS octets FROM contents INNER JOIN messages USING apdu WHERE protocol = 'p1' ORDER BY apdu") {
		octets, err := hex.DecodeString(r["octets"])
		if err != nil {
			t.Fatal(err)
		}
		if octets[0] == 0x28 {
			octets = mtsAPDU(octets)
		}
		octets = implicitTypes(octets)
		heading := tlv(0x31, append(tlv(0x6b, tlv(0x13, []byte("1"))), tlv(0xaf, tlv(0x30, append([]byte{6, 3, 0x2a, 3, 4}, octets...)))...))
		p := tlv(0xa0, append(heading, tlv(0x30, nil)...))
		binary.Write(&capture, binary.LittleEndian, []uint32{0, 0, uint32(len(p)), uint32(len(p))})
		capture.Write(p)
		apdus = append(apdus, r["apdu"])
	}
	messages := len(apdus)
	// Contents that X.420 defines come by themselves, as P22 (X.420 7).
	for _, r := range a.query(t, "SELECT apdu, hex(content) AS octets FROM contents WHERE apdu IN (SELECT apdu FROM ipms WHERE path = '' AND kind != 'unknown') ORDER BY apdu") {
		octets, err := hex.DecodeString(r["octets"])
		if err != nil {
			t.Fatal(err)
		}
		binary.Write(&capture, binary.LittleEndian, []uint32{0, 0, uint32(len(octets)), uint32(len(octets))})
		capture.Write(octets)
		apdus = append(apdus, r["apdu"])
	}
	file := filepath.Join(t.TempDir(), "apdus.pcap")
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	list := packets(t, file, "-o", `uat:user_dlts:"User 0 (DLT=147)","p22","0","","0",""`, "-o", `uat:oid:"1.2.3.4","mts-apdu","P1 Message"`)
	if len(list) != len(apdus) || len(apdus) < 50 {
		t.Fatalf("tshark shows %d of %d MTS-APDUs", len(list), len(apdus))
	}
	out := values{}
	for i := range list {
		// What stands around an MTS-APDU is not of it.
		of := &list[i]
		if i < messages {
			of = of.find("p1.MTS_APDU")
		}
		out.add(of, rows[apdus[i]])
	}
	return out
}

// add adds what tshark shows in n, of which cells tell.
func (v values) add(n *node, cells map[string][]string) {
	n.all(func(n *node) {
		if _, ok := v[n.Name]; !ok {
			v[n.Name] = []sighted{}
		}
		if n.Show == "" && n.Value == "" {
			return
		}
		for k := range n.Kids {
			if strings.ContainsRune(n.Kids[k].Name, '.') && !strings.HasPrefix(n.Kids[k].Name, "_ws") {
				return // Its parts have lines of their own.
			}
		}
		if texts := n.texts(); len(texts) > 0 {
			v[n.Name] = append(v[n.Name], sighted{texts: texts, cells: cells})
		}
	})
}

// texts are what a value that tshark shows may stand in a column as: folded, as
// columns are to be.
func (n *node) texts() []string {
	var texts []string
	add := func(s string) {
		if s = foldText(s); s != "" && !slices.Contains(texts, s) {
			texts = append(texts, s)
		}
	}
	if _, bit, ok := strings.Cut(n.ShowName, " = "); ok && (n.Show == "0" || n.Show == "1" || n.Show == "True" || n.Show == "False") {
		if n.Show == "0" || n.Show == "False" {
			return nil // A bit that is not set is not told.
		}
		name, _, _ := strings.Cut(bit, ": ")
		add(name)
		if number, ok := strings.CutPrefix(name, "spare_bit"); ok {
			add("bit-" + number)
		}
		return texts
	}
	if strings.HasSuffix(n.ShowName, ": "+n.Show+" items") || strings.HasSuffix(n.ShowName, ": "+n.Show+" item") {
		return nil // A list, which is empty where it has no parts.
	}
	if label := n.label(); strings.HasSuffix(n.ShowName, ": "+label+" ("+n.Show+")") {
		if label == "Unknown" {
			// tshark takes the coding a0 03 02 01 26 of standard-extension 38 for number
			// 131366 (X.411 Figure 2, ExtensionType).
			number := n.number()
			if number>>8 == 0x0201 {
				number &= 0xff
			}
			add(strconv.Itoa(number))
			return texts
		}
		add(label) // The name of a number: nobody looks for the number.
		add(words(label))
		return texts
	}
	if strings.HasSuffix(n.ShowName, ": True") || strings.HasSuffix(n.ShowName, ": False") {
		if strings.HasSuffix(n.ShowName, ": True") {
			_, name, _ := strings.Cut(n.Name, ".")
			add(name) // A column of this name is true.
		}
		return texts
	}
	add(n.Show)
	// Names of object identifiers that tshark has none for (X.420 Annex D).
	if number, ok := strings.CutPrefix(n.Show, "1.0.10021.7.1.0."); ok {
		add("id-cs-eit-authority-" + number)
	}
	if n.Show == "2.6.3.4.2" { // X.411 Annex A.
		add("id-eit-ia5-text")
	}
	b := n.octets()
	if len(b) > 0 && len(bytes.Trim(b, " ")) == 0 {
		return nil // A domain's name that is a space.
	}
	if joined, ok := joinSegments(b); ok {
		add(hex.EncodeToString(joined))
	}
	// Octets are a text only where most of them are letters and digits.
	addText := func(s string, size int) {
		if utf8.RuneCountInString(foldText(s))*2 >= size {
			add(s)
		}
	}
	if utf8.Valid(b) {
		addText(string(b), len(b))
	}
	addText(t61Text(b), len(b))
	if len(b)%2 == 0 && len(b) > 0 {
		var r []rune
		for i := 0; i < len(b); i += 2 {
			r = append(r, rune(b[i])<<8|rune(b[i+1]))
		}
		addText(string(r), len(r))
	}
	add(hex.EncodeToString(b))
	for _, layout := range []string{"06-01-02 15:04:05 (UTC)", "06-01-02 15:04 (UTC)", "2006-01-02 15:04:05 (UTC)", "Jan  2, 2006 15:04:05.000000000 MST", "Jan 2, 2006 15:04:05.000000000 MST"} {
		if at, err := time.Parse(layout, n.Show); err == nil {
			add(at.UTC().Format(time.DateTime))
			add(at.UTC().Format(time.RFC3339))
		}
	}
	return texts
}

// words puts spaces into a name in which capitals begin the words.
func words(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// joinSegments joins the segments of a constructed OCTET STRING, whose contents octets
// tshark shows (X.690 8.7.3).
func joinSegments(b []byte) (joined []byte, ok bool) {
	for len(b) >= 2 && b[0] == 4 {
		n, header := int(b[1]), 2
		if n > 0x80 && n <= 0x83 && len(b) >= 2+n-0x80 {
			header += n - 0x80
			n = 0
			for _, v := range b[2:header] {
				n = n<<8 | int(v)
			}
		}
		if n > len(b)-header {
			return nil, false
		}
		joined, b = append(joined, b[header:header+n]...), b[header+n:]
	}
	return joined, len(joined) > 0 && len(b) == 0
}

// t61Text is the text of the T.61 that the generator writes.
func t61Text(b []byte) string {
	accents := map[byte]map[byte]rune{
		0xc8: {'u': 'ü', 'o': 'ö', 'a': 'ä'}, 0xc2: {'e': 'é'}, 0xc1: {'e': 'è'}, 0xc4: {'n': 'ñ'}, 0xca: {'a': 'å', 'A': 'Å'}, 0xcb: {'c': 'ç'},
	}
	single := map[byte]rune{0xf9: 'ø', 0xf1: 'æ', 0xfb: 'ß'}
	var r []rune
	for i := 0; i < len(b); i++ {
		if a, ok := accents[b[i]]; ok && i+1 < len(b) && a[b[i+1]] != 0 {
			r = append(r, a[b[i+1]])
			i++
		} else if s, ok := single[b[i]]; ok {
			r = append(r, s)
		} else {
			r = append(r, rune(b[i]))
		}
	}
	return string(r)
}

// foldText is a text in lower case, with one space for each run of what is
// neither letter nor digit.
func foldText(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// rowsOf returns for each MTS-APDU the values of each column of each table that
// tells of it, folded, with a space at either end.
func rowsOf(t *testing.T, a archive) map[string]map[string][]string {
	t.Helper()
	out := map[string]map[string][]string{}
	for table, octets := range coverageTables {
		sql := "SELECT *"
		if octets != "" {
			sql += " EXCEPT (" + octets + ")"
		}
		for _, r := range a.query(t, sql+" FROM "+table) {
			apdu := r["apdu"]
			if out[apdu] == nil {
				out[apdu] = map[string][]string{}
			}
			tell(out[apdu], table, r)
		}
	}
	// The octets of a body part stand in its content.
	for _, r := range a.query(t, "SELECT apdu, lower(hex(substring(content, content_offset + 1, content_length))) AS octets FROM body_parts INNER JOIN contents USING apdu WHERE content_length > 0") {
		const column = "contents.content at body_parts.content_offset"
		out[r["apdu"]][column] = append(out[r["apdu"]][column], " "+r["octets"]+" ")
	}
	for _, r := range a.query(t, "SELECT apdu, hex(content) AS content FROM contents WHERE kept") {
		tell(out[r["apdu"]], "contents", r)
	}
	return out
}

// tell adds the values of a row's columns, folded, with a space at either end.
func tell(cells map[string][]string, table string, r row) {
	for column, v := range r {
		switch column {
		// Where it was seen is not what it says.
		case "apdu", "transfer", "association", "captured_at", "captured_until", "stream_offset", "stream_end", "tcp_sequence",
			"source_port", "destination_port", "first_frame", "last_frame", "position", "octet_offset", "content_offset", "content_length", "sha256",
			"operation", "problem", "id", "frame", "answer_frame", "answered_at", "client_port", "server_port", "first_seen", "last_seen", "community_id":
			continue
		}
		key := table + "." + column
		if v == "1" {
			// A flag is told by its column's name.
			cells[key] = append(cells[key], " "+foldText(column)+" ")
		}
		if v = foldText(v); v != "" {
			cells[key] = append(cells[key], " "+v+" ")
		}
	}
}

// judge finds the columns that together give back every value of a field: first
// the one whose name is nearest to the field's among those that give back most.
func judge(c *coverage, values []sighted) {
	distinct := map[string]bool{}
	longest := 0
	hits := make([]map[string]bool, len(values))
	for i, v := range values {
		distinct[v.texts[0]] = true
		longest = max(longest, utf8.RuneCountInString(v.texts[0]))
		hits[i] = map[string]bool{}
		for column, cells := range v.cells {
			for _, text := range v.texts {
				if slices.ContainsFunc(cells, func(cell string) bool { return strings.Contains(cell, " "+text+" ") }) {
					hits[i][column] = true
					break
				}
			}
		}
		if len(hits[i]) > 0 {
			c.read++
			if !slices.Contains(c.tests, v.test) {
				c.tests = append(c.tests, v.test)
			}
		}
	}
	c.seen, c.distinct = len(values), len(distinct)
	if c.read < c.seen {
		return
	}
	parts := strings.FieldsFunc(strings.ToLower(c.name), func(r rune) bool { return r == '.' || r == '_' || r == '-' })
	near := func(column string) int {
		n := 0
		column = strings.ReplaceAll(column, "_", "")
		for _, w := range parts[min(1, len(parts)):] {
			if len(w) > 2 && strings.Contains(column, w) {
				n++
			}
		}
		return n
	}
	// Long values, different ones, and three letters found many times are not found by
	// chance, nor are short ones in a column of the field's name.
	if c.distinct < 3 && longest < 4 && (c.seen < 5 || longest < 3) {
		for i := range hits {
			maps.DeleteFunc(hits[i], func(column string, _ bool) bool { return near(column) == 0 })
			if len(hits[i]) == 0 {
				return
			}
		}
	}
	for left := hits; len(left) > 0; {
		found := map[string]int{}
		for _, hit := range left {
			for column := range hit {
				found[column]++
			}
		}
		best := ""
		for _, column := range slices.Sorted(maps.Keys(found)) {
			if best == "" || found[column] > found[best] || found[column] == found[best] && near(column) > near(best) {
				best = column
			}
		}
		c.columns = append(c.columns, best)
		left = slices.DeleteFunc(slices.Clone(left), func(hit map[string]bool) bool { return hit[best] })
	}
	if len(c.columns) > maxColumns {
		c.columns = nil
	}
}

// maxColumns is how many columns a field's values may be spread over: those of
// an OR-name stand in several tables.
const maxColumns = 12

// What can be said of a field, beside what of it was found.
const (
	decoded   = "decoded"
	structure = "structure"
	explained = "explained"
	unseen    = "not in the corpus"
)

// status is decoded where a column gave every value back, and otherwise why not.
func (c *coverage) status() string {
	switch {
	case c.why != nil:
		return explained
	case !c.met:
		return unseen
	case c.typ == "FT_NONE" || c.seen == 0:
		return structure
	case len(c.columns) > 0:
		return decoded
	case c.read == c.seen:
		return "too short to tell"
	case c.read > 0:
		return fmt.Sprintf("%d of %d values found", c.read, c.seen)
	}
	return "gap"
}

func coverageText(order []string, list []*coverage) string {
	var b strings.Builder
	b.WriteString(`# What is decoded of what tshark decodes

Generated by ` + "`go test ./oracle -run TestCoverage -coverage`" + `; do not edit. Each field of ` + "`tshark -G fields`" + ` (4.0) for RTSE, ACSE, ROS, P1
(X.411), P22 (X.420) and P772 has a line. *decoded* is said only where a test read every value that tshark shows of generated traffic
back by SQL, from the columns named; the test is ` + "`oracle.TestCoverage/NAME`" + `, of which the last column has the names. Otherwise:

* *structure*: tshark shows no value of its own for it: its parts have lines, or it says no more than that something is there;
* *explained*: no column gives its values back, and the line says why (` + "`oracle/coverage.txt`" + `);
* *N of M values found*, *gap*: tshark shows values that no column gave back;
* *too short to tell*: every value was found, but they are few and so short that it may be chance;
* *not in the corpus*: no test has octets with it, so nothing is claimed.

Not covered: MTS access (P3) in the argument forms of X.411-1984. tshark 4.0 has no dissector for it, Wireshark's definitions begin with
1988, and no capture is known, so nothing could tell whether a reading is right. Of such an association (X.410 mode, application
protocol 3) the bind is read, and each operation is a row with code, outcome and the octets of argument and result; these are read as
those of 1988, and what does not fit is a problem.

| protocol | fields | decoded | structure | explained | partly | gap | not in the corpus |
|---|---|---|---|---|---|---|---|
`)
	groups := map[string][]*coverage{}
	for _, c := range list {
		p, _, _ := strings.Cut(c.name, ".")
		groups[p] = append(groups[p], c)
	}
	var names []string
	for _, p := range order {
		if len(groups[p]) > 0 {
			names = append(names, p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(groups)) {
		if !slices.Contains(names, p) {
			names = append(names, p)
		}
	}
	for _, p := range names {
		n := map[string]int{}
		for _, c := range groups[p] {
			switch s := c.status(); s {
			case decoded, structure, explained, unseen, "gap":
				n[s]++
			default:
				n["partly"]++
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d |\n", p, len(groups[p]), n[decoded], n[structure], n[explained], n["partly"], n["gap"], n[unseen])
	}
	for _, p := range names {
		fmt.Fprintf(&b, "\n## %s\n\n| field | values | status | column, or why there is none | test |\n|---|---|---|---|---|\n", p)
		for _, c := range groups[p] {
			values := ""
			if c.seen > 0 {
				values = fmt.Sprintf("%d, %d different", c.seen, c.distinct)
			}
			text, tests := strings.Join(c.columns, ", "), strings.Join(c.tests, ", ")
			if c.why != nil {
				text = c.why.why
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.name, values, c.status(), text, tests)
		}
	}
	return b.String()
}
