package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "options")
	text := "# where to\none file\ntwo file\nthree-four file\nagain\nmany a\nmany b\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("X400FLOW_ONE", "environment")
	t.Setenv("X400FLOW_TWO", "environment")
	var many list
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	one := flags.String("one", "default", "")
	two := flags.String("two", "default", "")
	three := flags.String("three-four", "default", "")
	five := flags.String("five", "default", "")
	again := flags.Bool("again", false, "")
	flags.Var(&many, "many", "")
	if err := Parse(flags, []string{"-one", "line", "-config", file, "rest"}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join([]string{*one, *two, *three, *five, many.String(), flags.Arg(0)}, ",")
	if want := "line,environment,file,default,a b,rest"; got != want || !*again {
		t.Errorf("got %s, %v; want %s", got, *again, want)
	}
}

func TestRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "options")
	if err := os.WriteFile(file, []byte("workesr 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"unknown flag", "-workesr", []string{"-workesr", "3"}},
		{"unknown key in the file", `"workesr"`, []string{"-config", file}},
		{"missing file", "no such file", []string{"-config", file + "2"}},
		{"bad value", "many", []string{"-workers", "many"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			flags := flag.NewFlagSet("test", flag.ContinueOnError)
			flags.SetOutput(&out)
			flags.Int("workers", 1, "")
			if err := Parse(flags, tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if out.Len() > 0 {
				t.Errorf("printed %s", &out)
			}
		})
	}
	t.Run("bad value in the environment", func(t *testing.T) {
		t.Setenv("X400FLOW_WORKERS", "many")
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.Int("workers", 1, "")
		if err := Parse(flags, nil); err == nil || !strings.Contains(err.Error(), "X400FLOW_WORKERS") {
			t.Errorf("got %v", err)
		}
	})
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(&out)
	flags.Int("workers", 1, "how many")
	flags.Usage = func() { flags.PrintDefaults() }
	if err := Parse(flags, []string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
	if strings.Count(out.String(), "how many") != 1 {
		t.Errorf("printed %s", &out)
	}
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from the file \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Secret("TEST_PASSWORD", ""); got != "" || err != nil {
		t.Errorf("without any: %q, %v", got, err)
	}
	if got, err := Secret("TEST_PASSWORD", file); got != "from the file " || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	t.Setenv("X400FLOW_TEST_PASSWORD", "from the environment")
	if got, err := Secret("TEST_PASSWORD", ""); got != "from the environment" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Secret("TEST_PASSWORD", file); err == nil || strings.Contains(err.Error(), "from the") {
		t.Errorf("with both: %v", err)
	}
	if _, err := Secret("OTHER_PASSWORD", file+"2"); err == nil {
		t.Error("no error for a missing file")
	}
}
