package sensor

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/tcp"
)

// observeEvery is after how many frames of an interval of coverage the metrics are brought
// up to date, as with each record.
const observeEvery = 1024

// Metrics are what sensors counted when they last said so: their own counters
// belong to the goroutines that feed them.
type Metrics struct {
	mu  sync.Mutex
	all []*counted
}

// NewMetrics registers the sum of what the sensors count whose Config names it.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := new(Metrics)
	r.MustRegister(m)
	return m
}

// add takes one sensor's counts, to be changed under m.mu.
func (m *Metrics) add() *counted {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := new(counted)
	m.all = append(m.all, c)
	return c
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
	// latest takes the highest of several sensors' values, not the sum.
	latest bool
}

func counterOf(name, help string, value func(c *counted) uint64) series {
	return series{prometheus.NewDesc("x400flow_"+name, help, nil, nil), prometheus.CounterValue, func(c *counted) float64 { return float64(value(c)) }, nil, false}
}

var (
	undecodableDesc = prometheus.NewDesc("x400flow_capture_undecodable_frames_total", "Frames whose headers could not be read, by reason.", []string{"reason"}, nil)
	endedDesc       = prometheus.NewDesc("x400flow_tcp_given_up_connections_total", "Connections given up, by reason: idle, unanswered (nothing but SYNs was seen), evicted to stay within the limits, or replaced by a new one of the same ends.", []string{"reason"}, nil)
)

func labelled(d *prometheus.Desc, label string, value func(c *counted) uint64) series {
	return series{d, prometheus.CounterValue, func(c *counted) float64 { return float64(value(c)) }, []string{label}, false}
}

var allSeries = []series{
	counterOf("capture_frames_total", "Frames read.", func(c *counted) uint64 { return c.frames.Frames }),
	counterOf("capture_segments_total", "TCP segments on the watched ports.", func(c *counted) uint64 { return c.frames.Segments }),
	counterOf("capture_duplicate_segments_total", "Segments left out because the same packet was captured just before, on another port of a switch.", func(c *counted) uint64 { return c.sensor.Duplicates }),
	counterOf("capture_lost_fragments_total", "IP fragments given up before their datagram was whole.", func(c *counted) uint64 { return c.frames.FragmentsLost }),
	labelled(undecodableDesc, "unknown-link", func(c *counted) uint64 { return c.frames.UnknownLink }),
	labelled(undecodableDesc, "short", func(c *counted) uint64 { return c.frames.Short }),
	labelled(undecodableDesc, "malformed", func(c *counted) uint64 { return c.frames.Malformed }),
	labelled(undecodableDesc, "too-deep", func(c *counted) uint64 { return c.frames.TooDeep }),
	counterOf("tcp_connections_total", "Connections seen.", func(c *counted) uint64 { return c.table.Opened }),
	labelled(endedDesc, "idle", func(c *counted) uint64 { return c.table.Idle - c.table.Unanswered }),
	labelled(endedDesc, "unanswered", func(c *counted) uint64 { return c.table.Unanswered }),
	labelled(endedDesc, "evicted", func(c *counted) uint64 { return c.table.Evicted }),
	labelled(endedDesc, "replaced", func(c *counted) uint64 { return c.table.Replaced }),
	counterOf("tcp_gaps_total", "Places where octets are missing from the capture.", func(c *counted) uint64 { return c.sensor.Gaps }),
	counterOf("tcp_lost_octets_total", "Octets missing there.", func(c *counted) uint64 { return c.sensor.LostOctets }),
	counterOf("tcp_holes_told_early_total", "Times that a connection's holes were told early to stay within the memory limits.", func(c *counted) uint64 { return c.table.GivenUp }),
	{prometheus.NewDesc("x400flow_tcp_connections", "Connections followed now.", nil, nil), prometheus.GaugeValue, func(c *counted) float64 { return float64(c.table.Conns) }, nil, false},
	{prometheus.NewDesc("x400flow_tcp_held_octets", "Octets held out of order now.", nil, nil), prometheus.GaugeValue, func(c *counted) float64 { return float64(c.table.Held) }, nil, false},
	counterOf("sensor_tpdus_total", "TPDUs found.", func(c *counted) uint64 { return c.sensor.TPDUs }),
	counterOf("sensor_skipped_octets_total", "Stream octets that no TPDU could be made of.", func(c *counted) uint64 { return c.sensor.SkippedOctets }),
	counterOf("sensor_muted_connections_total", "Connections that are certainly not X.400, of which only counters are published.", func(c *counted) uint64 { return c.sensor.Muted }),
	counterOf("sensor_redactions_total", "TPDUs in which credentials were overwritten.", func(c *counted) uint64 { return c.sensor.Redactions }),
	counterOf("sensor_records_total", "Records published.", func(c *counted) uint64 { return c.sensor.Records }),
	counterOf("sensor_record_octets_total", "Octets of these records.", func(c *counted) uint64 { return c.sensor.RecordOctets }),
	{prometheus.NewDesc("x400flow_sensor_capture_time_seconds", "Capture time of the latest frame, in seconds since 1970; 0 before the first.", nil, nil), prometheus.GaugeValue, func(c *counted) float64 { return float64(c.at) / 1e9 }, nil, true},
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range allSeries {
		ch <- s.desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range allSeries {
		v := float64(0)
		for _, c := range m.all {
			if one := s.value(c); !s.latest {
				v += one
			} else {
				v = max(v, one)
			}
		}
		ch <- prometheus.MustNewConstMetric(s.desc, s.kind, v, s.label...)
	}
}

// observe brings the metrics up to date.
func (s *Sensor) observe() {
	if s.counted == nil {
		return
	}
	s.cfg.Metrics.mu.Lock()
	defer s.cfg.Metrics.mu.Unlock()
	*s.counted = counted{s.stats, s.decoder.Counters(), s.table.Counters(), s.at}
}
