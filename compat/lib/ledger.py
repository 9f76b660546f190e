"""The log of acknowledgements, and the check that a broker kept every promise it made.

Each value names its partition and its number, so that loss, doubles and disorder can be told apart.
"""

import time

import cases
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4
NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)


class Ledger:
    """What was sent and what was acknowledged, by partition."""

    def __init__(self):
        self.sent = [0] * PARTITIONS
        self.acknowledged = [{} for _ in range(PARTITIONS)]
        self.failures = []

    def report(self, error, message):
        if error is not None:
            self.failures.append(str(error))
        else:
            self.acknowledged[message.partition()][message.value()] = message.offset()

    def count(self):
        return sum(len(partition) for partition in self.acknowledged)


def create_topic(broker, name, **configs):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, PARTITIONS, 1, config=configs)])[name].result(20)
    cases.eventually("the topic is known", lambda: len(admin.list_topics(name, timeout=5).topics[name].partitions) == PARTITIONS)


def producer(broker, codec):
    """An idempotent producer that outlives restarts of the broker."""
    return Producer({
        "bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "linger.ms": 1, "compression.type": codec,
        "message.timeout.ms": 120_000, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20,
        "queue.buffering.max.messages": 20_000, "batch.size": 16_384, "error_cb": tell_fatal,
    })


def tell_fatal(error):
    """Later calls of a producer that has failed say only that it has; this is the reason."""
    if error.fatal():
        print(f"the producer failed for good: {error}", flush=True)


def produce_for(producer, topic, ledger, seconds):
    """Keeps the producer busy for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for partition in range(PARTITIONS):
            value = b"%d:%d:" % (partition, ledger.sent[partition]) + b"x" * (ledger.sent[partition] % 200)
            try:
                producer.produce(topic, value, partition=partition, on_delivery=ledger.report)
                ledger.sent[partition] += 1
            except BufferError:
                break
        producer.poll(0.002)


def read_partition(broker, topic, partition):
    """(offset, value) of every record from the start up to the end as the broker tells it."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False})
    end = end_offset(consumer, topic, partition)
    consumer.assign([TopicPartition(topic, partition, 0)])
    records = []
    while end > 0 and (not records or records[-1][0] < end - 1):
        message = cases.eventually(f"the record after {len(records)} of {end}", lambda: consumer.poll(1.0), seconds=30)
        assert message.error() is None, message.error()
        records.append((message.offset(), message.value()))
    consumer.close()
    return records


def end_offset(consumer, topic, partition):
    """The high watermark. A broker that has just started may say that it does not lead the partition yet."""

    def ask():
        try:
            return (consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10),)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() not in NOT_YET:
                raise
            return None

    ((_, end),) = cases.eventually("the end offset is known", ask)
    return end


def check(ledger, partition, records):
    offsets = [offset for offset, _ in records]
    assert offsets == list(range(len(records))), f"partition {partition}: offsets are not dense: {first_gap(offsets)}"
    found = {}
    for offset, value in records:
        assert value not in found, f"partition {partition}: {value[:20]!r} is at {found[value]} and at {offset}"
        found[value] = offset
    for value, offset in ledger.acknowledged[partition].items():
        # librdkafka tells no offset of a batch that it knows only by the success of a later one.
        is_there = value in found and offset in (None, found[value])
        assert is_there, f"partition {partition}: {value[:20]!r} was acknowledged at {offset}, is at {found.get(value)}"
    order = [int(value.split(b":")[1]) for _, value in records]
    assert order == sorted(order), f"partition {partition}: the producer's order is lost"


def first_gap(offsets):
    return next((f"{found} in place {place}" for place, found in enumerate(offsets) if found != place), "none")
