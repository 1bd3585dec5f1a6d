package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"x400flow/engine"
	"x400flow/pipeline/store"
)

const sensorKilled = "SIGKILL of a sensor"

// fault is one kind of fault. It returns what it did, while proof was true.
type fault struct {
	name string
	do   func(r *run) (did string)
}

// outage is how long something is gone or slow.
func outage() time.Duration {
	if *long {
		return time.Minute
	}
	return 6 * time.Second
}

func (r *run) decoder() *decoder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decoders[r.rng.IntN(len(r.decoders))]
}

var faults = []fault{
	{"SIGKILL of a decoder", func(r *run) string {
		d := r.decoder()
		// Rows that it has handed over are on their way for as long as the store is
		// gone.
		r.door.mode.Store(gone)
		time.Sleep(3 * time.Second)
		r.end(d, syscall.SIGKILL)
		r.door.mode.Store(opened)
		r.decode()
		return fmt.Sprintf("process %d", d.Process.Pid)
	}},
	{sensorKilled, func(r *run) string {
		did := ""
		r.hungry.Store(true)
		r.eventually("a sensor publishes", 3*time.Minute, func() bool {
			_, end, err := r.lag()
			r.mu.Lock()
			defer r.mu.Unlock()
			if err != nil || r.sensor == nil || end <= r.started || r.killed {
				return false
			}
			r.killed = true
			if r.sensor.Process.Kill() != nil {
				r.killed = false
				return false
			}
			did = fmt.Sprintf("process %d, after %d records were published since it began", r.sensor.Process.Pid, end-r.started)
			return true
		})
		return did
	}},
	{"SIGKILL of the engine", func(r *run) string {
		s, err := engine.Status(r.archive)
		if err != nil || !s.Running {
			r.t.Errorf("no engine runs: %v", err)
			return ""
		}
		var under int64
		r.eventually("an insert is under way", time.Minute, func() bool {
			for range 1000 {
				if under = r.door.under.Load(); under > 0 {
					syscall.Kill(s.PID, syscall.SIGKILL)
					return true
				}
				time.Sleep(100 * time.Microsecond)
			}
			return false
		})
		return fmt.Sprintf("process %d, with %d inserts under way", s.PID, under)
	}},
	{"SIGSTOP and SIGCONT of a decoder", func(r *run) string {
		d := r.decoder()
		d.Process.Signal(syscall.SIGSTOP)
		time.Sleep(10 * time.Second)
		d.Process.Signal(syscall.SIGCONT)
		return fmt.Sprintf("process %d, for 10 s: longer than its session", d.Process.Pid)
	}},
	{"rolling restart of the brokers", func(r *run) string {
		for i, b := range r.kafka.Brokers() {
			if err := b.Stop(r.t.Context()); err != nil {
				r.t.Errorf("broker %d: %v", i, err)
			}
			if err := b.Start(r.t.Context()); err != nil {
				r.t.Fatalf("broker %d: %v", i, err)
			}
		}
		return "all three, one after the other"
	}},
	{"a broker gone", func(r *run) string {
		b := r.kafka.Brokers()[r.rng.IntN(3)]
		if err := b.Kill(); err != nil {
			r.t.Error(err)
		}
		time.Sleep(outage())
		if err := b.Start(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		return fmt.Sprintf("killed, for %v", outage())
	}},
	{"the store gone", func(r *run) string { return r.store(gone, outage()) }},
	{"the store slow", func(r *run) string { return r.store(slow, outage()) }},
	{"the store answers after the client gave up", func(r *run) string { return r.store(late, outage()/3+2*time.Second) }},
	{"the disk full", func(r *run) string {
		disk := filepath.Dir(r.archive)
		if disk == r.dir {
			return "" // Not its own.
		}
		name := filepath.Join(disk, "balloon")
		f, err := os.Create(name)
		if err != nil {
			r.t.Fatal(err)
		}
		before, began := r.door.failed.Load(), time.Now()
		r.hungry.Store(true)
		block := make([]byte, 1<<20)
		r.eventually("the engine refuses", time.Minute, func() bool {
			for { // What merges free is filled again.
				if _, err := f.Write(block); err != nil {
					break
				}
			}
			return r.door.failed.Load() > before && time.Since(began) > outage()/6
		})
		size, _ := f.Seek(0, 1)
		err = errors.Join(f.Close(), os.Remove(name))
		if err != nil {
			r.t.Error(err)
		}
		return fmt.Sprintf("%d MB were taken; %d requests were refused", size>>20, r.door.failed.Load()-before)
	}},
	{"rebalance, 1 to 3 to 2 decoders", func(r *run) string {
		for len(r.decoders) > 1 {
			r.end(r.decoder(), syscall.SIGTERM)
		}
		r.eventually("one decoder has all partitions", time.Minute, func() bool { return r.shared(1) })
		r.decode()
		r.decode()
		r.eventually("three decoders share the partitions", time.Minute, func() bool { return r.shared(3) })
		proof := r.busy()
		r.end(r.decoder(), syscall.SIGTERM)
		r.eventually("two decoders share the partitions", time.Minute, func() bool { return r.shared(2) })
		return "Kafka gave each of three a share; the third left while " + proof
	}},
	{"a network that stalls", func(r *run) string {
		return r.net(func(w *wire) { w.stall() }, 8*time.Second)
	}},
	{"a network that is cut", func(r *run) string {
		return r.net(func(w *wire) { w.refuse(); w.cut() }, 4*time.Second)
	}},
}

// store lets the store misbehave for a while, and until it has hit inserts.
func (r *run) store(mode int32, d time.Duration) string {
	before := r.door.struck.Load()
	r.door.mode.Store(mode)
	time.Sleep(d)
	r.eventually("requests are hit", time.Minute, func() bool { return r.door.struck.Load() > before })
	r.door.mode.Store(opened)
	return fmt.Sprintf("for %v; %d requests were hit", d, r.door.struck.Load()-before)
}

// net has the network to the brokers misbehave for a while.
func (r *run) net(how func(*wire), d time.Duration) string {
	var octets int64
	for _, w := range r.wires {
		octets -= w.octets.Load()
	}
	time.Sleep(time.Second)
	for _, w := range r.wires {
		octets += w.octets.Load()
	}
	for _, w := range r.wires {
		how(w)
	}
	time.Sleep(d)
	for _, w := range r.wires {
		w.resume()
	}
	if octets == 0 {
		r.t.Error("nothing was on the wire")
	}
	return fmt.Sprintf("for %v; %d kB were on the wires in the second before", d, octets/1000)
}

// chosen returns the faults that the flags name.
func chosen(t *testing.T) []fault {
	re, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !re.MatchString(f.name) })
}

// strike has every fault strike, in some order, as often as there are rounds.
func (r *run) strike(faults []fault, rounds int) {
	sensorsFirst := func(fault int) int {
		if faults[fault].name == sensorKilled {
			return 0
		}
		return 1
	}
	for range rounds {
		order := r.rng.Perm(len(faults))
		// While there are captures left to publish.
		slices.SortStableFunc(order, func(a, b int) int { return sensorsFirst(a) - sensorsFirst(b) })
		for _, i := range order {
			f := faults[i]
			proof := r.busy()
			if r.done.Load() && f.name == sensorKilled {
				r.t.Error("all captures were published before the sensor was to be killed")
				continue
			}
			began := time.Now()
			did := f.do(r)
			if did == "" {
				continue
			}
			r.struck[f.name]++
			r.say("%s: %s (took %.1f s). When it struck: %s", f.name, did, time.Since(began).Seconds(), proof)
		}
	}
	for _, f := range faults {
		if n := r.struck[f.name]; n < rounds {
			r.say("%s: struck %d times of %d", f.name, n, rounds)
			if os.Geteuid() == 0 {
				r.t.Errorf("%s: struck %d times, not %d", f.name, n, rounds)
			}
		}
	}
}

// provenance is what depends on who saw what when.
var provenance = []string{"sensor", "source", "version", "frame", "first_frame", "last_frame", "answer_frame",
	"captured_at", "captured_until", "first_seen", "last_seen", "time", "answered_at", "epoch", "interval_start", "interval_end", "read_at"}

// digests returns for each table of an archive the number of its rows and a
// digest of every column but provenance.
func digests(ctx context.Context, s *store.Store) (map[string]string, error) {
	rows, err := s.Conn().Query(ctx, `SELECT name, groupArray(column) FROM (
		SELECT t.name AS name, c.name AS column FROM system.tables AS t INNER JOIN system.columns AS c ON c.table = t.name AND c.database = t.database
		WHERE t.database = currentDatabase() AND concat(t.name, '_store') IN (SELECT name FROM system.tables WHERE database = currentDatabase())
		ORDER BY t.name, c.position) GROUP BY name ORDER BY name`)
	if err != nil {
		return nil, err
	}
	columns := map[string][]string{}
	for rows.Next() {
		var name string
		var list []string
		if err := rows.Scan(&name, &list); err != nil {
			return nil, err
		}
		columns[name] = slices.DeleteFunc(list, func(c string) bool { return slices.Contains(provenance, c) })
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, list := range columns {
		switch name {
		case "coverage", "captures", "progress":
			continue // They tell of sensors.
		}
		var n, digest uint64
		if err := s.Conn().QueryRow(ctx, fmt.Sprintf("SELECT count(), groupBitXor(cityHash64(toString(tuple(%s)))) FROM %s",
			strings.Join(list, ", "), name)).Scan(&n, &digest); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = fmt.Sprintf("%d rows, digest %016x", n, digest)
	}
	return out, nil
}

// associationDigests returns for each column of associations a digest, to tell
// which differs.
func associationDigests(ctx context.Context, s *store.Store) (map[string]uint64, error) {
	rows, err := s.Conn().Query(ctx, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'associations'")
	if err != nil {
		return nil, err
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	out := map[string]uint64{}
	for _, name := range names {
		var digest uint64
		if err := s.Conn().QueryRow(ctx, "SELECT groupBitXor(cityHash64(toString((association, "+name+")))) FROM associations").Scan(&digest); err != nil {
			return nil, err
		}
		out[name] = digest
	}
	return out, nil
}

func (r *run) open(dir string) *store.Store {
	s, err := store.Open(store.Options{Target: dir, ReadOnly: true, Engine: engine.Options{Executable: filepath.Join(r.bin, "ingest")}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	return s
}

// detached tells of parts that the engine found broken.
func (r *run) detached(ctx context.Context, s *store.Store) (all string) {
	rows, err := s.Conn().Query(ctx, "SELECT table, name, ifNull(reason, '') FROM system.detached_parts")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, name, reason string
		if err := rows.Scan(&table, &name, &reason); err != nil {
			r.t.Fatal(err)
		}
		all += table + " " + name + " " + reason + "\n"
	}
	return all
}

// compare holds the archive to the ledger and to that of an undisturbed run.
func (r *run) compare(want map[string]bool) {
	ctx := context.Background()
	s := r.open(r.archive)
	got := map[string]int{}
	rows, err := s.Conn().Query(ctx, `SELECT lower(hex(SHA256(if(content_inline, head, concat(head, content, tail))))), tcp_sequence
		FROM contents INNER JOIN (SELECT apdu, tcp_sequence FROM messages) AS m USING apdu`)
	if err != nil {
		r.t.Fatal(err)
	}
	for rows.Next() {
		var sum string
		var seq uint32
		if err := rows.Scan(&sum, &seq); err != nil {
			r.t.Fatal(err)
		}
		got[sighting(sum, seq)]++
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		r.t.Fatal(err)
	}
	missing, twice, strange := 0, 0, 0
	for k := range want {
		if got[k] == 0 {
			missing++
		}
	}
	for k, n := range got {
		if !want[k] {
			strange++
		}
		if n > 1 {
			twice++
		}
	}
	r.say("the ledger has %d messages, probes and reports; missing %d, twice %d, not in the ledger %d", len(want), missing, twice, strange)
	if missing+twice+strange > 0 {
		r.t.Error("the archive is not what the ledger says")
	}
	if aside := r.detached(ctx, s); aside != "" {
		r.say("parts that the engine put aside, as a full disk left them:\n%s", aside)
	}
	disturbed, err := digests(ctx, s)
	if err != nil {
		r.t.Fatal(err)
	}
	alone := filepath.Join(r.dir, "alone")
	defer engine.Stop(ctx, alone)
	for _, c := range r.chunks {
		// One at a time, as the sensors read them: what is open at the end of one
		// is not silent in the next.
		if out, err := exec.Command(filepath.Join(r.bin, "ingest"), "-sensor", "tap1", "-store", alone, "-r", c).CombinedOutput(); err != nil {
			r.t.Fatalf("the undisturbed run: %v\n%s", err, out)
		}
	}
	undisturbed, err := digests(ctx, r.open(alone))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range []string{"associations", "messages", "recipients", "trace", "extensions", "bilateral", "contents", "problems"} {
		r.say("%-14s %s; undisturbed %s", name, disturbed[name], undisturbed[name])
	}
	if disturbed["associations"] != undisturbed["associations"] {
		one, err := associationDigests(ctx, s)
		other, err2 := associationDigests(ctx, r.open(alone))
		if err = errors.Join(err, err2); err != nil {
			r.t.Error(err)
		}
		for name := range one {
			if one[name] != other[name] {
				r.say("associations.%s differs", name)
			}
		}
	}
	if !reflect.DeepEqual(disturbed, undisturbed) {
		r.t.Errorf("the archive is not that of an undisturbed run:\n%v\n%v", disturbed, undisturbed)
	}
}
