"""Cases about a node as a whole: starts, partitions, connections."""

import signal
import socket
import time

from measure import TOPIC, Load, measured, produce
from peers import API_VERSIONS


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
    """Very many partitions, empty and written to: creation, memory, open files, idle CPU, restarts."""

    peers = ("ottla", "kafka")

    def __init__(self, count):
        self.count = count

    def run(self, peer, scale):
        count = max(100, int(self.count * scale))
        peer.start()
        began = time.monotonic()
        # Kafka refuses a single request for more than 10,000.
        topics = {f"{TOPIC}-{index}": min(10_000, count - index) for index in range(0, count, 10_000)}
        for topic, partitions in topics.items():
            peer.create_topic(topic, partitions)
        found = {"creation, s": time.monotonic() - began}
        time.sleep(3)
        before = peer.cpu_seconds()
        time.sleep(10)
        found["idle, % of a core"] = 100 * (peer.cpu_seconds() - before) / 10
        found["resident MB"] = peer.memory_mb("VmRSS")
        found["open files"] = peer.open_files()
        peer.stop()
        found["restart, s"] = peer.start()
        peer.stop(signal.SIGKILL)
        found["restart after kill -9, s"] = peer.start()
        found["until all are written to, s"] = write_to_all(peer, topics)
        found["written to: resident MB"] = peer.memory_mb("VmRSS")
        found["written to: open files"] = peer.open_files()
        for how, name in ((signal.SIGTERM, "restart"), (signal.SIGKILL, "restart after kill -9")):
            peer.stop(how)
            began = time.monotonic()
            found[f"written to: {name}, s"] = peer.start()
            write_to_all(peer, topics)
            found[f"written to: {name} until all are written to again, s"] = time.monotonic() - began
        found["peak MB"] = peer.memory_mb("VmHWM")
        return found


def write_to_all(peer, topics):
    """Seconds. Ten keys for each partition: hardly one is left out."""
    began = time.monotonic()
    for topic, partitions in topics.items():
        load = Load(topic=topic, size=100, records=10 * partitions, keys=10 * partitions, rate=0, acks="all", linger=50)
        produce(peer, load)
    return time.monotonic() - began


class Connections:
    """Very many connections that ask nothing, and one producer among them."""

    peers = ("ottla", "kafka")

    def __init__(self, count, load):
        self.count, self.load = count, load

    def run(self, peer, scale):
        count, load = max(10, int(self.count * scale)), self.load.part(scale)
        peer.start()
        peer.create_topic(TOPIC, load.partitions)
        without = peer.memory_mb("VmRSS")
        began = time.monotonic()
        sockets = [asked(peer) for _ in range(count)]
        found = {"connecting, s": time.monotonic() - began}
        time.sleep(2)
        before = peer.cpu_seconds()
        time.sleep(10 * min(1, scale))
        found["idle, % of a core"] = 100 * (peer.cpu_seconds() - before) / (10 * min(1, scale))
        found["kB per connection"] = 1000 * (peer.memory_mb("VmRSS") - without) / count
        found |= measured(peer, lambda: produce(peer, load))
        for connection in sockets:
            connection.close()
        return found


def asked(peer):
    """A connection over which ApiVersions was asked and answered."""
    connection = socket.create_connection(("127.0.0.1", peer.port), timeout=30)
    connection.sendall(API_VERSIONS)
    length = int.from_bytes(exactly(connection, 4), "big")
    exactly(connection, length)
    return connection


def exactly(connection, length):
    taken = b""
    while len(taken) < length:
        part = connection.recv(length - len(taken))
        if not part:
            raise SystemExit("a broker closed a connection that it had just taken")
        taken += part
    return taken
