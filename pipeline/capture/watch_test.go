package capture

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// second makes a capture of n frames, one a second from the given one on; each
// frame's octets are its time.
func second(from, n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	for i := range n {
		for _, v := range []int{from + i, 0, 4, 4, from + i} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	}
	return b
}

// secondNG is the same as pcapng, with blocks between that are passed over.
func secondNG(from, n int) []byte {
	block := func(b []byte, kind uint32, body []byte) []byte {
		size := uint32(12 + len(body))
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = binary.LittleEndian.AppendUint32(b, size)
		b = append(b, body...)
		return binary.LittleEndian.AppendUint32(b, size)
	}
	u32 := func(v ...int) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		return b
	}
	b := block(nil, blockSection, append(u32(0x1a2b3c4d, 1), bytes.Repeat([]byte{0xff}, 8)...))
	b = block(b, blockInterface, u32(1, 0))
	for i := range n {
		b = block(b, 0xbad, make([]byte, 1000))
		t := uint64(from+i) * 1e6
		b = block(b, blockEnhanced, u32(0, int(t>>32), int(uint32(t)), 4, 4, from+i))
	}
	return b
}

// watched collects what a Watcher gives: a frame as its second, marked with ' where
// it is known, an end as the file's name, marked with ! where it is damaged.
type watched struct {
	t    *testing.T
	dir  string
	w    *Watcher
	got  []string
	ends []*EndOfFile
}

func watch(t *testing.T, dir string, cfg WatchConfig) *watched {
	t.Helper()
	cfg.Dir, cfg.Poll = dir, time.Millisecond
	if cfg.Quiet == 0 {
		cfg.Quiet = time.Hour
	}
	w, err := Watch(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return &watched{t: t, dir: dir, w: w}
}

// expect reads until what came is as wanted, and then on until nothing more comes.
func (w *watched) expect(want string) {
	w.t.Helper()
	w.got = w.got[:0]
	var f Frame
	for idle, limit := 0, time.Now().Add(10*time.Second); idle < 5; {
		err := w.w.Next(&f)
		var end *EndOfFile
		switch {
		case err == nil:
			s := fmt.Sprint(binary.LittleEndian.Uint32(f.Data))
			if f.Known {
				s += "'"
			}
			w.got = append(w.got, s)
			idle = 0
		case errors.As(err, &end):
			s := filepath.Base(end.File.Name)
			if end.Damage != nil {
				s += "!"
			}
			w.got = append(w.got, s)
			w.ends = append(w.ends, end)
			if w.w.Name(end.Index) != end.File.Name {
				w.t.Errorf("file %d is %s, and %s ended", end.Index, w.w.Name(end.Index), end.File.Name)
			}
			idle = 0
		case err == ErrWait:
			if strings.Join(w.got, " ") == want || time.Now().After(limit) {
				idle++
			}
		default:
			w.t.Fatal(err)
		}
	}
	if got := strings.Join(w.got, " "); got != want {
		w.t.Fatalf("got %s, want %s", got, want)
	}
}

func (w *watched) write(name string, b []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), b, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) append(name string, b []byte) {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	w := watch(t, t.TempDir(), WatchConfig{})
	w.expect("")
	// Names in another order than time; the newest is read while it grows.
	w.write("z", second(10, 2))
	w.expect("10 11")
	w.write("notes.txt", []byte("this is no capture at all, however long"))
	w.append("z", second(12, 2)[24:])
	w.expect("12 13")
	// Of the next, there is no frame yet, then half of one.
	w.write("a", nil)
	w.expect("")
	next := second(20, 2)
	w.append("a", next[:24])
	w.expect("z")
	w.append("a", next[24:50])
	w.expect("20")
	w.append("a", next[50:])
	w.expect("21")
	// Two at a time.
	w.write("c", second(40, 1))
	w.write("b", second(30, 1))
	w.expect("a 30 b 40")
	// An old one does not end the newest, but comes after it.
	w.write("old", second(1, 1))
	w.expect("")
	w.append("c", second(41, 1)[24:])
	w.expect("41")
	w.write("d", secondNG(50, 1))
	w.expect("c 1 old 50")
	for _, e := range w.ends {
		b, err := os.ReadFile(e.File.Name)
		if err != nil || e.File.SHA256 != sha256.Sum256(b) || e.File.Size != int64(len(b)) || !e.File.Done || e.File.Truncated {
			t.Errorf("%+v, %v", e.File, err)
		}
	}
	if n := len(w.w.Files()); n != 6 {
		t.Errorf("%d files", n)
	}
}

// Wherever the writer pauses, the frames are those of the whole file.
func TestWatchGrowing(t *testing.T) {
	for name, b := range map[string][]byte{"pcap": second(1, 3), "pcapng": secondNG(1, 3)} {
		for step := max(1, len(b)/300); step < len(b); step = step*3/2 + 1 {
			w := watch(t, t.TempDir(), WatchConfig{})
			var f Frame
			n := 0
			for i := 0; i < len(b); i += step {
				w.append("x", b[i:min(i+step, len(b))])
				w.w.scanned = time.Time{}
				for {
					err := w.w.Next(&f)
					if err == ErrWait {
						break
					}
					if n++; err != nil || f.Number != uint64(n) || binary.LittleEndian.Uint32(f.Data) != uint32(n) {
						t.Fatalf("%s in steps of %d: frame %d: %v, %+v", name, step, n, err, f)
					}
				}
			}
			if n != 3 {
				t.Errorf("%s in steps of %d: %d frames", name, step, n)
			}
		}
	}
}

// A ring of names comes round, files vanish, and one that was finished grows.
func TestWatchRing(t *testing.T) {
	w := watch(t, t.TempDir(), WatchConfig{})
	w.write("0", second(10, 3))
	w.write("1", second(20, 1))
	w.expect("10 11 12 0 20")
	w.write("0", second(30, 1)) // The same name and inode, and smaller.
	w.expect("1 30")
	w.write("0", second(40, 2))
	w.expect("41") // It looks as if it had grown.
	w.write("0", second(50, 1))
	w.expect("0 50")
	if err := os.Remove(filepath.Join(w.dir, "0")); err != nil {
		t.Fatal(err)
	}
	w.expect("0")
	w.write("1", second(60, 1))
	w.expect("60")
	if err := os.Rename(filepath.Join(w.dir, "1"), filepath.Join(w.dir, "1.old")); err != nil {
		t.Fatal(err)
	}
	// Under its other name it is another file.
	w.expect("1 60")
	w.write("2", second(70, 1))
	w.expect("1.old 70")
	w.append("1.old", second(61, 1)[24:])
	w.expect("")
	w.write("3", second(80, 1))
	w.expect("2 60 61 1.old 80")
}

func TestWatchQuiet(t *testing.T) {
	const quiet = 150 * time.Millisecond
	w := watch(t, t.TempDir(), WatchConfig{Quiet: quiet})
	w.write("a", second(10, 1))
	w.expect("10 a")
	if !w.ends[0].File.Done || w.ends[0].File.SHA256 != sha256.Sum256(second(10, 1)) {
		t.Errorf("%+v", w.ends[0].File)
	}
	// It grows all the same, and is told of again when that is over.
	w.append("a", second(11, 1)[24:])
	w.expect("11 a")
	if w.ends[1].File.SHA256 != sha256.Sum256(append(second(10, 1), second(11, 1)[24:]...)) {
		t.Errorf("%+v", w.ends[1].File)
	}
	// It was told of already.
	w.write("b", second(20, 1))
	w.expect("20 b")

	// Compressed files are read when nobody writes them any more.
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	z.Write(second(30, 1))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w.write("c.gz", gz.Bytes()[:20])
	w.expect("")
	w.append("c.gz", gz.Bytes()[20:])
	w.expect("30 c.gz")
}

func TestWatchFinished(t *testing.T) {
	w := watch(t, t.TempDir(), WatchConfig{Finished: true, Quiet: 300 * time.Millisecond})
	w.write("a", second(10, 1))
	var f Frame
	for range 20 {
		if err := w.w.Next(&f); err != ErrWait {
			t.Fatalf("%v of a file that may grow", err)
		}
	}
	w.append("a", second(11, 1)[24:])
	w.expect("10 11 a")
	w.write("b", second(20, 1))
	w.write("c", second(30, 1))
	w.expect("20 b 30 c")
}

func TestWatchKnown(t *testing.T) {
	dir := t.TempDir()
	put := (&watched{t: t, dir: dir}).write
	last := map[[sha256.Size]byte]int64{}
	for i := range 5 {
		b := second(10*i, 3)
		put(fmt.Sprint(i), b)
		if i < 3 {
			last[sha256.Sum256(b)] = int64(10*i+2) * 1e9
		}
	}
	known := func(sum [sha256.Size]byte) (int64, bool) { l, ok := last[sum]; return l, ok }
	var from int64
	since := func(answer int64) func(int64) (int64, error) {
		return func(f int64) (int64, error) { from = f; return answer, nil }
	}
	w := watch(t, dir, WatchConfig{Known: known, Since: since(math.MaxInt64)})
	w.expect("30 31 32 3 40 41 42")
	if from != 30e9 {
		t.Errorf("new from %d", from)
	}
	w = watch(t, dir, WatchConfig{Known: known, Since: since(12e9)})
	w.expect("10' 11' 12' 20' 21' 22' 30 31 32 3 40 41 42")
	w = watch(t, dir, WatchConfig{Known: known, Since: since(12e9 + 1)})
	w.expect("20' 21' 22' 30 31 32 3 40 41 42")
	// One that is known and grows is new.
	w.append("0", second(3, 1)[24:])
	w.expect("")
	w.write("5", second(50, 1))
	w.expect("4 0 1 2 3 0 50")
	failing := errors.New("no archive")
	if _, err := Watch(WatchConfig{Dir: dir, Known: known, Since: func(int64) (int64, error) { return 0, failing }}); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
}

func TestWatchDamaged(t *testing.T) {
	w := watch(t, t.TempDir(), WatchConfig{})
	w.write("a", append(second(10, 1), bytes.Repeat([]byte{0xff}, 100)...))
	w.expect("10 a!")
	w.write("b", second(20, 1))
	w.expect("20")
	if _, err := Watch(WatchConfig{Dir: filepath.Join(w.dir, "b")}); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("got %v", err)
	}
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	var f Frame
	for {
		err := w.w.Next(&f)
		var end *EndOfFile
		if err == ErrWait || errors.As(err, &end) {
			continue
		}
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		return
	}
}
