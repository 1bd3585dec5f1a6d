package association

import (
	"bytes"

	"x400flow/osi/acse"
	"x400flow/osi/presentation"
	"x400flow/osi/rtse"
	"x400flow/osi/session"
)

// Range is a run of octets of a TSDU: tsdu[Start:End].
type Range struct{ Start, End int }

// Secrets finds where credentials may stand in a TSDU. The zero value is ready;
// it reuses its memory and belongs to one goroutine.
type Secrets struct {
	// Authentication are the ACSE authentication values (X.227 9.1: [12] of
	// AARQ; 9.2: [10] of AARE), whole elements.
	Authentication []Range
	// Binds are the bind arguments, results and errors of X.400: the RTSE
	// connection data or, without RTSE, ACSE's user information. A range is the
	// octets that an event of kind BindArgument, BindResult or BindError has.
	Binds []Range
	// UserData is the session user data, all that could hold a credential.
	UserData Range

	class  Class
	values int // Presentation data values of the TSDU.
	// context is the application context's name, nil without; abstract are the abstract
	// syntaxes of so many presentation contexts.
	context  []byte
	abstract [presentation.MaxContexts][]byte
	contexts int

	spdu session.SPDU
	ppdu presentation.PPDU
	data presentation.UserData
	acse acse.APDU
	rtse rtse.APDU
}

// Find looks into a whole TSDU. It returns true when the TSDU does not open a
// session connection, or was understood, so that Authentication and Binds are
// all there is. It returns false when it was not: then UserData, which is the
// whole TSDU if not even session could be decoded, may hold credentials
// anywhere. It does not keep or change the TSDU.
func (s *Secrets) Find(tsdu []byte) bool {
	s.reset()
	if len(tsdu) == 0 {
		return true
	}
	switch tsdu[0] {
	case siConnect, siAccept:
		if s.straight(tsdu) {
			return true
		}
		s.reset()
	case siRefuse, siConnectOverflow, siOverflowAccept:
	default:
		return true
	}
	return s.layers(tsdu)
}

// SPDU identifiers (X.225 table 8), those of the SPDUs that may carry credentials among them.
const (
	siDataTransfer    = 1
	siRefuse          = 12
	siConnect         = 13
	siAccept          = 14
	siConnectOverflow = 15
	siOverflowAccept  = 16
	siActivityResume  = 29
)

func (s *Secrets) reset() {
	s.Authentication, s.Binds = s.Authentication[:0], s.Binds[:0]
	s.UserData, s.class, s.values = Range{}, ClassUnknown, 0
	s.context, s.contexts = nil, 0
}

// layers is Find for any TSDU that may open a session connection.
func (s *Secrets) layers(tsdu []byte) bool {
	s.UserData = Range{0, len(tsdu)}
	it := session.Iterate(tsdu)
	p := &s.spdu
	if !it.Next(p) || p.End != len(tsdu) || p.UnknownCount > 0 || p.RepeatedParameters > 0 {
		return false
	}
	if !p.HasUserData {
		return true
	}
	s.UserData = Range{p.UserStart, p.UserStart + len(p.UserData)}
	var kind presentation.Kind
	var components rtse.Kind
	switch p.Kind {
	case session.Connect:
		kind, components = presentation.CP, rtse.RTORQ
	case session.Accept:
		kind, components = presentation.CPA, rtse.RTOAC
	case session.Refuse:
		kind, components = presentation.CPR, rtse.RTORJ
	default:
		return false // The rest of user data that began in another TSDU.
	}
	if p.MoreData || p.Enclosure {
		return false
	}
	if !s.presentation(kind, components, p.UserData) {
		return false
	}
	if kind == presentation.CP {
		s.class = s.proposed(s.ppdu.Mode)
	}
	for i := range s.Authentication {
		s.Authentication[i].Start += p.UserStart
		s.Authentication[i].End += p.UserStart
	}
	for i := range s.Binds {
		s.Binds[i].Start += p.UserStart
		s.Binds[i].End += p.UserStart
	}
	return true
}

// Class returns what a connection carries that begins with the TSDU that Find was given
// last, as an [Association] tells it then and for good; or ClassUnknown where it would
// not from this TSDU alone.
func (s *Secrets) Class() Class { return s.class }

// proposed is Class of a CONNECT that was understood.
func (s *Secrets) proposed(mode presentation.Mode) Class {
	if mode == presentation.X410 {
		return protocolClass(s.rtse.Protocol)
	}
	if s.values != 1 {
		return ClassUnknown
	}
	class := openingClass(s.context, s.contexts, func(i int) []byte { return s.abstract[i] })
	if class == ClassMMS {
		return ClassUnknown // It may be ICCP.
	}
	return class
}

func (s *Secrets) presentation(kind presentation.Kind, components rtse.Kind, in []byte) bool {
	p := &s.ppdu
	if code, _ := p.Decode(kind, in); code != presentation.OK || p.Unknown > 0 {
		return false
	}
	s.contexts = min(p.ContextCount, presentation.MaxContexts)
	for i := range s.contexts {
		s.abstract[i] = p.Contexts[i].Abstract
	}
	if p.Mode == presentation.X410 {
		if len(p.RTSE) == 0 && kind == presentation.CPR {
			return true
		}
		if code, _ := s.rtse.DecodeComponents(components, p.RTSE); code != rtse.OK || s.rtse.Unknown > 0 {
			return false
		}
		s.bind(p.RTSEStart)
		return p.RTSEStart+len(p.RTSE) <= len(in) && trailing(in, p.RTSEStart+len(p.RTSE))
	}
	if p.UserData == nil {
		return true
	}
	// User data may follow once more in another transfer syntax (CPC).
	if !trailing(in, p.UserStart+len(p.UserData)) {
		return false
	}
	s.data.Reset(p.UserData)
	var v presentation.PDV
	for s.data.Next(&v) {
		if v.Joined || v.Form == presentation.Arbitrary {
			return false
		}
		s.values++
		if !s.association(v.Octets, p.UserStart+v.Start) {
			return false
		}
	}
	return s.data.Code() == presentation.OK
}

// trailing reports whether nothing but end-of-contents octets stand behind at.
func trailing(in []byte, at int) bool {
	for _, b := range in[at:] {
		if b != 0 {
			return false
		}
	}
	return true
}

func (s *Secrets) association(in []byte, base int) bool {
	a := &s.acse
	if code, _ := a.Decode(in); code != acse.OK || a.Unknown > 0 || a.ExternalCount > acse.MaxExternals {
		return false
	}
	if r := a.Authentication; r.End > r.Start {
		s.Authentication = append(s.Authentication, Range{base + r.Start, base + r.End})
	}
	s.context = a.ApplicationContext
	x400 := s.x400()
	for i := range a.ExternalCount {
		x := &a.Externals[i]
		code, _ := s.rtse.Decode(x.Octets)
		opening := code == rtse.OK && s.rtse.Kind >= rtse.RTORQ && s.rtse.Kind <= rtse.RTORJ && !bareBind(x.Octets)
		switch {
		case !opening && !x400:
		// Without RTSE a bind has the same tags [16] to [18] as RTSE's APDUs.
		case x.Segmented || x.Form == 2 || opening && (s.rtse.Unknown > 0 || s.rtse.End != len(x.Octets)):
			return false
		case opening:
			s.bind(base + x.Start)
		default:
			s.Binds = append(s.Binds, Range{base + x.Start, base + x.Start + len(x.Octets)})
		}
	}
	return true
}

// bind notes the user data of s.rtse.
func (s *Secrets) bind(base int) {
	if n := len(s.rtse.User); n > 0 {
		s.Binds = append(s.Binds, Range{base + s.rtse.UserStart, base + s.rtse.UserStart + n})
	}
}

// x400 reports whether the opening may be X.400's: its application context or a
// presentation context says so, or neither says anything.
func (s *Secrets) x400() bool {
	named := false
	if s.context != nil {
		if bytes.HasPrefix(s.context, acPrefix[:2]) {
			return true
		}
		named = true
	}
	for _, abstract := range s.abstract[:s.contexts] {
		if bytes.HasPrefix(abstract, asPrefix[:2]) {
			return true
		}
	}
	return !named
}
