package live

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"x400flow/bench/generate"
	"x400flow/cmd/cmdtest"
	"x400flow/pipeline/capture/device/devicetest"
)

var (
	rates    = flag.Bool("rates", false, "look for the highest loss-free rates")
	each     = flag.Duration("each", 30*time.Second, "how long a rate is held")
	ring     = flag.Int("ring", 64, "MiB of the ring, of the sensor as of tcpdump")
	messages = flag.Int("messages", 3000, "messages in the capture that is replayed")
	corpus   = flag.String("corpus", "office", "their contents: small or office (see bench/generate)")
	soak     = flag.Duration("soak", time.Minute, "how long memory is watched")
	at       = flag.Float64("at", 0, "Mbit/s of TestSoak, instead of half of what is found loss-free")
	profiles = flag.String("profiles", "", "folder for a heap profile, and what the metrics say, of each minute of the soak")
	report   = flag.String("report", "", "file that the figures are written to as well")
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// A bench is a link, what is replayed into it, and what captures at its end.
type bench struct {
	*cmdtest.Sensor
	pcap    string
	packets int64 // Of one round.
	octets  int64
	out     strings.Builder // The report.
}

func newBench(t *testing.T) *bench {
	t.Helper()
	devicetest.Namespace(t)
	devicetest.Pair(t, "mon0", "gen0", 9600)
	b := &bench{Sensor: cmdtest.NewSensor(t)}
	o := generate.DefaultOptions()
	// Connections that end, and transfers that do: those left open, or broken off for
	// good, are held for hours, within their limits.
	o.OpenRate, o.CutRate, o.DiscardRate, o.RecoverRate = 0, 0, 0, 0
	o.Messages, o.Concurrent, o.PerAssociation = *messages, 50, 4
	if *corpus == "office" {
		o.Corpus = generate.OfficeCorpus
	}
	b.pcap = filepath.Join(t.TempDir(), "traffic.pcap")
	f, err := os.Create(b.pcap)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := generate.Run(o, generate.Output{Capture: f})
	if err != nil {
		t.Fatal(err)
	}
	b.packets, b.octets = int64(s.Packets), int64(s.CaptureSize)-16*int64(s.Packets)
	return b
}

func (b *bench) say(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	b.out.WriteString(line + "\n")
}

// A rate is what tcpreplay did.
type rate struct {
	packets, octets int64
	took            float64 // Seconds.
}

func (r rate) mbps() float64 { return float64(r.octets) * 8 / r.took / 1e6 }

func (r rate) String() string {
	return fmt.Sprintf("%.0f Mbit/s, %.0f packets/s for %.1f s", r.mbps(), float64(r.packets)/r.took, r.took)
}

var actual = regexp.MustCompile(`Actual: (\d+) packets \((\d+) bytes\) sent in ([0-9.]+) seconds`)

// replay sends at a rate in Mbit/s, or as fast as it goes at 0.
func (b *bench) replay(t *testing.T, mbps float64, lasts time.Duration) rate {
	t.Helper()
	speed := "--topspeed"
	if mbps > 0 {
		speed = fmt.Sprintf("--mbps=%.3f", mbps)
	}
	out, err := exec.Command("tcpreplay", "-q", "-K", "--unique-ip", "-i", "gen0", speed, "--loop=0",
		fmt.Sprintf("--duration=%d", int(math.Ceil(lasts.Seconds()))), b.pcap).CombinedOutput()
	if err != nil {
		t.Fatalf("tcpreplay: %v: %s", err, out)
	}
	m := actual.FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("tcpreplay said: %s", out)
	}
	var r rate
	r.packets, _ = strconv.ParseInt(m[1], 10, 64)
	r.octets, _ = strconv.ParseInt(m[2], 10, 64)
	r.took, _ = strconv.ParseFloat(m[3], 64)
	if strings.Contains(string(out), "Failed packets:            0") == strings.Contains(string(out), "Failed packets:") {
		return r
	}
	t.Fatalf("tcpreplay could not send all: %s", out)
	return r
}

// A subject captures at mon0. run starts it, has play carried out and ends it; it
// returns how many frames were lost, of how many that play sent.
type subject struct {
	name string
	run  func(t *testing.T, play func() rate) (lost int64, r rate)
}

func number(t *testing.T, s, expr string) int64 {
	t.Helper()
	m := regexp.MustCompile(expr).FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *bench) tcpdump() subject {
	return subject{"tcpdump -w /dev/null", func(t *testing.T, play func() rate) (int64, rate) {
		p := start(t, "listening on", exec.Command("tcpdump", "-i", "mon0", "-n", "-w", "/dev/null", "-B", strconv.Itoa(*ring<<10), "tcp port 102"))
		r := play()
		time.Sleep(500 * time.Millisecond)
		said := p.end(t, os.Interrupt)
		if !strings.Contains(said, "packets dropped by kernel") {
			t.Fatalf("tcpdump said: %s", said)
		}
		return number(t, said, `(\d+) packets dropped by kernel`), r
	}}
}

func (b *bench) sensor(name string, args ...string) subject {
	return subject{name, func(t *testing.T, play func() rate) (int64, rate) {
		p := b.ingest(t, args...)
		r := play()
		said := p.end(t, syscall.SIGTERM)
		captured, dropped := number(t, said, `Captured (\d+) packets? on`), number(t, said, `(\d+) packets? (?:was|were) dropped`)
		if captured == 0 {
			t.Fatalf("ingest said: %s", said)
		}
		return max(dropped, r.packets-captured), r
	}}
}

func (b *bench) ingest(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, "msg=capturing", b.Command(append([]string{"-i", "mon0", "-ring", strconv.Itoa(*ring) + "M", "-drain", "5m", "-sensor", "bench"}, args...)...))
}

// A process is a running subject.
type process struct {
	*exec.Cmd
	out   *watched
	ended chan error
}

// watched collects what a process says.
type watched struct {
	said  chan struct{} // Closed when it has said what is waited for.
	words string
	text  bytes.Buffer
	done  bool
}

func (w *watched) String() string { return w.text.String() }

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.text.Write(p)
	if !w.done && strings.Contains(w.String(), w.words) {
		w.done = true
		close(w.said)
	}
	return n, err
}

// start runs a subject, and returns when it has said these words.
func start(t *testing.T, words string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, out: &watched{said: make(chan struct{}), words: words}, ended: make(chan error, 1)}
	p.Stderr = p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() { p.Process.Kill() })
	select {
	case <-p.out.said:
	case err := <-p.ended:
		t.Fatalf("%s: %v: %s", cmd.Path, err, p.out)
	case <-time.After(time.Minute):
		t.Fatalf("%s does not begin", cmd.Path)
	}
	return p
}

func (p *process) end(t *testing.T, how os.Signal) string {
	t.Helper()
	if err := p.Process.Signal(how); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil {
		t.Fatalf("%v: %s", err, p.out)
	}
	return p.out.String()
}

// highest looks for the highest rate at which a subject loses nothing: as fast as
// the link goes, or by bisection, between the last that was lossless and the first
// that was not, to an eighth.
func (b *bench) highest(t *testing.T, s subject, top float64, lasts time.Duration) rate {
	t.Helper()
	try := func(mbps float64) (rate, bool) {
		// Four times what the ring holds, at the least.
		least := int64(4 * *ring << 20)
		hold := max(lasts, time.Duration(float64(least)*8.4/(cmp.Or(mbps, top)*1e6)*float64(time.Second)))
		for {
			lost, r := s.run(t, func() rate { return b.replay(t, mbps, hold) })
			t.Logf("%s: %v: %d lost of %d", s.name, r, lost, r.packets)
			if lost > 0 || r.octets >= least {
				return r, lost == 0
			}
			hold *= 2
		}
	}
	if r, ok := try(0); ok {
		return r
	}
	var best rate
	low, high := 0.0, 1.2*top
	for step := 0; step < 10 && (low == 0 || high > low*9/8); step++ {
		at := (low + high) / 2
		if r, ok := try(at); ok {
			best, low = r, at
		} else {
			high = at
		}
	}
	if best.packets == 0 {
		t.Errorf("%s loses frames at every rate", s.name)
	}
	return best
}

// TestRates compares.
func TestRates(t *testing.T) {
	if !*rates {
		t.Skip("without -rates: it takes half an hour and a quiet machine; see make bench-live")
	}
	b := newBench(t)
	b.machine(t)
	top := b.replay(t, 0, 3*time.Second).mbps()
	var found [3]rate
	for i, s := range []subject{
		b.tcpdump(),
		b.sensor("capture to records", "-records", "/dev/null"),
		{"whole path, -keep envelope", func(t *testing.T, play func() rate) (int64, rate) {
			return b.sensor("", "-keep", "envelope", "-store", b.Archive(t)).run(t, play)
		}},
	} {
		found[i] = b.highest(t, s, top, *each)
		b.say(t, "| %s | %.0f | %.0f | %.0f s | %.0f%% |", s.name, found[i].mbps(), float64(found[i].packets)/found[i].took, found[i].took, 100*found[i].mbps()/found[0].mbps())
	}
	if part := found[1].mbps() / found[0].mbps(); part < 0.8 {
		t.Errorf("capture to records is loss-free up to %.0f%% of what tcpdump takes: must be 80%%", 100*part)
	}
	if part := found[2].mbps() / found[0].mbps(); part < 0.25 {
		t.Errorf("the whole path is loss-free up to %.0f%% of what tcpdump takes: must be 25%%", 100*part)
	}
	b.soak(t, found[2].mbps()/2)
	b.write(t)
}

// TestSoak has connections come and go for a minute, at half of a rate that was
// found loss-free just before.
func TestSoak(t *testing.T) {
	if *rates {
		t.Skip("with -rates, TestRates has a soak")
	}
	if *at > 0 {
		b := newBench(t)
		b.soak(t, *at)
		b.write(t)
		return
	}
	*messages = min(*messages, 1000)
	b := newBench(t)
	mbps := 40.0
	for ; mbps > 2; mbps /= 2 {
		if lost, r := b.sensor("", "-keep", "envelope", "-store", b.Archive(t)).run(t, func() rate { return b.replay(t, mbps, 3*time.Second) }); lost == 0 {
			t.Logf("loss-free: %v", r)
			break
		}
	}
	b.soak(t, mbps/2)
	b.write(t)
}

// memory is what a sensor held at a time.
type memory struct {
	resident int64 // Of the process, in octets.
	// live is what its heap held after a collection, in octets, or 0 where that was not looked at.
	live int64
}

// soak watches the memory of a sensor with an archive.
func (b *bench) soak(t *testing.T, mbps float64) {
	t.Helper()
	p := b.ingest(t, "-keep", "envelope", "-store", b.Archive(t), "-listen", metrics, "-pprof")
	ctx, stop := context.WithCancel(t.Context())
	seen := make(chan []memory)
	go func() {
		var all []memory
		defer func() { seen <- all }()
		devicetest.Enter(t)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for began := time.Now(); ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			m := memory{resident: rss(p.Process.Pid)}
			// A collection more than the program's own in ten seconds.
			if len(all)%20 == 19 {
				var err error
				if m.live, err = live(ctx); err != nil && ctx.Err() == nil {
					t.Errorf("after %v: %v", time.Since(began).Round(time.Second), err)
				}
			}
			if m.resident > 0 {
				all = append(all, m)
			}
			if *profiles != "" && len(all)%120 == 119 {
				minute := strconv.Itoa(len(all)/120 + 1)
				for name, path := range map[string]string{"heap." + minute: "/debug/pprof/heap?gc=1", "metrics." + minute: "/metrics"} {
					body, err := get(ctx, path)
					if err == nil {
						err = os.WriteFile(filepath.Join(*profiles, name), body, 0o644)
					}
					if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			}
		}
	}()
	r := b.replay(t, mbps, *soak)
	stop()
	all := <-seen
	said := p.end(t, syscall.SIGTERM)
	captured, dropped := number(t, said, `Captured (\d+) packets? on`), number(t, said, `(\d+) packets? (?:was|were) dropped`)
	connections := number(t, said, `in (\d+) connections?`)
	if len(all) < 60 {
		t.Fatalf("memory was looked at %d times", len(all))
	}
	var line []string
	for i := range 16 {
		line = append(line, strconv.FormatInt(all[i*(len(all)-1)/15].resident>>20, 10))
	}
	t.Logf("resident MiB over time: %s", strings.Join(line, " "))
	line = nil
	for _, m := range all {
		if m.live > 0 {
			line = append(line, strconv.FormatInt(m.live>>20, 10))
		}
	}
	t.Logf("live MiB over time: %s", strings.Join(line, " "))
	// The first eighth is for the buffers to become as large as they get.
	all = all[len(all)/8:]
	third := len(all) / 3
	median := func(part []memory, of func(memory) int64) float64 {
		var values []int64
		for _, m := range part {
			if v := of(m); v > 0 {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return 0
		}
		slices.Sort(values)
		return float64(values[len(values)/2]) / (1 << 20)
	}
	thirds := func(of func(memory) int64) (start, middle, end float64) {
		return median(all[:third], of), median(all[third:2*third], of), median(all[2*third:], of)
	}
	start, middle, end := thirds(func(m memory) int64 { return m.resident })
	liveStart, liveMiddle, liveEnd := thirds(func(m memory) int64 { return m.live })
	b.say(t, "")
	b.say(t, "Soak: %v, %d connections, %d lost. Memory in MiB in the first third, the second and the last: resident %.0f, %.0f, %.0f; live after a collection %.0f, %.0f, %.0f.",
		r, connections, max(dropped, r.packets-captured), start, middle, end, liveStart, liveMiddle, liveEnd)
	if dropped > 0 || captured < r.packets {
		t.Errorf("%d frames of %d were read, %d dropped", captured, r.packets, dropped)
	}
	// What is under way to the archive differs from one moment to the next.
	const underWay = 16
	if liveEnd > liveStart*1.1+underWay || liveStart == 0 || liveEnd == 0 {
		t.Errorf("what is live grew from %.0f to %.0f MiB", liveStart, liveEnd)
	}
	// In a minute buffers still become as large as they get.
	from := middle
	if *soak >= 5*time.Minute {
		from = start
	}
	if end > from*1.1+2*underWay {
		t.Errorf("resident memory grew from %.0f to %.0f MiB", from, end)
	}
	if connections < 100 {
		t.Errorf("%d connections: no churn", connections)
	}
}

// metrics is where the sensor serves them, in a network namespace of its own.
const metrics = "127.0.0.1:9102"

var heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`)

// live has the sensor collect, and returns what its heap holds then.
func live(ctx context.Context) (int64, error) {
	body, err := get(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	m := heapAlloc.FindSubmatch(body)
	if m == nil {
		return 0, fmt.Errorf("no HeapAlloc in %d octets", len(body))
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}

// get returns what the sensor serves. The calling goroutine is in the sensor's
// namespace, and dials itself: a transport would dial in another.
func get(ctx context.Context, path string) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", metrics)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metrics+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	if err := req.Write(c); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// rss returns the resident octets of a process, 0 when it has ended.
func rss(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// machine says what the figures are of.
func (b *bench) machine(t *testing.T) {
	t.Helper()
	first := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).CombinedOutput()
		return strings.SplitN(strings.TrimSpace(string(out)), "\n", 2)[0]
	}
	cpu := ""
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(b); m != nil {
			cpu = string(m[1])
		}
	}
	b.say(t, "# Rates on an interface")
	b.say(t, "")
	b.say(t, "Written by `make bench-live`; see [operations.md](operations.md).")
	b.say(t, "")
	b.say(t, "%s, commit %s, %s, Linux %s, %d cores of %s, %s, %s.", time.Now().UTC().Format(time.DateOnly),
		cmp.Or(first("git", "rev-parse", "--short", "HEAD"), "unknown"), runtime.Version(), first("uname", "-r"), runtime.NumCPU(), cpu,
		first("tcpdump", "--version"), first("tcpreplay", "--version"))
	b.say(t, "Replayed: corpus %s, %d messages, %d packets of %d octets on average, under other addresses each time. Ring: %d MiB. Each rate is held for %v at least, and for four times the ring. The sensor runs as nobody, with CAP_NET_RAW alone.",
		*corpus, *messages, b.packets, b.octets/max(1, b.packets), *ring, *each)
	b.say(t, "")
	b.say(t, "| highest loss-free rate of | Mbit/s | packets/s | held | of tcpdump's |")
	b.say(t, "|---|---|---|---|---|")
}

func (b *bench) write(t *testing.T) {
	t.Helper()
	if *report == "" {
		return
	}
	if err := os.WriteFile(*report, []byte(strings.TrimSpace(b.out.String())+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
