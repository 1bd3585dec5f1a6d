package ledger

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	seven, at := 7, time.Date(2024, 3, 5, 8, 0, 0, 123, time.UTC)
	want := []Entry{
		{Association: &Association{ID: 1, Class: ClassX400, Opened: at, Bind: "refused", BindError: &seven}},
		{Sighting: &Sighting{Association: 1, Kind: KindReport, Whole: true, APDU: APDU{
			Identifier: MTSIdentifier{Text: "[/ADMD=A/C=XX/;1]", C: "XX", ADMD: "A", Local: "1"},
			Trace:      []TraceElement{{Domain: "/ADMD=A/C=XX/", Arrival: at}},
			Recipients: []Recipient{{Number: 1, Name: Address{Text: "/S=<&>/", Attributes: []Attribute{{"S", "<&>"}}}, Reason: &seven}},
		}}},
		{Incomplete: &Incomplete{Association: 1, Why: "discarded"}},
		{Summary: &Summary{Seed: 1<<64 - 1, Associations: map[string]int{ClassX400: 1}}},
	}
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, e := range want {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != len(want) {
		t.Errorf("%d lines of %d entries", n, len(want))
	}
	r := NewReader(bytes.NewReader(b.Bytes()))
	for i := range want {
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("entry %d is %+v, want %+v", i, got, want[i])
		}
	}
	l, err := ReadAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Associations) != 1 || len(l.Sightings) != 1 || len(l.Incomplete) != 1 || l.Summary.Seed != 1<<64-1 {
		t.Errorf("the whole is %+v", l)
	}
}

func TestReaderRefuses(t *testing.T) {
	for _, s := range []string{`{"other":{}}`, `{"summary":{"seed":-1}}`, `{"sighting":`, `x`} {
		if _, err := ReadAll(strings.NewReader(s)); err == nil {
			t.Errorf("%s is taken", s)
		}
	}
}

func TestGet(t *testing.T) {
	a := &Address{Attributes: []Attribute{{"C", "GB"}, {"ADMD", ""}}}
	for typ, want := range map[string]struct {
		v  string
		ok bool
	}{"C": {"GB", true}, "ADMD": {"", true}, "S": {"", false}} {
		if v, ok := a.Get(typ); v != want.v || ok != want.ok {
			t.Errorf("%s: %q %v", typ, v, ok)
		}
	}
	if _, ok := (*Address)(nil).Get("C"); ok {
		t.Error("an absent address has a country")
	}
}
