"""Black-box suite: kafka-python, a client written wholly in Python with codecs and checks of its own."""

import cases
from cases import case, equal
from kafka import KafkaConsumer, TopicPartition
from kafka_python_client import send, topic


def consumer(name, **configs):
    client = KafkaConsumer(
        bootstrap_servers=cases.BOOTSTRAP, group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=10_000, **configs
    )
    client.assign([TopicPartition(name, 0)])
    return client


def read(client, count):
    messages = []
    for message in client:
        messages.append(message)
        if len(messages) == count:
            break
    equal(count, len(messages), "messages read within 10 s")
    return messages


def round_trip(records, topic_configs=None, **configs):
    name = topic("kafka-python", **(topic_configs or {}))
    send(name, records, **configs)
    client = consumer(name, max_partition_fetch_bytes=12_000_000)
    try:
        for index, (record, message) in enumerate(zip(records, read(client, len(records)))):
            equal(record.get("key"), message.key, f"key {index}")
            equal(record.get("value"), message.value, f"value {index}")
            equal([tuple(header) for header in record.get("headers", [])], [tuple(h) for h in message.headers], f"headers {index}")
            if "timestamp_ms" in record:
                equal(record["timestamp_ms"], message.timestamp, f"timestamp {index}")
            equal(index, message.offset, "offset")
    finally:
        client.close()


def mixed(count):
    return [
        {
            "key": None if i % 7 == 0 else b"k%d" % i,
            "value": cases.noise(i, i) if i % 5 == 0 else b"text " * (i % 13),
            "timestamp_ms": 1_700_000_000_000 + i,
            "headers": [("a", b"%d" % i), ("a", b"again")] if i % 3 == 0 else [],
        }
        for i in range(count)
    ]


for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
    cases.add(f"round_trip_{codec or 'none'}", lambda codec=codec: round_trip(mixed(300), compression_type=codec))


@case
def round_trip_idempotent():
    round_trip(mixed(300), enable_idempotence=True)


@case
def null_and_empty():
    pairs = [(b"k", None), (b"", b""), (None, b""), (b"", None)]
    round_trip([{"key": key, "value": value, "timestamp_ms": 1} for key, value in pairs])


@case
def large_messages():
    round_trip([{"value": cases.noise(900_000)}])
    round_trip([{"value": cases.noise(4_000_000)}], {"max_message_bytes": "5000000"}, max_request_size=5_000_000)


@case
def every_acks():
    for acks in [0, 1, "all"]:
        round_trip([{"value": b"v%d" % i} for i in range(50)], acks=acks, enable_idempotence=False)


@case
def seek_by_offset_and_time():
    name = topic("seek")
    send(name, [{"value": b"v%d" % i, "timestamp_ms": 1000 + i} for i in range(300)])
    client = consumer(name)
    where = TopicPartition(name, 0)
    try:
        client.seek(where, 137)
        equal(b"v137", read(client, 1)[0].value, "value at 137")
        equal(222, client.offsets_for_times({where: 1222})[where].offset, "offset at time 1222")
        equal(None, client.offsets_for_times({where: 9999})[where], "offset beyond the last time")
        equal({where: 0}, client.beginning_offsets([where]), "beginning")
        equal({where: 300}, client.end_offsets([where]), "end")
    finally:
        client.close()


if __name__ == "__main__":
    cases.main()
