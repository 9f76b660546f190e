"""The table of cases: what is measured with which load.

Rates are the same for every broker, so that none is judged by how its client batches when it is slow.
"""

from dataclasses import replace

from clients import Clients
from data_path import ColdWhileProducing, Fetch, Latency, Produce, Tail
from disturbed import HalfOfKafka, WhileCompacting
from measure import Load
from nodes import Connections, Partitions, Start
from other_tools import ConsumerPerf, EndToEndLatency, Librdkafka, ProducerPerf
from transactional import TransactionalIds, Transactions

ONE_KB = Load()
SMALL = Load(size=100, records=5_000_000, rate=200_000)
SLOW_DISK = replace(ONE_KB, rate=10_000, records=300_000, partitions=100, acks="all", connections=6)
HALF = replace(ONE_KB, records=1_500_000, acks="all", connections=6)
# Segments roll every few seconds, old ones are deleted and what is left is compacted.
UPKEEP = ("cleanup.policy=compact,delete", "segment.bytes=16777216", "retention.bytes=134217728")
ALL = ("ottla", "ottla-durable", "kafka", "floor")

CASES = {
    "produce-1k": Produce(ONE_KB, ALL),
    "produce-1k-fast": Produce(replace(ONE_KB, rate=100_000, records=3_000_000), ALL),
    "produce-100b": Produce(SMALL),
    "produce-100k": Produce(Load(size=100_000, records=20_000, rate=500, batch=1 << 20)),
    "produce-max": Produce(replace(ONE_KB, rate=0, acks="all"), ("ottla", "ottla-durable", "kafka")),
    "produce-1-partition": Produce(replace(ONE_KB, partitions=1)),
    "produce-100-partitions": Produce(replace(ONE_KB, partitions=100)),
    "produce-acks-0": Produce(replace(ONE_KB, acks="0")),
    "produce-acks-all": Produce(replace(ONE_KB, acks="all"), ALL),
    "produce-20-producers": Produce(replace(ONE_KB, connections=20)),
    "produce-linger-0": Produce(Load(size=100, records=1_000_000, rate=0, connections=50, linger=0)),
    "produce-gzip": Produce(replace(ONE_KB, compression="gzip", records=300_000, rate=10_000)),
    "produce-snappy": Produce(replace(ONE_KB, compression="snappy")),
    "produce-lz4": Produce(replace(ONE_KB, compression="lz4")),
    "produce-zstd": Produce(replace(ONE_KB, compression="zstd")),
    "fetch-1k": Fetch(ONE_KB),
    "fetch-cold": Fetch(ONE_KB, is_cold=True),
    "fetch-fan-out": Fetch(replace(ONE_KB, records=500_000), consumers=10),
    "fetch-tail": Tail(ONE_KB),
    "fetch-cold-while-producing": ColdWhileProducing(replace(ONE_KB, rate=10_000, records=500_000)),
    "client-produce-1k": Clients(replace(ONE_KB, rate=0, acks="all", records=2_000_000)),
    "client-produce-100b": Clients(replace(SMALL, rate=0, acks="all")),
    "client-consume-1k": Clients(replace(ONE_KB, rate=0, records=2_000_000), reads=True),
    "client-consume-100b": Clients(replace(SMALL, rate=0), reads=True),
    "client-paced-1k": Clients(replace(ONE_KB, acks="all")),
    "client-paced-100b": Clients(replace(SMALL, acks="all")),
    "kafka-producer-perf": ProducerPerf(ONE_KB),
    "kafka-consumer-perf": ConsumerPerf(ONE_KB),
    "kafka-e2e-latency": EndToEndLatency(replace(ONE_KB, records=10_000, partitions=1, acks="all"), ("ottla", "ottla-durable", "kafka")),
    "librdkafka-produce-1k": Librdkafka(ONE_KB),
    "latency": Latency(replace(ONE_KB, rate=2_000, records=60_000, acks="all")),
    "latency-half": HalfOfKafka(HALF),
    "latency-half-upkeep": HalfOfKafka(replace(HALF, records=15_000_000, keys=10_000), UPKEEP),
    "slow-disk": Produce(SLOW_DISK, ("ottla-slow-disk", "ottla")),
    "compaction": WhileCompacting(2, replace(ONE_KB, acks="all")),
    "transactions-1k": Transactions(),
    "transactions-1000-ids": TransactionalIds(1_000),
    "start": Start(10),
    "connections-10000": Connections(10_000, ONE_KB),
    "partitions-5000": Partitions(5_000),
    "partitions-50000": Partitions(50_000),
}
# What the short form runs, at a hundredth of the size: whether everything works, not how fast it is.
SHORT = ["produce-1k", "fetch-1k", "latency", "transactions-1k", "transactions-1000-ids", "start"]
