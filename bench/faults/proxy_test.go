package faults

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"x400flow/engine"
)

// wire is a TCP proxy that can stall and cut.
type wire struct {
	listener net.Listener
	target   string
	octets   atomic.Int64

	mu      sync.Mutex
	conns   map[net.Conn]bool
	refuses bool
	stalled chan struct{} // Closed when octets may pass again; nil while they do.
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: target, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); w.resume(); w.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(c)
		}
	}()
	return w
}

func (w *wire) serve(c net.Conn) {
	w.mu.Lock()
	refuses := w.refuses
	w.mu.Unlock()
	if refuses {
		c.Close()
		return
	}
	s, err := net.DialTimeout("tcp", w.target, 2*time.Second)
	if err != nil {
		c.Close()
		return
	}
	w.mu.Lock()
	w.conns[c], w.conns[s] = true, true
	w.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { w.pass(c, s) })
	wg.Go(func() { w.pass(s, c) })
	wg.Wait()
	w.mu.Lock()
	delete(w.conns, c)
	delete(w.conns, s)
	w.mu.Unlock()
}

func (w *wire) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		w.mu.Lock()
		stalled := w.stalled
		w.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		w.octets.Add(int64(n))
		if _, e := to.Write(b[:n]); err != nil || e != nil {
			return
		}
	}
}

func (w *wire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stalled == nil {
		w.stalled = make(chan struct{})
	}
}

func (w *wire) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuses = false
	if w.stalled != nil {
		close(w.stalled)
		w.stalled = nil
	}
}

// cut ends every connection, in the middle of whatever it carries.
func (w *wire) cut() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
	return len(w.conns) / 2
}

func (w *wire) refuse() {
	w.mu.Lock()
	w.refuses = true
	w.mu.Unlock()
}

// door stands before the engine and speaks HTTP as it does.
type door struct {
	server  *http.Server
	addr    string
	client  *http.Client
	mode    atomic.Int32
	inserts atomic.Int64 // Answered well.
	rows    atomic.Int64 // Octets of inserts answered well.
	under   atomic.Int64 // Inserts under way.
	failed  atomic.Int64 // Inserts that the engine refused, and requests that it did not answer.
	struck  atomic.Int64 // Requests that a mode has hit: inserts, but of gone all.
}

// What the door does with a request.
const (
	opened int32 = iota
	gone         // It answers nothing.
	slow         // It waits before it asks the engine.
	late         // The engine does it, and the client hears nothing of it.
)

func newDoor(t testing.TB, dir, executable string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{addr: l.Addr().String()}
	dial := engine.Dialer(dir, engine.Options{Executable: executable})
	d.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) },
		Proxy:       nil, MaxIdleConnsPerHost: 32, DisableCompression: true,
	}}
	d.server = &http.Server{Handler: d}
	go d.server.Serve(l)
	t.Cleanup(func() { d.server.Close() })
	return d
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	insert := strings.Contains(strings.ToUpper(r.URL.Query().Get("query")), "INSERT INTO") || bytes.HasPrefix(body, []byte("INSERT INTO"))
	if insert {
		d.under.Add(1)
		defer d.under.Add(-1)
	}
	mode := d.mode.Load()
	if mode == gone || insert && mode != opened {
		d.struck.Add(1)
	}
	switch mode {
	case gone:
		hangUp(w)
		return
	case slow:
		time.Sleep(2 * time.Second)
	}
	// What the engine was asked goes on when the client has given up.
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, "http://"+engine.Address().Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		hangUp(w)
		return
	}
	req.Header = r.Header.Clone()
	res, err := d.client.Do(req)
	if err != nil {
		if mode == opened {
			d.failed.Add(1)
		}
		hangUp(w)
		return
	}
	defer res.Body.Close()
	if mode == late && insert {
		io.Copy(io.Discard, res.Body)
		hangUp(w)
		return
	}
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	io.Copy(w, res.Body)
	if insert {
		if res.StatusCode == http.StatusOK {
			d.inserts.Add(1)
			d.rows.Add(int64(len(body)))
		} else {
			d.failed.Add(1)
		}
	}
}

func hangUp(w http.ResponseWriter) {
	if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
		c.Close()
	}
}
