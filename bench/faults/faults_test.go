package faults

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"x400flow/bench/generate"
	"x400flow/bench/ledger"
	"x400flow/engine"
	"x400flow/pipeline/bus/kafka/kafkatest"
)

var (
	long       = flag.Bool("long", false, "the long form")
	seedFlag   = flag.Uint64("seed", 1, "the schedule's seed")
	messages   = flag.Int("messages", 0, "about how many messages; 0 for what the form says")
	only       = flag.String("only", "", "the faults whose names match this regular expression; all where empty")
	roundsFlag = flag.Int("rounds", 0, "how often each strikes; 0 for what the form says")
	tags       = flag.String("tags-of-build", "", "build tags of the commands: earlyack shows that the run finds what is lost")
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}

// perFault is how many captures there are for each fault: work is to be in flight
// whenever one strikes.
const perFault = 1.6

const topic = "x400.faults"

// run is one fault run.
type run struct {
	t       *testing.T
	dir     string
	bin     string
	began   time.Time
	rng     *rand.Rand
	kafka   *kafkatest.Cluster
	wires   []*wire
	door    *door
	archive string
	chunks  []string // Captures; the second tap's has .tap behind its name.

	mu       sync.Mutex
	decoders []*decoder
	sensor   *exec.Cmd // The one that runs.
	started  int64     // The topic's end when it did.
	killed   bool      // A fault has killed it.
	struck   map[string]int
	done     atomic.Bool // All chunks are published.
	enough   atomic.Bool // All faults have struck.
	hungry   atomic.Bool // The next capture is wanted.
	sent     atomic.Int64
}

func (r *run) say(format string, args ...any) {
	r.t.Helper()
	r.t.Logf("%6.1fs  "+format, append([]any{time.Since(r.began).Seconds()}, args...)...)
}

func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts Kafka")
	}
	n, rounds, faults := 20_000, 1, chosen(t)
	if *long {
		n, rounds = 300_000, 2
	}
	if *roundsFlag > 0 {
		rounds = *roundsFlag
	}
	if *messages > 0 {
		n = *messages
	}
	r := &run{t: t, dir: t.TempDir(), began: time.Now(), rng: rand.New(rand.NewPCG(*seedFlag, 4)), struck: map[string]int{}}
	r.say("seed %d; the same seed gives the same schedule", *seedFlag)
	t.Cleanup(r.logs)
	r.build()
	r.disk()
	want := r.generate(n, int(perFault*float64(rounds*len(faults))))
	r.begin()

	var sensors sync.WaitGroup
	sensors.Go(r.sense)
	r.strike(faults, rounds)
	r.enough.Store(true)
	sensors.Wait()
	r.say("%d captures published, every fault has struck; waiting until everything is committed", len(r.chunks))
	for least := int64(1 << 62); least > 0; {
		r.eventually("more is committed", 5*time.Minute, func() bool {
			lag, _, err := r.lag()
			less := err == nil && lag < least
			if less {
				least = lag
			}
			return less
		})
	}
	for len(r.decoders) > 0 {
		r.end(r.decoders[0], syscall.SIGTERM)
	}
	r.compare(want)
}

// logs shows the ends of the decoders' logs where the run failed.
func (r *run) logs() {
	if !r.t.Failed() {
		return
	}
	names, _ := filepath.Glob(filepath.Join(r.dir, "decode*.log"))
	for _, name := range names[max(0, len(names)-4):] {
		out, err := os.ReadFile(name)
		r.t.Logf("%s: %v\n%s", filepath.Base(name), err, out[max(0, len(out)-60000):])
	}
}

// build builds the commands.
func (r *run) build() {
	r.bin = filepath.Join(r.dir, "bin")
	cmd := exec.Command("go", "build", "-tags", *tags, "-o", r.bin+"/", "../../cmd/ingest", "../../cmd/decode")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("building: %v\n%s", err, out)
	}
}

// disk makes the small disk that the archive is on.
func (r *run) disk() {
	disk := filepath.Join(r.dir, "disk")
	if err := os.Mkdir(disk, 0o750); err != nil {
		r.t.Fatal(err)
	}
	size := "1g"
	if *long {
		size = "5g"
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size); err != nil {
		r.say("no tmpfs may be mounted here (%v): the disk will not be full", err)
		disk = r.dir
	} else {
		r.t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	}
	r.archive = filepath.Join(disk, "archive")
}

// generate makes so many captures, with n messages in all, and returns their
// sightings. The generator makes about 1.7 of what it originates: messages are
// relayed and reported on.
func (r *run) generate(n, captures int) map[string]bool {
	perChunk := n * 10 / 17 / captures
	want := map[string]bool{}
	for seed := uint64(1); len(want) < n; seed++ {
		name := filepath.Join(r.dir, fmt.Sprintf("traffic%03d.pcap", seed))
		o := generate.DefaultOptions()
		o.Seed, o.Messages, o.Concurrent = 1000*(*seedFlag)+seed, perChunk, 40
		o.Start = o.Start.Add(time.Duration(seed) * 24 * time.Hour)
		var l bytes.Buffer
		capture, err := os.Create(name)
		if err != nil {
			r.t.Fatal(err)
		}
		tap, err := os.Create(name + ".tap")
		if err != nil {
			r.t.Fatal(err)
		}
		_, err = generate.Run(o, generate.Output{Capture: capture, Tap: tap, Ledger: &l})
		if err = errors.Join(err, capture.Close(), tap.Close()); err != nil {
			r.t.Fatal(err)
		}
		all, err := ledger.ReadAll(&l)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range all.Sightings {
			if s := &all.Sightings[i]; s.Whole {
				want[sighting(s.SHA256, s.Seq)] = true
			}
		}
		r.chunks = append(r.chunks, name)
	}
	r.say("%d captures with %d messages, probes and reports", len(r.chunks), len(want))
	return want
}

func sighting(sha256 string, seq uint32) string {
	return fmt.Sprintf("%s %d", strings.ToLower(sha256), seq)
}

// begin starts Kafka, the store's door and the first decoder.
func (r *run) begin() {
	r.kafka = kafkatest.New(r.t, kafkatest.Options{
		Brokers: 3, Dir: filepath.Join(r.dir, "kafka"),
		Advertise: func(_ int, addr string) string {
			w := newWire(r.t, addr)
			r.wires = append(r.wires, w)
			return w.listener.Addr().String()
		},
	})
	for _, name := range []string{topic, topic + ".dead"} {
		if err := r.kafka.CreateTopic(r.t.Context(), name, 6, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	r.door = newDoor(r.t, r.archive, filepath.Join(r.bin, "ingest"))
	r.t.Cleanup(func() {
		for len(r.decoders) > 0 {
			r.end(r.decoders[0], syscall.SIGKILL)
		}
		if err := engine.Stop(context.Background(), r.archive); err != nil {
			r.t.Log(err)
		}
	})
	r.decode()
	r.say("three brokers, an engine and a decoder run")
}

// decoder is a decoder that runs.
type decoder struct {
	*exec.Cmd
	log   string
	ends  atomic.Bool // It was told to end.
	ended chan struct{}
}

// decode starts one decoder more. One that ends by itself fails the run.
func (r *run) decode() {
	cmd := exec.Command(filepath.Join(r.bin, "decode"), "-bus", r.kafka.URL(topic), "-store", "clickhouse://default@"+r.door.addr+"/default",
		"-session-timeout", "6s", "-kafka-timeout", "3s", "-workers", "2")
	d := &decoder{Cmd: cmd, log: fmt.Sprintf("decode%d", time.Now().UnixNano()), ended: make(chan struct{})}
	r.launch(cmd, d.log)
	r.mu.Lock()
	r.decoders = append(r.decoders, d)
	r.mu.Unlock()
	go func() {
		defer close(d.ended)
		err := cmd.Wait()
		if !d.ends.Load() {
			out, _ := os.ReadFile(filepath.Join(r.dir, d.log+".log"))
			r.t.Errorf("a decoder ended by itself: %v\n%s", err, out[max(0, len(out)-2000):])
		}
	}()
}

// end ends a decoder and takes it off the list.
func (r *run) end(d *decoder, how syscall.Signal) {
	d.ends.Store(true)
	d.Process.Signal(how)
	<-d.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decoders = slices.DeleteFunc(r.decoders, func(o *decoder) bool { return o == d })
}

// launch starts a command, whose output goes to a file.
func (r *run) launch(cmd *exec.Cmd, name string) {
	log, err := os.Create(filepath.Join(r.dir, name+".log"))
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	log.Close()
}

// sense publishes the captures one after the other, every third as two sensors
// see it, whenever there is little left to decode. A sensor that was killed begins
// its capture again.
func (r *run) sense() {
	defer r.done.Store(true)
	for i, chunk := range r.chunks {
		for !r.enough.Load() && !r.hungry.CompareAndSwap(true, false) && r.t.Context().Err() == nil {
			time.Sleep(50 * time.Millisecond)
		}
		var second sync.WaitGroup
		if i%3 == 0 {
			second.Go(func() { r.ingest(chunk+".tap", "tap2", false) })
		}
		r.ingest(chunk, "tap1", true)
		second.Wait()
		r.sent.Add(1)
	}
}

func (r *run) ingest(capture, sensor string, mayBeKilled bool) {
	for attempt := 0; r.t.Context().Err() == nil; attempt++ {
		cmd := exec.Command(filepath.Join(r.bin, "ingest"), "-r", capture, "-sensor", sensor, "-bus", r.kafka.URL(topic),
			"-spool", filepath.Join(r.dir, "spool."+sensor), "-kafka-timeout", "3s", "-record-octets", "16K")
		_, end, _ := r.lag()
		r.launch(cmd, fmt.Sprintf("%s.%s.%d", filepath.Base(capture), sensor, attempt))
		if mayBeKilled {
			r.mu.Lock()
			r.sensor, r.started, r.killed = cmd, end, false
			r.mu.Unlock()
		}
		err := cmd.Wait()
		r.mu.Lock()
		killed := mayBeKilled && r.killed
		if mayBeKilled {
			r.sensor = nil
		}
		r.mu.Unlock()
		if err == nil {
			return
		}
		if !killed {
			out, _ := os.ReadFile(filepath.Join(r.dir, fmt.Sprintf("%s.%s.%d.log", filepath.Base(capture), sensor, attempt)))
			r.t.Errorf("ingest %s: %v\n%s", capture, err, out[max(0, len(out)-2000):])
			return
		}
	}
}

// lag returns how many records are not committed, and the topic's end.
func (r *run) lag() (lag, end int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	transport := &kafka.Transport{DialTimeout: time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(r.kafka.Addrs()...), Timeout: 4 * time.Second, Transport: transport}
	var ask []kafka.OffsetRequest
	var partitions []int
	for p := range 6 {
		ask, partitions = append(ask, kafka.LastOffsetOf(p)), append(partitions, p)
	}
	ends, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		return 0, 0, err
	}
	for _, p := range ends.Topics[topic] {
		if p.Error != nil {
			return 0, 0, p.Error
		}
		end += p.LastOffset
	}
	done, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: "x400flow", Topics: map[string][]int{topic: partitions}})
	if err == nil {
		err = done.Error
	}
	if err != nil {
		return 0, end, err
	}
	lag = end
	for _, p := range done.Topics[topic] {
		lag -= max(p.CommittedOffset, 0)
	}
	return lag, end, nil
}

// shared reports whether the group has so many members and each has partitions.
func (r *run) shared(members int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	transport := &kafka.Transport{DialTimeout: time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(r.kafka.Addrs()...), Timeout: 4 * time.Second, Transport: transport}
	got, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{"x400flow"}})
	if err != nil || len(got.Groups) != 1 || got.Groups[0].GroupState != "Stable" || len(got.Groups[0].Members) != members {
		return false
	}
	for _, m := range got.Groups[0].Members {
		if len(m.MemberAssignments.Topics) == 0 || len(m.MemberAssignments.Topics[0].Partitions) == 0 {
			return false
		}
	}
	return true
}

func (r *run) eventually(what string, within time.Duration, ok func() bool) {
	r.t.Helper()
	deadline, fed := time.Now().Add(within), time.Now()
	for ; !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Since(fed) > 3*time.Second {
			r.hungry.Store(true)
			fed = time.Now()
		}
		if time.Now().After(deadline) {
			lag, end, err := r.lag()
			for _, d := range slices.Clone(r.decoders) {
				// Its log shows then what it waits for.
				r.end(d, syscall.SIGQUIT)
			}
			r.t.Fatalf("%s: not within %v; lag %d of %d, %v", what, within, lag, end, err)
		}
	}
}

// busy returns when rows advance and records wait, and says so.
func (r *run) busy() (proof string) {
	r.t.Helper()
	if lag, _, err := r.lag(); err == nil && lag < 500 {
		r.hungry.Store(true)
	}
	r.eventually("work is in flight", 3*time.Minute, func() bool {
		before, octets := r.door.inserts.Load(), r.door.rows.Load()
		for range 15 {
			time.Sleep(100 * time.Millisecond)
			if n := r.door.inserts.Load() - before; n > 0 {
				lag, end, err := r.lag()
				proof = fmt.Sprintf("%d inserts of %d kB within the last second and a half, %d of %d records not committed",
					n, (r.door.rows.Load()-octets)/1000, lag, end)
				return err == nil && lag > 0
			}
		}
		return false
	})
	return proof
}
