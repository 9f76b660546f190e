"""Black-box suite: the quickstart of Apache Kafka 4.3 with ottla in place of Kafka, its commands word for word.

The commands use fixed ports and /tmp/kraft-combined-logs, so everything runs in namespaces of its own: a network with
nothing but loopback, an empty /tmp, and its own process ids. `bin/` holds what `ottla install-scripts` links. The node is
started with what Kafka ships as config/server.properties; with COMPAT_KAFKA_HOME set, with that file itself. The Connect step is
left out, and so is the Streams demo, which the suite `streams` runs.
"""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

import cases
from broker import answers
from cases import case

OTTLA = os.environ["COMPAT_OTTLA"]
HOME = os.path.join(cases.WORK, "kafka_2.13-4.3.0")
PORT = 9092
INSIDE = "--inside"

# What Kafka 4.3 sets in the config/server.properties that it ships.
SERVER_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.bootstrap.servers": "localhost:9093",
    "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "inter.broker.listener.name": "PLAINTEXT",
    "advertised.listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "num.network.threads": "3",
    "num.io.threads": "8",
    "socket.send.buffer.bytes": "102400",
    "socket.receive.buffer.bytes": "102400",
    "socket.request.max.bytes": "104857600",
    "log.dirs": "/tmp/kraft-combined-logs",
    "num.partitions": "1",
    "num.recovery.threads.per.data.dir": "2",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "log.retention.hours": "168",
    "log.segment.bytes": "1073741824",
    "log.retention.check.interval.ms": "300000",
}

_state = {}


def sh(command, text=None):
    """Runs a documented command in the home folder, as a terminal would; its standard output."""
    env = {**os.environ, "KAFKA_CLUSTER_ID": _state.get("cluster_id", "")}
    done = subprocess.run(["bash", "-c", command], cwd=HOME, env=env, input=text, capture_output=True, text=True, timeout=60)
    print(f"$ {command}\n{done.stdout}{done.stderr}", file=sys.stderr, flush=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}"
    return done.stdout


def start(command):
    """A command that goes on until Ctrl-C."""
    return subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=HOME, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)


def stop(process):
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=30)


@case
def step_2_format_and_start():
    _state["cluster_id"] = sh("bin/kafka-storage.sh random-uuid").strip()
    assert len(_state["cluster_id"]) == 22, _state["cluster_id"]
    told = sh("bin/kafka-storage.sh format --standalone -t $KAFKA_CLUSTER_ID -c config/server.properties")
    assert "Formatting dynamic metadata voter directory /tmp/kraft-combined-logs" in told, told
    _state["server"] = start("bin/kafka-server-start.sh config/server.properties")
    cases.eventually("the node answers", lambda: answers(PORT), seconds=60)
    told = sh("bin/kafka-cluster.sh cluster-id --bootstrap-server localhost:9092")
    cases.equal(f"Cluster ID: {_state['cluster_id']}\n", told, "the id of the format step")


@case
def step_3_create_a_topic():
    told = sh("bin/kafka-topics.sh --create --topic quickstart-events --bootstrap-server localhost:9092")
    cases.equal("Created topic quickstart-events.\n", told, "said")
    told = sh("bin/kafka-topics.sh --describe --topic quickstart-events --bootstrap-server localhost:9092")
    assert "PartitionCount: 1\tReplicationFactor: 1" in told and "Partition: 0\tLeader: 1\tReplicas: 1\tIsr: 1" in told, told


@case
def step_4_write_events():
    events = "This is my first event\nThis is my second event\n"
    sh("bin/kafka-console-producer.sh --topic quickstart-events --bootstrap-server localhost:9092", events)


@case
def step_5_read_events():
    for _ in range(2):
        reader = start(
            "bin/kafka-console-consumer.sh --topic quickstart-events --from-beginning --bootstrap-server localhost:9092"
        )
        lines = [reader.stdout.readline() for _ in range(2)]
        cases.equal(["This is my first event\n", "This is my second event\n"], lines, "events")
        stop(reader)


@case
def step_8_terminate():
    cases.equal(0, stop(_state.pop("server")), "exit code of the node after Ctrl-C")
    assert os.path.exists("/tmp/kraft-combined-logs/quickstart-events-0"), os.listdir("/tmp/kraft-combined-logs")
    told = sh("bin/kafka-storage.sh info -c config/server.properties")
    assert f"cluster.id={_state['cluster_id']}" in told, told


@case
def the_daemon_is_stopped_by_its_script():
    sh("bin/kafka-server-start.sh -daemon config/server.properties --override num.partitions=3")
    cases.eventually("the node answers", lambda: answers(PORT), seconds=60)
    told = sh("bin/kafka-topics.sh --create --topic three --bootstrap-server localhost:9092")
    cases.equal("Created topic three.\n", told, "said")
    assert os.path.exists(os.path.join(HOME, "logs/kafkaServer.out"))
    sh("bin/kafka-server-stop.sh")
    cases.eventually("the node is gone", lambda: not answers(PORT), seconds=30)
    cases.eventually(
        "it was closed cleanly", lambda: os.path.exists("/tmp/kraft-combined-logs/.kafka_cleanshutdown"), seconds=30
    )
    def stop_again():
        return subprocess.run(["bin/kafka-server-stop.sh"], cwd=HOME, capture_output=True, text=True)

    cases.eventually("there is nothing to stop", lambda: stop_again().returncode == 1, seconds=30)
    cases.equal("No kafka server to stop\n", stop_again().stdout, "said")
    sh("rm -rf /tmp/kafka-logs /tmp/kraft-combined-logs")


def prepare():
    """The home folder, as one has it after unpacking Kafka: bin/ and config/."""
    os.makedirs(os.path.join(HOME, "config"), exist_ok=True)
    properties = os.path.join(HOME, "config/server.properties")
    kafka_home = os.environ.get("COMPAT_KAFKA_HOME")
    if kafka_home:
        shutil.copyfile(os.path.join(kafka_home, "config/server.properties"), properties)
    else:
        with open(properties, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in SERVER_PROPERTIES.items())
    subprocess.run([OTTLA, "install-scripts", os.path.join(HOME, "bin")], check=True, stdout=sys.stderr)


def loopback_up():
    """`ip link set lo up`, without iproute2."""
    get_flags, set_flags, is_up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, get_flags, request))[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", flags | is_up))


def main():
    if INSIDE not in sys.argv:
        namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", [*namespaces, sys.executable, os.path.abspath(__file__), INSIDE])
    loopback_up()
    prepare()
    # Who works below /tmp must not lose his files: the new /tmp is laid over it only for what the commands name.
    if not os.path.abspath(cases.WORK).startswith("/tmp/") and not OTTLA.startswith("/tmp/"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=True)
    cases.main()


if __name__ == "__main__":
    main()
