//go:build pcap

package device

import (
	"bytes"
	"testing"
	"time"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device/devicetest"
)

// TestFilterOfLibpcap captures through libpcap what AF_PACKET captures, by the same
// filter.
func TestFilterOfLibpcap(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 9000)
	handles, err := openLibpcap(Config{Interface: "tap0", Ports: []uint16{102}, Tunnels: AllTunnels, Promiscuous: true, Retire: 10 * time.Millisecond, Blocks: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer handles[0].Close()
	wanted, other := ipv4(6, 0, 0, tcp(40000, 102)), ipv4(6, 0, 0, tcp(40000, 443))
	frames := [][]byte{ethernet(0x0800, wanted), ethernet(0x0800, ipv4(47, 0, 0, gre(0x0800, wanted))), ethernet(0x0800, ipv4(6, 3, 0, make([]byte, 40)))}
	for _, f := range frames {
		send(f)
		send(ethernet(0x0800, other))
	}
	var f capture.Frame
	got := 0
	for deadline := time.Now().Add(5 * time.Second); got < len(frames) && time.Now().Before(deadline); {
		ok, err := handles[0].Next(&f) // It waits.
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			continue
		}
		if !bytes.Equal(f.Data, frames[got]) || f.Length != len(frames[got]) || time.Since(time.Unix(0, f.Time)) > time.Minute {
			t.Errorf("frame %d: %x", got, f.Data)
		}
		got++
	}
	if got != len(frames) {
		t.Errorf("%d frames", got)
	}
	if st, err := handles[0].Stats(); err != nil || st.Frames < uint64(len(frames)) || st.Dropped != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
