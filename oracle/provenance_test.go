package oracle

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The exact octets of every APDU can be given back from the archive: they are
// those that the receiving stack gave to its user.
func TestContentsGiveTheAPDUBack(t *testing.T) {
	a := realArchive(t)
	compared := 0
	for _, c := range realCaptures() {
		if _, err := os.Stat(c.file); err != nil {
			continue
		}
		got := map[string][][]byte{}
		for _, r := range a.query(t, `SELECT direction, lower(hex(if(content_inline, head, concat(head, content, tail)))) AS octets
			FROM messages INNER JOIN contents USING apdu WHERE endsWith(source, '`+filepath.Base(c.file)+`') ORDER BY stream_offset`) {
			b, err := hex.DecodeString(r["octets"])
			if err != nil {
				t.Fatal(err)
			}
			direction := map[string]string{"client-to-server": "c2s", "server-to-client": "s2c"}[r["direction"]]
			got[direction] = append(got[direction], b)
		}
		next := map[string]int{}
		for _, s := range c.apdus {
			i := next[s.direction]
			next[s.direction]++
			if s.file == "" {
				continue
			}
			want, err := os.ReadFile(s.file)
			if err != nil {
				t.Fatal(err)
			}
			if i >= len(got[s.direction]) {
				t.Errorf("%s %s %d is missing", c.name, s.direction, i+1)
				continue
			}
			g := got[s.direction][i]
			// The MTS-APDUs of 1985 were sent within an EXTERNAL in normal mode.
			if strings.HasSuffix(s.file, ".ber") && len(g) > 0 && g[0] == 0x28 {
				g = mtsAPDU(g)
			}
			compared++
			if string(g) != string(want) {
				t.Errorf("%s %s %d: %d octets, %s has %d others", c.name, s.direction, i+1, len(g), s.file, len(want))
			}
		}
	}
	if compared < 15 {
		t.Errorf("only %d APDUs compared", compared)
	}
}

// Frame numbers, stream ranges and sequence numbers of a message are those of
// the segments in which tshark sees its first and last octet.
func TestRowsLeadBackToFrames(t *testing.T) {
	needTools(t)
	a := realArchive(t)
	compared := 0
	for _, c := range realCaptures() {
		if _, err := os.Stat(c.file); err != nil {
			continue
		}
		type segment struct{ frame, from, to int }
		segments := map[string][]segment{}
		first := map[string]uint64{}
		for _, f := range fields(t, c.file, "tcp.len>0", "frame.number", "tcp.dstport", "tcp.seq", "tcp.len", "tcp.seq_raw") {
			direction := "server-to-client"
			if f[1] == "102" {
				direction = "client-to-server"
			}
			var n [3]int
			for i, text := range []string{f[0], f[2], f[3]} {
				v, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				n[i] = v
			}
			raw, err := strconv.ParseUint(f[4], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			// tshark's relative numbers begin with 1 after the SYN.
			segments[direction] = append(segments[direction], segment{n[0], n[1] - 1, n[1] - 1 + n[2]})
			first[direction] = uint64(uint32(raw) - uint32(n[1]-1))
		}
		holds := func(direction, frame string, offset int) bool {
			for _, s := range segments[direction] {
				if strconv.Itoa(s.frame) == frame && s.from <= offset && offset < s.to {
					return true
				}
			}
			return false
		}
		for _, r := range a.query(t, "SELECT direction, first_frame, last_frame, stream_offset, stream_end, tcp_sequence, mts_id FROM messages WHERE endsWith(source, '"+filepath.Base(c.file)+"')") {
			compared++
			d := r["direction"]
			if !holds(d, r["first_frame"], atoi(r["stream_offset"])) {
				t.Errorf("%s %s: octet %s is not in frame %s", c.name, r["mts_id"], r["stream_offset"], r["first_frame"])
			}
			if !holds(d, r["last_frame"], atoi(r["stream_end"])-1) {
				t.Errorf("%s %s: octet before %s is not in frame %s", c.name, r["mts_id"], r["stream_end"], r["last_frame"])
			}
			if want := fmt.Sprint(uint32(first[d]) + uint32(atoi(r["stream_offset"]))); r["tcp_sequence"] != want {
				t.Errorf("%s %s: sequence number %s, want %s", c.name, r["mts_id"], r["tcp_sequence"], want)
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d messages compared", compared)
	}
}

// After merges the storage tables hold at most 1.05 rows for each that is shown,
// however often the same was read.
func TestPhysicalRows(t *testing.T) {
	// Of a transfer that is resumed, the problem that it was before is stored and
	// not shown: another matter than that of repeated rows.
	capture, _, _ := generate(t, "-n", "60", "-seed", "13", "-set", "InterruptRate=0", "-set", "RecoverRate=0")
	a := newArchive(t)
	a.ingest(t, capture)
	a.ingestWith(t, []string{"-reread", "-block", "500"}, capture)
	want := a.digest(t, true)
	for table := range tables {
		command(t, "query", "-store", a.dir, "-write", "OPTIMIZE TABLE "+table+"_store FINAL")
		r := a.query(t, "SELECT (SELECT count() FROM "+table+"_store) AS stored, (SELECT count() FROM "+table+") AS shown")[0]
		if stored, shown := atoi(r["stored"]), atoi(r["shown"]); stored*100 > shown*105 {
			t.Errorf("%s: %d rows stored for %d shown", table, stored, shown)
		}
	}
	sameDigest(t, "merged", a.digest(t, true), want)
}

// Decoding the octets in the archive anew gives the same rows, and where an older
// decoder made rows, replaces them.
func TestDecodeAgain(t *testing.T) {
	a := newArchive(t)
	a.ingest(t, own(t)...)
	want := a.digest(t, true)
	command(t, "decode", "-again", "-all", "-store", a.dir)
	sameDigest(t, "again", a.digest(t, true), want)
	// Rows as an older decoder might have made them: of a lower version, and wrong.
	n := atoi(a.query(t, "SELECT count() AS n FROM messages")[0]["n"])
	for _, sql := range []string{
		"CREATE TABLE old AS messages_store ENGINE = Memory",
		"INSERT INTO old SELECT * REPLACE (version - 1 AS version, 0 AS decoder_version, 'wrong' AS priority, 'wrong' AS mts_id) FROM messages_store FINAL",
		"TRUNCATE TABLE messages_store",
		"INSERT INTO messages_store SELECT * FROM old",
		"DROP TABLE old",
	} {
		command(t, "query", "-store", a.dir, "-write", sql)
	}
	if got := atoi(a.query(t, "SELECT count() AS n FROM messages WHERE mts_id = 'wrong' AND decoder_version = 0")[0]["n"]); got != n || n < 10 {
		t.Fatalf("%d of %d messages are spoilt", got, n)
	}
	_, said := command(t, "decode", "-again", "-store", a.dir)
	if !strings.Contains(said, fmt.Sprintf("Decoded %d APDUs anew", n)) {
		t.Errorf("decode said %q, want %d APDUs", said, n)
	}
	sameDigest(t, "replaced", a.digest(t, true), want)
}

// An archive of envelopes has everything but the contents, whose size, digest and
// headings stay.
func TestKeepEnvelope(t *testing.T) {
	a := newArchive(t)
	a.ingestWith(t, []string{"-keep", "envelope"}, own(t)...)
	full := newArchive(t)
	full.ingest(t, own(t)...)
	sameDigest(t, "envelopes", a.digest(t, true), full.digest(t, true), "contents", "problems", "ipms", "ipm_extensions", "ipm_extension_items", "body_parts")
	const problems = "SELECT count() AS n, sum(octet_count) AS total, groupBitXor(cityHash64(problem, sha256, octet_count)) AS digest, sum(length(octets)) AS kept FROM problems"
	got, want := a.query(t, problems)[0], full.query(t, problems)[0]
	if got["n"] != want["n"] || got["total"] != want["total"] || got["digest"] != want["digest"] || got["kept"] != "0" {
		t.Errorf("problems are %v, want %v", got, want)
	}
	const sizes = "SELECT count() AS n, groupBitXor(cityHash64(apdu, sha256, size)) AS digest FROM contents"
	if got, want := a.query(t, sizes)[0], full.query(t, sizes)[0]; got["digest"] != want["digest"] || got["n"] != want["n"] {
		t.Errorf("sizes and digests are %v, want %v", got, want)
	}
	if kept := a.query(t, "SELECT apdu FROM contents WHERE kind != 'none' AND (kept OR content != '')"); len(kept) > 0 {
		t.Errorf("%d contents are kept", len(kept))
	}
	// Nowhere else in the archive is what a content says.
	const phrase = "lines of text"
	if n := full.query(t, "SELECT count() AS n FROM contents WHERE position(content, '"+phrase+"') > 0")[0]["n"]; n == "0" {
		t.Errorf("no content has %q", phrase)
	}
	for table := range tables {
		if n := a.query(t, "SELECT count() AS n FROM "+table+" AS t WHERE position(toString(tuple(t.*)), '"+phrase+"') > 0")[0]["n"]; n != "0" {
			t.Errorf("%s has %q in %s rows", table, phrase, n)
		}
	}
}
