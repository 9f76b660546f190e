"""Cases with something in the way: half of what Kafka can do, retention, compaction."""

import os
import time
from dataclasses import replace

from data_path import Latency
from measure import TOPIC, produce
from peers import PEERS


class HalfOfKafka(Latency):
    """End to end at half of the rate that Kafka reached in the same run, for all brokers."""

    rate = None

    def run(self, peer, scale):
        if self.rate is None:
            self.rate = half_of_kafka(peer, self.load, scale)
            self.load = replace(self.load, rate=self.rate)
        return super().run(peer, scale) | {"records per s": self.rate}


def half_of_kafka(peer, load, scale):
    """Records per second: half of what Kafka takes as fast as it can."""
    kafka = PEERS["kafka"](peer.programs, os.path.dirname(peer.directory))
    full = replace(load, rate=0, records=max(1000, int(1_000_000 * scale)))
    try:
        kafka.start()
        kafka.create_topic(TOPIC, load.partitions)
        produce(kafka, full.part(0.3))
        report = produce(kafka, full)
    finally:
        kafka.stop()
        kafka.clear()
    return int(report["megabytes_per_second"] * 1e6 / load.size / 2)


class WhileCompacting:
    """Producers as fast as they can and at a rate, quiet and while a compacted topic of so many GB is cleaned."""

    peers = ("ottla", "kafka")
    waits = ("cleanup.policy=compact", "segment.bytes=67108864", "min.cleanable.dirty.ratio=0.99")
    keys = 100_000

    def __init__(self, gigabytes, load):
        self.gigabytes, self.load = gigabytes, load

    def run(self, peer, scale):
        load = self.load.part(scale)
        found = {}
        for kind, rate in (("as fast as possible", 0), ("at a rate", load.rate)):
            peer.start()
            peer.create_topic(TOPIC, load.partitions)
            self.fill(peer, scale)
            work = replace(load, rate=rate)
            produce(peer, work.part(0.3))
            quiet = produce(peer, work)
            before = directory_mb(peer, "dirty")
            peer.set_configs("topic/dirty", "min.cleanable.dirty.ratio=0.01", "min.compaction.lag.ms=0")
            wait_until(lambda: directory_mb(peer, "dirty") != before, 60)
            busy = produce(peer, work)
            if rate:
                found["p99 ms, quiet"] = quiet["latency"][0]["p99_ms"]
                found["p99 ms, compacting"] = busy["latency"][0]["p99_ms"]
            else:
                found["MB/s, quiet"] = quiet["megabytes_per_second"]
                found["MB/s, compacting"] = busy["megabytes_per_second"]
            found[f"{kind}: cleaned MB meanwhile"] = before - directory_mb(peer, "dirty")
            peer.stop()
            peer.clear()
        return found

    def fill(self, peer, scale):
        lag = "min.compaction.lag.ms=86400000"
        peer.create_topic("dirty", 6, (*self.waits, lag))
        records = int(self.gigabytes * scale * 1e9 / 1000)
        produce(peer, replace(self.load, topic="dirty", size=1000, records=records, rate=0, keys=self.keys))


def directory_mb(peer, topic):
    """What the files of a topic hold."""
    total = 0
    for name in os.listdir(peer.directory):
        if name.rsplit("-", 1)[0] == topic:
            with os.scandir(os.path.join(peer.directory, name)) as files:
                total += sum(size_of(file) for file in files)
    return total / 1e6


def size_of(file):
    try:
        return file.stat().st_size if file.name.endswith(".log") else 0
    except FileNotFoundError:
        return 0


def wait_until(condition, seconds):
    """Gives up silently: the figure of what was cleaned tells."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
