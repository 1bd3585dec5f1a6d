package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Bounds of a request.
const (
	maxQuery      = 1 << 20 // Octets of SQL, the data of an INSERT not counted.
	maxSettings   = 1000
	maxParams     = 10000
	maxTables     = 16
	maxWaiting    = 256
	maxException  = 16 << 10 // As ClickHouse cuts what it adds to a started response.
	writeDeadline = 5 * time.Minute
	killInterval  = 100 * time.Millisecond
)

// handler is ClickHouse's HTTP interface.
type handler struct {
	db      *database
	temp    string
	maxBody int64
	queries chan struct{}
	inserts chan struct{}
	waiting atomic.Int64
	room    *space
	// reads ends when the engine leaves and unfinished queries must too.
	reads context.Context
}

func newHandler(db *database, temp string, o Options, room *space, reads context.Context) *handler {
	return &handler{
		db:      db,
		temp:    temp,
		room:    room,
		maxBody: o.MaxBody,
		queries: make(chan struct{}, o.Connections),
		inserts: make(chan struct{}, max(1, o.Connections/2)),
		reads:   reads,
	}
}

// notSettings are the URL parameters that are none; what is left are settings.
var notSettings = []string{
	"query", "database", "default_format", "query_id", "compress", "decompress", "client_protocol_version",
	"session_id", "session_timeout", "session_check", "session_close", "user", "password", "quota_key", "role",
	"stacktrace", "wait_end_of_query", "buffer_size", "hedged_requests", "close_session",
	// The engine has its own use for the first, and acknowledges no insert before
	// it is written.
	"log_comment", "async_insert", "wait_for_async_insert", "implicit_select",
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// request is a request, read.
type request struct {
	id       string // The query_id; also the log_comment that marks the session.
	mark     string
	settings []param
	readonly string
	params   []param
	database string
	format   string
	revision uint64
	wait     bool
	stmt     statement
	data     *spool
	tables   []table
}

// table is an external table: data that come with a query.
type table struct {
	name, structure, format string
	data                    *spool
}

func (q *request) close() {
	q.data.remove()
	for _, t := range q.tables {
		t.data.remove()
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-ClickHouse-Server-Display-Name", h.db.name)
	rc := http.NewResponseController(w)
	// The deadline of an earlier response on this connection is not ours.
	_ = rc.SetWriteDeadline(time.Time{})
	switch r.URL.Path {
	case "/":
	case "/ping", "/replicas_status":
		io.WriteString(w, "Ok.\n")
		return
	default:
		http.Error(w, "There is no handle "+r.URL.Path, http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodHead:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, PUT")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.URL.Query().Get("query") == "" {
		io.WriteString(w, "Ok.\n")
		return
	}
	out := &output{w: w, rc: rc, h: h}
	q, err := h.read(r)
	if q != nil {
		defer q.close()
		out.prepare(r, q)
	}
	if err == nil {
		err = h.serve(r, q, out)
	}
	if err != nil {
		out.fail(asException(err))
	}
}

// read takes a request apart and puts its data into files.
func (h *handler) read(r *http.Request) (*request, error) {
	p := r.URL.Query()
	q := &request{
		id:       p.Get("query_id"),
		mark:     uuid.NewString(),
		database: cmpOr(p.Get("database"), r.Header.Get("X-ClickHouse-Database")),
		format:   cmpOr(p.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		wait:     truthy(p.Get("wait_end_of_query")),
	}
	if q.id == "" {
		q.id = q.mark
	}
	if v := p.Get("client_protocol_version"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return q, badRequest("client_protocol_version %q is not a number", v)
		}
		q.revision = n
	}
	if !settingName.MatchString(q.format) {
		return q, badRequest("%q is not the name of a format", q.format)
	}
	external := ""
	ct, ctParams, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if ct == "multipart/form-data" {
		external = ctParams["boundary"]
	}
	for name, values := range p {
		v := values[0]
		switch {
		case strings.HasPrefix(name, "param_"):
			q.params = append(q.params, param{name[len("param_"):], v})
		case name == "readonly":
			if v != "0" && v != "1" && v != "2" {
				return q, badRequest("readonly must be 0, 1 or 2")
			}
			q.readonly = v
		case slices.Contains(notSettings, name):
		case external != "" && (strings.HasSuffix(name, "_format") || strings.HasSuffix(name, "_structure") || strings.HasSuffix(name, "_types")):
			// They describe external tables.
		case !settingName.MatchString(name):
			return q, badRequest("%q is not the name of a setting", name)
		default:
			q.settings = append(q.settings, param{name, v})
		}
	}
	if len(q.settings) > maxSettings || len(q.params) > maxParams {
		return q, badRequest("too many parameters")
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut && (q.readonly == "" || q.readonly == "0") {
		// As ClickHouse has it: GET changes nothing.
		q.readonly = "2"
	}

	return q, h.readStatement(r, p, q, external)
}

// readStatement finds the statement and its data, in the URL and the body.
func (h *handler) readStatement(r *http.Request, p url.Values, q *request, external string) error {
	text := p.Get("query")
	if external != "" {
		t, err := h.readTables(r, p, q)
		if err != nil {
			return err
		}
		if text == "" {
			text = t
		}
		q.stmt, err = analyse(text, false)
		if err == nil && q.stmt.data {
			err = badRequest("an INSERT with data cannot come with external tables")
		}
		return err
	}
	body, err := unpack(r, h.maxBody)
	if err != nil {
		return err
	}
	defer body.Close()
	prefix, whole, err := readPrefix(body, maxQuery)
	if err != nil {
		return err
	}
	fromBody := text == ""
	if fromBody {
		text = string(prefix)
	}
	q.stmt, err = analyse(text, !fromBody && len(prefix) > 0)
	switch {
	case err != nil && (whole || !fromBody):
		return err
	case err != nil || !q.stmt.data && !whole:
		return &exception{code: 62, text: fmt.Sprintf("Code: 62. DB::Exception: Syntax error: Max query size exceeded (%d octets) (SYNTAX_ERROR)", maxQuery)}
	case !q.stmt.data && !fromBody && len(prefix) > 0:
		// A statement that goes on in the body.
		q.stmt, err = analyse(text+"\n"+string(prefix), false)
		return err
	case !q.stmt.data:
		return nil
	}
	head := []byte(text[q.stmt.dataAt:])
	if !fromBody {
		head = append(head, prefix...)
	}
	if strings.EqualFold(q.stmt.inFormat, "Values") {
		// This format alone may hold expressions.
		known := false
		if whole {
			if known, err = forbiddenIn(string(head)); err != nil {
				return err
			}
		}
		if !known {
			q.settings = append(q.settings, param{"input_format_values_interpret_expressions", "0"})
		}
	}
	if whole {
		body = io.NopCloser(strings.NewReader(""))
	}
	q.data, err = h.spool(head, body)
	return err
}

// readTables reads a multipart body: a field query, and files of external
// tables.
func (h *handler) readTables(r *http.Request, p url.Values, q *request) (query string, err error) {
	r.Body = http.MaxBytesReader(nil, r.Body, h.maxBody)
	mr, err := r.MultipartReader()
	if err != nil {
		return "", badRequest("%v", err)
	}
	for {
		part, err := mr.NextPart()
		if err == io.EOF {
			return query, nil
		}
		if err != nil {
			return "", badRequest("reading the body: %v", err)
		}
		name := part.FormName()
		if name == "query" {
			b, whole, err := readPrefix(part, maxQuery)
			if err != nil || !whole {
				return "", badRequest("reading the query: too long or cut short")
			}
			query = string(b)
			continue
		}
		t := table{name: name, structure: cmpOr(p.Get(name+"_structure"), p.Get(name+"_types")), format: cmpOr(p.Get(name+"_format"), "TabSeparated")}
		if name == "" || t.structure == "" || !settingName.MatchString(t.format) || len(q.tables) == maxTables {
			return "", badRequest("external table %q: it needs a name, a structure and a format, and there are %d at most", name, maxTables)
		}
		if t.data, err = h.spool(nil, part); err != nil {
			return "", err
		}
		q.tables = append(q.tables, t)
	}
}

// serve runs a request in a session of its own.
func (h *handler) serve(r *http.Request, q *request, out *output) error {
	slots := h.queries
	if q.stmt.data {
		slots = h.inserts
	}
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return &exception{code: 202, text: "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"}
	}
	select {
	case slots <- struct{}{}:
		h.waiting.Add(-1)
	case <-r.Context().Done():
		h.waiting.Add(-1)
		return r.Context().Err()
	case <-h.reads.Done():
		h.waiting.Add(-1)
		return errLeaving
	}
	defer func() { <-slots }()

	if q.stmt.writes() {
		if err := h.room.writable(); err != nil {
			return err
		}
	}
	s, err := h.db.session()
	if err != nil {
		return err
	}
	defer s.close()
	if q.readonly != "" && q.readonly != "0" && q.stmt.first == "KILL" {
		// ClickHouse would let a reader end what others write.
		return &exception{code: 164, text: "Code: 164. DB::Exception: Cannot execute query in readonly mode. (READONLY)"}
	}
	if err := h.setUp(s, q); err != nil {
		return err
	}
	if err := h.secondLook(s, q); err != nil {
		return err
	}
	if q.stmt.data {
		// Once its data are here an insert is finished, whether or not somebody
		// waits for it: half of it would be worse.
		return h.insert(s, q, out)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.reads, cancel)()
	err = h.cancellable(ctx, q, func() error {
		if q.stmt.reads() {
			run := h.stream
			if !streams(q) {
				run = h.gather
			}
			err := run(ctx, s, q, out)
			if !errors.Is(err, errNotStreamable) {
				return err
			}
		}
		res, err := s.exec(q.stmt.sql, q.format, q.params)
		if err != nil {
			return err
		}
		defer res.free()
		if q.stmt.writes() {
			h.room.check()
		}
		out.count(res.summary())
		return out.write(res.bytes())
	})
	if err != nil {
		return err
	}
	return out.finish()
}

// errNotStreamable says that libchdb will not stream this statement.
var errNotStreamable = errors.New("not streamable")

var errLeaving = &exception{code: 394, text: "Code: 394. DB::Exception: Query was cancelled: the engine is leaving. (QUERY_WAS_CANCELLED)"}

// cancellable runs f, and while ctx is done and f is not, has the query killed.
func (h *handler) cancellable(ctx context.Context, q *request, f func() error) error {
	done, killed := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		t := time.NewTicker(killInterval)
		defer t.Stop()
		// Again and again: the first time it may not have begun.
		for {
			h.db.kill(q.mark)
			select {
			case <-done:
				return
			case <-t.C:
			}
		}
	})
	err := f()
	close(done)
	if !stop() {
		<-killed
	}
	return err
}

// setUp brings a fresh session to where the request wants it. readonly comes
// last: after it nothing it forbids can be undone, by SET or otherwise.
func (h *handler) setUp(s *session, q *request) error {
	var b strings.Builder
	b.WriteString("SET implicit_select = 0, log_comment = ")
	b.WriteString(quote(q.mark))
	for _, p := range q.settings {
		b.WriteString(", ")
		b.WriteString(p.name)
		b.WriteString(" = ")
		b.WriteString(quote(p.value))
	}
	do := func(sql string) error {
		r, err := s.exec(sql, "Null", nil)
		if err == nil {
			r.free()
		}
		return err
	}
	if err := do(b.String()); err != nil {
		return err
	}
	if q.database != "" && q.database != "default" {
		if err := do("USE " + quoteName(q.database)); err != nil {
			return err
		}
	}
	for _, t := range q.tables {
		// The structure is SQL of the client's, so it is looked at as such.
		st, err := analyse("CREATE TEMPORARY TABLE "+quoteName(t.name)+" ("+t.structure+")", false)
		if err != nil {
			return err
		}
		if err := do(st.sql); err != nil {
			return err
		}
		if t.data.size == 0 {
			continue
		}
		if err := do("INSERT INTO " + quoteName(t.name) + t.data.clause("", t.format)); err != nil {
			return err
		}
	}
	if q.readonly != "" && q.readonly != "0" {
		return do("SET readonly = " + q.readonly)
	}
	return nil
}

// secondLook has ClickHouse itself write a statement down as it understands it,
// if there may be something in it to refuse, and looks at that.
func (h *handler) secondLook(s *session, q *request) error {
	if q.stmt.data || !suspicious(q.stmt.sql) {
		return nil
	}
	r, err := s.exec("SELECT formatQuery("+quote(q.stmt.sql)+")", "RawBLOB", nil)
	if err != nil {
		return err
	}
	defer r.free()
	_, err = analyse(string(r.bytes()), false)
	return err
}

// insert hands the data of an INSERT over as a file.
func (h *handler) insert(s *session, q *request, out *output) error {
	if q.data.size > 0 {
		r, err := s.exec(q.stmt.sql+q.data.clause(q.stmt.settings, q.stmt.inFormat), "Null", q.params)
		if err != nil {
			return err
		}
		sum := r.summary()
		r.free()
		h.room.check()
		out.count(sum)
	}
	return out.finish()
}

// stream runs a query and passes its result on piece by piece.
func (h *handler) stream(ctx context.Context, s *session, q *request, out *output) error {
	st, err := s.stream(q.stmt.sql, q.format, q.params)
	if err != nil {
		if strings.Contains(err.Error(), "Streaming query is not supported") {
			return errNotStreamable
		}
		return err
	}
	defer st.free()
	for {
		piece, err := s.next(st)
		if err != nil {
			return err
		}
		sum := piece.summary()
		out.count(sum)
		err = out.write(piece.bytes())
		// libchdb's own mark of the end: a piece of no rows, which may yet hold
		// what a format writes last.
		last := sum.resultRows == 0
		piece.free()
		if last {
			return err
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			s.cancel(st)
			return err
		}
	}
}

// concatenable are the formats whose pieces, put together, are the whole.
// libchdb formats every piece of a streamed result as a result of its own: any
// format with a frame around the rows would come out as many.
var concatenable = []string{
	"Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "Raw", "CSV", "TSKV", "JSONEachRow", "JSONLines", "NDJSON",
	"JSONCompactEachRow", "JSONStringsEachRow", "JSONCompactStringsEachRow", "RowBinary", "LineAsString", "RawBLOB", "MsgPack", "Null",
}

// streams tells whether a query's result can be passed on piece by piece.
func streams(q *request) bool {
	// A setting that puts a frame around JSONEachRow.
	framed := strings.Contains(q.stmt.sql, "json_array_of_rows") ||
		slices.ContainsFunc(q.settings, func(p param) bool { return strings.Contains(p.name, "json_array_of_rows") })
	format := cmpOr(q.stmt.outFormat, q.format)
	return !framed && slices.ContainsFunc(concatenable, func(c string) bool { return strings.EqualFold(c, format) })
}

// gather runs a query whose result must be formatted as one: libchdb writes it
// into a file, so that it need not fit into memory.
func (h *handler) gather(_ context.Context, s *session, q *request, out *output) error {
	path := filepath.Join(h.temp, "result-"+q.mark)
	defer os.Remove(path)
	head, format := q.stmt.sql, "FORMAT "+q.format
	if q.stmt.outFormat != "" {
		head, format = q.stmt.sql[:q.stmt.formatAt], q.stmt.sql[q.stmt.formatAt:]
	}
	r, err := s.exec(head+"\nINTO OUTFILE "+quote(path)+" COMPRESSION 'none'\n"+format, q.format, q.params)
	if err != nil {
		return err
	}
	out.count(r.summary())
	r.free()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return out.copy(f)
}

func badRequest(format string, a ...any) *exception {
	return &exception{code: 36, text: "Code: 36. DB::Exception: " + fmt.Sprintf(format, a...) + " (BAD_ARGUMENTS)"}
}

func truthy(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

func cmpOr(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// exceptionTag makes the 16 random letters that set an exception in the middle
// of a result apart from data.
func exceptionTag() string {
	b := make([]byte, 16)
	rand.Read(b)
	for i := range b {
		b[i] = 'a' + b[i]%26
	}
	return string(b)
}

// output is the response to one request.
type output struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	h   *handler
	q   *request
	enc packer

	recoder *recoder
	sum     summary
	began   time.Time
	started bool
	tag     string
	// file keeps the whole result back with wait_end_of_query.
	file *os.File
}

// prepare sets what is known before the query runs.
func (o *output) prepare(r *http.Request, q *request) {
	o.q, o.began, o.tag = q, time.Now(), exceptionTag()
	format := cmpOr(q.stmt.outFormat, q.format)
	if strings.EqualFold(format, "Native") {
		o.recoder = newRecoder(q.revision, o.h.db.timezone, o.h.db.version)
	}
	o.enc = choosePacker(r)
	hd := o.w.Header()
	hd.Set("X-ClickHouse-Query-Id", q.id)
	hd.Set("X-ClickHouse-Timezone", o.h.db.timezone)
	hd.Set("X-ClickHouse-Format", format)
	hd.Set("X-ClickHouse-Exception-Tag", o.tag)
	hd.Set("Content-Type", contentType(format))
}

func (o *output) count(s summary) { o.sum.add(s) }

// start sends the header.
func (o *output) start() error {
	if o.started {
		return nil
	}
	o.started = true
	hd := o.w.Header()
	hd.Set("X-ClickHouse-Summary", fmt.Sprintf(
		`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","total_rows_to_read":"0","result_rows":"%d","elapsed_ns":"%d"}`,
		o.sum.readRows, o.sum.readBytes, o.sum.writtenRows, o.sum.writtenBytes, o.sum.resultRows, time.Since(o.began).Nanoseconds()))
	return o.enc.start(o.w)
}

// write passes a piece of the result on.
func (o *output) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if o.recoder != nil {
		var err error
		if b, err = o.recoder.recode(b); err != nil {
			return err
		}
	}
	if o.q.wait {
		return o.hold(b)
	}
	return o.send(b)
}

func (o *output) send(b []byte) error {
	if err := o.start(); err != nil {
		return err
	}
	// A client that reads no more must not hold a place for ever.
	_ = o.rc.SetWriteDeadline(time.Now().Add(writeDeadline))
	if err := o.enc.write(b); err != nil {
		return err
	}
	return o.rc.Flush()
}

// copy sends a file.
func (o *output) copy(f *os.File) error {
	b := make([]byte, 256<<10)
	for {
		n, err := f.Read(b)
		if n > 0 {
			if err := o.send(b[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// hold keeps a piece back in a file.
func (o *output) hold(b []byte) error {
	if o.file == nil {
		f, err := os.CreateTemp(o.h.temp, "result-*")
		if err != nil {
			return err
		}
		// Nobody else needs its name.
		_ = os.Remove(f.Name())
		o.file = f
	}
	_, err := o.file.Write(b)
	return err
}

// finish ends a response that went well.
func (o *output) finish() error {
	if o.file != nil {
		defer o.file.Close()
		if _, err := o.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := o.copy(o.file); err != nil {
			return err
		}
	}
	if !o.started {
		// No result: an empty body, whose length is told.
		o.enc = packer{}
		if err := o.start(); err != nil {
			return err
		}
		o.w.Header().Set("Content-Length", "0")
		o.w.WriteHeader(http.StatusOK)
		return nil
	}
	return o.enc.end()
}

// fail tells of an exception: by status and header while there is none of the
// result under way, else as ClickHouse does in the middle of one, ending the
// response without its proper end.
func (o *output) fail(e *exception) {
	if o.file != nil {
		o.file.Close()
	}
	text := e.text
	if !strings.Contains(text, "(version ") {
		text += " (version " + o.h.db.version + ")"
	}
	_ = o.rc.SetWriteDeadline(time.Now().Add(writeDeadline))
	if !o.started {
		hd := o.w.Header()
		hd.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
		hd.Set("Content-Type", "text/plain; charset=UTF-8")
		o.w.WriteHeader(e.status())
		io.WriteString(o.w, text+"\n")
		return
	}
	text = text[:min(len(text), maxException)]
	block := fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", o.tag, text, len(text)+1, o.tag)
	if err := o.enc.write([]byte(block)); err == nil {
		_ = o.enc.end()
		_ = o.rc.Flush()
	}
	panic(http.ErrAbortHandler)
}

// contentType gives the media type of an output format.
func contentType(format string) string {
	switch {
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(format, "CSVWithNames"):
		return "text/csv; charset=UTF-8; header=present"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=absent"
	case strings.HasPrefix(format, "JSON") && strings.HasSuffix(format, "EachRow"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case format == "XML":
		return "application/xml; charset=UTF-8"
	case strings.HasPrefix(format, "Pretty"), format == "Vertical", format == "Values", format == "Markdown", strings.HasPrefix(format, "Template"):
		return "text/plain; charset=UTF-8"
	}
	return "application/octet-stream"
}
