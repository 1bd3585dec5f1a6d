package stages

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/tcp"
)

func captureCases() []Case {
	var out []Case
	for _, v := range []struct {
		suffix string
		name   func(c *Corpus) string
	}{
		{"in order", func(c *Corpus) string { return c.Capture }},
		{"1% loss and disorder", func(c *Corpus) string { return c.Lossy }},
	} {
		group := "capture to records, " + v.suffix
		out = append(out, captureCase(group, group, v.name, 0), Case{Name: "gopacket TCP, " + v.suffix, Group: group, Unit: "segment", Yardstick: true, Open: func(_ context.Context, c *Corpus) (Run, error) {
			return Run{Round: func() (Count, error) { return gopacketTCP(v.name(c)) }}, nil
		}})
	}
	group := out[0].Group
	return slices.Insert(out, 2,
		Case{Name: "memory copy", Group: group, Unit: "segment", Yardstick: true, Open: copyMemory},
		captureCase("capture to records, copies looked for", group, func(c *Corpus) string { return c.Capture }, duplicates),
		Case{Name: "SHA-256 of the capture", Group: group, Unit: "segment", Open: digestFile},
	)
}

// duplicates is the time within which ingest looks for copies of packets by default.
// gopacket does not look for any, so what is beside it does not either.
const duplicates = 50 * time.Millisecond

// captureCase makes records of a capture. Its digest belongs to the archive, and is
// measured by itself.
func captureCase(name, group string, file func(*Corpus) string, duplicates time.Duration) Case {
	return Case{Name: name, Group: group, Unit: "segment", Open: func(ctx context.Context, c *Corpus) (Run, error) {
		var src *capture.Source
		return Run{
			Prepare: func() (err error) {
				src, err = capture.OpenSource(capture.SourceConfig{
					Paths: []string{file(c)}, Skip: func(string, int64, [32]byte) bool { return false },
				})
				return err
			},
			Round: func() (Count, error) { return senseSource(ctx, src, duplicates, new(null)) },
		}, nil
	}}
}

// null is a bus that takes records and forgets them.
type null struct{}

func (*null) Publish(_ context.Context, _ bus.Key, rec *record.Buffer) error {
	rec.Release()
	return nil
}

// sense makes records of a capture.
func sense(ctx context.Context, name string, out bus.Publisher) (Count, error) {
	src, err := capture.OpenSource(capture.SourceConfig{Paths: []string{name}})
	if err != nil {
		return Count{}, err
	}
	return senseSource(ctx, src, 0, out)
}

// senseSource makes records of what a source gives, and closes it.
func senseSource(ctx context.Context, src *capture.Source, duplicates time.Duration, out bus.Publisher) (Count, error) {
	defer src.Close()
	ports := []uint16{102}
	s := sensor.New(sensor.Config{
		Name:    sensorName,
		Source:  func(int32) string { return "bench.pcap" },
		Decoder: capture.DecoderConfig{Ports: ports}, TCP: tcp.Config{Ports: ports},
		Duplicates: duplicates,
	}, out)
	var n Count
	var f capture.Frame
	for {
		if err := src.Next(&f); err != nil {
			if errors.Is(err, io.EOF) {
				return n, s.End(ctx, src.Files())
			}
			return n, err
		}
		n.Units++
		n.Octets += int64(len(f.Data)) + 16
		if err := s.Frame(ctx, &f); err != nil {
			return n, err
		}
	}
}

// octets counts what gopacket's reassembly hands on.
type octets struct{ n int64 }

func (o *octets) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return o
}

func (o *octets) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

func (o *octets) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	n, _ := sg.Lengths()
	o.n += int64(len(sg.Fetch(n)))
}

func (o *octets) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }

// context is what gopacket's assembler wants to know of a packet.
type packetContext struct{ info gopacket.CaptureInfo }

func (c *packetContext) GetCaptureInfo() gopacket.CaptureInfo { return c.info }

// gopacketTCP follows the TCP streams of a capture and does nothing with them.
func gopacketTCP(name string) (Count, error) {
	f, err := os.Open(name)
	if err != nil {
		return Count{}, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(bufio.NewReaderSize(f, 256<<10))
	if err != nil {
		return Count{}, err
	}
	var (
		eth  layers.Ethernet
		v4   layers.IPv4
		v6   layers.IPv6
		seg  layers.TCP
		load gopacket.Payload
		got  []gopacket.LayerType
		out  octets
		c    packetContext
		n    Count
	)
	p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &v4, &v6, &seg, &load)
	p.IgnoreUnsupported = true
	a := reassembly.NewAssembler(reassembly.NewStreamPool(&out))
	// What x400flow holds out of order by default.
	a.MaxBufferedPagesPerConnection = 1 << 20 / 1900
	for {
		data, info, err := r.ZeroCopyReadPacketData()
		if errors.Is(err, io.EOF) {
			a.FlushAll()
			if out.n == 0 {
				return n, errors.New("gopacket followed nothing")
			}
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n.Units++
		n.Octets += int64(len(data)) + 16
		if err := p.DecodeLayers(data, &got); err != nil {
			return n, err
		}
		for _, t := range got {
			if t == layers.LayerTypeTCP {
				c.info = info
				flow := v4.NetworkFlow()
				if got[1] == layers.LayerTypeIPv6 {
					flow = v6.NetworkFlow()
				}
				a.AssembleWithContext(flow, &seg, &c)
			}
		}
	}
}

// copyMemory copies the octets of the capture in memory.
func copyMemory(ctx context.Context, c *Corpus) (Run, error) {
	b, err := os.ReadFile(c.Capture)
	if err != nil {
		return Run{}, err
	}
	to := make([]byte, len(b))
	n := Count{Units: int64(c.Summary.Packets), Octets: int64(len(b))}
	return Run{Round: func() (Count, error) {
		copy(to, b)
		return n, nil
	}}, nil
}

// digestFile is what the archive's row of the capture costs.
func digestFile(_ context.Context, c *Corpus) (Run, error) {
	return Run{Round: func() (Count, error) {
		_, size, err := capture.Digest(c.Capture)
		return Count{Units: int64(c.Summary.Packets), Octets: size}, err
	}}, nil
}
