package ipm

import (
	"x400flow/osi/ber"
	"x400flow/x411"
)

// deliveryFields is MessageParameters (X.420 7.3.7) and ForwardedContentParameters
// (X.420 Annex F).
var deliveryFields = x411.FieldsOf([]x411.Field{
	{Name: "delivery-time", Tag: ber.Context(0), ID: 0},
	{Name: "delivery-envelope", Tag: ber.Context(1), ID: 1},
	{Name: "mts-identifier", Tag: ber.Context(2), ID: 2},
	{Name: "submission-proof", Tag: ber.Context(3), ID: 3},
})

// deliveryParameters reads into c.delivery.
func (c *Content) deliveryParameters(cur *ber.Cursor, e *ber.Element) {
	r := &c.r
	d := &c.delivery
	d.Present = true
	in := cur.Enter(e)
	out := c.scratch[:0]
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, deliveryFields, &seen)
		if id < 0 {
			break
		}
		switch id {
		case 0:
			d.At = r.Time(&in, &f)
			out = x411.AppendTime(x411.AppendItem(out, 0, "delivery-time"), &d.At)
		case 1:
			d.Envelope = true
			out = c.otherFields(out, &in, &f)
		case 2:
			r.MTSIdentifier(&in, &f, &d.ID)
			out = append(x411.AppendItem(out, 0, "mts-identifier"), d.ID.Text...)
		case 3:
			out = append(x411.AppendItem(out, 0, "submission-proof"), "present"...)
		}
		r.Pop()
	}
	c.scratch = out
	d.Text = r.Keep(out)
}

// otherFields is OtherMessageDeliveryFields (X.411 8.3.1.1.1 and Figure 2). In
// 1984 the content type and the originator came with their application tags, as
// they still may.
var otherFields = x411.FieldsOf([]x411.Field{
	{Name: "content-type", Tag: ber.Context(0), ID: 0},
	{Name: "content-type", Tag: ber.App(6), ID: 0},
	{Name: "content-type", Tag: ber.TagOID, ID: 0},
	{Name: "originator-name", Tag: ber.App(0), ID: 1},
	{Name: "original-encoded-information-types", Tag: ber.Context(1), ID: 2},
	{Name: "original-encoded-information-types", Tag: ber.App(5), ID: 2},
	{Name: "priority", Tag: ber.App(7), ID: 3},
	{Name: "delivery-flags", Tag: ber.Context(2), ID: 4},
	{Name: "other-recipient-names", Tag: ber.Context(3), ID: 5},
	{Name: "this-recipient-name", Tag: ber.Context(4), ID: 6},
	{Name: "originally-intended-recipient-name", Tag: ber.Context(5), ID: 7},
	{Name: "converted-encoded-information-types", Tag: ber.Context(6), ID: 8},
	{Name: "message-submission-time", Tag: ber.Context(7), ID: 9},
	{Name: "content-identifier", Tag: ber.Context(8), ID: 10},
	{Name: "content-identifier", Tag: ber.App(10), ID: 10},
	{Name: "extensions", Tag: ber.Context(9), ID: 11},
})

var (
	priorityNames     = []string{"normal", "non-urgent", "urgent"}
	deliveryFlagNames = []string{1: "implicit-conversion-prohibited"}
)

func (c *Content) otherFields(out []byte, cur *ber.Cursor, e *ber.Element) []byte {
	r := &c.r
	d := &c.delivery
	in := cur.Enter(e)
	var f ber.Element
	seen := uint32(0)
	for {
		id := r.Next(&in, &f, otherFields, &seen)
		if id < 0 {
			return out
		}
		if id != 11 {
			out = x411.AppendItem(out, 0, otherFields.Name(id))
		}
		switch id {
		case 0:
			r.ContentType(&in, &f, &d.ContentType)
			out = append(out, d.ContentType.Text...)
		case 1:
			r.ORName(&in, &f, &d.Originator)
			out = append(out, d.Originator.Text...)
		case 2, 8:
			var t x411.EITs
			r.EITs(&in, &f, &t)
			out = append(out, t.Text...)
		case 3:
			d.Priority = x411.Priority(r.Code(&in, &f))
			out = append(out, x411.NameOf(priorityNames, int64(d.Priority))...)
		case 4:
			out = r.AppendBits(out, &in, &f, deliveryFlagNames)
		case 5:
			names := in.Enter(&f)
			var g ber.Element
			for n := 0; names.Next(&g) && !r.Full(out); n++ {
				if n > 0 {
					out = append(out, ", "...)
				}
				out = r.AppendORName(out, &names, &g)
			}
			r.End(&names)
		case 6:
			r.ORName(&in, &f, &d.Recipient)
			out = append(out, d.Recipient.Text...)
		case 7:
			out = r.AppendORName(out, &in, &f)
		case 9:
			d.Submitted = r.Time(&in, &f)
			out = x411.AppendTime(out, &d.Submitted)
		case 10:
			d.ContentID, _ = r.Text(&in, &f)
			out = x411.AppendClean(out, d.ContentID)
		case 11:
			set := in.Enter(&f)
			var g ber.Element
			for n := 0; set.Next(&g) && !r.Full(out); n++ {
				r.PushIndex(n)
				x := r.Extension(&set, &g)
				r.Pop()
				name := x.Name
				if name == "" {
					name = "extension"
				}
				out = append(x411.AppendItem(out, 0, name), x.Value...)
			}
			r.End(&set)
		}
		r.Pop()
	}
}
