// Package rfc2156 writes interpersonal messages and notifications as Internet
// mail: headings as RFC 2156 (MIXER) maps them, body parts as MIME entities in
// the manner of RFC 2157.
//
// It is one way and for reading: OR-names become left-hand sides at a domain that
// cannot be replied to, as RFC 2156 section 4.3 does where no mapping is known, but
// for a domain-defined attribute RFC-822, which holds the address itself. What has
// no place in Internet mail is left out, and [Write] says so: extensions by the
// header fields Discarded-X400-MTS-Extensions and Discarded-X400-IPMS-Extensions,
// body parts by a text in their place.
package rfc2156

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"path"
	"strings"
	"time"

	"x400flow/x411"
	"x400flow/x411/ipm"
)

// Domain is the domain at which OR-names are written; nobody has it (RFC 2606).
const Domain = "x400.invalid"

// Write writes the message whose envelope is a and whose content is c, and
// returns what it left out, one phrase each.
func Write(w io.Writer, a *x411.APDU, c *ipm.Content) (leftOut []string, err error) {
	m := &writer{c: c}
	var b bytes.Buffer
	m.envelope(a)
	m.heading(&c.Messages[0])
	if err := m.message(&b, 0); err != nil {
		return nil, err
	}
	_, err = b.WriteTo(w)
	return m.leftOut, err
}

type writer struct {
	c       *ipm.Content
	header  []field
	leftOut []string
}

type field struct{ name, value string }

func (m *writer) add(name string, value []byte) {
	if len(value) > 0 {
		m.header = append(m.header, field{name, string(value)})
	}
}

func (m *writer) leave(format string, args ...any) {
	m.leftOut = append(m.leftOut, fmt.Sprintf(format, args...))
}

// envelope makes the fields of RFC 2156 Appendix A that tell of the envelope.
func (m *writer) envelope(a *x411.APDU) {
	// The last hop stands at the top.
	for i := len(a.Trace) - 1; i >= 0; i-- {
		t := &a.Trace[i]
		m.add("X400-Received", []byte("by "+string(t.Domain.Text)+"; "+t.RoutingAction.Name()+"; "+date(t.ArrivalTime.At)))
	}
	m.add("X400-Originator", a.Originator.Text)
	for i := range a.Recipients {
		m.add("X400-Recipients", a.Recipients[i].Name.Text)
	}
	m.add("X400-MTS-Identifier", a.ID.Text)
	m.add("X400-Content-Type", a.ContentType.Text)
	m.add("X400-Content-Identifier", a.ContentID)
	m.add("Original-Encoded-Information-Types", a.OriginalEITs.Text)
	if a.PriorityPresent {
		m.add("Priority", []byte(a.Priority.Name()))
	}
	if a.Indicators&x411.ImplicitConversionProhibited != 0 {
		m.add("Conversion", []byte("Prohibited"))
	}
	if a.Indicators&x411.AlternateRecipientAllowed != 0 {
		m.add("Alternate-Recipient", []byte("Allowed"))
	}
	if a.Indicators&x411.DisclosureOfOtherRecipients != 0 {
		m.add("Disclose-Recipients", []byte("True"))
	}
	if a.DeferredDelivery.Present() {
		m.add("Deferred-Delivery", []byte(date(a.DeferredDelivery.At)))
	}
	var discarded []string
	for i := range a.Extensions {
		switch x := &a.Extensions[i]; x.Name {
		case "latest-delivery-time":
			if t, err := time.Parse(time.RFC3339, string(x.Value)); err == nil {
				m.add("Latest-Delivery-Time", []byte(date(t)))
			}
		case "dl-expansion-history":
			m.add("DL-Expansion-History", x.Value)
		case "internal-trace-information":
			// The domains of the trace are told above.
		default:
			id := string(x.OID)
			if id == "" {
				id = fmt.Sprint(x.Number)
			}
			discarded = append(discarded, id)
			m.leave("envelope extension %s", strings.TrimSpace(id+" "+x.Name))
		}
	}
	m.add("Discarded-X400-MTS-Extensions", []byte(strings.Join(discarded, ", ")))
	if len(a.Trace) > 0 && !a.Trace[0].ArrivalTime.At.IsZero() {
		m.add("Date", []byte(date(a.Trace[0].ArrivalTime.At)))
	}
}

func date(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }

// heading makes the fields of a heading or a notification.
func (m *writer) heading(x *ipm.Message) {
	if x.Kind.Notification() {
		m.notification(x)
		return
	}
	if x.Kind != ipm.KindIPM {
		return
	}
	m.identifier("Message-ID", &x.ID)
	lists := map[ipm.Role][]string{}
	for i := range x.Recipients {
		r := &x.Recipients[i]
		if s := mailbox(&r.Descriptor); s != "" {
			lists[r.Role] = append(lists[r.Role], s)
		}
	}
	sender := "From"
	if from := lists[ipm.RoleAuthorizing]; len(from) > 0 {
		m.add("From", []byte(strings.Join(from, ", ")))
		sender = "Sender"
	}
	m.add(sender, []byte(mailbox(&x.Originator)))
	for _, f := range []struct {
		name string
		role ipm.Role
	}{{"To", ipm.RolePrimary}, {"Cc", ipm.RoleCopy}, {"Bcc", ipm.RoleBlindCopy}, {"Reply-To", ipm.RoleReply}} {
		m.add(f.name, []byte(strings.Join(lists[f.role], ", ")))
	}
	for i := range x.References {
		r := &x.References[i]
		m.identifier([...]string{"In-Reply-To", "Supersedes", "References", "References"}[r.Relation], &r.ID)
	}
	subject := x.Subject
	for i := range x.Extensions {
		if e := &x.Extensions[i]; e.Name == "extended-subject" && len(e.Value) > 0 {
			subject = e.Value
		}
	}
	m.add("Subject", []byte(mime.QEncoding.Encode("utf-8", string(subject))))
	if x.ExpiryTime.Present() {
		m.add("Expires", []byte(date(x.ExpiryTime.At)))
	}
	if x.ReplyTime.Present() {
		m.add("Reply-By", []byte(date(x.ReplyTime.At)))
	}
	m.add("Importance", []byte(ipm.ImportanceName(x.Importance)))
	m.add("Sensitivity", []byte(ipm.SensitivityName(x.Sensitivity)))
	if x.AutoForwarded {
		m.add("Autoforwarded", []byte("TRUE"))
	}
	m.extensions(x)
}

// extensions makes the fields of heading extensions, and tells of those that have
// none.
func (m *writer) extensions(x *ipm.Message) {
	var discarded []string
	for i := range x.Extensions {
		e := &x.Extensions[i]
		switch e.Name {
		case "extended-subject":
		case "languages":
			m.add("Content-Language", bytes.ReplaceAll(e.Value, []byte(","), []byte(", ")))
		case "auto-submitted":
			m.add("Autosubmitted", e.Value)
		case "incomplete-copy":
			m.header = append(m.header, field{"Incomplete-Copy", ""})
		default:
			discarded = append(discarded, string(e.OID))
			m.leave("%s extension %s", e.Scope, strings.TrimSpace(string(e.OID)+" "+e.Name))
		}
	}
	m.add("Discarded-X400-IPMS-Extensions", []byte(strings.Join(discarded, ", ")))
}

func (m *writer) notification(x *ipm.Message) {
	m.add("From", []byte(mailbox(&x.Originator)))
	m.identifier("In-Reply-To", &x.ID)
	m.add("Subject", []byte("X.400 "+x.Kind.String()))
	m.extensions(x)
}

// identifier makes a Message-ID of an IPM identifier (RFC 2156 section 4.7.3).
func (m *writer) identifier(name string, id *ipm.Identifier) {
	if id.Text == nil {
		return
	}
	m.add(name, []byte("<"+localPart(string(id.Text))+"@"+Domain+">"))
}

// localPart quotes a local part where it must be.
func localPart(s string) string {
	a := mail.Address{Address: s + "@" + Domain}
	return strings.TrimSuffix(strings.TrimPrefix(a.String(), "<"), "@"+Domain+">")
}

// mailbox writes an OR-descriptor as a mailbox.
func mailbox(d *ipm.Descriptor) string {
	if !d.Present {
		return ""
	}
	a := mail.Address{Name: string(d.FreeForm), Address: "unknown@" + Domain}
	if d.Name.Present && len(d.Name.Text) > 0 {
		a.Address = address(&d.Name)
	}
	s := a.String()
	if len(d.Telephone) > 0 {
		s += " (" + strings.NewReplacer("(", "", ")", "", "\\", "").Replace(string(d.Telephone)) + ")"
	}
	return s
}

func address(n *x411.ORName) string {
	for i := range n.Address.Attributes {
		if x := &n.Address.Attributes[i]; x.Kind == x411.AttrDDA && strings.EqualFold(string(x.Type), "RFC-822") {
			s := strings.NewReplacer("(a)", "@", "(p)", "%", "(u)", "_", "(q)", `"`, "(b)", "!", "(l)", "(", "(r)", ")").Replace(string(x.Value))
			if a, err := mail.ParseAddress(s); err == nil {
				return a.Address
			}
		}
	}
	return string(n.Text) + "@" + Domain
}

// message writes the header collected so far and the body of message i.
func (m *writer) message(b *bytes.Buffer, i int) error {
	x := &m.c.Messages[i]
	header := m.header
	m.header = nil
	for _, f := range header {
		writeField(b, f)
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	switch {
	case x.Kind.Notification():
		return m.text(b, notificationText(x))
	case x.Kind != ipm.KindIPM:
		m.leave("content of kind %s, %d octets", x.Kind, x.Size)
		return m.text(b, fmt.Sprintf("[A content of kind %s, %d octets, is left out.]\r\n", x.Kind, x.Size))
	case len(x.Parts) == 1 && x.Parts[0].IsText && x.Parts[0].Text != nil:
		return m.text(b, string(x.Parts[0].Text))
	}
	mw := multipart.NewWriter(b)
	// Always the same, so that an export can be compared: "=_" is in no body that is
	// encoded (RFC 2045 6.7), and the number tells one message from those in it.
	if err := mw.SetBoundary(fmt.Sprintf("=_x400flow_%d_", i)); err != nil {
		return err
	}
	fmt.Fprintf(b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n", mw.Boundary())
	for k := range x.Parts {
		if err := m.part(mw, &x.Parts[k]); err != nil {
			return err
		}
	}
	return mw.Close()
}

// writeField writes a field, folded at spaces.
func writeField(b *bytes.Buffer, f field) {
	line := f.name + ":"
	for word := range strings.FieldsSeq(f.value) {
		if len(line)+1+len(word) > 78 && line != f.name+":" {
			b.WriteString(line + "\r\n")
			line = ""
		}
		line += " " + word
	}
	b.WriteString(line + "\r\n")
}

func (m *writer) text(b *bytes.Buffer, s string) error {
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	return quoted(b, s)
}

func quoted(w io.Writer, s string) error {
	q := quotedprintable.NewWriter(w)
	if _, err := io.WriteString(q, s); err != nil {
		return err
	}
	return q.Close()
}

func notificationText(x *ipm.Message) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	line("Notification", x.Kind.String())
	line("Subject message", string(x.ID.Text))
	line("Of", string(x.Originator.Text))
	line("Intended recipient", string(x.Intended.Text))
	if x.ReceiptTime.Present() {
		line("Received", date(x.ReceiptTime.At))
		line("Acknowledgment", ipm.AcknowledgmentName(max(x.Acknowledgment, 0)))
	}
	line("Information", string(x.Supplementary))
	line("Reason", ipm.NonReceiptReasonName(x.NonReceiptReason))
	line("Discarded", ipm.DiscardReasonName(x.DiscardReason))
	line("Comment", string(x.Comment))
	return b.String()
}

// part writes a body part as a MIME entity.
func (m *writer) part(mw *multipart.Writer, p *ipm.BodyPart) error {
	h := textproto.MIMEHeader{}
	switch {
	case p.IsText && p.Text != nil:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Transfer-Encoding", "quoted-printable")
		if len(p.File.Name) > 0 {
			h.Set("Content-Disposition", disposition(p))
		}
		w, err := mw.CreatePart(h)
		if err != nil {
			return err
		}
		return quoted(w, string(p.Text))
	case p.Nested >= 0 && m.c.Messages[p.Nested].Kind == ipm.KindIPM:
		h.Set("Content-Type", "message/rfc822")
		w, err := mw.CreatePart(h)
		if err != nil {
			return err
		}
		x := &m.c.Messages[p.Nested]
		if d := &x.Delivery; d.Submitted.Present() {
			m.add("Date", []byte(date(d.Submitted.At)))
		}
		m.heading(x)
		var b bytes.Buffer
		if err := m.message(&b, p.Nested); err != nil {
			return err
		}
		_, err = b.WriteTo(w)
		return err
	case p.Kind == "file-transfer" && p.Data != nil && len(p.Data) == p.Size, p.Kind == "bilaterally-defined", p.Kind == "pkcs7":
		contentType := "application/octet-stream"
		if p.Kind == "pkcs7" {
			contentType = "application/pkcs7-mime"
		}
		h.Set("Content-Type", contentType)
		h.Set("Content-Transfer-Encoding", "base64")
		h.Set("Content-Disposition", disposition(p))
		w, err := mw.CreatePart(h)
		if err != nil {
			return err
		}
		return lines(w, p.Data)
	}
	m.leave("body part %d, %s, %d octets", p.Number, p.Kind, p.Size)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w, err := mw.CreatePart(h)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "[Body part %d of kind %s, %d octets, is left out.]\r\n", p.Number, p.Kind, p.Size)
	return err
}

// disposition names the file; of its path only the last component, since the
// rest is of another system.
func disposition(p *ipm.BodyPart) string {
	params := map[string]string{}
	if name := path.Base(string(p.File.Name)); len(p.File.Name) > 0 && name != "." && name != "/" {
		params["filename"] = name
	}
	return mime.FormatMediaType("attachment", params)
}

// lines writes base64 in lines of 76 characters (RFC 2045 6.8).
func lines(w io.Writer, data []byte) error {
	const octets = 57
	for len(data) > 0 {
		n := min(octets, len(data))
		if _, err := io.WriteString(w, base64.StdEncoding.EncodeToString(data[:n])+"\r\n"); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
