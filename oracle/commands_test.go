package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"x400flow/engine"
)

// bin is a folder for the commands; build puts them there on first use.
var bin string

var build = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-o", bin+"/", "../cmd/...", "../bench/cmd/...").CombinedOutput()
	if err != nil {
		return fmt.Errorf("the commands do not build: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "x400flow-oracle")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	code := m.Run()
	if err := (archive{filepath.Join(dir, "real")}).stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// command runs one of the commands and returns what it wrote to standard
// output and standard error.
func command(tb testing.TB, name string, args ...string) (stdout, stderr string) {
	tb.Helper()
	if err := build(); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, name), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		tb.Fatalf("%s %v: %v\n%s", name, args, err, errs.String())
	}
	return out.String(), errs.String()
}

// archive is a folder that ingest or decode wrote.
type archive struct{ dir string }

// newArchive returns an empty folder whose engine is stopped when the test ends.
func newArchive(tb testing.TB) archive {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "archive")
	a := archive{dir}
	tb.Cleanup(func() {
		if err := a.stop(); err != nil {
			tb.Error(err)
		}
	})
	return a
}

// stop stops the archive's engine, if it has one.
func (a archive) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := engine.Stop(ctx, a.dir); err != nil {
		return fmt.Errorf("the engine of %s: %w", a.dir, err)
	}
	return nil
}

var archiveReal sync.Once

// realArchive returns an archive of all real captures that are there, but those
// that must be alone, each read by itself. Nothing may be written to it.
func realArchive(tb testing.TB) archive {
	tb.Helper()
	a := archive{filepath.Join(bin, "real")}
	archiveReal.Do(func() {
		n := 0
		for _, c := range realCaptures() {
			if _, err := os.Stat(c.file); err == nil && !c.alone {
				a.ingest(tb, c.file)
				n++
			}
		}
		if rows := a.query(tb, "SELECT association FROM associations"); len(rows) != n {
			tb.Fatalf("%d associations in %d captures of one each", len(rows), n)
		}
	})
	return a
}

// ingest archives the captures, as one reading of all of them, and returns what
// the command said.
func (a archive) ingest(tb testing.TB, captures ...string) string {
	tb.Helper()
	return a.ingestWith(tb, nil, captures...)
}

// ingestWith is ingest with further flags.
func (a archive) ingestWith(tb testing.TB, flags []string, captures ...string) string {
	tb.Helper()
	args := append([]string{"-store", a.dir, "-sensor", "oracle", "-port", "102,1720,3389"}, flags...)
	for _, c := range captures {
		args = append(args, "-r", c)
	}
	stdout, stderr := command(tb, "ingest", args...)
	return stdout + stderr
}

// row is a row as JSONEachRow writes it, each value as text: NULL and false are
// empty, true is 1, a list's members are separated by commas.
type row map[string]string

// query returns the rows of a SELECT.
func (a archive) query(tb testing.TB, sql string) []row {
	tb.Helper()
	out, _ := command(tb, "query", "-store", a.dir, "-format", "JSONEachRow", sql)
	var rows []row
	dec := json.NewDecoder(strings.NewReader(out))
	dec.UseNumber()
	for dec.More() {
		var values map[string]any
		if err := dec.Decode(&values); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
		r := row{}
		for k, v := range values {
			r[k] = asText(v)
		}
		rows = append(rows, r)
	}
	return rows
}

func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "1"
		}
		return ""
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = asText(v[i])
		}
		return strings.Join(parts, ",")
	default:
		return fmt.Sprint(v)
	}
}

// Columns of messages, recipients and trace that are compared with tshark.
var (
	messageColumns = strings.Fields(`kind mts_id mts_id_country mts_id_admd mts_id_prmd mts_id_local
		originator originator_country originator_admd originator_prmd originator_organization
		originator_ou1 originator_ou2 originator_ou3 originator_ou4 originator_common_name
		originator_surname originator_given_name originator_initials originator_generation
		originator_x121 originator_terminal_id originator_numeric_id originator_dda
		report_destination subject_mts_id subject_country subject_admd subject_prmd subject_local
		content_type_number content_type_oid content_identifier eits priority priority_present
		indicators_present indicator_bits deferred_delivery recipient_count trace_count internal_trace_count
		origin_time last_trace_time sending_mta receiving_mta mode protocol`)
	recipientColumns = strings.Fields(`recipient number country admd prmd organization ou1 ou2 ou3 ou4
		common_name surname given_name initials generation x121 terminal_id numeric_id dda
		indicator_bits explicit_conversion outcome arrival_time converted_eits delivery_time
		mts_user_type reason_code reason diagnostic_code diagnostic supplementary_information intended_recipient`)
	traceColumns = strings.Fields(`domain country admd prmd mta_name arrival_time arrival_time_raw
		routing_action attempted_domain attempted_country attempted_admd attempted_prmd attempted_mta
		deferred_time converted_eits other_actions`)
	// Columns whose zero says the same as an absent field.
	zeroIsAbsent = map[string]bool{
		"indicator_bits": true, "recipient_count": true, "trace_count": true, "internal_trace_count": true,
	}
)

func (f facts) addRow(prefix string, r row, columns []string) {
	for _, c := range columns {
		if v := r[c]; v != "0" || !zeroIsAbsent[c] {
			f.set(prefix+c, v)
		}
	}
}

// apdus returns the MTS-APDUs of a connection by direction, in the order of
// transfer.
func (a archive) apdus(tb testing.TB, association string) map[string][]facts {
	tb.Helper()
	all := a.allAPDUs(tb)
	out := map[string][]facts{}
	for _, r := range a.query(tb, "SELECT apdu, direction FROM messages WHERE association = '"+association+"' ORDER BY direction, stream_offset") {
		direction := map[string]string{"client-to-server": "c2s", "server-to-client": "s2c"}[r["direction"]]
		out[direction] = append(out[direction], all[r["apdu"]])
	}
	return out
}

// allAPDUs returns every MTS-APDU of the archive by its identifier.
func (a archive) allAPDUs(tb testing.TB) map[string]facts {
	tb.Helper()
	out := map[string]facts{}
	for _, r := range a.query(tb, "SELECT * FROM messages") {
		f := facts{}
		f.addRow("", r, messageColumns)
		f.addRow("", r, messageFlags)
		f.set("content_size", r["content_size"])
		if r["content_present"] == "1" {
			f.set("content_sha256", strings.ToLower(r["content_sha256"]))
		}
		if r["status"] != "ok" {
			f.set("status", strings.Join([]string{r["status"], r["error_layer"], r["error_reason"], r["error_path"]}, " "))
		}
		out[r["apdu"]] = f
	}
	for _, r := range a.query(tb, "SELECT * FROM recipients") {
		if f := out[r["apdu"]]; f != nil {
			f.addRow("recipient["+r["position"]+"].", r, recipientColumns)
			f.addRow("recipient["+r["position"]+"].", r, recipientFlags)
		} else {
			tb.Errorf("a recipient of %s, which is not in messages", r["apdu"])
		}
	}
	for _, r := range a.query(tb, "SELECT * FROM trace") {
		if f := out[r["apdu"]]; f != nil {
			name := map[string]string{
				"envelope domain": "trace", "envelope internal": "internal_trace",
				"report-subject domain": "subject_trace", "report-subject internal": "subject_internal_trace",
			}[r["scope"]+" "+r["level"]]
			f.addRow(name+"["+r["seq"]+"].", r, traceColumns)
		} else {
			tb.Errorf("a trace element of %s, which is not in messages", r["apdu"])
		}
	}
	return out
}
