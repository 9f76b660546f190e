"""What is measured, and how: each case runs its load against one broker and returns figures by name.

Rates are the same for every broker, so that none is judged by how its client batches when it is slow.
"""

import json
import resource
import signal
import subprocess
import time
from dataclasses import dataclass, replace

# The figures; less is better for all but the first two.
THROUGHPUT, RECORDS_PER_CPU = "MB/s", "records per CPU s"
CPU_GB, CPU_MILLION = "CPU s per GB", "CPU s per million records"
P50, P99, P999, SLOWEST = "p50 ms", "p99 ms", "p99.9 ms", "max ms"
MEMORY, WRITTEN = "peak MB", "written MB"
TOPIC = "bench"


@dataclass(frozen=True)
class Load:
    """Records that `ottla perf produce` writes."""

    size: int = 1024
    records: int = 1_000_000
    # Records per second; 0 is as many as possible.
    rate: int = 30_000
    partitions: int = 6
    connections: int = 1
    acks: str = "1"
    linger: int = 5
    batch: int = 65536
    compression: str = "none"

    def part(self, share):
        return replace(self, records=max(1000, int(self.records * share)))


def perf(peer, kind, *arguments):
    """Runs `ottla perf` and returns its report."""
    command = [peer.programs.ottla, "perf", kind, TOPIC, "--bootstrap-server", peer.address, "--output", "json"]
    done = subprocess.run([*command, *map(str, arguments)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def produce(peer, load):
    arguments = ["--records", load.records, "--record-size", load.size, "--connections", load.connections]
    arguments += ["--acks", load.acks, "--linger", load.linger, "--batch-size", load.batch]
    arguments += ["--compression", load.compression] + (["--rate", load.rate] if load.rate else [])
    report = perf(peer, "produce", *arguments)
    if report["errors"]:
        raise SystemExit(f"{peer.name}: {report['errors']} records were not taken")
    return report


def figures(report, cpu):
    gigabytes = report["bytes"] / 1e9
    found = {
        THROUGHPUT: report["megabytes_per_second"],
        CPU_GB: cpu / gigabytes,
        CPU_MILLION: cpu / (report["records"] / 1e6),
        RECORDS_PER_CPU: report["records"] / max(cpu, 0.01),
    }
    for latency in report["latency"][:1]:
        found |= {P50: latency["p50_ms"], P99: latency["p99_ms"], P999: latency["p999_ms"], SLOWEST: latency["max_ms"]}
    return found


def measured(peer, work):
    """The figures of `work`, which returns a report, with the broker's CPU, memory and written bytes."""
    before, written = peer.cpu_seconds(), peer.written_mb()
    report = work()
    found = figures(report, peer.cpu_seconds() - before)
    return found | {MEMORY: peer.memory_mb("VmHWM"), WRITTEN: peer.written_mb() - written}


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
        perf(peer, "consume", "--records", load.records // 3)
        if self.is_cold:
            drop_page_cache()
        return measured(peer, lambda: self.consume(peer, load))

    def consume(self, peer, load):
        reports = together([lambda: perf(peer, "consume", "--records", load.records)] * self.consumers)
        total = dict(reports[0])
        for name in ("records", "bytes", "megabytes_per_second"):
            total[name] = sum(report[name] for report in reports)
        return total


class Clients:
    """Our client and librdkafka in turn against the same broker. The CPU is the client's."""

    peers = ("ottla-client", "librdkafka")

    def __init__(self, load, reads=False):
        self.load, self.reads = load, reads

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        produce(peer, replace(load, rate=0))
        work = {"ottla-client": self.ours, "librdkafka": self.theirs}[peer.name]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = work(peer, load)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if report["errors"] or report["records"] != load.records:
            raise SystemExit(f"{peer.name}: {report['records']} of {load.records} records, {report['errors']} errors")
        return figures(report, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def ours(self, peer, load):
        return perf(peer, "consume", "--records", load.records) if self.reads else produce(peer, load)

    def theirs(self, peer, load):
        command = [peer.programs.librdkafka, "consume" if self.reads else "produce", peer.address, TOPIC]
        command += [str(load.records), str(load.size), str(load.rate)]
        if not self.reads:
            command += [f"acks={load.acks}", f"linger.ms={load.linger}", f"batch.size={load.batch}"]
            command += ["batch.num.messages=1000000", "queue.buffering.max.messages=100000", "enable.idempotence=true"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)


class Latency:
    """From the moment a record was due to be sent until it was read, at a rate."""

    def __init__(self, load, peers=("ottla", "ottla-durable", "kafka")):
        self.load, self.peers = load, peers

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        arguments = ["--record-size", load.size, "--acks", load.acks, "--rate", load.rate]
        perf(peer, "latency", "--records", load.records // 4, *arguments)
        return measured(peer, lambda: perf(peer, "latency", "--records", load.records, *arguments))


class Transactions:
    """A transactional producer, as fast as it can, beside an idempotent one at the same broker."""

    peers = ("ottla", "ottla-durable", "kafka")

    def __init__(self, seconds=20, partitions=6, transaction_ms=100):
        self.seconds, self.partitions, self.transaction_ms = seconds, partitions, transaction_ms

    def run(self, peer, scale):
        seconds = max(1, self.seconds * scale)
        peer.start()
        peer.create_topic(TOPIC, self.partitions)
        kinds = {"idempotent": ["--idempotent"], "transactional": ["--transaction-ms", self.transaction_ms]}
        for arguments in kinds.values():
            transactions(peer, seconds / 3, *arguments)
        found = {}
        for name, arguments in kinds.items():
            before = peer.cpu_seconds()
            report = transactions(peer, seconds, *arguments)
            found[f"{name} {THROUGHPUT}"] = report["megabytes_per_second"]
            found[f"{name} {CPU_GB}"] = (peer.cpu_seconds() - before) / (report["bytes"] / 1e9)
        ratio = found[f"transactional {THROUGHPUT}"] / found[f"idempotent {THROUGHPUT}"]
        return found | {"transactional, % of idempotent": 100 * ratio} | commits(report)


class TransactionalIds:
    """Very many transactional ids at once, each with one transaction after another, at a rate."""

    peers = ("ottla", "ottla-durable", "kafka")

    def __init__(self, count, seconds=30, partitions=6, transaction_ms=1000, rate=5):
        self.count, self.seconds, self.partitions = count, seconds, partitions
        self.transaction_ms, self.rate = transaction_ms, rate

    def run(self, peer, scale):
        count, seconds = max(10, int(self.count * scale)), max(3, self.seconds * scale)
        peer.start()
        peer.create_topic(TOPIC, self.partitions)
        arguments = ["--producers", count, "--transaction-ms", self.transaction_ms, "--rate", self.rate]
        transactions(peer, max(2, seconds / 6), *arguments)
        before = peer.cpu_seconds()
        report = transactions(peer, seconds, *arguments)
        cpu, done = peer.cpu_seconds() - before, report["transactions"]
        found = {"transactions per s": done / report["seconds"], "CPU s per 1,000 transactions": 1000 * cpu / done}
        return found | commits(report) | {MEMORY: peer.memory_mb("VmHWM")}


def transactions(peer, seconds, *arguments):
    """Runs `ottla-bench transactions` and returns its report; a record that is not taken ends it."""
    command = [peer.programs.bench, "transactions", "--bootstrap-server", peer.address, "--topic", TOPIC]
    command += ["--seconds", seconds, *arguments]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def commits(report):
    return {"commit p50 ms": report["commit"]["p50_ms"], "commit p99 ms": report["commit"]["p99_ms"]}


class Start:
    """Start on an empty directory, idle, and starts after a clean stop and after kill -9 on so many GB."""

    peers = ("ottla", "kafka")

    def __init__(self, gigabytes, idle_seconds=15):
        self.gigabytes, self.idle_seconds = gigabytes, idle_seconds

    def run(self, peer, scale):
        found = {"start on empty, s": peer.start()}
        idle_seconds = max(1, self.idle_seconds * min(1, scale))
        time.sleep(min(2, idle_seconds))
        before = peer.cpu_seconds()
        time.sleep(idle_seconds)
        found["idle, % of a core"] = 100 * (peer.cpu_seconds() - before) / idle_seconds
        found["idle MB"] = peer.memory_mb("VmRSS")
        load = Load(records=int(self.gigabytes * scale * 1e9 / 10_000), size=10_000, rate=0, batch=1 << 20)
        peer.create_topic(TOPIC, load.partitions)
        produce(peer, load)
        peer.stop()
        found["start after a clean stop, s"] = peer.start()
        produce(peer, load.part(0.02))
        peer.stop(signal.SIGKILL)
        found["start after kill -9, s"] = peer.start()
        return found


class Partitions:
    """A topic with very many partitions: creation, memory, idle CPU, restart."""

    peers = ("ottla", "kafka")

    def __init__(self, count):
        self.count = count

    def run(self, peer, scale):
        count = max(100, int(self.count * scale))
        peer.start()
        began = time.monotonic()
        # Kafka refuses a single request for more than 10,000.
        for index in range(0, count, 10_000):
            peer.create_topic(f"{TOPIC}-{index}", min(10_000, count - index))
        found = {"creation, s": time.monotonic() - began}
        time.sleep(3)
        before = peer.cpu_seconds()
        time.sleep(10)
        found["idle, % of a core"] = 100 * (peer.cpu_seconds() - before) / 10
        found["resident MB"] = peer.memory_mb("VmRSS")
        peer.stop()
        found["restart, s"] = peer.start()
        return found


def together(works):
    """Runs all at the same time; returns their results."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def drop_page_cache():
    """Needs root; without it the case would measure something else."""
    subprocess.run(["sync"], check=True)
    with open("/proc/sys/vm/drop_caches", "w") as control:
        control.write("1\n")


ONE_KB = Load()
SMALL = Load(size=100, records=5_000_000, rate=200_000)
ALL = ("ottla", "ottla-durable", "kafka", "floor")

CASES = {
    "produce-1k": Produce(ONE_KB, ALL),
    "produce-100b": Produce(SMALL),
    "produce-100k": Produce(Load(size=100_000, records=20_000, rate=500, batch=1 << 20)),
    "produce-max": Produce(replace(ONE_KB, rate=0, acks="all"), ("ottla", "ottla-durable", "kafka")),
    "produce-1-partition": Produce(replace(ONE_KB, partitions=1)),
    "produce-100-partitions": Produce(replace(ONE_KB, partitions=100)),
    "produce-acks-0": Produce(replace(ONE_KB, acks="0")),
    "produce-acks-all": Produce(replace(ONE_KB, acks="all"), ALL),
    "produce-20-producers": Produce(replace(ONE_KB, connections=20)),
    "produce-linger-0": Produce(Load(size=100, records=1_000_000, rate=0, connections=50, linger=0)),
    "produce-gzip": Produce(replace(ONE_KB, compression="gzip", records=300_000, rate=10_000)),
    "produce-snappy": Produce(replace(ONE_KB, compression="snappy")),
    "produce-lz4": Produce(replace(ONE_KB, compression="lz4")),
    "produce-zstd": Produce(replace(ONE_KB, compression="zstd")),
    "fetch-1k": Fetch(ONE_KB),
    "fetch-cold": Fetch(ONE_KB, is_cold=True),
    "fetch-fan-out": Fetch(replace(ONE_KB, records=500_000), consumers=10),
    "client-produce-1k": Clients(replace(ONE_KB, rate=0, acks="all", records=2_000_000)),
    "client-produce-100b": Clients(replace(SMALL, rate=0, acks="all")),
    "client-consume-1k": Clients(replace(ONE_KB, rate=0, records=2_000_000), reads=True),
    "client-consume-100b": Clients(replace(SMALL, rate=0), reads=True),
    "client-paced-1k": Clients(replace(ONE_KB, acks="all")),
    "client-paced-100b": Clients(replace(SMALL, acks="all")),
    "latency": Latency(replace(ONE_KB, rate=2_000, records=60_000, acks="all")),
    "transactions-1k": Transactions(),
    "transactions-1000-ids": TransactionalIds(1_000),
    "start": Start(10),
    "partitions-5000": Partitions(5_000),
    "partitions-50000": Partitions(50_000),
}
# What the short form runs, at a hundredth of the size: whether everything works, not how fast it is.
SHORT = ["produce-1k", "fetch-1k", "latency", "transactions-1k", "transactions-1000-ids", "start"]
