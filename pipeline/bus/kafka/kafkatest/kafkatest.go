// Package kafkatest starts a real Apache Kafka on loopback, one or several
// brokers in KRaft mode, for tests.
//
// The jars come from Maven Central (make kafka). Each broker is a process of its
// own, controller too, which can be stopped, killed, frozen and started again;
// its ports and its data stay. Brokers die with the process that started them.
package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// version is what pom.xml and fetch-kafka.sh name.
const version = "4.1.0"

// clusterID is any 16 octets in base64.
const clusterID = "eDQwMGZsb3cta2Fma2F0ZQ"

// startTimeout bounds how long a broker may take until it serves.
const startTimeout = 2 * time.Minute

// Options say what cluster to start.
type Options struct {
	// Brokers is how many; 1 by default.
	Brokers int
	// Dir holds configuration, data and logs. Required.
	Dir string
	// Properties are added to every broker's server.properties.
	Properties map[string]string
	// Security is the protocol that clients must speak: PLAINTEXT (the default),
	// SSL, SASL_PLAINTEXT or SASL_SSL. What it needs is in Properties, under
	// listener.name.client.
	Security string
	// Scram are users, as kafka-storage format --add-scram takes them.
	Scram []string
	// Advertise, if not nil, returns the address under which clients are told to
	// reach a broker (numbered from 0) that listens on addr: a proxy's.
	Advertise func(broker int, addr string) string
}

// Cluster is a running Kafka.
type Cluster struct {
	o       Options
	lib     string
	brokers []*Broker
}

// Broker is one of its brokers.
type Broker struct {
	dir        string
	properties string
	lib        string
	addr       string
	advertised string

	mu     sync.Mutex
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{} // Closed when cmd has ended.
}

// library returns where the jars are.
func library() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", errors.New("java is missing: make kafka installs it")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "x400flow", "kafka-"+version)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("no Apache Kafka %s in %s: make kafka fetches it", version, dir)
	}
	return dir, nil
}

// New starts a cluster for a test and closes it at the test's end. A test that
// fails shows the brokers' warnings.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			for i := range c.brokers {
				t.Logf("broker %d:\n%s", i, c.brokers[i].tail())
			}
		}
	})
	return c
}

// Start starts a cluster and returns when all its brokers serve.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Brokers <= 0 {
		o.Brokers = 1
	}
	if o.Security == "" {
		o.Security = "PLAINTEXT"
	}
	lib, err := library()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3 * o.Brokers)
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, lib: lib}
	var voters []string
	for i := range o.Brokers {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[3*i+2]))
	}
	for i := range o.Brokers {
		b := &Broker{
			lib: lib, dir: filepath.Join(o.Dir, "broker"+strconv.Itoa(i)),
			addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[3*i])),
		}
		b.advertised = b.addr
		if o.Advertise != nil {
			b.advertised = o.Advertise(i, b.addr)
		}
		b.properties = filepath.Join(b.dir, "server.properties")
		if err := os.MkdirAll(b.dir, 0o750); err != nil {
			return nil, err
		}
		p := c.settings(i, b, ports[3*i:], strings.Join(voters, ","))
		if err := os.WriteFile(b.properties, p, 0o640); err != nil {
			return nil, err
		}
		c.brokers = append(c.brokers, b)
	}
	if err := c.each(func(b *Broker) error { return b.format(ctx, o.Scram) }); err != nil {
		return nil, err
	}
	for _, b := range c.brokers {
		if err := b.launch(); err != nil {
			c.Close()
			return nil, err
		}
	}
	if err := c.each(func(b *Broker) error { return b.ready(ctx) }); err != nil {
		c.Close()
		return nil, err
	}
	if o.Security != "PLAINTEXT" {
		return c, nil // Clients with the means to ask will see.
	}
	if err := c.whole(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// settings returns a broker's server.properties.
func (c *Cluster) settings(i int, b *Broker, ports []int, voters string) []byte {
	replicas := min(3, c.o.Brokers)
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(i + 1),
		"controller.quorum.voters":       voters,
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "BROKER",
		"listeners":                      fmt.Sprintf("CLIENT://%s,BROKER://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", b.addr, ports[1], ports[2]),
		"advertised.listeners":           fmt.Sprintf("CLIENT://%s,BROKER://127.0.0.1:%d", b.advertised, ports[1]),
		"listener.security.protocol.map": "CLIENT:" + c.o.Security + ",BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                       filepath.Join(b.dir, "data"),
		"auto.create.topics.enable":      "false",
		"num.partitions":                 "1",
		"default.replication.factor":     strconv.Itoa(replicas),
		// Of three brokers one may be missing, of one none.
		"min.insync.replicas":                      strconv.Itoa(max(1, replicas-1)),
		"offsets.topic.replication.factor":         strconv.Itoa(replicas),
		"offsets.topic.num.partitions":             "3",
		"transaction.state.log.replication.factor": strconv.Itoa(replicas),
		"transaction.state.log.min.isr":            "1",
		"group.initial.rebalance.delay.ms":         "0",
		// Failures are noticed in seconds, as a test wants it.
		"broker.session.timeout.ms":      "6000",
		"broker.heartbeat.interval.ms":   "1000",
		"replica.lag.time.max.ms":        "5000",
		"group.min.session.timeout.ms":   "1000",
		"num.io.threads":                 "2",
		"num.network.threads":            "2",
		"log.cleaner.dedupe.buffer.size": "2097152",
	}
	for k, v := range c.o.Properties {
		p[k] = v
	}
	var out bytes.Buffer
	for _, k := range slices.Sorted(keys(p)) {
		fmt.Fprintf(&out, "%s=%s\n", k, p[k])
	}
	return out.Bytes()
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// each does something with every broker at once.
func (c *Cluster) each(do func(*Broker) error) error {
	errs := make([]error, len(c.brokers))
	var wg sync.WaitGroup
	for i, b := range c.brokers {
		wg.Go(func() { errs[i] = do(b) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// whole returns when the cluster knows of all its brokers.
func (c *Cluster) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		client, done := c.client()
		m, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		done()
		if err == nil && len(m.Brokers) == len(c.brokers) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the brokers did not find one another: %w", errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// client returns a client that caches nothing, and what ends it.
func (c *Cluster) client() (*kafka.Client, func()) {
	t := &kafka.Transport{DialTimeout: 2 * time.Second}
	return &kafka.Client{Addr: kafka.TCP(c.Addrs()...), Transport: t, Timeout: 10 * time.Second}, t.CloseIdleConnections
}

// Addrs returns the addresses under which clients reach the brokers.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, b := range c.brokers {
		addrs = append(addrs, b.advertised)
	}
	return addrs
}

// URL returns a topic's URL, as -bus takes it.
func (c *Cluster) URL(topic string) string {
	return (&url.URL{Scheme: "kafka", Host: strings.Join(c.Addrs(), ","), Path: "/" + topic}).String()
}

// Brokers returns the brokers.
func (c *Cluster) Brokers() []*Broker { return c.brokers }

// CreateTopic creates a topic, replicated as the cluster allows. It needs
// clients to be let in without security.
func (c *Cluster) CreateTopic(ctx context.Context, name string, partitions int, config map[string]string) error {
	var entries []kafka.ConfigEntry
	for k, v := range config {
		entries = append(entries, kafka.ConfigEntry{ConfigName: k, ConfigValue: v})
	}
	client, done := c.client()
	defer done()
	r, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: min(3, len(c.brokers)), ConfigEntries: entries,
	}}})
	if err != nil {
		return err
	}
	if err := r.Errors[name]; err != nil {
		return err
	}
	// It is there before its partitions have leaders.
	for {
		client, done := c.client()
		m, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
		done()
		led := 0
		if err == nil {
			for _, p := range m.Topics[0].Partitions {
				if p.Leader.Host != "" {
					led++
				}
			}
		}
		if led == partitions {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topic %s has no leaders: %w", name, errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Close kills the brokers.
func (c *Cluster) Close() {
	for _, b := range c.brokers {
		_ = b.Kill()
	}
}

// java returns a command that runs a class of Kafka's.
func (b *Broker) java(class string, args ...string) *exec.Cmd {
	args = append([]string{
		"-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-cp", filepath.Join(b.lib, "*"), class,
	}, args...)
	cmd := exec.Command("java", args...)
	cmd.Dir = b.dir
	// A broker without the test that started it is of no use to anybody.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// format prepares the broker's data directory.
func (b *Broker) format(ctx context.Context, scram []string) error {
	args := []string{"format", "-t", clusterID, "-c", b.properties}
	for _, s := range scram {
		args = append(args, "--add-scram", s)
	}
	cmd := b.java("kafka.tools.StorageTool", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("formatting %s: %w\n%s", b.dir, err, &out)
	}
	return nil
}

// launch starts the broker's process.
func (b *Broker) launch() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd != nil {
		return fmt.Errorf("the broker at %s runs already", b.addr)
	}
	log, err := os.OpenFile(b.logName(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	cmd := b.java("kafka.Kafka", b.properties)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		log.Close()
		return err
	}
	exited := make(chan struct{})
	b.cmd, b.log, b.exited = cmd, log, exited
	go func() {
		_ = cmd.Wait() // However it ended: who asked for that knows.
		log.Close()
		b.mu.Lock()
		b.cmd = nil
		b.mu.Unlock()
		close(exited)
	}()
	return nil
}

func (b *Broker) logName() string { return filepath.Join(b.dir, "broker.log") }

// tail returns the end of the broker's log.
func (b *Broker) tail() string {
	text, err := os.ReadFile(b.logName())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// ready returns when the broker accepts connections.
func (b *Broker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	b.mu.Lock()
	exited := b.exited
	b.mu.Unlock()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", b.addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-exited:
			return fmt.Errorf("the broker at %s ended:\n%s", b.addr, b.tail())
		case <-ctx.Done():
			return fmt.Errorf("the broker at %s does not serve: %w\n%s", b.addr, ctx.Err(), b.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Start starts the broker again and returns when it accepts connections.
func (b *Broker) Start(ctx context.Context) error {
	if err := b.launch(); err != nil {
		return err
	}
	return b.ready(ctx)
}

// Stop ends the broker as an operator would: it gives its leaderships away first.
// It is killed when ctx ends.
func (b *Broker) Stop(ctx context.Context) error {
	if err := b.signal(syscall.SIGTERM); err != nil {
		return err
	}
	b.mu.Lock()
	exited := b.exited
	b.mu.Unlock()
	select {
	case <-exited:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), b.Kill())
	}
}

// Kill ends the broker at once, if it runs, and returns when it is gone.
func (b *Broker) Kill() error {
	b.mu.Lock()
	exited := b.exited
	running := b.cmd != nil
	b.mu.Unlock()
	if !running {
		return nil
	}
	if err := b.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-exited
	return nil
}

// Pause freezes the broker, Resume lets it go on.
func (b *Broker) Pause() error  { return b.signal(syscall.SIGSTOP) }
func (b *Broker) Resume() error { return b.signal(syscall.SIGCONT) }

// Running tells whether the broker's process lives.
func (b *Broker) Running() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cmd != nil
}

func (b *Broker) signal(s syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return fmt.Errorf("the broker at %s: %w", b.addr, os.ErrProcessDone)
	}
	return b.cmd.Process.Signal(s)
}

// freePorts returns TCP ports that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
