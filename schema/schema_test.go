package schema

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"x400flow/schema/ddl"
)

// fill sets every field of a row to something.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			fill(f)
		case reflect.Pointer:
			attributes := new([NameAttributes][]byte)
			for k := range attributes {
				attributes[k] = bytes.Repeat([]byte{'x'}, k)
			}
			f.Set(reflect.ValueOf(attributes))
		case reflect.Slice:
			f.SetBytes(bytes.Repeat([]byte{'x'}, 10+i))
		case reflect.String:
			f.SetString("message")
		case reflect.Uint64:
			f.SetUint(1<<63 - 1)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	var (
		b     Batch
		assoc Association
		msg   Message
		rcpt  Recipient
		trace TraceElement
		ext   Extension
		bil   Bilateral
		body  Content
		prob  Problem
		iv    Interval
		prog  Progress
		capt  Capture
		ipm   IPM
		to    IPMRecipient
		ref   IPMReference
		xt    IPMExtension
		item  IPMExtensionItem
		part  BodyPart
	)
	for _, row := range []any{&assoc, &msg, &rcpt, &trace, &ext, &bil, &body, &prob, &iv, &prog, &capt, &ipm, &to, &ref, &xt, &item, &part} {
		fill(reflect.ValueOf(row).Elem())
	}
	body.Content = make([]byte, 100<<10)
	run := func() {
		for range 50 {
			b.Associations.Append(&assoc)
			b.Messages.Append(&msg)
			b.Recipients.Append(&rcpt)
			b.Trace.Append(&trace)
			b.Extensions.Append(&ext)
			b.Bilaterals.Append(&bil)
			b.Contents.Append(&body)
			b.Problems.Append(&prob)
			b.Coverage.Append(&iv)
			b.Progresses.Append(&prog)
			b.Captures.Append(&capt)
			b.IPMs.Append(&ipm)
			b.IPMRecipients.Append(&to)
			b.IPMReferences.Append(&ref)
			b.IPMExtensions.Append(&xt)
			b.IPMExtensionItems.Append(&item)
			b.BodyParts.Append(&part)
		}
		if b.Rows() != 850 {
			t.Fatalf("%d rows, want 850", b.Rows())
		}
		b.Reset()
	}
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("%v allocations for 850 rows, want 0", n)
	}
}

// What was appended stays as it was, whatever becomes of the row, until Reset.
func TestBatchOwnsItsRows(t *testing.T) {
	var b Problems
	text := make([]byte, 0, 1<<20)
	for round := range 3 {
		var want []string
		for i := range 2000 {
			text = text[:(i*37)%300]
			if i%500 == 7 {
				text = text[:(i*131)%(200<<10)]
			}
			for j := range text {
				text[j] = byte('a' + (i+j+round)%26)
			}
			want = append(want, string(text))
			b.Append(&Problem{Detail: text, Reason: "r"})
		}
		if b.Rows() != len(want) || !slices.Equal(b.Detail.Strings(), want) {
			t.Error("strings changed")
		}
		total := 0
		for _, s := range want {
			total += len(s)
		}
		if b.Bytes() < total {
			t.Errorf("Bytes() = %d, less than the %d of its texts", b.Bytes(), total)
		}
		columns := b.Columns()
		for i, c := range columns {
			n := 0
			if texts, ok := b.Column(i).(*Texts); ok {
				n = len(texts.Strings())
			} else {
				n = reflect.ValueOf(b.Column(i)).Len()
			}
			if n != len(want) {
				t.Errorf("column %s has %d rows, want %d", c.Name, n, len(want))
			}
		}
		b.Reset()
		if b.Rows() != 0 || b.Bytes() != 0 || b.Detail.Len() != 0 {
			t.Fatal("Reset left something")
		}
	}
}

// What a column keeps follows from how much there was at most, not from how long it is
// used, and texts in memory of their own are given up.
func TestTextsKeepWhatIsNeeded(t *testing.T) {
	var c Texts
	lengths := []int{maxJoined, maxJoined + 1, 2 * maxJoined, maxDoubled, 100_000}
	for range 2000 {
		lengths = append(lengths, 100)
	}
	random := rand.New(rand.NewPCG(1, 2))
	octets := make([]byte, 2*maxJoined)
	for round := range 200 {
		random.Shuffle(len(lengths), func(i, j int) { lengths[i], lengths[j] = lengths[j], lengths[i] })
		size := 0
		for i, n := range lengths {
			put(&c, i+1, string(octets[:n]))
			size += n
		}
		if len(*c.apart) != 2 || c.size() < size || c.size() > size+3*len(lengths) {
			t.Fatalf("round %d: %d octets, want %d; %d apart", round, c.size(), size, len(*c.apart))
		}
		c.reset()
		if joined := size - 3*maxJoined; c.size() != 0 || len(c.octets) > 2*joined {
			t.Fatalf("round %d: %d octets after reset, %d are held of %d", round, c.size(), len(c.octets), joined)
		}
		if last := (*c.apart)[:2]; last[0].octets != nil || last[1].octets != nil {
			t.Fatal("a column refers to memory that was given up")
		}
	}
}

// Short texts of every length are those that were put, after any few rows without one, and
// with any room behind them.
func TestShortTexts(t *testing.T) {
	octets := make([]byte, 2*short)
	for i := range octets {
		octets[i] = byte(i) | 0x80 // None that is empty space.
	}
	for n := 1; n < len(octets); n++ {
		for empty := range few + 3 {
			for _, room := range []int{0, shortRoom - 1, shortRoom, 4 * shortRoom} {
				c := Texts{octets: append([]byte{1, 'x'}, make([]byte, room)...), end: 2, rows: 1}
				v := bytes.Clone(octets[n:min(2*n, len(octets))])
				put(&c, 2+empty, text(&v))
				clear(v)
				put(&c, 3+empty, string(octets[:n]))
				want := append([]string{"x"}, make([]string, empty)...)
				want = append(want, string(octets[n:min(2*n, len(octets))]), string(octets[:n]))
				if got := c.Strings(); !slices.Equal(got, want) || c.Len() != len(want) {
					t.Fatalf("%d octets after %d rows, room %d: %q, want %q", n, empty, room, got, want)
				}
			}
		}
	}
}

// Held is about what a batch takes.
func TestHeld(t *testing.T) {
	var b Batch
	if b.Held() != 0 {
		t.Errorf("an empty batch holds %d octets", b.Held())
	}
	row := Recipient{Name: ORName{Text: make([]byte, 200)}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 3000 {
		b.Recipients.Append(&row)
	}
	held := b.Held()
	b.Reset()
	runtime.GC()
	runtime.ReadMemStats(&after)
	took := int(after.HeapAlloc - before.HeapAlloc)
	if b.Held() != held || held < took*3/4 || held > took*5/4 {
		t.Errorf("%d octets held, %d after Reset; took %d", held, b.Held(), took)
	}
	runtime.KeepAlive(&b)
}

// What is large and in an adopted buffer is not copied; all else is, and after Reset
// everything.
func TestAdopt(t *testing.T) {
	var b Batch
	own := bytes.Repeat([]byte{'x'}, 2*Large+10)
	other := bytes.Repeat([]byte{'y'}, Large)
	b.Adopt(own[:Large])
	for _, reset := range []bool{false, true} {
		if reset {
			b.Reset()
		}
		for _, c := range []struct {
			octets []byte
			shared bool
		}{
			{own, true}, {own[5 : 5+Large], true}, {own[5 : 4+Large], false}, {own[2*Large:], false}, {other, false},
		} {
			b.Contents.Append(&Content{Content: c.octets})
			column := &b.Contents.Content
			texts := column.Strings()
			shared := false
			if last := column.lastApart(); last != nil {
				shared = last.at == column.end && &last.octets[0] == &c.octets[0]
			}
			if texts[len(texts)-1] != string(c.octets) || shared != (c.shared && !reset) {
				t.Errorf("%d octets, adopted %t, after Reset %t", len(c.octets), c.shared, reset)
			}
		}
	}
}

// Texts of any length, some of them large parts of an adopted buffer and others left
// out, are those that were put.
func FuzzTexts(f *testing.F) {
	f.Add([]byte("\x01\x02\xff\x00abc"))
	own := bytes.Repeat([]byte{'z'}, Large+300)
	f.Fuzz(func(t *testing.T, lengths []byte) {
		lengths = lengths[:min(len(lengths), 100)]
		var c Texts
		for range 2 {
			var want []string
			var octets []byte
			size := 0
			for i, n := range lengths {
				v := bytes.Repeat([]byte{byte('a' + i%26), n}, int(n)*int(n)*3/2)
				if n%4 == 1 {
					v = v[:min(len(v), int(n)/2)] // Most are short.
				}
				switch {
				case n == 255 && i%8 == 7:
					v = own[:Large+i]
					c.lay(i+1, v, &held{adopted: [][]byte{own}})
				case len(v) > 7000 && i%8 == 5:
					// Octets of an array that is overwritten are there elsewhere, too.
					of := bytes.Clone(v)
					c.lay(i+1, of[i:], &held{of: of, in: v})
					clear(of)
					v = v[i:]
				case len(v) > 0:
					put(&c, i+1, text(&v))
				}
				want = append(want, string(v))
				octets = append(binary.AppendUvarint(octets, uint64(len(v))), v...)
				size = len(octets)
			}
			c.pad(len(lengths))
			whole, pieces := native{}, native{cuts: true}
			whole.texts(&c)
			pieces.texts(&c)
			pieces.cut()
			if got := c.Strings(); !slices.Equal(got, want) || c.Len() != len(want) || c.size() != size || !bytes.Equal(whole.b, octets) ||
				!bytes.Equal(bytes.Join(pieces.pieces, nil), octets) || len(pieces.b) > c.end {
				t.Fatal("texts changed")
			}
			c.reset()
		}
	})
}

func TestRowsAreUpToDate(t *testing.T) {
	out := filepath.Join(t.TempDir(), "rows.go")
	if b, err := exec.Command("go", "run", "./generate", "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("rows.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("rows.go is stale: go generate ./schema")
	}
}

func TestVersionOrder(t *testing.T) {
	// From the poorest to the richest.
	all := []Knowledge{
		{Decoder: 9, CapturedAt: 1},
		{Both: true, Decoder: 1, CapturedAt: 1},
		{Opened: true, Decoder: 1, CapturedAt: 1},
		{Opened: true, Both: true, Decoder: 1, CapturedAt: 9e18},
		{Opened: true, Both: true, Decoder: 1, CapturedAt: 1e18 + 1e6},
		{Opened: true, Both: true, Decoder: 1, CapturedAt: 1e18},
		{Opened: true, Both: true, Decoder: 1, CapturedAt: -5},
		{Opened: true, Both: true, Decoder: 2, CapturedAt: 1e18},
		{Opened: true, Both: true, Decoder: 5000, CapturedAt: 1e18},
	}
	for i := range len(all) - 1 {
		if a, b := all[i].Version(), all[i+1].Version(); a >= b {
			t.Errorf("%+v has %x, not below %x of %+v", all[i], a, b, all[i+1])
		}
	}
	a, b := Knowledge{Sensor: []byte("tap1")}, Knowledge{Sensor: []byte("tap2")}
	if a.Version() == b.Version() {
		t.Error("two sensors have one version")
	}
}

func TestStatements(t *testing.T) {
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 || all[0].Name != "tables" || all[1].Name != "views" {
		t.Fatalf("migrations %v", all)
	}
	for _, m := range all {
		statements, err := m.Statements(Form{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if !strings.HasPrefix(s, "CREATE TABLE IF NOT EXISTS ") && !strings.HasPrefix(s, "CREATE OR REPLACE VIEW ") && !strings.HasPrefix(s, "CREATE MATERIALIZED VIEW IF NOT EXISTS ") {
				t.Errorf("migration %d: %q cannot be repeated", m.Number, s[:min(60, len(s))])
			}
			if strings.Contains(s, "{{") {
				t.Errorf("migration %d: %q", m.Number, s)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	got := split("-- A comment;\n-- more\n\nSELECT ';' -- within\n, 1;\n-- last\nSELECT 2;\n-- nothing\n")
	want := []string{"SELECT ';' -- within\n, 1", "SELECT 2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseTable(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		want      ddl.Column
		fails     string
	}{
		{"plain", "    a_sha256 FixedString(32) COMMENT 'it''s, so' CODEC(ZSTD(1)), -- hex go:A.B",
			ddl.Column{Name: "a_sha256", Type: "FixedString(32)", Comment: "it's, so", GoName: "A.B", Hex: true}, ""},
		{"default", "    mta_id DateTime('UTC') DEFAULT now() COMMENT 'c' -- default",
			ddl.Column{Name: "mta_id", Type: "DateTime('UTC')", Comment: "c", GoName: "MTAID", Default: true}, ""},
		{"no comment", "    a String", ddl.Column{}, "no column with a COMMENT"},
		{"unknown note", "    a String COMMENT 'c' -- odd", ddl.Column{}, "unknown note"},
		{"open literal", "    a String COMMENT 'c", ddl.Column{}, "without an end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tables, err := ddl.Parse("CREATE TABLE {{table \"x_store\"}}\n(\n" + test.sql + "\n)\nENGINE = E\nCOMMENT 'the table'\n")
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Fatalf("got %v, want an error with %q", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(tables) != 1 || tables[0].Name != "x" || tables[0].Comment != "the table" || len(tables[0].Columns) != 1 || tables[0].Columns[0] != test.want {
				t.Errorf("got %+v, want %+v", tables, test.want)
			}
		})
	}
}

func TestParseReport(t *testing.T) {
	r, err := parseReport("x", "-- title: T\n-- about: A: b.\n-- param n UInt64 = 1: One.\n-- param s String = : None.\n-- param id String: Needed.\n-- example: query x\n\n-- statement: First\nSELECT 1;\n\n-- statement: Second\nSELECT 2;\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Name: "x", Title: "T", About: "A: b.", Example: "query x",
		Params:     []Param{{"n", "UInt64", "1", false, "One."}, {"s", "String", "", false, "None."}, {"id", "String", "", true, "Needed."}},
		Statements: []Statement{{"First", "SELECT 1"}, {"Second", "SELECT 2"}}}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v, want %+v", r, want)
	}
	for _, text := range []string{"", "SELECT 1;\n", "-- title: T\n\nSELECT 1;\n", "-- title: T\n-- odd: 1\n\nSELECT 1;\n"} {
		if _, err := parseReport("x", text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// The parameters that a report declares are those that its statements have.
func TestReportParameters(t *testing.T) {
	all, err := Reports()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		used := map[string]bool{}
		for _, s := range r.Statements {
			rest := s.SQL
			for {
				var name string
				var ok bool
				if _, rest, ok = strings.Cut(rest, "{"); !ok {
					break
				}
				name, rest, _ = strings.Cut(rest, "}")
				used[name] = true
			}
		}
		for _, p := range r.Params {
			if !used[p.Name+":"+p.Type] {
				t.Errorf("%s: %s is declared, not used", r.Name, p.Name)
			}
			delete(used, p.Name+":"+p.Type)
		}
		if len(used) > 0 {
			t.Errorf("%s: %v are used, not declared", r.Name, used)
		}
	}
}
