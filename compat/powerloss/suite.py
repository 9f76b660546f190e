"""Black-box suite: power loss on a real ext4. What was acknowledged with acks=all is there after it, exactly once.

The broker's data lives on a loop-mounted image. Under load the file system is shut down without flushing its journal, the
broker is killed, the image is mounted again and a broker with another boot id starts on it. The log of acknowledgements
lives in this process, that is on a machine that keeps its power.

Every other time the broker is frozen first, because a machine without power says nothing. The other times it goes on talking
while ext4 is being shut down, and must not be fooled: an fdatasync that is under way may report success although the journal no
longer writes what it needs (seen with a program of a few lines: 29 of 1,600 files), as on a disk that fails. Apache Kafka
promises nothing there, so it is always frozen.
"""

import os
import random
import signal
import sys
import time

import cases
import ledger
import loopfs
from broker import Broker
from cases import case

LOSSES = 100 if cases.LONG else 10 if cases.PEER == "ottla" else 2
SEED = int(os.environ.get("COMPAT_SEED", "0")) or time.time_ns() % 1_000_000
# ottla's acknowledgement means stable storage by default; Apache Kafka has to be told.
OPTIONS = [] if cases.PEER == "ottla" else ["log.flush.interval.messages=1"]


def start(broker, boot):
    """Starts the broker as after a reboot."""
    broker.env["OTTLA_BOOT_ID"] = f"boot-{boot}"
    broker.start()


def lose_power(filesystem, broker, boot):
    if boot % 2 == 0 or cases.PEER == "kafka":
        broker.freeze()
    filesystem.cut_power()
    broker.kill()
    filesystem.unmount()
    filesystem.mount()
    start(broker, boot)


@case
def acknowledged_records_survive_power_loss():
    chance = random.Random(SEED)
    print(f"seed {SEED}, {LOSSES} losses", flush=True)
    with loopfs.LoopFilesystem(cases.WORK, megabytes=1024) as filesystem:
        data_dir = os.path.join(filesystem.mount_point, "data")
        broker = Broker(data_dir, OPTIONS, log=os.path.join(cases.WORK, "broker.log"))
        start(broker, 0)
        if cases.PEER == "kafka":
            os.sync()  # what its format tool wrote is not synced by Apache Kafka
        try:
            run_losses(filesystem, broker, chance)
        finally:
            broker.stop()


def run_losses(filesystem, broker, chance):
    logs = {}
    for boot in range(1, LOSSES + 1):
        # A topic as young as its last acknowledgement, with segments that roll under load.
        topic = f"power-{boot}"
        logs[topic] = ledger.Ledger()
        ledger.create_topic(broker, topic, **{"segment.bytes": "1048576"})
        codec = ["none", "gzip", "lz4", "zstd", "snappy"][boot % 5]
        producer = ledger.producer(broker, codec)
        ledger.produce_for(producer, topic, logs[topic], 0.2 + chance.random())
        lose_power(filesystem, broker, boot)
        ledger.produce_for(producer, topic, logs[topic], 0.2)
        assert producer.flush(120) == 0, f"loss {boot}: messages are left after 120 s"
        for name, log in logs.items():
            assert not log.failures, f"{name}: {len(log.failures)} deliveries failed: {log.failures[0]}"
            for partition in range(ledger.PARTITIONS):
                ledger.check(log, partition, ledger.read_partition(broker, name, partition))
    total = sum(log.count() for log in logs.values())
    cases.finding("powerloss", f"{total} acknowledged over {LOSSES} losses of power, seed {SEED}")


if __name__ == "__main__":
    # The harness ends a suite with SIGTERM; what is mounted must be unmounted then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    loopfs.remove_leftovers("/powerloss/mnt")
    cases.main()
