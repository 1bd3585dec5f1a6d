package association

// Class is what a connection carries.
type Class uint8

// The classes.
const (
	ClassEmpty       Class = iota // No TPDU with data was seen.
	ClassUnknown                  // Nothing of what is known.
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
	ClassUndecodable              // TPDUs that no layer understands.
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
