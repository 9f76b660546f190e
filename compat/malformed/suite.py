"""Black-box suite: what a broker must survive. Broken frames close their own connection and disturb nobody else."""

import os
import random
import selectors
import socket
import struct
import threading
import time

import cases
from broker import Broker, answers
from cases import case
from confluent_kafka import Consumer, Producer, TopicPartition

API_VERSIONS = struct.pack(">hhih", 18, 0, 7, -1)
BIG_FRAME = 100 * 1024 * 1024
# Apache Kafka takes a frame's announced size from its heap at once, so that a 1 GB heap ends at ten of them.
SLOW_CONNECTIONS = 1000 if cases.PEER == "ottla" else 5
RESIDENT_LIMIT_KB = 200 * 1024

broker = Broker(os.path.join(cases.WORK, "broker"))


def connect():
    return socket.create_connection(("127.0.0.1", broker.port), 10)


def frame(body):
    return struct.pack(">i", len(body)) + body


def is_closed_after(data, patience=15.0):
    """Sends the bytes and waits for the broker to close; an answer before that is fine."""
    with connect() as connection:
        try:
            connection.sendall(data)
            connection.settimeout(patience)
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


def must_close(name, data):
    def check():
        assert is_closed_after(data), "the connection stays open"
        assert answers(broker.port), "the broker no longer answers others"

    cases.add(name, check)


def request(key, version, body=b""):
    return frame(struct.pack(">hhih", key, version, 9, 1) + b"x" + body)


def flexible(key, version, body):
    return frame(struct.pack(">hhih", key, version, 9, 1) + b"x\0" + body)


must_close("negative_frame_length", struct.pack(">i", -1))
must_close("frame_length_of_two_gigabytes", struct.pack(">i", 2**31 - 1) + b"x" * 100)
must_close("empty_frame", struct.pack(">i", 0))
must_close("frame_shorter_than_a_header", frame(b"\0\x12"))
must_close("client_id_longer_than_the_frame", frame(struct.pack(">hhih", 18, 0, 1, 500)))
must_close("unknown_api_key", request(999, 0))
must_close("negative_api_key", request(-5, 0))
must_close("unknown_version_of_a_known_api", request(3, 99))
must_close("negative_version", request(1, -2))
must_close("metadata_with_an_absurd_topic_count", request(3, 1, struct.pack(">i", 2**31 - 1)))
must_close("metadata_with_a_count_that_overflows", flexible(3, 9, b"\xff\xff\xff\xff\x0f"))
must_close("varint_without_an_end", flexible(3, 9, b"\xff" * 12))
must_close("string_longer_than_the_frame", request(3, 1, struct.pack(">ih", 1, 30000) + b"abc"))
must_close("produce_with_a_record_set_longer_than_the_frame",
           request(0, 3, struct.pack(">hhi", -1, -1, 1000) + struct.pack(">ih", 1, 1) + b"t" + struct.pack(">iii", 1, 0, 2**30)))
must_close("fetch_with_half_a_body", request(1, 4, b"\0\0\0"))
must_close("tls_hello_on_a_plain_port", bytes.fromhex("16030100c8010000c40303") + bytes(189))
must_close("http_on_the_kafka_port", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
must_close("zeros", bytes(64))


@case
def a_frame_in_single_bytes_is_answered():
    with connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(API_VERSIONS):
            connection.sendall(bytes([byte]))
        connection.settimeout(10)
        assert connection.recv(4), "no answer"


@case
def answers_keep_the_order_of_pipelined_requests():
    with connect() as connection:
        connection.sendall(b"".join(frame(struct.pack(">hhih", 18, 0, i, -1)) for i in range(200)))
        connection.settimeout(10)
        stream = connection.makefile("rb")
        for i in range(200):
            (length,) = struct.unpack(">i", stream.read(4))
            (correlation,) = struct.unpack(">i", stream.read(length)[:4])
            assert correlation == i, f"answer {correlation} in place {i}"


@case
def garbage_of_many_seeds_harms_nobody():
    """Frames of noise behind a valid header of each API; whatever happens, only that connection may suffer."""
    seeds = 200 if cases.LONG else 20
    for seed in range(seeds):
        chance = random.Random(seed)
        for key in range(0, 95):
            with connect() as connection:
                body = chance.randbytes(chance.randrange(0, 200))
                version = chance.randrange(0, 18)
                try:
                    connection.sendall(request(key, version, body))
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(10)
                    while connection.recv(65536):
                        pass
                except TimeoutError:
                    raise AssertionError(f"api {key} version {version} seed {seed}: neither answered nor closed") from None
                except OSError:
                    pass
        assert answers(broker.port), f"dead after seed {seed}"


@case
def connections_that_vanish_leave_nothing_behind():
    before = len(os.listdir(f"/proc/{broker.pid}/fd"))
    for _ in range(300):
        with connect() as connection:
            connection.sendall(struct.pack(">i", 1000) + b"half a frame")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cases.eventually("the descriptors are closed", lambda: len(os.listdir(f"/proc/{broker.pid}/fd")) <= before + 5)


class Load:
    """An ordinary producer and consumer at full speed; counts what went all the way through."""

    def __init__(self, topic):
        self.topic = topic
        self.consumed = 0
        self.failure = None
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._guard, args=(run,)) for run in (self._produce, self._consume)]

    def _guard(self, run):
        try:
            run()
        except Exception as error:  # noqa: BLE001 - told in the case's thread
            self.failure = error

    def _produce(self):
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "message.timeout.ms": 20000,
                             "queue.buffering.max.messages": 5000})

        def delivered(error, _):
            if error is not None:
                self.failure = error

        value = cases.noise(1000)
        while not self.stopping.is_set():
            try:
                producer.produce(self.topic, value, partition=0, on_delivery=delivered)
                producer.poll(0)
            except BufferError:
                producer.poll(0.01)
        producer.flush(20)

    def _consume(self):
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False,
                             "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(self.topic, 0, 0)])
        while not self.stopping.is_set():
            self.consumed += sum(1 for message in consumer.consume(500, 0.2) if message.error() is None)
        consumer.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        cases.eventually("messages flow", lambda: self.consumed > 0 or self.failure)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def rate(self, seconds, meanwhile=lambda: None):
        """Messages per second that were consumed during a window of wall clock time."""
        first, started = self.consumed, time.monotonic()
        while time.monotonic() - started < seconds:
            meanwhile()
            assert self.failure is None, f"the ordinary client failed: {self.failure}"
        return (self.consumed - first) / (time.monotonic() - started)


def trickle(connections, selector):
    """A few bytes more on every slow connection; those that the broker closed are forgotten."""
    for key, _ in selector.select(timeout=0.05):
        try:
            if not key.fileobj.recv(4096):
                raise OSError
        except BlockingIOError:
            continue
        except OSError:
            selector.unregister(key.fileobj)
            connections.discard(key.fileobj)
            key.fileobj.close()
    for connection in list(connections):
        try:
            connection.send(b"\0" * 2048)
        except BlockingIOError:
            continue
        except OSError:
            pass


@case
def a_thousand_slow_frames_of_100_mb_cost_little():
    seconds = 30 if cases.LONG else 8
    connections, selector, peak = set(), selectors.DefaultSelector(), 0
    with Load(cases.fresh_name("slow-frames")) as load:
        load.rate(2)
        before = load.rate(seconds / 2)
        for _ in range(SLOW_CONNECTIONS):
            connection = connect()
            connection.sendall(struct.pack(">i", BIG_FRAME) + struct.pack(">hhih", 0, 9, 1, -1))
            connection.setblocking(False)
            connections.add(connection)
            selector.register(connection, selectors.EVENT_READ)

        def meanwhile():
            nonlocal peak
            trickle(connections, selector)
            peak = max(peak, broker.resident_kb())

        during = load.rate(seconds, meanwhile)
    for connection in connections:
        connection.close()
    cases.finding("slow_frames", f"{len(connections)} of {SLOW_CONNECTIONS} connections still open at the end; peak resident "
                  f"{peak // 1024} MB; {before:.0f} messages/s before, {during:.0f} during")
    assert during > before * 0.4, f"the ordinary clients fell from {before:.0f} to {during:.0f} messages/s"
    if cases.PEER == "ottla":  # a JVM's heap is no measure
        assert peak < RESIDENT_LIMIT_KB, f"{peak} kB resident, at most {RESIDENT_LIMIT_KB}"
    assert answers(broker.port), "the broker no longer answers"


@case
def an_ordinary_client_works_after_all_of_this():
    topic = cases.fresh_name("after")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(topic, b"hello")
    assert producer.flush(20) == 0, "not delivered"
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = cases.eventually("the message is read", lambda: consumer.poll(0.5))
    cases.equal(b"hello", message.value(), "value")
    consumer.close()


if __name__ == "__main__":
    with broker:
        cases.main()
