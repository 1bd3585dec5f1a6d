package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"x400flow/bench/generate"
	"x400flow/cmd/cmdtest"
	"x400flow/pipeline/capture"
	"x400flow/pipeline/capture/device"
	"x400flow/pipeline/capture/device/devicetest"
	"x400flow/pipeline/tcp"
)

// TestLiveKilled kills the sensor under traffic and starts it again. What it did
// not archive lies in the outage, and the outage stands in coverage.
func TestLiveKilled(t *testing.T) {
	devicetest.Namespace(t)
	s := newTester(t)
	send := devicetest.Pair(t, "span0", "far0", 16000)
	made := filepath.Join(s.Dir, "made.pcap")
	cmdtest.WriteTraffic(t, made, func(o *generate.Options) { o.Messages, o.Concurrent, o.PerAssociation = 400, 3, 2 })
	file := cmdtest.NewArchive(t, cmdtest.Empty(t))
	if said, status := runIngest(t, "-r", made, "-store", file.Dir, "-sensor", "test"); status != 0 {
		t.Fatal(said)
	}
	in := readFrames(t, made)
	sent := make([]int64, len(in)+1) // When each frame was, by its number.
	const lasts = 15 * time.Second
	began := time.Now()
	play := func(until time.Duration, from int) int {
		for i := from; i < len(in); i++ {
			due := lasts * time.Duration(i) / time.Duration(len(in))
			if due > until {
				return i
			}
			if early := due - time.Since(began); early > time.Millisecond {
				time.Sleep(early)
			}
			sent[i+1] = time.Now().UnixNano()
			send(in[i].Data)
		}
		return len(in)
	}
	a := s.Archive(t)
	args := []string{"-i", "span0", "-store", a, "-sensor", "test", "-heartbeat", "1s", "-block", "500"}
	r := s.start(t, args...)
	began = time.Now()
	at := play(lasts*2/5, 0)
	killed := time.Now()
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.done
	played := make(chan int)
	go func() { played <- play(lasts, at) }()
	time.Sleep(500 * time.Millisecond)
	r = s.start(t, args...)
	back := time.Now()
	<-played
	time.Sleep(100 * time.Millisecond)
	r.end(t)
	b := open(t, a)

	// What was watched: until a heartbeat before the kill, and again from when it
	// was back.
	type stretch struct{ from, to time.Time }
	var watched []stretch
	rows, err := b.Store.Conn().Query(t.Context(), `
		SELECT min(interval_start), max(interval_end), count(), sum(dropped_kernel) FROM coverage WHERE source = 'span0' GROUP BY epoch ORDER BY epoch`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var w stretch
		var n, dropped uint64
		if err := rows.Scan(&w.from, &w.to, &n, &dropped); err != nil {
			t.Fatal(err)
		}
		if dropped > 0 || n < 1 {
			t.Errorf("%d intervals, %d frames dropped", n, dropped)
		}
		watched = append(watched, w)
	}
	if len(watched) == 1 {
		// A machine so busy that nothing of the first run was durable: it claims none.
		t.Log("no heartbeat of the sensor that was killed is in coverage")
		watched = []stretch{{began, began}, watched[0]}
		killed = began
	}
	if len(watched) != 2 {
		t.Fatalf("watched %v", watched)
	}
	first, second := watched[0], watched[1]
	if first.to.After(killed) || first.to.Before(killed.Add(-6*time.Second)) || second.from.Before(killed) || second.from.After(back) || second.to.Before(time.Unix(0, sent[len(in)])) {
		t.Errorf("watched %v; killed at %v, back at %v", watched, killed, back)
	}

	// Each APDU by the frames from the beginning of its connection to its end.
	all := apdus(t, file)
	have := map[string]bool{}
	for id := range apdus(t, b) {
		have[id] = true
		if _, ok := all[id]; !ok {
			t.Errorf("APDU %s is in no file", id)
		}
	}
	missed, whole := 0, 0
	for id, f := range all {
		from, to := time.Unix(0, sent[f.first]), time.Unix(0, sent[f.last])
		inside := !from.Before(first.from) && !to.After(first.to) || !from.Before(second.from) && !to.After(second.to)
		switch {
		case inside && !have[id]:
			t.Errorf("APDU %s, sent from %v to %v, is missing", id, from, to)
		case inside:
			whole++
		case !have[id]:
			missed++
		}
	}
	t.Logf("%d APDUs, %d in connections watched whole, %d missed in an outage of %v", len(all), whole, missed, back.Sub(killed).Round(time.Millisecond))
	if whole < len(all)/4 || missed == 0 {
		t.Errorf("of %d APDUs %d were in connections that were watched whole, %d were missed", len(all), whole, missed)
	}
}

// frames are the first of a connection and the last of an APDU in it.
type frames struct{ first, last uint64 }

func apdus(t *testing.T, a *cmdtest.Archive) map[string]frames {
	t.Helper()
	rows, err := a.Store.Conn().Query(t.Context(), `
		SELECT toString(m.apdu), a.first_frame, m.last_frame FROM messages AS m
		INNER JOIN associations AS a ON a.association = if(m.resumed, m.resumed_from, m.association)`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]frames{}
	for rows.Next() {
		var id string
		var f frames
		if err := rows.Scan(&id, &f.first, &f.last); err != nil {
			t.Fatal(err)
		}
		all[id] = f
	}
	return all
}

func readFrames(t *testing.T, name string) (all []capture.Frame) {
	t.Helper()
	r, err := capture.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		var f capture.Frame
		if err := r.Next(&f); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		f.Data = bytes.Clone(f.Data)
		all = append(all, f)
	}
}

// A turn is what one side of a connection says before the other does.
type turn struct {
	Dir    tcp.Dir
	Octets []byte
}

// script is what is said in each connection of a capture.
func script(t *testing.T, in []capture.Frame) (all [][]turn) {
	t.Helper()
	d := capture.NewDecoder(capture.DecoderConfig{Ports: []uint16{102}})
	table := tcp.NewTable[int](tcp.Config{Ports: []uint16{102}})
	said := map[uint64][]turn{}
	var order []uint64
	poll := func() {
		for ev := table.Next(); ev != nil; ev = table.Next() {
			id := ev.Conn.ID
			switch ev.Kind {
			case tcp.Open:
				order = append(order, id)
			case tcp.Gap:
				t.Fatal("a gap in what was generated")
			case tcp.Data:
				turns := said[id]
				if n := len(turns); n > 0 && turns[n-1].Dir == ev.Dir {
					turns[n-1].Octets = append(turns[n-1].Octets, ev.Data...)
				} else {
					said[id] = append(turns, turn{ev.Dir, bytes.Clone(ev.Data)})
				}
			}
		}
	}
	for i := range in {
		var s capture.Segment
		if d.Decode(&in[i], &s) {
			table.Segment(&s)
			poll()
		}
	}
	table.End()
	poll()
	for _, id := range order {
		if len(said[id]) > 0 {
			all = append(all, said[id])
		}
	}
	return all
}

// TestLiveTCP has two processes speak over TCP, in a namespace each: over a wire
// that joins segments into super-frames, and across a forwarder that drops,
// delays, duplicates and reorders, between two interfaces that are both watched.
// All that they say is archived.
func TestLiveTCP(t *testing.T) {
	devicetest.Namespace(t)
	s := newTester(t)
	made := filepath.Join(s.Dir, "made.pcap")
	cmdtest.WriteTraffic(t, made, func(o *generate.Options) {
		o.Messages, o.Concurrent, o.MaxHops, o.HugeContent = 40, 1, 2, 300_000
		o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate, o.RefuseRate, o.AbortRate, o.OpenRate, o.RepeatRate = 0, 0, 0, 0, 0, 0, 0, 0
	})
	file := cmdtest.NewArchive(t, cmdtest.Empty(t))
	if said, status := runIngest(t, "-r", made, "-store", file.Dir, "-sensor", "test"); status != 0 {
		t.Fatal(said)
	}
	talk := filepath.Join(s.Dir, "script")
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(script(t, readFrames(t, made))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(talk, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	want := said(t, file)
	for _, c := range []struct {
		name    string
		forward bool
	}{{"super-frames", false}, {"forwarder", true}} {
		t.Run(c.name, func(t *testing.T) {
			devicetest.Enter(t)
			client, server := newPeer(t, "client", talk, c.forward), newPeer(t, "server", talk, c.forward)
			a := s.Archive(t)
			args := []string{"-store", a, "-sensor", "test", "-i", "near0"}
			if c.forward {
				args = append(args, "-i", "near1")
				for i, p := range []*peer{client, server} {
					near := fmt.Sprintf("near%d", i)
					devicetest.IP(t, fmt.Sprintf("link add %s type veth peer name eth0 netns %d", near, p.Process.Pid))
					devicetest.IP(t, "link set "+near+" up")
				}
				seed := uint64(time.Now().UnixNano())
				t.Logf("seed %d", seed)
				forward(t, "near0", "near1", seed)
			} else {
				// The kernel forwards between the two, in frames as they come.
				devicetest.IP(t, "link add br0 type bridge")
				devicetest.IP(t, "link set br0 up")
				for i, p := range []*peer{client, server} {
					near := fmt.Sprintf("near%d", i)
					devicetest.IP(t, fmt.Sprintf("link add %s type veth peer name eth0 netns %d", near, p.Process.Pid))
					devicetest.IP(t, "link set "+near+" master br0 up")
				}
			}
			r := s.start(t, args...)
			handles, err := device.Open(device.Config{Interface: "near0", Ports: []uint16{102}})
			if err != nil {
				t.Fatal(err)
			}
			defer handles[0].Close()
			server.begin(t)
			client.begin(t)
			for _, p := range []*peer{client, server} {
				if err := p.wait(); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(100 * time.Millisecond)
			out := r.end(t)
			if c.forward && !strings.Contains(out, "left out that had been captured just before") {
				t.Errorf("nothing was captured at both interfaces:\n%s", out)
			}
			got := open(t, a)
			problems, gaps := got.Number(t, "SELECT count() FROM problems"), got.Number(t, "SELECT sum(client_gaps + server_gaps) FROM associations")
			if have := said(t, got); fmt.Sprint(have) != fmt.Sprint(want) || problems != 0 || gaps != 0 {
				t.Errorf("%d problems, %d gaps, got\n%v\nwant\n%v\n%s", problems, gaps, have, want, out)
			}
			largest := 0
			for f := (capture.Frame{}); ; largest = max(largest, f.Length) {
				if ok, err := handles[0].Next(&f); err != nil {
					t.Fatal(err)
				} else if !ok {
					break
				}
			}
			if super := largest > 1514; super == c.forward {
				t.Errorf("the largest frame had %d octets: the test does not test what it is to", largest)
			}
		})
	}
}

// said is what an archive has of APDUs, wherever they were seen.
func said(t *testing.T, a *cmdtest.Archive) (all []string) {
	t.Helper()
	rows, err := a.Store.Conn().Query(t.Context(), `SELECT concat(messages.kind, ' ', mts_id, ' ', toString(apdu_size), ' ', lower(hex(SHA256(if(content_inline, head, concat(head, content, tail)))))) AS what
		FROM contents INNER JOIN messages USING apdu ORDER BY what`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// asPeer makes the test's own executable one side of a conversation.
const asPeer = "X400FLOW_TEST_AS_PEER"

// A peer is a process in a network namespace of its own.
type peer struct {
	*exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	failed bytes.Buffer
}

func newPeer(t *testing.T, side, script string, plain bool) *peer {
	t.Helper()
	p := &peer{Cmd: exec.Command(os.Args[0], side, script, fmt.Sprint(plain))}
	p.Env = append(os.Environ(), asPeer+"=1")
	p.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET}
	p.Stderr = &p.failed
	var err error
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
	})
	return p
}

func (p *peer) begin(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		t.Fatal(err)
	}
}

// wait returns when all was said. The peer stays until the test ends, since its interface
// goes with it.
func (p *peer) wait() error {
	if _, err := p.out.ReadString('\n'); err != nil {
		p.in.Close()
		return fmt.Errorf("%s: %w: %w\n%s", p.Args[1], err, p.Wait(), &p.failed)
	}
	return nil
}

// bePeer is a peer's main.
func bePeer() error {
	side, plain := os.Args[1], os.Args[3] == "true"
	b, err := os.ReadFile(os.Args[2])
	if err != nil {
		return err
	}
	var talk [][]turn
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&talk); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := net.InterfaceByName("eth0"); err == nil {
			break
		} else if time.Now().After(deadline) {
			return err
		}
	}
	address, own := "192.0.2.2", tcp.ToClient
	if side == "client" {
		address, own = "192.0.2.1", tcp.ToServer
	}
	for _, args := range []string{"addr add " + address + "/24 dev eth0", "link set eth0 up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	if plain {
		// The forwarder copies frames as they are: with their checksums, and not
		// larger than the wire takes.
		const txChecksums = 0x17 // ETHTOOL_STXCSUM
		if err := ethtool("eth0", txChecksums, 0); err != nil {
			return err
		}
	}
	told := bufio.NewReader(os.Stdin)
	if _, err := told.ReadString('\n'); err != nil {
		return err
	}
	if err := speak(side, talk, own); err != nil {
		return err
	}
	fmt.Println("done")
	_, err = told.ReadString('\n')
	return err
}

// speak says what one side says in all connections.
func speak(side string, talk [][]turn, own tcp.Dir) error {
	if side == "client" {
		for _, turns := range talk {
			var conn net.Conn
			var err error
			for range 50 {
				if conn, err = net.DialTimeout("tcp", "192.0.2.2:102", 10*time.Second); err == nil {
					break
				}
				time.Sleep(100 * time.Millisecond) // The other side is not there yet.
			}
			if err == nil {
				err = converse(conn, turns, own)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	l, err := net.Listen("tcp", "192.0.2.2:102")
	if err != nil {
		return err
	}
	for _, turns := range talk {
		conn, err := l.Accept()
		if err == nil {
			err = converse(conn, turns, own)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// converse says what one side says, and hears what the other does.
func converse(conn net.Conn, turns []turn, own tcp.Dir) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		return err
	}
	for _, t := range turns {
		if t.Dir == own {
			if _, err := conn.Write(t.Octets); err != nil {
				return err
			}
			continue
		}
		b := make([]byte, len(t.Octets))
		if _, err := io.ReadFull(conn, b); err != nil {
			return err
		}
		if !bytes.Equal(b, t.Octets) {
			return errors.New("heard something else")
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

// ethtool sets an offload of an interface.
func ethtool(name string, what, value uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	set := [2]uint32{what, value}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		rest [16]byte
	}
	copy(req.name[:], name)
	req.data = unsafe.Pointer(&set)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("offloads of %s: %w", name, errno)
	}
	return nil
}

// forward forwards frames between two interfaces until the test ends: some are
// dropped, some come twice, some late, as a seed has it.
func forward(t *testing.T, a, b string, seed uint64) {
	t.Helper()
	var fds [2]int
	var index [2]int
	for i, name := range []string{a, b} {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		nic, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		wait := unix.NsecToTimeval(int64(50 * time.Millisecond))
		if err := errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: nic.Index})); err != nil { // ETH_P_ALL in network order.
			t.Fatal(err)
		}
		fds[i], index[i] = fd, nic.Index
	}
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for i := range fds {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		work.Go(func() {
			buf := make([]byte, 1<<16)
			out := func(frame []byte) {
				unix.Sendto(fds[1-i], frame, 0, &unix.SockaddrLinklayer{Ifindex: index[1-i], Halen: 6})
			}
			for ctx.Err() == nil {
				n, from, err := unix.Recvfrom(fds[i], buf, 0)
				if err != nil {
					continue // It waited in vain.
				}
				if ll, ok := from.(*unix.SockaddrLinklayer); !ok || ll.Pkttype == unix.PACKET_OUTGOING {
					continue
				}
				frame := bytes.Clone(buf[:n])
				if n < 34 || frame[12] != 8 || frame[13] != 0 {
					out(frame) // ARP has no one who repeats it soon.
					continue
				}
				what := rng.Float64()
				late := time.Duration(rng.IntN(12000)) * time.Microsecond
				switch {
				case what < 0.02: // Lost.
				case what < 0.04:
					out(frame)
					out(frame)
				case what < 0.2:
					work.Add(1)
					time.AfterFunc(late, func() {
						defer work.Done()
						out(frame)
					})
				default:
					out(frame)
				}
			}
		})
	}
	t.Cleanup(func() {
		stop()
		work.Wait()
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
}
