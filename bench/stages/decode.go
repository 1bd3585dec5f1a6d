package stages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/record"
	"x400flow/schema"
)

func decodeCases() []Case {
	const envelope, content = "records to columns, envelopes", "records to columns, contents"
	return []Case{
		{Name: envelope, Group: envelope, Unit: "message", Warm: 4, Open: decodes(true)},
		{Name: "tshark", Group: envelope, Unit: "message", Yardstick: true, External: true, Open: tshark},
		{Name: content, Group: content, Unit: "message", Warm: 4, Open: decodes(false)},
	}
}

// sensorName has the place where each round puts its number, so that a decoder takes
// the connections for new ones.
const sensorName = "bench-00000000"

// keeper is a bus that keeps what is published.
type keeper struct{ records [][]byte }

func (k *keeper) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	k.records = append(k.records, bytes.Clone(rec.B))
	rec.Release()
	return nil
}

// sink takes rows and forgets them.
type sink struct {
	mu   sync.Mutex
	free []*schema.Batch
	rows int64
	// keep, if not nil, is given each batch, and says whether it keeps it.
	keep func(*schema.Batch) bool
}

func (s *sink) Batch() *schema.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return new(schema.Batch)
}

func (s *sink) Write(_ context.Context, b *schema.Batch, ack func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows += int64(b.Rows())
	if s.keep == nil || !s.keep(b) {
		b.Reset()
		s.free = append(s.free, b)
	}
	if ack != nil {
		ack()
	}
	return nil
}

func (*sink) Flush(context.Context) error { return nil }

func (s *sink) taken() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows
}

// recordsOf returns the records of a capture.
func recordsOf(ctx context.Context, name string) ([][]byte, error) {
	k := new(keeper)
	if _, err := sense(ctx, name, k); err != nil {
		return nil, err
	}
	return k.records, nil
}

// decodes makes rows of the records of the corpus, by one shard.
func decodes(envelope bool) func(context.Context, *Corpus) (Run, error) {
	return decodesInto(envelope, nil)
}

// decodesInto hands every batch of rows to keep, too, unless that is nil.
func decodesInto(envelope bool, keep func(*schema.Batch) bool) func(context.Context, *Corpus) (Run, error) {
	return func(ctx context.Context, c *Corpus) (Run, error) {
		records, err := recordsOf(ctx, c.Capture)
		if err != nil {
			return Run{}, err
		}
		// A capture's record waits until all before it is durable.
		records = connections(records)
		b := memory.New(1 << 20)
		out := &sink{keep: keep}
		pool := decode.New(decode.Config{Workers: 1, EnvelopeOnly: envelope}, b, out)
		ended := make(chan error, 1)
		go func() { ended <- pool.Run(ctx) }()
		taken := int64(0) // Records that the pool was given.
		messages := func(s decode.Stats) int64 { return int64(s.Messages + s.Probes + s.Reports) }
		all := int64(c.Summary.Messages + c.Summary.Probes + c.Summary.Reports)
		octets := int64(0)
		for _, rec := range records {
			if !bytes.Contains(rec[:64], []byte(sensorName[:6])) {
				return Run{}, errors.New("a record without its sensor's name")
			}
			octets += int64(len(rec))
		}
		round := 0
		buffers := make([]*record.Buffer, len(records))
		return Run{
			// A sensor hands its buffers over: they are made ready here, so that no copy
			// is measured that the way from sensor to decoder does not have.
			Prepare: func() error {
				round++
				name := fmt.Appendf(nil, "bench-%08d", round)
				for i, rec := range records {
					copy(rec[bytes.Index(rec[:64], []byte(sensorName[:6])):], name)
					buffers[i] = &record.Buffer{B: rec}
				}
				return nil
			},
			Round: func() (Count, error) {
				before, rows := messages(pool.Stats()), out.taken()
				for _, buf := range buffers {
					if err := b.Publish(ctx, bus.Key{}, buf); err != nil {
						return Count{}, err
					}
				}
				taken += int64(len(buffers))
				// Every record is waited for, since the next round overwrites them. Rows
				// of the last ones are taken with the next round's.
				for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Microsecond) {
					// A record is queued before it is counted.
					given := int64(pool.Stats().Records)
					queued := pool.Stats().Queued
					if given == taken && queued == 0 {
						break
					}
					if time.Now().After(deadline) {
						return Count{}, fmt.Errorf("%d records were not decoded in a minute", taken-given+int64(queued))
					}
				}
				if n := messages(pool.Stats()) - before; n != all {
					return Count{}, fmt.Errorf("%d of %d messages were decoded", n, all)
				}
				return Count{Units: all, Octets: octets, Rows: out.taken() - rows}, nil
			},
			Close: func() error {
				b.Close()
				return <-ended
			},
		}, nil
	}
}

// connections leaves out heartbeats and captures.
func connections(records [][]byte) [][]byte {
	var out [][]byte
	for _, rec := range records {
		if k, _, err := record.Peek(rec); err == nil && k == record.KindConnection {
			out = append(out, rec)
		}
	}
	return out
}

// Fields are those of tshark that hold what the columns of an envelope do.
var Fields = []string{
	"frame.number", "frame.time_epoch", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.stream",
	"p1.mta_name", "p1.country_name", "p1.administration_domain_name", "p1.private_domain_identifier", "p1.local_identifier",
	"p1.originator_name_element", "p1.numeric_user_identifier", "p1.surname", "p1.given_name", "p1.initials",
	"p1.generation_qualifier", "p1.organization_name", "p1.organizational_unit_names", "p1.type", "p1.value",
	"p1.content_type", "p1.content_identifier", "p1.priority", "p1.per_message_indicators", "p1.deferred_delivery_time",
	"p1.originally_specified_recipient_number", "p1.per_recipient_indicators", "p1.explicit_conversion",
	"p1.arrival_time", "p1.routing_action", "p1.standard_extension",
	"p1.message_delivery_time", "p1.non_delivery_reason_code", "p1.non_delivery_diagnostic_code",
}

// tshark reads the capture and prints the fields. It counts the MTS-APDUs.
func tshark(ctx context.Context, c *Corpus) (Run, error) {
	known, err := knownFields(ctx)
	if err != nil {
		return Run{}, err
	}
	args := []string{"-n", "-r", c.Capture, "-Y", "p1", "-T", "fields"}
	for _, f := range Fields {
		if !known[f] {
			return Run{}, fmt.Errorf("tshark knows no field %s", f)
		}
		args = append(args, "-e", f)
	}
	n := Count{Units: int64(c.Summary.Messages + c.Summary.Probes + c.Summary.Reports), Octets: c.Summary.CaptureSize}
	return Run{Round: func() (Count, error) {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, "tshark", args...)
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return n, fmt.Errorf("tshark: %w: %s", err, &said)
		}
		if lines := int64(bytes.Count(out, []byte("\n"))); lines < n.Units*9/10 {
			return n, fmt.Errorf("tshark printed %d lines for %d MTS-APDUs", lines, n.Units)
		}
		return n, nil
	}}, nil
}

func knownFields(ctx context.Context) (map[string]bool, error) {
	out, err := exec.CommandContext(ctx, "tshark", "-G", "fields").Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w", err)
	}
	known := map[string]bool{}
	for line := range bytes.Lines(out) {
		if f := bytes.Split(line, []byte("\t")); len(f) > 2 && string(f[0]) == "F" {
			known[string(f[2])] = true
		}
	}
	return known, nil
}
