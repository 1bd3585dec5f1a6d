// Package monitor shows a running program to those who operate it: Prometheus
// metrics, health, readiness, profiles, and a log in which what repeats is
// sampled.
//
// It serves, where an address is given,
//
//	/metrics      Prometheus metrics
//	/healthz      200 while the program runs
//	/readyz       200 while every stage that has work has made progress lately,
//	              otherwise 503 and which has not
//	/debug/pprof  Go's profiles, where asked for
//
// There is no password and no TLS: listen on loopback or a network of the
// operators'. Profiles tell what is in memory, so they are off unless asked for.
//
// Everything is safe for concurrent use.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options says what a Monitor serves and where.
type Options struct {
	// Listen is the TCP address, such as 127.0.0.1:9102; empty serves nothing.
	Listen string
	// Pprof serves /debug/pprof as well.
	Pprof bool
	Log   *slog.Logger
}

// sampleEvery is how often the stages are looked at.
const sampleEvery = time.Second

// Monitor holds a program's metrics and stages.
type Monitor struct {
	registry *prometheus.Registry
	server   *http.Server
	address  string
	done     sync.WaitGroup
	stop     context.CancelFunc

	mu     sync.Mutex
	stages []*stage
}

// stage is a part of the program whose progress is watched.
type stage struct {
	name  string
	limit time.Duration
	look  func() (done uint64, waiting bool)
	// last is the value of done at the latest look, moved when it last changed or
	// nothing was waiting.
	last  uint64
	moved time.Time
}

// Start returns a monitor, which serves until Close.
func Start(o Options) (*Monitor, error) {
	m := &Monitor{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	if o.Listen == "" {
		return m, nil
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", o.Listen, err)
	}
	m.address = l.Addr().String()
	m.server = &http.Server{Handler: m.handler(o.Pprof), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	m.done.Go(func() {
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) && o.Log != nil {
			o.Log.Error("metrics are no longer served", "error", err)
		}
	})
	m.done.Go(func() { m.watch(ctx) })
	if o.Log != nil {
		o.Log.Info("serving metrics", "address", m.address)
	}
	return m, nil
}

// Close ends what is served.
func (m *Monitor) Close() error {
	m.stop()
	var err error
	if m.server != nil {
		err = m.server.Close()
	}
	m.done.Wait()
	return err
}

// Registerer takes metrics.
func (m *Monitor) Registerer() prometheus.Registerer { return m.registry }

// Address is where it listens, empty where it does not.
func (m *Monitor) Address() string { return m.address }

// Watch makes readiness depend on a stage: while waiting, the stage has work, and
// then done, which counts what it did, is to grow at least once within limit.
// look is called every second, and must not block.
func (m *Monitor) Watch(name string, limit time.Duration, look func() (done uint64, waiting bool)) {
	s := &stage{name: name, limit: limit, look: look, moved: time.Now()}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stages = append(m.stages, s)
}

// watch looks at the stages until ctx ends.
func (m *Monitor) watch(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			m.stuck(now)
		}
	}
}

// stuck looks at the stages and returns what those that made no progress have
// to say.
func (m *Monitor) stuck(now time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, s := range m.stages {
		done, waiting := s.look()
		if !waiting || done != s.last {
			s.last, s.moved = done, now
		}
		if idle := now.Sub(s.moved); idle > s.limit {
			all = append(all, fmt.Sprintf("%s: has work, but no progress for %v", s.name, idle.Round(time.Second)))
		}
	}
	return all
}

func (m *Monitor) handler(profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if stuck := m.stuck(time.Now()); len(stuck) > 0 {
			http.Error(w, strings.Join(stuck, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}
