// Package generate writes captures of valid X.400 P1 traffic of any size, and a
// ledger of what they hold.
//
// It simulates message transfer agents in several management domains that relay
// messages, probes and reports to each other over TCP port 102: TPKT (RFC 1006),
// COTP class 0 (X.224), session (X.225), presentation (X.226), ACSE (X.227), RTSE
// (X.228) and P1 (X.411, X.419), in normal and in X.410-1984 mode. It has an
// encoder of its own and imports nothing from the decoding packages, so that it can
// be the other side of a test of these.
//
// The same options give the same octets, in any process on any machine. Memory is
// bounded by the number of concurrent associations and the largest message, not by
// the number of messages. A [Run] belongs to one goroutine; several may go on at once.
package generate

import (
	"bufio"
	"encoding/binary"
	"io"
	"iter"

	"x400flow/bench/ledger"
)

// Output says where a run writes. Capture is required, the others may be nil.
type Output struct {
	Capture io.Writer // A pcap file with nanosecond times, Ethernet frames.
	Tap     io.Writer // The same frames as a second sensor saw them, a little later.
	Ledger  io.Writer // JSON Lines, see package ledger.
}

// tapDelay is how much later the second sensor sees a frame, in nanoseconds.
const tapDelay = 1_734_211

// Run generates traffic and returns what the ledger's last entry holds.
func Run(o Options, out Output) (ledger.Summary, error) {
	if err := o.Validate(); err != nil {
		return ledger.Summary{}, err
	}
	var lw *ledger.Writer
	if out.Ledger != nil {
		lw = ledger.NewWriter(out.Ledger)
	}
	w := newWorld(o, lw)
	capture := newPcapWriter(out.Capture, o.SnapLen)
	var tap *pcapWriter
	if out.Tap != nil {
		tap = newPcapWriter(out.Tap, o.SnapLen)
	}
	var open heap
	defer func() {
		for _, a := range open {
			a.stop()
		}
	}()
	for {
		for len(open) < o.Concurrent {
			p := w.plan()
			if p.nothing {
				break
			}
			a := newAssociation(w, p)
			next, stop := iter.Pull(func(yield func(frame) bool) { a.run(p, yield) })
			if f, ok := next(); ok {
				open.push(running{f: f, id: a.l.ID, next: next, stop: stop})
			}
		}
		if len(open) == 0 {
			break
		}
		top := &open[0]
		w.clock = top.f.at
		capture.write(top.f.at, top.f.octets)
		if tap != nil {
			tap.write(top.f.at+tapDelay, top.f.octets)
		}
		if capture.err != nil {
			return ledger.Summary{}, capture.err
		}
		if f, ok := top.next(); ok {
			top.f = f
			open.fix()
		} else {
			open.pop()
		}
	}
	s := w.summary
	s.Packets, s.CaptureSize, s.Distinct = capture.packets, capture.size, w.originated
	capture.flush()
	err := capture.err
	if tap != nil {
		tap.flush()
		if err == nil {
			err = tap.err
		}
	}
	w.write(ledger.Entry{Summary: &s})
	if lw != nil {
		if e := lw.Flush(); err == nil {
			err = e
		}
	}
	if err == nil {
		err = w.err
	}
	return s, err
}

// running is an open association with the next frame that it sends.
type running struct {
	f    frame
	id   int
	next func() (frame, bool)
	stop func()
}

// heap orders open associations by the time of their next frame, ties by number.
type heap []running

func (h heap) less(i, j int) bool {
	if h[i].f.at != h[j].f.at {
		return h[i].f.at < h[j].f.at
	}
	return h[i].id < h[j].id
}

func (h *heap) push(r running) {
	*h = append(*h, r)
	for i := len(*h) - 1; i > 0; {
		p := (i - 1) / 2
		if !h.less(i, p) {
			return
		}
		(*h)[i], (*h)[p] = (*h)[p], (*h)[i]
		i = p
	}
}

// fix restores the order after the first element changed.
func (h heap) fix() {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

func (h *heap) pop() {
	n := len(*h) - 1
	(*h)[0] = (*h)[n]
	(*h)[n] = running{}
	*h = (*h)[:n]
	h.fix()
}

// pcapWriter writes a pcap file with nanosecond times (little endian, Ethernet).
type pcapWriter struct {
	w       *bufio.Writer
	snap    int
	packets int
	size    int64
	err     error
}

func newPcapWriter(w io.Writer, snap int) *pcapWriter {
	if snap == 0 {
		snap = 262144
	}
	p := &pcapWriter{w: bufio.NewWriterSize(w, 1<<18), snap: snap}
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], 0xa1b23c4d)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], uint32(snap))
	binary.LittleEndian.PutUint32(h[20:], 1)
	p.put(h[:])
	return p
}

func (p *pcapWriter) put(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
		p.size += int64(len(b))
	}
}

func (p *pcapWriter) write(at int64, b []byte) {
	kept := b[:min(len(b), p.snap)]
	var h [16]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(at/1e9))
	binary.LittleEndian.PutUint32(h[4:], uint32(at%1e9))
	binary.LittleEndian.PutUint32(h[8:], uint32(len(kept)))
	binary.LittleEndian.PutUint32(h[12:], uint32(len(b)))
	p.put(h[:])
	p.put(kept)
	p.packets++
}

func (p *pcapWriter) flush() {
	if p.err == nil {
		p.err = p.w.Flush()
	}
}
