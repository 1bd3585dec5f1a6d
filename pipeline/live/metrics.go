package live

import "github.com/prometheus/client_golang/prometheus"

var (
	admittedDesc = prometheus.NewDesc("x400flow_live_frames_total", "Frames that the kernel's filter admitted, dropped ones included.", []string{"interface"}, nil)
	droppedDesc  = prometheus.NewDesc("x400flow_live_dropped_frames_total", "Frames lost before they could be read: by the kernel because the ring was full, or by the interface (these whatever was in them).", []string{"interface", "by"}, nil)
	freezesDesc  = prometheus.NewDesc("x400flow_live_ring_full_total", "Times that a ring was full.", []string{"interface"}, nil)
	runningDesc  = prometheus.NewDesc("x400flow_live_interface_up", "1 while the interface is up and has its carrier.", []string{"interface"}, nil)
	movedDesc    = prometheus.NewDesc("x400flow_live_moved_segments_total", "Segments handed to another sensor, because of the addresses inside a tunnel.", nil, nil)
	stepsDesc    = prometheus.NewDesc("x400flow_live_clock_steps_total", "Times that the machine's clock was set.", nil, nil)
	beatsDesc    = prometheus.NewDesc("x400flow_live_heartbeats_total", "Heartbeats published.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *Capture) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{admittedDesc, droppedDesc, freezesDesc, runningDesc, movedDesc, stepsDesc, beatsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Capture) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for _, t := range c.taps {
		for _, n := range t.nics {
			n.mu.Lock()
			stats, lost, running := n.stats, n.lost, n.running
			n.mu.Unlock()
			counter(admittedDesc, stats.Frames, n.name)
			counter(droppedDesc, stats.Dropped, n.name, "kernel")
			counter(droppedDesc, lost, n.name, "interface")
			counter(freezesDesc, stats.Freezes, n.name)
			up := float64(0)
			if running {
				up = 1
			}
			ch <- prometheus.MustNewConstMetric(runningDesc, prometheus.GaugeValue, up, n.name)
		}
	}
	counter(movedDesc, c.moved.Load())
	counter(stepsDesc, c.steps.Load())
	counter(beatsDesc, c.beats.Load())
}
