"""Cases with transactions; the generator is `ottla-bench transactions`."""

import json
import subprocess

from measure import CPU_GB, MEMORY, THROUGHPUT, TOPIC


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
