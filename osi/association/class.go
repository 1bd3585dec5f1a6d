package association

import (
	"bytes"

	"x400flow/osi/ber"
	"x400flow/osi/cotp"
	"x400flow/osi/rose"
	"x400flow/osi/session"
)

// Class is what a connection carries.
type Class uint8

// The classes.
const (
	ClassEmpty       Class = iota // No octets were seen, or none that tell anything.
	ClassUnknown                  // Not told yet.
	ClassP1                       // X.400 message transfer (X.419 P1).
	ClassP3                       // X.400 MTS access (X.419 P3).
	ClassP7                       // X.400 message store access (X.419 P7).
	ClassX400                     // X.400, which protocol is not known.
	ClassMMS                      // ISO 9506 MMS.
	ClassICCP                     // IEC 60870-6 TASE.2.
	ClassACSE                     // Another application over ACSE.
	ClassOSI                      // Another application over session.
	ClassS7                       // S7comm.
	ClassS7Plus                   // S7comm-plus.
	ClassRDP                      // Remote desktop, T.125.
	ClassH323                     // H.225 over TPKT.
	ClassEncrypted                // TLS; told by the caller.
	ClassUndecodable              // Nothing that any layer understands.
)

var classNames = [...]string{"empty", "unknown", "p1", "p3", "p7", "x400", "mms", "iccp", "acse-other", "osi-other",
	"s7comm", "s7comm-plus", "rdp", "h323", "encrypted", "undecodable"}

// String returns the class's name as rows carry it.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// X400 reports whether the class is one of X.400's.
func (c Class) X400() bool { return c >= ClassP1 && c <= ClassX400 }

// How much is looked at before a class is given.
const (
	maxMarkers  = 64 // TSDUs of MMS, for what tells ICCP.
	maxForeign  = 32 // Data that fit nothing of X.400.
	maxStranger = 4  // TSDUs that are not session.
)

// Prefixes of object identifiers, contents octets (X.419 annex A).
var (
	acPrefix  = []byte{0x56, 0x00, 0x01}       // 2.6.0.1: application contexts.
	asPrefix  = []byte{0x56, 0x00, 0x02}       // 2.6.0.2: abstract syntaxes.
	mmsPrefix = []byte{0x28, 0xCA, 0x22, 0x02} // 1.0.9506.2.
)

// Abstract syntaxes under 2.6.0.2 (X.419 annex A).
const (
	asMSSE    = 1
	asMTSE    = 7
	asMTSRTSE = 8
	asMS88    = 9
	asMSRTSE  = 10
	asMTARTSE = 12
	asMSMSSE  = 13
	asMS94    = 17
)

// asClass is the protocols of the abstract syntaxes. The services that P3 and P7
// share are P3's here; the application context tells.
var asClass = [...]Class{0: ClassX400, asMSSE: ClassP3, 2: ClassP3, 3: ClassX400, 4: ClassX400, 5: ClassP7, 6: ClassP3,
	asMTSE: ClassP1, asMTSRTSE: ClassP3, asMS88: ClassP7, asMSRTSE: ClassP7, 11: ClassP3, asMTARTSE: ClassP1,
	asMSMSSE: ClassP7, 14: ClassP3, 15: ClassP7, 16: ClassP3, asMS94: ClassP7, 18: ClassX400}

// acClass is the protocols of the application contexts under 2.6.0.1 (X.419
// annex A), acRTSE whether they include RTSE.
var (
	acClass = [...]Class{ClassP3, ClassP3, ClassP3, ClassP3, ClassP7, ClassP7, ClassP1, ClassP3, ClassP3, ClassP3,
		ClassP3, ClassP7, ClassP7, ClassX400}
	acRTSE = [...]bool{false, false, true, true, false, true, true, false, false, true, true, false, true, false}
)

// under returns the arc that follows prefix in an object identifier, -1 when it
// is not under it.
func under(oid, prefix []byte) int {
	if len(oid) <= len(prefix) || !bytes.HasPrefix(oid, prefix) || oid[len(prefix)] >= 0x80 {
		return -1
	}
	return int(oid[len(prefix)])
}

// protocolClass returns the class of an X.410-1984 application protocol: 1 and
// 12 are P1 (X.228 clause 9), 3 was P3.
func protocolClass(n int64) Class {
	switch n {
	case 1, 12, -1:
		return ClassP1
	case 3:
		return ClassP3
	}
	return ClassX400
}

// proposedClass tells the class by the application context and the abstract
// syntaxes of a normal mode opening.
func (a *Association) proposedClass() Class {
	f := &a.facts
	class := openingClass(f.ApplicationContext, len(f.Contexts), func(i int) []byte { return f.Contexts[i].Abstract })
	if class == ClassOSI && !f.Proposed {
		return ClassUnknown
	}
	return class
}

// applicationClass returns the protocol of an application context, by the arc that follows
// acPrefix.
func applicationClass(arc int) Class { return acClass[min(arc, len(acClass)-1)] }

// openingClass tells the class of a normal mode opening with so many presentation
// contexts by its application context, nil where it has none, and their abstract
// syntaxes.
func openingClass(applicationContext []byte, contexts int, abstract func(i int) []byte) Class {
	if n := under(applicationContext, acPrefix); n >= 0 {
		return applicationClass(n)
	}
	class := ClassUnknown
	for i := range contexts {
		abstract := abstract(i)
		if n := under(abstract, asPrefix); n >= 0 {
			c := asClass[min(n, len(asClass)-1)]
			if !class.X400() || c == ClassP1 || c == ClassP7 {
				class = c
			}
		} else if bytes.HasPrefix(abstract, mmsPrefix) && class == ClassUnknown {
			class = ClassMMS
		}
	}
	switch {
	case class != ClassUnknown:
		return class
	case bytes.HasPrefix(applicationContext, mmsPrefix):
		return ClassMMS
	case applicationContext != nil:
		return ClassACSE
	case contexts > 0:
		return ClassOSI
	}
	return ClassUnknown
}

// setClass gives a class; sure says that it will not change.
func (a *Association) setClass(c Class, sure bool) {
	if a.sure && a.class != c && a.class.X400() && c == ClassUnknown {
		return
	}
	a.class = c
	a.sure = sure && c != ClassMMS && c != ClassUnknown
	if a.NotX400() {
		a.drop()
	}
}

// drop forgets what is buffered of a connection that is not X.400.
func (a *Association) drop() {
	for i := range a.dir {
		a.dir[i].skip = false
		a.endOpen(i)
	}
	a.suspended = a.suspended[:0]
}

// Class returns what the connection carries, as far as is known.
func (a *Association) Class() Class { return a.class }

// SetClass tells what the caller found out, such as ClassEncrypted.
func (a *Association) SetClass(c Class) { a.setClass(c, true) }

// NotX400 reports whether the connection certainly does not carry X.400.
func (a *Association) NotX400() bool {
	return a.class >= ClassMMS && (a.class != ClassUndecodable || a.sure)
}

// Definite reports whether Class will not change any more.
func (a *Association) Definite() bool { return a.sure }

// recognise looks at a TPKT's content for protocols that announce themselves in
// the CR TPDU.
func (a *Association) recognise(v view) {
	b := v.octets
	if a.class.X400() || a.facts.Proposed || len(b) < 2 {
		return
	}
	if b[1]&0xF0 == 0xE0 && len(b) >= 7 && remoteDesktop(b[7:]) {
		a.setClass(ClassRDP, true)
	}
}

// Mute reports whether a TPKT's content is one CR or CC TPDU that tells nothing of what
// the connection carries.
func Mute(octets []byte) bool {
	kind, ok := cotp.Connecting(octets)
	return ok && (kind == cotp.CC || !remoteDesktop(octets[7:]))
}

// Outside takes octets that stand in no TPKT with a TPDU. They may tell what the
// connection carries instead; there are no events of them.
func (a *Association) Outside(octets []byte) {
	if a.class > ClassUnknown || a.facts.Proposed {
		return
	}
	a.class = ClassUnknown
	if callSignalling(octets) {
		a.setClass(ClassH323, true)
	}
}

// Telling returns how many of the first octets of such as Outside takes tell what
// the connection carries. They hold nothing else.
func Telling(octets []byte) int {
	if callSignalling(octets) {
		return callSignallingOctets
	}
	return 0
}

const callSignallingOctets = 6

// callSignalling reports whether octets begin with a TPKT that has a Q.931
// message in it (H.225.0 7.1): protocol discriminator 8, a call reference of up
// to two octets. A TPDU has a code where the call reference's length stands, and
// none is as small.
func callSignalling(b []byte) bool {
	return len(b) >= callSignallingOctets && b[0] == 3 && b[1] == 0 && int(b[2])<<8|int(b[3]) > 9 && b[4] == 8 && b[5] <= 2
}

// remoteDesktop reports whether the variable part of a CR is MS-RDPBCGR's
// (2.2.1.1): a routing token or cookie, or a negotiation request.
func remoteDesktop(variable []byte) bool {
	if bytes.HasPrefix(variable, []byte("Cookie: ")) {
		return true
	}
	return len(variable) == 8 && variable[0] == 1 && variable[2] == 8 && variable[3] == 0
}

// open looks at the first octets of a TSDU.
func (a *Association) open(b []byte) {
	if a.class.X400() || a.facts.Proposed || len(b) == 0 {
		return
	}
	a.class = max(a.class, ClassUnknown)
	if a.class == ClassUndecodable && session.Credible(b) {
		a.class = ClassUnknown
	}
	switch {
	case b[0] == 0x32 && len(b) >= 10 && (b[1] >= 1 && b[1] <= 3 || b[1] == 7):
		a.setClass(ClassS7, true)
	case b[0] == 0x72 && len(b) >= 4 && b[1] <= 3 || b[0] == 0x72 && len(b) >= 4 && b[1] == 0xFE:
		a.setClass(ClassS7Plus, true)
	case b[0] == 0x7F && len(b) > 1 && (b[1] == 0x65 || b[1] == 0x66):
		// T.125 Connect-Initial and Connect-Response.
		a.setClass(ClassRDP, true)
	}
}

// stranger takes a TSDU that is not session, in a connection of which nothing
// else is known.
func (a *Association) stranger(dir uint8, v view) {
	if initiateMMS(v.octets) {
		// MMS right above transport.
		a.setClass(ClassMMS, false)
		return
	}
	a.facts.ForeignTSDUs++
	if a.facts.ForeignTSDUs == 1 {
		a.own(ErrNotSession, dir, v, 0)
	}
	if a.facts.ForeignTSDUs >= maxStranger {
		a.setClass(ClassUndecodable, true)
	}
}

// foreign takes data that fit nothing of X.400 in a connection whose opening was
// not seen.
func (a *Association) foreign(dir uint8, u view, value []byte) {
	a.foreignData++
	switch {
	case serviceMMS(value):
		// A ROSE invocation that is linked to another looks like a confirmed
		// request, but nothing of ROSE like an unconfirmed one.
		if value[0] == 0xA3 || a.foreignData >= 2 {
			a.setClass(ClassMMS, false)
		}
	case a.foreignData >= maxForeign:
		a.setClass(ClassOSI, true)
	}
}

// serviceMMS reports whether a value looks like an MMS confirmed request,
// response or error, [0] to [2] with an invoke identifier and a context-specific
// element, or like an unconfirmed one, [3] with a context-specific element
// (ISO 9506-2 7.1). ROSE has an INTEGER or a SEQUENCE in their places.
func serviceMMS(value []byte) bool {
	if len(value) < 6 || value[0] < 0xA0 || value[0] > 0xA3 {
		return false
	}
	var d ber.Decoder
	c := d.Reset(value)
	var e, f ber.Element
	if !c.Next(&e) {
		return false
	}
	in := c.Enter(&e)
	if value[0] < 0xA3 && (!in.Next(&f) || f.Tag != ber.TagInteger) {
		return false
	}
	t, ok := in.Peek()
	return ok && t.Class() == ber.ContextSpecific
}

// initiateMMS reports whether a value is an MMS Initiate-Request, [8], or
// -Response, [9] (ISO 9506-2 8.2): the numbers of services outstanding, [1] and
// [2], and the detail, [4], must be there.
func initiateMMS(value []byte) bool {
	if len(value) < 6 || value[0] != 0xA8 && value[0] != 0xA9 {
		return false
	}
	var d ber.Decoder
	c := d.Reset(value)
	var e, f ber.Element
	if !c.Next(&e) {
		return false
	}
	in := c.Enter(&e)
	var have uint8
	for in.Next(&f) {
		if f.Tag.Class() != ber.ContextSpecific || f.Tag.Number() > 4 || f.Constructed != (f.Tag.Number() == 4) {
			return false
		}
		have |= 1 << f.Tag.Number()
	}
	return in.Code() == ber.None && have&0b10110 == 0b10110
}

// Local operation values of MTS access (X.419 Annex A).
const (
	opMessageSubmission = 3
	opMessageDelivery   = 5
	opReportDelivery    = 6
)

// accessArgument reports whether a value is certainly the invoke of an operation
// of MTS access: the envelopes of messages and reports begin as no other argument
// of these operation values does (X.411 8.2.1.1, 8.3.1). The applications that
// share ROSE with it (X.711 and others) use the same values.
func accessArgument(value []byte) bool {
	if len(value) < 8 || value[0] != 0xA1 {
		return false
	}
	var r rose.APDU
	if code, _ := r.Decode(value); code != rose.OK || r.Kind != rose.Invoke || !r.HasCode {
		return false
	}
	var d ber.Decoder
	c := d.Reset(r.Argument)
	var e, f ber.Element
	if !c.Next(&e) || !e.Constructed {
		return false
	}
	in := c.Enter(&e)
	switch r.Code {
	case opMessageSubmission:
		// A SET that has application-wide tags, and an OCTET STRING.
		if e.Tag != ber.TagSequence || !in.Next(&f) || f.Tag != ber.TagSet || !f.Constructed {
			return false
		}
		if t, ok := in.Peek(); !ok || t != ber.TagOctetString {
			return false
		}
		in = in.Enter(&f)
	case opMessageDelivery:
		t, ok := in.Peek() // MTSIdentifier.
		return e.Tag == ber.TagSequence && ok && t == ber.App(4)
	case opReportDelivery:
		if e.Tag != ber.TagSet {
			return false
		}
	default:
		return false
	}
	for in.Next(&f) {
		if f.Tag == ber.App(0) || f.Tag == ber.App(4) {
			return true // ORName, MTSIdentifier.
		}
	}
	return false
}

// markers are object names of TASE.2 (IEC 60870-6-503) that an association
// reads when it begins.
var iccpMarkers = [...][]byte{[]byte("TASE2_Version"), []byte("Bilateral_Table_ID"), []byte("Supported_Features"),
	[]byte("Next_DSTransfer_Set"), []byte("DSConditions_Detected"), []byte("Transfer_Report_ACK"), []byte("Transfer_Set_Name")}

// refine looks for what tells ICCP from other MMS.
func (a *Association) refine(octets []byte) {
	a.markers++
	for _, m := range iccpMarkers {
		if bytes.Contains(octets, m) {
			a.setClass(ClassICCP, true)
			return
		}
	}
	if a.markers >= maxMarkers {
		a.sure = true
	}
}
