package packets

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"

	"x400flow/pipeline/capture"
)

// span is where something stands in a file, and in time.
type span struct {
	from, to    int64 // Octets of the file.
	first, last int64 // Capture times.
	frames      uint64
}

func (s *span) add(from, to, at int64) {
	if s.frames == 0 {
		s.from, s.first, s.last = from, at, at
	}
	s.to = to
	s.first, s.last = min(s.first, at), max(s.last, at)
	s.frames++
}

// cover makes s reach over o as well.
func (s *span) cover(o span) {
	if s.frames == 0 {
		*s = o
	} else if o.frames > 0 {
		s.from, s.to = min(s.from, o.from), max(s.to, o.to)
		s.first, s.last = min(s.first, o.first), max(s.last, o.last)
		s.frames += o.frames
	}
}

// index says where the connections of a file are.
type index struct {
	header int64 // Octets before the first packet.
	size   int64 // Of the file.
	flows  map[capture.FlowKey]*span
	// fragments are frames that are parts of IP datagrams; to which connections they
	// belong shows only when the last has come.
	fragments span
}

// magic begins an index.
const magic = "x400flow flows 1"

// encode writes the index as text, lines of fields that are separated by spaces.
func (x *index) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nfile %d %d\n", magic, x.header, x.size)
	line := func(name string, s *span) {
		fmt.Fprintf(&b, "%s %d %d %d %d %d\n", name, s.from, s.to, s.first, s.last, s.frames)
	}
	if x.fragments.frames > 0 {
		line("fragments", &x.fragments)
	}
	keys := slices.SortedFunc(maps.Keys(x.flows), func(a, b capture.FlowKey) int {
		return cmp.Compare(x.flows[a].from, x.flows[b].from)
	})
	for _, k := range keys {
		line(k.Lo().String()+" "+k.Hi().String(), x.flows[k])
	}
	return b.Bytes()
}

// holds reports whether a place may be one in the file.
func (x *index) holds(s *span) bool { return s.from >= x.header && s.from <= s.to && s.to <= x.size }

var errIndex = errors.New("not an index of flows")

// readIndex reads the index of a file.
func readIndex(name string) (*index, error) {
	f, err := os.Open(name + indexExtension)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x, err := parseIndex(f)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(name); err != nil || fi.Size() != x.size {
		return nil, errIndex // Not of this file.
	}
	return x, nil
}

func parseIndex(r io.Reader) (*index, error) {
	s := bufio.NewScanner(r)
	x := &index{flows: make(map[capture.FlowKey]*span)}
	if !s.Scan() || s.Text() != magic || !s.Scan() {
		return nil, errIndex
	}
	if _, err := fmt.Sscanf(s.Text(), "file %d %d", &x.header, &x.size); err != nil {
		return nil, errIndex
	}
	for s.Scan() {
		var a, b string
		var p span
		if _, err := fmt.Sscanf(s.Text(), "fragments %d %d %d %d %d", &p.from, &p.to, &p.first, &p.last, &p.frames); err == nil && x.holds(&p) {
			x.fragments = p
			continue
		}
		if _, err := fmt.Sscanf(s.Text(), "%s %s %d %d %d %d %d", &a, &b, &p.from, &p.to, &p.first, &p.last, &p.frames); err != nil {
			return nil, errIndex
		}
		lo, err := netip.ParseAddrPort(a)
		hi, err2 := netip.ParseAddrPort(b)
		if err != nil || err2 != nil || lo.Addr().Is4() != hi.Addr().Is4() || !x.holds(&p) {
			return nil, errIndex
		}
		x.flows[capture.KeyOf(lo, hi)] = &p
	}
	return x, s.Err()
}
