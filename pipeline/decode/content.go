package decode

import (
	"crypto/sha256"
	"net/netip"

	"x400flow/osi/association"
	"x400flow/schema"
	"x400flow/x411"
	"x400flow/x411/ipm"
)

// maxContentProblems bounds the problem rows of one content. The status of each
// message in it is in ipms anyway.
const maxContentProblems = 8

// inside is what making the rows of a content reuses.
type inside struct {
	content  ipm.Content
	present  bool   // The last APDU had a content that was decoded.
	octets   []byte // It.
	ipm      schema.IPM
	to       schema.IPMRecipient
	ref      schema.IPMReference
	ext      schema.IPMExtension
	item     schema.IPMExtensionItem
	part     schema.BodyPart
	requests text
	number   [5]text
	dda      [2]text
}

// inner decodes the content of m and appends its rows. With EnvelopeOnly these
// tell headings, and kind, size, digest and file name of each body part, but no
// text, no octets and nothing that was read from a text.
func (w *worker) inner(m *schema.Message, octets []byte) {
	in := &w.inside
	in.present, in.octets = true, octets
	in.content.Decode(octets, &w.apdu.ContentType)
	for i := range in.content.Messages {
		w.innerMessage(m, &in.content.Messages[i])
	}
}

func (w *worker) innerMessage(m *schema.Message, x *ipm.Message) {
	in, b := &w.inside, w.batch
	r := &in.ipm
	*r = schema.IPM{}
	r.APDU, r.OriginTime, r.CapturedAt, r.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
	r.Path, r.Depth, r.Kind, r.MTSID, r.ContentType = x.Path, uint32(x.Depth), x.Kind.String(), m.ID.Text, x.Type
	r.Size, r.Status, r.UnknownFields, r.FirstUnknown = uint64(x.Size), x.Status.String(), uint32(x.UnknownFields), x.FirstUnknown
	r.IPMID, r.IPMIDUser, r.IPMIDLocal = x.ID.Text, x.ID.User.Text, x.ID.Local
	r.OriginatorDescriptor = x.Originator.Text
	orName(&r.Originator, &x.Originator.Name, &in.dda[0])
	r.OriginatorFreeForm, r.OriginatorTelephone = x.Originator.FreeForm, x.Originator.Telephone
	r.Subject, r.AutoForwarded = x.Subject, x.AutoForwarded
	r.ExpiryTime, r.ReplyTime = instant(&x.ExpiryTime), instant(&x.ReplyTime)
	r.RecipientCount, r.BodyPartCount, r.ExtensionCount = uint32(len(x.Recipients)), uint32(len(x.Parts)), uint32(len(x.Extensions))
	r.IntendedRecipient, r.ConversionEITs = x.Intended.Text, x.ConversionEITs.Text
	r.AutoForwardComment, r.ReceiptTime, r.SupplReceiptInfo = x.Comment, instant(&x.ReceiptTime), x.Supplementary
	r.ReturnedIPM, r.InnerType, r.InnerContent = x.Returned, x.Inner.Type, x.Inner.Content
	r.Signer, r.Signers = x.Inner.Signer, uint32(x.Inner.Signers)
	r.ATSSource, r.ATSPriority, r.ATSFilingTime, r.ATSOHI = x.ATS.Source, x.ATS.Priority, x.ATS.FilingTime, x.ATS.OHI
	if m.Kind == "report" {
		r.Returned, r.MTSID = true, m.Subject.Text
	}
	if x.Status != x411.StatusOK {
		r.ErrorReason, r.ErrorPath, r.ErrorOffset = x.Failure.Code.String(), x.Failure.Path, uint64(x.Failure.Offset)
	}
	if w.pool.cfg.EnvelopeOnly {
		r.ATSOHI = nil
		if x.ATS.Source == "header" {
			r.ATSPriority, r.ATSFilingTime, r.ATSSource = nil, nil, ""
		}
	}
	r.Importance = code(&in.number[0], x.Importance, ipm.ImportanceName)
	r.Sensitivity = code(&in.number[1], x.Sensitivity, ipm.SensitivityName)
	r.NonReceiptReason = code(&in.number[2], x.NonReceiptReason, ipm.NonReceiptReasonName)
	r.DiscardReason = code(&in.number[3], x.DiscardReason, ipm.DiscardReasonName)
	if x.Kind == ipm.KindReceipt {
		// Manual is the default (X.420 8.2.2).
		r.AcknowledgmentMode = code(&in.number[4], max(x.Acknowledgment, 0), ipm.AcknowledgmentName)
	}
	if d := &x.Delivery; d.Present {
		r.DeliveryTime, r.DeliveryMTSID, r.DeliveryOriginator = instant(&d.At), d.ID.Text, d.Originator.Text
		r.DeliveryRecipient, r.SubmissionTime, r.DeliveryEnvelope = d.Recipient.Text, instant(&d.Submitted), d.Text
	}
	for i := range x.References {
		y := &x.References[i]
		if y.Relation == ipm.RelationRepliedTo {
			r.RepliedTo = y.ID.Text
		}
		in.ref = schema.IPMReference{
			APDU: m.APDU, OriginTime: m.OriginTime, CapturedAt: m.CapturedAt, Version: m.Version,
			Path: x.Path, Position: uint32(i + 1), Relation: y.Relation.String(), IPMID: y.ID.Text,
		}
		b.IPMReferences.Append(&in.ref)
	}
	for i := range x.Recipients {
		w.innerRecipient(m, x, &x.Recipients[i], uint32(i+1))
	}
	for i := range x.Extensions {
		w.innerExtension(m, x, &x.Extensions[i], uint32(i+1))
	}
	for i := range x.Parts {
		w.bodyPart(m, x, &x.Parts[i])
	}
	b.IPMs.Append(r)
}

// code is a code's name, its number where it has none, and nothing where it is
// absent.
func code(t *text, v int32, name func(int32) string) []byte {
	if v < 0 {
		return nil
	}
	return named(t, name(v), int64(v))
}

func (w *worker) innerRecipient(m *schema.Message, x *ipm.Message, y *ipm.Recipient, position uint32) {
	in := &w.inside
	r := &in.to // Each field is set, so that it need not be cleared.
	in.requests.b = y.Requests.AppendNames(in.requests.b[:0])
	r.APDU, r.OriginTime, r.CapturedAt, r.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
	r.Path, r.Position, r.Role, r.Descriptor = x.Path, position, y.Role.String(), y.Descriptor.Text
	r.FreeFormName, r.TelephoneNumber = y.Descriptor.FreeForm, y.Descriptor.Telephone
	orName(&r.Name, &y.Descriptor.Name, &in.dda[1])
	r.NotificationRequests, r.ReplyRequested, r.Precedence = in.requests.b, y.ReplyRequested, y.Precedence
	w.batch.IPMRecipients.Append(r)
}

func (w *worker) innerExtension(m *schema.Message, x *ipm.Message, y *ipm.Extension, position uint32) {
	in := &w.inside
	e := &in.ext // Each field is set, so that it need not be cleared.
	e.APDU, e.OriginTime, e.CapturedAt, e.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
	e.Path, e.Position, e.Scope, e.Owner, e.OID, e.Name = x.Path, position, y.Scope.String(), uint32(y.Owner), y.OID, y.Name
	e.Value, e.Raw, e.OctetOffset, e.Error = y.Value, y.Raw, uint64(y.Offset), ""
	if y.Err != x411.CodeNone {
		e.Error = y.Err.String()
	}
	if w.pool.cfg.EnvelopeOnly {
		e.Raw = nil
		if y.Name == "absence-advice" {
			e.Value = nil
		}
	}
	w.batch.IPMExtensions.Append(e)
	for i := range y.Items {
		z := &y.Items[i]
		in.item = schema.IPMExtensionItem{
			APDU: m.APDU, OriginTime: m.OriginTime, CapturedAt: m.CapturedAt, Version: m.Version,
			Path: x.Path, Extension: position, Number: uint32(i + 1), ExtensionName: y.Name, Name: z.Name,
			Element: uint32(z.Position), Value: z.Text,
		}
		w.batch.IPMExtensionItems.Append(&in.item)
	}
	if y.Scope != ipm.ScopeHeading {
		return
	}
	r := &in.ipm
	switch y.Name {
	case "auto-submitted":
		r.AutoSubmitted = y.Value
	case "languages":
		r.Languages = y.Value
	case "extended-subject":
		r.ExtendedSubject = y.Value
	case "originators-reference", "originator-reference":
		r.OriginatorsReference = y.Value
	case "precedence-policy-identifier":
		r.PrecedencePolicy = y.Value
	case "ipm-security-label":
		r.SecurityLabel = y.Value
	case "primary-precedence":
		r.PrimaryPrecedence = y.Value
	case "copy-precedence":
		r.CopyPrecedence = y.Value
	case "message-type":
		r.MessageType = y.Value
	}
}

func (w *worker) bodyPart(m *schema.Message, x *ipm.Message, y *ipm.BodyPart) {
	in := &w.inside
	p := &in.part
	*p = schema.BodyPart{}
	p.APDU, p.OriginTime, p.CapturedAt, p.Version = m.APDU, m.OriginTime, m.CapturedAt, m.Version
	p.Path, p.Position, p.Kind, p.Extended, p.TypeOID, p.Parameters = x.Path, uint32(y.Number), y.Kind, y.Extended, y.Type, y.Parameters
	p.Size = uint64(y.Size)
	p.ContentOffset, p.ContentLength = uint64(y.DataAt.Start), uint64(y.DataAt.Len())
	p.IsText, p.Charset, p.Registrations, p.TextReason = y.IsText, y.Charset, y.Registrations, y.Reason
	p.Pages, p.Duration = bounded(y.Pages), bounded(y.Duration)
	p.FileName, p.FileSize = y.File.Name, uint64(max(y.File.Size, 0))
	p.FileCreated, p.FileModified = instant(&y.File.Created), instant(&y.File.Modified)
	p.FileApplication, p.FileDocumentType = y.File.Application, y.File.DocumentType
	p.InnerType, p.InnerContent, p.Signer = y.Inner.Type, y.Inner.Content, y.Inner.Signer
	if !w.pool.cfg.EnvelopeOnly {
		p.Text = y.Text
		if y.Reason != "" {
			p.Octets = y.Data
		}
	}
	if y.Nested < 0 && !y.IsText {
		p.SHA256 = w.file(y.Data, y.DataAt)
	}
	if y.Nested >= 0 {
		p.NestedPath = in.content.Messages[y.Nested].Path
	}
	if y.Err != x411.CodeNone {
		p.Error = y.Err.String()
	}
	w.batch.BodyParts.Append(p)
}

// bounded is a number as a column holds it.
func bounded(v int64) int32 { return int32(min(v, 1<<31-1)) }

// innerProblems appends problem rows for what of the content of m could not be
// read; c, where there is one, counts them.
func (w *worker) innerProblems(c *connection, m *schema.Message) {
	if !w.inside.present {
		return
	}
	list := w.inside.content.Messages
	rows := 0
	for i := range list {
		x := &list[i]
		if x.Status == x411.StatusOK || rows == maxContentProblems {
			continue
		}
		if c != nil {
			if c.row.Problems >= uint64(w.pool.cfg.MaxProblems) {
				c.row.ProblemsSuppressed++
				continue
			}
			c.row.Problems++
		}
		rows++
		w.pool.problems.Add(1)
		w.innerProblem(m, x)
	}
}

func (w *worker) innerProblem(m *schema.Message, x *ipm.Message) {
	client, clientPort, server, serverPort := m.SourceAddress, m.SourcePort, m.DestinationAddress, m.DestinationPort
	dir := uint8(association.FromClient)
	if m.Direction == direction(association.FromServer) {
		client, clientPort, server, serverPort = server, serverPort, client, clientPort
		dir = association.FromServer
	}
	reason := x.Failure.Code.String()
	// Several messages of one content may fail for the same reason.
	id := problemID(flowID(end(client, clientPort), end(server, serverPort)), dir, m.TCPSequence, ipm.Layer, reason+" "+string(x.Path))
	evidence := w.inside.octets[min(x.Octets.Start, len(w.inside.octets)):min(x.Octets.End, len(w.inside.octets))]
	p := schema.Problem{
		Problem: id, Association: m.Association, Transfer: m.Transfer, APDU: m.APDU, Version: uint64(x.Size)<<16 | Version,
		Sensor: m.Sensor, Source: m.Source, ClientAddress: client, ClientPort: clientPort,
		ServerAddress: server, ServerPort: serverPort, Layer: ipm.Layer, Reason: reason, Path: x.Failure.Path,
		Direction: m.Direction, StreamOffset: m.StreamOffset, TCPSequence: m.TCPSequence, Frame: m.FirstFrame, Time: m.CapturedAt,
		Octets: evidence[:min(len(evidence), maxEvidence)], OctetCount: uint64(x.Size),
		Detail:         w.row.texts.reset().str("at octet ").int(int64(x.Failure.Offset)).str(" of the content, ").str(x.Kind.String()).str(" at path '").octets(x.Path).str("'").bytes(),
		DecoderVersion: Version,
	}
	if len(evidence) > 0 {
		p.SHA256 = sha256.Sum256(evidence)
	}
	if w.pool.cfg.EnvelopeOnly {
		p.Octets = nil
	}
	w.batch.Problems.Append(&p)
}

// end is an end of a connection as rows tell it.
func end(address []byte, port uint16) netip.AddrPort {
	a, _ := netip.ParseAddr(string(address))
	return netip.AddrPortFrom(a, port)
}
