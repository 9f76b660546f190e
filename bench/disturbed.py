"""Cases with something in the way: half of what Kafka can do, retention, compaction."""

import os
import time
from dataclasses import replace
from statistics import median

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
    """Producers as fast as they can and at a rate, quiet and while a compacted topic of so many GB is cleaned.

    The first is done in several pairs, each with a compacted topic of its own: what the machine does beside, such as taking
    memory into use for the first time, changes from second to second."""

    peers = ("ottla", "kafka")
    waits = ("cleanup.policy=compact", "segment.bytes=67108864", "min.cleanable.dirty.ratio=0.99")
    lag = "min.compaction.lag.ms=86400000"
    keys = 100_000
    pairs = 4

    def __init__(self, gigabytes, load):
        self.gigabytes, self.load = gigabytes, load

    def run(self, peer, scale):
        fast, quiet, busy, cleaned = self.measure(peer, scale, 0, self.pairs)
        losses = [1 - after["megabytes_per_second"] / before["megabytes_per_second"] for before, after in fast]
        found = {
            "MB/s, quiet": median(quiet),
            "MB/s, compacting": median(busy),
            "% lost, median of pairs": 100 * median(losses),
            "as fast as possible: cleaned MB meanwhile": cleaned,
        }
        paced, _, _, cleaned = self.measure(peer, scale, self.load.rate, 1)
        quiet, busy = (report["latency"][0]["p99_ms"] for report in paced[0])
        return found | {
            "p99 ms, quiet": quiet,
            "p99 ms, compacting": busy,
            "at a rate: cleaned MB meanwhile": cleaned,
        }

    def measure(self, peer, scale, rate, pairs):
        """The reports of the pairs, their MB/s, and the MB by which compaction made the logs smaller in the median."""
        load = replace(self.load, rate=rate).part(scale)
        topics = [f"dirty-{pair}" for pair in range(pairs)]
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        for topic in topics:
            self.fill(peer, topic, scale)
        produce(peer, load.part(0.3))
        reports, cleaned = zip(*(pair(peer, load, topic) for topic in topics))
        peer.stop()
        peer.clear()
        quiet, busy = ([report["megabytes_per_second"] for report in kind] for kind in zip(*reports))
        return reports, quiet, busy, median(cleaned)

    def fill(self, peer, topic, scale):
        peer.create_topic(topic, 6, (*self.waits, self.lag))
        records = int(self.gigabytes * scale * 1e9 / 1000)
        produce(peer, replace(self.load, topic=topic, size=1000, records=records, rate=0, keys=self.keys))


def pair(peer, load, topic):
    """Produces twice, the second time while `topic` is compacted; and the MB by which that made it smaller meanwhile."""
    quiet = produce_on_calm_disk(peer, load)
    before = directory_mb(peer, topic)
    peer.set_configs(f"topic/{topic}", "min.cleanable.dirty.ratio=0.01", "min.compaction.lag.ms=0")
    wait_until(lambda: directory_mb(peer, topic) != before, 60)
    busy = produce_on_calm_disk(peer, load)
    cleaned = before - directory_mb(peer, topic)
    wait_until_it_stays(lambda: directory_mb(peer, topic), 120)
    return (quiet, busy), cleaned


def produce_on_calm_disk(peer, load):
    """Nothing that was written before is still to be written back, which would slow whichever run meets it."""
    os.sync()
    return produce(peer, load)


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


def wait_until_it_stays(value, seconds):
    """For three seconds; gives up silently."""
    deadline = time.monotonic() + seconds
    last, since = value(), time.monotonic()
    while time.monotonic() < min(deadline, since + 3):
        time.sleep(0.2)
        if (now := value()) != last:
            last, since = now, time.monotonic()
