package generate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Specimen is a capture of one connection, made to have fields that traffic seldom
// has.
type Specimen struct {
	Name    string
	Capture []byte // A pcap file with nanosecond times, Ethernet frames.
}

// Specimens returns captures that together have each field that Wireshark's
// dissectors of X.411, RTSE, ACSE and ROSE read of X.400: between MTAs, of users with
// the MTS and with a message store. They are always the same octets. Values differ, so
// that what is read can be told apart, and passwords and keys begin with UNSPOKEN.
func Specimens() []Specimen {
	list := []Specimen{}
	for i, x := range slices.Concat(transferSpecimens, refusedSpecimens, accessSpecimens, storeSpecimens) {
		s := newStage(i+1, x.normal)
		x.play(s)
		list = append(list, Specimen{x.name, s.finish()})
	}
	return list
}

type specimen struct {
	name   string
	normal bool
	play   func(s *stage)
}

// stage is where a specimen is played: an association whose every TSDU is given.
type stage struct {
	association
	file   bytes.Buffer
	writer *pcapWriter
	owner  int // Who has the turn.
}

func newStage(n int, normal bool) *stage {
	s := &stage{}
	s.writer = newPcapWriter(&s.file, 0)
	s.rng = rand.New(rand.NewPCG(1988, uint64(n)))
	s.chunk = 8189
	s.setup.normal = normal
	start := time.Date(1996, 4, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	s.c = &conn{o: &Options{MSS: 1460}, rng: s.rng, delay: 2, now: start.UnixNano(), mss: 1460,
		yield: func(f frame) bool { s.writer.write(f.at, f.octets); return s.writer.err == nil }}
	for d := range s.c.side {
		port := uint16(102)
		if d == client {
			port = 40000 + uint16(n)
		}
		s.c.side[d] = side{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 88, byte(d), byte(n)}), port), mac: [6]byte{2, 0, 88, 0, byte(d), byte(n)},
			isn: uint32(n<<20 + d<<12)}
	}
	s.c.open()
	cr := []byte{0, 0xe0, 0, 0, 0, 1, 0}
	cr = appendParam(cr, 0xc0, []byte{0x0d})
	cr = appendParam(cr, 0xc1, fmt.Appendf(nil, "calling-%d", n))
	cr = appendParam(cr, 0xc2, fmt.Appendf(nil, "called-%d", n))
	cc := appendParam([]byte{0, 0xd0, 0, 1, 0, 2, 0}, 0xc0, []byte{0x0d})
	cr[0], cc[0] = byte(len(cr)-1), byte(len(cc)-1)
	s.tpdu(client, cr...)
	s.c.turn(client)
	s.tpdu(server, cc...)
	s.c.turn(server)
	return s
}

// finish closes the connection and returns the capture.
func (s *stage) finish() []byte {
	if !s.ended {
		s.c.close(client)
	}
	s.c.letGo()
	s.writer.flush()
	return s.file.Bytes()
}

// tell sends a TSDU.
func (s *stage) tell(d int, tsdu []byte) {
	s.send(d, tsdu, 0)
	s.c.turn(d)
}

// connect sends CONNECT with a PPDU; units are the session functional units.
func (s *stage) connect(units byte, ppdu []byte) {
	ref := slices.Concat(appendParam(nil, piCalling, chars(tagOctetString, "specimen")), appendParam(nil, piCommon, chars(tagUTCTime, "960401120000Z")))
	s.open(client, siConnect, ref, units, ppdu)
}

// accept sends ACCEPT with a PPDU.
func (s *stage) accept(units byte, ppdu []byte) { s.open(server, siAccept, nil, units, ppdu) }

// The session functional units of RTSE, and duplex alone (X.225 Table 21).
const (
	unitsRTSE   = 0x49
	unitsDuplex = 0x02
)

func (s *stage) open(d int, si byte, ref []byte, units byte, ppdu []byte) {
	var p []byte
	if ref != nil {
		p = appendParam(p, pgiConnection, ref)
	}
	p = appendParam(p, pgiConnectAccept, []byte{piOptions, 1, 0, piVersion, 1, 2, piTokenSetting, 1, 0})
	high := byte(2)
	if units == unitsDuplex {
		high = 0
	}
	p = appendParam(p, piRequirements, []byte{high, units})
	s.tell(d, appendSPDU(nil, si, appendUserData(p, ppdu)))
}

// refuse sends REFUSE with a PPDU.
func (s *stage) refuse(ppdu []byte) {
	p := appendParam(nil, piDisconnect, []byte{1})
	s.tell(server, appendSPDU(nil, siRefuse, appendParam(p, piReason, append([]byte{2}, ppdu...))))
}

// abort sends ABORT with a PPDU, from a user, and ends the connection.
func (s *stage) abort(d int, ppdu []byte) {
	s.tell(d, appendSPDU(nil, siAbort, appendUserData(appendParam(nil, piDisconnect, []byte{3}), ppdu)))
	s.c.close(1 - d)
	s.ended = true
}

// release plays FINISH and DISCONNECT with ACSE APDUs in them.
func (s *stage) release(request, response []byte) {
	wrap := func(apdu []byte) []byte {
		if apdu == nil {
			return nil
		}
		return value(contextACSE, apdu)
	}
	s.tell(client, appendSPDU(nil, siFinish, appendUserData(appendParam(nil, piDisconnect, []byte{1}), wrap(request))))
	s.tell(server, appendSPDU(nil, siDisconnect, appendUserData(nil, wrap(response))))
}

// transfer plays the activity that transfers an APDU, with the turn passed before where
// that is needed; after each piece is a checkpoint.
func (s *stage) transfer(d int, pieces ...[]byte) {
	if s.owner != d {
		s.tell(d, s.setup.pleaseTurn(nil, 7))
		s.tell(1-d, appendSPDU(nil, siGiveConfirm, nil))
		s.tell(d, appendSPDU(nil, siGiveAck, nil))
		s.owner = d
	}
	s.activity[d]++
	s.tell(d, activityStart(nil, s.activity[d]))
	serial := 0
	for i, p := range pieces {
		tsdu, _ := s.setup.data(nil, p, false)
		s.tell(d, tsdu)
		if i+1 < len(pieces) {
			serial++
			s.tell(d, serialSPDU(give(nil), siMinorSync, serial))
			s.tell(1-d, serialSPDU(please(nil), siMinorSyncAck, serial))
		}
	}
	serial++
	s.tell(d, serialSPDU(give(nil), siActivityEnd, serial))
	s.tell(1-d, serialSPDU(please(nil), siEndAck, serial))
}

// mts transfers an MTS-APDU in its EXTERNAL, or without one in X.410-1984 mode.
func (s *stage) mts(d int, apdu []byte) {
	if s.setup.normal {
		apdu = external(contextMTSE, apdu)
	}
	s.transfer(d, apdu)
}

// operate sends a ROSE APDU: with RTSE in an activity, otherwise as data.
func (s *stage) operate(d, context int, apdu []byte) {
	if s.access() {
		s.transfer(d, external(context, apdu))
		return
	}
	s.tell(d, append([]byte{siGiveTokens, 0, siGiveTokens, 0}, value(context, apdu)...))
}

func (s *stage) access() bool { return s.setup.access != nil && s.setup.access.rtse }

// Notation: values as BER in the minimal definite form.

// el is a constructed value, or a primitive one whose octets are given.
func el(tag byte, parts ...[]byte) []byte {
	var e encoder
	e.primitive(tag, slices.Concat(parts...))
	return e.b
}

func seq(parts ...[]byte) []byte       { return el(tagSequence, parts...) }
func setOf(parts ...[]byte) []byte     { return el(tagSet, parts...) }
func chars(tag byte, s string) []byte  { return el(tag, []byte(s)) }
func stamp(tag byte, at string) []byte { return el(tag, []byte(at+"Z")) }
func yes(tag byte) []byte              { return el(tag, []byte{0xff}) }
func no(tag byte) []byte               { return el(tag, []byte{0}) }
func octets(tag byte, s string) []byte { return el(tag, []byte{0}, []byte(s)) } // A BIT STRING.
func none() []byte                     { return el(tagNull) }
func value(context int, v []byte) []byte {
	return el(0x61, seq(integer(tagInteger, context), el(0xa0, v)))
}

func integer(tag byte, n int) []byte {
	var e encoder
	e.integer(tag, n)
	return e.b
}

// bits is a BIT STRING of at least size bits, with those set.
func bits(tag byte, size int, set ...int) []byte {
	var e encoder
	e.bits(tag, size, set...)
	return e.b
}

func oid(tag byte, dotted string) []byte {
	var e encoder
	e.oid(tag, dotted)
	return e.b
}

// wide is a UniversalOrBMPString of two or four octets a character, with a language.
func wide(tag byte, four bool, language, s string) []byte {
	var b []byte
	for _, r := range s {
		if four {
			b = append(b, 0, byte(r>>16))
		}
		b = append(b, byte(r>>8), byte(r))
	}
	t := byte(tagBMP)
	if four {
		t = tagUniversal
	}
	return el(tag, el(t, b), chars(tagPrintable, language))
}

// external is an EXTERNAL of a presentation context.
func external(context int, v []byte) []byte {
	return el(tagExternal, integer(tagInteger, context), el(0xa0, v))
}

// directory is a Name (X.501), of attributes type=value.
func directory(rdns ...string) []byte {
	types := map[string]string{"C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3"}
	var parts [][]byte
	for _, r := range rdns {
		t, v, _ := strings.Cut(r, "=")
		parts = append(parts, setOf(seq(oid(tagOID, types[t]), chars(tagPrintable, v))))
	}
	return seq(parts...)
}

func algorithm(tag byte, dotted string) []byte { return el(tag, oid(tagOID, dotted), none()) }

// signature is a Signature, or of the SIGNATURE macro, under the tag.
func signature(tag byte, dotted, bits string) []byte {
	return el(tag, algorithm(tagSequence, dotted), octets(tagBitString, bits))
}

// certificate is Certificates with one invented certificate.
func certificate(tag byte, serial int) []byte {
	var e encoder
	e.certificates(tag, serial, []byte("an invented key of 32 octets ..."))
	return e.b
}
