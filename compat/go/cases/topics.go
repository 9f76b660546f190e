package cases

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Limit is a context for one exchange with the broker.
func Limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}

// Topic makes a topic with a fresh name and waits until it is known. Configs come as name, value, name, value.
func Topic(prefix string, partitions int32, configs ...string) (string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(Bootstrap))
	if err != nil {
		return "", err
	}
	defer client.Close()
	ctx, cancel := Limit()
	defer cancel()
	forever := "-1"
	all := map[string]*string{"retention.ms": &forever}
	for i := 0; i < len(configs); i += 2 {
		all[configs[i]] = &configs[i+1]
	}
	name := FreshName(prefix)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, partitions, 1, all, name); err != nil {
		return "", err
	}
	return name, Eventually("the new topic is known", func() bool {
		found, err := admin.ListTopics(ctx, name)
		return err == nil && found.Has(name) && len(found[name].Partitions) == int(partitions)
	})
}
