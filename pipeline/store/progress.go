package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// Reading is what one sensor, since it was started, saw of a connection.
type Reading struct {
	Association [16]byte
	Sensor      string
	// Epoch is when the sensor was started, Start the capture time of the first
	// segment that it saw of the connection, both in nanoseconds since 1970.
	Epoch, Start int64
}

// Progress says how far the archive tells of a Reading.
type Progress struct {
	// Number is that of the last record of which every row is in the archive,
	// but for those of transfers that were open then.
	Number uint64
	// Ended says that it was the connection's last record, GivenUp that the
	// connection fell silent after it.
	Ended, GivenUp bool
	// State is what the decoder that wrote it knew.
	State []byte
}

// Progress looks up readings. Those that the archive does not know are not in
// the answer.
func (s *Store) Progress(ctx context.Context, readings []Reading) (map[Reading]Progress, error) {
	found := make(map[Reading]Progress, len(readings))
	if len(readings) == 0 {
		return found, nil
	}
	ids := make([]uuid.UUID, len(readings))
	wanted := make(map[Reading]bool, len(readings))
	for i, r := range readings {
		ids[i] = r.Association
		wanted[r] = true
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"ids": IDArray(ids)}))
	// The newest state decides, and its texts are large: no FINAL, no view.
	rows, err := s.conn.Query(ctx, `
		SELECT association, sensor, epoch, start, argMax(number, version),
			argMax(ended, version), argMax(given_up, version), argMax(state, version)
		FROM progress_store WHERE association IN {ids:Array(UUID)}
		GROUP BY association, sensor, epoch, start`)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", s.name, err)
	}
	for rows.Next() {
		var (
			id           uuid.UUID
			r            Reading
			p            Progress
			epoch, start time.Time
			state        string
		)
		if err := rows.Scan(&id, &r.Sensor, &epoch, &start, &p.Number, &p.Ended, &p.GivenUp, &state); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		r.Association, r.Epoch, r.Start, p.State = id, epoch.UnixNano(), start.UnixNano(), []byte(state)
		if wanted[r] {
			found[r] = p
		}
	}
	return found, errors.Join(rows.Err(), rows.Close())
}
