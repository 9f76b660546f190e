#!/usr/bin/env python3
"""ottla beside Apache Kafka 4.3, in one run: start, idle, and CPU per GB produced and fetched.

Each broker starts on an empty directory, answers a Metadata request, rests, takes records from Kafka's own
kafka-producer-perf-test and gives them to a raw fetch loop. Clients are the same for both. CPU is that of
the broker's process alone. The machine may be noisy: read the ratios, not the seconds.

Usage: first_look.py --ottla PROGRAM --jars DIRECTORY [--records N] [--idle SECONDS]
"""

import argparse
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
RECORD_BYTES = 1024


class Broker:
    """One broker process and what can be measured of it from outside."""

    def __init__(self, name, command, address, directory):
        self.name, self.directory = name, directory
        self.log = open(os.path.join(directory, "..", name + ".log"), "w")
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        self.address = address

    def wait_until_it_answers(self, limit=60):
        while time.monotonic() - self.started < limit:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}; see {self.log.name}")
            try:
                with Connection(self.address) as connection:
                    if connection.has_brokers():
                        return time.monotonic() - self.started
            except OSError:
                time.sleep(0.001)
        raise SystemExit(f"{self.name} did not answer within {limit} s; see {self.log.name}")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith(what + ":"):
                    return int(line.split()[1]) / 1024
        return float("nan")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Connection:
    """Just enough of the protocol to ask for metadata and to fetch."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=60)
        self.buffer = bytearray(1 << 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, key, version, body):
        frame = struct.pack(">hhih", key, version, 1, 5) + b"bench" + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        size = struct.unpack(">i", self.exactly(4))[0]
        return size

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise OSError("closed by the broker")
            data += piece
        return bytes(data)

    def skip(self, count):
        while count:
            received = self.socket.recv_into(self.buffer, min(count, len(self.buffer)))
            if not received:
                raise OSError("closed by the broker")
            count -= received

    def has_brokers(self):
        size = self.request(3, 1, struct.pack(">i", 0))
        answer = self.exactly(size)
        return struct.unpack_from(">i", answer, 4)[0] > 0

    def fetch(self, topic, partition, offset):
        """Returns (bytes of records, base offset of the last whole batch's successor or None)."""
        name = struct.pack(">h", len(topic)) + topic.encode()
        body = struct.pack(">iiiib", -1, 500, 1, 50 << 20, 0) + struct.pack(">i", 1) + name
        body += struct.pack(">iiqi", 1, partition, offset, 8 << 20)
        size = self.request(1, 4, body)
        # correlation, throttle, topics, name, partitions, index, error, hw, lso, aborted, records
        head = self.exactly(4 + 4 + 4 + len(name) + 4 + 4 + 2 + 8 + 8 + 4)
        aborted = struct.unpack(">i", head[-4:])[0]
        self.skip(max(aborted, 0) * 16)
        length = struct.unpack(">i", self.exactly(4))[0]
        records = self.exactly(min(length, 61)) if length > 0 else b""
        left = size - len(head) - max(aborted, 0) * 16 - 4 - len(records)
        return length, records, left


def next_offset(connection, records, left):
    """Walks the batch headers of one answer; reads the rest of it."""
    data = bytearray(records)
    data += connection.exactly(left)
    position, following = 0, None
    while position + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, position)
        if position + 12 + length > len(data):
            break
        following = base + struct.unpack_from(">i", data, position + 23)[0] + 1
        position += 12 + length
    return following, position


def produce(jars, address, topic, records):
    tool = ["java", "-Xmx512m", "-cp", os.path.join(jars, "*"), "org.apache.kafka.tools.ProducerPerformance"]
    command = tool + ["--topic", topic, "--num-records", str(records), "--record-size", str(RECORD_BYTES)]
    command += ["--throughput", "-1", "--producer-props", "bootstrap.servers=%s:%d" % address, "acks=1"]
    command += ["batch.size=262144", "linger.ms=5", "buffer.memory=134217728"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def create_topic(jars, address, topic, configs):
    tool = ["java", "-cp", os.path.join(jars, "*"), "org.apache.kafka.tools.TopicCommand"]
    command = tool + ["--bootstrap-server", "%s:%d" % address, "--create", "--topic", topic, "--partitions", "1"]
    for config in configs:
        command += ["--config", config]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def consume(address, topic, gigabytes_limit):
    total, offset, empty = 0, 0, 0
    with Connection(address) as connection:
        while empty < 2 and total < gigabytes_limit * 1e9:
            length, records, left = connection.fetch(topic, 0, offset)
            following, used = next_offset(connection, records, left)
            if following is None:
                empty += 1
                continue
            offset, total = following, total + used
    return total


def measure(broker, jars, records, idle):
    result = {"first answer, s": broker.wait_until_it_answers()}
    time.sleep(2)
    before = broker.cpu_seconds()
    time.sleep(idle)
    result["idle CPU, % of a core"] = 100 * (broker.cpu_seconds() - before) / idle
    result["idle memory, MB"] = broker.memory_mb()
    gigabytes = records * RECORD_BYTES / 1e9
    create_topic(jars, broker.address, "bench", [])
    produce(jars, broker.address, "bench", records // 10)
    before = broker.cpu_seconds()
    produce(jars, broker.address, "bench", records)
    result["produce, CPU s per GB"] = (broker.cpu_seconds() - before) / gigabytes
    before = broker.cpu_seconds()
    fetched = consume(broker.address, "bench", 1e9) / 1e9
    result["fetch, CPU s per GB"] = (broker.cpu_seconds() - before) / fetched
    result["peak memory, MB"] = broker.memory_mb("VmHWM")
    return result


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_ottla(program, directory):
    port = free_port()
    data = os.path.join(directory, "ottla")
    os.makedirs(data)
    command = [program, "serve", "--data-dir", data, "--listen", f"127.0.0.1:{port}"]
    return Broker("ottla", command, ("127.0.0.1", port), data)


def start_kafka(jars, directory):
    port, controller = free_port(), free_port()
    data = os.path.join(directory, "kafka")
    os.makedirs(data)
    properties = os.path.join(directory, "kafka.properties")
    with open(properties, "w") as file:
        file.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
""")
    classpath = os.path.join(jars, "*")
    tool = ["java", "-cp", classpath, "kafka.tools.StorageTool", "format", "--standalone", "-c", properties]
    subprocess.run(tool + ["-t", "4L6g3nShT-eMCtK--X86sw"], check=True, stdout=subprocess.DEVNULL)
    command = ["java", "-Xmx1g", "-Xms1g", "-XX:+UseG1GC", "-cp", classpath, "kafka.Kafka", properties]
    return Broker("kafka", command, ("127.0.0.1", port), data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ottla", required=True, help="the ottla program, a release build")
    parser.add_argument("--jars", required=True, help="directory with Apache Kafka's jars")
    parser.add_argument("--records", type=int, default=1_000_000, help="records of 1 KiB to produce and fetch")
    parser.add_argument("--idle", type=float, default=10, help="seconds of idling that are measured")
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="ottla-bench-")
    results = {}
    try:
        for name, start in (("kafka", start_kafka), ("ottla", start_ottla)):
            source = arguments.jars if name == "kafka" else arguments.ottla
            broker = start(source, directory)
            try:
                results[name] = measure(broker, arguments.jars, arguments.records, arguments.idle)
            finally:
                broker.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{'':26}{'ottla':>10}{'kafka':>10}{'ratio':>8}")
    for row in results["ottla"]:
        ours, theirs = results["ottla"][row], results["kafka"][row]
        ratio = f"{ours / theirs:8.3f}" if theirs else "       -"
        print(f"{row:26}{ours:10.3f}{theirs:10.3f}{ratio}")


if __name__ == "__main__":
    sys.exit(main())
