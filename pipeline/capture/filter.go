//go:build !pcap

package capture

import "errors"

// ErrNoFilter says that this build cannot compile filter expressions.
var ErrNoFilter = errors.New("filter expressions need libpcap: build with cgo and -tags pcap, or use a list of ports, which is matched behind tags, tunnels and fragments too")

// A Filter is a libpcap filter expression, applied to frames as captured. This
// build has none: see ErrNoFilter.
type Filter struct{}

// NewFilter returns ErrNoFilter.
func NewFilter(expr string) (*Filter, error) { return nil, ErrNoFilter }

// Match reports whether a frame passes the filter.
func (f *Filter) Match(fr *Frame) (bool, error) { return false, ErrNoFilter }
