"""Real input through one consumer group in three languages, one of which is killed midway.

The US postal codes of the npm package vega-datasets are read by a group of three processes: Java (kafka-clients), JavaScript
(KafkaJS) and Python (confluent-kafka). Each says what it has read before it commits. When half of the file is on its way one of
them is killed (kill -9), in each case another one. In the end every record was processed, perhaps some twice, and without those
the totals are exactly those of the file.
"""

import os
import subprocess
import sys
import threading
import time

import cases
from cases import equal
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 6
HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.environ.get("NODE_PATH", ""), "vega-datasets", "data", "zipcodes.csv")
JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", os.environ.get("COMPAT_CLASSPATH", "")]
READERS = {
    "java": [*JAVA, "DataReader"],
    "javascript": ["node", os.path.join(HERE, "reader.js")],
    "python": [sys.executable, os.path.abspath(__file__), "read"],
}
# What every reader prints for a record.
# PARTITION OFFSET CODE


def read(topic, group):
    """The reader in Python: until it is killed."""
    consumer = Consumer({"bootstrap.servers": cases.BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "partition.assignment.strategy": "range", "session.timeout.ms": 6000,
                         "heartbeat.interval.ms": 500})
    consumer.subscribe([topic])
    while True:
        messages = [message for message in consumer.consume(200, 0.1) if message.error() is None]
        for message in messages:
            print(message.partition(), message.offset(), message.value().split(b",")[0].decode())
        sys.stdout.flush()
        if messages:
            commit(consumer)


def commit(consumer):
    """A rebalance may have taken the partitions away: then whoever has them now reads again."""
    try:
        consumer.commit(asynchronous=False)
    except Exception as error:  # the client has one class for everything
        print(f"not committed: {error}", file=sys.stderr)


class Reader:
    """One process of the group and what it says."""

    def __init__(self, language, topic, group):
        self.seen = []
        self.process = subprocess.Popen([*READERS[language], topic, group], stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        for line in self.process.stdout:
            words = line.split()
            # A killed process may end in the middle of a line.
            if len(words) == 3 and line.endswith("\n"):
                self.seen.append((int(words[0]), int(words[1]), int(words[2])))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()


def produce(topic, lines, delivered):
    producer = Producer({"bootstrap.servers": cases.BOOTSTRAP, "enable.idempotence": True, "linger.ms": 5,
                         "queue.buffering.max.messages": 1_000_000, "compression.type": "lz4"})

    def on_delivery(error, message):
        if error is None:
            delivered[(message.partition(), message.offset())] = int(message.value().split(b",")[0])

    for number, line in lines:
        producer.produce(topic, line, str(number).encode(), on_delivery=on_delivery)
        producer.poll(0)
    equal(0, producer.flush(60), "messages left in the queue")


def killed(language):
    with open(DATA, "rb") as file:
        lines = [line for line in file.read().split(b"\n")[1:] if line]
    lines = list(enumerate(lines))
    half = len(lines) // 2
    topic, group = cases.fresh_name("data-group"), cases.fresh_name("readers")
    admin = AdminClient({"bootstrap.servers": cases.BOOTSTRAP})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(20)
    readers = {name: Reader(name, topic, group) for name in READERS}
    delivered = {}
    try:
        # All three take part before the file comes, and have read something of it before one of them goes.
        settled = lambda: [len(one.assignment.topic_partitions) for one in members(admin, group)] == [2, 2, 2]
        cases.eventually("each reader has two partitions", settled, seconds=60, interval=0.3)
        produce(topic, lines[:half], delivered)
        cases.eventually("all have read a good part", lambda: all(len(one.seen) > half / 10 for one in readers.values()), seconds=60)
        readers[language].kill()
        before = {name: len(one.seen) for name, one in readers.items()}
        produce(topic, lines[half:], delivered)
        found = lambda: {(partition, offset) for one in readers.values() for partition, offset, _ in list(one.seen)}
        cases.eventually("every record was processed", lambda: len(found()) >= len(lines), seconds=90, interval=0.2)
        after = {name: len(one.seen) for name, one in readers.items()}
    finally:
        for reader in readers.values():
            reader.kill()
    once = {(partition, offset): code for one in readers.values() for partition, offset, code in one.seen}
    total = sum(len(one.seen) for one in readers.values())
    cases.finding(f"data_group_{language}", f"{len(lines)} records; read when {language} was killed: {before}; in the end: {after}; "
                  f"{total - len(once)} were processed twice")
    idle = [name for name in readers if name != language and after[name] == before[name]]
    equal([], idle, "readers that live and read nothing any more")
    equal(len(lines), len(delivered), "records delivered")
    equal(delivered, once, "what was processed, by offset")
    equal(sum(int(line.split(b",")[0]) for _, line in lines), sum(once.values()), "sum of all postal codes")


def members(admin, group):
    description = admin.describe_consumer_groups([group])[group]
    try:
        return description.result(10).members
    except Exception:  # it is not there yet
        time.sleep(0.1)
        return []


for name in READERS:
    cases.add(f"every_record_is_processed_although_the_{name}_reader_is_killed", lambda name=name: killed(name))


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read(*sys.argv[2:4])
    else:
        cases.main()
