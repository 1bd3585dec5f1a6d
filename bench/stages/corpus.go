package stages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"x400flow/bench/generate"
	"x400flow/bench/ledger"
)

// Options are those of the corpus of the benchmarks: messages of 1 to 4 kB (70%), 10
// to 50 kB (25%) and 200 kB (5%), 1 to 10 recipients, 1 to 6 trace elements. One
// connection follows the other, nothing is lost and no transfer broken off, because
// tshark is to read the same.
func Options(messages int) generate.Options {
	o := generate.DefaultOptions()
	o.Messages = messages
	o.Corpus = generate.OfficeCorpus
	o.MaxHops = 6
	o.Concurrent = 1
	o.X410Rate = 0
	o.InterruptRate, o.RecoverRate, o.DiscardRate, o.CutRate, o.RepeatRate = 0, 0, 0, 0, 0
	return o
}

// Lossy returns the same with one segment in a hundred missing, and one out of order.
func Lossy(o generate.Options) generate.Options {
	o.LossRate, o.DisorderRate = 0.01, 0.01
	return o
}

// Corpus are the generated captures.
type Corpus struct {
	Dir string
	// Capture is in order, Lossy lacks segments and has others out of order.
	Capture, Lossy string
	Summary        ledger.Summary // Of Capture.
	SHA256         string         // Of Capture.
	// Real is a folder of real MTS-APDUs.
	Real string
}

// Make generates the captures in a folder with their ledgers, unless they are there
// already. real is the folder of real MTS-APDUs.
func Make(dir string, messages int, real string) (*Corpus, error) {
	c := &Corpus{Dir: dir, Real: real}
	var err error
	o := Options(messages)
	if c.Capture, c.Summary, err = make1(dir, fmt.Sprintf("corpus-%d", messages), true, o); err != nil {
		return nil, err
	}
	if c.Lossy, _, err = make1(dir, fmt.Sprintf("lossy-%d", messages), true, Lossy(o)); err != nil {
		return nil, err
	}
	f, err := os.Open(c.Capture)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	c.SHA256 = hex.EncodeToString(h.Sum(nil))
	return c, nil
}

// MakeOne generates the capture in order alone, without a ledger.
func MakeOne(dir string, messages int) (*Corpus, error) {
	c := &Corpus{Dir: dir}
	var err error
	c.Capture, c.Summary, err = make1(dir, fmt.Sprintf("only-%d", messages), false, Options(messages))
	return c, err
}

func make1(dir, name string, ledgered bool, o generate.Options) (capture string, s ledger.Summary, err error) {
	capture = filepath.Join(dir, name+".pcap")
	noted := filepath.Join(dir, name+".json")
	if b, err := os.ReadFile(noted); err == nil {
		if err := json.Unmarshal(b, &s); err != nil {
			return "", s, fmt.Errorf("%s: %w", noted, err)
		}
		return capture, s, nil
	}
	truth := ""
	if ledgered {
		truth = filepath.Join(dir, name+".jsonl")
	}
	if s, err = Generate(capture, truth, o); err != nil {
		return "", s, err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", s, err
	}
	return capture, s, os.WriteFile(noted, b, 0o644)
}

// Generate writes one capture, and its ledger unless that has no name. The capture is
// in the page cache then, as if it had been read from a disk.
func Generate(capture, ledgerName string, o generate.Options) (s ledger.Summary, err error) {
	f, err := os.Create(capture)
	if err != nil {
		return s, err
	}
	defer f.Close()
	out := generate.Output{Capture: f}
	if ledgerName != "" {
		l, err := os.Create(ledgerName)
		if err != nil {
			return s, err
		}
		defer l.Close()
		out.Ledger = l
	}
	if s, err = generate.Run(o, out); err != nil {
		return s, err
	}
	if err := f.Close(); err != nil {
		return s, err
	}
	return s, asFromDisk(capture)
}
