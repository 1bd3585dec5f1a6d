package schema

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	replicated  = regexp.MustCompile(`Replicated((?:Replacing|Summing)MergeTree)\('/clickhouse/tables/\{shard\}/\{database\}/\{table\}', '\{replica\}', (\w+)\)`)
	distributes = regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS (\w+)_store ON CLUSTER 'x400' AS (\w+)_shard\nENGINE = Distributed\('x400', currentDatabase\(\), '(\w+)_shard', cityHash64\((\w+)\)\)\nCOMMENT '.*'$`)
	sortedBy    = regexp.MustCompile(`\nORDER BY \(?([\w, ]+)\)?\n`)
)

// The two forms differ in engine and ON CLUSTER alone, statement by statement;
// and behind each table on the shards a cluster has the one over them, placed by
// what keeps equal rows, and all of an MTS-APDU, on one shard.
func TestFormsAgree(t *testing.T) {
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	tables, others := 0, 0
	for _, m := range all {
		one, err := m.Statements(Form{})
		if err != nil {
			t.Fatal(err)
		}
		many, err := m.Statements(Form{Cluster: "x400"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range one {
			got := many[0]
			many = many[1:]
			if strings.Count(got, " ON CLUSTER 'x400'") != 1 {
				t.Errorf("%d times ON CLUSTER in %.80q", strings.Count(got, " ON CLUSTER 'x400'"), got)
			}
			got = strings.Replace(got, " ON CLUSTER 'x400'", "", 1)
			if name, isTable := strings.CutPrefix(want, "CREATE TABLE IF NOT EXISTS "); isTable {
				tables++
				name, _, _ = strings.Cut(name, "_store\n")
				got = strings.Replace(got, "EXISTS "+name+"_shard\n", "EXISTS "+name+"_store\n", 1)
				if !replicated.MatchString(got) {
					t.Errorf("not replicated: %.80q", got)
				}
				got = replicated.ReplaceAllString(got, "$1($2)")
				over := distributes.FindStringSubmatch(many[0])
				many = many[1:]
				if over == nil || over[1] != name || over[2] != name || over[3] != name {
					t.Fatalf("%s: no table over the shards, but %q", name, over)
				}
				key := strings.Split(sortedBy.FindStringSubmatch(want)[1], ", ")
				if !slices.Contains(key, over[4]) {
					t.Errorf("%s: placed by %s, which is not in the sorting key %q: equal rows might not meet", name, over[4], key)
				}
				if slices.Contains(key, "apdu") && over[4] != "apdu" {
					t.Errorf("%s: placed by %s, not with the rest of its MTS-APDU", name, over[4])
				}
			} else {
				others++
				if strings.HasPrefix(want, "CREATE MATERIALIZED VIEW ") {
					// It fills a server's own table from another of its own.
					got = strings.ReplaceAll(got, "_shard\n", "_store\n")
				}
			}
			if got != want {
				t.Errorf("the forms differ:\n%s\n%s", got, want)
			}
		}
		if len(many) != 0 {
			t.Errorf("migration %d: more for a cluster: %q", m.Number, many)
		}
	}
	if tables < Tables || others < Tables {
		t.Errorf("%d tables and %d other statements", tables, others)
	}
}

// What is looked up in another Distributed table is looked up once for all
// shards: a view that forgets GLOBAL is refused by a cluster, or wrong.
func TestLookUpsAreGlobal(t *testing.T) {
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	in := regexp.MustCompile(`(?i)\b(GLOBAL\s+)?(NOT\s+)?IN\s*\(\s*(?:--[^\n]*\s*)*SELECT`)
	found := 0
	for _, m := range all {
		statements, err := m.Statements(Form{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			for _, match := range in.FindAllStringSubmatch(s, -1) {
				found++
				if match[1] == "" {
					first, _, _ := strings.Cut(s, "\n")
					t.Errorf("%s: %q is not GLOBAL", first, match[0])
				}
			}
		}
	}
	if found < 3 {
		t.Errorf("%d look-ups found", found)
	}
}

func TestForms(t *testing.T) {
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		form       Form
		has, fails string
	}{
		{Form{}, "PARTITION BY toYYYYMM(", ""},
		{Form{Partition: Month}, "PARTITION BY toYYYYMM(", ""},
		{Form{Partition: Day}, "PARTITION BY toYYYYMMDD(", ""},
		{Form{Partition: "week"}, "", "it is month or day"},
		{Form{Cluster: "a'b"}, "", "a name is letters"},
		{Form{Cluster: "a.b-c_1"}, "ON CLUSTER 'a.b-c_1'", ""},
	} {
		statements, err := all[0].Statements(test.form)
		if _, err2 := test.form.MigrationsTable(); (err2 == nil) != (err == nil) {
			t.Errorf("%+v: %v, but schema_migrations: %v", test.form, err, err2)
		}
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%+v: %v, want an error with %q", test.form, err, test.fails)
			}
			continue
		}
		if err != nil || !strings.Contains(strings.Join(statements, "\n"), test.has) {
			t.Errorf("%+v: %v, or no %q", test.form, err, test.has)
		}
	}
	if got := (Form{}).Local("messages_store"); got != "messages_store" {
		t.Errorf("one engine holds messages in %s", got)
	}
	if got := (Form{Cluster: "c"}).Local("messages_store"); got != "messages_shard" {
		t.Errorf("a server of a cluster holds messages in %s", got)
	}
}
