// Package service is how a command that lasts speaks with those who operate it: it
// takes signals, and tells systemd, where that has started it, that it is ready, that
// it reads its configuration anew, that it stops, and that it lives.
//
//	SIGINT, SIGTERM  the context of [Signals] ends; a second one ends the program at
//	                 once
//	SIGHUP           what [Service.Reload] was given is called
//
// It lives while it gets on: see [Service.Watch].
package service

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Signals returns a context that ends at the first SIGINT or SIGTERM. The second ends
// the program, as it would without this, however soon it comes.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	came := make(chan os.Signal, 2)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	go func() {
		for range 2 {
			select {
			case s := <-came:
				if ctx.Err() != nil {
					signal.Reset(s)
					_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
					return
				}
				cancel()
			case <-over:
				return
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(came)
		close(over)
		cancel()
	})
}

// Service tells systemd.
type Service struct {
	log    *slog.Logger
	stop   context.CancelFunc
	done   sync.WaitGroup
	ctx    context.Context
	mu     sync.Mutex
	stages []func() (done uint64, waiting bool)
}

// New returns a Service until ctx ends.
func New(ctx context.Context, log *slog.Logger) *Service {
	s := &Service{log: log}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { s.notify(daemon.SdNotifyStopping) })
	return s
}

// notify tells systemd; where it has not started this, nobody listens.
func (s *Service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}

// Watch makes the program's life depend on a stage: it lives while what any of them
// counts grows, or none has anything to do. One that counts what fails and is tried
// again keeps the program from being started anew, to no avail, while a server is
// away. look must not block.
func (s *Service) Watch(look func() (done uint64, waiting bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stages = append(s.stages, look)
}

// Ready tells that the program does what it is for, and from then on that it lives,
// as often as systemd wants to know.
func (s *Service) Ready() {
	s.notify(daemon.SdNotifyReady)
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("the watchdog is not served", "error", err)
	}
	if interval <= 0 {
		return
	}
	s.done.Go(func() {
		tick := time.NewTicker(interval / 3)
		defer tick.Stop()
		var last []uint64
		for {
			if now, lives := s.lives(last); lives {
				last = now
				s.notify(daemon.SdNotifyWatchdog)
			} else {
				s.log.Error("no stage gets on; systemd will end this program", "watchdog", interval)
			}
			select {
			case <-tick.C:
			case <-s.ctx.Done():
				return
			}
		}
	})
}

// lives reports whether any stage got on, compared with what it counted before, or
// none waits.
func (s *Service) lives(before []uint64) (now []uint64, lives bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := true
	for i, look := range s.stages {
		done, waiting := look()
		now = append(now, done)
		idle = idle && !waiting
		if i >= len(before) || before[i] != done {
			lives = true
		}
	}
	return now, lives || idle
}

// Reload calls f at each SIGHUP, until Close.
func (s *Service) Reload(f func() error) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	s.done.Go(func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-hup:
				if state, err := reloading(); err == nil {
					s.notify(state)
				}
				if err := f(); err != nil {
					s.log.Error("the configuration stays as it was", "error", err)
				}
				s.notify(daemon.SdNotifyReady)
			case <-s.ctx.Done():
				return
			}
		}
	})
}

// Close ends what Ready and Reload began.
func (s *Service) Close() {
	s.stop()
	s.done.Wait()
}
