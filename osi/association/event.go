package association

import "x400flow/osi/rose"

// Event is what an Association tells. Which fields are meant depends on Kind.
type Event struct {
	Kind EventKind
	Dir  uint8
	// Inferred says that the opening of the connection was not seen and
	// presentation contexts were guessed from the octets.
	Inferred bool
	// At is the place of the first octet of the SPDU that caused the event, or,
	// in a Problem, of the octet at fault.
	At Place

	// Octets are borrowed.
	Octets []byte
	// Layer, Code and Reason say who and why. Code belongs to Layer; see Text.
	// Reason is the number of the reason that was sent, -1 without one.
	Layer  Layer
	Code   uint8
	Reason int64

	// Since is the TPDU.Record in which what it tells of began.
	Since  uint64
	Origin Origin
	Last   Place // Place of the transfer's last octet.
	// Context is the presentation context identifier of what RTSE delivered, or
	// of the operation; 0 when there is none.
	Context int64
	// Abstract is the abstract syntax of Context, the contents octets of an
	// OBJECT IDENTIFIER; nil when unknown.
	Abstract []byte
	// Pieces counts the RTTRs that the transfer came in.
	Pieces int
	// Interruptions counts how often it was broken off and resumed.
	Interruptions int
	// Untold counts those of them that no event told of: it was resumed in another
	// association while it was under way in the first.
	Untold int
	// Elsewhere says that it began in another association.
	Elsewhere bool
	// Acknowledged says that the receiver has confirmed a checkpoint of the
	// transfer or its end; that it has not, as far as was seen, means little.
	Acknowledged bool
	// Suspended says that an Unfinished transfer may be resumed.
	Suspended bool
	// Recover says that a bind recovers an earlier association.
	Recover bool
	// Refused says that a Release was not agreed to.
	Refused bool
	// Why says how a transfer came to be Unfinished.
	Why Why

	// Session and Activity name the activity concerned, where there is one.
	// Session is as in Key.
	Session  []byte
	Activity []byte

	ROSE rose.APDU

	text string
	lent int // The buffer of Octets in what is lent, counted from 1; 0 for none.
}

// Why says how a transfer came to be unfinished.
type Why uint8

// The reasons.
const (
	WhyNone      Why = iota
	Interrupted      // ACTIVITY INTERRUPT (X.225 8.3.28).
	Discarded        // ACTIVITY DISCARD (X.225 8.3.30).
	Aborted          // The association was aborted.
	Released         // It was released while the transfer was under way.
	Ended            // The connection ended.
	Lost             // Octets are missing from the capture.
	Superseded       // Another activity began.
	TooLarge         // The transfer exceeds the limit.
	NotResumable     // It was resumed, and what came before is not known.
	Damaged          // A part of it could not be decoded.
	Empty            // The activity ended without data.
)

var whyNames = [...]string{"", "interrupted", "discarded", "aborted", "released", "connection-ended", "octets-lost",
	"superseded", "too-large", "first-part-unknown", "damaged", "empty"}

// String returns the reason's name as rows carry it.
func (w Why) String() string {
	if int(w) < len(whyNames) {
		return whyNames[w]
	}
	return "unknown"
}

// Text says in words what a Problem, an Abort or a Refusal is. It does not
// allocate.
func (e *Event) Text() string { return e.text }

// Mode is the mode of the presentation protocol.
type Mode uint8

// The modes.
const (
	ModeUnknown Mode = iota
	ModeNormal       // X.226 normal mode.
	ModeX410         // X.410-1984 mode.
)

var modeNames = [...]string{"unknown", "normal", "x410-1984"}

// String returns the mode's name as rows carry it.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "unknown"
}

// Context is a presentation context.
type Context struct {
	ID       int64
	Abstract []byte // Contents octets of an OBJECT IDENTIFIER.
	Transfer []byte // The first proposed, or the accepted one.
	Accepted bool
	// Answered says that a result for it was seen; where the answer was not
	// captured, proposals stand.
	Answered bool
	// Result and Reason are the result list's (X.226 8.3.2).
	Result, Reason int64
}

// Facts are what is known of an association beside its data. Its slices are the
// Association's.
type Facts struct {
	CallingTSAP, CalledTSAP []byte
	TPDUSize                int // As confirmed, or proposed.
	CallingSSAP, CalledSSAP []byte
	CallingPSAP, CalledPSAP []byte
	RespondingPSAP          []byte
	SessionVersion          uint8
	SessionRequirements     uint16
	// SessionID is the session connection identifier as in Key.
	SessionID []byte
	Mode      Mode
	// ApplicationContext is the contents octets of an OBJECT IDENTIFIER.
	ApplicationContext []byte
	// ApplicationProtocol is RTORQ's, in X.410-1984 mode: 1 or 12; -1 without.
	ApplicationProtocol                int64
	CallingAPTitle, CallingAEQualifier []byte // The values' elements, undecoded.
	CalledAPTitle, CalledAEQualifier   []byte
	// ACSE has the last APDU of each acse.Kind: its fields before the user
	// information, undecoded and cut at 4 KiB. RTSEText is what RTORQ, RTOAC, RTORJ
	// and RTAB say, as rtse.APDU.AppendText writes it.
	ACSE                        [5][]byte
	RTSEText                    []byte
	Contexts                    []Context
	RTSE                        bool
	CheckpointSize, WindowSize  int64 // As agreed, or proposed. CheckpointSize in units of 1024 octets, 0 for none.
	TwoWayAlternate             bool
	Initiator                   uint8 // The direction that CONNECT came from.
	Proposed, Accepted, Refused bool  // CONNECT, ACCEPT, REFUSE were seen.
	Inferred                    bool  // The opening was not seen.
	OneDirection                bool  // TPDUs of one direction only were seen so far.
	Released, Aborted           bool
	// APDUs, UnfinishedAPDUs and Operations count events.
	APDUs, UnfinishedAPDUs, Operations uint64
	// Problems counts all, ProblemsLeftOut those for which there was no event.
	Problems, ProblemsLeftOut uint64
	// TPDUs counts those with data, by direction, ForeignTSDUs those that are no
	// SPDU.
	TPDUs        [2]uint64
	ForeignTSDUs uint64
	// UnknownParameters counts parameters and fields that the standards do not
	// name.
	UnknownParameters uint64
}
