package device

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"x400flow/pipeline/capture"
)

// Offsets in the kernel's structures (linux/if_packet.h), which are part of its
// interface to programs and the same on all architectures.
const (
	blockStatus = 8 // In tpacket_block_desc.
	blockCount  = 12
	blockFirst  = 16

	frameNext   = 0 // In tpacket3_hdr.
	frameSec    = 4
	frameNsec   = 8
	frameCaught = 12
	frameLength = 16
	frameStatus = 20
	frameMAC    = 24
	frameTCI    = 32
	frameTPID   = 36
	frameFrom   = unix.SizeofTpacket3Hdr + 10 // sockaddr_ll.sll_pkttype.
)

// tagLen is the length of a VLAN tag, for which room is kept before each frame.
const tagLen = 4

// A Ring is one AF_PACKET socket with its ring of blocks.
type Ring struct {
	name string
	link capture.LinkType
	loop bool // A loopback interface: each frame leaves and comes.
	fd   int
	mem  []byte

	size, blocks int
	block        int  // In hand, or waited for.
	open         bool // It is in hand:
	left         int  // frames of it that were not given,
	at           int  // the next of which begins here.

	mu    sync.Mutex // Guards stats and fd against Close.
	stats Stats
}

// Open opens an interface. It needs CAP_NET_RAW.
func Open(c Config) ([]Handle, error) {
	rings, err := openRings(c)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", c.Interface, err)
	}
	all := make([]Handle, len(rings))
	for i, r := range rings {
		all[i] = r
	}
	return all, nil
}

func openRings(c Config) (rings []*Ring, err error) {
	c.Handles = cmp.Or(c.Handles, 1)
	c.BlockSize, c.Blocks, c.Retire = cmp.Or(c.BlockSize, DefaultBlockSize), cmp.Or(c.Blocks, DefaultBlocks), cmp.Or(c.Retire, DefaultRetire)
	if page := os.Getpagesize(); c.BlockSize < page || c.BlockSize%page != 0 || c.BlockSize&(c.BlockSize-1) != 0 {
		return nil, fmt.Errorf("a ring block of %d octets: must be a power of two and at least %d", c.BlockSize, page)
	}
	nic, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, r := range rings {
				r.Close()
			}
			rings = nil
		}
	}()
	for range c.Handles {
		r, err := openRing(&c, nic)
		if err != nil {
			return rings, err
		}
		rings = append(rings, r)
	}
	// Nothing is admitted until every ring has its place, so that no frame comes
	// twice, or to another ring than those that follow it.
	if len(rings) > 1 {
		if err := join(rings); err != nil {
			return rings, err
		}
	}
	filter, err := Filter(rings[0].link, c.Ports, c.Tunnels)
	if err != nil {
		return rings, err
	}
	for _, r := range rings {
		if err := r.attach(unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter); err != nil {
			return rings, fmt.Errorf("filter: %w", err)
		}
		if c.Promiscuous {
			m := unix.PacketMreq{Ifindex: int32(nic.Index), Type: unix.PACKET_MR_PROMISC}
			if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
				return rings, fmt.Errorf("promiscuous mode: %w", err)
			}
		}
	}
	return rings, nil
}

func openRing(c *Config, nic *net.Interface) (r *Ring, err error) {
	socket := c.Socket
	if socket == nil {
		// Protocol 0: nothing comes before the socket is bound.
		socket = func() (int, error) { return unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) }
	}
	fd, err := socket()
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("capturing needs CAP_NET_RAW: run as root, or once `setcap cap_net_raw=ep` on the program: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("AF_PACKET: %w", err)
	}
	r = &Ring{name: c.Interface, fd: fd, size: c.BlockSize, blocks: c.Blocks}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	kind, err := hardware(fd, c.Interface)
	if err != nil {
		return nil, err
	}
	switch kind {
	case unix.ARPHRD_ETHER:
		r.link = capture.LinkEthernet
	case unix.ARPHRD_LOOPBACK:
		r.link, r.loop = capture.LinkEthernet, true
	case unix.ARPHRD_NONE:
		r.link = capture.LinkRaw
	default:
		return nil, fmt.Errorf("its frames are of ARP hardware type %d: only Ethernet and raw IP are captured", kind)
	}
	if err := r.attach(unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, []bpf.RawInstruction{{Op: 6}}); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	options := []struct{ option, value int }{
		{unix.PACKET_VERSION, unix.TPACKET_V3},
		{unix.PACKET_RESERVE, tagLen},
	}
	if c.HardwareTime {
		options = append(options, struct{ option, value int }{unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_RAW_HARDWARE})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, o.option, o.value); err != nil {
			return nil, fmt.Errorf("socket option %d: %w", o.option, err)
		}
	}
	frame := min(c.BlockSize, 1<<16) // A formality in version 3.
	err = unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: uint32(c.BlockSize), Block_nr: uint32(c.Blocks),
		Frame_size: uint32(frame), Frame_nr: uint32(c.BlockSize / frame * c.Blocks),
		Retire_blk_tov: uint32(max(1, c.Retire.Milliseconds())),
	})
	if err != nil {
		return nil, fmt.Errorf("a ring of %d blocks of %d octets: %w", c.Blocks, c.BlockSize, err)
	}
	if r.mem, err = unix.Mmap(fd, 0, c.BlockSize*c.Blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, fmt.Errorf("a ring of %d blocks of %d octets: %w", c.Blocks, c.BlockSize, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: nic.Index}); err != nil {
		return nil, err
	}
	return r, nil
}

// all is ETH_P_ALL in network order.
var all = binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))

// join makes the rings a fan-out group. The kernel numbers them in this order.
func join(rings []*Ring) error {
	kind := unix.PACKET_FANOUT_CBPF
	id := 0
	for i, r := range rings {
		flags := 0
		if i == 0 {
			flags = unix.PACKET_FANOUT_FLAG_UNIQUEID // The kernel chooses one that no other program uses.
		}
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, id|(kind|flags)<<16); err != nil {
			return fmt.Errorf("fan-out: %w", err)
		}
		if i == 0 {
			v, err := unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
			if err != nil {
				return fmt.Errorf("fan-out: %w", err)
			}
			id = v & 0xffff
		}
	}
	program, err := fanout()
	if err != nil {
		return err
	}
	if err := rings[0].attach(unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, program); err != nil {
		return fmt.Errorf("fan-out: %w", err)
	}
	return nil
}

// attach gives the kernel a program.
func (r *Ring) attach(level, option int, program []bpf.RawInstruction) error {
	filters := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filters[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(r.fd, level, option, &unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]})
}

// hardware returns an interface's ARP hardware type.
func hardware(fd int, name string) (uint16, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return 0, err
	}
	return ifr.Uint16(), nil // Of the address, its family.
}

// status returns the status word of a block, which the kernel shares.
func (r *Ring) status(block int) *uint32 {
	// Aligned: mem is of pages, and so are blocks.
	return (*uint32)(unsafe.Pointer(&r.mem[block*r.size+blockStatus]))
}

// Next implements Handle.
func (r *Ring) Next(f *capture.Frame) (bool, error) {
	for {
		for r.left == 0 {
			if r.open {
				atomic.StoreUint32(r.status(r.block), unix.TP_STATUS_KERNEL)
				r.open = false
				if r.block++; r.block == r.blocks {
					r.block = 0
				}
			}
			if atomic.LoadUint32(r.status(r.block))&unix.TP_STATUS_USER == 0 {
				return false, nil
			}
			b := r.mem[r.block*r.size:]
			r.open = true
			r.left = int(binary.NativeEndian.Uint32(b[blockCount:]))
			r.at = r.block*r.size + int(binary.NativeEndian.Uint32(b[blockFirst:]))
		}
		h := r.mem[r.at:]
		r.left--
		if r.left > 0 {
			r.at += int(binary.NativeEndian.Uint32(h[frameNext:]))
		}
		if r.loop && h[frameFrom] == unix.PACKET_OUTGOING {
			continue
		}
		mac := int(binary.NativeEndian.Uint16(h[frameMAC:]))
		f.Data = h[mac : mac+int(binary.NativeEndian.Uint32(h[frameCaught:]))]
		f.Length = int(binary.NativeEndian.Uint32(h[frameLength:]))
		f.Time = int64(binary.NativeEndian.Uint32(h[frameSec:]))*1e9 + int64(binary.NativeEndian.Uint32(h[frameNsec:]))
		f.Link = r.link
		if status := binary.NativeEndian.Uint32(h[frameStatus:]); status&unix.TP_STATUS_VLAN_VALID != 0 && r.link == capture.LinkEthernet && len(f.Data) >= 12 {
			// The two addresses move into the room before them.
			tagged := h[mac-tagLen : mac+len(f.Data)]
			copy(tagged, f.Data[:12])
			tpid := uint16(unix.ETH_P_8021Q)
			if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				tpid = binary.NativeEndian.Uint16(h[frameTPID:])
			}
			binary.BigEndian.PutUint16(tagged[12:], tpid)
			binary.BigEndian.PutUint16(tagged[14:], uint16(binary.NativeEndian.Uint32(h[frameTCI:])))
			f.Data = tagged
			f.Length += tagLen
		}
		return true, nil
	}
}

// Stats implements Handle.
func (r *Ring) Stats() (Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return r.stats, nil
	}
	v, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return r.stats, fmt.Errorf("interface %s: counters: %w", r.name, err)
	}
	// The kernel's begin anew whenever they are read.
	r.stats.Frames += uint64(v.Packets)
	r.stats.Dropped += uint64(v.Drops)
	r.stats.Freezes += uint64(v.Freeze_q_cnt)
	return r.stats, nil
}

// Close implements Handle. What Next gave last must not be used any more.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return nil
	}
	var err error
	if r.mem != nil {
		err = unix.Munmap(r.mem)
		r.mem = nil
	}
	err = errors.Join(err, unix.Close(r.fd))
	r.fd = -1
	return err
}

// Wait waits until one of the handles has frames or is in trouble, or the
// timeout is over.
func Wait(handles []Handle, timeout time.Duration) error {
	fds := make([]unix.PollFd, 0, 8)
	for _, h := range handles {
		fds = append(fds, unix.PollFd{Fd: int32(h.(*Ring).fd), Events: unix.POLLIN | unix.POLLERR})
	}
	n, err := unix.Poll(fds, int(timeout.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	for i := 0; n > 0 && i < len(fds); i++ {
		if fds[i].Revents&unix.POLLERR == 0 {
			continue
		}
		r := handles[i].(*Ring)
		code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		// An interface that is down may come up again.
		if err != nil && !errors.Is(err, unix.ENETDOWN) {
			return fmt.Errorf("interface %s: %w", r.name, err)
		}
	}
	return nil
}

// Look returns an interface's status, and ErrGone where there is none of the name.
func Look(name string) (Status, error) {
	answer, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return Status{}, fmt.Errorf("interface %s: %w", name, err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return Status{}, fmt.Errorf("interface %s: %w", name, err)
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return Status{}, fmt.Errorf("interface %s: %w", name, err)
		}
		st, found := Status{Index: int(int32(binary.NativeEndian.Uint32(m.Data[4:])))}, false
		const ready = unix.IFF_UP | unix.IFF_RUNNING
		st.Running = binary.NativeEndian.Uint32(m.Data[8:])&ready == ready
		for _, a := range attributes {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				found = unix.ByteSliceToString(a.Value) == name
			case unix.IFLA_CARRIER_CHANGES:
				if len(a.Value) >= 4 {
					st.Changes = binary.NativeEndian.Uint32(a.Value)
				}
			case unix.IFLA_STATS64:
				// Of struct rtnl_link_stats64, rx_over_errors, rx_fifo_errors and
				// rx_missed_errors: drivers differ in which they use.
				for _, n := range [...]int{11, 14, 15} {
					if len(a.Value) >= 8*n+8 {
						st.Missed += binary.NativeEndian.Uint64(a.Value[8*n:])
					}
				}
			}
		}
		if found {
			return st, nil
		}
	}
	return Status{}, fmt.Errorf("interface %s: %w", name, ErrGone)
}
