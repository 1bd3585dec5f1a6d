package x411

import "unsafe"

// Where texts are in memory, and where the fields of an address are.

// within returns where in octets v is, if that is where it is.
func within(octets, v []byte) (at int16, ok bool) {
	// The addresses are only compared: v is in octets, or in another object.
	n := uintptr(unsafe.Pointer(unsafe.SliceData(v))) - uintptr(unsafe.Pointer(unsafe.SliceData(octets)))
	return int16(n), n <= uintptr(len(octets)) && int(n)+len(v) <= len(octets)
}

// ahead returns the eight octets that begin where v does, if v is in octets and they go on so far.
func ahead(octets, v []byte) (x uint64, ok bool) {
	n := uintptr(unsafe.Pointer(unsafe.SliceData(v))) - uintptr(unsafe.Pointer(unsafe.SliceData(octets)))
	if len(octets) < 8 || n > uintptr(len(octets)-8) {
		return 0, false
	}
	return word(octets[n:]), true
}

// field returns the field for attributes of a kind below fieldKinds. The fields are in memory
// what an array of them is, in the order of the kinds: which one is asked for cannot be
// foretold, so that a switch takes long.
func (a *ORAddress) field(k AttributeKind) *[]byte {
	return &a.fields()[k]
}

func (a *ORAddress) fields() *[fieldKinds][]byte { return (*[fieldKinds][]byte)(unsafe.Pointer(a)) }

// Fields returns the fields of an address that was decoded, from Country to TerminalType in
// the order of their kinds, and which of them are there: bit k for that of the kind k.
func (a *ORAddress) Fields() (fields *[fieldKinds][]byte, present uint64) {
	return a.fields(), a.kinds & (1<<fieldKinds - 1)
}

// There are as many fields before Attributes as there are kinds with one.
var _ [fieldKinds]struct{} = [unsafe.Offsetof(ORAddress{}.Attributes) / unsafe.Sizeof([]byte{})]struct{}{}
