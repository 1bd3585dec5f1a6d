package engine

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// This is the one file of the package that touches C memory.
//
// The invariants: a *result is only ever handed back to libchdb, and its octets
// are borrowed until free; a *session is used by one goroutine at a time; what
// libchdb is given stays reachable for the length of the call.

// cresult and cconn are libchdb's handles; their insides are its own.
type cresult struct{ _ uintptr }

// cconn is what chdb_connect returns: a pointer to the handle all other
// functions want.
type cconn struct{ handle unsafe.Pointer }

// chdb is libchdb, loaded. libchdb keeps one engine a process, so a process
// makes one of these.
type chdb struct {
	connect      func(argc int32, argv **byte) *cconn
	closeConn    func(*cconn)
	query        func(conn unsafe.Pointer, q *byte, qn uintptr, f *byte, fn uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, n uintptr) *cresult
	streamQuery  func(conn unsafe.Pointer, q *byte, qn uintptr, f *byte, fn uintptr, names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, n uintptr) *cresult
	streamFetch  func(conn unsafe.Pointer, r *cresult) *cresult
	streamCancel func(conn unsafe.Pointer, r *cresult)
	destroy      func(*cresult)
	buffer       func(*cresult) *byte
	length       func(*cresult) uintptr
	elapsed      func(*cresult) float64
	rowsRead     func(*cresult) uint64
	storageRows  func(*cresult) uint64
	storageBytes func(*cresult) uint64
	rowsWritten  func(*cresult) uint64
	bytesWritten func(*cresult) uint64
	errorText    func(*cresult) *byte

	// connecting serialises chdb_connect with the signal table it disturbs.
	connecting sync.Mutex
}

// loadChdb loads the library and makes it leave the process's signals alone.
func loadChdb(path string) (lib *chdb, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", path, err)
	}
	// RegisterLibFunc panics on a symbol that is not there, which is what
	// happens with a libchdb of another age.
	defer func() {
		if p := recover(); p != nil {
			lib, err = nil, fmt.Errorf("%s is not libchdb %s: %v", path, LibraryVersion, p)
		}
	}()
	lib = &chdb{}
	var setSignalHandlers func(enabled int32)
	for _, f := range []struct {
		fn   any
		name string
	}{
		{&lib.connect, "chdb_connect"},
		{&lib.closeConn, "chdb_close_conn"},
		{&lib.query, "chdb_query_with_params_n"},
		{&lib.streamQuery, "chdb_stream_query_with_params_n"},
		{&lib.streamFetch, "chdb_stream_fetch_result"},
		{&lib.streamCancel, "chdb_stream_cancel_query"},
		{&lib.destroy, "chdb_destroy_query_result"},
		{&lib.buffer, "chdb_result_buffer"},
		{&lib.length, "chdb_result_length"},
		{&lib.elapsed, "chdb_result_elapsed"},
		{&lib.rowsRead, "chdb_result_rows_read"},
		{&lib.storageRows, "chdb_result_storage_rows_read"},
		{&lib.storageBytes, "chdb_result_storage_bytes_read"},
		{&lib.rowsWritten, "chdb_result_rows_written"},
		{&lib.bytesWritten, "chdb_result_bytes_written"},
		{&lib.errorText, "chdb_result_error"},
		{&setSignalHandlers, "chdb_set_signal_handlers_enabled"},
	} {
		purego.RegisterLibFunc(f.fn, handle, f.name)
	}
	keepSignals(func() { setSignalHandlers(0) })
	return lib, nil
}

// sigaction is the kernel's struct sigaction on amd64 and arm64 Linux: handler,
// flags, restorer (amd64), mask.
type sigaction [4]uint64

// keepSignals runs f and puts back whatever signal actions it changed: libchdb
// resets the ones it knows to their defaults, and Go's run-time needs its own
// for preemption and for faults.
func keepSignals(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const last = 31 // Real-time signals are libchdb's neither to take nor to give.
	var saved [last + 1]sigaction
	var ok [last + 1]bool
	for s := 1; s <= last; s++ {
		_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), 0, uintptr(unsafe.Pointer(&saved[s])), 8, 0, 0)
		ok[s] = e == 0
	}
	defer func() {
		for s := 1; s <= last; s++ {
			if ok[s] && unix.Signal(s) != unix.SIGKILL && unix.Signal(s) != unix.SIGSTOP {
				unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&saved[s])), 0, 8, 0, 0)
			}
		}
		runtime.KeepAlive(&saved)
	}()
	f()
}

// session is one connection to the embedded engine: its own settings, current
// database and temporary tables. One statement at a time.
type session struct {
	lib  *chdb
	conn *cconn
}

// open connects. The arguments that name ClickHouse settings hold for this
// session; the others (path, config-file) matter only to the first one, which
// starts the engine, and must be the same in all.
func (c *chdb) open(args ...string) (*session, error) {
	argv := make([]*byte, 0, len(args)+2)
	for _, a := range append([]string{"clickhouse"}, args...) {
		b, err := unix.BytePtrFromString(a)
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", a, err)
		}
		argv = append(argv, b)
	}
	n := int32(len(argv))
	argv = append(argv, nil)
	c.connecting.Lock()
	defer c.connecting.Unlock()
	var conn *cconn
	keepSignals(func() { conn = c.connect(n, &argv[0]) })
	runtime.KeepAlive(argv)
	if conn == nil || conn.handle == nil {
		return nil, errors.New("libchdb refused to connect")
	}
	return &session{lib: c, conn: conn}, nil
}

// close ends the session. Closing the last one of the process stops the engine.
func (s *session) close() {
	if s.conn != nil {
		s.lib.closeConn(s.conn)
		s.conn = nil
	}
}

// param is one {name:Type} parameter of a query.
type param struct{ name, value string }

// cparams lays parameters out as libchdb wants them.
type cparams struct {
	names, values       []*byte
	nameLens, valueLens []uintptr
}

func makeParams(ps []param) cparams {
	n := len(ps)
	c := cparams{make([]*byte, n+1), make([]*byte, n+1), make([]uintptr, n+1), make([]uintptr, n+1)}
	for i, p := range ps {
		// A terminating zero: never a nil pointer for an empty string.
		c.names[i], c.nameLens[i] = &append([]byte(p.name), 0)[0], uintptr(len(p.name))
		c.values[i], c.valueLens[i] = &append([]byte(p.value), 0)[0], uintptr(len(p.value))
	}
	return c
}

// exec runs a statement and returns its whole result.
func (s *session) exec(query, format string, ps []param) (*result, error) {
	return s.run(s.lib.query, query, format, ps)
}

// stream starts a query whose result comes by next. Whether or not it is read
// to its end, it must be freed, after cancel if it was not.
func (s *session) stream(query, format string, ps []param) (*result, error) {
	return s.run(s.lib.streamQuery, query, format, ps)
}

func (s *session) run(f func(unsafe.Pointer, *byte, uintptr, *byte, uintptr, **byte, *uintptr, **byte, *uintptr, uintptr) *cresult, query, format string, ps []param) (*result, error) {
	q, fm, c := append([]byte(query), 0), append([]byte(format), 0), makeParams(ps)
	r := f(s.conn.handle, &q[0], uintptr(len(query)), &fm[0], uintptr(len(format)),
		&c.names[0], &c.nameLens[0], &c.values[0], &c.valueLens[0], uintptr(len(ps)))
	runtime.KeepAlive(q)
	runtime.KeepAlive(fm)
	runtime.KeepAlive(c)
	return s.wrap(r)
}

// next fetches the next piece of a streamed result; a piece of no octets is the
// end.
func (s *session) next(of *result) (*result, error) {
	return s.wrap(s.lib.streamFetch(s.conn.handle, of.r))
}

// cancel stops a streamed query that was not read to its end.
func (s *session) cancel(of *result) { s.lib.streamCancel(s.conn.handle, of.r) }

func (s *session) wrap(r *cresult) (*result, error) {
	if r == nil {
		return nil, errors.New("libchdb returned nothing")
	}
	if text := goString(s.lib.errorText(r)); text != "" {
		s.lib.destroy(r)
		return nil, parseException(text)
	}
	return &result{lib: s.lib, r: r}, nil
}

// result is a result, or a piece of one, in libchdb's memory.
type result struct {
	lib *chdb
	r   *cresult
}

// bytes borrows the result's octets until free.
func (r *result) bytes() []byte {
	n := r.lib.length(r.r)
	p := r.lib.buffer(r.r)
	if p == nil || n == 0 {
		return nil
	}
	return unsafe.Slice(p, n)
}

// summary returns the counters of the statement.
func (r *result) summary() summary {
	return summary{
		readRows:     r.lib.storageRows(r.r),
		readBytes:    r.lib.storageBytes(r.r),
		writtenRows:  r.lib.rowsWritten(r.r),
		writtenBytes: r.lib.bytesWritten(r.r),
		resultRows:   r.lib.rowsRead(r.r),
	}
}

func (r *result) free() {
	if r != nil && r.r != nil {
		r.lib.destroy(r.r)
		r.r = nil
	}
}

// summary counts what a statement did, as X-ClickHouse-Summary tells it.
type summary struct {
	readRows, readBytes, writtenRows, writtenBytes, resultRows uint64
}

func (s *summary) add(o summary) {
	s.readRows += o.readRows
	s.readBytes += o.readBytes
	s.writtenRows += o.writtenRows
	s.writtenBytes += o.writtenBytes
	s.resultRows += o.resultRows
}

// goString copies a C string.
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	const most = 1 << 20
	n := 0
	for ; n < most && *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0; n++ {
	}
	return string(unsafe.Slice(p, n))
}
