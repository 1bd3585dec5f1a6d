package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// recoder writes Native blocks, which libchdb gives at revision 0, at the
// revision a client asked for.
type recoder struct {
	revision uint64
	server   column.ServerContext
	buf      chproto.Buffer
}

// newRecoder returns nil if the blocks can stay as they are.
func newRecoder(revision uint64, timezone, version string) *recoder {
	if revision == 0 {
		return nil
	}
	r := &recoder{revision: min(revision, proto.DBMS_TCP_PROTOCOL_VERSION)}
	r.server.Revision = 0
	if loc, err := time.LoadLocation(timezone); err == nil {
		r.server.Timezone = loc
	} else {
		r.server.Timezone = time.UTC
	}
	v := proto.ParseVersion(version)
	r.server.VersionMajor, r.server.VersionMinor, r.server.VersionPatch = v.Major, v.Minor, v.Patch
	return r
}

// recode returns the blocks of b re-encoded. What it returns is its own, until
// the next call.
func (r *recoder) recode(b []byte) ([]byte, error) {
	r.buf.Reset()
	in := chproto.NewReader(bytes.NewReader(b))
	for {
		columns, err := in.UVarInt()
		if err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return r.buf.Buf, nil
			}
			return nil, r.failed("", err)
		}
		rows, err := in.UVarInt()
		if err != nil {
			return nil, r.failed("", err)
		}
		if rows > maxBlockRows || columns > maxBlockColumns {
			return nil, r.failed("", fmt.Errorf("a block of %d rows and %d columns", rows, columns))
		}
		// Block info, and the two numbers, are what an empty block of the driver
		// holds.
		if err := proto.NewBlock().EncodeHeader(&r.buf, r.revision); err != nil {
			return nil, r.failed("", err)
		}
		r.buf.Buf = r.buf.Buf[:len(r.buf.Buf)-2]
		r.buf.PutUVarInt(columns)
		r.buf.PutUVarInt(rows)
		for range columns {
			if err := r.column(in, int(rows)); err != nil {
				return nil, err
			}
		}
	}
}

// Bounds of a block, well above what ClickHouse makes.
const (
	maxBlockRows    = 1 << 30
	maxBlockColumns = 1 << 20
)

// column re-encodes one column of a block. Its type is passed on as ClickHouse
// wrote it: the driver's own name for some types says less.
func (r *recoder) column(in *chproto.Reader, rows int) error {
	name, err := in.Str()
	if err != nil {
		return r.failed(name, err)
	}
	kind, err := in.Str()
	if err != nil {
		return r.failed(name, err)
	}
	c, err := column.Type(kind).Column(name, &r.server)
	if err != nil {
		return r.failed(name, err)
	}
	r.buf.PutString(name)
	r.buf.PutString(kind)
	if r.revision >= proto.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION {
		r.buf.PutBool(false)
	}
	if rows == 0 {
		return nil
	}
	state, hasState := c.(column.CustomSerialization)
	if hasState {
		if err := state.ReadStatePrefix(in); err != nil {
			return r.failed(name, err)
		}
	}
	if err := c.Decode(in, rows); err != nil {
		return r.failed(name, err)
	}
	if hasState {
		if err := state.WriteStatePrefix(&r.buf); err != nil {
			return r.failed(name, err)
		}
	}
	c.Encode(&r.buf)
	return nil
}

// failed tells which column cannot be sent; another format can.
func (r *recoder) failed(name string, err error) *exception {
	return &exception{code: 48, text: fmt.Sprintf("Code: 48. DB::Exception: column %s cannot be sent as Native at revision %d: %v (NOT_IMPLEMENTED)",
		strconv.Quote(name), r.revision, err)}
}
