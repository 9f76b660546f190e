// A test with a broker of its own. Needs github.com/twmb/franz-go, and `ottla` on PATH (or OTTLA=/path/to/ottla).

package recipe

import (
	"bufio"
	"cmp"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// startOttla starts a broker in memory on a free port, and stops it when the test ends.
func startOttla(t *testing.T) string {
	broker := exec.Command(cmp.Or(os.Getenv("OTTLA"), "ottla"), "serve", "--data-dir", ":memory:",
		"--listen", "127.0.0.1:0", "--print-address", "--stop-with-stdin")
	stdin, err := broker.StdinPipe() // With the pipe, the broker also ends when this process dies.
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := broker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		broker.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

func TestAnOrderReachesTheKitchen(t *testing.T) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(startOttla(t)),
		kgo.AllowAutoTopicCreation(),
		kgo.ConsumerGroup("kitchen"),
		kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("two coffees")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	records := client.PollFetches(ctx).Records()
	if len(records) != 1 || string(records[0].Value) != "two coffees" {
		t.Fatalf("got %v", records)
	}
}
