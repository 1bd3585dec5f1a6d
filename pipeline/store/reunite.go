package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"x400flow/schema"
)

// late is a connection first seen in the middle, and the connection that it is
// the later part of, told by another reading.
type late struct {
	late, early          uuid.UUID
	initiator, responder string
	// base is the TCP sequence number at which each direction of the early part
	// begins, client's first; -1 where no message of it tells.
	base [2]int64
}

// latePairs finds them: the same ends, at the same time, and seen from earlier
// on, from the opening where a reading has that.
const latePairs = `
SELECT l.association, argMin(e.association, e.rank), argMin(e.initiator_mta, e.rank), argMin(e.responder_mta, e.rank)
FROM (SELECT *, (mid_stream, first_seen, association) AS rank FROM associations_store FINAL) AS e
INNER JOIN (SELECT * FROM associations_store FINAL WHERE mid_stream) AS l
ON l.client_address = e.client_address AND l.client_port = e.client_port
	AND l.server_address = e.server_address AND l.server_port = e.server_port
WHERE l.association != e.association AND e.first_seen <= l.last_seen AND l.first_seen <= e.last_seen
	AND (NOT e.mid_stream OR (e.first_seen, e.association) < (l.first_seen, l.association))
GROUP BY l.association
ORDER BY l.association`

// reuniteChunk is how many connections are treated at a time.
const reuniteChunk = 1000

// opened is schema.Knowledge's version bit for an opening that was seen.
var opened = schema.Knowledge{Opened: true}.Version() &^ schema.Knowledge{}.Version()

// Reunite gives what a reading of the later part of a connection told to the
// connection itself, where another reading saw its beginning: messages and
// problems get its identifier and its stream offsets, messages the names of the
// MTAs, and the connection how it ended. So two overlapping cuts of a capture leave what the whole leaves;
// but the connection's counts of packets and octets stay those of its first part,
// since how much of the later one they hold already is not known.
//
// It is to be called when what was read is durable. Calling it again changes
// nothing, so it is repeated while the archive does not answer.
func (s *Store) Reunite(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := s.reuniteAll(ctx)
		if err == nil {
			return nil
		}
		if permanent(err) || wait(ctx, attempt) != nil {
			return fmt.Errorf("store %s: %w", s.name, err)
		}
	}
}

func (s *Store) reuniteAll(ctx context.Context) error {
	all, err := s.latePairs(ctx)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		n := min(len(all), reuniteChunk)
		if err := s.reunite(ctx, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (s *Store) latePairs(ctx context.Context) (all []late, err error) {
	rows, err := s.conn.Query(ctx, latePairs)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		l := late{base: [2]int64{-1, -1}}
		if err := rows.Scan(&l.late, &l.early, &l.initiator, &l.responder); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// bases finds where the streams of the early parts begin.
func (s *Store) bases(ctx context.Context, pairs []late) error {
	byEarly := map[uuid.UUID][]*late{}
	var earlies []string
	for i := range pairs {
		p := &pairs[i]
		byEarly[p.early] = append(byEarly[p.early], p)
		earlies = append(earlies, p.early.String())
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"early": textArray(earlies)}))
	rows, err := s.conn.Query(ctx, `SELECT association, direction = 'server-to-client', any(toUInt32(tcp_sequence - stream_offset))
FROM messages_store FINAL WHERE association IN {early:Array(UUID)} AND NOT resumed GROUP BY 1, 2`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var early uuid.UUID
		var dir uint8
		var base uint32
		if err := rows.Scan(&early, &dir, &base); err != nil {
			return err
		}
		for _, p := range byEarly[early] {
			p.base[dir] = int64(base)
		}
	}
	return rows.Err()
}

func (s *Store) reunite(ctx context.Context, pairs []late) error {
	if err := s.bases(ctx, pairs); err != nil {
		return err
	}
	var lates, earlies, initiators, responders, bases []string
	for i := range pairs {
		p := &pairs[i]
		lates, earlies = append(lates, p.late.String()), append(earlies, p.early.String())
		initiators, responders = append(initiators, p.initiator), append(responders, p.responder)
		bases = append(bases, fmt.Sprintf("(%d,%d)", p.base[0], p.base[1]))
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{
		"late": textArray(lates), "early": textArray(earlies), "initiator": textArray(initiators), "responder": textArray(responders),
		"base": "[" + strings.Join(bases, ",") + "]",
	}))
	var n uint64
	const found = " FROM messages_store FINAL WHERE association IN {late:Array(UUID)}"
	if err := s.conn.QueryRow(ctx, "SELECT count()"+found).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		// The message comes last, as ever: it is complete when it is visible.
		for _, table := range childTables {
			if err := s.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (bitOr(version, %d) AS version) FROM %s FINAL WHERE apdu IN (SELECT apdu%s)",
				table, opened, table, found)); err != nil {
				return err
			}
		}
		// That the initiator of the association is the client of the connection is
		// how X.400 uses TCP (RFC 1006 section 4).
		if err := s.conn.Exec(ctx, fmt.Sprintf(`INSERT INTO messages_store
SELECT * EXCEPT (i, sends, base, shift) REPLACE (
	bitOr(version, %d) AS version, {early:Array(UUID)}[i] AS association, false AS inferred,
	stream_offset + shift AS stream_offset, stream_end + shift AS stream_end,
	if(sending_mta = '', (sends ? {initiator:Array(String)} : {responder:Array(String)})[i], sending_mta) AS sending_mta,
	if(receiving_mta = '', (sends ? {responder:Array(String)} : {initiator:Array(String)})[i], receiving_mta) AS receiving_mta)
FROM (SELECT *, %s%s)`, opened, shift, found)); err != nil {
			return err
		}
	}
	if err := s.conn.Exec(ctx, `INSERT INTO problems_store
SELECT * EXCEPT (i, sends, base, shift) REPLACE ({early:Array(UUID)}[i] AS association, stream_offset + shift AS stream_offset)
FROM (SELECT *, `+shift+` FROM problems_store FINAL WHERE association IN {late:Array(UUID)})`); err != nil {
		return err
	}
	return s.conn.Exec(ctx, endings)
}

// shift is by how much stream offsets of the later part are too small, because it
// counts from its own first octet: the difference of the sequence numbers at which
// the parts begin, which is right up to 4 GiB.
const shift = `indexOf({late:Array(UUID)}, association) AS i, direction = 'client-to-server' AS sends,
	(sends ? {base:Array(Tuple(Int64, Int64))}[i].1 : {base:Array(Tuple(Int64, Int64))}[i].2) AS base,
	if(base < 0, 0, toUInt64(toUInt32(toUInt32(tcp_sequence - stream_offset) - base))) AS shift`

// endings gives a connection the end that its later part met. The version is
// between that of the reading of the first part and any of more packets.
const endings = `INSERT INTO associations_store
SELECT * EXCEPT (i, l_last_seen, l_last_frame, l_ended, l_release, l_release_detail, l_acse, l_rtse, kinds) REPLACE (
	version + 1 AS version, l_last_seen AS last_seen, l_last_frame AS last_frame, l_ended AS ended,
	if(l_release = '', release, l_release) AS release,
	if(l_release = '', release_detail, l_release_detail) AS release_detail,
	if(position(acse, l_acse) > 0, acse, concat(acse, if(acse = '', '', '; '), l_acse)) AS acse,
	if(position(rtse, l_rtse) > 0, rtse, concat(rtse, if(rtse = '', '', '; '), l_rtse)) AS rtse,
	kinds['message'] AS messages, kinds['report'] AS reports, kinds['probe'] AS probes)
FROM
(
	SELECT * FROM associations_store FINAL WHERE association IN {early:Array(UUID)}
) AS e
INNER JOIN
(
	SELECT {early:Array(UUID)}[indexOf({late:Array(UUID)}, association)] AS i, max(last_seen) AS l_last_seen,
		argMax(last_frame, last_seen) AS l_last_frame, argMax(ended, last_seen) AS l_ended, argMax(release, last_seen) AS l_release,
		argMax(release_detail, last_seen) AS l_release_detail, argMax(acse, last_seen) AS l_acse, argMax(rtse, last_seen) AS l_rtse
	FROM associations_store FINAL WHERE association IN {late:Array(UUID)} GROUP BY i
) AS l ON l.i = e.association
LEFT JOIN
(
	SELECT association AS i, sumMap(map(kind, 1)) AS kinds FROM messages_store FINAL WHERE association IN {early:Array(UUID)} GROUP BY i
) AS m ON m.i = e.association
WHERE l_last_seen > e.last_seen`
