package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ottla/compat/cases"

	"github.com/segmentio/kafka-go"
)

func allCases() []cases.Case {
	standard := client(kafka.RangeGroupBalancer{})
	var all []cases.Case
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		all = append(all, cases.Case{Name: "group_reads_" + codec, Run: func() error { return standard.Reads(codec) }})
	}
	return append(all,
		cases.Case{Name: "group_reads_large_messages", Run: standard.ReadsLarge},
		cases.Case{Name: "members_join_leave_and_crash", Run: func() error { return standard.JoinLeaveAndCrash() }},
		cases.Case{Name: "assignor_range_gives_up_everything", Run: func() error { return standard.Keeps(4) }},
		cases.Case{Name: "assignor_roundrobin", Run: func() error { return client(kafka.RoundRobinGroupBalancer{}).Keeps(4) }},
		cases.Case{Name: "commits_and_resumes", Run: commits},
		cases.Case{Name: "admin_of_groups", Run: admin},
	)
}

func reader(group, topic string, commitInterval time.Duration) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{cases.Bootstrap}, GroupID: group, GroupTopics: []string{topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 200 * time.Millisecond, MaxWait: 100 * time.Millisecond, CommitInterval: commitInterval,
	})
}

func first(ctx context.Context, group, topic string) (int64, error) {
	next := reader(group, topic, 0)
	message, err := next.FetchMessage(ctx)
	return message.Offset, errors.Join(err, next.Close())
}

// commits commits message by message, at once and then in the background.
func commits() error {
	standard := client(kafka.RangeGroupBalancer{})
	topic, err := standard.Filled(100)
	if err != nil {
		return err
	}
	group := cases.FreshName("commits")
	ctx, cancel := cases.Limit()
	defer cancel()
	for _, round := range []struct {
		interval time.Duration
		next     int64
	}{{0, 10}, {50 * time.Millisecond, 20}} {
		current := reader(group, topic, round.interval)
		for range 10 {
			message, err := current.FetchMessage(ctx)
			if err != nil {
				return errors.Join(err, current.Close())
			}
			if err := current.CommitMessages(ctx, message); err != nil {
				return errors.Join(err, current.Close())
			}
		}
		if err := current.Close(); err != nil {
			return err
		}
		offset, err := first(ctx, group, topic)
		if err := errors.Join(err, cases.Equal(round.next, offset, "first offset after a commit")); err != nil {
			return err
		}
	}
	return nil
}

func admin() error {
	standard := client(kafka.RangeGroupBalancer{})
	topic, err := standard.Filled(10)
	if err != nil {
		return err
	}
	group := cases.FreshName("admin")
	member, err := standard.Join(group, "", topic)
	if err != nil {
		return err
	}
	if _, err := member.Arrive(10); err != nil {
		return errors.Join(err, member.Leave())
	}
	ctx, cancel := cases.Limit()
	defer cancel()
	api := &kafka.Client{Addr: kafka.TCP(cases.Bootstrap)}
	described, err := api.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err == nil {
		found := described.Groups[0]
		err = errors.Join(cases.Equal("Stable", found.GroupState, "state"), cases.Equal(1, len(found.Members), "members"))
	}
	refused, refusedErr := api.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err := errors.Join(err, refusedErr, member.Leave()); err != nil {
		return err
	}
	if !errors.Is(refused.Errors[group], kafka.NonEmptyGroup) {
		return fmt.Errorf("deleting a group with a member: %v", refused.Errors[group])
	}
	return errors.Join(offsets(ctx, api, group, topic), remove(ctx, api, group))
}

func offsets(ctx context.Context, api *kafka.Client, group, topic string) error {
	var set error
	err := cases.Eventually("offsets can be set", func() bool {
		answer, err := api.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 7, Metadata: "a note"}}},
		})
		set = err
		if err == nil {
			set = answer.Topics[topic][0].Error
		}
		return set == nil
	})
	if err != nil {
		return errors.Join(err, set)
	}
	fetched, err := api.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err != nil {
		return err
	}
	found := fetched.Topics[topic][0]
	if err := errors.Join(cases.Equal(7, found.CommittedOffset, "offset"), cases.Equal("a note", found.Metadata, "metadata")); err != nil {
		return err
	}
	deleted, err := api.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err != nil {
		return err
	}
	return errors.Join(deleted.Error, deleted.Topics[topic][0].Error)
}

// remove deletes the group and looks whether it is gone from the list. Its last offset went before: it may be gone by now.
func remove(ctx context.Context, api *kafka.Client, group string) error {
	deleted, err := api.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	if refused := deleted.Errors[group]; refused != nil && !errors.Is(refused, kafka.GroupIdNotFound) {
		return refused
	}
	listed, err := api.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return err
	}
	for _, found := range listed.Groups {
		if found.GroupID == group {
			return errors.New("is still listed")
		}
	}
	return nil
}
