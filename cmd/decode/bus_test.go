package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"x400flow/cmd/cmdtest"
	"x400flow/pipeline/bus/kafka/kafkatest"
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// TestOverKafka archives captures in one process, and over a real Kafka with a
// sensor and decoders: the archives are the same.
func TestOverKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts Kafka")
	}
	cmdtest.Build(t, "ingest", "decode")
	generated := filepath.Join(t.TempDir(), "traffic.pcap")
	cmdtest.WriteTraffic(t, generated, cmdtest.Damaged(1500))
	broker := kafkatest.New(t, kafkatest.Options{})
	for _, tt := range []struct {
		name, capture string
		decoders      int
	}{
		{"mta", "../../testdata/mta", 1},
		{"generated", generated, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alone := cmdtest.NewArchive(t, "")
			runCommand(t, "ingest", "-r", tt.capture, "-sensor", "test", "-store", alone.Dir)
			want := alone.Digests(t, nil)
			over := cmdtest.NewArchive(t, "")
			topic := "x400." + tt.name
			url := broker.URL(topic)
			var decoders []*process
			for range tt.decoders {
				decoders = append(decoders, start(t, "decode", "-bus", url, "-store", over.Dir, "-group", topic,
					"-create-topic", "4,1", "-session-timeout", "6s"))
			}
			if tt.decoders == 1 {
				eventually(t, "the decoder has its partitions", func() bool { return members(t, broker, topic) == 1 })
			} // Others share the partitions out while records come.
			runCommand(t, "ingest", "-r", tt.capture, "-sensor", "test", "-bus", url, "-create-topic", "4,1",
				"-spool", filepath.Join(t.TempDir(), "spool"))
			eventually(t, "everything is committed", func() bool { return committed(t, broker, topic, topic) })
			for _, d := range decoders {
				d.interrupt(t)
			}
			cmdtest.Same(t, "over Kafka", over.Digests(t, nil), want)
		})
	}
	t.Run("poison", func(t *testing.T) { testPoison(t, broker) })
	t.Run("spool", func(t *testing.T) { testSpool(t, broker, generated) })
	t.Run("full spool", func(t *testing.T) { testFullSpool(t, broker, generated) })
}

// testSpool begins without a broker, kills the sensor when it has filled its spool,
// and begins again; then the broker comes back.
func testSpool(t *testing.T, broker *kafkatest.Cluster, capture string) {
	const topic = "x400.spooled"
	alone := cmdtest.NewArchive(t, "")
	runCommand(t, "ingest", "-r", capture, "-sensor", "test", "-store", alone.Dir)
	want := alone.Digests(t, nil)
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
	killed := start(t, "ingest", args...)
	eventually(t, "the spool fills", func() bool { return spooled(t, spool) > 50_000 })
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.cmd.Wait()
	before := spooled(t, spool)
	again := start(t, "ingest", args...)
	eventually(t, "the spool fills further", func() bool { return spooled(t, spool) > before })
	if err := broker.Brokers()[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := again.cmd.Wait(); err != nil {
		// On a busy machine the broker starts for longer than a sensor waits for it.
		if !strings.Contains(again.out.String(), "the next run sends them") {
			t.Fatalf("%v\n%s", err, &again.out)
		}
		runCommand(t, "ingest", args...)
	}
	if n := spooled(t, spool); n != 0 {
		t.Errorf("%d octets left in the spool", n)
	}
	over := cmdtest.NewArchive(t, "")
	d := start(t, "decode", "-bus", url, "-store", over.Dir, "-session-timeout", "6s")
	eventually(t, "everything is committed", func() bool { return committed(t, broker, topic, "x400flow") })
	d.interrupt(t)
	cmdtest.Same(t, "over Kafka and a spool", over.Digests(t, nil), want)
}

// testFullSpool has a spool that is too small: the rows tell what was dropped.
func testFullSpool(t *testing.T, broker *kafkatest.Cluster, capture string) {
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
	p := &process{cmd: cmdtest.Command(t, "ingest", "-r", "-", "-sensor", "test", "-bus", url, "-spool", spool, "-spool-limit", "512K", "-kafka-timeout", "2s")}
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
	a := cmdtest.NewArchive(t, "")
	d := start(t, "decode", "-bus", url, "-store", a.Dir, "-session-timeout", "6s")
	// Not everything is committed: what came of a connection whose end was dropped
	// stays open.
	eventually(t, "the rows tell of the drops", func() bool {
		var n uint64
		err := a.Store.Conn().QueryRow(t.Context(), "SELECT sum(dropped_sensor) FROM coverage").Scan(&n)
		return err == nil && strconv.FormatUint(n, 10) == found[1]
	})
	d.interrupt(t)
	dropped := a.Number(t, "SELECT sum(dropped_sensor) FROM coverage")
	missing := a.Number(t, "SELECT count() FROM problems WHERE reason = 'records-missing'")
	captures := a.Number(t, "SELECT count() FROM captures")
	if strconv.FormatUint(dropped, 10) != found[1] || missing == 0 || captures != 0 {
		t.Errorf("coverage tells of %d records dropped, the sensor of %s; %d problems; %d captures", dropped, found[1], missing, captures)
	}
	// The same traffic comes once more, whole.
	again := &process{cmd: cmdtest.Command(t, "ingest", "-r", "-", "-sensor", "test", "-bus", url)}
	again.cmd.Stdin = bytes.NewReader(octets)
	again.begin(t)
	if err := again.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &again.out)
	}
	alone := cmdtest.NewArchive(t, "")
	runCommand(t, "ingest", "-r", capture, "-sensor", "test", "-store", alone.Dir)
	want := alone.Digests(t, nil)
	d = start(t, "decode", "-bus", url, "-store", a.Dir, "-session-timeout", "6s")
	// Of messages, the source differs.
	for _, table := range []string{"contents", "recipients", "trace", "extensions", "bilateral"} {
		eventually(t, table+" are those of the whole", func() bool { return a.Digests(t, nil)[table] == want[table] })
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
func testPoison(t *testing.T, broker *kafkatest.Cluster) {
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
	out, err := cmdtest.Command(t, "decode", "-bus", url, "-store", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), topic+".dead") {
		t.Errorf("decode without a dead-letter topic: %v\n%s", err, out)
	}
	runCommand(t, "ingest", "-r", "../../testdata/mta", "-bus", url, "-create-topic", "1,1")
	a := cmdtest.NewArchive(t, "")
	d := start(t, "decode", "-bus", url, "-store", a.Dir, "-session-timeout", "6s")
	eventually(t, "everything is committed", func() bool { return committed(t, broker, topic, "x400flow") })
	d.interrupt(t)
	if got := a.Digests(t, nil); strings.HasPrefix(got["messages"], "0 ") {
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

func runCommand(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := cmdtest.Command(t, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// process is a command that runs until it is interrupted.
type process struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: cmdtest.Command(t, name, args...)}
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
