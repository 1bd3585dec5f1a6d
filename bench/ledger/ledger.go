// Package ledger holds the types of the ledger that the traffic generator
// writes beside a capture, and a reader and a writer for it.
//
// A ledger is a file of JSON Lines: each line is one [Entry], an object with
// exactly one member. Entries come in the order in which the things they tell of
// ended, so a ledger of any size is written and read with constant memory.
//
// # Textual conventions
//
// MTS identifiers have the form of RFC 2156 section 4.7:
// [/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001], without the PRMD part where the
// global domain identifier has none. In the parts of the domain a "$" stands before
// "/", "=" and "$". Global domain identifiers alone stand as
// /PRMD=TestGamma/ADMD=AMHS/C=XX/.
//
// OR-addresses stand as /C=GB/ADMD= /PRMD=X/O=Y/OU1=Z/CN=name/S=Smith/G=Ann/, the
// attributes in the order that the archive's package x411 has:
//
//	C ADMD PRMD X121 T-ID O OU1 OU2 OU3 OU4 CN S G I GQ N-ID T-TY
//	PD-PN PD-O PD-STREET PD-BOX PD-RESTANTE PD-UNIQUE PD-LOCAL PD-ADDRESS
//	PD-OFFICE PD-OFFICE-NUM PD-CODE PD-C PD-EXT-ADDRESS PD-EXT-DELIVERY
//	PD-SERVICE NET-NUM DDA:type DN
//
// An attribute that is present with an empty value stands as /ADMD=/. Values are
// UTF-8 whatever the string type on the wire. In the text a backslash stands
// before "/" and "\" of a value, and before "=" too in a domain-defined attribute's
// type; the Attributes hold the bare values. A terminal type stands by its name,
// the lines of an unformatted postal address are joined by "|". A directory name
// stands as CN=z,O=Y,C=GB, most specific part first.
//
// Times are UTC. UTCTime's two-digit years stand for 1950 to 2049 (X.411 takes
// them from X.208 and leaves the century to the reader).
//
// Digests are lower-case hexadecimal SHA-256.
//
// A Ledger's types are plain values and safe to copy; a Reader or Writer belongs
// to one goroutine.
package ledger

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Entry is one line of the ledger. Exactly one member is set.
type Entry struct {
	Association *Association `json:"association,omitempty"`
	Sighting    *Sighting    `json:"sighting,omitempty"`
	Incomplete  *Incomplete  `json:"incomplete,omitempty"`
	Operation   *Operation   `json:"operation,omitempty"`
	Summary     *Summary     `json:"summary,omitempty"`
}

// Direction tells who sent something on a connection.
type Direction string

// The two directions of a connection.
const (
	ToServer Direction = "c2s" // From the connection's initiator.
	ToClient Direction = "s2c" // From the connection's acceptor.
)

// Connection identifies a TCP connection and the initial sequence numbers of
// its two directions.
type Connection struct {
	Client    netip.AddrPort `json:"client"`
	Server    netip.AddrPort `json:"server"`
	ClientISN uint32         `json:"client_isn"`
	ServerISN uint32         `json:"server_isn"`
}

// Classes of an association.
const (
	ClassX400      = "x400"
	ClassS7        = "s7comm"
	ClassMMS       = "mms"
	ClassEncrypted = "encrypted"
	ClassGarbage   = "garbage"
)

// Modes of an X.400 association.
const (
	ModeNormal = "normal" // X.226 normal mode, as RTSE of 1988 uses it.
	ModeX410   = "x410"   // X.410-1984 mode.
)

// Association is one TCP connection, written when it ended.
type Association struct {
	ID int `json:"id"` // Number in order of opening, from 1.
	Connection
	Class string `json:"class"`
	Mode  string `json:"mode,omitempty"`

	Opened time.Time `json:"opened"` // Time of the first packet sent, captured or not.
	Closed time.Time `json:"closed"` // Time of the last packet sent, captured or not.

	CallingTSAP string `json:"calling_tsap,omitempty"` // Hexadecimal, as all selectors are.
	CalledTSAP  string `json:"called_tsap,omitempty"`
	CallingSSEL string `json:"calling_ssel,omitempty"`
	CalledSSEL  string `json:"called_ssel,omitempty"`
	CallingPSEL string `json:"calling_psel,omitempty"`
	CalledPSEL  string `json:"called_psel,omitempty"`
	TPDUSize    int    `json:"tpdu_size,omitempty"` // Negotiated octets; 0 where no size was negotiated.

	ApplicationContext string `json:"application_context,omitempty"` // Dotted; empty in X.410-1984 mode.
	ApplicationNumber  int    `json:"application_number,omitempty"`  // X.410-1984 mode's protocol number.
	Recover            bool   `json:"recover,omitempty"`             // The RTORQ bore recover, not a bind.
	TwoWayAlternate    bool   `json:"two_way_alternate,omitempty"`
	CheckpointSize     int    `json:"checkpoint_size"` // Kilo-octets, as the acceptor chose.
	WindowSize         int    `json:"window_size"`

	// The names are empty where the bind is the unauthenticated alternative, which has none.
	InitiatorMTA string `json:"initiator_mta,omitempty"`
	ResponderMTA string `json:"responder_mta,omitempty"` // Empty where the bind was refused.
	// Bind is "accepted", "refused" (BindError tells why), or empty where the
	// association is not an X.400 one or recovers an earlier one.
	Bind      string `json:"bind,omitempty"`
	BindError *int   `json:"bind_error,omitempty"`

	// Ended is "release", "refused", "user-abort", "provider-abort", "reset"
	// (the transport connection broke), "open" (never closed), or "fin" for
	// connections that are not X.400.
	Ended string `json:"ended"`

	// What the capture holds of it.
	HandshakeSeen  bool `json:"handshake_seen"`       // SYN and SYN ACK are in the capture.
	ConnectSeen    bool `json:"connect_seen"`         // Every octet of session's CONNECT is.
	AcceptSeen     bool `json:"accept_seen"`          // Every octet of session's ACCEPT (or REFUSE) is.
	MissingClient  int  `json:"missing_client"`       // Octets that the client sent and the capture lacks.
	MissingServer  int  `json:"missing_server"`       //
	PacketsClient  int  `json:"packets_client"`       // TCP segments in the capture, with and without data.
	PacketsServer  int  `json:"packets_server"`       //
	OctetsClient   int  `json:"octets_client"`        // TCP payload octets in the capture, repetitions counted again.
	OctetsServer   int  `json:"octets_server"`        //
	StreamClient   int  `json:"stream_client"`        // Octets of the stream as sent, each counted once.
	StreamServer   int  `json:"stream_server"`        //
	RepeatedClient int  `json:"repeated_client"`      // Captured segments that repeat octets sent before.
	RepeatedServer int  `json:"repeated_server"`      //
	Sightings      int  `json:"sightings"`            // Transfers completed in this association.
	OneDirection   bool `json:"one_direction"`        // The capture has one direction only.
	MidStream      bool `json:"mid_stream,omitempty"` // The capture begins after the association was set up.
}

// Kinds of an MTS-APDU.
const (
	KindMessage = "message"
	KindProbe   = "probe"
	KindReport  = "report"
)

// Sighting is one completed transfer of an MTS-APDU over one association.
type Sighting struct {
	Association int `json:"association"` // Where the transfer was completed.
	Connection
	Direction Direction `json:"direction"`

	// Seq is the TCP sequence number of the APDU's first octet: in normal mode
	// of the EXTERNAL that wraps the MTS-APDU, in X.410-1984 mode of the
	// MTS-APDU. Where the transfer began in an earlier association, Began names
	// that one and Seq belongs to it.
	Seq    uint32      `json:"seq"`
	Began  *Connection `json:"began,omitempty"`
	SHA256 string      `json:"sha256"` // Of the APDU as RTSE delivers it, the EXTERNAL included.
	Size   int         `json:"size"`   // Octets of the same.

	Started time.Time `json:"started"` // ACTIVITY START sent.
	Ended   time.Time `json:"ended"`   // ACTIVITY END sent.

	// Whole says that the capture has every octet of every TPDU of the transfer,
	// from ACTIVITY START to ACTIVITY END and through all of its activities, and
	// where it began in another association, that association's CONNECT, which bears
	// the identifier that the resume names. A whole transfer must become a message.
	Whole bool `json:"whole"`
	// Doubtful says of a transfer that is not whole that only octets are missing
	// which it can do without: those that an interrupted activity sent after
	// the checkpoint from which it was resumed, or a CONNECT whose ACCEPT repeats the
	// session connection identifier. It may become a message or not. Those that are
	// neither whole nor doubtful must not.
	Doubtful bool `json:"doubtful,omitempty"`
	// Transfer is "single", "segmented", "resumed" (in the same association),
	// "recovered" (in another one) or "repeated" (the whole APDU again in a new activity).
	Transfer string `json:"transfer"`
	BindSeen bool   `json:"bind_seen"` // CONNECT of the completing association is in the capture.

	Kind string `json:"kind"`
	APDU
}

// APDU is what an MTS-APDU holds. Fields that its kind does not have are zero.
type APDU struct {
	Identifier MTSIdentifier `json:"identifier"`
	Originator *Address      `json:"originator,omitempty"` // Absent in reports.

	// EncodedInformationTypes are the original-encoded-information-types: nil
	// where the field is absent.
	EncodedInformationTypes *EncodedInformationTypes `json:"eits,omitempty"`
	ContentType             *ContentType             `json:"content_type,omitempty"`
	ContentIdentifier       *string                  `json:"content_identifier,omitempty"`
	Priority                *int                     `json:"priority,omitempty"`        // 0 normal, 1 non-urgent, 2 urgent; nil where the DEFAULT was left out.
	Indicators              []string                 `json:"indicators,omitempty"`      // Those that are set.
	IndicatorsSent          bool                     `json:"indicators_sent,omitempty"` // The field is there, be it without any set.
	DeferredDelivery        *time.Time               `json:"deferred_delivery,omitempty"`
	ContentLength           *int                     `json:"content_length,omitempty"` // Probe's content-length.
	Bilateral               []Bilateral              `json:"bilateral,omitempty"`
	Trace                   []TraceElement           `json:"trace"`
	InternalTrace           []TraceElement           `json:"internal_trace,omitempty"`
	Extensions              []Extension              `json:"extensions,omitempty"` // Per message, in the order sent; internal trace included.
	Recipients              []Recipient              `json:"recipients"`

	ContentSize   int    `json:"content_size"` // Octets in the content OCTET STRING, or of a report's returned content.
	ContentSHA256 string `json:"content_sha256,omitempty"`
	Subject       string `json:"subject,omitempty"` // The IPM's heading, where the content is one.
	// Contents are the content and the messages in it, outer ones first. Of a content
	// that X.420 does not define it has the kind, and of CMS what is inside.
	Contents []Interpersonal `json:"contents,omitempty"`

	// Reports only.
	Destination           *Address       `json:"destination,omitempty"`
	SubjectID             *MTSIdentifier `json:"subject_id,omitempty"`
	SubjectTrace          []TraceElement `json:"subject_trace,omitempty"`
	AdditionalInformation string         `json:"additional_information,omitempty"` // Octets inside its [2] tag, hexadecimal.
	// ContentExtensions are the extensions of the report's content.
	ContentExtensions []Extension `json:"content_extensions,omitempty"`
}

// Interpersonal is an interpersonal message or notification (X.420), or another
// content of which little more than the kind is told. Texts of
// identifiers are "local*OR-name", those of descriptors "free-form <OR-name>
// (telephone)".
type Interpersonal struct {
	// Path is empty for the content, 2 for what its second body part holds, 2.1
	// for what the first body part of that holds, r for a returned message, c for
	// what signed data hold.
	Path          string         `json:"path"`
	Kind          string         `json:"kind"` // ipm, receipt-notification, cms, edi-message, unknown, ...
	ID            string         `json:"id"`
	Originator    string         `json:"originator,omitempty"`
	Subject       *string        `json:"subject,omitempty"`
	Recipients    []IPMRecipient `json:"recipients,omitempty"`
	References    []IPMReference `json:"references,omitempty"`
	Extensions    []IPMExtension `json:"extensions,omitempty"` // In the order sent.
	Expiry        *time.Time     `json:"expiry,omitempty"`
	ReplyBy       *time.Time     `json:"reply_by,omitempty"`
	Importance    string         `json:"importance,omitempty"`
	Sensitivity   string         `json:"sensitivity,omitempty"`
	AutoForwarded bool           `json:"auto_forwarded,omitempty"`
	Parts         []BodyPart     `json:"parts,omitempty"`

	// Content of the Cryptographic Message Syntax (RFC 5652) only.
	InnerType    string `json:"inner_type,omitempty"`
	InnerContent string `json:"inner_content,omitempty"` // Dotted.
	Signer       string `json:"signer,omitempty"`        // The first.
	Signers      int    `json:"signers,omitempty"`

	// Notifications only.
	Intended         string     `json:"intended,omitempty"`
	ConversionEITs   []string   `json:"conversion_eits,omitempty"`
	NonReceiptReason string     `json:"non_receipt_reason,omitempty"`
	DiscardReason    string     `json:"discard_reason,omitempty"`
	Comment          string     `json:"comment,omitempty"`
	Receipt          *time.Time `json:"receipt,omitempty"`
	Acknowledgment   string     `json:"acknowledgment,omitempty"`
	Supplementary    string     `json:"supplementary,omitempty"`
}

// IPMRecipient is a recipient, authorizing user or reply recipient of a heading.
type IPMRecipient struct {
	Role           string   `json:"role"`
	Text           string   `json:"text"`
	Requests       []string `json:"requests,omitempty"`
	ReplyRequested bool     `json:"reply_requested,omitempty"`
	Precedence     *int     `json:"precedence,omitempty"`
}

// IPMReference is a reference to another message.
type IPMReference struct {
	Relation string `json:"relation"`
	ID       string `json:"id"`
}

// IPMExtension is an extension of a heading, recipient or notification.
type IPMExtension struct {
	OID      string `json:"oid"`
	Readable string `json:"readable,omitempty"` // Where the value is one word or a list of them.
}

// BodyPart is a body part.
type BodyPart struct {
	Kind string `json:"kind"`
	Size int    `json:"size"` // Octets of the data; -1 where these are an encoding.
	// Charset and TextSHA256 are of a text: what it was converted from, and the
	// digest of its UTF-8.
	Charset    string `json:"charset,omitempty"`
	TextSHA256 string `json:"text_sha256,omitempty"`
	FileName   string `json:"file_name,omitempty"`
	Nested     string `json:"nested,omitempty"` // Path of the message that it holds.
	Signer     string `json:"signer,omitempty"`
	ATS        string `json:"ats,omitempty"` // Priority of an ATS message header.
}

// MTSIdentifier is an MTS identifier as text and in its parts. PRMD is nil where
// the domain has no private domain identifier.
type MTSIdentifier struct {
	Text  string  `json:"text"`
	C     string  `json:"c"`
	ADMD  string  `json:"admd"`
	PRMD  *string `json:"prmd,omitempty"`
	Local string  `json:"local"`
}

// Address is an OR-address as text and as its attributes.
type Address struct {
	Text       string      `json:"text"`
	Attributes []Attribute `json:"attributes"`
	// Key is the text with its values folded for comparison (X.402 18.4): lower
	// case, without leading and trailing spaces, runs of spaces made one, a numeric
	// country code as the alphabetic one, an ADMD of spaces empty.
	Key string `json:"key"`
	// Directory is the directory name, empty where the OR-name has none. It is
	// not among the Attributes.
	Directory string `json:"directory,omitempty"`
}

// Attribute is one attribute of an OR-address: its keyword as in the package's
// conventions, and its bare value.
type Attribute struct {
	Type  string `json:"t"`
	Value string `json:"v"`
}

// Get returns the value of the first attribute of a type.
func (a *Address) Get(typ string) (string, bool) {
	if a != nil {
		for _, at := range a.Attributes {
			if at.Type == typ {
				return at.Value, true
			}
		}
	}
	return "", false
}

// ContentType is a built-in content type, or an extended one where OID is set.
type ContentType struct {
	BuiltIn int    `json:"builtin"`
	OID     string `json:"oid,omitempty"`
}

// EncodedInformationTypes are the names of the built-in types' bits as X.411
// gives them (ia5-text, g3-facsimile, ...) and extended types' dotted identifiers.
type EncodedInformationTypes struct {
	BuiltIn  []string `json:"builtin"`
	Extended []string `json:"extended,omitempty"`
}

// Bilateral is one element of per-domain-bilateral-information.
type Bilateral struct {
	Domain string `json:"domain"`
	Value  string `json:"value"` // Octets of the encoding of bilateral-information, hexadecimal.
}

// TraceElement is one element of trace-information or, where MTA is set, of
// internal-trace-information.
type TraceElement struct {
	Domain       string     `json:"domain"`
	MTA          string     `json:"mta,omitempty"`
	Arrival      time.Time  `json:"arrival"`
	Action       int        `json:"action"` // 0 relayed, 1 rerouted.
	Attempted    string     `json:"attempted,omitempty"`
	AttemptedMTA string     `json:"attempted_mta,omitempty"`
	Deferred     *time.Time `json:"deferred,omitempty"`
	Converted    []string   `json:"converted,omitempty"`     // Built-in EITs' names.
	OtherActions []string   `json:"other_actions,omitempty"` // redirected, dl-operation.
}

// Extension is one ExtensionField.
type Extension struct {
	Number      int      `json:"number"`        // standard-extension's; 0 where OID is set.
	OID         string   `json:"oid,omitempty"` // private-extension's.
	Criticality []string `json:"criticality"`   // for-submission, for-transfer, for-delivery.
	Value       string   `json:"value"`         // Octets inside the value's [2] tag, hexadecimal; an indefinite length's end not included.
	Coding      string   `json:"coding"`        // "implicit" (80 01 nn) or "explicit" (a0 03 02 01 nn) type.
	Readable    string   `json:"readable"`      // What the generator meant, for people.
}

// Recipient is one element of per-recipient-fields.
type Recipient struct {
	Number             int         `json:"number"`
	Name               Address     `json:"name"` // In reports the actual recipient.
	Responsibility     bool        `json:"responsibility"`
	OriginatingMTA     string      `json:"originating_mta_report"` // "", non-delivery-report, report, audited-report.
	OriginatorReport   string      `json:"originator_report"`      // no-report, non-delivery-report, report.
	ExplicitConversion *int        `json:"explicit_conversion,omitempty"`
	Extensions         []Extension `json:"extensions,omitempty"`

	// Reports only.
	Outcome       string     `json:"outcome,omitempty"` // delivered, not-delivered.
	Arrival       *time.Time `json:"arrival,omitempty"` // Last trace information's.
	Converted     []string   `json:"converted,omitempty"`
	Delivered     *time.Time `json:"delivered,omitempty"`
	UserType      *int       `json:"user_type,omitempty"`
	Reason        *int       `json:"reason,omitempty"`
	Diagnostic    *int       `json:"diagnostic,omitempty"`
	Intended      *Address   `json:"intended,omitempty"` // originally-intended-recipient-name.
	Supplementary *string    `json:"supplementary,omitempty"`
}

// Incomplete is a transfer that never became a message.
type Incomplete struct {
	Association int `json:"association"` // Where it was last seen.
	Connection
	Direction Direction   `json:"direction"`
	Seq       uint32      `json:"seq"` // TCP sequence number of the APDU's first octet, in Began if that is set.
	Began     *Connection `json:"began,omitempty"`
	// Why is "discarded" (ACTIVITY DISCARD), "interrupted" (never resumed),
	// "aborted" or "reset" (the association ended and nothing was resumed), or
	// "open" (the capture ended).
	Why        string `json:"why"`
	Kind       string `json:"kind"`
	Identifier string `json:"identifier"` // Of the MTS-APDU that was cut off.
	Sent       int    `json:"sent"`       // Octets of the APDU that were sent, those sent again after a resume once.
	Size       int    `json:"size"`       // Octets that the APDU would have had.
}

// Kinds of what an operation carries.
const (
	KindSubmission      = "submission"
	KindProbeSubmission = "probe-submission"
	KindDelivery        = "delivery"
	KindReportDelivery  = "report-delivery"
	KindFetch           = "fetch"
)

// Operation is one remote operation of MTS access (P3) or MS access (P7).
type Operation struct {
	Association int `json:"association"`
	Connection
	Direction Direction `json:"direction"` // Of the invoke.
	Seq       uint32    `json:"seq"`       // TCP sequence number of the invoke's first octet; with RTSE of the EXTERNAL around it.
	Protocol  string    `json:"protocol"`  // p3 or p7.
	Name      string    `json:"name"`
	Code      int       `json:"code"`
	InvokeID  int       `json:"invoke_id"`
	// Outcome is "result", "error", "reject", or empty where no answer was sent; Error
	// the name of the error or problem.
	Outcome string `json:"outcome,omitempty"`
	Error   string `json:"error,omitempty"`
	// Identifier is that of the message or probe that it is about.
	Identifier string `json:"identifier,omitempty"`
	// Carried is the message that its argument or result carries.
	Carried *Carried `json:"carried,omitempty"`
}

// Carried is a message that an operation carries.
type Carried struct {
	Kind      string    `json:"kind"`
	Direction Direction `json:"direction"`
	Seq       uint32    `json:"seq"`    // As in Operation, of the APDU that carries it.
	SHA256    string    `json:"sha256"` // Of the ROSE APDU that carries it.
	Size      int       `json:"size"`   // Octets of the same.
	APDU
	Submitted *time.Time `json:"submitted,omitempty"` // Submission time: of a submission its result's.
	Delivered *time.Time `json:"delivered,omitempty"` // Delivery time of a delivery.
	Converted []string   `json:"converted,omitempty"` // Converted EITs of a delivery.
}

// Summary is the last entry of a ledger.
type Summary struct {
	Seed         uint64         `json:"seed"`
	Packets      int            `json:"packets"`
	CaptureSize  int64          `json:"capture_size"` // Octets of the capture file.
	Associations map[string]int `json:"associations"` // By class.
	Messages     int            `json:"messages"`     // Sightings by kind, the not whole ones included.
	Probes       int            `json:"probes"`
	Reports      int            `json:"reports"`
	Whole        int            `json:"whole"` // Sightings that are whole.
	Incomplete   int            `json:"incomplete"`
	Distinct     int            `json:"distinct"` // MTS-APDUs originated.
	Operations   int            `json:"operations,omitempty"`
	Secrets      int            `json:"secrets"` // Credentials sent, each beginning with "SECRET-".
}

// Writer writes a ledger.
type Writer struct {
	buf *bufio.Writer
	enc *json.Encoder
}

// NewWriter returns a Writer of JSON Lines to w.
func NewWriter(w io.Writer) *Writer {
	buf := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	return &Writer{buf: buf, enc: enc}
}

// Write appends one entry.
func (w *Writer) Write(e Entry) error { return w.enc.Encode(e) }

// Flush writes what is buffered.
func (w *Writer) Flush() error { return w.buf.Flush() }

// Reader reads a ledger.
type Reader struct {
	dec  *json.Decoder
	line int
}

// NewReader returns a Reader of the JSON Lines in r.
func NewReader(r io.Reader) *Reader {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	dec.DisallowUnknownFields()
	return &Reader{dec: dec}
}

// Next returns the next entry, and io.EOF after the last.
func (r *Reader) Next() (Entry, error) {
	var e Entry
	r.line++
	if err := r.dec.Decode(&e); err != nil {
		if err == io.EOF {
			return Entry{}, io.EOF
		}
		return Entry{}, fmt.Errorf("ledger line %d: %w", r.line, err)
	}
	return e, nil
}

// Ledger is a whole ledger in memory.
type Ledger struct {
	Associations []Association
	Sightings    []Sighting
	Incomplete   []Incomplete
	Operations   []Operation
	Summary      Summary
}

// ReadAll reads a whole ledger.
func ReadAll(r io.Reader) (*Ledger, error) {
	l := &Ledger{}
	lr := NewReader(r)
	for {
		e, err := lr.Next()
		if err == io.EOF {
			return l, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case e.Association != nil:
			l.Associations = append(l.Associations, *e.Association)
		case e.Sighting != nil:
			l.Sightings = append(l.Sightings, *e.Sighting)
		case e.Incomplete != nil:
			l.Incomplete = append(l.Incomplete, *e.Incomplete)
		case e.Operation != nil:
			l.Operations = append(l.Operations, *e.Operation)
		case e.Summary != nil:
			l.Summary = *e.Summary
		}
	}
}
