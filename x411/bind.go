package x411

import "x400flow/osi/ber"

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
	// MTS says that it is an MTS bind (P3) or MS bind (P7) rather than an MTA
	// bind, MS that it was read as an MS bind.
	MTS, MS bool
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
	// Text tells what names and kinds do not, as "name=value" separated by "; ": of
	// strong and protected credentials all but secrets, the security context, and of
	// an MTS bind messages waiting and extensions.
	Text []byte

	// Error is the bind error, -1 when Role is not BindError.
	Error BindErrorCode

	UnknownFields int
	FirstUnknown  []byte

	d    *decoder
	text []byte
}

// Decode reads octets, the connection data of an RTORQ, RTOAC or RTORJ (X.228),
// as the given part of a bind. The ROSE-bind alternatives [16], [17] and [18]
// may be there or not; where they are they override role. The tag [0] of RTSE's
// ConnectionData may be there, too.
func (b *Bind) Decode(octets []byte, role BindRole) Status {
	b.decode(octets, role, false)
	return b.Status
}

// DecodeMS reads octets as Decode does, as a part of an MS bind (X.413): it shares
// tags with an MTS bind, but for the name and credentials to other ends.
func (b *Bind) DecodeMS(octets []byte, role BindRole) Status {
	b.decode(octets, role, true)
	return b.Status
}

// ErrorName returns the standard's name of the bind error, "" for an unknown one.
func (b *Bind) ErrorName() string {
	if b.MS {
		return nameOf(msBindErrorNames[:], int64(b.Error))
	}
	return b.Error.Name()
}

// The ROSE-bind alternatives (X.219 Annex A).
const (
	roseArgument = 16
	roseResult   = 17
	roseError    = 18
)

func (b *Bind) decode(octets []byte, role BindRole, ms bool) {
	d, text := b.d, b.text[:0]
	if d == nil {
		d = new(decoder)
	}
	*b = Bind{} // One with fields would be made on the stack and copied.
	b.Role, b.MS, b.Wrapped, b.Error = role, ms, -1, -1
	b.d, b.text = d, text
	var limits Limits
	c := d.start(octets, &limits)
	d.push("bind")
	b.Status = StatusFailed
	var e ber.Element
	if !c.Next(&e) {
		if d.end(&c); d.failures == 0 {
			d.fail(CodeNotBind, 0)
		}
	} else {
		b.top(&c, &e)
		if c.More() {
			d.fail(CodeTrailing, c.Offset())
		}
	}
	if len(b.text) > d.textLimit {
		b.text = cutText(b.text, d.textLimit)
	}
	b.Text = d.keep(b.text)
	b.Failure = d.failure
	b.UnknownFields = d.unknown
	b.FirstUnknown = d.firstUnknown
	if b.Status == StatusOK && d.failure.Code != CodeNone {
		b.Status = StatusPartial
	}
}

// top takes the tags of RTSE and ROSE from e and reads the value inside.
func (b *Bind) top(c *ber.Cursor, e *ber.Element) {
	d := b.d
	if e.Tag == ber.Context(0) && e.Constructed {
		var inner ber.Element
		in, ok := d.only(c, e, &inner)
		if ok {
			b.wrapped(&in, &inner)
		}
		return
	}
	b.wrapped(c, e)
}

func (b *Bind) wrapped(c *ber.Cursor, e *ber.Element) {
	d := b.d
	switch e.Tag {
	case ber.Context(roseArgument):
		b.Role = BindArgument
	case ber.Context(roseResult):
		b.Role = BindResult
	case ber.Context(roseError):
		b.Role = BindError
	default:
		b.value(c, e)
		return
	}
	b.Wrapped = int32(e.Tag.Number())
	var inner ber.Element
	in, ok := d.only(c, e, &inner)
	if ok {
		b.value(&in, &inner)
	}
}

func (b *Bind) value(c *ber.Cursor, e *ber.Element) {
	d := b.d
	switch {
	case e.Tag == ber.TagNull && !e.Constructed:
		b.Status = StatusOK
	case e.Tag == ber.TagInteger || e.Tag == ber.TagEnumerated:
		b.Status = StatusOK
		b.Role = BindError
		b.Error = BindErrorCode(d.code(c, e))
	case e.Tag == ber.Context(1) && e.Constructed:
		b.Status = StatusOK
		b.Authenticated = true
		b.mtaBind(c, e)
	case b.MS && b.Role == BindError && e.Tag == ber.TagSet && e.Constructed:
		b.Status = StatusOK
		b.qualifiedError(c, e)
	case (e.Tag == ber.TagSet || e.Tag == ber.TagSequence) && e.Constructed:
		b.Status = StatusOK
		b.Authenticated = true
		b.mtsBind(c, e)
	default:
		d.fail(CodeNotBind, e.Offset)
	}
}

// mtaBindFields is MTABindArgument and MTABindResult (X.411 12.1.1).
var mtaBindFields = FieldsOf([]field{
	{"name", ber.Context(0), 0, true},
	{"credentials", ber.Context(1), 1, true},
	{"security-context", ber.Context(2), 2, false},
})

func (b *Bind) mtaBind(c *ber.Cursor, e *ber.Element) {
	d := b.d
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, mtaBindFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			b.Name, _ = d.text(&in, &f)
		case 1:
			b.credentials(&in, &f)
		case 2:
			b.securityContext(&in, &f)
		}
		d.pop()
	}
	d.complete(mtaBindFields, seen, e.Offset)
}

// mtsBindFields is MTSBindArgument and MTSBindResult (X.411 8.1.1).
var mtsBindFields = FieldsOf([]field{
	{"name", tagORName, 0, true},
	{"name", ber.Context(0), 0, true},
	{"name", ber.Context(4), 0, true},
	{"messages-waiting", ber.Context(1), 1, false},
	{"credentials", ber.Context(2), 2, false},
	{"security-context", ber.Context(3), 3, false},
	{"extensions", ber.Context(5), 4, false},
})

// msBindFields is MSBindArgument, msBindResultFields MSBindResult (X.413). What is
// of the store alone has id 5 and up and is passed over.
var (
	msBindFields = FieldsOf([]field{
		{"initiator-name", tagORName, 0, true},
		{"initiator-credentials", ber.Context(2), 2, true},
		{"security-context", ber.Context(3), 3, false},
		{"fetch-restrictions", ber.Context(4), 5, false},
		{"ms-configuration-request", ber.Context(5), 6, false},
		{"ua-registration-identifier", ber.Context(6), 7, false},
		{"bind-extensions", ber.Context(7), 8, false},
	})
	msBindResultFields = FieldsOf([]field{
		{"responder-credentials", ber.Context(2), 2, true},
		{"available-auto-actions", ber.Context(3), 5, false},
		{"available-attribute-types", ber.Context(4), 6, false},
		{"alert-indication", ber.Context(5), 7, false},
		{"content-types-supported", ber.Context(6), 8, false},
		{"entry-classes-supported", ber.Context(7), 9, false},
		{"matching-rules-supported", ber.Context(8), 10, false},
		{"bind-result-extensions", ber.Context(9), 11, false},
		{"message-group-depth", ber.Context(10), 12, false},
		{"auto-action-error-indication", ber.Context(11), 13, false},
		{"unsupported-extensions", ber.Context(12), 14, false},
		{"ua-registration-id-unknown", ber.Context(13), 15, false},
		{"service-information", ber.Context(14), 16, false},
	})
)

// msBindErrorNames is BindProblem (X.413).
var msBindErrorNames = [...]string{
	"authentication-error", "unacceptable-security-context", "unable-to-establish-association",
	"bind-extension-problem", "inadequate-association-confidentiality",
}

// qualifiedError reads the qualified-error of an ms-bind-error.
func (b *Bind) qualifiedError(c *ber.Cursor, e *ber.Element) {
	d := b.d
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			b.Error = BindErrorCode(d.code(&in, &f))
		case ber.Context(1), ber.Context(2):
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
}

func (b *Bind) mtsBind(c *ber.Cursor, e *ber.Element) {
	d := b.d
	b.MTS = true
	fields := mtsBindFields
	switch {
	case b.MS && b.Role == BindResult:
		fields = msBindResultFields
	case b.MS:
		fields = msBindFields
	}
	in := c.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := d.next(&in, &f, fields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			switch f.Tag {
			case ber.Context(0):
				b.Name, _ = d.text(&in, &f)
			default:
				b.MessageStore = f.Tag == ber.Context(4)
				d.orName(&in, &f, &b.User)
			}
		case 1:
			if !f.Constructed {
				// The password of a bind of 1984, sent without the tag [1].
				b.credentials(&in, &f)
				break
			}
			b.text = d.appendMessagesWaiting(appendItem(b.text, 0, "messages-waiting"), &in, &f)
		case 2:
			b.credentials(&in, &f)
		case 3:
			b.securityContext(&in, &f)
		case 4:
			b.text = d.appendExtensions(appendItem(b.text, 0, "extensions"), &in, &f)
		}
		d.pop()
	}
	d.complete(fields, seen, e.Offset)
}

// appendMessagesWaiting appends MessagesWaiting (X.411 8.1.1.1.1.2), as in "urgent: 3
// messages, 4000 octets; normal: ...", which the tag e holds.
func (d *decoder) appendMessagesWaiting(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f, g ber.Element
	if t, _ := in.Peek(); t == ber.TagSet && in.Next(&f) {
		in = in.Enter(&f)
	}
	dst = append(dst, '{')
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		if name := nameOf([]string{"urgent", "normal", "non-urgent"}, int64(f.Tag.Number())); name != "" && f.Tag.Class() == ber.ContextSpecific {
			dst = append(dst, name...)
		} else {
			d.stray(&f)
			continue
		}
		queue := in.Enter(&f)
		for queue.Next(&g) {
			if name := nameOf([]string{"messages", "octets"}, int64(g.Tag.Number())); name != "" && g.Tag.Class() == ber.ContextSpecific {
				dst = append(append(append(dst, ' '), name...), '=')
				v, _ := d.integer(&queue, &g)
				dst = appendInt(dst, v)
			}
		}
		d.end(&queue)
	}
	d.end(&in)
	return append(dst, '}')
}

// credentials tells the kind and length of Credentials (X.411 8.2), reads nothing of
// simple ones, and of others what is no secret.
func (b *Bind) credentials(c *ber.Cursor, e *ber.Element) {
	d := b.d
	if !e.Constructed {
		// X.411 of 1984: password [1] IMPLICIT IA5String.
		b.Credentials = CredentialsSimpleIA5
		b.CredentialLength = len(e.Content)
		return
	}
	var inner ber.Element
	in, ok := d.only(c, e, &inner)
	if !ok {
		b.Credentials = CredentialsUnknown
		return
	}
	b.CredentialLength = inner.End - inner.Offset
	switch inner.Tag {
	case ber.TagIA5String, ber.TagOctetString:
		b.Credentials = CredentialsSimpleIA5
		if inner.Tag == ber.TagOctetString {
			b.Credentials = CredentialsSimpleOctets
		}
		b.CredentialLength = len(inner.Content)
		if inner.Constructed {
			b.CredentialLength = d.leaves(&in, &inner)
		}
	case ber.Context(0):
		b.Credentials = CredentialsStrong
		b.text = d.appendStrong(appendItem(b.text, 0, "credentials"), &in, &inner)
	case ber.Context(1):
		b.Credentials = CredentialsProtected
		b.text = d.appendProtected(appendItem(b.text, 0, "credentials"), &in, &inner)
	default:
		b.Credentials = CredentialsUnknown
		d.fail(CodeUnexpectedTag, inner.Offset)
	}
}

// appendStrong appends StrongCredentials (X.411 8.2): its token, certificate and
// certificate selector.
func (d *decoder) appendStrong(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	dst = append(dst, "strong {"...)
	at := len(dst)
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			dst = append(d.appendToken(append(appendItem(dst, at, "bind-token"), '{'), &in, &f), '}')
		case ber.Context(1):
			dst = append(d.appendCertificates(append(appendItem(dst, at, "certificate"), '{'), &in, &f), '}')
		case ber.Context(2):
			dst = d.appendAssertion(appendItem(dst, at, "certificate-selector"), &in, &f)
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return append(dst, '}')
}

// appendProtected appends the algorithm and the times of a ProtectedPassword (X.411
// 8.2). A password can be guessed from its signature and random numbers.
func (d *decoder) appendProtected(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	dst = append(dst, "protected {"...)
	at := len(dst)
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.TagSequence:
			signature := in.Enter(&f)
			if signature.Next(&g) && g.Tag == ber.TagSequence {
				dst = d.appendAlgorithm(appendItem(dst, at, "algorithm"), &signature, &g)
			}
			d.end(&signature)
		case ber.Context(0), ber.Context(1):
			dst = appendItem(dst, at, [...]string{"time1", "time2"}[f.Tag.Number()])
			t := d.time(&in, &f)
			dst = appendTime(dst, &t)
		case ber.Context(2), ber.Context(3):
		default:
			d.stray(&f)
		}
	}
	d.end(&in)
	return append(dst, '}')
}

// leaves returns how many contents octets the primitive elements in e have
// together.
func (d *decoder) leaves(c *ber.Cursor, e *ber.Element) int {
	if !e.Constructed {
		return len(e.Content)
	}
	in := c.Enter(e)
	var f ber.Element
	n := 0
	for in.Next(&f) {
		n += d.leaves(&in, &f)
	}
	d.end(&in)
	return n
}

func (b *Bind) securityContext(c *ber.Cursor, e *ber.Element) {
	d := b.d
	in := c.Enter(e)
	var f ber.Element
	d.out = d.out[:0]
	for i := 0; in.Next(&f); i++ {
		if i > 0 {
			d.out = append(d.out, " | "...)
		}
		d.pushIndex(i)
		d.out = renderSecurityLabel(d, d.out, &in, &f)
		d.pop()
	}
	d.end(&in)
	b.SecurityContext = d.keep(d.out)
	b.text = append(appendItem(b.text, 0, "security-context"), d.out...)
}
