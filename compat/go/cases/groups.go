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

// reading is a group of one that has read so many records of the topic; it leaves before they are returned.
func (c Client) reading(topic string, count int) ([]Record, error) {
	member, err := c.Join(FreshName("reads"), "", topic)
	if err != nil {
		return nil, err
	}
	defer member.Leave()
	return member.Arrive(count)
}

// alone is a new topic of four partitions and a new group whose only member holds them all.
func (c Client) alone(prefix, instance string) (topic, group string, member *Member, err error) {
	group = FreshName(prefix)
	if topic, err = Topic(prefix, 4); err != nil {
		return
	}
	if member, err = c.Join(group, instance, topic); err != nil {
		return
	}
	if err = Share(topic, 4, 4, member); err != nil {
		member.Leave()
	}
	return
}

// joined is another member, once it and the first one hold two partitions each.
func (c Client) joined(group, instance, topic string, first *Member) (*Member, error) {
	member, err := c.Join(group, instance, topic)
	if err != nil {
		return nil, err
	}
	if err := Share(topic, 4, 2, first, member); err != nil {
		return nil, errors.Join(err, member.Leave())
	}
	return member, nil
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
	records, err := c.reading(topic, 300)
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
	records, err := c.reading(topic, 2)
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
	topic, group, first, err := c.alone("members", "")
	if err != nil {
		return err
	}
	defer first.Leave()
	second, err := c.joined(group, "", topic, first)
	if err != nil {
		return err
	}
	if err := second.Leave(); err != nil {
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
	topic, group, first, err := c.alone("keeps", "")
	if err != nil {
		return err
	}
	defer first.Leave()
	second, err := c.joined(group, "", topic, first)
	if err != nil {
		return err
	}
	defer second.Leave()
	return Equal(givenUp, len(first.Revoked()), "partitions given up")
}

// StaticReturns is a static member that comes back within its session: nothing changes for anybody.
func (c Client) StaticReturns() error {
	topic, group, other, err := c.alone("static", "other")
	if err != nil {
		return err
	}
	defer other.Leave()
	before, err := c.joined(group, "back-soon", topic, other)
	if err != nil {
		return err
	}
	mine, seen := before.Assignment(), other.Rebalances()
	if err := before.Leave(); err != nil {
		return err
	}
	after, err := c.joined(group, "back-soon", topic, other)
	if err != nil {
		return err
	}
	defer after.Leave()
	return errors.Join(
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
