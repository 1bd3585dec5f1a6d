// Package sensor turns captured frames into TPDU stream records: frames to TCP
// segments (pipeline/capture), segments to ordered octets (pipeline/tcp),
// octets to TPKTs (osi/tpkt), and those into records (pipeline/record) on a bus.
//
// Before a record leaves, the credentials in it are overwritten; see redact.go.
// A connection that is certainly not X.400 is muted: its counters go on, its
// octets are published no more.
//
// The octets of a frame are copied once, into the record. What is held is
// bounded: per connection by [Config.MaxRecord] and what a TSDU that may hold
// credentials needs, in all by [Config.MaxPending] and [Config.PendingEach]. Where
// records are cut depends on these, what they say does not.
//
// A Sensor belongs to one goroutine. Several may share live traffic, spread over
// them by the hosts at both ends; see [Config.Elsewhere].
package sensor

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"x400flow/osi/association"
	"x400flow/osi/buffers"
	"x400flow/osi/tpkt"
	"x400flow/pipeline/bus"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
	"x400flow/pipeline/tcp"
)

// Defaults of a Config's zero fields.
const (
	DefaultMaxRecord   = 64 << 10
	DefaultMaxItems    = 1024
	DefaultMaxPending  = 64 << 20
	DefaultMaxPreamble = 64 << 10
	DefaultMaxHeld     = 256 << 10
	DefaultMaxState    = 512 << 20
	DefaultMaxAge      = time.Second
	DefaultHeartbeat   = time.Minute
)

// UsualPendingEach is a Config.PendingEach with which the items of many connections are not
// published one by one: a record costs its decoder about as much as ten items.
const UsualPendingEach = 3 << 10

// evidence is how many octets of a run that is no TPKT are published; the rest
// is counted.
const evidence = 4 << 10

// classCost is what an association takes while it is looked at.
const classCost = 3 << 10

// maxProbes is how many TPDUs of a connection are looked at to find out
// whether it is X.400.
const maxProbes = 32

// Config says how a sensor works.
type Config struct {
	// Name names the sensor in every row.
	Name string
	// Epoch is when the sensor started, 0 for capture files.
	Epoch int64
	// Source names the file or interface with the index that frames carry.
	Source func(file int32) string
	// Continues says which segments of frames that are archived already
	// (capture.Frame.Known) are taken in all the same: those of connections that go
	// on in later frames. Nothing is told of such frames' intervals.
	Continues func(*capture.Segment) bool
	// Keep, if not nil, is given each frame with a segment on the watched ports, with
	// its connection's key, and each part of an IP datagram, with nil; but none that is
	// archived already. Both are borrowed.
	Keep func(f *capture.Frame, key *capture.FlowKey)
	// Trouble, if not nil, is told of connections with gaps, octets in no TPKT, or
	// credentials that could not be located.
	Trouble func(key capture.FlowKey)
	// Dropped, if not nil, returns how many records the bus has dropped since it was
	// asked last; heartbeats tell.
	Dropped func() uint64

	Decoder capture.DecoderConfig
	TCP     tcp.Config

	MaxRecord   int           // Octets of a record before it is cut.
	MaxItems    int           // Items of a record before it is cut.
	MaxPending  int           // Octets of all records not yet published, without their preambles.
	PendingEach int           // Octets that these may have more for each connection that has one; 0 for none.
	MaxPreamble int           // Octets of a connection's preamble.
	MaxHeld     int           // Octets of a TSDU held back until it can be redacted.
	MaxState    int           // Octets kept for all connections; beyond, the longest silent one is given up.
	MaxAge      time.Duration // Capture time after which a record is published.
	Heartbeat   time.Duration // Interval of coverage, aligned to UTC.

	// Duplicates is within which capture time a segment that came before is taken
	// for a second copy of the same packet, from another port of the switch, and
	// left out. 0 leaves none out: they count as retransmitted.
	Duplicates time.Duration

	// Clock, if not nil, makes a sensor of live traffic. Ages are measured by it, in
	// nanoseconds, instead of by capture time, since the machine's clock may be
	// set; the caller tells by Tick that time passes where no frame does, and
	// publishes the heartbeats, of what Watched returns.
	Clock func() int64
	// Elsewhere, if not nil, is asked where a segment belongs, of those that are
	// spread over several sensors by the hosts at both ends. If it reports true,
	// it has given the segment away to be another sensor's Segment.
	Elsewhere func(*capture.Segment) bool

	// Metrics, if not nil, gets what is counted.
	Metrics *Metrics

	general bool // For tests: no run is for plain, or taken as a whole TPKT.
}

// Stats count what a sensor did.
type Stats struct {
	Records       uint64
	RecordOctets  uint64
	Connections   uint64
	Muted         uint64
	TPDUs         uint64
	Gaps          uint64
	LostOctets    uint64
	SkippedOctets uint64
	Redactions    uint64 // TPDUs in which credentials were overwritten.
	BlindOctets   uint64 // Octets overwritten because no credentials could be located.
	Duplicates    uint64 // Segments left out as second copies.
}

// Add adds what another sensor counted.
func (s *Stats) Add(o Stats) {
	s.Records += o.Records
	s.RecordOctets += o.RecordOctets
	s.Connections += o.Connections
	s.Muted += o.Muted
	s.TPDUs += o.TPDUs
	s.Gaps += o.Gaps
	s.LostOctets += o.LostOctets
	s.SkippedOctets += o.SkippedOctets
	s.Redactions += o.Redactions
	s.BlindOctets += o.BlindOctets
	s.Duplicates += o.Duplicates
}

// A Sensor makes records of frames.
type Sensor struct {
	cfg     Config
	bus     bus.Publisher
	front   []byte // What each connection's record begins with.
	resumes int    // Where in it a record says whether an activity may be resumed in it.
	decoder *capture.Decoder
	table   *tcp.Table[conn]
	seg     capture.Segment
	ev      *tcp.Event[conn] // In hand.
	ordered tcp.Event[conn]  // In hand, where the table has none.
	unit    tpkt.Unit
	buffers buffers.Pool // Of the framers.
	stats   Stats
	secrets scratch
	probes  sync.Pool
	event   association.Event
	scratch association.Scratch // Of the probes.

	state      int         // Octets kept for connections: the sum of conn.size.
	pending    int         // Octets in records not yet published.
	dirty      []*openConn // Connections with such a record.
	dirtySince int64       // Since when one of them waits, as now.
	waiting    waiting
	calm       calm
	copies     bool    // Plain frames are for copied.
	now        int64   // What ages are measured by: capture time, or Config.Clock's.
	recent     *recent // Nil where duplicates are not looked for.
	ids        ids
	watch      map[int32]*interval
	lastFile   int32
	lastWatch  *interval
	untold     interval // Of frames that are known.

	counted *counted // Nil without Metrics.
	at      int64    // Capture time of the latest frame.
}

type openConn = tcp.Conn[conn]

// interval is what was watched of one source since the last heartbeat.
type interval struct {
	from, to int64
	beat     record.Heartbeat
}

// conn is what the sensor keeps of one connection. As in tcp.Conn, what every run of octets
// needs comes first, in a cache line, and in one or two of each direction.
type conn struct {
	rec          *record.Buffer
	base         int64
	items        int
	sources      []int32
	sole         int32 // The only one of sources, or noFile.
	muted        bool
	probed       bool
	preambleDone bool
	preambleCut  bool
	size         int // What it takes of Config.MaxState.

	part   part
	dir    [2]direction
	framer [2]tpkt.Framer

	id     [16]byte
	file   int32 // It was first seen there.
	number uint64
	place  int // In Sensor.dirty, from 1; 0 if not there.

	preamble     []byte // Items of earlier records, for record.AppendEarlier; their base is the connection's start.
	preambleThen int    // How many octets of it are of records before the one under way.
	preambleSize int    // Their octets.
	// preambleResumes says that an activity may be resumed in the preamble.
	preambleResumes bool
	opening         int // Where this record's items begin, while they may be preamble.
	preambleEnd     int // Where those of them end that are, as long as they are not kept.

	class  *association.Association // Until it is known whether this is X.400.
	probes int                      // TPDUs that it has seen.
	probe  int                      // Octets that class was given.
	access bool                     // It is P3, P7, or some X.400 other than P1.

	// Octets of a TSDU just overwritten altogether, and their SHA-256.
	undecodable int
	digest      [sha256.Size]byte
}

// noFile is no file's index.
const noFile = -1

// direction is what the sensor keeps of one direction of a connection.
type direction struct {
	base    uint32 // TCP sequence number of stream offset 0.
	lane    int32  // See Sensor.lanes.
	skipped uint64 // Octets of the run of skipped octets under way.
	tsdu    tsdu
	more    uint64 // Octets of skipped that were not published.
	moreAt  uint64 // Stream offset of the first of these.
	kind    record.ItemKind
	_       [7]byte // So that the next one begins a cache line, too.
}

// What a connection's state keeps for another one.
const (
	maxKeptPreamble = 4 << 10 // Octets.
	maxKeptChunks   = 256
)

// reset makes the state that of a new connection. It keeps memory.
func (st *conn) reset(midStream bool, file int32, pool *buffers.Pool) {
	sources, preamble := st.sources[:0], st.preamble[:0]
	held := [2][]chunk{st.dir[0].tsdu.held[:0], st.dir[1].tsdu.held[:0]}
	for i := range st.framer {
		st.framer[i].Drop() // What the pool lent goes back.
	}
	*st = conn{}
	st.sources, st.file, st.sole = sources, file, noFile
	if cap(preamble) <= maxKeptPreamble {
		st.preamble = preamble
	}
	for i := range st.dir {
		st.framer[i].Start(midStream, pool)
		d := &st.dir[i]
		d.lane, d.tsdu.unsure = noFile, midStream
		if cap(held[i]) <= maxKeptChunks {
			d.tsdu.held = held[i]
		}
	}
}

// New returns a sensor that publishes on b.
func New(cfg Config, b bus.Publisher) *Sensor {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&cfg.MaxRecord, DefaultMaxRecord)
	def(&cfg.MaxItems, DefaultMaxItems)
	def(&cfg.MaxPending, DefaultMaxPending)
	def(&cfg.MaxPreamble, DefaultMaxPreamble)
	def(&cfg.MaxHeld, DefaultMaxHeld)
	def(&cfg.MaxState, DefaultMaxState)
	if cfg.MaxAge <= 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.Source == nil {
		cfg.Source = func(int32) string { return "" }
	}
	cfg.TCP.Clock = cfg.Clock
	s := &Sensor{
		cfg:      cfg,
		bus:      b,
		decoder:  capture.NewDecoder(cfg.Decoder),
		table:    tcp.NewTable[conn](cfg.TCP),
		ids:      ids{digest: sha256.New()},
		watch:    make(map[int32]*interval),
		lastFile: -1,
		probes:   sync.Pool{New: func() any { return new(association.Association) }},
	}
	s.front, s.resumes = record.AppendResumes(record.Begin(nil, s.header(record.KindConnection)))
	s.wait()
	if cfg.Metrics != nil {
		s.counted = cfg.Metrics.add()
	}
	if cfg.Duplicates > 0 {
		s.recent = newRecent(cfg.Duplicates)
	}
	s.copies = s.cfg.Keep != nil || s.recent != nil
	return s
}

// Frame takes one frame in. It blocks while the bus is full.
func (s *Sensor) Frame(ctx context.Context, f *capture.Frame) error {
	s.at = f.Time
	now := s.pass(f.Time)
	if now < s.calm.from || now >= s.calm.to || f.File != s.lastFile || f.Known {
		return s.anyFrame(ctx, f)
	}
	// What nearly all frames are is taken straight through. Numbers and places are handed on
	// in registers, since a Segment and an Event of each frame are 7% of the way.
	h, octets := s.decoder.Plain(f)
	if h == nil {
		return s.frame(ctx, f, s.lastWatch)
	}
	beat := s.count(s.lastWatch, f)
	beat.Segments++
	if s.copies && s.copied(f, h, octets) {
		return s.due(ctx)
	}
	c, dir := s.table.Last4(h)
	if c == nil {
		if c, dir = s.table.Find4(h); c == nil {
			return s.segment4(ctx, f, h, octets)
		}
	}
	offset, ok := s.table.InOrder(c, dir, now, h.Numbers(), h.Flags(), len(octets), f.Time, f.Number, f.File)
	if !ok {
		return s.segment4(ctx, f, h, octets)
	}
	if len(octets) > 0 {
		if n, a := s.plain(&c.State, dir, octets, offset, f); a != afterNothing {
			if err := s.behindPlain(ctx, c, dir, octets, offset, f, n, a); err != nil {
				return err
			}
		}
	}
	if s.pending > s.waiting.most { // The time is no reason, since s.calm.
		return s.Flush(ctx)
	}
	return nil
}

// anyFrame is Frame for any frame.
//
//go:noinline
func (s *Sensor) anyFrame(ctx context.Context, f *capture.Frame) error {
	iv, err := s.interval(ctx, f)
	if err != nil {
		return err
	}
	return s.frame(ctx, f, iv)
}

// count counts a frame in its interval of coverage.
func (s *Sensor) count(iv *interval, f *capture.Frame) *record.Heartbeat {
	beat := &iv.beat
	if beat.Packets++; beat.Packets%observeEvery == 0 {
		s.observe()
	}
	beat.Octets += uint64(len(f.Data))
	return beat
}

// frame is anyFrame in the frame's interval of coverage.
func (s *Sensor) frame(ctx context.Context, f *capture.Frame, iv *interval) error {
	s.count(iv, f)
	if s.decoder.Decode(f, &s.seg) {
		if f.Known && (s.cfg.Continues == nil || !s.cfg.Continues(&s.seg)) {
			return nil
		}
		iv.beat.Segments++
		if s.cfg.Keep != nil && !f.Known {
			s.cfg.Keep(f, &s.seg.Key)
		}
		if s.cfg.Elsewhere == nil || !s.cfg.Elsewhere(&s.seg) {
			if err := s.segment(ctx, &s.seg, iv); err != nil {
				return err
			}
		}
	} else if s.decoder.Undecodable() {
		iv.beat.Undecodable++
	} else if s.cfg.Keep != nil && !f.Known && s.decoder.Fragment() {
		s.cfg.Keep(f, nil)
	}
	return s.due(ctx)
}

// copied gives a plain frame to whom wants it, and reports whether its segment came before.
func (s *Sensor) copied(f *capture.Frame, h *capture.Headers, octets []byte) bool {
	if s.cfg.Keep != nil {
		s.seg.Key, _ = h.Key()
		s.cfg.Keep(f, &s.seg.Key)
	}
	if s.recent == nil || !s.recent.again4(h, octets, f.Time) {
		return false
	}
	s.stats.Duplicates++
	return true
}

// segment4 takes a plain frame whose segment is for Table.Segment.
//
//go:noinline
func (s *Sensor) segment4(ctx context.Context, f *capture.Frame, h *capture.Headers, octets []byte) error {
	s.seg.Plain(f, h, octets)
	if err := s.anySegment(ctx, &s.seg, s.lastWatch); err != nil {
		return err
	}
	return s.due(ctx)
}

// behindPlain does what plain left to do of a plain frame. It is kept out of Frame, which then
// has registers for what nearly all segments need.
//
//go:noinline
func (s *Sensor) behindPlain(ctx context.Context, c *openConn, dir tcp.Dir, octets []byte, offset uint64, f *capture.Frame, n int, a after) error {
	if a == afterCut {
		return s.cut(ctx, c)
	}
	ev := &s.ordered
	ev.Conn, ev.Dir, ev.Data, ev.Seq, ev.Offset = c, dir, octets, c.Seq(dir, offset), offset
	ev.Time, ev.Frame, ev.File = f.Time, f.Number, f.File
	if err := s.rest(ctx, ev, n); err != nil {
		return err
	}
	return s.shed(ctx, s.lastWatch)
}

// anySegment takes a segment that is for Table.Segment. It is kept out of Frame as
// behindPlain is.
//
//go:noinline
func (s *Sensor) anySegment(ctx context.Context, seg *capture.Segment, iv *interval) error {
	s.table.Segment(seg)
	if err := s.drain(ctx, iv); err != nil {
		return err
	}
	return s.shed(ctx, iv)
}

// Segment takes a segment in whose frame another sensor was given.
func (s *Sensor) Segment(ctx context.Context, seg *capture.Segment) error {
	s.pass(seg.Time)
	if err := s.segment(ctx, seg, s.counts(seg.File)); err != nil {
		return err
	}
	return s.due(ctx)
}

// Tick tells a sensor of live traffic that time has passed: connections are
// closed that have been silent too long, and records are published that are due.
func (s *Sensor) Tick(ctx context.Context) error {
	s.pass(0)
	s.table.Advance(s.now)
	if err := s.drain(ctx, nil); err != nil {
		return err
	}
	s.observe()
	return s.due(ctx)
}

// Watched returns what a sensor of live traffic saw of a source since it was asked
// last. From and To are the caller's.
func (s *Sensor) Watched(file int32) record.Heartbeat {
	iv := s.counts(file)
	beat := iv.beat
	iv.beat = record.Heartbeat{}
	return beat
}

// pass notes the time, and returns it.
func (s *Sensor) pass(captured int64) (now int64) {
	if now = captured; s.cfg.Clock != nil {
		now = s.cfg.Clock()
	}
	s.now = now
	return now
}

func (s *Sensor) segment(ctx context.Context, seg *capture.Segment, iv *interval) error {
	if s.recent != nil && s.recent.again(seg) {
		s.stats.Duplicates++
		return nil
	}
	ev, next := &s.ordered, false
	if ev.Conn, ev.Dir = s.table.Find(&seg.Key, seg.FromHi); ev.Conn != nil && seg.Missing == 0 {
		ev.Data, ev.Seq, ev.Time, ev.Frame, ev.File = seg.Payload, seg.Seq, seg.Time, seg.Frame, seg.File
		ev.Offset, next = s.table.InOrder(ev.Conn, ev.Dir, s.now, uint64(seg.Seq)<<32|uint64(seg.Ack), seg.Flags,
			len(seg.Payload), seg.Time, seg.Frame, seg.File)
	}
	if !next {
		return s.anySegment(ctx, seg, iv)
	}
	if len(ev.Data) > 0 {
		if err := s.run(ctx, ev); err != nil {
			return err
		}
	}
	return s.shed(ctx, iv)
}

// shed gives up the longest silent connections while what is kept for all is too much.
func (s *Sensor) shed(ctx context.Context, iv *interval) error {
	if s.state > s.cfg.MaxState {
		return s.shedSilent(ctx, iv)
	}
	return nil
}

func (s *Sensor) shedSilent(ctx context.Context, iv *interval) error {
	for s.state > s.cfg.MaxState && s.table.Evict() {
		if err := s.drain(ctx, iv); err != nil {
			return err
		}
	}
	return nil
}

// due publishes what waits when it is too much or has waited long enough. A clock
// of capture times that was set back far makes no record wait for it.
func (s *Sensor) due(ctx context.Context) error {
	if s.overdue() {
		return s.Flush(ctx)
	}
	return nil
}

func (s *Sensor) overdue() bool {
	w := &s.waiting
	return s.pending > w.most || uint64(s.now-w.from) > w.span
}

// waiting is how many octets of records may wait, and as of when they must no longer: span
// after from, which is before any of them began to.
type waiting struct {
	most int
	from int64
	span uint64
}

// wait notes what may wait. Whatever changes the list of those that do says so here.
func (s *Sensor) wait() {
	if len(s.dirty) == 0 {
		s.waiting = waiting{most: math.MaxInt, from: math.MinInt64, span: math.MaxUint64}
	} else {
		from, to, age := int64(math.MinInt64), int64(math.MaxInt64), int64(s.cfg.MaxAge)
		if s.dirtySince-age < s.dirtySince { // No overflow.
			from = s.dirtySince - age
		}
		if s.dirtySince+age > s.dirtySince {
			to = s.dirtySince + age
		}
		s.waiting = waiting{most: s.maxPending(), from: from, span: uint64(to - from)}
	}
	s.settleDown()
}

// calm is from when to before when, as s.now, a frame of the latest file is in the interval of
// coverage under way, which with a clock has no ends, and nothing has waited too long. It is
// never where others are asked first.
type calm struct{ from, to int64 }

// settleDown brings s.calm up to date with s.waiting and the interval.
func (s *Sensor) settleDown() {
	s.calm = calm{}
	if iv, w := s.lastWatch, &s.waiting; iv != nil && s.cfg.Elsewhere == nil {
		s.calm = calm{max(iv.from, w.from), min(iv.to, w.from+int64(w.span))}
	}
}

// maxPending is how many octets of records may wait now.
func (s *Sensor) maxPending() int { return s.cfg.MaxPending + s.cfg.PendingEach*len(s.dirty) }

// Flush publishes what is pending, but for TSDUs held back for redaction. Where
// these alone exceed what may wait they are overwritten and published, too.
func (s *Sensor) Flush(ctx context.Context) error { return s.flush(ctx, s.now, false) }

// flush is Flush. A record waits, too, in which nothing is whole yet, unless all are to go.
func (s *Sensor) flush(ctx context.Context, now int64, all bool) error {
	keep := s.dirty[:0]
	for i, c := range s.dirty {
		st := &c.State
		if st.held() || st.items == 0 && !all {
			keep = append(keep, c)
			st.place = len(keep)
			continue
		}
		st.place = 0
		if err := s.publish(ctx, c, record.Open); err != nil {
			s.dirty = append(keep, s.dirty[i+1:]...)
			s.wait()
			return err
		}
	}
	clear(s.dirty[len(keep):])
	s.dirty, s.dirtySince = keep, now
	s.wait()
	if s.pending <= s.maxPending() {
		return nil
	}
	for _, c := range s.dirty {
		for dir := range c.State.dir {
			t := &c.State.dir[dir].tsdu
			s.giveUp(&c.State, t)
			s.tellRedaction(c, uint8(dir), &t.last)
		}
	}
	return s.flush(ctx, now, true)
}

// End tells that no frame follows: every connection ends, and what was read of
// the capture files given is published after everything else.
func (s *Sensor) End(ctx context.Context, files []capture.File) error {
	s.table.End()
	if err := s.drain(ctx, nil); err != nil {
		return err
	}
	if err := s.Flush(ctx); err != nil {
		return err
	}
	if s.cfg.Clock == nil {
		for _, file := range slices.Sorted(maps.Keys(s.watch)) {
			if err := s.beat(ctx, file, s.watch[file]); err != nil {
				return err
			}
		}
		clear(s.watch)
	}
	for i := range files {
		if err := s.publishCapture(ctx, &files[i]); err != nil {
			return err
		}
	}
	s.observe()
	return nil
}

// EndFile tells that a capture file was read to its end, and others follow:
// connections stay open. What it brought is published, and after it what was
// read of the file.
func (s *Sensor) EndFile(ctx context.Context, index int32, file *capture.File) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	if iv := s.watch[index]; iv != nil {
		if err := s.beat(ctx, index, iv); err != nil {
			return err
		}
	}
	// The file may yet grow; those before it do not.
	maps.DeleteFunc(s.watch, func(i int32, _ *interval) bool { return i < index })
	return s.publishCapture(ctx, file)
}

// Largest is the most octets that a record has, but for connections whose TPDUs
// are so small that what surrounds them exceeds them: a record that is due while
// TSDUs of both directions are held, with the preamble, a TPDU, and what came with its end.
func (c Config) Largest() int {
	or := func(v, d int) int {
		if v <= 0 {
			return d
		}
		return v
	}
	const maxTPKT, headers = 64 << 10, 16 << 10
	return or(c.MaxRecord, DefaultMaxRecord) + 2*or(c.MaxHeld, DefaultMaxHeld) + or(c.MaxPreamble, DefaultMaxPreamble) + 2*maxTPKT + headers
}

// Open calls f with each connection that has not ended, or ended just now, and the
// capture time of its first segment.
func (s *Sensor) Open(f func(key capture.FlowKey, start int64)) { s.table.Each(f) }

// Stats returns what was counted so far.
func (s *Sensor) Stats() Stats { return s.stats }

// Frames returns what became of the frames so far.
func (s *Sensor) Frames() capture.Counters { return s.decoder.Counters() }

// Table returns the connection table's counters.
func (s *Sensor) Table() tcp.TableCounters { return s.table.Counters() }

// counts returns what was seen of a source in the interval under way.
func (s *Sensor) counts(file int32) *interval {
	iv := s.lastWatch
	if file != s.lastFile {
		if iv = s.watch[file]; iv == nil {
			iv = new(interval)
			if s.cfg.Clock != nil {
				iv.from, iv.to = math.MinInt64, math.MaxInt64
			}
			s.watch[file] = iv
		}
		s.lastFile, s.lastWatch = file, iv
		s.settleDown()
	}
	return iv
}

// interval returns the interval of coverage that f falls into.
func (s *Sensor) interval(ctx context.Context, f *capture.Frame) (*interval, error) {
	if f.Known {
		return &s.untold, nil
	}
	iv := s.counts(f.File)
	if f.Time >= iv.from && f.Time < iv.to {
		return iv, nil
	}
	if iv.to != 0 {
		if err := s.beat(ctx, f.File, iv); err != nil {
			return nil, err
		}
	}
	step := int64(s.cfg.Heartbeat)
	iv.from = f.Time - (f.Time%step+step)%step
	iv.to = iv.from + step
	iv.beat = record.Heartbeat{}
	s.settleDown()
	return iv, nil
}

func (s *Sensor) beat(ctx context.Context, file int32, iv *interval) error {
	iv.beat.From, iv.beat.To = iv.from, iv.to
	if s.cfg.Dropped != nil {
		iv.beat.DroppedSensor += s.cfg.Dropped()
	}
	buf := s.begin(record.KindHeartbeat)
	buf.B = record.AppendSource(buf.B, s.cfg.Source(file))
	buf.B = record.AppendHeartbeat(buf.B, &iv.beat)
	return s.send(ctx, bus.Key{}, buf)
}

func (s *Sensor) publishCapture(ctx context.Context, f *capture.File) error {
	if !f.Done {
		return nil // Its digest is not known: it is not yet read to its end.
	}
	buf := s.begin(record.KindCapture)
	buf.B = record.AppendSource(buf.B, f.Name)
	buf.B = record.AppendCapture(buf.B, &record.Capture{
		SHA256: f.SHA256, Size: uint64(f.Size), Format: f.Format, Frames: f.Frames,
		Octets: f.Octets, First: f.First, Last: f.Last, Truncated: f.Truncated,
	})
	return s.send(ctx, bus.Key{}, buf)
}

func (s *Sensor) header(k record.Kind) *record.Header {
	return &record.Header{Kind: k, Sensor: s.cfg.Name, Epoch: s.cfg.Epoch}
}

func (s *Sensor) begin(k record.Kind) *record.Buffer {
	buf := record.NewBuffer()
	buf.B = record.Begin(buf.B, s.header(k))
	return buf
}

func (s *Sensor) send(ctx context.Context, key bus.Key, buf *record.Buffer) error {
	s.stats.Records++
	s.stats.RecordOctets += uint64(len(buf.B))
	s.observe()
	return s.bus.Publish(ctx, key, buf)
}

// drain takes the table's events. iv is nil where no frame is in hand.
func (s *Sensor) drain(ctx context.Context, iv *interval) error {
	for ev := s.table.Next(); ev != nil; ev = s.table.Next() {
		s.ev = ev
		c := ev.Conn
		st := &c.State
		switch ev.Kind {
		case tcp.Open:
			s.stats.Connections++
			st.reset(c.MidStream, ev.File, &s.buffers)
		case tcp.Data:
			if err := s.run(ctx, ev); err != nil {
				return err
			}
		case tcp.Gap:
			s.stats.Gaps++
			s.stats.LostOctets += ev.Lost
			s.trouble(c)
			if s.cfg.Clock != nil {
				iv = s.counts(ev.File)
			}
			if iv != nil {
				iv.beat.Gaps++
				iv.beat.LostOctets += ev.Lost
			}
			if st.muted {
				continue
			}
			st.dir[ev.Dir].base = ev.Seq - uint32(ev.Offset)
			s.withdraw(st)
			st.framer[ev.Dir].Gap(ev.Lost)
			if err := s.units(ctx); err != nil {
				return err
			}
			s.breakTSDU(c, ev.Dir)
			if err := s.item(ctx, c, &record.Item{
				Kind: record.Gap, Dir: uint8(ev.Dir), Sequence: ev.Seq, Time: ev.Time,
				Offset: ev.Offset, Frame: ev.Frame, Lost: ev.Lost,
			}, ev.File); err != nil {
				return err
			}
			s.lanes(st)
		case tcp.Close:
			if err := s.close(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// run takes a run of octets.
func (s *Sensor) run(ctx context.Context, ev *tcp.Event[conn]) error {
	st := &ev.Conn.State
	switch n, a := s.plain(st, ev.Dir, ev.Data, ev.Offset, &capture.Frame{Time: ev.Time, Number: ev.Frame, File: ev.File}); a {
	case afterCut:
		return s.cut(ctx, ev.Conn)
	case afterRest:
		return s.rest(ctx, ev, n)
	}
	return nil
}

// rest takes what plain left of a run, of which it took n octets.
func (s *Sensor) rest(ctx context.Context, ev *tcp.Event[conn], n int) error {
	st := &ev.Conn.State
	if st.muted {
		return nil
	}
	s.ev = ev
	d, f := &st.dir[ev.Dir&1], &st.framer[ev.Dir&1]
	// For plain it stands there, since an earlier run of the direction came here.
	d.base = ev.Seq - uint32(ev.Offset)
	if st.rec == nil && st.begun() {
		// In a record that is there TPKTs begin that are not yet whole, and need not be held.
		s.open(ev.Conn, ev.Time, ev.File)
		s.lanes(st)
		s.measure(st)
		var a after
		if n, a = s.plain(st, ev.Dir, ev.Data, ev.Offset, &capture.Frame{Time: ev.Time, Number: ev.Frame, File: ev.File}); a != afterRest {
			return s.cut(ctx, ev.Conn)
		}
	}
	run, at := ev.Data[n:], ev.Offset+uint64(n)
	var err error
	if d.skipped == 0 && !s.cfg.general && f.Whole(run) {
		// Nearly all that begin a connection, and a record, are such.
		err = s.tpdu(ctx, at+tpkt.HeaderLen, run[tpkt.HeaderLen:], false)
	} else {
		f.Push(at, run)
		err = s.units(ctx)
	}
	if err != nil {
		return err
	}
	if st.preambleDone {
		s.lanes(st)
	}
	s.measure(st)
	return nil
}

func (s *Sensor) trouble(c *openConn) {
	if s.cfg.Trouble != nil {
		s.cfg.Trouble(c.Key)
	}
}

// measure brings s.state up to date with what is kept for a connection: TPKTs that
// are not whole, the preamble, and what its class is told from.
func (s *Sensor) measure(st *conn) {
	size := st.framer[0].Size() + st.framer[1].Size() + st.preambleSize
	if st.class != nil {
		size += classCost + st.probe
	}
	if size != st.size {
		s.state += size - st.size
		st.size = size
	}
}

func (s *Sensor) close(ctx context.Context, c *openConn) error {
	err := s.end(ctx, c)
	s.state -= c.State.size
	c.State.size = 0
	return err
}

// end publishes the last record of a connection.
func (s *Sensor) end(ctx context.Context, c *openConn) error {
	st := &c.State
	if st.class != nil {
		s.probes.Put(st.class)
		st.class = nil
	}
	s.withdraw(st)
	if !st.muted {
		for dir := range st.framer {
			if d := &st.dir[dir]; st.framer[dir].Empty() && len(d.tsdu.held) == 0 && d.skipped == 0 {
				continue // Nothing is to be told of it.
			}
			st.framer[dir].End()
			s.ev.Dir = tcp.Dir(dir)
			if err := s.units(ctx); err != nil {
				return err
			}
			s.breakTSDU(c, tcp.Dir(dir))
			if err := s.endSkipped(ctx, c, tcp.Dir(dir)); err != nil {
				return err
			}
		}
	}
	return s.publish(ctx, c, endReason(s.ev.Reason))
}

func endReason(r tcp.Reason) record.EndReason {
	switch r {
	case tcp.ReasonFIN:
		return record.FIN
	case tcp.ReasonRST:
		return record.RST
	case tcp.ReasonIdle:
		return record.Idle
	case tcp.ReasonEvicted:
		return record.Evicted
	case tcp.ReasonReplaced:
		return record.Replaced
	}
	return record.CaptureEnd
}

// begun reports whether a connection's octets are those of an association that has begun, as
// far as can be told.
func (st *conn) begun() bool { return st.probed && st.preambleDone && !st.muted }

// lanes notes of which file each direction's runs are for plain, noFile where they are
// not: in step and settled, of an association that has begun, while all items of the
// record under way are of that file. Whatever changes one of these says so here.
func (s *Sensor) lanes(st *conn) {
	file := int32(noFile)
	if st.rec != nil && st.begun() && !s.cfg.general {
		file = st.sole
	}
	st.dir[0].lane, st.dir[1].lane = noFile, noFile
	if file == noFile {
		return
	}
	for i := range st.dir {
		d, f := &st.dir[i], &st.framer[i]
		if t := &d.tsdu; d.skipped > 0 || !t.settled || t.unsure || t.rest {
			continue
		}
		if st.part.want == 0 {
			if off, octets, total := f.Begun(); total > 0 {
				s.startPart(st, tcp.Dir(i), octets[tpkt.HeaderLen:], off+tpkt.HeaderLen, total-tpkt.HeaderLen)
				f.Drop()
			}
		}
		if f.Aligned() {
			d.lane = file
		}
	}
}

// after is what is left to do after plain.
type after uint8

const (
	afterNothing after = iota
	afterCut           // The record may be full.
	afterRest          // Something of the run is for rest.
)

// plain takes the TPKTs at the front of a run that are what nearly all are: in step, with
// one DT TPDU of an association that has begun, and without credentials. It does what
// units would, without looking for what is not there, and returns what is left to do, and
// if that is for rest, how many octets it took. Of the frame that brought the run,
// which has octets, its time, number and file count.
//
//go:noinline
func (s *Sensor) plain(st *conn, dir tcp.Dir, run []byte, offset uint64, f *capture.Frame) (n int, a after) {
	d := &st.dir[dir&1]
	if d.lane != f.File {
		s.withdraw(st)
		return 0, afterRest
	}
	left, at := run[:len(run):len(run)], offset
	if st.part.want != 0 {
		n, more := s.fillPart(st, dir, run, f)
		if more {
			return n, afterRest
		}
		left, at = left[n:], offset+uint64(n)
	}
	for len(left) > 0 {
		total := tpkt.Data(left)
		if total <= tpkt.MinLen { // Nor one without user data, which few are.
			return len(run) - len(left), afterRest
		}
		if total > len(left) {
			s.startPart(st, dir, left[tpkt.HeaderLen:], at+tpkt.HeaderLen, total-tpkt.HeaderLen)
			break
		}
		nsdu := left[tpkt.HeaderLen:total:total]
		if !(d.tsdu.tokened(nsdu) || d.tsdu.pass(nsdu)) {
			return len(run) - len(left), afterRest
		}
		st.rec.AppendTPDU(uint8(dir), f.Time-st.base, d.base+uint32(at)+tpkt.HeaderLen, at+tpkt.HeaderLen, f.Number, nsdu)
		s.pending += record.ItemFront + len(nsdu)
		st.items++
		s.stats.TPDUs++
		if total == len(left) {
			break // What is asked above, before what a further TPKT needs is fetched.
		}
		left, at = left[total:len(left):len(left)], at+uint64(total)
	}
	if s.full(st, len(st.rec.B)) {
		return 0, afterCut
	}
	return 0, afterNothing
}

// part is a TPKT of which the beginning came. Its octets are put where the item is to be
// that it will become, at the end of the record. Whatever else comes first has them withdrawn.
type part struct {
	want int     // Octets of its content; 0 where there is none.
	at   int     // Where the item begins in the record.
	off  uint64  // Stream offset of the content.
	dir  tcp.Dir // Its direction.
}

// startPart takes the beginning of a TPKT's content, of want octets.
func (s *Sensor) startPart(st *conn, dir tcp.Dir, content []byte, offset uint64, want int) {
	rec := st.rec
	at := rec.Extend(record.ItemFront)
	rec.B = append(rec.B, content...)
	st.part = part{want: want, at: at, off: offset, dir: dir}
	s.pending += record.ItemFront + len(content)
}

// fillPart takes what comes of the part's TPKT, and returns how many octets that is. more says
// that the TPKT is whole, or not of the run's direction, and for units.
func (s *Sensor) fillPart(st *conn, dir tcp.Dir, run []byte, f *capture.Frame) (n int, more bool) {
	p, rec := &st.part, st.rec
	if p.dir != dir {
		s.withdraw(st)
		return 0, true
	}
	left := p.want - (len(rec.B) - p.at - record.ItemFront)
	n = min(len(run), left)
	rec.B = append(rec.B, run[:n]...)
	s.pending += n
	if n < left {
		return n, false
	}
	item := rec.B[p.at:]
	d := &st.dir[dir&1]
	if !d.tsdu.pass(item[record.ItemFront:]) {
		s.withdraw(st)
		return n, true
	}
	record.PutTPDU(item, uint8(dir), f.Time-st.base, d.base+uint32(p.off), p.off, f.Number)
	p.want = 0
	st.items++
	s.stats.TPDUs++
	return n, false
}

// withdraw gives the octets of the part, where there is one, to the framer.
func (s *Sensor) withdraw(st *conn) {
	if st.part.want != 0 {
		s.withdrawPart(st)
	}
}

func (s *Sensor) withdrawPart(st *conn) {
	p := &st.part
	b := st.rec.B[p.at+record.ItemFront-tpkt.HeaderLen:]
	tpkt.PutHeader(b, tpkt.HeaderLen+p.want)
	st.framer[p.dir].Begin(p.off-tpkt.HeaderLen, b)
	st.dir[p.dir].lane = noFile
	s.pending -= len(st.rec.B) - p.at
	st.rec.B = st.rec.B[:p.at]
	p.want = 0
	s.measure(st)
}

// units takes what the framer of the event's direction gives.
func (s *Sensor) units(ctx context.Context) error {
	ev, u := s.ev, &s.unit
	c := ev.Conn
	st := &c.State
	d, f := &st.dir[ev.Dir], &st.framer[ev.Dir]
	for f.Next(u) {
		if u.Kind != tpkt.TPDU {
			if err := s.skip(ctx, c, &record.Item{
				Kind: itemKind(u.Kind), Dir: uint8(ev.Dir), Resync: u.Resync, Sequence: d.base + uint32(u.Offset), Time: ev.Time,
				Offset: u.Offset, Frame: ev.Frame, Octets: u.Data,
			}); err != nil {
				return err
			}
			continue
		}
		if d.skipped > 0 {
			if err := s.endSkipped(ctx, c, ev.Dir); err != nil {
				return err
			}
		}
		if err := s.tpdu(ctx, u.Offset, u.Data, u.Resync); err != nil {
			return err
		}
		if st.muted {
			return nil
		}
	}
	return nil
}

// itemKind returns the kind of item that a unit becomes which is no TPDU.
func itemKind(k tpkt.Kind) record.ItemKind {
	switch k {
	case tpkt.Encrypted:
		return record.Encrypted
	case tpkt.Cut:
		return record.Cut
	}
	return record.Skipped
}

// skip publishes the first octets of a run that is no TPKT and counts the rest,
// which endSkipped tells at the end of the run.
func (s *Sensor) skip(ctx context.Context, c *openConn, it *record.Item) error {
	s.trouble(c)
	st := &c.State
	d := &st.dir[it.Dir]
	keep := max(d.tsdu.keep(len(it.Octets)), association.Telling(it.Octets))
	s.breakTSDU(c, tcp.Dir(it.Dir))
	s.stats.SkippedOctets += uint64(len(it.Octets))
	room := uint64(0)
	if d.skipped < evidence {
		room = evidence - d.skipped
	}
	d.skipped += uint64(len(it.Octets))
	d.kind = it.Kind
	if rest := uint64(len(it.Octets)); rest > room {
		if d.more == 0 {
			d.moreAt = it.Offset + room
		}
		d.more += rest - room
		it.Octets = it.Octets[:room]
		keep = min(keep, int(room))
	}
	if len(it.Octets) == 0 {
		return nil
	}
	if !d.tsdu.settled || d.tsdu.unsure {
		s.redactUnframed(it, keep)
	}
	return s.item(ctx, c, it, s.ev.File)
}

func (s *Sensor) endSkipped(ctx context.Context, c *openConn, dir tcp.Dir) error {
	d := &c.State.dir[dir]
	if d.skipped == 0 {
		return nil
	}
	more := d.more
	d.skipped, d.more = 0, 0
	if more == 0 {
		return nil
	}
	return s.item(ctx, c, &record.Item{
		Kind: d.kind, Dir: uint8(dir), Sequence: d.base + uint32(d.moreAt), Time: s.ev.Time,
		Offset: d.moreAt, Frame: s.ev.Frame, Lost: more,
	}, s.ev.File)
}

// item appends what is no TPDU to the connection's record and publishes that when it is
// full.
func (s *Sensor) item(ctx context.Context, c *openConn, it *record.Item, file int32) error {
	s.append(c, it, file)
	if !c.State.probed && it.Kind == record.Skipped {
		s.probeSkipped(c, it.Octets)
	}
	return s.cut(ctx, c)
}

// tpdu is item for a TPKT's content that stands at an offset of the event in hand's direction.
func (s *Sensor) tpdu(ctx context.Context, offset uint64, nsdu []byte, resync bool) error {
	ev := s.ev
	c := ev.Conn
	st := &c.State
	s.stats.TPDUs++
	source := s.ready(c, ev.Time, ev.File)
	sequence := st.dir[ev.Dir&1].base + uint32(offset)
	at := len(st.rec.B) + record.ItemFront
	if source == 0 && !resync {
		st.rec.AppendTPDU(uint8(ev.Dir), ev.Time-st.base, sequence, offset, ev.Frame, nsdu)
	} else {
		st.rec.B, _ = record.AppendItem(st.rec.B, &record.Item{
			Kind: record.TPDU, Dir: uint8(ev.Dir), Resync: resync, Sequence: sequence, Time: ev.Time,
			Offset: offset, Frame: ev.Frame, Octets: nsdu, Source: source,
		}, st.base)
	}
	s.pending += len(st.rec.B) - at + record.ItemFront
	st.items++
	if !st.probed {
		s.probe(ev, offset, nsdu)
	}
	s.track(ev, offset, nsdu, at)
	s.secrets.looked = false
	if s.full(st, len(st.rec.B)) {
		return s.cut(ctx, c)
	}
	return nil
}

// full reports whether a record of size octets with the connection's items is full.
func (s *Sensor) full(st *conn, size int) bool {
	return size >= s.cfg.MaxRecord || st.items >= s.cfg.MaxItems
}

// cut publishes the connection's record if it is full, what is under way left aside.
func (s *Sensor) cut(ctx context.Context, c *openConn) error {
	st := &c.State
	size := len(st.rec.B)
	if st.part.want != 0 {
		size = st.part.at
	}
	if s.full(st, size) && st.items > 0 && !st.held() {
		return s.publish(ctx, c, record.Open)
	}
	return nil
}

// probe finds out from a TPKT's content whether the connection is X.400, and mutes it when
// it certainly is not.
func (s *Sensor) probe(ev *tcp.Event[conn], offset uint64, nsdu []byte) {
	c := ev.Conn
	st := &c.State
	st.probes++
	if st.class == nil {
		// Nearly all begin with CR and CC, which tell nothing, and with a CONNECT that
		// tells all and is to be looked into anyway.
		if association.Mute(nsdu) {
			if st.probes >= maxProbes {
				s.settle(c, association.ClassUnknown)
			}
			return
		}
		if class := s.secrets.opening(&st.dir[ev.Dir&1].tsdu, nsdu); class != association.ClassUnknown {
			s.settle(c, class)
			return
		}
	}
	s.classify(st)
	st.class.TPDU(&association.TPDU{
		Dir: uint8(ev.Dir), Seq: st.dir[ev.Dir&1].base + uint32(offset), Offset: offset, Time: ev.Time, Frame: ev.Frame, Octets: nsdu,
	})
	for st.class.Next(&s.event) {
	}
	s.classified(c, len(nsdu))
}

// probeSkipped is probe for octets in no TPKT.
func (s *Sensor) probeSkipped(c *openConn, octets []byte) {
	st := &c.State
	st.probes++
	s.classify(st)
	st.class.Outside(octets)
	s.classified(c, len(octets))
}

// classify sees to it that there is what a connection's class is told from.
func (s *Sensor) classify(st *conn) {
	if st.class == nil {
		st.class = s.probes.Get().(*association.Association)
		st.class.Reset(association.Config{MaxAPDU: s.cfg.MaxHeld, Scratch: &s.scratch})
	}
}

// classified settles the class if so many octets more have told it, or will not be told.
func (s *Sensor) classified(c *openConn, octets int) {
	st := &c.State
	st.probe += octets
	if !st.class.Definite() && st.probes < maxProbes {
		return
	}
	class := association.ClassUnknown
	if st.class.Definite() {
		class = st.class.Class()
	}
	s.probes.Put(st.class)
	st.class = nil
	s.settle(c, class)
}

// settle notes what a connection carries, ClassUnknown where that cannot be told.
func (s *Sensor) settle(c *openConn, class association.Class) {
	st := &c.State
	st.probed = true
	switch {
	case class == association.ClassUnknown:
	case class.X400():
		s.table.Prefer(c)
		st.access = class != association.ClassP1
	default:
		st.muted = true
		s.stats.Muted++
	}
}

// append appends an item to the connection's record.
func (s *Sensor) append(c *openConn, it *record.Item, file int32) {
	st := &c.State
	it.Source = s.ready(c, it.Time, file)
	before := len(st.rec.B)
	st.rec.B, _ = record.AppendItem(st.rec.B, it, st.base)
	s.pending += len(st.rec.B) - before
	st.items++
}

// ready sees to it that the connection has a record for an item of a file, and returns the
// index of that file's name in it.
func (s *Sensor) ready(c *openConn, now int64, file int32) (source uint32) {
	st := &c.State
	if st.rec == nil {
		s.open(c, now, file)
		return 0
	}
	s.withdraw(st)
	if st.sole != file {
		return s.source(st, file)
	}
	return 0
}

// source returns the index in the record under way of a file's name.
func (s *Sensor) source(st *conn, file int32) uint32 {
	for i, f := range st.sources {
		if f == file {
			return uint32(i)
		}
	}
	if len(st.sources) >= record.MaxSources {
		return 0
	}
	st.sources, st.sole = append(st.sources, file), noFile
	before := len(st.rec.B)
	st.rec.B = record.AppendSource(st.rec.B, s.cfg.Source(file))
	s.pending += len(st.rec.B) - before
	return uint32(len(st.sources) - 1)
}

// open begins the connection's next record, with items of a file.
func (s *Sensor) open(c *openConn, now int64, file int32) {
	st := &c.State
	if st.number == 0 {
		st.id = s.ids.of(c)
	}
	st.number++
	st.base = now
	st.items = 0
	st.sources, st.sole = append(st.sources[:0], file), file
	st.rec = record.NewBuffer()
	b := record.BeginConnection(append(st.rec.B, s.front...), &record.Connection{
		ID: st.id, Client: c.Client, Server: c.Server, MidStream: c.MidStream, Start: c.Start,
	}, st.number, now)
	var within uint8
	for i := range st.dir {
		if st.dir[i].tsdu.current.open {
			within |= 1 << i
		}
	}
	b = record.AppendWithin(b, within)
	b = record.AppendSource(b, s.cfg.Source(file))
	st.rec.B = b
	st.preambleThen = len(st.preamble)
	st.opening = len(b)
	s.pending += len(b)
	if st.place == 0 {
		if len(s.dirty) == 0 {
			s.dirtySince = s.now
		}
		s.dirty = append(s.dirty, c)
		st.place = len(s.dirty)
		s.wait()
	}
}

// publish sends the connection's record, if it says anything.
func (s *Sensor) publish(ctx context.Context, c *openConn, end record.EndReason) error {
	st := &c.State
	if st.rec == nil {
		if end == record.Open {
			return nil
		}
		s.open(c, c.Last, st.file) // The frame at hand may be of another connection.
	}
	s.withdraw(st)
	if !st.preambleDone {
		s.markPreamble(c)
	}
	if end == record.Open {
		s.savePreamble(c) // Most connections have no further record.
	}
	st.preambleEnd = 0
	if st.mayResume() {
		st.rec.B[s.resumes] = 1
	}
	s.pending -= len(st.rec.B)
	// Only now: with many connections, those of records under way would leave
	// Config.MaxPending no room for items, and each item would be published by itself.
	if st.preambleThen > 0 {
		st.rec.B = record.AppendEarlier(st.rec.B, st.preamble[:st.preambleThen], c.Start-st.base)
	}
	var counters [2]record.Counters
	for i := range counters {
		count(&counters[i], &c.Counters[i])
	}
	st.rec.B = record.Finish(st.rec.B, &counters, end, st.muted, st.preambleCut)
	rec := st.rec
	st.rec = nil
	s.lanes(st)
	if end != record.Open && st.place != 0 {
		s.forget(c)
	}
	return s.send(ctx, bus.KeyOf(c.Client.Addr(), c.Server.Addr()), rec)
}

// forget takes a connection that has ended off the dirty list.
func (s *Sensor) forget(c *openConn) {
	i, last := c.State.place-1, len(s.dirty)-1
	s.dirty[i] = s.dirty[last]
	s.dirty[i].State.place = i + 1
	s.dirty[last] = nil
	s.dirty = s.dirty[:last]
	c.State.place = 0
	s.wait()
}

// markPreamble notes that the record's items so far are of the preamble.
func (s *Sensor) markPreamble(c *openConn) {
	st := &c.State
	st.preambleResumes = st.preambleResumes || st.dir[0].tsdu.resumes || st.dir[1].tsdu.resumes
	st.preambleEnd = len(st.rec.B)
	if st.preambleSize+st.preambleEnd-st.opening > s.cfg.MaxPreamble {
		s.savePreamble(c) // Not all of it, perhaps, which this record is to tell.
	}
}

// preambleRoom is what the items of most preambles take more than in their record, and what
// appending the last of them wants behind it.
const preambleRoom = 128

// savePreamble keeps copies of the items that are marked, for the preamble of later
// records.
func (s *Sensor) savePreamble(c *openConn) {
	st := &c.State
	if st.preambleEnd == 0 {
		return
	}
	var it record.Item
	fields := st.rec.B[st.opening:st.preambleEnd]
	st.preamble = slices.Grow(st.preamble, min(len(fields), s.cfg.MaxPreamble)+preambleRoom)
	for {
		rest, ok := record.NextItem(fields, &it, st.base)
		if !ok {
			break
		}
		if st.preambleSize+len(it.Octets) > s.cfg.MaxPreamble {
			st.preambleCut = true
			st.preambleDone = true
			break
		}
		st.preambleSize += len(it.Octets)
		st.preamble = record.AppendRead(st.preamble, fields[:len(fields)-len(rest)], &it, st.base, c.Start)
		fields = rest
	}
	st.preambleEnd = 0
	s.measure(st)
}

// count fills a record's counters of a direction.
func count(to *record.Counters, c *tcp.Counters) {
	to.Packets, to.Octets = c.Packets, c.Octets
	to.RetransmittedPackets, to.RetransmittedOctets, to.ConflictOctets = c.RetransmittedPackets, c.RetransmittedOctets, c.ConflictOctets
	to.Gaps, to.LostOctets, to.OutOfOrder = c.Gaps, c.Lost, c.OutOfOrder
}

// ids makes the identifiers of connections. It is kept, since what is given to a
// hash.Hash is of the heap.
type ids struct {
	digest hash.Hash
	in     [2*18 + 16]byte // Both ends, then flags, sequence number, day.
	sum    [sha256.Size]byte
}

// of identifies a connection by its ends and where its sequence numbers begin, so that
// every reading of the same traffic gives the same.
func (x *ids) of(c *openConn) (id [16]byte) {
	x.in = [...]byte{len(x.in) - 1: 0}
	b := &x.in
	client, server := c.Client.Addr().As16(), c.Server.Addr().As16()
	copy(b[0:], client[:])
	binary.BigEndian.PutUint16(b[16:], c.Client.Port())
	copy(b[18:], server[:])
	binary.BigEndian.PutUint16(b[34:], c.Server.Port())
	if c.MidStream {
		// Without sequence numbers to go by, the day tells a later use of the
		// same ports apart.
		b[36] = 1
		binary.BigEndian.PutUint64(b[44:], uint64(c.Start/int64(24*time.Hour)))
	}
	for i := range c.ISN {
		if c.HaveISN[i] {
			b[37+i] = 1
			binary.BigEndian.PutUint32(b[40+4*i:], c.ISN[i])
			// The client's number alone tells connections apart; the server's
			// may not be known yet, or never.
			break
		}
	}
	x.digest.Reset()
	x.digest.Write(b[:])
	copy(id[:], x.digest.Sum(x.sum[:0]))
	return id
}
