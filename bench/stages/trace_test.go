package stages

import (
	"reflect"
	"testing"
)

// What every reader makes of a trace with all fields is what X.411 says, and of the real
// ones they make the same.
func TestTraceReaders(t *testing.T) {
	const octets = "\x69\x62" +
		"\x30\x3c" + "\x63\x10\x61\x04\x13\x02GB\x62\x04\x13\x02AA\x13\x02PP" +
		"\x31\x28\x80\x0d960501095900Z\x82\x01\x01\x63\x10\x61\x04\x13\x02FR\x62\x04\x13\x02BB\x12\x0212\x83\x02\x07\x80" +
		"\x30\x22" + "\x63\x0c\x61\x04\x12\x0223\x62\x04\x12\x0245" + "\x31\x12\x80\x0d960501095901Z\x82\x01\x00"
	want := []traceElement{
		{globalDomain{"GB", "AA", "PP"}, suppliedInformation{"960501095900Z", 1, globalDomain{"FR", "BB", "12"}}},
		{globalDomain{"23", "45", ""}, suppliedInformation{"960501095901Z", 0, globalDomain{}}},
	}
	in, err := realTraces(realAPDUs)
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]traceReader{
		"cursor": new(traceCursor).read, "cryptobyte": readTraceString, "encoding/asn1": readTraceStandard, "go-asn1-ber": readTracePackets,
	} {
		if got, err := read([]byte(octets)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", name, got, err, want)
		}
		for _, b := range in {
			got, err := read(b)
			if err != nil {
				t.Fatalf("%s: %x: %v", name, b, err)
			}
			if want, err := readTraceStandard(b); err != nil || len(want) == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\ngot  %+v\nwant %+v, %v", name, got, want, err)
			}
		}
	}
}
