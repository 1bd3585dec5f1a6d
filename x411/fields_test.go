package x411

import (
	"testing"

	"x400flow/osi/ber"
)

// A field is the first in the list that has the tag, whatever the form of that.
func TestFields(t *testing.T) {
	list := []Field{
		{"a", ber.TagSet, 0, true}, {"b", ber.Context(17), 1, false}, {"c", ber.App(0), 2, true},
		{"again", ber.TagSet, 3, false}, {"a", ber.Context(31), 0, true}, {"d", ber.MakeTag(ber.Private, 31), 31, true},
	}
	fields := FieldsOf(list)
	for class := range ber.Class(4) {
		for _, n := range []uint32{0, 1, 16, 17, 30, 31, 32, 49, 63, 64, 128, 255, 256, 1 << 20, ber.MaxTagNumber} {
			tag := ber.MakeTag(class, n)
			want := ""
			for _, f := range list {
				if f.Tag == tag {
					want = f.Name
					break
				}
			}
			got := ""
			if f := fields.find(tag); f != nil {
				got = f.Name
			}
			if got != want {
				t.Errorf("%s is field %q, not %q", tag, got, want)
			}
		}
	}
	for id, want := range map[int]string{0: "a", 1: "b", 31: "d", 30: ""} {
		if got := fields.Name(id); got != want {
			t.Errorf("ID %d is field %q, not %q", id, got, want)
		}
	}
}

// Each mandatory field that is missing is told once, whichever of its tags it could have.
func TestMissingFields(t *testing.T) {
	fields := FieldsOf([]Field{
		{"one", ber.Context(0), 0, true}, {"one", ber.TagSet, 0, true}, {"two", ber.Context(1), 1, false}, {"three", ber.Context(2), 31, true},
	})
	for _, test := range []struct {
		seen     uint32
		failures int
		path     string
	}{{0, 2, "one"}, {1, 1, "three"}, {1 << 31, 1, "one"}, {1 | 1<<31, 0, ""}} {
		var d decoder
		d.complete(fields, test.seen, 7)
		if d.failures != test.failures || string(d.failure.Path) != test.path {
			t.Errorf("seen %b: %d failures, the first in %q", test.seen, d.failures, d.failure.Path)
		}
	}
}

// TestFlagsOf compares with the bits asked one by one.
func TestFlagsOf(t *testing.T) {
	octets := []byte{0xa1, 0x80, 0x01, 0xff, 0x00, 0x5a, 0xc3, 0x7e, 0xff}
	for n := range len(octets) + 1 {
		for unused := range 8 {
			if n == 0 && unused > 0 {
				break
			}
			want := uint64(0)
			for i := range min(64, n*8-unused) {
				if ber.Bit(octets[:n], i) {
					want |= 1 << i
				}
			}
			if got := flagsOf(octets[:n], unused); got != want {
				t.Errorf("%x without %d bits: %x, want %x", octets[:n], unused, got, want)
			}
		}
	}
}
