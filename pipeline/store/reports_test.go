package store

import (
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"x400flow/schema"
)

// report runs every statement of a report.
func report(t *testing.T, s *Store, name string, given map[string]string) [][]string {
	t.Helper()
	reports, err := schema.Reports()
	i := slices.IndexFunc(reports, func(r schema.Report) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no report %s, %v", name, err)
	}
	r := &reports[i]
	params := clickhouse.Parameters{}
	for _, p := range r.Params {
		v, ok := given[p.Name]
		if !ok {
			if p.Required {
				t.Fatalf("report %s needs %s", name, p.Name)
			}
			v = p.Default
		}
		params[p.Name] = v
	}
	for name := range given {
		if _, ok := params[name]; !ok {
			t.Fatalf("no parameter %s", name)
		}
	}
	var all [][]string
	for _, st := range r.Statements {
		res, err := s.Conn().QueryFormat(clickhouse.Context(t.Context(), clickhouse.WithParameters(params)), "TSV", st.SQL)
		if err != nil {
			t.Fatalf("%s, %s: %v", name, st.Title, err)
		}
		var rows []string
		if text := readAll(t, res); text != "" {
			rows = strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\t", " | "), "\n"), "\n")
		}
		if err := res.Close(); err != nil {
			t.Fatal(err)
		}
		all = append(all, rows)
	}
	return all
}

func TestReports(t *testing.T) {
	s := archive(t)
	insert(t, s, story(t))
	insert(t, s, func(b *schema.Batch) {
		for _, i := range []struct {
			source, from, to string
			packets          uint64
		}{
			{"a", "10:00:00", "10:01:00", 5}, {"a", "10:01:00", "10:02:00", 6}, {"a", "10:05:00", "10:06:00", 7}, {"b", "10:00:00", "10:01:00", 1},
		} {
			b.Coverage.Append(&schema.Interval{Sensor: []byte("tap"), Source: []byte(i.source), IntervalStart: at(t, i.from), IntervalEnd: at(t, i.to), Packets: i.packets, Segments: 2, DroppedKernel: 1})
		}
		for i, reason := range []string{"gap", "gap", "bad-length"} {
			b.Problems.Append(&schema.Problem{Problem: [16]byte{byte(i)}, Layer: "tcp", Reason: reason, OctetCount: 10, Octets: []byte{0xab, 0xcd},
				ClientAddress: []byte("::1"), ClientPort: 1, ServerAddress: []byte("::2"), ServerPort: 102, Time: at(t, "10:00:00") + int64(i)*1e9})
		}
		b.Operations.Append(&schema.Operation{Operation: [16]byte{9}, Protocol: "p3", Name: "cancel-deferred-delivery", CapturedAt: at(t, "10:00:20"),
			Outcome: "error", Error: []byte("deferred-delivery-cancellation-rejected"), Code: 7, ErrorCode: 8, MTSID: []byte("m1")})
	})
	for _, test := range []struct {
		report string
		given  map[string]string
		want   [][]string
	}{
		{"flows", nil, [][]string{{
			"1996-05-01 10:00:00 | alpha | beta | 1 | 1 | 0 | 1200 | 3",
			"1996-05-01 11:00:00 | beta | alpha | 0 | 0 | 1 | 300 | 2",
			"1996-05-01 11:00:00 | beta | gamma | 1 | 0 | 0 | 1100 | 2",
			"1996-05-01 11:00:00 | gamma | beta | 0 | 0 | 1 | 300 | 2",
			"1996-05-01 12:00:00 | 10.0.0.8 | 10.0.0.9 | 1 | 0 | 0 | 50 | 0",
		}}},
		{"flows", map[string]string{"from": "1996-05-01 11:30", "to": "1996-05-01 12:00:00"}, [][]string{{
			"1996-05-01 11:00:00 | beta | alpha | 0 | 0 | 1 | 300 | 2",
			"1996-05-01 11:00:00 | beta | gamma | 1 | 0 | 0 | 1100 | 2",
			"1996-05-01 11:00:00 | gamma | beta | 0 | 0 | 1 | 300 | 2",
		}}},
		{"days", nil, [][]string{storyDays}},
		{"days", map[string]string{"from": "1996-05-02"}, [][]string{nil}},
		{"days", map[string]string{"to": "1996-05-01"}, [][]string{nil}},
		{"messages", nil, [][]string{{
			"1996-05-01 10:00:00 | message | m1 | /S=Ann/ | ['/S=R1/','/S=R2/'] | ipm | urgent | 500 | alpha | beta |  | ",
			"1996-05-01 10:30:00 | probe | p1 | /S=Ann/ | ['/S=R1/'] |  |  | 0 | alpha | beta |  | ",
			"1996-05-01 11:02:00 | report | q1 | /S=Ann/ | ['/S=R1/','/S=R2/'] |  |  | 0 | gamma | beta | m1 | ",
			"1996-05-01 12:00:00 | message | m2 | /S=Bob/ | [] |  |  | 5 | 10.0.0.8 | 10.0.0.9 |  | ",
		}}},
		{"messages", map[string]string{"originator": "['%/s=ann/%']", "recipient": "['%r2%','%/s=%']"}, [][]string{{
			"1996-05-01 10:00:00 | message | m1 | /S=Ann/ | ['/S=R1/','/S=R2/'] | ipm | urgent | 500 | alpha | beta |  | ",
			"1996-05-01 11:02:00 | report | q1 | /S=Ann/ | ['/S=R1/','/S=R2/'] |  |  | 0 | gamma | beta | m1 | ",
		}}},
		{"messages", map[string]string{"originator": "['%/s=an/%']"}, [][]string{nil}},
		{"messages", map[string]string{"originator": "['%ann%']", "recipient": "['%/s=r1/%']", "limit": "1"}, [][]string{{
			"1996-05-01 10:00:00 | message | m1 | /S=Ann/ | ['/S=R1/','/S=R2/'] | ipm | urgent | 500 | alpha | beta |  | ",
		}}},
		{"messages", map[string]string{"recipient": "['%/s=r1%']", "from": "1996-05-01 10:30"}, [][]string{{
			"1996-05-01 10:30:00 | probe | p1 | /S=Ann/ | ['/S=R1/'] |  |  | 0 | alpha | beta |  | ",
			"1996-05-01 11:02:00 | report | q1 | /S=Ann/ | ['/S=R1/','/S=R2/'] |  |  | 0 | gamma | beta | m1 | ",
		}}},
		{"messages", map[string]string{"from": "1996-05-01T10:30:00Z", "to": "1996-05-01 11:02:00"}, [][]string{{
			"1996-05-01 10:30:00 | probe | p1 | /S=Ann/ | ['/S=R1/'] |  |  | 0 | alpha | beta |  | ",
		}}},
		{"trace", map[string]string{"mts_id": "m1"}, [][]string{
			{
				`1996-05-01 10:00:10.000000000 | message | m1 | /S=Ann/ |  | ipm | c1 | [] | urgent | \N | 500 | alpha | beta |  |  | tap1 |  | 0 | 0 | 00000000-0000-0000-0000-000000000001`,
				`1996-05-01 11:00:30.000000000 | message | m1 | /S=Ann/ |  | ipm | c1 | [] | urgent | \N | 500 | beta | gamma |  |  | tap1 |  | 0 | 0 | 00000000-0000-0000-0000-000000000002`,
			},
			{
				`1 | /S=R1/ | false | true | false |  |  | \N |  |  |  | `,
				`2 | /S=R2/ | false | false | false |  |  | \N |  |  |  | `,
			},
			{
				`domain | 1 | /ADMD=X/C=GB/ |  | 1996-05-01 10:00:00 | \N |  |  |  | \N | [] | 2`,
				`internal | 1 | /ADMD=X/C=GB/ | alpha | 1996-05-01 10:00:00 | \N |  |  |  | \N | [] | 2`,
				`internal | 2 | /ADMD=X/C=GB/ | beta | 1996-05-01 11:00:20 | 3620 |  |  |  | \N | [] | 1`,
			},
			{
				`1996-05-01 11:02:00 | q1 | 1 | /S=R1/ | delivered | 1996-05-01 11:01:05 |  |  |  | `,
				`1996-05-01 11:02:00 | q1 | 2 | /S=R2/ | not-delivered | \N | unable-to-transfer | unrecognised-OR-name | no such user | `,
			},
			{
				`1996-05-01 10:00:20.000000000 | p3 | cancel-deferred-delivery | error | deferred-delivery-cancellation-rejected | \N |  |  | 00000000-0000-0000-0000-000000000000`,
			},
		}},
		{"undelivered", nil, [][]string{{
			"1996-05-01 11:02:00 | m1 | /S=Ann/ | /S=R2/ | unable-to-transfer | unrecognised-OR-name | no such user | q1",
		}}},
		{"undelivered", map[string]string{"to": "1996-05-01 11:02:00"}, [][]string{nil}},
		{"coverage", nil, [][]string{{
			"tap | a | 1996-05-01 10:00:00.000000000 | 1996-05-01 10:02:00.000000000 | 11 | 4 | 2 | 0 | 0 | 0 | 0",
			"tap | a | 1996-05-01 10:05:00.000000000 | 1996-05-01 10:06:00.000000000 | 7 | 2 | 1 | 0 | 0 | 0 | 0",
			"tap | b | 1996-05-01 10:00:00.000000000 | 1996-05-01 10:01:00.000000000 | 1 | 2 | 1 | 0 | 0 | 0 | 0",
		}}},
		{"problems", map[string]string{"limit": "1"}, [][]string{
			{
				"tcp | gap | 2 | 20 | 1 | 1996-05-01 10:00:00.000000000 | 1996-05-01 10:00:01.000000000",
				"tcp | bad-length | 1 | 10 | 1 | 1996-05-01 10:00:02.000000000 | 1996-05-01 10:00:02.000000000",
			},
			{"1996-05-01 10:00:02.000000000 | tcp | bad-length |  |  | ::1 port 1 | ::2 port 102 |  | 0 | 10 | ABCD |  | 0 | 02000000-0000-0000-0000-000000000000"},
		}},
	} {
		got := report(t, s, test.report, test.given)
		if !slices.EqualFunc(got, test.want, slices.Equal[[]string]) {
			t.Errorf("%s %v: got", test.report, test.given)
			for i, rows := range got {
				t.Errorf("%d:\n%s\nwant\n%s", i, strings.Join(rows, "\n"), strings.Join(test.want[min(i, len(test.want)-1)], "\n"))
			}
		}
	}
}

// Every report that is offered runs, also in an empty archive.
func TestReportsOfNothing(t *testing.T) {
	s := archive(t)
	all, err := schema.Reports()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range all {
		names = append(names, r.Name)
		given := map[string]string{}
		for _, p := range r.Params {
			if p.Required {
				given[p.Name] = "x"
			}
		}
		for _, rows := range report(t, s, r.Name, given) {
			if rows != nil {
				t.Errorf("%s: %q from an empty archive", r.Name, rows)
			}
		}
	}
	if want := []string{"coverage", "days", "flows", "messages", "problems", "search", "trace", "undelivered"}; !slices.Equal(names, want) {
		t.Errorf("reports %q, want %q", names, want)
	}
}

// Subjects and texts are found by a part of them, in what is forwarded too, each
// message once; patterns have no meaning in them.
func TestSearch(t *testing.T) {
	s := archive(t)
	for range 2 { // As two readings.
		insert(t, s, func(b *schema.Batch) {
			for i, m := range []struct{ mts, path, subject, text string }{
				{"m1", "", "Gale warning", "Force 9\r\nexpected soon"}, {"m1", "", "Gale warning", "Force 9\r\nexpected soon"},
				{"m2", "", "Fwd", ""}, {"m2", "1", "GALE over", "100% of ÄRGER"}, {"m3", "", "Nightingale", "a_b"},
			} {
				apdu := [16]byte{byte(i + 1)}
				if m.path != "" {
					apdu = [16]byte{byte(i)}
				}
				at := at(t, "10:00:00") + int64(apdu[0])*60e9
				b.IPMs.Append(&schema.IPM{APDU: apdu, OriginTime: at, MTSID: []byte(m.mts), Path: []byte(m.path), Subject: []byte(m.subject)})
				if m.text != "" {
					b.BodyParts.Append(&schema.BodyPart{APDU: apdu, OriginTime: at, Path: []byte(m.path), Position: 1, Text: []byte(m.text), IsText: true})
				}
			}
		})
	}
	const again, rest = "1996-05-01 10:02:00", " | m1 |  |  | Gale warning | Force 9 expected soon"
	const m1, inM2, m3 = "1996-05-01 10:01:00" + rest, "1996-05-01 10:03:00 | m2 | 1 |  | GALE over | 100% of ÄRGER", "1996-05-01 10:05:00 | m3 |  |  | Nightingale | a_b"
	for _, test := range []struct {
		given map[string]string
		want  []string
	}{
		{map[string]string{"subject": "gale"}, []string{m1, inM2, m3}},
		{map[string]string{"subject": "Gale warn"}, []string{m1}},
		{map[string]string{"subject": "gale", "from": "1996-05-01 10:02"}, []string{again + rest, inM2, m3}},
		{map[string]string{"subject": "gale", "limit": "1"}, []string{m1}},
		{map[string]string{"text": "expected"}, []string{m1}},
		{map[string]string{"text": "ärger"}, []string{inM2}},
		{map[string]string{"text": "100%"}, []string{inM2}},
		{map[string]string{"text": "a_b"}, []string{m3}},
		{map[string]string{"text": "a%b"}, nil},
		{map[string]string{"text": "force", "subject": "gale"}, []string{m1}},
		{map[string]string{"text": "force", "subject": "fwd"}, nil},
		{nil, nil},
	} {
		if got := report(t, s, "search", test.given)[0]; !slices.Equal(got, test.want) {
			t.Errorf("%v: got %q, want %q", test.given, got, test.want)
		}
	}
}
