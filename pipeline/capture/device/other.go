//go:build !linux

package device

import (
	"fmt"
	"net"
	"time"
)

// Open opens an interface.
func Open(c Config) ([]Handle, error) { return openLibpcap(c) }

// Wait waits until one of the handles has frames, or the timeout is over.
func Wait(handles []Handle, timeout time.Duration) error {
	restLibpcap(handles, timeout)
	return nil
}

// Look returns an interface's status, and ErrGone where there is none of the name.
func Look(name string) (Status, error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return Status{}, fmt.Errorf("interface %s: %w: %w", name, ErrGone, err)
	}
	return Status{Index: nic.Index, Running: nic.Flags&net.FlagUp != 0 && nic.Flags&net.FlagRunning != 0}, nil
}
