package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"x400flow/bench/ledger"
)

// reader takes a direction of an association apart, for TestTransfers: TPKT, COTP's DT, session's
// activities, and RTSE's pieces. It knows only what X.225 and X.228 say of these and nothing of
// how they were made.
type reader struct {
	normal bool
	open   *activity
	old    map[string]*activity // By activity identifier, those that were interrupted.
}

type activity struct {
	id     string
	octets []byte
	at     map[int]int // Octets before each checkpoint.
	serial int
	seq    int // Stream offset of the first octet.
	first  int // Association where it began.
}

// sessionUnits gives the TSDUs in a stream and the offset of each one's octets.
func sessionUnits(t *testing.T, b []byte) (units [][]byte, offsets [][]int) {
	t.Helper()
	var unit []byte
	var offset []int
	for pos := 0; pos+4 <= len(b); {
		n := int(b[pos+2])<<8 | int(b[pos+3])
		if b[pos] != 3 || n < 7 || pos+n > len(b) {
			t.Fatalf("no TPKT at %d: % x", pos, b[pos:min(pos+8, len(b))])
		}
		if b[pos+5] == 0xf0 {
			for i := pos + 7; i < pos+n; i++ {
				unit = append(unit, b[i])
				offset = append(offset, i)
			}
			if b[pos+6]&0x80 != 0 {
				units, offsets = append(units, unit), append(offsets, offset)
				unit, offset = nil, nil
			}
		}
		pos += n
	}
	return units, offsets
}

// element reads one BER element with a definite or indefinite length.
func berElement(b []byte) (tag byte, content []byte, rest int, ok bool) {
	if len(b) < 2 {
		return 0, nil, 0, false
	}
	n, head := int(b[1]), 2
	if n == 0x80 {
		for p := 2; ; {
			if b[p] == 0 && b[p+1] == 0 {
				return b[0], b[2:p], p + 2, true
			}
			_, _, l, ok := berElement(b[p:])
			if !ok {
				return 0, nil, 0, false
			}
			p += l
		}
	}
	if n > 0x80 {
		n -= 0x80
		head += n
		l := 0
		for _, c := range b[2 : 2+n] {
			l = l<<8 | int(c)
		}
		n = l
	}
	return b[0], b[head : head+n], head + n, true
}

func parameters(b []byte) map[byte][]byte {
	out := map[byte][]byte{}
	for len(b) > 1 {
		pi, n, head := b[0], int(b[1]), 2
		if n == 255 {
			n, head = int(b[2])<<8|int(b[3]), 4
		}
		out[pi] = b[head : head+n]
		b = b[head+n:]
	}
	return out
}

func TestTransfers(t *testing.T) {
	o := DefaultOptions()
	o.Messages, o.SegmentRate, o.PerAssociation, o.X410Rate = 250, 1, 6, 0.4
	o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate = 0.2, 0.15, 0.1, 0.1
	o.OddRate = 0.4
	o.TwoWayRate, o.RepeatRate, o.ConstructedAllRate, o.AbortRate = 0.4, 0.05, 0.2, 0.1
	g := generate(t, o)
	all := streams(t, packets(t, g.capture), g.ledger)

	// Activities that broke off with their association, by session reference and activity.
	broken := map[string]*activity{}
	type found struct {
		association int
		d           int
		sum         string
		size        int
		seq         int
		first       int
	}
	var got []found
	slices.SortFunc(g.ledger.Associations, func(a, b ledger.Association) int { return a.ID - b.ID })
	for _, a := range g.ledger.Associations {
		for d := range 2 {
			r := &reader{normal: a.Mode == ledger.ModeNormal, old: map[string]*activity{}}
			units, offsets := sessionUnits(t, all[a.ID][d].octets)
			reference := ""
			// The reference is in the client's CONNECT, for both directions.
			clientUnits, _ := sessionUnits(t, all[a.ID][client].octets)
			connect := parameters(parameters(clientUnits[0][liSize(clientUnits[0]):])[pgiConnection])
			reference = fmt.Sprintf("%x %x %x", connect[piCalling], connect[piCommon], connect[piAdditional])
			for i, u := range units {
				if len(u) < 4 || (u[0] != siGiveTokens && u[0] != siPleaseTokens) || u[1] != 0 {
					continue
				}
				body := u[2:]
				var piece []byte
				p := func() map[byte][]byte { return parameters(body[liSize(body):]) }
				switch body[0] {
				case siActivityStart:
					n := liSize(body) + int(body[1])
					r.open = &activity{id: string(parameters(body[liSize(body):n])[piActivity]), at: map[int]int{}, seq: -1, first: a.ID}
					if len(body) > n {
						// DATA TRANSFER concatenated.
						piece = body[n+2:]
					}
				case siResume:
					link := parameters(p()[pgiLinking])
					old := r.old[string(link[piActivity])]
					if ref, ok := link[piCalling]; ok {
						key := fmt.Sprintf("%x %x %x", ref, link[piCommon], link[piAdditional]) + string(link[piActivity])
						old = broken[key]
						delete(broken, key)
					}
					if old == nil {
						t.Fatalf("association %d resumes activity %x, which nobody knows", a.ID, link[piActivity])
					}
					serial, err := strconv.Atoi(string(link[piSerial]))
					if err != nil {
						t.Fatal(err)
					}
					keep, ok := old.at[serial]
					if !ok {
						t.Fatalf("association %d resumes at checkpoint %d, which was not set", a.ID, serial)
					}
					r.open = &activity{id: string(p()[piActivity]), at: map[int]int{serial: keep}, octets: old.octets[:keep:keep], serial: serial, seq: old.seq, first: old.first}
				case siGiveTokens: // DATA TRANSFER
					piece = body[2:]
				case siMinorSync:
					r.open.serial++
					if s := string(p()[piSerial]); s != strconv.Itoa(r.open.serial) {
						t.Fatalf("association %d: checkpoint %s, expected %d", a.ID, s, r.open.serial)
					}
					r.open.at[r.open.serial] = len(r.open.octets)
				case siActivityEnd:
					if s := string(p()[piSerial]); s != strconv.Itoa(r.open.serial+1) {
						t.Fatalf("association %d: end is %s, expected %d", a.ID, s, r.open.serial+1)
					}
					sum := sha256.Sum256(r.open.octets)
					got = append(got, found{a.ID, d, hex.EncodeToString(sum[:]), len(r.open.octets), r.open.seq, r.open.first})
					r.open = nil
				case 25: // ACTIVITY INTERRUPT
					r.old[r.open.id] = r.open
					r.open = nil
				case siDiscard:
					r.open = nil
				}
				if piece != nil {
					r.data(t, a.ID, u, offsets[i], piece)
				}
			}
			if r.open != nil {
				broken[reference+r.open.id] = r.open
			}
		}
	}
	var want []found
	byISN := map[ledger.Connection]int{}
	for _, a := range g.ledger.Associations {
		byISN[a.Connection] = a.ID
	}
	for _, s := range g.ledger.Sightings {
		d, first := client, s.Association
		c := s.Connection
		if s.Began != nil {
			c = *s.Began
			first = byISN[c]
		}
		isn := c.ClientISN
		if s.Direction == ledger.ToClient {
			d, isn = server, c.ServerISN
		}
		want = append(want, found{s.Association, d, s.SHA256, s.Size, int(s.Seq - isn - 1), first})
		if !s.Whole {
			t.Errorf("association %d: a transfer is not whole in a capture without loss", s.Association)
		}
	}
	order := func(a, b found) int {
		for _, d := range []int{a.association - b.association, a.d - b.d, a.seq - b.seq, a.first - b.first} {
			if d != 0 {
				return d
			}
		}
		return 0
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if len(got) != len(want) {
		t.Fatalf("%d transfers in the capture, %d in the ledger", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("transfer %d is %+v, the ledger has %+v", i, got[i], want[i])
		}
	}
	// What stays broken off is what the ledger calls incomplete, discarded transfers aside.
	cut := 0
	for _, x := range g.ledger.Incomplete {
		if x.Why != "discarded" {
			cut++
		}
	}
	if len(broken) != cut {
		t.Errorf("%d activities were never resumed, the ledger has %d", len(broken), cut)
	}
}

// data takes a DATA TRANSFER's user information, which ends its TSDU.
func (r *reader) data(t *testing.T, association int, u []byte, offsets []int, piece []byte) {
	t.Helper()
	at := offsets[len(u)-len(piece):]
	if r.normal {
		for _, want := range []byte{0x61, 0x30} {
			tag, content, _, ok := berElement(piece)
			if !ok || tag != want {
				t.Fatalf("association %d: user data is % x", association, piece[:8])
			}
			piece = content
		}
		_, _, n, _ := berElement(piece)
		if !bytes.Equal(piece[:n], []byte{2, 1, contextRTSE}) {
			t.Fatalf("association %d: context % x", association, piece[:n])
		}
		_, piece, _, _ = berElement(piece[n:])
		tag, rttr, _, _ := berElement(piece)
		piece = rttr
		if tag == 0x24 {
			piece = nil
			for len(rttr) > 0 {
				_, s, n, _ := berElement(rttr)
				if piece == nil {
					at = offsets[bytes.Index(u, s):]
				}
				piece = append(piece, s...)
				rttr = rttr[n:]
			}
		} else if r.open.seq < 0 {
			at = offsets[bytes.Index(u, piece):]
		}
	}
	if r.open.seq < 0 {
		r.open.seq = at[0]
	}
	r.open.octets = append(r.open.octets, piece...)
}

// liSize is the size of an SPDU's identifier and length indicator.
func liSize(b []byte) int {
	if b[1] == 255 {
		return 4
	}
	return 2
}
