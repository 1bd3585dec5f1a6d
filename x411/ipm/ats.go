package ipm

import (
	"bytes"

	"x400flow/x411"
)

// ATS is what an ATS message says of itself (ICAO Doc 9880 Part II): in the
// ATS-message-header that begins its text, or in heading fields.
type ATS struct {
	// Source is header, extended (heading fields) or empty.
	Source string
	// Priority is SS, DD, FF, GG or KK.
	Priority []byte
	// FilingTime is as written: DDhhmm in a header, RFC 3339 in a heading field.
	FilingTime []byte
	// OHI is the optional heading information, nil when absent.
	OHI []byte
}

// oidICAO is what the precedence policy of extended ATS messages begins with:
// {iso(1) identified-organization(3) icao(27) atn-amhs(8)}.
const oidICAO = "1.3.27.8."

// atsPrecedences are the precedences of ATS priorities in the extended service.
var atsPrecedences = [...]struct {
	precedence int32
	priority   []byte
}{
	{107, []byte("SS")}, {71, []byte("DD")}, {57, []byte("FF")}, {28, []byte("GG")}, {14, []byte("KK")},
}

// ats finds what makes m an ATS message.
func (c *Content) ats(m *Message) {
	if m.Kind != KindIPM {
		return
	}
	for i := range m.Extensions {
		x := &m.Extensions[i]
		if x.Name == "precedence-policy-identifier" && bytes.HasPrefix(x.Value, []byte(oidICAO)) {
			m.ATS.Source = "extended"
		}
	}
	if m.ATS.Source != "" {
		highest := int32(-1)
		for i := range m.Recipients {
			highest = max(highest, m.Recipients[i].Precedence)
		}
		for i := range atsPrecedences {
			if atsPrecedences[i].precedence == highest {
				m.ATS.Priority = atsPrecedences[i].priority
			}
		}
		for i := range m.Extensions {
			switch x := &m.Extensions[i]; x.Name {
			case "authorization-time":
				m.ATS.FilingTime = x.Value
			case "originators-reference":
				m.ATS.OHI = x.Value
			}
		}
		return
	}
	for i := range m.Parts {
		if p := &m.Parts[i]; p.IsText {
			parseATS(p.Text, &m.ATS)
			return
		}
	}
}

// parseATS reads an ATS-message-header: lines "PRI: FF", "FT: 201234" and
// perhaps "OHI: text", before a line that is empty or begins with STX.
func parseATS(text []byte, a *ATS) {
	text = bytes.TrimPrefix(text, []byte{1}) // SOH
	var found ATS
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		line = bytes.TrimRight(line, "\r ")
		text = rest
		switch {
		case bytes.HasPrefix(line, []byte("PRI:")) && found.Priority == nil:
			found.Priority = bytes.TrimSpace(line[4:])
		case bytes.HasPrefix(line, []byte("FT:")) && found.Priority != nil && found.FilingTime == nil:
			found.FilingTime = bytes.TrimSpace(line[3:])
		case bytes.HasPrefix(line, []byte("OHI:")) && found.FilingTime != nil && found.OHI == nil:
			found.OHI = bytes.TrimSpace(line[4:])
		default:
			text = nil
		}
	}
	if !atsPriority(found.Priority) || !filingTime(found.FilingTime) {
		return
	}
	found.Source = "header"
	*a = found
}

func atsPriority(s []byte) bool {
	switch string(s) {
	case "SS", "DD", "FF", "GG", "KK":
		return true
	}
	return false
}

func filingTime(s []byte) bool {
	if len(s) != 6 {
		return false
	}
	for _, b := range s {
		if b < '0' || b > '9' {
			return false
		}
	}
	return s[0] < '4' && s[2] < '3' && s[4] < '6'
}

// AFAddress returns the AF-address of an OR-address of an ATS message user (ICAO
// Doc 9880 Part II 2.5), eight letters, and its form: XF, where it is the
// organizational unit of organization AFTN, or CAAS, where it is the common name
// and the organizational unit is its location indicator. Both are empty for any
// other OR-address.
func AFAddress(a *x411.ORAddress) (af []byte, form string) {
	if unit := a.Units[0]; isWord(a.Organization, "AFTN") && letters(unit, 8) {
		return unit, "XF"
	}
	if isWord(a.ADMD, "ICAO") && letters(a.CommonName, 8) && letters(a.Units[0], 4) &&
		bytes.EqualFold(a.CommonName[:4], a.Units[0]) && len(a.Organization) > 0 {
		return a.CommonName, "CAAS"
	}
	return nil, ""
}

// isWord reports whether s is a word in whatever case, none of whose letters has another
// length in any.
func isWord(s []byte, word string) bool {
	return len(s) == len(word) && bytes.EqualFold(s, []byte(word))
}

func letters(s []byte, n int) bool {
	if len(s) != n {
		return false
	}
	for _, b := range s {
		if (b|0x20) < 'a' || (b|0x20) > 'z' {
			return false
		}
	}
	return true
}
