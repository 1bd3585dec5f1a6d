package ipm

import (
	"x400flow/osi/ber"
	"x400flow/x411"
	"x400flow/x411/p772"
)

// Layer is the name of this package's layer in a problem.
const Layer = "x420"

// Kind says what a content is.
type Kind uint8

// The kinds of content.
const (
	// KindUnknown is a content of a type that this package does not know.
	KindUnknown Kind = iota
	KindIPM
	KindReceipt
	KindNonReceipt
	KindOtherNotification
	// KindEDIMessage and KindEDINotification are contents of X.435, not decoded.
	KindEDIMessage
	KindEDINotification
	// KindCMS is a ContentInfo of RFC 5652; Inner tells more.
	KindCMS
	// KindInnerEnvelope is an MTS-APDU within a content (X.411 8.2.1.1.1.34), not
	// decoded.
	KindInnerEnvelope
)

var kindNames = [...]string{
	"unknown", "ipm", "receipt-notification", "non-receipt-notification",
	"other-notification", "edi-message", "edi-notification", "cms", "inner-envelope",
}

// String returns the kind as rows carry it.
func (k Kind) String() string { return kindNames[k] }

// Notification reports whether it is an interpersonal notification.
func (k Kind) Notification() bool { return k >= KindReceipt && k <= KindOtherNotification }

// Role says which heading field names a recipient.
type Role uint8

// The roles, in the order of the heading.
const (
	RoleAuthorizing Role = iota
	RolePrimary
	RoleCopy
	RoleBlindCopy
	RoleReply
)

var roleNames = [...]string{"authorizing-user", "primary", "copy", "blind-copy", "reply-recipient"}

// String returns the role as rows carry it.
func (r Role) String() string { return roleNames[r] }

// Relation says which field refers to another message.
type Relation uint8

// The relations.
const (
	RelationRepliedTo Relation = iota
	RelationObsoleted
	RelationRelated
	RelationSubject // Of a notification.
)

var relationNames = [...]string{"replied-to", "obsoleted", "related", "subject"}

// String returns the relation as rows carry it.
func (r Relation) String() string { return relationNames[r] }

// Identifier is an IPMIdentifier (X.420 7.1.1).
type Identifier struct {
	User  x411.ORName
	Local []byte
	// Text is the whole as the package documentation says; nil when absent.
	Text []byte
}

// Descriptor is an ORDescriptor (X.420 7.1.2).
type Descriptor struct {
	Present   bool
	Name      x411.ORName
	FreeForm  []byte // nil when absent
	Telephone []byte // nil when absent
	Text      []byte
}

// NotificationRequests (X.420 7.1.3): bit n of the value is bit n of the BIT
// STRING.
type NotificationRequests uint32

// The notification requests.
const (
	RequestReceipt     NotificationRequests = 1 << 0
	RequestNonReceipt  NotificationRequests = 1 << 1
	RequestReturn      NotificationRequests = 1 << 2
	RequestANSupported NotificationRequests = 1 << 3
	RequestSuppressAN  NotificationRequests = 1 << 4
)

var requestNames = []string{"rn", "nrn", "ipm-return", "an-supported", "suppress-an"}

// AppendNames appends the names of the bits that are set, separated by commas.
func (v NotificationRequests) AppendNames(dst []byte) []byte {
	return x411.AppendBitNames(dst, uint64(v), requestNames)
}

// Recipient is a RecipientSpecifier (X.420 7.1.3), or an OR-descriptor among the
// authorizing users or reply recipients.
type Recipient struct {
	Role       Role
	Descriptor Descriptor
	Requests   NotificationRequests
	// ReplyRequested is the reply-requested flag.
	ReplyRequested bool
	// Precedence is that of the precedence extension (X.420 Annex A), -1 when
	// absent.
	Precedence int32
}

// Reference is an identifier of another message.
type Reference struct {
	Relation Relation
	ID       Identifier
}

// Scope says what an extension belongs to.
type Scope uint8

// The scopes.
const (
	ScopeHeading Scope = iota
	ScopeRecipient
	ScopeNotification
	ScopeNonReceipt
	ScopeReceipt
	ScopeOtherNotification
	ScopeFile // Of a file transfer body part.
)

var scopeNames = [...]string{
	"heading", "recipient", "notification", "non-receipt", "receipt", "other-notification", "file",
}

// String returns the scope as rows carry it.
func (s Scope) String() string { return scopeNames[s] }

// Extension is an IPMSExtension (X.420 7.1.1).
type Extension struct {
	Scope Scope
	// Owner is the number of the recipient or body part, from 1; 0 for the
	// message.
	Owner int
	// OID is the type in dotted form.
	OID []byte
	// Name is the standard's name, empty when not known.
	Name string
	// Value is readable; empty for a NULL.
	Value []byte
	// Items are the parts of an extension of STANAG 4406.
	Items []p772.Item
	// Raw is the encoding of the value, nil when absent.
	Raw    []byte
	Offset int
	Err    x411.Code
}

// Inner is a ContentInfo of RFC 5652.
type Inner struct {
	// Type is the name of its content type, such as signed-data, or its OID.
	Type []byte
	// Content is the type of what is inside in dotted form, nil when unknown.
	Content []byte
	// Signer tells the first signer: the issuer's name and the serial number of
	// the certificate, or the subject key identifier. Signers counts them.
	Signer  []byte
	Signers int
}

// Present reports whether there is one.
func (i *Inner) Present() bool { return i.Type != nil }

// File is what a file transfer body part says of its file (X.420 Annex D).
type File struct {
	Present bool
	// Name is the pathname, its components separated by "/".
	Name []byte
	// Size is the object-size in octets, -1 when absent.
	Size int64
	// Created and Modified are zero when absent.
	Created, Modified x411.Time
	// Application is the application-reference, DocumentType that of the
	// contents, each in dotted form or as text; nil when absent.
	Application  []byte
	DocumentType []byte
}

// BodyPart is a BodyPart (X.420 7.2).
type BodyPart struct {
	// Number is its place in the body, from 1.
	Number int
	// Kind is the standard's name, such as ia5-text; for an extended type that
	// is not known it is extended, for an unknown tag other.
	Kind string
	// Extended says that it was sent as an externally-defined body part.
	Extended bool
	// Type and ParametersType are the OIDs of an extended body part.
	Type, ParametersType []byte
	// Parameters is a readable rendering of the parameters.
	Parameters []byte
	// Data is the octets of the data: the contents of a string, the encoding of
	// anything else; those of a nested message are its encoding. DataAt is where
	// they stand in the content; it is empty where they were joined.
	Data   []byte
	DataAt x411.Range
	// Size is the number of octets of the data; pages and file pieces together.
	Size int
	// IsText says that it is a text. Text is nil where it could not be
	// converted, and Reason says why; it also tells of octets that were read
	// though they should not be there.
	IsText  bool
	Text    []byte
	Charset []byte
	Reason  string
	// Registrations are the character set registrations of a general text
	// (X.420 Annex B), as decimal numbers separated by commas.
	Registrations []byte
	// Pages is the number-of-pages, or the number of pages sent; -1 when not
	// known. Duration is the seconds of voice, -1 when not known.
	Pages    int64
	Duration int64
	File     File
	Inner    Inner
	// Nested is the index in Content.Messages of the message it holds, -1 when
	// there is none.
	Nested int
	Err    x411.Code
}

// Delivery is what a message that was forwarded says of its delivery (X.420
// 7.3.7): MessageParameters or ForwardedContentParameters.
type Delivery struct {
	Present bool
	// At is the delivery-time.
	At x411.Time
	// ID is the mts-identifier, with an empty Text when absent.
	ID x411.MTSIdentifier
	// Envelope says that there were OtherMessageDeliveryFields (X.411
	// 8.3.1.1.1); the rest is of them.
	Envelope    bool
	Originator  x411.ORName
	Recipient   x411.ORName
	ContentType x411.ContentType
	ContentID   []byte
	Submitted   x411.Time
	Priority    x411.Priority
	// Text tells everything, as "name=value; ...".
	Text []byte
}

// Message is a content, or a message within one.
type Message struct {
	Kind Kind
	// Parent is the index in Content.Messages of the message that holds this
	// one, -1 for the content itself.
	Parent int
	// Path says where it is: empty for the content itself, "2" for what its
	// second body part holds, "2.1" for what the first body part of that holds;
	// "r" stands for a returned message, "c" for what signed data hold.
	Path  []byte
	Depth int
	// Type is the content type by name, or in dotted form.
	Type []byte
	// Size is the number of octets of its encoding; Octets is where it stands
	// in the content, empty when it was joined from segments.
	Size   int
	Octets x411.Range

	Status        x411.Status
	Failure       x411.Failure
	UnknownFields int
	FirstUnknown  []byte

	// Delivery is set for a forwarded message.
	Delivery Delivery
	// Inner is set for KindCMS.
	Inner Inner

	// ID is this-IPM, in a notification the subject-ipm.
	ID Identifier
	// Originator is the originator, in a notification the ipn-originator.
	Originator Descriptor
	// Subject is nil when absent.
	Subject              []byte
	ExpiryTime           x411.Time
	ReplyTime            x411.Time
	Importance           int32 // -1 when absent; normal then.
	Sensitivity          int32 // -1 when absent.
	AutoForwarded        bool
	AutoForwardedPresent bool
	Recipients           []Recipient
	References           []Reference
	Extensions           []Extension
	Parts                []BodyPart

	// What follows is of notifications.
	Intended         Descriptor
	ConversionEITs   x411.EITs
	NonReceiptReason int32  // -1 when absent.
	DiscardReason    int32  // -1 when absent.
	Comment          []byte // auto-forward-comment
	ReceiptTime      x411.Time
	Acknowledgment   int32 // -1 when absent; manual then.
	Supplementary    []byte
	Returned         bool // There is a returned-ipm; it is a Message of its own.

	// ATS is what an ATS message says of itself (ICAO Doc 9880).
	ATS ATS
}

// Limits bound what a content holds. Zero fields mean the defaults.
type Limits struct {
	// Messages and Nesting bound how many messages are decoded and how deep
	// they lie within each other.
	Messages, Nesting int
	// Recipients, Parts, Extensions and References bound those of the whole
	// content.
	Recipients, Parts, Extensions, References int
	// Text bounds one readable value other than the text of a body part.
	Text int
	// Arena bounds the octets kept for the next Decode.
	Arena int
	// Depth bounds the nesting of the encoding.
	Depth int
}

// The defaults of Limits.
const (
	DefaultMessages   = 1024
	DefaultNesting    = 16
	DefaultRecipients = 65536
	DefaultParts      = 16384
	DefaultExtensions = 65536
	DefaultReferences = 65536
	DefaultText       = x411.DefaultText
	DefaultArena      = x411.DefaultArena
	DefaultDepth      = 128
)

// Content is a decoded content. The zero value is ready for use.
type Content struct {
	// Limits is read by Decode and left alone.
	Limits Limits
	// Names, unless nil, is where OR-names are looked up before they are read.
	Names *x411.NameCache

	// Messages are the content and all that it holds, outermost first. There is
	// at least one.
	Messages []Message

	r          x411.Reader
	limits     Limits
	sources    []source
	recipients []Recipient
	references []Reference
	extensions []Extension
	parts      []BodyPart
	joined     []*ber.Decoder
	joins      int
	base       int // Where the recipients of the message being read begin.
	text       converter
	delivery   Delivery // Of the body part being read.
	scratch    []byte
	military   p772.Decoder
}

// ImportanceName, SensitivityName and so on return the standard's name of a
// code, "" for an unknown one.
func ImportanceName(v int32) string  { return x411.NameOf(importanceNames, int64(v)) }
func SensitivityName(v int32) string { return x411.NameOf(sensitivityNames, int64(v)) }

// NonReceiptReasonName returns the name of a non-receipt-reason (X.420 8.1.1).
func NonReceiptReasonName(v int32) string { return x411.NameOf(nonReceiptReasonNames, int64(v)) }

// DiscardReasonName returns the name of a discard-reason (X.420 8.1.2).
func DiscardReasonName(v int32) string { return x411.NameOf(discardReasonNames, int64(v)) }

// AcknowledgmentName returns the name of an acknowledgment-mode (X.420 8.2.2).
func AcknowledgmentName(v int32) string { return x411.NameOf(acknowledgmentNames, int64(v)) }

var (
	importanceNames       = []string{"low", "normal", "high"}
	sensitivityNames      = []string{"", "personal", "private", "company-confidential"}
	nonReceiptReasonNames = []string{"ipm-discarded", "ipm-auto-forwarded"}
	discardReasonNames    = []string{"ipm-expired", "ipm-obsoleted", "user-subscription-terminated", "not-used"}
	acknowledgmentNames   = []string{"manual", "automatic"}
)
