// Black-box suite: franz-go, the client that speaks the newest protocol versions of all.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"ottla/compat/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	cases.Main(allCases())
}

func allCases() []cases.Case {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	var all []cases.Case
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		codec := codecs[name]
		all = append(all, cases.Case{Name: "round_trip_" + name, Run: func() error {
			return roundTrip(mixed(500), kgo.ProducerBatchCompression(codec))
		}})
	}
	return append(all,
		cases.Case{Name: "round_trip_not_idempotent_acks_one", Run: func() error {
			return roundTrip(mixed(100), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
		}},
		cases.Case{Name: "headers_with_duplicate_keys", Run: duplicateHeaders},
		cases.Case{Name: "null_and_empty", Run: nullAndEmpty},
		cases.Case{Name: "large_message", Run: func() error { return roundTrip([]*kgo.Record{{Value: cases.Noise(900_000, 1)}}) }},
		cases.Case{Name: "too_large_message_is_refused", Run: tooLarge},
		cases.Case{Name: "seek_by_offset_and_time", Run: seek},
		cases.Case{Name: "consume_by_topic_without_a_group", Run: byTopic},
		cases.Case{Name: "admin_topics_offsets_records_configs", Run: admin},
	)
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{kgo.SeedBrokers(cases.Bootstrap)}
	return kgo.NewClient(append(base, options...)...)
}

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}

func topic(prefix string, partitions int32, configs map[string]*string) (string, error) {
	cl, err := client()
	if err != nil {
		return "", err
	}
	defer cl.Close()
	ctx, cancel := limit()
	defer cancel()
	forever := "-1"
	all := map[string]*string{"retention.ms": &forever}
	for key, value := range configs {
		all[key] = value
	}
	name := cases.FreshName(prefix)
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, all, name); err != nil {
		return "", err
	}
	for ctx.Err() == nil {
		found, err := kadm.NewClient(cl).ListTopics(ctx, name)
		if err == nil && found.Has(name) && len(found[name].Partitions) == int(partitions) {
			return name, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", errors.New("the new topic does not become known")
}

func send(name string, records []*kgo.Record, options ...kgo.Opt) error {
	cl, err := client(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := limit()
	defer cancel()
	for _, record := range records {
		record.Topic = name
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

func read(name string, count int, from kgo.Offset) ([]*kgo.Record, error) {
	where := map[string]map[int32]kgo.Offset{name: {0: from}}
	return poll(count, kgo.ConsumePartitions(where), kgo.FetchMaxPartitionBytes(16<<20))
}

func poll(count int, options ...kgo.Opt) ([]*kgo.Record, error) {
	cl, err := client(options...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := limit()
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d of %d records: %w", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records, nil
}

func roundTrip(sent []*kgo.Record, options ...kgo.Opt) error {
	large := "6000000"
	name, err := topic("franz", 1, map[string]*string{"max.message.bytes": &large})
	if err != nil {
		return err
	}
	if err := send(name, sent, options...); err != nil {
		return err
	}
	found, err := read(name, len(sent), kgo.NewOffset().AtStart())
	if err != nil {
		return err
	}
	for i, record := range sent {
		if err := same(record, found[i]); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		if found[i].Offset != int64(i) {
			return fmt.Errorf("record %d is at offset %d", i, found[i].Offset)
		}
	}
	return nil
}

func same(sent, found *kgo.Record) error {
	switch {
	case !bytes.Equal(sent.Key, found.Key) || (sent.Key == nil) != (found.Key == nil):
		return fmt.Errorf("key %q instead of %q", found.Key, sent.Key)
	case !bytes.Equal(sent.Value, found.Value) || (sent.Value == nil) != (found.Value == nil):
		return errors.New("another value")
	case fmt.Sprint(sent.Headers) != fmt.Sprint(found.Headers):
		return fmt.Errorf("headers %v instead of %v", found.Headers, sent.Headers)
	case sent.Timestamp.UnixMilli() != found.Timestamp.UnixMilli():
		return fmt.Errorf("timestamp %v instead of %v", found.Timestamp, sent.Timestamp)
	}
	return nil
}

func mixed(count int) []*kgo.Record {
	var records []*kgo.Record
	for i := range count {
		record := &kgo.Record{Value: bytes.Repeat([]byte("text "), i%13), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i))}
		if i%5 == 0 {
			record.Value = cases.Noise(i, int64(i))
		}
		if i%7 != 0 {
			record.Key = fmt.Appendf(nil, "k%d", i)
		}
		if i%3 == 0 {
			record.Headers = []kgo.RecordHeader{{Key: "number", Value: fmt.Appendf(nil, "%d", i)}}
		}
		records = append(records, record)
	}
	return records
}

func duplicateHeaders() error {
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte("2")}}
	return roundTrip([]*kgo.Record{{Value: []byte("v"), Headers: headers}})
}

func nullAndEmpty() error {
	empty := []byte{}
	return roundTrip([]*kgo.Record{{}, {Key: empty, Value: empty}, {Value: empty}, {Key: empty}, {Key: []byte("k")}})
}

func tooLarge() error {
	small := "1000"
	name, err := topic("too-large", 1, map[string]*string{"max.message.bytes": &small})
	if err != nil {
		return err
	}
	err = send(name, []*kgo.Record{{Value: cases.Noise(5000, 2)}})
	if !errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("expected MESSAGE_TOO_LARGE, got %v", err)
	}
	return nil
}

func seek() error {
	name, err := topic("seek", 1, nil)
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for i := range 300 {
		records = append(records, &kgo.Record{Value: fmt.Appendf(nil, "v%d", i), Timestamp: time.UnixMilli(int64(1000 + i))})
	}
	if err := send(name, records); err != nil {
		return err
	}
	for _, from := range []struct {
		offset kgo.Offset
		value  string
	}{
		{kgo.NewOffset().At(137), "v137"}, {kgo.NewOffset().AfterMilli(1222), "v222"},
		{kgo.NewOffset().AtEnd().Relative(-1), "v299"}, {kgo.NewOffset().AtStart(), "v0"},
	} {
		found, err := read(name, 1, from.offset)
		if err != nil {
			return err
		}
		if string(found[0].Value) != from.value {
			return fmt.Errorf("%q instead of %q", found[0].Value, from.value)
		}
	}
	return nil
}

func byTopic() error {
	name, err := topic("by-topic", 3, nil)
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for i := range 90 {
		records = append(records, &kgo.Record{Value: []byte("v"), Partition: int32(i % 3)})
	}
	if err := send(name, records); err != nil {
		return err
	}
	_, err = poll(90, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	return err
}

func admin() error {
	name, err := topic("admin", 2, nil)
	if err != nil {
		return err
	}
	if err := send(name, []*kgo.Record{{Value: []byte("a")}, {Value: []byte("b")}, {Value: []byte("c")}}); err != nil {
		return err
	}
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := limit()
	defer cancel()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(ctx, name)
	if err != nil {
		return err
	}
	if end, _ := ends.Lookup(name, 0); end.Offset != 3 {
		return fmt.Errorf("end offset %d", end.Offset)
	}
	delete := kadm.Offsets{}
	delete.Add(kadm.Offset{Topic: name, Partition: 0, At: 2})
	deleted, err := adm.DeleteRecords(ctx, delete)
	if err != nil {
		return err
	}
	if low, _ := deleted.Lookup(name, 0); low.LowWatermark != 2 || low.Err != nil {
		return fmt.Errorf("low watermark %d, %v", low.LowWatermark, low.Err)
	}
	segment := "2000000"
	if _, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "segment.bytes", Value: &segment}}, name); err != nil {
		return err
	}
	if _, err := adm.DescribeTopicConfigs(ctx, name); err != nil {
		return err
	}
	_, err = adm.DeleteTopics(ctx, name)
	return err
}
