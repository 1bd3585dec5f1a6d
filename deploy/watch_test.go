package deploy

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"x400flow/cmd/cmdtest"
	"x400flow/engine"
	"x400flow/pipeline/bus/kafka"
	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/live"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/packets"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/spool"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// names collects the names of all metrics that are registered, whether they have
// a value or not.
type names struct {
	prometheus.Registerer
	mu  sync.Mutex
	all map[string]bool
}

func (n *names) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 1000)
	c.Describe(descs)
	close(descs)
	// A Desc tells its name in its text alone.
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	n.mu.Lock()
	defer n.mu.Unlock()
	for d := range descs {
		m := name.FindStringSubmatch(d.String())
		n.all[m[1]] = true
		if _, ok := c.(prometheus.Histogram); ok {
			n.all[m[1]+"_bucket"] = true
		}
		if _, ok := c.(*prometheus.HistogramVec); ok {
			n.all[m[1]+"_bucket"] = true
		}
	}
	return n.Registerer.Register(c)
}

func (n *names) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := n.Register(c); err != nil {
			panic(err)
		}
	}
}

// known returns the names of the metrics that sensors and decoders have.
func known(t *testing.T, st *store.Store) map[string]bool {
	t.Helper()
	mon, err := monitor.Start(monitor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mon.Close() })
	n := &names{Registerer: mon.Registerer(), all: map[string]bool{"up": true, "process_resident_memory_bytes": true}}
	quiet := slog.New(slog.DiscardHandler)
	c := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Topic: "x400.tpdus", Registerer: n, Log: quiet}
	consumer, err := kafka.NewConsumer(kafka.ConsumerConfig{Config: c, Group: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consumer.Close() })
	producer, err := kafka.NewProducer(kafka.ProducerConfig{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { producer.Close() })
	out, err := spool.Open(spool.Config{Dir: t.TempDir(), Registerer: n, Log: quiet}, producer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close(t.Context()) })
	sensor.NewMetrics(n)
	n.MustRegister(new(live.Capture))
	kept, err := packets.Open(packets.Config{Dir: filepath.Join(t.TempDir(), "packets"), Registerer: n, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	w := st.NewWriter(t.Context(), store.WriterOptions{Registerer: n})
	n.MustRegister(decode.New(decode.Config{Workers: 1}, memory.New(0), w).Collector())
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n.all
}

func archive(t *testing.T) *store.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "archive")
	st, err := store.Open(store.Options{Target: dir, Engine: engine.Options{MaxMemory: 2 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	cmdtest.StopAtEnd(t, dir)
	t.Cleanup(func() { st.Close() })
	if err := st.Migrate(t.Context(), store.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	return st
}

// checkExpression checks that an expression is PromQL and asks for what there is.
func checkExpression(t *testing.T, st *store.Store, known map[string]bool, where, expression string) {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	asked := 0
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		asked++
		name := s.Name
		if of, ok := strings.CutPrefix(name, "ClickHouseMetrics_"); ok {
			var n uint64
			if err := st.Conn().QueryRow(t.Context(), "SELECT count() FROM system.metrics WHERE metric = '"+of+"'").Scan(&n); err != nil || n != 1 {
				t.Errorf("%s: ClickHouse has no metric %s: %v", where, of, err)
			}
			return nil
		}
		if !known[name] {
			t.Errorf("%s: there is no metric %s", where, name)
		}
		return nil
	})
	if asked == 0 {
		t.Errorf("%s: %s asks for nothing", where, expression)
	}
}

// readYAML reads a file into a type that names every setting in it.
func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Prometheus finds all that has metrics, and only that.
func TestPrometheus(t *testing.T) {
	p := project(t)
	var c struct {
		Global struct {
			Scrape     model.Duration `yaml:"scrape_interval"`
			Evaluation model.Duration `yaml:"evaluation_interval"`
		} `yaml:"global"`
		Rules []string `yaml:"rule_files"`
		Jobs  []struct {
			Name    string `yaml:"job_name"`
			Targets []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus/prometheus.yml", &c)
	if d := time.Duration(c.Global.Scrape); d <= 0 || d > time.Minute || c.Global.Evaluation != c.Global.Scrape {
		t.Errorf("scrapes every %v, evaluates every %v: rates over 5m want several a minute", d, time.Duration(c.Global.Evaluation))
	}
	var targets []string
	for _, job := range c.Jobs {
		for _, s := range job.Targets {
			for _, target := range s.Targets {
				if !strings.HasPrefix(target, job.Name) {
					t.Errorf("%s is of the job %s", target, job.Name)
				}
				targets = append(targets, target)
			}
		}
	}
	var xml cluster
	readXML(t, "clickhouse/cluster.xml", &xml)
	if pr := xml.Prometheus; pr.Endpoint != "/metrics" || !pr.Metrics || !pr.Events || !pr.Asynchronous {
		t.Errorf("ClickHouse shows %+v", pr)
	}
	var want []string
	for name, s := range p.Services {
		if listen := value(s, "X400FLOW_LISTEN"); listen != "" {
			want = append(want, name+strings.TrimPrefix(listen, "0.0.0.0"))
		}
		if strings.HasPrefix(s.Image, "clickhouse/clickhouse-server:") {
			want = append(want, name+":"+strconv.Itoa(xml.Prometheus.Port))
		}
	}
	slices.Sort(targets)
	slices.Sort(want)
	if !slices.Equal(targets, want) {
		t.Errorf("Prometheus asks %q, want %q", targets, want)
	}
	s := p.Services["prometheus"]
	if mounted(s, "/etc/prometheus") != "prometheus" || !slices.Contains(s.Command, "--config.file=/etc/prometheus/prometheus.yml") {
		t.Error("Prometheus does not get its configuration")
	}
	if !slices.Equal(c.Rules, []string{"alerts.yml"}) {
		t.Errorf("rules are in %q", c.Rules)
	}
	for _, path := range []string{"/prometheus"} {
		if !slices.Contains(s.Command, "--storage.tsdb.path="+path) || mounted(s, path) != "prometheus" {
			t.Errorf("Prometheus does not keep its data in its volume")
		}
	}
}

// Every alarm asks for metrics that there are, and the operations page says what
// to make of it.
func TestAlarms(t *testing.T) {
	st := archive(t)
	names := known(t, st)
	b, err := os.ReadFile("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(b, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			count++
			checkExpression(t, st, names, r.Alert, r.Expr)
			if !strings.Contains(string(page), "\n### "+r.Alert+"\n") {
				t.Errorf("docs/operations.md does not say what %s means", r.Alert)
			}
			if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s has no summary or severity", r.Alert)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### ([A-Z]\w+)$`).FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(string(b), "- alert: "+m[1]+"\n") {
			t.Errorf("docs/operations.md tells of %s, which is no alarm", m[1])
		}
	}
	if count < 10 {
		t.Errorf("%d alarms", count)
	}
	// Metrics that the page names are there.
	for _, m := range regexp.MustCompile("`(x400flow_\\w+)").FindAllStringSubmatch(string(page), -1) {
		if !names[m[1]] {
			t.Errorf("docs/operations.md names the metric %s, which is not there", m[1])
		}
	}
}

// dashboard is as much of a Grafana dashboard as these have.
type dashboard struct {
	UID    string
	Title  string
	Panels []struct {
		ID                       int
		Title, Description, Type string
		Datasource               source
		Targets                  []struct {
			Datasource   source
			Expr, RawSQL string
		}
		GridPos struct{ X, Y, W, H int }
	}
}

type source struct{ Type, UID string }

// Every panel of every dashboard asks a datasource that there is for what it
// has.
func TestDashboards(t *testing.T) {
	st := archive(t)
	names := known(t, st)
	w := st.NewWriter(t.Context(), store.WriterOptions{})
	batch := w.Batch()
	now := time.Now().UnixNano()
	batch.Messages.Append(&schema.Message{APDU: [16]byte{1}, Kind: "message", ID: schema.MTSIdentifier{Text: []byte("m")}, OriginTime: now, CapturedAt: now, SendingMTA: []byte("a"), ReceivingMTA: []byte("b")})
	batch.Problems.Append(&schema.Problem{Problem: [16]byte{1}, Time: now})
	batch.Coverage.Append(&schema.Interval{IntervalStart: now, IntervalEnd: now})
	batch.Associations.Append(&schema.Association{FirstSeen: now, LastSeen: now})
	for i, mta := range []string{"a", "b"} {
		batch.Trace.Append(&schema.TraceElement{APDU: [16]byte{1}, OriginTime: now, Scope: "envelope", Level: "internal", Seq: uint32(i + 1), MTAName: []byte(mta), ArrivalTime: now})
	}
	batch.Recipients.Append(&schema.Recipient{APDU: [16]byte{1}, Kind: "message", OriginTime: now, MTSID: []byte("m"), SubjectMTSID: []byte("m"), Number: 1})
	batch.Recipients.Append(&schema.Recipient{APDU: [16]byte{2}, Kind: "report", OriginTime: now, SubjectMTSID: []byte("m"), Number: 1, Outcome: "not-delivered"})
	batch.Messages.Append(&schema.Message{APDU: [16]byte{2}, Kind: "report", ID: schema.MTSIdentifier{Text: []byte("r")}, Subject: schema.MTSIdentifier{Text: []byte("m")}, OriginTime: now, CapturedAt: now})
	if err := w.Write(t.Context(), batch, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sources := datasources(t)
	files, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("dashboards %q, %v", files, err)
	}
	uids := map[string]bool{}
	macros := strings.NewReplacer("$__fromTime", "toDateTime(now() - 86400)", "$__toTime", "toDateTime(now() + 60)")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d.UID == "" || uids[d.UID] || d.Title == "" || len(d.Panels) == 0 {
			t.Errorf("%s: UID %q, title %q, %d panels", file, d.UID, d.Title, len(d.Panels))
		}
		uids[d.UID] = true
		ids := map[int]bool{}
		for i, p := range d.Panels {
			where := d.Title + ", " + p.Title
			if ids[p.ID] || p.Description == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: ID %d, description %q, at %+v", where, p.ID, p.Description, p.GridPos)
			}
			ids[p.ID] = true
			for _, o := range d.Panels[:i] {
				if a, b := o.GridPos, p.GridPos; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s covers %s", where, o.Title)
				}
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s asks for nothing", where)
			}
			for _, target := range p.Targets {
				if sources[target.Datasource.UID] != target.Datasource.Type || target.Datasource != p.Datasource {
					t.Errorf("%s: no datasource %+v", where, target.Datasource)
				}
				if target.Datasource.Type == "prometheus" {
					checkExpression(t, st, names, where, target.Expr)
					continue
				}
				sql := macros.Replace(target.RawSQL)
				if strings.Contains(sql, "$") {
					t.Errorf("%s: %s", where, sql)
				}
				r, err := st.Conn().QueryFormat(t.Context(), "TSV", sql)
				if err != nil {
					t.Errorf("%s: %v", where, err)
					continue
				}
				if rows, err := io.ReadAll(r); err != nil || len(rows) == 0 {
					t.Errorf("%s: no rows, %v", where, err)
				}
				r.Close()
			}
		}
	}
	// Grafana reads them, and has the first one as its home.
	var c struct {
		Version   int `yaml:"apiVersion"`
		Providers []struct {
			Name, Type string
			Options    struct{ Path string }
		}
	}
	readYAML(t, "grafana/provisioning/dashboards/dashboards.yml", &c)
	s := project(t).Services["grafana"]
	if c.Version != 1 || len(c.Providers) != 1 || c.Providers[0].Type != "file" || mounted(s, c.Providers[0].Options.Path) != "dashboards" {
		t.Errorf("Grafana reads dashboards from %+v", c)
	}
	home := value(s, "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH")
	if filepath.Dir(home) != c.Providers[0].Options.Path {
		t.Errorf("home is %s", home)
	}
	if _, err := os.Stat("grafana/dashboards/" + filepath.Base(home)); err != nil {
		t.Error(err)
	}
}

// datasources returns the types of the datasources by UID.
func datasources(t *testing.T) map[string]string {
	t.Helper()
	var c struct {
		Version     int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			Default                      bool `yaml:"isDefault"`
			Data                         struct {
				Host, Protocol, Username string
				Port                     int
				Database                 string `yaml:"defaultDatabase"`
			} `yaml:"jsonData"`
			Secure struct{ Password string } `yaml:"secureJsonData"`
		}
	}
	readYAML(t, "grafana/provisioning/datasources/datasources.yml", &c)
	p := project(t)
	grafana := p.Services["grafana"]
	if mounted(grafana, "/etc/grafana/provisioning") != "provisioning" || c.Version != 1 {
		t.Error("Grafana does not get its provisioning")
	}
	types := map[string]string{}
	for _, d := range c.Datasources {
		types[d.UID] = d.Type
		switch d.Type {
		case "prometheus":
			u, err := url.Parse(d.URL)
			if err != nil || u.Port() != "9090" {
				t.Errorf("%s: %v, %s", d.Name, err, d.URL)
			}
			if _, ok := p.Services[u.Hostname()]; !ok {
				t.Errorf("%s: no service %s", d.Name, u.Hostname())
			}
		case "grafana-clickhouse-datasource":
			if value(grafana, "GF_PLUGINS_PREINSTALL") != d.Type {
				t.Errorf("%s: the plugin %s is not installed", d.Name, d.Type)
			}
			if _, ok := p.Services[d.Data.Host]; !ok || d.Data.Port != 8123 || d.Data.Protocol != "http" || d.Data.Username != "reader" || d.Data.Database != "x400" {
				t.Errorf("%s is %+v", d.Name, d.Data)
			}
			if value(grafana, strings.TrimPrefix(d.Secure.Password, "$")) != "secret-of-X400FLOW_READER_PASSWORD" {
				t.Errorf("%s: its password is %s", d.Name, d.Secure.Password)
			}
		default:
			t.Errorf("%s is of type %s", d.Name, d.Type)
		}
	}
	return types
}
