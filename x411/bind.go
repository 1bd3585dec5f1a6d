package x411

// BindRole says which part of a bind it is.
type BindRole uint8

// The parts of a bind (X.411 12.1.1, in MTS access 8.1.1).
const (
	BindArgument BindRole = iota
	BindResult
	BindError
)

// String returns argument, result or error.
func (r BindRole) String() string {
	switch r {
	case BindArgument:
		return "argument"
	case BindResult:
		return "result"
	}
	return "error"
}

// CredentialKind is the alternative of Credentials (X.411 8.2).
type CredentialKind uint8

// The kinds of credentials.
const (
	CredentialsNone CredentialKind = iota
	CredentialsSimpleIA5
	CredentialsSimpleOctets
	CredentialsStrong
	CredentialsProtected
	CredentialsUnknown
)

// String returns none, simple-ia5-string, simple-octet-string, strong,
// protected or unknown.
func (k CredentialKind) String() string {
	switch k {
	case CredentialsNone:
		return "none"
	case CredentialsSimpleIA5:
		return "simple-ia5-string"
	case CredentialsSimpleOctets:
		return "simple-octet-string"
	case CredentialsStrong:
		return "strong"
	case CredentialsProtected:
		return "protected"
	}
	return "unknown"
}

// Bind is a decoded MTA bind (X.411 12.1.1) or MTS bind (X.411 8.1.1). It never
// holds a password, nor a slice of the input that holds one: of the credentials
// it tells the kind and the length. The memory rules are those of [APDU].
type Bind struct {
	Role    BindRole
	Status  Status
	Failure Failure

	// Wrapped is the number of the ROSE-bind alternative (16 argument, 17
	// result, 18 error) that was found around the value, -1 without.
	Wrapped int32
	// Authenticated is false for the alternative NULL.
	Authenticated bool
	// MTS says that it is an MTS bind (P3 or P7) rather than an MTA bind.
	MTS bool
	// Name is the initiator-name or responder-name where it is an MTA-name.
	Name []byte
	// User is that name where it is a user agent's or message store's OR-name.
	User ORName
	// MessageStore says that User is a message store.
	MessageStore bool

	Credentials CredentialKind
	// CredentialLength is the number of octets of a simple password, or of the
	// encoding of other credentials.
	CredentialLength int

	// SecurityContext holds the security labels, rendered; nil when absent.
	SecurityContext []byte
	// MessagesWaiting is a rendering of an MTS bind's messages-waiting.
	MessagesWaiting []byte

	// Error is the bind error, -1 when Role is not BindError.
	Error BindErrorCode

	UnknownFields int
	FirstUnknown  []byte

	d decoder
}

// Decode reads octets, the connection data of an RTORQ, RTOAC or RTORJ (X.228),
// as the given part of a bind. The ROSE-bind alternatives [16], [17] and [18]
// may be there or not; where they are they override role.
func (b *Bind) Decode(octets []byte, role BindRole) Status {
	b.decode(octets, role)
	return b.Status
}

// AppendCredentials appends to dst the ranges of bind that hold secrets: the
// octets of simple and protected passwords and of random numbers, each segment
// of a constructed string by itself. Within strong credentials a bind token and
// certificates are kept. ok is false when the bind could not be read or the
// credentials are of an unknown form; the caller then overwrites all of it.
func AppendCredentials(dst []Range, bind []byte) (ranges []Range, ok bool) {
	return appendCredentials(dst, bind)
}
