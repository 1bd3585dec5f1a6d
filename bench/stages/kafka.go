package stages

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/kafka"
	"x400flow/pipeline/bus/kafka/kafkatest"
	"x400flow/pipeline/record"
)

const (
	kafkaTopic      = "bench"
	kafkaPartitions = 4
	kafkaRecord     = 2000 // Octets.
	kafkaRound      = 8192 // Records sent or received in a round.
	kafkaBatch      = 1024 // Records that are there to be sent at a time.
)

func kafkaCases() []Case {
	var out []Case
	for _, b := range []struct {
		name  string
		start func(context.Context) (*brokers, error)
	}{{"kfake", startFake}, {"Apache Kafka", startReal}} {
		for _, way := range []struct {
			name         string
			ours, theirs func(ctx context.Context, b *brokers) (Run, error)
		}{{"publish to ", publish, publishFranz}, {"consume from ", consume, consumeFranz}} {
			group := way.name + b.name
			open := func(run func(ctx context.Context, b *brokers) (Run, error)) func(context.Context, *Corpus) (Run, error) {
				return func(ctx context.Context, _ *Corpus) (Run, error) {
					cluster, err := b.start(ctx)
					if err != nil {
						return Run{}, err
					}
					r, err := run(ctx, cluster)
					if err != nil {
						return Run{}, errors.Join(err, cluster.close())
					}
					end := r.Close
					r.Close = func() error { return errors.Join(end(), cluster.close()) }
					return r, nil
				}
			}
			out = append(out, Case{Name: group, Group: group, Unit: "record", Open: open(way.ours)},
				Case{Name: "franz-go, " + group, Group: group, Unit: "record", Yardstick: true, Open: open(way.theirs)})
		}
	}
	return out
}

// brokers are where a case sends to.
type brokers struct {
	addrs []string
	close func() error
}

// startFake starts kfake in this process: what it costs is in both figures.
func startFake(context.Context) (*brokers, error) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(kafkaPartitions, kafkaTopic))
	if err != nil {
		return nil, err
	}
	return &brokers{c.ListenAddrs(), func() error { c.Close(); return nil }}, nil
}

// startReal starts Apache Kafka, a process of its own.
func startReal(ctx context.Context) (*brokers, error) {
	dir, err := os.MkdirTemp("", "x400bench-kafka")
	if err != nil {
		return nil, err
	}
	c, err := kafkatest.Start(ctx, kafkatest.Options{Dir: dir})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	b := &brokers{c.Addrs(), func() error { c.Close(); return os.RemoveAll(dir) }}
	if _, err := kafka.Prepare(ctx, b.config(), &kafka.Create{Partitions: kafkaPartitions, Replication: 1}); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *brokers) config() kafka.Config {
	return kafka.Config{Brokers: b.addrs, Topic: kafkaTopic, ClientID: "bench"}
}

// keyOf is the key of a pair of hosts.
func keyOf(n int) (k bus.Key) {
	binary.BigEndian.PutUint64(k[:], uint64(n%64)+1)
	return k
}

var kafkaCount = Count{Units: kafkaRound, Octets: kafkaRound * kafkaRecord}

func publish(ctx context.Context, b *brokers) (Run, error) {
	p, err := kafka.NewProducer(kafka.ProducerConfig{Config: b.config(), Compression: "none"})
	if err != nil {
		return Run{}, err
	}
	body := make([]byte, kafkaRecord)
	return Run{Round: func() (Count, error) {
		for n := 0; n < kafkaRound; {
			batch := make([]bus.Message, 0, kafkaBatch)
			for range kafkaBatch {
				buf := record.NewBuffer()
				buf.B = append(buf.B, body...)
				batch = append(batch, bus.Message{Key: keyOf(n), Record: buf})
				n++
			}
			if left, refused, err := p.Send(ctx, batch); err != nil || len(left) > 0 || refused > 0 {
				return Count{}, fmt.Errorf("%d records left, %d refused: %w", len(left), refused, err)
			}
		}
		return kafkaCount, nil
	}, Close: p.Close}, nil
}

func franz(b *brokers, more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.addrs...), kgo.ClientID("bench"), kgo.DefaultProduceTopic(kafkaTopic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(kafka.DefaultMaxMessage),
	}, more...)...)
}

func publishFranz(ctx context.Context, b *brokers) (Run, error) {
	c, err := franz(b)
	if err != nil {
		return Run{}, err
	}
	body := make([]byte, kafkaRecord)
	return Run{Round: func() (Count, error) {
		for n := 0; n < kafkaRound; {
			batch := make([]*kgo.Record, 0, kafkaBatch)
			for range kafkaBatch {
				key := keyOf(n)
				// The octets are copied as record's are.
				batch = append(batch, &kgo.Record{Key: key[:], Value: append([]byte(nil), body...)})
				n++
			}
			if err := c.ProduceSync(ctx, batch...).FirstErr(); err != nil {
				return Count{}, err
			}
		}
		return kafkaCount, nil
	}, Close: func() error { c.Close(); return nil }}, nil
}

// filled puts a round's records there and returns the names of groups, none twice.
func filled(ctx context.Context, b *brokers) (func() string, error) {
	run, err := publish(ctx, b)
	if err != nil {
		return nil, err
	}
	if _, err = run.Round(); err != nil {
		return nil, errors.Join(err, run.Close())
	}
	n := 0
	return func() string { n++; return "bench" + strconv.Itoa(n) }, run.Close()
}

func nothing() error { return nil }

// consume receives a round's records as a new group.
func consume(ctx context.Context, b *brokers) (Run, error) {
	group, err := filled(ctx, b)
	if err != nil {
		return Run{}, err
	}
	return Run{Round: func() (Count, error) {
		c, err := kafka.NewConsumer(kafka.ConsumerConfig{Config: b.config(), Group: group(), CommitInterval: time.Second})
		if err != nil {
			return Count{}, err
		}
		for range kafkaRound {
			d, err := c.Receive(ctx)
			if err != nil {
				return Count{}, errors.Join(err, c.Close())
			}
			d.Record.Release()
			d.Ack()
		}
		return kafkaCount, endConsumer(ctx, c)
	}, Close: nothing}, nil
}

// endConsumer closes a consumer and gives its lanes back.
func endConsumer(ctx context.Context, c *kafka.Consumer) error {
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	for {
		d, err := c.Receive(ctx)
		if err != nil {
			return <-closed
		}
		if d.Record != nil {
			d.Record.Release()
		}
		d.Ack()
	}
}

func consumeFranz(ctx context.Context, b *brokers) (Run, error) {
	group, err := filled(ctx, b)
	if err != nil {
		return Run{}, err
	}
	return Run{Round: func() (Count, error) {
		c, err := franz(b, kgo.ConsumerGroup(group()), kgo.ConsumeTopics(kafkaTopic), kgo.FetchMaxPartitionBytes(kafka.DefaultMaxFetch),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return Count{}, err
		}
		defer c.Close()
		octets := 0
		for n := 0; n < kafkaRound; {
			f := c.PollFetches(ctx)
			if err := f.Err(); err != nil {
				return Count{}, err
			}
			f.EachRecord(func(r *kgo.Record) {
				octets += len(r.Value)
				n++
			})
		}
		if octets != kafkaRound*kafkaRecord {
			return Count{}, fmt.Errorf("%d octets were received", octets)
		}
		return kafkaCount, c.CommitUncommittedOffsets(ctx)
	}, Close: nothing}, nil
}
