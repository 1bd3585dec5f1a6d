package p772

import (
	"strconv"

	"x400flow/osi/ber"
	"x400flow/x411"
)

// value reads e as def says.
func (d *Decoder) value(def *definition, c *ber.Cursor, e *ber.Element) {
	switch def.shape {
	case shapeNumber:
		if d.v.Is(e, ber.TagInteger) {
			d.number(def.name, 0, c, e, nil)
		}
	case shapePrecedence:
		if d.v.Is(e, ber.TagInteger) {
			d.number(def.name, 0, c, e, precedenceNames)
		}
	case shapeLevel:
		if e.Tag == ber.TagInteger || d.v.Is(e, ber.TagEnumerated) {
			d.number(def.name, 0, c, e, levelNames)
		}
	case shapePrintable:
		// Some send the MilitaryString, a PrintableString, as an IA5String.
		if e.Tag == ber.TagIA5String || d.v.Is(e, ber.TagPrintableString) {
			d.string(def.name, 0, c, e)
		}
	case shapeIA5:
		if d.v.Is(e, ber.TagIA5String) {
			d.string(def.name, 0, c, e)
		}
	case shapeTime:
		if d.v.Is(e, ber.TagUTCTime) {
			d.out = d.v.AppendTime(d.out[:0], c, e)
			d.addOut(def.name, 0)
		}
	case shapeMessageType:
		if d.v.Is(e, ber.TagSet) {
			d.messageType(c, e)
		}
	case shapeCodes:
		if d.v.Is(e, ber.TagSet) {
			d.distributionCodes(c, e)
		}
	case shapeNotification:
		if d.v.Is(e, ber.TagBitString) {
			d.notificationType(def.name, c, e)
		}
	case shapeResponse:
		if d.v.Is(e, ber.TagSet) {
			d.notificationResponse(c, e)
		}
	case shapeLabels:
		if d.v.Is(e, ber.TagSequence) {
			d.informationLabels(c, e)
		}
	case shapeADatP3:
		d.adatp3(c, e)
	case shapeEncrypted:
		if d.v.Is(e, ber.TagBitString) {
			d.encrypted(def.name, c, e)
		}
	case shapeForwarded:
		if d.v.Is(e, ber.TagSet) {
			d.forwardedParameters(c, e)
		}
	default:
		if d.v.Is(e, ber.TagSequence) {
			d.list(def, c, e)
		}
	}
}

// list reads a SEQUENCE OF under whatever tag.
func (d *Decoder) list(def *definition, c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for i := 1; in.Next(&f); i++ {
		d.v.PushIndex(i - 1)
		switch def.shape {
		case shapeAddressLists:
			if d.v.Is(&f, ber.TagSet) {
				d.addressList(i, &in, &f)
			}
		case shapeDescriptors:
			if d.v.Is(&f, ber.TagSet) {
				d.descriptor(&addressItems, i, &in, &f)
			}
		case shapeInstructions:
			d.string(def.item, i, &in, &f)
		case shapeOtherRecipients:
			if d.v.Is(&f, ber.TagSet) {
				d.otherRecipient(i, &in, &f)
			}
		case shapePilot:
			if d.v.Is(&f, ber.TagSequence) {
				d.pilot(i, &in, &f)
			}
		}
		d.v.Pop()
	}
	d.v.End(&in)
}

// precedenceNames are the precedences; 16 to 18 are in national use.
var precedenceNames = []string{
	0: "deferred", 1: "routine", 2: "priority", 3: "immediate", 4: "flash", 5: "override",
	16: "ecp", 17: "critic", 18: "override",
}

var (
	levelNames    = []string{"low", "high"}
	typeNames     = []string{"exercise", "operation", "project", "drill"}
	listTypeNames = []string{"primary-address-list", "copy-address-list"}
	requestNames  = []string{"action", "info", "both"}
	otherNames    = []string{"primary", "copy"}
	notifications = []string{"acp127-nn", "acp127-pn", "acp127-tn"}
)

func (d *Decoder) number(name string, position int, c *ber.Cursor, e *ber.Element, names []string) {
	n, ok := d.v.Integer(c, e)
	if !ok {
		return
	}
	if n >= 0 && n < int64(len(names)) && names[n] != "" {
		d.out = append(d.out[:0], names[n]...)
	} else {
		d.out = strconv.AppendInt(d.out[:0], n, 10)
	}
	d.add(name, position, d.v.Keep(d.out), n)
}

func (d *Decoder) string(name string, position int, c *ber.Cursor, e *ber.Element) {
	if s, ok := d.v.Text(c, e); ok {
		d.add(name, position, s, -1)
	}
}

func (d *Decoder) orName(name string, position int, c *ber.Cursor, e *ber.Element) {
	d.name = x411.ORName{}
	d.v.ORName(c, e, &d.name)
	d.add(name, position, d.name.Text, -1)
}

func (d *Decoder) label(name string, position int, c *ber.Cursor, e *ber.Element) {
	d.v.Push(name)
	d.out = d.v.AppendSecurityLabel(d.out[:0], c, e)
	d.addOut(name, position)
	d.v.Pop()
}

// messageType reads a MessageType.
func (d *Decoder) messageType(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.number("type", 0, &in, &f, typeNames)
		case ber.Context(1):
			d.string("identifier", 0, &in, &f)
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// descriptorItems are the names of an ORDescriptor's parts.
type descriptorItems struct{ name, freeForm, telephone string }

var (
	addressItems = descriptorItems{"address", "address-free-form", "address-telephone"}
	listItems    = descriptorItems{"list-name", "list-name-free-form", "list-name-telephone"}
	pilotItems   = descriptorItems{"pilot-recipient", "pilot-recipient-free-form", "pilot-recipient-telephone"}
)

// descriptor reads an ORDescriptor (X.420 7.1.3) under whatever tag.
func (d *Decoder) descriptor(names *descriptorItems, position int, c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.App(0):
			d.orName(names.name, position, &in, &f)
		case ber.Context(0):
			if s, ok := d.v.Teletex(&in, &f); ok {
				d.add(names.freeForm, position, s, -1)
			}
		case ber.Context(1):
			d.string(names.telephone, position, &in, &f)
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// addressList reads an AddressListDesignator.
func (d *Decoder) addressList(i int, c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.number("type", i, &in, &f, listTypeNames)
		case ber.Context(1):
			d.v.Push("list-name")
			d.descriptor(&listItems, i, &in, &f)
			d.v.Pop()
		case ber.Context(2):
			d.number("notification-request", i, &in, &f, requestNames)
		case ber.Context(3):
			d.number("reply-request", i, &in, &f, requestNames)
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// distributionCodes reads DistributionCodes: subject indicator codes, and what
// further codes a community defines.
func (d *Decoder) distributionCodes(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.v.Push("sics")
			codes := in.Enter(&f)
			for i := 1; codes.Next(&g); i++ {
				d.v.PushIndex(i - 1)
				d.string("sic", i, &codes, &g)
				d.v.Pop()
			}
			d.v.End(&codes)
			d.v.Pop()
		case ber.Context(1):
			d.v.Push("dist-extensions")
			codes := in.Enter(&f)
			for i := 1; codes.Next(&g); i++ {
				d.v.PushIndex(i - 1)
				d.out = d.distributionExtension(d.out[:0], &codes, &g)
				d.addOut("dist-extension", i)
				d.v.Pop()
			}
			d.v.End(&codes)
			d.v.Pop()
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// distributionExtension appends a DistributionExtensionField, an OID and a value
// of its type (or INSTANCE OF, which is the same with its value tagged), as
// "oid (value)".
func (d *Decoder) distributionExtension(dst []byte, c *ber.Cursor, e *ber.Element) []byte {
	in := c.Enter(e)
	var f ber.Element
	for i := 0; in.Next(&f); i++ {
		if i == 0 && d.v.Is(&f, ber.TagOID) {
			oid, _ := d.v.OID(&in, &f)
			dst = append(dst, oid...)
			continue
		}
		dst = append(dst, " ("...)
		dst = d.v.AppendAny(dst, &in, &f)
		dst = append(dst, ')')
	}
	d.v.End(&in)
	return dst
}

// otherRecipient reads an OtherRecipientDesignator.
func (d *Decoder) otherRecipient(i int, c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.number("type", i, &in, &f, otherNames)
		case ber.Context(1):
			d.string("designator", i, &in, &f)
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// pilot reads a PilotInformation.
func (d *Decoder) pilot(i int, c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.number("pilot-precedence", i, &in, &f, precedenceNames)
		case ber.Context(1):
			d.v.Push("pilot-recipient")
			names := in.Enter(&f)
			for j := 0; names.Next(&g); j++ {
				d.v.PushIndex(j)
				if d.v.Is(&g, ber.TagSet) {
					d.descriptor(&pilotItems, i, &names, &g)
				}
				d.v.Pop()
			}
			d.v.End(&names)
			d.v.Pop()
		case ber.Context(2):
			d.label("pilot-security", i, &in, &f)
		case ber.Context(3):
			d.v.Push("pilot-handling")
			lines := in.Enter(&f)
			for j := 0; lines.Next(&g); j++ {
				d.v.PushIndex(j)
				d.string("pilot-handling", i, &lines, &g)
				d.v.Pop()
			}
			d.v.End(&lines)
			d.v.Pop()
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// notificationType reads an Acp127NotificationType under whatever tag.
func (d *Decoder) notificationType(name string, c *ber.Cursor, e *ber.Element) {
	bits, ok := d.v.Flags(c, e)
	if !ok {
		return
	}
	d.out = d.out[:0]
	for n := range 64 {
		if bits&(1<<n) == 0 {
			continue
		}
		if len(d.out) > 0 {
			d.out = append(d.out, ',')
		}
		if n < len(notifications) {
			d.out = append(d.out, notifications[n]...)
		} else {
			d.out = strconv.AppendInt(append(d.out, "bit-"...), int64(n), 10)
		}
	}
	d.add(name, 0, d.v.Keep(d.out), int64(bits&(1<<63-1)))
}

// notificationResponse reads an Acp127NotificationResponse.
func (d *Decoder) notificationResponse(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.notificationType("acp127-notification-type", &in, &f)
		case ber.Context(1):
			d.out = d.v.AppendTime(d.out[:0], &in, &f)
			d.addOut("receipt-time", 0)
		case ber.Context(2):
			d.v.Push("address-list-indicator")
			lists := in.Enter(&f)
			for i := 1; lists.Next(&g); i++ {
				d.v.PushIndex(i - 1)
				if d.v.Is(&g, ber.TagSet) {
					d.addressList(i, &lists, &g)
				}
				d.v.Pop()
			}
			d.v.End(&lists)
			d.v.Pop()
		case ber.Context(3):
			d.string("acp127-recipient", 0, &in, &f)
		case ber.Context(4):
			d.string("acp127-supp-info", 0, &in, &f)
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// informationLabels reads SecurityInformationLabels.
func (d *Decoder) informationLabels(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f, g, h ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.label("content-security-label", 0, &in, &f)
		case ber.Context(1):
			d.label("heading-security-label", 0, &in, &f)
		case ber.Context(2):
			d.v.Push("body-part-security-labels")
			parts := in.Enter(&f)
			for i := 1; parts.Next(&g); i++ {
				d.v.PushIndex(i - 1)
				part := parts.Enter(&g)
				for part.Next(&h) {
					switch h.Tag {
					case ber.Context(0):
						d.label("body-part-security-label", i, &part, &h)
					case ber.Context(1):
						d.number("body-part-sequence-number", i, &part, &h, nil)
					default:
						d.v.Stray(&h)
					}
				}
				d.v.End(&part)
				d.v.Pop()
			}
			d.v.End(&parts)
			d.v.Pop()
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

// adatp3 reads ADatP3Data: one text, or its sets line by line.
func (d *Decoder) adatp3(c *ber.Cursor, e *ber.Element) {
	switch e.Tag {
	case ber.Context(0):
		d.string("line-oriented", 0, c, e)
	case ber.Context(1):
		in := c.Enter(e)
		var f ber.Element
		for i := 1; in.Next(&f); i++ {
			d.v.PushIndex(i - 1)
			d.string("set-oriented", i, &in, &f)
			d.v.Pop()
		}
		d.v.End(&in)
	default:
		d.v.Is(e, ber.Context(0))
	}
}

// encrypted tells the size of ForwardedEncryptedData.
func (d *Decoder) encrypted(name string, c *ber.Cursor, e *ber.Element) {
	bits, _, ok := d.v.BitString(c, e)
	if !ok {
		return
	}
	d.out = append(strconv.AppendInt(d.out[:0], int64(len(bits)), 10), " octets"...)
	d.add(name, 0, d.v.Keep(d.out), int64(len(bits)))
}

// deliveryItems names the context tags of OtherMessageDeliveryFields (X.411
// Figure 2).
var deliveryItems = [...]string{
	1: "original-encoded-information-types", 2: "delivery-flags", 3: "other-recipient-names",
	4: "this-recipient-name", 5: "originally-intended-recipient-name",
	6: "converted-encoded-information-types", 7: "message-submission-time",
	8: "content-identifier", 9: "extensions",
}

var priorityNames = []string{"normal", "non-urgent", "urgent"}

// forwardedParameters reads the delivery time and envelope of a forwarded
// message.
func (d *Decoder) forwardedParameters(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.Context(0):
			d.out = d.v.AppendTime(d.out[:0], &in, &f)
			d.addOut("delivery-time", 0)
		case ber.Context(1):
			d.v.Push("delivery-envelope")
			d.deliveryEnvelope(&in, &f)
			d.v.Pop()
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}

func (d *Decoder) deliveryEnvelope(c *ber.Cursor, e *ber.Element) {
	in := c.Enter(e)
	var f, g ber.Element
	for in.Next(&f) {
		switch f.Tag {
		case ber.App(0):
			d.orName("originator-name", 0, &in, &f)
		case ber.TagOID:
			oid, _ := d.v.OID(&in, &f)
			d.add("content-type", 0, oid, -1)
		case ber.Context(0), ber.App(6):
			// DeliveredContentType is [0]; the tag of other envelopes is met, too.
			d.number("content-type", 0, &in, &f, nil)
		case ber.App(7):
			d.number("priority", 0, &in, &f, priorityNames)
		case ber.Context(3):
			d.v.Push(deliveryItems[3])
			names := in.Enter(&f)
			for i := 1; names.Next(&g); i++ {
				d.v.PushIndex(i - 1)
				d.orName(deliveryItems[3], i, &names, &g)
				d.v.Pop()
			}
			d.v.End(&names)
			d.v.Pop()
		case ber.Context(4), ber.Context(5):
			name := deliveryItems[f.Tag.Number()]
			d.v.Push(name)
			d.orName(name, 0, &in, &f)
			d.v.Pop()
		case ber.Context(7):
			d.out = d.v.AppendTime(d.out[:0], &in, &f)
			d.addOut(deliveryItems[7], 0)
		case ber.Context(8):
			d.string(deliveryItems[8], 0, &in, &f)
		case ber.Context(1), ber.Context(2), ber.Context(6), ber.Context(9):
			d.out = d.v.AppendAny(d.out[:0], &in, &f)
			d.addOut(deliveryItems[f.Tag.Number()], 0)
		default:
			d.v.Stray(&f)
		}
	}
	d.v.End(&in)
}
