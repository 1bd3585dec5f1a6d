package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// node is an element of tshark's PDML: a protocol or a field.
type node struct {
	Name     string `xml:"name,attr"`
	ShowName string `xml:"showname,attr"`
	Show     string `xml:"show,attr"`
	Value    string `xml:"value,attr"`
	Kids     []node `xml:",any"`
}

// kid returns the first child called name, or nil.
func (n *node) kid(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.Kids {
		if n.Kids[i].Name == name {
			return &n.Kids[i]
		}
	}
	return nil
}

// path descends through the first children of these names.
func (n *node) path(names ...string) *node {
	for _, name := range names {
		n = n.kid(name)
	}
	return n
}

// all calls f for n and everything below it, in order.
func (n *node) all(f func(*node)) {
	if n == nil {
		return
	}
	f(n)
	for i := range n.Kids {
		n.Kids[i].all(f)
	}
}

// find returns the first element below n called name, or nil.
func (n *node) find(name string) (found *node) {
	n.all(func(m *node) {
		if found == nil && m.Name == name {
			found = m
		}
	})
	return found
}

// octets returns the octets that the field stands for.
func (n *node) octets() []byte {
	if n == nil {
		return nil
	}
	b, err := hex.DecodeString(n.Value)
	if err != nil {
		return nil
	}
	return b
}

// text returns a string field's octets. tshark's own rendering of them escapes
// and, for T.61, guesses.
func (n *node) text() string { return string(n.octets()) }

// number returns the number shown, or -1.
func (n *node) number() int {
	if n == nil {
		return -1
	}
	v, err := strconv.Atoi(n.Show)
	if err != nil {
		return -1
	}
	return v
}

// label returns what the field's line says after the colon, without the number
// in parentheses.
func (n *node) label() string {
	if n == nil {
		return ""
	}
	_, s, _ := strings.Cut(n.ShowName, ": ")
	if i := strings.LastIndex(s, " ("); i >= 0 {
		s = s[:i]
	}
	return s
}

// tshark runs the program on file and returns what it writes.
func tshark(tb testing.TB, file string, args ...string) []byte {
	tb.Helper()
	cmd := exec.Command("tshark", append([]string{"-n", "-r", file}, args...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8", "HOME="+tb.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		tb.Fatalf("tshark %s %v: %v\n%s", file, args, err, errs.String())
	}
	return out.Bytes()
}

// tsharkValues returns the names that tshark has for numbers.
func tsharkValues() []byte {
	out, err := exec.Command("tshark", "-G", "values").Output()
	if err != nil {
		panic(err)
	}
	return out
}

// fields returns the values of tshark's fields, a row a packet.
func fields(tb testing.TB, file, filter string, names ...string) [][]string {
	tb.Helper()
	args := []string{"-T", "fields"}
	if filter != "" {
		args = append(args, "-Y", filter)
	}
	for _, name := range names {
		args = append(args, "-e", name)
	}
	var rows [][]string
	for line := range strings.Lines(string(tshark(tb, file, args...))) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

// packets returns the dissection of the packets that filter selects.
func packets(tb testing.TB, file string, args ...string) []node {
	tb.Helper()
	var doc struct {
		Packets []node `xml:"packet"`
	}
	out := tshark(tb, file, append([]string{"-T", "pdml"}, args...)...)
	if err := xml.Unmarshal(out, &doc); err != nil {
		tb.Fatalf("the PDML of %s: %v", file, err)
	}
	return doc.Packets
}

// dissected keeps what tshark said of an MTS-APDU, by its SHA-256, or of a
// capture, by its name: it takes a third of a second for each.
var dissected sync.Map

// implicitTypes writes standard-extension types coded as a0 03 02 01 nn, which
// tshark takes for another number, in the coding that it knows, with a length of
// two octets so that nothing else moves.
func implicitTypes(apdu []byte) []byte {
	apdu = bytes.Clone(apdu)
	for i := 4; i+5 <= len(apdu); i++ {
		// After the header of a SEQUENCE with a length of one to three octets.
		if (apdu[i-2] == 0x30 || apdu[i-3] == 0x30 || apdu[i-4] == 0x30) && bytes.HasPrefix(apdu[i:], []byte{0xa0, 3, 2, 1}) {
			copy(apdu[i:], []byte{0x80, 0x82, 0, 1})
		}
	}
	return apdu
}

// dissectAPDU has tshark dissect the octets of one MTS-APDU and returns the p1
// protocol node.
func dissectAPDU(tb testing.TB, apdu []byte) *node {
	tb.Helper()
	key := sha256.Sum256(apdu)
	if n, ok := dissected.Load(key); ok {
		return n.(*node)
	}
	apdu = implicitTypes(apdu)
	// ContentInfo ::= SEQUENCE { contentType 1.2.3.4, content [0] EXPLICIT } in a
	// file whose suffix names that type; the table gives the OID its syntax.
	body := append([]byte{0x06, 0x03, 0x2a, 0x03, 0x04}, tlv(0xa0, apdu)...)
	file := filepath.Join(tb.TempDir(), "apdu.p7s")
	if err := os.WriteFile(file, tlv(0x30, body), 0o600); err != nil {
		tb.Fatal(err)
	}
	for _, p := range packets(tb, file, "-o", `uat:oid:"1.2.3.4","mts-apdu","P1 Message"`) {
		if p1 := p.find("p1"); p1 != nil {
			dissected.Store(key, p1)
			return p1
		}
	}
	tb.Fatalf("tshark finds no MTS-APDU in %d octets", len(apdu))
	return nil
}

// tlv puts an identifier octet and a four-octet length before body.
func tlv(tag byte, body []byte) []byte {
	n := len(body)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}
