package oracle

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mtsAPDU returns the MTS-APDU within what RTSE delivers in normal mode: an
// EXTERNAL of indirect-reference and single-ASN1-type (X.690 8.18).
func mtsAPDU(external []byte) []byte {
	body := contents(external)
	return contents(body[2+int(body[1]):])
}

// contents returns the contents octets of the value that b consists of.
func contents(b []byte) []byte {
	switch l := b[1]; {
	case l == 0x80:
		return b[2 : len(b)-2]
	case l > 0x80:
		return b[2+int(l&0x7f):]
	default:
		return b[2:]
	}
}

// segment is a TCP segment's place in its direction's stream, from 0.
type segment struct {
	at     int
	octets []byte
}

// streams returns the segments of both directions of a capture of one
// connection whose SYN is in it, in order of their places.
func streams(tb testing.TB, file string) (client, server []segment) {
	tb.Helper()
	for _, row := range fields(tb, file, "tcp.len>0", "tcp.dstport", "tcp.seq", "tcp.payload") {
		at, err := strconv.Atoi(row[1])
		if err != nil {
			tb.Fatal(err)
		}
		b, err := hex.DecodeString(strings.ReplaceAll(row[2], ":", ""))
		if err != nil {
			tb.Fatal(err)
		}
		if row[0] == "102" {
			client = append(client, segment{at - 1, b})
		} else {
			server = append(server, segment{at - 1, b})
		}
	}
	byPlace := func(a, b segment) int { return a.at - b.at }
	slices.SortStableFunc(client, byPlace)
	slices.SortStableFunc(server, byPlace)
	return client, server
}

// holes lists the places of a stream that no segment covers.
func holes(segments []segment) (out [][2]int) {
	end := 0
	for _, s := range segments {
		if s.at > end {
			out = append(out, [2]int{end, s.at})
		}
		end = max(end, s.at+len(s.octets))
	}
	return out
}

// join returns the octets of a stream without holes.
func join(tb testing.TB, segments []segment) []byte {
	tb.Helper()
	var out []byte
	for _, s := range segments {
		if s.at > len(out) {
			tb.Fatalf("octets %d to %d are not in the capture", len(out), s.at)
		}
		if more := s.at + len(s.octets) - len(out); more > 0 {
			out = append(out, s.octets[len(s.octets)-more:]...)
		}
	}
	return out
}

// transfers1984 returns the APDUs that activities transfer in one direction of
// an association in X.410-1984 mode: the user information of DATA TRANSFER
// SPDUs as it stands. It knows only what undisturbed transfers need.
func transfers1984(tb testing.TB, stream []byte) (apdus [][]byte) {
	tb.Helper()
	var tsdu, apdu []byte
	within := false
	for len(stream) >= 7 {
		n := int(stream[2])<<8 | int(stream[3]) // RFC 1006 section 6: the length of the TPKT.
		header := 5 + int(stream[4])
		if stream[5] == 0xf0 { // X.224 13.7: DT.
			tsdu = append(tsdu, stream[header:n]...)
			if stream[6]&0x80 != 0 {
				si, user := lastSPDU(tsdu)
				switch si {
				case 45: // ACTIVITY START
					within, apdu = true, nil
				case 1:
					if within {
						apdu = append(apdu, user...)
					}
				case 41: // ACTIVITY END
					if within {
						apdus = append(apdus, apdu)
					}
					within = false
				}
				tsdu = nil
			}
		}
		stream = stream[n:]
	}
	return apdus
}

// lastSPDU returns the SPDU identifier of a TSDU's last SPDU, and the octets
// after its parameters.
func lastSPDU(tsdu []byte) (si byte, user []byte) {
	for first := true; len(tsdu) >= 2; first = false {
		n := 2 + int(tsdu[1])
		si, user = tsdu[0], tsdu[n:]
		if si > 2 || !first {
			break
		}
		tsdu = user
	}
	return si, user
}
