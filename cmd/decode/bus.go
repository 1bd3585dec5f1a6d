package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"x400flow/cmd/internal/service"
	"x400flow/pipeline/bus/kafka"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/store"
)

// reach is how long brokers may take to answer at the start.
const reach = 30 * time.Second

// runBus decodes what comes over the bus until ctx ends.
func runBus(ctx context.Context, o *options, log *slog.Logger, out io.Writer) error {
	o.monitor.Log = log
	mon, err := monitor.Start(o.monitor.Options)
	if err != nil {
		return err
	}
	defer mon.Close()
	c, err := o.bus.Config()
	if err != nil {
		return err
	}
	c.ClientID, c.Log, c.Registerer = "x400flow-decode", log, mon.Registerer()
	limited, cancel := context.WithTimeout(ctx, reach)
	_, err = kafka.Prepare(limited, c, o.bus.Create())
	cancel()
	if err != nil {
		return err
	}
	st, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer st.Close()
	// What was received is stored, and its offsets are committed, even when ctx ends.
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	wo, batch := store.Within(int(o.rows))
	wo.Registerer, wo.Log = mon.Registerer(), log
	writer := st.NewWriter(drain, wo)
	defer st.KeepCounting(ctx, log)()
	consumer, err := kafka.NewConsumer(kafka.ConsumerConfig{Config: c, Group: o.group, SessionTimeout: o.session})
	if err != nil {
		return err
	}
	pool := decode.New(decode.Config{
		Workers: o.workers, EnvelopeOnly: o.keep == "envelope", Log: log, DeadLetter: consumer.DeadLetter,
		Settled: st.Reunite, BatchOctets: batch,
		MaxConnections: o.maxConns, MaxBuffered: int(o.buffered), Idle: o.idle, Progress: st.Progress,
	}, consumer, writer)
	mon.Registerer().MustRegister(pool.Collector())
	mon.Watch("store", readyWithin, writer.Progress)
	mon.Watch("bus", readyWithin, consumer.Progress)
	srv := service.New(ctx, log)
	defer srv.Close()
	srv.Reload(func() error { return o.reload(log) })
	srv.Watch(consumer.Decoded)
	// While the archive is away, decoding has to wait.
	srv.Watch(func() (uint64, bool) { return writer.Retries(), false })
	srv.Ready()
	var late atomic.Bool // What was received was not all stored in time.
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(left)
		log.Info("interrupted; storing what was received", "within", o.drain)
		time.AfterFunc(o.drain, func() {
			late.Store(true)
			cancel()
		})
		if err := consumer.Close(); err != nil {
			log.Warn("leaving the consumer group", "error", err)
		}
	})
	err = pool.Run(drain)
	if err == nil {
		err = writer.Close(drain)
	}
	if err != nil && late.Load() {
		err = fmt.Errorf("not all that was received could be stored within -drain %v; it comes again: %w", o.drain, err)
	}
	if stop() {
		// The pool ended by itself. Nothing more is acknowledged, so that what it did
		// not finish comes again.
		go abandon(consumer)
		err = errors.Join(err, consumer.Close())
	} else {
		<-left
	}
	s := pool.Stats()
	fmt.Fprintf(out, "Received %d records; archived %d messages, %d reports and %d probes into %s; %d problems.\n",
		s.Records, s.Messages, s.Reports, s.Probes, o.store.Target, s.Problems)
	return err
}

// abandon lets go of every lane that is taken away.
func abandon(c *kafka.Consumer) {
	for {
		d, err := c.Receive(context.Background())
		if err != nil {
			return
		}
		if d.Record == nil {
			d.Ack()
		} else {
			d.Record.Release()
		}
	}
}
