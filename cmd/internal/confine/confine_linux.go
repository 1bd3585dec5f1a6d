package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// marker is the environment variable that tells the program executed anew what it
// was given.
const marker = "X400FLOW_CONFINED"

// handed is what the variable holds.
type handed struct {
	Landlock int
	Seccomp  bool
	Missing  []string
	Sockets  []int
	Allowed  string
}

// Enter executes the program anew with what is in the plan and nothing else. In the
// program that is executed so, it returns what holds.
func Enter(f Flag, p Plan) (*Held, error) {
	if v := os.Getenv(marker); v != "" {
		os.Unsetenv(marker)
		return entered(v)
	}
	if f == "off" {
		return &Held{}, nil
	}
	err := enter(f, &p)
	if errors.Is(err, errSockets) {
		return nil, err
	}
	return nil, fmt.Errorf("-sandbox %s: %w", f, err)
}

var errSockets = errors.New("capturing takes the capability CAP_NET_RAW (setcap cap_net_raw+ep FILE, or AmbientCapabilities=CAP_NET_RAW), or root")

// enter returns only where it fails.
func enter(f Flag, p *Plan) error {
	// Restrictions are this thread's, which is not to run anything else; the
	// program that it executes has no other.
	runtime.LockOSThread()
	var h handed
	for range p.Sockets {
		// Without a protocol it receives nothing.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if errors.Is(err, unix.EPERM) {
			return errSockets
		}
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		h.Sockets = append(h.Sockets, fd)
	}
	for _, dir := range p.Write {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	for _, dir := range p.Private {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	p.Write = append(p.Write, p.Private...)
	for _, name := range p.Files {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return err
		}
		file.Close()
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	h.Allowed = strings.Join(slices.Concat(p.Write, p.Files), " ")

	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 2 {
		// The first version cannot let the engine rename files from folder to folder.
		h.Missing = append(h.Missing, "files and folders (Landlock)")
	} else {
		h.Landlock = abi
		if err := restrictFiles(p, exe); err != nil {
			return err
		}
		if abi < 4 {
			h.Missing = append(h.Missing, "TCP ports (Landlock 4)")
		}
	}
	if !seccomp.Supported() {
		h.Missing = append(h.Missing, "system calls (seccomp)")
	} else if err := filterCalls(); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	} else {
		h.Seccomp = true
	}
	if f == "require" && len(h.Missing) > 0 {
		return fmt.Errorf("the kernel cannot restrict %s", strings.Join(h.Missing, ", "))
	}
	b, err := json.Marshal(&h)
	if err != nil {
		return err
	}
	// The file that runs, even if another has taken its name since.
	err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), marker+"="+string(b)))
	return fmt.Errorf("executing %s anew: %w", exe, err)
}

// entered looks at what holds.
func entered(v string) (*Held, error) {
	var t handed
	if err := json.Unmarshal([]byte(v), &t); err != nil {
		return nil, fmt.Errorf("%s is this program's own, and not to be set: %w", marker, err)
	}
	for _, fd := range t.Sockets {
		unix.CloseOnExec(fd)
	}
	h := &Held{Missing: t.Missing, sockets: t.Sockets}
	n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil || n != 1 {
		return nil, fmt.Errorf("%s is this program's own, and not to be set", marker)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return nil, err
	}
	held := "no capabilities"
	if set := uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32; set != 0 {
		held = fmt.Sprintf("%d capabilities of root's, on files", bits.OnesCount64(set))
	}
	h.Restrictions = append(h.Restrictions, "no new privileges", held)
	if t.Landlock > 0 {
		h.Restrictions = append(h.Restrictions, fmt.Sprintf("Landlock %d: writing only to %s", t.Landlock, t.Allowed))
	}
	if t.Seccomp {
		h.Restrictions = append(h.Restrictions, "seccomp: no system calls of administration")
	}
	return h, nil
}

// rootsCapabilities are what root keeps: those that make it root on files, as far as
// Landlock lets it.
var rootsCapabilities = []uint{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER}

func dropCapabilities() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, keep [2]unix.CapUserData
	if err := unix.Capget(&hdr, &have[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if os.Geteuid() == 0 {
		for _, c := range rootsCapabilities {
			keep[0].Permitted |= have[0].Permitted & (1 << c)
		}
		keep[0].Effective = keep[0].Permitted
	}
	if err := unix.Capset(&hdr, &keep[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// Files of the system that programs read. Nothing in them is secret.
var (
	systemFolders = []string{
		"/usr", "/lib", "/lib64", "/lib32", "/proc", "/sys", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ld.so.conf.d",
		"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
	}
	systemFiles = []string{
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
		"/etc/localtime", "/etc/timezone", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.preload", "/etc/passwd", "/etc/group",
		"/dev/urandom", "/dev/random", "/dev/zero",
	}
	interpreters = []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"}
)

const (
	readFile  landlock.AccessFSSet = ll.AccessFSReadFile
	readDir                        = readFile | ll.AccessFSReadDir
	writeFile                      = readFile | ll.AccessFSWriteFile | ll.AccessFSTruncate
)

func restrictFiles(p *Plan, exe string) error {
	c := landlock.V8.BestEffort()
	if p.Network {
		c.HandledAccessNet = ll.AccessNetBindTCP
	}
	if strings.HasPrefix(os.Getenv("NOTIFY_SOCKET"), "@") {
		c.Scoped = 0 // systemd is to be told.
	}
	rules := []landlock.Rule{
		landlock.PathAccess(readDir, systemFolders...).IgnoreIfMissing(),
		landlock.PathAccess(readFile, systemFiles...).IgnoreIfMissing(),
		landlock.PathAccess(readFile|ll.AccessFSExecute, append(slices.Clone(interpreters), exe)...).IgnoreIfMissing(),
		landlock.PathAccess(writeFile, "/dev/null", "/dev/tty").IgnoreIfMissing(),
	}
	if p.Network {
		// The files that name services are replaced as wholes.
		rules = append(rules, landlock.PathAccess(readDir, "/etc"))
	}
	for _, name := range p.Read {
		access := readFile
		if fi, err := os.Stat(name); err == nil && fi.IsDir() {
			access = readDir
		}
		rules = append(rules, landlock.PathAccess(access, name).IgnoreIfMissing())
	}
	for _, dir := range p.Write {
		rules = append(rules, landlock.RWDirs(dir).WithRefer())
	}
	if len(p.Files) > 0 {
		rules = append(rules, landlock.PathAccess(writeFile, p.Files...))
	}
	if p.Listen != "" {
		if _, port, err := net.SplitHostPort(p.Listen); err == nil {
			if n, err := strconv.ParseUint(port, 10, 16); err == nil {
				rules = append(rules, landlock.BindTCP(uint16(n)))
			}
		}
	}
	fd, flags, err := c.NewRulesetFD(rules...)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	defer unix.Close(fd)
	if err := ll.LandlockRestrictSelf(fd, flags); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// refused are system calls that change the machine, look into other processes, load
// code into the kernel, or have a history of holes; sensors, decoders and the engine
// make none of them.
var refused = []string{
	"acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "create_module", "delete_module", "fanotify_init",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter", "io_uring_register",
	"io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mknod", "mknodat", "mount",
	"mount_setattr", "move_mount", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "personality",
	"pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace", "query_module", "quotactl",
	"quotactl_fd", "reboot", "request_key", "setdomainname", "setfsgid", "setfsuid", "setgid", "setgroups", "sethostname", "setns",
	"setregid", "setresgid", "setresuid", "setreuid", "settimeofday", "setuid", "stime", "swapoff", "swapon", "sysfs", "_sysctl", "syslog",
	"umount", "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old", "vmsplice",
}

// filterCalls refuses them, and sockets other than those of the Internet, of unix,
// and of what tells of interfaces.
func filterCalls() error {
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	var names []string
	for _, name := range refused {
		if _, ok := info.SyscallNames[name]; ok {
			names = append(names, name)
		}
	}
	var sockets []seccomp.NameWithConditions
	for _, family := range []uint64{unix.AF_PACKET, unix.AF_KEY, unix.AF_ALG, unix.AF_VSOCK, unix.AF_BLUETOOTH, unix.AF_CAN, unix.AF_TIPC, unix.AF_RDS, unix.AF_XDP, unix.AF_NFC} {
		sockets = append(sockets, seccomp.NameWithConditions{
			Name: "socket", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: family}},
		})
	}
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls: []seccomp.SyscallGroup{
				{Names: names, NamesWithCondtions: sockets, Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM)},
			},
		},
	})
}
