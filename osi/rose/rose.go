// Package rose decodes the headers of remote operations APDUs (X.229, X.880).
package rose

// Kind is the alternative of ROSEapdus (X.229 clause 9).
type Kind uint8

// The kinds of APDU.
const (
	Invoke Kind = 1 + iota
	Result
	Error
	Reject
	BindArgument
	BindResult
	BindError
	UnbindArgument
	UnbindResult
	UnbindError
)

// APDU is one decoded APDU. Its slices refer to the input of Decode.
type APDU struct {
	Kind Kind
	// InvokeID is -1 and NoInvokeID true where NULL was sent.
	InvokeID, LinkedID    int64
	NoInvokeID, HasLinked bool
	// Code is the operation or error code; OID is set instead where it is global.
	Code    int64
	HasCode bool
	OID     []byte
	// Argument is the argument, result or parameter: one whole element.
	Argument []byte
	// Problem and ProblemKind are a Reject's: [ProblemKind] Problem.
	Problem     int64
	ProblemKind uint8
}
