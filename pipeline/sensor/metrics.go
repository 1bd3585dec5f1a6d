package sensor

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/tcp"
)

// observeEvery is after how many frames the metrics are brought up to date, if no
// record was published meanwhile.
const observeEvery = 1024

// metrics are what a sensor counted when it last said so: its own counters
// belong to the goroutine that feeds it.
type metrics struct {
	mu   sync.Mutex
	last counted
}

type counted struct {
	sensor Stats
	frames capture.Counters
	table  tcp.TableCounters
	// at is the capture time of the latest frame.
	at int64
}

// series is one time series of a sensor.
type series struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(c *counted) float64
	label []string
}

func counterOf(name, help string, value func(c *counted) uint64) series {
	return series{prometheus.NewDesc("x400flow_"+name, help, nil, nil), prometheus.CounterValue, func(c *counted) float64 { return float64(value(c)) }, nil}
}

var (
	undecodableDesc = prometheus.NewDesc("x400flow_capture_undecodable_frames_total", "Frames whose headers could not be read, by reason.", []string{"reason"}, nil)
	endedDesc       = prometheus.NewDesc("x400flow_tcp_given_up_connections_total", "Connections given up, by reason: idle, evicted to stay within the limits, or replaced by a new one of the same ends.", []string{"reason"}, nil)
)

func labelled(d *prometheus.Desc, label string, value func(c *counted) uint64) series {
	return series{d, prometheus.CounterValue, func(c *counted) float64 { return float64(value(c)) }, []string{label}}
}

var allSeries = []series{
	counterOf("capture_frames_total", "Frames read.", func(c *counted) uint64 { return c.frames.Frames }),
	counterOf("capture_segments_total", "TCP segments on the watched ports.", func(c *counted) uint64 { return c.frames.Segments }),
	counterOf("capture_lost_fragments_total", "IP fragments given up before their datagram was whole.", func(c *counted) uint64 { return c.frames.FragmentsLost }),
	labelled(undecodableDesc, "unknown-link", func(c *counted) uint64 { return c.frames.UnknownLink }),
	labelled(undecodableDesc, "short", func(c *counted) uint64 { return c.frames.Short }),
	labelled(undecodableDesc, "malformed", func(c *counted) uint64 { return c.frames.Malformed }),
	labelled(undecodableDesc, "too-deep", func(c *counted) uint64 { return c.frames.TooDeep }),
	counterOf("tcp_connections_total", "Connections seen.", func(c *counted) uint64 { return c.table.Opened }),
	labelled(endedDesc, "idle", func(c *counted) uint64 { return c.table.Idle }),
	labelled(endedDesc, "evicted", func(c *counted) uint64 { return c.table.Evicted }),
	labelled(endedDesc, "replaced", func(c *counted) uint64 { return c.table.Replaced }),
	counterOf("tcp_gaps_total", "Places where octets are missing from the capture.", func(c *counted) uint64 { return c.sensor.Gaps }),
	counterOf("tcp_lost_octets_total", "Octets missing there.", func(c *counted) uint64 { return c.sensor.LostOctets }),
	counterOf("tcp_holes_told_early_total", "Times that a connection's holes were told early to stay within the memory limits.", func(c *counted) uint64 { return c.table.GivenUp }),
	{prometheus.NewDesc("x400flow_tcp_connections", "Connections followed now.", nil, nil), prometheus.GaugeValue, func(c *counted) float64 { return float64(c.table.Conns) }, nil},
	{prometheus.NewDesc("x400flow_tcp_held_octets", "Octets held out of order now.", nil, nil), prometheus.GaugeValue, func(c *counted) float64 { return float64(c.table.Held) }, nil},
	counterOf("sensor_tpdus_total", "TPDUs found.", func(c *counted) uint64 { return c.sensor.TPDUs }),
	counterOf("sensor_skipped_octets_total", "Stream octets that no TPDU could be made of.", func(c *counted) uint64 { return c.sensor.SkippedOctets }),
	counterOf("sensor_muted_connections_total", "Connections that are certainly not X.400, of which only counters are published.", func(c *counted) uint64 { return c.sensor.Muted }),
	counterOf("sensor_redactions_total", "TPDUs in which credentials were overwritten.", func(c *counted) uint64 { return c.sensor.Redactions }),
	counterOf("sensor_records_total", "Records published.", func(c *counted) uint64 { return c.sensor.Records }),
	counterOf("sensor_record_octets_total", "Octets of these records.", func(c *counted) uint64 { return c.sensor.RecordOctets }),
	{prometheus.NewDesc("x400flow_sensor_capture_time_seconds", "Capture time of the latest frame, in seconds since 1970; 0 before the first.", nil, nil), prometheus.GaugeValue, func(c *counted) float64 { return float64(c.at) / 1e9 }, nil},
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range allSeries {
		ch <- s.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	c := m.last
	m.mu.Unlock()
	for _, s := range allSeries {
		ch <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value(&c), s.label...)
	}
}

// observe brings the metrics up to date.
func (s *Sensor) observe() {
	s.unseen = 0
	if s.metrics == nil {
		return
	}
	s.metrics.mu.Lock()
	defer s.metrics.mu.Unlock()
	s.metrics.last = counted{s.stats, s.decoder.Counters(), s.table.Counters(), s.at}
}
