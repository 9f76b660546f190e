"""Black-box suite: kill -9 under consume-transform-produce, again and again. Judged by the checker of the simulator.

Three clients, one with Kafka's Java client, one with librdkafka and one of our own, copy a partition of a topic each into two others,
in transactions that commit the positions of their group. The broker is killed at random moments and started again on the same
port; now and then a client is killed, too, and another one takes its transactional id. Every client writes down what it does. At
the end everything is read with read_committed, and the whole history is judged.
"""

import os
import random
import subprocess
import sys
import time

import cases
import ledger
from broker import Broker
from cases import case
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

KILLS = 60 if cases.LONG else 8
SEED = int(os.environ.get("COMPAT_SEED", "0")) or time.time_ns() % 1_000_000
GROUP = "copiers"
SOURCE, COPIED, AUDITED = "source", "copied", "audited"
# Partitions of the source, one for each client.
PLACES = 3
OUTPUT = [(COPIED, 0), (COPIED, 1), (AUDITED, 0)]
PATIENCE_S = 120


class Client:
    """A transformer of one kind: its processes, one after another, and their histories."""

    def __init__(self, name, partition, command):
        self.name, self.partition, self.command = name, partition, command
        self.files, self.process = [], None

    def start(self, broker):
        history = os.path.join(cases.WORK, f"history-{self.name}-{len(self.files)}.txt")
        open(history, "w").close()
        self.files.append(history)
        words = [broker.bootstrap, history, f"{self.name}-{len(self.files)}", GROUP, SOURCE, str(self.partition), COPIED, AUDITED]
        self.process = subprocess.Popen(self.command + words, stdin=subprocess.PIPE, stdout=sys.stderr)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """Closing its input tells it to end with what it is at."""
        self.process.stdin.close()
        assert self.process.wait(timeout=PATIENCE_S) == 0, f"{self.name} ended with {self.process.returncode}"

    def committed(self):
        return sum(line.startswith("committed\t") for file in self.files for line in open(file))


@case
def transactions_are_exactly_once():
    chance = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    here = os.path.join(os.environ["COMPAT_DIR"], "kill9")
    clients = [
        Client("java", 0, ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp",
                           os.environ["COMPAT_CLASSPATH"], "Transformer"]),
        Client("librdkafka", 1, [sys.executable, os.path.join(here, "transformer.py")]),
        Client("rust", 2, [os.environ["COMPAT_TRANSFORMER"]]),
    ]
    options = ["transaction.abort.timed.out.transaction.cleanup.interval.ms=1000"]
    broker = Broker(os.path.join(cases.WORK, "broker"), options=options)
    broker.start()
    feeder = None
    try:
        create_topics(broker)
        feeder = Feeder(broker)
        for client in clients:
            client.start(broker)
        await_commits(clients, feeder, [0] * len(clients))
        for round_number in range(KILLS):
            before = [client.committed() for client in clients]
            feeder.feed_for(0.2 + chance.random())
            broker.kill()
            if round_number % 2 == 1:
                victim = clients[round_number // 2 % len(clients)]
                victim.kill()
                victim.start(broker)
            feeder.feed_for(0.1)
            broker.start()
            await_commits(clients, feeder, before)
        for client in clients:
            client.end()
        feeder.end()
        judge(broker, clients)
    finally:
        for client in clients:
            if client.process is not None and client.process.poll() is None:
                client.kill()
        broker.stop()


def create_topics(broker):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topics = [(SOURCE, PLACES), (COPIED, 2), (AUDITED, 1)]
    for future in admin.create_topics([NewTopic(name, partitions, 1) for name, partitions in topics]).values():
        future.result(20)


class Feeder:
    """Keeps the source growing, slowly: what counts are transactions."""

    def __init__(self, broker):
        self.producer, self.sent = ledger.producer(broker, "none"), 0

    def feed_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.feed()

    def feed(self):
        for partition in range(PLACES):
            self.producer.produce(SOURCE, b"%d" % self.sent, partition=partition)
        self.sent += 1
        self.producer.poll(0.005)

    def end(self):
        assert self.producer.flush(PATIENCE_S) == 0, "messages are left"


def await_commits(clients, feeder, before):
    """All have committed more than this."""

    def all_did():
        feeder.feed()
        return all(client.committed() > count for client, count in zip(clients, before))

    cases.eventually("all clients commit", all_did, seconds=PATIENCE_S)


def judge(broker, clients):
    last = os.path.join(cases.WORK, "history-last.txt")
    with open(last, "w") as file:
        for topic, partition in OUTPUT:
            for offset, value in read_committed(broker, topic, partition):
                file.write(f"last\t{topic}-{partition}\t{offset}\t{value}\n")
        for partition, offset in positions(broker):
            file.write(f"position\t{GROUP}\t{SOURCE}-{partition}\t{offset}\n")
    files = [file for client in clients for file in client.files] + [last]
    # A client that was killed may have left half a line.
    history = "".join(line for file in files for line in open(file) if line.endswith("\n"))
    judged = subprocess.run([os.environ["COMPAT_HISTORY"]], input=history, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stderr
    cases.finding("transactions", f"{judged.stdout.strip()} over {KILLS} kills, seed {SEED}")


def read_committed(broker, topic, partition):
    """(offset, value) of every committed record. In the end nothing is open: the last stable offset reaches the end."""
    common = {"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False}
    plain = Consumer({**common, "isolation.level": "read_uncommitted"})
    end = ledger.end_offset(plain, topic, partition)
    plain.close()
    consumer = Consumer({**common, "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0)])
    records, deadline = [], time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < deadline, f"{topic}-{partition} is not stable up to its end {end}"
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error() is None:
            records.append((message.offset(), message.value().decode()))
        elif message.error().code() == KafkaError._PARTITION_EOF:
            if message.offset() >= end:
                break
        else:
            assert message.error().retriable(), message.error()
    consumer.close()
    return records


def positions(broker):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": GROUP, "isolation.level": "read_committed"})
    asked = [TopicPartition(SOURCE, partition) for partition in range(PLACES)]

    def ask():
        try:
            return consumer.committed(asked, 10)
        except KafkaException as error:
            assert error.args[0].retriable(), error
            return None

    found = cases.eventually("the committed offsets are known", ask, seconds=PATIENCE_S)
    consumer.close()
    return [(place.partition, max(place.offset, -1)) for place in found]


if __name__ == "__main__":
    cases.main()
