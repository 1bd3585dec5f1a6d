package main

import (
	"encoding/json"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamePatterns(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"S=Smith;O=ACME", "['%/s=smith/%','%/o=acme/%']"},
		{"Smith", "['%smith%']"},
		{"50%_", `['%50\\%\\_%']`},
		{"O'Neil", `['%o\'neil%']`},
		{"OU=x", "['%/ou_=x/%']"},
	} {
		got, err := namePatterns(test.text)
		if err != nil || got != test.want {
			t.Errorf("%s: %s %v, want %s", test.text, got, err, test.want)
		}
	}
	if _, err := namePatterns("S=a;X=b"); err == nil || !strings.Contains(err.Error(), `"X"`) {
		t.Errorf("error %v", err)
	}
}

// TestMessage finds messages by attributes of an OR-name, shows one and exports
// it.
func TestMessage(t *testing.T) {
	archive := demonstration(t)
	const r1, r3 = "[/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]", "[/PRMD=TestGamma/ADMD=AMHS/C=XX/;r3.000003]"

	for _, test := range []struct {
		name  string
		found bool
	}{
		{"S=nobody;O=Alpha Org;C=XX", true}, {"/C=XX/ADMD=AMHS/PRMD=TestAlpha/S=NOBODY/", true}, {"s=no*;A=amhs", true},
		{"nobody", true}, {"S=nobod", false}, {"S=nobody;O=Beta Org", false}, {"G=nobody", false},
	} {
		got := run(t, "-store", archive, "messages", "-recipient", test.name)
		if found := strings.Contains(got, r3); found != test.found {
			t.Errorf("-recipient %s finds it: %v", test.name, found)
		}
	}
	// DDAs of EAN's messages.
	if got := run(t, "-store", archive, "messages", "-originator", "DDA:=busch;PRMD=dfn"); !strings.Contains(got, "851114171228") {
		t.Errorf("by domain-defined attribute: %s", got)
	}

	shown := run(t, "-store", archive, "show", r3)
	for _, want := range []string{
		"Message " + r3, "Originator             /C=XX/ADMD=AMHS/PRMD=TestGamma/O=Gamma Org/S=gil/G=Ann/", "Subject                Non delivery expected",
		"gamma-mta in /PRMD=TestGamma/ADMD=AMHS/C=XX/", "not delivered, unable-to-transfer, unrecognised-OR-name", "\nbounce me\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("show does not tell %q:\n%s", want, shown)
		}
	}

	m, err := mail.ReadMessage(strings.NewReader(run(t, "-store", archive, "export", r1, "-as", "eml")))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(m.Body); m.Header.Get("Subject") != "Relay one" || string(b) != "Relayed message one\r\n" {
		t.Errorf("eml: %v %q", m.Header, b)
	}
	var object map[string][]map[string]any
	if err := json.Unmarshal([]byte(run(t, "-store", archive, "export", "-as", "json", r3)), &object); err != nil {
		t.Fatal(err)
	}
	if len(object["messages"]) != 1 || object["body_parts"][0]["text"] != "bounce me\r\n" || len(object["reports"]) == 0 {
		t.Errorf("json: %v", object)
	}
	// The receiving stack delivered this APDU, wrapped in an EXTERNAL.
	truth, err := os.ReadFile("../../testdata/mta/truth/apdus/n20-normal-std88-messages-and-probe.resp.03.apdu")
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, "-store", archive, "export", r3); len(got) < 400 || !strings.Contains(string(truth), got) {
		t.Errorf("ber: %d octets that are not those delivered", len(got))
	}

	// Special characters reach LIKE as they are meant: of these keys, the
	// patterns find the one that was typed.
	keys := []string{`/o=a\/b/`, `/o=a_b/`, `/o=a%b/`, `/o=a'b/`, `/o=axb/`, `/o=a b/`}
	for i, text := range []string{`/O=a\/b/`, "O=a_b", "O=a%b", "O=a'b", "O=axb", "O=a  b"} {
		patterns, err := namePatterns(text)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, k := range keys {
			list = append(list, "'"+strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(k)+"'")
		}
		got := run(t, "-store", archive, "-format", "TSVRaw", "-p", "x="+patterns,
			"SELECT k FROM (SELECT arrayJoin(["+strings.Join(list, ",")+"]) AS k) WHERE arrayAll(p -> k LIKE p, {x:Array(String)})")
		if strings.TrimRight(got, "\n") != keys[i] {
			t.Errorf("%s finds %q, want %s", text, got, keys[i])
		}
	}
}

// run runs the command and returns what it prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var messages strings.Builder
	if err := command(t.Context(), args, os.Stdin, out, &messages); err != nil {
		t.Fatalf("query %s: %v\n%s", strings.Join(args, " "), err, &messages)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
