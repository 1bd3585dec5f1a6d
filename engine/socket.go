package engine

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSocketPath is how long a unix socket's path may be on Linux (sun_path less
// its terminating zero).
const maxSocketPath = 107

// withSocketPath calls f with a path of the directory's socket that is short
// enough for bind and connect: for a deep directory, one that leads through a
// descriptor of it.
func withSocketPath(dir string, f func(path string) error) error {
	path := filepath.Join(dir, socketName)
	if len(path) <= maxSocketPath {
		return f(path)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return f("/proc/self/fd/" + strconv.Itoa(fd) + "/" + socketName)
}

// dialSocket connects to the engine of dir, if one listens.
func dialSocket(ctx context.Context, dir string) (conn net.Conn, err error) {
	err = withSocketPath(dir, func(path string) error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

// listenSocket binds the socket of dir, in place of one that a dead engine left.
// The caller holds the lock.
func listenSocket(dir, group string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	gid := -1
	if group != "" {
		var err error
		if gid, err = groupID(group); err != nil {
			return nil, err
		}
		// Who may use the socket must be able to reach it.
		if err := os.Chown(dir, -1, gid); err != nil {
			return nil, err
		}
		fi, err := os.Stat(dir)
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, fi.Mode().Perm()|0o050); err != nil {
			return nil, err
		}
	}
	var l *net.UnixListener
	// Narrow from the first moment: nobody else connects before the mode is set.
	old := unix.Umask(0o177)
	err := withSocketPath(dir, func(path string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	unix.Umask(old)
	if err != nil {
		return nil, err
	}
	// The path it was bound by may be gone by then; process.go removes the socket.
	l.SetUnlinkOnClose(false)
	if gid >= 0 {
		if err := os.Chown(path, -1, gid); err != nil {
			l.Close()
			return nil, err
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// groupID looks a group up by name or number.
func groupID(group string) (int, error) {
	if n, err := strconv.Atoi(group); err == nil && n >= 0 {
		return n, nil
	}
	g, err := lookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", group, err)
	}
	return g, nil
}
