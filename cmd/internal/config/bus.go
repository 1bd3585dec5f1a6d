package config

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"x400flow/pipeline/bus/kafka"
	"x400flow/pipeline/tlsfiles"
)

// Bus are the flags that say which Kafka topic carries the records.
type Bus struct {
	// URL is kafka://host:9092,host2:9092/topic, empty where no bus is used.
	URL string

	create       creation
	tls          bool
	files        tlsfiles.Files
	sasl         string
	passwordFile string
	timeout      time.Duration
}

// Define adds the flags.
func (b *Bus) Define(flags *flag.FlagSet) {
	flags.StringVar(&b.URL, "bus", b.URL, "`URL` of the Kafka topic of records, kafka://host:9092,host2:9092/topic; a user stands before the hosts: kafka://user@host...")
	flags.Var(&b.create, "create-topic", "make the topic and its dead-letter topic where they are not there: number of `partitions,replicas`")
	flags.DurationVar(&b.timeout, "kafka-timeout", 5*time.Second, "`time` within which brokers have to answer")
	flags.BoolVar(&b.tls, "kafka-tls", b.tls, "speak TLS to the brokers; -kafka-ca and -kafka-cert imply it")
	flags.StringVar(&b.files.CA, "kafka-ca", b.files.CA, "`file` of the certificates (PEM) that sign the brokers'; without it the system's")
	flags.StringVar(&b.files.Certificate, "kafka-cert", b.files.Certificate, "`file` of this client's certificate (PEM) for the brokers")
	flags.StringVar(&b.files.Key, "kafka-key", b.files.Key, "`file` of that certificate's key (PEM)")
	flags.StringVar(&b.sasl, "kafka-sasl", b.sasl, "`mechanism` that proves who the user is: plain, scram-sha-256 or scram-sha-512")
	flags.StringVar(&b.passwordFile, "kafka-password-file", b.passwordFile, "`file` that holds the user's password, which may be in X400FLOW_KAFKA_PASSWORD instead")
}

// Files returns the files that the flags name, which may be read again.
func (b *Bus) Files() []string {
	return []string{b.passwordFile, b.files.CA, b.files.Certificate, b.files.Key}
}

// Config returns what the flags say, and the password.
func (b *Bus) Config() (kafka.Config, error) {
	c, err := kafka.ParseURL(b.URL)
	if err != nil {
		return c, fmt.Errorf("-bus: %w", err)
	}
	if c.Password, err = Secret("KAFKA_PASSWORD", b.passwordFile); err != nil {
		return c, fmt.Errorf("-kafka-password-file: %w", err)
	}
	c.SASL, c.Timeout = b.sasl, b.timeout
	switch {
	case c.Timeout <= 0:
		return c, fmt.Errorf("-kafka-timeout %v: must be positive", c.Timeout)
	case c.SASL != "" && c.User == "":
		return c, errors.New("-kafka-sasl: no user in -bus: kafka://user@host:9092/topic")
	case c.SASL != "" && c.Password == "":
		return c, errors.New("-kafka-sasl: no password: it is in X400FLOW_KAFKA_PASSWORD or -kafka-password-file")
	case c.SASL == "" && c.User != "":
		return c, errors.New("-bus names a user: -kafka-sasl says how that is proven: plain, scram-sha-256 or scram-sha-512")
	}
	if b.tls || b.files.Any() {
		c.TLS = new(tls.Config)
		if err := b.files.Apply(c.TLS); err != nil {
			return c, fmt.Errorf("-kafka-ca, -kafka-cert, -kafka-key: %w", err)
		}
	}
	return c, nil
}

// Create returns how the topic is made where it is missing, nil where it is not to
// be.
func (b *Bus) Create() *kafka.Create {
	if b.create.Partitions == 0 {
		return nil
	}
	c := kafka.Create(b.create)
	return &c
}

// creation is a flag.
type creation kafka.Create

func (c *creation) String() string {
	if c.Partitions == 0 {
		return ""
	}
	return fmt.Sprintf("%d,%d", c.Partitions, c.Replication)
}

func (c *creation) Set(v string) error {
	p, r, _ := strings.Cut(v, ",")
	partitions, err := strconv.Atoi(p)
	replicas, err2 := strconv.Atoi(r)
	if errors.Join(err, err2) != nil || partitions < 1 || replicas < 1 {
		return errors.New("must be two numbers, such as 12,3")
	}
	*c = creation{Partitions: partitions, Replication: replicas}
	return nil
}
