package generate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"x400flow/bench/ledger"
)

// mta is a message transfer agent and the host it runs on.
type mta struct {
	index      int
	name       string
	short      string
	domain     *domain
	v4, v6     netip.Addr
	mac        [6]byte
	port       uint16
	serial     int
	taste      int
	explicit   bool // Writes ExtensionType with an explicit tag, as PP does.
	t61        bool // Session references as T61String also in normal mode, as ISODE does.
	octetPass  bool
	indefinite bool // PPDUs.
	tsap       []byte
	peers      []*mta
	lastRef    time.Time
	refs       int
}

// suspended is a transfer that broke off with its association and waits to be resumed.
type suspended struct {
	ready     time.Time // When the other end may have noticed.
	from, to  *mta
	initiator *mta
	responder *mta
	m         *message
	transfer  transfer
	ref       sessionRef
}

// world is the state of a run: MTAs, mail on its way, and what was counted.
type world struct {
	options    Options
	rng        *rand.Rand
	ledger     *ledger.Writer
	summary    ledger.Summary
	domains    []*domain
	mtas       []*mta
	old        []bool       // By pair of MTAs: X.410-1984 mode between them.
	queues     [][]*message // By sender and receiver.
	queued     int
	suspended  []*suspended
	originated int // MTS-APDUs, reports included.
	budget     int // Messages and probes still to be originated.
	hugeAt     int
	clock      int64
	opened     int
	users      []*mta     // By MTA.
	local      []*message // Some that reached the end of their path, for delivery.
	writers    []*apduWriter
	every      []wholeContent // See Options.EveryContent.
	carried    int            // How many messages carry one of them.
	err        error
}

func newWorld(o Options, l *ledger.Writer) *world {
	w := &world{options: o, rng: rand.New(rand.NewPCG(o.Seed, 0x78343030)), ledger: l, budget: o.Messages, clock: o.Start.UnixNano()}
	w.summary = ledger.Summary{Seed: o.Seed, Associations: map[string]int{}}
	r := w.rng
	w.hugeAt = 1 + o.Messages/2
	countries := []string{"GB", "DE", "FR", "US", "JP", "NO", "XX", "CH"}
	admds := []string{"AMHS", " ", "GOLD 400", "ICAO", "ATLAS", "MCI/X", "400NET", "0"}
	prmds := []string{"TestGamma", "", "UK.MET", "Gov$Mail", "4711", "Port", "Bank A", "CERN"}
	for i := range o.Domains {
		d := &domain{c: countries[i%8], admd: admds[i%8], prmd: prmds[i%8]}
		if i >= 8 {
			d.prmd += strconv.Itoa(i)
		}
		switch i % 8 {
		case 3:
			d.c, d.numericC = "310", true
			d.prmd = "GovMail"
		case 4:
			d.numericPRMD = d.prmd == "4711"
		}
		w.domains = append(w.domains, d)
	}
	n := o.MTAs
	for i := range n {
		m := &mta{index: i, domain: w.domains[i%len(w.domains)], port: uint16(1024 + r.IntN(60000)), taste: r.IntN(2),
			explicit: r.IntN(3) == 0, t61: r.IntN(2) == 0, octetPass: r.IntN(2) == 0, indefinite: r.IntN(3) == 0}
		m.short = "m" + strconv.Itoa(i)
		m.name = fmt.Sprintf("mta%d.%s.example", i, []string{"north", "south", "east", "west"}[i%4])
		m.v4 = netip.AddrFrom4([4]byte{10, byte(i % len(w.domains)), byte(i >> 8), byte(i + 1)})
		if r.Float64() < o.IPv6Rate {
			m.v6 = netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", i%len(w.domains)+1, i+1))
		}
		m.mac = [6]byte{2, 0, 0x5e, 0, byte(i >> 8), byte(i)}
		m.tsap = []byte([]string{"591", "X400-88", "", "P1\x00\x01"}[r.IntN(4)])
		w.mtas = append(w.mtas, m)
	}
	w.old = make([]bool, n*n)
	w.queues = make([][]*message, n*n)
	join := func(a, b *mta) {
		for _, p := range a.peers {
			if p == b {
				return
			}
		}
		if a == b {
			return
		}
		a.peers, b.peers = append(a.peers, b), append(b.peers, a)
		old := r.Float64() < o.X410Rate
		w.old[a.index*n+b.index], w.old[b.index*n+a.index] = old, old
	}
	for i, m := range w.mtas {
		join(m, w.mtas[(i+1)%n])
	}
	for range n / 2 {
		join(choose(r, w.mtas), choose(r, w.mtas))
	}
	return w
}

func (w *world) oldPair(a, b *mta) bool { return w.old[a.index*len(w.mtas)+b.index] }

func (w *world) queue(a, b *mta) *[]*message { return &w.queues[a.index*len(w.mtas)+b.index] }

// enqueue puts a message into the queue of its next hop, unless it is at its end.
func (w *world) enqueue(m *message) {
	if m.at+1 < len(m.path) {
		q := w.queue(m.path[m.at], m.path[m.at+1])
		*q = append(*q, m)
		w.queued++
	}
}

// route finds a path that begins with the hop from a to b.
func (w *world) route(a, b *mta) []*mta {
	path := []*mta{a, b}
	want := 1 + w.rng.IntN(w.options.MaxHops)
extend:
	for len(path) <= want {
		last := path[len(path)-1]
		next := choose(w.rng, last.peers)
		for _, m := range path {
			if m == next {
				break extend
			}
		}
		path = append(path, next)
	}
	return path
}

// next takes a message to be sent from a to b at the time, or makes one.
func (w *world) next(a, b *mta, at time.Time) *message {
	q := w.queue(a, b)
	if len(*q) > 0 && !(*q)[0].ready.After(at) {
		m := (*q)[0]
		(*q)[0] = nil
		*q = (*q)[1:]
		w.queued--
		return m
	}
	if w.budget > 0 && w.queued < 16*w.options.Concurrent {
		w.budget--
		return w.originate(w.route(a, b), at)
	}
	return nil
}

// arrived moves a message on after a completed transfer.
func (w *world) arrived(m *message, at time.Time) {
	m.at++
	m.ready = at
	m.arrive(w, at)
	if m.at+1 < len(m.path) {
		w.enqueue(m)
		return
	}
	if w.options.AccessRate > 0 && len(w.local) < 64 {
		w.local = append(w.local, m)
	}
	if m.kind != ledger.KindReport && (m.kind == ledger.KindProbe || w.rng.Float64() < w.options.ReportRate) {
		w.enqueue(w.report(m, at))
	}
}

// ref makes a session connection identifier that no other association has, but with
// Options.SameReference.
func (w *world) ref(m *mta, at time.Time, normal bool) sessionRef {
	if w.options.SameReference {
		return sessionRef{calling: m.short, at: at.Truncate(time.Hour), t61: m.t61 || !normal}
	}
	at = at.Truncate(time.Second)
	if at.Equal(m.lastRef) {
		m.refs++
	} else {
		m.lastRef, m.refs = at, 0
	}
	s := sessionRef{calling: m.short, at: at, t61: m.t61 || !normal}
	if m.refs > 0 {
		s.additional = strconv.Itoa(m.refs)
	}
	return s
}

func (w *world) writer() *apduWriter {
	if n := len(w.writers); n > 0 {
		a := w.writers[n-1]
		w.writers = w.writers[:n-1]
		return a
	}
	return &apduWriter{}
}

func (w *world) write(e ledger.Entry) {
	switch {
	case e.Association != nil:
		w.summary.Associations[e.Association.Class]++
	case e.Incomplete != nil:
		w.summary.Incomplete++
	case e.Operation != nil:
		w.summary.Operations++
	case e.Sighting != nil:
		switch e.Sighting.Kind {
		case ledger.KindMessage:
			w.summary.Messages++
		case ledger.KindProbe:
			w.summary.Probes++
		default:
			w.summary.Reports++
		}
		if e.Sighting.Whole {
			w.summary.Whole++
		}
	}
	if w.ledger != nil {
		if err := w.ledger.Write(e); err != nil && w.err == nil {
			w.err = err
		}
	}
}

// plan is what the next association is for.
type plan struct {
	a, b    *mta
	resume  *suspended
	noise   bool
	access  *access
	ready   time.Time
	nothing bool
}

// plan decides what the next association is for.
func (w *world) plan() plan {
	r := w.rng
	now := time.Unix(0, w.clock).UTC()
	if len(w.suspended) > 0 {
		s := w.suspended[0]
		w.suspended = w.suspended[1:]
		ready := now
		if s.ready.After(now) {
			ready = s.ready
		}
		return plan{a: s.initiator, b: s.responder, resume: s, ready: ready}
	}
	if w.budget == 0 && w.queued == 0 {
		return plan{nothing: true}
	}
	if r.Float64() < w.options.NoiseRate {
		a := choose(r, w.mtas)
		return plan{a: a, b: choose(r, a.peers), noise: true, ready: now}
	}
	if w.budget > 0 && w.options.AccessRate > 0 && r.Float64() < w.options.AccessRate {
		return w.planAccess(now)
	}
	if w.queued > 0 && (w.budget == 0 || w.queued >= 8*w.options.Concurrent || r.IntN(2) == 0) {
		// The link whose mail waits longest.
		var best *message
		for _, q := range w.queues {
			if len(q) > 0 && (best == nil || q[0].ready.Before(best.ready)) {
				best = q[0]
			}
		}
		ready := now
		if best.ready.After(now) {
			ready = best.ready
		}
		return plan{a: best.path[best.at], b: best.path[best.at+1], ready: ready}
	}
	a := choose(r, w.mtas)
	return plan{a: a, b: choose(r, a.peers), ready: now}
}
