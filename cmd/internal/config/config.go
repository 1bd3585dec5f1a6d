// Package config sets a command's flags from the command line, the environment
// and a file, and reads secrets.
//
// Whichever is named first here wins: the command line, the environment
// (X400FLOW_BUS for -bus), the file that -config names (a line "bus kafka://..."
// each, # begins a comment), the default. A key in the file that is no flag is an
// error. Secrets are no flags, so that no list of processes shows them: they come
// from the environment or from files of their own.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/peterbourgon/ff/v3"
)

// Prefix begins the names of environment variables.
const Prefix = "X400FLOW"

// Usage explains where options come from, for a command's help.
const Usage = `
Every option may also be given in the environment, as X400FLOW_ and its name in
capitals with _ for -, or in the file that -config names, one a line: the name, a
space, the value. The command line goes before the environment, that before the
file. Passwords are no options: they are in the environment or in a file.

`

// Parse sets flags, to which it adds -config. It prints nothing but the help where
// that was asked for, and then returns flag.ErrHelp.
func Parse(flags *flag.FlagSet, args []string) error {
	flags.String("config", "", "`file` of options, one a line: name, space, value")
	out := flags.Output()
	// The flag package would print what it also returns.
	flags.SetOutput(io.Discard)
	err := ff.Parse(flags, args,
		ff.WithEnvVarPrefix(Prefix), ff.WithConfigFileFlag("config"), ff.WithConfigFileParser(ff.PlainParser))
	flags.SetOutput(out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.Usage()
		return flag.ErrHelp
	case err != nil:
		return errors.New(strings.TrimPrefix(err.Error(), "error parsing commandline arguments: "))
	}
	return nil
}

// Secret returns the secret that the environment holds as X400FLOW_name, or else
// the given file, whose last line break does not count; empty where there is
// neither. Both is an error.
func Secret(name, file string) (string, error) {
	variable := Prefix + "_" + name
	value := os.Getenv(variable)
	if file == "" {
		return value, nil
	}
	if value != "" {
		return "", fmt.Errorf("both %s and the file %s hold it: which?", variable, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return value, nil
}

// Changed returns the names of the flags whose values differ, of two sets of the same
// flags.
func Changed(a, b *flag.FlagSet) (names []string) {
	a.VisitAll(func(f *flag.Flag) {
		if g := b.Lookup(f.Name); g == nil || g.Value.String() != f.Value.String() {
			names = append(names, f.Name)
		}
	})
	return names
}
