package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"x400flow/pipeline/store"
	"x400flow/x411"
	"x400flow/x411/ipm"
	"x400flow/x411/rfc2156"
)

// single is the message that show and export are about.
type single struct {
	st   *store.Store
	apdu string
	// params are the parameters of its queries: its MTS identifier, and its
	// origin_time and apdu, by which what belongs to it is found.
	params params
}

// Conditions on what belongs to a message: all that belongs to the MTS-APDU is
// found by the first columns of the sorting keys; the sightings of the message,
// and reports on it, are first looked up in messages, by index.
const (
	ofAPDU      = "origin_time = parseDateTime64BestEffort({origin_time:String}, 0, 'UTC') AND apdu = toUUID({apdu:String})"
	ofSightings = "(origin_time, apdu) GLOBAL IN (SELECT origin_time, apdu FROM messages_store WHERE mts_id = {mts_id:String} OR apdu = toUUIDOrZero({mts_id:String})) AND (mts_id = {mts_id:String} OR apdu = toUUIDOrZero({mts_id:String}))"
	ofReports   = "(origin_time, apdu) GLOBAL IN (SELECT origin_time, apdu FROM messages_store WHERE subject_mts_id = {mts_id:String}) AND kind = 'report' AND subject_mts_id = {mts_id:String}"
)

// find opens the archive and finds the sighting of a message, probe or report to
// be shown: that with the longest trace, and of these the first captured.
func find(ctx context.Context, o *options, mtsID string) (*single, error) {
	st, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &single{st: st, params: params{"mts_id": mtsID}}
	rows, err := s.rows(ctx, "SELECT toString(apdu), toString(origin_time) FROM messages WHERE "+ofSightings+" ORDER BY trace_count DESC, captured_at, apdu LIMIT 1")
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("no message, probe or report has the identifier %s: query messages lists them", mtsID)
	}
	if err != nil {
		st.Close()
		return nil, err
	}
	s.apdu = rows[0][0]
	s.params["apdu"], s.params["origin_time"] = rows[0][0], rows[0][1]
	return s, nil
}

// rows returns the result of a query as texts.
func (s *single) rows(ctx context.Context, sql string) ([][]string, error) {
	var b bytes.Buffer
	if err := stream(ctx, s.st, "JSONCompactStringsEachRow", sql, s.params, &b); err != nil {
		return nil, err
	}
	var all [][]string
	d := json.NewDecoder(&b)
	for d.More() {
		var row []string
		if err := d.Decode(&row); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}

// octets returns the MTS-APDU as RTSE delivered it.
func (s *single) octets(ctx context.Context) ([]byte, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters(s.params)))
	var kept bool
	var octets string
	err := s.st.Conn().QueryRow(ctx, "SELECT kept, if(content_inline, head, concat(head, content, tail)) FROM contents WHERE "+ofAPDU).Scan(&kept, &octets)
	switch {
	case err != nil:
		return nil, plain(err)
	case !kept:
		return nil, fmt.Errorf("the content of %s was not kept (-keep envelope): -as json writes what was", s.params["mts_id"])
	}
	return []byte(octets), nil
}

// export writes one message.
func export(ctx context.Context, o *options, args []string, out *os.File, messages io.Writer) error {
	as := "ber"
	mtsID, err := oneArgument("export", o, args, messages, func(flags *flag.FlagSet) {
		flags.StringVar(&as, "as", as, "`form`: ber (the MTS-APDU), eml (RFC 2156) or json (every row)")
	})
	if err != nil || mtsID == "" {
		return err
	}
	if as != "ber" && as != "eml" && as != "json" {
		return &usageError{fmt.Errorf("-as %s: must be ber, eml or json", as)}
	}
	s, err := find(ctx, o, mtsID)
	if err != nil {
		return err
	}
	defer s.st.Close()
	if as == "json" {
		return s.json(ctx, out)
	}
	octets, err := s.octets(ctx)
	if err != nil {
		return err
	}
	var a x411.APDU
	status := a.Decode(octets)
	if as == "ber" {
		// The MTS-APDU itself, without the EXTERNAL of normal mode.
		_, err := out.Write(a.Octets.Of(octets))
		return err
	}
	if status == x411.StatusFailed || a.Kind != x411.KindMessage || !a.Content.Present {
		return fmt.Errorf("%s is a %s: only a message can be written as eml", mtsID, a.Kind)
	}
	var c ipm.Content
	c.Decode(a.AppendContent(nil), &a.ContentType)
	left, err := rfc2156.Write(out, &a, &c)
	if len(left) > 0 {
		fmt.Fprintf(messages, "Left out: %s.\n", strings.Join(left, "; "))
	}
	return err
}

// oneArgument parses the flags of show and export, which may stand before or after
// the MTS identifier. It is empty where help was asked for.
func oneArgument(name string, o *options, args []string, messages io.Writer, define func(*flag.FlagSet)) (string, error) {
	flags := flag.NewFlagSet("query "+name, flag.ContinueOnError)
	flags.SetOutput(messages)
	o.store.Define(flags)
	if define != nil {
		define(flags)
	}
	flags.Usage = func() {
		fmt.Fprintf(messages, "query %s MTS-IDENTIFIER (or the apdu of a row, or for pcap an association)\n\n", name)
		flags.PrintDefaults()
	}
	var given []string
	for {
		if err := flags.Parse(args); err != nil {
			return "", parseError(err)
		}
		if flags.NArg() == 0 {
			break
		}
		given, args = append(given, flags.Arg(0)), flags.Args()[1:]
	}
	if len(given) != 1 {
		return "", &usageError{fmt.Errorf("%s takes one argument, an MTS identifier such as '[/PRMD=X/ADMD=Y/C=GB/;1234]'", name)}
	}
	return given[0], nil
}

// jsonTables are what a message has rows in, with the columns that hold octets.
var jsonTables = []struct{ name, octets string }{
	{"messages", "additional_information_raw"}, {"recipients", ""}, {"trace", ""}, {"extensions", "raw"}, {"bilateral", "raw"},
	{"ipms", ""}, {"ipm_recipients", ""}, {"ipm_references", ""}, {"ipm_extensions", "raw"}, {"ipm_extension_items", ""}, {"body_parts", "octets"},
}

// json writes the rows of the message, and those of reports on it, as one object.
// Columns of octets are hexadecimal digits.
func (s *single) json(ctx context.Context, out io.Writer) error {
	object := map[string][]json.RawMessage{}
	rows := func(key, table, octets, where string) error {
		sql := "SELECT *"
		if octets != "" {
			sql += " REPLACE(hex(" + octets + ") AS " + octets + ")"
		}
		var b bytes.Buffer
		if err := stream(ctx, s.st, "JSONEachRow", sql+" FROM "+table+" WHERE "+where, s.params, &b); err != nil {
			return err
		}
		object[key] = []json.RawMessage{}
		d := json.NewDecoder(&b)
		for d.More() {
			var row json.RawMessage
			if err := d.Decode(&row); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
			object[key] = append(object[key], row)
		}
		return nil
	}
	for _, t := range jsonTables {
		if err := rows(t.name, t.name, t.octets, ofAPDU+" ORDER BY ALL"); err != nil {
			return err
		}
	}
	if err := rows("reports", "recipients", "", ofReports+" ORDER BY origin_time, apdu, position"); err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(object)
}
