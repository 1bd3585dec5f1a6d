package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"x400flow/engine"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// target is the time in which every query is to answer.
const target = 500 * time.Millisecond

// question is a query to be measured: statements that are run one after the
// other, or a command line of query.
type question struct {
	name       string
	statements []string
	params     map[string]string
	command    []string
	// without names skip indexes that it is also measured without, each in turn.
	without []string
}

// took is what one run of a question took.
type took struct {
	wall, cpu  time.Duration
	peak       uint64
	rows, read uint64
	result     uint64
}

// meter runs questions against the engine of one archive.
type meter struct {
	dir, program string
	client       http.Client
}

func measureAll(ctx context.Context, st *store.Store, o *options, started engine.Options, out io.Writer) error {
	questions, err := questions(ctx, st)
	if err != nil {
		return err
	}
	m := &meter{dir: o.dir, program: o.query, client: http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return engine.Dialer(o.dir, started)(ctx, addr)
	}}}}
	fmt.Fprintf(out, "%-44s%9s%9s%9s%13s%9s%9s%8s\n", "query", "cold ms", "warm ms", "CPU ms", "rows read", "MB read", "peak MB", "result")
	slow := 0
	for _, q := range questions {
		if q.without != nil || !strings.Contains(q.name, o.only) {
			continue
		}
		if err := m.forget(ctx); err != nil {
			return err
		}
		cold, err := m.run(ctx, &q)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		var warm []took
		for range o.runs {
			t, err := m.run(ctx, &q)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			warm = append(warm, t)
		}
		slices.SortFunc(warm, func(a, b took) int { return int(a.wall - b.wall) })
		median := warm[len(warm)/2]
		slices.SortFunc(warm, func(a, b took) int { return int(a.cpu - b.cpu) })
		mark := ""
		if median.wall > target {
			mark = "  slow"
			slow++
		}
		// Each as it comes: on a large archive the whole takes minutes.
		fmt.Fprintf(out, "%-44s%9d%9d%9d%13d%9.1f%9.0f%8d%s\n", q.name, cold.wall.Milliseconds(), median.wall.Milliseconds(), warm[len(warm)/2].cpu.Milliseconds(),
			median.rows, float64(median.read)/1e6, float64(max(cold.peak, median.peak))/1e6, median.result, mark)
	}
	if slow > 0 {
		fmt.Fprintf(out, "\n%d took longer than %v.\n", slow, target)
	}
	return m.measureIndexes(ctx, questions, o, out)
}

// measureIndexes prints what each skip index brings: what a question that it serves
// takes with it and without it, warm.
func (m *meter) measureIndexes(ctx context.Context, questions []question, o *options, out io.Writer) error {
	fmt.Fprintf(out, "\n%-44s%-20s%9s%9s%13s%13s%9s%9s\n", "query", "index", "CPU ms", "without", "rows read", "without", "MB read", "without")
	for _, q := range questions {
		if q.without == nil || !strings.Contains(q.name, o.only) {
			continue
		}
		// The second run is warm.
		warm := func() (t took, err error) {
			for range 2 {
				if t, err = m.run(ctx, &q); err != nil {
					return t, fmt.Errorf("%s: %w", q.name, err)
				}
			}
			return t, nil
		}
		delete(q.params, ignored)
		with, err := warm()
		if err != nil {
			return err
		}
		for _, index := range q.without {
			q.params[ignored] = index
			without, err := warm()
			if err != nil {
				return err
			}
			if without.result != with.result {
				return fmt.Errorf("%s: %d rows with the index %s, %d without", q.name, with.result, index, without.result)
			}
			fmt.Fprintf(out, "%-44s%-20s%9d%9d%13d%13d%9.1f%9.1f\n", q.name, index, with.cpu.Milliseconds(), without.cpu.Milliseconds(),
				with.rows, without.rows, float64(with.read)/1e6, float64(without.read)/1e6)
		}
	}
	return nil
}

// ignored is the setting that names the skip indexes that a statement is to do without.
const ignored = "ignore_data_skipping_indices"

// questions are the reports and the searches. What is searched for is drawn from
// the archive.
func questions(ctx context.Context, st *store.Store) ([]question, error) {
	conn := st.Conn()
	draw := func(value, from string) (string, error) {
		return one[string](ctx, conn, "SELECT toString("+value+") FROM "+from+" ORDER BY cityHash64(apdu) LIMIT 1")
	}
	// Somebody who gets mail, of whom there is a report, in the middle of the archive.
	middle, err := one[string](ctx, conn, "SELECT toString(min(day) + intDiv(max(day) - min(day), 2)) FROM flow_inserts_store")
	if err != nil {
		return nil, err
	}
	named := "recipients_store WHERE origin_time >= toDateTime64('" + middle + "', 0, 'UTC') AND origin_time < toDateTime64('" + middle + "', 0, 'UTC') + toIntervalDay(7) AND kind = 'report' AND surname != '' AND organization != '' AND match(surname, '^[A-Z][a-z]*$') AND match(organization, '^[A-Z][a-z ]*$')"
	mtsID, err := draw("subject_mts_id", named)
	if err != nil {
		return nil, err
	}
	recipient, err := draw("concat('S=', surname, ';O=', organization)", named)
	if err != nil {
		return nil, err
	}
	surname, err := draw("surname", named)
	if err != nil {
		return nil, err
	}
	apdu, err := draw("apdu", named)
	if err != nil {
		return nil, err
	}
	// Words of the vocabulary, the first of which are the most frequent.
	word := func(rank int) string {
		w, err2 := one[string](ctx, conn, fmt.Sprintf("WITH %s SELECT vocab[%d]", vocab, rank))
		err = errors.Join(err, err2)
		return w
	}
	frequent, middling, rare := word(1), word(300), word(30001)
	if err != nil {
		return nil, err
	}
	all, byReport := []question{}, map[string]question{}
	reports, err := schema.Reports()
	if err != nil {
		return nil, err
	}
	for _, r := range reports {
		q := question{name: r.Name, params: map[string]string{}}
		for _, p := range r.Params {
			q.params[p.Name] = p.Default
			if p.Required {
				q.params[p.Name] = mtsID
			}
		}
		for _, s := range r.Statements {
			q.statements = append(q.statements, s.SQL)
		}
		if r.Name == "search" {
			// Without an argument it finds nothing.
			q.params["subject"] = middling
		}
		byReport[r.Name] = q
		all = append(all, q)
	}
	// report is a report with some parameters, measured without some indexes.
	report := func(name, report string, params map[string]string, without ...string) question {
		q := byReport[report]
		q.name, q.params, q.without = name, maps.Clone(q.params), without
		maps.Copy(q.params, params)
		return q
	}
	// sql is a statement of the user's about the identifier or the APDU.
	sql := func(name, statement string, without ...string) question {
		return question{name: name, statements: []string{statement}, params: map[string]string{"id": mtsID, "apdu": apdu}, without: without}
	}
	pattern := "['%/s=" + strings.ToLower(surname) + "/%']"
	return append(all,
		question{name: "show MTS-IDENTIFIER", command: []string{"show", mtsID}},
		question{name: "messages -recipient " + recipient, command: []string{"messages", "-recipient", recipient}},
		question{name: "messages -recipient " + surname, command: []string{"messages", "-recipient", surname}},
		question{name: "messages -originator " + recipient, command: []string{"messages", "-originator", recipient}},
		question{name: "search -subject, frequent word", command: []string{"search", "-subject", frequent}},
		question{name: "search -subject, word", command: []string{"search", "-subject", middling}},
		question{name: "search -subject, rare word", command: []string{"search", "-subject", rare}},
		question{name: "search -text, frequent word", command: []string{"search", "-text", frequent}},
		question{name: "search -text, word", command: []string{"search", "-text", middling}},
		question{name: "search -text, rare word", command: []string{"search", "-text", rare}},
		question{name: "search -subject -text", command: []string{"search", "-subject", middling, "-text", frequent}},
		sql("messages by mts_id", "SELECT * FROM messages WHERE mts_id = {id:String}"),
		sql("journeys by mts_id", "SELECT * FROM journeys WHERE mts_id = {id:String}"),
		sql("deliveries by mts_id", "SELECT * FROM deliveries WHERE mts_id = {id:String}"),
		sql("hops by mts_id", "SELECT * FROM hops WHERE mts_id = {id:String}"),
		sql("recipients by apdu", "SELECT * FROM recipients WHERE apdu = {apdu:UUID}"),

		report("messages, a recipient's surname", "messages", map[string]string{"recipient": pattern}, "recipient_words"),
		report("messages, an originator's surname", "messages", map[string]string{"originator": pattern}, "originator_words,destination_words"),
		report("search, a rare subject", "search", map[string]string{"subject": rare}, "subject_words"),
		report("search, a rare text", "search", map[string]string{"subject": "", "text": rare}, "text_words"),
		report("trace", "trace", nil, "by_mts_id", "by_subject"),
		report("undelivered", "undelivered", nil, "by_outcome"),
		report("flows", "flows", nil, "captured_range"),
		report("problems", "problems", nil, "time_range", "captured_range", "by_transfer"),
		report("coverage", "coverage", nil, "interval_range"),
		sql("messages by mts_id", "SELECT * FROM messages WHERE mts_id = {id:String}", "by_mts_id"),
		sql("journeys by mts_id", "SELECT * FROM journeys WHERE mts_id = {id:String}", "by_journey", "by_subject"),
		sql("deliveries by mts_id", "SELECT * FROM deliveries WHERE mts_id = {id:String}", "by_journey", "by_subject"),
		sql("hops by mts_id", "SELECT * FROM hops WHERE mts_id = {id:String}", "by_mts_id"),
		sql("recipients by apdu", "SELECT * FROM recipients WHERE apdu = {apdu:UUID}", "by_apdu"),
	), nil
}

// forget makes what the engine and the system have cached be read again, as far
// as they let go of it.
func (m *meter) forget(ctx context.Context) error {
	for _, cache := range []string{"MARK", "UNCOMPRESSED", "INDEX MARK", "INDEX UNCOMPRESSED", "PRIMARY INDEX", "QUERY CONDITION"} {
		if _, err := m.ask(ctx, "SYSTEM DROP "+cache+" CACHE", nil); err != nil {
			return err
		}
	}
	return filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // Merges remove files meanwhile.
		}
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// run runs a question once. What the engine knows of which granules the same
// condition did not find anything in is forgotten before: the next question is
// another one.
func (m *meter) run(ctx context.Context, q *question) (took, error) {
	var t took
	if _, err := m.ask(ctx, "SYSTEM DROP QUERY CONDITION CACHE", nil); err != nil {
		return t, err
	}
	state, err := engine.Status(m.dir)
	if err != nil {
		return t, err
	}
	resetPeak(state.PID)
	cpu := cpuTime(state.PID)
	began := time.Now()
	for _, s := range q.statements {
		sum, err := m.ask(ctx, s, q.params)
		if err != nil {
			return t, err
		}
		t.rows += sum.Rows
		t.read += sum.Bytes
		t.result += sum.Result
	}
	if q.command != nil {
		b, err := exec.CommandContext(ctx, m.program, append([]string{"-store", m.dir}, q.command...)...).Output()
		if err != nil {
			return t, err
		}
		t.result = uint64(bytes.Count(b, []byte{'\n'}))
	}
	t.wall = time.Since(began)
	t.cpu = cpuTime(state.PID) - cpu
	t.peak = peak(state.PID)
	return t, nil
}

// summary is what the engine says of a statement.
type summary struct {
	Rows   uint64 `json:"read_rows,string"`
	Bytes  uint64 `json:"read_bytes,string"`
	Result uint64 `json:"result_rows,string"`
}

// ask runs a statement and reads its whole result.
func (m *meter) ask(ctx context.Context, sql string, params map[string]string) (summary, error) {
	var s summary
	v := url.Values{"default_format": {"JSON"}}
	for name, value := range params {
		if name != ignored {
			name = "param_" + name
		}
		v.Set(name, value)
	}
	u := *engine.Address()
	u.RawQuery = v.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(sql))
	if err != nil {
		return s, err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return s, err
	}
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s: %.500s", resp.Status, b)
	}
	if text := resp.Header.Get("X-ClickHouse-Summary"); text != "" {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return s, err
		}
	}
	return s, nil
}
