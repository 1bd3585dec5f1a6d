package schema

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"x400flow/schema/ddl"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A Migration is one step from an empty database to the schema.
type Migration struct {
	// Number is its place, from 1.
	Number int
	// Name is that of its file without the number: tables.
	Name string
	// Digest is the SHA-256 of its file, hexadecimal.
	Digest string

	source string
	tables []ddl.Table
}

// Migrations returns all migrations in order.
func Migrations() ([]Migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []Migration
	var tables []ddl.Table
	for i, f := range files {
		b, err := migrationFiles.ReadFile(f)
		if err != nil {
			return nil, err
		}
		digits, name, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(f, "migrations/"), ".sql"), "_")
		n, err := strconv.Atoi(digits)
		if err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s: number %d was expected", f, i+1)
		}
		made, err := ddl.Parse(string(b))
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", f, err)
		}
		tables = append(slices.Clone(tables), made...)
		sum := sha256.Sum256(b)
		all = append(all, Migration{Number: n, Name: name, Digest: hex.EncodeToString(sum[:]), source: string(b), tables: tables})
	}
	return all, nil
}

// Statements returns the migration's statements in order. Each may be run again,
// or by several programs at once: it then changes nothing.
func (m *Migration) Statements(f Form) ([]string, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("migration %d: %w", m.Number, err)
	}
	p := placer{form: f, placed: map[string]string{}}
	t, err := template.New(m.Name).Option("missingkey=error").Funcs(template.FuncMap{
		"table":     p.table,
		"engine":    p.engine,
		"partition": f.partition,
		"name":      f.name,
		"local":     f.Local,
		"view":      func(name string) (string, error) { return m.view(f, name) },
		"flows":     f.flows,
	}).Parse(m.source)
	if err != nil {
		return nil, fmt.Errorf("migration %d: %w", m.Number, err)
	}
	var b strings.Builder
	if err := t.Execute(&b, nil); err != nil {
		return nil, fmt.Errorf("migration %d: %w", m.Number, err)
	}
	return p.withDistributed(split(b.String())), nil
}

// split takes statements apart, each of which ends with ";" at the end of a line.
func split(sql string) []string {
	var all []string
	for s := range strings.SplitSeq(sql+"\n", ";\n") {
		// Comments and empty lines before a statement are not part of it.
		for {
			s = strings.TrimSpace(s)
			if !strings.HasPrefix(s, "--") {
				break
			}
			_, s, _ = strings.Cut(s, "\n")
		}
		if s != "" {
			all = append(all, s)
		}
	}
	return all
}

// view returns the statement that makes the view of a storage table, to which a
// condition, settings and the comment may be added.
func (m *Migration) view(f Form, name string) (string, error) {
	i := slices.IndexFunc(m.tables, func(t ddl.Table) bool { return t.Name == name })
	if i < 0 {
		return "", fmt.Errorf("no table %s", name)
	}
	t := &m.tables[i]
	var columns, values []string
	for _, c := range t.Columns {
		if c.Hidden {
			continue
		}
		typ, value := shown(&c)
		columns = append(columns, "    "+c.Name+" "+typ+" COMMENT "+ddl.Quote(c.Comment))
		if value != c.Name {
			value += " AS " + c.Name
		}
		values = append(values, "    "+value)
	}
	return "CREATE OR REPLACE VIEW " + f.name(name) + "\n(\n" + strings.Join(columns, ",\n") + "\n)\nAS SELECT\n" +
		strings.Join(values, ",\n") + "\nFROM " + t.Store() + " FINAL", nil
}

// flowsView is what the views of traffic from MTA to MTA have in common, each with
// a bucket of time of its own.
const flowsView = `CREATE OR REPLACE VIEW {view}
(
    {bucket} {type} COMMENT '{title} of the sighting, capture time, UTC',
    sending_mta String COMMENT 'MTA-name of the sending side (X.411 12.1.1); its address where the bind was not seen',
    receiving_mta String COMMENT 'MTA-name of the receiving side (X.411 12.1.1); its address where the bind was not seen',
    messages UInt64 COMMENT 'Messages, each once',
    probes UInt64 COMMENT 'Probes, each once',
    reports UInt64 COMMENT 'Reports, each once',
    octets UInt64 COMMENT 'Octets of these MTS-APDUs, each once',
    recipients UInt64 COMMENT 'Recipients of these messages and probes, and those that the reports tell of'
)
AS SELECT
    {bucket},
    sending_mta,
    receiving_mta,
    countIf(kind = 'message') AS messages,
    countIf(kind = 'probe') AS probes,
    countIf(kind = 'report') AS reports,
    sum(size) AS octets,
    sum(recipient_count) AS recipients
FROM
(
    -- The bucket is part of the key, so that a condition on it is one on messages.
    SELECT
        {value} AS {bucket},
        if(m.sending_mta = '', m.source_address, m.sending_mta) AS sending_mta,
        if(m.receiving_mta = '', m.destination_address, m.receiving_mta) AS receiving_mta,
        m.kind AS kind,
        if(m.mts_id = '', toString(m.apdu), m.mts_id) AS id,
        max(m.apdu_size) AS size,
        max(m.recipient_count) AS recipient_count
    FROM messages AS m
    WHERE m.kind IN ('message', 'probe', 'report')
    GROUP BY {bucket}, sending_mta, receiving_mta, kind, id
)
GROUP BY {bucket}, sending_mta, receiving_mta`

// flows returns the statement that makes a view of traffic by hour or by day, to
// which the comment may be added.
func (f Form) flows(name, bucket string) (string, error) {
	var typ, title, value string
	switch bucket {
	case "hour":
		typ, title, value = "DateTime('UTC')", "Hour", "toStartOfHour(toDateTime(m.captured_at, 'UTC'))"
	case "day":
		typ, title, value = "Date", "Day", "toDate(m.captured_at)"
	default:
		return "", fmt.Errorf("flows by %s: by hour or day", bucket)
	}
	return strings.NewReplacer("{view}", f.name(name), "{bucket}", bucket, "{type}", typ, "{title}", title, "{value}", value).Replace(flowsView), nil
}

// shown returns the type and the value that a view has for a stored column.
func shown(c *ddl.Column) (typ, value string) {
	// The table's name tells the stored column from what is made of it.
	switch {
	case c.Null && (c.Type == "Int32" || c.Type == "Int64"):
		return "Nullable(" + c.Type + ")", "nullIf(" + c.Name + ", -1)"
	case c.Null:
		return "Nullable(" + c.Type + ")", "nullIf(" + c.Name + ", toDateTime64(0, 0, 'UTC'))"
	case c.List:
		return "Array(String)", "arrayFilter(x -> x != '', splitByChar(',', toString(" + c.Name + ")))"
	case c.Hex:
		return "String", "lower(hex(" + c.Name + "))"
	}
	return c.Type, c.Name
}

// Days is a number of days.
type Days uint32

// expiring are the tables whose rows may expire, by what Retention calls them
// and the column from which the time counts: capture times, since those that a
// message states may be false.
var expiring = map[string]struct{ class, column string }{
	"associations_store":        {"associations", "last_seen"},
	"messages_store":            {"messages", "captured_at"},
	"recipients_store":          {"messages", "captured_at"},
	"trace_store":               {"messages", "captured_at"},
	"extensions_store":          {"messages", "captured_at"},
	"bilateral_store":           {"messages", "captured_at"},
	"contents_store":            {"contents", "captured_at"},
	"ipms_store":                {"contents", "captured_at"},
	"ipm_recipients_store":      {"contents", "captured_at"},
	"ipm_references_store":      {"contents", "captured_at"},
	"ipm_extensions_store":      {"contents", "captured_at"},
	"ipm_extension_items_store": {"contents", "captured_at"},
	"body_parts_store":          {"contents", "captured_at"},
	"operations_store":          {"messages", "captured_at"},
	"problems_store":            {"problems", "time"},
	"coverage_store":            {"coverage", "interval_end"},
}

// Retention says after how many days rows expire: of messages (with recipients,
// trace, extensions, bilateral and operations), contents (with what is decoded of
// them), problems, associations and
// coverage. What is 0 or absent stays for ever.
type Retention map[string]Days

// ParseRetention reads a Retention such as contents=90,messages=730.
func ParseRetention(s string) (Retention, error) {
	r := Retention{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		class, number, _ := strings.Cut(part, "=")
		days, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("retention %q: it is written like contents=90, in days up to 65535", part)
		}
		if _, ok := r[class]; ok {
			return nil, fmt.Errorf("retention of %s is there twice", class)
		}
		r[class] = Days(days)
	}
	_, err := r.TTLs()
	return r, err
}

// String returns r as ParseRetention reads it.
func (r Retention) String() string {
	var all []string
	for _, class := range slices.Sorted(maps.Keys(r)) {
		all = append(all, fmt.Sprintf("%s=%d", class, r[class]))
	}
	return strings.Join(all, ",")
}

// TTL is how rows of a table expire.
type TTL struct {
	Table string
	// Expression is what follows TTL, such as
	// toDateTime(captured_at) + toIntervalDay(90); empty for never.
	Expression string
}

// TTLs returns the TTL of every table that may have one, in order of name.
func (r Retention) TTLs() ([]TTL, error) {
	var all []TTL
	for _, name := range slices.SortedFunc(maps.Keys(expiring), cmp.Compare[string]) {
		e := expiring[name]
		t := TTL{Table: name}
		if days := r[e.class]; days > 0 {
			t.Expression = fmt.Sprintf("toDateTime(%s) + toIntervalDay(%d)", e.column, days)
		}
		all = append(all, t)
	}
	for class := range r {
		if known := RetentionClasses(); !slices.Contains(known, class) {
			return nil, fmt.Errorf("retention of %q: it is one of %s", class, strings.Join(known, ", "))
		}
	}
	return all, nil
}

// RetentionClasses returns what a Retention may name.
func RetentionClasses() []string {
	known := map[string]bool{}
	for _, e := range expiring {
		known[e.class] = true
	}
	return slices.Sorted(maps.Keys(known))
}
