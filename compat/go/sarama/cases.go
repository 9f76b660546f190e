package main

import (
	"errors"
	"fmt"

	"ottla/compat/cases"

	"github.com/IBM/sarama"
)

func allCases() []cases.Case {
	standard := client(sarama.NewBalanceStrategyRange)
	var all []cases.Case
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		all = append(all, cases.Case{Name: "group_reads_" + codec, Run: func() error { return standard.Reads(codec) }})
	}
	return append(all,
		cases.Case{Name: "group_reads_large_messages", Run: standard.ReadsLarge},
		cases.Case{Name: "members_join_leave_and_crash", Run: func() error { return standard.JoinLeaveAndCrash() }},
		cases.Case{Name: "assignor_range_gives_up_everything", Run: func() error { return standard.Keeps(4) }},
		cases.Case{Name: "assignor_roundrobin", Run: func() error { return client(sarama.NewBalanceStrategyRoundRobin).Keeps(4) }},
		cases.Case{Name: "assignor_sticky", Run: func() error { return client(sarama.NewBalanceStrategySticky).Keeps(4) }},
		cases.Case{
			Name: "cooperative_members_keep_their_partitions",
			Run:  func() error { return client(sarama.NewBalanceStrategyCooperativeSticky).Keeps(2) },
		},
		cases.Case{Name: "static_member_returns_without_rebalance", Run: standard.StaticReturns},
		cases.Case{Name: "commits_and_resumes", Run: commits},
		cases.Case{Name: "seeks_pauses_and_resumes_in_a_group", Run: seeks},
		cases.Case{Name: "admin_of_groups", Run: admin},
	)
}

// commits marks and commits the tenth message; the next member starts behind it.
func commits() error {
	standard := client(sarama.NewBalanceStrategyRange)
	topic, err := standard.Filled(100)
	if err != nil {
		return err
	}
	group := cases.FreshName("commits")
	member, _, err := join(group, []string{topic}, config(sarama.NewBalanceStrategyRange()),
		func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
			if message.Offset == 9 {
				session.MarkMessage(message, "a note")
				session.Commit()
			}
		})
	if err != nil {
		return err
	}
	_, err = member.Arrive(100)
	if err := errors.Join(err, member.Leave()); err != nil {
		return err
	}
	settings := config(sarama.NewBalanceStrategyRange())
	settings.Consumer.Offsets.AutoCommit.Enable = true
	next, _, err := join(group, []string{topic}, settings,
		func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
			session.MarkMessage(message, "")
		})
	if err != nil {
		return err
	}
	records, err := next.Arrive(90)
	if err := errors.Join(err, next.Leave()); err != nil {
		return err
	}
	if err := cases.Equal(10, records[0].Offset, "first offset after a commit"); err != nil {
		return err
	}
	offset, err := committed(group, topic)
	return errors.Join(err, cases.Equal(100, offset, "committed when it left"))
}

func committed(group, topic string) (int64, error) {
	admin, err := sarama.NewClusterAdmin([]string{cases.Bootstrap}, config(sarama.NewBalanceStrategyRange()))
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
	if err != nil {
		return 0, err
	}
	block := offsets.GetBlock(topic, 0)
	if block == nil {
		return 0, errors.New("no offset for the partition")
	}
	return block.Offset, nil
}

func seeks() error {
	standard := client(sarama.NewBalanceStrategyRange)
	topic, err := standard.Filled(50)
	if err != nil {
		return err
	}
	group := cases.FreshName("seeks")
	again := false
	member, consumer, err := join(group, []string{topic}, config(sarama.NewBalanceStrategyRange()),
		func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
			if message.Offset == 49 && !again {
				again = true
				session.MarkMessage(message, "")
				session.ResetOffset(topic, 0, 20, "back")
				session.Commit()
			}
		})
	if err != nil {
		return err
	}
	defer member.Leave()
	if _, err := member.Arrive(50); err != nil {
		return err
	}
	if err := cases.Eventually("the reset offset is committed", func() bool {
		offset, err := committed(group, topic)
		return err == nil && offset == 20
	}); err != nil {
		return err
	}
	consumer.PauseAll()
	if err := standard.Send(topic, 0, "none", []byte("while paused")); err != nil {
		return err
	}
	consumer.ResumeAll()
	records, err := member.Arrive(51)
	if err != nil {
		return err
	}
	return cases.Equal("while paused", records[50].Value, "value after resuming")
}

func admin() error {
	standard := client(sarama.NewBalanceStrategyRange)
	topic, err := standard.Filled(10)
	if err != nil {
		return err
	}
	group := cases.FreshName("admin")
	admin, err := sarama.NewClusterAdmin([]string{cases.Bootstrap}, config(sarama.NewBalanceStrategyRange()))
	if err != nil {
		return err
	}
	defer admin.Close()
	member, _, err := join(group, []string{topic}, config(sarama.NewBalanceStrategyRange()),
		func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
			session.MarkMessage(message, "")
			session.Commit()
		})
	if err != nil {
		return err
	}
	_, err = member.Arrive(10)
	var described []*sarama.GroupDescription
	stable := cases.Eventually("the group is stable", func() bool {
		described, _ = admin.DescribeConsumerGroups([]string{group})
		return len(described) == 1 && described[0].State == "Stable" && len(described[0].Members) == 1
	})
	refused := admin.DeleteConsumerGroup(group)
	if err := errors.Join(err, stable, member.Leave()); err != nil {
		return err
	}
	if !errors.Is(refused, sarama.ErrNonEmptyGroup) {
		return fmt.Errorf("deleting a group with a member: %v", refused)
	}
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return err
	}
	if err := cases.Equal("consumer", groups[group], "listed protocol"); err != nil {
		return err
	}
	offset, err := committed(group, topic)
	if err := errors.Join(err, cases.Equal(10, offset, "offset")); err != nil {
		return err
	}
	return errors.Join(admin.DeleteConsumerGroupOffset(group, topic, 0), admin.DeleteConsumerGroup(group))
}
