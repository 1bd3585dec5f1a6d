package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"x400flow/cmd/cmdtest"
	"x400flow/engine"
)

func TestMain(m *testing.M) {
	if os.Getenv(asIngest) != "" {
		main()
		return
	}
	if os.Getenv(asPeer) != "" {
		if err := bePeer(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	cmdtest.Main(m)
}

const (
	// killPoints is how often each victim is killed.
	killPoints = 10
	// messages is how many are sent; hops make more of them.
	messages = 400
	// block is how many rows ingest inserts at a time: some twenty blocks in all,
	// each of all tables. Inserts are what the test's time goes by in.
	block = "400"
	// otherBlock makes other blocks of the same rows.
	otherBlock = "1500"
)

// TestKill kills ingest, the engine, or both, at random points of an archiving,
// starts again what died, and compares the archive with an undisturbed one.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes a minute")
	}
	cmdtest.Build(t, "ingest")
	capture := filepath.Join(t.TempDir(), "traffic.pcap")
	cmdtest.WriteTraffic(t, capture, cmdtest.Damaged(messages))
	k := &killing{capture: capture}
	calm := cmdtest.NewArchive(t, cmdtest.Empty(t))
	if out, err := k.ingest(t, calm, block).CombinedOutput(); err != nil {
		t.Fatalf("undisturbed: %v\n%s", err, out)
	}
	k.want, k.all = calm.Digests(t, nil), calm.Number(t, countMessages)
	cmdtest.Stop(t, calm.Dir)
	if k.all < messages {
		t.Fatalf("%d messages archived undisturbed", k.all)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d; %d messages", seed, k.all)
	for i, victim := range []string{"ingest", "engine", "both"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel() // Much of the time goes by in waiting.
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			struck, tries := 0, 0
			// A kill that comes after 95% of the rows proves nothing, so it does
			// not count.
			for ; struck < killPoints && tries < 5*killPoints; tries++ {
				at, late := 0.05+0.85*rng.Float64(), time.Duration(rng.IntN(150))*time.Millisecond
				// Every other time what is inserted again is in other blocks.
				then := block
				if struck%2 == 1 {
					then = otherBlock
				}
				if k.strike(t, victim, at, late, then) {
					struck++
				}
			}
			t.Logf("%d of %d kills struck work in flight", struck, tries)
			if struck < killPoints {
				t.Errorf("only %d of %d kills struck work in flight", struck, killPoints)
			}
		})
	}
}

const countMessages = "SELECT count() FROM messages"

// killing is what the kills have in common.
type killing struct {
	capture string
	all     uint64            // Messages.
	want    map[string]string // Digests.
}

func (k *killing) ingest(t *testing.T, a *cmdtest.Archive, block string) *exec.Cmd {
	return cmdtest.Command(t, "ingest", "-r", k.capture, "-store", a.Dir, "-sensor", "test", "-block", block)
}

// strike kills the victim a while after the given part of the messages is archived,
// and has ingest begin again, with blocks of then rows, where it died. It reports
// whether that struck between 5% and 95% of the messages.
func (k *killing) strike(t *testing.T, victim string, at float64, late time.Duration, then string) bool {
	t.Helper()
	a := cmdtest.NewArchive(t, cmdtest.Empty(t))
	defer cmdtest.Stop(t, a.Dir)
	cmd := k.ingest(t, a, block)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	over, seen := false, uint64(0)
	var err error
	pause := func(d time.Duration) {
		select {
		case err = <-exited:
			over = true
		case <-time.After(d):
		}
	}
	for !over && seen < uint64(at*float64(k.all)) {
		if pause(10 * time.Millisecond); !over {
			seen = a.Arrived(t) // In a first run nothing is twice.
		}
	}
	if !over {
		pause(late)
	}
	if !over {
		seen = max(seen, a.Arrived(t))
		if victim != "ingest" {
			state, err := engine.Status(a.Dir)
			if err != nil || !state.Running {
				t.Fatalf("no engine to kill: %+v, %v", state, err)
			}
			if err := syscall.Kill(state.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		if victim != "engine" {
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
		err = <-exited
	}
	struck := !over && seen >= k.all/20 && seen <= k.all*95/100
	if victim == "engine" || over {
		if err != nil {
			t.Fatalf("ingest did not survive: %v\n%s", err, &out)
		}
	} else {
		if left := a.Number(t, countMessages); left > k.all*95/100 {
			struck = false
		}
		if out, err := k.ingest(t, a, then).CombinedOutput(); err != nil {
			t.Fatalf("started again: %v\n%s", err, out)
		}
	}
	cmdtest.Same(t, fmt.Sprintf("killed %s at %.0f%%, %v later", victim, 100*at, late), a.Digests(t, nil), k.want)
	return struck
}
