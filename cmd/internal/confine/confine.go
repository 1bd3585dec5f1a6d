// Package confine takes from a program, before it reads its first octet from
// outside, all rights that it has no use for: capabilities, new privileges, files
// and folders other than those it was given (Landlock), TCP ports, and system calls
// that no such program makes (seccomp).
//
// # How
//
// All of these belong to threads, and a Go program has several before main begins. In
// a program with cgo, libpsx runs a system call in each; without, the Go runtime would,
// but not in a program that loads libraries through purego, as the engine does. So
// [Enter] restricts the one thread it runs in and executes the program anew: what
// begins then, with the same arguments, process identifier and standard files, is
// restricted from its first instruction, and so is every thread and process that it
// starts, the engine among them.
//
// Packet sockets take CAP_NET_RAW to make and nothing to use. Enter makes them before
// and hands them on, so that the program itself never has the capability.
//
// Where the kernel has no Landlock or seccomp the rest holds, unless all is required.
package confine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Flag says whether a program is confined: on, as far as the kernel can, off, or
// require, which fails where it cannot.
type Flag string

// Define adds the flag.
func (f *Flag) Define(flags *flag.FlagSet) {
	*f = "on"
	flags.StringVar((*string)(f), "sandbox", string(*f), "`how` the program gives up what it has no use for, such as other files and capabilities: on, as far as the kernel can; require, or not at all; off")
}

// Check returns an error where the flag has no such value.
func (f *Flag) Check() error {
	if *f != "on" && *f != "off" && *f != "require" {
		return fmt.Errorf("-sandbox %s: must be on, off or require", *f)
	}
	return nil
}

// Plan is what a program is to have access to, beyond what every program needs.
// Paths that are not there are left out.
type Plan struct {
	// Read are files and folders, with what is in them.
	Read []string
	// Write are folders; those that are not there are made, for the owner and the group.
	Write []string
	// Private are folders to be written that are made for the owner alone.
	Private []string
	// Files are files to be written; those that are not there are made.
	Files []string
	// Network says that TCP connections are made, to whatever port. Listen is the
	// address that is listened on, or empty.
	Network bool
	Listen  string
	// Sockets is how many packet sockets are needed.
	Sockets int
}

// ReadBeside lets files be read that may be replaced: with them, their folders, unless
// these are everybody's.
func (p *Plan) ReadBeside(names ...string) {
	for _, name := range names {
		if name == "" {
			continue
		}
		p.Read = append(p.Read, name)
		abs, err := filepath.Abs(name)
		if dir := filepath.Dir(abs); err == nil && dir != "/" && dir != "/etc" && dir != "/tmp" && dir != "/var" && dir != "/home" {
			p.Read = append(p.Read, dir)
		}
	}
}

// Links adds what the symbolic links in a folder lead to.
func (p *Plan) Links(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // Reading it will tell.
	}
	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 {
			p.Read = append(p.Read, filepath.Join(dir, e.Name()))
		}
	}
}

// Held says which restrictions hold.
type Held struct {
	Restrictions []string
	Missing      []string
	sockets      []int
}

// Log says which restrictions hold.
func (h *Held) Log(log *slog.Logger, level slog.Level) {
	if len(h.Missing) > 0 {
		log.Log(context.Background(), max(level, slog.LevelWarn), "the kernel cannot restrict everything", "missing", strings.Join(h.Missing, ", "))
	}
	if len(h.Restrictions) == 0 {
		log.Log(context.Background(), level, "not restricted")
		return
	}
	log.Log(context.Background(), level, "restricted", "holds", strings.Join(h.Restrictions, "; "))
}

// Sockets returns a function that gives the packet sockets which were made before, one
// at a time, or nil where the program makes them itself.
func (h *Held) Sockets() func() (int, error) {
	if len(h.sockets) == 0 {
		return nil
	}
	return func() (int, error) {
		if len(h.sockets) == 0 {
			return -1, errors.New("no packet socket is left")
		}
		fd := h.sockets[0]
		h.sockets = h.sockets[1:]
		return fd, nil
	}
}
