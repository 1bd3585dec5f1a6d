package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/packets"
)

// cutPackets writes the packets of a message or connection as pcapng.
func cutPackets(ctx context.Context, o *options, args []string, messages io.Writer) error {
	var from folders
	out := ""
	id, err := oneArgument("pcap", o, args, messages, func(flags *flag.FlagSet) {
		flags.StringVar(&out, "o", "", "`file` to write, or - for standard output")
		flags.Var(&from, "from", "`folder` or file of captures, such as that of ingest -write-pcap; may be given several times. Without it the captures that were read, where they still are")
	})
	if err != nil || id == "" {
		return err
	}
	if out == "" {
		return &usageError{errors.New("-o names the file to write, such as out.pcapng")}
	}
	wants, err := exchange(ctx, o, id)
	if err != nil {
		return err
	}
	files, err := from.files()
	if err == nil && len(from) == 0 {
		files, err = sources(ctx, o, wants)
	}
	if err != nil {
		return err
	}
	to := os.Stdout
	if out != "-" {
		// For its owner alone: it is raw traffic.
		if to, err = os.OpenFile(out, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		defer to.Close()
	}
	n, err := packets.Cut(to, files, wants)
	if out != "-" {
		err = errors.Join(err, to.Close())
		if n == 0 {
			os.Remove(out)
		}
	}
	if n == 0 {
		return errors.Join(err, fmt.Errorf("none of the packets of %s is in the captures looked at, %d of them", id, len(files)))
	}
	fmt.Fprintf(messages, "%d packets.\n", n)
	return err
}

// whole and never are the ends of windows of time.
const (
	whole = "toInt64(9223372036854775807)"
	never = "toInt64(0)"
)

// exchange returns what is to be cut out for a message or a connection.
func exchange(ctx context.Context, o *options, id string) ([]packets.Want, error) {
	if u, err := uuid.Parse(id); err == nil {
		st, err := open(ctx, o)
		if err != nil {
			return nil, err
		}
		s := &single{st: st, params: params{"association": u.String()}}
		w, err := s.windows(ctx, never, whole)
		st.Close()
		if err == nil || !errors.Is(err, errNoConnection) {
			return []packets.Want{w}, err
		}
		// It may be an APDU's.
	}
	s, err := find(ctx, o, id)
	if err != nil {
		return nil, fmt.Errorf("%w; a connection is named by associations.association", err)
	}
	defer s.st.Close()
	rows, err := s.rows(ctx, `SELECT association, resumed_from, resumed_from = toUUID('00000000-0000-0000-0000-000000000000') ? '' : 'resumed',
  toUnixTimestamp64Nano(captured_at), toUnixTimestamp64Nano(captured_until)
FROM messages WHERE apdu = toUUID({apdu:String}) LIMIT 1`)
	if err != nil {
		return nil, err
	}
	s.params["from"], s.params["until"] = rows[0][3], rows[0][4]
	// What belongs to the transfer and is no part of the message, such as the
	// activity around it, stands between the messages before and after. What comes
	// before the first message, the binding, is needed to read any of it.
	edge := func(otherwise, value, where string) string {
		return "(SELECT if(count() = 0, " + otherwise + ", toUnixTimestamp64Nano(" + value + ")) FROM messages WHERE association = toUUID({association:String})" + where + ")"
	}
	// Nor are the transfers needed that did not come to their end.
	first := "least(" + edge(whole, "min(captured_at)", "") + `,
  (SELECT if(count() = 0, toInt64(9223372036854775807), toUnixTimestamp64Nano(min(time))) FROM problems WHERE association = toUUID({association:String}) AND reason = 'unfinished')) - 1`
	var wants []packets.Want
	if rows[0][2] != "" {
		// It began in an association before, as the last there.
		s.params["association"] = rows[0][1]
		w, err := s.windows(ctx, never, first, edge(never, "max(captured_until)", "")+" + 1", whole)
		if err != nil && !errors.Is(err, errNoConnection) {
			return nil, err
		}
		if err == nil {
			wants = append(wants, w)
		}
	}
	s.params["association"] = rows[0][0]
	w, err := s.windows(ctx, never, first,
		edge(never, "max(captured_until)", " AND toUnixTimestamp64Nano(captured_until) < {from:Int64}")+" + 1",
		edge(whole, "min(captured_at)", " AND toUnixTimestamp64Nano(captured_at) > {until:Int64}")+" - 1")
	return append(wants, w), err
}

// aftermath is how long after a connection's end its last acknowledgements may come.
const aftermath = 10 * time.Second

var errNoConnection = errors.New("no such connection in the archive")

// windows returns the connection of the parameter association, with the windows of
// time whose ends are given as SQL, held to the time of the connection.
func (s *single) windows(ctx context.Context, ends ...string) (w packets.Want, err error) {
	// Its last acknowledgements may come when it has ended, but before another of the
	// same ends begins.
	sql := `WITH (SELECT (client_address, client_port, server_address, server_port, last_seen) FROM associations WHERE association = toUUID({association:String}) LIMIT 1) AS this,
  (SELECT min(first_seen) FROM associations WHERE (client_address, client_port, server_address, server_port) = (this.1, this.2, this.3, this.4) AND first_seen > this.5) AS next
SELECT client_address, client_port, server_address, server_port, toUnixTimestamp64Nano(first_seen),
  if(next > last_seen, least(toUnixTimestamp64Nano(next) - 1, toUnixTimestamp64Nano(last_seen) + {aftermath:Int64}), toUnixTimestamp64Nano(last_seen) + {aftermath:Int64})`
	s.params["aftermath"] = strconv.FormatInt(int64(aftermath), 10)
	for _, e := range ends {
		sql += ", " + e
	}
	rows, err := s.rows(ctx, sql+" FROM associations WHERE association = toUUID({association:String}) LIMIT 1")
	if err != nil {
		return w, err
	}
	if len(rows) == 0 {
		return w, fmt.Errorf("%s: %w", s.params["association"], errNoConnection)
	}
	row := rows[0]
	client, err1 := netip.ParseAddr(row[0])
	server, err2 := netip.ParseAddr(row[2])
	times := make([]int64, len(row))
	for i := range row {
		if i == 0 || i == 2 {
			continue
		}
		times[i], err = strconv.ParseInt(row[i], 10, 64)
		err1 = errors.Join(err1, err)
	}
	if err := errors.Join(err1, err2); err != nil {
		return w, err
	}
	w.Key = capture.KeyOf(netip.AddrPortFrom(client, uint16(times[1])), netip.AddrPortFrom(server, uint16(times[3])))
	for i := 6; i < len(times); i += 2 {
		w.Windows = append(w.Windows, packets.Window{From: max(times[i], times[4]), To: min(times[i+1], times[5])})
	}
	return w, nil
}

// sources returns the captures that were read and reach into the windows.
func sources(ctx context.Context, o *options, wants []packets.Want) (files []string, err error) {
	first, last := wants[0].Windows[0].From, wants[0].Windows[0].To
	for _, w := range wants {
		for _, x := range w.Windows {
			first, last = min(first, x.From), max(last, x.To)
		}
	}
	st, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	s := &single{st: st, params: params{"first": strconv.FormatInt(first, 10), "last": strconv.FormatInt(last, 10)}}
	rows, err := s.rows(ctx, `SELECT name FROM captures
WHERE toUnixTimestamp64Nano(first_time) <= {last:Int64} AND toUnixTimestamp64Nano(last_time) >= {first:Int64}
GROUP BY name ORDER BY min(first_time), name`)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if fi, err := os.Stat(r[0]); err == nil && fi.Mode().IsRegular() {
			files = append(files, r[0])
		}
	}
	switch {
	case len(files) > 0:
		return files, nil
	case len(rows) > 0:
		return nil, fmt.Errorf("the packets were in %s, which is not here: name the folder that has them with -from", rows[0][0])
	}
	return nil, errors.New("no capture that was read has these packets: name the folder of ingest -write-pcap with -from")
}

// folders is a flag that may be given several times.
type folders []string

func (f *folders) String() string     { return fmt.Sprint([]string(*f)) }
func (f *folders) Set(v string) error { *f = append(*f, v); return nil }

// files returns the captures in them, in the order of their names, which is that of
// time where ingest -write-pcap wrote them.
func (f folders) files() (files []string, err error) {
	for _, name := range f {
		fi, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("-from: %w", err)
		}
		if !fi.IsDir() {
			files = append(files, name)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, fmt.Errorf("-from: %w", err)
		}
		for _, e := range entries {
			name := filepath.Join(name, e.Name())
			if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() && isCapture(name) {
				files = append(files, name)
			}
		}
	}
	return files, nil
}

func isCapture(name string) bool {
	r, err := capture.Open(name)
	if err != nil {
		return false
	}
	return r.Close() == nil
}
