"""Black-box suite: consumer groups with kcat (`kcat -G GROUP TOPIC...`)."""

import os
import signal
import subprocess

import cases
from cases import case, equal, eventually
from confluent_client import topic

CONFIGS = ["auto.offset.reset=earliest", "session.timeout.ms=3000", "heartbeat.interval.ms=200", "fetch.wait.max.ms=50",
           "topic.metadata.refresh.interval.ms=500", "auto.commit.interval.ms=100"]


def kcat(*arguments, data=b""):
    done = subprocess.run(["kcat", "-b", cases.BOOTSTRAP, *arguments], input=data, capture_output=True, timeout=60)
    equal(0, done.returncode, f"exit code of kcat {' '.join(arguments)} ({done.stderr.decode()[-200:].strip()})")
    return done.stdout


def send(name, partition, numbers, *arguments):
    kcat("-P", "-t", name, "-p", str(partition), *arguments, data=b"".join(b"%d:%d\n" % (partition, i) for i in numbers))


class Member:
    """`kcat -G` in the background. It prints one line for each message, and rebalances on its standard error."""

    def __init__(self, group, *topics, configs=()):
        self.log = os.path.join(cases.WORK, cases.fresh_name("kcat"))
        options = [word for config in [*CONFIGS, *configs] for word in ("-X", config)]
        with open(f"{self.log}.out", "wb") as out, open(f"{self.log}.err", "wb") as err:
            # Unbuffered (-u), so that what it has read can be read.
            command = ["kcat", "-b", cases.BOOTSTRAP, "-u", *options, "-f", "%t:%s\n", "-G", group, *topics]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def lines(self):
        with open(f"{self.log}.out", encoding="utf-8") as file:
            return file.read().splitlines()

    def rebalances(self):
        """The lines `% Group G rebalanced (memberid M): assigned: topic [0], topic [1]`."""
        with open(f"{self.log}.err", encoding="utf-8") as file:
            return [line for line in file.read().splitlines() if "rebalanced" in line]

    def assignment(self):
        """What the last of them says: a set of `topic [partition]`."""
        last = (self.rebalances() or [""])[-1]
        _, found, partitions = last.partition("assigned: ")
        return set(partitions.split(", ")) if found and partitions else set()

    def stop(self, how=signal.SIGTERM):
        """SIGTERM lets it commit and leave."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def share(name, partitions, least, *group):
    everything = sorted(f"{name} [{partition}]" for partition in range(partitions))

    def shared():
        held = [member.assignment() for member in group]
        return sorted(p for one in held for p in one) == everything and all(len(one) >= least for one in held)

    eventually(f"{len(group)} members share {partitions} partitions", shared, seconds=25)


def reads(codec):
    name = topic("kcat-group", 2)
    for partition in range(2):
        send(name, partition, range(200), "-z", codec)
    with Member(cases.fresh_name("reads"), name) as member:
        eventually("every message is read", lambda: len(member.lines()) == 400)
        equal(sorted(f"{name}:{p}:{i}" for p in range(2) for i in range(200)), sorted(member.lines()), "messages")


for codec_name in ["none", "gzip", "snappy", "lz4", "zstd"]:
    cases.add(f"group_reads_{codec_name}", lambda codec=codec_name: reads(codec))


@case
def group_reads_a_large_message():
    name, large = topic("kcat-large", 1), b"x" * 900_000
    kcat("-P", "-t", name, "-p", "0", data=large)
    with Member(cases.fresh_name("large"), name) as member:
        eventually("the message is read", lambda: [len(line) for line in member.lines()] == [len(name) + 1 + len(large)])


@case
def members_join_leave_and_crash():
    name, group = topic("kcat-members", 4), cases.fresh_name("members")
    with Member(group, name) as first:
        share(name, 4, 4, first)
        with Member(group, name) as second:
            share(name, 4, 2, first, second)
            second.stop()
            share(name, 4, 4, first)
        with Member(group, name) as third:
            share(name, 4, 2, first, third)
            third.stop(signal.SIGKILL)
            share(name, 4, 4, first)


@case
def static_member_returns_without_rebalance():
    name, group = topic("kcat-static", 4), cases.fresh_name("static")
    with Member(group, name, configs=["group.instance.id=other"]) as other:
        share(name, 4, 4, other)
        with Member(group, name, configs=["group.instance.id=back-soon"]) as before:
            share(name, 4, 2, other, before)
            before.stop()
            mine, seen = before.rebalances(), other.rebalances()
        with Member(group, name, configs=["group.instance.id=back-soon"]) as after:
            eventually("it has its partitions again", after.assignment)
            assigned = [line.partition("assigned: ")[2] for line in mine if "assigned: " in line]
            equal(set(assigned[-1].split(", ")), after.assignment(), "assignment after the return")
            equal(seen, other.rebalances(), "rebalances that the other member saw")


@case
def commits_and_resumes():
    name, group = topic("kcat-commits", 1), cases.fresh_name("commits")
    send(name, 0, range(50))
    with Member(group, name) as member:
        eventually("the first part is read", lambda: len(member.lines()) == 50)
        member.stop()
    send(name, 0, range(50, 80))
    with Member(group, name) as member:
        eventually("the second part is read", lambda: len(member.lines()) >= 30)
        equal([f"{name}:0:{i}" for i in range(50, 80)], member.lines(), "what the second run reads")


@case
def subscribes_by_pattern():
    prefix = cases.fresh_name("kcat-pattern")
    first = topic(f"{prefix}-a", 2)
    with Member(cases.fresh_name("by-pattern"), f"^{prefix}-.*") as member:
        share(first, 2, 2, member)
        second = topic(f"{prefix}-b", 1)
        eventually("a topic made later is assigned", lambda: f"{second} [0]" in member.assignment(), seconds=25)
        send(second, 0, range(3))
        eventually("its messages are read", lambda: len(member.lines()) == 3)


if __name__ == "__main__":
    cases.main()
