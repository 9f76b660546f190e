"""Members of consumer groups in processes of their own, so that they can be killed.

A suite that is started as `SUITE member ARGUMENTS...` joins a group, calls `joined` once it has partitions, and polls
until it is killed.
"""

import os
import subprocess
import sys

import cases

_joined = []


def is_member():
    """True when this process is to be a member instead of running cases; its arguments are `sys.argv[2:]`."""
    return sys.argv[1:2] == ["member"]


def joined():
    """Tells the process that started this member that it has partitions."""
    if not _joined:
        _joined.append(True)
        print("joined", flush=True)


class Member:
    """Starts the running suite once more as a member; kills it on exit at the latest."""

    def __init__(self, *arguments):
        command = [sys.executable, sys.argv[0], "member", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = b""

    def has_joined(self):
        """True once it has partitions; does not wait, since the members here must poll meanwhile."""
        self.output += self.process.stdout.read() or b""
        if self.process.poll() is not None:
            raise AssertionError(f"the other member ended and says {self.output!r}")
        return self.output.startswith(b"joined\n")

    def kill(self):
        """kill -9: it does not leave its group."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.kill()


def share(name, partitions, least, *group):
    """Polls these members until they hold all partitions of the topic, each at least so many and none twice.

    A member has `poll()` and `assignment()`, a set of (topic, partition)."""
    everything = sorted((name, partition) for partition in range(partitions))

    def shared():
        for member in group:
            member.poll()
        held = [member.assignment() for member in group]
        return sorted(p for one in held for p in one) == everything and all(len(one) >= least for one in held)

    cases.eventually(f"{len(group)} members share {partitions} partitions", shared, seconds=25, interval=0)
