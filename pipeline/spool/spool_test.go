package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
)

// sink is a Sender that can be out of reach, or take part of a batch.
type sink struct {
	mu    sync.Mutex
	down  bool
	takes int // Of a batch, then fails; 0: all.
	got   []uint64
	keys  map[uint64]bus.Key
	beats uint64 // Dropped records that heartbeats told of.
}

func (s *sink) set(down bool) {
	s.mu.Lock()
	s.down = down
	s.mu.Unlock()
}

var errDown = errors.New("out of reach")

func (s *sink) Send(_ context.Context, batch []bus.Message) ([]bus.Message, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return batch, 0, errDown
	}
	for i := range batch {
		if s.takes > 0 && i == s.takes {
			return batch[i:], 0, errDown
		}
		var r record.Record
		if err := r.Decode(batch[i].Record.B); err != nil {
			panic(err)
		}
		switch r.Kind {
		case record.KindHeartbeat:
			s.beats += r.Heartbeat.DroppedSensor
		case record.KindConnection:
			s.got = append(s.got, r.Number)
			if s.keys == nil {
				s.keys = make(map[uint64]bus.Key)
			}
			s.keys[r.Number] = batch[i].Key
		}
		batch[i].Record.Release()
	}
	return nil, 0, nil
}

func (s *sink) records() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// rec is a record of a connection, numbered.
func rec(n uint64, octets int) (bus.Key, *record.Buffer) {
	client, server := netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:1000", n%7)), netip.MustParseAddrPort("10.1.0.1:102")
	b := record.NewBuffer()
	b.B = record.Begin(b.B[:0], &record.Header{Kind: record.KindConnection, Sensor: "s"})
	b.B = record.BeginConnection(b.B, &record.Connection{Client: client, Server: server}, n, 0)
	b.B, _ = record.AppendItem(b.B, &record.Item{Kind: record.TPDU, Octets: make([]byte, octets)}, 0)
	return bus.KeyOf(server.Addr(), client.Addr()), b
}

func publish(t *testing.T, p *Publisher, from, to uint64) {
	t.Helper()
	for n := from; n < to; n++ {
		key, b := rec(n, 1000)
		if err := p.Publish(t.Context(), key, b); err != nil {
			t.Fatal(err)
		}
	}
}

func beat(t *testing.T, p *Publisher, dropped uint64) {
	t.Helper()
	b := record.NewBuffer()
	b.B = record.Begin(b.B[:0], &record.Header{Kind: record.KindHeartbeat, Sensor: "s"})
	b.B = record.AppendHeartbeat(b.B, &record.Heartbeat{From: 1, To: 2, DroppedSensor: dropped})
	if err := p.Publish(t.Context(), bus.Key{}, b); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, cfg Config, s Sender) *Publisher {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	p, err := Open(cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// finish closes with a minute for what is left.
func finish(t *testing.T, p *Publisher) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.Close(ctx)
}

// inOrder checks that exactly the numbers of the ranges came, in order.
func inOrder(t *testing.T, got []uint64, ranges ...uint64) {
	t.Helper()
	var want []uint64
	for i := 0; i < len(ranges); i += 2 {
		for n := ranges[i]; n < ranges[i+1]; n++ {
			want = append(want, n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d records %v, want %d %v", len(got), ends(got), len(want), ends(want))
	}
}

func ends(s []uint64) []uint64 {
	if len(s) < 20 {
		return s
	}
	return append(slices.Clone(s[:10]), s[len(s)-10:]...)
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentExt))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOrder(t *testing.T) {
	for _, sync := range []Sync{SyncNever, SyncInterval, SyncAlways} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			p := open(t, Config{Dir: dir, Sync: sync, MaxDisk: 4 << 20, BatchOctets: 10_000}, s)
			publish(t, p, 1, 100)
			time.Sleep(time.Second)
			inOrder(t, s.records(), 1, 100)
			if names := segments(t, dir); len(names) > 0 {
				t.Errorf("on disk although it was sent: %v", names)
			}
			s.set(true)
			for n := uint64(100); n < 2000; n += 100 {
				publish(t, p, n, n+100)
				time.Sleep(time.Second)
			}
			if names := segments(t, dir); len(names) < 2 {
				t.Errorf("segments %v", names)
			}
			if memory, disk := p.Waiting(); memory != 0 || disk < 1900*1000 {
				t.Errorf("%d octets wait in memory, %d on disk", memory, disk)
			}
			s.mu.Lock()
			s.down, s.takes = false, 3 // Of every batch, three at a time.
			s.mu.Unlock()
			publish(t, p, 2000, 2100)
			time.Sleep(time.Hour)
			s.mu.Lock()
			s.takes = 0
			s.mu.Unlock()
			publish(t, p, 2100, 2200)
			if err := finish(t, p); err != nil {
				t.Error(err)
			}
			inOrder(t, s.records(), 1, 2200)
			for n, key := range s.keys {
				want, b := rec(n, 0)
				b.Release()
				if key != want {
					t.Fatalf("record %d has key %x, want %x", n, key, want)
				}
			}
			if names := segments(t, dir); len(names) > 0 || p.Drops() != 0 {
				t.Errorf("left on disk: %v; %d dropped", names, p.Drops())
			}
		})
	}
}

// TestFull fills the disk's bound: what is dropped is counted, and there is room
// again.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{down: true}
		p := open(t, Config{Dir: dir, MaxDisk: 1 << 20, BatchOctets: 10_000}, s)
		publish(t, p, 1, 100)
		time.Sleep(time.Minute)
		publish(t, p, 100, 2000)
		if size := diskUsage(t, dir); size > 1<<20 || size < 1<<20-2000 {
			t.Errorf("%d octets on disk", size)
		}
		drops := p.Drops()
		if n := p.TakeDropped(); n != drops || n == 0 {
			t.Errorf("%d dropped, %d taken", drops, n)
		}
		if n := p.TakeDropped(); n != 0 {
			t.Errorf("%d taken again", n)
		}
		// The heartbeat that tells of it is dropped, too, unless it is so small that
		// it fits.
		publishUntilFull(t, p)
		p.TakeDropped()
		beat(t, p, drops)
		if n := p.TakeDropped(); n != drops+1 {
			t.Errorf("%d to tell of, want %d", n, drops+1)
		}
		all := p.Drops()
		s.set(false)
		time.Sleep(time.Minute)
		publish(t, p, 5000, 5100)
		beat(t, p, all)
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		got := s.records()
		if !slices.IsSorted(got) {
			t.Error("not in order")
		}
		inOrder(t, got[len(got)-100:], 5000, 5100)
		if s.beats != all {
			t.Errorf("%d told of, want %d", s.beats, all)
		}
		if n := p.Drops(); n != all {
			t.Errorf("%d dropped although there was room again", n-all)
		}
	})
}

// TestFullMayWait fills the disk's bound with what may wait: nothing is dropped, and
// everything comes in order.
func TestFullMayWait(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{down: true}
		p := open(t, Config{Dir: dir, MaxDisk: 1 << 20, MaxQueued: 100_000, BatchOctets: 10_000, MayWait: true}, s)
		published := make(chan bool)
		go func() {
			publish(t, p, 1, 3000)
			close(published)
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-published:
			t.Fatal("everything was published: it did not have to wait")
		default:
		}
		if size := diskUsage(t, dir); size > 1<<20 || size < 1<<20-2000 {
			t.Errorf("%d octets on disk", size)
		}
		if memory, _ := p.Waiting(); memory > 100_000 || memory < 90_000 {
			t.Errorf("%d octets in memory", memory)
		}
		s.set(false)
		<-published
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		if n := p.Drops(); n != 0 {
			t.Errorf("%d dropped", n)
		}
		inOrder(t, s.records(), 1, 3000)
	})
}

// publishUntilFull publishes ever smaller records until not even a heartbeat fits.
func publishUntilFull(t *testing.T, p *Publisher) {
	t.Helper()
	for octets := 1000; ; octets /= 2 {
		before := p.Drops()
		for p.Drops() == before {
			key, b := rec(2000, octets)
			if octets == 0 {
				key, b.B = bus.Key{}, record.Begin(b.B[:0], &record.Header{Kind: record.KindCapture})
			}
			if err := p.Publish(t.Context(), key, b); err != nil {
				t.Fatal(err)
			}
		}
		if octets == 0 {
			return
		}
	}
}

func diskUsage(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, name := range segments(t, dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// TestRestart closes with records on disk and drops that no heartbeat told of.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{down: true}
		p := open(t, Config{Dir: dir, MaxDisk: 1 << 20}, s)
		publish(t, p, 1, 500)
		if _, err := Open(Config{Dir: dir}, s); err == nil || !strings.Contains(err.Error(), "another sensor") {
			t.Errorf("opened twice: %v", err)
		}
		if err := finish(t, p); err == nil || !strings.Contains(err.Error(), "next run") {
			t.Errorf("closed with records left: %v", err)
		}
		p = open(t, Config{Dir: dir, MaxDisk: 1 << 20}, s)
		publish(t, p, 500, 2000)
		drops := p.Drops()
		if err := finish(t, p); err == nil || drops == 0 {
			t.Errorf("closed with records left: %v; %d dropped", err, drops)
		}
		s.set(false)
		p = open(t, Config{Dir: dir, MaxDisk: 1 << 20}, s)
		if n := p.TakeDropped(); n != drops {
			t.Errorf("%d to tell of, want %d", n, drops)
		}
		time.Sleep(time.Minute)
		publish(t, p, 2000, 2100)
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		inOrder(t, s.records(), 1, 2000-drops, 2000, 2100)
		p = open(t, Config{Dir: dir}, s)
		if n := p.TakeDropped(); n != 0 {
			t.Errorf("%d to tell of again", n)
		}
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
	})
}

// TestCrash leaves what a process that was killed leaves: segments without an end,
// the last record torn.
func TestCrash(t *testing.T) {
	write := func(dir string, number, from, to uint64, cut int) {
		t.Helper()
		b := record.AppendFileHeader(nil)
		for n := from; n < to; n++ {
			_, r := rec(n, 1000)
			b = record.AppendFramed(b, r.B)
		}
		d := &disk{dir: dir}
		if err := os.WriteFile(d.name(number), b[:len(b)-cut], 0o640); err != nil {
			t.Fatal(err)
		}
	}
	_, last := rec(30, 1000)
	frame := len(last.B) + 4
	for _, cut := range []int{0, 1, 100, 1000, frame - 4, frame - 1, frame, frame + 1} {
		dir := t.TempDir()
		write(dir, 3, 1, 20, 0)
		write(dir, 7, 20, 31, cut)
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			p := open(t, Config{Dir: dir}, s)
			publish(t, p, 40, 50)
			if err := finish(t, p); err != nil {
				t.Error(err)
			}
			inOrder(t, s.records(), 1, 31-uint64((cut+frame-1)/frame), 40, 50)
			if names := segments(t, dir); len(names) > 0 || p.Drops() > 0 {
				t.Errorf("left: %v; %d dropped", names, p.Drops())
			}
		})
	}
	// Damage in the middle costs the rest of that segment, and is counted.
	dir := t.TempDir()
	write(dir, 1, 1, 10, 0)
	write(dir, 2, 10, 20, 0)
	name := (&disk{dir: dir}).name(1)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, first := rec(1, 1000)
	at := len(record.AppendFileHeader(nil)) + 3*(len(first.B)+4)
	copy(b[at:], "\xff\xff\xff\xff")
	if err := os.WriteFile(name, b, 0o640); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := open(t, Config{Dir: dir}, s)
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		inOrder(t, s.records(), 1, 4, 10, 20)
		if p.Drops() != 1 {
			t.Errorf("%d dropped", p.Drops())
		}
	})
}

// TestFullDisk fills a file system. What was being written when there was no room
// is taken back.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=512k"); err != nil {
		if os.Getenv("CI") != "" || !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip("mounting a small file system needs root")
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &sink{down: true}
		p := open(t, Config{Dir: dir, Sync: SyncAlways}, s)
		publish(t, p, 1, 10)
		time.Sleep(time.Minute)
		publish(t, p, 10, 2000)
		drops := p.Drops()
		if drops < 1000 || drops > 1990 {
			t.Errorf("%d dropped", drops)
		}
		s.set(false)
		time.Sleep(time.Minute)
		s.set(true)
		// The disk is free again.
		publish(t, p, 3000, 3100)
		time.Sleep(time.Minute)
		publish(t, p, 3100, 3200)
		s.set(false)
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		inOrder(t, s.records(), 1, 2000-drops, 3000, 3200)
		if n := p.TakeDropped(); n != drops {
			t.Errorf("%d dropped, want %d", n, drops)
		}
	})
}

// TestWithoutDisk blocks instead.
func TestWithoutDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{down: true}
		p := open(t, Config{MaxQueued: 100_000, BatchOctets: 10_000}, s)
		published := uint64(1)
		go func() {
			for ; published < 500; published++ {
				key, b := rec(published, 1000)
				if p.Publish(t.Context(), key, b) != nil {
					return
				}
			}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if published < 90 || published > 120 {
			t.Errorf("%d published", published)
		}
		s.set(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if published != 500 {
			t.Errorf("%d published after all was sent", published)
		}
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		inOrder(t, s.records(), 1, 500)
		p = open(t, Config{}, s)
		s.set(true)
		publish(t, p, 1, 3)
		if err := finish(t, p); err == nil || !strings.Contains(err.Error(), "2 records") {
			t.Errorf("got %v", err)
		}
	})
}

// TestAge sends a small batch when it is old, a large one at once.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := open(t, Config{BatchAge: time.Second, BatchOctets: 10_000}, s)
		publish(t, p, 1, 3)
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if n := len(s.records()); n != 0 {
			t.Errorf("%d sent before they were old", n)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		inOrder(t, s.records(), 1, 3)
		publish(t, p, 3, 13)
		synctest.Wait()
		if n := len(s.records()); n < 10 {
			t.Errorf("%d sent although there were enough", n)
		}
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
	})
}

// FuzzSegment begins with whatever is in a segment.
func FuzzSegment(f *testing.F) {
	_, r := rec(1, 100)
	whole := record.AppendFramed(record.AppendFramed(record.AppendFileHeader(nil), r.B), r.B)
	for _, n := range []int{0, 1, len(whole) - 1, len(whole)} {
		f.Add(whole[:n])
	}
	f.Add(record.AppendFramed(record.AppendFileHeader(nil), nil))
	f.Add(append(record.AppendFileHeader(nil), 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile((&disk{dir: dir}).name(1), b, 0o640); err != nil {
			t.Fatal(err)
		}
		s := &sink{}
		p, err := Open(Config{Dir: dir}, s)
		if err != nil {
			t.Fatal(err)
		}
		publish(t, p, 1000, 1001)
		if err := finish(t, p); err != nil {
			t.Error(err)
		}
		got := s.records()
		if len(got) == 0 || got[len(got)-1] != 1000 {
			t.Errorf("what was published behind it did not come: %v", got)
		}
		if names := segments(t, dir); len(names) > 0 {
			t.Errorf("left: %v", names)
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	for _, down := range []bool{false, true} {
		b.Run(map[bool]string{false: "memory", true: "disk"}[down], func(b *testing.B) {
			s := &sink{down: down}
			p, err := Open(Config{Dir: b.TempDir(), MaxDisk: 1 << 40, Patience: 1}, nothing{s})
			if err != nil {
				b.Fatal(err)
			}
			_, r := rec(1, 60<<10)
			b.SetBytes(int64(len(r.B)))
			b.ReportAllocs()
			for b.Loop() {
				buf := record.NewBuffer()
				buf.B = append(buf.B[:0], r.B...)
				if err := p.Publish(b.Context(), bus.Key{1}, buf); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			s.set(false)
			if err := p.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// nothing takes records without a look at them.
type nothing struct{ *sink }

func (n nothing) Send(_ context.Context, batch []bus.Message) ([]bus.Message, int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return batch, 0, errDown
	}
	release(batch)
	return nil, 0, nil
}
