package stages

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"x400flow/pipeline/store"
	"x400flow/schema"
)

func nativeCases() []Case {
	const group = "columns to Native"
	return []Case{
		{Name: group, Group: group, Unit: "row", Open: natives(func(b schema.Block) (func([]byte) ([]byte, error), error) {
			return func(out []byte) ([]byte, error) {
				for _, parts := range b.All() {
					out = schema.AppendNative(out, parts...)
				}
				return out, nil
			}, nil
		})},
		{Name: "ch-go", Group: group, Unit: "row", Yardstick: true, Open: natives(chGo)},
	}
}

// natives encodes a block of rows again and again.
func natives(prepare func(schema.Block) (func([]byte) ([]byte, error), error)) func(context.Context, *Corpus) (Run, error) {
	return func(ctx context.Context, c *Corpus) (Run, error) {
		block, err := Block(ctx, c, false)
		if err != nil {
			return Run{}, err
		}
		encode, err := prepare(block)
		if err != nil {
			return Run{}, err
		}
		var out []byte
		return Run{Round: func() (Count, error) {
			out, err = encode(out[:0])
			rows := int64(block.Rows())
			return Count{Units: rows, Rows: rows, Octets: int64(len(out))}, err
		}}, nil
	}
}

// chGo has the same rows in ch-go's columns, ready to be encoded.
func chGo(b schema.Block) (func([]byte) ([]byte, error), error) {
	type table struct {
		block proto.Block
		input []proto.InputColumn
	}
	var tables []table
	for _, parts := range b.All() {
		columns := parts[0].Columns()
		x := table{block: proto.Block{Columns: len(columns)}}
		for _, t := range parts {
			x.block.Rows += t.Rows()
		}
		for i, c := range columns {
			in := proto.InputColumn{Name: c.Name}
			switch parts[0].Column(i).(type) {
			case *schema.Texts:
				s := new(proto.ColStr)
				s.AppendArr(column[string](parts, i))
				in.Data = s
			case []uuid.UUID:
				u := proto.ColUUID(column[uuid.UUID](parts, i))
				in.Data = &u
			case []bool:
				u := proto.ColBool(column[bool](parts, i))
				in.Data = &u
			case []int32:
				u := proto.ColInt32(column[int32](parts, i))
				in.Data = &u
			case []int64:
				u := proto.ColInt64(column[int64](parts, i))
				in.Data = &u
			case []uint16:
				u := proto.ColUInt16(column[uint16](parts, i))
				in.Data = &u
			case []uint32:
				u := proto.ColUInt32(column[uint32](parts, i))
				in.Data = &u
			case []uint64:
				u := proto.ColUInt64(column[uint64](parts, i))
				in.Data = &u
			case schema.Times:
				d := new(proto.ColDateTime64)
				if err := d.Infer(proto.ColumnType(c.Type)); err != nil {
					return nil, err
				}
				for _, n := range column[int64](parts, i) {
					if d.Precision == 0 {
						n /= 1e9
					}
					d.AppendRaw(proto.DateTime64(n))
				}
				in.Data = d
			default:
				return nil, fmt.Errorf("column %s is a %T", c.Name, parts[0].Column(i))
			}
			x.input = append(x.input, in)
		}
		tables = append(tables, x)
	}
	var buf proto.Buffer
	return func(out []byte) ([]byte, error) {
		buf.Buf = out
		for i := range tables {
			// Version 0 has nothing but columns and rows.
			if err := tables[i].block.EncodeRawBlock(&buf, 0, tables[i].input); err != nil {
				return buf.Buf, err
			}
		}
		return buf.Buf, nil
	}, nil
}

// column has the values of one column of all batches.
func column[T any](parts []schema.Columnar, i int) []T {
	var all []T
	for _, t := range parts {
		switch v := t.Column(i).(type) {
		case *schema.Texts:
			all = append(all, any(v.Strings()).([]T)...)
		case []T:
			all = append(all, v...)
		case schema.Times:
			all = append(all, any([]int64(v)).([]T)...)
		}
	}
	return all
}

// Rows gives the batches of rows of the corpus to keep, one after the other.
func Rows(ctx context.Context, c *Corpus, envelope bool, keep func(*schema.Batch)) error {
	run, err := decodesInto(envelope, func(b *schema.Batch) bool { keep(b); return true })(ctx, c)
	if err != nil {
		return err
	}
	if err = run.Prepare(); err == nil {
		_, err = run.Round()
	}
	return errors.Join(err, run.Close())
}

// Block returns a block of rows of the corpus as the store inserts them.
func Block(ctx context.Context, c *Corpus, envelope bool) (schema.Block, error) {
	var block schema.Block
	err := Rows(ctx, c, envelope, func(b *schema.Batch) {
		if block.Bytes() < store.DefaultBytes && block.Rows() < store.DefaultRows {
			block = append(block, b)
		}
	})
	if err != nil {
		return nil, err
	}
	if block.Rows() == 0 {
		return nil, fmt.Errorf("%s gave no rows", c.Capture)
	}
	return block, nil
}
