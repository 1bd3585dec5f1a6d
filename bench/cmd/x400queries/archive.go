package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/errgroup"

	"x400flow/bench/generate"
	"x400flow/engine"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// start is when the archive begins.
var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// duplicates is the share of messages that are there twice: one of so many.
const duplicates = 20

// seedDatabase holds the rows that all others are made of.
const seedDatabase = "seed"

// maker makes an archive.
type maker struct {
	st     *store.Store
	ctx    context.Context
	copies int
	// span is how long a copy takes, in nanoseconds.
	span   int64
	tables []string
}

// makeArchive makes the archive of o.dir, or goes on where it was interrupted, and
// does nothing with one that is whole.
func makeArchive(ctx context.Context, o *options, started engine.Options) error {
	_, err := os.Stat(o.dir)
	missing := os.IsNotExist(err)
	if missing {
		err = seed(ctx, o)
	}
	if err != nil {
		return err
	}
	st, err := store.Open(store.Options{Target: o.dir, Program: "x400queries", Engine: started})
	if err != nil {
		return err
	}
	defer st.Close()
	m := &maker{st: st, ctx: with(ctx, clickhouse.Settings{
		"max_partitions_per_insert_block": 0,
		"min_insert_block_size_rows":      1 << 20,
		"min_insert_block_size_bytes":     512 << 20,
		"max_block_size":                  16 << 10,
		"max_insert_threads":              1,
		"max_execution_time":              0,
	})}
	// The seed is kept until all is made; without it the archive is whole.
	steps := []func(*options) error{m.measureSeed, m.multiply, m.watch, m.duplicate, m.count, m.dropSeed}
	kept, err := one[uint64](m.ctx, st.Conn(), "SELECT count() FROM system.tables WHERE database = '"+seedDatabase+"' AND name = 'made'")
	switch {
	case err != nil:
		return err
	case kept > 0:
		slog.Info("going on where the archive was interrupted")
	case missing:
		steps = slices.Insert(steps, 0, m.keepSeed)
	default:
		return nil
	}
	for _, step := range steps {
		if err := step(o); err != nil {
			return err
		}
	}
	return nil
}

// seed generates messages and archives them.
func seed(ctx context.Context, o *options) error {
	dir, err := os.MkdirTemp(filepath.Dir(o.dir), "x400queries")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "seed.pcap")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	g := generate.DefaultOptions()
	g.Messages = o.seed
	g.AccessRate = 0.05
	_, err = generate.Run(g, generate.Output{Capture: f})
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, o.ingest, "-r", name, "-store", o.dir)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	c.Env = append(os.Environ(), "X400FLOW_ENGINE_IDLE=1s")
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", o.ingest, err)
	}
	return nil
}

func (m *maker) exec(sql string) error {
	if err := m.st.Conn().Exec(m.ctx, sql); err != nil {
		return fmt.Errorf("%w in %.2000s", err, sql)
	}
	return nil
}

// column is a column of a storage table.
type column struct{ name, typ string }

func (m *maker) columns(table string) (all []column, err error) {
	rows, err := m.st.Conn().Query(m.ctx, "SELECT name, type FROM system.columns WHERE database = 'default' AND table = '"+table+"' ORDER BY position")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typ); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// keepSeed moves what was archived into a database of its own, its times
// stretched: what belongs to one message, its reports too, by the same some
// minutes more, so that messages do not come in bursts.
func (m *maker) keepSeed(o *options) error {
	conn := m.st.Conn()
	n, err := one[uint64](m.ctx, conn, "SELECT count() FROM messages")
	if err != nil {
		return err
	}
	end, err := one[int64](m.ctx, conn, "SELECT toUnixTimestamp64Nano(max(captured_until)) FROM messages")
	if err != nil {
		return err
	}
	began, err := one[int64](m.ctx, conn, "SELECT toUnixTimestamp64Nano(min(captured_at)) FROM messages")
	if err != nil {
		return err
	}
	m.spread(o, n)
	// Longer by so much, the copies, one behind the other, fill the archive's time.
	stretch := max(1, m.span/(end-began+1))
	slog.Info("seed archived", "messages", n, "copies", m.copies, "stretched", stretch)
	if err := m.exec("CREATE DATABASE " + seedDatabase); err != nil {
		return err
	}
	var b schema.Batch
	for _, t := range b.All() {
		table := t.Table()
		rows, err := one[uint64](m.ctx, conn, "SELECT count() FROM "+table)
		if err != nil {
			return err
		}
		if rows == 0 || table == "coverage_store" || table == "progress_store" || table == "captures_store" {
			continue
		}
		columns, err := m.columns(table)
		if err != nil {
			return err
		}
		later, join := "0", ""
		var values []string
		for _, c := range columns {
			if c.name == "apdu" {
				later = "x.later"
				join = " LEFT JOIN (SELECT apdu, toInt64(cityHash64(if(subject_mts_id = '', mts_id, subject_mts_id)) % " + fmt.Sprint(stretch) + ") AS later FROM messages_store FINAL) AS x ON x.apdu = t.apdu"
			}
		}
		for _, c := range columns {
			v := "t." + c.name
			switch {
			case c.typ == "DateTime64(9, 'UTC')":
				v = fmt.Sprintf("if(toUnixTimestamp64Nano(%s) <= 0, %s, fromUnixTimestamp64Nano(%d + (toUnixTimestamp64Nano(%s) - %d) * %d + %s * 1000000000, 'UTC'))",
					v, v, start.UnixNano(), v, began, stretch, later)
			case strings.HasPrefix(c.typ, "DateTime64(0"):
				// What lies far from the capture, a file's date say, stays where it is.
				v = fmt.Sprintf("if(abs(toUnixTimestamp(toDateTime(%s, 'UTC')) - %d) > 86400, %s, toDateTime64(%d + (toInt64(toUnixTimestamp(toDateTime(%s, 'UTC'))) - %d) * %d + %s, 0, 'UTC'))",
					v, began/1e9, v, start.Unix(), v, began/1e9, stretch, later)
			}
			values = append(values, v+" AS "+c.name)
		}
		kept := seedDatabase + "." + table
		if err := m.exec("CREATE TABLE " + kept + " ENGINE = MergeTree ORDER BY tuple() AS SELECT " + strings.Join(values, ", ") + " FROM (SELECT * FROM " + table + " FINAL) AS t" + join); err != nil {
			return err
		}
	}
	stored, err := m.list("SELECT name FROM system.tables WHERE database = 'default' AND engine LIKE '%MergeTree' AND name != 'schema_migrations'")
	if err != nil {
		return err
	}
	for _, table := range stored {
		if err := m.exec("TRUNCATE TABLE " + table); err != nil {
			return err
		}
	}
	return m.exec("CREATE TABLE " + seedDatabase + ".made (what String, copies UInt32) ENGINE = MergeTree ORDER BY what")
}

// list returns the only column of a query.
func (m *maker) list(sql string) (all []string, err error) {
	rows, err := m.st.Conn().Query(m.ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// spread says how many copies of a seed of n messages are made, and how long each
// takes.
func (m *maker) spread(o *options, n uint64) {
	m.copies = max(1, (o.messages+int(n)/2)/int(n))
	m.span = int64(o.days) * 24 * 3600 * 1e9 / int64(m.copies)
}

// measureSeed finds out what there is to multiply.
func (m *maker) measureSeed(o *options) error {
	n, err := one[uint64](m.ctx, m.st.Conn(), "SELECT count() FROM "+seedDatabase+".messages_store")
	if err != nil {
		return err
	}
	m.spread(o, n)
	m.tables, err = m.list("SELECT name FROM system.tables WHERE database = '" + seedDatabase + "' AND endsWith(name, '_store') ORDER BY name")
	return err
}

// once does what is not yet noted as done, and notes it.
func (m *maker) once(ctx context.Context, made map[string]int, what string, copies int, sql string) error {
	if made[what] >= copies {
		return nil
	}
	if err := m.st.Conn().Exec(ctx, sql); err != nil {
		return fmt.Errorf("%w in %.2000s", err, sql)
	}
	return m.st.Conn().Exec(ctx, fmt.Sprintf("INSERT INTO %s.made VALUES ('%s', %d)", seedDatabase, what, copies))
}

// The vocabulary of subjects and texts: words of three syllables, the n-th of
// which is found about as often as 1/n, as words are.
const (
	syllables  = "['ba','do','fi','gu','ka','le','mo','nu','pa','ri','so','tu','va','we','xo','za','che','bri','sta','ple','tro','gan','mer','lon','sil','ver','dra','kel','nor','pin','tas','und','ost','wig','zel','hul','jam','qui','yor','eth']"
	vocabulary = 40 * 40 * 20
	vocab      = "(SELECT groupArray(w) FROM (SELECT arrayElement(" + syllables + ", 1 + number % 40) || arrayElement(" + syllables + ", 1 + intDiv(number, 40) % 40) || arrayElement(" + syllables + ", 1 + intDiv(number, 1600)) AS w FROM numbers(40 * 40 * 20) ORDER BY cityHash64(number))) AS vocab"
)

// word is the SQL of a word that the hash, an expression of a UInt64, draws.
func word(hash string) string {
	return fmt.Sprintf("vocab[toUInt32(pow(%d, (%s %% 1000003) / 1000003))]", vocabulary, hash)
}

// surnames are how many surnames are made of one; the suffix is two letters.
const surnames = 200

// derive is the SQL that makes a copy's value of a seed's. The copy is k.
func derive(table string, c column, all []column) string {
	has := func(name string) bool {
		for _, o := range all {
			if o.name == name {
				return true
			}
		}
		return false
	}
	v := "t." + c.name
	// Who it is depends on the message, so that its reports name the same.
	whose := "t.apdu"
	switch {
	case has("subject_mts_id"):
		whose = "if(t.subject_mts_id = '', t.mts_id, t.subject_mts_id)"
	case has("mts_id") && table != "ipms_store":
		whose = "t.mts_id"
	}
	suffix := fmt.Sprintf("char(97 + cityHash64(%s, k) %% %d %% 20, 97 + intDiv(cityHash64(%s, k) %% %d, 20))", whose, surnames, whose, surnames)
	// named gives the surname in a name, which may be in the key's small letters.
	named := func(surname string) string {
		return fmt.Sprintf("if(%s = '', %s, replaceOne(%s, concat('/S=', %s, '/'), concat('/S=', %s, %s, '/')))", surname, v, v, surname, surname, suffix)
	}
	keyed := func(surname string) string {
		return fmt.Sprintf("if(%s = '', %s, replaceOne(%s, concat('/s=', lowerUTF8(%s), '/'), concat('/s=', lowerUTF8(%s), %s, '/')))", surname, v, v, surname, surname, suffix)
	}
	switch {
	case c.typ == "UUID":
		return fmt.Sprintf("if(%s = toUUID('00000000-0000-0000-0000-000000000000'), %s, reinterpretAsUUID(sipHash128(%s, k)))", v, v, v)
	case c.typ == "FixedString(32)":
		return fmt.Sprintf("if(%s = toFixedString('', 32), %s, toFixedString(concat(sipHash128(%s, k), sipHash128(k, %s)), 32))", v, v, v, v)
	case c.typ == "DateTime64(9, 'UTC')":
		return fmt.Sprintf("if(toUnixTimestamp64Nano(%s) <= 0, %s, %s + toIntervalNanosecond(k * span))", v, v, v)
	case strings.HasPrefix(c.typ, "DateTime64(0"):
		return fmt.Sprintf("if(%s <= toDateTime64(0, 0, 'UTC'), %s, %s + toIntervalSecond(intDiv(k * span, 1000000000)))", v, v, v)
	}
	switch c.name {
	case "mts_id", "subject_mts_id", "delivery_mts_id":
		return fmt.Sprintf("if(%s = '', '', concat(substring(%s, 1, length(%s) - 1), '.', lower(hex(toUInt16(k))), ']'))", v, v, v)
	case "mts_id_local", "subject_local", "ipm_id_local", "content_identifier":
		return fmt.Sprintf("if(%s = '', '', concat(%s, '.', lower(hex(toUInt16(k)))))", v, v)
	case "ipm_id", "replied_to":
		return fmt.Sprintf("if(%s = '', '', concat(substringIndex(%s, '*', 1), '.', lower(hex(toUInt16(k))), substring(%s, length(substringIndex(%s, '*', 1)) + 1)))", v, v, v, v)
	case "originator", "originator_name":
		return named("t.originator_surname")
	case "originator_key":
		return keyed("t.originator_surname")
	case "recipient", "descriptor":
		if has("surname") {
			return named("t.surname")
		}
	case "recipient_key":
		if has("surname") {
			return keyed("t.surname")
		}
	case "surname", "originator_surname":
		return fmt.Sprintf("if(%s = '', '', concat(%s, %s))", v, v, suffix)
	case "community_id":
		return "concat('1:', base64Encode(substring(sipHash128(t.association, k) || sipHash128(k, t.association), 1, 20)))"
	case "session_id":
		return fmt.Sprintf("concat(%s, toString(k))", v)
	case "source":
		return "concat('tap-', leftPad(toString(k), 4, '0'), '.pcap')"
	case "tcp_sequence":
		return fmt.Sprintf("toUInt32(cityHash64(%s, k))", v)
	case "client_port", "source_port":
		return fmt.Sprintf("if(%s = 102, %s, toUInt16(1024 + cityHash64(%s, k) %% 64000))", v, v, v)
	case "subject":
		return fmt.Sprintf("if(%s = '', '', concat(%s, ' ', %s, ' ', %s))", v, v, word("cityHash64(t.apdu, k, 1)"), word("cityHash64(t.apdu, k, 2)"))
	case "text":
		return fmt.Sprintf("if(%s = '', '', arrayStringConcat(arrayMap(i -> %s, range(1 + intDiv(length(%s), 7))), ' '))", v, word("cityHash64(t.apdu, t.path, t.position, k, i)"), v)
	}
	return v
}

// multiply makes the copies, several at a time, of as many tables at a time as there
// are threads. What was made is noted, so that making the archive may be interrupted
// and go on.
func (m *maker) multiply(o *options) error {
	const step = 8
	began := time.Now()
	inserts := map[string]string{}
	for _, table := range m.tables {
		columns, err := m.columns(table)
		if err != nil {
			return err
		}
		var names, values []string
		for _, c := range columns {
			names = append(names, c.name)
			values = append(values, derive(table, c, columns)+" AS v_"+c.name)
		}
		inserts[table] = "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") WITH " + vocab + ", " + fmt.Sprint(m.span) + " AS span SELECT " +
			strings.Join(values, ", ") + " FROM " + seedDatabase + "." + table + " AS t CROSS JOIN (SELECT number AS k FROM numbers({from}, {count})) AS copies"
	}
	made, err := m.made()
	if err != nil {
		return err
	}
	for k := 0; k < m.copies; k += step {
		count := min(step, m.copies-k)
		if !slices.ContainsFunc(m.tables, func(table string) bool { return made[table] < k+count }) {
			continue
		}
		group, ctx := errgroup.WithContext(m.ctx)
		group.SetLimit(o.threads)
		for _, table := range m.tables {
			sql := strings.NewReplacer("{from}", fmt.Sprint(k), "{count}", fmt.Sprint(count)).Replace(inserts[table])
			group.Go(func() error { return m.once(ctx, made, table, k+count, sql) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		slog.Info("copies made", "copies", k+count, "of", m.copies, "after", time.Since(began).Round(time.Second))
	}
	return nil
}

// made returns what is noted as done: of each table, how many copies of its rows
// there are.
func (m *maker) made() (map[string]int, error) {
	rows, err := m.st.Conn().Query(m.ctx, "SELECT what, toInt64(max(copies)) FROM "+seedDatabase+".made GROUP BY what")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	made := map[string]int{}
	for rows.Next() {
		var what string
		var copies int64
		if err := rows.Scan(&what, &copies); err != nil {
			return nil, err
		}
		made[what] = int(copies)
	}
	return made, rows.Err()
}

// watch makes two sensors that watched a minute at a time, and the files that
// one of them wrote.
func (m *maker) watch(o *options) error {
	made, err := m.made()
	if err != nil {
		return err
	}
	if err := m.once(m.ctx, made, "coverage_store", 1, fmt.Sprintf(`INSERT INTO coverage_store (sensor, epoch, source, interval_start, interval_end, packets, octets, segments, gaps, lost_octets, version)
SELECT arrayJoin(['tap-a', 'tap-b']) AS sensor, toDateTime64(0, 9, 'UTC'), 'eth1', toDateTime64(%d + number * 60, 9, 'UTC') AS at, at + 60,
	cityHash64(number, sensor) %% 1000 AS packets, packets * 400, packets, number %% 5000 = 0, (number %% 5000 = 0) * 1448, 1
FROM numbers(%d) WHERE number %% 100000 > 300`, start.Unix(), o.days*24*60)); err != nil {
		return err
	}
	return m.once(m.ctx, made, "captures_store", 1, fmt.Sprintf(`INSERT INTO captures_store (sha256, version, name, sensor, size, format, frames, octets, first_time, last_time)
SELECT toFixedString(concat(sipHash128(number), sipHash128(number, 1)), 32), 1, concat('tap-', leftPad(toString(number), 4, '0'), '.pcap'), 'tap-a', 118000000, 'pcap', 382000, 112000000,
	toDateTime64(%d + number * 3600, 9, 'UTC'), toDateTime64(%d + number * 3600 + 3600, 9, 'UTC')
FROM numbers(%d)`, start.Unix(), start.Unix(), o.days*24))
}

// duplicate inserts messages again, as a second reading would, and keeps merges
// from removing them.
func (m *maker) duplicate(*options) error {
	made, err := m.made()
	if err != nil {
		return err
	}
	for _, table := range append(m.tables, "coverage_store", "captures_store") {
		if err := m.exec("ALTER TABLE " + table + " MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1"); err != nil {
			return err
		}
		by := "apdu"
		switch table {
		case "coverage_store", "captures_store":
			continue
		case "associations_store":
			by = "association"
		case "problems_store":
			by = "problem"
		case "operations_store":
			by = "operation"
		}
		if err := m.once(m.ctx, made, "duplicates of "+table, 1, fmt.Sprintf("INSERT INTO %s SELECT * FROM %s WHERE cityHash64(%s) %% %d = 0", table, table, by, duplicates)); err != nil {
			return err
		}
		slog.Info("duplicates inserted", "table", table)
	}
	return nil
}

// count makes the daily totals, as ingest and decode do.
func (m *maker) count(*options) error {
	began := time.Now()
	n, err := m.st.CountDays(m.ctx, time.Time{})
	slog.Info("days counted", "days", n, "took", time.Since(began).Round(time.Millisecond))
	return err
}

// dropSeed tells that the archive is whole.
func (m *maker) dropSeed(*options) error {
	return m.exec("DROP DATABASE " + seedDatabase + " SYNC")
}
