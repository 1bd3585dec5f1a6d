package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// childTables are those whose rows belong to a row of messages_store.
var childTables = []string{"bilateral_store", "extensions_store", "trace_store", "recipients_store", "contents_store",
	"ipm_recipients_store", "ipm_references_store", "ipm_extension_items_store", "ipm_extensions_store", "body_parts_store", "ipms_store"}

// Supersede removes what an older reading of an MTS-APDU left beside the newest:
// where both agree on a row's sorting key the newest hides the older anyway, but
// a newer decoder may find fewer recipients, or another origin time. To be called
// after APDUs were decoded anew. Rows of a reading under way are left alone,
// since it inserts its message last.
func (s *Store) Supersede(ctx context.Context) error {
	// On replicated tables a mutation is to have the same effect on each replica;
	// that rows with a higher version are there makes it so.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"allow_nondeterministic_mutations": 1, "mutations_sync": 2}))
	stale := func(table, messages string) string {
		return fmt.Sprintf(`SELECT t.apdu, t.version FROM (SELECT apdu, version FROM %s) AS t
INNER JOIN (SELECT apdu, max(version) AS newest FROM %s GROUP BY apdu) AS m ON m.apdu = t.apdu
WHERE t.version < m.newest`, table, messages)
	}
	messages := s.form.Local("messages_store")
	for _, table := range append(childTables, "messages_store") {
		// Nothing is rewritten when there is nothing to remove.
		var n uint64
		if err := s.conn.QueryRow(ctx, "SELECT count() FROM ("+stale(table, "messages_store")+")").Scan(&n); err != nil {
			return fmt.Errorf("store %s: %s: %w", s.name, table, err)
		}
		if n == 0 {
			continue
		}
		counted := func() error { return nil }
		if table == "messages_store" {
			var err error
			if counted, err = s.noteAgain(ctx, stale(table, table)); err != nil {
				return fmt.Errorf("store %s: %s: %w", s.name, table, err)
			}
		}
		// Each server of a cluster has all that belongs to the MTS-APDUs it has.
		local := s.form.Local(table)
		if err := s.conn.Exec(ctx, "ALTER TABLE "+local+s.form.OnCluster()+" DELETE WHERE (apdu, version) IN ("+stale(local, messages)+")"); err != nil {
			return fmt.Errorf("store %s: %s: %w", s.name, table, err)
		}
		// Before, lest a crash leave the totals as they were; and behind, lest they
		// were made meanwhile.
		if err := counted(); err != nil {
			return fmt.Errorf("store %s: %s: %w", s.name, table, err)
		}
	}
	return nil
}
