package x411

// ORName is an ORName (X.411 8.5.5): an OR-address, a directory name, or both.
type ORName struct {
	// Text is the readable form, Key the form to compare; the package
	// documentation gives the convention. Text is empty when the name is
	// absent or has neither address nor directory name.
	Text []byte
	Key  []byte
	// Present says that the field was there, be it empty.
	Present bool
	// Address is the OR-address in parts.
	Address ORAddress
	// DirectoryName is the text of the directory name, nil when absent.
	DirectoryName []byte
	// Octets is where the name stands in the input.
	Octets Range
}

// ORAddress is an ORAddress (X.411 8.5.5, X.402 18). Each field holds the chosen
// form's value as UTF-8, unescaped; nil means absent, empty means present
// without a character.
type ORAddress struct {
	Country      []byte
	ADMD         []byte
	PRMD         []byte
	X121         []byte // network-address
	TerminalID   []byte
	Organization []byte
	Units        [4][]byte // OU1 to OU4
	CommonName   []byte
	Surname      []byte
	GivenName    []byte
	Initials     []byte
	Generation   []byte
	NumericID    []byte
	TerminalType []byte // name or number
	// Attributes are, in the order sent and in all forms, the attributes of which the fields do not
	// tell all: domain-defined and extension attributes, and of the other built-in ones those whose
	// octets are not the value of their field.
	Attributes []Attribute

	// kinds has bit k set where the field of the kind k may be, and bit AttrDDA where there are
	// domain-defined attributes.
	kinds uint64
}

// clear empties a, which most often is empty.
func (a *ORAddress) clear() {
	if a.kinds != 0 || a.Attributes != nil {
		*a = ORAddress{}
	}
}

// HasDDAs reports whether there are domain-defined attributes. It is of an address that was
// decoded.
func (a *ORAddress) HasDDAs() bool { return a.kinds&(1<<AttrDDA) != 0 }

// fieldKinds is how many kinds of attribute, of those that come first, have a field.
const fieldKinds = AttrTerminalType + 1

// AttributeKind says which attribute of an OR-address it is. Its order is that
// of the text.
type AttributeKind uint8

// The kinds of attribute.
const (
	AttrCountry AttributeKind = iota
	AttrADMD
	AttrPRMD
	AttrX121
	AttrTerminalID
	AttrOrganization
	AttrUnit1
	AttrUnit2
	AttrUnit3
	AttrUnit4
	AttrCommonName
	AttrSurname
	AttrGivenName
	AttrInitials
	AttrGeneration
	AttrNumericID
	AttrTerminalType
	AttrPDPersonalName
	AttrPDOrganization
	AttrPDStreet
	AttrPDBox
	AttrPDRestante
	AttrPDUnique
	AttrPDLocal
	AttrPDAddress
	AttrPDOffice
	AttrPDOfficeNumber
	AttrPDCode
	AttrPDCountry
	AttrPDExtAddress
	AttrPDExtDelivery
	AttrPDService
	AttrNetNumber
	AttrNetSubaddress
	AttrNetPSAP
	AttrDDA
	// AttrUnknown is an extension attribute that X.411 does not define; Number
	// tells which.
	AttrUnknown
	attrCount
)

var attrLabel = [attrCount]string{
	"C", "ADMD", "PRMD", "X121", "T-ID", "O", "OU1", "OU2", "OU3", "OU4", "CN",
	"S", "G", "I", "GQ", "N-ID", "T-TY", "PD-PN", "PD-O", "PD-STREET", "PD-BOX",
	"PD-RESTANTE", "PD-UNIQUE", "PD-LOCAL", "PD-ADDRESS", "PD-OFFICE",
	"PD-OFFICE-NUM", "PD-CODE", "PD-C", "PD-EXT-ADDRESS", "PD-EXT-DELIVERY",
	"PD-SERVICE", "NET-NUM", "NET-SUB", "NET-PSAP", "DDA", "",
}

// attrPrefix is what stands before the value of an attribute: its label and "=". All have one
// size, so that they are copied without a call, and there is one for each bit of a word.
type attrPrefix struct {
	text   [maxPrefix]byte
	length int
}

const maxPrefix = 16

var attrPrefixes = func() (t [64]attrPrefix) {
	for k, label := range attrLabel {
		t[k].length = copy(t[k].text[:], label+"=")
	}
	return t
}()

// Label returns the label of the attribute in the text, without ":type".
func (k AttributeKind) Label() string {
	if k < attrCount {
		return attrLabel[k]
	}
	return ""
}

// Form is the form of an attribute's value (X.402 clause 18).
type Form uint8

// The forms, in the order in which the text prefers them.
const (
	FormPrintable Form = iota
	FormNumeric
	FormTeletex
	FormUniversal
	// FormOther is a value that is no character string.
	FormOther
)

// String returns the form's name.
func (f Form) String() string {
	switch f {
	case FormPrintable:
		return "printable"
	case FormNumeric:
		return "numeric"
	case FormTeletex:
		return "teletex"
	case FormUniversal:
		return "universal"
	}
	return "other"
}

// Attribute is one attribute of an OR-address in one form.
type Attribute struct {
	Kind AttributeKind
	Form Form
	// Number is the extension-attribute-type (X.411 Figure 2), 0 for built-in
	// attributes.
	Number int32
	// Type is the type of a domain-defined attribute, as UTF-8.
	Type []byte
	// Value is the value as UTF-8.
	Value []byte
	// Raw is the value's octets as sent: T.61, UCS-2 or UCS-4 where Value is a
	// conversion of them.
	Raw []byte
	// Language is the ISO 639 code of a universal string, nil when absent.
	Language []byte
}
