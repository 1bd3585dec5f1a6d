package config

import (
	"flag"
	"fmt"
	"strings"

	"x400flow/cmd/internal/confine"
	"x400flow/engine"
	"x400flow/pipeline/store"
	"x400flow/pipeline/tlsfiles"
	"x400flow/schema"
)

// Store are the flags that say which archive a command uses.
type Store struct {
	// Target is the archive's directory or server.
	Target string

	tls          tlsfiles.Files
	passwordFile string
	form         schema.Form
	retention    retention
}

// Define adds the flags that every command takes; Target's default is ./archive
// unless it is set.
func (s *Store) Define(flags *flag.FlagSet) {
	if s.Target == "" {
		s.Target = "./archive"
	}
	flags.StringVar(&s.Target, "store", s.Target, "archive: a `directory`, or clickhouse://user@host:8123/database, whose password is in X400FLOW_STORE_PASSWORD or -store-password-file")
	flags.StringVar(&s.passwordFile, "store-password-file", s.passwordFile, "`file` that holds the password of -store")
	flags.StringVar(&s.tls.CA, "store-ca", s.tls.CA, "`file` of the certificates (PEM) that sign those of -store; without it the system's")
	flags.StringVar(&s.tls.Certificate, "store-cert", s.tls.Certificate, "`file` of this client's certificate (PEM) for -store")
	flags.StringVar(&s.tls.Key, "store-key", s.tls.Key, "`file` of that certificate's key (PEM)")
}

// DefineSchema adds the flags of commands that make an archive.
func (s *Store) DefineSchema(flags *flag.FlagSet) {
	flags.StringVar(&s.form.Cluster, "cluster", s.form.Cluster, "`name` of the ClickHouse cluster, from the servers' remote_servers, on which the archive is made or was")
	flags.StringVar(&s.form.Partition, "partition", s.form.Partition, "make partitions of a `month` (the default) or day, when the archive is made")
	flags.Var(&s.retention, "retention", "`days` after capture that rows are kept, such as contents=90,messages=730; 0 is for ever; of "+strings.Join(schema.RetentionClasses(), ", ")+". Without it what was set stays, at first all for ever")
}

// Embedded reports whether the archive is a directory, which an engine of its own holds.
func (s *Store) Embedded() bool { return !strings.Contains(s.Target, "://") }

// Plan adds what access to the archive takes.
func (s *Store) Plan(p *confine.Plan) {
	if !s.Embedded() {
		p.Network = true
		return
	}
	p.Write = append(p.Write, s.Target)
	if library, err := engine.Library(); err == nil {
		p.Read = append(p.Read, library)
	}
}

// Files returns the files that the flags name, which may be read again.
func (s *Store) Files() []string {
	return []string{s.passwordFile, s.tls.CA, s.tls.Certificate, s.tls.Key}
}

// Options returns what the flags say, and the password.
func (s *Store) Options() (store.Options, error) {
	password, err := Secret("STORE_PASSWORD", s.passwordFile)
	if err != nil {
		return store.Options{}, fmt.Errorf("-store-password-file: %w", err)
	}
	return store.Options{Target: s.Target, Password: password, TLS: s.tls, Form: s.form}, nil
}

// Migration returns what the flags say of Migrate.
func (s *Store) Migration() store.MigrateOptions {
	return store.MigrateOptions{Retention: schema.Retention(s.retention)}
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
