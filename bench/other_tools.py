"""Cases whose load is made by Kafka's own tools and by librdkafka, so that no client of ours flatters a broker."""

import json
import re
import subprocess
from dataclasses import replace

from measure import TOPIC, measured, produce

MEBIBYTE = 1 << 20
PRODUCED = re.compile(
    r"^(\d+) records sent, .*\(([\d.]+) MB/sec\), .* ([\d.]+) ms max latency,"
    r" (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99.9th",
    re.MULTILINE,
)
LATENCIES = re.compile(r"Avg latency: ([\d.]+) ms\s+Percentiles: 50th = (\d+), 99th = (\d+), 99.9th = (\d+)")


class OtherTool:
    """A part of the load that is not counted, and the load."""

    def __init__(self, load, peers=("ottla", "kafka")):
        self.load, self.peers = load, peers

    def run(self, peer, scale):
        load = self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        self.prepare(peer, load)
        return measured(peer, lambda: self.work(peer, load))

    def prepare(self, peer, load):
        self.work(peer, load.part(0.3))


class ProducerPerf(OtherTool):
    """`kafka-producer-perf-test`. Its latencies are whole milliseconds, counted from the call of `send`."""

    def work(self, peer, load):
        arguments = ["--num-records", load.records, "--record-size", load.size, "--throughput", load.rate or -1]
        arguments += ["--bootstrap-server", peer.address, "--topic", TOPIC, "--command-property", *properties(load)]
        found = searched(peer, PRODUCED, tool(peer, "ProducerPerformance", *arguments))
        if int(found[1]) != load.records:
            raise SystemExit(f"{peer.name}: {found[1]} of {load.records} records were sent")
        latency = {"p50_ms": int(found[4]), "p99_ms": int(found[5]), "p999_ms": int(found[6]), "max_ms": float(found[3])}
        return report(load, float(found[2]) * MEBIBYTE / 1e6, latency)


class ConsumerPerf(OtherTool):
    """`kafka-consumer-perf-test`, of records in the page cache."""

    def prepare(self, peer, load):
        produce(peer, replace(load, rate=0))
        self.work(peer, load.part(0.3))

    def work(self, peer, load):
        arguments = ["--bootstrap-server", peer.address, "--topic", TOPIC, "--num-records", load.records, "--hide-header"]
        said = tool(peer, "ConsumerPerformance", *arguments)
        # The fifth column counts records, the ninth is MiB per second without the time to join the group.
        row = said.strip().splitlines()[-1].split(",")
        if int(row[4]) < load.records:
            raise SystemExit(f"{peer.name}: {row[4]} of {load.records} records were read: {said}")
        return report(replace(load, records=int(row[4])), float(row[8]) * MEBIBYTE / 1e6)


class EndToEndLatency(OtherTool):
    """`kafka-e2e-latency`: one record after another, each read before the next is sent. Whole milliseconds."""

    def work(self, peer, load):
        arguments = ["--bootstrap-server", peer.address, "--topic", TOPIC, "--num-records", load.records]
        arguments += ["--producer-acks", load.acks, "--record-size", load.size]
        found = searched(peer, LATENCIES, tool(peer, "EndToEndLatency", *arguments))
        latency = {"mean_ms": float(found[1])} | dict(zip(("p50_ms", "p99_ms", "p999_ms"), map(int, found.groups()[1:])))
        return report(load, load.size / 1000 / latency["mean_ms"], latency)


class Librdkafka(OtherTool):
    """The program of librdkafka/."""

    def work(self, peer, load):
        command = [peer.programs.librdkafka, "produce", peer.address, TOPIC]
        command += [str(load.records), str(load.size), str(load.rate), *properties(load)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        if found["errors"] or found["records"] != load.records:
            raise SystemExit(f"{peer.name}: {found['records']} of {load.records} records, {found['errors']} errors")
        return found


def properties(load):
    return [f"acks={load.acks}", f"linger.ms={load.linger}", f"batch.size={load.batch}"]


def tool(peer, name, *arguments):
    """What one of Kafka's tools prints."""
    command = peer.programs.java(f"org.apache.kafka.tools.{name}", *map(str, arguments))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{peer.name}: {name}: {done.stderr or done.stdout}")
    return done.stdout


def searched(peer, wanted, said):
    found = wanted.search(said)
    if not found:
        raise SystemExit(f"{peer.name}: no figures in: {said}")
    return found


def report(load, megabytes_per_second, latency=None):
    """In the form of what `ottla perf` reports."""
    latencies = [latency] if latency else []
    records, size = load.records, load.records * load.size
    return {"records": records, "bytes": size, "megabytes_per_second": megabytes_per_second, "latency": latencies}
