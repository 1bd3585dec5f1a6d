package decode

import (
	"bytes"
	"reflect"
	"testing"

	"x400flow/schema"
	"x400flow/x411"
)

// Rows that are not cleared hold nothing of the row before: they are the same after rows with
// something in every field.
func TestRowsAreFilled(t *testing.T) {
	clean, used := contentWorker(Config{}), contentWorker(Config{})
	heading := element(0xaf, element(0x30, element(0x06, []byte{0x56, 1, 5, 1}), element(0x31, element(0x13, []byte("en")))))
	to := element(0xa2, element(0x31, element(0xa0, element(0x60, element(0x30, element(0x83, []byte("organization")))))))
	octets := apduWith(t, element(0xa0, interpersonal(append(to, heading...), ia5("text"))))
	for range 2 {
		for _, row := range []any{&used.row.trace, &used.row.ext, &used.inside.to, &used.inside.ext} {
			dirty(reflect.ValueOf(row).Elem())
		}
		for _, w := range []*worker{clean, used} {
			m := &schema.Message{}
			w.extensions(m, []x411.Extension{{Value: []byte("value")}}, "message", 0)
			w.rows(m, octets, nil)
		}
	}
	b := clean.batch
	if b.Trace.Rows() == 0 || b.Extensions.Rows() == 0 || b.IPMRecipients.Rows() == 0 || b.IPMExtensions.Rows() == 0 {
		t.Errorf("%d rows of trace, %d extensions, %d recipients of contents, %d extensions", b.Trace.Rows(), b.Extensions.Rows(), b.IPMRecipients.Rows(), b.IPMExtensions.Rows())
	}
	others := used.batch.All()
	for i, table := range clean.batch.All() {
		if !bytes.Equal(schema.AppendNative(nil, table), schema.AppendNative(nil, others[i])) {
			t.Errorf("rows of %s hold what was there before", table.Table())
		}
	}
}

func dirty(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			dirty(f)
		case reflect.Slice:
			f.SetBytes([]byte("before"))
		case reflect.Array:
			f.Index(0).SetUint(1)
		case reflect.String:
			f.SetString("before")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64, reflect.Int32:
			f.SetInt(7)
		case reflect.Uint32, reflect.Uint64:
			f.SetUint(7)
		}
	}
}
