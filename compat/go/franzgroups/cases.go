package main

import (
	"errors"
	"fmt"

	"ottla/compat/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func allCases() []cases.Case {
	var all []cases.Case
	for _, name := range []string{"classic", "consumer"} {
		p := protocols[name]
		client := p.client()
		for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			all = append(all, cases.Case{Name: name + "_group_reads_" + codec, Run: func() error { return client.Reads(codec) }})
		}
		all = append(all,
			cases.Case{Name: name + "_group_reads_large_messages", Run: client.ReadsLarge},
			cases.Case{Name: name + "_members_join_leave_and_crash", Run: func() error { return client.JoinLeaveAndCrash(name) }},
			cases.Case{Name: name + "_members_keep_their_partitions", Run: func() error { return client.Keeps(2) }},
			cases.Case{Name: name + "_commits_and_resumes", Run: func() error { return commits(p) }},
			cases.Case{Name: name + "_seeks_pauses_and_resumes_in_a_group", Run: func() error { return seeks(p) }},
			cases.Case{Name: name + "_subscribes_by_pattern", Run: func() error { return pattern(p) }},
			cases.Case{Name: name + "_admin_of_groups", Run: func() error { return admin(p) }},
		)
	}
	// A static member of franz-go 1.22 leaves the newer protocol without its instance id, which Kafka refuses; so it cannot
	// come back before its session is over, and that case is left to the classic protocol.
	classic, eager := protocols["classic"].client(), protocols["eager"].client()
	return append(all, cases.Case{Name: "classic_static_member_returns_without_rebalance", Run: classic.StaticReturns}, cases.Case{Name: "eager_members_give_up_everything", Run: func() error { return eager.Keeps(4) }})
}

// poll makes a member, reads so many records with it, runs the body and leaves.
func poll(p protocol, group, topic string, count int, body func(*kgo.Client, []*kgo.Record) error) error {
	options := append([]kgo.Opt{
		kgo.SeedBrokers(cases.Bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, p.options...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := cases.Limit()
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollRecords(ctx, count-len(records))
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return body(client, records)
}

func commits(p protocol) error {
	topic, err := p.client().Filled(100)
	if err != nil {
		return err
	}
	group := cases.FreshName("commits")
	ctx, cancel := cases.Limit()
	defer cancel()
	err = poll(p, group, topic, 10, func(client *kgo.Client, _ []*kgo.Record) error {
		return client.CommitUncommittedOffsets(ctx)
	})
	if err != nil {
		return err
	}
	err = poll(p, group, topic, 20, func(client *kgo.Client, records []*kgo.Record) error {
		return errors.Join(
			cases.Equal(10, records[0].Offset, "first offset after a commit"),
			client.CommitRecords(ctx, records[4]),
		)
	})
	if err != nil {
		return err
	}
	return poll(p, group, topic, 1, func(_ *kgo.Client, records []*kgo.Record) error {
		return cases.Equal(15, records[0].Offset, "first offset after committing one record")
	})
}

func seeks(p protocol) error {
	topic, err := cases.Topic("seeks", 2)
	if err != nil {
		return err
	}
	for partition := range int32(2) {
		var values [][]byte
		for range 50 {
			values = append(values, []byte("v"))
		}
		if err := send(topic, partition, "none", values...); err != nil {
			return err
		}
	}
	ctx, cancel := cases.Limit()
	defer cancel()
	return poll(p, cases.FreshName("seeks"), topic, 100, func(client *kgo.Client, _ []*kgo.Record) error {
		client.PauseFetchPartitions(map[string][]int32{topic: {0}})
		client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 48}, 1: {Epoch: -1, Offset: 47}}})
		var offsets []int64
		for len(offsets) < 3 {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			fetches.EachRecord(func(record *kgo.Record) { offsets = append(offsets, 1000*int64(record.Partition)+record.Offset) })
		}
		client.ResumeFetchPartitions(map[string][]int32{topic: {0}})
		for len(offsets) < 5 {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			fetches.EachRecord(func(record *kgo.Record) { offsets = append(offsets, 1000*int64(record.Partition)+record.Offset) })
		}
		return cases.Equal([]int64{1047, 1048, 1049, 48, 49}, offsets, "offsets after seeking")
	})
}

func pattern(p protocol) error {
	prefix := cases.FreshName("pattern")
	first, err := cases.Topic(prefix+"-a", 2)
	if err != nil {
		return err
	}
	member, err := p.join(cases.FreshName("by-pattern"), []string{"^" + prefix + "-.*"}, kgo.ConsumeRegex())
	if err != nil {
		return err
	}
	defer member.Leave()
	if err := cases.Share(first, 2, 2, member); err != nil {
		return err
	}
	if _, err := cases.Topic(prefix+"-b", 1); err != nil {
		return err
	}
	return cases.Eventually("a topic made later is assigned", func() bool { return len(member.Assignment()) == 3 })
}

func admin(p protocol) error {
	topic, err := p.client().Filled(10)
	if err != nil {
		return err
	}
	group := cases.FreshName("admin")
	member, err := p.join(group, []string{topic})
	if err != nil {
		return err
	}
	defer member.Leave()
	if err := cases.Share(topic, 1, 1, member); err != nil {
		return err
	}
	seed, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap))
	if err != nil {
		return err
	}
	defer seed.Close()
	ctx, cancel := cases.Limit()
	defer cancel()
	adm := kadm.NewClient(seed)
	if err := describe(p, adm, group, topic); err != nil {
		return err
	}
	if _, err := adm.DeleteGroup(ctx, group); !errors.Is(err, kerr.NonEmptyGroup) {
		return fmt.Errorf("deleting a group with a member: %v", err)
	}
	if err := member.Leave(); err != nil {
		return err
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 7, LeaderEpoch: -1, Metadata: "a note"})
	var set error
	if err := cases.Eventually("offsets can be set", func() bool {
		set = adm.CommitAllOffsets(ctx, group, offsets)
		return set == nil
	}); err != nil {
		return errors.Join(err, set)
	}
	fetched, err := adm.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	offset, _ := fetched.Lookup(topic, 0)
	if err := errors.Join(cases.Equal(7, offset.At, "offset"), cases.Equal("a note", offset.Metadata, "metadata")); err != nil {
		return err
	}
	// kadm asks for lag with DescribeGroups, which knows no group of the newer protocol.
	if p.name == "classic" {
		lags, err := adm.Lag(ctx, group)
		if err != nil {
			return err
		}
		if lag := lags[group]; lag.Lag.Total() != 3 {
			return fmt.Errorf("lag %d instead of 3: %v", lag.Lag.Total(), lag.Error())
		}
	}
	topics := kadm.TopicsSet{}
	topics.Add(topic, 0)
	if deleted, err := adm.DeleteOffsets(ctx, group, topics); err != nil || deleted.Error() != nil {
		return fmt.Errorf("deleting offsets: %v, %v", err, deleted.Error())
	}
	_, err = adm.DeleteGroup(ctx, group)
	return err
}

func describe(p protocol, adm *kadm.Client, group, topic string) error {
	ctx, cancel := cases.Limit()
	defer cancel()
	state := func() string {
		if p.name == "consumer" {
			found, err := adm.DescribeConsumerGroups(ctx, group)
			if err != nil || len(found[group].Members) != 1 {
				return fmt.Sprint(err)
			}
			return found[group].State
		}
		found, err := adm.DescribeGroups(ctx, group)
		if err != nil || len(found[group].Members) != 1 {
			return fmt.Sprint(err)
		}
		return found[group].State
	}
	if err := cases.Eventually("the group is stable", func() bool { return state() == "Stable" }); err != nil {
		return fmt.Errorf("%w: %s", err, state())
	}
	listed, err := adm.ListGroupsByType(ctx, []string{p.name}, "Stable")
	if err != nil {
		return err
	}
	if _, ok := listed[group]; !ok {
		return errors.New("is not listed as stable")
	}
	return nil
}
