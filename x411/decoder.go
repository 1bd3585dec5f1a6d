package x411

import "strconv"

// decoder is the state that reading an APDU and a bind have in common.
type decoder struct {
	in         []byte
	depthLimit int
}

func (a *APDU) decode(octets []byte)                             { a.Status = StatusFailed }
func (b *Bind) decode(octets []byte, role BindRole)              { b.Role, b.Status = role, StatusFailed }
func appendCredentials(dst []Range, bind []byte) ([]Range, bool) { return dst, false }

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }
