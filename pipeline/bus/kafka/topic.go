package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Topic is what there is to know of a topic.
type Topic struct {
	Partitions int
	// MaxMessage is the largest batch, and so the largest record, that its
	// brokers take, in octets; 0 where this client may not ask.
	MaxMessage int
}

// Create says how a topic is made that is not there.
type Create struct {
	Partitions  int
	Replication int
}

// ErrNoTopic is what Prepare returns, wrapped, where a topic is missing.
var ErrNoTopic = errors.New("there is no such topic")

// ErrUnreachable is what Prepare returns, wrapped, where no broker answered.
var ErrUnreachable = errors.New("no broker answers")

// missingGrace is how long a topic may be missing before it is: brokers learn one
// after the other of a topic that was just made.
const missingGrace = 5 * time.Second

// Prepare finds out whether this client is let in and the topic and its
// dead-letter topic are there; with create, it makes what is missing. It tries
// again until ctx ends where that may help.
func Prepare(ctx context.Context, c Config, create *Create) (Topic, error) {
	if err := c.fill(); err != nil {
		return Topic{}, fmt.Errorf("kafka: %w", err)
	}
	asked := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		t, err := prepare(ctx, &c, create)
		switch {
		case err == nil:
			return t, nil
		case permanent(err), errors.Is(err, ErrNoTopic) && create == nil && time.Since(asked) > missingGrace:
			return Topic{}, fmt.Errorf("kafka: %w", err)
		}
		if sleep(ctx, wait) != nil {
			if errors.Is(err, ErrNoTopic) {
				return Topic{}, fmt.Errorf("kafka: %w", err)
			}
			return Topic{}, fmt.Errorf("kafka: %s: %w: %w", strings.Join(c.Brokers, ", "), ErrUnreachable, err)
		}
	}
}

func prepare(ctx context.Context, c *Config, create *Create) (Topic, error) {
	// A transport remembers; this asks anew.
	transport, err := c.transport()
	if err != nil {
		return Topic{}, err
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: c.addr(), Transport: transport, Timeout: c.Timeout}
	limited, cancel := context.WithTimeout(ctx, 2*c.Timeout)
	defer cancel()
	m, err := client.Metadata(limited, &kafka.MetadataRequest{Topics: []string{c.Topic, c.Topic + DeadSuffix}})
	if err != nil {
		return Topic{}, err
	}
	var missing []string
	var t Topic
	for _, topic := range m.Topics {
		switch {
		case errors.Is(topic.Error, kafka.UnknownTopicOrPartition), topic.Error == nil && len(topic.Partitions) == 0:
			missing = append(missing, topic.Name)
		case topic.Error != nil:
			return Topic{}, fmt.Errorf("topic %s: %w", topic.Name, topic.Error)
		case topic.Name == c.Topic:
			t.Partitions = len(topic.Partitions)
		}
	}
	if len(missing) > 0 {
		if create == nil {
			return Topic{}, fmt.Errorf("%w: %s; make it with Kafka's tools, or let -create-topic PARTITIONS,REPLICAS do so",
				ErrNoTopic, strings.Join(missing, " and "))
		}
		if err := makeTopics(limited, client, c, create, missing); err != nil {
			return Topic{}, err
		}
		// The next attempt sees them.
		return Topic{}, fmt.Errorf("%w yet: %s", ErrNoTopic, strings.Join(missing, " and "))
	}
	t.MaxMessage, err = maxMessage(limited, client, c)
	return t, err
}

func makeTopics(ctx context.Context, client *kafka.Client, c *Config, create *Create, missing []string) error {
	var topics []kafka.TopicConfig
	for _, name := range missing {
		t := kafka.TopicConfig{Topic: name, NumPartitions: create.Partitions, ReplicationFactor: create.Replication}
		if name != c.Topic {
			t.NumPartitions = 1
		}
		if create.Replication > 2 {
			// What is acknowledged is on two brokers at least.
			t.ConfigEntries = []kafka.ConfigEntry{{ConfigName: "min.insync.replicas", ConfigValue: "2"}}
		}
		topics = append(topics, t)
	}
	r, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: topics})
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	for name, err := range r.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %s: %w", name, err)
		}
	}
	c.Log.Info("created topics", "topics", missing, "partitions", create.Partitions, "replicas", create.Replication)
	return nil
}

// maxMessage asks for the topic's limit of a batch.
func maxMessage(ctx context.Context, client *kafka.Client, c *Config) (int, error) {
	const name = "max.message.bytes"
	r, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: c.Topic, ConfigNames: []string{name},
	}}})
	if err != nil {
		return 0, err
	}
	for _, res := range r.Resources {
		if errors.Is(res.Error, kafka.TopicAuthorizationFailed) || errors.Is(res.Error, kafka.ClusterAuthorizationFailed) {
			return 0, nil // It may write and not ask.
		}
		if res.Error != nil {
			return 0, res.Error
		}
		for _, e := range res.ConfigEntries {
			if e.ConfigName == name {
				return strconv.Atoi(e.ConfigValue)
			}
		}
	}
	return 0, nil
}
