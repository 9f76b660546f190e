"""What is measured: ottla, Apache Kafka as it ships, and the floor (`ottla-bench floor`); each a process on an empty directory."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
KAFKA_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


# An ApiVersions request, version 0, correlation id 7.
API_VERSIONS = bytes([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Programs:
    """Where everything is."""

    def __init__(self, ottla, bench, jars, librdkafka):
        self.ottla, self.bench, self.jars, self.librdkafka = ottla, bench, jars, librdkafka

    def java(self, main, *arguments, heap="512m"):
        return ["java", f"-Xmx{heap}", "-cp", os.path.join(self.jars, "*"), main, *arguments]


class Peer:
    """A broker process, and what can be seen of it from outside."""

    name = None

    def __init__(self, programs, directory):
        self.programs = programs
        self.directory = os.path.join(directory, self.name)
        self.port = free_port()
        self.process = None

    @property
    def log(self):
        return self.directory + ".log"

    def last_words(self):
        """The end of what it logged in all of its starts."""
        try:
            with open(self.log, errors="replace") as log:
                return "".join(log.readlines()[-20:])
        except FileNotFoundError:
            return "it was not started"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def start(self):
        """Starts it on what its directory holds; returns the seconds until it answers a request."""
        os.makedirs(self.directory, exist_ok=True)
        command = self.command()
        with open(self.log, "a") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while time.monotonic() - began < 300:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}")
            if self.answers():
                return time.monotonic() - began
            time.sleep(0.002)
        raise SystemExit(f"{self.name} did not answer within 300 s")

    def answers(self):
        """Whether it answers an ApiVersions request."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(API_VERSIONS)
                answer = connection.recv(8)
                return len(answer) == 8 and answer[4:8] == bytes([0, 0, 0, 7])
        except OSError:
            return False

    @property
    def pid(self):
        """The broker's process."""
        return self.process.pid

    def create_topic(self, topic, partitions, configs=()):
        options = [part for config in configs for part in ("--config", config)]
        command = [self.programs.ottla, "topic", "create", topic, "--bootstrap-server", self.address]
        subprocess.run([*command, "--partitions", str(partitions), *options], check=True, stdout=subprocess.DEVNULL)

    def set_configs(self, entity, *configs):
        command = [self.programs.ottla, "config", "set", entity, *configs, "--bootstrap-server", self.address]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self, what):
        """VmRSS or VmHWM."""
        with open(f"/proc/{self.pid}/status") as status:
            line = next(line for line in status if line.startswith(what + ":"))
        return int(line.split()[1]) / 1024

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def written_mb(self):
        with open(f"/proc/{self.pid}/io") as counts:
            line = next(line for line in counts if line.startswith("write_bytes:"))
        return int(line.split()[1]) / 1e6

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.pid, how)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def clear(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Ottla(Peer):
    """ottla with write.caching=true: the promise that Kafka gives as it ships."""

    name = "ottla"
    configs = ("write.caching=true",)

    def command(self):
        return [self.programs.ottla, "serve", "--data-dir", self.directory, "--listen", self.address]

    def create_topic(self, topic, partitions, configs=()):
        super().create_topic(topic, partitions, (*self.configs, *configs))


class OttlaDurable(Ottla):
    """ottla as it ships: an acknowledgement means that the records are on the disk."""

    name = "ottla-durable"
    configs = ()


class OttlaSlowDisk(OttlaDurable):
    """ottla as it ships on a disk that takes 5 ms longer to sync, a file or all files at once."""

    name = "ottla-slow-disk"

    def command(self):
        delay = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_disk.py")
        return [sys.executable, delay, "5", *super().command()]

    @property
    def pid(self):
        # The command is the one child of what delays it.
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return int(children.read().split()[0])


class Kafka(Peer):
    """Apache Kafka as it ships, with a heap of 1 GB: its own default."""

    name = "kafka"

    def command(self):
        properties = self.directory + ".properties"
        if not os.path.exists(os.path.join(self.directory, "meta.properties")):
            with open(properties, "w") as file:
                file.write(KAFKA_PROPERTIES.format(port=self.port, controller=free_port(), data=self.directory))
            tool = self.programs.java("kafka.tools.StorageTool", "format", "--standalone", "-c", properties)
            subprocess.run([*tool, "-t", "4L6g3nShT-eMCtK--X86sw"], check=True, stdout=subprocess.DEVNULL)
        flags = ["-Xms1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]
        java, heap, *rest = self.programs.java("kafka.Kafka", properties, heap="1g")
        return [java, heap, *flags, *rest]

    def create_topic(self, topic, partitions, configs=()):
        """Returns when the broker knows the topic: Kafka answers before."""
        super().create_topic(topic, partitions, configs)
        command = [self.programs.ottla, "topic", "describe", topic, "--bootstrap-server", self.address]
        began = time.monotonic()
        while subprocess.run(command, capture_output=True).returncode:
            if time.monotonic() - began > 30:
                raise SystemExit(f"kafka does not show the topic {topic} that it has made")
            time.sleep(0.1)


class Floor(Peer):
    """The least that anything can do."""

    name = "floor"
    partitions = 6

    def command(self):
        listen = ["--listen", self.address, "--dir", self.directory, "--partitions", str(self.partitions)]
        return [self.programs.bench, "floor", *listen]

    def create_topic(self, topic, partitions, configs=()):
        """Every topic is there; how many partitions it has is said at the start."""
        if partitions != self.partitions:
            self.stop()
            self.partitions = partitions
            self.start()


class OttlaClient(Ottla):
    """ottla, where a case compares clients: ours."""

    name = "ottla-client"


class Librdkafka(Ottla):
    """ottla, where a case compares clients: librdkafka."""

    name = "librdkafka"


PEERS = {peer.name: peer for peer in (Ottla, OttlaDurable, OttlaSlowDisk, Kafka, Floor, OttlaClient, Librdkafka)}
