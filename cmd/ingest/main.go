// Ingest archives the X.400 traffic in packet captures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"x400flow/cmd/internal/config"
	"x400flow/cmd/internal/confine"
	"x400flow/cmd/internal/service"
	"x400flow/engine"
	"x400flow/pipeline/decode"
	"x400flow/pipeline/monitor"
	"x400flow/pipeline/sensor"
	"x400flow/pipeline/store"
)

const usage = `Ingest reads packet captures and archives the X.400 messages in them.

  ingest -r mta.pcap                        into ./archive
  ingest -r /var/captures -store /srv/x400  a folder of rotated files, in time order
  ingest -watch /var/captures               a folder into which dumpcap or tcpdump rotates files, until it is interrupted
  ingest -i eth1 -i eth2                    interfaces, until it is interrupted
  ingest -i eth1+eth2                       a link whose directions come on two, as from an optical tap
  tcpdump -i eth0 -U -w - | ingest -r -     what tcpdump captures, as it comes
  ingest -r mta.pcap -records mta.records   TPDU stream records, for decode -r
  ingest -r mta.pcap -bus kafka://broker:9092/x400.tpdus   the same over Kafka, for decode -bus

Captures are pcap or pcapng, plain or compressed with gzip or zstd. Reading one
again changes nothing: rows are identified by what they say.

`

type options struct {
	read       list
	watch      watching
	live       tapping
	packets    keeping
	sandbox    confine.Flag
	store      config.Store
	monitor    config.Monitor
	bus        config.Bus
	leaving    leaving
	records    string
	ports      ports
	filter     string
	sensor     string
	keep       string
	workers    int
	reread     bool
	verbose    bool
	group      string
	drain      time.Duration
	memory     config.Size
	tcpOctets  config.Size
	tcpConn    config.Size
	connState  config.Size
	transfers  config.Size
	engine     config.Size
	fsync      bool
	maxConns   int
	idle       time.Duration
	duplicates time.Duration
	block      int
	level      *slog.LevelVar
	flags      *flag.FlagSet

	idling func() error // Called when standard input has nothing for a while; nil before it is read.
}

// define returns the flags that set o.
func (o *options) define() *flag.FlagSet {
	o.ports = ports{102}
	o.memory, o.tcpOctets, o.tcpConn, o.connState = store.DefaultMemory, 256<<20, 1<<20, sensor.DefaultMaxState
	o.transfers = decode.DefaultMaxBuffered
	host, err := os.Hostname()
	if err != nil {
		host = "sensor"
	}
	flags := flag.NewFlagSet("ingest", flag.ContinueOnError)
	flags.Var(&o.read, "r", "capture `file`, folder, or - for standard input; may be given several times")
	o.watch.define(flags)
	o.live.define(flags)
	o.packets.define(flags)
	o.store.Define(flags)
	o.store.DefineSchema(flags)
	o.monitor.Define(flags)
	o.bus.Define(flags)
	o.leaving.define(flags)
	flags.StringVar(&o.records, "records", "", "write TPDU stream records to this `file` instead of archiving")
	flags.Var(&o.ports, "port", "TCP `ports` of X.400, separated by commas; matched after VLANs, tunnels and fragments are undone")
	flags.StringVar(&o.filter, "f", "", "libpcap `filter` on frames as captured; not needed to find the ports, and it misses tagged frames and fragments")
	flags.StringVar(&o.sensor, "sensor", host, "`name` of this sensor in every row")
	flags.StringVar(&o.keep, "keep", "content", "`what` of a message to keep: content, or envelope: no text and no octets of contents, but headings, sizes and digests")
	flags.IntVar(&o.workers, "workers", defaultWorkers(), "decoding `goroutines`; by default half of the cores")
	flags.BoolVar(&o.reread, "reread", false, "read captures that are archived already")
	flags.StringVar(&o.group, "socket-group", "", "`group` that may use the archive's socket")
	flags.DurationVar(&o.drain, "drain", 30*time.Second, "`time` that storing what was read may take after an interruption")
	flags.Var(&o.engine, "engine-memory", "most `octets` the embedded ClickHouse may use, such as 4G; 0 is a quarter of the machine's")
	flags.BoolVar(&o.fsync, "engine-fsync", false, "the embedded ClickHouse has inserts and merges on disk before they count, so that an archive also survives a power cut; costs a tenth of its CPU time, and what the disk takes")
	flags.Var(&o.tcpOctets, "tcp-memory", "most `octets` held out of order by all connections")
	flags.Var(&o.tcpConn, "tcp-conn-memory", "most `octets` held out of order by one connection")
	flags.Var(&o.connState, "connection-memory", "most `octets` kept of connections otherwise: openings, and TPDUs of which a part is there; the longest idle is given up")
	flags.Var(&o.transfers, "transfer-memory", "most `octets` kept of transfers that are not whole, and a quarter of it of those that are suspended; what is open of the longest silent connection is given up, and what was suspended first; room for two of 256M is there always")
	flags.Var(&o.memory, "memory", "most `octets` of what is on its way to the archive, records and rows, about; one large message may take more")
	flags.IntVar(&o.maxConns, "max-connections", 1<<18, "most TCP `connections` followed at once; those without octets give way first, then the longest idle")
	flags.DurationVar(&o.idle, "idle", 6*time.Hour, "capture `time` after which a silent connection is given up")
	flags.DurationVar(&o.duplicates, "duplicates", 50*time.Millisecond, "capture `time` within which the same packet is left out as another port's copy of it; 0 leaves none out")
	flags.IntVar(&o.block, "block", store.DefaultRows, "`rows` inserted at a time, about; fewer are visible sooner and cost more")
	o.sandbox.Define(flags)
	flags.BoolVar(&o.verbose, "v", false, "log more")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
		fmt.Fprint(flags.Output(), config.Usage)
	}
	return flags
}

// defaultWorkers is half of the cores: reading a capture, digesting it and sending rows take one
// more for each one or two that decode, and the archive's engine as much as all that. Each
// worker more has its own rows that wait to be sent, and names that it has read before.
func defaultWorkers() int { return max(runtime.GOMAXPROCS(0)/2, 1) }

func main() {
	engine.Main()
	var o options
	flags := o.define()
	o.flags = flags
	err := config.Parse(flags, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = o.check(flags)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "ingest: %v\nTry: ingest -h\n", err)
		os.Exit(2)
	}
	o.level = new(slog.LevelVar)
	o.level.Set(o.levelOf())
	log := slog.New(monitor.Sample(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: o.level})))

	held, err := confine.Enter(o.sandbox, o.plan(flags))
	if err != nil {
		fmt.Fprintf(os.Stderr, "ingest: %v\n", err)
		os.Exit(1)
	}
	if o.lasts() {
		held.Log(log, slog.LevelInfo)
	} else {
		held.Log(log, slog.LevelDebug)
	}

	ctx, stop := service.Signals(context.Background())
	unsaid := context.AfterFunc(ctx, func() { log.Info("interrupted; storing what was read", "within", o.drain) })
	err = run(ctx, &o, held, log, os.Stderr)
	unsaid()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "ingest: %v\n", err)
		os.Exit(1)
	}
}

func (o *options) check(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: captures are named with -r", flags.Arg(0))
	}
	if len(o.read) == 0 && o.watch.dir == "" && !o.live.on() {
		return errors.New("nothing to read: name a capture with -r, a folder to follow with -watch, or an interface with -i")
	}
	if err := o.live.check(o); err != nil {
		return err
	}
	if o.duplicates < 0 {
		return fmt.Errorf("-duplicates %v: must not be negative", o.duplicates)
	}
	if err := errors.Join(o.watch.check(o), o.packets.check(), o.sandbox.Check()); err != nil {
		return err
	}
	if o.drain <= 0 {
		return fmt.Errorf("-drain %v: must be above 0", o.drain)
	}
	if o.keep != "content" && o.keep != "envelope" {
		return fmt.Errorf("-keep %s: must be content or envelope", o.keep)
	}
	if o.workers < 1 {
		return fmt.Errorf("-workers %d: must be at least 1", o.workers)
	}
	if o.block < 1 {
		return fmt.Errorf("-block %d: must be at least 1", o.block)
	}
	if o.bus.URL != "" && o.records != "" {
		return errors.New("-bus and -records: records go to one place")
	}
	if o.bus.URL == "" && o.leaving.spool != "" {
		return errors.New("-spool goes with -bus")
	}
	if o.sensor == "" {
		return errors.New("-sensor: must not be empty")
	}
	return o.checkEngine()
}

// checkEngine refuses what is said to an engine that the run has none of. -engine-fsync is
// also asked of a server, see syncs.
func (o *options) checkEngine() error {
	archive := o.bus.URL == "" && o.records == ""
	switch {
	case o.fsync && !archive:
		return errors.New("-engine-fsync: goes with an archive (-store), not with -bus or -records")
	case o.engine != 0 && !(archive && o.store.Embedded()):
		return errors.New("-engine-memory: goes with an archive in a directory (-store), whose engine it bounds")
	case o.group != "" && !(archive && o.store.Embedded()):
		return errors.New("-socket-group: goes with an archive in a directory (-store), which has the socket")
	}
	return nil
}

func (o *options) levelOf() slog.Level {
	if o.verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// reload reads the configuration anew, and does what can be done about it while the
// program runs.
func (o *options) reload(kept kept, log *slog.Logger) error {
	var n options
	flags := n.define()
	if err := config.Parse(flags, os.Args[1:]); err != nil {
		return err
	}
	if err := n.check(flags); err != nil {
		return err
	}
	var now, later []string
	for _, name := range config.Changed(o.flags, flags) {
		switch name {
		case "v", "write-pcap-file", "write-pcap-limit", "write-pcap-age":
			now = append(now, name)
		default:
			later = append(later, name)
		}
	}
	o.level.Set(n.levelOf())
	kept.reload(n.packets.limits())
	log.Info("configuration read", "changed", strings.Join(now, " "))
	if len(later) > 0 {
		log.Warn("some options change at the next start", "options", strings.Join(later, " "))
	}
	return nil
}

// plan says what the run is to have access to.
func (o *options) plan(flags *flag.FlagSet) confine.Plan {
	p := confine.Plan{Network: o.bus.URL != "", Listen: o.monitor.Listen, Sockets: o.live.sockets()}
	for _, name := range o.read {
		if name != "-" {
			p.Read = append(p.Read, name)
			p.Links(name)
		}
	}
	if o.watch.dir != "" {
		p.Read = append(p.Read, o.watch.dir)
		p.Links(o.watch.dir)
	}
	p.ReadBeside(flags.Lookup("config").Value.String())
	p.ReadBeside(o.store.Files()...)
	p.ReadBeside(o.bus.Files()...)
	for _, dir := range []string{o.leaving.spool, dirOf(o.watch.state)} {
		if dir != "" {
			p.Write = append(p.Write, dir)
		}
	}
	if o.packets.dir != "" {
		p.Private = append(p.Private, o.packets.dir)
	}
	switch {
	case o.bus.URL != "":
	case o.records != "":
		p.Files = append(p.Files, o.records)
	default:
		o.store.Plan(&p)
	}
	return p
}

func dirOf(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Dir(name)
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// ports is a flag of port numbers separated by commas.
type ports []uint16

func (p *ports) String() string {
	s := make([]string, len(*p))
	for i, n := range *p {
		s[i] = strconv.Itoa(int(n))
	}
	return strings.Join(s, ",")
}

func (p *ports) Set(v string) error {
	*p = nil
	for part := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no port number from 1 to 65535", part)
		}
		*p = append(*p, uint16(n))
	}
	return nil
}
