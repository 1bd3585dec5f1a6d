package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

// Defaults of a ConsumerConfig's zero fields.
const (
	DefaultMaxFetch       = 1 << 20
	DefaultMaxQueued      = 32 << 20
	DefaultSessionTimeout = 30 * time.Second
	DefaultCommitInterval = time.Second
)

// ConsumerConfig says how records are received.
type ConsumerConfig struct {
	Config
	// Group is the consumer group, whose members share the partitions.
	Group string
	// MaxFetch is the octets asked for at a time and partition; a batch that is
	// larger comes all the same. MaxQueued bounds the octets that were fetched and
	// not yet received.
	MaxFetch  int
	MaxQueued int
	// SessionTimeout is how long a member that fell silent keeps its partitions.
	SessionTimeout time.Duration
	// RebalanceTimeout is how long members may take to give up their partitions.
	// Default: SessionTimeout. It is also, with Timeout, how long this member waits
	// for a coordinator that hangs.
	RebalanceTimeout time.Duration
	// RevokeBudget is how long the receiver has to finish with lanes that are taken
	// away. Default: half of SessionTimeout, as there are no heartbeats meanwhile.
	RevokeBudget time.Duration
	// CommitInterval is how often offsets are committed.
	CommitInterval time.Duration
}

// Consumer is a member of a consumer group. Any number of goroutines may receive.
type Consumer struct {
	cfg       ConsumerConfig
	transport *kafka.Transport
	client    *kafka.Client
	group     *kafka.ConsumerGroup
	dead      *kafka.Writer
	queue     *queue
	metrics   *consumerMetrics
	ran       chan struct{} // Closed when run has returned.
	closing   sync.Once

	received atomic.Uint64

	mu     sync.Mutex
	joined bool    // A generation is under way.
	lanes  []*lane // Its lanes.
	// generation is held by the one under way.
	generation sync.Mutex
}

var _ bus.Receiver = (*Consumer)(nil)

// NewConsumer joins the group. Prepare should have been called before: the group
// takes a topic that is not there for one without partitions.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	c, err := newConsumer(cfg)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	go c.run()
	return c, nil
}

func newConsumer(cfg ConsumerConfig) (*Consumer, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if cfg.Group == "" {
		return nil, errors.New("no consumer group")
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	duration(&cfg.SessionTimeout, DefaultSessionTimeout)
	duration(&cfg.RebalanceTimeout, cfg.SessionTimeout)
	duration(&cfg.RevokeBudget, cfg.SessionTimeout/2)
	duration(&cfg.CommitInterval, DefaultCommitInterval)
	if cfg.MaxFetch <= 0 {
		cfg.MaxFetch = DefaultMaxFetch
	}
	if cfg.MaxQueued <= 0 {
		cfg.MaxQueued = DefaultMaxQueued
	}
	transport, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	dialer, err := cfg.dialer()
	if err != nil {
		return nil, err
	}
	c := &Consumer{
		cfg: cfg, transport: transport, queue: newQueue(cfg.MaxQueued), ran: make(chan struct{}),
		client: &kafka.Client{Addr: cfg.addr(), Transport: transport, Timeout: cfg.Timeout},
	}
	c.metrics = newConsumerMetrics(c)
	c.dead = &kafka.Writer{
		Addr: cfg.addr(), Topic: cfg.Topic + DeadSuffix, Transport: transport,
		RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd,
		// They are few, and each is waited for.
		BatchSize: 1, BatchBytes: 2 * record.MaxSize, MaxAttempts: 1,
		ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout,
	}
	c.group, err = kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:      cfg.Group,
		Brokers: cfg.Brokers,
		Dialer:  dialer,
		Topics:  []string{cfg.Topic},
		// Partitions have equal loads, and no member has anything that it would be
		// dear to move: with one topic, ranges are as even as it gets.
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		SessionTimeout:    cfg.SessionTimeout,
		HeartbeatInterval: cfg.SessionTimeout / 10,
		RebalanceTimeout:  cfg.RebalanceTimeout,
		JoinGroupBackoff:  time.Second,
		Timeout:           cfg.Timeout,
		// What is in the topic before the group first comes is to be archived, too.
		StartOffset: kafka.FirstOffset,
		// The broker's own setting.
		RetentionTime: -time.Millisecond,
		// Partitions that are added get a member.
		WatchPartitionChanges:  true,
		PartitionWatchInterval: 30 * time.Second,
	})
	return c, err
}

// Receive implements bus.Receiver. It returns io.EOF after Close, and an error
// when the brokers refuse this client for good.
func (c *Consumer) Receive(ctx context.Context) (bus.Delivery, error) { return c.queue.pop(ctx) }

// Close gives the lanes back, for which the receiver must go on receiving and
// acknowledging, commits, and leaves the group.
func (c *Consumer) Close() error {
	var err error
	c.closing.Do(func() {
		err = c.group.Close()
		<-c.ran
		// A generation that began in that moment gives its lanes back by itself.
		c.generation.Lock()
		defer c.generation.Unlock()
		c.queue.close(io.EOF)
		err = errors.Join(err, c.dead.Close())
		c.transport.CloseIdleConnections()
	})
	return err
}

// run begins a generation after the other.
func (c *Consumer) run() {
	defer close(c.ran)
	for {
		gen, err := c.group.Next(context.Background())
		switch {
		case errors.Is(err, kafka.ErrGroupClosed):
			return
		case err == nil:
			c.metrics.generations.Inc()
			gen.Start(func(ctx context.Context) { c.generate(ctx, gen) })
		default:
			c.metrics.joinFailures.Inc()
			c.cfg.Log.Warn("cannot join the consumer group; trying again", "group", c.cfg.Group, "error", err)
			if permanent(err) {
				c.queue.close(fmt.Errorf("kafka: joining group %s: %w", c.cfg.Group, err))
			}
		}
	}
}

// generate fetches one generation's lanes until it ends. The group joins the next
// when this returns.
func (c *Consumer) generate(ctx context.Context, gen *kafka.Generation) {
	c.generation.Lock()
	defer c.generation.Unlock()
	if ctx.Err() != nil {
		return // It was over before it began; the group does not wait for this.
	}
	var lanes []*lane
	for _, p := range gen.Assignments[c.cfg.Topic] {
		lanes = append(lanes, newLane(int32(p.ID), p.Offset))
	}
	c.setLanes(true, lanes)
	c.cfg.Log.Info("got partitions", "group", gen.GroupID, "generation", gen.ID, "partitions", ids(lanes))
	fetch, stop := context.WithCancel(ctx)
	defer stop()
	var fetchers sync.WaitGroup
	for _, l := range lanes {
		fetchers.Go(func() { c.fetch(fetch, l) })
	}
	ticker := time.NewTicker(c.cfg.CommitInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			c.commit(gen, lanes)
		}
	}
	stop()
	fetchers.Wait()
	c.revoke(gen, lanes)
}

// revoke takes the lanes away from the receiver and commits what it finished.
func (c *Consumer) revoke(gen *kafka.Generation, lanes []*lane) {
	start := time.Now()
	var given sync.WaitGroup
	for _, l := range lanes {
		given.Add(1)
		c.queue.revoke(l.id, sync.OnceFunc(given.Done))
	}
	done := make(chan struct{})
	go func() {
		given.Wait()
		close(done)
	}()
	budget := time.NewTimer(c.cfg.RevokeBudget)
	defer budget.Stop()
	late := false
	select {
	case <-done:
	case <-budget.C:
		late = true
		c.metrics.overruns.Inc()
	}
	c.commit(gen, lanes)
	for _, l := range lanes {
		l.end()
	}
	c.setLanes(false, nil)
	c.cfg.Log.Info("gave partitions back", "group", gen.GroupID, "generation", gen.ID, "partitions", ids(lanes),
		"after", time.Since(start).Round(time.Millisecond), "late", late)
}

func ids(lanes []*lane) []int32 {
	out := make([]int32, len(lanes))
	for i, l := range lanes {
		out[i] = l.id
	}
	return out
}

func (c *Consumer) setLanes(joined bool, lanes []*lane) {
	c.mu.Lock()
	c.joined, c.lanes = joined, lanes
	c.mu.Unlock()
}

// Progress returns how many records were received, and whether there are more, or
// this member waits to join the group.
func (c *Consumer) Progress() (done uint64, waiting bool) {
	c.mu.Lock()
	waiting = !c.joined
	for _, l := range c.lanes {
		waiting = waiting || l.behind()
	}
	c.mu.Unlock()
	return c.received.Load(), waiting || c.queue.held() > 0
}

// Decoded returns how many records were received, and whether some of them wait to be
// taken, whatever may be the matter with the brokers.
func (c *Consumer) Decoded() (done uint64, waiting bool) {
	return c.received.Load(), c.queue.held() > 0
}

// commit commits the watermarks that moved. What fails is tried again later; what
// is never committed is received again by the next owner.
func (c *Consumer) commit(gen *kafka.Generation, lanes []*lane) {
	offsets := make(map[int]int64)
	for _, l := range lanes {
		if offset, ok := l.due(); ok {
			offsets[int(l.id)] = offset
		}
	}
	if len(offsets) == 0 {
		return
	}
	if err := gen.CommitOffsets(map[string]map[int]int64{c.cfg.Topic: offsets}); err != nil {
		c.metrics.commitFailures.Inc()
		c.cfg.Log.Warn("offsets not committed", "group", gen.GroupID, "generation", gen.ID, "error", err)
		return
	}
	c.metrics.commits.Inc()
	for _, l := range lanes {
		if offset, ok := offsets[int(l.id)]; ok {
			l.commits(offset)
		}
	}
}

// fetch receives a lane's records until ctx ends.
func (c *Consumer) fetch(ctx context.Context, l *lane) {
	next := l.watermark
	failures := 0
	for ctx.Err() == nil {
		before := next
		err := c.fetchOnce(ctx, l, &next)
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		if next != before {
			failures = 0
		}
		failures++
		c.metrics.fetchFailures.Inc()
		c.cfg.Log.Warn("fetch failed; trying again", "topic", c.cfg.Topic, "partition", l.id, "offset", next, "error", err)
		// At most two seconds, the more the oftener, not together with others.
		d := min(50*time.Millisecond<<min(failures, 6), 2*time.Second)
		if sleep(ctx, d/2+rand.N(d/2)) != nil {
			return
		}
	}
}

// fetchOnce fetches once from *next on, which it moves.
func (c *Consumer) fetchOnce(ctx context.Context, l *lane, next *int64) error {
	const maxWait = 500 * time.Millisecond
	// A broker that hangs is given up.
	limited, cancel := context.WithTimeout(ctx, maxWait+c.cfg.Timeout)
	defer cancel()
	res, err := c.client.Fetch(limited, &kafka.FetchRequest{
		Topic:     c.cfg.Topic,
		Partition: int(l.id),
		Offset:    *next,
		// Whatever there is: waiting for more would be latency for nothing.
		MinBytes: 1,
		MaxBytes: int64(c.cfg.MaxFetch),
		MaxWait:  maxWait,
		// Nothing here is transactional.
		IsolationLevel: kafka.ReadUncommitted,
	})
	if err != nil {
		return err
	}
	if errors.Is(res.Error, kafka.OffsetOutOfRange) {
		// Retention was faster than the group, or the brokers lost records.
		c.metrics.resets.Inc()
		c.cfg.Log.Error("records to come next are no longer in the topic; beginning with the oldest there",
			"topic", c.cfg.Topic, "partition", l.id, "offset", *next, "oldest", res.LogStartOffset, "end", res.HighWatermark)
		*next = kafka.FirstOffset
		return nil
	}
	if res.Error != nil {
		return res.Error
	}
	l.saw(res.HighWatermark)
	for {
		rec, err := res.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading records from offset %d on: %w", *next, err)
		}
		if err := c.take(ctx, l, rec, next); err != nil {
			// The rest is fetched again, if at all. Its memory is given back.
			for rec, err := res.Records.ReadRecord(); err == nil; rec, err = res.Records.ReadRecord() {
				closeRecord(rec)
			}
			return err
		}
	}
}

// take hands one record over.
func (c *Consumer) take(ctx context.Context, l *lane, rec *kafka.Record, next *int64) error {
	defer closeRecord(rec)
	if rec.Offset < *next {
		return nil // A batch comes whole, even where its beginning is known.
	}
	buf := record.NewBuffer()
	n := 0
	if rec.Value != nil {
		n = rec.Value.Len()
	}
	if cap(buf.B) < n {
		buf.B = make([]byte, n)
	}
	buf.B = buf.B[:n]
	if n > 0 {
		if _, err := io.ReadFull(rec.Value, buf.B); err != nil {
			buf.Release()
			return fmt.Errorf("reading the record at offset %d: %w", rec.Offset, err)
		}
	}
	d := bus.Delivery{Lane: l.id, Offset: rec.Offset, Record: buf, Ack: l.track(rec.Offset)}
	if err := c.queue.push(ctx, d); err != nil {
		buf.Release()
		return err
	}
	*next = rec.Offset + 1
	c.received.Add(1)
	c.metrics.records.Inc()
	c.metrics.octets.Add(float64(n))
	return nil
}

func closeRecord(rec *kafka.Record) {
	if rec.Key != nil {
		_ = rec.Key.Close() // It only gives memory back.
	}
	if rec.Value != nil {
		_ = rec.Value.Close()
	}
}

// DeadLetter implements bus.DeadLetter: the record goes to the dead-letter topic as
// it is, with headers that say why and where it was. It tries until it is durable
// or ctx ends. A record that the brokers do not take is cut, and a header says so.
func (c *Consumer) DeadLetter(ctx context.Context, d *bus.Delivery, reason error) error {
	header := func(k, v string) kafka.Header { return kafka.Header{Key: k, Value: []byte(v)} }
	m := kafka.Message{
		// kafka-go may hold the octets after an attempt that was given up.
		Value: append([]byte(nil), d.Record.B...),
		Time:  time.Now(),
		Headers: []kafka.Header{
			header("reason", reason.Error()), header("topic", c.cfg.Topic),
			header("partition", strconv.Itoa(int(d.Lane))), header("offset", strconv.FormatInt(d.Offset, 10)),
			header("group", c.cfg.Group),
		},
	}
	const kept = 64 << 10
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := c.dead.WriteMessages(context.WithoutCancel(ctx), m)
		if err == nil {
			c.metrics.dead.Inc()
			return nil
		}
		var errs kafka.WriteErrors
		if errors.As(err, &errs) {
			err = errs[0]
		}
		if errors.Is(err, kafka.MessageSizeTooLarge) && len(m.Value) > kept {
			m.Headers = append(m.Headers, header("cut-from-octets", strconv.Itoa(len(m.Value))))
			m.Value = m.Value[:kept]
			continue
		}
		c.cfg.Log.Error("cannot write to the dead-letter topic; trying again", "topic", c.dead.Topic, "error", err)
		if err := sleep(ctx, wait/2+rand.N(wait/2)); err != nil {
			return err
		}
	}
}

type consumerMetrics struct {
	records, octets, fetchFailures, resets    prometheus.Counter
	commits, commitFailures                   prometheus.Counter
	generations, joinFailures, overruns, dead prometheus.Counter
}

func newConsumerMetrics(c *Consumer) *consumerMetrics {
	const namespace, subsystem = "x400flow", "bus"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	m := &consumerMetrics{
		records:        counter("received_records_total", "Records received."),
		octets:         counter("received_octets_total", "Octets of these records."),
		fetchFailures:  counter("fetch_failures_total", "Fetches that failed."),
		resets:         counter("offset_resets_total", "Times that records to come next were no longer in the topic."),
		commits:        counter("commits_total", "Commits of offsets."),
		commitFailures: counter("commit_failures_total", "Commits of offsets that failed."),
		generations:    counter("generations_total", "Generations of the consumer group that this member took part in."),
		joinFailures:   counter("join_failures_total", "Attempts to join the consumer group that failed."),
		overruns:       counter("revoke_overruns_total", "Times that partitions were taken away before the decoder had finished with them."),
		dead:           counter("dead_letters_total", "Records that went to the dead-letter topic."),
	}
	if r := c.cfg.Registerer; r != nil {
		r.MustRegister(m.records, m.octets, m.fetchFailures, m.resets, m.commits, m.commitFailures,
			m.generations, m.joinFailures, m.overruns, m.dead, laneCollector{c})
	}
	return m
}

// laneCollector tells of the lanes as they are when asked.
type laneCollector struct{ c *Consumer }

var (
	lagDesc = prometheus.NewDesc("x400flow_bus_lag_records",
		"Records of a partition beyond the offset up to which everything is durable.", []string{"partition"}, nil)
	openDesc = prometheus.NewDesc("x400flow_bus_open_records",
		"Records of a partition that are received and not acknowledged, or wait for one that is not.", []string{"partition"}, nil)
	ageDesc = prometheus.NewDesc("x400flow_bus_watermark_age_seconds",
		"Time since the offset up to which everything is durable last moved, 0 where nothing waits.", []string{"partition"}, nil)
	queuedDesc = prometheus.NewDesc("x400flow_bus_queued_octets", "Octets fetched and not yet received.", nil, nil)
)

func (l laneCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lagDesc, openDesc, ageDesc, queuedDesc} {
		ch <- d
	}
}

func (l laneCollector) Collect(ch chan<- prometheus.Metric) {
	l.c.mu.Lock()
	lanes := l.c.lanes
	l.c.mu.Unlock()
	now := time.Now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, lane := range lanes {
		open, age, lag := lane.state(now)
		id := strconv.Itoa(int(lane.id))
		gauge(openDesc, float64(open), id)
		gauge(ageDesc, age.Seconds(), id)
		if lag >= 0 {
			gauge(lagDesc, float64(lag), id)
		}
	}
	gauge(queuedDesc, float64(l.c.queue.held()))
}
