package decode

import (
	"testing"

	"x400flow/osi/acse"
	"x400flow/osi/association"
)

// What ACSE APDUs say is told the same whether they were told before or not, and where other
// ones stand before them.
func TestACSEAgain(t *testing.T) {
	context := []byte{0xa1, 6, 6, 4, 0x56, 0, 1, 6}
	facts := []association.Facts{
		{},
		{ACSE: [5][]byte{acse.AARQ: context}},
		{ACSE: [5][]byte{acse.AARQ: {}, acse.RLRQ: {0x80, 1, 0}}},
		{ACSE: [5][]byte{acse.AARQ: context, acse.RLRQ: {0x80, 1, 0}}},
		{ACSE: [5][]byte{acse.AARQ: context, acse.AARE: context, acse.RLRQ: {0x80, 1, 1}}},
		{ACSE: [5][]byte{acse.RLRQ: {0x80, 1, 1}, acse.ABRT: {0x80, 1, 1, 0x41, 0}}},
		{ACSE: [5][]byte{acse.AARQ: context[:5], acse.RLRE: {0x80}}},
	}
	var w worker
	for i := range facts {
		for j := range facts {
			for _, f := range []*association.Facts{&facts[i], &facts[j], &facts[j]} {
				if got, want := w.appendACSE(nil, f), new(worker).appendACSE(nil, f); string(got) != string(want) {
					t.Fatalf("after %d, %d: got %q, want %q", i, j, got, want)
				}
			}
		}
	}
}
