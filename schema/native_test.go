package schema

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
)

// ch-go encodes the same rows to the same octets.
func TestAppendNative(t *testing.T) {
	var b Batch
	// The same rows in two batches and an empty one.
	block := Block{new(Batch), new(Batch), new(Batch)}
	for i := range 300 {
		for _, batch := range []*Batch{&b, block[i/100&^1]} {
			for _, table := range batch.All() {
				add := reflect.ValueOf(table).MethodByName("Append")
				row := reflect.New(add.Type().In(0).Elem())
				set(row.Elem(), i)
				add.Call([]reflect.Value{row})
			}
		}
	}
	parts := block.All()
	if block.Rows() != b.Rows() || len(parts) != Tables {
		t.Fatalf("a block has %d rows of %d tables, want %d of %d", block.Rows(), len(parts), b.Rows(), Tables)
	}
	for n, table := range b.All() {
		want := proto.Buffer{}
		var input []proto.InputColumn
		for i, c := range table.Columns() {
			var data interface {
				proto.Column
				proto.ColInput
			}
			switch v := table.Column(i).(type) {
			case *Texts:
				s := new(proto.ColStr)
				for _, x := range v.Strings() {
					s.Append(x)
				}
				data = s
			case []uuid.UUID:
				u := proto.ColUUID(v)
				data = &u
			case []bool:
				u := proto.ColBool(v)
				data = &u
			case []int32:
				u := proto.ColInt32(v)
				data = &u
			case []int64:
				u := proto.ColInt64(v)
				data = &u
			case []uint16:
				u := proto.ColUInt16(v)
				data = &u
			case []uint32:
				u := proto.ColUInt32(v)
				data = &u
			case []uint64:
				u := proto.ColUInt64(v)
				data = &u
			case Times:
				d := new(proto.ColDateTime64)
				if err := d.Infer(proto.ColumnType(c.Type)); err != nil {
					t.Fatal(err)
				}
				for _, ns := range v {
					d.Append(time.Unix(0, ns))
				}
				data = d
			default:
				t.Fatalf("%s.%s is a %T", table.Table(), c.Name, v)
			}
			input = append(input, proto.InputColumn{Name: c.Name, Data: data})
		}
		// Types are told as the schema has them: ch-go writes those of times without
		// the blank that ClickHouse's own notation has.
		want.PutInt(len(input))
		want.PutInt(table.Rows())
		for i, c := range table.Columns() {
			want.PutString(c.Name)
			want.PutString(c.Type)
			input[i].Data.EncodeColumn(&want)
		}
		_, pieces := AppendNativePieces([]byte("before"), parts[n]...)
		if got := AppendNative(nil, table); !bytes.Equal(bytes.Join(pieces, nil), got) || table.Rows() != 300 || !bytes.Equal(got, want.Buf) || !bytes.Equal(AppendNative(nil, parts[n]...), got) {
			t.Errorf("%s: %d octets of %d rows, ch-go has %d, and others", table.Table(), len(got), table.Rows(), len(want.Buf))
		}
	}
}

// set sets every field of a row to something of its own.
func set(v reflect.Value, n int) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			set(f, n+i)
		case reflect.Pointer:
			attributes := new([NameAttributes][]byte)
			for k := range attributes {
				attributes[k] = bytes.Repeat([]byte{byte(n + k)}, n*k%50)
			}
			f.Set(reflect.ValueOf(attributes))
		case reflect.Slice:
			f.SetBytes(bytes.Repeat([]byte{byte(n + i)}, (n*i)%400))
		case reflect.Array:
			for k := range f.Len() {
				f.Index(k).SetUint(uint64(n*k+i) % 256)
			}
		case reflect.String:
			f.SetString("message"[:(n+i)%8])
		case reflect.Bool:
			f.SetBool((n+i)%2 == 0)
		case reflect.Int64, reflect.Int32:
			f.SetInt(int64(n*i)*1_000_000_007 - int64(i))
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			f.SetUint(uint64(n * i))
		}
	}
}
