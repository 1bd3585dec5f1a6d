package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"x400flow/cmd/internal/config"
	"x400flow/pipeline/bus/kafka"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/spool"
)

// reach is how long brokers may take to answer at the start.
const reach = 30 * time.Second

// leaving are the flags that say how records leave for the bus.
type leaving struct {
	compression string
	batch       config.Size
	age         time.Duration
	record      config.Size
	spool       string
	limit       config.Size
	sync        string
}

func (l *leaving) define(flags *flag.FlagSet) {
	l.batch, l.record, l.limit = spool.DefaultBatchOctets, sensor.DefaultMaxRecord, spool.DefaultMaxDisk
	flags.StringVar(&l.compression, "compression", "zstd", "compression `method` on the bus: none, gzip, snappy, lz4 or zstd")
	flags.Var(&l.batch, "batch-octets", "`octets` of records that are sent to the bus at a time")
	flags.DurationVar(&l.age, "batch-age", spool.DefaultBatchAge, "`time` after which fewer are sent")
	flags.Var(&l.record, "record-octets", "`octets` after which a connection's record is published; what belongs together may exceed it")
	flags.StringVar(&l.spool, "spool", "", "`directory` that takes records while the brokers cannot be reached; without it capturing waits")
	flags.Var(&l.limit, "spool-limit", "most `octets` there; what exceeds them is dropped and counted")
	flags.StringVar(&l.sync, "spool-sync", "interval", "`when` they are forced onto the disk: never, interval (every second) or always (each record)")
}

// outlet is the way of records to the bus.
type outlet struct {
	*spool.Publisher
	producer *kafka.Producer
	spooled  bool
}

// openOutlet looks at the topic and opens the way there.
func openOutlet(ctx context.Context, o *options, mon *monitor.Monitor, log *slog.Logger) (*outlet, error) {
	l := &o.leaving
	c, err := o.bus.Config()
	if err != nil {
		return nil, err
	}
	c.ClientID, c.Log, c.Registerer = "x400flow-ingest", log, mon.Registerer()
	policy, err := spool.ParseSync(l.sync)
	if err != nil {
		return nil, fmt.Errorf("-spool-sync %w", err)
	}
	wait := reach
	if l.spool != "" {
		wait = c.Timeout // Records can be kept until the brokers are back.
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	topic, err := kafka.Prepare(limited, c, o.bus.Create())
	cancel()
	switch {
	case err == nil:
	case errors.Is(err, kafka.ErrUnreachable) && l.spool != "" && ctx.Err() == nil:
		log.Warn("the bus cannot be reached; records go to the spool until it can", "error", err)
	default:
		return nil, err
	}
	limit := topic.MaxMessage
	if limit == 0 || limit > kafka.DefaultMaxMessage {
		limit = kafka.DefaultMaxMessage
	}
	producer, err := kafka.NewProducer(kafka.ProducerConfig{Config: c, Compression: l.compression, MaxMessage: limit})
	if err != nil {
		return nil, err
	}
	if largest := (sensor.Config{MaxRecord: int(l.record)}).Largest(); largest > producer.MaxRecord() {
		return nil, errors.Join(fmt.Errorf("records may have %d octets (-record-octets %s), and topic %s takes %d: lower the one or raise max.message.bytes of the other",
			largest, &l.record, c.Topic, producer.MaxRecord()), producer.Close())
	}
	p, err := spool.Open(spool.Config{
		Dir: l.spool, MaxDisk: int64(l.limit), Sync: policy, BatchOctets: int(l.batch), BatchAge: l.age,
		MayWait: (len(o.read) > 0 || o.watch.dir != "") && !slices.Contains(o.read, "-"), Log: log, Registerer: mon.Registerer(),
	}, producer)
	if err != nil {
		return nil, errors.Join(err, producer.Close())
	}
	mon.Watch("bus", readyWithin, p.Progress)
	return &outlet{p, producer, l.spool != ""}, nil
}

// close sends what waits, until ctx ends, or for a while where there is a spool to
// keep it.
func (t *outlet) close(ctx context.Context, while time.Duration) error {
	if t.spooled {
		limited, cancel := context.WithTimeout(ctx, while)
		defer cancel()
		ctx = limited
	}
	err := t.Publisher.Close(ctx)
	if n := t.Drops(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d records were dropped, because the spool had no room or the brokers do not take them", n))
	}
	return errors.Join(err, t.producer.Close())
}
