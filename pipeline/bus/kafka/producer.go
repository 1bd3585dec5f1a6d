package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

// DefaultMaxMessage is the octets of a batch where the topic's limit is not known:
// Kafka's own default, 1 MiB, less what a batch takes for itself.
const DefaultMaxMessage = 1<<20 - Overhead

// batchRecords bounds the records of a partition's batch. kafka-go takes memory for
// as many as there may be, 160 octets each.
const batchRecords = 256

// ProducerConfig says how records are sent.
type ProducerConfig struct {
	Config
	// Compression is of batches: none, gzip, snappy, lz4 or zstd. Default zstd.
	Compression string
	// MaxMessage is the topic's limit of a batch in octets, as Prepare says; 0
	// means DefaultMaxMessage.
	MaxMessage int
}

// Producer sends records. It belongs to one goroutine.
type Producer struct {
	cfg       ProducerConfig
	transport *kafka.Transport
	client    *kafka.Client
	writer    *kafka.Writer
	balance   kafka.Murmur2Balancer
	limit     int // Octets of a partition's batch.
	lanes     []int
	load      []load // Of the wave under way, per lane.
	wave      []kafka.Message
	of        []int // Which message of the batch a message of the wave is.
	metrics   *producerMetrics
}

// load is what a wave gives a lane.
type load struct{ records, octets int }

type producerMetrics struct {
	records, octets, failures, refused prometheus.Counter
	seconds                            prometheus.Histogram
	batch                              prometheus.Histogram
}

// NewProducer returns a producer. Nothing is dialled before the first Send.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	compression, err := parseCompression(cfg.Compression)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	transport, err := cfg.transport()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if cfg.MaxMessage <= 0 {
		cfg.MaxMessage = DefaultMaxMessage
	}
	p := &Producer{
		cfg: cfg, transport: transport, limit: cfg.MaxMessage, metrics: newProducerMetrics(cfg.Registerer),
		client:  &kafka.Client{Addr: cfg.addr(), Transport: transport, Timeout: cfg.Timeout},
		balance: kafka.Murmur2Balancer{Consistent: true},
	}
	p.writer = &kafka.Writer{
		Addr:      cfg.addr(),
		Topic:     cfg.Topic,
		Transport: transport,
		// Where a message goes is decided before: see lane.
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) }),
		// A record is durable when all brokers in sync have it.
		RequiredAcks: kafka.RequireAll,
		Compression:  compression,
		// Send never gives a partition more than one batch at a time. With several,
		// the second could be taken after the first had failed: out of order.
		BatchSize:  batchRecords,
		BatchBytes: int64(cfg.MaxMessage),
		// Batches are made before; a batch that is there has nothing to wait for.
		BatchTimeout: time.Millisecond,
		// Repeating is the caller's, who can put records elsewhere meanwhile.
		MaxAttempts:  1,
		ReadTimeout:  cfg.Timeout,
		WriteTimeout: cfg.Timeout,
		// A topic made by accident has one partition and one replica.
		AllowAutoTopicCreation: false,
		Async:                  false,
	}
	return p, nil
}

func parseCompression(s string) (kafka.Compression, error) {
	switch strings.ToLower(s) {
	case "none":
		return 0, nil
	case "gzip":
		return kafka.Gzip, nil
	case "snappy":
		return kafka.Snappy, nil
	case "lz4":
		return kafka.Lz4, nil
	case "", "zstd":
		return kafka.Zstd, nil
	}
	return 0, fmt.Errorf("compression %s: must be none, gzip, snappy, lz4 or zstd", s)
}

func newProducerMetrics(r prometheus.Registerer) *producerMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "x400flow", Subsystem: "bus", Name: name, Help: help})
	}
	m := &producerMetrics{
		records:  counter("sent_records_total", "Records that are durable at the brokers."),
		octets:   counter("sent_octets_total", "Octets of these records."),
		failures: counter("send_failures_total", "Attempts to send a batch that did not make all of it durable."),
		refused:  counter("refused_records_total", "Records larger than the brokers take: dropped."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "x400flow", Subsystem: "bus", Name: "send_seconds",
			Help: "Time of an attempt to send a batch.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "x400flow", Subsystem: "bus", Name: "sent_batch_octets",
			Help: "Octets sent at a time.", Buckets: prometheus.ExponentialBuckets(1<<10, 4, 8)}),
	}
	if r != nil {
		r.MustRegister(m.records, m.octets, m.failures, m.refused, m.seconds, m.batch)
	}
	return m
}

// MaxRecord is the largest record that is sent, in octets.
func (p *Producer) MaxRecord() int { return p.cfg.MaxMessage - Overhead }

// Send tries once to make a batch durable. It releases what is, and what never can
// be because it is too large, which it counts in refused; the others it returns,
// in order, with the reason. Messages of one key become durable in order.
func (p *Producer) Send(ctx context.Context, batch []bus.Message) (left []bus.Message, refused int, err error) {
	if err := ctx.Err(); err != nil {
		return batch, 0, err
	}
	if err := p.partitions(ctx); err != nil {
		p.metrics.failures.Inc()
		return batch, 0, err
	}
	for len(batch) > 0 {
		if m := &batch[0]; len(m.Record.B) > p.MaxRecord() {
			p.refuse(m, fmt.Errorf("it exceeds %d", p.MaxRecord()))
			m.Record.Release()
			refused++
			batch = batch[1:]
			continue
		}
		n := p.fill(batch)
		failed, r, err := p.write(batch[:n])
		refused += r
		if err != nil {
			// What failed goes before what was not tried.
			keep := batch[n-len(failed):]
			copy(keep, failed)
			return keep, refused, err
		}
		batch = batch[n:]
	}
	return nil, refused, nil
}

func (p *Producer) refuse(m *bus.Message, err error) {
	p.metrics.refused.Inc()
	p.cfg.Log.Error("record is larger than the brokers take and is dropped", "topic", p.cfg.Topic, "octets", len(m.Record.B), "error", err)
}

// partitions finds out how many lanes there are.
func (p *Producer) partitions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{p.cfg.Topic}})
	if err != nil {
		return err
	}
	n := 0
	for _, t := range m.Topics {
		if t.Name == p.cfg.Topic {
			if t.Error != nil {
				return t.Error
			}
			n = len(t.Partitions)
		}
	}
	if n == 0 {
		return fmt.Errorf("%w: %s", ErrNoTopic, p.cfg.Topic)
	}
	if n < len(p.lanes) {
		return fmt.Errorf("topic %s has %d partitions and had %d", p.cfg.Topic, n, len(p.lanes))
	}
	if n > len(p.lanes) && len(p.lanes) > 0 {
		p.cfg.Log.Warn("the topic has more partitions than before: connections under way may be torn apart", "topic", p.cfg.Topic, "partitions", n)
	}
	for len(p.lanes) < n {
		p.lanes = append(p.lanes, len(p.lanes))
		p.load = append(p.load, load{})
	}
	return nil
}

// fill makes a wave of the batch's first n messages, one at least: as many as give
// no lane more than one batch.
func (p *Producer) fill(batch []bus.Message) (n int) {
	clear(p.load)
	p.wave, p.of = p.wave[:0], p.of[:0]
	for i := range batch {
		m := &batch[i]
		size := len(m.Record.B) + Overhead
		if i > 0 && len(m.Record.B) > p.MaxRecord() {
			return i
		}
		if m.Key == (bus.Key{}) {
			for lane := range p.load {
				if p.full(lane, size) {
					return i
				}
			}
			for lane := range p.load {
				p.add(i, m, nil, lane)
			}
			continue
		}
		key := m.Key[:]
		lane := p.balance.Balance(kafka.Message{Key: key}, p.lanes...)
		if p.full(lane, size) {
			return i
		}
		p.add(i, m, key, lane)
	}
	return len(batch)
}

// full tells whether so many octets more are too many for a lane.
func (p *Producer) full(lane, size int) bool {
	l := &p.load[lane]
	return l.records > 0 && (l.octets+size > p.limit || l.records >= batchRecords)
}

func (p *Producer) add(i int, m *bus.Message, key []byte, lane int) {
	p.load[lane].records++
	p.load[lane].octets += len(m.Record.B) + Overhead
	p.wave = append(p.wave, kafka.Message{Key: key, Value: m.Record.B, Time: time.Now(), WriterData: lane})
	p.of = append(p.of, i)
}

// write sends the wave, which is made of batch.
func (p *Producer) write(batch []bus.Message) (failed []bus.Message, refused int, err error) {
	octets := 0
	for _, l := range p.load {
		octets += l.octets
	}
	start := time.Now()
	// The writer's own time limits end it. Ending it by a context would leave the
	// records in use.
	err = p.writer.WriteMessages(context.Background(), p.wave...)
	p.metrics.seconds.Observe(time.Since(start).Seconds())
	p.metrics.batch.Observe(float64(octets))
	var errs kafka.WriteErrors
	if err != nil && !errors.As(err, &errs) {
		// None was written.
		p.metrics.failures.Inc()
		return batch, 0, err
	}
	why := make(map[int]error)
	for k, err := range errs {
		if err != nil {
			why[p.of[k]] = err
		}
	}
	for i := range batch {
		m := &batch[i]
		switch e := why[i]; {
		case e == nil:
			p.metrics.records.Inc()
			p.metrics.octets.Add(float64(len(m.Record.B)))
			m.Record.Release()
		case errors.Is(e, kafka.MessageSizeTooLarge) && len(batch) == 1:
			p.refuse(m, e)
			m.Record.Release()
			refused++
		default:
			if errors.Is(e, kafka.MessageSizeTooLarge) {
				// The topic's limit has shrunk. Smaller batches find out which
				// record it is.
				p.limit = max(p.limit/2, 1)
			}
			err = e
			// An attempt that was given up may still hold the octets.
			failed = append(failed, bus.Message{Key: m.Key, Record: &record.Buffer{B: append([]byte(nil), m.Record.B...)}})
		}
	}
	if len(failed) == 0 {
		return nil, refused, nil
	}
	p.metrics.failures.Inc()
	return failed, refused, err
}

// Close ends the producer's connections.
func (p *Producer) Close() error {
	err := p.writer.Close()
	p.transport.CloseIdleConnections()
	return err
}
