package schema

import (
	"fmt"
	"regexp"
	"strings"

	"x400flow/schema/ddl"
)

// Form says which form the schema takes: that of one engine, which is the zero
// Form, or that of a cluster of servers. In both, rows are inserted into tables
// named messages_store and the like, and read from views named messages and the
// like.
type Form struct {
	// Cluster is the name of the cluster in the servers' configuration
	// (remote_servers); empty for one engine. Each server then has a table
	// messages_shard, replicated within its shard, and messages_store is a
	// Distributed table over these. The servers need the macros shard and replica.
	Cluster string
	// Partition is Month or Day: how much origin time a partition of messages
	// holds. Empty is Month.
	Partition string
}

// Partitions of messages and what belongs to them. Days suit archives that drop
// or back up partitions by day; with few messages a day they make small parts.
const (
	Month = "month"
	Day   = "day"
)

// shardSuffix is what a cluster's local table has instead of ddl.Suffix.
const shardSuffix = "_shard"

var clusterName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func (f Form) check() error {
	if f.Cluster != "" && !clusterName.MatchString(f.Cluster) {
		return fmt.Errorf("cluster %q: a name is letters, digits, and _ . -", f.Cluster)
	}
	if f.Partition != "" && f.Partition != Month && f.Partition != Day {
		return fmt.Errorf("partition %q: it is %s or %s", f.Partition, Month, Day)
	}
	return nil
}

// OnCluster returns what stands behind a name in a statement that is for every
// server of the cluster; empty for one engine.
func (f Form) OnCluster() string {
	if f.Cluster == "" {
		return ""
	}
	return " ON CLUSTER " + ddl.Quote(f.Cluster)
}

// Local returns the table that holds the rows of a storage table on one server:
// what ALTER and OPTIMIZE are for. Rows of one MTS-APDU are on one server.
func (f Form) Local(table string) string {
	if f.Cluster == "" {
		return table
	}
	return strings.TrimSuffix(table, ddl.Suffix) + shardSuffix
}

// name returns the name of what is to be created.
func (f Form) name(name string) string { return name + f.OnCluster() }

// engineOf returns a table's engine. path tells the table's place in Keeper, and
// replica the server's name there.
func (f Form) engineOf(name, path, replica, arguments string) string {
	if f.Cluster != "" {
		name = "Replicated" + name
		arguments = strings.TrimSuffix(ddl.Quote(path)+", "+ddl.Quote(replica)+", "+arguments, ", ")
	}
	return strings.TrimSuffix(name+"("+arguments+")", "()")
}

// partition returns what messages and what belongs to them are partitioned by:
// a time that a message states, and that may be false, so the number of
// partitions is bounded.
func (f Form) partition() string {
	of := "toYYYYMM"
	if f.Partition == Day {
		of = "toYYYYMMDD"
	}
	return of + "(toDate(greatest(toDateTime64('2020-01-01 00:00:00', 0, 'UTC'), least(toDateTime64('2039-12-31 23:59:59', 0, 'UTC'), origin_time)), 'UTC'))"
}

// MigrationsTable returns the statement that makes schema_migrations, which on a
// cluster is the same on all servers.
func (f Form) MigrationsTable() (string, error) {
	if err := f.check(); err != nil {
		return "", err
	}
	return "CREATE TABLE IF NOT EXISTS " + f.name("schema_migrations") + `
(
    number UInt32 COMMENT 'Number of the migration',
    name String COMMENT 'Its name',
    digest String COMMENT 'SHA-256 of its source, hexadecimal',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied, UTC'
)
ENGINE = ` + f.engineOf("ReplacingMergeTree", "/clickhouse/tables/{database}/{table}", "{shard}-{replica}", "") + `
ORDER BY number
COMMENT 'Migrations applied; the highest number is the version of the schema.'`, nil
}

// placer gives tables their names and engines, one after the other.
type placer struct {
	form Form
	// last is the table whose name was asked for last; placed says what each is
	// sharded by.
	last   string
	placed map[string]string
}

// table returns the name of a table to be created.
func (p *placer) table(name string) string {
	p.last = name
	return "IF NOT EXISTS " + p.form.name(p.form.Local(name))
}

// engine returns the engine of the table named last. by is the column that a
// cluster places rows by.
func (p *placer) engine(name, version, by string) string {
	p.placed["CREATE TABLE IF NOT EXISTS "+p.form.name(p.form.Local(p.last))] = distributed(p.form, p.last, by)
	return p.form.engineOf(name, "/clickhouse/tables/{shard}/{database}/{table}", "{replica}", version)
}

// distributed returns the statement that makes a storage table of those of the
// shards.
func distributed(f Form, table, by string) string {
	local := f.Local(table)
	return "CREATE TABLE IF NOT EXISTS " + f.name(table) + " AS " + local +
		"\nENGINE = Distributed(" + ddl.Quote(f.Cluster) + ", currentDatabase(), " + ddl.Quote(local) + ", cityHash64(" + by + "))" +
		"\nCOMMENT " + ddl.Quote("The tables "+local+" of all shards as one.")
}

// withDistributed puts behind each statement that makes a table on the shards
// the one that makes the table over them.
func (p *placer) withDistributed(statements []string) []string {
	if p.form.Cluster == "" {
		return statements
	}
	var all []string
	for _, s := range statements {
		all = append(all, s)
		first, _, _ := strings.Cut(s, "\n")
		if over, ok := p.placed[first]; ok {
			all = append(all, over)
		}
	}
	return all
}
