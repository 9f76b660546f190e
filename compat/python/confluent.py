"""Black-box suite: confluent-kafka for Python (librdkafka)."""

import time

import cases
from cases import case, equal
from confluent_client import CODECS, admin, send, topic
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType

def read(name, count, partition=0, offset=OFFSET_BEGINNING, **configs):
    """Reads count messages from an assigned partition."""
    settings = {
        "bootstrap.servers": cases.BOOTSTRAP,
        "group.id": "unused",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "fetch.message.max.bytes": 12_000_000,
        "receive.message.max.bytes": 120_000_000,
        **configs,
    }
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(name, partition, offset)])
    messages = []
    deadline = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None, message.error()
            messages.append(message)
    consumer.close()
    equal(count, len(messages), "messages read within 20 s")
    return messages


def check_same(sent, messages):
    for index, (arguments, message) in enumerate(zip(sent, messages)):
        equal(arguments.get("key"), message.key(), f"key {index}")
        equal(arguments.get("value"), message.value(), f"value {index}")
        equal(arguments.get("headers") or None, message.headers(), f"headers {index}")
        if "timestamp" in arguments:
            equal(arguments["timestamp"], message.timestamp()[1], f"timestamp {index}")
        equal(messages[0].offset() + index, message.offset(), f"offset {index}")


def round_trip(sent, topic_configs=None, **configs):
    name = topic("confluent", **(topic_configs or {}))
    for message in send([(name, 0, arguments) for arguments in sent], **configs):
        assert hasattr(message, "offset"), f"not delivered: {message}"
    check_same(sent, read(name, len(sent)))


def mixed(count):
    return [
        {
            "key": None if i % 7 == 0 else f"k{i}".encode(),
            "value": cases.noise(i, i) if i % 5 == 0 else b"text " * (i % 13),
            "timestamp": 1_700_000_000_000 + i,
            "headers": [("number", b"%d" % i), ("empty", b"")] if i % 3 == 0 else [],
        }
        for i in range(count)
    ]


for codec in CODECS:
    cases.add(f"round_trip_{codec}", lambda codec=codec: round_trip(mixed(800), **{"compression.type": codec}))
    cases.add(
        f"round_trip_{codec}_idempotent",
        lambda codec=codec: round_trip(mixed(400), **{"compression.type": codec, "enable.idempotence": True}),
    )


@case
def headers_with_duplicate_and_null():
    headers = [("same", b"1"), ("other", b"x"), ("same", b"2"), ("null", None)]
    round_trip([{"key": b"k", "value": b"v", "headers": headers}])


@case
def null_and_empty():
    pairs = [(None, None), (b"", b""), (None, b""), (b"", None), (b"k", None)]
    round_trip([{"key": key, "value": value, "timestamp": 1} for key, value in pairs])


@case
def large_messages():
    round_trip([{"value": cases.noise(900_000)}])
    round_trip(
        [{"value": cases.noise(5_000_000, seed)} for seed in range(2)],
        {"max_message_bytes": "6000000"},
        **{"message.max.bytes": 6_000_000},
    )


@case
def too_large_message_is_refused():
    name = topic("too-large", max_message_bytes="1000")
    (error,) = send([(name, 0, {"value": cases.noise(5000)})])
    equal("MSG_SIZE_TOO_LARGE", error.name(), "error")


@case
def every_acks():
    for acks in ["0", "1", "all"]:
        name = topic(f"acks-{acks}")
        sent = [{"value": b"v%d" % i, "timestamp": 5} for i in range(50)]
        send([(name, 0, arguments) for arguments in sent], acks=acks)
        check_same(sent, read(name, 50))


@case
def seek_by_offset_and_time():
    name = topic("seek")
    send([(name, 0, {"value": b"v%d" % i, "timestamp": 1000 + i}) for i in range(300)])
    equal(b"v137", read(name, 1, offset=137)[0].value(), "value at 137")
    consumer = Consumer({"bootstrap.servers": cases.BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
    (found,) = consumer.offsets_for_times([TopicPartition(name, 0, 1222)], timeout=10)
    equal(222, found.offset, "offset at time 1222")
    (beyond,) = consumer.offsets_for_times([TopicPartition(name, 0, 9999)], timeout=10)
    equal(OFFSET_END, beyond.offset, "offset beyond the last time")
    equal((0, 300), consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=10), "watermarks")
    consumer.close()


@case
def read_committed_sees_plain_messages():
    name = topic("committed")
    send([(name, 0, {"value": b"v"})] * 20)
    read(name, 20, **{"isolation.level": "read_committed"})


@case
def admin_topics_and_offsets():
    name = topic("admin")
    client = admin()
    send([(name, 0, {"value": b"v", "timestamp": at}) for at in (10, 30, 20)])
    where = TopicPartition(name, 0)
    specs = {"earliest": 0, "latest": 3, "max_timestamp": 1}
    for spec, expected in specs.items():
        answer = client.list_offsets({where: getattr(OffsetSpec, spec)()})[where].result(10)
        equal(expected, answer.offset, spec)
    equal(1, client.list_offsets({where: OffsetSpec.for_timestamp(25)})[where].result(10).offset, "for_timestamp")
    client.create_partitions([NewPartitions(name, 3)])[name].result(10)
    cases.eventually("three partitions", lambda: len(client.list_topics(name, timeout=10).topics[name].partitions) == 3)
    equal(2, client.delete_records([TopicPartition(name, 0, 2)])[where].result(10).low_watermark, "low watermark")
    client.delete_topics([name])[name].result(10)


@case
def admin_configs():
    name = topic("configs", segment_bytes="2000000")
    resource = ConfigResource(ResourceType.TOPIC, name)
    client = admin()
    found = client.describe_configs([resource])[resource].result(10)
    equal("2000000", found["segment.bytes"].value, "segment.bytes")


@case
def admin_errors():
    name = topic("exists")
    client = admin()
    expected = [(name, 1, 1, "TOPIC_ALREADY_EXISTS"), ("with space", 1, 1, "TOPIC_EXCEPTION"),
                (cases.fresh_name("rf"), 1, 3, "INVALID_REPLICATION_FACTOR"), (cases.fresh_name("p"), 0, 1, "INVALID_PARTITIONS")]
    for topic_name, partitions, factor, error in expected:
        try:
            client.create_topics([NewTopic(topic_name, partitions, factor)])[topic_name].result(10)
            raise AssertionError(f"{topic_name} was created")
        except KafkaException as refused:
            equal(error, refused.args[0].name(), "error")


@case
def throughput_of_many_small_messages():
    name = topic("many")
    sent = [(name, 0, {"value": b"message %d" % i}) for i in range(50_000)]
    messages = send(sent, **{"enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5})
    equal(list(range(50_000)), [message.offset() for message in messages], "offsets")
    equal([b"message %d" % i for i in range(50_000)], [message.value() for message in read(name, 50_000)], "values")


if __name__ == "__main__":
    cases.main()
