package generate

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"

	"x400flow/bench/ledger"
)

// extension is one ExtensionField to be sent (X.411 figure 2).
type extension struct {
	number      int
	oid         string // private-extension, with number 0.
	criticality []int
	readable    string
	value       func(e *encoder)
}

var criticalityNames = [...]string{"for-submission", "for-transfer", "for-delivery"}

// extensions appends a field of SET OF ExtensionField under the tag and returns the ledger's
// form. An MTA writes ExtensionType's tag as implicit or, like some real ones, as explicit.
func (e *encoder) extensions(tag byte, list []extension, explicit bool) []ledger.Extension {
	if len(list) == 0 {
		return nil
	}
	out := make([]ledger.Extension, 0, len(list))
	m := e.open(tag)
	for _, x := range list {
		f := e.open(tagSequence)
		l := ledger.Extension{Number: x.number, OID: x.oid, Coding: "implicit", Readable: x.readable, Criticality: []string{}}
		switch {
		case x.oid != "":
			e.oid(0x83, x.oid)
		case explicit:
			l.Coding = "explicit"
			t := e.open(0xa0)
			e.integer(tagInteger, x.number)
			e.close(t)
		default:
			e.integer(0x80, x.number)
		}
		if len(x.criticality) > 0 {
			e.bits(0x81, 3, x.criticality...)
			for _, c := range x.criticality {
				l.Criticality = append(l.Criticality, criticalityNames[c])
			}
		}
		v := e.open(0xa2)
		x.value(e)
		l.Value = hex.EncodeToString(e.b[v:])
		e.close(v)
		e.close(f)
		out = append(out, l)
	}
	e.close(m)
	return out
}

func utc(t time.Time) string { return t.UTC().Format("060102150405Z") }

func (e *encoder) time(tag byte, t time.Time) { e.text(tag, utc(t)) }

// algorithm appends an AlgorithmIdentifier (X.509): sha256WithRSAEncryption.
func (e *encoder) algorithm(tag byte) {
	m := e.open(tag)
	e.oid(tagOID, "1.2.840.113549.1.1.11")
	e.raw(tagNull, 0)
	e.close(m)
}

// signature appends a Signature: an algorithm and an encrypted digest, which is noise here.
func (e *encoder) signature(noise []byte) {
	m := e.open(tagSequence)
	e.algorithm(tagSequence)
	e.primitive(tagBitString, append([]byte{0}, noise...))
	e.close(m)
}

func (e *encoder) name(cn string) {
	s := e.open(tagSequence)
	for _, r := range [...][2]string{{"2.5.4.6", "GB"}, {"2.5.4.3", cn}} {
		rdn := e.open(tagSet)
		ava := e.open(tagSequence)
		e.oid(tagOID, r[0])
		e.text(tagPrintable, r[1])
		e.close(ava)
		e.close(rdn)
	}
	e.close(s)
}

// certificates appends Certificates (X.509) with one certificate of invented content. Its
// lengths are always the definite minimal ones, because a certificate is signed as DER.
func (e *encoder) certificates(tag byte, serial int, noise []byte) {
	saved := e.style
	e.style = style{}
	m := e.open(tag)
	c := e.open(tagSequence)
	tbs := e.open(tagSequence)
	v := e.open(0xa0)
	e.integer(tagInteger, 2)
	e.close(v)
	e.integer(tagInteger, serial)
	e.algorithm(tagSequence)
	e.name("Invented CA")
	val := e.open(tagSequence)
	e.text(tagUTCTime, "200101000000Z")
	e.text(tagUTCTime, "400101000000Z")
	e.close(val)
	e.name("user " + strconv.Itoa(serial))
	spki := e.open(tagSequence)
	alg := e.open(tagSequence)
	e.oid(tagOID, "1.3.101.112")
	e.close(alg)
	e.primitive(tagBitString, append([]byte{0}, noise...))
	e.close(spki)
	e.close(tbs)
	e.algorithm(tagSequence)
	e.primitive(tagBitString, append([]byte{0}, noise...))
	e.close(c)
	e.close(m)
	e.style = saved
}

func (e *encoder) securityLabel(tag byte, class int, mark string) {
	m := e.openSet(tag)
	e.member()
	e.oid(tagOID, "1.2.826.0.1.3344810.1.9")
	e.member()
	e.integer(tagInteger, class)
	e.member()
	e.text(tagPrintable, mark)
	e.closeSet(m)
}

func flag(number int, readable string, criticality ...int) extension {
	return extension{number: number, readable: readable, criticality: criticality,
		value: func(e *encoder) { e.integer(tagEnumerated, 1) }}
}

func signed(r *rand.Rand, number int, readable string, criticality ...int) extension {
	n := noise(r, 64)
	return extension{number: number, readable: readable, criticality: criticality, value: func(e *encoder) { e.signature(n) }}
}

func certified(r *rand.Rand, number int, readable string, criticality ...int) extension {
	n, serial := noise(r, 32), r.IntN(1e6)
	return extension{number: number, readable: readable, criticality: criticality,
		value: func(e *encoder) { e.certificates(tagSequence, serial, n) }}
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func addressed(number int, a *address, criticality ...int) extension {
	a.seal()
	return extension{number: number, readable: a.ledger.Text, criticality: criticality,
		value: func(e *encoder) { e.orName(0x60, a) }}
}

func labelled(r *rand.Rand) extension {
	class := r.IntN(6)
	return extension{number: 20, readable: "classification " + strconv.Itoa(class), criticality: []int{2},
		value: func(e *encoder) { e.securityLabel(tagSet, class, "INVENTED MARK") }}
}

func correlated(r *rand.Rand) extension {
	v := "corr-" + strconv.Itoa(r.IntN(1e6))
	octets := r.IntN(3) == 0
	return extension{number: 23, readable: v, value: func(e *encoder) {
		if octets {
			e.octets(tagOctetString, []byte(v))
		} else {
			e.text(tagIA5, v)
		}
	}}
}

// history makes redirection-history, DL expansion history and the like: a SEQUENCE of pairs of
// an OR-name and a time.
func history(number int, list []*address, at time.Time) extension {
	readable := ""
	for _, a := range list {
		readable += a.seal().ledger.Text + " " + at.Format(time.RFC3339) + " "
	}
	return extension{number: number, readable: readable, value: func(e *encoder) {
		m := e.open(tagSequence)
		for i, a := range list {
			p := e.open(tagSequence)
			if number == 25 { // RedirectionHistory
				q := e.open(tagSequence)
				e.orName(0x60, a)
				e.time(tagUTCTime, at.Add(time.Duration(i)*time.Minute))
				e.close(q)
				e.integer(tagEnumerated, i%3)
			} else {
				e.orName(0x60, a)
				e.time(tagUTCTime, at.Add(time.Duration(i)*time.Minute))
			}
			e.close(p)
		}
		e.close(m)
	}}
}

// privateExtension is an extension by object identifier that no standard defines.
func privateExtension(r *rand.Rand) extension {
	n := r.IntN(1000)
	return extension{oid: "1.3.6.1.4.1.99999.400." + strconv.Itoa(r.IntN(3)+1), readable: strconv.Itoa(n),
		value: func(e *encoder) {
			m := e.open(tagSequence)
			e.integer(tagInteger, n)
			e.text(tagIA5, "private")
			e.close(m)
		}}
}

// messageExtensions picks per-message extensions of a message (X.411 figure 4).
func messageExtensions(r *rand.Rand, d *domain, at time.Time, rate float64) []extension {
	var list []extension
	add := func(make func() extension) {
		if r.Float64() < rate {
			list = append(list, make())
		}
	}
	add(func() extension { return flag(1, "recipient-reassignment-prohibited", 2) })
	add(func() extension { return flag(3, "dl-expansion-prohibited", 2) })
	add(func() extension { return flag(4, "conversion-with-loss-prohibited", 2) })
	add(func() extension {
		t := at.Add(time.Duration(1+r.IntN(72)) * time.Hour)
		return extension{number: 5, readable: t.Format(time.RFC3339), criticality: []int{2},
			value: func(e *encoder) { e.time(tagUTCTime, t) }}
	})
	add(func() extension {
		a := richAddress(r, d).seal()
		a.directory = nil
		a.seal()
		return extension{number: 13, readable: a.ledger.Text, value: func(e *encoder) {
			m := e.open(tagSequence)
			e.orAddressFields(a)
			e.close(m)
		}}
	})
	add(func() extension { return certified(r, 15, "originator-certificate") })
	add(func() extension {
		return extension{number: 17, readable: "content-confidentiality-algorithm-identifier", criticality: []int{2},
			value: func(e *encoder) { e.algorithm(tagSequence) }}
	})
	add(func() extension { return signed(r, 19, "message-origin-authentication-check", 2) })
	add(func() extension { return labelled(r) })
	add(func() extension { return correlated(r) })
	add(func() extension { return history(26, []*address{richAddress(r, d), plainAddress(r, d)}, at) })
	add(func() extension {
		return extension{number: 40, readable: "directory-entry", value: func(e *encoder) {
			m := e.open(tagSet)
			c := e.open(0xa0)
			e.name("a signer")
			e.close(c)
			e.close(m)
		}}
	})
	add(func() extension {
		a, b := plainAddress(r, d).seal(), richAddress(r, d).seal()
		return extension{number: 42, readable: a.ledger.Text + " " + b.ledger.Text, value: func(e *encoder) {
			m := e.open(tagSet)
			e.orName(0x60, a)
			e.orName(0x60, b)
			e.close(m)
		}}
	})
	add(func() extension {
		return extension{number: 45, readable: "certificate-selectors", value: func(e *encoder) { selectors(e, 4) }}
	})
	add(func() extension { return privateExtension(r) })
	return list
}

// selectors appends CertificateSelectors whose assertions name a serial number.
func selectors(e *encoder, last int) {
	m := e.open(tagSet)
	for _, n := range [...]int{0, last} {
		a := e.open(0xa0 | byte(n))
		e.integer(0x80, 4711+n)
		e.close(a)
	}
	e.close(m)
}

// recipientExtensions picks per-recipient extensions of a message or, with probe, of a probe.
func recipientExtensions(r *rand.Rand, d *domain, at time.Time, rate float64, probe bool) []extension {
	var list []extension
	add := func(make func() extension) {
		if r.Float64() < rate {
			list = append(list, make())
		}
	}
	add(func() extension { return addressed(2, richAddress(r, d), 0) })
	add(func() extension {
		methods := []int{1, r.IntN(8) + 2}
		return extension{number: 6, readable: "1," + strconv.Itoa(methods[1]), value: func(e *encoder) {
			m := e.open(tagSequence)
			for _, n := range methods {
				e.integer(tagInteger, n)
			}
			e.close(m)
		}}
	})
	add(func() extension {
		return extension{number: 12, readable: "2.6.5.0.0", criticality: []int{2}, value: func(e *encoder) { e.oid(tagOID, "2.6.5.0.0") }}
	})
	add(func() extension { return history(25, []*address{plainAddress(r, d), richAddress(r, d)}, at) })
	if probe {
		return list
	}
	add(func() extension { return flag(7, "physical-forwarding-prohibited", 2) })
	add(func() extension { return flag(8, "physical-forwarding-address-requested", 2) })
	add(func() extension {
		mode := r.IntN(7)
		return extension{number: 9, readable: "modes " + strconv.Itoa(mode) + ",7", criticality: []int{2},
			value: func(e *encoder) { e.bits(tagBitString, 8, mode, 7) }}
	})
	add(func() extension {
		n := r.IntN(3)
		return extension{number: 10, readable: strconv.Itoa(n), criticality: []int{2}, value: func(e *encoder) { e.integer(tagInteger, n) }}
	})
	add(func() extension {
		n := "+44 " + strconv.Itoa(1e6+r.IntN(1e6))
		return extension{number: 11, readable: n, criticality: []int{2}, value: func(e *encoder) { e.text(tagTeletex, n) }}
	})
	add(func() extension {
		n := r.IntN(4)
		return extension{number: 14, readable: strconv.Itoa(n), criticality: []int{2}, value: func(e *encoder) { e.integer(tagInteger, n) }}
	})
	add(func() extension {
		// An asymmetric token (X.411 figure 2): signed data for this recipient.
		a, bits := plainAddress(r, d).seal(), noise(r, 32)
		return extension{number: 16, readable: "message-token for " + a.ledger.Text, criticality: []int{2}, value: func(e *encoder) {
			m := e.open(tagSequence)
			e.oid(0x80, "2.6.3.6.0")
			v := e.open(0xa1)
			t := e.open(tagSequence)
			data := e.open(tagSequence)
			e.algorithm(tagSequence)
			e.orName(0x60, a)
			e.time(tagUTCTime, at)
			e.close(data)
			e.algorithm(tagSequence)
			e.primitive(tagBitString, append([]byte{0}, bits...))
			e.close(t)
			e.close(v)
			e.close(m)
		}}
	})
	add(func() extension { return signed(r, 18, "content-integrity-check", 2) })
	add(func() extension { return flag(22, "proof-of-delivery-requested", 2) })
	add(func() extension { return certified(r, 28, "recipient-certificate") })
	add(func() extension {
		return extension{number: 46, readable: "certificate-selectors-override", value: func(e *encoder) { selectors(e, 3) }}
	})
	add(func() extension { return privateExtension(r) })
	return list
}

// probeExtensions picks per-message extensions of a probe.
func probeExtensions(r *rand.Rand, rate float64) []extension {
	var list []extension
	for _, make := range [...]func() extension{
		func() extension { return flag(1, "recipient-reassignment-prohibited", 2) },
		func() extension { return flag(3, "dl-expansion-prohibited", 2) },
		func() extension { return flag(4, "conversion-with-loss-prohibited", 2) },
		func() extension { return certified(r, 15, "originator-certificate") },
		func() extension { return labelled(r) },
		func() extension { return correlated(r) },
		func() extension { return signed(r, 24, "probe-origin-authentication-check", 2) },
		func() extension { return privateExtension(r) },
	} {
		if r.Float64() < rate {
			list = append(list, make())
		}
	}
	return list
}

// reportExtensions picks extensions of a report's envelope.
func reportExtensions(r *rand.Rand, d *domain, m *mta, at time.Time, rate float64) []extension {
	var list []extension
	for _, make := range [...]func() extension{
		func() extension { return labelled(r) },
		func() extension { return history(30, []*address{plainAddress(r, d), richAddress(r, d)}, at) },
		func() extension { return addressed(31, richAddress(r, d)) },
		func() extension { return certified(r, 32, "reporting-MTA-certificate", 2) },
		func() extension { return signed(r, 33, "report-origin-authentication-check", 2) },
		func() extension {
			return extension{number: 39, readable: m.name, value: func(e *encoder) {
				s := e.open(tagSequence)
				m.domain.global(e)
				e.text(tagIA5, m.name)
				e.close(s)
			}}
		},
		func() extension { return privateExtension(r) },
	} {
		if r.Float64() < rate {
			list = append(list, make())
		}
	}
	return list
}

// reportedExtensions picks extensions of one recipient in a report.
func reportedExtensions(r *rand.Rand, d *domain, at time.Time, rate float64) []extension {
	var list []extension
	for _, make := range [...]func() extension{
		func() extension { return history(25, []*address{plainAddress(r, d)}, at) },
		func() extension { return addressed(27, richAddress(r, d)) },
		func() extension { return certified(r, 28, "recipient-certificate") },
		func() extension { return signed(r, 29, "proof-of-delivery") },
	} {
		if r.Float64() < rate {
			list = append(list, make())
		}
	}
	return list
}
