package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// metadataAge is how old what is known of the topic's partitions may be.
const metadataAge = time.Second

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
	cfg         ProducerConfig
	compression kafka.Compression
	transport   *kafka.Transport
	client      *kafka.Client
	balance     kafka.Murmur2Balancer
	limit       int // Octets of a partition's batch.
	lanes       []int
	known       time.Time // When the lanes were asked for; zero when they are to be again.
	wave        []*set    // What the wave under way gives each lane.
	sent        chan int  // The lanes that have an answer.
	bad         []error   // Of the messages of the wave.
	metrics     *producerMetrics
}

// set is the records of a wave for one lane. It gives them to kafka-go one by one,
// always in the same memory: each is encoded before the next is asked for.
type set struct {
	of     []int // Which messages of the batch they are.
	octets int
	err    error // Why they were not taken.

	batch      []bus.Message
	next       int
	time       time.Time
	record     kafka.Record
	key, value octets
}

// octets are those of a key or a value.
type octets struct{ bytes.Reader }

func (*octets) Close() error { return nil }

// ReadRecord implements kafka.RecordReader.
func (s *set) ReadRecord() (*kafka.Record, error) {
	if s.next >= len(s.of) {
		return nil, io.EOF
	}
	m := &s.batch[s.of[s.next]]
	s.next++
	s.record = kafka.Record{Time: s.time, Value: &s.value}
	s.value.Reset(m.Record.B)
	if m.Key != (bus.Key{}) {
		s.key.Reset(m.Key[:])
		s.record.Key = &s.key
	}
	return &s.record, nil
}

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
		cfg: cfg, compression: compression, transport: transport, limit: cfg.MaxMessage, metrics: newProducerMetrics(cfg.Registerer),
		client:  &kafka.Client{Addr: cfg.addr(), Transport: transport, Timeout: cfg.Timeout},
		balance: kafka.Murmur2Balancer{Consistent: true},
		sent:    make(chan int),
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

// partitions finds out how many lanes there are, from time to time and after a failure.
func (p *Producer) partitions(ctx context.Context) error {
	if time.Since(p.known) < metadataAge {
		return nil
	}
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
		p.wave = append(p.wave, new(set))
	}
	p.known = time.Now()
	return nil
}

// fill makes a wave of the batch's first n messages, one at least: as many as give
// no lane more than one batch.
func (p *Producer) fill(batch []bus.Message) (n int) {
	now := time.Now()
	for _, s := range p.wave {
		s.of, s.octets, s.err, s.next, s.batch, s.time = s.of[:0], 0, nil, 0, batch, now
	}
	for i := range batch {
		m := &batch[i]
		size := len(m.Record.B) + Overhead
		if i > 0 && len(m.Record.B) > p.MaxRecord() {
			return i
		}
		if m.Key == (bus.Key{}) {
			for _, s := range p.wave {
				if p.full(s, size) {
					return i
				}
			}
			for _, s := range p.wave {
				s.add(i, size)
			}
			continue
		}
		s := p.wave[p.balance.Balance(kafka.Message{Key: m.Key[:]}, p.lanes...)]
		if p.full(s, size) {
			return i
		}
		s.add(i, size)
	}
	return len(batch)
}

// full tells whether so many octets more are too many for a lane.
func (p *Producer) full(s *set, size int) bool {
	return len(s.of) > 0 && s.octets+size > p.limit
}

func (s *set) add(i, size int) {
	s.of = append(s.of, i)
	s.octets += size
}

// write sends the wave, which is made of batch.
func (p *Producer) write(batch []bus.Message) (failed []bus.Message, refused int, err error) {
	size, under := 0, 0
	start := time.Now()
	for lane, s := range p.wave {
		if len(s.of) == 0 {
			continue
		}
		size += s.octets
		under++
		go func() {
			s.err = p.produce(lane, s)
			p.sent <- lane
		}()
	}
	for range under {
		<-p.sent
	}
	p.metrics.seconds.Observe(time.Since(start).Seconds())
	p.metrics.batch.Observe(float64(size))
	p.bad = slices.Grow(p.bad[:0], len(batch))[:len(batch)]
	clear(p.bad)
	for lane, s := range p.wave {
		if s.err == nil {
			continue
		}
		for _, i := range s.of {
			p.bad[i] = s.err
		}
		// An attempt that was given up may still read it.
		p.wave[lane] = new(set)
	}
	shrunk := false
	for i := range batch {
		m := &batch[i]
		switch e := p.bad[i]; {
		case e == nil:
			p.metrics.records.Inc()
			p.metrics.octets.Add(float64(len(m.Record.B)))
			m.Record.Release()
		case errors.Is(e, kafka.MessageSizeTooLarge) && len(batch) == 1:
			p.refuse(m, e)
			m.Record.Release()
			refused++
		default:
			shrunk = shrunk || errors.Is(e, kafka.MessageSizeTooLarge)
			err = e
			// An attempt that was given up may still hold the octets.
			failed = append(failed, bus.Message{Key: m.Key, Record: &record.Buffer{B: append([]byte(nil), m.Record.B...)}})
		}
	}
	if shrunk {
		// The topic's limit has. Smaller batches find out which record it is.
		p.limit = max(p.limit/2, 1)
	}
	if len(failed) == 0 {
		return nil, refused, nil
	}
	p.known = time.Time{}
	p.metrics.failures.Inc()
	return failed, refused, err
}

// produce sends the records of a lane, in one request: with several under way,
// the second could be taken after the first had failed, out of order. Repeating is the
// caller's, who can put records elsewhere meanwhile.
func (p *Producer) produce(lane int, s *set) error {
	// Not the caller's context: the end of that would leave the records in use.
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.Timeout)
	defer cancel()
	res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: p.cfg.Topic, Partition: lane,
		// A record is durable when all brokers in sync have it.
		RequiredAcks: kafka.RequireAll, Compression: p.compression, Records: s,
	})
	if err != nil {
		return err
	}
	return res.Error
}

// Close ends the producer's connections.
func (p *Producer) Close() error {
	p.transport.CloseIdleConnections()
	return nil
}
