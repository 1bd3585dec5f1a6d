// Package association decodes the stack of one association: fed with the
// transport protocol data units of one transport connection, in the order in
// which they were captured, it gives the events that the layers above session,
// presentation (X.226), ACSE (X.227), RTSE (X.228) and ROSE (X.229) see, the
// APDUs that RTSE delivered first of all.
//
// It is a passive monitor. It never refuses data because a token, a serial
// number or a state machine would have forbidden them; it tells what it saw as
// a Problem and goes on. An APDU is given out only when its activity ended
// (X.228 7.6) and every octet of it was seen; anything else is an Unfinished
// event. Where the opening of the connection was not seen, presentation
// contexts are inferred from the octets, and every event says so.
//
// A connection that does not carry X.400 is recognised as early as its octets
// allow. From then on nothing is buffered and no problem is told of it.
//
// # Ownership of octets
//
// The octets of a TPDU are borrowed: until the events that the call caused are
// drained, or, where Config.Lasting is set, until Detach is called. An Event's
// slices, and what they point to, live until the next call of TPDU, Gap, End,
// Detach or Reset. Facts are the Association's own and live until Reset.
//
// An Association belongs to one goroutine. Several share nothing but what their
// Config gives them: Buffers may be shared, a Scratch among those of one
// goroutine, Suspend and Resume must be safe for the use that is made of them.
package association

// ConnectionID names a connection. It means nothing to this package.
type ConnectionID [16]byte

// The directions of a connection.
const (
	FromClient uint8 = 0
	FromServer uint8 = 1
)

// Default limits of a zero Config.
const (
	DefaultMaxAPDU      = 256 << 20
	DefaultMaxSuspended = 16
	DefaultMaxProblems  = 64
)

// Config says how an Association works.
type Config struct {
	// Connection is put into the Origin of everything that comes out.
	Connection ConnectionID
	// MaxAPDU bounds the octets of one transfer, and of one TSDU. Zero means
	// DefaultMaxAPDU. Memory grows with what arrives, not with what is announced.
	MaxAPDU int
	// MaxSuspended bounds the interrupted activities that the association keeps
	// itself. Zero means DefaultMaxSuspended.
	MaxSuspended int
	// MaxProblems bounds the Problem events; those beyond are counted. Zero
	// means DefaultMaxProblems.
	MaxProblems int
	// Lasting says that the octets of TPDUs stay valid until Detach is called.
	// Then an APDU that came in one piece is not copied, and any other once, when it
	// ends; Detach copies what is under way.
	Lasting bool
	// Buffers is where the memory of large transfers comes from. It may be nil.
	Buffers *Buffers
	// Scratch is the memory that nothing needs between two TPDUs. Associations of one
	// goroutine may share one, if the events of each are drained before another is
	// used; so many idle ones take little. Nil means one of its own.
	Scratch *Scratch
	// Suspend takes an activity that outlives its association. It may be nil.
	Suspend func(*Suspended)
	// Resume gives back, and forgets, an activity that was suspended in another
	// association. It may be nil.
	Resume func(Key) (*Suspended, bool)
}

// TPDU is what came in one TPKT, and where it stood.
type TPDU struct {
	Dir    uint8  // FromClient or FromServer.
	Seq    uint32 // TCP sequence number of the first octet.
	Offset uint64 // Stream offset of the first octet.
	Time   int64  // Capture time, nanoseconds since 1970.
	Frame  uint64
	Source uint32 // Which file or interface Frame counts in.
	Record uint64 // Which of the caller's units it came in, growing from 1; see OpenSince.
	Octets []byte
}

// Place is where an octet stood in its direction of the connection.
type Place struct {
	Seq    uint32
	Offset uint64
	Time   int64
	Frame  uint64
	Source uint32
}

// Origin is the place of an APDU's first octet and the connection it was in,
// which for an activity resumed in another association is the first one.
type Origin struct {
	Connection ConnectionID
	Dir        uint8
	Place
}

// EndReason says why a connection ended. The values are the caller's.
type EndReason uint8

// Key names a suspended activity (X.228 7.8.3): the identifier of the session
// connection that it was started in and the activity's identifier.
type Key struct {
	// Session is the session connection identifier, normalised: calling
	// SS-user reference, common reference and additional reference, each behind
	// its length and without the ASN.1 header that many implementations put in.
	Session string
	// Activity is the activity identifier as it was sent.
	Activity string
}

// Suspended is an activity that was interrupted and what was received of it.
// It owns its octets.
type Suspended struct {
	Key    Key
	Origin Origin
	// Interruptions counts how often the transfer was broken off.
	Interruptions int
	untold        int // Of these, those that no event told of.
	// Since is the TPDU.Record in which the activity was started.
	Since uint64

	// First is the key under which it was started, Key the one under which it was
	// interrupted last; they differ if it was resumed before. A sender may name
	// either.
	First Key

	octets      []byte
	hold        []byte // The buffer that octets are in, where it begins before them.
	checkpoints []checkpoint
	mode        Mode
	begun       bool
	elsewhere   bool
	dir         uint8
	pieces      int
	last        Place
	buffers     *Buffers
}

// Size returns how many octets of memory it takes.
func (s *Suspended) Size() int { return cap(s.octets) + 16*cap(s.checkpoints) }

// Octets returns what was received, for the caller to read only.
func (s *Suspended) Octets() []byte { return s.octets }

// Release gives the memory back; s must not be used any more.
func (s *Suspended) Release() {
	if s.hold == nil {
		s.hold = s.octets
	}
	s.buffers.put(s.hold)
	s.octets, s.hold, s.checkpoints = nil, nil, nil
}

// checkpoint is a minor synchronization point: its serial number and how many
// octets of the APDU came before it.
type checkpoint struct {
	serial uint32
	at     int
}

// EventKind is an event's kind.
type EventKind uint8

// The kinds of event, and which fields of Event they use beside Kind, Dir, At
// and Inferred.
const (
	// Connect: a session CONNECT came. Facts has the proposals.
	Connect EventKind = 1 + iota
	// Accept: the association was accepted. Facts has what was agreed.
	Accept
	// BindArgument: Octets are the RTORQ's user data, or those of an AARQ without
	// RTSE; a ROSE-bind tag [16] may stand around the argument. Octets is empty
	// when a recovery takes the bind's place (Recover).
	BindArgument
	// BindResult: Octets are the user data of the RTOAC or AARE.
	BindResult
	// BindError: the bind was refused by the responding user; Octets are the
	// bind error.
	BindError
	// Refusal: the association was refused by Layer, with Reason; Octets are
	// user data, if there are any that are not a bind error.
	Refusal
	// APDU: Octets are what RTSE delivered. Origin, Last, Abstract, Context,
	// Pieces, Interruptions and Acknowledged belong to it.
	APDU
	// Unfinished: a transfer was broken off. Octets are what is known of it, Why
	// says how, and Origin is that of the APDU should it be resumed and end.
	Unfinished
	// Operation: ROSE is the APDU's header, Octets the whole of it.
	Operation
	// Release: the association was released in order, or its release was
	// refused (Refused).
	Release
	// Abort: the association was aborted by Layer, with Reason.
	Abort
	// TurnPlease and TurnGive: Reason is the priority, -1 when none is given.
	TurnPlease
	TurnGive
	// Problem: something could not be decoded or did not fit: Layer, Code and
	// Text say what; At is the place of the octet at fault, Octets the unit.
	Problem
)

var eventNames = [...]string{"none", "connect", "accept", "bind-argument", "bind-result", "bind-error",
	"refusal", "apdu", "unfinished", "operation", "release", "abort", "turn-please", "turn-give", "problem"}

// String returns the kind's name.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Layer names a layer in a Problem, an Abort or a Refusal.
type Layer uint8

// The layers.
const (
	LayerNone Layer = iota
	LayerCOTP
	LayerSession
	LayerPresentation
	LayerACSE
	LayerRTSE
	LayerROSE
	LayerUser
	LayerAssociation
)

var layerNames = [...]string{"", "cotp", "session", "presentation", "acse", "rtse", "rose", "user", "association"}

// String returns the layer's name.
func (l Layer) String() string {
	if int(l) < len(layerNames) {
		return layerNames[l]
	}
	return "unknown"
}
