package x411

import (
	"errors"
	"fmt"
	"strings"
)

// labelKinds are the labels that people write for attributes (RFC 2156 section
// 4.2, RFC 1685, F.401 Annex B), in upper case; those of the text itself are
// added to them.
var labelKinds = map[string]AttributeKind{
	"A": AttrADMD, "P": AttrPRMD, "X.121": AttrX121, "ORG": AttrOrganization,
	"OU.1": AttrUnit1, "OU.2": AttrUnit2, "OU.3": AttrUnit3, "OU.4": AttrUnit4,
	"Q": AttrGeneration, "UA-ID": AttrNumericID, "UN-ID": AttrNumericID, "N-ID": AttrNumericID,
	"PN-S": AttrSurname, "PN-G": AttrGivenName, "PN-I": AttrInitials, "PN-GQ": AttrGeneration,
}

func init() {
	for k, label := range attrLabel {
		if label != "" && AttributeKind(k) != AttrDDA {
			labelKinds[label] = AttributeKind(k)
		}
	}
}

// ErrNoAttributes says that a text is not in one of the forms of an OR-address.
var ErrNoAttributes = errors.New("not an OR-address: it has no attribute such as S=Smith")

// AnyUnit is the Number of an attribute of [ParseAttributes] that was written as
// OU without its place.
const AnyUnit = -1

// ParseAttributes reads attributes of an OR-address as people write them:
//
//	/C=GB/ADMD=BT/O=ACME/S=Smith/     as package x411 writes it (RFC 2156 section 4.2)
//	S=Smith; O=ACME; A=BT; C=GB       RFC 1685, F.401 Annex B
//	DDA:RFC-822=smith(a)example.com   one attribute alone
//
// Labels may be in either case, attributes in any order. "\", and in the first
// form "$", before a character makes it part of the value. The result is
// ErrNoAttributes where text has neither "/" at the front nor ";" and does not
// begin with a label; text that has them and cannot be read gives another error.
func ParseAttributes(text string) ([]Attribute, error) {
	text = strings.TrimSpace(text)
	slash := strings.HasPrefix(text, "/")
	delimiter := byte(';')
	if slash {
		delimiter = '/'
	}
	var list []Attribute
	several := slash || strings.Contains(text, ";")
	for _, part := range cutAttributes(text, delimiter, slash) {
		if strings.TrimSpace(part.text) == "" {
			continue
		}
		a, err := parseAttribute(part)
		if err != nil {
			if !several {
				return nil, ErrNoAttributes
			}
			return nil, err
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, ErrNoAttributes
	}
	return list, nil
}

// writtenAttribute is an attribute in a text; equals is where its "=" stands, -1 for none.
type writtenAttribute struct {
	text   string
	equals int
}

// cutAttributes takes a text apart at delimiters that are not escaped.
func cutAttributes(text string, delimiter byte, dollar bool) []writtenAttribute {
	var list []writtenAttribute
	var b []byte
	equals := -1
	end := func() {
		list = append(list, writtenAttribute{string(b), equals})
		b, equals = b[:0], -1
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case (c == '\\' || c == '$' && dollar) && i+1 < len(text):
			i++
			b = append(b, text[i])
		case c == delimiter:
			end()
		default:
			// The type of a domain-defined attribute ends at the first "=".
			if c == '=' && equals < 0 {
				equals = len(b)
			}
			b = append(b, c)
		}
	}
	end()
	return list
}

func parseAttribute(p writtenAttribute) (Attribute, error) {
	if p.equals < 0 {
		return Attribute{}, fmt.Errorf("OR-address: %q has no \"=\"", p.text)
	}
	label, value := strings.TrimSpace(p.text[:p.equals]), strings.TrimSpace(p.text[p.equals+1:])
	a := Attribute{Value: []byte(value)}
	upper := strings.ToUpper(label)
	for _, prefix := range []string{"DDA:", "DD.", "DDA."} {
		if strings.HasPrefix(upper, prefix) {
			a.Kind, a.Type = AttrDDA, []byte(strings.TrimSpace(label[len(prefix):]))
			return a, nil
		}
	}
	if upper == "OU" {
		a.Kind, a.Number = AttrUnit1, AnyUnit
		return a, nil
	}
	kind, ok := labelKinds[upper]
	if !ok {
		return a, fmt.Errorf("OR-address: %q is no attribute; attributes are C, ADMD (or A), PRMD (P), O, OU1 to OU4, S, G, I, GQ (Q), CN, X121, N-ID, T-ID, PD-..., DDA:type", label)
	}
	a.Kind = kind
	return a, nil
}

// AppendKeyPart appends the attribute as it stands in [ORName.Key], from "/" to
// "/". A value that ends with "*" stands for all that begin with what is before;
// the closing "/" is then left out.
func (a *Attribute) AppendKeyPart(dst []byte) []byte {
	at := len(dst)
	x := *a
	prefix := len(x.Value) > 0 && x.Value[len(x.Value)-1] == '*'
	if prefix {
		x.Value = x.Value[:len(x.Value)-1]
	}
	if a.Kind == AttrDDA {
		dst = appendLabel(dst, at, "dda:")
		dst = appendFolded(dst[:len(dst)-1], x.Type, true)
		dst = append(dst, '=')
		dst = appendFolded(dst, x.Value, false)
	} else {
		dst = appendLabel(dst, at, strings.ToLower(attrLabel[a.Kind]))
		dst = appendKey(dst, x.Kind, x.Value)
	}
	if prefix {
		return dst
	}
	return append(dst, '/')
}
