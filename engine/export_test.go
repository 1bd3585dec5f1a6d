package engine

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RunConfigured is an engine with more configuration and other users than it
// has by itself, both as ClickHouse merges them: from XML files in config.d and
// users.d. It serves the archive dir until it is told to stop.
func RunConfigured(dir, configuration, users string) error {
	o := Options{MaxMemory: 2 << 30, Threads: 2}.withDefaults()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	lock, err := takeLock(dir)
	if err != nil || lock == nil {
		return errors.Join(err, errors.New("the archive is in use"))
	}
	defer lock.Close()
	temp := filepath.Join(dir, tempName)
	for _, d := range []string{"config.d", "users.d"} {
		if err := os.MkdirAll(filepath.Join(temp, d), 0o700); err != nil {
			return err
		}
	}
	room, err := newSpace(dir)
	if err != nil {
		return err
	}
	config, err := writeConfig(dir, o, room.mergeSettings())
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(temp, "config.d", "test.xml"), []byte(configuration), 0o600),
		os.WriteFile(filepath.Join(temp, "users.d", "test.xml"), []byte(users), 0o600),
	); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, dataName, "metadata"), 0o750); err != nil {
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
	serve(dir, l, db, o, room, signals)
	return nil
}
