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
	src := bytes.NewReader(b)
	// The reader buffers, so its end is told by its own EOF.
	in := chproto.NewReader(src)
	for {
		block := proto.Block{ServerContext: &r.server}
		if err := block.Decode(in, 0); err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && len(block.Columns) == 0 {
				return r.buf.Buf, nil
			}
			return nil, &exception{code: 48, text: fmt.Sprintf("Code: 48. DB::Exception: a block cannot be sent as Native at revision "+
				strconv.FormatUint(r.revision, 10)+": %v (NOT_IMPLEMENTED)", err)}
		}
		if err := block.Encode(&r.buf, r.revision); err != nil {
			return nil, &exception{code: 48, text: fmt.Sprintf("Code: 48. DB::Exception: a block cannot be sent as Native: %v (NOT_IMPLEMENTED)", err)}
		}
	}
}
