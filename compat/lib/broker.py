"""Brokers that a suite starts, kills and restarts by itself, of whichever kind the harness was asked for."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

START_LIMIT_S = 60
FREEZE_LIMIT_S = 10


class Broker:
    """One broker with its data directory. Restarting keeps directory and port."""

    def __init__(self, data_dir, options=(), env=None, log=None):
        self.data_dir = data_dir
        self.options = list(options)
        self.env = dict(env or {})
        self.port = 0
        self.process = None
        self.log = open(log or f"{data_dir.rstrip('/')}.log", "ab")

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Returns once the broker answers ApiVersions."""
        command = json.loads(os.environ["COMPAT_START"]) + ["--data-dir", self.data_dir, "--port", str(self.port)]
        for option in self.options:
            command += ["-o", option]
        environment = {**os.environ, **self.env}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=environment
        )
        line = self.process.stdout.readline().decode()
        address = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not address:
            self.kill()
            raise AssertionError(f"no address in the broker's first line {line!r}; log: {self.log.name}")
        self.port = int(address.group(1))
        deadline = time.monotonic() + START_LIMIT_S
        while not answers(self.port):
            if self.process.poll() is not None:
                raise AssertionError(f"the broker ended while starting; log: {self.log.name}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the broker does not answer on port {self.port}; log: {self.log.name}")
            time.sleep(0.05)
        return self

    def freeze(self):
        """SIGSTOP: from the return on the broker says nothing more. A system call that is under way goes on in the kernel."""
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + FREEZE_LIMIT_S
        while not self._is_frozen():
            if time.monotonic() > deadline:
                raise AssertionError(f"the broker does not stop within {FREEZE_LIMIT_S} s")
            time.sleep(0.0005)

    def _is_frozen(self):
        """Whether every thread is stopped, or waits in the kernel for a disk and stops before it comes back."""
        tasks = f"/proc/{self.pid}/task"
        for thread in os.listdir(tasks):
            try:
                with open(f"{tasks}/{thread}/stat") as stat:
                    state = stat.read().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state not in "TtD":
                return False
        return True

    def kill(self):
        """kill -9, and waits until it is gone."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """SIGTERM, and SIGKILL when that does not end it within 20 s."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def resident_kb(self):
        """Resident memory of the process."""
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        self.log.close()


def answers(port, timeout=2.0):
    """True when ApiVersions (version 0) is answered without an error."""
    request = struct.pack(">ihhih", 10, 18, 0, 7, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(request)
            reply = _read(connection, 10)
    except OSError:
        return False
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (7, 0)


def _read(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            break
        data += more
    return data
