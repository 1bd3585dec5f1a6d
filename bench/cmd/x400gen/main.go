// Command x400gen writes a capture of generated X.400 P1 traffic and a ledger of
// what it holds.
//
//	x400gen -n 1000 -seed 7 -o traffic.pcap -ledger traffic.jsonl
//	x400gen -specimens specimens/
//
// Any option of the generator is set by its name: -set LossRate=0.01 -set MTAs=20.
// Package x400flow/bench/generate describes them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"x400flow/bench/generate"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "x400gen:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) (err error) {
	o := generate.DefaultOptions()
	fs := flag.NewFlagSet("x400gen", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "seed: the same seed and options give the same octets")
	fs.IntVar(&o.Messages, "n", o.Messages, "messages and probes to originate; reports come on top")
	capture := fs.String("o", "traffic.pcap", "capture to write, - for standard output")
	tap := fs.String("tap", "", "second sensor's capture to write")
	ledger := fs.String("ledger", "", "ledger to write")
	corpus := fs.String("corpus", "small", "content sizes: small (about 1 kB an APDU) or office (70% 1-4 kB, 25% 10-50 kB, 5% 200 kB)")
	specimens := fs.String("specimens", "", "folder to write captures of every field to, instead of traffic")
	fs.Func("set", "any other option, as Name=value; may be repeated", func(s string) error { return set(&o, s) })
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *specimens != "" {
		return writeSpecimens(*specimens)
	}
	switch *corpus {
	case "small":
		o.Corpus = generate.SmallCorpus
	case "office":
		o.Corpus = generate.OfficeCorpus
	default:
		return fmt.Errorf("no corpus %q", *corpus)
	}
	var out generate.Output
	for _, f := range []struct {
		name string
		to   *io.Writer
	}{{*capture, &out.Capture}, {*tap, &out.Tap}, {*ledger, &out.Ledger}} {
		switch f.name {
		case "":
		case "-":
			*f.to = stdout
		default:
			file, err := os.Create(f.name)
			if err != nil {
				return err
			}
			defer func() {
				if e := file.Close(); err == nil {
					err = e
				}
			}()
			*f.to = file
		}
	}
	if out.Capture == nil {
		out.Capture = io.Discard
	}
	began := time.Now()
	s, err := generate.Run(o, out)
	if err != nil {
		return err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Fprintf(stderr, "%s\n%.1f s, %.1f MB/s\n", b, took.Seconds(), float64(s.CaptureSize)/1e6/took.Seconds())
	return nil
}

// writeSpecimens writes each specimen into the folder, numbered.
func writeSpecimens(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i, s := range generate.Specimens() {
		name := fmt.Sprintf("%02d-%s.pcap", i+1, strings.ReplaceAll(s.Name, " ", "-"))
		if err := os.WriteFile(filepath.Join(folder, name), s.Capture, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// set sets an exported field of the options by name.
func set(o *generate.Options, s string) error {
	name, value, ok := strings.Cut(s, "=")
	f := reflect.ValueOf(o).Elem().FieldByName(name)
	if !ok || !f.IsValid() {
		return fmt.Errorf("%q is not Option=value", s)
	}
	switch f.Kind() {
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		f.SetInt(int64(n))
	case reflect.Float64:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return err
		}
		f.SetFloat(x)
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return err
		}
		f.SetBool(b)
	default:
		return fmt.Errorf("%s cannot be set here", name)
	}
	return nil
}
