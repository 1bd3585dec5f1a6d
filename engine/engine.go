// Package engine holds an archive directory as ClickHouse does: libchdb in a
// process of its own, with a thin Go server in front of it that speaks
// ClickHouse's HTTP interface on a unix socket in the directory.
//
// libchdb lives in its own process because it and a Go program fight over
// signals, and because a crash of it must not take a capture down. Whichever
// program needs the archive starts the engine (Dialer), the first one wins, and
// the engine leaves by itself when nobody has been connected for a while.
//
// In the directory are:
//
//	clickhouse/   ClickHouse's own files
//	engine.sock   the socket (mode 0660), there while an engine listens
//	engine.lock   locked while an engine lives; holds its process id
//	engine.log    what the engine had to say, bounded
//	engine.tmp/   configuration and insert bodies, emptied at every start
//
// An insert is acknowledged when its part is written and renamed: it survives
// the death of the engine at any moment. To survive a power cut as well, see
// Options.Fsync.
//
// What the engine refuses, whoever asks: more than one statement a request,
// INTO OUTFILE and FROM INFILE, and everything that reads or writes outside the
// archive (the file function and the table functions and table engines named
// file, url, s3, remote, executable and their like). There are no users and no
// passwords: the socket's mode says who may talk to it.
//
// Every request has a session of its own, so no setting outlives it; the setting
// readonly (1 or 2) is set last in it and cannot be undone by what it runs. A
// SELECT whose format needs no frame (Native, TSV, CSV, JSONEachRow, RowBinary
// and the like) is streamed; any other (JSON, Parquet, Pretty) is written to
// engine.tmp first, because libchdb frames every piece of a streamed result. An
// INSERT's data go through engine.tmp too; one Native block that falls into one
// partition becomes one part, so it is there whole or not at all.
//
// Known limits: Native results leave out the time zone of DateTime('zone'), since
// libchdb writes revision 0, and the engine's own zone is UTC; DateTime64 keeps
// it. There are no HTTP sessions (session_id is ignored), and async_insert is
// ignored as well. What a writer may store is his own business: VALUES beyond
// 1 MiB of text are taken without expressions.
//
// Everything exported is safe for concurrent use.
package engine

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Options says how an engine is started. They matter to the process that
// starts it; who finds one running takes it as it is.
type Options struct {
	// Idle is how long the engine stays without an open connection. Default
	// 30 s, or what X400FLOW_ENGINE_IDLE says.
	Idle time.Duration
	// MaxMemory caps ClickHouse's memory in bytes (max_server_memory_usage).
	// Default: a quarter of the machine's.
	MaxMemory uint64
	// Threads is max_threads of a query. Default: the number of CPUs.
	Threads int
	// Connections is how many queries may run side by side; half as many inserts
	// may run beside them. Default 8.
	Connections int
	// MaxBody bounds the body of one request in bytes, unpacked. Default 2 GiB.
	MaxBody int64
	// Group, if not empty, is the name or number of the group that the socket and
	// the directory are given to.
	Group string
	// Fsync makes every insert reach the disk before it is acknowledged
	// (fsync_after_insert), and every merge before what it merged is deleted, so that
	// rows survive a power cut. Without it an acknowledged insert survives the death
	// of the process, not of the machine, and a power cut may also take older rows
	// that were merged in the minute before.
	Fsync bool
	// StartTimeout bounds how long a dial waits for an engine to come up. Default
	// 60 s; the dial's context bounds it too.
	StartTimeout time.Duration
	// ReadOnly makes Proxy pass on reading statements alone. Dialer does not look
	// at it: there the setting readonly does the same.
	ReadOnly bool
	// Executable is the program started as the engine; its main must call Main
	// first. Default: the running executable.
	Executable string
}

// idleVariable is the environment variable that gives Options.Idle's default.
const idleVariable = "X400FLOW_ENGINE_IDLE"

func (o Options) withDefaults() Options {
	if o.Idle <= 0 {
		o.Idle = 30 * time.Second
		if d, err := time.ParseDuration(os.Getenv(idleVariable)); err == nil && d > 0 {
			o.Idle = d
		}
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = physicalMemory() / 4
	}
	if o.Threads <= 0 {
		o.Threads = runtime.NumCPU()
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 2 << 30
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = 60 * time.Second
	}
	return o
}

// physicalMemory reads the machine's memory in bytes; 4 GiB if it cannot.
func physicalMemory() uint64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
				if kib, err := strconv.ParseUint(f[1], 10, 64); err == nil {
					return kib << 10
				}
			}
		}
	}
	return 4 << 30
}
