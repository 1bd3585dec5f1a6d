package session

import "encoding/binary"

// Parameter group and parameter identifiers (X.225 table 9 and annex).
const (
	pgiConnection    = 1
	pgiConnectAccept = 5
	piCalledRef      = 9
	piCallingRef     = 10
	piCommonRef      = 11
	piAdditionalRef  = 12
	piSyncType       = 15
	piToken          = 16
	piTransport      = 17
	piOptions        = 19
	piRequirements   = 20
	piMaxTSDU        = 21
	piVersion        = 22
	piInitialSerial  = 23
	piPrepareType    = 24
	piEnclosure      = 25
	piTokenSetting   = 26
	piResyncType     = 27
	pgiLinking       = 33
	piActivity       = 41
	piSerial         = 42
	piReflected      = 49
	piReason         = 50
	piCallingSSAP    = 51
	piCalledSSAP     = 52
	piLargeInitial   = 57
	piDataOverflow   = 60
	pgiUserData      = 193
	pgiExtended      = 194
)

// Iterator walks the SPDUs of a TSDU.
type Iterator struct {
	tsdu []byte
	pos  int
	code Code
}

// Iterate returns an iterator over the SPDUs of tsdu.
func Iterate(tsdu []byte) Iterator {
	it := Iterator{tsdu: tsdu}
	if len(tsdu) == 0 {
		it.code = ErrEmpty
	}
	return it
}

// Next decodes the next SPDU into s. It returns false at the end of the TSDU and
// at an error, which Code tells apart; then s holds what could be read.
func (it *Iterator) Next(s *SPDU) bool {
	if it.code != OK || it.pos >= len(it.tsdu) {
		return false
	}
	start := it.pos
	s.reset()
	s.SI, s.Start, s.BeginsSSDU, s.EndsSSDU = it.tsdu[start], start, true, true
	if s.SI >= uint8(len(identifiers)) {
		return it.fail(ErrSI, start)
	}
	s.Kind = identifiers[s.SI].first
	if start > 0 {
		s.Kind = identifiers[s.SI].later
	}
	if s.Kind == None {
		return it.fail(ErrSI, start)
	}
	from, to, ok := length(it.tsdu, start+1, len(it.tsdu))
	if !ok {
		return it.fail(ErrShort, start+1)
	}
	if from < to {
		s.filled = true
		if at, ok := s.parameters(it.tsdu, from, to, 0); !ok {
			return it.fail(ErrParameter, at)
		}
	}
	s.End = to
	switch s.Kind {
	case DataTransfer, Expedited, TypedData:
		// The User Information Field has no length: it goes to the end of the
		// TSDU (X.225 8.2.2).
		s.UserData, s.UserStart, s.HasUserData = it.tsdu[to:], to, true
		s.End = len(it.tsdu)
	case MajorSyncPoint:
		if !s.HasSyncType {
			s.Kind = ActivityEnd
		}
	}
	it.pos = s.End
	return true
}

// Code returns why the iteration ended early, OK when it did not.
func (it *Iterator) Code() Code { return it.code }

// Offset returns the offset in the TSDU of the octet at fault, or of the next
// SPDU.
func (it *Iterator) Offset() int { return it.pos }

func (it *Iterator) fail(c Code, at int) bool {
	it.code, it.pos = c, at
	return false
}

// length reads the length indicator at p (X.225 8.2.3): one octet, or 255 and
// two octets. It returns where the value begins and ends.
func length(in []byte, p, end int) (from, to int, ok bool) {
	if p >= end {
		return 0, 0, false
	}
	n := int(in[p])
	p++
	if n == 0xFF {
		if p+2 > end {
			return 0, 0, false
		}
		n = int(binary.BigEndian.Uint16(in[p:]))
		p += 2
	}
	if n > end-p {
		return 0, 0, false
	}
	return p, p + n, true
}

// parameters reads the parameters in[p:end] of a group, or of the SPDU itself.
// at is where it failed.
func (s *SPDU) parameters(in []byte, p, end int, group uint8) (at int, ok bool) {
	for p < end {
		code := in[p]
		from, to, ok := length(in, p+1, end)
		if !ok {
			return p, false
		}
		v := in[from:to]
		switch {
		case group == 0 && (code == pgiConnection || code == pgiConnectAccept || code == pgiLinking):
			if at, ok := s.parameters(in, from, to, code); !ok {
				return at, false
			}
		case code == pgiUserData || code == pgiExtended || code == piDataOverflow && s.Kind == ConnectDataOverflow:
			if s.HasUserData {
				s.RepeatedParameters++
			}
			s.UserData, s.UserStart, s.HasUserData = v, from, true
		case !s.parameter(group, code, v, from):
			if s.UnknownCount < MaxUnknown {
				s.Unknown[s.UnknownCount] = Parameter{group, code, v}
			}
			s.UnknownCount++
		}
		p = to
	}
	return p, true
}

// parameter puts a value into its field, if it has one that can hold it.
func (s *SPDU) parameter(group, code uint8, v []byte, at int) bool {
	ref := &s.Reference
	if group == pgiLinking {
		ref = &s.Link
	}
	switch code {
	case piCalledRef:
		ref.Called = v
	case piCallingRef:
		ref.Calling = v
	case piCommonRef:
		ref.Common = v
	case piAdditionalRef:
		ref.Additional = v
	case piActivity:
		if group == pgiLinking {
			s.OldActivity = v
		} else {
			s.Activity = v
		}
	case piSerial:
		n, ok := serial(v)
		if !ok {
			return false
		}
		if group == pgiLinking {
			s.LinkSerial, s.HasLinkSerial = n, true
		} else {
			s.Serial, s.HasSerial = n, true
		}
	case piInitialSerial, piLargeInitial:
		n, ok := serial(v)
		if !ok {
			return false
		}
		s.InitialSerial, s.HasInitialSerial = n, true
	case piRequirements:
		if len(v) != 2 {
			return false
		}
		s.Requirements, s.HasRequirements = binary.BigEndian.Uint16(v), true
	case piMaxTSDU:
		if len(v) != 4 {
			return false
		}
		s.MaxTSDU = [2]uint16{binary.BigEndian.Uint16(v), binary.BigEndian.Uint16(v[2:])}
	case piCallingSSAP:
		s.CallingSSAP = v
	case piCalledSSAP:
		s.CalledSSAP = v
	case piReflected:
		s.Reflected = v
	case piReason:
		if len(v) == 0 {
			return false
		}
		s.Reason, s.HasReason = v[0], true
		if s.Kind == Refuse && len(v) > 1 {
			s.UserData, s.UserStart, s.HasUserData = v[1:], at+1, true
		}
	case piDataOverflow:
		s.MoreData = len(v) == 1 && v[0]&1 != 0
	default:
		return len(v) == 1 && s.octet(code, v[0])
	}
	return true
}

// octet puts a value of one octet into its field.
func (s *SPDU) octet(code, v uint8) bool {
	switch code {
	case piSyncType:
		s.SyncType, s.HasSyncType = v, true
	case piToken:
		s.Tokens, s.HasTokens = v, true
	case piTransport:
		s.Transport, s.HasTransport = v, true
	case piOptions:
		s.ProtocolOptions = v
	case piVersion:
		s.Version = v
	case piPrepareType:
		s.PrepareType = v
	case piEnclosure:
		s.Enclosure = true
		s.BeginsSSDU, s.EndsSSDU = v&enclosureBegin != 0, v&enclosureEnd != 0
	case piTokenSetting:
		s.TokenSetting, s.HasTokenSetting = v, true
	case piResyncType:
		s.ResyncType = v
	default:
		return false
	}
	return true
}

// serial reads a serial number: ASCII digits (X.225 8.3.1.10).
func serial(v []byte) (n uint32, ok bool) {
	if len(v) == 0 || len(v) > maxSerialDigits {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint32(c-'0')
	}
	return n, true
}

// Credible reports whether a TSDU may well begin with the octets of prefix, the
// first ones of it: with a category 0 or 1 SPDU whose parameters fit. It serves
// to tell session from other protocols; where prefix is too short to tell, it
// is credible.
func Credible(prefix []byte) bool {
	if len(prefix) == 0 {
		return true
	}
	si := prefix[0]
	if si >= uint8(len(identifiers)) || identifiers[si].first == None {
		return false
	}
	if len(prefix) < 2 {
		return true
	}
	switch identifiers[si].first {
	case GiveTokens, PleaseTokens:
		// A Token Item, an Enclosure Item or user data at most.
		if prefix[1] != 0 && len(prefix) > 2 && prefix[2] != piToken && prefix[2] != piEnclosure && prefix[2] < pgiUserData {
			return false
		}
		from, to, ok := length(prefix, 1, len(prefix))
		if !ok || to == len(prefix) {
			return true
		}
		_ = from
		si = prefix[to]
		return si < uint8(len(identifiers)) && identifiers[si].later != None
	case Expedited, TypedData:
		return prefix[1] == 0 || prefix[1] == 3
	}
	return len(prefix) < 3 || prefix[1] == 0 || known[prefix[2]] || prefix[1] == 0xFF
}

// MayResume reports whether a TSDU that begins with the octets of prefix may hold an
// ACTIVITY RESUME of an activity that was begun in another session connection; whole
// says that it is no longer. It is true where prefix is too short to tell.
func MayResume(prefix []byte, whole bool) bool {
	// GIVE TOKENS without a parameter, and DATA TRANSFER, as most begin.
	return (len(prefix) < 3 || prefix[0] != 1 || prefix[1] != 0 || prefix[2] != 1) && mayResume(prefix, whole)
}

func mayResume(prefix []byte, whole bool) bool {
	const siActivityResume = 29
	if whole && len(prefix) >= 2 && int(prefix[1]) == len(prefix)-2 && prefix[1] != 0xff && prefix[0] != siActivityResume {
		return false // One SPDU, as those are that open a connection.
	}
	for p := 0; p < len(prefix); {
		si := prefix[p]
		if si >= uint8(len(identifiers)) {
			return false
		}
		kind := identifiers[si].first
		if p > 0 {
			kind = identifiers[si].later
		}
		switch kind {
		case DataTransfer, Expedited, TypedData, None:
			return false // Nothing follows that is read.
		}
		_, to, ok := length(prefix, p+1, len(prefix))
		if !ok {
			return !whole
		}
		if kind == ActivityResume && links(prefix[p:to]) {
			return true
		}
		p = to
	}
	return !whole
}

// links reports whether an ACTIVITY RESUME names a session connection, or may do so once
// what follows its front is overwritten, which a damaged one may be.
func links(spdu []byte) bool {
	var s SPDU
	it := Iterate(spdu)
	return !it.Next(&s) || s.Link.Named()
}

// known is the parameters that may come first in a category 1 SPDU.
var known = [256]bool{
	pgiConnection: true, pgiConnectAccept: true, piSyncType: true, piToken: true, piTransport: true, piRequirements: true,
	piVersion: true, piPrepareType: true, piEnclosure: true, piTokenSetting: true, piResyncType: true, pgiLinking: true,
	piActivity: true, piSerial: true, piReflected: true, piReason: true, piCallingSSAP: true, piCalledSSAP: true,
	piDataOverflow: true, pgiUserData: true, pgiExtended: true, piMaxTSDU: true, piOptions: true, piCalledRef: true,
	piCallingRef: true, piCommonRef: true, piAdditionalRef: true,
}
