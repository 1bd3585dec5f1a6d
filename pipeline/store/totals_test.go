package store

import (
	"slices"
	"testing"
	"time"

	"x400flow/schema"
)

const (
	daysShown = "SELECT * FROM flow_days ORDER BY ALL"
	daysNow   = "SELECT * FROM flow_days_now ORDER BY ALL"
)

// The story's day, worked out by hand.
var storyDays = []string{
	"1996-05-01 | 10.0.0.8 | 10.0.0.9 | 1 | 0 | 0 | 50 | 0",
	"1996-05-01 | alpha | beta | 1 | 1 | 0 | 1200 | 3",
	"1996-05-01 | beta | alpha | 0 | 0 | 1 | 300 | 2",
	"1996-05-01 | beta | gamma | 1 | 0 | 0 | 1100 | 2",
	"1996-05-01 | gamma | beta | 0 | 0 | 1 | 300 | 2",
}

// count calls CountDays, which must count so many days.
func count(t *testing.T, s *Store, want int, before time.Time) {
	t.Helper()
	if n, err := s.CountDays(t.Context(), before); err != nil || n != want {
		t.Errorf("%d days counted, %v; want %d", n, err, want)
	}
}

// Totals are those of the messages, counted or not, read once or again, and
// whatever comes after they were counted.
func TestCountDays(t *testing.T) {
	s := archive(t)
	shows := func(want []string) {
		t.Helper()
		for _, sql := range []string{daysShown, daysNow} {
			if got := query(t, s, sql); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", sql, got, want)
			}
		}
	}
	shows(nil)
	count(t, s, 0, time.Time{})
	insert(t, s, story(t))
	shows(storyDays)
	// The day was not over.
	count(t, s, 0, time.Date(1996, 5, 1, 23, 0, 0, 0, time.UTC))
	count(t, s, 1, time.Date(1996, 5, 2, 0, 0, 0, 0, time.UTC))
	shows(storyDays)
	if got := query(t, s, "SELECT sum(messages) FROM flow_days_store FINAL WHERE (day, rows) IN (SELECT day, sum(rows) FROM flow_inserts_store GROUP BY day)"); !slices.Equal(got, []string{"3"}) {
		t.Errorf("totals hold %q messages", got)
	}
	count(t, s, 0, time.Time{})

	// The same again, as another reading would insert it.
	insert(t, s, story(t))
	shows(storyDays)
	count(t, s, 1, time.Time{})
	shows(storyDays)

	// More of the same day, and of another that has no message between MTAs.
	insert(t, s, func(b *schema.Batch) {
		for i, kind := range []string{"message", "submission"} {
			b.Messages.Append(&schema.Message{APDU: [16]byte{byte(50 + i)}, Kind: kind, CapturedAt: at(t, "13:00:00") + int64(i)*86400e9,
				SendingMTA: []byte("alpha"), ReceivingMTA: []byte("gamma"), APDUSize: 7, RecipientCount: 1})
		}
	})
	more := slices.Insert(slices.Clone(storyDays), 2, "1996-05-01 | alpha | gamma | 1 | 0 | 0 | 7 | 1")
	shows(more)
	count(t, s, 2, time.Time{})
	shows(more)
	count(t, s, 0, time.Time{})

	// The MTAs of two become known, as Reunite makes them: the addresses' row goes.
	insert(t, s, func(b *schema.Batch) {
		b.Messages.Append(&schema.Message{APDU: [16]byte{15: 6}, Kind: "message", ID: schema.MTSIdentifier{Text: []byte("m2")}, OriginTime: at(t, "12:00:00"),
			CapturedAt: at(t, "12:00:01"), SendingMTA: []byte("delta"), ReceivingMTA: []byte("alpha"), APDUSize: 50, Version: 1<<64 - 1})
	})
	named := append(slices.Clone(more[1:5]), "1996-05-01 | delta | alpha | 1 | 0 | 0 | 50 | 0", more[5])
	shows(named)
	count(t, s, 1, time.Time{})
	shows(named)
}

// What a newer decoder no longer finds leaves the totals.
func TestCountDaysAfterSupersede(t *testing.T) {
	s := archive(t)
	for _, id := range []string{"garbled", "m1"} {
		insert(t, s, func(b *schema.Batch) {
			m := schema.Message{APDU: [16]byte{1}, Kind: "message", ID: schema.MTSIdentifier{Text: []byte(id)}, OriginTime: at(t, "09:00:00"), CapturedAt: at(t, "10:00:00"),
				SendingMTA: []byte("a"), ReceivingMTA: []byte("b"), APDUSize: 5, Version: 1}
			if id == "m1" {
				m.OriginTime, m.Version = at(t, "10:00:00"), 2
			}
			b.Messages.Append(&m)
		})
	}
	count(t, s, 1, time.Time{})
	if got, want := query(t, s, daysShown), []string{"1996-05-01 | a | b | 2 | 0 | 0 | 10 | 0"}; !slices.Equal(got, want) {
		t.Errorf("before: %q, want %q", got, want)
	}
	if err := s.Supersede(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"1996-05-01 | a | b | 1 | 0 | 0 | 5 | 0"}
	for range 2 {
		if got := query(t, s, daysShown); !slices.Equal(got, want) {
			t.Errorf("after: %q, want %q", got, want)
		}
		if _, err := s.CountDays(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
}
