package store

import (
	"slices"
	"testing"

	"x400flow/schema"
)

// Two readings: the beginning of a connection with message 1 and 2, and its later
// part with 2 and 3, and a problem. A third connection between other ends is
// left alone.
func TestReunite(t *testing.T) {
	early, late, other := [16]byte{0xea}, [16]byte{0x1a}, [16]byte{0x0e}
	connection := func(id [16]byte, port uint16, mid bool, from, to, ended string, messages uint64) *schema.Association {
		a := &schema.Association{Association: id, ClientAddress: []byte("10.0.0.1"), ClientPort: port, ServerAddress: []byte("10.0.0.2"),
			ServerPort: 102, FirstSeen: at(t, from), LastSeen: at(t, to), MidStream: mid, Inferred: mid, Ended: ended, Messages: messages,
			Version: 2*messages + 1, ClientPackets: messages}
		if !mid {
			a.InitiatorMTA, a.ResponderMTA = []byte("alpha"), []byte("beta")
		} else {
			a.Release = "released"
		}
		return a
	}
	// The client's stream begins at sequence number 1000 in the first reading, with
	// octet 5000 of it in the second; the server's is not seen in the first.
	message := func(b *schema.Batch, id byte, association [16]byte, direction string, offset uint64, k schema.Knowledge) {
		apdu := [16]byte{id}
		m := &schema.Message{APDU: apdu, Association: association, Kind: "message", Direction: direction, OriginTime: at(t, "09:00:00"),
			Version: k.Version(), Inferred: !k.Opened, StreamOffset: offset, StreamEnd: offset + 10, TCPSequence: 1000 + uint32(offset)}
		if !k.Opened {
			m.TCPSequence += 5000
		}
		if k.Opened {
			m.SendingMTA, m.ReceivingMTA = []byte("alpha"), []byte("beta")
		}
		b.Recipients.Append(&schema.Recipient{APDU: apdu, OriginTime: at(t, "09:00:00"), Position: 1, Version: k.Version()})
		b.Contents.Append(&schema.Content{APDU: apdu, OriginTime: at(t, "09:00:00"), Version: k.Version(), Head: []byte{id}})
		b.Messages.Append(m)
	}
	first := func(b *schema.Batch) {
		k := schema.Knowledge{Opened: true, Both: true}
		message(b, 1, early, "client-to-server", 70, k)
		message(b, 2, early, "client-to-server", 5100, k)
		b.Associations.Append(connection(early, 5000, false, "10:00:00", "10:10:00", "capture-end", 2))
	}
	second := func(b *schema.Batch) {
		k := schema.Knowledge{Both: true}
		message(b, 2, late, "client-to-server", 100, k)
		message(b, 5, late, "client-to-server", 200, k)
		message(b, 3, late, "server-to-client", 300, k)
		message(b, 4, other, "client-to-server", 400, k)
		b.Problems.Append(&schema.Problem{Problem: [16]byte{9}, Association: late, Time: at(t, "10:11:00"), Reason: "gap", Direction: "client-to-server", StreamOffset: 10, TCPSequence: 6010})
		b.Associations.Append(connection(late, 5000, true, "10:05:00", "10:20:00", "fin", 2))
		b.Associations.Append(connection(other, 5001, true, "10:05:00", "10:20:00", "fin", 1))
	}
	for _, order := range [][]func(*schema.Batch){{first, second}, {second, first}, {first, second, second, first}} {
		s := archive(t)
		for _, read := range order {
			insert(t, s, read)
			if err := s.Reunite(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Supersede(t.Context()); err != nil {
			t.Fatal(err)
		}
		for sql, want := range map[string][]string{
			"SELECT substring(hex(apdu), 1, 2), substring(hex(association), 1, 2), sending_mta, receiving_mta, inferred, stream_offset, stream_end FROM messages ORDER BY apdu": {
				"01 | EA | alpha | beta | false | 70 | 80", "02 | EA | alpha | beta | false | 5100 | 5110", "03 | EA | beta | alpha | false | 300 | 310",
				"04 | 0E |  |  | true | 400 | 410", "05 | EA | alpha | beta | false | 5200 | 5210"},
			"SELECT substring(hex(apdu), 1, 2), position FROM recipients ORDER BY apdu": {"01 | 1", "02 | 1", "03 | 1", "04 | 1", "05 | 1"},
			"SELECT hex(head) FROM contents ORDER BY apdu":                              {"01", "02", "03", "04", "05"},
			"SELECT substring(hex(association), 1, 2), stream_offset FROM problems":     {"EA | 5010"},
			"SELECT substring(hex(association), 1, 2), ended, release, last_seen, messages, client_packets FROM associations ORDER BY association": {
				"0E | fin | released | 1996-05-01 10:20:00.000000000 | 1 | 1", "EA | fin | released | 1996-05-01 10:20:00.000000000 | 4 | 2"},
		} {
			if got := query(t, s, sql); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", sql, got, want)
			}
		}
		// A reading of the whole says more, and is shown.
		insert(t, s, func(b *schema.Batch) {
			b.Associations.Append(connection(early, 5000, false, "10:00:00", "10:20:00", "fin", 3))
		})
		if got := query(t, s, "SELECT client_packets FROM associations WHERE client_port = 5000"); !slices.Equal(got, []string{"3"}) {
			t.Errorf("after reading the whole: %q packets", got)
		}
	}
}
