package store

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"x400flow/schema"
)

// extremes sets every field of a row, in order, and returns what each is in the
// text form that asText asks the engine for.
func extremes(v reflect.Value, number *int, high bool) []string {
	var want []string
	for i := range v.NumField() {
		f := v.Field(i)
		*number++
		switch f.Kind() {
		case reflect.Struct:
			if n, ok := f.Addr().Interface().(*schema.ORName); ok {
				want = append(want, extremeName(n, number, high)...)
			} else {
				want = append(want, extremes(f, number, high)...)
			}
		case reflect.Slice:
			var s string
			*f.Addr().Interface().(*[]byte), s = extreme(number, high)
			want = append(want, s)
		case reflect.String:
			s := fmt.Sprintf("s-%d", *number)
			if !high {
				s = ""
			}
			f.SetString(s)
			want = append(want, strings.ToUpper(hex.EncodeToString([]byte(s))))
		case reflect.Array:
			for j := range f.Len() {
				if high {
					f.Index(j).SetUint(uint64(*number + j*7 + 128&255))
				}
			}
			if f.Len() == 16 {
				want = append(want, uuid.UUID(f.Interface().([16]byte)).String())
			} else {
				a := f.Interface().([32]byte)
				want = append(want, strings.ToUpper(hex.EncodeToString(a[:])))
			}
		case reflect.Bool:
			f.SetBool(high)
			want = append(want, fmt.Sprint(high))
		case reflect.Uint16, reflect.Uint32, reflect.Uint64:
			if high {
				f.SetUint(math.MaxUint64 >> (64 - f.Type().Bits()))
			}
			want = append(want, fmt.Sprint(f.Uint()))
		case reflect.Int32:
			f.SetInt(math.MinInt32)
			if high {
				f.SetInt(math.MaxInt32)
			}
			want = append(want, fmt.Sprint(f.Int()))
		case reflect.Int64:
			// Times, in nanoseconds: the ends of what they can tell, 1677 and
			// 2262, on whole seconds, since a UTCTime has no more. The few that
			// are no times are divided in the same way.
			f.SetInt(math.MinInt64 / 1_000_000_000 * 1_000_000_000)
			if high {
				f.SetInt(math.MaxInt64 / 1_000_000_000 * 1_000_000_000)
			}
			want = append(want, fmt.Sprint(f.Int()/1_000_000_000))
		default:
			panic(f.Kind())
		}
	}
	return want
}

// extreme returns octets for a field and their text form.
func extreme(number *int, high bool) (octets []byte, want string) {
	if high {
		octets = fmt.Appendf(nil, "\x00\t\n\r'\"\\%d,é\xff\xfe", *number)
	}
	return octets, strings.ToUpper(hex.EncodeToString(octets))
}

// extremeName is extremes for a name, whose attributes are not in the order of their columns.
func extremeName(n *schema.ORName, number *int, high bool) (want []string) {
	n.Attributes, n.Present = new([schema.NameAttributes][]byte), 1<<schema.NameAttributes-1
	fields := []*[]byte{&n.Text, &n.Key}
	const x121, terminalID, numericID, terminalType = 3, 4, 15, 16
	for _, k := range []int{0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, x121, terminalID, terminalType, numericID} {
		fields = append(fields, &n.Attributes[k])
	}
	for _, f := range append(fields, &n.DDA, &n.DirectoryName, &n.AF) {
		var s string
		*number++
		*f, s = extreme(number, high)
		want = append(want, s)
	}
	if high {
		n.AFForm = "XF"
	}
	return append(want, strings.ToUpper(hex.EncodeToString([]byte(n.AFForm))))
}

// asText is the expression that gives a column in the text form of extremes.
func asText(c schema.Column) string {
	switch {
	case c.Type == "String":
		return "hex(" + c.Name + ")"
	case c.Type == "Int64":
		return "toString(intDiv(" + c.Name + ", 1000000000))"
	case strings.HasPrefix(c.Type, "DateTime64(9"):
		return "intDiv(toUnixTimestamp64Nano(" + c.Name + "), 1000000000)"
	case strings.HasPrefix(c.Type, "DateTime64"):
		return "reinterpretAsInt64(" + c.Name + ")"
	}
	return "toString(" + c.Name + ")"
}

func TestRoundTrip(t *testing.T) {
	s := archive(t)
	var b schema.Batch
	append := map[string]reflect.Value{
		"bilateral_store": reflect.ValueOf(b.Bilaterals.Append), "extensions_store": reflect.ValueOf(b.Extensions.Append),
		"trace_store": reflect.ValueOf(b.Trace.Append), "recipients_store": reflect.ValueOf(b.Recipients.Append),
		"contents_store": reflect.ValueOf(b.Contents.Append), "messages_store": reflect.ValueOf(b.Messages.Append),
		"ipms_store": reflect.ValueOf(b.IPMs.Append), "ipm_recipients_store": reflect.ValueOf(b.IPMRecipients.Append),
		"ipm_references_store": reflect.ValueOf(b.IPMReferences.Append), "ipm_extensions_store": reflect.ValueOf(b.IPMExtensions.Append),
		"ipm_extension_items_store": reflect.ValueOf(b.IPMExtensionItems.Append), "body_parts_store": reflect.ValueOf(b.BodyParts.Append),
		"operations_store": reflect.ValueOf(b.Operations.Append),
		"problems_store":   reflect.ValueOf(b.Problems.Append), "associations_store": reflect.ValueOf(b.Associations.Append),
		"coverage_store": reflect.ValueOf(b.Coverage.Append), "progress_store": reflect.ValueOf(b.Progresses.Append), "captures_store": reflect.ValueOf(b.Captures.Append),
	}
	want := map[string][]string{}
	for _, c := range b.All() {
		for _, high := range []bool{true, false} {
			row := reflect.New(append[c.Table()].Type().In(0).Elem())
			number := 0
			values := extremes(row.Elem(), &number, high)
			append[c.Table()].Call([]reflect.Value{row})
			want[c.Table()] = slices.Concat(want[c.Table()], []string{strings.Join(values, " | ")})
		}
	}
	w := s.NewWriter(t.Context(), WriterOptions{})
	if err := w.Write(t.Context(), &b, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range new(schema.Batch).All() {
		var columns []string
		for _, col := range c.Columns() {
			columns = slices.Concat(columns, []string{asText(col)})
		}
		got := query(t, s, "SELECT "+strings.Join(columns, ", ")+" FROM "+c.Table())
		slices.Sort(got)
		slices.Sort(want[c.Table()])
		if !slices.Equal(got, want[c.Table()]) {
			for i := range min(len(got), len(want[c.Table()])) {
				g, w := strings.Split(got[i], " | "), strings.Split(want[c.Table()][i], " | ")
				for j := range min(len(g), len(w)) {
					if g[j] != w[j] {
						t.Errorf("%s.%s: got %s, want %s", c.Table(), c.Columns()[j].Name, g[j], w[j])
					}
				}
			}
			t.Errorf("%s: got %d rows, want %d", c.Table(), len(got), len(want[c.Table()]))
		}
		// The view can be read too, whatever is in it.
		query(t, s, "SELECT * FROM "+strings.TrimSuffix(c.Table(), "_store"))
	}
	for _, view := range []string{"journeys", "flows", "hops", "deliveries"} {
		query(t, s, "SELECT * FROM "+view)
	}
}

func TestViewsShowAbsence(t *testing.T) {
	s := archive(t)
	insert(t, s, func(b *schema.Batch) {
		b.Messages.Append(&schema.Message{APDU: [16]byte{1}, ContentTypeNumber: -1, EITs: []byte("ia5-text,2.6.3.4.2")})
		b.Messages.Append(&schema.Message{APDU: [16]byte{2}, ContentTypeNumber: 0, DeferredDelivery: 1e9, ContentSHA256: [32]byte{0xab}})
	})
	got := query(t, s, "SELECT content_type_number, deferred_delivery, eits, content_sha256 FROM messages ORDER BY apdu")
	want := []string{
		`\N | \N | ['ia5-text','2.6.3.4.2'] | ` + strings.Repeat("0", 64),
		`0 | 1970-01-01 00:00:01 | [] | ab` + strings.Repeat("0", 62),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
