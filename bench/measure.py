"""What every case measures with: loads, the generators, and the figures that come of their reports."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

# The figures; less is better for all but the first two.
THROUGHPUT, RECORDS_PER_CPU = "MB/s", "records per CPU s"
CPU_GB, CPU_MILLION = "CPU s per GB", "CPU s per million records"
P50, P99, P999, SLOWEST = "p50 ms", "p99 ms", "p99.9 ms", "max ms"
LATENCIES = {"mean_ms": "mean ms", "p50_ms": P50, "p99_ms": P99, "p999_ms": P999, "max_ms": SLOWEST}
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
    # Different keys; 0 is records without keys.
    keys: int = 0
    topic: str = TOPIC

    def part(self, share):
        return replace(self, records=max(1000, int(self.records * share)))


def perf(peer, kind, *arguments, topic=TOPIC):
    """Runs `ottla perf` and returns its report."""
    command = [peer.programs.ottla, "perf", kind, topic, "--bootstrap-server", peer.address, "--output", "json"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{peer.name}: ottla perf {kind} {' '.join(map(str, arguments))}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def produce(peer, load):
    arguments = ["--records", load.records, "--record-size", load.size, "--connections", load.connections]
    arguments += ["--acks", load.acks, "--linger", load.linger, "--batch-size", load.batch]
    arguments += ["--compression", load.compression] + (["--rate", load.rate] if load.rate else [])
    arguments += ["--keys", load.keys] if load.keys else []
    report = perf(peer, "produce", *arguments, topic=load.topic)
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
        found |= {figure: latency[name] for name, figure in LATENCIES.items() if name in latency}
    return found


def measured(peer, work):
    """The figures of `work`, which returns a report, with the broker's CPU, memory and written bytes."""
    before, written = peer.cpu_seconds(), peer.written_mb()
    report = work()
    found = figures(report, peer.cpu_seconds() - before)
    return found | {MEMORY: peer.memory_mb("VmHWM"), WRITTEN: peer.written_mb() - written}


def consume(peer, *arguments, topic=TOPIC):
    return perf(peer, "consume", *arguments, topic=topic)


def together(works):
    """Runs all at the same time; returns their results."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]
