package decode

import (
	"bytes"

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
	acseDefinitions // Syntactic-context-list.
	acseResults     // P-context-result-list.
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
		14: {"p-context-definition-list", acseDefinitions, nil}, 15: {"called-asoi-tag", acseList, nil}, 16: {"calling-asoi-tag", acseList, nil},
		29: {"implementation-information", acseText, nil},
	},
	acse.AARE: {
		0: {"protocol-version", acseBits, protocolVersions}, 1: {"application-context-name", acseExplicit, nil},
		2: {"result", acseExplicit, associateResults}, 3: {"result-source-diagnostic", acseDiagnostic, nil},
		4: {"responding-AP-title", acseExplicit, nil}, 5: {"responding-AE-qualifier", acseExplicit, nil},
		6: {"responding-AP-invocation-identifier", acseExplicit, nil}, 7: {"responding-AE-invocation-identifier", acseExplicit, nil},
		8: {"responder-acse-requirements", acseBits, requirements}, 9: {"mechanism-name", acseOID, nil},
		10: {"responding-authentication-value", acseSecret, nil}, 11: {"application-context-name-list", acseList, nil},
		12: {"p-context-result-list", acseResults, nil}, 13: {"called-asoi-tag", acseList, nil}, 14: {"calling-asoi-tag", acseList, nil},
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

// acseTold is what was told last of an APDU's fields, behind so many octets of others: most
// associations say the same.
type acseTold struct {
	fields []byte
	before int
	text   []byte // Empty before the first.
}

// appendACSE appends what the ACSE APDUs of an association say to an empty text.
func (w *worker) appendACSE(dst []byte, f *association.Facts) []byte {
	for kind, fields := range f.ACSE {
		if fields == nil {
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, "; "...)
		}
		told, before := &w.acse[kind], len(dst)
		if len(told.text) == 0 || told.before != before || !bytes.Equal(told.fields, fields) {
			dst = w.appendACSEFields(dst, acse.Kind(kind), fields)
			told.fields, told.before, told.text = append(told.fields[:0], fields...), before, append(told.text[:0], dst[before:]...)
		} else {
			dst = append(dst, told.text...)
		}
	}
	return dst
}

func (w *worker) appendACSEFields(dst []byte, kind acse.Kind, fields []byte) []byte {
	dst = append(append(dst, kind.String()...), " {"...)
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
	return append(dst, '}')
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
		return w.appendAuthentication(dst, c, e)
	case acseList:
		return r.AppendList(dst, c, e)
	case acseDefinitions, acseResults:
		return w.appendContexts(dst, c, e, x.shape == acseResults)
	}
	var inner ber.Element
	in, ok := r.Only(c, e, &inner)
	switch {
	case !ok:
		return dst
	case x.shape == acseDiagnostic:
		source := uint8(inner.Tag.Number())
		var n ber.Element
		if nc, ok := r.Only(&in, &inner, &n); ok {
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

// appendAuthentication appends the alternative of an authentication value, of other
// ones the mechanism. The value itself is not in the archive.
func (w *worker) appendAuthentication(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	r := &w.control
	var inner ber.Element
	in, ok := r.Only(c, e, &inner)
	if !ok {
		return append(dst, "present"...)
	}
	dst = append(dst, x411.NameOf([]string{"charstring", "bitstring", "external", "other"}, int64(inner.Tag.Number()))...)
	var f ber.Element
	if other := in.Enter(&inner); inner.Tag == ber.Context(3) && other.Next(&f) && f.Tag == ber.TagOID {
		oid, _ := r.OID(&other, &f)
		dst = append(append(dst, ' '), oid...)
	}
	return dst
}

var (
	contextResults  = []string{"acceptance", "user-rejection", "provider-rejection"}
	providerReasons = []string{"reason-not-specified", "abstract-syntax-not-supported", "proposed-transfer-syntaxes-not-supported",
		"local-limit-on-DCS-exceeded"}
)

// appendContexts appends presentation contexts, proposed ones or the results of some:
// numbers and object identifiers, whose tags are explicit, implicit or none.
func (w *worker) appendContexts(dst []byte, c *ber.Cursor, e *ber.Element, results bool) []byte {
	r := &w.control
	in := c.Enter(e)
	var f ber.Element
	dst = append(dst, '{')
	for i := 0; in.Next(&f) && !r.Full(dst); i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		switch {
		case f.Constructed:
			dst = w.appendContexts(dst, &in, &f, results)
		case results && f.Tag == ber.Context(0):
			dst = r.AppendNamed(dst, &in, &f, contextResults)
		case f.Tag == ber.Context(2):
			dst = r.AppendNamed(dst, &in, &f, providerReasons)
		case f.Tag == ber.TagInteger:
			dst = r.AppendNamed(dst, &in, &f, nil)
		default:
			oid, _ := r.OID(&in, &f)
			dst = append(dst, oid...)
		}
	}
	return append(dst, '}')
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
