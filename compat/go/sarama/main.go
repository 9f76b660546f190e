// Black-box suite: Sarama, an old and widely used client in Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ottla/compat/cases"

	"github.com/IBM/sarama"
)

func main() {
	cases.AsMember(beAMember)
	cases.Main(allCases())
}

func config(strategy sarama.BalanceStrategy) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.MaxMessageBytes = 5_000_000
	config.Metadata.RefreshFrequency = 500 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.MaxWaitTime = 50 * time.Millisecond
	config.Consumer.Return.Errors = false
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	config.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	return config
}

func client(strategy func() sarama.BalanceStrategy) cases.Client {
	return cases.Client{Join: func(group, instance string, topics ...string) (*cases.Member, error) {
		settings := config(strategy())
		settings.Consumer.Group.InstanceId = instance
		member, _, err := join(group, topics, settings, nil)
		return member, err
	}, Send: send}
}

// handler feeds a member.
type handler struct {
	member *cases.Member
	// each is called with every message; nil does nothing.
	each func(sarama.ConsumerGroupSession, *sarama.ConsumerMessage)
}

func (h handler) Setup(sarama.ConsumerGroupSession) error {
	h.member.Rebalanced()
	return nil
}

func (h handler) Cleanup(sarama.ConsumerGroupSession) error {
	return nil
}

func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	h.member.Gained(claim.Topic(), claim.Partition())
	defer h.member.Gave(claim.Topic(), claim.Partition())
	for message := range claim.Messages() {
		h.member.Read(cases.Record{
			Topic: message.Topic, Partition: message.Partition, Offset: message.Offset, Value: string(message.Value),
		})
		if h.each != nil {
			h.each(session, message)
		}
	}
	return nil
}

func join(group string, topics []string, settings *sarama.Config,
	each func(sarama.ConsumerGroupSession, *sarama.ConsumerMessage)) (*cases.Member, sarama.ConsumerGroup, error) {
	member := &cases.Member{}
	consumer, err := sarama.NewConsumerGroup([]string{cases.Bootstrap}, group, settings)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := consumer.Consume(ctx, topics, handler{member, each}); errors.Is(err, sarama.ErrClosedConsumerGroup) {
				return
			}
		}
	}()
	member.Leave = func() error {
		cancel()
		err := consumer.Close()
		<-ended
		return err
	}
	return member, consumer, nil
}

func send(topic string, partition int32, codec string, values ...[]byte) error {
	settings := config(sarama.NewBalanceStrategyRange())
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	settings.Producer.Compression = codecs[codec]
	settings.Producer.Idempotent = true
	settings.Producer.RequiredAcks = sarama.WaitForAll
	settings.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{cases.Bootstrap}, settings)
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for _, value := range values {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.ByteEncoder(value)})
	}
	return errors.Join(producer.SendMessages(messages), producer.Close())
}

func beAMember(arguments []string) error {
	settings := config(sarama.NewBalanceStrategyRange())
	settings.Consumer.Group.Session.Timeout = 2 * time.Second
	member, _, err := join(arguments[0], []string{arguments[1]}, settings, nil)
	if err != nil {
		return err
	}
	if err := cases.Eventually("there are partitions", func() bool { return len(member.Assignment()) > 0 }); err != nil {
		return fmt.Errorf("a member in a process of its own: %w", err)
	}
	cases.Joined()
	select {}
}
