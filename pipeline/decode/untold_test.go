package decode

import (
	"context"
	"maps"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// counter counts the rows of associations on their way.
type counter struct {
	*gatherer
	associations int
}

func (c *counter) Write(ctx context.Context, b *schema.Batch, ack func()) error {
	c.associations += b.Associations.Rows()
	return c.gatherer.Write(ctx, b, ack)
}

// A connection that goes on is told again when capture time has gone by, not in
// each batch; and in each where its progress must be in the archive. What the
// archive says in the end is the same.
func TestOpenConnectionsAreToldSeldom(t *testing.T) {
	in := frames(t, generated(t, 60, func(o *generate.Options) { o.PerAssociation, o.OpenRate = 6, 0.5 }))
	for i := range in {
		in[i].Time = in[0].Time
	}
	run := func(cfg Config) (associations int, got tables) {
		d := newDirect(cfg)
		c := &counter{gatherer: d.sink}
		d.w.pool.writer = c
		sense(t, sensor.Config{MaxItems: 4}, d, in)
		if err := d.w.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c.associations, d.sink.tables
	}
	_, want := run(Config{})
	connections := len(want["associations_store"])
	seldom, got := run(Config{BatchRows: 1})
	if seldom != connections || connections == 0 {
		t.Errorf("%d rows of %d associations", seldom, connections)
	}
	same := func(a, b row) bool { return a.version == b.version && maps.Equal(a.columns, b.columns) }
	for name := range want {
		if !maps.EqualFunc(got[name], want[name], same) {
			t.Errorf("%s differs", name)
		}
	}
	often, got := run(Config{BatchRows: 1, Progress: func(context.Context, []store.Reading) (map[store.Reading]store.Progress, error) {
		return nil, nil
	}})
	if often < 2*connections {
		t.Errorf("%d rows of %d associations where their progress is needed", often, connections)
	}
	if !maps.EqualFunc(got["associations_store"], want["associations_store"], same) {
		t.Error("associations_store differs")
	}
}

func TestOverdue(t *testing.T) {
	begun := time.Unix(1e9, 0)
	for _, tt := range []struct {
		capture int64
		clock   time.Duration
		want    bool
	}{
		{0, time.Hour, false},
		{refresh - 1, linger, false},
		{refresh, linger - 1, false},
		{refresh, linger, true},
		{-refresh, linger, true}, // Another capture.
		{1 - refresh, linger, false},
	} {
		w := &worker{time: 5e9 + tt.capture}
		c := &connection{since: 5e9, sinceClock: begun}
		if got := w.overdue(c, begun.Add(tt.clock)); got != tt.want {
			t.Errorf("after %d ns of the capture, %v of the clock: %v", tt.capture, tt.clock, got)
		}
	}
}
