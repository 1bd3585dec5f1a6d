package association

// Range is a run of octets of a TSDU: tsdu[Start:End].
type Range struct{ Start, End int }

// Secrets finds where credentials may stand in a TSDU. The zero value is ready;
// it reuses its memory and belongs to one goroutine.
type Secrets struct {
	// Authentication are the ACSE authentication values (X.227 [12] of AARQ,
	// [10] of AARE).
	Authentication []Range
	// Binds are the bind arguments, results and errors of X.400: the RTSE
	// connection data or, without RTSE, ACSE's user information.
	Binds []Range
	// UserData is the session user data, all that could hold a credential.
	UserData Range
}

// Find looks into a whole TSDU. It returns true when the TSDU does not begin a
// session connection, or was understood, so that Authentication and Binds are
// all there is. It returns false when it was not: then UserData may hold
// credentials anywhere.
func (s *Secrets) Find(tsdu []byte) bool { return false }
