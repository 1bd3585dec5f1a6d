package association

import (
	"slices"

	"x400flow/osi/acse"
	"x400flow/osi/ber"
	"x400flow/osi/presentation"
	"x400flow/osi/rose"
	"x400flow/osi/rtse"
	"x400flow/osi/session"
)

// tsdu takes a whole TSDU.
func (a *Association) tsdu(dir uint8, v view) {
	if a.class == ClassUnknown && !a.facts.Proposed && !session.Credible(v.octets) {
		a.stranger(dir, v)
		return
	}
	it := session.Iterate(v.octets)
	s := &a.spdu
	for it.Next(s) {
		a.facts.UnknownParameters += uint64(s.UnknownCount)
		a.session(dir, v.sub(s.Start, s.End))
		if d := &a.dir[dir]; d.segment == session.None {
			a.ends(&d.ssdu)
		}
		if a.NotX400() {
			return
		}
	}
	if code := it.Code(); code != session.OK {
		a.problem(LayerSession, uint8(code), code.Error(), dir, v, it.Offset())
		a.broken(dir)
	}
}

// broken takes note of something that could not be read.
func (a *Association) broken(dir uint8) {
	a.damage(dir, Damaged)
	switch a.spdu.Kind {
	case session.Connect, session.Accept:
		a.facts.Inferred = true
	}
}

// user returns the user data of a.spdu, whose view v is; done is false while
// segments of the SSDU are still to come (X.225 6.3.5).
func (a *Association) user(dir uint8, v view) (u view, done bool) {
	s := &a.spdu
	d := &a.dir[dir]
	if s.HasUserData {
		u = v.sub(s.UserStart-s.Start, s.UserStart-s.Start+len(s.UserData))
	} else {
		u = v.sub(len(v.octets), len(v.octets))
	}
	kind, begins, ends := s.Kind, s.BeginsSSDU, s.EndsSSDU
	switch {
	case kind == session.ConnectDataOverflow:
		kind, begins = session.Connect, false
		if !s.Enclosure {
			ends = true
		}
	case s.MoreData:
		begins, ends = true, false
	}
	if begins && d.segment != session.None {
		a.own(ErrSegment, dir, d.ssdu.view(), len(d.ssdu.buf))
		a.damage(dir, Damaged)
		a.endSSDU(d)
	}
	if begins && ends {
		return u, true
	}
	if begins {
		a.begins(&d.ssdu)
		d.segment, d.ssduSince = kind, a.from
	} else if d.segment != kind {
		a.own(ErrSegment, dir, v, 0)
		a.damage(dir, Damaged)
		return u, false
	}
	if len(d.ssdu.buf)+len(u.octets) > a.cfg.MaxAPDU+1<<16 || len(d.ssdu.marks) > 1<<20 {
		a.own(ErrTSDUSize, dir, v, 0)
		a.damage(dir, TooLarge)
		a.endSSDU(d)
		return u, false
	}
	a.join(&d.ssdu, u, unknown)
	if !ends {
		return u, false
	}
	d.segment = session.None
	a.from = min(a.from, d.ssduSince)
	return d.ssdu.view(), true
}

// session takes one SPDU, a.spdu.
func (a *Association) session(dir uint8, v view) {
	s := &a.spdu
	switch s.Kind {
	case session.DataTransfer:
		if u, done := a.user(dir, v); done {
			a.userData(dir, u)
		}
	case session.MinorSyncPoint:
		a.foreignData = 0
		a.checkpoint(dir, s.Serial, s.HasSerial)
	case session.MinorSyncAck, session.MajorSyncAck:
		a.foreignData = 0
		a.transfer[1-dir].acknowledged = true
	case session.ActivityStart:
		a.known(dir)
		a.begin(dir, v.place(0), s.Activity)
	case session.ActivityResume:
		a.known(dir)
		a.resume(dir, v.place(0), v)
	case session.ActivityEnd:
		a.finishTransfer(dir, v.place(0), v)
	case session.ActivityInterrupt:
		a.breakOff(dir, v, true)
	case session.ActivityDiscard:
		a.breakOff(dir, v, false)
	case session.Resynchronize:
		a.resynchronize()
	case session.ExceptionData, session.ExceptionReport:
		if t := &a.transfer[1-dir]; t.active {
			t.exception = 0
			if s.HasReason {
				t.exception = int64(s.Reason)
			}
		}
	case session.PleaseTokens:
		if s.HasUserData {
			if u, done := a.user(dir, v); done {
				a.turnPlease(dir, v, u)
			}
		}
	case session.GiveTokensConfirm:
		a.emit(TurnGive, dir, v.place(0))
	case session.Connect:
		if s.BeginsSSDU {
			a.connectParameters(dir)
		}
		if u, done := a.user(dir, v); done {
			a.connect(dir, v, u)
		}
	case session.ConnectDataOverflow:
		if u, done := a.user(dir, v); done {
			a.connect(dir, v, u)
		}
	case session.Accept:
		if s.BeginsSSDU {
			a.acceptParameters()
		}
		if u, done := a.user(dir, v); done {
			a.accept(dir, v, u)
		}
	case session.Refuse:
		a.facts.Refused = true
		if u, done := a.user(dir, v); done {
			a.refuse(dir, v, u)
		}
	case session.Finish:
		u, done := a.user(dir, v)
		if !done {
			return
		}
		a.finishing, a.finish, a.finishDir = true, v.place(0), dir
		a.releasing(dir, u)
	case session.Disconnect, session.NotFinished:
		u, done := a.user(dir, v)
		if done {
			a.releasing(dir, u)
		}
		a.finishing = false
		a.release(dir, v.place(0), s.Kind == session.NotFinished)
	case session.Abort:
		if u, done := a.user(dir, v); done {
			a.abort(dir, v, u)
		}
	case session.TypedData, session.CapabilityData, session.Expedited:
		// RTSE and ROSE use none of them.
		if a.class.X400() {
			a.own(ErrUnsupported, dir, v, 0)
		}
	}
}

// known takes note of an activity in a connection whose opening was not seen.
func (a *Association) known(dir uint8) {
	if !a.facts.Proposed && !a.facts.Accepted {
		a.facts.Inferred = true
		if a.class == ClassEmpty {
			a.class = ClassUnknown
		}
	}
}

// breakOff takes an ACTIVITY INTERRUPT or DISCARD. Only the owner of the
// major/activity token may send one, and that is the sender of the transfer.
func (a *Association) breakOff(dir uint8, v view, interrupt bool) {
	s := &a.spdu
	if !a.transfer[dir].active {
		if !a.transfer[1-dir].active {
			return // Broken off before it began, or its beginning was not seen.
		}
		dir = 1 - dir
	}
	if t := &a.transfer[dir]; s.HasReason && t.exception < 0 {
		t.exception = int64(s.Reason)
	}
	if interrupt {
		a.suspend(dir, Interrupted, v.place(0))
	} else {
		a.unfinished(dir, Discarded, v.place(0))
	}
}

// resynchronize takes a RESYNCHRONIZE: RTSE does not use it, but going back to a
// checkpoint (type restart) means the same as in ACTIVITY RESUME.
func (a *Association) resynchronize() {
	s := &a.spdu
	for d := range a.transfer {
		t := &a.transfer[d]
		if !t.active {
			continue
		}
		a.detach()
		// The serial number is that of the first point to be sent again (X.225
		// 7.25).
		if s.ResyncType != 0 || !s.HasSerial || s.Serial == 0 || !t.rewind(s.Serial-1) {
			t.bad = Damaged
		}
	}
}

// connectParameters keeps what a CONNECT says below presentation.
func (a *Association) connectParameters(dir uint8) {
	s, f := &a.spdu, &a.facts
	for d := range uint8(2) {
		if a.transfer[d].active {
			// The session connection before is over, and what it left may be resumed.
			a.suspend(d, Superseded, a.transfer[d].last)
		}
	}
	f.Proposed, f.Accepted, f.Refused, f.Inferred, f.Initiator = true, false, false, false, dir
	f.Contexts = f.Contexts[:0]
	a.defined, a.established, a.finishing = false, false, false
	f.ACSE, f.RTSEText = [len(f.ACSE)][]byte{}, nil
	f.CallingSSAP, f.CalledSSAP = a.keep(s.CallingSSAP), a.keep(s.CalledSSAP)
	f.SessionVersion, f.SessionRequirements = s.Version, s.Requirements
	f.SessionID = a.keep(sessionID(make([]byte, 0, maxSessionID), &s.Reference))
	f.Mode = ModeUnknown
}

func (a *Association) acceptParameters() {
	s, f := &a.spdu, &a.facts
	f.Accepted = true
	if s.Version != 0 {
		f.SessionVersion = s.Version
	}
	if s.HasRequirements {
		f.SessionRequirements = s.Requirements
	}
	if !f.Proposed {
		f.Initiator = 1 // As far as can be told: corrected by accept.
		if len(f.SessionID) == 0 {
			f.SessionID = a.keep(sessionID(make([]byte, 0, maxSessionID), &s.Reference))
		}
		f.CalledSSAP = a.keep(s.CalledSSAP)
	}
}

// maxSessionID is the longest normal form of a session connection identifier.
const maxSessionID = 3 * 65

// sessionID appends the normal form of a session connection identifier, as in
// Key. It is empty when there is none.
func sessionID(dst []byte, r *session.Reference) []byte {
	if !r.Named() {
		return dst
	}
	calling := r.Calling
	if calling == nil {
		calling = r.Called // In ACCEPT the acceptor returns the reference there.
	}
	for _, part := range [...][]byte{calling, r.Common, r.Additional} {
		part = bare(part)
		part = part[:min(len(part), 64)]
		dst = append(dst, byte(len(part)))
		dst = append(dst, part...)
	}
	return dst
}

// bare takes the ASN.1 header off a reference: X.228 8.1 has the values of
// ASN.1 types as references, and implementations differ in what they send.
func bare(b []byte) []byte {
	if len(b) >= 2 && int(b[1]) == len(b)-2 {
		switch ber.Tag(b[0]) {
		case ber.TagOctetString, ber.TagTeletexString, ber.TagUTCTime, ber.TagPrintableString, ber.TagIA5String:
			return b[2:]
		}
	}
	return b
}

// connect takes the user data of a CONNECT: a CP (X.226 8.2.1).
func (a *Association) connect(dir uint8, v, u view) {
	f := &a.facts
	a.class = max(a.class, ClassUnknown)
	p := &a.ppdu
	code, at := p.Decode(presentation.CP, u.octets)
	if code != presentation.OK {
		f.Inferred = true
		a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, at)
		a.emit(Connect, dir, v.place(0))
		return
	}
	f.UnknownParameters += uint64(p.Unknown)
	f.CallingPSAP, f.CalledPSAP = a.keep(p.Calling), a.keep(p.Called)
	if p.Mode == presentation.X410 {
		f.Mode, f.RTSE = ModeX410, true
		code, at := a.rtse.DecodeComponents(rtse.RTORQ, p.RTSE)
		if code != rtse.OK {
			a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, p.RTSEStart+at)
			a.setClass(ClassX400, false)
			a.emit(Connect, dir, v.place(0))
			return
		}
		a.openRequest()
		a.setClass(protocolClass(a.rtse.Protocol), true)
		a.emit(Connect, dir, v.place(0))
		a.bind(BindArgument, dir, v)
		return
	}
	f.Mode = ModeNormal
	a.defined = p.ContextCount > 0
	n := min(p.ContextCount, presentation.MaxContexts)
	f.Contexts = slices.Grow(f.Contexts, n)
	for i := range n {
		c := &p.Contexts[i]
		f.Contexts = append(f.Contexts, Context{
			ID: c.ID, Abstract: a.keep(c.Abstract), Transfer: a.keep(c.Transfer), Result: -1, Reason: -1,
		})
	}
	ok := a.association(dir, u)
	a.setClass(a.proposedClass(), true)
	a.emit(Connect, dir, v.place(0))
	if a.NotX400() {
		return
	}
	if !ok || a.acse.Kind != acse.AARQ {
		if p.UserData == nil || ok {
			a.own(ErrUser, dir, u, 0)
		}
		return
	}
	a.external(BindArgument, dir, v, u)
}

// association decodes the ACSE APDU in the user data of a.ppdu.
func (a *Association) association(dir uint8, u view) (ok bool) {
	return a.control(dir, u, a.ppdu.UserData, a.ppdu.UserStart)
}

// control decodes the ACSE APDU in user data at start of u.
func (a *Association) control(dir uint8, u view, data []byte, start int) (ok bool) {
	a.acse.Kind = acse.None
	if data == nil {
		return false
	}
	a.data.Reset(data)
	for a.data.Next(&a.pdv) {
		code, at := a.acse.Decode(a.pdv.Octets)
		if code == acse.ErrAPDU && a.acse.Kind == acse.None {
			continue // A value in another context, before ACSE's.
		}
		if code != acse.OK {
			a.problem(LayerACSE, uint8(code), code.Error(), dir, u, start+a.pdv.Start+at)
			return false
		}
		f := &a.facts
		f.ACSE[a.acse.Kind] = a.keep(a.acse.Fields)
		f.UnknownParameters += uint64(a.acse.Unknown)
		if a.acse.ApplicationContext != nil {
			f.ApplicationContext = a.keep(a.acse.ApplicationContext)
		}
		if a.acse.Kind == acse.AARQ {
			f.CallingAPTitle, f.CallingAEQualifier = a.keep(a.acse.CallingAPTitle), a.keep(a.acse.CallingAEQualifier)
			f.CalledAPTitle, f.CalledAEQualifier = a.keep(a.acse.CalledAPTitle), a.keep(a.acse.CalledAEQualifier)
		} else if a.acse.Kind == acse.AARE && a.acse.CalledAPTitle != nil {
			f.CalledAPTitle, f.CalledAEQualifier = a.keep(a.acse.CalledAPTitle), a.keep(a.acse.CalledAEQualifier)
		}
		return true
	}
	if code := a.data.Code(); code != presentation.OK {
		a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, start+a.data.Offset())
	}
	return false
}

// releasing takes the user data of a FINISH, DISCONNECT or NOT FINISHED: RLRQ or
// RLRE (X.227 7.2).
func (a *Association) releasing(dir uint8, u view) {
	if a.facts.Mode == ModeNormal && len(u.octets) > 0 && !a.NotX400() {
		a.control(dir, u, u.octets, 0)
	}
}

// reliable keeps what a.rtse says.
func (a *Association) reliable() {
	f := &a.facts
	if len(f.RTSEText) > maxKept/2 {
		return // It was said again and again.
	}
	a.text = append(a.text[:0], f.RTSEText...)
	if len(a.text) > 0 {
		a.text = append(a.text, "; "...)
	}
	a.text = a.rtse.AppendText(a.text)
	f.RTSEText = a.keep(a.text)
}

// external takes the user information of a.acse: RTSE's APDU, or without RTSE
// the ROSE bind (X.227 clause 9, X.228 8.1, X.229 8.1).
func (a *Association) external(kind EventKind, dir uint8, v, u view) {
	if a.acse.ExternalCount == 0 {
		if kind != Refusal {
			e := a.emit(kind, dir, v.place(0))
			e.text = "no user information"
		}
		return
	}
	x := &a.acse.Externals[0]
	code, at := a.rtse.Decode(x.Octets)
	known := (a.rtse.Kind == rtse.RTORQ || a.rtse.Kind == rtse.RTOAC || a.rtse.Kind == rtse.RTORJ) && !bareBind(x.Octets)
	switch {
	case known && code == rtse.OK:
		a.facts.RTSE = true
		a.facts.UnknownParameters += uint64(a.rtse.Unknown)
		switch a.rtse.Kind {
		case rtse.RTORQ, rtse.RTOAC:
			a.openRequest()
			a.bind(kind, dir, v)
		case rtse.RTORJ:
			a.rejected(dir, v)
		}
		return
	case known && a.needsRTSE():
		a.facts.RTSE = true
		a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, a.ppdu.UserStart+a.pdv.Start+x.Start+at)
		return
	}
	if kind == Refusal {
		kind = BindError
	}
	e := a.emit(kind, dir, v.place(0))
	e.Octets = x.Octets
}

// bareBind reports whether octets are a bind of the RO-notation (X.229 7.2) without
// RTSE: its tags [16], [17] and [18] are those of RTORQ, RTOAC and RTORJ, too, but
// the value in them has a universal tag where RTSE's APDUs have fields.
func bareBind(octets []byte) bool {
	f := front{b: octets}
	switch f.tag() {
	case 0xb0, 0xb1, 0xb2:
		return f.enter() && f.tag() != 0 && f.tag() < 0x40
	}
	return false
}

// needsRTSE reports whether the application context or a presentation context
// says that RTSE is used.
func (a *Association) needsRTSE() bool {
	if n := under(a.facts.ApplicationContext, acPrefix); n >= 0 {
		return acRTSE[min(n, len(acRTSE)-1)]
	}
	for i := range a.facts.Contexts {
		switch under(a.facts.Contexts[i].Abstract, asPrefix) {
		case asMTSRTSE, asMSRTSE, asMTARTSE:
			return true
		}
	}
	return false
}

// openRequest keeps what RTORQ or RTOAC says.
func (a *Association) openRequest() {
	f, r := &a.facts, &a.rtse
	a.reliable()
	// What was agreed on stands, though the request be captured after it.
	a.agreed = a.agreed || r.Kind == rtse.RTOAC
	if r.Kind == rtse.RTOAC || !a.agreed {
		f.CheckpointSize, f.WindowSize = r.CheckpointSize, r.WindowSize
	}
	if r.Kind == rtse.RTORQ {
		f.TwoWayAlternate = r.DialogueMode == 1
		f.ApplicationProtocol = r.Protocol
	}
}

// bind tells of the connection data in a.rtse.
func (a *Association) bind(kind EventKind, dir uint8, v view) {
	r := &a.rtse
	e := a.emit(kind, dir, v.place(0))
	switch r.Data {
	case rtse.Open:
		e.Octets = r.User
	case rtse.Recover:
		e.Recover = true
		e.Session = a.lend(sessionID(make([]byte, 0, maxSessionID), &session.Reference{
			Calling: r.Session.Calling, Common: r.Session.Common, Additional: r.Session.Additional}))
	}
}

// rejected tells of an RTORJ.
func (a *Association) rejected(dir uint8, v view) {
	r := &a.rtse
	a.reliable()
	if len(r.User) > 0 {
		e := a.emit(BindError, dir, v.place(0))
		e.Layer, e.Octets, e.Reason = LayerUser, r.User, r.Reason
		return
	}
	e := a.emit(Refusal, dir, v.place(0))
	e.Layer, e.Reason, e.text = LayerRTSE, r.Reason, rtse.RefuseReason(r.Reason)
}

// accept takes the user data of an ACCEPT: a CPA (X.226 8.2.2).
func (a *Association) accept(dir uint8, v, u view) {
	f := &a.facts
	a.class = max(a.class, ClassUnknown)
	a.established = true
	if !f.Proposed {
		f.Initiator = 1 - dir
		f.Inferred = true
	}
	p := &a.ppdu
	code, at := p.Decode(presentation.CPA, u.octets)
	if code != presentation.OK {
		a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, at)
		a.emit(Accept, dir, v.place(0))
		return
	}
	f.UnknownParameters += uint64(p.Unknown)
	f.RespondingPSAP = a.keep(p.Responding)
	if p.Mode == presentation.X410 {
		f.Mode, f.RTSE = ModeX410, true
		code, at := a.rtse.DecodeComponents(rtse.RTOAC, p.RTSE)
		if !a.class.X400() {
			a.setClass(ClassX400, false)
		}
		a.emit(Accept, dir, v.place(0))
		if code != rtse.OK {
			a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, p.RTSEStart+at)
			return
		}
		a.openRequest()
		a.bind(BindResult, dir, v)
		return
	}
	f.Mode = ModeNormal
	a.results()
	ok := a.association(dir, u)
	a.setClass(a.proposedClass(), true)
	if ok && a.acse.Kind == acse.AARE && a.acse.Result > 0 {
		a.refusedByACSE(dir, v, u)
		return
	}
	a.emit(Accept, dir, v.place(0))
	if a.NotX400() || !ok {
		return
	}
	a.external(BindResult, dir, v, u)
}

// results applies a context definition result list to what was proposed (X.226
// 8.2.2): a context that was not accepted is not defined.
func (a *Association) results() {
	p, f := &a.ppdu, &a.facts
	if p.ResultCount == 0 {
		return
	}
	for i := range f.Contexts {
		c := &f.Contexts[i]
		if i >= min(p.ResultCount, presentation.MaxContexts) {
			break
		}
		r := &p.Results[i]
		c.Answered, c.Accepted = true, r.Result == presentation.Acceptance
		c.Result, c.Reason = r.Result, r.Reason
		if r.Transfer != nil {
			c.Transfer = a.keep(r.Transfer)
		}
	}
}

func (a *Association) refusedByACSE(dir uint8, v, u view) {
	n := len(a.events)
	a.external(Refusal, dir, v, u)
	if len(a.events) == n {
		e := a.emit(Refusal, dir, v.place(0))
		e.Layer = LayerACSE
	}
	e := &a.events[len(a.events)-1]
	if e.Reason < 0 && e.text == "" {
		e.Reason, e.text = a.acse.Diagnostic, acse.Diagnostic(a.acse.Source, a.acse.Diagnostic)
	}
}

// refuse takes the user data of a REFUSE: a CPR (X.226 8.2.3).
func (a *Association) refuse(dir uint8, v, u view) {
	s, p := &a.spdu, &a.ppdu
	if len(u.octets) == 0 {
		e := a.emit(Refusal, dir, v.place(0))
		e.Layer, e.text = LayerSession, "no reason given"
		if s.HasReason {
			e.Reason, e.text = int64(s.Reason), session.RefuseReason(s.Reason)
			if s.Reason < 128 {
				e.Layer = LayerUser
			}
		}
		return
	}
	code, at := p.Decode(presentation.CPR, u.octets)
	if code != presentation.OK {
		a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, at)
		e := a.emit(Refusal, dir, v.place(0))
		e.Layer, e.Octets = LayerUser, u.octets
		return
	}
	if p.Mode == presentation.X410 {
		code, at := a.rtse.DecodeComponents(rtse.RTORJ, p.RTSE)
		if code != rtse.OK {
			a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, p.RTSEStart+at)
		}
		a.rejected(dir, v)
		return
	}
	a.results()
	if a.association(dir, u) {
		a.refusedByACSE(dir, v, u)
		return
	}
	e := a.emit(Refusal, dir, v.place(0))
	e.Layer, e.Reason, e.text = LayerPresentation, p.Reason, presentation.ProviderReason(p.Reason)
}

// release takes the end of an orderly release.
func (a *Association) release(dir uint8, at Place, refused bool) {
	if !refused {
		a.facts.Released = true
		a.close(Released, at)
	}
	a.emit(Release, dir, at).Refused = refused
}

// abort takes an ABORT (X.225 8.3.9) and the ARU or ARP in it (X.226 8.2.4).
func (a *Association) abort(dir uint8, v, u view) {
	s, p := &a.spdu, &a.ppdu
	a.facts.Aborted = true
	layer, reason, text := LayerSession, int64(s.Transport), session.TransportReason(s.Transport)
	if s.UserAbort() || len(u.octets) > 0 {
		layer, reason, text = LayerUser, -1, ""
		if len(u.octets) > 0 {
			layer, reason, text = a.abortReason(dir, u, p)
		}
	}
	a.close(Aborted, v.place(0))
	e := a.emit(Abort, dir, v.place(0))
	e.Layer, e.Reason, e.text = layer, reason, text
}

func (a *Association) abortReason(dir uint8, u view, p *presentation.PPDU) (Layer, int64, string) {
	code, at := p.Decode(presentation.Abort, u.octets)
	switch {
	case code != presentation.OK:
		a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, at)
		return LayerUser, -1, ""
	case p.Mode == presentation.X410:
		if code, at := a.rtse.DecodeComponents(rtse.RTAB, p.RTSE); code != rtse.OK {
			a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, p.RTSEStart+at)
		} else {
			a.reliable()
		}
		return LayerRTSE, a.rtse.Reason, rtse.AbortReason(a.rtse.Reason)
	case p.Provider:
		return LayerPresentation, p.Reason, presentation.AbortReason(p.Reason)
	case p.UserData == nil:
		return LayerUser, -1, ""
	}
	if !a.association(dir, u) || a.acse.Kind != acse.ABRT {
		return LayerUser, -1, ""
	}
	if a.acse.ExternalCount > 0 {
		x := &a.acse.Externals[0]
		if code, _ := a.rtse.Decode(x.Octets); code == rtse.OK && a.rtse.Kind == rtse.RTAB {
			a.reliable()
			const userError = 6
			if a.rtse.Reason == userError {
				return LayerUser, a.rtse.Reason, rtse.AbortReason(a.rtse.Reason)
			}
			return LayerRTSE, a.rtse.Reason, rtse.AbortReason(a.rtse.Reason)
		}
	}
	if a.acse.AbortSource == 1 {
		return LayerACSE, a.acse.Reason, "aborted by the provider"
	}
	return LayerUser, a.acse.Reason, ""
}

// close ends what is under way in the association.
func (a *Association) close(why Why, at Place) {
	for dir := range uint8(2) {
		t := &a.transfer[dir]
		if !t.active {
			continue
		}
		where := at
		if why == Ended {
			where.Time = at.Time
			where.Seq, where.Offset, where.Frame, where.Source = t.last.Seq, t.last.Offset, t.last.Frame, t.last.Source
		}
		if why == Released {
			a.unfinished(dir, why, where)
		} else {
			a.suspend(dir, why, where)
		}
	}
	a.share()
}

// turnPlease takes the user data of a PLEASE TOKENS: RTTP (X.228 7.4).
func (a *Association) turnPlease(dir uint8, v, u view) {
	octets, start := u.octets, 0
	if a.facts.Mode == ModeNormal || a.facts.Mode == ModeUnknown && len(octets) > 0 && octets[0] == 0x61 {
		a.data.Reset(octets)
		if !a.data.Next(&a.pdv) {
			code := a.data.Code()
			a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, a.data.Offset())
			return
		}
		octets, start = a.pdv.Octets, a.pdv.Start
	}
	if code, at := a.rtse.Decode(octets); code != rtse.OK || a.rtse.Kind != rtse.RTTP {
		if code == rtse.OK {
			code = rtse.ErrAPDU
		}
		a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, start+at)
		return
	}
	e := a.emit(TurnPlease, dir, v.place(0))
	e.Reason = a.rtse.Priority
}

// userData takes the user data of a DATA TRANSFER, one SSDU.
func (a *Association) userData(dir uint8, u view) {
	t := &a.transfer[dir]
	f := &a.facts
	if f.Mode == ModeUnknown && !a.infer(dir, u) {
		return
	}
	if f.Mode == ModeX410 {
		if !t.active {
			if !f.Inferred && !a.dir[dir].unsure && f.Accepted && len(u.octets) > 0 && f.APDUs == 0 {
				a.own(ErrNoActivity, dir, u, 0)
			}
			a.headless(dir, u.place(0))
		}
		a.piece(dir, u.octets, u.place(0), u.last(), a.source(dir, u))
		return
	}
	a.data.Reset(u.octets)
	for a.data.Next(&a.pdv) {
		if !a.value(dir, u) {
			return
		}
	}
	if code := a.data.Code(); code != presentation.OK {
		a.problem(LayerPresentation, uint8(code), code.Error(), dir, u, a.data.Offset())
		a.damage(dir, Damaged)
	}
}

// source says where the octets of data are.
func (a *Association) source(dir uint8, v view) source {
	switch d := &a.dir[dir]; {
	case len(v.marks) > 0 && &v.marks[0] == &a.one[0]:
		return inTPDU
	case d.tsdu.holds(v):
		return inTSDU
	case d.ssdu.holds(v):
		return inSSDU
	}
	return volatile
}

// infer tells the mode of a connection whose opening was not seen by the first
// data of an activity: in normal mode they are user data (X.226 8.4), in
// X.410-1984 mode the front of an MTS-APDU or of a ROSE APDU, which have
// context-specific tags.
func (a *Association) infer(dir uint8, u view) bool {
	t := &a.transfer[dir]
	first := byte(0)
	if len(u.octets) > 0 {
		first = u.octets[0]
	}
	if first == 0x61 || first&^0x20 == 0x40 {
		a.data.Reset(u.octets)
		if a.data.Next(&a.pdv) {
			transfer := len(a.pdv.Octets) > 0 && a.pdv.Octets[0]&^0x20 == byte(ber.TagOctetString)
			if t.active && transfer {
				a.facts.Mode, a.facts.Inferred, a.facts.RTSE = ModeNormal, true, true
				return true
			}
			if transfer {
				a.headless(dir, u.place(0))
				return false
			}
			if accessArgument(a.pdv.Octets) {
				// MTS access without RTSE.
				a.facts.Mode, a.facts.Inferred = ModeNormal, true
				a.setClass(ClassP3, false)
				return true
			}
			a.foreign(dir, u, a.pdv.Octets)
			return false
		}
	}
	if t.active && !t.headless && t.pieces == 0 && first >= 0xA0 && first <= 0xA4 {
		a.facts.Mode, a.facts.Inferred, a.facts.RTSE = ModeX410, true, true
		return true
	}
	if t.active && !t.headless {
		if t.bad == WhyNone {
			a.own(ErrNotRTSE, dir, u, 0)
			t.bad = Damaged
		}
		return false
	}
	// In the middle of an activity nothing can be told from octets of data.
	a.foreign(dir, u, nil)
	return false
}

// maxPlaced is for how many transfer APDUs in a value that came in segments the
// exact place is sought, which takes a walk over all of them.
const maxPlaced = 8

// value takes one presentation data value, a.pdv, of normal mode user data.
func (a *Association) value(dir uint8, u view) bool {
	p, f := &a.pdv, &a.facts
	t := &a.transfer[dir]
	if a.defined && p.Form != presentation.Simple && !a.accepted(p.Context) {
		e := a.own(ErrContext, dir, u, p.Start)
		e.Reason = p.Context
		a.damage(dir, Damaged)
		return true
	}
	octets, start, used, found := p.Octets, p.Start, 0, 0
	if !f.RTSE && !a.needsRTSE() && !t.active {
		return a.rose(dir, u)
	}
	for len(octets) > 0 {
		code, at := a.rtse.Decode(octets)
		switch {
		case code != rtse.OK:
			a.problem(LayerRTSE, uint8(code), code.Error(), dir, u, start+at)
			a.damage(dir, Damaged)
			return false
		case a.rtse.Kind != rtse.RTTR:
			a.own(ErrNotRTSE, dir, u, start)
			a.damage(dir, Damaged)
			return false
		case !t.active:
			if !f.Inferred && !a.dir[dir].unsure && f.APDUs+f.UnfinishedAPDUs == 0 && a.established {
				a.own(ErrNoActivity, dir, u, start)
			}
			a.headless(dir, u.place(start))
		}
		r := &a.rtse
		first, last := u.place(start), u.place(start)
		if found++; !p.Joined || found <= maxPlaced {
			first, last = u.place(a.data.Place(p, used+r.Start)), u.place(a.data.Place(p, used+r.Last))
			start = a.data.Place(p, used+r.End)
		}
		from := volatile
		if !p.Joined && !r.Joined {
			from = a.source(dir, u)
		}
		a.piece(dir, r.Octets, first, last, from)
		octets = octets[r.End:]
		used += r.End
	}
	return true
}

// rose takes a value of an association without RTSE (X.229).
func (a *Association) rose(dir uint8, u view) bool {
	p := &a.pdv
	var r rose.APDU
	code, at := r.Decode(p.Octets)
	if code != rose.OK {
		if !a.class.X400() {
			a.foreign(dir, u, p.Octets)
			return true
		}
		a.problem(LayerROSE, uint8(code), code.Error(), dir, u, p.Start+at)
		return true
	}
	if len(a.events) >= maxEvents {
		a.facts.ProblemsLeftOut++
		return true
	}
	octets := p.Octets
	if p.Joined {
		octets = a.lend(octets)
		r.Decode(octets)
	}
	a.facts.Operations++
	e := a.emit(Operation, dir, u.place(p.Start))
	e.Octets, e.ROSE, e.Context = octets, r, p.Context
	e.Abstract = a.abstract(p.Context)
	e.Origin = Origin{a.cfg.Connection, dir, u.place(p.Start)}
	e.Last = u.place(p.Start + max(len(p.Octets)-1, 0))
	return true
}

// accepted reports whether a presentation context may be used: it was proposed,
// and not refused in an answer that was seen.
func (a *Association) accepted(id int64) bool {
	for i := range a.facts.Contexts {
		if c := &a.facts.Contexts[i]; c.ID == id {
			return c.Accepted || !c.Answered
		}
	}
	return false
}

func (a *Association) abstract(id int64) []byte {
	for i := range a.facts.Contexts {
		if c := &a.facts.Contexts[i]; c.ID == id {
			return c.Abstract
		}
	}
	return nil
}
