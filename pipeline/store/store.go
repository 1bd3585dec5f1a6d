// Package store is the one client of the archive: clickhouse-go over HTTP,
// whether the archive is a directory that package engine holds or a ClickHouse
// server.
//
// A [Store] runs queries, applies the migrations of package schema and opens
// [Writer]s. It is safe for concurrent use, and so are Writers; a batch handed to
// a Writer belongs to it until it gives it out again. Writers refuse nothing but
// what no repetition can mend: then they stop and say so.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"x400flow/engine"
	"x400flow/pipeline/tlsfiles"
	"x400flow/schema"
)

// Options says which archive and how it is talked to.
type Options struct {
	// Target is a directory, such as ./archive, or a server:
	// clickhouse://user@host:8123/database, with the parameters that
	// clickhouse-go takes. Of several hosts, host1:8123,host2:8123, which are the
	// servers of one cluster, the first that answers is used.
	Target string
	// Password is the user's. It is never part of Target nor of an error.
	Password string
	// TLS is how a server is known, and how it knows this client. Naming any file
	// makes TLS a must; so does secure=true among the target's parameters.
	TLS tlsfiles.Files
	// Form is the form that the archive is made in, or was.
	Form schema.Form
	// Engine is how the directory's engine is started.
	Engine engine.Options
	// ReadOnly makes every statement run with the setting readonly=2.
	ReadOnly bool
	// Program names the program to the server.
	Program string
	// Connections is how many statements may run at a time. Default 8.
	Connections int
}

// Store is an archive, opened.
type Store struct {
	conn driver.Conn
	// options make further connections, as to another database.
	options  clickhouse.Options
	database string
	name     string
	form     schema.Form
	remote   bool // A server, not a directory.
}

// Open prepares the connection; nothing is dialled before the first statement.
func Open(o Options) (*Store, error) {
	s := &Store{name: o.Target, form: o.Form}
	if scheme, _, ok := strings.Cut(o.Target, "://"); ok {
		s.remote = true
		switch scheme {
		case "clickhouse", "http", "https":
		default:
			return nil, fmt.Errorf("store: %s:// is no scheme of an archive; use clickhouse:// or a directory", scheme)
		}
		target, more := firstHost(o.Target)
		parsed, err := clickhouse.ParseDSN(withScheme(target, scheme, o.TLS.Any()))
		if err != nil {
			return nil, errors.New("store: the target is no URL of a server")
		}
		s.options = *parsed
		s.options.Addr = append(s.options.Addr, more...)
		s.options.Protocol = clickhouse.HTTP
		if s.options.Auth.Password != "" {
			return nil, errPasswordInTarget
		}
		s.options.Auth.Password = o.Password
		if s.options.TLS == nil && o.TLS.Any() {
			return nil, errors.New("store: certificates are given, but http:// is without TLS: use clickhouse:// or https://")
		}
		if s.options.TLS != nil {
			if err := o.TLS.Apply(s.options.TLS); err != nil {
				return nil, fmt.Errorf("store: %w (-store-ca, -store-cert, -store-key)", err)
			}
		}
		if s.options.Compression == nil {
			s.options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
		}
		s.options.TransportFunc = func(t *http.Transport) (http.RoundTripper, error) { return telling{t, new(atomic.Bool)}, nil }
		s.name = strings.Join(s.options.Addr, ",") + "/" + s.options.Auth.Database
	} else {
		if o.Target == "" {
			return nil, errors.New("store: no target")
		}
		if o.TLS.Any() {
			return nil, fmt.Errorf("store: certificates go with a server, clickhouse://..., not with the directory %s", o.Target)
		}
		if o.Form.Cluster != "" {
			return nil, fmt.Errorf("store: -cluster %s goes with a server, clickhouse://..., not with the directory %s", o.Form.Cluster, o.Target)
		}
		s.options = clickhouse.Options{
			Protocol:    clickhouse.HTTP,
			Addr:        []string{engine.Address().Host},
			DialContext: engine.Dialer(o.Target, o.Engine),
			// A proxy of the environment is not for a socket.
			TransportFunc: func(t *http.Transport) (http.RoundTripper, error) {
				t.Proxy = nil
				return telling{t, new(atomic.Bool)}, nil
			},
		}
	}
	s.database = s.options.Auth.Database
	s.options.Settings = withSetting(s.options.Settings, "log_comment", o.Program)
	if o.ReadOnly {
		s.options.Settings = withSetting(s.options.Settings, "readonly", 2)
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	s.options.MaxOpenConns, s.options.MaxIdleConns = o.Connections, o.Connections
	// The client's own time limit of a dial is also its limit of a wait for a free
	// connection.
	s.options.DialTimeout = 2 * time.Minute
	s.options.ReadTimeout = 30 * time.Minute
	if o.Program != "" {
		s.options.ClientInfo.Products = append(s.options.ClientInfo.Products, struct{ Name, Version string }{o.Program, "1"})
	}
	var err error
	if s.conn, err = clickhouse.Open(&s.options); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

// firstHost returns the target with the first of its hosts alone, and the others:
// net/url takes one host.
func firstHost(target string) (string, []string) {
	scheme, rest, _ := strings.Cut(target, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	hosts := strings.Split(rest[:end], ",")
	return scheme + "://" + hosts[0] + rest[end:], hosts[1:]
}

// withScheme returns the target as clickhouse-go wants it for HTTP, with TLS where
// that is wanted or the target says so.
func withScheme(target, scheme string, secure bool) string {
	u, err := url.Parse(target)
	if err != nil || scheme == "http" {
		return target
	}
	q := u.Query()
	u.Scheme = "http"
	if v := q.Get("secure"); secure || scheme == "https" || v == "true" || v == "1" {
		u.Scheme = "https"
		q.Set("secure", "true")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

func withSetting(s clickhouse.Settings, name string, value any) clickhouse.Settings {
	if s == nil {
		s = clickhouse.Settings{}
	}
	if value != "" {
		s[name] = value
	}
	return s
}

var errPasswordInTarget = errors.New("store: a password stands in the target, where lists of processes show it: put it into the environment (X400FLOW_STORE_PASSWORD) or a file (-store-password-file)")

// Close closes the connections.
func (s *Store) Close() error { return s.conn.Close() }

// Conn is the connection, for statements of the caller's own.
func (s *Store) Conn() driver.Conn { return s.conn }

// Name is the target as it may be shown: without user and password.
func (s *Store) Name() string { return s.name }

// Ping returns when the archive answers.
func (s *Store) Ping(ctx context.Context) error { return s.conn.Ping(ctx) }
