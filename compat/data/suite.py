"""Real input end to end: a data set from a registry package goes through two producers and comes back exactly.

The US postal codes of the npm package vega-datasets (a CSV of 2 MB, about 42,000 lines) are fed line by line: the even
lines by Python (confluent-kafka, lz4), the odd ones at the same time by JavaScript (KafkaJS, gzip), keyed by line number
over three partitions. A consumer then puts the file together again: it must be the same, byte for byte.
"""

import hashlib
import os
import subprocess

import cases
from cases import case, equal
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 3
DATA = os.path.join(os.environ.get("NODE_PATH", ""), "vega-datasets", "data")
FILES = ["zipcodes.csv"] + (["flights-200k.json"] if cases.LONG else [])


def create(topic):
    admin = AdminClient({"bootstrap.servers": cases.BOOTSTRAP})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(20)
    cases.eventually("the topic is known", lambda: len(admin.list_topics(topic, timeout=5).topics[topic].partitions) == PARTITIONS)


def feed_even_lines(topic, lines):
    failures = []
    producer = Producer({"bootstrap.servers": cases.BOOTSTRAP, "compression.type": "lz4", "enable.idempotence": True,
                         "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    for number in range(0, len(lines), 2):
        producer.produce(topic, lines[number], str(number).encode(), on_delivery=lambda e, _: e and failures.append(e))
        producer.poll(0)
    equal(0, producer.flush(60), "messages left in the queue")
    equal([], failures, "failed deliveries")


def read_back(topic):
    """Line number -> line, and a check that each producer's lines keep their order within a partition."""
    consumer = Consumer({"bootstrap.servers": cases.BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False,
                         "isolation.level": "read_committed"})
    everywhere = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
    total = sum(consumer.get_watermark_offsets(where, timeout=10)[1] for where in everywhere)
    consumer.assign(everywhere)
    lines, last, count = {}, {}, 0
    while count < total:
        batch = cases.eventually("more messages", lambda: consumer.consume(5000, 1.0))
        for message in batch:
            assert message.error() is None, message.error()
            number = int(message.key())
            assert number not in lines, f"line {number} is there twice"
            producer_of_partition = (message.partition(), number % 2)
            assert last.get(producer_of_partition, -1) < number, f"line {number} is out of order"
            last[producer_of_partition] = number
            lines[number] = message.value()
            count += 1
    consumer.close()
    return lines


def comes_back_exactly(name):
    with open(os.path.join(DATA, name), "rb") as file:
        content = file.read()
    lines = content.split(b"\n")
    topic = cases.fresh_name("data")
    create(topic)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "feed.js")
    other = subprocess.Popen(["node", script, os.path.join(DATA, name), topic])
    feed_even_lines(topic, lines)
    equal(0, other.wait(120), "exit code of the JavaScript producer")
    found = read_back(topic)
    equal(len(lines), len(found), "lines")
    again = b"\n".join(found[number] for number in range(len(lines)))
    equal(hashlib.sha256(content).hexdigest(), hashlib.sha256(again).hexdigest(), "checksum")


for data_file in FILES:
    cases.add(f"{data_file}_comes_back_exactly", lambda data_file=data_file: comes_back_exactly(data_file))


if __name__ == "__main__":
    cases.main()
