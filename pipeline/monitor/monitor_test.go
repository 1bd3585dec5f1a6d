package monitor

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func get(t *testing.T, m *Monitor, path string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + m.Address() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func start(t *testing.T, o Options) *Monitor {
	t.Helper()
	m, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestServed(t *testing.T) {
	for _, profiles := range []bool{false, true} {
		m := start(t, Options{Listen: "127.0.0.1:0", Pprof: profiles})
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "x400flow_test_total", Help: "A test."})
		m.Registerer().MustRegister(c)
		c.Add(3)
		for path, want := range map[string]string{
			"/metrics":         "\nx400flow_test_total 3\n",
			"/metrics?":        "\ngo_goroutines ",
			"/healthz":         "ok\n",
			"/readyz":          "ok\n",
			"/debug/pprof/":    "goroutine",
			"/debug/pprof/xyz": "",
		} {
			code, body := get(t, m, path)
			wantCode := http.StatusOK
			if strings.HasPrefix(path, "/debug/") && (!profiles || want == "") {
				want, wantCode = "", http.StatusNotFound
			}
			if code != wantCode || !strings.Contains(body, want) {
				t.Errorf("profiles %v, %s: %d, %.200s", profiles, path, code, body)
			}
		}
	}
}

func TestNothingServed(t *testing.T) {
	m := start(t, Options{})
	if m.Address() != "" {
		t.Errorf("listens on %s", m.Address())
	}
	m.Registerer().MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "x400flow_test_total"}))
	if _, err := Start(Options{Listen: "127.0.0.1:nothing"}); err == nil || !strings.Contains(err.Error(), "-listen 127.0.0.1:nothing") {
		t.Errorf("got %v", err)
	}
}

// Ready is who works or has nothing to do; who has work and does not get on with
// it is not.
func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := Start(Options{})
		if err != nil {
			t.Fatal(err)
		}
		var done uint64
		var waiting bool
		m.Watch("decode", time.Minute, func() (uint64, bool) { return done, waiting })
		m.Watch("idle", time.Second, func() (uint64, bool) { return 0, false })
		for i, step := range []struct {
			after   time.Duration
			done    uint64
			waiting bool
			want    string
		}{
			{2 * time.Minute, 0, false, ""},
			{30 * time.Second, 0, true, ""},
			{20 * time.Second, 0, true, ""},
			{20 * time.Second, 0, true, "[decode: has work, but no progress for 1m10s]"},
			{time.Second, 1, true, ""},
			{59 * time.Second, 1, true, ""},
			{2 * time.Second, 1, true, "[decode: has work, but no progress for 1m1s]"},
			{0, 1, false, ""},
			{50 * time.Second, 1, true, ""},
		} {
			time.Sleep(step.after)
			done, waiting = step.done, step.waiting
			if got := fmt.Sprint(m.stuck(time.Now())); got != step.want && !(got == "[]" && step.want == "") {
				t.Errorf("step %d: got %s, want %s", i, got, step.want)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadyz(t *testing.T) {
	m := start(t, Options{Listen: "127.0.0.1:0"})
	m.Watch("insert", 0, func() (uint64, bool) { return 7, true })
	get(t, m, "/readyz") // Seven is news.
	if code, body := get(t, m, "/readyz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "insert: has work") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get(t, m, "/healthz"); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
}

func TestSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(Sample(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})))
		lines := func() int { defer out.Reset(); return strings.Count(out.String(), "\n") }
		for i := range 100 {
			log.Warn("insert failed", "attempt", i)
		}
		if got := lines(); got != SampleBurst {
			t.Errorf("%d lines of 100 that repeat, want %d", got, SampleBurst)
		}
		// Another message, another level and debugging are none of these.
		log.Warn("something else")
		log.Error("insert failed")
		for range 20 {
			log.Debug("insert failed")
		}
		if got := lines(); got != 22 {
			t.Errorf("%d other lines, want 22", got)
		}
		// What With makes of it shares the count.
		log.With("table", "messages").WithGroup("g").Warn("insert failed")
		if got := lines(); got != 0 {
			t.Errorf("%d lines more", got)
		}
		time.Sleep(SampleInterval)
		log.Warn("insert failed", "attempt", 100)
		if got, want := out.String(), "level=WARN msg=\"insert failed\" attempt=100 suppressed=96\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		out.Reset()
		log.Warn("insert failed")
		if strings.Contains(out.String(), "suppressed") {
			t.Errorf("told twice: %s", &out)
		}
	})
}

// However many messages there are, they take bounded memory.
func TestSampleBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := Sample(slog.NewTextHandler(&out, nil)).(*sampler)
		log := slog.New(h)
		for range 3 {
			for i := range 2 * maxMessages {
				log.Warn(fmt.Sprint("message ", i))
			}
			if n := len(h.seen.lines); n > maxMessages {
				t.Errorf("%d messages kept, want at most %d", n, maxMessages)
			}
			if n := strings.Count(out.String(), "\n"); n != 2*maxMessages {
				t.Errorf("%d lines of %d that differ", n, 2*maxMessages)
			}
			out.Reset()
			time.Sleep(SampleInterval)
		}
	})
}
