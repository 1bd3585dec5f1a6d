//go:build pcap

package device

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gopacket/gopacket/layers"
	libpcap "github.com/gopacket/gopacket/pcap"

	"x400flow/pipeline/capture"
)

// A libpcapHandle captures through libpcap. Its Next waits up to Config.Retire.
type libpcapHandle struct {
	handle *libpcap.Handle
	link   capture.LinkType

	mu     sync.Mutex // Guards what follows.
	stats  Stats
	last   libpcap.Stats
	closed bool
}

// openLibpcap opens an interface through libpcap, which has one handle for it.
func openLibpcap(c Config) ([]Handle, error) {
	fail := func(err error) ([]Handle, error) {
		return nil, fmt.Errorf("interface %s: libpcap: %w", c.Interface, err)
	}
	in, err := libpcap.NewInactiveHandle(c.Interface)
	if err != nil {
		return fail(err)
	}
	defer in.CleanUp()
	err = errors.Join(
		in.SetSnapLen(capture.MaxRecord), in.SetPromisc(c.Promiscuous), in.SetTimeout(cmp.Or(c.Retire, DefaultRetire)),
		in.SetBufferSize(cmp.Or(c.BlockSize, DefaultBlockSize)*cmp.Or(c.Blocks, DefaultBlocks)*max(c.Handles, 1)),
	)
	if err != nil {
		return fail(err)
	}
	h, err := in.Activate()
	if err != nil {
		return fail(err)
	}
	p := &libpcapHandle{handle: h, link: capture.LinkType(h.LinkType())}
	if h.LinkType() == layers.LinkTypeRaw {
		p.link = capture.LinkRaw
	}
	if filter, err := Filter(p.link, c.Ports, c.Tunnels); err == nil {
		program := make([]libpcap.BPFInstruction, len(filter))
		for i, in := range filter {
			program[i] = libpcap.BPFInstruction{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
		}
		if err := h.SetBPFInstructionFilter(program); err != nil {
			h.Close()
			return fail(err)
		}
	} // Of other links all frames are taken, and looked at.
	return []Handle{p}, nil
}

// Next implements Handle.
func (p *libpcapHandle) Next(f *capture.Frame) (bool, error) {
	data, ci, err := p.handle.ZeroCopyReadPacketData()
	switch {
	case errors.Is(err, libpcap.NextErrorTimeoutExpired):
		return false, nil
	case err != nil:
		return false, err
	}
	f.Data, f.Length, f.Time, f.Link = data, ci.Length, ci.Timestamp.UnixNano(), p.link
	return true, nil
}

// Stats implements Handle.
func (p *libpcapHandle) Stats() (Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.stats, nil
	}
	st, err := p.handle.Stats()
	if err != nil {
		return p.stats, err
	}
	// libpcap's counters have 32 bits.
	p.stats.Frames += uint64(uint32(st.PacketsReceived - p.last.PacketsReceived))
	p.stats.Dropped += uint64(uint32(st.PacketsDropped-p.last.PacketsDropped)) + uint64(uint32(st.PacketsIfDropped-p.last.PacketsIfDropped))
	p.last = *st
	return p.stats, nil
}

// Close implements Handle.
func (p *libpcapHandle) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		p.handle.Close()
	}
	return nil
}

// restLibpcap is what Wait does where Next waits.
func restLibpcap(handles []Handle, timeout time.Duration) {
	if len(handles) == 0 {
		time.Sleep(timeout)
	}
}
