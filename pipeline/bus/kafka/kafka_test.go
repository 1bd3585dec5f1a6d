package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/kafka/kafkatest"
	"x400flow/pipeline/record"
)

// one is the broker that most tests share.
var one struct {
	sync.Once
	cluster *kafkatest.Cluster
	dir     string
	err     error
	topics  atomic.Int32
}

func TestMain(m *testing.M) {
	code := m.Run()
	if one.cluster != nil {
		one.cluster.Close()
	}
	os.RemoveAll(one.dir)
	os.Exit(code)
}

func cluster(t testing.TB) *kafkatest.Cluster {
	t.Helper()
	one.Do(func() {
		if one.dir, one.err = os.MkdirTemp("", "kafka-test"); one.err == nil {
			one.cluster, one.err = kafkatest.Start(context.Background(), kafkatest.Options{Dir: one.dir})
		}
	})
	if one.err != nil {
		t.Fatal(one.err)
	}
	return one.cluster
}

// topic makes a topic of its own for each run of a test, with its dead-letter topic.
func topic(t testing.TB, partitions int) Config {
	t.Helper()
	c := Config{Brokers: cluster(t).Addrs(), Topic: fmt.Sprintf("%s.%d", strings.NewReplacer("/", ".", "#", "-").Replace(t.Name()), one.topics.Add(1)), Timeout: 5 * time.Second, Log: logTo(t)}
	got, err := Prepare(t.Context(), c, &Create{Partitions: partitions, Replication: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got.Partitions != partitions || got.MaxMessage < 1<<20 {
		t.Fatalf("topic %+v", got)
	}
	return c
}

func logTo(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func producer(t testing.TB, c ProducerConfig) *Producer {
	t.Helper()
	p, err := NewProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// numbered is a message of a key with a number, which is a valid record, too.
func numbered(key byte, n uint64) bus.Message {
	m := bus.Message{Record: record.NewBuffer()}
	m.Key[0] = key
	m.Record.B = append(m.Record.B[:0], key)
	m.Record.B = binary.BigEndian.AppendUint64(m.Record.B, n)
	return m
}

func (p *Producer) sendAll(t testing.TB, batch []bus.Message) {
	t.Helper()
	for len(batch) > 0 {
		var err error
		if batch, _, err = p.Send(t.Context(), batch); err != nil {
			t.Logf("%d left: %v", len(batch), err)
		}
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
}

func consumer(t testing.TB, c Config, group string) *Consumer {
	t.Helper()
	k, err := NewConsumer(ConsumerConfig{
		Config: c, Group: group, SessionTimeout: 6 * time.Second, RevokeBudget: 2 * time.Second, CommitInterval: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// end closes a consumer, acknowledging that lanes are taken away.
func end(t testing.TB, k *Consumer) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- k.Close() }()
	for {
		d, err := k.Receive(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if d.Record == nil {
			d.Ack()
		} else {
			d.Record.Release()
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// receive receives n records.
func receive(t testing.TB, k *Consumer, n int) []bus.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []bus.Delivery
	for len(got) < n {
		d, err := k.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d: %v", len(got), n, err)
		}
		if d.Record == nil {
			t.Fatal("a lane was taken away")
		}
		got = append(got, d)
	}
	return got
}

// quiet checks that nothing is received.
func quiet(t testing.TB, k *Consumer) {
	t.Helper()
	// Longer than joining takes: a member that has no partitions yet proves nothing.
	deadline := time.Now().Add(20 * time.Second)
	for {
		k.mu.Lock()
		joined := len(k.lanes) > 0
		k.mu.Unlock()
		if joined {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no partitions")
		}
		time.Sleep(10 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if d, err := k.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("received %+v, %v", d, err)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "zstd", "snappy", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			if testing.Short() && compression != "zstd" {
				t.Skip("-short: one will do")
			}
			c := topic(t, 4)
			registry := prometheus.NewRegistry()
			pc := ProducerConfig{Config: c, Compression: compression}
			pc.Registerer = registry
			p := producer(t, pc)
			const keys, each, beats = 20, 100, 7
			var batch []bus.Message
			for n := range uint64(each) {
				for key := range byte(keys) {
					batch = append(batch, numbered(key+1, n))
				}
				if n < beats {
					batch = append(batch, numbered(0, n))
				}
			}
			p.sendAll(t, batch)
			if got, err := testutil.GatherAndCount(registry); err != nil || got == 0 {
				t.Errorf("%d metrics, %v", got, err)
			}
			if got := testutil.ToFloat64(p.metrics.records); got != keys*each+beats {
				t.Errorf("%v records counted", got)
			}
			k := consumer(t, c, "all")
			next := make(map[byte]uint64)
			lanes := make(map[byte]int32)
			beatsOf := make(map[int32]uint64)
			first := func(got uint64, want *uint64) bool {
				if got > *want {
					t.Fatalf("record %d, want %d", got, *want)
				}
				if got < *want {
					return false // A repeat.
				}
				*want++
				return true
			}
			for left := keys*each + beats*4; left > 0; {
				d := receive(t, k, 1)[0]
				key, n := d.Record.B[0], binary.BigEndian.Uint64(d.Record.B[1:])
				if key == 0 {
					want := beatsOf[d.Lane]
					if first(n, &want) {
						left--
					}
					beatsOf[d.Lane] = want
				} else {
					want := next[key]
					if first(n, &want) {
						left--
					}
					next[key] = want
					if lane, ok := lanes[key]; ok && lane != d.Lane {
						t.Errorf("key %d is in lanes %d and %d", key, lane, d.Lane)
					}
					lanes[key] = d.Lane
				}
				d.Record.Release()
				d.Ack()
			}
			if len(beatsOf) != 4 {
				t.Errorf("heartbeats in lanes %v only", slices.Collect(maps.Keys(beatsOf)))
			}
			end(t, k)
			if testutil.ToFloat64(p.metrics.failures) > 0 {
				return // There are repeats, which may not all have been received.
			}
			// All was acknowledged, so nothing comes again.
			k = consumer(t, c, "all")
			quiet(t, k)
			end(t, k)
		})
	}
}

// TestCommit acknowledges all but one: the next owner begins there.
func TestCommit(t *testing.T) {
	c := topic(t, 1)
	p := producer(t, ProducerConfig{Config: c})
	var batch []bus.Message
	for n := range uint64(10) {
		batch = append(batch, numbered(1, n))
	}
	p.sendAll(t, batch)
	k := consumer(t, c, "g")
	registry := prometheus.NewRegistry()
	registry.MustRegister(laneCollector{k})
	got := receive(t, k, 10)
	for i := len(got) - 1; i >= 0; i-- {
		if i != 3 {
			got[i].Ack()
		}
	}
	lag := func(want int) {
		t.Helper()
		text := fmt.Sprintf("# HELP x400flow_bus_lag_records Records of a partition beyond the offset up to which everything is durable.\n"+
			"# TYPE x400flow_bus_lag_records gauge\nx400flow_bus_lag_records{partition=\"0\"} %d\n", want)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "x400flow_bus_lag_records"); err != nil {
			t.Error(err)
		}
	}
	lag(7)
	if done, waiting := k.Progress(); done != 10 || waiting {
		t.Errorf("%d received, waiting %v", done, waiting)
	}
	end(t, k)
	if _, waiting := k.Progress(); !waiting {
		t.Error("a consumer that is in no group waits for nothing")
	}
	// It was taken away, so this comes too late.
	got[3].Ack()
	k = consumer(t, c, "g")
	for i, d := range receive(t, k, 7) {
		if want := int64(3 + i); d.Offset != want {
			t.Errorf("offset %d, want %d", d.Offset, want)
		}
		d.Ack()
	}
	end(t, k)
	k = consumer(t, c, "g")
	quiet(t, k)
	end(t, k)
}

// member receives and acknowledges late, and keeps count of what it has seen.
type member struct {
	k    *Consumer
	done chan struct{}
	seen atomic.Int64
}

func (h *history) join(t testing.TB, c Config) *member {
	m := &member{k: consumer(t, c, "g"), done: make(chan struct{})}
	t.Cleanup(func() { m.leave(t) })
	go func() {
		defer close(m.done)
		var late []func()
		for {
			d, err := m.k.Receive(context.Background())
			if err != nil {
				if err != io.EOF {
					t.Error(err)
				}
				return
			}
			if d.Record == nil {
				// What was seen counts; what is not acknowledged comes again.
				d.Ack()
				continue
			}
			h.saw(binary.BigEndian.Uint64(d.Record.B[1:]))
			d.Record.Release()
			m.seen.Add(1)
			if late = append(late, d.Ack); len(late) > 20 {
				late[0]()
				late = late[1:]
			}
		}
	}()
	return m
}

func (m *member) leave(t testing.TB) {
	if err := m.k.Close(); err != nil {
		t.Error(err)
	}
	<-m.done
}

type history struct {
	mu    sync.Mutex
	times map[uint64]int
}

func (h *history) saw(n uint64) {
	h.mu.Lock()
	h.times[n]++
	h.mu.Unlock()
}

func (h *history) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.times)
}

// TestRebalance has members come and go under traffic.
func TestRebalance(t *testing.T) {
	c := topic(t, 4)
	p := producer(t, ProducerConfig{Config: c})
	h := &history{times: make(map[uint64]int)}
	var sent atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			var batch []bus.Message
			for n := sent.Load(); len(batch) < 40; n++ {
				batch = append(batch, numbered(byte(n%40)+1, n))
			}
			p.sendAll(t, batch)
			sent.Add(40)
		}
	}()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				close(stop)
				<-stopped
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	a := h.join(t, c)
	until("the first member receives", func() bool { return a.seen.Load() > 100 })
	b := h.join(t, c)
	until("the second member receives", func() bool { return b.seen.Load() > 100 })
	before := a.seen.Load()
	until("the first member goes on", func() bool { return a.seen.Load() > before+100 })
	b.leave(t)
	before = a.seen.Load()
	until("the first member has all again", func() bool { return a.seen.Load() > before+300 })
	close(stop)
	<-stopped
	stop = make(chan struct{}) // For until.
	all := int(sent.Load())
	until("all is received", func() bool { return h.count() == all })
	a.leave(t)
	again := 0
	for n := range uint64(all) {
		if h.times[n] == 0 {
			t.Errorf("record %d is lost", n)
		}
		again += h.times[n] - 1
	}
	t.Logf("%d records, %d received again", all, again)
}

func TestDeadLetter(t *testing.T) {
	c := topic(t, 2)
	p := producer(t, ProducerConfig{Config: c})
	large := numbered(1, 2)
	large.Record.B = append(large.Record.B, make([]byte, 300<<10)...)
	p.sendAll(t, []bus.Message{numbered(1, 1), large})
	k := consumer(t, c, "g")
	got := receive(t, k, 2)
	if err := k.DeadLetter(t.Context(), &got[1], errors.New("cannot be read")); err != nil {
		t.Fatal(err)
	}
	got[0].Ack()
	got[1].Ack()
	end(t, k)
	// That of all clients knows the topics of a while ago.
	transport := new(kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: transport}
	res, err := client.Fetch(t.Context(), &kafka.FetchRequest{
		Topic: c.Topic + DeadSuffix, Offset: kafka.FirstOffset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if res.Error != nil {
		t.Fatal(res.Error)
	}
	rec, err := res.Records.ReadRecord()
	if err != nil {
		t.Fatal(err)
	}
	value, err := kafka.ReadAll(rec.Value)
	if err != nil || string(value) != string(got[1].Record.B) {
		t.Errorf("%d octets, %v", len(value), err)
	}
	var headers []string
	for _, h := range rec.Headers {
		headers = append(headers, h.Key+"="+string(h.Value))
	}
	want := fmt.Sprintf("reason=cannot be read topic=%s partition=%d offset=1 group=g", c.Topic, got[1].Lane)
	if s := strings.Join(headers, " "); s != want {
		t.Errorf("headers %s, want %s", s, want)
	}
}

// TestTooLarge sends records that the topic does not take.
func TestTooLarge(t *testing.T) {
	c := topic(t, 1)
	p := producer(t, ProducerConfig{Config: c, MaxMessage: 2 << 20, Compression: "none"})
	large := func(n int) bus.Message {
		m := numbered(1, uint64(n))
		m.Record.B = append(m.Record.B, make([]byte, n)...)
		return m
	}
	// The producer takes the limit for larger than it is.
	batch := []bus.Message{numbered(1, 1), large(1500 << 10), numbered(1, 2), large(3 << 20), numbered(1, 3)}
	refused := 0
	for len(batch) > 0 {
		left, r, err := p.Send(t.Context(), batch)
		if refused += r; err != nil {
			t.Logf("%d left: %v", len(left), err)
		}
		batch = left
		if t.Context().Err() != nil {
			t.Fatal("still at it")
		}
	}
	if refused != 2 || testutil.ToFloat64(p.metrics.refused) != 2 {
		t.Errorf("%d refused", refused)
	}
	k := consumer(t, c, "g")
	for i, d := range receive(t, k, 3) {
		if n := binary.BigEndian.Uint64(d.Record.B[1:]); n != uint64(i+1) {
			t.Errorf("record %d, want %d", n, i+1)
		}
	}
	end(t, k)
}

// proxy passes on to a broker, and can swallow what it answers.
type proxy struct {
	l       net.Listener
	to      string
	swallow atomic.Bool
}

func newProxy(t testing.TB) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &proxy{l: l}
}

func (p *proxy) serve(to string) {
	p.to = to
	go func() {
		for {
			client, err := p.l.Accept()
			if err != nil {
				return
			}
			go p.pass(client)
		}
	}()
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	broker, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer broker.Close()
	go func() {
		io.Copy(broker, client)
		broker.Close()
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := broker.Read(b)
		if err != nil || p.swallow.Load() {
			return // The client sees its connection end.
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestRepeats loses the brokers' answers: records come twice, never out of order.
func TestRepeats(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts a broker of its own")
	}
	pr := newProxy(t)
	k := kafkatest.New(t, kafkatest.Options{Advertise: func(_ int, addr string) string {
		pr.serve(addr)
		return pr.l.Addr().String()
	}})
	c := Config{Brokers: k.Addrs(), Topic: "t", Timeout: 3 * time.Second, Log: logTo(t)}
	if _, err := Prepare(t.Context(), c, &Create{Partitions: 2, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	p := producer(t, ProducerConfig{Config: c})
	const all = 600
	for n := uint64(0); n < all; {
		var batch []bus.Message
		for range 10 {
			batch = append(batch, numbered(byte(n%5)+1, n))
			n++
		}
		// Every sixth batch's answer is lost.
		if n%60 == 0 {
			if err := p.partitions(t.Context()); err != nil {
				t.Fatal(err)
			}
			pr.swallow.Store(true)
			var err error
			if batch, _, err = p.Send(t.Context(), batch); err == nil {
				t.Fatal("no error although no answer came")
			}
			if len(batch) != 10 {
				t.Errorf("%d of 10 left", len(batch))
			}
			pr.swallow.Store(false)
		}
		p.sendAll(t, batch)
	}
	r := consumer(t, c, "g")
	defer end(t, r)
	next := make(map[byte]uint64)
	repeats := 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for first := 0; first < all; {
		d, err := r.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d records: %v", first, err)
		}
		key, n := d.Record.B[0], binary.BigEndian.Uint64(d.Record.B[1:])
		want, ok := next[key]
		if !ok {
			want = uint64(key - 1)
		}
		switch {
		case n < want:
			repeats++
		case n > want:
			t.Fatalf("key %d: record %d, want %d", key, n, want)
		default:
			next[key] = n + 5
			first++
		}
		d.Ack()
	}
	if repeats == 0 {
		t.Error("no record came twice: the test proves nothing")
	}
	t.Logf("%d repeats", repeats)
}

func TestPrepare(t *testing.T) {
	c := Config{Brokers: cluster(t).Addrs(), Topic: "not-there", Timeout: 2 * time.Second}
	if _, err := Prepare(t.Context(), c, nil); !errors.Is(err, ErrNoTopic) || !strings.Contains(err.Error(), "-create-topic") {
		t.Errorf("got %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c.Brokers = []string{l.Addr().String()}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := Prepare(ctx, c, nil); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), c.Brokers[0]) {
		t.Errorf("got %v", err)
	}
}

// TestPrepareWaits has brokers learn of a topic only after they were asked.
func TestPrepareWaits(t *testing.T) {
	c := Config{Brokers: cluster(t).Addrs(), Topic: "late", Timeout: 5 * time.Second, Log: logTo(t)}
	made := make(chan error, 1)
	time.AfterFunc(time.Second, func() {
		_, err := Prepare(context.Background(), c, &Create{Partitions: 1, Replication: 1})
		made <- err
	})
	if got, err := Prepare(t.Context(), c, nil); err != nil || got.Partitions != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := <-made; err != nil {
		t.Error(err)
	}
}
