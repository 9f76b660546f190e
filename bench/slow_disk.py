#!/usr/bin/env python3
"""Runs a command whose fsync, fdatasync and syncfs take so many milliseconds longer: slow_disk.py MILLISECONDS COMMAND...

The kernel asks this process about each of these system calls (seccomp's user notification), which sleeps and lets it go on. All other
system calls run as they are, and nothing of the delay is the command's CPU. x86-64 and aarch64.
"""

import ctypes
import fcntl
import os
import platform
import signal
import struct
import sys
import threading
import time

# Numbers of fsync, fdatasync and syncfs, of seccomp, and the audit architecture.
NUMBERS = {"x86_64": ((74, 75, 306), 317, 0xC000003E), "aarch64": ((82, 83, 267), 277, 0xC00000B7)}
PR_SET_NO_NEW_PRIVS = 38
SET_MODE_FILTER, NEW_LISTENER = 1, 8
ALLOW, USER_NOTIF = 0x7FFF0000, 0x7FC00000
# struct seccomp_notif: id, pid, flags, nr, arch, instruction pointer, six arguments. Its answer: id, value, error, flags.
NOTIF, ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
RECEIVE, SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
# Syncs that are under way at the same time.
THREADS = 64


def listener():
    """The descriptor that tells of these calls by this process and its children."""
    (calls, seccomp, architecture) = NUMBERS[platform.machine()]
    load = lambda offset: (0x20, 0, 0, offset)
    jump_if = lambda value, then, otherwise: (0x15, then, otherwise, value)
    program = [load(4), jump_if(architecture, 0, 4), load(0)]
    program += [jump_if(call, 3 - place, 0) for place, call in enumerate(calls)]
    program += [(0x06, 0, 0, ALLOW), (0x06, 0, 0, USER_NOTIF)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    described = ctypes.create_string_buffer(struct.pack("H6xQ", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    found = libc.syscall(seccomp, SET_MODE_FILTER, NEW_LISTENER, described)
    if found < 0:
        raise SystemExit("seccomp: " + os.strerror(ctypes.get_errno()))
    return found


def answer(descriptor, seconds):
    """Lets calls go on after a while, until the last process that could make one has ended."""
    while True:
        asked = bytearray(NOTIF.size)
        try:
            fcntl.ioctl(descriptor, RECEIVE, asked)
            time.sleep(seconds)
            fcntl.ioctl(descriptor, SEND, ANSWER.pack(NOTIF.unpack(asked)[0], 0, 0, CONTINUE))
        except (FileNotFoundError, InterruptedError):
            # Whoever asked has been killed meanwhile.
            continue


def main():
    seconds, command = float(sys.argv[1]) / 1000, sys.argv[2:]
    descriptor = listener()
    child = os.fork()
    if child == 0:
        os.execvp(command[0], command)
    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, lambda number, _: os.kill(child, number))
    for _ in range(THREADS):
        threading.Thread(target=answer, args=(descriptor, seconds), daemon=True).start()
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
