package decode

import (
	"fmt"
	"slices"
	"testing"

	"x400flow/osi/association"
	"x400flow/schema"
	"x400flow/x411"
)

// caller plays ROSE APDUs to a worker.
type caller struct {
	w   *worker
	c   *connection
	seq uint32
}

func newCaller(t testing.TB) *caller {
	w := contentWorker(Config{})
	c := &connection{assoc: association.New(association.Config{}), text: new(facts)}
	c.assoc.SetClass(association.ClassP3)
	return &caller{w: w, c: c}
}

func (k *caller) says(t testing.TB, dir uint8, apdu []byte) {
	t.Helper()
	k.seq += 1000
	ev := &k.w.ev
	*ev = association.Event{Kind: association.Operation, Dir: dir, Octets: apdu}
	ev.Origin.Seq, ev.Origin.Dir, ev.Origin.Time = k.seq, dir, int64(k.seq)*1e9
	if code, _ := ev.ROSE.Decode(apdu); code != 0 {
		t.Fatalf("% x: %v", apdu, code)
	}
	k.w.operation(k.c)
}

// rows are the operations so far, each as "invoke id, name, outcome error".
func (k *caller) rows() (out []string) {
	o := &k.w.batch.Operations
	ids, names, outcomes, errs := texts(o, "invoke_id"), texts(o, "name"), texts(o, "outcome"), texts(o, "error")
	for i := range ids {
		out = append(out, fmt.Sprintf("%s %s %s %s", ids[i], names[i], outcomes[i], errs[i]))
	}
	return out
}

func integer(tag byte, v int) []byte { return element(tag, []byte{byte(v >> 8), byte(v)}) }

func invoke(id, code int, argument []byte) []byte {
	return element(0xa1, integer(2, id), integer(2, code), argument)
}

func result(id, code int, value []byte) []byte {
	return element(0xa2, integer(2, id), element(0x30, integer(2, code), value))
}

var cancel = element(0x64, element(0x63, element(0x61, []byte{0x13, 1, 'X'}), element(0x62, []byte{0x13, 1, 'Y'})), element(0x16, []byte("1")))

func TestOperationsArePaired(t *testing.T) {
	const user, mts = association.FromClient, association.FromServer
	null := []byte{5, 0}
	for _, tt := range []struct {
		name string
		play func(k *caller)
		want []string
	}{
		{"results out of order", func(k *caller) {
			k.says(t, user, invoke(1, 7, cancel))
			k.says(t, user, invoke(2, 8, element(0x31)))
			k.says(t, mts, result(2, 8, null))
			k.says(t, mts, result(1, 7, null))
		}, []string{"2 change-credentials result ", "1 cancel-deferred-delivery result "}},
		{"both sides invoke under one identifier", func(k *caller) {
			k.says(t, user, invoke(1, 7, cancel))
			k.says(t, mts, invoke(1, 2, element(0x31)))
			k.says(t, mts, element(0xa3, integer(2, 1), integer(2, 8), null))
			k.says(t, user, result(1, 2, element(0x31)))
		}, []string{"1 cancel-deferred-delivery error deferred-delivery-cancellation-rejected", "1 submission-control result "}},
		{"rejects", func(k *caller) {
			k.says(t, user, invoke(1, 7, cancel))
			k.says(t, mts, element(0xa4, integer(2, 1), integer(0x81, 1)))
			// The user rejects a result that it did not wait for.
			k.says(t, user, element(0xa4, integer(2, 9), integer(0x82, 0)))
		}, []string{"1 cancel-deferred-delivery reject unrecognized-operation", "9  reject unrecognized-invocation"}},
		{"an answer without its invoke", func(k *caller) { k.says(t, mts, result(5, 7, null)) }, []string{"5 cancel-deferred-delivery result "}},
		{"an identifier used anew", func(k *caller) {
			k.says(t, user, invoke(1, 7, cancel))
			k.says(t, user, invoke(1, 8, element(0x31)))
			k.w.unanswered(k.c, 0)
		}, []string{"1 cancel-deferred-delivery  ", "1 change-credentials  "}},
		{"an operation that nobody knows", func(k *caller) {
			k.says(t, user, invoke(1, 99, null))
			k.says(t, mts, element(0xa3, integer(2, 1), integer(2, 77), null))
		}, []string{"1  error 77"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newCaller(t)
			tt.play(k)
			if got := k.rows(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(k.c.pending) != 0 {
				t.Errorf("%d invokes are left", len(k.c.pending))
			}
		})
	}
}

// Invokes that nobody answers are bounded in number and in octets; the oldest stand
// without an answer.
func TestPendingIsBounded(t *testing.T) {
	k := newCaller(t)
	for i := range 3 * maxPending {
		k.says(t, association.FromClient, invoke(i, 7, cancel))
	}
	if len(k.c.pending) != maxPending || k.w.batch.Operations.Rows() != 2*maxPending {
		t.Errorf("%d wait, %d rows", len(k.c.pending), k.w.batch.Operations.Rows())
	}
	large := element(0x31, element(0x04, make([]byte, maxPendingOctets/3)))
	for i := range 8 {
		k.says(t, association.FromClient, invoke(1000+i, 8, large))
	}
	size := 0
	for _, v := range k.c.pending {
		size += len(v.octets)
	}
	if size > maxPendingOctets || len(k.c.pending) != 2 {
		t.Errorf("%d invokes of %d octets wait", len(k.c.pending), size)
	}
	if got := k.rows(); got[0] != "0 cancel-deferred-delivery  " || k.w.batch.Operations.Invoked[0] != true || k.w.batch.Operations.AnsweredAt[0] != 0 {
		t.Errorf("the first is %q", got[0])
	}
}

// A submission is a message under the identifier that its result gives, and the
// same row comes of its octets again.
func TestSubmissionRows(t *testing.T) {
	name := element(0x60, element(0x30, element(0x61, element(0x13, []byte("GB"))), element(0x62, element(0x13, []byte(" ")))))
	envelope := element(0x31, name, integer(0x46, 0), element(0xa1, element(0x31, name, element(0x80, []byte{3, 0x10}))))
	apdu := invoke(3, 3, element(0x30, envelope, element(0x04, []byte("text"))))
	answer := element(0x31, cancel, element(0x80, []byte("960501095900Z")))
	k := newCaller(t)
	k.says(t, association.FromClient, apdu)
	k.says(t, association.FromServer, result(3, 3, answer))
	b := k.w.batch
	if b.Messages.Rows() != 1 || b.Recipients.Rows() != 1 || b.Contents.Rows() != 1 || b.Operations.Rows() != 1 || b.Problems.Rows() != 0 {
		t.Fatalf("%d messages, %d recipients, %d contents, %d operations, problems %q", b.Messages.Rows(), b.Recipients.Rows(), b.Contents.Rows(),
			b.Operations.Rows(), texts(&b.Problems, "path"))
	}
	const id = "[/ADMD=Y/C=X/;1]"
	first := func(table schema.Columnar, column string) string { return texts(table, column)[0] }
	if m := &b.Messages; first(m, "kind") != "submission" || first(m, "mts_id") != id || m.SubmissionTime[0] != 830944740e9 || m.OriginTime[0] != 0 || first(m, "protocol") != "p3" {
		t.Errorf("message: %s %s %d", first(m, "kind"), first(m, "mts_id"), m.SubmissionTime[0])
	}
	if r := &b.Recipients; r.Number[0] != 1 || first(r, "mts_id") != id || !r.OriginatorReport[0] {
		t.Errorf("recipient: %d %s %v", r.Number[0], first(r, "mts_id"), r.OriginatorReport[0])
	}
	content, head, tail := first(&b.Contents, "content"), first(&b.Contents, "head"), first(&b.Contents, "tail")
	if content != "text" || head+content+tail != string(apdu) {
		t.Errorf("content %q in %q and %q", content, head, tail)
	}
	if o := &b.Operations; first(o, "mts_id") != id || o.APDU[0] != b.Messages.APDU[0] || first(o, "argument_raw") != "" {
		t.Errorf("operation of %s", first(o, "mts_id"))
	}

	again := contentWorker(Config{})
	m := k.w.row.message
	m.APDU = b.Messages.APDU[0]
	given := schema.MTSIdentifier{Text: []byte(id)}
	if status := again.operationAgain(&m, operationKind("submission"), &given, nil, apdu); status != x411.StatusOK {
		t.Fatal(status)
	}
	if n := again.batch; first(&n.Messages, "mts_id") != id || n.Recipients.Number[0] != 1 || first(&n.Contents, "content") != "text" {
		t.Errorf("decoded again: %s", first(&n.Messages, "mts_id"))
	}
	if operationKind("message") != x411.KindNone || operationKind("fetch") != x411.KindFetch {
		t.Error("kinds by name")
	}
}

func FuzzOperationRows(f *testing.F) {
	f.Add(invoke(1, 7, cancel), result(1, 7, []byte{5, 0}))
	f.Add(invoke(1, 3, element(0x30)), element(0xa4, integer(2, 1), integer(0x81, 1)))
	k := newCaller(f)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		k.w.batch.Reset()
		for i, apdu := range [][]byte{first, second} {
			ev := &k.w.ev
			*ev = association.Event{Kind: association.Operation, Dir: uint8(i), Octets: apdu}
			if code, _ := ev.ROSE.Decode(apdu); code != 0 {
				return
			}
			k.w.operation(k.c)
		}
		if len(k.c.pending) > maxPending {
			t.Fatalf("%d invokes wait", len(k.c.pending))
		}
	})
}
