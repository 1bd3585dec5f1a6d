package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"x400flow/cmd/cmdtest"
)

// What a capture that is still being read did so far can be seen.
func TestMetricsWhileReading(t *testing.T) {
	dir := t.TempDir()
	capture, archive := filepath.Join(dir, "traffic.pcap"), filepath.Join(dir, "archive")
	cmdtest.WriteTraffic(t, capture, cmdtest.Damaged(400))
	octets, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	cmd := cmdtest.Command(t, "ingest", "-r", "-", "-store", archive, "-sensor", "test", "-block", "1000", "-listen", "127.0.0.1:0", "-pprof")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	logged, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmdtest.StopAtEnd(t, archive)
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	address := ""
	serving := regexp.MustCompile(`msg="serving metrics" address=(\S+)`)
	lines := bufio.NewScanner(logged)
	for address == "" && lines.Scan() {
		if m := serving.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	if address == "" {
		t.Fatal("it does not say where metrics are")
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
			t.Log(lines.Text())
		}
	}()
	// All but the end, which would end the reading.
	if _, err := in.Write(octets[:len(octets)-100]); err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		r, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v\n%.500s", path, r.Status, err, b)
		}
		return string(b)
	}
	value := func(name string, labels ...string) float64 {
		p := expfmt.NewTextParser(model.UTF8Validation)
		all, err := p.TextToMetricFamilies(strings.NewReader(get("/metrics")))
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, m := range all[name].GetMetric() {
			of := len(labels) == 0
			for _, l := range m.GetLabel() {
				of = of || len(labels) == 2 && l.GetName() == labels[0] && l.GetValue() == labels[1]
			}
			if of {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return sum
	}
	for deadline := time.Now().Add(time.Minute); value("x400flow_store_rows_total", "table", "messages") == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no rows in a minute")
		}
	}
	frames, segments := value("x400flow_capture_frames_total"), value("x400flow_capture_segments_total")
	if frames < 1024 || segments == 0 || segments > frames {
		t.Errorf("%v frames, %v segments", frames, segments)
	}
	for _, name := range []string{
		"x400flow_sensor_records_total", "x400flow_sensor_record_octets_total", "x400flow_sensor_tpdus_total", "x400flow_sensor_capture_time_seconds",
		"x400flow_tcp_connections_total", "x400flow_decode_records_total", "x400flow_decode_apdus_total", "x400flow_store_inserts_total",
	} {
		if value(name) == 0 {
			t.Errorf("%s is 0", name)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/debug/pprof/heap?debug=1"} {
		get(path)
	}
	if _, err := in.Write(octets[len(octets)-100:]); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	<-drained
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
