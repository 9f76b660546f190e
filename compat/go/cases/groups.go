package cases

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Record is what a member read.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Value     string
}

// Member is one member of a group. The client under test tells it what happens to it.
type Member struct {
	// Leave ends it; the group is told unless the member is static.
	Leave func() error

	lock       sync.Mutex
	assignment []string
	revoked    []string
	rebalances int
	records    []Record
}

// Gained takes note of partitions that are now its own.
func (m *Member) Gained(topic string, partitions ...int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, partition := range partitions {
		m.assignment = append(m.assignment, fmt.Sprintf("%s-%d", topic, partition))
	}
}

// Gave takes note of partitions that it had to give up.
func (m *Member) Gave(topic string, partitions ...int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, partition := range partitions {
		name := fmt.Sprintf("%s-%d", topic, partition)
		m.revoked = append(m.revoked, name)
		m.assignment = slices.DeleteFunc(m.assignment, func(held string) bool { return held == name })
	}
}

// Rebalanced counts one more generation in which it takes part.
func (m *Member) Rebalanced() {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.rebalances++
}

// Read takes note of a record.
func (m *Member) Read(record Record) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.records = append(m.records, record)
}

// Assignment is what it holds, in order.
func (m *Member) Assignment() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Sorted(slices.Values(m.assignment))
}

// Revoked is all that it ever had to give up.
func (m *Member) Revoked() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.revoked)
}

// Rebalances is how often Rebalanced was called.
func (m *Member) Rebalances() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.rebalances
}

// Records is all that it read so far.
func (m *Member) Records() []Record {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.records)
}

// Arrive waits for so many records.
func (m *Member) Arrive(count int) ([]Record, error) {
	err := Eventually(fmt.Sprintf("%d records", count), func() bool { return len(m.Records()) >= count })
	if err != nil {
		return nil, fmt.Errorf("%w, there are %d", err, len(m.Records()))
	}
	return m.Records(), nil
}

// Share waits until these members hold all partitions of the topic, each at least so many and none twice.
func Share(topic string, partitions, least int, members ...*Member) error {
	var all []string
	for partition := range partitions {
		all = append(all, fmt.Sprintf("%s-%d", topic, partition))
	}
	slices.Sort(all)
	return Eventually(fmt.Sprintf("%d members share %d partitions", len(members), partitions), func() bool {
		var held []string
		for _, member := range members {
			assignment := member.Assignment()
			if len(assignment) < least {
				return false
			}
			held = append(held, assignment...)
		}
		slices.Sort(held)
		return slices.Equal(held, all)
	})
}

// Client is how the cases below use the client under test.
type Client struct {
	// Join makes a member of a group that reads from the earliest offset; static when instance is not empty.
	Join func(group, instance string, topics ...string) (*Member, error)
	// Send sends values to one partition with this codec.
	Send func(topic string, partition int32, codec string, values ...[]byte) error
}

// Reads is a group of one that reads what was sent with this codec.
func (c Client) Reads(codec string) error {
	topic, err := Topic("group-"+codec, 2)
	if err != nil {
		return err
	}
	var values [][]byte
	for i := range 150 {
		values = append(values, slices.Concat(fmt.Appendf(nil, "%d ", i), Noise(i%20, int64(i))))
	}
	for partition := range int32(2) {
		if err := c.Send(topic, partition, codec, values...); err != nil {
			return err
		}
	}
	member, err := c.Join(FreshName("reads"), "", topic)
	if err != nil {
		return err
	}
	defer member.Leave()
	records, err := member.Arrive(300)
	if err != nil {
		return err
	}
	for _, record := range records {
		if record.Value != string(values[record.Offset]) {
			return fmt.Errorf("another value at %d", record.Offset)
		}
	}
	return Equal(300, len(records), "records")
}

// ReadsLarge is a group of one that reads large messages.
func (c Client) ReadsLarge() error {
	topic, err := Topic("group-large", 1, "max.message.bytes", "5000000")
	if err != nil {
		return err
	}
	if err := c.Send(topic, 0, "none", Noise(4_000_000, 1), Noise(4_000_000, 2)); err != nil {
		return err
	}
	member, err := c.Join(FreshName("large"), "", topic)
	if err != nil {
		return err
	}
	defer member.Leave()
	records, err := member.Arrive(2)
	if err != nil {
		return err
	}
	return errors.Join(
		Equal(true, records[0].Value == string(Noise(4_000_000, 1)), "first value"),
		Equal(true, records[1].Value == string(Noise(4_000_000, 2)), "second value"),
	)
}

// JoinLeaveAndCrash is a second member that joins and leaves, and then one in a process of its own that is killed.
func (c Client) JoinLeaveAndCrash(arguments ...string) error {
	topic, err := Topic("members", 4)
	if err != nil {
		return err
	}
	group := FreshName("members")
	first, err := c.Join(group, "", topic)
	if err != nil {
		return err
	}
	defer first.Leave()
	if err := Share(topic, 4, 4, first); err != nil {
		return err
	}
	second, err := c.Join(group, "", topic)
	if err != nil {
		return err
	}
	err = Share(topic, 4, 2, first, second)
	if err := errors.Join(err, second.Leave()); err != nil {
		return err
	}
	if err := Share(topic, 4, 4, first); err != nil {
		return fmt.Errorf("after one left: %w", err)
	}
	other, err := StartMember(append([]string{group, topic}, arguments...)...)
	if err != nil {
		return err
	}
	err = Eventually("two partitions are left", func() bool { return len(first.Assignment()) == 2 })
	Kill(other)
	if err != nil {
		return err
	}
	return Share(topic, 4, 4, first)
}

// Keeps is a member that joins another; so many of its four partitions the other has to give up for it.
func (c Client) Keeps(givenUp int) error {
	topic, err := Topic("keeps", 4)
	if err != nil {
		return err
	}
	group := FreshName("keeps")
	first, err := c.Join(group, "", topic)
	if err != nil {
		return err
	}
	defer first.Leave()
	if err := Share(topic, 4, 4, first); err != nil {
		return err
	}
	second, err := c.Join(group, "", topic)
	if err != nil {
		return err
	}
	defer second.Leave()
	if err := Share(topic, 4, 2, first, second); err != nil {
		return err
	}
	return Equal(givenUp, len(first.Revoked()), "partitions given up")
}

// StaticReturns is a static member that comes back within its session: nothing changes for anybody.
func (c Client) StaticReturns() error {
	topic, err := Topic("static", 4)
	if err != nil {
		return err
	}
	group := FreshName("static")
	other, err := c.Join(group, "other", topic)
	if err != nil {
		return err
	}
	defer other.Leave()
	if err := Share(topic, 4, 4, other); err != nil {
		return err
	}
	before, err := c.Join(group, "back-soon", topic)
	if err != nil {
		return err
	}
	err = Share(topic, 4, 2, other, before)
	mine, seen := before.Assignment(), other.Rebalances()
	if err := errors.Join(err, before.Leave()); err != nil {
		return err
	}
	after, err := c.Join(group, "back-soon", topic)
	if err != nil {
		return err
	}
	defer after.Leave()
	return errors.Join(
		Share(topic, 4, 2, other, after),
		Equal(mine, after.Assignment(), "assignment after the return"),
		Equal(seen, other.Rebalances(), "rebalances that the other member saw"),
	)
}

// Filled makes a topic of one partition with numbered values.
func (c Client) Filled(count int) (string, error) {
	topic, err := Topic("filled", 1)
	if err != nil {
		return "", err
	}
	var values [][]byte
	for i := range count {
		values = append(values, fmt.Appendf(nil, "%d", i))
	}
	return topic, c.Send(topic, 0, "none", values...)
}
