package deploy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"x400flow/cmd/cmdtest"
	"x400flow/engine"
	"x400flow/pipeline/bus/kafka/kafkatest"
)

// properties are the brokers' settings as the image makes them of the
// environment, but for those that say where things are.
func properties(t *testing.T, p *types.Project) map[string]string {
	t.Helper()
	// These belong to containers; kafkatest has its own, of loopback.
	places := regexp.MustCompile(`^(node\.id|process\.roles|log\.dirs|controller\.quorum\.voters|controller\.listener\.names|inter\.broker\.listener\.name|(advertised\.)?listeners|listener\.security\.protocol\.map)$`)
	all := map[string]string{}
	for key, v := range p.Services["kafka-1"].Environment {
		name, ok := strings.CutPrefix(key, "KAFKA_")
		if !ok {
			continue
		}
		name = strings.ToLower(strings.ReplaceAll(name, "_", "."))
		if !places.MatchString(name) {
			all[name] = *v
		}
	}
	if len(all) < 8 {
		t.Fatalf("settings %v", all)
	}
	return all
}

// program is a service run as a process.
type program struct {
	cmd     *exec.Cmd
	out     bytes.Buffer
	address string // Of its metrics, once ready.
	ended   chan error
}

// start runs what a service's image runs, with the service's command and
// environment; replace holds what is elsewhere outside of containers.
func start(t *testing.T, bin string, s types.ServiceConfig, replace map[string]string, within *strings.Replacer) *program {
	t.Helper()
	_, entry := binaries(t, s.Build.Target)
	var args []string
	for _, a := range s.Command {
		args = append(args, within.Replace(a))
	}
	p := &program{cmd: exec.Command(filepath.Join(bin, entry), args...), ended: make(chan error, 1)}
	// Nothing of the tester's own environment decides.
	for _, name := range []string{"PATH", "HOME"} {
		p.cmd.Env = append(p.cmd.Env, name+"="+os.Getenv(name))
	}
	for name, v := range s.Environment {
		text := *v
		if r, ok := replace[name]; ok {
			text = r
		}
		p.cmd.Env = append(p.cmd.Env, name+"="+text)
	}
	p.cmd.Stdout = &p.out
	logged, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := regexp.MustCompile(`msg="serving metrics" address=(\S+)`)
	found := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(logged)
		for lines.Scan() {
			t.Logf("%s: %s", s.Name, lines.Text())
			if strings.Contains(lines.Text(), "secret-of-") {
				t.Errorf("%s logs a secret", s.Name)
			}
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	go func() {
		<-done
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-done })
	if value(s, "X400FLOW_LISTEN") == "" {
		return p
	}
	select {
	case p.address = <-found:
	case err := <-p.ended:
		t.Fatalf("%s ended: %v", s.Name, err)
	case <-time.After(time.Minute):
		t.Fatalf("%s serves no metrics", s.Name)
	}
	return p
}

// wait returns when the program has ended as it should.
func (p *program) wait(t *testing.T, name string, most time.Duration) {
	t.Helper()
	select {
	case err := <-p.ended:
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	case <-time.After(most):
		t.Fatalf("%s has not ended in %v", name, most)
	}
}

// TestProcesses runs what the sensor's, the decoders' and the query's images run,
// with the environment of docker-compose.yml, against brokers with its settings
// and an engine in the place of ClickHouse: all but the cluster, which an engine
// is not. What query then says is what it says of an archive made without a bus.
func TestProcesses(t *testing.T) {
	p := project(t)
	temp := t.TempDir()
	bin := cmdtest.Build(t, "ingest", "decode", "query")
	brokers := kafkatest.New(t, kafkatest.Options{Brokers: 3, Dir: filepath.Join(temp, "kafka"), Properties: properties(t, p)})

	archive := filepath.Join(temp, "archive")
	next := engine.Proxy(archive, engine.Options{MaxMemory: 2 << 30, Executable: filepath.Join(bin, "query")})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if want := map[string]string{"x400": "secret-of-X400FLOW_STORE_PASSWORD", "reader": "secret-of-X400FLOW_READER_PASSWORD"}[user]; want == "" || password != want {
			http.Error(w, "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}))
	cmdtest.StopAtEnd(t, archive)
	t.Cleanup(server.Close)
	captures, err := filepath.Abs("../testdata/mta")
	if err != nil {
		t.Fatal(err)
	}
	within := strings.NewReplacer("/captures", captures)
	replace := func(user string) map[string]string {
		return map[string]string{
			"X400FLOW_BUS":     brokers.URL("x400.tpdus"),
			"X400FLOW_STORE":   "clickhouse://" + user + "@" + strings.TrimPrefix(server.URL, "http://") + "/x400",
			"X400FLOW_CLUSTER": "",
			"X400FLOW_LISTEN":  "127.0.0.1:0",
			"X400FLOW_SPOOL":   filepath.Join(temp, "spool"),
		}
	}
	sensor := start(t, bin, p.Services["sensor"], replace(""), within)
	first := start(t, bin, p.Services["decoder-1"], replace("x400"), within)
	second := start(t, bin, p.Services["decoder-2"], replace("x400"), within)
	sensor.wait(t, "sensor", 2*time.Minute)

	// The same captures without a bus.
	direct := filepath.Join(temp, "direct")
	cmdtest.StopAtEnd(t, direct)
	if out, err := cmdtest.Command(t, "ingest", "-r", captures, "-sensor", "tap1", "-store", direct).CombinedOutput(); err != nil {
		t.Fatalf("ingest: %v\n%s", err, out)
	}
	query := p.Services["query"]
	want, err := cmdtest.Command(t, "query", append([]string{"-store", direct}, query.Command...)...).Output()
	if err != nil || len(want) == 0 {
		t.Fatalf("query: %v, %s", err, want)
	}
	got := ""
	for deadline := time.Now().Add(2 * time.Minute); got != string(want); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("query says\n%s\nwant\n%s", got, want)
		}
		q := start(t, bin, query, replace("reader"), within)
		select {
		case err := <-q.ended:
			// Until the first rows there is no archive.
			if got = q.out.String(); err == nil {
				continue
			}
		case <-time.After(time.Minute):
			t.Fatal("query does not end")
		}
	}

	for name, d := range map[string]*program{"decoder-1": first, "decoder-2": second} {
		check := p.Services[name].HealthCheck.Test
		url := check[len(check)-1]
		r, err := http.Get(strings.Replace(url, "127.0.0.1:9102", d.address, 1))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK || !strings.HasPrefix(url, "http://127.0.0.1:9102/") {
			t.Errorf("%s: %s says %s", name, url, r.Status)
		}
		if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		d.wait(t, name, time.Duration(*p.Services[name].StopGracePeriod))
	}
}
