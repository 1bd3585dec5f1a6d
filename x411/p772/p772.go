// Package p772 decodes what STANAG 4406 and ACP 123 (military messaging, content
// type P772) add to interpersonal messages: the heading extensions, the
// per-recipient and notification extensions, the body parts, and the envelope
// extension priority-level-qualifier.
//
// # How it is called
//
// A content decoder calls [Decoder.Reset] before each content, and
// [Decoder.Decode] for each IPMS-EXTENSION of a heading, of a recipient
// specifier, or of an other-notification, with the extension's type in dotted
// form and the encoding of its value:
//
//	var military p772.Decoder
//	military.Reset()
//	for each extension {
//		field, ok := military.Decode(oid, value)
//		// ok is false where the OID is none of STANAG 4406.
//	}
//
// The same call decodes parameters and data of an extended body part by their
// OIDs. A body part of [KindMessage] holds an IPM (in parameters and data, or as
// forwarded content), which the content decoder reads itself; [Field.Octets] is
// its encoding.
//
// # Values
//
// [Field.Items] tell each part by name, with its place where it is one of a
// list; [Field.Text] has all of them in one line: the value alone of a field
// that is one value, else items "name=value" separated by "; ", and " | "
// between the elements of a list. Numbers that the standard names are written by
// name, others in decimal. Times are written as RFC 3339 does, OR-names and
// security labels as package x411 does.
//
// # What is refused
//
// A damaged part costs only itself: the rest is read, and [Field.Failure] tells
// the first that was not. Upper bounds of the standard are not enforced; those
// that apply are [MaxItems] and x411's limits on text and nesting.
//
// # Memory
//
// What Decode returns is valid until Reset, and as long as the octets given to it
// are not changed. In steady state nothing allocates. A Decoder belongs to one
// goroutine at a time.
package p772

import (
	"bytes"

	"x400flow/osi/ber"
	"x400flow/x411"
)

// MaxItems bounds the items of one Field; what comes beyond is counted.
const MaxItems = 4096

// Kind says where a value of the type stands.
type Kind uint8

// The kinds. KindData is the data of a body part, KindParameters its parameters,
// KindMessage data that are an IPM or a notification.
const (
	KindHeading Kind = iota + 1
	KindRecipient
	KindNotification
	KindEnvelope
	KindParameters
	KindData
	KindMessage
)

// Item is one part of a field.
type Item struct {
	// Name is the part's name, such as sic; that of the field where it is one
	// value.
	Name string
	// Position is the place in the list that the part belongs to, from 1; 0 where
	// there is no list.
	Position int
	// Text is the value, readable.
	Text []byte
	// Number is the value of an INTEGER, ENUMERATED or of the first 63 bits of a
	// BIT STRING (bit n being bit n of the string), -1 for other types.
	Number int64
}

// Field is one decoded value.
type Field struct {
	// Name is the standard's name, such as primary-precedence.
	Name  string
	Kind  Kind
	Items []Item
	// More counts the items beyond MaxItems.
	More int
	// Text is the whole in one line.
	Text []byte
	// Octets is the encoding of the value.
	Octets []byte
	// Failure is what could not be read first, with its path below Name.
	Failure x411.Failure
	// Unknown counts elements that the standard does not define.
	Unknown int
}

// Item returns the first item called name, nil where there is none.
func (f *Field) Item(name string) *Item {
	for i := range f.Items {
		if f.Items[i].Name == name {
			return &f.Items[i]
		}
	}
	return nil
}

// Decoder decodes fields. The zero value is ready after Reset.
type Decoder struct {
	v     x411.Values
	name  x411.ORName
	items []Item
	first int // Of the field's items.
	more  int
	out   []byte
	text  []byte
}

// Reset forgets what was decoded.
func (d *Decoder) Reset() {
	d.v.Reset(x411.Limits{})
	clear(d.items)
	d.items = d.items[:0]
}

// The prefixes of the object identifiers (MMSObjectIdentifiers).
const (
	headingPrefix  = "1.3.26.0.4406.0.2."
	bodyPartPrefix = "1.3.26.0.4406.0.7."
	priorityLevel  = "1.3.26.0.4406.0.8.0"
	contentP772    = "2.6.1.4.17.1.3.26.0.4406.0.4.1"
)

// ContentType is the object identifier of the content type P772 (id-mct-p772),
// in dotted form.
const ContentType = "1.3.26.0.4406.0.4.1"

// shape is how a value is read.
type shape uint8

const (
	shapeNone shape = iota
	shapeNumber
	shapePrecedence
	shapeLevel
	shapePrintable
	shapeIA5
	shapeTime
	shapeMessageType
	shapeCodes
	shapeNotification
	shapeResponse
	shapeLabels
	shapeADatP3
	shapeEncrypted
	shapeForwarded
	// Those from here on are SEQUENCE OF.
	shapeAddressLists
	shapeDescriptors
	shapeInstructions
	shapeOtherRecipients
	shapePilot
)

// definition is what is known of one object identifier. item is the name of the
// value's items where there is one kind.
type definition struct {
	name  string
	kind  Kind
	shape shape
	item  string
}

// headings are the extensions by the last arc of their identifier.
var headings = [...]definition{
	0:  {"primary-precedence", KindHeading, shapePrecedence, ""},
	1:  {"copy-precedence", KindHeading, shapePrecedence, ""},
	2:  {"message-type", KindHeading, shapeMessageType, ""},
	3:  {"address-list-indicator", KindHeading, shapeAddressLists, ""},
	4:  {"exempted-address", KindHeading, shapeDescriptors, ""},
	5:  {"extended-authorisation-info", KindHeading, shapeTime, ""},
	6:  {"distribution-codes", KindHeading, shapeCodes, ""},
	7:  {"handling-instructions", KindHeading, shapeInstructions, "handling-instruction"},
	8:  {"message-instructions", KindHeading, shapeInstructions, "message-instruction"},
	9:  {"codress-message", KindHeading, shapeNumber, ""},
	10: {"originator-reference", KindHeading, shapePrintable, ""},
	11: {"other-recipients-indicator", KindHeading, shapeOtherRecipients, ""},
	12: {"pilot-forwarding-info", KindHeading, shapePilot, ""},
	13: {"acp127-message-identifier", KindHeading, shapePrintable, ""},
	14: {"originator-plad", KindHeading, shapePrintable, ""},
	15: {"acp127-notification-request", KindRecipient, shapeNotification, ""},
	16: {"acp127-notification-response", KindNotification, shapeResponse, ""},
	17: {"information-labels", KindHeading, shapeLabels, ""},
}

// bodyParts are data and parameters of body parts by the last arc.
var bodyParts = [...]definition{
	0:  {"adatp3", KindData, shapeADatP3, ""},
	1:  {"corrections", KindData, shapeIA5, ""},
	2:  {"adatp3-parameters", KindParameters, shapeNumber, ""},
	3:  {"corrections-parameters", KindParameters, shapeNumber, ""},
	6:  {"forwarded-encrypted", KindData, shapeEncrypted, ""},
	7:  {"forwarded-encrypted-parameters", KindParameters, shapeForwarded, ""},
	9:  {"mm-message", KindMessage, shapeNone, ""},
	10: {"mm-message-parameters", KindParameters, shapeForwarded, ""},
	12: {"acp127-data", KindData, shapeIA5, ""},
	13: {"acp127-data-parameters", KindParameters, shapeNumber, ""},
}

var (
	priorityLevelQualifier = definition{"priority-level-qualifier", KindEnvelope, shapeLevel, ""}
	forwardedContent       = definition{"content-p772", KindMessage, shapeNone, ""}
)

func lookup(oid []byte) *definition {
	if rest, ok := bytes.CutPrefix(oid, []byte(headingPrefix)); ok {
		return at(headings[:], rest)
	}
	if rest, ok := bytes.CutPrefix(oid, []byte(bodyPartPrefix)); ok {
		return at(bodyParts[:], rest)
	}
	switch string(oid) {
	case priorityLevel:
		return &priorityLevelQualifier
	case contentP772:
		return &forwardedContent
	}
	return nil
}

func at(table []definition, arc []byte) *definition {
	if len(arc) == 0 || len(arc) > 2 {
		return nil
	}
	n := 0
	for _, b := range arc {
		if b < '0' || b > '9' {
			return nil
		}
		n = n*10 + int(b-'0')
	}
	if n >= len(table) || table[n].name == "" || len(arc) == 2 && arc[0] == '0' {
		return nil
	}
	return &table[n]
}

// Name returns the name and the kind of what an object identifier in dotted form
// stands for; ok is false where it is none of STANAG 4406.
func Name(oid []byte) (name string, kind Kind, ok bool) {
	def := lookup(oid)
	if def == nil {
		return "", 0, false
	}
	return def.name, def.kind, true
}

// Decode decodes value, the encoding of a value of the type that the object
// identifier in dotted form stands for. ok is false where that is none of STANAG
// 4406; a value that cannot be read gives a Field with a Failure.
func (d *Decoder) Decode(oid, value []byte) (f Field, ok bool) {
	def := lookup(oid)
	if def == nil {
		return Field{}, false
	}
	f = Field{Name: def.name, Kind: def.kind, Octets: value}
	if def.shape == shapeNone {
		return f, true
	}
	d.first, d.more = len(d.items), 0
	c := d.v.Start(value)
	d.v.Push(def.name)
	var e ber.Element
	if c.Next(&e) {
		d.value(def, &c, &e)
		if c.More() {
			d.v.Fail(x411.CodeTrailing, c.Offset())
		}
	} else if d.v.End(&c); c.Code() == ber.None {
		d.v.Fail(x411.CodeMissing, 0)
	}
	f.Items, f.More = d.items[d.first:len(d.items):len(d.items)], d.more
	f.Failure = d.v.Failure()
	f.Unknown, _ = d.v.Unknown()
	f.Text = d.line(f.Items)
	return f, true
}

// line writes items in one line.
func (d *Decoder) line(items []Item) []byte {
	if len(items) == 1 && items[0].Position == 0 {
		return items[0].Text
	}
	d.text = d.text[:0]
	for i := range items {
		x := &items[i]
		if i > 0 {
			separator := "; "
			if x.Position != items[i-1].Position {
				separator = " | "
			}
			d.text = append(d.text, separator...)
		}
		if len(d.text) > x411.DefaultText {
			d.text = append(d.text, "..."...)
			break
		}
		d.text = append(d.text, x.Name...)
		d.text = append(d.text, '=')
		d.text = append(d.text, x.Text...)
	}
	return d.v.Keep(d.text)
}

// add keeps an item whose text is valid until Reset.
func (d *Decoder) add(name string, position int, text []byte, number int64) {
	if len(d.items)-d.first >= MaxItems {
		d.more++
		return
	}
	d.items = append(d.items, Item{name, position, text, number})
}

// addOut keeps an item whose text is in d.out.
func (d *Decoder) addOut(name string, position int) { d.add(name, position, d.v.Keep(d.out), -1) }
