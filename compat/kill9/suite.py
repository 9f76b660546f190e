"""Black-box suite: kill -9 under an idempotent producer, again and again. Nothing acknowledged is lost or doubled.

Four partitions are written to all the time with every codec in turn. The broker is killed at random moments and started
again on the same port; the producer goes on by itself. At the end every partition is read from its start and compared
with the log of acknowledgements.
"""

import os
import random
import time

import cases
import ledger
from broker import Broker
from cases import case

# Apache Kafka needs ten seconds for each unclean restart.
KILLS = 200 if cases.LONG else 20 if cases.PEER == "ottla" else 3
SEED = int(os.environ.get("COMPAT_SEED", "0")) or time.time_ns() % 1_000_000


@case
def nothing_acknowledged_is_lost_or_doubled():
    chance = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    topic, log = "kill9", ledger.Ledger()
    broker = Broker(os.path.join(cases.WORK, "broker"))
    broker.start()
    try:
        ledger.create_topic(broker, topic)
        for round_number in range(KILLS):
            codec = ["none", "gzip", "snappy", "lz4", "zstd"][round_number % 5]
            producer = ledger.producer(broker, codec)
            before = log.count()
            ledger.produce_for(producer, topic, log, 0.2 + chance.random())
            broker.kill()
            ledger.produce_for(producer, topic, log, 0.1)
            broker.start()
            # The same producer goes on: its retries meet the restarted broker.
            ledger.produce_for(producer, topic, log, 0.2)
            assert producer.flush(120) == 0, f"round {round_number}: messages are left after 120 s"
            assert log.count() > before, f"round {round_number}: nothing was acknowledged"
        assert not log.failures, f"{len(log.failures)} deliveries failed: {log.failures[0]}"
        for partition in range(ledger.PARTITIONS):
            ledger.check(log, partition, ledger.read_partition(broker, topic, partition))
        cases.finding("kill9", f"{log.count()} acknowledged over {KILLS} kills, seed {SEED}")
    finally:
        broker.stop()


if __name__ == "__main__":
    cases.main()
