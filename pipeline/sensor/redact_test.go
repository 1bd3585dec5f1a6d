package sensor

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"x400flow/bench/generate"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/record"
)

const password = "correct-horse-battery"

// binds are openings with password in them: real ones with another password, in
// both directions and modes, and with an ACSE authentication value.
func binds(t testing.TB, password string, s style) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, name := range []string{"p20", "p31", "p01"} {
		for dir, real := range []string{"pw-alpha", "pw-beta"} {
			found := 0
			out[fmt.Sprintf("%s %d", name, dir)] = rewrap(t, opening(t, name, dir), func(user []*node) []byte {
				each(user, func(n *node) {
					if string(n.value) == real {
						n.value = []byte(password)
						found++
					}
				})
				return encode(user, s)
			})
			if found != 1 {
				t.Fatalf("%s has %d passwords in direction %d", name, found, dir)
			}
		}
	}
	// X.227 9.1: authentication-value [12], a choice of which charstring is [0].
	for dir, tag := range []byte{0x60, 0x61} {
		out[fmt.Sprintf("authentication value %d", dir)] = rewrap(t, opening(t, "p20", dir), func(user []*node) []byte {
			each(user, func(n *node) {
				if n.id != tag || len(n.children) < 2 || n.children[len(n.children)-1].id != 0xbe {
					return
				}
				at := len(n.children) - 1
				id := byte(0xac)
				if dir == 1 {
					id = 0xaa
				}
				value := &node{id: id, children: []*node{{id: 0x80, value: []byte(password)}}}
				n.children = slices.Insert(n.children, at, value)
			})
			return encode(user, s)
		})
	}
	return out
}

var styles = map[string]style{
	"as they are": {}, "indefinite": {indefinite: true}, "long lengths": {long: true},
	"constructed": {chop: 4}, "constructed, indefinite": {chop: 5, indefinite: true},
}

// TestCredentialsAreOverwritten sends binds in every coding and any cutting: the
// password's octets are asterisks, and nothing else is changed.
func TestCredentialsAreOverwritten(t *testing.T) {
	for what, s := range styles {
		stars := binds(t, strings.Repeat("*", len(password)), s)
		for name, bind := range binds(t, password, s) {
			dir := int(name[len(name)-1] - '0')
			for _, tpdu := range []int{1, 10, 60, 60000} {
				for _, segment := range []int{1, 17, 1460} {
					w := newWire(2000).open().send(dir, bind, tpdu, segment)
					records := published(t, Config{}, w.frames)
					got, all := users(records, uint8(dir))
					where := fmt.Sprintf("%s, %s, TPDUs of %d, segments of %d", name, what, tpdu, segment)
					if g := grams(all, password); g != "" {
						t.Fatalf("%s: %q is published", where, g)
					}
					if strings.HasPrefix(name, "authentication") {
						// Its whole element may go.
						if len(got) != len(bind) {
							t.Fatalf("%s: %d octets of %d", where, len(got), len(bind))
						}
						continue
					}
					if !bytes.Equal(got, stars[name]) {
						t.Fatalf("%s: published\n%q\nwant\n%q", where, got, stars[name])
					}
				}
			}
		}
	}
}

// TestCredentialsWhereOctetsAreMissing takes frames out of binds, begins in their
// middle, lets none be held: no four octets of the password come out.
func TestCredentialsWhereOctetsAreMissing(t *testing.T) {
	for name, bind := range binds(t, password, style{}) {
		dir := int(name[len(name)-1] - '0')
		for _, tpdu := range []int{7, 23, 100, 60000} {
			for _, segment := range []int{11, 40, 1460} {
				w := newWire(2000).open().send(dir, bind, tpdu, segment)
				w.send(dir, []byte{1, 0, 1, 0, 'd', 'a', 't', 'a'}, 100, 100)
				try := func(where string, cfg Config, frames []capture.Frame) {
					t.Helper()
					_, all := users(published(t, cfg, frames), uint8(dir))
					if g := grams(all, password); g != "" {
						t.Fatalf("%s, TPDUs of %d, segments of %d, %s: %q is published", name, tpdu, segment, where, g)
					}
				}
				try("nothing held", Config{MaxHeld: 1}, w.frames)
				try("little held", Config{MaxHeld: 40, MaxRecord: 1}, w.frames)
				try("nothing pending", Config{MaxPending: 1}, w.frames)
				for i := 3; i < len(w.frames); i++ {
					try(fmt.Sprintf("without frame %d", i+1), Config{}, slices.Delete(slices.Clone(w.frames), i, i+1))
					try(fmt.Sprintf("from frame %d", i+1), Config{}, w.frames[i:])
					try(fmt.Sprintf("up to frame %d", i), Config{}, w.frames[:i])
				}
			}
		}
	}
}

// TestGeneratedCredentials looks for the passwords of generated binds.
func TestGeneratedCredentials(t *testing.T) {
	o := generate.DefaultOptions()
	o.Messages, o.PerAssociation, o.OddRate, o.IndefiniteRate, o.X410Rate, o.RefuseRate = 200, 1, 0.5, 0.5, 0.4, 0.1
	o.TinyRate, o.DisorderRate, o.LateRate, o.LossRate, o.MidStreamRate, o.OneWayRate = 0.3, 0.1, 0.1, 0.01, 0.1, 0.1
	var b bytes.Buffer
	if _, err := generate.Run(o, generate.Output{Capture: &b}); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("SECRET-")); n < 100 {
		t.Fatalf("the capture holds %d passwords", n)
	}
	r, err := capture.NewReader(&b, "generated", -1)
	if err != nil {
		t.Fatal(err)
	}
	var frames []capture.Frame
	var f capture.Frame
	for r.Next(&f) == nil {
		f.Data = bytes.Clone(f.Data)
		frames = append(frames, f)
	}
	byConn := map[[16]byte][]record.Record{}
	for _, r := range published(t, Config{}, frames) {
		byConn[r.Conn.ID] = append(byConn[r.Conn.ID], r)
	}
	for _, records := range byConn {
		for dir := range uint8(2) {
			if _, all := users(records, dir); bytes.Contains(all, []byte("SECRET")) {
				t.Errorf("%v %d: a password is published", records[0].Conn.Client, dir)
			}
		}
	}
}

// TestUndecodableBind keeps length and digest of what cannot be decoded: the bind,
// or all if that cannot be found.
func TestUndecodableBind(t *testing.T) {
	damaged := func(change func(b []byte) []byte) []byte {
		return rewrap(t, opening(t, "p31", 0), func(user []*node) []byte {
			each(user, func(n *node) {
				if string(n.value) == "pw-alpha" {
					n.value = []byte(password)
				}
			})
			return change(encode(user, style{}))
		})
	}
	length := damaged(func(b []byte) []byte {
		b[bytes.Index(b, []byte(password))-1]++
		return b
	})
	at := bytes.Index(length, []byte("\x80\x09alpha-mta")) - 2
	tag := damaged(func(b []byte) []byte {
		b[0] ^= 0x40
		return b
	})
	for name, c := range map[string]struct {
		tsdu     []byte
		from, to int // Overwritten.
		told     []byte
	}{
		"a length":  {length, at, at + 2 + int(length[at+1]), length[at : at+2+int(length[at+1])]},
		"user data": {tag, shown, len(tag), tag},
	} {
		for _, cut := range []int{30, 60000} {
			records := published(t, Config{}, newWire(2000).open().send(0, c.tsdu, cut, 1460).frames)
			got, all := users(records, 0)
			if g := grams(all, password); g != "" {
				t.Fatalf("%s: %q is published", name, g)
			}
			want := bytes.Clone(c.tsdu)
			stars(want[c.from:c.to])
			if !bytes.Equal(got, want) {
				t.Errorf("%s: published\n%q\nwant\n%q", name, got, want)
			}
			var told []record.Item
			for _, r := range records {
				for _, it := range r.Items {
					if it.Kind == record.Redaction {
						told = append(told, it)
					}
				}
			}
			sum := sha256.Sum256(c.told)
			if len(told) != 1 || told[0].Redacted != uint64(len(c.told)) || !bytes.Equal(told[0].Digest, sum[:]) || told[0].Frame == 0 {
				t.Errorf("%s: told %+v, want %d octets with digest %x", name, told, len(c.told), sum)
			}
		}
	}
}

// operations are TSDUs of data that invoke change-credentials and register-MS with
// a password, by how they are coded.
func operations(password string) map[string][][]byte {
	tlv := func(id byte, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append([]byte{id, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	gtdt := []byte{1, 0, 1, 0}
	change := tlv(0x31, tlv(0xa0, tlv(0x16, []byte(password))), tlv(0xa1, tlv(0x04, []byte(password))))
	register := tlv(0x31, tlv(0xa4, tlv(0x30, tlv(0xa0, tlv(0x16, []byte(password))), tlv(0xa1, tlv(0x16, []byte(password))))))
	invoke := func(code byte, argument []byte) []byte {
		return tlv(0xa1, []byte{2, 1, 7}, []byte{2, 1, code}, argument)
	}
	pdv := func(v []byte) []byte {
		return append(gtdt[:4:4], tlv(0x61, tlv(0x30, []byte{2, 1, 9}, tlv(0xa0, v)))...)
	}
	external := tlv(0x28, []byte{2, 1, 9}, tlv(0xa0, invoke(8, change)))
	end := []byte{1, 0, 41, 3, 42, 1, '1'}
	half := len(external) - len(password) - 20
	return map[string][][]byte{
		"without RTSE":   {pdv(invoke(8, change))},
		"register-MS":    {pdv(invoke(24, register))},
		"RTSE":           {pdv(tlv(4, external)), end},
		"RTSE in pieces": {pdv(tlv(4, external[:half])), {1, 0, 49, 3, 42, 1, '2'}, pdv(tlv(4, external[half:])), end},
		"X.410 mode":     {append(gtdt[:4:4], tlv(0xa1, tlv(0x30, []byte{2, 1, 7}, []byte{2, 1, 8}, change))...), end},
	}
}

// The last arcs of application contexts (X.419 Annex A).
const (
	accessContext   = 2 // mts-forced-access over RTSE.
	transferContext = 6 // mts-transfer.
)

// named is a real opening with another application context.
func named(t testing.TB, dir int, arc byte) []byte {
	t.Helper()
	return rewrap(t, opening(t, "p20", dir), func(user []*node) []byte {
		found := false
		each(user, func(n *node) {
			if n.id == 6 && bytes.Equal(n.value, []byte{0x56, 0, 1, transferContext}) {
				n.value, found = []byte{0x56, 0, 1, arc}, true
			}
		})
		if !found {
			t.Fatal("the opening names no application context")
		}
		return encode(user, style{})
	})
}

// TestPiecesWithoutBeginning loses the frame with the first piece of a transfer. In
// an access association the other pieces may be those of an operation with
// credentials, until the transfer ends or another begins; in message transfer they are published.
func TestPiecesWithoutBeginning(t *testing.T) {
	gtdt := []byte{1, 0, 1, 0}
	tlv := func(id byte, v []byte) []byte { return append([]byte{id, byte(len(v))}, v...) }
	pdv := func(v []byte) []byte {
		return append(gtdt[:4:4], tlv(0x61, tlv(0x30, append([]byte{2, 1, 9}, tlv(0xa0, v)...)))...)
	}
	piece := pdv(tlv(4, []byte(password)))
	invoke := func(argument []byte) []byte { return tlv(0xa1, append([]byte{2, 1, 7, 2, 1, 3}, argument...)) }
	operation := invoke(tlv(4, []byte("told")))
	whole := pdv(tlv(4, tlv(0x28, append([]byte{2, 1, 9}, tlv(0xa0, operation)...))))
	start, end := []byte{1, 0, 45, 3, 41, 1, 1}, []byte{1, 0, 41, 3, 42, 1, '1'}
	minor, interrupt := []byte{1, 0, 49, 3, 42, 1, '2'}, []byte{1, 0, 25, 0}
	resume := []byte{1, 0, 29, 11, 33, 6, 41, 1, 1, 42, 1, '2', 41, 1, 2}
	for _, c := range []struct {
		name      string
		arc       byte
		tsdus     [][]byte // Behind the frame that is lost.
		published int      // Pieces.
	}{
		{"access", accessContext, [][]byte{piece, minor, piece, end, whole}, 0},
		{"another begins", accessContext, [][]byte{piece, start, piece}, 1},
		{"another begins, its start is lost", accessContext, [][]byte{whole, minor, piece}, 1},
		{"interrupted, resumed", accessContext, [][]byte{interrupt, resume, piece}, 0},
		{"access without RTSE", 0, [][]byte{pdv(operation), pdv(invoke(tlv(4, []byte(password))))}, 1},
		{"transfer", transferContext, [][]byte{piece, minor, piece, end, whole}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(2000).open()
			for dir := range 2 {
				w.send(dir, named(t, dir, c.arc), 60000, 60000)
			}
			lost := len(w.frames)
			w.send(0, piece, 60000, 60000)
			for _, b := range c.tsdus {
				w.send(0, b, 60000, 60000)
			}
			_, all := users(published(t, Config{}, slices.Delete(w.frames, lost, lost+1)), 0)
			if n := bytes.Count(all, []byte(password)); n != c.published {
				t.Errorf("%d pieces are published as sent, want %d", n, c.published)
			}
			if got, want := bytes.Count(all, []byte("told")), bytes.Count(bytes.Join(c.tsdus, nil), []byte("told")); got != want {
				t.Errorf("%d whole operations are published as sent, want %d", got, want)
			}
			if c.published == 0 && grams(all, password) != "" {
				t.Errorf("%q is published", grams(all, password))
			}
		})
	}
}

// TestCredentialsInOperations sends operations in any cutting, and with frames
// missing: the password does not come out, and lengths stay.
func TestCredentialsInOperations(t *testing.T) {
	plain := []byte{1, 0, 1, 0, 0x61, 9, 0x30, 7, 2, 1, 9, 0xa0, 2, 5, 0}
	for name, tsdus := range operations(password) {
		for _, tpdu := range []int{1, 10, 60, 60000} {
			for _, segment := range []int{1, 17, 1460} {
				w := newWire(2000).open()
				total := 0
				for dir := range 2 {
					bind := named(t, dir, accessContext)
					w.send(dir, bind, 60000, 1460)
					total += len(bind) * (1 - dir)
				}
				before := total
				w.send(0, plain, 100, 1460)
				first := len(w.frames)
				total += len(plain)
				for _, b := range tsdus {
					w.send(0, b, tpdu, segment)
					total += len(b)
				}
				w.send(0, plain, 100, 1460)
				total += len(plain)
				where := fmt.Sprintf("%s, TPDUs of %d, segments of %d", name, tpdu, segment)
				got, all := users(published(t, Config{}, w.frames), 0)
				if g := grams(all, password); g != "" {
					t.Fatalf("%s: %q is published", where, g)
				}
				if len(got) != total || !bytes.HasSuffix(got, plain) || !bytes.HasPrefix(got[before:], plain) {
					t.Fatalf("%s: %d octets of %d: %q", where, len(got), total, got)
				}
				if segment == 1 {
					continue
				}
				for i := first; i < len(w.frames); i++ {
					_, all := users(published(t, Config{}, slices.Delete(slices.Clone(w.frames), i, i+1)), 0)
					if g := grams(all, password); g != "" {
						t.Fatalf("%s, without frame %d: %q is published", where, i+1, g)
					}
				}
			}
		}
	}
}
