package sensor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"testing"

	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
)

// captures are real traffic; see testdata/mta/README.md.
func captures(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("../../testdata/mta/*.pcap")
	if err != nil || len(names) < 9 {
		t.Fatalf("captures not found: %v, %v", names, err)
	}
	return names
}

// sense returns the records that a sensor makes of captures.
func sense(t testing.TB, cfg Config, names ...string) (records [][]byte, stats Stats) {
	t.Helper()
	src, err := capture.OpenSource(capture.SourceConfig{Paths: names})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx := context.Background()
	b := memory.New(1 << 30)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			d, err := b.Receive(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			records = append(records, bytes.Clone(d.Record.B))
			d.Record.Release()
		}
	}()
	cfg.Decoder.Ports = []uint16{102}
	cfg.TCP.Ports = cfg.Decoder.Ports
	cfg.Source = func(file int32) string { return filepath.Base(src.Files()[file].Name) }
	s := New(cfg, b)
	var f capture.Frame
	for {
		if err := src.Next(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := s.Frame(ctx, &f); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(ctx, src.Files()); err != nil {
		t.Fatal(err)
	}
	b.Close()
	<-done
	return records, s.Stats()
}

// story is what a connection's records say, wherever they were cut.
type story struct {
	items    []record.Item
	counters [2]record.Counters
	end      record.EndReason
	muted    bool
}

// read puts the records of each connection together again, checking that they
// are numbered without holes and bear the preamble that the earlier ones make.
func read(t testing.TB, records [][]byte) map[[16]byte]*story {
	t.Helper()
	stories := make(map[[16]byte]*story)
	numbers := make(map[[16]byte]uint64)
	for _, b := range records {
		var r record.Record
		if err := r.Decode(b); err != nil {
			t.Fatal(err)
		}
		if r.Kind != record.KindConnection {
			continue
		}
		s := stories[r.Conn.ID]
		if s == nil {
			s = new(story)
			stories[r.Conn.ID] = s
		}
		numbers[r.Conn.ID]++
		if r.Number != numbers[r.Conn.ID] {
			t.Errorf("record %d follows %d", r.Number, numbers[r.Conn.ID]-1)
		}
		for i := range r.Preamble {
			want := s.items[i]
			want.Source = 0
			if !reflect.DeepEqual(r.Preamble[i], want) {
				t.Errorf("record %d: preamble item %d is %+v, was %+v", r.Number, i, r.Preamble[i], want)
			}
		}
		for _, it := range r.Items {
			if int(it.Source) >= len(r.Sources) {
				t.Errorf("item without a source: %+v", it)
			}
			it.Source = 0
			s.items = append(s.items, it)
		}
		s.counters, s.end, s.muted = r.Counters, r.End, r.Muted
	}
	return stories
}

func TestWhereRecordsAreCut(t *testing.T) {
	want, _ := sense(t, Config{}, captures(t)...)
	stories := read(t, want)
	if len(stories) != 9 {
		t.Fatalf("%d connections, want 9", len(stories))
	}
	for _, cfg := range []Config{{MaxRecord: 1}, {MaxItems: 3}, {MaxAge: 1}, {MaxPending: 1}, {MaxRecord: 5000}} {
		got, _ := sense(t, cfg, captures(t)...)
		if len(got) <= len(want) {
			t.Errorf("%+v: %d records, no more than the %d of large ones", cfg, len(got), len(want))
		}
		if other := read(t, got); !reflect.DeepEqual(other, stories) {
			t.Errorf("%+v: the records say something else", cfg)
		}
	}
}

// TestSecrets looks for the passwords of the binds in the captures.
func TestSecrets(t *testing.T) {
	secrets := map[string]bool{"pw-alpha": false, "pw-beta": false}
	for _, name := range captures(t) {
		r, err := capture.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var f capture.Frame
		for r.Next(&f) == nil {
			for secret := range secrets {
				secrets[secret] = secrets[secret] || bytes.Contains(f.Data, []byte(secret))
			}
		}
		r.Close()
	}
	for secret, there := range secrets {
		if !there {
			t.Errorf("no capture holds %q: this test proves nothing", secret)
		}
	}
	// A TSDU larger than what may be held is overwritten blindly.
	for _, cfg := range []Config{{}, {MaxRecord: 1}, {MaxHeld: 40}, {MaxPreamble: 1}} {
		records, stats := sense(t, cfg, captures(t)...)
		for _, b := range records {
			for secret := range secrets {
				if bytes.Contains(b, []byte(secret)) {
					t.Errorf("%+v: a record holds %q", cfg, secret)
				}
			}
		}
		if stats.Redactions == 0 && stats.BlindOctets == 0 {
			t.Errorf("%+v: nothing was overwritten", cfg)
		}
	}
}
