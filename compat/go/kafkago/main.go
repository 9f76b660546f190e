// Black-box suite: kafka-go, which gives its users the steps of a group one by one.
package main

import (
	"context"
	"errors"
	"time"

	"ottla/compat/cases"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

func main() {
	cases.AsMember(beAMember)
	cases.Main(allCases())
}

func client(balancers ...kafka.GroupBalancer) cases.Client {
	return cases.Client{Join: func(group, _ string, topics ...string) (*cases.Member, error) {
		return join(group, topics, 6*time.Second, balancers...)
	}, Send: send}
}

// join makes a member that takes part in one generation after the other.
func join(group string, topics []string, session time.Duration, balancers ...kafka.GroupBalancer) (*cases.Member, error) {
	consumer, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: []string{cases.Bootstrap}, Topics: topics, GroupBalancers: balancers,
		HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: session, RebalanceTimeout: 10 * time.Second,
		StartOffset: kafka.FirstOffset, JoinGroupBackoff: 200 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	member := &cases.Member{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if generation, err := consumer.Next(ctx); err == nil {
				takePart(generation, member)
			}
		}
	}()
	member.Leave = func() error {
		cancel()
		err := consumer.Close()
		<-ended
		return err
	}
	return member, nil
}

// takePart reads what a generation assigned until that generation ends.
func takePart(generation *kafka.Generation, member *cases.Member) {
	member.Rebalanced()
	for topic, assignments := range generation.Assignments {
		for _, assignment := range assignments {
			partition := int32(assignment.ID)
			generation.Start(func(ctx context.Context) {
				member.Gained(topic, partition)
				defer member.Gave(topic, partition)
				readPartition(ctx, topic, assignment, member)
			})
		}
	}
}

func readPartition(ctx context.Context, topic string, where kafka.PartitionAssignment, member *cases.Member) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{cases.Bootstrap}, Topic: topic, Partition: where.ID, MaxBytes: 16 << 20, MaxWait: 100 * time.Millisecond,
	})
	defer reader.Close()
	if err := reader.SetOffset(where.Offset); err != nil {
		return
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return
		}
		member.Read(cases.Record{
			Topic: topic, Partition: int32(message.Partition), Offset: message.Offset, Value: string(message.Value),
		})
	}
}

func send(topic string, partition int32, codec string, values ...[]byte) error {
	codecs := map[string]kafka.Compression{
		"none": compress.None, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	// The transport that writers share does not look again for a topic that it has not seen for some seconds.
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Transport: transport,
		Addr:      kafka.TCP(cases.Bootstrap), Topic: topic, Compression: codecs[codec], BatchBytes: 5_000_000,
		RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return int(partition) }),
	}
	ctx, cancel := cases.Limit()
	defer cancel()
	var messages []kafka.Message
	for _, value := range values {
		messages = append(messages, kafka.Message{Value: value})
	}
	return errors.Join(writer.WriteMessages(ctx, messages...), writer.Close())
}

func beAMember(arguments []string) error {
	member, err := join(arguments[0], []string{arguments[1]}, 2*time.Second, kafka.RangeGroupBalancer{})
	if err != nil {
		return err
	}
	if err := cases.Eventually("there are partitions", func() bool { return len(member.Assignment()) > 0 }); err != nil {
		return err
	}
	cases.Joined()
	select {}
}
