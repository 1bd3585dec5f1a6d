package engine

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

// marker is the first argument of a process that is to be an engine. It is what
// ps shows.
const marker = "@engine"

// What an engine tells its starter on descriptor 3; anything else is an error.
const (
	saidReady = "ready"
	saidHeld  = "held"
)

// Bounds of the engine process.
const (
	maxConns       = 512
	maxLog         = 1 << 20
	queryGrace     = 5 * time.Second
	shutdownGrace  = 2 * time.Minute
	closeGrace     = time.Minute
	leavingPause   = 50 * time.Millisecond
	goMemory       = 1 << 30
	housekeeping   = 30 * time.Second
	maxHeaderBytes = 4 << 20
)

// Main must be the first call of every main function (and TestMain) whose
// program may start an engine. It returns at once, unless this process was
// started to be one: then it serves until told to stop, and does not return.
func Main() {
	if len(os.Args) != 4 || os.Args[1] != marker {
		return
	}
	tell := os.NewFile(3, "starter")
	unix.CloseOnExec(3)
	said := false
	say := func(s string) {
		if !said {
			said = true
			fmt.Fprintln(tell, s)
			tell.Close()
		}
	}
	if err := run(os.Args[2], os.Args[3], say); err != nil {
		logf("%v", err)
		say(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// logf writes a line to the engine's log, which is its standard error.
func logf(format string, a ...any) {
	fmt.Fprintf(os.Stderr, "%s %d %s\n", time.Now().UTC().Format(time.RFC3339), os.Getpid(), fmt.Sprintf(format, a...))
}

// openLog opens the engine's log for appending, keeping one predecessor.
func openLog(dir string) (*os.File, error) {
	path := filepath.Join(dir, logName)
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// run is the engine: it holds dir from its lock to its return.
func run(dir, options string, say func(string)) error {
	var o Options
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return fmt.Errorf("the engine's options: %w", err)
	}
	o = o.withDefaults()
	debug.SetMemoryLimit(goMemory)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)

	room, err := newSpace(dir)
	if err != nil {
		return err
	}
	lock, err := takeLock(dir)
	if err != nil {
		return err
	}
	if lock == nil {
		say(saidHeld)
		return nil
	}
	// Released by the end of the process, after everything else.
	defer lock.Close()

	began := time.Now()
	path, err := Library()
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, tempName)
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	config, err := writeConfig(dir, o, room.mergeSettings())
	if err != nil {
		return err
	}
	// libchdb starts what removes dropped tables only if it finds this at its
	// start; without it DROP TABLE SYNC waits for ever.
	if err := os.MkdirAll(filepath.Join(dir, dataName, "metadata"), 0o750); err != nil {
		return err
	}
	lib, err := loadChdb(path)
	if err != nil {
		return err
	}
	db, err := openDatabase(lib, dir, config, o)
	if err != nil {
		return err
	}
	l, err := listenSocket(dir, o.Group)
	if err != nil {
		db.close()
		return err
	}
	logf("libchdb %s holds %s, started in %v", db.version, dir, time.Since(began).Round(time.Millisecond))
	if room.low {
		logf("little room on the archive's disk: nothing is written until there is more")
	}
	if err := db.tellBroken(); err != nil {
		logf("asking for broken parts: %v", err)
	}
	say(saidReady)
	reason := serve(dir, l, db, o, room, signals)
	logf("leaving: %s", reason)
	// Nothing acknowledged depends on a clean end; the next engine does depend on
	// this one's end.
	time.AfterFunc(closeGrace, func() {
		logf("libchdb has not closed in %v", closeGrace)
		os.Exit(1)
	})
	db.close()
	logf("closed")
	return nil
}

// presence counts open connections and says when there have been none for long
// enough.
type presence struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	since time.Time // Start of the present emptiness.
}

func (p *presence) change(c net.Conn, s http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch s {
	case http.StateNew:
		p.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, c)
		p.since = time.Now()
	}
}

// idle returns how long nobody has been connected, and whether that is so.
func (p *presence) idle() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.since), len(p.conns) == 0
}

// serve answers requests until a signal comes or nobody has been there for
// o.Idle, and returns which.
func serve(dir string, l net.Listener, db *database, o Options, room *space, signals <-chan os.Signal) string {
	here := &presence{conns: map[net.Conn]struct{}{}, since: time.Now()}
	reads, stopReads := context.WithCancel(context.Background())
	defer stopReads()
	h := newHandler(db, filepath.Join(dir, tempName), o, room, reads)
	again := make(chan bool, 1)
	go func() {
		if room.watch(reads.Done()) {
			again <- true
		}
	}()
	srv := &http.Server{
		Handler:           h,
		ConnState:         here.change,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       10 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(netutil.LimitListener(l, maxConns)) }()

	socket := filepath.Join(dir, socketName)
	keep := time.NewTicker(housekeeping)
	defer keep.Stop()
	timer := time.NewTimer(o.Idle)
	defer timer.Stop()
	reason := ""
	for reason == "" {
		select {
		case s := <-signals:
			reason = s.String()
			_ = os.Remove(socket)
		case err := <-failed:
			reason = err.Error()
			_ = os.Remove(socket)
		case <-again:
			reason = "there is room again"
			_ = os.Remove(socket)
		case <-keep.C:
			trimLog()
			if !stillThere(socket, dir) {
				reason = "the archive's directory is gone"
			}
		case <-timer.C:
			d, empty := here.idle()
			if !empty || d < o.Idle {
				if !empty {
					d = 0
				}
				timer.Reset(max(o.Idle-d, 10*time.Millisecond))
				continue
			}
			// Somebody may be dialling just now. Out of sight first, so that nobody
			// new connects; then, if somebody had, back.
			away := socket + ".leaving"
			if err := os.Rename(socket, away); err != nil {
				reason = "idle"
				continue
			}
			time.Sleep(leavingPause)
			if _, empty := here.idle(); empty {
				reason = "idle"
				_ = os.Remove(away)
			} else if err := os.Rename(away, socket); err != nil {
				reason = err.Error()
			}
			timer.Reset(o.Idle)
		}
	}
	// Inserts are finished; queries get a moment.
	grace := time.AfterFunc(queryGrace, stopReads)
	defer grace.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		logf("requests unfinished after %v: %v", shutdownGrace, err)
	}
	return reason
}

// trimLog keeps the log of a long-lived engine bounded.
func trimLog() {
	if fi, err := os.Stderr.Stat(); err == nil && fi.Mode().IsRegular() && fi.Size() > 4*maxLog {
		_ = os.Stderr.Truncate(0)
		logf("log truncated")
	}
}

// stillThere tells whether the archive is where it was: an engine whose
// directory was removed serves nobody.
func stillThere(socket, dir string) bool {
	if _, err := os.Lstat(socket); errors.Is(err, os.ErrNotExist) {
		_, err := os.Stat(filepath.Join(dir, dataName))
		return !errors.Is(err, os.ErrNotExist)
	}
	return true
}

// privileges are what every session may do: anything within the archive and
// nothing outside it. No privilege on sources (FILE, URL, REMOTE, S3 and so on)
// is among them, nor access management, nor stopping the engine.
const privileges = "GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY," +
	" CREATE TEMPORARY TABLE, CREATE FUNCTION, CHECK, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, KILL QUERY, dictGet," +
	" SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH, SYSTEM RELOAD, SYSTEM DROP CACHE, SYSTEM VIEWS ON *.*"

// writeConfig writes ClickHouse's configuration and returns its path. Server
// settings can be given to libchdb in no other way that also brings profiles and
// privileges. The constraints keep requests from what kills the process: parse
// trees so deep that their destruction overflows the stack, and the signals of
// the profilers, which Go's run-time takes for its own; and from other dialects,
// which the engine does not read.
//
// What a merge takes must not grow with the parts that it merges: tables have up to a
// hundred columns, of each of which a merge would fill a buffer of a megabyte, of every
// part and of the result. So large parts are merged column by column, whatever their
// rows, buffers begin small, and parts in one file are written after 16 MiB, not 128.
//
// Parts that were merged are deleted within seconds. ClickHouse looks for them every 30
// to 300 s, and they take some 40 kB of memory each until then, so memory would grow with
// what was inserted in up to five minutes. They are deleted with no respect to whether the
// part in their place has reached the disk, which is why o.Fsync makes merges see to it.
//
// Statistics of columns are left out: no query of ours is planned by them, and of a
// text or a content they hold the least and the greatest as they are.
func writeConfig(dir string, o Options, merges string) (string, error) {
	esc := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	}
	temp := filepath.Join(dir, tempName)
	users := filepath.Join(temp, "users.xml")
	config := filepath.Join(temp, "config.xml")
	fsync := 0
	if o.Fsync {
		fsync = 1
	}
	cache := min(o.MaxMemory/8, 512<<20)
	files := map[string]string{
		users: fmt.Sprintf(`<clickhouse>
<profiles><default>
<max_threads>%d</max_threads>
<query_profiler_real_time_period_ns>0</query_profiler_real_time_period_ns>
<query_profiler_cpu_time_period_ns>0</query_profiler_cpu_time_period_ns>
<constraints>
<max_parser_depth><max>1000</max></max_parser_depth>
<max_ast_depth><max>1000</max></max_ast_depth>
<dialect><const/></dialect>
<query_profiler_real_time_period_ns><const/></query_profiler_real_time_period_ns>
<query_profiler_cpu_time_period_ns><const/></query_profiler_cpu_time_period_ns>
</constraints>
</default></profiles>
<users><default>
<password></password>
<networks><ip>::/0</ip></networks>
<profile>default</profile>
<quota>default</quota>
<grants><query>%s</query></grants>
</default></users>
<quotas><default></default></quotas>
</clickhouse>
`, o.Threads, privileges),
		config: fmt.Sprintf(`<clickhouse>
<users_config>%s</users_config>
<max_server_memory_usage>%d</max_server_memory_usage>
<mark_cache_size>%d</mark_cache_size>
<uncompressed_cache_size>%d</uncompressed_cache_size>
<index_mark_cache_size>%d</index_mark_cache_size>
<primary_index_cache_size>%d</primary_index_cache_size>
<text_index_tokens_cache_size>%d</text_index_tokens_cache_size>
<text_index_header_cache_size>%d</text_index_header_cache_size>
<text_index_postings_cache_size>%d</text_index_postings_cache_size>
<max_parts_cleaning_thread_pool_size>2</max_parts_cleaning_thread_pool_size>
<merge_tree>
<auto_statistics_types></auto_statistics_types>
<min_columns_to_activate_adaptive_write_buffer>1</min_columns_to_activate_adaptive_write_buffer>
<compact_parts_max_bytes_to_buffer>16777216</compact_parts_max_bytes_to_buffer>
<vertical_merge_algorithm_min_rows_to_activate>1</vertical_merge_algorithm_min_rows_to_activate>
<cleanup_delay_period>1</cleanup_delay_period>
<cleanup_delay_period_random_add>0</cleanup_delay_period_random_add>
<max_cleanup_delay_period>2</max_cleanup_delay_period>
<fsync_after_insert>%d</fsync_after_insert>
<min_compressed_bytes_to_fsync_after_merge>%d</min_compressed_bytes_to_fsync_after_merge>
<fsync_part_directory>%d</fsync_part_directory>
%s</merge_tree>
</clickhouse>
`, esc(users), o.MaxMemory, cache, cache, cache, cache, cache, cache, cache, fsync, fsync, fsync, merges),
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return config, nil
}
