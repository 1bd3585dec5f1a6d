package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// show prints one message as a person reads it.
func show(ctx context.Context, o *options, args []string, out *os.File, messages io.Writer) error {
	mtsID, err := oneArgument("show", o, args, messages, nil)
	if err != nil || mtsID == "" {
		return err
	}
	s, err := find(ctx, o, mtsID)
	if err != nil {
		return err
	}
	defer s.st.Close()
	p := &page{out: out}
	for _, part := range []func(context.Context, *page) error{s.envelope, s.recipients, s.hops, s.sightings, s.reports, s.contents} {
		if err := part(ctx, p); err != nil {
			return err
		}
	}
	return p.err
}

// page prints lines, and keeps the first error.
type page struct {
	out io.Writer
	err error
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// line prints a name and a value, nothing where that is empty. Control characters
// of what messages say never reach a terminal.
func (p *page) line(name, value string) {
	if value != "" && value != "ᴺᵁᴸᴸ" {
		p.printf("  %-22s %s\n", name, printable(value, false))
	}
}

func (p *page) title(s string) { p.printf("\n%s\n", s) }

func printable(s string, lines bool) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' && lines || r == '\t' {
			return r
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '·'
		}
		return r
	}, s)
}

// the columns of a query, each with what it is called on the page.
type column struct{ title, sql string }

func list(columns []column) string {
	var s []string
	for _, c := range columns {
		s = append(s, "ifNull(toString("+c.sql+"), '')")
	}
	return strings.Join(s, ", ")
}

// table prints the rows of a query, one a block.
func (s *single) table(ctx context.Context, p *page, columns []column, from string) ([][]string, error) {
	rows, err := s.rows(ctx, "SELECT "+list(columns)+" "+from)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for i, v := range row {
			if columns[i].title != "" {
				p.line(columns[i].title, v)
			}
		}
	}
	return rows, nil
}

func (s *single) envelope(ctx context.Context, p *page) error {
	const absent = "1970-01-01 00:00:00"
	rows, err := s.rows(ctx, "SELECT kind, mts_id FROM messages WHERE "+ofAPDU)
	if err != nil {
		return err
	}
	p.printf("%s %s\n", strings.ToUpper(rows[0][0][:1])+rows[0][0][1:], printable(rows[0][1], false))
	_, err = s.table(ctx, p, []column{
		{"Entered the MTS", "if(toString(origin_time) = '" + absent + "', '', concat(toString(origin_time), ' UTC'))"},
		{"Originator", "originator"}, {"AF-address", "originator_af"}, {"Destination", "report_destination"}, {"Subject", "subject_mts_id"},
		{"Content type", "content_type"}, {"Content identifier", "content_identifier"},
		{"Encoded information", "arrayStringConcat(eits, ', ')"}, {"Priority", "priority"},
		{"Deferred until", "deferred_delivery"}, {"Content", "if(content_present, concat(toString(content_size), ' octets'), '')"},
		{"Security label", "security_label"}, {"Could not be read", "if(status = 'ok', '', concat(error_path, ': ', error_reason))"},
	}, "FROM messages WHERE "+ofAPDU)
	if err != nil {
		return err
	}
	_, err = s.table(ctx, p, []column{{"Extension", "concat(if(name = '', if(oid = '', toString(number), oid), name), if(value = '', '', concat(': ', substringUTF8(value, 1, 200))))"}},
		"FROM extensions WHERE "+ofAPDU+" AND owner = 0 AND name NOT IN ('internal-trace-information', 'message-security-label') ORDER BY scope, position")
	return err
}

func (s *single) recipients(ctx context.Context, p *page) error {
	rows, err := s.rows(ctx, `SELECT toString(ifNull(number, 0)), recipient, multiIf(originator_report, ' (report asked for)', originator_non_delivery_report, ' (non-delivery report asked for)', ''),
		outcome, ifNull(toString(delivery_time), ''), reason, diagnostic, supplementary_information
		FROM recipients WHERE `+ofAPDU+` ORDER BY position`)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		p.title("Recipients")
	}
	for _, r := range rows {
		told := r[2]
		switch r[3] {
		case "delivered":
			told = ": delivered " + r[4] + " UTC"
		case "not-delivered":
			told = ": not delivered, " + strings.Trim(r[5]+", "+r[6]+", "+r[7], ", ")
		}
		p.printf("  %s  %s%s\n", r[0], printable(r[1], false), printable(told, false))
	}
	return nil
}

func (s *single) hops(ctx context.Context, p *page) error {
	rows, err := s.rows(ctx, `SELECT level, domain, mta_name, ifNull(toString(arrival_time), arrival_time_raw), routing_action, arrayStringConcat(other_actions, ', ')
		FROM trace WHERE `+ofAPDU+` AND scope = 'envelope' ORDER BY level, seq`)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		p.title("Hops")
	}
	for _, r := range rows {
		where := r[1]
		if r[2] != "" {
			where = r[2] + " in " + where
		}
		p.printf("  %s  %s  %s\n", r[3], printable(where, false), strings.TrimSpace(r[4]+" "+r[5]))
	}
	return nil
}

func (s *single) sightings(ctx context.Context, p *page) error {
	rows, err := s.rows(ctx, `SELECT toString(captured_at), if(sending_mta = '', source_address, sending_mta), if(receiving_mta = '', destination_address, receiving_mta), source, toString(first_frame)
		FROM messages WHERE `+ofSightings+` ORDER BY captured_at, apdu`)
	if err != nil {
		return err
	}
	p.title("Seen")
	for _, r := range rows {
		p.printf("  %s  %s -> %s  %s frame %s\n", r[0], printable(r[1], false), printable(r[2], false), printable(r[3], false), r[4])
	}
	return nil
}

func (s *single) reports(ctx context.Context, p *page) error {
	rows, err := s.rows(ctx, `SELECT toString(origin_time), mts_id, recipient, outcome, ifNull(toString(delivery_time), ''), reason, diagnostic, supplementary_information
		FROM recipients WHERE `+ofReports+` ORDER BY origin_time, mts_id, position LIMIT 1 BY mts_id, recipient_key`)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		p.title("Reports")
	}
	for _, r := range rows {
		told := "delivered " + r[4] + " UTC"
		if r[3] == "not-delivered" {
			told = "not delivered, " + strings.Trim(r[5]+", "+r[6]+", "+r[7], ", ")
		}
		p.printf("  %s  %s  %s: %s\n", r[0], printable(r[1], false), printable(r[2], false), printable(told, false))
	}
	return nil
}

// contents prints headings and texts, those of forwarded messages too.
func (s *single) contents(ctx context.Context, p *page) error {
	paths, err := s.rows(ctx, "SELECT path, kind, ats_source FROM ipms WHERE "+ofAPDU+" ORDER BY depth, path")
	if err != nil {
		return err
	}
	for _, path := range paths {
		s.params["path"] = path[0]
		title := "Content: " + path[1]
		if path[0] != "" {
			title = "Within it, at " + path[0] + ": " + path[1]
		}
		p.title(title)
		const here = ofAPDU + " AND path = {path:String}"
		if _, err := s.table(ctx, p, []column{
			{"Identifier", "ipm_id"}, {"From", "originator"}, {"AF-address", "originator_af"},
		}, "FROM ipms WHERE "+here); err != nil {
			return err
		}
		to, err := s.rows(ctx, `SELECT role, concat(descriptor, if(af = '', '', concat(' ', af)), if(empty(notification_requests), '', concat(' [', arrayStringConcat(notification_requests, ', '), ']')),
			if(reply_requested, ' [reply]', ''), if(isNull(precedence), '', concat(' [precedence ', toString(precedence), ']'))) FROM ipm_recipients WHERE `+here+" ORDER BY position")
		if err != nil {
			return err
		}
		roles := map[string]string{"authorizing-user": "Authorized by", "primary": "To", "copy": "Cc", "blind-copy": "Bcc", "reply-recipient": "Reply to"}
		for _, r := range to {
			p.line(roles[r[0]], r[1])
		}
		if _, err := s.table(ctx, p, []column{
			{"Subject", "subject"}, {"Extended subject", "extended_subject"}, {"Importance", "importance"}, {"Sensitivity", "sensitivity"},
			{"Forwarded", "if(auto_forwarded, 'automatically', '')"}, {"Expires", "expiry_time"}, {"Reply by", "reply_time"},
			{"Delivered", "delivery_time"}, {"Delivery", "delivery_envelope"},
			{"ATS priority", "ats_priority"}, {"ATS filing time", "ats_filing_time"}, {"ATS information", "ats_ohi"},
			{"Intended recipient", "intended_recipient"}, {"Reason", "non_receipt_reason"}, {"Discarded", "discard_reason"},
			{"Comment", "auto_forward_comment"}, {"Received", "receipt_time"}, {"Acknowledgment", "acknowledgment_mode"},
			{"Information", "suppl_receipt_info"}, {"Type", "trim(concat(inner_type, ' ', inner_content))"}, {"Signer", "signer"},
			{"Could not be read", "if(status = 'ok', '', concat(error_path, ': ', error_reason))"},
		}, "FROM ipms WHERE "+here); err != nil {
			return err
		}
		if _, err := s.table(ctx, p, []column{{"Reference", "concat(relation, ' ', ipm_id)"}}, "FROM ipm_references WHERE "+here+" AND relation != 'subject' ORDER BY position"); err != nil {
			return err
		}
		if _, err := s.table(ctx, p, []column{{"Extension", "concat(if(name = '', oid, name), if(value = '', '', concat(': ', substringUTF8(value, 1, 200))))"}},
			"FROM ipm_extensions WHERE "+here+" AND scope != 'recipient' ORDER BY position"); err != nil {
			return err
		}
		parts, err := s.rows(ctx, `SELECT toString(position), kind, toString(size), file_name, nested_path, charset, text, text_reason, toString(is_text)
			FROM body_parts WHERE `+here+" ORDER BY position")
		if err != nil {
			return err
		}
		for _, r := range parts {
			about := r[1] + ", " + r[2] + " octets"
			for _, more := range []string{r[5], r[3], r[7]} {
				if more != "" {
					about += ", " + more
				}
			}
			if r[4] != "" {
				about += ", see " + r[4]
			}
			p.printf("\n  [%s: %s]\n", r[0], printable(about, false))
			if r[6] != "" {
				p.printf("\n%s\n", printable(strings.TrimRight(strings.ReplaceAll(r[6], "\r\n", "\n"), "\n"), true))
			}
		}
	}
	return nil
}
