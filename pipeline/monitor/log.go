package monitor

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Bounds of a sampled log.
const (
	// SampleInterval is the time within which SampleBurst lines with the same level
	// and message are written; what exceeds them is counted instead.
	SampleInterval = 10 * time.Second
	SampleBurst    = 5
	// maxMessages bounds the messages that are told apart.
	maxMessages = 1024
)

// sampler is a slog.Handler that leaves out what repeats.
type sampler struct {
	next slog.Handler
	seen *seen
}

// seen is shared by the handlers that With makes of one.
type seen struct {
	now   func() time.Time
	mu    sync.Mutex
	lines map[line]*repeats
}

// line is what makes two records the same. Attributes do not.
type line struct {
	level   slog.Level
	message string
}

// repeats are the records of one interval.
type repeats struct {
	since             time.Time
	written, withheld int
}

// Sample returns a handler that hands on the first SampleBurst records of the
// same level and message in each SampleInterval. The first one after such an
// interval tells, as "suppressed", how many were left out. Debug records and those
// beyond the bound on distinct messages are all handed on.
func Sample(next slog.Handler) slog.Handler {
	return &sampler{next, &seen{now: time.Now, lines: map[line]*repeats{}}}
}

// Enabled implements slog.Handler.
func (s *sampler) Enabled(ctx context.Context, l slog.Level) bool { return s.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (s *sampler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return s.next.Handle(ctx, r)
	}
	write, suppressed := s.seen.add(line{r.Level, r.Message})
	if !write {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return s.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s *sampler) WithAttrs(a []slog.Attr) slog.Handler { return &sampler{s.next.WithAttrs(a), s.seen} }

// WithGroup implements slog.Handler.
func (s *sampler) WithGroup(name string) slog.Handler {
	return &sampler{s.next.WithGroup(name), s.seen}
}

// add tells whether to write a record, and how many were left out before it.
func (s *seen) add(l line) (write bool, suppressed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r := s.lines[l]
	if r == nil {
		if len(s.lines) >= maxMessages {
			s.forget(now)
		}
		if len(s.lines) >= maxMessages {
			return true, 0
		}
		r = &repeats{since: now}
		s.lines[l] = r
	}
	if now.Sub(r.since) >= SampleInterval {
		suppressed = r.withheld
		*r = repeats{since: now}
	}
	if r.written >= SampleBurst {
		r.withheld++
		return false, 0
	}
	r.written++
	return true, suppressed
}

// forget makes room: it drops messages of intervals past that withhold nothing.
func (s *seen) forget(now time.Time) {
	for l, r := range s.lines {
		if r.withheld == 0 && now.Sub(r.since) >= SampleInterval {
			delete(s.lines, l)
		}
	}
}
