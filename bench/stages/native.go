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
		{Name: group, Group: group, Unit: "row", Open: natives(func(b *schema.Batch) (func([]byte) ([]byte, error), error) {
			return func(out []byte) ([]byte, error) {
				for _, t := range b.All() {
					if t.Rows() > 0 {
						out = schema.AppendNative(out, t)
					}
				}
				return out, nil
			}, nil
		})},
		{Name: "ch-go", Group: group, Unit: "row", Yardstick: true, Open: natives(chGo)},
	}
}

// natives encodes a block of rows again and again.
func natives(prepare func(*schema.Batch) (func([]byte) ([]byte, error), error)) func(context.Context, *Corpus) (Run, error) {
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
func chGo(b *schema.Batch) (func([]byte) ([]byte, error), error) {
	type table struct {
		block proto.Block
		input []proto.InputColumn
	}
	var tables []table
	for _, t := range b.All() {
		if t.Rows() == 0 {
			continue
		}
		columns := t.Columns()
		x := table{block: proto.Block{Columns: len(columns), Rows: t.Rows()}}
		for i, c := range columns {
			in := proto.InputColumn{Name: c.Name}
			switch v := t.Column(i).(type) {
			case []string:
				s := new(proto.ColStr)
				s.AppendArr(v)
				in.Data = s
			case []uuid.UUID:
				u := proto.ColUUID(v)
				in.Data = &u
			case []bool:
				u := proto.ColBool(v)
				in.Data = &u
			case []int32:
				u := proto.ColInt32(v)
				in.Data = &u
			case []int64:
				u := proto.ColInt64(v)
				in.Data = &u
			case []uint16:
				u := proto.ColUInt16(v)
				in.Data = &u
			case []uint32:
				u := proto.ColUInt32(v)
				in.Data = &u
			case []uint64:
				u := proto.ColUInt64(v)
				in.Data = &u
			case schema.Times:
				d := new(proto.ColDateTime64)
				if err := d.Infer(proto.ColumnType(c.Type)); err != nil {
					return nil, err
				}
				for _, n := range v {
					if d.Precision == 0 {
						n /= 1e9
					}
					d.AppendRaw(proto.DateTime64(n))
				}
				in.Data = d
			default:
				return nil, fmt.Errorf("column %s is a %T", c.Name, v)
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

// Rows gives the batches of rows of the corpus to keep, one after the other.
func Rows(ctx context.Context, c *Corpus, envelope bool, keep func(*schema.Batch)) error {
	run, err := decodesInto(envelope, keep)(ctx, c)
	if err != nil {
		return err
	}
	_, err = run.Round()
	return errors.Join(err, run.Close())
}

// Block returns a block of rows of the corpus as the store inserts them.
func Block(ctx context.Context, c *Corpus, envelope bool) (*schema.Batch, error) {
	block := new(schema.Batch)
	err := Rows(ctx, c, envelope, func(b *schema.Batch) {
		if block.Bytes() < store.DefaultBytes && block.Rows() < store.DefaultRows {
			block.AppendAll(b)
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
