package store

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"x400flow/schema"
)

// passwordVariable is the environment variable that holds a server's password.
const passwordVariable = "X400FLOW_STORE_PASSWORD"

// Flags are the flags that say which archive a command uses. The password is
// none of them: it would stand in every list of processes.
type Flags struct {
	// Target is the archive's directory or server.
	Target string

	tls          TLS
	passwordFile string
	form         schema.Form
	retention    retention
}

// Define adds the flags that every command takes; Target's default is ./archive
// unless it is set.
func (f *Flags) Define(flags *flag.FlagSet) {
	if f.Target == "" {
		f.Target = "./archive"
	}
	flags.StringVar(&f.Target, "store", f.Target, "archive: a `directory`, or clickhouse://user@host:8123/database, whose password is in "+passwordVariable+" or -store-password-file")
	flags.StringVar(&f.passwordFile, "store-password-file", f.passwordFile, "`file` that holds the password of -store")
	flags.StringVar(&f.tls.CA, "store-ca", f.tls.CA, "`file` of the certificates (PEM) that sign those of -store; without it the system's")
	flags.StringVar(&f.tls.Certificate, "store-cert", f.tls.Certificate, "`file` of this client's certificate (PEM) for -store")
	flags.StringVar(&f.tls.Key, "store-key", f.tls.Key, "`file` of that certificate's key (PEM)")
}

// DefineSchema adds the flags of commands that make an archive.
func (f *Flags) DefineSchema(flags *flag.FlagSet) {
	flags.StringVar(&f.form.Cluster, "cluster", f.form.Cluster, "`name` of the ClickHouse cluster, from the servers' remote_servers, on which the archive is made or was")
	flags.StringVar(&f.form.Partition, "partition", f.form.Partition, "make partitions of a `month` (the default) or day, when the archive is made")
	flags.Var(&f.retention, "retention", "`days` after capture that rows are kept, such as contents=90,messages=730; 0 is for ever; of "+strings.Join(schema.RetentionClasses(), ", ")+". Without it what was set stays, at first all for ever")
}

// Options returns what the flags say.
func (f *Flags) Options() (Options, error) {
	o := Options{Target: f.Target, TLS: f.tls, Form: f.form, Password: os.Getenv(passwordVariable)}
	if f.passwordFile != "" {
		b, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return o, fmt.Errorf("-store-password-file: %w", err)
		}
		if o.Password = strings.TrimRight(string(b), "\r\n"); o.Password == "" {
			return o, fmt.Errorf("-store-password-file: %s is empty", f.passwordFile)
		}
	}
	return o, nil
}

// Migration returns what the flags say of Migrate.
func (f *Flags) Migration() MigrateOptions {
	return MigrateOptions{Retention: schema.Retention(f.retention)}
}

// retention is a flag.
type retention schema.Retention

func (r *retention) String() string {
	return schema.Retention(*r).String()
}

func (r *retention) Set(v string) error {
	parsed, err := schema.ParseRetention(v)
	if err != nil {
		return err
	}
	*r = retention(parsed)
	return nil
}

var errPasswordInTarget = errors.New("store: a password stands in the target, where lists of processes show it: put it into the environment (" + passwordVariable + ") or a file (-store-password-file)")
