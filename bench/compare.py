#!/usr/bin/env python3
"""ottla beside Apache Kafka 4.3 and beside the floor, in alternating runs on the same disk.

Every run starts its broker on an empty directory, warms it up, and measures it from outside. CPU is that of the broker's process
alone. The machine may be noisy: read the ratios and the CPU, not the seconds. See README.md beside this file.
"""

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
import traceback

import report
from cases import CASES, SHORT
from peers import PEERS, Programs


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ottla", required=True, help="the ottla program, as it is packaged")
    parser.add_argument("--bench", required=True, help="the ottla-bench program, as it is packaged")
    parser.add_argument("--jars", default="", help="directory with Apache Kafka's jars; without them leave the peer out")
    parser.add_argument("--librdkafka", default="", help="the program of bench/librdkafka, as it is packaged")
    parser.add_argument("--case", action="append", choices=list(CASES), help="one case; may be given several times")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="only this one; may be given several times")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case with each broker")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the loads, as a part of the ordinary one")
    parser.add_argument("--short", action="store_true", help="a few cases, small, once: does everything work")
    parser.add_argument("--directory", help="where the brokers keep their data: on the disk to be measured")
    parser.add_argument("--results", default=os.path.join(os.path.dirname(__file__), "results"))
    return parser.parse_args()


def sync_times(directory, count=200):
    """Milliseconds of fdatasync after writing 4 KiB."""
    path, times = os.path.join(directory, "sync-probe"), []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(bytes(4096))
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.monotonic() - began))
    os.remove(path)
    return statistics.median(times), sorted(times)[int(0.99 * count)]


def run(case, peer_name, programs, directory, scale):
    """The figures of one run; None, after saying why, if it failed: the runs behind it may take hours."""
    peer = PEERS[peer_name](programs, directory)
    try:
        return CASES[case].run(peer, scale)
    except (Exception, SystemExit) as error:
        why = error if isinstance(error, SystemExit) else traceback.format_exc()
        print(f"{case} {peer_name} FAILED: {why}\n{peer.last_words()}", flush=True)
        return None
    finally:
        peer.stop()
        peer.clear()


def allow_open_files():
    """As many as the system lets us, for the brokers that we start and for connections of our own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    arguments = parse()
    if arguments.short:
        arguments.rounds, arguments.scale = 1, 0.01
    cases = arguments.case or (SHORT if arguments.short else list(CASES))
    programs = Programs(arguments.ottla, arguments.bench, arguments.jars, arguments.librdkafka)
    directory = tempfile.mkdtemp(prefix="ottla-bench-", dir=arguments.directory)
    allow_open_files()
    results, failed, table, began = {}, [], "nothing was measured", time.monotonic()
    try:
        syncs = sync_times(directory)
        for case in cases:
            wanted = [name for name in CASES[case].peers if not arguments.peer or name in arguments.peer]
            if not wanted:
                continue
            results[case] = {name: [] for name in wanted}
            for turn in range(arguments.rounds):
                for name in wanted if turn % 2 == 0 else reversed(wanted):
                    found = run(case, name, programs, directory, arguments.scale)
                    if found is None:
                        failed.append(f"{case} with {name}")
                        continue
                    results[case][name].append(found)
                    text = ", ".join(f"{value:.3g} {figure}" for figure, value in found.items())
                    print(f"{case} {turn + 1} {name}: {text}", flush=True)
            # Written after each case: what was measured stays, whatever becomes of the rest.
            table = report.write(arguments.results, results, notes(arguments, syncs, time.monotonic() - began, failed))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("\n" + table)
    return f"failed: {', '.join(failed)}" if failed else None


def notes(arguments, syncs, seconds, failed):
    """What was measured on, and what the names of the brokers mean."""
    half, nearly_all = syncs
    said = [
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, {arguments.rounds} runs each,"
        f" {seconds / 60:.0f} minutes, loads x {arguments.scale:g}."
        f" fdatasync of the disk: p50 {half:.2f} ms, p99 {nearly_all:.2f} ms.",
        "ottla: write.caching=true, the promise of Kafka as it ships. ottla-durable: its default, an acknowledgement is on the disk.",
    ]
    return said + ([f"Failed: {', '.join(failed)}."] if failed else [])


if __name__ == "__main__":
    sys.exit(main())
