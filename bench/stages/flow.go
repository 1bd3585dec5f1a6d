package stages

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"x400flow/bench/generate"
	"x400flow/pipeline/bus/memory"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/tcp"
	"x400flow/schema"
)

// Flow is a way from a capture to columns, as ingest has it but for the archive.
type Flow struct {
	Capture string
	// Copies, if not 0, is how many connections there are, each with the frames of
	// the first of the capture and addresses of its own: every connection sends
	// its first frame, then every one its second.
	Copies int
	// Again is how often as many other connections follow when these have ended.
	Again int
	// Copied, if not 0, has frames only copied, each behind the one before in a buffer of
	// so many octets that its connection has. Units are frames.
	Copied   int
	Workers  int
	Envelope bool
	Native   bool // To Native blocks, too.
	Problems bool // There may be some.
}

// Run takes the flow once. Units are messages, reports and probes.
func (f *Flow) Run(ctx context.Context) (Count, error) {
	if f.Copied > 0 {
		return f.copied()
	}
	b := memory.New(0)
	out := new(sink)
	var native []byte
	if f.Native {
		out.keep = func(b *schema.Batch) bool {
			for _, parts := range (schema.Block{b}).All() {
				native = schema.AppendNative(native[:0], parts...)
			}
			return false
		}
	}
	limits := max(65536, f.Copies)
	pool := decode.New(decode.Config{Workers: f.Workers, EnvelopeOnly: f.Envelope, MaxConnections: 2 * limits}, b, out)
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	ports := []uint16{102}
	s := sensor.New(sensor.Config{
		Name: sensorName, Source: func(int32) string { return f.Capture },
		Decoder: capture.DecoderConfig{Ports: ports}, TCP: tcp.Config{Ports: ports, MaxConns: limits}, PendingEach: sensor.UsualPendingEach,
	}, b)
	var n Count
	take := func(fr *capture.Frame) error {
		n.Octets += int64(len(fr.Data))
		return s.Frame(ctx, fr)
	}
	err := f.frames(take)
	err = errors.Join(err, s.End(ctx, nil), b.Close(), <-ended)
	st := pool.Stats()
	n.Units, n.Rows = int64(st.Messages+st.Probes+st.Reports), out.taken()
	if err == nil && st.Problems > 0 && !f.Problems {
		err = fmt.Errorf("%d problems", st.Problems)
	}
	return n, err
}

func (f *Flow) copied() (n Count, err error) {
	type buffer struct {
		octets []byte
		at     int
	}
	buffers := make([]buffer, f.Copies)
	err = f.frames(func(fr *capture.Frame) error {
		b := &buffers[n.Units%int64(f.Copies)]
		if b.octets == nil {
			b.octets = make([]byte, f.Copied)
		}
		if b.at+len(fr.Data) > f.Copied {
			b.at = 0
		}
		b.at += copy(b.octets[b.at:], fr.Data)
		n.Units++
		n.Octets += int64(len(fr.Data))
		return nil
	})
	return n, err
}

func (f *Flow) frames(take func(*capture.Frame) error) error {
	src, err := capture.OpenSource(capture.SourceConfig{Paths: []string{f.Capture}})
	if err != nil {
		return err
	}
	defer src.Close()
	var list []capture.Frame
	var fr capture.Frame
	for {
		err := src.Next(&fr)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if f.Copies == 0 {
			if err := take(&fr); err != nil {
				return err
			}
			continue
		}
		if len(list) > 0 && ends(fr.Data) != ends(list[0].Data) {
			break
		}
		fr.Data = bytes.Clone(fr.Data)
		list = append(list, fr)
	}
	if len(list) == 0 {
		return nil
	}
	// Where the client's address is in each frame: it is the side that sent the first.
	opener := [4]byte(list[0].Data[26:30])
	clients := make([]int, len(list))
	for i := range list {
		clients[i] = 26
		if opener != [4]byte(list[i].Data[26:30]) {
			clients[i] = 30
		}
	}
	number := uint64(0)
	for i := range len(list) * (1 + f.Again) {
		first := i / len(list) * f.Copies // Connection.
		fr, client := list[i%len(list)], clients[i%len(list)]
		for k := first; k < first+f.Copies; k++ {
			number++
			fr.Number = number
			fr.Time = list[0].Time + int64(number)*1000
			// 200 hosts have 500 connections each, or as many as it takes.
			binary.BigEndian.PutUint16(fr.Data[client+2:], uint16(k%200))
			binary.BigEndian.PutUint16(fr.Data[34+(client-26)/2:], uint16(1024+k/200))
			if err := take(&fr); err != nil {
				return err
			}
		}
	}
	return nil
}

// ends tells a TCP connection over IPv4 and Ethernet from others.
func ends(frame []byte) [12]byte {
	var a, b [6]byte
	copy(a[:], frame[26:30])
	copy(a[4:], frame[34:36])
	copy(b[:], frame[30:34])
	copy(b[4:], frame[36:38])
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return [12]byte(slices.Concat(a[:], b[:]))
}

// Sized are options of messages whose contents have one size: normal mode, IPv4, one
// recipient each, nothing rare.
func Sized(messages, size int) generate.Options {
	o := Options(messages)
	o.Corpus = generate.Corpus{Steps: []generate.CorpusStep{{Weight: 1, Min: size, Max: size}}}
	o.MaxRecipients, o.MaxHops, o.ReportRate, o.ProbeRate, o.RichRate = 1, 1, 0, 0, 0
	o.IPv6Rate, o.TwoWayRate, o.RefuseRate, o.AbortRate, o.OpenRate, o.TimestampsRate = 0, 0, 0, 0, 0, 0
	o.IndefiniteRate, o.NonMinimalRate, o.ConstructedRate, o.ShuffleRate, o.SegmentRate = 0, 0, 0, 0, 0
	return o
}
