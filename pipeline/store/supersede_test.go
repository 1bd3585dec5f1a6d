package store

import (
	"slices"
	"testing"

	"x400flow/schema"
)

// A newer decoder reads another origin time and one recipient less.
func TestSupersede(t *testing.T) {
	s := archive(t)
	id, other := [16]byte{1}, [16]byte{2}
	reading := func(decoder uint32, origin string, recipients uint32) func(b *schema.Batch) {
		return func(b *schema.Batch) {
			k := schema.Knowledge{Decoder: decoder, CapturedAt: at(t, "10:00:00")}
			for _, apdu := range [][16]byte{id, other} {
				if apdu == other && decoder > 1 {
					continue
				}
				for i := range recipients {
					b.Recipients.Append(&schema.Recipient{APDU: apdu, OriginTime: at(t, origin), Position: i + 1, Version: k.Version()})
				}
				b.Contents.Append(&schema.Content{APDU: apdu, OriginTime: at(t, origin), Version: k.Version()})
				b.Messages.Append(&schema.Message{APDU: apdu, OriginTime: at(t, origin), Version: k.Version(), DecoderVersion: decoder})
			}
		}
	}
	insert(t, s, reading(1, "10:00:00", 3))
	insert(t, s, reading(2, "09:00:00", 2))
	// Of a third reading the message has not come yet.
	insert(t, s, func(b *schema.Batch) {
		b.Recipients.Append(&schema.Recipient{APDU: id, OriginTime: at(t, "09:00:00"), Position: 9, Version: schema.Knowledge{Opened: true}.Version()})
	})
	for range 2 {
		if err := s.Supersede(t.Context()); err != nil {
			t.Fatal(err)
		}
		for sql, want := range map[string][]string{
			"SELECT substring(hex(apdu), 1, 2), decoder_version, origin_time FROM messages ORDER BY apdu": {
				"01 | 2 | 1996-05-01 09:00:00", "02 | 1 | 1996-05-01 10:00:00"},
			"SELECT substring(hex(apdu), 1, 2), groupArray(position) FROM (SELECT * FROM recipients ORDER BY apdu, position) GROUP BY apdu ORDER BY apdu": {
				"01 | [1,2,9]", "02 | [1,2,3]"},
			"SELECT substring(hex(apdu), 1, 2), count() FROM contents GROUP BY apdu ORDER BY apdu": {"01 | 1", "02 | 1"},
		} {
			if got := query(t, s, sql); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", sql, got, want)
			}
		}
	}
}
