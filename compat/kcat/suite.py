"""Black-box suite: kcat, the command line client that most people try first (librdkafka of Debian)."""

import json
import os
import socket
import subprocess

import cases
from cases import case, equal

# The short wait lets -e find the end of a partition at once.
KCAT = ["kcat", "-b", cases.BOOTSTRAP, "-X", "fetch.wait.max.ms=10"]


def kcat(*arguments, data=b"", expect=0):
    done = subprocess.run([*KCAT, *arguments], input=data, capture_output=True, timeout=60)
    equal(expect, done.returncode, f"exit code of kcat {' '.join(arguments)} ({done.stderr.decode()[-200:].strip()})")
    return done.stdout


def metadata(*arguments):
    return json.loads(kcat("-L", "-J", *arguments))


def topic(prefix):
    """kcat creates no topics by itself: asking for the metadata of one makes the broker create it."""
    name = cases.fresh_name(prefix)

    def known():
        found = metadata("-t", name)["topics"][0]
        return found.get("partitions") and found["partitions"][0].get("leader", -1) >= 0

    cases.eventually("the topic is created by asking for it", known)
    return name


def read(name, *arguments):
    """Messages of partition 0 from the start as JSON envelopes."""
    lines = kcat("-C", "-t", name, "-p", "0", "-o", "beginning", "-e", "-q", "-J", *arguments).splitlines()
    return [json.loads(line) for line in lines]


def produce_codec(codec):
    name = topic(f"kcat-{codec}")
    data = b"".join(b"key%d:value %d\n" % (i, i) for i in range(2000))
    kcat("-P", "-t", name, "-p", "0", "-K", ":", "-z", codec, data=data)
    messages = read(name)
    equal([(f"key{i}", f"value {i}", i) for i in range(2000)], [(m["key"], m["payload"], m["offset"]) for m in messages], "messages")


for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    cases.add(f"produce_and_consume_{codec}", lambda codec=codec: produce_codec(codec))


@case
def metadata_lists_this_broker():
    name = topic("kcat-metadata")
    listing = metadata()
    equal([cases.BOOTSTRAP], [broker["name"] for broker in listing["brokers"]], "brokers")
    assert name in [found["topic"] for found in listing["topics"]], "the topic is not listed"


@case
def headers_and_timestamps():
    name = topic("kcat-headers")
    kcat("-P", "-t", name, "-p", "0", "-H", "a=1", "-H", "b=", "-H", "a=2", data=b"with headers\n")
    (message,) = read(name)
    equal(["a", "1", "b", "", "a", "2"], message["headers"], "headers")
    equal("create", message["tstype"], "timestamp type")


@case
def null_keys_and_values():
    name = topic("kcat-null")
    kcat("-P", "-t", name, "-p", "0", "-K", ":", "-Z", data=b"k:\n:v\nk:v\n")
    equal([("k", None), (None, "v"), ("k", "v")], [(m.get("key"), m["payload"]) for m in read(name)], "messages")


@case
def large_message():
    name = topic("kcat-large")
    path = os.path.join(cases.WORK, "large.bin")
    with open(path, "wb") as file:
        file.write(cases.noise(900_000))
    kcat("-P", "-t", name, "-p", "0", path)
    equal(cases.noise(900_000), kcat("-C", "-t", name, "-p", "0", "-o", "beginning", "-e", "-q", "-D", ""), "payload")


@case
def idempotent_producer():
    name = topic("kcat-idempotent")
    kcat("-P", "-t", name, "-p", "0", "-X", "enable.idempotence=true", data=b"".join(b"%d\n" % i for i in range(500)))
    equal([str(i) for i in range(500)], [m["payload"] for m in read(name)], "messages")


@case
def seek_by_offset_and_time():
    name = topic("kcat-seek")
    kcat("-P", "-t", name, "-p", "0", data=b"".join(b"%d\n" % i for i in range(100)))
    first = read(name)[0]
    from_offset = kcat("-C", "-t", name, "-p", "0", "-o", "90", "-e", "-q").split()
    equal([b"%d" % i for i in range(90, 100)], from_offset, "from offset 90")
    equal([b"98", b"99"], kcat("-C", "-t", name, "-p", "0", "-o", "-2", "-e", "-q").split(), "last two")
    from_time = kcat("-C", "-t", name, "-p", "0", "-o", f"s@{first['ts']}", "-e", "-q").split()
    equal(100, len(from_time), "from the first message's time")
    offsets = kcat("-Q", "-t", f"{name}:0:{first['ts']}").decode()
    assert "offset 0" in offsets, offsets


@case
def acks_zero_and_one():
    for acks in ["0", "1"]:
        name = topic(f"kcat-acks-{acks}")
        kcat("-P", "-t", name, "-p", "0", "-X", f"acks={acks}", data=b"one\ntwo\n")
        cases.eventually("both messages are there", lambda: [m["payload"] for m in read(name)] == ["one", "two"])


@case
def unknown_partition_is_an_error():
    kcat("-C", "-t", topic("kcat-partition"), "-p", "9", "-o", "beginning", "-e", "-q", expect=1)


@case
def nobody_listens_is_an_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(["kcat", "-b", f"127.0.0.1:{port}", "-L", "-m", "1"], capture_output=True, timeout=30)
    assert done.returncode != 0, "kcat says that all is well"


if __name__ == "__main__":
    cases.main()
