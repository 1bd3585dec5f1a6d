package device

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device/devicetest"
)

// caught is a frame taken out of a ring.
type caught struct {
	handle int
	frame  capture.Frame
}

// take takes n frames, then waits for others that must not come.
func take(t *testing.T, handles []Handle, n int) []caught {
	t.Helper()
	var all []caught
	for deadline := time.Now().Add(5 * time.Second); ; {
		before := len(all)
		for i, h := range handles {
			for {
				var f capture.Frame
				ok, err := h.Next(&f)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				f.Data = bytes.Clone(f.Data)
				all = append(all, caught{i, f})
			}
		}
		if len(all) == before && (len(all) >= n || time.Now().After(deadline)) {
			if len(all) != n {
				t.Fatalf("%d frames were captured, not %d", len(all), n)
			}
			return all
		}
		if err := Wait(handles, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T, c Config) []Handle {
	t.Helper()
	handles, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, h := range handles {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return handles
}

func TestRing(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 9000)
	handles := open(t, Config{Interface: "tap0", Ports: []uint16{102}, Tunnels: AllTunnels, BlockSize: 1 << 16, Blocks: 4, HardwareTime: true})
	wanted, other := ipv4(6, 0, 0, tcp(40000, 102)), ipv4(6, 0, 0, tcp(40000, 443))
	large := ipv4(6, 0, 0, append(tcp(40000, 102), make([]byte, 8900)...))
	frames := [][]byte{
		ethernet(0x0800, wanted), vlan(1, 0x0800, wanted), vlan(2, 0x86dd, ipv6(6, tcp(102, 40000))),
		ethernet(0x0800, ipv4(6, 3, 0, make([]byte, 40))), ethernet(0x8847, append([]byte{0, 0, 0x11, 64}, wanted...)),
		ethernet(0x0800, ipv4(17, 0, 0, udp(4789, vxlan(vlan(1, 0x0800, wanted))))), ethernet(0x0800, large),
	}
	began := time.Now()
	for _, f := range frames {
		send(f)
		send(ethernet(0x0800, other))
	}
	got := take(t, handles, len(frames))
	for i, c := range got {
		if !bytes.Equal(c.frame.Data, frames[i]) || c.frame.Length != len(frames[i]) {
			t.Errorf("frame %d: %d octets of %d, sent %d\n%x\n%x", i, len(c.frame.Data), c.frame.Length, len(frames[i]), c.frame.Data, frames[i])
		}
		if at := time.Unix(0, c.frame.Time); at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("frame %d was captured at %v", i, at)
		}
	}
	st, err := handles[0].Stats()
	if err != nil || st != (Stats{Frames: uint64(len(frames))}) {
		t.Errorf("%+v, %v", st, err)
	}

	// Far more than the ring holds, and nobody takes it.
	const flood = 2000
	for range flood {
		send(frames[6])
	}
	if st, err = handles[0].Stats(); err != nil || st.Frames != uint64(len(frames))+flood || st.Dropped < flood/2 || st.Freezes == 0 {
		t.Errorf("%+v, %v", st, err)
	}
	take(t, handles, int(flood-st.Dropped))
	send(frames[0])
	take(t, handles, 1) // It goes on.

	devicetest.IP(t, "link set tap0 down")
	if st, err := Look("tap0"); err != nil || st.Running {
		t.Errorf("%+v, %v", st, err)
	}
	if err := Wait(handles, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
	devicetest.IP(t, "link set tap0 up")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if st, err := Look("tap0"); err != nil || st.Index == 0 || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", st, err)
		} else if st.Running {
			break
		}
	}
	send(frames[1])
	take(t, handles, 1)
	devicetest.IP(t, "link del tap0")
	if _, err := Look("tap0"); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

// TestRingCuts has a frame that is larger than a block.
func TestRingCuts(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 9000)
	handles := open(t, Config{Interface: "tap0", BlockSize: 4096, Blocks: 8})
	frame := vlan(1, 0x0800, ipv4(6, 0, 0, append(tcp(40000, 102), make([]byte, 8000)...)))
	send(frame)
	f := take(t, handles, 1)[0].frame
	if f.Length != len(frame) || len(f.Data) < 3500 || len(f.Data) >= 4096 || !bytes.Equal(f.Data, frame[:len(f.Data)]) {
		t.Errorf("%d octets of %d", len(f.Data), f.Length)
	}
	d := capture.NewDecoder(capture.DecoderConfig{})
	var s capture.Segment
	if !d.Decode(&f, &s) || s.Missing != len(frame)-len(f.Data) {
		t.Errorf("%d octets are told missing, %+v", s.Missing, d.Counters())
	}
}

// TestSpread has two rings share an interface by address pair, the way that the
// workers reckon.
func TestSpread(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 1500)
	const rings = 3
	handles := open(t, Config{Interface: "tap0", Handles: rings, Blocks: 4, Promiscuous: true})
	var frames [][]byte
	for i := range 60 {
		four, six := ipv4(6, 0, 0, tcp(40000, 102)), ipv6(6, tcp(40000, 102))
		binary.BigEndian.PutUint32(four[12:], 0x0a000001+uint32(i))
		six[23] = byte(i)
		back := bytes.Clone(four)
		copy(back[12:], four[16:20])
		copy(back[16:], four[12:16])
		frames = append(frames, ethernet(0x0800, four), ethernet(0x0800, back), vlan(1, 0x0800, four), vlan(2, 0x86dd, six))
	}
	for _, f := range frames {
		send(f)
	}
	var per [rings]int
	d := capture.NewDecoder(capture.DecoderConfig{})
	for _, c := range take(t, handles, len(frames)) {
		per[c.handle]++
		var s capture.Segment
		if !d.Decode(&c.frame, &s) {
			t.Fatalf("%x", c.frame.Data)
		}
		if want := int(s.Key.Spread() % rings); want != c.handle {
			t.Errorf("%v and %v came to ring %d, not %d", s.Src(), s.Dst(), c.handle, want)
		}
	}
	for i, n := range per {
		if n < len(frames)/rings/2 {
			t.Errorf("ring %d got %d of %d frames", i, n, len(frames))
		}
	}
}

// TestLoopback has each frame once.
func TestLoopback(t *testing.T) {
	devicetest.Namespace(t)
	handles := open(t, Config{Interface: "lo", Ports: []uint16{102}})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 102, Addr: [4]byte{127, 0, 0, 1}}); !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EINPROGRESS) {
		t.Fatal(err)
	}
	got := take(t, handles, 2)
	for i, want := range []capture.Flags{capture.SYN, capture.RST | capture.ACK} {
		d := capture.NewDecoder(capture.DecoderConfig{})
		var s capture.Segment
		if !d.Decode(&got[i].frame, &s) || s.Flags&(capture.SYN|capture.RST|capture.ACK) != want {
			t.Errorf("%d: %+v", i, s)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	devicetest.Namespace(t)
	for _, c := range []struct {
		Config
		want string
	}{
		{Config{Interface: "none0"}, "interface none0: "},
		{Config{Interface: "lo", BlockSize: 5000}, "interface lo: a ring block of 5000 octets: must be a power of two"},
	} {
		if _, err := Open(c.Config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.Config, err)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	devicetest.Namespace(t)
	send := devicetest.Pair(t, "tap0", "tap1", 1500)
	h := open(t, Config{Interface: "tap0", Blocks: 8})[0]
	frame := vlan(1, 0x0800, ipv4(6, 0, 0, tcp(40000, 102)))
	const frames = 1000
	for range frames + 1 {
		send(frame)
	}
	time.Sleep(3 * DefaultRetire)
	var f capture.Frame
	n := 0
	if a := testing.AllocsPerRun(frames, func() {
		if ok, err := h.Next(&f); err != nil {
			t.Fatal(err)
		} else if ok {
			n++
		}
	}); a != 0 || n < frames {
		t.Errorf("%v allocations a frame, %d frames", a, n)
	}
}
