// X400codecs measures what an archive takes on disk per message, table by table,
// and what its columns would take with other codecs.
//
//	x400codecs -store ./archive
//
// It copies every table once for each codec into a database of its own, which it
// drops at the end. docs/operations.md has the results that the schema's codecs
// were chosen by.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"

	"x400flow/engine"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// scratch is the database that tables are copied into.
const scratch = "x400codecs"

// candidates are the codecs tried on every column, if its type allows.
var candidates = []struct {
	codec string
	// numbers says that it is for numbers and times alone.
	numbers bool
}{
	{"LZ4", false},
	{"ZSTD(1)", false},
	{"ZSTD(3)", false},
	{"Delta, LZ4", true},
	{"Delta, ZSTD(1)", true},
	{"DoubleDelta, ZSTD(1)", true},
	{"T64, ZSTD(1)", true},
}

// asMade stands for the codecs that the schema has.
const asMade = "as made"

func main() {
	engine.Main()
	target := flag.String("store", "./archive", "archive `directory` to measure")
	columns := flag.Bool("columns", false, "list every column with every codec")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *target, *columns, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "x400codecs: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, target string, columns bool, out io.Writer) error {
	if _, err := os.Stat(target); err != nil {
		return err
	}
	st, err := store.Open(store.Options{Target: target, Program: "x400codecs"})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.CheckVersion(ctx); err != nil {
		return err
	}
	m := &meter{st: st}
	if err := st.Conn().QueryRow(ctx, "SELECT count() FROM messages").Scan(&m.messages); err != nil {
		return err
	}
	if m.messages == 0 {
		return fmt.Errorf("%s holds no messages", target)
	}
	defer st.Conn().Exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+scratch+" SYNC")
	if err := st.Conn().Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+scratch); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d messages, reports and probes in %s; octets of each on disk, merged into one part.\n\n", m.messages, target)
	summary := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(summary, "table\trows\tplain\tas made\tbest\tLZ4\tZSTD(1)\tZSTD(3)\tindexes\t\n")
	var details strings.Builder
	var total [7]float64
	var b schema.Batch
	for _, t := range b.All() {
		table, err := m.table(ctx, t.Table())
		if err != nil {
			return fmt.Errorf("%s: %w", t.Table(), err)
		}
		if table.rows == 0 {
			continue
		}
		line := [7]float64{table.plain, table.size(asMade), table.best(), table.size("LZ4"), table.size("ZSTD(1)"), table.size("ZSTD(3)"), table.indexes}
		fmt.Fprintf(summary, "%s\t%d", strings.TrimSuffix(t.Table(), "_store"), table.rows)
		for i, v := range line {
			total[i] += v
			fmt.Fprintf(summary, "\t%.1f", v/float64(m.messages))
		}
		fmt.Fprint(summary, "\t\n")
		table.describe(&details, m.messages, columns)
	}
	fmt.Fprint(summary, "all\t")
	for _, v := range total {
		fmt.Fprintf(summary, "\t%.1f", v/float64(m.messages))
	}
	fmt.Fprint(summary, "\t\n")
	if err := summary.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nColumns for which another codec saves at least half an octet a message, or all:\n\n%s", details.String())
	return err
}

type meter struct {
	st       *store.Store
	messages uint64
}

// measured is a table's columns with their sizes in octets by codec.
type measured struct {
	name           string
	rows           uint64
	plain, indexes float64
	columns        []column
}

type column struct {
	name, typ, codec string
	size             map[string]float64
}

// size returns the octets of the table's data with one codec, where columns that
// it is not for have LZ4.
func (m *measured) size(codec string) float64 {
	sum := 0.0
	for _, c := range m.columns {
		v, ok := c.size[codec]
		if !ok {
			v = c.size["LZ4"]
		}
		sum += v
	}
	return sum
}

// best returns the octets with the best codec for each column.
func (m *measured) best() float64 {
	sum := 0.0
	for i := range m.columns {
		codec := m.columns[i].best()
		sum += m.columns[i].size[codec]
	}
	return sum
}

func (c *column) best() string {
	best := "LZ4"
	for codec, v := range c.size {
		if codec != asMade && (v < c.size[best] || v == c.size[best] && codec < best) {
			best = codec
		}
	}
	return best
}

func (m *measured) describe(out io.Writer, messages uint64, all bool) {
	slices.SortFunc(m.columns, func(a, b column) int { return cmp.Compare(b.size[asMade], a.size[asMade]) })
	for i := range m.columns {
		c := &m.columns[i]
		best := c.best()
		of := func(codec string) float64 { return c.size[codec] / float64(messages) }
		if !all && of(asMade)-of(best) < 0.5 {
			continue
		}
		fmt.Fprintf(out, "%s.%s %s: %s %.2f, %s %.2f", m.name, c.name, c.typ, cmp.Or(c.codec, "no codec"), of(asMade), best, of(best))
		for _, k := range candidates {
			if _, ok := c.size[k.codec]; ok && all {
				fmt.Fprintf(out, "; %s %.2f", k.codec, of(k.codec))
			}
		}
		fmt.Fprintln(out)
	}
}

// table measures one table.
func (m *meter) table(ctx context.Context, name string) (*measured, error) {
	t := &measured{name: strings.TrimSuffix(name, "_store")}
	var key string
	if err := m.st.Conn().QueryRow(ctx, "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = '"+name+"'").Scan(&key); err != nil {
		return nil, err
	}
	rows, err := m.st.Conn().Query(ctx, "SELECT name, type, compression_codec FROM system.columns WHERE database = currentDatabase() AND table = '"+name+"' ORDER BY position")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c := column{size: map[string]float64{}}
		if err := rows.Scan(&c.name, &c.typ, &c.codec); err != nil {
			return nil, err
		}
		t.columns = append(t.columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, k := range append([]struct {
		codec   string
		numbers bool
	}{{asMade, false}}, candidates...) {
		var defs, names []string
		tried := map[string]bool{}
		for _, c := range t.columns {
			codec := " CODEC(" + k.codec + ")"
			switch {
			case k.codec == asMade && c.codec != "":
				codec = " " + c.codec
			case k.codec == asMade, k.numbers && !numeric(c.typ):
				codec = ""
			}
			if codec != "" || k.codec == asMade {
				tried[c.name] = true
			}
			defs = append(defs, c.name+" "+c.typ+codec)
			names = append(names, c.name)
		}
		copied := scratch + "." + name
		list := strings.Join(names, ", ")
		for _, sql := range []string{
			"CREATE TABLE " + copied + " (" + strings.Join(defs, ", ") + ") ENGINE = MergeTree ORDER BY (" + key + ") SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0",
			"INSERT INTO " + copied + " (" + list + ") SELECT " + list + " FROM " + name + " FINAL",
			"OPTIMIZE TABLE " + copied + " FINAL",
		} {
			sql = strings.Replace(sql, "", "", 1)
			if err := m.st.Conn().Exec(ctx, sql); err != nil {
				return nil, fmt.Errorf("%s: %w", k.codec, err)
			}
		}
		if err := m.sizes(ctx, t, name, k.codec, tried); err != nil {
			return nil, err
		}
		if err := m.st.Conn().Exec(ctx, "DROP TABLE "+copied+" SYNC"); err != nil {
			return nil, err
		}
	}
	var indexed uint64
	if err := m.st.Conn().QueryRow(ctx, "SELECT count(), toUInt64(coalesce((SELECT sum(data_compressed_bytes) FROM system.data_skipping_indices WHERE database = currentDatabase() AND table = '"+name+"'), 0)) FROM "+name+" FINAL").Scan(&t.rows, &indexed); err != nil {
		return nil, err
	}
	t.indexes = float64(indexed)
	return t, nil
}

// sizes notes the columns' sizes in the copy.
func (m *meter) sizes(ctx context.Context, t *measured, name, codec string, tried map[string]bool) error {
	rows, err := m.st.Conn().Query(ctx, "SELECT name, data_compressed_bytes, data_uncompressed_bytes FROM system.columns WHERE database = '"+scratch+"' AND table = '"+name+"' ORDER BY position")
	if err != nil {
		return err
	}
	defer rows.Close()
	t.plain = 0
	for i := 0; rows.Next(); i++ {
		var column string
		var packed, plain uint64
		if err := rows.Scan(&column, &packed, &plain); err != nil {
			return err
		}
		t.plain += float64(plain)
		if tried[column] {
			t.columns[i].size[codec] = float64(packed)
		}
	}
	return rows.Err()
}

// numeric tells whether codecs for numbers take a type.
func numeric(t string) bool {
	for _, prefix := range []string{"UInt", "Int", "DateTime", "Bool"} {
		if strings.HasPrefix(t, prefix) {
			return true
		}
	}
	return false
}
