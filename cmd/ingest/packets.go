package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"x400flow/cmd/internal/config"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/packets"
)

// keeping are the flags that say which packets are kept as they were captured.
type keeping struct {
	dir   string
	of    string
	file  config.Size
	total config.Size
	age   time.Duration
	grace time.Duration
}

func (k *keeping) define(flags *flag.FlagSet) {
	k.file, k.total = packets.DefaultFile, packets.DefaultTotal
	flags.StringVar(&k.dir, "write-pcap", "", "keep the packets on the ports in this `folder`, as pcapng for query pcap; they are raw, with any credentials in them")
	flags.StringVar(&k.of, "write-pcap-of", "all", "`which` packets: all, or problems: those of connections with problems (over Kafka, those that the sensor sees: what decoders find is not known here)")
	flags.Var(&k.file, "write-pcap-file", "`octets` of a file, about, before the next begins")
	flags.Var(&k.total, "write-pcap-limit", "most `octets` in the folder; the oldest files go first")
	flags.DurationVar(&k.age, "write-pcap-age", packets.DefaultAge, "`time` that a file is kept")
	flags.DurationVar(&k.grace, "write-pcap-grace", packets.DefaultGrace, "with -write-pcap-of problems: `time` that all packets are kept, since a problem may show later than what led to it")
}

func (k *keeping) check() error {
	switch {
	case k.of != "all" && k.of != "problems":
		return fmt.Errorf("-write-pcap-of %s: must be all or problems", k.of)
	case k.of == "problems" && k.dir == "":
		return errors.New("-write-pcap-of goes with -write-pcap")
	case k.file == 0 || k.total < k.file:
		return fmt.Errorf("-write-pcap-limit %s: must hold a file of -write-pcap-file %s at least", &k.total, &k.file)
	case k.age <= 0 || k.grace <= 0:
		return errors.New("-write-pcap-age and -write-pcap-grace: must be above 0")
	}
	return nil
}

func (k *keeping) limits() packets.Limits {
	return packets.Limits{File: int64(k.file), Total: int64(k.total), Age: k.age}
}

// kept keeps packets or, without a writer, none.
type kept struct{ w *packets.Writer }

// open begins to keep, if the flags say so.
func (k *keeping) open(mon *monitor.Monitor, log *slog.Logger) (kept, error) {
	if k.dir == "" {
		return kept{}, nil
	}
	w, err := packets.Open(packets.Config{
		Dir: k.dir, Limits: k.limits(), Problems: k.of == "problems", Grace: k.grace, Log: log, Registerer: mon.Registerer(),
	})
	if err != nil {
		return kept{}, fmt.Errorf("-write-pcap: %w", err)
	}
	return kept{w}, nil
}

// hooks are what sensors call. name says where frames come from.
func (k kept) hooks(name func(file int32) string) (func(*capture.Frame, *capture.FlowKey), func(capture.FlowKey)) {
	if k.w == nil {
		return nil, nil
	}
	return func(f *capture.Frame, key *capture.FlowKey) { k.w.Write(f, name(f.File), key) }, k.w.Trouble
}

// trouble is what decoders call.
func (k kept) trouble() func(client, server netip.AddrPort) {
	if k.w == nil {
		return nil
	}
	return func(client, server netip.AddrPort) { k.w.Trouble(capture.KeyOf(client, server)) }
}

// reload begins another file, under other limits.
func (k kept) reload(l packets.Limits) {
	if k.w != nil {
		k.w.Limit(l)
		k.w.Reopen()
	}
}

func (k kept) close() error {
	if k.w == nil {
		return nil
	}
	if err := k.w.Close(); err != nil {
		return fmt.Errorf("-write-pcap: %w", err)
	}
	return nil
}
