package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// State is what Status reports.
type State struct {
	// Running tells that a process holds the archive.
	Running bool
	// PID is its process id.
	PID int
	// Socket is the path of the archive's socket.
	Socket string
}

// Dialer returns the function to put into clickhouse.Options.DialContext: it
// connects to the engine of the archive directory dir, starting one if there is
// none, as often as one is called for: a client that dials anew after its engine
// died goes on with the next. The address it is called with is ignored. The
// directory is made if missing.
func Dialer(dir string, o Options) func(ctx context.Context, addr string) (net.Conn, error) {
	s := &starter{dir: dir, o: o.withDefaults()}
	return func(ctx context.Context, _ string) (net.Conn, error) { return s.dial(ctx) }
}

// starter connects to the engine of one directory.
type starter struct {
	dir string
	o   Options
	// mu lets one dial of this process start an engine at a time.
	mu sync.Mutex
}

// Bounds of a dial: how many engines it may start, and the waits between looks.
const (
	maxStarts = 4
	firstWait = 5 * time.Millisecond
	lastWait  = 200 * time.Millisecond
)

func (s *starter) dial(ctx context.Context) (net.Conn, error) {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return nil, err
	}
	if c, err := dialSocket(ctx, dir); err == nil {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.StartTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	var last error
	wait := firstWait
	for starts := 0; ; {
		c, err := dialSocket(ctx, dir)
		if err == nil {
			return c, nil
		}
		// Whatever else is wrong with the socket, an engine would not mend it.
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EAGAIN) && ctx.Err() == nil {
			return nil, fmt.Errorf("engine of %s: %w", dir, err)
		}
		_, held, err := lockHolder(dir)
		if err != nil {
			return nil, fmt.Errorf("engine of %s: %w", dir, err)
		}
		if !held {
			if starts == maxStarts {
				return nil, fmt.Errorf("engine of %s: gave up after %d starts: %w", dir, starts, last)
			}
			starts++
			if last = s.start(ctx, dir); last == nil {
				wait = 0
			} else if ctx.Err() == nil && !errors.Is(last, errDied) {
				return nil, fmt.Errorf("engine of %s: %w", dir, last)
			}
		}
		if wait > 0 {
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("engine of %s: %w", dir, errors.Join(ctx.Err(), last))
			case <-time.After(wait):
			}
		}
		wait = max(firstWait, min(2*wait, lastWait))
	}
}

// errDied says that an engine ended before it told how its start went.
var errDied = errors.New("the engine died while it started; see " + logName)

// start runs one engine process and waits until it listens, or finds that
// another one holds the archive. An error it reports is final.
func (s *starter) start(ctx context.Context, dir string) error {
	if _, err := Library(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	exe := s.o.Executable
	if exe == "" {
		// The file that runs, even if another has taken its name since.
		exe = "/proc/self/exe"
	}
	options, err := json.Marshal(s.o)
	if err != nil {
		return err
	}
	log, err := openLog(dir)
	if err != nil {
		return err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(exe, marker, dir, string(options))
	if s.o.Executable == "" {
		cmd.Args[0] = os.Args[0]
	}
	cmd.Dir = "/"
	// An archive reads the same wherever it is read: times without a zone of
	// their own are UTC.
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("starting the engine: %w", err)
	}
	// The engine outlives this call, and perhaps this process; if it does not,
	// somebody must collect it.
	go func() { _ = cmd.Wait() }()
	stop := context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Now()) })
	defer stop()
	b, err := io.ReadAll(io.LimitReader(r, 64<<10))
	switch said := strings.TrimSpace(string(b)); {
	case said == saidReady || said == saidHeld:
		return nil
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case said == "":
		return errDied
	default:
		return errors.New(said)
	}
}

// Proxy returns a handler that passes HTTP requests on to the engine of dir,
// starting one when need be: for serving the archive on a TCP address. With
// o.ReadOnly every statement runs with readonly=2 (or 1, if asked for).
func Proxy(dir string, o Options) http.Handler {
	dial := Dialer(dir, o)
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "engine"
			if o.ReadOnly {
				q := p.Out.URL.Query()
				if q.Get("readonly") != "1" {
					q.Set("readonly", "2")
				} else {
					q.Set("readonly", "1")
				}
				p.Out.URL.RawQuery = q.Encode()
			}
		},
		Transport: &http.Transport{
			DialContext:        func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) },
			DisableCompression: true,
			// Idle connections would keep the engine from leaving.
			IdleConnTimeout: time.Second,
			MaxIdleConns:    16,
		},
		FlushInterval: -1,
		// What breaks off is the client's to see.
		ErrorLog: log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "Code: 210. DB::NetException: "+err.Error()+" (NETWORK_ERROR)", http.StatusBadGateway)
		},
	}
}

// Stop asks the engine of dir to finish what it runs and leave, and waits until
// it has. No engine running is no error.
func Stop(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	told := 0
	for {
		pid, held, err := lockHolder(dir)
		if err != nil || !held {
			return err
		}
		// Between its lock and its id an engine shows none.
		if pid > 1 && pid != told {
			if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("stopping the engine of %s (process %d): %w", dir, pid, err)
			}
			told = pid
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopping the engine of %s: %w", dir, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Status tells whether an engine holds dir.
func Status(dir string) (State, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return State{}, err
	}
	pid, held, err := lockHolder(dir)
	if err != nil {
		return State{}, err
	}
	return State{Running: held, PID: pid, Socket: filepath.Join(dir, socketName)}, nil
}

// Address is a URL for clients that must be given one; the host in it means
// nothing, since Dialer's function decides where a connection leads.
func Address() *url.URL { return &url.URL{Scheme: "http", Host: "engine:8123"} }

func lookupGroup(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}
