package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Bounds of counting days: so many rows of messages are counted at a time, but
// for a day that has more.
const (
	countRows = 2_000_000
	countDays = 366
)

// countEvery is how often totals of days are brought up to date while rows come
// in for ever.
const countEvery = 10 * time.Minute

// KeepCounting begins to count days that are over, every now and then until ctx
// ends or the function that it returns is called: for programs that read without
// an end. That function waits until nothing is being counted. An archive that
// does not answer is left for the next time.
func (s *Store) KeepCounting(ctx context.Context, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(countEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// Yesterday's last rows may still be on their way.
			if _, err := s.CountDays(ctx, time.Now().Add(-time.Hour)); err != nil && ctx.Err() == nil {
				log.Warn("days were not counted", "error", err)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// CountDays counts the messages of every day that has got rows since it was
// counted last, and keeps the totals (flow_days). Days that are not over at before
// are left out, unless that is zero. It returns how many days it counted. It may
// be called at any time, by several programs at once: what a day is counted from
// is at least what flow_inserts_store notes, since a row is there before it is
// noted; totals that are older than the note are not shown.
func (s *Store) CountDays(ctx context.Context, before time.Time) (int, error) {
	type day struct {
		day  time.Time
		rows uint64
	}
	var stale []day
	rows, err := s.conn.Query(ctx, `SELECT day, inserted FROM (SELECT day, sum(rows) AS inserted FROM flow_inserts_store GROUP BY day)
WHERE (day, inserted) GLOBAL NOT IN (SELECT day, rows FROM flow_days_store) ORDER BY day`)
	if err != nil {
		return 0, fmt.Errorf("store %s: %w", s.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var d day
		if err := rows.Scan(&d.day, &d.rows); err != nil {
			return 0, fmt.Errorf("store %s: %w", s.name, err)
		}
		if before.IsZero() || !d.day.Add(24*time.Hour).After(before) {
			stale = append(stale, d)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("store %s: %w", s.name, err)
	}
	counted := len(stale)
	for len(stale) > 0 {
		n, sum := 0, uint64(0)
		days, noted := "[", "["
		for ; n < min(len(stale), countDays) && (n == 0 || sum+stale[n].rows <= countRows); n++ {
			sum += stale[n].rows
			days += "'" + stale[n].day.Format(time.DateOnly) + "',"
			noted += fmt.Sprint(stale[n].rows) + ","
		}
		count := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{
			"days": days[:len(days)-1] + "]", "noted": noted[:len(noted)-1] + "]",
		}), clickhouse.WithSettings(clickhouse.Settings{"distributed_foreground_insert": 1}))
		if err := s.conn.Exec(count, countSQL); err != nil {
			return counted - len(stale), fmt.Errorf("store %s: counting %d days from %s: %w", s.name, n, stale[0].day.Format(time.DateOnly), err)
		}
		stale = stale[n:]
	}
	return counted, nil
}

// noteAgain makes days be counted again, whose messages were changed other than by
// inserting rows. stale selects the apdu and version of rows of messages_store;
// what it returns does the same when these are gone.
func (s *Store) noteAgain(ctx context.Context, stale string) (again func() error, err error) {
	var days string
	if err := s.conn.QueryRow(ctx, "SELECT toString(groupUniqArray(toDate(captured_at))) FROM messages_store WHERE (apdu, version) GLOBAL IN ("+stale+")").Scan(&days); err != nil {
		return nil, err
	}
	again = func() error {
		ctx := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"days": days}))
		return s.conn.Exec(ctx, "INSERT INTO flow_inserts_store (day, rows) SELECT arrayJoin({days:Array(Date)}), 1")
	}
	return again, again()
}

// countSQL counts days. Each has a row without MTAs, so that one whose messages
// are of other kinds counts as counted.
const countSQL = `INSERT INTO flow_days_store (day, sending_mta, receiving_mta, rows, messages, probes, reports, octets, recipients)
SELECT day, sending_mta, receiving_mta, {noted:Array(UInt64)}[indexOf({days:Array(Date)}, day)], sum(messages), sum(probes), sum(reports), sum(octets), sum(recipients)
FROM
(
	SELECT day, sending_mta, receiving_mta, messages, probes, reports, octets, recipients FROM flow_days_now WHERE day IN {days:Array(Date)}
	UNION ALL
	SELECT arrayJoin({days:Array(Date)}), '', '', 0, 0, 0, 0, 0
)
GROUP BY day, sending_mta, receiving_mta`
