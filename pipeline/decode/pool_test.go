package decode

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"x400flow/bench/generate"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
)

// realRecords are the records of one real capture, each of few items.
func realRecords(t testing.TB, name string, items int) [][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/mta/" + name + "*.pcap")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return records(t, sensor.Config{MaxItems: items}, frames(t, readFile(t, files[0])))
}

// connectionRecords are those of them that tell of a connection.
func connectionRecords(t testing.TB, recs [][]byte) (out [][]byte) {
	t.Helper()
	for _, b := range recs {
		if k, _, err := record.Peek(b); err != nil {
			t.Fatal(err)
		} else if k == record.KindConnection {
			out = append(out, b)
		}
	}
	return out
}

// TestRepeatedRecords gives every record again, at once and later.
func TestRepeatedRecords(t *testing.T) {
	recs := realRecords(t, "n20", 4)
	want, _ := decoded(t, Config{}, recs)
	var twice [][]byte
	for i, b := range recs {
		if twice = append(twice, b); i < len(recs)-2 { // The last ends the connection.
			twice = append(twice, b)
		}
		if i > 3 && i < len(recs)-2 {
			twice = append(twice, recs[i-3])
		}
	}
	got, stats := decoded(t, Config{Workers: 3}, twice)
	same(t, got, want)
	if stats.Repeats < uint64(len(recs)) {
		t.Errorf("%d repeats told of %d", stats.Repeats, len(recs))
	}
}

// TestMissingRecords leaves out every run of records: no message is wrong, a
// problem tells how many are missing, and with the preamble what comes after is
// decoded as if nothing were.
func TestMissingRecords(t *testing.T) {
	for _, name := range []string{"n20", "p31", "n03", "n02", "n09"} {
		recs := connectionRecords(t, realRecords(t, name, 6))
		want, _ := decoded(t, Config{}, recs)
		for from := range recs {
			for n := 1; n <= 3 && from+n < len(recs); n++ {
				got, _ := decoded(t, Config{}, slices.Delete(slices.Clone(recs), from, from+n))
				noWrong(t, got, want, "version", "one_direction", "sending_mta", "receiving_mta")
				detail := fmt.Sprintf("records missing before number %d: %d", from+n+1, n)
				if told := got.column("problems_store", "detail"); !slices.Contains(told, detail) {
					t.Errorf("%s: no problem says %q: %q", name, detail, told)
				}
				if t.Failed() {
					t.Fatalf("%s without %d records from %d", name, n, from+1)
				}
			}
		}
		// Only the last part, which bears the preamble.
		late := recs[len(recs)/2:]
		got, _ := decoded(t, Config{}, late)
		if len(got["messages_store"]) == 0 && name != "n09" {
			t.Errorf("%s: no message in its second half", name)
		}
		for _, column := range []string{"inferred", "mode", "protocol"} {
			w := want.column("messages_store", column)
			for _, v := range got.column("messages_store", column) {
				if v != w[0] {
					t.Errorf("%s: %s is %q of a message decoded with the preamble, want %q", name, column, v, w[0])
				}
			}
		}
		gotA, wantA := got.column("associations_store", "application_context_name"), want.column("associations_store", "application_context_name")
		if !slices.Equal(gotA, wantA) {
			t.Errorf("%s: application context %q, want %q", name, gotA, wantA)
		}
	}
}

func TestPoison(t *testing.T) {
	recs := realRecords(t, "p31", 0)
	want, _ := decoded(t, Config{}, recs)
	var letters int
	bad := [][]byte{{0xff}, recs[0][:len(recs[0])/2], {}}
	got, stats := decoded(t, Config{DeadLetter: func(_ context.Context, d *bus.Delivery, reason error) error {
		if reason == nil || len(d.Record.B) > len(recs[0]) {
			t.Errorf("%v", reason)
		}
		letters++
		return nil
	}}, append(bad, recs...))
	same(t, got, want)
	if stats.Poison != 3 || letters != 3 {
		t.Errorf("%d told, %d put away, want 3", stats.Poison, letters)
	}
}

// recovering is traffic in which transfers are resumed in other associations.
func recovering(t testing.TB) [][]byte {
	return records(t, sensor.Config{}, frames(t, generated(t, 120, func(o *generate.Options) {
		o.RecoverRate, o.SegmentRate, o.InterruptRate = 0.6, 1, 0.3
	})))
}

// TestShelfIsBounded gives suspended activities less room than they need. What is
// given up does not depend on the number of shards.
func TestShelfIsBounded(t *testing.T) {
	recs := recovering(t)
	roomy, stats := decoded(t, Config{}, recs)
	if stats.Evicted != 0 {
		t.Fatalf("%d given up with room for all", stats.Evicted)
	}
	elsewhere := 0
	for _, id := range roomy.column("messages_store", "resumed_from") {
		if strings.Trim(id, "0-") != "" {
			elsewhere++
		}
	}
	if elsewhere < 5 {
		t.Fatalf("%d messages were resumed in another association", elsewhere)
	}
	const limit = 1500
	want, stats := decoded(t, Config{MaxBuffered: 4 * limit}, recs)
	if stats.Evicted == 0 || len(want["messages_store"]) >= len(roomy["messages_store"]) {
		t.Fatalf("%d given up, %d messages of %d", stats.Evicted, len(want["messages_store"]), len(roomy["messages_store"]))
	}
	named := 0
	for _, detail := range want.column("problems_store", "detail") {
		if strings.Contains(detail, "not resumable") || strings.Contains(detail, "session connection") {
			named++
		}
	}
	if named == 0 {
		t.Error("no problem names an activity whose first half is not there")
	}
	for _, workers := range []int{2, 5, 16} {
		for range 3 {
			got, s := decoded(t, Config{Workers: workers, MaxBuffered: 4 * limit}, recs)
			same(t, got, want)
			if s.Evicted != stats.Evicted {
				t.Errorf("%d shards give up %d, one gives up %d", workers, s.Evicted, stats.Evicted)
			}
		}
	}
}

// TestShelfKeepsTheLast leaves no room for suspended activities: what was suspended last is
// there still, however large it is.
func TestShelfKeepsTheLast(t *testing.T) {
	recs := recovering(t)
	got, stats := decoded(t, Config{MaxBuffered: 1}, recs)
	if stats.Evicted == 0 {
		t.Fatal("none was given up")
	}
	resumed := 0
	for _, id := range got.column("messages_store", "resumed_from") {
		if strings.Trim(id, "0-") != "" {
			resumed++
		}
	}
	if resumed == 0 {
		t.Error("none was resumed")
	}
}

// TestProblemsAreBounded counts what goes beyond a connection's share.
func TestProblemsAreBounded(t *testing.T) {
	in := frames(t, readFile(t, real(t)[3])) // n14, with octets missing.
	recs := records(t, sensor.Config{}, in)
	all, _ := decoded(t, Config{MaxProblems: 1000}, recs)
	total := len(all["problems_store"])
	if total < 10 {
		t.Fatalf("%d problems", total)
	}
	got, stats := decoded(t, Config{MaxProblems: 5}, recs)
	if len(got["problems_store"]) != 5 || stats.Problems != 5 {
		t.Errorf("%d problem rows, %d told, want 5", len(got["problems_store"]), stats.Problems)
	}
	for _, r := range got["associations_store"] {
		n, _ := strconv.Atoi(r.columns["problems"])
		left, _ := strconv.Atoi(r.columns["problems_suppressed"])
		if n != 5 || n+left < total {
			t.Errorf("%d problems and %d suppressed of %d", n, left, total)
		}
	}
}

// TestMaxAPDU makes a problem of a transfer that is larger than may be.
func TestMaxAPDU(t *testing.T) {
	for _, name := range []string{"n20", "p22", "p31"} {
		recs := realRecords(t, name, 0)
		all, _ := decoded(t, Config{}, recs)
		most := 0
		for _, size := range all.column("messages_store", "apdu_size") {
			n, _ := strconv.Atoi(size)
			most = max(most, n)
		}
		got, stats := decoded(t, Config{MaxAPDU: most - 1}, recs)
		if a, b := len(got["messages_store"]), len(all["messages_store"]); a >= b || stats.Unfinished == 0 {
			t.Errorf("%s: %d messages of %d, %d unfinished", name, a, b, stats.Unfinished)
		}
		if !slices.ContainsFunc(got.column("problems_store", "detail"), func(s string) bool { return strings.Contains(s, "too-large") }) {
			t.Errorf("%s: problems %q", name, got.column("problems_store", "detail"))
		}
	}
}

func TestEnvelopeOnly(t *testing.T) {
	recs := realRecords(t, "n20", 0)
	with, _ := decoded(t, Config{}, recs)
	without, _ := decoded(t, Config{EnvelopeOnly: true}, recs)
	for k, w := range with["contents_store"] {
		g := without["contents_store"][k]
		if g.columns["content"] != "" || g.columns["sha256"] != w.columns["sha256"] || g.columns["size"] != w.columns["size"] {
			t.Errorf("%v, want without the content of %v", g.columns, w.columns)
		}
	}
}

// steady returns records of one association under way, with a message each, and
// a shard that has seen them.
func steady(t testing.TB) (d *direct, recs [][]byte) {
	recs = connectionRecords(t, records(t, sensor.Config{MaxItems: 1 << 15, MaxRecord: 1 << 22}, frames(t, generated(t, 300, func(o *generate.Options) {
		o.PerAssociation, o.MTAs, o.Domains, o.MaxHops, o.X410Rate, o.OpenRate = 300, 2, 1, 1, 0, 0
		o.SegmentRate, o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate, o.AbortRate, o.RefuseRate = 0, 0, 0, 0, 0, 0, 0
	}))))
	return newDirect(Config{}), recs
}

// messagesOf returns how many APDUs were decoded.
func messagesOf(d *direct) uint64 {
	s := d.w.pool.Stats()
	return s.Messages + s.Probes + s.Reports
}

// again makes the shard take the same connections once more.
func (d *direct) again() {
	w := d.w
	for c := w.untold.later; c != &w.untold; c = w.untold.later {
		w.tell(c)
		w.reuse(c)
	}
	for _, h := range w.releases {
		h.lane.release(h.record)
	}
	w.releases = w.releases[:0]
	w.ended.Clear()
	w.batch.Reset()
}

// TestAllocationsPerMessage decodes the same connections again and again, as
// others between the same ends, in a shard that has all its memory.
func TestAllocationsPerMessage(t *testing.T) {
	d, recs := steady(t)
	round := func() {
		for _, b := range recs {
			buf := record.NewBuffer()
			buf.B = append(buf.B, b...)
			if err := d.Publish(t.Context(), bus.Key{}, buf); err != nil {
				t.Fatal(err)
			}
		}
		d.again()
	}
	round()
	round()
	before := messagesOf(d)
	n := testing.AllocsPerRun(5, round)
	messages := float64(messagesOf(d)-before) / 6
	if messages < 200 {
		t.Fatalf("%v messages a round", messages)
	}
	t.Logf("%.2f allocations a message", n/messages)
	// A connection costs a few, its messages none. The race detector, which runs the
	// short form, makes pools forget on purpose.
	most := 0.05
	if testing.Short() {
		most = 0.5
	}
	if n/messages > most {
		t.Errorf("%.2f allocations a message", n/messages)
	}
}

func BenchmarkRecords(b *testing.B) {
	d, recs := steady(b)
	octets := 0
	for _, r := range recs {
		octets += len(r)
	}
	b.SetBytes(int64(octets))
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range recs {
			buf := record.NewBuffer()
			buf.B = append(buf.B, r...)
			if err := d.Publish(b.Context(), bus.Key{}, buf); err != nil {
				b.Fatal(err)
			}
		}
		d.again()
	}
	b.ReportMetric(float64(messagesOf(d))/b.Elapsed().Seconds(), "messages/s")
}
