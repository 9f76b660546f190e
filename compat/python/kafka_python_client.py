"""What the suites of kafka-python share: topics and sending."""

import cases
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic


def topic(prefix, partitions=1, **configs):
    name = cases.fresh_name(prefix)
    config = {"retention.ms": "-1", **{key.replace("_", "."): value for key, value in configs.items()}}
    client = KafkaAdminClient(bootstrap_servers=cases.BOOTSTRAP)
    try:
        client.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        cases.eventually("the new topic is known", lambda: name in client.list_topics())
    finally:
        client.close()
    return name


def send(name, records, partition=0, **configs):
    producer = KafkaProducer(bootstrap_servers=cases.BOOTSTRAP, **configs)
    try:
        futures = [producer.send(name, partition=partition, **record) for record in records]
        return [future.get(20) for future in futures]
    finally:
        producer.close()
