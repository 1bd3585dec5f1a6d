// Package kafka carries records over Apache Kafka.
//
// The records of a [bus.Key] go to the partition that the key hashes to, as
// Java's clients hash, so that they stay in order and meet one decoder;
// heartbeats and captures go to every partition. A partition is a lane. The
// number of partitions must stay: with another number the keys of connections
// under way would move.
//
// A [Producer] sends a batch and says what of it is not durable. What is repeated
// may arrive twice, never out of order; records are numbered, so decoders see
// through it. A [Consumer] is a member of a group: it gets lanes and gives them
// back, and it commits, for each, the offset up to which everything was
// acknowledged. Each generation of the group begins where the last one committed.
//
// kafka-go has two clients inside. Everything but the group's own protocol goes
// through its Transport; the group needs its Dialer.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// DeadSuffix follows the topic's name in that of its dead-letter topic.
const DeadSuffix = ".dead"

// Overhead is what a record takes in a batch beyond its own octets, at most: its
// key, lengths, and the batch's header.
const Overhead = 512

const defaultTimeout = 10 * time.Second

// Config says which topic, and how its brokers are reached.
type Config struct {
	// Brokers are addresses to begin with; the others are learnt from them.
	Brokers []string
	Topic   string
	// ClientID names the program to the brokers, in their logs and quotas.
	ClientID string
	// TLS, if not nil, is spoken.
	TLS *tls.Config
	// SASL is how User and Password are proven: PLAIN, SCRAM-SHA-256 or
	// SCRAM-SHA-512; empty: not at all.
	SASL     string
	User     string
	Password string
	// Timeout bounds a connection's beginning and a request. Default 10 s.
	Timeout time.Duration
	Log     *slog.Logger
	// Registerer, if not nil, gets the metrics.
	Registerer prometheus.Registerer
}

// ParseURL reads kafka://user@host:9092,host2:9092/topic. The user may be left
// out, and so may ports that are 9092. A password is refused: URLs are shown.
func ParseURL(s string) (c Config, err error) {
	const form = "kafka://host:9092,host2:9092/topic"
	rest, ok := strings.CutPrefix(s, "kafka://")
	if !ok {
		return c, fmt.Errorf("%q is no URL such as %s", s, form)
	}
	// net/url takes one host with one port.
	authority, topic, _ := strings.Cut(rest, "/")
	if user, hosts, ok := cutLast(authority, "@"); ok {
		if strings.Contains(user, ":") {
			return c, errors.New("the bus's URL holds a password: it belongs into the environment or a file")
		}
		if c.User, err = url.PathUnescape(user); err != nil {
			return c, fmt.Errorf("the bus's user: %w", err)
		}
		authority = hosts
	}
	for host := range strings.SplitSeq(authority, ",") {
		if host == "" {
			return c, fmt.Errorf("%q names no broker: the form is %s", s, form)
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "9092")
		}
		_, port, err := net.SplitHostPort(host)
		if err != nil {
			return c, fmt.Errorf("%q: %w", s, err)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return c, fmt.Errorf("%q: %q is no port number", s, port)
		}
		c.Brokers = append(c.Brokers, host)
	}
	if err := checkTopic(topic); err != nil {
		return c, fmt.Errorf("%q: %w: the form is %s", s, err, form)
	}
	c.Topic = topic
	return c, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// checkTopic tells whether Kafka takes a name, with the dead-letter topic's too.
func checkTopic(name string) error {
	if name == "" {
		return errors.New("no topic")
	}
	if len(name)+len(DeadSuffix) > 249 || name == "." || name == ".." {
		return fmt.Errorf("%q cannot be a topic's name", name)
	}
	for _, r := range name {
		if r != '.' && r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return fmt.Errorf("a topic's name cannot hold %q", r)
		}
	}
	return nil
}

func (c *Config) fill() error {
	if len(c.Brokers) == 0 {
		return errors.New("no brokers")
	}
	if err := checkTopic(c.Topic); err != nil {
		return err
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (c *Config) mechanism() (sasl.Mechanism, error) {
	switch strings.ToUpper(c.SASL) {
	case "":
		if c.User != "" {
			return nil, errors.New("a user is named, but no SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
		}
		return nil, nil
	case "PLAIN":
		return plain.Mechanism{Username: c.User, Password: c.Password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, c.User, c.Password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, c.User, c.Password)
	}
	return nil, fmt.Errorf("SASL mechanism %s: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", c.SASL)
}

// transport returns a new connection pool to the brokers.
func (c *Config) transport() (*kafka.Transport, error) {
	m, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		DialTimeout: c.Timeout,
		// Longer than a fetch waits, so that its connection is kept.
		IdleTimeout: time.Minute,
		// After a leader has changed, this is how long the old one is asked.
		MetadataTTL: 2 * time.Second,
		// Else every topic of the cluster would be asked about.
		MetadataTopics: []string{c.Topic, c.Topic + DeadSuffix},
		ClientID:       c.ClientID,
		TLS:            c.TLS,
		SASL:           m,
	}, nil
}

func (c *Config) dialer() (*kafka.Dialer, error) {
	m, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Dialer{
		ClientID: c.ClientID, Timeout: c.Timeout, KeepAlive: 30 * time.Second, DualStack: true, TLS: c.TLS, SASLMechanism: m,
	}, nil
}

func (c *Config) addr() net.Addr { return kafka.TCP(c.Brokers...) }

// permanent reports whether waiting cannot mend err: this client is not let in,
// or not to this topic.
func permanent(err error) bool {
	for _, code := range []kafka.Error{
		kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState,
		kafka.InvalidTopic, kafka.InvalidSessionTimeout, kafka.InconsistentGroupProtocol, kafka.InvalidGroupId,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var header tls.RecordHeaderError
	// What crypto/tls makes of an alert: the broker does not like this client's
	// certificate, or that there is none.
	var alert *net.OpError
	return errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &host) ||
		errors.As(err, &header) || errors.As(err, &alert) && alert.Op == "remote error"
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
