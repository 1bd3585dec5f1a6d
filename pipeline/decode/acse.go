package decode

import (
	"x400flow/osi/acse"
	"x400flow/osi/association"
	"x400flow/osi/ber"
	"x400flow/x411"
)

// acseField is a field of an ACSE APDU and how it is told.
type acseField struct {
	name  string
	shape acseShape
	names []string // Of the numbers or bits.
}

type acseShape uint8

const (
	acseNone     acseShape = iota
	acseExplicit           // One value of a universal type within the tag.
	acseInteger
	acseBits
	acseOID
	acseText
	acseList
	acseDiagnostic
	acseSecret
)

var (
	protocolVersions = []string{"version1"}
	requirements     = []string{"authentication", "aSO-context-negotiation", "higher-level-association", "nested-association"}
	associateResults = []string{"accepted", "rejected-permanent", "rejected-transient"}
	requestReasons   = []string{0: "normal", 1: "urgent", 30: "user-defined"}
	responseReasons  = []string{0: "normal", 1: "not-finished", 30: "user-defined"}
	abortSources     = []string{"service-user", "service-provider"}
	abortDiagnostics = []string{1: "no-reason-given", 2: "protocol-error", 3: "authentication-mechanism-name-not-recognized",
		4: "authentication-mechanism-name-required", 5: "authentication-failure", 6: "authentication-required"}
)

// acseFields are the fields by acse.Kind and the number of their tag (X.227 9).
var acseFields = [...]map[uint32]acseField{
	acse.AARQ: {
		0: {"protocol-version", acseBits, protocolVersions}, 1: {"application-context-name", acseExplicit, nil},
		2: {"called-AP-title", acseExplicit, nil}, 3: {"called-AE-qualifier", acseExplicit, nil},
		4: {"called-AP-invocation-identifier", acseExplicit, nil}, 5: {"called-AE-invocation-identifier", acseExplicit, nil},
		6: {"calling-AP-title", acseExplicit, nil}, 7: {"calling-AE-qualifier", acseExplicit, nil},
		8: {"calling-AP-invocation-identifier", acseExplicit, nil}, 9: {"calling-AE-invocation-identifier", acseExplicit, nil},
		10: {"sender-acse-requirements", acseBits, requirements}, 11: {"mechanism-name", acseOID, nil},
		12: {"calling-authentication-value", acseSecret, nil}, 13: {"application-context-name-list", acseList, nil},
		14: {"p-context-definition-list", acseList, nil}, 15: {"called-asoi-tag", acseList, nil}, 16: {"calling-asoi-tag", acseList, nil},
		29: {"implementation-information", acseText, nil},
	},
	acse.AARE: {
		0: {"protocol-version", acseBits, protocolVersions}, 1: {"application-context-name", acseExplicit, nil},
		2: {"result", acseExplicit, associateResults}, 3: {"result-source-diagnostic", acseDiagnostic, nil},
		4: {"responding-AP-title", acseExplicit, nil}, 5: {"responding-AE-qualifier", acseExplicit, nil},
		6: {"responding-AP-invocation-identifier", acseExplicit, nil}, 7: {"responding-AE-invocation-identifier", acseExplicit, nil},
		8: {"responder-acse-requirements", acseBits, requirements}, 9: {"mechanism-name", acseOID, nil},
		10: {"responding-authentication-value", acseSecret, nil}, 11: {"application-context-name-list", acseList, nil},
		12: {"p-context-result-list", acseList, nil}, 13: {"called-asoi-tag", acseList, nil}, 14: {"calling-asoi-tag", acseList, nil},
		29: {"implementation-information", acseText, nil},
	},
	acse.RLRQ: {
		0: {"reason", acseInteger, requestReasons}, 13: {"aso-qualifier", acseExplicit, nil}, 14: {"asoi-identifier", acseInteger, nil},
	},
	acse.RLRE: {
		0: {"reason", acseInteger, responseReasons}, 13: {"aso-qualifier", acseExplicit, nil}, 14: {"asoi-identifier", acseInteger, nil},
	},
	acse.ABRT: {
		0: {"abort-source", acseInteger, abortSources}, 1: {"abort-diagnostic", acseInteger, abortDiagnostics},
		13: {"aso-qualifier", acseExplicit, nil}, 14: {"asoi-identifier", acseInteger, nil},
	},
}

// appendACSE appends what the ACSE APDUs of an association say.
func (w *worker) appendACSE(dst []byte, f *association.Facts) []byte {
	for kind, fields := range f.ACSE {
		if fields == nil {
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, "; "...)
		}
		dst = append(append(dst, acse.Kind(kind).String()...), " {"...)
		at := len(dst)
		var limits x411.Limits
		c := w.control.Start(fields, &limits)
		var e ber.Element
		for c.Next(&e) {
			x := acseFields[kind][e.Tag.Number()]
			if e.Tag.Class() != ber.ContextSpecific || x.shape == acseNone {
				dst = w.control.AppendAny(x411.AppendItem(dst, at, "unknown"), &c, &e)
				continue
			}
			dst = w.appendACSEField(x411.AppendItem(dst, at, x.name), &c, &e, &x)
		}
		dst = append(dst, '}')
	}
	return dst
}

func (w *worker) appendACSEField(dst []byte, c *ber.Cursor, e *ber.Element, x *acseField) []byte {
	r := &w.control
	switch x.shape {
	case acseInteger:
		return r.AppendNamed(dst, c, e, x.names)
	case acseBits:
		return r.AppendBits(dst, c, e, x.names)
	case acseOID:
		oid, _ := r.OID(c, e)
		return append(dst, oid...)
	case acseText:
		s, _ := r.Text(c, e)
		return x411.AppendClean(dst, s)
	case acseSecret:
		return append(dst, "present"...)
	case acseList:
		return r.AppendList(dst, c, e)
	}
	in, inner, ok := r.Only(c, e)
	switch {
	case !ok:
		return dst
	case x.shape == acseDiagnostic:
		source := uint8(inner.Tag.Number())
		if nc, n, ok := r.Only(&in, &inner); ok {
			v, _ := r.Integer(&nc, &n)
			dst = append(dst, abortSources[min(max(source, 1), 2)-1]...)
			dst = append(append(dst, ": "...), acse.Diagnostic(source, v)...)
		}
		return dst
	case x.names != nil:
		return r.AppendNamed(dst, &in, &inner, x.names)
	}
	return w.appendTitled(dst, &in, &inner)
}

// appendTitle appends a title or qualifier, an element by itself.
func (w *worker) appendTitle(dst, octets []byte) []byte {
	if len(octets) == 0 {
		return dst
	}
	var limits x411.Limits
	c := w.control.Start(octets, &limits)
	var e ber.Element
	if !c.Next(&e) {
		return dst
	}
	return w.appendTitled(dst, &c, &e)
}

// appendTitled appends a directory name, a part of one, or a value of a universal
// type.
func (w *worker) appendTitled(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	r := &w.control
	switch e.Tag {
	case ber.TagSequence:
		return r.AppendName(dst, c, e)
	case ber.TagSet:
		return r.AppendRDN(dst, c, e)
	case ber.TagPrintableString:
		s, _ := r.Text(c, e)
		return x411.AppendClean(dst, s)
	}
	return r.AppendAny(dst, c, e)
}
