package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/term"

	"x400flow/engine"
	"x400flow/pipeline/store"
	"x400flow/schema"
)

// open opens the archive, which must be there and have this program's schema.
func open(ctx context.Context, o *options) (*store.Store, error) {
	if !strings.Contains(o.store.Target, "://") {
		if _, err := os.Stat(o.store.Target); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no archive at %s: name one with -store, or make one with ingest -r CAPTURE -store %s", o.store.Target, o.store.Target)
		}
	}
	so, err := o.store.Options()
	if err != nil {
		return nil, err
	}
	so.ReadOnly, so.Program = !o.write, "query"
	st, err := store.Open(so)
	if err != nil {
		return nil, err
	}
	if err := st.CheckVersion(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// runSQL runs one statement and copies its result to out as it comes.
func runSQL(ctx context.Context, o *options, sql string, out *os.File) error {
	st, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer st.Close()
	sql = strings.TrimRight(strings.TrimSpace(sql), "; \t\n")
	return stream(ctx, st, format(o, out, "TabSeparated"), sql, o.params, out)
}

func stream(ctx context.Context, st *store.Store, format, sql string, p params, out io.Writer) error {
	if len(p) > 0 {
		ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters(p)))
	}
	r, err := st.Conn().QueryFormat(ctx, format, sql)
	if err != nil {
		return plain(err)
	}
	_, err = io.Copy(out, r)
	return plain(errors.Join(err, r.Close()))
}

// plain is an error as ClickHouse says it, without what surrounds it.
func plain(err error) error {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		text := e.Message
		if i := strings.Index(text, "\nStack trace"); i >= 0 {
			text = text[:i]
		}
		return errors.New(strings.TrimSpace(text))
	}
	return err
}

// format is the output format asked for, else a table on a terminal, else the one
// given.
func format(o *options, out *os.File, otherwise string) string {
	switch {
	case o.format != "":
		return o.format
	case term.IsTerminal(int(out.Fd())):
		return "PrettyCompactMonoBlock"
	}
	return otherwise
}

// report runs a ready-made report. Its parameters are flags, but for the one
// that must be given: that is the argument.
func report(ctx context.Context, o *options, r *schema.Report, args []string, out *os.File, messages io.Writer) error {
	flags := flag.NewFlagSet("query "+r.Name, flag.ContinueOnError)
	flags.SetOutput(messages)
	o.define(flags)
	values := params{}
	required := ""
	for _, p := range r.Params {
		if p.Required {
			required = p.Name
			continue
		}
		values[p.Name] = p.Default
		if p.Type == "Array(String)" {
			flags.Func(p.Name, p.About+" (`OR-name`)", func(v string) error {
				patterns, err := namePatterns(v)
				values[p.Name] = patterns
				return err
			})
			continue
		}
		flags.Func(p.Name, fmt.Sprintf("%s (`%s`, default %q)", p.About, p.Type, p.Default), func(v string) error {
			values[p.Name] = v
			return nil
		})
	}
	flags.Usage = func() {
		fmt.Fprintf(messages, "%s: %s\n\n  %s\n\n", r.Title, r.About, r.Example)
		flags.PrintDefaults()
	}
	// The argument may stand before the flags or after them.
	var given []string
	for {
		if err := flags.Parse(args); err != nil {
			return parseError(err)
		}
		if flags.NArg() == 0 {
			break
		}
		given, args = append(given, flags.Arg(0)), flags.Args()[1:]
	}
	switch {
	case required == "" && len(given) > 0:
		return &usageError{fmt.Errorf("%s takes no argument %q", r.Name, given[0])}
	case required != "" && len(given) != 1:
		return &usageError{fmt.Errorf("%s takes one argument, %s, such as: %s", r.Name, required, r.Example)}
	case required != "":
		values[required] = given[0]
	}
	for name, v := range o.params {
		values[name] = v
	}
	st, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer st.Close()
	for i, s := range r.Statements {
		if len(r.Statements) > 1 && o.format == "" {
			if i > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintln(out, s.Title)
		}
		if err := stream(ctx, st, format(o, out, "TabSeparatedWithNames"), s.SQL, values, out); err != nil {
			return err
		}
	}
	return nil
}

// serve offers the archive on a TCP address until ctx ends.
func serve(ctx context.Context, o *options, args []string, messages io.Writer) error {
	flags := flag.NewFlagSet("query serve", flag.ContinueOnError)
	flags.SetOutput(messages)
	flags.StringVar(&o.store.Target, "store", o.store.Target, "archive `directory`")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8123", "TCP `address` to listen on; there is no password, so think before it leaves this machine")
	flags.BoolVar(&o.write, "write", o.write, "let statements change the archive")
	if err := flags.Parse(args); err != nil {
		return parseError(err)
	}
	if flags.NArg() > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	if strings.Contains(o.store.Target, "://") {
		return &usageError{fmt.Errorf("%s is a server already: serve is for an archive directory", o.store.Target)}
	}
	st, err := open(ctx, o)
	if err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(messages, "Serving %s on http://%s (ClickHouse's HTTP interface); Ctrl-C ends it.\n", o.store.Target, l.Addr())
	server := &http.Server{Handler: engine.Proxy(o.store.Target, engine.Options{ReadOnly: !o.write}), ReadHeaderTimeout: 10 * time.Second}
	done := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(grace)
	})
	defer done()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
