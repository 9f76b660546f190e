"""What the suites of confluent-kafka share: topics and sending."""

import cases
from cases import equal
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def admin():
    return AdminClient({"bootstrap.servers": cases.BOOTSTRAP})


def topic(prefix, partitions=1, **configs):
    name = cases.fresh_name(prefix)
    config = {"retention.ms": "-1", **{key.replace("_", "."): value for key, value in configs.items()}}
    client = admin()
    client.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(20)

    def known():
        found = client.list_topics(name, timeout=10).topics[name]
        return len(found.partitions) == partitions and all(p.leader >= 0 for p in found.partitions.values())

    cases.eventually("the new topic is known", known)
    return name


def send(records, **configs):
    """Sends (topic, partition, keyword arguments) and returns the delivered messages in order of sending."""
    delivered = [None] * len(records)
    producer = Producer({"bootstrap.servers": cases.BOOTSTRAP, "message.timeout.ms": 30000, **configs})
    for index, (name, partition, arguments) in enumerate(records):

        def report(error, message, index=index):
            delivered[index] = error or message

        while True:
            try:
                producer.produce(name, partition=partition, on_delivery=report, **arguments)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    equal(0, producer.flush(60), "messages left in the queue")
    return delivered
