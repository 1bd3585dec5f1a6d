package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"x400flow/pipeline/store"
)

// describe prints how many rows the archive has and what they take on disk.
func describe(ctx context.Context, st *store.Store, out io.Writer) error {
	conn := st.Conn()
	messages, err := one[uint64](ctx, conn, "SELECT count() FROM messages")
	if err != nil {
		return err
	}
	stored, err := one[uint64](ctx, conn, "SELECT count() FROM messages_store")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d messages, probes and reports, %d rows of them: %.1f%% unmerged duplicates.\n\n", messages, stored, 100*float64(stored-messages)/float64(messages))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "table\trows\tparts\tMB\toctets a message\tof these columns\tskip indexes\t\n")
	rows, err := conn.Query(ctx, `SELECT table, sum(rows) AS r, count(), sum(bytes_on_disk) AS octets, sum(data_compressed_bytes), sum(secondary_indices_compressed_bytes)
FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table ORDER BY octets DESC`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all [5]uint64
	each := func(v uint64) float64 { return float64(v) / float64(stored) }
	line := func(name string, v [5]uint64) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, v[0], v[1], float64(v[2])/1e6, each(v[2]), each(v[3]), each(v[4]))
	}
	for rows.Next() {
		var name string
		var v [5]uint64
		if err := rows.Scan(&name, &v[0], &v[1], &v[2], &v[3], &v[4]); err != nil {
			return err
		}
		for i := range v {
			all[i] += v[i]
		}
		line(strings.TrimSuffix(name, "_store"), v)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	line("all", all)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "skip index\ttype\toctets a message\t\n")
	indexes, err := conn.Query(ctx, `SELECT table, name, type_full, data_compressed_bytes FROM system.data_skipping_indices
WHERE database = currentDatabase() AND data_compressed_bytes > 0 ORDER BY data_compressed_bytes DESC`)
	if err != nil {
		return err
	}
	defer indexes.Close()
	for indexes.Next() {
		var table, name, typ string
		var octets uint64
		if err := indexes.Scan(&table, &name, &typ, &octets); err != nil {
			return err
		}
		if each(octets) >= 0.05 {
			fmt.Fprintf(w, "%s.%s\t%s\t%.2f\t\n", strings.TrimSuffix(table, "_store"), name, typ, each(octets))
		}
	}
	if err := indexes.Err(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return w.Flush()
}
