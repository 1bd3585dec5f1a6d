package store

import (
	"reflect"
	"testing"

	"x400flow/schema"
)

// Of each reading the newest state is found, whoever else saw the connection.
func TestProgress(t *testing.T) {
	s := archive(t)
	insert(t, s, func(b *schema.Batch) {
		for _, sensor := range []string{"a", "b"} {
			for n := range uint64(3) {
				b.Progresses.Append(&schema.Progress{
					Association: [16]byte{1}, Sensor: []byte(sensor), Epoch: 1700000000123456789, Start: 1700000001987654321,
					Version: n << 1, Number: n, State: []byte{byte(n), 0, 255, sensor[0]},
				})
			}
		}
		b.Progresses.Append(&schema.Progress{
			Association: [16]byte{1}, Sensor: []byte("b"), Epoch: 1700000000123456789, Start: 1700000001987654321,
			Version: 2<<1 | 1, Number: 2, Ended: true, GivenUp: true, State: []byte("last"),
		})
	})
	a := Reading{[16]byte{1}, "a", 1700000000123456789, 1700000001987654321}
	b, later, unknown := a, a, a
	b.Sensor, later.Epoch, unknown.Association = "b", 1700000000123456790, [16]byte{2}
	got, err := s.Progress(t.Context(), []Reading{a, b, later, unknown})
	if err != nil {
		t.Fatal(err)
	}
	want := map[Reading]Progress{
		a: {Number: 2, State: []byte{2, 0, 255, 'a'}},
		b: {Number: 2, Ended: true, GivenUp: true, State: []byte("last")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
