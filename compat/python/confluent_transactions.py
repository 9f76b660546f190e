"""Black-box suite: transactions with confluent-kafka for Python (librdkafka, transaction version 1)."""

import cases
from cases import case, equal
from confluent_client import topic
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition


def producer(name, **configs):
    made = Producer({"bootstrap.servers": cases.BOOTSTRAP, "transactional.id": name, **{key.replace("_", "."): value for key, value in configs.items()}})
    made.init_transactions(30)
    return made


def committed(name, count, partition=0):
    """The values that a read_committed consumer sees, up to the last stable offset."""
    consumer = Consumer({"bootstrap.servers": cases.BOOTSTRAP, "group.id": "unused", "isolation.level": "read_committed",
                         "enable.partition.eof": False, "enable.auto.commit": False})
    consumer.assign([TopicPartition(name, partition, 0)])
    values = []

    def read():
        message = consumer.poll(0.1)
        if message is not None:
            assert message.error() is None, message.error()
            values.append(message.value().decode())
        return len(values) >= count

    cases.eventually(f"{count} committed messages", read, interval=0)
    assert consumer.poll(0.5) is None, "no more than that"
    consumer.close()
    return values


@case
def committed_and_aborted_transactions():
    name, expected = topic("txn-rd", 2), []
    sender = producer(name)
    for turn in range(20):
        sender.begin_transaction()
        for partition in (0, 1):
            sender.produce(name, value=f"{turn}", partition=partition)
        if turn % 3 == 1:
            sender.flush(30)
            sender.abort_transaction(30)
        else:
            sender.commit_transaction(30)
            expected.append(f"{turn}")
    for partition in (0, 1):
        equal(expected, committed(name, len(expected), partition), f"partition {partition}")


@case
def zombie_is_fenced():
    name = topic("txn-rd")
    zombie = producer(name)
    zombie.begin_transaction()
    zombie.produce(name, value="zombie", partition=0)
    zombie.flush(30)
    heir = producer(name)
    heir.begin_transaction()
    heir.produce(name, value="heir", partition=0)
    heir.commit_transaction(30)
    try:
        zombie.commit_transaction(30)
        raise AssertionError("the zombie committed")
    except KafkaException as error:
        assert error.args[0].fatal() or error.args[0].txn_requires_abort(), error
    equal(["heir"], committed(name, 1), "committed")


@case
def read_process_write_with_aborts():
    source, target, group = topic("txn-rd-in"), topic("txn-rd-out"), cases.fresh_name("txn-rd")
    plain = Producer({"bootstrap.servers": cases.BOOTSTRAP})
    for number in range(100):
        plain.produce(source, value=f"{number}", partition=0)
    equal(0, plain.flush(30), "messages left")
    consumer = Consumer({"bootstrap.servers": cases.BOOTSTRAP, "group.id": group, "isolation.level": "read_committed",
                         "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6000})
    consumer.subscribe([source])
    sender, position, turn = producer(group), 0, 0
    while position < 100:
        messages = consumer.consume(10, 1)
        if not messages:
            continue
        turn += 1
        sender.begin_transaction()
        for message in messages:
            assert message.error() is None, message.error()
            sender.produce(target, value=message.value(), partition=0)
        sender.send_offsets_to_transaction(
            [TopicPartition(source, 0, messages[-1].offset() + 1)], consumer.consumer_group_metadata(), 30)
        if turn % 3 == 1:
            sender.abort_transaction(30)
            consumer.seek(TopicPartition(source, 0, messages[0].offset()))
        else:
            sender.commit_transaction(30)
            position = messages[-1].offset() + 1
    stored = consumer.committed([TopicPartition(source, 0)], 20)[0]
    consumer.close()
    equal(100, stored.offset, "committed offset")
    equal([f"{number}" for number in range(100)], committed(target, 100), "copied once and in order")


@case
def timed_out_transaction_is_aborted():
    name = topic("txn-rd")
    sender = producer(name, transaction_timeout_ms=1000)
    sender.begin_transaction()
    sender.produce(name, value="late", partition=0)
    sender.flush(30)
    Producer({"bootstrap.servers": cases.BOOTSTRAP}).flush(1)
    plain = Producer({"bootstrap.servers": cases.BOOTSTRAP})
    plain.produce(name, value="plain", partition=0)
    equal(0, plain.flush(30), "messages left")
    equal(["plain"], committed(name, 1), "committed")


if __name__ == "__main__":
    cases.main()
