package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"x400flow/bench/generate"
	"x400flow/engine"
	"x400flow/pipeline/bus/kafka/kafkatest"
	"x400flow/pipeline/store"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

// TestOverKafka archives captures in one process, and over a real Kafka with a
// sensor and decoders: the archives are the same.
func TestOverKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts Kafka")
	}
	bin := build(t)
	generated := filepath.Join(t.TempDir(), "traffic.pcap")
	writeTraffic(t, generated, 1500)
	broker := kafkatest.New(t, kafkatest.Options{})
	for _, tt := range []struct {
		name, capture string
		decoders      int
	}{
		{"mta", "../../testdata/mta", 1},
		{"generated", generated, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alone := newArchive(t, bin)
			bin.run(t, "ingest", "-r", tt.capture, "-sensor", "test", "-store", alone.dir)
			want := alone.digests(t)
			over := newArchive(t, bin)
			topic := "x400." + tt.name
			url := broker.URL(topic)
			var decoders []*process
			for range tt.decoders {
				decoders = append(decoders, bin.start(t, "decode", "-bus", url, "-store", over.dir, "-group", topic,
					"-create-topic", "4,1", "-session-timeout", "6s"))
			}
			if tt.decoders == 1 {
				eventually(t, "the decoder has its partitions", func() bool { return members(t, broker, topic) == 1 })
			} // Others share the partitions out while records come.
			bin.run(t, "ingest", "-r", tt.capture, "-sensor", "test", "-bus", url, "-create-topic", "4,1",
				"-spool", filepath.Join(t.TempDir(), "spool"))
			eventually(t, "everything is committed", func() bool { return committed(t, broker, topic, topic) })
			for _, d := range decoders {
				d.interrupt(t)
			}
			got := over.digests(t)
			if !reflect.DeepEqual(got, want) {
				for table := range want {
					if got[table] != want[table] {
						t.Errorf("%s: %s over Kafka, %s alone", table, got[table], want[table])
					}
				}
			}
			if strings.HasPrefix(want["messages"], "0 ") {
				t.Error("no messages: this proves nothing")
			}
		})
	}
	t.Run("poison", func(t *testing.T) { testPoison(t, bin, broker) })
	t.Run("spool", func(t *testing.T) { testSpool(t, bin, broker, generated) })
	t.Run("full spool", func(t *testing.T) { testFullSpool(t, bin, broker, generated) })
}

// testSpool begins without a broker, kills the sensor when it has filled its spool,
// and begins again; then the broker comes back.
func testSpool(t *testing.T, bin binaries, broker *kafkatest.Cluster, capture string) {
	const topic = "x400.spooled"
	alone := newArchive(t, bin)
	bin.run(t, "ingest", "-r", capture, "-sensor", "test", "-store", alone.dir)
	want := alone.digests(t)
	for _, name := range []string{topic, topic + ".dead"} {
		if err := broker.CreateTopic(t.Context(), name, 3, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := broker.Brokers()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	url, spool := broker.URL(topic), filepath.Join(t.TempDir(), "spool")
	args := []string{"-r", capture, "-sensor", "test", "-bus", url, "-spool", spool, "-kafka-timeout", "2s"}
	killed := bin.start(t, "ingest", args...)
	eventually(t, "the spool fills", func() bool { return spooled(t, spool) > 50_000 })
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.cmd.Wait()
	before := spooled(t, spool)
	again := bin.start(t, "ingest", args...)
	eventually(t, "the spool fills further", func() bool { return spooled(t, spool) > before })
	if err := broker.Brokers()[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := again.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &again.out)
	}
	if n := spooled(t, spool); n != 0 {
		t.Errorf("%d octets left in the spool", n)
	}
	over := newArchive(t, bin)
	d := bin.start(t, "decode", "-bus", url, "-store", over.dir, "-session-timeout", "6s")
	eventually(t, "everything is committed", func() bool { return committed(t, broker, topic, "x400flow") })
	d.interrupt(t)
	if got := over.digests(t); !reflect.DeepEqual(got, want) {
		t.Errorf("over Kafka %v, alone %v", got, want)
	}
}

// testFullSpool has a spool that is too small: the rows tell what was dropped.
func testFullSpool(t *testing.T, bin binaries, broker *kafkatest.Cluster, capture string) {
	const topic = "x400.full"
	for _, name := range []string{topic, topic + ".dead"} {
		if err := broker.CreateTopic(t.Context(), name, 3, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := broker.Brokers()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	url, spool := broker.URL(topic), filepath.Join(t.TempDir(), "spool")
	octets, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: bin.command("ingest", "-r", "-", "-sensor", "test", "-bus", url, "-spool", spool, "-spool-limit", "512K", "-kafka-timeout", "2s")}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.begin(t)
	// All but the last part comes while there is no broker.
	cut := len(octets) * 9 / 10
	if _, err := in.Write(octets[:cut]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the spool is full", func() bool { return spooled(t, spool) > 400_000 })
	if err := broker.Brokers()[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the spool is empty", func() bool { return spooled(t, spool) == 0 })
	if _, err := in.Write(octets[cut:]); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	err = p.cmd.Wait()
	found := regexp.MustCompile(`(\d+) records were dropped`).FindStringSubmatch(p.out.String())
	if err == nil || found == nil {
		t.Fatalf("it does not say that records were dropped: %v\n%s", err, &p.out)
	}
	a := newArchive(t, bin)
	d := bin.start(t, "decode", "-bus", url, "-store", a.dir, "-session-timeout", "6s")
	// Not everything is committed: what came of a connection whose end was dropped
	// stays open.
	eventually(t, "the rows tell of the drops", func() bool {
		var n uint64
		err := a.store.Conn().QueryRow(t.Context(), "SELECT sum(dropped_sensor) FROM coverage").Scan(&n)
		return err == nil && strconv.FormatUint(n, 10) == found[1]
	})
	d.interrupt(t)
	var dropped, missing, captures uint64
	if err := a.store.Conn().QueryRow(t.Context(), "SELECT sum(dropped_sensor) FROM coverage").Scan(&dropped); err != nil {
		t.Fatal(err)
	}
	if err := a.store.Conn().QueryRow(t.Context(), "SELECT count() FROM problems WHERE reason = 'records-missing'").Scan(&missing); err != nil {
		t.Fatal(err)
	}
	if err := a.store.Conn().QueryRow(t.Context(), "SELECT count() FROM captures").Scan(&captures); err != nil {
		t.Fatal(err)
	}
	if strconv.FormatUint(dropped, 10) != found[1] || missing == 0 || captures != 0 {
		t.Errorf("coverage tells of %d records dropped, the sensor of %s; %d problems; %d captures", dropped, found[1], missing, captures)
	}
	// The same traffic comes once more, whole.
	again := &process{cmd: bin.command("ingest", "-r", "-", "-sensor", "test", "-bus", url)}
	again.cmd.Stdin = bytes.NewReader(octets)
	again.begin(t)
	if err := again.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &again.out)
	}
	alone := newArchive(t, bin)
	bin.run(t, "ingest", "-r", capture, "-sensor", "test", "-store", alone.dir)
	want := alone.digests(t)
	d = bin.start(t, "decode", "-bus", url, "-store", a.dir, "-session-timeout", "6s")
	// Of messages, the source differs.
	for _, table := range []string{"contents", "recipients", "trace", "extensions", "bilateral"} {
		eventually(t, table+" are those of the whole", func() bool { return a.digests(t)[table] == want[table] })
	}
	d.interrupt(t)
}

// spooled returns the octets in a spool.
func spooled(t *testing.T, dir string) (n int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.records"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil { // Else it was just sent.
			n += info.Size()
		}
	}
	return n
}

// testPoison puts octets that are no record before a capture's records.
func testPoison(t *testing.T, bin binaries, broker *kafkatest.Cluster) {
	const topic = "x400.poison"
	if err := broker.CreateTopic(t.Context(), topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	// The default transport knows the topics of a moment ago.
	w := &kafka.Writer{Addr: kafka.TCP(broker.Addrs()...), Topic: topic, RequiredAcks: kafka.RequireAll, BatchSize: 1, Transport: new(kafka.Transport)}
	if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte("\xffpoison")}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The dead-letter topic is not there yet.
	url := broker.URL(topic)
	out, err := bin.command("decode", "-bus", url, "-store", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), topic+".dead") {
		t.Errorf("decode without a dead-letter topic: %v\n%s", err, out)
	}
	bin.run(t, "ingest", "-r", "../../testdata/mta", "-bus", url, "-create-topic", "1,1")
	a := newArchive(t, bin)
	d := bin.start(t, "decode", "-bus", url, "-store", a.dir, "-session-timeout", "6s")
	eventually(t, "everything is committed", func() bool { return committed(t, broker, topic, "x400flow") })
	d.interrupt(t)
	if got := a.digests(t); strings.HasPrefix(got["messages"], "0 ") {
		t.Error("nothing was archived behind the poison")
	}
	client := &kafka.Client{Addr: kafka.TCP(broker.Addrs()...), Transport: new(kafka.Transport)}
	res, err := client.Fetch(t.Context(), &kafka.FetchRequest{Topic: topic + ".dead", MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 10 * time.Second})
	if err = errors.Join(err, res.Error); err != nil {
		t.Fatal(err)
	}
	rec, err := res.Records.ReadRecord()
	if err != nil {
		t.Fatal(err)
	}
	value, err := kafka.ReadAll(rec.Value)
	if err != nil || string(value) != "\xffpoison" {
		t.Errorf("dead letter %q, %v", value, err)
	}
}

// committed tells whether the group has committed every partition's end.
func committed(t *testing.T, broker *kafkatest.Cluster, topic, group string) bool {
	t.Helper()
	transport := new(kafka.Transport)
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker.Addrs()...), Timeout: 10 * time.Second, Transport: transport}
	m, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		t.Fatal(err)
	}
	var ask []kafka.OffsetRequest
	var partitions []int
	for _, p := range m.Topics[0].Partitions {
		ask = append(ask, kafka.LastOffsetOf(p.ID))
		partitions = append(partitions, p.ID)
	}
	ends, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		t.Fatal(err)
	}
	done, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: partitions}})
	if err != nil || done.Error != nil {
		return false // The group is not there yet.
	}
	offsets := make(map[int]int64)
	for _, p := range done.Topics[topic] {
		offsets[p.Partition] = p.CommittedOffset
	}
	for _, p := range ends.Topics[topic] {
		if p.LastOffset > 0 && offsets[p.Partition] != p.LastOffset {
			return false
		}
	}
	return true
}

// members returns how many members the group has, 0 while they are being given
// their partitions.
func members(t *testing.T, broker *kafkatest.Cluster, group string) int {
	t.Helper()
	transport := new(kafka.Transport)
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker.Addrs()...), Timeout: 10 * time.Second, Transport: transport}
	r, err := client.DescribeGroups(t.Context(), &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil || len(r.Groups) != 1 || r.Groups[0].Error != nil || r.Groups[0].GroupState != "Stable" {
		return 0
	}
	return len(r.Groups[0].Members)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

// binaries is the folder of the commands, built.
type binaries string

func build(t *testing.T) binaries {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir+"/", "../ingest", "../decode")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return binaries(dir)
}

func (b binaries) command(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(string(b), name), args...)
}

func (b binaries) run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := b.command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// process is a command that runs until it is interrupted.
type process struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func (b binaries) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: b.command(name, args...)}
	p.begin(t)
	return p
}

func (p *process) begin(t *testing.T) {
	t.Helper()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
}

// interrupt ends the process as an operator would.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v after it was interrupted\n%s", err, &p.out)
	}
	t.Log(p.out.String())
}

func writeTraffic(t *testing.T, name string, messages int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := generate.DefaultOptions()
	o.Messages = messages
	o.LossRate = 0.001
	o.DisorderRate = 0.01
	if _, err := generate.Run(o, generate.Output{Capture: f}); err != nil {
		t.Fatal(err)
	}
}

type archive struct {
	dir   string
	store *store.Store
}

func newArchive(t *testing.T, bin binaries) *archive {
	t.Helper()
	a := &archive{dir: filepath.Join(t.TempDir(), "archive")}
	st, err := store.Open(store.Options{
		Target: a.dir, ReadOnly: true, Engine: engine.Options{Executable: filepath.Join(string(bin), "ingest")},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.store = st
	t.Cleanup(func() {
		st.Close()
		if err := engine.Stop(context.Background(), a.dir); err != nil {
			t.Error(err)
		}
	})
	return a
}

// digests returns for each table of the archive the number of its rows and a digest
// of all columns but the time of reading.
func (a *archive) digests(t *testing.T) map[string]string {
	t.Helper()
	digests := make(map[string]string)
	for _, table := range []string{
		"associations", "messages", "recipients", "trace", "extensions", "bilateral", "contents", "problems", "coverage", "captures",
	} {
		var rows, digest uint64
		columns := "*"
		if table == "captures" {
			columns = "* EXCEPT read_at"
		}
		sql := fmt.Sprintf("SELECT count(), groupBitXor(cityHash64(toString(tuple(%s)))) FROM %s", columns, table)
		if err := a.store.Conn().QueryRow(t.Context(), sql).Scan(&rows, &digest); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		digests[table] = fmt.Sprintf("%d rows, digest %016x", rows, digest)
	}
	return digests
}
