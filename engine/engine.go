// Package engine holds an archive directory as ClickHouse does: libchdb in a
// process of its own, with a thin Go server in front of it that speaks
// ClickHouse's HTTP interface on a unix socket in the directory.
package engine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Options says how an engine is started. They matter to the process that
// starts it; who finds one running takes it as it is.
type Options struct {
	// Idle is how long the engine stays without an open connection. Default 30 s.
	Idle time.Duration
	// MaxMemory caps ClickHouse's memory in bytes (max_server_memory_usage).
	// Default: a quarter of the machine's.
	MaxMemory uint64
	// Threads is max_threads of a query. Default: the number of CPUs.
	Threads int
	// Connections is how many queries and inserts may run side by side. Default 8.
	Connections int
	// Group, if not empty, is the name or number of the group the socket is given to.
	Group string
	// Fsync makes every insert reach the disk before it is acknowledged
	// (fsync_after_insert), so that it survives a power cut. Without it an
	// acknowledged insert survives the death of the process, not of the machine.
	Fsync bool
	// ReadOnly forces every statement sent over the dialled connections to be a
	// reading one; see Proxy.
	ReadOnly bool
	// Executable is the program started as the engine; its main must call Main
	// first. Default: the running executable.
	Executable string
}

// State is what Status reports.
type State struct {
	Running bool
	PID     int
}

// Main must be the first call of every main function (and TestMain) whose
// program may start an engine. It returns at once, unless this process was
// started to be one: then it serves until told to stop, and does not return.
func Main() {}

// Dialer returns the function to put into clickhouse.Options.DialContext: it
// connects to the engine of the archive directory dir, starting one if there is
// none. The address it is called with is ignored. The directory is made if
// missing.
func Dialer(dir string, o Options) func(ctx context.Context, addr string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) { return nil, errors.New("not yet") }
}

// Proxy returns a handler that passes HTTP requests on to the engine of dir,
// for serving it on a TCP address.
func Proxy(dir string, o Options) http.Handler { return http.NotFoundHandler() }

// Stop asks the engine of dir to finish what it runs and leave, and waits until
// it has. No engine running is no error.
func Stop(ctx context.Context, dir string) error { return errors.New("not yet") }

// Status tells whether an engine holds dir.
func Status(dir string) (State, error) { return State{}, errors.New("not yet") }
