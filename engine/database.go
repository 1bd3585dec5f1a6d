package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// database is the archive, open. libchdb keeps one engine a process; opening a
// further session costs some 0.3 ms, and sessions run side by side. So every
// request has a session of its own, and leaves no setting behind in another's.
type database struct {
	lib  *chdb
	args []string
	// anchor keeps the engine up: it stops with its last session. It also runs
	// what the engine itself has to say, under mu.
	mu       sync.Mutex
	anchor   *session
	version  string
	timezone string
	name     string
}

func openDatabase(lib *chdb, dir, config string, o Options) (*database, error) {
	db := &database{lib: lib, args: []string{"--path=" + filepath.Join(dir, dataName), "--config-file=" + config}}
	var err error
	if db.anchor, err = lib.open(db.args...); err != nil {
		return nil, fmt.Errorf("%w; see %s", err, logName)
	}
	r, err := db.anchor.exec("SELECT version(), timezone(), displayName()", "TSV", nil)
	if err != nil {
		db.anchor.close()
		return nil, fmt.Errorf("asking libchdb's version: %w", err)
	}
	defer r.free()
	f := strings.Split(strings.TrimSpace(string(r.bytes())), "\t")
	if len(f) != 3 {
		db.anchor.close()
		return nil, fmt.Errorf("asking libchdb's version: got %q", r.bytes())
	}
	db.version, db.timezone, db.name = f[0], f[1], f[2]
	return db, nil
}

// tellBroken writes into the log which parts ClickHouse put aside, because they
// cannot be read.
func (db *database) tellBroken() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	r, err := db.anchor.exec("SELECT database, table, name FROM system.detached_parts WHERE startsWith(ifNull(reason, ''), 'broken')", "TSV", nil)
	if err != nil {
		return err
	}
	defer r.free()
	for line := range strings.Lines(string(r.bytes())) {
		logf("ClickHouse has put a part aside that it cannot read: %s", strings.ReplaceAll(strings.TrimSpace(line), "\t", " "))
	}
	return nil
}

// close stops ClickHouse. All other sessions must be closed.
func (db *database) close() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.anchor.close()
}

// session opens a session for one request.
func (db *database) session() (*session, error) { return db.lib.open(db.args...) }

// kill cancels the query whose session bears the given log_comment. libchdb's
// own cancellation waits for the piece of the result that is being computed.
func (db *database) kill(mark string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	r, err := db.anchor.exec("KILL QUERY WHERE Settings['log_comment'] = "+quote(mark)+" ASYNC FORMAT Null", "Null", nil)
	if err != nil {
		logf("killing a query: %v", err)
		return
	}
	r.free()
}
