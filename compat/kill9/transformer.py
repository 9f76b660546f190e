"""A transformer with librdkafka: copies one partition into others in transactions, and writes down what it does.

Called with: bootstrap, history file, name, group, source topic, its partition, copied topic, audited topic. Ends when its
input is closed. `Transformer.java` does the same with Kafka's Java client, `crates/bench/src/transformer` with our own.
"""

import os
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

BOOTSTRAP, HISTORY, NAME, GROUP, SOURCE, PARTITION, COPIED, AUDITED = sys.argv[1:9]
PLACE = TopicPartition(SOURCE, int(PARTITION))
BATCH = 20
PATIENCE_S = 100
# librdkafka 2.16 forgets all brokers when the last one is gone, but for the group coordinator that a transactional producer
# knows: it then waits for the forgotten one until its time is up, again and again.
KEEP_BROKERS = {"metadata.recovery.strategy": "none", "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100}

over = threading.Event()
history = open(HISTORY, "a", buffering=1)


def tell(*fields):
    """One line, written before what it says is done."""
    history.write("\t".join(map(str, fields)) + "\n")


def await_end():
    sys.stdin.read()
    over.set()


def patiently(what):
    """Asks again while the broker comes and goes."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return what()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def new_producer():
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": f"librdkafka-{PARTITION}", "linger.ms": 1,
                         "transaction.timeout.ms": 30_000, **KEEP_BROKERS})
    patiently(lambda: producer.init_transactions(30))
    return producer


def go_to_position(consumer):
    """Goes on where the last transaction that counts left the group."""
    found = patiently(lambda: consumer.committed([PLACE], 10))[0].offset
    position = max(found, 0)
    consumer.assign([TopicPartition(SOURCE, PLACE.partition, position)])
    return position


def go_back(consumer, position):
    """Not asked for again: Apache Kafka may tell the former position for a moment after a commit."""
    consumer.assign([TopicPartition(SOURCE, PLACE.partition, position)])
    return position


def transact(producer, consumer, number, position):
    """One transaction; the position behind it, which is where it began when it did not commit."""
    messages = [message for message in consumer.consume(BATCH, 0.2) if message.error() is None]
    if not messages:
        return position
    name, to = f"{NAME}-{os.getpid()}-{number}", messages[-1].offset() + 1
    try:
        producer.begin_transaction()
        for index, message in enumerate(messages):
            value = f"{name}/{message.offset()}"
            tell("wrote", name, f"{COPIED}-{index % 2}", value)
            producer.produce(COPIED, value, partition=index % 2)
        tell("wrote", name, f"{AUDITED}-0", name)
        producer.produce(AUDITED, name, partition=0)
        tell("moved", name, GROUP, f"{SOURCE}-{PARTITION}", position, to)
        place = TopicPartition(SOURCE, PLACE.partition, to)
        patiently(lambda: producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), 30))
        if number % 5 == 4:
            patiently(lambda: producer.abort_transaction(30))
            tell("aborted", name)
            return go_back(consumer, position)
        tell("unknown", name)
        patiently(lambda: producer.commit_transaction(30))
        tell("committed", name)
        return to
    except KafkaException as error:
        print(f"{name}: {error}", flush=True)
        if not error.args[0].txn_requires_abort():
            raise
        patiently(lambda: producer.abort_transaction(30))
        # Had it committed, this would have been refused.
        tell("aborted", name)
        return go_back(consumer, position)


def main():
    threading.Thread(target=await_end, daemon=True).start()
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "isolation.level": "read_committed",
                         "enable.auto.commit": False, "auto.offset.reset": "error", **KEEP_BROKERS})
    producer, position, number = None, None, 0
    while not over.is_set():
        try:
            if producer is None:
                producer, position = new_producer(), None
            if position is None:
                position = go_to_position(consumer)
            number += 1
            position = transact(producer, consumer, number, position)
        except KafkaException as error:
            # Fenced, or lost for another reason: the next one takes the transactional id.
            print(f"{NAME} begins anew: {error}", flush=True)
            producer = None


if __name__ == "__main__":
    main()
