//go:build pcap

package capture

import (
	"fmt"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	libpcap "github.com/gopacket/gopacket/pcap"
)

// A Filter is a libpcap filter expression, applied to frames as captured. Note
// that libpcap's "tcp port 102" misses tagged and tunnelled frames, and all
// fragments but the first. A Filter is for one goroutine.
type Filter struct {
	expr  string
	links map[LinkType]*libpcap.BPF // An expression compiles differently for each.
}

// NewFilter compiles a filter expression.
func NewFilter(expr string) (*Filter, error) {
	f := &Filter{expr: expr, links: map[LinkType]*libpcap.BPF{}}
	if _, err := f.compiled(LinkEthernet); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Filter) compiled(t LinkType) (*libpcap.BPF, error) {
	if b, ok := f.links[t]; ok {
		return b, nil
	}
	b, err := libpcap.NewBPF(layers.LinkType(t), MaxRecord, f.expr)
	if err != nil {
		return nil, fmt.Errorf("filter %q on link type %d: %w", f.expr, t, err)
	}
	f.links[t] = b
	return b, nil
}

// Match reports whether a frame passes the filter.
func (f *Filter) Match(fr *Frame) (bool, error) {
	b, err := f.compiled(fr.Link)
	if err != nil {
		return false, err
	}
	return b.Matches(gopacket.CaptureInfo{
		Timestamp:     time.Unix(0, fr.Time),
		CaptureLength: len(fr.Data),
		Length:        fr.Length,
	}, fr.Data), nil
}
