"""Cases of the data path: producers, consumers, both at once."""

import subprocess
from dataclasses import replace

from measure import CPU_GB, MEMORY, P50, P99, TOPIC, consume, figures, measured, perf, produce, together


class Produce:
    """Producers alone."""

    def __init__(self, load, peers=("ottla", "kafka", "floor")):
        self.load, self.peers = load, peers

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        produce(peer, load.part(0.3))
        return measured(peer, lambda: produce(peer, load))


class Fetch:
    """Consumers of records that are there: in the page cache, or read from the disk when `is_cold`."""

    def __init__(self, load, consumers=1, is_cold=False, peers=("ottla", "kafka", "floor")):
        self.load, self.consumers, self.is_cold, self.peers = load, consumers, is_cold, peers

    def run(self, peer, scale):
        load = replace(self.load.part(scale), rate=0)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        produce(peer, load)
        consume(peer, "--records", load.records // 3)
        if self.is_cold:
            drop_page_cache()
        return measured(peer, lambda: self.consume(peer, load))

    def consume(self, peer, load):
        reports = together([lambda: consume(peer, "--records", load.records)] * self.consumers)
        total = dict(reports[0])
        for name in ("records", "bytes", "megabytes_per_second"):
            total[name] = sum(report[name] for report in reports)
        return total


class Tail:
    """Consumers that follow producers: what the consumers add to the broker's CPU."""

    peers = ("ottla", "kafka")

    def __init__(self, load):
        self.load = load

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        produce(peer, load.part(0.3))
        alone = figures(*self.with_cpu(peer, lambda: produce(peer, load)))
        peer.create_topic(f"{TOPIC}-tail", load.partitions)
        followed = replace(load, topic=f"{TOPIC}-tail")
        both = figures(*self.with_cpu(peer, lambda: self.follow(peer, followed)))
        return {
            "of the consumers: " + CPU_GB: both[CPU_GB] - alone[CPU_GB],
            "of both: " + CPU_GB: both[CPU_GB],
            P50: both[P50],
            P99: both[P99],
            MEMORY: peer.memory_mb("VmHWM"),
        }

    def follow(self, peer, load):
        reading = lambda: consume(peer, "--records", load.records, topic=load.topic)
        return together([lambda: produce(peer, load), reading])[0]

    def with_cpu(self, peer, work):
        before = peer.cpu_seconds()
        return work(), peer.cpu_seconds() - before


class ColdWhileProducing:
    """Readers of old data that is no longer in the page cache, while producers write at a rate."""

    peers = ("ottla", "kafka")

    def __init__(self, load):
        self.load = load

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        for topic in (TOPIC, f"{TOPIC}-old"):
            peer.create_topic(topic, load.partitions)
        produce(peer, replace(load, topic=f"{TOPIC}-old", rate=0))
        produce(peer, load.part(0.3))
        drop_page_cache()
        reading = lambda: consume(peer, "--records", load.records, topic=f"{TOPIC}-old")
        before = peer.cpu_seconds()
        written, read = together([lambda: produce(peer, load), reading])
        found = figures(written, peer.cpu_seconds() - before)
        return found | {"read MB/s": read["megabytes_per_second"], MEMORY: peer.memory_mb("VmHWM")}


class Latency:
    """From the moment a record was due to be sent until it was read, at a rate."""

    peers = ("ottla", "ottla-durable", "kafka")

    def __init__(self, load, configs=()):
        self.load, self.configs = load, configs

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions, self.configs)
        latency(peer, load.part(0.25))
        return measured(peer, lambda: latency(peer, load))


def latency(peer, load):
    """Runs `ottla perf latency`; of the report's latencies only those from end to end are left."""
    arguments = ["--records", load.records, "--record-size", load.size, "--acks", load.acks, "--rate", load.rate]
    arguments += ["--connections", load.connections, *(["--keys", load.keys] if load.keys else [])]
    report = perf(peer, "latency", *arguments)
    return report | {"latency": [found for found in report["latency"] if found["of"] == "end-to-end"]}


def drop_page_cache():
    """Needs root; without it the case would measure something else."""
    subprocess.run(["sync"], check=True)
    with open("/proc/sys/vm/drop_caches", "w") as control:
        control.write("1\n")
