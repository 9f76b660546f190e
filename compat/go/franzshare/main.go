// Black-box suite: share groups with franz-go.
package main

import (
	"context"
	"fmt"
	"time"

	"ottla/compat/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	cases.Main([]cases.Case{
		{Name: "share_every_record_once", Run: once},
		{Name: "share_accept_release_reject", Run: kinds},
		{Name: "share_members_divide_one_partition", Run: members},
		{Name: "share_strict_record_limit", Run: strict},
	})
}

// prepared makes a topic with so many records and a group that begins at the beginning.
func prepared(partitions int32, count int) (topic, group string, err error) {
	topic, group = cases.FreshName("share-go"), cases.FreshName("share-go-group")
	client, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return topic, group, err
	}
	defer client.Close()
	admin, background := kadm.NewClient(client), context.Background()
	if _, err := admin.CreateTopic(background, partitions, 1, nil, topic); err != nil {
		return topic, group, err
	}
	earliest := "earliest"
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = "share.auto.offset.reset", &earliest
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	resource.Configs = append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	answer, err := request.RequestWith(background, client)
	if err != nil {
		return topic, group, err
	}
	if err := kerr.ErrorForCode(answer.Resources[0].ErrorCode); err != nil {
		return topic, group, err
	}
	for number := 0; number < count; number++ {
		record := &kgo.Record{Topic: topic, Value: []byte(fmt.Sprint("value-", number))}
		if err := client.ProduceSync(background, record).FirstErr(); err != nil {
			return topic, group, err
		}
	}
	return topic, group, nil
}

func member(topic, group string, more ...kgo.Opt) (*kgo.Client, error) {
	options := append([]kgo.Opt{kgo.SeedBrokers(cases.Bootstrap), kgo.ConsumeTopics(topic), kgo.ShareGroup(group)}, more...)
	return kgo.NewClient(options...)
}

// poll hands every record that comes within the time to each.
func poll(client *kgo.Client, wait time.Duration, each func(*kgo.Record)) int {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	fetches := client.PollFetches(ctx)
	fetches.EachRecord(each)
	return fetches.NumRecords()
}

func once() error {
	topic, group, err := prepared(3, 300)
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for round := 0; round < 2; round++ {
		client, err := member(topic, group)
		if err != nil {
			return err
		}
		deadline := time.Now().Add(30 * time.Second)
		for len(seen) < 300 && time.Now().Before(deadline) {
			poll(client, time.Second, func(record *kgo.Record) { seen[string(record.Value)]++ })
		}
		if round == 1 {
			for quiet := 0; quiet < 3; quiet++ {
				poll(client, time.Second, func(record *kgo.Record) { seen[string(record.Value)]++ })
			}
		}
		client.Close()
	}
	for value, times := range seen {
		if times != 1 {
			return fmt.Errorf("%s came %d times", value, times)
		}
	}
	if len(seen) != 300 {
		return fmt.Errorf("%d of 300 records came", len(seen))
	}
	return nil
}

func kinds() error {
	topic, group, err := prepared(1, 30)
	if err != nil {
		return err
	}
	client, err := member(topic, group)
	if err != nil {
		return err
	}
	defer client.Close()
	times := map[int64]int{}
	total, deadline := 0, time.Now().Add(30*time.Second)
	for total < 40 && time.Now().Before(deadline) {
		total += poll(client, time.Second, func(record *kgo.Record) {
			times[record.Offset]++
			switch {
			case record.Offset%3 == 1 && times[record.Offset] == 1:
				record.Ack(kgo.AckRelease)
			case record.Offset%3 == 2:
				record.Ack(kgo.AckReject)
			default:
				record.Ack(kgo.AckAccept)
			}
		})
	}
	for quiet := 0; quiet < 3; quiet++ {
		total += poll(client, time.Second, func(*kgo.Record) {})
	}
	if total != 40 {
		return fmt.Errorf("%d deliveries, not 40", total)
	}
	for offset, count := range times {
		if expected := map[bool]int{true: 2, false: 1}[offset%3 == 1]; count != expected {
			return fmt.Errorf("offset %d came %d times", offset, count)
		}
	}
	return nil
}

func members() error {
	topic, group, err := prepared(1, 0)
	if err != nil {
		return err
	}
	var clients []*kgo.Client
	for range 2 {
		client, err := member(topic, group, kgo.ShareMaxRecords(10))
		if err != nil {
			return err
		}
		defer client.Close()
		poll(client, 3*time.Second, func(*kgo.Record) {})
		clients = append(clients, client)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer producer.Close()
	seen, busy := map[string]bool{}, map[int]bool{}
	for number := 0; number < 100; number++ {
		record := &kgo.Record{Topic: topic, Value: []byte(fmt.Sprint(number))}
		if err := producer.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for len(seen) < 100 && time.Now().Before(deadline) {
		for index, client := range clients {
			poll(client, 200*time.Millisecond, func(record *kgo.Record) {
				seen[string(record.Value)], busy[index] = true, true
			})
		}
	}
	if len(seen) != 100 || len(busy) != 2 {
		return fmt.Errorf("%d of 100 records came, to %d members", len(seen), len(busy))
	}
	return nil
}

func strict() error {
	topic, group, err := prepared(1, 50)
	if err != nil {
		return err
	}
	client, err := member(topic, group, kgo.ShareMaxRecords(7), kgo.ShareMaxRecordsStrict())
	if err != nil {
		return err
	}
	defer client.Close()
	total, deadline := 0, time.Now().Add(30*time.Second)
	for total < 50 && time.Now().Before(deadline) {
		count := poll(client, time.Second, func(*kgo.Record) {})
		if count > 7 {
			return fmt.Errorf("%d records at once", count)
		}
		total += count
	}
	if total != 50 {
		return fmt.Errorf("%d of 50 records came", total)
	}
	return nil
}
