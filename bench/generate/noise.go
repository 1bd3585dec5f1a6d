package generate

import (
	"x400flow/bench/ledger"
)

// noise plays an association on the port that is not X.400.
func (a *association) noise() {
	a.l.Ended = "fin"
	switch a.rng.IntN(4) {
	case 0:
		a.s7()
	case 1:
		a.mms()
	case 2:
		a.hello()
	default:
		a.garbage()
	}
	a.c.close(client)
}

// s7 is the protocol of Siemens controllers over COTP.
func (a *association) s7() {
	a.l.Class = ledger.ClassS7
	a.transport([]byte{1, 2})
	ask := func(d int, b ...byte) {
		a.send(d, b, 0)
		a.c.turn(d)
	}
	ask(client, 0x32, 1, 0, 0, 0, 1, 0, 8, 0, 0, 0xf0, 0, 0, 1, 0, 1, 1, 0xe0)
	ask(server, 0x32, 3, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0xf0, 0, 0, 1, 0, 1, 0, 0xf0)
	for n := range byte(1 + a.rng.IntN(10)) {
		ask(client, 0x32, 1, 0, 0, 1, n, 0, 14, 0, 0, 4, 1, 0x12, 0x0a, 0x10, 2, 0, 1, 0, 1, 0x84, 0, 0, 0)
		ask(server, 0x32, 3, 0, 0, 1, n, 0, 2, 0, 5, 0, 0, 4, 1, 0xff, 4, 0, 8, n)
	}
}

// mms is an ISO 9506 association: the same layers as X.400 up to ACSE, and other abstract syntaxes.
func (a *association) mms() {
	a.l.Class = ledger.ClassMMS
	a.transport([]byte{0, 1})
	const contextMMS = 3
	association := func(tag byte, write func(e *encoder)) []byte {
		e := &encoder{}
		m := e.open(tagSet)
		mode(e, 1)
		n := e.open(0xa2)
		if tag == 0x60 {
			d := e.open(0xa4)
			for _, c := range [...]struct {
				id  int
				oid string
			}{{contextACSE, oidACSE}, {contextMMS, "1.0.9506.2.1"}} {
				i := e.open(tagSequence)
				e.integer(tagInteger, c.id)
				e.oid(tagOID, c.oid)
				t := e.open(tagSequence)
				e.oid(tagOID, oidBER)
				e.close(t)
				e.close(i)
			}
			e.close(d)
		} else {
			d := e.open(0xa5)
			for range 2 {
				i := e.open(tagSequence)
				e.integer(0x80, 0)
				e.oid(0x81, oidBER)
				e.close(i)
			}
			e.close(d)
		}
		done := pdv(e, contextACSE)
		x := e.open(tag)
		c := e.open(0xa1)
		e.oid(tagOID, "1.0.9506.2.3")
		e.close(c)
		if tag == 0x61 {
			r := e.open(0xa2)
			e.integer(tagInteger, 0)
			e.close(r)
			d := e.open(0xa3)
			u := e.open(0xa1)
			e.integer(tagInteger, 0)
			e.close(u)
			e.close(d)
		}
		u := e.open(0xbe)
		v := e.open(tagExternal)
		e.oid(tagOID, oidBER)
		e.integer(tagInteger, contextMMS)
		w := e.open(0xa0)
		write(e)
		e.close(w)
		e.close(v)
		e.close(u)
		e.close(x)
		done()
		e.close(n)
		e.close(m)
		return e.b
	}
	initiate := func(tag byte) func(e *encoder) {
		return func(e *encoder) {
			m := e.open(tag)
			e.integer(0x80, 65000)
			e.integer(0x81, 5)
			e.integer(0x82, 5)
			e.integer(0x83, 5)
			d := e.open(0xa4)
			e.integer(0x80, 1)
			e.primitive(0x81, []byte{5, 0xf1, 0})
			e.primitive(0x82, []byte{3, 0xee, 0x1c, 0, 0, 4, 8, 0, 0, 0x79, 0xef, 0x18})
			e.close(d)
			e.close(m)
		}
	}
	session := func(si byte, data []byte) func(b []byte) []byte {
		return func(b []byte) []byte {
			item := appendParam(nil, piOptions, []byte{0})
			item = appendParam(item, piVersion, []byte{2})
			p := appendParam(nil, pgiConnectAccept, item)
			p = appendParam(p, piRequirements, []byte{0, 2})
			return appendSPDU(b, si, appendUserData(p, data))
		}
	}
	a.say(client, session(siConnect, association(0x60, initiate(0xa8))))
	a.answer(server, session(siAccept, association(0x61, initiate(0xa9))))
	for n := range 1 + a.rng.IntN(10) {
		data := func(write func(e *encoder)) func(b []byte) []byte {
			return func(b []byte) []byte {
				e := &encoder{b: append(give(b), siGiveTokens, 0)}
				done := pdv(e, contextMMS)
				write(e)
				done()
				return e.b
			}
		}
		a.say(client, data(func(e *encoder) {
			m := e.open(0xa0)
			e.integer(tagInteger, n+1)
			e.primitive(0x82, nil) // identify
			e.close(m)
		}))
		a.answer(server, data(func(e *encoder) {
			m := e.open(0xa1)
			e.integer(tagInteger, n+1)
			r := e.open(0xa2)
			e.text(0x80, "Invented")
			e.text(0x81, "Model 1")
			e.text(0x82, "1.0")
			e.close(r)
			e.close(m)
		}))
	}
}

// hello is the beginning of a TLS connection.
func (a *association) hello() {
	a.l.Class = ledger.ClassEncrypted
	body := append([]byte{3, 3}, noise(a.rng, 32)...)
	body = append(body, 0, 0, 4, 0x13, 0x01, 0x13, 0x02, 1, 0)
	record := func(typ byte, b []byte) []byte {
		return append([]byte{0x16, 3, 1, byte((len(b) + 4) >> 8), byte(len(b) + 4), typ, 0, byte(len(b) >> 8), byte(len(b))}, b...)
	}
	a.c.write(client, record(1, body))
	a.c.turn(client)
	answer := append([]byte{3, 3}, noise(a.rng, 32)...)
	a.c.write(server, record(2, append(answer, 0, 0x13, 0x01, 0)))
	a.c.turn(server)
	for d := range 2 {
		n := 40 + a.rng.IntN(1000)
		a.c.write(d, append([]byte{0x17, 3, 3, byte(n >> 8), byte(n)}, noise(a.rng, n)...))
		a.c.turn(d)
	}
}

// garbage is no protocol at all.
func (a *association) garbage() {
	a.l.Class = ledger.ClassGarbage
	for range 1 + a.rng.IntN(6) {
		b := noise(a.rng, 1+a.rng.IntN(900))
		b[0] = 0x80 | b[0]
		d := a.rng.IntN(2)
		a.c.write(d, b)
		a.c.turn(d)
	}
}
