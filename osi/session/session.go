// Package session decodes the SPDUs of the session protocol (X.225, ISO
// 8327-1), versions 1 and 2, as they stand in one TSDU.
//
// An [Iterator] walks the SPDUs that are concatenated in a TSDU, basic or
// extended (X.225 6.3.7): a category 0 or 1 SPDU comes first, category 2 SPDUs
// follow. Four SPDU identifiers mean two things each, which only the place in
// the TSDU tells apart (GIVE TOKENS and DATA TRANSFER, ABORT and ACTIVITY
// INTERRUPT, their acknowledgements), and a fifth, MAJOR SYNC POINT and ACTIVITY
// END, by its Sync Type Item. MAJOR SYNC ACK and ACTIVITY END ACK look the same;
// both are given as MajorSyncAck.
//
// Refused, with a [Code] and an offset: an identifier that X.225 does not have,
// a length that reaches beyond the TSDU, a parameter that reaches beyond its
// SPDU or group. Parameters that are unknown, or whose value cannot be read, are
// kept and counted. Whether an SPDU suits the state of its connection is for the
// caller to judge.
//
// Nothing is copied or allocated: an SPDU refers to the TSDU and lives as long.
// An Iterator is for one goroutine.
package session

// Kind is an SPDU's kind.
type Kind uint8

// The kinds of SPDU and the clauses of X.225 that describe their coding.
const (
	None                 Kind = iota
	Connect                   // CN, 8.3.1
	OverflowAccept            // OA, 8.3.2
	ConnectDataOverflow       // CDO, 8.3.3
	Accept                    // AC, 8.3.4
	Refuse                    // RF, 8.3.5
	Finish                    // FN, 8.3.6
	Disconnect                // DN, 8.3.7
	NotFinished               // NF, 8.3.8
	Abort                     // AB, 8.3.9
	AbortAccept               // AA, 8.3.10
	DataTransfer              // DT, 8.3.11
	Expedited                 // EX, 8.3.12
	TypedData                 // TD, 8.3.13
	CapabilityData            // CD, 8.3.14
	CapabilityDataAck         // CDA, 8.3.15
	GiveTokens                // GT, 8.3.16
	PleaseTokens              // PT, 8.3.17
	GiveTokensConfirm         // GTC, 8.3.18
	GiveTokensAck             // GTA, 8.3.19
	MinorSyncPoint            // MIP, 8.3.20
	MinorSyncAck              // MIA, 8.3.21
	MajorSyncPoint            // MAP, 8.3.22
	MajorSyncAck              // MAA and AEA, 8.3.23, 8.3.33
	Resynchronize             // RS, 8.3.24
	ResynchronizeAck          // RA, 8.3.25
	Prepare                   // PR, 8.3.26
	ExceptionReport           // ER, 8.3.27
	ExceptionData             // ED, 8.3.28
	ActivityStart             // AS, 8.3.29
	ActivityResume            // AR, 8.3.30
	ActivityInterrupt         // AI, 8.3.31
	ActivityInterruptAck      // AIA
	ActivityDiscard           // AD
	ActivityDiscardAck        // ADA
	ActivityEnd               // AE
	numKinds
)

var kindNames = [numKinds]string{
	None: "none", Connect: "CN", OverflowAccept: "OA", ConnectDataOverflow: "CDO", Accept: "AC",
	Refuse: "RF", Finish: "FN", Disconnect: "DN", NotFinished: "NF", Abort: "AB", AbortAccept: "AA",
	DataTransfer: "DT", Expedited: "EX", TypedData: "TD", CapabilityData: "CD", CapabilityDataAck: "CDA",
	GiveTokens: "GT", PleaseTokens: "PT", GiveTokensConfirm: "GTC", GiveTokensAck: "GTA",
	MinorSyncPoint: "MIP", MinorSyncAck: "MIA", MajorSyncPoint: "MAP", MajorSyncAck: "MAA",
	Resynchronize: "RS", ResynchronizeAck: "RA", Prepare: "PR", ExceptionReport: "ER",
	ExceptionData: "ED", ActivityStart: "AS", ActivityResume: "AR", ActivityInterrupt: "AI",
	ActivityInterruptAck: "AIA", ActivityDiscard: "AD", ActivityDiscardAck: "ADA", ActivityEnd: "AE",
}

// String returns the standard's abbreviation.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "unknown"
}

// identifier is what an SPDU identifier means: as the first SPDU of a TSDU and
// as a later one.
type identifier struct {
	first, later Kind
}

// identifiers is X.225 table 8. Category 2 SPDUs that come first against X.225
// 6.3.7 are read all the same, where the identifier leaves no doubt.
var identifiers = [64]identifier{
	0:  {ExceptionReport, ExceptionReport},
	1:  {GiveTokens, DataTransfer},
	2:  {PleaseTokens, None},
	5:  {Expedited, None},
	7:  {Prepare, None},
	8:  {NotFinished, None},
	9:  {Finish, None},
	10: {Disconnect, None},
	12: {Refuse, None},
	13: {Connect, None},
	14: {Accept, None},
	15: {ConnectDataOverflow, None},
	16: {OverflowAccept, None},
	21: {GiveTokensConfirm, None},
	22: {GiveTokensAck, None},
	25: {Abort, ActivityInterrupt},
	26: {AbortAccept, ActivityInterruptAck},
	29: {ActivityResume, ActivityResume},
	33: {TypedData, None},
	34: {ResynchronizeAck, ResynchronizeAck},
	41: {MajorSyncPoint, MajorSyncPoint},
	42: {MajorSyncAck, MajorSyncAck},
	45: {ActivityStart, ActivityStart},
	48: {ExceptionData, ExceptionData},
	49: {MinorSyncPoint, MinorSyncPoint},
	50: {MinorSyncAck, MinorSyncAck},
	53: {Resynchronize, Resynchronize},
	57: {ActivityDiscard, ActivityDiscard},
	58: {ActivityDiscardAck, ActivityDiscardAck},
	61: {CapabilityData, CapabilityData},
	62: {CapabilityDataAck, CapabilityDataAck},
}

// The functional units of the Session User Requirements (X.225 8.3.1.16).
const (
	HalfDuplex            = 1 << 0
	Duplex                = 1 << 1
	ExpeditedUnit         = 1 << 2
	MinorSynchronize      = 1 << 3
	MajorSynchronize      = 1 << 4
	ResynchronizeUnit     = 1 << 5
	ActivityManagement    = 1 << 6
	NegotiatedRelease     = 1 << 7
	CapabilityUnit        = 1 << 8
	Exceptions            = 1 << 9
	TypedDataUnit         = 1 << 10
	SymmetricSynchronize  = 1 << 11
	DataSeparation        = 1 << 12
	transportReleased     = 1 << 0
	transportUserAbort    = 1 << 1
	transportProtocol     = 1 << 2
	transportNoReason     = 1 << 3
	transportRestriction  = 1 << 4
	enclosureBegin        = 1 << 0
	enclosureEnd          = 1 << 1
	maxSerialDigits       = 7 // Six, and seven in the large numbers of version 2.
	extendedConcatenation = 1 << 0
)

// Reference is a session connection's identifier (X.225 7.1.1) or, in ACTIVITY
// RESUME's Linking Information, that of an earlier one. Absent parts are nil.
type Reference struct {
	Calling, Called, Common, Additional []byte
}

// Named reports whether it names a session connection.
func (r *Reference) Named() bool { return r.Calling != nil || r.Called != nil || r.Common != nil }

// Parameter is a parameter that has no field of its own, or whose value cannot
// be read. Group is its PGI, 0 without one.
type Parameter struct {
	Group, Code uint8
	Value       []byte
}

// MaxUnknown is the number of such parameters that an SPDU keeps. All are
// counted.
const MaxUnknown = 4

// SPDU is one decoded SPDU. Which fields are meant depends on Kind; those of
// absent parameters are zero.
type SPDU struct {
	Kind Kind
	// SI is the SPDU identifier.
	SI uint8
	// Start and End are where the SPDU stands in the TSDU, user information
	// included.
	Start, End int

	// UserData is the value of User Data, Extended User Data or Data Overflow,
	// the rest of Reason Code in REFUSE, or the User Information Field. It
	// begins at UserStart in the TSDU.
	UserData    []byte
	UserStart   int
	HasUserData bool

	// Enclosure is set where the SPDU has an Enclosure Item (X.225 8.3.1.19):
	// then Begin and End say whether it is the SSDU's first and last. Without
	// one the SPDU is the whole SSDU, and both are set.
	Enclosure               bool
	BeginsSSDU, EndsSSDU    bool
	Reference               Reference // Connection Identifier.
	Link                    Reference // Linking Information of ACTIVITY RESUME.
	Activity                []byte    // Activity Identifier.
	OldActivity             []byte    // That of Linking Information.
	CallingSSAP, CalledSSAP []byte    // Session selectors; in ACCEPT, CalledSSAP is the responding one.

	Serial, LinkSerial       uint32 // Synchronization point serial numbers.
	HasSerial, HasLinkSerial bool

	ProtocolOptions    uint8
	Version            uint8 // Bit 0: version 1, bit 1: version 2.
	MaxTSDU            [2]uint16
	HasRequirements    bool
	Requirements       uint16
	InitialSerial      uint32
	HasInitialSerial   bool
	Tokens             uint8 // Token Item.
	TokenSetting       uint8 // Token Setting Item.
	HasTokens          bool
	HasTokenSetting    bool
	ResyncType         uint8
	HasSyncType        bool
	SyncType           uint8
	PrepareType        uint8
	Reason             uint8 // First octet of Reason Code.
	HasReason          bool
	Transport          uint8 // Transport Disconnect.
	HasTransport       bool
	Reflected          []byte
	MoreData           bool // CONNECT: Data Overflow, user data continue in CDO.
	Unknown            [MaxUnknown]Parameter
	UnknownCount       int
	RepeatedParameters int

	filled bool // There were parameters.
}

// reset empties s. Without parameters, as the SPDUs of data are, few fields were set.
func (s *SPDU) reset() {
	if s.filled {
		*s = SPDU{}
		return
	}
	s.Kind, s.End = None, 0
	s.UserData, s.UserStart, s.HasUserData = nil, 0, false
}

// UserAbort reports whether an ABORT came from the session user rather than the
// provider (X.225 8.3.9.2).
func (s *SPDU) UserAbort() bool { return s.Transport&transportUserAbort != 0 }

// Extended reports whether CONNECT or ACCEPT offers extended concatenation.
func (s *SPDU) Extended() bool { return s.ProtocolOptions&extendedConcatenation != 0 }

// TransportReason returns what an ABORT's Transport Disconnect says (X.225
// 8.3.9.2).
func TransportReason(v uint8) string {
	switch {
	case v&transportUserAbort != 0:
		return "user abort"
	case v&transportProtocol != 0:
		return "protocol error"
	case v&transportRestriction != 0:
		return "implementation restriction"
	case v&transportNoReason != 0:
		return "no reason given"
	case v&transportReleased != 0:
		return "transport connection released"
	}
	return "transport connection kept"
}

// RefuseReason returns what the first octet of REFUSE's Reason Code means
// (X.225 8.3.5.9).
func RefuseReason(v uint8) string {
	switch v {
	case 0:
		return "rejected by called session user"
	case 1:
		return "rejected by called session user: temporary congestion"
	case 2:
		return "rejected by called session user with user data"
	case 129:
		return "session selector unknown"
	case 130:
		return "no session user at the access point"
	case 131:
		return "session congestion at connect time"
	case 132:
		return "proposed protocol versions not supported"
	case 133:
		return "rejected by session entity"
	case 134:
		return "rejected by session entity: implementation restriction"
	}
	return "unknown reason"
}

// ActivityReason returns what the Reason Code of ACTIVITY INTERRUPT, ACTIVITY
// DISCARD and EXCEPTION DATA means (X.225 8.3.28.3).
func ActivityReason(v uint8) string {
	switch v {
	case 0:
		return "no specific reason stated"
	case 1:
		return "user receiving ability jeopardized"
	case 3:
		return "user sequence error"
	case 5:
		return "local user error"
	case 6:
		return "unrecoverable procedural error"
	case 128:
		return "demand data token"
	}
	return "unknown reason"
}
