package session

// Code says why a TSDU cannot be read on.
type Code uint8

// The error codes.
const (
	OK           Code = iota
	ErrEmpty          // A TSDU without octets.
	ErrSI             // Not an SPDU identifier, or not one that may stand here.
	ErrShort          // A length indicator is cut short or reaches beyond the TSDU.
	ErrParameter      // A parameter reaches beyond its SPDU or group.
)

var codeNames = [...]string{
	"no error", "empty TSDU", "unknown SPDU identifier", "SPDU length reaches beyond the TSDU",
	"parameter reaches beyond its SPDU",
}

// String returns the code as a short English phrase.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "unknown error"
}

// Error implements error.
func (c Code) Error() string { return "session: " + c.String() }
