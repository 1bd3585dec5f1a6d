package decode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"x400flow/pipeline/store"
	"x400flow/schema"
	"x400flow/x411"
)

// againChunk is how many APDUs are read back at a time.
const againChunk = 256

// AgainStats say what Again did.
type AgainStats struct {
	Decoded int // APDUs decoded anew.
	Without int // APDUs whose octets were not kept, so that they stay as they are.
	Failed  int // APDUs that this decoder cannot read; their rows stay.
}

// Again decodes anew the APDUs in the archive whose rows an older decoder made,
// or all of them, from the octets kept; the new rows replace the old ones.
func Again(ctx context.Context, st *store.Store, all bool) (stats AgainStats, err error) {
	writer := st.NewWriter(ctx, store.WriterOptions{})
	w := New(Config{}, nil, writer).workers[0]
	w.batch = writer.Batch()
	below := uint32(Version)
	if all {
		below++
	}
	todo, err := staleAPDUs(ctx, st, below)
	if err != nil {
		return stats, err
	}
	for len(todo) > 0 {
		n := min(len(todo), againChunk)
		if err := w.again(ctx, st, todo[:n], &stats); err != nil {
			return stats, err
		}
		todo = todo[n:]
		if w.batch.Rows() >= w.pool.cfg.BatchRows || w.batch.Bytes() >= w.pool.cfg.BatchOctets {
			if err := w.flush(ctx); err != nil {
				return stats, err
			}
		}
	}
	if err := w.flush(ctx); err != nil {
		return stats, err
	}
	return stats, writer.Close(ctx)
}

// staleAPDUs lists the APDUs whose rows are older than a decoder version.
func staleAPDUs(ctx context.Context, st *store.Store, below uint32) ([]uuid.UUID, error) {
	rows, err := st.Conn().Query(ctx, fmt.Sprintf(
		"SELECT apdu FROM messages WHERE decoder_version < %d ORDER BY origin_time, apdu", below))
	if err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		ids = append(ids, id)
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}

// again decodes a chunk of APDUs.
func (w *worker) again(ctx context.Context, st *store.Store, ids []uuid.UUID, stats *AgainStats) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"ids": store.IDArray(ids)}))
	rows, err := st.Conn().Query(ctx, `
		SELECT m.apdu, m.transfer, m.association, m.resumed_from,
			m.sensor, m.source, m.direction, m.source_address, m.destination_address,
			m.sending_mta, m.receiving_mta, m.protocol, m.mode,
			m.source_port, m.destination_port, m.first_frame, m.last_frame,
			m.stream_offset, m.stream_end, m.tcp_sequence, m.interruptions,
			m.captured_at, m.captured_until, m.inferred, m.one_direction, m.resumed,
			m.kind, m.mts_id, m.mts_id_country, m.mts_id_admd, m.mts_id_prmd, m.mts_id_local, m.submission_time,
			c.kept, c.content_inline, c.head, c.content, c.tail
		FROM messages AS m INNER JOIN contents AS c ON c.apdu = m.apdu
		WHERE m.apdu IN {ids:Array(UUID)} AND c.apdu IN {ids:Array(UUID)}
		ORDER BY m.origin_time, m.apdu`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			apdu, transfer, association, resumedFrom             uuid.UUID
			sensor, source, dir, src, dst, sending, receiving    string
			protocol, mode, head, content, tail                  string
			kind, id, country, admd, prmd, local                 string
			submitted                                            *time.Time
			srcPort, dstPort                                     uint16
			firstFrame, lastFrame, offset, end                   uint64
			sequence, interruptions                              uint32
			capturedAt, capturedUntil                            time.Time
			inferred, oneDirection, resumed, kept, contentInline bool
		)
		if err := rows.Scan(&apdu, &transfer, &association, &resumedFrom,
			&sensor, &source, &dir, &src, &dst, &sending, &receiving, &protocol, &mode,
			&srcPort, &dstPort, &firstFrame, &lastFrame, &offset, &end, &sequence, &interruptions,
			&capturedAt, &capturedUntil, &inferred, &oneDirection, &resumed,
			&kind, &id, &country, &admd, &prmd, &local, &submitted,
			&kept, &contentInline, &head, &content, &tail); err != nil {
			return err
		}
		if !kept {
			stats.Without++
			continue
		}
		octets := []byte(head)
		if !contentInline {
			octets = append(append(octets, content...), tail...)
		}
		m := &w.row.message
		*m = schema.Message{
			APDU: apdu, Transfer: transfer, Association: association, ResumedFrom: resumedFrom,
			Sensor: []byte(sensor), Source: []byte(source), Direction: dir,
			SourceAddress: []byte(src), SourcePort: srcPort, DestinationAddress: []byte(dst), DestinationPort: dstPort,
			FirstFrame: firstFrame, LastFrame: lastFrame, StreamOffset: offset, StreamEnd: end, TCPSequence: sequence,
			CapturedAt: capturedAt.UnixNano(), CapturedUntil: capturedUntil.UnixNano(),
			SendingMTA: []byte(sending), ReceivingMTA: []byte(receiving), Protocol: protocol, Mode: mode,
			Inferred: inferred, OneDirection: oneDirection, Interruptions: interruptions, Resumed: resumed,
		}
		var status x411.Status
		w.begin()
		if envelope := operationKind(kind); envelope != x411.KindNone {
			given := schema.MTSIdentifier{
				Text: []byte(id), Country: []byte(country), ADMD: []byte(admd), PRMD: []byte(prmd), Local: []byte(local),
			}
			status = w.operationAgain(m, envelope, &given, submitted, octets)
		} else {
			status, _ = w.rows(m, octets, nil)
		}
		if status == x411.StatusFailed {
			stats.Failed++
		} else {
			w.innerProblems(nil, m)
			stats.Decoded++
		}
		w.end()
	}
	return rows.Err()
}
