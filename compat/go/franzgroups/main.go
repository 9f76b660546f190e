// Black-box suite: consumer groups with franz-go, in both protocols.
package main

import (
	"context"
	"time"

	"ottla/compat/cases"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	cases.AsMember(func(arguments []string) error {
		protocol := protocols[arguments[2]]
		return beAMember(protocol, arguments[0], arguments[1])
	})
	cases.Main(allCases())
}

// protocol is one of the ways in which a member can take part.
type protocol struct {
	name    string
	options []kgo.Opt
}

var protocols = map[string]protocol{
	"classic":  {"classic", []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(6 * time.Second)}},
	"eager":    {"eager", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer()), kgo.SessionTimeout(6 * time.Second)}},
	"consumer": {"consumer", []kgo.Opt{kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()}},
}

func (p protocol) client() cases.Client {
	return cases.Client{Join: func(group, instance string, topics ...string) (*cases.Member, error) {
		var more []kgo.Opt
		if instance != "" {
			more = append(more, kgo.InstanceID(instance))
		}
		return p.join(group, topics, more...)
	}, Send: send}
}

// join makes a member that polls in a goroutine of its own.
func (p protocol) join(group string, topics []string, more ...kgo.Opt) (*cases.Member, error) {
	member := &cases.Member{}
	gave := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
		for topic, partitions := range lost {
			member.Gave(topic, partitions...)
		}
	}
	options := append([]kgo.Opt{
		kgo.SeedBrokers(cases.Bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.MetadataMaxAge(500 * time.Millisecond), kgo.FetchMaxPartitionBytes(16 << 20),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, won map[string][]int32) {
			member.Rebalanced()
			for topic, partitions := range won {
				member.Gained(topic, partitions...)
			}
		}),
		kgo.OnPartitionsRevoked(gave), kgo.OnPartitionsLost(gave),
	}, append(p.options, more...)...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			fetches := client.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(record *kgo.Record) {
				member.Read(cases.Record{
					Topic: record.Topic, Partition: record.Partition, Offset: record.Offset, Value: string(record.Value),
				})
			})
		}
	}()
	member.Leave = func() error {
		client.Close()
		return nil
	}
	return member, nil
}

func send(topic string, partition int32, codec string, values ...[]byte) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerBatchMaxBytes(5_000_000))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := cases.Limit()
	defer cancel()
	var records []*kgo.Record
	for _, value := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: value})
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func beAMember(p protocol, group, topic string) error {
	options := []kgo.Opt{}
	if p.name != "consumer" {
		options = append(options, kgo.SessionTimeout(2*time.Second))
	}
	member, err := p.join(group, []string{topic}, options...)
	if err != nil {
		return err
	}
	if err := cases.Eventually("there are partitions", func() bool { return len(member.Assignment()) > 0 }); err != nil {
		return err
	}
	cases.Joined()
	select {}
}
