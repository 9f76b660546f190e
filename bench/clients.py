"""Cases that compare clients at one broker."""

import json
import resource
import subprocess
from dataclasses import replace

from measure import TOPIC, figures, perf, produce


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
