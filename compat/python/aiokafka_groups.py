"""Black-box suite: aiokafka, the client of Python's asyncio programs."""

import asyncio
import contextlib
import sys
import time

import cases
import members
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from cases import equal


def case(function):
    """Registers a coroutine function under its name."""
    cases.add(function.__name__, lambda: asyncio.run(function()))
    return function


async def eventually(what, condition, seconds=20.0):
    """Like `cases.eventually`, while the members of this event loop go on."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def started(client):
    """Starts an admin client, which has other words for it than producers and consumers."""
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def topic(prefix, partitions=1, **configs):
    name = cases.fresh_name(prefix)
    config = {"retention.ms": "-1", **{key.replace("_", "."): value for key, value in configs.items()}}
    async with started(AIOKafkaAdminClient(bootstrap_servers=cases.BOOTSTRAP)) as client:
        answer = await client.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        equal([(name, 0)], [tuple(error[:2]) for error in answer.topic_errors], "creation")
        deadline = time.monotonic() + 15
        while name not in await client.list_topics():
            assert time.monotonic() < deadline, "the new topic does not become known"
    return name


async def send(name, values, partition=0, **configs):
    async with AIOKafkaProducer(bootstrap_servers=cases.BOOTSTRAP, **configs) as producer:
        futures = [await producer.send(name, value, partition=partition) for value in values]
        return [(await future).offset for future in futures]


class Member(ConsumerRebalanceListener):
    """A consumer in a group that remembers what was assigned to and revoked from it, and what it read."""

    def __init__(self, group, *names, pattern=None, **configs):
        settings = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 200, "metadata_max_age_ms": 500,
                    "enable_auto_commit": False, "max_partition_fetch_bytes": 12_000_000}
        self.consumer = AIOKafkaConsumer(bootstrap_servers=cases.BOOTSTRAP, group_id=group, auto_offset_reset="earliest",
                                         **{**settings, **configs})
        self.messages, self.rebalances, self.told = [], 0, set()
        self.consumer.subscribe(topics=names, pattern=pattern, listener=self)

    async def on_partitions_assigned(self, partitions):
        self.rebalances, self.told = self.rebalances + 1, {tuple(p) for p in partitions}

    async def on_partitions_revoked(self, _):
        pass

    def assignment(self):
        return {tuple(p) for p in self.consumer.assignment()}

    async def read(self, count):
        """Reads until so many messages have come in all."""
        deadline = time.monotonic() + 20
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"only {len(self.messages)} of {count} messages came within 20 s"
            for batch in (await self.consumer.getmany(timeout_ms=200, max_records=count - len(self.messages))).values():
                self.messages += batch
        return self.messages

    async def __aenter__(self):
        await self.consumer.start()
        return self

    async def __aexit__(self, *_):
        await self.consumer.stop()


async def share(name, partitions, least, *group):
    """Waits until these members hold all partitions, each at least so many and none twice."""
    everything = sorted((name, partition) for partition in range(partitions))

    def shared():
        held = [member.assignment() for member in group]
        return sorted(p for one in held for p in one) == everything and all(len(one) >= least for one in held)

    await eventually(f"{len(group)} members share {partitions} partitions", shared)


async def reads(codec):
    name = await topic("group-codec", 2)
    values = [b"%d " % i + b"text " * (i % 13) for i in range(150)]
    for partition in range(2):
        equal(list(range(150)), await send(name, values, partition, compression_type=codec, enable_idempotence=True), "offsets")
    async with Member(cases.fresh_name("reads"), name) as member:
        found = sorted((m.partition, m.offset, m.value) for m in await member.read(300))
    equal([(p, i, value) for p in range(2) for i, value in enumerate(values)], found, "messages")


for codec_name in [None, "gzip", "snappy", "lz4", "zstd"]:
    cases.add(f"group_reads_{codec_name or 'none'}", lambda codec=codec_name: asyncio.run(reads(codec)))


@case
async def group_reads_large_messages():
    name = await topic("group-large", max_message_bytes="5000000")
    await send(name, [cases.noise(4_000_000, seed) for seed in range(2)], max_request_size=5_000_000)
    async with Member(cases.fresh_name("large"), name) as member:
        equal([cases.noise(4_000_000, seed) for seed in range(2)], [m.value for m in await member.read(2)], "values")


@case
async def members_join_leave_and_crash():
    name, group = await topic("members", 4), cases.fresh_name("members")
    async with Member(group, name) as first:
        await share(name, 4, 4, first)
        async with Member(group, name) as second:
            await share(name, 4, 2, first, second)
        await share(name, 4, 4, first)
        with members.Member(group, name) as other:
            await eventually("the other process has its part", other.has_joined)
            await eventually("two partitions are left", lambda: len(first.assignment()) == 2)
            other.kill()
            await share(name, 4, 4, first)


async def assigns(assignor):
    name, group = await topic("assignor", 4), cases.fresh_name("assignor")
    async with (Member(group, name, partition_assignment_strategy=[assignor]) as first,
                Member(group, name, partition_assignment_strategy=[assignor]) as second):
        await share(name, 4, 2, first, second)


for title, strategy in [("range", RangePartitionAssignor), ("roundrobin", RoundRobinPartitionAssignor),
                        ("sticky", StickyPartitionAssignor)]:
    cases.add(f"assignor_{title}", lambda strategy=strategy: asyncio.run(assigns(strategy)))


@case
async def static_member_returns_without_rebalance():
    name, group = await topic("static", 4), cases.fresh_name("static")
    async with Member(group, name, group_instance_id="other") as other:
        async with Member(group, name, group_instance_id="back-soon") as before:
            await share(name, 4, 2, other, before)
            await eventually("the other member was told", lambda: other.told == other.assignment())
            mine, seen = before.assignment(), other.rebalances
        async with Member(group, name, group_instance_id="back-soon") as after:
            await share(name, 4, 2, other, after)
            equal(mine, after.assignment(), "assignment after the return")
            equal(seen, other.rebalances, "rebalances that the other member saw")


@case
async def commits_and_resumes():
    name, group = await topic("commits"), cases.fresh_name("commits")
    where = TopicPartition(name, 0)
    await send(name, [b"%d" % i for i in range(100)])
    async with Member(group, name) as member:
        await member.read(10)
        await member.consumer.commit({where: (10, "a note")})
        equal(10, await member.consumer.committed(where), "committed")
    async with Member(group, name) as member:
        equal(10, (await member.read(1))[0].offset, "first offset after a commit")
        await member.read(20)
        await member.consumer.commit()
    async with Member(group, name, enable_auto_commit=True) as member:
        equal(30, (await member.read(5))[0].offset, "first offset after committing the position")
    async with Member(group, name) as member:
        equal(35, (await member.read(1))[0].offset, "first offset after a commit on close")


@case
async def seeks_pauses_and_resumes_in_a_group():
    name = await topic("seek", 2)
    one, two = TopicPartition(name, 0), TopicPartition(name, 1)
    async with Member(cases.fresh_name("seek"), name) as member:
        await share(name, 2, 2, member)
        member.consumer.pause(one)
        for partition in range(2):
            await send(name, [b"%d" % i for i in range(50)], partition)
        equal({1}, {m.partition for m in await member.read(50)}, "partitions read while one is paused")
        member.consumer.resume(one)
        await member.read(100)
        member.consumer.seek(two, 47)
        equal([47, 48, 49], [m.offset for m in (await member.read(103))[100:]], "offsets after the seek")
        await member.consumer.seek_to_beginning(one)
        equal(0, await member.consumer.position(one), "position at the beginning")


@case
async def subscribes_by_pattern():
    prefix = cases.fresh_name("pattern")
    first = await topic(f"{prefix}-a", 2)
    async with Member(cases.fresh_name("by-pattern"), pattern=f"^{prefix}-.*") as member:
        await share(first, 2, 2, member)
        second = await topic(f"{prefix}-b")
        wanted = {(first, 0), (first, 1), (second, 0)}
        await eventually("a topic made later is assigned", lambda: member.assignment() == wanted)
        await send(second, [b"v"] * 10)
        await member.read(10)


@case
async def admin_of_groups():
    name, group = await topic("admin"), cases.fresh_name("admin")
    where = TopicPartition(name, 0)
    async with started(AIOKafkaAdminClient(bootstrap_servers=cases.BOOTSTRAP)) as client:
        async with Member(group, name, client_id="the-client") as member:
            await share(name, 1, 1, member)
            await member.consumer.commit({where: 7})
            answer = (await client.describe_consumer_groups([group]))[0].groups[0]
            equal((0, group), tuple(answer[:2]), "description")
            assert "the-client" in str(answer), answer
        assert (group, "consumer") in [tuple(found[:2]) for found in await client.list_consumer_groups()], "is not listed"
        equal(7, (await client.list_consumer_group_offsets(group))[where].offset, "offset")


async def be_a_member(group, name):
    async with Member(group, name, session_timeout_ms=2000) as member:
        while True:
            await member.consumer.getmany(timeout_ms=100)
            if member.assignment():
                members.joined()


if __name__ == "__main__":
    if members.is_member():
        asyncio.run(be_a_member(*sys.argv[2:]))
    cases.main()
