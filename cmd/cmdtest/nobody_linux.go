package cmdtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"x400flow/engine"
)

// Nobody is the user, and the group, that a Sensor runs as.
const Nobody = 65534

// A Sensor is the built program ingest, to be run as nobody, with the right to capture
// and no other.
type Sensor struct {
	// Dir is a folder that nobody may look into. It is removed when the test ends.
	Dir string

	bin string // With file capabilities.
	lib string // libchdb, where nobody may read it.
}

// NewSensor builds and installs it. Only root can.
func NewSensor(tb testing.TB) *Sensor {
	tb.Helper()
	dir, err := os.MkdirTemp("", "x400flow-live-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	s := &Sensor{Dir: dir, bin: filepath.Join(dir, "ingest"), lib: filepath.Join(dir, "libchdb.so")}
	lib, err := engine.Library()
	if err != nil {
		tb.Fatal(err)
	}
	if os.Link(lib, s.lib) != nil { // Another file system.
		Run(tb, "cp", lib, s.lib)
	}
	Run(tb, "cp", filepath.Join(Build(tb, "ingest"), "ingest"), s.bin)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(s.bin, 0o755)); err != nil {
		tb.Fatal(err)
	}
	Run(tb, "setcap", "cap_net_raw=ep", s.bin)
	return s
}

// Command is the program with arguments.
func (s *Sensor) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin, args...)
	cmd.Env = append(os.Environ(), "CHDB_LIB_PATH="+s.lib, "HOME="+s.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: Nobody, Gid: Nobody}}
	return cmd
}

// Archive makes an archive that nobody may write, and returns where it is. Its engine is
// stopped when the test ends.
func (s *Sensor) Archive(tb testing.TB) (dir string) {
	tb.Helper()
	dir, err := os.MkdirTemp(s.Dir, strings.ReplaceAll(tb.Name(), "/", "-"))
	if err != nil {
		tb.Fatal(err)
	}
	Copy(tb, Empty(tb), dir)
	Run(tb, "chown", "-R", strconv.Itoa(Nobody), dir)
	StopAtEnd(tb, dir)
	return dir
}

// Run runs another program, which may be one that only root has in its path.
func Run(tb testing.TB, name string, args ...string) {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if !strings.Contains(name, "/") {
		if path, err := exec.LookPath(name); err == nil {
			cmd.Path, cmd.Err = path, nil
		} else if _, err := os.Stat("/usr/sbin/" + name); err == nil {
			cmd.Path, cmd.Err = "/usr/sbin/"+name, nil
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}
