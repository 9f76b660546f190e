"""Black-box suite: a full disk refuses writes and hurts nothing else.

The broker's data lives on a small loop-mounted ext4 with a ballast file. Records are written until the disk is full: the
broker must refuse them with a storage error, go on serving reads and metadata changes, and take records again by itself
once the ballast is gone. What was acknowledged is there, exactly once. (Apache Kafka's broker gives its log directory up
and ends instead; there only that is looked at.)
"""

import os
import signal
import sys

import cases
import ledger
import loopfs
from broker import Broker, answers
from cases import case, equal
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

# Apache Kafka preallocates 10 MB for each index and needs a larger disk to start at all.
MEGABYTES = 160
BALLAST_MEGABYTES = 64
VALUE_BYTES = 100_000


class Writer:
    """Sends one numbered record at a time and remembers what was acknowledged."""

    def __init__(self, broker, topic):
        self.topic = topic
        self.next = 0
        self.acknowledged = []
        self.producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "retries": 0, "message.timeout.ms": 10_000,
                                  "enable.idempotence": False, "compression.type": "none", "linger.ms": 0})

    def write(self):
        """None when the record was acknowledged, else the error."""
        outcome = []
        value = b"%08d" % self.next + cases.noise(VALUE_BYTES, self.next)
        self.producer.produce(self.topic, value, partition=0, on_delivery=lambda error, _: outcome.append(error))
        self.producer.flush(20)
        assert outcome, "no answer within 20 s"
        if outcome[0] is None:
            self.acknowledged.append(self.next)
        self.next += 1
        return outcome[0]


def read_numbers(broker, topic):
    """The number of each record in the topic, in order."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False})
    end = ledger.end_offset(consumer, topic, 0)
    consumer.assign([TopicPartition(topic, 0, 0)])
    numbers, last = [], -1
    while last < end - 1:
        message = cases.eventually("a record", lambda: consumer.poll(1.0))
        assert message.error() is None, message.error()
        assert message.value()[8:] == cases.noise(VALUE_BYTES, int(message.value()[:8])), f"another value at {message.offset()}"
        numbers.append(int(message.value()[:8]))
        last = message.offset()
    consumer.close()
    return numbers


def check_acknowledged(broker, writer):
    numbers = read_numbers(broker, writer.topic)
    equal(len(set(numbers)), len(numbers), "records that are there once")
    missing = sorted(set(writer.acknowledged) - set(numbers))
    equal([], missing, "acknowledged records that are missing")


def alter_config(admin, topic):
    entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(20)


def fill_up(writer):
    for _ in range(3 * MEGABYTES * 1024 * 1024 // VALUE_BYTES):
        error = writer.write()
        if error is not None:
            return error
    raise AssertionError("the disk never became full")


@case
def a_full_disk_refuses_writes_and_recovers_by_itself():
    with loopfs.LoopFilesystem(cases.WORK, MEGABYTES) as filesystem:
        ballast = os.path.join(filesystem.mount_point, "ballast")
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, BALLAST_MEGABYTES * 1024 * 1024)
        broker = Broker(os.path.join(filesystem.mount_point, "data"), log=os.path.join(cases.WORK, "broker.log"))
        broker.start()
        try:
            run(broker, ballast)
        finally:
            broker.stop()


def run(broker, ballast):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic("full", 1, 1)])["full"].result(20)
    cases.eventually("the topic is known", lambda: admin.list_topics("full", timeout=5).topics["full"].partitions)
    writer = Writer(broker, "full")
    error = fill_up(writer)
    if cases.PEER == "kafka":
        cases.finding("full_disk", f"after {len(writer.acknowledged)} records Kafka says {error.name()}; "
                      f"answers: {answers(broker.port)}, exit code: {broker.process.poll()}")
        return
    equal("KAFKA_STORAGE_ERROR", error.name(), "error of a write to the full disk")
    check_acknowledged(broker, writer)
    alter_config(admin, "full")
    assert writer.write() is not None, "a second write to the full disk is acknowledged"
    os.remove(ballast)
    cases.eventually("writes are taken again", lambda: writer.write() is None, seconds=30, interval=0.2)
    check_acknowledged(broker, writer)
    broker.kill()
    broker.start()
    check_acknowledged(broker, writer)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    loopfs.remove_leftovers("/fulldisk/mnt")
    cases.main()
