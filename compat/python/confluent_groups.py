"""Black-box suite: consumer groups with confluent-kafka for Python (librdkafka), in both protocols."""

import sys

import cases
import members
from cases import equal, eventually
from confluent_client import CODECS, admin, send, topic
from confluent_kafka import (Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, ConsumerGroupType,
                             KafkaException, TopicPartition)
from members import share

PROTOCOLS = ["classic", "consumer"]


def protocols(function):
    """Registers a case once for each protocol; its name starts with the protocol."""
    for protocol in PROTOCOLS:
        cases.add(f"{protocol}_{function.__name__}", lambda protocol=protocol: function(protocol))
    return function


class Member:
    """A consumer in a group that remembers what was assigned to and revoked from it."""

    def __init__(self, protocol, group, names, **configs):
        settings = {
            "bootstrap.servers": cases.BOOTSTRAP, "group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 500, "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": 12_000_000, "receive.message.max.bytes": 120_000_000,
        }
        if protocol == "classic":
            settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
        self.consumer = Consumer({**settings, **{key.replace("_", "."): value for key, value in configs.items()}})
        self.messages, self.assigned, self.revoked = [], [], []
        self.open = True
        self.consumer.subscribe(names, on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, _, partitions):
        self.assigned += [(p.topic, p.partition) for p in partitions]

    def on_revoke(self, _, partitions):
        self.revoked += [(p.topic, p.partition) for p in partitions]

    def poll(self, timeout=0.02):
        message = self.consumer.poll(timeout)
        if message is not None:
            assert message.error() is None, message.error()
            self.messages.append(message)
        return message

    def polled(self, value):
        """Polls once and returns the value; a message without a value would be false itself."""
        self.poll()
        return value

    def assignment(self):
        return {(p.topic, p.partition) for p in self.consumer.assignment()}

    def read(self, count):
        """Polls until so many messages have come in all."""
        eventually(f"{count} messages", lambda: len(self.messages) >= count or self.polled(False), seconds=20, interval=0)
        return self.messages

    def close(self):
        if self.open:
            self.open = False
            self.consumer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def filled(partitions, each, **configs):
    name = topic("group", partitions, **configs)
    send([(name, p, {"value": b"%d" % i, "timestamp": 1000 + i}) for p in range(partitions) for i in range(each)])
    return name


def reads(protocol, codec):
    name = topic(f"group-{codec}", 3)
    sent = [(name, i % 3, {"key": b"k%d" % i, "value": b"text " * (i % 13)}) for i in range(300)]
    send(sent, **{"compression.type": codec})
    with Member(protocol, cases.fresh_name("reads"), [name]) as member:
        found = sorted((m.partition(), m.offset(), m.key(), m.value()) for m in member.read(300))
    expected = sorted((p, i // 3, a["key"], a["value"]) for i, (_, p, a) in enumerate(sent))
    equal(expected, found, "messages")


for protocol_name in PROTOCOLS:
    for codec_name in CODECS:
        cases.add(f"{protocol_name}_group_reads_{codec_name}", lambda p=protocol_name, c=codec_name: reads(p, c))


@protocols
def group_reads_large_messages(protocol):
    name = topic("group-large", max_message_bytes="6000000")
    send([(name, 0, {"value": cases.noise(5_000_000, seed)}) for seed in range(2)], **{"message.max.bytes": 6_000_000})
    with Member(protocol, cases.fresh_name("large"), [name]) as member:
        for seed, message in enumerate(member.read(2)):
            assert message.value() == cases.noise(5_000_000, seed), f"value {seed}"


@protocols
def members_join_leave_and_crash(protocol):
    name, group = topic("members", 4), cases.fresh_name("members")
    with Member(protocol, group, [name]) as first:
        share(name, 4, 4, first)
        with Member(protocol, group, [name]) as second:
            share(name, 4, 2, first, second)
        share(name, 4, 4, first)
        with members.Member(protocol, group, name) as other:
            eventually("the other process has its part", lambda: first.polled(True) and other.has_joined())
            equal(2, len(first.assignment()), "partitions left")
            other.kill()
            share(name, 4, 4, first)


@protocols
def partitions_are_kept_when_a_member_joins(protocol):
    configs = {"partition.assignment.strategy": "cooperative-sticky"} if protocol == "classic" else {}
    name, group = topic("kept", 4), cases.fresh_name("kept")
    with Member(protocol, group, [name], **configs) as first:
        share(name, 4, 4, first)
        with Member(protocol, group, [name], **configs) as second:
            share(name, 4, 2, first, second)
            equal(sorted(second.assignment()), sorted(first.revoked), "what the first gave up went to the second")
            equal([], second.revoked, "what the second gave up")
        share(name, 4, 4, first)
        equal(2, len(first.revoked), "what the first gave up in all")


def classic_eager_members_give_up_everything():
    name, group = topic("eager", 4), cases.fresh_name("eager")
    with Member("classic", group, [name]) as first:
        share(name, 4, 4, first)
        with Member("classic", group, [name]) as second:
            share(name, 4, 2, first, second)
        equal(4, len(first.revoked), "what the first gave up")


cases.add("classic_eager_members_give_up_everything", classic_eager_members_give_up_everything)


@protocols
def static_member_returns_without_rebalance(protocol):
    name, group = topic("static", 4), cases.fresh_name("static")
    with Member(protocol, group, [name], group_instance_id="other") as other:
        with Member(protocol, group, [name], group_instance_id="back-soon") as before:
            share(name, 4, 2, other, before)
            mine, seen = before.assignment(), (len(other.assigned), len(other.revoked))
        with Member(protocol, group, [name], group_instance_id="back-soon") as after:
            share(name, 4, 2, other, after)
            equal(mine, after.assignment(), "assignment after the return")
            equal(seen, (len(other.assigned), len(other.revoked)), "what the other member saw")


@protocols
def commits_and_resumes(protocol):
    name, group = filled(1, 100), cases.fresh_name("commits")
    where = [TopicPartition(name, 0)]
    with Member(protocol, group, [name]) as member:
        member.read(10)
        (done,) = member.consumer.commit(offsets=[TopicPartition(name, 0, 10)], asynchronous=False)
        assert done.error is None, done.error
        equal(10, member.consumer.committed(where, timeout=10)[0].offset, "committed at once")
    with Member(protocol, group, [name]) as member:
        equal(10, member.read(1)[0].offset(), "first offset after a commit that was waited for")
        member.consumer.commit(message=member.read(20)[19], asynchronous=True)
        eventually("the commit is there", lambda: member.consumer.committed(where, timeout=10)[0].offset == 30)
    with Member(protocol, group, [name], enable_auto_commit=True) as member:
        equal(30, member.read(1)[0].offset(), "first offset after a commit in the background")
        last = member.read(15)[-1].offset()
    with Member(protocol, group, [name]) as member:
        equal(last + 1, member.read(1)[0].offset(), "first offset after a commit on close")


@protocols
def seeks_in_a_group(protocol):
    name = filled(1, 200)
    with Member(protocol, cases.fresh_name("seek"), [name]) as member:
        member.read(1)
        for offset in [150, 3, 199]:
            member.consumer.seek(TopicPartition(name, 0, offset))
            message = eventually("a message", lambda: member.poll())
            equal(offset, message.offset(), "offset after the seek")


@protocols
def pauses_and_resumes_in_a_group(protocol):
    name = filled(2, 50)
    with Member(protocol, cases.fresh_name("pause"), [name]) as member:
        share(name, 2, 2, member)
        member.consumer.pause([TopicPartition(name, 0)])
        before = sum(1 for m in member.messages if m.partition() == 0)
        member.read(50 + before)
        equal(before, sum(1 for m in member.messages if m.partition() == 0), "messages of the paused partition")
        member.consumer.resume([TopicPartition(name, 0)])
        member.read(100)


@protocols
def subscribes_by_pattern(protocol):
    prefix = cases.fresh_name("pattern")
    first = topic(f"{prefix}-a", 2)
    with Member(protocol, cases.fresh_name("by-pattern"), [f"^{prefix}-.*"]) as member:
        share(first, 2, 2, member)
        second = topic(f"{prefix}-b", 1)
        wanted = {(first, 0), (first, 1), (second, 0)}
        eventually("a topic made later is assigned", lambda: member.polled(True) and member.assignment() == wanted, seconds=40)
        send([(second, 0, {"value": b"v"})] * 10)
        member.read(10)


def lists(client, group, **filters):
    return [g for g in client.list_consumer_groups(request_timeout=10, **filters).result().valid if g.group_id == group]


@protocols
def admin_of_groups(protocol):
    name, group, client = topic("admin", 2), cases.fresh_name("admin"), admin()
    kind = ConsumerGroupType.CLASSIC if protocol == "classic" else ConsumerGroupType.CONSUMER
    with Member(protocol, group, [name], group_instance_id="one", client_id="the-client") as member:
        share(name, 2, 2, member)

        def described():
            found = client.describe_consumer_groups([group], request_timeout=10)[group].result()
            return found if member.polled(True) and found.state == ConsumerGroupState.STABLE else None

        found = eventually("the group is stable", described)
        equal([("the-client", "one")], [(m.client_id, m.group_instance_id) for m in found.members], "members")
        equal(member.assignment(), {(p.topic, p.partition) for p in found.members[0].assignment.topic_partitions}, "assignment")
        equal(1, len(lists(client, group, states={ConsumerGroupState.STABLE}, types={kind})), "listed as stable")
        equal(0, len(lists(client, group, states={ConsumerGroupState.EMPTY})), "listed as empty")
        refused(client.delete_consumer_groups([group])[group], "NON_EMPTY_GROUP")


def refused(future, error):
    try:
        future.result(10)
    except KafkaException as failure:
        equal(error, failure.args[0].name(), "error")
        return
    raise AssertionError(f"{error} was expected, but it succeeded")


def offsets_of_groups():
    name, group, client = topic("offsets", 2), cases.fresh_name("offsets"), admin()
    where = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 7), TopicPartition(name, 1, 8)])
    client.alter_consumer_group_offsets([where])[group].result(10)
    found = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10)
    equal([7, 8], sorted(p.offset for p in found.topic_partitions), "offsets")
    client.delete_consumer_groups([group])[group].result(10)
    refused(client.delete_consumer_groups([group])[group], "GROUP_ID_NOT_FOUND")
    equal(0, len(lists(client, group)), "listed after it was deleted")


cases.add("admin_offsets_of_groups", offsets_of_groups)


def be_a_member(protocol, group, name):
    with Member(protocol, group, [name]) as member:
        while True:
            member.poll(0.1)
            if member.assignment():
                members.joined()


if __name__ == "__main__":
    if members.is_member():
        be_a_member(*sys.argv[2:])
    cases.main()
