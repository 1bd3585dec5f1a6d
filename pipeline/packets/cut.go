package packets

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"x400flow/pipeline/capture"
)

// Want says which packets are cut out: those of a connection, within times.
type Want struct {
	Key     capture.FlowKey
	Windows []Window
}

// Window is a range of capture times, both inclusive, in nanoseconds since 1970 UTC.
type Window struct{ From, To int64 }

// maxHeld bounds the octets of fragments that wait for the rest of their datagram.
const maxHeld = 16 << 20

// Cut writes the wanted packets in the files to out, as pcapng, and returns how many
// there are. It goes on after a file that cannot be read; the error tells of it.
// The files are read one after the other, so they are given in the order of time.
func Cut(out io.Writer, files []string, wants []Want) (frames uint64, err error) {
	c := newCutter(out, func(key *capture.FlowKey, at int64) bool {
		for i := range wants {
			if wants[i].Key == *key && wants[i].at(at, at) {
				return true
			}
		}
		return false
	})
	for _, name := range files {
		x, xerr := readIndex(name)
		if xerr != nil {
			if ferr := c.file(name); ferr != nil {
				err = errors.Join(err, ferr)
			}
			continue
		}
		var s span
		for i := range wants {
			if flow := x.flows[wants[i].Key]; flow != nil && wants[i].at(flow.first, flow.last) {
				s.cover(*flow)
			}
		}
		if s.frames > 0 {
			s.cover(x.fragments)
			err = errors.Join(err, c.part(name, x.header, s))
		}
	}
	return c.frames, errors.Join(err, c.flush())
}

// at reports whether a time between first and last is within a window.
func (w *Want) at(first, last int64) bool {
	for _, x := range w.Windows {
		if first <= x.To && last >= x.From {
			return true
		}
	}
	return false
}

// cutter copies packets of connections.
type cutter struct {
	out     *bufio.Writer
	want    func(key *capture.FlowKey, at int64) bool
	put     func(from, to, at int64, key *capture.FlowKey) // Told of each packet; nil: nobody.
	decoder *capture.Decoder
	numbers map[iface]int
	header  int64 // Octets before the first packet.
	size    int64
	frames  uint64
	block   []byte

	held   map[capture.Datagram][]capture.Frame
	octets int // Of these.
}

func newCutter(out io.Writer, want func(key *capture.FlowKey, at int64) bool) *cutter {
	return &cutter{
		out: bufio.NewWriterSize(out, 256<<10), want: want, decoder: capture.NewDecoder(capture.DecoderConfig{}),
		numbers: map[iface]int{}, held: map[capture.Datagram][]capture.Frame{},
	}
}

// flush ends the output.
func (c *cutter) flush() error {
	if c.size == 0 {
		c.begin(nil)
	}
	return c.out.Flush()
}

// begin writes the header.
func (c *cutter) begin(ifaces []iface) {
	b := header(ifaces)
	c.out.Write(b) // Flush returns the error.
	c.size = int64(len(b))
	c.header = c.size
	for n, i := range ifaces {
		c.numbers[i] = n
	}
}

// file copies from a whole file.
func (c *cutter) file(name string) error {
	r, err := capture.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	return c.read(r, name)
}

// part copies from a part of a file that begins with its header.
func (c *cutter) part(name string, header int64, s span) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := capture.NewReader(io.MultiReader(io.NewSectionReader(f, 0, header), io.NewSectionReader(f, s.from, s.to-s.from)), name, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	return c.read(r, name)
}

func (c *cutter) read(r *capture.Reader, name string) error {
	ifaces := readInterfaces(name)
	if c.size == 0 {
		c.begin(ifaces)
	}
	var f capture.Frame
	var seg capture.Segment
	for {
		if err := r.Next(&f); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		i := iface{filepath.Base(name), f.Link}
		if int(f.Iface) < len(ifaces) && ifaces[f.Iface].link == f.Link {
			i = ifaces[f.Iface]
		}
		before := c.decoder.Counters()
		found := c.decoder.Decode(&f, &seg)
		after := c.decoder.Counters()
		var parts []capture.Frame
		if after.Reassembled != before.Reassembled {
			parts = c.take(c.decoder.Datagram())
		} else if after.Fragments != before.Fragments {
			c.hold(c.decoder.Datagram(), &f)
		}
		if !found || !c.want(&seg.Key, f.Time) {
			continue
		}
		for p := range parts {
			c.packet(i, &parts[p], nil)
		}
		c.packet(i, &f, &seg.Key)
	}
}

func (c *cutter) hold(d capture.Datagram, f *capture.Frame) {
	if c.octets+len(f.Data) > maxHeld {
		clear(c.held)
		c.octets = 0
	}
	g := *f
	g.Data = bytes.Clone(f.Data)
	c.held[d] = append(c.held[d], g)
	c.octets += len(g.Data)
}

func (c *cutter) take(d capture.Datagram) []capture.Frame {
	parts := c.held[d]
	delete(c.held, d)
	for i := range parts {
		c.octets -= len(parts[i].Data)
	}
	return parts
}

// packet writes a packet, and before it what tells of its interface.
func (c *cutter) packet(i iface, f *capture.Frame, key *capture.FlowKey) {
	n, ok := c.numbers[i]
	if !ok {
		n = len(c.numbers)
		c.numbers[i] = n
		b := header([]iface{i})
		b = b[binary.LittleEndian.Uint32(b[4:]):] // Without the section's.
		c.out.Write(b)
		c.size += int64(len(b))
	}
	c.block = appendPacket(c.block[:0], n, f)
	c.out.Write(c.block)
	from := c.size
	c.size += int64(len(c.block))
	c.frames++
	if c.put != nil {
		c.put(from, c.size, f.Time, key)
	}
}

// readInterfaces returns the interfaces at the beginning of a pcapng file of this
// machine's making, or none.
func readInterfaces(name string) (ifaces []iface) {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for n := 0; n <= maxIfaces; n++ {
		h, err := r.Peek(8)
		if err != nil {
			return ifaces
		}
		kind, size := binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		if n == 0 && kind != 0x0a0d0d0a || n > 0 && kind != 1 || size < 20 || size > 1<<16 {
			return ifaces
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return ifaces
		}
		if n == 0 {
			if binary.LittleEndian.Uint32(b[8:]) != 0x1a2b3c4d {
				return nil
			}
			continue
		}
		i := iface{fmt.Sprintf("%s, interface %d", filepath.Base(name), n-1), capture.LinkType(binary.LittleEndian.Uint16(b[8:]))}
		for o := b[16 : size-4]; len(o) >= 4; {
			code, length := binary.LittleEndian.Uint16(o), int(binary.LittleEndian.Uint16(o[2:]))
			if code == 0 || 4+length > len(o) {
				break
			}
			if code == 2 {
				i.name = string(o[4 : 4+length])
			}
			o = o[min(len(o), 4+(length+3)&^3):]
		}
		ifaces = append(ifaces, i)
	}
	return ifaces
}
