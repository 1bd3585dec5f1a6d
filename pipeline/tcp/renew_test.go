package tcp

import (
	"net/netip"
	"reflect"
	"testing"
	"unsafe"

	"x400flow/pipeline/capture"
)

// A connection in memory that another one had is as a first one is, but for its State.
func TestOpenRenews(t *testing.T) {
	seg := capture.Segment{Flags: capture.ACK, Time: 7, Frame: 8, File: 9}
	seg.Key.LoPort, seg.Key.HiPort = 102, 1024
	open := func(spare ...*Conn[int]) *Conn[int] {
		table := NewTable[int](Config{})
		table.spare = spare
		return table.open(&seg, 10)
	}
	used, want := new(Conn[int]), open()
	fill(reflect.ValueOf(used).Elem())
	if got := open(used); got != used || got.State == 0 {
		t.Errorf("another connection, or its State is %d", got.State)
	}
	if used.State = 0; !reflect.DeepEqual(used, want) {
		t.Errorf("got %+v\nwant %+v", used, want)
	}
}

// fill makes every field of v something else than zero.
func fill(v reflect.Value) {
	if !v.CanSet() {
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.AddrPort]() {
			v.Set(reflect.ValueOf(netip.MustParseAddrPort("[::1]:9")))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}
