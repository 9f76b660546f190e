"""Black-box suite: consumer groups with kafka-python, whose coordinator and assignors are its own."""

import concurrent.futures
import queue
import sys
import threading

import cases
import members
from cases import case, equal, eventually
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import OffsetAndMetadata
from kafka_python_client import send, topic
from members import share


class Member(ConsumerRebalanceListener):
    """A consumer in a group on a thread of its own, which remembers what it read and what was assigned and revoked."""

    def __init__(self, group, names=(), pattern=None, **configs):
        settings = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 200, "enable_auto_commit": False,
                    "max_partition_fetch_bytes": 12_000_000}
        self.consumer = KafkaConsumer(bootstrap_servers=cases.BOOTSTRAP, group_id=group, auto_offset_reset="earliest",
                                      **{**settings, **configs})
        self.messages, self.assigned, self.revoked, self.held = [], [], [], set()
        self.tasks, self.failure, self.open = queue.SimpleQueue(), None, True
        # A leader that does not know the topic yet assigns nothing, and needs a second rebalance at once.
        for name in names:
            eventually("the topic is known", lambda name=name: self.consumer.partitions_for_topic(name))
        self.consumer.subscribe(topics=names, pattern=pattern, listener=self)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            # A rebalance that outlives a call of poll may never end in kafka-python 3.0, so that these are long.
            while self.open:
                for batch in self.consumer.poll(timeout_ms=1000).values():
                    self.messages += batch
                self.held = {tuple(p) for p in self.consumer.assignment()}
                while not self.tasks.empty():
                    self.tasks.get()()
        except Exception as error:  # noqa: BLE001 - whoever waits for this member is told
            self.failure = error
        finally:
            self.consumer.close()

    def on_partitions_assigned(self, partitions):
        self.assigned += [tuple(p) for p in partitions]

    def on_partitions_revoked(self, partitions):
        self.revoked += [tuple(p) for p in partitions]

    def call(self, task):
        """Runs this between two polls, on the member's thread, and returns what it returns or raises."""
        future = concurrent.futures.Future()

        def run():
            try:
                future.set_result(task(self.consumer))
            except Exception as error:  # noqa: BLE001 - goes to the caller
                future.set_exception(error)

        self.tasks.put(run)
        return future.result(20)

    def poll(self):
        """Its thread polls; here a failure of that thread comes to light."""
        if self.failure:
            raise self.failure
        self.thread.join(0.01)

    def assignment(self):
        return self.held

    def read(self, count):
        """Waits until so many messages have come in all."""
        eventually(f"{count} messages", lambda: self.poll() or len(self.messages) >= count, seconds=20)
        return list(self.messages)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False
        self.thread.join(20)


def filled(partitions, each):
    name = topic("group", partitions)
    for partition in range(partitions):
        send(name, [{"value": b"%d" % i} for i in range(each)], partition)
    return name


def reads(codec):
    name = topic("group-codec", 2)
    sent = [{"key": b"k%d" % i, "value": b"text " * (i % 13)} for i in range(150)]
    for partition in range(2):
        send(name, sent, partition, compression_type=codec)
    with Member(cases.fresh_name("reads"), [name]) as member:
        found = sorted((m.partition, m.offset, m.key, m.value) for m in member.read(300))
    equal([(p, i, record["key"], record["value"]) for p in range(2) for i, record in enumerate(sent)], found, "messages")


for codec_name in [None, "gzip", "snappy", "lz4", "zstd"]:
    cases.add(f"group_reads_{codec_name or 'none'}", lambda codec=codec_name: reads(codec))


@case
def group_reads_large_messages():
    name = topic("group-large", max_message_bytes="5000000")
    send(name, [{"value": cases.noise(4_000_000, seed)} for seed in range(2)], max_request_size=5_000_000)
    with Member(cases.fresh_name("large"), [name]) as member:
        equal([cases.noise(4_000_000, seed) for seed in range(2)], [m.value for m in member.read(2)], "values")


@case
def members_join_leave_and_crash():
    name, group = topic("members", 4), cases.fresh_name("members")
    with Member(group, [name]) as first:
        share(name, 4, 4, first)
        with Member(group, [name]) as second:
            share(name, 4, 2, first, second)
        share(name, 4, 4, first)
        with members.Member(group, name) as other:
            eventually("the other process has its part", other.has_joined)
            eventually("two partitions are left", lambda: len(first.assignment()) == 2)
            other.kill()
            share(name, 4, 4, first)


def gives_up(assignor, counts):
    name, group = topic("assignor", 4), cases.fresh_name("assignor")
    with Member(group, [name], partition_assignment_strategy=[assignor]) as first:
        share(name, 4, 4, first)
        with Member(group, [name], partition_assignment_strategy=[assignor]) as second:
            share(name, 4, 2, first, second)
            assert len(first.revoked) in counts, f"the first gave up {first.revoked}"


# An eager member gives up everything, once or, if the second was late for the first rebalance, twice.
for title, strategy, given_up in [("range", RangePartitionAssignor, (4, 8)), ("roundrobin", RoundRobinPartitionAssignor, (4, 8)),
                                  ("sticky", StickyPartitionAssignor, (4, 8)),
                                  ("cooperative_sticky", CooperativeStickyAssignor, (2,))]:
    cases.add(f"assignor_{title}", lambda s=strategy, g=given_up: gives_up(s, g))


@case
def static_member_returns_without_rebalance():
    name, group = topic("static", 4), cases.fresh_name("static")
    with Member(group, [name], group_instance_id="other") as other:
        with Member(group, [name], group_instance_id="back-soon") as before:
            share(name, 4, 2, other, before)
            mine, seen = before.assignment(), (len(other.assigned), len(other.revoked))
        with Member(group, [name], group_instance_id="back-soon") as after:
            share(name, 4, 2, other, after)
            equal(mine, after.assignment(), "assignment after the return")
            equal(seen, (len(other.assigned), len(other.revoked)), "what the other member saw")


@case
def commits_and_resumes():
    name, group = filled(1, 100), cases.fresh_name("commits")
    where = TopicPartition(name, 0)
    with Member(group, [name]) as member:
        member.read(100)
        member.call(lambda consumer: consumer.commit({where: OffsetAndMetadata(10, "a note", -1)}))
        equal(10, member.call(lambda consumer: consumer.committed(where)), "committed")
        equal("a note", member.call(lambda consumer: consumer.committed(where, metadata=True)).metadata, "metadata")
    with Member(group, [name]) as member:
        equal(10, member.read(90)[0].offset, "first offset after a commit that was waited for")
        done, offsets = [], {where: OffsetAndMetadata(30, "", -1)}
        member.call(lambda consumer: consumer.commit_async(offsets, callback=lambda *answer: done.append(answer)))
        eventually("the commit is confirmed", lambda: done)
    with Member(group, [name], enable_auto_commit=True) as member:
        equal(30, member.read(70)[0].offset, "first offset after a commit in the background")
    with Member(group, [name]) as member:
        equal(100, member.call(lambda consumer: consumer.committed(where)), "committed on close")


@case
def seeks_in_a_group():
    name = filled(1, 200)
    where = TopicPartition(name, 0)
    with Member(cases.fresh_name("seek"), [name]) as member:
        count = len(member.read(200))
        for offset in [150, 3, 199]:
            member.call(lambda consumer, offset=offset: consumer.seek(where, offset))
            equal(offset, member.read(count + 200 - offset)[count].offset, "offset after the seek")
            count += 200 - offset
        member.call(lambda consumer: consumer.seek_to_beginning(where))
        equal(0, member.read(count + 200)[count].offset, "offset from the beginning")


@case
def pauses_and_resumes_in_a_group():
    name = topic("pause", 2)
    with Member(cases.fresh_name("pause"), [name]) as member:
        share(name, 2, 2, member)
        member.call(lambda consumer: consumer.pause(TopicPartition(name, 0)))
        for partition in range(2):
            send(name, [{"value": b"v"}] * 50, partition)
        equal({1}, {m.partition for m in member.read(50)}, "partitions read while one is paused")
        member.call(lambda consumer: consumer.resume(TopicPartition(name, 0)))
        equal(100, len(member.read(100)), "messages after resuming")


@case
def subscribes_by_pattern():
    prefix = cases.fresh_name("pattern")
    first = topic(f"{prefix}-a", 2)
    with Member(cases.fresh_name("by-pattern"), pattern=f"^{prefix}-.*", metadata_max_age_ms=500) as member:
        share(first, 2, 2, member)
        second = topic(f"{prefix}-b")
        wanted = {(first, 0), (first, 1), (second, 0)}
        eventually("a topic made later is assigned", lambda: member.assignment() == wanted)
        send(second, [{"value": b"v"}] * 10)
        member.read(10)


@case
def admin_of_groups():
    name, group = topic("admin", 2), cases.fresh_name("admin")
    where = TopicPartition(name, 0)
    client = KafkaAdminClient(bootstrap_servers=cases.BOOTSTRAP)
    try:
        with Member(group, [name], client_id="the-client") as member:
            share(name, 2, 2, member)
            eventually("it is stable", lambda: client.describe_groups([group])[group]["group_state"] == "Stable")
            (described,) = client.describe_groups([group])[group]["members"]
            equal("the-client", described["client_id"], "client id")
            assert group in str(client.list_groups()), "is not listed"
            refused = client.delete_groups([group])
            assert "NonEmptyGroup" in str(refused) or "NON_EMPTY" in str(refused).upper(), refused
        client.alter_group_offsets(group, {where: OffsetAndMetadata(7, "", -1)})
        equal(7, client.list_group_offsets(group)[group][where].offset, "offset")
        client.delete_group_offsets(group, [where])
        assert where not in client.list_group_offsets(group)[group], "the offset is still there"
        client.delete_groups([group])
        assert group not in str(client.list_groups()), "is still listed"
    finally:
        client.close()


def be_a_member(group, name):
    with Member(group, [name], session_timeout_ms=2000) as member:
        while True:
            member.poll()
            if member.assignment():
                members.joined()


if __name__ == "__main__":
    if members.is_member():
        be_a_member(*sys.argv[2:])
    cases.main()
