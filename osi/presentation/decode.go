package presentation

import "x400flow/osi/ber"

// Decode decodes the session user data in as the PPDU of the given kind. On
// failure at is the offset of the octet at fault, and p holds what could be read.
func (p *PPDU) Decode(kind Kind, in []byte) (code Code, at int) {
	p.reset(kind)
	p.d.Remember(maxSpans)
	top := p.d.Reset(in)
	var e ber.Element
	if !top.Next(&e) {
		if top.Code() == ber.None {
			return ErrPPDU, 0
		}
		return berCode(top.Code()), top.ErrOffset()
	}
	if !e.Constructed {
		return ErrPPDU, e.Offset
	}
	switch {
	case kind == CP || kind == CPA:
		if e.Tag != ber.TagSet {
			return ErrPPDU, e.Offset
		}
		code, at = p.connect(&top, &e, in)
		if code == OK && kind == CP && p.UserData != nil && e.End < len(in) && !p.followed(in, &e) {
			return ErrLength, e.End
		}
		return code, at
	case e.Tag == ber.TagSet:
		// RTORJ or RTAB (X.226 8.2.3, 8.2.4).
		p.Mode = X410
		p.RTSE, p.RTSEStart = e.Content, e.Offset+e.Header
		return OK, 0
	case e.Tag == ber.TagSequence:
		p.Mode = Normal
		p.Provider = kind == Abort
		return p.normal(&top, &e, in)
	case e.Tag == ber.Context(0) && kind == Abort:
		p.Mode = Normal
		return p.normal(&top, &e, in)
	}
	return ErrPPDU, e.Offset
}

// followed reports whether CPC-types follow a CP (X.226 8.2.1): then user data
// are sent once more in another transfer syntax. It extends nothing: the first
// encoding is read.
func (p *PPDU) followed(in []byte, e *ber.Element) bool {
	next := in[e.End]
	return next == 0x61 || next&^0x20 == 0x40
}

func (p *PPDU) reset(kind Kind) {
	// One more than were counted may have been begun.
	clear(p.Contexts[:min(p.ContextCount+1, MaxContexts)])
	clear(p.Results[:min(p.ResultCount+1, MaxContexts)])
	p.Kind, p.Mode, p.Provider = kind, Unknown, false
	p.Calling, p.Called, p.Responding = nil, nil, nil
	p.ContextCount, p.ResultCount = 0, 0
	p.DefaultAbstract, p.DefaultTransfer = nil, nil
	p.DefaultResult, p.Reason, p.Event = -1, -1, -1
	p.UserData, p.UserStart, p.RTSE, p.RTSEStart = nil, 0, nil, 0
	p.Unknown = 0
}

// connect reads the SET of CP and CPA, whose parts come in any order.
func (p *PPDU) connect(c *ber.Cursor, set *ber.Element, in []byte) (Code, int) {
	fields := c.Enter(set)
	var e ber.Element
	var normal ber.Element
	haveNormal := false
	for fields.Next(&e) {
		switch e.Tag {
		case ber.Context(0):
			sel := fields.Enter(&e)
			var v ber.Element
			for sel.Next(&v) {
				if v.Tag != ber.Context(0) {
					continue
				}
				switch n, ok := ber.Int64(v.Content); {
				case ok && n == 0:
					p.Mode = X410
				case ok && n == 1:
					p.Mode = Normal
				default:
					return ErrMode, v.Offset
				}
			}
			if sel.Code() != ber.None {
				return berCode(sel.Code()), sel.ErrOffset()
			}
		case ber.Context(1):
			p.RTSE, p.RTSEStart = e.Content, e.Offset+e.Header
		case ber.Context(2):
			normal, haveNormal = e, true
		default:
			p.Unknown++
		}
	}
	if fields.Code() != ber.None {
		return berCode(fields.Code()), fields.ErrOffset()
	}
	if p.Mode == Unknown {
		// The mode selector is mandatory; where it is missing the parameters tell.
		switch {
		case haveNormal:
			p.Mode = Normal
		case p.RTSE != nil:
			p.Mode = X410
		default:
			return ErrMode, set.Offset
		}
	}
	if haveNormal {
		return p.normal(&fields, &normal, in)
	}
	return OK, 0
}

// normal reads normal-mode-parameters, and ARP's SEQUENCE. Every field of the
// five has a tag of its own but for [0] and [1].
func (p *PPDU) normal(c *ber.Cursor, seq *ber.Element, in []byte) (Code, int) {
	fields := c.Enter(seq)
	var e ber.Element
	for fields.Next(&e) {
		code, at := OK, 0
		switch {
		case p.Kind == Abort && e.Tag == ber.Context(0):
			if p.Provider {
				p.Reason, code = integer(e.Content)
			}
		case p.Kind == Abort && e.Tag == ber.Context(1):
			p.Event, code = integer(e.Content)
		case e.Tag == ber.Context(1):
			p.Calling = e.Content
		case e.Tag == ber.Context(2):
			p.Called = e.Content
		case e.Tag == ber.Context(3):
			p.Responding = e.Content
		case e.Tag == ber.Context(4):
			code, at = p.definitions(&fields, &e)
		case e.Tag == ber.Context(5):
			code, at = p.results(&fields, &e)
		case e.Tag == ber.Context(6):
			code, at = p.defaults(&fields, &e)
		case e.Tag == ber.Context(7):
			p.DefaultResult, code = integer(e.Content)
		case e.Tag == ber.Context(10):
			p.Reason, code = integer(e.Content)
		case e.Tag == ber.App(tagSimple) || e.Tag == ber.App(tagFully):
			if p.UserData == nil {
				p.UserData, p.UserStart = in[e.Offset:e.End], e.Offset
			}
		case e.Tag.Class() == ber.ContextSpecific && e.Tag.Number() <= 14:
			// Versions, requirements and options: of no use to a monitor.
		default:
			p.Unknown++
		}
		if code != OK {
			if at == 0 {
				at = e.Offset
			}
			return code, at
		}
	}
	return berCode(fields.Code()), fields.ErrOffset()
}

func integer(content []byte) (int64, Code) {
	n, ok := ber.Int64(content)
	if !ok {
		return -1, ErrValue
	}
	return n, OK
}

// definitions reads a Context-list.
func (p *PPDU) definitions(c *ber.Cursor, list *ber.Element) (Code, int) {
	items := c.Enter(list)
	var item ber.Element
	var spare Context
	for items.Next(&item) {
		x := &spare
		if p.ContextCount < MaxContexts {
			x = &p.Contexts[p.ContextCount]
		}
		if !x.plain(&items, &item) {
			if code, at := p.context(&items, &item, x); code != OK {
				return code, at
			}
		}
		p.ContextCount++
	}
	return berCode(items.Code()), items.ErrOffset()
}

// plain is context for one of the form that nearly all have: an identifier of one octet, the
// abstract syntax and one transfer syntax, in definite lengths of one octet. It returns false
// and has done nothing for any other.
func (x *Context) plain(c *ber.Cursor, item *ber.Element) bool {
	b := item.Content
	if len(b) < 9 || len(b) >= 0x80 || b[0] != 0x02 || b[1] != 1 || b[3] != 0x06 {
		return false
	}
	seq := 5 + int(b[4])
	if seq+4 > len(b) || b[seq] != 0x30 || int(b[seq+1]) != len(b)-seq-2 || b[seq+2] != 0x06 || int(b[seq+3]) != len(b)-seq-4 {
		return false
	}
	if !item.Constructed || !c.Afford(item, 2, 4) {
		return false
	}
	x.ID, x.Abstract, x.Transfer, x.TransferCount = int64(int8(b[2])), b[5:seq:seq], b[seq+4:], 1
	return true
}

// context reads an item of a Context-list.
func (p *PPDU) context(c *ber.Cursor, item *ber.Element, x *Context) (Code, int) {
	*x = Context{ID: -1}
	fields := c.Enter(item)
	var e, t ber.Element
	for fields.Next(&e) {
		switch e.Tag {
		case ber.TagInteger:
			n, ok := ber.Int64(e.Content)
			if !ok {
				return ErrValue, e.Offset
			}
			x.ID = n
		case ber.TagOID:
			x.Abstract = e.Content
		case ber.TagSequence:
			names := fields.Enter(&e)
			for names.Next(&t) {
				if x.TransferCount == 0 {
					x.Transfer = t.Content
				}
				x.TransferCount++
			}
			if names.Code() != ber.None {
				return berCode(names.Code()), names.ErrOffset()
			}
		default:
			p.Unknown++
		}
	}
	return berCode(fields.Code()), fields.ErrOffset()
}

// results reads a Result-list.
func (p *PPDU) results(c *ber.Cursor, list *ber.Element) (Code, int) {
	items := c.Enter(list)
	var item ber.Element
	var spare Result
	for items.Next(&item) {
		r := &spare
		if p.ResultCount < MaxContexts {
			r = &p.Results[p.ResultCount]
		}
		if !r.plain(&items, &item) {
			if code, at := p.result(&items, &item, r); code != OK {
				return code, at
			}
		}
		p.ResultCount++
	}
	return berCode(items.Code()), items.ErrOffset()
}

// plain is result for one of the form that nearly all have, of one octet and with a transfer
// syntax. It returns false and has done nothing for any other.
func (r *Result) plain(c *ber.Cursor, item *ber.Element) bool {
	b := item.Content
	if len(b) < 5 || len(b) >= 0x80 || b[0] != 0x80 || b[1] != 1 || b[3] != 0x81 || int(b[4]) != len(b)-5 {
		return false
	}
	if !item.Constructed || !c.Afford(item, 1, 2) {
		return false
	}
	r.Result, r.Reason, r.Transfer = int64(int8(b[2])), -1, b[5:]
	return true
}

// result reads an item of a Result-list.
func (p *PPDU) result(c *ber.Cursor, item *ber.Element, r *Result) (Code, int) {
	*r = Result{Result: -1, Reason: -1}
	fields := c.Enter(item)
	var e ber.Element
	for fields.Next(&e) {
		var ok = true
		switch e.Tag {
		case ber.Context(0):
			r.Result, ok = ber.Int64(e.Content)
		case ber.Context(1):
			r.Transfer = e.Content
		case ber.Context(2):
			r.Reason, ok = ber.Int64(e.Content)
		default:
			p.Unknown++
		}
		if !ok {
			return ErrValue, e.Offset
		}
	}
	return berCode(fields.Code()), fields.ErrOffset()
}

// defaults reads a Default-context-name.
func (p *PPDU) defaults(c *ber.Cursor, seq *ber.Element) (Code, int) {
	fields := c.Enter(seq)
	var e ber.Element
	for fields.Next(&e) {
		switch e.Tag {
		case ber.Context(0):
			p.DefaultAbstract = e.Content
		case ber.Context(1):
			p.DefaultTransfer = e.Content
		}
	}
	return berCode(fields.Code()), fields.ErrOffset()
}

// UserData walks the presentation data values of User-data (X.226 8.4).
type UserData struct {
	d       ber.Decoder
	top     ber.Cursor
	lists   ber.Cursor
	inside  bool
	code    Code
	at      int
	scratch []byte

	// The OCTET STRING whose octets Next gave last.
	from  ber.Cursor
	value ber.Element
}

// maxScratch bounds the memory that is kept from one User-data to the next: seldom is
// anything large sent in segments.
const maxScratch = 256 << 10

// Reset starts on in, one User-data.
func (u *UserData) Reset(in []byte) {
	if cap(u.scratch) > maxScratch {
		u.scratch = nil
	}
	u.d.Remember(maxSpans)
	u.top = u.d.Reset(in)
	u.inside = false
	u.code, u.at = OK, 0
}

// Next puts the next value into p. It returns false at the end and on an error,
// which Code tells apart. Joined octets live until the next call.
func (u *UserData) Next(p *PDV) bool {
	var e ber.Element
	for u.code == OK {
		if u.inside {
			if u.lists.Next(&e) {
				return p.plain(&u.lists, &e) || u.list(&e, p)
			}
			if c := u.lists.Code(); c != ber.None {
				return u.fail(berCode(c), u.lists.ErrOffset())
			}
			u.inside = false
		}
		if !u.top.Next(&e) {
			if c := u.top.Code(); c != ber.None {
				return u.fail(berCode(c), u.top.ErrOffset())
			}
			return false
		}
		switch e.Tag {
		case ber.App(tagSimple):
			octets, joined, c := u.top.Octets(&e, ber.TagOctetString, u.scratch[:0])
			if c != ber.None {
				return u.fail(berCode(c), e.Offset)
			}
			if joined {
				u.scratch = octets
			}
			u.from, u.value = u.top, e
			*p = PDV{Context: -1, Form: Simple, Octets: octets, Start: u.top.Place(&e, 0), Joined: joined}
			return true
		case ber.App(tagFully):
			if !e.Constructed {
				return u.fail(ErrData, e.Offset)
			}
			u.lists, u.inside = u.top.Enter(&e), true
		default:
			return u.fail(ErrData, e.Offset)
		}
	}
	return false
}

// Place returns the offset in the input of octet n of p, the value that Next gave
// last. Of one joined from the segments of a BIT STRING it is p's beginning.
func (u *UserData) Place(p *PDV, n int) int {
	switch {
	case !p.Joined:
		return p.Start + n
	case p.Form == Arbitrary:
		return p.Start
	}
	return u.from.Place(&u.value, n)
}

// plain is list for one of the form that nearly all have: a context identifier of one octet and
// a single ASN.1 type, with lengths of one octet. It returns false and has done nothing for any
// other.
func (p *PDV) plain(c *ber.Cursor, l *ber.Element) bool {
	b := l.Content
	if len(b) < 5 || b[0] != 0x02 || b[1] != 1 || b[2] >= 0x80 || b[3] != 0xa0 || b[4] >= 0x80 || int(b[4]) != len(b)-5 {
		return false
	}
	if l.Tag != ber.TagSequence || !l.Constructed || !c.Afford(l, 1, 2) {
		return false
	}
	*p = PDV{Context: int64(b[2]), Form: SingleASN1, Octets: b[5:], Start: l.Offset + l.Header + 5}
	return true
}

// list reads one PDV-list.
func (u *UserData) list(l *ber.Element, p *PDV) bool {
	*p = PDV{Context: -1}
	if l.Tag != ber.TagSequence || !l.Constructed {
		return u.fail(ErrPDV, l.Offset)
	}
	fields := u.lists.Enter(l)
	var e ber.Element
	have := false
	for fields.Next(&e) {
		switch e.Tag {
		case ber.TagOID:
			p.Transfer = e.Content
		case ber.TagInteger:
			n, ok := ber.Int64(e.Content)
			if !ok || n < 0 {
				return u.fail(ErrValue, e.Offset)
			}
			p.Context = n
		case ber.Context(0):
			if !e.Constructed {
				return u.fail(ErrPDV, e.Offset)
			}
			p.Form, p.Octets, p.Start, have = SingleASN1, e.Content, e.Offset+e.Header, true
		case ber.Context(1):
			octets, joined, c := fields.Octets(&e, ber.TagOctetString, u.scratch[:0])
			if c != ber.None {
				return u.fail(berCode(c), e.Offset)
			}
			if joined {
				u.scratch = octets
			}
			u.from, u.value = fields, e
			p.Form, p.Octets, p.Start, p.Joined, have = OctetAligned, octets, fields.Place(&e, 0), joined, true
		case ber.Context(2):
			bits, unused, c := fields.BitString(&e, u.scratch[:0])
			if c != ber.None {
				return u.fail(berCode(c), e.Offset)
			}
			p.Joined = e.Constructed
			if p.Joined {
				u.scratch = bits
			}
			p.Form, p.Octets, p.Unused, have = Arbitrary, bits, unused, true
			p.Start = e.Offset + e.Header + 1
		default:
			return u.fail(ErrPDV, e.Offset)
		}
	}
	if c := fields.Code(); c != ber.None {
		return u.fail(berCode(c), fields.ErrOffset())
	}
	if !have || p.Context < 0 {
		return u.fail(ErrPDV, l.Offset)
	}
	return true
}

func (u *UserData) fail(c Code, at int) bool {
	u.code, u.at = c, at
	return false
}

// Code returns why Next stopped early, OK when it did not.
func (u *UserData) Code() Code { return u.code }

// Offset returns the offset of the octet at fault.
func (u *UserData) Offset() int { return u.at }
