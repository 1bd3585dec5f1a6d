package schema

import "math/bits"

// ORName is an ORName (X.411 8.5.5) in a row. Its attributes are where they were decoded, so
// that the many that a name has not are neither copied nor looked at.
type ORName struct {
	Text, Key []byte
	// Attributes are the standard attributes; bit k of Present says that number k is there.
	// All others are as if they were empty.
	Attributes *[NameAttributes][]byte
	Present    uint64
	// DDA holds the domain-defined attributes as in the text: type=value/type=value.
	DDA, DirectoryName []byte
	// AF is the AF-address (ICAO Doc 9880), AFForm XF or CAAS.
	AF     []byte
	AFForm string
}

// NameAttributes is how many standard attributes have columns. They are in the order of the
// text (RFC 2156 4.1): from the country to the organizational units and the parts of a personal
// name, with the numeric identifier and the terminal type last.
const NameAttributes = 17

// Columns of a name, the first ones those of the standard attributes.
const (
	nameCountry = iota
	nameADMD
	namePRMD
	nameX121
	nameTerminalID
	nameOrganization
	nameOU1
	nameOU2
	nameOU3
	nameOU4
	nameCommonName
	nameSurname
	nameGivenName
	nameInitials
	nameGeneration
	nameNumericID
	nameTerminalType
	nameText
	nameKey
	nameDDA
	nameDirectoryName
	nameAF
	nameAFForm
	nameColumns
)

// There are as many attributes as there are columns before the others.
var _ [NameAttributes]struct{} = [nameText]struct{}{}

// names are the columns of a name in each row.
type names [nameColumns]Texts

// put makes n the name of a row that is the last of rows.
func (c *names) put(rows int, n *ORName) {
	if a := n.Attributes; a != nil {
		for set := n.Present & (1<<NameAttributes - 1); set != 0; set &= set - 1 {
			k := bits.TrailingZeros64(set)
			put(&c[k], rows, text(&a[k]))
		}
	}
	if len(n.Text) > 0 {
		put(&c[nameText], rows, text(&n.Text))
	}
	if len(n.Key) > 0 {
		put(&c[nameKey], rows, text(&n.Key))
	}
	if len(n.DDA) > 0 {
		put(&c[nameDDA], rows, text(&n.DDA))
	}
	if len(n.DirectoryName) > 0 {
		put(&c[nameDirectoryName], rows, text(&n.DirectoryName))
	}
	if len(n.AF) > 0 {
		put(&c[nameAF], rows, text(&n.AF))
	}
	if len(n.AFForm) > 0 {
		put(&c[nameAFForm], rows, n.AFForm)
	}
}

func (c *names) size() int {
	n := 0
	for i := range c {
		n += c[i].size()
	}
	return n
}

func (c *names) held() int {
	n := 0
	for i := range c {
		n += c[i].held()
	}
	return n
}

func (c *names) reset() {
	for i := range c {
		c[i].reset()
	}
}
