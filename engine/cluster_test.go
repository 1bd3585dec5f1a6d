package engine_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"x400flow/bench/generate"
	"x400flow/cmd/cmdtest"
	"x400flow/engine"
	"x400flow/schema"
)

// configuredMark tells the test's executable to be an engine with the
// configuration that its arguments hold.
const configuredMark = "@configured"

// runConfigured is part of TestMain.
func runConfigured() {
	if len(os.Args) != 5 || os.Args[1] != configuredMark {
		return
	}
	if err := engine.RunConfigured(os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// clusterStatements are those of the schema in the form of a cluster named x400.
func clusterStatements(t testing.TB) []string {
	t.Helper()
	form := schema.Form{Cluster: "x400"}
	first, err := form.MigrationsTable()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{first}
	migrations, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		statements, err := m.Statements(form)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, statements...)
	}
	return all
}

// ClickHouse's own parser takes every statement of the cluster's form, and says
// the same of it when it has written it down itself.
func TestClusterStatementsParse(t *testing.T) {
	t.Parallel()
	c := open(t, archive(t), nil)
	for _, sql := range clusterStatements(t) {
		var formatted, again string
		if err := c.QueryRow(t.Context(), "SELECT formatQuery({sql:String})", clickhouse.Named("sql", sql)).Scan(&formatted); err != nil {
			t.Errorf("%v\nin %s", err, sql)
			continue
		}
		if err := c.QueryRow(t.Context(), "SELECT formatQuery({sql:String})", clickhouse.Named("sql", formatted)).Scan(&again); err != nil || again != formatted {
			t.Errorf("%v\n%s\nbecame\n%s", err, formatted, again)
		}
		if !strings.Contains(formatted, "ON CLUSTER x400") {
			t.Errorf("not for the whole cluster: %s", formatted)
		}
	}
}

var (
	replicatedEngine = regexp.MustCompile(`Replicated((?:Replacing|Summing)MergeTree)\('[^']*', '[^']*'(?:, )?`)
	overShards       = regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS (\w+)_store AS (\w+)\n(?s:.*), cityHash64\((\w+)\)\)\n`)
	questions        = regexp.MustCompile("(?s)```sql\n(.*?)```\n")
)

// TestTwoShards runs the cluster's form on two shards, without what needs Keeper:
// replication and ON CLUSTER. Both shards are in one engine: of a table they
// share, each sees the rows that its sharding key gives it. Every view, every
// ready-made report and every question of the cookbook must answer as in an
// archive that is not on a cluster, from rows that were read more than once.
func TestTwoShards(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	fillArchive(t, dir)

	filters := map[string]string{}
	var statements, tables []string
	for _, sql := range clusterStatements(t) {
		sql = replicatedEngine.ReplaceAllString(strings.ReplaceAll(sql, " ON CLUSTER 'x400'", ""), "$1(")
		statements = append(statements, sql)
		if m := overShards.FindStringSubmatch(sql); m != nil {
			tables = append(tables, m[1])
			filters[m[2]] = "cityHash64(" + m[3] + ") % 2 + 1 = shardNum()"
		}
	}
	if len(tables) < schema.Tables {
		t.Fatalf("Distributed tables: %q", tables)
	}
	shard := "<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica></shard>"
	var policies strings.Builder
	for _, table := range slices.Sorted(maps.Keys(filters)) {
		fmt.Fprintf(&policies, "<%s><filter>%s</filter></%[1]s>", table, filters[table])
	}
	startConfigured(t, dir,
		"<clickhouse><tcp_port>9000</tcp_port><remote_servers><x400>"+shard+shard+"</x400></remote_servers></clickhouse>",
		"<clickhouse><users><default><grants replace='1'>"+grants(t)+"</grants><databases><sharded>"+policies.String()+"</sharded></databases></default></users></clickhouse>")
	plain := openWith(t, dir, small, nil, nil)
	mustExec(t, plain, "CREATE DATABASE sharded")
	// The cache of conditions takes the two shards' filters for one.
	sharded := openDatabase(t, dir, "sharded", clickhouse.Settings{"use_query_condition_cache": 0})
	for _, sql := range statements {
		mustExec(t, sharded, sql)
	}
	foreground := openDatabase(t, dir, "sharded", clickhouse.Settings{"distributed_foreground_insert": 1})
	for range 2 {
		for _, table := range tables {
			mustExec(t, foreground, "INSERT INTO "+table+"_store SELECT * FROM default."+table+"_store")
		}
	}
	// Both shards have a part of the rows.
	for _, table := range []string{"messages", "recipients", "contents"} {
		if n := count(t, sharded, "SELECT uniqExact(_shard_num) FROM "+table+"_store"); n != 2 {
			t.Errorf("%s: rows on %d shards, want 2", table, n)
		}
	}

	views, err := plain.Query(t.Context(), "SELECT name FROM system.tables WHERE database = 'default' AND engine = 'View' ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for views.Next() {
		var name string
		if err := views.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := views.Err(); err != nil || len(names) < schema.Tables+4 {
		t.Fatalf("views %q: %v", names, err)
	}
	filled := 0
	for _, name := range names {
		columns := "*"
		if name == "captures" {
			columns = "* EXCEPT read_at"
		}
		sql := "SELECT count(), groupBitXor(cityHash64(toString(tuple(" + columns + ")))) FROM " + name
		got, want := ask(t, sharded, sql), ask(t, plain, sql)
		if got != want {
			t.Errorf("%s: %s on two shards, %s on one engine", name, got, want)
		}
		if !strings.HasPrefix(want, "0\t") {
			filled++
		}
	}
	if 3*filled < 2*len(names) {
		t.Errorf("only %d of the views %q have rows", filled, names)
	}

	text, err := os.ReadFile("../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	found := questions.FindAllStringSubmatch(string(text), -1)
	if len(found) < 20 {
		t.Fatalf("%d questions in the cookbook", len(found))
	}
	for _, q := range found {
		// Which value any returns is left open.
		q[1] = strings.ReplaceAll(q[1], "any(", "max(")
		if got, want := sorted(ask(t, sharded, q[1])), sorted(ask(t, plain, q[1])); got != want {
			t.Errorf("%s\non two shards:\n%s\non one engine:\n%s", q[1], got, want)
		}
	}
	reports, err := schema.Reports()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		values := clickhouse.Parameters{}
		for _, p := range r.Params {
			values[p.Name] = p.Default
			if p.Required {
				values[p.Name] = ask(t, plain, "SELECT max(mts_id) FROM messages")
			}
		}
		for _, s := range r.Statements {
			got, want := sorted(askWith(t, sharded, s.SQL, values)), sorted(askWith(t, plain, s.SQL, values))
			if got != want {
				t.Errorf("report %s, on two shards:\n%s\non one engine:\n%s", r.Name, got, want)
			}
		}
	}

	// That it is on a cluster, and on which, can be seen.
	made := ask(t, sharded, "SELECT engine, extract(engine_full, '^Distributed\\(\\'([^\\']*)') FROM system.tables WHERE database = currentDatabase() AND name = 'messages_store'")
	if made != "Distributed\tx400" {
		t.Errorf("messages_store is %s", made)
	}
	// Without GLOBAL this would not be so.
	if _, err := sharded.QueryFormat(t.Context(), "TSV", "SELECT count() FROM problems_store FINAL WHERE transfer IN (SELECT transfer FROM messages_store)"); err == nil || !strings.Contains(err.Error(), "distributed_product_mode") {
		t.Errorf("a look-up that is not GLOBAL: %v", err)
	}
}

// deployedUsers is what those who run docker-compose.yml have.
const deployedUsers = "../deploy/clickhouse/users.xml"

// grants returns what the user x400 may do there, and beyond that in the
// databases of this test.
func grants(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(deployedUsers)
	if err != nil {
		t.Fatal(err)
	}
	of := regexp.MustCompile(`(?s)<x400>.*?<grants>(.*?)</grants>`).FindStringSubmatch(string(text))
	if of == nil {
		t.Fatalf("%s: no grants of x400", deployedUsers)
	}
	return strings.ReplaceAll(of[1], " ON x400.*", " ON sharded.*") + "<query>GRANT SHOW, SELECT ON default.*</query>"
}

// ClickHouse takes the configuration that docker-compose.yml gives its servers,
// and is the one of four that the environment says.
func TestDeployedConfiguration(t *testing.T) {
	t.Parallel()
	dir := archive(t)
	config, err := os.ReadFile("../deploy/clickhouse/cluster.xml")
	if err != nil {
		t.Fatal(err)
	}
	users, err := os.ReadFile(deployedUsers)
	if err != nil {
		t.Fatal(err)
	}
	// The engine's sessions are those of default.
	kept := strings.Replace(string(users), `<default remove="remove"/>`, "", 1)
	startConfigured(t, dir, string(config), kept, "SHARD=2", "REPLICA=1",
		"X400FLOW_CLUSTER_SECRET=a", "X400FLOW_STORE_PASSWORD=b", "X400FLOW_READER_PASSWORD=c")
	c := openDatabase(t, dir, "default", nil)
	for sql, want := range map[string]string{
		"SELECT shard_num, replica_num, host_name, port FROM system.clusters WHERE cluster = 'x400' ORDER BY ALL": "1\t1\tclickhouse-1-1\t9000\n1\t2\tclickhouse-1-2\t9000\n2\t1\tclickhouse-2-1\t9000\n2\t2\tclickhouse-2-2\t9000",
		"SELECT macro, substitution FROM system.macros ORDER BY ALL":                                              "replica\t1\nshard\t2",
	} {
		if got := ask(t, c, sql); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", sql, got, want)
		}
	}
}

// openDatabase is open with a database.
func openDatabase(t testing.TB, dir, database string, settings clickhouse.Settings) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{"engine:8123"}, DialContext: engine.Dialer(dir, small),
		Auth: clickhouse.Auth{Database: database}, Settings: settings, ReadTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func ask(t testing.TB, c driver.Conn, sql string) string {
	t.Helper()
	return askWith(t, c, sql, nil)
}

func askWith(t testing.TB, c driver.Conn, sql string, values clickhouse.Parameters) string {
	t.Helper()
	r, err := c.QueryFormat(clickhouse.Context(t.Context(), clickhouse.WithParameters(values)), "TSV", strings.TrimRight(sql, "; \n"))
	if err != nil {
		t.Fatalf("%v\nin %s", err, sql)
	}
	defer r.Close()
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// sorted sorts lines: where ORDER BY leaves two rows equal, either may be first.
func sorted(lines string) string {
	all := strings.Split(lines, "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// fillArchive archives the captures of testdata and generated traffic, seen by
// two sensors.
func fillArchive(t testing.TB, dir string) {
	t.Helper()
	capture := filepath.Join(t.TempDir(), "traffic.pcap")
	cmdtest.WriteTraffic(t, capture, func(o *generate.Options) { o.Messages, o.LossRate, o.DisorderRate = 400, 0.002, 0.01 })
	for _, sensor := range []string{"tap1", "tap2"} {
		cmd := cmdtest.Command(t, "ingest", "-r", "../testdata/mta", "-r", capture, "-store", dir, "-sensor", sensor, "-reread", "-block", "2000")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ingest: %v\n%s", err, out)
		}
	}
	cmdtest.Stop(t, dir)
}

// startConfigured starts an engine with more configuration on an archive.
func startConfigured(t testing.TB, dir, config, users string, env ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, configuredMark, dir, config, users)
	cmd.Env = append(os.Environ(), env...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Process.Kill()
		<-ended
	})
	for {
		if state, err := engine.Status(dir); err == nil && state.Running {
			if _, err := os.Stat(filepath.Join(dir, "engine.sock")); err == nil {
				return
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the engine ended: %v\n%s", err, &out)
		case <-t.Context().Done():
			t.Fatal("the engine does not come up")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
