package decode

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"

	"x400flow/osi/association"
)

// flowID identifies the two ends of a connection, client first.
func flowID(client, server netip.AddrPort) (id association.ConnectionID) {
	var b [36]byte
	putEnd(b[0:], client)
	putEnd(b[18:], server)
	sum := sha256.Sum256(b[:])
	copy(id[:], sum[:])
	return id
}

func putEnd(b []byte, end netip.AddrPort) {
	a := end.Addr().As16()
	copy(b, a[:])
	binary.BigEndian.PutUint16(b[16:], end.Port())
}

// transferID identifies a transfer by where its first octet stood.
func transferID(o *association.Origin) (id [16]byte) {
	var b [16 + 1 + 4]byte
	copy(b[:], o.Connection[:])
	b[16] = o.Dir
	binary.BigEndian.PutUint32(b[17:], o.Seq)
	sum := sha256.Sum256(b[:])
	copy(id[:], sum[:])
	return id
}

// problemID identifies a problem by where it is and what it is.
func problemID(flow association.ConnectionID, dir uint8, seq uint32, layer, reason string) (id [16]byte) {
	var b [128]byte
	p := append(b[:0], flow[:]...)
	p = append(p, dir)
	p = binary.BigEndian.AppendUint32(p, seq)
	p = append(p, layer...)
	p = append(p, 0)
	p = append(p, reason...)
	sum := sha256.Sum256(p)
	copy(id[:], sum[:])
	return id
}

// blindID identifies what was lost of a source in an interval.
func blindID(sensor, source []byte, epoch, from int64, reason string) (id [16]byte) {
	h := sha256.New()
	for _, part := range [][]byte{sensor, source, []byte(reason)} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write(part)
	}
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(epoch)), uint64(from)))
	copy(id[:], h.Sum(nil))
	return id
}

// appendCommunityID appends the Community ID, version 1 with seed 0, of a TCP connection:
// SHA-1 over the ends, the smaller first, and the protocol.
func appendCommunityID(dst []byte, a, b netip.AddrPort) []byte {
	if c := a.Addr().Compare(b.Addr()); c > 0 || c == 0 && a.Port() > b.Port() {
		a, b = b, a
	}
	var buf [40]byte
	p := append(buf[:0], 0, 0) // The seed.
	for _, addr := range [...]netip.Addr{a.Addr(), b.Addr()} {
		if addr.Is4() {
			octets := addr.As4()
			p = append(p, octets[:]...)
		} else {
			octets := addr.As16()
			p = append(p, octets[:]...)
		}
	}
	p = append(p, 6, 0) // TCP and padding.
	p = binary.BigEndian.AppendUint16(p, a.Port())
	p = binary.BigEndian.AppendUint16(p, b.Port())
	sum := sha1.Sum(p)
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), sum[:])
}
