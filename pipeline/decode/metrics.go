package decode

import "github.com/prometheus/client_golang/prometheus"

// collector shows a pool to Prometheus, as it is when asked.
type collector struct{ pool *Pool }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("x400flow_decode_"+name, help, labels, nil)
}

var (
	recordsDesc     = describe("records_total", "Records taken from the bus.")
	repeatsDesc     = describe("repeated_records_total", "Records that had been seen before, and were left out.")
	knownDesc       = describe("known_records_total", "Records whose rows another decoder had made, decoded for what they leave open.")
	poisonDesc      = describe("poison_records_total", "Records that could not be read.")
	apdusDesc       = describe("apdus_total", "MTS-APDUs decoded, by kind.", "kind")
	problemsDesc    = describe("problems_total", "Problem rows made.")
	unfinishedDesc  = describe("unfinished_transfers_total", "Transfers that did not come to their end at first; each is a problem row.")
	resumedDesc     = describe("resumed_transfers_total", "Of these, those whose message came all the same, after a resumption.")
	suspendedDesc   = describe("suspended_octets", "Octets kept of suspended activities, for their resumption.")
	evictedDesc     = describe("suspended_activities_given_up_total", "Suspended activities given up to stay within the bound.")
	givenUpDesc     = describe("silent_connections_given_up_total", "Connections given up as silent, or for others, while something was open.")
	displacedDesc   = describe("connections_displaced_total", "Connections let go to stay within the bound.")
	openDesc        = describe("connections", "Connections kept.")
	queuedDesc      = describe("queued_records", "Records and heartbeats that shards have not done yet.")
	waitingDesc     = describe("unacknowledged_records", "Records that are not durable, or that something open began in or before.")
	connectionsDesc = describe("connections_total", "Connections ended, by what they carried.", "class")
)

// Collector returns what shows the pool to Prometheus. A registry takes that of
// one pool.
func (p *Pool) Collector() prometheus.Collector { return collector{p} }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		recordsDesc, repeatsDesc, knownDesc, poisonDesc, apdusDesc, problemsDesc, unfinishedDesc, resumedDesc, suspendedDesc, evictedDesc,
		givenUpDesc, displacedDesc, openDesc, queuedDesc, waitingDesc, connectionsDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.pool.Stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	count(recordsDesc, s.Records)
	count(repeatsDesc, s.Repeats)
	count(knownDesc, s.Known)
	count(poisonDesc, s.Poison)
	count(apdusDesc, s.Messages, "message")
	count(apdusDesc, s.Reports, "report")
	count(apdusDesc, s.Probes, "probe")
	count(problemsDesc, s.Problems)
	count(unfinishedDesc, s.Unfinished)
	count(resumedDesc, s.Resumed)
	count(evictedDesc, s.Evicted)
	count(givenUpDesc, s.GivenUp)
	count(displacedDesc, s.Displaced)
	ch <- prometheus.MustNewConstMetric(suspendedDesc, prometheus.GaugeValue, float64(s.Suspended))
	ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(s.Open))
	ch <- prometheus.MustNewConstMetric(queuedDesc, prometheus.GaugeValue, float64(s.Queued))
	ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(s.Waiting))
	// Classes are those that package association tells apart, so they are few.
	for class, n := range s.Connections {
		count(connectionsDesc, n, class)
	}
}
