// Black-box suite: transactions with franz-go.
package main

import (
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
	cases.Main([]cases.Case{
		{Name: "committed_and_aborted_transactions", Run: commitsAndAborts},
		{Name: "zombie_is_fenced", Run: zombie},
		{Name: "consume_modify_produce_exactly_once", Run: exactlyOnce},
	})
}

func topic(prefix string) (string, error) {
	name := cases.FreshName(prefix)
	client, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap))
	if err != nil {
		return "", err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(context.Background(), 1, 1, nil, name)
	return name, err
}

func producer(id string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap), kgo.TransactionalID(id), kgo.TransactionTimeout(30*time.Second))
}

func send(client *kgo.Client, topic, value string) error {
	return client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr()
}

// committed reads so many values as a read_committed consumer does, and looks for more.
func committed(topic string, count int) ([]string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var values []string
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		wait := time.Second
		if len(values) < count {
			wait = time.Until(deadline)
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		fetches := client.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
		if len(values) >= count && fetches.NumRecords() == 0 {
			break
		}
	}
	return values, nil
}

func same(expected, found []string) error {
	if fmt.Sprint(expected) != fmt.Sprint(found) {
		return fmt.Errorf("expected %v, got %v", expected, found)
	}
	return nil
}

func commitsAndAborts() error {
	name, err := topic("txn-go")
	if err != nil {
		return err
	}
	client, err := producer(name)
	if err != nil {
		return err
	}
	defer client.Close()
	var expected []string
	for turn := 0; turn < 20; turn++ {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		value := fmt.Sprint(turn)
		if err := send(client, name, value); err != nil {
			return err
		}
		if turn%3 != 1 {
			expected = append(expected, value)
		}
		if err := client.EndTransaction(context.Background(), kgo.TransactionEndTry(turn%3 != 1)); err != nil {
			return err
		}
	}
	found, err := committed(name, len(expected))
	if err != nil {
		return err
	}
	return same(expected, found)
}

func zombie() error {
	name, err := topic("txn-go")
	if err != nil {
		return err
	}
	first, err := producer(name)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.BeginTransaction(); err != nil {
		return err
	}
	if err := send(first, name, "zombie"); err != nil {
		return err
	}
	heir, err := producer(name)
	if err != nil {
		return err
	}
	defer heir.Close()
	if err := heir.BeginTransaction(); err != nil {
		return err
	}
	if err := send(heir, name, "heir"); err != nil {
		return err
	}
	err = first.EndTransaction(context.Background(), kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		return fmt.Errorf("the zombie's commit: %v", err)
	}
	if err := heir.EndTransaction(context.Background(), kgo.TryCommit); err != nil {
		return err
	}
	found, err := committed(name, 1)
	if err != nil {
		return err
	}
	return same([]string{"heir"}, found)
}

// exactlyOnce copies a topic by a session of consumer and producer, with aborts in between.
func exactlyOnce() error {
	source, err := topic("txn-go-in")
	if err != nil {
		return err
	}
	target, err := topic("txn-go-out")
	if err != nil {
		return err
	}
	plain, err := kgo.NewClient(kgo.SeedBrokers(cases.Bootstrap))
	if err != nil {
		return err
	}
	defer plain.Close()
	var expected []string
	for number := 0; number < 100; number++ {
		expected = append(expected, fmt.Sprint(number))
		if err := send(plain, source, fmt.Sprint(number)); err != nil {
			return err
		}
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(cases.Bootstrap), kgo.TransactionalID(source),
		kgo.ConsumerGroup(source), kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer session.Close()
	copied := 0
	for turn := 0; copied < len(expected); turn++ {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		fetches := session.PollRecords(ctx, 10)
		cancel()
		if fetches.NumRecords() == 0 {
			return fmt.Errorf("only %d records were copied", copied)
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			session.Produce(context.Background(), &kgo.Record{Topic: target, Value: record.Value}, nil)
		})
		ended, err := session.End(context.Background(), kgo.TransactionEndTry(turn%3 != 1))
		if err != nil {
			return err
		}
		if ended {
			copied += fetches.NumRecords()
		}
	}
	found, err := committed(target, len(expected))
	if err != nil {
		return err
	}
	return same(expected, found)
}
