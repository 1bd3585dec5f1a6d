// Query runs SQL and ready-made reports over an archive of X.400 messages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"x400flow/cmd/internal/config"
	"x400flow/engine"
	"x400flow/schema"
)

const usage = `Query runs SQL over an archive of X.400 messages.

  query 'SELECT mts_id, originator FROM messages LIMIT 10'
  query -format JSONEachRow 'SELECT * FROM recipients' > recipients.json
  query -p who=smith 'SELECT * FROM messages WHERE originator_key LIKE {who:String}'
  query -file monthly.sql          SQL from a file; from standard input without an argument
  query flows                      a ready-made report; query flows -h says what it takes
  query show '[/PRMD=X/ADMD=Y/C=GB/;1234]'    one message: envelope, heading, text, hops, reports
  query export -as eml MTS-IDENTIFIER   one message: ber, eml (RFC 2156) or json
  query pcap MTS-IDENTIFIER -o out.pcapng   its packets, for Wireshark; or those of a connection
  query messages -recipient 'S=Smith;O=ACME;C=GB'   by attributes of an OR-name
  query search -subject weather -text 'gale warning'   by what it says
  query serve -listen 127.0.0.1:8123   ClickHouse's HTTP interface, for Grafana and the like

Results are a table on a terminal and tab-separated in a pipe; -format takes every
output format that ClickHouse has. docs/schema.md says what is in which table.

`

type options struct {
	store  config.Store
	format string
	file   string
	params params
	write  bool
	listen string
}

func main() {
	engine.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	var bad *usageError
	switch {
	case errors.As(err, &bad):
		if bad.err != nil {
			fmt.Fprintf(os.Stderr, "query: %v\nTry: query -h\n", bad.err)
		}
		os.Exit(2)
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "query: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintf(os.Stderr, "query: %v\n", err)
		os.Exit(1)
	}
}

// usageError is a mistake in the command line; its err is nil where that was
// explained already.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func command(ctx context.Context, args []string, in *os.File, out *os.File, messages io.Writer) error {
	reports, err := schema.Reports()
	if err != nil {
		return err
	}
	o := options{params: params{}}
	flags := flag.NewFlagSet("query", flag.ContinueOnError)
	flags.SetOutput(messages)
	o.define(flags)
	flags.StringVar(&o.file, "file", "", "read the SQL from this `file`")
	flags.BoolVar(&o.write, "write", false, "let statements change the archive")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
		fmt.Fprint(flags.Output(), config.Usage, "Reports:\n")
		for _, r := range reports {
			fmt.Fprintf(flags.Output(), "  %-12s %s\n", r.Name, r.Title)
		}
	}
	if err := config.Parse(flags, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return &usageError{err}
	}
	rest := flags.Args()
	if len(rest) > 0 {
		switch rest[0] {
		case "serve":
			return serve(ctx, &o, rest[1:], messages)
		case "show":
			return show(ctx, &o, rest[1:], out, messages)
		case "pcap":
			return cutPackets(ctx, &o, rest[1:], messages)
		case "export":
			return export(ctx, &o, rest[1:], out, messages)
		}
		for i := range reports {
			if reports[i].Name == rest[0] {
				return report(ctx, &o, &reports[i], rest[1:], out, messages)
			}
		}
	}
	sql, err := statement(&o, rest, in, reports)
	if err != nil {
		return &usageError{err}
	}
	return runSQL(ctx, &o, sql, out)
}

// define adds the flags that every form of the command takes.
func (o *options) define(flags *flag.FlagSet) {
	o.store.Define(flags)
	flags.StringVar(&o.format, "format", o.format, "ClickHouse output `format`, such as CSVWithNames, JSONEachRow or Vertical")
	flags.Var(&o.params, "p", "query parameter, `name=value` for {name:Type} in the SQL; may be given several times")
}

func parseError(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return &usageError{} // The flag package has said why.
}

// statement returns the SQL to run: the argument, the file, or standard input.
func statement(o *options, args []string, in *os.File, reports []schema.Report) (string, error) {
	switch {
	case o.file != "" && len(args) > 0:
		return "", errors.New("both -file and an argument: which SQL?")
	case o.file != "":
		b, err := os.ReadFile(o.file)
		return string(b), err
	case len(args) == 1 && args[0] != "-":
		if !strings.ContainsAny(strings.TrimSpace(args[0]), " \t\n(") {
			return "", fmt.Errorf("%q is neither a report nor SQL; reports are %s", args[0], strings.Join(names(reports), ", "))
		}
		return args[0], nil
	case len(args) > 1:
		return "", fmt.Errorf("unexpected argument %q: put the SQL in quotes", args[1])
	case len(args) == 0 && term.IsTerminal(int(in.Fd())):
		return "", errors.New("no SQL and no report given")
	}
	b, err := io.ReadAll(in)
	if err == nil && strings.TrimSpace(string(b)) == "" {
		err = errors.New("no SQL on standard input")
	}
	return string(b), err
}

func names(reports []schema.Report) []string {
	var names []string
	for i := range reports {
		names = append(names, reports[i].Name)
	}
	return names
}

// params is a flag of name=value pairs.
type params map[string]string

func (p *params) String() string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(*p)) {
		s = append(s, name+"="+(*p)[name])
	}
	return strings.Join(s, " ")
}

func (p *params) Set(v string) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok || name == "" {
		return errors.New("must be name=value")
	}
	(*p)[name] = value
	return nil
}
