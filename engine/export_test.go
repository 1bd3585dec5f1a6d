package engine

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// RunShards is an engine that plays a cluster named x400 of two shards, of which
// it is both: a table has the rows that meet its filter, which tells the shard by
// shardNum(). It serves the archive dir until it is told to stop.
func RunShards(dir, database string, filters map[string]string) error {
	o := Options{MaxMemory: 2 << 30, Threads: 2}.withDefaults()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	lock, err := takeLock(dir)
	if err != nil || lock == nil {
		return errors.Join(err, errors.New("the archive is in use"))
	}
	defer lock.Close()
	temp := filepath.Join(dir, tempName)
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return err
	}
	config, err := writeConfig(dir, o)
	if err != nil {
		return err
	}
	shard := "<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica></shard>"
	if err := edit(config, "</clickhouse>", "<tcp_port>9000</tcp_port><remote_servers><x400>"+shard+shard+"</x400></remote_servers></clickhouse>"); err != nil {
		return err
	}
	var policies strings.Builder
	for table, filter := range filters {
		fmt.Fprintf(&policies, "<%s><filter>%s</filter></%[1]s>", table, filter)
	}
	users := filepath.Join(temp, "users.xml")
	if err := errors.Join(
		edit(users, "SYSTEM VIEWS ON *.*", "SYSTEM VIEWS, REMOTE ON *.*"),
		edit(users, "</default></users>", "<databases><"+database+">"+policies.String()+"</"+database+"></databases></default></users>"),
	); err != nil {
		return err
	}
	path, err := Library()
	if err != nil {
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
	defer db.close()
	l, err := listenSocket(dir, "")
	if err != nil {
		return err
	}
	serve(dir, l, db, o, signals)
	return nil
}

func edit(file, from, to string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.Count(string(b), from) != 1 {
		return fmt.Errorf("%s: %q is not there once", file, from)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(b), from, to, 1)), 0o600)
}
