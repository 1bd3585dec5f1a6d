package store

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/schema"
	"x400flow/schema/ddl"
)

// metrics are a writer's. They count with or without a registry.
type metrics struct {
	rows     *prometheus.CounterVec
	octets   *prometheus.CounterVec
	inserts  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	failures *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	size     prometheus.Histogram
	queued   prometheus.Gauge
	pending  prometheus.Gauge
	waiting  prometheus.Gauge
	spare    prometheus.Gauge
}

func newMetrics(o *WriterOptions) *metrics {
	const namespace, subsystem = "x400flow", "store"
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{"table"})
	}
	m := &metrics{
		rows:     counter("rows_total", "Rows inserted."),
		octets:   counter("octets_total", "Octets of the rows inserted, as held in memory."),
		inserts:  counter("inserts_total", "Blocks inserted."),
		attempts: counter("insert_attempts_total", "Attempts to insert a block."),
		failures: counter("insert_failures_total", "Attempts to insert a block that failed."),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "insert_seconds",
			Help: "Time of an attempt to insert a block.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 16)}, []string{"table"}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "block_rows",
			Help: "Rows of all tables in a block.", Buckets: prometheus.ExponentialBuckets(1, 4, 10)}),
		queued: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "queued_batches",
			Help: "Batches that wait to be merged into a block."}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "pending_octets",
			Help: "Octets of the blocks being inserted."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "waiting_octets",
			Help: "Octets of the rows that are not durable: queued, collected or being inserted."}),
		spare: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "spare_octets",
			Help: "Octets of memory kept for rows to come."}),
	}
	// Every table's series is there from the start.
	var none schema.Batch
	for _, t := range none.All() {
		for _, v := range []*prometheus.CounterVec{m.rows, m.octets, m.inserts, m.attempts, m.failures} {
			v.WithLabelValues(label(t.Table()))
		}
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(m.rows, m.octets, m.inserts, m.attempts, m.failures, m.seconds, m.size, m.queued, m.pending, m.waiting, m.spare)
	}
	return m
}

func label(table string) string { return strings.TrimSuffix(table, ddl.Suffix) }
