package deploy

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"x400flow/cmd/cmdtest"
	"x400flow/schema"
)

func TestMain(m *testing.M) {
	cmdtest.Main(m)
}

// secrets are what .env is to hold.
var secrets = []string{"X400FLOW_STORE_PASSWORD", "X400FLOW_READER_PASSWORD", "X400FLOW_CLUSTER_SECRET", "GRAFANA_PASSWORD"}

// load reads docker-compose.yml as Docker does, with the given environment.
func load(env []string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(env), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	var env []string
	for _, name := range secrets {
		env = append(env, name+"=secret-of-"+name)
	}
	p, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Without any one of the secrets nothing starts, and none stands in a file.
func TestSecrets(t *testing.T) {
	for i, name := range secrets {
		var env []string
		for _, other := range slices.Delete(slices.Clone(secrets), i, i+1) {
			env = append(env, other+"=x")
		}
		if _, err := load(env); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	used := map[string]bool{}
	for _, s := range project(t).Services {
		for key, v := range s.Environment {
			if v == nil {
				continue
			}
			if secret, ok := strings.CutPrefix(*v, "secret-of-"); ok {
				used[secret] = true
			} else if strings.Contains(key, "PASSWORD") || strings.Contains(key, "SECRET") {
				t.Errorf("%s: %s stands in the file", s.Name, key)
			}
		}
		for _, arg := range append(slices.Clone([]string(s.Command)), s.Entrypoint...) {
			if strings.Contains(arg, "secret-of-") {
				t.Errorf("%s: a secret stands in the command line", s.Name)
			}
		}
	}
	if len(used) != len(secrets) {
		t.Errorf("used are %v, want %v", used, secrets)
	}
}

// What is promised is there, whole, and each image has a version.
func TestServices(t *testing.T) {
	p := project(t)
	count := map[string]int{}
	for name, s := range p.Services {
		image, tag, _ := strings.Cut(s.Image, ":")
		count[image]++
		if s.Build != nil {
			checkTarget(t, s.Build.Target, name)
			if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
				t.Errorf("%s may do more than it needs", name)
			}
		} else if !regexp.MustCompile(`\d`).MatchString(tag) {
			t.Errorf("%s: the image %s has no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to the network at %s", name, port.Published)
			}
		}
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %v, read-only %v", name, err, v.ReadOnly)
				}
			case types.VolumeTypeVolume:
				if _, ok := p.Volumes[v.Source]; !ok {
					t.Errorf("%s: no volume %s", name, v.Source)
				}
			}
		}
	}
	want := map[string]int{
		"apache/kafka": 3, "clickhouse/clickhouse-server": 4, "clickhouse/clickhouse-keeper": 3, "x400flow-sensor": 1,
		"x400flow-decoder": 2, "x400flow-query": 1, "prom/prometheus": 1, "grafana/grafana": 1,
	}
	if !maps.Equal(count, want) {
		t.Errorf("services of %v, want %v", count, want)
	}
	volumes := map[string]int{}
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume {
				volumes[v.Source]++
			}
		}
	}
	for name := range p.Volumes {
		if volumes[name] != 1 {
			t.Errorf("the volume %s is used by %d services", name, volumes[name])
		}
	}
}

// stage is a stage of the Dockerfile.
type stage struct {
	from  string
	lines []string
}

func stages(t *testing.T) map[string]stage {
	t.Helper()
	b, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]stage{}
	name := ""
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if f := strings.Fields(line); len(f) == 4 && f[0] == "FROM" && f[2] == "AS" {
			name = f[3]
			all[name] = stage{from: f[1]}
		} else if line != "" && !strings.HasPrefix(line, "#") {
			s := all[name]
			s.lines = append(s.lines, line)
			all[name] = s
		}
	}
	return all
}

// binaries returns the programs that a target's image holds, and its entry point.
func binaries(t *testing.T, target string) (programs []string, entry string) {
	t.Helper()
	copied := regexp.MustCompile(`^COPY --from=build /out/(\w+) /usr/local/bin/(\w+)$`)
	entered := regexp.MustCompile(`^ENTRYPOINT \["/usr/local/bin/(\w+)"\]$`)
	for _, line := range stages(t)[target].lines {
		if m := copied.FindStringSubmatch(line); m != nil && m[1] == m[2] {
			programs = append(programs, m[1])
		} else if m := entered.FindStringSubmatch(line); m != nil {
			entry = m[1]
		} else if strings.HasPrefix(line, "COPY") || strings.HasPrefix(line, "ADD") {
			t.Errorf("%s: %s", target, line)
		}
	}
	return programs, entry
}

// checkTarget checks that a target is one program, run by nobody in particular,
// and holds nothing of libchdb.
func checkTarget(t *testing.T, target, service string) {
	t.Helper()
	all := stages(t)
	s, ok := all[target]
	if !ok {
		t.Errorf("%s: the Dockerfile has no target %s", service, target)
		return
	}
	if programs, entry := binaries(t, target); len(programs) != 1 || programs[0] != entry {
		t.Errorf("%s: programs %q, entry point %s", target, programs, entry)
	}
	user := ""
	lines := append(slices.Clone(all[s.from].lines), s.lines...)
	for _, line := range lines {
		if u, ok := strings.CutPrefix(line, "USER "); ok {
			user = u
		}
		if strings.Contains(line, "chdb") {
			t.Errorf("%s: %s", target, line)
		}
	}
	if uid, _, _ := strings.Cut(user, ":"); uid == "" || uid == "0" || uid == "root" {
		t.Errorf("%s runs as %q", target, user)
	}
	if from := all[s.from].from; !strings.HasPrefix(from, "alpine:") {
		t.Errorf("%s is made from %s", target, from)
	}
}

// The Dockerfile builds with the Go that go.mod asks for.
func TestGoVersion(t *testing.T) {
	b, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(b)
	if from := stages(t)["build"].from; !strings.HasPrefix(from, "golang:"+string(m[1])) {
		t.Errorf("built in %s, go.mod asks for %s", from, m[1])
	}
}

// cluster is deploy/clickhouse/cluster.xml. What is not named here would be an
// oversight.
type cluster struct {
	XMLName xml.Name `xml:"clickhouse"`
	Servers struct {
		X400 struct {
			Secret fromEnv `xml:"secret"`
			Shards []struct {
				Internal bool `xml:"internal_replication"`
				Replicas []struct {
					Host string `xml:"host"`
					Port int    `xml:"port"`
				} `xml:"replica"`
			} `xml:"shard"`
		} `xml:"x400"`
	} `xml:"remote_servers"`
	Macros struct {
		Shard   fromEnv `xml:"shard"`
		Replica fromEnv `xml:"replica"`
	} `xml:"macros"`
	Keepers []struct {
		Host string `xml:"host"`
		Port int    `xml:"port"`
	} `xml:"zookeeper>node"`
	DDL         string `xml:"distributed_ddl>path"`
	Credentials struct {
		User     string  `xml:"user"`
		Password fromEnv `xml:"password"`
	} `xml:"interserver_http_credentials"`
	Prometheus struct {
		Endpoint     string `xml:"endpoint"`
		Port         int    `xml:"port"`
		Metrics      bool   `xml:"metrics"`
		Events       bool   `xml:"events"`
		Asynchronous bool   `xml:"asynchronous_metrics"`
	} `xml:"prometheus"`
}

type fromEnv struct {
	Name string `xml:"from_env,attr"`
}

type keeper struct {
	Listen string `xml:"listen_host"`
	Server struct {
		Port      int     `xml:"tcp_port"`
		ID        fromEnv `xml:"server_id"`
		Log       string  `xml:"log_storage_path"`
		Snapshots string  `xml:"snapshot_storage_path"`
		Raft      []struct {
			ID   string `xml:"id"`
			Host string `xml:"hostname"`
			Port int    `xml:"port"`
		} `xml:"raft_configuration>server"`
	} `xml:"keeper_server"`
}

func readXML(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func value(s types.ServiceConfig, name string) string {
	if v := s.Environment[name]; v != nil {
		return *v
	}
	return ""
}

// mounted returns what a service has at a path.
func mounted(s types.ServiceConfig, path string) string {
	for _, v := range s.Volumes {
		if v.Target == path {
			return filepath.Base(v.Source)
		}
	}
	return ""
}

// Each ClickHouse server is where cluster.xml says, with the macros that the
// schema asks for, and finds its Keepers.
func TestClickHouse(t *testing.T) {
	p := project(t)
	var c cluster
	readXML(t, "clickhouse/cluster.xml", &c)
	if len(c.Servers.X400.Shards) != 2 {
		t.Fatalf("%d shards", len(c.Servers.X400.Shards))
	}
	variables := []string{c.Servers.X400.Secret.Name, c.Macros.Shard.Name, c.Macros.Replica.Name, c.Credentials.Password.Name}
	servers := 0
	for i, shard := range c.Servers.X400.Shards {
		if !shard.Internal || len(shard.Replicas) != 2 {
			t.Errorf("shard %d: internal_replication %v, %d replicas", i+1, shard.Internal, len(shard.Replicas))
		}
		for j, r := range shard.Replicas {
			servers++
			s, ok := p.Services[r.Host]
			if !ok || s.Hostname != r.Host || r.Port != 9000 {
				t.Errorf("no server at %s:%d", r.Host, r.Port)
				continue
			}
			if value(s, c.Macros.Shard.Name) != strconv.Itoa(i+1) || value(s, c.Macros.Replica.Name) != strconv.Itoa(j+1) {
				t.Errorf("%s says that it is %s, %s", r.Host, value(s, c.Macros.Shard.Name), value(s, c.Macros.Replica.Name))
			}
			for _, v := range variables {
				if value(s, v) == "" {
					t.Errorf("%s: cluster.xml wants %s", r.Host, v)
				}
			}
			if mounted(s, "/etc/clickhouse-server/config.d/cluster.xml") != "cluster.xml" || mounted(s, "/etc/clickhouse-server/users.d/x400flow.xml") != "users.xml" {
				t.Errorf("%s has not its configuration", r.Host)
			}
			if value(s, "CLICKHOUSE_SKIP_USER_SETUP") != "1" {
				t.Errorf("%s makes a user of its own", r.Host)
			}
		}
	}
	if servers != 4 {
		t.Errorf("%d servers in the cluster", servers)
	}
	// The macros are those that the schema's statements name.
	form := schema.Form{Cluster: "x400"}
	migrations, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	statements, err := migrations[0].Statements(form)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(strings.Join(statements, "\n"), -1) {
		named[m[1]] = true
	}
	if want := map[string]bool{"shard": true, "replica": true, "database": true, "table": true}; !maps.Equal(named, want) {
		t.Errorf("the schema names the macros %v, want %v", named, want)
	}

	var k keeper
	readXML(t, "clickhouse/keeper.xml", &k)
	if len(k.Server.Raft) != 3 || len(c.Keepers) != 3 || k.Listen != "0.0.0.0" {
		t.Fatalf("%d Keepers, of which servers know %d; listening on %s", len(k.Server.Raft), len(c.Keepers), k.Listen)
	}
	for i, r := range k.Server.Raft {
		s, ok := p.Services[r.Host]
		if !ok || value(s, k.Server.ID.Name) != r.ID || mounted(s, "/etc/clickhouse-keeper/keeper_config.xml") != "keeper.xml" {
			t.Errorf("Keeper %s at %s is not there, or takes itself for %s", r.ID, r.Host, value(s, k.Server.ID.Name))
		}
		if c.Keepers[i].Host != r.Host || c.Keepers[i].Port != k.Server.Port {
			t.Errorf("servers look for a Keeper at %s:%d", c.Keepers[i].Host, c.Keepers[i].Port)
		}
		for _, path := range []string{k.Server.Log, k.Server.Snapshots} {
			if !strings.HasPrefix(path, "/var/lib/clickhouse-keeper/") || mounted(s, "/var/lib/clickhouse-keeper") != r.Host {
				t.Errorf("%s: %s is not in its volume", r.Host, path)
			}
		}
	}
}

// Users are who decoders and Grafana say they are, and nobody else.
func TestUsers(t *testing.T) {
	p := project(t)
	var u struct {
		Users struct {
			Default *struct {
				Remove string `xml:"remove,attr"`
			} `xml:"default"`
			X400   user `xml:"x400"`
			Reader user `xml:"reader"`
		} `xml:"users"`
		Profiles struct {
			X400   *struct{} `xml:"x400"`
			Reader *struct {
				ReadOnly int `xml:"readonly"`
			} `xml:"reader"`
		} `xml:"profiles"`
	}
	readXML(t, "clickhouse/users.xml", &u)
	if u.Users.Default == nil || u.Users.Default.Remove == "" {
		t.Error("the user default, who has no password, is let in")
	}
	if u.Profiles.Reader == nil || u.Profiles.Reader.ReadOnly != 2 || u.Users.Reader.Profile != "reader" || u.Profiles.X400 == nil || u.Users.X400.Profile != "x400" {
		t.Error("the reader may write, or a profile is missing")
	}
	for name, s := range p.Services {
		target, err := url.Parse(firstHost(value(s, "X400FLOW_STORE")))
		if err != nil {
			t.Fatal(err)
		}
		variable := ""
		switch target.User.Username() {
		case "x400":
			variable = u.Users.X400.Password.Name
		case "reader":
			variable = u.Users.Reader.Password.Name
		case "":
			continue
		default:
			t.Errorf("%s is %s, whom ClickHouse does not know", name, target.User)
		}
		if got := value(s, "X400FLOW_STORE_PASSWORD"); got != "secret-of-"+variable {
			t.Errorf("%s proves who it is with %s, ClickHouse expects %s", name, got, variable)
		}
		if target.Path != "/x400" || !strings.Contains(strings.Join(u.Users.X400.Grants, "\n"), " ON x400.*") {
			t.Errorf("%s uses the database %s", name, target.Path)
		}
		for _, host := range strings.Split(strings.SplitN(strings.SplitN(value(s, "X400FLOW_STORE"), "@", 2)[1], "/", 2)[0], ",") {
			h, port, _ := strings.Cut(host, ":")
			if _, ok := p.Services[h]; !ok || port != "8123" {
				t.Errorf("%s: no server at %s", name, host)
			}
		}
	}
}

type user struct {
	Password fromEnv  `xml:"password"`
	Profile  string   `xml:"profile"`
	Grants   []string `xml:"grants>query"`
}

// firstHost leaves of several hosts in a URL the first, as net/url wants it.
func firstHost(s string) string { return regexp.MustCompile(`,[^/]*`).ReplaceAllString(s, "") }

// Brokers find one another, and sensors and decoders find them.
func TestKafka(t *testing.T) {
	p := project(t)
	// A cluster's identifier is 16 octets, in base64 without padding.
	if id, err := base64.RawURLEncoding.DecodeString(value(p.Services["kafka-1"], "CLUSTER_ID")); err != nil || len(id) != 16 {
		t.Errorf("the cluster's identifier is %q, %v", id, err)
	}
	var voters, addresses []string
	for id := 1; id <= 3; id++ {
		name := fmt.Sprintf("kafka-%d", id)
		s := p.Services[name]
		voters = append(voters, fmt.Sprintf("%d@%s:9093", id, name))
		addresses = append(addresses, name+":9092")
		if value(s, "KAFKA_NODE_ID") != strconv.Itoa(id) || value(s, "KAFKA_ADVERTISED_LISTENERS") != "PLAINTEXT://"+name+":9092" {
			t.Errorf("%s takes itself for %s at %s", name, value(s, "KAFKA_NODE_ID"), value(s, "KAFKA_ADVERTISED_LISTENERS"))
		}
		if mounted(s, value(s, "KAFKA_LOG_DIRS")) != name {
			t.Errorf("%s does not keep its records in its volume", name)
		}
	}
	for id := 1; id <= 3; id++ {
		s := p.Services[fmt.Sprintf("kafka-%d", id)]
		if got := value(s, "KAFKA_CONTROLLER_QUORUM_VOTERS"); got != strings.Join(voters, ",") {
			t.Errorf("voters are %s", got)
		}
	}
	for _, name := range []string{"sensor", "decoder-1", "decoder-2"} {
		if got := value(p.Services[name], "X400FLOW_BUS"); got != "kafka://"+strings.Join(addresses, ",")+"/x400.tpdus" {
			t.Errorf("%s looks for brokers at %s", name, got)
		}
	}
}
